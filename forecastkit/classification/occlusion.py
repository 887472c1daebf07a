"""Which part of a sequence mattered: hide it, and see how far the answer moves."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from forecastkit.classification.protocol import FittedClassifier
from forecastkit.classification.schema import Sequences

__all__ = ["occlude_features", "occlude_steps"]


def occlude_features(fitted: FittedClassifier, data: Sequences, class_index: int) -> dict[str, float]:
    """Feature name -> mean fall of the class's probability where the feature is unknown; largest first.

    Works for every classifier, since each knows what to do about an unknown feature.
    """
    base = fitted.predict(data)[:, class_index]
    out = {}
    for k, name in enumerate(data.feature_names):
        features = data.features.copy()
        features[:, k] = np.nan
        out[name] = float((base - fitted.predict(replace(data, features=features))[:, class_index]).mean())
    return dict(sorted(out.items(), key=lambda pair: -abs(pair[1])))


def occlude_steps(fitted: FittedClassifier, data: Sequences, class_index: int, *, n_parts: int = 10) -> np.ndarray:
    """[n_parts] mean fall of the class's probability where this part of the sequence is replaced.

    A part becomes the mean of that channel and step over all sequences of one length, or of the channel where lengths
    differ: what is usual, not zero, so that only what is particular is hidden. Features stay as they are.
    """
    base = fitted.predict(data)[:, class_index]
    lengths = data.lengths
    steps = np.arange(len(data.values)) - np.repeat(data.offsets[:-1], lengths)
    part = (steps * n_parts) // np.repeat(np.maximum(lengths, 1), lengths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what nobody observed has no mean, and stays unknown
        if len(data) and (lengths == lengths[0]).all():
            usual = np.nanmean(data.values.reshape(len(data), int(lengths[0]), -1), axis=0)[steps]
        else:
            usual = np.broadcast_to(np.nanmean(data.values, axis=0), data.values.shape)
    out = np.zeros(n_parts)
    for k in range(n_parts):
        hidden = np.where((part == k)[:, None], usual, data.values).astype(np.float32)
        out[k] = float((base - fitted.predict(replace(data, values=hidden))[:, class_index]).mean())
    return out
