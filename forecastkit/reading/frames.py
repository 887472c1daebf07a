"""pandas, polars and Arrow frames, and Excel sheets, as tables; the caller's frame is never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from forecastkit.errors import DataError
from forecastkit.read_options import ReadOptions
from forecastkit.reading.bytes import short
from forecastkit.reading.dialect import distinct_names, renaming_notes
from forecastkit.reading.table import ArrowTable, usual_text

__all__ = ["from_excel", "from_frame"]


def from_frame(source: Any) -> ArrowTable:
    """A frame in memory as a table.

    Raises:
        DataError: no frame of a known kind, or no rows.
    """
    if isinstance(source, pd.Series):
        source = source.to_frame(source.name if source.name is not None else "value")
    if isinstance(source, pd.DataFrame):
        try:
            table = _from_pandas(source)
        except UnicodeEncodeError as error:
            raise DataError(
                place="data frame",
                value=repr(error.object)[:40],
                rule="not text that can be written as UTF-8",
                remedy="Correct it, as in text.encode(errors='replace').decode().",
            ) from None
    elif isinstance(source, pa.Table):
        table = source
    elif isinstance(source, pa.RecordBatch):
        table = pa.table(source)
    elif hasattr(source, "collect") and hasattr(source, "collect_schema"):
        return from_frame(_made(source.collect))
    elif hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__"):
        table = pa.table(source) if hasattr(source, "__arrow_c_stream__") else pa.interchange.from_dataframe(source)
    elif isinstance(source, dict):
        return from_frame(_made(lambda: pd.DataFrame(source)))
    else:
        raise DataError(
            place="data",
            value=type(source).__name__,
            rule="not a path or a frame",
            remedy="Give a file name, or a pandas, polars or Arrow frame.",
        )
    if table.num_rows == 0:
        raise DataError(place="data frame", rule="no rows", remedy="Give a frame with rows.")
    names = [str(n) for n in table.column_names]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise DataError(
            place="data frame", value=f"two columns {twice!r}", rule="names must differ", remedy="Rename one."
        )
    return ArrowTable(
        "data", usual_text(table.rename_columns(names)), {"format": type(source).__module__.split(".")[0]}
    )


def _made(make: Callable[[], Any]) -> Any:
    """A frame of what is none yet.

    Raises:
        DataError: its library refuses.
    """
    try:
        return make()
    except Exception as error:  # polars' errors and those of what a plan reads share no base
        said = f"{type(error).__name__}: {short(error)}"
        raise DataError(
            place="data", value=said, rule="no frame can be made of it", remedy="Give a frame with rows."
        ) from None


def _from_pandas(frame: pd.DataFrame) -> pa.Table:
    indexed = not (
        isinstance(frame.index, pd.RangeIndex) or (frame.index.nlevels == 1 and frame.index.dtype.kind == "i")
    )
    index = []
    if indexed:
        for k in range(frame.index.nlevels):
            level = frame.index.get_level_values(k)
            fallback = "timestamp" if isinstance(level, (pd.DatetimeIndex, pd.PeriodIndex)) else f"index_{k}"
            index.append((level.name if level.name is not None else fallback, pd.Series(level)))
    names, arrays = [], []
    for name, column in [*index, *((n, frame.iloc[:, k]) for k, n in enumerate(frame.columns))]:
        names.append(" ".join(map(str, name)) if isinstance(name, tuple) else str(name))
        arrays.append(_array(column, names[-1]))
    return pa.Table.from_arrays(arrays, names=names)


def _array(column: pd.Series, name: str) -> pa.Array:
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if isinstance(column.dtype, pd.SparseDtype):
        column = pd.Series(np.asarray(column), index=column.index)
    if column.dtype.kind == "c":
        raise DataError(
            place=f"column {name!r}",
            value="complex numbers",
            rule="real numbers are needed",
            remedy="Take the real part or the size.",
        )
    try:
        out = pa.Array.from_pandas(column)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        out = _mixed(list(column))
    return out.combine_chunks() if isinstance(out, pa.ChunkedArray) else out


def _mixed(cells: list[Any]) -> pa.Array:
    """Cells of several types as text; dates keep ISO form."""
    return pa.array([None if _is_none(c) else _text(c) for c in cells], pa.string())


def _is_none(cell: Any) -> bool:
    return (
        cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, (float, np.floating)) and np.isnan(cell))
    )


def _text(cell: Any) -> str:
    if isinstance(cell, (dt.datetime, dt.date, dt.time)):
        return cell.isoformat()
    return str(cell)


def from_excel(path: Path, options: ReadOptions) -> ArrowTable:
    """The first sheet with rows.

    Raises:
        DataError: the extra is missing, or no readable sheet.
    """
    name, rows = next(((n, r) for n, r in _sheets(path) if any(map(_n_filled, r))), ("", []))
    if not rows:
        raise DataError(place=str(path), rule="no sheet has rows", remedy="Give a file with a header and rows.")
    skip, width = options.skip_rows or 0, max(len(row) for row in rows)
    start = next((k for k, row in enumerate(rows) if k >= skip and _n_filled(row) >= min(2, width)), skip)
    if len(rows) - start < 2:
        raise DataError(place=str(path), rule="a header and no rows", remedy="Give a file with rows.")
    rows = [[*row, *[None] * (width - len(row))] for row in rows[start:]]
    kept = [k for k in range(width) if _n_filled([row[k] for row in rows])]
    heads = [str(rows[0][k] if rows[0][k] is not None else "").strip() or f"column_{k + 1}" for k in kept]
    names, renamed = distinct_names(heads, len(heads))
    arrays = [_sheet_column([row[k] for row in rows[1:]]) for k in kept]
    facts: dict[str, object] = {"format": "excel", "sheet": name, "lines_skipped": start}
    table = pa.Table.from_arrays(arrays, names=list(names))
    return ArrowTable(f"{path.name} [{name}]", table, facts, tuple(renaming_notes(renamed)), start + 2, word="row")


def _sheets(path: Path) -> list[tuple[str, list[list[Any]]]]:
    """(name, rows of cells) of each sheet."""
    try:
        import python_calamine as calamine
    except ImportError:
        raise DataError(
            place=str(path), rule="reading Excel needs an extra", remedy="pip install 'forecastkit[excel]'"
        ) from None
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        return [(name, book.get_sheet_by_name(name).to_python(skip_empty_area=False)) for name in book.sheet_names]
    except Exception as error:  # calamine's errors share no public base
        raise DataError(
            place=str(path),
            value=short(error),
            rule="no readable Excel file",
            remedy="Open and save it again, or export a CSV.",
        ) from None


def _n_filled(cells: list[Any]) -> int:
    return sum(c not in ("", None) for c in cells)


def _sheet_column(cells: list[Any]) -> pa.Array:
    clean = [None if c == "" else c for c in cells]
    kinds = {type(c) for c in clean if c is not None}
    if kinds and kinds <= {dt.datetime, dt.date}:
        moments = [c if c is None or isinstance(c, dt.datetime) else dt.datetime.combine(c, dt.time()) for c in clean]
        return pa.array(moments, pa.timestamp("us"))
    if kinds and kinds <= {int, float}:
        return pa.array([None if c is None else float(c) for c in clean], pa.float64())
    if kinds == {bool}:
        return pa.array(clean, pa.bool_())
    return _mixed(clean)
