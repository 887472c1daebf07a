"""report.html: one file without outside requests."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache, partial
from importlib import resources
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from forecastkit.artifacts import to_csv_text
from forecastkit.report import charts, page_models
from forecastkit.report.data import ReportData
from forecastkit.report.numbers import count, headline, moment, number, percent, seconds
from forecastkit.report.remarks import remark
from forecastkit.report.rendering import both, environment
from forecastkit.report.words import words

__all__ = ["render"]

MOST_SERIES = 40
MOST_DETAIL = 40
MOST_TABLE = 500
MOST_DOWNLOAD = 5_000_000
MOST_TRIALS = 10
BOUNDS = {"0.025": "low95", "0.1": "low80", "0.9": "high80", "0.975": "high95"}
FEWEST_SCORES = 19
"""With fewer errors none of them bounds an interval of 95 %."""


@lru_cache(maxsize=1)
def _script() -> tuple[Markup, str]:
    """The page's own script and its digest: the page's policy lets no other run, whatever stands in the data."""
    text = resources.files("forecastkit.report").joinpath("templates/report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"  # noqa: S704  a file of this package


def render(data: ReportData) -> str:
    """The page as HTML."""
    w = words(data.lang)
    script, script_hash = _script()
    return environment().get_template("report.html.j2").render(
        w=w,
        script=script,
        script_hash=script_hash,
        lang=data.lang,
        title=data.title,
        use=str(data.verdict["use"]),
        reference=str(data.verdict["reference"]),
        sentence=[_emphasised(s, data) for s in data.verdict["sentence"][data.lang]],
        reason=remark(str(data.verdict.get("reason", "")), data.lang),
        facts=_key_facts(data, w),
        forecast=_forecast(data, w),
        board=page_models.board(data, w),
        ranks=page_models.ranks(data, w),
        pareto=page_models.pareto(data),
        costs=page_models.costs(data),
        took=page_models.took(data),
        bands=page_models.bands(data),
        money=page_models.money(data, w),
        tested=_tested(data, w),
        detail=_detail(data),
        copies=_copies(data),
        tuning=_tuning(data),
        explained=_explained(data, w),
        learning=_learning(data),
        about=_data_facts(data, w),
        again=_again(data),
    )  # fmt: skip


def _emphasised(sentence: str, data: ReportData) -> Markup:
    """Names of models in the sentence stand out."""
    text = str(escape(sentence))
    names = sorted({data.verdict["use"], data.verdict["reference"], data.verdict.get("tested") or ""} - {""}, key=len)
    for name in reversed(names):
        safe = str(escape(name))
        text = " ".join(
            word.replace(safe, f"<b>{safe}</b>") if word.strip(".,;:()") == safe else word for word in text.split(" ")
        )
    return Markup(text)  # noqa: S704  escaped above


def _key_facts(data: ReportData, w: dict[str, str]) -> list[tuple[str, str, str]]:
    """(number, what it is, detail) of the four that matter."""
    v, lang = data.verdict, data.lang
    row = data.leaderboard[data.leaderboard["model"] == v["use"]]
    mae = float(row["mae"].iloc[0]) if len(row) else float("nan")
    units = (
        w["units"].format(units=data.units)
        if data.units
        else w["units_of"].format(target=data.profile.get("target") or "target")
    )
    facts = [(number(mae, lang), w["error_unit"], units)]
    if v.get("tested") and v.get("skill") is not None:
        interval = v.get("skill_interval")
        detail = w["no_interval"]
        if interval:
            low, high = (percent(x, lang, sign=True) for x in interval)
            detail = w["interval"].format(low=low, high=high)
        what = w["skill_of"].format(reference=v["reference"], model=v["tested"])
        facts.append((percent(v["skill"], lang, sign=True), what, detail))
    horizon = int(data.plan.get("horizon") or 1)
    facts.append((str(v["n_report_folds"]), w["folds"], w["ahead"].format(n=horizon)))
    facts.append(
        (str(data.profile.get("end", "")), w["last_row"], remark(str(data.profile.get("freq_text", "")), lang))
    )
    return facts


def _forecast(data: ReportData, w: dict[str, str]) -> dict[str, Any] | None:
    f = data.forecast
    if not len(f):
        return None
    quantiles = [q for q in BOUNDS if q in f and f[q].notna().any()]
    series = []
    by_item = dict(tuple(data.history.groupby("item_id", sort=False)))
    title = str(f["target_name"].iloc[0]) + (f", {data.units}" if data.units else "")
    for item, rows in list(f.groupby("item_id", sort=False))[:MOST_SERIES]:
        past = by_item.get(item, data.history.iloc[:0])
        chart = both(partial(charts.forecast_chart, past, rows, lang=data.lang, title=title, name=str(item)))
        series.append({"name": str(item), "chart": chart})
    shown = f.head(MOST_TABLE)
    table = [
        [str(r["item_id"]), moment(r["timestamp"]), number(float(r["point"]), data.lang, 5)]
        + [number(float(r[q]), data.lang, 5) for q in quantiles]
        for _, r in shown.iterrows()
    ]
    raw = to_csv_text(f).encode()
    link = "data:text/csv;base64," + base64.b64encode(raw).decode() if len(raw) <= MOST_DOWNLOAD else ""
    final = str(f["model"].iloc[0])
    return {
        "said": w["forecast_of"].format(model=final, n=int(f["step"].max())),
        "series": series,
        "heads": [w["series"], w["date"], w["forecast"], *(w[BOUNDS[q]] for q in quantiles)],
        "rows": table,
        "more": w["more_rows"].format(n=MOST_TABLE) if len(f) > MOST_TABLE else "",
        "link": link,
        "bands": _bands_said(data, w) if quantiles else "",
    }


def _bands_said(data: ReportData, w: dict[str, str]) -> str:
    """Where the bands come from, and whether they hold what they say."""
    found, lang = data.intervals, data.lang
    said = [w["calibrated"] if found.get("calibrated") else w["uncalibrated"]]
    if found.get("method") == "adaptive":
        said.append(w["adapted"])
    if found.get("pooled"):
        said.append(w["pooled"].format(n=found["n_a_step"]))
        said += [w["few_scores"]] if found["n_scores"] < FEWEST_SCORES else []
    for level in ("80", "95"):
        held = found.get(level) or {}
        if held.get("coverage") is None:
            continue
        share = percent(held["coverage"], lang)
        if held.get("word") is None or held.get("low") is None:  # runs of the first days
            said.append(w["held_alone"].format(level=level, share=share))
            continue
        low, high = percent(held["low"], lang), percent(held["high"], lang)
        said.append(w["held"].format(level=level, share=share, low=low, high=high, word=w[held["word"]]))
    return " ".join(said)


def _few_models(data: ReportData) -> list[str]:
    """Models of the small charts: recommended, reference, tested and the best network."""
    board = data.leaderboard
    networks = board.loc[(board["family"] == "network") & (board["status"] == "ok"), "model"]
    names = [data.verdict["use"], data.verdict["reference"], data.verdict.get("tested"), *networks.head(1)]
    return [str(n) for n in dict.fromkeys(n for n in names if n)]


def _tested(data: ReportData, w: dict[str, str]) -> dict[str, Any]:
    v, lang = data.verdict, data.lang
    few = (_few_models(data), v["use"], v["reference"])
    n_select = int((data.folds["role"] == "select").sum())
    n_report = int((data.folds["role"] == "report").sum())
    said = w["tested_said"].format(select=n_select, report=n_report) if n_select else w["tested_alone"]
    by_step = data.error_by_step
    ahead = len(by_step) and by_step["step"].max() > 1
    step = both(partial(charts.error_by_step, by_step, *few, lang=lang)) if ahead else ""
    many = data.error_by_fold["cutoff"].nunique() > 1
    fold = both(partial(charts.error_by_fold, data.error_by_fold, *few, lang=lang)) if many else ""
    metric = headline(data.error_by_fold)
    own = data.error_by_fold[data.error_by_fold["model"] == v["use"]]
    worst = [(moment(r["cutoff"]), number(float(r[metric]), lang)) for _, r in own.nlargest(5, metric).iterrows()]
    items = data.error_by_item[data.error_by_item["model"] == v["use"]]
    if len(items) > 1:
        items = items.assign(_size=items[metric].fillna(-np.inf)).nlargest(20, "_size")
    scaled = "msse" if "msse" in items else "mase"
    by_item = [
        (
            str(r["item_id"]),
            number(_float(r["mae"]), lang),
            number(_float(r[scaled]), lang),
            number(_float(r["ratio_to_reference"]), lang),
        )
        for _, r in items.iterrows()
    ]
    return {
        "said": said,
        "strip": both(partial(charts.folds_strip, data.folds, lang=lang)) if len(data.folds) else "",
        "by_step": step,
        "by_fold": fold,
        "metric": metric.upper(),
        "scaled": scaled.upper(),
        "worst": worst if many else [],
        "by_item": by_item if len(by_item) > 1 else [],
    }


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _detail(data: ReportData) -> list[dict[str, Any]]:
    """Test forecasts and residuals of the recommended model, series by series."""
    use = str(data.verdict["use"])
    rows = data.backtest[data.backtest["model"] == use]
    title = str(rows["target_name"].iloc[0]) if len(rows) else ""
    out = []
    for item, own in list(rows.groupby("item_id", sort=False))[:MOST_DETAIL]:
        if own["actual"].notna().any():
            chart = both(partial(charts.backtest_chart, own, lang=data.lang, name=str(item), title=title))
            residuals = both(partial(charts.residual_chart, own, lang=data.lang, name=str(item)))
            out.append({"name": str(item), "chart": chart, "residuals": residuals})
    return out


def _explained(data: ReportData, w: dict[str, str]) -> dict[str, Any] | None:
    found = data.explained
    if not found:
        return None
    said = w["explained_said"].format(n=found["n_folds"])
    chart = both(partial(charts.importance_chart, found, lang=data.lang))
    return {"sentence": found["sentence"][data.lang], "said": said, "chart": chart}


def _tuning(data: ReportData) -> list[dict[str, Any]]:
    """For each network the best trials of its search, with the first one, and the words that give its options again."""
    out = []
    for name in dict.fromkeys(str(t["model"]) for t in data.tuning):
        trials = [t for t in data.tuning if t["model"] == name]
        ranked = sorted(trials, key=lambda t: np.inf if t["loss"] is None else float(t["loss"]))
        shown = ranked[:MOST_TRIALS]
        shown += [t for t in trials if not t["params"] and t not in shown]
        rows = [
            {
                "number": str(t["number"] + 1),
                "loss": "–" if t["loss"] is None else number(float(t["loss"]), data.lang, 4),
                "time": seconds(float(t["seconds"]), data.lang),
                "said": ", ".join(f"{k} {_short(v)}" for k, v in t["params"].items()) or "–",
                "best": bool(t.get("best")),
            }
            for t in shown
        ]
        best = next((t for t in trials if t.get("best")), None)
        again = " ".join(f"models.{name}.{k}={_short(v)}" for k, v in best["params"].items()) if best else ""
        out.append({"name": name, "n": len(trials), "rows": rows, "again": again})
    return out


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _copies(data: ReportData) -> list[dict[str, Any]]:
    out = []
    for name, check in data.lag_check.items():
        if check:
            chart = both(partial(charts.lag_chart, check, lang=data.lang))
            out.append({"name": name, "said": check["sentence"][data.lang], "chart": chart})
    return out


def _learning(data: ReportData) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if not len(data.curves):
        return out
    for name, rows in data.curves.groupby("model", sort=False):
        first = rows[rows["seed"] == rows["seed"].min()]
        first = first[first["fit"] == first["fit"].iloc[0]].dropna(subset=["train_loss"])
        if not len(first):
            continue
        loss = both(partial(charts.learning_chart, first, lang=data.lang, name=str(name)))
        gradient = both(partial(charts.gradient_chart, first, lang=data.lang, name=str(name)))
        out.append({"loss": loss, "gradient": gradient})
    return out


def _data_facts(data: ReportData, w: dict[str, str]) -> dict[str, Any]:
    p, lang = data.profile, data.lang
    layout = count(p.get("n_rows", 0), lang)
    if p.get("item"):
        layout += f", {count(p['n_items'], lang)} × {p['item']}"
    why = p.get("why", {}).get("target", "")
    rows = [
        (w["rows"], layout),
        (w["target"], str(p.get("target") or "") + (f" ({remark(why, lang)})" if why else "")),
        (w["frequency"], remark(str(p.get("freq_text", "")), lang) + (f", {p['tz']}" if p.get("tz") else "")),
        (w["span"], f"{p.get('start', '')} – {p.get('end', '')}"),
        (w["missing"], count(p.get("n_missing", 0), lang)),
        (w["gaps"], count(p.get("n_gaps", 0), lang)),
        (w["season"], remark(str(p.get("season_text", "")), lang)),
    ]
    notes = [(remark(n["text"], lang), n.get("where", "")) for n in p.get("notes", [])]
    notes += [(remark(str(n), lang), "") for n in data.run.get("notes", [])]
    items = [
        (i["item_id"], count(i["n"], lang), i["start"], i["end"], *(number(i[k], lang) for k in ("min", "mean", "max")))
        for i in p.get("items", [])[:MOST_SERIES]
    ]
    return {
        "rows": rows,
        "notes": notes,
        "gaps": p.get("gaps", [])[:10],
        "jumps": p.get("jumps", [])[:10],
        "items": items,
    }


def _again(data: ReportData) -> dict[str, Any]:
    import yaml

    run = data.run
    settings = {k: run[k] for k in ("config", "plan") if k in run}
    final = run.get("final") or {}
    return {
        "command": str(run.get("command") or "Python"),
        "versions": ", ".join(f"{k} {v}" for k, v in run.get("versions", {}).items()),
        "version": run.get("versions", {}).get("forecastkit", ""),
        "platform": f"Python {run.get('versions', {}).get('python', '')}",
        "seed": str(run.get("seed", "")),
        "fingerprint": str(run.get("fingerprint", "")),
        "settings": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, width=90),
        "final": ", ".join(f"{k} {v}" for k, v in final.items() if v is not None and k != "fingerprint"),
    }
