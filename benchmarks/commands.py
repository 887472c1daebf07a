"""Seconds and peak memory of whole commands, each in a process of its own.

    python benchmarks/commands.py                # prints, and appends a row a command to results/commands.csv
    python benchmarks/commands.py --only predict

Peak memory is the maximum resident set of the process and its children (Linux and macOS).
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from rows import append

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


def measured(words: list[str], folder: str) -> tuple[float, float]:
    """(seconds, MiB) of one command; an error ends the benchmark."""
    code = (
        "import resource, subprocess, sys, time\n"
        "t = time.perf_counter()\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True)\n"
        "s = time.perf_counter() - t\n"
        "sys.stderr.buffer.write(done.stderr)\n"
        "print(s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        "sys.exit(done.returncode)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stderr}")
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory) / (1024 if sys.platform != "darwin" else 1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of a command's name")
    parser.add_argument("--repeat", type=int, default=3, help="runs of the short commands; the fastest counts")
    options = parser.parse_args()
    kit = [sys.executable, "-m", "forecastkit"]
    with tempfile.TemporaryDirectory() as folder:
        prices = str(ROOT / "datasets" / "prices.csv")
        plan = {
            "fit prices": ([*kit, "fit", "--data", prices, "--out", "prices"], 1),
            "fit air_passengers": ([*kit, "fit", "--data", "dataset:air_passengers", "--out", "air"], 1),
            "fit weather": ([*kit, "fit", "--data", "dataset:weather", "--out", "weather"], 1),
            "fit co2": ([*kit, "fit", "--data", "dataset:co2", "--out", "co2"], 1),
            "fit prices, final lstm": (
                [*kit, "fit", "--data", prices, "final=lstm", "--out", "lstm", "baselines=naive"],
                1,
            ),
            "predict prices (network)": ([*kit, "predict", "lstm", "--out", "next.csv"], options.repeat),
            "predict prices (recommended)": ([*kit, "predict", "prices", "--out", "next.csv"], options.repeat),
            "help": ([*kit, "--help"], options.repeat),
            "fit --help": ([*kit, "fit", "--help"], options.repeat),
            "text fit --help": ([*kit, "text", "fit", "--help"], options.repeat),
            "import": ([sys.executable, "-c", "import forecastkit"], options.repeat),
            "bare python": ([sys.executable, "-c", "pass"], options.repeat),
        }
        rows = []
        for name, (words, repeat) in plan.items():
            if options.only not in name:
                continue
            found = [measured(words, folder) for _ in range(repeat)]
            seconds, memory = min(s for s, _ in found), max(m for _, m in found)
            print(f"{name:<30} {seconds:8.2f} s {memory:8.0f} MiB", flush=True)
            rows.append(
                [
                    dt.date.today().isoformat(),
                    name,
                    f"{seconds:.2f}",
                    f"{memory:.0f}",
                    os.cpu_count(),
                    platform.machine(),
                ]
            )
    append("commands.csv", ["date", "command", "seconds", "peak_mib", "cores", "machine"], rows)


if __name__ == "__main__":
    main()
