"""What a text classifier is. Models stand behind it alike, a table of counts or a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from forecastkit.text.schema import TextTable

__all__ = ["FitAbout", "FittedTextClassifier", "TextClassifier"]


def _silent(done: int, total: int, note: str) -> None:
    return None


@dataclass(frozen=True, eq=False)
class FitAbout:
    """Around a fit.

    Args:
        valid: texts that early stopping may watch; None = a fixed number of steps.
        n_steps: take exactly so many.
        unlabelled: more texts of the same kind, for pretraining.
    """

    seed: int = 1
    valid: TextTable | None = None
    n_steps: int | None = None
    unlabelled: tuple[str, ...] = ()
    progress: Callable[[int, int, str], None] = _silent


class FittedTextClassifier(Protocol):
    """Says how likely each class is."""

    info: dict[str, Any]
    curves: list[dict[str, float]]

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """[N, K] probabilities; of any text, also one without a known word."""
        ...

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, JSON-able facts) for ``restore``."""
        ...


class TextClassifier(Protocol):
    """Options; learns from labelled texts."""

    family: str

    def fit(self, table: TextTable, about: FitAbout) -> FittedTextClassifier:
        """Learn. Classes that ``table`` does not show get little probability, never none."""
        ...
