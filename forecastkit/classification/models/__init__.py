"""Classifiers by name, one file a family. Entries are text, so that a baseline never imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.errors import ModelFileError
from forecastkit.registry import Entry, create

if TYPE_CHECKING:
    from forecastkit.classification.protocol import Classifier, FittedClassifier

__all__ = ["CLASSIFIERS", "create_classifier", "restore_classifier"]

_BASE = "forecastkit.classification.models.baselines"
_RECURRENT = "forecastkit.classification.models.recurrent:RecurrentClassifier"

CLASSIFIERS: dict[str, Entry] = {
    "majority": Entry(f"{_BASE}:Majority", "the shares of the classes, whatever the sequence"),
    "logistic_rr": Entry(f"{_BASE}:Logistic", "logistic regression on RR intervals alone", {"only": "rr_"}),
    "logistic": Entry(f"{_BASE}:Logistic", "logistic regression on features of the whole sequence", {"only": ""}),
    "boosting": Entry(f"{_BASE}:Boosting", "gradient boosting on features of the whole sequence"),
    "nearest": Entry(f"{_BASE}:Nearest", "the label of the nearest sequence, for equal and short ones"),
    "rnn": Entry(_RECURRENT, "recurrent network with plain cells", {"cell": "rnn"}),
    "gru": Entry(_RECURRENT, "recurrent network with gated recurrent units", {"cell": "gru"}),
    "lstm": Entry(_RECURRENT, "recurrent network with long short-term memory", {"cell": "lstm"}),
}


def create_classifier(name: str, **options: Any) -> Classifier:
    """A classifier with its options.

    Raises:
        UnknownNameError: no such classifier, or no such option of it.
        ConfigError: a value of the wrong type.
    """
    made: Classifier = create(CLASSIFIERS, name, options)
    return made


def restore_classifier(arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedClassifier:
    """The fitted classifier of ``state()``; runs no code from the files.

    Raises:
        ModelFileError: not a classifier of ours.
    """
    name = meta.get("model")
    if name not in CLASSIFIERS:
        raise ModelFileError(place="model", value=repr(name)[:60], rule="no such classifier", remedy="Run fit again.")
    try:
        fitted: FittedClassifier = CLASSIFIERS[name].load().restore(arrays, meta)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}"[:100]
        raise ModelFileError(place="model", value=why, rule="damaged", remedy="Run fit again.") from None
    return fitted
