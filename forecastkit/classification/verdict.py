"""What may be said of the classifiers: which one to use, and whether a network is shown to be better.

Two questions, two parts of the data. Which one to use is decided by folds inside the training parts; whether it is shown
is read from test groups that had no say in it, drawn anew as whole patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forecastkit.classification import metrics
from forecastkit.classification.evaluation import Evaluation
from forecastkit.classification.models import CLASSIFIERS
from forecastkit.probabilities import f1_of
from forecastkit.wording import decimal_comma, none_fitted, share

__all__ = ["FEWEST_GROUPS", "choose", "judge", "word_of"]

CLOSE = 0.01
"""F1 by which a simpler classifier may be worse."""
FEWEST_GROUPS = 10
"""Patients with the rare class under which nothing is called shown: with fewer, one of them decides."""


def judge(evaluation: Evaluation, *, intra: bool = False, what: str = "patient") -> dict[str, Any]:
    """The verdict.

    ``use`` has the best F1 of the rare class on folds inside the training parts, or is the simplest that comes close.
    ``tested`` is the best network there; ``reference`` the baseline that did best on the test groups themselves, which
    makes the test harder for the network, not easier. Groups are drawn anew, not sequences.
    """
    board = evaluation.leaderboard()
    board = board[board["status"] == "ok"]
    rare = evaluation.data.rare_class()
    label = evaluation.data.classes[rare]
    out: dict[str, Any] = {"rare": label, "intra": intra, "n_groups": 0, "n_groups_rare": 0, "shown": False}
    if not len(board):
        out |= {"use": None, "reference": None, "tested": None, "word": "failed"}
        out["sentence"] = none_fitted({name: t.reason for name, t in evaluation.tested.items()})
        return out
    baselines, networks = board[board["family"] == "baseline"], board[board["family"] == "network"]
    networks = networks.sort_values("f1_select", ascending=False, na_position="last", kind="stable")
    reference = str(baselines["model"].iloc[0]) if len(baselines) else None
    tested = str(networks["model"].iloc[0]) if len(networks) else None
    use = choose(evaluation, [str(m) for m in board["model"]], rare)
    _, matrices = evaluation.by_group(use)
    n_groups, n_rare = len(matrices), int((matrices[:, rare].sum(axis=1) > 0).sum())
    gap: dict[str, float] = {}
    word = ""
    if reference and tested:
        gap = metrics.bootstrap_difference(evaluation.by_group(tested)[1], evaluation.by_group(reference)[1], rare)
        word = word_of(gap, few=n_rare < FEWEST_GROUPS or intra)
    out |= {"use": use, "reference": reference, "tested": tested, "word": word, "shown": word == "better"}
    out |= {"n_groups": n_groups, "n_groups_rare": n_rare, "bootstrap": gap}
    out["sentence"] = _sentences(board.set_index("model"), out, what)
    return out


def word_of(gap: Mapping[str, float], *, few: bool) -> str:
    """What a gap and its interval show of the first of two models; nothing where the groups are ``few``."""
    if few:
        return "too few to tell"
    if gap["low"] > 0:
        return "better"
    return "worse" if gap["high"] < 0 else "indistinguishable"


def choose(evaluation: Evaluation, names: list[str], rare: int) -> str:
    """The best F1 on folds inside the training parts, or the simplest that is as good but for ``CLOSE``.

    Not one standard error, as where series are forecast: with five patients that is so wide that the simplest always
    wins. Where no such fold holds a sequence of the class: the logistic regression, else the simplest.
    """
    order = [n for n in CLASSIFIERS if n in names]
    parts = {n: evaluation.select_by_group(n) for n in order}
    scores = {n: f1_of(parts[n].sum(axis=0), rare) for n in order}
    scores = {n: f1 for n, f1 in scores.items() if np.isfinite(f1)}
    if not scores:
        return "logistic" if "logistic" in order else order[0]
    best = max(scores.values())
    return next(n for n in order if scores.get(n, -1.0) >= best - CLOSE)


def _sentences(board: Any, v: dict[str, Any], what: str) -> dict[str, list[str]]:
    def row(name: str) -> tuple[str, str, str]:
        r = board.loc[name]
        return f"{r['f1']:.3f}", share(r["sensitivity"]), share(r["ppv"])

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
    return {"en": en, "es": [decimal_comma(line) for line in es]}
