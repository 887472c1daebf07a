"""What deserves a look: split-like jumps, spikes, sentinels, constant series. Flagged, never repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.reading.values import Note, several

__all__ = ["Findings", "look"]

SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0, 100.0)
SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -999.9, -999.99, 999.0, 9999.0, 99999.0, 999999.0, -32768.0)
MOST = 20
LARGE = float(np.exp(0.35))


@dataclass(frozen=True)
class Findings:
    """Rows that deserve a look; rows are positions in the sorted table.

    Args:
        jumps: (row, factor).
        spikes: rows.
        sentinels: (value, count, first row).
        constant: item codes.
    """

    jumps: tuple[tuple[int, float], ...] = ()
    spikes: tuple[int, ...] = ()
    n_spikes: int = 0
    sentinels: tuple[tuple[float, int, int], ...] = ()
    constant: tuple[int, ...] = ()


def look(values: np.ndarray, bounds: np.ndarray) -> Findings:
    """Look through a panel.

    Args:
        values: [N] float64, rows sorted by item and time, NaN = missing.
        bounds: [I + 1] first row of each item and the end.
    """
    if not len(values):
        return Findings()
    rows = np.flatnonzero(np.isfinite(values))
    seen = values[rows]
    item = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    item = item if len(rows) == len(item) else item[rows]
    same = item[1:] == item[:-1]
    jumps = _jumps(seen, rows, item, same)
    spikes = _spikes(seen, rows, item, same)
    return Findings(
        tuple(jumps), tuple(spikes[:MOST]), len(spikes), tuple(_sentinels(seen, rows)), _constant(values, bounds)
    )


def _jumps(y: np.ndarray, rows: np.ndarray, item: np.ndarray, same: np.ndarray) -> list[tuple[int, float]]:
    """Steps by a factor that splits have, in a positive series that otherwise moves little and does not come back."""
    if len(y) < 10 or (y <= 0).mean() > 0.001:
        return []
    # Few steps are large; logarithms are taken of those and of their neighbours only.
    large = np.flatnonzero(((y[1:] > LARGE * y[:-1]) | (LARGE * y[1:] < y[:-1])) & same & (y[1:] > 0) & (y[:-1] > 0))
    spread = _spread_of_items(y, item, large)

    def ratio(k: int) -> float:
        inside = 0 <= k < len(same) and same[k] and y[k] > 0 and y[k + 1] > 0
        return float(np.log(y[k + 1] / y[k])) if inside else 0.0

    out = []
    for k in large[np.abs(np.log(y[large + 1] / y[large])) > 8 * spread][:1000]:
        step, own = ratio(k), spread[np.searchsorted(large, k)]
        comes_back = any(abs(n) > 0.5 * abs(step) and n * step < 0 for n in (ratio(k - 1), ratio(k + 1)))
        if np.abs(abs(step) - np.log(SPLITS)).min() < 0.08 + own and not comes_back:
            out.append((int(rows[k + 1]), float(np.exp(step))))
    return out[:MOST]


def _sample(values: np.ndarray) -> np.ndarray:
    """At most 100,000 values at an even, odd pace (so that no season is hit): enough for a median."""
    return values[:: len(values) // 100_000 | 1]


def _spread_of_items(y: np.ndarray, item: np.ndarray, large: np.ndarray) -> np.ndarray:
    """[len(large)] robust standard deviation of the logarithmic steps of each large step's item."""
    spread = np.zeros(len(large))
    edges = np.flatnonzero(np.r_[True, np.diff(item[large]) != 0, True]) if len(large) else np.zeros(1, np.int64)
    for lo, hi in zip(edges[:-1], edges[1:]):
        code = item[large[lo]]
        first, last = np.searchsorted(item, (code, code + 1))
        at = _sample(np.arange(first, last - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.log(y[at + 1] / y[at])
        spread[lo:hi] = 1.4826 * np.median(np.abs(np.where(np.isfinite(steps), steps, 0.0)))
    return spread


def _spikes(y: np.ndarray, rows: np.ndarray, item: np.ndarray, same: np.ndarray) -> list[int]:
    """Rows far from both neighbours on the same side: 15 robust deviations of the series' steps, and 5 of its values."""
    if len(y) < 10:
        return []
    step = np.where(same, np.diff(y), 0.0)
    bounds = np.flatnonzero(np.r_[True, np.diff(item) != 0, True])
    out: list[int] = []
    for lo, hi in zip(bounds[:-1], bounds[1:]):
        if hi - lo < 10:
            continue
        own, values = step[lo : hi - 1], y[lo:hi]
        some = _sample(own)
        deviation = 1.4826 * np.median(np.abs(some - np.median(some)))
        if deviation == 0:
            # Most steps are alike (counts, calendars): the rarer ones give the scale.
            deviation = float(np.quantile(np.abs(some - np.median(some)), 0.9))
        if deviation == 0:
            continue
        both = (np.abs(own[:-1]) > 15 * deviation) & (np.abs(own[1:]) > 15 * deviation) & (own[:-1] * own[1:] < 0)
        hits = np.flatnonzero(both) + 1
        if not len(hits):
            continue
        # A series that has grown manifold moves more now than it used to: neighbours tell how much.
        near = np.array([np.median(np.abs(own[max(0, h - 25) : h + 25])) for h in hits])
        calm = np.minimum(np.abs(own[hits - 1]), np.abs(own[hits])) > 15 * 1.4826 * near
        hits = hits[calm]
        middle = np.median(values)
        wide = np.abs(values - middle) > 5 * 1.4826 * np.median(np.abs(values - middle))
        out += [int(r) for r in rows[lo + hits[wide[hits]]]]
    return out


def _sentinels(y: np.ndarray, rows: np.ndarray) -> list[tuple[float, int, int]]:
    """Codes such as -999 that stand far from everything else."""
    out = []
    for code in SENTINELS:
        is_code = y == code
        n = int(is_code.sum())
        if n == 0 or n > 0.5 * len(y):
            continue
        rest = y[~is_code]
        lo, hi = float(rest.min()), float(rest.max())
        span = max(hi - lo, abs(hi), abs(lo), 1e-9)
        beyond = max(lo - code, code - hi)
        only_negative = code < 0 <= lo and (abs(code) > 9 or n > 1)
        if beyond > 0 and (beyond > 0.5 * span or only_negative):
            out.append((code, n, int(rows[np.flatnonzero(is_code)[0]])))
    return out


def _constant(values: np.ndarray, bounds: np.ndarray) -> tuple[int, ...]:
    low = np.fmin.reduceat(values, bounds[:-1])
    high = np.fmax.reduceat(values, bounds[:-1])
    return tuple(int(i) for i in np.flatnonzero((low == high) & (np.diff(bounds) > 1)))


def notes_of(facts: dict[str, Any]) -> list[Note]:
    """Findings as sentences."""
    out = []
    if facts["jumps"]:
        first = facts["jumps"][0]
        n = len(facts["jumps"])
        text = f"{n} split-like {'jump' if n == 1 else 'jumps'}, the first by a factor of {first['factor']:.3g}"
        out.append(Note("warning", text, f"{first['item_id']}, {first['timestamp']}"))
    if facts["n_spikes"]:
        first = facts["spikes"][0]
        out.append(Note("warning", several(facts["n_spikes"], "spike"), f"{first['item_id']}, {first['timestamp']}"))
    for code in facts["sentinels"]:
        text = f"{code['value']:g} occurs {'once' if code['n'] == 1 else several(code['n'], 'time')}, far from all else: does it mean missing? Empty the cells then"
        out.append(Note("warning", text, code["where"]))
    return out
