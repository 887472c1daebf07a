"""ECG paper: 25 mm a second and 10 mm a millivolt; and which part of a wave mattered."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from forecastkit.report.numbers import percent
from forecastkit.report.svg import Plot

__all__ = ["ecg_strip", "wave_chart"]


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
        wrong = said not in ("", true)
        lines.append(f'<text x="{at:.1f}" y="{height + 16:.0f}" text-anchor="middle">{true}</text>')
        if wrong:
            css = "ecg-here" if mark.get("here") else "ecg-wrong"
            lines.append(f'<text class="{css}" x="{at:.1f}" y="{height + 33:.0f}" text-anchor="middle">{said}</text>')
            lines.append(f'<path class="{css}" d="M{at - 5:.1f} 0h10l-5 8z"/>')
    return (
        f'<svg class="ecg" viewBox="-6 -4 {width + 12:.0f} {height + 44:.0f}" role="img" aria-label="{escape(alt, quote=True)}">'
        f"{''.join(lines)}</svg>"
    )


def wave_chart(
    rare: Sequence[float],
    usual: Sequence[float],
    fall: Sequence[float],
    names: tuple[str, str],
    *,
    width: int,
    lang: str = "en",
) -> str:
    """Two median shapes, with the parts shaded whose hiding lowers the probability of the rare class.

    Args:
        fall: of each part of the sequence.
        names: of the rare and of the usual class.
    """
    x, y = np.arange(len(rare), dtype=np.float64), np.asarray(rare, np.float64)
    other, falls = np.asarray(usual, np.float64), np.asarray([0.0 if v is None else float(v) for v in fall])
    low, high = float(min(y.min(), other.min())), float(max(y.max(), other.max()))
    most = int(np.argmax(falls))
    n = len(falls)
    said = f"{names[0]}: {100 * most // n}-{100 * (most + 1) // n} %, {percent(float(falls[most]), lang)}"
    plot = Plot(
        width, 200, (0, len(x) - 1), (low, high + 0.02), said, lang=lang, right=96, y_ticks=False, x_ticks=False
    )
    top = max(float(falls.max()), 1e-9)
    for k, value in enumerate(falls.tolist()):
        if value > 0.02 * top and top > 0.0005:
            a, b = k * (len(x) - 1) / n, (k + 1) * (len(x) - 1) / n
            left, right = float(plot.px(a)), float(plot.px(b))
            title = f"{100 * k // n}-{100 * (k + 1) // n} %: {percent(value, lang)}"
            plot.parts.append(
                f'<rect class="shade" opacity="{0.08 + 0.5 * value / top:.2f}" x="{left:.1f}" y="{plot.top}" width="{right - left:.1f}" '
                f'height="{plot.height - plot.top - plot.bottom}"><title>{title}</title></rect>'
            )
    plot.line(x, other, "reference")
    plot.line(x, y, "chosen")
    plot.label(float(other[-1]), names[1], "reference")
    plot.label(float(y[-1]), names[0], "chosen")
    return str(plot)
