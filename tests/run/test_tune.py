"""The search for options: on select folds alone, never the seed, resumable to the last digit."""

from __future__ import annotations

import builtins
import json
import shutil

import numpy as np
import pytest

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.config import load_config
from forecastkit.errors import ModelFileError
from forecastkit.run import tune as room
from forecastkit.run.budget import Budget
from forecastkit.run.folder import RunFolder
from forecastkit.run.preparing import Observer, prepare
from forecastkit.run.tune import FILE, space_of, tune
from tests.conftest import SMALL, build_panel

pytest.importorskip("optuna")

GRU = [f"models.gru.{k}={v}" for k, v in (SMALL | {"max_steps": 10}).items() if k not in ("hidden", "context_length")]


def prepared_of(path, amount="4"):
    words = [*GRU, "horizon=5", "baselines=naive", f"data.path={path}", f"tune={amount}"]
    return prepare(load_config(None, overrides=words))


def plain_budget() -> Budget:
    return Budget(None, {}, final=False)


def without_times(folder: RunFolder) -> list[dict]:
    return [{k: v for k, v in t.items() if k != "seconds"} for t in folder.json(FILE)["trials"]]


class TestSpace:
    def test_never_the_seed_nor_what_was_given(self):
        panel = build_panel()
        space = space_of(registry.create_model("lstm"), {"hidden": 8}, 40, panel)
        assert not [key for key in space if "seed" in key]
        assert "hidden" not in space
        assert space["context_length"] == [20, 40, 60]  # half of 120 rows at most
        assert "context_length" not in space_of(registry.create_model("lstm"), {}, None, panel)

    def test_a_distribution_has_its_own_loss(self):
        panel = build_panel()
        assert "loss" not in space_of(registry.create_model("gru", head="normal"), {}, 40, panel)

    def test_options_behind_a_transform_are_searched(self):
        panel = build_panel()
        plain = space_of(registry.create_model("gru"), {}, 40, panel)
        assert space_of(registry.create_model("gru", transform="standard"), {}, 40, panel) == plain

    @pytest.mark.parametrize("name", [n for n in registry.list_models() if registry.describe(n)["family"] == "network"])
    def test_every_option_of_the_space_is_one_of_the_model(self, name):
        panel = build_panel()
        for key, values in space_of(registry.create_model(name), {}, 40, panel).items():
            for value in values:
                registry.create_model(name, **{key: value})


class TestSearch:
    def test_an_interrupted_search_goes_on_with_the_same_trials(self, small_csv, tmp_path):
        whole, parted = (RunFolder.create("x", tmp_path / n) for n in ("whole", "parted"))
        done = tune(prepared_of(small_csv), whole, Observer(), plain_budget())
        tune(prepared_of(small_csv, "2"), parted, Observer(), plain_budget())
        assert len(without_times(parted)) == 2
        again = tune(prepared_of(small_csv), parted, Observer(), plain_budget())
        assert without_times(whole) == without_times(parted)
        assert done.models["gru"] == again.models["gru"]
        trials = without_times(whole)
        assert trials[0]["params"] == {}
        best = min(trials, key=lambda t: t["loss"])
        assert best["best"]
        assert registry.options_of(done.models["gru"]) == best["options"]

    def test_rows_after_the_select_folds_are_not_seen(self, small_csv, tmp_path):
        """Whatever comes after the last select answer, the same options are found."""
        import pandas as pd

        from forecastkit.run.preparing import Prepared

        prepared = prepared_of(small_csv, "3")
        last = prepared.folds.select[-1].position + prepared.plan.horizon
        data = prepared.frame.data.copy()
        late = prepared.frame.positions > last
        assert late.any()
        data.loc[late, "target"] = np.random.default_rng(0).normal(0, 1e4, int(late.sum()))
        from dataclasses import replace

        frame = replace(prepared.frame, data=pd.DataFrame(data))
        other: Prepared = replace(prepared, reading=replace(prepared.reading, frame=frame))
        a, b = (RunFolder.create("x", tmp_path / n) for n in ("a", "b"))
        tune(prepared, a, Observer(), plain_budget())
        tune(other, b, Observer(), plain_budget())
        assert without_times(a) == without_times(b)

    def test_a_search_by_time_ends_and_tries_one_at_least(self, small_csv, tmp_path, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(room.time, "monotonic", lambda: now.__setitem__(0, now[0] + 2.0) or now[0])
        folder = RunFolder.create("x", tmp_path / "run")
        tune(prepared_of(small_csv, "5s"), folder, Observer(), plain_budget())
        assert 1 <= len(without_times(folder)) <= 3

    def test_a_damaged_file_is_said(self, small_csv, tmp_path):
        folder = RunFolder.create("x", tmp_path / "run")
        (folder / FILE).write_text('{"format": 9, "trials": []}')
        with pytest.raises(ModelFileError, match="Delete it"):
            tune(prepared_of(small_csv), folder, Observer(), plain_budget())


class TestRun:
    def test_from_the_command_line_to_the_report_and_again(self, small_csv, fresh_folder, capsys):
        words = [
            "fit",
            "--data",
            str(small_csv),
            "--horizon",
            "5",
            "--tune",
            "2",
            "--out",
            "run",
            "baselines=naive",
            *GRU,
        ]
        assert main(words) == 0
        assert "2 trials" in capsys.readouterr().out
        page = (fresh_folder / "run/report.html").read_text()
        assert "The search for options" in page
        assert json.loads((fresh_folder / "run" / FILE).read_text())["trials"][1]["params"]
        assert main(["rerun", "run", "--quiet", "--out", "again"]) == 0, capsys.readouterr()
        assert not (fresh_folder / "again" / FILE).exists()
        shutil.rmtree("again")

    @pytest.mark.parametrize(("words", "said"), [
        (["--tune", "0"], "trials"), (["--tune", "soon"], "number of trials"), (["--tune", "-4"], "number of trials"),
        (["--tune", "3", "evaluation.n_select=0"], "no select folds"), (["--tune", "3", "models=[]"], "none of the models"),
    ])  # fmt: skip
    def test_bad_input(self, words, said, small_csv, fresh_folder, capsys):
        assert main(["fit", "--data", str(small_csv), "--horizon", "5", *words]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1

    def test_without_optuna(self, small_csv, fresh_folder, capsys, monkeypatch):
        true = builtins.__import__

        def missing(name, *args, **more):
            if name == "optuna":
                raise ModuleNotFoundError(name)
            return true(name, *args, **more)

        monkeypatch.setattr(builtins, "__import__", missing)
        assert main(["fit", "--data", str(small_csv), "--horizon", "5", "--tune", "3"]) == 2
        assert "pip install 'forecastkit[tune]'" in capsys.readouterr().err
