"""A run once more on longer data."""

from __future__ import annotations

import hashlib
import json
import shutil

import pandas as pd
import pytest
import yaml

from forecastkit import api
from forecastkit.cli import main
from tests.conftest import build_panel


def named(table: pd.DataFrame) -> pd.DataFrame:
    return table.rename(columns={"item_id": "store", "timestamp": "date", "target": "sales"}).round(3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(the first rows, all rows, rows that came since), two series of days."""
    folder = tmp_path_factory.mktemp("update")
    table = named(build_panel((200, 150), missing=0.0).data)
    cut = table["date"].sort_values().unique()[160]
    parts = {"old": table[table["date"] < cut], "all": table, "newer": table[table["date"] >= cut]}
    for name, part in parts.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(files):
    out = files / "run"
    words = [
        "fit",
        "--data",
        str(files / "old.csv"),
        "--horizon",
        "5",
        "--models",
        "ridge",
        "baselines=naive",
        "--quiet",
    ]
    assert main([*words, "--out", str(out)]) == 0
    return out


def digest(folder):
    return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["all", "newer"])
def test_whole_history_and_newer_rows_give_the_run_of_a_fresh_fit(run, files, name, tmp_path, capsys):
    before = digest(run)
    out = tmp_path / "updated"
    assert main(["fit", "--update", str(run), "--data", str(files / f"{name}.csv"), "--quiet", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Update" in said
    assert "verdict" in said
    assert digest(run) == before
    fresh = tmp_path / "fresh"
    words = [
        "fit",
        "--data",
        str(files / "all.csv"),
        "--horizon",
        "5",
        "--models",
        "ridge",
        "baselines=naive",
        "--quiet",
    ]
    assert main([*words, "--out", str(fresh)]) == 0
    pd.testing.assert_frame_equal(api.load(out).forecast, api.load(fresh).forecast)
    change = json.loads((out / "update.json").read_text())
    facts = yaml.safe_load((out / "run.yaml").read_text())
    assert facts["updates"] == {"run": str(run), "data": str(files / f"{name}.csv"), "appended": name == "newer"}
    assert facts["status"] == "done"
    assert change["before"]["end"] < change["after"]["end"]
    assert change["after"]["error"] == api.load(out).leaderboard.set_index("model").loc[change["after"]["use"], "mase"]
    # Later rows with the user's own columns are read by the updated run as well.
    assert len(api.predict(out, files / "all.csv")) == len(api.load(out).forecast)
    assert main(["report", str(out)]) == 0


def test_what_has_nothing_newer_is_refused(run, files, tmp_path, capsys):
    assert main(["fit", "--update", str(run), "--data", str(files / "old.csv"), "--out", str(tmp_path / "x")]) == 2
    assert "there is nothing newer to update it with" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ([], "needs newer data"),
        (["--data", "all.csv", "--horizon", "9"], "horizon; the settings are those of the run"),
        (["--data", "all.csv", "models.ridge.lags=3"], "models.ridge.lags=3; the settings are those of the run"),
        (["--data", "all.csv", "--target", "sales"], "data; the settings are those of the run"),
        (["--data", "gone.csv"], "gone.csv"),
    ],
)
def test_bad_words_are_refused(run, files, words, rule, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert main(["fit", "--update", str(run), *words]) == 2
    said = capsys.readouterr().err
    assert rule in said
    assert said.count("\n") == 1


def test_an_unfinished_run_and_another_task_are_refused(run, files, tmp_path, capsys):
    for key, value in (("status", "running"), ("task", "ecg")):
        odd = tmp_path / key
        shutil.copytree(run, odd)
        facts = yaml.safe_load((odd / "run.yaml").read_text()) | {key: value}
        (odd / "run.yaml").write_text(yaml.safe_dump(facts))
        assert main(["fit", "--update", str(odd), "--data", str(files / "all.csv")]) == 2
    said = capsys.readouterr().err
    assert "not finished" in said
    assert "a ecg run" in said


def test_the_sentence_says_what_changed():
    from forecastkit.run.updating import _sentence

    naive = {"use": "naive", "reference": "naive", "shown": False, "metric": "mase", "error": 1.0, "end": "2024-01-01"}
    lstm = {"use": "lstm", "reference": "naive", "shown": True, "metric": "mase", "error": 0.5, "end": "2024-02-01"}
    assert _sentence(naive, lstm, "en") == (
        "The verdict has changed: naive up to 2024-01-01 (nothing is shown to beat it, MASE 1.00) before, "
        "lstm up to 2024-02-01 (shown to beat naive, MASE 0.500) now. The test folds are others."
    )
    assert _sentence(naive, {**naive, "end": "2024-02-01"}, "en").startswith("The verdict is the same: naive up to")
    assert _sentence(naive, lstm, "es").startswith(
        "El veredicto ha cambiado: antes naive hasta 2024-01-01 (ninguno demuestra"
    )
