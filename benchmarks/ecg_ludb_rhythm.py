"""Atrial fibrillation in 10 s of lead II, nine folds of whole patients.

Data: lead_ii_500hz_uV.csv.gz (a column a patient) and labels.csv in $FORECASTKIT_DATA/ecg/ludb. LUDB 1.0.1, ODC-By 1.0;
Kalyakulina et al. 2020, doi:10.1109/ACCESS.2020.3029211.

    python benchmarks/ecg_ludb_rhythm.py

Appends rows to results/ecg_ludb_rhythm.csv: patients found of those with fibrillation, and specificity.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import platform
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SHORT = {"convolutions": 0, "shift": 0, "noise": 0.1, "scale": 0.0, "dropout": 0.2}


def main() -> None:
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds ecg/ludb")
    import pandas as pd

    from forecastkit.classification.evaluation import evaluate, judge
    from forecastkit.classification.records import Record
    from forecastkit.classification.rhythm import rhythm_sequences
    from forecastkit.classification.splits import group_folds

    folder = Path(root) / "ecg" / "ludb"
    signals = pd.read_csv(folder / "lead_ii_500hz_uV.csv.gz")
    rhythm = pd.read_csv(folder / "labels.csv", keep_default_na=False).set_index("patient")["rhythm"]
    records = [Record(name, 500.0, signals[name].to_numpy(float) / 1000) for name in signals]
    labels = ["AF" if rhythm[r.name].startswith("Atrial fibrillation") else "other" for r in records]
    data = rhythm_sequences(records, labels, ("other", "AF"), rare="AF")
    models = {"majority": {}, "logistic_rr": {}, "logistic": {}, "boosting": {}, "gru": SHORT}
    rows = []
    for seed in (1, 2, 3):
        out = evaluate(data, models, group_folds(data.groups, data.labels, 9, seed=seed), seed=seed)
        for sentence in judge(out)["sentence"]["en"]:
            print(sentence)
        for name in models:
            matrix = out.matrix(name)
            rows.append(
                {
                    "model": name, "seed": seed, "found": int(matrix[1, 1]), "of": int(matrix[1].sum()),
                    "specificity": round(float(matrix[0, 0] / matrix[0].sum()), 5), "false_alarms": int(matrix[0, 1]),
                    "date": dt.date.today().isoformat(), "python": platform.python_version(), "numpy": np.__version__,
                }
            )  # fmt: skip
            print(rows[-1])
    path = HERE / "results" / "ecg_ludb_rhythm.csv"
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
