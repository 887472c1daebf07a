"""From an ECG record to beats: filter, R peaks, windows, RR intervals and wave features.

Everything of a beat is measured against its own record: RR intervals against the running median, waves against the
record's median beat. That uses the whole record but no label, and is what carries over to a patient never seen.
Shapes: R samples, B beats, L samples a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecastkit.classification.records import Record
from forecastkit.errors import DataError

__all__ = ["FEATURES", "RATE", "RR_FEATURES", "Beats", "clean", "detect_r_peaks", "match_peaks", "segment"]

RATE = 250.0
"""Samples a second of everything after ``clean``."""

BEFORE, AFTER, STRIDE = 0.28, 0.52, 2
RR_CONTEXT = 10
RR_FEATURES = ("rr_before", "rr_after", "rr_before_2", "rr_after_2", "rr_ratio", "rr_change")
WAVE_FEATURES = (
    "match", "match_before", "match_after", "difference", "height", "depth", "span", "area", "width", "slope",
    "p_wave", "t_match", "t_size", "early_energy",
)  # fmt: skip
FEATURES = RR_FEATURES + WAVE_FEATURES
FEWEST_BEATS = 5
FAINTEST = 0.15
"""Heights of the median QRS under which a beat is taken for a lost lead."""


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats of one record.

    Args:
        samples: [B] positions in the record's own samples.
        readable: [B] whether there is a wave to see: a lead that fell off leaves noise that must not be read as a shape.
        windows: [B, L, 2] the beat, and its difference to the record's median beat, in heights of that median's QRS.
        features: [B, len(FEATURES)].
    """

    samples: np.ndarray
    readable: np.ndarray
    windows: np.ndarray
    features: np.ndarray


def clean(signal: np.ndarray, fs: float) -> np.ndarray:
    """Baseline wander and noise removed without shifting a wave, at ``RATE``: 0.5 to 40 Hz, both ways; float64."""
    from scipy.signal import butter, resample_poly, sosfiltfilt

    x = np.asarray(signal, np.float64)
    if abs(fs - RATE) > 1e-9:
        from fractions import Fraction

        ratio = Fraction(RATE / fs).limit_denominator(2000)
        x = resample_poly(x - np.median(x), ratio.numerator, ratio.denominator, padtype="line")
    band = butter(2, [0.5, 40.0], "bandpass", fs=RATE, output="sos")
    out: np.ndarray = sosfiltfilt(band, x, padlen=min(len(x) - 1, int(RATE)))
    return out


def _moving_mean(x: np.ndarray, n: int) -> np.ndarray:
    from scipy.ndimage import uniform_filter1d

    out: np.ndarray = uniform_filter1d(x, n, mode="nearest")
    return out


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
    short, long = _moving_mean(energy, n_qrs), _moving_mean(energy, n_beat)
    over = short > long + 0.08 * _moving_mean(energy, round(10 * RATE))
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


def segment(record: Record, samples: np.ndarray) -> Beats:
    """Windows and features of the beats at ``samples``.

    Raises:
        DataError: too few beats to know what is usual in this record.
    """
    if len(samples) < FEWEST_BEATS:
        raise DataError(
            place=f"record {record.name}",
            value=f"{len(samples)} beats",
            rule=f"at least {FEWEST_BEATS} are needed to know what is usual in a record",
        )
    x = clean(record.signal, record.fs)
    at = np.clip(np.round(np.asarray(samples) * RATE / record.fs).astype(np.int64), 0, len(x) - 1)
    n_before, n_after = round(BEFORE * RATE), round(AFTER * RATE)
    padded = np.pad(x, (n_before + 25, n_after + 25), mode="edge")
    at = _aligned(padded, at, n_before, n_after)
    steps = np.arange(-n_before, n_after)
    raw = padded[(at + n_before + 25)[:, None] + steps]
    usual = np.median(raw, axis=0)
    qrs = slice(n_before - round(0.06 * RATE), n_before + round(0.08 * RATE))
    height = float(np.ptp(usual[qrs])) or float(np.ptp(usual)) or 1.0
    raw, usual = raw / height, usual / height
    readable = np.ptp(raw[:, qrs], axis=1) >= FAINTEST
    waves = np.where(readable[:, None], _waves(raw, usual, n_before), np.nan)
    features = np.column_stack([_rr(at), waves]).astype(np.float32)
    # What cannot be read looks like the median beat to a network, and is unknown to a table.
    shown = np.where(readable[:, None], raw, usual)
    windows = np.stack([shown, shown - usual], axis=-1)[:, ::STRIDE].astype(np.float32)
    return Beats(np.asarray(samples, np.int64), readable, np.clip(windows, -8, 8), features)


