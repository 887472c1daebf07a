import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.errors import UnknownNameError
from forecastkit.forecasting import metrics as m
from forecastkit.forecasting import scores as s
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.leaderboard import _overlap, leaderboard, summary
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame
from forecastkit.forecasting.splits import EvalPlan, make_folds


def frame_of(series, starts=None, season_length=1, *, integer=False):
    starts = starts or [0] * len(series)
    n = max(a + len(y) for a, y in zip(starts, series, strict=True))
    days = pd.Index(np.arange(n)) if integer else pd.date_range("2020-01-01", periods=n, freq="D", tz="Europe/Madrid")
    parts = [
        pd.DataFrame({"item_id": f"s{k}", "timestamp": days[a : a + len(y)], "target": np.asarray(y, dtype=float)})
        for k, (a, y) in enumerate(zip(starts, series, strict=True))
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar(STEP if integer else "D", days), season_length)


def walks(n_items=3, n=200, seed=0, **options):
    rng = np.random.default_rng(seed)
    return frame_of([rng.normal(size=n).cumsum() + 50 for _ in range(n_items)], **options)


def scored(frame, plan=None, noise=1.0, seed=1, quantiles=False):
    folds = make_folds(frame, plan or EvalPlan(horizon=4)).report
    at = s.positions(folds, len(frame.items))
    y = s.answers(frame, at, folds[0].horizon, folds[0].gap)
    points = y + noise * np.random.default_rng(seed).normal(size=y.shape)
    q = points[..., None] + np.asarray(QUANTILES) - 0.5 if quantiles else None
    return s.measure(points, y, s.scales(frame, at), folds, quantiles=q)


# --- answers


def slow_answers(frame, at, horizon, gap):
    out = np.full((*at.shape, horizon), np.nan)
    for f, i, h in np.ndindex(*out.shape):
        series, start = frame.store.series(i), frame.store.starts[i]
        c = at[f, i]
        row = c + gap + 1 + h - start
        if c >= start and 0 <= row < len(series):
            out[f, i, h] = series[row]
    return out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_answers_equal_a_slow_loop(data):
    n_items = data.draw(st.integers(1, 4))
    value = st.one_of(st.integers(-9, 9).map(float), st.just(math.nan))
    series, starts = [], []
    for k in range(n_items):
        middle = data.draw(st.lists(value, max_size=12))
        series.append([1.0, *middle, 2.0])
        starts.append(0 if k == 0 else data.draw(st.integers(0, 5)))
    frame = frame_of(series, starts)
    horizon, gap = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 3))
    at = np.array([[data.draw(st.integers(-1, 20)) for _ in range(n_items)] for _ in range(3)])
    np.testing.assert_array_equal(s.answers(frame, at, horizon, gap), slow_answers(frame, at, horizon, gap))
    same = s.answers(frame, at[:, 0], horizon, gap)
    np.testing.assert_array_equal(same, s.answers(frame, np.repeat(at[:, :1], n_items, 1), horizon, gap))


# --- scales


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-50, 50).map(float), st.just(math.nan)), min_size=0, max_size=30),
    st.integers(1, 6),
    st.integers(-1, 33),
)
def test_scales_equal_the_metric_of_the_rows_up_to_the_cutoff(middle, season, cutoff):
    y = np.array([1.0, *middle, 3.0])
    got = s.scales(frame_of([y], season_length=season), np.array([cutoff]))
    past = y[: max(0, cutoff + 1)]
    pairs = np.isfinite(past[season:] - past[: len(past) - season]).sum() if len(past) > season else 0
    lag = season if pairs >= 3 else 1
    assert got.lag[0, 0] == lag
    assert got.mase[0, 0] == pytest.approx(m.seasonal_scale(past, lag), nan_ok=True)
    assert got.rmsse[0, 0] == pytest.approx(m.seasonal_scale(past, lag, squared=True), nan_ok=True)


