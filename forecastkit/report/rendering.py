"""What the pages of all tasks share: the template environment, and pictures for wide and for narrow screens."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from forecastkit.report.charts import NARROW, WIDE
from forecastkit.report.numbers import count

__all__ = ["both", "environment"]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Templates of this package; whatever comes from the data is escaped."""
    made = Environment(
        loader=PackageLoader("forecastkit.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["counted"] = _counted
    return made


def _counted(cell: Any, lang: str) -> Any:
    """Counts with their thousands apart; anything else as it is."""
    if isinstance(cell, bool) or not isinstance(cell, int):
        return cell
    return count(cell, lang)


def both(draw: Callable[..., str]) -> Markup:
    """A picture for wide and one for narrow screens; the style sheet shows one.

    Args:
        draw: takes ``width`` in pixels, and escapes every text.
    """
    wide, narrow = (draw(width=width) for width in (WIDE, NARROW))
    return Markup(f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>')  # noqa: S704  see above
