"""What the clock and the calendar say about an instant: hour, weekday, time of the year, public holidays.

Known for every instant to come, so that a network may read them over its horizon. Cycles are sines and cosines
(Fourier terms), which join December to January.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading.aliases import split_alias

__all__ = ["LENGTHS", "TimeFeatures", "check_country", "holiday_days", "with_closed_days"]

DAY, WEEK, YEAR = "day", "week", "year"
WAVES = {DAY: 3, WEEK: 3, YEAR: 2}
"""Sines and cosines a cycle: three tell seven weekdays apart."""

CYCLES = {
    "s": (DAY, WEEK, YEAR), "min": (DAY, WEEK, YEAR), "h": (DAY, WEEK, YEAR), "D": (WEEK, YEAR), "B": (WEEK, YEAR),
    "W": (YEAR,), "M": (YEAR,), "Q": (YEAR,),
}  # fmt: skip
"""Cycles longer than one step, by unit of the frequency."""

LENGTHS = {DAY: pd.Timedelta(days=1), WEEK: pd.Timedelta(days=7), YEAR: pd.Timedelta(days=365.25)}
YEARS_AHEAD = 5
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
    def choose(cls, calendar: Calendar, *, clock: bool, country: str = "") -> TimeFeatures:
        """The cycles that the frequency has and the calendar's own instants have seen twice.

        Args:
            clock: whether there are any.
        """
        if calendar.is_integer or not len(calendar):
            if country:
                raise ConfigError(
                    place="--holidays", value=country, rule="the data count steps and have no dates", remedy="Leave it out."
                )  # fmt: skip
            return cls()
        check_country(country)
        unit = split_alias(calendar.freq)[1]
        unit = {"MS": "M", "ME": "M", "QS": "Q", "QE": "Q"}.get(unit, unit)
        span = calendar.instants[-1] - calendar.instants[0]
        cycles = CYCLES.get(unit, ()) if clock else ()
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
    return pd.DatetimeIndex(sorted(pd.Timestamp(day) for day in _named(country, years)))


def _named(country: str, years: range) -> dict[Any, str]:
    """Day -> names of the holidays that fall on it."""
    check_country(country)
    code, _, part = country.partition("-")
    return dict(_package().country_holidays(code, subdiv=part or None, years=years))


def with_closed_days(frame: SeriesFrame) -> SeriesFrame:
    """The frame of a country with a calendar that has no row on the holidays to come on which there never was one."""
    if not frame.country:
        return frame
    calendar = replace(frame.calendar, closed=_closed_days(frame.calendar, frame.country))
    return replace(frame, data=frame.rows, calendar=calendar)  # type: ignore[arg-type]


def _closed_days(calendar: Calendar, country: str) -> tuple[str, ...]:
    """Days after the calendar's last instant, as ``2024-12-25``, on which there will be no row, for years to come.

    A public holiday is one where that holiday, by its name, has fallen on a day of the week that has rows and had none:
    markets trade on some. Where the data have rows on every day there is none.
    """
    if calendar.is_integer or not (calendar.freq == "B" or calendar.sessions) or not len(calendar):
        return ()
    instants = pd.DatetimeIndex(calendar.instants)
    days = (instants.tz_localize(None) if instants.tz is not None else instants).normalize().unique()
    open_days, first, last = set(days.dayofweek), days[0], days[-1]
    closed, traded = set[str](), set[str]()
    for day, text in _named(country, range(first.year, last.year + 1)).items():
        moment = pd.Timestamp(day)
        if first <= moment <= last and moment.dayofweek in open_days:
            if moment in days:
                traded.update(_names(text))
            else:
                closed.update(map(_base, _names(text)))
    ahead = _named(country, range(last.year, last.year + YEARS_AHEAD + 1))
    out = [
        day
        for day, text in ahead.items()
        if pd.Timestamp(day) > last and any(_base(name) in closed and name not in traded for name in _names(text))
    ]
    return tuple(str(day) for day in sorted(out))


def _names(text: str) -> list[str]:
    """Single holidays of a day."""
    return [name.strip() for name in text.split(";")]


def _base(name: str) -> str:
    """A holiday's name without ``(observed)``, which says that it was moved from a day that is free anyway."""
    return re.sub(r"\s*\(.*\)$", "", name)


def _holidays(moments: pd.DatetimeIndex, country: str) -> list[np.ndarray]:
    """1 on a public holiday, and 1 on the day before one."""
    wall = (moments.tz_localize(None) if moments.tz is not None else moments).normalize()
    if not len(wall):
        return [np.zeros(0), np.zeros(0)]
    if wall.isna().any():
        raise DataError(place="time", rule="an instant without a date has no holidays")
    days = holiday_days(country, range(int(wall.year.min()), int(wall.year.max()) + 2))
    return [wall.isin(days).astype(float), wall.isin(days - LENGTHS[DAY]).astype(float)]
