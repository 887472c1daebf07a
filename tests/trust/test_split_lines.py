"""The folds' arithmetic against written-out rules: what benchmarks/mutation.py found unnoticed."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import pytest

from forecastkit.errors import ConfigError
from forecastkit.forecasting import splits
from forecastkit.forecasting.splits import EvalPlan, Fold, Folds, fold_counts, make_folds, rows_for_report
from tests.forecasting.test_splits import panel


def allocation(n, n_select, n_calibrate, n_report, purge):
    """Every sharing in the order in which they are tried; the first that leaves room for the report."""
    select = n_select if n_select is not None else 0 if n < 2 else min(5, max(1, n // 4))
    calibrate = n_calibrate if n_calibrate is not None else min(10, (n - select) // 4) if n >= 20 else 0
    fewer = range(calibrate, -1, -1) if n_calibrate is None else [calibrate]
    tried = [(select, c) for c in fewer]
    tried += [(s, tried[-1][1]) for s in range(select - 1, -1, -1) if n_select is None]
    for s, c in tried:
        room = n - s - c - purge * len([role for role in (s, c) if role])
        wanted = min(30, room) if n_report is None else n_report
        if 1 <= wanted <= room:
            if n_select is None and s == 5 and (n_report is not None or wanted == 30):
                s += min(10, room - wanted)
            return s, c, wanted
    return None


@pytest.mark.parametrize("step", [None, 3, 1])
@pytest.mark.parametrize(("n_select", "n_calibrate"), [(None, None), (None, 0), (3, None), (0, None), (2, 4)])
def test_folds_are_shared_out_in_order(step, n_select, n_calibrate):
    plan = EvalPlan(horizon=5, step=step, n_select=n_select, n_calibrate=n_calibrate)
    for n, n_report in itertools.product([*range(75), 200], [None, 1, 8, 35]):
        got = splits._allocate(n, replace(plan, n_report=n_report))
        assert got == allocation(n, n_select, n_calibrate, n_report, plan.purge), (n, n_report)


def test_a_very_long_history_chooses_on_fifteen_folds():
    assert fold_counts(EvalPlan(horizon=10), 3000, 1) == (15, 10, 30)


def test_each_role_before_the_report_costs_one_purge():
    assert [splits._total(s, c, 3, 2) for s, c in ((0, 0), (1, 0), (0, 1), (1, 1), (4, 5))] == [3, 6, 6, 9, 16]


@pytest.mark.parametrize(("horizon", "gap", "season"), [(10, 0, 1), (25, 1, 7), (72, 0, 24), (44, 2, 1)])
def test_rows_for_a_report_are_looked_for_in_eighths_of_a_stride(horizon, gap, season):
    plan = EvalPlan(horizon=horizon, gap=gap)
    for n_rows, n_report in ((15, 10), (15, 7), (900, 10)):
        first = max(n_rows, horizon + gap + (n_report - 1) * horizon)
        enough = (
            rows
            for rows in range(first, 100_000, max(1, horizon // 8))
            if (fold_counts(plan, rows, season) or (0, 0, 0))[2] >= n_report
        )
        assert rows_for_report(plan, n_rows, season, n_report) == next(enough)


def test_the_gap_is_part_of_the_history_that_is_said():
    frame = panel([(0, 40)], 12)
    folds = make_folds(frame, EvalPlan(horizon=6, gap=4, n_report=2, n_select=1, n_calibrate=0))
    rows = folds.all[0].position + 1
    assert any(f"learns from {rows} rows, fewer than the" in note for note in folds.notes)


def test_an_item_that_begins_at_the_cutoff_is_in_and_one_that_ends_within_the_gap_is_out():
    plan = EvalPlan(horizon=5, gap=3, n_report=1, n_select=0, n_calibrate=0)
    cutoff = make_folds(panel([(0, 60)]), plan).report[0].position
    frame = panel([(0, 60), (cutoff, 60), (cutoff + 1, 60), (0, cutoff + 4), (0, cutoff + 5)])
    folds = make_folds(frame, plan)
    assert folds.report[0].position == cutoff
    assert folds.left_out == {cutoff: ("s2", "s3")}
    assert (folds.not_started, folds.ended) == (1, 1)


def test_plain_values():
    plan = EvalPlan(horizon=5)
    assert plan.seeds == (1,)
    assert Fold(3, 3, 5, 0).gap == 0
    empty = Folds((), (), (), plan)
    assert (empty.not_started, empty.ended, empty.left_out) == (0, 0, {})
    folds = make_folds(panel([(0, 80), (0, 60)], integer=True), EvalPlan(horizon=5))
    fold = folds.report[0]
    assert fold.item_positions is not None
    assert pickle.loads(pickle.dumps(fold)) == fold
    assert "item_positions" not in repr(fold)


@pytest.mark.parametrize("name", ["window_length", "season_length", "min_train"])
def test_lengths_have_a_least(name):
    least = 2 if name == "window_length" else 1
    more = {"window": "sliding"} if name == "window_length" else {}
    assert getattr(EvalPlan(horizon=5, **{name: least}, **more), name) == least
    with pytest.raises(ConfigError, match=f"{name}.*at least {least}"):
        EvalPlan(horizon=5, **{name: least - 1}, **more)


def test_every_fold_may_be_a_refit():
    assert EvalPlan(horizon=5, refit=1).refit == 1


@pytest.mark.parametrize(
    ("plan", "rows", "said"),
    [
        (EvalPlan(horizon=10, gap=2, n_report=4), 30, "4 folds with horizon 10 need 55; 1 fold would fit. Ask for one fold or give"),
        (EvalPlan(horizon=10, gap=2, n_report=4), 36, "2 folds would fit. Ask for 2 folds or fewer or give"),
        (EvalPlan(horizon=10, gap=2), 24, "1 fold with horizon 10 needs 25; no fold fits. Shorten the horizon to 9 or less or"),
        (EvalPlan(horizon=3), 5, "no fold fits. Shorten the horizon to 1 or less or"),
        (EvalPlan(horizon=3), 4, "no fold fits. Give a longer history"),
        (EvalPlan(horizon=10, min_train=14), 23, "no fold fits. Lower min_train or give"),
        (EvalPlan(horizon=10, min_train=13), 22, "no fold fits. Shorten the horizon to 9 or less or"),
        (EvalPlan(horizon=10, min_train=20), 25, "no fold fits. Lower min_train or give"),
        (EvalPlan(horizon=10, n_select=2, n_calibrate=1, n_report=3), 60, "6 folds with horizon 10 need 73; 4 folds would fit"),
    ],
)  # fmt: skip
def test_too_short_a_history_is_told_in_full(plan, rows, said):
    assert fold_counts(plan, rows, 1) is None
    assert said in str(splits._too_short("x", plan, rows, 1))
