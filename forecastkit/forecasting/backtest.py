"""Rolling-origin backtest: each model fitted on what was known, asked at every cutoff, in one pass where it can.

Refit means a fresh model: weights, scalers and encoders. Between refits the parameters stay and only the
history grows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import FitError, ForecastkitError
from forecastkit.forecasting.protocol import FitContext, Fitted, Forecaster
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame, quantile_name
from forecastkit.forecasting.scores import positions
from forecastkit.forecasting.splits import EvalPlan, Fold
from forecastkit.registry import is_foreign

__all__ = ["ModelBacktest", "backtest_model", "cut", "forecast_frame", "forecast_from_ends", "in_its_share"]

MIN_ROWS_LOCAL = 10
"""A per-series model meets an item first at the cutoff where it has this many observed rows."""
LIBRARIES = (ValueError, ArithmeticError, np.linalg.LinAlgError, RuntimeError, MemoryError)
"""What libraries raise; a model of another package may raise anything."""


@dataclass(frozen=True)
class ModelBacktest:
    """What one model with one seed forecast at every fold.

    Args:
        points: [n_folds, n_items, horizon] in target units, NaN where it could not.
        quantiles: [n_folds, n_items, horizon, Q] of a model that has its own; None = it has a point alone.
        fitted: the last fitted model, for diagnostics; None when it failed, or was restored from disk without it.
        fitted_from: index of the first fold that ``fitted`` forecast; it has seen the rows up to that cutoff.
        error: why it failed; None = it did not.
    """

    model: str
    seed: int
    points: np.ndarray
    quantiles: np.ndarray | None = None
    seconds_fit: float = 0.0
    seconds_predict: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)
    fitted: Fitted | None = field(default=None, compare=False, repr=False)
    error: str | None = None
    fitted_from: int = 0


def cut(frame: SeriesFrame, at: np.ndarray, first: np.ndarray | None = None) -> SeriesFrame:
    """What a fit may see: rows of each item at or before its own position ``at`` [I] (and from ``first`` on)."""
    return frame.between(at, first)


def backtest_model(
    name: str,
    forecaster: Forecaster,
    frame: SeriesFrame,
    folds: Sequence[Fold],
    plan: EvalPlan,
    *,
    context: FitContext,
    on_fold: Callable[[int, int, str], None] | None = None,
) -> ModelBacktest:
    """Fit, refit by plan and forecast every fold; a failure becomes a row that says why.

    Args:
        context: of the model; the deadline of a network is shared out over the fits that are left.

    Returns:
        ModelBacktest with points [len(folds), n_items, plan.horizon].
    """
    n_items = len(frame.items)
    at = positions(folds, n_items)
    points = np.full((len(folds), n_items, plan.horizon), np.nan)
    result = ModelBacktest(name, context.seed, points)
    seconds_fit = seconds_predict = 0.0
    own: np.ndarray | None = None
    fitted: Fitted | None = None
    info: dict[str, Any] = {}
    curves: list[dict[str, float]] = []
    stopped_at: list[int | None] = []
    ends: list[int | None] = []
    unused = _unused(forecaster, frame)
    tell = on_fold or (lambda done, total, note: None)
    tell(0, len(folds), "")
    local = forecaster.family == "statistical"
    jobs = [
        (rows, items)
        for group in _refit_groups(len(folds), plan.refit)
        for rows, items in _cohorts(frame, at, group, local=local)
    ]
    try:
        carried_out = _locally(forecaster, frame, at, jobs, plan, context) if local else _globally(forecaster, frame, at, jobs, plan, context)  # fmt: skip
        for (rows, items), (fitted, found, mine, took_fit, took_predict) in zip(jobs, carried_out):
            seconds_fit, seconds_predict = seconds_fit + took_fit, seconds_predict + took_predict
            info = {**info, **fitted.info, "note": "; ".join(filter(None, [fitted.info.get("note"), unused]))}
            curves += [dict(row, fit=int(rows[0])) for row in fitted.curves]
            stopped_at.append(fitted.info.get("stopped_at"))
            points[np.ix_(rows, items)] = found[..., plan.gap :]
            if mine is not None:
                own = np.full((*points.shape, len(QUANTILES)), np.nan) if own is None else own
                own[np.ix_(rows, items)] = mine[:, :, plan.gap :]
            tell(int(rows[-1]) + 1, len(folds), str(info.get("progress_note", "")))
            ends.append(fitted.info.get("most_steps"))
        info["n_fits"] = len(jobs)
        for key, steps in (("stopped_at", stopped_at), ("schedule_ends", ends)):
            if any(step is not None for step in steps):
                info[key] = steps
    except ForecastkitError as error:
        return replace(
            result, points=np.full_like(points, np.nan), error=str(error), seconds_fit=seconds_fit, info=info
        )
    except Exception as error:
        if not isinstance(error, LIBRARIES) and not is_foreign(forecaster):
            raise
        if context.machines.count > 1 and isinstance(error, RuntimeError | MemoryError):
            # The ranks have lost each other, and cannot train the next model together.
            raise
        # A library's own failure inside one model: the others go on, the row says what it was.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return replace(result, points=np.full_like(points, np.nan), error=reason, seconds_fit=seconds_fit, info=info)
    if not np.isfinite(points).any():
        return replace(result, error="no finite forecast for any series", seconds_fit=seconds_fit, info=info)
    return replace(
        result,
        fitted_from=int(jobs[-1][0][0]),
        points=points,
        quantiles=own,
        seconds_fit=seconds_fit,
        seconds_predict=seconds_predict,
        info=info,
        curves=curves,
        fitted=fitted,
    )


_Job = tuple[np.ndarray, np.ndarray]
"""(fold rows, items) that one fit serves; it is made at the first of the folds."""
_Done = tuple[Fitted, np.ndarray, np.ndarray | None, float, float]
"""(fitted, points [F, I, H], its own quantiles [F, I, H, Q] or None, seconds of fitting and of forecasting)."""


def _parts(frame: SeriesFrame, at: np.ndarray, job: _Job, plan: EvalPlan) -> tuple[SeriesFrame, SeriesFrame]:
    """(what the fit may see, what its forecasts are made from)."""
    rows, items = job
    part = frame if len(items) == len(frame.items) else frame.take(items)
    known_at = at[rows[0], items]
    return cut(part, known_at, _window_start(known_at, plan)), part


def _globally(
    forecaster: Forecaster,
    frame: SeriesFrame,
    at: np.ndarray,
    jobs: Sequence[_Job],
    plan: EvalPlan,
    context: FitContext,
) -> Iterator[_Done]:
    """What becomes of each fit, one after the other."""
    for k, job in enumerate(jobs):
        train, part = _parts(frame, at, job, plan)
        started = time.perf_counter()
        about = in_its_share(context.fit(k), len(jobs) - k, forecaster.family)
        fitted = forecaster.fit(train, horizon=plan.horizon + plan.gap, context=about)
        between = time.perf_counter()
        cutoffs = at[np.ix_(*job)]
        points, own = _predict(fitted, part, cutoffs), _own_quantiles(fitted, part, cutoffs)
        yield fitted, points, own, between - started, time.perf_counter() - between


def _locally(
    forecaster: Any, frame: SeriesFrame, at: np.ndarray, jobs: Sequence[_Job], plan: EvalPlan, context: FitContext
) -> Iterator[_Done]:
    """As ``_globally``; the series of all fits are shared out among ``context.workers``."""
    from forecastkit.forecasting.models.statistical import LocalFit

    fits = [LocalFit(*_parts(frame, at, job, plan), at[np.ix_(*job)]) for job in jobs]
    done = forecaster.fit_and_forecast(fits, horizon=plan.horizon + plan.gap, context=context)
    for fitted, points, fitting, forecasting in done:
        yield fitted, points, None, fitting, forecasting


def _unused(forecaster: Forecaster, frame: SeriesFrame) -> str:
    """Which covariates of the frame the model does not read, in words."""
    can = forecaster.capabilities
    roles = {"past": frame.past, "known": frame.known, "static": frame.static}
    unused = [name for role, names in roles.items() if not getattr(can, role) for name in names]
    if not can.categorical:
        unused += [n for n in frame.covariates if n not in unused and frame.rows.covariates[n].dtype == object]
    if frame.country and not can.known:
        unused.append("holidays")
    if not unused:
        return ""
    everything = len(unused) == len(frame.covariates) + bool(frame.country)
    return "without covariates" if everything else f"without {', '.join(unused)}"


def in_its_share(context: FitContext, n_left: int, family: str) -> FitContext:
    """The context of one of ``n_left`` fits: a network has its share of the time that is left."""
    if context.deadline is None or family != "network":
        return context
    now = time.monotonic()
    return replace(context, deadline=now + (context.deadline - now) / n_left)


def _refit_groups(n_folds: int, refit: str | int) -> Iterator[np.ndarray]:
    every = n_folds if refit == "never" else 1 if refit == "every" else int(refit)
    for start in range(0, n_folds, every):
        yield np.arange(start, min(n_folds, start + every))


def _window_start(at: np.ndarray, plan: EvalPlan) -> np.ndarray | None:
    if plan.window != "sliding" or plan.window_length is None:
        return None
    return at - plan.window_length + 1


def _cohorts(
    frame: SeriesFrame, at: np.ndarray, group: np.ndarray, *, local: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(fold rows, items) that are fitted together.

    A global network takes all items at once and meets late ones untrained. A per-series model is fitted for a
    late item at the first cutoff where that item has enough rows; nothing after that cutoff is seen.
    """
    everything = np.arange(at.shape[1])
    if not local:
        yield group, everything
        return
    enough = np.stack([frame.store.n_observed(at[f]) >= MIN_ROWS_LOCAL for f in group])
    # With little history in all items, the first fold is all there is.
    first = np.where(enough.any(axis=0), enough.argmax(axis=0), len(group))
    if not enough.any():
        yield group, everything
        return
    for k in np.unique(first[first < len(group)]):
        yield group[k:], np.flatnonzero(first == k)


