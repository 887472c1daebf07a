"""ES-RNN: exponential smoothing takes level and season away, a dilated recurrent network forecasts what is left.

Shapes: B batch, T context_length, H horizon, W rows a block, K = T / W blocks, P parameters of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.dilated import DilatedEncoder
from forecastkit.nn.forecasters import as_segments
from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.residual import with_static

__all__ = ["SmoothedNet", "smooth"]

START = -1.0
"""Before the sigmoid: smoothing shares start at 0.27."""


def smooth(y: Tensor, alpha: Tensor, gamma: Tensor, season: Tensor | None, width: int) -> tuple[Tensor, ...]:
    """Additive exponential smoothing of y [B, T] without a trend, a block of ``width`` rows at once.

    l_t = alpha (y_t - s_t) + (1 - alpha) l_(t-1), s_(t+W) = gamma (y_t - l_t) + (1 - gamma) s_t.
    Within a block the seasons are known, so that its levels are one triangular product: T / W steps instead of T.

    Args:
        alpha, gamma: [B] in (0, 1).
        season: [B, W] of the first block; None = there is no season.

    Returns:
        (levels [B, T], seasons [B, T] as they were before each row was seen, season [B, W] of the block after the end).

    Source: Holt (1957) and Winters (1960), in the form of Smyl (2020), doi:10.1016/j.ijforecast.2019.03.017.
    """
    n = y.shape[0]
    steps = torch.arange(width, device=y.device)
    apart = (steps[:, None] - steps[None, :]).clamp_min(0)
    keep = (1 - alpha)[:, None, None]
    weights = alpha[:, None, None] * keep**apart * (steps[:, None] >= steps[None, :])
    decay = keep[:, 0] ** (steps + 1)
    blocks = y.reshape(n, -1, width)
    now = torch.zeros_like(blocks[:, 0]) if season is None else season
    level = blocks[:, 0].mean(dim=1)
    levels, seasons = [], []
    for k in range(blocks.shape[1]):
        block = blocks[:, k]
        own = (weights @ (block - now)[:, :, None])[:, :, 0] + decay * level[:, None]
        levels.append(own)
        seasons.append(now)
        level = own[:, -1]
        if season is not None:
            now = gamma[:, None] * (block - own) + (1 - gamma)[:, None] * now
    return torch.cat(levels, dim=1), torch.cat(seasons, dim=1), now


class SmoothedNet(nn.Module):
    """A ``Core``: level and season of the context by smoothing, with shares that each series learns for itself.

    The recurrent layers read each block without its season and minus the level at its end. Their correction is added to
    the last level and the season that goes on. The first season is that of the first block, times a learned share.

    Args:
        n_read: numbers a block, see ``as_segments``.
        seasonal: whether a block is a season.
        n_items: codes of series, the unknown one included, that ``Inputs.static_cat`` has in its last column.

    Source: Smyl (2020), doi:10.1016/j.ijforecast.2019.03.017. There the whole series is smoothed and the model is
    multiplicative; here the context is, and logarithms make it multiplicative (``scaling=log``).
    """

    def __init__(
        self, cell: str, n_read: int, hidden: int, horizon: int, segment: int, *, dilations: tuple[int, ...], seasonal: bool,
        n_items: int, n_params: int = 1, n_time: int = 0, n_static: int = 0, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.horizon, self.segment, self.seasonal, self.n_params, self.n_time = (
            horizon, segment, seasonal, n_params, n_time,
        )  # fmt: skip
        self.shared = nn.Parameter(torch.tensor([START, START, 3.0]))
        self.own = nn.Embedding(n_items, 3)
        nn.init.zeros_(self.own.weight)
        self.encoder = DilatedEncoder(cell, n_read, hidden, dilations)
        self.n_state = hidden + n_static
        self.head = zero_start_head(self.n_state, horizon * n_params, dropout=dropout)

    def shares(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(alpha, gamma, share of the first season), [B] each in (0, 1), of series by their codes [B]."""
        alpha, gamma, first = torch.sigmoid(self.shared + self.own(codes)).unbind(-1)
        return alpha, gamma, first

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """See ``Core``."""
        if x.static_cat is None:
            raise ValueError("the codes of the series are missing")
        y, width = x.past[:, :, 0], self.segment
        alpha, gamma, share = self.shares(x.static_cat[:, -1])
        first = y[:, :width]
        season = share[:, None] * (first - first.mean(dim=1, keepdim=True)) if self.seasonal else None
        levels, seasons, after = smooth(y, alpha, gamma, season, width)
        ends = levels[:, width - 1 :: width].repeat_interleave(width, dim=1)
        left = (y - seasons - ends)[:, :, None]
        read = x._replace(past=torch.cat([left, x.past[:, :, 1:]], dim=-1))
        state = with_static(self.encoder.summary(as_segments(read, width, self.n_time)), x.static)
        raw = self.head(state).unflatten(-1, (self.horizon, self.n_params))
        ahead = after.repeat(1, -(-self.horizon // width))[:, : self.horizon] + levels[:, -1:]
        return torch.cat([raw[..., :1] + ahead[..., None], raw[..., 1:]], dim=-1), state
