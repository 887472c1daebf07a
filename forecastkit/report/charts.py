"""The page's pictures. Each takes frames of ``ReportData`` and a width in pixels and says its finding in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.report.numbers import headline, moment, number, percent
from forecastkit.report.svg import Plot, as_x
from forecastkit.report.words import words

__all__ = [
    "backtest_chart",
    "equity_chart",
    "error_by_fold",
    "error_by_step",
    "folds_strip",
    "forecast_chart",
    "gradient_chart",
    "importance_chart",
    "lag_chart",
    "learning_chart",
    "own_style",
    "pareto_chart",
    "ranks_chart",
    "residual_chart",
    "skill_bar",
    "skill_span",
]

WIDE, NARROW = 760, 360
MOST_THINGS, MOST_LABEL = 14, 18


def _range(*arrays: Any, pad: float = 0.06) -> tuple[float, float]:
    known = np.concatenate([np.asarray(a, float).ravel() for a in arrays]) if arrays else np.zeros(0)
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = (high - low) * pad or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _is_time(times: Any) -> bool:
    return isinstance(pd.Index(times), pd.DatetimeIndex)


def forecast_chart(
    history: pd.DataFrame, forecast: pd.DataFrame, *, width: int, lang: str = "en", title: str = "", name: str = ""
) -> str:
    """Recent history of one series, its forecast and the 80 and 95 % bands.

    Args:
        history: timestamp, target of one series.
        forecast: forecast frame of the same series.
    """
    w = words(lang)
    keep = max(60, 6 * len(forecast)) if width > NARROW else max(36, 4 * len(forecast))
    history = history.tail(keep)
    hx, hy = as_x(history["timestamp"]), history["target"].to_numpy(np.float64)
    fx, fy = as_x(forecast["timestamp"]), forecast["point"].to_numpy(np.float64)
    bands = {q: forecast[q].to_numpy(np.float64) for q in ("0.025", "0.1", "0.9", "0.975") if q in forecast}
    lo, hi = _range(hy, fy, *bands.values())
    last = hy[np.isfinite(hy)][-1] if np.isfinite(hy).any() else np.nan
    said = f"{w['forecast']} {name}: {number(fy[0], lang)} ({moment(forecast['timestamp'].iloc[0])})"
    said += (
        f" ... {number(fy[-1], lang)} ({moment(forecast['timestamp'].iloc[-1])}); {w['last_row']}: {number(last, lang)}"
    )
    both = np.r_[hx, fx]
    plot = Plot(
        width, 300 if width > NARROW else 240, (both.min(), both.max()), (lo, hi), said, _is_time(forecast["timestamp"]), lang,
        y_title=title,
    )  # fmt: skip
    seen = np.isfinite(hy)
    join_x, join_y = (hx[seen][-1:], hy[seen][-1:]) if seen.any() else (np.zeros(0), np.zeros(0))
    for low, high, css in (("0.025", "0.975", "band95"), ("0.1", "0.9", "band80")):
        if low in bands and high in bands and np.isfinite(bands[low]).any():
            plot.band(np.r_[join_x, fx], np.r_[join_y, bands[low]], np.r_[join_y, bands[high]], css)
            if width > NARROW:
                plot.label(float(bands[high][-1]), "95 %" if css == "band95" else "80 %", "muted")
    plot.line(hx, hy, "history")
    plot.line(np.r_[join_x, fx], np.r_[join_y, fy], "chosen")
    if len(fx) == 1:
        plot.dot(fx[0], fy[0], "chosen")
    plot.label(float(fy[-1]), number(float(fy[-1]), lang), "strong")
    return str(plot)


def skill_bar(row: pd.Series, span: tuple[float, float], *, css: str, lang: str = "en") -> str:
    """One model's skill as a dot and its interval as a bar, on an axis that all rows share; 0 is the reference."""
    plot = Plot(260, 24, span, (0, 1), "", lang=lang, left=4, right=4, top=0, bottom=0, y_ticks=False)
    skill, low, high = (row.get(k, np.nan) for k in ("skill", "skill_lo", "skill_hi"))
    plot.alt = f"{row['model']}: {percent(skill, lang, sign=True)}"
    if np.isfinite([low, high]).all():
        plot.alt += f", {percent(low, lang, sign=True)} – {percent(high, lang, sign=True)}"
    zero = float(plot.px(0))
    marks = [f'<path class="zero" d="M{zero:.1f} 0V24"/>']
    if np.isfinite([low, high]).all():
        a, b = (float(plot.px(np.clip(v, *span))) for v in (low, high))
        marks.append(f'<path class="{css} whisker" d="M{a:.1f} 12H{b:.1f}"/>')
    if np.isfinite(skill):
        inside = float(np.clip(skill, *span))
        at = float(plot.px(inside))
        if inside == skill:
            marks.append(f'<circle class="{css} dot" cx="{at:.1f}" cy="12" r="4.5"/>')
        else:  # far outside the axis: an arrow that says so
            turn = -1 if skill < inside else 1
            marks.append(f'<path class="{css} dot" d="M{at - turn * 7:.1f} 7L{at:.1f} 12L{at - turn * 7:.1f} 17Z"/>')
    alt = escape(plot.alt, quote=True)
    return f'<svg viewBox="0 0 260 24" role="img" aria-label="{alt}" class="skill">{"".join(marks)}</svg>'


