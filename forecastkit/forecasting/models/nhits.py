"""N-HiTS: a context looked at at several rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.network import NetTask, NetworkForecaster
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["NHits"]


@dataclass(frozen=True)
class NHits(NetworkForecaster):
    """Options of ``nhits``, beside those of every network.

    Args:
        hidden: units a layer.
        rates: rows pooled, and steps ahead for each knot, coarse first; None = a third and an eighth of the horizon, and 1.
        blocks: for each rate.
        dropout: in training.

    Source: Challu et al. (2023), arXiv:2201.12886.
    """

    hidden: int = 128
    rates: tuple[int, ...] | None = None
    blocks: int = 1
    dropout: float = 0.0

    complexity: ClassVar[int] = 105
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "blocks": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rates is not None and (not self.rates or min(self.rates) < 1):
            raise self._wrong("rates", "whole numbers of at least 1 are needed", "Write for instance rates=[8,4,1].")

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        return season_segments(frame, horizon, context_length=self.context_length)[0], 1

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.hierarchy import HierarchicalNet

        rates = self.rates or (max(1, task.horizon // 3), max(1, task.horizon // 8), 1)
        core = HierarchicalNet(
            task.context_length, task.horizon, task.n_channels, self.hidden,
            rates=tuple(min(r, task.context_length) for r in rates), blocks=self.blocks, n_params=n_params,
            n_static=task.n_static_features, dropout=self.dropout,
        )  # fmt: skip
        return self._residual(core, task, n_params, dropout=self.dropout)
