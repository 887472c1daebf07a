"""A source as named columns that are parsed only when asked for, and the place of each row."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import io
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from forecastkit.errors import DataError
from forecastkit.read_options import ReadOptions
from forecastkit.reading.bytes import opened, pieces, read_text, short
from forecastkit.reading.dialect import SAMPLE_BYTES, Dialect, ended, is_comment, renaming_notes, sniff
from forecastkit.reading.values import Note

__all__ = ["ArrowTable", "CsvTable", "Table", "give_back", "open_table"]

HEAD_ROWS = 2000
CHUNK_ROWS = 1 << 16
FAST_BYTES = 1 << 16
LONGEST_CELL = 100
EXACT = 2**53
MANY_ROWS = 1_000_000
WIDE_TEXT = ("string_view", "large_string")
NULLS = [
    "",
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "None",
    "none",
    "#N/A",
    "<NA>",
    "-",
    ".",
    "?",
]


class Table(Protocol):
    """A source of columns."""

    @property
    def name(self) -> str:
        """Short name of the source."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        ...

    @property
    def facts(self) -> dict[str, object]:
        """What was found, for the profile."""
        ...

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the user should know."""
        ...

    @property
    def decimal(self) -> str:
        """Decimal mark of text cells."""
        ...

    @property
    def sure(self) -> bool:
        """Whether that mark is given or proved."""
        ...

    def head(self) -> dict[str, pa.Array]:
        """First rows of every column; the same for every call."""
        ...

    def load(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        """Whole columns. ``kinds``: column -> "text", "number" or "time" (a hint; text comes where it fails)."""
        ...

    def where(self, row: int) -> str:
        """Place of a row, like ``"prices.csv, line 7"``."""
        ...


@dataclass(frozen=True, eq=False)
class ArrowTable:
    """Columns in memory: Parquet, Feather, Excel, pandas, polars and Arrow."""

    name: str
    table: pa.Table
    facts: dict[str, object] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    first_row: int = 1
    decimal: str = "."
    word: str = "row"
    sure: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self.table.column_names)

    def head(self) -> dict[str, pa.Array]:
        """First rows of every column."""
        return {n: self.table.column(n).slice(0, HEAD_ROWS).combine_chunks() for n in self.names}

    def load(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        """Columns as they are."""
        return {name: self.table.column(name) for name in kinds}

    def where(self, row: int) -> str:
        """Counted from the first row (1), or the line of a sheet."""
        return f"{self.name}, {self.word} {row + self.first_row}"


def give_back(n_rows: int = 0) -> None:
    """Memory of columns that nobody holds any more goes back to the system: Arrow keeps it, several times a panel's size.

    Args:
        n_rows: of a panel that has been read; after many, the C library (glibc) gives back what it keeps too.
    """
    pa.default_memory_pool().release_unused()
    if n_rows >= MANY_ROWS and sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[None]:
    """A sound footer does not promise sound pages."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, NotImplementedError, MemoryError) as error:
        raise DataError(
            place=str(path), value=short(error), rule="the file is damaged", remedy="Fetch or write it again."
        ) from None


