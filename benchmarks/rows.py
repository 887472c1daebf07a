"""Rows of results/, which scripts add to and page.py reads."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

__all__ = ["RESULTS", "append", "append_named"]

RESULTS = Path(__file__).resolve().parent / "results"


def append(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows at the end of a file of results, which begins with the names of its columns."""
    path = RESULTS / name
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(columns)
        writer.writerows(rows)


def append_named(name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows that name their columns, as the first one does."""
    append(name, list(rows[0]), [list(row.values()) for row in rows])
