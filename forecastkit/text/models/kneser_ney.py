"""Interpolated Kneser-Ney: counts of n-grams, where a rare one borrows from shorter ones by how many words they follow."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.text.protocol import FitAbout
from forecastkit.text.tokenizer import Tokenizer

__all__ = ["KneserNey"]


@dataclass(frozen=True)
class KneserNey:
    """Counts of ``order`` tokens in a row.

    Args:
        order: 0 = 3 for words, 6 for characters, 4 for pieces of words; 1 = single tokens.

    Source: Chen and Goodman (1999), doi:10.1006/csla.1999.0128, with one discount for each order.
    """

    order: int = 0

    family: ClassVar[str] = "baseline"

    def __post_init__(self) -> None:
        if not 0 <= self.order <= 12:
            raise ConfigError(place="models.kneser_ney.order", value=str(self.order), rule="from 0 to 12")

    def fit(self, ids: np.ndarray, tokenizer: Tokenizer, about: FitAbout) -> _FittedKneserNey:
        """Count ids [N] of running text."""
        order = self.order or {"word": 3, "char": 6}.get(tokenizer.level, 4)
        base = len(tokenizer)
        # An n-gram is one int64: the vocabulary limits the order.
        while order > 1 and order * np.log2(base) >= 62:
            order -= 1
        levels: list[_Level] = []
        ids = np.asarray(ids, np.int64)
        for k in range(1, order + 1):
            if k == order:
                codes, counts = np.unique(_codes(ids, k, base), return_counts=True)
            else:
                # Of shorter ones counts in how many places they go on, not how often they come.
                longer = np.unique(_codes(ids, k + 1, base))
                codes, counts = np.unique(longer % base**k, return_counts=True)
            levels.append(_Level.of(codes, counts, base))
        info = {"order": order, "n_parameters": sum(len(x.codes) for x in levels)}
        return _FittedKneserNey(self, tokenizer, levels, info)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedKneserNey:
        """See ``restore``."""
        tokenizer = Tokenizer.restore(meta["tokenizer"])
        levels = [
            _Level.of(arrays[f"codes{k}"], arrays[f"counts{k}"], len(tokenizer)) for k in range(int(meta["order"]))
        ]
        return _FittedKneserNey(cls(**meta["options"]), tokenizer, levels, {})


def _codes(ids: np.ndarray, n: int, base: int) -> np.ndarray:
    """[N - n + 1] each n-gram as one number."""
    out = np.zeros(max(len(ids) - n + 1, 0), np.int64)
    for k in range(n):
        out = out * base + ids[k : len(ids) - n + 1 + k]
    return out


@dataclass(frozen=True, eq=False)
class _Level:
    """n-grams of one length, sorted, and their contexts."""

    codes: np.ndarray
    counts: np.ndarray
    discount: float
    contexts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, counts: np.ndarray, base: int) -> _Level:
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        discount = once / (once + 2 * twice) if once and twice else 0.5
        context = codes // base
        contexts, starts = np.unique(context, return_index=True)
        totals = np.add.reduceat(counts, starts) if len(counts) else counts
        kinds = np.diff(np.r_[starts, len(codes)])
        return cls(codes, counts, discount, contexts, totals, kinds)

    def p(self, codes: np.ndarray, contexts: np.ndarray, shorter: np.ndarray) -> np.ndarray:
        """Probability given that of the shorter n-gram."""
        at, hit = _find(self.contexts, contexts)
        total = np.where(hit, self.totals[at], 1)
        place, known = _find(self.codes, codes)
        count = np.where(known, self.counts[place], 0)
        own = np.maximum(count - self.discount, 0) / total
        rest = self.discount * np.where(hit, self.kinds[at], 0) / total
        return np.where(hit, own + rest * shorter, shorter)


def _find(sorted_: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(sorted_):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(sorted_, wanted), len(sorted_) - 1)
    return at, sorted_[at] == wanted


@dataclass(eq=False)
class _FittedKneserNey:
    model: KneserNey
    tokenizer: Tokenizer
    levels: list[_Level]
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def nll(self, context: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """[N] nats of each of ``ids``, given what stands before it; ``context`` stands before the first."""
        order, base = len(self.levels), len(self.tokenizer)
        context = np.asarray(context, np.int64)[-(order - 1) :] if order > 1 else np.zeros(0, np.int64)
        whole = np.r_[context, np.asarray(ids, np.int64)]
        p = np.full(len(ids), 1.0 / base)
        for k, level in enumerate(self.levels, 1):
            codes = _codes(whole, k, base)
            fits = min(len(ids), len(codes))
            tail = codes[len(codes) - fits :]
            p[len(ids) - fits :] = level.p(tail, tail // base, p[len(ids) - fits :])
        return -np.log(np.maximum(p, 1e-300))

    def next(self, context: np.ndarray) -> np.ndarray:
        """[V] probabilities of the token after ``context``."""
        base = len(self.tokenizer)
        every = np.arange(base, dtype=np.int64)
        p = np.full(base, 1.0 / base)
        for k, level in enumerate(self.levels, 1):
            if len(context) < k - 1:
                break
            code = np.int64(0)
            for token in context[len(context) - k + 1 :]:
                code = code * base + np.int64(token)
            p = level.p(code * base + every, np.full(base, code), p)
        return p

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``restore``."""
        arrays: dict[str, np.ndarray] = {}
        for k, level in enumerate(self.levels):
            arrays |= {f"codes{k}": level.codes, f"counts{k}": level.counts}
        meta = {
            "options": dataclasses.asdict(self.model),
            "tokenizer": self.tokenizer.state(),
            "order": len(self.levels),
        }
        return arrays, meta
