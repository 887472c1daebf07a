import json
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
from forecastkit.forecasting.selection import NAIVES, Choice, ChoiceRule, choose, naive_reference, verdict
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


@pytest.mark.parametrize("role", [SelectFold, CalibrateFold])
def test_evidence_refuses_folds_of_another_role(role):
    wrong = {"naive": by_origin(*[1.0] * 12, role=role), "lstm": by_origin(*[0.5] * 12, role=role)}
    choice = Choice("lstm", "", pd.DataFrame({"model": ["lstm", "naive"]}))
    with pytest.raises(TypeError, match=f"ReportFold needed, got {role.__name__}"):
        verdict(choice, "naive", wrong, frame=frame_of(500), plan=EvalPlan(horizon=3))


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


# --- the verdict


def report(means, seed, noise=0.3, n=30, n_items=3, horizon=4, role=ReportFold):
    """Losses by model whose mean absolute errors are ``means``, exactly where noise leaves no error below 0."""
    out = {}
    for k, (name, mean) in enumerate(means.items()):
        rng = np.random.default_rng([seed, k])
        scatter = rng.normal(size=(n, n_items, horizon))
        out[name] = losses_of(np.abs(mean + noise * (scatter - scatter.mean())), role)
    return out


PLAN = EvalPlan(horizon=4)
CHOSE_LSTM = Choice("lstm", "it won", pd.DataFrame({"model": ["lstm", "naive"]}))
CHOSE_NAIVE = Choice("naive", "it won", pd.DataFrame({"model": ["naive", "gru", "lstm"]}))


def said(choice, losses, reference="naive", *, frame=None, plan=PLAN):
    got = verdict(choice, reference, losses, frame=frame or frame_of(500), plan=plan)
    text = json.dumps(got.to_dict(), allow_nan=False)  # nothing undefined goes into verdict.json
    assert set(got.sentence) == {"en", "es"}
    for lines in got.sentence.values():
        for line in lines:
            assert line.endswith(".")
            assert not re.search(r"nan|inf\b|None|\{|\}", line), line
    assert json.loads(text)["use"] == got.use
    return got


def test_shown_to_be_better():
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.92}, 1, noise=0.05))
    assert (got.use, got.tested, got.reference, got.word) == ("lstm", "lstm", "naive", "better")
    assert got.shown
    assert got.p_value < 0.001
    assert got.skill == pytest.approx(0.08, abs=0.01)
    assert got.skill_interval[0] < got.skill < got.skill_interval[1]
    use, why = got.sentence["en"]
    assert use == "Use lstm."
    assert why == (
        "It beats naive by 8 % (MASE 0.92 against 1.00) in 30 forecasts of 4 days; a difference this large would come "
        "by chance less than once in 1000 times (p < 0.001)."
    )
    assert got.sentence["es"][0] == "Usa lstm."
    assert "MASE 0,92 frente a 1,00" in got.sentence["es"][1]
    assert "30 predicciones de 4 días" in got.sentence["es"][1]


def test_the_choice_that_loses_is_said_to_lose():
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 1.2}, 2, noise=0.05))
    assert (got.word, got.shown) == ("worse", False)
    assert got.sentence["en"][0] == "Use lstm only with care."
    assert "naive is the safer one" in got.sentence["en"][1]
    assert "con cautela" in got.sentence["es"][0]


def test_not_shown():
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.999}, 3))
    assert (got.word, got.shown) == ("indistinguishable", False)
    assert "It is not shown to beat naive" in got.sentence["en"][1]
    assert f"(p = {got.p_value:.2f})" in got.sentence["en"][1]


def test_where_naive_is_chosen_the_best_other_on_select_folds_is_tested_not_the_best_on_report_folds():
    got = said(CHOSE_NAIVE, report({"naive": 1.0, "lstm": 0.5, "gru": 1.001}, 4))
    assert (got.use, got.tested, got.word, got.shown) == ("naive", "gru", "indistinguishable", False)
    assert "Nothing here is shown to beat it: the best of the others, gru" in got.sentence["en"][1]
    assert "Ningún modelo demuestra ser mejor" in got.sentence["es"][1]
    better = said(CHOSE_NAIVE, report({"naive": 1.0, "gru": 0.8}, 5, noise=0.05))
    assert (better.use, better.tested, better.word, better.shown) == ("naive", "gru", "better", False)
    assert "Worth a further trial" in better.sentence["en"][1]
    worse = said(CHOSE_NAIVE, report({"naive": 1.0, "gru": 1.3}, 5, noise=0.05))
    assert worse.word == "worse"


def test_a_naive_choice_is_its_own_reference():
    choice = replace(CHOSE_NAIVE, model="drift")
    got = said(choice, report({"naive": 0.1, "drift": 1.0, "gru": 0.9}, 6), reference="naive")
    assert got.reference == "drift"


def test_identical_forecasts():
    losses = report({"naive": 1.0}, 7)
    for choice, tested in ((CHOSE_LSTM, "lstm"), (CHOSE_NAIVE, "gru")):
        got = said(choice, {**losses, tested: losses["naive"]})
        assert (got.word, got.p_value, got.skill, got.shown) == ("indistinguishable", None, 0.0, False)
        assert "to the last digit" in got.sentence["en"][1]
        assert "hasta la última cifra" in got.sentence["es"][1]


