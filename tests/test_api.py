from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit import api
from forecastkit.config import load_config
from tests.conftest import SMALL, build_panel


def test_every_public_name_resolves():
    for name in fk.__all__:
        assert getattr(fk, name) is not None
    with pytest.raises(AttributeError):
        fk.nothing  # noqa: B018


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    frame = build_panel((140, 110)).data.rename(columns={"target": "sales"})
    before = frame.copy()
    out = tmp_path_factory.mktemp("api") / "run"
    result = fk.fit(frame, horizon=4, models={"gru": SMALL}, out=out)
    pd.testing.assert_frame_equal(frame, before)
    return result


def test_result_is_frames(result):
    assert {"gru", "naive", "auto_arima"} <= set(result.leaderboard["model"])
    assert len(result.forecast) == 8
    assert result.verdict["use"] in set(result.leaderboard["model"])
    assert result.verdict["sentence"]["en"][0] in repr(result) or result.verdict["use"] in repr(result)
    assert set(result.scores["metric"]) >= {"ae", "se", "mase_scale"}
    assert {"role", "seed", "actual"} <= set(result.backtest.columns)
    assert result.learning_curves["step"].iloc[0] == 0
    assert result.report.exists()


def test_figures(result):
    for figure in (result.plot(), result.plot("item1"), result.plot_leaderboard(), result.plot_learning_curves(),
                   result.plot_error_by_step(), result.plot_folds()):  # fmt: skip
        assert figure.axes
    with pytest.raises(fk.ForecastkitError, match="item1"):
        result.plot("itm1")


def test_predict_and_load(result):
    again = fk.load(result.folder).predict()
    np.testing.assert_array_equal(again["point"], result.forecast["point"])
    assert len(fk.predict(result.folder, horizon=2)) == 4
    with pytest.raises(fk.ForecastkitError):
        fk.predict(result.folder, horizon=40)


def test_backtest_by_a_plan(tmp_path):
    frame = fk.as_frame(build_panel((100,)).data)
    plan = fk.EvalPlan(horizon=3, n_report=4, n_select=2, n_calibrate=0)
    result = fk.backtest(frame, ["theta"], plan, out=tmp_path / "r")
    assert result.facts["plan"]["n_report"] == 4
    assert not (result.folder / "forecast.csv").exists()
    assert not (result.folder / "model").exists()
    board = result.leaderboard.set_index("model")
    assert board.loc["theta", "n_folds"] == 4


def test_scores_agree_with_the_backtest(result):
    """MAE of the leaderboard, again from the stored forecasts."""
    table = result.backtest
    report = table[(table["role"] == "report") & table["actual"].notna()]
    mae = (report["point"] - report["actual"]).abs().groupby(report["model"]).mean()
    board = result.leaderboard.set_index("model")["mae"]
    np.testing.assert_allclose(mae[board.index], board, rtol=1e-9)


def test_a_plan_takes_nothing_else_from_a_configuration():
    # What a plan does not say, such as how intervals are made, stays as it was given.
    config = load_config(None, values={"evaluation": {"intervals": "split"}, "data": {"target": "sales"}})
    values = api._plan_values(fk.EvalPlan(horizon=3, n_report=4))
    settings, _ = api._config("a.csv", config, values, ())
    assert (settings.evaluation.intervals, settings.evaluation.n_report) == ("split", 4)
    assert (settings.data.target, settings.data.path) == ("sales", "a.csv")


def test_a_season_in_the_plan_leaves_the_columns_as_they_were_named(tmp_path):
    table = build_panel((100,), missing=0.0).data.assign(other=1.0)
    plan = fk.EvalPlan(horizon=3, n_report=4, n_select=2, n_calibrate=0, season_length=5)
    how = {"target": "target", "time": "timestamp", "item": "item_id"}
    result = fk.backtest(table, [], plan, **how, overrides=["baselines=naive"], out=tmp_path / "r")
    assert result.facts["config"]["data"]["season_length"] == 5
    assert result.facts["config"]["data"]["target"] == "target"
