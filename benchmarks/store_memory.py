"""Memory and time of reading and training a panel that lies in a file: is it bounded by the panel, or by the batch?

    python benchmarks/store_memory.py                          # 10 and 100 million rows; rows in results/store_memory.csv
    python benchmarks/store_memory.py --rows 1000000000        # 8 GB of temporary space and an hour

Each size runs in a process of its own: a Parquet file of daily series of 1,000 rows is read into memory or into a mapped
store, then an LSTM is trained for a few steps on batches of 256 windows. Memory is above what imports and a tiny training
take. Anonymous memory cannot be given back by the system; pages of the mapped file can (``file``). ``ratio`` = anonymous memory
over the raw float32 bytes. With ``--limit`` the process gets so many MiB of anonymous memory and must do with them.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
RESULTS = HERE / "results" / "store_memory.csv"
ROWS_EACH = 1000


def write(path: Path, rows: int, order: str) -> None:
    """A panel in row groups of a million, by item or by day."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    items = max(1, rows // ROWS_EACH)
    names = pa.array([f"s{k:07d}" for k in range(items)])
    days = np.datetime64("2020-01-01", "D") + np.arange(ROWS_EACH)
    rng = np.random.default_rng(0)
    kind = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema([("item", kind), ("day", pa.date32()), ("y", pa.float32())])
    with pq.ParquetWriter(path, schema) as writer:
        at_once = max(1, (1 << 20) // (ROWS_EACH if order == "item" else items))
        for start in range(0, items if order == "item" else ROWS_EACH, at_once):
            if order == "item":
                some = np.arange(start, min(items, start + at_once))
                code, day = np.repeat(some, ROWS_EACH), np.tile(days, len(some))
            else:
                some = days[start : start + at_once]
                code, day = np.tile(np.arange(items), len(some)), np.repeat(some, items)
            y = (100 + 10 * np.sin(2 * np.pi * day.astype(int) / 7) + rng.normal(0, 5, len(day))).astype(np.float32)
            column = pa.DictionaryArray.from_arrays(pa.array(code, pa.int32()), names)
            writer.write_table(pa.table([column, pa.array(day), pa.array(y)], schema=schema))


def resident() -> tuple[float, float]:
    """(anonymous, file) MiB of this process now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anonymous = int(lines["RssAnon"].split()[0]) / 1024
    return anonymous, int(lines["RssFile"].split()[0]) / 1024


class Watch(threading.Thread):
    """The most that was resident since ``reset``, looked at fifty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = (0.0, 0.0)

    def run(self) -> None:
        while True:
            now = resident()
            self.peak = max(self.peak[0], now[0]), max(self.peak[1], now[1])
            time.sleep(0.02)

    def reset(self) -> None:
        self.peak = resident()


def work(path: str, store: str, steps: int, limit: int) -> None:
    """Read and train in this process; prints its figures as JSON."""
    from forecastkit.forecasting.models.recurrent import RecurrentForecaster
    from forecastkit.reading import ReadOptions, read

    model = RecurrentForecaster(hidden=64, context_length=56, batch_size=256, max_steps=steps, val_every=steps)
    small = Path(path).with_name("small.parquet")
    if not small.exists():
        write(small, 50_000, "item")
    model.fit(read(small, ReadOptions(store=store)).frame, horizon=7)
    if limit:
        import resource

        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        used = int(lines["VmData"].split()[0]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (used + (limit << 20), used + (limit << 20)))
    watch = Watch()
    watch.start()
    watch.reset()
    base = resident()
    began = time.perf_counter()
    frame = read(path, ReadOptions(store=store)).frame
    read_seconds, read_peak = time.perf_counter() - began, watch.peak
    watch.reset()
    began = time.perf_counter()
    fitted = model.fit(frame, horizon=7)
    seconds, peak = time.perf_counter() - began, watch.peak
    print(
        json.dumps(
            {
                "rows": len(frame),
                "read_s": read_seconds,
                "read_mib": read_peak[0] - base[0],
                "train_s": seconds,
                "steps": fitted.info["n_steps"],
                "anonymous_mib": peak[0] - base[0],
                "file_mib": peak[1] - base[1],
                "libraries_mib": base[0] + base[1],
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000_000, 100_000_000])
    parser.add_argument("--stores", nargs="+", default=["memory", "disk"])
    parser.add_argument("--orders", nargs="+", default=["item", "day"], help="of the rows in the file")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--limit", type=int, default=0, help="MiB of anonymous memory above the libraries")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        path, store, steps, limit = options.work
        work(path, store, int(steps), int(limit))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in options.rows:
            for order in options.orders:
                path = Path(folder) / "panel.parquet"
                write(path, n, order)
                for store in options.stores:
                    command = [
                        sys.executable,
                        __file__,
                        "--work",
                        str(path),
                        store,
                        str(options.steps),
                        str(options.limit),
                    ]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode:
                        raise SystemExit(done.stderr[-2000:])
                    found = json.loads(done.stdout.splitlines()[-1])
                    raw = found["rows"] * 4 / (1 << 20)
                    row = {
                        "date": dt.date.today().isoformat(),
                        "order": order,
                        "store": store,
                        "rows": found["rows"],
                        "raw_float32_mib": round(raw),
                        "file_mib": round(path.stat().st_size / (1 << 20)),
                        **{k: round(v, 1) for k, v in found.items() if k not in ("rows", "file_mib")},
                        "mapped_mib": round(found["file_mib"]),
                        "ratio": round(found["anonymous_mib"] / raw, 2),
                        "limit_mib": options.limit or "",
                        "cores": os.cpu_count(),
                        "machine": platform.machine(),
                    }
                    rows.append(row)
                    print(*row.values(), flush=True)
                path.unlink()
    old = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            keys = ("order", "store", "rows", "limit_mib")
            new = {tuple(str(r[k]) for k in keys) for r in rows}
            old = [r for r in csv.DictReader(file) if tuple(r[k] for k in keys) not in new]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows([*old, *rows])


if __name__ == "__main__":
    main()
