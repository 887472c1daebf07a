"""From a state of the encoder to numbers, and from those numbers to points, quantiles, draws and a loss.

A network gives P parameters for each forecast step; parameter 0 is where the forecast lies, so that a naive rule is
added to it alone. Everything is in scaled units; a head of counts asks for the window's ``Units``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.losses import POWERS, loss_of, pinball

__all__ = [
    "HEADS", "Head", "MixtureHead", "NegativeBinomialHead", "NormalHead", "PointHead", "QuantileHead", "StudentTHead",
    "Units", "make_head", "zero_start_head",
]  # fmt: skip

LEAST_SPREAD = 1e-4
"""Smallest spread of a distribution, in scaled units."""


def zero_start_head(n_inputs: int, n_outputs: int, *, dropout: float = 0.0) -> nn.Module:
    """A linear head whose output is 0 before training, so that an untrained residual network is its base."""
    linear = nn.Linear(n_inputs, n_outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(nn.Dropout(dropout), linear) if dropout > 0 else linear


class Units(NamedTuple):
    """How scaled values become target units: ``centre + spread * scaled``; shapes broadcast against [...].

    Args:
        spread: 1 where a window is constant.
    """

    centre: Tensor
    spread: Tensor


class Head(Protocol):
    """What P numbers mean.

    Attributes:
        n_params: P.
        point_is: ``"mean"`` or ``"median"``.
        power: of the target's unit in the loss, so that it can be weighed by a series' scale; 0 = a likelihood, which
            may not be weighed.
    """

    @property
    def n_params(self) -> int: ...  # noqa: D102

    @property
    def point_is(self) -> str: ...  # noqa: D102

    @property
    def power(self) -> int: ...  # noqa: D102

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """[...] from raw [..., P] and target [...]."""
        ...

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """[...]."""
        ...

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor | None:
        """[..., Q]; None where the head knows a point only."""
        ...

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor | None:
        """[...] the value at each probability ``chance`` [...], in (0, 1); None where the head knows a point only."""
        ...


@dataclass(frozen=True)
class PointHead:
    """A point, by one of the losses of ``nn.losses``.

    Args:
        kind: name of the loss.
        level: of the pinball loss.
    """

    kind: str = "mae"
    level: float = 0.5
    n_params: int = 1

    @property
    def point_is(self) -> str:
        """What the loss aims at."""
        return "mean" if self.kind == "mse" else "median"

    @property
    def power(self) -> int:
        """See ``Head``."""
        return POWERS[self.kind]

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return loss_of(self.kind, self.level)(raw[..., 0], target)

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> None:
        """See ``Head``."""
        return

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> None:
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
    power: int = 1

    @property
    def n_params(self) -> int:
        """One a level."""
        return len(self.levels)

    def values(self, raw: Tensor) -> Tensor:
        """[..., Q] ascending."""
        middle = self.levels.index(0.5)
        # -3 at the start: narrow, so that an untrained network is its naive rule with a thin band.
        step = functional.softplus(raw[..., 1:] - 3.0)
        below, above = step[..., :middle], step[..., middle:]
        centre = raw[..., :1]
        low = centre - below.flip(-1).cumsum(-1).flip(-1)
        return torch.cat([low, centre, centre + above.cumsum(-1)], dim=-1)

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        level = torch.tensor(self.levels, device=raw.device, dtype=raw.dtype)
        return pinball(level)(self.values(raw), target[..., None]).mean(-1)

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor:
        """Its own levels; others by straight lines between them."""
        return self._between(raw, levels.to(raw.dtype).expand(*raw.shape[:-1], len(levels)))

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        """See ``Head``; straight lines between the levels, and beyond the outer ones the same slope goes on."""
        return self._between(raw, chance[..., None].to(raw.dtype))[..., 0]

    def _between(self, raw: Tensor, levels: Tensor) -> Tensor:
        own = self.values(raw)
        known = torch.tensor(self.levels, device=raw.device, dtype=own.dtype)
        at = torch.searchsorted(known, levels.contiguous()).clamp(1, len(known) - 1)
        share = (levels - known[at - 1]) / (known[at] - known[at - 1])
        low, high = own.gather(-1, at - 1), own.gather(-1, at)
        return low + share * (high - low)


def _spread(raw: Tensor) -> Tensor:
    # 0 gives a third of the context's spread.
    return functional.softplus(raw - 1.0) + LEAST_SPREAD


def _normal_quantile(chance: Tensor) -> Tensor:
    return torch.special.ndtri(chance.double()).to(torch.float32)


@dataclass(frozen=True)
class NormalHead:
    """Mean and standard deviation of a normal distribution, by its negative log likelihood."""

    n_params: int = 2
    point_is: str = "mean"
    power: int = 0

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        spread = _spread(raw[..., 1])
        return spread.log() + 0.5 * ((target - raw[..., 0]) / spread).square() + 0.5 * math.log(2 * math.pi)

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., :1] + _spread(raw[..., 1:2]) * _normal_quantile(levels)

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., 0] + _spread(raw[..., 1]) * _normal_quantile(chance)


@dataclass(frozen=True)
class StudentTHead:
    """Location, spread and degrees of freedom (above 2) of a Student t distribution: heavy tails, as returns have."""

    n_params: int = 3
    point_is: str = "median"
    power: int = 0

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return raw[..., 0], _spread(raw[..., 1]), 2.0 + functional.softplus(raw[..., 2] + 2.0)

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        where, spread, freedom = self._parts(raw)
        likelihood = torch.distributions.StudentT(freedom, where, spread, validate_args=False)
        return -likelihood.log_prob(target)

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return raw[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor:
        """See ``Head``; the inverse distribution function is SciPy's."""
        return self._at(raw[..., None, :], levels.expand(*raw.shape[:-1], len(levels)))

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return self._at(raw, chance)

    def _at(self, raw: Tensor, chance: Tensor) -> Tensor:
        from scipy.stats import t

        where, spread, freedom = self._parts(raw.detach().double())
        z = torch.from_numpy(t.ppf(chance.double().cpu().numpy(), freedom.cpu().numpy())).to(raw.device)
        return (where + spread * z).to(raw.dtype)


