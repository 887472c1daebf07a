"""Model files run no code, whoever wrote them; old formats load for ever; damage is one line."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

import forecastkit
from forecastkit import api, artifacts
from forecastkit.cli import main
from forecastkit.errors import ForecastkitError, ModelFileError
from forecastkit.run.folder import RUN_FORMAT, RunFolder
from forecastkit.run.model_card import _text
from forecastkit.run.saved_model import SavedModel
from tests.trust.make_fixtures import MAKERS
from tests.trust.saved_models import FIXTURES, said_by

PACKAGE = Path(forecastkit.__file__).parent

LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "_pickle"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    ("joblib", "load"), ("joblib", "dump"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("yaml", "load_all"),
    ("pd", "read_pickle"), ("os", "system"), ("os", "popen"), ("torch", "save"),
}  # fmt: skip


def _sources():
    return sorted(p for p in PACKAGE.rglob("*.py") if "_datasets" not in p.parts)


def _forbidden(tree: ast.AST):
    """What runs code from a file, or a value as code."""
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (f"imports {n}" for n in names if n.split(".")[0] in LOADERS)
        if not isinstance(node, ast.Call):
            continue
        given = {k.arg: k.value for k in node.keywords}
        if isinstance(given.get("shell"), ast.Constant) and given["shell"].value:
            yield "shell=True"
        if "allow_pickle" in given and not (
            isinstance(given["allow_pickle"], ast.Constant) and not given["allow_pickle"].value
        ):
            yield "allow_pickle"
        if isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield f"{node.func.id}()"
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            pair = (node.func.value.id, node.func.attr)
            if pair in METHODS or pair[1] == "to_pickle":
                yield ".".join(pair)
            if pair == ("torch", "load") and not (
                isinstance(given.get("weights_only"), ast.Constant) and given["weights_only"].value
            ):
                yield "torch.load without weights_only"
            if pair == ("yaml", "load") and "Loader" not in given:
                yield "yaml.load without a loader"


@pytest.mark.parametrize("path", _sources(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_package_has_nothing_that_runs_stored_code(path):
    text = path.read_text(encoding="utf-8")
    assert list(_forbidden(ast.parse(text))) == []
    if re.search(r"(?<!\w)yaml\.load\(", text):
        assert path.name == "strict_yaml.py"
        assert "_OnceLoader(yaml.SafeLoader)" in text


@pytest.mark.parametrize("line", [
    "import pickle", "from joblib import x; import joblib; joblib.load(p)", "eval(x)", "yaml.load(x)",
    "torch.load(p)", "torch.load(p, weights_only=False)", "np.load(p, allow_pickle=True)", "run(x, shell=True)",
])  # fmt: skip
def test_the_search_finds_what_it_looks_for(line):
    assert list(_forbidden(ast.parse(line)))


class Boom:
    """What a hostile file would run."""

    def __reduce__(self):
        return (Path.touch, (Path("was_run"),))


def _pickled() -> bytes:
    return pickle.dumps(Boom())


def _torch_zip() -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2), "boom": Boom()}, buffer)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, w=np.array([Boom()], dtype=object))
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped", b"x")
    return buffer.getvalue()


def _swollen() -> bytes:
    """A header that promises far more than there is."""
    header = json.dumps({"w": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 1 << 43]}}).encode()
    return len(header).to_bytes(8, "little") + header


HOSTILE = {
    "pickle": _pickled, "torch zip": _torch_zip, "npz with objects": _npz, "zip": _zip, "swollen header": _swollen,
    "huge header": lambda: (1 << 62).to_bytes(8, "little") + b"{}", "empty": bytes, "one byte": lambda: b"\x80",
    "python": lambda: b"import os\nos.system('touch was_run')\n",
}  # fmt: skip


@pytest.fixture
def model(finished_run, fresh_folder):
    return shutil.copytree(finished_run / "model", fresh_folder / "model")


def _seal(model):
    """Make the checksums right, as an attacker would."""
    facts = json.loads((model / "model.json").read_text())
    facts["sha256"] = hashlib.sha256((model / "weights.safetensors").read_bytes()).hexdigest()
    facts["meta"]["history_sha256"] = hashlib.sha256((model / "history.parquet").read_bytes()).hexdigest()
    facts["meta_sha256"] = artifacts._digest(facts["meta"])
    (model / "model.json").write_text(json.dumps(facts))


def _refused(model):
    with pytest.raises(ModelFileError) as error:
        SavedModel.load(model)
    assert "\n" not in str(error.value)
    assert not Path("was_run").exists()
    assert not list(model.parent.parent.glob("escaped"))


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("name", ["weights.safetensors", "model.json", "history.parquet"])
@pytest.mark.parametrize("content", HOSTILE)
def test_hostile_files_are_refused_and_nothing_runs(model, content, name, sealed):
    (model / name).write_bytes(HOSTILE[content]())
    if sealed and name != "model.json":
        _seal(model)
    _refused(model)


def _meta(model, change):
    facts = json.loads((model / "model.json").read_text())
    change(facts["meta"])
    (model / "model.json").write_text(json.dumps(facts))
    _seal(model)


@pytest.mark.parametrize("change", [
    lambda m: m.update(name="../../etc/passwd"),
    lambda m: m.update(name="os:system"),
    lambda m: m.update(name=["lstm"]),
    lambda m: m.update(options={"__class__": "x"}),
    lambda m: m.update(options={"hidden": "8; import os"}),
    lambda m: m.update(options={"hidden": -1}),
    lambda m: m.update(horizon="many"),
    lambda m: m.update(intervals={"offsets": "x"}),
    lambda m: m.update(state=None),
    lambda m: m["frame"].update(freq="os.system('touch was_run')"),
    lambda m: m["frame"].update(instants={"unit": "ns', x", "tz": "../../etc/passwd"}),
    lambda m: m["frame"].update(sessions=[[1]]),
    lambda m: m.pop("frame"),
])  # fmt: skip
def test_edited_facts_with_a_right_checksum_are_refused(model, change):
    _meta(model, change)
    with pytest.raises(ForecastkitError) as error:
        SavedModel.load(model).forecast()
    assert "\n" not in str(error.value)
    assert not Path("was_run").exists()


def test_swapped_files_are_noticed(model, tmp_path):
    rows = pd.read_parquet(model / "history.parquet")
    rows.assign(target=rows["target"] * 2).to_parquet(model / "history.parquet")
    _refused(model)


def test_weights_of_another_shape_are_refused(model):
    arrays, meta = artifacts.load_model(model)
    smaller = {k: v[..., :-1] if k.startswith("state.") and v.ndim > 1 else v for k, v in arrays.items()}
    artifacts.save_model(model, smaller, meta)
    if smaller.keys() != arrays.keys() or any(smaller[k].shape != arrays[k].shape for k in arrays):
        _refused(model)


@pytest.mark.parametrize("text", [
    "!!python/object/apply:os.system ['touch was_run']",
    "format_version: 1\nx: !!python/name:os.system ''",
    "a: &a [*a]",
    "format_version: [1]",
    "{" * 5000,
    "- 1",
    "",
    "\x00",
])  # fmt: skip
def test_yaml_tags_make_nothing(finished_run, fresh_folder, text):
    run = shutil.copytree(finished_run, fresh_folder / "run")
    (run / "run.yaml").write_text(text)
    with pytest.raises(ModelFileError) as error:
        RunFolder.open(run)
    assert "\n" not in str(error.value)
    assert not Path("was_run").exists()


@pytest.mark.parametrize("folder", sorted(FIXTURES.glob("format_*")), ids=lambda p: p.name)
def test_every_format_loads_for_ever(folder):
    """One folder for each format and family; a new format adds folders and never changes one."""
    said = said_by(folder)
    stored = RunFolder(folder).table("expected.csv")
    assert list(said.columns) == list(stored.columns)
    assert len(said) == len(stored)
    for name in said.columns:
        if pd.api.types.is_numeric_dtype(said[name]) and said[name].dtype != bool:
            # Another processor or library may round otherwise; probabilities are written with six digits.
            np.testing.assert_allclose(said[name], stored[name], rtol=1e-5, atol=2e-6, err_msg=name)
        elif not pd.api.types.is_datetime64_any_dtype(said[name]):
            assert said[name].astype(str).tolist() == stored[name].fillna("").astype(str).tolist(), name
        else:
            assert said[name].tolist() == stored[name].tolist(), name


def test_every_family_has_a_fixture_of_the_present_format():
    """``python -m tests.trust.make_fixtures`` makes those that are missing."""
    there = {path.name for path in FIXTURES.glob("format_*")}
    assert {f"format_{artifacts.MODEL_FORMAT}_{name}" for name in MAKERS} <= there
    for path in FIXTURES.glob("format_*/**/model.json"):
        folder = path.relative_to(FIXTURES).parts[0]
        assert json.loads(path.read_text())["format_version"] == int(folder.split("_")[1])


def _newer(path):
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "format_version": artifacts.MODEL_FORMAT + 1}))


def _one_line(words, capsys):
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


ASKED = {
    "lstm": ["predict", "run", "--data", "d.csv"],
    "visits": ["classify", "predict", "run", "--data", "run/input.csv", "--model", "gru"],
    "anomalies": ["classify", "predict", "run", "--data", "run/input.csv", "--model", "gru"],
    "beats": ["ecg", "predict", "run", "--record", "run/input.hea", "--model", "gru"],
    "text_gru": ["text", "predict", "run", "A lamp", "--model", "gru"],
    "language_words": ["text", "complete", "run", "The fox"],
    "translation": ["text", "translate", "run", "The dog sings."],
}


@pytest.mark.parametrize("name", ASKED)
def test_a_newer_format_is_one_line_with_the_remedy(name, fresh_folder, finished_run, small_csv, capsys):
    shutil.copytree(finished_run if name == "lstm" else FIXTURES / f"format_1_{name}", "run")
    shutil.copy(small_csv, "d.csv")
    for path in Path("run").rglob("model.json"):
        _newer(path)
    said = _one_line(ASKED[name], capsys)
    assert f"format {artifacts.MODEL_FORMAT + 1}" in said
    assert "Install a newer forecastkit." in said


def test_a_run_of_a_newer_format_is_one_line(fresh_folder, finished_run, capsys):
    shutil.copytree(finished_run, "run")
    facts = yaml.safe_load(Path("run/run.yaml").read_text())
    Path("run/run.yaml").write_text(yaml.safe_dump({**facts, "format_version": RUN_FORMAT + 1}))
    commands = (
        ["predict", "run"],
        ["report", "run"],
        ["rerun", "run"],
        ["fit", "--resume", "run"],
        ["leaderboard", "run"],
    )
    for words in commands:
        assert "Install a newer forecastkit." in _one_line(words, capsys), words


def test_a_model_without_checksum_of_its_history_still_loads(model):
    _meta(model, lambda m: None)
    facts = json.loads((model / "model.json").read_text())
    del facts["meta"]["history_sha256"]
    facts["meta_sha256"] = artifacts._digest(facts["meta"])
    (model / "model.json").write_text(json.dumps(facts))
    assert len(SavedModel.load(model).forecast())


def test_facts_of_a_model(finished_run):
    facts = json.loads((finished_run / "model" / "model.json").read_text())
    assert {"forecastkit", "python", "numpy", "pandas", "torch", "statsforecast"} <= set(facts["versions"])
    run = yaml.safe_load((finished_run / "run.yaml").read_text())
    assert facts["meta"]["facts"]["fingerprint"] == run["fingerprint"]
    assert run["kind"] == "fit"


def test_the_card_says_what_the_model_is(finished_run):
    card = (finished_run / "model" / "card.md").read_text()
    verdict = json.loads((finished_run / "verdict.json").read_text())
    profile = json.loads((finished_run / "profile.json").read_text())
    assert card.startswith(f"# {pd.read_csv(finished_run / 'forecast.csv')['model'].iloc[0]}\n")
    for said in (
        profile["fingerprint"],
        "280 rows, 2 series",
        "2022-01-03 to 2022-06-11",
        "report folds, cutoffs",
        "| mase |",
    ):
        assert said in card
    assert _text(" ".join(verdict["sentence"]["en"])) in card
    for heading in ("## Learned from", "## Tested on", "## Scores on report folds", "## Verdict", "## Limits"):
        assert heading in card


def test_names_from_the_data_are_no_markup_in_the_card():
    assert _text("<b>[x](y)`z`\n# h") == "\\<b\\>\\[x\\](y)\\`z\\` \\# h"
    assert _text("seasonal_naive __x__") == "seasonal_naive \\_\\_x\\_\\_"


def test_ids_never_become_paths(fresh_folder):
    index = pd.date_range("2024-01-01", periods=60)
    names = [
        "../../escaped",
        "/etc/passwd",
        "con\\nul",
        "a/b",
        "=cmd|' /C calc'!A0",
        "%s{0}${HOME}`id`",
        "'; DROP TABLE x;--",
    ]
    rows = [pd.DataFrame({"store": n, "date": index, "y": np.arange(60.0) + k}) for k, n in enumerate(names)]
    pd.concat(rows).to_csv("d.csv", index=False)
    before = set(fresh_folder.parent.iterdir())
    assert (
        main(
            [
                "fit",
                "--data",
                "d.csv",
                "--horizon",
                "3",
                "--models",
                "naive",
                "baselines=naive",
                "--quiet",
                "--out",
                "run",
            ]
        )
        == 0
    )
    assert set(fresh_folder.parent.iterdir()) == before
    made = {str(p.relative_to("run")) for p in Path("run").rglob("*")}
    assert not [m for m in made if "escaped" in m or "passwd" in m or "calc" in m]
    forecast = (fresh_folder / "run" / "forecast.csv").read_text()
    assert "\n=cmd" not in forecast
    assert "'=cmd" in forecast
    result = api.load("run")
    assert set(names) == set(result.forecast["item_id"]) == set(result.scores["item_id"])
    assert set(result.predict()["item_id"]) == set(names)


def test_ids_like_formulas_are_scored_under_their_own_name(fresh_folder):
    names = ["=a", "'=a", "+b", "-c", "it's", "NA", "007"]
    index = pd.date_range("2024-01-01", periods=63)
    table = pd.concat(
        [pd.DataFrame({"store": n, "date": index, "y": np.arange(63.0) + k}) for k, n in enumerate(names)]
    )
    table[table["date"] < "2024-03-01"].to_csv("d.csv", index=False)
    table.to_csv("later.csv", index=False)
    assert (
        main(
            [
                "fit",
                "--data",
                "d.csv",
                "--horizon",
                "3",
                "--models",
                "naive",
                "baselines=naive",
                "--quiet",
                "--out",
                "run",
            ]
        )
        == 0
    )
    assert "\n=a" not in Path("run/forecast.csv").read_text()
    found = api.score("run", "later.csv")
    assert set(found.rows["item_id"]) == set(names)


DAMAGE = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "a list": lambda content: b"[1, 2]\n",
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", [
    "run.yaml", "leaderboard.csv", "forecast.csv", "backtest.parquet", "scores.csv", "verdict.json", "profile.json",
])  # fmt: skip
def test_an_edited_run_folder_is_one_line_or_no_matter(name, how, finished_run, small_csv, fresh_folder, capsys):
    shutil.copytree(finished_run, "run")
    content = Path("run", name).read_bytes()
    Path("run", name).write_bytes(DAMAGE[how](content))
    asked = [
        ["predict", "run"], ["report", "run"], ["leaderboard", "run"], ["score", "run", "--actuals", str(small_csv)],
        ["compare", str(finished_run), "run"], ["explain", "run"], ["fit", "--resume", "run"],
    ]  # fmt: skip
    for words in asked:
        status, said = main(words), capsys.readouterr().err
        assert status in (0, 1, 2)
        assert status != 2 or said.count("\n") == 1, said
    # What a command cannot do without is missed.
    needs = {
        "run.yaml": "predict",
        "leaderboard.csv": "compare",
        "forecast.csv": "score",
        "verdict.json": "leaderboard",
    }
    if name in needs and how != "half":
        (words,) = [w for w in asked if w[0] == needs[name]]
        assert main(words) == 2
