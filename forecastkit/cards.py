"""What a dataset card says, checked strictly: an unknown, repeated or missing key is an error."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from forecastkit.errors import DataError, near, rule_of
from forecastkit.strict_yaml import load_yaml

__all__ = ["Card", "read_card", "sha256_of"]

MOST_CARD_BYTES = 100_000


class Card(BaseModel):
    """One data set: where it is, whose it is, what its columns mean and how to read it.

    Exactly one of ``file``, ``url`` and ``package`` says where the data are.

    Args:
        name: what follows ``dataset:``; also the name of the card's file.
        title: one line.
        file: path in the folder that holds ``cards/``, with ``/``.
        url: https address, loaded on demand into the cache.
        package: import name of an installed package that holds the data as ``member``.
        member: path within ``package``.
        requirement: what to ``pip install`` for it; the package's name where it is absent.
        source: where the data come from.
        licence: SPDX name, or words.
        licence_url: where the licence can be read.
        citation: how to cite the data.
        description: what one should know before trusting a forecast of them.
        frequency: pandas offset alias of one step, or ``"step"``.
        time: column of times; None = the order of rows.
        target: column to forecast.
        item: column that names the series; None = one series.
        wide: a row holds a whole series; ``target`` is then what its values are called.
        season_length: steps in one season; 1 = none; None = to be found.
        horizon: suggested steps ahead.
        units: of the target.
        columns: meaning of every column.
        known: covariates known ahead.
        past: covariates known up to the cutoff.
        static: covariates that never change within an item.
        sha256: of the file's bytes as stored or delivered; None = none is confirmed: the first download keeps its own,
            and later ones must have the same. For ``url`` alone.
        n_rows: rows without the header.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    title: str = Field(min_length=1)
    file: str | None = None
    url: str | None = None
    package: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    member: str | None = None
    requirement: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._\[\]=<>~!,-]*$")
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    licence_url: str | None = None
    citation: str = Field(min_length=1)
    description: str = Field(min_length=1)
    frequency: str = Field(min_length=1)
    time: str | None = None
    target: str
    item: str | None = None
    wide: bool = False
    season_length: int | None = Field(default=None, ge=1)
    horizon: int = Field(ge=1)
    units: str
    columns: dict[str, str]
    known: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    n_rows: int = Field(ge=1)

    @field_validator("file", "member")
    @classmethod
    def _stays_inside(cls, value: str | None) -> str | None:
        if value is not None:
            path = PurePosixPath(value)
            if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in value or ":" in value:
                raise ValueError("a relative path with / and without .. is needed")
        return value

    @field_validator("url", "licence_url")
    @classmethod
    def _is_https(cls, value: str | None) -> str | None:
        # Plain http to this machine passes here; the download allows it on request only, in tests.
        if value is not None and not value.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("an address that starts with https:// is needed")
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if sum(place is not None for place in (self.file, self.url, self.package)) != 1:
            raise ValueError("exactly one of file, url and package is needed")
        if (self.package is None) != (self.member is None):
            raise ValueError("package and member go together")
        if self.requirement is not None and self.package is None:
            raise ValueError("requirement goes with package")
        if self.sha256 is None and self.url is None:
            raise ValueError("sha256 may be left out for an address alone")
        roles = [self.target, *filter(None, (self.time, self.item)), *self.known, *self.past, *self.static]
        for column in roles:
            if column not in self.columns:
                raise ValueError(f"column {column!r} is not described under columns. {near(column, self.columns)}")
        if len(set(roles)) != len(roles):
            raise ValueError("a column has two roles")
        return self


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes; bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_card(path: Path) -> Card:
    """The card in a YAML file.

    Raises:
        DataError: it cannot be read, is not valid YAML, or breaks a rule of ``Card``; names the key.
    """
    try:
        return _check(_tree(path), path)
    except RecursionError:
        raise DataError(place=str(path), rule="nested too deeply") from None


def _tree(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_CARD_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(place=str(path), value=str(error), rule="a card cannot be read as text") from None
    if len(content) > MOST_CARD_BYTES:
        raise DataError(place=str(path), rule=f"a card has at most {MOST_CARD_BYTES} bytes")
    try:
        tree = load_yaml(text)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise DataError(place=f"{path}{line}", value=problem, rule="not a valid card") from None
    if not isinstance(tree, dict):
        raise DataError(place=str(path), rule="a card is a mapping of keys to values")
    return tree


def _check(tree: dict[str, Any], path: Path) -> Card:
    try:
        card = Card.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "card"
        if first["type"] == "extra_forbidden":
            remedy = near(key, Card.model_fields)
            raise DataError(place=str(path), value=f"key {key!r}", rule="no such key", remedy=remedy) from None
        given = "" if first["type"] == "missing" or key == "card" else f" {first['input']!r}"[:80]
        raise DataError(place=f"{path}, {key}", value=given.strip(), rule=rule_of(first)) from None
    if card.name != path.stem:
        raise DataError(
            place=f"{path}, name",
            value=card.name,
            rule="a card's name is that of its file",
            remedy=f"Rename the file to {card.name}.yaml, or the card to {path.stem}.",
        )
    return card
