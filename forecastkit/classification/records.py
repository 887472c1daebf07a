"""ECG records from a folder: WFDB, or CSV signals with a table of beats."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.classification.wfdb_files import BEATS, read_annotations, read_header, read_signals
from forecastkit.errors import ConfigError, DataError, near

__all__ = ["AAMI", "Record", "find_records", "read_record", "read_records"]

AAMI = {
    **dict.fromkeys("NLRBej", "N"), **dict.fromkeys("AaJSn", "S"), **dict.fromkeys("VEr", "V"), "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}  # fmt: skip
"""Annotation symbol -> class of ANSI/AAMI EC57."""

PACED_MITBIH = frozenset({"102", "104", "107", "217"})
ANNOTATIONS = (".atr", ".qrs", ".ecg")
CSV = (".csv", ".csv.gz")
FLAT_SECONDS = 10.0
MOST_LOST = 0.1
MOST_FILLED_SECONDS = 0.25
MOST_RECORDS = 10_000
LEADS = (
    "I",
    "II",
    "III",
    "aVR",
    "aVL",
    "aVF",
    "MLII",
    "MLIII",
    *(f"V{k}" for k in range(1, 7)),
    *(f"MV{k}" for k in range(1, 7)),
)


@dataclass(frozen=True, eq=False)
class Record:
    """One lead of one patient.

    Args:
        name: of the record; also the patient, where nothing else is known.
        fs: samples a second.
        signal: [R] millivolt, float64, finite.
        samples: [B] int64 positions of annotated beats; None = not annotated.
        symbols: [B] one annotation symbol a beat, or ``V`` and ``o`` (any other) where only that is known.
        paced: a pacemaker drives the heart.
        notes: what was done to the signal.
    """

    name: str
    fs: float
    signal: np.ndarray
    lead: str = ""
    samples: np.ndarray | None = None
    symbols: tuple[str, ...] = ()
    paced: bool = False
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.signal) / self.fs

    @property
    def binary(self) -> bool:
        """Whether beats are only known as ventricular or not."""
        return "o" in self.symbols


def find_records(folder: Path) -> dict[str, Path]:
    """Record name -> its file: a WFDB header wins over a CSV signal of the same name.

    Raises:
        DataError: no folder, or nothing in it.
    """
    if not folder.is_dir():
        raise DataError(place=str(folder), rule="no such folder of records", remedy="Give it with --records.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(CSV) and not re.search(r"_(beats|annotations|labels)\.csv", path.name):
            found.setdefault(_stem(path), path)
    found.update({path.stem: path for path in sorted(folder.glob("*.hea"))})
    if not found:
        raise DataError(
            place=str(folder),
            rule="no records here",
            remedy="WFDB headers (100.hea) or CSV signals (100_signal.csv with 100_beats.csv) are read.",
        )
    if len(found) > MOST_RECORDS:
        raise DataError(place=str(folder), value=f"{len(found)} records", rule=f"more than {MOST_RECORDS}")
    return dict(sorted(found.items()))


def _stem(path: Path) -> str:
    return re.sub(r"(_signal.*)?\.csv(\.gz)?$", "", path.name)


def read_records(
    folder: Path, *, lead: str | None = None, fs: float | None = None, names: tuple[str, ...] = ()
) -> list[Record]:
    """All annotated records of a folder, or the named ones.

    Raises:
        DataError: one cannot be used; says which and why.
        ConfigError: a name that is not there.
    """
    files = find_records(folder)
    for name in names:
        if name not in files:
            raise ConfigError(place="record", value=name, rule="not in the folder", remedy=near(name, files))
    records = [read_record(path, lead=lead, fs=fs) for name, path in files.items() if not names or name in names]
    known = [r for r in records if r.samples is not None and len(r.samples)]
    if not known:
        raise DataError(
            place=str(folder),
            value=f"{len(records)} records",
            rule="none has annotated beats",
            remedy="Put 100.atr or 100_beats.csv beside the signal.",
        )
    return known


def read_record(path: Path, *, lead: str | None = None, fs: float | None = None) -> Record:
    """One record, checked.

    Args:
        path: ``.hea``, ``.dat`` or CSV; the annotations are looked for beside it.
        lead: name of the lead; None = MLII or II where there is one, else the first.
        fs: sampling rate where the file has none.

    Raises:
        DataError: unreadable, flat, unconnected, with gaps, no sampling rate, or no such lead.
    """
    if not path.exists():
        here = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        raise DataError(place=str(path), rule="no such record", remedy=near(path.name, here) if here else "")
    record = _from_csv(path, lead, fs) if path.name.endswith(CSV) else _from_wfdb(path.with_suffix(".hea"), lead, fs)
    return _checked(record, path)


def _from_wfdb(path: Path, lead: str | None, fs: float | None) -> Record:
    header = read_header(path, fs=fs)
    if not header.signals:
        raise DataError(place=str(path), rule="the record has no signal")
    column, name = _choose(tuple(s.lead for s in header.signals), lead, path)
    signal = read_signals(header)[:, column]
    samples: np.ndarray | None = None
    symbols: tuple[str, ...] = ()
    for suffix in ANNOTATIONS:
        notes = path.with_suffix(suffix)
        if notes.exists():
            at, kinds = read_annotations(notes)
            keep = [k for k, kind in enumerate(kinds) if kind in BEATS]
            samples, symbols = at[keep], tuple(kinds[k] for k in keep)
            break
    record = Record(path.stem, header.fs, signal, name, samples, symbols)
    return replace(record, paced="/" in symbols or _known_paced(record))


def _known_paced(record: Record) -> bool:
    """CSV copies of MIT-BIH lose the mark of paced beats; the database's own list has four such records."""
    return record.name in PACED_MITBIH and record.fs == 360 and len(record.signal) == 650_000


