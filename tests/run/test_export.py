"""Exported networks: the same numbers as torch, at several batches and lengths, and a program that needs torch no more."""

from __future__ import annotations

import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.nn.heads import LEAST_SPREAD
from forecastkit.run.saved_model import SavedModel
from forecastkit.run.serving.export import _network, export_run
from tests.conftest import build_panel, small

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

HORIZON = 4
NETWORKS = [n for n in registry.MODELS if registry.describe(n)["family"] == "network" and n != "fallback"]
PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def _panel() -> SeriesFrame:
    """With covariates of every role, numbers and texts."""
    frame = build_panel((120, 90))
    rng = np.random.default_rng(3)
    n = len(frame.data)
    data = frame.data.assign(
        heat=rng.normal(size=n), kind=np.array(["a", "b", "c"])[rng.integers(0, 3, n)], flow=rng.normal(size=n),
        size=np.where(frame.data["item_id"] == "item0", 1.0, 2.0),
    )  # fmt: skip
    return SeriesFrame(
        data, frame.calendar, season_length=7, target_name="y", known=("heat", "kind"), past=("flow",), static=("size",)
    )


def _saved(name: str, frame: SeriesFrame, **more) -> SavedModel:
    import torch

    options = {**small(name), "max_steps": 2, **more}
    fitted = registry.create_model(name, **options).fit(frame, horizon=HORIZON)
    torch.manual_seed(1)
    for p in fitted.net.parameters():
        # A head begins at zero: without noise every network would give its naive rule.
        p.data += 0.05 * torch.randn_like(p)
    return SavedModel(name, options, fitted, frame, HORIZON, 0, None, 7)


QUICK = ("gru", "nlinear")
"""The others take more than ten seconds on a busy machine."""


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS])
def test_every_network_is_the_same_in_onnx_and_torch_export(name):
    from forecastkit.nn.exporting import TOLERANCE, to_onnx, to_torch

    saved = _saved(name, _panel(), identity=True)
    export = _network(saved, saved.fitted)
    content, worst = to_onnx(export.graph)
    assert worst <= TOLERANCE
    assert to_torch(export.graph)[1] <= TOLERANCE
    # The oracle beside the comparison that the export makes itself: scaled back, it is what the model forecasts.
    session = onnxruntime.InferenceSession(content)
    fed = {i.name: export.example[i.name] for i in session.get_inputs()}
    found = dict(zip(export.graph.outputs, session.run(None, fed)))
    if "point" in found:
        batch = saved.fitted.contexts(saved.frame, _ends(saved.frame))
        np.testing.assert_allclose(batch.scale.inverse(found["point"]), export.example["forecast"], rtol=1e-5)
    else:
        assert name == "deepar"
        assert found["raw"].shape == (2, HORIZON, 3)
    # A context of another length is refused and not answered wrongly.
    if name in ("gru", "lstm"):
        short = {**fed, "past": fed["past"][:, 1:], "observed": fed["observed"][:, 1:]}
        with pytest.raises(Exception, match="invalid dimensions"):
            session.run(None, short)


