"""Synthetic ECG and visits that the tests generate: no data of anybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.wfdb_files import write_record


def wave(t: np.ndarray, at: float, width: float, height: float) -> np.ndarray:
    return height * np.exp(-(((t - at) / width) ** 2) / 2)


def make_ecg(
    seed: int, *, seconds: float = 90.0, fs: float = 250.0, share: float = 0.12, kinds: str = "NV", noise: float = 0.02
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(signal [R], samples of the beats, their symbols): each patient has a shape, a rate and a rhythm of his own."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * fs)) / fs
    x = 0.15 * np.sin(2 * np.pi * 0.2 * t + rng.uniform(0, 6)) + rng.normal(0, noise, len(t))
    rr, height, width = rng.uniform(0.7, 1.0), rng.uniform(0.8, 1.6), rng.uniform(0.009, 0.013)
    now, samples, symbols = 0.5, [], []
    early = False
    while now < seconds - 1.0:
        kind = "N"
        if not early and rng.random() < share and len(samples) > 3:
            kind = str(rng.choice([k for k in kinds if k != "N"]))
        early = kind != "N"
        if kind in ("V", "A"):
            now -= 0.3 * rr
        if kind in ("N", "A"):
            x += wave(t, now - 0.16, 0.02, 0.12 if kind == "N" else -0.08)
            x += wave(t, now, width, height) + wave(t, now - 0.03, 0.008, -0.12) + wave(t, now + 0.03, 0.009, -0.2)
            x += wave(t, now + 0.27, 0.045, 0.25)
        elif kind == "V":
            x += wave(t, now, 0.035, 1.2 * height) + wave(t, now + 0.28, 0.06, -0.4)
        else:  # fusion: halfway
            x += wave(t, now, 0.022, 1.1 * height) + wave(t, now + 0.27, 0.05, -0.1)
        samples.append(round(now * fs))
        symbols.append(kind)
        now += rr * (1.35 if kind in ("V", "A") else 1.0) + rng.normal(0, 0.015)
    return x, np.array(samples, np.int64), symbols


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five patients in WFDB files and one in CSV."""
    folder = tmp_path_factory.mktemp("records")
    for k in range(5):
        x, samples, symbols = make_ecg(k)
        write_record(
            folder, f"p{k}", x[:, None], 250, ["II"], fmt=("16", "212")[k % 2], samples=samples, symbols=symbols
        )
    x, samples, symbols = make_ecg(5)
    pd.DataFrame({"seconds": np.arange(len(x)) / 250, "mV": np.round(x, 4)}).to_csv(
        folder / "p5_signal.csv", index=False
    )
    pd.DataFrame({"sample": samples, "pvc": [int(s == "V") for s in symbols]}).to_csv(
        folder / "p5_beats.csv", index=False
    )
    return folder


def make_visits(n: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Patients of four hospitals; the outcome follows from the slope of a value that is partly missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        sick = i % 3 == 0
        n_visits, day = int(rng.integers(3, 9)), 0.0
        age, sex = int(rng.integers(30, 80)), str(rng.choice(["F", "M"]))
        for k in range(n_visits):
            day += float(rng.integers(5, 60))
            value = 10 + (1.5 * k if sick else 0.0) + rng.normal(0, 0.5)
            rows.append(
                {
                    "patient": f"p{i:03d}", "date": str((pd.Timestamp("2020-01-01") + pd.Timedelta(days=day)).date()),
                    "creatinine": np.nan if rng.random() < 0.2 else round(value, 2), "mood": str(rng.choice(["good", "bad"])),
                    "age": age, "sex": sex, "hospital": f"h{i % 4}", "outcome": "sick" if sick else "well",
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("visits") / "visits.csv"
    make_visits().to_csv(path, index=False)
    return path
