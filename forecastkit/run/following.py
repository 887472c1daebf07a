"""What ranks other than 0 do in a run: they join the trainings that rank 0 names, and leave no trace."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from forecastkit.errors import FitError
from forecastkit.forecasting.backtest import backtest_model
from forecastkit.forecasting.ensemble import EnsembleForecaster
from forecastkit.forecasting.models.adjusted import Adjusted
from forecastkit.forecasting.protocol import FitContext, Forecaster
from forecastkit.ranks import agreed

if TYPE_CHECKING:
    from forecastkit.run.preparing import Prepared

__all__ = ["announce", "announce_end", "follow"]


@dataclass(frozen=True)
class _Task:
    """A training that all ranks do together.

    Args:
        final: one fit on all rows; else those of a backtest.
    """

    name: str
    model: Forecaster
    context: FitContext
    final: bool


def announce(name: str, model: Forecaster, context: FitContext, *, final: bool) -> None:
    """Rank 0 is about to fit a model: the others fit it, too, if there is a network in it."""
    networks = _only_networks(model) if context.machines.count > 1 else None
    if networks is None:
        return
    # Rank 0 keeps the states and looks at the clock; the others hear of both from it.
    about = FitContext(
        seed=context.seed,
        deadline=None if context.deadline is None else math.inf,
        n_steps=context.n_steps,
        machines=context.machines,
        stop_at=context.stop_at,
        most_steps=context.most_steps,
    )
    agreed(_Task(name, networks, about, final), context.machines)


def announce_end(prepared: Prepared) -> None:
    """There is no more to train."""
    agreed(None, prepared.config.machines)


def follow(prepared: Prepared) -> None:
    """Do what rank 0 says until it says that nothing is left."""
    task: _Task | None
    plan = prepared.plan
    while (task := agreed(None, prepared.config.machines)) is not None:
        if not task.final:
            backtest_model(task.name, task.model, prepared.frame, prepared.folds.all, plan, context=task.context)
            continue
        # Where it fails, it fails for rank 0, too, which says why.
        with contextlib.suppress(FitError):
            task.model.fit(prepared.frame, horizon=plan.horizon + plan.gap, context=task.context)


def _only_networks(model: Forecaster) -> Forecaster | None:
    """The model without members of an ensemble that are no networks; None where nothing is left."""
    if isinstance(model, Adjusted):
        inner = _only_networks(model.inner)
        return None if inner is None else replace(model, inner=inner)
    if not isinstance(model, EnsembleForecaster):
        return model if model.family == "network" else None
    members = tuple(m for m in model.members if m.model().family == "network")
    return replace(model, members=members) if members else None