def _predict(fitted: Fitted, frame: SeriesFrame, at: np.ndarray) -> np.ndarray:
    """Points [n_folds, n_items, horizon] at cutoffs ``at`` [n_folds, n_items]."""
    unique, which = _unique_cutoffs(at)
    points = fitted.predict_at(frame, unique)
    if points.shape[:2] != (len(unique), at.shape[1]):
        raise ValueError(f"forecasts of {at.shape[1]} series after {len(unique)} cutoffs are of shape {points.shape}")
    return points[which]


def _own_quantiles(fitted: Fitted, frame: SeriesFrame, at: np.ndarray) -> np.ndarray | None:
    """The model's own quantiles [n_folds, n_items, horizon, Q]; None where it has a point alone."""
    unique, which = _unique_cutoffs(at)
    every = fitted.quantiles_at(frame, unique)
    return None if every is None else every[which]


def _unique_cutoffs(at: np.ndarray) -> tuple[np.ndarray, Any]:
    """Cutoffs that differ, and the index that takes what was said of them back to [n_folds, n_items]."""
    if (at == at[:, :1]).all():
        return at[:, 0], slice(None)
    unique, inverse = np.unique(at, return_inverse=True)
    return unique, (inverse.reshape(at.shape), np.arange(at.shape[1])[None, :])


