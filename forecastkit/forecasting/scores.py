"""From forecasts and answers to losses and the score frame.

Shapes: F folds, I items, H steps, Q quantiles. Answers are gathered here and given to nobody else. All models are
scored on the same cells; a cell is one (fold, item, step).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic

import numpy as np
import pandas as pd

from forecastkit.forecasting.schema import QUANTILES, SeriesFrame
from forecastkit.forecasting.splits import ErrorKind, Fold, FoldT

__all__ = [
    "Losses",
    "QuantileLosses",
    "Scales",
    "answers",
    "comparable",
    "mean_losses",
    "measure",
    "nan_mean",
    "over_origins",
    "positions",
    "scales",
    "score_frame",
]

FEWEST_PAIRS = 3
"""Under so many seasonal pairs a scale falls back to differences of neighbouring rows."""

ROUNDING = 1e-14
"""A mean difference below this share of the mean absolute value is rounding, not change."""

LEAST_SHARE = 0.9
"""A model with forecasts for fewer cells is not ranked with the others, so that it cannot narrow their test."""


def positions(folds: Sequence[Fold], n_items: int) -> np.ndarray:
    """Cutoffs [F, I] int64 as calendar positions."""
    return np.asarray([f.positions(n_items) for f in folds], dtype=np.int64).reshape(len(folds), n_items)


def _table(cutoffs: np.ndarray, n_items: int) -> np.ndarray:
    at = np.asarray(cutoffs, dtype=np.int64)
    return np.broadcast_to(at[:, None], (len(at), n_items)) if at.ndim == 1 else at


def answers(frame: SeriesFrame, cutoffs: np.ndarray, horizon: int, gap: int = 0) -> np.ndarray:
    """What came: values at the ``horizon`` positions that follow ``cutoff + gap``.

    Args:
        cutoffs: [F] or [F, I] calendar positions.

    Returns:
        [F, I, H] float64, target units; NaN where unobserved, outside the item's rows, or where the item had no
        row yet at the cutoff.
    """
    store = frame.store
    at = _table(cutoffs, len(store))
    out = np.full((*at.shape, horizon), np.nan)
    if not len(store):
        return out
    for h in range(horizon):  # one step at a time: temporaries stay at [F, I]
        within = at + (gap + 1 + h) - store.starts
        values, observed = store.lookup(np.arange(len(store)), within)
        out[:, :, h] = np.where(observed & (at >= store.starts), values, np.nan)
    return out


@dataclass(frozen=True, eq=False)
class Scales:
    """Scales of errors, from rows at or before each cutoff.

    Args:
        mase: [F, I] mean absolute difference of rows ``lag`` apart; NaN = undefined (no pair, or no change).
        rmsse: [F, I] root of the mean squared difference; NaN = undefined.
        lag: [F, I] int64, the season length, or 1 where seasonal pairs are too few.
        items: ids, in the order of the columns.
        season_length: the lag that was asked for.
        error: which errors count, see ``EvalPlan``.
    """

    mase: np.ndarray
    rmsse: np.ndarray
    lag: np.ndarray
    items: tuple[str, ...]
    season_length: int
    error: ErrorKind = "absolute"

    @property
    def metric(self) -> str:
        """The mean of what counts: ``mase`` or ``msse``."""
        return "mase" if self.error == "absolute" else "msse"

    @property
    def unit(self) -> np.ndarray:
        """[F, I] what the errors that count are divided by; NaN = undefined."""
        return self.mase if self.error == "absolute" else self.rmsse**2

    def scaled(self, error: np.ndarray) -> np.ndarray:
        """[F, I, H] errors as they count, over their scale; NaN where it is undefined."""
        counted = np.abs(error) if self.error == "absolute" else error**2
        return counted / self.unit[:, :, None]

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on shortened lags and undefined scales; empty where all is regular."""
        out = []
        if self.season_length > 1 and (self.lag == 1).any():
            short = (self.lag == 1).any(axis=0)
            out.append(
                f"MASE of {_names(self.items, short)} is scaled by differences of neighbouring rows in "
                f"{int((self.lag == 1).any(axis=1).sum())} of {len(self.lag)} folds: fewer than {FEWEST_PAIRS} pairs "
                f"lie {self.season_length} rows apart."
            )
        flat = np.isnan(self.mase)
        if flat.any():
            out.append(
                f"MASE is undefined for {_names(self.items, flat.any(axis=0))} in {int(flat.any(axis=1).sum())} of "
                f"{len(flat)} folds (no change, or no two rows, before the cutoff); left out of it for all models."
            )
        return tuple(out)


