"""What a forecast leans on: how much its error grows when one thing is taken from another test forecast instead.

The past of a series is exchanged in blocks of lags, as deviations from the mean of the rows that the model reads, so that the
level stays its own; covariates are exchanged as they are, over context and horizon together. What a model has learned stays as it
is, and only report folds are asked, so that nothing is fitted and nothing was seen in training. Things that go together (the
temperature and the hour) share their importance: exchanged alone, each may seem to matter little.

Source: Breiman (2001), doi:10.1023/A:1010933404324 (permutation importance). Shapes: F folds, I items, L rows of the context, R
repeats, H steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting.protocol import Fitted
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import answers, nan_mean, positions, scales
from forecastkit.forecasting.splits import ReportFold, require_role

__all__ = ["Explanation", "Importance", "importance", "lag_blocks"]

MOST_FOLDS, MOST_ITEMS = 20, 6
"""Test forecasts that are asked again: enough for an interval, in a second or so."""
REPEATS = 3
FEWEST_FOLDS = 3
LAGS = "lags"


@dataclass(frozen=True)
class Importance:
    """One thing that was exchanged.

    Args:
        name: a covariate, or ``lags 2-24``: rows before the first step of the forecast, 1 = the last one.
        role: ``known``, ``past``, ``static`` or ``lags``.
        growth: how much the mean scaled error grows, as a share of itself: 0.5 = half as large again.
        low, high: 95 % interval over test forecasts; NaN under three.
    """

    name: str
    role: str
    growth: float
    low: float
    high: float


@dataclass(frozen=True)
class Explanation:
    """What one model leans on, most first.

    Args:
        loss: mean scaled error of the test forecasts that were asked again.
        n_folds, n_items: how many those were.
    """

    model: str
    loss: float
    n_folds: int
    n_items: int
    rows: tuple[Importance, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def lag_blocks(length: int, season_length: int) -> list[tuple[int, int]]:
    """First and last lag of each block: alone, then doubling, with borders at one, two and seven seasons.

    >>> lag_blocks(60, 24), lag_blocks(10, 1)
    ([(1, 1), (2, 6), (7, 24), (25, 48), (49, 60)], [(1, 1), (2, 3), (4, 7), (8, 10)])
    """
    m = season_length
    if m >= 4:
        ends = [1, max(2, m // 4), m, 2 * m, 7 * m]
    else:
        ends = [2**k - 1 for k in range(1, 30)]
    ends = sorted({min(e, length) for e in ends} | {length})
    return [(a + 1, b) for a, b in zip([0, *ends], ends)]


@dataclass(frozen=True, eq=False)
class _Windows:
    """What the model reads at each origin.

    Args:
        target: [F, I, L], NaN where nothing was observed.
        begins: [F, I] index of the first row of the context that exists.
        columns: covariate -> [F, I, L + gap + H] object; rows that do not exist are None.
    """

    target: np.ndarray
    begins: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def ahead(self) -> int:
        """Rows beyond the context that are read."""
        return next(iter(self.columns.values())).shape[2] - self.target.shape[2] if self.columns else 0


def importance(
    name: str,
    fitted: Fitted,
    frame: SeriesFrame,
    folds: Sequence[ReportFold],
    *,
    gap: int = 0,
    season_length: int | None = None,
    overlap: int = 1,
    seed: int = 0,
) -> Explanation | None:
    """Permutation importance of blocks of lags and of covariates over report folds.

    Args:
        fitted: a model that forecasts any series from what it reads (a global one); it was fitted before the first fold.
        overlap: see ``EvalPlan.overlap``, for the interval.

    Returns:
        None where fewer than two forecasts can be scored.

    Raises:
        TypeError: a fold is not a report fold.
    """
    require_role(folds, ReportFold)
    season = season_length or frame.season_length
    length = int(fitted.info.get("context_length") or max(2 * season, fitted.horizon))
    horizon = fitted.horizon - gap
    chosen = [folds[k] for k in _evenly(len(folds), MOST_FOLDS)]
    items = _evenly(len(frame.items), MOST_ITEMS)
    some = frame.select(tuple(frame.items[i] for i in items))
    at = positions(chosen, len(frame.items))[:, items]
    windows = _read(some, at, length, gap + horizon)
    y, scale = answers(some, at, horizon, gap), scales(some, at, season).mase
    variants = _variants(some, windows, length, season, seed)
    errors = np.stack([
        _errors(fitted, some, windows, variants, k, at[k], y[k], scale[k], gap) for k in range(len(chosen))
    ])  # fmt: skip
    by_fold = nan_mean(errors, 2)  # [F, V]
    base = by_fold[:, 0]
    seen = np.isfinite(base)
    if seen.sum() < 2 or not base[seen].mean() > 0:
        return None
    rows = []
    for label, role in dict.fromkeys((v.label, v.role) for v in variants[1:]):
        own = [k for k, v in enumerate(variants) if (v.label, v.role) == (label, role)]
        growth = (by_fold[:, own] - base[:, None]).mean(axis=1)[seen] / base[seen].mean()
        low, high = _interval(growth, overlap)
        rows.append(Importance(label, role, float(growth.mean()), low, high))
    rows.sort(key=lambda r: -r.growth)
    return Explanation(name, float(base[seen].mean()), int(seen.sum()), len(items), tuple(rows))


def _evenly(n: int, most: int) -> list[int]:
    return [int(k) for k in np.unique(np.linspace(0, n - 1, min(n, most)).round())]


def _read(frame: SeriesFrame, at: np.ndarray, length: int, ahead: int) -> _Windows:
    store = frame.store
    item = np.arange(len(store))[None, :, None]
    row = (at - store.starts[None, :])[:, :, None] + np.arange(1 - length, ahead + 1)
    values, observed = store.lookup(item, row)
    target = np.where(observed, values, np.nan)[:, :, :length]
    inside = (row >= 0) & (row < store.lengths[None, :, None])
    where = store.offsets[:-1][None, :, None] + np.clip(row, 0, np.maximum(store.lengths[None, :, None] - 1, 0))
    columns = {}
    for name in frame.covariates:
        cells = frame.column(name)[where].astype(object)
        cells[~inside] = None
        columns[name] = cells
    begins = np.clip(length - 1 - (at - store.starts[None, :]), 0, length - 1)
    return _Windows(target, begins, columns)


@dataclass(frozen=True, eq=False)
class _Variant:
    """One exchange.

    Args:
        donors: [F] the fold that each one takes it from; the fold itself = nothing is exchanged.
        lags: first and last, for blocks of lags.
        partner: [I] the item that each one takes it from, for static columns.
    """

    label: str
    role: str
    donors: np.ndarray
    lags: tuple[int, int] = (0, 0)
    partner: np.ndarray | None = None


def _variants(frame: SeriesFrame, windows: _Windows, length: int, season: int, seed: int) -> list[_Variant]:
    n_folds, n_items, _ = windows.target.shape
    rng = np.random.default_rng(seed)
    itself = np.arange(n_folds)
    out = [_Variant("", "", itself)]
    for first, last in lag_blocks(length, season):
        label = f"{LAGS} {first}" if first == last else f"{LAGS} {first}-{last}"
        out += [_Variant(label, LAGS, _exchanged(n_folds, rng), (first, last)) for _ in range(REPEATS)]
    for role in ("known", "past"):
        for name in getattr(frame, role):
            out += [_Variant(name, role, _exchanged(n_folds, rng)) for _ in range(REPEATS)]
    if n_items > 1:
        for name in frame.static:
            out += [_Variant(name, "static", itself, partner=_exchanged(n_items, rng)) for _ in range(REPEATS)]
    return out


def _exchanged(n: int, rng: np.random.Generator) -> np.ndarray:
    """[n] for each one another one: a random cycle, so that nobody keeps its own."""
    order = rng.permutation(n)
    out = np.empty(n, dtype=np.int64)
    out[order] = np.roll(order, 1)
    return out


def _errors(
    fitted: Fitted,
    frame: SeriesFrame,
    windows: _Windows,
    variants: Sequence[_Variant],
    k: int,
    at: np.ndarray,
    y: np.ndarray,
    scale: np.ndarray,
    gap: int,
) -> np.ndarray:
    """[V, I] mean scaled error of fold k's forecast under each variant: all of them are one panel of made-up series."""
    n_items, n_variants = windows.target.shape[1], len(variants)
    shared = int(at.max())  # series that end earlier are moved there, and their clock with them
    parts, names = [], []
    for v, variant in enumerate(variants):
        for i in range(n_items):
            parts.append(_rows(windows, variant, k, i))
            names.append(f"{v:04d}-{i:04d}")
    panel = _panel(frame, parts, names, shared + windows.ahead)
    points = fitted.predict_at(panel, np.array([shared]))[0][:, gap:].reshape(n_variants, n_items, -1)
    return nan_mean(np.abs(points - y[None]) / scale[None, :, None], 2)


