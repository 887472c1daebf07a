"""Ventricular beats of MIT-BIH, each record tested by what was learned from the others; R peaks; anomalies.

Data: records 100, 102, 106, 108, 114, 116 as NAME_signal_adc200.csv.gz and NAME_beats.csv (first lead, 360 Hz) in
$FORECASTKIT_DATA/ecg/mitbih. MIT-BIH Arrhythmia Database, ODC-By 1.0; Moody and Mark 2001, doi:10.1109/51.932724.
Record 102 is paced and left out of all but the R peaks.

    python benchmarks/ecg_mitbih.py beats --models gru,lstm --seeds 3
    python benchmarks/ecg_mitbih.py beats --set warm_start=false       # a network that does not begin as the baseline
    python benchmarks/ecg_mitbih.py beats --test 116                   # one record of the five: a fifth of the time
    python benchmarks/ecg_mitbih.py peaks            # beside XQRS where wfdb is installed
    python benchmarks/ecg_mitbih.py anomalies --models gru
    python benchmarks/ecg_mitbih.py patients         # logistic regressions, by how many patients they learned from

Appends rows to results/ecg_mitbih.csv (scores), ecg_mitbih_groups.csv (each record), ecg_r_peaks.csv, ecg_anomalies.csv and
ecg_patients.csv.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rows import append_named

HERE = Path(__file__).resolve().parent
RECORDS = ("100", "106", "108", "114", "116")
"""All but 102, which is paced."""
STAMP: dict[str, Any] = {"date": dt.date.today().isoformat(), "python": platform.python_version()}


def rounded(value: Any, digits: int = 5) -> Any:
    if isinstance(value, float):
        return "" if value != value else round(value, digits)
    return value


def settings(folder: Path, task: str, models: str, seed: int, options: list[str] | None = None) -> dict[str, Any]:
    own = {key: yaml.safe_load(value) for key, value in (text.split("=", 1) for text in options or [])}
    wanted: dict[str, Any] = {name: dict(own) for name in models.split(",")}
    return {"records": str(folder), "fs": 360.0, "task": task, "models": wanted, "seed": seed}


def one_record(folder: Path, models: str, seeds: Sequence[int], options: list[str], test: str) -> None:
    """As ``beats`` does with this record: learned from the four others, every choice made among them."""
    from forecastkit.run.sequences.tasks import run_ecg

    others = ",".join(name for name in RECORDS if name != test)
    for seed in seeds:
        wanted = {**settings(folder, "beats", models, seed, options), "train": others, "test": test}
        with tempfile.TemporaryDirectory() as place:
            groups = run_ecg(wanted, out=Path(place) / "run").table("groups.csv")
        add_groups(groups, seed, options)
        print(groups.to_string(index=False))


def add_groups(groups: pd.DataFrame, seed: int, options: list[str]) -> None:
    kept = ["model", "group", "n", "n_rare", "found", "missed", "false_alarms", "f1"]
    rows = [
        {**{k: rounded(r[k]) for k in kept}, "seed": seed, "options": " ".join(options), **STAMP}
        for _, r in groups.iterrows()
    ]
    append_named("ecg_mitbih_groups.csv", rows)


def beats(folder: Path, models: str, seeds: Sequence[int], options: list[str]) -> None:
    from forecastkit.cli.progress import FitsTerminal
    from forecastkit.run.sequences.tasks import predict_ecg, run_ecg

    for seed in seeds:
        with tempfile.TemporaryDirectory() as place:
            run = run_ecg(
                settings(folder, "beats", models, seed, options), out=Path(place) / "run", watch=FitsTerminal()
            )
            board, groups, verdict = run.table("leaderboard.csv"), run.table("groups.csv"), run.json("verdict.json")
            started = time.perf_counter()
            predict_ecg(run, folder / "116_signal_adc200.csv.gz", fs=360.0, model=models.split(",")[0])
            spent = time.perf_counter() - started
        print(" ".join(verdict["sentence"]["en"]))
        print(f"a 30-minute record read, segmented and classified in {spent:.2f} s")
        columns = [
            "model", "f1", "f1_low", "f1_high", "f1_select", "sensitivity", "ppv", "roc_auc", "pr_auc", "ece", "brier", "seconds_fit", "seconds_predict",
        ]  # fmt: skip
        rows = [{k: rounded(r[k]) for k in columns} for _, r in board.iterrows()]
        more = {
            "seed": seed,
            "options": " ".join(options),
            "use": verdict["use"],
            "word": verdict["word"],
            "seconds_30_minutes": round(spent, 2),
        }
        append_named("ecg_mitbih.csv", [{**r, **more, **STAMP} for r in rows])
        add_groups(groups, seed, options)
        print(board[["model", "f1", "f1_select", "sensitivity", "ppv"]].to_string(index=False))


def peaks(folder: Path) -> None:
    """Sensitivity and precision of R peaks within 75 ms: found in the signal, with assumed ones, and by XQRS."""
    from forecastkit.classification.records import read_records
    from forecastkit.classification.rpeaks import detect_r_peaks, find_beats, match_peaks

    detectors = {"forecastkit": lambda x, fs: find_beats(x, fs).samples, "forecastkit, signal only": detect_r_peaks}
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
            rows.append({**row, "seconds": round(spent, 2), **STAMP})
            print(row)
    append_named("ecg_r_peaks.csv", rows)


def anomalies(folder: Path, models: str, seeds: Sequence[int]) -> None:
    from forecastkit.run.sequences.tasks import run_ecg

    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as place:
            run = run_ecg(settings(folder, "anomaly", models, seed), out=Path(place) / "run")
            board = run.table("leaderboard.csv")
            print(" ".join(run.json("verdict.json")["sentence"]["en"]))
        kept = ["model", "false_alarms", "found", "roc_auc", "seconds"]
        rows += [{**{k: rounded(r[k]) for k in kept}, "seed": seed, **STAMP} for _, r in board.iterrows()]
    append_named("ecg_anomalies.csv", rows)


def patients(folder: Path) -> None:
    """Pooled F1 of V on all patients that were not learned from, over all choices of two, three and four patients."""
    from forecastkit.classification.beats import read_beats
    from forecastkit.classification.models import create_classifier
    from forecastkit.probabilities import confusion, f1_of

    data = read_beats(folder, fs=360.0).data
    names = list(dict.fromkeys(data.groups.tolist()))
    rows = []
    for n in range(2, len(names)):
        for name in ("logistic_rr", "logistic", "boosting"):
            total = np.zeros((2, 2), np.int64)
            for chosen in combinations(names, n):
                inside = np.isin(data.groups, chosen)
                test = data.take(~inside)
                said = create_classifier(name).fit(data.take(inside)).predict(test).argmax(axis=1)
                total += confusion(test.labels, said, 2)
            rows.append({"patients": n, "model": name, "f1": round(f1_of(total, 1), 4), **STAMP})
            print(rows[-1])
    append_named("ecg_patients.csv", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["beats", "peaks", "anomalies", "patients"])
    parser.add_argument("--models", default="gru")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--set", nargs="*", default=[], help="options of the networks, such as hidden=64")
    parser.add_argument("--test", choices=RECORDS, help="beats: this record alone is tested")
    arguments = parser.parse_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds ecg/mitbih")
    folder = Path(root) / "ecg" / "mitbih"
    pd.set_option("display.width", 160)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.what == "beats" and arguments.test:
        one_record(folder, arguments.models, seeds, arguments.set, arguments.test)
    elif arguments.what == "beats":
        beats(folder, arguments.models, seeds, arguments.set)
    elif arguments.what == "peaks":
        peaks(folder)
    elif arguments.what == "anomalies":
        anomalies(folder, arguments.models, seeds)
    else:
        patients(folder)


if __name__ == "__main__":
    main()
