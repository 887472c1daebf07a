"""What deserves a look: split-like jumps, spikes, sentinels, constant series. Flagged, never repaired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.reading.values import Note

__all__ = ["Findings", "look"]

SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0, 100.0)
SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -999.9, -999.99, 999.0, 9999.0, 99999.0, 999999.0, -32768.0)
MOST = 20


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
    item = np.searchsorted(bounds, rows, side="right") - 1
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
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.diff(np.log(y))
    ratio[~(same & np.isfinite(ratio))] = 0.0
    spread = _per_item_spread(ratio, item[1:])
    size = np.abs(ratio)
    near_split = np.abs(size[:, None] - np.log(SPLITS)[None, :]).min(1) if len(size) < 200_000 else None
    big = size > np.maximum(0.35, 8 * spread)
    out = []
    for k in np.flatnonzero(big)[:1000]:
        closest = np.abs(size[k] - np.log(SPLITS)).min() if near_split is None else near_split[k]
        back = (
            size[k + 1] > 0.5 * size[k] and ratio[k + 1] * ratio[k] < 0 if k + 1 < len(size) and same[k + 1] else False
        )
        came = size[k - 1] > 0.5 * size[k] and ratio[k - 1] * ratio[k] < 0 if k > 0 and same[k - 1] else False
        if closest < 0.08 + spread[k] and not back and not came:
            out.append((int(rows[k + 1]), float(np.exp(ratio[k]))))
    return out[:MOST]


def _per_item_spread(ratio: np.ndarray, item: np.ndarray) -> np.ndarray:
    """[n] robust standard deviation of the steps of each row's item."""
    bounds = np.flatnonzero(np.r_[True, np.diff(item) != 0, True])
    spread = np.empty(len(ratio))
    for lo, hi in zip(bounds[:-1], bounds[1:]):
        spread[lo:hi] = 1.4826 * np.median(np.abs(ratio[lo:hi]))
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
        deviation = 1.4826 * np.median(np.abs(own - np.median(own)))
        if deviation == 0:
            # Most steps are alike (counts, calendars): the rarer ones give the scale.
            deviation = float(np.quantile(np.abs(own - np.median(own)), 0.9))
        if deviation == 0:
            continue
        both = (np.abs(own[:-1]) > 15 * deviation) & (np.abs(own[1:]) > 15 * deviation) & (own[:-1] * own[1:] < 0)
        hits = np.flatnonzero(both) + 1
        if not len(hits):
            continue
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
        out.append(Note("warning", f"{facts['n_spikes']} spikes", f"{first['item_id']}, {first['timestamp']}"))
    for code in facts["sentinels"]:
        text = (
            f"{code['value']:g} occurs {code['n']} times, far from all else: does it mean missing? Empty the cells then"
        )
        out.append(Note("warning", text, code["where"]))
    return out