def forecast_from_ends(
    fitted: Fitted, frame: SeriesFrame, horizon: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Forecasts [n_items, horizon] from each item's own last row, own quantiles, and those rows' positions [n_items]."""
    ends = frame.store.ends
    own = _own_quantiles(fitted, frame, ends[None, :])
    points = _predict(fitted, frame, ends[None, :])[0, :, :horizon]
    return points, None if own is None else own[0, :, :horizon], ends


def forecast_frame(
    frame: SeriesFrame,
    points: np.ndarray,
    at: np.ndarray,
    *,
    model: str,
    quantiles: np.ndarray | None = None,
    gap: int = 0,
) -> pd.DataFrame:
    """The forecast frame of the design, in the user's units; rows without a forecast are left out.

    Args:
        points: [n_folds, n_items, H].
        at: [n_folds, n_items] cutoffs as calendar positions.
        quantiles: [n_folds, n_items, H, Q] or None (then NaN columns).

    Raises:
        FitError: shapes do not agree.
    """
    n_folds, n_items, horizon = points.shape
    if at.shape != (n_folds, n_items):
        raise FitError(place=f"model {model}", rule="forecasts and cutoffs have different shapes")
    calendar = frame.calendar
    beyond = max(0, int(at.max()) + gap + horizon - (len(calendar) - 1))
    instants = calendar.instants.append(calendar.future(beyond)) if beyond else calendar.instants
    step = np.arange(1, horizon + 1)
    when = at[:, :, None] + gap + step
    table = {
        "item_id": np.broadcast_to(np.asarray(frame.items, dtype=object)[None, :, None], points.shape).ravel(),
        "target_name": frame.target_name,
        "cutoff": instants.take(np.broadcast_to(at[:, :, None], points.shape).ravel()),
        "timestamp": instants.take(when.ravel()),
        "step": np.broadcast_to(step, points.shape).ravel(),
        "model": model,
        "point": points.ravel(),
    }
    flat = np.full((points.size, len(QUANTILES)), np.nan) if quantiles is None else quantiles.reshape(points.size, -1)
    # One block of quantiles: a frame of twenty single columns takes twice the time.
    blocks = [pd.DataFrame(table), pd.DataFrame(flat, columns=[quantile_name(q) for q in QUANTILES])]
    out = pd.concat(blocks, axis=1)
    known = np.isfinite(points.ravel())
    return out if known.all() else out[known].reset_index(drop=True)
