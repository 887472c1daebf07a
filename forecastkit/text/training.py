"""One way to train every network of texts: seed, threads, precision, time limit, and an error of one line when it diverges."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from forecastkit import runtime
from forecastkit.errors import FitError
from forecastkit.training.module import DivergedError, OptimizerOptions, TrainingModule
from forecastkit.training.trainer import Trained, train

__all__ = ["Plan", "fit_net"]


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Args:
        name: of the model, for errors.
        options: of the optimiser; its ``max_steps`` are the most that are taken.
        per_epoch: steps between validations.
        patience: validations without progress after which training ends; 0 = none.
        minutes: of training at most; 0 = no limit.
        threads: of matrix products; 0 = all cores.
        precision: see ``runtime.fast_dtype``.
    """

    name: str
    options: OptimizerOptions
    per_epoch: int
    patience: int
    minutes: float = 0.0
    threads: int = 1
    precision: str = "32"


def fit_net(
    build: Callable[[], Any], data: Any, objective: Any, plan: Plan, *, seed: int, progress: Callable[[int, int, str], None]
) -> tuple[Any, Trained]:  # fmt: skip
    """(trained network in evaluation mode, how it went).

    Args:
        build: makes the untrained network.
        data: a LightningDataModule.
        objective: see ``training.module.Objective``.

    Raises:
        FitError: the loss is not a finite number any more.
    """
    where = runtime.device("cpu")
    with runtime.threads(plan.threads or None), runtime.seeded(seed):
        net = build()
        deadline = time.monotonic() + 60 * plan.minutes if plan.minutes > 0 else None
        dtype = runtime.fast_dtype(plan.precision, where)
        module = TrainingModule(net, objective, objective, plan.options, deadline=deadline, dtype=dtype)
        steps = plan.options.max_steps
        try:
            trained = train(
                module, data, max_steps=steps, steps_per_epoch=plan.per_epoch, patience=plan.patience, progress=progress
            )
        except DivergedError:
            raise FitError(
                place=f"model {plan.name}", rule="training diverged", remedy=f"Lower models.{plan.name}.lr."
            ) from None
    net.eval()
    return net, trained
