"""Every line of the significance tests against a slow loop or by hand: what benchmarks/mutation.py found unnoticed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forecastkit.forecasting import significance as sig


def _noise(n: int, seed: int = 0, mean: float = 0.0) -> np.ndarray:
    return mean + np.random.default_rng(seed).normal(size=n)


# --- the variance of a mean


def slow_cosine(d, h):
    """Student's t on the mean over the mean square of the first K cosine coefficients, one term at a time."""
    stats = pytest.importorskip("scipy.stats")
    n = len(d)
    k = max(2, min(int(0.4 * n ** (2.0 / 3.0)), n // (2 * h)))
    squares = []
    for j in range(1, k + 1):
        wave = [math.cos(math.pi * j * (t + 0.5) / n) for t in range(n)]
        squares.append((math.sqrt(2 / n) * sum(w * x for w, x in zip(wave, d))) ** 2)
    statistic = (sum(d) / n) / math.sqrt(sum(squares) / k / n)
    return 2 * float(stats.t.sf(abs(statistic), k))


@pytest.mark.parametrize(
    ("n", "h"), [(10, 3), (12, 3), (24, 6), (30, 2), (40, 10), (60, 10), (100, 2), (1000, 4), (300, 40)]
)
def test_the_cosine_test_equals_a_slow_loop(n, h):
    d = _noise(n, seed=n, mean=0.3)
    assert sig._cosine_p(d, h) == pytest.approx(slow_cosine(d.tolist(), h), rel=1e-9)


def test_without_a_wave_there_is_no_evidence():
    assert sig._cosine_p(np.zeros(20), 2) == 1.0


def test_the_more_careful_p_counts_from_two_folds_on():
    seeds = [s for s in range(40) if sig._cosine_p(_noise(20, s, 0.4), 2) > 0.05]
    found = [sig.diebold_mariano(_noise(20, s, 0.4), 2) for s in seeds]
    careful = [r for r in found if r.method == "cosine"]
    assert careful
    assert all(r.p_value == pytest.approx(sig._cosine_p(_noise(20, s, 0.4), 2)) for r, s in zip(found, seeds) if r.method == "cosine")  # fmt: skip


@pytest.mark.parametrize("size", [0.1, 1e-7])
def test_differences_that_hardly_vary_have_a_variance_all_the_same(size):
    d = 1 + size * _noise(20)
    assert sig.diebold_mariano(d).method == "hln"
    assert sig.across_series(d).method == "paired t"
    assert sig.across_series(d).statistic == pytest.approx(d.mean() / (d.std(ddof=1) / math.sqrt(20)), rel=1e-6)


def test_a_mean_of_exactly_zero_is_no_difference():
    d = np.tile([1.0, -1.0, -2.0, 2.0], 5)
    for got in (sig.diebold_mariano(d), sig.across_series(d)):
        assert (got.p_value, got.verdict, got.mean) == (1.0, sig.INDISTINGUISHABLE, 0.0)


# --- what goes in and what comes out


def test_lists_and_gaps():
    d = _noise(12, 3).tolist()
    for test in (sig.diebold_mariano, sig.across_series):
        assert test([*d, math.nan]) == test(np.array(d))
        assert test([0, 0, 0]).mean == 0.0
        assert test([0, 0, 0]).identical
    table = [[1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [math.nan, 1.0, 2.0]]
    assert sig.friedman_nemenyi(table).n_blocks == 2


def test_ten_series_are_enough():
    d = _noise(10, 1, 3.0)
    assert sig.across_series(d).verdict == sig.WORSE
    assert sig.across_series(d[:9]).verdict == sig.TOO_FEW


def test_a_p_of_exactly_alpha_is_not_below_it():
    assert sig._word(-1.0, 0.05, 0.05) == sig.INDISTINGUISHABLE
    assert sig._word(-1.0, 0.0499, 0.05) == sig.BETTER
    assert sig._word(1.0, 0.0499, 0.05) == sig.WORSE


@pytest.mark.parametrize("useless", [0.0, -1.0, math.nan, math.inf])
def test_scales_that_scale_nothing_are_left_out(useless):
    rng = np.random.default_rng(2)
    a, b = rng.gamma(2, 1, (20, 3, 2)), rng.gamma(2, 1, (20, 3, 2))
    assert sig.compare(a, b, np.full((20, 3), useless)) == sig.compare(a, b, None)


def test_answers_do_not_overlap_unless_said():
    rng = np.random.default_rng(3)
    a, b = rng.gamma(2, 1, (30, 3, 2)), rng.gamma(2, 1.3, (30, 3, 2))
    assert sig.compare(a, b, None) == sig.compare(a, b, None, overlap=1) != sig.compare(a, b, None, overlap=2)


def test_one_origin_with_series_of_one_step_and_of_none():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    a, b = rng.gamma(2, 1, (1, 14, 3)), rng.gamma(2, 1.5, (1, 14, 3))
    a[0, 3, 1:] = np.nan  # one step counts
    a[0, 5] = np.nan  # no step
    difference = [np.nanmean((a - b)[0, i]) for i in range(14) if i != 5]
    got = sig.compare(a, b, None, alpha=0.2)
    assert got.n == 13
    assert got.p_value == pytest.approx(stats.ttest_1samp(difference, 0).pvalue)
    assert got.verdict == (sig.BETTER if got.p_value < 0.2 else sig.INDISTINGUISHABLE)


# --- skill and its interval


def test_a_cell_that_one_model_lacks_counts_for_neither():
    a, b = np.full((4, 2), 2.0), np.full((4, 2), 4.0)
    a[0, 0], b[1, 0], a[2, 1] = np.nan, np.nan, 40.0
    # Item 0: 4 of 8; item 1: 46 of 16.
    assert sig.block_bootstrap(a, b).skill == pytest.approx(1 - math.sqrt(0.5 * 46 / 16))


def test_one_ratio_is_held_within_a_hundred():
    assert sig.block_bootstrap(np.array([[500.0]]), np.array([[1.0]])).skill == pytest.approx(1 - 100)
    assert sig.block_bootstrap(np.array([[1.0]]), np.array([[500.0]])).skill == pytest.approx(1 - 0.01)
    assert sig.block_bootstrap(np.array([[99.0]]), np.array([[1.0]])).skill == pytest.approx(1 - 99)


def test_nothing_to_score():
    nothing = sig.block_bootstrap(np.full((12, 2), np.nan), np.ones((12, 2)), level=0.8)
    assert (nothing.low, nothing.high, nothing.n_origins, nothing.n_items, nothing.level) == (None, None, 0, 0, 0.8)
    assert sig.Skill(0.1, None, None, 1, 1).level == 0.95


def test_ten_origins_and_one_resample_are_enough_for_an_interval():
    rng = np.random.default_rng(5)
    a, b = rng.gamma(3, 1, (10, 2)), rng.gamma(3, 1, (10, 2))
    assert sig.block_bootstrap(a, b).low is not None
    assert sig.block_bootstrap(a, b) == sig.block_bootstrap(a, b, n_boot=2000)
    one = sig.block_bootstrap(a, b, n_boot=1)
    assert one.low == one.high
    assert one.low is not None


@pytest.mark.parametrize(
    ("n", "block", "size"),
    [(40, 1, 1), (40, 2, 4), (12, 2, 2), (1000, 2, 10), (40, 10, 10), (60, 10, 12), (48, 4, 8), (30, 3, 6), (29, 3, 5)],
)
def test_blocks_are_up_to_twice_the_overlap_where_five_fit(n, block, size, monkeypatch):
    asked = []
    real = sig._draws
    monkeypatch.setattr(sig, "_draws", lambda rng, n, size, n_boot: asked.append(size) or real(rng, n, size, n_boot))
    rng = np.random.default_rng(6)
    sig.block_bootstrap(rng.gamma(3, 1, (n, 1)), rng.gamma(3, 1, (n, 1)), block=block, n_boot=5)
    assert asked == [size]


@pytest.mark.parametrize(("n", "size"), [(10, 1), (11, 4), (12, 4), (7, 10)])
def test_draws_are_circular_blocks_from_uniform_starts(n, size):
    got = sig._draws(np.random.default_rng(7), n, size, 50)
    starts = np.random.default_rng(7).integers(0, n, (50, math.ceil(n / size)))
    for row, first in zip(got, starts):
        drawn = [(s + k) % n for s in first for k in range(size)][:n]
        np.testing.assert_array_equal(row, np.bincount(drawn, minlength=n))
    assert (got.sum(axis=1) == n).all()


def test_an_item_that_a_resample_lacks_is_left_out_of_it():
    """Item 2 was scored at one origin: about a third of the resamples are without it."""
    rng = np.random.default_rng(8)
    a, b = rng.gamma(3, 1, (12, 3)), rng.gamma(3, 1, (12, 3))
    a[:, 2] = np.nan
    a[4, 2] = 30.0
    got = sig.block_bootstrap(a, b, n_boot=300, seed=9, level=0.9)
    draws = []
    for counts in sig._draws(np.random.default_rng(9), 12, 1, 300):
        logs = []
        for i in range(3):
            rows = [t for t in range(12) if not math.isnan(a[t, i]) and counts[t]]
            if rows:
                logs.append(math.log(sum(counts[t] * a[t, i] for t in rows) / sum(counts[t] * b[t, i] for t in rows)))
        draws.append(1 - math.exp(sum(logs) / len(logs)))
    tail = sig._expanded_tail(0.05, 12)
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(draws, [tail, 1 - tail])))


def test_a_resample_without_any_item_does_not_count():
    a, b = np.full((12, 1), np.nan), np.ones((12, 1))
    a[:11, 0], b[:11, 0] = np.linspace(1, 2, 11), 1.5
    assert math.isnan(sig._skill(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1), bool))[0])
    assert sig.block_bootstrap(a, b, n_boot=50).low is not None


# --- many models, many seeds


def test_three_models_and_two_blocks_are_the_least():
    errors = np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]])
    stats = pytest.importorskip("scipy.stats")
    assert sig.friedman_nemenyi(errors).statistic == pytest.approx(stats.friedmanchisquare(*errors.T).statistic)
    assert sig.friedman_nemenyi(errors[:1]).statistic is None
    assert sig.friedman_nemenyi(errors[:, :2]).statistic is None


def test_two_seeds_have_a_spread():
    assert sig.spread([1.0, 3.0]) == (2.0, math.sqrt(2), 2)
