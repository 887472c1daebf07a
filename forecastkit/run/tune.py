"""A search for the options of the networks, on select folds alone.

Each trial trains once on the rows before the first select fold and is scored on those folds; no calibrate or report fold is
looked at, and the seed is that of the run in every trial, so that no lucky start is chosen. The first trial has the options as
they were given; those that were given stay as they are. The search goes on where it was interrupted: trials are kept in the run's
``tuning.json``, and each is drawn from those before it and its number alone.

Source: Akiba et al. (2019), doi:10.1145/3292500.3330701 (Optuna); Bergstra et al. (2011), NeurIPS 24 (TPE).
"""

from __future__ import annotations

import time
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, registry
from forecastkit.errors import ConfigError, ModelFileError
from forecastkit.forecasting.backtest import backtest_model, cut
from forecastkit.forecasting.protocol import FitContext, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import answers, nan_mean, positions, scales
from forecastkit.run.folder import RunFolder
from forecastkit.run.joining import kind_of

if TYPE_CHECKING:
    from forecastkit.run.budget import Budget
    from forecastkit.run.preparing import Observer, Prepared

__all__ = ["FILE", "Trial", "check_tuning", "space_of", "tune"]

FILE = "tuning.json"
FORMAT = 1
OPTION_SETS: dict[str, tuple[Any, ...]] = {
    "hidden": (32, 64, 128),
    "layers": (1, 2),
    "batch_size": (64, 128, 256),
    "dropout": (0.0, 0.1, 0.2),
    "loss": ("mae", "huber", "mse"),
    "schedule": ("cosine", "onecycle"),
    "scaling": ("instance", "log"),
    "weight_decay": (0.0, 0.01, 0.1),
}
"""Options that are chosen from a set, for models that have them."""
RATES = (3e-4, 1e-2)
"""Learning rates, on a logarithmic scale."""
RANDOM = 5
"""Trials that are drawn at random, before what they say is used."""
CONTEXTS = (0.5, 1.0, 2.0)
"""Times the context that the rules choose."""


@dataclass(frozen=True)
class Trial:
    """One set of options.

    Args:
        params: what was searched; empty = the options as given.
        options: of the model, all that differ from its defaults.
        loss: mean scaled error on select folds; None = it failed.
        context: rows that the model read.
    """

    model: str
    number: int
    params: dict[str, Any]
    options: dict[str, Any]
    loss: float | None
    seconds: float
    error: str = ""
    context: int | None = None


def check_tuning(prepared: Prepared) -> None:
    """Whether a search can be made.

    Raises:
        ConfigError: no select folds, no network, or Optuna is not installed.
    """
    if not prepared.folds.select:
        raise ConfigError(
            place="--tune", rule="there are no select folds to search on", remedy="Give a longer history, or n_select."
        )
    if not _networks(prepared):
        raise ConfigError(place="--tune", rule="none of the models has options to search", remedy="Add a network.")
    try:
        import optuna  # noqa: F401
    except ModuleNotFoundError:
        raise ConfigError(
            place="--tune", rule="the package optuna is not installed", remedy="pip install 'forecastkit[tune]'"
        ) from None


def _networks(prepared: Prepared) -> list[str]:
    return [name for name, model in prepared.models.items() if model.family == "network"]


