"""Exponential smoothing and the theta method, from statsforecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.forecasting.models.statistical import StatisticalForecaster

__all__ = ["AutoEts", "Theta"]


@dataclass(frozen=True)
class AutoEts(StatisticalForecaster):
    """Exponential smoothing with error, trend and season chosen by AICc.

    Source: Hyndman, Koehler, Snyder and Grose (2002), doi:10.1016/S0169-2070(01)00110-8.
    """

    complexity: ClassVar[int] = 15
    # The library refuses fewer.
    fewest: ClassVar[int] = 7
    keeps_start: ClassVar[bool] = True

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season)


@dataclass(frozen=True)
class Theta(StatisticalForecaster):
    """The theta method, optimised dynamically.

    Source: Fiorucci et al. (2016), doi:10.1016/j.ijforecast.2016.02.005.
    """

    complexity: ClassVar[int] = 12
    keeps_start: ClassVar[bool] = True

    def _library_model(self, season: int) -> Any:
        return _AdditiveTheta(season)


@dataclass
class _AdditiveTheta:
    """The library's model, which when it is run over longer history forgets that its season is additive."""

    season: int
    fitted: dict[str, Any] = field(default_factory=dict)

    def fit(self, y: np.ndarray) -> _AdditiveTheta:
        """Find the parameters."""
        from statsforecast.models import DynamicOptimizedTheta

        self.fitted = DynamicOptimizedTheta(self.season, decomposition_type="additive").fit(y).model_
        return self

    def forward(self, y: np.ndarray, h: int) -> dict[str, np.ndarray]:
        """``mean`` [h] after y, parameters unchanged."""
        from statsforecast.theta import auto_theta, forecast_theta

        kept = {name: self.fitted["par"][name] for name in ("initial_smoothed", "alpha", "theta")}
        run = auto_theta(y, self.season, self.fitted["modeltype"], decomposition_type="additive", **kept)
        found: dict[str, np.ndarray] = forecast_theta(run, h)
        return found
