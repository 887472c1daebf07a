"""A recurrent network that writes down what it read: what it cannot say again is unlike what it learned from.

Shapes: B batch, T steps, C channels, Z numbers in the bottleneck.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["SequenceAutoencoder", "reconstruction_errors"]


class SequenceAutoencoder(nn.Module):
    """A sequence is read in both directions, squeezed into Z numbers, and written again step by step.

    Args:
        segment: rows read and written as one step, so that a beat of a hundred samples is a sequence of twenty.
        linear: (T * C, K) of principal components whose answer the network corrects; it begins as they are. None = it
            writes by itself, sequences of any length.

    Source: Malhotra et al. (2016), arXiv:1607.00148, with a bottleneck and without feeding back.
    """

    mean: Tensor
    components: Tensor

    def __init__(
        self,
        cell: str,
        n_inputs: int,
        hidden: int,
        *,
        bottleneck: int = 8,
        segment: int = 1,
        linear: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.segment = segment
        self.encoder = RecurrentEncoder(cell, n_inputs * segment, hidden, bidirectional=True)
        self.squeeze = nn.Linear(self.encoder.n_outputs, bottleneck)
        # The writer knows where it is: place in the sequence, as a share.
        self.decoder = RecurrentEncoder(cell, bottleneck + 1, hidden, bidirectional=True)
        self.head = nn.Linear(self.decoder.n_outputs, n_inputs * segment)
        self.is_corrected = linear is not None
        size, n_components = linear or (0, 0)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("components", torch.zeros(n_components, size))
        if linear is not None:
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] as [B, T, C]; T is a multiple of ``segment``."""
        n, length, channels = x.shape
        steps = x.reshape(n, length // self.segment, channels * self.segment)
        z = self.squeeze(self.encoder.summary(steps))
        place = torch.linspace(0, 1, steps.shape[1], device=x.device).expand(n, -1)[..., None]
        states, _ = self.decoder(torch.cat([z[:, None].expand(-1, steps.shape[1], -1), place], dim=-1))
        out: Tensor = self.head(states).reshape(n, length, channels)
        if not self.is_corrected:
            return out
        flat = x.reshape(n, -1) - self.mean
        return out + (flat @ self.components.T @ self.components + self.mean).reshape(n, length, channels)


def reconstruction_errors(net: nn.Module, x: Tensor) -> Tensor:
    """[B] mean square of what the network cannot say again."""
    out: Tensor = ((net(x) - x) ** 2).mean(dim=(1, 2))
    return out
