"""Runs without labels: usual sequences are learned, and what they cannot express is called strange."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, probabilities
from forecastkit.classification.anomaly import DETECTORS, NormalModel, fit_normal, restore_normal
from forecastkit.classification.metrics import bootstrap_area, numbered
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import Split
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.classification.verdict import FEWEST_GROUPS, word_of
from forecastkit.errors import DataError, FitError, ModelFileError, near
from forecastkit.run.folder import RunFolder
from forecastkit.run.sequences import details
from forecastkit.run.sequences.execute import NO_DEVICE, ClassifyOptions, announce, facts_of, splits_of
from forecastkit.run.sequences.watch import Watch
from forecastkit.wording import decimal_comma, none_fitted, share

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StrangeTeller", "fit_anomalies"]

SUFFIX = "-anomaly"
"""Ends the task of a run that looks for anomalies."""


def fit_anomalies(
    task: Labelled,
    options: ClassifyOptions,
    *,
    out: Path | None = None,
    watch: Watch | None = None,
) -> RunFolder:
    """Learn what is usual, say of groups never seen how much is strange, and write the run folder.

    Labels, where there are some, say which sequences are usual and how many of the others were found; without any, all
    count as usual.

    Raises:
        ForecastkitError: an option, the split or the data cannot be used.
    """
    watch = watch or Watch()
    started = time.perf_counter()
    data = task.data
    wanted = {name: _for_lengths(name, own, data) for name, own in {"pca": {}, **options.models}.items()}
    usual = np.where(data.labels >= 0, data.labels == (task.usual or 0), True)
    splits, said = splits_of(task, replace(data, labels=(~usual).astype(np.int64)), options)
    run = RunFolder.create(task.name, out)
    pure = bool((data.labels >= 0).any())
    guess = () if pure else ("nothing is labelled: most are taken for usual, the strangest tenth is not learned from",)
    notes = announce(task, f"{said}, {len(splits)} in turn" if len(splits) > 1 else said, guess, watch)
    facts = facts_of(task, data, wanted, options, said, notes)
    facts |= {"task": task.task + SUFFIX, "false_alarms": options.false_alarms}
    run.write_facts({**facts, "status": "running"})
    scores: dict[str, np.ndarray] = {}
    rows = []
    for name, own in wanted.items():
        watch.phase(name)
        begun = time.perf_counter()
        row: dict[str, Any] = {"model": name, "status": "ok", "reason": ""}

        def learn(rows: np.ndarray, name: str = name, own: dict[str, Any] = own) -> NormalModel:
            return fit_normal(
                name, data.take(rows), options=own, false_alarms=options.false_alarms, pure=pure, channels=task.strange_in,
                about=FitAbout(seed=options.seed),
            )  # fmt: skip

        try:
            scores[name] = _tested(learn, data, usual, splits)
            model = learn(np.flatnonzero(usual))
        except (DataError, FitError) as error:
            scores.pop(name, None)
            rows.append({**row, "status": "failed", "reason": str(error)})
            continue
        artifacts.save_model(run / "model" / name, *model.state())
        row |= _measured(scores[name], data, usual)
        rows.append({**row, "seconds": time.perf_counter() - begun})
        run.log(f"{name}: tested, fitted on all")
    verdict = _verdict(rows, scores, data, usual, task)
    found = {"strips": _strips(task, scores.get(str(verdict["use"]))), "plan": task.plan, **task.facts}
    import pandas as pd

    artifacts.write_csv(run / "leaderboard.csv", pd.DataFrame(rows))
    artifacts.write_csv(run / "groups.csv", _groups(scores, data, usual))
    artifacts.write_csv(run / "predictions.csv", _table(scores, data))
    artifacts.write_json(run / "verdict.json", verdict)
    artifacts.write_json(run / "diagnostics.json", found)
    run.write_facts({**facts, "status": "done", "seconds": time.perf_counter() - started})
    from forecastkit.run.sequences.page import write_labels_page

    write_labels_page(run)
    return run


def _for_lengths(name: str, options: Mapping[str, Any], data: Sequences) -> dict[str, Any]:
    """The options; of sequences of several lengths a network must not begin as components of the one that a part has."""
    several = len(np.unique(data.lengths)) > 1
    return {"warm_start": False, **options} if several and DETECTORS[name].load().family == "network" else dict(options)


def _tested(
    learn: Callable[[np.ndarray], NormalModel], data: Sequences, usual: np.ndarray, splits: list[Split]
) -> np.ndarray:
    """[N] error over the threshold, each by a model that never saw its group; NaN where not tested."""
    out = np.full(len(data), np.nan)
    for split in splits:
        model = learn(split.train[usual[split.train]])
        out[split.test] = model.strangeness(data.take(split.test))
    return out


def _measured(score: np.ndarray, data: Sequences, usual: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(score)
    other = known & ~usual
    strange = score > 1
    out = {
        "n": int(known.sum()),
        "strange": int(strange[known].sum()),
        "false_alarms": float(strange[known & usual].mean()) if (known & usual).any() else float("nan"),
    }
    if other.any():
        out |= {
            "n_other": int(other.sum()),
            "found": float(strange[other].mean()),
            "roc_auc": probabilities.roc_curve(other[known], score[known])[2],
        }
    return out


def _verdict(
    rows: list[dict[str, Any]], scores: dict[str, np.ndarray], data: Sequences, usual: np.ndarray, task: Labelled
) -> dict[str, Any]:
    """The simplest is used: without labels nothing says which is better. Labels, where there are some, are evidence."""
    board = {str(r["model"]): r for r in rows if r["status"] == "ok"}
    out: dict[str, Any] = {
        "use": None,
        "reference": None,
        "tested": None,
        "word": "failed",
        "rare": "strange",
        "shown": False,
    }
    out["no_device"] = NO_DEVICE if task.medical else {}
    if not board:
        return out | {"sentence": none_fitted({str(r["model"]): str(r["reason"]) for r in rows})}
    use = next(iter(board))
    networks = [n for n in board if DETECTORS[n].load().family == "network"]
    tested = networks[0] if networks and "pca" in board else None
    known = np.isfinite(scores[use])
    out |= {
        "use": use,
        "reference": use,
        "tested": tested,
        "word": "",
        "n_groups": len(set(data.groups[known].tolist())),
    }
    r = board[use]
    alarms = share(r["false_alarms"])
    if not (data.labels >= 0).any():
        en = [f"Use {use}. It calls {alarms} of the sequences of {task.what}s never seen strange."]
        es = [f"Usa {use}. Llama extrañas al {alarms} de las secuencias de grupos nunca vistos."]
        en.append("Nothing is labelled, so that nobody can say how much of what matters it finds.")
        es.append("Nada está etiquetado: nadie puede decir cuánto encuentra de lo que importa.")
        return out | {"sentence": {"en": en, "es": [decimal_comma(line) for line in es]}}
    en = [f"Use {use}. Of usual sequences of {task.what}s never seen it calls {alarms} strange."]
    es = [f"Usa {use}. De las secuencias usuales de grupos nunca vistos llama extrañas al {alarms}."]
    if "found" in r:
        area = f"{r['roc_auc']:.3f}" if np.isfinite(r["roc_auc"]) else "–"
        en[0] = en[0][:-1] + f", and {share(r['found'])} of the others (ROC area {area})."
        es[0] = es[0][:-1] + f", y al {share(r['found'])} de las otras (área ROC {area})."
    if tested and np.isfinite(board[tested].get("roc_auc", np.nan)):
        gap = bootstrap_area(~usual, scores[tested], scores[use], data.groups)
        few = len(set(data.groups[known & ~usual].tolist())) < FEWEST_GROUPS
        word = word_of(gap, few=few)
        out |= {"word": word, "bootstrap": gap}
        a, b = board[tested]["roc_auc"], r["roc_auc"]
        span = f"{gap['difference']:+.3f}, 95 %: {gap['low']:+.3f} to {gap['high']:+.3f}"
        said = {
            "better": ("is shown to be better than", "demuestra ser mejor que"),
            "worse": ("is shown to be worse than", "demuestra ser peor que"),
            "indistinguishable": ("is not shown to be better than", "no demuestra ser mejor que"),
            "too few to tell": ("cannot be told from", "no se puede distinguir de"),
        }[word]
        en.append(
            f"The network {tested} {said[0]} {use} (ROC area {a:.3f} against {b:.3f}; {span}, {task.what}s drawn anew)."
        )
        es.append(
            f"La red {tested} {said[1]} {use} (área ROC {a:.3f} frente a {b:.3f}; {span.replace(' to ', ' a ')}, sorteando grupos)."
        )
    out["sentence"] = {"en": en, "es": [decimal_comma(line) for line in es]}
    return out


def _groups(scores: dict[str, np.ndarray], data: Sequences, usual: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    groups, code = numbered(data.groups)
    parts = []
    for name, score in scores.items():
        known = np.isfinite(score)
        strange, other = known & (score > 1), known & ~usual
        counted = {
            "n": known,
            "strange": strange,
            "n_other": other,
            "found": strange & other,
            "false_alarms": strange & usual,
        }
        counts = {key: np.bincount(code[which], minlength=len(groups)) for key, which in counted.items()}
        parts.append(pd.DataFrame({"model": name, "group": groups, **counts}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _table(scores: dict[str, np.ndarray], data: Sequences) -> pd.DataFrame:
    import pandas as pd

    classes = np.array([*data.classes, ""], dtype=object)
    table = pd.DataFrame({"group": data.groups, "item": data.items, "true": classes[data.labels]})
    for name, score in scores.items():
        table[f"strangeness_{name}"] = np.round(score, 4)
    return table


def _strips(task: Labelled, score: np.ndarray | None) -> list[dict[str, Any]]:
    if task.pictures is None or score is None:
        return []
    order = np.argsort(-np.nan_to_num(score, nan=-1.0), kind="stable")
    return task.pictures(order[np.nan_to_num(score[order], nan=-1.0) > 1], np.where(score > 1, "!", ""))


class StrangeTeller:
    """A detector of a run, ready for new sequences; loads once.

    Args:
        task: of the run.
        model: its name; None = the one to use.
    """

    def __init__(self, run: RunFolder, task: str, model: str | None = None) -> None:
        facts = run.facts()
        if facts.get("task") != task + SUFFIX:
            raise ModelFileError(
                place=str(run.path), value=f"a run of {facts.get('task')}", rule=f"a run of {task}{SUFFIX} is needed"
            )
        self.run, self.medical = run, bool(facts.get("medical", True))
        self.name = model or str(run.json("verdict.json").get("use"))
        there = sorted(p.parent.name for p in (run / "model").glob("*/model.json"))
        if self.name not in there or self.name not in DETECTORS:
            raise ModelFileError(
                place=str(run.path), value=f"model {self.name!r}", rule="not in this run", remedy=near(self.name, there)
            )
        self.normal = restore_normal(*artifacts.load_model(run / "model" / self.name))

    def tell(self, read: Callable[[dict[str, Any]], Unlabelled]) -> tuple[pd.DataFrame, dict[str, Any]]:
        """(one row a sequence: which it is, strangeness, whether it is strange; how many are).

        Raises:
            ForecastkitError: the run or the data cannot be used.
        """
        new = details.read_as_fitted(self.run, read)
        score = details.strangeness(self.run, self.normal, new.data)
        table = new.table.copy()
        table["strangeness"] = np.round(score, 4)
        table["strange"] = score > 1
        summary: dict[str, Any] = {"model": self.name, "n": len(score), "strange": int((score > 1).sum())}
        if self.medical:
            summary["no_device"] = NO_DEVICE["en"]
        return table, summary
