"""Other libraries beside this one at the work of ``speed.py``: one warm forecast, a backtest without refits, training steps.

    python -m venv peers && peers/bin/pip install -c constraints.txt -r benchmarks/peers.txt
    python benchmarks/peers.py --peer-python peers/bin/python

The same LSTM (50 units x 2, context 60, horizon 10; in training 128 x 2, context 168, horizon 48, batch 256, and 50 x 2, context 10, horizon
1, batch 32), one thread, random walks. Each library has a process of its own, they take turns, and a row is a median over the
turns with the spread of the ratio to ours. Times are processor times, so that other work on the machine hardly counts. Training counts the steps between the first third and the end, so that what comes before
them does not. Rows: results/peers.csv.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rows import append

HERE = Path(__file__).resolve().parent
OURS = "forecastkit"
LIBRARIES = (OURS, "neuralforecast", "darts")
PREDICT, BACKTEST = "warm predict of one series, ms", "1,000 cutoffs x 4 series without refit, seconds"
LARGE, SMALL = "training step, LSTM 128x2, 168+48, batch 256, ms", "training step, LSTM 50x2, 10+1, batch 32, ms"
TRAININGS = {LARGE: (128, 168, 48, 256, 12), SMALL: (50, 10, 1, 32, 240)}
"""Hidden units, context, horizon, windows a step, steps."""
QUIET = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False, "enable_model_summary": False}


def walks(n: int, rows: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [100 + rng.normal(size=rows).cumsum() for _ in range(n)]


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def warm(work: Callable[[], object], n: int = 10) -> float:
    """Milliseconds of the median of ``n`` calls, after two that do not count."""
    work(), work()
    return 1000 * statistics.median(timed(work) for _ in range(n))


class Steps:
    """When each training step ended."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def mark(self, *_: Any) -> None:
        self.at.append(time.process_time())

    def ms(self) -> float:
        """Milliseconds a step after the first third."""
        first = len(self.at) // 3
        return 1000 * (self.at[-1] - self.at[first]) / (len(self.at) - 1 - first)


def forecastkit() -> dict[str, float]:
    sys.path.insert(0, str(HERE.parent))
    import speed
    import torch

    torch.set_num_threads(1)
    from forecastkit.forecasting.backtest import forecast_frame
    from forecastkit.forecasting.models.recurrent import RecurrentForecaster
    from forecastkit.forecasting.protocol import FitContext

    model = RecurrentForecaster(cell="lstm", hidden=50, layers=2, context_length=60, segment=1, max_steps=5)
    one = speed.panel(1, 400)
    fitted = model.fit(one.upto(299), horizon=10, context=FitContext(n_steps=5))

    def forecast(frame: Any, cutoffs: np.ndarray) -> Any:
        at = np.repeat(cutoffs[:, None], len(frame.items), axis=1)
        return forecast_frame(frame, fitted.predict_at(frame, cutoffs), at, model="lstm")

    four = speed.panel(4, 1270)
    out = {
        PREDICT: warm(lambda: forecast(one, np.array([399]))),
        BACKTEST: timed(lambda: forecast(four, np.arange(260, 1260))),
    }
    for name, (hidden, context, horizon, batch, steps) in TRAININGS.items():
        # One Lightning batch of several steps reports at its end.
        ended: list[tuple[int, float]] = []
        model = RecurrentForecaster(
            cell="lstm", hidden=hidden, layers=2, context_length=context, segment=1, batch_size=batch, max_steps=steps,
            val_every=steps, precision="32",
        )  # fmt: skip
        tell = FitContext(n_steps=steps, progress=lambda n, *_, ended=ended: ended.append((n, time.process_time())))
        model.fit(speed.panel(8, 2000), horizon=horizon, context=tell)
        (n, began), (m, end) = ended[len(ended) // 3], ended[-1]
        out[name] = 1000 * (end - began) / (m - n)
    return out


def neuralforecast() -> dict[str, float]:
    # numba asks for a package that has the name of the script coverage.py.
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != HERE]
    import pandas as pd
    import pytorch_lightning as pl
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    torch.set_num_threads(1)

    def frame(n: int, rows: int) -> Any:
        days = pd.date_range("2010-01-01", periods=rows, freq="D")
        parts = [pd.DataFrame({"unique_id": f"s{k}", "ds": days, "y": y}) for k, y in enumerate(walks(n, rows))]
        return pd.concat(parts, ignore_index=True)

    def trained(
        data: Any, hidden: int, context: int, horizon: int, batch: int, steps: int, callbacks: Any = None
    ) -> Any:
        model = LSTM(
            h=horizon, input_size=context, encoder_hidden_size=hidden, encoder_n_layers=2, max_steps=steps,
            windows_batch_size=batch, accelerator="cpu", callbacks=callbacks, **QUIET,
        )  # fmt: skip
        library = NeuralForecast([model], freq="D")
        library.fit(data)
        return library

    one = frame(1, 400)
    library = trained(one.iloc[:300], 50, 60, 10, 128, 5)
    out = {PREDICT: warm(lambda: library.predict(one))}
    four = frame(4, 1270)
    # The fit that its cross-validation begins with is as short as can be.
    out[BACKTEST] = timed(lambda: library.cross_validation(df=four, n_windows=1000, step_size=1))
    for name, (hidden, context, horizon, batch, steps) in TRAININGS.items():
        taken = Steps()

        class Mark(pl.Callback):
            def on_train_batch_end(self, *_: Any, taken: Steps = taken) -> None:
                taken.mark()

        trained(frame(8, 2000), hidden, context, horizon, batch, steps, [Mark()])
        out[name] = taken.ms()
    return out


