"""Whether a network reads the clock: where a regression over the lags gains by it on rows that it was not fitted on."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from forecastkit.forecasting.covariates import CovariateEncoder, Encoded
from forecastkit.forecasting.models.windowed import evenly, training_windows
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.time_features import LENGTHS, TimeFeatures
from forecastkit.forecasting.windows import Windows, gather
from forecastkit.nn.rules import rule_rows

__all__ = ["clock_gain", "reads_clock"]

SHORT = re.compile(r"^\d*(s|min|h)$")
"""Steps shorter than a day."""

WORTH = 0.015
"""Share of the error that the clock has to save."""
MOST_WINDOWS, MOST_STEPS = 2000, 8
RECENT = 30
"""Lags that every step reads; of those before, the same phase of each season."""
SAME = 0.05
"""52 weeks are a year."""
AROUND = 12
"""Share of a season, on both sides of a phase, whose mean is read beside it."""
ALPHAS = (1.0, 10.0, 100.0, 1000.0)

_Step = tuple[np.ndarray, np.ndarray, np.ndarray]


def reads_clock(frame: SeriesFrame, horizon: int, length: int, segment: int, about: FitContext) -> bool:
    """Whether hour, weekday and time of the year are read by a network that was not told.

    A network that reads row by row learns the hour far sooner from the clock than from its lags; one that reads seasons has the hour
    in its place. Beyond the hour, the clock is read where it says more than the context does: see ``clock_gain``.

    Args:
        segment: rows that are read as one step.
    """
    return (segment == 1 and bool(SHORT.search(frame.calendar.freq))) or clock_gain(
        frame, horizon, length, about
    ) > WORTH


def clock_gain(frame: SeriesFrame, horizon: int, length: int, about: FitContext) -> float:
    """Share of the absolute error that the clock takes from a ridge regression, on the tail of the training rows.

    The same windows stop a network early. At most eight steps of the horizon are tried, and of the context the last rows
    and those of the same phase in each season before.

    Args:
        length: rows of the context.

    Returns:
        0.0 where there is no clock, or its only cycle is the season that the context holds twice, or the history has no tail to validate on.
    """
    encoder = CovariateEncoder(time=_clock(frame, length))
    if not encoder.time.cycles:
        return 0.0
    train, valid, _ = training_windows(frame, horizon, length, replace(about, n_steps=None), label="clock")
    if not len(valid):
        return 0.0
    encoded = encoder.encode(frame, horizon)
    steps = np.unique(np.linspace(0, horizon - 1, min(horizon, MOST_STEPS)).astype(np.int64))
    fitted = _read(frame, evenly(train, MOST_WINDOWS), length, horizon, steps, encoded)
    later = _read(frame, evenly(valid, MOST_WINDOWS), length, horizon, steps, encoded)
    n_time = len(encoder.time.names)
    error = {clock: _error(fitted, later, n_time if clock else 0, n_time) for clock in (False, True)}
    return 1 - error[True] / error[False] if error[False] > 0 else 0.0


def _clock(frame: SeriesFrame, length: int) -> TimeFeatures:
    """All cycles; none where the only one is the season, and the context holds it twice: its phase is read there."""
    time, season = TimeFeatures.choose(frame.calendar, clock=True), frame.season_length
    if len(time.cycles) != 1 or season == 1 or length < 2 * season:
        return time
    instants = frame.calendar.instants
    share = season * ((instants[-1] - instants[0]) / (len(instants) - 1) / LENGTHS[time.cycles[0]])
    return TimeFeatures() if abs(share - 1) < SAME else time


def _read(
    frame: SeriesFrame, windows: Windows, length: int, horizon: int, steps: np.ndarray, encoded: Encoded
) -> list[_Step]:
    """A step: (clock, then lags and an intercept [B, .], the answer minus the last value [B], whether it was observed [B])."""
    batch = gather(frame.store, windows, length, horizon, covariates=encoded, elapsed=False)
    past = batch.past_num[:, :, 0].astype(np.float64)
    last, season = past[:, -1:], frame.season_length
    recent = past[:, -min(RECENT, length) :] - last
    one = np.ones((len(past), 1))
    known = batch.known_num
    assert known is not None
    seasons = list(range(season, length + 1, season)) if season > 1 else []
    total = np.cumsum(np.concatenate([np.zeros((len(past), 1)), past], axis=1), axis=1)
    reach = season // AROUND
    out = []
    for h in steps.tolist():
        rows = np.array(sorted({int(rule_rows(length, horizon, m)[h]) for m in seasons}), np.int64)
        low, high = np.maximum(rows - reach, 0), np.minimum(rows + reach + 1, length)
        around = (total[:, high] - total[:, low]) / (high - low)
        x = np.concatenate(
            [known[:, length + h], recent, past[:, rows] - last, around - last, one], axis=1, dtype=np.float64
        )
        out.append((x, batch.target[:, h, 0] - last[:, 0], batch.target_observed[:, h, 0].astype(np.float64)))
    return out


def _error(fitted: list[_Step], later: list[_Step], n_clock: int, n_time: int) -> float:
    """Mean absolute error over steps of the best penalty, with the first ``n_clock`` of the ``n_time`` columns of the clock."""
    from scipy.linalg import cho_factor, cho_solve

    errors = np.zeros(len(ALPHAS))
    for (x, y, w), (x_later, y_later, w_later) in zip(fitted, later):
        columns = np.r_[:n_clock, n_time : x.shape[1]]
        a, b = x[:, columns], x_later[:, columns]
        products, answer = (a * w[:, None]).T @ a, (a * w[:, None]).T @ y
        for k, alpha in enumerate(ALPHAS):
            penalty = np.full(len(columns), alpha)
            penalty[-1] = 1e-9
            coefficients = cho_solve(cho_factor(products + np.diag(penalty + 1e-9)), answer)
            errors[k] += float((w_later * np.abs(y_later - b @ coefficients)).sum()) / max(float(w_later.sum()), 1e-12)
    return float(errors.min())
