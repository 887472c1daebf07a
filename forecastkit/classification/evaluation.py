"""Every classifier tested on groups that it never saw, and what may be said of it."""

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

__all__ = ["Evaluation", "Tested", "Tuned", "decide", "evaluate", "fit_final", "judge"]

INNER_FOLDS = 3
FEWEST_GROUPS = 10
"""Patients under which nothing is called shown: with fewer, one of them decides."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Tuned:
    """What was learned on training groups, each predicted without itself.

    Args:
        n_steps: of a network; None = not one.
        temperature, shift: of calibrated probabilities.
        threshold: of the rare class for the sensitivity that was asked; NaN = the likeliest class is said.
        calibrated: False where there was one group only.
        curves: of the networks whose held-out groups decided ``n_steps``.
    """

    n_steps: int | None
    temperature: float
    shift: np.ndarray
    threshold: float
    calibrated: bool
    curves: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Tested:
    """One classifier on all test sequences.

    Args:
        p: [N, K] as the classifier says it; NaN where not tested.
        p_calibrated: [N, K].
        said: [N] class, -1 where not tested.
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
                row |= {
                    "f1": probabilities.f1_of(matrix, k), "sensitivity": own["sensitivity"], "ppv": own["ppv"],
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


def _tune(
    name: str, options: dict[str, Any], data: Sequences, seed: int, sensitivity: float | None, intra: bool
) -> Tuned:
    """Steps, calibration and threshold from folds of the training groups."""
    n_classes, rare = len(data.classes), data.rare_class()
    none = Tuned(None, 1.0, np.zeros(n_classes), float("nan"), False)
    if len(np.unique(data.labels)) < 2:
        return none
    inner = (
        intra_folds(data.labels, INNER_FOLDS, seed=seed)
        if intra
        else group_folds(data.groups, data.labels, INNER_FOLDS, seed=seed)
    )
    if len(inner) < 2:
        return none
    p = np.full((len(data), n_classes), np.nan)
    steps: list[int] = []
    curves: list[dict[str, Any]] = []
    for split in inner:
        part, held = data.take(split.train), data.take(split.test)
        if len(np.unique(part.labels)) < 2:
            continue
        fitted = create_classifier(name, **options).fit(part, FitAbout(seed=seed, valid=held))
        curves += [{"fit": split.name, **row} for row in fitted.curves]
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
    return Tuned(int(np.median(steps)) if steps else None, temperature, shift, threshold, True, curves)


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
        tell: called with (name, splits done, splits).
    """
    out = Evaluation(data, splits, {}, sensitivity)
    for name, options in models.items():
        family = CLASSIFIERS[name].load().family
        nothing = np.full((len(data), len(data.classes)), np.nan)
        t = Tested(name, family, nothing, nothing.copy(), np.full(len(data), -1, np.int64))
        out.tested[name] = t
        for done, split in enumerate(splits):
            if tell is not None:
                tell(name, done, len(splits))
            try:
                _test_one(t, name, options, data, split, seed, sensitivity, intra)
            except FitError as error:
                t.status, t.reason = "failed", str(error)
                break
        if t.status == "ok" and t.tuned and all(u.n_steps == 0 for u in t.tuned):
            t.reason = "training did not improve on the logistic regression that it begins with, which is kept"
        if tell is not None:
            tell(name, len(splits), len(splits))
    return out


def _test_one(
    t: Tested,
    name: str,
    options: dict[str, Any],
    data: Sequences,
    split: Split,
    seed: int,
    sensitivity: float | None,
    intra: bool,
) -> None:
    train, test = data.take(split.train), data.take(split.test)
    started = time.perf_counter()
    tuned = _tune(name, options, train, seed, sensitivity, intra)
    fitted = create_classifier(name, **options).fit(train, FitAbout(seed=seed, n_steps=tuned.n_steps))
    t.seconds_fit += time.perf_counter() - started
    started = time.perf_counter()
    p = fitted.predict(test)
    t.seconds_predict += time.perf_counter() - started
    t.p[split.test] = p
    t.p_calibrated[split.test] = probabilities.temper(p, tuned.temperature, tuned.shift)
    t.said[split.test] = decide(p, data.rare_class(), tuned.threshold)
    t.tuned.append(tuned)
    t.n_parameters = int(fitted.info.get("n_parameters", 0))
    t.curves += [{"model": name, **row, "fit": f"{split.name}, {row['fit']}"} for row in tuned.curves]
    if not tuned.curves:
        t.curves += [{"model": name, "fit": split.name, **row} for row in fitted.curves]


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


def judge(evaluation: Evaluation, *, intra: bool = False, what: str = "patient") -> dict[str, Any]:
    """The verdict: what to use, and whether the network is shown to be better than the best baseline.

    Groups are drawn anew, not sequences. The baseline is the best of several on these very groups, which makes the
    test harder for the network, not easier.
    """
    board = evaluation.leaderboard()
    board = board[board["status"] == "ok"]
    rare = evaluation.data.rare_class()
    label = evaluation.data.classes[rare]
    baselines, networks = board[board["family"] == "baseline"], board[board["family"] == "network"]
    out: dict[str, Any] = {"rare": label, "intra": intra, "n_groups": 0, "n_groups_rare": 0, "shown": False}
    if not len(board):
        out |= {"use": None, "reference": None, "tested": None, "word": "failed"}
        out["sentence"] = {"en": ["No model could be fitted."], "es": ["Ningún modelo se pudo ajustar."]}
        return out
    reference = str(baselines["model"].iloc[0]) if len(baselines) else None
    tested = str(networks["model"].iloc[0]) if len(networks) else None
    _, matrices = evaluation.by_group(str(board["model"].iloc[0]))
    n_groups, n_rare = len(matrices), int((matrices[:, rare].sum(axis=1) > 0).sum())
    gap: dict[str, float] = {}
    word = ""
    if reference and tested:
        gap = metrics.bootstrap_difference(evaluation.by_group(tested)[1], evaluation.by_group(reference)[1], rare)
        if n_rare < FEWEST_GROUPS or intra:
            word = "too few to tell"
        elif gap["low"] > 0:
            word = "better"
        else:
            word = "worse" if gap["high"] < 0 else "indistinguishable"
    use = tested if word == "better" or reference is None else reference
    out |= {"use": use, "reference": reference, "tested": tested, "word": word, "shown": word == "better"}
    out |= {"n_groups": n_groups, "n_groups_rare": n_rare, "bootstrap": gap}
    out["sentence"] = _sentences(board.set_index("model"), out, what)
    return out


def _sentences(board: Any, v: dict[str, Any], what: str) -> dict[str, list[str]]:
    def row(name: str) -> tuple[str, str, str]:
        r = board.loc[name]
        return f"{r['f1']:.3f}", _percent(r["sensitivity"]), _percent(r["ppv"])

    use, reference, tested, label = v["use"], v["reference"], v["tested"], v["rare"]
    f1, sensitivity, ppv = row(use)
    plural = {"patient": "pacientes"}.get(what, "grupos")
    en = [
        f"Use {use}. It finds {sensitivity} of {label}, and {ppv} of what it calls {label} is right (F1 {f1}), on {what}s never seen."
    ]
    es = [
        f"Usa {use}. Encuentra el {sensitivity} de {label}, y acierta en el {ppv} de lo que llama {label} (F1 {f1}), en {plural} nunca vistos."
    ]
    if reference and tested:
        a, b, gap = row(tested)[0], row(reference)[0], v["bootstrap"]
        span = f"{gap['difference']:+.3f}, 95 %: {gap['low']:+.3f} to {gap['high']:+.3f}"
        span_es = span.replace(" to ", " a ")
        n = v["n_groups_rare"]
        said = {
            "better": (
                f"The network {tested} is shown to be better than {reference}",
                f"La red {tested} demuestra ser mejor que {reference}",
            ),
            "worse": (
                f"The network {tested} is shown to be worse than {reference}",
                f"La red {tested} demuestra ser peor que {reference}",
            ),
            "indistinguishable": (
                f"The network {tested} is not shown to be better than {reference}",
                f"La red {tested} no demuestra ser mejor que {reference}",
            ),
            "too few to tell": (
                f"Whether the network {tested} is better than {reference} cannot be said: {n} {what}s with {label} are too few",
                f"No se puede decir si la red {tested} es mejor que {reference}: {n} {plural} con {label} son pocos",
            ),
        }[v["word"]]
        en.append(f"{said[0]} (F1 {a} against {b}; {span}, {what}s drawn anew).")
        es.append(f"{said[1]} (F1 {a} frente a {b}; {span_es}, sorteando {plural}).")
    if v["intra"]:
        en.append(f"The same {what}s are on both sides: these figures flatter.")
        es.append(f"Los mismos {plural} están en ambos lados: estas cifras halagan.")
    return {"en": en, "es": es}


def _percent(x: float) -> str:
    return f"{100 * x:.1f} %" if np.isfinite(x) else "–"
