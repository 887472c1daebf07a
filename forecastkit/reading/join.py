"""Dated scores as a past covariate, without looking ahead: a score counts for the first row that ends after it came.

A row of days holds what was known when its day closed. With ``close`` ``16:00`` what came before 16:00 of a day counts for
that day, and what came from then on for the next day of the calendar (after weekends and holidays, where it has them).
Where the hour is not known (``next-day``, which is also what is done unasked) what is dated a day counts for the next one.
A row of hours or minutes gets what came up to its own time stamp. A row to which no score belongs is empty, not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.read_options import NEXT_DAY, ReadOptions
from forecastkit.reading.aliases import unit_us
from forecastkit.reading.columns import choose_roles
from forecastkit.reading.instants import DAY, SECOND, Instants, checked_zone, localised, to_utc, to_wall
from forecastkit.reading.located import located
from forecastkit.reading.rows import covariate_column, items_of, times_of
from forecastkit.reading.table import open_table
from forecastkit.reading.values import Note, several

__all__ = ["with_join"]


@dataclass(frozen=True, eq=False)
class _Scores:
    """Rows of the file of scores.

    Args:
        times: as they were read.
        item: [N] item of the frame, -1 = none of its items; None = each score belongs to every series.
        columns: name -> [N] float64.
        place: of the file, for errors.
        name: of the column of times.
    """

    times: Instants
    item: np.ndarray | None
    columns: dict[str, np.ndarray]
    place: str
    name: str


def with_join(
    frame: SeriesFrame, source: Any, options: ReadOptions, item_column: str = ""
) -> tuple[SeriesFrame, list[Note]]:
    """The frame with columns of scores as past covariates, and what was done.

    Args:
        source: path, source or frame with a column of times and columns of numbers.
        options: those whose names begin with ``join``, and ``close``.
        item_column: what the data call the column of series; used where the scores have it too.

    Raises:
        DataError: no times or numbers, a clock or time zone that does not fit to that of the series, or no score that
            falls into their time.
        ConfigError: a rule that does not fit to the series, or a zone that does not exist.
        UnknownNameError: no such column.
    """
    if frame.calendar.is_integer:
        raise ConfigError(
            place="--join", rule="scores are joined by date, and the data count steps", remedy="Give data with dates."
        )
    if options.join_tz is not None:
        checked_zone(options.join_tz, "--join-tz")
    scores = _read(frame, source, options, item_column)
    instants = pd.DatetimeIndex(frame.calendar.instants)
    days = _is_daily(frame)
    moments, rule = (_by_days if days else _by_clock)(scores, instants, options)
    axis = _wall(instants) if days else instants.as_unit("us").asi8
    # A step earlier: what came before that belongs to rows that are not here.
    before = int(axis[0]) - _step(frame, instants)
    inside = scores.times.valid & (moments > before) & (moments <= axis[-1])
    position = np.where(inside, np.searchsorted(axis, moments, side="left"), -1)
    if not inside.any():
        raise DataError(
            place=scores.place,
            value=_span(moments[scores.times.valid]),
            rule=f"no score falls into the time of the series, {instants[0]} to {instants[-1]}",
            remedy="Check both columns of times.",
        )
    joined, n_rows = _joined(frame, scores, position, options.join_how)
    names = tuple(scores.columns)
    notes = [
        Note(
            "info",
            f"{', '.join(names)}: {several(int(inside.sum()), 'score')} joined to {several(n_rows, 'row')}, {rule}",
        )
    ]
    n_out = int((scores.times.valid & ~inside).sum())
    if n_out:
        notes.append(Note("info", f"{several(n_out, 'score')} before or after the series left out", scores.place))
    rows = frame.rows.beside(joined)
    return replace(frame, data=rows, past=(*frame.past, *names)), notes  # type: ignore[arg-type]


def _read(frame: SeriesFrame, source: Any, options: ReadOptions, item_column: str) -> _Scores:
    own = ReadOptions(
        time=options.join_time,
        target=",".join(options.join_columns) or "*",
        start=_edge(frame, 0),
        end=_edge(frame, -1),
    )
    found = located(source, own)
    place = Path(found.where).name if isinstance(source, (str, Path)) else "the frame of scores"
    table = open_table(found.table, ReadOptions())
    item = options.join_item or (item_column if item_column in table.names and len(frame.items) > 1 else None)
    if options.join_item and options.join_item not in table.names:
        raise ConfigError(
            place="--join-item", value=repr(item), rule="there is no such column", remedy=near(str(item), table.names)
        )
    for name in options.join_columns:
        if name not in table.names:
            raise ConfigError(
                place="--join-columns", value=repr(name), rule="there is no such column", remedy=near(name, table.names)
            )
    roles = choose_roles(table, ReadOptions(time=options.join_time or found.options.time, target=own.target, item=item))
    if not roles.time:
        raise DataError(place=place, rule="no column of times", remedy="Name it with --join-time.")
    names = [n for n in roles.targets if n != item]
    loaded = table.load(dict.fromkeys([*([item] if item else []), *names, *roles.time], "text"))
    n = len(loaded[roles.time[0]])
    times = times_of(table, roles, loaded, n, ReadOptions())
    if times.steps:
        raise DataError(
            place=f"{place}, column {roles.time[0]!r}", value="counted steps", rule="dates are needed to join by",
            remedy="Name the column of dates with --join-time.",
        )  # fmt: skip
    columns = {}
    for name in names:
        column = covariate_column(loaded[name], name, table)
        if column.dtype == object:
            raise DataError(place=f"{place}, column {name!r}", value="text", rule="scores are numbers", remedy="Name others with --join-columns.")  # fmt: skip
        if name in ("item_id", "timestamp", "target", *frame.rows.covariates):
            raise ConfigError(
                place=f"{place}, column {name!r}", rule="the data have a column of this name", remedy="Rename one."
            )
        columns[name] = column
    return _Scores(
        times, _items(frame, table, roles, loaded, times, n, place) if item else None, columns, place, roles.time[0]
    )


def _edge(frame: SeriesFrame, at: int) -> str:
    """The day of the first or last instant, which a source outside this machine is asked for."""
    return str(pd.DatetimeIndex(frame.calendar.instants)[at].date())


def _items(
    frame: SeriesFrame, table: Any, roles: Any, loaded: dict[str, Any], times: Instants, n: int, place: str
) -> np.ndarray:
    named = items_of(table, roles, loaded, times, n)
    where = {name: k for k, name in enumerate(frame.items)}
    own = np.array([where.get(name, -1) for name in named.items], dtype=np.int64)
    if not (own >= 0).any():
        raise DataError(
            place=place,
            value=f"series {named.items[0]!r}",
            rule="not in the data",
            remedy=near(named.items[0], frame.items),
        )
    return np.where(named.codes >= 0, own[named.codes], -1)


def _is_daily(frame: SeriesFrame) -> bool:
    step = unit_us(frame.calendar.freq)
    return not frame.calendar.sessions and (not step or step >= DAY)


def _wall(instants: pd.DatetimeIndex) -> np.ndarray:
    return (instants.tz_localize(None) if instants.tz is not None else instants).as_unit("us").asi8


def _step(frame: SeriesFrame, instants: pd.DatetimeIndex) -> int:
    """Microseconds from the instant before the first one to it; nights and weekends count."""
    step = unit_us(frame.calendar.freq)
    if frame.calendar.sessions:
        gaps = np.diff(instants.as_unit("us").asi8)
        return int(gaps.max()) if len(gaps) else DAY
    if step:
        return step
    offset = pd.tseries.frequencies.to_offset(frame.calendar.freq)
    first = instants[0].tz_localize(None)
    return int((first - (first - offset)) / pd.Timedelta(microseconds=1))


def _by_days(scores: _Scores, instants: pd.DatetimeIndex, options: ReadOptions) -> tuple[np.ndarray, str]:
    """(midnight of the first day whose close comes after each score, the rule in words); wall clock of the series' days."""
    times, tz = scores.times, options.join_tz
    zone = tz or (str(instants.tz) if instants.tz is not None else None)
    wall = times.values
    clocked = _clocked(times)
    if times.tz:
        if zone is None:
            raise _mismatch(scores, f"has times with a zone ({times.tz})", "the series has days without one")
        wall = to_wall(wall, zone)
    elif clocked and tz is None and instants.tz is not None:
        raise _mismatch(scores, "has times without a zone", f"the series has days of {instants.tz}")
    day = wall // DAY * DAY
    named = f" ({zone})" if zone else ""
    if options.close in (None, NEXT_DAY):
        asked = (
            ""
            if options.close or not clocked
            else "; with --close 16:00 those before that hour would count for their own"
        )
        return day + DAY, f"each counts for the day after its own{named}{asked}"
    if not clocked:
        raise ConfigError(
            place="--close",
            value=str(options.close),
            rule=f"column {scores.name!r} of {scores.place} has days without a clock, so that it is not known what came before it",
            remedy=f"Write the hours into it, or give --close {NEXT_DAY}.",
        )
    hour, minute = map(int, str(options.close).split(":"))
    closes = (hour * 3600 + minute * 60) * SECOND
    return np.where(
        wall - day >= closes, day + DAY, day
    ), f"each counts for the first day that closes after it, at {options.close}{named}"


