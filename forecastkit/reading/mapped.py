"""A Parquet or Arrow file of any size -> a frame whose arrays lie in a file, so that a panel larger than memory trains.

Two passes over batches of rows: the first finds items, instants and the calendar, the second puts each number at its place
in a temporary file of 8 bytes a row (and one more where rows are missing), which the system pages in and out. Rows may
come in any order; by item is fastest. The file has no name and goes with the process; ``TMPDIR`` says where.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.schema import Rows, Store
from forecastkit.read_options import ReadOptions
from forecastkit.reading import findings
from forecastkit.reading.aliases import words
from forecastkit.reading.assemble import MOST_LISTED, Origin, Reading, aside_notes, assembled, gaps_of, no_rows
from forecastkit.reading.bytes import is_kind
from forecastkit.reading.columns import ITEM_NAMES, Roles, choose_roles, plain
from forecastkit.reading.frequency import Grid, given_grid, infer_grid, one_frequency
from forecastkit.reading.instants import Instants, instants_index
from forecastkit.reading.located import Located
from forecastkit.reading.order import distinct
from forecastkit.reading.rows import items_of, target_column, times_of
from forecastkit.reading.stream import Piece, StreamTable
from forecastkit.reading.values import Note, several

__all__ = ["is_mapped", "read_mapped"]

LARGE = 20_000_000
"""Rows from which a file is not read into memory unless asked."""
BATCH = 1 << 20
PIECE = 8 << 20
MOST_EMPTY = 20
"""Instants for each row of the file, beyond which it is no panel."""
LOOKED = 5_000_000
"""Rows in which jumps, spikes and codes are looked for."""
GONE, UNOBSERVED, OBSERVED = 0, 1, 2
"""What a row of the calendar is: no row of the file, a row without a number, a number."""


@dataclass(eq=False)
class _Found:
    """What the first pass gathers.

    Args:
        used: columns that tell series apart.
        codes: name of a series -> its number, in the order of the file.
        low, high: [I] first and last instant with a number of each series.
        count: [I] numbers of each series.
        instants: distinct instants in ascending order.
        sample: (codes, times) of the first batch.
        is_full: no row is without a number.
    """

    used: tuple[str, ...] = ()
    codes: dict[str, int] = field(default_factory=dict)
    low: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    high: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    count: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    instants: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    times: Instants = field(default_factory=lambda: Instants(np.zeros(0, np.int64), np.zeros(0, bool)))
    sample: tuple[np.ndarray, np.ndarray] = field(
        default_factory=lambda: (np.zeros(0, np.int64), np.zeros(0, np.int64))
    )
    is_full: bool = True
    notes: dict[str, Note] = field(default_factory=dict)

    def add_notes(self, notes: Any) -> None:
        """The first of each kind is enough."""
        for note in notes:
            self.notes.setdefault("".join(c for c in note.text if not c.isdigit()), note)

    def kept(self, codes: np.ndarray, instants: np.ndarray, least: int) -> np.ndarray:
        """[n] rows of series that are long enough, from their first to their last number."""
        return (self.count[codes] >= least) & (instants >= self.low[codes]) & (instants <= self.high[codes])


def is_mapped(path: Path, options: ReadOptions) -> bool:
    """Whether a file is read into a mapped store: on request, or because it is large and can be.

    Raises:
        ConfigError: on request, but an option or the file's kind is against it.
    """
    if options.store == "memory" or not is_kind(path, "file"):
        return False
    asked = options.store == "disk"
    table = StreamTable.open(path)
    against = "" if table is not None else "only Parquet and Arrow files are"
    for name, usual in (
        ("resample", None),
        ("duplicates", "error"),
        ("fill", "none"),
        ("known", ()),
        ("past", ()),
        ("static", ()),
        ("start", ""),
        ("end", ""),
        ("join", ""),
        ("joint", False),
    ):
        if getattr(options, name) != usual:
            against = against or f"not with --{name}"
    if options.target is not None and (options.target == "*" or "," in options.target):
        against = against or "only one target is"
    if asked and against:
        raise ConfigError(
            place="data.store=disk", value=path.name, rule=f"{against} read into a mapped store", remedy="Leave it out."
        )
    return not against and table is not None and (asked or table.n_rows >= LARGE)


def read_mapped(source: Located) -> Reading:
    """The series of a Parquet or Arrow file, in arrays that are mapped from a temporary file.

    Raises:
        DataError: as ``read``; also where the temporary file does not fit on the disk.
    """
    path, options = Path(source.table), source.options
    table = StreamTable.open(path)
    if table is None:
        raise DataError(place=str(path), rule="not a Parquet or Arrow file", remedy="Leave data.store out.")
    if options.decimal:
        table = replace(table, decimal=options.decimal, sure=True)
    roles = choose_roles(table, options)
    if roles.layout != "long" or not roles.time:
        raise DataError(
            place=path.name,
            rule="a mapped store needs one row a series and instant, with a column of times",
            remedy="Give --time, or data.store=memory.",
        )
    found = _first_pass(table, roles, options)
    grid, place = _grid_of(found, options)
    return _filled(table, replace(roles, items=found.used, fixed=True), source, found, grid, place)


@dataclass(frozen=True, eq=False)
class _Batch:
    """Rows of one stretch of the file that have a name and an instant.

    Args:
        values: [n] float64, NaN = missing; empty where the target was not asked for.
        rows: [n] their rows in the file.
    """

    codes: np.ndarray
    instants: np.ndarray
    values: np.ndarray
    rows: np.ndarray

    def take(self, which: np.ndarray) -> _Batch:
        """Some of them."""
        values = self.values[which] if len(self.values) else self.values
        return _Batch(self.codes[which], self.instants[which], values, self.rows[which])


def _batches(
    table: StreamTable, roles: Roles, options: ReadOptions, found: _Found, *, first: bool = False, target: bool = True
) -> Iterator[_Batch]:
    """The file's rows; the ``first`` time it is found out what tells series apart, and what there is to say."""
    items = list(roles.items if first else found.used)
    wanted = list(dict.fromkeys([*items, *roles.time, *(roles.targets if target else ())]))
    start = 0
    for loaded in table.batches(wanted, BATCH):
        n = len(loaded[wanted[0]])
        piece: Any = Piece(table, start)
        times = times_of(piece, roles, loaded, n, options)
        if first and not start:
            found.times = replace(times, values=np.zeros(0, np.int64), valid=np.zeros(0, bool))
            found.used = _telling(piece, roles, loaded, times, n)
        _same_times(table, found.times, times)
        named = items_of(piece, replace(roles, items=found.used, fixed=True), loaded, times, n)
        places = [found.codes.setdefault(name, len(found.codes)) for name in named.items]
        codes, notes = np.array(places, dtype=np.int64)[named.codes], named.notes
        values = np.zeros(0)
        if target:
            numbers = target_column(loaded[roles.targets[0]], roles.targets[0], piece)
            values = numbers.values
            notes += numbers.notes
        if first:
            found.add_notes([*times.notes, *notes])
            lost = ~times.valid & np.isfinite(values)
            if lost.any():
                where = piece.where(int(np.flatnonzero(lost)[0]))
                found.add_notes([Note("warning", "rows without a time left out", where)])
        batch = _Batch(codes, times.values, values, np.arange(start, start + n))
        usable = times.valid & (named.codes >= 0)
        yield batch if usable.all() else batch.take(usable)
        start += n


