"""What every registered model promises; a new model is tested here unasked."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.errors import FitError, ForecastkitError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.protocol import FitContext, Fitted
from forecastkit.forecasting.schema import SeriesFrame
from tests.conftest import SMALL, build_panel, small

HORIZON = 6


def make(name: str):
    return registry.create_model(name, **small(name))


@pytest.fixture(scope="module")
def fitted_models() -> dict[str, Fitted]:
    panel = build_panel()
    return {name: make(name).fit(panel, horizon=HORIZON, context=FitContext(seed=3)) for name in registry.list_models()}


@pytest.mark.parametrize("name", registry.list_models())
class TestEveryModel:
    def test_shape_and_finite(self, name, fitted_models, panel):
        at = np.array([60, 90, 119])
        out = fitted_models[name].predict_at(panel, at)
        assert out.shape == (3, 2, HORIZON)
        assert np.isfinite(out).all()

    def test_item_not_yet_begun_is_nan(self, name, fitted_models, panel):
        out = fitted_models[name].predict_at(panel, np.array([10]))
        assert np.isfinite(out[0, 0]).all()
        assert np.isnan(out[0, 1]).all()

    def test_one_cutoff_at_a_time_gives_the_same(self, name, fitted_models, panel):
        at = np.array([60, 75, 119])
        together = fitted_models[name].predict_at(panel, at)
        alone = np.concatenate([fitted_models[name].predict_at(panel, at[k : k + 1]) for k in range(3)])
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-4)

    def test_prediction_ignores_rows_after_the_cutoff(self, name, fitted_models, panel):
        at = np.array([70, 100])
        noisy = panel.data.copy()
        after = panel.positions > 100
        noisy.loc[after, "target"] = np.random.default_rng(1).normal(-1e6, 1e6, int(after.sum()))
        scrambled = SeriesFrame(noisy, panel.calendar, season_length=panel.season_length)
        np.testing.assert_array_equal(
            fitted_models[name].predict_at(panel, at), fitted_models[name].predict_at(scrambled, at)
        )

    def test_saved_and_restored_is_identical(self, name, fitted_models, panel):
        model = make(name)
        arrays, meta = fitted_models[name].state()
        again = model.restore(arrays, json.loads(json.dumps(meta)))
        at = np.array([80, 119])
        np.testing.assert_array_equal(fitted_models[name].predict_at(panel, at), again.predict_at(panel, at))
        assert again.horizon == HORIZON

    def test_same_seed_same_numbers(self, name, fitted_models, panel):
        again = make(name).fit(build_panel(), horizon=HORIZON, context=FitContext(seed=3))
        at = np.array([119])
        np.testing.assert_array_equal(fitted_models[name].predict_at(panel, at), again.predict_at(panel, at))

    def test_constant_series_is_forecast_as_itself(self, name):
        index = pd.date_range("2024-01-01", periods=60, freq="D")
        data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": 7.25})
        frame = SeriesFrame(data, Calendar("D", index), season_length=7)
        out = make(name).fit(frame, horizon=4, context=FitContext()).predict_at(frame, np.array([59]))
        np.testing.assert_allclose(out, 7.25)

    def test_scale_and_shift_carry_over(self, name, panel):
        """1e6 y + 1e7 is forecast as 1e6 times the forecast of y, plus 1e7."""
        big = panel.data.assign(target=panel.data["target"] * 1e6 + 1e7)
        other = SeriesFrame(big, panel.calendar, season_length=panel.season_length)
        at = np.array([119])
        plain = make(name).fit(panel, horizon=4, context=FitContext()).predict_at(panel, at)
        large = make(name).fit(other, horizon=4, context=FitContext()).predict_at(other, at)
        # Automatic models may settle on another order after rounding; they stay within a unit.
        np.testing.assert_allclose((large - 1e7) / 1e6, plain, atol=1.0)

    def test_two_rows_are_forecast_or_refused_in_words(self, name):
        index = pd.date_range("2024-01-01", periods=2, freq="D")
        data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": [1.0, 2.0]})
        frame = SeriesFrame(data, Calendar("D", index), season_length=7)
        try:
            fitted = make(name).fit(frame, horizon=3, context=FitContext())
        except FitError:
            return
        assert np.isfinite(fitted.predict_at(frame, np.array([1]))).all()

    def test_options_make_the_same_model_again(self, name):
        model = make(name)
        assert registry.create_model(name, **registry.options_of(model)) == model

    def test_unknown_option_is_refused(self, name):
        with pytest.raises(ForecastkitError, match="no such option"):
            registry.create_model(name, definitely_not=1)


def test_bidirectional_recursive_is_explained():
    with pytest.raises(ForecastkitError, match=r"backward direction.*strategy=direct"):
        registry.create_model("lstm", bidirectional=True, strategy="recursive")


@pytest.mark.parametrize("options", [
    {"strategy": "recursive"}, {"bidirectional": True}, {"layers": 2, "dropout": 0.2}, {"loss": "mse"}, {"loss": "huber"},
    {"residual": "none"}, {"residual": "season"}, {"supervise": "all"}, {"supervise": "all", "strategy": "recursive"},
    {"schedule": "onecycle"}, {"relearn": True}, {"optimizer": "sgd", "lr": 0.01}, {"scaling": "none"},
    {"scaling": "item"}, {"scaling": "log"}, {"identity": True}, {"head": "mixture"}, {"loss": "pinball", "level": 0.8},
])  # fmt: skip
def test_network_options_train_and_restore(options, panel):
    model = registry.create_model("gru", **(SMALL | options))
    fitted = model.fit(panel, horizon=3, context=FitContext())
    out = fitted.predict_at(panel, np.array([100, 119]))
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(out, model.restore(*fitted.state()).predict_at(panel, np.array([100, 119])))
    assert all(np.isfinite(row["grad_norm"]) for row in fitted.curves[1:])


def test_network_learns_a_sine():
    t = np.arange(400)
    index = pd.date_range("2024-01-01", periods=400, freq="h")
    data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": np.sin(t / 5)})
    frame = SeriesFrame(data, Calendar("h", index))
    fitted = registry.create_model("lstm", hidden=16, context_length=40, max_steps=300, clock=False).fit(
        frame.upto(379), horizon=20
    )
    out = fitted.predict_at(frame, np.array([379]))[0, 0]
    assert np.abs(out - np.sin(t[380:] / 5)).mean() < 0.2
    assert np.abs(np.sin(379 / 5) - np.sin(t[380:] / 5)).mean() > 0.5  # the naive rule it started from
