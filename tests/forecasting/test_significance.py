import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecastkit.forecasting import significance as sig
from forecastkit.forecasting.splits import EvalPlan

VALUES = st.floats(-100, 100, allow_subnormal=False).map(lambda x: round(x, 3))


def slow_hln(d, h):
    """Statistic by the formula of Harvey, Leybourne and Newbold, one term at a time."""
    n, mean = len(d), sum(d) / len(d)
    variance = 0.0
    for lag in range(-(h - 1), h):
        k = abs(lag)
        variance += sum((d[t] - mean) * (d[t - k] - mean) for t in range(k, n)) / n
    return mean / math.sqrt(variance / n) * math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)


# --- Diebold-Mariano


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, st.integers(10, 40), elements=VALUES))
def test_without_overlap_it_is_students_t(d):
    stats = pytest.importorskip("scipy.stats")
    got = sig.diebold_mariano(d)
    if np.ptp(d) == 0:
        assert got.method == ("identical" if d[0] == 0 else "sign")
        return
    want = stats.ttest_1samp(d, 0.0)
    assert got.statistic == pytest.approx(want.statistic, rel=1e-6, abs=1e-9)
    assert got.p_value == pytest.approx(want.pvalue, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("h", [1, 2, 3, 5])
def test_statistic_equals_a_slow_loop_and_statsmodels(h):
    api = pytest.importorskip("statsmodels.api")
    noise = np.random.default_rng(h).normal(0.2, 1, 60 + h)
    d = np.convolve(noise, np.ones(h) / h, mode="valid")[:60]  # what overlap makes of independent errors
    got = sig.diebold_mariano(d, h)
    assert got.statistic == pytest.approx(slow_hln(d.tolist(), h), rel=1e-10)
    flat = lambda lags: np.ones(lags + 1)  # noqa: E731
    fit = api.OLS(d, np.ones(60)).fit(
        cov_type="HAC", cov_kwds={"maxlags": h - 1, "kernel": flat, "use_correction": False}
    )
    correction = math.sqrt((61 - 2 * h + h * (h - 1) / 60) / 60)
    assert got.statistic == pytest.approx(float(fit.tvalues[0]) * correction, rel=1e-10)


def test_overlap_takes_the_more_careful_p():
    d = np.convolve(np.random.default_rng(4).normal(0.5, 1, 69), np.ones(10) / 10, mode="valid")
    alone = 2 * pytest.importorskip("scipy.stats").t.sf(abs(slow_hln(d.tolist(), 10)), 59)
    assert sig.diebold_mariano(d, 10).p_value >= alone


def test_a_variance_that_is_not_positive_falls_back_to_bartlett():
    d = 0.3 + np.tile([1.0, -1.0], 10)  # the first autocovariance nearly cancels the variance, twice over
    got = sig.diebold_mariano(d, 2)
    assert got.method in ("bartlett", "cosine")
    assert math.isfinite(got.statistic)
    assert 0 <= got.p_value <= 1
    gamma0, gamma1 = np.mean((d - 0.3) ** 2), np.sum((d[1:] - 0.3) * (d[:-1] - 0.3)) / 20
    assert gamma0 + 2 * gamma1 < 0
    bartlett = gamma0 + gamma1
    assert got.statistic == pytest.approx(0.3 / math.sqrt(bartlett / 20) * math.sqrt((21 - 4 + 2 / 20) / 20))


def test_identical_is_not_tested():
    got = sig.diebold_mariano(np.zeros(3))
    assert got.identical
    assert (got.p_value, got.verdict) == (None, sig.INDISTINGUISHABLE)


def test_too_few_to_tell():
    d = np.linspace(-2, -1, 9)
    got = sig.diebold_mariano(d)
    assert (got.verdict, got.p_value, got.n) == (sig.TOO_FEW, None, 9)
    assert sig.diebold_mariano(np.r_[d, -1.5]).verdict == sig.BETTER
    assert sig.diebold_mariano(np.r_[d, np.nan]).verdict == sig.TOO_FEW  # a gap is not an origin
    assert [sig.fewest_origins(h) for h in (1, 2, 3, 10)] == [10, 10, 12, 40]
    assert sig.diebold_mariano(np.tile(d, 4), 10).verdict == sig.TOO_FEW
    assert math.isnan(sig.diebold_mariano(np.zeros(0)).mean)


def test_equal_differences_go_to_the_sign_test_of_what_does_not_overlap():
    assert sig.diebold_mariano(np.full(10, -0.5)).p_value == 2 / 2**10
    assert sig.diebold_mariano(np.full(10, -0.5)).verdict == sig.BETTER
    assert sig.diebold_mariano(np.full(10, 0.5)).verdict == sig.WORSE
    assert sig.diebold_mariano(np.full(40, -0.5), 10).p_value == 2 / 2**4
    assert sig.across_series(np.full(12, 3.0)).p_value == 2 / 2**12


def test_infinite_differences_are_not_tested():
    d = np.r_[np.inf, np.ones(20)]
    for got in (sig.diebold_mariano(d), sig.across_series(d)):
        assert (got.p_value, got.verdict, got.method) == (None, sig.INDISTINGUISHABLE, "undefined")


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(12, 40), elements=VALUES),
    st.integers(1, 3),
    st.sampled_from([1e-300, 1e-150, 3.0, 1e150, 1e300]),
)
def test_units_do_not_matter_and_sides_mirror(d, h, factor):
    a, b, c = (sig.diebold_mariano(x, h) for x in (d, -d, d * factor))
    opposite = {sig.BETTER: sig.WORSE, sig.WORSE: sig.BETTER}
    assert b.verdict == opposite.get(a.verdict, a.verdict)
    assert b.p_value == a.p_value
    if a.p_value is not None:
        assert c.p_value == pytest.approx(a.p_value, rel=1e-6, abs=1e-12)


