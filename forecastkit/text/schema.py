"""Labelled texts, books and pairs: the forms that models read, made once from a file; nothing after it repairs anything."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.errors import DataError, UnknownNameError, near
from forecastkit.text.clean import LONGEST, clean, is_empty

__all__ = ["Pairs", "TextTable", "column_of", "read_book", "read_columns", "read_pairs", "read_texts"]

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "#n/a", "<na>", "-", "?"})
"""Labels that mean that there is none, in lower case."""
TEXT_NAMES = ("text", "texto", "sentence", "review", "comment", "message", "headline", "content", "tweet", "opinion")
LABEL_NAMES = ("label", "class", "sentiment", "category", "target", "etiqueta", "clase", "sentimiento")
MOST_CLASSES = 100


@dataclass(frozen=True, eq=False)
class TextTable:
    """N texts of one column.

    Args:
        texts: cleaned, none empty.
        labels: [N] int64 position in ``classes``; -1 = not known.
        classes: names in alphabetical order.
        rows: [N] line of each in its file, for messages.
        skipped: reason -> rows left out or changed.
        name: of the source.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    rows: np.ndarray
    skipped: dict[str, int] = field(default_factory=dict)
    name: str = "texts"

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: np.ndarray) -> TextTable:
        """The texts at ``index`` (positions or a mask), in that order."""
        index = np.arange(len(self))[index]
        return replace(
            self, texts=tuple(self.texts[i] for i in index), labels=self.labels[index], rows=self.rows[index]
        )

    def said(self) -> str:
        """One line: how many of what, and what was left out."""
        of = ", ".join(f"{n:,} {name}" for name, n in self.counts().items())
        left_out = "".join(f"; {reason}: {n:,}" for reason, n in self.skipped.items())
        return f"{len(self):,} texts: {of}{left_out}"

    def counts(self) -> dict[str, int]:
        """Texts of each class."""
        return {name: int((self.labels == k).sum()) for k, name in enumerate(self.classes)}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Sentences of two languages, cleaned, none empty."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    skipped: dict[str, int] = field(default_factory=dict)
    name: str = "pairs"

    def __len__(self) -> int:
        return len(self.source)

    def take(self, index: np.ndarray) -> Pairs:
        """The pairs at ``index``, in that order."""
        index = np.arange(len(self))[index]
        return replace(self, source=tuple(self.source[i] for i in index), target=tuple(self.target[i] for i in index))


def read_columns(source: str | Path, *, sep: str | None = None) -> tuple[list[str], list[list[str]], list[int]]:
    """(names, rows of text, line of each row) of a delimited file with a header; cells stay as they are.

    Raises:
        DataError: missing, empty, unreadable, without a header.
    """
    text = _content(Path(source))
    head = text[: text.find("\n") + 1 or None]
    sep = sep or max("\t,;|", key=head.count)
    names, rows, lines = _rows(text, sep, str(source))
    if not names:
        raise DataError(place=str(source), rule="the file is empty")
    return names, rows, lines


def _content(path: Path, what: str = "a file with a header and rows") -> str:
    from forecastkit.reading.bytes import opened, read_text

    if path.is_file() and not path.stat().st_size:
        raise DataError(place=str(path), rule="the file is empty", remedy=f"Give {what}.")
    return bytes(read_text(path, opened(path)).content).decode("utf-8", errors="replace")


def _rows(text: str, sep: str, place: str, *, header: bool = True) -> tuple[list[str], list[list[str]], list[int]]:
    # A cell may hold a whole article; csv's own limit of 128 KiB would end the file there.
    before = csv.field_size_limit(1 << 26)
    rows: list[list[str]] = []
    lines: list[int] = []
    names: list[str] = []
    try:
        reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=sep)
        start = 1
        for row in reader:
            if row and any(cell.strip() for cell in row):
                if header and not names:
                    names = [cell.strip().lstrip("\ufeff") for cell in row]
                else:
                    rows.append(row)
                    lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(place=f"{place}, line {reader.line_num}", value=str(error), rule="not a table") from None
    finally:
        csv.field_size_limit(before)
    return names, rows, lines


def column_of(names: Sequence[str], asked: str | None, usual: Sequence[str], what: str, place: str) -> int:
    """Position of the column ``asked`` for, or else of the first name that is usual.

    Raises:
        UnknownNameError: no column of that name.
        DataError: none of the usual names.
    """
    lowered = [n.casefold() for n in names]
    if asked is not None:
        if asked in names:
            return list(names).index(asked)
        raise UnknownNameError(place=f"{place}, --{what} {asked}", rule="no such column", remedy=near(asked, names))
    for name in usual:
        if name in lowered:
            return lowered.index(name)
    raise DataError(place=place, value=f"columns {', '.join(names)[:100]}", rule=f"no column of {what}s was found", remedy=f"Name it with --{what}.")  # fmt: skip


