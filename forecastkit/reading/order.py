"""Rows into the order of item and time, in as few passes as their present order allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Order", "distinct", "order_of", "repeats"]

SPARSE = 4
"""Cells of the table of items and instants for each row, up to which filling it is cheaper than sorting."""


@dataclass(frozen=True, eq=False)
class Order:
    """How rows get into order.

    Args:
        rows: [N] the rows by item and, within it, time; stable; None = they stand so.
        n_twice: rows that repeat an instant of their item.
        instants: [K] distinct instants in ascending order, where they came up.
        places: [N] int32, index into ``instants`` of each row in order, where they came up.
    """

    rows: np.ndarray | None
    n_twice: int
    instants: np.ndarray | None = None
    places: np.ndarray | None = None


def order_of(codes: np.ndarray, times: np.ndarray, n_items: int) -> Order:
    """The order of rows by item and time.

    Args:
        codes: [N] item of each row, 0 to ``n_items`` - 1.
        times: [N] int64.
    """
    rising = times[1:] >= times[:-1]
    same = codes[1:] == codes[:-1]
    if np.where(same, rising, codes[1:] > codes[:-1]).all():
        return Order(None, int(np.count_nonzero(same & (times[1:] == times[:-1]))))
    if rising.all():
        # Rows by time, as exports have them: each instant holds a stretch of rows.
        found = _by_table(codes, times, n_items)
        if found is not None:
            return found
        small = n_items < 1 << 16
        order = np.argsort(codes.astype(np.uint16) if small else codes, kind="stable")
    else:
        order = np.lexsort((times, codes))
    c, t = codes[order], times[order]
    return Order(order, int(np.count_nonzero((c[1:] == c[:-1]) & (t[1:] == t[:-1]))))


def _by_table(codes: np.ndarray, times: np.ndarray, n_items: int) -> Order | None:
    """The order from a table of items and instants; None where it would be sparse or a cell is taken twice."""
    n = len(codes)
    starts = np.r_[0, np.flatnonzero(times[1:] != times[:-1]) + 1]
    n_instants = len(starts)
    if n_items * n_instants > SPARSE * n or n >= 1 << 31:
        return None
    cell = codes.astype(np.int64)
    cell *= n_instants
    cell += np.repeat(np.arange(n_instants), np.diff(np.r_[starts, n]))
    table = np.full(n_items * n_instants, -1, np.int32)
    table[cell] = np.arange(n, dtype=np.int32)
    taken = np.flatnonzero(table >= 0)
    if len(taken) < n:
        return None
    counts = np.bincount(codes, minlength=n_items)
    taken -= np.repeat(np.arange(n_items) * n_instants, counts)
    return Order(table[table >= 0] if len(table) > n else table, 0, times[starts], taken.astype(np.int32))


def distinct(values: np.ndarray) -> np.ndarray:
    """Distinct values in ascending order.

    A sort: ``np.unique`` hashes whole numbers, which takes minutes for ten million different ones (numpy 2.4).
    """
    if len(values) and not (values[1:] >= values[:-1]).all():
        values = np.sort(values)
    return values[np.r_[True, values[1:] != values[:-1]]] if len(values) else values


def repeats(times: np.ndarray) -> int:
    """How many rows repeat an instant, all items taken together."""
    changes = times[1:] != times[:-1]
    if (times[1:] >= times[:-1]).all():
        return int(len(times) - 1 - np.count_nonzero(changes)) if len(times) else 0
    return len(times) - len(distinct(times))
