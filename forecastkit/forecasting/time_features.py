"""What the clock and the calendar say about an instant: hour, weekday, time of the year, public holidays.

Known for every instant to come, so that a network may read them over its horizon. Cycles are sines and cosines
(Fourier terms), which join December to January.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.calendar import Calendar

__all__ = ["TimeFeatures", "check_country", "holiday_days"]

DAY, WEEK, YEAR = "day", "week", "year"
WAVES = {DAY: 3, WEEK: 3, YEAR: 2}
"""Sines and cosines a cycle: three tell seven weekdays apart."""

CYCLES = {
    "s": (DAY, WEEK, YEAR), "min": (DAY, WEEK, YEAR), "h": (DAY, WEEK, YEAR), "D": (WEEK, YEAR), "B": (WEEK, YEAR),
    "W": (YEAR,), "M": (YEAR,), "Q": (YEAR,),
}  # fmt: skip
"""Cycles longer than one step, by unit of the frequency."""

SHORT = ("s", "min", "h")
LENGTHS = {DAY: pd.Timedelta(days=1), WEEK: pd.Timedelta(days=7), YEAR: pd.Timedelta(days=365.25)}
FEWEST_CYCLES = 2
"""A cycle that was not seen twice cannot be told from a trend."""


@dataclass(frozen=True)
class TimeFeatures:
    """Which features; chosen once from the training rows, so that the same are made later.

    Args:
        cycles: of ``day``, ``week``, ``year``.
        country: ISO code whose public holidays are marked, with a subdivision after a dash (``AU-VIC``); empty = none.
    """

    cycles: tuple[str, ...] = ()
    country: str = ""

    @classmethod
    def choose(cls, calendar: Calendar, *, clock: bool | None = None, country: str = "") -> TimeFeatures:
        """The cycles that the frequency has and the calendar's own instants have seen twice.

        Args:
            clock: whether there are any; None = for steps shorter than a day.
        """
        if calendar.is_integer or not len(calendar):
            if country:
                raise ConfigError(
                    place="--holidays", value=country, rule="the data count steps and have no dates", remedy="Leave it out."
                )  # fmt: skip
            return cls()
        check_country(country)
        unit = re.sub(r"^\d+", "", calendar.freq.split("-")[0])
        unit = {"MS": "M", "ME": "M", "QS": "Q", "QE": "Q"}.get(unit, unit)
        span = calendar.instants[-1] - calendar.instants[0]
        cycles = CYCLES.get(unit, ()) if clock or (clock is None and unit in SHORT) else ()
        seen = [c for c in cycles if span >= FEWEST_CYCLES * LENGTHS[c]]
        return cls(tuple(seen), country)

    @property
    def names(self) -> tuple[str, ...]:
        """One name a column of ``values``."""
        waves = [f"{c}_{f}{k}" for c in self.cycles for k in range(1, WAVES[c] + 1) for f in ("sin", "cos")]
        return (*waves, *(("holiday", "holiday_eve") if self.country else ()))

    def values(self, instants: pd.Index) -> np.ndarray:
        """[n, F] float32 of instants."""
        columns: list[np.ndarray] = []
        if self.cycles:
            moments = pd.DatetimeIndex(instants)
            for cycle in self.cycles:
                angle = 2 * np.pi * _phase(moments, cycle)
                for k in range(1, WAVES[cycle] + 1):
                    columns += [np.sin(k * angle), np.cos(k * angle)]
        if self.country:
            columns += _holidays(pd.DatetimeIndex(instants), self.country)
        if not columns:
            return np.zeros((len(instants), 0), np.float32)
        return np.stack(columns, axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {"cycles": list(self.cycles), "country": self.country}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimeFeatures:
        """The inverse of ``to_dict``."""
        return cls(tuple(values["cycles"]), str(values["country"]))


def _phase(moments: pd.DatetimeIndex, cycle: str) -> np.ndarray:
    """Share of the cycle that has passed, in [0, 1), by the wall clock."""
    wall = moments.tz_localize(None) if moments.tz is not None else moments
    day = (wall - wall.normalize()) / LENGTHS[DAY]
    if cycle == DAY:
        return np.asarray(day)
    if cycle == WEEK:
        return np.asarray((wall.dayofweek + day) / 7)
    return np.asarray((wall.dayofyear - 1 + day) / (365 + wall.is_leap_year))


def check_country(country: str) -> None:
    """Whether the ``holidays`` package knows a country.

    Raises:
        ConfigError: it is not installed, or does not know the country or its subdivision.
    """
    if not country:
        return
    holidays = _package()
    code, _, part = country.partition("-")
    known = holidays.list_supported_countries()
    if code not in known:
        raise ConfigError(place="--holidays", value=repr(country), rule="no such country", remedy=near(code, known))
    if part and part not in known[code]:
        raise ConfigError(
            place="--holidays", value=repr(country), rule=f"no such part of {code}", remedy=near(part, known[code])
        )


def _package() -> Any:
    try:
        import holidays
    except ImportError:
        raise ConfigError(
            place="--holidays", rule="the package holidays is not installed", remedy="pip install holidays"
        ) from None
    return holidays


def holiday_days(country: str, years: range) -> pd.DatetimeIndex:
    """Public holidays of a country, at midnight, ascending.

    Args:
        country: ISO code, as ``ES`` or ``AU-VIC``.
    """
    check_country(country)
    code, _, part = country.partition("-")
    found = _package().country_holidays(code, subdiv=part or None, years=years)
    return pd.DatetimeIndex(sorted(pd.Timestamp(day) for day in found))


def _holidays(moments: pd.DatetimeIndex, country: str) -> list[np.ndarray]:
    """1 on a public holiday, and 1 on the day before one."""
    wall = (moments.tz_localize(None) if moments.tz is not None else moments).normalize()
    if not len(wall):
        return [np.zeros(0), np.zeros(0)]
    if wall.isna().any():
        raise DataError(place="time", rule="an instant without a date has no holidays")
    days = holiday_days(country, range(int(wall.year.min()), int(wall.year.max()) + 2))
    return [wall.isin(days).astype(float), wall.isin(days - LENGTHS[DAY]).astype(float)]
