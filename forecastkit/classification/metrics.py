"""Scores of classes: the rare class first, and never accuracy alone; uncertainty counts patients, not beats.

Shapes: N sequences, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecastkit.probabilities import f1_of, roc_curve

__all__ = [
    "bootstrap_area",
    "bootstrap_difference",
    "bootstrap_f1",
    "group_confusions",
    "numbered",
    "precision_recall_curve",
    "threshold_for",
]


def group_confusions(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, n_classes: int
) -> tuple[list[str], np.ndarray]:
    """(groups in their order, confusion matrix of each [G, K, K])."""
    names, code = numbered(groups)
    flat = (code * n_classes + labels) * n_classes + predicted
    counts = np.bincount(flat, minlength=len(names) * n_classes**2)
    return names, counts.reshape(-1, n_classes, n_classes)


def numbered(groups: np.ndarray) -> tuple[list[str], np.ndarray]:
    """(groups in the order in which they come, [N] the number of each sequence's)."""
    where: dict[str, int] = {}
    code = np.array([where.setdefault(str(g), len(where)) for g in groups], np.int64)
    return list(where), code


def bootstrap_difference(a: np.ndarray, b: np.ndarray, k: int, *, n: int = 2000, seed: int = 1) -> dict[str, float]:
    """How far F1 of class k of two models lies apart when patients are drawn anew with replacement.

    Args:
        a, b: confusion matrices by group [G, K, K], same groups.

    Returns: ``difference`` of the pooled F1, its 95 % interval ``low``, ``high``, its standard ``error``, and the ``share``
        of draws with a > b.
    """
    return _redrawn(lambda rows: f1_of(a[rows].sum(axis=0), k) - f1_of(b[rows].sum(axis=0), k), len(a), n, seed)


def bootstrap_f1(a: np.ndarray, k: int, *, n: int = 1000, seed: int = 1) -> tuple[float, float]:
    """95 % interval of the pooled F1 of class k when patients are drawn anew; NaN with one patient.

    Args:
        a: confusion matrices by group [G, K, K].
    """
    if len(a) < 2:
        return float("nan"), float("nan")
    found = _redrawn(lambda rows: f1_of(a[rows].sum(axis=0), k), len(a), n, seed)
    return found["low"], found["high"]


def bootstrap_area(
    positive: np.ndarray, a: np.ndarray, b: np.ndarray, groups: np.ndarray, *, n: int = 500, seed: int = 1
) -> dict[str, float]:
    """Like ``bootstrap_difference``, of the area under the ROC curve of two scores [N]; NaN scores are left out."""
    known = np.isfinite(a) & np.isfinite(b)
    positive, a, b, groups = positive[known], a[known], b[known], groups[known]
    names, code = numbered(groups)
    parts = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code, minlength=len(names)))[:-1])

    def gap(rows: np.ndarray) -> float:
        at = np.concatenate([parts[r] for r in rows.tolist()])
        return roc_curve(positive[at], a[at])[2] - roc_curve(positive[at], b[at])[2]

    return _redrawn(gap, len(parts), n, seed)


def _redrawn(value: Callable[[np.ndarray], float], n_groups: int, n: int, seed: int) -> dict[str, float]:
    """A statistic of groups, and what it is when they are drawn anew with replacement."""
    rng = np.random.default_rng(seed)
    point = value(np.arange(n_groups))
    drawn = np.array([value(rows) for rows in rng.integers(0, n_groups, (n, n_groups))])
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return {"difference": point, **dict.fromkeys(("low", "high", "error", "share"), float("nan"))}
    low, high = np.quantile(drawn, [0.025, 0.975])
    share = float((drawn > 0).mean())
    return {"difference": point, "low": float(low), "high": float(high), "error": float(drawn.std()), "share": share}


def _ranked(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(threshold, true positives, false positives) at each distinct score, highest first."""
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1] if len(score) else np.zeros(0, np.int64)
    hits = np.cumsum(positive)
    return score[last], hits[last].astype(np.float64), (last + 1 - hits[last]).astype(np.float64)


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