@pytest.mark.parametrize(("n", "words"), [(1, "There is 1 test forecast,"), (4, "There are 4 test forecasts,")])
def test_too_few_says_how_much_more_history_is_needed(n, words):
    frame = frame_of(48, n_items=1, freq="MS")
    plan = make_folds(frame, EvalPlan(horizon=4)).plan
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.5}, 8, n=n, n_items=1), frame=frame, plan=plan)
    assert (got.word, got.shown, got.p_value, got.skill_interval) == ("too few to tell", False, None, None)
    assert got.sentence["en"][0] == "Use lstm for now."
    assert words in got.sentence["en"][1]
    longer = make_folds(frame_of(48 + got.more_rows, n_items=1, freq="MS"), EvalPlan(horizon=4))
    assert len(longer.report) >= 10  # what is asked for is enough
    months = got.more_rows
    time = f"{months} more months" if months < 24 else f"{math.ceil(months / 12 - 0.05)} more years"
    assert got.more_time["en"] == time
    assert f"after about {time} there will be enough." in got.sentence["en"][1]
    assert got.more_time["es"] in got.sentence["es"][1]


def test_too_few_by_request_asks_for_more_folds():
    plan = make_folds(frame_of(2000), EvalPlan(horizon=4, n_report=5)).plan
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.5}, 9, n=5), frame=frame_of(2000), plan=plan)
    assert got.more_rows == 0
    assert "raise n_report" in got.sentence["en"][1]


def test_overlapping_folds_need_more_of_them():
    plan = EvalPlan(horizon=4, step=1)
    losses = report({"naive": 1.0, "lstm": 0.5}, 10, n=15)
    got = said(CHOSE_LSTM, losses, plan=plan)  # four folds share an answer: sixteen are needed
    assert got.word == "too few to tell"
    assert "There are 15 test forecasts" in got.sentence["en"][1]


def test_a_single_origin_is_labelled():
    got = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.8}, 11, n=1, n_items=50))
    assert (got.word, got.label) == ("better", "across series")
    assert "one forecast of 4 days for 50 series" in got.sentence["en"][1]
    assert "una predicción de 4 días para 50 series" in got.sentence["es"][1]
    few = said(CHOSE_LSTM, report({"naive": 1.0, "lstm": 0.8}, 11, n=1, n_items=5))
    assert few.word == "too few to tell"
    assert "One test forecast of 5 series is too few" in few.sentence["en"][1]


def test_without_a_second_kind_of_model():
    got = said(replace(CHOSE_NAIVE, table=CHOSE_NAIVE.table[:1]), report({"naive": 1.0, "drift": 1.1}, 12))
    assert (got.tested, got.word, got.skill) == (None, "indistinguishable", None)
    assert "No other kind of model was put to the test" in got.sentence["en"][1]


@pytest.mark.parametrize("gone", ["naive", "lstm"])
def test_a_model_that_failed_on_report_folds_is_no_lack_of_folds(gone):
    losses = report({"naive": 1.0, "lstm": 0.8}, 13)
    del losses[gone]
    got = said(CHOSE_LSTM, losses)
    assert (got.word, got.shown, got.more_rows, got.n_report_folds) == ("too few to tell", False, None, 0)
    assert "No test forecast could be compared" in got.sentence["en"][1]


def test_only_common_cells_are_compared():
    losses = report({"naive": 1.0, "lstm": 0.9}, 14)
    half = np.zeros(losses["naive"].ae.shape, dtype=bool)
    half[:12] = True
    got = said(CHOSE_LSTM, {**losses, "lstm": losses["lstm"].only(half)})
    assert got.n_report_folds == 12
    assert got.loss_reference == pytest.approx(losses["naive"].ae[:12].mean())


def test_without_a_scale_the_sentence_is_in_mae():
    scaled = report({"naive": 1.0, "lstm": 0.8}, 15, noise=0.1)
    losses = {name: losses_of(x.ae, ReportFold, math.nan) for name, x in scaled.items()}
    got = said(CHOSE_LSTM, losses)
    assert (got.metric, got.word) == ("mae", "better")
    assert "(MAE 0.80 against 1.00)" in got.sentence["en"][1]


def test_perfect_forecasts_of_a_constant_series():
    zero = losses_of(np.zeros((12, 1, 4)), ReportFold, math.nan)
    some = losses_of(np.full((12, 1, 4), 0.5), ReportFold, math.nan)
    assert said(CHOSE_LSTM, {"naive": zero, "lstm": zero}).word == "indistinguishable"
    assert said(CHOSE_LSTM, {"naive": zero, "lstm": some}).word == "worse"
    assert said(CHOSE_LSTM, {"naive": some, "lstm": zero}).word == "better"


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 40),
    n_items=st.integers(1, 3),
    ratio=st.floats(0, 4),
    noise=st.sampled_from([0.0, 1e-9, 0.1, 1.0]),
    choice=st.sampled_from([CHOSE_LSTM, CHOSE_NAIVE]),
    freq=st.sampled_from(["D", "MS", "30min", "W-SUN", "B", STEP]),
    seed=st.integers(0, 99),
)
def test_every_verdict_is_sayable(n, n_items, ratio, noise, choice, freq, seed):
    losses = report({"naive": 1.0, "lstm": ratio, "gru": ratio}, seed, noise, n=n, n_items=n_items)
    got = said(choice, losses, frame=frame_of(300, n_items, freq=freq))
    assert got.shown == (got.word == "better" and got.use not in NAIVES)
    if got.word == "better":
        assert got.loss_tested < got.loss_reference
