"""Forecasts made elsewhere: the same numbers as our own, forgiving names, errors with a line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError
from forecastkit.run.foreign.score import evaluate_forecasts


@pytest.fixture(scope="module")
def ours(finished_run):
    """Report forecasts of one model of a run, as somebody else would hand them over."""
    table = pd.read_parquet(finished_run / "backtest.parquet")
    table = table[(table["role"] == "report") & (table["model"] == "theta")]
    return table.drop(columns=["role", "seed", "actual", "target_name"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def every(finished_run):
    table = pd.read_parquet(finished_run / "backtest.parquet")
    return table[(table["role"] == "report")].reset_index(drop=True)


SAME = ["mae", "rmse", "mase", "rmsse", "smape", "wape", "bias", "wql", "coverage_80", "coverage_95", "msis"]
SAME += ["n_folds", "n_items", "n_cells"]


def test_same_numbers_as_in_the_run(finished_run, small_csv, ours, tmp_path):
    ours.to_csv(tmp_path / "mine.csv", index=False)
    found = evaluate_forecasts(tmp_path / "mine.csv", small_csv)
    board = pd.read_csv(finished_run / "leaderboard.csv").set_index("model")
    got = found.leaderboard.set_index("model")
    for name in ("theta", "naive", "seasonal_naive"):
        columns = SAME if name == "theta" else ["mae", "mase", "n_cells"]
        assert got.loc[name, columns].to_numpy(float) == pytest.approx(board.loc[name, columns].to_numpy(float))
    verdict = json.loads((finished_run / "verdict.json").read_text())
    assert found.verdict.reference == verdict["reference"] == "seasonal_naive"
    assert got.loc["theta", "skill"] == pytest.approx(board.loc["theta", "skill"])
    assert got.loc["theta", "p_value"] == pytest.approx(board.loc["theta", "p_value"])
    assert list(found.scores.columns) == ["role", "model", "seed", "item_id", "cutoff", "step", "metric", "value"]


def names_of(table, **renamed):
    return table.rename(columns=renamed)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: names_of(t, item_id="unique_id", timestamp="ds", point="yhat", cutoff="Cutoff").drop(columns="step"),
        lambda t: t.drop(columns="cutoff"),
        lambda t: t.drop(columns="timestamp"),
        lambda t: names_of(t, item_id="store", timestamp="date", point="prediction", step="h"),
        lambda t: names_of(t.drop(columns=[c for c in t if c[0].isdigit()] + ["model"]), point="MyModel"),
        lambda t: t.assign(
            timestamp=t["timestamp"].dt.strftime("%d.%m.%Y"), cutoff=t["cutoff"].dt.strftime("%d.%m.%Y")
        ),
        lambda t: t.sample(frac=1, random_state=0),
        lambda t: t[["item_id", "step", "cutoff", "point"]],
    ],
)
def test_columns_are_found(change, ours, small_csv, tmp_path):
    change(ours).to_csv(tmp_path / "mine.csv", index=False)
    found = evaluate_forecasts(tmp_path / "mine.csv", small_csv, n_boot=0)
    base = evaluate_forecasts(ours, small_csv, n_boot=0)
    mine = found.leaderboard[found.leaderboard["family"] == "external"]
    assert len(mine) == 1
    assert mine["mase"].iloc[0] == pytest.approx(base.leaderboard.set_index("model").loc["theta", "mase"])


def test_quantile_names_and_missing_levels(ours, small_csv):
    few = ours.rename(columns={"0.1": "p10", "0.9": "q0.9"})
    few = few.drop(columns=[c for c in few if c[0] == "0"])
    row = evaluate_forecasts(few, small_csv, n_boot=0).leaderboard.set_index("model").loc["theta"]
    base = evaluate_forecasts(ours, small_csv, n_boot=0).leaderboard.set_index("model").loc["theta"]
    assert row["coverage_80"] == base["coverage_80"]
    assert np.isnan(row["coverage_95"])
    assert np.isnan(row["wql"]), "an incomplete set of quantiles has no comparable loss"


def test_a_column_a_model(every, small_csv):
    keys = ["item_id", "cutoff", "timestamp"]
    wide = every.pivot_table(index=keys, columns="model", values="point").reset_index()
    wide = wide[[*keys, "theta", "auto_ets", "naive"]].assign(y=1.0)
    found = evaluate_forecasts(wide, small_csv, n_boot=0)
    external = found.leaderboard.loc[found.leaderboard["family"] == "external", "model"]
    assert set(external) == {"theta", "auto_ets", "naive (given)"}
    board = found.leaderboard.set_index("model")
    assert board.loc["naive (given)", "mae"] == board.loc["naive", "mae"]
    assert "Holm" in found.verdict.sentence["en"][1]
    assert "Holm" in found.verdict.sentence["es"][1]


def test_one_series_needs_no_item(small_csv, ours, tmp_path):
    data = pd.read_csv(small_csv)
    data[data["store"] == "item0"].drop(columns="store").to_csv(tmp_path / "one.csv", index=False)
    mine = ours[ours["item_id"] == "item0"]
    found = evaluate_forecasts(mine.drop(columns="item_id"), tmp_path / "one.csv", n_boot=0)
    named = evaluate_forecasts(mine, tmp_path / "one.csv", n_boot=0)
    assert found.leaderboard.equals(named.leaderboard)


def test_bad_forecasts_are_called_worse_and_the_rule_recommended(ours, small_csv):
    found = evaluate_forecasts(ours.assign(point=ours["point"] + 20), small_csv, n_boot=0)
    assert (found.verdict.word, found.verdict.use, found.verdict.shown) == ("worse", "seasonal_naive", False)
    assert "Use seasonal_naive." in found.verdict.sentence["en"][0]


def test_few_cutoffs_are_too_few(ours, small_csv):
    last = ours[ours["cutoff"] >= sorted(ours["cutoff"].unique())[-3]]
    found = evaluate_forecasts(last, small_csv)
    assert found.verdict.word == "too few to tell"
    assert "at least 10 cutoffs" in found.verdict.sentence["en"][1]
    assert "al menos 10 cortes" in found.verdict.sentence["es"][1]


def test_without_history_before_the_first_cutoff(small_csv):
    data = pd.read_csv(small_csv, parse_dates=["date"]).head(60).drop(columns="store")
    mine = pd.DataFrame({"date": data["date"][5:], "step": 1, "point": data["sales"][5:] + 0.1})
    found = evaluate_forecasts(mine, data, n_boot=0)
    assert any("these very forecasts" in note for note in found.notes)
    assert found.verdict.word == "better"


def test_gap_is_found(ours, small_csv):
    mine = ours[ours["step"] > 2]
    base = evaluate_forecasts(mine.assign(step=mine["step"] - 2), small_csv, n_boot=0)
    plain = evaluate_forecasts(mine.drop(columns="step"), small_csv, n_boot=0)
    assert (
        base.leaderboard.set_index("model").loc["theta", "mae"]
        == plain.leaderboard.set_index("model").loc["theta", "mae"]
    )
    assert int(base.scores["step"].max()) == 3


def test_what_lies_outside_is_counted_and_said(ours, small_csv, tmp_path):
    late = ours.copy()
    late["timestamp"] += pd.Timedelta(days=3)
    late.drop(columns="step").to_csv(tmp_path / "late.csv", index=False)
    notes = evaluate_forecasts(tmp_path / "late.csv", small_csv, n_boot=0).notes
    assert any("6 forecasts after the last row" in n and "late.csv, line" in n for n in notes)
    odd = ours.drop(columns="step")
    odd.loc[odd.index[7], "timestamp"] += pd.Timedelta(hours=3)
    notes = evaluate_forecasts(odd, small_csv, n_boot=0).notes
    assert any("1 forecast at times that the data do not have" in n for n in notes)


def spoiled(table, column, row, value):
    out = table.copy()
    out[column] = out[column].astype(object)
    out.loc[out.index[row], column] = value
    return out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: pd.concat([t, t.iloc[[3]]]), "line 122: a second forecast"),
        (lambda t: pd.concat([t, t.iloc[[3]]]), "mine.csv, line 5"),
        (lambda t: spoiled(t, "item_id", 4, "itm0"), "line 6, column item_id: 'itm0'"),
        (lambda t: spoiled(t, "item_id", 4, "itm0"), "Did you mean 'item0'?"),
        (lambda t: spoiled(t, "step", 4, 9), "line 6, column 'step'"),
        (lambda t: spoiled(t, "step", 4, 0), "whole number from 1"),
        (lambda t: spoiled(t, "step", 4, 1.5), "whole number from 1"),
        (lambda t: spoiled(t, "point", 4, "abc"), "line 6, column 'point': 'abc'"),
        (lambda t: spoiled(t, "timestamp", 4, "yesterday"), "line 6, column 'timestamp'"),
        (lambda t: spoiled(t, "timestamp", 4, ""), "line 6, column 'timestamp'"),
        (lambda t: t.assign(cutoff=t["timestamp"]), "at or before its cutoff"),
        (lambda t: t.assign(cutoff="2001-01-01"), "before the first row"),
        (lambda t: t.drop(columns=["cutoff", "step"]), "two of timestamp, cutoff and step"),
        (lambda t: t.drop(columns=["cutoff", "step"]).assign(cutof=1), "Did you mean 'cutof'?"),
        (lambda t: t.drop(columns="item_id"), "2 series"),
        (lambda t: t[["item_id", "timestamp", "cutoff", "model"]], "no column of point forecasts"),
        (
            lambda t: t.assign(timestamp=t["timestamp"] + pd.Timedelta(days=9999)).drop(columns="step"),
            "no forecast is for",
        ),
        (lambda t: t.assign(timestamp=t["timestamp"].dt.tz_localize("UTC")), "times without a zone"),
    ],
)
def test_wrong_tables_are_refused_with_their_place(change, said, ours, small_csv, tmp_path):
    change(ours).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(DataError) as error:
        evaluate_forecasts(tmp_path / "mine.csv", small_csv)
    assert said in str(error.value)


def test_empty_cells_are_no_forecasts(ours, small_csv):
    found = evaluate_forecasts(spoiled(ours, "point", 4, None), small_csv, n_boot=0)
    assert any("1 forecasts are empty" in n for n in found.notes)
    assert found.leaderboard["n_cells"].unique().tolist() == [119], "all models on the same cells"


def test_integer_time_and_zones(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(size=80).cumsum()
    data = pd.DataFrame({"t": np.arange(500, 580), "y": y})
    mine = pd.DataFrame({"t": np.arange(540, 580), "step": 1, "yhat": y[39:79]})
    board = evaluate_forecasts(mine, data, n_boot=0).leaderboard.set_index("model")
    assert board.loc["given", "mae"] == board.loc["naive", "mae"]
    zoned = pd.date_range("2024-01-01", periods=80, freq="h", tz="Europe/Madrid")
    data = pd.DataFrame({"time": zoned, "y": y})
    mine = pd.DataFrame({"time": zoned[40:].tz_convert("UTC"), "step": 1, "yhat": y[39:79]})
    board = evaluate_forecasts(mine, data, n_boot=0).leaderboard.set_index("model")
    assert board.loc["given", "mae"] == board.loc["naive", "mae"]


def test_months_may_be_written_by_their_last_day():
    months = pd.date_range("2015-01-01", periods=60, freq="MS")
    y = 100 + 10 * np.sin(np.arange(60) * np.pi / 6)
    data = pd.DataFrame({"month": months, "y": y})
    mine = pd.DataFrame({"ds": months[30:] + pd.offsets.MonthEnd(0), "step": 1, "yhat": y[29:59]})
    board = evaluate_forecasts(mine, data, n_boot=0).leaderboard.set_index("model")
    assert board.loc["given", "mae"] == board.loc["naive", "mae"]
    assert board.loc["given", "n_folds"] == 30


def test_series_that_are_not_forecast_are_left_out(ours, small_csv):
    found = evaluate_forecasts(ours[ours["item_id"] == "item1"], small_csv, n_boot=0)
    assert found.leaderboard["n_items"].unique().tolist() == [1]
    assert any("1 of 2 series" in note for note in found.notes)


def test_money_beside_it(ours, small_csv):
    found = evaluate_forecasts(ours, small_csv, cost="over=1,under=4", fee=10)
    assert found.money["cost"]["model"] == "theta"
    rows = {row["model"]: row for row in found.money["cost"]["table"]}
    assert rows["theta"]["rule"] == rows["naive"]["rule"] == "quantile"
    assert {"theta", "naive", "drift", "buy_and_hold"} <= {row["model"] for row in found.money["trading"]["table"]}
    json.dumps(found.to_dict(), default=str, allow_nan=False)


def test_command_line(ours, small_csv, tmp_path, capsys):
    ours.to_csv(tmp_path / "mine.csv", index=False)
    words = ["evaluate", "--forecasts", str(tmp_path / "mine.csv"), "--data", str(small_csv)]
    assert main([*words, "--cost", "over=1,under=4", "--fee", "10", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    for word in ("theta", "seasonal_naive", "Verdict", "Cost", "Trading", "survivorship"):
        assert word in printed
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "leaderboard.csv",
        "scores.csv",
        "verdict.json",
        "cost.json",
    }
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tested"] == "theta"
    assert main([*words, "--lang", "es"]) == 0
    assert "Veredicto" in capsys.readouterr().out
    assert main([*words, "--cost", "over=x"]) == 2
    assert main([*words, "--lang", "fr"]) == 2
    assert main(["evaluate", "--forecasts", "none.csv", "--data", str(small_csv)]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_python(ours, small_csv, tmp_path):
    found = fk.evaluate(ours, small_csv, target="sales", out=tmp_path / "out")
    assert found.verdict.tested == "theta"
    assert (tmp_path / "out" / "leaderboard.csv").exists()
    with pytest.raises(ConfigError, match="Did you mean 'target'"):
        fk.evaluate(ours, small_csv, targt="sales")
