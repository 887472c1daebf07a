"""The last step of reading: checked rows -> frame and profile. Whether they came from memory or a mapped file is all one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import DataError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.schema import Rows, SeriesFrame, Store
from forecastkit.read_options import ReadOptions
from forecastkit.reading import findings
from forecastkit.reading.ahead import Ahead, ahead_columns, covariate_roles, steps_ahead
from forecastkit.reading.aliases import words
from forecastkit.reading.columns import Roles
from forecastkit.reading.instants import Instants
from forecastkit.reading.join import with_join
from forecastkit.reading.located import Located
from forecastkit.reading.profile import IN_MEMORY, Profile, moment_text
from forecastkit.reading.season import season_of
from forecastkit.reading.table import Table
from forecastkit.reading.values import Note, several

__all__ = ["MOST_LISTED", "Origin", "Reading", "aside_notes", "assembled", "gaps_of", "no_rows", "of_frame"]

MOST_LISTED, MOST_COLUMNS = 200, 500


@dataclass(frozen=True, eq=False)
class Reading:
    """What came through the border.

    Args:
        frame: the checked series.
        profile: what was found.
    """

    frame: SeriesFrame
    profile: Profile


@dataclass(frozen=True, eq=False)
class Origin:
    """Where rows came from and what was done on the way, for the profile.

    Args:
        found: the source and its options.
        times: format, zone and kind; its arrays are not looked at.
        n_rows: of the source, in the range that is read.
        n_twice: duplicated instants.
        aside: series left out -> why.
        n_missing: rows without a value.
        gaps: the longest, as in the profile; ``n_gaps`` instants without a row, in ``n_runs`` gaps in all.
    """

    table: Table
    roles: Roles
    found: Located
    times: Instants
    item_name: str
    target_name: str
    n_rows: int
    notes: tuple[Note, ...] = ()
    n_twice: int = 0
    n_missing: int = 0
    aside: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[dict[str, Any], ...] = ()
    n_gaps: int = 0
    n_runs: int = 0


def assembled(
    origin: Origin, rows: Rows, calendar: Calendar, seen: findings.Findings, ahead: Ahead | None = None
) -> Reading:
    """Frame and profile of rows whose calendar is known.

    Args:
        seen: what ``findings.look`` saw; its rows count from the first row of the store.
        ahead: known covariates of the time after the last observed rows.
    """
    store, options, roles, table = rows.store, origin.found.options, origin.roles, origin.table
    if options.season_length is not None:
        season, season_text = options.season_length, f"season {options.season_length}"
    else:
        season, season_text = season_of(store, calendar)
    every = calendar.instants.append(calendar.ahead) if len(calendar.ahead) else calendar.instants
    frame = SeriesFrame(
        data=rows,  # type: ignore[arg-type]
        calendar=calendar,
        season_length=season,
        target_name=origin.target_name,
        past=options.past,
        known=options.known,
        static=options.static,
        future=None if ahead is None else ahead.table(store.items, every, store.ends),
        country=options.holidays,
        # A sheet of a book is named by the table.
        name=table.name if " [" in table.name else origin.found.name or table.name,
    )
    joined: list[Note] = []
    if options.join:
        frame, joined = with_join(frame, options.join, options, origin.item_name)
    facts = _look_facts(seen, store, calendar.instants)
    constant = tuple(store.items[i] for i in seen.constant)
    profile = Profile(
        **_facts_of(frame),
        name=frame.name,
        source=origin.found.where,
        n_rows=origin.n_rows,
        columns=tuple(table.names[:MOST_COLUMNS]),
        target=origin.target_name if len(roles.targets) == 1 else ",".join(roles.targets) if options.target else "",
        time=",".join(roles.time),
        item=origin.item_name,
        why=dict(roles.why),
        freq_text=words(calendar.freq) if not calendar.sessions else f"sessions of {words(calendar.freq)}",
        season_text=season_text,
        units=origin.found.units.get(origin.target_name, ""),
        tz=origin.times.tz,
        time_format=origin.times.format,
        layout=roles.layout,
        other_numeric=tuple(roles.other_numeric),
        dialect={k: v for k, v in table.facts.items() if v not in (None, "")},
        n_missing=origin.n_missing,
        n_gaps=origin.n_gaps,
        gaps=origin.gaps,
        duplicates=origin.n_twice,
        jumps=tuple(facts["jumps"]),
        spikes=tuple(facts["spikes"]),
        constant=constant[:MOST_LISTED],
        set_aside=dict(list(origin.aside.items())[:MOST_LISTED]),
        notes=(*origin.notes, *joined, *findings.notes_of(facts), *_more_notes(origin, constant)),
    )
    return Reading(frame, profile)


def aside_notes(aside: Mapping[str, str], min_rows: int) -> list[Note]:
    """What is said of series that were left out."""
    if not aside:
        return []
    return [Note("warning", f"{len(aside)} series set aside: fewer than {min_rows} observed rows", next(iter(aside)))]


def no_rows(table: Table) -> DataError:
    """The error of a table none of whose rows can be placed."""
    return DataError(place=table.name, rule="no row has a time and a name", remedy="Check --time and --item.")


def _more_notes(origin: Origin, constant: tuple[str, ...]) -> list[Note]:
    out = []
    if constant:
        out.append(Note("info", f"{len(constant)} series never change", constant[0]))
    if origin.n_gaps:
        text = f"{several(origin.n_gaps, 'instant')} without a row, in {several(origin.n_runs, 'gap')}"
        longest = origin.gaps[0]
        out.append(Note("info", text, f"longest: {longest['item_id']}, {longest['start']} to {longest['end']}"))
    return out


def of_frame(frame: SeriesFrame, options: ReadOptions) -> Reading:
    """A frame that is checked already, with a short profile; scores may be joined to it."""
    notes: list[Note] = []
    if options.join:
        frame, notes = with_join(frame, options.join, options, "item_id")
    store = frame.store
    profile = Profile(
        **_facts_of(frame),
        name=frame.name,
        source=IN_MEMORY,
        n_rows=len(frame),
        columns=("item_id", "timestamp", "target", *map(str, frame.rows.covariates)),
        target=frame.target_name,
        time="timestamp",
        item="item_id" if len(frame.items) > 1 else "",
        why={},
        freq_text=words(frame.calendar.freq),
        season_text=f"season {frame.season_length}",
        n_missing=store.n_rows - int(np.count_nonzero(store.observed)),
        notes=tuple(notes),
    )
    return Reading(frame, profile)


def _facts_of(frame: SeriesFrame) -> dict[str, Any]:
    """What is said of every frame alike."""
    store, instants = frame.store, frame.calendar.instants
    starts, ends = store.starts, store.ends
    return {
        "n_items": len(store),
        "freq": frame.calendar.freq,
        "start": moment_text(instants[int(starts.min())]),
        "end": moment_text(instants[int(ends.max())]),
        "season_length": frame.season_length,
        "fingerprint": fingerprint(frame),
        "covariates": covariate_roles(frame),
        "n_ahead": steps_ahead(frame),
        "ragged": {"starts": int((starts > starts.min()).sum()), "ends": int((ends < ends.max()).sum())},
        "items": _item_facts(store, instants),
    }


def gaps_of(
    codes: np.ndarray, position: np.ndarray, items: tuple[str, ...], calendar: Calendar
) -> tuple[tuple[dict[str, Any], ...], int]:
    """(the longest gaps first, how many there are) of rows sorted by item and position."""
    wide = np.flatnonzero((np.diff(position) > 1) & (np.diff(codes) == 0))
    size = np.diff(position)[wide] - 1
    index = calendar.instants
    longest = tuple(
        {
            "item_id": items[codes[wide[k]]],
            "start": moment_text(index[position[wide[k]] + 1]),
            "end": moment_text(index[position[wide[k] + 1] - 1]),
            "n": int(size[k]),
        }
        for k in np.argsort(-size, kind="stable")[:MOST_LISTED]
    )
    return longest, len(wide)


def _look_facts(seen: findings.Findings, store: Store, index: pd.Index) -> dict[str, Any]:
    bounds = np.cumsum(store.lengths) - store.lengths

    def at(row: int) -> dict[str, Any]:
        item = int(np.searchsorted(bounds, row, side="right")) - 1
        moment = index[int(store.starts[item]) + row - int(bounds[item])]
        return {"item_id": store.items[item], "timestamp": moment_text(moment)}

    values = store.values
    return {
        "jumps": [{**at(row), "factor": factor} for row, factor in seen.jumps],
        "spikes": [{**at(row), "value": float(values[row])} for row in seen.spikes],
        "n_spikes": seen.n_spikes,
        "sentinels": [
            {"value": value, "n": count, "where": ", ".join(map(str, at(row).values()))}
            for value, count, row in seen.sentinels
        ],
    }


def _item_facts(store: Store, index: pd.Index) -> tuple[dict[str, Any], ...]:
    out = []
    for i in range(min(len(store), MOST_LISTED)):
        y = store.series(i)
        y = y[np.isfinite(y)]
        out.append(
            {
                "item_id": store.items[i],
                "n": len(y),
                "start": moment_text(index[int(store.starts[i])]),
                "end": moment_text(index[int(store.ends[i])]),
                "min": float(y.min()) if len(y) else float("nan"),
                "max": float(y.max()) if len(y) else float("nan"),
                "mean": float(y.mean()) if len(y) else float("nan"),
            }
        )
    return tuple(out)


def fingerprint(frame: SeriesFrame) -> str:
    """SHA-256 over names, times, values and declared covariates; nothing as large as the panel is made for it."""
    store, index = frame.store, frame.calendar.instants
    digest = hashlib.sha256()
    digest.update("\x1f".join(store.items).encode("utf-8", "surrogatepass"))
    digest.update(np.r_[0, np.cumsum(store.lengths)].astype(np.int64))
    whole = np.ascontiguousarray(index.asi8 if isinstance(index, pd.DatetimeIndex) else index.to_numpy(np.int64))
    for start, n in zip(store.starts.tolist(), store.lengths.tolist()):
        digest.update(whole[start : start + n].data)
    for i in range(len(store)):
        digest.update(store.series(i).data)
    columns = {name: frame.column(name) for name in frame.covariates} | ahead_columns(frame)
    for name in sorted(columns):
        column = columns[name]
        digest.update(name.encode())
        digest.update(column.tobytes() if column.dtype != object else "\x1f".join(map(str, column)).encode())
    return digest.hexdigest()
