"""How a text file is written: preamble, comments, separator, header, decimal mark; from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from forecastkit.errors import DataError
from forecastkit.read_options import ReadOptions
from forecastkit.reading.times import is_clock, is_timelike
from forecastkit.reading.values import Note, decimal_of, is_missing, parse_number, two_readings

__all__ = ["Dialect", "distinct_names", "ended", "is_comment", "renaming_notes", "sniff", "split_lines"]

SAMPLE_BYTES = 4 << 20
SAMPLE_LINES = 2000
SCORED_LINES = 100
SEPARATORS = (",", ";", "\t", "|", "whitespace", ":", "&")


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Args:
        sep: one character, or ``"whitespace"`` (any run of blanks).
        decimal: ``"."`` or ``","``.
        names: distinct column names.
        header: whether the names come from the file.
        first: number of lines before the first row of data (header included).
        comments: whether comment lines occur among the sampled rows.
        rows: sampled rows as text cells.
        renamed: names that occurred twice.
        sure: the decimal mark is given or proved.
        doubtful: (number of comment lines as wide as a row, line of the first).
    """

    sep: str
    decimal: str
    names: tuple[str, ...]
    header: bool
    first: int
    comments: bool
    rows: tuple[tuple[str, ...], ...]
    renamed: tuple[str, ...] = ()
    sure: bool = False
    doubtful: tuple[int, int] = (0, 0)

    def facts(self) -> dict[str, object]:
        """For the profile."""
        return {
            "separator": {"\t": "tab"}.get(self.sep, self.sep),
            "decimal": self.decimal,
            "header": self.header,
            "lines_skipped": self.first - int(self.header),
        }


def ended(lines: Iterable[str]) -> Iterator[str]:
    """Lines with their ends, so that a quoted cell keeps those inside it."""
    return (line if line.endswith("\n") else line.rstrip("\r") + "\n" for line in lines)


def split_lines(lines: list[str], sep: str) -> list[list[str]]:
    """Rows of cells; a quoted cell may hold the separator and line ends. Blank lines vanish."""
    if sep == "whitespace":
        lines, sep = [re.sub(r"[ \t]+", "\t", line.strip(" \t\r\n")) for line in lines], "\t"
    try:
        return [row for row in csv.reader(ended(lines), delimiter=sep, skipinitialspace=True) if row]
    except csv.Error:
        return [line.split(sep) for line in lines if line.strip()]


def sniff(place: str, content: bytes, complete: bool, options: ReadOptions) -> Dialect:
    """The dialect of a file.

    Args:
        place: the file, for errors.
        content: its first bytes, UTF-8, at most ``SAMPLE_BYTES``.
        complete: ``content`` is the whole file.
        options: what the user fixed.

    Raises:
        DataError: no rows, or a decimal mark with two readings.
    """
    text = content.decode("utf-8", errors="replace")
    # str.splitlines would also cut at form feeds and the like.
    lines = text.split("\n")
    if not complete and len(lines) > 1:
        lines = lines[:-1]
    lines = lines[:SAMPLE_LINES]
    if not any(line.strip() for line in lines):
        raise DataError(place=place, rule="the file is empty", remedy="Give a file with a header and rows.")
    declared = re.match(r"sep=(.)\s*$", lines[0])
    given = options.skip_rows if options.skip_rows is not None else int(declared is not None)
    if given >= len(lines):
        raise DataError(
            place="--skip-rows",
            value=str(given),
            rule=f"the file has only {len(lines) - (not lines[-1])} lines",
            remedy="Give a smaller number.",
        )
    marked = not _marks_are_data(lines[given:], options.sep)
    kept = [
        (n, line) for n, line in enumerate(lines) if n >= given and line.strip() and not (marked and is_comment(line))
    ]
    if not kept:
        raise DataError(place=place, rule="only comments", remedy="Give a file with a header and rows.")
    sep = options.sep or (declared[1] if declared else _separator([line for _, line in kept]))
    start = 0 if options.skip_rows is not None else _preamble([line for _, line in kept], sep)
    first_line = kept[start][0]
    body = [line for _, line in kept[start:]]
    rows = split_lines(body, sep)
    dialect = _headed(place, lines, rows, first_line, sep, options)
    comments = [n for n in range(dialect.first, len(lines)) if marked and is_comment(lines[n])]
    wide = [n + 1 for n in comments if len(dialect.names) > 1 and _width(lines[n], sep) == len(dialect.names)]
    doubtful = (len(wide), wide[0]) if wide else (0, 0)
    return replace(dialect, comments=bool(comments), doubtful=doubtful)


def _width(line: str, sep: str) -> int:
    rows = split_lines([line], sep)
    return len(rows[0]) if rows else 0


