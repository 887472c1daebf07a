"""The frame that everything after the border trusts, and the arrays behind it.

Columns of a frame's table: ``item_id`` (text), ``timestamp``, ``target`` (float64, NaN = unobserved),
then covariates. Every item is contiguous in the calendar from its first to its last observed row.

The arrays come first: a table is made of them only when somebody asks for ``frame.data``, and a frame up to a cutoff shares
them, so that neither folds nor a panel larger than memory are copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting.calendar import Calendar

__all__ = ["QUANTILES", "Rows", "SeriesFrame", "Store", "quantile_name"]

QUANTILES: tuple[float, ...] = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
"""The quantiles of every forecast frame."""


def quantile_name(q: float) -> str:
    """Column name of a quantile.

    >>> quantile_name(0.1)
    '0.1'
    """
    return f"{q:g}"


@dataclass(frozen=True, eq=False)
class Store:
    """Arrays of a panel, in memory or mapped from a file. Item i's row r is row ``first[i] + r`` of the shared arrays.

    A store up to a cutoff shares the arrays of the whole one. Rows after the cutoff still stand in them, so that
    nothing but this class looks into ``shared_*``: ``values``, ``observed``, ``series`` and ``lookup`` give the
    store's own rows alone.

    Args:
        shared_values: [M] float64, target units; 0 where unobserved.
        shared_observed: [M] bool.
        first: [I] int64, row of the shared arrays that each item begins with.
        lengths: [I] int64, rows of each item.
        starts: [I] int64, calendar position of each item's first row.
        items: [I] item ids in ascending order.
    """

    shared_values: np.ndarray
    shared_observed: np.ndarray
    first: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray
    items: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ends(self) -> np.ndarray:
        """[I] int64, calendar position of each item's last row."""
        return self.starts + self.lengths - 1

    @cached_property
    def offsets(self) -> np.ndarray:
        """[I + 1] int64, first row of each item in ``values``, ``observed`` and the frame's table, and the end."""
        return np.r_[0, np.cumsum(self.lengths)].astype(np.int64)

    @property
    def n_rows(self) -> int:
        """Rows of all items."""
        return int(self.offsets[-1])

    @cached_property
    def is_full(self) -> bool:
        """Whether every row is observed; one True that stands for all has no stride."""
        lean = self.shared_observed.strides == (0,)
        return bool((self.shared_observed[:1] if lean else self.observed).all())

    @property
    def values(self) -> np.ndarray:
        """[N] values of all items, one after the other; 0 where unobserved."""
        return self.shared_values[self.rows()]

    @property
    def observed(self) -> np.ndarray:
        """[N] which of ``values`` are observed."""
        return self.shared_observed[self.rows()]

    def span(self, item: int) -> slice:
        """The item's rows of the shared arrays."""
        lo = int(self.first[item])
        return slice(lo, lo + int(self.lengths[item]))

    def lookup(self, item: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(values, observed) of rows within items, of any shapes that broadcast; outside an item nothing is observed."""
        first, length = self.first[item], self.lengths[item]
        at = first + np.clip(row, 0, np.maximum(length - 1, 0))
        return self.shared_values[at], self.shared_observed[at] & (row >= 0) & (row < length)

    def series(self, item: int, upto: int | None = None) -> np.ndarray:
        """Values of one item with NaN where unobserved, up to calendar position ``upto`` inclusive."""
        rows = self.span(item)
        if upto is not None:
            rows = slice(rows.start, max(rows.start, min(rows.stop, rows.start + upto - int(self.starts[item]) + 1)))
        return np.where(self.shared_observed[rows], self.shared_values[rows], np.nan)

    def observed_of(self, item: int) -> np.ndarray:
        """[n] which rows of one item are observed."""
        out: np.ndarray = self.shared_observed[self.span(item)]
        return out

    @cached_property
    def begins(self) -> np.ndarray:
        """[I] int64, first observed row of each item; beyond every row where none is."""
        out = np.zeros(len(self), np.int64)
        if not self.is_full:
            # Series begin with an observed row, but one of which the last rows alone are kept need not.
            for i in np.flatnonzero(~self.shared_observed[self.first]).tolist():
                seen = self.observed_of(i)
                out[i] = seen.argmax() if seen.any() else np.iinfo(np.int64).max
        return out

    def rows(self) -> np.ndarray | slice:
        """The items' rows of the shared arrays, one item after the other: a slice where nothing lies between them."""
        first = int(self.first[0]) if len(self) else 0
        if np.array_equal(self.first, first + self.offsets[:-1]):
            return slice(first, first + self.n_rows)
        return np.arange(self.n_rows) + np.repeat(self.first - self.offsets[:-1], self.lengths)

    def positions(self) -> np.ndarray:
        """[N] int64, calendar position of each row."""
        return np.arange(self.n_rows) + np.repeat(self.starts - self.offsets[:-1], self.lengths)

    def n_observed(self, at: np.ndarray) -> np.ndarray:
        """[I] observed rows of each item at or before its calendar position ``at`` [I]."""
        n = np.clip(np.asarray(at) - self.starts + 1, 0, self.lengths)
        if self.is_full:
            return n.astype(np.int64)
        ends = zip(self.first.tolist(), (self.first + n).tolist())
        return np.array([np.count_nonzero(self.shared_observed[lo:hi]) for lo, hi in ends], dtype=np.int64)

    def between(self, at: np.ndarray, start: np.ndarray | None = None) -> Store:
        """The rows of each item at or before its calendar position ``at`` (and from ``start`` on); no array is copied.

        Items without such a row are absent.
        """
        skipped = np.zeros(len(self), np.int64) if start is None else np.clip(start - self.starts, 0, self.lengths)
        n = np.clip(np.asarray(at) - self.starts + 1, 0, self.lengths) - skipped
        keep = np.flatnonzero(n > 0)
        return Store(
            self.shared_values,
            self.shared_observed,
            (self.first + skipped)[keep],
            n[keep].astype(np.int64),
            (self.starts + skipped)[keep],
            tuple(self.items[i] for i in keep),
        )

    def compact(self) -> Store:
        """The same rows in arrays of their own."""
        observed = np.broadcast_to(np.True_, self.n_rows) if self.is_full else np.array(self.observed)
        return Store(np.array(self.values), observed, self.offsets[:-1], self.lengths, self.starts, self.items)

    def __reduce__(self) -> tuple[Any, ...]:
        # What goes to another process is its own rows: fewer bytes, and no later ones.
        own = self.compact()
        observed = None if self.is_full else own.shared_observed
        return _store, (own.shared_values, observed, own.first, own.lengths, own.starts, own.items)

    def take(self, which: np.ndarray) -> Store:
        """Some items; no array is copied."""
        items = tuple(self.items[i] for i in which)
        return Store(
            self.shared_values, self.shared_observed, self.first[which], self.lengths[which], self.starts[which], items
        )


def _store(values: np.ndarray, observed: np.ndarray | None, *more: Any) -> Store:
    return Store(values, np.broadcast_to(np.True_, len(values)) if observed is None else observed, *more)


@dataclass(frozen=True, eq=False)
class Rows:
    """A frame's rows as arrays: the target's store and the covariates beside it.

    Args:
        covariates: column -> [M] float64 or object, row by row like the store's shared arrays.
    """

    store: Store
    covariates: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, data: pd.DataFrame, calendar: Calendar) -> Rows:
        """The arrays of a frame's table."""
        ids = data["item_id"].to_numpy()
        first = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.zeros(0, np.int64)
        target = data["target"].to_numpy(np.float64)
        observed = ~np.isnan(target)
        store = Store(
            np.where(observed, target, 0.0),
            observed,
            first=first.astype(np.int64),
            lengths=np.diff(np.r_[first, len(ids)]).astype(np.int64),
            starts=calendar.position(data["timestamp"].iloc[first]),
            items=tuple(str(i) for i in ids[first]),
        )
        columns = [c for c in data.columns if c not in ("item_id", "timestamp", "target")]
        return cls(store, {name: data[name].to_numpy() for name in columns})

    def beside(self, more: Mapping[str, np.ndarray]) -> Rows:
        """With further columns of numbers, [N] row by row like the table."""
        columns = dict(self.covariates)
        for name, own in more.items():
            columns[name] = np.full(len(self.store.shared_values), np.nan)
            columns[name][self.store.rows()] = own
        return Rows(self.store, columns)

    def __reduce__(self) -> tuple[Any, ...]:
        where = self.store.rows()
        return Rows, (self.store, {name: column[where] for name, column in self.covariates.items()})

    def table(self, calendar: Calendar) -> pd.DataFrame:
        """The frame's table."""
        store, where = self.store, self.store.rows()
        seen, values = store.shared_observed[where], store.shared_values[where]
        ids = np.empty(len(store), dtype=object)
        ids[:] = store.items
        return pd.DataFrame(
            {
                "item_id": np.repeat(ids, store.lengths),
                "timestamp": calendar.instants[store.positions()],
                "target": np.where(seen, values, np.nan),
                **{name: column[where] for name, column in self.covariates.items()},
            }
        )