@dataclass(frozen=True, eq=False)
class ParquetTable:
    """A Parquet file of which only the asked columns are read."""

    name: str
    path: Path
    names: tuple[str, ...]
    facts: dict[str, object]
    notes: tuple[Note, ...] = ()
    decimal: str = "."
    sure: bool = False

    def head(self) -> dict[str, pa.Array]:
        """First rows of every column."""
        import pyarrow.parquet as pq

        with whole_file(self.path):
            for batch in pq.ParquetFile(self.path).iter_batches(batch_size=HEAD_ROWS):
                return dict(zip(batch.schema.names, batch.columns))
        raise DataError(place=self.name, rule="no rows", remedy="Give a file with rows.")

    def load(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        """Columns as they are."""
        import pyarrow.parquet as pq

        with whole_file(self.path):
            table = pq.read_table(self.path, columns=list(kinds))
        return {name: table.column(name) for name in kinds}

    def where(self, row: int) -> str:
        """Counted from 1."""
        return f"{self.name}, row {row + 1}"


@dataclass(frozen=True, eq=False)
class CsvTable:
    """Delimited text. Plain files go through Arrow's parallel parser, all others through Python's."""

    name: str
    content: pa.Buffer
    dialect: Dialect
    facts: dict[str, object]
    notes: tuple[Note, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return self.dialect.names

    @property
    def decimal(self) -> str:
        """Decimal mark."""
        return self.dialect.decimal

    @property
    def sure(self) -> bool:
        """Whether the mark is given or proved."""
        return self.dialect.sure

    def head(self) -> dict[str, pa.Array]:
        """The sampled rows as text."""
        rows = self.dialect.rows
        return {
            name: pa.array([row[k] if k < len(row) else None for row in rows], pa.string())
            for k, name in enumerate(self.names)
        }

    def load(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        """Whole columns, typed where that is exact.

        Raises:
            DataError: a row with more cells than there are columns.
        """
        plain = not self.dialect.comments and self.dialect.sep != "whitespace" and self.content.size > FAST_BYTES
        if plain:
            found = self._fast(kinds)
            if found is not None:
                return found
        return self._slow(kinds)

    def _fast(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray] | None:
        """Arrow's parser; None where it cannot, and the slow one says why or reads it."""
        from pyarrow import csv as arrow_csv

        types = {"number": pa.float64(), "time": pa.timestamp("us"), "text": pa.dictionary(pa.int32(), pa.string())}
        body = self.content.slice(_offset_of_line(self.content, self.dialect.first))
        n_quotes, n_lines, blanks = _quotes(body, self.dialect.sep.encode())
        if n_quotes % 2 or blanks:
            # Arrow would swallow the rest of the file without a word, or keep such quotes as text.
            return None
        attempts = [dict(kinds)]
        if "time" in kinds.values():
            zoned = {name: "zoned" if kind == "time" else kind for name, kind in kinds.items()}
            attempts += [zoned, {n: "text" if k == "time" else k for n, k in kinds.items()}]
        attempts.append(dict.fromkeys(kinds, "text"))
        types["zoned"] = pa.timestamp("us", "UTC")
        for attempt in attempts:
            if "zoned" in attempt.values() and not _is_utc(self.head(), kinds):
                continue
            try:
                table = arrow_csv.read_csv(
                    pa.BufferReader(body),
                    read_options=arrow_csv.ReadOptions(column_names=list(self.names), block_size=4 << 20),
                    parse_options=arrow_csv.ParseOptions(delimiter=self.dialect.sep, newlines_in_values=n_quotes > 0),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=list(kinds),
                        column_types={name: types[kind] for name, kind in attempt.items()},
                        null_values=NULLS,
                        strings_can_be_null=False,
                        decimal_point=self.decimal,
                    ),
                )
            except (pa.ArrowInvalid, pa.ArrowKeyError):
                continue
            if n_quotes and n_lines != table.num_rows:
                return None  # Cells of several lines, or stray quotes: the strict parser tells.
            rounded = [n for n, kind in attempt.items() if kind == "number" and _beyond_exact(table.column(n))]
            if rounded:
                # Integers that float64 cannot hold: as text, so that they are counted.
                return self._fast({n: "text" if n in rounded else kind for n, kind in kinds.items()})
            return {name: table.column(name) for name in kinds}
        return None

    def _rows(self) -> Iterator[tuple[list[str], int]]:
        """(cells, line number) of one row after another; nothing is kept.

        Raises:
            DataError: a quote that never closes, or a cell without end.
        """
        dialect, sep = self.dialect, self.dialect.sep
        mark = re.escape(sep)
        last = 0

        def lines() -> Iterator[str]:
            nonlocal last
            inside = False
            text = io.TextIOWrapper(pa.BufferReader(self.content), encoding="utf-8", errors="replace", newline="\n")
            for number, line in enumerate(text, 1):
                if number <= dialect.first or (not inside and dialect.comments and is_comment(line)):
                    continue
                inside ^= line.count('"') % 2 == 1
                last = number
                if sep == "whitespace":
                    line = re.sub(r"[ \t]+", "\t", line.strip(" \t\r\n"))
                elif '" ' in line:
                    # Blanks between a quote and the separator are no fault.
                    line = re.sub(rf'(?<=[^{mark}\s])" +(?={mark}|\r?\n?$)', '"', line)
                yield line

        reader = csv.reader(
            ended(lines()), delimiter="\t" if sep == "whitespace" else sep, skipinitialspace=True, strict=True
        )
        before = dialect.first
        try:
            for row in reader:
                if row and (len(row) > 1 or row[0].strip() or len(self.names) == 1):
                    # Comments may stand before a row; its own lines are the last ones.
                    span = sum(cell.count("\n") for cell in row)
                    if span > LONGEST_CELL:
                        raise self._bad_quote(
                            last - span, max(row, key=len), f"a quote opens here and holds {span} lines"
                        )
                    yield row, last - span
                before = last
        except csv.Error as error:
            rule = "a quote opens here and never closes" if "end of data" in str(error) else short(error)
            raise self._bad_quote(before + 1, "", rule) from None

    def _bad_quote(self, line: int, cell: str, rule: str) -> DataError:
        value = repr(cell[:40]) if cell else ""
        return DataError(place=f"{self.name}, line {line}", value=value, rule=rule, remedy="Close or remove the quote.")

    def _slow(self, kinds: Mapping[str, str]) -> dict[str, pa.ChunkedArray]:
        n = len(self.names)
        at = {name: k for k, name in enumerate(self.names)}
        cells: dict[str, list[str | None]] = {name: [] for name in kinds}
        done: dict[str, list[pa.Array]] = {name: [] for name in kinds}
        for row, line in self._rows():
            if len(row) > n and any(cell.strip() for cell in row[n:]):
                raise DataError(
                    place=f"{self.name}, line {line}",
                    value=f"{len(row)} cells",
                    rule=f"there are {n} columns",
                    remedy="Quote cells that hold the separator, or give --sep or --decimal.",
                )
            for name, column in cells.items():
                column.append(row[at[name]] if at[name] < len(row) else None)
                if len(column) == CHUNK_ROWS:
                    done[name].append(pa.array(column, pa.string()))
                    column.clear()
        return {name: pa.chunked_array([*done[name], pa.array(cells[name], pa.string())]) for name in kinds}

    def where(self, row: int) -> str:
        """The line of the file."""
        for k, (_, line) in enumerate(self._rows()):
            if k == row:
                return f"{self.name}, line {line}"
        return f"{self.name}, row {row + 1}"


def _quotes(content: pa.Buffer, sep: bytes) -> tuple[int, int, bool]:
    """(quotes, lines, whether blanks stand between a separator and a quote), in one pass."""
    n_quotes, n_lines, blanks, tail = 0, 0, False, b""
    pattern = re.compile(b"[\n" + re.escape(sep) + b'] +"')
    for piece in pieces(content):
        n_quotes += piece.count(b'"')
        n_lines += piece.count(b"\n")
        if not blanks and n_quotes:
            # Blanks may run over the end of a piece.
            joined = tail + piece
            blanks = b' "' in joined and pattern.search(joined) is not None
        tail = piece[-100:]
    unended = content.size > 0 and tail[-1:] != b"\n"
    return n_quotes, n_lines + unended, blanks


def _beyond_exact(column: pa.ChunkedArray) -> bool:
    span = pc.min_max(column).as_py()
    low, high = span["min"], span["max"]
    return low is not None and bool(max(abs(low), abs(high)) >= EXACT)


def _is_utc(head: Mapping[str, pa.Array], kinds: Mapping[str, str]) -> bool:
    cells = [c for n, k in kinds.items() if k == "time" for c in head[n].slice(0, 100).to_pylist() if c]
    return bool(cells) and all(c.strip().endswith("Z") or c.strip().endswith(("+00:00", "+0000")) for c in cells)


def _offset_of_line(content: pa.Buffer, n: int) -> int:
    """Byte where line ``n`` (from 0) begins."""
    at, view = 0, content[:SAMPLE_BYTES].to_pybytes()
    for _ in range(n):
        at = view.find(b"\n", at) + 1
        if at == 0:
            return content.size
    return at


def open_table(source: Any, options: ReadOptions) -> Table:
    """A path or a frame as a table.

    Raises:
        DataError: it cannot be read, or is no table.
    """
    table = _open_path(Path(source), options) if isinstance(source, (str, Path)) else _from_frame(source)
    if options.decimal and isinstance(table, (ArrowTable, ParquetTable)):
        return replace(table, decimal=options.decimal, sure=True)
    return table


def _open_path(path: Path, options: ReadOptions) -> Table:
    head = opened(path)
    try:
        if head[:4] == b"PAR1":
            import pyarrow.parquet as pq

            return ParquetTable(path.name, path, tuple(pq.ParquetFile(path).schema_arrow.names), {"format": "parquet"})
        if head[:6] == b"ARROW1" or head[:4] == b"FEA1":
            from pyarrow import feather

            return ArrowTable(path.name, usual_text(feather.read_table(path)), {"format": "feather"})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(place=str(path), value=short(error), rule="damaged", remedy="Write it again.") from None
    if head[:4] == b"\xd0\xcf\x11\xe0" or path.suffix.lower() in (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"):
        from forecastkit.reading.frames import from_excel

        return from_excel(path, options)
    text = read_text(path, head, options.encoding)
    complete = text.content.size <= SAMPLE_BYTES
    dialect = sniff(path.name, text.content[:SAMPLE_BYTES].to_pybytes(), complete, options)
    facts: dict[str, object] = {"format": "csv", "encoding": text.encoding, **dialect.facts()}
    if text.compression:
        facts["compression"] = text.compression
    notes = renaming_notes(dialect.renamed)
    if dialect.doubtful[0]:
        n, line = dialect.doubtful
        begin = "line that begins" if n == 1 else "lines that begin"
        notes.append(Note("warning", f"{n} {begin} with # (or %, //) taken for comments", f"{path.name}, line {line}"))
    if not dialect.header:
        notes.append(Note("info", "the file has no header: columns are column_1, column_2, ..."))
    return CsvTable(path.name, text.content, dialect, facts, tuple(notes))


def usual_text(table: pa.Table) -> pa.Table:
    """Texts as ``string``: Arrow has few functions for the views that polars writes."""
    for k, entry in enumerate(table.schema):
        column = table.column(k)
        if str(entry.type) in WIDE_TEXT:
            table = table.set_column(k, entry.name, column.cast(pa.string()))
        elif pa.types.is_dictionary(entry.type) and str(entry.type.value_type) in WIDE_TEXT:
            chunks = [pa.DictionaryArray.from_arrays(c.indices, c.dictionary.cast(pa.string())) for c in column.chunks]
            table = table.set_column(
                k, entry.name, pa.chunked_array(chunks, pa.dictionary(entry.type.index_type, pa.string()))
            )
    return table


def _from_frame(source: Any) -> Table:
    from forecastkit.reading.frames import from_frame

    return from_frame(source)


def text_of(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """A column as trimmed text; whole floats lose their ``.0``."""
    if pa.types.is_floating(column.type):
        whole = pc.all(pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), EXACT))).as_py()
        column = pc.cast(column, pa.int64()) if whole else column
    return pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
