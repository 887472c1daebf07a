"""Atrial fibrillation in 10 s of lead II, whole patients kept apart, several ways of dealing them to folds.

Data: lead_ii_500hz_uV.csv.gz (a column a patient) and labels.csv in $FORECASTKIT_DATA/ecg/ludb. LUDB 1.0.1, ODC-By 1.0;
Kalyakulina et al. 2020, doi:10.1109/ACCESS.2020.3029211.

    python benchmarks/ecg_ludb_rhythm.py --models gru --seeds 3

Appends rows to results/ecg_ludb_rhythm.csv: patients found of those with fibrillation, and specificity. A seed deals the
patients to five folds and starts the networks.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import tempfile
from pathlib import Path

from rows import append_named

HERE = Path(__file__).resolve().parent
RARE = "Atrial fibrillation"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="gru")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    arguments = parser.parse_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds ecg/ludb")
    from forecastkit.run.sequences.tasks import run_ecg

    models = {name: {} for name in arguments.models.split(",")}
    rows = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        settings = {"records": f"{root}/ecg/ludb", "task": "rhythm", "classes": RARE, "models": models, "seed": seed}
        with tempfile.TemporaryDirectory() as place:
            run = run_ecg(settings, out=Path(place) / "run")
            board, verdict, found = run.table("leaderboard.csv"), run.json("verdict.json"), run.json("diagnostics.json")
        print(" ".join(verdict["sentence"]["en"]))
        for name, scores in zip(board["model"], board.to_dict("records")):
            (_, alarms), (missed, hit) = found["models"][name]["confusion"]
            row = {"model": name, "seed": seed, "found": hit, "of": hit + missed, "false_alarms": alarms}
            row |= {key: round(scores[key], 5) for key in ("specificity", "f1", "f1_select", "roc_auc", "seconds_fit")}
            row |= {"use": verdict["use"], "word": verdict["word"]}
            rows.append({**row, "date": dt.date.today().isoformat(), "python": platform.python_version()})
            print(row)
    append_named("ecg_ludb_rhythm.csv", rows)


if __name__ == "__main__":
    main()
