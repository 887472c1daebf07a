"""M4 Hourly: 414 series, 48 steps, metrics as the competition defines them (Makridakis et al. 2020, IJF 36).

Data: m4_hourly_train.csv and m4_hourly_test.csv (Hourly-train.csv and Hourly-test.csv of Mcompetitions/M4-methods on GitHub) in
$FORECASTKIT_DATA/benchmark.

    python benchmarks/m4_hourly.py                      # folds inside the training part only
    python benchmarks/m4_hourly.py --test --models lstm,gru,seasonal_naive

With ``--shares`` the first model is compared with each other one series by series, into results/m4_shares.csv.

Choices are made on the folds inside the training part (the last 48 and the 48 before); the test is read by --test alone. OWA is
relative to Naive2, computed here on the same rows.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import time
from pathlib import Path

import numpy as np
from rows import append

HERE = Path(__file__).resolve().parent
HORIZON, SEASON = 48, 24


def series(name: str) -> list[np.ndarray]:
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds benchmark/" + name)
    with (Path(root) / "benchmark" / name).open() as file:
        rows = csv.reader(file)
        next(rows)
        return [np.array([float(v) for v in row[1:] if v not in ("", "NA")]) for row in rows]


def naive2(y: np.ndarray) -> np.ndarray:
    """The competition's Naive2: the last value of the seasonally adjusted series, where it is seasonal at 90 %."""
    n, m = len(y), SEASON
    d = y - y.mean()
    acf = np.array([(d[k:] * d[: n - k]).sum() / (d * d).sum() for k in range(1, m + 1)])
    limit = 1.645 * np.sqrt((1 + 2 * (acf[: m - 1] ** 2).sum()) / n)
    if n < 3 * m or abs(acf[m - 1]) <= limit:
        return np.repeat(y[-1], HORIZON)
    kernel = np.r_[0.5, np.ones(m - 1), 0.5] / m
    trend = np.convolve(y, kernel, "valid")
    ratio = np.full(n, np.nan)
    ratio[m // 2 : m // 2 + len(trend)] = y[m // 2 : m // 2 + len(trend)] / trend
    index = np.array([np.nanmean(ratio[k::m]) for k in range(m)])
    index /= index.mean()
    ahead = (n + np.arange(HORIZON)) % m
    return y[-1] / index[(n - 1) % m] * index[ahead]


def frame_of(data: list[np.ndarray]):
    """Right-aligned on a common count of steps: the competition gives no dates, so that no hour of the day is known."""
    import pandas as pd

    from forecastkit.forecasting.calendar import Calendar
    from forecastkit.forecasting.schema import SeriesFrame

    longest = max(map(len, data))
    index = pd.Index(np.arange(longest), dtype="int64")
    order = sorted(range(len(data)), key=lambda k: f"H{k + 1}")
    parts = [
        pd.DataFrame({"item_id": f"H{k + 1}", "timestamp": index[longest - len(data[k]) :], "target": data[k]})
        for k in order
    ]
    frame = SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("step", index), season_length=SEASON)
    return frame, order


