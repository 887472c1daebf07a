"""The border: a file, frame or data set -> a checked ``SeriesFrame`` and its profile.

Order: table -> roles of columns -> numbers and times -> duplicates -> calendar -> contiguous rows -> fill -> findings.
After this module nothing repairs data any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.schema import Rows, SeriesFrame, Store
from forecastkit.read_options import ReadOptions, options_of
from forecastkit.reading import findings
from forecastkit.reading.ahead import Ahead, static_column
from forecastkit.reading.aliases import normal_alias, split_alias, unit_us, words
from forecastkit.reading.assemble import Origin, Reading, aside_notes, assembled, gaps_of, no_rows, of_frame
from forecastkit.reading.columns import Roles, choose_roles
from forecastkit.reading.frequency import Grid, given_grid, infer_grid, one_frequency
from forecastkit.reading.instants import DAY, Instants, instants_index, to_utc, to_wall
from forecastkit.reading.located import Located, located
from forecastkit.reading.mapped import is_mapped, read_mapped
from forecastkit.reading.order import Order, order_of
from forecastkit.reading.rows import Parsed, joined_options, rows_of
from forecastkit.reading.table import Table, give_back, open_table
from forecastkit.reading.values import Note, several
from forecastkit.reading.within import within

__all__ = ["Reading", "as_frame", "read"]

MOST_ROWS_OF_GRID = 200_000_000


def as_frame(source: Any, **options: Any) -> SeriesFrame:
    """Any source as a checked frame.

    Args:
        source: path, ``"dataset:NAME"``, ``"yahoo:AAPL"`` or another source, or a pandas, polars or Arrow frame; never
            changed.
        options: as ``ReadOptions``.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
    """
    if isinstance(source, SeriesFrame) and not options:
        return source
    return read(source, options_of(options)).frame


def read(source: Any, options: ReadOptions | None = None) -> Reading:
    """A source as checked series, and what was found on the way.

    Args:
        source: path, ``"dataset:NAME"``, ``"yahoo:AAPL"`` or another source, a pandas, polars or Arrow frame, or a
            ``SeriesFrame``.
        options: what the user said; the rest is detected.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
        SourceError: a source outside this machine did not deliver.
    """
    options = options or ReadOptions()
    if isinstance(source, SeriesFrame):
        return of_frame(source, options)
    found = located(source, options)
    if isinstance(found.table, (str, Path)) and is_mapped(Path(found.table), found.options):
        reading = read_mapped(found)
    else:
        reading = _read_table(found)
    give_back(len(reading.frame))
    return reading


def _read_table(found: Located) -> Reading:
    """A whole table, all of it in memory."""
    table = open_table(found.table, found.options)
    roles = choose_roles(table, found.options)
    rows = rows_of(table, roles, found.options)
    if found.options.joint:
        found = replace(found, options=joined_options(found.options, roles))
    return _build(table, roles, rows, found)


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Usable rows by item and time, column by column.

    Args:
        source: [N] row of the source; None = each its own.
    """

    codes: np.ndarray
    times: np.ndarray
    values: np.ndarray
    covariates: dict[str, np.ndarray]
    source: np.ndarray | None

    def taken(self, which: np.ndarray, codes: np.ndarray | None = None, times: np.ndarray | None = None) -> _Sorted:
        """Some rows, by mask or index; their ``codes`` and ``times`` where they are known already."""
        source = self.source
        if source is None:
            source = which if which.dtype != bool else np.flatnonzero(which)
        else:
            source = source[which]
        covariates = {name: column[which] for name, column in self.covariates.items()}
        codes = self.codes[which] if codes is None else codes
        times = self.times[which] if times is None else times
        return _Sorted(codes, times, self.values[which], covariates, source)

    def line(self, row: int) -> int:
        """Row of the source."""
        return row if self.source is None else int(self.source[row])

    def repeated(self) -> np.ndarray:
        """[N - 1] bool, whether the next row is of the same item and instant."""
        return (self.codes[1:] == self.codes[:-1]) & (self.times[1:] == self.times[:-1])