def _by_clock(scores: _Scores, instants: pd.DatetimeIndex, options: ReadOptions) -> tuple[np.ndarray, str]:
    """(instant from which each score is known, the rule in words); microseconds as the instants have them."""
    if options.close not in (None, NEXT_DAY):
        raise ConfigError(
            place="--close", value=str(options.close), rule="means something for days; the series has clock times",
            remedy="Leave it out: a score counts for the first row at or after it.",
        )  # fmt: skip
    times, zoned = scores.times, instants.tz is not None
    zone = options.join_tz or (str(instants.tz) if zoned else None)
    if bool(times.tz) != zoned and options.join_tz is None:
        whose = f"times of {instants.tz}" if zoned else "times without a zone"
        raise _mismatch(scores, f"has times with{'' if times.tz else 'out'} a zone", f"the series has {whose}")
    wall = to_wall(times.values, str(zone)) if times.tz else times.values
    clock = f", by the clock of {zone}" if zone else ""
    if options.close == NEXT_DAY or not _clocked(times):
        day = wall // DAY * DAY + DAY
        return to_utc(day, str(zone)) if zoned else day, f"each counts from the day after its own{clock}"
    rule = f"each counts for the first row at or after it{clock}"
    if not zoned:
        return wall, rule
    if times.tz:
        return times.values, rule
    return localised(times, str(zone), scores.name, lambda row: f"{scores.place}, row {row + 1}").values, rule


