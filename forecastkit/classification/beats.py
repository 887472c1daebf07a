"""Heartbeats as labelled sequences: the task of ECG beats, from records to ``Sequences``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecastkit.classification.ecg import FEATURES, Beats, segment
from forecastkit.classification.records import AAMI, Record
from forecastkit.classification.schema import Sequences, concatenate
from forecastkit.errors import ConfigError

__all__ = ["AAMI_CLASSES", "BINARY_CLASSES", "CHANNELS", "beat_sequences", "class_names"]

BINARY_CLASSES = ("other", "V")
AAMI_CLASSES = ("N", "S", "V", "F", "Q")
CHANNELS = ("beat", "difference", "difference_before", "difference_after")


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


def beat_sequences(
    records: Sequence[Record], classes: tuple[str, ...], *, samples: np.ndarray | None = None
) -> Sequences:
    """Beats of the records, each with its neighbours' shape; grouped by record.

    Args:
        samples: positions of the beats of the only record, found by a detector; their labels are unknown.
    """
    return concatenate([_one(record, classes, samples) for record in records])


def _one(record: Record, classes: tuple[str, ...], samples: np.ndarray | None) -> Sequences:
    at = record.samples if samples is None else samples
    if at is None:
        at = np.zeros(0, np.int64)
    beats = segment(record, at)
    labels = np.full(len(at), -1, np.int64)
    if samples is None:
        labels = np.array([_label(s, classes) for s in record.symbols], np.int64)
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
        groups=np.full(n, record.name, dtype=object),
        items=np.array([f"{record.name}:{s}" for s in at.tolist()], dtype=object),
        rare="V",
    )


def _with_neighbours(beats: Beats) -> np.ndarray:
    difference = beats.windows[..., 1]
    before, after = np.roll(difference, 1, axis=0), np.roll(difference, -1, axis=0)
    before[0], after[-1] = 0, 0
    return np.stack([beats.windows[..., 0], difference, before, after], axis=-1)


def _label(symbol: str, classes: tuple[str, ...]) -> int:
    if classes == BINARY_CLASSES:
        return int(symbol == "V" or AAMI.get(symbol) == "V")
    return classes.index(AAMI.get(symbol, "Q"))
