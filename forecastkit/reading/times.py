"""Text -> instants, exactly one reading, or an error that shows both.

Every pattern is a regular expression whose groups are composed with numpy: no locale, no platform ``strptime``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import DataError
from forecastkit.reading.date_formats import LETTER, format_like, regex_of_format
from forecastkit.reading.instants import DAY, SECOND, Instants, Where, checked_zone, localised
from forecastkit.reading.order import distinct
from forecastkit.reading.values import Note, is_missing

__all__ = ["coded", "compose_date", "is_clock", "is_timelike", "parse_text"]

_MONTHS = {
    1: "january jan enero ene januar janvier janv gennaio gen janeiro jän jänner",
    2: "february feb febrero februar février févr fév febbraio fevereiro fev",
    3: "march mar marzo märz mär mrz mars março",
    4: "april apr abril abr avril avr aprile",
    5: "may mayo mai maggio mag maio",
    6: "june jun junio juni juin giugno giu junho",
    7: "july jul julio juli juillet juil luglio lug julho",
    8: "august aug agosto ago août aou aout",
    9: "september sep sept septiembre setiembre septembre settembre setembro set",
    10: "october oct octubre oktober okt octobre ottobre ott outubro out",
    11: "november nov noviembre novembre novembro",
    12: "december dec diciembre dic dezember dez décembre déc dicembre dezembro",
}
MONTHS = {word: number for number, words in _MONTHS.items() for word in words.split()}

_ZONE = r"(?: *(?P<z>Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?(?: *\[(?P<zone>[A-Za-z_/+0-9-]+)\])?"
_CLOCK = (
    r"(?P<H>\d{1,2})(?:[:.h](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?)?"
    r"(?: *(?P<p>[AaPp])\.?[Mm]\.?)?" + _ZONE
)
_TAIL = r"(?:(?: *T *|[ ,]+)" + _CLOCK + ")?"
_WEEKDAY = rf"(?:{LETTER}{{2,10}}\.?,? +)?"
_SUFFIX = r"(?:st|nd|rd|th|º)?"

PATTERNS: dict[str, str] = {
    "year-month-day": _WEEKDAY + r"(?P<Y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})" + _TAIL,
    "year-month": r"(?P<Y>\d{4}) ?[-/.:Mm] ?(?P<m>\d{1,2})",
    "yyyymmdd": r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})" + _TAIL,
    "yyyymmddhhmm": r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})[T_ -]?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?" + _ZONE,
    "a/b/year": _WEEKDAY + r"(?P<a>\d{1,2}) ?(?P<s>[-/. ]) ?(?P<b>\d{1,2}) ?[-/. ] ?(?P<Y>\d{4})" + _TAIL,
    "a/b/c": _WEEKDAY + r"(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})[-/.](?P<c>\d{2})" + _TAIL,
    "day month year": _WEEKDAY
    + rf"(?P<d>\d{{1,2}}){_SUFFIX}\.?[-/ ]*(?:de )?(?P<B>{LETTER}{{3,10}})\.?[-/, ']*(?:de )?(?P<Y>\d{{4}}|\d{{2}})"
    + _TAIL,
    "month day, year": _WEEKDAY
    + rf"(?P<B>{LETTER}{{3,10}})\.?[ -]*(?P<d>\d{{1,2}}){_SUFFIX}[, -]+(?P<Y>\d{{4}})"
    + _TAIL,
    "month year": rf"(?P<B>{LETTER}{{3,10}})\.?(?: de)?[-/., ']*(?P<Y>\d{{4}}|\d{{2}})",
    "year month day": rf"(?P<Y>\d{{4}})[-/., ]*(?P<B>{LETTER}{{3,10}})\.?(?:[-/ ]*(?P<d>\d{{1,2}}))?" + _TAIL,
    "year and quarter": r"(?P<Y>\d{4})[-/ :.]*[QqTt] ?(?P<q>[1-4])",
    "quarter and year": r"[QqTt](?P<q>[1-4])[-/ .']*(?P<Y>\d{4})",
    "ISO week": r"(?P<Y>\d{4})[-/ ]*[WwSs](?P<W>\d{1,2})(?:-?(?P<u>[1-7]))?",
    "year and day of the year": r"(?P<Y>\d{4})[-.](?P<j>\d{3})",
    "clock, then day": r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}))?[ ,]+(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})[-/.](?P<Y>\d{4})",
    "ctime": rf"{LETTER}{{3}} +(?P<B>{LETTER}{{3}}) +(?P<d>\d{{1,2}}) +(?P<H>\d{{2}}):(?P<M>\d{{2}}):(?P<S>\d{{2}}) +(?P<Y>\d{{4}})",
    "counted year-month": r"(?P<k>\d{1,3})-(?P<m>\d{2})",
}
_COMPILED = {key: re.compile(pattern) for key, pattern in PATTERNS.items()}
_IS_CLOCK = re.compile(_CLOCK)


def is_timelike(text: str) -> bool:
    """Whether a text (not a bare number) matches a known pattern of dates.

    >>> is_timelike("2024-01-05"), is_timelike("5 Jan 2024 10:30"), is_timelike("AAPL"), is_timelike("Model 12")
    (True, True, False, False)
    """
    s = " ".join(text.split())
    if not 4 <= len(s) <= 60 or not any(c.isdigit() for c in s):
        return False
    for key, pattern in _COMPILED.items():
        found = pattern.fullmatch(s)
        if found and ("B" not in found.groupdict() or found["B"].lower() in MONTHS):
            return not (s.isdigit() and key not in ("yyyymmdd", "yyyymmddhhmm")) and key != "counted year-month"
    return False


def is_clock(text: str) -> bool:
    """Whether a text is a time of the day alone."""
    return ":" in text and _IS_CLOCK.fullmatch(text.strip()) is not None


def coded(column: pa.ChunkedArray | pa.Array) -> tuple[pa.Array, np.ndarray]:
    """(distinct trimmed texts, [n] code of each row; -1 where missing)."""
    encoded = pc.dictionary_encode(pc.cast(column, pa.string()))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    # Inner runs of spaces become one, so that patterns need not count them.
    texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(encoded.dictionary), r"\s+", " ")
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    empty = np.array([is_missing(t) for t in texts.to_pylist()], bool) if len(texts) else np.zeros(0, bool)
    if empty.any():
        codes[np.r_[empty, False][codes]] = -1
    return texts, codes


def parse_text(
    texts: pa.Array,
    codes: np.ndarray,
    name: str,
    where: Where,
    *,
    date_format: str | None = None,
    tz: str | None = None,
) -> Instants:
    """Instants of a text column.

    Args:
        texts: distinct texts.
        codes: [n] index into ``texts``; -1 = missing.
        name: column, for errors.
        where: row -> place.
        date_format: as given by ``--date-format``.
        tz: as given by ``--tz``.

    Raises:
        DataError: no pattern, an impossible date, an ambiguous order, a local time that does not exist.
    """
    used = distinct(codes[codes >= 0])

    def at(unique: int) -> str:
        return f"{where(int(np.flatnonzero(codes == unique)[0]))}, column {name!r}"

    if date_format is not None:
        found = _extract(texts, regex_of_format(date_format))
        key = date_format
    else:
        key, found = _pattern(texts, used, at)
    bad = used[~found["ok"][used]]
    if len(bad):
        raise _no_time(at(int(bad[0])), texts[int(bad[0])].as_py(), key, date_format is not None)
    if "k" in found:
        return _counted(found, codes)
    notes: list[Note] = []
    if "a" in found:
        found, key, notes = _ordered(found, texts, used, at, key)
    values, ok = _compose(found)
    bad = used[~ok[used]]
    if len(bad):
        raise _no_time(at(int(bad[0])), texts[int(bad[0])].as_py(), key, date_format is not None)
    if "two_digits" in found:
        notes.append(Note("info", "two-digit years: 69-99 are 19xx, 00-68 are 20xx"))
    valid = codes >= 0
    values, zone, more = _zoned(values, found, used, texts, at, tz)
    out = np.where(valid, values[np.where(valid, codes, 0)], 0) if len(values) else np.zeros(len(codes), np.int64)
    result = Instants(out, valid, zone, False, key, tuple(notes + more))
    return localised(result, tz, name, where) if tz and not zone else result


def _no_time(place: str, text: str, key: str, given: bool) -> DataError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    rule = f"not a time of the format {key}" if given else f"not a time like the others ({key})"
    return DataError(
        place=place, value=repr(shown), rule=rule, remedy="Correct or remove the line, or give --date-format."
    )


def _pattern(texts: pa.Array, used: np.ndarray, at: Callable[[int], str]) -> tuple[str, dict[str, np.ndarray]]:
    """The pattern that matches most texts; the first of equals."""
    sample = [texts[int(i)].as_py() for i in used[:: max(1, len(used) // 200)]]
    scores = {key: sum(bool(p.fullmatch(t)) for t in sample) for key, p in _COMPILED.items()}
    best = max(scores, key=lambda key: scores[key])
    if not sample or scores[best] * 2 < len(sample):
        first = int(used[0]) if len(used) else 0
        raise DataError(
            place=at(first) if len(used) else "time",
            value=repr(texts[first].as_py()[:60]) if len(used) else "",
            rule="not a time in any known format",
            remedy="Give --time COLUMN, or --date-format like '%d/%m/%Y %H:%M'.",
        )
    equals = [key for key in scores if scores[key] == scores[best]]
    candidates = [(key, _extract(texts, PATTERNS[key])) for key in equals]
    # yyyymmdd also matches yyyymmddhhmm-like digits in part: prefer the pattern with possible months and days.
    return max(candidates, key=lambda pair: int(_plausible(pair[1])[used].sum()))


def _plausible(found: dict[str, np.ndarray]) -> np.ndarray:
    return found["ok"] if ("a" in found or "k" in found) else found["ok"] & _compose(found)[1]


def _extract(texts: pa.Array, pattern: str) -> dict[str, np.ndarray]:
    """Groups of a pattern as int64 arrays; ``ok`` says where it matched."""
    struct = pc.extract_regex(texts, f"^(?:{pattern})$")
    ok = pc.is_valid(struct).to_numpy(zero_copy_only=False)
    out: dict[str, np.ndarray] = {"ok": ok}
    for group in re.findall(r"\?P<(\w+)>", pattern):
        parts = pc.struct_field(struct, group)
        if group in "spz" or group in ("B", "zone"):
            out[group] = np.array([p or "" for p in parts.to_pylist()], dtype=object)
            continue
        if group == "f":
            parts = pc.utf8_slice_codeunits(pc.utf8_rpad(parts, 6, "0"), 0, 6)
        if group == "Y":
            short = pc.fill_null(pc.equal(pc.utf8_length(parts), 2), False).to_numpy(zero_copy_only=False)
            if short.any():
                out["two_digits"] = short
        parts = pc.if_else(pc.equal(parts, ""), None, parts)
        out[group] = pc.fill_null(pc.cast(parts, pa.int64()), -1).to_numpy(zero_copy_only=False)
    if "B" in out:
        out["m"] = np.array([MONTHS.get(b.lower(), 0) for b in out["B"]], np.int64)
        out["ok"] = ok & (out["m"] > 0)
    if "two_digits" in out:
        out["Y"] = _century(out["Y"], out["two_digits"])
    return out


def _century(year: np.ndarray, short: np.ndarray) -> np.ndarray:
    return np.where(short, np.where(year >= 69, 1900 + year, 2000 + year), year)


def _counted(found: dict[str, np.ndarray], codes: np.ndarray) -> Instants:
    step = found["k"] * 12 + found["m"] - 1
    note = Note("warning", "times such as '1-01' name no calendar year: read as year 1 month 1 and counted in months")
    valid = codes >= 0
    return Instants(np.where(valid, step[np.where(valid, codes, 0)], 0), valid, "", True, "counted year-month", (note,))


def _ordered(
    found: dict[str, np.ndarray], texts: pa.Array, used: np.ndarray, at: Callable[[int], str], key: str
) -> tuple[dict[str, np.ndarray], str, list[Note]]:
    """Day first or month first (or two-digit year first), proved from the whole column."""
    a, b = found["a"], found["b"]
    everywhere = np.ones(len(a), bool)
    readings: dict[str, dict[str, np.ndarray]] = {}
    if "Y" in found:
        readings["day first"] = {"d": a, "m": b, "Y": found["Y"]}
        readings["month first"] = {"m": a, "d": b, "Y": found["Y"]}
    else:
        readings["day first"] = {"d": a, "m": b, "Y": _century(found["c"], everywhere)}
        readings["month first"] = {"m": a, "d": b, "Y": _century(found["c"], everywhere)}
        readings["year first"] = {"Y": _century(a, everywhere), "m": b, "d": found["c"]}
    rest = {k: v for k, v in found.items() if k not in ("a", "b", "c", "Y", "s")}
    fits = {}
    for word, parts in readings.items():
        full = {**rest, **parts}
        values, ok = _compose(full)
        if ok[used].all():
            fits[word] = (full, values[used])
    if not fits:
        # Name the line that the majority's reading cannot have.
        counts = {w: int(_compose({**rest, **p})[1][used].sum()) for w, p in readings.items()}
        word = max(counts, key=lambda w: counts[w])
        bad = used[~_compose({**rest, **readings[word]})[1][used]]
        raise _no_time(at(int(bad[0])), texts[int(bad[0])].as_py(), word, False)
    word, notes = _one_reading(fits, found, texts, used, at, key)
    chosen = fits[word][0]
    if "Y" not in found:
        chosen = {**chosen, "two_digits": everywhere}
    return chosen, f"{word}, {'two' if 'Y' not in found else 'four'}-digit year", notes


def _one_reading(
    fits: dict[str, tuple[dict[str, np.ndarray], np.ndarray]],
    found: dict[str, np.ndarray],
    texts: pa.Array,
    used: np.ndarray,
    at: Callable[[int], str],
    key: str,
) -> tuple[str, list[Note]]:
    words = list(fits)
    first = fits[words[0]][1]
    if all(np.array_equal(first, fits[w][1]) for w in words[1:]):
        return words[0], []
    if "year first" in fits:
        fits, notes = _without_unlikely_year(fits)
        words = list(fits)
        if len(words) == 1:
            return words[0], notes
    if set(found["s"][used]) == {"."} and "day first" in fits and "year first" not in fits:
        return "day first", [Note("info", "dates with dots are read day first")]
    if len(words) > 1:
        even = [w for w in words if len(used) >= 24 and _every_month(fits[w][1])]
        if len(even) == 1:
            return even[0], [Note("info", f"dates are read {even[0]}: so they are one a month without a gap")]
        differ = used[np.flatnonzero(fits[words[0]][1] != fits[words[1]][1])]
        i = int(differ[0])
        place = int(np.flatnonzero(used == i)[0])
        shown = " or ".join(f"{_date_text(fits[w][1][place])} ({w})" for w in words)
        text = texts[i].as_py()
        raise DataError(
            place=at(i),
            value=repr(text),
            rule=f"ambiguous: {shown}",
            remedy="Give --date-format " + " or ".join(repr(format_like(text, PATTERNS[key], w)) for w in words) + ".",
        )
    return words[0], []


def _without_unlikely_year(
    fits: dict[str, tuple[dict[str, np.ndarray], np.ndarray]],
) -> tuple[dict[str, tuple[dict[str, np.ndarray], np.ndarray]], list[Note]]:
    """Year first fits nearly all dates with two-digit years: the order of the rows and the years covered must speak for it."""

    def in_order(values: np.ndarray) -> bool:
        gaps = np.diff(values)
        return bool((gaps >= 0).all() or (gaps <= 0).all())

    others = {w: v for w, v in fits.items() if w != "year first"}
    ours, theirs = in_order(fits["year first"][1]), any(in_order(v[1]) for v in others.values())
    span = int(np.ptp(fits["year first"][1])) + DAY
    shortest = min((int(np.ptp(v[1])) + DAY for v in others.values()), default=0)
    if not others or (ours and not theirs) or (ours == theirs and 3 * span < shortest):
        note = Note("warning", "dates are read year first (yy/mm/dd); if not so, give --date-format")
        return {"year first": fits["year first"]}, [note]
    if (theirs and not ours) or 3 * shortest < span:
        return others, []
    return fits, []


def _every_month(values: np.ndarray) -> bool:
    months = np.unique((values // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
    return len(months) == len(distinct(values)) and bool((np.diff(months) == 1).all())


def _date_text(value: int) -> str:
    return str(np.datetime64(int(value), "us").astype("datetime64[D]"))


def compose_date(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(days since 1970 [n] int64, [n] bool whether such a day exists)."""
    ok = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (year >= 1) & (year <= 9999)
    y, m, d = np.where(ok, year, 1970), np.where(ok, month, 1), np.where(ok, day, 1)
    months = (y - 1970) * 12 + (m - 1)
    start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = start + d - 1
    return days, ok & (days < after)


