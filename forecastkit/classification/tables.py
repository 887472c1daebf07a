"""Reading tables whose columns the user names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecastkit.errors import DataError, UnknownNameError, near

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["classes_in", "header_of", "load", "need", "text"]

MOST_CLASSES = 50


def load(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file.

    Raises:
        DataError: unreadable, or without rows.
    """
    import pandas as pd

    if path.is_dir():
        raise DataError(place=str(path), rule="a folder, not a table", remedy="Give a CSV or Parquet file.")
    if not path.is_file():
        here = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        raise DataError(place=str(path), rule="no such file", remedy=near(path.name, here) if here else "")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except Exception as error:  # every kind of archive has errors of its own
        why = " ".join(str(error).split())[:100]
        raise DataError(place=str(path), value=why, rule="not a readable table") from None
    if not len(table):
        raise DataError(place=str(path), rule="the table has no rows")
    if path.suffix == ".parquet":
        table = table.reset_index(drop=True)  # errors count its rows
    elif not isinstance(table.index, pd.RangeIndex):
        # pandas takes what is too much for an index, and every column slips by one.
        raise DataError(place=str(path), rule="rows have more cells than the header", remedy="Name every column.")
    table.columns = [str(c) for c in table.columns]
    return table


def header_of(path: Path) -> list[str]:
    """Names of the columns of a CSV or Parquet file; none where it is no table."""
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            from pyarrow import parquet

            return list(parquet.read_schema(path).names)
        return [str(c) for c in pd.read_csv(path, nrows=1).columns]
    except Exception:  # see ``load``
        return []


def need(table: pd.DataFrame, path: Path, option: str, name: str) -> None:
    """Raises UnknownNameError where the table has no such column."""
    if name not in table:
        raise UnknownNameError(
            place=f"{path}, {option}", value=repr(name), rule="no such column", remedy=near(name, table.columns)
        )


def classes_in(labels: pd.Series, path: Path, label: str) -> tuple[str, ...]:
    """The labels of a column of text, the commonest first, then by name.

    Raises:
        DataError: so many that they are no classes.
    """
    counts = labels.value_counts()
    if len(counts) > MOST_CLASSES:
        raise DataError(
            place=f"{path}, {label}",
            value=f"{len(counts)} different labels",
            rule=f"at most {MOST_CLASSES} classes",
            remedy="Is it a class?",
        )
    return tuple(sorted(map(str, counts.index), key=lambda c: (-int(counts[c]), natural(c))))


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