def _rows(windows: _Windows, variant: _Variant, k: int, i: int) -> dict[str, np.ndarray]:
    """Columns of one made-up series: the context, and where there are covariates the rows ahead."""
    own, other = windows.target[k, i], windows.target[variant.donors[k], i]
    length, begin = len(own), int(windows.begins[k, i])
    target = own.copy()
    if variant.role == LAGS:
        block = slice(length - variant.lags[1], length - variant.lags[0] + 1)
        moved = other[block] - nan_mean(other) + nan_mean(own)
        target[block] = np.where(np.isfinite(moved), moved, own[block])
    out = {"target": np.r_[target[begin:], np.full(windows.ahead, np.nan)]}
    for name, cells in windows.columns.items():
        taken = cells[k, i]
        if variant.label == name and variant.role in ("known", "past"):
            donor = cells[variant.donors[k], i]
            taken = np.where([c is None for c in donor], taken, donor)
        elif variant.label == name and variant.partner is not None:
            taken = cells[k, int(variant.partner[i])]
        out[name] = taken[begin:]
    return out


def _panel(frame: SeriesFrame, parts: Sequence[dict[str, np.ndarray]], names: Sequence[str], end: int) -> SeriesFrame:
    """Made-up series whose last rows all stand at calendar position ``end``."""
    sizes = [len(p["target"]) for p in parts]
    at = np.concatenate([np.arange(end - n + 1, end + 1) for n in sizes])
    instants = frame.calendar.instants.take(at)
    table: dict[str, Any] = {"item_id": np.repeat(np.array(names, dtype=object), sizes), "timestamp": instants}
    for name in parts[0]:
        joined = np.concatenate([p[name] for p in parts])
        numeric = name == "target" or frame.column(name).dtype != object
        table[name] = joined.astype(np.float64) if numeric else joined
    return replace(frame, data=pd.DataFrame(table), future=None)


def _interval(growth: np.ndarray, overlap: int) -> tuple[float, float]:
    """95 % of the mean over origins; neighbours that overlap are one."""
    from scipy.special import stdtrit

    starts = np.arange(0, len(growth), max(1, overlap))
    counts = np.diff(np.r_[starts, len(growth)])
    blocks = np.add.reduceat(growth, starts) / counts
    n = len(blocks)
    if n < FEWEST_FOLDS:
        return math.nan, math.nan
    half = float(stdtrit(n - 1, 0.975)) * float(blocks.std(ddof=1)) / math.sqrt(n)
    mean = float(growth.mean())
    return mean - half, mean + half
