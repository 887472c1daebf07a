"""Sequences that look like none before, without labels: usual ones are learned, and what they cannot express stands out.

Two detectors: principal components (a linear autoencoder), and a recurrent autoencoder that is measured against it. The
threshold is a quantile of the errors of usual sequences of groups that a detector was not fitted on; no other sequence
has a say in it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from forecastkit.classification.metrics import numbered
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import group_folds
from forecastkit.errors import DataError, ModelFileError
from forecastkit.registry import Entry, create

__all__ = ["DETECTORS", "Components", "NormalModel", "fit_normal", "principal", "restore_normal"]

FEWEST = 20
FOLDS = 3
TRIMMED = 0.1

_PCA = "forecastkit.classification.anomaly:Components"
_RECURRENT = "forecastkit.classification.models.autoencoder:RecurrentAutoencoder"

DETECTORS: dict[str, Entry] = {
    "pca": Entry(_PCA, "what the principal components of usual sequences cannot express"),
    "rnn": Entry(_RECURRENT, "plain recurrent autoencoder", {"cell": "rnn"}),
    "gru": Entry(_RECURRENT, "recurrent autoencoder with GRU cells", {"cell": "gru"}),
    "lstm": Entry(_RECURRENT, "recurrent autoencoder with LSTM cells", {"cell": "lstm"}),
}


class FittedDetector(Protocol):
    """A detector that has learned."""

    def fits(self, data: Sequences) -> np.ndarray:
        """[N] whether it can look at a sequence: one fitted on a single length knows no other."""
        ...

    def error(self, data: Sequences) -> np.ndarray:
        """[N] root mean square of what it cannot express."""
        ...

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, JSON-able facts) from which ``restore`` makes it again."""
        ...


