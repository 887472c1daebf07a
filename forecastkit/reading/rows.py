"""From a table's columns to parsed rows: names of series as codes, instants, numbers; in the order of the source."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import ConfigError, DataError
from forecastkit.read_options import ReadOptions
from forecastkit.reading.clocks import parse_times
from forecastkit.reading.columns import ITEM_NAMES, Roles, plain
from forecastkit.reading.instants import Instants
from forecastkit.reading.order import Order, order_of, repeats
from forecastkit.reading.table import Table, give_back, text_of
from forecastkit.reading.values import (
    Note,
    Numbers,
    is_number,
    is_text,
    parse_numbers,
    several,
    spells_numbers,
    undictionaried,
)

__all__ = [
    "CHANNEL",
    "ONE_SERIES",
    "Named",
    "Parsed",
    "codes_of",
    "covariate_column",
    "items_of",
    "joined_options",
    "rows_of",
    "target_column",
    "times_of",
]

ONE_SERIES = "series"
CHANNEL = "channel"
"""Static column that names a series' own column, where several are read together."""
RESERVED = ("item_id", "timestamp", "target")
"""Columns that every frame's table has already."""


@dataclass(frozen=True, eq=False)
class Parsed:
    """Parsed rows in the order of the file.

    Args:
        codes: [N] int32 index into ``items``; -1 = no name.
        items: names in ascending order.
        times: instants or steps.
        values: [N] float64.
        covariates: column -> [N] float64 or object.
        source_row: [N] row of the file; None = each its own.
        order: of all rows by item and time, where it is known already.
    """

    codes: np.ndarray
    items: tuple[str, ...]
    times: Instants
    values: np.ndarray
    covariates: dict[str, np.ndarray]
    source_row: np.ndarray | None
    notes: tuple[Note, ...]
    item_name: str
    target_name: str
    order: Order | None = None


def rows_of(table: Table, roles: Roles, options: ReadOptions) -> Parsed:
    """The rows of a table.

    Raises:
        DataError: a cell that is no number or no time, names of series that clash, no rows.
        ConfigError: a covariate that has another role, or a name that a frame's table needs itself.
    """
    if roles.layout == "rows":
        return _series_in_rows(table, roles, options)
    covariates = tuple(dict.fromkeys([*options.known, *options.past, *options.static]))
    _check_names(table, roles, options, covariates)
    kinds = dict.fromkeys([*roles.items, *covariates], "text")
    kinds.update(dict.fromkeys(roles.targets, "number"))
    # A given format is checked against the text itself.
    kinds.update(dict.fromkeys(roles.time, "text" if roles.parts or options.date_format else "time"))
    loaded = table.load(kinds)
    n = len(loaded[roles.targets[0]])
    if n == 0:
        raise DataError(place=table.name, rule="a header and no rows", remedy="Give a file with rows.")
    notes: list[Note] = list(table.notes)
    times = times_of(table, roles, loaded, n, options)
    for name in set(roles.time) - {*roles.items, *roles.targets}:
        del loaded[name]
    give_back()
    notes += times.notes
    named = items_of(table, roles, loaded, times, n)
    notes += named.notes
    give_back()
    extra = {name: covariate_column(loaded[name], name, table) for name in covariates}
    columns = {}
    for name in dict.fromkeys(roles.targets):
        numbers = target_column(loaded.pop(name), name, table)
        columns[name] = numbers.values
        notes += numbers.notes
    give_back()
    if roles.layout == "columns":
        item_name = f"{', '.join(named.used)} and column" if named.used else "column"
        items = named.items if named.used else ()
        rows = Parsed(named.codes, items, times, np.zeros(0), extra, None, tuple(notes), item_name, "value")
        return _series_in_columns(rows, columns, joint=options.joint)
    name = roles.targets[0]
    item_name = ",".join(named.used)
    return Parsed(
        named.codes, named.items, times, columns[name], extra, None, tuple(notes), item_name, name, named.order
    )


def _check_names(table: Table, roles: Roles, options: ReadOptions, covariates: tuple[str, ...]) -> None:
    for name in covariates:
        if name in (*roles.targets, *roles.time, *(roles.items if roles.fixed else ())):
            raise ConfigError(
                place="--known, --past, --static",
                value=repr(name),
                rule="this column has another role already",
                remedy="Leave it out.",
            )
    reserved = (*RESERVED, CHANNEL) if options.joint else RESERVED
    for name in (*covariates, *(roles.targets if options.joint else ())):
        if name in reserved:
            raise ConfigError(
                place=f"{table.name}, column {name!r}",
                rule=f"a covariate is not called {', '.join(reserved[:-1])} or {reserved[-1]}",
                remedy="Rename it in the data.",
            )