def read_texts(
    source: str | Path | Any,
    *,
    text: str | None = None,
    label: str | None = None,
    labelled: bool = True,
) -> TextTable:
    """Texts and labels of a CSV or TSV file, or of a pandas frame.

    Rows without text or without label are left out and counted. Labels that differ only in case or blanks around them are an
    error that lists them: whether they are one class is the user's to say.

    Raises:
        DataError: nothing left, one class only, labels spelt several ways.
        UnknownNameError: no such column.
    """
    name, names, rows, lines = _table(source)
    at_text = column_of(names, text, TEXT_NAMES, "text", name)
    at_label = column_of(names, label, LABEL_NAMES, "label", name) if labelled else -1
    kept, said, where = [], [], []
    skipped: Counter[str] = Counter()
    for row, line in zip(rows, lines):
        raw = row[at_text] if at_text < len(row) else ""
        value, changed = bounded(raw)
        if is_empty(value):
            skipped["empty text"] += 1
            continue
        spoken = row[at_label].strip() if 0 <= at_label < len(row) else ""
        if labelled and spoken.casefold() in MISSING:
            skipped["without a label"] += 1
            continue
        skipped["cut to 20,000 characters"] += changed
        kept.append(value)
        said.append(spoken)
        where.append(line)
    skipped = Counter({k: v for k, v in skipped.items() if v})
    if not kept:
        raise DataError(place=name, value=_counted(skipped), rule="no text is left to learn from" if labelled else "no text to read")  # fmt: skip
    classes = _classes(said, name) if labelled else ()
    code = {c: k for k, c in enumerate(classes)}
    labels = np.array([code.get(s, -1) for s in said], dtype=np.int64)
    return TextTable(tuple(kept), labels, classes, np.array(where), dict(skipped), Path(name).stem)


def bounded(raw: str) -> tuple[str, bool]:
    """(cleaned text of at most ``LONGEST`` characters, whether it was cut)."""
    value = clean(raw[: 4 * LONGEST])
    return value[:LONGEST], len(raw) > 4 * LONGEST or len(value) > LONGEST


def _table(source: Any) -> tuple[str, list[str], list[list[str]], list[int]]:
    if isinstance(source, (str, Path)):
        names, rows, lines = read_columns(source)
        return str(source), names, rows, lines
    texts = source.astype(object).where(source.notna(), "").astype(str)
    return "frame", [str(c) for c in source.columns], texts.to_numpy().tolist(), list(range(len(source)))


def _counted(skipped: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in skipped.items())


def _classes(said: list[str], place: str) -> tuple[str, ...]:
    counts = Counter(said)
    spelt: dict[str, list[str]] = {}
    for name in sorted(counts):
        spelt.setdefault(" ".join(name.casefold().split()), []).append(name)
    several = [names for names in spelt.values() if len(names) > 1]
    if several:
        shown = "; ".join(", ".join(f"{n!r} ({counts[n]} rows)" for n in names) for names in several[:5])
        raise DataError(
            place=f"{place}, labels",
            value=shown,
            rule="one class spelt several ways",
            remedy="Write each class one way.",
        )
    if len(counts) < 2:
        raise DataError(
            place=f"{place}, labels", value=f"only {next(iter(counts))!r}", rule="at least two classes are needed",
            remedy="Add texts of another class.",
        )  # fmt: skip
    if len(counts) > MOST_CLASSES:
        raise DataError(
            place=f"{place}, labels", value=f"{len(counts)} classes", rule=f"at most {MOST_CLASSES} classes are learned",
            remedy="Name the column of labels with --label.",
        )  # fmt: skip
    rare = [f"{name!r} ({n} rows)" for name, n in sorted(counts.items()) if n < 5]
    if rare:
        raise DataError(
            place=f"{place}, labels", value=", ".join(rare[:10]), rule="a class needs at least 5 texts: one for each part of the split",
            remedy="Add texts of it, or take it out.",
        )  # fmt: skip
    return tuple(sorted(counts))


def read_book(source: str | Path) -> str:
    """Running text of a file, cleaned, line ends kept.

    Raises:
        DataError: missing or empty.
    """
    path = Path(source)
    text = clean(_content(path, "a file of running text"), lines=True)
    if is_empty(text):
        raise DataError(place=str(source), rule="the text is empty", remedy="Give a file of running text.")
    return text


def read_pairs(source: str | Path) -> Pairs:
    """Pairs of a file without header: source TAB target; more columns are ignored.

    Raises:
        DataError: one column only, or nothing left.
    """
    lines = _content(Path(source), "lines of source sentence, tab, translation").split("\n")
    cells = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    wide = sum(len(row) > 1 for row in cells)
    if not cells or 2 * wide < len(cells):
        found = f"{wide} of {len(cells)} lines with a tab" if cells else "no lines"
        raise DataError(
            place=str(source), value=found, rule="a pair is two columns with a tab between them",
            remedy="Write a line for each pair: source sentence, tab, translation.",
        )  # fmt: skip
    left, right = [], []
    skipped: Counter[str] = Counter()
    for row in cells:
        (a, a_cut), (b, b_cut) = (bounded(row[k]) if k < len(row) else ("", False) for k in range(2))
        if is_empty(a) or is_empty(b):
            skipped["one side empty"] += 1
            continue
        if a_cut or b_cut:
            skipped["cut to 20,000 characters"] += 1
        left.append(a)
        right.append(b)
    if len(left) < 20:
        raise DataError(place=str(source), value=f"{len(left)} pairs", rule="at least 20 pairs are needed")
    return Pairs(tuple(left), tuple(right), dict(skipped), Path(source).stem)
