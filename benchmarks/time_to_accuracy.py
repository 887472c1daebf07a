"""Seconds of training until a validation error, beside neuralforecast's LSTM, on M4 Hourly.

    python -m venv peers && peers/bin/pip install -c constraints.txt -r benchmarks/peers.txt
    python benchmarks/time_to_accuracy.py --peer-python peers/bin/python
    python benchmarks/time_to_accuracy.py --draw          # table and picture again, from the points

Both learn from the training part without its last 48 steps, all of it, and forecast those 48: the error is the mean MASE of 414
series there. The competition's test is not read. A point is the error of the weights after so many steps of the default schedule,
and the seconds from the call of ``fit`` to those weights. Scoring is not counted, and neither side validates meanwhile. Imports
are counted apart.

* neuralforecast: one training of its own 1,000 steps a seed, or its first ``--peer-steps`` (its learning rate does not change, so
  that they are the same). Its weights are copied every 25 steps, the clock standing still, and
  scored by its own ``predict`` afterwards. ``default``: nothing but ``h``; ``week``: a week of context and padded starts, as
  in the measurements that this project began with.
* forecastkit: ``lstm``, a whole ``fit`` for each point, with its number of steps given; so each point pays for setting up anew.
  ``default``; ``every``: each season of the context's second half is supervised as well; ``no rules``: it begins without
  the naive rules that it corrects by default, to show what those bring.

Levels of the error: that of the seasonal naive rule, which anybody can compute again; the lowest that each training of
neuralforecast comes to, and 1.05 times that, which asks less of its slow end; and round numbers below. The first point at or
below a level counts. Runs alternate, each in a process of its own, all with
the same threads; with one thread, processor seconds hardly depend on what else the machine does.
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
from rows import RESULTS, append

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "figures" / "time_to_accuracy.svg"
CURVE, TABLE = "time_to_accuracy_curve.csv", "time_to_accuracy.csv"
COLUMNS = ["date", "library", "setting", "seed", "threads", "steps", "seconds", "cpu_seconds", "mase", "import_seconds"]
EVERY, PEER_STEPS = 25, 1000
WEEKS = 1
"""Seeds of the longer context, which takes the longest."""
POINTS = (0, 5, 10, 20, 40, 80, 160, 320, 640, 1280)
PEER, OURS = "neuralforecast", "forecastkit"
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    PEER: {"default": {}, "week": {"input_size": 168, "start_padding_enabled": True}},
    OURS: {
        "default": {},
        "every": {"supervise": "all", "segment": SEASON, "context_length": 14 * SEASON},
        "no rules": {"residual": "none"},
    },
}
LEVELS = (1.0, 0.9, 0.85)


def split() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(past, answer) of each series, both inside the training part."""
    data = series("m4_hourly_train.csv")
    return [y[:-HORIZON] for y in data], [y[-HORIZON:] for y in data]


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def peer(setting: str, seed: int, threads: int, steps: int) -> dict[str, Any]:
    """A training of neuralforecast's LSTM in this process."""
    # numba asks for a package that has the name of the script coverage.py.
    sys.path = [p for p in sys.path if Path(p or ".").resolve() != HERE]
    began = time.perf_counter()
    import pandas as pd
    import pytorch_lightning as pl
    import torch
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    imports = time.perf_counter() - began
    torch.set_num_threads(threads)
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
    taken: list[Any] = []
    paused = np.zeros(2)

    class Copies(pl.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
            if trainer.global_step % EVERY:
                return
            now = clocks()
            copy = {k: v.detach().clone() for k, v in module.state_dict().items()}
            taken.append((trainer.global_step, now - started - paused, copy))
            paused[:] += clocks() - now

    quiet = {
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    model = LSTM(
        h=HORIZON, max_steps=steps, random_seed=seed, accelerator="cpu", callbacks=[Copies()], **quiet,
        **SETTINGS[PEER][setting],
    )  # fmt: skip
    forecaster = NeuralForecast([model], freq=1)
    started = clocks()
    forecaster.fit(frame)
    curve = []
    for step, seconds, weights in taken:
        forecaster.models[0].load_state_dict(weights)
        found = forecaster.predict().sort_values(["unique_id", "ds"])["LSTM"].to_numpy().reshape(len(ids), HORIZON)
        curve.append([step, *seconds, float(by_series(found, past, answer)[1].mean())])
    return {"imports": imports, "curve": curve}


def ours(setting: str, seed: int, threads: int, steps: int) -> dict[str, Any]:
    """Trainings of ``lstm`` in this process, one a point."""
    sys.path.insert(0, str(HERE.parent))
    began = time.perf_counter()
    import torch

    import forecastkit.forecasting.datamodule
    import forecastkit.training.trainer  # noqa: F401 - what a first fit imports
    from forecastkit.forecasting.models.recurrent import RecurrentForecaster
    from forecastkit.forecasting.protocol import FitContext

    imports = time.perf_counter() - began
    torch.set_num_threads(threads)
    from m4_hourly import frame_of

    past, answer = split()
    frame, order = frame_of(past)
    at = np.array([len(frame.calendar) - 1])
    model = RecurrentForecaster(cell="lstm", **SETTINGS[OURS][setting])
    curve = []
    for n in (n for n in POINTS if n <= steps):
        started = clocks()
        fitted = model.fit(frame, horizon=HORIZON, context=FitContext(seed=seed, n_steps=n))
        seconds = clocks() - started
        forecast = np.empty((len(past), HORIZON))
        forecast[order] = fitted.predict_at(frame, at)[0]
        curve.append([n, *seconds, float(by_series(forecast, past, answer)[1].mean())])
    return {"imports": imports, "curve": curve}


def measured(library: str, setting: str, seed: int, options: argparse.Namespace) -> None:
    """One run in a process of its own; its points go to the rows."""
    threads, steps = options.threads, options.peer_steps if library == PEER else POINTS[-1]
    python = options.peer_python if library == PEER else sys.executable
    command = [python, __file__, "--work", library, setting, *map(str, (seed, threads, steps))]
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | limits)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    today = dt.date.today().isoformat()
    rows = [
        [today, library, setting, seed, threads, n, f"{wall:.3f}", f"{cpu:.3f}", f"{mase:.4f}", f"{found['imports']:.2f}"]
        for n, wall, cpu, mase in found["curve"]
    ]  # fmt: skip
    append(CURVE, COLUMNS, rows)
    last = rows[-1]
    print(f"{library:<15} {setting:<9} seed {seed}  {last[5]:>5} steps  {last[7]:>8} s  MASE {last[8]}", flush=True)


def first_below(points: Any, level: float) -> Any:
    """The first point at or below a level; None where it is never reached."""
    below = points[points["mase"] <= level + 1e-9]
    return below.iloc[0] if len(below) else None


def table() -> list[dict[str, Any]]:
    """A row for each training of the peer and level beside each setting of ours."""
    import pandas as pd

    points = pd.read_csv(RESULTS / CURVE)
    points = points.drop_duplicates(["library", "setting", "seed", "threads", "steps"], keep="last")
    runs = {key: own.sort_values("steps") for key, own in points.groupby(["library", "setting", "seed"])}
    naive = float(points[(points["library"] == OURS) & (points["setting"] == "default")]["mase"].iloc[0])
    out = []
    for theirs in SETTINGS[PEER]:
        seeds = [seed for library, setting, seed in runs if (library, setting) == (PEER, theirs)]
        best = {seed: float(runs[PEER, theirs, seed]["mase"].min()) for seed in seeds}
        levels = {
            "seasonal naive": dict.fromkeys(seeds, naive),
            "105 % of its lowest": {s: 1.05 * v for s, v in best.items()},
            "its lowest": best,
            **{f"{level:g}": dict.fromkeys(seeds, level) for level in LEVELS},
        }
        most = min((int(runs[PEER, theirs, s]["steps"].max()) for s in seeds), default=0)
        for own in SETTINGS[OURS]:
            for name, level in levels.items():
                pairs = [
                    (first_below(runs[PEER, theirs, s], level[s]), first_below(runs[OURS, own, s], level[s]))
                    for s in seeds
                    if (OURS, own, s) in runs
                ]
                if pairs:
                    mean = statistics.mean(level.values())
                    facts = {"peer": theirs, "peer_most": most, "setting": own, "level": name, "mase": f"{mean:.3f}"}
                    out.append(facts | summed(pairs))
    return out


def summed(pairs: list[tuple[Any, Any]]) -> dict[str, str]:
    """Medians, and the spread of the ratios; empty where a side never reaches the level with every seed."""

    def median(side: int, column: str, digits: int) -> str:
        if any(pair[side] is None for pair in pairs):
            return ""
        return f"{statistics.median(float(pair[side][column]) for pair in pairs):.{digits}f}"

    out = {
        "seeds": str(len(pairs)),
        "peer_steps": median(0, "steps", 0),
        "peer_seconds": median(0, "cpu_seconds", 1),
        "steps": median(1, "steps", 0),
        "seconds": median(1, "cpu_seconds", 2),
        "ratio": "",
        "ratio_low": "",
        "ratio_high": "",
    }
    if out["peer_seconds"] and out["seconds"]:
        ratios = sorted(float(a["cpu_seconds"]) / float(b["cpu_seconds"]) for a, b in pairs)
        out |= {
            "ratio": f"{statistics.median(ratios):.3g}", "ratio_low": f"{ratios[0]:.3g}", "ratio_high": f"{ratios[-1]:.3g}"
        }  # fmt: skip
    return out


def draw() -> None:
    import matplotlib
    import matplotlib.pyplot as plt
    import pandas as pd

    matplotlib.rcParams["svg.hashsalt"] = "forecastkit"
    points = pd.read_csv(RESULTS / CURVE)
    points = points.drop_duplicates(["library", "setting", "seed", "threads", "steps"], keep="last")
    colours = {
        (PEER, "default"): "#D55E00", (PEER, "week"): "#E69F00", (OURS, "default"): "#0072B2", (OURS, "every"): "#009E73",
        (OURS, "no rules"): "#888888",
    }  # fmt: skip
    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for (library, setting), own in points.groupby(["library", "setting"], sort=False):
        for k, (_, run) in enumerate(own.groupby("seed")):
            run = run.sort_values("steps")
            label = f"{library}, {setting}" if k == 0 else None
            axis.plot(
                run["cpu_seconds"], run["mase"], color=colours[library, setting], lw=1, marker=".", ms=3, label=label
            )
    axis.set(xscale="log", ylim=(0.75, 2.0), xlabel="processor seconds of training", ylabel="MASE, 48 steps kept aside")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, help="of an environment with peers.txt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer-steps", type=int, default=PEER_STEPS)
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        library, setting, *numbers = options.work
        print(json.dumps({PEER: peer, OURS: ours}[library](setting, *map(int, numbers))))
        return
    if not options.draw:
        for seed in range(1, options.seeds + 1):
            for setting in SETTINGS[OURS]:
                if setting in SETTINGS[PEER]:
                    measured(PEER, setting, seed, options)
                measured(OURS, setting, seed, options)
        for seed in range(1, WEEKS + 1):
            measured(PEER, "week", seed, options)
    rows = table()
    import pandas as pd

    pd.DataFrame(rows).to_csv(RESULTS / TABLE, index=False, lineterminator="\n")
    for row in rows:
        print(*row.values(), sep="  ")
    draw()


if __name__ == "__main__":
    main()