def _series_in_columns(rows: Parsed, columns: dict[str, np.ndarray], *, joint: bool) -> Parsed:
    """One series a column (and name, where the rows have some): turned to long form.

    Args:
        rows: without values; no items = their rows have no names.
        columns: target -> [N] values.
        joint: they are each other's covariates too.
    """
    names, k, n = list(columns), len(columns), len(rows.codes)
    extra = {name: np.tile(column, k) for name, column in rows.covariates.items()}
    if joint:
        extra |= {name: np.tile(column, k) for name, column in columns.items()}
        extra[CHANNEL] = np.repeat(np.array(names, dtype=object), n)
    items = [f"{item} {name}" for item in rows.items for name in names] or names
    by_name = np.argsort(items, kind="stable")
    rank = np.empty(len(items), np.int64)
    rank[by_name] = np.arange(len(items))
    codes = np.concatenate([rank[rows.codes * k + j] for j in range(k)])
    return replace(
        rows,
        codes=np.where(np.tile(rows.codes, k) < 0, -1, codes),
        items=tuple(items[i] for i in by_name),
        times=replace(rows.times, values=np.tile(rows.times.values, k), valid=np.tile(rows.times.valid, k)),
        values=np.concatenate(list(columns.values())),
        covariates=extra,
        source_row=np.tile(np.arange(n), k),
    )


def joined_options(options: ReadOptions, roles: Roles) -> ReadOptions:
    """Options under which the columns of a wide file, each a series, are each other's past covariates.

    Raises:
        ConfigError: there is one column only.
    """
    if roles.layout != "columns" or len(roles.targets) < 2:
        raise ConfigError(
            place="--joint", rule="several targets are needed", remedy="Name them, as in --target Open,Close."
        )
    return replace(options, past=(*options.past, *roles.targets), static=(*options.static, CHANNEL))


def target_column(column: pa.ChunkedArray, name: str, table: Table) -> Numbers:
    """Numbers by the table's decimal mark."""
    return parse_numbers(column, name, table.where, decimal=table.decimal, sure=table.sure)


def covariate_column(column: pa.ChunkedArray, name: str, table: Table) -> np.ndarray:
    """Numbers where every cell is one, else text.

    Raises:
        DataError: numbers that cannot be read for sure, or are too large: as words each would be a kind of its own.
    """
    try:
        return target_column(column, name, table).values
    except DataError:
        plain = undictionaried(column)
        if is_number(plain.type) or (is_text(plain.type) and spells_numbers(plain.unique().to_pylist())):
            raise
        return np.array(text_of(plain).to_pylist(), dtype=object)


def times_of(table: Table, roles: Roles, loaded: dict[str, pa.ChunkedArray], n: int, options: ReadOptions) -> Instants:
    """When each of ``n`` rows was; their order where there is no column of times."""
    if not roles.time:
        note = Note("warning", "no time column was found: rows are taken in their order as steps")
        return Instants(np.arange(n), np.ones(n, bool), "", True, "order of rows", (note,))
    if roles.parts:
        return _joined_times(table, roles, loaded, n, options)
    name = roles.time[0]
    return parse_times(loaded[name], name, table.where, date_format=options.date_format, tz=options.tz)


