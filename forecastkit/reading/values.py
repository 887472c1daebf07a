"""Text -> numbers, exactly, or an error that names the cell.

The written rule of extremes: infinities and |x| > 1e150 are refused (their squares overflow); 0 < |x| < 1e-150 is
read as 0 and counted in a note. Percent and currency signs are dropped and noted, the number stays as written
("12.5%" is 12.5). Integers that float64 cannot hold exactly (beyond 2**53) are noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import DataError

__all__ = [
    "HUGE",
    "MISSING",
    "TINY",
    "Note",
    "Numbers",
    "decimal_of",
    "is_missing",
    "is_number",
    "is_text",
    "parse_number",
    "parse_numbers",
    "several",
    "spells_numbers",
    "two_readings",
    "undictionaried",
]

HUGE, TINY = 1e150, 1e-150

MISSING = frozenset(
    [
        "",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#n/a n/a",
        "#na",
        "nan",
        "-nan",
        "null",
        "none",
        "nil",
        "missing",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "?",
        "\\n",
        "<na>",
        "(null)",
        "nat",
        "n.d.",
        "s/d",
        "#value!",
        "#div/0!",
        "#ref!",
        "#num!",
        "#name?",
        "#null!",
        "unknown",
        "*",
    ]
)
"""Spellings of a missing number, in lower case."""

BOOLEANS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0, "on": 1.0, "off": 0.0}
CURRENCY = "$€£¥₹₽₩฿₺₪"
CODES = r"(?:USD|EUR|GBP|CHF|JPY|CAD|AUD|MXN|BRL|INR|CNY)"

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_UNDER = re.compile(r"[1-9].*[eE]-")
# A group of thousands; one or two digits after a mark are no group ("1.5 200" is two numbers).
_SPACES = re.compile(r"(?<=\d)(?<![.,]\d)(?<![.,]\d\d)[\s\u00a0\u202f\u2009'’](?=\d{3}(?:\D|$))")
_DOT_GROUPS = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d*)?")
_MARKS = re.compile(rf"^([+-]?)\s*(?:[{CURRENCY}]|{CODES})\s*|\s*(?:[{CURRENCY}]|{CODES}|%)$")


@dataclass(frozen=True)
class Note:
    """Something the user should know. ``level`` is "info" or "warning"; ``where`` is like "line 17" or empty."""

    level: str
    text: str
    where: str = ""


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as float64 (NaN = missing) and what was noticed on the way."""

    values: np.ndarray
    notes: tuple[Note, ...] = ()


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text, of any width; older Arrow has no name for the views that polars writes."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or "string_view" in str(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def spells_numbers(texts: Iterable[str | None]) -> bool:
    """Whether every text that is there is a number under one of the decimal marks."""
    return all(is_missing(t) or any(parse_number(str(t), mark) is not None for mark in ".,") for t in texts)


