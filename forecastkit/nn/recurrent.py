"""The recurrent core that every task shares.

Shapes: B batch, T steps, D inputs, N hidden, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CELLS", "DilatedEncoder", "RecurrentEncoder", "repeated"]

CELLS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

State = Any
"""[L, B, N], or a pair of them for the LSTM; None = zeros."""


class RecurrentEncoder(nn.Module):
    """Stacked RNN, GRU or LSTM layers.

    Args:
        cell: ``rnn``, ``gru`` or ``lstm``.
        n_inputs: D.
        hidden: N, units a layer and direction.
        dropout: between layers, in training.
        bidirectional: reads backwards as well; a state then knows steps after its own.
        activation: of the plain RNN, ``tanh`` or ``relu``.
    """

    def __init__(
        self,
        cell: str,
        n_inputs: int,
        hidden: int,
        *,
        layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        activation: str = "tanh",
    ) -> None:
        super().__init__()
        more: dict[str, Any] = {"nonlinearity": activation} if cell == "rnn" else {}
        self.bidirectional = bidirectional
        self.n_outputs = hidden * (2 if bidirectional else 1)
        self.core = CELLS[cell](
            n_inputs,
            hidden,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=bidirectional,
            **more,
        )

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """States of the top layer [B, T, n_outputs] and the last state of all layers."""
        out, last = self.core(x, state)
        return out, last

    def summary(self, x: Tensor) -> Tensor:
        """[B, n_outputs] what the whole of x [B, T, D] comes to: the last state, of both directions where there are two."""
        out, last = self.core(x)
        if not self.bidirectional:
            return out[:, -1]
        h = last[0] if isinstance(last, tuple) else last
        # The backward direction ends at the first step.
        return torch.cat([h[-2], h[-1]], dim=-1)


class DilatedEncoder(nn.Module):
    """Layers whose state comes from some steps before instead of the last one, each added to what it reads.

    Args:
        dilations: of each layer, e.g. 1, 2, 4: a layer of dilation d is d recurrences side by side.

    Source: Chang et al. (2017), arXiv:1710.02224.
    """

    def __init__(self, cell: str, n_inputs: int, hidden: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilations, self.n_outputs = dilations, hidden
        sizes = [n_inputs, *[hidden] * (len(dilations) - 1)]
        self.layers = nn.ModuleList([RecurrentEncoder(cell, size, hidden) for size in sizes])

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """States of the top layer [B, T, hidden]; no state is carried on."""
        for k, (layer, dilation) in enumerate(zip(self.layers, self.dilations)):
            out = _side_by_side(layer, x, dilation)
            x = out + x if k else out
        return x, None

    def summary(self, x: Tensor) -> Tensor:
        """[B, hidden] the last state."""
        return self(x)[0][:, -1]


def _side_by_side(layer: nn.Module, x: Tensor, dilation: int) -> Tensor:
    n, steps, width = x.shape
    if dilation == 1:
        out: Tensor = layer(x)[0]
        return out
    # Steps after the end change nothing before them.
    padded = functional.pad(x, (0, 0, 0, -steps % dilation))
    rows = padded.reshape(n, -1, dilation, width).transpose(1, 2).reshape(n * dilation, -1, width)
    states = layer(rows)[0]
    return states.reshape(n, dilation, -1, states.shape[-1]).transpose(1, 2).reshape(n, -1, states.shape[-1])[:, :steps]


def repeated(state: State, n: int) -> State:
    """A state [L, B, N], or a pair, with each of the B rows ``n`` times: [L, B * n, N]."""
    if isinstance(state, tuple):
        return tuple(s.repeat_interleave(n, dim=1) for s in state)
    return state.repeat_interleave(n, dim=1)