def test_scales_do_not_see_the_future():
    y = np.random.default_rng(0).normal(size=60)
    other = y.copy()
    other[31:] = 1e6
    a, b = (s.scales(frame_of([v], season_length=7), np.array([20, 30])) for v in (y, other))
    assert a.mase.tobytes() == b.mase.tobytes()
    assert a.rmsse.tobytes() == b.rmsse.tobytes()


def test_constant_and_rounded_constant_series_have_no_scale():
    wobble = np.full(30, 0.3)
    wobble[::2] = 0.1 + 0.2  # one bit off
    got = s.scales(frame_of([np.full(30, 5.0), wobble, np.arange(30.0)]), np.array([25]))
    assert np.isnan(got.mase[0]).tolist() == [True, True, False]
    assert np.isnan(got.rmsse[0]).tolist() == [True, True, False]
    assert "2 of 3 series (s0, s1)" in got.notes[0]
    big = s.scales(frame_of([1e9 + np.arange(30.0)]), np.array([25]))
    assert big.mase[0, 0] == 1.0


def test_short_lag_is_named():
    got = s.scales(frame_of([np.arange(40.0)], season_length=12), np.array([10, 30]))
    assert got.lag[:, 0].tolist() == [1, 12]
    assert got.mase[:, 0].tolist() == [1.0, 12.0]
    assert "1 of 2 folds" in got.notes[0]


# --- losses and their summary


def test_summary_equals_the_pure_metrics():
    losses = scored(walks(season_length=7), quantiles=True)
    got = summary(losses)
    y, f = losses.answers, losses.answers + losses.error
    scale, root = losses.scales.mase, losses.scales.rmsse
    for name in ("mae", "rmse", "bias", "smape", "mape", "wape"):
        assert got[name] == pytest.approx(getattr(m, name)(y, f)), name
    assert got["mase"] == pytest.approx(m.mase(y, f, scale))
    assert got["rmsse"] == pytest.approx(m.rmsse(y, f, root))
    q = f[..., None] + np.asarray(QUANTILES) - 0.5
    low, high = q[..., QUANTILES.index(0.025)], q[..., QUANTILES.index(0.975)]
    assert got["wql"] == pytest.approx(m.wql(y, q, QUANTILES))
    assert got["coverage_95"] == pytest.approx(m.coverage(y, low, high))
    assert got["width_95"] == pytest.approx(0.95)
    assert got["width_80"] == pytest.approx(0.8)
    assert got["msis"] == pytest.approx(m.msis(y, low, high, scale))


def test_sums_by_origin_item_and_step_agree():
    losses = scored(walks())
    whole = summary(losses)["mase"]
    for part in (losses.by_origin(), losses.by_item(), losses.by_step()):
        assert part.mean() == pytest.approx(whole)
    assert losses.item_sums().sum() == pytest.approx(losses.ae.sum())


def test_item_without_scale_is_left_out_of_mase_alone():
    rng = np.random.default_rng(0)
    flat = np.r_[np.full(196, 7.0), np.full(4, 8.0)]
    frame = frame_of([rng.normal(size=200).cumsum(), flat])
    plan = EvalPlan(horizon=4, n_report=2)
    both, alone = scored(frame, plan), scored(frame.select(("s0",)), plan)
    first = both.only(np.broadcast_to(np.array([True, False])[None, :, None], both.ae.shape))
    assert summary(both)["mase"] == pytest.approx(summary(first)["mase"])
    assert summary(both)["mae"] != pytest.approx(summary(first)["mae"])
    assert alone.scales.mase[:, 0] == pytest.approx(both.scales.mase[:, 0])


def test_all_constant_is_undefined_not_zero():
    losses = scored(frame_of([np.zeros(100)]), noise=0.0)
    got = summary(losses)
    assert got["mae"] == 0.0
    for name in ("mase", "rmsse", "wape"):
        assert math.isnan(got[name])