class _Table:
    """The field ``data``: a table that was given, or that is made of the rows when somebody asks."""

    def __get__(self, frame: Any, owner: type | None = None) -> Any:
        if frame is None:
            return self
        if "_table" not in frame.__dict__:
            frame.__dict__["_table"] = frame.rows.table(frame.calendar)
        return frame.__dict__["_table"]

    def __set__(self, frame: Any, value: Any) -> None:
        frame.__dict__["rows" if isinstance(value, Rows) else "_table"] = value


@dataclass(frozen=True, eq=False, repr=False)
class SeriesFrame:
    """Checked series in long format; made by ``as_frame`` and never repaired again.

    Args:
        data: the table described at the top of this module, sorted by item and time, or its ``Rows``. Treated as
            read-only.
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

    def __repr__(self) -> str:
        return f"SeriesFrame({self.name}: {len(self.items)} series, {len(self)} rows, {self.calendar.freq})"

    def __getstate__(self) -> dict[str, Any]:
        # A table is made again where it is wanted.
        return {k: v for k, v in self.__dict__.items() if k not in ("_table", "positions")} | {"rows": self.rows}

    @property
    def covariates(self) -> tuple[str, ...]:
        """All covariate columns."""
        return (*self.known, *self.past, *self.static)

    @property
    def items(self) -> tuple[str, ...]:
        """Item ids in ascending order."""
        return self.store.items

    def __len__(self) -> int:
        return self.store.n_rows

    @cached_property
    def rows(self) -> Rows:
        """The rows as arrays, built once."""
        return Rows.of(self.data, self.calendar)

    @property
    def store(self) -> Store:
        """The target as arrays."""
        return self.rows.store

    @cached_property
    def positions(self) -> np.ndarray:
        """[N] int64, calendar position of each row of ``data``."""
        return self.store.positions()

    def column(self, name: str) -> np.ndarray:
        """[N] a covariate, row by row like ``data``."""
        out: np.ndarray = self.rows.covariates[name][self.store.rows()]
        return out

    def between(self, at: np.ndarray, start: np.ndarray | None = None) -> SeriesFrame:
        """Rows of each item at or before its own calendar position ``at`` [I] (and from ``start`` [I] on)."""
        rows = Rows(self.store.between(at, start), self.rows.covariates)
        return self._with(rows, self.calendar.upto(int(np.max(at))), None)

    def upto(self, position: int) -> SeriesFrame:
        """The frame as it was known at calendar ``position`` (inclusive); items that start later are absent."""
        return self.between(np.full(len(self.items), position))

    def select(self, items: tuple[str, ...]) -> SeriesFrame:
        """The frame of some items only; the calendar stays."""
        wanted = set(items)
        return self.take(np.array([i for i, item in enumerate(self.items) if item in wanted], dtype=np.int64))

    def take(self, which: np.ndarray) -> SeriesFrame:
        """The frame of the items of some places [K], ascending."""
        future = self.future
        if future is not None:
            names = [self.items[i] for i in which]
            future = future[future["item_id"].isin(names)].reset_index(drop=True)
        return self._with(Rows(self.store.take(which), self.rows.covariates), self.calendar, future)

    def _with(self, rows: Rows, calendar: Calendar, future: pd.DataFrame | None) -> SeriesFrame:
        # ``replace`` alone would ask for the table.
        return replace(self, data=rows, calendar=calendar, future=future)  # type: ignore[arg-type]


SeriesFrame.data = _Table()  # type: ignore[assignment]
