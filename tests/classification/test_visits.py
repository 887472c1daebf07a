"""Which rows of a history are read: up to the label, before the event, so far ahead; and what is predicted later."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.visits import read_new_visits, read_visits
from forecastkit.classification.windows import is_windows
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError
from tests.classification.conftest import make_visits

# a: five visits, the outcome on the day of the fourth; b: three visits, c: two, no outcome.
HISTORY = """patient,day,pressure,age,outcome,when
a,2020-01-01,100,50,sick,2020-03-01
a,2020-01-11,110,50,sick,2020-03-01
a,2020-02-20,,50,sick,2020-03-01
a,2020-03-01,999,50,sick,2020-03-01
a,2020-03-05,998,50,sick,2020-03-01
b,2020-01-01,90,60,well,
b,2020-01-31,91,60,well,
b,2020-03-01,92,60,well,
c,2019-01-01,80,70,well,
c,2020-03-01,81,70,well,
"""


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def pressures(task) -> list[list[float]]:
    data = task.data
    at = data.channels.index("pressure")
    return [data.values[a:b, at].tolist() for a, b in zip(data.offsets, data.offsets[1:])]


def read(path, **options):
    return read_visits(path, item="patient", time="day", label="outcome", **options)


def test_without_a_horizon_all_rows_are_read(history):
    assert [len(p) for p in pressures(read(history))] == [5, 3, 2]


def test_the_event_and_what_follows_are_never_read(history):
    task = read(history, event="when")
    a, b, _ = pressures(task)
    assert a[:2] == [100.0, 110.0]
    assert np.isnan(a[2])
    assert len(a) == 3
    assert b == [90.0, 91.0, 92.0]
    assert "when" not in "".join(task.data.channels + task.data.feature_names)


@pytest.mark.parametrize(("ahead", "kept"), [(0, 3), (5, 3), (10, 3), (11, 2), (50, 2), (51, 1), (60, 1)])
def test_days_ahead_count_from_the_event(history, ahead, kept):
    """2020-02-20 is 10 days before the event, 2020-01-11 is 50, 2020-01-01 is 60."""
    assert len(pressures(read(history, event="when", ahead=float(ahead)))[0]) == kept


def test_days_ahead_count_from_the_last_row_without_an_event(history):
    assert [len(p) for p in pressures(read(history, ahead=30.0))] == [2, 2, 1]


def test_an_item_without_an_earlier_row_is_left_out_and_said(history):
    task = read(history, event="when", ahead=61.0)
    assert task.data.items.tolist() == ["c"]
    assert any("as early as 61 before their end, left out: 2" in note for note in task.notes)
    with pytest.raises(DataError, match="no sequence is left"):
        read(history, event="when", ahead=1000.0)


def test_time_gaps_and_static_columns_are_there(history):
    data = read(history).data
    gap = data.values[:, data.channels.index("days_since_before")]
    np.testing.assert_allclose(np.expm1(gap), [0, 10, 40, 10, 4, 0, 30, 30, 0, 425], rtol=1e-5)
    assert data.features[:, data.feature_names.index("age")].tolist() == [50, 60, 70]
    assert data.features[0, data.feature_names.index("pressure.seen")] == pytest.approx(0.8)
    assert data.features[1, data.feature_names.index("pressure.change")] == 2


def test_summaries_are_those_of_a_slow_loop():
    table = make_visits(20)
    path = Path("unused.csv")
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "v.csv"
        table.to_csv(path, index=False)
        data = read_visits(path, item="patient", time="date", label="outcome").data
    at = data.channels.index("creatinine")
    for i, (a, b) in enumerate(zip(data.offsets, data.offsets[1:])):
        seen = [v for v in data.values[a:b, at].tolist() if v == v]
        own = {
            n: data.features[i, data.feature_names.index(f"creatinine.{n}")]
            for n in ("last", "mean", "min", "max", "change", "seen")
        }
        assert own["seen"] == pytest.approx(len(seen) / (b - a))
        if seen:
            expected = {
                "last": seen[-1],
                "mean": sum(seen) / len(seen),
                "min": min(seen),
                "max": max(seen),
                "change": seen[-1] - seen[0],
            }
            for name, value in expected.items():
                assert own[name] == pytest.approx(value, abs=1e-4)


def test_a_label_by_row_is_told_from_the_rows_up_to_it(tmp_path):
    table = make_visits(24)
    table["outcome"] = np.where(table["creatinine"].fillna(0) > 12, "high", "low")
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    task = read_visits(path, item="patient", time="date", label="outcome")
    assert task.plan["per_row"]
    assert len(task.data) == len(table)
    assert task.data.lengths.max() == table.groupby("patient").size().max()
    new = read_new_visits(path, task.plan)
    assert len(new.data) == len(table)
    assert new.table["time"].tolist() == table.sort_values(["patient", "date"])["date"].tolist()
    # What is told of a row does not change when later rows are taken away.
    table.groupby("patient").head(2).to_csv(tmp_path / "early.csv", index=False)
    early = read_new_visits(tmp_path / "early.csv", task.plan)
    first = [k for k, item in enumerate(new.data.items) if str(item).endswith(":2")]
    np.testing.assert_array_equal(early.data.features[1::2], new.data.features[first])


def test_columns_that_tell_the_outcome_are_said(tmp_path):
    table = make_visits(40)
    sick = table["outcome"] == "sick"
    table["coded"] = np.where(sick, "C", "A")
    table["days_in_hospital"] = np.where(sick, 30.0, 2.0) + np.random.default_rng(0).uniform(0, 5, len(table))
    path = tmp_path / "leaky.csv"
    table.to_csv(path, index=False)
    notes = " ".join(read_visits(path, item="patient", time="date", label="outcome").notes)
    assert "column coded tells outcome without fail" in notes
    assert "column days_in_hospital tells outcome" in notes
    assert "column age" not in notes


@pytest.mark.parametrize(
    ("change", "options", "part"),
    [
        (lambda t: t.replace("a,2020-03-05,998,50,sick,2020-03-01", "a,2020-03-05,998,50,sick,2020-03-02"), {"event": "when"}, "changes within an item"),
        (lambda t: t.replace("a,2020-03-05,998,50,sick,2020-03-01", "a,2020-03-05,998,50,sick,"), {"event": "when"}, "changes within an item"),
        (lambda t: t.replace("sick,2020-03-01", "sick,soon"), {"event": "when"}, "line 2, when: 'soon'; not a time"),
        (lambda t: t, {"ahead": -1.0}, "--ahead: -1; 0 or more"),
    ],
)  # fmt: skip
def test_histories_that_cannot_be_read(tmp_path, change, options, part):
    path = tmp_path / "h.csv"
    path.write_text(change(HISTORY))
    with pytest.raises((DataError, ConfigError), match=part):
        read(path, **options)


def test_a_header_that_is_too_short_is_said(tmp_path):
    path = tmp_path / "h.csv"
    path.write_text(HISTORY.replace(",when", ""))
    with pytest.raises(DataError, match="more cells than the header"):
        read(path)


def test_an_event_needs_times(history):
    with pytest.raises(ConfigError, match="needs the times"):
        read_visits(history, item="patient", time=None, label="outcome", event="when")


def test_a_label_by_row_from_the_command_line(tmp_path, capsys):
    table = make_visits(24)
    table["outcome"] = np.where(table["creatinine"].fillna(0) > 12, "high", "low")
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    words = ["classify", "fit", "--data", str(path), "--item", "patient", "--time", "date", "--label", "outcome"]
    more = ["--models", "majority", "models.boosting.n_trees=5", "--split", "folds", "--rare", "high", "--quiet"]
    assert main([*words, *more, "--out", str(tmp_path / "run")]) == 0
    table.drop(columns="outcome").to_csv(tmp_path / "new.csv", index=False)
    assert not main(
        [
            "classify",
            "predict",
            str(tmp_path / "run"),
            "--data",
            str(tmp_path / "new.csv"),
            "--out",
            str(tmp_path / "p.csv"),
        ]
    )
    told = pd.read_csv(tmp_path / "p.csv")
    assert len(told) == len(table)
    assert {"item", "time", "class", "p_high", "p_low"} <= set(told)


def test_without_times_rows_count(history):
    task = read_visits(history, item="patient", time=None, label="outcome", ahead=2.0)
    assert [len(p) for p in pressures(task)] == [3, 1]
    assert "days_since_before" not in task.data.channels
    assert any("as early as 2 before their end, left out: 1" in note for note in task.notes)
    new = read_new_visits(history, task.plan)
    assert new.data.lengths.tolist() == [5, 3, 2]


def test_a_new_table_is_read_as_the_one_before(tmp_path):
    table = make_visits(24)
    path = tmp_path / "v.csv"
    table.to_csv(path, index=False)
    task = read_visits(path, item="patient", time="date", label="outcome", group="hospital", ahead=5.0)
    again = read_new_visits(path, task.plan)
    assert again.data.channels == task.data.channels
    assert again.data.feature_names == task.data.feature_names
    assert again.data.lengths.sum() == len(table)
    other = table.assign(
        mood="never seen", creatinine=table["creatinine"].astype(object).where(table.index != 3, "high")
    )
    other.to_csv(tmp_path / "w.csv", index=False)
    with pytest.raises(DataError, match="'high'; not a number, as it was in fit"):
        read_new_visits(tmp_path / "w.csv", task.plan)
    table.drop(columns="creatinine").to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ConfigError, match="no such column"):
        read_new_visits(tmp_path / "x.csv", task.plan)


@pytest.fixture(scope="module")
def even(tmp_path_factory) -> Path:
    """Three classes of histories of one length: of c the values are higher; and a run on them."""
    folder = tmp_path_factory.mktemp("even")
    label = np.array(["a", "b", "c"])[np.minimum(np.arange(90) % 9 // 4, 2)]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(90, 4)) + 6.0 * (label == "c")[:, None]
    table = pd.DataFrame(
        {"patient": np.repeat([f"p{k}" for k in range(90)], 4), "value": values.ravel(), "outcome": np.repeat(label, 4)}
    )
    table.to_csv(folder / "even.csv", index=False)
    words = [
        "classify",
        "fit",
        "--data",
        str(folder / "even.csv"),
        "--item",
        "patient",
        "--label",
        "outcome",
        "--quiet",
    ]
    assert (
        main([*words, "--models", "majority", "models.boosting.n_trees=5", "--rare", "b", "--out", str(folder / "run")])
        == 0
    )
    return folder


def test_what_stands_out_is_of_the_class_that_was_asked_for(even):
    """c stands out and b does not: the page must not say of b what is true of c."""
    found = json.loads((even / "run" / "diagnostics.json").read_text())["anomaly"]
    assert found["usual"] == "a"
    assert found["found"] < 0.3
    assert 0.3 < found["roc_auc"] < 0.7


def test_the_usual_class_does_not_stand_out_from_itself(even, tmp_path):
    words = ["classify", "fit", "--data", str(even / "even.csv"), "--item", "patient", "--label", "outcome", "--quiet"]
    assert (
        main([*words, "--models", "majority", "models.boosting.n_trees=5", "--rare", "a", "--out", str(tmp_path / "r")])
        == 0
    )
    assert set(json.loads((tmp_path / "r" / "diagnostics.json").read_text())["anomaly"]) == {"usual", "false_alarms"}
    assert "stand out" not in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")


def test_histories_of_another_length_are_told(even, tmp_path):
    """Whether they are strange nobody knows, but their class is told."""
    table = pd.read_csv(even / "even.csv").head(8)
    table.iloc[:7].drop(columns="outcome").to_csv(tmp_path / "new.csv", index=False)
    words = [
        "classify",
        "predict",
        str(even / "run"),
        "--data",
        str(tmp_path / "new.csv"),
        "--out",
        str(tmp_path / "p.csv"),
    ]
    assert not main(words)
    told = pd.read_csv(tmp_path / "p.csv")
    assert list(told["strangeness"].notna()) == [True, False]
    assert told["class"].notna().all()


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zip", "csv.xz", "csv.bz2", "csv.zst", "parquet"])
def test_a_damaged_archive_is_one_line(tmp_path, ending):
    path = tmp_path / f"v.{ending}"
    path.write_bytes(b"no archive at all")
    with pytest.raises(DataError, match="not a readable table"):
        read_visits(path, item="patient", time=None, label="outcome")
    assert not is_windows(path)
