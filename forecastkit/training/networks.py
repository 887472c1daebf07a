"""One way to train the networks of the sister tasks: seeds, threads, precision, time limit, divergence; kept as arrays.

Every model makes its network, its batches and its objective; the rest is here once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from forecastkit import runtime
from forecastkit.errors import FitError
from forecastkit.training.module import DivergedError, Objective, OptimizerOptions, TrainingModule
from forecastkit.training.trainer import Trained, train

__all__ = ["Networks", "Plan", "fit_net", "restore_networks", "train_networks"]


def _silent(done: int, total: int, note: str) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Args:
        name: of the model, for errors.
        options: of the optimiser; its ``max_steps`` are the most that are taken, 0 = the network stays as it is made.
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
    build: Callable[[], Any],
    data: Any,
    objective: Objective,
    plan: Plan,
    *,
    seed: int,
    progress: Callable[[int, int, str], None] = _silent,
) -> tuple[Any, Trained]:
    """(trained network in evaluation mode, how it went).

    Args:
        build: makes the untrained network; torch draws from ``seed`` then and in training.
        data: a LightningDataModule; without validation batches the last weights are kept.
        objective: see ``training.module.Objective``.

    Raises:
        FitError: the loss is not a finite number any more.
        KeyboardInterrupt: after the step in which Ctrl-C came.
    """
    where = runtime.device("cpu")
    with runtime.threads(plan.threads or None), runtime.seeded(seed):
        net = build()
        steps = plan.options.max_steps
        trained = Trained(0, 0, float("nan"), False)
        if steps > 0:
            deadline = time.monotonic() + 60 * plan.minutes if plan.minutes > 0 else None
            dtype = runtime.fast_dtype(plan.precision, where)
            module = TrainingModule(net, objective, objective, plan.options, deadline=deadline, dtype=dtype)
            try:
                trained = train(
                    module, data, max_steps=steps, steps_per_epoch=plan.per_epoch, patience=plan.patience, progress=progress
                )  # fmt: skip
            except DivergedError:
                raise FitError(
                    place=f"model {plan.name}", rule="training diverged", remedy=f"Lower models.{plan.name}.lr."
                ) from None
    net.eval()
    return net, trained


@dataclass(eq=False)
class Networks:
    """Trained networks whose probabilities are averaged.

    Args:
        info: best_step (median over seeds), n_parameters (of one), seconds.
        curves: rows of ``Trained.curves``, with the seed.
    """

    nets: list[Any]
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def probabilities(self, logits: Callable[[nn.Module], Tensor]) -> np.ndarray:
        """[B, K] float64: the mean over networks of the softmax of ``logits(net)``."""
        import torch

        with runtime.threads(1), torch.inference_mode():
            parts = [torch.softmax(logits(net), dim=-1).double().cpu().numpy() for net in self.nets]
        return np.asarray(np.mean(parts, axis=0))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``net0.``, ``net1.``, ... before each."""
        return {
            f"net{k}.{name}": value.detach().cpu().numpy()
            for k, net in enumerate(self.nets)
            for name, value in net.state_dict().items()
        }


def train_networks(
    build: Callable[[], Any],
    data: Callable[[int], Any],
    objective: Objective,
    plan: Plan,
    *,
    seed: int,
    seeds: int = 1,
    progress: Callable[[int, int, str], None] = _silent,
) -> Networks:
    """One network a seed, from ``seed`` on; arguments and errors as ``fit_net``.

    Args:
        data: seed -> a LightningDataModule.
    """
    started = time.perf_counter()
    out = Networks([])
    best = []
    for own in range(seed, seed + seeds):
        net, trained = fit_net(build, data(own), objective, plan, seed=own, progress=progress)
        out.nets.append(net)
        best.append(trained.best_step)
        out.curves += [{**row, "seed": own} for row in trained.curves]
    out.info = {
        "best_step": int(np.median(best)),
        "n_parameters": sum(p.numel() for p in out.nets[0].parameters()),
        "seconds": time.perf_counter() - started,
    }
    return out


def restore_networks(make: Callable[[], nn.Module], arrays: Mapping[str, np.ndarray], n: int) -> Networks:
    """The networks of ``Networks.arrays()``.

    Args:
        make: an untrained network of the same shape.
        n: how many.

    Raises:
        RuntimeError, KeyError: arrays that do not fit.
    """
    import torch

    nets = []
    for k in range(n):
        net, prefix = make(), f"net{k}."
        own = {name[len(prefix) :]: torch.from_numpy(v) for name, v in arrays.items() if name.startswith(prefix)}
        net.load_state_dict(own)
        net.eval()
        nets.append(net)
    return Networks(nets)
