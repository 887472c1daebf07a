"""Intermittent demand: many zeros, and now and then a sale. Croston's method and that of Teunter, Syntetos and Babai."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.models.one_series import LocalModel
from forecastkit.forecasting.models.statistical import StatisticalForecaster

__all__ = ["Croston", "Tsb"]

SHARES = (0.05, 0.1, 0.2, 0.3)
"""Smoothing shares that are tried on the training rows."""


@dataclass(frozen=True, eq=False)
class _Flat:
    """A statsforecast model without parameters of its own: run over the rows known at each cutoff."""

    model: Any

    def forecast(self, y: np.ndarray, n_known: np.ndarray, horizon: int, x: np.ndarray | None = None) -> np.ndarray:
        out = np.full((len(n_known), horizon), np.nan)
        for k, n in enumerate(n_known):
            # Rows that were not observed are no zeros: they are left out.
            known = y[: max(0, int(n))]
            known = known[np.isfinite(known)]
            if len(known):
                constant = np.ptp(known) == 0
                out[k] = known[-1] if constant else self.model.forecast(y=known, h=1)["mean"][0]
        return out


@dataclass(frozen=True)
class Croston(StatisticalForecaster):
    """Size of a demand over the time between two, both smoothed.

    Args:
        variant: ``classic`` (share 0.1), ``sba`` (5 % lower, since the ratio is too high on average) or ``optimized``
            (shares by squared error, anew at each cutoff).

    Sources: Croston (1972), doi:10.1057/jors.1972.50; Syntetos and Boylan (2005), doi:10.1016/j.ijforecast.2004.10.001.
    """

    variant: Literal["classic", "sba", "optimized"] = "classic"
    complexity: ClassVar[int] = 4

    def _fit_series(self, y: np.ndarray, season_length: int, x: np.ndarray | None = None) -> LocalModel:
        from statsforecast.models import CrostonClassic, CrostonOptimized, CrostonSBA

        return _Flat({"classic": CrostonClassic, "sba": CrostonSBA, "optimized": CrostonOptimized}[self.variant]())


@dataclass(frozen=True)
class Tsb(StatisticalForecaster):
    """Size of a demand times the probability of one, both smoothed; unlike Croston's it falls while nothing is sold.

    Args:
        alpha_size, alpha_chance: smoothing shares; None = those of the least squared one-step error on the training rows.

    Source: Teunter, Syntetos and Babai (2011), doi:10.1016/j.ejor.2011.05.018.
    """

    alpha_size: float | None = None
    alpha_chance: float | None = None
    complexity: ClassVar[int] = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha_size", "alpha_chance"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ConfigError(
                    place=f"model tsb, option {name}", value=str(value), rule="a number above 0 and up to 1 is needed"
                )

    def _fit_series(self, y: np.ndarray, season_length: int, x: np.ndarray | None = None) -> LocalModel:
        from statsforecast.models import TSB

        known = y[np.isfinite(y)]
        sizes = SHARES if self.alpha_size is None else (self.alpha_size,)
        chances = SHARES if self.alpha_chance is None else (self.alpha_chance,)
        models = [TSB(alpha_d=a, alpha_p=b) for a, b in itertools.product(sizes, chances)]
        if len(models) == 1 or np.ptp(known) == 0:
            return _Flat(models[0])
        return _Flat(min(models, key=lambda model: _squared(model, known)))


def _squared(model: Any, y: np.ndarray) -> float:
    """Mean squared error one step ahead, over the rows that have a forecast."""
    fitted = np.asarray(model.forecast(y=y, h=1, fitted=True)["fitted"], dtype=np.float64)
    return float(np.nanmean((y - fitted) ** 2))
