"""Every classifier tested on groups that it never saw; what it needs to know is learned from training groups alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import probabilities
from forecastkit.classification import metrics
from forecastkit.classification.models import CLASSIFIERS, create_classifier
from forecastkit.classification.protocol import FitAbout, FittedClassifier
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import Split, group_folds, intra_folds
from forecastkit.errors import FitError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation", "Tell", "Tested", "Tuned", "decide", "evaluate", "fit_final"]

INNER_FOLDS = 3
FEW_GROUPS = 6
"""Training groups up to which each is left out in turn: folds of several would leave too little to learn from."""
INTERRUPTED = "interrupted"

Tell = Callable[["Tested", int, int], None]
"""(classifier, fits done, fits) while it is tested; the last call has both alike, or says that it failed."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What was learned on training groups, each predicted without itself.

    Args:
        n_steps: of a network; None = not one.
        temperature, shift: of calibrated probabilities.
        threshold: of the rare class for the sensitivity that was asked; NaN = the likeliest class is said.
        calibrated: False where there was one group only.
        curves: of the networks whose held-out groups decided ``n_steps``.
        said: [n training sequences] what was said of each by fits without its group; -1 = nothing. Models are chosen by it.
        note: what a training did otherwise than asked.
    """

    n_steps: int | None
    temperature: float
    shift: np.ndarray
    threshold: float
    calibrated: bool
    curves: list[dict[str, Any]] = field(default_factory=list)
    said: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    note: str = ""


@dataclass(eq=False)
class Tested:
    """One classifier on all test sequences.

    Args:
        p: [N, K] as the classifier says it; NaN where not tested.
        p_calibrated: [N, K].
        said: [N] class, -1 where not tested.
        status: ``ok``, ``failed`` or ``skipped``.
        reason: why it failed or was skipped; of one that is ok what was done otherwise than asked, or empty.
    """

    name: str
    family: str
    p: np.ndarray
    p_calibrated: np.ndarray
    said: np.ndarray
    tuned: list[Tuned] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    seconds_fit: float = 0.0
    seconds_predict: float = 0.0
    n_parameters: int = 0
    status: str = "ok"
    reason: str = ""


@dataclass(eq=False)
class Evaluation:
    """All classifiers on the same test sequences."""

    data: Sequences
    splits: list[Split]
    tested: dict[str, Tested]
    sensitivity: float | None

    @property
    def rows(self) -> np.ndarray:
        """Positions that were tested, ascending."""
        return np.unique(np.concatenate([s.test for s in self.splits]))

    def matrix(self, name: str) -> np.ndarray:
        """Pooled confusion matrix [K, K]."""
        rows = self.rows
        return probabilities.confusion(self.data.labels[rows], self.tested[name].said[rows], len(self.data.classes))

    def by_group(self, name: str) -> tuple[list[str], np.ndarray]:
        """(groups, [G, K, K])."""
        rows = self.rows
        return metrics.group_confusions(
            self.data.labels[rows], self.tested[name].said[rows], self.data.groups[rows], len(self.data.classes)
        )

    def select_by_group(self, name: str) -> np.ndarray:
        """[G, K, K] of all groups, by the folds inside the training parts; the test parts have no say in it."""
        groups = list(dict.fromkeys(str(g) for g in self.data.groups))
        n = len(self.data.classes)
        out = np.zeros((len(groups), n, n), np.int64)
        for split, tuned in zip(self.splits, self.tested[name].tuned):
            known = np.flatnonzero(tuned.said >= 0) if len(tuned.said) else np.zeros(0, np.int64)
            rows = split.train[known]
            for g, matrix in zip(
                *metrics.group_confusions(self.data.labels[rows], tuned.said[known], self.data.groups[rows], n)
            ):
                out[groups.index(g)] += matrix
        return out

    def leaderboard(self) -> pd.DataFrame:
        """One row a classifier, the best F1 of the rare class first."""
        import pandas as pd

        k = self.data.rare_class()
        rows = self.rows
        positive = self.data.labels[rows] == k
        table = []
        for name, t in self.tested.items():
            row: dict[str, Any] = {"model": name, "family": t.family, "status": t.status, "reason": t.reason}
            if t.status == "ok":
                matrix = self.matrix(name)
                own = probabilities.class_scores(matrix)[k]
                shape = probabilities.calibration(positive, t.p_calibrated[rows, k])
                low, high = metrics.bootstrap_f1(self.by_group(name)[1], k)
                row |= {
                    "f1": probabilities.f1_of(matrix, k), "f1_low": low, "f1_high": high, "f1_select": probabilities.f1_of(self.select_by_group(name).sum(axis=0), k),
                    "sensitivity": own["sensitivity"], "ppv": own["ppv"],
                    "specificity": own["specificity"], "macro_f1": probabilities.macro_f1(matrix),
                    "accuracy": float(np.trace(matrix) / matrix.sum()),
                    "roc_auc": probabilities.roc_curve(positive, t.p[rows, k])[2],
                    "pr_auc": metrics.precision_recall_curve(positive, t.p[rows, k])[2],
                    "ece": shape["ece"], "brier": shape["brier"], "n_parameters": t.n_parameters,
                    "seconds_fit": t.seconds_fit, "seconds_predict": t.seconds_predict,
                }  # fmt: skip
            table.append(row)
        board = pd.DataFrame(table)
        if "f1" not in board:
            board["f1"] = np.nan
        return board.sort_values("f1", ascending=False, na_position="last", kind="stable").reset_index(drop=True)

    def groups_table(self) -> pd.DataFrame:
        """One row a classifier and group: counts and scores of the rare class; F1 is NaN under 10 of them."""
        import pandas as pd

        k = self.data.rare_class()
        table = []
        for name, t in self.tested.items():
            if t.status != "ok":
                continue
            for group, matrix in zip(*self.by_group(name)):
                n = int(matrix[k].sum())
                hit, wrong = int(matrix[k, k]), int(matrix[:, k].sum() - matrix[k, k])
                row = {
                    "model": name,
                    "group": group,
                    "n": int(matrix.sum()),
                    "n_rare": n,
                    "found": hit,
                    "missed": n - hit,
                }
                row |= {"false_alarms": wrong, "f1": probabilities.f1_of(matrix, k) if n >= 10 else np.nan}
                table.append(row)
        return pd.DataFrame(table)


def decide(p: np.ndarray, rare: int, threshold: float) -> np.ndarray:
    """[N] the likeliest class, or the rare one wherever its probability reaches ``threshold``."""
    said = p.argmax(axis=1)
    if not np.isfinite(threshold):
        return said
    others = p.copy()
    others[:, rare] = -1.0
    return np.where(p[:, rare] >= threshold, rare, others.argmax(axis=1))


def _n_inner(groups: np.ndarray, intra: bool) -> int:
    """Folds inside a training part."""
    n = len(set(groups.tolist()))
    return n if not intra and INNER_FOLDS < n <= FEW_GROUPS else INNER_FOLDS


def _tune(
    name: str,
    options: dict[str, Any],
    data: Sequences,
    seed: int,
    sensitivity: float | None,
    intra: bool,
    done: Callable[[], None],
) -> Tuned:
    """Steps, calibration and threshold from folds of the training groups."""
    n_classes, rare = len(data.classes), data.rare_class()
    none = Tuned(None, 1.0, np.zeros(n_classes), float("nan"), False)
    if len(np.unique(data.labels)) < 2:
        return none
    n_inner = _n_inner(data.groups, intra)
    inner = (
        intra_folds(data.labels, n_inner, seed=seed)
        if intra
        else group_folds(data.groups, data.labels, n_inner, seed=seed)
    )
    if len(inner) < 2:
        return none
    p = np.full((len(data), n_classes), np.nan)
    steps: list[int] = []
    curves: list[dict[str, Any]] = []
    note = ""
    for split in inner:
        part, held = data.take(split.train), data.take(split.test)
        if len(np.unique(part.labels)) < 2:
            continue
        fitted = create_classifier(name, **options).fit(part, FitAbout(seed=seed, valid=held))
        done()
        curves += [{"fit": split.name, **row} for row in fitted.curves]
        note = note or str(fitted.info.get("note", ""))
        if "best_step" in fitted.info:
            steps.append(int(fitted.info["best_step"]))
        p[split.test] = fitted.predict(held)
    known = np.isfinite(p[:, 0])
    if not known.any():
        return none
    labels = data.labels[known]
    temperature, shift = probabilities.fit_temperature(p[known], labels, shifts=True)
    threshold = float("nan")
    if sensitivity is not None:
        threshold = metrics.threshold_for(labels == rare, p[known, rare], sensitivity)
    said = np.full(len(data), -1, np.int64)
    said[known] = decide(p[known], rare, threshold)
    return Tuned(int(np.median(steps)) if steps else None, temperature, shift, threshold, True, curves, said, note)


def evaluate(
    data: Sequences,
    models: dict[str, dict[str, Any]],
    splits: list[Split],
    *,
    seed: int = 1,
    sensitivity: float | None = None,
    intra: bool = False,
    tell: Tell | None = None,
) -> Evaluation:
    """Fit every classifier on each split's training part and test it on the rest; a failure is a row that says why.

    Args:
        sensitivity: of the rare class that a threshold is chosen for, on training groups alone.
        intra: whether groups are on both sides, by request.
        tell: see ``Tell``.

    Ctrl-C ends the classifier at work and skips the rest; what was finished is returned.
    """
    data = data.settled()
    out = Evaluation(data, splits, {}, sensitivity)
    nothing = np.full((len(data), len(data.classes)), np.nan)
    interrupted = False
    for name, options in models.items():
        family = CLASSIFIERS[name].load().family
        t = Tested(name, family, nothing.copy(), nothing.copy(), np.full(len(data), -1, np.int64))
        out.tested[name] = t
        if interrupted:
            t.status, t.reason = "skipped", INTERRUPTED
            continue
        count = _Count(t, sum(_n_inner(data.groups[s.train], intra) + 1 for s in splits), tell)
        try:
            for split in splits:
                _test_one(t, options, data, split, seed, sensitivity, intra, count)
        except FitError as error:
            t.status, t.reason = "failed", str(error)
        except KeyboardInterrupt:
            interrupted = True
            t.status, t.reason = "skipped", INTERRUPTED
        if t.status == "ok" and not t.reason and t.tuned and all(u.n_steps == 0 for u in t.tuned):
            t.reason = "training did not improve on the logistic regression that it begins with, which is kept"
        count.close()
    return out


class _Count:
    """Fits done of one classifier, told to whom it concerns."""

    def __init__(self, tested: Tested, total: int, tell: Tell | None) -> None:
        self.tested, self.total, self.tell, self.done = tested, total, tell, 0
        self._say()

    def _say(self) -> None:
        if self.tell is not None:
            self.tell(self.tested, self.done, self.total)

    def add(self) -> None:
        """One more fit; the last one is told by ``close``."""
        self.done = min(self.done + 1, self.total - 1)
        self._say()

    def close(self) -> None:
        """No more come."""
        self.done = self.total
        self._say()


def _test_one(
    t: Tested,
    options: dict[str, Any],
    data: Sequences,
    split: Split,
    seed: int,
    sensitivity: float | None,
    intra: bool,
    count: _Count,
) -> None:
    train, test = data.take(split.train), data.take(split.test)
    started = time.perf_counter()
    tuned = _tune(t.name, options, train, seed, sensitivity, intra, count.add)
    fitted = create_classifier(t.name, **options).fit(train, FitAbout(seed=seed, n_steps=tuned.n_steps))
    count.add()
    t.seconds_fit += time.perf_counter() - started
    started = time.perf_counter()
    p = fitted.predict(test)
    t.seconds_predict += time.perf_counter() - started
    t.p[split.test] = p
    t.p_calibrated[split.test] = probabilities.temper(p, tuned.temperature, tuned.shift)
    t.said[split.test] = decide(p, data.rare_class(), tuned.threshold)
    t.tuned.append(tuned)
    t.n_parameters = int(fitted.info.get("n_parameters", 0))
    t.reason = t.reason or tuned.note or str(fitted.info.get("note", ""))
    t.curves += [{"model": t.name, **row, "fit": f"{split.name}, {row['fit']}"} for row in tuned.curves]
    if not tuned.curves:
        t.curves += [{"model": t.name, "fit": split.name, **row} for row in fitted.curves]


def fit_final(
    evaluation: Evaluation, name: str, options: dict[str, Any], *, seed: int = 1
) -> tuple[FittedClassifier, Tuned]:
    """The classifier on all sequences, for the median count of steps; calibrated on what was tested."""
    data, t = evaluation.data, evaluation.tested[name]
    steps = [u.n_steps for u in t.tuned if u.n_steps is not None]
    n_steps = int(np.median(steps)) if steps else None
    fitted = create_classifier(name, **options).fit(data, FitAbout(seed=seed, n_steps=n_steps))
    rows = evaluation.rows
    temperature, shift = probabilities.fit_temperature(t.p[rows], data.labels[rows], shifts=True)
    threshold = float("nan")
    if evaluation.sensitivity is not None:
        k = data.rare_class()
        threshold = metrics.threshold_for(data.labels[rows] == k, t.p[rows, k], evaluation.sensitivity)
    return fitted, Tuned(n_steps, temperature, shift, threshold, True)
