"""Records of PhysioNet's WFDB: headers, signals of formats 16, 80 and 212, and beat annotations; read and written.

A header is text from elsewhere: it cannot name a file outside its folder nor make us set aside more memory than the
signal file has bytes. Source of the formats: the WFDB Applications Guide, header(5), signal(5) and annot(5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecastkit.artifacts import write_bytes, write_text
from forecastkit.errors import DataError

__all__ = [
    "BEATS",
    "SYMBOLS",
    "Header",
    "SignalSpec",
    "read_annotations",
    "read_header",
    "read_rhythms",
    "read_signals",
    "write_record",
]

SYMBOLS = {
    1: "N", 2: "L", 3: "R", 4: "a", 5: "V", 6: "F", 7: "J", 8: "A", 9: "S", 10: "E", 11: "j", 12: "/", 13: "Q", 14: "~",
    16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t", 28: "+", 29: "u",
    30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f", 39: "(", 40: ")", 41: "r",
}  # fmt: skip
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""Symbols that mark a beat; the others mark rhythm, noise and waves."""

SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
BYTES = {"16": 2.0, "80": 1.0, "212": 1.5}
DEFAULT_GAIN = 200.0
MOST_HEADER = 1_000_000


@dataclass(frozen=True)
class SignalSpec:
    """One signal line of a header: ``millivolt = (stored - baseline) / gain``."""

    file: str
    format: str
    gain: float
    baseline: float
    units: str
    lead: str
    offset: int


@dataclass(frozen=True)
class Header:
    """A record's header.

    Args:
        n_samples: per signal; 0 = not said.
        comments: lines after ``#``.
    """

    name: str
    path: Path
    fs: float
    n_samples: int
    signals: tuple[SignalSpec, ...]
    comments: tuple[str, ...]


def _wrong(path: Path, value: str, rule: str, remedy: str = "") -> DataError:
    return DataError(place=str(path), value=value[:80], rule=rule, remedy=remedy)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _wrong(path, error.strerror or type(error).__name__, "the file cannot be read") from None


def read_header(path: Path, *, fs: float | None = None) -> Header:
    """The header in a ``.hea`` file.

    Args:
        fs: sampling rate for a header that has none.

    Raises:
        DataError: unreadable, no sampling rate, a value out of its range, or a signal file outside the folder.
    """
    text = _bytes(path)[:MOST_HEADER].decode("latin-1")
    lines = [line.strip() for line in text.splitlines()]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    if not rows or len(rows[0]) < 2:
        raise _wrong(path, rows[0][0] if rows else "", "not a WFDB header: no record line")
    first = rows[0]
    if "/" in first[0]:
        raise _wrong(path, first[0], "records of several segments are not read", "Join the segments first.")
    n_signals = _count(path, first[1], "number of signals")
    rate = _rate(path, first[2] if len(first) > 2 else "", fs)
    n_samples = _count(path, first[3], "number of samples") if len(first) > 3 else 0
    if len(rows) - 1 < n_signals:
        raise _wrong(path, f"{len(rows) - 1} signal lines", f"the record line promises {n_signals}")
    signals = tuple(_signal(path, words) for words in rows[1 : n_signals + 1])
    return Header(first[0], path, rate, n_samples, signals, comments)


