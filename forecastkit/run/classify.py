"""Runs that classify: ECG records or tables of visits -> tested classifiers -> run folder; and predictions from it."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, probabilities
from forecastkit.classification import metrics
from forecastkit.classification.beats import AAMI_CLASSES, beat_sequences, class_names
from forecastkit.classification.ecg import RATE, clean, detect_r_peaks, match_peaks
from forecastkit.classification.evaluation import Evaluation, decide, evaluate, fit_final, judge
from forecastkit.classification.models import CLASSIFIERS, create_classifier, restore_classifier
from forecastkit.classification.protocol import FittedClassifier
from forecastkit.classification.records import Record, read_record, read_records
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import (
    FOLDS,
    Split,
    default_splits,
    fixed_split,
    group_folds,
    intra_folds,
    leave_one_out,
)
from forecastkit.errors import ConfigError, DataError, ModelFileError
from forecastkit.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NO_DEVICE",
    "ClassifyOptions",
    "fit_ecg",
    "fit_visits",
    "predict_ecg",
    "predict_visits",
    "write_labels_page",
]

NO_DEVICE = {
    "en": "This is research software and no medical device: it must not be used to diagnose or to treat anyone.",
    "es": "Esto es software de investigación y no un producto sanitario: no debe usarse para diagnosticar ni tratar a nadie.",
}
ECG_MODELS = ("majority", "logistic_rr", "logistic", "boosting")
VISIT_MODELS = ("majority", "logistic", "boosting")
SHORT = {"convolutions": 0, "shift": 0, "noise": 0.1, "scale": 0.0, "dropout": 0.2}
"""Options of networks for short sequences."""
SPLITS = ("auto", "leave-one-out", "folds", "intra")
NORMAL = "normal"
MOST_OCCLUDED = 300
N_STRIPS, STRIP_SECONDS = 8, 6.0
MOST_LISTED = 100_000


@dataclass(frozen=True)
class ClassifyOptions:
    """What a user may choose of any run that classifies.

    Args:
        models: networks and further classifiers, with their options; the baselines always run.
        split: ``auto``, ``leave-one-out``, ``folds`` or ``intra``.
        train, test: groups of a fixed split.
        sensitivity: of the rare class that a threshold is chosen for.
    """

    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"gru": {}})
    split: str = "auto"
    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    sensitivity: float | None = None
    seed: int = 1
    lang: str = "en"
    command: str = ""

    def __post_init__(self) -> None:
        from forecastkit.errors import near

        if self.split not in SPLITS:
            raise ConfigError(
                place="--split", value=repr(self.split), rule="no such split", remedy=near(self.split, SPLITS)
            )
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            raise ConfigError(place="--sensitivity", value=str(self.sensitivity), rule="above 0 and up to 1")
        if self.lang not in NO_DEVICE:
            raise ConfigError(place="--lang", value=repr(self.lang), rule="en or es")
        for name, options in self.models.items():
            create_classifier(name, **options)


Tell = Callable[[str], None]


def fit_ecg(
    folder: Path,
    options: ClassifyOptions,
    *,
    out: Path | None = None,
    lead: str | None = None,
    fs: float | None = None,
    classes: str = "auto",
    paced: bool = False,
    tell: Tell | None = None,
) -> RunFolder:
    """Read records, test every classifier on patients that it never saw, and write the run folder.

    Raises:
        ForecastkitError: a record, an option or the split cannot be used.
    """
    say = tell or (lambda line: None)
    started = time.perf_counter()
    records = read_records(folder, lead=lead, fs=fs)
    left_out = [] if paced else [r.name for r in records if r.paced]
    kept = [r for r in records if r.name not in left_out]
    if not kept:
        raise DataError(place=str(folder), rule="every record is paced", remedy="Take them in with --include-paced.")
    names = class_names(kept, classes)
    data = beat_sequences(kept, names)
    data.require_classes(str(folder))
    leads = sorted({r.lead for r in kept if r.lead})
    say(f"{len(kept)} records, {len(data):,} beats, {_counts(data)}" + (f"; lead {', '.join(leads)}" if leads else ""))
    notes = [f"{r.name}: {note}" for r in kept for note in r.notes]
    if left_out:
        notes.insert(0, f"left out, paced: {', '.join(left_out)}")
        say(f"Left out, paced: {', '.join(left_out)}")
    if names == AAMI_CLASSES:
        notes.append("five AAMI classes: tested on records that we wrote, not yet validated on the real database")
    models = _with_baselines(ECG_MODELS, options.models)
    peaks = _peak_table(kept)
    config = {"records": str(folder), "lead": lead, "fs": fs, "classes": classes, "include_paced": paced}
    seen = {
        "n_records": len(kept),
        "records": [r.name for r in kept],
        "left_out": left_out,
        "leads": leads,
        "r_peaks": peaks,
    }
    return _finish(
        ("ecg", out), data, models, options, config=config, seen=seen, notes=notes, task="ecg", what="patient", say=say, started=started,
        strips=lambda e, name: _strips(e, name, kept),
    )  # fmt: skip


def _with_baselines(always: tuple[str, ...], wanted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {**{name: {} for name in always if name not in wanted}, **wanted}


def _counts(data: Sequences) -> str:
    counts = np.bincount(data.labels[data.labels >= 0], minlength=len(data.classes))
    return ", ".join(f"{c} {n:,}" for c, n in zip(data.classes, counts.tolist()) if n)


def _peak_table(records: list[Record]) -> list[dict[str, Any]]:
    """How the detector does against the reference annotations."""
    rows = []
    for r in records:
        if r.samples is None:
            continue
        found = detect_r_peaks(r.signal, r.fs)
        hit, missed, invented = match_peaks(found, r.samples, r.fs)
        rows.append(
            {
                "record": r.name, "n": len(r.samples), "missed": missed, "invented": invented,
                "sensitivity": hit / max(hit + missed, 1), "ppv": hit / max(hit + invented, 1),
            }
        )  # fmt: skip
    return rows


def _splits(data: Sequences, options: ClassifyOptions) -> tuple[list[Split], str]:
    if options.train or options.test:
        return fixed_split(data.groups, options.train, options.test), "groups named by the user"
    if options.split == "intra":
        return intra_folds(data.labels, seed=options.seed), "single sequences at random: the same groups on both sides"
    splits, said = default_splits(data.groups, data.labels, seed=options.seed)
    if options.split == "leave-one-out":
        return leave_one_out(data.groups), "leave one group out"
    if options.split == "folds":
        return group_folds(data.groups, data.labels, FOLDS, seed=options.seed), f"{FOLDS} folds of whole groups"
    return splits, said


def _finish(
    place: tuple[str, Path | None],
    data: Sequences,
    models: dict[str, dict[str, Any]],
    options: ClassifyOptions,
    *,
    config: dict[str, Any],
    seen: dict[str, Any],
    notes: list[str],
    task: str,
    what: str,
    say: Tell,
    started: float,
    strips: Callable[[Evaluation, str], list[dict[str, Any]]] | None = None,
) -> RunFolder:
    import pandas as pd

    splits, said = _splits(data, options)
    run = RunFolder.create(*place)
    say(f"Test          {said}: {len(splits)} fit{'s' if len(splits) > 1 else ''} of each model")
    if options.split == "intra":
        notes.insert(0, f"the same {what}s are on both sides, by request: the figures flatter")
    facts: dict[str, Any] = {
        "task": task, "status": "running", "config": {**config, "split": options.split, "sensitivity": options.sensitivity,
        "train": list(options.train), "test": list(options.test), "models": models, "lang": options.lang}, "seed": options.seed,
        "classes": list(data.classes), "rare": data.classes[data.rare_class()], "features": list(data.feature_names),
        "channels": list(data.channels), "what": what, "split": said, "notes": notes, "command": options.command,
        "versions": _versions(), "fingerprint": _fingerprint(data), "n": len(data), "counts": _counts(data),
    }  # fmt: skip
    run.write_facts(facts)
    finished: list[str] = []

    def follow(name: str, done: int, total: int) -> None:
        if done == total:
            finished.append(name)
            run.log(f"{name}: tested")

    evaluation = evaluate(
        data,
        models,
        splits,
        seed=options.seed,
        sensitivity=options.sensitivity,
        intra=options.split == "intra",
        tell=follow,
    )
    verdict = judge(evaluation, intra=options.split == "intra", what=what)
    verdict["no_device"] = NO_DEVICE if task == "ecg" else {}
    artifacts.write_csv(run / "leaderboard.csv", evaluation.leaderboard())
    artifacts.write_csv(run / "groups.csv", evaluation.groups_table())
    curves = [row for t in evaluation.tested.values() for row in t.curves]
    artifacts.write_csv(run / "learning_curves.csv", pd.DataFrame(curves))
    artifacts.write_csv(run / "predictions.csv", _predictions(evaluation, verdict))
    artifacts.write_json(run / "verdict.json", verdict)
    shown = verdict["use"]
    diagnostics = _diagnostics(evaluation)
    diagnostics["strips"] = strips(evaluation, shown) if strips is not None and shown else []
    for name, tested in evaluation.tested.items():
        if tested.status == "ok":
            run.log(f"{name}: fitted on all")
            fitted, tuned = fit_final(evaluation, name, models[name], seed=options.seed)
            arrays, meta = fitted.state()
            meta |= {
                "temperature": tuned.temperature, "shift": tuned.shift, "threshold": tuned.threshold, "n_steps": tuned.n_steps,
                "classes": list(data.classes), "rare": facts["rare"],
            }  # fmt: skip
            artifacts.save_model(run / "model" / name, arrays, meta)
            if name in (verdict["use"], verdict["tested"]):
                diagnostics["models"][name]["mattered"] = _mattered(fitted, data)
    if task == "ecg":
        diagnostics["anomaly"] = _anomalies(run, data, splits)
    artifacts.write_json(run / "diagnostics.json", {**diagnostics, **seen})
    run.write_facts({**facts, "status": "done", "seconds": time.perf_counter() - started})
    write_labels_page(run)
    return run


def _mattered(fitted: FittedClassifier, data: Sequences) -> dict[str, Any]:
    """What the rare class's probability rests on, by hiding features and parts of the sequence."""
    from forecastkit.classification.occlusion import occlude_features, occlude_steps

    k = data.rare_class()
    own = np.flatnonzero(data.labels == k)
    if len(own) > MOST_OCCLUDED:
        own = np.sort(np.random.default_rng(1).choice(own, MOST_OCCLUDED, replace=False))
    part = data.take(own)
    features = dict(list(occlude_features(fitted, part, k).items())[:10])
    even = len(np.unique(data.lengths)) == 1
    return {"features": features, "steps": occlude_steps(fitted, part, k) if even else []}


