"""Killed without warning, a run goes on and ends with the bytes of an undisturbed one."""

from __future__ import annotations

import shutil

import pytest
import yaml

from forecastkit.cli import main
from tests.trust import runs


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kill")
    runs.write_small(folder / "d.csv")
    return folder


WORDS = ["--data", "d.csv", *runs.FAST]


@pytest.fixture(scope="module")
def undisturbed(place):
    runs.finish(["fit", *WORDS, "--out", "whole"], place)
    return place / "whole"


@pytest.fixture(scope="module")
def undisturbed_backtest(place):
    runs.finish(["backtest", *WORDS, "--out", "whole_backtest"], place)
    return place / "whole_backtest"


# Before any model, within the training of a network, and while the results are written.
@pytest.mark.parametrize("moment", ["started:", "arima seed 1", "gru seed 1"])
def test_a_killed_fit_ends_with_the_same_bytes(place, undisturbed, moment):
    name = "fit_" + moment.split()[0].strip(":")
    process = runs.start(["fit", *WORDS, "--out", name], place)
    assert runs.kill_when(process, place / name / "log.txt", moment)
    runs.go_on("fit", place / name, WORDS, place)
    assert runs.differences(undisturbed, place / name) == []
    assert not list((place / name).rglob("*.part"))
    assert not (place / name / "parts").exists()


def test_a_killed_backtest_ends_with_the_same_bytes(place, undisturbed_backtest):
    process = runs.start(["backtest", *WORDS, "--out", "cut_backtest"], place)
    assert runs.kill_when(process, place / "cut_backtest" / "log.txt", "lstm seed 1")
    runs.go_on("backtest", place / "cut_backtest", WORDS, place)
    assert runs.differences(undisturbed_backtest, place / "cut_backtest") == []


def _half_done(undisturbed, to):
    """A run killed after its numbers, before its status."""
    shutil.copytree(undisturbed, to)
    facts = yaml.safe_load((to / "run.yaml").read_text())
    (to / "run.yaml").write_text(yaml.safe_dump({**facts, "status": "running"}, sort_keys=False))
    return to


def test_resuming_removes_drafts_and_rewrites_what_is_torn(place, undisturbed, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    run = _half_done(undisturbed, tmp_path / "run")
    (run / ".scores.csv.x1.part").write_bytes(b"half")
    (run / "model" / ".model.json.x2.part").write_bytes(b"half")
    (run / "scores.csv").write_bytes((run / "scores.csv").read_bytes()[:100])
    (run / "report.html").unlink()
    for damage in (b"", b"torn"):
        part = run / "parts" / f"naive-s{len(damage)}"
        part.mkdir(parents=True)
        (part / "weights.safetensors").write_bytes(damage)
    assert main(["fit", "--resume", str(run), "--quiet"]) == 0
    assert runs.differences(undisturbed, run) == []
    assert (run / "report.html").exists()
    assert not list(run.rglob("*.part"))
    facts = yaml.safe_load((run / "run.yaml").read_text())
    assert facts["status"] == "done"
    assert "--resume" not in facts["command"]


def test_a_fit_is_not_resumed_as_a_backtest(place, undisturbed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(place)
    run = _half_done(undisturbed, tmp_path / "run")
    assert main(["backtest", "--resume", str(run), "--quiet"]) == 2
    assert "forecastkit fit --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--horizon", "4"], ["models.gru.hidden=9"], ["--target", "other"], ["--seeds", "2"]]
)
def test_a_run_is_not_resumed_with_other_settings(place, undisturbed, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(place)
    run = _half_done(undisturbed, tmp_path / "run")
    assert main(["fit", "--resume", str(run), "--quiet", *words]) == 2
    assert "the settings are those of the run. Leave them out" in capsys.readouterr().err
    assert main(["fit", "--resume", str(run), "--quiet", "--data", str(place / "d.csv"), "--lang", "es"]) == 0


def test_changed_data_are_not_resumed(place, undisturbed, tmp_path, monkeypatch, capsys):
    text = (place / "d.csv").read_text()
    (tmp_path / "d.csv").write_text(text.replace(text.splitlines()[-1], text.splitlines()[-1] + "9"))
    monkeypatch.chdir(tmp_path)
    run = _half_done(undisturbed, tmp_path / "run")
    assert main(["fit", "--resume", str(run), "--quiet"]) == 2
    assert "no longer those" in capsys.readouterr().err


def test_a_run_killed_before_its_first_file_starts_again_in_its_folder(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(place)
    run = tmp_path / "run"
    run.mkdir()
    (run / ".run.yaml.abc.part").write_bytes(b"half")
    assert main(["fit", "--resume", str(run)]) == 2
    assert "starts again with --out" in capsys.readouterr().err
    words = ["fit", "--data", "d.csv", "--horizon", "3", "--models", "naive", "baselines=naive", "--quiet"]
    assert main([*words, "--out", str(run)]) == 0
    assert not list(run.rglob("*.part"))
