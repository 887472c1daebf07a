"""DeepAR: a distribution for the next step, drawn and fed back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from forecastkit.forecasting.models.network import NetTask, NetworkForecaster

__all__ = ["DeepAr"]


@dataclass(frozen=True)
class DeepAr(NetworkForecaster):
    """Options of ``deepar``, beside those of every network.

    It is trained on the next step after each row (teacher forcing) and forecasts by sample paths.

    Args:
        cell: of the recurrence.
        hidden: units a layer.
        layers: stacked layers.
        dropout: between layers and before the output, in training.
        head: the distribution of a step: ``student_t``, ``normal``, ``mixture``, ``negative_binomial`` for counts, or
            ``quantile``.
        clock: hour, weekday and time of the year are read.

    Source: Salinas et al. (2020), arXiv:1704.04110. Here a window's own mean and spread are its scale, and the naive rule
    of ``residual`` is added to where the distribution lies.
    """

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    hidden: int = 64
    layers: int = 1
    dropout: float = 0.0
    head: Literal["quantile", "normal", "student_t", "mixture", "negative_binomial"] = "student_t"
    clock: bool = True
    max_steps: int = 800

    complexity: ClassVar[int] = 108
    LOWS: ClassVar[dict[str, int]] = {**NetworkForecaster.LOWS, "hidden": 1, "layers": 1}
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {**NetworkForecaster.RANGES, "dropout": (0.0, 0.95)}

    @property
    def draws_paths(self) -> bool:
        """See ``NetworkForecaster``."""
        return True

    @property
    def _at_once(self) -> bool:
        return False

    def _rules(self, bases: tuple[int, ...]) -> tuple[int, ...]:
        return bases[:1]

    def _supervises_all(self, task: NetTask) -> bool:
        return True

    def _core(self, task: NetTask, n_params: int) -> Any:
        from forecastkit.nn.forecasters import RecursiveNet
        from forecastkit.nn.recurrent import RecurrentEncoder

        season = task.season_length
        lags = tuple(m for m in (season, 7 * season) if 1 < m <= task.context_length)
        encoder = RecurrentEncoder(
            self.cell, task.n_read + len(lags), self.hidden, layers=self.layers, dropout=self.dropout
        )
        return RecursiveNet(
            encoder, task.horizon, season_length=task.bases[0] if task.bases else 0, dropout=self.dropout,
            n_params=n_params, n_static=task.n_static_features, lags=lags,
        )  # fmt: skip
