"""Do intervals hold as many answers as they say? A share with an interval of its own that counts origins, not points.

Forty-eight hours of one forecast are right or wrong together. So answers are counted in clusters, one an origin (or, where
neighbouring folds overlap, one a block of them), and the exact binomial interval is taken for the number of
independent answers that would vary as much.

Source: Korn and Graubard (1998), Survey Methodology 24, 193-201; Clopper and Pearson (1934), doi:10.1093/biomet/26.4.404.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastkit.forecasting.significance import FEWEST_ORIGINS

__all__ = ["AS_NAMED", "TOO_FEW", "TOO_NARROW", "TOO_WIDE", "Coverage", "coverage"]

AS_NAMED, TOO_NARROW, TOO_WIDE, TOO_FEW = "as named", "too narrow", "too wide", "too few to tell"
ALPHA = 0.05


@dataclass(frozen=True)
class Coverage:
    """How often intervals of one level held the answer.

    Args:
        level: what they say, such as 0.8.
        share: what they held; NaN without an answer.
        low, high: 95 % interval of the share.
        n: answers.
        n_clusters: groups of answers that count as independent.
        by: ``"origins"``, or ``"series"`` where there is one origin.
        word: ``as named``: the level lies within the interval; ``too narrow``, ``too wide``; ``too few to tell`` under
            ten clusters.
    """

    level: float
    share: float
    low: float
    high: float
    n: int
    n_clusters: int
    by: str
    word: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "coverage": self.share,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "n_clusters": self.n_clusters,
            "by": self.by,
            "word": self.word,
        }


def coverage(inside: np.ndarray, level: float, *, overlap: int = 1) -> Coverage:
    """The share of answers that intervals held, and whether that is what they say.

    Args:
        inside: [F, I, H], 1 where the interval held the answer, 0 where not, NaN where there is none; shares in between
            (means over seeds) are allowed.
        level: such as 0.8.
        overlap: see ``EvalPlan.overlap``: so many neighbouring folds are one cluster.
    """
    seen = np.isfinite(inside)
    hits, counts = np.where(seen, inside, 0.0).sum(axis=2), seen.sum(axis=2)
    by = "series" if (counts.sum(axis=1) > 0).sum() == 1 else "origins"
    if by == "series":
        hits, counts = hits.sum(axis=0), counts.sum(axis=0)
    else:
        hits, counts = (_blocks(x.sum(axis=1), overlap) for x in (hits, counts))
    hits, counts = hits[counts > 0], counts[counts > 0]
    n, c = int(counts.sum()), len(counts)
    if not n:
        return Coverage(level, math.nan, math.nan, math.nan, 0, 0, by, TOO_FEW)
    share = float(hits.sum() / n)
    low, high = _interval(share, hits, counts)
    if c < FEWEST_ORIGINS:
        word = TOO_FEW
    else:
        word = TOO_NARROW if high < level else TOO_WIDE if low > level else AS_NAMED
    return Coverage(level, share, low, high, n, c, by, word)


def _blocks(values: np.ndarray, size: int) -> np.ndarray:
    """Sums of ``size`` neighbours."""
    return np.add.reduceat(values, np.arange(0, len(values), max(1, size)))


def _interval(share: float, hits: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    from scipy.special import betaincinv, stdtrit

    n, c = int(counts.sum()), len(counts)
    if c < 2:
        return 0.0, 1.0
    variance = c / (c - 1) * float(((hits - share * counts) ** 2).sum()) / n**2
    plain = share * (1 - share)
    # Where all or none were held nothing varies: then a cluster is one answer.
    like = plain / variance if variance > 0 and plain > 0 else c
    wider = float(stdtrit(n - 1, 1 - ALPHA / 2) / stdtrit(c - 1, 1 - ALPHA / 2)) ** 2
    size = min(float(n), like * wider if variance > 0 else like)
    held = share * size
    low = float(betaincinv(held, size - held + 1, ALPHA / 2)) if held > 0 else 0.0
    high = float(betaincinv(held + 1, size - held, 1 - ALPHA / 2)) if held < size else 1.0
    return low, high
