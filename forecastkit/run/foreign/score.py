"""Forecasts made elsewhere, scored and tested beside the naive rules at the same cutoffs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import artifacts, registry
from forecastkit.errors import DataError
from forecastkit.forecasting import significance
from forecastkit.forecasting.backtest import forecast_frame
from forecastkit.forecasting.cost import Cost, money
from forecastkit.forecasting.intervals import ConformalIntervals, recent_scale
from forecastkit.forecasting.leaderboard import leaderboard
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame, quantile_name
from forecastkit.forecasting.scores import (
    Losses,
    QuantileLosses,
    answers,
    comparable,
    measure,
    nan_mean,
    scales,
    score_frame,
)
from forecastkit.forecasting.selection import NAIVES, Choice, naive_reference
from forecastkit.forecasting.significance import ALPHA, BETTER, INDISTINGUISHABLE, TOO_FEW, WORSE
from forecastkit.forecasting.splits import EvalPlan, ReportFold, SelectFold, error_kind
from forecastkit.forecasting.verdict import Verdict, verdict
from forecastkit.reading import ReadOptions, read
from forecastkit.run.foreign.table import ForeignForecasts, read_forecasts
from forecastkit.wording import p_value, share

__all__ = ["ForeignEvaluation", "evaluate_forecasts"]

EARLIER = 30
"""Cutoffs before the first forecast, on which the naive rule is chosen and its intervals learned."""


@dataclass(frozen=True, eq=False)
class ForeignEvaluation:
    """What the data say about forecasts made elsewhere.

    Args:
        leaderboard: a row a model, naive rules included; the columns of every leaderboard.
        notes: what was not scored, and why.
        money: see ``cost.money``; None = not asked for.
    """

    leaderboard: pd.DataFrame
    verdict: Verdict
    notes: tuple[str, ...]
    money: dict[str, Any] | None
    trial: _Trial

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The score frame: role, model, seed, item_id, cutoff, step, metric, value."""
        return self.trial.score_frame()

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """The forecast frame of all models with role, seed and actual."""
        return self.trial.forecast_frame()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values: the verdict, with notes, leaderboard and money."""
        rows = artifacts.json_rows(self.leaderboard)
        return {**self.verdict.to_dict(), "notes": list(self.notes), "leaderboard": rows, "money": self.money}

    def save(self, folder: str | Path) -> None:
        """Write ``leaderboard.csv``, ``scores.csv``, ``verdict.json`` and, where asked for, ``cost.json``.

        Raises:
            DataError: the folder cannot be made.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                place=str(path), value=error.strerror or "", rule="cannot be made", remedy="Give another --out."
            ) from None
        artifacts.write_csv(path / "leaderboard.csv", self.leaderboard)
        artifacts.write_csv(path / "scores.csv", self.scores)
        artifacts.write_json(path / "verdict.json", {**self.verdict.to_dict(), "notes": list(self.notes)})
        if self.money is not None:
            artifacts.write_json(path / "cost.json", self.money)


