"""What every network is measured against: shares, logistic regression, gradient boosting, the nearest neighbour.

Learned with scikit-learn, kept and applied as plain arrays: a saved model holds numbers and loads without running code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.scaling import moments
from forecastkit.classification.schema import Sequences
from forecastkit.classification.weights import balance_weights
from forecastkit.errors import FitError

__all__ = ["Boosting", "Logistic", "Majority", "Nearest"]

MOST_NEIGHBOURS = 20_000
MOST_STEPS = 2_000
MOST_BINS = 250


class _Fitted:
    """Arrays, and how they become probabilities."""

    def __init__(self, model: Any, name: str, arrays: dict[str, np.ndarray]) -> None:
        self.model, self.name, self.arrays = model, name, arrays
        self.info: dict[str, Any] = {}
        self.curves: list[dict[str, float]] = []

    def predict(self, data: Sequences) -> np.ndarray:
        """See ``FittedClassifier.predict``."""
        out: np.ndarray = self.model.apply(self.arrays, data)
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedClassifier.state``."""
        return self.arrays, {"model": self.name, "options": asdict(self.model)}


class _Baseline:
    """Options of a model that is kept as arrays."""

    family: ClassVar[str] = "baseline"

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Fitted:
        """See ``restore_classifier``."""
        return _Fitted(cls(**meta["options"]), str(meta["model"]), arrays)


def _columns(data: Sequences, only: str, model: str) -> np.ndarray:
    keep = [k for k, name in enumerate(data.feature_names) if name.startswith(only)]
    if not keep:
        raise FitError(place=f"model {model}", rule=f"the data have no feature that begins with {only!r}")
    return np.array(keep, np.int64)


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    out: np.ndarray = e / e.sum(axis=1, keepdims=True)
    return out


def _spread(present: np.ndarray, p: np.ndarray, n_classes: int) -> np.ndarray:
    """Probabilities of the classes that were seen in training, 0 for the others."""
    out = np.zeros((len(p), n_classes))
    out[:, present] = p
    return out


@dataclass(frozen=True)
class Majority(_Baseline):
    """The shares of the classes in training, for every sequence."""

    def fit(self, data: Sequences, about: FitAbout | None = None) -> _Fitted:
        """See ``Classifier.fit``."""
        counts = np.bincount(data.labels, minlength=len(data.classes)).astype(np.float64)
        return _Fitted(self, "majority", {"shares": counts / counts.sum()})

    def apply(self, arrays: dict[str, np.ndarray], data: Sequences) -> np.ndarray:
        """Probabilities [N, K]."""
        return np.tile(arrays["shares"], (len(data), 1))


@dataclass(frozen=True)
class Logistic(_Baseline):
    """Multinomial logistic regression on standardised features; a missing one is its mean.

    Args:
        only: features whose name begins so; empty = all.
        c: inverse strength of the L2 penalty.
        balance: exponent of the class weights, 1 = classes count alike whatever their size, 0 = not weighted.
        group_balance: the same for groups within a class.
    """

    only: str = ""
    c: float = 0.1
    balance: float = 1.0
    group_balance: float = 0.0

    def fit(self, data: Sequences, about: FitAbout | None = None) -> _Fitted:
        """See ``Classifier.fit``.

        Raises:
            FitError: the data have no such feature.
        """
        from sklearn.linear_model import LogisticRegression

        columns = _columns(data, self.only, self._name)
        mean, scale = moments(data.features[:, columns])
        arrays = {"columns": columns, "mean": mean, "scale": scale}
        present = np.unique(data.labels)
        if len(present) > 1:
            weights = balance_weights(data, self.balance, self.group_balance)
            learner = LogisticRegression(C=self.c, max_iter=3000)
            learner.fit(self._scaled(arrays, data), data.labels, sample_weight=weights)
            coef, intercept = learner.coef_, learner.intercept_
            if len(present) == 2:  # scikit-learn keeps one row for two classes
                coef, intercept = np.vstack([-coef / 2, coef / 2]), np.r_[-intercept / 2, intercept / 2]
        else:
            coef, intercept = np.zeros((1, len(columns))), np.zeros(1)
        arrays |= {"coef": coef, "intercept": intercept, "present": present, "n_classes": np.array([len(data.classes)])}
        return _Fitted(self, self._name, arrays)

    @property
    def _name(self) -> str:
        return "logistic_rr" if self.only == "rr_" else "logistic"

    def _scaled(self, arrays: dict[str, np.ndarray], data: Sequences) -> np.ndarray:
        x = (data.features[:, arrays["columns"]] - arrays["mean"]) / arrays["scale"]
        return np.clip(np.nan_to_num(x, nan=0.0), -6, 6)

    def apply(self, arrays: dict[str, np.ndarray], data: Sequences) -> np.ndarray:
        """Probabilities [N, K]."""
        z = self._scaled(arrays, data) @ arrays["coef"].T + arrays["intercept"]
        return _spread(arrays["present"], _softmax(z), int(arrays["n_classes"][0]))


