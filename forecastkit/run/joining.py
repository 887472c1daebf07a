"""The ensemble of a run: what its models forecast, joined by weights that its select folds chose."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.forecasting import ensemble
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.scores import answers, positions, scales

if TYPE_CHECKING:
    from forecastkit.config import RunConfig
    from forecastkit.run.preparing import Prepared

__all__ = ["check_ensemble", "kind_of", "schedule_end", "training_steps", "with_ensemble"]


def check_ensemble(config: RunConfig) -> None:
    """The ensemble is made from the run's models, so that it has no options among them.

    Raises:
        ConfigError: it has.
    """
    if config.models.get(ensemble.NAME):
        raise ConfigError(
            place=f"models.{ensemble.NAME}",
            value=str(config.models[ensemble.NAME])[:60],
            rule="the ensemble of a run has no options of its own: its members are the run's models",
            remedy="Choose how they are joined, such as ensemble=median.",
        )


def with_ensemble(
    prepared: Prepared, backtests: Mapping[str, Sequence[ModelBacktest]]
) -> tuple[Prepared, dict[str, list[ModelBacktest]]]:
    """The run with one model more, where it is wanted and there are two models to join."""
    out = {name: list(runs) for name, runs in backtests.items()}
    if prepared.config.ensemble == "none":
        return prepared, out
    good = {name: [r for r in runs if r.error is None] for name, runs in out.items()}
    good = {name: runs for name, runs in good.items() if runs}
    folds, frame = prepared.folds, prepared.frame
    at = positions(folds.all, len(frame.items))
    known = scales(frame, at, folds.plan.season_length, error=folds.plan.error)
    squared = known.error == "squared"
    found = ensemble.of_run(
        {name: [r.points for r in runs] for name, runs in good.items()},
        slice(0, len(folds.select)),
        answers(frame, at, folds.plan.horizon, folds.plan.gap),
        np.sqrt(known.unit) if squared else known.unit,
        prepared.config.ensemble,
        power=2 if squared else 1,
    )
    if found is None:
        return prepared, out
    mix, names, points, tried = found
    members = tuple(
        ensemble.Member(
            name,
            registry.options_of(prepared.models[name]),
            tuple(float(w) for w in weights),
            tuple(r.seed for r in good[name]),
            training_steps(good[name]),
            schedule_end(good[name]),
            kind_of(prepared.config, name),
        )
        for name, weights in zip(names, mix.weights)
    )
    runs = [r for name in names for r in good[name]]
    one = ModelBacktest(
        ensemble.NAME,
        prepared.config.seed,
        np.rint(points) + 0.0 if prepared.config.whole else points,
        seconds_fit=sum(r.seconds_fit for r in runs),
        seconds_predict=sum(r.seconds_predict for r in runs),
        info={"note": f"{ensemble.said(mix.method, members)}; time is that of its members", "tried": tried},
    )
    out[ensemble.NAME] = [one]
    # Where zeros prevail every member is held at 0, though the configuration does not say so.
    held = all(getattr(prepared.models[name], "non_negative", False) for name in names)
    shape = {"non_negative": held or prepared.config.non_negative, "whole": prepared.config.whole}
    kept = [asdict(m) for m in members]
    forecaster = registry.create_model(ensemble.NAME, members=kept, method=mix.method, **shape)
    return replace(prepared, models={**prepared.models, ensemble.NAME: forecaster}), out


def kind_of(config: RunConfig, name: str) -> str:
    """The registry's name of a model that the configuration may call otherwise."""
    return str(config.models.get(name, {}).get("model", name))


def schedule_end(runs: Sequence[ModelBacktest]) -> int | None:
    """Steps over which a time limit laid the learning rate's schedule; None = there was none."""
    ends = [int(r.info["most_steps"]) for r in runs if r.info.get("most_steps") is not None]
    return round(statistics.median(ends)) if ends else None


def training_steps(runs: Sequence[ModelBacktest]) -> int | None:
    """Steps of the final fit: the median of the folds' best; None for models that count none."""
    steps = [int(r.info["best_step"]) for r in runs if r.info.get("best_step") is not None]
    return round(statistics.median(steps)) if steps else None
