"""Every kind of input from the command line: WFDB with DS1/DS2, ready windows, rhythms, records without labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.beats import read_beats
from forecastkit.classification.record import DS1, DS2, Record
from forecastkit.classification.records import of_patients
from forecastkit.classification.rhythm import read_rhythms as read_rhythms_of
from forecastkit.classification.rpeaks import find_beats, match_peaks
from forecastkit.classification.wfdb_files import read_annotations, read_rhythms, write_record
from forecastkit.cli import main
from tests.classification.conftest import make_ecg, make_visits
from tests.classification.test_rhythm import lead

FEW = ["--models", "majority", "models.boosting.n_trees=5", "--quiet"]


def said(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


@pytest.fixture(scope="module")
def mitbih(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records with the names of MIT-BIH, all five classes in them, four of them paced."""
    folder = tmp_path_factory.mktemp("mitbih")
    for k, name in enumerate(("102", "104", "107", "217", *DS1, *DS2)):
        x, samples, symbols = make_ecg(k, kinds="NVAF", share=0.3, seconds=25)
        if k < 4:
            symbols = ["/" for _ in symbols]
        elif k % 5 == 0:
            symbols[-1] = "Q"
        write_record(folder, name, x[:, None], 250, ["MLII"], samples=samples, symbols=symbols)
    return folder


class TestDs1Ds2:
    def test_it_is_the_default_where_all_records_are_there(self, mitbih, tmp_path):
        assert len(DS1) == len(DS2) == 22
        assert not set(DS1) & set(DS2)
        out = tmp_path / "run"
        assert main(["ecg", "fit", "--records", str(mitbih), "--out", str(out), *FEW]) == 0
        facts = (out / "run.yaml").read_text()
        assert "DS1/DS2 of de Chazal et al. 2004" in facts
        assert "left out, paced: 102, 104, 107, 217" in facts
        assert "not yet validated on the real database" in facts
        assert "201 and 202 are records of one patient" in facts
        groups = pd.read_csv(out / "groups.csv", dtype={"group": str})
        assert set(groups["group"]) == set(DS2)
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board.loc["logistic", "macro_f1"] > 0.6
        confusion = json.loads((out / "diagnostics.json").read_text())["models"]["logistic"]["confusion"]
        assert len(confusion) == 5

    def test_by_request_with_some_of_them(self, mitbih, tmp_path):
        for name in ("106", "108", "100"):
            for end in (".hea", ".dat", ".atr"):
                (tmp_path / f"{name}{end}").write_bytes((mitbih / f"{name}{end}").read_bytes())
        task = read_beats(tmp_path, halves=True)
        assert task.halves is not None
        assert set(task.data.groups[task.halves.train]) == {"106", "108"}
        assert set(task.data.groups[task.halves.test]) == {"100"}
        assert read_beats(tmp_path).halves is None

    def test_not_for_others(self, records, tmp_path, capsys):
        line = said(
            capsys, ["ecg", "fit", "--records", str(records), "--split", "ds1-ds2", "--out", str(tmp_path / "o")]
        )
        assert "records of DS1 and of DS2 are needed" in line


def test_records_of_one_patient_stay_together(records, tmp_path):
    for path in records.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "patients.csv").write_text("record,patient\np0,anna\np1,anna\n")
    data = read_beats(tmp_path).data
    assert set(data.groups) == {"anna", "p2", "p3", "p4", "p5"}
    (tmp_path / "patients.csv").write_text("file,who\np0,anna\n")
    with pytest.raises(Exception, match="needs columns record and patient"):
        read_beats(tmp_path)


def test_rhythms_of_one_patient_stay_together(tmp_path):
    for k in range(6):
        write_record(tmp_path, f"p{k}", lead(k, fibrillates=k % 2 == 0).signal[:, None], 500, ["II"])
    labels = pd.DataFrame({"record": [f"p{k}" for k in range(6)], "rhythm": ["AF", "SR"] * 3})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "patients.csv").write_text("record,patient\np0,anna\np1,anna\n")
    task = read_rhythms_of(tmp_path)
    assert list(task.data.groups) == ["anna", "anna", "p2", "p3", "p4", "p5"]
    assert "5 patients" in task.said[0]
    labels.assign(patient=["x", "x", "y", "y", None, "z"]).to_csv(tmp_path / "labels.csv", index=False)
    assert list(read_rhythms_of(tmp_path).data.groups) == ["x", "x", "y", "y", "p4", "z"]


