"""Every line of the scaling by hand-made numbers: what a shape or a sign off by one would break."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.forecasting.scaling import ROUNDING, InstanceScale

SEEN = np.ones((1, 4), bool)


def test_mean_and_deviation_of_observed_rows():
    values = np.array([[1.0, 99.0, 3.0, 8.0], [5.0, 5.0, 7.0, 7.0]])
    observed = np.array([[True, False, True, True], [True, True, True, True]])
    scale = InstanceScale.fit(values, observed)
    np.testing.assert_allclose(scale.centre, [4.0, 6.0])
    np.testing.assert_allclose(scale.spread, [np.std([1.0, 3.0, 8.0]), 1.0])


def test_one_observed_row_is_a_constant_context():
    scale = InstanceScale.fit(np.array([[2.0, 5.0]]), np.array([[False, True]]))
    assert (scale.centre[0], scale.spread[0], scale.divisor[0]) == (5.0, 0.0, 1.0)


def test_nothing_observed_is_the_identity():
    scale = InstanceScale.fit(np.array([[np.nan, np.nan]]), np.array([[False, False]]))
    assert (scale.centre[0], scale.spread[0], scale.divisor[0]) == (0.0, 0.0, 1.0)


def test_large_numbers_keep_their_difference():
    values = 2.0**53 + np.array([[0.0, 2.0, 4.0, 6.0]])
    scale = InstanceScale.fit(values, SEEN)
    assert scale.spread[0] == 0.0 or scale.spread[0] == pytest.approx(np.std([0, 2, 4, 6]))
    near = InstanceScale.fit(1e9 + np.array([[0.0, 1.0, 0.0, 1.0]]), SEEN)
    assert near.spread[0] == 0.5
    assert near.transform(np.array([[1e9, 1e9 + 1]])).tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_spread_at_rounding_counts_as_constant(factor):
    wide = 1e3 * ROUNDING * factor
    values = 1e3 + np.array([[wide, -wide, wide, -wide]])
    scale = InstanceScale.fit(values, SEEN)
    assert (scale.spread[0] == 0.0) == (factor < 1)
    if factor < 1:
        # Constant contexts give back their first value, to the bit.
        assert scale.inverse(np.array([[0.3]]))[0, 0] == values[0, 0]


def test_two_and_three_axes_agree_and_invert():
    rng = np.random.default_rng(0)
    values = rng.normal(100, 7, (5, 6))
    scale = InstanceScale.fit(values, np.ones((5, 6), bool))
    scaled = scale.transform(values)
    np.testing.assert_allclose(scaled.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=1), 1)
    deep = scale.transform(np.stack([values, values], axis=2))
    np.testing.assert_array_equal(deep[:, :, 1], scaled)
    np.testing.assert_allclose(scale.inverse(scaled), values)
    np.testing.assert_allclose(scale.inverse(deep)[:, :, 0], values)


def test_none_changes_nothing():
    scale = InstanceScale.none(3)
    values = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(scale.transform(values), values)
    np.testing.assert_array_equal(scale.inverse(values), values)
    assert scale.centre.shape == scale.spread.shape == (3,)
