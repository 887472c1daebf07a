"""The recurrent core that every task shares.

Shapes: B batch, T steps, D inputs, N hidden, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

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

    def forward(self, x: Any, state: State = None) -> tuple[Any, State]:
        """States of the top layer [B, T, n_outputs] (packed, where ``x`` is) and the last state of all layers."""
        if self.training and self.weight_drop > 0:
            return self._dropped(x, state)
        out, last = self.core(x, state)
        return out, last

    def read(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(states [B, T, n_outputs], last states of all layers and directions [L * directions, B, N]) from zero states.

        Of x [B, T, D] the first ``lengths`` [B] steps are real; what lies after them changes nothing that is real. Faster
        than packing: oneDNN runs whole sequences of an LSTM at once.
        """
        steps = torch.arange(x.shape[1], device=x.device)[None]
        # Each row turned round within its own length: the backward direction begins at its last real step.
        turned = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)[..., None]
        end = (lengths - 1)[:, None, None]
        lasts = []
        for layer in range(self.core.num_layers):
            out = self._direction(x, layer, "")
            lasts.append(out.gather(1, end.expand(-1, -1, out.shape[2]))[:, 0])
            if self.bidirectional:
                back = self._direction(x.gather(1, turned.expand(-1, -1, x.shape[2])), layer, "_reverse")
                lasts.append(back.gather(1, end.expand(-1, -1, back.shape[2]))[:, 0])
                out = torch.cat([out, back.gather(1, turned.expand(-1, -1, back.shape[2]))], dim=-1)
            x = functional.dropout(out, self.core.dropout, self.training) if layer + 1 < self.core.num_layers else out
        return x, torch.stack(lasts)

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

    def _weights(self, names: list[str]) -> list[Tensor]:
        found = [(name, getattr(self.core, name)) for name in names]
        p = self.weight_drop if self.training else 0.0
        return [functional.dropout(w, p, True) if p and name.startswith("weight_hh") else w for name, w in found]

    def _function(self) -> Any:
        if self.cell == "rnn":
            return torch.rnn_relu if self.core.nonlinearity == "relu" else torch.rnn_tanh
        return torch.lstm if self.cell == "lstm" else torch.gru

    def _zero(self, x: Tensor, n: int) -> State:
        zero = x.new_zeros(n, x.shape[0], self.core.hidden_size)
        return (zero, zero) if self.cell == "lstm" else zero

    def _direction(self, x: Tensor, layer: int, end: str) -> Tensor:
        names = [f"{kind}_l{layer}{end}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        run = self._function()
        out: Tensor = run(x, self._zero(x, 1), self._weights(names), True, 1, 0.0, self.training, False, True)[0]
        return out

    def _dropped(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        core = self.core
        weights = self._weights([name for name, _ in core.named_parameters()])
        state = self._zero(x, core.num_layers * (2 if self.bidirectional else 1)) if state is None else state
        found = self._function()(x, state, weights, True, core.num_layers, core.dropout, True, self.bidirectional, True)
        return found[0], found[1:] if self.cell == "lstm" else found[1]

    def summary(self, x: Tensor) -> Tensor:
        """[B, n_outputs] what the whole of x [B, T, D] comes to: the last state, of both directions where there are two."""
        return self.last_of(self.core(x)[1])
