"""Where series come from besides files: ``yahoo:AAPL,MSFT``, ``open-meteo:Madrid``, ``physionet:mitdb/100,106``.

A source is one file in this room and one line of ``SOURCES``. It asks its service once, keeps the answer as a CSV file
with a checksum in the cache (see ``download.cache_folder``), and says how that file is to be read; ``reading`` does the
rest, as for any file.
"""

from __future__ import annotations

import difflib
import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecastkit.errors import ConfigError, UnknownNameError, near

__all__ = ["SOURCES", "Ask", "Entry", "Records", "Sourced", "load", "period", "records", "scheme"]


@dataclass(frozen=True)
class Entry:
    """Where a source is, and what it gives.

    Args:
        module: has ``load(argument, ask) -> Sourced`` and ``period(ask) -> (start, end)`` for tables, and
            ``records(argument) -> Records`` for records.
        kind: ``"table"`` or ``"records"``.
        example: a command's words.
    """

    module: str
    kind: str
    example: str


SOURCES: dict[str, Entry] = {
    "yahoo": Entry("forecastkit.sources.yahoo", "table", "--data yahoo:AAPL,MSFT"),
    "open-meteo": Entry("forecastkit.sources.open_meteo", "table", "--data open-meteo:Madrid"),
    "physionet": Entry("forecastkit.sources.physionet", "records", "ecg fit --records physionet:mitdb/100,106"),
}


@dataclass(frozen=True)
class Ask:
    """What is wanted of a source.

    Args:
        start, end: first and last day as ``2015-01-01``, ``2015-01`` or ``2015``; empty = as the source finds usual.
        freq: wanted step, where a source has several.
        columns: that the user named.
    """

    start: str = ""
    end: str = ""
    freq: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sourced:
    """A table that a source gave.

    Args:
        path: CSV file in the cache, checked.
        name: for run folders.
        reading: options of reading that fit to it: target, time, item, freq; the user's own win.
        units: column -> unit.
        notes: what the user should know: (``"info"`` or ``"warning"``, text).
    """

    path: Path
    name: str
    reading: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Records:
    """Records that a source gave.

    Args:
        folder: in the cache; may hold further records.
        names: of those that were asked for.
        notes: licence and citation.
    """

    folder: Path
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def scheme(text: object) -> str | None:
    """The source that a text names before its colon; None = it is the name of a file.

    Raises:
        UnknownNameError: no such source, and no such file, but a source of nearly that name.

    >>> scheme("yahoo:AAPL"), scheme("prices.csv"), scheme("C:/prices.csv")
    ('yahoo', None, None)
    """
    found = re.match(r"([A-Za-z][A-Za-z_-]{2,20}):", text) if isinstance(text, str) else None
    if found is None:
        return None
    name = found[1].lower().replace("_", "-")
    if name in SOURCES:
        return name
    close = difflib.get_close_matches(name, [*SOURCES, "dataset"], n=1, cutoff=0.7)
    if close and name != "dataset" and not _exists(str(text)):
        raise UnknownNameError(place=repr(text), rule="no such source", remedy=near(name, [*SOURCES, "dataset"]))
    return None


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _module(text: str, kind: str) -> tuple[Any, str]:
    name = scheme(text) or ""
    entry = SOURCES[name]
    if entry.kind != kind:
        wanted = "series" if kind == "table" else "records of heartbeats"
        raise ConfigError(place=text, rule=f"this source has no {wanted}", remedy=f"It is for {entry.example}.")
    return importlib.import_module(entry.module), text.split(":", 1)[1].strip()


def load(text: str, ask: Ask) -> Sourced:
    """The table behind ``yahoo:...`` or ``open-meteo:...``; the network is used where the cache has no answer.

    Raises:
        ConfigError: what is asked for cannot be.
        DataError: the service has nothing of the kind; names what it does not know.
        SourceError: it did not deliver; says how to go on.
    """
    module, argument = _module(text, "table")
    found: Sourced = module.load(argument, ask)
    return found


def period(text: str, start: str = "", end: str = "", freq: str = "") -> tuple[str, str]:
    """First and last day that a source will be asked for, every default written out; as given for files.

    Args:
        freq: as in ``Ask``.

    Raises:
        ConfigError: no date, or the last day before the first.
    """
    name = scheme(text)
    if name is None or SOURCES[name].kind != "table":
        return start, end
    found: tuple[str, str] = importlib.import_module(SOURCES[name].module).period(Ask(start, end, freq))
    return found


def records(text: str) -> Records:
    """Records behind ``physionet:...``, in a folder; errors as ``load``."""
    module, argument = _module(text, "records")
    found: Records = module.records(argument)
    return found
