"""Metrics as pure functions of arrays.

Shapes: ``y`` and ``yhat`` [..., H] in target units, equal or broadcastable. Where ``axis`` is taken, None = one number over
everything, and e.g. 0 of [F, H] = by step.

Rules for all, unless a docstring says otherwise: a NaN in ``y`` is skipped; a NaN forecast of an observed ``y`` makes the
result NaN, so that no model gains by staying silent; nothing to average is NaN; ``weights`` (not negative, broadcastable to
``y``) make weighted means, and a weight of 0 leaves a value out. NaN is "undefined", never 0 and never infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "COLUMNS",
    "bias",
    "coverage",
    "crps_from_quantiles",
    "direction_accuracy",
    "interval_width",
    "mae",
    "mape",
    "mase",
    "msis",
    "owa",
    "pinball",
    "rmse",
    "rmsse",
    "seasonal_scale",
    "smape",
    "wape",
    "winkler",
    "wql",
]

Axis = int | tuple[int, ...] | None


def _arrays(*values: Any) -> list[np.ndarray]:
    return list(np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in values)))


def _mean(values: np.ndarray, seen: np.ndarray, weights: Any = None, axis: Axis = None) -> Any:
    """Weighted mean of ``values`` where ``seen``; NaN where the weights sum to zero."""
    if weights is None:
        total, n = np.sum(np.where(seen, values, 0.0), axis=axis), np.sum(seen, axis=axis)
    else:
        w = np.where(seen, np.broadcast_to(np.asarray(weights, dtype=np.float64), values.shape), 0.0)
        if not (w >= 0).all():
            raise ValueError("weights must be numbers of at least 0")
        # A weight of 0 leaves a value out, NaN or not.
        total, n = np.sum(np.where(w > 0, values, 0.0) * w, axis=axis), np.sum(w, axis=axis)
    return _ratio(total, n)


def _divide(above: np.ndarray, below: np.ndarray, otherwise: Any) -> np.ndarray:
    """Above / below where below is positive, else ``otherwise``; too large for a float is infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.divide(above, below, out=np.broadcast_to(otherwise, above.shape).astype(np.float64), where=below > 0)


def _ratio(above: Any, below: Any) -> Any:
    """Above / below; NaN where below is not positive or the result is not finite."""
    a, b = _arrays(above, below)
    out = _divide(a, b, np.nan)
    out = np.where(np.isinf(out), np.nan, out)
    return out if out.ndim else float(out)


