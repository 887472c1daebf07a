"""From an ECG record to beats: filter, windows, RR intervals and wave features.

Everything of a beat is measured against its own record: RR intervals against the running median, waves against the
median of the record's beats that do not come early. That uses the whole record but no label, and is what carries over
to a patient never seen.
Shapes: R samples, B beats, L samples a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from forecastkit.classification.record import Record
from forecastkit.errors import DataError

__all__ = [
    "FEATURES",
    "RATE",
    "RR_FEATURES",
    "Beats",
    "Shapes",
    "beat_name",
    "beat_places",
    "clean",
    "correlation",
    "moving_mean",
    "segment",
    "shapes_of",
]

RATE = 250.0
"""Samples a second of everything after ``clean``."""

BEFORE, AFTER, STRIDE = 0.28, 0.52, 2
RR_CONTEXT = 10
NOT_EARLY = 0.92
"""Share of the usual RR interval from which a beat is not early."""
RR_FEATURES = ("rr_before", "rr_after", "rr_before_2", "rr_after_2", "rr_ratio", "rr_change")
WAVE_FEATURES = (
    "match", "match_before", "match_after", "difference", "height", "depth", "span", "area", "width", "slope",
    "p_wave", "t_match", "t_size", "early_energy",
)  # fmt: skip
FEATURES = RR_FEATURES + WAVE_FEATURES
FEWEST_BEATS = 5
FAINTEST = 0.15
"""Heights of the median QRS under which a beat is taken for a lost lead."""
MOST_MOVED = 1.25
"""Heights of the median QRS by which the baseline may move around a beat: a wide beat moves its mean by up to one."""


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
    from scipy.signal import butter, sosfiltfilt

    x = _resampled(signal, fs)
    band = butter(2, [0.5, 40.0], "bandpass", fs=RATE, output="sos")
    out: np.ndarray = sosfiltfilt(band, x, padlen=min(len(x) - 1, int(RATE)))
    return out


def _resampled(signal: np.ndarray, fs: float) -> np.ndarray:
    """At ``RATE``, float64."""
    x = np.asarray(signal, np.float64)
    if abs(fs - RATE) <= 1e-9:
        return x
    from fractions import Fraction

    from scipy.signal import resample_poly

    ratio = Fraction(RATE / fs).limit_denominator(2000)
    out: np.ndarray = resample_poly(x - np.median(x), ratio.numerator, ratio.denominator, padtype="line")
    return out


def beat_name(record: str, sample: int) -> str:
    """What a beat is called in results."""
    return f"{record}:{sample}"


def beat_places(names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """(record [B] text, sample [B] int64) of beats by their names."""
    pairs = [str(name).rsplit(":", 1) for name in names]
    return np.array([record for record, _ in pairs], dtype=object), np.array([int(at) for _, at in pairs], np.int64)


def moving_mean(x: np.ndarray, n: int) -> np.ndarray:
    """Mean over ``n`` samples around each; the ends go on as they are."""
    from scipy.ndimage import uniform_filter1d

    out: np.ndarray = uniform_filter1d(x, n, mode="nearest")
    return out


@dataclass(frozen=True, eq=False)
class Shapes:
    """Beats of one record as they are measured, before they are described.

    Args:
        at: [B] where the QRS stands, at ``RATE``.
        readable: [B] see ``Beats``.
        raw: [B, W] in heights of the median QRS; the median beat where a beat is not readable.
        usual: [W] the median beat.
    """

    at: np.ndarray
    readable: np.ndarray
    raw: np.ndarray
    usual: np.ndarray

    def windows(self, rows: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """[n, L, 2] float32 of ``rows``, whose waves are ``raw`` [n, W]."""
        pair = np.stack([raw, raw - self.usual], axis=-1)[:, ::STRIDE]
        return np.clip(pair, -8, 8).astype(np.float32)

    def waves(self, rows: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """[n, len(WAVE_FEATURES)] of ``rows``; NaN where nothing is to be read."""
        n = len(self.raw)
        before, after = self.raw[np.maximum(rows - 1, 0)], self.raw[np.minimum(rows + 1, n - 1)]
        found = _waves(raw, self.usual, before, after, round(BEFORE * RATE))
        return np.where(self.readable[rows, None], found, np.nan)


def segment(record: Record, samples: np.ndarray, unseen: np.ndarray | None = None) -> Beats:
    """Windows and features of the beats at ``samples``; errors as ``shapes_of``."""
    shapes = shapes_of(record, samples, unseen)
    every = np.arange(len(samples))
    features = np.column_stack([_rr(shapes.at), shapes.waves(every, shapes.raw)]).astype(np.float32)
    windows = shapes.windows(every, shapes.raw)
    return Beats(np.asarray(samples, np.int64), shapes.readable, windows, features)


def shapes_of(record: Record, samples: np.ndarray, unseen: np.ndarray | None = None) -> Shapes:
    """The beats at ``samples``, cut out and brought to one size.

    Args:
        unseen: [B] True where no wave is to be read, whatever the signal looks like.

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
    raw = padded[(at + n_before + 25)[:, None] + np.arange(-n_before, n_after)]
    usual = np.median(raw[_calm(at)], axis=0)
    qrs = slice(n_before - round(0.06 * RATE), n_before + round(0.08 * RATE))
    height = float(np.ptp(usual[qrs])) or float(np.ptp(usual)) or 1.0
    readable = np.ptp(raw[:, qrs], axis=1) >= FAINTEST * height
    readable &= _moved(record, at) < MOST_MOVED * height
    if unseen is not None:
        readable &= ~unseen
    # What cannot be read looks like the median beat to a network, and is unknown to a table.
    shown = np.where(readable[:, None], raw / height, usual / height)
    return Shapes(at, readable, shown, usual / height)


