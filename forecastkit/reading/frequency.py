"""The calendar of a panel: which instants exist, found from the instants that occur.

Rules: months, quarters and years by their day of the month; weeks by their weekday; business days without rows for
holidays (a run of more than ten missing weekdays is a gap, no holiday); open weekdays and open hours where the
closed ones never occur; else a fixed step. A frequency whose grid would be mostly empty is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecastkit.errors import DataError
from forecastkit.forecasting.calendar import STEP
from forecastkit.reading.aliases import MONTHS, WEEKDAYS, alias_of, normal_alias, split_alias, unit_us, words
from forecastkit.reading.instants import DAY, to_utc, to_wall
from forecastkit.reading.order import distinct
from forecastkit.reading.values import Note

__all__ = ["Grid", "given_grid", "infer_grid", "one_frequency"]

HOLIDAYS_IN_A_ROW = 10
_REMEDY = "Give --freq and --resample, as in --freq D --resample mean."


@dataclass(frozen=True, eq=False)
class Grid:
    """The instants of a panel.

    Args:
        freq: alias, or ``"step"``.
        instants: [n] int64 ascending; microseconds (UTC for zoned times) or steps.
        sessions: open (weekday, second) pairs.
        values: [N] int64, the rows' times moved onto the grid; the same object where nothing moved.
        notes: what the user should know.
    """

    freq: str
    instants: np.ndarray
    values: np.ndarray
    sessions: tuple[tuple[int, int], ...] = ()
    notes: tuple[Note, ...] = ()


def _weekday(days: np.ndarray) -> np.ndarray:
    return (days + 3) % 7


def _month(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def _month_start(months: np.ndarray) -> np.ndarray:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _gcd(values: np.ndarray) -> int:
    return int(np.gcd.reduce(values)) if len(values) else 1


def infer_grid(values: np.ndarray, codes: np.ndarray, tz: str, steps: bool, instants: np.ndarray | None = None) -> Grid:
    """The calendar that the rows prove.

    Args:
        values: [N] int64, microseconds (UTC where ``tz``) or steps, rows sorted by item and time.
        codes: [N] item of each row.
        tz: zone; empty = none.
        steps: values count steps.
        instants: distinct values in ascending order, where they are known already.

    Raises:
        DataError: one instant only, no regular pace.
    """
    unique = distinct(values) if instants is None else instants
    if steps:
        return _steps_grid(values, unique)
    if len(unique) == 1:
        raise DataError(
            place="time",
            value=_text(unique[0]),
            rule="one instant tells no frequency",
            remedy="Give --freq, or a file with more rows.",
        )
    wall = to_wall(unique, tz)
    if (wall % DAY == wall[0] % DAY).all():
        clock = int(wall[0] % DAY)
        found = _days_grid((wall - clock) // DAY)
        if found is not None:
            freq, grid, moved, notes, sessions = found
            moved_us = to_utc(moved * DAY + clock, tz)
            out = values if np.array_equal(moved_us, unique) else moved_us[np.searchsorted(unique, values)]
            open_pairs = tuple((d, clock // 1_000_000) for d in sessions)
            return Grid(freq, to_utc(grid * DAY + clock, tz), out, open_pairs, notes)
    return _clock_grid(values, codes, unique, wall, tz)


def _text(us: int) -> str:
    moment = np.datetime64(int(us), "us")
    return str(moment.astype("datetime64[D]") if us % DAY == 0 else moment.astype("datetime64[s]"))


def _steps_grid(values: np.ndarray, unique: np.ndarray) -> Grid:
    step = _gcd(np.diff(unique)) if len(unique) > 1 else 1
    n = int(unique[-1] - unique[0]) // step + 1
    if n > 20 * len(unique) + 1000:
        raise DataError(
            place="time",
            value=f"{len(unique)} different integers between {unique[0]} and {unique[-1]}",
            rule="no regular pace",
            remedy="Choose another column with --time, or drop it to use the order of rows.",
        )
    return Grid(STEP, unique[0] + step * np.arange(n, dtype=np.int64), values)


_Found = tuple[str, np.ndarray, np.ndarray, tuple[Note, ...], tuple[int, ...]]


def _days_grid(days: np.ndarray) -> _Found | None:
    """(alias, grid, days moved onto it, notes, open weekdays) of whole days; None = look at the clock."""
    for rule in (_months_grid, _weeks_grid, _business_grid, _open_days_grid):
        found = rule(days)
        if found is not None:
            return found
    step = _gcd(np.diff(days))
    grid = np.arange(days[0], days[-1] + 1, step)
    if len(days) < 0.2 * len(grid) and len(days) > 2:
        found = _loose_months(days)
        if found is not None:
            return found
        raise _irregular(np.diff(days) * DAY)
    return alias_of(step * DAY), grid, days, (), ()


def _irregular(gaps: np.ndarray) -> DataError:
    middle = int(np.median(gaps))
    near_one = min(("min", "h", "D", "W-SUN", "MS", "YS"), key=lambda a: abs(np.log(max(middle, 1) / _length(a))))
    return DataError(
        place="time",
        value=f"gaps from {_span(int(gaps.min()))} to {_span(int(gaps.max()))}",
        rule="no regular frequency",
        remedy=f"Give --freq {near_one} --resample mean (or sum, last, ...).",
    )


def _length(alias: str) -> int:
    return unit_us(alias) or {"W": 7, "M": 30, "Y": 365}[split_alias(alias)[1][0]] * DAY


def _span(us: int) -> str:
    for unit, size in (("days", DAY), ("hours", DAY // 24), ("minutes", DAY // 1440), ("seconds", 1_000_000)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us} microseconds"


def _every(months: np.ndarray) -> tuple[int, np.ndarray] | None:
    """(months a step, grid of months); None where it would be mostly empty."""
    if len(np.unique(months)) < len(months):
        return None
    step = _gcd(np.diff(months))
    if 12 % step and step % 12:
        step = 1
    grid = np.arange(months[0], months[-1] + 1, step)
    return (step, grid) if len(months) >= 0.2 * len(grid) or len(months) <= 2 else None


def _months_grid(days: np.ndarray) -> _Found | None:
    """Months, quarters and years that stand on the first, the last or one and the same day."""
    months = _month(days)
    found = _every(months)
    if found is None:
        return None
    step, grid = found
    start, end = _month_start(months), _month_start(months + 1) - 1
    if (days == start).all():
        return _month_alias(step, int(months[0]), "S"), _month_start(grid), days, (), ()
    if (days == end).all():
        return _month_alias(step, int(months[0]), "E"), _month_start(grid + 1) - 1, days, (), ()
    if len(days) >= 3 and step == 1 and len(days) >= 0.8 * len(grid):
        last = end - np.maximum(_weekday(end) - 4, 0)
        first = start + np.where(_weekday(start) >= 5, 7 - _weekday(start), 0)
        if (days == last).all():
            grid_end = _month_start(grid + 1) - 1
            return "BME", grid_end - np.maximum(_weekday(grid_end) - 4, 0), days, (), ()
        if (days == first).all():
            grid_start = _month_start(grid)
            moved = np.where(_weekday(grid_start) >= 5, 7 - _weekday(grid_start), 0)
            return "BMS", grid_start + moved, days, (), ()
    within = days - start
    same = (within == within.max()) | ((days == end) & (within < within.max()))
    if same.all() and len(days) >= 2:
        note = Note("info", f"dates stand on day {int(within.max()) + 1} of the month; shown as its first day")
        return _month_alias(step, int(months[0]), "S"), _month_start(grid), start, (note,), ()
    return None


def _loose_months(days: np.ndarray) -> _Found | None:
    """One row a month on changing days."""
    months = _month(days)
    found = _every(months)
    if found is None or len(days) < 6 or len(days) < 0.8 * len(found[1]) or len(set(np.diff(days))) == 1:
        return None
    note = Note("info", "one row a month on changing days; shown as the first day of the month")
    alias = _month_alias(found[0], int(months[0]), "S")
    return alias, _month_start(found[1]), _month_start(months), (note,), ()


def _month_alias(step: int, first: int, side: str) -> str:
    month = first % 12
    if step % 12 == 0:
        default = 0 if side == "S" else 11
        anchor = "" if month == default else f"-{MONTHS[month]}"
        return (str(step // 12) if step > 12 else "") + f"Y{side}{anchor}"
    if step == 3:
        phase = month % 3
        default = 0 if side == "S" else 2
        return f"Q{side}" + ("" if phase == default else f"-{MONTHS[phase]}")
    return (str(step) if step > 1 else "") + f"M{side}"


def _weeks_grid(days: np.ndarray) -> _Found | None:
    gaps = np.diff(days)
    step = _gcd(gaps)
    if step % 7 == 0:
        grid = np.arange(days[0], days[-1] + 1, step)
        if len(days) < 0.2 * len(grid) and len(days) > 2:
            return None
        return _week_alias(step // 7, days[0]), grid, days, (), ()
    if len(days) < 8 or (gaps == 7).mean() < 0.7 or (gaps < 4).any():
        return None
    usual = int(np.bincount(_weekday(days), minlength=7).argmax())
    base = int(days[0] + (usual - _weekday(days)[0] + 3) % 7 - 3)
    weeks = np.round((days - base) / 7).astype(np.int64)
    if len(np.unique(weeks)) < len(weeks):
        return None
    moved = base + 7 * weeks
    note = Note("info", f"{int((moved != days).sum())} dates moved to the usual weekday of their week")
    return _week_alias(1, moved[0]), np.arange(moved[0], moved[-1] + 1, 7), moved, (note,), ()


def _week_alias(n: int, day: int) -> str:
    return (str(n) if n > 1 else "") + f"W-{WEEKDAYS[int((day + 3) % 7)]}"


def _business_grid(days: np.ndarray) -> _Found | None:
    weekday = _weekday(days)
    weekend = weekday >= 5
    if len(days) < 5 or days[-1] - days[0] < 6 or weekend.mean() > 0.02:
        return None
    n_weekdays = _count_weekdays(int(days[0]), int(days[-1]))
    # Weekdays in step with a longer pace (every second day) are no business days.
    if len(days) - weekend.sum() < 0.6 * n_weekdays:
        return None
    gaps = _missing_weekdays(days)
    notes = [Note("info", f"{int(weekend.sum())} rows on weekends are kept as they are")] if weekend.any() else []
    n_holidays = n_weekdays - int((~weekend).sum()) - len(gaps)
    if n_holidays > 0:
        notes.append(Note("info", f"{n_holidays} weekdays without any row are taken for holidays"))
    return "B", np.union1d(days, gaps), days, tuple(notes), ()


def _count_weekdays(first: int, last: int) -> int:
    return int(np.busday_count(np.datetime64(first, "D"), np.datetime64(last + 1, "D")))


def _missing_weekdays(days: np.ndarray) -> np.ndarray:
    """Weekdays in runs too long for holidays."""
    out = [np.zeros(0, np.int64)]
    for k in np.flatnonzero(np.diff(days) > HOLIDAYS_IN_A_ROW):
        between = np.arange(days[k] + 1, days[k + 1])
        between = between[_weekday(between) < 5]
        if len(between) > HOLIDAYS_IN_A_ROW:
            out.append(between)
    return np.concatenate(out)


def _open_days_grid(days: np.ndarray) -> _Found | None:
    """Days of the week that never occur do not exist (a shop closed on Sundays)."""
    counts = np.bincount(_weekday(days), minlength=7)
    span = int(days[-1] - days[0]) + 1
    is_open = counts > 0
    if span < 28 or is_open.all() or is_open.sum() < 2:
        return None
    grid = np.arange(days[0], days[-1] + 1)
    grid = grid[is_open[_weekday(grid)]]
    if len(days) < 0.8 * len(grid):
        return None
    closed = ", ".join(WEEKDAYS[k].title() for k in np.flatnonzero(~is_open))
    note = Note("info", f"{closed} never occur and are taken for closed days")
    return "D", grid, days, (note,), tuple(int(k) for k in np.flatnonzero(is_open))


def _clock_grid(values: np.ndarray, codes: np.ndarray, unique: np.ndarray, wall: np.ndarray, tz: str) -> Grid:
    """A fixed step around the clock, or sessions with closed hours."""
    gaps = np.diff(values)[np.diff(codes) == 0]
    gaps = gaps[gaps > 0]
    if not len(gaps):
        gaps = np.diff(unique)
    sizes, counts = np.unique(gaps, return_counts=True)
    step = int(sizes[counts.argmax()])
    if ((unique - unique[0]) % step).any():
        step = _gcd(np.diff(unique))
    n_full = int(unique[-1] - unique[0]) // step + 1
    cover = len(unique) / n_full
    if cover < 0.9:
        usual = int(sizes[counts.argmax()])
        sessions = _sessions_grid(values, unique, wall, tz, usual)
        if sessions is not None:
            return sessions
    if cover < 0.2 and len(unique) > 2:
        raise _irregular(gaps)
    return Grid(alias_of(step), unique[0] + step * np.arange(n_full, dtype=np.int64), values)


def _sessions_grid(values: np.ndarray, unique: np.ndarray, wall: np.ndarray, tz: str, step: int) -> Grid | None:
    day, second = wall // DAY, wall % DAY
    days, which, per_day = np.unique(day, return_inverse=True, return_counts=True)
    if len(days) < 3 or np.median(per_day) < 2:
        return None
    seconds, at, how_often = np.unique(second, return_inverse=True, return_counts=True)
    weekday = _weekday(days)[which]
    table = np.zeros((7, len(seconds)), np.int64)
    np.add.at(table, (weekday, at), 1)
    n_days = np.bincount(_weekday(days), minlength=7)
    pairs = table >= np.maximum(1, 0.2 * n_days[:, None])
    pairs &= how_often[None, :] > 1
    expected = int((pairs.sum(1) * n_days).sum())
    n_regular = int(pairs[weekday, at].sum())
    all_day = len(seconds) * step >= 0.95 * DAY
    if n_regular < 0.95 * len(unique) or n_regular < 0.8 * expected or (all_day and (n_days > 0).all()):
        return None
    inner = _inside(days, seconds, pairs, day, second)
    instants = np.union1d(unique, to_utc(inner, tz)) if len(inner) else unique
    open_pairs = tuple((int(d), int(seconds[k]) // 1_000_000) for d in range(7) for k in np.flatnonzero(pairs[d]))
    note = Note("info", "closed hours and days never occur; no rows are made for them")
    return Grid(alias_of(step), instants, values, open_pairs, (note,))


def _inside(
    days: np.ndarray, seconds: np.ndarray, pairs: np.ndarray, day: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Regular instants between the first and last of each open day that lack a row."""
    starts = np.searchsorted(day, days)
    ends = np.r_[starts[1:], len(day)] - 1
    out = []
    for k, d in enumerate(days):
        regular = seconds[pairs[int((d + 3) % 7)]]
        regular = regular[(regular > second[starts[k]]) & (regular < second[ends[k]])]
        if len(regular) > ends[k] - starts[k] - 1:
            out.append(d * DAY + regular)
    return np.concatenate(out) if out else np.zeros(0, np.int64)