def mae(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of |y - yhat|, in [0, inf), target units.

    >>> mae([1.0, 2.0, float("nan")], [2.0, 4.0, 9.0])
    1.5
    """
    y, yhat = _arrays(y, yhat)
    return _mean(np.abs(y - yhat), ~np.isnan(y), weights, axis)


def rmse(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Root of the mean of (y - yhat)**2, in [0, inf), target units.

    >>> rmse([0.0, 0.0], [3.0, 4.0]) == 12.5 ** 0.5
    True
    """
    y, yhat = _arrays(y, yhat)
    out = np.sqrt(_mean((y - yhat) ** 2, ~np.isnan(y), weights, axis))
    return out if np.ndim(out) else float(out)


def bias(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of yhat - y, in (-inf, inf), target units; positive = forecasts too high.

    >>> bias([1.0, 2.0], [2.0, 4.0])
    1.5
    """
    y, yhat = _arrays(y, yhat)
    return _mean(yhat - y, ~np.isnan(y), weights, axis)


def mape(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of |y - yhat| / |y|, in [0, inf), 0.1 = 10 %; 0/0 is 0; an error at y = 0 makes it undefined (NaN).

    >>> mape([2.0, 0.0], [1.0, 0.0]), mape([2.0, 0.0], [1.0, 1.0])
    (0.25, nan)
    """
    y, yhat = _arrays(y, yhat)
    error, size = np.abs(y - yhat), np.abs(y)
    share = _divide(error, size, np.where(error == 0, 0.0, np.nan))
    return _mean(share, ~np.isnan(y), weights, axis)


def smape(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of 2|y - yhat| / (|y| + |yhat|), in [0, 2]; 0/0 is 0.

    >>> smape([1.0, 0.0], [3.0, 0.0])
    0.5
    """
    y, yhat = _arrays(y, yhat)
    error, size = np.abs(y - yhat), np.abs(y) + np.abs(yhat)
    share = _divide(2 * error, size, np.where(np.isnan(size), np.nan, 0.0))
    return _mean(share, ~np.isnan(y), weights, axis)


def wape(y: Any, yhat: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Sum of |y - yhat| over sum of |y|, in [0, inf); undefined (NaN) where all y are 0.

    >>> wape([1.0, 3.0], [2.0, 4.0])
    0.5
    """
    y, yhat = _arrays(y, yhat)
    seen = ~np.isnan(y)
    return _ratio(_mean(np.abs(y - yhat), seen, weights, axis), _mean(np.abs(y), seen, weights, axis))


def seasonal_scale(history: Any, season_length: int = 1, *, squared: bool = False) -> float:
    """Scale of MASE (or, squared and rooted, of RMSSE): mean |y[t] - y[t - m]| over one series' history [T].

    Pairs with a NaN are skipped. NaN = undefined: no pair, or no change at all.

    >>> seasonal_scale([1.0, 3.0, 2.0])
    1.5
    """
    y = np.asarray(history, dtype=np.float64)
    change = np.abs(y[season_length:] - y[:-season_length]) if len(y) > season_length else np.zeros(0)
    change = change[~np.isnan(change)]
    if not change.any():
        return float("nan")
    return float(np.sqrt(np.mean(change**2))) if squared else float(change.mean())


def mase(y: Any, yhat: Any, scale: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of |y - yhat| / scale, in [0, inf); 1 = as large as a naive step within the history.

    Args:
        y, yhat: [..., H].
        scale: [...], one a series, from ``seasonal_scale``; a series with an undefined or zero scale is skipped.

    Source: Hyndman and Koehler (2006), doi:10.1016/j.ijforecast.2006.03.001.

    >>> mase([1.0, 2.0], [2.0, 4.0], 3.0)
    0.5
    """
    y, yhat, size = _arrays(y, yhat, np.asarray(scale, dtype=np.float64)[..., None])
    ok = size > 0
    ratio = _divide(np.abs(y - yhat), size, 0.0)
    return _mean(ratio, ~np.isnan(y) & ok, weights, axis)


def rmsse(y: Any, yhat: Any, scale: Any, *, weights: Any = None) -> float:
    """Mean over series of sqrt(mean over steps of (y - yhat)**2) / scale, in [0, inf).

    Args:
        y, yhat: [..., H].
        scale: [...], from ``seasonal_scale(..., squared=True)``; a series with an undefined or zero scale is skipped.
        weights: [...], one a series.

    >>> rmsse([[3.0, 4.0]], [[0.0, 0.0]], [5.0]) == 0.5 ** 0.5
    True
    """
    y, yhat = _arrays(y, yhat)
    root = np.asarray(rmse(y, yhat, axis=-1))
    root, size = _arrays(root, scale)
    ok = size > 0
    ratio = _divide(root, size, 0.0)
    return float(_mean(ratio, ok & ~np.isnan(y).all(axis=-1), weights))


def owa(y: Any, yhat: Any, reference: Any, scale: Any) -> float:
    """Mean of the sMAPE and the MASE of a model, each over that of a reference forecast (M4: naive 2), in [0, inf).

    Args:
        y, yhat, reference: [..., H].
        scale: [...], as for ``mase``. Undefined (NaN) where the reference makes no error.

    Source: Makridakis et al. (2020), doi:10.1016/j.ijforecast.2019.04.014.

    >>> owa([2.0, 2.0], [2.0, 2.0], [1.0, 3.0], 1.0)
    0.0
    """
    s = _ratio(smape(y, yhat), smape(y, reference))
    return float((s + _ratio(mase(y, yhat, scale), mase(y, reference, scale))) / 2)


def pinball(y: Any, yhat: Any, q: float, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of max(q (y - yhat), (q - 1) (y - yhat)) for the forecast of quantile ``q``, in [0, inf), target units.

    >>> pinball([10.0], [8.0], 0.9), pinball([8.0], [10.0], 0.9)
    (1.8, 0.19999999999999996)
    """
    y, yhat = _arrays(y, yhat)
    return _mean(np.maximum(q * (y - yhat), (q - 1.0) * (y - yhat)), ~np.isnan(y), weights, axis)


def wql(y: Any, quantiles: Any, levels: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Weighted quantile loss: mean over levels of 2 sum(pinball) / sum|y|, in [0, inf); NaN where all y are 0.

    Args:
        y: [...].
        quantiles: [..., Q] forecasts of the quantiles ``levels`` [Q].

    >>> wql([2.0], [[1.0]], [0.5])
    0.5
    """
    y, quantiles = np.asarray(y, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    losses = [2 * pinball(y, quantiles[..., k], float(q), weights=weights, axis=axis) for k, q in enumerate(levels)]
    return _ratio(np.mean(losses, axis=0), _mean(np.abs(y), ~np.isnan(y), weights, axis))


def crps_from_quantiles(y: Any, quantiles: Any, levels: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Continuous ranked probability score, in [0, inf), target units, of the distribution that the quantiles stand for.

    Each quantile is an atom whose mass reaches half-way to its neighbours (the outer ones to 0 and 1); for
    that distribution the score is exact: the integral of 2 * pinball over its levels.

    Args:
        y: [...].
        quantiles: [..., Q], not decreasing along Q.
        levels: [Q], increasing, within (0, 1).

    Source: Gneiting and Raftery (2007), doi:10.1198/016214506000001437.

    >>> crps_from_quantiles([2.0], [[1.0]], [0.5])
    1.0
    """
    y, quantiles = np.asarray(y, dtype=np.float64), np.asarray(quantiles, dtype=np.float64)
    q = np.asarray(levels, dtype=np.float64)
    edges = np.r_[0.0, (q[1:] + q[:-1]) / 2, 1.0]
    total = np.zeros(y.shape)
    for k, (mass, middle) in enumerate(zip(np.diff(edges), (edges[1:] + edges[:-1]) / 2, strict=True)):
        short = y - quantiles[..., k]
        total = total + 2 * mass * np.maximum(middle * short, (middle - 1.0) * short)
    return _mean(total, ~np.isnan(y), weights, axis)


def coverage(y: Any, lower: Any, upper: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Share of y within [lower, upper], borders included, in [0, 1].

    >>> coverage([1.0, 5.0], [0.0, 0.0], [2.0, 2.0])
    0.5
    """
    y, lower, upper = _arrays(y, lower, upper)
    inside = ((y >= lower) & (y <= upper)).astype(np.float64)
    inside[np.isnan(lower) | np.isnan(upper)] = np.nan
    return _mean(inside, ~np.isnan(y), weights, axis)


def interval_width(lower: Any, upper: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Mean of upper - lower, target units; any NaN bound makes it NaN.

    >>> interval_width([0.0, 1.0], [2.0, 2.0])
    1.5
    """
    lower, upper = _arrays(lower, upper)
    return _mean(upper - lower, np.ones(lower.shape, dtype=bool), weights, axis)


def winkler(y: Any, lower: Any, upper: Any, level: float, *, weights: Any = None, axis: Axis = None) -> Any:
    """Interval score: width, plus 2 / (1 - level/100) times the distance of y outside; in [0, inf), target units.

    Args:
        level: coverage in per cent, e.g. 95.

    Source: Winkler (1972), doi:10.1080/01621459.1972.10481224.

    >>> winkler([3.0], [0.0], [2.0], 50)
    6.0
    """
    y, lower, upper = _arrays(y, lower, upper)
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    return _mean((upper - lower) + 2.0 / (1.0 - level / 100.0) * outside, ~np.isnan(y), weights, axis)


def msis(
    y: Any, lower: Any, upper: Any, scale: Any, level: float = 95, *, weights: Any = None, axis: Axis = None
) -> Any:
    """Mean scaled interval score (M4): the interval score over the MASE scale, in [0, inf).

    Args:
        y, lower, upper: [..., H].
        scale: [...]; a series with an undefined or zero scale is skipped.

    >>> msis([3.0], [0.0], [2.0], 2.0, level=50)
    3.0
    """
    y, lower, upper, size = _arrays(y, lower, upper, np.asarray(scale, dtype=np.float64)[..., None])
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    score = (upper - lower) + 2.0 / (1.0 - level / 100.0) * outside
    ok = size > 0
    return _mean(_divide(score, size, 0.0), ~np.isnan(y) & ok, weights, axis)


def direction_accuracy(y: Any, yhat: Any, last: Any, *, weights: Any = None, axis: Axis = None) -> Any:
    """Share of forecasts that go up or down from the last known value as y does, in [0, 1]; 0.5 = a coin.

    A forecast of no change counts one half; a y that did not change has no direction and is skipped.

    Args:
        last: value at the cutoff, broadcastable to ``y``.

    >>> direction_accuracy([2.0, 0.0, 5.0], [3.0, 2.0, 1.0], 1.0)
    0.5
    """
    y, yhat, last = _arrays(y, yhat, last)
    went, said = np.sign(y - last), np.sign(yhat - last)
    hit = np.where(said == 0, 0.5, np.where(np.isnan(said), np.nan, (went == said).astype(np.float64)))
    return _mean(hit, ~np.isnan(y) & ~np.isnan(last) & (went != 0), weights, axis)


COLUMNS: tuple[str, ...] = ("mae", "rmse", "mase", "rmsse", "smape", "wape", "bias", "mape", "owa")
COLUMNS += ("wql", "coverage_80", "coverage_95", "width_80", "width_95", "msis")
"""What a leaderboard can show, and so what a plan can ask for."""