def by_series(forecast: np.ndarray, past: list[np.ndarray], answer: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(sMAPE, MASE) of each series."""
    smape = [200 * np.mean(np.abs(a - p) / (np.abs(a) + np.abs(p))) for a, p in zip(answer, forecast)]
    mase = [
        np.mean(np.abs(a - p)) / np.mean(np.abs(y[SEASON:] - y[:-SEASON])) for a, p, y in zip(answer, forecast, past)
    ]
    return np.array(smape), np.array(mase)


def scored(forecast: np.ndarray, past: list[np.ndarray], answer: list[np.ndarray]) -> dict[str, float]:
    def measures(f):
        smape, mase = by_series(f, past, answer)
        return float(smape.mean()), float(mase.mean())

    smape, mase = measures(forecast)
    smape2, mase2 = measures([naive2(y) for y in past])
    return {"smape": smape, "mase": mase, "owa": (smape / smape2 + mase / mase2) / 2}


def run(name: str, past: list[np.ndarray], answer: list[np.ndarray], seed: int, options: dict) -> dict[str, float]:
    from forecastkit import registry, runtime
    from forecastkit.forecasting.protocol import FitContext

    frame, order = frame_of(past)
    model = registry.create_model(name, **options)
    started = time.perf_counter()
    with runtime.threads(None if getattr(model, "is_large", False) else 1):
        fitted = model.fit(frame, horizon=HORIZON, context=FitContext(seed=seed))
        points = fitted.predict_at(frame, np.array([len(frame.calendar) - 1]))[0]
    seconds = time.perf_counter() - started
    forecast = np.empty_like(points)
    forecast[order] = points
    return {**scored(forecast, past, answer), "seconds": seconds, "info": dict(fitted.info), "points": forecast}


def main() -> None:
    import yaml

    from forecastkit import registry

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="lstm,gru,seasonal_naive")
    parser.add_argument("--test", action="store_true", help="score the competition's test as well")
    parser.add_argument("--folds", type=int, default=1, help="folds inside the training part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shares", action="store_true", help="on how many series the first model is better")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("options", nargs="*", help="options of every network and regression, as hidden=128")
    args = parser.parse_args()
    options = {k: yaml.safe_load(v) for k, v in (word.split("=", 1) for word in args.options)}
    train, test = series("m4_hourly_train.csv"), series("m4_hourly_test.csv") if args.test else None
    parts = []
    for k in range(args.folds, 0, -1):
        past = [y[: len(y) - k * HORIZON] for y in train]
        answer = [y[len(y) - k * HORIZON :][:HORIZON] for y in train]
        parts.append((f"fold {k}", past, answer))
    if test is not None:
        parts.append(("test", train, test))
    rows = []
    points: dict[str, dict[str, np.ndarray]] = {part: {} for part, _, _ in parts}
    for name in args.models.split(","):
        takes_options = registry.describe(name)["family"] in ("network", "regression")
        for part, past, answer in parts:
            found = run(name, past, answer, args.seed, options if takes_options else {})
            info, points[part][name] = found.pop("info"), found.pop("points")
            print(
                f"{name:<15} {part:<8} OWA {found['owa']:.4f}  sMAPE {found['smape']:.3f}  MASE {found['mase']:.3f} "
                f"{found['seconds']:7.1f} s  {info.get('best_step', '')} {info.get('corrects', '')} {info.get('context_length', '')}",
                flush=True,
            )
            words = " ".join(args.options) if takes_options else ""
            numbers = [f"{found[k]:.4f}" for k in ("owa", "smape", "mase")]
            rows.append(
                [dt.date.today().isoformat(), name, words, args.seed, part, *numbers, f"{found['seconds']:.1f}"]
            )
    found = (
        [row for part, past, answer in parts for row in shares(part, points[part], past, answer)] if args.shares else []
    )
    if args.no_write:
        return
    append("m4_hourly.csv", ["date", "model", "options", "seed", "part", "owa", "smape", "mase", "seconds"], rows)
    if args.shares:
        append(
            "m4_shares.csv",
            ["date", "model", "other", "part", "series", "share_mase", "share_smape", "low", "high"],
            found,
        )


def shares(
    part: str, points: dict[str, np.ndarray], past: list[np.ndarray], answer: list[np.ndarray]
) -> list[list[object]]:
    """On how many series the first model has the smaller error, with the 95 % interval of the share by MASE (Wilson)."""
    from scipy.stats import binomtest

    (first, own), *others = ((name, by_series(f, past, answer)) for name, f in points.items())
    rows: list[list[object]] = []
    for other, theirs in others:
        won, n = [int((a < b).sum()) for a, b in zip(own, theirs)], len(past)
        interval = binomtest(won[1], n).proportion_ci(method="wilson")
        print(f"{first} against {other}, {part}: smaller MASE on {won[1] / n:.1%}, smaller sMAPE on {won[0] / n:.1%}")
        numbers = [won[1] / n, won[0] / n, interval.low, interval.high]
        rows.append([dt.date.today().isoformat(), first, other, part, n, *(f"{v:.3f}" for v in numbers)])
    return rows


if __name__ == "__main__":
    main()
