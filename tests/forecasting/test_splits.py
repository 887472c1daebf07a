import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.errors import ConfigError, DataError, UnknownNameError
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.splits import (
    CalibrateFold,
    EvalPlan,
    ReportFold,
    SelectFold,
    fold_counts,
    history_rows,
    make_folds,
    require_role,
    rows_for_report,
)


def panel(spans, season_length=1, *, integer=False):
    """Items that live on [start, end) of one calendar; item k's value at position c is 1000 k + c."""
    n = max(end for _, end in spans)
    days = pd.Index(np.arange(n)) if integer else pd.date_range("2020-01-01", periods=n, freq="D")
    calendar = Calendar(STEP if integer else "D", days)
    parts = [
        pd.DataFrame({"item_id": f"s{k}", "timestamp": days[a:b], "target": 1000.0 * k + np.arange(a, b)})
        for k, (a, b) in enumerate(spans)
    ]
    return SeriesFrame(pd.concat(parts, ignore_index=True), calendar, season_length)


def test_long_history_reaches_the_targets_and_the_last_instant():
    folds = make_folds(panel([(0, 1000)]), EvalPlan(horizon=10))
    assert [len(folds.select), len(folds.calibrate), len(folds.report)] == [10, 10, 30]
    assert [f.position for f in folds.all] == list(range(1000 - 11 - 49 * 10, 1000 - 10, 10))
    assert folds.report[-1].position + 10 == 999
    assert folds.report[-1].cutoff == pd.Timestamp("2020-01-01") + pd.Timedelta(days=989)
    assert folds.notes == ()


@pytest.mark.parametrize(
    ("n_rows", "counts"),
    # 2 h + 3 rows are the fewest; 23 leave 13 before the only cutoff.
    [(23, (0, 0, 1)), (40, (1, 0, 1)), (100, (1, 0, 4)), (200, (2, 0, 8)), (440, (5, 4, 13)), (1000, (10, 10, 30))],
)
def test_ladder_of_roles(n_rows, counts):
    assert fold_counts(EvalPlan(horizon=10), n_rows, 1) == counts
    folds = make_folds(panel([(0, n_rows)]), EvalPlan(horizon=10))
    assert (len(folds.select), len(folds.calibrate), len(folds.report)) == counts
    for role, n in zip(("select", "calibrate"), counts):
        assert any(f"No {role} folds" in note for note in folds.notes) == (n == 0)


def test_short_history_is_said():
    folds = make_folds(panel([(0, 24)], 12), EvalPlan(horizon=10))
    assert any("learns from 14 rows, fewer than the" in note for note in folds.notes)


def test_too_short_says_what_fits_and_what_to_do():
    with pytest.raises(DataError, match=r"22 rows.*needs 23; no fold fits.*[Ss]horten the horizon to 9 or less"):
        make_folds(panel([(0, 22)]), EvalPlan(horizon=10))
    with pytest.raises(DataError, match=r"100 rows.*30 folds with horizon 10 need 313; 8 folds would fit"):
        make_folds(panel([(0, 100)]), EvalPlan(horizon=10, n_report=30))
    with pytest.raises(DataError, match="Lower min_train"):
        make_folds(panel([(0, 100)]), EvalPlan(horizon=10, min_train=95))


