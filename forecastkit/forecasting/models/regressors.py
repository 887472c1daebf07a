"""Covariates that are known ahead as columns of a regression, series by series, for ARIMA with regressors.

A numeric covariate is a column (and a second one that says where it was missing, if it was), a categorical one a column of
0 and 1 for each value of the training rows, and a country two: public holiday, day before one. A value that training has
not seen, and a missing one, is as their mix in training; a missing number is the mean of all series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Design", "Regressors"]

ROWS_A_COLUMN = 10
"""Training rows that each column needs; the first columns are kept."""
COLLINEAR = 1e-4
"""A column that the ones before it explain but for this share of its spread adds nothing but noise to the coefficients."""


@dataclass(frozen=True)
class Regressors:
    """How the known covariates of any frame become columns; fitted on the rows of a training."""

    encoder: CovariateEncoder

    @classmethod
    def fit(cls, frame: SeriesFrame) -> Regressors | None:
        """None where nothing is known ahead."""
        if not frame.known and not frame.country:
            return None
        found = CovariateEncoder.fit(frame, clock=False)
        return cls(replace(found, past=(), past_cat=(), static=(), static_cat=()))

    def columns(self, frame: SeriesFrame, horizon: int) -> list[np.ndarray]:
        """For each item [n, K] float64 from its first row to ``horizon`` rows after the calendar's last.

        NaN = rows that the frame has not, and values that training has not seen.
        """
        found, store = self.encoder.encode(frame, horizon), frame.store
        at, out = found.known_offsets, []
        for i, start in enumerate(store.starts.tolist()):
            time = found.time[start:].astype(np.float64)
            own = slice(int(at[i]), int(at[i]) + min(len(time), int(at[i + 1] - at[i])))
            parts = [found.known[own].astype(np.float64)]
            for k, column in enumerate(self.encoder.known_cat):
                code = found.known_cat[own, k, None]
                parts.append(np.where(code > 0, code == np.arange(1, column.n_codes), np.nan))
            rows = np.concatenate(parts, axis=1)
            rows = np.pad(rows, ((0, len(time) - len(rows)), (0, 0)), constant_values=np.nan)
            out.append(np.concatenate([rows, time], axis=1))
        return out

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return self.encoder.to_dict()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Regressors:
        """The inverse of ``to_dict``."""
        return cls(CovariateEncoder.from_dict(values))


@dataclass(frozen=True, eq=False)
class Design:
    """Which columns one series uses, and their scale over its training rows.

    Args:
        keep: [k] int64 places of the columns.
        centre: [k] mean of the rows.
        spread: [k] standard deviation of what the model sees of them.
    """

    keep: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, take_out: Callable[[np.ndarray], np.ndarray] = np.asarray) -> Design | None:
        """Of the training rows [n, K]: without what never changes, or is a trend or a sum of columns before it.

        Args:
            take_out: what is done to the target and the columns before the model, without a constant of its own.

        Returns:
            None where no column is left.
        """
        seen = np.isfinite(x)
        centre = np.where(seen, x, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        x = take_out(np.where(seen, x - centre, 0.0))
        n = len(x)
        trend = np.linspace(-1.0, 1.0, n)
        basis = [np.full(n, n**-0.5), trend / np.linalg.norm(trend)] if n > 1 else []
        keep: list[int] = []
        for k in range(x.shape[1] if n > 1 else 0):
            if len(keep) >= n // ROWS_A_COLUMN:
                break
            rest = x[:, k] - x[:, k].mean()
            size = float(np.linalg.norm(rest))
            if size <= 1e-9 * n**0.5:
                continue
            for _ in range(2):  # once is not enough in floating point
                for b in basis:
                    rest = rest - b * (b @ rest)
            if np.linalg.norm(rest) > COLLINEAR * size:
                keep.append(k)
                basis.append(rest / np.linalg.norm(rest))
        if not keep:
            return None
        return cls(np.array(keep, dtype=np.int64), centre[keep], x[:, keep].std(axis=0))

    def of(self, x: np.ndarray) -> np.ndarray:
        """[n, k] of rows [n, K]; what is not known is the mean."""
        found = (x[:, self.keep] - self.centre) / self.spread
        return np.where(np.isfinite(found), found, 0.0)