def test_h_below_one_is_a_mistake():
    with pytest.raises(ValueError, match="at least 1"):
        sig.diebold_mariano(np.ones(20), 0)


@pytest.mark.parametrize(("n", "horizon"), [(10, 1), (30, 1), (30, 3), (100, 10)])
def test_true_nulls_are_rejected_at_the_nominal_rate_although_items_correlate(n, horizon):
    rng = np.random.default_rng(n + horizon)
    rejected = pooled = 0
    reps = 800
    for _ in range(reps):
        shocks = rng.standard_t(5, (n + horizon, 1)) * math.sqrt(0.6)
        shocks = shocks + rng.standard_t(5, (n + horizon, 5)) * math.sqrt(0.4)
        total = np.cumsum(shocks, axis=0)
        d = total[horizon:] - total[:-horizon]  # origins a step apart: neighbours share horizon - 1 shocks
        got = sig.compare(np.abs(100 + d[:, :, None]), np.full((n, 5, 1), 100.0), np.ones((n, 5)), overlap=horizon)
        rejected += got.verdict in (sig.BETTER, sig.WORSE)
        x = d.ravel()
        pooled += abs(x.mean()) > 1.96 * x.std(ddof=1) / math.sqrt(len(x))
    # 7 % and three standard errors of a rate of 5 % in 800 trials, less than half a point more.
    assert 0.005 < rejected / reps <= 0.074
    assert pooled / reps > 0.2


def test_true_nulls_are_rejected_at_the_nominal_rate_with_a_gap():
    plan = EvalPlan(horizon=5, gap=5)
    rng = np.random.default_rng(0)
    at = np.arange(30) * plan.stride
    steps = at[:, None] + plan.gap + 1 + np.arange(plan.horizon)
    reps = 600
    rejected = {plan.overlap: 0, 1: 0}
    for _ in range(reps):
        walk = np.cumsum(rng.standard_normal(steps.max() + 1))
        error = walk[steps] - walk[at][:, None]
        d = (np.abs(error - 1) - np.abs(error + 1)).mean(axis=1)  # one is as much too high as the other too low
        for h in rejected:
            rejected[h] += sig.diebold_mariano(d, h).verdict in (sig.BETTER, sig.WORSE)
    assert rejected[plan.overlap] / reps <= 0.074
    assert rejected[1] / reps > 0.1  # neighbouring folds share no answer, and are not independent