def _anomalies(run: RunFolder, data: Sequences, splits: list[Split]) -> dict[str, Any]:
    """Without labels: what the beats of the usual class cannot express, on patients never seen; the model is kept."""
    from forecastkit.classification.anomaly import fit_normal

    usual = data.labels == 0
    score = np.full(len(data), np.nan)
    try:
        for split in splits:
            train = data.take(split.train)
            model = fit_normal(train.take(train.labels == 0))
            score[split.test] = model.error(data.take(split.test)) / model.threshold
        final = fit_normal(data.take(usual))
    except DataError as error:
        return {"failed": str(error)}
    arrays = {"mean": final.mean, "components": final.components, "threshold": np.array([final.threshold])}
    artifacts.save_model(run / "model" / NORMAL, arrays, {"model": NORMAL, "usual": data.classes[0]})
    rows = np.flatnonzero(np.isfinite(score))
    rare = data.labels[rows] == data.rare_class()
    strange = score[rows] > 1
    return {
        "roc_auc": probabilities.roc_curve(rare, score[rows])[2], "found": float(strange[rare].mean()) if rare.any() else None,
        "false_alarms": float(strange[data.labels[rows] == 0].mean()), "n_components": len(final.components),
    }  # fmt: skip


def _strangeness(run: RunFolder, data: Sequences) -> np.ndarray | None:
    """[N] error over its threshold; above 1 a beat looks like none of the usual ones."""
    from forecastkit.classification.anomaly import NormalModel

    if not (run / "model" / NORMAL / "model.json").exists():
        return None
    arrays, _ = artifacts.load_model(run / "model" / NORMAL)
    try:
        model = NormalModel(arrays["mean"], arrays["components"], float(arrays["threshold"][0]))
        return model.error(data) / model.threshold
    except (KeyError, ValueError, IndexError) as error:
        raise ModelFileError(
            place=str(run.path), value=str(error)[:80], rule="damaged", remedy="Run fit again."
        ) from None


