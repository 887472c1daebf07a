"""Where the heart beats in a lead: R peaks, and beats that may be assumed where the lead was off for a moment.

Shapes: R samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.classification.ecg import RATE, clean, moving_mean
from forecastkit.classification.record import Record

__all__ = ["Peaks", "detect_r_peaks", "find_beats", "match_peaks", "peak_table"]

LONGEST_ASSUMED = 6.0
"""Seconds without a signal over which beats are assumed; longer, and nobody knows."""
REGULAR = 0.12
"""How far the gap may be from a whole number of the usual RR intervals, as a share of one."""
THROWN = 8.0
"""Robust deviations of the baseline beyond which an electrode has moved."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """Beats of a lead.

    Args:
        samples: [B] int64 positions in the signal's own samples, ascending.
        assumed: [B] True where the lead was off and the rhythm before and after says that a beat was there.
    """

    samples: np.ndarray
    assumed: np.ndarray


def find_beats(signal: np.ndarray, fs: float) -> Peaks:
    """R peaks, and assumed beats where an electrode was off for up to six seconds amid a regular rhythm.

    A pause of the heart is never filled: beats are assumed only where the baseline was thrown, or the signal stood at
    the end of its range, and the gap is a whole number of the RR intervals around it.
    """
    found = detect_r_peaks(signal, fs)
    extra = _assumed(np.asarray(signal, np.float64), fs, found)
    samples = np.r_[found, extra].astype(np.int64)
    order = np.argsort(samples, kind="stable")
    return Peaks(samples[order], np.r_[np.zeros(len(found), bool), np.ones(len(extra), bool)][order])


def _assumed(x: np.ndarray, fs: float, found: np.ndarray) -> np.ndarray:
    gaps = np.diff(found) / fs
    if len(gaps) < 5:
        return np.zeros(0, np.int64)
    baseline = moving_mean(x, max(3, round(0.4 * fs)))
    centre = float(np.median(baseline))
    spread = 1.4826 * float(np.median(np.abs(baseline - centre)))
    low, high = float(x.min()), float(x.max())
    out: list[int] = []
    for k, gap in enumerate(gaps.tolist()):
        around = np.r_[gaps[max(0, k - 4) : k], gaps[k + 1 : k + 5]]
        usual = float(np.median(around))
        n = round(gap / usual)
        if n < 2 or gap > LONGEST_ASSUMED or abs(gap / usual - n) > REGULAR * n**0.5:
            continue
        part = slice(int(found[k]) + round(0.1 * fs), int(found[k + 1]) - round(0.1 * fs))
        thrown = float(np.abs(baseline[part] - centre).max()) > THROWN * max(spread, 1e-9)
        railed = int(((x[part] == low) | (x[part] == high)).sum()) >= 0.1 * fs
        if thrown or railed:
            out += np.round(found[k] + (found[k + 1] - found[k]) * np.arange(1, n) / n).astype(int).tolist()
    return np.array(out, np.int64)


def detect_r_peaks(signal: np.ndarray, fs: float) -> np.ndarray:
    """Positions of R peaks in ``signal``'s own samples, int64, ascending.

    Energy of the QRS band, averaged over a QRS, must exceed its average over a beat. The offset above that average is a
    share of the local level, so that a burst of noise elsewhere changes nothing here; what is left is checked against
    the typical height around it and against the refractory period.

    Source: two moving averages after Elgendi (2013), doi:10.1371/journal.pone.0073557.
    """
    from scipy.signal import butter, sosfiltfilt

    x = clean(signal, fs)
    quick = sosfiltfilt(butter(2, [8.0, 20.0], "bandpass", fs=RATE, output="sos"), x, padlen=min(len(x) - 1, int(RATE)))
    energy = quick**2
    # One artefact must not lift the level of its neighbours: cap at many times the usual energy.
    energy = np.minimum(energy, 8 * np.quantile(energy, 0.97))
    at, size = _bursts(energy)
    if not len(at):
        return np.zeros(0, np.int64)
    at, size = _plausible(at, size)
    at = _search_back(x, energy, at)
    at = _on_peak(x, at)
    return np.unique(np.clip(np.round(at * fs / RATE).astype(np.int64), 0, len(signal) - 1))


def _bursts(energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(position, height) of stretches where the energy of a QRS stands out from that of a beat."""
    n_qrs, n_beat = round(0.1 * RATE), round(0.61 * RATE)
    short, long = moving_mean(energy, n_qrs), moving_mean(energy, n_beat)
    over = short > long + 0.08 * moving_mean(energy, round(10 * RATE))
    edges = np.flatnonzero(np.diff(np.r_[False, over, False].astype(np.int8)))
    blocks = [(a, b) for a, b in zip(edges[::2], edges[1::2]) if b - a >= 0.5 * n_qrs]
    at = np.array([a + int(np.argmax(energy[a:b])) for a, b in blocks], np.int64)
    return at, np.array([short[a:b].max() for a, b in blocks])


