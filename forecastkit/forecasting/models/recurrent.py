"""RNN, GRU and LSTM forecasters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import LARGE, NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["RecurrentForecaster"]

MOST_SCALE_SEGMENTS = 7


@dataclass(frozen=True)
class RecurrentForecaster(NetworkForecaster):
    """Options of ``rnn``, ``gru`` and ``lstm``, beside those of every network.

    Args:
        cell: fixed by the model's name.
        strategy: ``direct``: all steps at once; ``recursive``: one step, fed back.
        hidden: units a layer.
        layers: stacked layers.
        dropout: between layers and before the output, in training.
        bidirectional: read the context backwards too; with ``direct`` only.
        activation: of the plain RNN, ``tanh`` or ``relu``.
        segment: rows read as one step, with ``direct``; None = a season where the context holds two, else 1; 1 with
            ``supervise=all``.
        supervise: ``all``: every step (segment) of the second half of the context forecasts, where nothing is known ahead;
            ``last``: its end only. A distribution that was trained on one step (``all``) is fed back as sample paths.

    Raises:
        ConfigError: a value breaks its rule.
    """

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    strategy: Literal["direct", "recursive"] = "direct"
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    bidirectional: bool = False
    activation: Literal["tanh", "relu"] = "tanh"
    segment: int | None = None
    supervise: Literal["all", "last"] = "last"

    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "layers": 1, "segment": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.strategy == "recursive":
            raise self._wrong(
                "bidirectional",
                "a backward direction reads the context from its end, so every value that is fed back would change all "
                "states before it, and none could be carried on",
                "Use strategy=direct, or bidirectional=false.",
            )

    @property
    def label(self) -> str:
        """See ``NetworkForecaster``."""
        return self.cell

    @property
    def complexity(self) -> int:  # type: ignore[override]
        """After every baseline; plain cells before gated ones."""
        return 100 + {"rnn": 0, "gru": 1, "lstm": 2}[self.cell]

    @property
    def is_large(self) -> bool:
        """See ``NetworkForecaster``."""
        return self.hidden * self.batch_size >= LARGE

    @property
    def _at_once(self) -> bool:
        return self.strategy == "direct" and self.supervise == "last"

    @property
    def draws_paths(self) -> bool:
        """See ``NetworkForecaster``."""
        return self.strategy == "recursive" and self.supervise == "all" and self.head != "point"

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        row_by_row = self.strategy == "recursive" or (self.supervise == "all" and self.segment is None)
        segment = 1 if row_by_row else self.segment
        return season_segments(frame, horizon, context_length=self.context_length, segment=segment)

    def _scale_rows(self, length: int, segment: int, horizon: int) -> int | None:
        return min(length, max(MOST_SCALE_SEGMENTS * segment, 2 * horizon)) if segment > 1 else None

    def _rules(self, bases: tuple[int, ...]) -> tuple[int, ...]:
        return bases if self.strategy == "direct" else bases[:1]

    def _supervises_all(self, task: NetTask) -> bool:
        if self.supervise == "last" or self.bidirectional:
            return False
        return self.strategy == "recursive" or not task.n_known_features

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.forecasters import Direct, RecursiveNet
        from forecastkit.nn.recurrent import RecurrentEncoder

        encoder = RecurrentEncoder(
            self.cell, task.n_read, self.hidden, layers=self.layers, dropout=self.dropout,
            bidirectional=self.bidirectional, activation=self.activation,
        )  # fmt: skip
        if self.strategy == "recursive":
            return RecursiveNet(
                encoder, task.horizon, season_length=task.bases[0] if task.bases else 0, dropout=self.dropout,
                n_params=n_params, n_static=task.n_static_features,
            )  # fmt: skip
        core = Direct(
            encoder, task.horizon, segment=task.segment, dropout=self.dropout, n_params=n_params, n_time=task.n_time,
            n_static=task.n_static_features,
        )  # fmt: skip
        return self._residual(core, task, n_params, hidden=encoder.n_outputs, dropout=self.dropout)
