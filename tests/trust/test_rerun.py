from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
import yaml

from forecastkit.cli import main
from forecastkit.run.folder import RunFolder
from forecastkit.run.rerun import _left_out, compare_files

MODEL = ["--models", "gru", "baselines=naive", "final=gru", "models.gru.hidden=4", "models.gru.max_steps=20"]


@pytest.fixture(scope="module")
def first(small_csv, tmp_path_factory):
    run = tmp_path_factory.mktemp("rerun") / "first"
    assert main(["fit", "--data", str(small_csv), "--horizon", "3", "--quiet", "--out", str(run), *MODEL]) == 0
    return run


@pytest.fixture
def copied(first, tmp_path):
    return shutil.copytree(first, tmp_path / "copy")


def _edit(run, change):
    facts = yaml.safe_load((run / "run.yaml").read_text())
    change(facts)
    (run / "run.yaml").write_text(yaml.safe_dump(facts, sort_keys=False))


def test_the_same_numbers_come_out_again(first, tmp_path, capsys):
    assert main(["rerun", str(first), "--out", str(tmp_path / "again"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["identical"]
    assert not found["versions"]
    assert [row["name"] for row in found["files"]] == [
        "forecast.csv", "leaderboard.csv", "scores.csv", "backtest.parquet"
    ]  # fmt: skip
    assert (tmp_path / "again" / "forecast.csv").read_bytes() == (first / "forecast.csv").read_bytes()


def test_a_difference_is_named_with_versions(copied, tmp_path, capsys):
    table = pd.read_csv(copied / "forecast.csv")
    table.loc[0, "point"] *= 1.001
    table.to_csv(copied / "forecast.csv", index=False)
    _edit(copied, lambda f: f["versions"].update(numpy="1.0"))
    assert main(["rerun", str(copied), "--out", str(tmp_path / "again"), "--quiet"]) == 1
    said = capsys.readouterr().out
    assert "forecast.csv: 1 of 6 rows differ in point, by 0.001" in said
    assert "numpy: 1.0 then" in said
    assert "scores.csv: identical" in said


def test_changed_data_are_named_before_anything_is_run(copied, small_csv, tmp_path, capsys):
    text = small_csv.read_text().splitlines()
    text[5] = text[5].rsplit(",", 1)[0] + ",51.5"
    (tmp_path / "other.csv").write_text("\n".join(text) + "\n")
    words = ["rerun", str(copied), "--data", str(tmp_path / "other.csv"), "--out", str(tmp_path / "again"), "--quiet"]
    assert main(words) == 1
    assert "the data have changed (fingerprint" in capsys.readouterr().out
    assert not (tmp_path / "again").exists()


def test_moved_data_are_found_with_data(copied, small_csv, tmp_path, capsys):
    moved = shutil.copy(small_csv, tmp_path / "moved.csv")
    _edit(copied, lambda f: f["config"]["data"].update(path="gone.csv"))
    assert main(["rerun", str(copied), "--quiet"]) == 2
    assert "gone.csv" in capsys.readouterr().err
    assert main(["rerun", str(copied), "--data", str(moved), "--out", str(tmp_path / "again"), "--quiet"]) == 0


@pytest.mark.parametrize(("change", "said"), [
    (lambda f: f.update(status="running"), "--resume"),
    (lambda f: f["config"]["data"].update(path=""), "frame in Python"),
    (lambda f: f.update(kind="classify"), "only runs of fit and backtest"),
    (lambda f: f["config"].update(horizont=3), "Did you mean 'horizon'"),
])  # fmt: skip
def test_what_cannot_be_run_again_is_said_in_one_line(copied, capsys, change, said):
    _edit(copied, change)
    assert main(["rerun", str(copied), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_no_run_folder(tmp_path, capsys):
    assert main(["rerun", str(tmp_path / "none")]) == 2
    assert "no such run folder" in capsys.readouterr().err


def test_models_stopped_by_the_clock_are_left_out_again(small_csv, tmp_path, capsys):
    run = tmp_path / "hurried"
    words = ["fit", "--data", str(small_csv), "--horizon", "3", "--models", "naive", "--quiet", "--out", str(run)]
    assert main([*words, "baseline_seconds=0.000001"]) == 0
    left = _left_out(RunFolder(run))
    assert {"theta", "auto_ets", "arima", "auto_arima"} == set(left)
    capsys.readouterr()
    assert main(["rerun", str(run), "--out", str(tmp_path / "again"), "--quiet"]) == 0, capsys.readouterr()


def test_what_differs_between_tables(first, copied):
    assert all(row["same"] for row in compare_files(RunFolder(first), RunFolder(copied)))
    (copied / "forecast.csv").unlink()
    board = pd.read_csv(copied / "leaderboard.csv", float_precision="round_trip")
    board.assign(seconds_fit=9.0).to_csv(copied / "leaderboard.csv", index=False)
    scores = pd.read_csv(copied / "scores.csv", float_precision="round_trip")
    scores.iloc[:-2].to_csv(copied / "scores.csv", index=False)
    pd.read_parquet(copied / "backtest.parquet").drop(columns="seed").to_parquet(copied / "backtest.parquet")
    rows = {row["name"]: row["what"] for row in compare_files(RunFolder(first), RunFolder(copied))}
    assert rows["forecast.csv"] == "only in one of the two runs"
    assert rows["leaderboard.csv"] == ""
    assert "rows then" in rows["scores.csv"]
    assert rows["backtest.parquet"] == "columns differ: seed"
