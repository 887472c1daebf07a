"""From a file to UTF-8 bytes: compression, encoding, line ends; bounded all the way.

Memory: plain UTF-8 files are mapped and not copied; decompressed text may be 200 times its file (at least 64 MiB) and
4 GiB at most; a line may be 16 MiB long.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from forecastkit.errors import DataError, near

__all__ = ["TextFile", "is_kind", "opened", "pieces", "read_text"]

PIECE = 1 << 20
"""Text is searched in pieces that stay in the processor's cache."""
MOST_BYTES = 4 << 30
MOST_RATIO = 200
LONGEST_LINE = 16 << 20
LARGE = 32 << 20


@dataclass(frozen=True, eq=False)
class TextFile:
    """UTF-8 content with line feeds, and what it was.

    Args:
        content: buffer without byte-order mark.
        encoding: of the file.
        compression: empty = none.
    """

    content: pa.Buffer
    encoding: str
    compression: str


def opened(path: Path) -> bytes:
    """The first bytes of a file that can be read.

    Raises:
        DataError: missing, a folder, no permission, empty.
    """
    if is_kind(path, "dir"):
        raise DataError(place=str(path), rule="a folder, not a file", remedy="Give the name of a file in it.")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, ValueError) as error:
        raise DataError(
            place=str(path),
            value=str(getattr(error, "strerror", error)),
            rule="cannot be read",
            remedy="Check its permissions, or give another file.",
        ) from None
    if not head:
        raise DataError(place=str(path), rule="the file is empty", remedy="Give a file with a header and rows.")
    return head


def is_kind(path: Path, kind: Literal["dir", "file"]) -> bool:
    """Whether there is a folder, or a file, of that name."""
    try:
        return path.is_dir() if kind == "dir" else path.is_file()
    except OSError:  # a name too long: opening it says so
        return False


def _missing(path: Path) -> DataError:
    if path.parts and re.fullmatch(r"[a-z][a-z0-9]+:", path.parts[0]):
        return DataError(
            place=str(path), rule="an address, not a file", remedy="Download it, and give the name of the file."
        )
    try:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        names = []
    remedy = near(path.name, names) if names else ""
    if not remedy.startswith("Did"):
        remedy = "Check the path."
    return DataError(place=str(path), rule="no such file", remedy=remedy)


def short(error: BaseException) -> str:
    """An error of another library in one line."""
    return " ".join(str(error).split())[:160]


def read_text(path: Path, head: bytes, encoding: str | None = None) -> TextFile:
    """The file's text.

    Raises:
        DataError: damaged, too large, not text.
    """
    content, packed = _unpacked(path, head)
    text, found = _decoded(path, content, encoding)
    _no_page(path, text[:512].to_pybytes().lstrip().lower())
    text = _line_feeds(text)
    _bounded_lines(path, text)
    return TextFile(text, found, packed)


def _no_page(path: Path, head: bytes) -> None:
    """Refuse pages and JSON, which servers send in place of tables."""
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise DataError(
            place=path.name,
            rule="HTML or XML, not a table",
            remedy="Download the data file itself, not the page that shows it.",
        )
    if re.match(rb'(?:\{\s*"|\[\s*[{\[])', head):
        raise DataError(
            place=path.name,
            rule="JSON, not a table",
            remedy="Convert it first, as in pandas.read_json(file).to_csv(...).",
        )


def _unpacked(path: Path, head: bytes) -> tuple[pa.Buffer, str]:
    size = path.stat().st_size
    limit = min(MOST_BYTES, max(64 << 20, size * MOST_RATIO))
    try:
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                return _bounded(path, file, limit), "gzip"
        if head[:4] == b"PK\x03\x04":
            return _zip(path, limit), "zip"
        if head[:4] == b"\x28\xb5\x2f\xfd":
            with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as file:
                return _bounded(path, file, limit), "zstd"
        if head[:3] == b"BZh":
            with bz2.open(path) as file:
                return _bounded(path, file, limit), "bzip2"
        if head[:6] == b"\xfd7zXZ\x00":
            with lzma.open(path) as file:
                return _bounded(path, file, limit), "xz"
        if size > LARGE:
            # A pipe or device has no size and is read; only a real file can be mapped.
            return pa.memory_map(str(path)).read_buffer(), ""
        with path.open("rb") as plain:
            return _bounded(path, plain, MOST_BYTES), ""
    except DataError:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise DataError(
            place=str(path),
            value=short(error),
            rule="the compressed file is damaged",
            remedy="Fetch or write it again.",
        ) from None


def _bounded(path: Path, file: Any, limit: int) -> pa.Buffer:
    parts, total = [], 0
    while part := file.read(min(8 << 20, limit + 1 - total)):
        parts.append(part)
        total += len(part)
        if total > limit:
            raise DataError(
                place=str(path),
                rule=f"more than {limit >> 20} MiB of text",
                remedy="Write it as Parquet, or keep only the columns that matter.",
            )
    return pa.py_buffer(parts[0] if len(parts) == 1 else b"".join(parts))


