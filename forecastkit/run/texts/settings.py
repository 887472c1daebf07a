"""Settings of a text run: YAML, options and ``key=value`` words, every key checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecastkit.config import load_settings
from forecastkit.errors import ConfigError, UnknownNameError, near

__all__ = ["KEYS", "text_settings"]

TASKS = ("classify", "language-model", "translate", "transcribe")
LANGUAGES = ("en", "es")
KEYS: dict[str, type] = {
    "task": str, "data": str, "text": str, "label": str, "models": dict, "folds": int, "seed": int, "unlabelled": str,
    "level": str, "group": str, "lang": str,
}  # fmt: skip
_OWNERS = {
    "text": ("classify", "transcribe"), "label": ("classify",), "folds": ("classify",), "unlabelled": ("classify",),
    "level": ("language-model",), "group": ("transcribe",),
}  # fmt: skip
"""The tasks for which a setting means something, where it is not all of them."""


def text_settings(
    config: str | Path | None, values: Mapping[str, Any] | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Settings of ``text fit``; but for the task, what is not given is not there.

    Raises:
        ConfigError, UnknownNameError: an unknown key, a wrong value, no data, a setting of another task.
    """
    settings = load_settings(KEYS, config, values=values, overrides=overrides, defaults={"task": TASKS[0]})
    task, lang = settings["task"], settings.get("lang", LANGUAGES[0])
    if task not in TASKS:
        raise UnknownNameError(place="--task", value=repr(task), rule="no such task", remedy=near(task, TASKS))
    if not settings.get("data"):
        raise ConfigError(place="--data", rule="no data given", remedy="Give a file: --data reviews.csv, or dataset:reviews.")  # fmt: skip
    if lang not in LANGUAGES:
        raise ConfigError(place="--lang", value=repr(lang), rule="no such language", remedy=near(lang, LANGUAGES))
    for key, owners in _OWNERS.items():
        if key in settings and task not in owners:
            raise ConfigError(place=f"--{key}", rule=f"means nothing for the task {task}", remedy="Leave it out.")
    return settings
