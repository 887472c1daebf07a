"""The leaderboard: one row a model, from the losses of one role of folds.

Shapes: F folds, I items, H steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import UnknownNameError, near
from forecastkit.forecasting import significance
from forecastkit.forecasting.coverage import Coverage, coverage
from forecastkit.forecasting.metrics import COLUMNS
from forecastkit.forecasting.scores import Losses, comparable, nan_mean, over_origins
from forecastkit.forecasting.splits import FoldT

__all__ = ["coverages", "leaderboard", "summary"]

BOARD = ("mae", "rmse", "mase", "msse", "rmsse", "smape", "wape", "bias")
BOARD_QUANTILES = (
    "wql", "coverage_80", "coverage_80_lo", "coverage_80_hi", "coverage_95", "coverage_95_lo", "coverage_95_hi",
    "width_80", "width_95", "msis",
)  # fmt: skip


def summary(losses: Losses[Any]) -> dict[str, float]:
    """Scores over all scored cells; NaN = undefined on these data. Formulas: ``metrics``.

    MASE and RMSSE are means over origins of each origin's mean, the number that selection and tests count, so that
    a panel with ragged starts has one MASE and not two.
    """
    # The answers that were scored only: the denominators of WAPE, MAPE and WQL.
    size = np.where(losses.cells, np.abs(losses.answers), 0.0)
    out = {
        "mae": float(nan_mean(losses.ae)),
        "rmse": float(np.sqrt(nan_mean(losses.se))),
        "mase": over_origins(losses.ae / losses.scales.mase[:, :, None]),
        "rmsse": float(nan_mean(nan_mean(np.sqrt(nan_mean(losses.se, 2)) / losses.scales.rmsse, 1))),
        "smape": float(nan_mean(losses.sape)),
        "wape": _ratio(float(np.nansum(losses.ae)), float(size.sum())),
        "bias": float(nan_mean(losses.error)),
        "mape": _mape(losses),
    }
    if losses.scales.error == "squared":
        out["msse"] = float(nan_mean(losses.by_origin()))
    if losses.quantile is not None:
        q = losses.quantile
        scored = np.where(np.isnan(q.pinball), 0.0, size)
        out |= {
            "wql": _ratio(float(np.nansum(q.pinball)), float(scored.sum())),
            "coverage_80": float(nan_mean(q.inside_80)),
            "coverage_95": float(nan_mean(q.inside_95)),
            "width_80": float(nan_mean(q.width_80)),
            "width_95": float(nan_mean(q.width_95)),
            "msis": over_origins(q.winkler_95 / losses.scales.mase[:, :, None]),
        }
    return {name: value if np.isfinite(value) else float("nan") for name, value in out.items()}


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")


def _mape(losses: Losses[Any]) -> float:
    y = np.abs(losses.answers)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(losses.ae == 0, 0.0, losses.ae / y)
    return float(nan_mean(share))


def leaderboard(
    losses: Mapping[str, Losses[FoldT]],
    *,
    reference: str | None = None,
    families: Mapping[str, str] | None = None,
    failed: Mapping[str, str] | None = None,
    by_seed: Mapping[str, Sequence[Losses[FoldT]]] | None = None,
    select: Mapping[str, Losses[Any]] | None = None,
    metrics: Iterable[str] = (),
    n_boot: int = 2000,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """One row a model, lowest MASE first (MSSE, where squared errors count); failed models last, with their reason.

    Columns: ``model, family, status (ok | partial | failed), reason, mae, rmse, mase, msse (where it counts), rmsse, smape, wape, bias``, the
    quantile scores where a model has them (coverage with its 95 % interval), ``n_folds, n_items, n_cells, skill, skill_lo, skill_hi, p_value, p_holm,
    word, label, select_mase, n_seeds, mase_seed_sd``, the last and the third last named by what counts. NaN = undefined.

    Args:
        losses: of folds of one role.
        reference: the naive rule that the others are tested against; None = no tests.
        failed: model -> reason, for models without forecasts.
        by_seed: the single seeds behind ``losses``.
        select: losses on select folds, for the column ``select_mase``.
        metrics: further columns: ``mape``, ``owa`` (against ``reference``).
        n_boot: resamples behind the interval of the skill; 0 = none.

    Raises:
        UnknownNameError: ``reference`` or one of ``metrics`` does not exist here.
    """
    if reference is not None and reference not in losses:
        raise UnknownNameError(
            place="leaderboard", value=repr(reference), rule="no such model was scored", remedy=near(reference, losses)
        )
    extra = _extra(metrics)
    same, partial = comparable(losses)
    chosen_on = comparable(select)[0] if select else {}
    rows = []
    for name, x in same.items():
        if progress is not None:
            progress(name)
        row: dict[str, Any] = {"model": name, "family": (families or {}).get(name, "")}
        row |= {"status": "partial" if name in partial else "ok", "reason": partial.get(name, "")}
        row |= summary(x) | _coverage_bounds(x)
        row |= {"n_folds": int(x.cells.any(axis=(1, 2)).sum()), "n_items": int(x.cells.any(axis=(0, 2)).sum())}
        row["n_cells"] = int(x.cells.sum())
        if reference is not None:
            row |= _against(
                x, losses[name], losses[reference], same[reference], is_reference=name == reference, n_boot=n_boot
            )
        if name in chosen_on:
            row[f"select_{x.scales.metric}"] = float(nan_mean(chosen_on[name].by_origin()))
        row |= _seeds(by_seed.get(name, ()) if by_seed else ())
        rows.append(row)
    rows += [
        {"model": name, "family": (families or {}).get(name, ""), "status": "failed", "reason": reason}
        for name, reason in (failed or {}).items()
    ]
    table = pd.DataFrame(rows)
    if not same:  # every model failed: a table of reasons
        table = table.reindex(columns=["model", "family", "status", "reason", *[c for c in BOARD if c != "msse"]])
    return _board(table, extra, reference)


def _extra(metrics: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(metrics))
    for name in names:
        if name not in COLUMNS:
            raise UnknownNameError(
                place="leaderboard",
                value=repr(name),
                rule="not a column of the leaderboard",
                remedy=near(name, COLUMNS),
            )
    return [name for name in names if name in ("mape", "owa")]


def _coverage_bounds(x: Losses[Any]) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, found in coverages(x).items():
        out |= {f"coverage_{name}_lo": found.low, f"coverage_{name}_hi": found.high}
    return out


def coverages(x: Losses[Any]) -> dict[str, Coverage]:
    """``80`` and ``95`` -> how often those intervals held the answer; empty without intervals."""
    if x.quantile is None:
        return {}
    inside = {"80": x.quantile.inside_80, "95": x.quantile.inside_95}
    return {name: coverage(held, int(name) / 100, overlap=_overlap(x)) for name, held in inside.items()}


def _against(
    x: Losses[Any],
    own: Losses[Any],
    reference_own: Losses[Any],
    reference: Losses[Any],
    *,
    is_reference: bool,
    n_boot: int,
) -> dict[str, Any]:
    """Skill and test of one model against the reference, on the cells that both have."""
    if is_reference:
        return {"skill": 0.0, "skill_lo": np.nan, "skill_hi": np.nan, "p_value": np.nan, "word": "", "label": ""}
    if (x.cells != reference.cells).any():  # a partial model
        both = own.cells & reference_own.cells
        x, reference = own.only(both), reference_own.only(both)
    test = significance.compare(x.counted, reference.counted, x.scales.unit, overlap=_overlap(x))
    skill = significance.block_bootstrap(x.item_sums(), reference.item_sums(), block=_overlap(x), n_boot=n_boot)
    return {
        "skill": skill.skill,
        "skill_lo": np.nan if skill.low is None else skill.low,
        "skill_hi": np.nan if skill.high is None else skill.high,
        "p_value": np.nan if test.p_value is None else test.p_value,
        "word": test.verdict,
        "label": test.label,
    }


def _overlap(x: Losses[Any]) -> int:
    """Gap and horizon counted in folds, as ``EvalPlan.overlap``; 1 for a single fold."""
    if len(x.folds) < 2:
        return 1
    stride = min(b.position - a.position for a, b in zip(x.folds, x.folds[1:]))
    return -(-(x.folds[0].gap + x.folds[0].horizon) // max(1, stride))


def _seeds(by_seed: Sequence[Losses[Any]]) -> dict[str, Any]:
    if not by_seed:
        return {}
    _, sd, n = significance.spread([float(nan_mean(x.by_origin())) for x in by_seed])
    return {"n_seeds": n, f"{by_seed[0].scales.metric}_seed_sd": sd}


def _board(table: pd.DataFrame, extra: list[str], reference: str | None) -> pd.DataFrame:
    if reference is not None and "p_value" in table:
        table["p_holm"] = significance.holm(table["p_value"].to_numpy(np.float64))
        # Of many models one looks better by chance: the word of a row counts them.
        unsure = (table["p_holm"] >= significance.ALPHA) & table["word"].isin([significance.BETTER, significance.WORSE])
        table["word"] = table["word"].mask(unsure, significance.INDISTINGUISHABLE)
    if "owa" in extra and reference is not None:
        base = table.loc[table["model"] == reference].iloc[0]
        owa = (table["smape"] / base["smape"] + table["mase"] / base["mase"]) / 2
        table["owa"] = owa.where(np.isfinite(owa))
    present = [c for c in (*BOARD, *extra, *BOARD_QUANTILES) if c in table]
    head = ["model", "family", "status", "reason", *present, "n_folds", "n_items", "n_cells"]
    tests = ["skill", "skill_lo", "skill_hi", "p_value", "p_holm", "word", "label"] if reference is not None else []
    tail = [c for c in ("select_mase", "select_msse", "n_seeds", "mase_seed_sd", "msse_seed_sd") if c in table]
    table = table.reindex(columns=[*head, *tests, *tail])
    for name in ("word", "label"):
        if name in table:
            table[name] = table[name].fillna("")
    key = table["msse" if "msse" in table else "mase"].fillna(np.inf).to_numpy(np.float64)
    if not np.isfinite(key).any():  # no scale is defined anywhere: rank by MAE
        key = table["mae"].fillna(np.inf).to_numpy(np.float64)
    rank = table["status"].map({"ok": 0, "partial": 1, "failed": 2}).to_numpy()
    order = np.lexsort((np.arange(len(table)), key, rank))
    return table.iloc[order].reset_index(drop=True)
