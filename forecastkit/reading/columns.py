"""Which column is what: by name first, then by content; every choice has a reason that is printed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from forecastkit.errors import ConfigError, DataError, UnknownNameError, near
from forecastkit.read_options import ReadOptions
from forecastkit.reading.table import Table
from forecastkit.reading.times import is_clock, is_timelike
from forecastkit.reading.values import is_missing, is_number, is_text, parse_number

__all__ = ["INDEX_NAMES", "ITEM_NAMES", "Roles", "choose_roles", "plain"]

TIME_NAMES = (
    "timestamp", "datetime", "date time", "ds", "date", "time", "day", "week", "month", "quarter", "year", "period",
    "fecha", "datum", "data", "zeit", "mes", "monat", "epoch", "unix", "step", "sample", "index", "t",
)  # fmt: skip
ITEM_NAMES = (
    "item id", "unique id", "item", "series", "series id", "id", "ticker", "symbol", "store", "store id", "sku", "product",
    "product id", "name", "station", "sensor", "sensor id", "site", "location", "country", "region", "city", "state",
    "code", "entity", "group", "key", "patient", "meter", "device", "stock", "shop", "tienda", "producto", "filiale",
)  # fmt: skip
TARGET_NAMES = (
    "adj close", "adjusted close", "adjclose", "close adj", "close", "target", "y", "value", "values", "sales", "demand", "rentals",
    "price", "count", "cnt", "amount", "total", "quantity", "qty", "units", "load", "consumption", "revenue", "passengers",
    "ot", "valor", "ventas", "wert",
)  # fmt: skip
PARTS = {
    "year": ("year", "yr", "yyyy", "anno", "ano", "año", "jahr"),
    "month": ("month", "mo", "mon", "mm", "mes", "monat"),
    "day": ("day", "dd", "dia", "día", "tag", "dayofmonth", "day of month"),
    "hour": ("hour", "hr", "hh", "hora", "stunde"),
    "minute": ("minute", "min", "minuto"),
}
INDEX_NAMES = ("no", "nr", "index", "row", "rownames", "rowname", "unnamed: 0", "column 1", "unnamed 0", "obs")
MANY_COLUMNS = 200


@dataclass(frozen=True)
class Roles:
    """The chosen columns.

    Args:
        layout: ``"long"``, ``"columns"`` (a series a column) or ``"rows"`` (a series a row).
        time: columns of the time; empty = the order of rows.
        parts: ``time`` holds year, month, day, hour columns or a date and a clock.
        items: columns that may name the series, best first; ``fixed`` where the user named them.
        targets: the target, or the columns of a wide file.
        why: role -> reason.
    """

    layout: str
    time: tuple[str, ...]
    parts: str
    items: tuple[str, ...]
    fixed: bool
    targets: tuple[str, ...]
    why: dict[str, str] = field(default_factory=dict)
    other_numeric: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A name for comparison.

    >>> plain("Adj_Close"), plain("adj. close*")
    ('adj close', 'adj close')
    """
    return re.sub(r"[^\w:]+|_", " ", name.lower()).strip()


