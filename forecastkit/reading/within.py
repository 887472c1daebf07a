"""The time that is read: rows before ``start`` and after ``end`` do not exist."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError
from forecastkit.read_options import ReadOptions
from forecastkit.reading.instants import to_wall
from forecastkit.reading.rows import Parsed
from forecastkit.reading.values import Note, several

__all__ = ["within"]

DATE = re.compile(r"\d{8}|\d{4}(?:[-/]\d\d?){0,2}|\d{4}-?Q[1-4]|\d{4}-\d\d-\d\d[ T]\d\d?:\d\d(?::\d\d(?:\.\d{1,6})?)?")


def within(rows: Parsed, options: ReadOptions) -> tuple[Parsed, list[Note]]:
    """The rows from ``options.start`` to the end of ``options.end``, and how many were left out.

    Raises:
        ConfigError: no date (or no step, for counted time).
        DataError: no row is left.
    """
    if not options.start and not options.end:
        return rows, []
    times = rows.times
    clock = times.values if times.steps else to_wall(times.values, times.tz)
    low = _edge(options.start, times.steps, "--start", last=False)
    high = _edge(options.end, times.steps, "--end", last=True)
    keep = ~times.valid | ((clock >= low) & (clock <= high))
    n_out = int((~keep).sum())
    if not n_out:
        return rows, []
    if not (keep & times.valid).any():
        seen = clock[times.valid]
        first, last = (str(v) if times.steps else str(pd.Timestamp(v, unit="us")) for v in (seen.min(), seen.max()))
        raise DataError(
            place="--start, --end",
            value=f"from {options.start or '...'} to {options.end or '...'}",
            rule=f"no row lies there; the data go from {first} to {last}",
            remedy="Give other dates.",
        )
    kept = replace(
        rows,
        codes=rows.codes[keep],
        times=replace(times, values=times.values[keep], valid=times.valid[keep]),
        values=rows.values[keep],
        covariates={name: column[keep] for name, column in rows.covariates.items()},
        source_row=np.flatnonzero(keep) if rows.source_row is None else rows.source_row[keep],
        order=None,
    )
    asked = " and ".join(
        w for w in (options.start and f"before {options.start}", options.end and f"after {options.end}") if w
    )
    return kept, [Note("info", f"{several(n_out, 'row')} {asked} not read")]


def _edge(text: str, steps: bool, option: str, *, last: bool) -> int:
    """Microseconds of wall clock, or a step."""
    if not text:
        return int(np.iinfo(np.int64).max if last else np.iinfo(np.int64).min)
    try:
        if steps:
            return int(text)
        if DATE.fullmatch(text.strip()) is None:
            raise ValueError  # pandas would guess at 01/02/2015, and read over a zone
        found = pd.Period(text.strip())
        stamp: pd.Timestamp = found.end_time if last else found.start_time
        return int(stamp.to_datetime64().astype("datetime64[us]").astype(np.int64))
    except (ValueError, AttributeError, OverflowError, TypeError):
        remedy = "Write it as 2015-01-31." if not steps else "The data count steps: give a whole number."
        raise ConfigError(
            place=option, value=repr(text)[:40], rule="not a step" if steps else "not a date", remedy=remedy
        ) from None
