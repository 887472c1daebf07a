"""Conformal intervals against hand calculations, a slow loop and simulations; coverage with its interval."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.forecasting.coverage import AS_NAMED, TOO_FEW, TOO_NARROW, TOO_WIDE, coverage
from forecastkit.forecasting.intervals import (
    LEAST_MISS,
    NOMINAL,
    PACE,
    ConformalIntervals,
    conformal_rank,
    replay,
    rows_known,
)
from forecastkit.forecasting.schema import QUANTILES

LOW95, LOW80, MID, HIGH80, HIGH95 = (QUANTILES.index(q) for q in (0.025, 0.1, 0.5, 0.9, 0.975))
NORMAL = np.array([-1.96, -1.645, -1.282, -0.842, -0.524, -0.253, 0.0, 0.253, 0.524, 0.842, 1.282, 1.645, 1.96])


def fit(errors: np.ndarray, **more) -> ConformalIntervals | None:
    """From errors [F, I, H] of zero forecasts with scale one."""
    return ConformalIntervals.fit(
        np.zeros_like(errors), errors, np.ones(errors.shape[:2]), source=more.pop("source", "calibrate"), **more
    )


class TestByHand:
    def test_ranks(self):
        assert [conformal_rank(n, 0.95) for n in (18, 19, 20, 39, 99)] == [19, 19, 20, 38, 95]
        assert conformal_rank(39, 0.975) == 39
        np.testing.assert_array_equal(conformal_rank(np.array([9, 19]), 0.8), [8, 16])

    def test_nineteen_errors_share_one_width_below_and_above(self):
        errors = np.arange(1.0, 20.0) * np.where(np.arange(19) % 2, 1, -1)
        found = fit(errors[:, None, None])
        wider = math.sqrt(1 + 1 / 19)
        assert found.pooled
        assert found.n_scores == 19
        # Rank ceil(20 * 0.95) = 19 and ceil(20 * 0.8) = 16 of the sizes 1 to 19.
        assert found.offsets[0, HIGH95] == pytest.approx(19 * wider)
        assert found.offsets[0, HIGH80] == pytest.approx(16 * wider)
        np.testing.assert_allclose(found.offsets[0], -found.offsets[0, ::-1])

    def test_with_enough_errors_each_side_has_its_own_width(self):
        errors = np.r_[np.arange(1.0, 79.0), 500.0]  # 79 errors, all above the forecast
        found = fit(np.random.default_rng(0).permutation(errors)[:, None, None])
        wider = math.sqrt(1 + 1 / 79)
        assert not found.pooled
        # ceil(80 * 0.975) = 78 from either end.
        assert found.offsets[0, HIGH95] == pytest.approx(78 * wider)
        assert found.offsets[0, LOW95] == pytest.approx(2 * wider)
        assert found.offsets[0, MID] == pytest.approx(40 * wider)

    def test_few_errors_are_shared_by_steps_that_keep_their_own_size(self):
        rng = np.random.default_rng(1)
        errors = rng.normal(0, 1, (10, 1, 3)) * np.array([1.0, 2.0, 8.0])
        found = fit(errors)
        assert found.pooled
        assert found.n_scores == 30
        sizes = np.sqrt((errors**2).mean(axis=(0, 1)))
        np.testing.assert_allclose(found.offsets[:, HIGH95] / found.offsets[0, HIGH95], sizes / sizes[0])

    def test_scale_of_an_item_multiplies(self):
        found = fit(np.linspace(-1, 1, 50)[:, None, None])
        out = found.quantiles(np.full((1, 2, 1), 10.0), np.array([[1.0, 5.0]]))
        np.testing.assert_allclose(out[0, 1] - 10, 5 * (out[0, 0] - 10))
        flat = found.quantiles(np.full((1, 1, 1), 10.0), np.array([[np.nan]]))
        assert (flat == 10).all()

    def test_nothing_to_learn_from(self):
        assert fit(np.full((5, 1, 2), np.nan)) is None
        assert fit(np.zeros((1, 1, 1))) is None
        assert fit(np.zeros((0, 2, 3))) is None

    def test_forecasts_without_error_give_no_width(self):
        assert (fit(np.zeros((12, 1, 3))).offsets == 0).all()

    def test_missing_answers_do_not_count(self):
        errors = np.random.default_rng(2).normal(size=(60, 1, 1))
        holes = np.insert(errors, [0, 10, 60], np.nan, axis=0)
        np.testing.assert_array_equal(fit(errors).offsets, fit(holes).offsets)


class TestOwnQuantiles:
    def test_too_narrow_ones_are_widened_and_right_ones_are_left(self):
        rng = np.random.default_rng(3)
        y = rng.normal(size=(4000, 1, 1))
        points, scale = np.zeros_like(y), np.ones((4000, 1))
        for width in (0.5, 1.0, 2.0):
            own = np.broadcast_to(width * NORMAL, (*y.shape, 13))
            found = ConformalIntervals.fit(points, y, scale, source="calibrate", own=own)
            out = found.quantiles(points[:1], scale[:1], own[:1])[0, 0, 0]
            np.testing.assert_allclose(out, NORMAL, atol=0.12)
            assert found.own

    def test_they_keep_saying_where_it_is_uncertain(self):
        """A correction in one unit leaves wide intervals wide and narrow ones narrow."""
        rng = np.random.default_rng(4)
        spread = rng.choice([1.0, 4.0], size=(800, 1, 1))
        y = rng.normal(size=spread.shape) * spread
        own = spread[..., None] * NORMAL
        found = ConformalIntervals.fit(np.zeros_like(y), y, np.ones((800, 1)), source="calibrate", own=own)
        out = found.quantiles(np.zeros_like(y), np.ones((800, 1)), own)
        width = out[..., HIGH95] - out[..., LOW95]
        assert np.median(width[spread == 4]) > 3 * np.median(width[spread == 1])

    def test_few_scores_widen_both_sides_alike(self):
        y = np.array([3.0, -1.0, 0.5, 2.0] * 5)[:, None, None]
        own = np.broadcast_to(NORMAL, (*y.shape, 13))
        found = ConformalIntervals.fit(np.zeros_like(y), y, np.ones((20, 1)), source="select", own=own)
        # Romano's score max(low - y, y - high): the largest of twenty is 3 - 1.96, and rank ceil(21 * 0.95) = 20.
        expected = (3 - 1.96) * math.sqrt(1 + 1 / 20)
        assert found.offsets[0, HIGH95] == pytest.approx(expected)
        assert found.offsets[0, LOW95] == pytest.approx(-expected)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 60),
    items=st.integers(1, 3),
    steps=st.integers(1, 4),
    own=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_never_cross(seed, n, items, steps, own):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, items, steps))
    y = points + rng.standard_t(2, size=points.shape)
    mine = points[..., None] + np.sort(rng.normal(size=(n, items, steps, 13)), axis=-1) if own else None
    out, last = replay(points, y, np.ones((n, items)), rows_known(range(0, n * steps, steps), steps, 0), n // 2, source="calibrate", own=mine)  # fmt: skip
    seen = np.isfinite(out).all(axis=-1)
    assert (np.diff(out[seen], axis=-1) >= 0).all()
    if last is not None:
        again = ConformalIntervals.from_dict(json.loads(json.dumps(last.to_dict())))
        np.testing.assert_array_equal(again.offsets, last.offsets)
        assert again.to_dict() == last.to_dict()


def test_a_file_of_the_first_format_is_read():
    old = {"offsets": [[0.0] * 13], "n_scores": 5, "pooled": True, "source": "select"}
    found = ConformalIntervals.from_dict(old)
    assert (found.own, found.method) == (False, "split")


class TestReplay:
    def test_against_a_slow_loop(self):
        """One item and step, 45 folds before the first report fold, levels that follow the misses."""
        rng = np.random.default_rng(5)
        n, first = 75, 45
        y = rng.normal(size=n) * np.r_[np.ones(55), 3 * np.ones(20)]
        out, last = replay(
            np.zeros((n, 1, 1)),
            y[:, None, None],
            np.ones((n, 1)),
            rows_known(range(n), 1, 0),
            first,
            source="calibrate",
        )
        misses = NOMINAL.copy()
        for t in range(first, n):
            past = np.sort(y[:t])
            for k in range(6):
                rank = min(math.ceil((t + 1) * (1 - misses[k] / 2) - 1e-9), t)
                low, high = past[t - rank] * math.sqrt(1 + 1 / t), past[rank - 1] * math.sqrt(1 + 1 / t)
                assert out[t - first, 0, 0, 12 - k] == pytest.approx(high)
                assert out[t - first, 0, 0, k] == pytest.approx(low)
                missed = float(y[t] < low or y[t] > high)
                misses[k] = np.clip(misses[k] + PACE * (NOMINAL[k] - missed), LEAST_MISS, 0.999)
        np.testing.assert_allclose(last.misses, misses)

    @pytest.mark.parametrize("method", ["adaptive", "split"])
    @pytest.mark.parametrize("step", [1, 4])
    def test_no_fold_sees_answers_after_its_cutoff(self, method, step):
        rng = np.random.default_rng(6)
        n, first, horizon = 40, 15, 4
        y = rng.normal(size=(n, 2, horizon))
        at = np.arange(n) * step
        args = (np.ones((n, 2)), rows_known(at, horizon, 0), first)
        out, _ = replay(np.zeros_like(y), y, *args, source="calibrate", method=method)
        other = y.copy()
        t = 27
        later = at[:, None] + 1 + np.arange(horizon) > at[t]  # [F, H] answers that come after the cutoff of fold t
        other[np.broadcast_to(later[:, None, :], y.shape)] = 1e6
        scrambled, _ = replay(np.zeros_like(y), other, *args, source="calibrate", method=method)
        np.testing.assert_array_equal(out[: t - first + 1], scrambled[: t - first + 1])
        if method == "adaptive":
            assert not np.array_equal(out, scrambled)

    def test_split_never_changes(self):
        rng = np.random.default_rng(7)
        y = rng.normal(size=(30, 1, 1))
        out, last = replay(np.zeros_like(y), y, np.ones((30, 1)), rows_known(range(30), 1, 0), 10, source="calibrate", method="split")  # fmt: skip
        assert (out == out[0]).all()
        assert last.method == "split"

    def test_answers_known_at_each_cutoff(self):
        # Horizon 3 every row: at cutoff 7 the answers of cutoff 4 (rows 5 to 7) are the last that are known.
        np.testing.assert_array_equal(rows_known([4, 5, 6, 7, 8], 3, 0), [0, 0, 0, 1, 2])
        np.testing.assert_array_equal(rows_known([0, 3, 6], 3, 0), [0, 1, 2])
        np.testing.assert_array_equal(rows_known([0, 3, 6], 3, 2), [0, 0, 1])

    def test_without_any_earlier_fold_the_first_has_no_quantiles(self):
        y = np.random.default_rng(8).normal(size=(6, 1, 2))
        out, last = replay(np.zeros_like(y), y, np.ones((6, 1)), rows_known(range(0, 12, 2), 2, 0), 0, source="none")
        assert np.isnan(out[0]).all()
        assert np.isfinite(out[1:]).all()
        assert last is not None


class TestSimulated:
    def test_exchangeable_errors_are_covered_at_least_as_named(self):
        """Split intervals of 10 folds of 5 steps, 600 times; a share two standard errors below the level would be a fault."""
        rng = np.random.default_rng(9)
        inside = np.zeros((600, 2))
        for k in range(600):
            y = rng.standard_t(4, size=(11, 1, 5))
            out, _ = replay(np.zeros_like(y), y, np.ones((11, 1)), rows_known(range(0, 55, 5), 5, 0), 10, source="calibrate", method="split")  # fmt: skip
            for j, (low, high) in enumerate(((LOW80, HIGH80), (LOW95, HIGH95))):
                inside[k, j] = ((y[10] >= out[0, ..., low]) & (y[10] <= out[0, ..., high])).mean()
        share, error = inside.mean(axis=0), inside.std(axis=0) / math.sqrt(600)
        assert (share > np.array([0.8, 0.95]) - 2 * error).all()
        assert (share < np.array([0.86, 0.98])).all()

    def test_adaptive_ones_follow_a_series_that_grows_wilder(self):
        rng = np.random.default_rng(10)
        shares = {}
        for method in ("split", "adaptive"):
            held = []
            for _ in range(30):
                y = (rng.normal(size=110) * np.r_[np.ones(50), 2.5 * np.ones(60)])[:, None, None]
                out, _ = replay(np.zeros_like(y), y, np.ones((110, 1)), rows_known(range(110), 1, 0), 50, source="calibrate", method=method)  # fmt: skip
                held.append(((y[50:] >= out[..., LOW80]) & (y[50:] <= out[..., HIGH80])).mean())
            shares[method] = float(np.mean(held))
        assert shares["split"] < 0.5
        assert shares["adaptive"] > 0.7


class TestCoverage:
    def test_independent_answers_have_the_exact_binomial_interval(self):
        from scipy.stats import binomtest

        inside = np.zeros((401, 1, 1))
        inside[:320] = 1
        found = coverage(inside, 0.8)
        exact = binomtest(320, 401).proportion_ci(method="exact")
        assert (found.low, found.high) == (pytest.approx(exact.low, abs=2e-3), pytest.approx(exact.high, abs=2e-3))
        assert found.word == AS_NAMED

    def test_answers_of_one_origin_count_once(self):
        rng = np.random.default_rng(11)
        one = (rng.random((40, 1, 1)) < 0.8).astype(float)
        alone, together = coverage(one, 0.8), coverage(np.repeat(one, 48, axis=2), 0.8)
        assert together.share == alone.share
        assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.1)

    def test_overlapping_folds_are_joined(self):
        inside = np.repeat((np.random.default_rng(12).random(20) < 0.8).astype(float), 4)[:, None, None]
        assert coverage(inside, 0.8, overlap=4).n_clusters == 20
        wide = coverage(inside, 0.8, overlap=4)
        narrow = coverage(inside, 0.8)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)

    def test_words(self):
        ones = np.ones((60, 1, 4))
        assert coverage(ones, 0.8).word == TOO_WIDE
        assert coverage(0 * ones, 0.8).word == TOO_NARROW
        assert coverage(ones, 0.95).word == AS_NAMED  # sixty of sixty: 0.94 to 1
        assert coverage(ones[:9], 0.8).word == TOO_FEW
        assert coverage(np.full((3, 1, 1), np.nan), 0.8).n == 0
        one_origin = coverage(np.ones((1, 80, 3)), 0.95)
        assert (one_origin.by, one_origin.n_clusters) == ("series", 80)

    def test_the_interval_holds_the_truth_as_often_as_it_says(self):
        """Beta-binomial origins of 12 answers each: their shares vary by origin, as real ones do."""
        rng = np.random.default_rng(13)
        held = 0
        for _ in range(400):
            p = rng.beta(8, 2, size=(30, 1, 1))
            found = coverage((rng.random((30, 1, 12)) < p).astype(float), 0.8)
            held += found.low <= 0.8 <= found.high
        assert held / 400 > 0.92
