"""Frames of a sound, or columns of a picture, on their way into a recurrent network.

Shapes: B batch, T frames, C numbers a frame, S steps, N filters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FrameReader"]


class FrameReader(nn.Module):
    """A convolution over five frames that gives half as many steps.

    Args:
        n_inputs: C.
        n_filters: N.
        noise: deviation of what is added to the frames in training.
        band_dropout: share of the numbers of a frame that are hidden in training, the same ones over a whole sequence.
    """

    def __init__(self, n_inputs: int, n_filters: int, *, noise: float = 0.0, band_dropout: float = 0.0) -> None:
        super().__init__()
        self.halve = nn.Conv1d(n_inputs, n_filters, kernel_size=5, stride=2, padding=2)
        self.noise, self.band_dropout = noise, band_dropout

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """([B, S, N], steps [B]) of x [B, T, C], of which the first ``lengths`` [B] frames are real."""
        if self.training:
            x = x + self.noise * torch.randn_like(x)
            x = x * (torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.band_dropout)
        # What lies after the end is 0, as beyond the edge of a sequence without padding.
        real = torch.arange(x.shape[1], device=x.device)[None] < lengths[:, None]
        out = functional.relu(self.halve((x * real[..., None]).transpose(1, 2))).transpose(1, 2)
        return out, (lengths + 1) // 2
