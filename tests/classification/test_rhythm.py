"""Fibrillation in generated leads: no order in the RR intervals, no P waves."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.classification.evaluation import evaluate
from forecastkit.classification.record import Record
from forecastkit.classification.rhythm import RHYTHM_FEATURES, rhythm_sequences
from forecastkit.classification.splits import group_folds
from forecastkit.errors import DataError
from tests.classification.conftest import wave


def lead(seed: int, *, fibrillates: bool) -> Record:
    rng = np.random.default_rng(seed)
    t = np.arange(5000) / 500
    x = rng.normal(0, 0.01, 5000)
    now = 0.4
    while now < 9.6:
        x += wave(t, now, 0.011, 1.0) + wave(t, now + 0.27, 0.045, 0.25)
        if not fibrillates:
            x += wave(t, now - 0.16, 0.02, 0.12)
        now += rng.uniform(0.45, 1.1) if fibrillates else rng.normal(0.8, 0.02)
    if fibrillates:
        x += 0.04 * np.sin(2 * np.pi * 6 * t + rng.uniform(0, 6))
    return Record(f"p{seed}", 500.0, x, "II")


def test_fibrillation_is_told_from_order():
    truth = [k % 5 == 0 for k in range(40)]
    records = [lead(k, fibrillates=f) for k, f in enumerate(truth)]
    data = rhythm_sequences(records, ["AF" if f else "other" for f in truth], ("other", "AF"), rare="AF")
    assert data.features.shape == (40, len(RHYTHM_FEATURES))
    assert np.isfinite(data.features).all()
    out = evaluate(data, {"logistic": {}}, group_folds(data.groups, data.labels, 4))
    matrix = out.matrix("logistic")
    assert matrix[1, 1] >= 7
    assert matrix[0, 1] <= 1


def test_a_lead_without_beats_is_said():
    noise = np.zeros(5000)
    noise[[1000, 3000]] = 1.0
    with pytest.raises(DataError, match="too few to tell a rhythm"):
        rhythm_sequences([Record("x", 500.0, noise)], [None], ("other", "AF"))