def _telling(piece: Any, roles: Roles, loaded: Any, times: Instants, n: int) -> tuple[str, ...]:
    """The columns that tell series apart, as far as the first batch shows."""
    used = items_of(piece, roles, loaded, times, n).used
    named = [name for name in roles.items if plain(name) in ITEM_NAMES]
    # A batch may hold one series alone, and then nothing tells series apart.
    return used if used or not named or n == piece.n_rows else (named[0],)


def _same_times(table: StreamTable, before: Instants, times: Instants) -> None:
    if (before.tz, before.steps, before.format) != (times.tz, times.steps, times.format):
        raise DataError(
            place=table.name,
            value=f"{before.format}, then {times.format}",
            rule="times are written in two ways",
            remedy="Write the column as timestamps.",
        )


def _first_pass(table: StreamTable, roles: Roles, options: ReadOptions) -> _Found:
    found = _Found()
    for batch in _batches(table, roles, options, found, first=True):
        grown = len(found.codes) - len(found.low)
        if grown:
            found.low = np.r_[found.low, np.full(grown, np.iinfo(np.int64).max)]
            found.high = np.r_[found.high, np.full(grown, np.iinfo(np.int64).min)]
            found.count = np.r_[found.count, np.zeros(grown, np.int64)]
        if not len(found.sample[0]):
            found.sample = batch.codes, batch.instants
        found.instants = np.union1d(found.instants, distinct(batch.instants))
        seen = np.isfinite(batch.values)
        if not seen.all():
            found.is_full, batch = False, batch.take(seen)
        np.minimum.at(found.low, batch.codes, batch.instants)
        np.maximum.at(found.high, batch.codes, batch.instants)
        found.count += np.bincount(batch.codes, minlength=len(found.count))
    if not len(found.instants):
        raise no_rows(table)
    least = options.min_rows
    if (found.count < least).all():
        raise DataError(
            place=f"column {roles.targets[0]!r}",
            value=f"at most {int(found.count.max())} observed rows a series",
            rule=f"at least {least} are needed",
            remedy="Give a longer file, or check --item.",
        )
    if not found.is_full or (found.count < least).any():
        # Instants of rows that are left out do not make the calendar.
        found.instants = np.zeros(0, np.int64)
        for batch in _batches(table, roles, options, found, target=False):
            own = batch.instants[found.kept(batch.codes, batch.instants, least)]
            found.instants = np.union1d(found.instants, distinct(own))
        keep = found.kept(*found.sample, least)
        found.sample = found.sample[0][keep], found.sample[1][keep]
    return found


