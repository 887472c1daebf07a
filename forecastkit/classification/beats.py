"""Heartbeats: records with annotated beats to learn from, a record to be told beat by beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.classification.ecg import FEATURES, RR_FEATURES, Beats, beat_name, beat_places, segment, shapes_of
from forecastkit.classification.record import AAMI, AAMI_CLASSES, BINARY_CLASSES, DS1, DS2, Record
from forecastkit.classification.records import annotated, place_of, read_record, read_records
from forecastkit.classification.rpeaks import Peaks, find_beats, peak_table
from forecastkit.classification.schema import Sequences, concatenate
from forecastkit.classification.splits import Split
from forecastkit.classification.strips import beat_strips
from forecastkit.classification.task import MOST_NEAREST, Labelled, Unlabelled
from forecastkit.classification.windows import read_new_windows
from forecastkit.classification.words import BEAT_WORDS
from forecastkit.errors import ConfigError, DataError

__all__ = [
    "AAMI_CLASSES", "BINARY_CLASSES", "CHANNELS", "DS1", "DS2", "beat_sequences", "class_names", "read_beats", "read_new_beats",
]  # fmt: skip

CHANNELS = ("beat", "difference", "difference_before", "difference_after")
BASELINES = ("majority", "logistic_rr", "logistic", "boosting")
PAUSE = 2.0
"""Seconds without a beat that the summary counts as a pause."""


def read_beats(
    source: str | Path,
    *,
    lead: str | None = None,
    fs: float | None = None,
    classes: str = "auto",
    paced: bool = False,
    halves: bool = False,
    unlabelled: bool = False,
) -> Labelled:
    """Records of a folder as beats to learn from.

    Args:
        source: folder, or ``physionet:mitdb/100,106``.
        lead, fs: see ``read_record``.
        classes: ``aami``, ``v``, or ``auto``: the five where every record's annotations tell them.
        paced: keep records with a pacemaker.
        halves: learn from the records of DS1 that are there and test on those of DS2.
        unlabelled: annotations are not needed; beats are found where there are none.

    Raises:
        ForecastkitError: a record cannot be used, every one is paced, or classes are asked for that they do not tell.
    """
    place = place_of(source)
    folder = place.path
    everything = read_records(folder, lead=lead, fs=fs, names=place.names)
    records = everything if unlabelled else annotated(everything, folder)
    kept = [r for r in records if paced or not r.paced]
    if not kept:
        raise DataError(place=str(folder), rule="every record is paced", remedy="Take them in with --include-paced.")
    names = class_names([r for r in kept if r.samples is not None], classes)
    data = beat_sequences(kept, names)
    left_out = [r.name for r in records if r not in kept]
    leads = sorted({r.lead for r in kept if r.lead})
    lead_said = f"; lead {', '.join(leads)}" if leads else ""
    notes = [*place.notes, *(f"{r.name}: {note}" for r in kept for note in r.notes)]
    silent = [r.name for r in everything if r not in records]
    for why, which in (("left out, paced", left_out), ("left out, without annotated beats", silent)):
        if which:
            notes.insert(0, f"{why}: {', '.join(which[:20])}")
    if names == AAMI_CLASSES and not unlabelled:
        notes.append("five AAMI classes: tested on records that we wrote, not yet validated on the real database")
    published = _halves(data, kept, asked=halves)
    if published is not None and {"201", "202"} <= {r.name for r in kept}:
        notes.append("201 and 202 are records of one patient, and DS1/DS2 has one on each side, as it was published")
    baselines = BASELINES + (("nearest",) if len(data) <= MOST_NEAREST else ())
    return Labelled(
        "ecg", "ecg", data, "patient", plan={"classes": list(names)}, said=(f"{len(kept)} records, {len(data):,} beats, {data.counts()}{lead_said}",), notes=tuple(notes), baselines=baselines, usual=0, strange_in=("difference",),
        config={"records": str(source), "lead": lead, "fs": fs, "classes": classes, "include_paced": paced},
        facts={"records": [r.name for r in kept], "left_out": left_out, "leads": leads, "r_peaks": peak_table(kept), "feature_words": BEAT_WORDS},
        halves=published, pictures=lambda wrong, given: beat_strips(data, kept, wrong, given),
        hide=lambda rows, n_parts: hidden_parts(data, kept, rows, n_parts),
    )  # fmt: skip


def _halves(data: Sequences, records: list[Record], *, asked: bool) -> Split | None:
    """DS1 against DS2 where all their records are there, or where it is asked for and some are."""
    names = {r.name for r in records}
    if not asked and not names >= {*DS1, *DS2}:
        return None
    record, _ = beat_places(data.items)
    train, test = np.flatnonzero(np.isin(record, DS1)), np.flatnonzero(np.isin(record, DS2))
    if not len(train) or not len(test):
        raise ConfigError(
            place="--split ds1-ds2", value=", ".join(sorted(names)[:8]), rule="records of DS1 and of DS2 are needed"
        )
    return Split("DS1/DS2 of de Chazal et al. 2004", train, test)


def class_names(records: Sequence[Record], wanted: str = "auto") -> tuple[str, ...]:
    """Classes to tell apart: AAMI's five where every record's annotations tell them, else ventricular or not.

    Raises:
        ConfigError: five classes are asked for, and a record tells only ventricular or not.
    """
    if wanted not in ("auto", "aami", "v"):
        raise ConfigError(place="--classes", value=repr(wanted), rule="auto, aami or v")
    binary = [r.name for r in records if r.binary]
    if wanted == "aami" and binary:
        raise ConfigError(
            place="--classes aami",
            value=", ".join(binary[:5]),
            rule="these records tell only ventricular beats from others",
            remedy="Use --classes v, or records with full annotations.",
        )
    return BINARY_CLASSES if binary or wanted == "v" else AAMI_CLASSES


def beat_sequences(records: Sequence[Record], classes: tuple[str, ...], peaks: Peaks | None = None) -> Sequences:
    """Beats of the records, each with its neighbours' shape; grouped by patient.

    Args:
        peaks: beats of the only record, found by a detector; labels are then unknown, as in records without annotations.
    """
    return concatenate([_one(record, classes, peaks) for record in records])


def _one(record: Record, classes: tuple[str, ...], peaks: Peaks | None) -> Sequences:
    if peaks is None and record.samples is None:
        peaks = find_beats(record.signal, record.fs)
    if peaks is not None:
        at, unseen = peaks.samples, peaks.assumed
        labels = np.full(len(at), -1, np.int64)
    else:
        at = np.asarray(record.samples)
        unseen = np.zeros(len(at), bool)
        labels = np.array([_label(s, classes) for s in record.symbols], np.int64)
    beats = segment(record, at, unseen)
    values = _with_neighbours(beats)
    n, length = values.shape[:2]
    return Sequences(
        values=values.reshape(n * length, -1),
        offsets=np.arange(n + 1, dtype=np.int64) * length,
        features=beats.features,
        feature_names=FEATURES,
        channels=CHANNELS,
        labels=labels,
        classes=classes,
        groups=np.full(n, record.owner, dtype=object),
        items=np.array([beat_name(record.name, s) for s in at.tolist()], dtype=object),
        rare="V",
    )


def hidden_parts(data: Sequences, records: Sequence[Record], rows: np.ndarray, n_parts: int) -> list[Sequences]:
    """The beats at ``rows`` with one part of each replaced by the record's median beat, for each of ``n_parts`` parts.

    Windows and features are measured anew, so that every model shows which part of the beat it goes by.
    """
    part = data.take(rows)
    length = int(part.lengths[0])
    names, samples = beat_places(part.items)
    values = [part.values.reshape(len(part), length, -1).copy() for _ in range(n_parts)]
    features = [part.features.copy() for _ in range(n_parts)]
    n_rr = len(RR_FEATURES)
    for record in records:
        own = np.flatnonzero(names == record.name)
        if not len(own) or record.samples is None:
            continue
        shapes = shapes_of(record, record.samples)
        at = np.searchsorted(record.samples, samples[own])
        edges = np.linspace(0, shapes.raw.shape[1], n_parts + 1).astype(np.int64)
        for k in range(n_parts):
            raw = shapes.raw[at].copy()
            raw[:, edges[k] : edges[k + 1]] = shapes.usual[edges[k] : edges[k + 1]]
            values[k][own, :, :2] = shapes.windows(at, raw)
            features[k][own, n_rr:] = shapes.waves(at, raw)
    return [replace(part, values=v.reshape(-1, v.shape[2]), features=f) for v, f in zip(values, features)]


def _with_neighbours(beats: Beats) -> np.ndarray:
    difference = beats.windows[..., 1]
    before, after = np.roll(difference, 1, axis=0), np.roll(difference, -1, axis=0)
    before[0], after[-1] = 0, 0
    return np.stack([beats.windows[..., 0], difference, before, after], axis=-1)


def _label(symbol: str, classes: tuple[str, ...]) -> int:
    if classes == BINARY_CLASSES:
        return int(AAMI.get(symbol) == "V")
    return classes.index(AAMI.get(symbol, "Q"))


def read_new_beats(
    path: Path, plan: dict[str, Any], *, lead: str | None = None, fs: float | None = None, given: bool = False
) -> Unlabelled:
    """A record whose beats are to be told, or ready windows where ``fit`` had such.

    Args:
        given: take the annotated positions of the beats instead of finding them.

    Raises:
        ForecastkitError: the record cannot be used.
    """
    if plan.get("kind") == "wide":
        return read_new_windows(path, plan)
    import pandas as pd

    record = read_record(path, lead=lead, fs=fs)
    if given and record.samples is not None:
        peaks = Peaks(record.samples, np.zeros(len(record.samples), bool))
    else:
        peaks = find_beats(record.signal, record.fs)
    data = beat_sequences([record], tuple(plan["classes"]), peaks)
    seconds = peaks.samples / record.fs
    rr = np.r_[np.nan, np.diff(seconds)]
    table = pd.DataFrame(
        {
            "beat": np.arange(1, len(seconds) + 1), "sample": peaks.samples, "seconds": np.round(seconds, 3), "rr": np.round(rr, 3),
            "readable": np.isfinite(data.features).all(axis=1), "assumed": peaks.assumed,
        }
    )  # fmt: skip
    return Unlabelled(data, table, lambda said: _summary(record, peaks, data, said))


def _summary(record: Record, peaks: Peaks, data: Sequences, said: np.ndarray) -> dict[str, Any]:
    """What a reader of the record wants to know first: how fast, how regular, how many of each kind and how in a row."""
    rr = np.diff(peaks.samples) / record.fs
    v = said == "V"
    edges = np.flatnonzero(np.diff(np.r_[False, v, False].astype(np.int8)))
    runs = edges[1::2] - edges[::2]
    usual = float(np.median(rr)) if len(rr) else float("nan")
    # Every other beat ventricular, over at least six beats.
    turns = np.flatnonzero(np.diff(np.r_[False, v[1:] != v[:-1], False].astype(np.int8)))
    alternating = turns[1::2] - turns[::2]
    return {
        "record": record.name, "lead": record.lead, "minutes": round(record.seconds / 60, 2), "n_beats": len(said),
        "beats": {c: int((said == c).sum()) for c in data.classes},
        "rate_per_minute": round(60 / usual, 1) if usual > 0 else None, "rr_sdnn": round(float(rr.std()), 4) if len(rr) > 1 else None,
        "longest_rr": round(float(rr.max()), 3) if len(rr) else None, "pauses": int((rr > PAUSE).sum()),
        "ventricular_pairs": int((runs == 2).sum()), "ventricular_runs": int((runs >= 3).sum()),
        "longest_ventricular_run": int(runs.max()) if len(runs) else 0, "bigeminy_beats": int((alternating[alternating >= 5] + 1).sum()),
        "unreadable": int((~np.isfinite(data.features).all(axis=1)).sum()), "assumed": int(peaks.assumed.sum()),
        "notes": list(record.notes),
    }  # fmt: skip
