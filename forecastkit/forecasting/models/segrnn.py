"""SegRNN: segments read one by one, segments of the future written from their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["SegRnn"]


@dataclass(frozen=True)
class SegRnn(NetworkForecaster):
    """Options of ``segrnn``, beside those of every network.

    Args:
        cell: of the recurrence.
        hidden: units.
        dropout: before the output, in training.
        segment: rows read and written as one step; None = a season where the context holds two, else a part of it.

    Source: Lin et al. (2023), arXiv:2308.11200.
    """

    cell: Literal["rnn", "gru", "lstm"] = "gru"
    hidden: int = 64
    dropout: float = 0.1
    segment: int | None = None

    complexity: ClassVar[int] = 103
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "segment": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length, segment=self.segment, least=4)

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.segments import SegmentNet

        core = SegmentNet(
            self.cell, task.n_read, self.hidden, task.horizon, task.segment, n_params=n_params, dropout=self.dropout,
            n_time=task.n_time, n_static=task.n_static_features,
        )  # fmt: skip
        return self._residual(core, task, n_params, hidden=self.hidden, dropout=self.dropout)
