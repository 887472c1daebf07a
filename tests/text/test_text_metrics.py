from __future__ import annotations

import numpy as np
import pytest

from forecastkit.probabilities import calibration, fit_temperature, temper
from forecastkit.text import metrics

HYPOTHESES = ["the cat sat on the mat", "there is a dog in the garden", "he reads"]
REFERENCES = [
    ["the cat sat on a mat", "a cat sat on the mat"],
    ["there is the dog in a garden"],
    ["he reads a book now"],
]


def test_scores_by_hand():
    labels, p = np.array([0, 0, 1, 2]), np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    s = metrics.scores(labels, p)
    assert s["accuracy"] == 0.75
    assert s["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert s["ece"] == pytest.approx((0.7 * 1 + 1.6 - 0.0 - 2 + 0.6) / 4, abs=0.2)


def test_scores_equal_those_of_scikit_learn():
    from sklearn import metrics as sk

    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 3, 300), rng.dirichlet([1, 1, 1], 300)
    s = metrics.scores(labels, p)
    assert s["macro_f1"] == pytest.approx(sk.f1_score(labels, p.argmax(1), average="macro"))
    assert s["auc"] == pytest.approx(sk.roc_auc_score(labels, p, multi_class="ovr"))
    assert s["log_loss"] == pytest.approx(sk.log_loss(labels, p))


def test_mcnemar_counts_only_where_they_differ():
    a, b = np.array([1] * 20 + [0] * 5 + [1] * 100), np.array([0] * 20 + [1] * 5 + [1] * 100)
    found = metrics.mcnemar(a, b)
    assert (found.only_a, found.only_b) == (20, 5)
    assert found.p_value == pytest.approx(2 * 68406 / 2**25)
    assert metrics.mcnemar(a, a).p_value == 1.0


def test_mcnemar_holds_its_level():
    rng = np.random.default_rng(1)
    hits = [metrics.mcnemar(rng.random(200) < 0.8, rng.random(200) < 0.8).p_value < 0.05 for _ in range(400)]
    assert np.mean(hits) < 0.07


def test_temperature_cools_what_is_too_sure():
    rng = np.random.default_rng(0)
    true = rng.dirichlet([1, 1], 2000)
    labels = (rng.random(2000) < true[:, 1]).astype(int)
    sure = temper(true, 0.4)
    t, _ = fit_temperature(sure, labels)
    assert t == pytest.approx(2.5, rel=0.15)
    error = [calibration(q.argmax(axis=1) == labels, q.max(axis=1))["ece"] for q in (temper(sure, t), sure)]
    assert error[0] < error[1]


def test_translation_scores_take_any_number_of_references():
    both = metrics.translation_scores(HYPOTHESES, REFERENCES)
    first = metrics.translation_scores(HYPOTHESES, [own[:1] for own in REFERENCES])
    assert both["bleu"] > first["bleu"]
    assert both["chrf"] >= first["chrf"]
    assert metrics.translation_scores(HYPOTHESES, [[h] for h in HYPOTHESES]) == pytest.approx(
        {"bleu": 100, "chrf": 100}
    )
    # Of 15 words 14 are in a reference, of 12 pairs 8, of 9 triples 4, of 7 fours 3; 15 words where 18 are wanted.
    counts = 14 / 15 * 8 / 12 * 4 / 9 * 3 / 7
    assert both["bleu"] == pytest.approx(100 * counts**0.25 * np.exp(1 - 18 / 15), abs=0.01)


def test_chrf_by_sentence():
    found = metrics.sentence_chrf(["abc", "xyz"], [["abc"], ["abc", "abd"]])
    assert found.tolist() == pytest.approx([100, 0])


def test_bootstrap_finds_a_difference_and_none():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, 200)
    assert metrics.paired_bootstrap(a, a + 0.5 + rng.normal(0, 0.5, 200))["p_value"] < 0.01
    assert metrics.paired_bootstrap(a, a + rng.normal(0, 1, 200))["p_value"] > 0.01
