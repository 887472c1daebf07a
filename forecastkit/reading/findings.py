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
BLOCK = 1 << 20
"""Rows looked at together: temporaries stay small, and in the processor's cache."""
SAMPLE, FEWEST = 4_000_000, 200
"""Rows from which medians of a panel are taken, and of one series at least."""


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
    seen = np.isfinite(values)
    if seen.all():
        y, rows, own = values, None, bounds
    else:
        rows = np.flatnonzero(seen)
        y, own = values[rows], np.searchsorted(rows, bounds)
    jumps, spikes = _jumps(y, own), _spikes(y, own)
    at = (lambda k: k) if rows is None else (lambda k: int(rows[k]))
    return Findings(
        tuple((at(row), factor) for row, factor in jumps),
        tuple(at(row) for row in spikes[:MOST]),
        len(spikes),
        tuple((code, n, at(row)) for code, n, row in _sentinels(y)),
        _constant(values, bounds),
    )


def _blocks(bounds: np.ndarray, size: int) -> list[tuple[int, int]]:
    """(first item, item after the last) of stretches of about ``size`` rows."""
    edges = np.searchsorted(bounds, np.arange(bounds[0], bounds[-1], size), side="left")
    edges = np.unique(np.r_[edges, len(bounds) - 1])
    return list(zip(edges[:-1].tolist(), edges[1:].tolist()))


def _steps(y: np.ndarray, lo: int, hi: int, last: np.ndarray) -> np.ndarray:
    """Changes to the next row; 0 from an item's last row (``last``, counted from ``lo``) to the next item."""
    out = np.empty(hi - lo)
    np.subtract(y[lo + 1 : hi], y[lo : hi - 1], out=out[:-1])
    out[last] = 0.0
    return out