def _build(table: Table, roles: Roles, rows: Parsed, found: Located) -> Reading:
    options, notes = found.options, [*found.notes, *rows.notes]
    rows, outside = within(rows, options)
    notes += outside
    meta = replace(rows.times, values=np.zeros(0, np.int64), valid=np.zeros(0, bool))
    origin = Origin(table, roles, found, meta, rows.item_name, rows.target_name, len(rows.codes))
    items, (own, order) = rows.items, _sorted(table, rows, notes)
    del rows  # as many bytes again
    arranged, n_twice = own, order.n_twice
    if options.resample is not None:
        own = _resampled(own, meta.tz, options)
        n_twice = int(own.repeated().sum())
        notes.append(Note("info", f"resampled to {words(normal_alias(str(options.freq)))} by {options.resample}"))
    if n_twice:
        own = _without_duplicates(table, items, meta, own, options)
        notes.append(
            Note("warning", f"{several(n_twice, 'duplicated instant')}: kept by --duplicates {options.duplicates}")
        )
    own, items, aside, late = _long_enough(items, own, options.min_rows, origin.target_name, ahead=bool(options.known))
    notes += aside_notes(aside, options.min_rows)
    if own is not arranged:
        order = Order(None, 0)
    if options.freq is None:
        grid = infer_grid(own.times, own.codes, meta.tz, meta.steps, order.instants)
    else:
        grid = given_grid(own.times, meta.tz, meta.steps, options.freq)
    notes += grid.notes
    position = _positions(table, own, items, grid, order)
    origin = replace(origin, n_twice=n_twice, aside=aside, notes=tuple(notes))
    ahead = None
    if late.any():
        known = {name: own.covariates[name][late] for name in options.known}
        ahead = Ahead(own.codes[late], position[late], known)
        own, position = own.taken(~late), position[~late]
    # Instants that the file names after the last observed row of any series lie ahead.
    index, last = instants_index(grid.instants, meta), int(position.max()) + 1
    calendar = Calendar(grid.freq, index[:last], grid.sessions, index[last:])
    return _on_calendar(origin, own, position, items, calendar, ahead)


def _sorted(table: Table, rows: Parsed, notes: list[Note]) -> tuple[_Sorted, Order]:
    """Usable rows by item and time, and how they came there."""
    own = _Sorted(rows.codes, rows.times.values, rows.values, rows.covariates, rows.source_row)
    order = rows.order
    usable = rows.times.valid & (rows.codes >= 0)
    if not usable.all():
        lost = ~rows.times.valid & np.isfinite(rows.values)
        if lost.any():
            first = table.where(own.line(int(np.flatnonzero(~rows.times.valid)[0])))
            notes.append(Note("warning", f"{several(int(lost.sum()), 'row')} without a time left out", first))
        if not usable.any():
            raise no_rows(table)
        own, order = own.taken(usable), None
    order = order or order_of(own.codes, own.times, len(rows.items))
    if order.rows is not None:
        counts = np.bincount(own.codes, minlength=len(rows.items))
        codes = np.repeat(np.arange(len(counts), dtype=own.codes.dtype), counts)
        times = order.instants[order.places] if order.instants is not None else None
        own = own.taken(order.rows, codes, times)
    return own, order


def _positions(table: Table, own: _Sorted, items: tuple[str, ...], grid: Grid, order: Order) -> np.ndarray:
    """[N] place of each row in the grid.

    Raises:
        DataError: two rows of an item fall on one place.
    """
    if len(grid.values) == len(grid.instants) and np.array_equal(grid.values, grid.instants):
        return np.arange(len(own.codes))
    known = order.instants if grid.values is own.times else None
    if known is not None and order.places is not None and np.array_equal(grid.instants, known):
        return order.places
    position = np.searchsorted(grid.instants, grid.values)
    clash = (own.codes[1:] == own.codes[:-1]) & (position[1:] == position[:-1])
    if clash.any():
        row = int(np.flatnonzero(clash)[0]) + 1
        raise DataError(
            place=table.where(own.line(row)),
            value=f"two rows of {items[own.codes[row]]!r} fall on one step",
            rule=f"one row a step of {words(grid.freq)} is needed",
            remedy="Give --freq and --resample, as in --freq D --resample mean.",
        )
    return position