def _names(items: tuple[str, ...], which: np.ndarray) -> str:
    hit = [items[i] for i in np.flatnonzero(which)]
    shown = ", ".join(name if len(name) <= 40 else name[:37] + "..." for name in hit[:3])
    more = f" and {len(hit) - 3} more" if len(hit) > 3 else ""
    return f"{len(hit)} of {len(items)} series ({shown}{more})"


def scales(
    frame: SeriesFrame, cutoffs: np.ndarray, season_length: int | None = None, *, error: ErrorKind | None = None
) -> Scales:
    """MASE and RMSSE scales of each item at each cutoff; no row after the cutoff is read.

    Args:
        cutoffs: [F] or [F, I] calendar positions.
        season_length: None = the frame's.
        error: which errors count; None = absolute ones.

    Source: Hyndman and Koehler (2006), doi:10.1016/j.ijforecast.2006.03.001.
    """
    store = frame.store
    season = season_length or frame.season_length
    at = _table(cutoffs, len(store))
    mase, rmsse = np.full(at.shape, np.nan), np.full(at.shape, np.nan)
    lag = np.full(at.shape, season, dtype=np.int64)
    for i in range(len(store)):
        y = store.series(i)
        end = np.clip(at[:, i] - store.starts[i] + 1, 0, len(y))
        mase[:, i], rmsse[:, i], n = _lagged(y, end, season)
        few = n < FEWEST_PAIRS
        if season > 1 and few.any():
            near_abs, near_root, _ = _lagged(y, end, 1)
            mase[few, i], rmsse[few, i], lag[few, i] = near_abs[few], near_root[few], 1
    return Scales(mase, rmsse, lag, store.items, season, error or "absolute")


