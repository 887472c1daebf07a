"""The three recurrent cells from their equations, in plain torch: for reading, and as the oracle of the fast ones.

Shapes: B batch, D inputs, N hidden. Weights are those of ``torch.nn.RNN``, ``GRU`` and ``LSTM``: gates stacked by rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["GATES", "gru_cell", "gru_gates", "lstm_cell", "lstm_gates", "rnn_cell", "traced", "unroll"]

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


GATES = {"rnn": (), "gru": ("reset", "update"), "lstm": ("input", "forget", "output")}
"""Gates of each cell, between 0 (shut) and 1 (open)."""


def gru_cell(x: Tensor, h: Tensor, weights: Weights) -> Tensor:
    """Gated recurrent unit; gates in the order reset r, update z, candidate n.

    h' = (1 - z) n + z h: z near 1 keeps the old state. This is torch's and cuDNN's convention; the paper swaps the
    roles of z and 1 - z. The reset gate multiplies U h + c, after the product, where the paper has U (r h).

    Source: Cho et al. (2014), arXiv:1406.1078.
    """
    _, z, n = gru_gates(x, h, weights)
    return (1 - z) * n + z * h


def gru_gates(x: Tensor, h: Tensor, weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """(reset r, update z, candidate n) [B, N] of ``gru_cell``."""
    w_ih, w_hh, b_ih, b_hh = weights
    from_x, from_h = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    x_r, x_z, x_n = from_x.chunk(3, dim=-1)
    h_r, h_z, h_n = from_h.chunk(3, dim=-1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    return r, z, torch.tanh(x_n + r * h_n)


def lstm_cell(x: Tensor, state: tuple[Tensor, Tensor], weights: Weights) -> tuple[Tensor, Tensor]:
    """Long short-term memory; gates in the order input i, forget f, cell g, output o.

    c' = f c + i g, h' = o tanh(c').

    Args:
        state: (h, c), [B, N] each.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; forget gate: Gers et al. (2000).
    """
    h, c = state
    i, f, g, o = lstm_gates(x, h, weights)
    c = f * c + i * g
    return o * torch.tanh(c), c


def lstm_gates(x: Tensor, h: Tensor, weights: Weights) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(input i, forget f, candidate g, output o) [B, N] of ``lstm_cell``."""
    w_ih, w_hh, b_ih, b_hh = weights
    i, f, g, o = (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=-1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


def unroll(cell: str, x: Tensor, weights: Weights, *, activation: str = "tanh") -> Tensor:
    """States [B, T, N] of one layer over x [B, T, D], from a zero state."""
    return traced(cell, x, weights, activation=activation)["state"]


def traced(cell: str, x: Tensor, weights: Weights, *, activation: str = "tanh") -> dict[str, Tensor]:
    """What a layer does over x [B, T, D] from a zero state: ``state``, its ``GATES``, the LSTM's ``memory``; [B, T, N] each."""
    h = x.new_zeros(x.shape[0], weights[1].shape[1])
    c = torch.zeros_like(h)
    steps: list[dict[str, Tensor]] = []
    for t in range(x.shape[1]):
        now: dict[str, Tensor] = {}
        if cell == "lstm":
            i, f, _, o = lstm_gates(x[:, t], h, weights)
            h, c = lstm_cell(x[:, t], (h, c), weights)
            now = {"input": i, "forget": f, "output": o, "memory": c}
        elif cell == "gru":
            r, z, _ = gru_gates(x[:, t], h, weights)
            h = gru_cell(x[:, t], h, weights)
            now = {"reset": r, "update": z}
        else:
            h = rnn_cell(x[:, t], h, weights, activation=activation)
        steps.append({"state": h, **now})
    return {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}
