"""What a network has to beat: the shares of the classes, and counts of words and characters with logistic regression."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import TextTable

__all__ = ["Majority", "NbSvm", "TfIdf"]

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

    def fit(self, table: TextTable, about: FitAbout) -> _FittedTfIdf:
        """See ``TextClassifier.fit``."""
        from scipy import sparse
        from sklearn.linear_model import LogisticRegression

        started = time.perf_counter()
        min_count = self.min_count if len(table) >= 200 else 1
        kinds = _vectorizers(self, min_count=min_count, max_terms=self.max_terms)
        parts = []
        for kind in list(kinds):
            try:
                parts.append(kind.fit_transform(table.texts))
            except ValueError:  # no term at all: texts of signs only
                kinds.remove(kind)
        present = np.unique(table.labels)
        n = len(table.classes)
        if not parts or len(present) < 2:
            shares = np.bincount(table.labels, minlength=n) + 0.5
            return _FittedTfIdf(self, [], np.zeros((n, 0)), np.log(shares / shares.sum()), {"seconds": 0.0})
        model = LogisticRegression(C=self.c, class_weight="balanced" if self.balance else None, max_iter=1000)
        model.fit(sparse.hstack(parts).tocsr(), table.labels)
        coef = np.zeros((n, model.coef_.shape[1]))
        bias = np.full(n, -12.0)
        if len(present) == 2:
            coef[present[1]], bias[present] = model.coef_[0], (0.0, model.intercept_[0])
        else:
            coef[present], bias[present] = model.coef_, model.intercept_
        terms = [_Terms.of(kind) for kind in kinds]
        info = {"seconds": time.perf_counter() - started, "n_parameters": int(coef.size + bias.size)}
        return _FittedTfIdf(self, terms, coef, bias, info)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedTfIdf:
        """See ``restore``."""
        terms = [_Terms(t["analyzer"], tuple(t["terms"]), arrays[f"idf{k}"]) for k, t in enumerate(meta["terms"])]
        return _FittedTfIdf(cls(**meta["options"]), terms, arrays["coef"].astype(np.float64), arrays["bias"], {})


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

        started = time.perf_counter()
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
        info = {"seconds": time.perf_counter() - started, "n_parameters": int(coef.size + bias.size)}
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


def _vectorizers(model: TfIdf, *, min_count: int = 1, max_terms: int | None = None) -> list[Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    common: dict[str, Any] = {"sublinear_tf": True, "min_df": min_count, "max_features": max_terms, "dtype": np.float32}
    return [
        TfidfVectorizer(analyzer="word", ngram_range=(1, model.words), token_pattern=_TOKEN, **common),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, model.chars), **common),
    ]


@dataclass(frozen=True, eq=False)
class _Terms:
    analyzer: str
    terms: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def of(cls, kind: Any) -> _Terms:
        return cls(kind.analyzer, tuple(kind.get_feature_names_out()), np.asarray(kind.idf_, np.float32))


@dataclass(eq=False)
class _FittedTfIdf:
    model: TfIdf
    terms: list[_Terms]
    coef: np.ndarray
    bias: np.ndarray
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)
    _ready: list[Any] = field(default_factory=list, repr=False)

    def _kinds(self) -> list[Any]:
        if not self._ready:
            by_name = {kind.analyzer: kind for kind in _vectorizers(self.model)}
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

    def weights(self, k: int, n: int = 10) -> list[tuple[str, float]]:
        """The terms that speak most for class k."""
        names = [t for own in self.terms for t in own.terms]
        order = np.argsort(-(self.coef[k] - self.coef.mean(axis=0)), kind="stable")[:n]
        return [(names[i], float(self.coef[k, i])) for i in order]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"coef": self.coef.astype(np.float32), "bias": self.bias}
        arrays |= {f"idf{k}": own.idf for k, own in enumerate(self.terms)}
        terms = [{"analyzer": own.analyzer, "terms": list(own.terms)} for own in self.terms]
        return arrays, {"options": dataclasses.asdict(self.model), "terms": terms}
