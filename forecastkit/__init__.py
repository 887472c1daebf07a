"""forecastkit: from a CSV to an honest forecast.

Names resolve on first use, so that ``import forecastkit`` costs almost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "fit": "forecastkit.api:fit",
    "predict": "forecastkit.api:predict",
    "load": "forecastkit.api:load",
    "as_frame": "forecastkit.reading:as_frame",
    "read": "forecastkit.reading:read",
    "ForecastkitError": "forecastkit.errors:ForecastkitError",
    "list_models": "forecastkit.registry:list_models",
    "create_model": "forecastkit.registry:create_model",
    "load_dataset": "forecastkit.catalog:load_dataset",
}

__all__ = ["__version__", *sorted(_PUBLIC)]

if TYPE_CHECKING:
    from forecastkit.api import fit, load, predict
    from forecastkit.catalog import load_dataset
    from forecastkit.errors import ForecastkitError
    from forecastkit.reading import as_frame, read
    from forecastkit.registry import create_model, list_models


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'forecastkit' has no attribute {name!r}")
    module, attribute = _PUBLIC[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
