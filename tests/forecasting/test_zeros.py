"""Series that are 0 most of the time: absolute errors would choose the forecast of nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.cli import main
from forecastkit.errors import ConfigError
from forecastkit.forecasting import metrics as m
from forecastkit.forecasting import scores as s
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.ensemble import learn
from forecastkit.forecasting.leaderboard import leaderboard, summary
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import choose
from forecastkit.forecasting.splits import EvalPlan, ReportFold, SelectFold, error_kind, make_folds


def frame_of(*series, season_length=1):
    steps = pd.Index(np.arange(max(len(y) for y in series)))
    parts = [
        pd.DataFrame({"item_id": f"s{k}", "timestamp": steps[: len(y)], "target": y}) for k, y in enumerate(series)
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar(STEP, steps), season_length=season_length)


def rare(n=200, seed=0, rate=0.3):
    return np.random.default_rng(seed).poisson(rate, n).astype(float)


def test_more_than_half_zeros_and_nothing_below_count_squares():
    half, more = np.tile([0.0, 3.0], 20), np.r_[np.tile([0.0, 3.0], 20), 0.0]
    everything = np.array([1000])
    assert error_kind(frame_of(half), everything)[0] == "absolute"
    kind, said = error_kind(frame_of(more), everything)
    assert kind == "squared"
    assert said == [
        "51 % of the values are 0, and a forecast of 0 would have the lowest absolute error: squared errors decide (MSSE), "
        "which ask for the mean."
    ]
    assert error_kind(frame_of(np.r_[more, -1.0]), everything)[0] == "absolute"
    assert error_kind(frame_of(np.where(more == 0, np.nan, more)), everything)[0] == "absolute"
    # The series decide, not their rows: two of three are never 0.
    assert error_kind(frame_of(np.ones(10), np.ones(10), np.zeros(500)), np.full(3, 1000))[0] == "absolute"
    assert error_kind(frame_of(np.ones(500), np.zeros(10), np.zeros(10)), np.full(3, 1000))[0] == "squared"


@given(st.lists(st.sampled_from([0.0, 1.0, -5.0]), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_rows_after_the_first_cutoff_have_no_say(after):
    past = np.r_[np.zeros(30), np.ones(10)]
    assert error_kind(frame_of(np.r_[past, after]), np.array([39]))[0] == "squared"


def test_a_plan_resolves_it_once_and_may_be_told():
    frame = frame_of(rare())
    found = make_folds(frame, EvalPlan(horizon=5))
    assert found.plan.error == "squared"
    assert sum("squared errors decide" in note for note in found.notes) == 1
    again = make_folds(frame, found.plan)
    assert again.plan == found.plan
    told = make_folds(frame, EvalPlan(horizon=5, error="absolute"))
    assert told.plan.error == "absolute"
    assert not any("squared" in note for note in told.notes)
    with pytest.raises(ConfigError, match="evaluation plan, error"):
        EvalPlan(horizon=5, error="cubed")


def losses_of(points, y, role, *, error, scale=2.0):
    folds = tuple(role(k * y.shape[2], k * y.shape[2], y.shape[2], k) for k in range(len(y)))
    size = np.full(y.shape[:2], scale)
    known = s.Scales(size, size, np.ones(size.shape, np.int64), tuple(f"s{i}" for i in range(y.shape[1])), 1, error)
    return s.measure(np.broadcast_to(points, y.shape).copy(), y, known, folds)


def test_the_choice_is_turned_round():
    y = rare(600, seed=4).reshape(20, 3, 10)
    mean = float(y.mean())
    for error, best, metric in (("absolute", "nothing", "mase"), ("squared", "mean", "msse")):
        found = {
            "naive": losses_of(1.0, y, SelectFold, error=error),
            "nothing": losses_of(0.0, y, SelectFold, error=error),
            "mean": losses_of(mean, y, SelectFold, error=error),
        }
        choice = choose(found, {"naive": 0, "nothing": 1, "mean": 1})
        assert choice.model == best
        assert choice.metric == metric


def test_scores_by_hand():
    y = rare(60, seed=1).reshape(2, 3, 10)
    points = np.full(y.shape, 0.25)
    report = losses_of(points, y, ReportFold, error="squared", scale=1.5)
    got = summary(report)
    assert got["msse"] == pytest.approx(np.mean((y - points) ** 2) / 1.5**2)
    assert got["mase"] == pytest.approx(m.mase(y, points, np.full(y.shape[:2], 1.5)))
    assert "msse" not in summary(losses_of(points, y, ReportFold, error="absolute"))
    naive = losses_of(0.0, y, ReportFold, error="squared", scale=1.5)
    board = leaderboard({"naive": naive, "mean": report}, reference="naive", select={"naive": naive, "mean": report})
    assert list(board["model"]) == ["mean", "naive"]
    assert board.set_index("model").loc["mean", "select_msse"] == pytest.approx(got["msse"])
    # Skill and test see squares: 1 - the ratio of the series' squared errors, as a geometric mean.
    ratio = np.mean((y - points) ** 2, axis=(0, 2)) / np.mean(y**2, axis=(0, 2))
    assert board.set_index("model").loc["mean", "skill"] == pytest.approx(1 - np.exp(np.log(ratio).mean()))


def test_an_ensemble_learns_what_counts():
    y = rare(2000, seed=2).reshape(50, 1, 40)
    points = np.stack([np.zeros(y.shape), np.ones(y.shape)])
    one, _, _ = learn(points, y, np.ones(y.shape[:2]), "greedy", power=1)
    two, _, _ = learn(points, y, np.ones(y.shape[:2]), "greedy", power=2)
    assert one.weights[1, 0] == 0.0
    assert two.weights[1, 0] == pytest.approx(y.mean(), abs=0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zeros")
    days = pd.date_range("2023-01-01", periods=320)
    table = pd.concat(
        [pd.DataFrame({"part": f"p{k}", "day": days, "sold": rare(320, seed=k).astype(int)}) for k in range(3)]
    )
    table.to_csv(folder / "parts.csv", index=False)
    words = ["fit", "--data", str(folder / "parts.csv"), "--horizon", "7", "--models", "gru", "models.gru.max_steps=60"]
    assert main([*words, "models.gru.hidden=8", "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_run_asks_for_means(run, capsys):
    board = pd.read_csv(run / "leaderboard.csv").set_index("model")
    assert {"croston", "tsb"} <= set(board.index)
    assert board["msse"].is_monotonic_increasing
    verdict = json.loads((run / "verdict.json").read_text())
    assert verdict["metric"] == "msse"
    assert "MSSE" in " ".join(verdict["sentence"]["en"])
    facts = yaml.safe_load((run / "run.yaml").read_text())
    assert facts["plan"]["error"] == "squared"
    forecast = pd.read_csv(run / "forecast.csv")
    assert (forecast.select_dtypes("number").drop(columns="step") >= 0).all().all()
    backtest = pd.read_parquet(run / "backtest.parquet")
    assert {"ensemble", "croston"} <= set(backtest["model"])
    bands = backtest.loc[backtest["role"] == "report", [c for c in backtest if c.startswith("0.")]]
    assert bands.min(axis=None) >= 0
    gru = backtest[(backtest["model"] == "gru") & (backtest["role"] == "report")]
    # A network that learned the median would forecast next to nothing.
    assert 0.6 < gru["point"].sum() / gru["actual"].sum() < 1.6
    page = (run / "report.html").read_text()
    assert "MSSE is the mean squared error" in page
    assert "MASE is" not in page
    assert main(["report", str(run), "--lang", "es", "--out", str(run / "es.html")]) == 0
    assert "MSSE es el error cuadrático medio" in (run / "es.html").read_text()
    assert main(["compare", str(run), str(run)]) == 0
    assert "A MSSE" in capsys.readouterr().out


def test_the_same_bytes_again_and_the_outcome_later(run, tmp_path, capsys):
    assert main(["rerun", str(run), "--out", str(tmp_path / "again")]) == 0
    days = pd.date_range("2023-11-17", periods=7)
    late = pd.concat([pd.DataFrame({"part": f"p{k}", "day": days, "sold": [0, 0, 2, 0, 0, 0, 1]}) for k in range(3)])
    late.to_csv(tmp_path / "late.csv", index=False)
    capsys.readouterr()
    assert main(["score", str(run), "--actuals", str(tmp_path / "late.csv")]) == 0
    assert "(MSSE)" in capsys.readouterr().out


def test_absolute_errors_may_be_asked_for(run, tmp_path):
    data = run.parent / "parts.csv"
    words = ["fit", "--data", str(data), "--horizon", "7", "--models", "naive", "evaluation.error=absolute", "--quiet"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    assert "msse" not in board
    assert not {"croston", "tsb"} & set(board["model"])


def test_foreign_forecasts_are_judged_alike(run, tmp_path, capsys):
    backtest = pd.read_parquet(run / "backtest.parquet")
    mine = backtest[(backtest["model"] == "croston") & (backtest["role"] == "report")]
    nothing = mine.assign(model="nothing", point=0.0)
    both = pd.concat([mine, nothing])[["item_id", "cutoff", "timestamp", "model", "point"]]
    both.to_csv(tmp_path / "mine.csv", index=False)
    words = ["evaluate", "--forecasts", str(tmp_path / "mine.csv"), "--data", str(run.parent / "parts.csv"), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metric"] == "msse"
    order = [row["model"] for row in found["leaderboard"]]
    assert order.index("croston") < order.index("nothing")
