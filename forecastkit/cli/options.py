"""Options that several commands share, and how their words are read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastkit.registry import names_in

__all__ = [
    "LANG_HELP",
    "SEED_HELP",
    "TYPED",
    "ConfigOption",
    "DebugOption",
    "LangOption",
    "OutOption",
    "OverridesArgument",
    "QuietOption",
    "RunArgument",
    "SeedOption",
    "TableOption",
    "VerdictOption",
    "command_line",
    "given",
    "model_names",
]  # fmt: skip

TYPED: ContextVar[Sequence[str]] = ContextVar("typed", default=())
"""The words of the command that is carried out."""

OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as models.lstm.hidden=128.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")]
SEED_HELP, LANG_HELP = "Seed of everything random [default: 1].", "Language of the report: en or es."
SeedOption = Annotated[int | None, typer.Option("--seed", help=SEED_HELP)]
OutOption = Annotated[Path | None, typer.Option("--out", help="Run folder [default: runs/<name>-<time>].")]
TableOption = Annotated[Path | None, typer.Option("--out", help="CSV to write [default: standard output].")]
LangOption = Annotated[str | None, typer.Option("--lang", help=LANG_HELP)]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print the answer only.")]
VerdictOption = Annotated[bool, typer.Option("--json", help="Print verdict.json on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def model_names(words: str | None) -> dict[str, dict[str, Any]] | None:
    """Models without options; None = not given."""
    return None if words is None else {name: {} for name in names_in(words)}


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the user said."""
    return {key: value for key, value in values.items() if value is not None}


def command_line() -> str:
    """The command as it was typed, for the report."""
    return shlex.join(["forecastkit", *TYPED.get()])
