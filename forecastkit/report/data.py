"""The input of the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

__all__ = ["ReportData"]


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the page shows.

    Args:
        verdict: verdict.json.
        profile: profile.json.
        leaderboard: as ``leaderboard.csv``.
        history: item_id, timestamp, target; the last rows of each series.
        forecast: forecast frame of the final model; empty after a backtest alone.
        backtest: forecast frame of the recommended model on report folds, with actual.
        folds: role, index, cutoff, start, end.
        error_by_step: model, step, mase (msse, where squared errors count), mae.
        error_by_fold: model, cutoff, mase or msse, mae.
        error_by_item: model, item_id, mase or msse, mae, ratio_to_reference.
        lag_check: model -> as ``forecasting.diagnostics.lag_check``.
        curves: learning curves by model, seed and step.
        intervals: coverage of the recommended model's intervals.
        plan: the evaluation plan.
        run: run.yaml.
        units: of the target; empty = unknown.
        worth: cost.json; empty = not asked.
        ranks: models, mean ranks over series and critical difference; empty = too few series.
        explained: explain.json; empty = there was nothing to explain.
        tuning: trials of a search for options; empty = none was made.
        lang: ``en`` or ``es``.
    """

    title: str
    lang: str
    verdict: dict[str, Any]
    profile: dict[str, Any]
    leaderboard: pd.DataFrame
    history: pd.DataFrame
    forecast: pd.DataFrame
    backtest: pd.DataFrame
    folds: pd.DataFrame
    error_by_step: pd.DataFrame
    error_by_fold: pd.DataFrame
    error_by_item: pd.DataFrame
    lag_check: dict[str, Any]
    curves: pd.DataFrame
    intervals: dict[str, Any]
    plan: dict[str, Any]
    run: dict[str, Any]
    units: str = ""
    worth: dict[str, Any] = field(default_factory=dict)
    ranks: dict[str, Any] = field(default_factory=dict)
    explained: dict[str, Any] = field(default_factory=dict)
    tuning: list[dict[str, Any]] = field(default_factory=list)
