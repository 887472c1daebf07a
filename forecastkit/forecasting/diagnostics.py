"""Does a forecast only repeat the last value? One-step forecasts held against today's and yesterday's value.

The plot of such a forecast looks perfect, one row late. Its predicted changes are small beside the real ones
and know nothing of their direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forecastkit.forecasting.protocol import Fitted
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.wording import decimal_comma

__all__ = ["lag_check", "one_step_forecasts"]

MAX_LAG = 5
COPY_SHARE = 0.2
"""Predicted changes below this share of the actual ones count as none."""


def one_step_forecasts(fitted: Fitted, frame: SeriesFrame, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts [n, n_items] of the last ``n`` instants, each from the instant before, and their positions [n]."""
    last = len(frame.calendar) - 1
    at = np.arange(max(0, last - n), last)
    return fitted.predict_at(frame, at)[:, :, 0], at + 1


def lag_check(model: str, frame: SeriesFrame, forecasts: np.ndarray, when: np.ndarray) -> dict[str, Any]:
    """Mean absolute distance of one-step forecasts to the value 0, 1, ... rows before, and a sentence.

    Args:
        forecasts: [n, n_items], made for positions ``when`` [n] from the row before.

    Returns:
        model, copies (bool), best_lag, error_by_lag (relative to lag 1's mean change), share (size of predicted
        changes over actual ones), direction (correlation of predicted and actual changes), n, sentence {en, es}.
    """
    store = frame.store
    distance = np.full((MAX_LAG + 1, len(store)), np.nan)
    predicted, actual = [], []
    for i in range(len(store)):
        y = np.full(len(frame.calendar), np.nan)
        y[store.starts[i] : store.ends[i] + 1] = store.series(i)
        change = y[when] - y[when - 1]
        size = np.nanmean(np.abs(change)) if np.isfinite(change).any() else np.nan
        if not size > 0:
            continue
        for lag in range(MAX_LAG + 1):
            gap = np.abs(forecasts[:, i] - y[np.maximum(when - lag, 0)])
            distance[lag, i] = np.nanmean(gap) / size if np.isfinite(gap).any() else np.nan
        ok = np.isfinite(change) & np.isfinite(forecasts[:, i])
        predicted.append((forecasts[:, i] - y[when - 1])[ok] / size)
        actual.append(change[ok] / size)
    if not predicted or sum(map(len, predicted)) < 10:
        return {}
    p, a = np.concatenate(predicted), np.concatenate(actual)
    by_lag = np.nanmean(distance[:, np.isfinite(distance).any(axis=0)], axis=1)
    share = float(np.abs(p).mean() / np.abs(a).mean())
    moving = p.std() > 0 and a.std() > 0
    direction = float(np.corrcoef(p, a)[0, 1]) if moving else 0.0
    best = int(np.argmin(by_lag))
    # Near yesterday's value, and the little that it moves says nothing about the real move.
    noise = 2 / np.sqrt(len(p))
    copies = best == 1 and (share < COPY_SHARE or direction < noise)
    return {
        "model": model,
        "copies": copies,
        "best_lag": best,
        "error_by_lag": [float(v) for v in by_lag],
        "share": share,
        "direction": direction,
        "n": len(p),
        "sentence": _sentence(model, copies, share, direction),
    }


def _sentence(model: str, copies: bool, share: float, direction: float) -> dict[str, str]:
    percent = f"{100 * share:.0f} %"
    spanish = decimal_comma(f"{direction:.2f}")
    if copies:
        return {
            "en": f"{model} mostly repeats the last value: its predicted changes are {percent} of the size of the real "
            f"ones and agree with them by a correlation of {direction:.2f}.",
            "es": f"{model} casi solo repite el último valor: los cambios que predice miden el {percent} de los reales "
            f"y concuerdan con ellos con una correlación de {spanish}.",
        }
    return {
        "en": f"{model} does more than repeat the last value: its predicted changes are {percent} of the size of the "
        f"real ones and agree with them by a correlation of {direction:.2f}.",
        "es": f"{model} hace más que repetir el último valor: los cambios que predice miden el {percent} de los reales "
        f"y concuerdan con ellos con una correlación de {spanish}.",
    }
