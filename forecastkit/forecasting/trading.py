"""A long or flat rule for prices, with fees, beside buying and holding: what a forecast would have been worth.

At a cutoff the forecast of the horizon's last step decides: above the last price by more than the fee, hold until that
step; else be out. Cutoffs whose horizons overlap one already used are passed over. The naive forecast never trades, the
drift forecast nearly always holds: a model that earns less than both has earned nothing by its skill.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting import significance
from forecastkit.forecasting.cost import plain_records, records, report_rows
from forecastkit.forecasting.cost_words import word_of
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import NAIVES
from forecastkit.wording import amount, decimal_comma, p_value, share

__all__ = ["HOLD", "WARNING", "Trading", "max_drawdown", "positive_prices", "trade"]

HOLD = "buy_and_hold"
BASIS_POINT = 1e-4
YEAR_SECONDS = 365.25 * 86400
SHORTEST_YEARS = 0.25
"""Under a quarter of a year a return is not brought to one year: a good month would look like a fortune."""

MOST_POINTS = 600

WARNING = {
    "en": (
        "What this cannot show: every purchase and sale is made at the very price the forecast started from, without "
        "slippage or limits; series that died are not in the file (survivorship); adjusted prices carry splits and "
        "dividends that were known only later; it is one history, and a rule looked at after the fact will look better "
        "than it will be. It is no advice to trade."
    ),
    "es": (
        "Lo que esto no puede mostrar: cada compra y venta se hace al mismo precio del que parte el pronóstico, sin "
        "deslizamiento ni límites; las series que desaparecieron no están en el archivo (supervivencia); los precios "
        "ajustados llevan divisiones y dividendos que solo se supieron después; es una sola historia, y una regla mirada "
        "a posteriori parece mejor de lo que será. No es un consejo de inversión."
    ),
}


@dataclass(frozen=True, eq=False)
class Trading:
    """Outcome of the rule for every model, beside buying and holding.

    Args:
        table: a row a rule, ``model, total_return, annual_return, max_drawdown, n_trades, invested, p_value, word,
            n_periods, n_items, n_seeds, p_holm``; shares, not per cent. ``word`` is the test of its log returns a period
            against those of holding. ``annual_return`` is NaN for integer time and under a quarter of a year.
        equity: ``timestamp`` and a column a rule, 1 at the start.
        fee: basis points for each purchase and each sale.
        model: whom the sentence is about.
    """

    table: pd.DataFrame
    equity: pd.DataFrame
    fee: float
    model: str
    sentence: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; undefined numbers are None, long curves are thinned."""
        n = len(self.equity)
        keep = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(int))
        curves = self.equity.iloc[keep]
        return {
            "fee": self.fee,
            "model": self.model,
            "table": plain_records(self.table),
            "equity": {
                "timestamp": [str(t) for t in curves["timestamp"]],
                "curves": {name: curves[name].round(6).tolist() for name in curves.columns[1:]},
            },
            "sentence": self.sentence,
            "warning": WARNING,
        }


def max_drawdown(equity: np.ndarray) -> float:
    """Largest fall from a former high, as a share of it.

    >>> max_drawdown(np.array([1.0, 2.0, 1.5, 3.0]))
    0.25
    """
    high = np.maximum.accumulate(equity)
    return float(np.max(1.0 - equity / high))


