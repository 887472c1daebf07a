"""report.html of a run that classifies, or looks for anomalies: one file without outside requests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from forecastkit.report import charts
from forecastkit.report.ecg_paper import ecg_strip, wave_chart
from forecastkit.report.labels_words import WHAT, label_words, remark
from forecastkit.report.numbers import number, percent, seconds
from forecastkit.report.rendering import both, environment
from forecastkit.report.svg import Plot

__all__ = ["LabelReport", "board_lines", "render_labels", "write_label_report"]

MOST_GROUPS = 200
BAR = (260, 24)


@dataclass(frozen=True, eq=False)
class LabelReport:
    """What the page shows; frames and plain values.

    Args:
        facts: ``run.yaml``.
        leaderboard, groups, curves: tables of the run.
        diagnostics: ``diagnostics.json``.
    """

    lang: str
    title: str
    facts: dict[str, Any]
    verdict: dict[str, Any]
    leaderboard: pd.DataFrame
    groups: pd.DataFrame
    curves: pd.DataFrame
    diagnostics: dict[str, Any]

    @property
    def models(self) -> dict[str, Any]:
        """What is known of each classifier; empty in a run that looks for anomalies."""
        return dict(self.diagnostics.get("models") or {})


def write_label_report(data: LabelReport, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    from forecastkit.artifacts import write_text

    write_text(path, render_labels(data))


def render_labels(data: LabelReport) -> str:
    """The page as HTML."""
    k = ("en", "es").index(data.lang)
    use = str(data.verdict["use"] or "")
    what = str(data.facts.get("what", "group"))
    found = data.diagnostics.get("anomaly") or {}
    fill = {
        "rare": str(data.verdict["rare"]),
        "use": use,
        "what": WHAT.get(what, (what, what))[k],
        "found": percent(_float(found.get("found")), data.lang),
        "alarms": percent(_float(found.get("false_alarms")), data.lang),
        "roc": number(_float(found.get("roc_auc")), data.lang),
        "n": str(data.verdict.get("n_groups", "")),
    }
    w = label_words(data.lang, fill)
    head, *more = data.verdict["sentence"][data.lang]
    return environment().get_template("labels.html.j2").render(
        w=w,
        lang=data.lang,
        title=data.title,
        use=use,
        rare=fill["rare"],
        what=fill["what"],
        head=head,
        more=more,
        device=data.verdict.get("no_device", {}).get(data.lang, ""),
        key=_key_facts(data, w),
        board=_board(data) if data.models else [],
        detectors=_detectors(data) if not data.models else [],
        groups=_groups(data, use) if data.models else [],
        single=bool(len(data.groups)) and int(data.groups["n"].max()) == 1,
        strange=_strange_groups(data, use) if not data.models else [],
        confusion=_confusion(data, use),
        curves=_curves(data, w),
        reliability=_reliability(data, use, w),
        strips=[_strip_row(s, data) for s in data.diagnostics.get("strips", [])],
        learning=_learning(data),
        mattered=_mattered(data),
        anomaly=w["anomaly"] if "roc_auc" in found else "",
        peaks=_peaks(data),
        facts=data.facts,
        split=remark(str(data.facts["split"]), data.lang),
        notes=[remark(str(n), data.lang) for n in data.facts.get("notes", [])],
        middle=number(0.5, data.lang, 1),
    )  # fmt: skip


def _float(value: Any) -> float:
    return float("nan") if value is None or value == "" else float(value)


def _count(n: Any, lang: str) -> str:
    """A whole number with marks of thousands."""
    text = f"{int(n):,}"
    return text if lang == "en" else text.replace(",", ".")


def _row_of(data: LabelReport, name: str) -> Any:
    rows = data.leaderboard[data.leaderboard["model"] == name]
    return rows.iloc[0] if len(rows) else None


def _key_facts(data: LabelReport, w: dict[str, str]) -> list[tuple[str, str]]:
    """(number, what it is) of the model to use."""
    row = _row_of(data, str(data.verdict["use"]))
    if row is None:
        return []
    if not data.models:
        out = [(percent(_float(row["false_alarms"]), data.lang), w["fact_alarms"])]
        if "roc_auc" in row and np.isfinite(_float(row["roc_auc"])):
            out += [
                (percent(_float(row["found"]), data.lang), w["others_found"]),
                (number(row["roc_auc"], data.lang), w["roc"]),
            ]
        return out
    groups = data.verdict.get("n_groups_rare", "")
    return [
        (percent(_float(row["sensitivity"]), data.lang), w["fact_found"]),
        (percent(_float(row["ppv"]), data.lang), w["fact_right"]),
        (number(_float(row["f1"]), data.lang), w["fact_f1"]),
        (str(groups), w["fact_groups"]),
    ]


def _board(data: LabelReport) -> list[dict[str, Any]]:
    rows = []
    for _, r in data.leaderboard.iterrows():
        name = str(r["model"])
        row: dict[str, Any] = {
            "name": name,
            "css": "chosen" if name == data.verdict["use"] else "plain",
            "status": str(r["status"]),
            "reason": remark(str(r.get("reason") or ""), data.lang),
        }
        if row["status"] == "ok":
            row |= {key: percent(_float(r[key]), data.lang) for key in ("sensitivity", "ppv")}
            scores = ("f1", "f1_select", "macro_f1", "roc_auc", "pr_auc", "ece")
            row |= {key: number(_float(r.get(key)), data.lang) for key in scores}
            row["time"] = seconds(_float(r["seconds_fit"]) + _float(r["seconds_predict"]), data.lang)
            low, high = _float(r.get("f1_low")), _float(r.get("f1_high"))
            row["bar"] = _bar(name, _float(r.get("f1")), low, high, row["css"], data.lang)
        rows.append(row)
    return rows


def _bar(name: str, value: float, low: float, high: float, css: str, lang: str) -> Markup:
    """F1 as a dot and its interval as a bar, from 0 to 1."""
    plot = Plot(*BAR, (0, 1), (0, 1), f"{name}: {number(value, lang)}", lang=lang, left=6, right=6, top=0, bottom=0)
    marks = []
    if np.isfinite([low, high]).all():
        plot.alt += f", {number(low, lang)} – {number(high, lang)}"
        marks.append(f'<path class="{css} whisker" d="M{float(plot.px(low)):.1f} 12H{float(plot.px(high)):.1f}"/>')
    if np.isfinite(value):
        marks.append(f'<circle class="{css} dot" cx="{float(plot.px(value)):.1f}" cy="12" r="4.5"/>')
    # Names come from the registry, numbers from us.
    head = f'<svg viewBox="0 0 {BAR[0]} {BAR[1]}" role="img" aria-label="{plot.alt}" class="skill">'
    return Markup(f"{head}{''.join(marks)}</svg>")  # noqa: S704


def _detectors(data: LabelReport) -> list[dict[str, Any]]:
    rows = []
    for _, r in data.leaderboard.iterrows():
        name = str(r["model"])
        row = {
            "name": name,
            "css": "chosen" if name == data.verdict["use"] else "plain",
            "reason": str(r.get("reason") or ""),
        }
        if r["status"] == "ok":
            row |= {key: percent(_float(r.get(key)), data.lang) for key in ("false_alarms", "found")}
            row |= {
                "roc_auc": number(_float(r.get("roc_auc")), data.lang),
                "time": seconds(_float(r["seconds"]), data.lang),
            }
        rows.append(row)
    return rows


def _groups(data: LabelReport, use: str) -> list[list[str]]:
    """Rows of groups; where each has one sequence, only those that were mistaken."""
    if not len(data.groups):
        return []
    own = data.groups[data.groups["model"] == use]
    if len(own) and own["n"].max() == 1:
        own = own[(own["missed"] > 0) | (own["false_alarms"] > 0)]
    own = own.head(MOST_GROUPS)
    counts = ("n", "n_rare", "found", "missed", "false_alarms")
    return [
        [str(r["group"]), *(_count(r[key], data.lang) for key in counts), number(_float(r["f1"]), data.lang)] for _, r in own.iterrows()
    ]  # fmt: skip


def _strange_groups(data: LabelReport, use: str) -> list[list[str]]:
    if not len(data.groups):
        return []
    own = data.groups[data.groups["model"] == use].head(MOST_GROUPS)
    counts = ("n", "strange", "n_other", "found", "false_alarms")
    return [[str(r["group"]), *(_count(r[key], data.lang) for key in counts)] for _, r in own.iterrows()]


def _confusion(data: LabelReport, use: str) -> dict[str, Any] | None:
    found = data.models.get(use)
    if not found:
        return None
    classes = [str(c) for c in data.facts["classes"]]
    rows = []
    for k, (name, row) in enumerate(zip(classes, found["confusion"])):
        s = found["by_class"][k]
        scores = [percent(_float(s[key]), data.lang) for key in ("sensitivity", "ppv", "specificity")]
        scores.append(number(_float(s["f1"]), data.lang))
        rows.append(
            {"name": name, "counts": [(_count(v, data.lang), j == k) for j, v in enumerate(row)], "scores": scores}
        )
    return {"classes": classes, "rows": rows}


def _pictured(data: LabelReport) -> list[str]:
    v = data.verdict
    return [n for n in dict.fromkeys([v["use"], v["tested"], v["reference"]]) if n in data.models]


def _curves(data: LabelReport, w: dict[str, str]) -> list[dict[str, Any]]:
    out = []
    names = _pictured(data)
    styles = dict(zip(names, ("chosen", "other0", "reference")))
    for key in ("roc", "pr") if names else ():

        def chart(width: int, key: str = key) -> str:
            areas = {n: _float(_row_of(data, n).get(f"{key}_auc")) for n in names}
            said = f"{w[f'{key}_title']}: " + ", ".join(f"{n} {number(a, data.lang)}" for n, a in areas.items())
            plot = Plot(width, 260, (0, 1), (0, 1), said, lang=data.lang, right=116)
            for name in names:
                points = np.array(data.models[name][key], float).reshape(-1, 2)
                if len(points):
                    plot.line(points[:, 0], points[:, 1], styles[name])
                    plot.label(float(points[len(points) // 2, 1]), name, styles[name])
            return str(plot)

        out.append({"title": w[f"{key}_title"], "chart": both(chart)})
    return out


def _reliability(data: LabelReport, use: str, w: dict[str, str]) -> dict[str, Any] | None:
    found = data.models.get(use)
    if not found or not found["calibration"]["bins"]:
        return None
    bins = found["calibration"]["bins"]

    def chart(width: int) -> str:
        said = "; ".join(f"{percent(b['said'], data.lang)}: {percent(b['seen'], data.lang)} (n {b['n']})" for b in bins)
        plot = Plot(width, 240, (0, 1), (0, 1), said, lang=data.lang, right=84)
        plot.line([0.0, 1.0], [0.0, 1.0], "reference")
        plot.line([b["said"] for b in bins], [b["seen"] for b in bins], "chosen")
        for b in bins:
            plot.dot(b["said"], b["seen"], "chosen", 3.5)
        return str(plot)

    return {
        "chart": both(chart),
        "said": w["reliability_said"],
        "note": "" if found.get("calibrated") else w["uncalibrated"],
    }


def _strip_row(strip: dict[str, Any], data: LabelReport) -> dict[str, Any]:
    minutes, rest = divmod(float(strip["start"]), 60)
    lead = f", {strip['lead']}" if strip.get("lead") else ""
    told = f" – {strip['true']} → {strip['said']}" if data.models else ""
    said = f"{strip['record']}{lead}, {int(minutes)}:{rest:04.1f}{told}"
    return {"name": said, "svg": Markup(ecg_strip(strip, said))}  # noqa: S704  escaped there


def _mattered(data: LabelReport) -> list[dict[str, Any]]:
    out = []
    for name in _pictured(data):
        found = data.models[name].get("mattered")
        if not found:
            continue
        words = data.diagnostics.get("feature_words") or {}
        k = ("en", "es").index(data.lang)
        called = {key: f"{pair[k]} ({key})" for key, pair in words.items()}
        rows = [
            (called.get(str(key), str(key)), percent(_float(v), data.lang, sign=True))
            for key, v in found["features"].items()
        ]
        chart: Markup | str = ""
        if found.get("rare_mean") and max(map(_float, found["steps"])) > 0.0005:
            pair = (str(data.verdict["rare"]), str(found["usual"]))
            chart = both(
                lambda width, f=found, pair=pair: wave_chart(
                    f["rare_mean"], f["usual_mean"], f["steps"], pair, width=width, lang=data.lang
                )
            )
        out.append({"name": name, "rows": rows, "chart": chart})
    return out


def _learning(data: LabelReport) -> list[Markup]:
    out: list[Markup] = []
    if not len(data.curves) or "train_loss" not in data.curves:
        return out
    for name, rows in data.curves.groupby("model", sort=False):
        first = rows[rows["fit"] == rows["fit"].iloc[0]]
        if "seed" in first:
            first = first[first["seed"] == first["seed"].min()]
        first = first.dropna(subset=["train_loss"])
        if len(first) < 2:
            continue
        valid = first["valid_loss"]
        first = first.assign(stopped=valid == valid.min() if valid.notna().any() else False)
        out.append(
            both(lambda width, c=first, n=str(name): charts.learning_chart(c, width=width, lang=data.lang, name=n))
        )
    return out


def _peaks(data: LabelReport) -> list[list[str]]:
    counts, shares = ("n", "missed", "invented", "assumed"), ("sensitivity", "ppv", "sensitivity_seen")
    return [
        [
            str(r["record"]),
            *(_count(r[key], data.lang) for key in counts),
            *(percent(_float(r[key]), data.lang) for key in shares),
        ]
        for r in data.diagnostics.get("r_peaks", [])[:MOST_GROUPS]
    ]


def board_lines(board: pd.DataFrame, verdict: dict[str, Any], *, color: bool = False, lang: str = "en") -> list[str]:
    """The leaderboard in plain columns, recall of the rare class first.

    Args:
        color: the model to use in colour.
    """
    w = label_words(lang, dict.fromkeys(("rare", "use", "what", "found", "alarms", "roc", "n"), ""))
    anomaly = "f1" not in board
    keys = ("found", "false_alarms", "roc_auc") if anomaly else ("sensitivity", "ppv", "f1", "macro_f1")
    heads = (
        [w["others_found"], w["usual_strange"], w["roc"]]
        if anomaly
        else [w["sensitivity"], w["ppv"], w["f1"], w["macro"]]
    )
    widths = [max(8, len(h) + 2) for h in heads]
    top = f"{verdict['rare']!s:<14.13}" if not anomaly else " " * 14
    lines = [top + "".join(f"{h:>{n}}" for h, n in zip(heads, widths)) + f"{w['time']:>9}"]
    for _, r in board.iterrows():
        name = str(r["model"])
        if r["status"] != "ok":
            lines.append(f"{name:<14}{w[str(r['status'])] if str(r['status']) in w else r['status']}: {r['reason']}")
            continue
        shares = {"sensitivity", "ppv", "found", "false_alarms"}
        cells = [percent(_float(r.get(k)), lang) if k in shares else number(_float(r.get(k)), lang) for k in keys]
        spent = _float(r["seconds"]) if anomaly else _float(r["seconds_fit"]) + _float(r["seconds_predict"])
        line = f"{name:<14}" + "".join(f"{c:>{n}}" for c, n in zip(cells, widths)) + f"{seconds(spent, lang):>9}"
        chosen = name == verdict["use"]
        lines.append(f"\x1b[36m{line}\x1b[0m" if chosen and color else f"{line}  <-" if chosen else line)
        if r["reason"]:
            lines.append(f"{'':<14}{remark(str(r['reason']), lang)}")
    return lines
