"""The run configuration: frozen, strict, from YAML and ``key=value``.

Unknown keys are refused with the near one named, so that a typo fails before anything is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator

from forecastkit.errors import ConfigError, UnknownNameError, near, rule_of
from forecastkit.parallel import Engine, Workers
from forecastkit.presets import seconds_in, trials_or_seconds, with_preset
from forecastkit.ranks import Machines, Strategy
from forecastkit.read_options import LISTS, ReadOptions
from forecastkit.registry import names_in
from forecastkit.strict_yaml import load_yaml

__all__ = ["DataConfig", "EvaluationConfig", "RunConfig", "load_config", "load_settings"]

DEFAULT_NETWORKS = ("lstm", "gru")


class _Strict(BaseModel, frozen=True, extra="forbid", protected_namespaces=()):
    pass


class DataConfig(_Strict, ReadOptions, frozen=True):
    """Where the series are, and how to read them as in ``ReadOptions``, which also checks the values; every None is detected
    and said.

    Args:
        path: file, ``dataset:NAME``, ``yahoo:AAPL,MSFT`` or ``open-meteo:Madrid``.
        future: file with the known covariates of the instants to come, where the data do not go on with them.
    """

    path: str = ""
    future: str = ""
    season_length: int | None = Field(default=None, ge=1)
    skip_rows: int | None = Field(default=None, ge=0)

    @field_validator("start", "end", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        # YAML reads 2015-01-01 as a date and 2015 as a number.
        return value if value is None or isinstance(value, str) else str(value)

    @field_validator("close", mode="before")
    @classmethod
    def _clock(cls, value: Any) -> Any:
        # YAML reads 16:00 as 960, sixteen times sixty.
        return f"{value // 60:02d}:{value % 60:02d}" if type(value) is int else value

    @field_validator(*LISTS, mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        # `known: temperature,holiday` as on the command line.
        return names_in(value) if isinstance(value, str) else value

    @property
    def reading(self) -> ReadOptions:
        """How to read what is at ``path``.

        Raises:
            ConfigError: a value that is not allowed.
        """
        return ReadOptions(**self.model_dump(exclude={"path", "future"}))


class EvaluationConfig(_Strict, frozen=True):
    """Folds and roles. None = as many as the history allows, up to 30 report, 5 select, 10 calibrate.

    Args:
        error: what the choice and the tests count: ``absolute`` errors (MASE) or ``squared`` ones (MSSE, and networks learn the
            mean). None = squared where more than half of the values are 0 and none is below, since the lowest absolute
            error is then that of a forecast of 0.
        intervals: ``split`` learns their width from calibrate folds alone; ``adaptive`` from later answers too, as they come.
    """

    n_report: int | None = Field(default=None, ge=1)
    n_select: int | None = Field(default=None, ge=0)
    n_calibrate: int | None = Field(default=None, ge=0)
    step: int | None = Field(default=None, ge=1)
    gap: int = Field(default=0, ge=0)
    refit: Literal["never", "every"] | int = "never"
    window: Literal["expanding", "sliding"] = "expanding"
    window_length: int | None = Field(default=None, ge=2)
    align: Literal["calendar", "end"] | None = None
    min_train: int | None = Field(default=None, ge=2)
    intervals: Literal["adaptive", "split"] = "adaptive"
    metrics: tuple[str, ...] = ()
    error: Literal["absolute", "squared"] | None = None

    @field_validator("refit")
    @classmethod
    def _refit(cls, value: Any) -> Any:
        if isinstance(value, int) and value < 1:
            raise ValueError("refit is 'never', 'every' or a number of folds of at least 1")
        return value


def _default_models() -> dict[str, dict[str, Any]]:
    return {name: {} for name in DEFAULT_NETWORKS}


class RunConfig(_Strict, frozen=True):
    """Everything that decides the numbers of a run.

    Args:
        horizon: steps ahead; None = by frequency (10 for days, 12 for months, 24 for hours, ...).
        models: networks and further models, each with its options; baselines are added.
        baselines: ``"all"`` or ``"naive"`` (the four naive rules only).
        baseline_seconds: time budget of each statistical baseline.
        network_seconds: time limit of each network and seed; it keeps the best so far. None = none.
        checkpoint_seconds: between two writes of a training's state, from which ``--resume`` goes on.
        transform: of the target, for every model that does not say otherwise: ``none``, ``auto`` or a name.
        non_negative, whole: forecasts are not below 0, are whole numbers; of every model that does not say otherwise.
        final: the model of forecast.csv: ``"recommended"`` or a name.
        seeds: number of seeds per network; their mean is the score.
        ensemble: how the models are joined to one more: the mean of the ``best`` three, the ``median``, weights (``greedy``),
            weights by step (``steps``), ``auto`` (chosen on select folds) or ``none``.
        n_jobs: processes for statistical models; None = one a core, where there is enough to do. Results do not depend on it.
        devices, nodes, strategy: processes (GPUs, where there are some) of each machine, machines, and how Lightning lets
            them train a network together; a step's batch is shared out among them.
        engine: who does them: ``local``, or a ``dask``, ``ray`` or ``spark`` cluster at ``address``.
        preset: where settings that are not given come from: ``presets.PRESETS``.
        time_limit: seconds of the whole run, or as ``10m``; shared out by ``run.budget``'s rules. None = no limit.
        tune: trials of a search for each network's options, a whole number, or its time, as ``5m``; None = no search.
        cost: what an error costs, as ``over=1,under=4``; empty = not asked.
        fee: basis points for each purchase and sale: a long/flat rule for prices is tried; None = not asked.
        threads: torch threads; None = one for small networks, else all cores.
    """

    version: Literal[1] = 1
    name: str = ""
    data: DataConfig = DataConfig()
    horizon: int | None = Field(default=None, ge=1, le=100_000)
    models: dict[str, dict[str, Any]] = Field(default_factory=_default_models)
    baselines: Literal["all", "naive"] = "all"
    baseline_seconds: float = Field(default=120.0, gt=0)
    network_seconds: float | None = Field(default=None, gt=0)
    checkpoint_seconds: float = Field(default=10.0, ge=0)
    evaluation: EvaluationConfig = EvaluationConfig()
    transform: str = "none"
    non_negative: bool = False
    whole: bool = False
    final: str = "recommended"
    seed: int = Field(default=1, ge=0, lt=2**32)
    seeds: int = Field(default=1, ge=1, le=100)
    ensemble: Literal["auto", "best", "median", "greedy", "steps", "none"] = "auto"
    n_jobs: int | None = Field(default=None, ge=1)
    engine: Engine = "local"
    address: str | None = None
    devices: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    strategy: Strategy = "auto"
    threads: int | None = Field(default=None, ge=1)
    preset: Literal["fast", "default", "best"] = "default"
    time_limit: float | None = None
    tune: int | float | None = None
    lang: Literal["en", "es"] = "en"
    cost: str = ""
    fee: float | None = Field(default=None, ge=0, le=10_000)

    @field_validator("models", mode="before")
    @classmethod
    def _models(cls, value: Any) -> Any:
        # `models: [lstm, gru]` is what people write first.
        if isinstance(value, (list, tuple)):
            return {str(name): {} for name in value}
        if isinstance(value, Mapping):
            return {str(name): ({} if options is None else options) for name, options in value.items()}
        return value

    @field_validator("time_limit", mode="before")
    @classmethod
    def _time_limit(cls, value: Any) -> Any:
        return value if value is None else seconds_in(value)

    @field_validator("tune", mode="before")
    @classmethod
    def _tune(cls, value: Any) -> Any:
        return value if value is None else trials_or_seconds(value)

    @property
    def workers(self) -> Workers:
        """Who fits independent series."""
        return Workers(self.n_jobs, self.engine, self.address)

    @property
    def machines(self) -> Machines:
        """Where networks are trained."""
        return Machines(self.devices, self.nodes, self.strategy)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML and JSON; what is read stands before how."""
        tree = self.model_dump(mode="json")
        return {**tree, "data": {"path": self.data.path, **tree["data"]}}