def _joined_times(
    table: Table, roles: Roles, loaded: dict[str, pa.ChunkedArray], n: int, options: ReadOptions
) -> Instants:
    texts = {name: text_of(undictionaried(loaded[name])) for name in roles.time}
    if roles.parts == "clock":
        date, clock = roles.time
        joined = pc.binary_join_element_wise(texts[date], texts[clock], " ")
        return parse_times(joined, f"{date} and {clock}", table.where, date_format=options.date_format, tz=options.tz)
    label = ", ".join(roles.time)
    if options.date_format is not None:
        joined = pc.binary_join_element_wise(*texts.values(), " ")
        return parse_times(joined, label, table.where, date_format=options.date_format, tz=options.tz)
    columns = list(texts.values())
    try:
        year, month = columns[0], pc.utf8_lpad(columns[1], 2, "0")
        day = pc.utf8_lpad(columns[2], 2, "0") if len(columns) > 2 else pa.scalar("01")
        joined = pc.binary_join_element_wise(year, month, day, "-")
        if len(columns) > 3:
            parts = [pc.utf8_lpad(c, 2, "0") for c in columns[3:6]]
            parts += [pa.scalar("00")] if len(parts) < 2 else []
            joined = pc.binary_join_element_wise(joined, pc.binary_join_element_wise(*parts, ":"), " ")
    except pa.ArrowInvalid as error:
        raise DataError(
            place=table.name, value=label, rule="these columns make no time", remedy="Give --time COLUMN."
        ) from error
    return parse_times(joined, label, table.where, tz=options.tz)


def codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """([N] int32 code, names in ascending order); -1 = empty. Only the distinct texts are looked at."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(text_of(column))
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    column = column.unify_dictionaries()
    if not column.num_chunks or not len(column.chunk(0).dictionary):
        return np.full(len(column), -1, np.int32), []
    texts = text_of(column.chunk(0).dictionary).to_pylist()
    names = sorted({str(t) for t in texts if t})
    place = {name: k for k, name in enumerate(names)}
    of_text = np.array([place.get(t, -1) for t in texts] + [-1], np.int32)
    out = np.empty(len(column), np.int32)
    start = 0
    for chunk in column.chunks:
        indices = chunk.indices
        own = (pc.fill_null(indices, len(texts)) if indices.null_count else indices).to_numpy(zero_copy_only=False)
        np.take(of_text, own, out=out[start : start + len(own)], mode="clip")
        start += len(own)
    return out, names


@dataclass(frozen=True, eq=False)
class Named:
    """Which series each row is of.

    Args:
        codes: [N] int32 index into ``items``; -1 = no name.
        items: names in ascending order.
        used: columns that hold them; empty = all rows are one series.
        order: of the rows by item and time, where it came up.
    """

    codes: np.ndarray
    items: tuple[str, ...]
    used: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    order: Order | None = None


def items_of(table: Table, roles: Roles, loaded: dict[str, pa.ChunkedArray], times: Instants, n: int) -> Named:
    """The series of each of ``n`` rows.

    Columns that the user named are all used. Else candidates are taken, best first, until no instant occurs twice
    in a series; a text column that does not part the rows so is no name of series.

    Raises:
        DataError: no row has a name, or two series have one.
    """
    if not roles.items:
        return Named(np.zeros(n, np.int32), (ONE_SERIES,))
    found = {name: codes_of(loaded[name]) for name in roles.items}
    used, order = (list(roles.items), None) if roles.fixed else _telling(roles.items, found, times)
    if not used:
        return Named(np.zeros(n, np.int32), (ONE_SERIES,))
    notes: list[Note] = []
    columns = [found[name] for name in used]
    empty = np.any([own < 0 for own, _ in columns], axis=0)
    if empty.any():
        first = table.where(int(np.flatnonzero(empty)[0]))
        notes.append(
            Note("warning", f"{several(int(empty.sum()), 'row')} without a name in {', '.join(used)} left out", first)
        )
    if len(columns) == 1:
        codes, names = columns[0]
        items = tuple(names)
    else:
        codes, items = _joined(table, used, columns, empty)
    present = np.bincount(codes[codes >= 0] if empty.any() else codes, minlength=len(items)) > 0
    if not present.any():
        raise DataError(place=table.name, value=", ".join(used), rule="no row names its series", remedy="Check --item.")
    if not present.all():
        # A dictionary may name what no row has.
        codes = np.where(codes >= 0, (np.cumsum(present) - 1)[codes], -1).astype(np.int32)
        items, order = tuple(name for name, there in zip(items, present) if there), None
    order = order if len(columns) == 1 and not empty.any() else None
    return Named(codes, items, tuple(used), tuple(notes), order)


def _telling(
    names: tuple[str, ...], found: dict[str, tuple[np.ndarray, list[str]]], times: Instants
) -> tuple[list[str], Order | None]:
    """(columns that part the rows into series, order of the rows by the last one taken)."""
    valid = times.valid.all()
    instants = times.values if valid else times.values[times.valid]
    before = repeats(instants)
    used: list[str] = []
    codes: np.ndarray | None = None
    best: Order | None = None
    for name in names if before else ():
        own, labels = found[name]
        shift = int(own.min(initial=0) < 0)
        trial = own + shift if codes is None else codes * (len(labels) + 1) + own + 1
        n_codes = int(trial.max(initial=0)) + 1
        if n_codes > 4 * len(trial):
            trial, distinct = pd.factorize(trial)
            n_codes = len(distinct)
        order = order_of(trial if valid else trial[times.valid], instants, n_codes)
        n_series = np.count_nonzero(np.bincount(trial))
        if order.n_twice < before and (plain(name) in ITEM_NAMES or n_series < 0.5 * len(trial)):
            codes, used, before = trial.astype(np.int64), [*used, name], order.n_twice
            best = order if valid and not shift else None
        if before == 0:
            break
    return used, best


def _joined(
    table: Table, used: list[str], columns: list[tuple[np.ndarray, list[str]]], empty: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """([N] codes, names) of several columns together.

    Raises:
        DataError: two combinations have one name.
    """
    keys = np.zeros(len(empty), np.int64)
    for own, names in columns:
        keys = keys * (len(names) + 1) + np.maximum(own, 0)
    inverse, unique = pd.factorize(np.where(empty, -1, keys))
    first_row = np.empty(len(unique), np.int64)
    first_row[inverse[::-1]] = np.arange(len(keys))[::-1]
    labels = ["/".join(names[own[row]] if own[row] >= 0 else "" for own, names in columns) for row in first_row]
    order = np.argsort(np.array(labels, dtype=object), kind="stable")
    order = order[unique[order] >= 0]
    rank = np.full(len(unique), -1, np.int64)
    rank[order] = np.arange(len(order))
    items = tuple(labels[i] for i in order)
    for k in range(1, len(items)):
        if items[k] == items[k - 1]:
            raise DataError(
                place=f"{table.where(int(first_row[order[k]]))}, columns {', '.join(used)}",
                value=repr(items[k][:60]),
                rule="two series would have this one name",
                remedy="Change the slash in the names, or make one column of names and give --item COLUMN.",
            )
    return rank[inverse].astype(np.int32), items


def _series_in_rows(table: Table, roles: Roles, options: ReadOptions) -> Parsed:
    """One series a row (M4 and others): turned to long form."""
    kinds = dict.fromkeys(roles.items, "text") | dict.fromkeys(roles.targets, "number")
    loaded = table.load(kinds)
    n = len(loaded[roles.targets[0]])
    notes: list[Note] = list(table.notes)
    if roles.items:
        columns = [codes_of(loaded[name]) for name in roles.items]
        labels = ["/".join(names[own[r]] if own[r] >= 0 else "" for own, names in columns) for r in range(n)]
    else:
        labels = [f"row {r + 1}" for r in range(n)]
    width = len(roles.targets)
    values = np.stack([target_column(loaded[name], name, table).values for name in roles.targets], axis=1)
    if roles.parts:
        times = parse_times(
            pa.array([t.lstrip("XY") for t in roles.targets]), "names of columns", lambda _: table.name, tz=options.tz
        )
        stamps = times
    else:
        stamps = Instants(np.arange(width), np.ones(width, bool), "", True, "order of columns")
    if len(set(labels)) < n:
        twice = next(r for r in range(n) if labels[r] in labels[:r])
        raise DataError(
            place=table.where(twice),
            value=repr(labels[twice][:60]),
            rule="this series occurs twice",
            remedy="Name further columns, as in --item name,kind, or remove a row.",
        )
    order = np.argsort(np.array(labels, dtype=object), kind="stable")
    codes = np.empty(n, np.int64)
    codes[order] = np.arange(n)
    # Cells after a series' end are empty, not missing.
    seen = np.isfinite(values)
    last = np.where(seen.any(1), width - 1 - seen[:, ::-1].argmax(1), -1)
    keep = (np.arange(width)[None, :] <= last[:, None]).ravel()
    times = replace(stamps, values=np.tile(stamps.values, n)[keep], valid=np.tile(stamps.valid, n)[keep])
    return Parsed(
        np.repeat(codes, width)[keep], tuple(labels[i] for i in order), times, values.ravel()[keep], {},
        np.repeat(np.arange(n), width)[keep], (*notes, *stamps.notes), ",".join(roles.items) or "row", "value",
    )  # fmt: skip
