"""Transforms: there and back, what they learn and from where, and how models carry them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit import registry
from forecastkit.errors import FitError, ForecastkitError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.transforms import TRANSFORMS, Transform, choose_transform, transform_notes
from tests.conftest import SMALL, build_panel

POSITIVE = st.floats(1e-3, 1e6)


def frame_of(series: list[list[float]], season: int = 3) -> SeriesFrame:
    n = max(map(len, series))
    index = pd.date_range("2024-01-01", periods=n, freq="D")
    parts = [
        pd.DataFrame({"item_id": f"i{k}", "timestamp": index[n - len(y) :], "target": y}) for k, y in enumerate(series)
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", index), season_length=season)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(TRANSFORMS),
    st.lists(st.lists(POSITIVE, min_size=12, max_size=20), min_size=1, max_size=3),
    st.integers(0, 2**16),
)
def test_there_and_back(kind, series, holes):
    """The transformed future, undone at any cutoff, is the future."""
    for y in series:
        for k in range(3, len(y) - 7):
            if holes >> k & 1:
                y[k] = np.nan
    frame = frame_of(series)
    transform = Transform.fit(kind, frame)
    z = transform.apply(frame)
    n, h = len(frame.calendar), 4
    cutoffs = np.array([n - 1 - h])
    ahead = np.stack([z.store.series(i)[-h:] for i in range(len(series))])[None]
    back = transform.undo(ahead, frame, cutoffs)
    answer = np.stack([frame.store.series(i)[-h:] for i in range(len(series))])[None]
    assert np.isfinite(ahead).all()
    np.testing.assert_allclose(back, answer, rtol=1e-6, atol=1e-6 * np.nanmax(answer))


@pytest.mark.parametrize(("kind", "parameters"), [
    ("standard", (2.5, np.sqrt(1.25))), ("robust", (2.5, 1.5)), ("min_max", (1.0, 3.0)),
])  # fmt: skip
def test_scales_by_hand(kind, parameters):
    assert Transform.fit(kind, frame_of([[1.0, 2.0, 3.0, 4.0]])).items[0][1] == pytest.approx(parameters)


def test_differences_by_hand():
    frame = frame_of([[1.0, 2.0, 4.0, 8.0, 16.0]])
    z = Transform.fit("difference", frame).apply(frame).store
    assert z.observed.tolist() == [False, True, True, True, True]
    assert z.values.tolist() == [0, 1, 2, 4, 8]
    log_return = Transform.fit("log_return", frame).apply(frame).store
    np.testing.assert_allclose(log_return.values[1:], np.log(2))
    seasonal = Transform.fit("seasonal_difference", frame)
    assert seasonal.apply(frame).store.values.tolist() == [0, 0, 0, 7, 14]
    back = seasonal.undo(np.array([[[10.0, 20.0, 30.0, 40.0]]]), frame, np.array([4]))
    assert back[0, 0].tolist() == [14, 28, 46, 54]  # 4 + 10, 8 + 20, 16 + 30, and 14 + 40


@pytest.mark.parametrize("kind", ["standard", "robust", "min_max", "box_cox"])
def test_a_series_without_a_row_in_a_sliding_window_is_scaled_as_the_others(kind):
    seen = [1.0, 2.0, 4.0, 3.0] * 5
    frame = frame_of([seen, [*seen[:8], *[np.nan] * 11, 5.0], seen])
    window = frame.between(np.full(3, 17), np.full(3, 10))
    found = Transform.fit(kind, window)
    assert [item for item, _ in found.items] == [frame.items[0], frame.items[2]]
    z = found.apply(frame).store
    np.testing.assert_array_equal(z.series(1)[:8], z.series(0)[:8])
    with pytest.raises(FitError, match="no row of any series is observed"):
        Transform.fit(kind, window.take(np.array([1])))


def test_log_returns_over_a_gap_are_silent():
    frame = frame_of([[1.0, 2.0, np.nan, np.nan, np.nan, 4.0, 8.0]])
    with np.errstate(all="raise"):
        z = Transform.fit("log_return", frame).apply(frame).store
    assert z.observed.tolist() == [False, True, False, False, False, False, True]


def test_the_power_is_that_of_scipy():
    from scipy.stats import boxcox_normmax

    y = np.random.default_rng(0).lognormal(1, 0.5, 200) ** 2
    power = Transform.fit("box_cox", frame_of([y.tolist()])).items[0][1][0]
    assert power == pytest.approx(float(boxcox_normmax(y, method="mle")), abs=0.02)


def test_only_training_rows_are_learned_from():
    frame = frame_of([list(np.arange(1.0, 21.0))])
    early = Transform.fit("standard", frame.upto(9))
    assert early.items[0][1][0] == pytest.approx(5.5)
    late = frame.data.copy()
    late.loc[10:, "target"] = 1e9
    np.testing.assert_array_equal(
        early.apply(replace(frame, data=late)).store.values[:10], early.apply(frame).store.values[:10]
    )


def test_the_rule():
    t = np.arange(144)
    season = 1 + 0.3 * np.sin(2 * np.pi * t / 12)
    growing = frame_of([(10 * np.exp(t / 60) * season).tolist()], season=12)
    steady = frame_of([(100 + t + 3 * np.sin(2 * np.pi * t / 12)).tolist()], season=12)
    with_zeros = frame_of([np.where(t % 50 == 7, 0.0, 10 * np.exp(t / 60) * season).tolist()], season=12)
    negative = frame_of([(10 * np.exp(t / 60) * season - 20).tolist()], season=12)
    assert [choose_transform(f) for f in (growing, steady, negative)] == ["log", "none", "none"]
    assert choose_transform(with_zeros) in ("log1p", "none")
    at = np.array([143])
    (said,) = transform_notes("auto", growing, at)
    assert said.startswith("Transform log chosen")
    assert "the spread goes with the level to the power 1.0, more than 0.5" in said
    (said,) = transform_notes("none", growing, at)
    assert "--transform auto would take log" in said
    assert transform_notes("none", steady, at) == transform_notes("log", growing, at) == ()
    assert "values below 0" in transform_notes("auto", negative, at)[0]


@pytest.mark.parametrize("transform", [t for t in TRANSFORMS if t != "none"])
@pytest.mark.parametrize("name", ["naive", "theta", "gru"])
def test_models_carry_them(name, transform):
    frame = build_panel()
    options = SMALL if name == "gru" else {}
    model = registry.create_model(name, transform=transform, **options)
    assert registry.create_model(name, **registry.options_of(model)) == model
    fitted = model.fit(frame.upto(100), horizon=5, context=FitContext(seed=1))
    at = np.array([90, 110])
    points = fitted.predict_at(frame, at)
    assert np.isfinite(points).all()
    assert (np.abs(points - 70) < 40).all()
    arrays, meta = fitted.state()
    again = model.restore(arrays, json.loads(json.dumps(meta)))
    np.testing.assert_array_equal(again.predict_at(frame, at), points)
    late = frame.data.copy()
    after = frame.positions > 110
    late.loc[after, "target"] = 55.5
    np.testing.assert_array_equal(fitted.predict_at(replace(frame, data=late), at), points)


def test_a_mean_after_a_logarithm_is_said_to_be_a_median():
    model = registry.create_model("auto_ets", transform="log")
    assert (model.point, registry.create_model("auto_ets").point) == ("median", "mean")
    assert "points are medians" in model.fit(build_panel(), horizon=3).info["note"]


def test_values_outside_the_domain_are_named():
    frame = frame_of([[1.0, 2.0, 0.0, 3.0] * 5])
    with pytest.raises(FitError, match=r"transform log, series 'i0': 0; values above 0 are needed.*log1p"):
        registry.create_model("naive", transform="log").fit(frame, horizon=2)
    with pytest.raises(ForecastkitError, match=r"option transform.*'lgo'"):
        registry.create_model("naive", transform="lgo")


def test_forecasts_of_counts():
    rng = np.random.default_rng(0)
    frame = frame_of([[*rng.poisson(0.4, 59).tolist(), -2.0]])
    plain = registry.create_model("drift").fit(frame, horizon=4).predict_at(frame, np.array([59]))
    shaped = registry.create_model("drift", non_negative=True, whole=True).fit(frame, horizon=4)
    out = shaped.predict_at(frame, np.array([59]))
    assert (plain < 0).any()
    np.testing.assert_array_equal(out, np.rint(np.maximum(plain, 0)))
