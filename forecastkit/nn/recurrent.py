"""The recurrent core that every task shares.

Shapes: B batch, T steps, D inputs, N hidden, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

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
        weight_drop: of the recurrent weights in training, one mask for all steps: DropConnect as in AWD-LSTM (Merity et
            al. 2018, arXiv:1708.02182).
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
        weight_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.cell, self.weight_drop = cell, weight_drop
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

    def forward(self, x: Tensor | PackedSequence, state: State = None) -> tuple[Any, State]:
        """States of the top layer [B, T, n_outputs] (packed, where ``x`` is) and the last state of all layers."""
        if self.training and self.weight_drop > 0:
            return self._dropped(x, state)
        out, last = self.core(x, state)
        return out, last

    def last_of(self, state: State) -> Tensor:
        """[B, n_outputs] the last state of the top layer, of both directions where there are two."""
        h: Tensor = state[0] if isinstance(state, tuple) else state
        # The backward direction ends at the first step.
        return torch.cat([h[-2], h[-1]], dim=-1) if self.bidirectional else h[-1]

    def start_for_text(self) -> None:
        """Recurrent weights orthogonal by gate, forget gates open: what long texts learn faster from."""
        n = self.core.hidden_size
        for name, w in self.core.named_parameters():
            if name.startswith("weight_hh"):
                for gate in w.data.split(n):
                    nn.init.orthogonal_(gate)
            elif name.startswith("bias_ih") and self.cell == "lstm":
                w.data[n : 2 * n] = 1.0

    def _dropped(self, x: Tensor | PackedSequence, state: State) -> tuple[Any, State]:
        core = self.core
        weights = [
            functional.dropout(w, self.weight_drop, True) if name.startswith("weight_hh") else w
            for name, w in core.named_parameters()
        ]
        packed = isinstance(x, PackedSequence)
        flat = x.data if isinstance(x, PackedSequence) else x
        n_rows = int(x.batch_sizes[0]) if isinstance(x, PackedSequence) else flat.shape[0]
        if state is None:
            zero = flat.new_zeros(core.num_layers * (2 if self.bidirectional else 1), n_rows, core.hidden_size)
            state = (zero, zero) if self.cell == "lstm" else zero
        elif isinstance(x, PackedSequence):
            state = core.permute_hidden(state, x.sorted_indices)
        known = {"lstm": torch.lstm, "gru": torch.gru}
        run: Any = known.get(
            self.cell, torch.rnn_relu if getattr(core, "nonlinearity", "") == "relu" else torch.rnn_tanh
        )
        shared = (weights, True, core.num_layers, core.dropout, True, self.bidirectional)
        found = (
            run(flat, x.batch_sizes, state, *shared)
            if isinstance(x, PackedSequence)
            else run(flat, state, *shared, True)
        )
        last = found[1:] if self.cell == "lstm" else found[1]
        if not packed:
            return found[0], last
        sequence: Any = PackedSequence(found[0], x.batch_sizes, x.sorted_indices, x.unsorted_indices)  # type: ignore[union-attr]
        return sequence, core.permute_hidden(last, x.unsorted_indices)  # type: ignore[union-attr]

    def summary(self, x: Tensor) -> Tensor:
        """[B, n_outputs] what the whole of x [B, T, D] comes to: the last state, of both directions where there are two."""
        return self.last_of(self.core(x)[1])
