"""Losses over what was observed. Shapes are equal; what was not observed is weighed by 0 outside."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LOSSES", "POWERS", "loss_of", "pinball", "sampled_softmax"]

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Loss] = {
    "mae": lambda forecast, target: (forecast - target).abs(),
    "mse": lambda forecast, target: (forecast - target).square(),
    "huber": lambda forecast, target: functional.smooth_l1_loss(forecast, target, reduction="none", beta=1.0),
}
"""Element-wise; Huber bends at 1 scaled unit."""

POWERS = {"mae": 1, "mse": 2, "huber": 1, "pinball": 1}
"""Of the target's unit in each loss."""


def pinball(level: float | Tensor) -> Loss:
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


def sampled_softmax(states: Tensor, head: nn.Linear, answers: Tensor, share: Tensor, n_drawn: int) -> Tensor:
    """Sum over M of the cross entropy, as if of all V tokens, where only those that are answers here or drawn are computed.

    A token that is not the answer is among them with the probability pi = 1 - (1 - share)^(M - 1 + n_drawn), so it counts
    1 / pi in the sum of the softmax, which is then right on average. For training alone: the time goes with the tokens drawn, not with the vocabulary.

    Args:
        states: [M, E]; head: E to V; answers: [M].
        share: [V] how often each token comes, float64, sum 1.

    Source: Bengio and Senecal (2008), doi:10.1109/TNN.2007.912312; Jean et al. (2015), arXiv:1412.2007; weights by Horvitz
    and Thompson (1952), doi:10.1080/01621459.1952.10483446.
    """
    drawn = torch.multinomial(share, n_drawn, replacement=True)
    kept, at = torch.unique(torch.cat([answers, drawn]), return_inverse=True)
    at = at[: len(answers)]
    n = len(answers) - 1 + n_drawn
    log_pi = torch.log(-torch.expm1(n * torch.log1p(-share[kept].clamp(1e-12, 1 - 1e-12)))).float()
    logits = functional.linear(states, head.weight[kept], head.bias[kept]).float() - log_pi
    # The answer is among them for certain.
    logits = logits.scatter_add(1, at[:, None], log_pi[at][:, None])
    return functional.cross_entropy(logits, at, reduction="sum")
