"""The LightningDataModule for labelled sequences: batches are gathered, scaled and varied when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from forecastkit.classification.scaling import Scaler
from forecastkit.classification.schema import Sequences
from forecastkit.training.loaders import Batches, Drawn

__all__ = ["BlockDataModule", "SequenceBatch", "SequenceDataModule", "sequence_batch"]

VALID_BATCH = 1024


class SequenceBatch(NamedTuple):
    """Values [B, T, C], lengths [B], features [B, F], labels [B], weights [B]."""

    values: Tensor
    lengths: Tensor
    features: Tensor
    labels: Tensor
    weights: Tensor


Vary = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(values, features, lengths) -> (values, features)."""


def sequence_batch(
    data: Sequences,
    scaler: Scaler,
    rows: np.ndarray,
    weights: np.ndarray,
    *,
    use_features: bool = True,
    vary: Vary | None = None,
) -> SequenceBatch:
    """The sequences at ``rows``, scaled and padded with zeros.

    Args:
        weights: [B].
        vary: applied after scaling.
    """
    raw, lengths = data.padded(rows)
    values = scaler.values(raw)
    features = scaler.features(data.features[rows]) if use_features else np.zeros((len(rows), 0), np.float32)
    if vary is not None:
        values, features = vary(values, features, lengths)
    return SequenceBatch(
        torch.from_numpy(values),
        torch.from_numpy(lengths),
        torch.from_numpy(features),
        torch.from_numpy(data.labels[rows]),
        torch.from_numpy(weights.astype(np.float32)),
    )


class SequenceDataModule(pl.LightningDataModule):
    """Training and validation sequences.

    Args:
        weights: [N] of the training sequences.
        steps_per_epoch: optimiser steps between validations.
        chunk: optimiser steps a Lightning batch.
        augment: noise, shift, scale, feature_noise, as in ``RecurrentClassifier``.
    """

    def __init__(
        self,
        data: Sequences,
        valid: Sequences | None,
        scaler: Scaler,
        weights: np.ndarray,
        batch_size: int,
        steps_per_epoch: int,
        *,
        chunk: int,
        seed: int,
        augment: dict[str, Any],
        use_features: bool = True,
        valid_weights: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.data, self.scaler, self.weights, self.batch_size = data, scaler, weights, batch_size
        self.steps_per_epoch, self.chunk = steps_per_epoch, chunk
        self.augment, self.use_features = augment, use_features
        self._rng = np.random.default_rng(seed)
        self._upto = np.cumsum(np.asarray(weights, np.float64))
        self._valid: list[SequenceBatch] = []
        if valid is not None and valid_weights is not None:
            for start in range(0, len(valid), VALID_BATCH):
                rows = np.arange(start, min(start + VALID_BATCH, len(valid)))
                self._valid.append(self._batch(valid, rows, valid_weights[rows], vary=False))

    def _batch(self, data: Sequences, rows: np.ndarray, weights: np.ndarray, *, vary: bool) -> SequenceBatch:
        vary_by = self._varied if vary else None
        return sequence_batch(data, self.scaler, rows, weights, use_features=self.use_features, vary=vary_by)

    def _varied(self, values: np.ndarray, features: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rng, how = self._rng, self.augment
        if how["scale"] > 0:
            values = values * np.exp(rng.normal(0, how["scale"], (len(values), 1, 1))).astype(np.float32)
        if how["shift"] > 0 and values.shape[1] > 4 * how["shift"] and (lengths == values.shape[1]).all():
            by = rng.integers(-how["shift"], how["shift"] + 1, len(values))
            steps = np.clip(np.arange(values.shape[1])[None] + by[:, None], 0, values.shape[1] - 1)
            values = values[np.arange(len(values))[:, None], steps]
        if how["noise"] > 0:
            values = values + _noise(rng, values.shape, how["noise"])
        if how["feature_noise"] > 0 and features.size:
            features = features + _noise(rng, features.shape, how["feature_noise"])
        return values, features

    def train_dataloader(self) -> Any:
        """See Lightning."""
        return Drawn(self.sample, self.steps_per_epoch, self.chunk)

    def val_dataloader(self) -> Any:
        """See Lightning."""
        return Batches(self._valid) if self._valid else []

    def sample(self) -> SequenceBatch:
        """A batch in which each sequence comes as often as its weight says."""
        # As choice(p=...), without adding up all weights for every batch.
        at = self._rng.random(min(self.batch_size, len(self.data))) * self._upto[-1]
        rows = np.minimum(np.searchsorted(self._upto, at, side="right"), len(self.data) - 1)
        return self._batch(self.data, rows, np.ones(len(rows), np.float32), vary=True)


def _noise(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(size)


class BlockDataModule(pl.LightningDataModule):
    """Sequences alone, without labels: blocks [B, T, n_inputs] of sequences of one length.

    Args:
        prepare: [B, T, C] as it was read -> [B, T', n_inputs] as the network takes it.
    """

    def __init__(
        self,
        data: Sequences,
        prepare: Callable[[np.ndarray], np.ndarray],
        batch_size: int,
        steps_per_epoch: int,
        *,
        chunk: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.data, self.prepare, self.batch_size = data, prepare, batch_size
        self.steps_per_epoch, self.chunk = steps_per_epoch, chunk
        self._rng = np.random.default_rng(seed)
        lengths, code, counts = np.unique(data.lengths, return_inverse=True, return_counts=True)
        self._same = [np.flatnonzero(code == k) for k in range(len(lengths))]
        self._share = counts / counts.sum()

    def train_dataloader(self) -> Any:
        """See Lightning."""
        return Drawn(self.sample, self.steps_per_epoch, self.chunk)

    def val_dataloader(self) -> Any:
        """See Lightning."""
        return []

    def sample(self) -> Tensor:
        """A block of one length; each length comes as often as there are sequences of it."""
        own = self._same[self._rng.choice(len(self._same), p=self._share)]
        rows = self._rng.choice(own, size=min(self.batch_size, len(own)))
        return torch.from_numpy(self.prepare(self.data.padded(rows)[0]))
