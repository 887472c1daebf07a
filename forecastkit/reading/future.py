"""A file of the future: known covariates of instants after the last observed row, with or without a target column."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import DataError, near
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.read_options import ReadOptions
from forecastkit.reading.ahead import Ahead
from forecastkit.reading.columns import Roles
from forecastkit.reading.instants import instants_index
from forecastkit.reading.profile import Profile, item_columns
from forecastkit.reading.rows import ONE_SERIES, covariate_column, items_of, times_of
from forecastkit.reading.table import open_table, text_of
from forecastkit.reading.times import is_clock

__all__ = ["with_future"]

MOST_STEPS = 100_000


def with_future(frame: SeriesFrame, source: Any, options: ReadOptions, profile: Profile) -> SeriesFrame:
    """The frame with the known covariates of a file of the future; rows up to an item's last observed one are not used.

    Args:
        source: path or frame with the columns of time, series and known covariates of the file that was read; without a
            column of series its rows are for every one.
        options: those that the file was read with.
        profile: what was found there.

    Raises:
        DataError: a column is missing, an item is unknown, times do not fit to the calendar, or two rows share one.
    """
    table = open_table(source, options)
    time = tuple(name for name in profile.time.split(",") if name)
    item = item_columns(profile.item, profile.layout)
    if not set(item) & set(table.names):
        item = ()  # what is known ahead is the same for every series
    where = str(source) if isinstance(source, (str, Path)) else "the frame of the future"
    for name in (*time, *item, *frame.known):
        if name not in table.names:
            raise DataError(place=where, value=f"column {name!r}", rule="missing", remedy=near(name, table.names))
    loaded = table.load(dict.fromkeys([*item, *frame.known, *time], "text"))
    roles = Roles("long", time, _parts(time, loaded), item, True, ())
    n = len(next(iter(loaded.values())))
    times = times_of(table, roles, loaded, n, options)
    _same_clock(frame, times.steps, times.tz, where)
    named = items_of(table, roles, loaded, times, n)
    columns = {name: covariate_column(loaded[name], name, table) for name in frame.known}
    for name in frame.known:
        if (columns[name].dtype == object) != (frame.rows.covariates[name].dtype == object):
            raise DataError(
                place=f"{where}, column {name!r}",
                value="text" if columns[name].dtype == object else "numbers",
                rule=f"the history has {'numbers' if columns[name].dtype == object else 'text'} there",
                remedy="Write it the same way in both files.",
            )
    row, own = _series_of(frame, named.items if item else (), named.codes, profile, where)
    times = replace(times, values=times.values[row], valid=times.valid[row])
    columns = {name: column[row] for name, column in columns.items()}
    own = np.where(times.valid, own, -1)
    return _placed(frame, own, instants_index(times.values, times), columns, table.where, where, row)


def _parts(time: tuple[str, ...], loaded: dict[str, Any]) -> str:
    """Whether several columns of time are a date and a clock, or year, month and so on."""
    if len(time) < 2:
        return ""
    cells = text_of(loaded[time[1]]).drop_null()
    return "clock" if len(time) == 2 and len(cells) and is_clock(str(cells[0].as_py())) else "parts"


def _same_clock(frame: SeriesFrame, steps: bool, tz: str, where: str) -> None:
    zone = getattr(frame.calendar.instants, "tz", None)
    kinds = [
        "steps" if frame.calendar.is_integer else "times with a zone" if zone is not None else "times without a zone",
        "steps" if steps else "times with a zone" if tz else "times without a zone",
    ]
    if kinds[0] != kinds[1]:
        raise DataError(
            place=where,
            value=f"has {kinds[1]}",
            rule=f"the history has {kinds[0]}",
            remedy="Give --tz, or write the times of both files the same way.",
        )


def _series_of(
    frame: SeriesFrame, items: tuple[str, ...], codes: np.ndarray, profile: Profile, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the file, the series that each is for); a row is for every column that was read as a series of its own.

    Args:
        items: series that the file names; empty = its rows are for all.
        codes: [N] the rows' places in ``items``.
    """
    if not items or (len(frame.items) == 1 and len(items) == 1 and frame.items[0] == ONE_SERIES):
        k, n = len(frame.items), len(codes)
        return np.tile(np.arange(n), k), np.repeat(np.arange(k), n)
    suffixes = [f" {name}" for name in profile.target.split(",")] if profile.layout == "columns" else [""]
    place = {name: k for k, name in enumerate(frame.items)}
    known = np.array([[place.get(f"{item}{suffix}", -1) for suffix in suffixes] for item in items], dtype=np.int64)
    if (known < 0).all():
        raise DataError(
            place=where, value=f"series {items[0]!r}", rule="not in the history", remedy=near(items[0], frame.items)
        )
    own = np.where(codes[:, None] >= 0, known[codes], -1)
    return np.repeat(np.arange(len(codes)), len(suffixes)), own.ravel()


def _placed(
    frame: SeriesFrame,
    codes: np.ndarray,
    stamps: pd.Index,
    columns: dict[str, np.ndarray],
    line: Any,
    where: str,
    rows: np.ndarray,
) -> SeriesFrame:
    # Whoever names an instant knows that there will be a row.
    calendar, ends = replace(frame.calendar, closed=()), frame.store.ends
    if isinstance(stamps, pd.DatetimeIndex) and stamps.tz is not None:
        stamps = stamps.tz_convert(pd.DatetimeIndex(calendar.instants).tz)
    late = (codes >= 0) & np.asarray(stamps > calendar.instants[int(ends.min())])
    last = stamps[late].max() if late.any() else calendar.instants[-1]
    named = pd.Index(np.sort(stamps[late & np.asarray(stamps > calendar.instants[-1])].unique()))
    if isinstance(named, pd.DatetimeIndex):
        named = named.as_unit(pd.DatetimeIndex(calendar.instants).unit)
    grid = calendar.future(len(named))
    off = ~named.isin(_beyond(calendar, last))
    if off.any():
        first = named[off][0]
        at = int(np.flatnonzero(np.asarray(stamps == first))[0])
        raise DataError(
            place=line(int(rows[at])),
            value=str(first),
            rule=f"not an instant of this calendar (frequency {calendar.freq}; the next one is {grid[0]})",
            remedy="Write the times as in the history.",
        )
    calendar = replace(frame.calendar, ahead=named)
    index = calendar.instants.append(named) if len(named) else calendar.instants
    position = index.get_indexer(stamps)
    use = (codes >= 0) & (position >= 0)
    use[use] = position[use] > ends[codes[use]]
    if not use.any():
        raise DataError(
            place=where,
            value=f"ends at {stamps.max()}",
            rule=f"the history ends at {calendar.instants[-1]}; rows after it are needed",
            remedy="Give a file of the instants that are to be forecast.",
        )
    order = np.lexsort((position[use], codes[use]))
    c, p = codes[use][order], position[use][order]
    twice = (c[1:] == c[:-1]) & (p[1:] == p[:-1])
    if twice.any():
        k = int(np.flatnonzero(twice)[0]) + 1
        raise DataError(
            place=where, value=f"{frame.items[c[k]]}, {index[p[k]]}", rule="occurs twice", remedy="Remove a row."
        )
    ahead = Ahead(c, p, {name: column[use][order] for name, column in columns.items()})
    return replace(frame, calendar=calendar, future=ahead.table(frame.items, index, ends))


def _beyond(calendar: Any, last: Any) -> pd.Index:
    """Instants after the last one of the calendar, to ``last``."""
    n = 16
    while True:
        found = calendar.future(n)
        if found[-1] >= last or n >= MOST_STEPS:
            return found
        n *= 2
