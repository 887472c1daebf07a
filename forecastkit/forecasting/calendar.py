"""The calendar: the set of valid instants that all series of a panel share.

A valid instant without a value is an unobserved row. An instant that is not valid (weekend, holiday,
night) does not exist: no row is invented for it. After the border, time is the position of an instant
in the calendar, so that trading days, hours and plain steps need no different code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import DataError

__all__ = ["STEP", "Calendar"]

STEP = "step"
"""The frequency of integer time."""


@dataclass(frozen=True, eq=False)
class Calendar:
    """Valid instants in ascending order, and the rule that continues them.

    Args:
        freq: pandas offset alias of one step (``"D"``, ``"B"``, ``"h"``, ``"30min"``, ``"MS"``, ``"W-SUN"``),
            or ``"step"`` for integer time.
        instants: strictly increasing ``DatetimeIndex`` (naive or zoned) or int64 ``Index``.
        sessions: for calendars with closed hours, the valid wall-clock ``(weekday, second of the day)``
            pairs in order; empty where ``freq`` alone says what comes next.
        ahead: valid instants after the last one that a file of the future names; empty = the rule says what comes.
        closed: days after the last instant, as ``2024-12-25``, on which the rule has nothing.
    """

    freq: str
    instants: pd.Index
    sessions: tuple[tuple[int, int], ...] = ()
    ahead: pd.Index = field(default_factory=lambda: pd.Index([]))
    closed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.instants)

    @property
    def is_integer(self) -> bool:
        """Whether time is a count of steps and not a date."""
        return self.freq == STEP

    @cached_property
    def _step(self) -> int:
        gaps = np.diff(self.instants.to_numpy())
        return int(np.gcd.reduce(gaps)) if len(gaps) else 1

    def position(self, timestamps: Any) -> np.ndarray:
        """Positions [n] int64 of exact instants.

        Raises:
            DataError: a timestamp is not a valid instant.
        """
        index = pd.Index(timestamps)
        # Instants ascend: a binary search needs no table of all of them.
        at = np.minimum(self.instants.searchsorted(index), max(len(self) - 1, 0))
        missing = ~np.asarray(self.instants[at] == index) if len(self) else np.ones(len(index), bool)
        if missing.any():
            bad = index[missing][0]
            raise DataError(
                place="calendar",
                value=str(bad),
                rule=f"not a valid instant of this calendar (frequency {self.freq})",
                remedy="Give a timestamp that occurs in the data.",
            )
        return at.astype(np.int64)

    def at_or_before(self, timestamp: Any) -> int:
        """Position of the last instant at or before ``timestamp``; -1 where there is none."""
        return int(self.instants.searchsorted(timestamp, side="right")) - 1

    def future(self, n: int, after: int | None = None) -> pd.Index:
        """The ``n`` instants that follow position ``after`` (default: the last).

        Known instants come first; beyond the last, ``freq`` or ``sessions`` continues them, but for days that are
        ``closed``: business days are Monday to Friday without those.

        >>> Calendar("B", pd.DatetimeIndex(["2024-01-04", "2024-01-05"])).future(2).day.tolist()
        [8, 9]
        """
        start = (len(self) - 1 if after is None else after) + 1
        known = self.instants[start : start + n]
        missing = n - len(known)
        if missing <= 0:
            return known
        named = self.ahead[:missing]
        missing -= len(named)
        known = known.append(named) if len(named) else known
        if not missing:
            return known
        beyond = self._beyond(missing)
        return known.append(beyond) if len(known) else beyond

    def _beyond(self, n: int) -> pd.Index:
        last = self.ahead[-1] if len(self.ahead) else self.instants[-1]
        if self.is_integer:
            return pd.Index(last + self._step * np.arange(1, n + 1), dtype="int64")
        if self.sessions:
            return self._sessions_after(last, n)
        offset = pd.tseries.frequencies.to_offset(self.freq)
        # One instant more, since a last row off the grid (a holiday moved it) would not count itself.
        grid = pd.date_range(last, periods=n + 2 + len(self.closed), freq=offset)
        if self.closed:
            grid = grid[~grid.tz_localize(None).normalize().isin(pd.DatetimeIndex(self.closed))]
        return grid[grid > last][:n].as_unit(pd.DatetimeIndex(self.instants).unit)

    def _sessions_after(self, last: pd.Timestamp, n: int) -> pd.Index:
        by_day: dict[int, list[int]] = {}
        closed = set(pd.DatetimeIndex(self.closed))
        for weekday, second in self.sessions:
            by_day.setdefault(weekday, []).append(second)
        out: list[pd.Timestamp] = []
        day: pd.Timestamp = last.tz_localize(None).normalize()
        while len(out) < n:
            for second in () if day in closed else by_day.get(day.weekday(), []):
                wall: pd.Timestamp = day + pd.Timedelta(seconds=second)
                if last.tz is not None:
                    wall = wall.tz_localize(last.tz, ambiguous=True, nonexistent="shift_forward")
                if wall > last:
                    out.append(wall)
            day += pd.Timedelta(days=1)
        return pd.DatetimeIndex(out[:n]).as_unit(pd.DatetimeIndex(self.instants).unit)

    def upto(self, position: int) -> Calendar:
        """The calendar as it was known at ``position``, inclusive."""
        return Calendar(self.freq, self.instants[: position + 1], self.sessions)
