"""Ventricular beats of MIT-BIH, each record tested by what was learned from the others.

Data: records 100, 102, 106, 108, 114, 116 as NAME_signal_adc200.csv.gz and NAME_beats.csv (first lead, 360 Hz) in
$FORECASTKIT_DATA/ecg/mitbih. MIT-BIH Arrhythmia Database, ODC-By 1.0; Moody and Mark 2001, doi:10.1109/51.932724.
Record 102 is paced and left out.

    python benchmarks/ecg_mitbih.py                       # gru and all baselines
    python benchmarks/ecg_mitbih.py --models gru,lstm --seed 2

Appends rows to results/ecg_mitbih.csv (scores), results/ecg_mitbih_groups.csv (each record) and
results/ecg_r_peaks.csv (the detector, beside XQRS where wfdb is installed).
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def append(name: str, rows: list[dict[str, object]]) -> None:
    path = HERE / "results" / name
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def peaks(folder: Path, stamp: dict[str, object]) -> list[dict[str, object]]:
    """Sensitivity and precision of R peaks within 75 ms."""
    from forecastkit.classification.ecg import detect_r_peaks, match_peaks
    from forecastkit.classification.records import read_records

    detectors = {"forecastkit": detect_r_peaks}
    try:
        from wfdb.processing import xqrs_detect

        detectors["wfdb_xqrs"] = lambda x, fs: np.asarray(xqrs_detect(x, fs, verbose=False))
    except ImportError:
        print("wfdb is not installed: XQRS is left out")
    rows = []
    for record in read_records(folder, fs=360.0):
        for name, detect in detectors.items():
            started = time.perf_counter()
            found = detect(record.signal, record.fs)
            spent = time.perf_counter() - started
            hit, missed, invented = match_peaks(found, record.samples, record.fs)
            row = {
                "detector": name,
                "record": record.name,
                "beats": len(record.samples),
                "missed": missed,
                "invented": invented,
            }
            row |= {"sensitivity": round(hit / (hit + missed), 5), "ppv": round(hit / (hit + invented), 5)}
            rows.append({**row, "seconds": round(spent, 2), **stamp})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default="gru")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-peaks", action="store_true")
    arguments = parser.parse_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds ecg/mitbih")
    folder = Path(root) / "ecg" / "mitbih"
    stamp: dict[str, object] = {"date": dt.date.today().isoformat(), "python": platform.python_version()}
    from forecastkit.run.classify import ClassifyOptions, fit_ecg, predict_ecg

    with tempfile.TemporaryDirectory() as place:
        options = ClassifyOptions(models={m: {} for m in arguments.models.split(",")}, seed=arguments.seed)
        run = fit_ecg(folder, options, out=Path(place) / "run", fs=360.0, tell=print)
        board, groups = run.table("leaderboard.csv"), run.table("groups.csv")
        started = time.perf_counter()
        predict_ecg(run, folder / "116_signal_adc200.csv.gz", fs=360.0, model=arguments.models.split(",")[0])
        spent = time.perf_counter() - started
        for sentence in run.json("verdict.json")["sentence"]["en"]:
            print(sentence)
    print(f"a 30-minute record read, segmented and classified in {spent:.2f} s")
    columns = [
        "model",
        "f1",
        "sensitivity",
        "ppv",
        "roc_auc",
        "pr_auc",
        "ece",
        "brier",
        "seconds_fit",
        "seconds_predict",
    ]
    rows = [
        {k: r[k] if k == "model" else round(r[k], 5) if r[k] == r[k] else "" for k in columns}
        for _, r in board.iterrows()
    ]
    append(
        "ecg_mitbih.csv", [{**r, "seed": arguments.seed, "seconds_30_minutes": round(spent, 2), **stamp} for r in rows]
    )
    kept = ["model", "group", "n", "n_rare", "found", "missed", "false_alarms", "f1"]
    rows = [{**{k: r[k] for k in kept}, "seed": arguments.seed, **stamp} for _, r in groups.iterrows()]
    append("ecg_mitbih_groups.csv", [{**r, "f1": round(r["f1"], 5) if r["f1"] == r["f1"] else ""} for r in rows])
    print(board[["model", "f1", "sensitivity", "ppv"]].to_string(index=False))
    if not arguments.no_peaks:
        append("ecg_r_peaks.csv", peaks(folder, stamp))


if __name__ == "__main__":
    main()
