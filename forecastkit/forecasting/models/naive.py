"""The naive rules. Hard to beat, and the measure of everything else.

All are vectorised: one pass over a series serves every cutoff. Unobserved rows are skipped, never filled.
Source: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sec. 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Drift", "Naive", "SeasonalNaive", "WindowAverage"]

Rule = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""(values of one item with NaN, rows known at each cutoff [F], H) -> forecasts [F, H]; rows counted from cutoff."""


@dataclass(frozen=True)
class _FittedRule:
    """A rule has nothing to learn; it looks at the rows at or before each cutoff."""

    rule: Rule = field(repr=False)
    horizon: int
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        store = frame.store
        at = np.asarray(cutoffs, dtype=np.int64)
        out = np.full((len(at), len(store), self.horizon), np.nan)
        for i in range(len(store)):
            y = store.series(i)
            # Rows may be fewer than the calendar says: after an item's end its last row stays the last.
            out[:, i] = self.rule(y, at - store.starts[i] + 1, self.horizon)
        return out

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> _FittedRule:
        """See ``Fitted.update``."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        return {}, {"horizon": self.horizon, "season_length": self.info["season_length"]}


@dataclass(frozen=True)
class _Rule:
    family: ClassVar[str] = "baseline"
    point: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 0
    capabilities: ClassVar[Capabilities] = Capabilities()

    def _rule(self, season_length: int) -> Rule:
        return _naive

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> _FittedRule:
        """See ``Forecaster.fit``."""
        return _FittedRule(self._rule(frame.season_length), horizon, {"season_length": frame.season_length})

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedRule:
        """See ``Forecaster.restore``."""
        season = int(meta["season_length"])
        return _FittedRule(self._rule(season), int(meta["horizon"]), {"season_length": season})


def _last_seen(y: np.ndarray) -> np.ndarray:
    """[n + 1] index of the last observed row among the first k rows, -1 where there is none."""
    index = np.where(np.isfinite(y), np.arange(len(y)), -1)
    return np.r_[-1, np.maximum.accumulate(index)].astype(np.int64)


def _take(y: np.ndarray, index: np.ndarray) -> np.ndarray:
    if not len(y):
        return np.full(index.shape, np.nan)
    return np.where(index >= 0, y[np.maximum(index, 0)], np.nan)


def _naive(y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
    last = _take(y, _last_seen(y)[np.clip(n_known, 0, len(y))])
    return np.repeat(last[:, None], horizon, axis=1)


def _drift(y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
    n = np.clip(n_known, 0, len(y))
    seen = np.flatnonzero(np.isfinite(y))
    first = int(seen[0]) if len(seen) else 0
    last = _last_seen(y)[n]
    start = y[first] if len(seen) else np.nan
    rows = last - first
    slope = np.where(rows > 0, (_take(y, last) - start) / np.maximum(rows, 1), 0.0)
    # Steps count from the last observed row.
    ahead = (n_known - 1 - last)[:, None] + np.arange(1, horizon + 1)
    return _take(y, last)[:, None] + slope[:, None] * ahead


def _seasonal(season_length: int) -> Rule:
    def rule(y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
        m = season_length
        n = np.clip(n_known, 0, len(y))
        plain = _naive(y, n_known, horizon)
        out = np.full((len(n), horizon), np.nan)
        # Last observed row of each phase of the season, up to each row.
        padded = np.r_[y, np.full(-len(y) % m, np.nan)].reshape(-1, m)
        index = np.where(np.isfinite(padded), np.arange(len(padded))[:, None], -1)
        latest = np.vstack([np.full((1, m), -1), np.maximum.accumulate(index, axis=0)])
        for h in range(1, horizon + 1):
            phase = (n_known - 1 + h) % m
            # Full seasons in which this phase lies within the known rows.
            n_seen = np.clip((n - phase + m - 1) // m, 0, len(padded))
            row = latest[n_seen, phase]
            out[:, h - 1] = np.where(row >= 0, padded[np.maximum(row, 0), phase] if len(padded) else np.nan, np.nan)
        # A phase that was never observed, in a history shorter than a season: the plain rule.
        return np.where(np.isnan(out), plain, out)

    return rule


def _average(window: int) -> Rule:
    def rule(y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
        seen = np.isfinite(y)
        values = y[seen]
        count = np.r_[0, np.cumsum(seen)][np.clip(n_known, 0, len(y))]
        out = np.full(len(count), np.nan)
        for k, n in enumerate(count):
            if n:
                # A mean of equal numbers must be that number to the last bit.
                part = values[max(0, n - window) : n]
                out[k] = part[0] + np.mean(part - part[0])
        return np.repeat(out[:, None], horizon, axis=1)

    return rule


@dataclass(frozen=True)
class Naive(_Rule):
    """The last observed value for every step."""


@dataclass(frozen=True)
class Drift(_Rule):
    """The last observed value, moved on by the mean change between the first and the last."""

    complexity: ClassVar[int] = 2

    def _rule(self, season_length: int) -> Rule:
        return _drift


@dataclass(frozen=True)
class SeasonalNaive(_Rule):
    """The last observed value of the same place in the season; without a season it is naive."""

    complexity: ClassVar[int] = 1

    def _rule(self, season_length: int) -> Rule:
        return _naive if season_length == 1 else _seasonal(season_length)


@dataclass(frozen=True)
class WindowAverage(_Rule):
    """The mean of the last observed rows.

    Args:
        window: rows; None = one season, at least 5.
    """

    window: int | None = None
    complexity: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise ConfigError(
                place="model window_average, option window", value=str(self.window), rule="at least 1 is needed"
            )

    def _rule(self, season_length: int) -> Rule:
        return _average(self.window or max(5, season_length))
