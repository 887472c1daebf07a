"""The part of the page that compares all models: leaderboard, ranks, intervals, money, time and memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from markupsafe import Markup

from forecastkit.report import charts
from forecastkit.report.data import ReportData
from forecastkit.report.numbers import headline, number, p_text, percent, seconds, ticks
from forecastkit.report.remarks import remark
from forecastkit.report.rendering import both
from forecastkit.report.tables import shown_word, time_words

__all__ = ["bands", "board", "costs", "money", "pareto", "ranks", "took"]


def bands(data: ReportData) -> list[list[str]]:
    """Model, WQL, and share held and width of both intervals."""
    table, lang = data.leaderboard, data.lang
    if "coverage_80_lo" not in table:  # runs of the first days
        return []
    rows = []
    for _, r in table[table["coverage_80"].notna()].iterrows():
        cells = [str(r["model"]), number(r.get("wql"), lang)]
        for level in ("80", "95"):
            low, high = (percent(r[f"coverage_{level}_{side}"], lang).removesuffix(" %") for side in ("lo", "hi"))
            cells.append(f"{percent(r[f'coverage_{level}'], lang)} ({low}–{high})")
            cells.append(number(r[f"width_{level}"], lang))
        rows.append(cells)
    return rows


def board(data: ReportData, w: dict[str, str]) -> dict[str, Any]:
    """The leaderboard: models with scores, those without, and the axis of the bars."""
    table, v, lang = data.leaderboard, data.verdict, data.lang
    reference, use = str(v["reference"]), str(v["use"])
    metric = headline(table)
    has_scores = table["status"].isin(["ok", "partial"])
    ok = table[has_scores]
    span = charts.skill_span(ok)
    rows = []
    for _, row in ok.iterrows():
        name = str(row["model"])
        css = charts.own_style(name, use, reference)
        took = float(row["seconds_fit"]) + float(row["seconds_predict"])
        skill = "" if name == reference else percent(row.get("skill"), lang, sign=True)
        rows.append(
            {
                "name": name,
                "css": css,
                "sort": {
                    "value": _sort_key(row[metric]),
                    "mae": _sort_key(row["mae"]),
                    "skill": _sort_key(-float(row.get("skill", np.nan))),
                    "p": _sort_key(row.get("p_value")),
                    "time": _sort_key(took),
                },
                "best": bool(v["shown"]) and name == use,
                "value": number(row[metric], lang),
                "mae": number(row["mae"], lang),
                "bar": Markup(charts.skill_bar(row, span, css=css, lang=lang)),  # noqa: S704  escaped there
                "skill": skill,
                "word": shown_word(row, v, lang),
                "time": seconds(took, lang),
                "note": " ".join(remark(str(row.get(k) or ""), lang) for k in ("reason", "note")).strip(),
            }
        )
    lost = [
        {"name": str(r["model"]), "status": w.get(str(r["status"]), str(r["status"])), "reason": str(r["reason"])}
        for _, r in table[~has_scores].iterrows()
    ]
    return {"rows": rows, "lost": lost, "metric": metric.upper(), "axis": _axis(span, lang)}


def _axis(span: tuple[float, float], lang: str) -> list[tuple[float, str]]:
    """(per cent of the width, label) of the skill axis."""
    out = [(100 * (4 + 252 * (t - span[0]) / (span[1] - span[0])) / 260, t) for t in ticks(*span, most=4)]
    return [
        (at, percent(t, lang, sign=True).replace(".0 %", " %").replace(",0 %", " %").replace("+0 %", "0 %"))
        for at, t in out
        if 6 < at < 94
    ]


def _sort_key(value: Any) -> str:
    """What the page sorts by; undefined comes last."""
    known = isinstance(value, (int, float)) and np.isfinite(value)
    return f"{value:.12g}" if known else "1e99"


def took(data: ReportData) -> str:
    """What baselines and networks took, in words."""
    config = data.run.get("config") or {}
    limits = config.get("baseline_seconds"), config.get("network_seconds")
    return time_words(data.leaderboard, limits[0], data.lang, network_budget=limits[1])


def costs(data: ReportData) -> list[tuple[str, str, str, str]]:
    """Model, seconds of fitting and of forecasting, and the process' peak memory when it was done."""
    peak = (data.run.get("timings") or {}).get("peak_mib") or {}
    return [
        (
            str(r["model"]),
            seconds(float(r["seconds_fit"]), data.lang),
            seconds(float(r["seconds_predict"]), data.lang),
            number(float(peak[r["model"]]), data.lang, 4) if peak.get(r["model"]) else "–",
        )
        for _, r in data.leaderboard.iterrows()
        if r["status"] in ("ok", "partial")
    ]


def pareto(data: ReportData) -> Markup | str:
    """Error against time, where there are three models to compare."""
    ok = data.leaderboard[data.leaderboard["status"] == "ok"]
    if len(ok) < 3:
        return ""
    use, reference = str(data.verdict["use"]), str(data.verdict["reference"])
    return both(partial(charts.pareto_chart, ok, use, reference, lang=data.lang))


def ranks(data: ReportData, w: dict[str, str]) -> dict[str, Any] | None:
    """Mean ranks over series, where there are enough."""
    if not data.ranks:
        return None
    r = data.ranks
    cd = number(r["critical_difference"], data.lang)
    said = w["ranks_said"].format(n=r["n_items"], p=p_text(r["p_value"], data.lang) or "–", cd=cd)
    return {"said": said, "chart": both(partial(charts.ranks_chart, r, str(data.verdict["use"]), lang=data.lang))}


def money(data: ReportData, w: dict[str, str]) -> dict[str, Any] | None:
    """The forecasts in the user's money, where asked for: costs, the trading rule, or both."""
    cost, trading = data.worth.get("cost"), data.worth.get("trading")
    if not cost and not trading:
        return None
    return {
        "cost": _cost(cost, data.lang, w) if cost else None,
        "trading": _trading(trading, data.lang) if trading else None,
    }


def _cost(found: dict[str, Any], lang: str, w: dict[str, str]) -> dict[str, Any]:
    rows = [
        (
            str(r["model"]),
            number(r["cost_point"], lang),
            number(r["cost"], lang),
            percent(r["saving"], lang, sign=True) if r["model"] != found["reference"] else "",
        )
        for r in found["table"]
    ]
    best = w["cost_best"].format(tau=number(found["tau"], lang))
    said, notes = found["sentence"][lang], found["notes"][lang]
    return {"said": said, "rows": rows, "best": best, "notes": notes, "use": found["model"]}


def _trading(found: dict[str, Any], lang: str) -> dict[str, Any]:
    rows = [
        (
            str(r["model"]),
            percent(r["total_return"], lang, sign=True),
            percent(r["max_drawdown"], lang),
            f"{r['n_trades']:.0f}",
            percent(r["invested"], lang),
        )
        for r in found["table"]
    ]
    chart = both(partial(charts.equity_chart, found, str(found["model"]), lang=lang))
    said, warning = found["sentence"][lang], found["warning"][lang]
    return {"said": said, "warning": warning, "rows": rows, "chart": chart, "use": found["model"]}