def _most(bounds: np.ndarray) -> int:
    """Rows of one series that medians are taken from."""
    return min(100_000, max(FEWEST, SAMPLE // max(1, len(bounds) - 1)))


def _sampled(first: np.ndarray, n: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows [I, W], how many of them count [I]) of ``n`` [I] rows from ``first`` [I] on, at an even pace.

    The pace is odd, so that no season is hit: enough for a median.
    """
    pace = n // most | 1
    count = -(-n // pace)
    steps = np.minimum(np.arange(max(1, int(count.max(initial=0)))), np.maximum(count, 1)[:, None] - 1)
    return first[:, None] + steps * pace[:, None], count


def _parts(items: np.ndarray, most: int) -> list[np.ndarray]:
    """Items in groups whose samples together stay bounded."""
    size = max(1, SAMPLE // most)
    return [items[k : k + size] for k in range(0, len(items), size)]


def _medians(table: np.ndarray, count: np.ndarray) -> np.ndarray:
    """[I] medians of the first ``count`` [I] numbers of each row; 0 of none. The table is sorted in place."""
    table[np.arange(table.shape[1]) >= count[:, None]] = np.inf
    table.sort(axis=1)
    item, half = np.arange(len(table)), np.maximum(count, 1)
    out = (table[item, (half - 1) // 2] + table[item, half // 2]) / 2
    return np.where(count > 0, out, 0.0)


def _jumps(y: np.ndarray, bounds: np.ndarray) -> list[tuple[int, float]]:
    """Steps by a factor that splits have, in a positive series that otherwise moves little and does not come back."""
    if len(y) < 10 or np.count_nonzero(y <= 0) > 0.001 * len(y):
        return []
    out: list[tuple[int, float]] = []
    found = 0
    for a, b in _blocks(bounds, BLOCK):
        lo, hi = int(bounds[a]), int(bounds[b])
        large = lo + _large_steps(y[lo:hi], bounds[a + 1 : b + 1] - 1 - lo)
        if not len(large):
            continue
        item = np.searchsorted(bounds, large, side="right") - 1
        which, place = np.unique(item, return_inverse=True)
        spread = _spread_of_steps(y, bounds, which)[place]
        ends = np.stack([bounds[item], bounds[item + 1]])

        def ratio(k: int, ends: tuple[int, int]) -> float:
            inside = ends[0] <= k < ends[1] - 1 and y[k] > 0 and y[k + 1] > 0
            return float(np.log(y[k + 1] / y[k])) if inside else 0.0

        for j in np.flatnonzero(np.abs(np.log(y[large + 1] / y[large])) > 8 * spread)[: 1000 - found]:
            k, own, limits = int(large[j]), spread[j], (int(ends[0, j]), int(ends[1, j]))
            step = ratio(k, limits)
            comes_back = any(
                abs(n) > 0.5 * abs(step) and n * step < 0 for n in (ratio(k - 1, limits), ratio(k + 1, limits))
            )
            if np.abs(abs(step) - np.log(SPLITS)).min() < 0.08 + own and not comes_back:
                out.append((k + 1, float(np.exp(step))))
            found += 1
        if len(out) >= MOST or found >= 1000:
            break
    return out[:MOST]


def _large_steps(y: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Rows before a step by more than ``LARGE`` within an item, between positive values."""
    now, then = y[:-1], y[1:]
    wide = ((then > LARGE * now) | (LARGE * then < now)) & (now > 0) & (then > 0)
    wide[last[:-1]] = False
    return np.flatnonzero(wide)


def _spread_of_steps(y: np.ndarray, bounds: np.ndarray, items: np.ndarray) -> np.ndarray:
    """[len(items)] robust standard deviation of the logarithmic steps of each item."""
    out = [np.zeros(0)]
    for part in _parts(items, _most(bounds)):
        rows, count = _sampled(bounds[part], bounds[part + 1] - bounds[part] - 1, _most(bounds))
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.log(y[rows + 1] / y[rows])
        out.append(1.4826 * _medians(np.abs(np.where(np.isfinite(steps), steps, 0.0)), count))
    return np.concatenate(out)


def _spikes(y: np.ndarray, bounds: np.ndarray) -> list[int]:
    """Rows far from both neighbours on the same side: 15 robust deviations of the series' steps, and 5 of its values."""
    if len(y) < 10:
        return []
    limit = 15 * _deviations(y, bounds)
    out: list[int] = []
    for a, b in _blocks(bounds, BLOCK):
        lo, hi = int(bounds[a]), int(bounds[b])
        step = _steps(y, lo, hi, bounds[a + 1 : b + 1] - 1 - lo)
        wide = np.abs(step) > np.repeat(limit[a:b], np.diff(bounds[a : b + 1]))
        hits = np.flatnonzero(wide[1:] & wide[:-1] & (step[1:] * step[:-1] < 0)) + 1
        item = np.searchsorted(bounds, lo + hits, side="right") - 1
        for i in np.unique(item):
            first, end = int(bounds[i]), int(bounds[i + 1])
            out += [
                first + r
                for r in _calm_and_wide(y[first:end], step[first - lo : end - 1 - lo], lo + hits[item == i] - first)
            ]
    return out


def _calm_and_wide(y: np.ndarray, step: np.ndarray, hits: np.ndarray) -> list[int]:
    """Those of the rows ``hits`` of one series whose neighbourhood is calm and whose value is far from the others."""
    # A series that has grown manifold moves more now than it used to: neighbours tell how much.
    near = np.array([np.median(np.abs(step[max(0, h - 25) : h + 25])) for h in hits])
    calm = np.minimum(np.abs(step[hits - 1]), np.abs(step[hits])) > 15 * 1.4826 * near
    hits = hits[calm]
    middle = np.median(y)
    wide = np.abs(y - middle) > 5 * 1.4826 * np.median(np.abs(y - middle))
    return [int(h) for h in hits[wide[hits]]]


def _deviations(y: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """[I] robust standard deviation of each series' steps; infinite where it has none or fewer than ten rows."""
    lengths, out = np.diff(bounds), np.full(len(bounds) - 1, np.inf)
    for part in _parts(np.flatnonzero(lengths >= 10), _most(bounds)):
        rows, count = _sampled(bounds[part], lengths[part] - 1, _most(bounds))
        steps = y[rows + 1] - y[rows]
        apart = np.abs(steps - _medians(steps.copy(), count)[:, None])
        deviation = 1.4826 * _medians(apart, count)
        for k in np.flatnonzero(deviation == 0):
            # Most steps are alike (counts, calendars): the rarer ones give the scale.
            deviation[k] = float(np.quantile(apart[k, : count[k]], 0.9))
        out[part] = np.where(deviation > 0, deviation, np.inf)
    return out


def _sentinels(y: np.ndarray) -> list[tuple[float, int, int]]:
    """Codes such as -999 that stand far from everything else."""
    out = []
    least, most = float(y.min()), float(y.max())
    for code in SENTINELS:
        if not least <= code <= most:
            continue
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
            out.append((code, n, int(is_code.argmax())))
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
