"""Classifiers side by side: fitted fold by fold, chosen on one part, tested on another.

A model is fitted on the train part, its temperature on the calibrate part; the report part of all folds together gives the
published scores and the test. A model that needs no early stopping is then fitted on train and calibrate together: the
baselines lose no rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from forecastkit.errors import FitError
from forecastkit.probabilities import confusion, fit_temperature, macro_f1, temper
from forecastkit.text import metrics
from forecastkit.text.models import create
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import TextTable
from forecastkit.text.splits import Fold, folds_of
from forecastkit.wording import decimal_comma, no_network

__all__ = [
    "ALWAYS",
    "BLENDED",
    "Evaluation",
    "ModelScores",
    "Verdict",
    "blend",
    "evaluate",
    "leaderboard",
    "verdict_of",
]

ALWAYS = ("majority", "tfidf")
REFERENCE = "tfidf"
BLENDED = ("tfidf", "nbsvm", "svm")
"""Baselines with which every network is averaged, where they ran; such a model is called ``network+baseline``."""
ALPHA = 0.05

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class ModelScores:
    """One model on the report and select parts of all folds.

    Args:
        p: [N_report, K] calibrated probabilities; p_select the same on the select parts.
        temperatures: of each fold.
        reason: why it failed; empty = it did not.
    """

    name: str
    family: str
    p: np.ndarray
    p_select: np.ndarray
    temperatures: list[float]
    seconds: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """Which model to use, and whether the network is shown to beat the baseline.

    Args:
        use: best macro F1 on the select parts, or the simplest within one standard error of it.
        tested: the best network there; empty = none.
        word: ``better``, ``worse`` or ``indistinguishable``.
    """

    use: str
    reference: str
    tested: str
    word: str
    p_value: float | None
    only_tested: int
    only_reference: int
    n_report: int
    sentence: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All models on the same rows."""

    table: TextTable
    folds: list[Fold]
    models: dict[str, ModelScores]
    report: np.ndarray
    select: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Labels of the report parts."""
        return self.table.labels[self.report]


def evaluate(
    table: TextTable,
    models: Mapping[str, Mapping[str, Any]],
    *,
    n_folds: int = 1,
    select: float = 0.1,
    seed: int = 1,
    unlabelled: Sequence[str] = (),
    progress: Progress = lambda name, done, total: None,
) -> Evaluation:
    """Fit and score the baselines and ``models`` (name -> options).

    Raises:
        UnknownNameError, ConfigError: a name or an option is wrong; said before anything is fitted.
    """
    wanted = {**{name: {} for name in ALWAYS}, **{k: dict(v) for k, v in models.items()}}
    made = {name: create("classify", name, **options) for name, options in wanted.items()}
    folds = folds_of(table.texts, table.labels, n_folds=n_folds, select=select, seed=seed)
    found: dict[str, ModelScores] = {}
    for name, model in made.items():
        found[name] = _one(name, model, table, folds, seed, tuple(unlabelled), progress)
    for name in [n for n, m in found.items() if m.family == "network" and not m.reason]:
        for base in [b for b in BLENDED if b in found and not found[b].reason]:
            found[f"{name}+{base}"] = _blended(name, base, found)
    report = np.concatenate([f.report for f in folds])
    chosen = np.concatenate([f.select for f in folds])
    return Evaluation(table, folds, found, report, chosen)


def _one(
    name: str, model: Any, table: TextTable, folds: list[Fold], seed: int, unlabelled: tuple[str, ...], progress: Progress
) -> ModelScores:  # fmt: skip
    started = time.perf_counter()
    report, chosen, temperatures = [], [], []
    curves: list[dict[str, float]] = []
    info: dict[str, Any] = {}
    steps = []
    for k, fold in enumerate(folds):
        progress(name, k, len(folds))
        about = FitAbout(seed=seed + 100 * k, unlabelled=unlabelled)
        try:
            fitted, t = _fitted(model, table, fold, about)
        except FitError as error:
            return ModelScores(
                name, model.family, np.zeros((0, 0)), np.zeros((0, 0)), [], time.perf_counter() - started, reason=str(error)
            )  # fmt: skip
        report.append(temper(fitted.predict(table.take(fold.report).texts), t))
        chosen.append(temper(fitted.predict(table.take(fold.select).texts), t))
        temperatures.append(t)
        curves += [{"fold": k, **row} for row in fitted.curves]
        info = fitted.info
        steps.append(fitted.info.get("best_step", 0))
    info = {**info, "best_step": int(np.median(steps))}
    p, q = np.concatenate(report), np.concatenate(chosen)
    return ModelScores(name, model.family, p, q, temperatures, time.perf_counter() - started, info, curves)


def _fitted(model: Any, table: TextTable, fold: Fold, about: FitAbout) -> tuple[Any, float]:
    """(fitted model, temperature); what stops by itself, or needs no stopping, also learns from the calibrate rows."""
    both = table.take(np.sort(np.r_[fold.train, fold.calibrate]))
    if getattr(model, "stops_by_itself", False):
        fitted = model.fit(both, about)
        return fitted, fit_temperature(*fitted.held_out)[0]
    valid = table.take(fold.calibrate)
    fitted = model.fit(table.take(fold.train), replace(about, valid=valid))
    t, _ = fit_temperature(fitted.predict(valid.texts), valid.labels)
    return (model.fit(both, about) if model.family == "baseline" else fitted), t


def blend(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Geometric mean of two tables of probabilities, as probabilities."""
    z = np.sqrt(np.clip(a, 1e-12, 1) * np.clip(b, 1e-12, 1))
    out: np.ndarray = z / z.sum(axis=1, keepdims=True) if len(z) else z
    return out


