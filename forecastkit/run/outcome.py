"""How a run's forecast turned out: newer rows beside it, what the backtest promised, and whether the series has drifted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import registry
from forecastkit.artifacts import json_rows
from forecastkit.errors import DataError, ForecastkitError
from forecastkit.forecasting.backtest import forecast_from_ends
from forecastkit.forecasting.drift import Drift, drift
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import answers, nan_mean, scales
from forecastkit.report.numbers import moment, number
from forecastkit.run.folder import RunFolder
from forecastkit.run.newer import read_newer
from forecastkit.run.saved_model import SavedModel, same_kind

__all__ = ["ForecastOutcome", "score_run"]

BANDS = {"80": ("0.1", "0.9"), "95": ("0.025", "0.975")}
MOST_ORIGINS = 200
"""Later forecasts that the drift test makes, each with the run's own parameters."""


@dataclass(frozen=True, eq=False)
class ForecastOutcome:
    """What came of a forecast.

    Args:
        overall: ``who, n, mae, mase, msse (where the run counts squared errors), bias, coverage_80, coverage_95``: rows
            ``forecast``, ``promised`` and naive rules.
        by_step: ``step, n, mae, mase, coverage_80, coverage_95, promised_mae, promised_mase, naive_mae``.
        rows: the forecast frame with ``actual``; NaN where nothing has come yet.
        naive: the rule of ``naive_mae``.
    """

    model: str
    overall: pd.DataFrame
    by_step: pd.DataFrame
    rows: pd.DataFrame
    naive: str
    drift: Drift
    sentence: dict[str, str]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; undefined numbers are None."""
        return {
            "model": self.model,
            "n_rows": int(self.rows["actual"].notna().sum()),
            "n_rows_to_come": int(self.rows["actual"].isna().sum()),
            "n_items": int(self.rows.loc[self.rows["actual"].notna(), "item_id"].nunique()),
            "overall": json_rows(self.overall),
            "by_step": json_rows(self.by_step),
            "naive": self.naive,
            "drift": self.drift.to_dict(),
            "sentence": self.sentence,
            "notes": list(self.notes),
        }


def score_run(run: str | Path, actuals: Any) -> ForecastOutcome:
    """Hold ``forecast.csv`` of a run against rows that have come since.

    Args:
        run: run folder.
        actuals: a file or frame like the one of fit; older rows in it are allowed and not counted.

    Raises:
        ModelFileError: an unfinished or damaged run.
        DataError: the rows cannot be read, or none of them lies in the time of the forecast.
    """
    folder = RunFolder.open(run)
    model = SavedModel.of_run(folder)
    forecast = folder.table("forecast.csv")
    newer = read_newer(folder, model, actuals)
    same_kind(model.frame, newer, "--actuals")
    with folder.damage_named():
        return _outcome(folder, model, forecast, newer)


def _outcome(folder: RunFolder, model: SavedModel, forecast: pd.DataFrame, newer: SeriesFrame) -> ForecastOutcome:
    rows, unknown = _with_actual(forecast, newer)
    if not rows["actual"].notna().any():
        first, last = forecast["timestamp"].min(), forecast["timestamp"].max()
        raise DataError(
            place="--actuals",
            value=_span(newer),
            rule=f"no row lies in the time of the forecast, {moment(first)} to {moment(last)}",
            remedy="Give the rows that came after the run.",
        )
    frame = model.frame
    ends = frame.store.ends
    known = scales(frame, ends[None, :], model.season_length)
    rows["scale"] = rows["item_id"].map(dict(zip(frame.items, known.mase[0]))).to_numpy(np.float64)
    plan = folder.facts().get("plan") or {}
    if plan.get("error") == "squared":
        rows["square"] = rows["item_id"].map(dict(zip(frame.items, known.rmsse[0] ** 2))).to_numpy(np.float64)
    verdict = folder.json("verdict.json")
    rules = _naive_rules(model, str(verdict.get("reference", "naive")))
    for name in rules:
        rows[f"rule {name}"] = _rule(model, name, rows)
    past = _backtest(folder, model)
    overall = pd.DataFrame(
        [
            {"who": "forecast", **_scores(rows, "point", bands=True)},
            {"who": "promised", **_promised(folder, model.name)},
            *({"who": name, **_scores(rows, f"rule {name}")} for name in rules),
        ]
    )
    by_step = _by_step(rows, past, rules[0])
    found, more = _drift(model, newer, rows, past, str(plan.get("align")))
    notes = [*([f"{unknown} rows of series that the run does not know are left out."] if unknown else []), *more]
    sentence = {lang: _sentence(overall, rules[0], model.name, lang) for lang in ("en", "es")}
    return ForecastOutcome(model.name, overall, by_step, rows, rules[0], found, sentence, tuple(notes))


def _span(frame: SeriesFrame) -> str:
    seen = frame.data.loc[frame.data["target"].notna(), "timestamp"]
    return f"rows from {moment(seen.min())} to {moment(seen.max())}" if len(seen) else "no values"


def _keys(times: Any) -> pd.Index:
    """Instants that can be compared whatever zone or unit they are written in."""
    index = pd.Index(times)
    if isinstance(index, pd.DatetimeIndex):
        index = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
        return pd.Index(index.as_unit("us").asi8)
    return index.astype("int64")


def _with_actual(forecast: pd.DataFrame, newer: SeriesFrame) -> tuple[pd.DataFrame, int]:
    """The forecast with a column ``actual``, and the number of new values of unknown series."""
    data = newer.data[newer.data["target"].notna()]
    answers = pd.Series(
        data["target"].to_numpy(np.float64),
        index=pd.MultiIndex.from_arrays([data["item_id"].astype(str), _keys(data["timestamp"])]),
    )
    rows = forecast.copy()
    wanted = pd.MultiIndex.from_arrays([rows["item_id"].astype(str), _keys(rows["timestamp"])])
    rows["actual"] = answers.reindex(wanted).to_numpy()
    unknown = int((~data["item_id"].astype(str).isin(set(rows["item_id"].astype(str)))).sum())
    return rows, unknown


def _naive_rules(model: SavedModel, reference: str) -> list[str]:
    """The rule that the run was tested against, and the plain one."""
    names = [n for n in dict.fromkeys([reference, "naive"]) if n != model.name]
    return names or ["drift"]


def _rule(model: SavedModel, name: str, rows: pd.DataFrame) -> np.ndarray:
    steps = model.horizon + model.gap
    points, *_ = forecast_from_ends(registry.create_model(name).fit(model.frame, horizon=steps), model.frame, steps)
    item = rows["item_id"].map({n: i for i, n in enumerate(model.frame.items)}).to_numpy(np.int64)
    return points[item, rows["step"].to_numpy(np.int64) - 1 + model.gap]


def _scores(rows: pd.DataFrame, column: str, *, bands: bool = False) -> dict[str, Any]:
    actual = rows["actual"].to_numpy(np.float64)
    error = rows[column].to_numpy(np.float64) - actual
    out: dict[str, Any] = {
        "n": int(np.isfinite(error).sum()),
        "mae": float(nan_mean(np.abs(error))),
        "mase": float(nan_mean(np.abs(error) / rows["scale"].to_numpy(np.float64))),
        "bias": float(nan_mean(error)),
    }
    if "square" in rows:
        out["msse"] = float(nan_mean(error**2 / rows["square"].to_numpy(np.float64)))
    for level, (low, high) in BANDS.items():
        out[f"coverage_{level}"] = _coverage(rows, actual, low, high) if bands else math.nan
    return out


def _coverage(rows: pd.DataFrame, actual: np.ndarray, low: str, high: str) -> float:
    if low not in rows or high not in rows:
        return math.nan
    lo, hi = rows[low].to_numpy(np.float64), rows[high].to_numpy(np.float64)
    known = np.isfinite(actual) & np.isfinite(lo) & np.isfinite(hi)
    return float(((actual >= lo) & (actual <= hi))[known].mean()) if known.any() else math.nan


def _promised(folder: RunFolder, name: str) -> dict[str, Any]:
    board = folder.table("leaderboard.csv")
    found = json_rows(board[board["model"] == name])
    row = found[0] if found else {}
    out: dict[str, Any] = {"n": int(row.get("n_cells") or 0)}
    squared = ["msse"] if "msse" in row else []
    for key in ("mae", "mase", *squared, "bias", "coverage_80", "coverage_95"):
        out[key] = math.nan if row.get(key) is None else float(row[key])
    return out


def _backtest(folder: RunFolder, model: SavedModel) -> pd.DataFrame:
    """Report folds of the run's model, a row a cell, with ``scale`` and signed ``error`` averaged over seeds."""
    table = folder.table("backtest.parquet")
    rows = table[(table["model"] == model.name) & (table["role"] == "report") & table["actual"].notna()]
    if not len(rows):
        return pd.DataFrame(columns=["item_id", "cutoff", "step", "error", "size", "scale"])
    rows = rows.assign(error=rows["point"] - rows["actual"], size=(rows["point"] - rows["actual"]).abs())
    keys = ["item_id", "cutoff", "step"]
    rows = rows.groupby(keys, sort=True, observed=True)[["error", "size"]].mean().reset_index()
    frame = model.frame
    at = pd.Index(np.unique(frame.calendar.position(rows["cutoff"])))
    known = scales(frame, at.to_numpy(np.int64), model.season_length).mase
    fold = at.get_indexer(pd.Index(frame.calendar.position(rows["cutoff"])))
    item = rows["item_id"].map({n: i for i, n in enumerate(frame.items)}).to_numpy(np.int64)
    return rows.assign(scale=known[fold, item])


