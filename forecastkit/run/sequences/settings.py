"""Settings of the runs that classify: YAML, options and ``key=value`` words, every key checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecastkit.config import load_settings
from forecastkit.errors import ConfigError, near
from forecastkit.registry import names_in
from forecastkit.run.sequences.execute import ClassifyOptions

__all__ = ["ECG_KEYS", "TABLE_KEYS", "ecg_settings", "options_of", "table_settings"]

_COMMON: dict[str, type] = {
    "task": str, "label": str, "classes": str, "rare": str, "models": dict, "split": str, "train": str, "test": str,
    "sensitivity": float, "false_alarms": float, "seed": int, "lang": str,
}  # fmt: skip
ECG_KEYS: dict[str, type] = {**_COMMON, "records": str, "labels": str, "lead": str, "fs": float, "include_paced": bool}
TABLE_KEYS: dict[str, type] = {
    **_COMMON,
    "data": str,
    "item": str,
    "time": str,
    "group": str,
    "ahead": float,
    "event": str,
}
ECG_TASKS = ("beats", "rhythm", "anomaly")
TABLE_TASKS = ("label", "anomaly")


def ecg_settings(config: Path | None, values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Settings of ``ecg fit``.

    Raises:
        ConfigError: an unknown key, a wrong value, no records.
    """
    settings = _loaded(ECG_KEYS, config, values, overrides)
    if not settings.get("records"):
        raise ConfigError(place="--records", rule="no folder given", remedy="Give one: --records mitbih.")
    return _checked(settings, ECG_TASKS)


def table_settings(config: Path | None, values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Settings of ``classify fit``.

    Raises:
        ConfigError: an unknown key, a wrong value, no data or no label.
    """
    settings = _loaded(TABLE_KEYS, config, values, overrides)
    needed = ("data", "label") if settings.get("task", "label") == "label" else ("data",)
    for key in needed:
        if not settings.get(key):
            raise ConfigError(place=f"--{key}", rule="not given", remedy="See forecastkit classify fit --help.")
    return _checked(settings, TABLE_TASKS)


def _loaded(
    keys: dict[str, type], config: Path | None, values: Mapping[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
    """With the models of the task where none is named: anomalies need no network, and theirs take long."""
    task = load_settings(keys, config, values=values, overrides=overrides).get("task")
    models: dict[str, Any] = {} if task == "anomaly" else {"gru": {}}
    return load_settings(keys, config, values=values, overrides=overrides, defaults={"models": models})


def _checked(settings: dict[str, Any], tasks: tuple[str, ...]) -> dict[str, Any]:
    task = settings.setdefault("task", tasks[0])
    if task not in tasks:
        raise ConfigError(place="--task", value=repr(task), rule="no such task", remedy=near(task, tasks))
    if task != "anomaly" and "false_alarms" in settings:
        raise ConfigError(place="--false-alarms", rule="means something with --task anomaly only")
    if task == "anomaly" and "sensitivity" in settings:
        raise ConfigError(place="--sensitivity", rule="needs labels", remedy="Use --false-alarms instead.")
    if task == "anomaly" and "rare" in settings:
        raise ConfigError(place="--rare", rule="means nothing with --task anomaly", remedy="Leave it out.")
    return settings


def options_of(settings: Mapping[str, Any], *, classes: Sequence[str] = (), command: str = "") -> ClassifyOptions:
    """What all tasks share.

    Raises:
        ConfigError: an unknown model or option, a value out of its range.
    """
    anomaly = settings["task"] == "anomaly"
    return ClassifyOptions(
        models=dict(settings["models"]),
        split=settings.get("split", "auto"),
        train=names_in(settings.get("train")),
        test=names_in(settings.get("test")),
        sensitivity=settings.get("sensitivity"),
        classes=tuple(classes),
        rare=settings.get("rare", ""),
        anomaly=anomaly,
        false_alarms=settings.get("false_alarms", 0.01),
        seed=settings.get("seed", 1),
        lang=settings.get("lang", "en"),
        command=command,
    )
