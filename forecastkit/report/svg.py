"""A plot area in SVG: scales, axes and marks. Colours are CSS classes of the page, so that dark and paper work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.report.numbers import axis_number, ticks, time_ticks

__all__ = ["Plot", "as_x"]

TEXT = 6.6
"""Mean width of a character at the axis' font size, for margins and label collisions."""


def as_x(times: Any) -> np.ndarray:
    """Times as float64: seconds for instants, counts for steps."""
    index = pd.Index(times)
    if isinstance(index, pd.DatetimeIndex):
        wall = index.tz_localize(None) if index.tz is not None else index
        return wall.as_unit("us").asi8 / 1e6
    return index.to_numpy(np.float64)


@dataclass(eq=False)
class Plot:
    """Marks in data coordinates; ``str()`` gives the SVG.

    Args:
        width, height: of the view box.
        x, y: data ranges.
        alt: what the picture shows, for those who do not see it.
        is_time: x is seconds since 1970.
    """

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    alt: str
    is_time: bool = False
    lang: str = "en"
    left: int = 52
    right: int = 84
    top: int = 26
    bottom: int = 26
    y_title: str = ""
    x_title: str = ""
    y_ticks: bool = True
    x_ticks: bool = True
    parts: list[str] = field(default_factory=list)
    labels: list[tuple[float, str, str]] = field(default_factory=list)

    def px(self, x: Any) -> Any:
        """Pixels of x."""
        lo, hi = self.x
        return self.left + (np.asarray(x, float) - lo) / ((hi - lo) or 1.0) * (self.width - self.left - self.right)

    def py(self, y: Any) -> Any:
        """Pixels of y."""
        lo, hi = self.y
        return (
            self.height
            - self.bottom
            - (np.asarray(y, float) - lo) / ((hi - lo) or 1.0) * (self.height - self.top - self.bottom)
        )

    def line(self, x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, css: str) -> None:
        """A line that is interrupted where y is not finite; a lone point is drawn as a dot."""
        px, py = self.px(x), self.py(y)
        ok = np.isfinite(np.asarray(y, float))
        edges = np.flatnonzero(np.diff(np.r_[False, ok, False].astype(int)))
        path = []
        for lo, hi in zip(edges[::2], edges[1::2]):
            if hi - lo == 1:
                self.parts.append(f'<circle class="{css} dot" cx="{px[lo]:.1f}" cy="{py[lo]:.1f}" r="2"/>')
                continue
            path.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(px[lo:hi], py[lo:hi])))
        if path:
            self.parts.append(f'<path class="{css}" d="{"".join(path)}"/>')

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, css: str) -> None:
        """The area between two lines; none where a bound is missing."""
        ok = np.isfinite(low) & np.isfinite(high)
        if ok.sum() < 2:
            return
        px, lo, hi = self.px(x)[ok], self.py(low)[ok], self.py(high)[ok]
        up = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(px, hi))
        down = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(px[::-1], lo[::-1]))
        self.parts.append(f'<path class="{css}" d="M{up}L{down}Z"/>')

    def dot(self, x: float, y: float, css: str, r: float = 3.5) -> None:
        """A point."""
        self.parts.append(f'<circle class="{css} dot" cx="{self.px(x):.1f}" cy="{self.py(y):.1f}" r="{r}"/>')

    def rect(self, x0: float, x1: float, y0: float, height: float, css: str, title: str = "") -> None:
        """A bar from x0 to x1 in data units at pixel y0."""
        a, b = sorted((float(self.px(x0)), float(self.px(x1))))
        tip = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(
            f'<rect class="{css}" x="{a:.1f}" y="{y0:.1f}" width="{max(b - a, 1.5):.1f}" height="{height:.1f}">{tip}</rect>'
        )

    def horizontal(self, y: float, css: str) -> None:
        """A line through the whole width."""
        at = float(self.py(y))
        self.parts.append(f'<path class="{css}" d="M{self.left} {at:.1f}H{self.width - self.right}"/>')

    def text(self, x: float, y: float, text: str, css: str = "", anchor: str = "start") -> None:
        """Text at pixels."""
        kind = f' class="{css}"' if css else ""
        self.parts.append(f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def label(self, y: float, text: str, css: str) -> None:
        """A label at the right end of a line; crowded ones are moved apart."""
        if np.isfinite(y):
            self.labels.append((float(self.py(y)), text, css))

    def _labels(self) -> None:
        at = -np.inf
        room = sorted(self.labels)
        places = []
        for y, _, _ in room:
            at = max(y, at + 14)
            places.append(at)
        over = (places[-1] - (self.height - self.bottom + 4)) if places else 0
        for k in range(len(places) - 1, -1, -1):
            if over > 0:
                ceiling = self.height - self.bottom + 4 if k == len(places) - 1 else places[k + 1] - 14
                places[k] = min(places[k], ceiling)
        most = max(4, int((self.right - 8) / TEXT))
        for place, (_, text, css) in zip(places, room):
            short = text if len(text) <= most else text[: most - 1] + "…"
            self.text(self.width - self.right + 6, place + 4, short, css)

    def _axes(self) -> list[str]:
        out = []
        bottom = self.height - self.bottom
        if self.y_ticks:
            marks = ticks(*self.y, most=4)
            step = marks[1] - marks[0] if len(marks) > 1 else 1.0
            for tick in marks:
                at = float(self.py(tick))
                out.append(f'<path class="grid" d="M{self.left} {at:.1f}H{self.width - self.right}"/>')
                out.append(
                    f'<text class="tick" x="{self.left - 6}" y="{at + 4:.1f}" text-anchor="end">'
                    f"{axis_number(tick, step, self.lang)}</text>"
                )
        out.append(f'<path class="axis" d="M{self.left} {bottom}H{self.width - self.right}"/>')
        most = max(2, (self.width - self.left - self.right) // 92)
        end = -np.inf
        for at, text in self._x_ticks(most) if self.x_ticks else []:
            half = len(text) * TEXT / 2
            place = min(max(at, half), self.width - half)
            if place - half < end + 8:
                continue
            end = place + half
            out.append(f'<path class="axis" d="M{at:.1f} {bottom}v4"/>')
            out.append(
                f'<text class="tick" x="{place:.1f}" y="{bottom + 17}" text-anchor="middle">{escape(text)}</text>'
            )
        if self.y_title:
            out.append(f'<text class="tick" x="2" y="13">{escape(self.y_title)}</text>')
        if self.x_title:
            out.append(
                f'<text class="tick" x="{self.width - self.right + 14}" y="{bottom + 17}">{escape(self.x_title)}</text>'
            )
        return out

    def _x_ticks(self, most: int) -> list[tuple[float, str]]:
        if self.is_time:
            lo, hi = (pd.Timestamp(v, unit="s") for v in self.x)
            return [(float(self.px(stamp.timestamp())), text) for stamp, text in time_ticks(lo, hi, most, self.lang)]
        marks = [t for t in ticks(*self.x, most=most) if t == int(t) or self.x[1] - self.x[0] < 2]
        step = marks[1] - marks[0] if len(marks) > 1 else 1.0
        return [(float(self.px(t)), axis_number(t, step, self.lang)) for t in marks]

    def __str__(self) -> str:
        axes = self._axes()
        self._labels()
        body = "".join([*axes, *self.parts])
        self.labels = []
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.alt, quote=True)}" '
            f'style="max-width:{self.width}px">{body}</svg>'
        )
