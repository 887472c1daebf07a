"""What forecasts cost where too much and too little do not cost the same.

With a cost per unit of excess (``over``) and per unit of shortage (``under``), the cheapest decision is not the mean
but the quantile ``under / (under + over)`` of what may come: the newsvendor's critical ratio. Costs are read from report
folds only, model and naive rule on the same cells.

Source: Arrow, Harris and Marschak (1951), Econometrica 19(3), doi:10.2307/1906813.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting import significance
from forecastkit.forecasting.cost_words import notes, sentence
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import LEAST_SHARE

__all__ = [
    "Cost", "cost_table", "money", "overlap_of", "plain_records", "quantile_at", "quantile_columns", "records", "report_rows",
]  # fmt: skip

KEYS = ("over", "under")


@dataclass(frozen=True)
class Cost:
    """Cost of one unit too much and of one unit too little.

    Args:
        over: per unit by which a forecast exceeds what came.
        under: per unit by which it falls short.

    Raises:
        ConfigError: not a finite number above 0.

    >>> Cost(over=1, under=4).tau
    0.8
    """

    over: float = 1.0
    under: float = 1.0

    def __post_init__(self) -> None:
        for key in KEYS:
            value = getattr(self, key)
            ok = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
            if not (ok and math.isfinite(value) and value > 0):
                raise _wrong(f"{key}={value}", "a number above 0 is needed")
            object.__setattr__(self, key, float(value))

    @classmethod
    def parse(cls, value: Cost | str | Mapping[str, Any]) -> Cost:
        """From ``"over=1,under=4"`` or a mapping; a key that is left out counts 1.

        Raises:
            ConfigError: another key, a key given twice, or no positive number.
        """
        if isinstance(value, Cost):
            return value
        if isinstance(value, Mapping):
            pairs = [(str(k), v) for k, v in value.items()]
        else:
            pairs = [_pair(word) for word in str(value).split(",")]
        found: dict[str, float] = {}
        for key, number in pairs:
            if key not in KEYS:
                raise _wrong(repr(key), "only over and under are costs", near(key, KEYS))
            if key in found:
                raise _wrong(key, "given twice", "Give it once.")
            found[key] = number
        return cls(**found)

    @property
    def tau(self) -> float:
        """The quantile of least expected cost."""
        return self.under / (self.under + self.over)

    def of(self, forecast: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """Cost of each forecast, in units of cost; NaN where either is.

        >>> Cost(over=1, under=4).of(np.array([12.0, 8.0]), np.array([10.0, 10.0]))
        array([2., 8.])
        """
        excess = np.asarray(forecast, dtype=np.float64) - np.asarray(actual, dtype=np.float64)
        return np.where(excess > 0, self.over * excess, -self.under * excess) + 0.0

    def __str__(self) -> str:
        return f"over={self.over:g},under={self.under:g}"


def _wrong(value: str, rule: str, remedy: str = "Write for instance --cost over=1,under=4.") -> ConfigError:
    return ConfigError(place="--cost", value=value, rule=rule, remedy=remedy)


def _pair(word: str) -> tuple[str, float]:
    key, equals, text = word.partition("=")
    if not equals or not key.strip():
        raise _wrong(repr(word), "not key=number")
    try:
        return key.strip(), float(text)
    except ValueError:
        raise _wrong(repr(word), "not a number") from None


def quantile_columns(table: pd.DataFrame) -> dict[float, str]:
    """Levels in ascending order -> columns of a forecast frame that hold them.

    >>> quantile_columns(pd.DataFrame(columns=["point", "0.9", "0.1", "2"]))
    {0.1: '0.1', 0.9: '0.9'}
    """
    found = {}
    for name in table.columns:
        try:
            level = float(str(name))
        except ValueError:
            continue
        if 0 < level < 1:
            found[level] = str(name)
    return dict(sorted(found.items()))


def quantile_at(levels: Sequence[float], values: np.ndarray, tau: float) -> np.ndarray:
    """The quantile ``tau`` by linear interpolation between neighbouring levels; beyond the outer ones, the outer one.

    Args:
        levels: [Q] ascending.
        values: [..., Q].

    >>> quantile_at([0.5, 0.9], np.array([[10.0, 18.0]]), 0.8)
    array([16.])
    """
    known = np.asarray(levels, dtype=np.float64)
    right = int(np.searchsorted(known, tau))
    if right == 0 or right == len(known):
        return values[..., min(right, len(known) - 1)].astype(np.float64)
    if abs(known[right] - tau) < 1e-12:
        return values[..., right].astype(np.float64)
    weight = (tau - known[right - 1]) / (known[right] - known[right - 1])
    return (1 - weight) * values[..., right - 1] + weight * values[..., right]


def report_rows(backtest: pd.DataFrame) -> pd.DataFrame:
    """Rows of report folds with an answer; a frame without ``role`` is taken whole.

    Raises:
        DataError: columns are missing, or nothing is left.
    """
    missing = [c for c in ("item_id", "cutoff", "timestamp", "step", "model", "point", "actual") if c not in backtest]
    if missing:
        raise DataError(
            place="backtest frame", value=", ".join(missing), rule="these columns are missing", remedy="Add them."
        )
    rows = backtest if "role" not in backtest else backtest[backtest["role"] == "report"]
    rows = rows[np.isfinite(rows["actual"].to_numpy(np.float64))]
    if not len(rows):
        raise DataError(place="backtest frame", rule="no report fold has an answer", remedy="Run a longer backtest.")
    return rows


def overlap_of(rows: pd.DataFrame, frame: SeriesFrame) -> int:
    """Gap and horizon counted in folds, as ``EvalPlan.overlap``; 1 for a single fold."""
    last = rows.groupby(["item_id", "cutoff"], sort=True, observed=True)["timestamp"].max().reset_index()
    at, end = frame.calendar.position(last["cutoff"]), frame.calendar.position(last["timestamp"])
    item = last["item_id"].to_numpy()
    strides = np.diff(at)[item[1:] == item[:-1]]
    return -(-int((end - at).max()) // max(1, int(strides.min()))) if len(strides) else 1


@dataclass(frozen=True, eq=False)
class _Cells:
    """Where each row stands among [F folds, I items, H steps]."""

    fold: np.ndarray
    item: np.ndarray
    step: np.ndarray
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, rows: pd.DataFrame, align: str) -> _Cells:
        item, items = pd.factorize(rows["item_id"])
        cutoff, cutoffs = pd.factorize(rows["cutoff"], sort=True)
        n_folds = len(cutoffs)
        if align == "end":
            # Cutoffs counted from each series' own end: the k-th from the last is one fold.
            pair = item.astype(np.int64) * n_folds + cutoff
            unique, inverse = np.unique(pair, return_inverse=True)
            owner = unique // n_folds
            last = np.searchsorted(owner, owner, side="right") - 1
            back = last - np.arange(len(unique))
            n_folds = int(back.max()) + 1
            cutoff = (n_folds - 1 - back)[inverse]
        step = rows["step"].to_numpy(np.int64) - 1
        return cls(cutoff, item, step, (n_folds, len(items), int(step.max()) + 1))

    def cube(self, which: np.ndarray, values: np.ndarray) -> np.ndarray:
        """[F, I, H] of one model and seed; NaN where it has no row."""
        out = np.full(self.shape, np.nan)
        out[self.fold[which], self.item[which], self.step[which]] = values
        return out


def _decisions(rows: pd.DataFrame, tau: float) -> np.ndarray | None:
    """The quantile ``tau`` of each row; None where the model has no quantiles, or not for all rows."""
    columns = {q: c for q, c in quantile_columns(rows).items() if np.isfinite(rows[c].to_numpy(np.float64)).any()}
    if not columns:
        return None
    out = quantile_at(list(columns), rows[list(columns.values())].to_numpy(np.float64), tau)
    return out if np.isfinite(out).all() else None


def cost_table(
    backtest: pd.DataFrame,
    cost: Cost,
    *,
    reference: str = "naive",
    overlap: int = 1,
    align: str = "calendar",
    n_boot: int = 2000,
) -> pd.DataFrame:
    """Mean cost of each model's decisions per forecast value, cheapest first.

    Columns: ``model, status (ok | partial), rule (quantile | point), cost, cost_point, saving, saving_lo, saving_hi,
    p_value, p_holm, word, n_folds, n_items, n_cells, n_seeds``. ``cost`` is that of the quantile ``cost.tau`` where the
    model has quantiles, else of its point; ``saving`` is 1 - the sum of costs over that of the reference under the
    same rule, its interval a block bootstrap over origins, ``word`` the Diebold-Mariano test of one cost difference
    per origin. NaN = undefined. Costs of several seeds are averaged.

    Args:
        backtest: forecast frame with ``role``, ``seed`` and ``actual``; report folds are used.
        reference: the naive rule beside which the others stand.
        overlap: see ``EvalPlan.overlap``.
        align: ``"end"`` where cutoffs were counted from each series' own end.
        n_boot: resamples.

    Raises:
        DataError: no report fold with an answer.
        ConfigError: the reference is not among the models.
    """
    rows = report_rows(backtest).reset_index(drop=True)
    names = list(dict.fromkeys(rows["model"].astype(str)))
    if reference not in names:
        raise ConfigError(
            place="cost", value=repr(reference), rule="no such model was scored", remedy=near(reference, names)
        )
    points, aimed, seeds = _costs(rows, cost, align)
    cells = {name: np.isfinite(x) for name, x in points.items()}
    n_any = int(np.logical_or.reduce(list(cells.values())).sum())
    whole = [name for name in names if cells[name].sum() >= LEAST_SHARE * n_any] or names
    common = np.logical_and.reduce([cells[name] for name in {*whole, reference}])
    out = []
    for name in names:
        partial = name not in whole
        where = cells[name] & cells[reference] if partial else common
        by_quantile = name in aimed
        own = aimed.get(name, points[name])
        base = aimed[reference] if by_quantile and reference in aimed else points[reference]
        own_point = np.where(where, points[name], np.nan)
        own, base = np.where(where, own, np.nan), np.where(where, base, np.nan)
        row: dict[str, Any] = {
            "model": name,
            "status": "partial" if partial else "ok",
            "rule": "quantile" if by_quantile else "point",
            "cost": _mean(own),
            "cost_point": _mean(own_point),
        }
        row |= _against(own, base, overlap, n_boot) if name != reference else {"saving": 0.0, "word": ""}
        row |= {"n_folds": int(where.any(axis=(1, 2)).sum()), "n_items": int(where.any(axis=(0, 2)).sum())}
        out.append(row | {"n_cells": int(where.sum()), "n_seeds": seeds[name]})
    table = pd.DataFrame(out).reindex(
        columns=["model", "status", "rule", "cost", "cost_point", "saving", "saving_lo", "saving_hi", "p_value",
                 "p_holm", "word", "n_folds", "n_items", "n_cells", "n_seeds"]
    )  # fmt: skip
    table["p_holm"] = significance.holm(table["p_value"].to_numpy(np.float64))
    order = np.lexsort((np.arange(len(table)), table["cost"], table["status"] == "partial"))
    return table.iloc[order].reset_index(drop=True)


def _costs(
    rows: pd.DataFrame, cost: Cost, align: str
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, int]]:
    """Model -> costs [F, I, H] of its points; of its quantile, where it has them; its number of seeds."""
    cells = _Cells.of(rows, align)
    groups = rows.groupby(["model", "seed"] if "seed" in rows else ["model"], sort=False, observed=True).indices
    points: dict[str, list[np.ndarray]] = {}
    aimed: dict[str, list[np.ndarray | None]] = {}
    for key, found in groups.items():
        which = np.asarray(found, dtype=np.int64)
        name = str(key[0] if isinstance(key, tuple) else key)
        part = rows.iloc[which]
        actual = part["actual"].to_numpy(np.float64)
        points.setdefault(name, []).append(cells.cube(which, cost.of(part["point"].to_numpy(np.float64), actual)))
        decision = _decisions(part, cost.tau)
        aimed.setdefault(name, []).append(None if decision is None else cells.cube(which, cost.of(decision, actual)))
    good = {name: [x for x in cubes if x is not None] for name, cubes in aimed.items()}
    return (
        {name: np.mean(cubes, axis=0) for name, cubes in points.items()},
        {name: np.mean(cubes, axis=0) for name, cubes in good.items() if len(cubes) == len(points[name])},
        {name: len(cubes) for name, cubes in points.items()},
    )


def _mean(cube: np.ndarray) -> float:
    seen = cube[np.isfinite(cube)]
    return float(seen.mean()) if len(seen) else math.nan


def _against(own: np.ndarray, base: np.ndarray, overlap: int, n_boot: int) -> dict[str, Any]:
    # Money adds up over series: one sum per origin, not a mean of ratios over series.
    a, b = (_by_origin(x) for x in (own, base))
    skill = significance.block_bootstrap(a, b, block=overlap, n_boot=n_boot)
    test = significance.compare(own, base, None, overlap=overlap)
    total = float(np.nansum(b))
    saving = 1 - float(np.nansum(a)) / total if total > 0 else math.nan
    return {
        "saving": saving,
        "saving_lo": math.nan if skill.low is None or total <= 0 else skill.low,
        "saving_hi": math.nan if skill.high is None or total <= 0 else skill.high,
        "p_value": math.nan if test.p_value is None else test.p_value,
        "word": test.verdict,
    }


def _by_origin(cube: np.ndarray) -> np.ndarray:
    """[F, 1] sums over items and steps; NaN for an origin without a cell."""
    seen = np.isfinite(cube)
    return np.where(seen.any(axis=(1, 2)), np.sum(np.where(seen, cube, 0.0), axis=(1, 2)), np.nan)[:, None]


def money(
    backtest: pd.DataFrame,
    cost: Cost | str | Mapping[str, Any] | None,
    fee: float | None,
    frame: SeriesFrame,
    *,
    use: str | None = None,
    reference: str = "naive",
    align: str = "calendar",
    chosen_here: bool = False,
) -> dict[str, Any]:
    """What the forecasts of a backtest were worth; JSON-able, undefined numbers are None.

    Args:
        backtest: the forecast frame of all models, with ``role``, ``seed`` and ``actual``.
        cost: None = no cost table.
        fee: basis points for each purchase and each sale; None = no trading rule.
        frame: the series, for prices and the calendar.
        use: the model that the sentence is about; None = the cheapest on select folds, else the reference.
        reference: the naive rule beside it.
        align: of the plan.
        chosen_here: whether ``use`` was chosen on these very forecasts; its test is then Holm's, over all models.

    Returns:
        ``cost``: over, under, tau, model, reference, table (rows of ``cost_table``), sentence {en, es}, notes {en, es};
        ``trading``: see ``trading.trade``. A part that was not asked for is None.

    Raises:
        ConfigError: no cost, a wrong fee, or prices that are not positive.
        DataError: no report fold with an answer.
    """
    out: dict[str, Any] = {"cost": None, "trading": None}
    if cost is not None:
        out["cost"] = _cost_part(backtest, Cost.parse(cost), frame, use, reference, align, chosen_here)
    if fee is not None:
        from forecastkit.forecasting.trading import trade

        out["trading"] = trade(backtest, frame, fee=fee, use=use, chosen_here=chosen_here).to_dict()
    return out


def _cost_part(
    backtest: pd.DataFrame,
    cost: Cost,
    frame: SeriesFrame,
    use: str | None,
    reference: str,
    align: str,
    chosen_here: bool,
) -> dict[str, Any]:
    overlap = overlap_of(report_rows(backtest), frame)
    table = cost_table(backtest, cost, reference=reference, overlap=overlap, align=align)
    names = list(table["model"])
    model = use if use is not None else _cheapest_before(backtest, cost, names, align) or reference
    if model not in names:
        raise ConfigError(place="cost", value=repr(model), rule="no such model was scored", remedy=near(model, names))
    rows: dict[str, dict[str, Any]] = {str(row["model"]): row for row in records(table)}
    levels = list(quantile_columns(backtest))
    by_quantile = rows[model]["rule"] == "quantile"
    return {
        "over": cost.over,
        "under": cost.under,
        "tau": cost.tau,
        "model": model,
        "reference": reference,
        "table": plain_records(table),
        "sentence": sentence(rows, cost, model, reference, chosen_here=chosen_here),
        "notes": notes(levels, cost.tau) if by_quantile else {"en": [], "es": []},
    }


def _cheapest_before(backtest: pd.DataFrame, cost: Cost, names: list[str], align: str) -> str | None:
    """The model of least point cost on select folds: report folds never choose."""
    if "role" not in backtest or not (backtest["role"] == "select").any():
        return None
    rows = backtest[(backtest["role"] == "select") & backtest["model"].isin(names)]
    rows = rows[np.isfinite(rows["actual"].to_numpy(np.float64))].reset_index(drop=True)
    if not len(rows):
        return None
    points, _, _ = _costs(rows, cost, align)
    common = np.logical_and.reduce([np.isfinite(x) for x in points.values()])
    return min(points, key=lambda name: _mean(np.where(common, points[name], np.nan))) if common.any() else None


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries by column name."""
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The same for JSON: an undefined number is None."""
    return [{k: _plain(v) for k, v in row.items()} for row in records(table)]


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
