"""Encoder and decoder with attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["Seq2Seq"]


@dataclass(frozen=True)
class Seq2Seq(NetworkForecaster):
    """Options of ``seq2seq``, beside those of every network.

    Args:
        cell: of encoder and decoder.
        hidden: units a layer.
        layers: stacked layers, in both.
        dropout: between layers and before the output, in training.
        attention: ``luong``, ``bahdanau`` or ``none``.
        segment: rows read and written as one step; None = a season where the context holds two, else 1.
        teacher: how often, in training, the decoder reads the truth instead of its own forecast: ``linear`` (less and
            less), ``sigmoid`` (the same, slow at both ends), ``always`` or ``never``.
        teacher_steps: training steps until it reads its own alone.

    Sources: Sutskever, Vinyals and Le (2014), arXiv:1409.3215; Bahdanau, Cho and Bengio (2015), arXiv:1409.0473; Luong, Pham
    and Manning (2015), doi:10.18653/v1/D15-1166; the schedule: Bengio et al. (2015), arXiv:1506.03099.
    """

    cell: Literal["rnn", "gru", "lstm"] = "gru"
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    attention: Literal["luong", "bahdanau", "none"] = "luong"
    segment: int | None = None
    teacher: Literal["linear", "sigmoid", "always", "never"] = "linear"
    teacher_steps: int = 300

    complexity: ClassVar[int] = 106
    LOWS: ClassVar[dict[str, int]] = {
        **NetworkForecaster.LOWS, "hidden": 1, "layers": 1, "segment": 1, "teacher_steps": 1,
    }  # fmt: skip
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    @property
    def _at_once(self) -> bool:
        return False

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length, segment=self.segment)

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.decoder import BlockDecoder

        return BlockDecoder(
            self.cell, task.n_read, self.hidden, task.horizon, task.segment, layers=self.layers, dropout=self.dropout,
            attention=self.attention, bases=task.bases, n_params=n_params, n_known=task.n_known_features,
            n_time=task.n_time, n_static=task.n_static_features,
        )  # fmt: skip

    def objective(self, task: NetTask) -> Callable[[Any, Any], tuple[Any, Any]]:
        """See ``NetworkForecaster``."""
        from forecastkit.nn.decoder import BlockDecoder, teacher_share

        def forecast(net: Any, batch: Any) -> Any:
            # The count is kept with the weights, so that a training that is resumed goes on where it was.
            count = next(m for m in net.modules() if isinstance(m, BlockDecoder)).n_taught
            share = teacher_share(self.teacher, int(count), self.teacher_steps)
            count += 1
            return net.taught(batch.inputs, batch.target, batch.target_observed, share)

        return self._loss_of(forecast)
