"""The exported classifier says what ``predict`` says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecastkit import artifacts, probabilities
from forecastkit.classification.protocol import FitAbout
from forecastkit.cli import main
from forecastkit.run.folder import RunFolder
from tests.classification.test_models import make, toy

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def _run(path, name):
    """A run folder with one model, as ``classify fit`` leaves it."""
    data = toy(ragged=True, holes=True)
    fitted = make(name).fit(data, FitAbout(seed=1))
    arrays, meta = fitted.state()
    meta |= {"temperature": 1.4, "shift": [0.2, -0.1], "threshold": None, "classes": list(data.classes), "rare": "b"}
    run = RunFolder.create("toy", path)
    artifacts.save_model(run / "model" / name, arrays, meta)
    artifacts.write_json(run / "verdict.json", {"use": name})
    run.write_facts({"task": "sequences", "channels": ["x", "y"], "features": ["rr_a", "b"], "config": {}})
    return data, fitted


def test_onnx_from_raw_values(tmp_path):
    data, fitted = _run(tmp_path / "run", "gru")
    assert main(["export", str(tmp_path / "run")]) == 0
    folder = tmp_path / "run" / "export"
    about = json.loads((folder / "export.json").read_text())
    session = onnxruntime.InferenceSession((folder / "model.onnx").read_bytes())
    values, lengths = data.padded(np.arange(len(data)))
    given = {"values": values, "lengths": lengths, "features": data.features}
    raw, p = session.run(about["outputs"], {i["name"]: given[i["name"]] for i in about["inputs"]})
    own = fitted.predict(data)
    np.testing.assert_allclose(raw, own, atol=1e-5)
    np.testing.assert_allclose(p, probabilities.temper(own, 1.4, np.array([0.2, -0.1])), atol=1e-5)


def test_a_fixed_length_for_torch(tmp_path, capsys):
    _run(tmp_path / "run", "lstm")
    assert main(["export", str(tmp_path / "run"), "--format", "torch", "--length", "24"]) == 0
    assert "reads 24 steps" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "run"), "--format", "torch", "--length", "0"]) == 2


def test_a_run_of_baselines_is_one_line(tmp_path, capsys):
    _run(tmp_path / "run", "logistic")
    assert main(["export", str(tmp_path / "run")]) == 2
    assert "only a network can be exported" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "run"), "--model", "logistic"]) == 2