def test_paths_drawn_from_the_file_are_those_of_the_model(tmp_path):
    """With the same chances the same paths; the program of the page gives their quantiles within the error of sampling."""
    from scipy.stats import t

    from forecastkit.forecasting.models.fitted_network import _chances
    from forecastkit.nn.exporting import to_onnx

    saved = _saved("deepar", build_panel((120, 90)))
    export = _network(saved, saved.fitted)
    content, _ = to_onnx(export.graph)
    ends, n = saved.frame.store.ends, 40
    own = saved.fitted.samples_at(saved.frame, ends, n, seed=7)[0]
    names = np.array([zlib.crc32(item.encode()) for item in saved.frame.items], dtype=np.uint64)
    # The last cutoff of each series on its own row.
    chance = _chances(7, names, ends - saved.frame.store.starts, n * HORIZON).reshape(-1, HORIZON)
    session = onnxruntime.InferenceSession(content)
    given = {i.name: np.repeat(export.example[i.name], n, axis=0) for i in session.get_inputs() if i.name != "fed"}
    fed = np.full((2 * n, HORIZON), np.nan, np.float32)
    for step in range(HORIZON):
        raw = session.run(["raw"], {**given, "fed": fed})[0][:, step].astype(float)
        spread, freedom = np.logaddexp(0, raw[:, 1] - 1) + LEAST_SPREAD, 2 + np.logaddexp(0, raw[:, 2] + 2)
        fed[:, step] = raw[:, 0] + spread * t.ppf(chance[:, step], freedom)
    batch = saved.fitted.contexts(saved.frame, _ends(saved.frame))
    drawn = batch.scale.inverse(fed.reshape(2, n * HORIZON)).reshape(2, n, HORIZON)
    np.testing.assert_allclose(drawn, own, rtol=1e-3)

    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "export.json").write_text(json.dumps({"file": "model.onnx", "horizon": HORIZON}), encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    program: dict = {}
    exec(blocks[0] + next(block for block in blocks if "def paths" in block), program)
    by_page = program["paths"](tmp_path, export.example, 2000)
    many = saved.fitted.samples_at(saved.frame, ends, 2000, seed=3)[0].reshape(2, -1)
    centre, width = batch.scale.inverse(np.zeros((2, 1))), batch.scale.inverse(np.ones((2, 1)))
    scaled = ((many - centre) / (width - centre)).reshape(2, 2000, HORIZON)
    for level in (0.1, 0.5, 0.9):
        a, b = (np.quantile(x, level, axis=1) for x in (by_page, scaled))
        np.testing.assert_allclose(a, b, atol=0.15 * scaled.std(axis=1).max())


def _ends(frame):
    from forecastkit.forecasting.windows import Windows

    return Windows(np.arange(len(frame.items)), frame.store.ends - frame.store.starts)


def test_quantiles_are_in_the_file_and_do_not_cross():
    from forecastkit.nn.exporting import to_onnx

    saved = _saved("gru", build_panel((120, 90)), head="quantile")
    export = _network(saved, saved.fitted)
    session = onnxruntime.InferenceSession(to_onnx(export.graph)[0])
    fed = {i.name: export.example[i.name] for i in session.get_inputs()}
    found = session.run(["quantiles"], fed)[0]
    assert found.shape[-1] == len(export.about["levels"]) == 13
    assert (np.diff(found, axis=-1) > 0).all()
    own = saved.fitted.quantiles_at(saved.frame, saved.frame.store.ends)[0]
    batch = saved.fitted.contexts(saved.frame, _ends(saved.frame))
    np.testing.assert_allclose(batch.scale.inverse(found), own, rtol=1e-5)


@pytest.fixture(scope="module")
def network_run(small_csv, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "lstm"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "lstm", "--quiet", "--out", str(out)]
    assert main([*words, "final=lstm", "models.lstm.hidden=8", "models.lstm.max_steps=30"]) == 0
    return out


def test_the_program_of_the_page_gives_the_forecast_of_the_run(network_run, tmp_path, capsys):
    assert main(["export", str(network_run), "--out", str(tmp_path / "o")]) == 0
    assert "largest difference" in capsys.readouterr().out
    program = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)[0]
    assert "forecastkit" not in "".join(re.findall(r"^(?:import|from) .*$", program, flags=re.M))
    names: dict = {}
    exec(program, names)
    example = np.load(tmp_path / "o" / "example.npz")
    told = pd.read_csv(network_run / "forecast.csv").pivot(index="item_id", columns="step", values="point").to_numpy()
    np.testing.assert_allclose(names["forecast"](tmp_path / "o", example["history"]), told, rtol=1e-5)
    np.testing.assert_allclose(example["forecast"], told, rtol=1e-9)
    holes = example["history"].copy()
    holes[0, 3] = np.nan
    assert not np.allclose(names["forecast"](tmp_path / "o", holes)[0], told[0], rtol=1e-9)


def test_the_program_of_torch_is_loaded_again(network_run, tmp_path):
    import torch

    done = export_run(network_run, "torch", out=tmp_path / "t")
    loaded = torch.export.load(io.BytesIO(done.file.read_bytes())).module()
    example = np.load(tmp_path / "t" / "example.npz")
    about = json.loads((tmp_path / "t" / "export.json").read_text())
    said = loaded(*(torch.from_numpy(example[i["name"]]) for i in about["inputs"]))
    found = dict(zip(about["outputs"], said))
    assert found["point"].shape == example["forecast"].shape
    assert about["checked"]["largest_difference"] <= 1e-5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "onxx"], "--format: 'onxx'; no such format. Did you mean 'onnx'?"),
        (["--model", "gru"], "this run keeps lstm alone"),
        (["--out", "{run}/run.yaml"], "cannot be written"),
    ],
)
def test_bad_input_is_one_line(network_run, capsys, words, said):
    words = [w.replace("{run}", str(network_run)) for w in words]
    assert main(["export", str(network_run), *words]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1


def test_a_baseline_is_no_network(small_csv, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "naive", "--quiet", "--out", str(out)]
    assert main([*words, "final=naive"]) == 0
    capsys.readouterr()
    assert main(["export", str(out)]) == 2
    line = capsys.readouterr().err
    assert "only a network can be exported" in line
    assert "final=lstm" in line
    assert not (out / "export").exists()


def test_an_absent_folder_is_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path / "none")]) == 2
    assert "no such run folder" in capsys.readouterr().err