def test_comparable_uses_the_same_cells_and_sets_partial_models_apart():
    full = scored(walks(n_items=4, n=400))
    holes = np.ones(full.ae.shape, dtype=bool)
    holes[0, 0] = False
    little = np.zeros_like(holes)
    little[:2] = True
    models = {"full": full, "holes": full.only(holes), "little": full.only(little)}
    same, partial = s.comparable(models)
    assert list(partial) == ["little"]
    assert "not ranked" in partial["little"]
    np.testing.assert_array_equal(same["full"].cells, holes)
    np.testing.assert_array_equal(same["holes"].cells, holes)
    np.testing.assert_array_equal(same["little"].cells, little)


def test_mean_losses_is_the_mean_score_of_the_seeds():
    frame = walks()
    a, b = scored(frame, seed=1, quantiles=True), scored(frame, seed=2, noise=3.0, quantiles=True)
    both = s.mean_losses([a, b])
    for name in ("mae", "mase", "wql", "coverage_80"):
        assert summary(both)[name] == pytest.approx((summary(a)[name] + summary(b)[name]) / 2)
    assert s.mean_losses([a]) is a


def test_measure_refuses_shapes_that_do_not_agree():
    losses = scored(walks())
    with pytest.raises(ValueError, match="must both be"):
        s.measure(losses.ae[:, :, :2], losses.answers, losses.scales, losses.folds)


# --- score frame


def test_score_frame_gives_the_summary_back():
    frame = walks(starts=[0, 0, 120], season_length=7)
    folds = make_folds(frame, EvalPlan(horizon=4, gap=2)).report
    at = s.positions(folds, 3)
    y = s.answers(frame, at, 4, 2)
    points = y + np.random.default_rng(2).normal(size=y.shape)
    got = s.score_frame("report", "theta", 3, folds, points, y, frame)
    assert list(got.columns) == ["role", "model", "seed", "item_id", "cutoff", "step", "metric", "value"]
    assert str(got["cutoff"].dt.tz) == "Europe/Madrid"
    whole = summary(s.measure(points, y, s.scales(frame, at), folds))
    by = got[got["step"] > 0].pivot(index=["item_id", "cutoff", "step"], columns="metric", values="value")
    assert by["ae"].mean() == pytest.approx(whole["mae"])
    assert np.sqrt(by["se"].mean()) == pytest.approx(whole["rmse"])
    assert by["sape"].mean() == pytest.approx(whole["smape"])
    scale = got[got["metric"] == "mase_scale"].set_index(["item_id", "cutoff"])["value"]
    assert (got[got["metric"] == "mase_scale"]["step"] == 0).all()
    ratio = by["ae"].reset_index("step")["ae"] / scale.reindex(by.index.droplevel("step")).to_numpy()
    assert ratio.groupby("cutoff").mean().mean() == pytest.approx(whole["mase"])
    assert got["value"].notna().all()
    with pytest.raises(ValueError, match="not a select fold"):
        s.score_frame("select", "theta", 3, folds, points, y, frame)


def test_score_frame_of_end_aligned_items_has_their_own_cutoffs():
    frame = frame_of([np.arange(60.0), np.arange(40.0)], integer=True)
    folds = make_folds(frame, EvalPlan(horizon=5, n_report=1)).report
    at = s.positions(folds, 2)
    y = s.answers(frame, at, 5)
    got = s.score_frame("report", "naive", 1, folds, y + 1, y, frame)
    assert sorted(got["cutoff"].unique()) == [34, 54]
    assert got.loc[got["metric"] == "ae", "value"].tolist() == [1.0] * 10


# --- leaderboard


def board_inputs():
    frame = walks(n_items=5, n=1000)
    return {
        "naive": scored(frame, noise=1.0, seed=1),
        "good": scored(frame, noise=0.7, seed=2),
        "bad": scored(frame, noise=1.5, seed=3),
        "twin": scored(frame, noise=1.02, seed=4),
    }


