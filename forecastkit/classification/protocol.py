"""What a classifier is: labelled sequences in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from forecastkit.classification.schema import Sequences

__all__ = ["Classifier", "FitAbout", "FittedClassifier"]


def _silent(done: int, total: int, note: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class FitAbout:
    """What a fit may know besides the data.

    Args:
        seed: of everything random.
        n_steps: optimiser steps of a network; None = until it stops improving on ``valid``.
        valid: sequences of other groups, for early stopping.
        progress: called with (done, total, unit).
    """

    seed: int = 1
    n_steps: int | None = None
    valid: Sequences | None = None
    progress: Callable[[int, int, str], None] = field(default=_silent)


class FittedClassifier(Protocol):
    """A classifier that has learned."""

    info: dict[str, Any]
    curves: list[dict[str, float]]

    def predict(self, data: Sequences) -> np.ndarray:
        """Probabilities [N, K], rows sum to 1."""
        ...

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, JSON-able facts) from which ``restore`` makes it again."""
        ...


class Classifier(Protocol):
    """A classifier with its options, not yet fitted; a frozen dataclass whose fields are the options."""

    family: Any

    def fit(self, data: Sequences, about: FitAbout | None = None) -> FittedClassifier:
        """Learn from ``data``; its labels are known."""
        ...
