"""Runs that classify: what a task read -> tested classifiers -> run folder; and what a saved run says of new sequences."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, probabilities
from forecastkit.classification.anomaly import DETECTORS
from forecastkit.classification.evaluation import Evaluation, Tested, decide, evaluate, fit_final
from forecastkit.classification.models import CLASSIFIERS, restore_classifier
from forecastkit.classification.protocol import FittedClassifier
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import Split, fixed_split, intra_folds, splits_by_group
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.classification.verdict import judge
from forecastkit.errors import ConfigError, ModelFileError, near
from forecastkit.registry import create
from forecastkit.run.folder import RunFolder
from forecastkit.run.sequences import details
from forecastkit.run.sequences.watch import Watch

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = [
    "NO_DEVICE",
    "SPLITS",
    "ClassifyOptions",
    "Teller",
    "announce",
    "facts_of",
    "fit",
    "load",
    "splits_of",
    "task_of",
]

NO_DEVICE = {
    "en": "This is research software and no medical device: it must not be used to diagnose or to treat anyone.",
    "es": "Esto es software de investigación y no un producto sanitario: no debe usarse para diagnosticar ni tratar a nadie.",
}
SPLITS = ("auto", "leave-one-out", "folds", "intra", "ds1-ds2")
LANGUAGES = ("en", "es")
MOST_SAID = 6


@dataclass(frozen=True)
class ClassifyOptions:
    """What a user may choose of any run that classifies.

    Args:
        models: networks and further classifiers, with their options; the baselines always run.
        split: one of ``SPLITS``.
        train, test: groups of a fixed split.
        sensitivity: of the rare class that a threshold is chosen for.
        classes: to tell apart, all others are one; empty = all.
        rare: the class that matters most; empty = as the task says, else the rarest.
        anomaly: models are detectors of anomalies.
        false_alarms: share of usual sequences that may be called strange.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"gru": {}})
    split: str = "auto"
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    sensitivity: float | None = None
    classes: tuple[str, ...] = ()
    rare: str = ""
    anomaly: bool = False
    false_alarms: float = 0.01
    seed: int = 1
    lang: str = "en"
    command: str = ""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError(
                place="--split", value=repr(self.split), rule="no such split", remedy=near(self.split, SPLITS)
            )
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            raise ConfigError(place="--sensitivity", value=str(self.sensitivity), rule="above 0 and up to 1")
        if self.lang not in LANGUAGES:
            raise ConfigError(place="--lang", value=repr(self.lang), rule="en or es")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(place="--seed", value=str(self.seed), rule="from 0 to below 2**32")
        if not 0 < self.false_alarms < 0.5:
            raise ConfigError(place="--false-alarms", value=f"{self.false_alarms:g}", rule="above 0 and below 0.5")
        for name, options in self.models.items():
            create(DETECTORS if self.anomaly else CLASSIFIERS, name, options)


def fit(task: Labelled, options: ClassifyOptions, *, out: Path | None = None, watch: Watch | None = None) -> RunFolder:
    """Test every classifier on groups that it never saw, fit it on all, and write the run folder.

    Raises:
        ForecastkitError: an option or the split cannot be used.
    """
    watch = watch or Watch()
    started = time.perf_counter()
    data = task.data.only(options.classes) if options.classes else task.data
    data = data.about(options.rare) if options.rare else data
    data.require_classes(str(next(iter(task.config.values()), task.name)))
    data = data.settled()
    models = _models(task, options.models)
    splits, said = splits_of(task, data, options)
    run = RunFolder.create(task.name, out)
    intra = options.split == "intra"
    flatter = (f"the same {task.what}s are on both sides, by request: the figures flatter",) if intra else ()
    notes = announce(task, f"{said}, {len(splits)} in turn" if len(splits) > 1 else said, flatter, watch)
    facts = facts_of(task, data, models, options, said, notes)
    run.write_facts({**facts, "status": "running"})

    def step(tested: Tested, done: int, total: int) -> None:
        watch.step(tested, done, total)
        if done == total:
            run.log(f"{tested.name}: {'tested' if tested.status == 'ok' else tested.status + ', ' + tested.reason}")

    evaluation = evaluate(
        data, models, splits, seed=options.seed, sensitivity=options.sensitivity, intra=intra, tell=step
    )
    verdict = judge(evaluation, intra=intra, what=task.what)
    verdict["no_device"] = NO_DEVICE if task.medical else {}
    verdict["interrupted"] = any(t.status == "skipped" for t in evaluation.tested.values())
    found = details.diagnostics(evaluation)
    found["strips"] = details.strips(task, evaluation, verdict["use"])
    try:
        _keep_all(run, task, evaluation, verdict, models, options, found, watch)
        found["anomaly"] = {} if options.classes else details.anomalies(run, task, data, splits)
    except KeyboardInterrupt:
        verdict["interrupted"] = True
    details.write_tables(run, evaluation, verdict)
    artifacts.write_json(run / "diagnostics.json", {**found, **task.facts, "plan": task.plan})
    run.write_facts({**facts, "status": "done", "seconds": time.perf_counter() - started})
    from forecastkit.run.sequences.page import write_labels_page

    write_labels_page(run)
    return run


