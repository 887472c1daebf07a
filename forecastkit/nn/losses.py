"""Losses over what was observed. Shapes are equal; what was not observed is weighed by 0 outside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LOSSES", "POWERS", "loss_of", "pinball"]

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.smooth_l1_loss(forecast, target, reduction="none", beta=1.0),
}
"""Element-wise; Huber bends at 1 scaled unit."""

POWERS = {"mae": 1, "mse": 2, "huber": 1, "pinball": 1}
"""Of the target's unit in each loss."""


def pinball(level: float) -> Loss:
    """Twice the pinball loss, so that at level 0.5 it is the absolute error; its best point is that quantile.

    Source: Koenker and Bassett (1978), doi:10.2307/1913643.

    >>> pinball(0.75)(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0])).tolist()
    [1.5, 0.5]
    """

    def loss(forecast: Tensor, target: Tensor) -> Tensor:
        apart = target - forecast
        return 2 * torch.maximum(level * apart, (level - 1) * apart)

    return loss


def loss_of(name: str, level: float = 0.5) -> Loss:
    """A loss by its name; ``level`` is that of ``pinball``."""
    return pinball(level) if name == "pinball" else LOSSES[name]