def trade(
    backtest: pd.DataFrame, frame: SeriesFrame, *, fee: float = 0.0, use: str | None = None, chosen_here: bool = False
) -> Trading:
    """Trade every model's report forecasts by the rule of this module.

    Capital is shared out evenly over series and seeds at the start and never moved between them. A position is opened
    and closed at the last price seen at its cutoff, and all are closed at the end.

    Args:
        backtest: forecast frame with ``role`` and ``actual``; report folds are used.
        frame: the prices.
        fee: basis points of the traded sum, for each purchase and each sale.
        use: the model of the sentence; None = the first that is not a naive rule.
        chosen_here: whether ``use`` was chosen on these very forecasts; its test is then Holm's.

    Raises:
        ConfigError: prices that are not positive, a wrong fee, an unknown model.
        DataError: no report fold with an answer.
    """
    if not (isinstance(fee, (int, float, np.number)) and math.isfinite(fee) and 0 <= fee < 1 / BASIS_POINT):
        raise ConfigError(
            place="--fee", value=str(fee), rule="basis points from 0 to below 10000 are needed", remedy="10 is 0.1 %."
        )
    prices = positive_prices(frame)
    rows = report_rows(backtest).reset_index(drop=True)
    names = list(dict.fromkeys(rows["model"].astype(str)))
    if use is not None and use not in (*names, "naive"):
        raise ConfigError(place="trading", value=repr(use), rule="no such model was scored", remedy=near(use, names))
    rows = _placed(rows, frame)
    plan = _Plan.of(rows)
    curves, facts = {}, {}
    for name in names:
        curves[name], facts[name] = _portfolio(rows[(rows["model"] == name).to_numpy()], plan, prices, fee)
    first = curves[names[0]]
    curves.setdefault("naive", np.ones_like(first))
    facts.setdefault("naive", {"n_trades": 0.0, "invested": 0.0, "n_seeds": 1})
    curves[HOLD], facts[HOLD] = _hold(plan, prices, fee)
    years = plan.years(frame)
    table = pd.DataFrame([_row(n, curves[n], facts[n], curves[HOLD], plan, years) for n in curves])
    table["p_holm"] = significance.holm(table["p_value"].to_numpy(np.float64))
    order = np.lexsort((np.arange(len(table)), -table["total_return"]))
    table = table.iloc[order].reset_index(drop=True)
    others = [n for n in names if n not in NAIVES]
    model = use or (others[0] if others else "drift" if "drift" in names else names[0])
    times = frame.calendar.instants[plan.start : plan.end + 1]
    equity = pd.DataFrame({"timestamp": times} | {n: curves[n] for n in [HOLD, *curves] if n in curves})
    return Trading(table, equity, float(fee), model, _sentences(table, model, fee, chosen_here))


def positive_prices(frame: SeriesFrame) -> np.ndarray:
    """Last prices seen [I, n_instants]; NaN before a series' first.

    Raises:
        ConfigError: a price is not positive.
    """
    store = frame.store
    out = np.full((len(store), len(frame.calendar)), np.nan)
    for i in range(len(store)):
        y = store.series(i)
        if (y[np.isfinite(y)] <= 0).any():
            raise ConfigError(
                place=f"--fee, series {store.items[i]!r}",
                value=f"{np.nanmin(y):g}",
                rule="a trading rule needs prices above 0",
                remedy="Leave out --fee, or choose a price with --target.",
            )
        last = np.maximum.accumulate(np.where(np.isfinite(y), np.arange(len(y)), 0))
        out[i, store.starts[i] : store.ends[i] + 1] = y[last]
        out[i, store.ends[i] + 1 :] = y[last[-1]]
    return out


def _placed(rows: pd.DataFrame, frame: SeriesFrame) -> pd.DataFrame:
    """Rows with ``code`` (series), ``at`` and ``end`` (calendar positions of cutoff and step)."""
    items = {name: i for i, name in enumerate(frame.items)}
    code = rows["item_id"].map(items)
    if code.isna().any():
        unknown = str(rows.loc[code.isna(), "item_id"].iloc[0])
        raise DataError(place="backtest frame", value=repr(unknown), rule="no such series", remedy=near(unknown, items))
    position = frame.calendar.position
    return rows.assign(code=code.astype(np.int64), at=position(rows["cutoff"]), end=position(rows["timestamp"]))


