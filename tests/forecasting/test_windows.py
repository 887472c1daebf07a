from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.forecasting.models.windowed import training_windows
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.scaling import InstanceScale
from forecastkit.forecasting.schema import Store
from forecastkit.forecasting.windows import Windows, gather, window_ends
from tests.conftest import build_panel

finite = st.floats(-1e9, 1e9, allow_nan=False)


@st.composite
def stores(draw):
    lengths = draw(st.lists(st.integers(3, 25), min_size=1, max_size=4))
    n = sum(lengths)
    values = np.array(draw(st.lists(finite, min_size=n, max_size=n)))
    observed = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    first = np.cumsum(lengths) - lengths
    observed[first] = True
    starts = np.array(draw(st.lists(st.integers(0, 6), min_size=len(lengths), max_size=len(lengths))))
    names = tuple(f"i{k}" for k in range(len(lengths)))
    return Store(np.where(observed, values, 0.0), observed, first, np.array(lengths), starts, names)


@settings(max_examples=60, deadline=None)
@given(stores(), st.integers(2, 8), st.integers(1, 5))
def test_windows_equal_a_slow_loop(store, length, horizon):
    last = int(store.ends.max())
    ranges = window_ends(store, horizon, 0, last)
    windows = ranges.take(np.arange(len(ranges)))
    batch = gather(store, windows, length, horizon, scaling="none")
    for w in range(len(windows)):
        y = store.series(int(windows.item[w]))
        row = int(windows.row[w])
        known, seen = np.nan, []
        for t in range(row - length + 1, row + 1):
            value = y[t] if t >= 0 else np.nan
            known = value if np.isfinite(value) else known
            seen.append((known, np.isfinite(value)))
        for t, (value, is_seen) in enumerate(seen):
            assert batch.observed[w, t, 0] == float(is_seen)
            if np.isfinite(value):
                assert batch.past_num[w, t, 0] == np.float32(value)
        after = y[row + 1 : row + 1 + horizon]
        np.testing.assert_array_equal(batch.target_observed[w, :, 0], np.isfinite(after))
        np.testing.assert_array_equal(batch.target[w, :, 0], np.nan_to_num(after).astype(np.float32))


@settings(max_examples=100, deadline=None)
@given(st.lists(finite, min_size=2, max_size=20), st.integers(0, 2**20))
def test_scaling_there_and_back(values, which):
    y = np.array([values])
    observed = np.array([[bool(which >> k & 1) for k in range(len(values))]])
    scale = InstanceScale.fit(y, observed)
    back = scale.inverse(scale.transform(y))
    if scale.spread[0] > 0:
        np.testing.assert_allclose(back, y, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(y).max()))
    elif observed.any():
        assert np.allclose(back, y[observed][0])


def test_scale_ignores_what_is_not_observed():
    y = np.array([[1.0, 1e12, 3.0]])
    scale = InstanceScale.fit(y, np.array([[True, False, True]]))
    assert scale.centre[0] == 2.0
    assert scale.spread[0] == 1.0


def test_large_levels_keep_small_differences():
    y = 1e9 + np.arange(10.0)[None, :]
    scale = InstanceScale.fit(y, np.ones_like(y, bool))
    np.testing.assert_allclose(scale.transform(y)[0], (np.arange(10) - 4.5) / np.arange(10).std())


def test_context_before_the_first_row_is_unobserved():
    store = Store(np.arange(5.0), np.ones(5, bool), np.array([0]), np.array([5]), np.array([0]), ("a",))
    batch = gather(store, Windows(np.array([0]), np.array([1])), 4, 2, scaling="none")
    assert batch.observed[0, :, 0].tolist() == [0, 0, 1, 1]
    assert batch.target[0, :, 0].tolist() == [2, 3]


@settings(max_examples=100, deadline=None)
@given(stores(), st.integers(1, 5), st.integers(0, 8), st.integers(2, 30), st.integers(1, 5))
def test_all_windows_are_those_of_a_slow_loop(store, horizon, first, last, least):
    """Targets lie within [first, last] and in the item; enough was seen before, and something comes."""
    wanted = []
    for i in range(len(store)):
        y, start = store.series(i), int(store.starts[i])
        for row in range(len(y)):
            targets = range(start + row + 1, start + row + 1 + horizon)
            inside = targets[0] >= first and targets[-1] <= last and row + horizon < len(y)
            seen = np.isfinite(y[: row + 1]).sum() >= least
            if inside and seen and np.isfinite(y[row + 1 : row + 1 + horizon]).any():
                wanted.append((i, row))
    ranges = window_ends(store, horizon, first, last, least=least)
    assert len(ranges) == len(wanted)
    got = ranges.take(np.arange(len(ranges)))
    assert list(zip(got.item.tolist(), got.row.tolist())) == wanted
    backwards = ranges.take(np.arange(len(ranges))[::-1])
    assert backwards.row.tolist() == got.row[::-1].tolist()


def test_more_windows_than_can_be_shuffled_are_drawn_one_by_one(monkeypatch):
    from forecastkit.forecasting import datamodule
    from forecastkit.forecasting.datamodule import WindowSource, _Sampled

    store = Store(np.arange(500.0), np.ones(500, bool), np.array([0]), np.array([500]), np.array([0]), ("a",))
    windows = window_ends(store, 2, 0, 499)
    source = WindowSource(store, 3, 2)

    def drawn(seed):
        sampler = _Sampled(source, windows, 50, [4], np.random.default_rng(seed))
        return [sampler._next() for _ in range(20)]

    shuffled = np.concatenate(drawn(1)[: len(windows) // 50])
    assert len(set(shuffled.tolist())) == len(shuffled)
    monkeypatch.setattr(datamodule, "MOST_SHUFFLED", 100)
    assert all(np.array_equal(a, b) for a, b in zip(drawn(1), drawn(1)))
    every = np.concatenate(drawn(2))
    assert every.min() >= 0
    assert len(windows) > every.max() > 0.9 * len(windows)
    assert next(iter(_Sampled(source, windows, 50, [4], np.random.default_rng(1))))[0].target.shape == (50, 2)
    chances = (np.arange(len(windows)) % 7 == 0).astype(float)
    by_chance = _Sampled(source, windows, 50, [4], np.random.default_rng(1), chances)
    assert (by_chance._next() % 7 == 0).all()


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_fifth_of_many_short_series_validates_what_all_windows_of_the_others_teach(missing):
    frame = build_panel((13,) * 50, missing=missing)
    train, valid, note = training_windows(frame, 6, 4, FitContext(), label="lstm")
    assert "a fifth of the series" in note
    assert set(valid.item) == set(range(4, 50, 5))
    assert set(train.take(np.arange(len(train))).item) == set(range(50)) - set(valid.item)
    assert len(train) + len(valid) == len(window_ends(frame.store, 6, 0, 12))
