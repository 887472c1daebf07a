"""From backtests of all models to leaderboard, recommendation and evidence; nothing is fitted here.

Shapes: F folds, I items, H steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting.backtest import ModelBacktest, forecast_frame
from forecastkit.forecasting.intervals import ConformalIntervals, Method, recent_scale, replay, rows_known
from forecastkit.forecasting.leaderboard import leaderboard
from forecastkit.forecasting.protocol import Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import (
    Losses,
    Scales,
    answers,
    mean_losses,
    measure,
    positions,
    scales,
    score_frame,
)
from forecastkit.forecasting.selection import Choice, choose, naive_reference
from forecastkit.forecasting.splits import ROLES, Folds
from forecastkit.forecasting.verdict import Verdict, verdict

__all__ = ["Evaluation", "ScoredSeed", "evaluate"]


@dataclass(frozen=True, eq=False)
class ScoredSeed:
    """One model with one seed.

    Args:
        intervals: of the next forecast: learned from calibrate folds (select folds where there are none) and, where
            adaptive, from the report folds that have passed; None = from nothing.
        quantiles: [report folds, I, H, Q], each fold's from what was known at its cutoff; or None.
        losses: role -> losses.
    """

    backtest: ModelBacktest
    intervals: ConformalIntervals | None
    quantiles: np.ndarray | None
    losses: dict[str, Losses[Any]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What the folds say about every model.

    Args:
        leaderboard: of report folds, one row a model.
        seeds: model -> its seeds that did not fail.
        losses: role -> model -> mean losses over its seeds.
        notes: on scales, failed seeds and left-out items.
    """

    frame: SeriesFrame
    folds: Folds
    leaderboard: pd.DataFrame
    choice: Choice
    verdict: Verdict
    seeds: dict[str, list[ScoredSeed]]
    losses: dict[str, dict[str, Losses[Any]]]
    at: np.ndarray
    scales: Scales
    notes: tuple[str, ...] = field(default=())

    def roles(self) -> dict[str, slice]:
        """Role -> its rows among all folds."""
        return _role_slices(self.folds)

    def interval_source(self) -> str:
        """Whose residuals made the intervals: ``calibrate``, ``select`` or ``none``."""
        return _interval_source(self.folds)

    def score_frame(self) -> pd.DataFrame:
        """The score frame of all roles, models and seeds."""
        parts = []
        for role, rows in self.roles().items():
            folds, known = self.folds.all[rows], _part(self.scales, rows)
            if not folds:
                continue
            for name, seeds in self.seeds.items():
                for one in seeds:
                    y, back = one.losses[role].answers, one.backtest
                    points = back.points[rows]
                    parts.append(score_frame(role, name, back.seed, folds, points, y, self.frame, scales_at=known))
        # pandas warns of parts without a row.
        scored = [table for table in parts if len(table)] or parts[:1]
        return pd.concat(scored, ignore_index=True).astype({"model": str, "role": str, "item_id": str, "metric": str})

    def forecast_frame(self, models: Sequence[str] | None = None, items: Sequence[str] | None = None) -> pd.DataFrame:
        """The forecast frame of all folds, with columns role, seed and actual after the quantiles."""
        parts = []
        keep = None if items is None else np.flatnonzero(np.isin(self.frame.items, list(items)))
        frame = self.frame if keep is None else self.frame.select(tuple(self.frame.items[i] for i in keep))
        for role, rows in self.roles().items():
            for name, seeds in self.seeds.items():
                if models is not None and name not in models:
                    continue
                for one in seeds:
                    quantiles = one.quantiles if role == "report" else None
                    table = self._part_frame(frame, keep, one, name, role, rows, quantiles)
                    if len(table):
                        parts.append(table)
        return pd.concat(parts, ignore_index=True)

    def _part_frame(
        self,
        frame: SeriesFrame,
        keep: np.ndarray | None,
        one: ScoredSeed,
        name: str,
        role: str,
        rows: slice,
        quantiles: np.ndarray | None,
    ) -> pd.DataFrame:
        take = np.arange(len(self.frame.items)) if keep is None else keep
        points, at = one.backtest.points[rows][:, take], self.at[rows][:, take]
        if not len(points):
            return pd.DataFrame()
        chosen = None if quantiles is None else quantiles[:, take]
        gap = self.folds.plan.gap
        table = forecast_frame(frame, points, at, model=name, quantiles=chosen, gap=gap)
        y = one.losses[role].answers[:, take]
        table["role"], table["seed"] = role, one.backtest.seed
        table["actual"] = y[np.isfinite(points)]
        return table


def _role_slices(folds: Folds) -> dict[str, slice]:
    out, start = {}, 0
    for role in ROLES:
        n = len(getattr(folds, role))
        out[role] = slice(start, start + n)
        start += n
    return out


def _interval_source(folds: Folds) -> str:
    return "calibrate" if folds.calibrate else "select" if folds.select else "none"


def _part(known: Scales, rows: slice) -> Scales:
    return replace(known, mase=known.mase[rows], rmsse=known.rmsse[rows], lag=known.lag[rows])


