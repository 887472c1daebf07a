"""From a table to parsed rows: times, series, numbers and covariates, in the order of the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import ConfigError, DataError
from forecastkit.reading.clocks import parse_times
from forecastkit.reading.columns import ITEM_NAMES, Roles, plain
from forecastkit.reading.options import ReadOptions
from forecastkit.reading.table import Table, text_of
from forecastkit.reading.times import Instants
from forecastkit.reading.values import Note, parse_numbers, several

__all__ = ["ONE_SERIES", "Rows", "covariate_column", "instants_index", "items_of", "row_order", "rows_of", "times_of"]

ONE_SERIES = "series"


@dataclass(frozen=True, eq=False)
class Rows:
    """Parsed rows in the order of the file.

    Args:
        codes: [N] int64 index into ``items``; -1 = no name.
        items: names in ascending order.
        times: instants or steps.
        values: [N] float64.
        covariates: column -> [N] float64 or object.
        source_row: [N] row of the file.
    """

    codes: np.ndarray
    items: tuple[str, ...]
    times: Instants
    values: np.ndarray
    covariates: dict[str, np.ndarray]
    source_row: np.ndarray
    notes: tuple[Note, ...]
    item_name: str
    target_name: str


def rows_of(table: Table, roles: Roles, options: ReadOptions) -> Rows:
    """The table's rows, parsed by the roles of its columns."""
    if roles.layout == "rows":
        return _series_in_rows(table, roles, options)
    covariates = tuple(dict.fromkeys([*options.known, *options.past, *options.static]))
    for name in covariates:
        if name in (*roles.targets, *roles.time, *(roles.items if roles.fixed else ())):
            raise ConfigError(
                place="--known, --past, --static",
                value=repr(name),
                rule="this column has another role already",
                remedy="Leave it out.",
            )
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
    notes += times.notes
    used, codes, items, total = items_of(table, roles, loaded, times, n)
    notes += total
    extra = {name: covariate_column(loaded[name], name, table) for name in covariates}
    if roles.layout == "columns":
        parts = [_numbers(table, loaded[name], name) for name in roles.targets]
        for part in parts:
            notes += part[1]
        k = len(roles.targets)
        names = [str(t) for t in roles.targets]
        own = [f"{items[c]} {t}" if used else t for c in (range(len(items)) if used else [0]) for t in names]
        order = np.argsort(own, kind="stable")
        rank = np.empty(len(own), np.int64)
        rank[order] = np.arange(len(own))
        wide = np.concatenate([rank[codes * k + j] for j in range(k)])
        wide = np.where(np.tile(codes, k) < 0, -1, wide)
        many = replace(times, values=np.tile(times.values, k), valid=np.tile(times.valid, k))
        return Rows(
            wide, tuple(own[i] for i in order), many, np.concatenate([p[0] for p in parts]),
            {name: np.tile(column, k) for name, column in extra.items()}, np.tile(np.arange(n), k), tuple(notes),
            "column" if not used else f"{', '.join(used)} and column", "value",
        )  # fmt: skip
    values, more = _numbers(table, loaded[roles.targets[0]], roles.targets[0])
    return Rows(codes, items, times, values, extra, np.arange(n), (*notes, *more), ",".join(used), roles.targets[0])


def _numbers(table: Table, column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, list[Note]]:
    found = parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure)
    return found.values, list(found.notes)


