"""Batches of tokens: texts of like length together, so that little time goes into padding; running text side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["StreamBatch", "TextBatch", "buckets", "streams"]


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
