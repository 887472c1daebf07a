"""Leaks that may be baked into a file: copied rows, interpolated stretches, smoothing, scaling by all rows.

They can only be suspected: nobody can tell from a file how it was made. Each check asks for a pattern that chance
would give with a probability below ``CHANCE`` in all its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from forecastkit.forecasting.audit_rows import AuditRow
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["check_data"]

CHANCE = 1e-3
SHORTEST_BLOCK = 8
SHORTEST_LINE = 2
"""Second differences of zero in a row: four points on one line."""

ROUNDING = 1e-9
COARSE = 0.02
"""Two slopes are the same with a higher probability: the numbers have few digits."""

WIDTHS = range(3, 16)
SEGMENT = 32
"""Rows of a spectrum's segment, in widths of the average that is looked for."""

FEWEST_SEGMENTS = 4
NULL_SHARE = 0.05
SCALED = 0.05
"""Mean and deviation are so close to 0 and 1, in units of 1 / sqrt(rows), by scaling only."""

MOST_ROWS = 20_000


def check_data(frame: SeriesFrame, cutoffs: Sequence[int]) -> list[AuditRow]:
    """Four checks of the target and, for scaling, of the covariates.

    Args:
        cutoffs: calendar positions; a copy matters where it lies over one of them.
    """
    return [_repeats(frame, cutoffs), _lines(frame), _smoothed(frame), _scaled(frame)]


def _instant(frame: SeriesFrame, item: int, row: int) -> str:
    when = frame.calendar.instants[int(frame.store.starts[item]) + row]
    return str(when.date() if hasattr(when, "date") and when == when.normalize() else when)


# --- rows that occur twice


def _repeats(frame: SeriesFrame, cutoffs: Sequence[int]) -> AuditRow:
    """Blocks of target rows after a cutoff that are, number for number, a block before it, in any series."""
    store = frame.store
    length = _block_length(frame)
    if length > store.lengths.max():
        said = f"Too few distinct values: a block would need {length} rows to tell a copy from chance."
        return AuditRow("repeated rows", "", "skipped", said)
    item, row, group = _equal_blocks(frame, length)
    if not len(item):
        return AuditRow("repeated rows", "", "ok", f"No block of {length} rows occurs twice.")
    total = sum(max(0, int(n) - length + 1) for n in store.lengths)
    where = store.starts[item] + row
    same = _identical_series(frame, item, where, group)
    if same is not None:
        return AuditRow("repeated rows", "", "remark", same)
    if _by_nature(item, row, where, group, length, int(min(cutoffs, default=0))):
        share = f"{len(item)} of {total} blocks of {length} rows"
        said = f"{share} occur more than once, in the early history too: the series repeats itself."
        return AuditRow("repeated rows", "", "remark", said)
    for cutoff in cutoffs:
        pair = _over(where, group, length, int(cutoff))
        if pair is None:
            continue
        early, late = pair
        said = (
            f"{length} rows of {store.items[item[late]]} from {_instant(frame, item[late], row[late])} equal those of "
            f"{store.items[item[early]]} from {_instant(frame, item[early], row[early])}, across a cutoff "
            f"({len(item)} such blocks in all)."
        )
        return AuditRow("repeated rows", "", "suspicion", said)
    said = f"{len(item)} blocks of {length} rows occur more than once, none across a cutoff that was looked at."
    return AuditRow("repeated rows", "", "remark", said)


def _block_length(frame: SeriesFrame) -> int:
    """Rows of a block that would hardly occur twice by chance, if values or if changes were independent."""
    shares = [0.0]
    for i in range(len(frame.store)):
        y = frame.store.series(i)
        shares += [_same_twice(y), _same_twice(np.diff(y))]
    pairs = max(2.0, len(frame) ** 2 / 2)
    share = min(max(*shares, 1e-12), 0.98)
    return max(SHORTEST_BLOCK, 1 + math.ceil(math.log(CHANCE / pairs) / math.log(share)))


def _same_twice(values: np.ndarray) -> float:
    """Probability that two values drawn from these are the same."""
    seen = values[np.isfinite(values)]
    n = len(seen)
    if n < 2:
        return 0.0
    count = np.unique(np.round(seen, 9), return_counts=True)[1].astype(np.float64)
    return float((count * (count - 1)).sum() / (n * (n - 1)))


