"""Commands that only look: models, datasets, profile."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["list_datasets", "list_models", "run_profile", "show_dataset"]


def list_models(*, as_json: bool) -> None:
    """Print each model with family and a line of what it is."""
    from forecastkit import registry

    described = [registry.describe(name) for name in registry.list_models()]
    if as_json:
        print(json.dumps({d["name"]: d for d in described}, indent=2, default=str))
        return
    for d in described:
        print(f"{d['name']:<16} {d['family']:<12} {d['doc']}")
    print("\nOptions of a model: forecastkit models --json; set one with models.NAME.OPTION=VALUE.")


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


def run_profile(file: str, options: dict[str, Any], *, as_json: bool) -> None:
    """Print what a file holds and what is wrong with it."""
    from forecastkit.reading import ReadOptions, read

    profile = read(file, ReadOptions(**options)).profile
    if as_json:
        print(json.dumps(profile.to_dict(), indent=2, ensure_ascii=False, allow_nan=False, default=str))
        return
    for line in profile.lines():
        print(line)
