"""The command line in one process; one smoke test spawns it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main
from tests.conftest import SMALL

FAST = ["--models", "naive", "baselines=naive", "--quiet"]


def test_run_folder_holds_everything(finished_run):
    wanted = "run.yaml profile.json leaderboard.csv scores.csv backtest.parquet forecast.csv learning_curves.csv verdict.json"
    for name in [*wanted.split(), "report.html", "log.txt", "model/weights.safetensors", "model/model.json"]:
        assert (finished_run / name).stat().st_size > 0, name
    assert not list(finished_run.rglob("*.part"))
    assert not (finished_run / "parts").exists()


def test_forecast_frame_of_the_run(finished_run):
    forecast = pd.read_csv(finished_run / "forecast.csv")
    assert list(forecast.columns[:7]) == ["item_id", "target_name", "cutoff", "timestamp", "step", "model", "point"]
    assert len(forecast) == 2 * 5
    assert forecast["step"].tolist() == [1, 2, 3, 4, 5] * 2
    quantiles = forecast[["0.025", "0.1", "0.5", "0.9", "0.975"]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_leaderboard_has_every_baseline(finished_run):
    board = pd.read_csv(finished_run / "leaderboard.csv")
    baselines = {"naive", "drift", "seasonal_naive", "window_average", "auto_arima", "auto_ets", "theta", "arima"}
    assert baselines | {"lstm", "ensemble"} == set(board["model"])


def test_same_seed_gives_the_same_bytes(small_csv, tmp_path):
    texts = []
    for name in ("a", "b"):
        words = ["fit", "--data", str(small_csv), "--horizon", "3", "--models", "gru", "baselines=naive", "--quiet"]
        words += ["final=gru", "--out", str(tmp_path / name), *(f"models.gru.{k}={v}" for k, v in SMALL.items())]
        assert main(words) == 0
        texts.append((tmp_path / name / "forecast.csv").read_bytes())
    assert texts[0] == texts[1]


def test_predict_continues_from_newer_rows(finished_run, small_csv, tmp_path, capsys):
    assert main(["predict", str(finished_run)]) == 0
    stored = pd.read_csv(finished_run / "forecast.csv")
    printed = capsys.readouterr().out
    assert printed == (finished_run / "forecast.csv").read_text()
    old = pd.read_csv(small_csv)
    newer = pd.DataFrame(
        {
            "store": ["item0", "item0", "item1"],
            "date": ["2022-06-12", "2022-06-13", "2022-06-12"],
            "sales": [70.0, 71.0, 80.0],
        }
    )
    assert old["date"].max() == "2022-06-11"
    newer.to_csv(tmp_path / "newer.csv", index=False)
    out = tmp_path / "next.csv"
    assert main(["predict", str(finished_run), "--data", str(tmp_path / "newer.csv"), "--out", str(out)]) == 0
    ahead = pd.read_csv(out)
    assert ahead.loc[ahead["item_id"] == "item0", "cutoff"].unique().tolist() == ["2022-06-13"]
    assert ahead.loc[ahead["item_id"] == "item1", "cutoff"].unique().tolist() == ["2022-06-12"]
    assert not np.allclose(ahead["point"], stored["point"])


def test_predict_never_imports_lightning(finished_run):
    code = (
        "import sys; from forecastkit.cli import main\n"
        f"assert main(['predict', {str(finished_run)!r}]) == 0\n"
        "assert 'pytorch_lightning' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_constant_series_is_forecast_as_itself(fresh_folder):
    days = pd.date_range("2024-01-01", periods=80)
    pd.DataFrame({"day": days, "y": 3.0}).to_csv("flat.csv", index=False)
    assert main(["fit", "--data", "flat.csv", "--horizon", "3", "--out", "run", "--quiet", "--models", "lstm"]) == 0
    assert (pd.read_csv("run/forecast.csv")["point"] == 3.0).all()


def _file(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def _rows(n: int, value: str = "1.5") -> str:
    return "date,y\n" + "".join(f"{d.date()},{value}\n" for d in pd.date_range("2024-01-01", periods=n))


@pytest.mark.parametrize(("words", "said"), [
    (lambda: ["--data", _file("e.csv", "")], "empty"),
    (lambda: ["--data", _file("h.csv", "date,y\n")], "no rows"),
    (lambda: ["--data", _file("s.csv", _rows(2))], ""),
    (lambda: ["--data", _file("n.csv", _rows(50, "NA"))], "missing"),
    (lambda: ["--data", "none.csv"], "no such file"),
    (lambda: ["--data", "."], "folder"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--target", "z"], "Choose from: date, y"),
    (lambda: ["--data", _file("a.csv", _rows(60).replace("date,y", "date,sales")), "--target", "slaes"], "Did you mean 'sales'"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--time", "dat"], "Did you mean 'date'"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--models", "lstn"], "Did you mean 'lstm'"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--horizon", "0"], "horizon"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--horizon", "500"], ""),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--out", "a.csv/run"], "cannot be made"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--out", "."], "not empty"),
    (lambda: ["--data", _file("b.csv", _rows(60) + "2024-03-01,abc\n")], "line 62"),
    (lambda: ["--data", "dataset:pricez"], "Did you mean 'prices'"),
    (list, "--data"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "horizn=3"], "horizon"),
    (lambda: ["--data", _file("a.csv", _rows(60)), "--config", "none.yaml"], "none.yaml"),
])  # fmt: skip
def test_bad_input_is_one_line(fresh_folder, capsys, words, said):
    status = main(["fit", *words(), *([] if "--models" in words() else FAST[:2]), "baselines=naive", "--quiet"])
    out, err = capsys.readouterr()
    assert status == 2
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("forecastkit: ")
    assert said in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(Path("runs").glob("*/*"))


@pytest.mark.parametrize(
    "words", [["predict", "nowhere"], ["report", "nowhere"], ["predict", "."], ["nonsense"], ["fit", "--sed", "1"]]
)
def test_other_mistakes_are_one_line(fresh_folder, capsys, words):
    assert main(words) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_damaged_run_is_named(finished_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "model" / "model.json").write_text("{}")
    assert main(["predict", str(run)]) == 2
    assert "model.json" in capsys.readouterr().err


def test_json_prints_the_verdict(small_csv, tmp_path, capsys):
    words = ["fit", "--data", str(small_csv), "--horizon", "3", *FAST[:3], "--json", "--out", str(tmp_path / "r")]
    assert main(words) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["use"] in ("naive", "drift", "seasonal_naive", "window_average")


def test_what_the_terminal_shows(small_csv, tmp_path, capsys):
    assert main(["fit", "--data", str(small_csv), "--horizon", "3", *FAST[:3], "--out", str(tmp_path / "r")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].startswith("sales.csv     280 rows, 2 series (store), days, 2022-01-03 to 2022-06-11")
    assert lines[1].startswith("              target sales")
    assert any(line.startswith("Plan          horizon 3, season 7") for line in lines)
    assert any(line.startswith("Use           ") for line in lines)
    assert "\x1b" not in out


def test_interrupted_run_is_resumed(small_csv, tmp_path, capsys, monkeypatch):
    from forecastkit.forecasting.models.naive import SeasonalNaive

    out = tmp_path / "r"
    words = ["fit", "--data", str(small_csv), "--horizon", "3", *FAST[:3], "--quiet"]
    fit = SeasonalNaive.fit

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(SeasonalNaive, "fit", stop)
    assert main([*words, "--out", str(out)]) == 130
    err = capsys.readouterr().err
    assert f"--resume {out}" in err
    assert (out / "report.html").exists()
    board = pd.read_csv(out / "leaderboard.csv").set_index("model")
    assert board.loc["naive", "status"] == "ok"
    assert board.loc["seasonal_naive", "status"] == "skipped"
    monkeypatch.setattr(SeasonalNaive, "fit", fit)
    assert main(["fit", "--resume", str(out), "--quiet"]) == 0
    straight = tmp_path / "straight"
    assert main([*words, "--out", str(straight)]) == 0
    assert (out / "forecast.csv").read_bytes() == (straight / "forecast.csv").read_bytes()
    assert "naive seed 1: done (0.0 s, kept)" in (out / "log.txt").read_text()


def test_models_datasets_profile_and_version(capsys, small_csv):
    for words, said in (
        (["models"], "lstm"), (["models", "--json"], '"hidden": 64'), (["datasets"], "prices"),
        (["models", "gru"], "units a layer."), (["models", "theta"], "a forecast below 0 is 0"),
        (["datasets", "show", "prices"], "licence"), (["profile", str(small_csv)], "2 series"),
        (["profile", str(small_csv), "--json"], '"fingerprint"'), (["--version"], "forecastkit 0."),
    ):  # fmt: skip
        assert main(words) == 0
        assert said in capsys.readouterr().out


def test_spawned(small_csv, tmp_path):
    """The installed command, once, in a process of its own."""
    words = [sys.executable, "-m", "forecastkit", "fit", "--data", str(small_csv), "--horizon", "3", *FAST[:3]]
    done = subprocess.run([*words, "--out", str(tmp_path / "r")], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Use" in done.stdout


def test_profile_draws_and_suggests_a_command_that_runs(small_csv, tmp_path, capsys):
    import shlex

    assert main(["profile", str(small_csv)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("item0         ") and "█" in line for line in lines)
    command = next(line for line in lines if line.startswith("Try")).removeprefix("Try").strip()
    words = shlex.split(command)
    assert words[:4] == ["forecastkit", "fit", "--data", str(small_csv)]
    assert words[words.index("--target") + 1] == "sales"
    assert main([*words[1:], "--models", "naive", "baselines=naive", "--quiet", "--out", str(tmp_path / "r")]) == 0


def test_a_command_group_alone_shows_its_help_on_several_lines(capsys):
    for words in ([], ["text"], ["classify"], ["ecg"]):
        assert main(words) == 2
        said = "".join(capsys.readouterr())
        assert "Commands" in said
        assert said.count("\n") > 5
        assert "forecastkit: Usage" not in said


@pytest.mark.parametrize("words", [["--horizon", "x"], ["--horizon=x"], ["--horizon", "3", "--horizon", "x"]])
def test_a_usage_error_names_the_value(words, capsys):
    assert main(["fit", *words]) == 2
    line = capsys.readouterr().err
    assert line.startswith("forecastkit: --horizon: 'x'; ")
    assert line.endswith(". See forecastkit --help.\n")
