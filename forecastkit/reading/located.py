"""Where the data are: a file, a frame, a card's file, or the answer of a source outside this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from forecastkit import sources
from forecastkit.read_options import ReadOptions
from forecastkit.reading.profile import IN_MEMORY
from forecastkit.reading.values import Note

__all__ = ["Located", "located"]


@dataclass(frozen=True, eq=False)
class Located:
    """Data that can be opened.

    Args:
        table: a path or a frame.
        options: the user's, and what a card or a source adds to them.
        where: as the user named it.
        name: short, for run folders; empty = that of the table.
        units: column -> unit.
        notes: on the source.
    """

    table: Any
    options: ReadOptions
    where: str
    name: str = ""
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


def located(source: Any, options: ReadOptions) -> Located:
    """What is behind a path, ``dataset:NAME``, ``yahoo:...`` and so on, or a frame.

    Raises:
        UnknownNameError: no such data set or source.
        DataError: the data of a card are damaged, or a source has nothing of the kind.
        SourceError: data outside this machine were not delivered.
    """
    if not isinstance(source, (str, Path)):
        return Located(source, options, IN_MEMORY)
    where = str(source)
    if isinstance(source, str) and source.startswith("dataset:"):
        return _of_card(source, options)
    if sources.scheme(source) is not None:
        return _of_source(where, options)
    return Located(source, options, where, Path(where).stem)


def _of_card(source: str, options: ReadOptions) -> Located:
    from forecastkit import catalog
    from forecastkit.download import recorded

    name = source.removeprefix("dataset:")
    path, card = catalog.resolve(name)
    said = {
        "target": None if card.wide else card.target, "time": card.time, "item": card.item, "freq": card.frequency,
        "season_length": card.season_length,
    }  # fmt: skip
    notes = []
    if card.sha256 is None:
        kept = recorded(path.name) or ""
        text = f"no confirmed checksum of these data: sha256 {kept[:12]}... is that of the first download"
        notes.append(Note("info", text, str(path)))
    found = _with_hints(options, said)
    return Located(path, found, source, name, {card.target: card.units}, tuple(notes))


def _of_source(source: str, options: ReadOptions) -> Located:
    named = (options.target or "").split(",") if options.target not in (None, "*") else []
    columns = dict.fromkeys([*(n.strip() for n in named if n), *options.known, *options.past, *options.static])
    ask = sources.Ask(options.start, options.end, options.freq or "", tuple(columns))
    found = sources.load(source, ask)
    notes = tuple(Note(level, text) for level, text in found.notes)
    # The source has seen to the range already.
    options = replace(_with_hints(options, found.reading), start="", end="")
    return Located(found.path, options, source, found.name, found.units, notes)


def _with_hints(options: ReadOptions, said: Mapping[str, Any]) -> ReadOptions:
    """What the user did not say is as the card or the source says."""
    own_target = options.target in (None, said.get("target"))
    return replace(
        options,
        target=options.target or said.get("target"),
        time=options.time or said.get("time"),
        item=options.item or said.get("item"),
        freq=options.freq or (said.get("freq") if options.resample is None else None),
        season_length=options.season_length or (said.get("season_length") if own_target else None),
    )