def _bins(times: np.ndarray, tz: str, freq: str) -> np.ndarray:
    """The step of ``freq`` that each instant lies in: its start (its last day for ...E and W)."""
    alias = normal_alias(freq)
    if alias == STEP:
        raise ConfigError(place="--freq step", rule="steps cannot be resampled", remedy="Leave --resample out.")
    us = unit_us(alias)
    wall = to_wall(times, tz)
    if us and us < DAY:
        # Whole hours of the zone, which may lie half an hour off those of UTC; longer steps would break where clocks change.
        bins = times - (wall if us <= DAY // 24 else times) % us
    elif us:
        bins = wall // us * us
    else:
        stamps = pd.DatetimeIndex(wall.astype("datetime64[us]"))
        if alias == "B":
            start = stamps.normalize()
            start = start - pd.to_timedelta(np.maximum(start.weekday.to_numpy() - 4, 0), unit="D")
        else:
            period = {"M": "M", "MS": "M", "ME": "M", "Q": "Q", "QS": "Q", "QE": "Q", "Y": "Y", "YS": "Y", "YE": "Y"}
            unit = period.get(alias, alias)
            try:
                if split_alias(alias)[0] > 1:
                    raise ValueError  # pandas' periods of several months overlap
                periods = stamps.to_period(unit)
            except (ValueError, AttributeError):
                raise ConfigError(
                    place="--freq",
                    value=repr(freq),
                    rule="cannot be resampled to",
                    remedy="Use h, D, B, W, MS, QS or YS.",
                ) from None
            at_end = alias.endswith("E") or alias.startswith("W")
            start = periods.to_timestamp(how="end" if at_end else "start").normalize()
        bins = start.as_unit("us").asi8
    if us >= DAY or not us:
        bins = to_utc(bins, tz)
    return bins


def _resampled(own: _Sorted, tz: str, options: ReadOptions) -> _Sorted:
    """Rows brought to ``freq``."""
    if options.freq is None:
        raise ConfigError(
            place="--resample",
            value=str(options.resample),
            rule="a frequency is needed",
            remedy="Add --freq D or another.",
        )
    moved = replace(own, times=_bins(own.times, tz, options.freq))
    return _merged(moved, str(options.resample), {"object": "last", "number": "mean"})


def _merged(own: _Sorted, how: str, others: dict[str, str]) -> _Sorted:
    """Rows of one item and instant as one: the target by ``how``, covariates by ``others``."""
    source = np.arange(len(own.codes)) if own.source is None else own.source
    frame = pd.DataFrame({"c": own.codes, "t": own.times, "v": own.values, "s": source, **own.covariates})
    groups = frame.groupby(["c", "t"], sort=True)
    merged = groups["v"].sum(min_count=1) if how == "sum" else getattr(groups["v"], how)()
    rest = {
        name: getattr(groups[name], others["object" if column.dtype == object else "number"])().to_numpy()
        for name, column in own.covariates.items()
    }
    keys = merged.index
    return _Sorted(
        keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy(), merged.to_numpy(np.float64), rest,
        groups["s"].first().to_numpy(),
    )  # fmt: skip


def _without_duplicates(
    table: Table, items: tuple[str, ...], times: Instants, own: _Sorted, options: ReadOptions
) -> _Sorted:
    how = options.duplicates
    if how != "error":
        one = "last" if how == "last" else "first"
        return _merged(own, how, {"object": one, "number": "mean" if how in ("mean", "sum") else one})
    same = own.repeated()
    row = int(np.flatnonzero(same)[0]) + 1
    lines = sorted((own.line(row - 1), own.line(row)))
    series = f"{items[own.codes[row]]}, " if len(items) > 1 else ""
    stamp = str(own.times[row]) if times.steps else _stamp_text(int(own.times[row]), times.tz)
    raise DataError(
        place=table.where(lines[1]),
        value=f"{series}{stamp} occurs twice (first: {table.where(lines[0]).rpartition(', ')[2]})",
        rule=f"one row an instant is needed; {int(same.sum())} are too many",
        remedy="Name the series with --item COLUMN, or give --duplicates first, last, mean or sum.",
    )


def _stamp_text(us: int, tz: str) -> str:
    stamp = pd.Timestamp(np.datetime64(us, "us"))
    if tz:
        stamp = stamp.tz_localize("UTC").tz_convert(tz)
    return str(stamp.date()) if stamp == stamp.normalize() and not tz else str(stamp)


def _long_enough(
    items: tuple[str, ...], own: _Sorted, min_rows: int, target: str, *, ahead: bool
) -> tuple[_Sorted, tuple[str, ...], dict[str, str], np.ndarray]:
    """Without series that are too short, and without missing ends; with ``ahead`` rows after the end stay, and are told.

    Returns:
        Rows, names, series left out -> why, and [N] bool, which rows are later than the last observed one.
    """
    n = len(items)
    observed = np.isfinite(own.values)
    if not observed.any():
        raise DataError(
            place=f"column {target!r}",
            value="only missing values",
            rule="numbers are needed",
            remedy="Choose another column with --target.",
        )
    is_full = observed.all()
    counts = np.bincount(own.codes if is_full else own.codes[observed], minlength=n)
    good = counts >= min_rows
    aside = {items[i]: f"{counts[i]} observed rows" for i in np.flatnonzero(~good)}
    if not good.any():
        longest = int(counts.max())
        raise DataError(
            place=f"column {target!r}",
            value=f"{longest} observed rows" if n == 1 else f"at most {longest} observed rows a series",
            rule=f"at least {min_rows} are needed",
            remedy="Give a longer file, or check --item.",
        )
    if is_full and good.all():
        return own, items, aside, np.zeros(len(own.codes), bool)
    bounds = np.searchsorted(own.codes, np.arange(n + 1))
    seen = np.flatnonzero(observed)
    at = np.searchsorted(seen, bounds)
    keep, late = np.zeros(len(own.codes), bool), np.zeros(len(own.codes), bool)
    for i in np.flatnonzero(good):
        keep[seen[at[i]] : seen[at[i + 1] - 1] + 1] = True
        if ahead:
            late[seen[at[i + 1] - 1] + 1 : bounds[i + 1]] = True
    keep |= late
    kept_items = tuple(name for name, ok in zip(items, good) if ok)
    if keep.all() and good.all():
        return own, kept_items, aside, late
    renumber = np.cumsum(good) - 1
    return own.taken(keep, renumber[own.codes[keep]]), kept_items, aside, late[keep]


def _on_calendar(
    origin: Origin,
    own: _Sorted,
    position: np.ndarray,
    items: tuple[str, ...],
    calendar: Calendar,
    ahead: Ahead | None,
) -> Reading:
    """Rows contiguous in the calendar: an instant without a row is an unobserved one."""
    options, values, covariates = origin.found.options, own.values, own.covariates
    bounds = np.searchsorted(own.codes, np.arange(len(items) + 1))
    starts, ends = position[bounds[:-1]], position[bounds[1:] - 1]
    lengths = ends - starts + 1
    total = int(lengths.sum())
    if total > MOST_ROWS_OF_GRID:
        raise DataError(
            place="time",
            value=f"{total:,} instants for {len(own.codes):,} rows",
            rule="nearly all would be empty",
            remedy="Give --freq and --resample.",
        )
    n_gaps = total - len(own.codes)
    if n_gaps:
        one_frequency(position, own.codes, np.array(items, dtype=object), calendar.freq)
        gaps, n_runs = gaps_of(own.codes, position, items, calendar)
        origin = replace(origin, gaps=gaps, n_gaps=n_gaps, n_runs=n_runs)
        bounds = np.r_[0, np.cumsum(lengths)]
        row = bounds[own.codes] + position - starts[own.codes]
        values = _scattered(values, row, total)
        covariates = {name: _scattered(column, row, total) for name, column in covariates.items()}
    del own, position
    seen = findings.look(values, bounds)
    origin = replace(origin, n_missing=int(np.count_nonzero(np.isnan(values))) - n_gaps)
    if options.fill != "none":
        values, filled = _filled(values, bounds, options.fill)
        more = Note("warning", f"{several(filled, 'unobserved row')} filled: {options.fill}")
        origin = replace(origin, notes=(*origin.notes, more))
    observed = np.isfinite(values)
    if observed.all():
        # One True for all rows takes no memory.
        observed = np.broadcast_to(np.True_, len(values))
    else:
        values = np.where(observed, values, 0.0)
    store = Store(
        values, observed, bounds[:-1].astype(np.int64), lengths.astype(np.int64), starts.astype(np.int64), items
    )
    for name in options.static:
        covariates[name] = static_column(covariates[name], bounds, items, name)
    return assembled(origin, Rows(store, covariates), calendar, seen, ahead)


def _scattered(column: np.ndarray, row: np.ndarray, total: int) -> np.ndarray:
    out = np.full(total, np.nan) if column.dtype != object else np.full(total, None, dtype=object)
    out[row] = column
    return out


def _filled(values: np.ndarray, bounds: np.ndarray, how: str) -> tuple[np.ndarray, int]:
    """Unobserved rows inside each series filled; forward never looks ahead, interpolate does and says so."""
    out = values.copy()
    missing = np.isnan(out)
    if how == "zero":
        out[missing] = 0.0
    elif how == "forward":
        # Series begin with an observed row, so that the last seen row is one of the same series.
        last = np.maximum.accumulate(np.where(missing, 0, np.arange(len(out))))
        out = out[last]
    else:
        rows = np.arange(len(out))
        for lo, hi in zip(bounds[:-1], bounds[1:]):
            hole = missing[lo:hi]
            if hole.any():
                out[lo:hi][hole] = np.interp(rows[lo:hi][hole], rows[lo:hi][~hole], values[lo:hi][~hole])
    return out, int(missing.sum())
