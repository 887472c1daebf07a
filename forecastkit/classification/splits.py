"""Who is learned from and who is tested: a group (patient, hospital) is never on both sides unless it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecastkit.errors import ConfigError, DataError, near

__all__ = ["FOLDS", "Split", "fixed_split", "group_folds", "intra_folds", "leave_one_out", "splits_by_group"]

MOST_LEFT_OUT = 12
FOLDS = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of training and test sequences.

    Args:
        name: what is tested.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def leave_one_out(groups: np.ndarray) -> list[Split]:
    """Each group is tested once by what was learned from all others."""
    names = list(dict.fromkeys(groups.tolist()))
    return [Split(str(g), np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in names]


def group_folds(groups: np.ndarray, labels: np.ndarray, n: int, *, seed: int = 1) -> list[Split]:
    """``n`` folds of whole groups; the largest are dealt first, each to the fold that has least of its classes.

    Fewer folds where there are fewer groups.
    """
    names, code = np.unique(groups.astype(str), return_inverse=True)
    n = min(n, len(names))
    n_classes = int(labels.max()) + 1 if len(labels) else 1
    counts = np.zeros((len(names), n_classes))
    np.add.at(counts, (code, labels), 1)
    share = counts / np.maximum(counts.sum(axis=0), 1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-share[order].max(axis=1), kind="stable")]
    load = np.zeros((n, n_classes))
    n_groups = np.zeros(n, np.int64)
    fold = np.zeros(len(names), np.int64)
    for g in order:
        # The sum of squares grows least where the fold lacks what this group has; then where it holds fewer groups.
        cost = ((load + share[g]) ** 2).sum(axis=1) - (load**2).sum(axis=1)
        fold[g] = np.lexsort((n_groups, cost))[0]
        n_groups[fold[g]] += 1
        load[fold[g]] += share[g]
    place = fold[code]
    used = [k for k in range(n) if (place == k).any()]
    return [Split(f"fold {j + 1}", np.flatnonzero(place != k), np.flatnonzero(place == k)) for j, k in enumerate(used)]


def intra_folds(labels: np.ndarray, n: int = FOLDS, *, seed: int = 1) -> list[Split]:
    """Folds of single sequences, classes spread evenly: groups are on both sides. Flatters; only on request."""
    rng = np.random.default_rng(seed)
    place = np.zeros(len(labels), np.int64)
    for k in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == k))
        place[own] = np.arange(len(own)) % n
    return [Split(f"fold {k + 1}", np.flatnonzero(place != k), np.flatnonzero(place == k)) for k in range(n)]


def fixed_split(groups: np.ndarray, train: Sequence[str], test: Sequence[str]) -> list[Split]:
    """Learn from the groups ``train`` and test on ``test``.

    Raises:
        ConfigError: a group on both sides, or one that is not there.
    """
    both = sorted(set(train) & set(test))
    if both:
        raise ConfigError(
            place="--train and --test",
            value=", ".join(both[:5]),
            rule="on both sides: what was learned from cannot test",
            remedy="Name each on one side only.",
        )
    known = set(groups.tolist())
    for option, names in (("--train", train), ("--test", test)):
        for name in names:
            if name not in known:
                raise ConfigError(
                    place=option, value=repr(name), rule="not in the data", remedy=near(name, sorted(known))
                )
        if not names:
            raise ConfigError(place=option, rule="no group named", remedy="Name groups on both sides.")
    return [Split("test", np.flatnonzero(np.isin(groups, list(train))), np.flatnonzero(np.isin(groups, list(test))))]


def splits_by_group(
    groups: np.ndarray, labels: np.ndarray, *, kind: str = "auto", seed: int = 1
) -> tuple[list[Split], str]:
    """(splits, what they are, with a place for the word of a group): each group by all others, or folds of whole groups.

    Args:
        kind: ``leave-one-out``, ``folds``, or ``auto``: folds where there are many groups.

    Raises:
        DataError: only one group.
    """
    names = set(groups.tolist())
    if len(names) < 2:
        raise DataError(
            place="test",
            value=f"only {next(iter(names), 'none')!r}",
            rule="at least two are needed, so that a test is on one never seen",
            remedy="Add another, or ask for --split intra, which flatters.",
        )
    if kind == "leave-one-out" or (kind == "auto" and len(names) <= MOST_LEFT_OUT):
        return leave_one_out(groups), "leave one {what} out"
    return group_folds(groups, labels, FOLDS, seed=seed), "folds of whole {what}s"
