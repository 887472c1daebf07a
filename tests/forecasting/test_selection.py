import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.forecasting import scores as s
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import ChoiceRule, choose, naive_reference
from forecastkit.forecasting.splits import CalibrateFold, EvalPlan, ReportFold, SelectFold, make_folds

COMPLEXITY = {"naive": 0, "drift": 1, "seasonal_naive": 1, "theta": 3, "gru": 8, "lstm": 9}


def frame_of(n_rows, n_items=3, *, freq="D", seed=0, target=None):
    days = pd.Index(np.arange(n_rows)) if freq == STEP else pd.date_range("2020-01-01", periods=n_rows, freq=freq)
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame(
            {
                "item_id": f"s{k}",
                "timestamp": days,
                "target": rng.normal(size=n_rows).cumsum() if target is None else target[k],
            }
        )
        for k in range(n_items)
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar(freq, days))


def losses_of(errors, role=SelectFold, scale=1.0):
    """Losses of absolute errors [F, I, H] with given scales."""
    errors = np.asarray(errors, dtype=float)
    n_folds, n_items, horizon = errors.shape
    folds = tuple(role(k * horizon, k * horizon, horizon, k) for k in range(n_folds))
    size = np.full((n_folds, n_items), scale)
    known = s.Scales(size, size, np.ones((n_folds, n_items), dtype=np.int64), tuple(f"s{i}" for i in range(n_items)), 1)
    return s.measure(errors, np.zeros(errors.shape), known, folds)


def by_origin(*means, n_items=2, horizon=3, **options):
    return losses_of(np.broadcast_to(np.array(means)[:, None, None], (len(means), n_items, horizon)), **options)


# --- choosing


@pytest.mark.parametrize("role", [CalibrateFold, ReportFold])
def test_choosing_refuses_folds_of_another_role(role):
    wrong = {"naive": by_origin(1.0, 1.0, role=role), "lstm": by_origin(0.5, 0.5, role=role)}
    with pytest.raises(TypeError, match=f"SelectFold needed, got {role.__name__}"):
        choose(wrong, COMPLEXITY)
    with pytest.raises(TypeError, match="SelectFold needed"):
        naive_reference(wrong)


@pytest.mark.parametrize("place", [0, -1])
def test_one_foreign_fold_among_select_folds_is_enough_to_be_refused(place):
    good = by_origin(1.0, 1.0, 1.0)
    folds = list(good.folds)
    folds[place] = ReportFold(folds[place].position, folds[place].cutoff, folds[place].horizon, folds[place].index)
    smuggled = replace(good, folds=tuple(folds))
    for losses in ({"naive": good, "lstm": smuggled}, {"lstm": smuggled, "naive": good}):
        with pytest.raises(TypeError, match="SelectFold needed, got ReportFold"):
            choose(losses, COMPLEXITY)


def forecasts(frame, at, horizon):
    """Three models that learn nothing: naive, drift and the mean of five rows; points [F, I, H] each."""
    out = {name: np.full((*at.shape, horizon), np.nan) for name in ("naive", "drift", "window_average")}
    for f, i in np.ndindex(*at.shape):
        past = frame.store.series(i, at[f, i])
        out["naive"][f, i] = past[-1]
        out["drift"][f, i] = past[-1] + (past[-1] - past[0]) / (len(past) - 1) * np.arange(1, horizon + 1)
        out["window_average"][f, i] = past[-5:].mean()
    return out


def select_losses(frame, plan):
    folds = make_folds(frame, plan).select
    at = s.positions(folds, len(frame.items))
    y, known = s.answers(frame, at, plan.horizon), s.scales(frame, at)
    return {name: s.measure(x, y, known, folds) for name, x in forecasts(frame, at, plan.horizon).items()}


