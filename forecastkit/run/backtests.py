"""The backtests of a run, one model and seed after the other; a finished one is kept for an unfinished run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts
from forecastkit.errors import ModelFileError
from forecastkit.forecasting.backtest import ModelBacktest, backtest_model
from forecastkit.forecasting.diagnostics import lag_check, one_step_forecasts
from forecastkit.forecasting.protocol import FitContext, Forecaster, Kept
from forecastkit.forecasting.scores import answers, nan_mean, positions, scales
from forecastkit.run.budget import Budget
from forecastkit.run.folder import RunFolder
from forecastkit.run.following import announce
from forecastkit.runtime import peak_mib

if TYPE_CHECKING:
    from forecastkit.forecasting.splits import Folds, ReportFold
    from forecastkit.run.preparing import Observer, Prepared

__all__ = ["LOCAL", "kept_trainings", "run_backtests", "unseen_folds"]

MAX_LAG_ROWS = 500
LOCAL = ("baseline", "statistical")
"""Families that hold one model a series, and read nothing else."""


def run_backtests(
    prepared: Prepared, folder: RunFolder, watch: Observer, budget: Budget
) -> Iterator[tuple[str, ModelBacktest, dict[str, Any]]]:
    """(model, backtest, lag check) of each model and seed; with time left under a limit, further seeds.

    Args:
        folder: finished ones are taken from it, and kept in it.
    """
    families = [model.family for model in prepared.models.values()]
    tested: dict[str, list[ModelBacktest]] = {}
    for k, name in enumerate(prepared.models):
        seeds = budget.seeds(name, prepared.seeds(name))
        for j, seed in enumerate(seeds):
            after = [families[k]] * (len(seeds) - j) + families[k + 1 :]
            one, lag = _kept_or_new(prepared, folder, watch, budget, name, seed, after)
            tested.setdefault(name, []).append(one)
            yield name, one, lag
    while True:
        networks = _losses(prepared, tested)
        more = budget.next_seed(networks, {name: tested[name] for name in networks})
        if more is None:
            return
        name, seed = more
        one, lag = _kept_or_new(prepared, folder, watch, budget, name, seed, ["network"])
        if one.error is not None:
            return
        tested[name].append(one)
        yield name, one, lag


def _kept_or_new(
    prepared: Prepared, folder: RunFolder, watch: Observer, budget: Budget, name: str, seed: int, families: list[str]
) -> tuple[ModelBacktest, dict[str, Any]]:
    key = _signature(prepared, name, seed)
    stored = _load_part(folder, prepared.models[name], name, seed, key)
    if stored is None:
        one = _one_backtest(prepared, folder, name, seed, watch, budget, families)
        lag = _lag(prepared, one)
        _save_part(folder, one, lag, key, reads_windows=prepared.models[name].family not in LOCAL)
        folder.drop_trainings(name, seed)
    else:
        one, lag = stored
    watch.finish(one)
    took = f"{one.seconds_fit + one.seconds_predict:.1f} s"
    folder.log(f"{name} seed {seed}: {one.error or 'done'} ({took}{', kept' if stored else ''})")
    return one, lag


def _losses(prepared: Prepared, tested: dict[str, list[ModelBacktest]]) -> dict[str, float]:
    """Networks that did not fail -> mean scaled error on select folds; empty without such folds."""
    rows, frame, plan = slice(0, len(prepared.folds.select)), prepared.frame, prepared.plan
    at = positions(prepared.folds.all, len(frame.items))[rows]
    networks = [n for n, model in prepared.models.items() if model.family == "network" and n in tested]
    if not len(at) or not networks:
        return {}
    y, known = answers(frame, at, plan.horizon, plan.gap), scales(frame, at, plan.season_length, error=plan.error)
    out = {}
    for name in networks:
        good = [r for r in tested[name] if r.error is None]
        if good:
            loss = float(np.mean([nan_mean(known.scaled(r.points[rows] - y)) for r in good]))
            if np.isfinite(loss):
                out[name] = loss
    return out


def kept_trainings(prepared: Prepared, folder: RunFolder, name: str, seed: int) -> Kept:
    """Where the trainings of one model are kept until it is finished."""
    return Kept(folder.trainings(name, seed), _signature(prepared, name, seed), prepared.config.checkpoint_seconds)


def _one_backtest(
    prepared: Prepared,
    folder: RunFolder,
    name: str,
    seed: int,
    watch: Observer,
    budget: Budget,
    families: list[str],
) -> ModelBacktest:
    model, folds = prepared.models[name], prepared.folds.all
    reason = budget.reason(name)
    if reason is not None:
        shape = (len(folds), len(prepared.frame.items), prepared.plan.horizon)
        return ModelBacktest(name, seed, np.full(shape, np.nan), error=reason)
    steps = budget.steps(name, seed)
    context = FitContext(
        seed=seed,
        deadline=budget.deadline(families),
        progress=watch.advance,
        workers=prepared.config.workers,
        machines=prepared.config.machines,
        kept=kept_trainings(prepared, folder, name, seed),
        stop_at=steps.get("stop_at", ()),
        most_steps=steps.get("most_steps", ()),
    )
    going_on = folder.trainings(name, seed).exists()
    folder.log(f"{name} seed {seed}: {'goes on with its training' if going_on else 'begun'}")
    watch.start(name, seed, len(folds))
    announce(name, model, context, final=False)
    one = backtest_model(name, model, prepared.frame, folds, prepared.plan, context=context, on_fold=watch.advance)
    return replace(one, info={**one.info, "peak_mib": peak_mib()})


def unseen_folds(folds: Folds, one: ModelBacktest) -> tuple[ReportFold, ...]:
    """Report folds whose answers the last fitted model has not seen: one that was fitted again has seen those before."""
    return folds.report[max(0, one.fitted_from - len(folds.all) + len(folds.report)) :]


def _lag(prepared: Prepared, one: ModelBacktest) -> dict[str, Any]:
    """The lag check of a network, one step ahead, over the time of the report folds that it has not seen."""
    if one.fitted is None or prepared.models[one.model].family != "network":
        return {}
    frame, unseen = prepared.frame, unseen_folds(prepared.folds, one)
    n = min(MAX_LAG_ROWS, len(frame.calendar) - 1 - unseen[0].position)
    forecasts, when = one_step_forecasts(one.fitted, frame, n)
    return lag_check(one.model, frame, forecasts, when)


def _signature(prepared: Prepared, name: str, seed: int) -> str:
    """What decides the numbers of one model: a part with another signature is not used."""
    from forecastkit import __version__

    facts = {
        "version": __version__,
        "data": prepared.reading.profile.fingerprint,
        "plan": {k: v for k, v in prepared.plan.to_dict().items() if k != "seeds"},
        "model": repr(prepared.models[name]),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _save_part(folder: RunFolder, one: ModelBacktest, lag: dict[str, Any], key: str, *, reads_windows: bool) -> None:
    meta: dict[str, Any] = {
        "signature": key,
        "seconds_fit": one.seconds_fit,
        "seconds_predict": one.seconds_predict,
        "info": dict(one.info),
        "curves": one.curves,
        "error": one.error,
        "fitted_from": one.fitted_from,
        "lag": lag,
    }
    arrays = {"points": one.points} | ({} if one.quantiles is None else {"quantiles": one.quantiles})
    if one.fitted is not None and reads_windows:
        weights, meta["state"] = one.fitted.state()
        arrays |= {f"state.{key}": value for key, value in weights.items()}
    artifacts.save_model(folder.part(one.model, one.seed), arrays, meta)


def _load_part(
    folder: RunFolder, model: Forecaster, name: str, seed: int, key: str
) -> tuple[ModelBacktest, dict[str, Any]] | None:
    path = folder.part(name, seed)
    if not path.exists():
        return None
    try:
        arrays, meta = artifacts.load_model(path)
    except ModelFileError:
        # Killed while it was written: do it again.
        return None
    if meta.get("signature") != key:
        return None
    weights = {k.removeprefix("state."): v for k, v in arrays.items() if k.startswith("state.")}
    one = ModelBacktest(
        name,
        seed,
        arrays["points"],
        arrays.get("quantiles"),
        fitted=model.restore(weights, meta["state"]) if "state" in meta else None,
        fitted_from=meta["fitted_from"],
        seconds_fit=meta["seconds_fit"],
        seconds_predict=meta["seconds_predict"],
        info=meta["info"],
        curves=meta["curves"],
        error=meta["error"],
    )
    return one, meta["lag"]
