"""Explanations of a run, from the command line and from Python."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.forecasting.explain import importance
from forecastkit.run.backtests import _load_part, _save_part
from forecastkit.run.folder import RunFolder
from tests.conftest import SMALL

WORDS = ["--horizon", "4", "--known", "heat,event", "--past", "visits", "--quiet"]
GRU = [f"models.gru.{k}={v}" for k, v in (SMALL | {"max_steps": 150}).items()]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    parts = []
    for shop in ("north", "south"):
        n = 184
        heat = rng.normal(20, 5, n)
        event = np.where(rng.random(n) < 0.2, "fair", "none")
        visits = rng.normal(50, 5, n)
        y = 100 + 2.0 * heat + 20 * (event == "fair") + rng.normal(0, 1, n)
        y[-4:] = np.nan  # known ahead
        day = pd.date_range("2023-01-02", periods=n, freq="D")
        parts.append(
            pd.DataFrame({"shop": shop, "day": day, "sales": y, "heat": heat, "event": event, "visits": visits})
        )
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    table.to_csv(folder / "shops.csv", index=False)
    data = ["--data", str(folder / "shops.csv"), "--target", "sales"]
    assert main(["fit", *data, *WORDS, "--models", "gru", *GRU, "baselines=naive", "final=gru", "--out", str(folder / "run")]) == 0  # fmt: skip
    return folder / "run"


class TestWhatIf:
    def test_heat_acts_as_it_did(self, run):
        out = fk.what_if(run, heat=30)
        assert list(out.columns[-3:]) == ["point", "what_if", "difference"]
        np.testing.assert_allclose(out["difference"], out["what_if"] - out["point"])
        colder = fk.what_if(run, heat=10)
        assert (out["what_if"] > colder["what_if"]).all()
        assert len(out) == 8

    def test_more_than_expected_and_words(self, run, table):
        more = fk.what_if(run, {"heat+": 5})
        expected = table.groupby("shop").tail(4)["heat"].to_numpy() + 5
        assert more["difference"].gt(0).all()
        less, twice = fk.what_if(run, {"heat-": 5}), fk.what_if(run, {"heat*": 1.0})
        assert less["difference"].lt(0).all()
        assert twice["difference"].eq(0).all()
        assert expected.shape == (8,)
        fair = fk.what_if(run, event="fair")
        assert fair["difference"].mean() > 0

    def test_one_series(self, run):
        both, one = fk.what_if(run, heat=30), fk.what_if(run, heat=30, item="south")
        pd.testing.assert_frame_equal(one, both[both["item_id"] == "south"].reset_index(drop=True))

    def test_the_forecast_as_it_is_is_that_of_the_run(self, run):
        points = fk.load(run).forecast["point"].to_numpy()
        np.testing.assert_array_equal(fk.what_if(run, heat=30)["point"].to_numpy(), points)

    @pytest.mark.parametrize(("words", "said"), [
        (["--set", "heet=3"], "Did you mean 'heat'"), (["--set", "heat=warm"], "a number is needed"),
        (["--set", "heat"], "NAME=VALUE"), (["--set", "heat=1", "--set", "heat=2"], "twice"), (["--set", "event=party"], "never occurred"),
        (["--set", "event+=1"], "cannot be changed by a number"), (["--set", "visits=3"], "known ahead"), (["--set", "heat=nan"], "a number"),
        (["--set", "heat=1", "--item", "nort"], "Did you mean 'north'"), (["--lang", "de"], "en or es"),
    ])  # fmt: skip
    def test_bad_input(self, run, words, said, capsys):
        assert main(["explain", str(run), *words]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1

    def test_a_model_that_reads_none(self, run, tmp_path, capsys):
        other = [
            "fit",
            "--data",
            str(run.parent / "shops.csv"),
            "--target",
            "sales",
            *WORDS,
            "models=[]",
            "final=theta",
        ]
        assert main([*other, "ensemble=none", "--out", str(tmp_path / "plain")]) == 0
        assert main(["explain", str(tmp_path / "plain"), "--set", "heat=3"]) == 2
        assert "reads no covariates" in capsys.readouterr().err
        assert main(["explain", str(tmp_path / "plain")]) == 2
        assert "nothing was explained" in capsys.readouterr().err

    def test_a_run_without_covariates(self, finished_run, capsys):
        assert main(["explain", str(finished_run), "--set", "heat=3"]) == 2
        assert "--known" in capsys.readouterr().err

    def test_to_a_file_and_to_the_terminal(self, run, tmp_path, capsys):
        assert main(["explain", str(run), "--set", "heat+=5", "--out", str(tmp_path / "w.csv")]) == 0
        assert "changes by" in capsys.readouterr().out
        assert len(pd.read_csv(tmp_path / "w.csv")) == 8
        assert main(["explain", str(run), "--set", "heat=5", "--lang", "es"]) == 0
        captured = capsys.readouterr()
        assert captured.out.startswith("item_id,")
        assert "cambia en promedio" in captured.err


class TestImportance:
    def test_in_the_folder_the_report_and_the_terminal(self, run, capsys):
        found = json.loads((run / "explain.json").read_text())
        names = [r["name"] for r in found["rows"]]
        assert set(names[:2]) == {"heat", "event"}
        assert {"visits", "lags 1"} <= set(names)
        assert "What it leans on" in (run / "report.html").read_text()
        assert main(["explain", str(run)]) == 0
        said = capsys.readouterr().out
        assert "leans most on" in said
        assert "heat" in said
        assert main(["report", str(run), "--lang", "es", "--out", str(run.parent / "es.html")]) == 0
        assert "En qué se apoya" in (run.parent / "es.html").read_text()

    def test_a_network_kept_for_an_unfinished_run_is_explained_alike(self, tmp_path):
        from forecastkit import registry
        from forecastkit.forecasting.backtest import backtest_model
        from forecastkit.forecasting.protocol import FitContext
        from forecastkit.forecasting.splits import EvalPlan, make_folds
        from tests.conftest import build_panel

        frame = build_panel((140, 120))
        folds = make_folds(frame, EvalPlan(horizon=4, n_report=5, n_select=1, n_calibrate=0))
        model = registry.create_model("gru", **SMALL)
        one = backtest_model("gru", model, frame, folds.all, folds.plan, context=FitContext())
        folder = RunFolder(tmp_path)
        _save_part(folder, one, {}, "key", reads_windows=True)
        kept, _ = _load_part(folder, model, "gru", 1, "key")
        first, second = (importance("gru", b.fitted, frame, folds.report) for b in (one, kept))
        assert first == second
        shutil.rmtree(tmp_path / "parts")
