"""How much each sequence counts in training."""

from __future__ import annotations

import numpy as np

from forecastkit.classification.schema import Sequences

__all__ = ["balance_weights"]


def balance_weights(data: Sequences, classes: float, groups: float) -> np.ndarray:
    """[N] float32, mean 1: a class weighs n^(1 - classes), and a group within it n^(1 - groups)."""
    weights = np.ones(len(data), np.float64)
    for k in range(len(data.classes)):
        own = data.labels == k
        if not own.any():
            continue
        _, code, counts = np.unique(data.groups[own], return_inverse=True, return_counts=True)
        inner = counts.astype(np.float64)[code] ** -groups
        weights[own] = inner / inner.sum() * float(own.sum()) ** (1 - classes)
    return (weights / weights.mean()).astype(np.float32)