def test_choosing_cannot_see_what_comes_after_the_select_folds():
    plan = EvalPlan(horizon=4)
    frame = frame_of(400)
    folds = make_folds(frame, plan)
    end = folds.select[-1].position + plan.horizon  # the last answer of the last select fold
    assert end <= folds.calibrate[0].position < folds.report[0].position
    series = [frame.store.series(k) for k in range(3)]
    noise = np.random.default_rng(9)
    after = [np.r_[y[: end + 1], noise.normal(0, 1e6, len(y) - end - 1)] for y in series]
    scrambled = frame_of(400, target=after)
    a, b = (choose(select_losses(f, plan), COMPLEXITY) for f in (frame, scrambled))
    assert a == b
    pd.testing.assert_frame_equal(a.table, b.table, check_exact=True)
    one, two = (naive_reference(select_losses(f, plan)) for f in (frame, scrambled))
    assert one == two
    # The same scramble one row earlier does change it: the test can fail.
    before = [np.r_[y[:end], noise.normal(0, 1e6, len(y) - end)] for y in series]
    c = choose(select_losses(frame_of(400, target=before), plan), COMPLEXITY)
    assert c.table["loss"].tolist() != a.table["loss"].tolist()


def test_of_models_as_good_as_the_best_the_simplest_wins():
    # Differences to lstm: 0.22, 0.02, -0.18: mean 0.02, standard error 0.2 / sqrt(3) = 0.115, of which a quarter is 0.029.
    losses = {"lstm": by_origin(1.0, 1.0, 1.0), "theta": by_origin(1.22, 1.02, 0.82), "naive": by_origin(2.0, 2.0, 2.0)}
    got = choose(losses, COMPLEXITY)
    assert got.model == "theta"
    assert (
        "theta (MASE 1.02) is the simplest of the models that are as good as the best on 3 select folds" in got.reason
    )
    assert got.table["model"].tolist() == ["lstm", "theta", "naive"]
    assert got.table["standard_error"].tolist() == pytest.approx([0, 0.2 / math.sqrt(3), 0])
    assert got.table["within"].tolist() == [True, True, False]
    # 0.01 more everywhere, and it is no longer as good.
    losses["theta"] = by_origin(1.23, 1.03, 0.83)
    assert choose(losses, COMPLEXITY).model == "lstm"
    assert choose(losses, COMPLEXITY, rule=ChoiceRule(as_good=1.0)).model == "theta"


def test_what_is_not_clearly_better_than_a_naive_rule_is_not_chosen():
    naive = by_origin(1.0, 1.0, 1.0, 1.0)
    # Better by 0.05, with a standard error of 0.035.
    better = by_origin(0.85, 0.95, 1.0, 1.0)
    assert choose({"naive": naive, "theta": better}, COMPLEXITY).model == "theta"
    # Better by 0.05, with one of 0.144, half of which is more.
    unclear = by_origin(0.6, 0.9, 1.3, 1.0)
    got = choose({"naive": naive, "theta": unclear}, COMPLEXITY)
    assert got.model == "naive"
    assert got.table["model"].tolist() == ["theta", "naive"]
    assert "theta (0.95) was not clearly better than a naive rule there" in got.reason
    # Better everywhere, by less than is worth it.
    assert choose({"naive": naive, "theta": by_origin(0.995, 0.995, 0.995, 0.995)}, COMPLEXITY).model == "naive"
    # A model that is clearly better is not kept out by one that is not.
    both = {"naive": naive, "lstm": unclear, "theta": by_origin(0.97, 0.96, 0.96, 0.97)}
    assert choose(both, COMPLEXITY).model == "theta"


def test_of_naive_rules_the_simplest_within_a_whole_error_is_taken():
    # Differences 0.2, 0.1, -0.1: mean 0.067, standard error 0.088.
    losses = {"drift": by_origin(1.0, 1.0, 1.0), "naive": by_origin(1.2, 1.1, 0.9)}
    assert choose(losses, COMPLEXITY).model == "naive"
    assert choose(losses, COMPLEXITY, rule=ChoiceRule(as_good_naive=0.25)).model == "drift"
    assert choose(losses | {"naive": by_origin(1.3, 1.2, 1.0)}, COMPLEXITY).model == "drift"


def test_without_a_naive_rule_the_best_is_chosen():
    assert choose({"lstm": by_origin(1.0, 1.0), "theta": by_origin(1.1, 1.2)}, COMPLEXITY).model == "lstm"


