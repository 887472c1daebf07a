"""Boosted regression trees as arrays: read from scikit-learn, stored without code, summed without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Trees"]


@dataclass(frozen=True, eq=False)
class Trees:
    """A start and trees whose leaves are added to it. N nodes of all trees, one tree after the other.

    Args:
        start: what is forecast without a tree.
        offsets: [trees + 1] int64, first node of each tree and the end.
        feature: [N] int32, which number a node looks at; -1 = a leaf.
        threshold: [N] float64: up to it the left node is next, above it the right one.
        left, right: [N] int32, places of the next nodes among all N.
        value: [N] float64, of a leaf.
    """

    start: float
    offsets: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def empty(cls) -> Trees:
        """No tree and a start of 0."""
        none = np.zeros(0)
        return cls(0.0, np.zeros(1, np.int64), *(none.astype(t) for t in (np.int32, float, np.int32, np.int32, float)))

    @classmethod
    def of(cls, model: Any) -> Trees:
        """From a fitted ``HistGradientBoostingRegressor`` without categories, on data without NaN."""
        tables = [stage[0].nodes for stage in model._predictors]
        offsets = np.cumsum([0, *map(len, tables)]).astype(np.int64)
        nodes = np.concatenate(tables)
        shift = np.repeat(offsets[:-1], np.diff(offsets))
        leaf = nodes["is_leaf"].astype(bool)
        return cls(
            start=float(np.ravel(model._baseline_prediction)[0]),
            offsets=offsets,
            feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
            threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
            left=(nodes["left"] + shift).astype(np.int32),
            right=(nodes["right"] + shift).astype(np.int32),
            value=nodes["value"].astype(np.float64),
        )

    @property
    def n(self) -> int:
        """Trees."""
        return len(self.offsets) - 1

    def first(self, n: int) -> Trees:
        """The first ``n`` trees; none at all is a start of 0."""
        if n == 0:
            return Trees.empty()
        end = int(self.offsets[n])
        rest = (v[:end] for v in (self.feature, self.threshold, self.left, self.right, self.value))
        return Trees(self.start, self.offsets[: n + 1], *rest)

    def staged(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Sums [C] over the start and the first 1, 2, ... trees for rows x [C, F]; one more step at the end."""
        total = np.full(len(x), self.start)
        columns = np.ascontiguousarray(x.T)
        for k in range(self.n):
            total = total + self._leaf(columns, k)
            yield total
        yield total

    def predict(self, x: np.ndarray) -> np.ndarray:
        """[C] for rows x [C, F]."""
        total = np.full(len(x), self.start)
        columns = np.ascontiguousarray(x.T)
        for k in range(self.n):
            total += self._leaf(columns, k)
        return total

    def _leaf(self, columns: np.ndarray, k: int) -> np.ndarray:
        """[C] values of one tree for columns [F, C]."""
        node = np.full(columns.shape[1], self.offsets[k], dtype=np.int64)
        rows = np.arange(columns.shape[1])
        going = rows if self.feature[self.offsets[k]] >= 0 else rows[:0]
        while len(going):
            at = node[going]
            low = columns[self.feature[at], going] <= self.threshold[at]
            after = np.where(low, self.left[at], self.right[at])
            node[going] = after
            going = going[self.feature[after] >= 0]
        return self.value[node]

    def arrays(self) -> dict[str, np.ndarray]:
        """What ``from_arrays`` reads."""
        names = ("offsets", "feature", "threshold", "left", "right", "value")
        return {"start": np.array([self.start]), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Trees:
        """The inverse of ``arrays``."""
        return cls(start=float(arrays["start"][0]), **{k: v for k, v in arrays.items() if k != "start"})
