"""What a run that classifies writes beside its verdict: tables, curves, mistakes, what mattered, anomalies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, probabilities
from forecastkit.classification import metrics
from forecastkit.classification.evaluation import Evaluation
from forecastkit.classification.protocol import FittedClassifier
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import Split
from forecastkit.classification.task import Hide, Labelled, Unlabelled
from forecastkit.errors import DataError, ModelFileError
from forecastkit.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["anomalies", "diagnostics", "mattered", "read_as_fitted", "strangeness", "strips", "write_tables"]

NORMAL = "normal"
MOST_OCCLUDED = 300
MOST_LISTED = 100_000
N_PARTS = 20


def write_tables(run: RunFolder, evaluation: Evaluation, verdict: dict[str, Any]) -> None:
    """leaderboard.csv, groups.csv, learning_curves.csv, predictions.csv and verdict.json."""
    import pandas as pd

    artifacts.write_csv(run / "leaderboard.csv", evaluation.leaderboard())
    artifacts.write_csv(run / "groups.csv", evaluation.groups_table())
    curves = [row for t in evaluation.tested.values() for row in t.curves]
    artifacts.write_csv(run / "learning_curves.csv", pd.DataFrame(curves))
    artifacts.write_csv(run / "predictions.csv", _predictions(evaluation, verdict))
    artifacts.write_json(run / "verdict.json", verdict)


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


def diagnostics(evaluation: Evaluation) -> dict[str, Any]:
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


def strips(task: Labelled, evaluation: Evaluation, name: str | None) -> list[dict[str, Any]]:
    """Pictures of the surest mistakes of a model, missed rare sequences first."""
    if task.pictures is None or not name:
        return []
    data, t, k = evaluation.data, evaluation.tested[name], evaluation.data.rare_class()
    tested = evaluation.rows
    wrong = tested[t.said[tested] != data.labels[tested]]
    sure = t.p_calibrated[wrong, t.said[wrong]]
    return task.pictures(
        wrong[np.lexsort((-sure, data.labels[wrong] != k))], np.array([*data.classes, "?"], dtype=object)[t.said]
    )


def mattered(fitted: FittedClassifier, data: Sequences, hide: Hide | None) -> dict[str, Any]:
    """What the rare class's probability rests on, by hiding features and parts of the sequence.

    Sequences of one length also get their median and that of the usual class, for the picture.
    """
    from forecastkit.classification.occlusion import occlude_features, occlude_steps

    k = data.rare_class()
    own = np.flatnonzero(data.labels == k)
    if len(own) > MOST_OCCLUDED:
        own = np.sort(np.random.default_rng(1).choice(own, MOST_OCCLUDED, replace=False))
    part = data.take(own)
    out: dict[str, Any] = {"features": dict(list(occlude_features(fitted, part, k).items())[:10]), "steps": []}
    lengths = np.unique(data.lengths)
    if len(lengths) == 1 and lengths[0] >= N_PARTS:
        if hide is None:
            out["steps"] = occlude_steps(fitted, part, k, n_parts=N_PARTS)
        else:
            base = fitted.predict(part)[:, k]
            out["steps"] = [float((base - fitted.predict(h)[:, k]).mean()) for h in hide(own, N_PARTS)]
        shape = data.values.reshape(len(data), int(lengths[0]), -1)[..., 0]
        usual = int(np.bincount(data.labels).argmax())
        out |= {"rare_mean": _median(shape[data.labels == k]), "usual_mean": _median(shape[data.labels == usual])}
        out["usual"] = data.classes[usual]
    return out


def _median(rows: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step that nobody observed has none
        return np.round(np.nanmedian(rows, axis=0).astype(np.float64), 4)


def anomalies(run: RunFolder, task: Labelled, data: Sequences, splits: list[Split]) -> dict[str, Any]:
    """Without labels: what the sequences of the usual class cannot express, on groups never seen; the model is kept.

    Args:
        data: of the task, with the class that matters most.
    """
    from forecastkit.classification.anomaly import fit_normal

    usual = task.usual
    if usual is None or len(np.unique(data.lengths)) > 1:
        return {}
    score = np.full(len(data), np.nan)
    try:
        for split in splits:
            train = data.take(split.train)
            model = fit_normal("pca", train.take(train.labels == usual), channels=task.strange_in)
            score[split.test] = model.strangeness(data.take(split.test))
        final = fit_normal("pca", data.take(data.labels == usual), channels=task.strange_in)
    except DataError as error:
        return {"failed": str(error)}
    arrays, meta = final.state()
    artifacts.save_model(run / "model" / NORMAL, arrays, {**meta, "usual": data.classes[usual]})
    rows = np.flatnonzero(np.isfinite(score))
    rare, own = data.labels[rows] == data.rare_class(), data.labels[rows] == usual
    strange = score[rows] > 1
    out: dict[str, Any] = {
        "usual": data.classes[usual],
        "false_alarms": float(strange[own].mean()) if own.any() else None,
    }
    if data.rare_class() == usual:  # the class that is learned does not stand out from itself
        return out
    area = probabilities.roc_curve(rare, score[rows])[2]
    return {**out, "roc_auc": area, "found": float(strange[rare].mean()) if rare.any() else None}


def read_as_fitted(run: RunFolder, read: Callable[[dict[str, Any]], Unlabelled]) -> Unlabelled:
    """What is to be told, read by the plan of the run.

    Raises:
        ModelFileError: the plan is damaged.
        ForecastkitError: the data cannot be used.
    """
    plan = run.json("diagnostics.json").get("plan")
    try:
        if not isinstance(plan, dict):
            raise KeyError("plan")
        return read(plan)
    except KeyError as error:
        raise ModelFileError(
            place=str(run / "diagnostics.json"),
            value=str(error)[:80],
            rule="the plan is damaged",
            remedy="Run fit again.",
        ) from None


def normal_of(run: RunFolder) -> Any:
    """What the run keeps of the usual sequences; None where it keeps nothing of the kind."""
    from forecastkit.classification.anomaly import restore_normal

    folder = run / "model" / NORMAL
    return restore_normal(*artifacts.load_model(folder)) if (folder / "model.json").exists() else None


def strangeness(run: RunFolder, normal: Any, data: Sequences) -> np.ndarray:
    """[N] error over its threshold; above 1 a sequence looks like none of the usual ones.

    Raises:
        ModelFileError: the files are damaged.
        DataError: see ``NormalModel.error``.
    """
    try:
        found: np.ndarray = normal.strangeness(data)
        return found
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise ModelFileError(
            place=str(run.path), value=str(error)[:80], rule="damaged", remedy="Run fit again."
        ) from None
