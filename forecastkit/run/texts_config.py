"""Settings of a text run: YAML, then words such as ``models.gru.hidden=128``; every key is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forecastkit.errors import ConfigError, UnknownNameError, near

__all__ = ["KEYS", "load_text_config"]

KEYS: dict[str, type] = {
    "task": str, "data": str, "text": str, "label": str, "models": dict, "folds": int, "seed": int, "unlabelled": str,
    "level": str, "lang": str,
}  # fmt: skip


def load_text_config(
    path: str | Path | None, *, values: Mapping[str, Any] | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Settings; what is not given is not there.

    Raises:
        ConfigError: unreadable file, a value of the wrong type.
        UnknownNameError: an unknown key.
    """
    out: dict[str, Any] = {}
    if path is not None:
        out = _file(Path(path))
    out |= {k: v for k, v in (values or {}).items() if v is not None}
    for word in overrides:
        _override(out, word)
    for key, value in out.items():
        if key not in KEYS:
            raise UnknownNameError(place=f"setting {key}", rule="no such setting", remedy=near(key, KEYS))
        if type(value) is not KEYS[key]:
            raise ConfigError(place=f"setting {key}", value=repr(value)[:60], rule=f"a {KEYS[key].__name__} is needed")
    for name, options in out.get("models", {}).items():
        if options is None:
            out["models"][name] = {}
        elif not isinstance(options, dict):
            raise ConfigError(place=f"models.{name}", value=repr(options)[:60], rule="options are a mapping")
    return out


def _file(path: Path) -> dict[str, Any]:
    import yaml

    from forecastkit import strict_yaml

    try:
        content = strict_yaml.load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(place=str(path), value=error.strerror or "", rule="cannot be read") from None
    except (yaml.YAMLError, ValueError, UnicodeDecodeError) as error:
        raise ConfigError(place=str(path), value=" ".join(str(error).split())[:160], rule="not valid YAML") from None
    if not isinstance(content, dict):
        raise ConfigError(place=str(path), rule="the file is not a mapping of settings")
    return {str(k): v for k, v in content.items()}


def _override(out: dict[str, Any], word: str) -> None:
    import yaml

    key, equals, raw = word.partition("=")
    parts = key.split(".")
    if not equals or not all(parts):
        raise ConfigError(place=f"setting {word!r}", rule="written KEY=VALUE", remedy="Such as models.gru.hidden=128.")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        value = raw
    at = out
    for part in parts[:-1]:
        inner = at.get(part)
        if inner is None:
            inner = at[part] = {}
        if not isinstance(inner, dict):
            raise ConfigError(place=f"setting {word!r}", rule=f"{part} is not a group of settings")
        at = inner
    at[parts[-1]] = value
