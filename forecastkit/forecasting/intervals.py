"""Conformal intervals: by how far past answers missed the forecast decides how wide the next interval is, step by step.

Scores are divided by each item's own recent scale, so that items of different size share them. Of n scores an interval of
level 1 - a reaches to the one of rank ceil((n + 1)(1 - a)): it holds the next answer at least that often where scores are
exchangeable (split conformal). A model with quantiles of its own is corrected by how far answers lay beyond them; a point is
all quantiles at once. Series change, so the scores of report folds join once their answers are known, and the level follows
the misses (adaptive). Nothing looks ahead: the intervals of a fold use answers that lie at or before its cutoff.

Sources: Lei et al. (2018), doi:10.1080/01621459.2017.1307116; Romano, Patterson and Candes (2019), arXiv:1905.03222; Gibbs and
Candes (2021), arXiv:2106.00170. Shapes: F folds, I items, H steps, Q quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from forecastkit.forecasting.schema import QUANTILES, SeriesFrame

__all__ = ["ConformalIntervals", "conformal_rank", "recent_scale", "replay", "rows_known"]

Method = Literal["adaptive", "split"]

FEWEST_A_STEP = 39
"""Scores of which the largest bounds one side of a 95 % interval, ceil(40 * 0.975); with fewer, steps share them."""
FEWEST = 19
"""Scores of which the largest bounds a 95 % interval that is as wide below as above, ceil(20 * 0.95)."""

RECENT_ROWS = 250
"""Rows that the scale looks back, so that it follows the present volatility."""
FEWEST_FOLDS, ENOUGH = 30, 3000
"""Folds whose scores count, the latest: at least so many, and more until each step has so many scores."""

PACE = 0.05
"""How far a fold moves the level, for each share of answers missed too much (gamma in Gibbs and Candes)."""
LEAST_MISS, MOST_MISS = 1e-4, 0.999

PAIRS = QUANTILES.index(0.5)
NOMINAL = 2 * np.array(QUANTILES[:PAIRS])
"""Share of answers that each central interval may miss, widest first."""


def conformal_rank(n: int | np.ndarray, level: float | np.ndarray) -> Any:
    """Which of n ordered scores bounds the next one at ``level``, counted from 1; above n: none of them does.

    >>> conformal_rank(19, 0.95), conformal_rank(18, 0.95)
    (19, 19)
    """
    rank = np.ceil((np.asarray(n) + 1) * level - 1e-9).astype(np.int64)
    return int(rank) if rank.ndim == 0 else rank


def recent_scale(frame: SeriesFrame, at: np.ndarray, season_length: int = 1) -> np.ndarray:
    """Mean absolute seasonal difference over the last rows up to each cutoff.

    Args:
        at: [n_cutoffs, n_items] calendar positions.

    Returns:
        [n_cutoffs, n_items], target units; 0 for constants, NaN where no pair is observed.
    """
    store = frame.store
    lags = [season_length, 1] if season_length > 1 else [1]
    out = np.full(at.shape, np.nan)
    for i in range(len(store)):
        y = store.series(i)
        end = np.clip(at[:, i] - store.starts[i] + 1, 0, len(y))
        for m in lags:
            if len(y) <= m:
                continue
            diff = np.abs(y[m:] - y[:-m])
            seen = np.isfinite(diff)
            total = np.r_[0.0, np.cumsum(np.where(seen, diff, 0.0))]
            count = np.r_[0, np.cumsum(seen)]
            hi = np.clip(end - m, 0, len(diff))
            lo = np.clip(hi - max(RECENT_ROWS, 3 * m), 0, None)
            n = count[hi] - count[lo]
            mean = np.divide(total[hi] - total[lo], n, out=np.full(len(n), np.nan), where=n > 0)
            out[:, i] = np.where(np.isnan(out[:, i]), mean, out[:, i])
    return out


@dataclass(frozen=True)
class ConformalIntervals:
    """What is added to a forecast to make quantiles of it.

    Args:
        offsets: [H, Q] in units of the item's recent scale; added to the point, or to the model's own quantiles.
        n_scores: scores behind each step's offsets.
        pooled: whether steps share their scores.
        source: ``"calibrate"``, ``"select"`` or ``"none"``: the folds that the first scores came from.
        own: whether the offsets correct the model's own quantiles.
        method: ``"split"`` or ``"adaptive"``.
        misses: share that each of the central intervals was allowed to miss in the end, widest first; by level, or as
            adapted.
    """

    offsets: np.ndarray
    n_scores: int
    pooled: bool
    source: str
    own: bool = False
    method: str = "split"
    misses: tuple[float, ...] = tuple(NOMINAL.tolist())

    @classmethod
    def fit(
        cls,
        points: np.ndarray,
        answers: np.ndarray,
        scale: np.ndarray,
        *,
        source: str,
        own: np.ndarray | None = None,
        misses: np.ndarray = NOMINAL,
        method: Method = "split",
    ) -> ConformalIntervals | None:
        """Learn from folds whose answers are known; None where nothing is left to learn from.

        Args:
            points: [F, I, H] forecasts.
            answers: [F, I, H] actual values, NaN where unobserved.
            scale: [F, I] from ``recent_scale``.
            own: [F, I, H, Q] the model's own quantiles.
        """
        error, beyond = _scaled_errors(points, answers, scale, own)
        return _learned(error, beyond, misses, source=source, method=method)

    def quantiles(self, points: np.ndarray, scale: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Quantiles [F, I, H, Q] around ``points`` [F, I, H] or ``own`` [F, I, H, Q], ascending.

        Where the scale [F, I] is zero or unknown, they are the point, or the model's own.
        """
        size = np.where(np.isfinite(scale), scale, 0.0)[:, :, None, None]
        steps = points.shape[2]
        base = own if self.own and own is not None else points[..., None]
        return np.sort(base + size * self.offsets[None, None, :steps, :], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; floats keep every digit."""
        return {
            "offsets": self.offsets.tolist(),
            "n_scores": self.n_scores,
            "pooled": self.pooled,
            "source": self.source,
            "own": self.own,
            "method": self.method,
            "misses": list(self.misses),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ConformalIntervals:
        """The inverse of ``to_dict``; files of the first format have the first four keys alone."""
        offsets = np.asarray(values["offsets"], dtype=np.float64)
        misses = tuple(float(m) for m in values.get("misses", NOMINAL))
        return cls(
            offsets,
            int(values["n_scores"]),
            bool(values["pooled"]),
            str(values["source"]),
            bool(values.get("own", False)),
            str(values.get("method", "split")),
            misses,
        )


def _scaled_errors(
    points: np.ndarray, answers: np.ndarray, scale: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """How far answers lay above the points [F, I, H], and above the model's own quantiles [F, I, H, Q]; NaN without a scale."""
    usable = np.where((scale > 0) & np.isfinite(scale), scale, np.nan)[:, :, None]
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = None if own is None else (answers[..., None] - own) / usable[..., None]
        return (answers - points) / usable, beyond


def _learned(
    error: np.ndarray, beyond: np.ndarray | None, misses: np.ndarray, *, source: str, method: str
) -> ConformalIntervals | None:
    """From scaled errors of the point [F, I, H] and, where there are own quantiles, of those [F, I, H, Q]."""
    known = np.isfinite(error)
    n_folds = int(known.any(axis=(1, 2)).sum())
    by_step = _by_step(error)
    n = np.isfinite(by_step).sum(axis=1)
    total = int(n.sum())
    if total < 2:
        return None
    # Scores of one fold resemble each other: the mean of F folds is itself uncertain by 1 / F of their variance.
    wider = math.sqrt(1 + 1 / n_folds)
    pooled = int(n.min()) < FEWEST_A_STEP
    unit = _spread(by_step, n) if pooled else np.ones(len(n))
    own = beyond is not None
    layers = [_by_step(beyond[..., q]) for q in range(len(QUANTILES))] if beyond is not None else [by_step]
    scores = [x / unit[:, None] for x in layers]
    if pooled:
        scores = [x[np.isfinite(x)][None, :] for x in scores]
        n = np.array([total])
    offsets = _offsets(scores, n, misses) * unit[:, None] * wider
    count = total if pooled else int(n.min())
    return ConformalIntervals(offsets, count, pooled, source, own, method, tuple(float(m) for m in misses))


def _by_step(values: np.ndarray) -> np.ndarray:
    """[F, I, H] -> [H, F * I]."""
    return values.transpose(2, 0, 1).reshape(values.shape[2], -1)


def _spread(by_step: np.ndarray, n: np.ndarray) -> np.ndarray:
    """[H] size of each step's errors, so that near steps keep their narrower band when steps share their scores.

    It never shrinks with the step: with few errors a smaller one is luck.
    """
    square = np.where(np.isfinite(by_step), by_step, 0.0) ** 2
    spread = np.maximum.accumulate(np.sqrt(square.sum(axis=1) / np.maximum(n, 1)))
    if not spread[-1] > 0:
        return np.ones(len(spread))
    return np.where(spread > 0, spread, spread[spread > 0].min())


def _offsets(scores: list[np.ndarray], n: np.ndarray, misses: np.ndarray) -> np.ndarray:
    """[G, Q] from scores by group [G, N], NaN where there are fewer: one array a quantile, or one for all."""
    out = np.zeros((len(n), len(QUANTILES)))
    one_sided = int(n.min()) >= FEWEST_A_STEP
    ordered = np.sort(scores[0], axis=1) if len(scores) == 1 else None
    sizes = np.sort(np.abs(scores[0]), axis=1) if len(scores) == 1 and not one_sided else None
    for k in range(PAIRS):
        upper = len(QUANTILES) - 1 - k
        if one_sided:
            above = ordered if ordered is not None else np.sort(scores[upper], axis=1)
            below = ordered if ordered is not None else np.sort(scores[k], axis=1)
            rank = np.minimum(conformal_rank(n, 1 - misses[k] / 2), n)
            out[:, upper] = _at(above, rank - 1)
            out[:, k] = _at(below, n - rank)
        else:
            both = sizes if sizes is not None else np.sort(np.maximum(-scores[k], scores[upper]), axis=1)
            out[:, upper] = _at(both, np.minimum(conformal_rank(n, 1 - misses[k]), n) - 1)
            out[:, k] = -out[:, upper]
    if one_sided:
        middle = ordered if ordered is not None else np.sort(scores[PAIRS], axis=1)
        out[:, PAIRS] = (_at(middle, (n - 1) // 2) + _at(middle, n // 2)) / 2
    return out


def _at(ordered: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.take_along_axis(ordered, index[:, None], axis=1)[:, 0]


def rows_known(positions: Sequence[int], horizon: int, gap: int) -> np.ndarray:
    """[F] for folds in time order at calendar ``positions``: how many folds have all their answers at each one's cutoff."""
    at = np.asarray(positions, dtype=np.int64)
    return np.searchsorted(at + gap + horizon, at, side="right")


def replay(
    points: np.ndarray,
    answers: np.ndarray,
    scale: np.ndarray,
    known: np.ndarray,
    n_first: int,
    *,
    source: str,
    own: np.ndarray | None = None,
    method: Method = "adaptive",
) -> tuple[np.ndarray, ConformalIntervals | None]:
    """The quantiles of report folds as they would have been made in their time, and the intervals of the next forecast.

    Args:
        points, answers: [F, I, H] of the folds that intervals are learned from, then of the report folds, in time order.
        scale: [F, I] from ``recent_scale``.
        known: [F] from ``rows_known``.
        n_first: folds before the report folds.
        own: [F, I, H, Q].
        method: ``split`` learns from the first folds alone; ``adaptive`` from all that is known at each cutoff.

    Returns:
        quantiles [F - n_first, I, H, Q] and the intervals after the last fold. Before anything is known, quantiles are
        the model's own, or NaN.
    """
    error, beyond = _scaled_errors(points, answers, scale, own)
    out = np.full((len(points) - n_first, *points.shape[1:], len(QUANTILES)), np.nan)
    misses = NOMINAL.copy()
    settled = n_first

    def learned(upto: int) -> ConformalIntervals | None:
        start = _recent(error, upto)
        part = None if beyond is None else beyond[start:upto]
        return _learned(error[start:upto], part, misses, source=source, method=method)

    fixed = learned(n_first) if method == "split" else None
    for t in range(n_first, len(points)):
        upto = int(known[t])
        while method == "adaptive" and settled < upto:
            misses = _followed(misses, out[settled - n_first], answers[settled])
            settled += 1
        now = fixed if method == "split" else learned(min(upto, t))
        mine = None if own is None else own[t : t + 1]
        if now is not None:
            out[t - n_first] = now.quantiles(points[t : t + 1], scale[t : t + 1], mine)[0]
        elif mine is not None:
            out[t - n_first] = mine[0]
    if method == "split":
        return out, fixed
    while settled < len(points):
        misses = _followed(misses, out[settled - n_first], answers[settled])
        settled += 1
    return out, learned(len(points))


def _recent(error: np.ndarray, upto: int) -> int:
    """First of the folds that count."""
    per_fold = np.isfinite(error[:upto]).sum(axis=1).min(axis=1)
    enough = np.cumsum(per_fold[::-1]) >= ENOUGH
    n = int(np.argmax(enough)) + 1 if enough.any() else upto
    return max(0, upto - max(n, FEWEST_FOLDS))


def _followed(misses: np.ndarray, quantiles: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The shares after one more fold: lower, and so wider, where more was missed than named."""
    seen = np.isfinite(answers) & np.isfinite(quantiles).all(axis=-1)
    if not seen.any():
        return misses
    q, y = quantiles[seen], answers[seen]
    outside = [((y < q[:, k]) | (y > q[:, -1 - k])).mean() for k in range(PAIRS)]
    return np.clip(misses + PACE * (NOMINAL - np.array(outside)), LEAST_MISS, MOST_MISS)
