"""Every setting, option of a model and option of a command, with its default, as Markdown; read from the code."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from forecastkit import registry
from forecastkit.registry import said_of


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(value: Any) -> str:
    """A default as it would be written; nothing where there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, (dict, list, tuple)) and not value:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (list, tuple)):
        return "`" + ", ".join(str(v) for v in value) + "`"
    return f"`{value}`"


def kind_of(annotation: Any) -> str:
    """A type in a user's words."""
    if annotation is type(None):
        return ""
    if typing.get_origin(annotation) is typing.Literal:
        return " / ".join(f"`{v}`" for v in typing.get_args(annotation))
    inner = [kind_of(a) for a in typing.get_args(annotation) if a is not Ellipsis]
    if typing.get_origin(annotation) in (tuple, list):
        return "list of " + " or ".join(dict.fromkeys(filter(None, inner)))
    if typing.get_origin(annotation) in (dict, Mapping):
        return "mapping"
    if inner:
        return " or ".join(dict.fromkeys(filter(None, inner)))
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "yes or no", "dict": "mapping"}
    return words.get(getattr(annotation, "__name__", ""), str(annotation))


def run_settings() -> str:
    """Keys of a forecasting run's configuration."""
    from forecastkit.config import DataConfig, EvaluationConfig, RunConfig
    from forecastkit.forecasting.splits import EvalPlan

    helps = _helps_of("fit")
    also = {RunConfig: helps, DataConfig: helps, EvaluationConfig: said_of(EvalPlan)}
    parts = []
    for prefix, kind in (("", RunConfig), ("data.", DataConfig), ("evaluation.", EvaluationConfig)):
        said = also[kind] | said_of(kind)
        rows = []
        for name, field in sorted(kind.model_fields.items(), key=lambda pair: pair[0] != "path"):
            default = field.get_default(call_default_factory=True)
            if isinstance(default, BaseModel):
                continue
            if isinstance(default, dict):
                default = tuple(default)
            rows.append([f"`{prefix}{name}`", kind_of(field.annotation), code(default), said.get(name, "")])
        title = {"": "The run", "data.": "Data", "evaluation.": "Evaluation"}[prefix]
        parts.append(f"### {title}\n\n" + table(("setting", "takes", "default", "what"), rows))
    return "\n\n".join(parts)


def _helps_of(name: str) -> dict[str, str]:
    """What a command says of each of its options."""
    import typer

    from forecastkit.cli.app import app

    command: Any = typer.main.get_command(app)
    return {p.name: getattr(p, "help", None) or "" for p in command.commands[name].params}


def task_settings() -> str:
    """Keys of the settings of the sister tasks."""
    from forecastkit.run.sequences.settings import ECG_KEYS, TABLE_KEYS
    from forecastkit.run.texts.settings import KEYS

    settings = {"ecg fit": ECG_KEYS, "classify fit": TABLE_KEYS, "text fit": KEYS}
    rows = [
        [f"`forecastkit {command}`", ", ".join(f"`{key}` ({kind_of(kind)})" for key, kind in keys.items())]
        for command, keys in settings.items()
    ]
    return table(("command", "settings of its YAML file and its `key=value` words"), rows)


def model_options() -> str:
    """Options of every registered model of every task; models of one class share a table."""
    from forecastkit.classification.models import CLASSIFIERS
    from forecastkit.text.models import TASKS

    groups = {"Forecasting": registry.MODELS, "Sequences with a label": CLASSIFIERS}
    groups |= {f"Texts: {task}": entries for task, entries in TASKS.items()}
    parts = []
    for title, entries in groups.items():
        parts.append(f"### {title}")
        for names in _alike(entries):
            parts.append(_options_of(names, entries))
    every = ", ".join(f"`{key}` ({code(value)})" for key, value in registry.EVERY.items())
    parts.insert(1, f"Every forecaster has these beside its own: {every}.")
    return "\n\n".join(parts)


def _alike(entries: Mapping[str, registry.Entry]) -> list[list[str]]:
    paths: dict[str, list[str]] = {}
    for name, entry in entries.items():
        paths.setdefault(entry.path, []).append(name)
    return list(paths.values())


def _options_of(names: list[str], entries: Mapping[str, registry.Entry]) -> str:
    kind = entries[names[0]].load()
    said, types = said_of(kind), typing.get_type_hints(kind)
    hidden = set.intersection(*(set(entries[name].fixed) for name in names))
    rows = []
    for field in dataclasses.fields(kind):
        if field.name in hidden:
            continue
        default = None if field.default is dataclasses.MISSING else field.default
        rows.append([f"`{field.name}`", kind_of(types[field.name]), code(default), said.get(field.name, "")])
    lines = [f"- `{name}`: {entries[name].doc}{_fixes(entries[name].fixed)}" for name in names]
    head = f"#### {', '.join(names)}\n\n" + "\n".join(lines)
    return head + ("\n\n" + table(("option", "takes", "default", "what"), rows) if rows else "")


def _fixes(fixed: Mapping[str, Any]) -> str:
    said = ", ".join(f"`{key}={value}`" for key, value in fixed.items() if value != "")
    return f" ({said})" if said else ""


def commands() -> str:
    """Every command of the command line with its arguments and options."""
    import typer

    from forecastkit.cli.app import app

    parts: list[str] = []
    _command(typer.main.get_command(app), "forecastkit", parts)
    return "\n\n".join(parts)


def _command(command: Any, name: str, parts: list[str]) -> None:
    inner = getattr(command, "commands", None)
    if inner:
        for word, sub in inner.items():
            _command(sub, f"{name} {word}", parts)
        if not getattr(command, "invoke_without_command", False):
            return
    rows = []
    for option in command.params:
        if option.name == "help":
            continue
        words = (getattr(option, "help", "") or "").replace("`", "'")
        if option.param_type_name == "argument":
            rows.append([f"`{option.metavar or option.name.upper()}`", "", words])
            continue
        default = option.default
        shown = code(default) if isinstance(default, (int, float, str)) and default not in (False, "") else ""
        rows.append([f"`{option.opts[0]}`", shown, words])
    said = " ".join((command.help or "").split())
    parts.append(f"## {name}\n\n{said}\n\n" + (table(("option", "default", "what"), rows) if rows else ""))
