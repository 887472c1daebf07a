"""Kill fit and backtest at random moments, go on, and compare every byte with an undisturbed run.

    python benchmarks/kill_and_resume.py               # twenty kills; a row a kill in results/kill_and_resume.csv
    python benchmarks/kill_and_resume.py --kills 3

Moments are uniform over the time that the undisturbed run took, with a fixed seed; the process gets SIGKILL.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "kill_and_resume.csv"
TIMINGS = ["seconds_fit", "seconds_predict"]
SETTINGS = {"hidden": 8, "max_steps": 200, "val_every": 10, "context_length": 14}
WORDS = [
    "--data", "d.csv", "--horizon", "5", "--models", "lstm,gru", "--seeds", "2", "--quiet",
    *(f"models.{m}.{k}={v}" for m in ("lstm", "gru") for k, v in SETTINGS.items()),
]  # fmt: skip


def write_data(path: Path) -> None:
    rng, t = np.random.default_rng(0), np.arange(150)
    parts = []
    for i in range(3):
        y = 50 + 10 * i + 0.1 * t + 5 * np.sin(2 * np.pi * t / 7) + rng.normal(0, 1, len(t))
        parts.append(pd.DataFrame({"store": f"s{i}", "date": pd.date_range("2022-01-03", periods=len(t)), "sales": y}))
    pd.concat(parts).round(3).to_csv(path, index=False)


def start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    kit = [sys.executable, "-m", "forecastkit", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(kit, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(words: list[str], folder: Path) -> None:
    process = start(words, folder)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}\n{said.decode()}")


def state(run: Path) -> str:
    """How far a killed run had come."""
    if not (run / "run.yaml").exists():
        return "not begun"
    if "status: done" in (run / "run.yaml").read_text():
        return "done"
    parts = len(list(run.glob("parts/*/model.json")))
    return f"{parts} parts, {'forecast' if (run / 'forecast.csv').exists() else 'no forecast'}"


def same(a: Path, b: Path) -> bool:
    names = [
        "scores.csv",
        "backtest.parquet",
        "verdict.json",
        *(["forecast.csv"] if (a / "forecast.csv").exists() else []),
    ]
    if any((a / n).read_bytes() != (b / n).read_bytes() for n in names):
        return False
    boards = [pd.read_csv(f / "leaderboard.csv", dtype=str).drop(columns=TIMINGS).to_csv() for f in (a, b)]
    return boards[0] == boards[1] and not list(b.rglob("*.part")) and (b / "report.html").exists()


def trial(command: str, k: int, seconds: float, folder: Path) -> dict[str, object]:
    """One kill and what came of it; ``state`` done = it came too late to be one."""
    run = folder / f"{command}-{k}"
    process = start([command, *WORDS, "--out", run.name], folder)
    time.sleep(seconds)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    before = state(run)
    if before == "not begun":
        finish([command, *WORDS, "--out", run.name], folder)
    elif before != "done":
        finish([command, "--resume", run.name, "--quiet"], folder)
    row = {
        "command": command,
        "killed_after_s": round(seconds, 2),
        "state": before,
        "same": same(folder / command, run),
    }
    shutil.rmtree(run)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="in all, fit and backtest in turn")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, rows = random.Random(options.seed), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder / "d.csv")
        took = {}
        for command in ("fit", "backtest"):
            began = time.perf_counter()
            finish([command, *WORDS, "--out", command], folder)
            took[command] = time.perf_counter() - began
        while len(rows) < options.kills:
            command = ("fit", "backtest")[len(rows) % 2]
            # Imports come first and write nothing: moments begin after a quarter of the time.
            row = trial(command, len(rows), rng.uniform(0.25, 1.0) * took[command], folder)
            print(*row.values(), flush=True)
            if row["state"] != "done":
                rows.append({"date": dt.date.today().isoformat(), **row, "seed": options.seed})
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"{sum(bool(r['same']) for r in rows)} of {len(rows)} to the same bytes")


if __name__ == "__main__":
    main()
