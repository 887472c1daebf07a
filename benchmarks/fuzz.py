"""Throw damaged files and configurations at the reader: nothing but ``ForecastkitError`` may come out.

    python benchmarks/fuzz.py                      # 100,000 inputs and the bounds; rows in results/fuzz.csv
    python benchmarks/fuzz.py --n 2000 --only csv
    python benchmarks/fuzz.py --atheris 600        # coverage-guided, for so many seconds, where atheris is installed

Inputs are sound files with one to six damages each (bytes, tokens, cuts, repeats) under a fixed seed, in blocks that run
in processes of their own, so that a crash of a library is counted too. The slowest input and the peak memory are recorded.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
RESULTS = HERE / "results" / "fuzz.csv"
BLOCK = 2500
SHARES = {"csv": 0.55, "random": 0.05, "gzip": 0.05, "parquet": 0.1, "config": 0.2, "override": 0.05}
BOUNDS = ("gzip bomb", "line of 200 MB", "5,000 columns", "25,000 series x 20", "50,000 series x 20")


def block(kind: str, seed: int, n: int, place: Path) -> dict[str, object]:
    """``n`` inputs of a kind in this process."""
    import numpy as np
    import pandas as pd

    from forecastkit.config import load_config
    from forecastkit.errors import ForecastkitError
    from forecastkit.reading import ReadOptions, read
    from tests.trust.seeds import CONFIGS, TABLES, mutate

    rng = np.random.default_rng([seed, sum(kind.encode())])
    buffer = io.BytesIO()
    pd.DataFrame({"date": pd.date_range("2024", periods=30), "y": np.arange(30.0), "s": ["a"] * 30}).to_parquet(buffer)
    found: list[dict[str, str]] = []
    refused, slowest = 0, 0.0
    for _ in range(n):
        if kind == "random":
            content = rng.bytes(int(rng.integers(0, 400)))
        elif kind == "parquet":
            content = mutate(buffer.getvalue(), rng)
        elif kind in ("config", "override"):
            content = mutate(CONFIGS[int(rng.integers(len(CONFIGS)))], rng)
        else:
            content = mutate(TABLES[int(rng.integers(len(TABLES)))], rng)
            if kind == "gzip":
                packed = bytearray(gzip.compress(content))
                if rng.random() < 0.7:
                    packed[int(rng.integers(len(packed)))] = int(rng.integers(256))
                content = bytes(packed)
        began = time.perf_counter()
        try:
            if kind == "override":
                load_config(overrides=content.decode("utf-8", "replace").splitlines())
            else:
                path = place / ("x.yaml" if kind == "config" else "x.csv")
                path.write_bytes(content)
                if kind == "config":
                    load_config(path)
                else:
                    read(path, ReadOptions())
        except ForecastkitError as error:
            refused += 1
            if "\n" in str(error):
                found.append({"error": "more than one line", "input": content[:300].hex()})
        except BaseException as error:  # whatever it is: that is what is looked for
            if isinstance(error, KeyboardInterrupt):
                raise
            found.append({"error": f"{type(error).__name__}: {error}"[:200], "input": content.hex()})
        slowest = max(slowest, time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"n": n, "refused": refused, "found": found, "slowest_s": slowest, "peak_mib": peak}


def bound(name: str, place: Path) -> dict[str, object]:
    """One large input in this process: seconds, and memory above what the imports take."""
    import numpy as np
    import pandas as pd

    from forecastkit.errors import ForecastkitError
    from forecastkit.reading import ReadOptions, read

    path = place / "x.csv"
    if name == "gzip bomb":
        with gzip.open(path, "wb", compresslevel=9) as file:
            for _ in range(200):
                file.write(b"2024-01-01,1\n" * (1 << 20))
    elif name == "line of 200 MB":
        path.write_bytes(b"date,y\n2024-01-01," + b"1" * (200 << 20))
    elif name == "5,000 columns":
        rng = np.random.default_rng(0)
        table = pd.DataFrame(rng.normal(size=(200, 5000)).round(3), columns=[f"c{k}" for k in range(5000)])
        table.insert(0, "date", pd.date_range("2024", periods=200).strftime("%Y-%m-%d"))
        table.to_csv(path, index=False)
    else:
        n = int(name.split()[0].replace(",", ""))
        days = pd.date_range("2024", periods=20).strftime("%Y-%m-%d")
        y = np.random.default_rng(0).normal(50, 5, n * 20).round(2)
        names = np.repeat([f"s{k:06d}" for k in range(n)], 20)
        pd.DataFrame({"store": names, "date": np.tile(days, n), "sales": y}).to_csv(path, index=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, cpu, said, errors = time.perf_counter(), time.process_time(), "", []
    options = ReadOptions(target="c0") if "columns" in name else ReadOptions()
    try:
        got = read(path, options)
        said = f"{got.profile.n_rows} rows, {got.profile.n_items} series"
    except ForecastkitError as error:
        said = str(error).replace(str(place), "")[:100]
    except Exception as error:
        errors = [{"error": f"{type(error).__name__}: {error}"[:200], "input": name}]
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"n": 1, "refused": int(not said.endswith(" series")), "found": errors, "slowest_s": took, "peak_mib": peak, "said": f"{said}; {cpu:.1f} s CPU, {peak - before:.0f} MiB above imports", "file_mib": path.stat().st_size / (1 << 20)}  # fmt: skip


def apart(words: list[str]) -> dict[str, object]:
    """A block in a process of its own; a crash is a finding."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--work", *words],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        why = f"exit status {done.returncode}: {done.stderr.strip()[-200:]}"
        return {
            "n": 0,
            "refused": 0,
            "found": [{"error": why, "input": " ".join(words)}],
            "slowest_s": 0.0,
            "peak_mib": 0.0,
        }
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def guided(seconds: int) -> None:
    """libFuzzer through atheris, on reader and configuration at once."""
    import atheris

    with atheris.instrument_imports(include=["forecastkit.reading", "forecastkit.config", "forecastkit.strict_yaml"]):
        from forecastkit.config import load_config
        from forecastkit.reading import ReadOptions, read
    from forecastkit.errors import ForecastkitError
    from tests.trust.seeds import CONFIGS, TABLES

    place = Path(tempfile.mkdtemp())
    corpus = place / "corpus"
    corpus.mkdir()
    for k, content in enumerate([*TABLES, *CONFIGS]):
        (corpus / str(k)).write_bytes(bytes([k >= len(TABLES)]) + content)

    def once(data: bytes) -> None:
        path = place / ("x.yaml" if data[:1] == b"\x01" else "x.csv")
        path.write_bytes(data[1:])
        try:
            if path.suffix == ".yaml":
                load_config(path)
            else:
                read(path, ReadOptions())
        except ForecastkitError:
            return

    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=20"], once)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help=f"one of {', '.join(SHARES)}, bounds")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--atheris", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        kind, *rest = options.work
        with tempfile.TemporaryDirectory() as place:
            out = (
                bound(rest[0], Path(place)) if kind == "bound" else block(kind, int(rest[0]), int(rest[1]), Path(place))
            )
        print(json.dumps(out))
        return
    if options.atheris:
        guided(options.atheris)
        return
    from concurrent.futures import ThreadPoolExecutor

    rows, findings = [], []
    with ThreadPoolExecutor(options.jobs) as pool:
        for kind, share in SHARES.items():
            if options.only not in ("", kind):
                continue
            n = round(options.n * share)
            sizes = [min(BLOCK, n - start) for start in range(0, n, BLOCK)]
            began = time.perf_counter()
            words = [[kind, str(options.seed * 1000 + k), str(size)] for k, size in enumerate(sizes)]
            done = list(pool.map(apart, words))
            rows.append(_row(kind, done, time.perf_counter() - began))
            findings += _told(kind, [f for d in done for f in d["found"]])
            print(*rows[-1].values(), flush=True)
    if options.only in ("", "bounds"):
        for name in BOUNDS:
            done = apart(["bound", name])
            rows.append({**_row(name, [done], float(done["slowest_s"])), "said": done.get("said", "")})
            findings += _told(name, done["found"])
            print(*rows[-1].values(), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    if not options.only:
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "said"] if "said" not in rows[0] else rows[0])
            writer.writeheader()
            writer.writerows(rows)
    raise SystemExit(1 if findings else 0)


def _told(kind: str, found: list[dict[str, str]]) -> list[dict[str, str]]:
    for finding in found[:20]:
        print(f"FOUND {kind}: {finding['error']}\n      {finding['input'][:1000]}", flush=True)
    return found


def _row(kind: str, done: list[dict], seconds: float) -> dict[str, object]:
    return {
        "date": dt.date.today().isoformat(),
        "kind": kind,
        "inputs": sum(d["n"] for d in done),
        "refused": sum(d["refused"] for d in done),
        "other_errors": sum(len(d["found"]) for d in done),
        "seconds": round(seconds, 1),
        "slowest_s": round(max(d["slowest_s"] for d in done), 3),
        "peak_mib": round(max(d["peak_mib"] for d in done)),
    }


if __name__ == "__main__":
    main()
