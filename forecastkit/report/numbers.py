"""Numbers and times as people write them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

__all__ = [
    "axis_number",
    "count",
    "headline",
    "moment",
    "number",
    "p_text",
    "percent",
    "seconds",
    "ticks",
    "time_ticks",
]

MINUS = "\u2212"


def number(value: Any, lang: str = "en", digits: int = 3) -> str:
    """A number with ``digits`` significant digits; a dash where it is undefined.

    >>> number(1234.567), number(0.0123456), number(float("nan")), number(12.3, "es")
    ('1,235', '0.0123', '–', '12,3')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size >= 15 or size < -6:
        text = f"{value:.{digits - 1}e}"
    else:
        text = f"{value:,.{max(0, digits - 1 - size)}f}"
    if lang == "es":
        text = text.translate(str.maketrans(",.", ".,"))
    return text.replace("-", MINUS)


def count(n: int, lang: str = "en") -> str:
    """A whole number with its thousands apart.

    >>> count(12345), count(12345, "es")
    ('12,345', '12.345')
    """
    return f"{n:,}".replace(",", "." if lang == "es" else ",")


def axis_number(value: float, step: float, lang: str = "en") -> str:
    """A tick's label with the decimals that the distance of the ticks needs.

    >>> axis_number(2.0, 1.0), axis_number(0.5, 0.25), axis_number(1500.0, 500.0)
    ('2', '0.50', '1,500')
    """
    if value and not 1e-6 <= abs(value) < 1e9:
        return number(value, lang)
    decimals = next((d for d in range(9) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 9)
    text = f"{value:,.{decimals}f}"
    if lang == "es":
        text = text.translate(str.maketrans(",.", ".,"))
    return text.replace("-", MINUS)


def headline(table: pd.DataFrame) -> str:
    """The column that a leaderboard, or a table of errors, is ordered and drawn by: ``msse``, ``mase`` or ``mae``."""
    return next((m for m in ("msse", "mase") if m in table and table[m].notna().any()), "mae")


def percent(value: Any, lang: str = "en", *, sign: bool = False) -> str:
    """A share as per cent, one decimal.

    >>> percent(0.0123, sign=True), percent(-0.5)
    ('+1.2 %', '−50.0 %')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    rounded = round(100 * value, 1) or 0.0  # no minus before a zero
    text = f"{rounded:{'+' if sign and rounded else ''}.1f}"
    if lang == "es":
        text = text.replace(".", ",")
    return text.replace("-", MINUS) + " %"


def p_text(p: Any, lang: str = "en") -> str:
    """A p-value in two digits.

    >>> p_text(0.00001), p_text(0.314)
    ('p < 0.001', 'p = 0.31')
    """
    if p is None or not isinstance(p, (int, float)) or not math.isfinite(p):
        return ""
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return text.replace(".", ",") if lang == "es" else text


def seconds(value: Any, lang: str = "en") -> str:
    """A duration.

    >>> seconds(0.04), seconds(12.34), seconds(345)
    ('0.0 s', '12.3 s', '345 s')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ""
    text = f"{value:.1f} s" if value < 100 else f"{value:.0f} s"
    return text.replace(".", ",") if lang == "es" else text


def moment(value: Any) -> str:
    """A time as text: the day where it is midnight.

    >>> moment(pd.Timestamp("2024-01-05")), moment(pd.Timestamp("2024-01-05 10:30")), moment(7)
    ('2024-01-05', '2024-01-05 10:30', '7')
    """
    if isinstance(value, pd.Timestamp):
        wall = value.tz_localize(None)
        return str(wall.date()) if wall == wall.normalize() else wall.strftime("%Y-%m-%d %H:%M")
    return str(value)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within [low, high].

    >>> ticks(0, 10), ticks(0.93, 1.07, 3)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [0.95, 1.0, 1.05])
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


_STEPS = (
    ("YS", 100, 3155760000.0), ("YS", 50, 1577880000.0), ("YS", 20, 631152000.0), ("YS", 10, 315576000.0),
    ("YS", 5, 157788000.0), ("YS", 2, 63115200.0), ("YS", 1, 31557600.0), ("MS", 6, 15778800.0), ("MS", 3, 7889400.0),
    ("MS", 2, 5259600.0), ("MS", 1, 2629800.0), ("D", 14, 1209600.0), ("D", 7, 604800.0), ("D", 2, 172800.0),
    ("D", 1, 86400.0), ("h", 12, 43200.0), ("h", 6, 21600.0), ("h", 3, 10800.0), ("h", 1, 3600.0), ("min", 30, 1800.0),
    ("min", 15, 900.0), ("min", 5, 300.0), ("min", 1, 60.0), ("s", 30, 30.0), ("s", 10, 10.0), ("s", 1, 1.0),
)  # fmt: skip
_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "es": ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"],
}


def time_ticks(
    low: pd.Timestamp, high: pd.Timestamp, most: int = 6, lang: str = "en"
) -> list[tuple[pd.Timestamp, str]]:
    """Instants on round dates and their labels; the year is said where it changes.

    >>> [label for _, label in time_ticks(pd.Timestamp("2023-11-15"), pd.Timestamp("2024-03-10"))]
    ['Dec 2023', 'Jan 2024', 'Feb', 'Mar']
    """
    span = max((high - low).total_seconds(), 1.0)
    unit, n, _ = min((s for s in _STEPS if span / s[2] <= most), key=lambda s: s[2], default=_STEPS[0])
    start = low.normalize().replace(day=1)
    if unit == "YS":
        start = start.replace(month=1, year=max(start.year - start.year % n, 1))
    elif unit == "MS":
        start = start.replace(month=1)
    elif unit == "D":
        start = low.normalize() - pd.Timedelta(days=low.weekday() if n >= 7 else 0)
    else:
        start = low.normalize()
    grid = pd.date_range(start, high, freq=f"{n}{unit}")
    out: list[tuple[pd.Timestamp, str]] = []
    said: tuple[int, ...] = ()
    for stamp in grid[grid >= low]:
        month = _MONTHS[lang][stamp.month - 1]
        key: tuple[int, ...] = (stamp.year,)
        if unit == "YS":
            label = str(stamp.year)
        elif unit == "MS":
            label = month if said == key else f"{month} {stamp.year}"
        elif unit == "D":
            label = f"{stamp.day} {month}" if said == key else f"{stamp.day} {month} {stamp.year}"
        else:
            key = (stamp.year, stamp.month, stamp.day)
            clock = stamp.strftime("%H:%M" if unit != "s" else "%H:%M:%S")
            label = clock if said == key else f"{stamp.day} {month} {clock}"
        said = key
        out.append((stamp, label))
    return out
