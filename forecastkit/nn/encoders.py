"""Encoders without recurrence: what they make of a context goes through the same head as a recurrent state.

Each has ``n_outputs`` and ``summary``: [B, K, D] -> [B, n_outputs]. Shapes: B batch, K steps, D numbers a step, N hidden.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["KEPT", "LagEncoder", "MeanOfLags", "MeanOfPatches", "PatchEncoder", "TemporalConvEncoder"]

KEPT = 16
"""Means that stand for a row of lags where a short state is wanted."""


class LagEncoder(nn.Module):
    """The lags themselves, minus the last one: with a linear head this is NLinear or DLinear.

    Of channels beside the target only the last step is read.

    Args:
        n_steps: K.
        n_inputs: D; channel 0 is the target.
        window: rows of the moving mean that DLinear takes apart from the rest; 0 = NLinear, which does not.

    Source: Zeng et al. (2023), arXiv:2205.13504.
    """

    def __init__(self, n_steps: int, n_inputs: int, *, window: int = 0) -> None:
        super().__init__()
        self.window = window
        self.n_outputs = n_steps * (2 if window else 1) + n_inputs - 1

    def summary(self, x: Tensor) -> Tensor:
        """[B, K] lags minus the last one, or [B, 2 K] their moving mean and what it leaves; then the other channels."""
        y = x[:, :, 0] - x[:, -1:, 0]
        parts = [y]
        if self.window:
            # Rows before the first and after the last count as those two, so that the mean has K rows as well.
            before, after = (self.window - 1) // 2, self.window // 2
            padded = functional.pad(y[:, None], (before, after), mode="replicate")
            trend = functional.avg_pool1d(padded, self.window, stride=1)[:, 0]
            parts = [trend, y - trend]
        return torch.cat([*parts, x[:, -1, 1:]], dim=-1)


class MeanOfLags(nn.Module):
    """A short state of a summary of lags: means of equal parts."""

    def forward(self, summary: Tensor) -> Tensor:
        """[B, KEPT]."""
        return functional.adaptive_avg_pool1d(summary[:, None], KEPT)[:, 0]


class TemporalConvEncoder(nn.Module):
    """Causal convolutions whose reach doubles from block to block, each added to what it read.

    Args:
        n_steps: K; blocks are added until the last step sees all of them.
        n_inputs: D.
        hidden: N channels.

    Source: Bai, Kolter and Koltun (2018), arXiv:1803.01271; without weight normalisation.
    """

    def __init__(self, n_steps: int, n_inputs: int, hidden: int, *, kernel: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        self.n_outputs = hidden
        # Two convolutions a block, each reaching (kernel - 1) * dilation further back.
        n_blocks = max(1, math.ceil(math.log2(max(1, n_steps - 1) / (2 * (kernel - 1)) + 1)))
        sizes = [n_inputs, *[hidden] * n_blocks]
        self.blocks = nn.ModuleList(
            [_Block(a, b, kernel, 2**k, dropout) for k, (a, b) in enumerate(zip(sizes, sizes[1:]))]
        )

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """States [B, K, N], each of the steps up to its own; no state is carried on."""
        out = x.transpose(1, 2)
        for block in self.blocks:
            out = block(out)
        return out.transpose(1, 2), None

    def summary(self, x: Tensor) -> Tensor:
        """[B, N] the last state."""
        return self(x)[0][:, -1]


class _Block(nn.Module):
    def __init__(self, n_inputs: int, n_outputs: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.first = nn.Conv1d(n_inputs, n_outputs, kernel, dilation=dilation)
        self.second = nn.Conv1d(n_outputs, n_outputs, kernel, dilation=dilation)
        self.skip = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(torch.relu(self.first(functional.pad(x, (self.reach, 0)))))
        out = self.dropout(torch.relu(self.second(functional.pad(out, (self.reach, 0)))))
        return torch.relu(out + self.skip(x))


class PatchEncoder(nn.Module):
    """Overlapping stretches of rows as the words of a transformer; all of its outputs, one after the other.

    Args:
        n_steps: K.
        n_inputs: D.
        hidden: N numbers of a patch.
        patch: rows of a patch.
        stride: rows from one patch to the next; the last row is repeated at the end so that the last patch is full.
        heads: of the attention; N is a multiple of it.

    Source: Nie et al. (2023), arXiv:2211.14730; layer instead of batch normalisation.
    """

    def __init__(
        self, n_steps: int, n_inputs: int, hidden: int, *, patch: int = 16, stride: int = 8, heads: int = 4, layers: int = 2,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.patch, self.stride, self.hidden = min(patch, n_steps), stride, hidden
        self.n_patches = -(-(n_steps - self.patch) // stride) + 1
        self.padding = (self.n_patches - 1) * stride + self.patch - n_steps
        self.n_outputs = self.n_patches * hidden
        self.embed = nn.Linear(self.patch * n_inputs, hidden)
        self.place = nn.Parameter(torch.randn(self.n_patches, hidden) * 0.02)
        layer = nn.TransformerEncoderLayer(
            hidden, heads, 2 * hidden, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False)

    def patches(self, x: Tensor) -> Tensor:
        """[B, n_patches, patch * D] of x [B, K, D]."""
        if self.padding:
            x = torch.cat([x, x[:, -1:].expand(-1, self.padding, -1)], dim=1)
        return x.unfold(1, self.patch, self.stride).flatten(2)

    def summary(self, x: Tensor) -> Tensor:
        """[B, n_patches * N]."""
        out: Tensor = self.transformer(self.embed(self.patches(x)) + self.place)
        return out.flatten(1)


class MeanOfPatches(nn.Module):
    """[B, N] the mean over the patches of a summary: a short state.

    Args:
        hidden: N.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    def forward(self, summary: Tensor) -> Tensor:
        """See the class."""
        return summary.unflatten(1, (-1, self.hidden)).mean(1)