def load_config(
    path: str | Path | None = None,
    *,
    overrides: Iterable[str] = (),
    values: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Configuration from a YAML file, then ``values``, then ``key=value`` words; later wins.

    Args:
        path: YAML file, or None.
        overrides: words such as ``horizon=20`` or ``models.lstm.hidden=128``; values are YAML.
        values: nested mapping from the command line's options or from Python.

    Raises:
        ConfigError: no such file, not YAML, unknown key, wrong value.

    >>> load_config(overrides=["horizon=20", "models.lstm.hidden=8"]).models["lstm"]
    {'hidden': 8}
    """
    tree = with_preset(_tree(path, values or {}, overrides))
    return _validate(tree, place=str(path) if path is not None else "options")


def load_settings(
    keys: Mapping[str, type],
    path: str | Path | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Settings of a sister task: from a YAML file, then ``values``, then ``key=value`` words; later wins.

    Args:
        keys: every setting there is -> its type; ``models`` is a mapping of names to options.
        values: None = not given.
        defaults: of keys that neither the file nor ``values`` have.

    Raises:
        ConfigError: no such file, not YAML, a value of the wrong type.
        UnknownNameError: an unknown key.

    >>> load_settings({"seed": int, "models": dict}, overrides=["models.gru.hidden=8"])
    {'models': {'gru': {'hidden': 8}}}
    """
    said = {key: value for key, value in (values or {}).items() if value is not None}
    tree = _tree(path, said, overrides, defaults or {})
    for key, value in tree.items():
        if key not in keys:
            raise UnknownNameError(place=f"setting {key}", rule="no such setting", remedy=near(key, keys))
        wanted = keys[key]
        fits = type(value) is wanted or (wanted is float and type(value) is int)
        if not fits:
            raise ConfigError(
                place=f"setting {key}", value=repr(value)[:60], rule=f"a value of type {wanted.__name__} is needed"
            )
    for name, options in tree.get("models", {}).items():
        if options is not None and not isinstance(options, dict):
            raise ConfigError(place=f"models.{name}", value=repr(options)[:60], rule="options are a mapping")
        tree["models"][name] = dict(options or {})
    return tree


def _tree(
    path: str | Path | None,
    values: Mapping[str, Any],
    overrides: Iterable[str],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The file, then ``values``, then ``key=value`` words; ``defaults`` of keys that neither of the first two has."""
    tree: dict[str, Any] = _read(Path(path)) if path is not None else {}
    if isinstance(tree.get("models"), list):
        # Options of a word or of Python go to the models of the list.
        tree["models"] = {str(name): {} for name in tree["models"]}
    tree = {**{key: deepcopy(value) for key, value in defaults.items() if key not in {*tree, *values}}, **tree}
    _merge(tree, deepcopy(dict(values)))  # words change the tree, and not what the caller gave
    for word in overrides:
        _override(tree, word)
    return tree


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(place=str(path), rule="no such file", remedy="Give the path of a YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(place=str(path), value=str(error), rule="cannot be read as text") from None
    try:
        tree = load_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "nested too deeply"
        raise ConfigError(place=f"{path}{line}", value=str(problem), rule="not valid YAML") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(place=str(path), rule="a configuration is a mapping of keys to values")
    return tree


def _merge(tree: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _override(tree: dict[str, Any], word: str) -> None:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise ConfigError(
            place=f"option {word!r}",
            rule="not key=value",
            remedy="Write for instance horizon=20 or models.lstm.hidden=64.",
        )
    try:
        value = load_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigError(place=f"option {key}", value=repr(text), rule="not a YAML value") from None
    node = tree
    *parents, leaf = key.split(".")
    for parent in parents:
        child = node.setdefault(parent, {})
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ConfigError(place=f"option {key}", rule=f"{parent!r} holds a value, not further keys")
        node = child
    node[leaf] = value


def _validate(tree: dict[str, Any], *, place: str) -> RunConfig:
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(
                place=f"{place}, key {where}",
                rule="unknown key",
                remedy=near(str(first["loc"][-1]), _keys(first["loc"][:-1])),
            ) from None
        raise ConfigError(
            place=f"{place}, key {where}", value=repr(first.get("input"))[:80], rule=rule_of(first)
        ) from None


def _keys(location: tuple[Any, ...]) -> list[str]:
    sections: dict[tuple[Any, ...], type[_Strict]] = {("data",): DataConfig, ("evaluation",): EvaluationConfig}
    return list(sections.get(tuple(location), RunConfig).model_fields)
