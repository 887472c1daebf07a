"""One network of a text model: how it is trained by the options of the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from forecastkit.text.protocol import FitAbout

__all__ = ["train_one"]

LARGE = 128 * 32
"""Units times texts a step from which matrix products are worth sharing among threads, and bfloat16."""


def train_one(
    model: Any,
    place: str,
    build: Callable[[], Any],
    data: Callable[[], Any],
    objective: Any,
    about: FitAbout,
    *,
    n_steps: int,
    patience: int,
    fixed: bool,
    work: int | None = None,
) -> tuple[Any, dict[str, Any], list[dict[str, Any]]]:
    """(trained network, how it went, learning curve); errors as ``fit_net``.

    Args:
        model: options ``lr``, ``weight_decay``, ``average``, ``minutes``, ``threads`` and ``precision``.
        build, data: of a training that begins; it may begin again.
        n_steps: at most; all of them, whatever the clock says, where ``fixed``.
        work: units times texts a step: few are not shared among threads; None = they never are, unless asked.
    """
    from forecastkit.training.module import OptimizerOptions
    from forecastkit.training.networks import Lesson, fit_net, how_trained

    started = time.perf_counter()
    options = OptimizerOptions(
        lr=model.lr, weight_decay=model.weight_decay, schedule="timed", max_steps=n_steps, average=model.average
    )
    precision = getattr(model, "precision", "32")
    small = work is not None and work < LARGE
    threads = 1 if small else model.threads or (1 if work is None else 0)
    net, trained = fit_net(
        lambda _: Lesson(
            build(), data(), objective, options, patience, minutes=0.0 if fixed else model.minutes, threads=threads,
            precision="32" if small and precision == "auto" else precision,
        ),
        place=place, seed=about.seed, progress=about.progress,
    )  # fmt: skip
    return net, how_trained(net, trained, started), [{**row, "seed": about.seed} for row in trained.curves]
