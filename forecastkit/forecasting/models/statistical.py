"""What ARIMA, exponential smoothing, theta and models of intermittent demand share: one model a series, from libraries.

Fitted once; at later cutoffs the parameters stay and the history goes on. Rules common to all:

- Unobserved rows: statsmodels takes them; for statsforecast they are interpolated linearly between the neighbours that
  are known at the cutoff. After the last observed row the horizon is counted on.
- A constant history is forecast as itself, and by its last value where it moves before the next refit.
- ``max_history`` rows at most are used to fit: these models forget, and cost grows faster than the rows. At later cutoffs
  a model is run over as many last rows, or from the first row that it was fitted to where it keeps the state before it.
- Covariates that are known ahead are read by ``auto_arima`` and ``arima`` alone: a linear regression with ARIMA errors,
  the same differences or phase means taken from the columns as from the target; ``models.regressors`` has the columns.
- A season longer than ``longest_season`` is taken out first and put back after; the rest is modelled without a season.
  It is said in ``info["note"]``. ARIMA takes the difference to the last season; ETS and theta, and all where the season is
  longer than ``MOST_DIFFERENCED``, additive phase means (classical decomposition) of the last ``RECENT_SEASONS``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from forecastkit import parallel
from forecastkit.errors import ConfigError, FitError
from forecastkit.forecasting.models.one_series import (
    DIFFERENCE,
    MOST_DIFFERENCED,
    PROFILE,
    Forwarded,
    LocalModel,
    bridge,
    deseasoned,
    quiet,
)
from forecastkit.forecasting.models.regressors import Design, Regressors
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["LocalFit", "StatisticalForecaster"]

FEWEST_ROWS = 6
FEWEST_TIMED, HOPELESS = 5, 1.5
"""Series that say how long the others take, and how much more than what is left of the time that must be."""
PILOT, WORTH_PROCESSES = 1.0, 5.0
"""Seconds of work that are done here first, and seconds that must be left for worker processes to pay."""
CHUNK_SECONDS = 1.0
MOST_CHUNKS = 64
"""Pieces that a cluster is given, of whose size and speed nothing is known here."""


def _trimmed(y: np.ndarray, most: int) -> slice:
    """At most ``most`` rows, from an observed one to the last observed one."""
    seen = np.flatnonzero(np.isfinite(y))
    if not len(seen):
        return slice(0, 0)
    end = int(seen[-1]) + 1
    return slice(int(seen[seen >= end - most][0]), end)


@dataclass(frozen=True, eq=False)
class _FittedLocal:
    """One model a series.

    Args:
        regressors: how known covariates become columns; None = they are not read.
    """

    forecaster: StatisticalForecaster
    models: dict[str, LocalModel]
    train: dict[str, _History]
    season_length: int
    horizon: int
    regressors: Regressors | None = None
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)
    deadline: float | None = None

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        store = frame.store
        at = np.asarray(cutoffs, dtype=np.int64)
        out = np.full((len(at), len(store), self.horizon), np.nan)
        columns = _columns(self.regressors, frame, self.horizon)
        for i, item in enumerate(store.items):
            if item not in self.models:
                continue
            _in_time(self.deadline, i, len(store))
            unit = self.forecaster._unit(self.train[item], frame, i, at, columns[i])
            with quiet():
                out[:, i] = self.models[item].forecast(unit.y, unit.n_known, self.horizon, unit.x)
        return out

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> _FittedLocal:
        """See ``Fitted.update``."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The rows it was fitted to: fitting again gives the same parameters, and no code is stored."""
        items = list(self.train)
        values = [self.train[item].y for item in items]
        offsets = np.cumsum([0, *map(len, values)]).astype(np.int64)
        arrays = {"train": np.concatenate([np.zeros(0), *values]), "offsets": offsets}
        meta = {"items": items, "season_length": self.season_length, "horizon": self.horizon}
        since = [self.train[item].since for item in items]
        meta["since"] = [s.isoformat() if isinstance(s, pd.Timestamp) else s if s is None else int(s) for s in since]
        if self.regressors is not None:
            arrays["columns"] = np.concatenate([x for item in items if (x := self.train[item].x) is not None])
            meta["regressors"] = self.regressors.to_dict()
        return arrays, meta


def _in_time(deadline: float | None, done: int, total: int) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise _out_of_time(done, total)


def _out_of_time(done: int, total: int) -> FitError:
    return FitError(
        place="time budget",
        rule=f"used up, or too little to go on, after {done} of {total} series",
        remedy="Raise baseline_seconds, or the time limit.",
    )


