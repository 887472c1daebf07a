"""Commands that only look: models, datasets, profile."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from forecastkit.reading import Profile

__all__ = ["list_datasets", "list_models", "run_profile", "show_dataset", "show_model", "sparkline", "suggestion"]

BLOCKS = "▁▂▃▄▅▆▇█"
LABEL = 13
MOST_DRAWN = 8


def list_models(*, as_json: bool) -> None:
    """Print each model with family and a line of what it is."""
    from forecastkit import registry

    described = [registry.describe(name) for name in registry.list_models()]
    if as_json:
        print(json.dumps({d["name"]: d for d in described}, indent=2, default=str))
        return
    for d in described:
        print(f"{d['name']:<16} {d['family']:<12} {d['doc']}")
    for reason in registry.refused_plugins().values():
        print(f"not usable: {reason}")
    print("\nOptions of a model: forecastkit models NAME; set one with models.NAME.OPTION=VALUE.")


def show_model(name: str, *, as_json: bool) -> None:
    """Print one model with its options, their defaults and what they mean.

    Raises:
        UnknownNameError: no such model.
    """
    from forecastkit import registry

    d = registry.describe(name)
    if as_json:
        print(json.dumps(d, indent=2, default=str))
        return
    print(f"{d['name']:<16} {d['family']:<12} {d['doc']}\n")
    width = max(min(shutil.get_terminal_size((100, 24)).columns, 120), 60)
    for option, default in d["options"].items():
        shown = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        words = d["said"][option].replace("`", "")
        lines = textwrap.wrap(words, width - 33) or [""]
        print(f"{option:<16} {shown:<15} {lines[0]}".rstrip())
        for line in lines[1:]:
            print(f"{'':<33}{line}")
    print(f"\nSet one with models.{name}.OPTION=VALUE.")


def list_datasets() -> None:
    """Print each embedded data set."""
    from forecastkit import catalog

    for name in catalog.list_datasets():
        card = catalog.card(name)
        print(f"{name:<16} {card.title}")
    print("\nUse one with --data dataset:NAME; more with forecastkit datasets show NAME.")


def show_dataset(name: str) -> None:
    """Print one card as YAML."""
    import yaml

    from forecastkit import catalog

    card = catalog.card(name).model_dump(mode="json", exclude_none=True)
    print(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100), end="")


def run_profile(file: str, options: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what a file holds and what is wrong with it."""
    from forecastkit.reading import ReadOptions, read

    reading = read(file, ReadOptions(**options))
    profile = reading.profile
    if as_json:
        print(json.dumps(profile.to_dict(), indent=2, ensure_ascii=False, allow_nan=False, default=str))
        return
    for line in profile.lines():
        print(line)
    print()
    for item in reading.frame.items[:MOST_DRAWN]:
        print(f"{_short(item):<13} {sparkline(reading.frame.store.series(reading.frame.items.index(item)))}")
    if len(reading.frame.items) > MOST_DRAWN:
        print(f"{'':<13} and {len(reading.frame.items) - MOST_DRAWN} more series")
    print()
    print(f"{'Try':<13} {suggestion(file, profile, options)}")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LABEL else text[: LABEL - 1] + "…"


def sparkline(values: np.ndarray, width: int = 60) -> str:
    """A series in one line: means of equal parts, lowest to highest; a space where nothing was observed.

    >>> import numpy as np
    >>> sparkline(np.array([0.0, 1.0, 2.0, 3.0]), 4)
    '▁▃▅█'
    """
    import numpy as np

    parts = np.array_split(values, min(width, len(values)))
    means = [float(np.nanmean(part)) if np.isfinite(part).any() else np.nan for part in parts]
    low, high = np.nanmin(means), np.nanmax(means)
    span = (high - low) or 1.0
    return "".join(" " if not np.isfinite(m) else BLOCKS[int((m - low) / span * 7.001)] for m in means)


def suggestion(file: str, profile: Profile, options: Mapping[str, Any]) -> str:
    """The command that fits what was found, every choice written out."""
    import shlex

    from forecastkit.run.preparing import default_horizon

    words = ["forecastkit", "fit", "--data", file]
    found = {"target": profile.target, "time": profile.time, "item": profile.item if profile.layout == "long" else ""}
    given = {key: value for key, value in options.items() if value not in (None, "error", "none")}
    for key, value in {**found, **given}.items():
        if value:
            words += [
                f"--{key.replace('_length', '').replace('_', '-')}",
                value
                if isinstance(value, str)
                else ",".join(map(str, value))
                if isinstance(value, tuple)
                else str(value),
            ]
    return shlex.join([*words, "--horizon", str(default_horizon(profile.freq))])
