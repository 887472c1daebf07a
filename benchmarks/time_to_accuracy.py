"""Seconds of training until a validation error, beside neuralforecast's LSTM, on M4 Hourly.

    python -m venv peers && peers/bin/pip install -c constraints.txt -r benchmarks/peers.txt
    python benchmarks/time_to_accuracy.py --peer-python peers/bin/python

Both learn from the training part without its last 48 steps, all of it, and forecast those 48: the error is the mean MASE of 414
series there. The competition's test is not read. A point of a curve is the error of the weights after so many steps of the
default schedule, and the seconds from the call of ``fit`` to those weights; what it takes to score them is not counted.

* neuralforecast: one training a seed, whose weights are copied every ``EVERY`` steps (the clock stands still meanwhile) and
  scored by its own ``predict`` afterwards. ``default``: nothing but ``h``. ``week``: a week of context and padded starts, the
  setting that did best here in a shoot-out of six. Nothing is validated during its training.
* forecastkit: ``lstm`` with its defaults, one whole ``fit`` a point, its number of steps given. So each point pays for setting
  up anew. ``all``: rows read one by one, every step of the context's second half supervised; ``last``: the same, its end only.

Targets are levels of the error: the lowest that neuralforecast's curves reach (each seed's own), that of the seasonal naive rule, and round
numbers between. The first point at or below a level counts. Runs alternate; each side has a process of its own and the same
threads. Rows: results/time_to_accuracy.csv, points in time_to_accuracy_curve.csv, picture docs/figures/time_to_accuracy.svg.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from m4_hourly import HORIZON, SEASON, by_series, series

HERE = Path(__file__).resolve().parent
EVERY = 25
PEER: dict[str, dict[str, Any]] = {
    "default": {},
    "week": {"input_size": 168, "start_padding_enabled": True},
}
OURS: dict[str, dict[str, Any]] = {
    "default": {},
    "all": {"segment": 1, "supervise": "all"},
    "last": {"segment": 1},
}
POINTS = (5, 20, 40, 80)


def split() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(past, answer) of each series, both inside the training part."""
    data = series("m4_hourly_train.csv")
    return [y[:-HORIZON] for y in data], [y[-HORIZON:] for y in data]


def peer(setting: str, seed: int, steps: int, threads: int) -> dict[str, Any]:
    """A training of neuralforecast's LSTM in this process."""
    # numba asks for a package that has the name of the script coverage.py.
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != HERE]
    began = time.perf_counter()
    import logging

    import pandas as pd
    import pytorch_lightning as pl
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    imports = time.perf_counter() - began
    torch.set_num_threads(threads)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    past, answer = split()
    ids = [f"H{k:03d}" for k in range(len(past))]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(ids, [len(y) for y in past]),
            "ds": np.concatenate([np.arange(len(y)) for y in past]),
            "y": np.concatenate(past),
        }
    )

    # Held outside of the callback, of which the library trains a copy.
    taken, paused = [], [0.0]

    class Copies(pl.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            if trainer.global_step % EVERY:
                return
            now = time.perf_counter()
            copy = {k: v.detach().clone() for k, v in module.state_dict().items()}
            taken.append((trainer.global_step, now - started - paused[0], copy))
            paused[0] += time.perf_counter() - now

    quiet = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    model = LSTM(
        h=HORIZON, max_steps=steps, random_seed=seed, accelerator="cpu", callbacks=[Copies()], **quiet, **PEER[setting]
    )
    forecaster = NeuralForecast([model], freq=1)
    started = time.perf_counter()
    forecaster.fit(frame)
    whole = time.perf_counter() - started - paused[0]
    curve = []
    for step, seconds, weights in taken:
        forecaster.models[0].load_state_dict(weights)
        found = forecaster.predict().sort_values(["unique_id", "ds"])["LSTM"].to_numpy().reshape(len(ids), HORIZON)
        curve.append([step, seconds, float(by_series(found, past, answer)[1].mean())])
    return {"imports": imports, "whole": whole, "curve": curve}


def ours(setting: str, seed: int, steps: int, threads: int) -> dict[str, Any]:
    """Trainings of ``lstm`` in this process, one a point."""
    sys.path.insert(0, str(HERE.parent))
    began = time.perf_counter()
    import torch

    from forecastkit.forecasting.models.recurrent import RecurrentForecaster
    from forecastkit.forecasting.protocol import FitContext

    model = RecurrentForecaster(cell="lstm", **OURS[setting])
    import forecastkit.training.trainer  # noqa: F401 - what a first fit imports

    imports = time.perf_counter() - began
    torch.set_num_threads(threads)
    from m4_hourly import frame_of

    past, answer = split()
    frame, order = frame_of(past)
    at = np.array([len(frame.calendar) - 1])

    def score(fitted: Any) -> float:
        forecast = np.empty((len(past), HORIZON))
        forecast[order] = fitted.predict_at(frame, at)[0]
        return float(by_series(forecast, past, answer)[1].mean())

    curve = []
    for n in (0, *(n for n in POINTS if n <= steps)):
        started = time.perf_counter()
        fitted = model.fit(frame, horizon=HORIZON, context=FitContext(seed=seed, n_steps=n))
        curve.append([n, time.perf_counter() - started, score(fitted)])
    started = time.perf_counter()
    fitted = model.fit(frame, horizon=HORIZON, context=FitContext(seed=seed)) if setting == "default" else fitted
    whole = time.perf_counter() - started
    return {
        "imports": imports, "whole": whole, "curve": curve, "whole_mase": score(fitted), "whole_steps": fitted.info["n_steps"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with peers.txt")
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        side, setting, *numbers = options.work
        print(json.dumps({"peer": peer, "ours": ours}[side](setting, *map(int, numbers))))


if __name__ == "__main__":
    main()
