import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecastkit.forecasting import metrics as m
from forecastkit.forecasting.schema import QUANTILES

RNG = np.random.default_rng(3)
N_ITEMS, H = 4, 12
Y = RNG.normal(10, 3, (N_ITEMS, H))
YHAT = Y + RNG.normal(0.3, 1, Y.shape)
REFERENCE = Y + RNG.normal(0, 2, Y.shape)
HISTORY = RNG.normal(10, 3, (N_ITEMS, 40)).cumsum(axis=1)
SCALE = np.array([m.seasonal_scale(h, 4) for h in HISTORY])
ROOT_SCALE = np.array([m.seasonal_scale(h, 4, squared=True) for h in HISTORY])


def loop_mean(cell, *arrays):
    values = [cell(*xs) for xs in zip(*(np.ravel(a) for a in arrays), strict=True)]
    return sum(values) / len(values)


def long(y, yhat):
    item, step = np.indices(y.shape)
    frame = {"unique_id": item.ravel(), "ds": 100 + step.ravel(), "y": y.ravel(), "model": yhat.ravel()}
    return pd.DataFrame(frame)


def train():
    item, step = np.indices(HISTORY.shape)
    return pd.DataFrame({"unique_id": item.ravel(), "ds": step.ravel(), "y": HISTORY.ravel()})


def theirs(name, **options):
    losses = pytest.importorskip("utilsforecast.losses")
    return float(getattr(losses, name)(long(Y, YHAT), models=["model"], **options)["model"].mean())


def loop_mase():
    total = 0.0
    for i in range(N_ITEMS):
        pairs = [abs(HISTORY[i][t] - HISTORY[i][t - 4]) for t in range(4, 40)]
        total += sum(abs(Y[i] - YHAT[i])) / H / (sum(pairs) / len(pairs))
    return total / N_ITEMS


def loop_rmsse():
    total = 0.0
    for i in range(N_ITEMS):
        pairs = [(HISTORY[i][t] - HISTORY[i][t - 4]) ** 2 for t in range(4, 40)]
        total += math.sqrt(sum((Y[i] - YHAT[i]) ** 2) / H / (sum(pairs) / len(pairs)))
    return total / N_ITEMS


TRIPLES = {
    "mae": (m.mae(Y, YHAT), loop_mean(lambda y, f: abs(y - f), Y, YHAT), lambda: theirs("mae")),
    "bias": (m.bias(Y, YHAT), loop_mean(lambda y, f: f - y, Y, YHAT), lambda: theirs("bias")),
    "mape": (m.mape(Y, YHAT), loop_mean(lambda y, f: abs(y - f) / abs(y), Y, YHAT), lambda: theirs("mape")),
    # Theirs reaches 1, ours 2.
    "smape": (
        m.smape(Y, YHAT),
        loop_mean(lambda y, f: 2 * abs(y - f) / (abs(y) + abs(f)), Y, YHAT),
        lambda: 2 * theirs("smape"),
    ),
    "mase": (m.mase(Y, YHAT, SCALE), loop_mase(), lambda: theirs("mase", seasonality=4, train_df=train())),
    "rmsse": (m.rmsse(Y, YHAT, ROOT_SCALE), loop_rmsse(), lambda: theirs("rmsse", seasonality=4, train_df=train())),
    "pinball": (
        m.pinball(Y, YHAT, 0.9),
        loop_mean(lambda y, f: 0.9 * (y - f) if y >= f else 0.1 * (f - y), Y, YHAT),
        lambda: _sklearn("mean_pinball_loss", alpha=0.9),
    ),
    "rmse": (
        m.rmse(Y, YHAT),
        math.sqrt(loop_mean(lambda y, f: (y - f) ** 2, Y, YHAT)),
        lambda: _sklearn("root_mean_squared_error"),
    ),
    "wape": (
        m.wape(Y, YHAT),
        sum(abs(Y - YHAT).ravel().tolist()) / sum(abs(Y).ravel().tolist()),
        lambda: _sklearn("mean_absolute_error") / float(np.mean(np.abs(Y))),
    ),
}


def _sklearn(name, **options):
    return getattr(pytest.importorskip("sklearn.metrics"), name)(Y.ravel(), YHAT.ravel(), **options)


@pytest.mark.parametrize("name", TRIPLES)
def test_equals_loop_and_second_library(name):
    ours, loop, theirs_of = TRIPLES[name]
    assert ours == pytest.approx(loop, rel=1e-12)
    assert ours == pytest.approx(theirs_of(), rel=1e-9)


