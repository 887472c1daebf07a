"""SegRNN: a recurrent network that reads segments, and writes each segment of the future from its place alone.

Shapes: B batch, T context_length, H horizon, W rows a segment, M = ceil(H / W) segments ahead, N hidden, P parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.forecasters import as_segments, repeated
from forecastkit.nn.heads import zero_start_head
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.recurrent import RecurrentEncoder
from forecastkit.nn.residual import with_static

__all__ = ["SegmentNet"]


class SegmentNet(nn.Module):
    """A ``Core``: segments through a linear layer with ReLU into a recurrent cell; then parallel decoding.

    The state after the context goes through the same cell once for each of the M segments ahead, each with a learned
    vector of its place as input. The segments do not feed each other, so errors do not pile up.

    Args:
        n_read: numbers a segment, see ``as_segments``.

    Source: Lin et al. (2023), arXiv:2308.11200.
    """

    def __init__(
        self, cell: str, n_read: int, hidden: int, horizon: int, segment: int, *, n_params: int = 1, dropout: float = 0.0,
        n_time: int = 0, n_static: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.horizon, self.segment, self.n_params, self.n_time = horizon, segment, n_params, n_time
        self.embed = nn.Linear(n_read, hidden)
        self.encoder = RecurrentEncoder(cell, hidden, hidden)
        self.n_ahead = -(-horizon // segment)
        self.place = nn.Parameter(torch.randn(self.n_ahead, hidden) * 0.1)
        self.dropout = nn.Dropout(dropout)
        self.n_state = hidden + n_static
        self.head = zero_start_head(self.n_state, segment * n_params)

    def forward(self, x: Inputs) -> tuple[Tensor, Tensor]:
        """See ``Core``."""
        read = torch.relu(self.embed(as_segments(x, self.segment, self.n_time) - self._level(x)))
        states, last = self.encoder(read)
        ahead, _ = self.encoder(self._places(read.shape[0]), repeated(last, self.n_ahead))
        ahead = ahead.reshape(read.shape[0], self.n_ahead, -1)
        raw = self.head(self.dropout(with_static(ahead, x.static)))
        raw = raw.reshape(read.shape[0], self.n_ahead * self.segment, self.n_params)[:, : self.horizon]
        return raw, with_static(states[:, -1], x.static)

    def _level(self, x: Inputs) -> Tensor:
        """[B, 1, n_read] the last value of the target where the target is read, else 0."""
        n_inputs = self.embed.in_features // self.segment
        last = x.past[:, -1:, :1]
        level = torch.cat([last, last.new_zeros(last.shape[0], 1, n_inputs - 1)], dim=-1)
        return level.repeat(1, 1, self.segment)

    def _places(self, n: int) -> Tensor:
        return self.place[None].expand(n, -1, -1).reshape(n * self.n_ahead, 1, -1)
