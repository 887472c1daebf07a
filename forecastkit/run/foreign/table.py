"""Forecasts made elsewhere, read from a table and placed in the calendar of the data.

A table has a row a forecast: ``item_id, cutoff, timestamp, step, model, point`` and quantiles named by their level; or a
column a model in place of ``model`` and ``point``. The answers come from the data, never from that table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import DataError, near
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import NAIVES
from forecastkit.reading import Reading, ReadOptions
from forecastkit.reading.clocks import parse_times
from forecastkit.reading.instants import Instants
from forecastkit.reading.table import Table, open_table, text_of
from forecastkit.reading.values import parse_numbers
from forecastkit.run.foreign.columns import Columns, reading_notes

__all__ = ["ForeignForecasts", "read_forecasts"]


@dataclass(frozen=True, eq=False)
class ForeignForecasts:
    """Forecasts of all models, placed in the calendar of the data.

    Args:
        frame: the data, of those series that are forecast.
        cutoffs: [F] calendar positions, ascending.
        points: model -> [F, I, H]; NaN where it has none.
        quantiles: model -> level -> [F, I, H].
        gap: instants between cutoff and step 1.
        notes: what was not scored, and why.
    """

    frame: SeriesFrame
    cutoffs: np.ndarray
    points: dict[str, np.ndarray]
    quantiles: dict[str, dict[float, np.ndarray]]
    gap: int
    notes: tuple[str, ...]


def read_forecasts(source: Any, reading: Reading, options: ReadOptions | None = None) -> ForeignForecasts:
    """A table of forecasts, placed in the calendar of the data.

    Columns (spelled freely: ``ds``, ``unique_id``, ``yhat``...): ``timestamp`` with ``cutoff`` (the last instant that
    the forecaster knew) or ``step`` (from 1), or ``cutoff`` with ``step``; ``point``; where the data have several
    series ``item_id``; optionally ``model`` and quantiles (``0.1``, ``q10``, ``p90``). Without ``point``, every other
    numeric column is a model.

    Args:
        source: path or frame.
        reading: the data.
        options: ``date_format`` and ``tz`` of the times.

    Raises:
        DataError: a column is missing, a row does not fit to the data (its line is named), a forecast is given twice,
            or nothing can be scored.
    """
    options = options or ReadOptions()
    table = open_table(source, ReadOptions(date_format=options.date_format))
    columns = Columns.of(table, reading)
    rows = _Rows.of(table, columns, reading, options)
    return _placed(rows, columns, reading.frame, _stem(source))


def _stem(source: Any) -> str:
    return Path(source).stem.split(".")[0] or "given" if isinstance(source, (str, Path)) else "given"


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of the table, one a forecast.

    Args:
        item: [N] position among the items of the data.
        cutoff, when: [N] calendar positions; ``when`` -1 = not an instant of the data, -2 = after their end.
        key: [N] what tells two times apart, also of those that the data do not have.
        step: [N] as given, or 0.
        row: [N] row of the table.
    """

    table: Table
    item: np.ndarray
    cutoff: np.ndarray
    when: np.ndarray
    key: np.ndarray
    step: np.ndarray
    model: np.ndarray
    points: dict[str, np.ndarray]
    quantiles: dict[float, np.ndarray]

    @classmethod
    def of(cls, table: Table, columns: Columns, reading: Reading, options: ReadOptions) -> _Rows:
        frame, calendar = reading.frame, reading.frame.calendar
        texts = [*columns.items, *([columns.model] if columns.model else [])]
        times = [c for c in (columns.timestamp, columns.cutoff) if c]
        numbers = [*columns.points, *columns.quantiles.values(), *([columns.step] if columns.step else [])]
        loaded = table.load({**dict.fromkeys([*texts, *times], "text"), **dict.fromkeys(numbers, "number")})
        n = len(loaded[columns.points[0]])

        def number(name: str) -> np.ndarray:
            return _number(loaded[name], name, table)

        step = (
            np.zeros(n, np.int64) if columns.step is None else _whole_steps(number(columns.step), columns.step, table)
        )
        item = _items(loaded, columns, frame, table, n)
        cutoff = when = key = None
        if columns.cutoff:
            at = _instants(loaded[columns.cutoff], columns.cutoff, table, frame, options)
            cutoff = np.asarray(calendar.instants.searchsorted(at, side="right"), np.int64) - 1
            _refuse(cutoff < 0, table, at, columns.cutoff, "before the first row of the data", "Correct the cutoff.")
        if columns.timestamp:
            at = _instants(loaded[columns.timestamp], columns.timestamp, table, frame, options)
            when = calendar.instants.get_indexer(at).astype(np.int64)
            when = np.where((when < 0) & np.asarray(at > calendar.instants[-1]), -2, when)
            key = at.asi8 if isinstance(at, pd.DatetimeIndex) else at.to_numpy(np.int64)
        if when is None:
            assert cutoff is not None
            when = cutoff + step
            key = when
            when = np.where(when >= len(calendar), -2, when)
        if cutoff is None:
            cutoff = np.where(when >= 0, when - step, 0)
            _refuse(cutoff < 0, table, step, columns.step or "", "its cutoff lies before the data", "Correct the step.")
        model = _texts(loaded[columns.model]) if columns.model else np.full(n, "", dtype=object)
        points = {name: number(name) for name in columns.points}
        quantiles = {q: number(name) for q, name in columns.quantiles.items()}
        assert key is not None
        return cls(table, item, cutoff, when, key, step, model, points, quantiles)


