"""What a regression reads of a window: lags, rules, covariates, the calendar; [B, H, F] by step or [B, S] for all steps.

Shapes: B batch, T context_length, H horizon, F numbers a step, S numbers shared by all steps.
"""

from __future__ import annotations

import numpy as np

from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.windows import Batch
from forecastkit.nn.rules import rule_rows

__all__ = ["by_step", "one_hot", "shared", "trailing"]

SHORTLY = (1, 2, 6)
"""Rows before a step whose covariates are read beside its own."""


def one_hot(codes: np.ndarray | None, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """Codes [..., C] as columns of 0 and 1, without the code of the unknown, which is a row of zeros."""
    if codes is None:
        return []
    return [(codes[..., k, None] == np.arange(1, n)).astype(np.float64) for k, n in enumerate(sizes)]


def shared(batch: Batch, encoder: CovariateEncoder, season_length: int) -> np.ndarray:
    """[B, S] past covariates (the last row, the mean of the last season) and static ones."""
    parts = []
    more = batch.past_num[:, :, 1:]
    if more.shape[2]:
        recent = more[:, -max(2, min(season_length, more.shape[1])) :]
        parts += [more[:, -1], recent.mean(axis=1)]
    if batch.past_cat is not None:
        parts += one_hot(batch.past_cat[:, -1], tuple(c.n_codes for c in encoder.past_cat))
    if batch.static_num is not None:
        parts.append(batch.static_num)
    parts += one_hot(batch.static_cat, tuple(c.n_codes for c in encoder.static_cat))
    n = len(batch.past_num)
    return np.concatenate([np.zeros((n, 0)), *parts], axis=1, dtype=np.float64)


def by_step(batch: Batch, encoder: CovariateEncoder, rules: tuple[int, ...], horizon: int) -> np.ndarray:
    """[B, H, F] time features, known covariates, their squares, and how both differ from the rows that rules repeat.

    The square lets a line bend once: demand rises with cold and with heat.
    """
    n, length = batch.past_num.shape[:2]
    parts = [np.zeros((n, horizon, 0))]
    n_time = len(encoder.time.names)
    known: list[np.ndarray] = []
    if batch.known_num is not None:
        parts.append(batch.known_num[:, -horizon:, :n_time].astype(np.float64))
        numbers = batch.known_num[:, :, n_time:].astype(np.float64)
        known += [numbers, numbers[:, :, : len(encoder.known)] ** 2]
    known += one_hot(batch.known_cat, tuple(c.n_codes for c in encoder.known_cat))
    for values in known:
        parts.append(values[:, -horizon:])
        past = values[:, :length]
        parts += [values[:, -horizon:] - past[:, rule_rows(length, horizon, m)] for m in rules]
    return np.concatenate(parts, axis=2)


def trailing(batch: Batch, encoder: CovariateEncoder, season: int, horizon: int) -> list[np.ndarray]:
    """[B, H, .] known numbers over the rows that end at a step: the mean of one season and of three, the highest and lowest of
    one, and the values shortly before.

    What a covariate did in the hours before says more than its value alone: heat that has lasted for days.
    """
    if batch.known_num is None or season < 2:
        return []
    n_time = len(encoder.time.names)
    values = batch.known_num[:, :, n_time : n_time + len(encoder.known)].astype(np.float64)
    parts, rows = [], values.shape[1]
    for width in (season, 3 * season):
        if width + horizon <= rows:
            total = np.cumsum(values[:, -horizon - width :], axis=1)
            parts.append((total[:, width:] - total[:, :-width]) / width)
    if season + horizon <= rows:
        seen = np.lib.stride_tricks.sliding_window_view(values[:, -horizon - season + 1 :], season, axis=1)
        parts += [seen.max(axis=-1), seen.min(axis=-1)]
    parts += [values[:, -horizon - k : -k] for k in SHORTLY if k + horizon <= rows and k < season]
    return parts if values.shape[2] else []
