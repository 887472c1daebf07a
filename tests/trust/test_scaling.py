"""Every line of the scaling by hand-made numbers: what a shape or a sign off by one would break."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.forecasting.scaling import ROUNDING, InstanceScale, units_of

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


def test_another_spread_counts_where_it_is_a_number_above_nought():
    scale = InstanceScale.fit(np.array([[1.0, 3.0]] * 5), np.ones((5, 2), bool))
    other = scale.with_spread(np.array([0.5, 0.0, np.nan, -2.0, 7.0]))
    assert other.spread.tolist() == [0.5, 1.0, 1.0, 1.0, 7.0]
    assert other.centre.tolist() == [2.0] * 5
    assert other.log is None
    assert scale.spread.tolist() == [1.0] * 5


def test_a_quiet_context_with_the_spread_of_its_series_is_no_constant_one():
    quiet = InstanceScale.fit(np.array([[4.0, 4.0]]), np.ones((1, 2), bool)).with_spread(np.array([2.0]))
    assert quiet.divisor[0] == quiet.unit[0] == 2.0
    assert quiet.transform(np.array([[4.0, 8.0]])).tolist() == [[0.0, 2.0]]
    assert quiet.inverse(np.array([[0.0, 2.0]])).tolist() == [[4.0, 8.0]]


def test_units_are_columns_of_single_precision():
    scale = InstanceScale(np.array([10.0, -3.0]), np.array([0.25, 0.0]))
    level, spread = units_of(scale)
    assert (str(level.dtype), str(spread.dtype)) == ("torch.float32", "torch.float32")
    assert level.tolist() == [[10.0], [-3.0]]
    assert spread.tolist() == [[0.25], [1.0]]
    with np.errstate(all="raise"):
        level, _ = units_of(InstanceScale(np.array([1e200]), np.array([1.0])))
    assert level.tolist() == [[np.inf]]


LOGS = np.array([[1.0, 2.0, 3.0], [0.0, 2.0, 3.0], [5.0, 7.0, 9.0]])
"""In the second window nought is observed; in the third the lowest value is below nought, and not observed."""


def logs() -> InstanceScale:
    values = np.exp(LOGS)
    values[1, 0], values[2, 0] = 0.0, -4.0
    observed = np.ones((3, 3), bool)
    observed[2, 0] = False
    return InstanceScale.fit(values, observed, log=True)


def test_windows_are_read_in_logarithms_where_all_that_was_observed_is_above_nought():
    scale = logs()
    assert scale.log.tolist() == [True, False, True]
    np.testing.assert_allclose(scale.centre, [2.0, np.mean([0.0, np.e**2, np.e**3]), 8.0])
    np.testing.assert_allclose(scale.spread, [np.sqrt(2 / 3), np.std([0.0, np.e**2, np.e**3]), 1.0])
    assert InstanceScale.fit(np.exp(LOGS), np.ones((3, 3), bool)).log is None


def test_a_unit_is_one_spread_near_the_level():
    scale = logs()
    np.testing.assert_allclose(scale.unit, [np.sqrt(2 / 3) * np.e**2, scale.spread[1], np.e**8])
    flat = InstanceScale(np.array([3.0, 3.0]), np.zeros(2), np.array([True, False]))
    np.testing.assert_allclose(flat.unit, [np.e**3, 1.0])
    assert InstanceScale(np.array([3.0]), np.array([0.5])).unit.tolist() == [0.5]
    high = InstanceScale(np.array([705.0]), np.array([1.0]), np.array([True]))
    assert high.unit[0] == np.exp(700.0)


@pytest.mark.parametrize(("spread", "lowest"), [(0.5, -14.0), (0.8, -10.0), (2.0, -10.0)])
def test_far_below_the_level_is_a_place_and_not_minus_infinity(spread, lowest):
    scale = InstanceScale(np.array([1.0, 1.0]), np.array([spread, spread]), np.array([True, False]))
    values = np.array([[np.e, 0.0, -5.0, np.exp(-80.0), 1.0]] * 2)
    scaled = scale.transform(values)
    np.testing.assert_allclose(scaled[0], [0.0, lowest, lowest, lowest, -1.0 / spread])
    np.testing.assert_allclose(scaled[1], (values[1] - 1.0) / spread)


def test_logarithms_invert_and_do_not_overflow():
    scale = logs()
    values = np.stack([np.exp(LOGS), np.exp(LOGS) / 2], axis=2)
    np.testing.assert_allclose(scale.inverse(scale.transform(values)), values)
    np.testing.assert_array_equal(scale.transform(values)[:, :, 1], scale.transform(values[:, :, 1]))
    np.testing.assert_allclose(scale.inverse(np.zeros((3, 1)))[:, 0], [np.e**2, scale.centre[1], np.e**8])
    far = scale.inverse(np.full((3, 1), 1e6))
    assert far[0, 0] == far[2, 0] == np.exp(700.0)
    assert far[1, 0] == pytest.approx(1e6 * scale.spread[1] + scale.centre[1])


def test_values_between_nought_and_one_have_logarithms():
    values = np.array([[0.25, 0.5, 1.0]])
    scale = InstanceScale.fit(values, np.ones((1, 3), bool), log=True)
    assert scale.log.tolist() == [True]
    np.testing.assert_allclose(scale.centre, [-np.log(2)])
    np.testing.assert_allclose(scale.spread, [np.log(2) * np.sqrt(2 / 3)])
    np.testing.assert_allclose(scale.inverse(scale.transform(values)), values)
