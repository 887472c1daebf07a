"""Weather from a service on this machine that answers in the documented form of Open-Meteo."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecastkit import sources
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError, SourceError
from forecastkit.reading import ReadOptions, read
from forecastkit.sources import open_meteo
from tests.sources.conftest import Service

YEAR = ReadOptions(start="2023", end="2023")


def weather(query: dict[str, str]) -> tuple[int, bytes]:
    """As /v1/archive."""
    step = "hourly" if "hourly" in query else "daily"
    freq, end = ("h", " 23:00") if step == "hourly" else ("D", "")
    index = pd.date_range(query["start_date"], query["end_date"] + end, freq=freq)
    names = query[step].split(",")
    unknown = [n for n in names if n == "no_such_thing"]
    if unknown:
        reason = f"Data corrupted at path ''. Cannot initialize from invalid String value {unknown[0]}."
        return 400, json.dumps({"error": True, "reason": reason}).encode()
    values: dict[str, list[float | None]] = {
        n: [round(k % 7 + i, 1) for k in range(len(index))] for i, n in enumerate(names)
    }
    values[names[0]][3] = None
    tree = {
        "latitude": 40.42, "longitude": -3.7, "generationtime_ms": 1.2, "utc_offset_seconds": 3600 if step == "daily" else 0,
        "timezone": "Europe/Madrid" if query["timezone"] == "auto" else "GMT", "elevation": 651.0,
        f"{step}_units": {"time": "iso8601", **dict.fromkeys(names, "°C")},
        step: {"time": [t.strftime("%Y-%m-%d" if step == "daily" else "%Y-%m-%dT%H:%M") for t in index], **values},
    }  # fmt: skip
    return 200, json.dumps(tree).encode()


def places(query: dict[str, str]) -> tuple[int, bytes]:
    """As /v1/search."""
    known: dict[str, list[dict[str, Any]]] = {
        "madrid": [
            {"id": 1, "name": "Madrid", "latitude": 40.4165, "longitude": -3.70256, "country": "Spain", "country_code": "ES",
             "admin1": "Madrid", "timezone": "Europe/Madrid"},
            {"id": 2, "name": "Madrid", "latitude": 41.87, "longitude": -93.82, "country": "United States",
             "country_code": "US", "admin1": "Iowa", "timezone": "America/Chicago"},
        ],
        "sevilla": [{"id": 3, "name": "Sevilla", "latitude": 37.38, "longitude": -5.97, "country": "Spain", "country_code": "ES"}],
    }  # fmt: skip
    found = known.get(query["name"].lower())
    return 200, json.dumps(
        {"results": found, "generationtime_ms": 0.5} if found else {"generationtime_ms": 0.5}
    ).encode()


@pytest.fixture
def meteo(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    service.says = {"/v1/archive": weather, "/v1/search": places}
    monkeypatch.setattr(open_meteo, "ARCHIVE", f"{service.address}/v1/archive")
    monkeypatch.setattr(open_meteo, "GEOCODING", f"{service.address}/v1/search")
    return service


def test_days_of_a_place_by_coordinates(meteo: Service):
    found = read("open-meteo:40.42,-3.70", ReadOptions(start="2023", end="2023", past=("sunshine_duration",)))
    frame, profile = found.frame, found.profile
    assert frame.calendar.freq == "D"
    assert frame.target_name == "temperature_2m_mean"
    assert len(frame) == 365
    assert frame.data["target"].isna().sum() == 1
    assert profile.units == "°C"
    ((path, query),) = meteo.asked
    assert path == "/v1/archive"
    assert (query["latitude"], query["longitude"]) == ("40.42", "-3.7")
    assert (query["start_date"], query["end_date"], query["timezone"]) == ("2023-01-01", "2023-12-31", "auto")
    assert query["daily"].endswith("shortwave_radiation_sum,sunshine_duration")
    notes = " ".join(n.text for n in profile.notes)
    assert "CC BY 4.0" in notes
    assert "days of Europe/Madrid" in notes


@pytest.mark.parametrize("freq", ["h", "hourly"])
def test_hours_are_utc_and_can_be_shown_by_the_local_clock(meteo: Service, freq: str):
    options = ReadOptions(start="2023-03-20", end="2023-03-30", freq=freq, tz="Europe/Madrid")
    frame = read("open-meteo:40.42,-3.70", options).frame
    assert len(frame) == 11 * 24
    assert frame.target_name == "temperature_2m"
    assert str(frame.calendar.instants[0]) == "2023-03-20 01:00:00+01:00"
    assert str(frame.calendar.instants.tz) == "Europe/Madrid"
    assert meteo.asked[0][1]["timezone"] == "GMT"


def test_a_name_is_looked_up_and_others_of_it_are_said(meteo: Service):
    notes = [n.text for n in read("open-meteo:Madrid", YEAR).profile.notes]
    assert "Madrid: Madrid, Spain (40.4165, -3.70256); also Madrid, Iowa, United States" in notes
    read("open-meteo:Madrid, Iowa", YEAR)
    assert meteo.asked[-1][1]["latitude"] == "41.87"
    with pytest.raises(DataError, match=r"open-meteo:Atlantis: no place of this name is known\. Give coordinates"):
        read("open-meteo:Atlantis", YEAR)


def test_several_places_are_several_series(meteo: Service):
    frame = read("open-meteo:Madrid/Sevilla", YEAR).frame
    assert frame.items == ("Madrid", "Sevilla")
    assert len(frame) == 2 * 365


def test_a_question_is_asked_once(meteo: Service, cache: Path):
    first = read("open-meteo:Madrid", YEAR).profile.fingerprint
    n = len(meteo.asked)
    assert read("open-meteo:Madrid", YEAR).profile.fingerprint == first
    assert len(meteo.asked) == n
    (path,) = cache.glob("*.csv")
    path.write_bytes(path.read_bytes()[:500])
    assert read("open-meteo:Madrid", YEAR).profile.fingerprint == first
    assert len(meteo.asked) == 2 * n
    # Half a file, and nobody to ask.
    path.write_bytes(path.read_bytes()[:500])
    meteo.says = {"/v1/search": (503, b"busy")}
    with pytest.raises(SourceError, match=r"HTTP 503; the server did not deliver; the copy at .* is damaged"):
        read("open-meteo:Madrid", YEAR)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((429, json.dumps({"error": True, "reason": "Minutely API request limit exceeded. Please try again in one minute."}).encode()),
         "HTTP 429, Minutely API request limit exceeded. Please try again in one minute; the server was asked too often. Wait"),
        ((500, b"<html>"), "HTTP 500; the server did not deliver. Try later, or go on with a file of your own"),
        ((200, b"<html>sorry</html>"), "no JSON; another answer than the service documents"),
        ((200, b"[]"), "no object"),
        ((200, b'{"daily": {"time": ["2023-01-01"]}}'), "temperature_2m_mean has not one value a time"),
        ((200, json.dumps({"daily": {"time": ["2023-01-01"], **{n: ["hot"] for n in open_meteo.DAILY}}}).encode()),
         "temperature_2m_mean is not of numbers"),
        ((200, b'{"hourly": {}}'), "no daily values"),
    ],
    ids=["rate limit", "broken", "html", "list", "half", "text", "other step"],
)  # fmt: skip
def test_answers_that_are_none(meteo: Service, reply: tuple[int, bytes], message: str, cache: Path):
    meteo.says["/v1/archive"] = reply
    with pytest.raises(SourceError, match=message) as caught:
        read("open-meteo:40,3", YEAR)
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*.csv"))


def test_a_full_disk_is_said_of_the_cache(meteo: Service, cache: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        ConfigError, match=r"No space left on device; the cache cannot be written. Set FORECASTKIT_CACHE"
    ):
        read("open-meteo:40.4,-3.7")


def test_a_variable_that_does_not_exist(meteo: Service):
    with pytest.raises(SourceError, match="invalid String value no_such_thing"):
        read("open-meteo:40,3", ReadOptions(start="2023", end="2023", target="no_such_thing"))
    with pytest.raises(ConfigError, match="no variable of the archive"):
        read("open-meteo:40,3", ReadOptions(start="2023", end="2023", target="Heat & Rain"))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("open-meteo:", {}, "no place given"),
        ("open-meteo:95,0", {}, "no point on the earth"),
        ("open-meteo:40,3", {"start": "1930"}, "the archive begins on 1940-01-01"),
        ("open-meteo:40,3", {"start": "yesterday"}, "--start: 'yesterday'; not a date"),
    ],
)
def test_what_cannot_be_asked_for(meteo: Service, source: str, options: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message):
        read(source, ReadOptions(**options))
    assert not meteo.asked


def test_no_network_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    # Port 9 (discard) of this machine: nobody listens.
    monkeypatch.setattr(open_meteo, "ARCHIVE", "http://127.0.0.1:9/v1/archive")
    assert main(["fit", "--data", "open-meteo:40.42,-3.70"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert (
        "could not be delivered. Check the network connection, or go on with a file of your own or dataset:weather"
        in said
    )


def test_the_default_range_ends_a_week_ago():
    latest = dt.date.today() - dt.timedelta(days=7)
    assert sources.period("open-meteo:Madrid") == ((latest - dt.timedelta(days=3652)).isoformat(), latest.isoformat())
    hourly = sources.period("open-meteo:Madrid", freq="h")
    assert hourly[0] == (latest - dt.timedelta(days=1095)).isoformat()


def test_only_words_before_a_colon_that_look_like_one_are_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert sources.scheme("open_meteo:Madrid") == "open-meteo"
    assert sources.scheme("C:/x.csv") is None
    assert sources.scheme("sales: north.csv") is None
    with pytest.raises(ConfigError, match=r"'open-metoe:Madrid': no such source\. Did you mean 'open-meteo'\?"):
        read("open-metoe:Madrid")
    monkeypatch.chdir(tmp_path)
    Path("yaho:x").write_text("day,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
    assert len(read("yaho:x").frame) == 3