def skill_span(board: pd.DataFrame) -> tuple[float, float]:
    """The common axis of all skill bars: symmetric enough to read, cut at -100 % so that one bad model hides none."""
    values = board[[c for c in ("skill", "skill_lo", "skill_hi") if c in board]].to_numpy(np.float64)
    known = values[np.isfinite(values)]
    low = float(max(known.min(), -1.0)) if len(known) else -0.1
    high = float(min(known.max(), 1.0)) if len(known) else 0.1
    room = 0.06 * max(high - low, 0.05)
    return min(low, -0.02) - room, max(high, 0.02) + room


def folds_strip(folds: pd.DataFrame, *, width: int, lang: str = "en") -> str:
    """Where the forecasts of each role lie in time."""
    w = words(lang)
    start, end = as_x(folds["start"]), as_x(folds["end"])
    cutoff = as_x(folds["cutoff"])
    roles = [r for r in ("select", "calibrate", "report") if (folds["role"] == r).any()]
    counts = ", ".join(f"{int((folds['role'] == r).sum())} {w[r]}" for r in roles)
    plot = Plot(
        width, 22 * len(roles) + 44, (float(cutoff.min()), float(end.max())), (0, 1), counts, _is_time(folds["start"]), lang,
        left=14, top=10, y_ticks=False, right=96,
    )  # fmt: skip
    for k, role in enumerate(roles):
        rows = np.flatnonzero((folds["role"] == role).to_numpy())
        top = 10 + 22 * k
        for j, row in enumerate(rows):
            tip = f"{moment(folds['start'].iloc[row])} – {moment(folds['end'].iloc[row])}"
            plot.rect(start[row], end[row], top + (j % 2) * 7, 6, f"fold-{role}", tip)
        plot.text(width - plot.right + 6, top + 12, f"{len(rows)} {w[role]}", f"said-{role}")
    return str(plot)


def _styles(models: Sequence[str], use: str, reference: str) -> dict[str, str]:
    """Model -> CSS class: the accent for what is recommended, grey for the reference, colours for the rest."""
    out, k = {}, 0
    for name in models:
        if name == use:
            out[name] = "chosen"
        elif name == reference:
            out[name] = "reference"
        else:
            out[name], k = f"other{k % 4}", k + 1
    return out


