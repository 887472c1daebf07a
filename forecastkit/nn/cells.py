"""The three recurrent cells from their equations, in plain torch: for reading, and as the oracle of the fast ones.

Shapes: B batch, D inputs, N hidden. Weights are those of ``torch.nn.RNN``, ``GRU`` and ``LSTM``: gates stacked by rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gru_cell", "lstm_cell", "rnn_cell", "unroll"]

Weights = tuple[Tensor, Tensor, Tensor, Tensor]
"""(w_ih [G*N, D], w_hh [G*N, N], b_ih [G*N], b_hh [G*N]) with G gates."""


def rnn_cell(x: Tensor, h: Tensor, weights: Weights, *, activation: str = "tanh") -> Tensor:
    """H' = f(W x + b + U h + c), f tanh or ReLU; one gate.

    Args:
        x: [B, D].
        h: [B, N].

    Source: Elman (1990), doi:10.1207/s15516709cog1402_1.
    """
    w_ih, w_hh, b_ih, b_hh = weights
    total = x @ w_ih.T + b_ih + h @ w_hh.T + b_hh
    return torch.tanh(total) if activation == "tanh" else torch.relu(total)


def gru_cell(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """Gated recurrent unit; gates in the order reset r, update z, candidate n.

    h' = (1 - z) n + z h: z near 1 keeps the old state. This is torch's and cuDNN's convention; the paper swaps the
    roles of z and 1 - z. The reset gate multiplies U h + c, after the product, where the paper has U (r h).

    Source: Cho et al. (2014), arXiv:1406.1078.
    """
    w_ih, w_hh, b_ih, b_hh = weights
    from_x, from_h = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    h_r, h_z, h_n = from_h.chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return (1 - z) * n + z * h


def lstm_cell(x: Tensor, state: tuple[Tensor, Tensor], weights: Weights) -> tuple[Tensor, Tensor]:
    """Long short-term memory; gates in the order input i, forget f, cell g, output o.

    c' = f c + i g, h' = o tanh(c').

    Args:
        state: (h, c), [B, N] each.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; forget gate: Gers et al. (2000).
    """
    w_ih, w_hh, b_ih, b_hh = weights
    h, c = state
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def unroll(cell: str, x: Tensor, weights: Weights, *, activation: str = "tanh") -> Tensor:
    """States [B, T, N] of one layer over x [B, T, D], from a zero state."""
    h = x.new_zeros(x.shape[0], weights[1].shape[1])
    c = torch.zeros_like(h)
    states = []
    for t in range(x.shape[1]):
        if cell == "lstm":
            h, c = lstm_cell(x[:, t], (h, c), weights)
        elif cell == "gru":
            h = gru_cell(x[:, t], h, weights)
        else:
            h = rnn_cell(x[:, t], h, weights, activation=activation)
        states.append(h)
    return torch.stack(states, dim=1)
