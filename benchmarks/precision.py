"""Is bfloat16 good enough to be taken unasked? The same trainings in float32 and in bfloat16, scored on rows kept aside.

    python benchmarks/precision.py                     # rows in results/precision.csv; goes on where it was stopped
    python benchmarks/precision.py --seeds 1 --no-write

Data: M4 Hourly without its test (the last 48 steps of the training part are kept aside) and half-hourly demand in Victoria (its
last 40 days), both in $FORECASTKIT_DATA. Networks are as large as ``precision=auto`` means. Rule, fixed before the first run:
bfloat16 is taken unasked where the mean error over data, networks and seeds is at most 1 % above that of float32, and no
pair of data and network is more than 2 % above.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rows import RESULTS, append

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
COLUMNS = ["date", "data", "network", "seed", "precision", "mase", "steps", "cpu_seconds"]
HORIZON = 48
NETWORKS = {
    "LSTM 128x2, batch 256": {"cell": "lstm", "hidden": 128, "layers": 2, "batch_size": 256},
    "GRU 256, batch 128": {"cell": "gru", "hidden": 256, "layers": 1, "batch_size": 128},
}


def m4_hourly():
    """(frame, cutoffs [F])."""
    from m4_hourly import frame_of, series

    frame, _ = frame_of(series("m4_hourly_train.csv"))
    return frame, np.array([len(frame.calendar) - 1 - HORIZON])


def victoria():
    """(frame, cutoffs [F])."""
    from forecastkit.reading import ReadOptions, read

    path = Path(os.environ["FORECASTKIT_DATA"]) / "demand" / "vic_elec.csv"
    frame = read(path, ReadOptions(target="Demand", season_length=48)).frame
    return frame, len(frame.calendar) - 1 - HORIZON * np.arange(40, 0, -1)


def error(frame, points: np.ndarray, cutoffs: np.ndarray) -> float:
    """Mean over series of the absolute error in units of the mean seasonal change before the first cutoff.

    Args:
        points: [F, I, H].
    """
    found = []
    for i in range(len(frame.items)):
        y = frame.store.series(i)
        first = int(frame.store.starts[i])
        m = frame.season_length
        before = y[: cutoffs[0] + 1 - first]
        scale = np.nanmean(np.abs(before[m:] - before[:-m]))
        answers = np.stack([y[c + 1 - first : c + 1 - first + HORIZON] for c in cutoffs])
        found.append(np.nanmean(np.abs(points[:, i] - answers)) / scale)
    return float(np.mean(found))


def measured() -> dict[tuple[str, str, str, str], float]:
    """Errors that stand in the rows, which are not measured again."""
    path = RESULTS / "precision.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {(r["data"], r["network"], r["seed"], r["precision"]): float(r["mase"]) for r in csv.DictReader(file)}


def main() -> None:
    from forecastkit.forecasting.models.recurrent import RecurrentForecaster
    from forecastkit.forecasting.protocol import FitContext

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="most steps of a training")
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    if not os.environ.get("FORECASTKIT_DATA"):
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds benchmark/ and demand/")
    done = {} if args.no_write else measured()
    ratios: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for data, load in (("M4 Hourly", m4_hourly), ("Victoria demand", victoria)):
        frame, cutoffs = load()
        train = frame.upto(int(cutoffs[0]))
        for name, options in NETWORKS.items():
            for seed in range(1, args.seeds + 1):
                errors = {}
                for precision in ("32", "bf16"):
                    key = (data, name, str(seed), precision)
                    if key not in done:
                        model = RecurrentForecaster(**options, max_steps=args.steps, precision=precision)
                        began = time.process_time()
                        fitted = model.fit(train, horizon=HORIZON, context=FitContext(seed=seed))
                        seconds = time.process_time() - began
                        done[key] = error(frame, fitted.predict_at(frame, cutoffs), cutoffs)
                        facts = [f"{done[key]:.5f}", fitted.info["n_steps"], f"{seconds:.1f}"]
                        print(*key, *facts, flush=True)
                        if not args.no_write:
                            append("precision.csv", COLUMNS, [[dt.date.today().isoformat(), *key, *facts]])
                    errors[precision] = done[key]
                ratios.setdefault((data, name), []).append((errors["bf16"], errors["32"]))
    means = {k: [statistics.mean(v) for v in zip(*pairs)] for k, pairs in ratios.items()}
    above = {k: bf16 / full - 1 for k, (bf16, full) in means.items()}
    for (data, name), share in above.items():
        print(f"{data}, {name}: bfloat16 is {100 * share:+.2f} % of float32's error")
    allowed = statistics.mean(above.values()) <= 0.01 and max(above.values()) <= 0.02
    print(f"all: {100 * statistics.mean(above.values()):+.2f} %; {'allowed' if allowed else 'not allowed'}")


if __name__ == "__main__":
    main()
