"""PatchTST: a transformer over stretches of the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["PatchTst"]


@dataclass(frozen=True)
class PatchTst(NetworkForecaster):
    """Options of ``patchtst``, beside those of every network.

    Args:
        hidden: numbers a patch; a multiple of ``heads``.
        heads: of the attention.
        layers: of the transformer.
        patch: rows of a patch.
        stride: rows from one patch to the next.
        dropout: in training.

    Source: Nie et al. (2023), arXiv:2211.14730.
    """

    hidden: int = 32
    heads: int = 4
    layers: int = 2
    patch: int = 16
    stride: int = 8
    dropout: float = 0.1

    complexity: ClassVar[int] = 107
    LOWS: ClassVar[dict[str, int]] = {
        **NetworkForecaster.LOWS, "hidden": 1, "heads": 1, "layers": 1, "patch": 1, "stride": 1,
    }  # fmt: skip
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden % self.heads:
            raise self._wrong("hidden", f"a multiple of heads={self.heads} is needed")

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length)[0], 1

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.encoders import MeanOfPatches, PatchEncoder
        from forecastkit.nn.forecasters import Direct

        encoder = PatchEncoder(
            task.context_length, task.n_read, self.hidden, patch=self.patch, stride=self.stride, heads=self.heads,
            layers=self.layers, dropout=self.dropout,
        )  # fmt: skip
        core = Direct(
            encoder, task.horizon, n_params=n_params, n_time=task.n_time, n_static=task.n_static_features,
            dropout=self.dropout, pool=MeanOfPatches(self.hidden), n_pooled=self.hidden,
        )  # fmt: skip
        return self._residual(core, task, n_params, hidden=self.hidden, dropout=self.dropout)
