"""Models by name. Entries are text, so that looking one up imports nothing and a baseline never imports torch."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forecastkit import plugins
from forecastkit.errors import ConfigError, UnknownNameError, near, rule_of

if TYPE_CHECKING:
    from forecastkit.forecasting.protocol import Forecaster

__all__ = [
    "ALWAYS",
    "EVERY",
    "INTERMITTENT",
    "MODELS",
    "Entry",
    "create",
    "create_model",
    "describe",
    "is_foreign",
    "is_name",
    "list_models",
    "names_in",
    "options_of",
    "refused_plugins",
    "said_of",
]


@dataclass(frozen=True)
class Entry:
    """Where a model is, and what its name fixes.

    Args:
        path: ``module:Class``; the class is a frozen dataclass whose fields are the options.
        doc: what it is, in a line.
        fixed: options that the name stands for.
        plugin: where it comes from, if not from here.
    """

    path: str
    doc: str
    fixed: dict[str, Any] = field(default_factory=dict)
    plugin: plugins.Plugin | None = None

    def load(self) -> Any:
        """The class.

        Raises:
            ConfigError: it belongs to another package, and is no forecaster.
        """
        if self.plugin is not None:
            return plugins.load(self.plugin)
        module, name = self.path.split(":")
        return getattr(importlib.import_module(module), name)


_MODELS = "forecastkit.forecasting.models"
_NAIVE = f"{_MODELS}.naive"
_LINEAR = f"{_MODELS}.linear:LinearForecaster"
_RECURRENT = f"{_MODELS}.recurrent:RecurrentForecaster"

MODELS: dict[str, Entry] = {
    "naive": Entry(f"{_NAIVE}:Naive", "the last value, again"),
    "drift": Entry(f"{_NAIVE}:Drift", "the last value and the mean change so far"),
    "seasonal_naive": Entry(f"{_NAIVE}:SeasonalNaive", "the value one season ago"),
    "window_average": Entry(f"{_NAIVE}:WindowAverage", "the mean of the last rows"),
    "auto_arima": Entry(f"{_MODELS}.arima:AutoArima", "ARIMA with orders chosen by AICc (statsforecast)"),
    "auto_ets": Entry(f"{_MODELS}.exponential:AutoEts", "exponential smoothing chosen by AICc (statsforecast)"),
    "theta": Entry(f"{_MODELS}.exponential:Theta", "the theta method (statsforecast)"),
    "arima": Entry(f"{_MODELS}.arima:Arima", "ARIMA of a fixed order (statsmodels)"),
    "croston": Entry(
        f"{_MODELS}.intermittent:Croston", "demand with many zeros: size over time between two (statsforecast)"
    ),
    "tsb": Entry(f"{_MODELS}.intermittent:Tsb", "demand with many zeros: size times probability (statsforecast)"),
    "ridge": Entry(f"{_MODELS}.ridge:Ridge", "ridge regression over lags and covariates, one for all series"),
    "boosting": Entry(f"{_MODELS}.boosting:Boosting", "gradient boosted trees over lags and covariates (scikit-learn)"),
    "rnn": Entry(_RECURRENT, "recurrent network with plain tanh or ReLU cells", {"cell": "rnn"}),
    "gru": Entry(_RECURRENT, "recurrent network with gated recurrent units", {"cell": "gru"}),
    "lstm": Entry(_RECURRENT, "recurrent network with long short-term memory", {"cell": "lstm"}),
    "nlinear": Entry(_LINEAR, "one linear map of the lags, minus the last value", {"window": 0}),
    "dlinear": Entry(_LINEAR, "linear maps of a moving mean and of the rest", {"window": 25}),
    "segrnn": Entry(f"{_MODELS}.segrnn:SegRnn", "recurrent network over segments, decoded by their places"),
    "seq2seq": Entry(f"{_MODELS}.seq2seq:Seq2Seq", "encoder and decoder with attention"),
    "deepar": Entry(f"{_MODELS}.deepar:DeepAr", "autoregressive network that forecasts by sample paths"),
    "esrnn": Entry(f"{_MODELS}.esrnn:EsRnn", "exponential smoothing with a dilated recurrent network"),
    "tcn": Entry(f"{_MODELS}.tcn:Tcn", "dilated causal convolutions"),
    "nhits": Entry(f"{_MODELS}.nhits:NHits", "blocks of layers at several rates (N-HiTS)"),
    "patchtst": Entry(f"{_MODELS}.patchtst:PatchTst", "transformer over patches (PatchTST)"),
    "fallback": Entry(
        f"{_MODELS}.fallback:Fallback", "for each of many series a global network, theta or the seasonal rule"
    ),
    "ensemble": Entry(
        "forecastkit.forecasting.ensemble:EnsembleForecaster", "several models as one; made by every run"
    ),
}

EVERY: dict[str, Any] = {"transform": "none", "non_negative": False, "whole": False}
"""Options that every forecaster has beside its own, with their defaults."""
_ADJUSTED = Entry(f"{_MODELS}.adjusted:Adjusted", "a model with what is done before and after it")

ALWAYS = ("naive", "drift", "seasonal_naive", "window_average", "auto_arima", "auto_ets", "theta", "arima")
INTERMITTENT = ("croston", "tsb")
"""Models that a run adds where zeros prevail."""
"""Baselines of every leaderboard."""


def names_in(words: str | None) -> tuple[str, ...]:
    """What stands between the commas, once each.

    >>> names_in("gru, lstm,,gru")
    ('gru', 'lstm')
    """
    return tuple(dict.fromkeys(w.strip() for w in (words or "").split(",") if w.strip()))


def is_name(name: object) -> bool:
    """Whether a model may be called so: it stands in tables, and in the names of files of a run."""
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z][\w-]{0,40}", name) is not None


def list_models() -> list[str]:
    """Names of this package's models, simple ones first, then those of other packages that can be used."""
    refused = refused_plugins()
    return [*MODELS, *(name for name in _plugins()[0] if name not in refused)]