def _choose(leads: tuple[str, ...], wanted: str | None, path: Path) -> tuple[int, str]:
    lower = [name.lower() for name in leads]
    if wanted is not None:
        if wanted.lower() not in lower:
            raise DataError(
                place=str(path),
                value=f"lead {wanted!r}",
                rule="no such lead in this record",
                remedy=near(wanted, leads),
            )
        k = lower.index(wanted.lower())
        return k, leads[k]
    for usual in ("mlii", "ii"):
        if usual in lower:
            return lower.index(usual), leads[lower.index(usual)]
    return 0, leads[0]


def _table(path: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError, EOFError, pd.errors.ParserError) as error:
        why = " ".join(str(error).split())[:100]
        raise DataError(place=str(path), value=why, rule="not a readable CSV file") from None


def _from_csv(path: Path, lead: str | None, fs: float | None) -> Record:
    table = _table(path)
    rate = fs or _rate_in(path, table)
    if rate is None:
        raise DataError(place=str(path), rule="no sampling rate", remedy="Give it: --fs 360.")
    signals = table.drop(columns=[c for c in table if str(c).lower() in ("time", "sample", "t", "seconds")])
    if not len(signals.columns) or not len(signals):
        raise DataError(place=str(path), rule="no signal column")
    column, name = _choose(tuple(map(str, signals.columns)), _csv_lead(signals, lead), path)
    values = signals.iloc[:, column]
    if values.dtype.kind not in "iuf":
        import pandas as pd

        bad = pd.to_numeric(values, errors="coerce").isna() & values.notna()
        at = int(np.argmax(bad.to_numpy()))
        raise DataError(place=f"{path}, line {at + 2}", value=repr(values.iloc[at]), rule="not a number")
    known = name if name in LEADS else ""
    record = Record(_stem(path), rate, values.to_numpy(np.float64) / _per_millivolt(name, path), known)
    beats = next(
        (path.parent / f"{_stem(path)}{e}" for e in _BEAT_FILES if (path.parent / f"{_stem(path)}{e}").exists()), None
    )
    if beats is not None:
        samples, symbols = _beats(beats, len(record.signal))
        record = replace(record, samples=samples, symbols=symbols)
    return replace(record, paced="/" in record.symbols or _known_paced(record))


