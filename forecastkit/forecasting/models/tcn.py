"""A temporal convolutional network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Tcn"]


@dataclass(frozen=True)
class Tcn(NetworkForecaster):
    """Options of ``tcn``, beside those of every network.

    Args:
        hidden: channels.
        kernel: steps that a convolution joins.
        dropout: in training.
        segment: rows read as one step; None = a season where the context holds two, else 1.

    Source: Bai, Kolter and Koltun (2018), arXiv:1803.01271.
    """

    hidden: int = 64
    kernel: int = 3
    dropout: float = 0.1
    segment: int | None = None

    complexity: ClassVar[int] = 104
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "kernel": 2, "segment": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length, segment=self.segment)

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.encoders import TemporalConvEncoder
        from forecastkit.nn.forecasters import Direct

        n_steps = task.context_length // task.segment
        encoder = TemporalConvEncoder(n_steps, task.n_read, self.hidden, kernel=self.kernel, dropout=self.dropout)
        core = Direct(
            encoder, task.horizon, segment=task.segment, n_params=n_params, n_time=task.n_time,
            n_static=task.n_static_features,
        )  # fmt: skip
        return self._residual(core, task, n_params, hidden=self.hidden, dropout=self.dropout)
