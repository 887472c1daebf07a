"""Which rows naive rules repeat; no torch, so that models without a network read it too."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["rule_rows"]


@lru_cache(maxsize=256)
def rule_rows(n: int, horizon: int, season_length: int) -> np.ndarray:
    """[H] int64: the row of a history of ``n`` rows that the (seasonal) naive rule gives for each step after it.

    A season that reaches before the first row gives the last row instead.

    >>> rule_rows(5, 4, 3).tolist(), rule_rows(5, 2, 1).tolist(), rule_rows(2, 2, 3).tolist()
    ([2, 3, 4, 2], [4, 4], [1, 0])
    """
    h = np.arange(1, horizon + 1)
    at = n - 1 + h - season_length * ((h + season_length - 1) // season_length)
    return np.where(at >= 0, at, n - 1).astype(np.int64)
