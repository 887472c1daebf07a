"""Small texts that come with forecastkit: ``dataset:reviews``, ``dataset:tales``, ``dataset:phrases``, and those of the gallery."""

from __future__ import annotations

from pathlib import Path

from forecastkit.errors import UnknownNameError, near

__all__ = ["EXAMPLES", "example"]

EXAMPLES = {
    "reviews": "reviews.csv",
    "tales": "tales.txt",
    "phrases": "phrases.tsv",
    "melodies": "melodies.txt",
    "questions": "questions.tsv",
}


def example(name: str) -> Path:
    """The file of an example.

    Raises:
        UnknownNameError: no such example.

    >>> example("reviews").name
    'reviews.csv'
    """
    if name not in EXAMPLES:
        raise UnknownNameError(place="data set", value=repr(name), rule="no such text", remedy=near(name, EXAMPLES))
    package = Path(__file__).parents[1]
    shipped = package / "_datasets" / "text"
    return (shipped if shipped.is_dir() else package.parent / "datasets" / "text") / EXAMPLES[name]
