"""Small panels and one finished run that the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.schema import SeriesFrame

# Small networks share badly, and threads that wait for each other are slow on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SMALL = {"hidden": 8, "max_steps": 30, "val_every": 10, "context_length": 12}


def small(name: str) -> dict:
    """Options of a model that make it quick; nothing for what is quick anyway."""
    from forecastkit import registry

    facts = registry.describe(name)
    quick = SMALL if facts["family"] == "network" else {"max_trees": 10}
    if name == "fallback":
        return {"options": {"gru": SMALL}}
    return {k: v for k, v in quick.items() if k in facts["options"]}


@pytest.fixture
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build_panel(
    lengths: tuple[int, ...] = (120, 90), *, seed: int = 0, season: int = 7, missing: float = 0.03, freq: str = "D"
) -> SeriesFrame:
    """Trend, season and noise; later items start later; some rows unobserved, never the first or last."""
    rng = np.random.default_rng(seed)
    n = max(lengths)
    index = pd.date_range("2022-01-03", periods=n, freq=freq)
    parts = []
    for i, length in enumerate(lengths):
        t = np.arange(n - length, n)
        y = 50 + 10 * i + 0.1 * t + 5 * np.sin(2 * np.pi * t / season) + rng.normal(0, 1, length)
        gone = rng.random(length) < missing
        gone[[0, -1]] = False
        part = pd.DataFrame({"item_id": f"item{i}", "timestamp": index[t], "target": np.where(gone, np.nan, y)})
        parts.append(part)
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar(freq, index), season_length=season)


@pytest.fixture
def panel() -> SeriesFrame:
    """Two series, the second one late, with holes."""
    return build_panel()


@pytest.fixture(scope="session")
def small_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tidy file of two stores."""
    frame = build_panel((160, 120), missing=0.0)
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    table = frame.data.rename(columns={"item_id": "store", "timestamp": "date", "target": "sales"})
    table.round(3).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def finished_run(small_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder made by the command line; tests that change it copy it first."""
    from forecastkit.cli import main

    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "lstm", "--quiet", "--out", str(out)]
    assert main([*words, *(f"models.lstm.{k}={v}" for k, v in SMALL.items())]) == 0
    return out


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A file of the larger public data sets, or a skip."""

    def find(name: str) -> Path:
        root = os.environ.get("FORECASTKIT_DATA")
        if not root or not (Path(root) / name).exists():
            pytest.skip(f"set FORECASTKIT_DATA to a folder that holds {name}")
        return Path(root) / name

    return find


@pytest.fixture(autouse=True)
def _same_threads() -> Iterator[None]:
    """A test that sets torch's threads does not slow the next one."""
    yield
    import sys

    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
