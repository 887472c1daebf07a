"""What was found in the data, in full for profile.json and in three lines for the terminal."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from forecastkit.reading.values import Note, several

__all__ = ["IN_MEMORY", "Note", "Profile", "item_columns", "moment_text"]

LABEL = 13
IN_MEMORY = "a frame in memory"
"""The source of what is no file."""


@dataclass(frozen=True)
class Profile:
    """Facts on a data set.

    Args:
        name: short name, of the file.
        n_rows: of the file.
        columns: the file's, 500 at most.
        target, time, item: chosen columns; empty = there is none.
        why: role -> why the column was chosen.
        other_numeric: numeric columns that were not used.
        dialect: separator, decimal sign, encoding, compression, lines skipped.
        n_missing: rows without a value; n_gaps: valid instants without a row.
        gaps: the longest, each with item, start, end and n.
        jumps: rows that look like a split, with item, timestamp and factor.
        set_aside: series left out -> reason.
        covariates: role (known, past, static, holidays) -> columns, or the country.
        n_ahead: instants after the last observed row for which known covariates are there.
        items: a row a series: item_id, n, start, end, min, mean, max.
        fingerprint: SHA-256 over series, times and values.
    """

    name: str
    n_rows: int
    n_items: int
    columns: tuple[str, ...]
    target: str
    time: str
    item: str
    why: dict[str, str]
    freq: str
    freq_text: str
    start: str
    end: str
    season_length: int
    season_text: str
    fingerprint: str
    source: str = ""
    units: str = ""
    tz: str = ""
    time_format: str = ""
    layout: str = "long"
    other_numeric: tuple[str, ...] = ()
    dialect: dict[str, Any] = field(default_factory=dict)
    n_missing: int = 0
    n_gaps: int = 0
    gaps: tuple[dict[str, Any], ...] = ()
    ragged: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    jumps: tuple[dict[str, Any], ...] = ()
    spikes: tuple[dict[str, Any], ...] = ()
    constant: tuple[str, ...] = ()
    set_aside: dict[str, str] = field(default_factory=dict)
    covariates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    n_ahead: int = 0
    items: tuple[dict[str, Any], ...] = ()
    notes: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """What the terminal shows: file, target, then each warning."""
        series = "1 series" if self.n_items == 1 else f"{self.n_items:,} series"
        if self.item:
            series += f" ({self.item})"
        shown = PurePath(self.source).name or self.name
        if ":" in self.source or self.source == IN_MEMORY:
            shown = self.name
        name = shown if len(shown) < LABEL else f"{shown[: LABEL - 2]}…"
        lines = [f"{name:<{LABEL}} {self.n_rows:,} rows, {series}, {self.freq_text}, {self.start} to {self.end}"]
        what = [
            f"target {self.target or 'every numeric column'}"
            + (f" ({self.why['target']})" if self.why.get("target") else "")
        ]
        what.append(f"{self.n_missing:,} missing")
        if self.n_gaps:
            what.append(f"{several(self.n_gaps, 'instant')} without a row")
        late, early = self.ragged.get("starts", 0), self.ragged.get("ends", 0)
        if late or early:
            words = [w for w, n in (("starts", late), ("ends", early)) if n]
            what.append(f"ragged {' and '.join(words)}")
        what.append(self.season_text)
        lines.append(f"{'':<{LABEL}} {', '.join(w for w in what if w)}")
        if self.covariates:
            said = [f"{role} {', '.join(names)}" for role, names in self.covariates.items()]
            ahead = f" ({several(self.n_ahead, 'instant')} ahead)" if self.n_ahead else ""
            lines.append(f"{'':<{LABEL}} covariates: {'; '.join(said)}{ahead}")
        warnings = [n for n in self.notes if n.level == "warning"]
        lines += [f"{'':<{LABEL}} {n.text}{f' ({n.where})' if n.where else ''}" for n in warnings[:6]]
        if len(warnings) > 6:
            lines.append(f"{'':<{LABEL}} and {len(warnings) - 6} more remarks: see the profile in the report")
        return lines


def item_columns(item: str, layout: str) -> tuple[str, ...]:
    """Columns of the file that name the series, from what a profile says of them.

    >>> item_columns("store,dept", "long"), item_columns("store and column", "columns"), item_columns("column", "columns")
    (('store', 'dept'), ('store',), ())
    """
    if layout == "columns":
        item = "" if item == "column" else item.removesuffix(" and column")
    return tuple(name.strip() for name in item.split(",") if name.strip())


def moment_text(moment: Any) -> str:
    """An instant as people write it: a date at midnight, else with the clock; a step as it is."""
    import pandas as pd

    if not isinstance(moment, pd.Timestamp):
        return str(moment)
    wall = moment.tz_localize(None)
    if wall == wall.normalize():
        return str(moment.date())
    return moment.isoformat(sep=" ", timespec="minutes" if not moment.second else "seconds")
