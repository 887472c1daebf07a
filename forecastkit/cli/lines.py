"""Lines of the terminal: labelled, as wide as it is, in colour where somebody watches; tables and languages that are asked for."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from forecastkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABEL", "check_file", "check_lang", "deliver", "field", "width", "with_color"]

LABEL = 14


def field(label: str, text: str, width: int | None = None) -> str:
    """A labelled line; the label column is the same everywhere.

    Args:
        width: of the terminal: longer text goes on under itself; None = never broken.
    """
    head = f"{label:<{LABEL - 1}} "
    if width is None or len(head) + len(text) <= width:
        return head + text
    indent = " " * len(head)
    return textwrap.fill(text, max(width, 40), initial_indent=head, subsequent_indent=indent, break_long_words=False)


def width() -> int:
    """Columns for running text."""
    return min(shutil.get_terminal_size().columns, 120)


def with_color() -> bool:
    """Whether somebody watches who wants colour (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def check_lang(lang: str | None) -> None:
    """Raises ConfigError for a language that nothing speaks; None is that of the run."""
    if lang not in (None, "en", "es"):
        raise ConfigError(place="--lang", value=repr(lang), rule="en or es")


def check_file(out: Path | None) -> None:
    """Raises DataError where a folder is in the place of a file to write."""
    if out is not None and out.is_dir():
        raise DataError(place=str(out), rule="a folder", remedy="Give the name of a file.")


def deliver(table: pd.DataFrame, out: Path | None) -> None:
    """A table as CSV to a file or to standard output; errors as ``check_file``."""
    from forecastkit import artifacts

    check_file(out)
    if out is None:
        print(artifacts.to_csv_text(table), end="")
    else:
        artifacts.write_csv(out, table)
