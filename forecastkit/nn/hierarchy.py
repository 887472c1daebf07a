"""N-HiTS: blocks that look at the context at several rates, each explaining what the ones before it left.

Shapes: B batch, T context_length, H horizon, P parameters of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.residual import with_static

__all__ = ["HierarchicalNet", "interpolated"]


def interpolated(knots: Tensor, n: int) -> Tensor:
    """[..., n] straight lines through ``knots`` [..., K], the first at step 1 and the last at step n.

    >>> interpolated(torch.tensor([[0.0, 4.0]]), 5).tolist()
    [[0.0, 1.0, 2.0, 3.0, 4.0]]
    """
    if knots.shape[-1] == n:
        return knots
    flat = knots.reshape(-1, 1, knots.shape[-1])
    return functional.interpolate(flat, size=n, mode="linear", align_corners=True).reshape(*knots.shape[:-1], n)


class HierarchicalNet(nn.Module):
    """A ``Core``: for each rate a stack of blocks reads a max-pooled rest of the context and writes a smooth forecast.

    A block gives knots that are joined by straight lines, few at coarse rates; what it makes of the context is taken
    away before the next block reads on.

    Args:
        n_channels: channels of ``Inputs.past``; of those beside the target the last step is read.
        rates: coarse first; the context is pooled by a rate, and one knot stands for so many steps of the horizon.
        blocks: for each rate.

    Source: Challu et al. (2023), arXiv:2201.12886.
    """

    def __init__(
        self, context_length: int, horizon: int, n_channels: int, hidden: int, *, rates: tuple[int, ...], blocks: int = 1,
        n_params: int = 1, n_static: int = 0, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.horizon, self.n_params = horizon, n_params
        n_more = n_channels - 1 + n_static
        self.blocks = nn.ModuleList(
            [
                _Block(context_length, horizon, n_more, hidden, r, n_params, dropout)
                for r in rates
                for _ in range(blocks)
            ]
        )
        self.n_state = hidden + n_static

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """See ``Core``; the state is that of the last block."""
        rest = x.past[:, :, 0] - x.past[:, -1:, 0]
        more = with_static(x.past[:, -1, 1:], x.static)
        total = x.past.new_zeros(rest.shape[0], self.horizon, self.n_params)
        hidden = total
        for block in self.blocks:
            back, ahead, hidden = block(rest, more)
            rest, total = rest - back, total + ahead
        return total, with_static(hidden, x.static)


class _Block(nn.Module):
    def __init__(
        self, context_length: int, horizon: int, n_more: int, hidden: int, rate: int, n_params: int, dropout: float
    ) -> None:
        super().__init__()
        self.context_length, self.horizon, self.rate, self.n_params = context_length, horizon, rate, n_params
        n_pooled = -(-context_length // rate)
        self.n_knots = min(horizon, max(2, -(-horizon // rate))) if horizon > 1 else 1
        self.read = nn.Sequential(
            nn.Linear(n_pooled + n_more, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.back = nn.Linear(hidden, max(2, n_pooled))
        self.ahead = zero_start_head(hidden, self.n_knots * n_params)

    def forward(self, rest: Tensor, more: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(what of the context is explained [B, T], forecast [B, H, P], state [B, N])."""
        pooled = functional.max_pool1d(rest[:, None], self.rate, stride=self.rate, ceil_mode=True)[:, 0]
        hidden = self.read(torch.cat([pooled, more], dim=-1))
        knots = self.ahead(hidden).unflatten(-1, (self.n_params, self.n_knots))
        ahead = interpolated(knots, self.horizon).transpose(1, 2)
        return interpolated(self.back(hidden), self.context_length), ahead, hidden
