"""ARIMA, exponential smoothing and theta, one model a series, from statsforecast and statsmodels.

Fitted once; at later cutoffs the parameters stay and the history goes on. Rules common to all:

- Unobserved rows: statsmodels takes them; for statsforecast they are interpolated linearly between the neighbours that
  are known at the cutoff. After the last observed row the horizon is counted on.
- A constant history is forecast as itself, and by its last value where it moves before the next refit.
- ``max_history`` rows at most are used to fit: these models forget, and cost grows faster than the rows.
- A season longer than ``longest_season`` is taken out first and put back after; the rest is modelled without a season.
  It is said in ``info["note"]``. ARIMA takes the difference to the last season; ETS and theta, and all where the season is
  longer than ``MOST_DIFFERENCED``, additive phase means (classical decomposition) of the last ``RECENT_SEASONS``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, ClassVar, Protocol

import numpy as np

from forecastkit import parallel, runtime
from forecastkit.errors import ConfigError, FitError
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Arima", "AutoArima", "AutoEts", "LocalFit", "LocalModel", "StatisticalForecaster", "Theta"]

FEWEST_ROWS = 6
DIFFERENCE, PROFILE = "difference", "decomposition"
MOST_DIFFERENCED = 60
"""A longer season is seen too few times for the noise of a single last one."""
RECENT_SEASONS = 10
FEWEST_TIMED, HOPELESS = 5, 1.5
"""Series that say how long the others take, and how much more than what is left of the time that must be."""
PILOT, WORTH_PROCESSES = 1.0, 5.0
"""Seconds of work that are done here first, and seconds that must be left for worker processes to pay."""
CHUNK_SECONDS = 1.0
MOST_CHUNKS = 64
"""Pieces that a cluster is given, of whose size and speed nothing is known here."""


class LocalModel(Protocol):
    """A model of one series."""

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
        """[F, H] after the first ``n_known`` [F] rows of y, parameters unchanged."""
        ...


@contextmanager
def _quiet() -> Iterator[None]:
    with runtime.one_blas_thread(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _trim(y: np.ndarray) -> np.ndarray:
    """Without unobserved rows before the first and after the last observed one."""
    seen = np.flatnonzero(np.isfinite(y))
    return y[seen[0] : seen[-1] + 1] if len(seen) else y[:0]


def _bridge(y: np.ndarray) -> np.ndarray:
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


@dataclass(frozen=True, eq=False)
class _Forwarded:
    """A statsforecast model; ``forward`` runs it over longer history."""

    model: Any
    max_history: int
    season: int
    adjusted: str

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
        out = np.full((len(n_known), horizon), np.nan)
        for k, n in enumerate(n_known):
            known = y[: max(0, n)]
            seen = np.flatnonzero(np.isfinite(known))
            if not len(seen):
                continue
            trailing = int(n) - 1 - int(seen[-1])
            first = max(int(seen[0]), int(seen[-1]) + 1 - self.max_history)
            while np.isnan(known[first]):
                first += 1
            past = _bridge(known[first : seen[-1] + 1])
            if np.ptp(past) == 0:
                out[k] = past[-1]
                continue
            out[k] = self._ahead(past, horizon + trailing)[trailing:]
        return out

    def _ahead(self, past: np.ndarray, steps: int) -> np.ndarray:
        if self.model is None:  # constant when fitted and not any more: one such series does not fail the others
            return np.full(steps, past[-1])
        m = self.season
        if not self.adjusted:
            return np.asarray(self.model.forward(y=past, h=steps)["mean"], dtype=np.float64)
        if self.adjusted == DIFFERENCE and len(past) > 2 * m:
            change = np.asarray(self.model.forward(y=past[m:] - past[:-m], h=steps)["mean"], dtype=np.float64)
            out = np.r_[past, np.empty(steps)]
            for t in range(len(past), len(out)):
                out[t] = out[t - m] + change[t - len(past)]
            return out[len(past) :]
        season = _profile(past, m, _recent(m, self.max_history))
        phase = np.arange(len(past) + steps) % self.season
        rest = self.model.forward(y=past - season[phase[: len(past)]], h=steps)["mean"]
        return np.asarray(rest, dtype=np.float64) + season[phase[len(past) :]]


@dataclass(frozen=True, eq=False)
class _Filtered:
    """A statsmodels state space model: one filter pass over the history gives the state at every cutoff."""

    result: Any
    centre: float
    spread: float

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int) -> np.ndarray:
        out = np.full((len(n_known), horizon), np.nan)
        usable = (n_known > 0) & np.isfinite(y[: max(1, int(n_known.max(initial=1)))]).any()
        if not usable.any():
            return out
        first = int(np.flatnonzero(np.isfinite(y))[0])
        upto = int(n_known.max())
        scaled = (np.r_[y, np.full(max(0, upto - len(y)), np.nan)][first:upto] - self.centre) / self.spread
        with _quiet():
            filtered = self.result.apply(scaled).filter_results
        states = filtered.predicted_state
        design, transition = filtered.design[:, :, -1], filtered.transition[:, :, -1]
        intercepts = filtered.obs_intercept[:, -1], filtered.state_intercept[:, -1]
        for k, n in enumerate(n_known):
            if n <= first:
                continue
            known = y[first : min(int(n), len(y))]
            known = known[np.isfinite(known)]
            if np.ptp(known) == 0:
                out[k] = known[-1]
                continue
            state = states[:, int(n) - first]
            for h in range(horizon):
                out[k, h] = (design @ state + intercepts[0])[0]
                state = transition @ state + intercepts[1]
            out[k] = out[k] * self.spread + self.centre
        return out


@dataclass(frozen=True, eq=False)
class _FittedLocal:
    """One model a series."""

    forecaster: StatisticalForecaster
    models: dict[str, LocalModel]
    train: dict[str, np.ndarray]
    season_length: int
    horizon: int
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)
    deadline: float | None = None

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        store = frame.store
        at = np.asarray(cutoffs, dtype=np.int64)
        out = np.full((len(at), len(store), self.horizon), np.nan)
        for i, item in enumerate(store.items):
            if item not in self.models:
                continue
            _in_time(self.deadline, i, len(store))
            with _quiet():
                out[:, i] = self.models[item].forecast(store.series(i), at - store.starts[i] + 1, self.horizon)
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
        values = [self.train[item] for item in items]
        offsets = np.cumsum([0, *map(len, values)]).astype(np.int64)
        arrays = {"train": np.concatenate([np.zeros(0), *values]), "offsets": offsets}
        return arrays, {"items": items, "season_length": self.season_length, "horizon": self.horizon}


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
class _Unit:
    """One series of one fit; ``train`` None = too short to learn from."""

    train: np.ndarray | None
    y: np.ndarray
    n_known: np.ndarray


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
    with _quiet():
        for unit in units:
            if until is not None and time.time() > until:
                break
            started = time.perf_counter()
            model, points = None, np.full((len(unit.n_known), horizon), np.nan)
            if unit.train is not None:
                model = forecaster._fit_series(unit.train, season_length)
            between = time.perf_counter()
            if model is not None and len(unit.n_known):
                points = model.forecast(unit.y, unit.n_known, horizon)
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
    capabilities: ClassVar[Capabilities] = Capabilities()
    longest_season: ClassVar[int] = 12
    differences: ClassVar[bool] = False
    fewest: ClassVar[int] = FEWEST_ROWS

    def __post_init__(self) -> None:
        if self.max_history < 20:
            raise ConfigError(
                place="option max_history", value=str(self.max_history), rule="at least 20 rows are needed"
            )

    def _library_model(self, season: int) -> Any:
        raise ConfigError(place=type(self).__name__, rule="not a model by itself")

    def _fit_series(self, y: np.ndarray, season_length: int) -> LocalModel:
        past = _bridge(y)
        adjusted = self._adjustment(season_length, len(past))
        if np.ptp(past) == 0:
            return _Forwarded(None, self.max_history, season_length, adjusted)
        season = 1 if adjusted or len(past) < 2 * season_length + 1 else season_length
        if adjusted == DIFFERENCE:
            past = past[season_length:] - past[:-season_length]
            if np.ptp(past) == 0:  # the same in every season: nothing is left to model
                past = past + np.linspace(-1e-9, 1e-9, len(past))
        elif adjusted:
            phase = np.arange(len(past)) % season_length
            past = past - _profile(past, season_length, _recent(season_length, self.max_history))[phase]
        return _Forwarded(self._library_model(season).fit(past), self.max_history, season_length, adjusted)

    def _fit_quietly(self, y: np.ndarray, season_length: int) -> LocalModel:
        with _quiet():
            return self._fit_series(y, season_length)

    def _adjustment(self, season_length: int, n: int) -> str:
        if season_length <= self.longest_season:
            return ""
        if self.differences and season_length <= MOST_DIFFERENCED and n > 3 * season_length:
            return DIFFERENCE
        return PROFILE

    def _note(self, season_length: int) -> str:
        how = self._adjustment(season_length, self.max_history)
        return f"season {season_length} taken out by {how} first" if how else ""

    def _said(self, season_length: int, models: dict[str, LocalModel]) -> str:
        flat = sum(isinstance(m, _Forwarded) and m.model is None for m in models.values())
        constant = f"{flat} of {len(models)} series constant when fitted: their last value is the forecast"
        return "; ".join(filter(None, [self._note(season_length), constant if flat else ""]))

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
            store, train = one.frame.store, self._training(one.train)
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
            info = {"note": self._said(one.train.season_length, models)}
            season = one.train.season_length
            fitted = _FittedLocal(self, models, train, season, horizon, info, deadline=context.deadline)
            points = np.stack([d.points for d in found], axis=1)
            # Workers go side by side: the wall clock's time, in the proportion of theirs.
            now = time.perf_counter()
            share = sum(d.seconds_fit for d in found) / max(sum(d.seconds_fit + d.seconds_predict for d in found), 1e-9)
            yield fitted, points, share * (now - started), (1 - share) * (now - started)
            started = now

    def _training(self, frame: SeriesFrame) -> dict[str, np.ndarray]:
        """Item -> the rows that its model learns from; items that are too short are absent."""
        store, train = frame.store, {}
        for i, item in enumerate(store.items):
            y = _trim(store.series(i))
            # The cut must begin with an observed row too.
            y = _trim(y[-self.max_history :])
            if np.isfinite(y).sum() >= self.fewest:
                train[item] = y
        return train

    def _units(self, fits: Sequence[LocalFit]) -> Iterator[_Unit]:
        for one in fits:
            store, train = one.frame.store, self._training(one.train)
            for i, item in enumerate(store.items):
                yield _Unit(train.get(item), store.series(i), one.at[:, i] - store.starts[i] + 1)

    def _stream(self, fits: Sequence[LocalFit], horizon: int, total: int, context: FitContext) -> Iterator[_Done]:
        """What becomes of every unit, in order; ends early where the time is used up."""
        until = None if context.deadline is None else time.time() + context.deadline - time.monotonic()
        season = fits[0].train.season_length if fits else 1
        work, pace = partial(_work, self, season, horizon, until), _Pace(until, total)
        units, started, n_done, workers = self._units(fits), time.perf_counter(), 0, context.workers
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
        train = {str(item): arrays["train"][ends[k] : ends[k + 1]] for k, item in enumerate(meta["items"])}
        season = int(meta["season_length"])
        models = {item: self._fit_quietly(y, season) for item, y in train.items()}
        return _FittedLocal(self, models, train, season, int(meta["horizon"]), {"note": self._said(season, models)})


@dataclass(frozen=True)
class AutoArima(StatisticalForecaster):
    """ARIMA with orders chosen stepwise by AICc.

    Source: Hyndman and Khandakar (2008), doi:10.18637/jss.v027.i03.
    """

    complexity: ClassVar[int] = 20
    differences: ClassVar[bool] = True

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoARIMA

        return AutoARIMA(season_length=season, approximation=season > 1)


@dataclass(frozen=True)
class AutoEts(StatisticalForecaster):
    """Exponential smoothing with error, trend and season chosen by AICc.

    Source: Hyndman, Koehler, Snyder and Grose (2002), doi:10.1016/S0169-2070(01)00110-8.
    """

    complexity: ClassVar[int] = 15
    # The library refuses fewer.
    fewest: ClassVar[int] = 7

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season)


@dataclass(frozen=True)
class Theta(StatisticalForecaster):
    """The theta method, optimised dynamically.

    Source: Fiorucci et al. (2016), doi:10.1016/j.ijforecast.2016.02.005.
    """

    complexity: ClassVar[int] = 12

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import DynamicOptimizedTheta

        return DynamicOptimizedTheta(season_length=season, decomposition_type="additive")


@dataclass(frozen=True)
class Arima(StatisticalForecaster):
    """ARIMA of a fixed order, by exact likelihood in state space form.

    Args:
        order: (p, d, q).
        seasonal_order: (P, D, Q) at the season length; None = none.
    """

    order: tuple[int, int, int] = (1, 1, 1)
    seasonal_order: tuple[int, int, int] | None = None
    complexity: ClassVar[int] = 11

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("order", "seasonal_order"):
            value = getattr(self, name)
            if value is not None and min(value) < 0:
                raise ConfigError(
                    place=f"model arima, option {name}", value=str(value), rule="no number may be negative"
                )

    def _note(self, season_length: int) -> str:
        return ""

    def _fit_series(self, y: np.ndarray, season_length: int) -> LocalModel:
        from statsmodels.tsa.arima.model import ARIMA

        seen = y[np.isfinite(y)]
        if np.ptp(seen) == 0:
            return _Forwarded(None, self.max_history, season_length, "")
        # Likelihoods are searched badly at 1e9; the order has no intercept that scaling would change.
        centre, spread = float(seen.mean()), float(seen.std())
        seasonal = (*self.seasonal_order, season_length) if self.seasonal_order and season_length > 1 else (0, 0, 0, 0)
        model = ARIMA((y - centre) / spread, order=self.order, seasonal_order=seasonal)
        return _Filtered(model.fit(method_kwargs={"maxiter": 50}), centre, spread)