def _aligned(padded: np.ndarray, at: np.ndarray, n_before: int, n_after: int) -> np.ndarray:
    """Beats moved by up to 60 ms, so that the steepest and highest part of the QRS stands at the same place."""
    reach = round(0.06 * RATE)
    slope = np.abs(np.gradient(padded))
    energy = _moving_mean(slope, round(0.05 * RATE))
    around = at[:, None] + n_before + 25 + np.arange(-reach, reach + 1)
    return at + np.argmax(energy[np.clip(around, 0, len(padded) - 1)], axis=1) - reach


def _rr(at: np.ndarray) -> np.ndarray:
    """RR intervals before and after, over the running median of the neighbours: [B, len(RR_FEATURES)]."""
    gaps = np.diff(at).astype(np.float64)
    n = len(at)
    usual = np.array([np.median(gaps[max(0, k - RR_CONTEXT) : k + RR_CONTEXT]) for k in range(n)])
    usual = np.maximum(usual, 1.0)

    def side(shift: int) -> np.ndarray:
        """Gap number k + shift, the running median beyond the ends."""
        k = np.arange(n) + shift
        inside = (k >= 0) & (k < n - 1)
        return np.where(inside, gaps[np.clip(k, 0, n - 2)], usual)

    before, after = side(-1), side(0)
    columns = [
        before / usual,
        after / usual,
        side(-2) / usual,
        side(1) / usual,
        before / np.maximum(after, 1),
        before / np.maximum(side(-2), 1),
    ]
    return np.clip(np.stack(columns, axis=1), 0.1, 5.0)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row; b may be one row."""
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    out: np.ndarray = (a * b).sum(axis=-1) / np.maximum(size, 1e-9)
    return out


def _waves(raw: np.ndarray, usual: np.ndarray, zero: int) -> np.ndarray:
    """Shape against the median beat: [B, len(WAVE_FEATURES)]; all ratios or correlations, so no unit is left."""
    qrs = slice(zero - round(0.1 * RATE), zero + round(0.12 * RATE))
    p, t = slice(0, zero - round(0.08 * RATE)), slice(zero + round(0.14 * RATE), raw.shape[1])
    q, u = raw[:, qrs], usual[qrs]
    before, after = np.roll(q, 1, axis=0), np.roll(q, -1, axis=0)
    before[0], after[-1] = q[0], q[-1]
    ptp = np.ptp(q, axis=1)

    def width(w: np.ndarray) -> np.ndarray:
        """Share of the steps that stand out from the beat's own middle by over a quarter of its height."""
        middle = np.median(w, axis=-1, keepdims=True)
        out: np.ndarray = (np.abs(w - middle) > 0.25 * np.ptp(w, axis=-1, keepdims=True)).sum(axis=-1)
        return out

    def steep(w: np.ndarray) -> np.ndarray:
        out: np.ndarray = np.abs(np.diff(w, axis=-1)).max(axis=-1)
        return out

    area = np.abs(q - np.median(q, axis=1, keepdims=True)).sum(axis=1)
    wide = slice(zero - round(0.12 * RATE), zero + round(0.3 * RATE))
    columns = [
        _correlation(q, u),
        _correlation(q, before),
        _correlation(q, after),
        np.sqrt(((raw[:, wide] - usual[wide]) ** 2).mean(axis=1)),
        q.max(axis=1) - u.max(),
        q.min(axis=1) - u.min(),
        ptp / max(float(np.ptp(u)), 1e-6),
        area / max(float(np.abs(u - np.median(u)).sum()), 1e-6),
        width(q) / max(float(width(u[None])[0]), 1.0),
        steep(q) / max(float(steep(u[None])[0]), 1e-6),
        _correlation(raw[:, p], usual[p]),
        _correlation(raw[:, t], usual[t]),
        np.ptp(raw[:, t], axis=1) - float(np.ptp(usual[t])),
        raw[:, p].std(axis=1) - usual[p].std(),
    ]
    return np.clip(np.stack(columns, axis=1), -8, 8)
