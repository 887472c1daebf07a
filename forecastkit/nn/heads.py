"""From a state of the encoder to numbers, and from those numbers to points, quantiles and a loss.

A network gives P parameters for each forecast step; parameter 0 is where the forecast lies, so that a naive rule is
added to it alone. Everything is in scaled units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.losses import LOSSES

__all__ = ["HEADS", "Head", "NormalHead", "PointHead", "QuantileHead", "StudentTHead", "make_head", "zero_start_head"]

LEAST_SPREAD = 1e-4
"""Smallest spread of a distribution, in scaled units."""


def zero_start_head(n_inputs: int, n_outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """A linear head whose output is 0 before training, so that an untrained residual network is its base."""
    linear = nn.Linear(n_inputs, n_outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear) if dropout > 0 else linear


class Head(Protocol):
    """What P numbers mean.

    Attributes:
        n_params: P.
        point_is: ``"mean"`` or ``"median"``.
        in_units: the loss has the target's unit, so that it may be weighed by a series' scale; a likelihood may not.
    """

    @property
    def n_params(self) -> int: ...  # noqa: D102

    @property
    def point_is(self) -> str: ...  # noqa: D102

    @property
    def in_units(self) -> bool: ...  # noqa: D102

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """[...] from raw [..., P] and target [...]."""
        ...

    def point(self, raw: Tensor) -> Tensor:
        """[...]."""
        ...

    def quantiles(self, raw: Tensor, levels: Tensor) -> Tensor | None:
        """[..., Q]; None where the head knows a point only."""
        ...


@dataclass(frozen=True)
class PointHead:
    """A point, by mean absolute, squared or Huber error."""

    kind: str = "mae"
    n_params: int = 1
    in_units: bool = True

    @property
    def point_is(self) -> str:
        """What the loss aims at."""
        return "mean" if self.kind == "mse" else "median"

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """See ``Head``."""
        return LOSSES[self.kind](raw[..., 0], target)

    def point(self, raw: Tensor) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor) -> None:
        """See ``Head``."""
        return


@dataclass(frozen=True)
class QuantileHead:
    """Quantiles that cannot cross: a median, and steps of positive width away from it on both sides.

    The loss is twice the mean pinball loss, so that for the median alone it is the absolute error.
    Source: Koenker and Bassett (1978), doi:10.2307/1913643.

    Args:
        levels: ascending, with 0.5 among them.
    """

    levels: tuple[float, ...]
    point_is: str = "median"
    in_units: bool = True

    @property
    def n_params(self) -> int:
        """One a level."""
        return len(self.levels)

    def _values(self, raw: Tensor) -> Tensor:
        """[..., Q] ascending."""
        middle = self.levels.index(0.5)
        # -3 at the start: narrow, so that an untrained network is its naive rule with a thin band.
        step = functional.softplus(raw[..., 1:] - 3.0)
        below, above = step[..., :middle], step[..., middle:]
        centre = raw[..., :1]
        low = centre - below.flip(-1).cumsum(-1).flip(-1)
        return torch.cat([low, centre, centre + above.cumsum(-1)], dim=-1)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """See ``Head``."""
        apart = target[..., None] - self._values(raw)
        level = torch.tensor(self.levels, device=raw.device, dtype=raw.dtype)
        return 2 * torch.maximum(level * apart, (level - 1) * apart).mean(-1)

    def point(self, raw: Tensor) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor) -> Tensor:
        """Its own levels; others by straight lines between them."""
        own = self._values(raw)
        known = torch.tensor(self.levels, device=raw.device, dtype=own.dtype)
        at = torch.searchsorted(known, levels.to(own.dtype)).clamp(1, len(known) - 1)
        share = (levels.to(own.dtype) - known[at - 1]) / (known[at] - known[at - 1])
        return own[..., at - 1] + share * (own[..., at] - own[..., at - 1])


def _spread(raw: Tensor) -> Tensor:
    # 0 gives a third of the context's spread.
    return functional.softplus(raw - 1.0) + LEAST_SPREAD


@dataclass(frozen=True)
class NormalHead:
    """Mean and standard deviation of a normal distribution, by its negative log likelihood."""

    n_params: int = 2
    point_is: str = "mean"
    in_units: bool = False

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """See ``Head``."""
        spread = _spread(raw[..., 1])
        return spread.log() + 0.5 * ((target - raw[..., 0]) / spread).square() + 0.5 * math.log(2 * math.pi)

    def point(self, raw: Tensor) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor) -> Tensor:
        """See ``Head``."""
        z = torch.special.ndtri(levels.double()).to(raw.dtype)
        return raw[..., :1] + _spread(raw[..., 1:2]) * z


@dataclass(frozen=True)
class StudentTHead:
    """Location, spread and degrees of freedom (above 2) of a Student t distribution: heavy tails, as returns have."""

    n_params: int = 3
    point_is: str = "median"
    in_units: bool = False

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return raw[..., 0], _spread(raw[..., 1]), 2.0 + functional.softplus(raw[..., 2] + 2.0)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """See ``Head``."""
        where, spread, freedom = self._parts(raw)
        likelihood = torch.distributions.StudentT(freedom, where, spread, validate_args=False)
        return -likelihood.log_prob(target)

    def point(self, raw: Tensor) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor) -> Tensor:
        """See ``Head``; the inverse distribution function is SciPy's."""
        from scipy.stats import t

        where, spread, freedom = self._parts(raw.detach().double())
        z = torch.from_numpy(t.ppf(levels.double().cpu().numpy(), freedom[..., None].cpu().numpy())).to(raw.device)
        return (where[..., None] + spread[..., None] * z).to(raw.dtype)


HEADS = ("point", "quantile", "normal", "student_t")


def make_head(name: str, loss: str, levels: tuple[float, ...]) -> Head:
    """A head by its name.

    Args:
        loss: of the point head: ``mae``, ``mse`` or ``huber``.
        levels: of the quantile head.
    """
    if name == "quantile":
        return QuantileHead(levels)
    if name == "normal":
        return NormalHead()
    return StudentTHead() if name == "student_t" else PointHead(loss)
