"""Prices through a stand-in for yfinance, and through yfinance itself on an answer in the form that Yahoo gives."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit import sources
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError, SourceError
from forecastkit.reading import ReadOptions, read
from tests.conftest import SMALL

DAYS = pd.bdate_range("2015-01-02", "2016-12-30")


class YFTickerMissingError(Exception):
    """As in yfinance."""


class YFRateLimitError(Exception):
    """As in yfinance."""


def prices(name: str, zone: str = "America/New_York") -> pd.DataFrame:
    """A year and more of daily rows as ``Ticker.history(auto_adjust=False, actions=True)`` gives them."""
    rng = np.random.default_rng(len(name))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(DAYS))))
    table = pd.DataFrame(
        {
            "Open": close * 0.99, "High": close * 1.01, "Low": close * 0.98, "Close": close, "Adj Close": close * 0.9,
            "Volume": rng.integers(1000, 9000, len(DAYS)), "Dividends": 0.0, "Stock Splits": 0.0,
        },
        index=DAYS.tz_localize(zone).rename("Date"),
    )  # fmt: skip
    table.loc[table.index[10], "Dividends"] = 0.5
    table.loc[table.index[20], "Stock Splits"] = 4.0
    return table


class Stand:
    """What ``sources.yahoo`` uses of yfinance."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {"AAPL": prices("AAPL"), "MSFT": prices("MSFTX")}
        self.currency = {"AAPL": "USD", "MSFT": "USD"}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.config = SimpleNamespace(debug=SimpleNamespace(hide_exceptions=True))
        self.exceptions = SimpleNamespace(YFTickerMissingError=YFTickerMissingError, YFRateLimitError=YFRateLimitError)

    def set_tz_cache_location(self, folder: str) -> None:
        """Nothing to keep."""

    def Ticker(self, name: str) -> Any:
        def history(**asked: Any) -> pd.DataFrame:
            assert self.config.debug.hide_exceptions is False
            self.asked.append((name, asked))
            found = self.tables.get(name, YFTickerMissingError(f"${name}: possibly delisted; no timezone found"))
            if isinstance(found, Exception):
                raise found
            inside = (found.index >= pd.Timestamp(asked["start"], tz=found.index.tz)) & (
                found.index < pd.Timestamp(asked["end"], tz=found.index.tz)
            )
            return found[inside]

        return SimpleNamespace(history=history, history_metadata={"currency": self.currency.get(name)})


