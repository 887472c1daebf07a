"""From a state of the encoder to numbers."""

from __future__ import annotations

from torch import nn

__all__ = ["zero_start_head"]


def zero_start_head(n_inputs: int, n_outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """A linear head whose output is 0 before training, so that an untrained residual network is its base."""
    linear = nn.Linear(n_inputs, n_outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear) if dropout > 0 else linear