def darts() -> dict[str, float]:
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != HERE]
    import pytorch_lightning as pl
    import torch
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    torch.set_num_threads(1)

    def series(n: int, rows: int) -> list[Any]:
        return [TimeSeries.from_values(y.astype(np.float32)) for y in walks(n, rows)]

    def trained(data: Any, hidden: int, context: int, horizon: int, batch: int, steps: int, callbacks: Any = ()) -> Any:
        model = BlockRNNModel(
            input_chunk_length=context, output_chunk_length=horizon, model="LSTM", hidden_dim=hidden, n_rnn_layers=2,
            batch_size=batch, n_epochs=1000,
            pl_trainer_kwargs={"accelerator": "cpu", "max_steps": steps, "callbacks": list(callbacks), **QUIET},
        )  # fmt: skip
        model.fit(data, verbose=False)
        return model

    (one,) = series(1, 400)
    model = trained([one[:300]], 50, 60, 10, 32, 5)
    out = {PREDICT: warm(lambda: model.predict(10, series=one, verbose=False))}
    four = series(4, 1270)
    out[BACKTEST] = timed(
        lambda: model.historical_forecasts(
            four, start=261, forecast_horizon=10, stride=1, retrain=False, last_points_only=False, verbose=False
        )
    )
    for name, (hidden, context, horizon, batch, steps) in TRAININGS.items():
        taken = Steps()

        class Mark(pl.Callback):
            def on_train_batch_end(self, *_: Any, taken: Steps = taken) -> None:
                taken.mark()

        trained(series(8, 2000), hidden, context, horizon, batch, steps, [Mark()])
        out[name] = taken.ms()
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with peers.txt")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--work", choices=LIBRARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps({OURS: forecastkit, "neuralforecast": neuralforecast, "darts": darts}[options.work]()))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in LIBRARIES}
    for _ in range(options.turns):
        for name in LIBRARIES:
            python = sys.executable if name == OURS else options.peer_python
            command = [python, __file__, "--work", name]
            one = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=one)
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(name, found[name][-1], flush=True)
    rows = []
    for figure in (PREDICT, BACKTEST, LARGE, SMALL):
        for name in LIBRARIES:
            values = [turn[figure] for turn in found[name]]
            ratios = sorted(value / turn[figure] for value, turn in zip(values, found[OURS]))
            facts = [f"{statistics.median(values):.4g}", *(f"{ratios[k]:.3g}" for k in (len(ratios) // 2, 0, -1))]
            rows.append([dt.date.today().isoformat(), figure, name, *facts, options.turns, os.cpu_count()])
            print(*rows[-1][1:], sep="  ", flush=True)
    append("peers.csv", ["date", "figure", "library", "value", "ratio", "low", "high", "turns", "cores"], rows)


if __name__ == "__main__":
    main()
