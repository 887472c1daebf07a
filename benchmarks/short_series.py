"""Many short series: 500 monthly series of 12 points, 3 ahead, and the 414 of M4 Hourly as 12 daily totals.

One global network, the plain rules, and ``fallback``, which takes the better of them series by series. The monthly series are
simulated: launches that level off alike, random walks that nothing can learn, and both together. The daily totals are real
(m4_hourly_train.csv in $FORECASTKIT_DATA/benchmark; left out where it is not there). Errors are MASE against the mean change from
row to row before the cutoff, averaged over series.

    python benchmarks/short_series.py
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from forecastkit import registry, runtime
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame

HERE = Path(__file__).resolve().parent
ROWS, AHEAD = 12, 3
MODELS = ("naive", "seasonal_naive", "theta", "ridge", "nlinear", "gru", "fallback")


def panel(kind: str, n: int, seed: int = 0) -> SeriesFrame:
    """``n`` series of 12 months and the 3 after them: ``launch``, ``walk``, or ``both`` (half and half)."""
    rng = np.random.default_rng(seed)
    t = np.arange(ROWS + AHEAD)
    values = []
    for i in range(n):
        level = np.exp(rng.normal(4, 1))
        if kind == "launch" or (kind == "both" and i % 2):
            values.append(
                level * (1 - np.exp(-rng.uniform(0.5, 1.5) * (t + 1) / 6)) * np.exp(rng.normal(0, 0.03, len(t)))
            )
        else:
            values.append(level * np.exp(rng.normal(0, 0.1, len(t)).cumsum()))
    return frame_of(np.array(values), pd.date_range("2023-01-01", periods=len(t), freq="MS"), "MS", 12)


def frame_of(values: np.ndarray, index: pd.DatetimeIndex, freq: str, season: int) -> SeriesFrame:
    parts = [pd.DataFrame({"item_id": f"s{i:04d}", "timestamp": index, "target": y}) for i, y in enumerate(values)]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar(freq, index), season_length=season)


def daily_totals() -> SeriesFrame | None:
    path = Path(os.environ.get("FORECASTKIT_DATA", "")) / "benchmark" / "m4_hourly_train.csv"
    if not path.exists():
        return None
    with path.open() as file:
        rows = list(csv.reader(file))[1:]
    hours = [np.array([float(v) for v in row[1:] if v not in ("", "NA")]) for row in rows]
    n = 24 * (ROWS + AHEAD)
    values = np.array([y[:n].reshape(-1, 24).sum(axis=1) for y in hours])
    return frame_of(values, pd.date_range("2000-01-03", periods=ROWS + AHEAD, freq="D"), "D", 7)


def mase(frame: SeriesFrame, points: np.ndarray) -> float:
    y = np.stack([frame.store.series(i) for i in range(len(frame.items))])
    scale = np.abs(np.diff(y[:, :ROWS], axis=1)).mean(axis=1)
    some = scale > 0
    return float((np.abs(points - y[:, ROWS:]).mean(axis=1)[some] / scale[some]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    sets = {kind: panel(kind, args.series) for kind in ("launch", "walk", "both")}
    real = daily_totals()
    rows = []
    for kind, frame in {**sets, **({"m4 daily totals": real} if real is not None else {})}.items():
        for name in MODELS:
            started = time.perf_counter()
            with runtime.threads(1):
                fitted = registry.create_model(name).fit(
                    frame.upto(ROWS - 1), horizon=AHEAD, context=FitContext(seed=args.seed)
                )
                error = mase(frame, fitted.predict_at(frame, np.array([ROWS - 1]))[0])
            seconds = time.perf_counter() - started
            note = str(fitted.info.get("note", ""))
            print(
                f"{kind:<16} {len(frame.items)} series  {name:<15} MASE {error:.4f}  {seconds:6.1f} s  {note}",
                flush=True,
            )
            rows.append(
                [dt.date.today().isoformat(), kind, len(frame.items), name, f"{error:.4f}", f"{seconds:.1f}", note]
            )
    if args.no_write:
        return
    with (HERE / "results" / "short_series.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["date", "set", "series", "model", "mase", "seconds", "note"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
