"""forecastkit: from a CSV to an honest forecast.

Names resolve on first use, so that ``import forecastkit`` costs almost nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "fit": "forecastkit.api:fit",
    "future_frame": "forecastkit.api:future_frame",
    "join_scores": "forecastkit.api:join_scores",
    "backtest": "forecastkit.api:backtest",
    "predict": "forecastkit.api:predict",
    "load": "forecastkit.api:load",
    "evaluate": "forecastkit.api:evaluate",
    "score": "forecastkit.api:score",
    "update": "forecastkit.api:update",
    "what_if": "forecastkit.api:what_if",
    "Result": "forecastkit.api:Result",
    "EvalPlan": "forecastkit.forecasting.splits:EvalPlan",
    "as_frame": "forecastkit.reading:as_frame",
    "read": "forecastkit.reading:read",
    "ForecastkitError": "forecastkit.errors:ForecastkitError",
    "list_models": "forecastkit.registry:list_models",
    "create_model": "forecastkit.registry:create_model",
    "list_datasets": "forecastkit.catalog:list_datasets",
    "load_dataset": "forecastkit.catalog:load_dataset",
    "StocksData": "forecastkit.forecasting.series_data:StocksData",
    "WeatherData": "forecastkit.forecasting.series_data:WeatherData",
    "DemandData": "forecastkit.forecasting.series_data:DemandData",
    "ECGData": "forecastkit.classification.ecg_data:ECGData",
    "fit_text_classifier": "forecastkit.run.texts.classify:fit_classifier",
    "fit_language_model": "forecastkit.run.texts.language:fit_language_model",
    "fit_translator": "forecastkit.run.texts.translate:fit_translator",
    "fit_transcriber": "forecastkit.run.texts.transcribe:fit_transcriber",
    "TextScorer": "forecastkit.run.texts.classify:TextScorer",
    "LanguageRun": "forecastkit.run.texts.language:LanguageRun",
    "TranslationRun": "forecastkit.run.texts.translate:TranslationRun",
    "TranscriptionRun": "forecastkit.run.texts.transcribe:TranscriptionRun",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'forecastkit' has no attribute {name!r}")
    module, attribute = _PUBLIC[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
