"""Weights as arrays by name, and networks whose probabilities are averaged. Needs no Lightning: a saved network answers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from forecastkit import runtime

__all__ = ["Networks", "restore_networks", "weights_of", "with_weights"]


@dataclass(eq=False)
class Networks:
    """Trained networks whose probabilities are averaged.

    Args:
        info: best_step (median over seeds), n_parameters (of one), seconds, note (what was done otherwise).
        curves: rows of ``Trained.curves``, with the seed.
    """

    nets: list[Any]
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def probabilities(self, logits: Callable[[nn.Module], Tensor]) -> np.ndarray:
        """[B, K] float64: the mean over networks of the softmax of ``logits(net)``."""
        with runtime.threads(1), torch.inference_mode():
            parts = [torch.softmax(logits(net), dim=-1).double().cpu().numpy() for net in self.nets]
        return np.asarray(np.mean(parts, axis=0))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights by name, ``net0.``, ``net1.``, ... before each."""
        return {f"net{k}.{name}": value for k, net in enumerate(self.nets) for name, value in weights_of(net).items()}


def restore_networks(make: Callable[[], nn.Module], arrays: Mapping[str, np.ndarray], n: int) -> Networks:
    """The networks of ``Networks.arrays()``.

    Args:
        make: an untrained network of the same shape.
        n: how many.

    Raises:
        RuntimeError, KeyError: arrays that do not fit.
    """
    parts = [f"net{k}." for k in range(n)]
    own = [{name[len(p) :]: v for name, v in arrays.items() if name.startswith(p)} for p in parts]
    return Networks([with_weights(make(), weights) for weights in own])


def weights_of(net: nn.Module) -> dict[str, np.ndarray]:
    """Weights by name, of their own memory."""
    return {name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()}


def with_weights(net: nn.Module, arrays: Mapping[str, np.ndarray]) -> Any:
    """The network with weights of ``weights_of``, in evaluation mode.

    Raises:
        RuntimeError: arrays that do not fit.
    """
    net.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    return net.eval()
