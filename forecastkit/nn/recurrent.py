"""The recurrent core that every task shares.

Shapes: B batch, T steps, D inputs, N hidden, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["CELLS", "RecurrentEncoder"]

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