@dataclass(frozen=True, eq=False)
class _Plan:
    """When decisions are made: one set of instants for all models, as calendar positions.

    Args:
        windows: (series, cutoff, end) [n, 3] of horizons that do not overlap, by series and time.
        start, end: of the whole.
    """

    windows: np.ndarray
    start: int
    end: int

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Plan:
        ends = rows.groupby(["code", "at"], sort=True)["end"].max().reset_index().to_numpy(np.int64)
        kept, last, busy = [], -1, -1
        for i, a, e in ends.tolist():
            if i != last:
                last, busy = i, -1
            if a >= busy:
                kept.append((i, a, e))
                busy = e
        windows = np.asarray(kept, dtype=np.int64).reshape(-1, 3)
        return cls(windows, int(windows[:, 1].min()), int(windows[:, 2].max()))

    def years(self, frame: SeriesFrame) -> float:
        """Length in years; NaN for integer time."""
        if frame.calendar.is_integer:
            return math.nan
        span = frame.calendar.instants[self.end] - frame.calendar.instants[self.start]
        return float(span.total_seconds()) / YEAR_SECONDS

    @property
    def periods(self) -> np.ndarray:
        """Distinct decision instants and the end, ascending, counted from ``start``."""
        return np.unique(np.r_[self.windows[:, 1], self.end]) - self.start


def _portfolio(rows: pd.DataFrame, plan: _Plan, prices: np.ndarray, fee: float) -> tuple[np.ndarray, dict[str, float]]:
    """Equity [n_instants] of one model over all series and seeds, and its facts."""
    seeds = list(rows["seed"].unique()) if "seed" in rows else [None]
    curves, trades, held = [], 0, []
    for seed in seeds:
        part = rows if seed is None else rows[(rows["seed"] == seed).to_numpy()]
        long = _signals(part, plan, prices, fee)
        for i in np.unique(plan.windows[:, 0]):
            own = plan.windows[:, 0] == i
            curve, n, inside = _equity(plan.windows[own, 1:], long[own], prices[i], plan, fee)
            curves.append(curve)
            trades += n
            held.append(inside)
    facts = {"n_trades": trades / len(seeds), "invested": float(np.mean(held)), "n_seeds": len(seeds)}
    return np.mean(curves, axis=0), facts


def _signals(part: pd.DataFrame, plan: _Plan, prices: np.ndarray, fee: float) -> np.ndarray:
    """[n_windows] bool: the forecast of the last step lies above the last price by more than the fee."""
    last = part.sort_values("end", kind="stable").drop_duplicates(["code", "at"], keep="last")
    forecast = dict(zip(zip(last["code"].tolist(), last["at"].tolist()), last["point"].tolist()))
    return np.array(
        [forecast.get((i, a), math.nan) > prices[i, a] * (1 + fee * BASIS_POINT) for i, a, _ in plan.windows.tolist()]
    )


def _equity(
    windows: np.ndarray, long: np.ndarray, price: np.ndarray, plan: _Plan, fee: float
) -> tuple[np.ndarray, int, float]:
    """Equity [n_instants] of one series from 1, purchases and sales, and the share of the time invested.

    Args:
        windows: (cutoff, end) [n, 2].
        long: [n] whether to hold each.
    """
    keep = 1 - fee * BASIS_POINT
    value = np.ones(plan.end - plan.start + 1)
    cash, shares, trades, inside, out_at = 1.0, 0.0, 0, 0, -1
    for (a, e), hold in zip(windows.tolist(), long.tolist()):
        if shares and (not hold or a > out_at):
            cash, shares, trades = shares * price[out_at] * keep, 0.0, trades + 1
            value[out_at - plan.start :] = cash
        if hold:
            if not shares:
                shares, trades = cash * keep / price[a], trades + 1
            value[a - plan.start : e + 1 - plan.start] = shares * price[a : e + 1]
            inside, out_at = inside + e - a, e
    if shares:
        trades += 1
        value[out_at - plan.start :] = shares * price[out_at] * keep
    return value, trades, inside / max(1, plan.end - plan.start)