def _zip(path: Path, limit: int) -> pa.Buffer:
    with zipfile.ZipFile(path) as archive:
        names = [i for i in archive.infolist() if not i.is_dir() and not i.filename.startswith("__MACOSX")]
        if len(names) != 1:
            raise DataError(
                place=str(path),
                value=f"{len(names)} files inside",
                rule="one file is needed",
                remedy="Unpack it first.",
            )
        with archive.open(names[0]) as file:
            return _bounded(path, file, limit)


def _decoded(path: Path, content: pa.Buffer, encoding: str | None) -> tuple[pa.Buffer, str]:
    if encoding is not None:
        try:
            io.TextIOWrapper(io.BytesIO(), encoding)  # unlike codecs.lookup it refuses base64 and the like
        except (LookupError, ValueError):
            raise DataError(
                place=f"--encoding {encoding}", rule="no such encoding", remedy="Try utf-8, latin-1, cp1252 or utf-16."
            ) from None
        return _strict(path, content, encoding), encoding
    head = content[:4096].to_pybytes()
    if head.startswith(codecs.BOM_UTF8):
        content = content.slice(3)
    elif head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return _strict(path, content, "utf-32"), "utf-32"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strict(path, content, "utf-16"), "utf-16"
    elif b"\x00" in head:
        # UTF-16 without a mark: every other byte of plain text is zero.
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) * 4 >= len(head):
            name = "utf-16-le" if odd > even else "utf-16-be"
            return _strict(path, content, name), name
    content = _without_zeros(path, content)
    if _is_utf8(content):
        return content, "utf-8"
    sample = content[:65536].to_pybytes()
    if len(re.findall(rb"[\x01-\x08\x0e-\x1f]", sample)) > len(sample) // 50:
        raise _no_text(path)
    text = content.to_pybytes()
    # cp1252 leaves five bytes undefined; Latin-1 takes all.
    try:
        return pa.py_buffer(text.decode("cp1252").encode()), "cp1252"
    except UnicodeDecodeError:
        return pa.py_buffer(text.decode("latin-1").encode()), "latin-1"


def pieces(content: pa.Buffer, size: int = PIECE) -> Iterator[bytes]:
    """The bytes of a buffer, one piece after another."""
    view = memoryview(content)
    return (bytes(view[k : k + size]) for k in range(0, content.size, size))


def _without_zeros(path: Path, content: pa.Buffer) -> pa.Buffer:
    """Zero bytes that fill the end are cut off; elsewhere they are damage."""
    view = memoryview(content)
    for number, piece in enumerate(pieces(content)):
        start, at = number * PIECE, piece.find(b"\x00")
        if at < 0:
            continue
        if any(rest.strip(b"\x00\r\n") for rest in pieces(content.slice(start + at))):
            line = 1 + sum(before.count(b"\n") for before in pieces(content.slice(0, start + at)))
            if len(re.findall(rb"[\x00-\x08\x0e-\x1f]", bytes(view[:65536]))) > min(content.size, 65536) // 50:
                raise _no_text(path)
            raise DataError(
                place=f"{path.name}, line {line}",
                value="a zero byte",
                rule="damaged text",
                remedy="Write the file again.",
            )
        return content.slice(0, start + at)
    return content


def _is_utf8(content: pa.Buffer) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        clean = True
        for piece in pieces(content):
            # Most pieces of most files are ASCII, which is seen many times faster than decoded.
            if clean and piece.isascii():
                continue
            decoder.decode(piece)
            clean = not decoder.getstate()[0]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _no_text(path: Path) -> DataError:
    return DataError(place=str(path), rule="not a text file", remedy="Give a CSV, Parquet, Feather or Excel file.")


def _strict(path: Path, content: pa.Buffer, encoding: str) -> pa.Buffer:
    try:
        return pa.py_buffer(content.to_pybytes().decode(encoding).lstrip("\ufeff").encode())
    except (UnicodeError, ValueError) as error:
        raise DataError(
            place=str(path), value=short(error), rule=f"not text in {encoding}", remedy="Give another --encoding."
        ) from None


def _line_feeds(content: pa.Buffer) -> pa.Buffer:
    """Lone carriage returns as line feeds; CRLF stays, every parser knows it."""
    head = content[: 1 << 20].to_pybytes()
    if not re.search(rb"\r(?!\n|$)", head):
        return content
    return pa.py_buffer(re.sub(rb"\r(?!\n)", b"\n", content.to_pybytes()))


def _bounded_lines(path: Path, content: pa.Buffer) -> None:
    """Refuse a line beyond ``LONGEST_LINE``; looks at one window of that size after another."""
    start, view = 0, memoryview(content)
    while content.size - start > LONGEST_LINE:
        window = bytes(view[start : start + LONGEST_LINE])
        at = window.rfind(b"\n")
        if at < 0:
            raise DataError(
                place=str(path),
                value=f"a line of more than {LONGEST_LINE >> 20} MiB",
                rule="that is no table",
                remedy="Check the line ends of the file.",
            )
        start += at + 1