def refused_plugins() -> dict[str, str]:
    """Models of other packages that cannot be used: name -> why. Imports the others."""
    entries, refused = _plugins()
    for name, entry in entries.items():
        try:
            entry.load()
        except ConfigError as error:
            refused[name] = str(error)
    return refused


def _plugins() -> tuple[dict[str, Entry], dict[str, str]]:
    """(entries of other packages, those whose name is taken or none: name -> why)."""
    entries: dict[str, Entry] = {}
    refused: dict[str, str] = {}
    for plugin in plugins.find():
        name, owner = plugin.name, entries[plugin.name].plugin if plugin.name in entries else None
        if name in MODELS or owner is not None:
            whose = "forecastkit" if owner is None else owner.package
            refused[f"{name} ({plugin.package})"] = f"{plugin.place}: the name belongs to {whose}."
        elif not is_name(name):
            refused[name] = f"{plugin.place}: a name has letters, digits, _ or -, at most 41, a letter first."
        else:
            entries[name] = Entry(plugin.path, f"from {plugin.package}", plugin=plugin)
    return entries, refused


def is_foreign(model: object) -> bool:
    """Whether a model, or what it is wrapped around, comes from another package."""
    inner = getattr(model, "inner", model) if type(model).__module__.startswith("forecastkit.") else model
    return not type(inner).__module__.startswith("forecastkit.")


def _entry(name: str, entries: Mapping[str, Entry]) -> Entry:
    if name not in entries and entries is MODELS:
        entries = {**MODELS, **_plugins()[0]}
    if name not in entries:
        raise UnknownNameError(place="model", value=repr(name), rule="no such model", remedy=near(name, entries))
    return entries[name]


def create_model(name: str, **options: Any) -> Forecaster:
    """A model with its options, not yet fitted.

    Raises:
        UnknownNameError: no such model, or no such option of it.
        ConfigError: a value of the wrong type, or one that the model refuses.
    """
    own = {key: value for key, value in options.items() if key not in EVERY}
    model: Forecaster = create(MODELS, name, own, more=EVERY)
    around = {key: value for key, value in options.items() if key in EVERY and value != EVERY[key]}
    return _around(name, model, around) if around else model