# --- differences by origin


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_loss_differences_equal_a_slow_loop(data):
    shape = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    cell = st.one_of(st.integers(0, 20).map(float), st.just(math.nan))
    a, b = (data.draw(hnp.arrays(np.float64, shape, elements=cell)) for _ in range(2))
    scale = st.sampled_from([1.0, 2.0, 4.0, 0.0, math.nan])
    scales = data.draw(hnp.arrays(np.float64, shape[:2], elements=scale))
    want = []
    for f in range(shape[0]):
        values = [
            (a[f, i, h] - b[f, i, h]) / scales[f, i]
            for i in range(shape[1])
            for h in range(shape[2])
            if scales[f, i] > 0 and not math.isnan(a[f, i, h] - b[f, i, h])
        ]
        want += [sum(values) / len(values)] if values else []
    np.testing.assert_allclose(sig.loss_differences(a, b, scales), want)


def test_a_single_origin_is_tested_across_series_and_says_so():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2, 1, (1, 40, 6)), rng.gamma(2, 1.5, (1, 40, 6))
    scales = rng.uniform(0.5, 2, (1, 40))
    got = sig.compare(a, b, scales)
    want = stats.ttest_rel((a[0] / scales[0][:, None]).mean(1), (b[0] / scales[0][:, None]).mean(1))
    assert (got.label, got.method, got.n) == (sig.BY_SERIES, "paired t", 40)
    assert got.p_value == pytest.approx(want.pvalue)
    assert got.verdict == sig.BETTER
    few = sig.compare(a[:, :9], b[:, :9], scales[:, :9])
    assert (few.verdict, few.label) == (sig.TOO_FEW, sig.BY_SERIES)


def test_without_any_scale_the_targets_own_units_are_compared():
    rng = np.random.default_rng(1)
    a, b = rng.gamma(2, 1, (20, 3, 2)), rng.gamma(2, 1, (20, 3, 2))
    assert sig.compare(a, b, np.full((20, 3), np.nan)) == sig.compare(a, b, None)
    one = np.full((20, 3), np.nan)
    one[:, 0] = 1.0
    assert sig.compare(a, b, one) == sig.compare(a[:, :1], b[:, :1], None)


# --- skill and its interval


