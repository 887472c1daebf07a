"""A file read into a mapped store gives what it gives in memory, whatever the order of its rows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.models.recurrent import RecurrentForecaster
from forecastkit.reading import ReadOptions, mapped, read

FREQUENCIES = ("D", "h", "B", "MS", "W", "step")


def panel(seed: int, freq: str, *, gaps: float = 0.0, missing: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 60
    index = np.arange(n) if freq == "step" else pd.date_range("2020-01-03", periods=n, freq=freq)
    parts = []
    for k in rng.permutation(int(rng.integers(1, 6))):
        a, b = np.sort(rng.integers(0, n, 2))
        when = index[a : max(b, a + 4)]
        y = np.where(rng.random(len(when)) < missing, np.nan, rng.normal(50, 5, len(when)).round(2))
        part = pd.DataFrame({"day": when, "store": f"s{k}", "y": y, "z": 1.0})
        parts.append(part[rng.random(len(part)) >= gaps])
    return pd.concat(parts, ignore_index=True)


def written(table: pd.DataFrame, path: Path, kind: str) -> Path:
    if kind == "parquet":
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, row_group_size=17)
        return path
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, arrow.schema) as writer:
        for batch in arrow.to_batches(max_chunksize=23):
            writer.write(batch)
    return path


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10_000), st.sampled_from(FREQUENCIES), st.sampled_from(["item", "time", "none"]),
    st.sampled_from(["parquet", "arrow"]), st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.2]),
)  # fmt: skip
def test_both_stores_hold_the_same(tmp_path, monkeypatch, seed, freq, order, kind, gaps, missing):
    monkeypatch.setattr(mapped, "BATCH", 25)
    table = panel(seed, freq, gaps=gaps, missing=missing)
    how = {"item": ["store", "day"], "time": ["day", "store"]}.get(order)
    table = table.sample(frac=1, random_state=1) if how is None else table.sort_values(how)
    path = written(table, tmp_path / f"x.{kind}", kind)
    options = {"target": "y", "item": "store", "time": "day"}
    outcomes = []
    for store in ("memory", "disk"):
        try:
            outcomes.append(read(path, ReadOptions(**options, store=store)))
        except DataError as error:
            outcomes.append(error)
    here, there = outcomes
    if isinstance(here, DataError):
        assert isinstance(there, DataError)
        return
    assert not isinstance(there, DataError), there
    pd.testing.assert_frame_equal(here.frame.data, there.frame.data)
    assert isinstance(there.frame.store.shared_values, np.memmap)
    a, b = here.profile.to_dict(), there.profile.to_dict()
    for name in ("notes", "set_aside", "gaps"):
        a[name], b[name] = sorted(map(str, a[name])), sorted(map(str, b[name]))
    assert a == b


def test_a_panel_of_one_long_series_a_batch_is_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "BATCH", 20)
    days = pd.date_range("2024-01-01", periods=40)
    table = pd.concat([pd.DataFrame({"store": s, "day": days, "y": np.arange(40.0)}) for s in ("b", "a")])
    got = read(written(table, tmp_path / "x.parquet", "parquet"), ReadOptions(store="disk"))
    assert got.frame.items == ("a", "b")
    assert got.profile.item == "store"


def test_large_files_are_mapped_unasked_and_others_are_not(tmp_path, monkeypatch):
    path = written(panel(3, "D"), tmp_path / "x.parquet", "parquet")
    assert not isinstance(read(path, ReadOptions(target="y")).frame.store.shared_values, np.memmap)
    monkeypatch.setattr(mapped, "LARGE", 10)
    assert isinstance(read(path, ReadOptions(target="y")).frame.store.shared_values, np.memmap)
    assert not isinstance(read(path, ReadOptions(target="y", store="memory")).frame.store.shared_values, np.memmap)
    # What a mapped store cannot do is done in memory.
    assert not isinstance(read(path, ReadOptions(target="y", fill="zero")).frame.store.shared_values, np.memmap)


def test_training_and_forecasts_do_not_depend_on_the_store(tmp_path):
    path = written(panel(5, "D"), tmp_path / "x.parquet", "parquet")
    model = RecurrentForecaster(hidden=4, max_steps=20, val_every=10, context_length=7)
    found = []
    for store in ("memory", "disk"):
        frame = read(path, ReadOptions(target="y", store=store)).frame
        cut = frame.upto(40)
        found.append(model.fit(cut, horizon=3).predict_at(frame, np.array([40, 50])))
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize(
    ("change", "options", "kind", "says"),
    [
        (lambda t: pd.concat([t, t.iloc[[3]]]), {}, DataError, r"x.parquet, row \d+: a second row of 's\d' at its instant"),
        (lambda t: t.assign(y=np.nan), {}, DataError, "at most 0 observed rows a series; at least 3 are needed"),
        (lambda t: t.assign(y=t["y"].mask(t.index == 7, 1e200)), {}, DataError, "row 8, column 'y': 1e.200"),
        (lambda t: t.assign(day=pd.NaT), {}, DataError, "time"),
        (lambda t: t, {"resample": "mean", "freq": "W-SUN"}, ConfigError, "not with --resample"),
        (lambda t: t, {"known": ("z",)}, ConfigError, "not with --known"),
        (lambda t: t, {"target": "*"}, ConfigError, "only one target"),
        (lambda t: t, {"joint": True}, ConfigError, "not with --joint"),
        (lambda t: t.assign(y="1,234"), {}, DataError, r"ambiguous: 1234 \(thousands\) or 1.234 \(decimal comma\)"),
        (lambda t: t, {"freq": "W-SUN"}, DataError, "does not stand on a grid"),
        (lambda t: t[["y", "store"]], {"time": None}, DataError, "with a column of times"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_said_in_one_line(tmp_path, change, options, kind, says):
    path = written(change(panel(4, "D")), tmp_path / "x.parquet", "parquet")
    given_options = {"target": "y", "item": "store", "time": "day", "store": "disk", **options}
    with pytest.raises(kind, match=says) as caught:
        read(path, ReadOptions(**given_options))
    assert "\n" not in str(caught.value)


def test_numbers_written_as_text_are_read_by_the_same_decimal_mark(tmp_path):
    table = panel(4, "D").assign(y=lambda t: [f"{k},{k:03d}" for k in range(len(t))])
    path = written(table, tmp_path / "x.parquet", "parquet")
    found = [read(path, ReadOptions(target="y", decimal=",", store=store)).frame.store for store in ("memory", "disk")]
    assert found[0].values.tolist() == found[1].values.tolist()
    assert 1.001 in found[0].values


def test_a_csv_is_not_mapped(tmp_path):
    path = tmp_path / "x.csv"
    panel(4, "D").to_csv(path, index=False)
    with pytest.raises(ConfigError, match="only Parquet and Arrow files are read into a mapped store"):
        read(path, ReadOptions(store="disk"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells what is resident")
@pytest.mark.parametrize("by", ["item", "day"])
def test_after_reading_memory_holds_the_panel_alone(tmp_path, by):
    def resident() -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))

    n_items, days = 3000, pd.date_range("2020-01-01", periods=1000)
    item, day = np.repeat(np.arange(n_items, dtype=np.int32), 1000), np.tile(np.arange(1000), n_items)
    order = np.argsort(day, kind="stable") if by == "day" else slice(None)
    names = pa.DictionaryArray.from_arrays(item[order], [f"s{k:04d}" for k in range(n_items)])
    y = (item * 0.01 + day % 7).astype(np.float32)
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"item": names, "day": days.to_numpy()[day[order]].astype("datetime64[D]"), "y": y[order]}), path
    )
    raw = y.nbytes / 2**20
    del item, day, order, names, y
    pa.default_memory_pool().release_unused()
    before = resident()
    frame = read(path, ReadOptions(store="memory")).frame
    assert len(frame) == 3_000_000
    # Doubles are twice the raw bytes; before memory was given back this was nine times.
    assert resident() - before < 4 * raw


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped.os, "posix_fallocate", full)
    path = written(panel(4, "D"), tmp_path / "x.parquet", "parquet")
    with pytest.raises(DataError, match=r"No space left on device; .* MiB of temporary space are needed. Set TMPDIR"):
        read(path, ReadOptions(target="y", store="disk"))


def test_a_damaged_file_is_one_line(tmp_path):
    path = written(panel(4, "D"), tmp_path / "x.parquet", "parquet")
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(52)
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read(path, ReadOptions(target="y", item="store", time="day", store="disk"))
