"""Beats that look like none before, without labels: normal beats are learned, and what they cannot express stands out.

The model is the smallest one that does it: principal components of normal sequences (a linear autoencoder). The threshold is a
quantile of the errors of normal sequences that the components were not fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecastkit.classification.schema import Sequences
from forecastkit.errors import DataError

__all__ = ["NormalModel", "fit_normal"]

FEWEST = 20


@dataclass(frozen=True, eq=False)
class NormalModel:
    """What normal sequences look like.

    Args:
        mean: [L * C].
        components: [K, L * C], orthonormal.
        threshold: of ``error``; normal sequences exceed it at the rate that was asked.
    """

    mean: np.ndarray
    components: np.ndarray
    threshold: float

    def error(self, data: Sequences) -> np.ndarray:
        """[N] root mean square of what the components cannot express."""
        x = _flat(data) - self.mean
        rest = x - (x @ self.components.T) @ self.components
        out: np.ndarray = np.sqrt((rest**2).mean(axis=1))
        return out

    def is_anomaly(self, data: Sequences) -> np.ndarray:
        """[N] whether the error exceeds the threshold."""
        return np.asarray(self.error(data) > self.threshold)


def _flat(data: Sequences) -> np.ndarray:
    lengths = np.unique(data.lengths)
    if len(lengths) > 1:
        raise DataError(place="anomaly", rule="sequences of one length are needed", remedy="Cut them to one length.")
    return np.nan_to_num(data.values.astype(np.float64)).reshape(len(data), -1)


def fit_normal(
    normal: Sequences, *, false_alarms: float = 0.01, kept: float = 0.95, most: int = 20, seed: int = 1
) -> NormalModel:
    """Learn from normal sequences alone; half of the groups (of the sequences, where there is one) set the threshold.

    Args:
        false_alarms: share of normal sequences that may be called anomalies.
        kept: share of the variance that the components keep, with at most ``most`` of them.

    Raises:
        DataError: too few sequences, or of different lengths.
    """
    if len(normal) < FEWEST:
        raise DataError(
            place="anomaly", value=f"{len(normal)} sequences", rule=f"at least {FEWEST} normal ones are needed"
        )
    rng = np.random.default_rng(seed)
    names = np.unique(normal.groups.astype(str))
    if len(names) > 1:
        chosen = rng.permutation(names)[: len(names) // 2]
        held = np.isin(normal.groups.astype(str), chosen)
    else:
        held = np.zeros(len(normal), bool)
        held[rng.permutation(len(normal))[: len(normal) // 2]] = True
    x = _flat(normal.take(~held))
    mean = x.mean(axis=0)
    _, size, rows = np.linalg.svd(x - mean, full_matrices=False)
    share = np.cumsum(size**2) / max(float((size**2).sum()), 1e-30)
    n = min(int(np.searchsorted(share, kept)) + 1, most, len(rows))
    model = NormalModel(mean, rows[:n], float("inf"))
    threshold = float(np.quantile(model.error(normal.take(held)), 1 - false_alarms))
    return NormalModel(mean, rows[:n], threshold)
