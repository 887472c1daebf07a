"""Sample paths, logarithms and losses of networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.models.fitted_network import _chances
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.scaling import InstanceScale
from forecastkit.forecasting.schema import SeriesFrame
from tests.conftest import SMALL, build_panel


def test_chances_are_even_and_unlike():
    rows, names = np.arange(400), np.full(400, 7, np.uint64)
    u = _chances(1, names, rows, 50)
    assert 0 < u.min() < u.max() < 1
    assert np.histogram(u, 10, (0, 1))[0] == pytest.approx([2000] * 10, abs=200)
    assert abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(u[:, :-1].ravel(), u[:, 1:].ravel())[0, 1]) < 0.03
    assert not np.isclose(_chances(2, names, rows, 50), u).any()
    np.testing.assert_array_equal(_chances(1, names[7:9], rows[7:9], 20), u[7:9, :20])


class TestPaths:
    @pytest.fixture(scope="class")
    @staticmethod
    def walk() -> SeriesFrame:
        """A random walk: h steps ahead its spread is that of one step times the root of h."""
        rng = np.random.default_rng(5)
        index = pd.date_range("2020-01-01", periods=1500, freq="D")
        data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": 100 + rng.normal(0, 1, 1500).cumsum()})
        return SeriesFrame(data, Calendar("D", index))

    def test_spread_grows_as_that_of_a_random_walk(self, walk):
        model = registry.create_model("deepar", head="normal", hidden=8, max_steps=400, context_length=20, clock=False)
        fitted = model.fit(walk.upto(1199), horizon=9)
        at = np.arange(1200, 1490, 10)
        paths = fitted.samples_at(walk, at, 300)
        assert paths.shape == (29, 1, 300, 9)
        spread = paths.std(axis=2).mean(axis=(0, 1))
        assert spread[0] == pytest.approx(1.0, abs=0.2)
        assert spread[8] / spread[0] == pytest.approx(3.0, rel=0.25)
        quantiles = fitted.quantiles_at(walk, at)[:, 0]
        y = walk.store.series(0)
        answer = np.stack([y[c + 1 : c + 10] for c in at])
        inside = (answer >= quantiles[..., 2]) & (answer <= quantiles[..., 10])
        assert 0.65 < inside.mean() < 0.95

    def test_paths_hang_on_series_and_cutoff_alone(self, panel):
        fitted = registry.create_model("deepar", **SMALL).fit(panel, horizon=4, context=FitContext())
        together = fitted.samples_at(panel, np.array([80, 110]), 5)
        alone = fitted.samples_at(panel.select(("item1",)), np.array([110]), 5)
        np.testing.assert_allclose(together[1, 1], alone[0, 0], rtol=1e-4)
        assert not np.allclose(together, fitted.samples_at(panel, np.array([80, 110]), 5, seed=2))
        np.testing.assert_allclose(
            np.median(fitted.samples_at(panel, np.array([110]), 100), axis=2), fitted.predict_at(panel, np.array([110]))
        )

    def test_a_model_without_paths_says_so(self, panel):
        fitted = registry.create_model("gru", head="normal", **SMALL).fit(panel, horizon=3)
        assert fitted.samples_at(panel, np.array([100]), 5) is None
        again = registry.create_model("gru", head="normal", strategy="recursive", supervise="all", **SMALL)
        assert again.fit(panel, horizon=3).samples_at(panel, np.array([100]), 5).shape == (1, 2, 5, 3)

    def test_a_draw_between_quantiles_is_fed_back(self, panel):
        fitted = registry.create_model("deepar", head="quantile", **SMALL).fit(panel, horizon=3)
        paths = fitted.samples_at(panel, np.array([100]), 50)
        assert np.isfinite(paths).all()
        assert paths.std(axis=2).min() > 0

    def test_a_transform_around_a_model_keeps_its_paths(self, panel):
        at, plain = np.array([90, 110]), registry.create_model("deepar", **SMALL)
        paths = plain.fit(panel, horizon=3, context=FitContext()).samples_at(panel, at, 4)
        around = registry.create_model("deepar", whole=True, transform="standard", **SMALL).fit(panel, horizon=3)
        np.testing.assert_allclose(around.samples_at(panel, at, 4), np.rint(paths), atol=1.01)
        assert registry.create_model("naive", whole=True).fit(panel, horizon=2).samples_at(panel, at, 3) is None

    def test_counts_are_whole_and_not_negative(self):
        rng = np.random.default_rng(0)
        index = pd.date_range("2022-01-01", periods=300, freq="D")
        data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": rng.negative_binomial(2, 0.5, 300) * 1.0})
        frame = SeriesFrame(data, Calendar("D", index), season_length=7)
        for name in ("deepar", "gru"):
            fitted = registry.create_model(name, head="negative_binomial", **SMALL).fit(frame.upto(249), horizon=5)
            quantiles = fitted.quantiles_at(frame, np.arange(250, 290))
            assert (quantiles >= -1e-4).all()
        np.testing.assert_allclose(quantiles, quantiles.round(), atol=1e-3)


class TestLogarithms:
    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.floats(1e-3, 1e9), min_size=2, max_size=8), st.booleans())
    def test_there_and_back(self, values, with_zero):
        y = np.array([values, values[::-1]])
        if with_zero:
            y[1, 0] = 0.0
        scale = InstanceScale.fit(y, np.ones(y.shape, bool), log=True)
        assert scale.log.tolist() == [True, not with_zero]
        constant = np.ptp(y, axis=1) <= 1e-9 * np.abs(y).max(axis=1)
        back = scale.inverse(scale.transform(y))
        np.testing.assert_allclose(back[~constant], y[~constant], rtol=1e-6, atol=1e-6)

    def test_a_row_not_observed_may_be_zero(self):
        scale = InstanceScale.fit(np.array([[0.0, np.e, np.e**3]]), np.array([[False, True, True]]), log=True)
        assert scale.log.tolist() == [True]
        assert scale.centre == pytest.approx([2.0])
        assert scale.spread == pytest.approx([1.0])
        assert scale.unit == pytest.approx([np.e**2])

    @pytest.mark.parametrize("name", ["gru", "esrnn"])
    def test_growth_by_a_share_is_followed(self, name):
        index = pd.date_range("2020-01-01", periods=400, freq="D")
        y = np.exp(0.01 * np.arange(400) + 0.3 * np.sin(np.arange(400) * 2 * np.pi / 7))
        data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": y})
        frame = SeriesFrame(data, Calendar("D", index), season_length=7)
        fitted = registry.create_model(name, scaling="log", hidden=16, max_steps=200).fit(frame.upto(389), horizon=7)
        out = fitted.predict_at(frame, np.array([389]))[0, 0]
        np.testing.assert_allclose(out, y[390:397], rtol=0.03)


def test_counts_refuse_logarithms():
    with pytest.raises(ConfigError, match="counts have no logarithm"):
        registry.create_model("gru", head="negative_binomial", scaling="log")


def test_pinball_forecasts_a_quantile():
    rng = np.random.default_rng(0)
    index = pd.date_range("2020-01-01", periods=600, freq="D")
    data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": rng.normal(0, 1, 600)})
    frame = SeriesFrame(data, Calendar("D", index))
    model = registry.create_model("nlinear", loss="pinball", level=0.9, residual="none", context_length=20, lr=0.01)
    assert model.point == "quantile 0.9"
    out = model.fit(frame.upto(449), horizon=2).predict_at(frame, np.arange(450, 590))[:, 0]
    y = data["target"].to_numpy()
    assert 0.8 < (np.stack([y[c + 1 : c + 3] for c in range(450, 590)]) <= out).mean() < 0.97


@pytest.mark.parametrize("options", [{"attention": "bahdanau"}, {"attention": "none"}, {"cell": "lstm", "layers": 2}])
def test_options_of_the_decoder(options):
    panel = build_panel()
    model = registry.create_model("seq2seq", **(SMALL | options))
    fitted = model.fit(panel, horizon=5)
    at = np.array([100, 119])
    np.testing.assert_array_equal(fitted.predict_at(panel, at), model.restore(*fitted.state()).predict_at(panel, at))
