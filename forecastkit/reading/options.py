"""How to read a source; everything that is None is detected and said in the profile."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from forecastkit.errors import ConfigError, near

__all__ = ["AGGREGATIONS", "ReadOptions"]

AGGREGATIONS = ("sum", "mean", "median", "first", "last", "min", "max", "count")
"""What ``resample`` may be."""

DUPLICATES = ("error", "first", "last", "mean", "sum")
FILLS = ("none", "forward", "interpolate", "zero")


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
        resample: aggregation that brings the rows to ``freq``.
        known: covariates known ahead.
        past: covariates known up to the cutoff.
        static: covariates that never change within an item.
        joint: several targets learn from each other's past.
        holidays: country whose public holidays are known ahead, as ``ES`` or ``AU-VIC``; empty = none.
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
    duplicates: Literal["error", "first", "last", "mean", "sum"] = "error"
    fill: Literal["none", "forward", "interpolate", "zero"] = "none"
    resample: str | None = None
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    joint: bool = False
    holidays: str = ""
    min_rows: int = 3
    store: Literal["memory", "disk"] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) == "auto":
                object.__setattr__(self, field.name, None)
        _one_of("duplicates", self.duplicates, DUPLICATES)
        _one_of("fill", self.fill, FILLS)
        if self.store is not None:
            _one_of("store", self.store, ("memory", "disk"))
        if self.resample is not None:
            _one_of("resample", self.resample, AGGREGATIONS)
        if self.decimal is not None:
            _one_of("decimal", self.decimal, (".", ","))
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


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            place=_flag(name), value=repr(value), rule="not one of its values", remedy=near(str(value), allowed)
        )