def error_by_step(
    table: pd.DataFrame, models: Sequence[str], use: str, reference: str, *, width: int, lang: str = "en"
) -> str:
    """Mean error of each step ahead for a few models."""
    metric = headline(table)
    table = table[table["model"].isin(models)]
    values = table[metric].to_numpy(np.float64)
    n = int(table["step"].max())
    said = "; ".join(
        f"{m}: {number(float(g[metric].iloc[0]), lang)} – {number(float(g[metric].iloc[-1]), lang)}"
        for m, g in table.groupby("model", sort=False)
    )
    plot = Plot(
        width,
        240,
        (1, max(n, 2)),
        _range(values),
        said,
        lang=lang,
        y_title=metric.upper(),
        right=118 if width > NARROW else 84,
    )
    for name, css in _styles(models, use, reference).items():
        rows = table[table["model"] == name]
        y = rows[metric].to_numpy(np.float64)
        if not len(y):
            continue
        plot.line(rows["step"].to_numpy(float), y, css)
        plot.label(float(y[-1]), name, css)
    return str(plot)


def error_by_fold(
    table: pd.DataFrame, models: Sequence[str], use: str, reference: str, *, width: int, lang: str = "en"
) -> str:
    """Error of each report fold over time: do a few bad days decide?"""
    metric = headline(table)
    table = table[table["model"].isin(models)]
    said = "; ".join(
        f"{m}: {number(float(g[metric].min()), lang)} – {number(float(g[metric].max()), lang)}"
        for m, g in table.groupby("model", sort=False)
    )
    x = as_x(table["cutoff"])
    span = (float(x.min()), float(x.max())) if x.max() > x.min() else (float(x.min()) - 1, float(x.max()) + 1)
    plot = Plot(
        width, 240, span, _range(table[metric]), said, _is_time(table["cutoff"]), lang, y_title=metric.upper(),
        right=118 if width > NARROW else 84,
    )  # fmt: skip
    for name, css in _styles(models, use, reference).items():
        rows = table[table["model"] == name].sort_values("cutoff")
        y = rows[metric].to_numpy(np.float64)
        if not len(y):
            continue
        plot.line(as_x(rows["cutoff"]), y, css)
        plot.label(float(y[np.isfinite(y)][-1]) if np.isfinite(y).any() else np.nan, name, css)
    return str(plot)


def lag_chart(check: dict[str, Any], *, width: int, lang: str = "en") -> str:
    """Distance of one-step forecasts to the value 0, 1, 2, ... rows before."""
    w = words(lang)
    y = np.array(check["error_by_lag"], float)
    best = int(check["best_lag"])
    said = " ".join(str(check["sentence"][lang]).split())
    low, high = _range(np.r_[0.0, y])
    plot = Plot(
        width, 190, (-0.5, len(y) - 0.5), (max(0.0, low), high), said, lang=lang, y_title=w["distance"], right=96,
        x_title=w["rows_before"],
    )  # fmt: skip
    bottom = plot.height - plot.bottom
    for lag, value in enumerate(y):
        top = float(plot.py(value))
        css = "bar-best" if lag == best else "bar"
        plot.rect(lag - 0.32, lag + 0.32, top, bottom - top, css, f"{lag}: {number(float(value), lang)}")
        plot.text(float(plot.px(lag)), top - 5, number(float(value), lang), "tick", "middle")
    return str(plot)


def learning_chart(curve: pd.DataFrame, *, width: int, lang: str = "en", name: str = "") -> str:
    """Loss by training step of one fit, on training and validation rows, the kept weights marked."""
    w = words(lang)
    x = curve["step"].to_numpy(float)
    train, valid = curve["train_loss"].to_numpy(float), curve["valid_loss"].to_numpy(float)
    low, high = _range(train, valid)
    said = f"{name}: {w['train']} {number(float(train[0]), lang)} – {number(float(train[-1]), lang)}"
    span = (float(x.min()), float(x.max())) if len(x) > 1 else (0.0, float(x.max()) or 1.0)
    plot = Plot(width, 200, span, (low, high), said, lang=lang, y_title=f"{name}: {w['loss']}", right=104)
    plot.line(x, train, "reference")
    plot.line(x, valid, "chosen")
    for y, text, css in ((train, w["train"], "reference"), (valid, w["valid"], "chosen")):
        known = y[np.isfinite(y)]
        if len(known):
            plot.label(float(known[-1]), text, css)
    kept = curve["stopped"].astype(bool).to_numpy()
    if kept.any():
        at = int(np.flatnonzero(kept)[-1])
        mark = valid[at] if np.isfinite(valid[at]) else train[at]
        plot.dot(float(x[at]), float(mark), "chosen", 4.5)
    return str(plot)