def test_skill_by_hand():
    a = np.array([[1.0, 4.0, 0.0], [1.0, 4.0, 0.0]])
    b = np.array([[2.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    got = sig.block_bootstrap(a, b)  # ratios 1/2, 2 and 0/0 = 1
    assert got.skill == pytest.approx(0)
    assert (got.low, got.high, got.n_origins, got.n_items) == (None, None, 2, 3)
    assert sig.block_bootstrap(a[:, :1], b[:, :1]).skill == pytest.approx(0.5)
    assert sig.block_bootstrap(a * 0, b).skill == pytest.approx(1 - 0.01 ** (2 / 3))  # held at 1/100
    assert math.isnan(sig.block_bootstrap(a * np.nan, b).skill)


def test_missing_cells_leave_both_models_out():
    rng = np.random.default_rng(2)
    a, b = rng.gamma(3, 1, (20, 3)), rng.gamma(3, 1, (20, 3))
    holes = a.copy()
    holes[:, 2] = np.nan
    holes[5] = np.nan
    keep = np.delete(np.arange(20), 5)
    assert sig.block_bootstrap(holes, b) == sig.block_bootstrap(a[keep][:, :2], b[keep][:, :2])


def test_interval_needs_origins_and_repeats_itself():
    rng = np.random.default_rng(3)
    a, b = rng.gamma(3, 1, (40, 4)), rng.gamma(3, 1.2, (40, 4))
    one, again = (sig.block_bootstrap(a, b, n_boot=500) for _ in range(2))
    assert one == again
    assert one.low < one.skill < one.high
    assert sig.block_bootstrap(a, b, n_boot=0).low is None
    assert sig.block_bootstrap(a[:9], b[:9]).low is None
    # Blocks as long as the row would all give the point itself: no interval rather than one of width 0.
    assert sig.block_bootstrap(a[:10], b[:10], block=10).low is None
    assert sig.block_bootstrap(a[:39], b[:39], block=10).low is None
    assert sig.block_bootstrap(a, b, block=10, n_boot=500).low is not None
    same = sig.block_bootstrap(a, a, n_boot=500)
    assert (same.skill, same.low, same.high) == (0, 0, 0)


def test_many_items_are_resampled_in_parts_with_the_same_result():
    rng = np.random.default_rng(5)
    a, b = rng.gamma(3, 1, (12, 9000)), rng.gamma(3, 1.1, (12, 9000))
    got = sig.block_bootstrap(a, b, n_boot=1000)  # 444 resamples at a time
    counts = sig._draws(np.random.default_rng(0), 12, 1, 1000)
    draws = 1 - np.exp(np.log((counts @ a) / (counts @ b)).mean(axis=1))
    tail = sig._expanded_tail(0.025, 12)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(draws, [tail, 1 - tail])))


def test_expanded_tail_is_that_of_the_t_interval():
    stats = pytest.importorskip("scipy.stats")
    want = stats.norm.cdf(-math.sqrt(10 / 9) * stats.t.ppf(0.975, 9))
    assert sig._expanded_tail(0.025, 10) == pytest.approx(want)
    assert sig._expanded_tail(0.025, 1e6) == pytest.approx(0.025, rel=1e-3)


@pytest.mark.parametrize(("n", "overlap"), [(10, 1), (30, 1), (30, 2)])
def test_interval_holds_the_truth_about_as_often_as_it_says(n, overlap):
    rng = np.random.default_rng(n * overlap)
    hits, reps = 0, 300
    for _ in range(reps):
        common = rng.gamma(2, 1, (n + overlap - 1, 1))
        sums = [common * rng.gamma(4, size, (n + overlap - 1, 5)) for size in (0.9, 1.0)]
        if overlap > 1:
            sums = [x[1:] + x[:-1] for x in sums]
        got = sig.block_bootstrap(*sums, block=overlap, n_boot=400)
        hits += got.low <= 0.1 <= got.high
    assert 0.90 <= hits / reps <= 0.99


# --- many models


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=8))
def test_holm_equals_statsmodels(p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    got = sig.holm(p)
    known = ~np.isnan(np.asarray(p, dtype=float))
    assert np.isnan(got[~known]).all()
    if known.any():
        np.testing.assert_allclose(got[known], multitest.multipletests(np.asarray(p)[known], method="holm")[1])


def test_friedman_equals_scipy_with_ties_and_leaves_gaps_out():
    stats = pytest.importorskip("scipy.stats")
    errors = np.random.default_rng(6).integers(1, 6, (25, 4)).astype(float)
    want = stats.friedmanchisquare(*errors.T)
    got = sig.friedman_nemenyi(np.vstack([errors, [np.nan, 1, 2, 3]]))
    assert got.statistic == pytest.approx(want.statistic)
    assert got.p_value == pytest.approx(want.pvalue)
    assert got.n_blocks == 25
    assert got.ranks.sum() == pytest.approx(10)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_demsars_factor(k, q):
    errors = np.random.default_rng(7).normal(size=(30, k))
    got = sig.friedman_nemenyi(errors).critical_difference
    assert got == pytest.approx(q * math.sqrt(k * (k + 1) / (6 * 30)), rel=1e-3)


def test_friedman_without_evidence():
    tied = sig.friedman_nemenyi(np.ones((5, 3)))
    assert (tied.statistic, tied.p_value) == (None, None)
    assert tied.ranks.tolist() == [2, 2, 2]
    assert sig.friedman_nemenyi(np.full((3, 3), np.nan)).n_blocks == 0
    with pytest.raises(ValueError, match="two models"):
        sig.friedman_nemenyi(np.ones((5, 1)))


def test_spread_of_seeds():
    assert sig.spread([1.0, math.nan, 2.0, 3.0]) == (2.0, 1.0, 3)
    mean, sd, n = sig.spread([4.0])
    assert (mean, n) == (4.0, 1)
    assert math.isnan(sd)
    assert sig.spread([])[2] == 0
