"""The start budget, in modules and not in seconds: what a command does not need it does not import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "numpy", "pandas", "scipy", "sklearn", "pyarrow", "torch", "pytorch_lightning", "statsforecast", "statsmodels",
    "numba", "matplotlib", "joblib", "dask", "distributed", "ray",
}  # fmt: skip
NETWORK, STATISTICS = {"torch", "pytorch_lightning"}, {"statsforecast", "statsmodels", "numba"}


def _imported(code: str, folder=None) -> tuple[set[str], int]:
    """(heavy packages, count of all modules) after ``code`` in a process of its own."""
    tail = (
        "\nimport json, sys\n"
        "print()\n"
        "print(json.dumps([sorted({name.split('.')[0] for name in sys.modules}), len(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, timeout=900, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    names, count = json.loads(done.stdout.splitlines()[-1])
    return set(names) & HEAVY, count


def _command(line: str) -> str:
    return f"from forecastkit.cli import main\nassert main({line.split()!r}) == 0"


FIT = "fit --data d.csv --horizon 3 --quiet"
FIT_NETWORK = f"{FIT} --models gru baselines=naive models.gru.hidden=4 models.gru.max_steps=10 final=gru"


def test_import():
    heavy, count = _imported("import forecastkit")
    assert not heavy
    assert count < 120


@pytest.mark.parametrize(
    "line", ["", "fit", "backtest", "audit", "predict", "profile", "text fit", "ecg fit", "classify fit"]
)
def test_help(line):
    heavy, count = _imported(_command(f"{line} --help"))
    assert not heavy
    assert count < (260 if not line else 380)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_csv):
    place = tmp_path_factory.mktemp("start")
    (place / "d.csv").write_bytes(small_csv.read_bytes())
    return place


def test_baselines_alone_import_no_torch(folder):
    heavy, _ = _imported(_command(f"{FIT} --models theta --out baselines"), folder)
    assert heavy >= {"pandas", "statsforecast"}
    assert not heavy & NETWORK


def test_networks_alone_import_no_statistics(folder):
    heavy, _ = _imported(_command(f"{FIT_NETWORK} --out networks"), folder)
    assert heavy >= NETWORK
    assert not heavy & STATISTICS


@pytest.mark.parametrize("line", ["profile d.csv", "models", "datasets"])
def test_looking_at_data_and_runs_needs_neither(folder, line):
    heavy, _ = _imported(_command(line), folder)
    assert not heavy & (NETWORK | STATISTICS)


def test_a_network_forecasts_without_its_trainer(folder):
    _imported(_command(f"{FIT_NETWORK} --out kept"), folder)
    heavy, _ = _imported(_command("predict kept --out next.csv"), folder)
    assert "torch" in heavy
    assert not heavy & (STATISTICS | {"pytorch_lightning"})