def _grid_of(found: _Found, options: ReadOptions) -> tuple[Grid, np.ndarray]:
    """(the calendar, its position of each distinct instant)."""
    steps, tz = found.times.steps, found.times.tz
    if options.freq is not None:
        grid = given_grid(found.instants, tz, steps, options.freq)
        moved = grid.values
    else:
        codes, instants = found.sample
        order = np.lexsort((instants, codes))
        # All instants stand behind the sample, as one more series, so that it is told where each is moved to.
        every = np.r_[instants[order], found.instants]
        series = np.r_[codes[order], np.full(len(found.instants), len(found.codes))]
        grid = infer_grid(every, series, tz, steps, found.instants)
        moved = grid.values[len(order) :]
        own = np.searchsorted(grid.instants, grid.values[: len(order)])
        names = np.array(list(found.codes), dtype=object)
        one_frequency(own, codes[order], names, grid.freq)
    return grid, np.searchsorted(grid.instants, moved)


def _filled(table: StreamTable, roles: Roles, source: Located, found: _Found, grid: Grid, place: np.ndarray) -> Reading:
    """The second pass, and what is said of it."""
    options = source.options
    names, good = list(found.codes), found.count >= options.min_rows
    starts, ends = (np.zeros(len(names), np.int64) for _ in range(2))
    starts[good] = place[np.searchsorted(found.instants, found.low[good])]
    ends[good] = place[np.searchsorted(found.instants, found.high[good])]
    lengths = np.where(good, ends - starts + 1, 0)
    total = int(lengths.sum())
    if total > MOST_EMPTY * table.n_rows + 1000:
        raise DataError(
            place="time",
            value=f"{total:,} instants for {table.n_rows:,} rows",
            rule="nearly all would be empty",
            remedy="Give --freq, or data.store=memory with --freq and --resample.",
        )
    first = np.cumsum(lengths) - lengths
    values, state = _file(total, np.float64), _file(total, np.uint8)
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for batch in _batches(table, roles, options, found):
        own = batch.take(found.kept(batch.codes, batch.instants, options.min_rows))
        row = first[own.codes] - starts[own.codes] + place[np.searchsorted(found.instants, own.instants)]
        _once(table, row, state, own, names, grid)
        seen = np.isfinite(own.values)
        values[row] = np.where(seen, own.values, 0.0)
        state[row] = np.where(seen, OBSERVED, UNOBSERVED)
        np.minimum.at(low, own.codes[seen], own.values[seen])
        np.maximum.at(high, own.codes[seen], own.values[seen])
    index, item_name = instants_index(grid.instants, found.times), ",".join(found.used)
    order = np.array(sorted(np.flatnonzero(good).tolist(), key=lambda i: names[i]), dtype=np.int64)
    store = Store(values, state, first[order], lengths[order], starts[order], tuple(names[i] for i in order))
    origin = Origin(table, roles, source, found.times, item_name, roles.targets[0], table.n_rows)
    store, origin = _counted(origin, store, Calendar(grid.freq, index))
    aside = {
        names[i]: f"{found.count[i]} observed rows"
        for i in sorted(np.flatnonzero(~good).tolist(), key=lambda i: names[i])
    }
    notes = [*source.notes, *table.notes, *found.notes.values(), *aside_notes(aside, options.min_rows)]
    looked, more = _look(store)
    constant = np.flatnonzero((low[order] == high[order]) & (store.lengths > 1))
    # The calendar ends with the last number of any series; it begins with the first one by what was kept.
    calendar = Calendar(grid.freq, index[: int(store.ends.max()) + 1], grid.sessions)
    origin = replace(origin, aside=aside, notes=(*notes, *grid.notes, *more))
    return assembled(origin, Rows(store), calendar, replace(looked, constant=tuple(int(i) for i in constant)))