@dataclass(frozen=True)
class MixtureHead:
    """A weighted mixture of normal distributions: skewed or with two peaks where the data are.

    Source: Bishop (1994), Mixture density networks, Aston University, NCRG/94/004.

    Args:
        n_parts: normal distributions.
    """

    n_parts: int = 3
    point_is: str = "median"
    power: int = 0

    @property
    def n_params(self) -> int:
        """Where all of them lie; then of each its offset, spread and weight."""
        return 1 + 3 * self.n_parts

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(means, spreads, log weights), [..., n_parts]; unlike at the start, or all would learn the same."""
        offset, spread, weight = raw[..., 1:].unflatten(-1, (3, self.n_parts)).unbind(-2)
        apart = torch.linspace(-1, 1, self.n_parts, device=raw.device)
        return raw[..., :1] + offset + 0.1 * apart, _spread(spread + apart.abs()), weight.log_softmax(-1)

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        mean, spread, weight = self._parts(raw)
        each = -spread.log() - 0.5 * ((target[..., None] - mean) / spread).square() - 0.5 * math.log(2 * math.pi)
        return -torch.logsumexp(weight + each, dim=-1)

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return self.quantiles(raw, torch.tensor([0.5]), units)[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor:
        """See ``Head``; by halving an interval that holds them all."""
        mean, spread, weight = (v.double()[..., None, :] for v in self._parts(raw))
        z = torch.special.ndtri(levels.double())[:, None]
        each = mean + spread * z
        low, high = each.amin(-1), each.amax(-1)
        for _ in range(50):
            middle = (low + high) / 2
            below = (weight.exp() * torch.special.ndtr((middle[..., None] - mean) / spread)).sum(-1)
            low, high = torch.where(below < levels, middle, low), torch.where(below < levels, high, middle)
        return ((low + high) / 2).to(raw.dtype)

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        """See ``Head``; the chance picks a part, and what is left of it a value of that part."""
        mean, spread, weight = self._parts(raw)
        share = weight.exp().double()
        upto = share.cumsum(-1)
        at = (chance[..., None].double() > upto).sum(-1, keepdim=True).clamp_max(self.n_parts - 1)
        own = share.gather(-1, at)
        rest = (chance[..., None].double() - upto.gather(-1, at) + own) / own.clamp_min(1e-12)
        z = _normal_quantile(rest.clamp(1e-6, 1 - 1e-6))
        return (mean.gather(-1, at) + spread.gather(-1, at) * z)[..., 0]


@dataclass(frozen=True)
class NegativeBinomialHead:
    """Counts whose variance is mu + alpha mu^2: whole numbers from 0 on, with more zeros and peaks than a Poisson has.

    The mean is a soft rectifier of where the forecast lies, in target units; a target below 0 or between two whole
    numbers counts as the nearest count. Source: Salinas et al. (2020), arXiv:1704.04110, sec. 3.1.
    """

    n_params: int = 2
    point_is: str = "median"
    power: int = 0

    def _parts(self, raw: Tensor, units: Units) -> tuple[Tensor, Tensor]:
        """(mu, alpha)."""
        # In units of a tenth of the spread the corner at 0 is sharp enough to leave usual means as they are.
        soft = (units.spread / 10).clamp_min(1e-3)
        mu = soft * functional.softplus((units.centre + units.spread * raw[..., 0]) / soft) + 1e-3 * soft
        return mu, functional.softplus(raw[..., 1] - 1.0) + 1e-4

    def loss(self, raw: Tensor, target: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        mu, alpha = self._parts(raw, units)
        count = (units.centre + units.spread * target).round().clamp_min(0)
        r = 1 / alpha
        chosen = torch.lgamma(count + r) - torch.lgamma(r) - torch.lgamma(count + 1)
        return -(chosen - r * torch.log1p(alpha * mu) + count * (torch.log(alpha * mu) - torch.log1p(alpha * mu)))

    def point(self, raw: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return self.quantiles(raw, torch.tensor([0.5]), units)[..., 0]

    def quantiles(self, raw: Tensor, levels: Tensor, units: Units) -> Tensor:
        """See ``Head``; whole numbers in target units, by SciPy."""
        wide = Units(units.centre[..., None], units.spread[..., None])
        return self._at(raw[..., None, :], levels.expand(*raw.shape[:-1], len(levels)), wide)

    def draw(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        """See ``Head``."""
        return self._at(raw, chance, units)

    def _at(self, raw: Tensor, chance: Tensor, units: Units) -> Tensor:
        from scipy.stats import nbinom

        mu, alpha = (v.detach().double().cpu().numpy() for v in self._parts(raw, units))
        count = nbinom.ppf(chance.double().cpu().numpy(), 1 / alpha, 1 / (1 + alpha * mu))
        out = (torch.from_numpy(count).to(raw.device) - units.centre) / units.spread
        return out.to(raw.dtype)


HEADS: dict[str, Callable[[], Head]] = {
    "normal": NormalHead,
    "student_t": StudentTHead,
    "mixture": MixtureHead,
    "negative_binomial": NegativeBinomialHead,
}
"""Distributions by name."""


def make_head(name: str, loss: str, levels: tuple[float, ...], level: float = 0.5) -> Head:
    """A head by its name: ``point``, ``quantile`` or a distribution of ``HEADS``.

    Args:
        loss: of the point head, see ``nn.losses``.
        levels: of the quantile head.
        level: of the pinball loss.
    """
    if name == "quantile":
        return QuantileHead(levels)
    return PointHead(loss, level) if name == "point" else HEADS[name]()
