"""Newer rows for a finished run, and runs that have no model to go on with."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import yaml

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.run.folder import RunFolder
from forecastkit.run.newer import read_newer
from forecastkit.run.saved_model import SavedModel
from tests.conftest import build_panel

WORDS = ["--horizon", "5", "--models", "naive", "baselines=naive", "--quiet"]


@pytest.fixture(scope="module")
def table():
    return build_panel((100, 80), missing=0.0).data.round(3)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("newer")
    table.to_csv(folder / "old.csv", index=False)
    assert main(["fit", "--data", str(folder / "old.csv"), *WORDS, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_rows_that_a_short_file_lacks_take_no_value_from_the_history(run, table):
    folder = RunFolder.open(run)
    model = SavedModel.of_run(folder)
    some = table[table["item_id"] == "item0"].iloc[[30, 31]].assign(target=[1.0, None])
    last = some.iloc[:1].assign(timestamp=table["timestamp"].max() + pd.Timedelta(days=1), target=77.0)
    longer = model.with_newer(read_newer(folder, model, pd.concat([some, last]))).frame
    values = longer.store.series(0)
    assert len(values) == 101
    # One is corrected, an empty cell and the rows between change nothing, one is new.
    expected = table.loc[table["item_id"] == "item0", "target"].to_numpy().copy()
    expected[30] = 1.0
    assert values[:100].tolist() == expected.tolist()
    assert values[100] == 77.0


def test_a_file_without_newer_rows_is_said(run, table, tmp_path, capsys):
    table.iloc[20:60].to_csv(tmp_path / "older.csv", index=False)
    assert main(["predict", str(run), "--data", str(tmp_path / "older.csv")]) == 0
    said = capsys.readouterr().err
    assert said.startswith("Nothing in the data is newer: the history of the run ends 2022-04-12, and its rows end")
    assert said.count("\n") == 1
    new = pd.concat([table.iloc[20:60], table.iloc[:1].assign(timestamp=pd.Timestamp("2022-04-13"))])
    assert fk.predict(run, new).attrs["said"] == []


def test_rows_of_another_kind_are_refused(run, table):
    with pytest.raises(fk.ForecastkitError, match="has times with a zone; the run has times without a zone"):
        fk.predict(run, table.assign(timestamp=table["timestamp"].dt.tz_localize("UTC")))


def test_a_model_may_be_called_as_a_missing_value_is_written(run, tmp_path):
    odd = tmp_path / "odd"
    shutil.copytree(run, odd)
    board = pd.read_csv(odd / "leaderboard.csv").replace({"model": {"drift": "NA"}})
    board.to_csv(odd / "leaderboard.csv", index=False)
    assert "NA" in set(fk.load(odd).leaderboard["model"])


@pytest.fixture(scope="module")
def backtest(run):
    out = run.parent / "backtest"
    assert main(["backtest", "--data", str(run.parent / "old.csv"), *WORDS, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("words", [["predict"], ["score", "--actuals", "x.csv"], ["export"], ["serve"]])
def test_a_backtest_keeps_no_model(backtest, words, capsys):
    assert main([words[0], str(backtest), *words[1:]]) == 2
    assert "a backtest; it keeps no model and makes no forecast. Use forecastkit fit." in capsys.readouterr().err


@pytest.mark.parametrize("words", [["predict"], ["score", "--actuals", "x.csv"], ["rerun"], ["compare", "RUN"],
                                   ["explain", "--set", "a=1"]])  # fmt: skip
def test_a_run_of_another_task_is_no_unfinished_run(run, words, tmp_path, capsys):
    odd = tmp_path / "odd"
    shutil.copytree(run, odd)
    facts = yaml.safe_load((odd / "run.yaml").read_text()) | {"task": "classify"}
    facts.pop("status")
    (odd / "run.yaml").write_text(yaml.safe_dump(facts))
    assert main([words[0], str(odd), *(str(run) if w == "RUN" else w for w in words[1:])]) == 2
    assert "a classify run; a run of fit or backtest is needed" in capsys.readouterr().err


def test_only_an_unfinished_run_is_told_to_go_on(run, tmp_path, capsys):
    odd = tmp_path / "odd"
    shutil.copytree(run, odd)
    (odd / "verdict.json").unlink()
    assert main(["report", str(odd)]) == 2
    assert "no verdict.json. Run fit again." in capsys.readouterr().err
    assert "no verdict.json" in repr(fk.load(odd))
    facts = yaml.safe_load((odd / "run.yaml").read_text()) | {"status": "interrupted"}
    (odd / "run.yaml").write_text(yaml.safe_dump(facts))
    assert main(["report", str(odd)]) == 2
    assert f"fit --resume {odd}" in capsys.readouterr().err