def evaluate(
    frame: SeriesFrame,
    folds: Folds,
    backtests: Mapping[str, Sequence[ModelBacktest]],
    models: Mapping[str, Forecaster],
    *,
    metrics: Sequence[str] = (),
    skipped: Mapping[str, str] | None = None,
    intervals: Method = "adaptive",
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Score, choose and test.

    Args:
        backtests: model -> one backtest a seed, over ``folds.all``.
        models: the forecasters, for family and complexity.
        metrics: further columns of the leaderboard.
        skipped: models that were not run -> reason.
        intervals: see ``intervals.replay``.
    """
    at = positions(folds.all, len(frame.items))
    plan = folds.plan
    season = plan.season_length or frame.season_length
    y = answers(frame, at, plan.horizon, plan.gap)
    known = scales(frame, at, season, error=plan.error)
    size = recent_scale(frame, at, season)
    seeds: dict[str, list[ScoredSeed]] = {}
    failed: dict[str, str] = dict(skipped or {})
    notes: list[str] = list(_part(known, _role_slices(folds)["report"]).notes)
    for name, runs in backtests.items():
        good = [r for r in runs if r.error is None]
        if not good:
            failed[name] = str(runs[0].error)
            continue
        if len(good) < len(runs):
            reason = next(r.error for r in runs if r.error is not None)
            notes.append(f"{name}: {len(runs) - len(good)} of {len(runs)} seeds failed and are left out: {reason}")
        seeds[name] = [_score(r, models[name], folds, y, known, size, intervals) for r in good]
    losses = {role: {n: mean_losses([s.losses[role] for s in runs]) for n, runs in seeds.items()} for role in ROLES}
    complexity = {name: models[name].complexity for name in seeds}
    select = losses["select"] if folds.select else {}
    choice = choose(select, complexity, season_length=season)
    reference = naive_reference(select, season_length=season)
    outcome = verdict(choice, reference, losses["report"], frame=frame, plan=plan, calibrated=bool(folds.calibrate))
    board = leaderboard(
        losses["report"],
        reference=outcome.reference if outcome.reference in losses["report"] else None,
        families={name: model.family for name, model in models.items()},
        failed=failed,
        by_seed={name: [s.losses["report"] for s in runs] for name, runs in seeds.items()},
        select=select or None,
        metrics=metrics,
        progress=progress,
    )
    board = _with_times(board, backtests, skipped or {})
    if outcome.tested is not None:
        # The one test that was chosen beforehand, on select folds, needs no correction for the others.
        board.loc[board["model"] == outcome.tested, "word"] = outcome.word
    return Evaluation(frame, folds, board, choice, outcome, seeds, losses, at, known, tuple(notes))


def _score(
    run: ModelBacktest,
    model: Forecaster,
    folds: Folds,
    y: np.ndarray,
    known: Scales,
    size: np.ndarray,
    method: Method,
) -> ScoredSeed:
    rows = _role_slices(folds)
    quantiles, intervals = _intervals(run, folds, y, size, method)
    if quantiles is not None and getattr(model, "non_negative", False):
        quantiles = np.maximum(quantiles, 0.0)
    losses: dict[str, Losses[Any]] = {
        role: measure(
            run.points[part],
            y[part],
            _part(known, part),
            folds.all[part],
            quantiles=quantiles if role == "report" else None,
        )
        for role, part in rows.items()
    }
    return ScoredSeed(run, intervals, quantiles, losses)


def _intervals(
    run: ModelBacktest, folds: Folds, y: np.ndarray, size: np.ndarray, method: Method
) -> tuple[np.ndarray | None, ConformalIntervals | None]:
    """Quantiles of report folds and the intervals of the next forecast."""
    source, rows = _interval_source(folds), _role_slices(folds)
    own = run.quantiles
    if source == "none" and method == "split":
        return (None if own is None else own[rows["report"]]), None
    first = rows.get(source, slice(0, 0))
    use = np.r_[first, rows["report"]]
    at = [folds.all[k].position for k in use]
    quantiles, intervals = replay(
        run.points[use],
        y[use],
        size[use],
        rows_known(at, folds.plan.horizon, folds.plan.gap),
        first.stop - first.start,
        source=source,
        own=None if own is None else own[use],
        method=method,
    )
    return quantiles if np.isfinite(quantiles).any() else None, intervals


def _with_times(
    board: pd.DataFrame, backtests: Mapping[str, Sequence[ModelBacktest]], skipped: Mapping[str, str]
) -> pd.DataFrame:
    """Time and notes beside the scores."""
    runs = [backtests.get(name, ()) for name in board["model"]]
    board["seconds_fit"] = [sum(r.seconds_fit for r in group) for group in runs]
    board["seconds_predict"] = [sum(r.seconds_predict for r in group) for group in runs]
    board["note"] = [str(group[0].info.get("note", "")) if group else "" for group in runs]
    is_skipped = board["model"].isin(list(skipped))
    board["status"] = board["status"].where(~is_skipped, "skipped")
    return board
