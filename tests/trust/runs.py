"""Small runs in processes of their own, and what may not differ between them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from tests.conftest import build_panel

TIMINGS = ["seconds_fit", "seconds_predict"]
NETWORKS = [
    f"models.{name}.{key}={value}"
    for name in ("lstm", "gru")
    for key, value in {"hidden": 8, "max_steps": 40, "val_every": 10, "context_length": 14}.items()
]
FAST = ["--horizon", "5", "--models", "lstm,gru", "--quiet", *NETWORKS]


def write_small(path: Path) -> Path:
    """Two series of days."""
    table = build_panel((150, 120), missing=0.0).data.round(3)
    table.columns = ["store", "date", "sales"]
    table.to_csv(path, index=False)
    return path


def start(words: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """``forecastkit`` with ``words``, in ``folder``."""
    return subprocess.Popen(
        [sys.executable, "-m", "forecastkit", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(words: list[str], folder: Path) -> None:
    """Run it to its end; an error shows what it said."""
    process = start(words, folder)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said.decode()


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process was still there to be killed."""
    time.sleep(seconds)
    alive = process.poll() is None
    if alive:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=900)
    return alive


def kill_when(process: subprocess.Popen[bytes], log: Path, words: str, *, most: float = 900) -> bool:
    """Kill as soon as ``words`` are in the run's log."""
    end = time.monotonic() + most
    while process.poll() is None and time.monotonic() < end:
        if log.exists() and words in log.read_text(errors="replace"):
            return kill_after(process, 0.05)
        time.sleep(0.01)
    process.communicate(timeout=900)
    return False


def go_on(command: str, run: Path, words: list[str], folder: Path) -> str:
    """Resume a killed run, or start it again where it had not begun; says which."""
    if not (run / "run.yaml").exists():
        finish([command, *words, "--out", str(run)], folder)
        return "started again"
    if "status: done" in (run / "run.yaml").read_text():
        return "was done"
    finish([command, "--resume", str(run), "--quiet"], folder)
    return "resumed"


def differences(a: Path, b: Path) -> list[str]:
    """Files of two runs that are not the same bytes; the leaderboard without its timings."""
    names = ["scores.csv", "backtest.parquet", "verdict.json"]
    names += [n for n in ("forecast.csv",) if (a / n).exists() or (b / n).exists()]
    found = [n for n in names if not _same(a / n, b / n)]
    boards = [pd.read_csv(f / "leaderboard.csv", dtype=str).drop(columns=TIMINGS).to_csv() for f in (a, b)]
    return found + ([] if boards[0] == boards[1] else ["leaderboard.csv"])


def _same(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.read_bytes() == b.read_bytes()
