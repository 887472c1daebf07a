"""report.html of a run that classifies: one file without outside requests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from forecastkit.report import charts
from forecastkit.report.charts import NARROW, WIDE
from forecastkit.report.numbers import number, percent, seconds
from forecastkit.report.svg import Plot

__all__ = ["LabelReport", "ecg_strip", "render_labels", "write_label_report"]

_WORDS = {
    "leaderboard": ("All models, on groups never seen", "Todos los modelos, en grupos nunca vistos"),
    "model": ("Model", "Modelo"),
    "sensitivity": ("Found", "Encontrados"),
    "ppv": ("Right when said", "Acierto al decirlo"),
    "f1": ("F1", "F1"),
    "macro": ("Macro F1", "F1 macro"),
    "roc": ("ROC area", "Área ROC"),
    "pr": ("Average precision", "Precisión media"),
    "ece": ("Calibration error", "Error de calibración"),
    "time": ("Time", "Tiempo"),
    "rare_first": (
        "Found is the sensitivity for {rare}, right when said its positive predictive value. Accuracy is not shown: always saying the commonest class has a high one.",
        "Encontrados es la sensibilidad para {rare}; acierto al decirlo, su valor predictivo positivo. No se muestra la exactitud: decir siempre la clase más común ya da una alta.",
    ),
    "groups": ("Each {what}", "Cada {what}"),
    "groups_said": (
        "Counts of {rare}, by the model {use}. F1 is given where there are at least 10.",
        "Recuentos de {rare}, por el modelo {use}. Se da F1 donde hay al menos 10.",
    ),
    "rare_n": ("{rare}", "{rare}"),
    "missed": ("Missed", "Perdidos"),
    "alarms": ("False alarms", "Falsas alarmas"),
    "confusion": ("What was taken for what", "Qué se tomó por qué"),
    "was": ("was", "era"),
    "said": ("said", "dicho"),
    "classes": ("Class", "Clase"),
    "specificity": ("Specificity", "Especificidad"),
    "curves": ("Every threshold", "Todos los umbrales"),
    "roc_x": ("false alarm rate", "tasa de falsas alarmas"),
    "reliability": ("Are the probabilities honest?", "¿Son honestas las probabilidades?"),
    "reliability_said": (
        "Of the sequences for which {use} says a probability of {rare}, this share was {rare}. On the line they agree.",
        "De las secuencias a las que {use} da una probabilidad de {rare}, esta proporción lo era. En la línea coinciden.",
    ),
    "strips": ("The surest mistakes of {use}", "Los errores más seguros de {use}"),
    "strips_said": (
        "25 mm a second, 10 mm a millivolt; small squares are 1 mm. Below each beat: what it was; in colour, what was said where that is another.",
        "25 mm por segundo, 10 mm por milivoltio; los cuadros pequeños son de 1 mm. Bajo cada latido: lo que era; en color, lo dicho cuando es otra cosa.",
    ),
    "mattered": ("What {rare} was told by", "En qué se basó {rare}"),
    "mattered_said": (
        "How far the probability of {rare} falls, in points, where one thing is hidden: in beats of {rare}, by the final model.",
        "Cuánto baja la probabilidad de {rare}, en puntos, si se oculta una sola cosa: en casos de {rare}, con el modelo final.",
    ),
    "feature": ("Hidden", "Oculto"),
    "fall": ("Fall", "Bajada"),
    "anomaly": (
        "Without any label, by what the usual beats cannot express: {found} of {rare} stand out and {alarms} of the usual beats, on patients never seen (ROC area {roc}).",
        "Sin etiquetas, por lo que los latidos usuales no pueden expresar: destacan el {found} de {rare} y el {alarms} de los usuales, en pacientes nunca vistos (área ROC {roc}).",
    ),
    "learning": ("Learning", "Aprendizaje"),
    "peaks": ("R peaks found, against the annotations (within 75 ms)", "Picos R hallados, frente a las anotaciones (a 75 ms)"),
    "record": ("Record", "Registro"),
    "data": ("The data", "Los datos"),
    "tested": ("Test", "Prueba"),
    "remarks": ("Remarks", "Observaciones"),
    "again": ("How to run this again", "Cómo repetirlo"),
    "failed": ("failed", "falló"),
    "uncalibrated": ("Too few groups to calibrate: probabilities are as the model says them.", "Muy pocos grupos para calibrar: probabilidades tal como las da el modelo."),
    "loss": ("loss", "pérdida"),
}  # fmt: skip
MOST_GROUPS = 200


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


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("forecastkit.report"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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
    fill = {
        "rare": str(data.verdict["rare"]),
        "use": use,
        "what": {"patient": ("patient", "paciente")}.get(what, (what, what))[k],
    }
    found = data.diagnostics.get("anomaly") or {}
    strange = "" if "roc_auc" not in found else "yes"
    fill |= {
        "found": percent(_float(found.get("found")), data.lang),
        "alarms": percent(_float(found.get("false_alarms")), data.lang),
    }
    fill["roc"] = number(_float(found.get("roc_auc")), data.lang)
    w = {key: pair[k].format(**fill) for key, pair in _WORDS.items()}
    sentences = data.verdict["sentence"][data.lang]
    return _environment().get_template("labels.html.j2").render(
        w=w,
        lang=data.lang,
        title=data.title,
        use=use,
        rare=fill["rare"],
        what=fill["what"],
        head=sentences[0],
        more=sentences[1:],
        device=data.verdict.get("no_device", {}).get(data.lang, ""),
        board=_board(data),
        groups=_groups(data, use),
        confusion=_confusion(data, use),
        curves=_curves(data, w),
        reliability=_reliability(data, use, w),
        strips=[_strip_row(s, data) for s in data.diagnostics.get("strips", [])],
        learning=_learning(data),
        mattered=_mattered(data),
        anomaly=w["anomaly"] if strange else "",
        peaks=_peaks(data),
        facts=data.facts,
        notes=[str(n) for n in data.facts.get("notes", [])],
    )  # fmt: skip


def _float(value: Any) -> float:
    return float("nan") if value is None or value == "" else float(value)


def _board(data: LabelReport) -> list[dict[str, Any]]:
    rows = []
    for _, r in data.leaderboard.iterrows():
        name = str(r["model"])
        css = "chosen" if name == data.verdict["use"] else "plain"
        row: dict[str, Any] = {
            "name": name,
            "css": css,
            "failed": r["status"] != "ok",
            "reason": str(r.get("reason") or ""),
        }
        if not row["failed"]:
            row |= {key: percent(_float(r[key]), data.lang) for key in ("sensitivity", "ppv")}
            row |= {key: number(_float(r[key]), data.lang) for key in ("f1", "macro_f1", "roc_auc", "pr_auc", "ece")}
            row["time"] = seconds(_float(r["seconds_fit"]) + _float(r["seconds_predict"]), data.lang)
        rows.append(row)
    return rows


def _groups(data: LabelReport, use: str) -> list[list[str]]:
    if not len(data.groups):
        return []
    own = data.groups[data.groups["model"] == use].head(MOST_GROUPS)
    return [
        [
            str(r["group"]),
            f"{r['n']:,}",
            f"{r['n_rare']:,}",
            f"{r['found']:,}",
            f"{r['missed']:,}",
            f"{r['false_alarms']:,}",
            number(_float(r["f1"]), data.lang),
        ]
        for _, r in own.iterrows()
    ]


def _confusion(data: LabelReport, use: str) -> dict[str, Any] | None:
    found = data.diagnostics["models"].get(use)
    if not found:
        return None
    classes = [str(c) for c in data.facts["classes"]]
    rows = []
    for k, (name, row) in enumerate(zip(classes, found["confusion"])):
        s = found["by_class"][k]
        scores = [
            percent(_float(s["sensitivity"]), data.lang),
            percent(_float(s["ppv"]), data.lang),
            percent(_float(s["specificity"]), data.lang),
            number(_float(s["f1"]), data.lang),
        ]
        rows.append({"name": name, "counts": [(f"{int(v):,}", j == k) for j, v in enumerate(row)], "scores": scores})
    return {"classes": classes, "rows": rows}


def _both(chart: Any) -> Markup:
    # Drawn by forecastkit.report.svg, which escapes every text.
    return Markup(f'<div class="wide">{chart(WIDE)}</div><div class="narrow">{chart(NARROW)}</div>')  # noqa: S704


def _pictured(data: LabelReport) -> list[str]:
    v = data.verdict
    return [n for n in dict.fromkeys([v["use"], v["tested"], v["reference"]]) if n in data.diagnostics["models"]]


def _curves(data: LabelReport, w: dict[str, str]) -> list[Markup]:
    out = []
    names = _pictured(data)
    styles = dict(zip(names, ("chosen", "other0", "reference")))
    for key, x_title, y_title in (("roc", w["roc_x"], w["sensitivity"]), ("pr", w["sensitivity"], w["ppv"])):

        def chart(width: int, key: str = key, x_title: str = x_title, y_title: str = y_title) -> str:
            plot = Plot(
                width, 240, (0, 1), (0, 1), f"{y_title}, {x_title}: {', '.join(names)}", lang=data.lang, y_title=f"{y_title} / {x_title}", right=110
            )  # fmt: skip
            for name in names:
                points = np.array(data.diagnostics["models"][name][key], float).reshape(-1, 2)
                if len(points):
                    plot.line(points[:, 0], points[:, 1], styles[name])
                    plot.label(float(points[len(points) // 2, 1]), name, styles[name])
            return str(plot)

        out.append(_both(chart))
    return out


def _reliability(data: LabelReport, use: str, w: dict[str, str]) -> dict[str, Any] | None:
    found = data.diagnostics["models"].get(use)
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
        "chart": _both(chart),
        "said": w["reliability_said"],
        "note": "" if found.get("calibrated") else w["uncalibrated"],
    }


def _strip_row(strip: dict[str, Any], data: LabelReport) -> dict[str, Any]:
    minutes, rest = divmod(float(strip["start"]), 60)
    lead = f", {strip['lead']}" if strip.get("lead") else ""
    said = f"{strip['record']}{lead}, {int(minutes)}:{rest:04.1f} – {strip['true']} → {strip['said']}"
    return {"name": said, "svg": Markup(ecg_strip(strip, said))}  # noqa: S704  escaped there


def ecg_strip(strip: dict[str, Any], alt: str) -> str:
    """A piece of signal on ECG paper as SVG: 25 mm a second and 10 mm a millivolt, both to one scale.

    Args:
        strip: ``mv``, ``rate`` (samples a second) and ``marks`` with t (seconds), true, said, here.
    """
    mm = 4.0  # units of the view box
    mv = np.array([np.nan if v is None else v for v in strip["mv"]], float)
    rate = float(strip["rate"])
    known = mv[np.isfinite(mv)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (-1.0, 1.0)
    bottom, top = np.floor(min(low, -0.5) * 2) / 2 - 0.5, np.ceil(max(high, 0.5) * 2) / 2 + 0.5
    bottom, top = max(bottom, -6.0), min(top, 6.0)
    width, height = len(mv) / rate * 25 * mm, (top - bottom) * 10 * mm
    lines = []
    for step, css in ((1.0, "ecg-fine"), (5.0, "ecg-bold")):
        across = "".join(f"M{x:.0f} 0V{height:.0f}" for x in np.arange(0, width + 0.1, step * mm))
        down = "".join(f"M0 {y:.0f}H{width:.0f}" for y in np.arange(0, height + 0.1, step * mm))
        lines.append(f'<path class="{css}" d="{across}{down}"/>')
    x = np.arange(len(mv)) / rate * 25 * mm
    y = (top - np.clip(mv, bottom, top)) * 10 * mm
    ok = np.isfinite(y)
    trace = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[ok], y[ok]))
    lines.append(f'<path class="ecg-trace" d="M{trace}"/>' if trace else "")
    for mark in strip["marks"]:
        at = float(mark["t"]) * 25 * mm
        true, said = escape(str(mark["true"])), escape(str(mark["said"]))
        wrong = true != said
        lines.append(f'<text x="{at:.1f}" y="{height + 16:.0f}" text-anchor="middle">{true}</text>')
        if wrong:
            css = "ecg-here" if mark.get("here") else "ecg-wrong"
            lines.append(f'<text class="{css}" x="{at:.1f}" y="{height + 33:.0f}" text-anchor="middle">{said}</text>')
            lines.append(f'<path class="{css}" d="M{at - 5:.1f} 0h10l-5 8z"/>')
    return (
        f'<svg class="ecg" viewBox="-6 -4 {width + 12:.0f} {height + 44:.0f}" role="img" aria-label="{escape(alt, quote=True)}">'
        f"{''.join(lines)}</svg>"
    )


def _mattered(data: LabelReport) -> list[dict[str, Any]]:
    out = []
    for name in _pictured(data):
        found = data.diagnostics["models"][name].get("mattered")
        if not found:
            continue
        rows = [(str(key), percent(_float(v), data.lang, sign=True)) for key, v in found["features"].items()]
        n = len(found["steps"])
        rows += [
            (f"{100 * k // n}–{100 * (k + 1) // n} %", percent(_float(v), data.lang, sign=True))
            for k, v in enumerate(found["steps"])
            if abs(_float(v)) >= 0.0005
        ]
        out.append({"name": name, "rows": rows})
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
        first = first.assign(stopped=[False] * (len(first) - 1) + [True])
        out.append(
            _both(lambda width, c=first, n=str(name): charts.learning_chart(c, width=width, lang=data.lang, name=n))
        )
    return out


def _peaks(data: LabelReport) -> list[list[str]]:
    return [
        [
            str(r["record"]),
            f"{r['n']:,}",
            f"{r['missed']:,}",
            f"{r['invented']:,}",
            percent(_float(r["sensitivity"]), data.lang),
            percent(_float(r["ppv"]), data.lang),
        ]
        for r in data.diagnostics.get("r_peaks", [])[:MOST_GROUPS]
    ]
