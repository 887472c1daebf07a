"""What is known of the time after the last observed row, and what never changes within a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import DataError
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Ahead", "ahead_columns", "covariate_roles", "static_column", "steps_ahead"]


@dataclass(frozen=True, eq=False)
class Ahead:
    """Rows after each series' last observed one.

    Args:
        codes: [N] item, ascending.
        position: [N] calendar position.
        columns: known covariate -> [N] values.
    """

    codes: np.ndarray
    position: np.ndarray
    columns: dict[str, np.ndarray]

    def table(self, items: tuple[str, ...], index: pd.Index, ends: np.ndarray) -> pd.DataFrame | None:
        """``SeriesFrame.future``: every instant from an item's end to its last row here; None where nothing is known.

        Args:
            index: instants by position.
            ends: [I] position of each item's last observed row.
        """
        last = ends.copy()
        np.maximum.at(last, self.codes, self.position)
        n = last - ends
        if not n.sum():
            return None
        offsets = np.r_[0, np.cumsum(n)]
        owner = np.repeat(np.arange(len(items)), n)
        position = np.arange(offsets[-1]) - offsets[owner] + ends[owner] + 1
        row = offsets[self.codes] + self.position - ends[self.codes] - 1
        table: dict[str, Any] = {"item_id": np.array(items, dtype=object)[owner], "timestamp": index[position]}
        for name, column in self.columns.items():
            out = np.full(len(owner), np.nan) if column.dtype != object else np.full(len(owner), None, dtype=object)
            out[row] = column
            table[name] = out
        return pd.DataFrame(table)


def static_column(column: np.ndarray, bounds: np.ndarray, items: tuple[str, ...], name: str) -> np.ndarray:
    """A column with each item's one value in all of its rows.

    Args:
        column: [N] float64 or object.
        bounds: [I + 1] first row of each item, and the end.

    Raises:
        DataError: an item has two values.
    """
    codes, distinct = pd.factorize(column)
    largest = np.maximum.reduceat(codes, bounds[:-1])
    smallest = np.minimum.reduceat(np.where(codes < 0, len(distinct), codes), bounds[:-1])
    twice = np.flatnonzero((largest >= 0) & (smallest < largest))
    if len(twice):
        i = int(twice[0])
        values = [v.item() if isinstance(v, np.generic) else v for v in distinct[[smallest[i], largest[i]]]]
        raise DataError(
            place=f"column {name!r}, series {items[i]!r}",
            value=f"{values[0]!r} and {values[1]!r}",
            rule="a static covariate has one value in a series",
            remedy=f"Give it with --past {name}, or with --known {name}.",
        )
    missing = None if column.dtype == object else np.nan
    own = np.array([*distinct, missing], dtype=column.dtype)
    return own[np.repeat(largest, np.diff(bounds))]


def ahead_columns(frame: SeriesFrame) -> dict[str, np.ndarray]:
    """Columns of the future under names of their own, for the fingerprint of the data."""
    if frame.future is None:
        return {}
    return {f"{name} ahead": frame.future[name].to_numpy() for name in frame.known}


def steps_ahead(frame: SeriesFrame) -> int:
    """Instants for which the known covariates of every series reach beyond its end."""
    if frame.future is None:
        return 0
    counts = frame.future["item_id"].value_counts()
    return int(counts.min()) if len(counts) == len(frame.items) else 0


def covariate_roles(frame: SeriesFrame) -> dict[str, tuple[str, ...]]:
    """Role -> columns, for the profile."""
    roles = {"known": frame.known, "past": frame.past, "static": frame.static}
    roles["holidays"] = (frame.country,) if frame.country else ()
    return {role: names for role, names in roles.items() if names}
