"""Training throughput of a classifier against a bare PyTorch loop, and a 30-minute record from file to classes.

    python benchmarks/ecg_speed.py              # or only: training, record

Both sides in one run, alternating: the network of ``gru`` on windows of beats, batches of 128. The bare loop does what everyone
would write: gather, forward, loss, backward, clip, step. Ours also draws by weight, varies the sequences and follows the mean of the
weights. Sequences are random; speed does not depend on the values. The record is generated, 30 minutes at 360 Hz in WFDB
format, and read, segmented and classified by a run saved before. Rows go to results/speed.csv.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecastkit.classification.models.recurrent import RecurrentClassifier
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.schema import Sequences
from forecastkit.classification.wfdb_files import write_record

HERE = Path(__file__).resolve().parent
N, LENGTH, CHANNELS, FEATURES, BATCH, STEPS = 4096, 100, 4, 20, 128, 200


def sequences() -> Sequences:
    rng = np.random.default_rng(0)
    return Sequences(
        rng.normal(size=(N * LENGTH, CHANNELS)).astype(np.float32), np.arange(N + 1) * LENGTH, rng.normal(size=(N, FEATURES)).astype(np.float32),
        tuple(f"f{k}" for k in range(FEATURES)), tuple("abcd"), rng.integers(0, 2, N), ("n", "v"), np.array([f"g{k % 8}" for k in range(N)], dtype=object),
        np.arange(N).astype(str).astype(object),
    )  # fmt: skip


def ours(data: Sequences) -> float:
    """Seconds a step, from the first report to the last: set-up is another figure."""
    seen: list[tuple[float, int]] = []
    model = RecurrentClassifier(cell="gru", max_steps=STEPS)
    model.fit(
        data, FitAbout(n_steps=STEPS, progress=lambda done, total, note: seen.append((time.perf_counter(), done)))
    )
    (start, first), (end, last) = seen[0], seen[-1]
    return (end - start) / (last - first)


def bare(data: Sequences) -> float:
    torch.set_num_threads(1)
    model = RecurrentClassifier(cell="gru")
    net = model.net(CHANNELS, FEATURES, 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    x, labels = torch.from_numpy(data.values.reshape(N, LENGTH, CHANNELS)), torch.from_numpy(data.labels)
    features, lengths = torch.from_numpy(data.features), torch.full((BATCH,), LENGTH)
    started = time.perf_counter()
    for _ in range(STEPS):
        rows = torch.randint(0, N, (BATCH,))
        loss = torch.nn.functional.cross_entropy(net(x[rows], lengths, features[rows]), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        loss.item()
    return (time.perf_counter() - started) / STEPS


def record_of(folder: Path, name: str, seed: int, minutes: float) -> Path:
    """A beating heart, every eighth beat ventricular, with wander and noise."""
    rng = np.random.default_rng(seed)
    fs, n = 360, int(minutes * 60 * 360)
    x = 0.1 * np.sin(2 * np.pi * 0.2 * np.arange(n) / fs) + rng.normal(0, 0.02, n)
    samples, symbols, now, k = [], [], 0.6, 0
    t = np.arange(-100, 150) / fs
    while now * fs < n - 200:
        v = k % 8 == 7
        wave = 1.2 * np.exp(-((t / (0.035 if v else 0.011)) ** 2) / 2) + (-0.3 if v else 0.2) * np.exp(
            -(((t - 0.27) / 0.05) ** 2) / 2
        )
        at = int(now * fs)
        x[at - 100 : at + 150] += wave[: len(x[at - 100 : at + 150])]
        samples.append(at)
        symbols.append("V" if v else "N")
        k += 1
        now += (0.55 if k % 8 == 7 else 1.0 if v else 0.8) + rng.normal(0, 0.01)
    return write_record(folder, name, x[:, None], fs, ["MLII"], samples=np.array(samples), symbols=symbols)


def thirty_minutes(repeat: int) -> tuple[float, float]:
    """(seconds, processor seconds), medians."""
    from forecastkit.classification.beats import read_beats
    from forecastkit.run.sequences.execute import ClassifyOptions, fit
    from forecastkit.run.sequences.tasks import predict_ecg

    with tempfile.TemporaryDirectory() as place:
        for k in range(4):
            record_of(Path(place) / "train", f"p{k}", k, 3)
        path = record_of(Path(place) / "new", "long", 9, 30)
        run = fit(
            read_beats(Path(place) / "train"),
            ClassifyOptions(models={"gru": {"max_steps": 25}}),
            out=Path(place) / "run",
        )
        found = []
        for _ in range(repeat):
            started, cpu = time.perf_counter(), time.process_time()
            table, _ = predict_ecg(run, path, model="gru")
            found.append((time.perf_counter() - started, time.process_time() - cpu))
        assert len(table) > 2000
    wall, own = zip(*found)
    return statistics.median(wall), statistics.median(own)


def training() -> list[list[Any]]:
    data = sequences()
    ours(data), bare(data)
    pairs = [(ours(data), bare(data)) for _ in range(5)]
    a, b = (statistics.median(p[k] for p in pairs) for k in range(2))
    ratio = statistics.median(y / x for x, y in pairs)
    return [["classifier training, beats 100x4, batch 128, ms a step; throughput", 1000 * a, 1000 * b, ratio]]


def record() -> list[list[Any]]:
    wall, cpu = thirty_minutes(3)
    nan = float("nan")
    name = "30-minute ECG read, segmented, classified by gru"
    return [[f"{name}, seconds", wall, nan, nan], [f"{name}, processor seconds", cpu, nan, nan]]


def main() -> None:
    works = {"training": training, "record": record}
    rows = [row for name in sys.argv[1:] or works for row in works[name]()]
    for row in rows:
        print(f"{row[0]:<70} ours {row[1]:9.3f}   bare {row[2]:9.3f}   ratio {row[3]:.3f}", flush=True)
    with (HERE / "results" / "speed.csv").open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for name, *numbers in rows:
            facts = [torch.__version__, os.cpu_count(), platform.machine()]
            writer.writerow([dt.date.today().isoformat(), name, *(f"{x:.4g}" for x in numbers), *facts])


if __name__ == "__main__":
    main()
