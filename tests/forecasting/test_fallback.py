"""Many short series: one network where it is better, plain rules where it is not."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest

from benchmarks.short_series import AHEAD, ROWS, panel
from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.protocol import FitContext, Kept
from forecastkit.forecasting.schema import SeriesFrame
from tests.conftest import build_panel


def errors(frame: SeriesFrame, fitted) -> np.ndarray:
    """[I] mean absolute error in units of each series' mean."""
    y = np.stack([frame.store.series(i) for i in range(len(frame.items))])
    out = fitted.predict_at(frame, np.array([ROWS - 1]))[0]
    return np.abs(out - y[:, ROWS:]).mean(axis=1) / y[:, :ROWS].mean(axis=1)


def fit(frame: SeriesFrame, name: str, **options):
    model = registry.create_model(name, **options)
    return model.fit(frame.upto(ROWS - 1), horizon=AHEAD, context=FitContext(seed=1))


def test_the_network_is_taken_where_series_are_alike():
    frame = panel("launch", 100)
    fitted = fit(frame, "fallback", prior=1.0)
    assert fitted.info["taken"]["gru"] > 30
    assert errors(frame, fitted).mean() < 0.95 * min(
        errors(frame, fit(frame, n)).mean() for n in ("theta", "seasonal_naive")
    )


def test_a_rule_is_taken_where_there_is_nothing_to_learn():
    frame = panel("walk", 100)
    found = {n: errors(frame, fit(frame, n)).mean() for n in ("gru", "theta", "seasonal_naive")}
    fitted = fit(frame, "fallback", members=["gru", "theta", "naive"])
    assert errors(frame, fitted).mean() < 1.1 * min(*found.values(), errors(frame, fit(frame, "naive")).mean())


def test_each_series_takes_what_was_best_on_its_own_last_horizon():
    """By hand: without a prior a falling line is the drift's, a flat one with a last jump is naive's."""
    index = pd.date_range("2023-01-01", periods=12, freq="MS")
    line = 100 - 3.0 * np.arange(12)
    flat = np.array([5, 6, 5, 6, 5, 6, 5, 6, 9, 9, 9, 9.0])
    data = pd.DataFrame(
        {"item_id": ["flat"] * 12 + ["line"] * 12, "timestamp": [*index, *index], "target": [*flat, *line]}
    )
    frame = SeriesFrame(data, Calendar("MS", index))
    members = ["drift", "naive"]
    fitted = registry.create_model("fallback", members=members, prior=0).fit(frame, horizon=3)
    assert fitted.taken == {"flat": "naive", "line": "drift"}
    out = fitted.predict_at(frame, np.array([11]))[0]
    np.testing.assert_allclose(out, [[9, 9, 9], [64, 61, 58]])
    # A strong prior gives all of them the member that is best over all.
    same = registry.create_model("fallback", members=members, prior=1e6).fit(frame, horizon=3)
    assert len(set(same.taken.values())) == 1
    arrays, meta = fitted.state()
    again = registry.create_model("fallback", members=members, prior=0).restore(arrays, json.loads(json.dumps(meta)))
    np.testing.assert_array_equal(again.predict_at(frame, np.array([11]))[0], out)


def test_a_series_never_met_takes_the_usual_one():
    frame = panel("walk", 3)
    fitted = fit(frame.select(frame.items[:2]), "fallback", members=["drift", "naive"])
    plain = fit(frame, fitted.usual)
    at = np.array([ROWS - 1])
    np.testing.assert_array_equal(fitted.predict_at(frame, at)[0, 2], plain.predict_at(frame, at)[0, 2])


def test_a_series_never_met_is_not_left_to_models_of_single_series():
    """Theta is best here, and knows nothing of a series that it was not fitted to."""
    frame = build_panel((90,) * 4, season=1, missing=0)
    known = frame.select(frame.items[:3])
    fitted = registry.create_model("fallback", members=["theta", "naive"], prior=1e6).fit(known, horizon=6)
    assert set(fitted.taken.values()) == {"theta"}
    points = fitted.predict_at(frame, np.array([80]))[0]
    assert points[3].tolist() == [frame.store.series(3)[80]] * 6
    assert np.isfinite(points).all()


def test_a_history_that_cannot_hold_anything_out_takes_the_last_member():
    index = pd.date_range("2023-01-01", periods=3, freq="MS")
    frame = SeriesFrame(
        pd.DataFrame({"item_id": "a", "timestamp": index, "target": [1.0, 2, 3]}), Calendar("MS", index)
    )
    fitted = registry.create_model("fallback").fit(frame, horizon=3)
    assert fitted.usual == "seasonal_naive"
    assert fitted.predict_at(frame, np.array([2]))[0, 0].tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"members": []}, "names of other models"),
        ({"members": ["fallback"]}, "names of other models"),
        ({"prior": -1}, "at least 0"),
        ({"options": {"lstm": {}}}, "not one of its members"),
    ],
)
def test_wrong_options_are_explained(options, words):
    with pytest.raises(ConfigError, match=words):
        registry.create_model("fallback", **options)


def test_each_training_of_each_member_is_kept_apart(tmp_path):
    """Two networks, two trainings each: none may go on with what another one left."""
    frame = build_panel((60,) * 4)
    small = {"hidden": 4, "max_steps": 20, "val_every": 10, "context_length": 14}
    model = registry.create_model("fallback", members=["gru", "lstm"], options={"gru": small, "lstm": small})
    kept = model.fit(frame, horizon=4, context=FitContext(kept=Kept(tmp_path, "run", seconds=0)))
    at = np.array([59])
    np.testing.assert_array_equal(kept.predict_at(frame, at), model.fit(frame, horizon=4).predict_at(frame, at))


def test_time_is_left_for_the_fit_on_all_rows_and_who_had_none_is_named():
    frame = build_panel((200,) * 4)
    slow = {"hidden": 4, "max_steps": 100_000, "patience": 100_000, "context_length": 14}
    model = registry.create_model("fallback", members=["gru", "naive"], options={"gru": slow}, prior=1e6)
    fitted = model.fit(frame, horizon=4, context=FitContext(deadline=time.monotonic() + 2))
    assert fitted.members["gru"].info["n_steps"] > 20
    late = registry.create_model("fallback", members=["theta", "naive"])
    info = late.fit(frame, horizon=4, context=FitContext(deadline=time.monotonic() - 1)).info
    assert "theta left out: time budget" in info["note"]
