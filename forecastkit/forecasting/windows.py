"""Windows are two integers, (item, row); a batch is gathered at once, and never are all windows.

Shapes: B batch, T context_length, H horizon, C channels, F known covariates, K targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forecastkit.forecasting.scaling import InstanceScale
from forecastkit.forecasting.schema import Store

__all__ = ["Batch", "Windows", "gather", "window_ends"]


class Batch(NamedTuple):
    """What a forecasting network is given; slots that are not used are None.

    Args:
        past_num: [B, T, C] float32, scaled; unobserved rows hold the last observed value.
        observed: [B, T, C] float32, 1 where observed.
        target: [B, H, K] float32, scaled like the context; 0 where unobserved.
        target_observed: [B, H, K] float32.
        item_index: [B] int64.
        scale: level and spread of each window.
        past_cat, known_num, known_cat, static_num, static_cat, delta_t: [B, T, ...], [B, T + H, F], [B, ...], [B, T].
    """

    past_num: np.ndarray
    observed: np.ndarray
    target: np.ndarray
    target_observed: np.ndarray
    item_index: np.ndarray
    scale: InstanceScale
    past_cat: np.ndarray | None = None
    known_num: np.ndarray | None = None
    known_cat: np.ndarray | None = None
    static_num: np.ndarray | None = None
    static_cat: np.ndarray | None = None
    delta_t: np.ndarray | None = None


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


def window_ends(store: Store, horizon: int, first: int, last: int, *, least: int = 2) -> Windows:
    """All windows whose targets lie at calendar positions ``first`` to ``last`` and have something to learn from.

    Args:
        least: observed rows that the item must have up to the context's end.
    """
    items, rows = [], []
    for i in range(len(store)):
        lo = max(first - 1 - int(store.starts[i]), least - 1)
        hi = min(last - int(store.starts[i]), int(store.lengths[i]) - 1) - horizon
        if hi < lo:
            continue
        row = np.arange(lo, hi + 1)
        seen = np.r_[0, np.cumsum(store.observed_of(i))]
        ok = (seen[row + 1] >= least) & (seen[row + 1 + horizon] > seen[row + 1])
        rows.append(row[ok])
        items.append(np.full(int(ok.sum()), i))
    if not rows:
        return Windows(np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Windows(np.concatenate(items), np.concatenate(rows))


def gather(
    store: Store,
    windows: Windows,
    context_length: int,
    horizon: int,
    *,
    scaling: str = "instance",
    scale_rows: int | None = None,
) -> Batch:
    """Contexts and targets of some windows, left-padded with unobserved rows where history is short.

    Args:
        scale_rows: last rows of the context that level and spread come from; None = all.
    """
    steps = np.arange(1 - context_length, horizon + 1)
    row = windows.row[:, None] + steps
    values, observed = store.lookup(windows.item[:, None], row)
    past, future = observed[:, :context_length], observed[:, context_length:]
    y = values[:, :context_length]
    filled = _filled(y, past)
    if scaling == "instance":
        last = slice(None) if scale_rows is None else slice(max(0, context_length - scale_rows), None)
        scale = InstanceScale.fit(y[:, last], past[:, last])
    else:
        scale = InstanceScale.none(len(windows))
    target = np.where(future, scale.transform(values[:, context_length:]), 0.0)
    return Batch(
        past_num=scale.transform(filled).astype(np.float32)[:, :, None],
        observed=past.astype(np.float32)[:, :, None],
        target=target.astype(np.float32)[:, :, None],
        # A constant context has no scale to learn in.
        target_observed=(future & (scale.spread > 0)[:, None]).astype(np.float32)[:, :, None],
        item_index=windows.item,
        scale=scale,
    )


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
