from __future__ import annotations

import json
import shutil

import pytest

from forecastkit.cli import main
from forecastkit.run.comparison import compare


@pytest.fixture(scope="module")
def other_run(small_csv, tmp_path_factory):
    out = tmp_path_factory.mktemp("other") / "run"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "naive", "baselines=naive", "--quiet"]
    assert main([*words, "--cost", "over=1,under=4", "--fee", "5", "--out", str(out)]) == 0
    return out


def test_same_data_and_folds(finished_run, other_run):
    found = compare(finished_run, other_run)
    assert found["same_data"]
    assert found["same_folds"]
    by_name = {row["model"]: row for row in found["models"]}
    assert by_name["naive"]["first"]["mae"] == by_name["naive"]["second"]["mae"]
    assert by_name["lstm"]["second"] is None
    settings = {d["setting"]: (d["first"], d["second"]) for d in found["differences"]}
    assert settings["baselines"] == ("all", "naive")
    assert settings["cost"] == ("", "over=1,under=4")


def test_command(finished_run, other_run, capsys):
    assert main(["compare", str(finished_run), str(other_run)]) == 0
    out = capsys.readouterr().out
    assert "baselines: all -> naive" in out
    assert "A  Use" in out
    assert main(["compare", str(finished_run), str(other_run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same_data"]
    assert main(["compare", str(finished_run)]) == 2
    assert main(["compare", str(finished_run), "nowhere"]) == 2


def test_a_language_that_nothing_speaks(finished_run, other_run, capsys):
    assert main(["compare", str(finished_run), str(other_run), "--lang", "fr"]) == 2
    assert capsys.readouterr().err == "forecastkit: --lang: 'fr'; en or es.\n"


def test_other_data_are_said(finished_run, other_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(other_run, run)
    text = (run / "run.yaml").read_text()
    (run / "run.yaml").write_text(text.replace("fingerprint: ", "fingerprint: 0"))
    assert main(["compare", str(finished_run), str(run)]) == 0
    assert "Other data" in capsys.readouterr().out


def test_money_is_in_the_report(other_run):
    worth = json.loads((other_run / "cost.json").read_text())
    page = (other_run / "report.html").read_text()
    assert worth["cost"]["tau"] == 0.8
    assert "In your money" in page
    assert "It is no advice to trade" in page


@pytest.mark.parametrize(
    "words", [["--cost", "over=1,foo=2"], ["--cost", "over=-1,under=2"], ["--fee", "-1"], ["--fee", "many"]]
)
def test_wrong_costs_are_one_line_before_any_training(small_csv, tmp_path, capsys, words):
    assert main(["fit", "--data", str(small_csv), *words, "--out", str(tmp_path / "r")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()
