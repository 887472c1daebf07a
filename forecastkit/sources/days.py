"""First and last days as people write them."""

from __future__ import annotations

import calendar
import datetime as dt
import re

from forecastkit.errors import ConfigError

__all__ = ["first_day", "last_day", "span"]


def first_day(text: str, option: str = "--start") -> dt.date:
    """The day, or the first of a month or year.

    Raises:
        ConfigError: no date.

    >>> first_day("2015").isoformat(), last_day("2016-02").isoformat()
    ('2015-01-01', '2016-02-29')
    """
    return _day(text, option, last=False)


def last_day(text: str, option: str = "--end") -> dt.date:
    """The day, or the last of a month or year; errors as ``first_day``."""
    return _day(text, option, last=True)


def _day(text: str, option: str, *, last: bool) -> dt.date:
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", text.strip())
    try:
        if not found:
            raise ValueError
        year, month = int(found[1]), int(found[2] or (12 if last else 1))
        day = int(found[3] or (calendar.monthrange(year, month)[1] if last else 1))
        return dt.date(year, month, day)
    except ValueError:
        raise ConfigError(
            place=option, value=repr(text)[:40], rule="not a date", remedy="Write it as 2015-01-31."
        ) from None


def span(start: str, end: str, *, usual_days: int, latest: dt.date) -> tuple[str, str]:
    """(first day, last day) as ISO dates.

    Args:
        usual_days: between them where no start is given.
        latest: the last day where no end is given, and the last that may be asked for.

    Raises:
        ConfigError: no date, a last day before the first, or a first day that is yet to come.
    """
    to = min(last_day(end), latest) if end else latest
    since = first_day(start) if start else to - dt.timedelta(days=usual_days)
    if end and last_day(end) < since:
        raise ConfigError(place="--end", value=end, rule=f"lies before --start {since}", remedy="Exchange them.")
    if since > to:
        raise ConfigError(
            place="--start", value=start, rule=f"the newest day there is {to}", remedy="Give an earlier one."
        )
    return since.isoformat(), to.isoformat()
