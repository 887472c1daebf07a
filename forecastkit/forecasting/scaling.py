"""Scaling in float64, before values become float32: 1e9 and 1e9 + 1 stay different.

Shapes: B windows, T context rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from forecastkit.nn.heads import Units

__all__ = ["InstanceScale", "loss_weights", "units_of"]

ROUNDING = 1e-12
"""A spread below this share of the level is rounding: the context counts as constant."""

FAR_BELOW, FAR_SPREADS = 7.0, 10.0
"""Where a window is read in logarithms, a lower value (0, for one) counts as so far below its level: in logarithms, and in
spreads, whichever is more."""

MOST_EXPONENT = 700.0
"""Beyond it a float64 overflows."""

MOST_WEIGHT = 20.0
"""A window far quieter or louder than its series must not decide a training."""


@dataclass(frozen=True, eq=False)
class InstanceScale:
    """Level and spread of each window, from its context alone.

    Args:
        centre: [B] mean of observed rows; 0 where there are none.
        spread: [B] standard deviation of observed rows; 0 for a constant context.
        log: [B] bool, whether the window is read in logarithms, which centre and spread are then of; None = none is.
    """

    centre: np.ndarray
    spread: np.ndarray
    log: np.ndarray | None = None

    @classmethod
    def fit(cls, values: np.ndarray, observed: np.ndarray, *, log: bool = False) -> InstanceScale:
        """From contexts [B, T] float64, using rows that were observed.

        Args:
            log: read windows in logarithms where every observed value is above 0.
        """
        positive = None
        if log:
            positive = ((values > 0) | ~observed).all(axis=1)
            values = np.where(positive[:, None] & observed, np.log(np.where(values > 0, values, 1.0)), values)
        n = np.maximum(observed.sum(axis=1), 1)
        # Two passes: differences from a first level keep every digit of large numbers.
        first = np.where(observed.any(axis=1), values[np.arange(len(values)), observed.argmax(axis=1)], 0.0)
        apart = np.where(observed, values - first[:, None], 0.0)
        mean = apart.sum(axis=1) / n
        spread = np.sqrt((np.where(observed, apart - mean[:, None], 0.0) ** 2).sum(axis=1) / n)
        centre = first + mean
        constant = spread <= ROUNDING * np.abs(centre)
        return cls(np.where(constant, first, centre), np.where(constant, 0.0, spread), positive)

    def with_spread(self, spread: np.ndarray) -> InstanceScale:
        """The same levels with another spread [B], where it is a number above 0."""
        return replace(self, spread=np.where(spread > 0, spread, self.spread))

    @classmethod
    def none(cls, n: int) -> InstanceScale:
        """Values as they are."""
        return cls(np.zeros(n), np.ones(n))

    @property
    def divisor(self) -> np.ndarray:
        """[B] spread, or 1 for a constant context."""
        return np.where(self.spread > 0, self.spread, 1.0)

    @property
    def unit(self) -> np.ndarray:
        """[B] target units in one scaled unit, near the window's level."""
        if self.log is None:
            return self.divisor
        return self.divisor * np.where(self.log, np.exp(np.minimum(self.centre, MOST_EXPONENT)), 1.0)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """[B, ...] target units -> scaled units."""
        shape = (-1, *[1] * (values.ndim - 1))
        centre = self.centre.reshape(shape)
        if self.log is not None:
            log = self.log.reshape(shape)
            least = centre - np.maximum(FAR_BELOW, FAR_SPREADS * self.spread.reshape(shape))
            logarithm = np.log(values, where=log & (values > 0), out=np.full(values.shape, -np.inf))
            values = np.where(log, np.maximum(logarithm, least), values)
        return (values - centre) / self.divisor.reshape(shape)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """[B, ...] scaled units -> target units; a constant context gives back its own value."""
        shape = (-1, *[1] * (scaled.ndim - 1))
        out = scaled * self.spread.reshape(shape) + self.centre.reshape(shape)
        if self.log is None:
            return out
        log = self.log.reshape(shape)
        return np.where(log, np.exp(np.where(log, np.minimum(out, MOST_EXPONENT), 0.0)), out)


def loss_weights(unit: np.ndarray, item_scale: np.ndarray) -> np.ndarray:
    """[B] what brings errors in units of each window, ``unit`` [B], into those of its series, ``item_scale`` [B]; within bounds."""
    return np.clip(unit / item_scale, 1 / MOST_WEIGHT, MOST_WEIGHT)


def units_of(scale: InstanceScale) -> Units:
    """Levels and spreads [B, 1] as float32 tensors."""
    import torch

    from forecastkit.nn.heads import Units

    with np.errstate(
        over="ignore"
    ):  # levels beyond 3e38 are infinite; they are no counts, and counts alone ask for units
        parts = [torch.from_numpy(v.astype(np.float32))[:, None] for v in (scale.centre, scale.divisor)]
    return Units(*parts)
