"""The median of the same place in the last seasons: a template for a model of your own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["SeasonalMedian"]


@dataclass(frozen=True)
class FittedSeasonalMedian:
    """What was learned: here nothing but how long a season is."""

    season_length: int
    n_seasons: int
    horizon: int
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """Forecasts [n_cutoffs, n_items, horizon]; each reads the rows at or before its cutoff, and no others."""
        store = frame.store
        out = np.full((len(cutoffs), len(store), self.horizon), np.nan)
        for k, cutoff in enumerate(cutoffs.tolist()):
            for item in range(len(store)):
                known = store.series(item, upto=cutoff)
                out[k, item] = self._ahead(known, cutoff - int(store.starts[item]) + 1)
        return out

    def _ahead(self, known: np.ndarray, n_rows: int) -> np.ndarray:
        """[horizon]; ``known`` [n] with NaN where nothing was observed, ``n_rows`` rows of the calendar up to the cutoff."""
        if not np.isfinite(known).any():
            return np.full(self.horizon, np.nan)
        out = np.empty(self.horizon)
        for h in range(self.horizon):
            same = known[(n_rows + h) % self.season_length :: self.season_length]
            same = same[np.isfinite(same)][-self.n_seasons :]
            out[h] = np.median(same) if len(same) else np.nanmedian(known)
        return out

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """None: the model gives points alone, and intervals come from its past errors."""
        return

    def update(self, frame: SeriesFrame) -> FittedSeasonalMedian:
        """The same model with longer history."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and plain values, from which ``restore`` makes it again; never code."""
        return {}, {"season_length": self.season_length, "horizon": self.horizon}


@dataclass(frozen=True)
class SeasonalMedian:
    """The median of the last values of the same place in the season.

    Args:
        n_seasons: so many values at most; the fields of this class are the options of the model.
    """

    n_seasons: int = 5
    family: ClassVar[str] = "baseline"
    point: ClassVar[str] = "median"
    complexity: ClassVar[int] = 4
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __post_init__(self) -> None:
        if self.n_seasons < 1:
            raise ConfigError(
                place="model seasonal_median, option n_seasons", value=str(self.n_seasons), rule="at least 1 is needed"
            )

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedSeasonalMedian:
        """Learn from every row of ``frame``: rows after the cutoff are not in it."""
        return FittedSeasonalMedian(frame.season_length, self.n_seasons, horizon)

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedSeasonalMedian:
        """The fitted model of ``state``."""
        return FittedSeasonalMedian(int(meta["season_length"]), self.n_seasons, int(meta["horizon"]))