def _lagged(y: np.ndarray, end: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean absolute and root mean square of y[t] - y[t - m] over the first ``end`` rows, and the pairs: [F] each."""
    change = np.abs(y[m:] - y[:-m]) if len(y) > m else np.zeros(0)
    seen = np.isfinite(change)
    change = np.where(seen, change, 0.0)
    upto = np.clip(end - m, 0, len(change))
    n = np.r_[0, np.cumsum(seen)][upto]
    with np.errstate(over="ignore"):  # the scale is then undefined, see below
        total, squares = np.r_[0.0, np.cumsum(change)][upto], np.r_[0.0, np.cumsum(change**2)][upto]
    known = np.isfinite(y)
    size = np.r_[0.0, np.cumsum(np.where(known, np.abs(y), 0.0))][end] / np.maximum(np.r_[0, np.cumsum(known)][end], 1)
    mean = total / np.maximum(n, 1)
    ok = (n > 0) & (mean > ROUNDING * size) & np.isfinite(squares)
    return np.where(ok, mean, np.nan), np.where(ok, np.sqrt(squares / np.maximum(n, 1)), np.nan), n


@dataclass(frozen=True, eq=False)
class QuantileLosses:
    """Losses of quantile forecasts, each [F, I, H]; NaN where a forecast or an answer is missing.

    Args:
        pinball: mean over the quantiles of twice the pinball loss, target units.
        inside_80, inside_95: 1 where the answer lies in the central interval, borders included, else 0.
        width_80, width_95: upper minus lower bound, target units.
        winkler_95: interval score of the 95 % interval, target units.
    """

    pinball: np.ndarray
    inside_80: np.ndarray
    inside_95: np.ndarray
    width_80: np.ndarray
    width_95: np.ndarray
    winkler_95: np.ndarray


@dataclass(frozen=True, eq=False)
class Losses(Generic[FoldT]):
    """Additive losses of one model on folds of one role, target units; NaN where nothing can be scored.

    Args:
        folds: F folds.
        answers: [F, I, H].
        error, ae, se, sape: [F, I, H] forecast minus answer, its absolute value, its square, and
            2|error| / (|answer| + |forecast|).
    """

    folds: tuple[FoldT, ...]
    answers: np.ndarray
    scales: Scales
    error: np.ndarray
    ae: np.ndarray
    se: np.ndarray
    sape: np.ndarray
    quantile: QuantileLosses | None = None

    @property
    def cells(self) -> np.ndarray:
        """[F, I, H] bool, what was scored."""
        return ~np.isnan(self.ae)

    @property
    def counted(self) -> np.ndarray:
        """[F, I, H] absolute or squared errors, whichever the choice and the tests count."""
        return self.ae if self.scales.error == "absolute" else self.se

    def scaled(self) -> np.ndarray:
        """[F, I, H] errors that count, over their scale; NaN where it is undefined."""
        return self.counted / self.scales.unit[:, :, None]

    def by_origin(self, *, scaled: bool = True) -> np.ndarray:
        """[F] mean over items and steps: scaled, what selection and tests count; else absolute. NaN without a cell."""
        return nan_mean(self.scaled() if scaled else self.ae, (1, 2))

    def by_item(self, *, scaled: bool = True) -> np.ndarray:
        """[I] mean over folds and steps."""
        return nan_mean(self.scaled() if scaled else self.ae, (0, 2))

    def by_step(self, *, scaled: bool = True) -> np.ndarray:
        """[H] mean over folds and items."""
        return nan_mean(self.scaled() if scaled else self.ae, (0, 1))

    def item_sums(self) -> np.ndarray:
        """[F, I] sum of the errors that count over steps; NaN where no step was scored."""
        return np.where(self.cells.any(axis=2), np.nansum(self.counted, axis=2), np.nan)

    def only(self, cells: np.ndarray) -> Losses[FoldT]:
        """The losses on some cells [F, I, H]; all others become NaN."""
        cut: dict[str, Any] = {
            name: np.where(cells, getattr(self, name), np.nan) for name in ("error", "ae", "se", "sape")
        }
        quantile = self.quantile
        if quantile is not None:
            parts = {f.name: np.where(cells, getattr(quantile, f.name), np.nan) for f in fields(quantile)}
            quantile = QuantileLosses(**parts)
        return replace(self, quantile=quantile, **cut)


def nan_mean(values: np.ndarray, axis: int | tuple[int, ...] | None = None) -> np.ndarray:
    """Mean of what is not NaN; NaN, without a warning, where there is nothing.

    >>> nan_mean(np.array([[1.0, np.nan], [np.nan, np.nan]]), 1)
    array([ 1., nan])
    """
    seen = ~np.isnan(values)
    n = seen.sum(axis=axis)
    total = np.sum(values, axis=axis, where=seen)
    return np.divide(total, n, out=np.full(np.shape(n), np.nan), where=np.asarray(n) > 0)


def over_origins(cells: np.ndarray) -> float:
    """Mean over origins of each origin's mean, of errors [F, I, H]."""
    return float(nan_mean(nan_mean(cells, (1, 2))))


def measure(
    points: np.ndarray,
    answers: np.ndarray,
    scales: Scales,
    folds: Sequence[FoldT],
    *,
    quantiles: np.ndarray | None = None,
) -> Losses[FoldT]:
    """Losses of forecasts ``points`` [F, I, H] and, where given, ``quantiles`` [F, I, H, Q] of ``QUANTILES``.

    A forecast that is not finite is no forecast, and its cell is not scored.

    Raises:
        ValueError: shapes do not agree: a mistake of the program, not of the user.
    """
    expected = (len(folds), len(scales.items), points.shape[-1])
    if points.shape != answers.shape or points.shape != expected:
        raise ValueError(f"points {points.shape} and answers {answers.shape} must both be {expected}")
    if np.isinf(points).any():
        points = np.where(np.isfinite(points), points, np.nan)
    with np.errstate(over="ignore"):  # 1e200 squared: RMSE is then infinite, and summary calls it undefined
        error = points - answers
        ae = np.abs(error)
        se = error * error
        size = np.abs(points)
        size += np.abs(answers)
    both_zero = size == 0
    size[both_zero] = 1.0
    sape = 2.0 * ae / size
    quantile = None if quantiles is None else _quantile_losses(quantiles, answers)
    return Losses(tuple(folds), answers, scales, error, ae, se, sape, quantile)


def _quantile_losses(quantiles: np.ndarray, y: np.ndarray) -> QuantileLosses:
    pinball = np.zeros_like(y)
    for k, q in enumerate(QUANTILES):  # one quantile at a time: temporaries stay at [F, I, H]
        short = y - quantiles[..., k]
        pinball += 2.0 * np.maximum(q * short, (q - 1.0) * short)
    pinball /= len(QUANTILES)
    bounds = {
        level: (quantiles[..., QUANTILES.index(low)], quantiles[..., QUANTILES.index(high)])
        for level, low, high in ((80, 0.1, 0.9), (95, 0.025, 0.975))
    }
    gone = np.isnan(y) | np.isnan(quantiles).any(axis=-1)

    def blank(values: np.ndarray) -> np.ndarray:
        return np.where(gone, np.nan, values)

    low, high = bounds[95]
    winkler = (high - low) + 40.0 * (np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0))
    inside = {level: blank((y >= lo) & (y <= hi)) for level, (lo, hi) in bounds.items()}
    width = {level: blank(hi - lo) for level, (lo, hi) in bounds.items()}
    return QuantileLosses(blank(pinball), inside[80], inside[95], width[80], width[95], blank(winkler))


