"""A learning rate from a range test: the rate grows step by step, and the loss says when it became too much.

Source: Smith (2017), arXiv:1506.01186.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

from forecastkit.training.module import TrainingModule

__all__ = ["chosen_rate", "range_test"]

LOWEST, HIGHEST, STEPS = 1e-5, 0.3, 100
SMOOTH = 0.9
TOO_MUCH = 2.0
"""The test ends where the smoothed loss is so many times its lowest value."""
BELOW = 5.0
"""The rate that is taken is so many times smaller than that of the lowest loss."""


def range_test(module: TrainingModule, data: Any) -> list[tuple[float, float]]:
    """(learning rate, loss) of each step on a copy of the network; the network and the generators stay as they were.

    Args:
        data: a data module of its own, since its order of batches moves on.
    """
    net = copy.deepcopy(module.net)
    optimizer, _ = module.options.build(net)
    where = next(net.parameters()).device
    out = []
    with torch.random.fork_rng():
        net.train()
        loader = data.train_dataloader()
        batches = (batch for _ in range(STEPS) for chunk in loader for batch in chunk)
        for step, batch in zip(range(STEPS), batches):
            rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
            for group in optimizer.param_groups:
                group["lr"] = rate
            total, weight = module.objective(net, module.transfer_batch_to_device(batch, where, 0))[:2]
            loss = total / weight.clamp_min(1.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), module.options.clip or math.inf)
            optimizer.step()
            value = float(loss.detach())
            if not math.isfinite(value):
                break
            out.append((rate, value))
    return out


def chosen_rate(losses: list[tuple[float, float]], usual: float) -> float:
    """A fifth of the rate at which the smoothed loss was lowest, before it became too much.

    Args:
        losses: of ``range_test``.
        usual: what is taken where the loss never fell.

    >>> falling = [(10.0**-k, float(k)) for k in range(5, 1, -1)]
    >>> chosen_rate([*falling, (0.1, 9.0), (1.0, 99.0)], 1e-3)
    0.002
    """
    smooth, best, rate, mean = [], math.inf, usual, 0.0
    for k, (at, loss) in enumerate(losses, 1):
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        value = mean / (1 - SMOOTH**k)
        smooth.append(value)
        if value > TOO_MUCH * best:
            break
        if value < best:
            best, rate = value, at
    if not smooth or best >= smooth[0]:
        return usual
    return rate / BELOW