def gradient_chart(curve: pd.DataFrame, *, width: int, lang: str = "en", name: str = "") -> str:
    """Gradient norm by training step, on a logarithmic axis."""
    w = words(lang)
    x, norm = curve["step"].to_numpy(float), curve["grad_norm"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log10(np.where(norm > 0, norm, np.nan))
    if not np.isfinite(y).any():
        return ""
    said = f"{name}: {w['gradient']} {number(float(np.nanmin(norm)), lang)} – {number(float(np.nanmax(norm)), lang)}"
    span = (float(x.min()), float(x.max())) if len(x) > 1 else (0.0, float(x.max()) or 1.0)
    low, high = _range(y)
    plot = Plot(width, 120, span, (low, high), said, lang=lang, y_title=w["gradient"], right=104, y_ticks=False)
    for power in range(int(np.floor(low)), int(np.ceil(high)) + 1):
        if low <= power <= high:
            at = float(plot.py(power))
            plot.parts.append(f'<path class="grid" d="M{plot.left} {at:.1f}H{width - plot.right}"/>')
            plot.text(plot.left - 6, at + 4, number(10.0**power, lang), "tick", "end")
    plot.line(x, y, "other0")
    return str(plot)


def backtest_chart(rows: pd.DataFrame, *, width: int, lang: str = "en", name: str = "", title: str = "") -> str:
    """One series over its test forecasts: what came, what was forecast at each cutoff, and the 80 % band.

    Args:
        rows: of one series and model: cutoff, timestamp, point, actual, "0.1", "0.9".
    """
    w = words(lang)
    recent = list(dict.fromkeys(rows["cutoff"]))[-(30 if width > NARROW else 10) :]
    rows = rows[rows["cutoff"].isin(recent)]
    x, actual = as_x(rows["timestamp"]), rows["actual"].to_numpy(np.float64)
    point = rows["point"].to_numpy(np.float64)
    low, high = (rows[q].to_numpy(np.float64) if q in rows else np.full(len(rows), np.nan) for q in ("0.1", "0.9"))
    error = np.abs(point - actual)
    mean = float(np.nanmean(error)) if np.isfinite(error).any() else float("nan")
    said = f"{name}: {len(recent)} {w['folds']}, {w['error_unit']} {number(mean, lang)}"
    span = (float(x.min()), float(x.max()))
    is_time = _is_time(rows["timestamp"])
    plot = Plot(width, 240, span, _range(actual, point), said, is_time, lang, y_title=title)
    own = [np.flatnonzero((rows["cutoff"] == cutoff).to_numpy()) for cutoff in recent]
    for at in own:
        plot.band(x[at], np.clip(low[at], *plot.y), np.clip(high[at], *plot.y), "band80")
    order = np.argsort(x, kind="stable")
    plot.line(x[order], actual[order], "history")
    for at in own:
        plot.line(x[at], point[at], "chosen")
    known = actual[order][np.isfinite(actual[order])]
    if len(known):
        plot.label(float(known[-1]), w["actual"], "")
    plot.label(float(point[order][-1]), w["forecast"].lower(), "chosen")
    return str(plot)


def residual_chart(rows: pd.DataFrame, *, width: int, lang: str = "en", name: str = "") -> str:
    """What came minus what was forecast, over time."""
    w = words(lang)
    x = as_x(rows["timestamp"])
    residual = rows["actual"].to_numpy(np.float64) - rows["point"].to_numpy(np.float64)
    seen = np.isfinite(residual)
    if not seen.any():
        return ""
    said = f"{name}: {w['residual']}, {w['mean']} {number(float(residual[seen].mean()), lang)}"
    span, heights = (float(x.min()), float(x.max())), _range(np.r_[0.0, residual[seen]])
    plot = Plot(width, 120, span, heights, said, _is_time(rows["timestamp"]), lang, y_title=w["residual"])
    plot.horizontal(0.0, "zero")
    for a, b in zip(plot.px(x[seen]), plot.py(residual[seen])):
        plot.parts.append(f'<circle class="point" cx="{a:.1f}" cy="{b:.1f}" r="1.6"/>')
    return str(plot)


def pareto_chart(board: pd.DataFrame, use: str, reference: str, *, width: int, lang: str = "en") -> str:
    """Error against time: models towards the lower left are better and quicker."""
    w = words(lang)
    metric = headline(board)
    taken = np.maximum((board["seconds_fit"] + board["seconds_predict"]).to_numpy(np.float64), 0.01)
    error = board[metric].to_numpy(np.float64)
    # One model that fails badly must not press the others into a line.
    keep = np.isfinite(error) & (error <= 3 * np.nanmedian(error))
    names = board["model"].astype(str).to_numpy()[keep]
    x, y = np.log10(taken[keep]), error[keep]
    front = [n for n, a, b in zip(names, x, y) if not ((x <= a) & (y <= b) & ((x < a) | (y < b))).any()]
    low, high = _range(x, pad=0.08)
    plot = Plot(
        width,
        260,
        (low, high),
        _range(y, pad=0.1),
        f"{w['pareto']}: {', '.join(front)}",
        lang=lang,
        y_title=metric.upper(),
        right=110,
        bottom=40,
        x_ticks=False,
    )
    bottom = plot.height - plot.bottom
    for power in range(int(np.floor(low)), int(np.ceil(high)) + 1):
        if low <= power <= high:
            at = float(plot.px(power))
            plot.text(at, bottom + 17, f"{number(10.0**power, lang, 1)} s", "tick", "middle")
            plot.parts.append(f'<path class="axis" d="M{at:.1f} {bottom}v4"/>')
    plot.text(plot.left, plot.height - 4, w["seconds_spent"], "tick")
    placed: list[tuple[float, float]] = []
    for k in np.argsort(y):
        css = own_style(names[k], use, reference)
        plot.dot(float(x[k]), float(y[k]), css, 4.5)
        a, b = float(plot.px(x[k])), float(plot.py(y[k]))
        while any(abs(b - q) < 13 and abs(a - p) < 110 for p, q in placed):
            b -= 13
        placed.append((a, b))
        plot.text(a + 8, b + 4, names[k], css)
    return str(plot)


def own_style(name: str, use: str, reference: str) -> str:
    """CSS class of one model among all: the accent for what is recommended, grey for the reference."""
    return "chosen" if name == use else "reference" if name == reference else "plain"


def ranks_chart(ranks: dict[str, Any], use: str, *, width: int, lang: str = "en") -> str:
    """Mean ranks over series, best first; models whose bars overlap cannot be told apart.

    Source: Demsar (2006), J. Mach. Learn. Res. 7; each bar is one critical difference long.
    """
    w = words(lang)
    order = np.argsort(ranks["ranks"])
    names = [str(ranks["models"][k]) for k in order]
    mean = np.array(ranks["ranks"], float)[order]
    half = float(ranks["critical_difference"]) / 2
    said = f"{w['ranks']}: " + ", ".join(f"{n} {number(float(r), lang)}" for n, r in zip(names, mean))
    span = (1.0, float(len(names)))
    plot = Plot(width, 22 * len(names) + 44, span, (0, 1), said, lang=lang, left=118, right=24, top=8, y_ticks=False)
    for k, (name, rank) in enumerate(zip(names, mean)):
        y, css = 20 + 22 * k, own_style(name, use, "")
        plot.text(plot.left - 8, y + 4, name, css, "end")
        left, right = (float(plot.px(np.clip(rank + s * half, *span))) for s in (-1, 1))
        plot.parts.append(f'<path class="{css} whisker" d="M{left:.1f} {y}H{right:.1f}"/>')
        plot.parts.append(f'<circle class="{css} dot" cx="{float(plot.px(rank)):.1f}" cy="{y}" r="4.5"/>')
    return str(plot)


def importance_chart(found: dict[str, Any], *, width: int, lang: str = "en") -> str:
    """How much the error grows without each thing, most first, with its interval; what may be nothing is grey."""
    w = words(lang)
    rows = found["rows"][:MOST_THINGS]
    names = [_thing(str(r["name"]), lang) for r in rows]
    grown = 100 * np.array([r["growth"] for r in rows], float)
    low, high = (100 * np.array([np.nan if r[k] is None else r[k] for r in rows], float) for k in ("low", "high"))
    ends = np.r_[0.0, grown, low[np.isfinite(low)], high[np.isfinite(high)]]
    span = (float(ends.min()), float(ends.max()) or 1.0)
    shares = [percent(float(g) / 100, lang, sign=True) for g in grown]
    said = f"{w['explained']}: " + ", ".join(f"{n} {s}" for n, s in zip(names, shares))
    plot = Plot(
        width, 22 * len(names) + 58, span, (0, 1), said, lang=lang, left=128, right=72, top=8, bottom=40, y_ticks=False,
        x_title="%",
    )  # fmt: skip
    zero = float(plot.px(0.0))
    plot.parts.append(f'<path class="axis" d="M{zero:.1f} 8V{22 * len(names) + 12}"/>')
    for k, (name, growth) in enumerate(zip(names, grown)):
        y, css = 20 + 22 * k, "chosen" if low[k] > 0 else "reference"
        plot.text(plot.left - 8, y + 4, name, "plain", "end")
        if np.isfinite(low[k]):
            left, right = float(plot.px(low[k])), float(plot.px(high[k]))
            plot.parts.append(f'<path class="{css} whisker" d="M{left:.1f} {y}H{right:.1f}"/>')
        plot.parts.append(f'<circle class="{css} dot" cx="{float(plot.px(growth)):.1f}" cy="{y}" r="4.5"/>')
        plot.text(width - 4, y + 4, shares[k], css, "end")
    return str(plot)


def _thing(name: str, lang: str) -> str:
    """A block of lags as a label."""
    if not name.startswith("lags "):
        return name if len(name) <= MOST_LABEL else name[: MOST_LABEL - 1] + "…"
    span = name.removeprefix("lags ").replace("-", "–")
    if span == "1":
        return "last row" if lang == "en" else "última fila"
    return f"lags {span}" if lang == "en" else f"retardos {span}"


def equity_chart(trading: dict[str, Any], use: str, *, width: int, lang: str = "en") -> str:
    """Growth of one unit under the model's rule beside buying and holding."""
    equity = trading["equity"]
    stamps = pd.Series(equity["timestamp"])
    times: Any
    if stamps.str.fullmatch(r"-?\d+").all():
        times = stamps.astype("int64")
    else:
        times = pd.to_datetime(stamps, format="ISO8601", utc=True).dt.tz_localize(None)
    x = as_x(times)
    shown = [name for name in dict.fromkeys(["buy_and_hold", use, "drift"]) if name in equity["curves"]]
    values = {name: np.array(equity["curves"][name], float) for name in shown}
    said = ", ".join(f"{n} {number(float(v[-1]), lang)}" for n, v in values.items())
    span = (float(x.min()), float(x.max()))
    plot = Plot(width, 220, span, _range(*values.values()), said, _is_time(times), lang, right=110)
    for k, (name, y) in enumerate(values.items()):
        css = "chosen" if name == use else "reference" if k == 0 else f"other{k % 4}"
        plot.line(x, y, css)
        plot.label(float(y[-1]), name, css)
    return str(plot)
