"""ES-RNN: exponential smoothing and a dilated recurrent network, learned together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["EsRnn"]


@dataclass(frozen=True)
class EsRnn(NetworkForecaster):
    """Options of ``esrnn``, beside those of every network; the winner of the M4 competition is of this kind.

    Args:
        cell: of the recurrence.
        hidden: units a layer.
        dilations: steps back that each layer's state comes from.
        dropout: before the output, in training.
        segment: rows of a block; None = a season where the context holds two, else four without a season.
        identity: each series learns its own smoothing; always.

    Source: Smyl (2020), doi:10.1016/j.ijforecast.2019.03.017.
    """

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden: int = 64
    dilations: tuple[int, ...] = (1, 2, 4)
    dropout: float = 0.0
    segment: int | None = None
    residual: Literal["none"] = "none"
    identity: Literal[True] = True

    complexity: ClassVar[int] = 109
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "segment": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.dilations or min(self.dilations) < 1:
            raise self._wrong(
                "dilations", "whole numbers of at least 1 are needed", "Write for instance dilations=[1,2,4]."
            )

    @property
    def _at_once(self) -> bool:
        # It corrects its own smoothing already.
        return False

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length, segment=self.segment, least=4)

    def _corrects(self, task: NetTask) -> str:
        return f"smoothing with season {task.segment}" if task.segment == task.season_length else "smoothing"

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.smoothing import SmoothedNet

        core = SmoothedNet(
            self.cell, task.n_read, self.hidden, task.horizon, task.segment, dilations=self.dilations,
            seasonal=task.segment == task.season_length and task.segment > 1, n_items=task.static_tables[-1][0],
            n_params=n_params, n_time=task.n_time, n_static=task.n_static_features, dropout=self.dropout,
        )  # fmt: skip
        return self._residual(core, task, n_params, hidden=self.hidden, dropout=self.dropout)
