"""ETTh1, oil temperature alone, 96 steps, the standard split, every test window (stride 1), scaled by the training rows.

Data: ETTh1.csv of zhouhaoyi/ETDataset (CC BY-ND 4.0; Zhou et al. 2021, Informer) in $FORECASTKIT_DATA/benchmark. Rows 0-8,639 train,
8,640-11,519 validate, 11,520-14,399 test. Networks are fitted on the first two parts and stop early on the tail of them; options
are chosen with --validate, which fits on the first part and scores the second.

    python benchmarks/etth1.py --validate gru hidden=32
    python benchmarks/etth1.py gru lstm ridge
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

HERE = Path(__file__).resolve().parent
H, TRAIN, VALID, TEST = 96, 8640, 11520, 14400


def oil() -> tuple[np.ndarray, pd.DatetimeIndex]:
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds benchmark/ETTh1.csv")
    table = pd.read_csv(Path(root) / "benchmark" / "ETTh1.csv", nrows=TEST)
    return table["OT"].to_numpy(), pd.DatetimeIndex(table["date"])


def ridge(z: np.ndarray, end: int, at: np.ndarray, lags: int = 336) -> np.ndarray:
    """Linear in the last ``lags`` values minus the last one (scikit-learn), fitted on rows before ``end``."""
    from sklearn.linear_model import Ridge

    windows = np.lib.stride_tricks.sliding_window_view(z[:end], lags + H)
    last = windows[:, lags - 1 : lags]
    model = Ridge(alpha=100.0).fit(windows[:, :lags] - last, windows[:, lags:] - last)
    past = np.stack([z[c - lags + 1 : c + 1] for c in at])
    return model.predict(past - past[:, -1:]) + past[:, -1:]


def network(name: str, y: np.ndarray, index: pd.DatetimeIndex, end: int, at: np.ndarray, options: dict, seed: int):
    from forecastkit import registry, runtime
    from forecastkit.forecasting.calendar import Calendar
    from forecastkit.forecasting.protocol import FitContext
    from forecastkit.forecasting.schema import SeriesFrame

    data = pd.DataFrame({"item_id": "OT", "timestamp": index, "target": y})
    frame = SeriesFrame(data, Calendar("h", index), season_length=24)
    model = registry.create_model(name, **options)
    with runtime.threads(None if getattr(model, "is_large", False) else 1):
        fitted = model.fit(frame.upto(end - 1), horizon=H, context=FitContext(seed=seed))
        return fitted.predict_at(frame, at)[:, 0], fitted.info


def main() -> None:
    import yaml

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="fit on the first part, score the second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("words", nargs="+", help="models, then options of the networks as hidden=32")
    args = parser.parse_args()
    names = [w for w in args.words if "=" not in w]
    given = [w for w in args.words if "=" in w]
    options = {k: yaml.safe_load(v) for k, v in (w.split("=", 1) for w in given)}
    y, index = oil()
    mean, spread = y[:TRAIN].mean(), y[:TRAIN].std()
    z = (y - mean) / spread
    end, last = (TRAIN, VALID) if args.validate else (VALID, TEST)
    at = np.arange(end - 1, last - H)
    answer = np.stack([z[c + 1 : c + 1 + H] for c in at])
    rows = []
    for name in names:
        started, info = time.perf_counter(), {}
        if name == "naive":
            forecast = np.repeat(z[at][:, None], H, axis=1)
        elif name == "seasonal_naive":
            forecast = np.stack([np.tile(z[c - 23 : c + 1], H // 24) for c in at])
        elif name == "ridge":
            forecast = ridge(z, end, at)
        else:
            points, info = network(name, y, index, end, at, options, args.seed)
            forecast = (points - mean) / spread
        seconds = time.perf_counter() - started
        mse, mae = float(((forecast - answer) ** 2).mean()), float(np.abs(forecast - answer).mean())
        part = "validation" if args.validate else "test"
        print(
            f"{name:<15} {part:<11} MSE {mse:.4f}  MAE {mae:.4f}  {seconds:7.1f} s  {info.get('best_step', '')}",
            flush=True,
        )
        rows.append(
            [
                dt.date.today().isoformat(),
                name,
                " ".join(given),
                args.seed,
                part,
                f"{mse:.4f}",
                f"{mae:.4f}",
                f"{seconds:.1f}",
            ]
        )
    if args.no_write:
        return
    out = HERE / "results" / "etth1.csv"
    fresh = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(["date", "model", "options", "seed", "part", "mse", "mae", "seconds"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