def _refuse(bad: np.ndarray, table: Table, shown: Any, column: str, rule: str, remedy: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(place=f"{table.where(row)}, column {column!r}", value=str(shown[row]), rule=rule, remedy=remedy)


def _number(column: Any, name: str, table: Table) -> np.ndarray:
    try:
        return parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure).values
    except DataError as error:
        # The reader's remedy speaks of options that a table of forecasts does not have.
        raise DataError(
            place=error.place, value=error.value, rule=error.rule, remedy="Correct the cell or leave it empty."
        ) from None


def _moments(column: Any, name: str, table: Table, date_format: str | None, tz: str | None) -> Instants:
    try:
        times = parse_times(column, name, table.where, date_format=date_format, tz=tz)
        # Numbers whose meaning the column's name did not tell.
        return parse_times(column, "date", table.where, date_format=date_format, tz=tz) if times.steps else times
    except DataError as error:
        raise DataError(
            place=error.place,
            value=error.value,
            rule=error.rule,
            remedy="Write times as in the data, or as 2024-01-31.",
        ) from None


def _texts(column: Any) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return np.array([t or "" for t in text_of(column).to_pylist()], dtype=object)


def _whole_steps(values: np.ndarray, name: str, table: Table) -> np.ndarray:
    bad = ~(values >= 1) | (values != np.floor(values)) | (values > 10**6)
    _refuse(
        bad, table, values, name, "a whole number from 1 is needed", "Step 1 is the first instant after the cutoff."
    )
    return values.astype(np.int64)


def _items(loaded: Mapping[str, Any], columns: Columns, frame: SeriesFrame, table: Table, n: int) -> np.ndarray:
    if not columns.items:
        return np.zeros(n, np.int64)
    parts = [_texts(loaded[name]) for name in columns.items]
    names = parts[0] if len(parts) == 1 else np.array(["/".join(p) for p in zip(*parts)], dtype=object)
    codes, unique = pd.factorize(names)
    if len(frame.items) == 1 and len(unique) == 1:
        return np.zeros(n, np.int64)
    at = {name: k for k, name in enumerate(frame.items)}
    found = np.array([at.get(str(u), -1) for u in unique], np.int64)[codes]
    if (found < 0).any():
        row = int(np.flatnonzero(found < 0)[0])
        raise DataError(
            place=f"{table.where(row)}, column {', '.join(columns.items)}",
            value=repr(str(names[row])[:60]),
            rule="the data have no such series",
            remedy=near(str(names[row]), frame.items),
        )
    return found


def _instants(column: Any, name: str, table: Table, frame: SeriesFrame, options: ReadOptions) -> pd.Index:
    """A column of times as instants of the data's kind.

    Raises:
        DataError: empty cells, or times of another kind.
    """
    calendar = frame.calendar
    if calendar.is_integer:
        values = _number(column, name, table)
        bad = ~np.isfinite(values) | (values != np.floor(values))
        _refuse(bad, table, values, name, "the data count steps: a whole number is needed", "Correct the line.")
        return pd.Index(values.astype(np.int64))
    zone = getattr(calendar.instants, "tz", None)
    times = _moments(column, name, table, options.date_format, None if zone is None else str(zone))
    if times.steps or (zone is None) != (not times.tz):
        kinds = "counted steps" if times.steps else "times with a zone" if times.tz else "times without a zone"
        raise DataError(
            place=f"{table.name}, column {name!r}",
            value=kinds,
            rule=f"the data have {'times without a zone' if zone is None else f'times in {zone}'}",
            remedy="Write both in the same way.",
        )
    _refuse(~times.valid, table, np.full(len(times.valid), ""), name, "no time", "Fill in or remove the line.")
    index = pd.DatetimeIndex(times.values.astype("datetime64[us]"))
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    return _by_period(index.as_unit(pd.DatetimeIndex(calendar.instants).unit), calendar)


def _by_period(index: pd.DatetimeIndex, calendar: Calendar) -> pd.DatetimeIndex:
    """Months, quarters and years may be written by another of their days: the last for the first."""
    unit = re.sub(r"^\d+|-.*$", "", calendar.freq).removeprefix("B")[:1]
    instants = pd.DatetimeIndex(calendar.instants)
    if unit not in ("M", "Q", "Y") or "min" in calendar.freq or len(index.intersection(instants)):
        return index
    naive = instants.tz_localize(None)
    known = {period: k for k, period in enumerate(naive.to_period(unit))}
    if len(known) < len(instants):
        return index
    at = np.array([known.get(period, -1) for period in index.tz_localize(None).to_period(unit)], np.int64)
    return index.where(at < 0, instants.take(np.maximum(at, 0)))