@pytest.fixture
def yf(monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand()
    monkeypatch.setitem(sys.modules, "yfinance", stand)
    return stand


def test_adjusted_prices_come_as_checked_series(yf: Stand):
    found = read("yahoo:aapl, MSFT", ReadOptions(start="2015-06-01", end="2016-05", past=("Volume",)))
    frame, profile = found.frame, found.profile
    assert frame.items == ("AAPL", "MSFT")
    assert frame.target_name == "Adj Close"
    assert frame.past == ("Volume",)
    assert frame.calendar.freq == "B"
    assert profile.units == "USD"
    assert (profile.start, profile.end) == ("2015-06-01", "2016-05-31")
    own = frame.data[frame.data["item_id"] == "AAPL"].set_index("timestamp")["target"]
    wanted = yf.tables["AAPL"].loc["2015-06-01":"2016-05-31", "Adj Close"]
    np.testing.assert_array_equal(own.to_numpy(), wanted.to_numpy())
    assert yf.config.debug.hide_exceptions is True
    # Yahoo's end is the first day that is not wanted.
    assert yf.asked[0][1]["end"] == "2016-06-01"
    assert yf.asked[0][1]["auto_adjust"] is False
    notes = " ".join(n.text for n in profile.notes)
    assert "personal use" in notes
    assert "2015-06-01 to 2016-05-31" in notes


def test_splits_and_dividends_are_said(yf: Stand):
    notes = [n.text for n in read("yahoo:AAPL", ReadOptions(start="2015", end="2015")).profile.notes]
    assert any(f"AAPL: split 4:1 on {DAYS[20].date()}, 1 dividend" in n for n in notes)


def test_a_question_is_asked_once_and_a_damaged_answer_again(yf: Stand, cache: Path):
    options = ReadOptions(start="2015", end="2015")
    first = read("yahoo:AAPL", options).profile.fingerprint
    assert read("yahoo:AAPL", options).profile.fingerprint == first
    assert len(yf.asked) == 1
    (path,) = cache.glob("*.csv")
    path.write_bytes(path.read_bytes()[:1000])
    assert read("yahoo:AAPL", options).profile.fingerprint == first
    assert len(yf.asked) == 2
    path.write_bytes(path.read_bytes()[:1000])
    yf.tables["AAPL"] = ConnectionError("Could not resolve host: query2.finance.yahoo.com")
    with pytest.raises(SourceError, match=r"Yahoo did not deliver; the copy at .* is damaged\. Check the network"):
        read("yahoo:AAPL", options)
    read("yahoo:MSFT", options)  # another question
    assert len(yf.asked) == 4


def test_every_unknown_ticker_is_named_with_its_reason(yf: Stand):
    yf.tables["OLDX"] = YFTickerMissingError("$OLDX: possibly delisted; no price data found (1d 2015 -> 2016)")
    yf.tables["LATE"] = prices("LATE").iloc[:0]
    with pytest.raises(DataError) as caught:
        read("yahoo:AAPL,APPL,OLDX,LATE", ReadOptions(start="2015", end="2015"))
    said = str(caught.value)
    assert "APPL (no such ticker at Yahoo, or delisted)" in said
    assert "OLDX (no price from 2015-01-01 to 2015-12-31: unknown, delisted, or not traded then)" in said
    assert "LATE (no price" in said
    assert "or go on with yahoo:AAPL." in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (YFRateLimitError("Too Many Requests"), "Yahoo was asked too often. Wait an hour"),
        (ConnectionError("Could not resolve host: x. See https://curl.se"), "Could not resolve host: x; Yahoo did not"),
        (TimeoutError(""), "AAPL, TimeoutError; Yahoo did not deliver. Check the network connection, or go on with a"),
    ],
    ids=["rate limit", "no network", "timeout"],
)
def test_a_source_that_does_not_deliver(yf: Stand, error: Exception, message: str, cache: Path):
    yf.tables["AAPL"] = error
    with pytest.raises(SourceError, match=message):
        read("yahoo:AAPL", ReadOptions(start="2015", end="2015"))
    assert not list(cache.glob("*.csv"))


def test_an_answer_of_another_form(yf: Stand):
    yf.tables["AAPL"] = prices("AAPL").drop(columns="Adj Close")
    with pytest.raises(SourceError, match="without column 'Adj Close'"):
        read("yahoo:AAPL", ReadOptions(start="2015", end="2015"))


@pytest.mark.parametrize(
    ("source", "dates", "message"),
    [
        ("yahoo:", {}, "no ticker given"),
        ("yahoo:AA PL", {}, "not a ticker"),
        ("yahoo:AAPL", {"start": "2015-13-01"}, "--start: '2015-13-01'; not a date"),
        ("yahoo:AAPL", {"start": "2016", "end": "2015"}, "lies before --start 2016-01-01"),
        ("yahoo:AAPL", {"start": "2999"}, "the newest day there is"),
    ],
)
def test_what_cannot_be_asked_for(yf: Stand, source: str, dates: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message):
        read(source, ReadOptions(**dates))
    assert not yf.asked


def test_a_series_that_ends_early_and_several_currencies_are_remarked(yf: Stand):
    yf.tables["OLD"] = prices("OLD").iloc[:100]
    yf.currency["OLD"] = "EUR"
    notes = [n.text for n in read("yahoo:AAPL,OLD", ReadOptions(start="2015", end="2016")).profile.notes]
    assert any(n.startswith(f"OLD: no price after {DAYS[99].date()}; delisted") for n in notes)
    assert any("several currencies: AAPL in USD, OLD in EUR" in n for n in notes)


def test_the_default_range_ends_yesterday(yf: Stand):
    yesterday = dt.date.today() - dt.timedelta(days=1)
    start, end = sources.period("yahoo:AAPL")
    assert end == yesterday.isoformat()
    assert (yesterday - dt.date.fromisoformat(start)).days == 3652
    assert sources.period("prices.csv", "2015", "") == ("2015", "")