def covariate_column(column: pa.ChunkedArray, name: str, table: Table) -> np.ndarray:
    """Numbers where every cell is one, else text."""
    try:
        return parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure).values
    except DataError:
        texts = text_of(pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column)
        return np.array(texts.to_pylist(), dtype=object)


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
    texts = {name: text_of(_plain(loaded[name])) for name in roles.time}
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


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _codes_of(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """([N] code, names); -1 = empty. Only the distinct texts are looked at."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(text_of(column))
    column = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    column = column.unify_dictionaries()
    if not column.num_chunks or not len(column.chunk(0).dictionary):
        return np.full(len(column), -1, np.int64), []
    texts = pc.dictionary_encode(text_of(column.chunk(0).dictionary))
    names = [str(v) for v in texts.dictionary.to_pylist()]
    of_text = pc.fill_null(texts.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    if "" in names:
        of_text = np.where(of_text == names.index(""), -1, of_text)
    parts = [pc.fill_null(chunk.indices, len(of_text)).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.r_[of_text, -1][np.concatenate(parts)], names


def items_of(
    table: Table, roles: Roles, loaded: dict[str, pa.ChunkedArray], times: Instants, n: int
) -> tuple[tuple[str, ...], np.ndarray, tuple[str, ...], list[Note]]:
    """(columns used, [N] codes, names, notes).

    Columns that the user named are all used. Else candidates are taken, best first, until no instant occurs twice
    in a series; a text column that does not part the rows so is no name of series.
    """
    codes = np.zeros(n, np.int64)
    if not roles.items:
        return (), codes, (ONE_SERIES,), []
    found = {name: _codes_of(loaded[name]) for name in roles.items}
    used: list[str] = []
    if roles.fixed:
        used = list(roles.items)
    else:
        before = _twice(codes, times)
        clean = before == 0
        for name in roles.items if not clean else ():
            own, names = found[name]
            trial = _combined(codes, own, len(names))
            after = _twice(trial, times)
            if after < before and (plain(name) in ITEM_NAMES or len(np.unique(trial)) < 0.5 * n):
                codes, used, before = trial, [*used, name], after
            if before == 0:
                break
        if not clean and not used:
            return (), np.zeros(n, np.int64), (ONE_SERIES,), []
    if not used:
        return (), codes, (ONE_SERIES,), []
    notes: list[Note] = []
    columns = [found[name] for name in used]
    empty = np.any([own < 0 for own, _ in columns], axis=0)
    if empty.any():
        first = table.where(int(np.flatnonzero(empty)[0]))
        notes.append(
            Note("warning", f"{several(int(empty.sum()), 'row')} without a name in {', '.join(used)} left out", first)
        )
    keys = np.zeros(n, np.int64)
    for own, names in columns:
        keys = keys * (len(names) + 1) + np.maximum(own, 0)
    keys = np.where(empty, -1, keys)
    inverse, unique = pd.factorize(keys)
    first_row = np.empty(len(unique), np.int64)
    first_row[inverse[::-1]] = np.arange(n)[::-1]
    labels = ["/".join(names[own[row]] if own[row] >= 0 else "" for own, names in columns) for row in first_row]
    order = np.argsort(np.array(labels, dtype=object), kind="stable")
    order = order[unique[order] >= 0]
    rank = np.full(len(unique), -1, np.int64)
    rank[order] = np.arange(len(order))
    if len(order) == 0:
        raise DataError(place=table.name, value=", ".join(used), rule="no row names its series", remedy="Check --item.")
    sorted_labels = [labels[i] for i in order]
    for k in range(1, len(sorted_labels)):
        if sorted_labels[k] == sorted_labels[k - 1]:
            raise DataError(
                place=f"{table.where(int(first_row[order[k]]))}, columns {', '.join(used)}",
                value=repr(sorted_labels[k][:60]),
                rule="two series would have this one name",
                remedy="Change the slash in the names, or make one column of names and give --item COLUMN.",
            )
    return tuple(used), rank[inverse], tuple(sorted_labels), notes


def _combined(codes: np.ndarray, own: np.ndarray, n_names: int) -> np.ndarray:
    return codes * (n_names + 1) + own + 1


def _twice(codes: np.ndarray, times: Instants) -> int:
    """How many rows repeat an instant of their series."""
    order = row_order(codes, times.values, int(codes.max(initial=0)) + 1)
    c, t, valid = codes, times.values, times.valid
    if order is not None:
        c, t, valid = c[order], t[order], valid[order]
    return int(((c[1:] == c[:-1]) & (t[1:] == t[:-1]) & valid[1:] & valid[:-1]).sum())


def _series_in_rows(table: Table, roles: Roles, options: ReadOptions) -> Rows:
    """One series a row (M4 and others): turned to long form."""
    kinds = dict.fromkeys(roles.items, "text") | dict.fromkeys(roles.targets, "number")
    loaded = table.load(kinds)
    n = len(loaded[roles.targets[0]])
    notes: list[Note] = list(table.notes)
    if roles.items:
        columns = [_codes_of(loaded[name]) for name in roles.items]
        labels = ["/".join(names[own[r]] if own[r] >= 0 else "" for own, names in columns) for r in range(n)]
    else:
        labels = [f"row {r + 1}" for r in range(n)]
    width = len(roles.targets)
    values = np.stack([_numbers(table, loaded[name], name)[0] for name in roles.targets], axis=1)
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
    return Rows(
        np.repeat(codes, width)[keep], tuple(labels[i] for i in order), times, values.ravel()[keep], {},
        np.repeat(np.arange(n), width)[keep], (*notes, *stamps.notes), ",".join(roles.items) or "row", "value",
    )  # fmt: skip


def row_order(codes: np.ndarray, times: np.ndarray, n_items: int) -> np.ndarray | None:
    """Rows sorted by item and time, stably; None = they are."""
    rising = times[1:] >= times[:-1]
    if (np.where(codes[1:] == codes[:-1], rising, codes[1:] > codes[:-1])).all():
        return None
    if rising.all() and n_items < 1 << 16:
        # Rows by time, as exports have them: a radix sort by item is enough.
        return np.argsort(codes.astype(np.uint16), kind="stable")
    return np.lexsort((times, codes))


def instants_index(instants: np.ndarray, times: Instants) -> pd.Index:
    """Microseconds (UTC where zoned) or steps as an index in the zone of ``times``."""
    if times.steps:
        return pd.Index(instants, dtype="int64")
    index = pd.DatetimeIndex(instants.astype("datetime64[us]"))
    return index.tz_localize("UTC").tz_convert(_zone(times.tz)) if times.tz else index


def _zone(tz: str) -> Any:
    """A zone of pandas; ``UTC+02:00`` is a fixed offset."""
    import datetime as dt

    if tz.startswith("UTC") and len(tz) > 3:
        sign = -1 if tz[3] == "-" else 1
        hours, minutes = int(tz[4:6]), int(tz[7:9])
        return dt.timezone(sign * dt.timedelta(hours=hours, minutes=minutes))
    return tz