_BEAT_FILES = tuple(f"_{what}{end}" for what in ("beats", "annotations") for end in CSV)


def _csv_lead(signals: Any, lead: str | None) -> str | None:
    """A file of one column whose name is no lead (adc200, mV) does not say which lead it is."""
    nameless = len(signals.columns) == 1 and str(signals.columns[0]) not in LEADS
    return None if nameless else lead


def _rate_in(path: Path, table: Any) -> float | None:
    """From a column of seconds, or ``_500hz`` in the file's name."""
    for name in ("seconds", "time", "t"):
        hits = [c for c in table if str(c).lower() == name]
        if hits and table[hits[0]].dtype.kind == "f" and len(table) > 2:
            step = float(np.median(np.diff(table[hits[0]].to_numpy(np.float64))))
            if np.isfinite(step) and 1e-5 < step < 1:
                return round(1 / step, 6)
    found = re.search(r"_(\d{2,5})\s?hz", path.name.lower())
    return float(found[1]) if found else None


def _per_millivolt(column: str, path: Path) -> float:
    text = f"{column} {path.name}".lower()
    counts = re.search(r"adc(\d{1,6})", text)
    if counts and int(counts[1]) > 0:
        return float(counts[1])
    return 1000.0 if re.search(r"uv\b|_uv|µv", text) else 1.0


def _beats(path: Path, n: int) -> tuple[np.ndarray, tuple[str, ...]]:
    table = _table(path)
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


def _runs(flag: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, flag, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def _checked(record: Record, path: Path) -> Record:
    """Short gaps are filled; flat lines, lost leads and long gaps are errors."""
    x, fs = record.signal, record.fs
    if not (np.isfinite(fs) and fs >= 50):
        raise DataError(
            place=str(path),
            value=f"{fs:g} a second",
            rule="an ECG needs a sampling rate of 50 or more",
            remedy="Correct --fs.",
        )
    if len(x) < 3 * fs:
        raise DataError(place=str(path), value=f"{len(x) / fs:.1f} s", rule="a record needs at least 3 seconds")
    notes = list(record.notes)
    lost = ~np.isfinite(x)
    if lost.any():
        start, end = max(_runs(lost), key=lambda r: r[1] - r[0])
        if end - start > MOST_FILLED_SECONDS * fs:
            raise DataError(
                place=f"{path}, samples {start:,} to {end - 1:,}",
                value=f"{(end - start) / fs:.2f} s missing",
                rule=f"gaps of up to {MOST_FILLED_SECONDS} s are filled, not longer ones",
                remedy="Cut the record there, or choose another lead with --lead.",
            )
        x = x.copy()
        x[lost] = np.interp(np.flatnonzero(lost), np.flatnonzero(~lost), x[~lost])
        notes.append(f"{int(lost.sum())} missing samples filled")
    still = np.r_[False, np.diff(x) == 0]
    flat = [(a, b) for a, b in _runs(still) if b - a >= min(FLAT_SECONDS * fs, 0.5 * len(x))]
    n_flat = sum(b - a for a, b in flat)
    if n_flat >= 0.95 * len(x) or float(np.ptp(x)) < 1e-3:
        raise DataError(
            place=str(path), value=f"range {float(np.ptp(x)):.4g} mV", rule="a flat line, no heartbeat", remedy="Choose another lead with --lead."
        )  # fmt: skip
    if n_flat > MOST_LOST * len(x):
        raise DataError(
            place=f"{path}, samples {flat[0][0]:,} to {flat[0][1]:,}",
            value=f"{n_flat / fs:.0f} s without any change",
            rule="the lead was off",
            remedy="Cut the record there, or choose another lead with --lead.",
        )
    if flat:
        notes.append(f"lead off for {n_flat / fs:.0f} s")
    if record.samples is not None and len(record.samples) and record.samples.max() >= len(x):
        raise DataError(
            place=str(path),
            value=f"beat at sample {int(record.samples.max()):,}",
            rule=f"the signal has {len(x):,} samples",
        )
    return replace(record, signal=x, notes=tuple(notes))