def _kind(cells: pa.Array, most: int) -> str:
    kind = cells.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_boolean(kind):
        return "bool"
    if is_number(kind):
        return "number"
    if pa.types.is_null(kind):
        return "empty"
    if not is_text(kind):
        return "other"
    step = max(1, len(cells) // most)
    texts = [t for t in cells.take(pa.array(range(0, len(cells), step))).to_pylist() if t and not is_missing(t)]
    if not texts:
        return "empty" if cells.null_count == len(cells) or all(is_missing(t) for t in cells.to_pylist()) else "text"
    # Names of series come again and again: each text is looked at once.
    counts, enough = Counter(texts), 0.7 * len(texts)

    def most_are(kind: Callable[[str], bool]) -> bool:
        return sum(n for text, n in counts.items() if kind(text)) >= enough

    if most_are(lambda t: t.strip().lower() in ("true", "false")):
        return "bool"
    if most_are(lambda t: parse_number(t) is not None or parse_number(t, ",") is not None):
        return "number"
    if most_are(is_clock):
        return "clock"
    return "time" if most_are(is_timelike) else "text"


def choose_roles(table: Table, options: ReadOptions) -> Roles:
    """The columns' roles, from names and from the first rows.

    Raises:
        UnknownNameError: an option names a column that does not exist.
        ConfigError: the column of series is the target.
        DataError: no numeric column.
    """
    head = table.head()
    names = table.names
    if not names:
        raise DataError(place=table.name, rule="no columns", remedy="Give a table with a time and a number.")
    most = 300 if len(names) <= MANY_COLUMNS else 40
    kinds = {name: _kind(head[name], most) for name in names}
    why: dict[str, str] = {}
    for flag, value in (("--time", options.time), ("--item", options.item)):
        if value is not None:
            _named(value, names, flag)
    for flag, more in (("--known", options.known), ("--past", options.past), ("--static", options.static)):
        for name in more:
            if name not in names:
                raise _unknown(flag, name, names)
    wide = _series_in_rows(head, kinds, options)
    if wide is not None:
        return wide
    time, parts = _time_columns(head, kinds, options, why)
    items = _named(options.item, names, "--item") if options.item else _item_candidates(head, kinds, time, options)
    targets, layout = _targets(table.name, head, kinds, time, items if options.item else (), options, why)
    if options.item and set(items) & set(targets):
        raise ConfigError(place="--item", value=repr(options.item), rule="is the target", remedy="Name another column.")
    items = tuple(i for i in items if i not in targets)
    numeric = [n for n in names if kinds[n] in ("number", "bool") and n not in (*time, *targets)]
    return Roles(layout, time, parts, items, options.item is not None, targets, why, tuple(numeric))


def _named(value: str, names: tuple[str, ...], flag: str) -> tuple[str, ...]:
    """Columns of an option: one name, or several with commas."""
    if value in names:
        return (value,)
    loose = {name.strip().lower(): name for name in reversed(names)}
    if value.strip().lower() in loose:
        return (loose[value.strip().lower()],)
    many = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    for part in many:
        if part not in names:
            raise _unknown(flag, part, names)
    return many


def _unknown(flag: str, name: str, names: tuple[str, ...]) -> UnknownNameError:
    return UnknownNameError(place=flag, value=repr(name), rule="there is no such column", remedy=near(name, names))


def _time_columns(
    head: dict[str, pa.Array], kinds: dict[str, str], options: ReadOptions, why: dict[str, str]
) -> tuple[tuple[str, ...], str]:
    names = tuple(head)
    if options.time is not None:
        chosen = _named(options.time, names, "--time")
        if len(chosen) == 1:
            why["time"] = "as asked"
            return chosen, ""
        clock = len(chosen) == 2 and kinds[chosen[1]] == "clock"
        return chosen, "clock" if clock else "parts"
    busy = {options.target, options.item, *options.known, *options.past, *options.static}
    dated = [n for n in names if kinds[n] == "time" and n not in busy]
    if dated:
        best = max(dated, key=lambda n: (_n_distinct(head[n]), -_rank(n, TIME_NAMES), -names.index(n)))
        clocks = [n for n in names if kinds[n] == "clock" and n not in busy]
        why["time"] = "by name" if plain(best) in TIME_NAMES else "by content"
        if clocks and not any(":" in str(v) for v in head[best].slice(0, 50).to_pylist()):
            return (best, clocks[0]), "clock"
        return (best,), ""
    parts = _part_columns(names, kinds)
    if parts:
        why["time"] = "joined from " + ", ".join(parts)
        return parts, "parts"
    found = _numeric_time(head, kinds, busy, why)
    given = [n for n in (*options.known, *options.past, *options.static) if kinds.get(n) == "time"]
    if given and not found:
        raise DataError(
            place=f"column {given[0]!r}",
            rule="the only column of times is given as a covariate",
            remedy="Leave it out of --known, --past and --static; features of the calendar are made by themselves.",
        )
    return found, ""


def _numeric_time(
    head: dict[str, pa.Array], kinds: dict[str, str], busy: set[str | None], why: dict[str, str]
) -> tuple[str, ...]:
    """Numbers (or odd texts) under a name of time."""
    names = [n for n in head if n not in busy and kinds[n] in ("number", "text", "clock")]
    for name in sorted(names, key=lambda n: _rank(n, TIME_NAMES)):
        word = plain(name)
        is_time_name = word in TIME_NAMES or re.fullmatch(r"(date|time|timestamp|datetime|year)\b.*", word)
        if not is_time_name or (kinds[name] != "number" and word in ("index", "t", "step")):
            continue
        cells = [c for c in head[name].to_pylist() if c is not None and not (isinstance(c, str) and is_missing(c))]
        if kinds[name] == "number" and word in ("day", "month", "week", "quarter", "data", "mes", "monat", "index"):
            numbers = [parse_number(c) if isinstance(c, str) else float(c) for c in cells]
            known = [n for n in numbers if n is not None]
            if known and max(known) < 100 and len(set(known)) < len(known):
                continue
        why["time"] = "by name"
        return (name,)
    why["time"] = "none found: the order of rows"
    return ()


def _rank(name: str, names: tuple[str, ...]) -> int:
    word = plain(name)
    return names.index(word) if word in names else len(names)


def _n_distinct(cells: pa.Array) -> int:
    return len(cells.unique())


def _part_columns(names: tuple[str, ...], kinds: dict[str, str]) -> tuple[str, ...]:
    found = []
    for words in PARTS.values():
        hit = next((n for n in names if plain(n) in words and kinds[n] in ("number", "text")), None)
        if hit is None:
            break
        found.append(hit)
    return tuple(found) if len(found) >= 2 else ()


def _item_candidates(
    head: dict[str, pa.Array], kinds: dict[str, str], time: tuple[str, ...], options: ReadOptions
) -> tuple[str, ...]:
    busy = {*time, options.target, *options.known, *options.past, *options.static}
    free = [n for n in head if n not in busy]
    texts = [n for n in free if kinds[n] == "text"]
    numbers = [n for n in free if kinds[n] == "number" and plain(n) in ITEM_NAMES and _is_id(head[n])]
    return tuple(sorted([*texts, *numbers], key=lambda n: _rank(n, ITEM_NAMES))[:8])


def _is_id(cells: pa.Array) -> bool:
    return all(str(c).strip().removesuffix(".0").isdigit() for c in cells.slice(0, 200).to_pylist() if c is not None)


def _targets(
    place: str,
    head: dict[str, pa.Array],
    kinds: dict[str, str],
    time: tuple[str, ...],
    items: tuple[str, ...],
    options: ReadOptions,
    why: dict[str, str],
) -> tuple[tuple[str, ...], str]:
    names = tuple(head)
    numeric = [n for n in names if kinds[n] in ("number", "bool", "empty") and n not in (*time, *items)]
    numeric = [n for n in numeric if n not in (*options.known, *options.past, *options.static)]
    if options.target == "*":
        if not numeric:
            raise _no_number(place, kinds, options)
        return tuple(n for n in numeric if not _is_index(n, head[n])), "columns"
    if options.target is not None:
        chosen = _named(options.target, names, "--target")
        why["target"] = ""
        return chosen, "columns" if len(chosen) > 1 else "long"
    usable = [n for n in numeric if not _is_index(n, head[n]) and not _is_part(n, names, kinds)]
    usable = [n for n in usable if not (plain(n) in ITEM_NAMES and _is_id(head[n]))] or usable or numeric
    real = [n for n in usable if kinds[n] == "number"] or usable
    if not real:
        raise _no_number(place, kinds, options)
    if not items and "text" not in kinds.values() and _same_kind(real):
        why["target"] = "one series a column"
        return tuple(real), "columns"
    by_name = [n for n in real if plain(n) in TARGET_NAMES]
    if by_name:
        best = min(by_name, key=lambda n: _rank(n, TARGET_NAMES))
        why["target"] = "" if len(real) == 1 else "by its name"
        return (best,), "long"
    if len(real) > 1:
        why["target"] = f"the first of {len(real)} numeric columns; --target chooses another"
    return (real[0],), "long"


def _no_number(place: str, kinds: dict[str, str], options: ReadOptions) -> DataError:
    taken = [n for n in (*options.known, *options.past, *options.static) if kinds.get(n) == "number"]
    if taken:
        return DataError(
            place=place,
            value=f"covariates {', '.join(n[:30] for n in taken[:8])}",
            rule="no numeric column is left to forecast",
            remedy="The target is no covariate of itself: leave it out of --known, --past and --static.",
        )
    return DataError(
        place=place,
        value=f"columns {', '.join(n[:30] for n in list(kinds)[:8])}",
        rule="no numeric column",
        remedy="Check --sep and --decimal, or name the column with --target.",
    )


def _is_part(name: str, names: tuple[str, ...], kinds: dict[str, str]) -> bool:
    parts = {p for words in PARTS.values() for p in words if len(p) > 2}
    return plain(name) in parts and len(names) > 2


def _is_index(name: str, cells: pa.Array) -> bool:
    """Whether a column only counts the rows."""
    if plain(name) not in INDEX_NAMES:
        return False
    numbers = [parse_number(c) if isinstance(c, str) else c for c in cells.slice(0, 500).to_pylist() if c is not None]
    return len(numbers) > 1 and all(
        a is not None and b is not None and b - a == 1 for a, b in zip(numbers, numbers[1:])
    )


def _same_kind(names: list[str]) -> bool:
    """Whether columns are numbered members of one family (s1, s2, s3, ... or 101, 102, ...)."""
    if len(names) < 3:
        return False
    stems = [re.fullmatch(r"(.*?)(\d+)", n) for n in names]
    return all(stems) and len({s[1] for s in stems if s}) == 1


def _series_in_rows(head: dict[str, pa.Array], kinds: dict[str, str], options: ReadOptions) -> Roles | None:
    """M4-like files: an id and one column an instant."""
    names = tuple(head)
    if options.time is not None or options.target is not None or len(names) < 4:
        return None
    stamped = [n for n in names if is_timelike(n) or re.fullmatch(r"[XY]?(1[5-9]|20)\d\d", n)]
    if len(stamped) >= max(3, 0.6 * len(names)) and not any(kinds[n] == "time" for n in names):
        series = tuple(stamped)
        times = "names of columns"
    else:
        series = names[1:]
        stems = {re.sub(r"\d+$", "", n) for n in series}
        counted = len(stems) == 1 and all(n[-1].isdigit() for n in series)
        if kinds[names[0]] != "text" or not counted or len(series) < 3:
            return None
        times = ""
    if any(kinds[n] not in ("number", "empty") for n in series):
        return None
    labels = tuple(n for n in names if n not in series and kinds[n] == "text")
    if options.item:
        labels = _named(options.item, names, "--item")
    if labels and len({tuple(row) for row in zip(*(head[n].to_pylist() for n in labels))}) < len(head[labels[0]]):
        return None
    why = {"time": times or "the order of columns", "target": "one series a row"}
    return Roles("rows", (), times, labels, True, series, why)
