"""How many training steps fit into the time that is left, measured before training begins.

The number is then fixed: the schedule of the learning rate ends with it, and a later run that is told the number trains the
same weights, however fast it is.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch

from forecastkit.training.module import TrainingModule

__all__ = ["steps_in_time"]

WARM_UP, MEASURED = 2, 8
SLACK = 0.9
"""Share of the time that is planned: the machine may have other work later."""


def steps_in_time(module: TrainingModule, data: Any, seconds: float, *, most: int, steps_per_epoch: int) -> int:
    """Steps that take ``seconds``, validations included, from one epoch up to ``most``.

    A copy of the network is trained for a few steps; the network itself, and the generators of random numbers, stay as they were.

    Args:
        data: a data module of its own, since its order of batches moves on.
    """
    trial = TrainingModule(
        copy.deepcopy(module.net), module.objective, module.valid_objective, module.options, dtype=module.compute_dtype
    )
    optimizer, _ = trial.options.build(trial.net)
    where = next(trial.net.parameters()).device
    trial.to(where)
    with torch.random.fork_rng():
        trial.net.train()
        batches = (batch for chunk in data.train_dataloader() for batch in chunk)
        took = []
        for batch, _ in zip(batches, range(WARM_UP + MEASURED)):
            started = time.perf_counter()
            total, weight = trial.loss_of(trial.objective, trial.transfer_batch_to_device(batch, where, 0))[:2]
            optimizer.zero_grad(set_to_none=True)
            loss = total / weight.clamp_min(1.0)
            loss.backward()
            # A GPU is only asked to work; reading a number waits until it has, as training does.
            float(loss.detach())
            optimizer.step()
            took.append(time.perf_counter() - started)
        step = (
            sum(took[WARM_UP:]) / max(1, len(took) - WARM_UP) if len(took) > WARM_UP else sum(took) / max(1, len(took))
        )
        started = time.perf_counter()
        trial.net.eval()
        with torch.no_grad():
            for batch in data.val_dataloader() or []:
                trial.loss_of(trial.valid_objective, trial.transfer_batch_to_device(batch, where, 0))
        validation = time.perf_counter() - started
    a_step = step + validation / steps_per_epoch
    return int(min(most, max(steps_per_epoch, SLACK * seconds / max(a_step, 1e-9))))