def test_interval_metrics_equal_loop_and_second_library():
    losses = pytest.importorskip("utilsforecast.losses")
    low, high = YHAT - 1.0, YHAT + 1.5
    frame = long(Y, YHAT).assign(**{"model-lo-95": low.ravel(), "model-hi-95": high.ravel()})
    inside = loop_mean(lambda y, lo, hi: float(lo <= y <= hi), Y, low, high)
    assert m.coverage(Y, low, high) == pytest.approx(inside)
    assert inside == pytest.approx(float(losses.coverage(frame, ["model"], 95)["model"].mean()))
    score = loop_mean(lambda y, lo, hi: hi - lo + 40 * max(0, lo - y, y - hi), Y, low, high)
    assert m.winkler(Y, low, high, 95) == pytest.approx(score)
    assert m.msis(Y, low, high, np.full(N_ITEMS, 2.0)) == pytest.approx(score / 2)
    assert m.interval_width(low, high) == pytest.approx(2.5)


def test_wql_equals_sum_of_loops():
    quantiles = np.sort(RNG.normal(10, 3, (*Y.shape, 3)), axis=-1)
    total = 0.0
    for k, q in enumerate((0.1, 0.5, 0.9)):
        for y, f in zip(Y.ravel(), quantiles[..., k].ravel(), strict=True):
            total += 2 * max(q * (y - f), (q - 1) * (y - f)) / 3
    assert m.wql(Y, quantiles, (0.1, 0.5, 0.9)) == pytest.approx(total / np.abs(Y).sum())


def test_crps_is_that_of_the_discrete_distribution():
    # E|X - y| - E|X - X'| / 2 for atoms and masses: another formula of the same score.
    atoms = np.sort(RNG.normal(size=len(QUANTILES)))
    q = np.asarray(QUANTILES)
    mass = np.diff(np.r_[0, (q[1:] + q[:-1]) / 2, 1])
    for y in (-5.0, -0.2, 0.0, 0.4, 5.0):
        energy = mass @ np.abs(atoms - y) - 0.5 * mass @ np.abs(atoms[:, None] - atoms) @ mass
        assert m.crps_from_quantiles([y], atoms[None], q) == pytest.approx(energy, rel=1e-12)


def test_crps_approaches_the_normal_integral():
    from scipy.stats import norm

    q = (np.arange(400) + 0.5) / 400
    exact = 0.7 * (2 * norm.cdf(0.7) - 1) + 2 * norm.pdf(0.7) - 1 / math.sqrt(math.pi)
    assert m.crps_from_quantiles([0.7], norm.ppf(q)[None], q) == pytest.approx(exact, rel=1e-3)


def test_owa_of_the_reference_is_one():
    assert m.owa(Y, REFERENCE, REFERENCE, SCALE) == pytest.approx(1)
    by_hand = (m.smape(Y, YHAT) / m.smape(Y, REFERENCE) + m.mase(Y, YHAT, SCALE) / m.mase(Y, REFERENCE, SCALE)) / 2
    assert m.owa(Y, YHAT, REFERENCE, SCALE) == pytest.approx(by_hand)
    assert math.isnan(m.owa(Y, YHAT, Y, SCALE))


def test_hand_checked_edges():
    nan = math.nan
    assert m.mae([1, nan, 3], [2, 5, 5]) == 1.5
    assert math.isnan(m.mae([1, 2], [nan, 2]))  # a silent model gains nothing
    assert math.isnan(m.mae([nan], [1]))
    assert m.smape([0, 0], [0, 1]) == 1.0
    assert m.smape([1.0], [-1.0]) == 2.0
    assert math.isnan(m.smape([1.0, 2.0], [1.0, nan]))
    assert math.isnan(m.mape([0.0], [1.0]))
    assert m.mape([0.0], [0.0]) == 0.0
    assert math.isnan(m.wape([0, 0], [1, 1]))
    assert math.isnan(m.wql([0.0], [[1.0]], [0.5]))
    assert m.mase([[1.0], [5.0]], [[2.0], [9.0]], [2.0, 0.0]) == 0.5  # zero scale: left out
    assert m.mase([[1.0], [5.0]], [[2.0], [9.0]], [2.0, nan]) == 0.5
    assert math.isnan(m.mase([1.0], [2.0], 0.0))
    assert math.isnan(m.seasonal_scale([5.0, 5.0, 5.0]))
    assert math.isnan(m.seasonal_scale([5.0, 6.0], 2))
    assert m.seasonal_scale([1.0, nan, 3.0, 7.0]) == 4.0
    assert m.coverage([1.0, 2.0], [1.0, 2.0], [1.0, 2.0]) == 1.0  # borders belong to the interval
    assert math.isnan(m.coverage([1.0], [nan], [2.0]))
    assert m.direction_accuracy([2, 2, 0], [3, 1, 1], 1) == pytest.approx(2 / 3)  # no change counts half
    assert math.isnan(m.direction_accuracy([1.0], [2.0], 1.0))


