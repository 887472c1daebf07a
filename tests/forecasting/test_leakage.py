"""Rows after a cutoff are scrambled; whatever was computed for it must not change by one bit."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit import registry
from forecastkit.forecasting.backtest import backtest_model
from forecastkit.forecasting.evaluation import evaluate
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.splits import EvalPlan, make_folds
from tests.conftest import build_panel, small


def scramble(frame: SeriesFrame, after: int) -> SeriesFrame:
    data = frame.data.copy()
    late = frame.positions > after
    data.loc[late, "target"] = np.random.default_rng(9).normal(0, 1e5, int(late.sum()))
    return SeriesFrame(data, frame.calendar, season_length=frame.season_length)


@pytest.mark.parametrize("refit", ["never", "every"])
@pytest.mark.parametrize("name", registry.list_models())
def test_backtest_of_a_fold_does_not_see_later_rows(name, refit):
    frame = build_panel((100, 80))
    plan = EvalPlan(horizon=4, n_report=3, n_select=1, n_calibrate=0, refit=refit)
    folds = make_folds(frame, plan)
    model = registry.create_model(name, **small(name))
    second = folds.report[1]
    results = []
    for data in (frame, scramble(frame, second.position)):
        one = backtest_model(name, model, data, folds.all, folds.plan, context=FitContext(seed=2))
        assert one.error is None
        results.append(one.points)
    upto = 1 + 2  # one select fold and two report folds
    np.testing.assert_array_equal(results[0][:upto], results[1][:upto])
    assert not np.array_equal(results[0][upto:], results[1][upto:])


def test_the_choice_does_not_see_report_rows():
    frame = build_panel((160, 160))
    plan = EvalPlan(horizon=5, n_report=8, n_select=4, n_calibrate=4)
    folds = make_folds(frame, plan)
    models = {n: registry.create_model(n) for n in ("naive", "seasonal_naive", "drift", "theta", "auto_ets")}
    chosen = []
    first_answer = min(f.position for f in folds.report)
    for data in (frame, scramble(frame, first_answer)):
        tests = {
            n: [backtest_model(n, m, data, folds.all, folds.plan, context=FitContext())] for n, m in models.items()
        }
        evaluation = evaluate(data, folds, tests, models)
        chosen.append((evaluation.choice.model, evaluation.choice.table.to_dict()))
        chosen.append(
            evaluation.seeds["theta"][0].quantiles[0]
        )  # of the first report fold: no report answer is known yet
    assert chosen[0] == chosen[2]
    np.testing.assert_array_equal(chosen[1], chosen[3])


def test_an_audit_that_cannot_fail_is_none():
    """The same comparison finds a model that does look ahead."""

    class Cheat:
        horizon, info, curves = 4, {}, []

        def predict_at(self, frame, cutoffs):
            y = frame.store.series(0)
            return np.stack([np.tile(y[c + 1 : c + 5], (2, 1)) for c in cutoffs])

    frame = build_panel((100, 80))
    at = np.array([60])
    assert not np.array_equal(Cheat().predict_at(frame, at), Cheat().predict_at(scramble(frame, 60), at))
