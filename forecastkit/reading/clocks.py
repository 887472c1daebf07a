"""Columns of numbers that mean time: epochs, spreadsheet serials, years, yyyymmdd, elapsed seconds, steps."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import DataError
from forecastkit.reading.instants import DAY, SECOND, Instants, Where, checked_zone, localised
from forecastkit.reading.order import distinct
from forecastkit.reading.times import coded, compose_date, parse_text
from forecastkit.reading.values import Note, is_number, is_text

__all__ = ["parse_numeric", "parse_times"]

_DATE_WORDS = ("date", "day", "datum", "fecha", "tag", "giorno", "data", "jour")
_TIME_WORDS = (*_DATE_WORDS, "time", "ds", "period", "month", "year", "ym", "stamp", "mes", "monat", "mois")
_EXCEL_EPOCH = -25569
"""1899-12-30 in days since 1970: what spreadsheets count from since their phantom 29 February 1900."""


def parse_times(
    column: pa.ChunkedArray | pa.Array,
    name: str,
    where: Where,
    *,
    date_format: str | None = None,
    tz: str | None = None,
) -> Instants:
    """A column of any type as instants or steps.

    Raises:
        DataError: a cell that is no time, or times with two readings.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        return _typed(column, kind.tz or "", tz, name, where)
    if pa.types.is_date(kind):
        return _typed(pc.cast(column, pa.timestamp("us")), "", tz, name, where)
    if is_number(kind):
        valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
        if date_format is None:
            to = pa.int64() if pa.types.is_integer(kind) else pa.float64()
            values = pc.fill_null(pc.cast(column, to, safe=False), 0).to_numpy(zero_copy_only=False)
            valid = valid & np.isfinite(values)
            if not valid.all():
                values = np.where(valid, values, 0)
            return parse_numeric(values, valid, name, where, tz=tz)
        column = pc.cast(column, pa.string())
    elif not (is_text(kind) or pa.types.is_dictionary(kind) or pa.types.is_null(kind)):
        raise DataError(place=f"column {name!r}", value=str(kind), rule="times are needed", remedy="Give --time.")
    texts, codes = coded(column)
    if not (codes >= 0).any():
        raise DataError(
            place=f"column {name!r}", value="only empty cells", rule="times are needed", remedy="Give --time COLUMN."
        )
    used = distinct(codes[codes >= 0])
    if date_format is None:
        numbers = _as_numbers(texts, used)
        if numbers is not None:
            valid = codes >= 0
            values = np.where(valid, numbers[np.where(valid, codes, 0)], 0)
            return parse_numeric(values, valid, name, where, tz=tz)
    return parse_text(texts, codes, name, where, date_format=date_format, tz=tz)


def _as_numbers(texts: pa.Array, used: np.ndarray) -> np.ndarray | None:
    """Texts as int64 or float64 where every used one is a plain number."""
    kept = texts.take(pa.array(used))
    for to in (pa.int64(), pa.float64()):
        try:
            numbers = pc.cast(kept, to).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            continue
        if not np.isfinite(numbers).all():
            return None
        out = np.zeros(len(texts), numbers.dtype)
        out[used] = numbers
        return out
    return None


def _typed(column: pa.ChunkedArray | pa.Array, zone: str, tz: str | None, name: str, where: Where) -> Instants:
    us = pc.cast(column, pa.timestamp("us", zone or None), safe=False)
    whole = us.combine_chunks() if isinstance(us, pa.ChunkedArray) else us
    valid = pc.is_valid(whole).to_numpy(zero_copy_only=False) if whole.null_count else np.ones(len(whole), bool)
    whole = pc.cast(whole, pa.int64())
    values = (pc.fill_null(whole, 0) if whole.null_count else whole).to_numpy(zero_copy_only=False)
    if zone:
        shown = checked_zone(tz or ("UTC" if zone in ("UTC", "+00:00", "Z") else _named(zone)))
        return Instants(values, valid, shown, False, "typed timestamps")
    times = Instants(values, valid, "", False, "ISO 8601")
    return localised(times, tz, name, where) if tz else times


def _named(zone: str) -> str:
    """``+05:30`` and ``+0530`` as offsets from UTC; names as they are."""
    return f"UTC{zone[:3]}:{zone[3:].strip(':') or '00'}" if zone[0] in "+-" else zone


def _steps(values: np.ndarray, valid: np.ndarray, text: str, *notes: Note) -> Instants:
    return Instants(values.astype(np.int64), valid, "", True, text, notes)


def _instants(
    values: np.ndarray, valid: np.ndarray, text: str, tz: str | None, name: str, where: Where, *notes: Note
) -> Instants:
    times = Instants(np.where(valid, values, 0).astype(np.int64), valid, "", False, text, notes)
    return localised(times, tz, name, where) if tz else times


def _is_epoch(lo: float, hi: float) -> tuple[str, float] | None:
    """(unit, microseconds a unit) of numbers that count from 1970; a range of 1973 to 2286 each."""
    for unit, scale, low in (
        ("seconds", 1e6, 1e8),
        ("milliseconds", 1e3, 1e11),
        ("microseconds", 1, 1e14),
        ("nanoseconds", 1e-3, 1e17),
    ):
        if low <= lo and hi < low * 100:
            return unit, scale
    return None