@dataclass(frozen=True)
class Boosting(_Baseline):
    """Gradient boosting of small trees; missing values have a side of their own in every split.

    Args:
        n_trees: a class.
        lr: learning rate.
        leaves: of a tree.
        balance, group_balance: as in ``Logistic``.
    """

    n_trees: int = 100
    lr: float = 0.08
    leaves: int = 15
    balance: float = 1.0
    group_balance: float = 0.0

    def fit(self, data: Sequences, about: FitAbout | None = None) -> _Fitted:
        """See ``Classifier.fit``.

        Raises:
            FitError: the data have no features.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        columns = _columns(data, "", "boosting")
        present = np.unique(data.labels)
        arrays = {"columns": columns, "present": present, "n_classes": np.array([len(data.classes)])}
        if len(present) > 1:
            learner = HistGradientBoostingClassifier(
                max_iter=self.n_trees,
                learning_rate=self.lr,
                max_leaf_nodes=self.leaves,
                early_stopping=False,
                random_state=about.seed if about else 1,
            )
            weights = balance_weights(data, self.balance, self.group_balance)
            learner.fit(_coarse(data.features[:, columns]), data.labels, sample_weight=weights)
            arrays |= _trees(learner)
        return _Fitted(self, "boosting", arrays)

    def apply(self, arrays: dict[str, np.ndarray], data: Sequences) -> np.ndarray:
        """Probabilities [N, K]."""
        n_classes = int(arrays["n_classes"][0])
        if "roots" not in arrays:
            return _spread(arrays["present"], np.ones((len(data), 1)), n_classes)
        x = data.features[:, arrays["columns"]].astype(np.float64)
        raw = np.tile(arrays["base"], (len(data), 1))
        feature, cut, value = arrays["feature"], arrays["cut"], arrays["value"]
        left, right, missing_left = arrays["left"], arrays["right"], arrays["missing_left"]
        rows = np.arange(len(x))
        for root, output in zip(arrays["roots"].tolist(), arrays["outputs"].tolist()):
            at = np.full(len(x), root, np.int64)
            while (left[at] >= 0).any():  # leaves point nowhere
                seen = x[rows, feature[at]]
                goes_left = np.where(np.isnan(seen), missing_left[at] > 0, seen <= cut[at])
                step = np.where(goes_left, left[at], right[at])
                at = np.where(left[at] >= 0, step, at)
            raw[:, output] += value[at]
        if raw.shape[1] == 1:
            raw = np.hstack([-raw / 2, raw / 2])
        return _spread(arrays["present"], _softmax(raw), n_classes)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Fitted:
        """See ``restore_classifier``. Links that leave the table, or turn back, are refused."""
        if "roots" in arrays:
            n = len(arrays["left"])
            places = np.arange(n)
            for side in ("left", "right"):
                to = arrays[side]
                if ((to >= n) | ((to >= 0) & (to <= places))).any():
                    raise ValueError("a tree with links that do not lead down")
            if ((arrays["left"] >= 0) != (arrays["right"] >= 0)).any() or (
                arrays["feature"] >= len(arrays["columns"])
            ).any():
                raise ValueError("a tree with a broken node")
        return super().restore(arrays, meta)


def _coarse(x: np.ndarray) -> np.ndarray:
    """Columns with at most ``MOST_BINS`` values: each moved to the nearest of that many quantiles.

    Cuts lie halfway between them, so that raw values fall on the same side. scikit-learn's own binning of weighted rows
    takes a hundred times as long as the trees.
    """
    out = x.astype(np.float64)
    for k in range(x.shape[1]):
        known = np.isfinite(out[:, k])
        values = np.unique(out[known, k])
        if len(values) > MOST_BINS:
            grid = np.unique(np.quantile(out[known, k], np.linspace(0, 1, MOST_BINS)))
            out[known, k] = grid[np.searchsorted((grid[1:] + grid[:-1]) / 2, out[known, k])]
    return out


def _trees(learner: Any) -> dict[str, np.ndarray]:
    """scikit-learn's trees one after another in flat arrays; a test holds our answers against its own."""
    tables, roots, outputs, shift = [], [], [], 0
    for stage in learner._predictors:
        for output, tree in enumerate(stage):
            nodes = tree.nodes
            inner = nodes["is_leaf"] == 0
            tables.append(
                np.stack(
                    [
                        np.where(inner, nodes["left"].astype(np.int64) + shift, -1),
                        np.where(inner, nodes["right"].astype(np.int64) + shift, -1),
                        np.where(inner, nodes["feature_idx"], 0).astype(np.int64),
                        np.where(inner, nodes["missing_go_to_left"], 0).astype(np.int64),
                    ]
                )
            )
            roots.append((shift, output, nodes["num_threshold"].astype(np.float64), nodes["value"].astype(np.float64)))
            outputs.append(output)
            shift += len(nodes)
    left, right, feature, missing_left = np.concatenate(tables, axis=1)
    return {
        "left": left,
        "right": right,
        "feature": feature,
        "missing_left": missing_left,
        "cut": np.concatenate([r[2] for r in roots]),
        "value": np.concatenate([r[3] for r in roots]),
        "roots": np.array([r[0] for r in roots], np.int64),
        "outputs": np.array(outputs, np.int64),
        "base": np.asarray(learner._baseline_prediction, np.float64).reshape(-1),
    }