def _around(name: str, model: Forecaster, options: Mapping[str, Any]) -> Forecaster:
    kind = _ADJUSTED.load()
    types = typing.get_type_hints(kind)
    values = {key: _converted(name, key, value, types[key]) for key, value in options.items()}
    adjusted: Forecaster = kind(model, **values)
    return adjusted


def create(entries: Mapping[str, Entry], name: str, options: Mapping[str, Any], *, more: Iterable[str] = ()) -> Any:
    """A model of any registry with its options; errors as ``create_model``.

    Args:
        more: further options that the caller takes care of, for the list of those that exist.
    """
    entry = _entry(name, entries)
    kind = entry.load()
    fields = {f.name for f in dataclasses.fields(kind)} - set(entry.fixed)
    types = typing.get_type_hints(kind)
    values = {}
    for key, value in options.items():
        if key not in fields:
            raise UnknownNameError(
                place=f"model {name}, option {key}", rule="no such option", remedy=near(key, sorted({*fields, *more}))
            )
        values[key] = _converted(name, key, value, types[key])
    if entry.plugin is None:
        return kind(**entry.fixed, **values)
    try:
        return kind(**values)
    except ConfigError:
        raise
    except Exception as error:  # a foreign constructor may raise anything
        said = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise ConfigError(place=entry.plugin.place, value=said, rule="refuses its options") from None


def _converted(name: str, key: str, value: Any, kind: Any) -> Any:
    """YAML has lists and whole numbers where an option wants tuples and floats; anything else must fit."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind, config=ConfigDict(strict=False)).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(place=f"model {name}, option {key}", value=repr(value)[:80], rule=rule_of(first)) from None


def options_of(model: Forecaster) -> dict[str, Any]:
    """Options with which ``create_model`` makes the same model again, JSON-able."""
    kind = type(model)
    if f"{kind.__module__}:{kind.__qualname__}" == _ADJUSTED.path:
        around = {key: getattr(model, key) for key in EVERY}
        return {**options_of(typing.cast(Any, model).inner), **around}
    path = f"{kind.__module__}:{kind.__qualname__}"
    fixed = {key for entry in MODELS.values() if entry.path == path for key in entry.fixed}
    values = dataclasses.asdict(typing.cast(Any, model))
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if k not in fixed}


def said_of(kind: type) -> dict[str, str]:
    """What the ``Args:`` of a class and its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", text, re.MULTILINE)
        if section is None:
            continue
        for names, words in re.findall(
            r"^    (\w[\w, ]*):[ ]((?:.*\n?)(?:^      +.*\n?|^\n)*)", section[1], re.MULTILINE
        ):
            for name in names.split(","):
                found[name.strip()] = " ".join(words.split()).replace("``", "`")
    return found


def describe(name: str, entries: Mapping[str, Entry] | None = None) -> dict[str, Any]:
    """Name, family, one line, options with their defaults, and what is said of them. Imports the model's module.

    Raises:
        UnknownNameError: no such model.
        ConfigError: it belongs to another package, and is no forecaster.
    """
    entry = _entry(name, MODELS if entries is None else entries)
    kind = entry.load()
    defaults = {
        f.name: None if f.default is dataclasses.MISSING else f.default
        for f in dataclasses.fields(kind)
        if f.name not in entry.fixed
    }
    every, said = {}, said_of(kind)
    if entries is None:
        every, said = EVERY, {**said_of(_ADJUSTED.load()), **said}
    doc = entry.doc
    if entry.plugin is not None:
        doc = "; ".join(filter(None, [(kind.__doc__ or "").strip().split("\n")[0].rstrip("."), doc]))
    options = {**defaults, **every}
    words = {key: said.get(key, "") for key in options}
    return {"name": name, "family": str(kind.family), "doc": doc, "options": options, "said": words}