def test_rhythms_that_are_left_out_count_no_patient(tmp_path):
    for k in range(12):
        write_record(tmp_path, f"p{k}", lead(k, fibrillates=k % 2 == 0).signal[:, None], 500, ["II"])
    rhythms = ["AF", "SR"] * 5 + ["Flutter", "Block"]
    pd.DataFrame({"record": [f"p{k}" for k in range(12)], "rhythm": rhythms}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    assert "10 leads of 10 s, 10 patients" in read_rhythms_of(tmp_path).said[0]


def test_the_two_records_of_one_patient_of_mitbih(tmp_path):
    records = [Record(name, 360.0, np.zeros(650_000)) for name in ("201", "202", "203")]
    assert [r.owner for r in of_patients(records, tmp_path)] == ["201", "201", "203"]
    (tmp_path / "patients.csv").write_text("record,patient\n201,anna\n")
    assert [r.owner for r in of_patients(records, tmp_path)] == ["anna", "anna", "203"]
    short = [Record("202", 360.0, np.zeros(3600))]
    assert [r.owner for r in of_patients(short, tmp_path)] == ["202"]


def test_records_without_a_ventricular_beat(tmp_path):
    """The class that matters most by the task is not there: the rarest that can be tested is in its place."""
    for k in range(3):
        x, samples, symbols = make_ecg(k, kinds="NA", seconds=60, share=0.2)
        write_record(tmp_path / "r", f"p{k}", x[:, None], 250, ["II"], samples=samples, symbols=symbols)
    assert main(["ecg", "fit", "--records", str(tmp_path / "r"), "--out", str(tmp_path / "run"), *FEW]) == 0
    verdict = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert (verdict["rare"], verdict["n_groups_rare"]) == ("S", 3)


class TestAssumedBeats:
    def test_beats_are_assumed_where_the_electrode_was_off(self):
        x, samples, _ = make_ecg(3, share=0)
        lost = (samples > 8000) & (samples < 8700)
        x[8000:8700] = 3.0 * np.sin(np.pi * np.arange(700) / 700) ** 2
        peaks = find_beats(x, 250)
        assert peaks.assumed.sum() == lost.sum() >= 2
        assert match_peaks(peaks.samples, samples, 250)[1] == 0

    def test_a_pause_of_the_heart_is_never_filled(self):
        x, samples, _ = make_ecg(3, share=0)
        k = len(samples) // 2
        lo, hi = samples[k] + 100, samples[k + 3] - 60
        x[lo:hi] = 0.15 * np.sin(2 * np.pi * 0.2 * np.arange(lo, hi) / 250) + np.random.default_rng(0).normal(
            0, 0.02, hi - lo
        )
        assert not find_beats(x, 250).assumed.any()


def _holes(table: pd.DataFrame, *, label: int, step: int) -> pd.DataFrame:
    """Row ``label`` without a label, row ``step`` without its first step."""
    table["pvc"] = table["pvc"].astype(object)
    table.loc[label, "pvc"], table.loc[step, "t000"] = None, None
    return table


class TestWindows:
    @pytest.fixture(scope="class")
    @classmethod
    def windows(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        rng = np.random.default_rng(0)
        t = np.linspace(-1, 1, 60)
        rows = []
        for k in range(240):
            ventricular = k % 6 == 0
            wave = np.exp(-((t / (0.5 if ventricular else 0.12)) ** 2)) * rng.uniform(0.8, 1.2) + rng.normal(
                0, 0.05, 60
            )
            rows.append([f"r{k % 5}", k * 200, int(ventricular), *np.round(wave, 3)])
        path = tmp_path_factory.mktemp("windows") / "windows.csv"
        names = ["record", "sample", "pvc", *(f"t{k:03d}" for k in range(60))]
        pd.DataFrame(rows, columns=names).to_csv(path, index=False)
        return path

    def test_ready_windows_are_beats(self, windows, tmp_path, capsys):
        out = tmp_path / "run"
        assert main(["ecg", "fit", "--records", str(windows), "--out", str(out), *FEW]) == 0
        assert "V" in capsys.readouterr().out
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board.loc["nearest", "f1"] > 0.9
        assert set(pd.read_csv(out / "groups.csv")["group"]) == {f"r{k}" for k in range(5)}
        main(["ecg", "predict", str(out), "--record", str(windows), "--out", str(tmp_path / "p.csv")])
        told = pd.read_csv(tmp_path / "p.csv")
        assert (told["class"] == "V").sum() == pytest.approx(40, abs=4)
        assert {"record", "sample"} <= set(told)

    @pytest.mark.parametrize(
        ("change", "words", "part"),
        [
            (lambda t: t.assign(pvc=2), [], "only 0 and 1"),
            (lambda t: t.rename(columns={"pvc": "what"}), [], "no column pvc, symbol or label"),
            (lambda t: t.assign(pvc="%").rename(columns={"pvc": "symbol"}), [], "not an annotation symbol"),
            (lambda t: t, ["--lead", "II"], "--lead: means nothing for ready windows"),
            (lambda t: t.assign(pvc=0), [], "only class 'other'"),
            (lambda t: t.assign(record="r"), [], "at least two are needed"),
            (lambda t: t.assign(t003=None), [], "sequences are of unequal length"),
            (lambda t: t.assign(record="102"), [], "every row is of a record with a pacemaker"),
            (lambda t: _holes(t, label=3, step=7), [], "line 9: 59 of 60 steps"),
        ],
    )
    def test_windows_that_cannot_be_used(self, windows, tmp_path, capsys, change, words, part):
        path = tmp_path / "w.csv"
        change(pd.read_csv(windows)).to_csv(path, index=False)
        assert part in said(capsys, ["ecg", "fit", "--records", str(path), "--out", str(tmp_path / "o"), *words])


class TestRhythm:
    @pytest.fixture(scope="class")
    @classmethod
    def leads(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Forty patients side by side in one file, and a table of labels."""
        folder = tmp_path_factory.mktemp("rhythms")
        truth = ["Atrial fibrillation" if k % 4 == 0 else "Sinus rhythm" for k in range(40)]
        for k in range(5):
            truth[4 * k + 1] = f"Rare {k}"
        signals = {f"p{k:02d}": (1000 * lead(k, fibrillates=k % 4 == 0).signal).round() for k in range(40)}
        pd.DataFrame(signals).to_csv(folder / "lead_ii_500hz_uV.csv.gz", index=False)
        pd.DataFrame({"patient": list(signals), "age": 50, "rhythm": truth}).to_csv(folder / "labels.csv", index=False)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, leads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        out = tmp_path_factory.mktemp("runs") / "rhythm"
        assert main(["ecg", "fit", "--task", "rhythm", "--records", str(leads), "--out", str(out), *FEW]) == 0
        return out

    def test_patients_side_by_side(self, run):
        board = pd.read_csv(run / "leaderboard.csv").set_index("model")
        assert board.loc["logistic", "sensitivity"] >= 0.9
        verdict = json.loads((run / "verdict.json").read_text())
        assert verdict["rare"] == "Atrial fibrillation"
        assert "fewer than 5 patients count as other: Rare 0 1, Rare 1 1" in (run / "run.yaml").read_text()

    def test_each_ten_seconds_of_a_long_record_are_told(self, run, tmp_path, capsys):
        x = np.concatenate(
            [lead(90, fibrillates=False).signal, lead(91, fibrillates=True).signal, lead(92, fibrillates=False).signal]
        )
        write_record(tmp_path, "long", x[:, None], 500, ["II"], fmt="16")
        main(["ecg", "predict", str(run), "--record", str(tmp_path / "long.hea"), "--out", str(tmp_path / "p.csv")])
        told = pd.read_csv(tmp_path / "p.csv")
        assert told["start"].tolist() == [0, 10, 20]
        assert told["class"].tolist()[1] == "Atrial fibrillation"
        assert "Atrial fibrillation" not in told["class"].tolist()[::2]
        summary = json.loads(capsys.readouterr().out)
        assert summary["rhythms"]["Atrial fibrillation"] == 1
        assert summary["pieces"] == 3
        assert "no medical device" in summary["no_device"]

    def test_one_class_against_all_others(self, leads, tmp_path):
        out = tmp_path / "run"
        words = [
            "ecg",
            "fit",
            "--task",
            "rhythm",
            "--records",
            str(leads),
            "--classes",
            "Atrial fibrillation",
            "--out",
            str(out),
        ]
        assert main([*words, *FEW]) == 0
        assert (out / "run.yaml").read_text().count("- other") >= 1
        assert json.loads((out / "verdict.json").read_text())["n_groups_rare"] == 10

    def test_rhythms_of_annotations(self, tmp_path):
        """WFDB records that change their rhythm: pieces of one rhythm each, all of one patient."""
        for k in range(6):
            parts = [lead(10 * k + j, fibrillates=j == 1).signal for j in range(3)]
            texts = ["(N", "(AFIB", "(N"]
            at = np.array([5, 5005, 10_005])
            write_record(
                tmp_path / "r",
                f"a{k}",
                np.concatenate(parts)[:, None],
                500,
                ["II"],
                fmt="16",
                samples=at,
                symbols=["+"] * 3,
                texts=texts,
            )
        assert read_rhythms(tmp_path / "r" / "a0.atr") == [(5, "N"), (5005, "AFIB"), (10_005, "N")]
        out = tmp_path / "run"
        assert main(["ecg", "fit", "--task", "rhythm", "--records", str(tmp_path / "r"), "--out", str(out), *FEW]) == 0
        groups = pd.read_csv(out / "groups.csv")
        assert set(groups["group"]) == {f"a{k}" for k in range(6)}
        assert json.loads((out / "verdict.json").read_text())["rare"] == "AFIB"

    def test_rhythms_of_headers(self, tmp_path):
        for k in range(10):
            name = "Atrial fibrillation" if k % 2 else "Sinus rhythm"
            record = lead(k, fibrillates=bool(k % 2))
            write_record(
                tmp_path / "r",
                f"a{k}",
                record.signal[:, None],
                500,
                ["II"],
                fmt="16",
                comments=["<age>: 50", f"Rhythm: {name}."],
            )
        out = tmp_path / "run"
        assert main(["ecg", "fit", "--task", "rhythm", "--records", str(tmp_path / "r"), "--out", str(out), *FEW]) == 0
        assert json.loads((out / "verdict.json").read_text())["rare"] == "Atrial fibrillation"

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--labels", "none.csv"], "no such file"),
            (["--label", "rythm"], "Did you mean 'rhythm'?"),
            (["--classes", "Atrial flutter"], "no such class"),
            (["--classes", "other"], "no class named"),
            (["--split", "ds1-ds2"], "MIT-BIH only"),
            (["--fs", "10"], "sampling rate of 50 or more"),
            (["--rare", "Sinus rythm"], "Did you mean 'Sinus rhythm'?"),
        ],
    )
    def test_what_cannot_be_asked(self, leads, tmp_path, capsys, words, part):
        base = ["ecg", "fit", "--task", "rhythm", "--records", str(leads), "--out", str(tmp_path / "o")]
        assert part in said(capsys, [*base, *words])

    def test_labels_of_other_records(self, leads, tmp_path, capsys):
        pd.DataFrame({"record": ["x"], "rhythm": ["AF"]}).to_csv(tmp_path / "l.csv", index=False)
        words = ["ecg", "fit", "--task", "rhythm", "--records", str(leads), "--labels", str(tmp_path / "l.csv")]
        assert "names none of these records" in said(capsys, words)

    def test_a_gap_in_a_column_is_said(self, leads, tmp_path, capsys):
        table = pd.read_csv(leads / "lead_ii_500hz_uV.csv.gz")
        table.loc[1000:2000, "p03"] = np.nan
        table.to_csv(tmp_path / "lead_500hz_uV.csv", index=False)
        (tmp_path / "labels.csv").write_bytes((leads / "labels.csv").read_bytes())
        assert "p03, samples 1,000 to 2,000" in said(
            capsys, ["ecg", "fit", "--task", "rhythm", "--records", str(tmp_path)]
        )


def even_visits(n: int, *, n_visits: int = 6) -> pd.DataFrame:
    """Histories of one length; every other patient has higher values."""
    values = np.random.default_rng(0).normal(size=(n, n_visits)) + np.arange(n)[:, None] % 2
    names = np.repeat([f"p{k}" for k in range(n)], n_visits)
    return pd.DataFrame({"patient": names, "value": values.ravel(), "outcome": np.repeat(np.arange(n) % 2, n_visits)})


class TestAnomalies:
    QUICK = ("models.gru.max_steps=15", "models.gru.hidden=6", "--split", "folds", "--quiet")
    PCA = ("--models", "pca", "--quiet")

    def test_records_without_any_annotation(self, tmp_path, capsys):
        for k in range(4):
            x, _, _ = make_ecg(k, seconds=60, share=0.05)
            write_record(tmp_path / "r", f"r{k}", x[:, None], 250, ["II"])
        out = tmp_path / "run"
        assert (
            main(["ecg", "fit", "--task", "anomaly", "--records", str(tmp_path / "r"), "--out", str(out), *self.PCA])
            == 0
        )
        assert "Nothing is labelled" in capsys.readouterr().out
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert list(board.index) == ["pca"]
        x, samples, symbols = make_ecg(7, seconds=60, share=0.1)
        write_record(tmp_path / "n", "new", x[:, None], 250, ["II"])
        main(
            ["ecg", "predict", str(out), "--record", str(tmp_path / "n" / "new.hea"), "--out", str(tmp_path / "p.csv")]
        )
        told = pd.read_csv(tmp_path / "p.csv")
        v = np.array([np.abs(samples[np.array(symbols) == "V"] - s).min() < 20 for s in told["sample"]])
        assert told.loc[v, "strange"].mean() > 0.8
        assert told.loc[~v, "strange"].mean() < 0.2
        page = (out / "report.html").read_text(encoding="utf-8")
        assert "no medical device" in page

    def test_labels_are_evidence_only(self, records, tmp_path):
        out = tmp_path / "run"
        assert main(["ecg", "fit", "--task", "anomaly", "--records", str(records), "--out", str(out), *self.QUICK]) == 0
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board.loc["pca", "roc_auc"] > 0.95
        verdict = json.loads((out / "verdict.json").read_text())
        assert (verdict["use"], verdict["word"]) == ("pca", "too few to tell")
        main(
            [
                "ecg",
                "predict",
                str(out),
                "--record",
                str(records / "p1.hea"),
                "--model",
                "gru",
                "--out",
                str(tmp_path / "p.csv"),
            ]
        )
        assert np.isfinite(pd.read_csv(tmp_path / "p.csv")["strangeness"]).all()

    def test_histories_of_different_lengths(self, tmp_path):
        path = tmp_path / "visits.csv"
        make_visits(40).drop(columns="outcome").to_csv(path, index=False)
        out = tmp_path / "run"
        words = ["classify", "fit", "--data", str(path), "--item", "patient", "--time", "date", "--task", "anomaly"]
        assert main([*words, "--out", str(out), *self.QUICK]) == 0
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board.loc["pca", "status"] == "failed"
        assert "one length" in board.loc["pca", "reason"]
        assert json.loads((out / "verdict.json").read_text())["use"] == "gru"
        main(["classify", "predict", str(out), "--data", str(path), "--out", str(tmp_path / "p.csv")])
        assert len(pd.read_csv(tmp_path / "p.csv")) == 40

    def test_one_history_of_another_length(self, tmp_path):
        """A fold without it has one length only: the network must not begin as the components of that length."""
        path, out = tmp_path / "visits.csv", tmp_path / "run"
        even_visits(40).iloc[:-1].to_csv(path, index=False)
        words = ["classify", "fit", "--data", str(path), "--item", "patient", "--task", "anomaly"]
        assert main([*words, "--out", str(out), *self.QUICK]) == 0
        board = pd.read_csv(out / "leaderboard.csv").set_index("model")
        assert board["status"].to_dict() == {"pca": "failed", "gru": "ok"}

    @pytest.mark.parametrize("model", ["pca", "gru"])
    def test_a_new_length_is_said(self, tmp_path, capsys, model):
        even_visits(40).to_csv(tmp_path / "visits.csv", index=False)
        out = tmp_path / "run"
        words = ["classify", "fit", "--data", str(tmp_path / "visits.csv"), "--item", "patient", "--task", "anomaly"]
        assert main([*words, "--out", str(out), *self.QUICK]) == 0
        capsys.readouterr()
        even_visits(4, n_visits=5).to_csv(tmp_path / "new.csv", index=False)
        words = ["classify", "predict", str(out), "--data", str(tmp_path / "new.csv"), "--model", model]
        assert "p0 has 5 steps; the model was fitted on sequences of another length" in said(capsys, words)

    def test_where_no_usual_one_is_tested(self, tmp_path, capsys):
        """Nothing is known of false alarms nor of the network: no number that is none, and no verdict."""
        even_visits(40).to_csv(tmp_path / "visits.csv", index=False)
        words = ["classify", "fit", "--data", str(tmp_path / "visits.csv"), "--item", "patient", "--label", "outcome"]
        train = ",".join(f"p{k}" for k in range(40) if k not in (1, 3))
        words += ["--task", "anomaly", "--train", train, "--test", "p1,p3", "--models", "gru", "models.gru.max_steps=2"]
        assert main([*words, "--out", str(tmp_path / "run"), "--quiet"]) == 0
        answer = " ".join(capsys.readouterr().out.split())
        assert "it calls – strange" in answer
        assert "nan" not in answer
        assert "gru" not in answer
        assert json.loads((tmp_path / "run" / "verdict.json").read_text())["n_groups"] == 2

    def test_of_too_few_the_answer_says_why(self, tmp_path, capsys):
        even_visits(6).to_csv(tmp_path / "visits.csv", index=False)
        words = ["classify", "fit", "--data", str(tmp_path / "visits.csv"), "--item", "patient", "--task", "anomaly"]
        assert main([*words, "--out", str(tmp_path / "run"), *self.PCA]) == 1
        answer = " ".join(capsys.readouterr().out.split())
        assert "No model could be fitted. pca: anomaly: 5 sequences; at least 20 usual ones are needed." in answer

    @pytest.mark.parametrize(
        ("words", "part"),
        [
            (["--task", "anomaly", "--models", "boosting"], "no such model"),
            (["--task", "anomaly", "--sensitivity", "0.9"], "needs labels"),
            (["--task", "anomaly", "--rare", "V"], "--rare: means nothing with --task anomaly"),
            (["--task", "anomaly", "--false-alarms", "0.7"], "below 0.5"),
            (["--false-alarms", "0.1"], "with --task anomaly only"),
            (["--task", "beat"], "Did you mean 'beats'?"),
        ],
    )
    def test_what_cannot_be_asked(self, records, capsys, words, part):
        assert part in said(capsys, ["ecg", "fit", "--records", str(records), *words])

    def test_a_run_of_another_task_is_said(self, records, tmp_path, capsys):
        out = tmp_path / "run"
        main(
            [
                "ecg",
                "fit",
                "--task",
                "anomaly",
                "--records",
                str(records),
                "--out",
                str(out),
                "--models",
                "pca",
                "--quiet",
            ]
        )
        capsys.readouterr()
        assert "a run of ecg-anomaly; a run of sequences is needed" in said(
            capsys, ["classify", "predict", str(out), "--data", "x.csv"]
        )


def test_annotations_with_texts_are_read_by_the_reference_reader(tmp_path):
    wfdb = pytest.importorskip("wfdb")
    write_record(
        tmp_path, "r", np.zeros((100, 1)), 250, ["II"], fmt="16", samples=np.array([5, 50, 90]), symbols=["+", "N", "+"], texts=["(AFIB", "", "(N"]
    )  # fmt: skip
    notes = wfdb.rdann(str(tmp_path / "r"), "atr")
    assert [t.strip("\x00") for t in notes.aux_note] == ["(AFIB", "", "(N"]
    assert read_annotations(tmp_path / "r.atr")[1] == ["+", "N", "+"]


def test_settings_from_yaml(records, tmp_path, capsys):
    (tmp_path / "ecg.yaml").write_text(f"records: {records}\nmodels:\n  majority:\nsplit: folds\nsensitivity: 0.9\n")
    out = tmp_path / "run"
    words = [
        "ecg",
        "fit",
        "--config",
        str(tmp_path / "ecg.yaml"),
        "models.boosting.n_trees=5",
        "--out",
        str(out),
        "--quiet",
    ]
    assert main(words) == 0
    assert "folds of whole patients" in (out / "run.yaml").read_text()
    (tmp_path / "bad.yaml").write_text("recrods: x\n")
    assert "Did you mean 'records'?" in said(capsys, ["ecg", "fit", "--config", str(tmp_path / "bad.yaml")])


def test_classifiers_are_listed(capsys):
    main(["ecg", "models"])
    out = capsys.readouterr().out
    assert "gru" in out
    assert "principal components" in out
    main(["classify", "models", "--json"])
    assert json.loads(capsys.readouterr().out)["classifiers"]["gru"]["options"]["hidden"] == 32


def test_the_report_is_written_again_in_another_language(tmp_path, records, capsys):
    out = tmp_path / "run"
    main(["ecg", "fit", "--records", str(records), "--out", str(out), *FEW])
    main(["report", str(out), "--lang", "es", "--out", str(tmp_path / "es.html")])
    assert "no un producto sanitario" in (tmp_path / "es.html").read_text(encoding="utf-8")
