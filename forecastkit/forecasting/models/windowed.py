"""What global models of windows share, networks and regressions: which windows, which rules, whose units, and forecasts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from forecastkit import runtime
from forecastkit.errors import FitError
from forecastkit.forecasting.covariates import CovariateEncoder, Encoded
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame, Store
from forecastkit.forecasting.windows import Batch, Windows, WindowSet, gather, window_ends
from forecastkit.nn.rules import rule_rows

__all__ = [
    "CHUNK",
    "MOST_VALID",
    "FittedOnWindows",
    "TaskRows",
    "WindowTask",
    "evenly",
    "forecasts",
    "item_places",
    "item_scales",
    "item_spreads",
    "ranked_rules",
    "training_windows",
]

VALID_SHARE = 0.15
MOST_VALID = 1024
"""Validation windows; more change the stopping step little and cost as much as training."""
FEWEST_TRAIN = 8
MANY_ITEMS, HELD_OUT = 40, 5
"""From so many series on, every fifth can validate what is learned from the others."""
FEWEST_WEEK = 8
"""A season longer than this may be a day, with a week of seven of it."""
CHUNK = 4096
"""Windows that are forecast at once."""

Read = Callable[[Batch, Windows], np.ndarray]
"""(contexts, which they are) -> scaled forecasts [B, H, ...] or [B, ..., H]."""


def evenly(windows: WindowSet, most: int) -> Windows:
    """At most so many windows, evenly chosen."""
    if len(windows) <= most:
        return windows.take(np.arange(len(windows)))
    return windows.take(np.linspace(0, len(windows) - 1, most).astype(np.int64))


def training_windows(
    frame: SeriesFrame, horizon: int, length: int, about: FitContext, *, label: str
) -> tuple[WindowSet, Windows, str]:
    """Training windows, validation windows from the tail of the same rows, and what was done otherwise.

    Where the history is too short for a tail, every fifth of many series validates; of few series there are no validation
    windows, nor where the number of steps is given.

    Raises:
        FitError: no window fits.
    """
    store = frame.store
    last = len(frame.calendar) - 1
    least = max(2, min(length // 2, 10))
    if about.n_steps is None:
        first = int(store.starts.min()) if len(store) else 0
        tail = max(horizon, math.ceil(VALID_SHARE * (last - first + 1)))
        train = window_ends(store, horizon, 0, last - tail, least=least)
        valid = window_ends(store, horizon, last - tail + 1, last, least=least)
        if len(train) >= FEWEST_TRAIN and len(valid):
            return train, evenly(valid, MOST_VALID), ""
    train = window_ends(store, horizon, 0, last, least=least)
    if not len(train):
        rows = int(store.lengths.max()) if len(store) else 0
        raise FitError(
            place=f"model {label}",
            value=f"{rows} rows",
            rule=f"no window of {least} rows and {horizon} steps fits",
            remedy="Shorten the horizon.",
        )
    if about.n_steps is None and len(np.unique(train.item)) >= MANY_ITEMS:
        every = train.take(np.arange(len(train)))
        held = every.item % HELD_OUT == HELD_OUT - 1
        note = "history too short for a tail: early stopping on a fifth of the series"
        return every.take(np.flatnonzero(~held)), evenly(every.take(np.flatnonzero(held)), MOST_VALID), note
    note = "" if about.n_steps is not None else "history too short for early stopping: fixed number of steps"
    return train, Windows(np.zeros(0, np.int64), np.zeros(0, np.int64)), note


def ranked_rules(
    frame: SeriesFrame,
    train: WindowSet,
    horizon: int,
    length: int,
    *,
    residual: str = "auto",
    scaling: str = "instance",
) -> tuple[int, ...]:
    """Seasons of the naive rules that a context holds, the best on training windows first; 1 = the last value.

    Args:
        residual: ``auto``, or one rule: ``last``, ``season``; ``none`` gives none.
    """
    season = frame.season_length
    if residual == "none":
        return ()
    if residual == "last" or season == 1 or season > length:
        return (1,)
    if residual == "season":
        return (season,)
    week = 7 * season
    options = [1, season, *([week] if season > FEWEST_WEEK and week <= length and season % 7 else [])]
    batch = gather(frame.store, evenly(train, MOST_VALID), length, horizon, scaling=scaling)
    past, target, seen = batch.past_num[:, :, 0], batch.target[:, :, 0], batch.target_observed[:, :, 0]
    errors = [float((np.abs(past[:, rule_rows(length, horizon, m)] - target) * seen).sum()) for m in options]
    return tuple(options[k] for k in sorted(range(len(options)), key=lambda k: errors[k]))


def item_scales(frame: SeriesFrame) -> np.ndarray:
    """[I] mean absolute seasonal change of each series; the median of the others where it has none."""
    from forecastkit.forecasting.scores import scales

    last = np.array([len(frame.calendar) - 1])
    own = scales(frame, last).mase[0]
    known = own[np.isfinite(own)]
    return np.where(np.isfinite(own), own, np.median(known) if len(known) else 1.0)


def item_places(frame: SeriesFrame) -> np.ndarray:
    """[I, 2] mean and standard deviation of each series' observed rows; NaN where it has none or does not vary."""
    spreads = item_spreads(frame)
    rows = (frame.store.series(i) for i in range(len(frame.store)))
    means = [float(np.nanmean(y)) if np.isfinite(s) else np.nan for y, s in zip(rows, spreads)]
    return np.stack([np.array(means), spreads], axis=1)


