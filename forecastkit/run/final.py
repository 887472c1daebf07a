"""The final model of a run: the recommended one, fitted on all rows, saved, and its forecast."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts, registry
from forecastkit.errors import FitError
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.ensemble import NAME as ENSEMBLE
from forecastkit.forecasting.ensemble import Member
from forecastkit.forecasting.protocol import FitContext, Forecaster
from forecastkit.run.backtests import kept_trainings
from forecastkit.run.budget import Budget, affordable
from forecastkit.run.following import announce
from forecastkit.run.joining import kind_of, schedule_end, training_steps
from forecastkit.run.model_card import CARD, model_card
from forecastkit.run.saved_model import SavedModel

if TYPE_CHECKING:
    import pandas as pd

    from forecastkit.forecasting.evaluation import Evaluation
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.preparing import Prepared

__all__ = ["fit_final"]


def fit_final(
    prepared: Prepared, folder: RunFolder, evaluation: Evaluation, budget: Budget
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Fit the chosen model on all rows and forecast from each series' own last row.

    Returns:
        the forecast frame, and what ``run.yaml`` keeps of the time it used.

    Raises:
        FitError: the wanted model failed in the backtest, or now.
    """
    wanted = prepared.config.final
    name = evaluation.verdict.use if wanted == "recommended" else wanted
    _check_tested(evaluation, name)
    scored = evaluation.seeds[name]
    tested = {n: [s.backtest for s in seeds] for n, seeds in evaluation.seeds.items()}
    model, used = _within(name, prepared.models[name], tested, budget)
    seed, n_steps = prepared.config.seed, training_steps(tested[name])
    gap, horizon = prepared.plan.gap, prepared.plan.horizon
    context = FitContext(
        seed=seed,
        n_steps=n_steps,
        most_steps=(schedule_end(tested[name]),),
        workers=prepared.config.workers,
        machines=prepared.config.machines,
        kept=kept_trainings(prepared, folder, name, seed).part("final"),
    )
    announce(name, model, context, final=True)
    fitted = model.fit(prepared.frame, horizon=horizon + gap, context=context)
    saved = SavedModel(
        name=name,
        options=registry.options_of(model),
        fitted=fitted,
        frame=prepared.frame,
        horizon=horizon,
        gap=gap,
        intervals=scored[0].intervals,
        season_length=prepared.plan.season_length or prepared.frame.season_length,
        facts={"seed": seed, "n_steps": n_steps, "fingerprint": prepared.reading.profile.fingerprint},
        kind=kind_of(prepared.config, name),
    )
    saved.save(folder / "model")
    card = model_card(saved, prepared.reading.profile, prepared.folds, evaluation, notes=prepared.notes)
    artifacts.write_text(folder / "model" / CARD, card)
    forecast = saved.forecast()
    artifacts.write_csv(folder / "forecast.csv", forecast)
    folder.log(f"final model {name}, seed {seed}, {'no' if n_steps is None else n_steps} training steps, on all rows")
    return forecast, used


def _check_tested(evaluation: Evaluation, name: str) -> None:
    if name in evaluation.seeds:
        return
    if name == ENSEMBLE:
        raise FitError(place=f"model {name}", rule="there are no two models with select folds and a weight to join")
    reason = evaluation.leaderboard.set_index("model").loc[name, "reason"]
    raise FitError(
        place=f"model {name}", value=str(reason), rule="it failed in the backtest and cannot be the final model"
    )


def _within(
    name: str, model: Forecaster, tested: Mapping[str, Sequence[ModelBacktest]], budget: Budget
) -> tuple[Forecaster, dict[str, Any]]:
    """An ensemble without what its time does not allow, and which seeds of which members are left."""
    if name != ENSEMBLE:
        return model, {}
    options = registry.options_of(model)
    every = members = tuple(Member.from_dict(m) for m in options["members"])
    if budget.replay is not None and "members" in budget.replay.used.get("final", {}):
        kept = budget.replay.used["final"]["members"]
        members = tuple(replace(m, seeds=tuple(kept[m.name])) for m in members if m.name in kept)
    elif budget.end is not None:
        members = affordable(members, tested, budget.end - time.monotonic())
    if members == every:
        return model, {}
    smaller = registry.create_model(ENSEMBLE, **{**options, "members": [asdict(m) for m in members]})
    return smaller, {"members": {m.name: list(m.seeds) for m in members}}