def _by_step(rows: pd.DataFrame, past: pd.DataFrame, rule: str) -> pd.DataFrame:
    out = []
    for step, part in rows.groupby("step", sort=True):
        was = past[past["step"] == step]
        own = _scores(part, "point", bands=True)
        own.pop("bias")
        out.append(
            {
                "step": int(str(step)),
                **own,
                "promised_mae": float(nan_mean(was["size"].to_numpy(np.float64))),
                "promised_mase": float(nan_mean((was["size"] / was["scale"]).to_numpy(np.float64))),
                "naive_mae": _scores(part, f"rule {rule}")["mae"],
            }
        )
    return pd.DataFrame(out)


def _drift(
    model: SavedModel, newer: SeriesFrame, rows: pd.DataFrame, past: pd.DataFrame, align: str
) -> tuple[Drift, list[str]]:
    items = {n: i for i, n in enumerate(model.frame.items)}
    shape = (len(items), model.horizon)
    first = np.full((1, *shape), np.nan)
    error = (rows["point"] - rows["actual"]).to_numpy(np.float64) / rows["scale"].to_numpy(np.float64)
    first[0, rows["item_id"].map(items).to_numpy(np.int64), rows["step"].to_numpy(np.int64) - 1] = error
    notes = []
    try:
        later = _later(model, newer, dict(zip(rows["item_id"].astype(str), rows["scale"])))
    except ForecastkitError as problem:
        later = np.full((0, *shape), np.nan)
        notes.append(f"Later forecasts could not be made: {problem}")
    if n := len(later):
        notes.append(f"For the drift test the same model made {n} later forecast{'s' * (n != 1)} from the new rows.")
    return drift(np.concatenate([first, later]), _old(past, model, shape, align)), notes