def evaluate_forecasts(
    forecasts: Any,
    data: Any,
    options: ReadOptions | None = None,
    *,
    cost: Cost | str | Mapping[str, Any] | None = None,
    fee: float | None = None,
    n_boot: int = 2000,
) -> ForeignEvaluation:
    """Score and test forecasts made elsewhere, beside the naive rules.

    The naive rule of the test is the best of four on cutoffs before the first forecast; where there is no room for
    any, the best on the forecasts' own cutoffs, which favours the rule.

    Args:
        forecasts: path or frame, see ``read_forecasts``.
        data: path, ``"dataset:NAME"`` or frame with the series.
        options: how to read ``data``.
        cost: such as ``"over=1,under=4"``.
        fee: basis points a trade, for prices.
        n_boot: resamples behind intervals.

    Raises:
        DataError: a table that cannot be read or does not fit to the data; names the line.
        ConfigError: a wrong option.
    """
    options = options or ReadOptions()
    parsed = None if cost is None else Cost.parse(cost)
    reading = read(data, options)
    foreign = read_forecasts(forecasts, reading, options)
    trial = _Trial.of(foreign)
    board = leaderboard(
        trial.losses,
        reference=trial.reference,
        families={**dict.fromkeys(NAIVES, "baseline"), **dict.fromkeys(foreign.points, "external")},
        n_boot=n_boot,
    )
    outcome = _verdict(trial, board, list(foreign.points))
    found = ForeignEvaluation(board, outcome, (*foreign.notes, *trial.notes), None, trial)
    if parsed is None and fee is None:
        return found
    best = outcome.tested or next(iter(foreign.points))
    several = len(foreign.points) > 1
    worth = money(found.forecasts, parsed, fee, foreign.frame, use=best, reference=trial.reference, chosen_here=several)
    return replace(found, money=worth)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Losses of the foreign models and the naive rules on the same cells, and the naive rule of the test."""

    frame: SeriesFrame
    folds: tuple[ReportFold, ...]
    plan: EvalPlan
    points: dict[str, np.ndarray]
    quantiles: dict[str, dict[float, np.ndarray]]
    losses: dict[str, Losses[ReportFold]]
    reference: str
    n_earlier: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, foreign: ForeignForecasts) -> _Trial:
        frame = foreign.frame
        horizon = next(iter(foreign.points.values())).shape[2]
        at, gap = foreign.cutoffs, foreign.gap
        folds = tuple(ReportFold(int(p), frame.calendar.instants[p], horizon, k, gap) for k, p in enumerate(at))
        stride = max(1, int(np.diff(at).min())) if len(at) > 1 else horizon
        error, said = error_kind(frame, np.full(len(frame.items), at[0]))
        plan = EvalPlan(
            horizon=horizon, step=stride, gap=gap, n_select=0, n_calibrate=0, n_report=len(at), align="calendar",
            season_length=frame.season_length, error=error,
        )  # fmt: skip
        y, known = answers(frame, at, horizon, gap), scales(frame, at, error=error)
        anyone = np.logical_or.reduce([np.isfinite(p) for p in foreign.points.values()])
        if not (anyone & np.isfinite(y)).any():
            raise DataError(
                place="--forecasts", rule="the data have no value at any time of a forecast", remedy="Check --target."
            )
        notes = [*said, *known.notes]
        unseen = int((anyone & ~np.isfinite(y)).sum())
        if unseen:
            notes.append(f"{unseen} forecasts are for times at which the data have no value.")
        rules = {name: registry.create_model(name).fit(frame, horizon=horizon + gap) for name in NAIVES}
        chosen, intervals, n_earlier = _before(frame, rules, at, plan)
        points = dict(foreign.points)
        quantiles = {name: dict(levels) for name, levels in foreign.quantiles.items()}
        size = recent_scale(frame, np.repeat(at[:, None], len(frame.items), axis=1), frame.season_length)
        for name, rule in rules.items():
            points[name] = np.where(anyone, rule.predict_at(frame, at)[:, :, gap:], np.nan)
            bands = intervals.get(name)
            if bands is not None:
                cube = bands.quantiles(points[name], size)
                quantiles[name] = {q: cube[..., k] for k, q in enumerate(QUANTILES)}
        losses = {
            name: _with_quantiles(measure(p, y, known, folds), quantiles.get(name, {})) for name, p in points.items()
        }
        if chosen is None:
            same = comparable({name: losses[name] for name in NAIVES})[0]
            chosen = min(same, key=lambda name: _mean_loss(same[name]))
            notes.append(
                f"There is no history before the first cutoff to choose a naive rule on: {chosen}, the best on these very "
                "forecasts, is the reference."
            )
        return cls(frame, folds, plan, points, quantiles, losses, chosen, n_earlier, tuple(notes))

    def score_frame(self) -> pd.DataFrame:
        """The score frame of all models."""
        y = next(iter(self.losses.values())).answers
        parts = [score_frame("report", n, 1, self.folds, p, y, self.frame) for n, p in self.points.items()]
        return pd.concat(parts, ignore_index=True).astype({"model": str, "role": str, "item_id": str, "metric": str})

    def forecast_frame(self) -> pd.DataFrame:
        """The forecast frame of all models with role, seed and actual."""
        y = next(iter(self.losses.values())).answers
        at = np.repeat(np.array([[f.position] for f in self.folds]), len(self.frame.items), axis=1)
        parts = []
        for name, points in self.points.items():
            part = forecast_frame(self.frame, points, at, model=name, gap=self.plan.gap)
            seen = np.isfinite(points)
            for q, cube in self.quantiles.get(name, {}).items():
                part[quantile_name(q)] = cube[seen]
            part["role"], part["seed"], part["actual"] = "report", 1, y[seen]
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def _mean_loss(x: Losses[Any]) -> float:
    scaled = float(nan_mean(x.by_origin()))
    return scaled if math.isfinite(scaled) else float(nan_mean(x.ae))


def _before(
    frame: SeriesFrame, rules: Mapping[str, Any], at: np.ndarray, plan: EvalPlan
) -> tuple[str | None, dict[str, ConformalIntervals | None], int]:
    """(the best naive rule, intervals of each) on cutoffs before the first forecast, and their number."""
    horizon, gap = plan.horizon, plan.gap
    ahead = horizon + gap
    least = int(frame.store.starts.min()) + max(2 * frame.season_length, 3)
    early = np.array([p for k in range(EARLIER, 0, -1) if (p := int(at[0]) - k * ahead) >= least], dtype=np.int64)
    if not len(early):
        return None, {}, 0
    folds = [SelectFold(int(p), frame.calendar.instants[p], horizon, k, gap) for k, p in enumerate(early)]
    y, known = answers(frame, early, horizon, gap), scales(frame, early, error=plan.error)
    size = recent_scale(frame, np.repeat(early[:, None], len(frame.items), axis=1), frame.season_length)
    points = {name: rule.predict_at(frame, early)[:, :, gap:] for name, rule in rules.items()}
    losses = {name: measure(p, y, known, folds) for name, p in points.items()}
    if not any(x.cells.any() for x in losses.values()):
        return None, {}, 0
    bands = {name: ConformalIntervals.fit(p, y, size, source="select") for name, p in points.items()}
    return naive_reference(losses, season_length=frame.season_length), bands, len(early)


def _with_quantiles(losses: Losses[ReportFold], levels: Mapping[float, np.ndarray]) -> Losses[ReportFold]:
    """Losses of the given quantiles; what needs a level that is missing stays undefined."""
    if not levels:
        return losses
    y = losses.answers
    seen = losses.cells
    nothing = np.full(y.shape, np.nan)

    def band(low: float, high: float) -> tuple[np.ndarray, np.ndarray] | None:
        return (levels[low], levels[high]) if low in levels and high in levels else None

    parts = {"pinball": nothing, "winkler_95": nothing}
    for level, bounds in ((80, band(0.1, 0.9)), (95, band(0.025, 0.975))):
        parts[f"inside_{level}"] = parts[f"width_{level}"] = nothing
        if bounds is None:
            continue
        lo, hi = bounds
        ok = seen & np.isfinite(lo) & np.isfinite(hi)
        parts[f"inside_{level}"] = np.where(ok, (y >= lo) & (y <= hi), np.nan)
        parts[f"width_{level}"] = np.where(ok, hi - lo, np.nan)
        if level == 95:
            outside = np.maximum(lo - y, 0.0) + np.maximum(y - hi, 0.0)
            parts["winkler_95"] = np.where(ok, hi - lo + 40.0 * outside, np.nan)
    if all(q in levels for q in QUANTILES):
        loss = [2.0 * np.maximum(q * (y - levels[q]), (q - 1.0) * (y - levels[q])) for q in QUANTILES]
        parts["pinball"] = np.where(seen, np.mean(loss, axis=0), np.nan)
    return replace(losses, quantile=QuantileLosses(**parts))


def _verdict(trial: _Trial, board: pd.DataFrame, given: list[str]) -> Verdict:
    """The evidence on the best of the given models; with several, Holm's correction decides."""
    reference = trial.reference
    own = board[board["model"].isin(given)]
    ranked = own[own["status"] == "ok"]
    best = str((ranked if len(ranked) else own)["model"].iloc[0])
    pair = {name: trial.losses[name] for name in (best, reference)}
    empty = pd.DataFrame({"model": [best]})

    def said(model: str) -> Verdict:
        return verdict(Choice(model, "", empty), reference, pair, frame=trial.frame, plan=trial.plan)

    v = said(best)
    adjusted = significance.holm(own["p_value"].to_numpy(np.float64))[list(own["model"]).index(best)]
    word, use = v.word, best
    sentence = {lang: list(lines) for lang, lines in v.sentence.items()}
    few = significance.fewest_origins(trial.plan.overlap)
    for lang in ("en", "es"):
        en = lang == "en"
        wait = (
            f"Use {reference} until {best} shows more." if en else f"Usa {reference} mientras {best} no demuestre más."
        )
        if v.word == TOO_FEW:
            need = f"; at least {few} cutoffs are needed." if en else f"; hacen falta al menos {few} cortes."
            sentence[lang] = [wait, sentence[lang][1].split(";")[0].rstrip(".") + need]
        elif v.word == INDISTINGUISHABLE:
            sentence[lang][0] = wait
        elif len(given) > 1 and adjusted >= ALPHA:
            word = INDISTINGUISHABLE
            sentence[lang] = [wait, _not_beyond(v, best, reference, len(given), float(adjusted), lang)]
        elif v.word == WORSE:
            sentence[lang] = list(said(reference).sentence[lang])
        elif len(given) > 1:
            p = p_value(float(adjusted), lang)
            sentence[lang][1] += (
                f" Counted for {len(given)} models, {p} (Holm)."
                if en
                else f" Contando {len(given)} modelos, {p} (Holm)."
            )
    if word != BETTER:
        use = reference
    how = f"the best of four naive rules on {trial.n_earlier} earlier forecasts" if trial.n_earlier else "a naive rule"
    return replace(
        v, use=use, word=word, shown=word == BETTER, more_rows=None, more_time=None,
        sentence={lang: (lines[0], lines[1]) for lang, lines in sentence.items()},
        reason=f"Forecasts made elsewhere, tested against {reference}, {how}.",
    )  # fmt: skip


def _not_beyond(v: Verdict, best: str, reference: str, n: int, adjusted: float, lang: str) -> str:
    gain = abs(1 - (v.loss_tested or 0.0) / v.loss_reference) if v.loss_reference else math.nan
    p, holm = p_value(v.p_value or 0.0, lang), p_value(adjusted, lang)
    better = v.word == BETTER
    if lang == "en":
        return (
            f"Of {n} models none is shown to beat {reference}: the best, {best}, is {share(gain)} "
            f"{'better' if better else 'worse'} ({p}), but among {n} tests that is not beyond chance ({holm}, Holm)."
        )
    return (
        f"De {n} modelos ninguno demuestra ser mejor que {reference}: el mejor, {best}, es un {share(gain, lang)} "
        f"{'mejor' if better else 'peor'} ({p}), pero entre {n} pruebas no pasa del azar ({holm}, Holm)."
    )
