"""ECG records from CSV: a signal with one column a lead, and a table of beats beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.classification.record import Record, choose_lead, known_paced
from forecastkit.classification.tables import load
from forecastkit.classification.wfdb_files import BEATS
from forecastkit.errors import DataError

__all__ = ["CLOCKS", "CSV", "per_millivolt", "rate_in", "read_csv_record", "stem"]

CSV = (".csv", ".csv.gz")
CLOCKS = ("time", "sample", "t", "seconds")
"""Columns that are no signal."""
LEADS = (
    "I", "II", "III", "aVR", "aVL", "aVF", "MLII", "MLIII",
    *(f"V{k}" for k in range(1, 7)), *(f"MV{k}" for k in range(1, 7)),
)  # fmt: skip


def stem(path: Path) -> str:
    """Name of the record of a CSV file."""
    return re.sub(r"(_signal.*)?\.csv(\.gz)?$", "", path.name)


def read_csv_record(path: Path, lead: str | None, fs: float | None) -> Record:
    """A record from a CSV signal; a table of beats is looked for beside it.

    Raises:
        DataError: unreadable, no sampling rate, no such lead.
    """
    table = load(path)
    rate = fs or rate_in(path, table)
    if rate is None:
        raise DataError(place=str(path), rule="no sampling rate", remedy="Give it: --fs 360.")
    signals = table.drop(columns=[c for c in table if str(c).lower() in CLOCKS])
    if not len(signals.columns) or not len(signals):
        raise DataError(place=str(path), rule="no signal column")
    column, name = choose_lead(tuple(map(str, signals.columns)), _csv_lead(signals, lead), path)
    values = signals.iloc[:, column]
    if values.dtype.kind not in "iuf":
        import pandas as pd

        bad = pd.to_numeric(values, errors="coerce").isna() & values.notna()
        at = int(np.argmax(bad.to_numpy()))
        raise DataError(place=f"{path}, line {at + 2}", value=repr(values.iloc[at]), rule="not a number")
    known = name if name in LEADS else ""
    record = Record(stem(path), rate, values.to_numpy(np.float64) / per_millivolt(name, path), known)
    beats = next(
        (path.parent / f"{stem(path)}{e}" for e in _BEAT_FILES if (path.parent / f"{stem(path)}{e}").exists()), None
    )
    if beats is not None:
        samples, symbols = _beats(beats, len(record.signal))
        record = replace(record, samples=samples, symbols=symbols)
    return replace(record, paced="/" in record.symbols or known_paced(record))


_BEAT_FILES = tuple(f"_{what}{end}" for what in ("beats", "annotations") for end in CSV)


def _csv_lead(signals: Any, lead: str | None) -> str | None:
    """A file of one column whose name is no lead (adc200, mV) does not say which lead it is."""
    nameless = len(signals.columns) == 1 and str(signals.columns[0]) not in LEADS
    return None if nameless else lead


def rate_in(path: Path, table: Any) -> float | None:
    """Samples a second from a column of seconds, or ``_500hz`` in the file's name."""
    for name in ("seconds", "time", "t"):
        hits = [c for c in table if str(c).lower() == name]
        if hits and table[hits[0]].dtype.kind == "f" and len(table) > 2:
            step = float(np.median(np.diff(table[hits[0]].to_numpy(np.float64))))
            if np.isfinite(step) and 1e-5 < step < 1:
                return round(1 / step, 6)
    found = re.search(r"_(\d{2,5})\s?hz", path.name.lower())
    return float(found[1]) if found else None


def per_millivolt(column: str, path: Path) -> float:
    """Units a millivolt, from the name of the column or the file: ``adc200``, ``uV``; else 1."""
    text = f"{column} {path.name}".lower()
    counts = re.search(r"adc(\d{1,6})", text)
    if counts and int(counts[1]) > 0:
        return float(counts[1])
    return 1000.0 if re.search(r"uv\b|_uv|µv", text) else 1.0


def _beats(path: Path, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    table = load(path)
    lower = {str(c).lower(): c for c in table}
    label = next((lower[c] for c in ("symbol", "label", "class", "pvc") if c in lower), None)
    if "sample" not in lower or label is None:
        raise DataError(
            place=str(path), value=", ".join(map(str, table)), rule="needs columns sample and pvc or symbol"
        )
    at = table[lower["sample"]]
    if at.dtype.kind not in "iu" or (len(at) and (at.min() < 0 or at.max() >= n)):
        raise DataError(place=f"{path}, sample", rule=f"a beat lies outside the signal's {n:,} samples")
    if str(label).lower() == "pvc":
        if not table[label].isin([0, 1]).all():
            raise DataError(place=f"{path}, pvc", rule="only 0 and 1 are known")
        symbols = tuple(np.where(table[label] == 1, "V", "o"))
    else:
        symbols = tuple(table[label].astype(str))
        unknown = sorted(set(symbols) - BEATS)
        if unknown:
            raise DataError(
                place=f"{path}, {label}", value=", ".join(unknown)[:60], rule="not an annotation symbol of a beat"
            )
    order = np.argsort(at.to_numpy(), kind="stable")
    return at.to_numpy(np.int64)[order], tuple(symbols[k] for k in order)