def parse_numeric(values: np.ndarray, valid: np.ndarray, name: str, where: Where, *, tz: str | None = None) -> Instants:
    """Numbers as instants or steps, by their size and the column's name.

    Args:
        values: [n] int64 or float64.
        valid: [n] bool.
        name: column.
        where: row -> place.
        tz: zone of the wall clock; epochs are UTC and are shown in it.

    Raises:
        DataError: elapsed time without a regular step.
    """
    known = values[valid]
    lower = name.lower()
    if not len(known):
        raise DataError(
            place=f"column {name!r}", value="only empty cells", rule="times are needed", remedy="Give --time COLUMN."
        )
    lo, hi = float(known.min()), float(known.max())
    if max(abs(lo), abs(hi)) >= 2**62:
        row = int(np.flatnonzero(valid)[np.abs(known.astype(np.float64)).argmax()])
        raise DataError(
            place=f"{where(row)}, column {name!r}",
            value=f"{values[row]:g}",
            rule="too large for a time or a step",
            remedy="Correct the cell, or choose another column with --time.",
        )
    whole = bool((known == np.floor(known)).all())
    dated = any(word in lower for word in _DATE_WORDS)
    timed = any(word in lower for word in _TIME_WORDS)
    if whole:
        exact = np.where(valid, values, 0).astype(np.int64)
        digits = _digits(exact, valid, lo, hi, timed)
        if digits is not None:
            return _instants(digits[0], valid, digits[1], tz, name, where)
        if lo >= 1600 and hi <= 2200 and timed:
            days, _ = compose_date(exact, np.ones(len(exact), np.int64), np.ones(len(exact), np.int64))
            return _instants(days * DAY, valid, "years", tz, name, where)
    epoch = _is_epoch(lo, hi)
    if epoch is not None:
        unit, scale = epoch
        us = (
            values // 1000
            if unit == "nanoseconds"
            else (values.astype(np.float64) * scale).round()
            if not whole
            else values * int(scale)
        )
        note = Note("info", f"{name}: {unit} since 1970, in UTC")
        out = np.where(valid, us, 0).astype(np.int64)
        return Instants(out, valid, checked_zone(tz) if tz else "UTC", False, f"epoch {unit}", (note,))
    if dated and lo >= 3654 and hi <= 106_000:
        note = Note("info", f"{name}: read as spreadsheet serial days since 1899-12-30")
        us = ((values.astype(np.float64) + _EXCEL_EPOCH) * 86_400).round().astype(np.int64) * SECOND
        return _instants(us, valid, "spreadsheet serials", tz, name, where, note)
    if whole:
        return _steps(np.where(valid, values, 0), valid, "integers counted as steps")
    if lo >= 1500 and hi <= 2200:
        return _instants(_decimal_years(values.astype(np.float64)), valid, "decimal years", tz, name, where)
    return _elapsed(values.astype(np.float64), valid, name)


def _digits(exact: np.ndarray, valid: np.ndarray, lo: float, hi: float, timed: bool) -> tuple[np.ndarray, str] | None:
    """yyyymmdd, yyyymmddhh, yyyymm, yyyymmddhhmm and ...ss where every number is such a day."""
    forms = (
        ("yyyymmdd", 15000101, 22001231),
        ("yyyymmddhh", 1500010100, 2200123123),
        ("yyyymmddhhmm", 150001010000, 220012312359),
        ("yyyymmddhhmmss", 15000101000000, 22001231235959),
    )
    for n_parts, (text, low, high) in enumerate(forms):
        if not (low <= lo and hi <= high):
            continue
        scale = 100**n_parts
        date, clock = exact // scale, exact % scale
        days, ok = compose_date(date // 10_000, date // 100 % 100, date % 100)
        parts = [clock // 100 ** (n_parts - 1 - k) % 100 for k in range(n_parts)]
        for part, limit in zip(parts, (24, 60, 60)):
            ok &= part < limit
        if ok[valid].all():
            seconds = sum((part * unit for part, unit in zip(parts, (3600, 60, 1))), np.zeros(len(exact), np.int64))
            return days * DAY + seconds * SECOND, text
    if timed and lo >= 150_001 and hi <= 220_012:
        days, ok = compose_date(exact // 100, exact % 100, np.ones(len(exact), np.int64))
        if ok[valid].all():
            return days * DAY, "yyyymm"
    return None


def _decimal_years(values: np.ndarray) -> np.ndarray:
    """1959.25 -> 1 April 1959: months where all fit months, else the nearest day."""
    year = np.floor(values)
    fraction = values - year
    month = fraction * 12
    if (np.abs(month - month.round()) < 0.07).all():
        count = (year * 12 + month.round()).astype(np.int64)
        days, _ = compose_date(count // 12, count % 12 + 1, np.ones(len(count), np.int64))
        return days * DAY
    one = np.ones(len(values), np.int64)
    first, _ = compose_date(year.astype(np.int64), one, one)
    after, _ = compose_date(year.astype(np.int64) + 1, one, one)
    return (first + (fraction * (after - first)).round().astype(np.int64)) * DAY


def _elapsed(values: np.ndarray, valid: np.ndarray, name: str) -> Instants:
    """Elapsed time at an even pace (0.000, 0.003, 0.006, ...) as steps."""
    known = distinct(values[valid])
    gaps = np.diff(known)
    step = float(np.median(gaps)) if len(gaps) else 1.0
    # The mean over whole steps is finer than the median of rounded figures.
    step = (known[-1] - known[0]) / np.round(gaps / step).sum() if len(gaps) else 1.0
    count = np.round((values - known[0]) / step)
    off = np.abs((known - known[0]) / step - np.round((known - known[0]) / step))
    if len(gaps) and (off.max() > 0.4 or len(distinct(count[valid])) != len(known)):
        raise DataError(
            place=f"column {name!r}",
            value=f"gaps from {gaps.min():g} to {gaps.max():g}",
            rule="elapsed time without a regular step",
            remedy="Bring the rows to an even pace first, or choose another --time column.",
        )
    note = Note("info", f"{name}: elapsed time in steps of {step:.6g}, counted from {known[0]:g}")
    return _steps(np.where(valid, count, 0), valid, "elapsed time counted as steps", note)