def undictionaried(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column whose cells stand in it themselves, and not as places in a dictionary."""
    return pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column


def several(n: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> several(1, "row"), several(2000, "row"), several(2, "series", "series")
    ('1 row', '2,000 rows', '2 series')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def is_missing(text: str | None) -> bool:
    """Whether a cell spells "no value".

    >>> is_missing(" N/A "), is_missing("0")
    (True, False)
    """
    return text is None or text.strip().lower() in MISSING


def parse_number(text: str, decimal: str = ".") -> float | None:
    """The number a cell spells, or None where it spells none.

    >>> parse_number("1,234.5"), parse_number("1.234,5", ","), parse_number("(12)"), parse_number("12 %")
    (1234.5, 1234.5, -12.0, 12.0)
    >>> parse_number("abc") is None
    True
    """
    s = text.strip().replace("\u2212", "-")
    if decimal == "." and _PLAIN.fullmatch(s):
        return float(s)
    low = s.lower()
    if low in BOOLEANS:
        return BOOLEANS[low]
    if low.lstrip("+-") in ("inf", "infinity", "∞"):
        return -np.inf if low.startswith("-") else np.inf
    sign = 1.0
    if s.startswith("(") and s.endswith(")"):
        s, sign = s[1:-1].strip(), -1.0
        if s[:1] in ("+", "-"):
            return None  # two signs
    elif s.endswith("-") and s[:1].isdigit():
        s, sign = s[:-1].strip(), -1.0
    s = _bare(s)
    if decimal == ",":
        if _DOT_GROUPS.fullmatch(s):
            s = s.replace(".", "")
        elif "." in s:
            return None
        s = s.replace(",", ".", 1)
    elif _COMMA_GROUPS.fullmatch(s):
        s = s.replace(",", "")
    return sign * float(s) if _PLAIN.fullmatch(s) else None


def _bare(text: str) -> str:
    """Without currency and percent signs, one on either side, and without blanks between thousands."""
    return _SPACES.sub("", _MARKS.sub(r"\1", _MARKS.sub(r"\1", text)).strip())


def two_readings(place: str, cells: list[str]) -> DataError:
    """The error on a column whose decimal mark cannot be told: both readings of one cell, or two cells that disagree."""
    marked = [c for c in cells if ("," in c or "." in c) and not is_missing(c)]
    for cell in marked:
        dot, comma = parse_number(cell), parse_number(cell, ",")
        if dot is not None and comma is not None:
            kinds = ("thousands", "decimal comma") if "," in cell else ("decimal point", "thousands")
            return DataError(
                place=place,
                value=repr(cell),
                rule=f"ambiguous: {dot:.15g} ({kinds[0]}) or {comma:.15g} ({kinds[1]})",
                remedy="Give --decimal '.' or --decimal ','.",
            )
    with_dot = next((c for c in marked if parse_number(c) is not None), "")
    with_comma = next((c for c in marked if parse_number(c, ",") is not None), "")
    return DataError(
        place=place,
        value=f"{with_dot!r} and {with_comma!r}",
        rule="two decimal marks in one column",
        remedy="Write all numbers with one decimal mark.",
    )


def decimal_of(cells: list[str], *, european: bool = False) -> str | None:
    """The decimal mark that the cells prove: ``"."``, ``","``, ``""`` where nothing tells, None where two readings remain.

    Args:
        cells: numbers as text.
        european: dots may part thousands (the file's separator is no comma), so that 1.234 beside 950 has two readings.

    >>> decimal_of(["1,5", "2,25"]), decimal_of(["1,234", "1,234,567"]), decimal_of(["1,234", "5,678"])
    (',', '.', None)
    """
    comma, dot, unsure, three, grouped_dot, plain = False, False, False, False, False, False
    for cell in cells:
        s = _bare(cell.strip()).strip("()+- ")
        if not re.fullmatch(r"[\d.,]+(?:[eE][+-]?\d+)?", s) or not ("," in s or "." in s):
            three = three or (s.isdigit() and len(s) > 3)
            plain = plain or s.isdigit()
            continue
        if "," in s and "." in s:
            comma, dot = comma or s.rfind(",") > s.rfind("."), dot or s.rfind(".") > s.rfind(",")
        elif s.count(",") > 1:
            dot = True
        elif s.count(".") > 1:
            comma = True
        elif "," in s:
            head, tail = s.split(",")
            if len(tail) != 3 or len(head) > 3 or head in ("", "0") or head.startswith("0"):
                comma = True
            else:
                unsure = True
        else:
            head, tail = s.split(".")
            if len(tail) != 3 or len(head) > 3 or head in ("", "0"):
                dot = True
            else:
                grouped_dot = True
    if comma and dot:
        return None
    if comma or dot:
        return "," if comma else "."
    if unsure:
        # 1,234 beside an ungrouped 5678 cannot be thousands.
        return "," if three else None
    if grouped_dot and european and plain and not three:
        return None
    return "." if grouped_dot else ""


def parse_numbers(
    column: pa.ChunkedArray | pa.Array,
    name: str,
    where: Callable[[int], str],
    *,
    decimal: str = ".",
    sure: bool = True,
) -> Numbers:
    """A whole column as numbers.

    Args:
        column: text, numeric, boolean or decimal.
        name: for the error.
        where: row -> place such as ``"prices.csv, line 7"``.
        decimal: decimal mark of text.
        sure: the mark is given or proved; else the column itself must prove it.

    Raises:
        DataError: a cell that is no number, an infinity, a number beyond 1e150, mixed currencies or percents.
    """
    column = undictionaried(column)
    kind = column.type
    if is_text(kind):
        values, notes = _from_text(column, name, where, decimal, sure)
    elif pa.types.is_null(kind):
        values, notes = np.full(len(column), np.nan), []
    elif pa.types.is_temporal(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind):
        raise DataError(
            place=f"{where(0)}, column {name!r}",
            value=str(kind),
            rule="numbers are needed",
            remedy="Choose a numeric column with --target.",
        )
    else:
        notes = []
        if pa.types.is_integer(kind):
            notes = _beyond_exact(column, name)
        # pc.cast refuses to lose digits; float64 is what every model works in.
        # Decimals go through text: the direct cast rounds twice.
        column = pc.cast(column, pa.string()) if pa.types.is_decimal(kind) else column
        values = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return Numbers(_within_rule(np.array(values, np.float64), name, where, notes), tuple(notes))


def _beyond_exact(column: pa.ChunkedArray | pa.Array, name: str) -> list[Note]:
    span = pc.min_max(column).as_py()
    top = max(abs(span["min"] or 0), abs(span["max"] or 0))
    if top <= 2**53:
        return []
    inexact = sum(1 for v in column.to_pylist() if v is not None and int(float(v)) != v)
    return [_inexact(name, inexact)] if inexact else []


def _inexact(name: str, n: int) -> Note:
    return Note("warning", f"{name}: {several(n, 'integer')} beyond 2**53 rounded to float64")


def _within_rule(values: np.ndarray, name: str, where: Callable[[int], str], notes: list[Note]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        size = np.abs(values)
        if (size > HUGE).any():
            row = int(np.flatnonzero(size > HUGE)[0])
            raise DataError(
                place=f"{where(row)}, column {name!r}",
                value=f"{values[row]:g}",
                rule="numbers must be finite and at most 1e150 in size",
                remedy="Correct the cell or empty it (missing).",
            )
        tiny = (size < TINY) & (size > 0)
    if tiny.any():
        notes.append(Note("info", f"{name}: {several(int(tiny.sum()), 'value')} below 1e-150 in size read as 0"))
        values[tiny] = 0.0
    # One zero, so that -0.0 and 0.0 give one fingerprint.
    values += 0.0
    return values


def _from_text(
    column: pa.ChunkedArray | pa.Array, name: str, where: Callable[[int], str], decimal: str, sure: bool
) -> tuple[np.ndarray, list[Note]]:
    coded = pc.dictionary_encode(column, null_encoding="mask")
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.unify_dictionaries().combine_chunks()
    texts = coded.dictionary.to_pylist()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    table = np.full(len(texts) + 1, np.nan)
    notes: list[Note] = []
    if not sure and any("," in t or t.count(".") > 1 for t in texts):
        cells = [t for t in texts if not is_missing(t) and any(parse_number(t, d) is not None for d in ".,")]
        mark = decimal_of(cells)
        if mark is None:
            doubt = next((i for i, t in enumerate(texts) if "," in t and parse_number(t, ",") is not None), 0)
            raise two_readings(
                f"{where(int(np.flatnonzero(codes == doubt)[0]))}, column {name!r}", texts[doubt:] + texts[:doubt]
            )
        decimal = mark or decimal
    signs: dict[str, int] = {}
    n_under = 0
    inexact = np.zeros(len(texts) + 1, bool)
    for i, text in enumerate(texts):
        if is_missing(text):
            continue
        number = parse_number(text, decimal)
        if number is None:
            raise _no_number(name, where, int(np.flatnonzero(codes == i)[0]), text, decimal)
        table[i] = number
        n_under += number == 0 and _UNDER.search(text) is not None
        if abs(number) >= 2**53 and (digits := text.strip()).lstrip("+-").isdigit():
            # Python refuses to read thousands of digits; no such number is exact.
            inexact[i] = len(digits) > 400 or not np.isfinite(number) or int(number) != int(digits)
        for mark in set(text) & set(CURRENCY + "%"):
            signs.setdefault(mark, i)
    if len([m for m in signs if m != "%"]) > 1:
        raise _mixed(name, where, codes, signs, "one currency is needed")
    plain = [i for i, t in enumerate(texts) if "%" not in t and not np.isnan(table[i]) and table[i] != 0]
    if "%" in signs and plain:
        raise _mixed(name, where, codes, {"%": signs["%"], "no %": plain[0]}, "all cells or none must be per cent")
    if signs:
        notes.append(Note("info", f"{name}: {' '.join(sorted(signs))} dropped; numbers stay as written"))
    if n_under:
        notes.append(Note("info", f"{name}: {several(n_under, 'value')} below 1e-150 in size read as 0"))
    if inexact.any():
        notes.append(_inexact(name, int(inexact[codes].sum())))
    return table[codes], notes


def _mixed(name: str, where: Callable[[int], str], codes: np.ndarray, signs: dict[str, int], rule: str) -> DataError:
    row = int(np.flatnonzero(codes == max(signs.values()))[0])
    return DataError(
        place=f"{where(row)}, column {name!r}",
        value="mixed " + " and ".join(sorted(signs)),
        rule=rule,
        remedy="Bring the column to one unit first.",
    )


def _no_number(name: str, where: Callable[[int], str], row: int, text: str, decimal: str) -> DataError:
    other = "," if decimal == "." else "."
    if parse_number(text, other) is not None:
        remedy = f"If {other!r} is the decimal mark: --decimal {other!r}."
    else:
        remedy = "Correct the cell, empty it (missing), or choose another column with --target."
    shown = text if len(text) <= 60 else text[:57] + "..."
    return DataError(place=f"{where(row)}, column {name!r}", value=repr(shown), rule="not a number", remedy=remedy)