def _equal_blocks(frame: SeriesFrame, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(item, first row, group) of fully observed, moving blocks that occur at least twice."""
    store = frame.store
    items, rows, keys = [], [], []
    for i in range(len(store)):
        y = store.series(i)
        if len(y) < length:
            continue
        gone, moves = np.r_[0, np.cumsum(np.isnan(y))], np.r_[0, np.cumsum(np.diff(y) != 0)]
        ok = (gone[length:] == gone[:-length]) & (moves[length - 1 :] > moves[: len(moves) - length + 1])
        bits = np.ascontiguousarray(y).view(np.uint64)
        rows.append(np.flatnonzero(ok))
        keys.append(_rolling_key(bits, length)[ok])
        items.append(np.full(len(rows[-1]), i))
    if not keys:
        none = np.zeros(0, np.int64)
        return none, none, none
    item, row, key = np.concatenate(items), np.concatenate(rows), np.concatenate(keys)
    _, group, count = np.unique(key, return_inverse=True, return_counts=True)
    twice = count[group] > 1
    return item[twice], row[twice], group[twice]


def _rolling_key(bits: np.ndarray, length: int) -> np.ndarray:
    """[n - length + 1] uint64 hash of each block; sums of products wrap around."""
    with np.errstate(over="ignore"):
        mixed = (bits ^ (bits >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        key = np.zeros(len(bits) - length + 1, np.uint64)
        for k in range(length):
            key = key * np.uint64(0x100000001B3) + mixed[k : k + len(key)]
    return key


def _identical_series(frame: SeriesFrame, item: np.ndarray, where: np.ndarray, group: np.ndarray) -> str | None:
    """A sentence where most repeats are of two series at the same instants."""
    order = np.lexsort((where, group))
    g, w, i = group[order], where[order], item[order]
    pair = (g[1:] == g[:-1]) & (w[1:] == w[:-1]) & (i[1:] != i[:-1])
    if not pair.any() or pair.sum() < 0.25 * len(item):
        return None
    k = int(np.flatnonzero(pair)[0])
    a, b = frame.items[i[k]], frame.items[i[k + 1]]
    n_series = len(np.unique(np.r_[i[:-1][pair], i[1:][pair]]))
    return f"{n_series} series hold the same numbers at the same instants ({a} and {b}): each counts as often."


def _by_nature(
    item: np.ndarray, row: np.ndarray, where: np.ndarray, group: np.ndarray, length: int, first_cutoff: int
) -> bool:
    """Whether blocks repeat before the first cutoff as they do over it: season and rounding, not a copy.

    A copy is one long run of repeated blocks; coincidences are hardly longer than a block.
    """
    old = group[where + length - 1 <= first_cutoff]
    n_old = int((np.unique(old, return_counts=True)[1] > 1).sum())
    edge = np.flatnonzero(np.r_[True, (np.diff(row) != 1) | (np.diff(item) != 0), True])
    longest = int(np.diff(edge).max())
    return n_old >= 0.1 * len(np.unique(group)) and (longest < 2 * length or n_old >= 0.4 * len(np.unique(group)))


def _over(where: np.ndarray, group: np.ndarray, length: int, cutoff: int) -> tuple[int, int] | None:
    """Indices of two equal blocks, one that ends at or before the cutoff and one that begins after it."""
    early, late = np.flatnonzero(where + length - 1 <= cutoff), np.flatnonzero(where > cutoff)
    both, first, second = np.intersect1d(group[early], group[late], return_indices=True)
    return (int(early[first[0]]), int(late[second[0]])) if len(both) else None


# --- straight lines


def _lines(frame: SeriesFrame) -> AuditRow:
    """Runs of rows on one sloped line, longer than chance has them: filled by interpolation, which knows the next value."""
    store = frame.store
    n_rows, longest, place, n_runs = 0, 0, (0, 0), 0
    for i in range(len(store)):
        y = store.series(i)
        start, length = _zero_runs(y)
        if not len(length):
            continue
        least = _longest_by_chance(y, length)
        some = length >= least
        n_runs += int(some.sum())
        n_rows += int((length[some] + 2).sum())
        if some.any() and length[some].max() > longest:
            k = int(np.flatnonzero(some)[np.argmax(length[some])])
            longest, place = int(length[k]), (i, int(start[k]))
    if not n_runs:
        return AuditRow("interpolation", "", "ok", "No stretch lies on a straight line for longer than chance has it.")
    said = (
        f"{n_runs} stretches, {n_rows} rows in all, lie on a straight line; the longest, {longest + 2} rows of "
        f"{store.items[place[0]]} from {_instant(frame, *place)}. Interpolated values know the next observed one."
    )
    return AuditRow("interpolation", "", "suspicion", said)


def _zero_runs(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(first row, length) of runs of second differences that are zero while the series moves."""
    if len(y) < 4:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    slope = np.diff(y)
    bend = np.diff(slope)
    size = np.nanmax(np.abs(y)) if np.isfinite(y).any() else 0.0
    flat = np.isfinite(bend) & (np.abs(bend) <= ROUNDING * size) & (np.abs(slope[:-1]) > 100 * ROUNDING * size)
    edge = np.diff(np.r_[0, flat.astype(np.int8), 0])
    start = np.flatnonzero(edge == 1)
    return start, np.flatnonzero(edge == -1) - start


def _longest_by_chance(y: np.ndarray, lengths: np.ndarray) -> int:
    """Length that a run of zeros hardly reaches by chance.

    Of numbers with many digits two slopes are hardly ever the same, once each line counts as one slope. Of coarse
    numbers they often are, and slopes persist: how often a run goes on is then taken from the runs themselves.
    """
    slope = np.diff(y)
    slope = np.round(slope[np.isfinite(slope)] / (ROUNDING * np.nanmax(np.abs(y))))
    rate = _same_twice(slope[np.r_[True, np.diff(slope) != 0]])
    if rate > COARSE:
        rate = max(rate, float((lengths > 1).mean()), len(lengths) / max(1, len(y) - int(lengths.sum())))
    rate = min(max(rate, 1e-6), 0.95)
    return max(SHORTEST_LINE, math.ceil(math.log(CHANCE / len(y)) / math.log(rate)))


# --- smoothing


def _smoothed(frame: SeriesFrame) -> AuditRow:
    """A moving average of w rows leaves no power at the frequencies k / w: such nulls are looked for in the spectrum."""
    store, widest = frame.store, 0
    for i in np.argsort(-store.lengths, kind="stable")[:20]:
        y = _longest_observed(store.series(int(i)))[-MOST_ROWS:]
        for width in WIDTHS:
            share = _null_share(y, width)
            widest = max(widest, width if share is not None else 0)
            if share is not None and share < NULL_SHARE:
                ahead = width // 2
                said = (
                    f"{store.items[i]} has no power at periods of {width} rows and its fractions ({100 * share:.1f} % of its "
                    f"surroundings), as a moving average of {width} rows leaves it; if it is centred, each value "
                    f"knows the next {ahead}."
                )
                return AuditRow("smoothing", "", "suspicion", said)
    if not widest:
        least = int(1 + SEGMENT * WIDTHS[0] * (FEWEST_SEGMENTS + 1) / 2)
        return AuditRow(
            "smoothing", "", "skipped", f"No series moves for {least} observed rows on end, which a spectrum needs."
        )
    return AuditRow("smoothing", "", "ok", f"No trace of a moving average of {WIDTHS[0]} to {widest} rows.")


def _longest_observed(y: np.ndarray) -> np.ndarray:
    edge = np.diff(np.r_[0, np.isfinite(y).astype(np.int8), 0])
    start, end = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    if not len(start):
        return y[:0]
    k = int(np.argmax(end - start))
    return y[start[k] : end[k]]


def _null_share(y: np.ndarray, width: int) -> float | None:
    """Power at the frequencies k / width relative to halfway between them, the largest over k; None = too few rows."""
    size = SEGMENT * width
    if len(y) < 1 + size * (FEWEST_SEGMENTS + 1) / 2 or np.ptp(y) == 0:
        return None
    change = np.diff(y) / np.ptp(y)
    starts = np.arange(0, len(change) - size + 1, size // 2)
    window = np.hanning(size + 1)[:-1]
    segments = np.stack([change[s : s + size] for s in starts])
    segments = (segments - segments.mean(axis=1, keepdims=True)) * window
    power = (np.abs(np.fft.rfft(segments, axis=1)) ** 2).mean(axis=0)
    nulls = np.arange(1, width // 2 + 1) * SEGMENT
    nulls = nulls[nulls < len(power)]
    out = []
    for k in nulls:
        around = [power[j] for j in range(k - SEGMENT // 2, k + SEGMENT // 2 + 1) if abs(j - k) >= 4 and j < len(power)]
        middle = float(np.median(around))
        out.append(float(power[k]) / middle if middle > 0 else 1.0)
    return max(out)


# --- scaling


def _scaled(frame: SeriesFrame) -> AuditRow:
    """Columns that all rows together bring to mean 0 and deviation 1, or to the range 0 to 1."""
    names = ["target", *frame.past, *frame.known]
    found = []
    for name in names:
        column = frame.data[name]
        if not pd.api.types.is_numeric_dtype(column):
            continue
        shown = frame.target_name if name == "target" else name
        how = _how_scaled(column.to_numpy(np.float64), frame.store.offsets)
        if how:
            found.append(f"{shown} has {how}")
    if not found:
        return AuditRow("scaling", "", "ok", "No column looks scaled with statistics of all rows.")
    return AuditRow(
        "scaling", "", "suspicion", f"{'; '.join(found)}: scaled with statistics of all rows, later ones too."
    )


def _how_scaled(values: np.ndarray, offsets: np.ndarray) -> str:
    """What betrays the scaling, over all rows or within every item; empty = nothing."""
    whole = _one_scaled(values)
    if whole or len(offsets) <= 2:
        return whole
    each = {_one_scaled(values[a:b]) for a, b in zip(offsets[:-1], offsets[1:])}
    only = each.pop() if len(each) == 1 else ""
    return f"{only} within every series" if only else ""


def _one_scaled(values: np.ndarray) -> str:
    seen = values[np.isfinite(values)]
    # Whole numbers from 0 to 1 are a yes or no.
    if len(seen) < 20 or len(np.unique(seen)) < 10:
        return ""
    mean, spread = float(seen.mean()), float(seen.std())
    near = SCALED / math.sqrt(len(seen))
    if abs(mean) < near and abs(spread - 1) < max(near, 1 / len(seen)):
        return f"mean {mean:.4f} and standard deviation {spread:.4f}"
    low, high = float(seen.min()), float(seen.max())
    if high == 1.0 and low in (0.0, -1.0):
        return f"range {low:g} to {high:g} exactly"
    return ""