def _marks_are_data(lines: list[str], sep: str | None) -> bool:
    """Whether ``#`` begins names of series (#1, #2, ...): many lines below the first row have it, and a row's width."""
    lines = [line for line in lines if line.strip()]
    start = next((k for k, line in enumerate(lines) if not is_comment(line)), len(lines))
    below = lines[start + 1 :]
    marks = [line for line in below if is_comment(line)]
    if len(marks) <= 0.1 * len(below):
        return False
    sep = sep or _separator(lines[start : start + SCORED_LINES])
    usual = _width(lines[start], sep)
    return usual > 1 and sum(_width(line, sep) == usual for line in marks) > 0.8 * len(marks)


def is_comment(line: str) -> bool:
    """Whether a line begins with a mark of comments.

    >>> is_comment("# made by hand"), is_comment("#,date,y")
    (True, False)
    """
    s = line.lstrip()
    return s.startswith(("#", "%", "//")) and not re.match(r"[#%](?:[;,\t|]|N/A)", s)


def _typed(cell: str) -> bool:
    """Whether a cell is a number, a time or a known word for neither."""
    return is_missing(cell) or parse_number(cell) is not None or parse_number(cell, ",") is not None or _is_time(cell)


def _is_time(cell: str) -> bool:
    return is_timelike(cell) or is_clock(cell)


def _separator(lines: list[str]) -> str:
    """The separator that splits most lines alike, into cells that mean something."""
    sample = lines[: 3 + SCORED_LINES]
    best, best_score = ",", 0.0
    for sep in SEPARATORS:
        if sep != "whitespace" and not any(sep in line for line in sample):
            continue
        rows = split_lines(sample, sep)
        widths = Counter(len(row) for row in rows)
        width, n = max(widths.items(), key=lambda pair: (pair[1], pair[0])) if widths else (0, 0)
        if width < 2:
            continue
        cells = [cell for row in rows[1:] for cell in row[:50]] or [cell for row in rows for cell in row[:50]]
        typed = sum(map(_typed, cells[:2000])) / max(1, len(cells[:2000]))
        score = n / len(rows) * (0.3 + typed) * {"whitespace": 0.8, ":": 0.5, "&": 0.5}.get(sep, 1.0)
        if score > best_score + 1e-9:
            best, best_score = sep, score
    return best


