"""Distributions against SciPy, and the shape of every head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from forecastkit.nn.heads import MixtureHead, NegativeBinomialHead, NormalHead, Units, make_head
from forecastkit.nn.losses import pinball

LEVELS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
PLAIN = Units(torch.zeros(1, 1), torch.ones(1, 1))
NAMES = ("quantile", "normal", "student_t", "mixture", "negative_binomial")


def raw_of(head, n: int = 5, steps: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, steps, head.n_params, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
class TestEveryHead:
    def units(self, name: str) -> Units:
        return Units(torch.full((5, 1), 20.0), torch.full((5, 1), 6.0)) if name == "negative_binomial" else PLAIN

    def test_shapes_and_order(self, name):
        head = make_head(name, "mae", LEVELS)
        raw, units = raw_of(head), self.units(name)
        quantiles = head.quantiles(raw, torch.tensor(LEVELS), units)
        assert quantiles.shape == (5, 3, len(LEVELS))
        assert (quantiles.diff(dim=-1) >= 0).all()
        assert head.loss(raw, torch.zeros(5, 3), units).shape == (5, 3)
        assert head.point(raw, units).shape == (5, 3)
        if head.point_is == "median":
            torch.testing.assert_close(head.point(raw, units), quantiles[..., 6], rtol=1e-4, atol=1e-4)

    def test_draws_have_the_quantiles(self, name):
        head = make_head(name, "mae", LEVELS)
        raw, units = raw_of(head, steps=1), self.units(name)
        n = 20000
        chance = (torch.arange(n) + 0.5) / n
        wide = Units(units.centre[:1].expand(5, n) if len(units.centre) > 1 else units.centre, units.spread[:1])
        drawn = head.draw(raw.expand(5, n, -1), chance.expand(5, n), wide)
        want = head.quantiles(raw, torch.tensor(LEVELS), units)[:, 0]
        for k in range(5):
            found = np.quantile(drawn[k].numpy(), LEVELS, method="inverted_cdf")
            np.testing.assert_allclose(found, want[k], atol=0.02 * float(want[k].abs().max()) + 1e-3)

    def test_gradients_are_finite_far_away(self, name):
        head = make_head(name, "mae", LEVELS)
        raw = (100 * raw_of(head)).requires_grad_()
        head.loss(raw, torch.full((5, 3), 50.0), self.units(name)).sum().backward()
        assert torch.isfinite(raw.grad).all()


def test_negative_binomial_is_that_of_scipy():
    head = NegativeBinomialHead()
    raw = torch.tensor([[[0.5, 0.2], [-1.0, 1.0]]])
    units = Units(torch.tensor([[10.0]]), torch.tensor([[4.0]]))
    count = torch.tensor([[14.0, 3.0]])
    mu, alpha = (v.double().numpy() for v in head._parts(raw, units))
    theirs = -stats.nbinom.logpmf(count.numpy(), 1 / alpha, 1 / (1 + alpha * mu))
    np.testing.assert_allclose(head.loss(raw, (count - 10) / 4, units), theirs, rtol=1e-4)
    assert mu[0, 0] == pytest.approx(12.0, abs=0.01)  # far from 0 the mean is where the forecast lies
    own = head.quantiles(raw, torch.tensor([0.1, 0.9]), units) * 4 + 10
    np.testing.assert_allclose(own[0, 0], stats.nbinom.ppf([0.1, 0.9], 1 / alpha[0, 0], 1 / (1 + alpha * mu)[0, 0]))


def test_mixture_is_that_of_scipy():
    head = MixtureHead(3)
    raw = raw_of(head, 2, 1, seed=3)
    mean, spread, weight = (v[0, 0].double().numpy() for v in head._parts(raw))
    x = 0.7
    density = (np.exp(weight) * stats.norm.pdf(x, mean, spread)).sum()
    assert float(head.loss(raw, torch.full((2, 1), x), PLAIN)[0, 0]) == pytest.approx(-np.log(density), rel=1e-5)
    for level in (0.05, 0.5, 0.9):
        q = float(head.quantiles(raw, torch.tensor([level]), PLAIN)[0, 0, 0])
        assert (np.exp(weight) * stats.norm.cdf(q, mean, spread)).sum() == pytest.approx(level, abs=1e-5)


def test_parts_of_a_mixture_learn_two_peaks():
    torch.manual_seed(0)
    head, raw = MixtureHead(2), torch.zeros(1, 7, requires_grad=True)
    y = torch.cat([torch.randn(500) * 0.1 - 2, torch.randn(500) * 0.1 + 2])
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        head.loss(raw.expand(1000, 7), y, PLAIN).mean().backward()
        optimizer.step()
    mean = head._parts(raw.detach())[0][0].sort().values
    torch.testing.assert_close(mean, torch.tensor([-2.0, 2.0]), atol=0.1, rtol=0)


def test_normal_draw_is_the_quantile_function():
    raw = torch.tensor([[[1.0, 0.3]]])
    spread = float(torch.nn.functional.softplus(torch.tensor(-0.7))) + 1e-4
    drawn = float(NormalHead().draw(raw, torch.tensor([[0.9]]), PLAIN))
    assert drawn == pytest.approx(stats.norm.ppf(0.9, 1.0, spread), rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.05, 0.95), st.integers(0, 10))
def test_the_best_point_of_a_pinball_loss_is_the_quantile(level, seed):
    y = torch.from_numpy(np.random.default_rng(seed).normal(size=101))
    losses = [float(pinball(level)(c.expand(101), y).mean()) for c in y.sort().values]
    best = y.sort().values[int(np.argmin(losses))]
    assert float(best) == pytest.approx(float(np.quantile(y.numpy(), level, method="inverted_cdf")), abs=0.1)
