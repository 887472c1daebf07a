"""Whom a run that classifies tells how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forecastkit.classification.evaluation import Tested

__all__ = ["Watch"]


class Watch:
    """Silent; a terminal prints."""

    def say(self, label: str, line: str) -> None:
        """A line about data or plan."""

    def step(self, tested: Tested, done: int, total: int) -> None:
        """Fits done of one classifier."""

    def phase(self, line: str) -> None:
        """What comes after the test."""
