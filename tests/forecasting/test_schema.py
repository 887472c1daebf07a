"""A frame up to a cutoff shares the arrays of the whole and gives its own rows alone."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.forecasting.schema import Rows, SeriesFrame
from tests.conftest import build_panel

LENGTHS = st.lists(st.integers(3, 30), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(LENGTHS, st.integers(0, 40), st.integers(1, 20), st.floats(0, 0.5))
def test_a_cut_is_the_filtered_table(lengths, position, window, missing):
    frame = build_panel(tuple(lengths), missing=missing)
    at = np.minimum(frame.store.ends, frame.store.starts + position)
    cut = frame.between(at, at - window + 1)
    item = np.repeat(np.arange(len(frame.items)), frame.store.lengths)
    keep = (frame.positions <= at[item]) & (frame.positions > at[item] - window)
    expected = frame.data[keep].reset_index(drop=True)
    pd.testing.assert_frame_equal(cut.data, expected)
    np.testing.assert_array_equal(cut.positions, frame.positions[keep])
    assert len(cut) == len(expected)
    np.testing.assert_array_equal(cut.store.values, expected["target"].fillna(0.0))
    np.testing.assert_array_equal(cut.store.observed, expected["target"].notna())
    again = SeriesFrame(expected, cut.calendar)
    assert cut.items == again.items
    for i in range(len(again.items)):
        np.testing.assert_array_equal(cut.store.series(i), again.store.series(i))
    np.testing.assert_array_equal(cut.store.begins, again.store.begins)
    np.testing.assert_array_equal(cut.store.n_observed(at), again.store.n_observed(at))
    assert np.shares_memory(cut.store.shared_values, frame.store.shared_values)


def test_later_rows_cannot_be_looked_up():
    frame = build_panel((20, 15), missing=0.0)
    cut = frame.upto(11)
    values, observed = cut.store.lookup(np.array([[0], [1]]), np.arange(-2, 30))
    assert observed.sum() == 12 + 7
    # Beyond the cut the last row of the cut stands in, never a later one.
    assert values[0, -1] == cut.store.series(0)[-1]
    assert not np.isin(frame.store.series(0)[12:], values).any()


def test_selected_items_and_a_frame_that_is_replaced_keep_their_rows():
    frame = build_panel((30, 20, 25))
    some = frame.select(("item2", "item0"))
    assert some.items == ("item0", "item2")
    pd.testing.assert_frame_equal(some.data, frame.data[frame.data["item_id"] != "item1"].reset_index(drop=True))
    longer = replace(some.upto(10), season_length=3)
    assert longer.season_length == 3
    pd.testing.assert_frame_equal(longer.data, some.upto(10).data)
    back = pickle.loads(pickle.dumps(some))
    pd.testing.assert_frame_equal(back.data, some.data)
    assert repr(some) == "SeriesFrame(data: 2 series, 55 rows, D)"


def test_covariates_stand_beside_their_rows():
    frame = build_panel((12, 9))
    frame = replace(frame, data=frame.data.assign(x=np.arange(21.0), word="a"), past=("x",))
    cut = frame.upto(10)
    np.testing.assert_array_equal(cut.column("x"), cut.data["x"])
    assert cut.data["word"].tolist() == ["a"] * len(cut)
    assert list(cut.data.columns) == ["item_id", "timestamp", "target", "x", "word"]


def test_a_hole_after_the_cutoff_is_not_seen():
    frame = build_panel((20, 20), missing=0.0)
    table = frame.data.copy()
    table.loc[15, "target"] = np.nan
    frame = replace(frame, data=table)
    assert not frame.store.is_full
    assert frame.upto(14).store.is_full
    assert frame.select(("item1",)).store.is_full


def test_a_full_store_needs_no_mask():
    frame = build_panel((12,), missing=0.0)
    store = replace(frame.store, shared_observed=np.broadcast_to(np.True_, 12))
    assert store.is_full
    lean = SeriesFrame(Rows(store), frame.calendar)
    pd.testing.assert_frame_equal(lean.data, frame.data)
    assert lean.store.n_observed(np.array([4])).tolist() == [5]


@pytest.mark.parametrize("start", [0, 3])
def test_the_first_observed_row(start):
    frame = build_panel((12,), missing=0.0)
    table = frame.data.copy()
    table.loc[3:5, "target"] = np.nan
    cut = replace(frame, data=table).between(np.array([8]), np.array([start]))
    assert cut.store.begins.tolist() == [0 if start == 0 else 3]
    blank = replace(frame, data=table).between(np.array([5]), np.array([4]))
    assert blank.store.begins[0] > 10**9
