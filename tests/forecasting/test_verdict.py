import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.forecasting import significance
from forecastkit.forecasting.calendar import STEP
from forecastkit.forecasting.selection import NAIVES, Choice
from forecastkit.forecasting.splits import CalibrateFold, EvalPlan, ReportFold, SelectFold, make_folds
from forecastkit.forecasting.verdict import verdict
from tests.forecasting.test_selection import by_origin, frame_of, losses_of


@pytest.mark.parametrize("role", [SelectFold, CalibrateFold])
def test_evidence_refuses_folds_of_another_role(role):
    wrong = {"naive": by_origin(*[1.0] * 12, role=role), "lstm": by_origin(*[0.5] * 12, role=role)}
    choice = Choice("lstm", "", pd.DataFrame({"model": ["lstm", "naive"]}))
    with pytest.raises(TypeError, match=f"ReportFold needed, got {role.__name__}"):
        verdict(choice, "naive", wrong, frame=frame_of(500), plan=EvalPlan(horizon=3))


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


@pytest.mark.parametrize("plan", [EvalPlan(horizon=10, step=1), EvalPlan(horizon=10, gap=90)])
def test_more_folds_than_any_history_gives_by_itself_are_asked_for(plan):
    losses = report({"naive": 1.0, "lstm": 0.5}, 9, n=30, horizon=10)
    few = significance.fewest_origins(plan.overlap)
    assert few == 40
    got = said(CHOSE_LSTM, losses, plan=plan, frame=frame_of(2000))
    assert (got.word, got.more_rows) == ("too few to tell", 0)
    assert "the history allows more: raise n_report" in got.sentence["en"][1]
    short = said(CHOSE_LSTM, losses, plan=plan, frame=frame_of(60))
    assert len(make_folds(frame_of(60 + short.more_rows), replace(plan, n_report=few)).report) == few


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
