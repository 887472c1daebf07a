"""How a forecast turned out, and drift that is claimed only where it is shown."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.errors import DataError, ModelFileError
from forecastkit.forecasting.drift import DRIFTED, NO_SIGN, TOO_FEW_ROWS, drift, rank_test
from forecastkit.run.outcome import score_run


def newer(days, shift=0.0, items=(0, 1), skip=0):
    """Rows that go on as the run's file does."""
    rng = np.random.default_rng(5)
    rows = []
    for i in items:
        t = np.arange(160 + skip, 160 + skip + days)
        y = 50 + 10 * i + 0.1 * t + 5 * np.sin(2 * np.pi * t / 7) + rng.normal(0, 1, days) + shift
        when = pd.Timestamp("2022-01-03") + pd.to_timedelta(t, unit="D")
        rows.append(pd.DataFrame({"store": f"item{i}", "date": when, "sales": y}))
    return pd.concat(rows, ignore_index=True)


def test_numbers_by_hand(finished_run):
    rows = newer(5)
    found = score_run(finished_run, rows)
    forecast = pd.read_csv(finished_run / "forecast.csv")
    actual = rows.rename(columns={"store": "item_id", "date": "timestamp"}).assign(
        timestamp=lambda t: t["timestamp"].dt.strftime("%Y-%m-%d")
    )
    both = forecast.merge(actual, on=["item_id", "timestamp"])
    error = (both["point"] - both["sales"]).to_numpy()
    own = found.overall.set_index("who").loc["forecast"]
    assert own["n"] == 10
    assert own["mae"] == pytest.approx(np.abs(error).mean())
    assert own["bias"] == pytest.approx(error.mean())
    inside = (both["sales"] >= both["0.1"]) & (both["sales"] <= both["0.9"])
    assert own["coverage_80"] == pytest.approx(inside.mean())
    history = pd.read_parquet(finished_run / "model" / "history.parquet")
    scale = {i: np.abs(y.to_numpy()[7:] - y.to_numpy()[:-7]).mean() for i, y in history.groupby("item_id")["target"]}
    assert own["mase"] == pytest.approx((np.abs(error) / both["item_id"].map(scale)).mean())
    step = found.by_step.set_index("step")
    third = both["step"] == 3
    assert step.loc[3, "mae"] == pytest.approx(np.abs(error)[third].mean())


def test_promise_and_naive_stand_beside_it(finished_run):
    found = score_run(finished_run, newer(5))
    board = pd.read_csv(finished_run / "leaderboard.csv").set_index("model")
    promised = found.overall.set_index("who").loc["promised"]
    for name in ("mae", "mase", "coverage_80", "coverage_95"):
        assert promised[name] == pytest.approx(board.loc[found.model, name])
    backtest = pd.read_parquet(finished_run / "backtest.parquet")
    mine = backtest[(backtest["model"] == found.model) & (backtest["role"] == "report") & (backtest["step"] == 2)]
    by_step = found.by_step.set_index("step")
    assert by_step.loc[2, "promised_mae"] == pytest.approx((mine["point"] - mine["actual"]).abs().mean())
    last = pd.read_parquet(finished_run / "model" / "history.parquet").groupby("item_id")["target"].last()
    rows = newer(5)
    expected = np.abs(rows["sales"] - rows["store"].map(last)).mean()
    assert found.overall.set_index("who").loc["naive", "mae"] == pytest.approx(expected)


def test_part_of_the_horizon(finished_run):
    found = score_run(finished_run, newer(2))
    assert found.to_dict()["n_rows"] == 4
    assert found.to_dict()["n_rows_to_come"] == 6
    assert found.drift.word == TOO_FEW_ROWS
    assert "4 new rows: too few to tell" in found.drift.sentence["en"]
    assert found.by_step["n"].tolist() == [2, 2, 0, 0, 0]


def test_later_rows_tell_more(finished_run):
    calm, moved = score_run(finished_run, newer(25)), score_run(finished_run, newer(25, shift=25.0))
    assert calm.drift.word == NO_SIGN
    assert moved.drift.word == DRIFTED
    assert calm.drift.n_origins == 5
    assert moved.drift.ratio > 3
    assert "The series has drifted" in moved.drift.sentence["en"]
    assert "La serie ha derivado" in moved.drift.sentence["es"]
    assert "No sign of drift" in calm.drift.sentence["en"]


def test_old_rows_in_the_file_change_nothing(finished_run, small_csv):
    old = pd.read_csv(small_csv, parse_dates=["date"])
    both = score_run(finished_run, pd.concat([old, newer(5)], ignore_index=True))
    assert both.overall.equals(score_run(finished_run, newer(5)).overall)


def test_an_unknown_series_is_left_out_and_said(finished_run):
    rows = pd.concat([newer(5), newer(5, items=(0,)).assign(store="other")])
    found = score_run(finished_run, rows)
    assert any("5 rows of series" in note for note in found.notes)
    assert found.overall.set_index("who").loc["forecast", "n"] == 10


def test_nothing_to_compare(finished_run, small_csv):
    with pytest.raises(DataError, match="no row lies in the time of the forecast, 2022-06-12 to 2022-06-16"):
        score_run(finished_run, small_csv)
    with pytest.raises(DataError, match="no row lies"):
        score_run(finished_run, newer(5, skip=50))