@settings(max_examples=200, deadline=None)
@given(
    n_rows=st.integers(5, 400),
    horizon=st.integers(1, 20),
    step=st.one_of(st.none(), st.integers(1, 25)),
    gap=st.integers(0, 5),
    season=st.integers(1, 30),
    given_report=st.one_of(st.none(), st.integers(1, 12)),
    given_select=st.one_of(st.none(), st.integers(0, 6)),
    min_train=st.one_of(st.none(), st.integers(1, 60)),
)
def test_any_plan_gives_ordered_folds_that_do_not_share_answers(
    n_rows, horizon, step, gap, season, given_report, given_select, min_train
):
    plan = EvalPlan(
        horizon=horizon, step=step, gap=gap, n_report=given_report, n_select=given_select, min_train=min_train
    )
    frame = panel([(0, n_rows)], season)
    try:
        folds = make_folds(frame, plan)
    except DataError:
        assert fold_counts(plan, n_rows, season) is None
        return
    at = [f.position for f in folds.all]
    assert np.all(np.diff(at) > 0)
    assert at[-1] + gap + horizon == n_rows - 1
    assert at[0] + 1 >= max(min_train or 1, horizon + 3)
    assert len(folds.report) >= 1
    assert given_report in (None, len(folds.report))
    assert given_select in (None, len(folds.select))
    for early, late in ((folds.select, folds.calibrate or folds.report), (folds.calibrate, folds.report)):
        if early and late:  # the last answer of a role is known at the first cutoff of the next
            assert early[-1].position + gap + horizon <= late[0].position
    for role in (folds.select, folds.calibrate, folds.report):
        assert set(np.diff([f.position for f in role])) <= {plan.stride}
        assert [f.index for f in role] == list(range(len(role)))
    again = make_folds(frame, EvalPlan.from_dict(json.loads(json.dumps(folds.plan.to_dict()))))
    assert [f.position for f in again.all] == at


def test_history_keeps_half_of_the_rows_and_two_seasons_where_it_can():
    first = make_folds(panel([(0, 300)], 12), EvalPlan(horizon=1)).all[0]
    assert first.position + 1 >= 150
    first = make_folds(panel([(0, 100)], 40), EvalPlan(horizon=1)).all[0]
    assert first.position + 1 >= 81


def test_ragged_panels_share_the_instant_and_count_who_is_out():
    frame = panel([(0, 600), (300, 600), (0, 500)])
    folds = make_folds(frame, EvalPlan(horizon=10))
    assert all(f.item_positions is None for f in folds.all)
    for f in folds.all:
        out = set()
        if f.position < 300:
            out.add("s1")
        if f.position >= 499:
            out.add("s2")
        assert set(folds.left_out.get(f.position, ())) == out
    assert folds.not_started == sum("s1" in items for items in folds.left_out.values()) > 0
    assert folds.ended == sum("s2" in items for items in folds.left_out.values()) > 0
    assert any("2 series are left out" in note for note in folds.notes)


def test_integer_time_with_ragged_ends_is_cut_from_each_end():
    frame = panel([(0, 100), (0, 80), (95, 100)], integer=True)
    folds = make_folds(frame, EvalPlan(horizon=5, n_report=3, n_select=2, n_calibrate=0))
    assert folds.plan.align == "end"
    assert any("own end" in note for note in folds.notes)
    last, first = folds.report[-1], folds.select[0]
    assert last.positions(3).tolist() == [94, 74, 94]  # the third has five rows, none before its cutoff
    assert first.positions(3).tolist() == [74, 54, 94]
    assert "s2" in folds.left_out[last.position]
    assert make_folds(panel([(0, 100), (50, 100)], integer=True), EvalPlan(horizon=5)).plan.align == "calendar"
    assert make_folds(frame, EvalPlan(horizon=5, align="calendar")).report[-1].item_positions is None


def test_rows_of_an_end_aligned_panel_are_those_of_the_median_series():
    frame = panel([(0, 100), (0, 80), (95, 100)], integer=True)
    assert history_rows(frame, "end") == 80
    assert history_rows(frame, "calendar") == 100


