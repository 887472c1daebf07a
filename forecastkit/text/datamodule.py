"""What Lightning asks for batches: of texts in another order each time, of running text one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl

from forecastkit.text.batches import StreamBatch, buckets, streams
from forecastkit.training.loaders import Batches, Drawn

__all__ = ["StreamDataModule", "TextDataModule"]


class TextDataModule(pl.LightningDataModule):
    """Training and validation texts.

    Args:
        make: (positions, is_training) -> TextBatch.
        valid_batches: whole.
        chunk: optimiser steps a Lightning batch.
    """

    def __init__(
        self,
        make: Any,
        lengths: np.ndarray,
        valid_batches: Sequence[Any],
        *,
        batch_size: int,
        seed: int,
        chunk: int = 16,
    ) -> None:
        super().__init__()
        self.make, self.lengths, self.valid_batches = make, lengths, list(valid_batches)
        self.batch_size, self.chunk = batch_size, chunk
        self.rng = np.random.default_rng(seed)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in which every text comes once."""
        return -(-len(self.lengths) // self.batch_size)

    def train_dataloader(self) -> Any:
        """See Lightning."""
        return _Epoch(self)

    def val_dataloader(self) -> Any:
        """See Lightning."""
        return Batches(self.valid_batches)


class _Epoch:
    """Lists of batches, ``chunk`` optimiser steps each."""

    def __init__(self, source: TextDataModule) -> None:
        self.source = source

    def __len__(self) -> int:
        return -(-self.source.steps_per_epoch // self.source.chunk)

    def __iter__(self) -> Iterator[list[Any]]:
        source = self.source
        parts = buckets(source.lengths, source.batch_size, source.rng)
        for k in range(0, len(parts), source.chunk):
            yield [source.make(rows) for rows in parts[k : k + source.chunk]]


class StreamDataModule(pl.LightningDataModule):
    """Running text in order; an epoch of Lightning is ``steps_per_epoch`` steps, wherever the text stands.

    Each pass begins at another place, so that windows differ.
    """

    def __init__(
        self, ids: np.ndarray, valid: np.ndarray, *, batch_size: int, window: int, steps_per_epoch: int, seed: int, chunk: int = 16
    ) -> None:  # fmt: skip
        super().__init__()
        self.ids, self.batch_size, self.window = np.asarray(ids, np.int64), batch_size, window
        self.steps_per_epoch, self.chunk = steps_per_epoch, chunk
        self.rng = np.random.default_rng(seed)
        self.valid_batches = streams(valid, batch_size, window) if len(valid) > 2 else []
        self._rest: list[StreamBatch] = []

    def take(self) -> StreamBatch:
        """The next batch."""
        if not self._rest:
            shift = int(self.rng.integers(0, min(self.window, max(1, len(self.ids) // 4))))
            self._rest = streams(np.roll(self.ids, -shift), self.batch_size, self.window)[::-1]
        return self._rest.pop()

    def train_dataloader(self) -> Any:
        """See Lightning."""
        return Drawn(self.take, self.steps_per_epoch, self.chunk)

    def val_dataloader(self) -> Any:
        """See Lightning."""
        return Batches(self.valid_batches)
