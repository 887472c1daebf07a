"""Channels and features brought to one size, by what the training sequences hold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from forecastkit.classification.schema import Sequences

__all__ = ["Scaler", "moments"]


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, deviation) of each column of x [N, C], float64, over what is known; the deviation is 1 where nothing varies."""
    known = np.isfinite(x)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0).astype(np.float64).sum(axis=0) / n
    deviation = np.sqrt(np.where(known, (x - mean) ** 2, 0).sum(axis=0) / n)
    return mean, np.where(deviation > 1e-8, deviation, 1.0)


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean and deviation of channels and features on training sequences; a missing value becomes the mean.

    Channels with holes get a second channel that says what was observed.
    """

    channel_mean: np.ndarray
    channel_scale: np.ndarray
    feature_mean: np.ndarray
    feature_scale: np.ndarray
    holes: np.ndarray

    @classmethod
    def of(cls, data: Sequences) -> Scaler:
        """From training sequences."""
        holes = np.isnan(data.values).any(axis=0)
        mean, scale, f_mean, f_scale = (x.astype(np.float32) for x in (*moments(data.values), *moments(data.features)))
        return cls(mean, scale, f_mean, f_scale, holes)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray]) -> Scaler:
        """From what ``arrays`` gave."""
        return cls(*(arrays[f"scaler.{f.name}"] for f in dataclasses.fields(cls)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name."""
        return {f"scaler.{f.name}": np.asarray(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @property
    def n_inputs(self) -> int:
        """Channels after scaling."""
        return len(self.channel_mean) + int(self.holes.sum())

    def values(self, x: np.ndarray) -> np.ndarray:
        """[B, T, C] -> [B, T, n_inputs]."""
        out = (x - self.channel_mean) / self.channel_scale
        lost = np.isnan(out)
        if lost.any():
            out = np.where(lost, np.float32(0), out)
        if self.holes.any():
            out = np.concatenate([out, ~lost[..., self.holes]], axis=-1)
        return out.astype(np.float32)

    def features(self, f: np.ndarray) -> np.ndarray:
        """[B, F], at most six deviations."""
        out = (f - self.feature_mean) / self.feature_scale
        return np.clip(np.nan_to_num(out, nan=0.0), -6, 6).astype(np.float32)