def _calm(at: np.ndarray) -> np.ndarray:
    """[B] beats that do not come early: of these the median beat is made, since ventricular ones mostly do.

    In bigeminy every other beat is ventricular, and the median over all would be neither the one nor the other.
    """
    calm = _rr(at)[:, 0] >= NOT_EARLY
    return calm if calm.sum() >= max(FEWEST_BEATS, 0.2 * len(at)) else np.ones(len(at), bool)


def _moved(record: Record, at: np.ndarray) -> np.ndarray:
    """[B] mV by which the baseline within 0.4 s of a beat is away from where it is around: an electrode that moves."""
    from scipy.ndimage import maximum_filter1d, median_filter

    baseline = moving_mean(_resampled(record.signal, record.fs), round(0.4 * RATE))
    coarse = baseline[:: round(RATE / 10)]
    place = np.arange(len(coarse)) * round(RATE / 10)
    usual = np.interp(np.arange(len(baseline)), place, median_filter(coarse, size=201, mode="nearest"))
    away = maximum_filter1d(np.abs(baseline - usual), round(0.8 * RATE))
    out: np.ndarray = away[np.clip(at, 0, len(away) - 1)]
    return out


def _aligned(padded: np.ndarray, at: np.ndarray, n_before: int, n_after: int) -> np.ndarray:
    """Beats moved by up to 60 ms, so that the steepest and highest part of the QRS stands at the same place."""
    reach = round(0.06 * RATE)
    slope = np.abs(np.gradient(padded))
    energy = moving_mean(slope, round(0.05 * RATE))
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


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[rows] of a and b, row by row; b may be one row."""
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    out: np.ndarray = (a * b).sum(axis=-1) / np.maximum(size, 1e-9)
    return out


def _waves(raw: np.ndarray, usual: np.ndarray, raw_before: np.ndarray, raw_after: np.ndarray, zero: int) -> np.ndarray:
    """Shape against the median beat and the neighbours: [B, len(WAVE_FEATURES)]; ratios and correlations without a unit."""
    qrs = slice(zero - round(0.1 * RATE), zero + round(0.12 * RATE))
    p, t = slice(0, zero - round(0.08 * RATE)), slice(zero + round(0.14 * RATE), raw.shape[1])
    q, u, before, after = raw[:, qrs], usual[qrs], raw_before[:, qrs], raw_after[:, qrs]
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
        correlation(q, u),
        correlation(q, before),
        correlation(q, after),
        np.sqrt(((raw[:, wide] - usual[wide]) ** 2).mean(axis=1)),
        q.max(axis=1) - u.max(),
        q.min(axis=1) - u.min(),
        ptp / max(float(np.ptp(u)), 1e-6),
        area / max(float(np.abs(u - np.median(u)).sum()), 1e-6),
        width(q) / max(float(width(u[None])[0]), 1.0),
        steep(q) / max(float(steep(u[None])[0]), 1e-6),
        correlation(raw[:, p], usual[p]),
        correlation(raw[:, t], usual[t]),
        np.ptp(raw[:, t], axis=1) - float(np.ptp(usual[t])),
        raw[:, p].std(axis=1) - usual[p].std(),
    ]
    return np.clip(np.stack(columns, axis=1), -8, 8)
