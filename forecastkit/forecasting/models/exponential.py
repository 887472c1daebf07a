"""Exponential smoothing and the theta method, from statsforecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

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

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season)


@dataclass(frozen=True)
class Theta(StatisticalForecaster):
    """The theta method, optimised dynamically.

    Source: Fiorucci et al. (2016), doi:10.1016/j.ijforecast.2016.02.005.
    """

    complexity: ClassVar[int] = 12

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import DynamicOptimizedTheta

        return DynamicOptimizedTheta(season_length=season, decomposition_type="additive")
