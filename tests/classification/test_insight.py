"""Occlusion finds what was planted; anomalies are found without labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecastkit.classification.anomaly import fit_normal
from forecastkit.classification.beats import BINARY_CLASSES, beat_sequences
from forecastkit.classification.models import create_classifier
from forecastkit.classification.occlusion import occlude_features, occlude_steps
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.record import Record
from forecastkit.classification.schema import Sequences
from forecastkit.errors import DataError
from tests.classification.conftest import make_ecg
from tests.classification.test_models import toy


def patients(n: int = 4):
    records = []
    for k in range(n):
        x, samples, symbols = make_ecg(k, seconds=60)
        records.append(Record(f"p{k}", 250.0, x, "II", samples, tuple(symbols)))
    return beat_sequences(records, BINARY_CLASSES)


def test_the_feature_that_decides_is_first():
    data = toy()
    found = occlude_features(create_classifier("logistic").fit(data), data.take(data.labels == 1), 1)
    assert next(iter(found)) == "rr_a"
    assert found["rr_a"] > 0.1


def test_the_part_that_decides_stands_out():
    rng = np.random.default_rng(0)
    data = toy(200)
    values = rng.normal(0, 0.3, data.values.shape).astype(np.float32).reshape(200, 16, 2)
    values[data.labels == 1, 8:10] += 3
    data = type(data)(**{**vars(data), "values": values.reshape(-1, 2)})
    model = create_classifier(
        "gru", use_features=False, convolutions=0, hidden=8, max_steps=80, lr=0.01, shift=0, dropout=0.0
    )
    fitted = model.fit(data, FitAbout(seed=1))
    fall = occlude_steps(fitted, data.take(data.labels == 1), 1, n_parts=8)
    assert np.isfinite(fall).all()
    # Hidden is what is usual in the data given: over both classes, the mark itself goes.
    both = occlude_steps(fitted, data, 1, n_parts=8)
    assert int(np.argmax(np.abs(both))) == 4


def test_ventricular_beats_are_anomalies_of_normal_ones():
    data = patients(6)
    normal = data.take((data.labels == 0) & np.isin(data.groups, ["p0", "p1", "p2", "p3"]))
    model = fit_normal("pca", normal, false_alarms=0.02)
    new = data.take(np.isin(data.groups, ["p4", "p5"]))
    said = model.error(new) > model.threshold
    assert said[new.labels == 1].mean() > 0.9
    assert model.error(new)[new.labels == 1].mean() > 3 * model.error(new)[new.labels == 0].mean()


def test_too_few_normal_sequences():
    with pytest.raises(DataError, match="at least 20"):
        fit_normal("pca", patients(1).take(np.arange(5)))


@pytest.mark.parametrize(("name", "options"), [("pca", {}), ("gru", {"max_steps": 2, "hidden": 4})])
def test_where_all_are_the_same_none_is_strange(name, options):
    n = 30
    data = Sequences(
        np.ones((4 * n, 1), np.float32), 4 * np.arange(n + 1), np.zeros((n, 0), np.float32), (), ("x",), np.zeros(n, np.int64),
        ("usual",), np.array([f"g{k % 3}" for k in range(n)], dtype=object), np.array([f"s{k}" for k in range(n)], dtype=object),
    )  # fmt: skip
    model = fit_normal(name, data, options=options)
    assert (model.strangeness(data) <= 1).all()
    other = replace(data, values=data.values + np.arange(4 * n, dtype=np.float32)[:, None])
    assert (model.strangeness(other) > 1).all()
