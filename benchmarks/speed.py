"""Ratios against bare PyTorch loops, both sides measured in one run and alternating.

    python benchmarks/speed.py backtest      # 1,000 cutoffs x 4 series without refit, to the forecast frame
    python benchmarks/speed.py training      # optimiser steps per second, a large and a small network
    python benchmarks/speed.py predict       # one warm call for one series, frame in and frame out
    python benchmarks/speed.py start         # from the call to the first optimiser step, imports done
    python benchmarks/speed.py metrics       # every score of ten million rows
    python benchmarks/speed.py many          # 100,000 series in one call, against ten times 10,000

Series are random walks; speed does not depend on the values. Rows go to results/speed.csv: figure, ours, bare, ratio.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from rows import append

from forecastkit.forecasting.backtest import forecast_frame
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.models.recurrent import RecurrentForecaster
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame


def panel(n_items: int, n_rows: int) -> SeriesFrame:
    rng = np.random.default_rng(0)
    index = pd.date_range("2010-01-01", periods=n_rows, freq="D")
    parts = [
        pd.DataFrame({"item_id": f"s{i:04d}", "timestamp": index, "target": 100 + rng.normal(size=n_rows).cumsum()})
        for i in range(n_items)
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", index))


def alternating(ours: Callable[[], float], bare: Callable[[], float], repeat: int) -> tuple[float, float, list[float]]:
    """(median ours, median bare, ratios), one after the other."""
    pairs = [(ours(), bare()) for _ in range(repeat)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        [a / b for a, b in pairs],
    )


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class Bare(torch.nn.Module):
    """What the toolkit's network computes, and nothing around it."""

    def __init__(self, hidden: int, layers: int, horizon: int, n_inputs: int = 2) -> None:
        super().__init__()
        self.core = torch.nn.LSTM(n_inputs, hidden, layers, batch_first=True)
        self.head = torch.nn.Linear(hidden, horizon)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.core(x)[0][:, -1])


def backtest(repeat: int) -> list[list[object]]:
    torch.set_num_threads(1)
    context, horizon, n_cutoffs = 60, 10, 1000
    frame = panel(4, n_cutoffs + context + horizon + 200)
    model = RecurrentForecaster(cell="lstm", hidden=50, layers=2, context_length=context, segment=1, max_steps=1)
    fitted = model.fit(frame.upto(250), horizon=horizon, context=FitContext(n_steps=1))
    at = np.arange(250, 250 + n_cutoffs)
    net = Bare(50, 2, horizon).eval()
    windows = torch.randn(4 * n_cutoffs, context, 2)

    def ours() -> None:
        points = fitted.predict_at(frame, at)
        forecast_frame(frame, points, np.repeat(at[:, None], 4, axis=1), model="lstm")

    def bare() -> None:
        with torch.inference_mode():
            net(windows)

    ours(), bare()
    a, b, ratios = alternating(lambda: timed(ours), lambda: timed(bare), repeat)
    return [["backtest 1000x4, LSTM 50x2, context 60, seconds", a, b, statistics.median(ratios)]]


