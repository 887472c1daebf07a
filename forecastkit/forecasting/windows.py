"""Windows are two integers, (item, row); a batch is gathered at once, and never are all windows.

Shapes: B batch, T context_length, H horizon, C channels, F known covariates, K targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from forecastkit.forecasting.covariates import Encoded
from forecastkit.forecasting.scaling import InstanceScale
from forecastkit.forecasting.schema import Store

__all__ = ["Batch", "WindowRanges", "WindowSet", "Windows", "gather", "window_ends"]


class Batch(NamedTuple):
    """What a forecasting network is given; slots that are not used are None.

    Args:
        past_num: [B, T, C] float32: the target, scaled, an unobserved row holding the last observed value; then the
            steps since it was observed, where asked for; then past covariates.
        observed: [B, T, 1] float32, 1 where the target was observed.
        target: [B, H, K] float32, scaled like the context; 0 where unobserved.
        target_observed: [B, H, K] float32.
        scale: level and spread of each window.
        past_cat: [B, T, Cp] int64.
        known_num: [B, T + H, F] float32: time features, then known covariates.
        known_cat: [B, T + H, Ck] int64.
        static_num: [B, S] float32.
        static_cat: [B, Cs] int64.
    """

    past_num: np.ndarray
    observed: np.ndarray
    target: np.ndarray
    target_observed: np.ndarray
    scale: InstanceScale
    past_cat: np.ndarray | None = None
    known_num: np.ndarray | None = None
    known_cat: np.ndarray | None = None
    static_num: np.ndarray | None = None
    static_cat: np.ndarray | None = None

    @property
    def slots(self) -> tuple[np.ndarray | None, ...]:
        """What a network reads, in the order of ``nn.inputs.Inputs``."""
        return (
            self.past_num, self.observed, self.known_num, self.static_num, self.past_cat, self.known_cat, self.static_cat,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows by item and by the row, within the item, that the context ends with.

    Args:
        item: [W] int64.
        row: [W] int64; may lie beyond the item's rows, which are then unobserved.
    """

    item: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.item)

    def take(self, index: np.ndarray) -> Windows:
        """Some of them."""
        return Windows(self.item[index], self.row[index])


@dataclass(frozen=True, eq=False)
class WindowRanges:
    """Windows of stretches of rows, 24 bytes a stretch and not 16 a window.

    Args:
        item: [R] int64.
        row: [R] int64, row that the first context of each stretch ends with.
        n: [R] int64, windows of each stretch.
    """

    item: np.ndarray
    row: np.ndarray
    n: np.ndarray

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.n)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self.n) else 0

    def take(self, index: np.ndarray) -> Windows:
        """Some of them, counted through all stretches."""
        stretch = np.searchsorted(self._ends, index, side="right")
        return Windows(self.item[stretch], self.row[stretch] + index - (self._ends[stretch] - self.n[stretch]))


WindowSet = Windows | WindowRanges
"""Windows to take some from."""


def window_ends(store: Store, horizon: int, first: int, last: int, *, least: int = 2) -> WindowRanges:
    """All windows whose targets lie at calendar positions ``first`` to ``last`` and have something to learn from.

    Args:
        least: observed rows that the item must have up to the context's end.
    """
    low = np.maximum(first - 1 - store.starts, least - 1)
    high = np.minimum(last - store.starts, store.lengths - 1) - horizon
    some = np.flatnonzero(high >= low)
    if store.is_full:
        return WindowRanges(some, low[some], high[some] - low[some] + 1)
    parts = [np.zeros((0, 3), np.int64)]
    for i in some.tolist():
        row = np.arange(low[i], high[i] + 1)
        seen = np.r_[0, np.cumsum(store.observed_of(i))]
        ok = (seen[row + 1] >= least) & (seen[row + 1 + horizon] > seen[row + 1])
        edges = np.flatnonzero(np.diff(np.r_[False, ok, False]))
        begin, end = edges[::2], edges[1::2]
        parts.append(np.stack([np.full(len(begin), i), row[begin], end - begin], axis=1))
    return WindowRanges(*np.concatenate(parts).T)


