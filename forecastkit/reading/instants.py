"""Columns of instants, and the zones in which they are read and shown.

Instants are int64 microseconds since 1970 (naive wall clock, or UTC where there is a zone), so that years from
1600 to 2190 and beyond fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.reading.values import Note

__all__ = ["DAY", "SECOND", "Instants", "Where", "checked_zone", "instants_index", "localised", "to_utc", "to_wall"]

Where = Callable[[int], str]
SECOND = 1_000_000
DAY = 86_400 * SECOND


@dataclass(frozen=True, eq=False)
class Instants:
    """A column of times.

    Args:
        values: [n] int64, microseconds (wall clock, or UTC where ``tz`` is set), or steps.
        valid: [n] bool; False where the cell is empty.
        tz: zone name; empty = without zone.
        steps: ``values`` count steps.
        format: what the texts look like, in words.
        notes: what the user should know.
    """

    values: np.ndarray
    valid: np.ndarray
    tz: str = ""
    steps: bool = False
    format: str = ""
    notes: tuple[Note, ...] = ()


def instants_index(instants: np.ndarray, times: Instants) -> pd.Index:
    """Microseconds (UTC where zoned) or steps as an index in the zone of ``times``."""
    if times.steps:
        return pd.Index(instants, dtype="int64")
    index = pd.DatetimeIndex(instants.astype("datetime64[us]"))
    return index.tz_localize("UTC").tz_convert(times.tz) if times.tz else index


def to_wall(utc: np.ndarray, tz: str) -> np.ndarray:
    """UTC microseconds as wall-clock microseconds of a zone."""
    if not tz or tz == "UTC":
        return utc
    index = pd.DatetimeIndex(utc.astype("datetime64[us]")).tz_localize("UTC").tz_convert(tz)
    return index.tz_localize(None).as_unit("us").asi8


def to_utc(wall: np.ndarray, tz: str) -> np.ndarray:
    """Wall-clock microseconds as UTC; the first of two, the next valid where there is none."""
    if not tz or tz == "UTC":
        return wall
    index = pd.DatetimeIndex(wall.astype("datetime64[us]"))
    ambiguous = np.ones(len(index), bool)
    return index.tz_localize(tz, ambiguous=ambiguous, nonexistent="shift_forward").as_unit("us").asi8


def checked_zone(tz: str, option: str = "--tz") -> str:
    """The zone's name, if it exists.

    Raises:
        ConfigError: it does not.
    """
    import zoneinfo

    is_offset = re.match("(?:UTC)?[+-]", tz) is not None
    try:
        # pandas would read UTC-0330 as UTC-03:00.
        if is_offset and re.fullmatch(r"(?:UTC)?[+-]\d\d:\d\d", tz) is None:
            raise ValueError
        pd.Timestamp(0, tz="UTC").tz_convert(tz)
    except (KeyError, ValueError, TypeError, OSError, zoneinfo.ZoneInfoNotFoundError):
        remedy = near(tz, zoneinfo.available_timezones())
        if is_offset or not remedy.startswith("Did"):
            remedy = "Give a name such as Europe/Madrid, or UTC+05:30."
        raise ConfigError(place=option, value=repr(tz), rule="no such time zone", remedy=remedy) from None
    return tz


def localised(times: Instants, tz: str, name: str, where: Where) -> Instants:
    """Wall-clock times of a zone as UTC microseconds.

    Raises:
        DataError: a time that does not exist there, or exists twice and cannot be told.
    """
    zone = checked_zone(tz)
    index = pd.DatetimeIndex(times.values.astype("datetime64[us]"))
    n = len(index)
    first = index.tz_localize(zone, ambiguous=np.ones(n, bool), nonexistent="NaT")
    second = index.tz_localize(zone, ambiguous=np.zeros(n, bool), nonexistent="NaT")
    gone = np.flatnonzero(np.asarray(first.isna()) & times.valid)
    if len(gone):
        row = int(gone[0])
        raise DataError(
            place=f"{where(row)}, column {name!r}",
            value=str(index[row]),
            rule=f"this hour does not exist in {zone} (the clock goes forward)",
            remedy="Write the offset in every row, or give --tz UTC if the times are UTC.",
        )
    values, other = first.as_unit("us").asi8.copy(), second.as_unit("us").asi8
    twice = (values != other) & times.valid
    if twice.any():
        late, unclear = _second_pass(times.values, twice)
        if unclear >= 0:
            raise DataError(
                place=f"{where(unclear)}, column {name!r}",
                value=str(index[unclear]),
                rule=f"this hour exists twice in {zone} (the clock goes back): {_stamp(values[unclear])} or {_stamp(other[unclear])}",
                remedy="Write the offset in every row, or give --tz UTC if the times are UTC.",
            )
        values = np.where(late, other, values)
    return replace(times, values=np.where(times.valid, values, 0), tz=zone)


def _stamp(us: int) -> str:
    return f"{np.datetime64(int(us), 'us').astype('datetime64[m]')} UTC"


def _second_pass(wall: np.ndarray, twice: np.ndarray) -> tuple[np.ndarray, int]:
    """([n] rows after the clock went back, first row that cannot be told; -1 = none), by the order of the file."""
    late = np.zeros(len(wall), bool)
    down = wall[0] > wall[-1]
    rows = np.flatnonzero(twice)
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        order = run[::-1] if down else run
        back = np.flatnonzero(np.diff(wall[order]) <= 0)
        if len(back) != 1:
            return late, int(run[0])
        late[order[back[0] + 1 :]] = True
    return late, -1
