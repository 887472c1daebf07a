"""Pieces of an ECG around what went wrong, for the report to draw; positions and names only, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecastkit.classification.ecg import RATE, beat_places, clean
from forecastkit.classification.record import Record
from forecastkit.classification.schema import Sequences

__all__ = ["beat_strips", "lead_strips"]

N_STRIPS, STRIP_SECONDS = 8, 6.0
MOST_OF_ONE = 2


def beat_strips(
    data: Sequences, records: Sequence[Record], wrong: np.ndarray, said: np.ndarray
) -> list[dict[str, Any]]:
    """Six seconds around each of the surest mistakes, at most two a record.

    Args:
        wrong: positions of mistakes, the most telling first.
        said: [N] names of classes.
    """
    by_name = {r.name: r for r in records}
    names, samples = beat_places(data.items)
    cleaned: dict[str, np.ndarray] = {}
    used: dict[str, list[float]] = {}
    strips: list[dict[str, Any]] = []
    for at in wrong.tolist():
        name = str(names[at])
        record = by_name[name]
        second = float(samples[at]) / record.fs
        near = used.setdefault(name, [])
        if len(near) >= MOST_OF_ONE or any(abs(second - s) < STRIP_SECONDS for s in near):
            continue
        near.append(second)
        if name not in cleaned:
            cleaned[name] = clean(record.signal, record.fs)
        start = min(max(0.0, second - STRIP_SECONDS / 2), max(record.seconds - STRIP_SECONDS, 0.0))
        own = np.flatnonzero(names == name)
        times = samples[own] / record.fs - start
        inside = (times >= 0) & (times < STRIP_SECONDS)
        marks = [
            {"t": float(t), "true": data.classes[data.labels[i]], "said": str(said[i]), "here": bool(i == at)}
            for t, i in zip(times[inside], own[inside])
        ]
        true = data.classes[data.labels[at]]
        strips.append(_piece(cleaned[name], record, start, STRIP_SECONDS, marks, true, str(said[at])))
        if len(strips) == N_STRIPS:
            break
    return strips


def lead_strips(
    data: Sequences, pieces: Sequence[tuple[Record, float]], wrong: np.ndarray, said: np.ndarray, seconds: float
) -> list[dict[str, Any]]:
    """The whole lead of each of the surest mistakes.

    Args:
        pieces: [N] record of each sequence, and the second at which it begins there.
    """
    strips = []
    for at in wrong[:N_STRIPS].tolist():
        record, start = pieces[at]
        x = clean(record.signal, record.fs)
        strips.append(_piece(x, record, start, seconds, [], data.classes[data.labels[at]], str(said[at])))
    return strips


def _piece(
    x: np.ndarray, record: Record, start: float, seconds: float, marks: list[dict[str, Any]], true: str, said: str
) -> dict[str, Any]:
    lo, hi = int(start * RATE), int((start + seconds) * RATE)
    return {
        "record": record.name, "lead": record.lead, "start": start, "rate": RATE / 2, "mv": np.round(x[lo:hi:2], 3), "marks": marks,
        "true": true, "said": said,
    }  # fmt: skip