def given_grid(values: np.ndarray, tz: str, steps: bool, freq: str) -> Grid:
    """The calendar of a frequency that the user gave.

    Raises:
        DataError: a row off its grid, or dates for steps.
    """
    alias = normal_alias(freq)
    unique = distinct(values)
    if steps != (alias == STEP):
        what = "integer steps" if steps else "dates"
        raise DataError(
            place="--freq", value=repr(freq), rule=f"the time column holds {what}", remedy="Leave --freq out."
        )
    if steps:
        return _steps_grid(values, unique)
    us = unit_us(alias)
    wall = to_wall(unique, tz)
    if us and us % DAY:
        if ((unique - unique[0]) % us).any():
            raise _off_grid(unique[np.flatnonzero((unique - unique[0]) % us)[0]], alias)
        n = int(unique[-1] - unique[0]) // us + 1
        if n > 50 * len(unique) + 100_000:
            raise _too_fine(alias, n, len(unique))
        return Grid(alias, unique[0] + us * np.arange(n, dtype=np.int64), values)
    clock = int(wall[0] % DAY)
    if (wall % DAY != clock).any():
        raise _off_grid(unique[np.flatnonzero(wall % DAY != clock)[0]], alias)
    alias, grid, moved = _given_days((wall - clock) // DAY, alias)
    moved_us = to_utc(moved * DAY + clock, tz)
    out = values if np.array_equal(moved_us, unique) else moved_us[np.searchsorted(unique, values)]
    return Grid(alias, to_utc(grid * DAY + clock, tz), out)


def _off_grid(us: int, alias: str) -> DataError:
    return DataError(
        place="--freq",
        value=f"{alias}: {_text(us)}",
        rule=f"this row does not stand on a grid of {words(alias)}",
        remedy="Add --resample mean (or sum, last, ...), or leave --freq out.",
    )


def _too_fine(alias: str, n: int, have: int) -> DataError:
    return DataError(
        place="--freq",
        value=f"{alias} makes {n:,} instants for {have:,}",
        rule="nearly all would be empty",
        remedy="Choose a coarser frequency.",
    )


def _given_days(days: np.ndarray, alias: str) -> tuple[str, np.ndarray, np.ndarray]:
    """(alias, grid, days on it)."""
    n, unit, _ = split_alias(alias)
    if unit == "B":
        return alias, np.union1d(days, _missing_weekdays(days)), days
    if unit == "D":
        if ((days - days[0]) % n).any():
            raise _off_grid(int(days[np.flatnonzero((days - days[0]) % n)[0]]) * DAY, alias)
        if (int(days[-1]) - int(days[0])) // n > 50 * len(days) + 100_000:
            raise _too_fine(alias, (int(days[-1]) - int(days[0])) // n, len(days))
        return alias, np.arange(days[0], days[-1] + 1, n), days
    if unit in ("M", "Q", "Y"):
        found = _months_grid(days)
        side = "E" if found is not None and found[0].split("-")[0].endswith("E") else "S"
        alias = alias.replace(unit, unit + side, 1)  # the Y of MAY stays
        unit = split_alias(alias)[1]
    try:
        stamps = pd.date_range(
            pd.Timestamp(np.datetime64(int(days[0]), "D").astype("datetime64[us]")),
            np.datetime64(int(days[-1]), "D").astype("datetime64[us]"),
            freq=alias,
            unit="us",
        )
    except (ValueError, OverflowError):
        raise DataError(
            place="--freq", value=repr(alias), rule="not a frequency", remedy="Use D, B, W, MS ..."
        ) from None
    grid = stamps.as_unit("us").asi8 // DAY
    if not np.isin(days, grid).all():
        months = _months_grid(days) if unit[0] in "MQY" else None
        if months is not None and split_alias(months[0])[:2] == (n, unit):
            return months[0], months[1], months[2]
        raise _off_grid(int(days[~np.isin(days, grid)][0]) * DAY, alias)
    return alias, grid, days


def one_frequency(positions: np.ndarray, codes: np.ndarray, items: np.ndarray, freq: str) -> None:
    """Refuse a panel in which a series, or a long part of one, goes at another pace.

    Args:
        positions: [N] int64, calendar position of each row, sorted by item and time.
        codes: [N] int64 item of each row.
        items: names.
        freq: alias of the calendar.

    Raises:
        DataError: names the series and both paces.
    """
    gaps = np.diff(positions)
    same = np.diff(codes) == 0
    if not (gaps[same] > 1).any():
        return
    bounds = np.flatnonzero(np.r_[True, ~same, True])
    for lo, hi in zip(bounds[:-1], bounds[1:]):
        own = gaps[lo : hi - 1]
        if len(own) < 5 or (own == 1).mean() > 0.99:
            continue
        wide = own[own > 1]
        usual = int(np.bincount(np.minimum(wide, 10_000)).argmax())
        near = np.abs(own - usual) <= max(1, usual // 8) if usual > 4 else own == usual
        mixed = _longest_run(near) >= min(10, max(6, len(own) // 5))
        if usual > 1 and ((near.mean() > 0.7 and len(own) >= 8) or (mixed and _longest_run(own == 1) >= 5)):
            raise DataError(
                place=f"series {str(items[codes[lo]])!r}" if len(items) > 1 else "time",
                value=f"rows every {usual} steps where the calendar has {words(freq)}",
                rule="two frequencies in one file",
                remedy=_REMEDY if freq != STEP else "Keep the rows of one pace.",
            )


def _longest_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
