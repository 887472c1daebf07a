"""Scores against scikit-learn and by hand; splits that keep patients on one side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit import probabilities
from forecastkit.classification import metrics
from forecastkit.classification.evaluation import decide, evaluate
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import fixed_split, group_folds, leave_one_out, splits_by_group
from forecastkit.classification.verdict import judge
from forecastkit.errors import ConfigError, DataError, FitError


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_curves_are_those_of_scikit_learn(seed):
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(seed)
    positive = rng.random(60) < 0.4
    positive[:2] = [True, False]
    score = np.round(rng.random(60), 1)
    assert probabilities.roc_curve(positive, score)[2] == pytest.approx(roc_auc_score(positive, score))
    assert metrics.precision_recall_curve(positive, score)[2] == pytest.approx(average_precision_score(positive, score))


@given(st.integers(0, 10_000), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_scores_are_those_of_scikit_learn(seed, n_classes):
    from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score

    rng = np.random.default_rng(seed)
    y, said = rng.integers(0, n_classes, 80), rng.integers(0, n_classes, 80)
    matrix = probabilities.confusion(y, said, n_classes)
    labels = list(range(n_classes))
    np.testing.assert_array_equal(matrix, confusion_matrix(y, said, labels=labels))
    own = probabilities.class_scores(matrix)
    np.testing.assert_allclose([s["sensitivity"] for s in own], recall_score(y, said, labels=labels, average=None))
    np.testing.assert_allclose([s["ppv"] for s in own], precision_score(y, said, labels=labels, average=None))
    assert probabilities.macro_f1(matrix) == pytest.approx(f1_score(y, said, labels=np.unique(y), average="macro"))


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_confusions_by_group_are_those_of_each_group(seed):
    rng = np.random.default_rng(seed)
    y, said, groups = rng.integers(0, 3, 60), rng.integers(0, 3, 60), rng.choice(list("abc"), 60).astype(object)
    names, parts = metrics.group_confusions(y, said, groups, 3)
    assert names == list(dict.fromkeys(groups))
    for name, matrix in zip(names, parts):
        own = groups == name
        np.testing.assert_array_equal(matrix, probabilities.confusion(y[own], said[own], 3))


def test_the_bootstrap_draws_patients_not_beats():
    """One patient with most of the beats: pooled beats would make the difference look sure."""
    good, bad = np.array([[100, 0], [0, 100]]), np.array([[100, 0], [60, 40]])
    a, b = np.stack([good, bad, bad]), np.stack([bad, good, good])
    found = metrics.bootstrap_difference(a, b, 1)
    assert found["low"] < 0 < found["high"]
    same = metrics.bootstrap_difference(a, a, 1)
    assert (same["low"], same["high"], same["share"]) == (0, 0, 0)
    always = metrics.bootstrap_difference(np.stack([good] * 12), np.stack([bad] * 12), 1)
    assert always["low"] > 0.3


def test_calibration_undoes_balancing():
    rng = np.random.default_rng(0)
    true_p = rng.beta(0.5, 4, 20_000)
    y = (rng.random(20_000) < true_p).astype(int)
    odds = true_p / (1 - true_p) * 9
    p = np.column_stack([1 - odds / (1 + odds), odds / (1 + odds)])
    before = probabilities.calibration(y == 1, p[:, 1])["ece"]
    temperature, shift = probabilities.fit_temperature(p, y, shifts=True)
    after = probabilities.calibration(y == 1, probabilities.temper(p, temperature, shift)[:, 1])
    assert after["ece"] < 0.02 < 0.1 < before
    assert after["brier"] < 0.2


@given(st.integers(0, 1000), st.floats(0.05, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_threshold_reaches_its_sensitivity_and_no_higher_one_does(seed, wanted):
    rng = np.random.default_rng(seed)
    positive, score = rng.random(50) < 0.3, np.round(rng.random(50), 2)
    positive[0] = True
    cut = metrics.threshold_for(positive, score, wanted)
    assert (score[positive] >= cut).mean() >= wanted - 1e-9
    higher = score[score > cut]
    if len(higher):
        assert (score[positive] >= higher.min()).mean() < wanted


def test_decide():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.2, 0.3], [0.2, 0.75, 0.05]])
    assert decide(p, 2, float("nan")).tolist() == [0, 0, 1]
    assert decide(p, 2, 0.1).tolist() == [2, 2, 1]


@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_a_group_is_never_on_both_sides(seed, n_groups, n_folds):
    rng = np.random.default_rng(seed)
    groups = np.array([f"g{k}" for k in rng.integers(0, n_groups, 200)], dtype=object)
    labels = rng.integers(0, 3, 200)
    for splits in (group_folds(groups, labels, n_folds, seed=seed), leave_one_out(groups)):
        tested = np.concatenate([s.test for s in splits])
        assert sorted(tested.tolist()) == list(range(200))
        for s in splits:
            assert not set(groups[s.train]) & set(groups[s.test])


def test_the_rare_class_is_dealt_to_every_fold():
    groups = np.repeat([f"g{k}" for k in range(9)], 20).astype(object)
    labels = np.isin(groups, ["g0", "g1", "g2"]).astype(int)
    for s in group_folds(groups, labels, 3):
        assert labels[s.test].sum() == 20


def test_each_alone_where_there_are_few_and_folds_where_there_are_many():
    groups = np.array([str(k) for k in range(43)], dtype=object)
    splits, said = splits_by_group(groups[:10], np.zeros(10, int))
    assert (len(splits), said.format(what="patient")) == (10, "leave one patient out")
    splits, said = splits_by_group(groups, np.zeros(43, int))
    assert (len(splits), said.format(what="patient")) == (5, "folds of whole patients")


def test_sides_by_request():
    groups = np.array(list("aabbcc"), dtype=object)
    with pytest.raises(ConfigError, match="on both sides"):
        fixed_split(groups, ["a", "b"], ["b"])
    with pytest.raises(ConfigError, match="not in the data"):
        fixed_split(groups, ["a"], ["x"])
    with pytest.raises(DataError, match="at least two"):
        splits_by_group(groups[:2], np.zeros(2, int))


def of_classes(labels: list[int], groups: str, classes: tuple[str, ...] = ("a", "b", "c"), rare: str = "") -> Sequences:
    """Sequences of one step that look alike."""
    n = len(labels)
    names = np.array(list(groups), dtype=object)
    return Sequences(
        np.ones((n, 1), np.float32), np.arange(n + 1, dtype=np.int64), np.ones((n, 1), np.float32), ("f",), ("x",),
        np.array(labels, np.int64), classes, names, names, rare,
    )  # fmt: skip


class TestTheClassThatMattersMost:
    def test_a_part_of_the_data_has_the_same(self):
        """In the training part of the last split b is the rarest, in all of them c: the threshold is one of c."""
        labels = [0] * 30 + [1] * 12 + [2] * 11 + [0] * 30 + [1] * 12 + [2] * 14 + [0] * 20 + [1] * 13 + [2] * 10
        data = of_classes(labels, "p" * 53 + "q" * 56 + "r" * 43)
        assert data.take(data.groups != "r").settled().rare == "b"
        out = evaluate(data, {"majority": {}}, leave_one_out(data.groups), sensitivity=0.99)
        assert out.data.rare == "c"
        # Of the shares of c, which are all that majority says, the lowest finds every c: all are called so.
        assert set(out.tested["majority"].said) == {2}

    def test_a_declared_one_that_is_not_there(self):
        assert of_classes([0, 0, 1], "pqr", rare="c").settled().rare == "b"
        assert of_classes([0, 0, 2], "pqr", rare="c").settled().rare == "c"
        with pytest.raises(ConfigError, match="no sequence of this class"):
            of_classes([0, 0, 1], "pqr").about("c")

    def test_only_test_groups_have_it(self):
        """Folds inside the training part then say nothing about it."""
        data = of_classes([0, 1] * 12 + [2] * 12, "p" * 12 + "q" * 12 + "r" * 12, rare="c")
        out = evaluate(data, {"majority": {}, "logistic": {}}, fixed_split(data.groups, ["p", "q"], ["r"]))
        assert judge(out)["use"] == "logistic"


def test_where_every_model_fails_the_verdict_says_why(monkeypatch):
    def fails(*args, **kwargs):
        raise FitError(place="model", rule="no memory")

    monkeypatch.setattr("forecastkit.classification.evaluation.create_classifier", fails)
    data = of_classes([0, 1] * 12, "p" * 12 + "q" * 12)
    out = evaluate(data, {"majority": {}, "logistic": {}}, leave_one_out(data.groups))
    assert judge(out)["sentence"]["en"] == ["No model could be fitted.", "majority, logistic: model: no memory."]
