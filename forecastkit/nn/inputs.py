"""What a forecasting network reads.

Shapes: B batch, T context_length, H horizon, C channels, F known features, S static ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Draw", "Inputs", "WithCategories", "as_inputs"]


Tables = tuple[tuple[int, int], ...]

Draw = Callable[[Tensor, int], Tensor]
"""(parameters [B, 1, P] of a step, which step) -> values [B, 1] that are fed back."""


class Inputs(NamedTuple):
    """Tensors of a batch; slots that are not used are None.

    Args:
        past: [B, T, C], scaled; the target is channel 0.
        observed: [B, T, 1], 1 where the target was observed.
        known: [B, T + H, F], over context and horizon: time features first.
        static: [B, S].
        past_cat, known_cat, static_cat: codes [B, T, ...], [B, T + H, ...], [B, ...], int64, 0 = unknown.
    """

    past: Tensor
    observed: Tensor
    known: Tensor | None = None
    static: Tensor | None = None
    past_cat: Tensor | None = None
    known_cat: Tensor | None = None
    static_cat: Tensor | None = None


def as_inputs(slots: Sequence[np.ndarray | None], where: torch.device | None = None) -> Inputs:
    """Arrays in the order of ``Inputs`` as tensors on a device."""
    tensors = [None if x is None else torch.from_numpy(x).to(where) for x in slots]
    return Inputs(*tensors)  # type: ignore[arg-type]  # the first two are always there


class WithCategories(nn.Module):
    """Codes become learned numbers before ``core`` reads them as further channels and features.

    Args:
        core: a network that reads ``Inputs`` without categories.
        past, known, static: (codes, the unknown one included, and numbers that each becomes) of every category.

    Source: Guo and Berkhahn (2016), arXiv:1604.06737.
    """

    def __init__(self, core: nn.Module, past: Tables, known: Tables, static: Tables) -> None:
        super().__init__()
        self.core = core
        self.past = _embeddings(past)
        self.known = _embeddings(known)
        self.static = _embeddings(static)

    def forward(self, x: Inputs) -> Tensor:
        """What ``core`` says."""
        out: Tensor = self.core(self.embedded(x))
        return out

    def every_step(self, x: Inputs, start: int) -> Tensor:
        """See the core's own."""
        out: Tensor = self.core.every_step(self.embedded(x), start)  # type: ignore[operator]
        return out

    def paths(self, x: Inputs, draw: Draw, n_paths: int) -> tuple[Tensor, Tensor]:
        """See the core's own."""
        out: tuple[Tensor, Tensor] = self.core.paths(self.embedded(x), draw, n_paths)  # type: ignore[operator]
        return out

    def taught(self, x: Inputs, target: Tensor, observed: Tensor, share: float) -> Tensor:
        """See the core's own."""
        out: Tensor = self.core.taught(self.embedded(x), target, observed, share)  # type: ignore[operator]
        return out

    def embedded(self, x: Inputs) -> Inputs:
        """The same inputs with codes as numbers; the static codes stay for networks with numbers of their own for them."""
        past = _joined(x.past, x.past_cat, self.past)
        return Inputs(
            x.past if past is None else past,
            x.observed,
            _joined(x.known, x.known_cat, self.known),
            _joined(x.static, x.static_cat, self.static),
            static_cat=x.static_cat,
        )


def _embeddings(sizes: Tables) -> nn.ModuleList:
    return nn.ModuleList([nn.Embedding(n, size) for n, size in sizes])


def _joined(numbers: Tensor | None, codes: Tensor | None, tables: nn.ModuleList) -> Tensor | None:
    if codes is None:
        return numbers
    parts = [] if numbers is None else [numbers]
    parts += [table(codes[..., k]) for k, table in enumerate(tables)]
    return torch.cat(parts, dim=-1)