def _file(n: int, kind: Any) -> np.ndarray:
    """An array of zeros in a temporary file without a name."""
    size = max(1, n) * np.dtype(kind).itemsize
    try:
        with tempfile.TemporaryFile(prefix="forecastkit-") as file:
            if hasattr(os, "posix_fallocate"):
                # A disk that fills up later would end the process without a word.
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype=kind, mode="r+", shape=(n,))
    except OSError as error:
        raise DataError(
            place=tempfile.gettempdir(),
            value=str(error.strerror),
            rule=f"{size >> 20} MiB of temporary space are needed",
            remedy="Set TMPDIR to a folder with room.",
        ) from None


def _once(table: StreamTable, row: np.ndarray, state: np.ndarray, own: _Batch, names: list[str], grid: Grid) -> None:
    """Refuse two rows of a series at one instant."""
    twice = state[row] != GONE
    if not twice.any():
        if (np.diff(row) > 0).all() or len(distinct(row)) == len(row):
            return
        order = np.argsort(row, kind="stable")
        twice[order[1:][np.diff(row[order]) == 0]] = True
    k = int(np.flatnonzero(twice)[0])
    raise DataError(
        place=table.where(int(own.rows[k])),
        value=f"a second row of {names[own.codes[k]]!r} at its instant",
        rule=f"one row a step of {words(grid.freq)} is needed",
        remedy="Name the series with --item COLUMN, or give data.store=memory with --duplicates or --resample.",
    )


def _counted(origin: Origin, store: Store, calendar: Calendar) -> tuple[Store, Origin]:
    """The store with what is observed as truth values, and its gaps and missing numbers counted."""
    state = store.shared_observed
    pieces = [slice(k, k + PIECE) for k in range(0, len(state), PIECE)]
    if all((state[piece] == OBSERVED).all() for piece in pieces):
        return replace(store, shared_observed=np.broadcast_to(np.True_, len(state))), origin
    n_gaps = n_missing = n_runs = 0
    gaps: list[dict[str, Any]] = []
    for i in range(len(store)):
        own = state[store.span(i)]
        if (own == OBSERVED).all():
            continue
        there = np.flatnonzero(own != GONE)
        n_gaps += len(own) - len(there)
        n_missing += int(np.count_nonzero(own == UNOBSERVED))
        if len(there) < len(own):
            longest, runs = gaps_of(np.full(len(there), i), store.starts[i] + there, store.items, calendar)
            gaps, n_runs = [*gaps, *longest], n_runs + runs
            if len(gaps) > 10 * MOST_LISTED:
                gaps = _longest(gaps)
    for piece in pieces:
        state[piece] = state[piece] == OBSERVED
    known = replace(origin, n_gaps=n_gaps, n_missing=n_missing, n_runs=n_runs, gaps=tuple(_longest(gaps)))
    return replace(store, shared_observed=state.view(bool)), known


def _longest(gaps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(gaps, key=lambda gap: -gap["n"])[:MOST_LISTED]


def _look(store: Store) -> tuple[findings.Findings, list[Note]]:
    """What there is in some of the series, evenly chosen, and how many they are where not all."""
    share = max(1, -(-store.n_rows // LOOKED))
    some = np.arange(0, len(store), share)
    series = [store.series(int(i)) for i in some]
    bounds = np.r_[0, np.cumsum([len(y) for y in series])]
    seen = findings.look(np.concatenate(series), bounds)

    def at(row: int) -> int:
        k = int(np.searchsorted(bounds, row, side="right")) - 1
        return int(store.offsets[some[k]]) + row - int(bounds[k])

    moved = replace(
        seen,
        jumps=tuple((at(row), factor) for row, factor in seen.jumps),
        spikes=tuple(at(row) for row in seen.spikes),
        sentinels=tuple((code, n, at(row)) for code, n, row in seen.sentinels),
    )
    if share == 1:
        return moved, []
    said = f"jumps, spikes and codes were looked for in {several(len(some), 'series', 'series')} of {len(store):,}"
    return moved, [Note("info", said)]