class _Pace:
    """Whether the rest of the series can be done in time; the first ones also load libraries, and do not count.

    Args:
        until: ``time.time()``; None = no limit.
    """

    def __init__(self, until: float | None, total: int) -> None:
        self.until, self.total = until, total
        self.begun: tuple[float, int] | None = None

    def is_hopeless(self, done: int) -> bool:
        """Asked after ``done`` series; says yes only where half as much time again would not do."""
        if self.until is None:
            return False
        now = time.time()
        if done < FEWEST_TIMED or self.begun is None:
            self.begun = (now, done)
            return False
        since, before = self.begun
        if done - before < FEWEST_TIMED:
            return False
        needed = (now - since) / (done - before) * (self.total - done)
        return needed > HOPELESS * (self.until - now)


@dataclass(frozen=True, eq=False)
class LocalFit:
    """One fit of a per-series model, and the cutoffs that it forecasts at.

    Args:
        train: rows to learn from.
        frame: rows to forecast from.
        at: [F, I] cutoffs of the frame's items, as calendar positions.
    """

    train: SeriesFrame
    frame: SeriesFrame
    at: np.ndarray


@dataclass(frozen=True, eq=False)
class _History:
    """What one series' model learns from.

    Args:
        y: [n] rows.
        x: [n, K] columns of known covariates; None = they are not read.
        since: instant of the first row; None = not kept, in models saved by earlier versions.
    """

    y: np.ndarray
    x: np.ndarray | None = None
    since: Any = None

    def begin(self, frame: SeriesFrame, item: int) -> int:
        """Which row of an item of a frame is the first of these.

        Raises:
            FitError: none is.
        """
        calendar, store = frame.calendar, frame.store
        at = calendar.at_or_before(self.since)
        row = at - int(store.starts[item])
        if not 0 <= row < store.lengths[item] or calendar.instants[at] != self.since:
            raise FitError(
                place=f"series {store.items[item]!r}",
                rule=f"the model was fitted to its rows since {self.since}, which are not all here",
                remedy="Give its whole history.",
            )
        return row


@dataclass(frozen=True, eq=False)
class _Unit:
    """One series of one fit; ``train`` None = too short to learn from; ``x`` as ``LocalModel.forecast``."""

    train: _History | None
    y: np.ndarray
    n_known: np.ndarray
    x: np.ndarray | None = None


def _columns(regressors: Regressors | None, frame: SeriesFrame, horizon: int) -> Sequence[np.ndarray | None]:
    """[I] columns of each item, with those of ``horizon`` rows after the calendar's end."""
    return [None] * len(frame.items) if regressors is None else regressors.columns(frame, horizon)


@dataclass(frozen=True, eq=False)
class _Done:
    """What became of a unit."""

    model: LocalModel | None
    points: np.ndarray
    seconds_fit: float
    seconds_predict: float


def _work(
    forecaster: StatisticalForecaster, season_length: int, horizon: int, until: float | None, units: list[_Unit]
) -> list[_Done]:
    """Fit and forecast some series; fewer where the clock (``time.time()``, which machines share) is past ``until``."""
    out: list[_Done] = []
    with quiet():
        for unit in units:
            if until is not None and time.time() > until:
                break
            started = time.perf_counter()
            model, points = None, np.full((len(unit.n_known), horizon), np.nan)
            if unit.train is not None:
                model = forecaster._fit_series(unit.train.y, season_length, unit.train.x)
            between = time.perf_counter()
            if model is not None and len(unit.n_known):
                points = model.forecast(unit.y, unit.n_known, horizon, unit.x)
            out.append(_Done(model, points, between - started, time.perf_counter() - between))
    return out


