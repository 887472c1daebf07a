"""From forecasts and answers to losses, the score frame and the leaderboard.

Shapes: F folds, I items, H steps, Q quantiles. Answers are gathered here and given to nobody else. All models are
scored on the same cells; a cell is one (fold, item, step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic

import numpy as np
import pandas as pd

from forecastkit.errors import UnknownNameError, near
from forecastkit.forecasting import significance
from forecastkit.forecasting.coverage import Coverage, coverage
from forecastkit.forecasting.metrics import COLUMNS
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame
from forecastkit.forecasting.splits import ErrorKind, Fold, FoldT

__all__ = [
    "Losses",
    "QuantileLosses",
    "Scales",
    "answers",
    "comparable",
    "coverages",
    "leaderboard",
    "mean_losses",
    "measure",
    "positions",
    "scales",
    "score_frame",
    "summary",
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


def summary(losses: Losses[Any]) -> dict[str, float]:
    """Scores over all scored cells; NaN = undefined on these data. Formulas: ``metrics``.

    MASE and RMSSE are means over origins of each origin's mean, the number that selection and tests count, so that
    a panel with ragged starts has one MASE and not two.
    """
    n = int(losses.cells.sum())
    # The answers that were scored only: the denominators of WAPE, MAPE and WQL.
    size = np.where(losses.cells, np.abs(losses.answers), 0.0)
    out = {
        "mae": float(nan_mean(losses.ae)),
        "rmse": float(np.sqrt(nan_mean(losses.se))),
        "mase": float(nan_mean(nan_mean(losses.ae / losses.scales.mase[:, :, None], (1, 2)))),
        "rmsse": float(nan_mean(nan_mean(np.sqrt(nan_mean(losses.se, 2)) / losses.scales.rmsse, 1))),
        "smape": float(nan_mean(losses.sape)),
        "wape": _ratio(float(np.nansum(losses.ae)), float(size.sum())),
        "bias": float(nan_mean(losses.error)),
        "mape": _mape(losses),
    }
    if losses.scales.error == "squared":
        out["msse"] = float(nan_mean(losses.by_origin()))
    if losses.quantile is not None:
        q = losses.quantile
        scored = np.where(np.isnan(q.pinball), 0.0, size)
        out |= {
            "wql": _ratio(float(np.nansum(q.pinball)), float(scored.sum())),
            "coverage_80": float(nan_mean(q.inside_80)),
            "coverage_95": float(nan_mean(q.inside_95)),
            "width_80": float(nan_mean(q.width_80)),
            "width_95": float(nan_mean(q.width_95)),
            "msis": float(nan_mean(nan_mean(q.winkler_95 / losses.scales.mase[:, :, None], (1, 2)))),
        }
    return {name: value if np.isfinite(value) and n else float("nan") for name, value in out.items()}


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else float("nan")


def _mape(losses: Losses[Any]) -> float:
    y = np.abs(losses.answers)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(losses.ae == 0, 0.0, losses.ae / y)
    return float(nan_mean(share))


BOARD = ("mae", "rmse", "mase", "msse", "rmsse", "smape", "wape", "bias")
BOARD_QUANTILES = (
    "wql", "coverage_80", "coverage_80_lo", "coverage_80_hi", "coverage_95", "coverage_95_lo", "coverage_95_hi",
    "width_80", "width_95", "msis",
)  # fmt: skip


def leaderboard(
    losses: Mapping[str, Losses[FoldT]],
    *,
    reference: str | None = None,
    families: Mapping[str, str] | None = None,
    failed: Mapping[str, str] | None = None,
    by_seed: Mapping[str, Sequence[Losses[FoldT]]] | None = None,
    select: Mapping[str, Losses[Any]] | None = None,
    metrics: Iterable[str] = (),
    n_boot: int = 2000,
    progress: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """One row a model, lowest MASE first (MSSE, where squared errors count); failed models last, with their reason.

    Columns: ``model, family, status (ok | partial | failed), reason, mae, rmse, mase, msse (where it counts), rmsse, smape, wape, bias``, the
    quantile scores where a model has them (coverage with its 95 % interval), ``n_folds, n_items, n_cells, skill, skill_lo, skill_hi, p_value, p_holm,
    word, label, select_mase, n_seeds, mase_seed_sd``, the last and the third last named by what counts. NaN = undefined.

    Args:
        losses: of folds of one role.
        reference: the naive rule that the others are tested against; None = no tests.
        failed: model -> reason, for models without forecasts.
        by_seed: the single seeds behind ``losses``.
        select: losses on select folds, for the column ``select_mase``.
        metrics: further columns: ``mape``, ``owa`` (against ``reference``).
        n_boot: resamples behind the interval of the skill; 0 = none.

    Raises:
        UnknownNameError: ``reference`` or one of ``metrics`` does not exist here.
    """
    if reference is not None and reference not in losses:
        raise UnknownNameError(
            place="leaderboard", value=repr(reference), rule="no such model was scored", remedy=near(reference, losses)
        )
    extra = _extra(metrics)
    same, partial = comparable(losses)
    chosen_on = comparable(select)[0] if select else {}
    rows = []
    for name, x in same.items():
        if progress is not None:
            progress(name)
        row: dict[str, Any] = {"model": name, "family": (families or {}).get(name, "")}
        row |= {"status": "partial" if name in partial else "ok", "reason": partial.get(name, "")}
        row |= summary(x) | _coverage_bounds(x)
        row |= {"n_folds": int(x.cells.any(axis=(1, 2)).sum()), "n_items": int(x.cells.any(axis=(0, 2)).sum())}
        row["n_cells"] = int(x.cells.sum())
        if reference is not None:
            row |= _against(
                x, losses[name], losses[reference], same[reference], is_reference=name == reference, n_boot=n_boot
            )
        if name in chosen_on:
            row[f"select_{x.scales.metric}"] = float(nan_mean(chosen_on[name].by_origin()))
        row |= _seeds(by_seed.get(name, ()) if by_seed else ())
        rows.append(row)
    rows += [
        {"model": name, "family": (families or {}).get(name, ""), "status": "failed", "reason": reason}
        for name, reason in (failed or {}).items()
    ]
    table = pd.DataFrame(rows)
    if not same:  # every model failed: a table of reasons
        table = table.reindex(columns=["model", "family", "status", "reason", *[c for c in BOARD if c != "msse"]])
    return _board(table, extra, reference)


def _extra(metrics: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(metrics))
    for name in names:
        if name not in COLUMNS:
            raise UnknownNameError(
                place="leaderboard",
                value=repr(name),
                rule="not a column of the leaderboard",
                remedy=near(name, COLUMNS),
            )
    return [name for name in names if name in ("mape", "owa")]


def _coverage_bounds(x: Losses[Any]) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, found in coverages(x).items():
        out |= {f"coverage_{name}_lo": found.low, f"coverage_{name}_hi": found.high}
    return out


def coverages(x: Losses[Any]) -> dict[str, Coverage]:
    """``80`` and ``95`` -> how often those intervals held the answer; empty without intervals."""
    if x.quantile is None:
        return {}
    inside = {"80": x.quantile.inside_80, "95": x.quantile.inside_95}
    return {name: coverage(held, int(name) / 100, overlap=_overlap(x)) for name, held in inside.items()}


def _against(
    x: Losses[Any],
    own: Losses[Any],
    reference_own: Losses[Any],
    reference: Losses[Any],
    *,
    is_reference: bool,
    n_boot: int,
) -> dict[str, Any]:
    """Skill and test of one model against the reference, on the cells that both have."""
    if is_reference:
        return {"skill": 0.0, "skill_lo": np.nan, "skill_hi": np.nan, "p_value": np.nan, "word": "", "label": ""}
    if (x.cells != reference.cells).any():  # a partial model
        both = own.cells & reference_own.cells
        x, reference = own.only(both), reference_own.only(both)
    test = significance.compare(x.counted, reference.counted, x.scales.unit, overlap=_overlap(x))
    skill = significance.block_bootstrap(x.item_sums(), reference.item_sums(), block=_overlap(x), n_boot=n_boot)
    return {
        "skill": skill.skill,
        "skill_lo": np.nan if skill.low is None else skill.low,
        "skill_hi": np.nan if skill.high is None else skill.high,
        "p_value": np.nan if test.p_value is None else test.p_value,
        "word": test.verdict,
        "label": test.label,
    }


def _overlap(x: Losses[Any]) -> int:
    """The horizon counted in folds; 1 for a single fold."""
    at = np.array([f.position for f in x.folds])
    if len(at) < 2:
        return 1
    return max(1, -(-x.folds[0].horizon // max(1, int(np.diff(at).min()))))


def _seeds(by_seed: Sequence[Losses[Any]]) -> dict[str, Any]:
    if not by_seed:
        return {}
    _, sd, n = significance.spread([float(nan_mean(x.by_origin())) for x in by_seed])
    return {"n_seeds": n, f"{by_seed[0].scales.metric}_seed_sd": sd}


_CLAIMS = (significance.BETTER, significance.WORSE)


def _board(table: pd.DataFrame, extra: list[str], reference: str | None) -> pd.DataFrame:
    if reference is not None and "p_value" in table:
        table["p_holm"] = significance.holm(table["p_value"].to_numpy(np.float64))
        # Of many models one looks better by chance: the word of a row counts them.
        unsure = (table["p_holm"] >= significance.ALPHA) & table["word"].isin(_CLAIMS)
        table["word"] = table["word"].mask(unsure, significance.INDISTINGUISHABLE)
    if "owa" in extra and reference is not None:
        base = table.loc[table["model"] == reference].iloc[0]
        owa = (table["smape"] / base["smape"] + table["mase"] / base["mase"]) / 2
        table["owa"] = owa.where(np.isfinite(owa))
    present = [c for c in (*BOARD, *extra, *BOARD_QUANTILES) if c in table]
    head = ["model", "family", "status", "reason", *present, "n_folds", "n_items", "n_cells"]
    tests = ["skill", "skill_lo", "skill_hi", "p_value", "p_holm", "word", "label"] if reference is not None else []
    tail = [c for c in ("select_mase", "select_msse", "n_seeds", "mase_seed_sd", "msse_seed_sd") if c in table]
    table = table.reindex(columns=[*head, *tests, *tail])
    for name in ("word", "label"):
        if name in table:
            table[name] = table[name].fillna("")
    key = table["msse" if "msse" in table else "mase"].fillna(np.inf).to_numpy(np.float64)
    if not np.isfinite(key).any():  # no scale is defined anywhere: rank by MAE
        key = table["mae"].fillna(np.inf).to_numpy(np.float64)
    rank = table["status"].map({"ok": 0, "partial": 1, "failed": 2}).to_numpy()
    order = np.lexsort((np.arange(len(table)), key, rank))
    return table.iloc[order].reset_index(drop=True)