def test_sliding_window_needs_its_length():
    plan = EvalPlan(horizon=5, window="sliding", window_length=150)
    assert make_folds(panel([(0, 200)]), plan).all[0].position + 1 >= 150
    with pytest.raises(ConfigError, match="window_length"):
        EvalPlan(horizon=5, window="sliding")
    with pytest.raises(ConfigError, match="sliding"):
        EvalPlan(horizon=5, window_length=10)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"horizon": 0}, "horizon: 0"),
        ({"horizon": "10"}, "horizon: '10'"),
        ({"horizon": True}, "horizon: True"),
        ({"horizon": 5, "step": 0}, "step: 0"),
        ({"horizon": 5, "gap": -1}, "gap: -1"),
        ({"horizon": 5, "gap": None}, "gap: None"),
        ({"horizon": 5, "n_report": 0}, "n_report: 0"),
        ({"horizon": 5, "refit": "nevr"}, "'never', 'every'"),
        ({"horizon": 5, "refit": 0}, "'never', 'every'"),
        ({"horizon": 5, "window": "slidin"}, "Did you mean 'sliding'"),
        ({"horizon": 5, "align": "ends"}, "Did you mean 'end'"),
        ({"horizon": 5, "seeds": [1, 1]}, "different whole numbers"),
        ({"horizon": 5, "seeds": []}, "at least one"),
        ({"horizon": 5, "seeds": None}, "at least one"),
        ({"horizon": 5, "seeds": True}, "different whole numbers"),
        ({"horizon": 5, "metrics": 3}, "list of metric names"),
        ({"horizon": 5, "n_reports": 3}, "Did you mean 'n_report'"),
        ({"step": 5}, "horizon is missing"),
    ],
)
def test_plan_is_strict(values, says):
    with pytest.raises(ConfigError, match=says):
        EvalPlan.from_dict(values)


def test_unknown_metric_suggests_the_near_one():
    with pytest.raises(UnknownNameError, match="Did you mean 'smape'"):
        EvalPlan(horizon=5, metrics=("smappe",))


def test_plan_is_frozen_and_reads_itself_back():
    plan = EvalPlan(horizon=7, step=2, gap=1, refit=3, seeds=(4, 5), metrics=("owa",), align="end", min_train=9)
    assert EvalPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    with pytest.raises(AttributeError):
        plan.horizon = 8  # type: ignore[misc]
    assert (plan.stride, plan.overlap, plan.purge) == (2, 4, 3)


def test_numbers_of_numpy_become_plain_ones():
    plan = EvalPlan(horizon=np.int64(7), refit=np.int64(2), seeds=np.array([1, 2]))
    assert json.loads(json.dumps(plan.to_dict()))["seeds"] == [1, 2]
    assert plan == EvalPlan(horizon=7, refit=2, seeds=(1, 2))


def test_folds_of_an_end_aligned_panel_are_told_apart_whatever_has_not_begun():
    frame = panel([(0, 80), (0, 80), (95, 100)], integer=True)
    folds = make_folds(frame, EvalPlan(horizon=5, n_report=3, n_select=2, n_calibrate=0))
    assert np.diff([f.position for f in folds.all]).tolist() == [5, 5, 5, 5]
    assert len(folds.left_out) == 5


def test_roles_are_types():
    folds = make_folds(panel([(0, 1000)]), EvalPlan(horizon=10))
    assert {type(f) for f in folds.select} == {SelectFold}
    assert {type(f) for f in folds.calibrate} == {CalibrateFold}
    assert {type(f) for f in folds.report} == {ReportFold}
    require_role(folds.select, SelectFold)
    for wrong in (folds.calibrate, folds.report, folds.all):
        with pytest.raises(TypeError, match="SelectFold needed"):
            require_role(wrong, SelectFold)
    assert pickle.loads(pickle.dumps(folds.report[0])) == folds.report[0]
    assert folds.select[0] != ReportFold(folds.select[0].position, folds.select[0].cutoff, 10, 0)


@pytest.mark.parametrize(("horizon", "season"), [(10, 1), (12, 12), (24, 24), (1, 7)])
def test_rows_for_report_are_enough_and_one_stride_less_is_not(horizon, season):
    plan = EvalPlan(horizon=horizon, n_report=3)
    rows = rows_for_report(plan, 15, season)
    assert fold_counts(EvalPlan(horizon=horizon), rows, season)[2] >= 10
    counts = fold_counts(EvalPlan(horizon=horizon), rows - max(1, horizon // 8), season)
    assert counts is None or counts[2] < 10
