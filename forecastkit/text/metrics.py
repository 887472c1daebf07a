"""Scores of classes, of language models and of translations.

Shapes: N texts, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.probabilities import calibration, confusion, macro_f1, roc_curve

__all__ = [
    "McNemar",
    "edits",
    "error_rates",
    "mcnemar",
    "paired_bootstrap",
    "scores",
    "sentence_chrf",
    "translation_scores",
]


def scores(labels: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """accuracy, macro_f1, auc (each class against the rest, averaged), log_loss, ece of probabilities [N, K]."""
    said = p.argmax(axis=1)
    matrix = confusion(labels, said, p.shape[1])
    areas = [roc_curve(labels == k, p[:, k])[2] for k in range(p.shape[1])]
    known = [a for a in areas if math.isfinite(a)]
    q = np.clip(p[np.arange(len(labels)), labels], 1e-12, 1)
    return {
        "accuracy": float(np.trace(matrix)) / max(len(labels), 1),
        "macro_f1": macro_f1(matrix),
        "auc": float(np.mean(known)) if known else math.nan,
        "log_loss": float(-np.log(q).mean()),
        "ece": calibration(said == labels, p.max(axis=1))["ece"],
    }


@dataclass(frozen=True)
class McNemar:
    """Of texts on which one of two models is right: ``only_a`` and ``only_b``; two-sided exact p."""

    only_a: int
    only_b: int
    p_value: float


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> McNemar:
    """Exact test that two models are right equally often on the same texts.

    Source: McNemar (1947), doi:10.1007/BF02295996.

    >>> mcnemar(np.array([1, 1, 1, 1, 1, 1, 0]), np.array([0, 0, 0, 0, 0, 0, 0])).p_value
    0.03125
    """
    from scipy.stats import binomtest

    a, b = np.asarray(right_a, bool), np.asarray(right_b, bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n = only_a + only_b
    return McNemar(only_a, only_b, float(binomtest(only_a, n).pvalue) if n else 1.0)


def paired_bootstrap(losses_a: np.ndarray, losses_b: np.ndarray, *, n: int = 2000, seed: int = 1) -> dict[str, float]:
    """Mean of a - b over units with a 95 % interval and a two-sided p, units drawn anew with replacement.

    Args:
        losses_a, losses_b: [N] of independent units: sentences, or blocks of running text.
    """
    d = np.asarray(losses_a, float) - np.asarray(losses_b, float)
    rng = np.random.default_rng(seed)
    means = np.array([d[rng.integers(0, len(d), len(d))].mean() for _ in range(n)]) if len(d) else np.zeros(0)
    if not len(means):
        return {"difference": math.nan, "low": math.nan, "high": math.nan, "p_value": 1.0}
    low, high = np.quantile(means, [0.025, 0.975])
    tail = min(float((means <= 0).mean()), float((means >= 0).mean()))
    return {
        "difference": float(d.mean()),
        "low": float(low),
        "high": float(high),
        "p_value": min(1.0, 2 * max(tail, 1 / n)),
    }


def translation_scores(said: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Corpus ``bleu`` and ``chrf`` of 0 to 100 by sacrebleu with its default tokeniser.

    Args:
        references: one or more of each sentence.

    Sources: Papineni et al. (2002), doi:10.3115/1073083.1073135; Popović (2015), doi:10.18653/v1/W15-3049; Post (2018),
    doi:10.18653/v1/W18-6319.
    """
    import sacrebleu

    most = max(len(own) for own in references)
    # sacrebleu wants the first reference of all sentences, then the second; None = this sentence has no more.
    columns: Any = [[own[k] if k < len(own) else None for own in references] for k in range(most)]
    return {
        "bleu": float(sacrebleu.corpus_bleu(said, columns).score),
        "chrf": float(sacrebleu.corpus_chrf(said, columns).score),
    }


def sentence_chrf(said: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """[N] chrF of each sentence: units of a bootstrap."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return np.array([metric.sentence_score(s, own).score for s, own in zip(said, references)])


def edits(a: Sequence[Any], b: Sequence[Any]) -> int:
    """Insertions, deletions and replacements that make b of a: the distance of Levenshtein.

    >>> edits("kitten", "sitting"), edits(["one", "two"], ["two"])
    (3, 1)
    """
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def error_rates(said: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """``cer`` and ``wer``: edits of characters and of words over their number in the references; ``exact``: share without any.

    A rate is 0 at best and may be above 1; it is NaN without a reference.

    >>> error_rates(["one too"], ["one two"])["cer"] == 1 / 7
    True
    """
    characters = [(edits(s, r), len(r)) for s, r in zip(said, references)]
    words = [(edits(s.split(), r.split()), len(r.split())) for s, r in zip(said, references)]
    return {
        "cer": _rate(characters),
        "wer": _rate(words),
        "exact": float(np.mean([s == r for s, r in zip(said, references)])) if len(references) else math.nan,
    }


def _rate(found: Sequence[tuple[int, int]]) -> float:
    whole = sum(n for _, n in found)
    return sum(k for k, _ in found) / whole if whole else math.nan
