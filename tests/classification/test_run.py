"""Whole commands on small data: fit, the folder, predict; ECG and visits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.wfdb_files import write_record
from forecastkit.cli import main
from tests.classification.conftest import make_ecg

QUICK = ["models.gru.max_steps=25", "models.gru.hidden=8", "models.gru.filters=4", "models.boosting.n_trees=8"]
FEW_TREES = QUICK[3:]


@pytest.fixture(scope="module")
def ecg_run(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "ecg"
    assert main(["ecg", "fit", "--records", str(records), "--out", str(out), "--quiet", *QUICK]) == 0
    return out


@pytest.fixture(scope="module")
def visits_run(visits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "visits"
    words = ["classify", "fit", "--data", str(visits), "--item", "patient", "--time", "date", "--label", "outcome"]
    assert main([*words, "--group", "hospital", "--out", str(out), "--quiet", *QUICK[:2], *FEW_TREES]) == 0
    return out


class TestEcg:
    def test_the_folder_is_whole(self, ecg_run):
        for name in (
            "run.yaml",
            "leaderboard.csv",
            "groups.csv",
            "verdict.json",
            "predictions.csv",
            "learning_curves.csv",
        ):
            assert (ecg_run / name).stat().st_size > 0
        board = pd.read_csv(ecg_run / "leaderboard.csv").set_index("model")
        assert set(board.index) == {"majority", "logistic_rr", "logistic", "boosting", "nearest", "gru"}
        assert (board["status"] == "ok").all()
        assert board.loc["majority", "sensitivity"] == 0
        assert board.loc["logistic", "f1"] > 0.9
        assert not [p for p in ecg_run.rglob("*") if p.suffix in (".pkl", ".pickle", ".pt", ".joblib", ".ckpt")]

    def test_few_patients_are_called_few(self, ecg_run):
        verdict = json.loads((ecg_run / "verdict.json").read_text())
        assert verdict["word"] == "too few to tell"
        assert "too few" in " ".join(verdict["sentence"]["en"])

    def test_no_patient_is_on_both_sides(self, ecg_run):
        table = pd.read_csv(ecg_run / "groups.csv")
        assert sorted(table["group"].unique()) == [f"p{k}" for k in range(6)]
        for _, rows in table.groupby("model"):
            assert (rows["found"] + rows["missed"] == rows["n_rare"]).all()

    def test_the_page_says_that_it_is_no_medical_device(self, ecg_run):
        page = (ecg_run / "report.html").read_text(encoding="utf-8")
        assert "no medical device" in page
        assert 'class="ecg"' in page or "mistakes" not in page
        assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")

    @pytest.mark.parametrize("name", ["", "gru", "boosting", "logistic_rr", "majority"])
    def test_predict_writes_a_row_a_beat(self, ecg_run, records, tmp_path, capsys, name):
        out = tmp_path / "beats.csv"
        words = ["ecg", "predict", str(ecg_run), "--record", str(records / "p1.hea"), "--out", str(out)]
        assert main([*words, *(["--model", name] if name else [])]) in (0, None)
        table = pd.read_csv(out)
        summary = json.loads(capsys.readouterr().out)
        assert summary["n_beats"] == len(table) > 50
        assert "no medical device" in summary["no_device"]
        np.testing.assert_allclose(table[["p_other", "p_V"]].sum(axis=1), 1, atol=1e-5)
        strange = table["strangeness"] > 1
        assert strange.mean() < 0.5
        if name != "majority":
            assert strange[table["class"] == "V"].mean() > 0.8
            assert (table["class"] == "V").sum() > 3

    def test_unlabelled_records_can_be_predicted(self, ecg_run, records, tmp_path):
        (tmp_path / "new.csv").write_bytes((records / "p5_signal.csv").read_bytes())
        out = tmp_path / "out.csv"
        main(["ecg", "predict", str(ecg_run), "--record", str(tmp_path / "new.csv"), "--out", str(out)])
        assert len(pd.read_csv(out)) > 50

    def test_intra_is_warned(self, records, tmp_path):
        out = tmp_path / "run"
        words = [
            "ecg",
            "fit",
            "--records",
            str(records),
            "--models",
            "majority",
            "--split",
            "intra",
            "--quiet",
            *FEW_TREES,
        ]
        assert main([*words, "--out", str(out)]) == 0
        assert "flatter" in (out / "verdict.json").read_text()

    def test_sensitivity_that_was_asked_for(self, records, tmp_path):
        out = tmp_path / "run"
        words = [
            "ecg",
            "fit",
            "--records",
            str(records),
            "--models",
            "majority",
            "--sensitivity",
            "0.99",
            "--quiet",
            *FEW_TREES,
        ]
        assert main([*words, "--out", str(out)]) == 0
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board.loc["logistic", "sensitivity"] >= 0.95


def test_five_classes_from_the_command_line(tmp_path):
    for k in range(5):
        x, samples, symbols = make_ecg(k, kinds="NVAF", share=0.3, seconds=60)
        write_record(tmp_path / "r", f"r{k}", x[:, None], 250, ["MLII"], samples=samples, symbols=symbols)
    out = tmp_path / "run"
    words = ["ecg", "fit", "--records", str(tmp_path / "r"), "--quiet", "--sensitivity", "0.9", "--lang", "es", *QUICK]
    assert main([*words, "--out", str(out)]) == 0
    board = pd.read_csv(out / "leaderboard.csv").set_index("model")
    assert board.loc["logistic", "macro_f1"] > 0.8
    assert board.loc["logistic", "sensitivity"] > 0.85
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "no un producto sanitario" in page
    assert "aún sin validar con la base de datos real" in page
    main(["ecg", "predict", str(out), "--record", str(tmp_path / "r" / "r0.hea"), "--out", str(tmp_path / "b.csv")])
    assert set(pd.read_csv(tmp_path / "b.csv")["class"]) <= set("NSVFQ")


def test_what_was_finished_before_ctrl_c_is_reported(records, tmp_path, capsys, monkeypatch):
    from forecastkit.classification.models.baselines import Boosting

    def stop(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Boosting, "fit", stop)
    out = tmp_path / "run"
    assert main(["ecg", "fit", "--records", str(records), "--out", str(out), "--split", "folds"]) == 130
    printed = capsys.readouterr()
    assert "interrupted. What was finished is in the report." in printed.err
    board = pd.read_csv(out / "leaderboard.csv").set_index("model")
    assert board.loc["logistic", "status"] == "ok"
    assert board.loc["gru", "status"] == "skipped"
    assert "skipped: interrupted" in printed.out
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("model/logistic/model.json", lambda t: t.replace('"temperature"', '"temprature"')),
        ("model/logistic/model.json", lambda t: t.replace('"rare": "V"', '"rare": "W"')),
        ("model/logistic/model.json", lambda t: t[: len(t) // 2]),
        ("verdict.json", lambda t: "{"),
        ("diagnostics.json", lambda t: "[]"),
        ("model/normal/model.json", lambda t: t.replace('"detector": "pca"', '"detector": "os.system"')),
    ],
)
def test_a_damaged_run_is_one_line(ecg_run, records, tmp_path, capsys, file, change):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(ecg_run, run)
    text = (run / file).read_text()
    (run / file).write_text(change(text))
    assert change(text) != text
    words = ["ecg", "predict", str(run), "--record", str(records / "p1.hea")]
    assert main([*words, *(["--model", "logistic"] if "verdict" not in file else [])]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Traceback" not in err


class TestVisits:
    def test_the_slope_is_found(self, visits_run):
        board = pd.read_csv(visits_run / "leaderboard.csv").set_index("model")
        assert board.loc["logistic", "f1"] > 0.9
        assert board.loc["gru", "f1"] > 0.7
        assert "no_device" not in board

    def test_hospitals_stay_on_one_side(self, visits_run):
        assert set(pd.read_csv(visits_run / "groups.csv")["group"]) == {"h0", "h1", "h2", "h3"}

    def test_predict_needs_no_label(self, visits_run, visits, tmp_path, capsys):
        new = pd.read_csv(visits).drop(columns=["outcome", "hospital"])
        new.loc[new.index[:3], "mood"] = "never seen"
        new.to_csv(tmp_path / "new.csv", index=False)
        out = tmp_path / "out.csv"
        main(["classify", "predict", str(visits_run), "--data", str(tmp_path / "new.csv"), "--out", str(out)])
        table = pd.read_csv(out)
        assert len(table) == 60
        truth = pd.read_csv(visits).groupby("patient")["outcome"].first()
        assert (table.set_index("item")["class"] == truth).mean() > 0.9

    def test_wide_tables(self, tmp_path):
        rng = np.random.default_rng(0)
        t = np.arange(50)
        rows = [np.sin(t / (4 + 2 * (k % 2)) + rng.uniform(0, 6)) + rng.normal(0, 0.1, 50) for k in range(40)]
        table = pd.DataFrame(rows, columns=[f"t{k:03d}" for k in t])
        table.insert(0, "label", [k % 2 for k in range(40)])
        table.to_csv(tmp_path / "wide.csv", index=False)
        out = tmp_path / "run"
        words = ["classify", "fit", "--data", str(tmp_path / "wide.csv"), "--label", "label", "--models", "majority"]
        assert main([*words, "--quiet", "--out", str(out)]) == 0
        assert "nearest" in pd.read_csv(out / "leaderboard.csv")["model"].tolist()
        table.drop(columns="label").to_csv(tmp_path / "new.csv", index=False)
        main(["classify", "predict", str(out), "--data", str(tmp_path / "new.csv"), "--out", str(tmp_path / "p.csv")])
        assert len(pd.read_csv(tmp_path / "p.csv")) == 40
