"""ETTh1, 96 steps, the standard split, every test window (stride 1), scaled by the training rows.

Data: ETTh1.csv of zhouhaoyi/ETDataset (CC BY-ND 4.0; Zhou et al. 2021, Informer) in $FORECASTKIT_DATA/benchmark. Rows 0-8,639 train,
8,640-11,519 validate, 11,520-14,399 test. For the test, models are fitted on the first two parts and stop early on the tail of
them. Options are chosen with --validate, which scores the second part after fitting on the first, and the last third of the first
after fitting on the rest of it. All channels are series of one global model.

    python benchmarks/etth1.py --validate gru hidden=32
    python benchmarks/etth1.py gru lstm lags
    python benchmarks/etth1.py --channels all segrnn loss=mse
    python benchmarks/etth1.py --mean gru gru:ridge=true lr=0.0002      # each, and the mean of their forecasts
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rows import append

HERE = Path(__file__).resolve().parent
H, TRAIN, VALID, TEST = 96, 8640, 11520, 14400
PARTS = {"inner": (5760, TRAIN), "validation": (TRAIN, VALID), "test": (VALID, TEST)}
"""Rows that a part is fitted on end with the first number, those that it scores with the second."""
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


class Part:
    """The windows of one part, and what is measured over them."""

    def __init__(self, which: str, part: str) -> None:
        self.which, self.part, self.names = which, part, ALL if which == "all" else OIL
        y, self.index = channels(self.names)
        self.z = (y - y[:TRAIN].mean(0)) / y[:TRAIN].std(0)
        self.end, last = PARTS[part]
        self.at = np.arange(self.end - 1, last - H)
        self.answer = np.stack([self.z[c + 1 : c + 1 + H].T for c in self.at])

    def forecast(self, name: str, options: dict, seeds: list[int]) -> tuple[np.ndarray, float, str]:
        """(mean of the seeds' forecasts, seconds, best steps)."""
        started = time.perf_counter()
        found = [forecast(name, self.z, self.index, self.names, self.end, self.at, options, seed) for seed in seeds]
        steps = " ".join(str(info.get("best_step", "")) for _, info in found)
        return np.mean([points for points, _ in found], axis=0), time.perf_counter() - started, steps

    def measured(self, name: str, points: np.ndarray, seconds: float, steps: str = "") -> list[str]:
        """MSE, MAE and seconds, printed."""
        mse, mae = float(((points - self.answer) ** 2).mean()), float(np.abs(points - self.answer).mean())
        said = f"{name:<16} {self.which:<4} {self.part:<11} MSE {mse:.4f}  MAE {mae:.4f}  {seconds:7.1f} s  {steps}"
        print(said, flush=True)
        return [f"{mse:.4f}", f"{mae:.4f}", f"{seconds:.1f}"]


def options_of(words: list[str]) -> dict:
    import yaml

    return {k: yaml.safe_load(v) for k, v in (w.split("=", 1) for w in words)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--validate", action="store_true", help="score the two parts before the test")
    parser.add_argument("--channels", choices=("oil", "all"), default="oil")
    parser.add_argument("--seeds", type=int, default=1, help="networks whose mean is the forecast")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--mean", action="store_true", help="also the mean of the forecasts of all models named")
    parser.add_argument(
        "words", nargs="+", help="models (own options as gru:ridge=true), then options of all as hidden=32"
    )
    args = parser.parse_args()
    names = [w for w in args.words if "=" not in w.split(":")[0]]
    common = [w for w in args.words if w not in names]
    seeds = list(range(args.seed, args.seed + args.seeds))
    said = str(args.seed) if args.seeds == 1 else f"{args.seed}-{seeds[-1]}"
    rows = []
    for which in ("inner", "validation") if args.validate else ("test",):
        part, all_points, all_seconds = Part(args.channels, which), [], 0.0
        head = [dt.date.today().isoformat(), args.channels]
        for word in names:
            name, *own = word.split(":")
            points, seconds, steps = part.forecast(name, options_of([*common, *own]), seeds)
            all_points.append(points)
            all_seconds += seconds
            rows.append(
                [*head, name, " ".join([*common, *own]), said, which, *part.measured(word, points, seconds, steps)]
            )
        if args.mean:
            name = f"mean of {' and '.join(names)}"
            found = part.measured(name, np.mean(all_points, axis=0), all_seconds)
            rows.append([*head, name, " ".join(common), said, which, *found])
    if args.no_write:
        return
    append("etth1.csv", ["date", "channels", "model", "options", "seed", "part", "mse", "mae", "seconds"], rows)


if __name__ == "__main__":
    main()
