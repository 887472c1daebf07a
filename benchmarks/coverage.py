"""Do 80 and 95 % intervals hold as many answers as they say? Every model, every set, over report folds.

    python benchmarks/coverage.py                      # all sets
    python benchmarks/coverage.py "M4 Hourly" prices   # some

Each set is run once with the defaults (backtest only); from the same forecasts intervals are made in both ways, ``adaptive`` (the
default) and ``split`` (calibrate folds alone). ``word``: as named = the level lies in the 95 % interval of the share, which counts
origins; too narrow, too wide; too few to tell under ten origins.
"""

from __future__ import annotations

import argparse
import datetime as dt
from typing import Any

import numpy as np
from rows import append
from sets import CLASSIC, EMBEDDED, LARGE, STOCKS, run_of

OUT = "coverage.csv"
COLUMNS = [
    "date", "set", "model", "method", "source", "n_folds", "n_items", "coverage_80", "lo_80", "hi_80", "word_80", "coverage_95",
    "lo_95", "hi_95", "word_95", "wql", "width_80", "width_95", "mase",
]  # fmt: skip


def rows_of(name: str, outcome: Any) -> list[list[object]]:
    """Both ways of intervals, from the forecasts of one run; printed in short."""
    from forecastkit.forecasting.evaluation import evaluate
    from forecastkit.forecasting.leaderboard import coverages

    first = outcome.evaluation
    tests = {model: [s.backtest for s in seeds] for model, seeds in first.seeds.items()}
    models = outcome.prepared.models
    out: list[list[object]] = []
    for method in ("adaptive", "split"):
        # The ensemble is not among the prepared models; it has a forecaster of its own.
        own = {m: models.get(m) or _Ensemble() for m in tests}
        evaluation = (
            first if method == "adaptive" else evaluate(first.frame, first.folds, tests, own, intervals="split")
        )
        board = evaluation.leaderboard.set_index("model")
        for model, losses in evaluation.losses["report"].items():
            found = coverages(losses)
            if not found or not found["80"].n:
                continue
            row = board.loc[model]
            cells: list[object] = [dt.date.today().isoformat(), name, model, method, evaluation.interval_source()]
            cells += [int(row["n_folds"]), int(row["n_items"])]
            for level in ("80", "95"):
                c = found[level]
                cells += [f"{c.share:.4f}", f"{c.low:.4f}", f"{c.high:.4f}", c.word]
            cells += [f"{row[k]:.5g}" for k in ("wql", "width_80", "width_95", "mase")]
            out.append(cells)
    for method in ("adaptive", "split"):
        some = [r for r in out if r[3] == method]
        words = [r[k] for r in some for k in (10, 14)]
        held = [np.mean([float(str(r[k])) for r in some]) if some else np.nan for k in (7, 11)]
        print(
            f"{name:<22}{method:<9} 80: {held[0]:.3f}  95: {held[1]:.3f}  as named {words.count('as named')} of {len(words)}",
            flush=True,
        )
    return out


class _Ensemble:
    """What ``evaluate`` asks of a model."""

    family, complexity = "ensemble", 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    for name in args.sets or [*EMBEDDED, *STOCKS, *LARGE, *CLASSIC]:
        rows = rows_of(name, run_of(name)[0])
        if not args.no_write:
            append(OUT, COLUMNS, rows)


if __name__ == "__main__":
    main()