def _plausible(at: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drops T waves and noise: far smaller than the neighbours, too soon after a larger one, or weak and between two
    beats whose distance is the usual one without it.
    """
    usual = np.array([np.median(size[max(0, k - 8) : k + 9]) for k in range(len(size))])
    chosen: list[int] = []
    for k in np.flatnonzero(size > 0.05 * usual).tolist():
        if chosen and at[k] - at[chosen[-1]] < 0.25 * RATE:
            if size[k] > size[chosen[-1]]:
                chosen[-1] = k
            continue
        chosen.append(k)
    at, size, usual = at[chosen], size[chosen], usual[chosen]
    strong = at[size >= 0.35 * usual]
    if len(strong) < 3:
        return at, size
    gaps = np.diff(strong)
    rhythm = np.interp(
        at, (strong[1:] + strong[:-1]) / 2, [np.median(gaps[max(0, k - 8) : k + 9]) for k in range(len(gaps))]
    )
    keep = np.ones(len(at), bool)
    for k in np.argsort(size / np.maximum(usual, 1e-30)):
        if size[k] >= 0.35 * usual[k]:
            break
        left, right = np.flatnonzero(keep[:k]), np.flatnonzero(keep[k + 1 :])
        if not len(left) or not len(right):
            keep[k] = size[k] >= 0.15 * usual[k]
            continue
        a, b = at[left[-1]], at[k + 1 + right[0]]
        keep[k] = not (b - a < 1.35 * rhythm[k] or at[k] - a < 0.36 * RATE)
    return at[keep], size[keep]


def _search_back(x: np.ndarray, energy: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Beats in gaps of over 2.6 usual distances, judged by the level within the gap alone; none smaller than 0.08 mV."""
    gaps = np.diff(at)
    if len(gaps) < 5:
        return at
    found: list[int] = []
    margin = round(0.3 * RATE)
    for k, gap in enumerate(gaps.tolist()):
        usual = float(np.median(gaps[max(0, k - 8) : k + 9]))
        if gap < 2.6 * usual or gap < 4 * margin:
            continue
        lo, hi = int(at[k]) + margin, int(at[k + 1]) - margin
        inside = np.minimum(energy[lo:hi], 30 * np.median(energy[lo:hi]))
        places, sizes = _bursts(inside)
        last = int(at[k])
        for place, _ in sorted(zip(places.tolist(), sizes.tolist())):
            here = lo + place
            tall = float(np.ptp(x[max(0, here - 15) : here + 15])) >= 0.08
            if tall and here - last >= 0.6 * usual and int(at[k + 1]) - here >= 0.6 * usual:
                found.append(here)
                last = here
    return np.sort(np.r_[at, np.array(found, np.int64)])


def _on_peak(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The largest deflection within 50 ms."""
    reach = round(0.05 * RATE)
    around = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, len(x) - 1)
    return at + np.argmax(np.abs(x[around]), axis=1) - reach


def match_peaks(found: np.ndarray, reference: np.ndarray, fs: float, *, within: float = 0.075) -> tuple[int, int, int]:
    """(matched, missed, invented) of one-to-one matches within ``within`` seconds."""
    i = j = matched = 0
    reach = within * fs
    while i < len(found) and j < len(reference):
        gap = found[i] - reference[j]
        if abs(gap) <= reach:
            matched, i, j = matched + 1, i + 1, j + 1
        elif gap < 0:
            i += 1
        else:
            j += 1
    return matched, len(reference) - matched, len(found) - matched


def peak_table(records: Sequence[Record]) -> list[dict[str, Any]]:
    """How the detector does against the annotations of each record, within 75 ms.

    ``missed``, ``invented``, ``sensitivity`` and ``ppv`` count all beats that ``find_beats`` names; ``assumed`` of them
    lie where the lead was off, and ``sensitivity_seen`` leaves those out.
    """
    rows = []
    for r in records:
        if r.samples is None or not len(r.samples):
            continue
        peaks = find_beats(r.signal, r.fs)
        hit, missed, invented = match_peaks(peaks.samples, r.samples, r.fs)
        seen, unseen, _ = match_peaks(peaks.samples[~peaks.assumed], r.samples, r.fs)
        rows.append(
            {
                "record": r.name, "n": len(r.samples), "missed": missed, "invented": invented,
                "assumed": int(peaks.assumed.sum()), "sensitivity": hit / max(hit + missed, 1),
                "ppv": hit / max(hit + invented, 1), "sensitivity_seen": seen / max(seen + unseen, 1),
            }
        )  # fmt: skip
    return rows
