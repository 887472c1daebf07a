"""Scores of classes, of language models and of translations.

Shapes: N texts, K classes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecastkit.probabilities import calibration, confusion, macro_f1, roc_curve

__all__ = [
    "McNemar",
    "bits",
    "bleu",
    "chrf",
    "mcnemar",
    "paired_bootstrap",
    "scores",
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


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / math.log(2)


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[k : k + n]) for k in range(len(tokens) - n + 1))


def bleu(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Corpus BLEU of 0 to 100 over 1- to 4-grams of given tokens, closest reference length, exponential smoothing.

    Args:
        references: several of each hypothesis.

    Source: Papineni et al. (2002), doi:10.3115/1073083.1073135; smoothing as in sacrebleu (Post 2018,
    doi:10.18653/v1/W18-6319), with which a test compares.
    """
    hits, total = [0] * 4, [0] * 4
    said = wanted = 0
    for hypothesis, own in zip(hypotheses, references):
        said += len(hypothesis)
        wanted += min((abs(len(r) - len(hypothesis)), len(r)) for r in own)[1]
        for n in range(1, 5):
            got = _ngrams(hypothesis, n)
            most: Counter[tuple[str, ...]] = Counter()
            for reference in own:
                most |= _ngrams(reference, n)
            hits[n - 1] += sum((got & most).values())
            total[n - 1] += sum(got.values())
    logs, smooth = 0.0, 1.0
    for hit, of in zip(hits, total):
        if not of:
            return 0.0
        if not hit:
            smooth *= 2
            logs += math.log(1 / (smooth * of))
        else:
            logs += math.log(hit / of)
    if not hits[0]:
        return 0.0
    return 100 * math.exp(logs / 4 + min(0.0, 1 - wanted / said))


def chrf(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, order: int = 6, beta: float = 2.0) -> float:
    """Corpus chrF of 0 to 100 over 1- to 6-grams of characters without blanks; the best reference of each sentence counts.

    Source: Popović (2015), doi:10.18653/v1/W15-3049.
    """
    sums = np.zeros((order, 3))
    for hypothesis, own in zip(hypotheses, references):
        best = max((_chrf_counts(hypothesis, r, order) for r in own), key=lambda c: _chrf_of(c, beta))
        sums += best
    return _chrf_of(sums, beta)


def _chrf_counts(hypothesis: str, reference: str, order: int) -> np.ndarray:
    h, r = "".join(hypothesis.split()), "".join(reference.split())
    out = np.zeros((order, 3))
    for n in range(1, order + 1):
        a, b = _ngrams(h, n), _ngrams(r, n)
        out[n - 1] = sum((a & b).values()), sum(a.values()), sum(b.values())
    return out


def _chrf_of(counts: np.ndarray, beta: float) -> float:
    scores_: list[float] = []
    for hit, said, wanted in counts:
        if said and wanted:
            p, r = hit / said, hit / wanted
            scores_.append((1 + beta**2) * p * r / (beta**2 * p + r) if p + r else 0.0)
    return 100 * float(np.mean(scores_)) if scores_ else 0.0