def _compose(found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """([n] int64 microseconds, [n] bool whether possible) from the groups."""
    n = len(found["ok"])

    def part(group: str, default: int) -> np.ndarray:
        if group not in found:
            return np.full(n, default, np.int64)
        return np.where(found[group] < 0, default, found[group])

    ok = found["ok"].copy()
    year = part("Y", 1970)
    if "W" in found:
        week, weekday = part("W", 1), part("u", 1)
        fourth, _ = compose_date(year, np.full(n, 1), np.full(n, 4))
        monday = fourth - (fourth + 3) % 7
        days = monday + 7 * (week - 1) + weekday - 1
        next_fourth, _ = compose_date(year + 1, np.full(n, 1), np.full(n, 4))
        ok &= (week >= 1) & (monday + 7 * (week - 1) < next_fourth - (next_fourth + 3) % 7)
    elif "j" in found:
        first, _ = compose_date(year, np.full(n, 1), np.full(n, 1))
        next_first, _ = compose_date(year + 1, np.full(n, 1), np.full(n, 1))
        days = first + found["j"] - 1
        ok &= (found["j"] >= 1) & (days < next_first)
    else:
        month = 3 * part("q", 1) - 2 if "q" in found else part("m", 1)
        days, exists = compose_date(year, month, part("d", 1))
        ok &= exists
    hour, minute, second, fraction = part("H", 0), part("M", 0), part("S", 0), part("f", 0)
    if "p" in found and (marked := np.array([bool(p) for p in found["p"]], bool)).any():
        is_pm = np.array([str(p).lower() == "p" for p in found["p"]], bool)
        ok &= ~marked | ((hour >= 1) & (hour <= 12))
        hour = np.where(marked, hour % 12 + 12 * is_pm, hour)
    midnight = (hour == 24) & (minute == 0) & (second == 0) & (fraction == 0)
    ok &= ((hour <= 23) | midnight) & (minute <= 59) & (second <= 60)
    return days * DAY + (hour * 3600 + minute * 60 + second) * SECOND + fraction, ok


def _offset(text: str) -> int:
    if text in ("Z", "z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    return (-1 if text[0] == "-" else 1) * (int(digits[:2]) * 60 + int(digits[2:]))


def _zoned(
    values: np.ndarray, found: dict[str, np.ndarray], used: np.ndarray, texts: pa.Array, at: Callable[[int], str],
    tz: str | None,
) -> tuple[np.ndarray, str, list[Note]]:  # fmt: skip
    """(UTC or wall microseconds, zone, notes) of texts with offsets."""
    marks = found.get("z")
    if marks is None or not any(marks[used]):
        zones = {str(z) for z in found["zone"][used]} - {""} if "zone" in found else set()
        return (values, "", []) if not zones else (values, "", [Note("warning", f"zone names {sorted(zones)} ignored")])
    without = [int(i) for i in used if not marks[i]]
    if without:
        raise DataError(
            place=at(without[0]),
            value=repr(texts[without[0]].as_py()),
            rule="some times have an offset and some have none",
            remedy="Write the offset in every row.",
        )
    offsets = np.array([_offset(m) if m else 0 for m in marks], np.int64)
    utc = values - offsets * 60 * SECOND
    if tz is not None:
        return utc, checked_zone(tz), []
    names = {str(z) for z in found["zone"][used]} - {""}
    if len(names) == 1:
        return utc, checked_zone(names.pop()), []
    kinds = np.unique(offsets[used])
    if len(kinds) > 1:
        note = "offsets differ (daylight saving?): times are kept in UTC; for local times give --tz, e.g. Europe/Madrid"
        return utc, "UTC", [Note("warning", note)]
    minutes = int(kinds[0])
    if minutes == 0:
        return utc, "UTC", []
    sign = "-" if minutes < 0 else "+"
    return utc, f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}", []
