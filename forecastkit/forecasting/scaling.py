"""Scaling in float64, before values become float32: 1e9 and 1e9 + 1 stay different.

Shapes: B windows, T context rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["InstanceScale"]

ROUNDING = 1e-12
"""A spread below this share of the level is rounding: the context counts as constant."""


@dataclass(frozen=True, eq=False)
class InstanceScale:
    """Level and spread of each window, from its context alone.

    Args:
        centre: [B] mean of observed rows; 0 where there are none.
        spread: [B] standard deviation of observed rows; 0 for a constant context.
    """

    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, observed: np.ndarray) -> InstanceScale:
        """From contexts [B, T] float64, using rows that were observed."""
        n = np.maximum(observed.sum(axis=1), 1)
        # Two passes: differences from a first level keep every digit of large numbers.
        first = np.where(observed.any(axis=1), values[np.arange(len(values)), observed.argmax(axis=1)], 0.0)
        apart = np.where(observed, values - first[:, None], 0.0)
        mean = apart.sum(axis=1) / n
        spread = np.sqrt((np.where(observed, apart - mean[:, None], 0.0) ** 2).sum(axis=1) / n)
        centre = first + mean
        constant = spread <= ROUNDING * np.abs(centre)
        return cls(np.where(constant, first, centre), np.where(constant, 0.0, spread))

    @classmethod
    def none(cls, n: int) -> InstanceScale:
        """Values as they are."""
        return cls(np.zeros(n), np.ones(n))

    @property
    def divisor(self) -> np.ndarray:
        """[B] spread, or 1 for a constant context."""
        return np.where(self.spread > 0, self.spread, 1.0)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """[B, ...] target units -> scaled units."""
        shape = (-1, *[1] * (values.ndim - 1))
        return (values - self.centre.reshape(shape)) / self.divisor.reshape(shape)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """[B, ...] scaled units -> target units; a constant context gives back its own value."""
        shape = (-1, *[1] * (scaled.ndim - 1))
        return scaled * self.spread.reshape(shape) + self.centre.reshape(shape)
