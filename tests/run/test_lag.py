"""The lag check looks at rows that the model has not seen."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.config import load_config
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.run import backtests
from forecastkit.run.preparing import prepare
from tests.conftest import SMALL, build_panel


@pytest.mark.parametrize(("fitted_from", "n"), [(0, 12), (3, 12), (5, 4)])
def test_a_model_that_was_fitted_again_is_checked_on_later_rows(fitted_from, n, monkeypatch):
    words = {"horizon": 4, "models": {"gru": SMALL}, "baselines": "naive"}
    folds = {"n_select": 3, "n_calibrate": 0, "n_report": 3, "refit": "every"}
    prepared = prepare(
        load_config(None, values={**words, "evaluation": folds}), source=build_panel((100,)), final=False
    )
    asked = []

    def one_step(fitted, frame, n):
        asked.append(n)
        return np.zeros((n, 1)), np.arange(100 - n, 100)

    monkeypatch.setattr(backtests, "one_step_forecasts", one_step)
    one = ModelBacktest("gru", 1, np.zeros((6, 1, 4)), fitted=object(), fitted_from=fitted_from)
    backtests._lag(prepared, one)
    assert asked == [n]