def test_leaderboard_ranks_tests_and_keeps_failures():
    losses = board_inputs()
    got = leaderboard(
        losses,
        reference="naive",
        families={"good": "network"},
        failed={"broken": "ran out of time"},
        by_seed={"good": [losses["good"], losses["twin"]]},
        metrics=("owa", "mape"),
    )
    assert got["model"].tolist() == ["good", "naive", "twin", "bad", "broken"]
    row = got.set_index("model")
    assert row["word"].to_dict() == {
        "good": "better",
        "naive": "",
        "twin": "indistinguishable",
        "bad": "worse",
        "broken": "",
    }
    assert row.loc["broken", ["status", "reason"]].tolist() == ["failed", "ran out of time"]
    assert row.loc["good", "skill"] == pytest.approx(0.3, abs=0.06)
    assert row.loc["good", "skill_lo"] < row.loc["good", "skill"] < row.loc["good", "skill_hi"]
    assert row.loc["naive", "skill"] == 0
    assert row.loc["naive", "owa"] == pytest.approx(1)
    assert (row["p_holm"].dropna() >= row["p_value"].dropna()).all()
    assert row.loc["good", "n_seeds"] == 2
    assert row.loc["good", "n_folds"] == 30
    assert row.loc["good", "n_items"] == 5


def test_leaderboard_of_a_partial_model_is_pairwise():
    losses = board_inputs()
    some = np.zeros(losses["good"].ae.shape, dtype=bool)
    some[-12:] = True
    got = leaderboard({**losses, "late": losses["good"].only(some)}, reference="naive").set_index("model")
    assert got.loc["late", "status"] == "partial"
    assert got.index[-1] == "late"
    assert got.loc["good", "n_folds"] == 30
    assert got.loc["late", "n_folds"] == 12
    assert got.loc["late", "word"] == "better"


def test_leaderboard_is_the_same_in_any_order_of_models():
    losses = board_inputs()
    a = leaderboard(losses, reference="naive")
    b = leaderboard(dict(reversed(losses.items())), reference="naive")
    pd.testing.assert_frame_equal(a, b)


def test_leaderboard_of_failures_alone_has_their_reasons():
    got = leaderboard({}, failed={"lstm": "out of memory"}, metrics=("owa",))
    assert got[["model", "status", "reason"]].to_numpy().tolist() == [["lstm", "failed", "out of memory"]]


def test_owa_of_a_perfect_reference_is_undefined():
    losses = board_inputs()
    perfect = scored(walks(n_items=5, n=1000), noise=0.0)
    got = leaderboard({"naive": perfect, "good": losses["good"]}, reference="naive", metrics=("owa",))
    assert got["owa"].isna().all()


def test_infinite_forecasts_are_no_forecasts():
    x = scored(walks(n=400))
    points = x.answers + x.error
    points[0, 0, 0], points[1, 1, 1] = np.inf, -np.inf
    got = s.measure(points, x.answers, x.scales, x.folds)
    assert (x.cells & ~got.cells).sum() == 2
    assert np.isfinite(points).sum() == points.size - 2  # the caller's own array stays as it was
    assert np.isfinite(list(summary(got).values())).all()


def test_overlap_of_end_aligned_folds_is_the_plans():
    series = [np.random.default_rng(k).normal(size=n).cumsum() for k, n in enumerate((300, 300, 4))]
    frame = frame_of(series, [0, 0, 310], integer=True)
    for step, gap, overlap in ((5, 0, 1), (2, 0, 3), (5, 5, 2), (5, 1, 2)):
        plan = EvalPlan(horizon=5, step=step, gap=gap, n_report=20, n_select=2, n_calibrate=0)
        x = scored(frame, plan)
        assert _overlap(x) == overlap == plan.overlap


def test_unknown_names_suggest_the_near_one():
    losses = board_inputs()
    with pytest.raises(UnknownNameError, match="Did you mean 'naive'"):
        leaderboard(losses, reference="naiv")
    with pytest.raises(UnknownNameError, match="Did you mean 'rmsse'"):
        leaderboard(losses, metrics=("rmssse",))
