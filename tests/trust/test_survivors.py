"""Small faults that the other tests did not notice (benchmarks/mutation.py): each test here kills one."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.errors import ConfigError
from forecastkit.forecasting import metrics, splits
from forecastkit.forecasting.splits import EvalPlan


@pytest.mark.parametrize("scale", [0.25, 1.0, 2.0])
def test_small_scales_count(scale):
    assert metrics.mase([1.0, 2.0], [2.0, 4.0], scale) == 1.5 / scale
    assert metrics.rmsse([[3.0, 4.0]], [[0.0, 0.0]], [scale]) == pytest.approx(np.sqrt(12.5) / scale)


def test_a_series_with_zero_scale_is_skipped_and_not_counted_as_perfect():
    y, yhat = np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([[2.0, 3.0], [6.0, 6.0]])
    assert metrics.mase(y, yhat, [2.0, 0.0]) == 0.5
    assert metrics.rmsse(y, yhat, [2.0, 0.0]) == 0.5
    assert metrics.rmsse(y, yhat, [2.0, np.nan]) == 0.5
    assert np.isnan(metrics.rmsse(y, yhat, [0.0, 0.0]))


def test_series_without_answers_are_found_along_the_steps():
    y = np.zeros((2, 3, 4))
    y[0, 1] = np.nan
    y[:, :, 2] = np.nan
    yhat = np.ones((2, 3, 4))
    scale = np.full((2, 3), 2.0)
    scale[1, 2] = 4.0
    assert metrics.rmsse(y, yhat, scale) == pytest.approx((4 * 0.5 + 0.25) / 5)


@pytest.mark.parametrize("scale", [0.25, 1.0, 2.0])
def test_the_interval_score_counts_small_scales_and_skips_none(scale):
    assert metrics.msis([3.0], [0.0], [2.0], scale, level=50) == 6.0 / scale
    y, low, high = np.array([[3.0, np.nan], [9.0, 9.0]]), np.zeros((2, 2)), np.full((2, 2), 2.0)
    assert metrics.msis(y, low, high, [scale, 0.0], level=50) == 6.0 / scale
    assert metrics.msis(y, low, high, [scale, np.nan], level=50) == 6.0 / scale


def test_a_direction_needs_both_ends_and_a_change():
    y, said, last = [2.0, np.nan, 2.0, 1.0, 0.0], [3.0, 3.0, 3.0, 3.0, 3.0], [1.0, 1.0, np.nan, 1.0, 1.0]
    # Up as said, unknown, unknown, no change, down: one of two.
    assert metrics.direction_accuracy(y, said, last) == 0.5


def test_the_seed_nought_is_a_seed():
    assert EvalPlan(horizon=3, seeds=(0, 2**32 - 1)).seeds == (0, 2**32 - 1)
    for wrong in ((-1,), (2**32,), (), (1, 1), (1.5,)):
        with pytest.raises(ConfigError):
            EvalPlan(horizon=3, seeds=wrong)


def test_each_missing_role_is_noted_by_itself():
    plan = EvalPlan(horizon=3, n_calibrate=0)
    assert splits._role_notes(plan, (4, 4, 5)) == []
    (select,) = splits._role_notes(plan, (0, 4, 5))
    assert select.startswith("No select folds (the history is too short")
    (calibrate,) = splits._role_notes(plan, (4, 0, 5))
    assert calibrate.startswith("No calibrate folds (as asked)")


@pytest.mark.parametrize(("rows", "folds", "remedy"), [
    (70, 10, "Ask for one fold or give a longer history."),
    (10, 2, "Shorten the horizon to 3 or less or give a longer history."),
    (3, 2, "Give a longer history."),
])  # fmt: skip
def test_a_short_history_gets_the_remedies_that_help(rows, folds, remedy):
    assert splits._too_short("x", EvalPlan(horizon=30, n_report=folds), rows, 1).remedy == remedy
