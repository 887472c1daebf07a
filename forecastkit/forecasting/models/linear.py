"""NLinear and DLinear: one linear map from the context to the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["LinearForecaster"]


@dataclass(frozen=True)
class LinearForecaster(NetworkForecaster):
    """Options of ``nlinear`` and ``dlinear``, beside those of every network.

    Without recurrence, without a bend: what a network has to beat. Known features still act through a small network.

    Args:
        window: fixed by the model's name: rows of the moving mean that DLinear treats apart; 0 = NLinear, which takes
            away the last value.

    Source: Zeng et al. (2023), arXiv:2205.13504.
    """

    window: int = 0

    complexity: ClassVar[int] = 100
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "window": 0}

    @property
    def label(self) -> str:
        """See ``NetworkForecaster``."""
        return "dlinear" if self.window else "nlinear"

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length)[0], 1

    def _rules(self, bases: tuple[int, ...]) -> tuple[int, ...]:
        # The lags hold the other rules; a mix that hangs on the state would not be linear.
        return bases[:1]

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.encoders import KEPT, LagEncoder, MeanOfLags
        from forecastkit.nn.forecasters import Direct

        encoder = LagEncoder(task.context_length, task.n_read, window=min(self.window, task.context_length))
        core = Direct(
            encoder, task.horizon, n_params=n_params, n_time=task.n_time, n_static=task.n_static_features,
            pool=MeanOfLags(), n_pooled=KEPT,
        )  # fmt: skip
        return self._residual(core, task, n_params)