def _old(past: pd.DataFrame, model: SavedModel, shape: tuple[int, int], align: str) -> np.ndarray:
    """[F, I, H] scaled errors of report folds whose horizons do not overlap, the latest kept first."""
    if not len(past):
        return np.full((0, *shape), np.nan)
    at = model.frame.calendar.position(past["cutoff"])
    item = past["item_id"].map({n: i for i, n in enumerate(model.frame.items)}).to_numpy(np.int64)
    if align == "end":
        # One fold is not one instant: count from each series' last cutoff.
        last = np.full(shape[0], -1)
        np.maximum.at(last, item, at)
        at = at - last[item]
    cutoffs, fold = np.unique(at, return_inverse=True)
    kept: list[int] = []
    for k in range(len(cutoffs) - 1, -1, -1):
        if not kept or cutoffs[kept[-1]] - cutoffs[k] >= model.horizon:
            kept.append(k)
    out = np.full((len(cutoffs), *shape), np.nan)
    out[fold, item, past["step"].to_numpy(np.int64) - 1] = (past["error"] / past["scale"]).to_numpy(np.float64)
    return out[np.sort(kept)]


def _later(model: SavedModel, newer: SeriesFrame, scale: dict[str, float]) -> np.ndarray:
    """Scaled errors [M, I, H] of later forecasts, where the new rows reach beyond the first; parameters unchanged."""
    old = model.frame
    none = np.full((0, len(old.items), model.horizon), np.nan)
    longer = model.with_newer(newer.select(tuple(i for i in newer.items if i in set(old.items))))
    frame = longer.frame
    if frame.items != old.items:
        return none
    start = frame.calendar.position(old.calendar.instants.take(old.store.ends))
    n = int((frame.store.ends - model.gap - start - 1).max()) // model.horizon
    if n < 1:
        return none
    at = start + model.horizon * np.arange(1, min(n, MOST_ORIGINS) + 1)[:, None]
    y = answers(frame, at, model.horizon, model.gap)
    unique, inverse = np.unique(np.minimum(at, len(frame.calendar) - 1), return_inverse=True)
    every = longer.fitted.predict_at(frame, unique)[:, :, model.gap : model.gap + model.horizon]
    points = every[inverse.reshape(at.shape), np.arange(len(old.items))]
    size = np.array([scale.get(i, math.nan) for i in frame.items])
    return (points - y) / size[None, :, None]


def _sentence(overall: pd.DataFrame, rule: str, name: str, lang: str) -> str:
    rows = {str(row["who"]): row for row in json_rows(overall)}
    own, promised, naive = rows["forecast"], rows["promised"], rows[rule]
    both = [m for m in ("msse", "mase") if own.get(m) is not None and promised.get(m) is not None]
    metric = next(iter(both), "mae")
    en = lang == "en"

    def said(value: float | None) -> str:
        return number(value, lang)

    n = int(own["n"])
    if en:
        return (
            f"On {n} new row{'s' * (n != 1)}, {name} erred by {said(own[metric])} ({metric.upper()}); the backtest "
            f"promised {said(promised[metric])}, and {rule} erred by {said(naive[metric])}."
        )
    return (
        f"En {n} fila{'s' * (n != 1)} nueva{'s' * (n != 1)}, {name} erró {said(own[metric])} ({metric.upper()}); la prueba "
        f"prometía {said(promised[metric])}, y {rule} erró {said(naive[metric])}."
    )
