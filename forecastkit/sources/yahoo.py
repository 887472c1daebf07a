"""Daily prices from Yahoo Finance through ``yfinance``: ``yahoo:AAPL,MSFT``.

Open, high, low, close and volume as Yahoo adjusts them for splits; ``Adj Close`` is adjusted for dividends too. Both use
splits and dividends that came later, so that the numbers of a day were not known on that day.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forecastkit.download import cache_folder
from forecastkit.errors import ConfigError, DataError, SourceError
from forecastkit.sources import Ask, Sourced
from forecastkit.sources.cached import Answer, remembered, slug
from forecastkit.sources.days import span

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "load", "period"]

COLUMNS = ("Open", "High", "Low", "Close", "Adj Close", "Volume", "Dividends", "Stock Splits")
USUAL_DAYS = 3652
"""Ten years, where no start is given."""
MOST_TICKERS = 200
QUIET_DAYS = 10
"""Days without a price before the end of the range that are worth a remark."""
TERMS = "prices by Yahoo Finance through yfinance, for personal use: see the terms of Yahoo"
OFFLINE = (
    "go on with a file of your own (--data prices.csv) or dataset:prices; what was loaded once is read from the cache."
)


def period(ask: Ask) -> tuple[str, str]:
    """See ``sources.period``; the last day is yesterday at the latest, since today's price is not final."""
    return span(ask.start, ask.end, usual_days=USUAL_DAYS, latest=dt.date.today() - dt.timedelta(days=1))


def load(argument: str, ask: Ask) -> Sourced:
    """Prices of some tickers, one row a ticker and trading day.

    Raises:
        ConfigError: no ticker, or one that cannot be.
        DataError: tickers that Yahoo does not know or has no prices of in this range, each with the reason.
        SourceError: Yahoo did not deliver, or was asked too often.
    """
    tickers = _tickers(argument)
    start, end = period(ask)
    place = f"yahoo:{','.join(tickers)}"
    request = {"source": "yahoo", "tickers": list(tickers), "start": start, "end": end, "format": 1}
    name = slug("yahoo", *tickers)
    kept = remembered(request, name, lambda: _asked(place, tickers, start, end))
    notes = [
        ("info", f"{TERMS}; asked on {kept.day}, from {start} to {end}; kept at {kept.path}"),
        *((str(level), str(text)) for level, text in kept.facts["notes"]),
    ]
    reading = {"target": "Adj Close", "time": "Date", "item": "Ticker"}
    return Sourced(kept.path, name, reading, dict(kept.facts["units"]), tuple(notes))


def _tickers(argument: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(t.strip().upper() for t in argument.split(",") if t.strip()))
    if not names:
        raise ConfigError(place="yahoo:", rule="no ticker given", remedy="Write for instance yahoo:AAPL,MSFT.")
    for name in names:
        if not re.fullmatch(r"[A-Z0-9.^=_&-]{1,24}", name):
            raise ConfigError(
                place=f"yahoo:{argument}"[:60],
                value=repr(name)[:40],
                rule="not a ticker",
                remedy="Such as AAPL or ^GSPC.",
            )
    if len(names) > MOST_TICKERS:
        raise ConfigError(place="yahoo:", value=f"{len(names)} tickers", rule=f"at most {MOST_TICKERS} at once")
    return names


@contextmanager
def _speaking(yf: Any) -> Iterator[None]:
    """In it, yfinance raises what it else writes to its log."""
    # Its table of time zones goes where our files go.
    yf.set_tz_cache_location(str(cache_folder() / "yfinance"))
    logger = logging.getLogger("yfinance")
    level, hidden = logger.level, yf.config.debug.hide_exceptions
    logger.setLevel(logging.CRITICAL + 1)
    yf.config.debug.hide_exceptions = False
    try:
        yield
    finally:
        yf.config.debug.hide_exceptions = hidden
        logger.setLevel(level)


