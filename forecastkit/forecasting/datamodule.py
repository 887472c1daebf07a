"""The only LightningDataModule for forecasting: batches are gathered when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from forecastkit.forecasting.covariates import Encoded
from forecastkit.forecasting.scaling import loss_weights, units_of
from forecastkit.forecasting.schema import Store
from forecastkit.forecasting.windows import Windows, WindowSet, gather
from forecastkit.nn.heads import Units
from forecastkit.nn.inputs import Inputs, as_inputs

__all__ = ["ForecastDataModule", "TensorBatch", "WindowSource"]

VALID_BATCH = 512
MOST_SHUFFLED = 1 << 22
"""Windows of which whole permutations are drawn; of more, each step draws its own: no training sees them all."""


class TensorBatch(NamedTuple):
    """A ``Batch`` on its way into a network; target and target_observed are [B, H].

    ``weight`` [B, 1] brings errors of scaled units into units of the loss; ``units`` are [B, 1].
    """

    inputs: Inputs
    target: Tensor
    target_observed: Tensor
    weight: Tensor
    units: Units


@dataclass(frozen=True, eq=False)
class WindowSource:
    """Where windows come from and how they look.

    Args:
        item_scale: [I] target units that an error of each item counts in; None = those of the window's own scale.
        scaling, scale_rows, spreads, elapsed: see ``gather``.
        covariates: of the store's frame; None = there are none.
    """

    store: Store
    context_length: int
    horizon: int
    scaling: str = "instance"
    scale_rows: int | None = None
    spreads: np.ndarray | None = None
    item_scale: np.ndarray | None = None
    covariates: Encoded | None = None
    elapsed: bool = False

    def batch(self, windows: Windows) -> TensorBatch:
        """Gathered tensors, float32."""
        b = gather(
            self.store,
            windows,
            self.context_length,
            self.horizon,
            scaling=self.scaling,
            scale_rows=self.scale_rows,
            spreads=self.spreads,
            covariates=self.covariates,
            elapsed=self.elapsed,
        )
        weight = np.ones(len(windows), np.float32)
        if self.item_scale is not None:
            weight = loss_weights(b.scale.unit, self.item_scale[windows.item]).astype(np.float32)
        return TensorBatch(
            as_inputs(b.slots),
            torch.from_numpy(b.target[:, :, 0]),
            torch.from_numpy(b.target_observed[:, :, 0]),
            torch.from_numpy(weight)[:, None],
            units_of(b.scale),
        )


class _Sampled:
    """An endless shuffle cut into epochs: each pass over all windows is a new permutation.

    With ``chances`` windows are drawn by them, with replacement.
    """

    def __init__(
        self,
        source: WindowSource,
        windows: WindowSet,
        batch_size: int,
        sizes: list[int],
        generator: np.random.Generator,
        chances: np.ndarray | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.source, self.windows, self.batch_size, self.sizes = source, windows, batch_size, sizes
        self.generator, self.share = generator, share
        self._queue = np.zeros(0, dtype=np.int64)
        # A permutation is drawn again rather than kept: it may be of millions.
        self._before = generator.bit_generator.state
        self._upto = None if chances is None else np.cumsum(chances)

    def __len__(self) -> int:
        return len(self.sizes)

    def _next(self) -> np.ndarray:
        take = min(self.batch_size, len(self.windows))
        if self._upto is not None:
            drawn = self.generator.random(take) * self._upto[-1]
            return np.searchsorted(self._upto, drawn, side="right").clip(0, len(self.windows) - 1)
        if len(self.windows) > MOST_SHUFFLED:
            return self.generator.integers(0, len(self.windows), self.batch_size)
        if len(self._queue) < take:
            self._before = self.generator.bit_generator.state
            self._queue = self.generator.permutation(len(self.windows))
        chosen, self._queue = self._queue[:take], self._queue[take:]
        return chosen

    def state(self) -> dict[str, Any]:
        """Where in the shuffle it is; JSON-able."""
        now = self.generator.bit_generator.state
        return {"before": self._before, "now": now, "left": len(self._queue)}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self._before = state["before"]
        if state["left"]:
            self.generator.bit_generator.state = self._before
            self._queue = self.generator.permutation(len(self.windows))[len(self.windows) - state["left"] :]
        self.generator.bit_generator.state = state["now"]

    def _mine(self, chosen: np.ndarray) -> np.ndarray:
        """The share of a step's windows for this rank; all of them where there are not enough for every rank."""
        rank, count = self.share
        return chosen[rank::count] if len(chosen) >= count else chosen

    def __iter__(self) -> Iterator[list[TensorBatch]]:
        for n in self.sizes:
            yield [self.source.batch(self.windows.take(self._mine(self._next()))) for _ in range(n)]


class _Fixed:
    """Validation windows in order, gathered once."""

    def __init__(self, source: WindowSource, windows: WindowSet) -> None:
        parts = range(0, len(windows), VALID_BATCH)
        self.batches = [source.batch(windows.take(np.arange(k, min(k + VALID_BATCH, len(windows))))) for k in parts]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[TensorBatch]:
        return iter(self.batches)


class ForecastDataModule(pl.LightningDataModule):
    """Training and validation windows of one fold's own rows.

    Args:
        train, valid: windows; without ``valid`` nothing is validated.
        steps_per_epoch: optimiser steps between validations.
        chunk: optimiser steps a Lightning batch.
        chances: [W] how often each training window is drawn, beside the others; None = each once a pass.
        share: (number of this rank, ranks): it gets its part of each step's batch.
    """

    def __init__(
        self,
        source: WindowSource,
        train: WindowSet,
        valid: WindowSet,
        *,
        batch_size: int,
        steps_per_epoch: int,
        chunk: int = 10,
        seed: int = 1,
        chances: np.ndarray | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__()
        full, rest = divmod(steps_per_epoch, chunk)
        sizes = [chunk] * full + ([rest] if rest else [])
        self._train = _Sampled(source, train, batch_size, sizes, np.random.default_rng(seed), chances, share)
        self._valid = _Fixed(source, valid) if len(valid) else None

    def state_dict(self) -> dict[str, Any]:
        """Where the training windows are; see Lightning."""
        return self._train.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``; see Lightning."""
        self._train.restore(state_dict)

    def train_dataloader(self) -> _Sampled:
        """See Lightning."""
        return self._train

    def val_dataloader(self) -> _Fixed | list[TensorBatch]:
        """See Lightning."""
        return self._valid if self._valid is not None else []