def announce(task: Labelled, plan: str, more: tuple[str, ...], watch: Watch) -> list[str]:
    """Say what was read and how it is tested; returns all remarks."""
    for line in task.said:
        watch.say("Data", line)
    watch.say("Test", plan)
    notes = [*more, *task.notes]
    for note in notes[:MOST_SAID]:
        watch.say("", note)
    if len(notes) > MOST_SAID:
        watch.say("", f"and {len(notes) - MOST_SAID} more remarks in the report")
    return notes


def _keep_all(
    run: RunFolder,
    task: Labelled,
    evaluation: Evaluation,
    verdict: dict[str, Any],
    models: dict[str, dict[str, Any]],
    options: ClassifyOptions,
    found: dict[str, Any],
    watch: Watch,
) -> None:
    """Fit every classifier on all sequences, save it, and find out what the ones of the verdict go by."""
    for name, tested in evaluation.tested.items():
        if tested.status != "ok":
            continue
        watch.phase(f"{name} on all")
        fitted = _keep(run, evaluation, name, models[name], options.seed)
        run.log(f"{name}: fitted on all")
        if name in (verdict["use"], verdict["tested"]):
            found["models"][name]["mattered"] = details.mattered(fitted, evaluation.data, task.hide)


def _models(task: Labelled, wanted: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Baselines first; options that suit the sequences, then the user's own."""
    out: dict[str, dict[str, Any]] = {name: {} for name in task.baselines if name not in wanted}
    for name, options in wanted.items():
        out[name] = {**task.network, **options} if CLASSIFIERS[name].load().family == "network" else dict(options)
    return {name: out[name] for name in CLASSIFIERS if name in out}


def splits_of(task: Labelled, data: Sequences, options: ClassifyOptions) -> tuple[list[Split], str]:
    """(splits, what they are) that the user asks for, else the published ones, else by group.

    Raises:
        ForecastkitError: one that the data do not allow.
    """
    if options.train or options.test:
        return fixed_split(data.groups, options.train, options.test), f"{task.what}s named by the user"
    if options.split == "intra":
        said = f"single sequences at random: the same {task.what}s on both sides"
        return intra_folds(data.labels, seed=options.seed), said
    if options.split == "ds1-ds2" and task.halves is None:
        raise ConfigError(place="--split ds1-ds2", rule="means something for records of MIT-BIH only")
    if task.halves is not None and options.split in ("auto", "ds1-ds2"):
        return [task.halves], task.halves.name
    splits, said = splits_by_group(data.groups, data.labels, kind=options.split, seed=options.seed)
    return splits, said.format(what=task.what)


def facts_of(
    task: Labelled, data: Sequences, models: dict[str, Any], options: ClassifyOptions, split: str, notes: list[str]
) -> dict[str, Any]:
    """What run.yaml says."""
    config = {
        **task.config, "split": options.split, "sensitivity": options.sensitivity, "train": list(options.train), "test": list(options.test),
        "only_classes": list(options.classes), "models": models, "lang": options.lang,
    }  # fmt: skip
    return {
        "task": task.task, "page": "labels", "medical": task.medical, "config": config, "seed": options.seed, "classes": list(data.classes), "rare": data.classes[data.rare_class()],
        "features": list(data.feature_names), "channels": list(data.channels), "what": task.what, "split": split, "notes": notes,
        "command": options.command, "versions": artifacts.versions(), "fingerprint": _fingerprint(data), "n": len(data),
        "counts": data.counts(),
    }  # fmt: skip


def _fingerprint(data: Sequences) -> str:
    digest = hashlib.sha256()
    for array in (data.values, data.offsets, data.features, data.labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update("\n".join(map(str, data.groups)).encode())
    return digest.hexdigest()


def _keep(run: RunFolder, evaluation: Evaluation, name: str, options: dict[str, Any], seed: int) -> FittedClassifier:
    """Fit on all sequences and save."""
    fitted, tuned = fit_final(evaluation, name, options, seed=seed)
    arrays, meta = fitted.state()
    data = evaluation.data
    meta |= {
        "temperature": tuned.temperature, "shift": tuned.shift, "threshold": tuned.threshold, "n_steps": tuned.n_steps,
        "classes": list(data.classes), "rare": data.classes[data.rare_class()],
    }  # fmt: skip
    artifacts.save_model(run / "model" / name, arrays, meta)
    return fitted


def task_of(run: RunFolder) -> str:
    """Name of the task of a run."""
    return str(run.facts().get("task") or "forecast")


def load(run: RunFolder, task: str, name: str | None = None) -> tuple[FittedClassifier, dict[str, Any], str]:
    """(classifier, its facts, its name) of a run; without a name the one to use.

    Raises:
        ModelFileError: a run of another task, no such model, damaged.
    """
    if task_of(run) != task:
        raise ModelFileError(
            place=str(run.path), value=f"a run of {task_of(run)}", rule=f"a run of {task} is needed", remedy="Give the folder of such a run."
        )  # fmt: skip
    chosen = name or str(run.json("verdict.json").get("use"))
    there = sorted(p.parent.name for p in (run / "model").glob("*/model.json") if p.parent.name in CLASSIFIERS)
    if chosen not in CLASSIFIERS or chosen not in there:
        raise ModelFileError(
            place=str(run.path), value=f"model {chosen!r}", rule="not in this run", remedy=near(chosen, there)
        )
    arrays, meta = artifacts.load_model(run / "model" / chosen)
    return restore_classifier(arrays, meta), meta, chosen


class Teller:
    """A classifier of a run, ready for new sequences; loads once.

    Args:
        task: of the run.
        model: its name; None = the one to use.
    """

    def __init__(self, run: RunFolder, task: str, model: str | None = None) -> None:
        self.run = run
        self.fitted, self.meta, self.name = load(run, task, model)
        self.normal = details.normal_of(run)

    def tell(self, read: Callable[[dict[str, Any]], Unlabelled]) -> tuple[pd.DataFrame, dict[str, Any]]:
        """(one row a sequence: which it is, class, calibrated probabilities; what they come to together).

        Args:
            read: plan of the run -> what is to be told.

        Raises:
            ForecastkitError: the run or the data cannot be used.
        """
        new = details.read_as_fitted(self.run, read)
        try:
            said, p, classes = _told(self.fitted, self.meta, new.data)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            why = f"{type(error).__name__}: {error}"[:100]
            raise ModelFileError(place=str(self.run.path), value=why, rule="damaged", remedy="Run fit again.") from None
        names = np.array(classes, dtype=object)[said]
        table = new.table.copy()
        table["class"] = names
        if self.normal is not None:
            # Of a length that no usual sequence had, nobody knows what is usual; its class can be told all the same.
            fits = self.normal.fits(new.data)
            table["strangeness"] = np.nan
            if fits.any():
                found = details.strangeness(self.run, self.normal, new.data.take(fits))
                table.loc[fits, "strangeness"] = np.round(found, 3)
        for k, c in enumerate(classes):
            table[f"p_{c}"] = np.round(p[:, k], 6)
        summary = {"model": self.name, **new.summary(names)}
        if self.run.facts().get("medical", True):
            summary["no_device"] = NO_DEVICE["en"]
        return table, summary


def _told(
    fitted: FittedClassifier, meta: dict[str, Any], data: Sequences
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """(class of each [N], calibrated probabilities [N, K], names of the classes)."""
    classes = tuple(str(c) for c in meta["classes"])
    raw = fitted.predict(data)
    if raw.shape[1] != len(classes):
        raise ValueError("another number of classes")
    threshold = meta.get("threshold")
    said = decide(raw, classes.index(str(meta["rare"])), float("nan") if threshold is None else float(threshold))
    shift = np.asarray(meta["shift"], np.float64)
    return said, probabilities.temper(raw, float(meta["temperature"]), shift), classes
