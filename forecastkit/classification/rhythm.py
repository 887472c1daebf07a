"""The rhythm of ten seconds of a lead: fibrillation and others, from RR intervals and P waves.

Atrial fibrillation has RR intervals without order and no P waves; both are measured against the piece's own median beat.
Longer records are cut into pieces of ten seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.classification.csv_records import CLOCKS, CSV, per_millivolt, rate_in, stem
from forecastkit.classification.ecg import RATE, clean, correlation
from forecastkit.classification.record import Record
from forecastkit.classification.records import (
    RecordPlace,
    check_signal,
    find_records,
    of_patients,
    place_of,
    read_record,
)
from forecastkit.classification.rpeaks import detect_r_peaks
from forecastkit.classification.schema import OTHER, Sequences
from forecastkit.classification.strips import lead_strips
from forecastkit.classification.tables import header_of, load, need, text
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.classification.windows import SHORT
from forecastkit.classification.words import RHYTHM_WORDS
from forecastkit.errors import DataError

__all__ = ["RHYTHM_FEATURES", "SECONDS", "read_new_rhythms", "read_rhythms", "rhythm_sequences"]

RHYTHM_FEATURES = (
    "rr_mean", "rr_cv", "rr_rmssd", "rr_turns", "rr_spread", "p_height", "p_match", "p_steady", "f_energy",
)  # fmt: skip
CHANNELS = ("rr", "rr_change", "p_match")
FEWEST_BEATS = 4
SECONDS = 10.0
SHORTEST = 8.0
FEWEST_OF_CLASS = 5
"""Patients with fewer of a rhythm cannot be split: it joins the others."""
LABELS = "labels.csv"
PATIENT = "patient"
NAME_COLUMNS = ("record", PATIENT, "name", "file", "id")
LABEL_COLUMNS = ("rhythm", "label", "class")
FIBRILLATION = ("atrial fibrillation", "afib", "af")
Piece = tuple[Record, float]
"""A record, and the second at which ten seconds of it begin."""


def read_rhythms(
    source: str | Path,
    *,
    labels: Path | None = None,
    label: str | None = None,
    lead: str | None = None,
    fs: float | None = None,
) -> Labelled:
    """Leads with a rhythm each to learn from.

    Args:
        source: a folder of records, one CSV file with a column a patient, or ``physionet:mitdb/100,106``.
        labels: table with a column of records and one of rhythms, and perhaps one of patients; None = ``labels.csv``
            beside them, else what the annotations and headers of WFDB records say. ``patients.csv`` beside the records
            says which are of one patient, as of heartbeats.
        label: column of the rhythms; found if not given.

    Raises:
        ForecastkitError: a record cannot be used, or nothing says what its rhythm is.
    """
    place = place_of(source)
    path = place.path
    if not path.exists():
        raise DataError(place=str(source), rule="no such records", remedy="Give a folder or a CSV file with --records.")
    beside = (path if path.is_dir() else path.parent) / LABELS
    known, patients = _labels(labels or beside, label) if labels is not None or beside.exists() else (None, {})
    notes = list(place.notes)
    records, kind = _records(place, known, lead, fs, notes)
    records = [replace(r, patient=patients.get(r.name, r.owner)) for r in records]
    pieces: list[Piece] = []
    names: list[str] = []
    for record in records:
        for start, name in _stretches(record, known):
            pieces.append((record, start))
            names.append(name)
    if not pieces:
        raise DataError(
            place=str(source), rule="nothing says what the rhythms are", remedy=f"Put {LABELS} with columns record and rhythm beside them."
        )  # fmt: skip
    kept, usable = _measured(pieces, notes)
    names = [names[i] for i in usable]
    classes = _classes(names, [pieces[i][0].owner for i in usable], notes)
    if OTHER not in classes:
        stay = [k for k, name in enumerate(names) if name in classes]
        kept, usable, names = [kept[k] for k in stay], [usable[k] for k in stay], [names[k] for k in stay]
    found = [name if name in classes else OTHER for name in names]
    rare = next((c for c in classes if c.lower() in FIBRILLATION), "")
    data = _sequences(kept, found, classes, rare)
    leads = sorted({r.lead for r, _ in pieces if r.lead})
    config = {"records": str(source), "labels": str(labels or ""), "label": label, "lead": lead, "fs": fs}
    n_patients = len(set(data.groups.tolist()))
    said = f"{len(data):,} leads of {SECONDS:g} s, {n_patients} patients, {data.counts()}" + (
        f"; lead {', '.join(leads)}" if leads else ""
    )
    return Labelled(
        "rhythm", "rhythm", data, "patient", plan={"kind": kind, "classes": list(classes)}, said=(said,), notes=tuple(notes), config=config,
        facts={"leads": leads, "n_records": len(records), "feature_words": RHYTHM_WORDS}, baselines=("majority", "logistic_rr", "logistic", "boosting"), network=SHORT,
        pictures=lambda wrong, told: lead_strips(data, [pieces[i] for i in usable], wrong, told, SECONDS),
    )  # fmt: skip


def read_new_rhythms(
    path: Path, plan: dict[str, Any], *, lead: str | None = None, fs: float | None = None
) -> Unlabelled:
    """A record, or a CSV file with a column a patient where ``fit`` had one: each ten seconds are told.

    Raises:
        ForecastkitError: it cannot be used, or no beat is found in it.
    """
    import pandas as pd

    wide = plan["kind"] == "columns" and path.name.endswith(CSV)
    records = _columns(path, None, fs, []) if wide else [read_record(path, lead=lead, fs=fs)]
    pieces = [(r, start) for r in records for start in _starts(0.0, r.seconds)]
    notes: list[str] = []
    kept, usable = _measured(pieces, notes)
    data = _sequences(kept, [None] * len(kept), tuple(plan["classes"]), "")
    used = [pieces[i] for i in usable]
    table = pd.DataFrame(
        {
            "record": [r.name for r, _ in used], "start": [s for _, s in used],
            "rate_per_minute": np.round(60 / data.features[:, RHYTHM_FEATURES.index("rr_mean")], 1),
        }
    )  # fmt: skip

    def summary(said: np.ndarray) -> dict[str, Any]:
        counts = {str(c): int(n) for c, n in zip(*np.unique(said.astype(str), return_counts=True))}
        return {
            "records": len(records),
            "pieces": len(used),
            "pieces_unreadable": len(pieces) - len(used),
            "rhythms": counts,
        }

    return Unlabelled(data, table, summary)


def _labels(path: Path, label: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """(record -> rhythm, record -> patient where the table says that too)."""
    table = load(path)
    if label is not None:
        need(table, path, "--label", label)
    column = label or next((c for c in LABEL_COLUMNS if c in table), None)
    rest = [c for c in table if c != column]
    if column is None or not rest:
        raise DataError(
            place=str(path),
            value=", ".join(table.columns)[:60],
            rule="no column of rhythms",
            remedy="Name it with --label.",
        )
    key = next((c for c in NAME_COLUMNS if c in rest), rest[0])
    pairs = table[[key, column]].apply(text).dropna()
    rhythms = {str(k): str(v).strip() for k, v in zip(pairs[key], pairs[column])}
    if PATIENT not in rest or key == PATIENT:
        return rhythms, {}
    owned = table[[key, PATIENT]].apply(text).dropna()
    return rhythms, dict(zip(owned[key], owned[PATIENT]))


def _records(
    place: RecordPlace, known: dict[str, str] | None, lead: str | None, fs: float | None, notes: list[str]
) -> tuple[list[Record], str]:
    """(records, ``records`` or ``columns``): columns of a CSV file are patients where the labels name them so."""
    source = place.path
    files = find_records(source, place.names) if source.is_dir() else {stem(source): source}
    records = [read_record(path, lead=lead, fs=fs) for name, path in files.items() if known is None or name in known]
    if known is None or records:
        return of_patients(records, source if source.is_dir() else source.parent), "records"
    wide = [path for path in files.values() if path.name.endswith(CSV) and not known.keys().isdisjoint(header_of(path))]
    found = [r for path in wide for r in _columns(path, known, fs, notes)]
    if not found:
        raise DataError(
            place=str(source), rule="the table of labels names none of these records", remedy="It needs a column record."
        )  # fmt: skip
    return found, "columns"


def _columns(path: Path, known: dict[str, str] | None, fs: float | None, notes: list[str]) -> list[Record]:
    """One record a column."""
    table = load(path)
    rate = fs or rate_in(path, table)
    if rate is None:
        raise DataError(place=str(path), rule="no sampling rate", remedy="Give it: --fs 500.")
    names = [str(c) for c in table]
    wanted = [c for c in names if c.lower() not in CLOCKS and (known is None or c in known)]
    rest = len(table.columns) - len(wanted)
    if rest and known is not None:
        notes.append(f"{path.name}: {rest} columns without a label are left out")
    odd = [c for c in wanted if table[c].dtype.kind not in "iuf"]
    if odd or not wanted:
        raise DataError(place=f"{path}, {odd[0] if odd else ''}", rule="not a number in every row")
    scale = per_millivolt("", path)
    leads = [Record(c, rate, _unpadded(table[c].to_numpy(np.float64)) / scale) for c in wanted]
    return [check_signal(r, path.with_name(f"{path.name}, {r.name}")) for r in leads]


def _unpadded(x: np.ndarray) -> np.ndarray:
    """Without the empty cells below a column that is shorter than others."""
    known = np.flatnonzero(np.isfinite(x))
    return x[: known[-1] + 1] if len(known) else x


def _starts(begin: float, end: float) -> list[float]:
    """Seconds at which pieces of ten seconds begin; a shorter rest counts from eight seconds on."""
    n = max(1, int((end - begin + SECONDS - SHORTEST) // SECONDS))
    return [begin + SECONDS * k for k in range(n)]


def _stretches(record: Record, known: dict[str, str] | None) -> list[tuple[float, str]]:
    """(second, rhythm) of each piece of one rhythm."""
    if known is not None:
        return [(s, known[record.name]) for s in _starts(0.0, record.seconds)]
    if record.rhythms:
        ends = [at / record.fs for at, _ in record.rhythms[1:]] + [record.seconds]
        spans = [(at / record.fs, end, name) for (at, name), end in zip(record.rhythms, ends)]
        return [(s, name) for a, b, name in spans if b - a >= SECONDS for s in _starts(a, b) if s + SECONDS <= b + 0.01]
    said = [c.split(":", 1)[1].strip() for c in record.comments if c.lower().startswith("rhythm:")]
    return [(s, said[0].rstrip(".")) for s in _starts(0.0, record.seconds)] if said and said[0] else []


def _classes(names: Sequence[str], owners: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """The commonest first; rhythms of too few patients are ``other`` together, or left out where they are too few still."""
    patients = {name: len({o for n, o in zip(names, owners) if n == name}) for name in set(names)}
    order = sorted(patients, key=lambda c: (-patients[c], c))
    kept = [c for c in order if patients[c] >= FEWEST_OF_CLASS and c != OTHER]
    rest = [c for c in order if c not in kept]
    if not kept or not rest:
        return tuple(order)
    together = len({o for n, o in zip(names, owners) if n in rest})
    few = ", ".join(f"{c} {patients[c]}" for c in rest)
    if together < FEWEST_OF_CLASS:
        notes.append(f"rhythms of fewer than {FEWEST_OF_CLASS} patients are left out: {few}")
        return tuple(kept)
    notes.append(f"rhythms of fewer than {FEWEST_OF_CLASS} patients count as {OTHER}: {few}")
    return (*kept, OTHER)


def rhythm_sequences(
    records: Sequence[Record], labels: Sequence[str | None], classes: tuple[str, ...], *, rare: str = ""
) -> Sequences:
    """One sequence a record: RR intervals and P waves beat by beat, and what they come to.

    Args:
        labels: one of ``classes`` for each record; None = not known.

    Raises:
        DataError: a record in which fewer than four beats are found.
    """
    return _sequences([(r, *_measure(r)) for r in records], labels, classes, rare)


Measured = tuple[Record, np.ndarray, list[float]]


def _measured(pieces: Sequence[Piece], notes: list[str]) -> tuple[list[Measured], list[int]]:
    """(what was measured, which pieces); those without beats are left out and said, unless none is left."""
    out: list[Measured] = []
    usable: list[int] = []
    lost: list[str] = []
    for i, (record, start) in enumerate(pieces):
        part = record
        if start > 0 or record.seconds > SECONDS + 2:
            lo, hi = round(start * record.fs), round((start + SECONDS) * record.fs)
            part = replace(record, name=f"{record.name}:{start:g}", patient=record.owner, signal=record.signal[lo:hi])
        try:
            out.append((part, *_measure(part)))
        except DataError:
            if len(pieces) == 1:
                raise
            lost.append(part.name)
            continue
        usable.append(i)
    if not out:
        raise DataError(place=f"record {pieces[0][0].name}", rule="too few beats to tell a rhythm in any ten seconds")
    if lost:
        notes.append(
            f"too few beats to tell a rhythm, left out: {', '.join(lost[:10])}" + (" ..." if len(lost) > 10 else "")
        )
    return out, usable


def _sequences(
    parts: Sequence[Measured], labels: Sequence[str | None], classes: tuple[str, ...], rare: str
) -> Sequences:
    lengths = np.array([len(steps) for _, steps, _ in parts], np.int64)
    return Sequences(
        values=np.concatenate([steps for _, steps, _ in parts]).astype(np.float32),
        offsets=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        features=np.array([summary for _, _, summary in parts], np.float32),
        feature_names=RHYTHM_FEATURES,
        channels=CHANNELS,
        labels=np.array([classes.index(c) if c is not None else -1 for c in labels], np.int64),
        classes=classes,
        groups=np.array([r.owner for r, _, _ in parts], dtype=object),
        items=np.array([r.name for r, _, _ in parts], dtype=object),
        rare=rare,
    )


def _measure(record: Record) -> tuple[np.ndarray, list[float]]:
    """(steps [n_beats - 1, 3], features)."""
    x = clean(record.signal, record.fs)
    at = np.round(detect_r_peaks(record.signal, record.fs) * RATE / record.fs).astype(np.int64)
    if len(at) < FEWEST_BEATS:
        raise DataError(place=f"record {record.name}", value=f"{len(at)} beats", rule="too few to tell a rhythm")
    rr = np.diff(at) / RATE
    before = round(0.24 * RATE)
    end = round(0.06 * RATE)
    kept = at[at >= before]
    p = np.stack([x[k - before : k - end] for k in kept])
    height = float(np.median([np.ptp(x[max(0, k - 15) : k + 15]) for k in at])) or 1.0
    p = (p - p.mean(axis=1, keepdims=True)) / height
    usual = np.median(p, axis=0)
    match = correlation(p, usual)
    change = np.diff(rr, prepend=rr[0]) / rr.mean()
    p_of = np.full(len(rr), np.nan)
    p_of[-len(kept) :] = match[-len(rr) :]
    steps = np.stack([rr, change, p_of], axis=1)
    turns = float((np.diff(np.sign(np.diff(rr))) != 0).mean()) if len(rr) > 3 else 0.0
    summary = [
        float(rr.mean()),
        float(rr.std() / rr.mean()),
        float(np.sqrt(np.mean(np.diff(rr) ** 2)) / rr.mean()),
        turns,
        float((np.quantile(rr, 0.9) - np.quantile(rr, 0.1)) / rr.mean()),
        float(np.ptp(usual)),
        float(np.median(match)),
        float(match.std()),
        float((p - usual).std()),
    ]
    return steps, summary