def gather(
    store: Store,
    windows: Windows,
    context_length: int,
    horizon: int,
    *,
    scaling: str = "instance",
    scale_rows: int | None = None,
    spreads: np.ndarray | None = None,
    covariates: Encoded | None = None,
    ahead: int | None = None,
    elapsed: bool = False,
) -> Batch:
    """Contexts and targets of some windows, left-padded with unobserved rows where history is short.

    Args:
        scaling: ``instance``, ``log`` (the same in logarithms, where a window has values above 0 alone), ``item`` (as
            ``instance``, with the spreads given) or ``none``.
        scale_rows: last rows of the context that level and spread come from; None = all.
        spreads: [I] of each item, for ``item``; NaN = the window's own.
        covariates: of the frame that ``store`` was made from.
        ahead: rows after the context for which known covariates are read; None = ``horizon``.
        elapsed: a second column of ``past_num``: log(1 + steps since the target was observed).
    """
    steps = np.arange(1 - context_length, horizon + 1)
    row = windows.row[:, None] + steps
    values, observed = store.lookup(windows.item[:, None], row)
    past, future = observed[:, :context_length], observed[:, context_length:]
    y = values[:, :context_length]
    filled = _filled(y, past)
    if scaling == "none":
        scale = InstanceScale.none(len(windows))
    else:
        last = slice(None) if scale_rows is None else slice(max(0, context_length - scale_rows), None)
        scale = InstanceScale.fit(y[:, last], past[:, last], log=scaling == "log")
        if spreads is not None:
            scale = scale.with_spread(spreads[windows.item])
    target = np.where(future, scale.transform(values[:, context_length:]), 0.0)
    channels = [scale.transform(filled).astype(np.float32)[:, :, None]]
    if elapsed:
        channels.append(_elapsed(past)[:, :, None])
    more: dict[str, np.ndarray] = {}
    if covariates is not None:
        past_rows = _rows(store, windows, row[:, :context_length])
        channels.append(_past(covariates, *past_rows))
        if covariates.past_cat.shape[1]:
            more["past_cat"] = np.where(past_rows[1][:, :, None], covariates.past_cat[past_rows[0]], 0)
        more |= _known(covariates, store, windows, context_length, horizon if ahead is None else ahead)
        more |= _static(covariates, windows)
    return Batch(
        past_num=np.concatenate(channels, axis=2) if len(channels) > 1 else channels[0],
        observed=past.astype(np.float32)[:, :, None],
        target=target.astype(np.float32)[:, :, None],
        # A constant context has no scale to learn in.
        target_observed=(future & (scale.spread > 0)[:, None]).astype(np.float32)[:, :, None],
        scale=scale,
        **more,
    )


def _rows(store: Store, windows: Windows, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the frame's table [B, T], whether they are the item's own)."""
    first, length = store.offsets[windows.item][:, None], store.lengths[windows.item][:, None]
    return first + np.clip(row, 0, np.maximum(length - 1, 0)), (row >= 0) & (row < length)


def _elapsed(observed: np.ndarray) -> np.ndarray:
    """[B, T] log(1 + steps since the last observed row); before the first one they count from the window's start."""
    n = observed.shape[1]
    last = np.maximum.accumulate(np.where(observed, np.arange(n), -1), axis=1)
    return np.log1p(np.arange(n) - last).astype(np.float32)


def _past(covariates: Encoded, at: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """[B, T, Fp] float32; rows before an item's first are 0, the mean."""
    out = np.where(inside[:, :, None], covariates.past[at], 0.0)
    for k in np.flatnonzero(covariates.local):
        scale = InstanceScale.fit(out[:, :, k], inside)
        out[:, :, k] = np.where(inside, scale.transform(out[:, :, k]), 0.0)
    return out.astype(np.float32)


def _known(
    covariates: Encoded, store: Store, windows: Windows, context_length: int, ahead: int
) -> dict[str, np.ndarray]:
    """Time features and known covariates over context and horizon; rows that do not exist are 0."""
    out: dict[str, np.ndarray] = {}
    row = windows.row[:, None] + np.arange(1 - context_length, ahead + 1)
    parts = []
    if covariates.time.shape[1]:
        position = row + store.starts[windows.item][:, None]
        parts.append(covariates.time[np.clip(position, 0, len(covariates.time) - 1)])
    if covariates.known.shape[1] or covariates.known_cat.shape[1]:
        first = covariates.known_offsets[windows.item][:, None]
        end = covariates.known_offsets[windows.item + 1][:, None]
        at = np.clip(first + row, first, np.maximum(end - 1, first))
        there = ((row >= 0) & (first + row < end))[:, :, None]
        if covariates.known.shape[1]:
            parts.append(np.where(there, covariates.known[at], 0).astype(np.float32))
        if covariates.known_cat.shape[1]:
            out["known_cat"] = np.where(there, covariates.known_cat[at], 0)
    if parts:
        out["known_num"] = np.concatenate(parts, axis=2)
    return out


def _static(covariates: Encoded, windows: Windows) -> dict[str, np.ndarray]:
    out = {}
    if covariates.static.shape[1]:
        out["static_num"] = covariates.static[windows.item]
    if covariates.static_cat.shape[1]:
        out["static_cat"] = covariates.static_cat[windows.item]
    return out


def _filled(values: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Unobserved rows hold the last observed value before them; before the first one, the first one."""
    if observed.all():
        return values
    n_steps = values.shape[1]
    index = np.where(observed, np.arange(n_steps), -1)
    index = np.maximum.accumulate(index, axis=1)
    first = observed.argmax(axis=1)
    index = np.where(index >= 0, index, first[:, None])
    out: np.ndarray = np.take_along_axis(values, index, axis=1)
    return np.where(np.any(observed, axis=1, keepdims=True), out, 0.0)