def _placed(rows: _Rows, columns: Columns, frame: SeriesFrame, stem: str) -> ForeignForecasts:
    keys = pd.DataFrame({"model": rows.model, "item": rows.item, "cutoff": rows.cutoff, "key": rows.key})
    if columns.cutoff is None:
        keys["cutoff"] = rows.step
    twice = keys.duplicated().to_numpy()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        first = int(np.flatnonzero((keys == keys.iloc[row]).all(axis=1))[0])
        raise DataError(
            place=rows.table.where(row),
            rule=f"a second forecast of the same series, cutoff and time; the first is in {rows.table.where(first)}",
            remedy="Remove one, or tell them apart by a column model.",
        )
    inside = rows.when >= 0
    lead = rows.when - rows.cutoff
    _refuse(
        inside & (lead <= 0), rows.table, lead, columns.cutoff or "cutoff",
        "the forecast is for a time at or before its cutoff", "The cutoff is the last instant that was known.",
    )  # fmt: skip
    notes = [*reading_notes(columns), *_left_out(rows, inside)]
    if not inside.any():
        raise DataError(
            place=rows.table.name,
            rule=f"no forecast is for a time of the data, {frame.calendar.instants[0]} to {frame.calendar.instants[-1]}",
            remedy="Give data that reach over the forecast times.",
        )
    step, gap = _steps(rows, lead, inside, columns)
    cutoffs, fold = np.unique(rows.cutoff[inside], return_inverse=True)
    used, item = np.unique(rows.item[inside], return_inverse=True)
    if len(used) < len(frame.items):
        notes.append(f"{len(used)} of {len(frame.items)} series of the data are forecast; the others are left out.")
        frame = frame.select(tuple(frame.items[i] for i in used))
    shape = (len(cutoffs), len(used), int(step[inside].max()))
    names = dict.fromkeys(str(m) for m in rows.model[inside])
    points: dict[str, np.ndarray] = {}
    quantiles: dict[str, dict[float, np.ndarray]] = {}
    n_missing = 0
    for name in names:
        own = (rows.model[inside] == name) if columns.model else np.ones(int(inside.sum()), bool)
        where = (fold[own], item[own], step[inside][own] - 1)
        for column, values in rows.points.items():
            label = _label(name, column if len(rows.points) > 1 else "", stem)
            cube = np.full(shape, np.nan)
            cube[where] = values[inside][own]
            n_missing += int((~np.isfinite(values[inside][own])).sum())
            points[label] = cube
            quantiles[label] = {}
            for q, level in rows.quantiles.items() if len(rows.points) == 1 else ():
                cube = np.full(shape, np.nan)
                cube[where] = level[inside][own]
                if np.isfinite(cube).any():
                    quantiles[label][q] = cube
    if n_missing:
        notes.append(f"{n_missing} forecasts are empty.")
    if rows.quantiles and len(rows.points) > 1:
        notes.append("Quantiles are left out: with a column a model, nobody knows whose they are.")
    return ForeignForecasts(frame, cutoffs, points, quantiles, gap, tuple(notes))


def _label(model: str, column: str, stem: str) -> str:
    name = " ".join(part for part in (model, column) if part) or stem
    return f"{name} (given)" if name in NAIVES else name


def _left_out(rows: _Rows, inside: np.ndarray) -> list[str]:
    out = []
    for code, words in ((-2, "after the last row of the data"), (-1, "at times that the data do not have")):
        hit = np.flatnonzero(rows.when == code)
        if len(hit):
            n = len(hit)
            out.append(
                f"{n} forecast{'s' * (n != 1)} {words} {'are' if n != 1 else 'is'} not scored, the first in "
                f"{rows.table.where(int(hit[0]))}."
            )
    return out


def _steps(rows: _Rows, lead: np.ndarray, inside: np.ndarray, columns: Columns) -> tuple[np.ndarray, int]:
    """Steps [N] from 1, and the gap."""
    if columns.step is None or columns.cutoff is None or columns.timestamp is None:
        if columns.step is not None:
            return rows.step, 0
        gap = int(lead[inside].min()) - 1
        return lead - gap, gap
    extra = lead - rows.step
    values, counts = np.unique(extra[inside], return_counts=True)
    gap = int(values[np.argmax(counts)])
    bad = inside & (extra != gap)
    if gap < 0:
        bad = inside & (extra < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            place=f"{rows.table.where(row)}, column {columns.step!r}",
            value=str(rows.step[row]),
            rule=f"its time lies {lead[row]} instants of the data after its cutoff",
            remedy="Correct the step, the cutoff or the time, or leave out the column of steps.",
        )
    return rows.step, gap
