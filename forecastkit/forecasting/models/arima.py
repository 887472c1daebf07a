"""ARIMA: orders chosen by AICc (statsforecast), or fixed (statsmodels); both may read what is known ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.models.one_series import Forwarded, LocalModel, quiet
from forecastkit.forecasting.models.regressors import Design
from forecastkit.forecasting.models.statistical import StatisticalForecaster
from forecastkit.forecasting.protocol import Capabilities

__all__ = ["Arima", "AutoArima"]


@dataclass(frozen=True)
class AutoArima(StatisticalForecaster):
    """ARIMA with orders chosen stepwise by AICc.

    Covariates that are known ahead enter a linear regression with ARIMA errors. Its orders are chosen on what a regression
    of the changes leaves of the series, as the search with all columns takes five times as long; then all coefficients are
    estimated together.

    Args:
        covariates: read what is known ahead.

    Sources: Hyndman and Khandakar (2008), doi:10.18637/jss.v027.i03; Hyndman and Athanasopoulos (2021), Forecasting:
    principles and practice, chapter 10.
    """

    covariates: bool = True
    complexity: ClassVar[int] = 20
    differences: ClassVar[bool] = True

    @property
    def capabilities(self) -> Capabilities:
        """Known covariates, if asked."""
        return Capabilities(known=self.covariates, categorical=self.covariates)

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoARIMA

        return AutoARIMA(season_length=season, approximation=season > 1)

    def _with_columns(self, y: np.ndarray, x: np.ndarray, season: int) -> Any:
        from statsforecast.models import ARIMA

        rough = np.linalg.lstsq(np.diff(x, axis=0), np.diff(y), rcond=None)[0]
        chosen = self._library_model(season).fit(y - x @ rough).model_
        p, q, P, Q, m, d, D = (int(k) for k in chosen["arma"])
        model = ARIMA(
            order=(p, d, q),
            season_length=m,
            seasonal_order=(P, D, Q),
            include_mean="intercept" in chosen["coef"],
            include_drift="drift" in chosen["coef"],
        )
        return model.fit(y, x)


@dataclass(frozen=True, eq=False)
class _Filtered:
    """A statsmodels state space model: one filter pass over the history gives the state at every cutoff."""

    result: Any
    centre: float
    spread: float
    design: Design | None = None

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int, x: np.ndarray | None = None) -> np.ndarray:
        out = np.full((len(n_known), horizon), np.nan)
        usable = (n_known > 0) & np.isfinite(y[: max(1, int(n_known.max(initial=1)))]).any()
        if not usable.any():
            return out
        first = int(np.flatnonzero(np.isfinite(y))[0])
        upto = int(n_known.max())
        scaled = (np.r_[y, np.full(max(0, upto - len(y)), np.nan)][first:upto] - self.centre) / self.spread
        columns = None if self.design is None or x is None else self.design.of(x)
        with quiet():
            past = None if columns is None else columns[first:upto]
            filtered = self.result.apply(scaled, exog=past).filter_results
        # What the covariates add is the mean of each row, beside the constant.
        level = filtered.obs_intercept[0, -1:]
        if columns is not None:
            effect = columns @ self.result.params[self._first_column :][: columns.shape[1]]
            level = level - effect[upto - 1] + effect
        states = filtered.predicted_state
        design, transition = filtered.design[:, :, -1], filtered.transition[:, :, -1]
        intercept = filtered.state_intercept[:, -1]
        for k, n in enumerate(n_known):
            if n <= first:
                continue
            known = y[first : min(int(n), len(y))]
            known = known[np.isfinite(known)]
            if np.ptp(known) == 0:
                out[k] = known[-1]
                continue
            state = states[:, int(n) - first]
            for h in range(horizon):
                out[k, h] = (design @ state)[0] + (level[0] if columns is None else level[int(n) + h])
                state = transition @ state + intercept
            out[k] = out[k] * self.spread + self.centre
        return out

    @property
    def _first_column(self) -> int:
        """Where the coefficients of the columns begin; a constant comes first."""
        return int(self.result.param_names[0] == "const")


@dataclass(frozen=True)
class Arima(StatisticalForecaster):
    """ARIMA of a fixed order, by exact likelihood in state space form; known covariates as those of ``AutoArima``.

    Args:
        order: (p, d, q).
        seasonal_order: (P, D, Q) at the season length; None = none.
        covariates: read what is known ahead.
    """

    order: tuple[int, int, int] = (1, 1, 1)
    seasonal_order: tuple[int, int, int] | None = None
    covariates: bool = True
    complexity: ClassVar[int] = 11

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("order", "seasonal_order"):
            value = getattr(self, name)
            if value is not None and min(value) < 0:
                raise ConfigError(
                    place=f"model arima, option {name}", value=str(value), rule="no number may be negative"
                )

    @property
    def capabilities(self) -> Capabilities:
        """Known covariates, if asked."""
        return Capabilities(known=self.covariates, categorical=self.covariates)

    def _fit_series(self, y: np.ndarray, season_length: int, x: np.ndarray | None = None) -> LocalModel:
        from statsmodels.tsa.arima.model import ARIMA

        seen = y[np.isfinite(y)]
        if np.ptp(seen) == 0:
            return Forwarded(None, self.max_history, season_length, "")
        # Likelihoods are searched badly at 1e9; the order has no intercept that scaling would change.
        centre, spread = float(seen.mean()), float(seen.std())
        seasonal = (*self.seasonal_order, season_length) if self.seasonal_order and season_length > 1 else (0, 0, 0, 0)
        found = None if x is None else Design.fit(x)
        columns = None if found is None or x is None else found.of(x)
        model = ARIMA((y - centre) / spread, exog=columns, order=self.order, seasonal_order=seasonal)
        return _Filtered(model.fit(method_kwargs={"maxiter": 50}), centre, spread, found)
