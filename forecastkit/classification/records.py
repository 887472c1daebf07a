"""ECG records from a folder: WFDB, or CSV signals with a table of beats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from forecastkit.classification.csv_records import CSV, read_csv_record, stem
from forecastkit.classification.record import TWINS, Record, choose_lead, is_mitbih, known_paced
from forecastkit.classification.tables import load
from forecastkit.classification.wfdb_files import BEATS, read_annotations, read_header, read_rhythms, read_signals
from forecastkit.errors import ConfigError, DataError, near
from forecastkit.sources import records as sourced
from forecastkit.sources import scheme

__all__ = [
    "RecordPlace",
    "annotated",
    "check_signal",
    "find_records",
    "of_patients",
    "place_of",
    "read_record",
    "read_records",
]

ANNOTATIONS = (".atr", ".qrs", ".ecg")
PATIENTS = "patients.csv"
TABLES = re.compile(r"(^|_)(beats|annotations|labels|patients)\.csv(\.gz)?$")
"""CSV files that are not signals."""
FLAT_SECONDS = 10.0
MOST_LOST = 0.1
MOST_FILLED_SECONDS = 0.25
MOST_RECORDS = 10_000


@dataclass(frozen=True)
class RecordPlace:
    """Where records are.

    Args:
        path: folder or file.
        names: those of the folder that are meant; empty = all.
        notes: whose they are, where a source gave them.
    """

    path: Path
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def place_of(source: str | Path) -> RecordPlace:
    """The place of a folder or file, or of ``physionet:mitdb/100,106``, which is loaded where it is not in the cache.

    Raises:
        DataError: the source has no such record.
        SourceError: it did not deliver.
    """
    text = str(source)
    if scheme(text) is None:
        return RecordPlace(Path(text))
    found = sourced(text)
    return RecordPlace(found.folder, found.names, found.notes)


def find_records(folder: Path, names: tuple[str, ...] = ()) -> dict[str, Path]:
    """Record name -> its file: a WFDB header wins over a CSV signal of the same name.

    Args:
        names: of the records that are meant; empty = all.

    Raises:
        DataError: no folder, or nothing in it.
        ConfigError: a name that is not there.
    """
    if not folder.is_dir():
        raise DataError(place=str(folder), rule="no such folder of records", remedy="Give it with --records.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.endswith(CSV) and not TABLES.search(path.name):
            found.setdefault(stem(path), path)
    found.update({path.stem: path for path in sorted(folder.glob("*.hea"))})
    if not found:
        raise DataError(
            place=str(folder),
            rule="no records here",
            remedy="WFDB headers (100.hea) or CSV signals (100_signal.csv with 100_beats.csv) are read.",
        )
    if len(found) > MOST_RECORDS:
        raise DataError(place=str(folder), value=f"{len(found)} records", rule=f"more than {MOST_RECORDS}")
    for name in names:
        if name not in found:
            raise ConfigError(place="record", value=name, rule="not in the folder", remedy=near(name, found))
    return {name: path for name, path in sorted(found.items()) if not names or name in names}


def read_records(
    folder: Path, *, lead: str | None = None, fs: float | None = None, names: tuple[str, ...] = ()
) -> list[Record]:
    """All records of a folder, or the named ones; ``patients.csv`` says which are of one patient.

    Raises:
        DataError: one cannot be used; says which and why.
        ConfigError: a name that is not there.
    """
    return of_patients([read_record(path, lead=lead, fs=fs) for path in find_records(folder, names).values()], folder)


def of_patients(records: Sequence[Record], folder: Path) -> list[Record]:
    """The records with whose they are: by ``patients.csv``, else the two of MIT-BIH that are of one, else each of its own.

    Raises:
        DataError: the table lacks a column.
    """
    owners = _patients(folder)

    def owner(record: Record) -> str:
        twin = TWINS.get(record.name, record.name) if is_mitbih(record) else record.name
        return owners.get(record.name) or owners.get(twin, twin)

    return [replace(r, patient=owner(r)) for r in records]


def _patients(folder: Path) -> dict[str, str]:
    """Record -> patient from ``patients.csv``, where several records are one patient's."""
    path = folder / PATIENTS
    if not path.exists():
        return {}
    table = load(path)
    lower = {str(c).lower(): c for c in table}
    if not {"record", "patient"} <= set(lower):
        raise DataError(place=str(path), value=", ".join(map(str, table)), rule="needs columns record and patient")
    pairs = table[[lower["record"], lower["patient"]]].astype("string").dropna()
    return dict(zip(pairs.iloc[:, 0], pairs.iloc[:, 1]))


def annotated(records: Sequence[Record], folder: Path) -> list[Record]:
    """Those whose beats are annotated.

    Raises:
        DataError: none.
    """
    known = [r for r in records if r.samples is not None and len(r.samples)]
    if not known:
        raise DataError(
            place=str(folder),
            value=f"{len(records)} records",
            rule="none has annotated beats",
            remedy="Put 100.atr or 100_beats.csv beside the signal; without any, --task anomaly learns what is usual.",
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
    record = (
        read_csv_record(path, lead, fs) if path.name.endswith(CSV) else _from_wfdb(path.with_suffix(".hea"), lead, fs)
    )
    return check_signal(record, path)


def _from_wfdb(path: Path, lead: str | None, fs: float | None) -> Record:
    header = read_header(path, fs=fs)
    if not header.signals:
        raise DataError(place=str(path), rule="the record has no signal")
    column, name = choose_lead(tuple(s.lead for s in header.signals), lead, path)
    record = Record(path.stem, header.fs, read_signals(header)[:, column], name, comments=header.comments)
    notes = next((path.with_suffix(s) for s in ANNOTATIONS if path.with_suffix(s).exists()), None)
    if notes is None:
        return record
    at, kinds = read_annotations(notes)
    keep = [k for k, kind in enumerate(kinds) if kind in BEATS]
    symbols = tuple(kinds[k] for k in keep)
    record = replace(record, samples=at[keep], symbols=symbols, rhythms=tuple(read_rhythms(notes)))
    return replace(record, paced="/" in symbols or known_paced(record))


def _runs(flag: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, flag, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def check_signal(record: Record, path: Path) -> Record:
    """The record with short gaps filled.

    Raises:
        DataError: a flat line, a lost lead, a long gap, too short, a wrong sampling rate, beats outside of it.
    """
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