def training(repeat: int) -> list[list[object]]:
    out = []
    for name, hidden, layers, context, horizon, batch, steps, n_threads in (
        ("LSTM 128x2, 168+48, batch 256", 128, 2, 168, 48, 256, 8, None),
        ("LSTM 50x2, 10+1, batch 32", 50, 2, 10, 1, 32, 400, 1),
    ):
        torch.set_num_threads(n_threads or os.cpu_count() or 1)
        frame = panel(8, 2000)
        model = RecurrentForecaster(
            cell="lstm",
            hidden=hidden,
            layers=layers,
            context_length=context,
            segment=1,
            batch_size=batch,
            max_steps=steps,
            val_every=max(steps // 2, 1),
            average=0.0,
            precision="32",
        )
        seen: list[float] = []

        def mark(done: int, total: int, note: str, seen: list[float] = seen) -> None:
            seen.append(time.perf_counter())

        def ours(model=model, frame=frame, horizon=horizon, seen=seen, mark=mark, steps=steps) -> float:
            seen.clear()
            model.fit(frame, horizon=horizon, context=FitContext(n_steps=steps, progress=mark))
            # From the first report to the last: set-up is another figure.
            done = [t for t in seen if t]
            return (done[-1] - done[0]) / (steps * (len(done) - 1) / len(done))

        net = Bare(hidden, layers, horizon)
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
        past, target = torch.randn(4096, context, 2), torch.randn(4096, horizon)

        def bare(net=net, optimizer=optimizer, past=past, target=target, steps=steps, batch=batch) -> float:
            def loop() -> None:
                for _ in range(steps):
                    rows = torch.randint(0, len(past), (batch,))
                    loss = (net(past[rows]) - target[rows]).abs().mean()
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    optimizer.step()
                    loss.item()

            return timed(loop) / steps

        ours(), bare()
        a, b, ratios = alternating(ours, bare, repeat)
        out.append([f"training {name}, ms a step", 1000 * a, 1000 * b, statistics.median(ratios)])
    return out


def predict(repeat: int) -> list[list[object]]:
    torch.set_num_threads(1)
    frame = panel(1, 400)
    model = RecurrentForecaster(cell="lstm", hidden=50, layers=2, context_length=60, segment=1, max_steps=1)
    fitted = model.fit(frame, horizon=10, context=FitContext(n_steps=1))
    at = np.array([[399]])
    net, window = Bare(50, 2, 10).eval(), torch.randn(1, 60, 2)

    def ours() -> None:
        for _ in range(20):
            forecast_frame(frame, fitted.predict_at(frame, at[0]), at, model="lstm")

    def bare() -> None:
        with torch.inference_mode():
            for _ in range(20):
                net(window)

    ours(), bare()
    a, b, ratios = alternating(lambda: timed(ours) / 20, lambda: timed(bare) / 20, repeat)
    return [["warm predict of one series, ms", 1000 * a, 1000 * b, statistics.median(ratios)]]


def many(repeat: int) -> list[list[object]]:
    """100,000 series of 100 points, a GRU, one call: ``bare`` is what ten calls of a tenth would take."""
    import resource

    torch.set_num_threads(os.cpu_count() or 1)
    horizon = 10
    model = RecurrentForecaster(cell="gru", hidden=32, max_steps=1)
    fitted = model.fit(panel(100, 100), horizon=horizon, context=FitContext(n_steps=1))
    few, all_of_them = panel(10_000, 100), panel(100_000, 100)

    def forecast(frame: SeriesFrame) -> None:
        at = np.full((1, len(frame.items)), 99)
        forecast_frame(frame, fitted.predict_at(frame, at[0, :1]), at, model="gru")

    forecast(few)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    a, b, ratios = alternating(
        lambda: timed(lambda: forecast(all_of_them)), lambda: 10 * timed(lambda: forecast(few)), repeat
    )
    more, nan = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before, float("nan")
    return [
        ["predict 100,000 series of 100 points, GRU 32, seconds", a, b, statistics.median(ratios)],
        ["predict 100,000 series of 100 points, GRU 32, MiB more", more, nan, nan],
    ]


def start(repeat: int) -> list[list[object]]:
    torch.set_num_threads(1)
    frame = panel(4, 1000)
    model = RecurrentForecaster(cell="lstm", max_steps=5, val_every=5)
    model.fit(frame, horizon=10)

    def ours() -> float:
        first: list[float] = []
        started = time.perf_counter()
        model.fit(frame, horizon=10, context=FitContext(progress=lambda d, t, n: first.append(time.perf_counter())))
        return first[0] - started

    found = [ours() for _ in range(repeat)]
    return [["call to first reported steps, seconds", statistics.median(found), float("nan"), float("nan")]]


def metrics(repeat: int) -> list[list[object]]:
    """Ten million forecast rows with thirteen quantiles each, from arrays to every score."""
    from forecastkit.forecasting.leaderboard import summary
    from forecastkit.forecasting.schema import QUANTILES
    from forecastkit.forecasting.scores import answers, measure, scales
    from forecastkit.forecasting.splits import EvalPlan, make_folds

    frame = panel(1000, 1250)
    folds = make_folds(frame, EvalPlan(horizon=10, step=1, n_report=1000, n_select=0, n_calibrate=0))
    at = np.array([f.position for f in folds.report])
    y = answers(frame, at, 10)
    known = scales(frame, at)
    points = y + np.random.default_rng(1).normal(size=y.shape)
    quantiles = points[..., None] + np.linspace(-2, 2, len(QUANTILES))
    plain = [timed(lambda: summary(measure(points, y, known, folds.report))) for _ in range(repeat)]
    full = [timed(lambda: summary(measure(points, y, known, folds.report, quantiles=quantiles))) for _ in range(repeat)]
    nan = float("nan")
    return [
        ["metrics on 10 million rows, points, seconds", statistics.median(plain), nan, nan],
        ["metrics on 10 million rows, 13 quantiles too, seconds", statistics.median(full), nan, nan],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["backtest", "training", "predict", "start", "metrics", "many", "all"])
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    kinds = {
        "backtest": backtest,
        "training": training,
        "predict": predict,
        "start": start,
        "metrics": metrics,
        "many": many,
    }
    rows = []
    for name, work in kinds.items():
        if args.what in (name, "all"):
            for row in work(args.repeat):
                print(f"{row[0]:<52} ours {row[1]:9.3f}   bare {row[2]:9.3f}   ratio {row[3]:.2f}", flush=True)
                rows.append(row)
    facts = [torch.__version__, os.cpu_count(), platform.machine()]
    today = dt.date.today().isoformat()
    columns = ("date", "figure", "ours", "bare", "ratio", "torch", "cores", "machine")
    append("speed.csv", columns, [[today, name, *(f"{x:.4g}" for x in numbers), *facts] for name, *numbers in rows])


if __name__ == "__main__":
    main()
