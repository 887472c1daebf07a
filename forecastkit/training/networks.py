"""Networks of the sister tasks: trained with the trainer factory, averaged over seeds.

Every model makes what it learns from (``Lesson``); the rest is here once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np
import pytorch_lightning as pl
from torch import nn

from forecastkit import runtime
from forecastkit.nn.weights import Networks
from forecastkit.training.module import Objective, OptimizerOptions, TrainingModule
from forecastkit.training.retries import with_retries
from forecastkit.training.trainer import Trained, train

__all__ = ["Lesson", "fit_net", "how_trained", "train_networks"]


class _Batched(Protocol):
    """What the data of a lesson have besides: their batches may become smaller before they are read."""

    batch_size: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps between validations, with batches of that size."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one network learns from.

    Args:
        net: untrained.
        data: batches, with ``batch_size`` and ``steps_per_epoch``; without validation batches the last weights are kept.
        objective: of training and, unless ``valid_objective`` is given, of validation.
        options: of the optimiser; ``max_steps`` of it is the most steps, 0 = the net stays as it is.
        patience: epochs without improvement.
        minutes: of training at most; 0 = no limit.
        threads: of matrix products; 0 = all cores.
        precision: see ``runtime.fast_dtype``.
    """

    net: nn.Module
    data: pl.LightningDataModule
    objective: Objective
    options: OptimizerOptions
    patience: int
    valid_objective: Objective | None = None
    minutes: float = 0.0
    threads: int = 1
    precision: str = "32"


def train_networks(
    make: Callable[[int], Lesson],
    *,
    place: str,
    seed: int,
    seeds: int = 1,
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
) -> Networks:
    """One network a seed, from ``seed`` on.

    Args:
        make: seed -> what is learned from; torch draws from that seed while it is called and during training.
        place: of the error: ``model gru``.

    Raises:
        FitError: see ``fit_net``.
        KeyboardInterrupt: after the step in which Ctrl-C came.
    """
    started = time.perf_counter()
    out = Networks([])
    best, notes = [], []
    for own in range(seed, seed + seeds):
        net, trained = fit_net(make, place=place, seed=own, progress=progress)
        out.nets.append(net)
        best.append(trained.best_step)
        notes.append(trained.note)
        out.curves += [{**row, "seed": own} for row in trained.curves]
    out.info = {
        "best_step": int(np.median(best)),
        "n_parameters": sum(p.numel() for p in out.nets[0].parameters()),
        "seconds": time.perf_counter() - started,
        "note": next(filter(None, notes), ""),
    }
    return out


def fit_net(
    make: Callable[[int], Lesson], *, place: str, seed: int, progress: Callable[[int, int, str], None]
) -> tuple[Any, Trained]:
    """(trained network in evaluation mode, how it went); arguments as of ``train_networks``.

    A training that diverges is tried once more at a tenth of its learning rate, one that is out of memory with smaller and
    smaller batches; the note says so.

    Raises:
        FitError: it diverges again, or batches of one are too much.
    """
    with runtime.seeded(seed):
        lessons = [make(seed)]
        lr, batch_size = lessons[0].options.lr, cast(_Batched, lessons[0].data).batch_size

        def attempt(lr: float, batch_size: int) -> tuple[Any, Trained]:
            if lessons:
                return _learned(lessons.pop(), lr, batch_size, progress)
            with runtime.seeded(seed):
                return _learned(make(seed), lr, batch_size, progress)

        (net, trained), said = with_retries(attempt, lr=lr, batch_size=batch_size, model=place.removeprefix("model "))
    return net, replace(trained, note="; ".join(said))


def _learned(
    lesson: Lesson, lr: float, batch_size: int, progress: Callable[[int, int, str], None]
) -> tuple[Any, Trained]:
    options, data = replace(lesson.options, lr=lr), cast(_Batched, lesson.data)
    if batch_size != data.batch_size:
        before, data.batch_size = data.steps_per_epoch, batch_size
        # More of them, where an epoch is all rows.
        options = replace(options, max_steps=options.max_steps * data.steps_per_epoch // before)
    trained = Trained(0, 0, float("nan"), False)
    if options.max_steps > 0:
        deadline = time.monotonic() + 60 * lesson.minutes if lesson.minutes > 0 else None
        dtype = runtime.fast_dtype(lesson.precision, runtime.device("cpu"))
        valid = lesson.valid_objective or lesson.objective
        module = TrainingModule(lesson.net, lesson.objective, valid, options, deadline=deadline, dtype=dtype)
        with runtime.threads(lesson.threads or None):
            trained = train(
                module,
                lesson.data,
                max_steps=options.max_steps,
                steps_per_epoch=data.steps_per_epoch,
                patience=lesson.patience,
                progress=progress,
            )
    lesson.net.eval()
    return lesson.net, trained


def how_trained(net: nn.Module, trained: Trained, started: float) -> dict[str, Any]:
    """What is kept of a training: steps, size, seconds since ``started``, what was done otherwise than asked, and whether time
    ended it.
    """
    return {
        "best_step": trained.best_step, "n_steps": trained.n_steps, "n_parameters": sum(p.numel() for p in net.parameters()),
        "seconds": time.perf_counter() - started, "note": trained.note,
        "out_of_time": trained.out_of_time,
    }  # fmt: skip
