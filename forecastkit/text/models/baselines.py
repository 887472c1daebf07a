"""What a network has to beat: the shares of the classes, and counts of words and characters with logistic regression."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError, DataError
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import TextTable
from forecastkit.text.splits import folds_of

__all__ = ["Majority", "NbSvm", "Svm", "TfIdf"]

_TOKEN = r"(?u)[^\W_]+|[^\w\s]"  # noqa: S105  a pattern of words


@dataclass(frozen=True)
class Majority:
    """The same answer for every text."""

    family: ClassVar[str] = "baseline"

    def fit(self, table: TextTable, about: FitAbout) -> _Shares:
        """See ``TextClassifier.fit``."""
        counts = np.bincount(table.labels, minlength=len(table.classes)).astype(float) + 0.5
        return _Shares(counts / counts.sum())

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Shares:
        """See ``restore``."""
        return _Shares(arrays["shares"])


@dataclass(eq=False)
class _Shares:
    shares: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        return np.tile(self.shares, (len(texts), 1))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"shares": self.shares}, {}


@dataclass(frozen=True)
class TfIdf:
    """Logistic regression on TF-IDF of words (1 and 2) and of characters within words (2 to 5).

    Args:
        c: inverse strength of the penalty.
        balance: classes count alike whatever their size.
        min_count: texts in which a term must occur.
        max_terms: of each of the two kinds.
    """

    c: float = 10.0
    balance: bool = True
    words: int = 2
    chars: int = 5
    min_count: int = 2
    max_terms: int = 60_000

    family: ClassVar[str] = "baseline"

    def __post_init__(self) -> None:
        if not self.c > 0 or not 1 <= self.words <= 5 or not 2 <= self.chars <= 8 or self.min_count < 1:
            raise ConfigError(
                place="models.tfidf", rule="c is above 0, words 1 to 5, chars 2 to 8, min_count at least 1"
            )

    def fit(self, table: TextTable, about: FitAbout) -> _FittedLinear:
        """See ``TextClassifier.fit``."""
        from sklearn.linear_model import LogisticRegression

        min_count = self.min_count if len(table) >= 200 else 1
        kinds, x = _counted(self.kinds(min_count=min_count, max_terms=self.max_terms), table.texts)
        if x is None or len(np.unique(table.labels)) < 2:
            return _only_shares(self, table)
        model = LogisticRegression(C=self.c, class_weight="balanced" if self.balance else None, max_iter=1000)
        model.fit(x, table.labels)
        return _linear(self, table, kinds, model.coef_, model.intercept_)

    def kinds(self, *, min_count: int = 1, max_terms: int | None = None) -> list[Any]:
        """What counts the terms, by words and by characters."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        common: dict[str, Any] = {
            "sublinear_tf": True,
            "min_df": min_count,
            "max_features": max_terms,
            "dtype": np.float32,
        }
        return [
            TfidfVectorizer(analyzer="word", ngram_range=(1, self.words), token_pattern=_TOKEN, **common),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, self.chars), **common),
        ]

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLinear:
        """See ``restore``."""
        return _restored(cls(**meta["options"]), arrays, meta)


