"""What a default run recommends, beside what was best in the test, and whether anything is called better without proof.

    python benchmarks/recommendations.py                # the sets that come with forecastkit, the classics, stocks
    python benchmarks/recommendations.py prices "gafa_stock, 10 days"

``use`` was chosen on select folds, ``best`` has the lowest MASE on report folds, which nobody knew when the choice was made. ``better``
counts models that the leaderboard calls better than the naive rule (p below 0.05 after Holm, or in the one test that was chosen
beforehand).
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import tempfile
import time
from pathlib import Path

import numpy as np
from sets import CLASSIC, EMBEDDED, LARGE, STOCKS, values_of

HERE = Path(__file__).resolve().parent
COLUMNS = [
    "date", "set", "n_folds", "n_select", "use", "family", "mase", "word", "p_value", "reference", "best", "best_mase",
    "best_statistical", "statistical_mase", "best_network", "network_mase", "better", "wrongly_better", "seconds",
]  # fmt: skip
KINDS = {"statistical": ("baseline", "statistical"), "network": ("network",)}


def row_of(name: str) -> list[object]:
    from forecastkit.config import load_config
    from forecastkit.run.execute import execute

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = execute(load_config(None, values=values_of(name)), out=Path(folder) / "run", final=False)
    evaluation = outcome.evaluation
    if evaluation is None:
        raise SystemExit(f"{name}: no evaluation")
    v, board = evaluation.verdict, evaluation.leaderboard
    ok = board[board["status"] == "ok"].set_index("model")
    best = str(ok["mase"].idxmin())
    cells: list[object] = [dt.date.today().isoformat(), name, v.n_report_folds, len(evaluation.folds.select), v.use]
    cells += [
        ok.loc[v.use, "family"],
        f"{ok.loc[v.use, 'mase']:.4f}",
        v.word,
        "" if v.p_value is None else f"{v.p_value:.4f}",
    ]
    cells += [v.reference, best, f"{ok.loc[best, 'mase']:.4f}"]
    for families in KINDS.values():
        own = ok[ok["family"].isin(families)]["mase"]
        cells += [str(own.idxmin()), f"{own.min():.4f}"] if len(own) else ["", ""]
    better = ok[ok["word"] == "better"]
    p = np.where(better.index == v.tested, better["p_value"], better["p_holm"])
    cells += [len(better), int((~(p < 0.05)).sum()), f"{time.perf_counter() - started:.1f}"]
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    path = HERE / "results" / "recommendations.csv"
    for name in args.sets or [*EMBEDDED, *CLASSIC, *STOCKS, *LARGE]:
        row = row_of(name)
        said = dict(zip(COLUMNS, row))
        print(
            f"{name:<22} use {said['use']:<15} {said['mase']:>8}  {said['word']:<18} best {said['best']:<15} {said['best_mase']:>8}  "
            f"statistical {said['best_statistical']} {said['statistical_mase']}, network {said['best_network']} "
            f"{said['network_mase']}; better {said['better']}, wrongly {said['wrongly_better']}; {said['seconds']} s",
            flush=True,
        )
        if args.no_write:
            continue
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if fresh:
                writer.writerow(COLUMNS)
            writer.writerow(row)


if __name__ == "__main__":
    main()
