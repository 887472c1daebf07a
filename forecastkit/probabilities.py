"""Scores of classes and of the probabilities behind them, for every task that names a class.

Shapes: N items, K classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "calibration",
    "class_scores",
    "confusion",
    "f1_of",
    "fit_temperature",
    "macro_f1",
    "roc_curve",
    "temper",
]

FEWEST = 10
"""Held-out items from which a temperature is fitted."""


def confusion(labels: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """[K, K] int64: rows are what it was, columns what was said."""
    if not len(labels):
        return np.zeros((n_classes, n_classes), np.int64)
    from sklearn.metrics import confusion_matrix

    return np.asarray(confusion_matrix(labels, predicted, labels=np.arange(n_classes)), np.int64)


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
                "f1": f1_of(matrix, k),
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


def roc_curve(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(false positive rate, sensitivity, area under them) at each distinct score; area NaN where a class is missing."""
    positive, score = np.asarray(positive, bool), np.asarray(score, np.float64)
    if positive.all() or not positive.any():
        return np.zeros(0), np.zeros(0), np.nan
    from sklearn import metrics

    x, y, _ = metrics.roc_curve(positive, score, drop_intermediate=False)
    return x, y, float(metrics.auc(x, y))


def temper(p: np.ndarray, temperature: float, shift: np.ndarray | None = None) -> np.ndarray:
    """Probabilities [N, K] with logits divided by ``temperature`` and moved by ``shift`` [K]."""
    from scipy.special import softmax

    z = np.log(np.clip(p, 1e-9, 1.0)) / temperature
    out: np.ndarray = softmax(z if shift is None else z + shift, axis=1)
    return out


def fit_temperature(p: np.ndarray, labels: np.ndarray, *, shifts: bool = False) -> tuple[float, np.ndarray]:
    """(temperature, shift [K]) that make held-out labels most likely; (1, 0) where there are fewer than 10.

    Args:
        shifts: also move each class, which undoes what balancing did to their shares; otherwise the shift is 0.

    Source: Guo et al. (2017), arXiv:1706.04599, with a bias by class.
    """
    n_classes = p.shape[1]
    if len(labels) < FEWEST:
        return 1.0, np.zeros(n_classes)
    from scipy.optimize import minimize

    rows = np.arange(len(labels))

    def moved(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return float(np.exp(theta[0])), np.r_[0.0, theta[1:]] if shifts else np.zeros(n_classes)

    def loss(theta: np.ndarray) -> float:
        q = temper(p, *moved(theta))
        # A weak pull towards no change keeps a perfectly separated sample from running off.
        return float(-np.log(np.clip(q[rows, labels], 1e-12, 1)).mean() + 1e-3 * (theta**2).mean())

    start = np.zeros(n_classes if shifts else 1)
    bounds = [(-3.0, 3.0)] + [(-15.0, 15.0)] * (len(start) - 1)
    return moved(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


def calibration(hit: np.ndarray, said: np.ndarray, *, n_bins: int = 10) -> dict[str, Any]:
    """``ece`` (expected calibration error), ``brier`` and ``bins``: said against seen in bins of equal width.

    Args:
        hit: [N] whether it came true.
        said: [N] how likely that was called: the probability of one class, or the highest one of several.

    Source: Guo et al. (2017), arXiv:1706.04599, equation 3.
    """
    hit, said = np.asarray(hit, np.float64), np.asarray(said, np.float64)
    if not len(said):
        return {"ece": np.nan, "brier": np.nan, "bins": []}
    place = np.minimum((said * n_bins).astype(np.int64), n_bins - 1)
    bins = []
    for k in np.unique(place):
        own = place == k
        bins.append({"said": float(said[own].mean()), "seen": float(hit[own].mean()), "n": int(own.sum())})
    ece = sum(abs(b["said"] - b["seen"]) * b["n"] for b in bins) / len(said)
    return {"ece": float(ece), "brier": float(((said - hit) ** 2).mean()), "bins": bins}
