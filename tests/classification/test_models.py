"""What every classifier promises; a new one is tested here unasked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from forecastkit import artifacts
from forecastkit.classification.models import CLASSIFIERS, create_classifier, restore_classifier
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.schema import Sequences, concatenate
from forecastkit.errors import FitError, ModelFileError

QUICK = {"hidden": 6, "max_steps": 20, "filters": 4}


def toy(n: int = 120, *, seed: int = 0, ragged: bool = False, n_classes: int = 2, holes: bool = False) -> Sequences:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    lengths = rng.integers(8, 20, n) if ragged else np.full(n, 16)
    shapes = [k + 2 * np.sin((k + 1) * np.arange(m) / 3)[:, None] for k, m in zip(labels, lengths)]
    values = np.concatenate([s + rng.normal(0, 0.5, (len(s), 2)) for s in shapes]).astype(np.float32)
    features = np.column_stack([labels + rng.normal(0, 0.4, n), rng.normal(0, 1, n)]).astype(np.float32)
    if holes:
        values[rng.random(values.shape) < 0.2] = np.nan
        features[rng.random(features.shape) < 0.1] = np.nan
    return Sequences(
        values, np.r_[0, np.cumsum(lengths)].astype(np.int64), features, ("rr_a", "b"), ("x", "y"), labels,
        tuple("abc"[:n_classes]), np.array([f"g{k % 6}" for k in range(n)], dtype=object),
        np.array([str(k) for k in range(n)], dtype=object),
    )  # fmt: skip


def make(name: str):
    return create_classifier(name, **(QUICK if CLASSIFIERS[name].load().family == "network" else {}))


@pytest.mark.parametrize("name", list(CLASSIFIERS))
class TestEveryClassifier:
    def test_probabilities(self, name):
        data = toy(n_classes=3)
        p = make(name).fit(data, FitAbout(seed=1)).predict(toy(seed=1, n_classes=3))
        assert p.shape == (120, 3)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
        if name != "majority":
            assert (p.argmax(axis=1) == toy(seed=1, n_classes=3).labels).mean() > 0.6

    def test_saved_and_loaded_it_says_the_same(self, name, tmp_path):
        data = toy(holes=name != "nearest")
        fitted = make(name).fit(data, FitAbout(seed=1))
        artifacts.save_model(tmp_path / "m", *fitted.state())
        again = restore_classifier(*artifacts.load_model(tmp_path / "m"))
        np.testing.assert_allclose(again.predict(data), fitted.predict(data), atol=1e-7)

    def test_the_order_of_the_sequences_does_not_matter(self, name):
        data = toy(ragged=name != "nearest")
        fitted = make(name).fit(data, FitAbout(seed=1))
        shuffled = np.random.default_rng(0).permutation(len(data))
        np.testing.assert_allclose(fitted.predict(data.take(shuffled)), fitted.predict(data)[shuffled], atol=1e-5)

    def test_same_seed_same_answer(self, name):
        data = toy()
        a, b = (make(name).fit(data, FitAbout(seed=5)).predict(data) for _ in range(2))
        np.testing.assert_array_equal(a, b)

    def test_labels_of_what_is_predicted_are_never_read(self, name):
        data = toy()
        fitted = make(name).fit(data, FitAbout(seed=1))
        hidden = dataclasses.replace(data, labels=np.full(len(data), -1))
        np.testing.assert_array_equal(fitted.predict(hidden), fitted.predict(data))

    def test_one_class_in_training_is_no_crash(self, name):
        data = toy()
        one = data.take(data.labels == 0)
        p = make(name).fit(one, FitAbout(seed=1)).predict(data)
        assert (p.argmax(axis=1) == 0).mean() > 0.9


def test_our_trees_answer_as_those_of_scikit_learn():
    from sklearn.ensemble import HistGradientBoostingClassifier

    for n_classes in (2, 3):
        data = toy(240, n_classes=n_classes, holes=True)
        ours = create_classifier("boosting").fit(data, FitAbout(seed=1)).predict(data)
        theirs = HistGradientBoostingClassifier(
            max_iter=100,
            learning_rate=0.08,
            max_leaf_nodes=15,
            early_stopping=False,
            class_weight="balanced",
            random_state=1,
        ).fit(data.features, data.labels)
        np.testing.assert_allclose(ours, theirs.predict_proba(data.features), atol=1e-6)


def test_coarse_columns_lose_no_cut():
    """Many values: cuts between quantiles put raw values where their quantile went."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from forecastkit.classification.models.baselines import MOST_BINS, _coarse

    data = toy(3000, holes=True)
    coarse = _coarse(data.features)
    assert max(len(np.unique(c[np.isfinite(c)])) for c in coarse.T) <= MOST_BINS
    ours = create_classifier("boosting", balance=0.0).fit(data, FitAbout(seed=1)).predict(data)
    theirs = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.08, max_leaf_nodes=15, early_stopping=False, random_state=1
    ).fit(coarse, data.labels)
    np.testing.assert_allclose(ours, theirs.predict_proba(coarse), atol=1e-6)


def test_our_logistic_answers_as_that_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    for n_classes in (2, 3):
        data = toy(300, n_classes=n_classes)
        ours = create_classifier("logistic").fit(data).predict(data)
        x = (data.features - data.features.mean(0)) / data.features.std(0)
        theirs = LogisticRegression(C=0.1, class_weight="balanced", max_iter=3000).fit(x, data.labels)
        np.testing.assert_allclose(ours, theirs.predict_proba(x), atol=1e-3)


def test_a_tree_that_turns_back_is_refused():
    fitted = create_classifier("boosting", n_trees=2).fit(toy())
    arrays, meta = fitted.state()
    arrays = {k: v.copy() for k, v in arrays.items()}
    inner = np.flatnonzero(arrays["left"] >= 0)[0]
    arrays["left"][inner] = 0
    with pytest.raises(ModelFileError, match="damaged"):
        restore_classifier(arrays, meta)


def test_padding_changes_nothing():
    """A short sequence alone and beside a long one."""
    data = toy(ragged=True)
    fitted = make("gru").fit(data, FitAbout(seed=1))
    short = int(np.argmin(data.lengths))
    alone = fitted.predict(data.take(np.array([short])))
    np.testing.assert_allclose(alone, fitted.predict(data)[[short]], atol=1e-5)


def test_the_network_begins_as_the_baseline_that_it_corrects():
    data = toy()
    logistic = create_classifier("logistic", group_balance=1.0).fit(data)
    network = create_classifier("gru", **{**QUICK, "max_steps": 1, "lr": 1e-9}).fit(data, FitAbout(seed=1, n_steps=1))
    np.testing.assert_allclose(network.predict(data), logistic.predict(data), atol=1e-4)


def test_nearest_refuses_unequal_lengths():
    with pytest.raises(FitError, match="one length"):
        create_classifier("nearest").fit(toy(ragged=True))


def test_take_and_concatenate_keep_rows():
    data = toy(ragged=True)
    a, b = data.take(np.arange(50)), data.take(np.arange(50, 120))
    both = concatenate([a, b])
    np.testing.assert_array_equal(both.values, data.values)
    np.testing.assert_array_equal(both.offsets, data.offsets)
    picked = data.take(np.array([7, 3]))
    np.testing.assert_array_equal(picked.values[: data.lengths[7]], data.values[data.offsets[7] : data.offsets[8]])
