"""Text models by name, one file a family. Entries are text, so that a baseline never imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecastkit import registry
from forecastkit.errors import ModelFileError, UnknownNameError, near
from forecastkit.registry import Entry

__all__ = ["CLASSIFIERS", "LANGUAGE_MODELS", "TASKS", "TRANSCRIBERS", "TRANSLATORS", "create", "restore"]

_BASE = "forecastkit.text.models.baselines"
_NET = "forecastkit.text.models.recurrent:RecurrentTextClassifier"
_NGRAM = "forecastkit.text.models.kneser_ney:KneserNey"
_LANGUAGE = "forecastkit.text.models.language:RecurrentLanguageModel"
_TRANSLATE = "forecastkit.text.models.translation"
_TRANSCRIBE = "forecastkit.text.models.transcription"

_WIDE: dict[str, Any] = {"committee": True, "wide": True}

CLASSIFIERS: dict[str, Entry] = {
    "majority": Entry(f"{_BASE}:Majority", "the shares of the classes, whatever the text"),
    "tfidf": Entry(f"{_BASE}:TfIdf", "TF-IDF of words and characters with logistic regression"),
    "nbsvm": Entry(
        f"{_BASE}:NbSvm", "word n-grams weighted by how much they speak for a class, with logistic regression"
    ),
    "svm": Entry(f"{_BASE}:Svm", "linear support vector machine on words and characters as they are written"),
    "rnn": Entry(_NET, "recurrent network with plain cells", {"cell": "rnn"}),
    "gru": Entry(_NET, "recurrent network with gated recurrent units", {"cell": "gru"}),
    "lstm": Entry(_NET, "recurrent network with long short-term memory", {"cell": "lstm"}),
    "wide_gru": Entry(
        _NET, "committee of gru beside a linear part on n-grams (wide and deep)", {"cell": "gru", **_WIDE}
    ),
    "wide_lstm": Entry(
        _NET, "committee of lstm beside a linear part on n-grams (wide and deep)", {"cell": "lstm", **_WIDE}
    ),
}
LANGUAGE_MODELS: dict[str, Entry] = {
    "unigram": Entry(_NGRAM, "how often each token comes, whatever stood before", {"order": 1}),
    "kneser_ney": Entry(_NGRAM, "interpolated Kneser-Ney: trigrams of words, 6-grams of characters"),
    "gru_lm": Entry(_LANGUAGE, "recurrent language model with gated recurrent units", {"cell": "gru"}),
    "lstm_lm": Entry(_LANGUAGE, "recurrent language model with long short-term memory", {"cell": "lstm"}),
}
TRANSLATORS: dict[str, Entry] = {
    "copy": Entry(f"{_TRANSLATE}:Copy", "the source sentence as it is"),
    "dictionary": Entry(f"{_TRANSLATE}:Dictionary", "each word by its likeliest translation"),
    "seq2seq": Entry(f"{_TRANSLATE}:Seq2Seq", "encoder and decoder with attention"),
}
TRANSCRIBERS: dict[str, Entry] = {
    "usual": Entry(f"{_TRANSCRIBE}:Usual", "the text nearest to all others, whatever is heard or seen"),
    "nearest": Entry(f"{_TRANSCRIBE}:Nearest", "the text of the sound or picture that is most alike"),
    "gru_ctc": Entry(f"{_TRANSCRIBE}:Ctc", "gated recurrent units with a CTC loss", {"cell": "gru"}),
    "lstm_ctc": Entry(f"{_TRANSCRIBE}:Ctc", "long short-term memory with a CTC loss", {"cell": "lstm"}),
    "seq2seq": Entry(f"{_TRANSLATE}:Seq2Seq", "encoder of frames and decoder with attention"),
}
TASKS: dict[str, dict[str, Entry]] = {
    "classify": CLASSIFIERS,
    "language-model": LANGUAGE_MODELS,
    "translate": TRANSLATORS,
    "transcribe": TRANSCRIBERS,
}


def create(task: str, name: str, **options: Any) -> Any:
    """A model of a task with its options.

    Raises:
        UnknownNameError: no such task, model or option.
        ConfigError: a value of the wrong type, or one that the model refuses.
    """
    if task not in TASKS:
        raise UnknownNameError(place="--task", value=repr(task), rule="no such task", remedy=near(task, TASKS))
    entries = TASKS[task]
    if name not in entries:
        raise UnknownNameError(place="model", value=repr(name), rule=f"no such model of the task {task}", remedy=near(name, entries))  # fmt: skip
    return registry.create(entries, name, options)


def restore(task: str, name: str, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Any:
    """The fitted model of ``state()``; runs no code from the files.

    Raises:
        ModelFileError: not a model of ours.
    """
    if task not in TASKS or name not in TASKS[task]:
        raise ModelFileError(place="model", value=f"{task}: {name}"[:60], rule="no such model", remedy="Run fit again.")
    try:
        return TASKS[task][name].load().restore(arrays, meta)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}"[:100]
        raise ModelFileError(place="model", value=why, rule="damaged", remedy="Run fit again.") from None