def _asked(place: str, tickers: tuple[str, ...], start: str, end: str) -> Answer:
    import pandas as pd
    import yfinance as yf

    from forecastkit.artifacts import to_csv_text

    # Yahoo's end is the first day that is not wanted.
    after = (dt.date.fromisoformat(end) + dt.timedelta(days=1)).isoformat()
    tables: list[pd.DataFrame] = []
    missing: dict[str, str] = {}
    currencies: dict[str, str] = {}
    notes: list[tuple[str, str]] = []
    with _speaking(yf):
        for name in tickers:
            one = yf.Ticker(name)
            try:
                found = one.history(start=start, end=after, interval="1d", auto_adjust=False, actions=True)
            except yf.exceptions.YFTickerMissingError as error:
                missing[name] = _reason(str(error), start, end)
                continue
            except Exception as error:  # yfinance passes on what its HTTP client raises
                if not _is_unknown(error):
                    raise _failed(place, name, error, yf) from None
                missing[name] = _reason("", start, end)
                continue
            if found is None or not len(found):
                missing[name] = _reason("no price", start, end)
                continue
            table = _table(place, name, found)
            tables.append(table)
            notes += _remarks(name, table, end)
            currencies[name] = str(one.history_metadata.get("currency") or "")
    if missing:
        said = "; ".join(f"{name} ({why})" for name, why in missing.items())
        rest = [name for name in tickers if name not in missing]
        remedy = "Check the spelling at finance.yahoo.com" + (
            f", or go on with yahoo:{','.join(rest)}." if rest else "."
        )
        raise DataError(place=place, value=said, rule="not to be had", remedy=remedy)
    units = {c for c in currencies.values() if c}
    if len(units) > 1:
        listed = ", ".join(f"{name} in {unit}" for name, unit in currencies.items() if unit)
        notes.append(("warning", f"prices are in several currencies: {listed}"))
    unit = units.pop() if len(units) == 1 else ""
    return Answer(
        to_csv_text(pd.concat(tables, ignore_index=True)).encode(),
        {"notes": notes, "units": dict.fromkeys(COLUMNS[:5], unit) if unit else {}},
    )


def _table(place: str, name: str, found: pd.DataFrame) -> pd.DataFrame:
    lost = [c for c in COLUMNS if c not in found.columns]
    if lost:
        raise SourceError(
            place=place,
            value=f"{name} without column {lost[0]!r}",
            rule="another answer than yfinance documents",
            remedy="Install the version of yfinance that constraints.txt names.",
        )
    table = found[list(COLUMNS)].reset_index(drop=True)
    # The exchange's own day, whatever zone it is written in.
    table.insert(0, "Date", [str(stamp.date()) for stamp in found.index])
    table.insert(0, "Ticker", name)
    return table


def _remarks(name: str, table: pd.DataFrame, end: str) -> list[tuple[str, str]]:
    notes = []
    splits = table.loc[table["Stock Splits"] > 0, ["Date", "Stock Splits"]]
    n_paid = int((table["Dividends"] > 0).sum())
    said = [f"split {ratio:g}:1 on {day}" for day, ratio in splits.itertuples(index=False)]
    if n_paid:
        said.append(f"{n_paid} dividend{'s' * (n_paid != 1)}")
    if said:
        notes.append(("info", f"{name}: {', '.join(said)}; Adj Close takes them out, later ones included"))
    last = str(table["Date"].iloc[-1])
    if (dt.date.fromisoformat(end) - dt.date.fromisoformat(last)).days > QUIET_DAYS:
        notes.append(("warning", f"{name}: no price after {last}; delisted, renamed or merged?"))
    return notes


def _reason(said: str, start: str, end: str) -> str:
    return (
        f"no price from {start} to {end}: unknown, delisted, or not traded then"
        if "no price" in said
        else "no such ticker at Yahoo, or delisted"
    )


def _is_unknown(error: Exception) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status == 404


def _failed(place: str, name: str, error: Exception, yf: Any) -> SourceError:
    if isinstance(error, yf.exceptions.YFRateLimitError):
        return SourceError(
            place=place,
            value=name,
            rule="Yahoo was asked too often",
            remedy=f"Wait an hour and try again, or {OFFLINE}",
        )
    said = " ".join(str(error).split()).split(" See http")[0].rstrip(".")[:120] or type(error).__name__
    return SourceError(
        place=place,
        value=f"{name}, {said}",
        rule="Yahoo did not deliver",
        remedy=f"Check the network connection, or {OFFLINE}",
    )
