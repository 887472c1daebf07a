"""Speed and memory of reading, against the bare parsers, all in one run on one machine.

Each reader runs in a process of its own: its peak memory is the process's, less what the imports take. Times are the
best of ``--repeats``. Ratios (ours / bare) hold on other machines; seconds do not. ``cpu_seconds`` are those of all threads, and
hardly hang on what else the machine does: what it would take is at most these, where a core is free.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent


def write_hours(path: Path, rows: int) -> None:
    """One series in rows of an hour."""
    import pyarrow as pa
    from pyarrow import csv

    times = (np.datetime64("1000-01-01T00:00:00", "s") + 3600 * np.arange(rows)).astype("datetime64[s]")
    y = np.random.default_rng(0).normal(100, 10, rows).round(3)
    csv.write_csv(pa.table({"time": times, "y": y}), path)


def write_panel(path: Path, rows: int) -> None:
    """Thousands of daily series, sorted by day: every item in turn."""
    import pyarrow as pa
    from pyarrow import csv

    items = max(1, rows // 1000)
    days = np.repeat(np.datetime64("2020-01-01", "D") + np.arange(rows // items), items)
    names = np.tile([f"store_{k:05d}" for k in range(items)], rows // items)
    y = np.random.default_rng(0).poisson(20, len(days))
    csv.write_csv(pa.table({"item": names, "date": days, "y": y}), path)


def write_wide(path: Path, rows: int) -> None:
    """5,000 columns, of which one is wanted."""
    days = pd.date_range("2000-01-01", periods=max(10, rows // 5000), freq="D")
    values = np.random.default_rng(0).integers(0, 1000, (len(days), 5000))
    pd.DataFrame(values, index=pd.Index(days, name="date"), columns=[f"col {k} x" for k in range(5000)]).to_csv(path)


FILES = {"hours": write_hours, "panel": write_panel, "wide": write_wide}


def peak(reset: bool = False) -> float:
    """Highest resident memory so far, in MiB; Linux can forget it (a child keeps its parent's)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def run(reader: str, path: str, kind: str) -> None:
    """Time one reader and print its figures as JSON."""
    import pyarrow.csv as arrow_csv

    from forecastkit.reading import ReadOptions, read

    target = "col 17 x" if kind == "wide" else "y"
    readers = {
        "forecastkit": lambda: len(read(path, ReadOptions(target=target)).frame),
        "pyarrow.csv": lambda: arrow_csv.read_csv(path).num_rows,
        "pandas.read_csv": lambda: len(pd.read_csv(path, parse_dates=["time" if kind == "hours" else "date"])),
    }
    small = Path(path).with_name("small.csv")
    small.write_text("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    read(small, ReadOptions())  # lazy imports are not reading
    before = peak(reset=True)
    start, used = time.perf_counter(), time.process_time()
    rows = readers[reader]()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu_seconds": used, "peak_mib": peak() - before}))


def main() -> None:
    """Write the files, run every reader on each and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="rows of each file (cells / 5000 for the wide one)"
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--files", nargs="+", choices=list(FILES), default=list(FILES))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "reading_speed.csv")
    parser.add_argument("--one", nargs=3, metavar=("READER", "PATH", "KIND"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run(*args.one)
        return
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in args.files:
            path = Path(folder) / f"{kind}.csv"
            FILES[kind](path, args.rows)
            for reader in ("forecastkit", "pyarrow.csv", "pandas.read_csv"):
                found = []
                for _ in range(args.repeats):
                    command = [sys.executable, __file__, "--one", reader, str(path), kind]
                    found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
                best = min(found, key=lambda f: f["seconds"])
                figures.append({"file": kind, "file_mib": path.stat().st_size / 2**20, "reader": reader, **best})
                print(figures[-1], file=sys.stderr)
            path.unlink()
    table = pd.DataFrame(figures)
    for name in ("pyarrow.csv", "pandas.read_csv"):
        bare = table[table["reader"] == name].set_index("file")["seconds"]
        table[f"times_{name}"] = table["seconds"] / table["file"].map(bare)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.round(3).to_csv(args.out, index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