def _count(path: Path, text: str, what: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise _wrong(path, text, f"the {what} is not a whole number")
    return int(text)


def _rate(path: Path, text: str, given: float | None) -> float:
    found = re.match(r"[0-9.]+(?:[eE][+-]?\d+)?", text)
    try:
        rate = float(found.group()) if found else 0.0
    except ValueError:
        rate = 0.0
    rate = rate or float(given or 0.0)
    if not (math.isfinite(rate) and 0 < rate <= 1e5):
        raise _wrong(path, text, "no usable sampling rate", "Give it: --fs 360.")
    return rate


def _signal(path: Path, words: list[str]) -> SignalSpec:
    if len(words) < 2:
        raise _wrong(path, " ".join(words), "a signal line needs a file and a format")
    name, coded = words[0], words[1]
    folder = path.resolve().parent
    # The name comes from the file: it must not climb out of the folder, not by a link either.
    plain = name not in ("", ".", "..", "-", "~") and not re.search(r"[\\/:\x00]", name)
    if not plain or not (folder / name).resolve().is_relative_to(folder):
        raise _wrong(
            path, name, "a signal file lies beside its header", "Put the file into the folder, without a path."
        )
    found = re.fullmatch(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?", coded)
    if not found or found[1] not in BYTES or (found[2] or "1") != "1":
        raise _wrong(path, f"format {coded}", f"formats {', '.join(BYTES)} are read", "Convert it with xform.")
    gain = re.match(r"([-+0-9.eE]+)(?:\(([-+]?\d{1,12})\))?(?:/(\S+))?", words[2]) if len(words) > 2 else None
    scale = _float(gain.group(1)) if gain else 0.0
    zero = _float(words[4]) if len(words) > 4 else 0.0
    baseline = _float(gain.group(2)) if gain and gain.group(2) else zero
    units = (gain.group(3) if gain else None) or "mV"
    lead = " ".join(words[8:]) if len(words) > 8 else ""
    usable = scale if math.isfinite(scale) and scale != 0 else DEFAULT_GAIN
    return SignalSpec(name, found[1], usable, baseline, units, lead, int(found[4] or 0))


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def read_signals(header: Header) -> np.ndarray:
    """All signals in physical units, float64 [n_samples, n_signals]; what was marked invalid is NaN.

    Raises:
        DataError: a file is missing or holds fewer samples than the header promises.
    """
    columns: list[np.ndarray] = []
    done = 0
    while done < len(header.signals):
        spec = header.signals[done]
        group = [s for s in header.signals[done:] if s.file == spec.file]
        if [s.format for s in group] != [spec.format] * len(group):
            raise _wrong(header.path, spec.file, "signals of one file have different formats")
        stored = _stored(header, spec, len(group))
        for k, s in enumerate(group):
            column = stored[:, k].astype(np.float64)
            column[stored[:, k] == {"16": -32768, "80": -128, "212": -2048}[s.format]] = np.nan
            columns.append((column - s.baseline) / s.gain / _per_millivolt(s.units))
        done += len(group)
    lengths = {len(c) for c in columns}
    if len(lengths) != 1:
        raise _wrong(header.path, f"{sorted(lengths)} samples", "signals have different lengths")
    return np.stack(columns, axis=1)


def _per_millivolt(units: str) -> float:
    return {"uv": 1000.0, "µv": 1000.0, "v": 0.001}.get(units.lower(), 1.0)


def _stored(header: Header, spec: SignalSpec, n_signals: int) -> np.ndarray:
    path = header.path.parent / spec.file
    try:
        available = path.stat().st_size - spec.offset
    except OSError as error:
        raise _wrong(path, error.strerror or "", "the signal file cannot be read", f"{header.path} names it.") from None
    held = int(available / BYTES[spec.format]) // n_signals
    n = header.n_samples or held
    if n > held or n <= 0:
        raise _wrong(
            header.path,
            f"{n:,} samples",
            f"the header promises more than {spec.file} holds ({max(held, 0):,})",
            "Fetch the signal file again, or correct the header.",
        )
    total = n * n_signals
    raw = np.frombuffer(_bytes(path), np.uint8, offset=spec.offset)
    if spec.format == "16":
        flat = raw[: 2 * total].view("<i2").astype(np.int32)
    elif spec.format == "80":
        flat = raw[:total].astype(np.int32) - 128
    else:
        flat = _unpack_212(raw, total)
    return flat[:total].reshape(n, n_signals)


def _unpack_212(raw: np.ndarray, total: int) -> np.ndarray:
    """Two 12-bit samples in three bytes; the second byte holds both high parts."""
    pairs = -(-total // 2)
    padded = np.zeros(3 * pairs, np.int32)
    padded[: min(len(raw), 3 * pairs)] = raw[: 3 * pairs]
    b = padded.reshape(-1, 3)
    out = np.empty(2 * pairs, np.int32)
    out[0::2] = b[:, 0] | ((b[:, 1] & 0x0F) << 8)
    out[1::2] = b[:, 2] | ((b[:, 1] & 0xF0) << 4)
    return np.where(out > 2047, out - 4096, out)


def read_annotations(path: Path) -> tuple[np.ndarray, list[str]]:
    """(sample of each annotation int64, its symbol) of an annotation file in MIT format.

    Raises:
        DataError: unreadable, or cut short.
    """
    samples, symbols, _ = _notes(path)
    return np.array(samples, np.int64), symbols


def read_rhythms(path: Path) -> list[tuple[int, str]]:
    """(first sample, name) of each stretch of one rhythm, such as ``AFIB``; none where the file does not tell them.

    Raises:
        DataError: unreadable, or cut short.
    """
    found = zip(*_notes(path))
    return [(at, text[1:]) for at, symbol, text in found if symbol == "+" and text.startswith("(") and len(text) > 1]


def _notes(path: Path) -> tuple[list[int], list[str], list[str]]:
    """Samples, symbols and the texts beside them."""
    content = _bytes(path)
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2")
    samples: list[int] = []
    symbols: list[str] = []
    texts: list[str] = []
    now, k = 0, 0
    while k < len(words):
        code, value = int(words[k]) >> 10, int(words[k]) & 0x3FF
        k += 1
        if code == 0 and value == 0:
            return samples, symbols, texts
        if code == SKIP:
            if k + 2 > len(words):
                break
            jump = (int(words[k]) << 16) | int(words[k + 1])
            now += jump - (1 << 32) if jump >= 1 << 31 else jump
            k += 2
        elif code == AUX:
            if texts:
                texts[-1] = content[2 * k : 2 * k + value].decode("latin-1").strip("\x00 ")
            k += (value + 1) // 2
        elif code not in (NUM, SUB, CHN):
            now += value
            samples.append(now)
            symbols.append(SYMBOLS.get(code, "?"))
            texts.append("")
    raise _wrong(path, f"{len(content)} bytes", "the annotation file is cut short: it has no end mark")


def write_record(
    folder: Path,
    name: str,
    signals: np.ndarray,
    fs: float,
    leads: Sequence[str],
    *,
    fmt: str = "212",
    gain: float = 200.0,
    samples: np.ndarray | None = None,
    symbols: Sequence[str] = (),
    texts: Sequence[str] = (),
    comments: Sequence[str] = (),
) -> Path:
    """Write ``name.hea`` and ``name.dat``, and ``name.atr`` where ``samples`` are given; returns the header's path.

    Args:
        signals: millivolt, [n_samples, n_signals]; NaN is written as invalid.
        fmt: ``16`` or ``212``.
        texts: beside the annotations, such as ``(AFIB`` with the symbol ``+``; empty = none.
        comments: of the header.
    """
    signals = np.asarray(signals, np.float64)
    limit, blank = (2047, -2048) if fmt == "212" else (32767, -32768)
    stored = np.where(np.isfinite(signals), np.clip(np.round(signals * gain), -limit, limit), blank).astype(np.int32)
    flat = stored.reshape(-1)
    if fmt == "212":
        padded = np.r_[flat, np.zeros(len(flat) % 2, np.int32)] & 0xFFF
        a, b = padded[0::2], padded[1::2]
        raw = np.stack([a & 0xFF, (a >> 8) | ((b >> 8) << 4), b & 0xFF], axis=1).astype(np.uint8).tobytes()
    else:
        raw = flat.astype("<i2").tobytes()
    write_bytes(folder / f"{name}.dat", raw)
    bits = 12 if fmt == "212" else 16
    lines = [f"{name} {signals.shape[1]} {fs:g} {len(signals)}"]
    lines += [f"{name}.dat {fmt} {gain:g}/mV {bits} 0 {stored[0, k]} 0 0 {lead}" for k, lead in enumerate(leads)]
    lines += [f"# {text}" for text in comments]
    write_text(folder / f"{name}.hea", "\n".join(lines) + "\n")
    if samples is not None:
        write_bytes(folder / f"{name}.atr", _coded(np.asarray(samples, np.int64), symbols, texts))
    return folder / f"{name}.hea"


def _coded(samples: np.ndarray, symbols: Sequence[str], texts: Sequence[str]) -> bytes:
    codes = {symbol: code for code, symbol in SYMBOLS.items()}
    out = bytearray()
    before = 0
    for k, (sample, symbol) in enumerate(zip(samples.tolist(), symbols)):
        step = sample - before
        if not 0 <= step < 1024:
            out += np.array([SKIP << 10, (step >> 16) & 0xFFFF, step & 0xFFFF], "<u2").tobytes()
            step = 0
        out += np.array([codes[symbol] << 10 | step], "<u2").tobytes()
        text = texts[k].encode("latin-1") if k < len(texts) else b""
        if text:
            out += np.array([AUX << 10 | len(text)], "<u2").tobytes() + text + b"\x00" * (len(text) % 2)
        before = sample
    return bytes(out) + b"\x00\x00"
