"""What people hand in: each is one line that says where, what and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.wfdb_files import write_record
from forecastkit.cli import main
from tests.classification.conftest import make_ecg, make_visits


def said(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def spoil(folder: Path, change) -> None:
    x, samples, symbols = make_ecg(1, seconds=30)
    write_record(folder, "bad", change(x)[:, None], 250, ["II"], fmt="16", samples=samples, symbols=symbols)


def flat(x):
    return np.zeros_like(x)


def off(x):
    x = x.copy()
    x[1000:5000] = 1.2
    return x


def holes(x):
    x = x.copy()
    x[1000:1500] = np.nan
    return x


@pytest.mark.parametrize(
    ("change", "part"),
    [(flat, "a flat line"), (off, "the lead was off"), (holes, "samples 1,000 to 1,499: 2.00 s missing")],
)
def test_signals_that_are_none(tmp_path, capsys, change, part):
    spoil(tmp_path, change)
    assert part in said(capsys, ["ecg", "fit", "--records", str(tmp_path)])


def test_short_gaps_are_filled(tmp_path):
    from forecastkit.classification.records import read_record

    def few(x):
        x = x.copy()
        x[1000:1010] = np.nan
        return x

    spoil(tmp_path, few)
    record = read_record(tmp_path / "bad.hea")
    assert np.isfinite(record.signal).all()
    assert record.notes == ("10 missing samples filled",)


def test_a_wrong_lead_is_suggested(records, capsys):
    line = said(capsys, ["ecg", "fit", "--records", str(records), "--lead", "III"])
    assert "no such lead" in line
    assert "Did you mean 'II'?" in line


def test_no_sampling_rate(tmp_path, capsys):
    x, samples, symbols = make_ecg(1, seconds=20)
    pd.DataFrame({"mV": x}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({"sample": samples, "symbol": symbols}).to_csv(tmp_path / "a_beats.csv", index=False)
    assert "no sampling rate. Give it: --fs 360." in said(capsys, ["ecg", "fit", "--records", str(tmp_path)])


@pytest.mark.parametrize("promise", [10**6, 10**11])
def test_a_header_that_promises_too_much(records, tmp_path, capsys, promise):
    for name in ("p0.hea", "p0.dat", "p0.atr"):
        shutil.copy(records / name, tmp_path)
    text = (tmp_path / "p0.hea").read_text()
    (tmp_path / "p0.hea").write_text(text.replace("22500", str(promise)))
    assert "promises more than p0.dat holds (22,500)" in said(capsys, ["ecg", "fit", "--records", str(tmp_path)])


def test_a_signal_outside_its_folder(records, tmp_path, capsys):
    folder = tmp_path / "records"
    folder.mkdir()
    shutil.copy(records / "p0.dat", tmp_path)
    text = (records / "p0.hea").read_text().replace("p0.dat", "../p0.dat")
    (folder / "p0.hea").write_text(text)
    assert "lies beside its header" in said(capsys, ["ecg", "fit", "--records", str(folder)])


def test_one_class_only(tmp_path, capsys):
    for k in range(2):
        x, samples, _ = make_ecg(k, seconds=30, share=0)
        write_record(tmp_path, f"n{k}", x[:, None], 250, ["II"], samples=samples, symbols=["N"] * len(samples))
    assert "only class 'N'" in said(capsys, ["ecg", "fit", "--records", str(tmp_path)])


def test_one_patient_only(records, tmp_path, capsys):
    for name in ("p0.hea", "p0.dat", "p0.atr"):
        shutil.copy(records / name, tmp_path)
    assert "at least two are needed" in said(
        capsys, ["ecg", "fit", "--records", str(tmp_path), "--out", str(tmp_path / "o")]
    )
    assert not (tmp_path / "o").exists()


def test_a_patient_on_both_sides(records, tmp_path, capsys):
    words = [
        "ecg",
        "fit",
        "--records",
        str(records),
        "--train",
        "p0,p1",
        "--test",
        "p1,p2",
        "--out",
        str(tmp_path / "o"),
    ]
    assert "p1; on both sides" in said(capsys, words)


def test_five_classes_that_a_record_cannot_tell(records, capsys):
    assert "p5; these records tell only" in said(capsys, ["ecg", "fit", "--records", str(records), "--classes", "aami"])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--models", "gruu"], "Did you mean 'gru'?"),
        (["models.gru.hiden=3"], "Did you mean 'hidden'?"),
        (["models.gru.hidden=many"], "should be a valid integer"),
        (["hidden=3"], "no such setting"),
        (["--sensitivity", "1.5"], "above 0 and up to 1"),
        (["--split", "foo"], "no such split"),
        (["--classes", "foo"], "auto, aami or v"),
        (["--lang", "xx"], "en or es"),
    ],
)
def test_options(records, tmp_path, capsys, words, part):
    assert part in said(capsys, ["ecg", "fit", "--records", str(records), "--out", str(tmp_path / "o"), *words])


def test_places_that_are_not_there(tmp_path, capsys):
    assert "no such folder" in said(capsys, ["ecg", "fit", "--records", str(tmp_path / "x")])
    assert "no records here" in said(capsys, ["ecg", "fit", "--records", str(tmp_path)])
    assert "no folder given" in said(capsys, ["ecg", "fit"])
    assert "no such run folder" in said(capsys, ["ecg", "predict", str(tmp_path / "r"), "--record", "a.hea"])


@pytest.mark.parametrize(
    ("beats", "part"),
    [
        ({"sample": [10, 10**9], "pvc": [0, 1]}, "lies outside"),
        ({"sample": [10, 20], "pvc": [0, 2]}, "only 0 and 1"),
        ({"sample": [10, 20], "symbol": ["N", "%"]}, "not an annotation symbol"),
        ({"when": [10], "pvc": [1]}, "needs columns sample"),
    ],
)
def test_tables_of_beats(tmp_path, capsys, beats, part):
    x, _, _ = make_ecg(1, seconds=20)
    pd.DataFrame({"mV": x}).to_csv(tmp_path / "a_signal.csv", index=False)
    pd.DataFrame(beats).to_csv(tmp_path / "a_beats.csv", index=False)
    assert part in said(capsys, ["ecg", "fit", "--records", str(tmp_path), "--fs", "250"])


@pytest.mark.parametrize(
    ("change", "words", "part"),
    [
        (lambda t: t, ["--item", "patiant"], "Did you mean 'patient'?"),
        (lambda t: t, ["--label", "outcom"], "Did you mean 'outcome'?"),
        (lambda t: t.assign(outcome="well"), [], "only class 'well'"),
        (lambda t: t.assign(outcome=None), [], "without a label"),
        (lambda t: t.assign(date=["soon", *t["date"][1:]]), [], "'soon'; not a time"),
        (lambda t: t.assign(patient=[None, *t["patient"][1:]]), [], "an item without a name"),
        (lambda t: t.assign(hospital=[f"h{k}" for k in range(len(t))]), ["--group", "hospital"], "the group changes"),
        (lambda t: t.assign(hospital="h"), ["--group", "hospital"], "at least two are needed"),
        (lambda t: t.assign(outcome=[str(k) for k in range(len(t))]), [], "at most 50 classes"),
        (lambda t: t.iloc[:0], [], "no rows"),
        (lambda t: t, ["--ahead", "100000"], "no sequence is left"),
    ],
)
def test_tables_of_visits(tmp_path, capsys, change, words, part):
    path = tmp_path / "v.csv"
    (change(make_visits(24))).to_csv(path, index=False)
    base = ["classify", "fit", "--data", str(path), "--item", "patient", "--time", "date", "--label", "outcome"]
    assert part in said(capsys, [*base, "--out", str(tmp_path / "o"), "--models", "majority", *words])


def test_beats_of_unequal_length(tmp_path, capsys):
    (tmp_path / "w.csv").write_text("label,t000,t001,t002,t003\n1,1,2,3,4\n2,1,2,3,\n")
    line = said(capsys, ["classify", "fit", "--data", str(tmp_path / "w.csv"), "--label", "label"])
    assert "line 3: 3 of 4 steps; sequences are of unequal length" in line
