from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecastkit import artifacts
from forecastkit.errors import DataError, ModelFileError


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(st.sampled_from([np.float64, np.float32, np.int64]), hnp.array_shapes(max_dims=3, max_side=5)),
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-5, 5), st.text(max_size=5), st.none()), max_size=3),
)
def test_models_come_back_bit_for_bit(tmp_path_factory, array, meta):
    folder = tmp_path_factory.mktemp("model")
    artifacts.save_model(folder, {"a": array}, meta)
    arrays, again = artifacts.load_model(folder)
    assert arrays["a"].dtype == array.dtype
    assert arrays["a"].tobytes() == array.tobytes()
    assert again == meta


@pytest.fixture
def saved(tmp_path):
    artifacts.save_model(tmp_path / "m", {"w": np.arange(4.0)}, {"name": "x"})
    return tmp_path / "m"


def _edit(path, change):
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


@pytest.mark.parametrize("damage", [
    lambda m: (m / "weights.safetensors").unlink(),
    lambda m: (m / "model.json").unlink(),
    lambda m: (m / "weights.safetensors").write_bytes((m / "weights.safetensors").read_bytes()[:-3]),
    lambda m: (m / "weights.safetensors").write_bytes(b"\x80\x04pickle"),
    lambda m: (m / "model.json").write_text("{"),
    lambda m: (m / "model.json").write_text("[" * 100_000),
    lambda m: (m / "model.json").write_bytes(b"\xff\xfe\x00"),
    lambda m: _edit(m / "model.json", lambda f: f.update(format_version=99)),
    lambda m: _edit(m / "model.json", lambda f: f["meta"].update(name="other")),
    lambda m: _edit(m / "model.json", lambda f: f.pop("meta")),
])  # fmt: skip
def test_damaged_models_are_refused(saved, damage):
    damage(saved)
    with pytest.raises(ModelFileError) as error:
        artifacts.load_model(saved)
    assert "\n" not in str(error.value)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f.txt"
    artifacts.write_text(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        artifacts.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.txt"]


def test_formulas_of_spreadsheets_are_defused(tmp_path):
    table = pd.DataFrame({"item_id": ["=1+1", "@x", "-y", "plain"], "v": [-1.5, 2.0, 0.1 + 0.2, 1e-300]})
    artifacts.write_csv(tmp_path / "t.csv", table)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[1] == "'=1+1,-1.5"
    assert lines[3] == "'-y,0.30000000000000004"


def test_what_is_missing_is_an_empty_cell(tmp_path):
    days = pd.to_datetime(["2024-01-01", None, "2024-01-03"])
    table = pd.DataFrame(
        {"kind": pd.Categorical(["=a", None, "b"]), "day": days, "hour": days.tz_localize("UTC"), "v": 1}
    )
    artifacts.write_csv(tmp_path / "t.csv", table)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[1:] == [
        "'=a,2024-01-01,2024-01-01T00:00:00+00:00,1",
        ",,,1",
        "b,2024-01-03,2024-01-03T00:00:00+00:00,1",
    ]


def test_a_device_is_written_to_and_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        artifacts.write_text(pipe, "said")
        assert os.read(reader, 100) == b"said"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_goes_on_pointing_to_the_file_that_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "real" / "out.csv")
    for text in ("one", "two"):
        artifacts.write_text(link, text)
        assert link.is_symlink()
        assert (tmp_path / "real" / "out.csv").read_text() == text
