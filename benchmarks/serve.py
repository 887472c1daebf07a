"""Requests a second that `forecastkit serve` answers rightly, for one series, on this machine.

python benchmarks/serve.py [--rate 100] [--seconds 30] [--workers 2]

A run with one series of 400 days and a small LSTM is made, and served by as many processes. Requests come at a fixed rate
whether or not those before them were answered; each has thirty newer rows, of one of twenty kinds. Every answer is compared with
what `predict` says of the same rows. Client and server share the machine; `load` is how many other processes wanted a core when it
began.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import os
import platform
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rows import append_named

KINDS, ROWS, CLIENTS, WARM = 20, 30, 24, 2.0
PORT = 8765


def make_run(folder: Path) -> Path:
    from forecastkit.cli import main

    days = pd.date_range("2022-01-01", periods=400, freq="D")
    sales = 50 + 5 * np.sin(2 * np.pi * np.arange(400) / 7) + np.random.default_rng(0).normal(0, 1, 400)
    pd.DataFrame({"date": days, "sales": sales.round(3)}).to_csv(folder / "sales.csv", index=False)
    words = [
        "fit",
        "--data",
        str(folder / "sales.csv"),
        "--horizon",
        "7",
        "--models",
        "lstm",
        "baselines=naive",
        "final=lstm",
    ]
    assert main([*words, "ensemble=none", "models.lstm.max_steps=100", "--quiet", "--out", str(folder / "run")]) == 0
    return folder / "run"


def questions(run: Path) -> list[tuple[bytes, np.ndarray]]:
    """Bodies, and the points that predict gives."""
    from forecastkit.api import predict

    rng = np.random.default_rng(1)
    out = []
    for _ in range(KINDS):
        days = pd.date_range("2023-02-05", periods=ROWS, freq="D")
        rows = pd.DataFrame({"date": days.strftime("%Y-%m-%d"), "sales": rng.normal(50, 5, ROWS).round(3)})
        body = json.dumps({"history": rows.to_dict("records")}).encode()
        out.append((body, predict(run, rows)["point"].to_numpy()))
    return out


def wait_until_up(seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=2)
            link.request("GET", "/health")
            link.getresponse().read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the service did not come up")


def load(asked: list[tuple[bytes, np.ndarray]], rate: float, seconds: float) -> tuple[list[float], int, int]:
    """(seconds from when each request was due to its answer, wrong answers, refusals)."""
    due: queue.Queue[tuple[float, int] | None] = queue.Queue()
    took: list[float] = []
    wrong, refused = [0], [0]
    lock = threading.Lock()

    def client() -> None:
        link = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        while (job := due.get()) is not None:
            when, k = job
            body, want = asked[k % KINDS]
            link.request("POST", "/forecast", body, {"content-type": "application/json"})
            answer = link.getresponse()
            text = answer.read()
            ended = time.perf_counter() - when
            right = answer.status == 200 and np.allclose(
                [r["point"] for r in json.loads(text)["rows"]], want, rtol=1e-9
            )
            with lock:
                took.append(ended)
                refused[0] += answer.status != 200
                wrong[0] += answer.status == 200 and not right
        link.close()

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    start = time.perf_counter()
    for k in range(int(rate * seconds)):
        when = start + k / rate
        time.sleep(max(0.0, when - time.perf_counter()))
        due.put((when, k))
    for _ in clients:
        due.put(None)
    for one in clients:
        one.join()
    return took, wrong[0], refused[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    load_before = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder))
        asked = questions(run)
        words = [
            sys.executable,
            "-m",
            "forecastkit",
            "serve",
            str(run),
            "--port",
            str(PORT),
            "--workers",
            str(given.workers),
        ]
        server = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        try:
            wait_until_up()
            load(asked, 20, WARM)
            started = time.perf_counter()
            took, wrong, refused = load(asked, given.rate, given.seconds)
            passed = time.perf_counter() - started
        finally:
            server.terminate()
            server.wait(20)
    row = {
        "date": dt.date.today().isoformat(), "asked_per_second": given.rate, "answered_per_second": round(len(took) / passed, 1),
        "requests": len(took), "wrong": wrong, "refused": refused, "median_ms": round(1e3 * float(np.median(took)), 1),
        "p99_ms": round(1e3 * float(np.quantile(took, 0.99)), 1), "processes": given.workers, "cores": os.cpu_count(),
        "load": load_before, "machine": platform.machine(),
    }  # fmt: skip
    print(row)
    append_named("serve.csv", [row])


if __name__ == "__main__":
    main()
