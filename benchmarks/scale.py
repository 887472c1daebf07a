"""What one row, one series and one step cost, in seconds of processor: the figures behind docs/scale.md.

    python benchmarks/scale.py                     # rows in results/scale.csv

Processor time of one thread, imports done, so that other work on the machine hardly counts. Daily series of 400 rows with a week, 7
steps ahead; the network is ``gru`` as ``fit`` trains it.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "scale.csv"
ROWS, HORIZON = 400, 7


def write(path: Path, n_items: int) -> None:
    """A panel sorted by day, as exports are."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    rng = np.random.default_rng(0)
    days = np.datetime64("2022-01-03", "D") + np.arange(ROWS)
    level, week = rng.uniform(20, 200, n_items), np.sin(2 * np.pi * np.arange(ROWS) / 7)
    y = level * (1 + 0.2 * week[:, None]) + rng.normal(0, 3, (ROWS, n_items))
    names = np.array([f"s{i:07d}" for i in range(n_items)])
    table = {"item": np.tile(names, ROWS), "date": np.repeat(days, n_items), "y": y.ravel().round(2)}
    arrow_csv.write_csv(pa.table(table), path)


def used(work: Callable[[], object]) -> float:
    """Seconds of processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    import torch

    from forecastkit.forecasting.backtest import backtest_model, forecast_from_ends
    from forecastkit.forecasting.protocol import FitContext
    from forecastkit.forecasting.splits import EvalPlan, make_folds
    from forecastkit.parallel import Workers
    from forecastkit.reading import ReadOptions, read
    from forecastkit.registry import create_model

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=5000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[tuple[str, float]] = []

    def add(what: str, micros: float) -> None:
        rows.append((what, micros))
        print(f"{what:<44} {micros:12.2f} us", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panel.csv"
        write(path, 50)
        read(path, ReadOptions())
        write(path, args.series)
        n_rows = args.series * ROWS
        add("read a row of CSV", 1e6 * used(lambda: read(path, ReadOptions())) / n_rows)
        frame = read(path, ReadOptions()).frame
    for name, n in (("seasonal_naive", args.series), ("theta", 40), ("auto_ets", 12), ("auto_arima", 4)):
        model, part = create_model(name), frame.select(frame.items[:n])
        folds = make_folds(part, EvalPlan(horizon=HORIZON, n_report=1, n_select=0, n_calibrate=0))
        context = FitContext(workers=Workers(1))

        def run(model=model, part=part, folds=folds, context=context, name=name) -> None:
            done = backtest_model(name, model, part, folds.all, folds.plan, context=context)
            if done.error:
                raise SystemExit(f"{name}: {done.error}")

        if n < args.series:
            run(part=frame.select(frame.items[:1]))  # compilation
        add(f"fit and forecast a series, {name}", 1e6 * used(run) / n)
    marks: list[tuple[float, int]] = []
    steps = 40
    model = create_model("gru", max_steps=steps, val_every=steps)
    fitted = model.fit(
        frame.select(frame.items[:500]), horizon=HORIZON,
        context=FitContext(n_steps=steps, progress=lambda done, total, note: marks.append((time.process_time(), done))),
    )  # fmt: skip
    (first, before), (last, after) = marks[0], marks[-1]
    add("train a step of 128 windows, gru", 1e6 * (last - first) / (after - before))
    forecast_from_ends(fitted, frame, HORIZON)
    add("forecast a series, gru", 1e6 * used(lambda: forecast_from_ends(fitted, frame, HORIZON)) / args.series)
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["date", "what", "cpu_microseconds", "series", "machine"])
        writer.writerows(
            [dt.date.today().isoformat(), what, f"{micros:.3g}", args.series, platform.machine()]
            for what, micros in rows
        )


if __name__ == "__main__":
    main()
