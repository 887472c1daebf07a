"""The border: a file, frame or data set -> a checked ``SeriesFrame`` and its profile.

Order: table -> roles of columns -> numbers and times -> duplicates -> calendar -> contiguous rows -> fill -> findings.
After this module nothing repairs data any more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import findings
from forecastkit.reading.aliases import normal_alias, unit_us, words
from forecastkit.reading.clocks import parse_times
from forecastkit.reading.columns import ITEM_NAMES, Roles, choose_roles, plain
from forecastkit.reading.frequency import Grid, given_grid, infer_grid, one_frequency, to_wall
from forecastkit.reading.options import ReadOptions
from forecastkit.reading.profile import Profile
from forecastkit.reading.season import find_season
from forecastkit.reading.table import Table, open_table, text_of
from forecastkit.reading.times import DAY, Instants
from forecastkit.reading.values import Note, parse_numbers, several

if TYPE_CHECKING:
    from forecastkit.cards import Card

__all__ = ["Reading", "as_frame", "read"]

ONE_SERIES = "series"
MOST_LISTED = 200
MOST_ROWS_OF_GRID = 200_000_000


@dataclass(frozen=True, eq=False)
class Reading:
    """What came through the border.

    Args:
        frame: the checked series.
        profile: what was found.
    """

    frame: SeriesFrame
    profile: Profile


def as_frame(source: Any, **options: Any) -> SeriesFrame:
    """Any source as a checked frame.

    Args:
        source: path, ``"dataset:NAME"``, or a pandas, polars or Arrow frame; never changed.
        options: as ``ReadOptions``.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
    """
    if isinstance(source, SeriesFrame) and not options:
        return source
    return read(source, ReadOptions(**options)).frame


def read(source: Any, options: ReadOptions | None = None) -> Reading:
    """A source as checked series, and what was found on the way.

    Args:
        source: path, ``"dataset:NAME"``, a pandas, polars or Arrow frame, or a ``SeriesFrame``.
        options: what the user said; the rest is detected.

    Raises:
        DataError: the data cannot be used; names the place and the way out.
        ConfigError: an option is wrong.
    """
    options = options or ReadOptions()
    if isinstance(source, SeriesFrame):
        return _of_frame(source)
    card: Card | None = None
    where = str(source) if isinstance(source, (str, Path)) else "a frame in memory"
    if isinstance(source, str) and source.startswith("dataset:"):
        from forecastkit import catalog

        source, card = catalog.resolve(source.removeprefix("dataset:"))
        options = _as_the_card_says(options, card)
    table = open_table(source, options)
    roles = choose_roles(table, options)
    rows = _rows_of(table, roles, options)
    return _build(table, roles, rows, options, where, card)


def _as_the_card_says(options: ReadOptions, card: Card) -> ReadOptions:
    own_target = options.target in (None, card.target)
    return replace(
        options,
        target=options.target or card.target,
        time=options.time or card.time,
        item=options.item or card.item,
        freq=options.freq or (card.frequency if options.resample is None else None),
        season_length=options.season_length or (card.season_length if own_target else None),
        known=options.known or card.known,
        static=options.static or card.static,
    )


@dataclass(frozen=True, eq=False)
class _Rows:
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


def _rows_of(table: Table, roles: Roles, options: ReadOptions) -> _Rows:
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
    times = _times(table, roles, loaded, n, options)
    notes += times.notes
    used, codes, items, total = _items(table, roles, loaded, times, n)
    notes += total
    extra = {name: _covariate(loaded[name], name, table) for name in covariates}
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
        return _Rows(
            wide, tuple(own[i] for i in order), many, np.concatenate([p[0] for p in parts]),
            {name: np.tile(column, k) for name, column in extra.items()}, np.tile(np.arange(n), k), tuple(notes),
            "column" if not used else f"{', '.join(used)} and column", "value",
        )  # fmt: skip
    values, more = _numbers(table, loaded[roles.targets[0]], roles.targets[0])
    return _Rows(codes, items, times, values, extra, np.arange(n), (*notes, *more), ",".join(used), roles.targets[0])


def _numbers(table: Table, column: pa.ChunkedArray, name: str) -> tuple[np.ndarray, list[Note]]:
    found = parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure)
    return found.values, list(found.notes)


def _covariate(column: pa.ChunkedArray, name: str, table: Table) -> np.ndarray:
    """Numbers where every cell is one, else text."""
    try:
        return parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure).values
    except DataError:
        texts = text_of(pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column)
        return np.array(texts.to_pylist(), dtype=object)


def _times(table: Table, roles: Roles, loaded: dict[str, pa.ChunkedArray], n: int, options: ReadOptions) -> Instants:
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


def _items(
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
    order = _order(codes, times.values, int(codes.max(initial=0)) + 1)
    c, t, valid = codes, times.values, times.valid
    if order is not None:
        c, t, valid = c[order], t[order], valid[order]
    return int(((c[1:] == c[:-1]) & (t[1:] == t[:-1]) & valid[1:] & valid[:-1]).sum())


def _series_in_rows(table: Table, roles: Roles, options: ReadOptions) -> _Rows:
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
    return _Rows(
        np.repeat(codes, width)[keep], tuple(labels[i] for i in order), times, values.ravel()[keep], {},
        np.repeat(np.arange(n), width)[keep], (*notes, *stamps.notes), ",".join(roles.items) or "row", "value",
    )  # fmt: skip


def _build(table: Table, roles: Roles, rows: _Rows, options: ReadOptions, where: str, card: Card | None) -> Reading:
    notes = list(rows.notes)
    n_rows = len(rows.codes)
    usable = rows.times.valid & (rows.codes >= 0)
    lost = int((~rows.times.valid & np.isfinite(rows.values)).sum())
    if lost:
        first = int(np.flatnonzero(~rows.times.valid)[0])
        notes.append(
            Note("warning", f"{several(lost, 'row')} without a time left out", table.where(int(rows.source_row[first])))
        )
    if not usable.any():
        raise DataError(place=table.name, rule="no row has a time and a name", remedy="Check --time and --item.")
    codes, times, values = rows.codes[usable], rows.times.values[usable], rows.values[usable]
    source = rows.source_row[usable]
    covariates = {name: column[usable] for name, column in rows.covariates.items()}
    order = _order(codes, times, len(rows.items))
    if order is not None:
        codes, times, values, source = codes[order], times[order], values[order], source[order]
        covariates = {name: column[order] for name, column in covariates.items()}
    if options.resample is not None:
        if options.freq is None:
            raise ConfigError(
                place="--resample",
                value=options.resample,
                rule="a frequency is needed",
                remedy="Add --freq D or another.",
            )
        codes, times, values, covariates, source = _resampled(
            codes, times, values, covariates, source, rows.times.tz, options
        )
        notes.append(Note("info", f"resampled to {words(normal_alias(options.freq))} by {options.resample}"))
    n_twice = 0
    same = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if same.any():
        n_twice = int(same.sum())
        codes, times, values, covariates, source = _without_duplicates(
            table, rows, codes, times, values, covariates, source, same, options
        )
        notes.append(
            Note("warning", f"{several(n_twice, 'duplicated instant')}: kept by --duplicates {options.duplicates}")
        )
    observed = np.isfinite(values)
    if not observed.any():
        raise DataError(
            place=f"column {rows.target_name!r}",
            value="only missing values",
            rule="numbers are needed",
            remedy="Choose another column with --target.",
        )
    codes, times, values, covariates, items, aside, source = _long_enough(
        rows.items, codes, times, values, covariates, source, options.min_rows, rows.target_name
    )
    if aside:
        notes.append(
            Note(
                "warning",
                f"{len(aside)} series set aside: fewer than {options.min_rows} observed rows",
                next(iter(aside)),
            )
        )
    zone = rows.times.tz
    if options.freq is None:
        grid = infer_grid(times, codes, zone, rows.times.steps)
    else:
        grid = given_grid(times, zone, rows.times.steps, options.freq)
    notes += grid.notes
    aligned = len(grid.values) == len(grid.instants) and np.array_equal(grid.values, grid.instants)
    position = np.arange(len(codes)) if aligned else np.searchsorted(grid.instants, grid.values)
    clash = (codes[1:] == codes[:-1]) & (position[1:] == position[:-1])
    if clash.any():
        row = int(np.flatnonzero(clash)[0]) + 1
        raise DataError(
            place=table.where(int(source[row])),
            value=f"two rows of {items[codes[row]]!r} fall on one step",
            rule=f"one row a step of {words(grid.freq)} is needed",
            remedy="Give --freq and --resample, as in --freq D --resample mean.",
        )
    one_frequency(position, codes, np.array(items, dtype=object), grid.freq)
    return _assembled(table, roles, rows, options, where, card, notes, n_rows, n_twice, aside, grid, codes, position, values,
                      covariates, items)  # fmt: skip


def _order(codes: np.ndarray, times: np.ndarray, n_items: int) -> np.ndarray | None:
    """Rows sorted by item and time, stably; None = they are."""
    rising = times[1:] >= times[:-1]
    if (np.where(codes[1:] == codes[:-1], rising, codes[1:] > codes[:-1])).all():
        return None
    if rising.all() and n_items < 1 << 16:
        # Rows by time, as exports have them: a radix sort by item is enough.
        return np.argsort(codes.astype(np.uint16), kind="stable")
    return np.lexsort((times, codes))


def _resampled(
    codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray], source: np.ndarray,
    tz: str, options: ReadOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    """Rows brought to ``freq``: the instant of a step is its start (its last day for ...E and W)."""
    alias = normal_alias(str(options.freq))
    if alias == STEP:
        raise ConfigError(place="--freq step", rule="steps cannot be resampled", remedy="Leave --resample out.")
    us = unit_us(alias)
    wall = to_wall(times, tz)
    if us and us < DAY:
        bins = times // us * us
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
                periods = stamps.to_period(unit)
            except (ValueError, AttributeError):
                raise ConfigError(
                    place="--freq",
                    value=repr(options.freq),
                    rule="cannot be resampled to",
                    remedy="Use h, D, B, W, MS, QS or YS.",
                ) from None
            at_end = alias.endswith("E") or alias.startswith("W")
            start = periods.to_timestamp(how="end" if at_end else "start").normalize()
        bins = start.as_unit("us").asi8
    if us >= DAY or not us:
        from forecastkit.reading.frequency import to_utc

        bins = to_utc(bins, tz)
    frame = pd.DataFrame({"c": codes, "t": bins, "v": values, "s": source, **covariates})
    groups = frame.groupby(["c", "t"], sort=True)
    how = str(options.resample)
    if how == "sum":
        merged = groups["v"].sum(min_count=1)
    else:
        merged = getattr(groups["v"], how)()
    rest = {
        name: (groups[name].mean() if column.dtype != object else groups[name].last()).to_numpy()
        for name, column in covariates.items()
    }
    keys = merged.index
    return (
        keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy(), merged.to_numpy(np.float64), rest,
        groups["s"].first().to_numpy(),
    )  # fmt: skip


def _without_duplicates(
    table: Table, rows: _Rows, codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray],
    source: np.ndarray, same: np.ndarray, options: ReadOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    how = options.duplicates
    if how == "error":
        row = int(np.flatnonzero(same)[0]) + 1
        lines = sorted((int(source[row - 1]), int(source[row])))
        series = f"{rows.items[codes[row]]}, " if len(rows.items) > 1 else ""
        stamp = str(times[row]) if rows.times.steps else _stamp_text(int(times[row]), rows.times.tz)
        raise DataError(
            place=table.where(lines[1]),
            value=f"{series}{stamp} occurs twice (first: {table.where(lines[0]).rpartition(', ')[2]})",
            rule=f"one row an instant is needed; {int(same.sum())} are too many",
            remedy="Name the series with --item COLUMN, or give --duplicates first, last, mean or sum.",
        )
    frame = pd.DataFrame({"c": codes, "t": times, "v": values, "s": source, **covariates})
    groups = frame.groupby(["c", "t"], sort=True)
    merged = groups["v"].sum(min_count=1) if how == "sum" else getattr(groups["v"], how)()
    rest = {
        name: (
            groups[name].mean() if how in ("mean", "sum") and column.dtype != object else groups[name].first()
        ).to_numpy()
        for name, column in covariates.items()
    }
    keys = merged.index
    return (
        keys.get_level_values(0).to_numpy(), keys.get_level_values(1).to_numpy(), merged.to_numpy(np.float64), rest,
        groups["s"].first().to_numpy(),
    )  # fmt: skip


def _stamp_text(us: int, tz: str) -> str:
    stamp = pd.Timestamp(np.datetime64(us, "us"))
    if tz:
        stamp = stamp.tz_localize("UTC").tz_convert(tz)
    return str(stamp.date()) if stamp == stamp.normalize() and not tz else str(stamp)


def _long_enough(
    items: tuple[str, ...], codes: np.ndarray, times: np.ndarray, values: np.ndarray, covariates: dict[str, np.ndarray],
    source: np.ndarray, min_rows: int, target: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], tuple[str, ...], dict[str, str], np.ndarray]:  # fmt: skip
    """Without series that are too short, and without missing ends (covariates of the future keep theirs)."""
    n = len(items)
    observed = np.isfinite(values)
    counts = np.bincount(codes[observed], minlength=n)
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
    bounds = np.searchsorted(codes, np.arange(n + 1))
    seen = np.flatnonzero(observed)
    at = np.searchsorted(seen, bounds)
    keep = np.zeros(len(codes), bool)
    for i in np.flatnonzero(good):
        keep[seen[at[i]] : seen[at[i + 1] - 1] + 1] = True
    renumber = np.cumsum(good) - 1
    kept_items = tuple(name for name, ok in zip(items, good) if ok)
    if keep.all() and good.all():
        return codes, times, values, covariates, kept_items, aside, source
    return (
        renumber[codes[keep]], times[keep], values[keep], {k: v[keep] for k, v in covariates.items()}, kept_items, aside,
        source[keep],
    )  # fmt: skip


def _assembled(
    table: Table, roles: Roles, rows: _Rows, options: ReadOptions, where: str, card: Card | None, notes: list[Note],
    n_rows: int, n_twice: int, aside: dict[str, str], grid: Grid, codes: np.ndarray, position: np.ndarray, values: np.ndarray,
    covariates: dict[str, np.ndarray], items: tuple[str, ...],
) -> Reading:  # fmt: skip
    n = len(items)
    bounds = np.searchsorted(codes, np.arange(n + 1))
    starts, ends = position[bounds[:-1]], position[bounds[1:] - 1]
    lengths = ends - starts + 1
    total = int(lengths.sum())
    if total > MOST_ROWS_OF_GRID:
        raise DataError(
            place="time",
            value=f"{total:,} instants for {len(codes):,} rows",
            rule="nearly all would be empty",
            remedy="Give --freq and --resample.",
        )
    n_gaps = total - len(codes)
    full_codes, full_position = codes, position
    gaps: tuple[dict[str, Any], ...] = ()
    index = _index(grid, rows.times)
    if n_gaps:
        gaps = _gaps(codes, position, items, index)
        n_runs = int(((np.diff(position) > 1) & (np.diff(codes) == 0)).sum())
        offsets = np.r_[0, np.cumsum(lengths)]
        row = offsets[codes] + position - starts[codes]
        full_codes = np.repeat(np.arange(n), lengths)
        full_position = np.arange(total) - np.repeat(offsets[:-1], lengths) + np.repeat(starts, lengths)
        values = _scattered(values, row, total)
        covariates = {name: _scattered(column, row, total) for name, column in covariates.items()}
        bounds = offsets
    n_missing = int(np.isnan(values).sum()) - n_gaps
    seen = findings.look(values, bounds)
    if options.fill != "none":
        values, filled = _filled(values, bounds, options.fill)
        notes.append(Note("warning", f"{several(filled, 'unobserved row')} filled: {options.fill}"))
    names = np.array(items, dtype=object)
    data = pd.DataFrame(
        {
            "item_id": names[full_codes],
            "timestamp": index[full_position],
            "target": values,
            **covariates,
        }
    )
    frame = SeriesFrame(
        data=data,
        calendar=Calendar(grid.freq, index, grid.sessions),
        target_name=rows.target_name,
        past=options.past,
        known=options.known,
        static=options.static,
        name=_short_name(where, table.name),
    )
    if options.season_length is not None:
        season, text = options.season_length, f"season {options.season_length}"
    else:
        season, text = find_season(frame)
    frame = replace(frame, season_length=season)
    facts = _look_facts(seen, items, full_codes, full_position, values, index)
    notes += findings.notes_of(facts)
    constant = tuple(items[i] for i in seen.constant)
    if constant:
        notes.append(Note("info", f"{len(constant)} series never change", constant[0]))
    if n_gaps:
        text = f"{several(n_gaps, 'instant')} without a row, in {several(n_runs, 'gap')}"
        notes.append(Note("info", text, f"longest: {gaps[0]['item_id']}, {gaps[0]['start']} to {gaps[0]['end']}"))
    profile = Profile(
        name=frame.name,
        source=where,
        n_rows=n_rows,
        n_items=n,
        columns=tuple(table.names[:500]),
        target=rows.target_name if len(roles.targets) == 1 else ",".join(roles.targets) if options.target else "",
        time=",".join(roles.time),
        item=rows.item_name,
        why=dict(roles.why),
        freq=grid.freq,
        freq_text=words(grid.freq) if not grid.sessions else f"sessions of {words(grid.freq)}",
        start=_label(index[int(starts.min())]),
        end=_label(index[int(ends.max())]),
        season_length=season,
        season_text=text,
        fingerprint=_fingerprint(items, bounds, full_position, index, values, covariates),
        units=card.units if card is not None else "",
        tz=rows.times.tz,
        time_format=rows.times.format,
        layout=roles.layout,
        other_numeric=tuple(roles.other_numeric),
        dialect={k: v for k, v in table.facts.items() if v not in (None, "")},
        n_missing=n_missing,
        n_gaps=n_gaps,
        gaps=gaps,
        ragged={"starts": int((starts > starts.min()).sum()), "ends": int((ends < ends.max()).sum())},
        duplicates=n_twice,
        jumps=tuple(facts["jumps"]),
        spikes=tuple(facts["spikes"]),
        constant=constant[:MOST_LISTED],
        set_aside=dict(list(aside.items())[:MOST_LISTED]),
        items=_item_facts(items, bounds, full_position, values, index),
        notes=tuple(notes),
    )  # fmt: skip
    return Reading(frame, profile)


def _short_name(where: str, table: str) -> str:
    if where.startswith("dataset:"):
        return where.removeprefix("dataset:")
    return Path(table).stem if where != "a frame in memory" and " [" not in table else table


def _index(grid: Grid, times: Instants) -> pd.Index:
    if times.steps:
        return pd.Index(grid.instants, dtype="int64")
    index = pd.DatetimeIndex(grid.instants.astype("datetime64[us]"))
    return index.tz_localize("UTC").tz_convert(_zone(times.tz)) if times.tz else index


def _zone(tz: str) -> Any:
    """A zone of pandas; ``UTC+02:00`` is a fixed offset."""
    import datetime as dt

    if tz.startswith("UTC") and len(tz) > 3:
        sign = -1 if tz[3] == "-" else 1
        hours, minutes = int(tz[4:6]), int(tz[7:9])
        return dt.timezone(sign * dt.timedelta(hours=hours, minutes=minutes))
    return tz


def _scattered(column: np.ndarray, row: np.ndarray, total: int) -> np.ndarray:
    out = np.full(total, np.nan) if column.dtype != object else np.full(total, None, dtype=object)
    out[row] = column
    return out


def _gaps(
    codes: np.ndarray, position: np.ndarray, items: tuple[str, ...], index: pd.Index
) -> tuple[dict[str, Any], ...]:
    """The longest gaps first."""
    wide = np.flatnonzero((np.diff(position) > 1) & (np.diff(codes) == 0))
    size = np.diff(position)[wide] - 1
    order = np.argsort(-size, kind="stable")[:MOST_LISTED]
    return tuple(
        {
            "item_id": items[codes[wide[k]]],
            "start": _label(index[position[wide[k]] + 1]),
            "end": _label(index[position[wide[k] + 1] - 1]),
            "n": int(size[k]),
        }
        for k in order
    )


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


def _label(moment: Any) -> str:
    if isinstance(moment, pd.Timestamp):
        midnight = moment.tz_localize(None) == moment.tz_localize(None).normalize()
        return (
            str(moment.date())
            if midnight
            else moment.isoformat(sep=" ", timespec="minutes" if not moment.second else "seconds")
        )
    return str(moment)


def _look_facts(
    seen: findings.Findings, items: tuple[str, ...], codes: np.ndarray, position: np.ndarray, values: np.ndarray,
    index: pd.Index,
) -> dict[str, Any]:  # fmt: skip
    def at(row: int) -> dict[str, Any]:
        return {"item_id": items[codes[row]], "timestamp": _label(index[position[row]])}

    return {
        "jumps": [{**at(row), "factor": factor} for row, factor in seen.jumps],
        "spikes": [{**at(row), "value": float(values[row])} for row in seen.spikes],
        "n_spikes": seen.n_spikes,
        "sentinels": [
            {"value": value, "n": count, "where": ", ".join(map(str, at(row).values()))}
            for value, count, row in seen.sentinels
        ],
    }


def _item_facts(
    items: tuple[str, ...], bounds: np.ndarray, position: np.ndarray, values: np.ndarray, index: pd.Index
) -> tuple[dict[str, Any], ...]:
    with np.errstate(invalid="ignore"):
        low = np.fmin.reduceat(values, bounds[:-1])
        high = np.fmax.reduceat(values, bounds[:-1])
    seen = np.add.reduceat(np.isfinite(values).astype(np.int64), bounds[:-1])
    total = np.add.reduceat(np.where(np.isfinite(values), values, 0.0), bounds[:-1])
    return tuple(
        {
            "item_id": items[i],
            "n": int(seen[i]),
            "start": _label(index[position[bounds[i]]]),
            "end": _label(index[position[bounds[i + 1] - 1]]),
            "min": float(low[i]),
            "max": float(high[i]),
            "mean": float(total[i] / max(1, seen[i])),
        }
        for i in range(min(len(items), MOST_LISTED))
    )


def _fingerprint(
    items: tuple[str, ...], bounds: np.ndarray, position: np.ndarray, index: pd.Index, values: np.ndarray,
    covariates: dict[str, np.ndarray],
) -> str:  # fmt: skip
    digest = hashlib.sha256()
    digest.update("\x1f".join(items).encode("utf-8", "surrogatepass"))
    digest.update(np.ascontiguousarray(bounds, dtype=np.int64).tobytes())
    whole = index.asi8 if isinstance(index, pd.DatetimeIndex) else index.to_numpy(np.int64)
    digest.update(np.ascontiguousarray(whole[position]).tobytes())
    digest.update(np.ascontiguousarray(values).tobytes())
    for name in sorted(covariates):
        column = covariates[name]
        digest.update(name.encode())
        digest.update(column.tobytes() if column.dtype != object else "\x1f".join(map(str, column)).encode())
    return digest.hexdigest()


def _of_frame(frame: SeriesFrame) -> Reading:
    """A frame that is checked already, with a short profile."""
    store, index = frame.store, frame.calendar.instants
    values = np.where(store.observed, store.values, np.nan)
    covariates = {name: frame.data[name].to_numpy() for name in (*frame.known, *frame.past, *frame.static)}
    profile = Profile(
        name=frame.name,
        source="a frame in memory",
        n_rows=len(frame),
        n_items=len(frame.items),
        columns=tuple(map(str, frame.data.columns)),
        target=frame.target_name,
        time="timestamp",
        item="item_id" if len(frame.items) > 1 else "",
        why={},
        freq=frame.calendar.freq,
        freq_text=words(frame.calendar.freq),
        start=_label(index[int(store.starts.min())]),
        end=_label(index[int(store.ends.max())]),
        season_length=frame.season_length,
        season_text=f"season {frame.season_length}",
        fingerprint=_fingerprint(frame.items, store.offsets, frame.positions, index, values, covariates),
        n_missing=int((~store.observed).sum()),
        ragged={
            "starts": int((store.starts > store.starts.min()).sum()),
            "ends": int((store.ends < store.ends.max()).sum()),
        },
        items=_item_facts(frame.items, store.offsets, frame.positions, values, index),
    )
    return Reading(frame, profile)
