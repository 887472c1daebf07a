"""From the files of a run folder to its report; the same code renders a fresh run and an old one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import UndefinedError

from forecastkit import artifacts
from forecastkit.forecasting.evaluation import Evaluation
from forecastkit.forecasting.leaderboard import coverages, nan_mean
from forecastkit.forecasting.significance import friedman_nemenyi
from forecastkit.report.data import ReportData
from forecastkit.report.page import render
from forecastkit.run.explaining import FILE as EXPLAINED
from forecastkit.run.folder import RunFolder
from forecastkit.run.tune import FILE as TUNING

__all__ = ["diagnostics", "report_data", "write_page"]

MOST_ITEMS = 500
FEWEST_RANKED = 10
MOST_PICTURED = 40
"""Series whose backtest is drawn."""


def diagnostics(evaluation: Evaluation, lag_checks: dict[str, Any]) -> dict[str, Any]:
    """diagnostics.json: errors by step, fold and item on report folds, the folds, coverage, lag checks."""
    report = evaluation.losses["report"]
    reference = evaluation.verdict.reference
    by_step, by_fold, by_item = [], [], []
    keep = range(min(len(evaluation.frame.items), MOST_ITEMS))
    base = report[reference].by_item(scaled=False) if reference in report else None
    metric = evaluation.scales.metric
    for name, x in report.items():
        scaled, plain = x.by_step(), x.by_step(scaled=False)
        by_step += [{"model": name, "step": h + 1, metric: scaled[h], "mae": plain[h]} for h in range(len(plain))]
        origins = zip(x.folds, x.by_origin(), x.by_origin(scaled=False))
        by_fold += [{"model": name, "cutoff": str(f.cutoff), metric: m, "mae": a} for f, m, a in origins]
        scaled, plain = x.by_item(), x.by_item(scaled=False)
        for i in keep:
            ratio = np.nan if base is None or not base[i] > 0 else plain[i] / base[i]
            row = {"model": name, "item_id": evaluation.frame.items[i], metric: scaled[i], "mae": plain[i]}
            by_item.append({**row, "ratio_to_reference": ratio})
    return {
        "by_step": by_step,
        "by_fold": by_fold,
        "by_item": by_item,
        "folds": _folds(evaluation),
        "intervals": _coverage(evaluation),
        "lag_check": lag_checks,
        "ranks": _ranks(evaluation),
    }


def _ranks(evaluation: Evaluation) -> dict[str, Any]:
    """Mean ranks over series with Nemenyi's critical difference, where there are enough series to rank by."""
    losses = evaluation.losses["report"]
    if len(evaluation.frame.items) < FEWEST_RANKED or len(losses) < 3:
        return {}
    errors = np.stack([nan_mean(x.counted, (0, 2)) for x in losses.values()], axis=1)
    found = friedman_nemenyi(errors)
    if found.n_blocks < FEWEST_RANKED:
        return {}
    return {
        "models": list(losses),
        "ranks": [float(r) for r in found.ranks],
        "critical_difference": float(found.critical_difference),
        "p_value": found.p_value,
        "n_items": found.n_blocks,
    }


def _folds(evaluation: Evaluation) -> list[dict[str, Any]]:
    calendar, gap = evaluation.frame.calendar, evaluation.folds.plan.gap
    rows = []
    for fold in evaluation.folds.all:
        ahead = calendar.future(gap + fold.horizon, after=fold.position)
        rows.append(
            {
                "role": fold.role,
                "index": fold.index,
                "cutoff": str(fold.cutoff),
                "start": str(ahead[gap]),
                "end": str(ahead[-1]),
            }
        )
    return rows


def _coverage(evaluation: Evaluation) -> dict[str, Any]:
    """How often the recommended model's intervals held the answer, on report folds."""
    use = evaluation.verdict.use
    out: dict[str, Any] = {
        "calibrated": evaluation.verdict.calibrated,
        "source": f"{evaluation.interval_source()} folds",
        "model": use,
    }
    losses = evaluation.losses["report"].get(use)
    if losses is None or losses.quantile is None:
        return out
    intervals = evaluation.seeds[use][0].intervals
    if intervals is not None:
        out |= {"method": intervals.method, "pooled": intervals.pooled, "n_scores": intervals.n_scores}
        out["n_a_step"] = intervals.n_scores // len(intervals.offsets) if intervals.pooled else intervals.n_scores
        out["own"] = intervals.own
    out |= {level: found.to_dict() for level, found in coverages(losses).items() if found.n}
    return out