@dataclass(frozen=True, eq=False)
class NormalModel:
    """What usual sequences look like.

    Args:
        threshold: of ``error``; usual sequences exceed it at the rate that was asked.
        usual_error: median of the detector's errors of usual sequences.
        channels: that are looked at; empty = all.
    """

    detector: FittedDetector
    threshold: float
    usual_error: float
    channels: tuple[str, ...] = ()

    def error(self, data: Sequences) -> np.ndarray:
        """[N] what the detector cannot express, in units of the median of the group, or of all where a group is small.

        Raises:
            DataError: a sequence of another length than those of a detector that was fitted on a single one.
        """
        return _relative(_error(self.detector, data.of_channels(self.channels)), data.groups, self.usual_error)

    def strangeness(self, data: Sequences) -> np.ndarray:
        """[N] error over the threshold: above 1 a sequence looks like none of the usual ones."""
        return self.error(data) / max(self.threshold, 1e-12)

    def fits(self, data: Sequences) -> np.ndarray:
        """[N] whether ``error`` takes it."""
        return self.detector.fits(data.of_channels(self.channels))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, JSON-able facts) from which ``restore_normal`` makes it again."""
        arrays, meta = self.detector.state()
        more = {"threshold": self.threshold, "usual_error": self.usual_error, "channels": list(self.channels)}
        return arrays, {**meta, **more}


def fit_normal(
    name: str,
    usual: Sequences,
    *,
    options: dict[str, Any] | None = None,
    false_alarms: float = 0.01,
    pure: bool = True,
    channels: tuple[str, ...] = (),
    about: FitAbout | None = None,
) -> NormalModel:
    """Learn from usual sequences alone; the threshold comes from folds of whole groups (of sequences, where there is one).

    Args:
        name: of a detector.
        false_alarms: share of usual sequences that may be called anomalies.
        pure: False where nobody knows which are usual: the tenth that is farthest from the median is not learned from,
            and the threshold is set by the median and the median deviation of the logarithm of the errors, which a tenth
            of anomalies hardly moves.
        channels: that are looked at; empty = all.

    Raises:
        DataError: too few sequences, or of different lengths where the detector cannot take them.
        UnknownNameError, ConfigError: no such detector or option.
    """
    about = about or FitAbout()
    detector = create(DETECTORS, name, options or {})
    if len(usual) < FEWEST:
        raise DataError(
            place="anomaly", value=f"{len(usual)} sequences", rule=f"at least {FEWEST} usual ones are needed"
        )
    seen = usual.of_channels(channels)
    error = np.full(len(usual), np.nan)
    for split in group_folds(_units(usual), np.zeros(len(usual), np.int64), FOLDS, seed=about.seed):
        error[split.test] = _error(_learned(detector, seen.take(split.train), pure, about), seen.take(split.test))
    middle = float(np.median(error))
    threshold = _threshold(_relative(error, usual.groups, middle), false_alarms, pure)
    return NormalModel(_learned(detector, seen, pure, about), threshold, middle, tuple(channels))


def _relative(error: np.ndarray, groups: np.ndarray, usual: float) -> np.ndarray:
    """Over the median of the group: a noisy record is not a strange one. A small group has no median worth the name."""
    out = error / max(usual, 1e-12)
    _, code = numbered(groups)
    for large in np.flatnonzero(np.bincount(code) >= FEWEST):
        own = code == large
        out[own] = error[own] / max(float(np.median(error[own])), 1e-12)
    return out


def _error(detector: FittedDetector, data: Sequences) -> np.ndarray:
    fits = detector.fits(data)
    if not fits.all():
        raise DataError(
            place="anomaly",
            value=f"{data.items[~fits][0]} has {data.lengths[~fits][0]} steps",
            rule="the model was fitted on sequences of another length",
            remedy="Bring all to one length, or fit a network with models.gru.warm_start=false.",
        )
    return detector.error(data)


def _units(data: Sequences) -> np.ndarray:
    """Groups; single sequences where there is one group."""
    return data.groups if len(set(data.groups.tolist())) > 1 else np.arange(len(data)).astype(str).astype(object)


def _learned(detector: Any, data: Sequences, pure: bool, about: FitAbout) -> FittedDetector:
    """Fitted on all, or on all but the strangest tenth: by the distance to the median, or a first fit where lengths differ."""
    if not pure:
        if len(np.unique(data.lengths)) == 1:
            x = flat(data)
            far = np.sqrt(((x - np.median(x, axis=0)) ** 2).mean(axis=1))
        else:
            far = detector.fit(data, about).error(data)
        data = data.take(far <= np.quantile(far, 1 - TRIMMED))
    fitted: FittedDetector = detector.fit(data, about)
    return fitted


def _threshold(error: np.ndarray, false_alarms: float, pure: bool) -> float:
    if pure:
        return float(np.quantile(error, 1 - false_alarms))
    from scipy.stats import norm

    size = np.log(np.maximum(error, 1e-12))
    middle = float(np.median(size))
    spread = 1.4826 * float(np.median(np.abs(size - middle)))
    return float(np.exp(middle + float(norm.ppf(1 - false_alarms)) * max(spread, 1e-6)))


def restore_normal(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> NormalModel:
    """The model of ``NormalModel.state()``; runs no code from the files.

    Raises:
        ModelFileError: not one of ours, or damaged.
    """
    name = meta.get("detector")
    if name not in DETECTORS:
        raise ModelFileError(place="model", value=repr(name)[:60], rule="no such detector", remedy="Run fit again.")
    try:
        fitted = DETECTORS[name].load().restore(arrays, meta)
        channels = tuple(str(c) for c in meta["channels"])
        return NormalModel(fitted, float(meta["threshold"]), float(meta["usual_error"]), channels)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}"[:100]
        raise ModelFileError(place="model", value=why, rule="damaged", remedy="Run fit again.") from None


def flat(data: Sequences) -> np.ndarray:
    """[N, L * C] float64, missing values 0.

    Raises:
        DataError: sequences of different lengths.
    """
    if len(np.unique(data.lengths)) > 1:
        raise DataError(
            place="anomaly",
            rule="sequences of one length are needed",
            remedy="Cut them to one length, or use --models gru.",
        )
    return np.nan_to_num(data.values.astype(np.float64)).reshape(len(data), -1)


def principal(x: np.ndarray, kept: float = 0.95, most: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """(mean [D], the first principal components [K, D]) of x [N, D].

    Args:
        kept: share of the variance that they keep, with at most ``most`` of them.
    """
    from scipy.linalg import eigh

    mean = x.mean(axis=0)
    # The covariance is small (steps times channels); the rows may be a hundred thousand.
    size, vectors = eigh((x - mean).T @ (x - mean))
    total = float(size.sum())
    # Where nothing varies there are none, and whatever is different is strange.
    n = min(int(np.searchsorted(np.cumsum(size[::-1]) / total, kept)) + 1, most, len(size)) if total > 1e-30 else 0
    return mean, np.ascontiguousarray(vectors[:, ::-1][:, :n].T)


@dataclass(frozen=True)
class Components:
    """Principal components: the smallest model of what sequences have in common.

    Args:
        kept: share of the variance that they keep, with at most ``most`` of them.
    """

    kept: float = 0.95
    most: int = 20

    family: ClassVar[str] = "baseline"

    def fit(self, usual: Sequences, about: FitAbout | None = None) -> _FittedComponents:
        """Learn from usual sequences of one length.

        Raises:
            DataError: of different lengths.
        """
        mean, components = principal(flat(usual), self.kept, self.most)
        return _FittedComponents(self, mean, components)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedComponents:
        """See ``restore_normal``."""
        return _FittedComponents(cls(**meta["options"]), arrays["mean"], arrays["components"])


@dataclass(frozen=True, eq=False)
class _FittedComponents:
    model: Components
    mean: np.ndarray
    components: np.ndarray

    def fits(self, data: Sequences) -> np.ndarray:
        """See ``FittedDetector.fits``."""
        return np.asarray(data.lengths * data.values.shape[1] == len(self.mean))

    def error(self, data: Sequences) -> np.ndarray:
        """See ``FittedDetector.error``."""
        x = flat(data) - self.mean
        rest = x - (x @ self.components.T) @ self.components
        out: np.ndarray = np.sqrt((rest**2).mean(axis=1))
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedDetector.state``."""
        meta = {"detector": "pca", "options": dataclasses.asdict(self.model)}
        return {"mean": self.mean, "components": self.components}, meta
