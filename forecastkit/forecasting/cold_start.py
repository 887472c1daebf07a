"""Series without any history, forecast from what never changes about them.

A history is made for each of them, and the model goes on from it. Level (its logarithm, where all are above 0), logarithm of
the spread, and shape in units of the spread are each a sum over the known series, with the weights of a ridge regression on
the static covariates; how strongly that shrinks to the mean of all is chosen by leaving each series out. How far off this
is: each known series is left out in turn and forecast as if it were new, before its last rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecastkit.errors import DataError
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame

__all__ = ["MOST_LEFT_OUT", "ColdStart"]

FEWEST = 3
FEWEST_FOR_INTERVALS = 10
MOST_LEFT_OUT = 100
"""Series, evenly chosen, that are forecast as if they were new."""
MOST_ROWS = 2000
LEVEL_ROWS = 30
"""Rows that a level is the mean of, where a season is not longer."""
SHRINK = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1e9)
LEAST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class ColdStart:
    """What is known of the series with a history, at a calendar position.

    Args:
        frame: with static covariates.
        cutoff: calendar position; nothing after it is looked at but known covariates.
        start: calendar position of the first column of ``shape``.
        statics: of the frame's series.
        level, spread: [I] mean and standard deviation of the last rows up to the cutoff; NaN = there is none.
        shape: [I, T] rows in units of the spread around the level.
    """

    frame: SeriesFrame
    cutoff: int
    start: int
    statics: _Statics
    level: np.ndarray
    spread: np.ndarray
    shape: np.ndarray

    @classmethod
    def at(cls, frame: SeriesFrame, cutoff: int) -> ColdStart:
        """Look at a frame up to a calendar position."""
        store = frame.store
        start = max(int(store.starts.min()), cutoff + 1 - MOST_ROWS)
        y = np.full((len(store), cutoff + 1 - start), np.nan)
        for i, first in enumerate(store.starts.tolist()):
            own = store.series(i)[max(0, start - first) : max(0, cutoff + 1 - first)]
            place = max(first - start, 0)
            y[i, place : place + len(own)] = own
        level, spread = np.full((2, len(store)), np.nan)
        for i, row in enumerate(y):
            last = row[np.isfinite(row)][-max(frame.season_length, LEVEL_ROWS) :]
            if len(last):
                level[i], spread[i] = last.mean(), last.std()
        spread = np.maximum(spread, 1e-6 * np.maximum(np.abs(level), 1e-300))
        return cls(frame, cutoff, start, _Statics.fit(frame), level, spread, (y - level[:, None]) / spread[:, None])

    @property
    def is_positive(self) -> bool:
        """Whether every level is above 0, so that levels are multiples of each other."""
        return bool((self.level[self.seen] > 0).all())

    @property
    def seen(self) -> np.ndarray:
        """[I] bool, series with a row up to the cutoff."""
        return np.isfinite(self.level)

    def weights(self, new: pd.DataFrame, without: int | None = None) -> np.ndarray:
        """[K, I] of the known series in the new ones; each row sums to 1.

        Args:
            new: a row a new series, with the static columns.
            without: a known series that is not looked at.
        """
        use = self.seen.copy()
        if without is not None:
            use[without] = False
        x, level = self.statics.known[use], self.level[use]
        y = np.log(level) if self.is_positive else level
        found = _ridge_weights(x, y, self.statics.of(new))
        out = np.zeros((len(new), len(use)))
        out[:, use] = found
        return out

    def history(self, new: pd.DataFrame, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(made-up rows [K, T] up to the cutoff, their level [K]), by ``weights``."""
        use = self.seen
        w, z, own = weights[:, use], self.shape[use], self.level[use]
        level = w @ (np.log(own) if self.is_positive else own)
        if self.is_positive:
            # A line through logarithms is not trusted far beyond what was seen.
            level = np.exp(np.clip(level, np.log(own.min() / 2), np.log(own.max() * 2)))
        spread = np.exp(w @ np.log(self.spread[use]))
        there = np.isfinite(z)
        share = w @ there
        shape = (w @ np.where(there, z, 0.0)) / np.where(share > LEAST_SHARE, share, 1.0)
        y = level[:, None] + spread[:, None] * shape
        if (self.frame.upto(self.cutoff).store.values >= 0).all():
            y = np.maximum(y, 0.0)
        return y, level

    def frame_of(self, new: pd.DataFrame, weights: np.ndarray, ahead: int = 0) -> tuple[SeriesFrame, np.ndarray]:
        """(frame of the new series alone, their level [K]).

        Args:
            new: index: names; columns: static covariates.
            ahead: rows after the cutoff that hold known covariates of the known series and no target.
        """
        y, level = self.history(new, weights)
        n = y.shape[1] + ahead
        instants = self.frame.calendar.instants[self.start : self.start + n]
        table = {
            "item_id": np.repeat(new.index.to_numpy(object), n),
            "timestamp": instants[np.tile(np.arange(n), len(new))],
            "target": np.pad(y, ((0, 0), (0, ahead)), constant_values=np.nan).ravel(),
        }
        for name in (*self.frame.known, *self.frame.past):
            table[name] = self._covariate(name, weights, n).ravel()
        for name in self.frame.static:
            table[name] = np.repeat(new[name].to_numpy(), n)
        data = pd.DataFrame(table).sort_values("item_id", kind="stable", ignore_index=True)
        order = np.argsort(new.index.to_numpy(object), kind="stable")
        made = SeriesFrame(
            data, self.frame.calendar, season_length=self.frame.season_length, target_name=self.frame.target_name,
            past=self.frame.past, known=self.frame.known, static=self.frame.static, country=self.frame.country,
            name=self.frame.name,
        )  # fmt: skip
        return made, level[order]

    def _covariate(self, name: str, weights: np.ndarray, n: int) -> np.ndarray:
        """[K, n] what a covariate was: the weighted mean of numbers, and the text of the series that is most alike."""
        store, column = self.frame.store, self.frame.column(name)
        texts = column.dtype == object
        grid = np.full((len(store), n), None if texts else np.nan, dtype=object if texts else np.float64)
        for i, first in enumerate(store.starts.tolist()):
            low, high = max(first, self.start), min(int(store.ends[i]) + 1, self.start + n)
            if low < high:
                own = int(store.offsets[i])
                grid[i, low - self.start : high - self.start] = column[own + low - first : own + high - first]
        if texts:
            return np.asarray(grid[weights.argmax(axis=1)])
        there = np.isfinite(grid)
        share = weights @ there
        return np.where(
            share > LEAST_SHARE, (weights @ np.where(there, grid, 0.0)) / np.where(share == 0, 1, share), np.nan
        )

    def table(self) -> pd.DataFrame:
        """The known series' own static covariates."""
        first = self.frame.store.offsets[:-1]
        columns = {name: self.frame.column(name)[first] for name in self.frame.static}
        return pd.DataFrame(columns, index=pd.Index(list(self.frame.items), dtype=object))

    @classmethod
    def errors(
        cls,
        forecast: Callable[[SeriesFrame, int], np.ndarray],
        frame: SeriesFrame,
        horizon: int,
        most: int = MOST_LEFT_OUT,
    ) -> np.ndarray:
        """[J, horizon] errors of series forecast as if they were new, in units of the level (or spread) given to them.

        The model has seen these series, as a new one will not have been: it is the level that is tested here.

        Args:
            forecast: (frame, calendar position) -> [I, horizon or more] after it.
            most: series that are left out.
        """
        end = int(frame.store.ends.max())
        if end < horizon + 1:
            return np.zeros((0, horizon))
        about = cls.at(frame, end - horizon)
        every = np.flatnonzero(about.seen & (frame.store.ends >= end))
        if int(about.seen.sum()) <= FEWEST or not len(every):
            return np.zeros((0, horizon))
        chosen = every[np.unique(np.linspace(0, len(every) - 1, most).round().astype(int))]
        own = about.table().iloc[chosen]
        weights = np.concatenate([about.weights(own.iloc[[k]], without=int(j)) for k, j in enumerate(chosen)])
        made, level = about.frame_of(own, weights, ahead=horizon)
        points = forecast(made, about.cutoff)[:, :horizon]
        truth = np.stack([frame.store.series(int(j))[-horizon:] for j in chosen])
        return np.asarray((truth - points) / about.unit(level, weights)[:, None])

    def unit(self, level: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """[K] what errors are measured in: the level where all are above 0, else the spread."""
        if self.is_positive:
            return level
        return np.asarray(np.exp(weights[:, self.seen] @ np.log(self.spread[self.seen])))

    @staticmethod
    def quantiles(points: np.ndarray, unit: np.ndarray, errors: np.ndarray) -> np.ndarray | None:
        """[K, H, Q] of forecasts [K, H], from the errors of series left out; None where they are too few."""
        if len(errors) < FEWEST_FOR_INTERVALS or not np.isfinite(errors).any():
            return None
        found = np.nanquantile(errors, QUANTILES)
        return np.asarray(points[:, :, None] + unit[:, None, None] * found)


@dataclass(frozen=True, eq=False)
class _Statics:
    """Static covariates as numbers: centred and scaled, and a mark for each category that two series share.

    Args:
        known: [I, D] of the series with a history.
    """

    centres: dict[str, tuple[float, float]]
    marks: tuple[tuple[str, str], ...]
    known: np.ndarray

    @classmethod
    def fit(cls, frame: SeriesFrame) -> _Statics:
        """Of a frame's series."""
        first = frame.store.offsets[:-1]
        centres: dict[str, tuple[float, float]] = {}
        marks: list[tuple[str, str]] = []
        for name in frame.static:
            column = frame.column(name)[first]
            if column.dtype == object:
                names, counts = np.unique([str(v) for v in column], return_counts=True)
                marks += [(name, str(v)) for v, n in zip(names, counts) if n > 1]
            else:
                seen = column[np.isfinite(column)]
                spread = float(seen.std()) if len(seen) else 0.0
                if spread > 0:
                    centres[name] = float(seen.mean()), spread
        out = cls(centres, tuple(marks), np.zeros((0, 0)))
        return cls(centres, tuple(marks), out.of(pd.DataFrame({n: frame.column(n)[first] for n in frame.static})))

    def of(self, new: pd.DataFrame) -> np.ndarray:
        """[K, D]; a missing number is the mean, a category that was not seen has no mark."""
        columns = []
        for name, (centre, spread) in self.centres.items():
            values = (new[name].to_numpy(np.float64) - centre) / spread
            columns.append(np.where(np.isfinite(values), values, 0.0))
        for name, value in self.marks:
            columns.append((new[name].astype(str) == value).to_numpy(np.float64))
        return np.stack(columns, axis=1) if columns else np.zeros((len(new), 0))

    def likes(self, new: pd.DataFrame) -> np.ndarray:
        """[K] bool, whether every static covariate that tells series apart has a value that was seen."""
        out = np.ones(len(new), dtype=bool)
        for name in self.centres:
            out &= np.isfinite(new[name].to_numpy(np.float64))
        for name in dict.fromkeys(n for n, _ in self.marks):
            out &= new[name].astype(str).isin([v for n, v in self.marks if n == name]).to_numpy()
        return out


def _ridge_weights(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    """[K, I] with which a ridge regression of y [I] on x [I, D] sums y to forecasts at new [K, D]."""
    n = len(x)
    if n < FEWEST:
        raise DataError(
            place="new items", value=f"{n} series with a history", rule=f"at least {FEWEST} are needed to learn from",
            remedy="Fit to more series.",
        )  # fmt: skip
    centre = x.mean(axis=0)
    a, b = x - centre, new - centre
    gram, eye = a.T @ a, np.eye(x.shape[1])
    best, least = None, np.inf
    for shrink in SHRINK:
        inner = np.linalg.solve(gram + shrink * eye, a.T)
        hat = 1 / n + a @ inner
        left_out = (y - hat @ y) / np.maximum(1 - np.diag(hat), 1e-3)
        loss = float((left_out**2).sum())
        if loss < least:
            best, least = inner, loss
    assert best is not None
    return np.asarray(1 / n + b @ best)