def report_data(folder: RunFolder, *, lang: str | None = None) -> ReportData:
    """Everything that the page shows, from the files of a run.

    Raises:
        ModelFileError: the run was not finished far enough, or a file is damaged.
    """
    facts, verdict, profile = folder.facts(), folder.json("verdict.json"), folder.json("profile.json")
    found = folder.json("diagnostics.json")
    board = folder.table("leaderboard.csv")
    backtest = _drawn(folder.table("backtest.parquet"), str(verdict["use"]))
    forecast = folder.table("forecast.csv") if (folder / "forecast.csv").exists() else pd.DataFrame()
    config = facts.get("config", {})
    return ReportData(
        title=str(profile.get("name", folder.path.name)),
        lang=lang or str(config.get("lang", "en")),
        verdict=verdict,
        profile=profile,
        leaderboard=board,
        history=_history(folder, backtest, facts),
        forecast=forecast,
        backtest=backtest,
        folds=_timed(pd.DataFrame(found["folds"]), "cutoff", "start", "end"),
        error_by_step=pd.DataFrame(found["by_step"]),
        error_by_fold=_timed(pd.DataFrame(found["by_fold"]), "cutoff"),
        error_by_item=pd.DataFrame(found["by_item"]),
        lag_check=found["lag_check"],
        curves=folder.table("learning_curves.csv"),
        intervals=found["intervals"],
        plan=facts.get("plan", {}),
        run=facts,
        units=str(profile.get("units") or ""),
        worth=folder.json("cost.json") if (folder / "cost.json").exists() else {},
        ranks=found.get("ranks") or {},
        explained=folder.json(EXPLAINED) if (folder / EXPLAINED).exists() else {},
        tuning=folder.json(TUNING).get("trials", []) if (folder / TUNING).exists() else [],
    )


def _timed(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Text back to times, or to int64 steps."""
    for column in columns:
        if column in table and len(table):
            numbers = table[column].astype(str).str.fullmatch(r"-?\d+").all()
            if numbers:
                table[column] = table[column].astype("int64")
            else:
                table[column] = pd.to_datetime(table[column], format="ISO8601")
    return table


def _drawn(backtest: pd.DataFrame, use: str) -> pd.DataFrame:
    """Report folds of the recommended model: its first seed, some series."""
    items = backtest["item_id"].unique()[:MOST_PICTURED]
    rows = backtest[(backtest["model"] == use) & (backtest["role"] == "report")]
    rows = rows[rows["item_id"].isin(items) & (rows["seed"] == rows["seed"].min())]
    return rows.reset_index(drop=True)


def _history(folder: RunFolder, backtest: pd.DataFrame, facts: dict[str, Any]) -> pd.DataFrame:
    plan = facts.get("plan", {})
    season = int(plan.get("season_length") or 1)
    rows = int(min(600, max(120, 3 * season, 8 * int(plan.get("horizon") or 1))))
    path = folder / "model" / "history.parquet"
    if path.exists():
        table = folder.table("model/history.parquet")
    else:
        # A backtest without a final model: what its answers tell.
        table = backtest.rename(columns={"actual": "target"})[["item_id", "timestamp", "target"]]
        table = table.drop_duplicates(["item_id", "timestamp"]).sort_values(["item_id", "timestamp"])
    return table.groupby("item_id", sort=False).tail(rows).reset_index(drop=True)


def write_page(folder: RunFolder, out: Path | None = None, *, lang: str | None = None) -> Path:
    """Render ``report.html``.

    Raises:
        ModelFileError: the run was not finished far enough, or a file is damaged.
        DataError: the page cannot be written.
    """
    with folder.damage_named(UndefinedError):
        page = render(report_data(folder, lang=lang))
    path = out or folder / "report.html"
    artifacts.write_text(path, page)
    return path