def _versions() -> dict[str, str]:
    from forecastkit import __version__

    names = ("numpy", "scipy", "scikit-learn", "torch", "pytorch-lightning")
    return {"forecastkit": __version__, "python": platform.python_version(), **{n: metadata.version(n) for n in names}}


def _fingerprint(data: Sequences) -> str:
    digest = hashlib.sha256()
    for array in (data.values, data.offsets, data.features, data.labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update("\n".join(map(str, data.groups)).encode())
    return digest.hexdigest()


def _predictions(evaluation: Evaluation, verdict: dict[str, Any]) -> pd.DataFrame:
    """What the models of the verdict said of each test sequence that they never saw."""
    import pandas as pd

    data, rows = evaluation.data, evaluation.rows[:MOST_LISTED]
    classes = np.array(data.classes, dtype=object)
    parts = []
    for name in dict.fromkeys(n for n in (verdict["use"], verdict["tested"], verdict["reference"]) if n):
        t = evaluation.tested[name]
        table = {
            "model": name,
            "group": data.groups[rows],
            "item": data.items[rows],
            "true": classes[data.labels[rows]],
        }
        table |= {"said": classes[t.said[rows]]}
        table |= {f"p_{c}": np.round(t.p_calibrated[rows, k], 6) for k, c in enumerate(data.classes)}
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _diagnostics(evaluation: Evaluation) -> dict[str, Any]:
    """Confusion, curves and calibration of each model on test sequences."""
    data, rows, k = evaluation.data, evaluation.rows, evaluation.data.rare_class()
    positive = data.labels[rows] == k
    out: dict[str, Any] = {"models": {}}
    for name, t in evaluation.tested.items():
        if t.status != "ok":
            continue
        x, y, _ = probabilities.roc_curve(positive, t.p[rows, k])
        recall, precision, _ = metrics.precision_recall_curve(positive, t.p[rows, k])
        matrix = evaluation.matrix(name)
        out["models"][name] = {
            "confusion": matrix, "by_class": probabilities.class_scores(matrix), "roc": _thinned(x, y), "pr": _thinned(recall, precision),
            "calibration": probabilities.calibration(positive, t.p_calibrated[rows, k]),
            "calibrated": all(u.calibrated for u in t.tuned),
        }  # fmt: skip
    return out


def _thinned(x: np.ndarray, y: np.ndarray, most: int = 200) -> list[list[float]]:
    """A curve with fewer points, the ends kept."""
    if len(x) > most:
        keep = np.unique(np.linspace(0, len(x) - 1, most).astype(np.int64))
        x, y = x[keep], y[keep]
    return [[round(float(a), 5), round(float(b), 5)] for a, b in zip(x, y)]


def _strips(evaluation: Evaluation, name: str, records: list[Record]) -> list[dict[str, Any]]:
    """Pieces of signal around the surest mistakes, at most two a record, missed rare beats first."""
    data, t, k = evaluation.data, evaluation.tested[name], evaluation.data.rare_class()
    tested = evaluation.rows
    wrong = tested[t.said[tested] != data.labels[tested]]
    sure = t.p_calibrated[wrong, t.said[wrong]]
    order = wrong[np.lexsort((-sure, data.labels[wrong] != k))]
    by_name = {r.name: r for r in records}
    cleaned: dict[str, np.ndarray] = {}
    used: dict[str, list[float]] = {}
    strips: list[dict[str, Any]] = []
    for at in order.tolist():
        record = by_name[str(data.groups[at])]
        second = int(str(data.items[at]).rsplit(":", 1)[1]) / record.fs
        near = used.setdefault(record.name, [])
        if len(near) >= 2 or any(abs(second - s) < STRIP_SECONDS for s in near):
            continue
        near.append(second)
        if record.name not in cleaned:
            cleaned[record.name] = clean(record.signal, record.fs)
        start = min(max(0.0, second - STRIP_SECONDS / 2), max(record.seconds - STRIP_SECONDS, 0.0))
        strips.append(_strip(cleaned[record.name], record, start, data, t.said, at))
        if len(strips) == N_STRIPS:
            break
    return strips


def _strip(x: np.ndarray, record: Record, start: float, data: Sequences, said: np.ndarray, at: int) -> dict[str, Any]:
    lo, hi = int(start * RATE), int((start + STRIP_SECONDS) * RATE)
    own = np.flatnonzero(data.groups == record.name)
    times = np.array([int(str(i).rsplit(":", 1)[1]) for i in data.items[own]]) / record.fs
    inside = (times >= start) & (times < start + STRIP_SECONDS)
    marks = [
        {
            "t": float(s - start),
            "true": data.classes[data.labels[i]],
            "said": data.classes[said[i]],
            "here": bool(i == at),
        }
        for s, i in zip(times[inside], own[inside])
    ]
    return {
        "record": record.name, "lead": record.lead, "start": start, "rate": RATE / 2, "mv": np.round(x[lo:hi:2], 3), "marks": marks,
        "true": data.classes[data.labels[at]], "said": data.classes[said[at]],
    }  # fmt: skip


def write_labels_page(run: RunFolder, out: Path | None = None, *, lang: str | None = None) -> Path:
    """Render ``report.html`` of a run that classifies.

    Raises:
        ModelFileError: unfinished or damaged.
    """
    from forecastkit.report.labels import LabelReport, write_label_report

    facts = run.facts()
    try:
        data = LabelReport(
            lang=lang or str(facts["config"].get("lang", "en")),
            title=run.path.name,
            facts=facts,
            verdict=run.json("verdict.json"),
            leaderboard=run.table("leaderboard.csv"),
            groups=run.table("groups.csv"),
            curves=run.table("learning_curves.csv"),
            diagnostics=run.json("diagnostics.json"),
        )
        path = out or run / "report.html"
        write_label_report(data, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"[:120]
        raise ModelFileError(place=str(run.path), value=why, rule="a file of this run is damaged") from None
    return path


def _load(run: RunFolder, name: str | None, task: str) -> tuple[FittedClassifier, dict[str, Any], str]:
    from forecastkit.errors import near

    facts = run.facts()
    if facts.get("task") != task:
        raise ModelFileError(
            place=str(run.path), value=str(facts.get("task") or "forecast"), rule=f"not a run of forecastkit {task} fit",
            remedy="Give the folder of such a run.",
        )  # fmt: skip
    chosen = name or str(run.json("verdict.json").get("use"))
    there = sorted(p.parent.name for p in (run / "model").glob("*/model.json") if p.parent.name in CLASSIFIERS)
    if chosen not in CLASSIFIERS or chosen not in there:
        raise ModelFileError(
            place=str(run.path), value=f"model {chosen!r}", rule="not in this run", remedy=near(chosen, there)
        )
    arrays, meta = artifacts.load_model(run / "model" / chosen)
    return restore_classifier(arrays, meta), meta, chosen


def predict_ecg(
    run: RunFolder,
    path: Path,
    *,
    lead: str | None = None,
    fs: float | None = None,
    model: str | None = None,
    given: bool = False,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(one row a beat, summary of the rhythm) of a record.

    Args:
        given: take the annotated positions of the beats instead of detecting them.

    Raises:
        ForecastkitError: the run or the record cannot be used.
    """
    import pandas as pd

    fitted, meta, name = _load(run, model, "ecg")
    record = read_record(path, lead=lead, fs=fs)
    samples = record.samples if given and record.samples is not None else detect_r_peaks(record.signal, record.fs)
    classes = tuple(meta["classes"])
    data = beat_sequences([record], classes, samples=samples)
    raw = fitted.predict(data)
    threshold = meta.get("threshold")
    said = decide(raw, classes.index(str(meta["rare"])), float("nan") if threshold is None else float(threshold))
    p = probabilities.temper(raw, float(meta["temperature"]), np.asarray(meta["shift"], np.float64))
    strange = _strangeness(run, data)
    seconds = samples / record.fs
    rr = np.r_[np.nan, np.diff(seconds)]
    table = pd.DataFrame(
        {
            "beat": np.arange(1, len(samples) + 1), "sample": samples, "seconds": np.round(seconds, 3), "rr": np.round(rr, 3),
            "class": np.array(classes, dtype=object)[said], "readable": np.isfinite(data.features).all(axis=1),
        }
    )  # fmt: skip
    if strange is not None:
        table["strangeness"] = np.round(strange, 3)
    for k, c in enumerate(classes):
        table[f"p_{c}"] = np.round(p[:, k], 6)
    beats = {c: int((said == k).sum()) for k, c in enumerate(classes)}
    usual = float(np.nanmedian(rr)) if len(rr) > 1 else float("nan")
    summary = {
        "record": record.name, "lead": record.lead, "model": name, "minutes": round(record.seconds / 60, 2), "n_beats": len(samples),
        "beats": beats, "rate_per_minute": round(60 / usual, 1) if usual > 0 else None,
        "rr_sdnn": round(float(np.nanstd(rr)), 4) if len(rr) > 2 else None,
        "longest_rr": round(float(np.nanmax(rr)), 3) if len(rr) > 1 else None, "unreadable": int((~table["readable"]).sum()),
        "notes": list(record.notes), "no_device": NO_DEVICE["en"],
    }  # fmt: skip
    return table, summary


def fit_visits(
    path: Path,
    options: ClassifyOptions,
    *,
    item: str | None,
    time_column: str | None,
    label: str,
    group: str | None = None,
    ahead: float | None = None,
    out: Path | None = None,
    tell: Tell | None = None,
) -> RunFolder:
    """Read a table of visits, test every classifier, and write the run folder.

    Raises:
        ForecastkitError: the table, an option or the split cannot be used.
    """
    from forecastkit.classification.visits import read_visits

    say = tell or (lambda line: None)
    started = time.perf_counter()
    data, plan, notes = read_visits(path, item=item, time=time_column, label=label, group=group, ahead=ahead)
    data.require_classes(f"{path}, {label}")
    say(f"{path.name}: {len(data):,} sequences, {int(data.offsets[-1]):,} rows, {_counts(data)}")
    config = {"data": str(path), "item": item, "time": time_column, "label": label, "group": group, "ahead": ahead}
    seen = {"plan": plan}
    even = len(np.unique(data.lengths)) == 1 and int(data.lengths[0]) > 2
    # Long and even sequences are signals; short and ragged ones are read as they are.
    usual = {"noise": 0.1, "dropout": 0.3} if even and int(data.lengths[0]) >= 40 else SHORT
    models = {n: {**usual, **o} if CLASSIFIERS[n].load().family == "network" else o for n, o in options.models.items()}
    always = (*VISIT_MODELS, "nearest") if even and len(data) <= 5_000 else VISIT_MODELS
    return _finish(
        (path.name.split(".")[0], out), data, _with_baselines(always, models), options, config=config, seen=seen, notes=notes, task="classify",
        what=group or item or "row", say=say, started=started,
    )  # fmt: skip


def predict_visits(run: RunFolder, path: Path, *, model: str | None = None) -> pd.DataFrame:
    """One row a sequence: class and calibrated probabilities.

    Raises:
        ForecastkitError: the run or the table cannot be used.
    """
    import pandas as pd

    from forecastkit.classification.visits import apply_plan

    fitted, meta, _ = _load(run, model, "classify")
    data = apply_plan(path, run.json("diagnostics.json")["plan"])
    classes = tuple(meta["classes"])
    raw = fitted.predict(data)
    threshold = meta.get("threshold")
    said = decide(raw, classes.index(str(meta["rare"])), float("nan") if threshold is None else float(threshold))
    p = probabilities.temper(raw, float(meta["temperature"]), np.asarray(meta["shift"], np.float64))
    table = pd.DataFrame({"item": data.items, "class": np.array(classes, dtype=object)[said]})
    for k, c in enumerate(classes):
        table[f"p_{c}"] = np.round(p[:, k], 6)
    return table
