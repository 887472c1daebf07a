"""Recurrent layers that skip steps.

Shapes: B batch, T steps, D inputs.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["DilatedEncoder"]


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