def _hold(plan: _Plan, prices: np.ndarray, fee: float) -> tuple[np.ndarray, dict[str, float]]:
    """Equity of buying every series at its first decision and selling at the end of its last."""
    curves, held, trades = [], [], 0
    for i in np.unique(plan.windows[:, 0]):
        own = plan.windows[plan.windows[:, 0] == i, 1:]
        curve, n, inside = _equity(np.array([[own[0, 0], own[-1, 1]]]), np.ones(1, bool), prices[i], plan, fee)
        curves.append(curve)
        held.append(inside)
        trades += n
    return np.mean(curves, axis=0), {"n_trades": float(trades), "invested": float(np.mean(held)), "n_seeds": 1}


def _row(
    name: str, curve: np.ndarray, facts: dict[str, float], hold: np.ndarray, plan: _Plan, years: float
) -> dict[str, Any]:
    total = float(curve[-1])
    row: dict[str, Any] = {
        "model": name,
        "total_return": total - 1,
        "annual_return": total ** (1 / years) - 1 if years >= SHORTEST_YEARS else math.nan,
        "max_drawdown": max_drawdown(curve),
        "n_trades": facts["n_trades"],
        "invested": facts["invested"],
    }
    growth = np.diff(np.log(curve[plan.periods])) - np.diff(np.log(hold[plan.periods]))
    # A loss is what the test compares: less growth than holding is a positive difference.
    test = None if name == HOLD else significance.diebold_mariano(-growth)
    row["p_value"] = math.nan if test is None or test.p_value is None else test.p_value
    row["word"] = "" if test is None else test.verdict
    return row | {
        "n_periods": len(plan.periods) - 1,
        "n_items": len(np.unique(plan.windows[:, 0])),
        "n_seeds": int(facts["n_seeds"]),
    }


def _sentences(table: pd.DataFrame, model: str, fee: float, chosen_here: bool) -> dict[str, str]:
    rows: dict[str, dict[str, Any]] = {str(row["model"]): dict(row) for row in records(table)}
    own, hold = rows[model], rows[HOLD]
    out = {}
    for lang in ("en", "es"):
        en = lang == "en"

        def gain(name: str, lang: str = lang) -> str:
            value = float(rows[name]["total_return"])
            return ("+" if value > 0 else "") + share(value, lang)

        rules = [("naive", "never trades" if en else "nunca opera"), ("drift", "")]
        beside = [f"{n} {gain(n)}{f' ({why})' if why else ''}" for n, why in rules if n in rows and n != model]
        n = amount(float(own["n_trades"]), lang)
        if en:
            text = (
                f"Long or flat by {model}, {fee:g} basis points a trade: {gain(model)}, with a deepest fall of "
                f"{share(own['max_drawdown'])} and {n} trades; buying and holding {gain(HOLD)}, deepest fall "
                f"{share(hold['max_drawdown'])}; {'; '.join(beside)}."
            )
        else:
            text = (
                f"Comprado o fuera según {model}, {decimal_comma(f'{fee:g}')} puntos básicos por operación: {gain(model)}, con una caída "
                f"máxima del {share(own['max_drawdown'], lang)} y {n} operaciones; comprar y mantener {gain(HOLD)}, caída "
                f"máxima del {share(hold['max_drawdown'], lang)}; {'; '.join(beside)}."
            )
        out[lang] = f"{text} {_evidence(own, lang, chosen_here)}"
    return out


def _evidence(row: dict[str, Any], lang: str, chosen_here: bool) -> str:
    (word, column), en, n = word_of(row, chosen_here), lang == "en", int(row["n_periods"])
    if word == significance.TOO_FEW:
        return (
            f"{n} periods are too few to tell it from holding."
            if en
            else f"{n} periodos son pocos para distinguirlo de mantener."
        )
    if not math.isfinite(row[column]):
        return "It did what holding did." if en else "Hizo lo mismo que mantener."
    p = f" ({p_value(row[column], lang)})"
    if word == significance.BETTER:
        return f"That is shown to be more than holding{p}." if en else f"Demuestra ganar más que mantener{p}."
    if word == significance.WORSE:
        return f"That is shown to be less than holding{p}." if en else f"Demuestra ganar menos que mantener{p}."
    return f"The difference from holding may be chance{p}." if en else f"La diferencia con mantener puede ser azar{p}."
