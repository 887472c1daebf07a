"""Losses over what was observed. Shapes are equal; what was not observed is weighed by 0 outside."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

__all__ = ["LOSSES"]

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.smooth_l1_loss(forecast, target, reduction="none", beta=1.0),
}
"""Element-wise; Huber bends at 1 scaled unit."""