def test_weights_and_axis():
    y, f = np.array([[1.0, 2.0], [3.0, np.nan]]), np.array([[2.0, 4.0], [6.0, 1.0]])
    assert m.mae(y, f, axis=0).tolist() == [2.0, 2.0]
    assert m.mae(y, f, axis=1).tolist() == [1.5, 3.0]
    assert m.mae(y, f, weights=[[1.0], [3.0]]) == pytest.approx((1 + 2 + 9) / 5)
    assert m.wape(y, f, weights=[[1.0], [0.0]]) == pytest.approx(1.0)
    assert m.rmse(y, f, axis=0).tolist() == pytest.approx([math.sqrt(5), 2.0])


def test_weights_of_series_are_those_of_repeated_series():
    q = YHAT[..., None] + np.array([-1.0, 0.0, 1.0])
    levels, times = (0.1, 0.5, 0.9), np.array([1, 0, 3, 2])
    many = np.repeat(np.arange(N_ITEMS), times)
    w = times[:, None].astype(float)
    low, high = YHAT - 1, YHAT + 1
    pairs = {
        "rmsse": (m.rmsse(Y, YHAT, ROOT_SCALE, weights=times), m.rmsse(Y[many], YHAT[many], ROOT_SCALE[many])),
        "mase": (m.mase(Y, YHAT, SCALE, weights=w), m.mase(Y[many], YHAT[many], SCALE[many])),
        "wql": (m.wql(Y, q, levels, weights=w), m.wql(Y[many], q[many], levels)),
        "crps": (
            m.crps_from_quantiles(Y, q, levels, weights=w),
            m.crps_from_quantiles(Y[many], q[many], levels),
        ),
        "msis": (m.msis(Y, low, high, SCALE, weights=w), m.msis(Y[many], low[many], high[many], SCALE[many])),
    }
    for name, (weighted, repeated) in pairs.items():
        assert weighted == pytest.approx(repeated), name
    by_item = m.wql(Y, q, levels, axis=1)
    assert by_item.tolist() == pytest.approx([m.wql(Y[i], q[i], levels) for i in range(N_ITEMS)])


def test_a_weight_of_zero_leaves_out_and_a_negative_one_is_refused():
    assert m.mae([1.0, 2.0], [2.0, math.nan], weights=[1.0, 0.0]) == 1.0
    assert math.isnan(m.mae([1.0], [2.0], weights=[0.0]))
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="weights"):
            m.mae([1.0, 2.0], [2.0, 2.0], weights=[1.0, bad])


def test_undefined_is_never_infinite_and_raises_no_warning():
    with np.errstate(all="raise"):
        got = [m.mape([1e-310], [1.0]), m.mase([1.0], [2.0], 1e-310), m.wape([1e-308], [1e10]), m.mae([1.0], [np.inf])]
        got += [m.smape([1.0], [np.inf]), m.msis([3.0], [0.0], [2.0], 1e-310)]
    assert np.isnan(got).all()


FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
PAIRS = hnp.arrays(np.float64, (2, 6), elements=FINITE)


@settings(max_examples=100, deadline=None)
@given(PAIRS, st.floats(0.01, 100))
def test_ranges_and_invariances(pair, factor):
    y, f = pair
    assert 0 <= m.smape(y, f) <= 2
    assert m.smape(y, f) == pytest.approx(m.smape(f, y))
    # Errors under 1e-154 have squares that are 0 in floating point.
    assert m.rmse(y, f) + 1e-150 >= m.mae(y, f) * (1 - 1e-12)
    assert m.mae(y, f) >= abs(m.bias(y, f)) * (1 - 1e-9)
    assert m.mae(y * factor, f * factor) == pytest.approx(factor * m.mae(y, f))
    assert m.mae(y, y) == m.smape(y, y) == m.rmse(y, y) == 0
    assert m.pinball(y, f, 0.5) == pytest.approx(m.mae(y, f) / 2)
    assert m.mase(y, f, 2.0) == pytest.approx(m.mae(y, f) / 2)


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_missing_answer_is_as_if_it_were_not_there(pair, missing):
    y, f = pair
    gone = np.array(missing)
    holes = np.where(gone, np.nan, y)
    for metric in (m.mae, m.rmse, m.bias, m.smape, m.wape, m.mape):
        assert metric(holes, f) == pytest.approx(metric(y[~gone], f[~gone]), nan_ok=True)
