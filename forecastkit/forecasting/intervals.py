"""Intervals from residuals of calibrate folds (select folds where there are none), by step.

Residuals are divided by each item's own recent scale, so that items of different size share them. With too
few folds, steps share the shape and keep their own spread. These intervals are marked uncalibrated: they were not proven on
folds that the model had not been chosen by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.forecasting.schema import QUANTILES, SeriesFrame

__all__ = ["ResidualIntervals", "recent_scale"]

MIN_SCORES = 200
"""Fewest residuals a step for quantiles of its own: five in each tail of a 95 % interval."""

RECENT_ROWS = 250
"""Rows that the scale looks back, so that it follows the present volatility."""


def recent_scale(frame: SeriesFrame, at: np.ndarray, season_length: int = 1) -> np.ndarray:
    """Mean absolute seasonal difference over the last rows up to each cutoff.

    Args:
        at: [n_cutoffs, n_items] calendar positions.

    Returns:
        [n_cutoffs, n_items], target units; 0 for constants, NaN where no pair is observed.
    """
    store = frame.store
    lags = [season_length, 1] if season_length > 1 else [1]
    out = np.full(at.shape, np.nan)
    for i in range(len(store)):
        y = store.series(i)
        end = np.clip(at[:, i] - store.starts[i] + 1, 0, len(y))
        for m in lags:
            if len(y) <= m:
                continue
            diff = np.abs(y[m:] - y[:-m])
            seen = np.isfinite(diff)
            total = np.r_[0.0, np.cumsum(np.where(seen, diff, 0.0))]
            count = np.r_[0, np.cumsum(seen)]
            hi = np.clip(end - m, 0, len(diff))
            lo = np.clip(hi - max(RECENT_ROWS, 3 * m), 0, None)
            n = count[hi] - count[lo]
            mean = np.divide(total[hi] - total[lo], n, out=np.full(len(n), np.nan), where=n > 0)
            out[:, i] = np.where(np.isnan(out[:, i]), mean, out[:, i])
    return out


@dataclass(frozen=True)
class ResidualIntervals:
    """Quantiles of scaled residuals.

    Args:
        offsets: [H, Q] in units of the item's recent scale; added to the point forecast.
        n_scores: residuals behind each step's quantiles.
        pooled: whether steps were pooled.
        source: ``"calibrate"``, ``"select"`` or ``"none"``.
    """

    offsets: np.ndarray
    n_scores: int
    pooled: bool
    source: str

    @classmethod
    def fit(
        cls, points: np.ndarray, answers: np.ndarray, scale: np.ndarray, *, source: str
    ) -> ResidualIntervals | None:
        """Learn from folds [F, I, H] that are not report folds; None where nothing is left to learn from.

        Args:
            points: [F, I, H] forecasts.
            answers: [F, I, H] actual values, NaN where unobserved.
            scale: [F, I] from ``recent_scale``.
        """
        usable = np.where((scale > 0) & np.isfinite(scale), scale, np.nan)[:, :, None]
        residual = (answers - points) / usable
        n_steps = points.shape[2]
        per_step = np.isfinite(residual).sum(axis=(0, 1)) if residual.size else np.zeros(n_steps, int)
        total = int(per_step.sum())
        if total < 2:
            return None
        pooled = int(per_step.min()) < MIN_SCORES
        if not pooled:
            flat = residual.transpose(2, 0, 1).reshape(n_steps, -1)
            offsets = np.nanquantile(flat, QUANTILES, axis=1).T
            return cls(offsets, int(per_step.min()), pooled, source)
        # Pool after dividing by each step's own spread, so that near steps keep their narrower band. The spread
        # never shrinks with the step: with few residuals a smaller one is luck.
        square = np.where(np.isfinite(residual), residual, 0.0) ** 2
        spread = np.sqrt(square.sum(axis=(0, 1)) / np.maximum(per_step, 1))
        spread = np.maximum.accumulate(spread)
        if spread[-1] == 0:
            return cls(np.zeros((n_steps, len(QUANTILES))), total, pooled, source)
        spread = np.where(spread > 0, spread, spread[spread > 0].min())[None, None, :]
        standard = np.quantile((residual / spread)[np.isfinite(residual)], QUANTILES)
        return cls(spread[0, 0, :, None] * standard[None, :], total, pooled, source)

    def quantiles(self, points: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Quantiles [F, I, H, Q] around ``points`` [F, I, H]; a zero scale gives the point itself."""
        size = np.where(np.isfinite(scale), scale, 0.0)[:, :, None, None]
        steps = points.shape[2]
        return points[..., None] + size * self.offsets[None, None, :steps, :]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; floats keep every digit."""
        return {
            "offsets": self.offsets.tolist(),
            "n_scores": self.n_scores,
            "pooled": self.pooled,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ResidualIntervals:
        """The inverse of ``to_dict``."""
        offsets = np.asarray(values["offsets"], dtype=np.float64)
        return cls(offsets, int(values["n_scores"]), bool(values["pooled"]), str(values["source"]))
