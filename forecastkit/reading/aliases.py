"""Names of frequencies: lengths, words, seasons people expect, and old spellings."""

from __future__ import annotations

import re

from forecastkit.errors import ConfigError

__all__ = [
    "MONTHS",
    "SEASONS",
    "WEEKDAYS",
    "alias_of",
    "conventional_season",
    "normal_alias",
    "split_alias",
    "unit_us",
    "words",
]

_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "D": 86_400_000_000}
_OLD = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "M",
    "quarterly": "Q", "yearly": "Y", "annual": "Y", "A": "Y", "AS": "YS", "BM": "BME", "d": "D", "b": "B", "w": "W",
    "m": "min", "minute": "min", "hour": "h", "day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y",
    "second": "s", "business": "B", "steps": "step",
}  # fmt: skip
_KNOWN = {*_US, "B", "W", "M", "MS", "ME", "BMS", "BME", "Q", "QS", "QE", "Y", "YS", "YE", "step"}
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
"""Anchors of weeks, and of quarters and years."""
_DAY_WORDS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
_ONE = {
    "us": "microseconds", "ms": "milliseconds", "s": "seconds", "min": "minutes", "h": "hours", "D": "days",
    "B": "business days", "W": "weeks", "MS": "months", "ME": "months (last day)", "BMS": "months (first business day)",
    "BME": "months (last business day)", "QS": "quarters", "QE": "quarters (last day)", "YS": "years",
    "YE": "years (last day)", "step": "steps",
}  # fmt: skip
SEASONS = {
    "B": 5,
    "D": 7,
    "W": 52,
    "MS": 12,
    "ME": 12,
    "BMS": 12,
    "BME": 12,
    "QS": 4,
    "QE": 4,
    "YS": 1,
    "YE": 1,
    "step": 1,
}
"""Steps in the season that people expect of a frequency."""


def split_alias(freq: str) -> tuple[int, str, str]:
    """(multiple, unit, anchor) of an alias.

    >>> split_alias("2W-SUN"), split_alias("30min"), split_alias("MS")
    ((2, 'W', 'SUN'), (30, 'min', ''), (1, 'MS', ''))
    """
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(?:-([A-Za-z]{3}))?", freq)
    if not found:
        return 1, freq, ""
    return int(found[1] or 1), found[2], (found[3] or "").upper()


def normal_alias(freq: str) -> str:
    """A user's spelling as a current alias; ``M``, ``Q`` and ``Y`` stay open between start and end.

    Raises:
        ConfigError: unknown.

    >>> normal_alias("H"), normal_alias("15T"), normal_alias("w")
    ('h', '15min', 'W-SUN')
    """
    n, unit, anchor = split_alias(freq.strip())
    unit = _OLD.get(unit, unit)
    anchors = WEEKDAYS if unit == "W" else MONTHS if unit[:1] in ("Q", "Y") else ()
    # A calendar of business days has no rule for every second one, and an int64 no place for ages.
    countable = n >= 1 and n * _US.get(unit, 1) < 1 << 62 and (n == 1 or unit != "B")
    if unit not in _KNOWN or not countable or (anchor and anchor not in anchors):
        raise ConfigError(
            place="--freq",
            value=repr(freq),
            rule="not a frequency",
            remedy="Use min, 30min, h, D, B, W, W-FRI, MS, ME, QS, YS or step.",
        )
    if unit == "W" and not anchor:
        anchor = "SUN"
    return (str(n) if n > 1 else "") + unit + (f"-{anchor}" if anchor else "")


def unit_us(freq: str) -> int:
    """Microseconds of one step; 0 where steps differ in length."""
    n, unit, _ = split_alias(freq)
    return n * _US.get(unit, 0)


def alias_of(us: int) -> str:
    """The alias of a fixed length.

    >>> alias_of(1_800_000_000), alias_of(86_400_000_000)
    ('30min', 'D')
    """
    for unit in ("D", "h", "min", "s", "ms", "us"):
        if us % _US[unit] == 0:
            n = us // _US[unit]
            return (str(n) if n > 1 else "") + unit
    return f"{us}us"


def words(freq: str) -> str:
    """A frequency in words.

    >>> words("B"), words("30min"), words("W-FRI"), words("2D")
    ('business days', 'half-hours', 'weeks (Fridays)', 'every 2 days')
    """
    n, unit, anchor = split_alias(freq)
    special = {"30min": "half-hours", "15min": "quarter-hours"}.get(freq)
    if special:
        return special
    word = _ONE.get(unit, unit)
    if unit == "W" and anchor in WEEKDAYS and n == 1:
        return f"weeks ({_DAY_WORDS[WEEKDAYS.index(anchor)]})"
    return word if n == 1 else f"every {n} {word}"


def conventional_season(freq: str, n_steps: int, per_day: int = 0) -> int:
    """The season people expect; 1 where the history has fewer than two of them.

    Args:
        freq: alias.
        n_steps: length of the longest series.
        per_day: steps of an open day, for sessions.
    """
    n, unit, _ = split_alias(freq)
    if per_day > 1:
        season = per_day
    elif unit in _US and unit != "D":
        us = unit_us(freq)
        # Below minutes nothing returns by the clock that a history of usual length could hold.
        season = _US["D"] // us if us >= _US["min"] and _US["D"] % us == 0 else 1
    else:
        season = SEASONS.get(unit, 1)
        season = season // n if season % n == 0 else 1
    return season if n_steps >= 2 * season else 1
