"""The rhythm of a short lead (10 s) as a labelled sequence: one patient, one sequence of beats.

Atrial fibrillation has RR intervals without order and no P waves; both are measured against the record's own median beat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecastkit.classification.ecg import RATE, clean, detect_r_peaks
from forecastkit.classification.records import Record
from forecastkit.classification.schema import Sequences
from forecastkit.errors import DataError

__all__ = ["RHYTHM_FEATURES", "rhythm_sequences"]

RHYTHM_FEATURES = (
    "rr_mean", "rr_cv", "rr_rmssd", "rr_turns", "rr_spread", "p_height", "p_match", "p_steady", "f_energy",
)  # fmt: skip
CHANNELS = ("rr", "rr_change", "p_match")
FEWEST_BEATS = 4


def rhythm_sequences(
    records: Sequence[Record], labels: Sequence[str | None], classes: tuple[str, ...], *, rare: str = ""
) -> Sequences:
    """One sequence a record: RR intervals and P waves beat by beat, and what they come to.

    Args:
        labels: one of ``classes`` for each record; None = not known.

    Raises:
        DataError: a record in which fewer than four beats are found.
    """
    parts, features = [], []
    for record in records:
        steps, summary = _measure(record)
        parts.append(steps)
        features.append(summary)
    lengths = np.array([len(p) for p in parts], np.int64)
    names = np.array([r.name for r in records], dtype=object)
    return Sequences(
        values=np.concatenate(parts).astype(np.float32),
        offsets=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        features=np.array(features, np.float32),
        feature_names=RHYTHM_FEATURES,
        channels=CHANNELS,
        labels=np.array([classes.index(c) if c is not None else -1 for c in labels], np.int64),
        classes=classes,
        groups=names,
        items=names,
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
    match = _correlation(p, usual)
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


def _correlation(rows: np.ndarray, usual: np.ndarray) -> np.ndarray:
    a, b = rows - rows.mean(axis=1, keepdims=True), usual - usual.mean()
    size = np.sqrt((a**2).sum(axis=1) * float((b**2).sum()))
    out: np.ndarray = (a @ b) / np.maximum(size, 1e-9)
    return out