def _blended(name: str, base: str, found: dict[str, ModelScores]) -> ModelScores:
    a, b = found[name], found[base]
    return ModelScores(
        f"{name}+{base}", "blend", blend(a.p, b.p), blend(a.p_select, b.p_select), a.temperatures, a.seconds + b.seconds
    )


def _order(name: str) -> tuple[int, str]:
    simple = {"majority": 0, "tfidf": 1, "nbsvm": 2, "svm": 3}
    return simple.get(name, 5 if "+" in name else 4), name


def verdict_of(e: Evaluation) -> Verdict:
    """Choice by the select parts, evidence from the report parts."""
    good = {n: m for n, m in e.models.items() if not m.reason}
    y = e.table.labels[e.select]
    rows = {n: confusion(y, m.p_select.argmax(axis=1), m.p_select.shape[1]) for n, m in good.items()}
    f1 = {n: macro_f1(matrix) if len(y) else 0.0 for n, matrix in rows.items()}
    best = max(f1, key=lambda n: (f1[n], -_order(n)[0]))
    spread = math.sqrt(max(f1[best] * (1 - f1[best]), 0.0) / max(len(y), 1))
    use = min((n for n in f1 if f1[n] >= f1[best] - spread), key=_order)
    networks = [n for n in f1 if good[n].family == "network"]
    labels = e.labels
    reference = REFERENCE if REFERENCE in good else "majority"
    if not networks:
        return Verdict(use, reference, "", "indistinguishable", None, 0, 0, len(labels), no_network(use))
    tested = max(networks, key=lambda n: f1[n])
    right = {n: good[n].p.argmax(axis=1) == labels for n in (tested, reference)}
    test = metrics.mcnemar(right[tested], right[reference])
    word = "indistinguishable"
    if test.p_value < ALPHA:
        word = "better" if test.only_a > test.only_b else "worse"
    shares = (float(right[tested].mean()), float(right[reference].mean()))
    return Verdict(
        use, reference, tested, word, test.p_value, test.only_a, test.only_b, len(labels),
        _sentences(use, tested, reference, word, test, shares, len(labels)),
    )  # fmt: skip


def _sentences(
    use: str, tested: str, reference: str, word: str, test: metrics.McNemar, shares: tuple[float, float], n: int
) -> dict[str, list[str]]:
    a, b = (f"{100 * s:.1f}" for s in shares)
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.2g}"
    en = {
        "better": f"The network {tested} is better than {reference}",
        "worse": f"The network {tested} is worse than {reference}",
        "indistinguishable": f"The network {tested} is not shown to be better or worse than {reference}",
    }[word]
    es = {
        "better": f"La red {tested} es mejor que {reference}",
        "worse": f"La red {tested} es peor que {reference}",
        "indistinguishable": f"No se demuestra que la red {tested} sea mejor ni peor que {reference}",
    }[word]
    only = f"{test.only_a} / {test.only_b}"
    return {
        "en": [
            f"Use {use}.",
            f"{en}: {a} % against {b} % right of {n} texts kept aside; where one of them alone is right, {only} "
            f"(McNemar, {p}).",
        ],
        "es": [
            f"Usa {use}.",
            decimal_comma(
                f"{es}: {a} % frente a {b} % de aciertos en {n} textos apartados; donde solo una acierta, {only} "
                f"(McNemar, {p})."
            ),
        ],
    }


def leaderboard(e: Evaluation, verdict: Verdict) -> list[dict[str, Any]]:
    """One row a model, by macro F1 on the report parts; a failed one says why."""
    labels = e.labels
    known = e.models.get(verdict.reference)
    rows = []
    for name, m in e.models.items():
        row: dict[str, Any] = {
            "model": name,
            "family": m.family,
            "status": "failed" if m.reason else "ok",
            "reason": m.reason or str(m.info.get("note", "")),
        }
        if not m.reason:
            row |= metrics.scores(labels, m.p)
            right = m.p.argmax(axis=1) == labels
            against = known.p.argmax(axis=1) == labels if known is not None and not known.reason else right
            row["p_value"] = metrics.mcnemar(right, against).p_value if name != verdict.reference else math.nan
            row["select_macro_f1"] = (
                macro_f1(confusion(e.table.labels[e.select], m.p_select.argmax(axis=1), m.p.shape[1]))
                if len(e.select)
                else math.nan
            )
        row |= {"seconds": m.seconds, "n_parameters": m.info.get("n_parameters", math.nan)}
        rows.append(row)
    return sorted(rows, key=lambda r: -r.get("macro_f1", -1.0))