@dataclass(frozen=True)
class Nearest(_Baseline):
    """The label of the nearest training sequence, step by step, each sequence brought to mean 0 and deviation 1.

    For sequences of one length; the probability is a vote of ``k`` neighbours.
    """

    k: int = 1

    def fit(self, data: Sequences, about: FitAbout | None = None) -> _Fitted:
        """See ``Classifier.fit``.

        Raises:
            FitError: sequences of different lengths, or too long or many.
        """
        lengths = np.unique(data.lengths)
        if len(lengths) != 1 or lengths[0] > MOST_STEPS:
            raise FitError(
                place="model nearest",
                rule=f"it compares sequences of one length, up to {MOST_STEPS} steps",
                remedy="Leave it out.",
            )
        rows = np.arange(len(data))
        if len(rows) > MOST_NEIGHBOURS:
            rows = np.sort(
                np.random.default_rng(about.seed if about else 1).choice(rows, MOST_NEIGHBOURS, replace=False)
            )
        arrays = {
            "x": self._rows(data.take(rows)),
            "labels": data.labels[rows],
            "n_classes": np.array([len(data.classes)]),
        }
        return _Fitted(self, "nearest", arrays)

    @staticmethod
    def _rows(data: Sequences) -> np.ndarray:
        x = np.nan_to_num(data.values).reshape(len(data), -1, data.values.shape[1])
        x = x - x.mean(axis=1, keepdims=True)
        size = x.std(axis=1, keepdims=True)
        out: np.ndarray = (x / np.where(size > 1e-8, size, 1)).reshape(len(data), -1).astype(np.float32)
        return out

    def apply(self, arrays: dict[str, np.ndarray], data: Sequences) -> np.ndarray:
        """Probabilities [N, K]."""
        n_classes = int(arrays["n_classes"][0])
        out = np.zeros((len(data), n_classes))
        if not len(data):
            return out
        train = arrays["x"]
        length = train.shape[1] // data.values.shape[1]
        if (data.lengths != length).any():
            raise FitError(place="model nearest", rule=f"it was fitted on sequences of {length} steps")
        x, size = self._rows(data), (train**2).sum(axis=1)
        for start in range(0, len(x), 256):
            part = x[start : start + 256]
            distance = size[None] - 2 * part @ train.T
            near = (
                np.argsort(distance, axis=1, kind="stable")[:, : self.k]
                if self.k > 1
                else distance.argmin(axis=1)[:, None]
            )
            for column in near.T:
                out[np.arange(start, start + len(part)), arrays["labels"][column]] += 1 / near.shape[1]
        return out
