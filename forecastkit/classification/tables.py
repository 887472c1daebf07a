"""Reading tables whose columns the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecastkit.errors import DataError, UnknownNameError, near

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_CLASSES", "load", "natural", "need", "text"]

MOST_CLASSES = 50


def load(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file.

    Raises:
        DataError: unreadable, or without rows.
    """
    import pandas as pd

    if not path.is_file():
        here = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        raise DataError(place=str(path), rule="no such file", remedy=near(path.name, here) if here else "")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except (OSError, ValueError, EOFError, pd.errors.ParserError) as error:
        why = " ".join(str(error).split())[:100]
        raise DataError(place=str(path), value=why, rule="not a readable table") from None
    if not len(table):
        raise DataError(place=str(path), rule="the table has no rows")
    if path.suffix != ".parquet" and not isinstance(table.index, pd.RangeIndex):
        # pandas takes what is too much for an index, and every column slips by one.
        raise DataError(place=str(path), rule="rows have more cells than the header", remedy="Name every column.")
    table.columns = [str(c) for c in table.columns]
    return table


def need(table: pd.DataFrame, path: Path, option: str, name: str) -> None:
    """Raises UnknownNameError where the table has no such column."""
    if name not in table:
        raise UnknownNameError(
            place=f"{path}, {option}", value=repr(name), rule="no such column", remedy=near(name, table.columns)
        )


def text(column: pd.Series) -> pd.Series:
    """Labels and names as text; 1.0 of a column with holes is 1."""
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("string")


def natural(name: str) -> tuple[int, float, str]:
    """Sorts 2 before 10, and numbers before words."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
