"""Which windows are drawn, and at which rate is learned."""

from __future__ import annotations

import math
import time
from typing import ClassVar

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
from forecastkit.forecasting.models.network_training import Training
from forecastkit.forecasting.models.windowed import training_windows
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.windows import Windows
from forecastkit.training.lr_range import BELOW, chosen_rate, range_test
from tests.conftest import SMALL, build_panel

LENGTHS = (400, 100)
LARGE = {"hidden": 256, "batch_size": 128, "context_length": 28, "max_steps": 4, "val_every": 2}


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


class TestEverySegment:
    def test_the_loss_is_that_of_a_loop_over_the_ends(self):
        frame = build_panel((200,), missing=0.1)
        model = registry.create_model("gru", supervise="all", segment=4, hidden=3, context_length=16)
        task = NetTask(16, 5, (1,), segment=4, season_length=7, elapsed=True)
        source = WindowSource(frame.store, 16, 5, elapsed=True, item_scale=np.array([2.0]))
        batch = source.batch(Windows(np.zeros(6, np.int64), np.arange(60, 66)))
        torch.manual_seed(0)
        net = model.net_of(task)
        torch.nn.init.normal_(net.core.head.weight)
        total, weight = model.objective(task)(net, batch)
        x = batch.inputs
        y = torch.cat([x.past[:, :, 0], batch.target], dim=1)
        seen = torch.cat([x.observed[:, :, 0], batch.target_observed], dim=1)
        want = n = 0.0
        # The segments that begin in the second half of the context: they end after rows 12 and 16.
        for end in (12, 16):
            points = net(type(x)(x.past[:, :end], x.observed[:, :end]))[:, :, 0]
            there = seen[:, end : end + 5]
            want += float(((points - y[:, end : end + 5]).abs() * there * batch.weight).sum().detach())
            n += float(there.sum())
        assert float(weight) == n
        assert float(total.detach()) == pytest.approx(want, rel=1e-5)

    def test_it_learns(self):
        panel = build_panel((200, 180))
        model = registry.create_model("lstm", **SMALL | {"max_steps": 60}, supervise="all", segment=7)
        fitted = model.fit(panel.upto(170), horizon=7)
        assert fitted.task.segment == 7
        assert fitted.info["best_step"] > 0
        assert np.isfinite(fitted.predict_at(panel, np.array([170, 190]))).all()

    def test_known_covariates_forecast_at_the_end_alone(self):
        task = NetTask(16, 5, (1,), segment=4, n_known=1)
        assert not registry.create_model("gru", supervise="all", segment=4)._supervises_all(task)


class TestPrecision:
    @pytest.fixture(autouse=True)
    def _has_bfloat16(self, monkeypatch):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)

    @pytest.mark.parametrize(
        ("options", "want"),
        [
            (LARGE, "bf16"),
            (LARGE | {"precision": "32"}, "32"),
            (LARGE | {"hidden": 32}, "32"),
            (LARGE | {"hidden": 32, "precision": "bf16"}, "bf16"),
            (LARGE | {"head": "normal"}, "32"),
        ],
    )
    def test_auto_is_bfloat16_for_large_networks_alone(self, options, want):
        fitted = registry.create_model("gru", **options, device="cpu").fit(build_panel(), horizon=3)
        assert fitted.info["precision"] == want
        assert ("trained in bfloat16" in fitted.info["note"]) == (want == "bf16")
        assert {p.dtype for p in fitted.net.parameters()} == {torch.float32}

    def test_a_processor_without_it_stays_with_float32(self, monkeypatch):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        fitted = registry.create_model("gru", **LARGE, device="cpu").fit(build_panel(), horizon=3)
        assert fitted.info["precision"] == "32"

    def test_same_seed_same_bytes(self):
        model, panel = registry.create_model("lstm", **LARGE, device="cpu"), build_panel()
        first, again = (model.fit(panel, horizon=3).state()[0] for _ in range(2))
        full = registry.create_model("lstm", **LARGE, device="cpu", precision="32").fit(panel, horizon=3).state()[0]
        assert first.keys() == again.keys()
        assert all(first[name].tobytes() == again[name].tobytes() for name in first)
        assert any(first[name].tobytes() != full[name].tobytes() for name in first)

    def test_errors_are_counted_in_float32(self):
        own = training(precision="bf16", residual="none")
        batch = own.source.batch(own.train.take(np.arange(16)))
        net = own.forecaster.net_of(NetTask(12, 4))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert own.forecaster.last_objective()(net, batch)[0].dtype == torch.float32


class TestAgainOnAllRows:
    SLOW: ClassVar[dict[str, int]] = {**SMALL, "max_steps": 100_000, "patience": 100_000}

    def test_a_time_limit_leaves_half_of_it(self):
        told = []
        context = FitContext(deadline=time.monotonic() + 3, progress=lambda done, total, _: told.append((done, total)))
        fitted = registry.create_model("gru", relearn=True, **self.SLOW).fit(build_panel(), horizon=3, context=context)
        steps = fitted.info["best_step"]
        assert told[-1] == (steps, steps)
        assert f"trained again on all rows for {steps} steps" in fitted.info["note"]

    def test_where_it_does_not_suffice_the_first_weights_stay(self, monkeypatch):
        """Told when to stop, a second training ends as one does whose time is over."""
        panel, at = build_panel(), np.array([119])
        once = registry.create_model("gru", **SMALL).fit(panel, horizon=3)
        model = registry.create_model("gru", relearn=True, **SMALL)
        whole = type(model).fit
        cut = FitContext(n_steps=once.info["best_step"], stop_at=(1,))
        monkeypatch.setattr(
            type(model),
            "fit",
            lambda own, frame, *, horizon, context=None: whole(
                own, frame, horizon=horizon, context=context if context is None or context.n_steps is None else cut
            ),
        )
        kept = model.fit(panel, horizon=3)
        assert "no time to train again on all rows" in kept.info["note"]
        np.testing.assert_array_equal(kept.predict_at(panel, at), once.predict_at(panel, at))
