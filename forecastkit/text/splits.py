"""Who learns, who stops, who chooses, who reports. Texts that differ in case or digits alone are never on two sides.

Parts of a fold: *train*; *calibrate* for early stopping and temperature; *select* chooses the model; *report* publishes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecastkit.errors import ConfigError, DataError

__all__ = ["Fold", "folds_of", "key_of", "parts_by_key"]

_DIGIT = re.compile(r"\d")
_REST = re.compile(r"[\W_]+")


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of the four parts, each ascending."""

    train: np.ndarray
    calibrate: np.ndarray
    select: np.ndarray
    report: np.ndarray


def key_of(text: str) -> str:
    """What near-copies of a text have in common.

    >>> key_of("Win 500 NOW!") == key_of("win 300, now")
    True
    """
    return _REST.sub(" ", _DIGIT.sub("0", text.casefold())).strip()


def _order(keys: Sequence[str], seed: int) -> list[str]:
    return sorted(set(keys), key=lambda k: hashlib.blake2b(f"{seed}:{k}".encode("utf-8", "replace")).digest())


def folds_of(
    texts: Sequence[str], labels: np.ndarray, *, n_folds: int = 1, n_parts: int = 5, select: float = 0.1, seed: int = 1
) -> list[Fold]:
    """Folds whose classes have the same shares; each reports on one of ``n_parts`` parts.

    Args:
        n_folds: how many of the parts report in turn; all of them is cross-validation.
        n_parts: the report part is one of so many.
        select: share of the rows that chooses the model; 0 = nothing is to be chosen.

    Raises:
        ConfigError: more folds than parts.
        DataError: a class with too few different texts for the parts.
    """
    if not 1 <= n_folds <= n_parts or n_parts < 2:
        raise ConfigError(place="--folds", value=str(n_folds), rule=f"from 1 to {n_parts}")
    keys = [key_of(t) for t in texts]
    label_of: dict[str, int] = {}
    for key, label in zip(keys, labels):
        label_of.setdefault(key, int(label))
    kinds = Counter(label_of.values())
    few = {k: n for k, n in sorted(kinds.items()) if n < n_parts}
    if few or len(kinds) < len(np.unique(labels)):
        found = min(few.values(), default=0)
        raise DataError(
            place="texts", value=f"a class with {found} different texts",
            rule=f"{n_parts} are needed; those that differ in case, digits or signs alone count as one", remedy="Add other texts of that class.",
        )  # fmt: skip
    # Twenty fine parts by turns within each class; every role is a set of fine parts, so that small classes reach all roles.
    n_fine = 4 * n_parts
    fine: dict[str, int] = {}
    turn: dict[int, int] = {}
    for key in _order(keys, seed):
        k = turn.get(label_of[key], 0)
        fine[key] = k % n_fine
        turn[label_of[key]] = k + 1
    part = np.array([fine[key] for key in keys])
    n_side = max(1, round(0.1 * n_fine))
    n_select = max(1, round(select * n_fine)) if select > 0 else 0
    folds = []
    for f in range(n_folds):
        # Fine part p belongs to part p % n_parts; the others are handed out in order, from the next part on.
        rest = [p for p in sorted(range(n_fine), key=lambda p: (p // n_parts, (p - f) % n_parts)) if p % n_parts != f]
        calibrate, chosen = rest[:n_side], rest[n_side : n_side + n_select]
        roles = np.full(n_fine, 0)
        roles[calibrate], roles[chosen] = 1, 2
        roles[[p for p in range(n_fine) if p % n_parts == f]] = 3
        role = roles[part]
        folds.append(Fold(*(np.flatnonzero(role == r) for r in range(4))))
    return folds


def parts_by_key(keys: Sequence[str], shares: Sequence[float], seed: int = 1) -> list[np.ndarray]:
    """Positions of parts of the given shares; equal keys stay together."""
    order = _order(keys, seed)
    edges = np.round(np.cumsum([0.0, *shares]) * len(order)).astype(int)
    place = {key: k for k, key in enumerate(order)}
    at = np.array([place[key] for key in keys])
    return [np.flatnonzero((at >= a) & (at < b)) for a, b in zip(edges[:-1], edges[1:])]
