"""Answers of services, each a CSV file in the cache with a note of what was asked, when, and its checksum."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecastkit.download import cache_folder, no_cache
from forecastkit.errors import DataError, SourceError

__all__ = ["Answer", "Kept", "remembered", "slug"]

LONGEST_NAME = 60


@dataclass(frozen=True)
class Answer:
    """What a service said.

    Args:
        content: CSV.
        facts: plain values to keep beside it.
    """

    content: bytes
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """An answer in the cache.

    Args:
        day: when it was asked for, as 2024-05-01.
    """

    path: Path
    facts: dict[str, Any]
    day: str


def slug(*parts: str) -> str:
    """A name for files and folders.

    >>> slug("yahoo", "AAPL,^GSPC")
    'yahoo-AAPL-GSPC'
    """
    text = "-".join(parts)
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:LONGEST_NAME] or "data"


def remembered(request: Mapping[str, Any], name: str, ask: Callable[[], Answer]) -> Kept:
    """The answer to ``request``: that of the cache where there is a whole one, else a new one.

    Args:
        request: plain values that decide the answer.
        name: begins the file's name.
        ask: asks the service.

    Raises:
        SourceError: not delivered; says so where a copy in the cache is damaged.
        ConfigError: the cache cannot be written.
    """
    key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:12]
    path = cache_folder() / f"{name}-{key}.csv"
    beside = path.with_suffix(".json")
    found, damaged = _kept(path, beside)
    if found is not None:
        return found
    try:
        answer = ask()
    except SourceError as error:
        if damaged:
            error.rule = f"{error.rule}; the copy at {path} is damaged"
            error.args = (error.place, error.value, error.rule, error.remedy)
        raise
    from forecastkit.artifacts import write_bytes, write_json

    day = dt.date.today().isoformat()
    digest = hashlib.sha256(answer.content).hexdigest()
    try:
        write_bytes(path, answer.content)
        write_json(beside, {"sha256": digest, "asked": day, "request": dict(request), "facts": answer.facts})
    except DataError as error:
        raise no_cache(path.parent, error.value) from None
    return Kept(path, answer.facts, day)


def _kept(path: Path, beside: Path) -> tuple[Kept | None, bool]:
    """(a whole answer, whether there is a damaged one)."""
    try:
        content = path.read_bytes()
    except OSError:
        return None, False
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        whole = said["sha256"] == hashlib.sha256(content).hexdigest()
        kept = Kept(path, dict(said["facts"]), str(said["asked"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None, True
    return (kept, False) if whole else (None, True)