def _clocked(times: Instants) -> bool:
    """Whether any time is not a midnight."""
    return bool((to_wall(times.values, times.tz)[times.valid] % DAY != 0).any())


def _mismatch(scores: _Scores, value: str, rule: str) -> DataError:
    return DataError(
        place=f"{scores.place}, column {scores.name!r}",
        value=value,
        rule=rule,
        remedy="Say which zone the days of the series are of: --join-tz America/New_York.",
    )


def _span(moments: np.ndarray) -> str:
    if not len(moments):
        return "no times"
    first, last = (pd.Timestamp(int(v), unit="us") for v in (moments.min(), moments.max()))
    return f"scores that count from {first} to {last}"


def _joined(frame: SeriesFrame, scores: _Scores, position: np.ndarray, how: str) -> tuple[dict[str, np.ndarray], int]:
    """(column -> [N] values row by row like the frame's table, rows that got a score)."""
    store = frame.store
    n = len(frame.items)
    order = np.argsort(scores.times.values, kind="stable")
    kept = order[position[order] >= 0]
    if scores.item is None:
        item, at = np.repeat(np.arange(n), len(kept)), np.tile(kept, n)
    else:
        item, at = scores.item[kept], kept
    item, at = item[item >= 0], at[item >= 0]
    inside = (position[at] >= store.starts[item]) & (position[at] <= store.ends[item])
    item, at = item[inside], at[inside]
    row = store.offsets[item] + position[at] - store.starts[item]
    size = store.n_rows
    got = np.zeros(size, bool)
    columns = {}
    for name, column in scores.columns.items():
        groups = pd.Series(column[at]).groupby(row)
        found = getattr(groups, how)() if how != "sum" else groups.sum(min_count=1)
        where, values = found.index.to_numpy(), found.to_numpy(np.float64)
        out = np.zeros(size) if how == "count" else np.full(size, np.nan)
        out[where] = values
        got[where] |= np.isfinite(values)
        columns[name] = out
    return columns, int(got.sum())
