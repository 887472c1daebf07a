"""A fitted model of one series, and the season that is taken out before it and put back after."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from forecastkit import runtime
from forecastkit.forecasting.models.regressors import Design

__all__ = ["DIFFERENCE", "MOST_DIFFERENCED", "PROFILE", "Forwarded", "LocalModel", "bridge", "deseasoned", "quiet"]

DIFFERENCE, PROFILE = "difference", "decomposition"
MOST_DIFFERENCED = 60
"""A longer season is seen too few times for the noise of a single last one."""
RECENT_SEASONS = 10


class LocalModel(Protocol):
    """A model of one series."""

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int, x: np.ndarray | None = None) -> np.ndarray:
        """[F, H] after the first ``n_known`` [F] rows of y, parameters unchanged.

        Args:
            x: [n, K] columns known ahead, row by row like y and H rows beyond the last cutoff; None = none are read.
        """
        ...


@contextmanager
def quiet() -> Iterator[None]:
    """Libraries compute on one thread inside, and keep their warnings."""
    # When it is imported it asks that its warnings be always shown, which must not happen within the filter.
    importlib.import_module("statsmodels.tools.sm_exceptions")
    with runtime.one_blas_thread(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def bridge(y: np.ndarray) -> np.ndarray:
    """Unobserved rows between two observed ones by a straight line."""
    gone = np.isnan(y)
    if not gone.any():
        return y
    row = np.arange(len(y))
    return np.where(gone, np.interp(row, row[~gone], y[~gone]), y)


def _profile(y: np.ndarray, season: int, upto: int) -> np.ndarray:
    """[season] additive seasonal part of y by phase (row % season), from at most ``upto`` last rows."""
    start = max(0, len(y) - upto)
    part = y[start:]
    # A centred mean over one season removes the level; only rows with a whole season around them count.
    weights = np.r_[0.5, np.ones(season - 1), 0.5] / season if season % 2 == 0 else np.ones(season) / season
    if len(part) < 2 * season:
        return np.zeros(season)
    level = np.convolve(part, weights, mode="valid")
    half = (len(weights) - 1) // 2
    rest = part[half : half + len(level)] - level
    phase = (start + half + np.arange(len(level))) % season
    total = np.bincount(phase, weights=rest, minlength=season)
    count = np.bincount(phase, minlength=season)
    mean = total / np.maximum(count, 1)
    out: np.ndarray = mean - mean.mean()
    return out


def _recent(season: int, most: int) -> int:
    """Rows whose phase means make the season: recent ones, since seasons change, but at least a few."""
    return min(most, RECENT_SEASONS * season) if season <= MOST_DIFFERENCED else most


def deseasoned(y: np.ndarray, season: int, how: str, most: int) -> np.ndarray:
    """A series, or each column of several, with its season taken out."""
    if how == DIFFERENCE:
        return np.asarray(y[season:] - y[:-season])
    if not how:
        return y
    if y.ndim > 1:
        return np.stack([deseasoned(column, season, how, most) for column in y.T], axis=1)
    return np.asarray(y - _profile(y, season, _recent(season, most))[np.arange(len(y)) % season])


@dataclass(frozen=True, eq=False)
class Forwarded:
    """A statsforecast model; ``forward`` runs it over longer history.

    Args:
        max_history: last rows that it is run over.
        design: columns of the regression; None = the model is one of the series alone.
        keeps_start: see ``StatisticalForecaster``; it is then run over all rows that it is given.
    """

    model: Any
    max_history: int
    season: int
    adjusted: str
    design: Design | None = None
    keeps_start: bool = False

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int, x: np.ndarray | None = None) -> np.ndarray:
        """See ``LocalModel``."""
        columns = None if self.design is None or x is None else self.design.of(x)
        out = np.full((len(n_known), horizon), np.nan)
        for k, n in enumerate(n_known):
            known = y[: max(0, n)]
            seen = np.flatnonzero(np.isfinite(known))
            if not len(seen):
                continue
            trailing = int(n) - 1 - int(seen[-1])
            first = int(seen[0]) if self.keeps_start else max(int(seen[0]), int(seen[-1]) + 1 - self.max_history)
            while np.isnan(known[first]):
                first += 1
            past = bridge(known[first : seen[-1] + 1])
            if np.ptp(past) == 0:
                out[k] = past[-1]
                continue
            own = None if columns is None else columns[first : int(n) + horizon]
            out[k] = self._ahead(past, horizon + trailing, own)[trailing:]
        return out

    def _ahead(self, past: np.ndarray, steps: int, x: np.ndarray | None) -> np.ndarray:
        if self.model is None:  # constant when fitted and not any more: one such series does not fail the others
            return np.full(steps, past[-1])
        m = self.season
        if not self.adjusted:
            return self._forward(past, steps, x)
        if self.adjusted == DIFFERENCE:
            if len(past) <= 2 * m:  # an earlier cutoff than that of the fit: too few differences to run over
                return np.full(steps, past[-1])
            change = self._forward(past[m:] - past[:-m], steps, None if x is None else x[m:] - x[:-m])
            out = np.r_[past, np.empty(steps)]
            for t in range(len(past), len(out)):
                out[t] = out[t - m] + change[t - len(past)]
            return out[len(past) :]
        season = _profile(past, m, _recent(m, self.max_history))
        phase = np.arange(len(past) + steps) % self.season
        if x is not None:
            most = _recent(m, self.max_history)
            x = x - np.stack([_profile(column[: len(past)], m, most)[phase] for column in x.T], axis=1)
        return self._forward(past - season[phase[: len(past)]], steps, x) + season[phase[len(past) :]]

    def _forward(self, past: np.ndarray, steps: int, x: np.ndarray | None) -> np.ndarray:
        """[steps] after ``past`` [n]; columns [n + steps, k]."""
        if x is None:
            return np.asarray(self.model.forward(y=past, h=steps)["mean"], dtype=np.float64)
        n = len(past)
        found = self.model.forward(y=past, h=steps, X=np.ascontiguousarray(x[:n]), X_future=np.ascontiguousarray(x[n:]))
        return np.asarray(found["mean"], dtype=np.float64)
