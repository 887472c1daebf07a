"""Batches of tokens: texts of like length together, so that little time goes into padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

__all__ = ["Batches", "StreamBatch", "StreamDataModule", "TextBatch", "TextDataModule", "buckets", "streams"]


class TextBatch(NamedTuple):
    """See ``forecastkit.nn.texts.Embedding.forward``; labels [B] and weights [B] beside."""

    words: Tensor
    grams: Tensor
    offsets: Tensor
    index: Tensor  # type: ignore[assignment]  # hides the method of tuple
    seen: Tensor
    labels: Tensor
    weights: Tensor


def buckets(lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None = None) -> list[np.ndarray]:
    """Positions by batches of like length; with ``rng`` in random order and with other neighbours each time.

    >>> [b.tolist() for b in buckets(np.array([9, 1, 8, 2]), 2)]
    [[1, 3], [2, 0]]
    """
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return [order[k : k + batch_size] for k in range(0, len(order), batch_size)]
    # A length is moved by some noise: buckets then differ from epoch to epoch.
    order = np.argsort(lengths * rng.uniform(0.85, 1.15, len(lengths)), kind="stable")
    out = [order[k : k + batch_size] for k in range(0, len(order), batch_size)]
    rng.shuffle(out)
    return out


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


class Batches:
    """Batches as one loader: Lightning takes a list for several loaders."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches = list(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


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


class StreamBatch(NamedTuple):
    """Ids [B, T] and the ids after each; ``fresh`` where a text begins and no state is carried."""

    ids: Tensor
    following: Tensor
    fresh: bool


def streams(ids: np.ndarray, n_streams: int, window: int) -> list[StreamBatch]:
    """Running text [N] as ``n_streams`` pieces side by side, cut into windows that follow one another."""
    n_streams = max(1, min(n_streams, (len(ids) - 1) // 2))
    length = (len(ids) - 1) // n_streams
    x = torch.from_numpy(np.asarray(ids[: n_streams * length], np.int64).reshape(n_streams, length))
    y = torch.from_numpy(np.asarray(ids[1 : n_streams * length + 1], np.int64).reshape(n_streams, length))
    return [StreamBatch(x[:, k : k + window], y[:, k : k + window], k == 0) for k in range(0, length, window)]


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
        return _Passing(self)

    def val_dataloader(self) -> Any:
        """See Lightning."""
        return Batches(self.valid_batches)


class _Passing:
    """One epoch of a stream: lists of ``chunk`` batches."""

    def __init__(self, source: StreamDataModule) -> None:
        full, rest = divmod(source.steps_per_epoch, source.chunk)
        self.source, self.sizes = source, [source.chunk] * full + ([rest] if rest else [])

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[StreamBatch]]:
        for n in self.sizes:
            yield [self.source.take() for _ in range(n)]
