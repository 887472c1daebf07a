"""Each commented example is loaded and run small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from forecastkit.cli import main
from tests.classification.test_rhythm import lead

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs" / "classify").glob("*.yaml"))
SMALL = {"max_steps": 5, "hidden": 4}


def test_there_are_examples():
    assert len(CONFIGS) >= 4


@pytest.fixture(scope="module")
def rhythms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from forecastkit.classification.wfdb_files import write_record

    folder = tmp_path_factory.mktemp("rhythms")
    for k in range(10):
        name = "Atrial fibrillation" if k % 2 else "Sinus rhythm"
        signal = lead(k, fibrillates=bool(k % 2)).signal
        write_record(folder, f"a{k}", signal[:, None], 500, ["II"], fmt="16", comments=[f"Rhythm: {name}."])
    return folder


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_it_runs(path, records, rhythms, visits, tmp_path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    small = [f"models.{name}.{key}={value}" for name in content["models"] for key, value in SMALL.items()]
    if content.get("task") != "anomaly":
        small += ["models.boosting.n_trees=4", "split=folds"]
    if path.stem == "digits":
        sounds = tmp_path / "digits"
        make = [sys.executable, str(ROOT / "docs" / "gallery" / "make_digits.py"), str(sounds), "--times", "1"]
        subprocess.run(make, check=True)
        small.remove("split=folds")
        words = ["classify", "fit", f"data={sounds}"]
    elif "data" in content:
        words = ["classify", "fit", f"data={visits}"]
    else:
        words = ["ecg", "fit", f"records={rhythms if content.get('task') == 'rhythm' else records}"]
    out = tmp_path / "run"
    assert main([*words, "--config", str(path), "--out", str(out), "--quiet", *small]) == 0
    assert (out / "report.html").exists()