def test_from_the_command_line_to_a_rerun(yf: Stand, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["fit", "--data", "yahoo:AAPL,MSFT", "--start", "2015", "--past", "Volume", "--models", "gru", "--quiet"]
    words += ["baselines=naive", *(f"models.gru.{k}={v}" for k, v in SMALL.items()), "--out", str(tmp_path / "run")]
    assert main(words) == 0
    facts = fk.load(tmp_path / "run").facts
    # What was asked for is written out, so that a later run asks for the same.
    assert facts["config"]["data"]["start"] == "2015-01-01"
    assert facts["config"]["data"]["end"] == (dt.date.today() - dt.timedelta(days=1)).isoformat()
    assert main(["rerun", str(tmp_path / "run"), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert len(yf.asked) == 2
    assert main(["profile", "yahoo:AAPL,XXXX", "--start", "2015"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "XXXX (no such ticker" in said


def chart(name: str) -> dict[str, Any]:
    """An answer of Yahoo's chart service."""
    days = pd.bdate_range("2020-08-24", periods=10, tz="America/New_York") + pd.Timedelta(hours=9.5)
    stamps = [int(t.timestamp()) for t in days]
    close = [100.0 + k for k in range(10)]
    meta = {
        "currency": "USD", "symbol": name, "exchangeName": "NMS", "instrumentType": "EQUITY", "gmtoffset": -14400,
        "timezone": "EDT", "exchangeTimezoneName": "America/New_York", "regularMarketPrice": 109.0, "priceHint": 2,
        "dataGranularity": "1d", "validRanges": ["1d", "max"], "regularMarketTime": stamps[-1], "firstTradeDate": 345479400,
        "currentTradingPeriod": {
            part: {"timezone": "EDT", "start": stamps[-1], "end": stamps[-1] + 23400, "gmtoffset": -14400}
            for part in ("pre", "regular", "post")
        },
    }  # fmt: skip
    quote = {"open": close, "high": close, "low": close, "close": close, "volume": [1000] * 10}
    events = {
        "dividends": {str(stamps[2]): {"amount": 0.2, "date": stamps[2]}},
        "splits": {str(stamps[5]): {"date": stamps[5], "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}},
    }
    indicators = {"quote": [quote], "adjclose": [{"adjclose": [c * 0.95 for c in close]}]}
    result = {"meta": meta, "timestamp": stamps, "events": events, "indicators": indicators}
    return {"chart": {"result": [result], "error": None}}


def test_yfinance_itself_reads_yahoos_form(monkeypatch: pytest.MonkeyPatch):
    import json

    from yfinance.data import YfData

    unknown = {"code": "Not Found", "description": "No data found, symbol may be delisted"}

    def get(self: Any, url: str, params: Any = None, timeout: float = 30) -> Any:
        name = url.rsplit("/", 1)[-1]
        tree = chart(name) if name == "AAPL" else {"chart": {"result": None, "error": unknown}}
        return SimpleNamespace(text=json.dumps(tree), json=lambda: tree, status_code=200)

    def no_more(self: Any, url: str, **_: Any) -> Any:
        raise YFNotFound

    class YFNotFound(Exception):
        response = SimpleNamespace(status_code=404)

    monkeypatch.setattr(YfData, "get", get)
    monkeypatch.setattr(YfData, "cache_get", get)
    monkeypatch.setattr(YfData, "get_raw_json", no_more)
    found = read("yahoo:AAPL", ReadOptions(start="2020-08-24", end="2020-09-04"))
    data = found.frame.data
    assert [str(t.date()) for t in data["timestamp"]] == [
        str(d.date()) for d in pd.bdate_range("2020-08-24", periods=10)
    ]
    np.testing.assert_allclose(data["target"], [(100 + k) * 0.95 for k in range(10)])
    assert found.profile.units == "USD"
    assert any("split 4:1 on 2020-08-31, 1 dividend" in n.text for n in found.profile.notes)
    with pytest.raises(DataError, match="NOPE"):
        read("yahoo:NOPE", ReadOptions(start="2020-08-24", end="2020-09-04"))