@dataclass(frozen=True)
class StatisticalForecaster:
    """What the four share.

    Args:
        max_history: rows used to fit a series.
    """

    max_history: int = 1500
    family: ClassVar[str] = "statistical"
    point: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 10
    longest_season: ClassVar[int] = 12
    differences: ClassVar[bool] = False
    keeps_start: ClassVar[bool] = False
    """Whether the library's model keeps the level and season before the first row of its training: run over rows that begin
    elsewhere, it would take them for those of another time."""
    fewest: ClassVar[int] = FEWEST_ROWS

    def __post_init__(self) -> None:
        if self.max_history < 20:
            raise ConfigError(
                place="option max_history", value=str(self.max_history), rule="at least 20 rows are needed"
            )

    @property
    def capabilities(self) -> Capabilities:
        """No covariates, unless a model says otherwise."""
        return Capabilities()

    def _library_model(self, season: int) -> Any:
        raise ConfigError(place=type(self).__name__, rule="not a model by itself")

    def _with_columns(self, y: np.ndarray, x: np.ndarray, season: int) -> Any:
        """The library's model of y, fitted with columns."""
        raise ConfigError(place=type(self).__name__, rule="reads no covariates")

    def _fit_series(self, y: np.ndarray, season_length: int, x: np.ndarray | None = None) -> LocalModel:
        past = bridge(y)
        adjusted = self._adjustment(season_length, len(past))
        if np.ptp(past) == 0:
            return Forwarded(None, self.max_history, season_length, adjusted)
        season = 1 if adjusted or len(past) < 2 * season_length + 1 else season_length
        take_out = partial(deseasoned, season=season_length, how=adjusted, most=self.max_history)
        past = take_out(past)
        if adjusted == DIFFERENCE and np.ptp(past) == 0:  # the same in every season: nothing is left to model
            past = past + np.linspace(-1e-9, 1e-9, len(past))
        design = None if x is None else Design.fit(x, take_out)
        model = None
        if design is not None and x is not None:
            # Columns that the library cannot take, which it says by a bare Exception, are worth a model without them.
            with suppress(Exception):
                model = self._with_columns(past, np.ascontiguousarray(take_out(design.of(x))), season)
        if model is None:
            design, model = None, self._library_model(season).fit(past)
        return Forwarded(model, self.max_history, season_length, adjusted, design, self.keeps_start)

    def _fit_again(self, one: _History, season_length: int) -> LocalModel:
        with quiet():
            model = self._fit_series(one.y, season_length, one.x)
        # Where it is not known what its first row was, the last rows stand for it.
        return replace(model, keeps_start=False) if one.since is None and isinstance(model, Forwarded) else model

    def _adjustment(self, season_length: int, n: int) -> str:
        if season_length <= self.longest_season:
            return ""
        if self.differences and season_length <= MOST_DIFFERENCED and n > 3 * season_length:
            return DIFFERENCE
        return PROFILE

    def _said(self, season_length: int, models: dict[str, LocalModel], *, reads: bool) -> str:
        forwarded = [m for m in models.values() if isinstance(m, Forwarded)]
        hows = " or ".join(dict.fromkeys(m.adjusted for m in forwarded if m.adjusted))
        flat = sum(m.model is None for m in forwarded)
        constant = f"{flat} of {len(models)} series constant when fitted: their last value is the forecast"
        without = sum(getattr(m, "design", None) is None for m in models.values()) if reads else 0
        unread = f"no known covariate of use in {without} of {len(models)} series"
        season = f"season {season_length} taken out by {hows} first" if hows else ""
        notes = [season, constant if flat else "", unread if without else ""]
        return "; ".join(filter(None, notes))

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> _FittedLocal:
        """See ``Forecaster.fit``.

        Raises:
            FitError: no series is long enough, or the time budget is used up.
        """
        only = LocalFit(frame, frame, np.zeros((0, len(frame.items)), np.int64))
        return next(self.fit_and_forecast([only], horizon=horizon, context=context or FitContext()))[0]

    def fit_and_forecast(
        self, fits: Sequence[LocalFit], *, horizon: int, context: FitContext
    ) -> Iterator[tuple[_FittedLocal, np.ndarray, float, float]]:
        """(fitted, points [F, I, horizon], seconds of fitting and of forecasting) of each fit, in order.

        Series of all fits are independent: they are done by ``context.workers``, the first second of them here.

        Raises:
            FitError: as ``fit``.
        """
        total = sum(len(one.frame.items) for one in fits)
        done = self._stream(fits, horizon, total, context)
        started, n_done = time.perf_counter(), 0
        for one in fits:
            store, (train, regressors) = one.frame.store, self._training(one.train)
            if not train:
                raise FitError(place="history", rule=f"no series has {self.fewest} observed rows")
            found = []
            for _ in store.items:
                unit = next(done, None)
                if unit is None:
                    raise _out_of_time(n_done, total)
                n_done += 1
                found.append(unit)
            models = {item: d.model for item, d in zip(store.items, found) if d.model is not None}
            season = one.train.season_length
            info = {"note": self._said(season, models, reads=regressors is not None)}
            fitted = _FittedLocal(self, models, train, season, horizon, regressors, info, deadline=context.deadline)
            points = np.stack([d.points for d in found], axis=1)
            # Workers go side by side: the wall clock's time, in the proportion of theirs.
            now = time.perf_counter()
            share = sum(d.seconds_fit for d in found) / max(sum(d.seconds_fit + d.seconds_predict for d in found), 1e-9)
            yield fitted, points, share * (now - started), (1 - share) * (now - started)
            started = now

    def _training(self, frame: SeriesFrame) -> tuple[dict[str, _History], Regressors | None]:
        """(item -> what its model learns from, items that are too short being absent; how covariates are read)."""
        store, train = frame.store, {}
        regressors = Regressors.fit(frame) if self.capabilities.known else None
        columns = _columns(regressors, frame, 0)
        for i, item in enumerate(store.items):
            y, x = store.series(i), columns[i]
            # The cut must begin with an observed row too.
            rows = _trimmed(y, self.max_history)
            if np.isfinite(y[rows]).sum() >= self.fewest:
                since = frame.calendar.instants[int(store.starts[i]) + rows.start]
                train[item] = _History(y[rows], None if x is None else x[rows], since)
        return train, regressors

    def _unit(self, train: _History | None, frame: SeriesFrame, i: int, at: np.ndarray, x: np.ndarray | None) -> _Unit:
        """Item ``i`` of a frame with cutoffs ``at`` [F] and its columns, from the row on that its model is run from."""
        anchored = self.keeps_start and train is not None and train.since is not None
        begin = train.begin(frame, i) if anchored and train is not None else 0
        n_known = at - frame.store.starts[i] + 1 - begin
        return _Unit(train, frame.store.series(i)[begin:], n_known, None if x is None else x[begin:])

    def _units(self, fits: Sequence[LocalFit], horizon: int) -> Iterator[_Unit]:
        for one in fits:
            store, (train, regressors) = one.frame.store, self._training(one.train)
            columns = _columns(regressors, one.frame, horizon)
            for i, item in enumerate(store.items):
                yield self._unit(train.get(item), one.frame, i, one.at[:, i], columns[i])

    def _stream(self, fits: Sequence[LocalFit], horizon: int, total: int, context: FitContext) -> Iterator[_Done]:
        """What becomes of every unit, in order; ends early where the time is used up."""
        until = None if context.deadline is None else time.time() + context.deadline - time.monotonic()
        season = fits[0].train.season_length if fits else 1
        work, pace = partial(_work, self, season, horizon, until), _Pace(until, total)
        units, started, n_done, workers = self._units(fits, horizon), time.perf_counter(), 0, context.workers
        local = workers.engine == "local"
        while local and n_done < total and (workers.here or time.perf_counter() - started < PILOT):
            found = work([next(units)])
            if not found:
                return
            n_done += 1
            context.progress(n_done, total, "series")
            if pace.is_hopeless(n_done):
                return
            yield found[0]
        rest, each = total - n_done, (time.perf_counter() - started) / max(1, n_done)
        if not rest:
            return
        if local and rest * each < WORTH_PROCESSES:
            workers = parallel.HERE
        size = max(1, rest // MOST_CHUNKS)
        if local:
            size = int(np.clip(CHUNK_SECONDS / max(each, 1e-6), 1, max(1, rest // (4 * workers.count))))
        chunks = iter(lambda: list(islice(units, size)), [])
        for found in parallel.stream(work, chunks, workers):
            expected = min(size, total - n_done)
            n_done += len(found)
            context.progress(n_done, total, "series")
            yield from found
            if len(found) < expected or pace.is_hopeless(n_done):
                return

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLocal:
        """See ``Forecaster.restore``."""
        ends = arrays["offsets"]
        columns, train = arrays.get("columns"), {}
        since = [pd.Timestamp(s) if isinstance(s, str) else s for s in meta.get("since", [None] * len(meta["items"]))]
        for k, item in enumerate(meta["items"]):
            rows = slice(int(ends[k]), int(ends[k + 1]))
            train[str(item)] = _History(arrays["train"][rows], None if columns is None else columns[rows], since[k])
        season = int(meta["season_length"])
        regressors = Regressors.from_dict(meta["regressors"]) if "regressors" in meta else None
        models = {item: self._fit_again(one, season) for item, one in train.items()}
        info = {"note": self._said(season, models, reads=regressors is not None)}
        return _FittedLocal(self, models, train, season, int(meta["horizon"]), regressors, info)
