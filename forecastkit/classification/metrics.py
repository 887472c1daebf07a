"""Scores of classes: the rare class first, and never accuracy alone; uncertainty counts patients, not beats.

Shapes: N sequences, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "bootstrap_difference",
    "calibration",
    "class_scores",
    "confusion",
    "f1_of",
    "fit_temperature",
    "group_confusions",
    "macro_f1",
    "precision_recall_curve",
    "roc_curve",
    "temper",
    "threshold_for",
]


def confusion(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """[K, K] int64: rows are what it was, columns what was said."""
    flat = np.asarray(labels) * n_classes + np.asarray(predicted)
    return np.bincount(flat, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_scores(matrix: np.ndarray) -> list[dict[str, float]]:
    """Of each class: n, sensitivity (recall), ppv (precision), specificity, f1; NaN where undefined.

    >>> class_scores(np.array([[8, 2], [1, 3]]))[1]["sensitivity"]
    0.75
    """
    out = []
    total = matrix.sum()
    for k in range(len(matrix)):
        hit, was, said = (float(v) for v in (matrix[k, k], matrix[k].sum(), matrix[:, k].sum()))
        rest = float(total) - was
        out.append(
            {
                "n": was,
                "sensitivity": hit / was if was else np.nan,
                "ppv": hit / said if said else np.nan,
                "specificity": (rest - (said - hit)) / rest if rest else np.nan,
                "f1": 2 * hit / (was + said) if was + said else np.nan,
            }
        )
    return out


def f1_of(matrix: np.ndarray, k: int) -> float:
    """F1 of class k; 0 where it occurs and is never said."""
    both = float(matrix[k].sum() + matrix[:, k].sum())
    return 2 * float(matrix[k, k]) / both if both else np.nan


def macro_f1(matrix: np.ndarray) -> float:
    """Mean F1 of the classes that occur."""
    known = [f1_of(matrix, k) for k in range(len(matrix)) if matrix[k].sum()]
    return float(np.mean(known)) if known else np.nan


def group_confusions(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, n_classes: int
) -> tuple[list[str], np.ndarray]:
    """(groups in their order, confusion matrix of each [G, K, K])."""
    names = list(dict.fromkeys(str(g) for g in groups))
    parts = [confusion(labels[groups == g], predicted[groups == g], n_classes) for g in names]
    return names, np.stack(parts) if parts else np.zeros((0, n_classes, n_classes), np.int64)


def bootstrap_difference(a: np.ndarray, b: np.ndarray, k: int, *, n: int = 2000, seed: int = 1) -> dict[str, float]:
    """How far F1 of class k of two models lies apart when patients are drawn anew with replacement.

    Args:
        a, b: confusion matrices by group [G, K, K], same groups.

    Returns: ``difference`` of the pooled F1, its 95 % interval ``low``, ``high``, and ``share`` of draws with a > b.
    """
    rng = np.random.default_rng(seed)
    n_groups = len(a)
    draws = rng.integers(0, n_groups, (n, n_groups))
    gaps = np.empty(n)
    for j, chosen in enumerate(draws):
        x, y = f1_of(a[chosen].sum(axis=0), k), f1_of(b[chosen].sum(axis=0), k)
        gaps[j] = x - y
    gaps = gaps[np.isfinite(gaps)]
    point = f1_of(a.sum(axis=0), k) - f1_of(b.sum(axis=0), k)
    if not len(gaps):
        return {"difference": point, "low": np.nan, "high": np.nan, "share": np.nan}
    low, high = np.quantile(gaps, [0.025, 0.975])
    return {"difference": point, "low": float(low), "high": float(high), "share": float((gaps > 0).mean())}


def _ranked(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(threshold, true positives, false positives) at each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1] if len(score) else np.zeros(0, np.int64)
    hits = np.cumsum(positive)
    return score[last], hits[last].astype(np.float64), (last + 1 - hits[last]).astype(np.float64)


def roc_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(false positive rate, sensitivity, area under them); area NaN where a class is missing."""
    _, tp, fp = _ranked(np.asarray(positive, bool), np.asarray(score, np.float64))
    n_pos, n_neg = float(np.sum(positive)), float(len(positive) - np.sum(positive))
    if not n_pos or not n_neg:
        return np.zeros(0), np.zeros(0), np.nan
    x, y = np.r_[0.0, fp / n_neg], np.r_[0.0, tp / n_pos]
    return x, y, float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))


def precision_recall_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(sensitivity, positive predictive value, average precision)."""
    _, tp, fp = _ranked(np.asarray(positive, bool), np.asarray(score, np.float64))
    n_pos = float(np.sum(positive))
    if not n_pos:
        return np.zeros(0), np.zeros(0), np.nan
    recall, precision = tp / n_pos, tp / (tp + fp)
    return recall, precision, float(np.sum(np.diff(np.r_[0.0, recall]) * precision))


def threshold_for(positive: np.ndarray, score: np.ndarray, sensitivity: float) -> float:
    """The highest threshold whose sensitivity (score >= threshold) is at least what is asked; NaN without positives.

    >>> threshold_for(np.array([1, 1, 0, 1]), np.array([0.9, 0.4, 0.5, 0.7]), 0.66)
    0.7
    """
    cuts, tp, _ = _ranked(np.asarray(positive, bool), np.asarray(score, np.float64))
    if not len(tp) or not tp[-1]:
        return float("nan")
    # 2/3 is at least 0.6667 to a reader: allow for rounding.
    return float(cuts[np.argmax(tp / tp[-1] >= sensitivity - 1e-9)])


def temper(p: np.ndarray, temperature: float, shift: np.ndarray) -> np.ndarray:
    """Probabilities [N, K] with logits divided by ``temperature`` and moved by ``shift`` [K]."""
    z = np.log(np.clip(p, 1e-7, 1.0)) / temperature + shift
    e = np.exp(z - z.max(axis=1, keepdims=True))
    out: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return out


def fit_temperature(p: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Temperature and shift by class that make probabilities on held-out sequences as likely as possible.

    The shift undoes what balancing did to the shares of the classes.

    Source: Guo et al. (2017), arXiv:1706.04599, with a bias by class.
    """
    from scipy.optimize import minimize

    n_classes = p.shape[1]
    rows = np.arange(len(labels))

    def loss(theta: np.ndarray) -> float:
        q = temper(p, float(np.exp(theta[0])), np.r_[0.0, theta[1:]])
        # A weak pull towards no change keeps a perfectly separated sample from running off.
        return float(-np.log(np.clip(q[rows, labels], 1e-12, 1)).mean() + 1e-3 * (theta**2).mean())

    found = minimize(loss, np.zeros(n_classes), method="L-BFGS-B", bounds=[(-3, 3)] + [(-15, 15)] * (n_classes - 1))
    return float(np.exp(found.x[0])), np.r_[0.0, found.x[1:]]


def calibration(positive: np.ndarray, p: np.ndarray, *, n_bins: int = 10) -> dict[str, Any]:
    """Expected calibration error, Brier score, and said against seen in bins of equal width."""
    positive, p = np.asarray(positive, np.float64), np.asarray(p, np.float64)
    place = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    error = 0.0
    for k in range(n_bins):
        own = place == k
        if own.any():
            said, seen = float(p[own].mean()), float(positive[own].mean())
            error += abs(said - seen) * float(own.mean())
            bins.append({"said": said, "seen": seen, "n": int(own.sum())})
    brier = float(((p - positive) ** 2).mean()) if len(p) else np.nan
    return {"ece": error if len(p) else np.nan, "brier": brier, "bins": bins}
