"""Weather of the past by place and dates from Open-Meteo's archive: ``open-meteo:40.42,-3.70`` or ``open-meteo:Madrid``.

The archive is a reanalysis (ERA5 and others): what models make of measurements, on a grid of 9 to 25 km. It is no forecast
of its time: as a covariate known ahead it is perfect foresight. Source: https://open-meteo.com/en/docs/historical-weather-api
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from forecastkit.download import answer
from forecastkit.errors import ConfigError, DataError, SourceError
from forecastkit.sources import Ask, Sourced
from forecastkit.sources.cached import Answer, remembered, slug
from forecastkit.sources.days import span

__all__ = ["DAILY", "HOURLY", "Place", "load", "period"]

ARCHIVE = "https://archive-api.open-meteo.com/v1/archive"
GEOCODING = "https://geocoding-api.open-meteo.com/v1/search"
DAILY = (
    "temperature_2m_mean", "temperature_2m_max", "temperature_2m_min", "precipitation_sum", "wind_speed_10m_max",
    "shortwave_radiation_sum",
)  # fmt: skip
HOURLY = (
    "temperature_2m", "relative_humidity_2m", "precipitation", "surface_pressure", "cloud_cover", "wind_speed_10m",
    "shortwave_radiation",
)  # fmt: skip
USUAL_DAYS = {"daily": 3652, "hourly": 1095}
LATE_DAYS = 7
FIRST = dt.date(1940, 1, 1)
MOST_PLACES = 20
TERMS = "weather by Open-Meteo.com, CC BY 4.0, free for non-commercial use"
OFFLINE = "go on with a file of your own or dataset:weather; what was loaded once is read from the cache."
VARIABLES = "https://open-meteo.com/en/docs/historical-weather-api lists them"


@dataclass(frozen=True)
class Place:
    """A point on the map.

    Args:
        label: what its series is called.
        said: what was found for its name; empty for coordinates.
    """

    label: str
    latitude: float
    longitude: float
    said: str = ""


def period(ask: Ask) -> tuple[str, str]:
    """See ``sources.period``; the last day is a week ago at the latest, since the newest days are still being made."""
    latest = dt.date.today() - dt.timedelta(days=LATE_DAYS)
    found = span(ask.start, ask.end, usual_days=USUAL_DAYS[_step(ask)], latest=latest)
    if found[0] < FIRST.isoformat():
        raise ConfigError(
            place="--start", value=found[0], rule=f"the archive begins on {FIRST}", remedy="Give a later day."
        )
    return found


def _step(ask: Ask) -> str:
    return "hourly" if re.fullmatch(r"\d*(min|minute|m|T|h|H|hour|hourly|s|S|second)", ask.freq) else "daily"


def load(argument: str, ask: Ask) -> Sourced:
    """Weather of some places, a row a day, or an hour where ``ask.freq`` is below a day.

    Args:
        argument: places between ``/``: latitude and longitude with a comma, or a name, also ``Springfield, Illinois``.
        ask: its columns are loaded besides the usual ones.

    Raises:
        ConfigError: no place, coordinates or columns that cannot be.
        DataError: no place of this name.
        SourceError: not delivered, or asked too often.
    """
    step = _step(ask)
    start, end = period(ask)
    wanted = tuple(part.strip() for part in argument.split("/") if part.strip())
    if not wanted:
        raise ConfigError(
            place="open-meteo:", rule="no place given", remedy="Write open-meteo:Madrid or open-meteo:40.42,-3.70."
        )
    if len(wanted) > MOST_PLACES:
        raise ConfigError(place="open-meteo:", value=f"{len(wanted)} places", rule=f"at most {MOST_PLACES} at once")
    names = tuple(dict.fromkeys([*(HOURLY if step == "hourly" else DAILY), *_extra(ask.columns)]))
    request = {
        "source": "open-meteo", "places": list(wanted), "step": step, "variables": list(names), "start": start, "end": end,
        "format": 1,
    }  # fmt: skip
    name = slug("open-meteo", *wanted)
    kept = remembered(request, name, lambda: _asked(wanted, step, names, start, end))
    facts = kept.facts
    notes = [
        ("info", f"{TERMS}; asked on {kept.day}, from {start} to {end}; kept at {kept.path}"),
        *(("info", str(text)) for text in facts["notes"]),
    ]
    reading = {
        "target": names[0],
        "time": "time",
        "freq": "h" if step == "hourly" else "D",
        "item": "place" if len(wanted) > 1 else None,
    }
    return Sourced(kept.path, name, reading, dict(facts["units"]), tuple(notes))


def _extra(columns: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(c for c in columns if c not in ("*", "time", "place"))
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]{2,60}", name):
            raise ConfigError(
                place="open-meteo:", value=repr(name)[:60], rule="no variable of the archive", remedy=f"{VARIABLES}."
            )
    return names


def _asked(wanted: tuple[str, ...], step: str, names: tuple[str, ...], start: str, end: str) -> Answer:
    import csv

    places = [_place(text) for text in wanted]
    twice = len({p.label for p in places}) < len(places)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", *(["place"] if len(places) > 1 else []), *names])
    units: dict[str, str] = {}
    notes = [p.said for p in places if p.said]
    for text, place in zip(wanted, places):
        label = text if twice else place.label
        tree = _weather(place, step, names, start, end)
        units = _units(tree, step)
        block = tree[step]
        if step == "daily" and tree.get("timezone"):
            notes.append(f"{label}: days of {tree['timezone']}")
        # Hours are asked for in UTC, so that none is missing or twice where clocks change.
        stamps = [f"{t}Z" if step == "hourly" else t for t in block["time"]]
        for k, stamp in enumerate(stamps):
            values = ["" if block[n][k] is None else block[n][k] for n in names]
            writer.writerow([stamp, *([label] if len(places) > 1 else []), *values])
    return Answer(out.getvalue().encode(), {"notes": notes, "units": units, "places": [asdict(p) for p in places]})


def _place(text: str) -> Place:
    numbers = re.fullmatch(r"\s*([-+]?\d+(?:\.\d+)?)\s*,\s*([-+]?\d+(?:\.\d+)?)\s*", text)
    if numbers:
        latitude, longitude = float(numbers[1]), float(numbers[2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise ConfigError(
                place=f"open-meteo:{text}",
                rule="no point on the earth",
                remedy="Give latitude (-90 to 90), then longitude (-180 to 180), such as 40.42,-3.70.",
            )
        return Place(text, latitude, longitude)
    return _named(text)


def _named(text: str) -> Place:
    """The best known place of a name; what follows a comma narrows it to a region or country."""
    place = f"open-meteo:{text}"
    name, _, rest = (part.strip() for part in text.partition(","))
    url = f"{GEOCODING}?{urlencode({'name': name, 'count': 20, 'language': 'en', 'format': 'json'})}"
    tree = _json(answer(url, remedy=OFFLINE, allow_local_http=_is_local(url)), GEOCODING)
    found = [r for r in tree.get("results") or [] if isinstance(r, dict) and _is_in(r, rest)]
    if not found:
        raise DataError(
            place=place, rule="no place of this name is known", remedy="Give coordinates: open-meteo:40.42,-3.70."
        )
    try:
        best = found[0]
        latitude, longitude = float(best["latitude"]), float(best["longitude"])
    except (KeyError, TypeError, ValueError):
        raise _strange(GEOCODING, "a place without coordinates") from None
    said = f"{text}: {_full(best)} ({latitude:g}, {longitude:g})"
    others = [_full(r) for r in found[1:4] if str(r.get("name", "")).lower() == name.lower()]
    if others:
        said += f"; also {'; '.join(others)}"
    return Place(text, latitude, longitude, said)


def _is_in(result: dict[str, Any], rest: str) -> bool:
    parts = [str(result.get(k, "")).lower() for k in ("country", "country_code", "admin1", "admin2")]
    return not rest or all(word.strip().lower() in parts for word in rest.split(","))


def _full(result: dict[str, Any]) -> str:
    parts = [result.get("name"), result.get("admin1"), result.get("country") or result.get("country_code")]
    return ", ".join(str(p) for p in dict.fromkeys(parts) if p)


def _weather(place: Place, step: str, names: tuple[str, ...], start: str, end: str) -> dict[str, Any]:
    query = {
        "latitude": place.latitude, "longitude": place.longitude, "start_date": start, "end_date": end, step: ",".join(names),
        "timezone": "auto" if step == "daily" else "GMT",
    }  # fmt: skip
    url = f"{ARCHIVE}?{urlencode(query, safe=',')}"
    tree = _json(answer(url, remedy=OFFLINE, allow_local_http=_is_local(url)), ARCHIVE)
    if tree.get("error"):
        raise SourceError(
            place=ARCHIVE, value=str(tree.get("reason", ""))[:200].rstrip("."), rule="refused", remedy=f"{VARIABLES}."
        )
    block = tree.get(step)
    if not isinstance(block, dict) or not isinstance(block.get("time"), list):
        raise _strange(ARCHIVE, f"no {step} values")
    n = len(block["time"])
    if not n:
        raise DataError(place=f"open-meteo:{place.label}", rule=f"no {step} values from {start} to {end}")
    for name in names:
        values = block.get(name)
        if not isinstance(values, list) or len(values) != n:
            raise _strange(ARCHIVE, f"{name} has not one value a time")
        if not all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in values):
            raise _strange(ARCHIVE, f"{name} is not of numbers")
    return tree


def _units(tree: dict[str, Any], step: str) -> dict[str, str]:
    units = tree.get(f"{step}_units")
    return {str(k): str(v) for k, v in units.items() if k != "time"} if isinstance(units, dict) else {}


def _json(content: bytes, place: str) -> dict[str, Any]:
    try:
        tree = json.loads(content)
    except ValueError:
        raise _strange(place, "no JSON") from None
    if not isinstance(tree, dict):
        raise _strange(place, "no object")
    return tree


def _strange(place: str, what: str) -> SourceError:
    return SourceError(
        place=place, value=what, rule="another answer than the service documents", remedy=f"Try later, or {OFFLINE}"
    )


def _is_local(url: str) -> bool:
    """Whether the service was replaced by one on this machine, as tests do."""
    return url.startswith("http://127.0.0.1:")