def item_spreads(frame: SeriesFrame) -> np.ndarray:
    """[I] standard deviation of each series' observed rows; NaN where it has none or does not vary."""
    rows = (frame.store.series(i) for i in range(len(frame.store)))
    spreads = np.array([float(np.nanstd(y)) if np.isfinite(y).any() else np.nan for y in rows])
    return np.where(spreads > 0, spreads, np.nan)


@dataclass(frozen=True)
class WindowTask:
    """What a regression over windows is fitted for; JSON-able, kept with it.

    Args:
        rules: seasons of the naive rules that a context holds, see ``ranked_rules``.
        elapsed: see ``gather``.
        target: what is given: a correction of the first ``rule``, or the ``value``.
    """

    context_length: int
    horizon: int
    rules: tuple[int, ...]
    season_length: int
    elapsed: bool
    scaling: str = "instance"
    target: str = "rule"

    @classmethod
    def from_meta(cls, values: dict[str, Any]) -> WindowTask:
        """From what ``FittedOnWindows.meta`` wrote."""
        return cls(**{**values, "rules": tuple(values["rules"])})


@dataclass(frozen=True, eq=False)
class TaskRows:
    """Rows of one frame as a task reads them."""

    frame: SeriesFrame
    task: WindowTask
    encoder: CovariateEncoder

    @cached_property
    def encoded(self) -> Encoded | None:
        """Covariates of the frame."""
        return None if self.encoder.is_empty else self.encoder.encode(self.frame, self.task.horizon)

    @cached_property
    def scales(self) -> np.ndarray:
        """[I] target units that an error of each series counts in."""
        return item_scales(self.frame)

    def batch(self, windows: Windows) -> Batch:
        """Contexts and targets."""
        task = self.task
        return gather(
            self.frame.store, windows, task.context_length, task.horizon, scaling=task.scaling,
            covariates=self.encoded, elapsed=task.elapsed,
        )  # fmt: skip


class FittedOnWindows:
    """What fitted regressions over windows share."""

    task: WindowTask
    encoder: CovariateEncoder
    info: dict[str, Any]

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.task.horizon

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> Self:
        """See ``Fitted.update``."""
        return self

    def read_at(self, frame: SeriesFrame, cutoffs: np.ndarray, read: Read, chunk: int) -> np.ndarray:
        """Forecasts [F, I, H] by what ``read`` says of the contexts."""
        task = self.task
        return forecasts(
            frame, cutoffs, self.encoder, read, (task.horizon,), context_length=task.context_length,
            horizon=task.horizon, scaling=task.scaling, elapsed=task.elapsed, chunk=chunk,
        )  # fmt: skip

    def meta(self) -> dict[str, Any]:
        """JSON-able values of the task, the covariates and how it was fitted."""
        task = {**asdict(self.task), "rules": list(self.task.rules)}
        return {"task": task, "covariates": self.encoder.to_dict(), "info": dict(self.info)}


def forecasts(
    frame: SeriesFrame,
    cutoffs: np.ndarray,
    encoder: CovariateEncoder,
    read: Read,
    shape: tuple[int, ...],
    *,
    context_length: int,
    horizon: int,
    scaling: str,
    scale_rows: int | None = None,
    spreads: np.ndarray | None = None,
    elapsed: bool = False,
    chunk: int = CHUNK,
) -> np.ndarray:
    """[n_cutoffs, n_items, *shape] in target units, NaN for series without any observed row; a batch at a time.

    Args:
        shape: of a window's forecast, the horizon among it.
        encoder, context_length, scaling, scale_rows, spreads, elapsed: see ``gather``.
    """
    store = frame.store
    encoded = None if encoder.is_empty else encoder.encode(frame, horizon)
    at = np.asarray(cutoffs, dtype=np.int64)
    out = np.full((len(at) * len(store), *shape), np.nan)
    for part, windows, batch, found in _passes(
        store, at, chunk, read,
        lambda windows: gather(
            store, windows, context_length, 0, scaling=scaling, scale_rows=scale_rows, spreads=spreads,
            covariates=encoded, ahead=horizon, elapsed=elapsed,
        ),
    ):  # fmt: skip
        out[part] = batch.scale.inverse(found.astype(np.float64))
        for w in np.flatnonzero(~batch.observed.any(axis=(1, 2))):
            # Nothing observed within the context: the last value there was.
            y = store.series(int(windows.item[w]))[: int(windows.row[w]) + 1]
            out[part[w]] = y[np.flatnonzero(np.isfinite(y))[-1]]
    return out.reshape(len(at), len(store), *shape)


def _passes(
    store: Store, at: np.ndarray, chunk: int, read: Read, gathered: Callable[[Windows], Batch]
) -> Iterator[tuple[np.ndarray, Windows, Batch, np.ndarray]]:
    """(places in [n_cutoffs * n_items], windows, contexts, forecasts) of all cutoffs and series with an observed row.

    Where memory does not suffice, fewer windows are forecast at once.
    """
    item = np.tile(np.arange(len(store)), len(at))
    row = (at[:, None] - store.starts[None, :]).ravel()
    some = np.flatnonzero(row >= store.begins[item])
    start = 0
    while start < len(some):
        part = some[start : start + chunk]
        windows = Windows(item[part], row[part])
        try:
            batch = gathered(windows)
            found = read(batch, windows)
        except (MemoryError, RuntimeError) as error:
            if chunk == 1 or not runtime.is_out_of_memory(error):
                raise
            chunk //= 2
            continue
        yield part, windows, batch, found
        start += chunk
