"""Forecasts that lean on covariates: half-hourly demand of Victoria a day ahead, and hourly fine dust in Beijing.

Data, in the folder that $FORECASTKIT_DATA names:

- demand/vic_elec.csv: vic_elec of the R package tsibbledata (Australian Energy Market Operator; Time is UTC). Fitted on 2012
  and 2013, tested on 365 days of 2014, each forecast from midnight in Melbourne, without a refit. Options are chosen with
  ``--validate``: fitted to the end of June 2013, scored on its second half.
- weather/beijing_pm25_hourly.csv: UCI 381 (Liang et al. 2015, doi:10.1098/rspa.2015.0257). Fitted on 2010 to 2013, tested on
  2014, 24 hours from midnight; ``--validate`` fits on 2010 to 2012 and scores 2013.

    python benchmarks/covariates.py demand week boosting by_hand lstm hidden=128 transform=log relearn=true --validate
    python benchmarks/covariates.py demand week boosting by_hand lstm hidden=128 transform=log relearn=true --seeds 3
    python benchmarks/covariates.py dust naive seasonal_naive boosting gru

``known`` has the actual temperature and holidays of the day ahead (perfect foresight, better than any weather forecast),
``past`` the temperature up to midnight alone and the holidays ahead, ``none`` the demand alone. A network is the mean of its
``--seeds``; options are for networks. ``by_hand`` is scikit-learn's gradient boosting with features that were thought of for this
demand, learned from midnights alone; ``harmonic`` a regression on waves and bent temperature, as thought of. ``p`` is that of the Diebold-Mariano test against the better naive rule, ``p_trees`` against
the better of ``boosting`` and ``by_hand`` with the same covariates, ``p_harmonic`` against ``harmonic``; models are compared with those named before them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rows import append

HERE = Path(__file__).resolve().parent
SETS = {
    "demand": {
        "file": "demand/vic_elec.csv",
        "read": {"target": "Demand", "time": "Time", "tz": "Australia/Melbourne", "freq": "30min", "season_length": 48},
        "covariates": ("Temperature", "Holiday"),
        "known_in_past": ("Holiday",),
        "split": ("2014-01-01", None),
        "validate": ("2013-07-01", "2014-01-01"),
        "horizon": 48,
    },
    "dust": {
        "file": "weather/beijing_pm25_hourly.csv",
        "read": {"target": "pm2.5", "time": "year,month,day,hour", "freq": "h", "season_length": 24},
        "covariates": ("DEWP", "TEMP", "PRES", "cbwd", "Iws"),
        "known_in_past": (),
        "split": ("2014-01-01", None),
        "validate": ("2013-01-01", "2014-01-01"),
        "horizon": 24,
    },
}
NAIVE = ("naive", "seasonal_naive", "week")
TREES = {"boosting": {"relearn": True}, "by_hand": {}}
BY_HAND = ("by_hand", "harmonic")


def load(name: str, which: str) -> Any:
    """The checked series with its covariates in a role."""
    from forecastkit.reading import ReadOptions, read

    root = os.environ.get("FORECASTKIT_DATA")
    about = SETS[name]
    if not root:
        raise SystemExit(f"set FORECASTKIT_DATA to the folder that holds {about['file']}")
    ahead = {"known": about["covariates"], "past": about["known_in_past"], "none": ()}[which]
    before = tuple(c for c in about["covariates"] if c not in ahead) if which == "past" else ()
    options = ReadOptions(**about["read"], known=ahead, past=before)
    started = time.perf_counter()
    frame = read(Path(root) / about["file"], options).frame
    return frame, time.perf_counter() - started


def midnights(frame: Any, first: str, last: str | None, horizon: int) -> np.ndarray:
    """Calendar positions before each local midnight from ``first`` until ``last``, with a whole day after them."""
    index = pd.DatetimeIndex(frame.calendar.instants)
    at = np.flatnonzero((index == index.normalize()) & (index >= pd.Timestamp(first, tz=index.tz)))
    at = at[at + horizon <= len(index)]
    return (at if last is None else at[index[at] < pd.Timestamp(last, tz=index.tz)]) - 1


def forecasts(
    name: str, frame: Any, end: int, at: np.ndarray, horizon: int, options: dict, seeds: int
) -> tuple[np.ndarray, int]:
    """(points [F, H], parameters or 0) of a model that was fitted to the rows up to ``end``."""
    from forecastkit import registry, runtime
    from forecastkit.forecasting.protocol import FitContext

    if name in BY_HAND:
        return {"by_hand": by_hand, "harmonic": harmonic}[name](frame, end, at, horizon), 0
    train = frame.upto(end)
    if name == "week":
        frame, train = (
            replace(frame, season_length=7 * frame.season_length),
            replace(train, season_length=7 * train.season_length),
        )
    kind = "seasonal_naive" if name == "week" else name
    model = registry.create_model(kind, **options)
    network = model.family == "network"
    parts = []
    for seed in range(1, 1 + (seeds if network else 1)):
        with runtime.threads(None if getattr(model, "is_large", False) else 1):
            fitted = model.fit(train, horizon=horizon, context=FitContext(seed=seed))
            parts.append(fitted.predict_at(frame, at)[:, 0])
    return np.mean(parts, axis=0), int(fitted.info.get("n_parameters", 0))


def by_hand(frame: Any, end: int, at: np.ndarray, horizon: int) -> np.ndarray:
    """(points [F, H]) from hour, day, holiday, temperature and what it was before, and demand of a day and a week ago."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    y, index = frame.store.series(0), pd.DatetimeIndex(frame.calendar.instants)
    rows = frame.data
    heat = pd.Series(rows["Temperature"].to_numpy(float))
    day = 48
    columns = [index.hour + index.minute / 60, index.dayofweek, index.dayofyear, rows["Holiday"].to_numpy(float), heat]
    columns += [heat.shift(k) for k in (1, 2, 6, day)]
    columns += [heat.rolling(day).mean(), heat.rolling(day).max(), heat.rolling(3 * day).mean()]
    x = np.stack([np.asarray(c, float) for c in columns], axis=1)

    def features(cutoffs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = cutoffs[:, None] + np.arange(1, 1 + horizon)
        mean = np.stack([y[c - day + 1 : c + 1].mean() for c in cutoffs])
        same = [np.repeat(v[:, None], horizon, 1) for v in (y[cutoffs], mean)]
        before = [
            y[rows - day],
            y[rows - 2 * day],
            y[rows - 7 * day],
            heat.to_numpy()[rows - day],
            heat.to_numpy()[rows - 7 * day],
        ]
        own = np.stack([*before, *same], axis=-1)
        return np.concatenate([x[rows], own], axis=-1).reshape(-1, x.shape[1] + own.shape[2]), y[rows].ravel()

    midnight = np.flatnonzero((index.hour == 0) & (index.minute == 0)) - 1
    learned = midnight[(midnight >= 7 * day) & (midnight + horizon <= end)]
    model = HistGradientBoostingRegressor(loss="absolute_error", max_iter=500, learning_rate=0.05, max_leaf_nodes=31)
    points = model.fit(*features(learned)).predict(features(at)[0])
    return np.asarray(points).reshape(len(at), horizon)


def harmonic(frame: Any, end: int, at: np.ndarray, horizon: int) -> np.ndarray:
    """(points [F, H]) of a regression on waves of day, week and year, bent temperature by hour, and holidays; the mean error of
    the day before is carried on with the weight that the years of fitting give it (Hyndman and Athanasopoulos 2021, ch. 10)."""
    y, index = frame.store.series(0), pd.DatetimeIndex(frame.calendar.instants)
    hour, day = (index.hour + index.minute / 60).to_numpy(), index.dayofyear.to_numpy()
    week = index.dayofweek.to_numpy() * 24 + hour

    def waves(at: np.ndarray, period: float, n: int) -> list[np.ndarray]:
        return [f(2 * np.pi * k * at / period) for k in range(1, n + 1) for f in (np.sin, np.cos)]

    heat = frame.data["Temperature"].to_numpy(float)
    before = pd.Series(heat).rolling(48, min_periods=1).mean().to_numpy()
    bent = [heat, np.clip(heat - 18, 0, None), np.clip(heat - 28, 0, None), before, np.clip(before - 20, 0, None)]
    holiday = frame.data["Holiday"].to_numpy(float)
    daily = [np.ones(len(y)), *waves(hour, 24, 3)]
    columns = [*waves(hour, 24, 12), *waves(week, 168, 40), *waves(day, 365.25, 4), np.ones(len(y))]
    x = np.stack([*columns, *(b * d for b in bent for d in daily), *(holiday * d for d in daily)], axis=1)
    weights, *_ = np.linalg.lstsq(x[: end + 1], y[: end + 1], rcond=None)
    error = y - x @ weights
    level = pd.Series(error).rolling(48).mean().to_numpy()
    past = np.arange(47, end - horizon, 48)
    ahead = np.stack([error[c + 1 : c + 1 + horizon].mean() for c in past])
    carried = float(level[past] @ ahead / (level[past] @ level[past]))
    return np.stack([(x @ weights)[c + 1 : c + 1 + horizon] + carried * level[c] for c in at])


def p_value(loss: np.ndarray, reference: np.ndarray) -> float:
    """Two-sided, one mean loss difference an origin."""
    from forecastkit.forecasting import significance

    ones = np.ones((len(loss), 1))
    found = significance.compare(loss[:, None, :], reference[:, None, :], ones, overlap=1)
    return float("nan") if found.p_value is None else float(found.p_value)


def main() -> None:
    import yaml

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=list(SETS))
    parser.add_argument("words", nargs="+", help="models, then options of those that are not naive, as hidden=128")
    parser.add_argument("--validate", action="store_true", help="fit and score inside the training years")
    parser.add_argument("--covariates", default="known,past,none", help="any of known, past, none")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_intermixed_args()
    names = [w for w in args.words if "=" not in w]
    given = [w for w in args.words if "=" in w]
    options = {k: yaml.safe_load(v) for k, v in (w.split("=", 1) for w in given)}
    about = SETS[args.data]
    first, last = about["validate" if args.validate else "split"]
    horizon, part = about["horizon"], "validation" if args.validate else "test"
    rows, losses = [], {}
    for which in args.covariates.split(","):
        frame, reading = load(args.data, which)
        y = frame.store.series(0)
        at = midnights(frame, first, last, horizon)
        end = int(at[0])
        answer = np.stack([y[c + 1 : c + 1 + horizon] for c in at])
        for name in names:
            if (name in NAIVE and which != args.covariates.split(",")[0]) or (name in BY_HAND and which != "known"):
                continue
            started = time.perf_counter()
            plain = name in NAIVE
            own = {} if plain or name in BY_HAND else TREES.get(name, options)
            points, size = forecasts(name, frame, end, at, horizon, own, args.seeds)
            seconds = time.perf_counter() - started
            error = np.abs(points - answer)
            losses[name, which] = error
            mape = 100 * np.nanmean(error / answer) if (answer[np.isfinite(answer)] > 0).all() else float("nan")
            best = min((k for k in losses if k[0] in NAIVE), key=lambda k: np.nanmean(losses[k]), default=None)
            p = float("nan") if plain or best is None else p_value(error, losses[best])
            trees = min(
                (k for k in losses if k[0] in TREES and k[1] == which and k[0] != name),
                key=lambda k: np.nanmean(losses[k]),
                default=None,
            )
            beside = float("nan") if plain or name in TREES or trees is None else p_value(error, losses[trees])
            waves = losses.get(("harmonic", which)) if name != "harmonic" and not plain else None
            over_waves = float("nan") if waves is None else p_value(error, waves)
            said = "" if plain else which
            print(
                f"{name:<15} {said:<6} {part:<11} MAE {np.nanmean(error):9.3f}  RMSE {np.sqrt(np.nanmean(error**2)):9.3f}  "
                f"MAPE {mape:6.3f}  p {p:.2g}  trees {beside:.2g}  harmonic {over_waves:.2g}  {len(at)} days  {seconds:7.1f} s  (read in {reading:.2f} s)",
                flush=True,
            )
            numbers = [
                f"{np.nanmean(error):.4f}",
                f"{np.sqrt(np.nanmean(error**2)):.4f}",
                f"{mape:.3f}",
                f"{p:.2g}",
                f"{beside:.2g}",
            ]
            seeds = 1 if plain or not size else args.seeds
            rows.append(
                [dt.date.today().isoformat(), args.data, name, said, " ".join(f"{k}={v}" for k, v in own.items()), seeds, part, *numbers,
                 len(at), f"{seconds:.1f}", f"{reading:.2f}", f"{over_waves:.2g}"]
            )  # fmt: skip
    if args.no_write:
        return
    append(
        "covariates.csv",
        [
            "date",
            "data",
            "model",
            "covariates",
            "options",
            "seeds",
            "part",
            "mae",
            "rmse",
            "mape",
            "p",
            "p_trees",
            "days",
            "seconds",
            "reading",
            "p_harmonic",
        ],
        rows,
    )


if __name__ == "__main__":
    main()
