"""Which windows are drawn, and at which rate is learned."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.datamodule import ForecastDataModule, WindowSource
from forecastkit.forecasting.models.fitted_network import NetTask
from forecastkit.forecasting.models.training import Training
from forecastkit.forecasting.models.windowed import training_windows
from forecastkit.forecasting.protocol import FitContext
from forecastkit.training.lr_range import BELOW, chosen_rate, range_test
from tests.conftest import SMALL, build_panel

LENGTHS = (400, 100)


def training(**options) -> Training:
    frame = build_panel(LENGTHS, missing=0.0)
    model = registry.create_model("gru", **(SMALL | options))
    train, valid, _ = training_windows(frame, 4, 12, FitContext(), label="gru")
    task = NetTask(12, 4, (1,), season_length=7)
    assert CovariateEncoder.fit(frame, clock=False).is_empty
    return Training(model, WindowSource(frame.store, 12, 4), task, train, valid, FitContext())


def drawn(own: Training, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Items and calendar positions of the windows in n batches."""
    sampler = own._data(25, 5).train_dataloader()
    index = np.concatenate([sampler._next() for _ in range(n)])
    windows = own.train.take(index)
    return windows.item, windows.row + own.source.store.starts[windows.item]


class TestSampling:
    def test_uniform_draws_each_window_once_a_pass(self):
        own = training()
        sampler = own._data(25, 5).train_dataloader()
        n = len(own.train) // 128
        first = np.concatenate([sampler._next() for _ in range(n)])
        assert len(np.unique(first)) == n * 128

    def test_balanced_draws_each_series_as_often(self):
        items, _ = drawn(training(sampling="balanced"))
        assert np.mean(items == 0) == pytest.approx(0.5, abs=0.02)
        assert np.mean(drawn(training())[0] == 0) > 0.9

    def test_recent_halves_by_age(self):
        own = training(recent=0.25)
        items, at = drawn(own, 400)
        long = at[items == 0]
        span = long.max() - long.min()
        newest, older = (
            (long > long.max() - span / 4).sum(),
            ((long <= long.max() - span / 4) & (long > long.max() - span / 2)).sum(),
        )
        assert older / newest == pytest.approx(0.5, abs=0.06)

    def test_a_network_trains_with_both(self):
        panel = build_panel((120, 90))
        model = registry.create_model("gru", **SMALL, sampling="balanced", recent=0.2)
        first, again = (model.fit(panel, horizon=3).predict_at(panel, np.array([119])) for _ in range(2))
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(first, again)

    def test_chances_that_are_zero_are_never_drawn(self):
        own = training()
        chances = np.zeros(len(own.train))
        chances[5] = 1.0
        data = ForecastDataModule(own.source, own.train, own.valid, batch_size=8, steps_per_epoch=5, chances=chances)
        assert (data.train_dataloader()._next() == 5).all()

    @pytest.mark.parametrize("options", [{"sampling": "even"}, {"recent": -1.0}])
    def test_bad_options(self, options):
        with pytest.raises(ConfigError):
            registry.create_model("gru", **options)


class TestRange:
    def test_the_network_and_the_generators_stay_as_they_were(self):
        own = training(dropout=0.3)
        torch.manual_seed(3)
        net = own.forecaster.net_of(own.task)
        before, state = [p.clone() for p in net.parameters()], torch.get_rng_state()
        losses = range_test(own._module(net, 1e-3, 10), own._data(25, 5))
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(a, b) for a, b in zip(before, net.parameters()))
        rates = np.array([r for r, _ in losses])
        np.testing.assert_allclose(np.diff(np.log(rates)), np.log(rates[1] / rates[0]))

    def test_a_valley_is_found_and_what_follows_does_not_count(self):
        rates = 10 ** np.linspace(-5, -0.5, 100)
        valley = [(float(r), float(abs(math.log10(r) + 2) + 1)) for r in rates]
        assert math.log10(chosen_rate(valley, 1.0) * BELOW) == pytest.approx(-2, abs=0.6)
        cliff = [(r, v if r < 0.02 else 1e6) for r, v in valley]
        assert chosen_rate(cliff, 1.0) * BELOW <= 0.025

    @pytest.mark.parametrize("losses", [[], [(1e-5, 1.0), (1e-4, 2.0), (1e-3, 3.0)]])
    def test_where_nothing_is_learned_the_usual_rate_stays(self, losses):
        assert chosen_rate(losses, 0.005) == 0.005

    @given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=50))
    def test_the_rate_is_one_that_was_tried(self, values):
        losses = [(1e-5 * 1.2**k, v) for k, v in enumerate(values)]
        rate = chosen_rate(losses, 0.123)
        assert rate == 0.123 or min(abs(rate * BELOW - r) for r, _ in losses) < 1e-9

    def test_it_is_said_and_repeats(self):
        panel = build_panel((200, 150))
        model = registry.create_model("gru", **SMALL, lr_range=True)
        one, two = (model.fit(panel, horizon=3) for _ in range(2))
        assert "by a range test" in one.info["note"]
        np.testing.assert_array_equal(*(f.predict_at(panel, np.array([199])) for f in (one, two)))