@dataclass(frozen=True)
class Svm:
    """Linear support vector machine on TF-IDF of words (1 and 2) and of characters within words (2 to 5), as they are written.

    Of a number the words keep its length (a telephone, a price), the characters its form. Its decisions become probabilities
    by a logistic regression on what ``parts`` machines say of texts that they did not learn from, which also finds where a
    rare class begins: a decision of 0 is not a chance of a half.

    Args:
        c: inverse strength of the penalty.
        words, chars: longest n-grams.
        parts: of the texts, each judged by a machine that learnt from the others.

    Sources: Joachims (1998), doi:10.1007/BFb0026683; Platt (1999), "Probabilistic outputs for support vector machines".
    """

    c: float = 1.0
    words: int = 2
    chars: int = 5
    parts: int = 5

    family: ClassVar[str] = "baseline"
    stops_by_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.c > 0 or not 1 <= self.words <= 5 or not 2 <= self.chars <= 8 or not 2 <= self.parts <= 20:
            given = f"c={self.c:g}, words={self.words}, chars={self.chars}, parts={self.parts}"
            raise ConfigError(
                place="models.svm", value=given, rule="c is above 0, words 1 to 5, chars 2 to 8, parts 2 to 20"
            )

    def fit(self, table: TextTable, about: FitAbout) -> _FittedLinear:
        """See ``TextClassifier.fit``."""
        from sklearn.linear_model import LogisticRegression

        kinds, x = _counted(self.kinds(), table.texts)
        if x is None or len(np.unique(table.labels)) < 2:
            return _only_shares(self, table)
        whole = self._machine(x, table.labels)
        decisions = self._held_out(table, about.seed)
        if decisions is None:  # a class of so few texts that none can be kept aside
            decisions = whole.decision_function(x).reshape(len(table), -1)
        chances = LogisticRegression(C=100.0, max_iter=1000).fit(decisions, table.labels)
        # Linear after linear is linear: weights and biases of the logits.
        coef = chances.coef_ @ whole.coef_
        fitted = _linear(self, table, kinds, coef, chances.coef_ @ whole.intercept_ + chances.intercept_)
        p = np.zeros((len(table), len(table.classes)))
        p[:, chances.classes_] = chances.predict_proba(decisions)
        fitted.held_out = p, table.labels
        return fitted

    def kinds(self) -> list[Any]:
        """What counts the terms, by words and by characters."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        common: dict[str, Any] = {"sublinear_tf": True, "lowercase": False, "dtype": np.float32}
        return [
            TfidfVectorizer(ngram_range=(1, self.words), token_pattern=_TOKEN, preprocessor=_by_length, **common),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, self.chars), preprocessor=_by_form, **common),
        ]

    def _machine(self, x: Any, labels: np.ndarray) -> Any:
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self.c, random_state=0).fit(x, labels)

    def _held_out(self, table: TextTable, seed: int) -> np.ndarray | None:
        """[N, K], or [N, 1] of two classes: decisions on each text by a machine that did not learn from it nor from near-copies."""
        try:
            folds = folds_of(table.texts, table.labels, n_folds=self.parts, n_parts=self.parts, select=0.0, seed=seed)
        except DataError:
            return None
        out: np.ndarray | None = None
        for fold in folds:
            own, aside = table.take(np.r_[fold.train, fold.calibrate]), table.take(fold.report)
            kinds, x = _counted(self.kinds(), own.texts)
            said = self._machine(x, own.labels).decision_function(
                _joined([kind.transform(aside.texts) for kind in kinds])
            )
            said = said.reshape(len(aside), -1)
            out = np.zeros((len(table), said.shape[1])) if out is None else out
            out[fold.report] = said
        return out

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLinear:
        """See ``restore``."""
        return _restored(cls(**meta["options"]), arrays, meta)


_NUMBER = re.compile(r"\d+")


def _by_length(text: str) -> str:
    return _NUMBER.sub(lambda found: f" N{len(found.group())} ", text)


def _by_form(text: str) -> str:
    return _NUMBER.sub(lambda found: "0" * len(found.group()), text)


def _counted(kinds: list[Any], texts: Sequence[str]) -> tuple[list[Any], Any]:
    """(those of ``kinds`` that find a term, their table [N, F]; None where none does)."""
    good, parts = [], []
    for kind in kinds:
        try:
            parts.append(kind.fit_transform(texts))
        except ValueError:  # no term at all: texts of signs only
            continue
        good.append(kind)
    return good, _joined(parts) if parts else None


def _joined(parts: Sequence[Any]) -> Any:
    from scipy import sparse

    return sparse.hstack(parts).tocsr()


def _linear(
    model: TfIdf | Svm, table: TextTable, kinds: list[Any], coef: np.ndarray, bias: np.ndarray
) -> _FittedLinear:
    """Logits of all classes from the rows [K, F] that scikit-learn has of those present, or [1, F] of two."""
    present, n = np.unique(table.labels), len(table.classes)
    every, of_all = np.zeros((n, coef.shape[1])), np.full(n, -12.0)
    if len(present) == 2:
        every[present[1]], of_all[present] = coef[0], (0.0, bias[0])
    else:
        every[present], of_all[present] = coef, bias
    info = {"n_parameters": int(every.size + of_all.size)}
    return _FittedLinear(model, [_Terms.of(kind) for kind in kinds], every, of_all, info)


def _only_shares(model: TfIdf | Svm, table: TextTable) -> _FittedLinear:
    n = len(table.classes)
    shares = np.bincount(table.labels, minlength=n) + 0.5
    p = shares / shares.sum()
    return _FittedLinear(model, [], np.zeros((n, 0)), np.log(p), {}, held_out=(np.tile(p, (len(table), 1)), table.labels))  # fmt: skip


def _restored(model: TfIdf | Svm, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLinear:
    terms = [_Terms(t["analyzer"], tuple(t["terms"]), arrays[f"idf{k}"]) for k, t in enumerate(meta["terms"])]
    return _FittedLinear(model, terms, arrays["coef"].astype(np.float64), arrays["bias"], {})


@dataclass(frozen=True)
class NbSvm:
    """Logistic regression, each class against the rest, on word n-grams weighted by how much they speak for the class.

    Digits are one sign, so that numbers look alike.

    Args:
        c: inverse strength of the penalty.
        balance: exponent by which rare classes count more, 1 = as if all were alike.
        words: longest n-gram.
        max_terms: the most frequent are kept.

    Source: Wang and Manning (2012), "Baselines and bigrams: simple, good sentiment and topic classification" (NB-SVM).
    """

    c: float = 1.0
    balance: float = 0.75
    words: int = 3
    max_terms: int = 200_000

    family: ClassVar[str] = "baseline"

    def __post_init__(self) -> None:
        if not self.c > 0 or not 1 <= self.words <= 5 or not 0 <= self.balance <= 1:
            raise ConfigError(place="models.nbsvm", rule="c is above 0, words 1 to 5, balance 0 to 1")

    def fit(self, table: TextTable, about: FitAbout) -> _FittedNbSvm:
        """See ``TextClassifier.fit``."""
        from scipy import sparse
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression

        kind = CountVectorizer(
            binary=True, token_pattern=_TOKEN, ngram_range=(1, self.words), max_features=self.max_terms
        )
        try:
            x = sparse.csr_matrix(kind.fit_transform([_masked(t) for t in table.texts]), dtype=np.float64)
            terms = tuple(kind.get_feature_names_out())
        except ValueError:  # no term at all
            x, terms = sparse.csr_matrix((len(table), 1)), ("",)
        n = len(table.classes)
        coef, bias = np.zeros((n, x.shape[1])), np.full(n, -12.0)
        for k in np.unique(table.labels):
            own = table.labels == k
            if own.all():
                bias[k] = 12.0
                continue
            yes, no = (np.asarray(x[rows].sum(axis=0)).ravel() + 1 for rows in (own, ~own))
            ratio = np.log((yes / yes.sum()) / (no / no.sum()))
            model = LogisticRegression(C=self.c, class_weight="balanced", max_iter=1000)
            model.fit(sparse.csr_matrix(x.multiply(ratio)), own)
            coef[k], bias[k] = model.coef_[0] * ratio, model.intercept_[0]
        share = (np.bincount(table.labels, minlength=n) + 0.5) / (len(table) + 0.5 * n)
        info = {"n_parameters": int(coef.size + bias.size)}
        return _FittedNbSvm(self, terms, coef, bias, share, info)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedNbSvm:
        """See ``restore``."""
        return _FittedNbSvm(cls(**meta["options"]), tuple(meta["terms"]), arrays["coef"].astype(np.float64), arrays["bias"], arrays["share"], {})  # fmt: skip


_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def _masked(text: str) -> str:
    return _DIGITS.sub("0", text)


@dataclass(eq=False)
class _FittedNbSvm:
    model: NbSvm
    terms: tuple[str, ...]
    coef: np.ndarray
    bias: np.ndarray
    share: np.ndarray
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)
    _ready: list[Any] = field(default_factory=list, repr=False)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        from scipy.special import expit
        from sklearn.feature_extraction.text import CountVectorizer

        if not len(texts):
            return np.zeros((0, len(self.bias)))
        if not self._ready:
            vocabulary = {term: k for k, term in enumerate(self.terms)}
            self._ready.append(
                CountVectorizer(
                    binary=True, token_pattern=_TOKEN, ngram_range=(1, self.model.words), vocabulary=vocabulary
                )
            )
        p = expit(self._ready[0].transform([_masked(t) for t in texts]) @ self.coef.T + self.bias) + 1e-6
        p = p / self.share**self.model.balance
        out: np.ndarray = p / p.sum(axis=1, keepdims=True)
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"coef": self.coef.astype(np.float32), "bias": self.bias, "share": self.share}
        return arrays, {"options": dataclasses.asdict(self.model), "terms": list(self.terms)}


@dataclass(frozen=True, eq=False)
class _Terms:
    analyzer: str
    terms: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def of(cls, kind: Any) -> _Terms:
        return cls(kind.analyzer, tuple(kind.get_feature_names_out()), np.asarray(kind.idf_, np.float32))


@dataclass(eq=False)
class _FittedLinear:
    model: TfIdf | Svm
    terms: list[_Terms]
    coef: np.ndarray
    bias: np.ndarray
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)
    held_out: tuple[np.ndarray, np.ndarray] | None = None
    """Of ``Svm``: probabilities and labels of texts, each by a machine that did not learn from it."""
    _ready: list[Any] = field(default_factory=list, repr=False)

    def _kinds(self) -> list[Any]:
        if not self._ready:
            by_name = {kind.analyzer: kind for kind in self.model.kinds()}
            for own in self.terms:
                kind = by_name[own.analyzer]
                kind.vocabulary = {term: k for k, term in enumerate(own.terms)}
                kind.idf_ = own.idf.astype(np.float64)
                self._ready.append(kind)
        return self._ready

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        z = np.tile(self.bias, (len(texts), 1))
        start = 0
        for kind in self._kinds() if len(texts) else []:
            x = kind.transform(texts)
            z += x @ self.coef[:, start : start + x.shape[1]].T
            start += x.shape[1]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        out: np.ndarray = e / e.sum(axis=1, keepdims=True)
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"coef": self.coef.astype(np.float32), "bias": self.bias}
        arrays |= {f"idf{k}": own.idf for k, own in enumerate(self.terms)}
        terms = [{"analyzer": own.analyzer, "terms": list(own.terms)} for own in self.terms]
        return arrays, {"options": dataclasses.asdict(self.model), "terms": terms}