def test_times_of_another_kind(finished_run):
    rows = newer(5)
    with pytest.raises(DataError, match="times with a zone"):
        score_run(finished_run, rows.assign(date=rows["date"].dt.tz_localize("UTC")))


def test_damaged_runs(finished_run, tmp_path):
    with pytest.raises(ModelFileError, match=r"no such run|not a run"):
        score_run(tmp_path / "none", newer(5))
    copy = shutil.copytree(finished_run, tmp_path / "copy")
    (copy / "forecast.csv").unlink()
    with pytest.raises(ModelFileError, match=r"no forecast\.csv"):
        score_run(copy, newer(5))
    (copy / "forecast.csv").write_text("item_id\na\n")
    with pytest.raises(ModelFileError, match="damaged"):
        score_run(copy, newer(5))


def test_command_line(finished_run, tmp_path, capsys):
    newer(5).to_csv(tmp_path / "new.csv", index=False)
    words = ["score", str(finished_run), "--actuals", str(tmp_path / "new.csv")]
    assert main(words) == 0
    printed = capsys.readouterr().out
    for word in ("MASE", "promised", "Outcome", "Drift"):
        assert word in printed
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_rows"] == 10
    assert found["drift"]["word"] in (DRIFTED, NO_SIGN, TOO_FEW_ROWS)
    assert main([*words, "--lang", "es"]) == 0
    assert "Deriva" in capsys.readouterr().out
    assert main([*words, "--lang", "fr"]) == 2
    assert main(["score", str(finished_run), "--actuals", "none.csv"]) == 2


def test_python(finished_run):
    assert fk.score(finished_run, newer(5)).model == fk.load(finished_run).facts["final"]["model"]


def test_rank_test_by_hand():
    assert rank_test(np.array([5.0]), np.array([1.0, 2, 3, 4])) == pytest.approx(1 / 5)
    assert rank_test(np.array([0.0]), np.array([1.0, 2, 3, 4])) == 1
    assert rank_test(np.array([5.0, 6]), np.array([1.0, 2, 3])) == pytest.approx(1 / 10)
    assert rank_test(np.array([2.0]), np.array([2.0, 2, 2])) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=3), st.lists(st.integers(0, 50), min_size=1, max_size=15))
def test_rank_test_is_a_p_value(new, old):
    p = rank_test(np.array(new, float), np.array(old, float))
    assert 0 < p <= 1
    assert rank_test(np.array(new, float) + 100, np.array(old, float)) <= p


def test_false_alarms_are_rare_and_steps_of_one_origin_count_once():
    rng = np.random.default_rng(0)

    def origins(n):
        # One shock an origin moves all of its steps and items.
        return rng.normal(size=(n, 2, 10)) * 0.3 + rng.normal(size=(n, 1, 1))

    words = [drift(origins(1), origins(30)).word for _ in range(300)]
    assert words.count(DRIFTED) <= 0.08 * 300
    assert drift(origins(1) + 6, origins(30)).word == DRIFTED


def test_drift_says_when_it_cannot_tell():
    rng = np.random.default_rng(0)
    found = drift(rng.normal(size=(1, 1, 10)) + 50, rng.normal(size=(12, 1, 10)))
    assert found.word == TOO_FEW_ROWS
    assert "2 forecasts are needed" in found.sentence["en"]
    assert drift(np.full((1, 1, 10), np.nan), rng.normal(size=(12, 1, 10))).word == TOO_FEW_ROWS
    assert drift(rng.normal(size=(1, 1, 10)), np.full((0, 1, 10), np.nan)).word == TOO_FEW_ROWS
    assert drift(np.zeros((1, 1, 10)), np.zeros((30, 1, 10))).word == TOO_FEW_ROWS


def test_steps_that_end_at_different_counts(tmp_path):
    rng = np.random.default_rng(0)
    ends = {"a": 120, "b": 90, "c": 110}
    walk = {k: 50 + rng.normal(size=n + 20).cumsum() for k, n in ends.items()}

    def rows(start, stop):
        parts = [pd.DataFrame({"id": k, "t": np.arange(n + start, n + stop)}) for k, n in ends.items()]
        return pd.concat([p.assign(y=lambda x: walk[x["id"].iloc[0]][x["t"]]) for p in parts], ignore_index=True)

    old = pd.concat([pd.DataFrame({"id": k, "t": np.arange(n), "y": walk[k][:n]}) for k, n in ends.items()])
    run = fk.fit(old, models=["naive"], overrides=["baselines=naive"], horizon=4, out=tmp_path / "run").folder
    found = score_run(run, rows(0, 20))
    assert found.drift.n_origins == 5
    first = np.mean([np.abs(walk[k][n : n + 4] - walk[k][n - 1]).mean() for k, n in ends.items()])
    if found.model == "naive":
        assert found.overall.set_index("who").loc["forecast", "mae"] == pytest.approx(first)
    else:
        assert found.overall.set_index("who").loc["naive", "mae"] == pytest.approx(first)
    assert found.drift.n_reference >= 10
    assert found.drift.p_value is not None
