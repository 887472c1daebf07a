"""Losses over what was observed. Shapes are equal; ``weight`` is 0 where nothing was observed."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

__all__ = ["LOSSES", "masked_mean"]

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.smooth_l1_loss(forecast, target, reduction="none", beta=1.0),
}
"""Element-wise; Huber bends at 1 scaled unit."""


def masked_mean(loss: Loss, forecast: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of ``loss``; 0 where nothing has weight.

    >>> y = torch.tensor([1.0, 2.0]); masked_mean(LOSSES["mae"], torch.zeros(2), y, torch.tensor([1.0, 0.0])).item()
    1.0
    """
    return (loss(forecast, target) * weight).sum() / weight.sum().clamp_min(1.0)
