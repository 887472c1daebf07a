"""ETTh1, 96 steps, the standard split, every test window (stride 1), scaled by the training rows.

Data: ETTh1.csv of zhouhaoyi/ETDataset (CC BY-ND 4.0; Zhou et al. 2021, Informer) in $FORECASTKIT_DATA/benchmark. Rows 0-8,639 train,
8,640-11,519 validate, 11,520-14,399 test. Networks are fitted on the first two parts and stop early on the tail of them; options
are chosen with --validate, which fits on the first part and scores the second. All channels are series of one global model.

    python benchmarks/etth1.py --validate gru hidden=32
    python benchmarks/etth1.py gru lstm lags
    python benchmarks/etth1.py --channels all segrnn loss=mse
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
OIL = ("OT",)
ALL = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")


def channels(names: tuple[str, ...]) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """[rows, channels] and their times."""
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds benchmark/ETTh1.csv")
    table = pd.read_csv(Path(root) / "benchmark" / "ETTh1.csv", nrows=TEST)
    return table[list(names)].to_numpy(np.float64), pd.DatetimeIndex(table["date"])


def lags(z: np.ndarray, end: int, at: np.ndarray, n: int = 336) -> np.ndarray:
    """Linear in the last ``n`` values minus the last one (scikit-learn's Ridge), fitted on rows before ``end``."""
    from sklearn.linear_model import Ridge

    windows = np.lib.stride_tricks.sliding_window_view(z[:end], n + H)
    last = windows[:, n - 1 : n]
    model = Ridge(alpha=100.0).fit(windows[:, :n] - last, windows[:, n:] - last)
    past = np.stack([z[c - n + 1 : c + 1] for c in at])
    return model.predict(past - past[:, -1:]) + past[:, -1:]


def frame_of(z: np.ndarray, index: pd.DatetimeIndex, names: tuple[str, ...]):
    from forecastkit.forecasting.calendar import Calendar
    from forecastkit.forecasting.schema import SeriesFrame

    parts = [
        pd.DataFrame({"item_id": n, "timestamp": index, "target": z[:, k]})
        for k, n in sorted(enumerate(names), key=lambda p: p[1])
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("h", index), season_length=24)


def fitted(name: str, z, index, names, end: int, at: np.ndarray, options: dict, seed: int):
    """Forecasts [windows, channels, H] and facts of a model of forecastkit."""
    from forecastkit import registry, runtime
    from forecastkit.forecasting.protocol import FitContext

    frame = frame_of(z, index, names)
    model = registry.create_model(name, **options)
    with runtime.threads(None if getattr(model, "is_large", False) else 1):
        one = model.fit(frame.upto(end - 1), horizon=H, context=FitContext(seed=seed))
        points = one.predict_at(frame, at)
    return points[:, [frame.items.index(n) for n in names]], one.info


def forecast(name: str, z, index, names, end: int, at: np.ndarray, options: dict, seed: int):
    """Rules and the plain ridge regression by hand, everything else from the registry."""
    if name == "naive":
        return np.repeat(z[at][:, :, None], H, axis=2), {}
    if name == "seasonal_naive":
        return np.stack([np.tile(z[c - 23 : c + 1].T, H // 24) for c in at]), {}
    if name == "lags":
        return np.stack([lags(z[:, k], end, at) for k in range(z.shape[1])], axis=1), {}
    return fitted(name, z, index, names, end, at, options, seed)


def run(name: str, options: dict, which: str, part: str, seeds: list[int]) -> dict:
    names = ALL if which == "all" else OIL
    y, index = channels(names)
    z = (y - y[:TRAIN].mean(0)) / y[:TRAIN].std(0)
    end, last = (TRAIN, VALID) if part == "validation" else (VALID, TEST)
    at = np.arange(end - 1, last - H)
    answer = np.stack([z[c + 1 : c + 1 + H].T for c in at])
    started = time.perf_counter()
    found = [forecast(name, z, index, names, end, at, options, seed) for seed in seeds]
    seconds = time.perf_counter() - started
    mean = np.mean([points for points, _ in found], axis=0)
    mse, mae = float(((mean - answer) ** 2).mean()), float(np.abs(mean - answer).mean())
    steps = " ".join(str(info.get("best_step", "")) for _, info in found)
    print(f"{name:<15} {which:<4} {part:<11} MSE {mse:.4f}  MAE {mae:.4f}  {seconds:7.1f} s  {steps}", flush=True)
    return {"mse": mse, "mae": mae, "seconds": seconds}


def main() -> None:
    import yaml

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="fit on the first part, score the second")
    parser.add_argument("--channels", choices=("oil", "all"), default="oil")
    parser.add_argument("--seeds", type=int, default=1, help="networks whose mean is the forecast")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("words", nargs="+", help="models, then options of the models as hidden=32")
    args = parser.parse_args()
    names = [w for w in args.words if "=" not in w]
    given = [w for w in args.words if "=" in w]
    options = {k: yaml.safe_load(v) for k, v in (w.split("=", 1) for w in given)}
    rows = []
    for name in names:
        part = "validation" if args.validate else "test"
        found = run(name, options, args.channels, part, list(range(args.seed, args.seed + args.seeds)))
        numbers = [f"{found['mse']:.4f}", f"{found['mae']:.4f}", f"{found['seconds']:.1f}"]
        seeds = str(args.seed) if args.seeds == 1 else f"{args.seed}-{args.seed + args.seeds - 1}"
        rows.append([dt.date.today().isoformat(), args.channels, name, " ".join(given), seeds, part, *numbers])
    if args.no_write:
        return
    out = HERE / "results" / "etth1.csv"
    fresh = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(["date", "channels", "model", "options", "seed", "part", "mse", "mae", "seconds"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