def space_of(model: Forecaster, given: Mapping[str, Any], context: int | None, frame: SeriesFrame) -> dict[str, Any]:
    """Option -> (low, high) of a logarithmic scale, or a list to choose from; nothing that was given, and never a seed.

    Args:
        given: options that the user fixed.
        context: rows that the model reads by its rules; None = not searched.
        frame: the rows before the first select fold.
    """
    own: Any = getattr(model, "inner", model)  # with a transform around it
    types = typing.get_type_hints(type(own))
    names = {f.name for f in fields(own)} - set(given)
    space: dict[str, Any] = {}
    for name, values in OPTION_SETS.items():
        allowed = typing.get_args(types.get(name)) if isinstance(values[0], str) else values
        choice = [v for v in values if v in allowed]
        if name in names and len(choice) > 1:
            space[name] = choice
    if not bool((frame.store.values[frame.store.observed] > 0).all()):
        space.pop("scaling", None)
    if "lr" in names:
        space["lr"] = RATES
    if "context_length" in names and context is not None:
        longest = int(frame.store.lengths.max())
        space["context_length"] = sorted({max(2, min(round(share * context), longest // 2)) for share in CONTEXTS})
    if getattr(own, "head", "point") != "point":
        space.pop("loss", None)  # a distribution has its own
    return space


def tune(prepared: Prepared, folder: RunFolder, watch: Observer, budget: Budget) -> Prepared:
    """The run with the best options that were found for each network.

    Args:
        folder: trials are kept in its ``tuning.json``; those that are there are not made again.
    """
    if budget.replay is not None:
        return _with_options(prepared, budget.replay.tuned)
    trials = _stored(folder)
    networks = _networks(prepared)
    started = time.monotonic()
    for k, name in enumerate(networks):
        before = [t for t in trials if t.model == name]
        for trial in _search(prepared, name, before, watch, _stop(prepared, budget, started, k, len(networks))):
            trials.append(trial)
            _store(folder, trials)
            folder.log(f"tuning {name}, trial {trial.number}: {trial.error or f'{trial.loss:.4g}'} {trial.params}")
    best = _best(trials)
    for name, one in best.items():
        first = next((t.loss for t in trials if t.model == name and not t.params), None)
        watch.tuned(name, sum(t.model == name for t in trials), one.loss, first)
    return _with_options(prepared, {name: one.options for name, one in best.items()})


def _stop(prepared: Prepared, budget: Budget, started: float, k: int, n: int) -> tuple[int | None, float | None]:
    """(trials, ``time.monotonic()``) after which the search of network k of n ends."""
    amount = prepared.config.tune
    trials = int(amount) if isinstance(amount, int) else None
    seconds = None if isinstance(amount, int) or amount is None else float(amount)
    tested_by = budget.tested_by
    if tested_by is not None:  # half of the time for backtests, at most
        half = max(0.0, (tested_by - started) / 2)
        seconds = half if seconds is None else min(seconds, half)
    return trials, None if seconds is None else started + seconds * (k + 1) / n


def _search(
    prepared: Prepared,
    name: str,
    before: list[Trial],
    watch: Observer,
    stop: tuple[int | None, float | None],
) -> Iterator[Trial]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    model = prepared.models[name]
    given = {k: v for k, v in prepared.config.models.get(name, {}).items() if k != "model"}
    most, until = stop
    done = list(before)
    known = cut(prepared.frame, prepared.folds.select[0].positions(len(prepared.frame.items)))
    while most is None or len(done) < most:
        number = len(done)
        if until is not None and time.monotonic() > until and number:
            return
        space = space_of(model, given, done[0].context if done else None, known)
        params = {} if number == 0 else _drawn(space, done, prepared.config.seed, number)
        watch.start(f"tune {name}", number + 1, 1)
        one = _tried(prepared, name, number, params, watch)
        done.append(one)
        yield one


def _drawn(space: Mapping[str, Any], done: list[Trial], seed: int, number: int) -> dict[str, Any]:
    """Options of the next trial, from those before it and its number alone."""
    import optuna

    distributions: dict[str, Any] = {
        key: optuna.distributions.FloatDistribution(values[0], values[1], log=True)
        if isinstance(values, tuple)
        else optuna.distributions.CategoricalDistribution(values)
        for key, values in space.items()
    }
    sampler = optuna.samplers.TPESampler(seed=(1000 * seed + number) % 2**32, n_startup_trials=RANDOM)
    study = optuna.create_study(sampler=sampler)
    for t in done:
        if t.loss is not None and _within(space, t.params):
            study.add_trial(optuna.trial.create_trial(params=t.params, distributions=distributions, value=t.loss))
    return dict(study.ask(distributions).params)


def _within(space: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether a trial is one of this space; the first one, without params, is not."""
    if set(params) != set(space):
        return False
    pairs = [(space[key], value) for key, value in params.items()]
    return all(s[0] <= v <= s[1] if isinstance(s, tuple) else v in s for s, v in pairs)


def _tried(prepared: Prepared, name: str, number: int, params: dict[str, Any], watch: Observer) -> Trial:
    model = _changed(prepared, name, params)
    folds, frame, plan = prepared.folds.select, prepared.frame, prepared.plan
    started = time.perf_counter()
    one = backtest_model(
        name, model, frame, folds, plan, context=FitContext(seed=prepared.config.seed, progress=watch.advance)
    )
    seconds = time.perf_counter() - started
    options, context = registry.options_of(model), one.info.get("context_length")
    if one.error is not None:
        return Trial(name, number, params, options, None, seconds, one.error, context)
    at = positions(folds, len(frame.items))
    error = one.points - answers(frame, at, plan.horizon, plan.gap)
    scaled = scales(frame, at, plan.season_length, error=plan.error).scaled(error)
    loss = float(nan_mean(nan_mean(scaled, (1, 2))))
    if not np.isfinite(loss):  # no scale is defined
        loss = float(nan_mean(np.abs(error)))
    return Trial(name, number, params, options, loss if np.isfinite(loss) else None, seconds, "", context)


def _changed(prepared: Prepared, name: str, params: Mapping[str, Any]) -> Forecaster:
    options = {**registry.options_of(prepared.models[name]), **params}
    return registry.create_model(kind_of(prepared.config, name), **options)


def _with_options(prepared: Prepared, tuned: Mapping[str, Mapping[str, Any]]) -> Prepared:
    models = dict(prepared.models)
    for name, options in tuned.items():
        if name in models:
            models[name] = registry.create_model(kind_of(prepared.config, name), **options)
    return replace(prepared, models=models)


def _best(trials: list[Trial]) -> dict[str, Trial]:
    """The trial of lowest loss of each model, the earlier one of equals."""
    out: dict[str, Trial] = {}
    for t in trials:
        if t.loss is not None and (t.model not in out or t.loss < float(out[t.model].loss or 0.0)):
            out[t.model] = t
    return out


def _store(folder: RunFolder, trials: list[Trial]) -> None:
    best = {(t.model, t.number) for t in _best(trials).values()}
    rows = [{**vars(t), "best": (t.model, t.number) in best} for t in trials]
    artifacts.write_json(folder / FILE, {"format": FORMAT, "trials": rows})


def _stored(folder: RunFolder) -> list[Trial]:
    """Trials of an interrupted search."""
    if not (folder / FILE).exists():
        return []
    found = folder.json(FILE)
    names = {f.name for f in fields(Trial)}
    try:
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}")
        return [Trial(**{k: v for k, v in row.items() if k in names}) for row in found["trials"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            place=str(folder / FILE), value=str(error)[:80], rule="damaged", remedy="Delete it to search anew."
        ) from None
