"""The frame that everything after the border trusts, and the arrays made from it once.

Columns of a frame's table: ``item_id`` (text), ``timestamp``, ``target`` (float64, NaN = unobserved),
then covariates. Every item is contiguous in the calendar from its first to its last observed row.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from forecastkit.forecasting.calendar import Calendar

__all__ = ["FORECAST_KEYS", "LEVELS", "QUANTILES", "SeriesFrame", "Store", "quantile_name"]

QUANTILES: tuple[float, ...] = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
"""The quantiles of every forecast frame."""

LEVELS: tuple[int, ...] = (80, 95)
"""Central intervals that reports show, in per cent."""

FORECAST_KEYS: tuple[str, ...] = ("item_id", "target_name", "cutoff", "timestamp", "step", "model", "point")
"""Columns of a forecast frame before its quantiles."""


def quantile_name(q: float) -> str:
    """Column name of a quantile.

    >>> quantile_name(0.1)
    '0.1'
    """
    return f"{q:g}"


@dataclass(frozen=True, eq=False)
class Store:
    """Contiguous arrays of a panel. Row ``offsets[i] + (c - starts[i])`` is item i at calendar position c.

    Args:
        values: [N] float64, target units; 0 where unobserved.
        observed: [N] bool.
        offsets: [I + 1] int64, first row of each item and the end.
        starts: [I] int64, calendar position of each item's first row.
        items: [I] item ids in ascending order.
    """

    values: np.ndarray
    observed: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    items: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> np.ndarray:
        """[I] int64, rows of each item."""
        return np.diff(self.offsets)

    @property
    def ends(self) -> np.ndarray:
        """[I] int64, calendar position of each item's last row."""
        return self.starts + self.lengths - 1

    def series(self, item: int, upto: int | None = None) -> np.ndarray:
        """Values of one item with NaN where unobserved, up to calendar position ``upto`` inclusive."""
        lo, hi = self.offsets[item], self.offsets[item + 1]
        if upto is not None:
            hi = min(hi, lo + max(0, upto - self.starts[item] + 1))
        return np.where(self.observed[lo:hi], self.values[lo:hi], np.nan)


@dataclass(frozen=True, eq=False)
class SeriesFrame:
    """Checked series in long format; made by ``as_frame`` and never repaired again.

    Args:
        data: the table described at the top of this module, sorted by item and time. Treated as read-only.
        calendar: the instants that all items share.
        season_length: steps in one season; 1 = none.
        target_name: what the user calls the target; printed in reports and forecast frames.
        past: covariate columns known up to the cutoff only.
        known: covariate columns known ahead.
        static: covariate columns that never change within an item.
        future: ``item_id``, ``timestamp`` and the known columns for instants after each item's last row, without a
            hole, in the order of the items; None = nothing is known ahead.
        country: ISO code whose public holidays a model may read; empty = none.
    """

    data: pd.DataFrame
    calendar: Calendar
    season_length: int = 1
    target_name: str = "target"
    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    future: pd.DataFrame | None = None
    country: str = ""
    name: str = field(default="data", compare=False)

    @property
    def covariates(self) -> tuple[str, ...]:
        """All covariate columns."""
        return (*self.known, *self.past, *self.static)

    @property
    def items(self) -> tuple[str, ...]:
        """Item ids in ascending order."""
        return self.store.items

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def store(self) -> Store:
        """The target as contiguous arrays, built once."""
        ids = self.data["item_id"].to_numpy()
        first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.zeros(0, np.int64)
        target = self.data["target"].to_numpy(np.float64)
        observed = ~np.isnan(target)
        starts = self.calendar.position(self.data["timestamp"].iloc[first])
        return Store(
            values=np.where(observed, target, 0.0),
            observed=observed,
            offsets=np.r_[first, len(ids)].astype(np.int64),
            starts=starts,
            items=tuple(str(i) for i in ids[first]),
        )

    @cached_property
    def positions(self) -> np.ndarray:
        """[N] int64, calendar position of each row."""
        store = self.store
        within = np.arange(len(self.data)) - np.repeat(store.offsets[:-1], store.lengths)
        return within + np.repeat(store.starts, store.lengths)

    def upto(self, position: int) -> SeriesFrame:
        """The frame as it was known at calendar ``position`` (inclusive); items that start later are absent."""
        keep = self.positions <= position
        data = self.data[keep].reset_index(drop=True)
        return replace(self, data=data, calendar=self.calendar.upto(position), future=None)

    def select(self, items: tuple[str, ...]) -> SeriesFrame:
        """The frame of some items only; the calendar stays."""
        data = self.data[self.data["item_id"].isin(items)].reset_index(drop=True)
        future = self.future
        if future is not None:
            future = future[future["item_id"].isin(items)].reset_index(drop=True)
        return replace(self, data=data, future=future)