def mean_losses(by_seed: Sequence[Losses[FoldT]]) -> Losses[FoldT]:
    """The mean loss over seeds, cell by cell: the score of a network is that of an average seed, not of an ensemble."""
    first = by_seed[0]
    if len(by_seed) == 1:
        return first

    def mean(parts: list[np.ndarray]) -> np.ndarray:
        return np.mean(parts, axis=0)

    out: dict[str, Any] = {name: mean([getattr(x, name) for x in by_seed]) for name in ("error", "ae", "se", "sape")}
    quantile = None
    layers = [x.quantile for x in by_seed if x.quantile is not None]
    if len(layers) == len(by_seed):
        quantile = QuantileLosses(
            **{f.name: mean([getattr(x, f.name) for x in layers]) for f in fields(QuantileLosses)}
        )
    return replace(first, quantile=quantile, **out)


def comparable(losses: Mapping[str, Losses[FoldT]]) -> tuple[dict[str, Losses[FoldT]], dict[str, str]]:
    """All models on the same cells, and the models that are not comparable, with the reason.

    Cells are those that every comparable model scored. A model that scored fewer than 90 % of what any model did
    is not comparable; it keeps its own cells.
    """
    if not losses:
        return {}, {}
    cells = {name: x.cells for name, x in losses.items()}
    anyone = np.logical_or.reduce(list(cells.values()))
    n_any = max(int(anyone.sum()), 1)
    partial = {name: float(c.sum()) / n_any for name, c in cells.items() if c.sum() < LEAST_SHARE * n_any}
    if len(partial) == len(losses):  # nobody has nearly all: then all are compared on what they share
        partial = {}
    common = np.logical_and.reduce([c for name, c in cells.items() if name not in partial])
    out = {
        name: x if name in partial or (cells[name] == common).all() else x.only(common) for name, x in losses.items()
    }
    reasons = {name: f"has forecasts for {share:.0%} of the rows only; not ranked" for name, share in partial.items()}
    return out, reasons


def score_frame(
    role: str,
    model: str,
    seed: int,
    folds: Sequence[Fold],
    points: np.ndarray,
    answers: np.ndarray,
    frame: SeriesFrame,
    *,
    scales_at: Scales | None = None,
) -> pd.DataFrame:
    """The score frame of one model: ``role, model, seed, item_id, cutoff, step, metric, value``.

    Rows: ``ae``, ``se``, ``sape`` for each scored cell; with step 0, ``mase_scale`` and ``rmsse_scale`` for each
    (item, cutoff) with a scored cell, NaN where undefined. RMSE, MASE and so on are means of these rows.

    Args:
        points, answers: [F, I, H].
        scales_at: scales of these folds, where they are known already.

    Raises:
        ValueError: a fold is not of ``role``.
    """
    if any(f.role != role for f in folds):
        raise ValueError(f"a fold is not a {role} fold")
    at = positions(folds, len(frame.items))
    known = scales(frame, at) if scales_at is None else scales_at
    losses = measure(points, answers, known, folds)
    cells = losses.cells
    f, i, h = np.nonzero(cells)
    pair_f, pair_i = np.nonzero(cells.any(axis=2))
    parts = [("ae", f, i, h + 1, losses.ae[cells]), ("se", f, i, h + 1, losses.se[cells])]
    parts += [("sape", f, i, h + 1, losses.sape[cells])]
    zero = np.zeros(len(pair_f), dtype=np.int64)
    parts += [("mase_scale", pair_f, pair_i, zero, known.mase[pair_f, pair_i])]
    parts += [("rmsse_scale", pair_f, pair_i, zero, known.rmsse[pair_f, pair_i])]
    fold, item = (np.concatenate([p[k] for p in parts]) for k in (1, 2))
    metric = np.repeat(np.arange(len(parts)), [len(p[4]) for p in parts])
    return pd.DataFrame(
        {
            "role": pd.Categorical.from_codes(np.zeros(len(fold), int), categories=pd.Index([role])),
            "model": pd.Categorical.from_codes(np.zeros(len(fold), int), categories=pd.Index([model])),
            "seed": seed,
            "item_id": pd.Categorical.from_codes(item, categories=pd.Index(frame.items)),
            "cutoff": frame.calendar.instants.take(np.maximum(at, 0)[fold, item]),
            "step": np.concatenate([p[3] for p in parts]).astype(np.int64),
            "metric": pd.Categorical.from_codes(metric, categories=pd.Index([p[0] for p in parts])),
            "value": np.concatenate([p[4] for p in parts]),
        }
    )
