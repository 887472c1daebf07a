"""Statistical baselines over series and folds: one process against one a core, in turn on one machine.

    python benchmarks/parallel_speed.py                # rows in results/parallel_speed.csv
    python benchmarks/parallel_speed.py --series 40 --models theta

A backtest with a refit at every fifth fold; the clock runs from the first fit to the last forecast, with the start of the
worker processes in it for the first model, and forecasts must agree to the bit.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
RESULTS = HERE / "results" / "parallel_speed.csv"


def panel(n_items: int, n_rows: int):
    from forecastkit.forecasting.calendar import Calendar
    from forecastkit.forecasting.schema import SeriesFrame

    rng, t = np.random.default_rng(0), np.arange(n_rows)
    index = pd.date_range("2022-01-03", periods=n_rows, freq="D")
    parts = []
    for i in range(n_items):
        level = 50 + rng.normal(0, 0.5, n_rows).cumsum()
        y = level + rng.uniform(1, 8) * np.sin(2 * np.pi * (t + i) / 7) + rng.normal(0, 2, n_rows)
        parts.append(pd.DataFrame({"item_id": f"s{i:03d}", "timestamp": index, "target": y}))
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", index), season_length=7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=60)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--models", nargs="+", default=["auto_arima", "auto_ets", "theta", "arima"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    from forecastkit.forecasting.backtest import backtest_model
    from forecastkit.forecasting.protocol import FitContext
    from forecastkit.forecasting.splits import EvalPlan, make_folds
    from forecastkit.parallel import Workers
    from forecastkit.registry import create_model

    frame = panel(options.series, options.rows)
    folds = make_folds(frame, EvalPlan(horizon=10, refit=5, n_report=10, n_select=0, n_calibrate=0))

    def run(name: str, workers: Workers) -> tuple[float, np.ndarray]:
        began = time.perf_counter()
        context = FitContext(workers=workers)
        done = backtest_model(name, create_model(name), frame, folds.all, folds.plan, context=context)
        if done.error:
            raise SystemExit(f"{name}: {done.error}")
        return time.perf_counter() - began, done.points

    run("theta", Workers(1))  # imports and compilation
    rows = []
    for name in options.models:
        one, points = run(name, Workers(1))
        many, again = run(name, Workers(options.jobs))
        if points.tobytes() != again.tobytes():
            raise SystemExit(f"{name}: other forecasts with {options.jobs} processes")
        rows.append([name, one, many])
        print(f"{name:<12} {one:8.1f} s {many:8.1f} s {one / many:6.2f}", flush=True)
    rows.append(["all", sum(r[1] for r in rows), sum(r[2] for r in rows)])
    print(f"{'all':<12} {rows[-1][1]:8.1f} s {rows[-1][2]:8.1f} s {rows[-1][1] / rows[-1][2]:6.2f}")
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(
                ["date", "model", "series", "folds", "processes", "seconds_one", "seconds", "ratio", "cores", "machine"]
            )
        for name, one, many in rows:
            facts = [options.series, len(folds.all), options.jobs, f"{one:.2f}", f"{many:.2f}", f"{one / many:.2f}"]
            writer.writerow([dt.date.today().isoformat(), name, *facts, os.cpu_count(), platform.machine()])


if __name__ == "__main__":
    main()
