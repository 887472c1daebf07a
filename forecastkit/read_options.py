"""How to read a source; everything that is None is detected and said in the profile."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from forecastkit.errors import ConfigError, near, rule_of
from forecastkit.registry import names_in

__all__ = ["LISTS", "NEXT_DAY", "ReadOptions", "options_of"]

Duplicates = Literal["error", "first", "last", "mean", "sum"]
Fill = Literal["none", "forward", "interpolate", "zero"]
JoinHow = Literal["mean", "sum", "last", "min", "max", "count"]
StoreKind = Literal["memory", "disk"]
CHOICES: dict[str, tuple[str | None, ...]] = {
    "duplicates": typing.get_args(Duplicates),
    "fill": typing.get_args(Fill),
    "resample": (None, "sum", "mean", "median", "first", "last", "min", "max", "count"),
    "decimal": (None, ".", ","),
    "join_how": typing.get_args(JoinHow),
    "store": (None, *typing.get_args(StoreKind)),
}
LISTS = ("known", "past", "static", "join_columns")
"""Options that are several columns."""
NEXT_DAY = "next-day"
"""The rule of ``close`` for scores whose hour is not known."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source.

    Args:
        target: column to forecast; ``"*"`` or ``"a,b,c"`` reads one series from each column.
        time: column of times; ``"year,month,day,hour"`` joins several.
        item: column that names the series; ``"store,dept"`` joins several.
        freq: pandas offset alias, or ``"step"``.
        season_length: steps in one season.
        sep: one character, or ``"whitespace"``.
        decimal: ``"."`` or ``","``.
        encoding: name of the text encoding.
        skip_rows: lines before the header.
        date_format: like ``"%d/%m/%Y"`` or ``"DD/MM/YYYY"``.
        tz: zone of times without one; zone to show where the file has offsets.
        duplicates: what to do with two rows of one instant.
        fill: what to do with unobserved rows.
        resample: aggregation that brings the rows to ``freq``: sum, mean, median, first, last, min, max or count.
        known: covariates known ahead.
        past: covariates known up to the cutoff.
        static: covariates that never change within an item.
        joint: several targets learn from each other's past.
        holidays: country whose public holidays are known ahead, as ``ES`` or ``AU-VIC``; empty = none.
        start, end: first and last time that is read, as ``2015``, ``2015-01-31`` or ``2015-01-31 10:00``, or a step; the
            whole of the last day (month, year, ...) belongs to it. Sources are asked for it.
        join: file with dated scores that become past covariates; the options below say how, see ``reading.join``.
        join_columns: their columns; empty = every numeric one.
        join_time: column of their times; None = found.
        join_item: column of the series that they belong to; None = that of the data, where it is there.
        join_how: how the scores of one row are put together: mean, sum, last, min, max or count.
        join_tz: zone of their times without one, and of the days of the series.
        close: clock of ``join_tz`` at which a day of the series ends, as ``16:00``; ``"next-day"`` = what is dated a day
            counts for the next one.
        store: ``disk``: a Parquet or Arrow file is mapped and not held in memory; ``memory``; None = by its size.
        min_rows: items with fewer observed rows are set aside and listed.

    Raises:
        ConfigError: a value that is not allowed.
    """

    target: str | None = None
    time: str | None = None
    item: str | None = None
    freq: str | None = None
    season_length: int | None = None
    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    skip_rows: int | None = None
    date_format: str | None = None
    tz: str | None = None
    duplicates: Duplicates = "error"
    fill: Fill = "none"
    resample: str | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    joint: bool = False
    holidays: str = ""
    start: str = ""
    end: str = ""
    join: str = ""
    join_columns: tuple[str, ...] = ()
    join_time: str | None = None
    join_item: str | None = None
    join_how: JoinHow = "mean"
    join_tz: str | None = None
    close: str | None = None
    min_rows: int = 3
    store: StoreKind | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) == "auto":
                object.__setattr__(self, field.name, None)
        for name in LISTS:
            object.__setattr__(self, name, tuple(dict.fromkeys(getattr(self, name))))
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                remedy = near(str(value), filter(None, choices))
                raise ConfigError(place=_flag(name), value=repr(value), rule="not one of its values", remedy=remedy)
        self._check_close()
        self._check_covariates()
        if self.sep in ("\\t", "tab"):
            object.__setattr__(self, "sep", "\t")
        if self.sep is not None and self.sep != "whitespace" and (len(self.sep) != 1 or self.sep in '"\r\n'):
            raise ConfigError(
                place="--sep", value=repr(self.sep), rule="one character is needed", remedy="For spaces: whitespace."
            )
        for name in ("season_length", "min_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(
                    place=_flag(name), value=str(value), rule="at least 1 is needed", remedy="Give a whole number."
                )
        if self.skip_rows is not None and self.skip_rows < 0:
            raise ConfigError(
                place="--skip-rows",
                value=str(self.skip_rows),
                rule="at least 0 is needed",
                remedy="Count the lines above the header.",
            )

    def _check_covariates(self) -> None:
        kinds = {"--known": self.known, "--past": self.past, "--static": self.static}
        for flag, names in kinds.items():
            for name in names:
                others = [o for o, more in kinds.items() if o != flag and name in more]
                if others or name == self.target:
                    raise ConfigError(
                        place=flag,
                        value=repr(name),
                        rule=f"is given with {others[0]} as well" if others else "is the target",
                        remedy="Keep one of the two.",
                    )

    def _check_close(self) -> None:
        if self.close not in (None, NEXT_DAY) and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", str(self.close)):
            raise ConfigError(
                place="--close",
                value=repr(self.close),
                rule=f"a clock such as 16:00, or {NEXT_DAY}, is needed",
                remedy="Give the clock at which trading ends, in the zone of --join-tz.",
            )
        if self.join:
            return
        for name in ("join_columns", "join_time", "join_item", "join_tz", "close"):
            if getattr(self, name):
                raise ConfigError(
                    place=_flag(name), rule="means something with --join alone", remedy="Add --join scores.csv."
                )


def options_of(values: Mapping[str, Any], place: str = "reading") -> ReadOptions:
    """Options from plain values: several columns may be one text with commas, None is not given.

    Raises:
        ConfigError: no such option, or a value that is not allowed.

    >>> options_of({"known": "heat, rain"}).known
    ('heat', 'rain')
    """
    known = [field.name for field in fields(ReadOptions)]
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(place=f"{place}, {key}", rule="no such argument", remedy=near(key, known))
        if value is None:
            continue
        if key in LISTS and isinstance(value, str):
            value = names_in(value)
        elif key in ("start", "end"):
            value = str(value)
        given[key] = _fitting(key, value, place)
    return ReadOptions(**given)


def _fitting(key: str, value: Any, place: str) -> Any:
    """A value of the option's type; a whole number may be text, as in YAML."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(typing.get_type_hints(ReadOptions)[key]).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if value == "auto" or first["type"] == "literal_error":
            return value  # ReadOptions knows it, or names the values there are
        raise ConfigError(
            place=f"{place}, {key}",
            value=repr(value)[:80],
            rule=rule_of(first),
            remedy="See help(forecastkit.reading.ReadOptions).",
        ) from None


def _flag(name: str) -> str:
    """An option as the command line calls it, or else the configuration or Python."""
    other = {"season_length": "--season", "store": "data.store", "min_rows": "min_rows"}
    return other.get(name) or "--" + name.replace("_", "-")
