"""Rows in order: whatever way is taken, it is that of a stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.reading.order import order_of, repeats


def _check(codes: np.ndarray, times: np.ndarray) -> None:
    n_items = int(codes.max()) + 1
    order = order_of(codes.astype(np.int32), times, n_items)
    expected = np.lexsort((times, codes))
    rows = np.arange(len(codes)) if order.rows is None else order.rows
    np.testing.assert_array_equal(rows, expected)
    assert order.n_twice == len(codes) - len(set(zip(codes.tolist(), times.tolist())))
    if order.instants is not None:
        np.testing.assert_array_equal(order.instants, np.unique(times))
        np.testing.assert_array_equal(order.instants[order.places], times[expected])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 6)), min_size=1, max_size=40), st.sampled_from("rtsu"))
def test_the_order_of_any_rows(pairs, kind):
    codes, times = np.array(pairs, dtype=np.int64).T
    how = {
        "r": np.arange(len(codes)),
        "t": np.argsort(times, kind="stable"),
        "s": np.lexsort((times, codes)),
        "u": np.arange(len(codes))[::-1],
    }[kind]
    _check(codes[how], times[how])
    assert repeats(times[how]) == len(times) - len(set(times.tolist()))


@pytest.mark.parametrize("gone", [0, 3])
def test_a_panel_by_day_needs_no_sort(gone):
    """Three items in turn each day; the table of items and days is filled, with holes too."""
    codes, times = np.tile([2, 0, 1], 5), np.repeat(np.arange(5) * 10, 3)
    keep = np.arange(15) >= gone
    order = order_of(codes[keep].astype(np.int32), times[keep], 3)
    assert order.places is not None
    _check(codes[keep], times[keep])
