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
    keeps_start: ClassVar[bool] = True

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import AutoETS

        return AutoETS(season_length=season)


@dataclass(frozen=True)
class Theta(StatisticalForecaster):
    """The theta method, optimised dynamically; a season multiplies, or adds where not all values are above 0.

    Source: Fiorucci et al. (2016), doi:10.1016/j.ijforecast.2016.02.005.
    """

    complexity: ClassVar[int] = 12
    keeps_start: ClassVar[bool] = True

    def _library_model(self, season: int) -> Any:
        from statsforecast.models import DynamicOptimizedTheta

        # Its season multiplies by default. Fitted with one that adds, the library would still run it with one that multiplies.
        return DynamicOptimizedTheta(season_length=season)