def test_hard_origins_do_not_widen_the_error():
    losses = {"lstm": by_origin(1.0, 50.0, 9.0), "naive": by_origin(1.5, 50.52, 9.5)}
    assert choose(losses, COMPLEXITY).model == "lstm"


def test_a_model_without_a_known_complexity_counts_as_the_most_complex():
    same = by_origin(1.0, 2.0)
    assert choose({"mine": same, "lstm": same}, COMPLEXITY).model == "lstm"
    assert choose({"mine": same, "lstm": same}, {}).model == "lstm"  # then by name


def test_a_single_select_fold_is_measured_over_series():
    rng = np.random.default_rng(0)
    base = rng.gamma(4, 1, (1, 30, 2))
    noisy = base + rng.normal(0.01, 0.5, base.shape)
    got = choose({"lstm": losses_of(base), "naive": losses_of(noisy)}, COMPLEXITY)
    assert got.model == "naive"
    difference = (noisy - base).mean(axis=2)[0] if noisy.mean() > base.mean() else (base - noisy).mean(axis=2)[0]
    assert got.table["standard_error"].max() == pytest.approx(difference.std(ddof=1) / math.sqrt(30))
    assert re.search(r"on 1 select fold[, ]", got.reason)


def test_a_model_that_skips_the_hard_rows_is_not_chosen():
    full = np.ones((4, 2, 5))
    full[2:] = 9.0
    lazy = full.copy() * 0.9
    lazy[2:] = np.nan
    losses = {"naive": losses_of(full), "lazy": losses_of(np.nan_to_num(lazy, nan=0.0))}
    losses["lazy"] = losses["lazy"].only(~np.isnan(lazy))
    got = choose(losses, COMPLEXITY)
    assert got.model == "naive"
    assert "lazy" not in got.table["model"].tolist()


def test_without_a_scale_plain_errors_choose():
    losses = {"naive": by_origin(2.0, 2.0, scale=math.nan), "lstm": by_origin(1.0, 1.0, scale=math.nan)}
    got = choose(losses, COMPLEXITY)
    assert (got.model, got.metric) == ("lstm", "mae")
    assert "MAE" in got.reason


def test_without_select_folds_the_plain_rule_is_recommended_untested():
    for losses in ({}, {"lstm": by_origin(1.0).only(np.zeros((1, 2, 3), dtype=bool))}):
        got = choose(losses, COMPLEXITY, season_length=12)
        assert got.model == "seasonal_naive"
        assert choose(losses, COMPLEXITY).model == "naive"
        assert "No select folds" in got.reason
        assert naive_reference(losses, season_length=12) == "seasonal_naive"
        assert naive_reference(losses) == "naive"


def test_reference_is_the_best_naive_rule_only():
    losses = {
        "lstm": by_origin(0.1, 0.1),
        "naive": by_origin(1.0, 1.0),
        "drift": by_origin(0.9, 0.9),
        "seasonal_naive": by_origin(0.9, 0.9),
    }
    assert naive_reference(losses) == "drift"  # of two equal ones the first by name list
    assert naive_reference({"lstm": losses["lstm"]}) == "naive"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_of_models_and_the_unit_of_the_target_do_not_matter(data):
    names = data.draw(st.permutations(["naive", "drift", "theta", "lstm"]))
    n = data.draw(st.integers(1, 5))
    values = {k: [data.draw(st.integers(1, 30)) / 8 for _ in range(n)] for k in sorted(names)}
    a = choose({k: by_origin(*values[k]) for k in sorted(names)}, COMPLEXITY)
    b = choose({k: by_origin(*values[k]) for k in names}, COMPLEXITY)
    c = choose({k: by_origin(*(1024 * np.array(values[k])), scale=1024.0) for k in names}, COMPLEXITY)
    assert a == b
    assert c.model == a.model
    pd.testing.assert_frame_equal(a.table, b.table)
    chosen = a.table.set_index("model").loc[a.model]
    assert chosen["within"]
    assert chosen["complexity"] == a.table.loc[a.table["within"], "complexity"].min()