def _preamble(lines: list[str], sep: str) -> int:
    """Titles before the table: lines much narrower than what follows."""
    widths = [len(row[0]) if (row := split_lines([line], sep)) else 0 for line in lines[:400]]
    tail = Counter(widths[len(widths) // 3 :])
    usual = max(tail.items(), key=lambda pair: (pair[1], pair[0]))[0] if tail else 1
    if usual < 2:
        return 0
    for k, width in enumerate(widths):
        cells = split_lines([lines[k]], sep)[0] if width else []
        filled = sum(1 for c in cells if c.strip())
        if width >= usual and filled >= min(2, usual - 1):
            return k
        # A header may lack the index's name; then rows of data follow at once.
        follows = split_lines([lines[k + 1]], sep) if k + 1 < len(lines) else []
        if (
            width == usual - 1
            and filled == width
            and follows
            and len(follows[0]) == usual
            and all(map(_typed, follows[0][1:]))
        ):
            return k
    return 0


def _headed(
    place: str, lines: list[str], rows: list[list[str]], first_line: int, sep: str, options: ReadOptions
) -> Dialect:
    header = _has_header(rows)
    data = rows[1:] if header else rows
    above = _commented_names(lines[:first_line], sep, len(rows[0])) if not header else None
    # Lines of the header itself: a quoted name may hold line ends.
    used = _lines_of_first_row(lines[first_line:], sep) if header else 0
    if header and not data:
        raise DataError(place=place, rule="a header and no rows", remedy="Give a file with rows.")
    cells = list(above or (rows[0] if header else []))
    width = _usual_width(data, len(cells))
    if header and len(cells) == width - 1 and not _trailing(data, width):
        if sum(is_timelike(sep.join(row[:2])) and not is_timelike(row[0]) for row in data) > 0.8 * len(data):
            raise DataError(
                place=f"{place}, line {first_line + used + 1}",
                value=repr(sep.join(data[0][:2])),
                rule=f"the dates hold the separator {sep!r}",
                remedy="Quote the dates, or write the file with another separator.",
            )
        cells = ["", *cells]  # R writes row names without a heading
    names, renamed = distinct_names(
        cells, max(width, len(cells)) if not _trailing(data, width) else len(cells) or width - 1
    )
    decimal, sure = (options.decimal, True) if options.decimal else _decimal(place, data, names, sep)
    return Dialect(
        sep=sep,
        decimal=decimal,
        sure=sure,
        names=names,
        header=header,
        first=first_line + used,
        comments=False,
        rows=tuple(tuple(row) for row in data),
        renamed=renamed,
    )


def _usual_width(data: list[list[str]], named: int) -> int:
    """The width of the table: a single row that is too wide is an error, found when all rows are read."""
    widths = Counter(len(row) for row in data)
    widest = max(widths)
    return (
        widest
        if widths[widest] > 0.5 * len(data) or not named
        else max(named, max(widths, key=lambda w: (widths[w], w)))
    )


def _trailing(data: list[list[str]], width: int) -> bool:
    """Whether every row ends with a separator and nothing after it."""
    return width > 1 and all(len(row) < width or not row[-1].strip() for row in data)


def _lines_of_first_row(lines: list[str], sep: str) -> int:
    reader = csv.reader(ended(lines), delimiter="\t" if sep == "whitespace" else sep, skipinitialspace=True)
    try:
        for row in reader:
            if row:
                break
    except csv.Error:
        return 1
    return max(1, reader.line_num)


def _commented_names(lines: list[str], sep: str, width: int) -> list[str] | None:
    """Names in the last comment line, as numpy writes them."""
    comments = [line for line in lines if is_comment(line)]
    if not comments or width < 2:
        return None
    cells = split_lines([comments[-1].lstrip("#%/ ")], sep)
    return cells[0] if cells and len(cells[0]) == width and not any(map(_typed, cells[0])) else None


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: it is text where the rows below are numbers or times."""
    first = [cell.strip() for cell in rows[0]]
    typed = [bool(c) and not is_missing(c) and (parse_number(c) is not None or _is_time(c)) for c in first]
    if not any(typed):
        return True
    if len(rows) == 1 or all(typed):
        return False
    below = rows[1 : 1 + SCORED_LINES]
    for k, cell in enumerate(first):
        if cell and not typed[k] and not is_missing(cell):
            column = [row[k] for row in below if k < len(row) and not is_missing(row[k])]
            if column and sum(parse_number(c) is not None or _is_time(c) for c in column) > 0.8 * len(column):
                return True
    # Years or dates that go one way head a wide table; a row of data would not count upwards.
    numbers = [parse_number(c) for c, t in zip(first, typed) if t]
    if len(numbers) < 2:
        return False
    if all(_is_time(c) for c, t in zip(first, typed) if t):
        return not any(_is_time(c) for c in below[0][1:])
    steps = {round(b - a, 9) for a, b in zip(numbers, numbers[1:]) if a is not None and b is not None}
    return len(steps) == 1 and steps.pop() != 0 and all(n is not None and float(n).is_integer() for n in numbers)


def distinct_names(cells: list[str], width: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(column names, those that occurred twice).

    >>> distinct_names(["a", "", "a"], 4)
    (('a', 'column_2', 'a_2', 'column_4'), ('a',))
    """
    names: list[str] = []
    seen: set[str] = set()
    renamed = []
    for k in range(width):
        name = " ".join((cells[k] if k < len(cells) else "").split()) or f"column_{k + 1}"
        if name in seen:
            renamed.append(name)
            base, n = name, 2
            while name in seen:
                name, n = f"{base}_{n}", n + 1
        seen.add(name)
        names.append(name)
    return tuple(names), tuple(renamed)


def renaming_notes(names: Iterable[str]) -> list[Note]:
    """What is said of names that occurred twice."""
    return [Note("warning", f"two columns are called {name!r}; the second is {name}_2") for name in names]


def _decimal(place: str, rows: list[list[str]], names: tuple[str, ...], sep: str) -> tuple[str, bool]:
    """(the decimal mark, whether the cells prove it); 1,234 alone has two readings."""
    if not any("," in cell for row in rows for cell in row) and sep == ",":
        joined = (cell for row in rows for cell in row if cell.count(".") > 1)
        if not any(parse_number(cell, ",") is not None and not _is_time(cell) for cell in joined):
            return ".", any("." in cell for row in rows for cell in row)
    verdicts: dict[str, str | None] = {}
    for k, name in enumerate(names):
        cells = [row[k] for row in rows if k < len(row) and not is_missing(row[k]) and not _is_time(row[k])]
        numbers = [c for c in cells if parse_number(c) is not None or parse_number(c, ",") is not None]
        if cells and len(numbers) > 0.7 * len(cells):
            verdicts[name] = decimal_of(numbers, european=sep != ",")
    told = {v for v in verdicts.values() if v}
    if len(told) == 1:
        return told.pop(), True
    unsure = [name for name, v in verdicts.items() if v is None]
    if not unsure:
        return ".", bool(told)
    k = names.index(unsure[0])
    raise two_readings(f"{place}, column {unsure[0]!r}", [row[k] for row in rows if k < len(row)])
