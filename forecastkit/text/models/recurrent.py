"""RNN, GRU and LSTM text classifiers: words and their characters, packed recurrent layers, attention pooling."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.runtime import PRECISIONS
from forecastkit.text.models import pretraining
from forecastkit.text.models.baselines import TfIdf
from forecastkit.text.models.options import check_options
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import TextTable
from forecastkit.text.splits import folds_of
from forecastkit.text.tokenizer import UNK, Tokenizer

__all__ = ["RecurrentTextClassifier"]

PREDICT_BATCH = 256
POOLINGS = ("attention", "last", "both")
CACHE = 200_000
SMALL_STEPS, SMALL_PATIENCE = 200, 40
"""Steps at most, and without progress, where a pass over few texts is few steps."""


@dataclass(frozen=True)
class RecurrentTextClassifier:
    """See ``forecastkit.nn.texts.TextNet``.

    Args:
        cell: ``rnn``, ``gru`` or ``lstm``.
        level: ``word``, ``char`` or ``subword``.
        vocabulary: tokens at most.
        min_count: a rarer token is unknown.
        lower, digits, names: see ``Tokenizer``.
        max_length: tokens that are read; of a longer text the ``cut`` side goes: ``start`` or ``end``.
        buckets: hashed groups of 3 to 5 characters that help with rare words; 0 = none; words only.
        pooling: ``attention``, ``last`` state, or ``both`` attention and maximum.
        word_dropout: words taken out whole in training; input_dropout: one mask for all steps.
        balance: exponent of the class weights, 1 = classes count alike, 0 = not weighted.
        weight_drop: of recurrent weights in training.
        pretrain: ``none``; ``svd``: vectors of words from their neighbours in all texts; ``lm``: after these, a language
            model of the unlabelled texts and then of the training texts, ``pretrain_epochs`` each (labels are not looked
            at). Then depths of the network unfreeze one by one, each slower by ``layer_decay``.
        vectors: pretrained ones, see ``forecastkit.text.vectors``; words only, and the embedding takes their size.
        batch_size: texts a step; ``epochs`` at most; ``patience`` in epochs.
        seeds: networks whose probabilities are averaged.
        committee: each of them keeps another part of all texts aside to stop by, and learns from the rest (Krogh and Vedelsby
            1995): together they learn from every text. Two seeds or more; of one seed three are made.
        wide: beside the network a linear part on n-grams of the same tokens (wide and deep, Cheng et al. 2016,
            arXiv:1606.07792), as the baseline ``tfidf`` makes them; how much each counts is fitted on the texts that the
            members of the committee kept aside.
    """

    cell: str = "gru"
    level: str = "word"
    vocabulary: int = 20_000
    min_count: int = 2
    lower: bool = True
    digits: bool = False
    names: bool = True
    max_length: int = 200
    cut: str = "end"
    embedding: int = 100
    buckets: int = 30_000
    hidden: int = 64
    layers: int = 1
    bidirectional: bool = True
    pooling: str = "both"
    dropout: float = 0.5
    input_dropout: float = 0.3
    word_dropout: float = 0.1
    weight_drop: float = 0.0
    balance: float = 0.5
    smoothing: float = 0.05
    pretrain: str = "none"
    pretrain_epochs: int = 6
    layer_decay: float = 0.4
    vectors: str = ""
    lr: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    epochs: int = 12
    patience: int = 4
    average: float = 0.98
    seeds: int = 1
    committee: bool = False
    wide: bool = False
    precision: str = "32"

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = f"models.{self.name}"
        check_options(
            self, place,
            choices={"pooling": POOLINGS, "cut": ("start", "end"), "pretrain": ("none", "svd", "lm"), "precision": PRECISIONS},
            counts=("hidden", "layers", "batch_size", "epochs", "seeds", "max_length", "embedding"),
            shares=("dropout", "input_dropout", "word_dropout", "weight_drop", "smoothing", "average"),
            not_negative=("buckets", "pretrain_epochs"),
        )  # fmt: skip
        if self.pretrain == "lm" and self.bidirectional and self.layers > 1:
            raise ConfigError(
                place=f"{place}.pretrain", value="'lm'", rule="needs layers=1 or bidirectional=false: two layers of both directions would be shown the word that they should name",
            )  # fmt: skip
        if (self.committee and self.seeds > 20) or (self.wide and not self.committee):
            raise ConfigError(place=place, rule="a committee has 2 to 20 seeds, and a wide part needs a committee")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(place=f"{place}.layer_decay", value=str(self.layer_decay), rule="above 0 and at most 1")
        if self.vectors and (self.level != "word" or self.pretrain != "none"):
            raise ConfigError(
                place=f"{place}.vectors", value=repr(self.vectors), rule="only with level=word and pretrain=none"
            )

    def net(self, n_tokens: int, n_classes: int) -> Any:
        """An untrained network."""
        from forecastkit.nn.recurrent import RecurrentEncoder
        from forecastkit.nn.texts import Embedding, TextNet

        n_buckets = self.buckets if self.level == "word" else 0
        words = Embedding(n_tokens, self.embedding, n_buckets=n_buckets, dropout=self.word_dropout)
        encoder = RecurrentEncoder(
            self.cell, self.embedding, self.hidden, layers=self.layers, dropout=self.dropout, bidirectional=self.bidirectional,
            weight_drop=self.weight_drop,
        )  # fmt: skip
        return TextNet(
            words, encoder, n_classes, pooling=self.pooling, dropout=self.dropout, input_dropout=self.input_dropout
        )

    @property
    def name(self) -> str:
        """In the registry."""
        return f"wide_{self.cell}" if self.wide else self.cell

    @property
    def n_nets(self) -> int:
        """Networks that are trained."""
        return 3 if self.committee and self.seeds == 1 else self.seeds

    @property
    def stops_by_itself(self) -> bool:
        """Whether it keeps texts aside by itself for early stopping and temperature."""
        return self.committee

    def fit(self, table: TextTable, about: FitAbout) -> _FittedNetworks:
        """See ``TextClassifier.fit``. The vocabulary comes from ``table`` (and ``about.unlabelled``) alone.

        Raises:
            FitError: training diverged.
        """
        texts = [*table.texts, *about.unlabelled] if self.pretrain != "none" else list(table.texts)
        tokenizer = Tokenizer.learn(
            texts, self.level, size=self.vocabulary, min_count=self.min_count if len(table) >= 200 else 1, lower=self.lower,
            digits=self.digits, names=self.names,
        )  # fmt: skip
        sized, reader, start = self._begin(tokenizer, table, texts, about)
        parts = [(table, about.valid)] * self.n_nets
        if self.committee:
            folds = folds_of(table.texts, table.labels, n_folds=self.n_nets, n_parts=self.n_nets, select=0.0, seed=about.seed)  # fmt: skip
            parts = [(table.take(np.sort(np.r_[f.train, f.calibrate])), table.take(f.report)) for f in folds]
        nets, curves, best, notes = [], [], [], []
        for k, (own, valid) in enumerate(parts):
            net, trained = sized._train(own, reader, dataclasses.replace(about, seed=about.seed + k, valid=valid), start)  # fmt: skip
            nets.append(net)
            best.append(trained.best_step)
            notes.append(trained.note)
            curves += [{**row, "seed": about.seed + k} for row in trained.curves]
        info = {
            "best_step": 0 if self.committee else int(np.median(best)), "n_parameters": sum(p.numel() for p in nets[0].parameters()),
            "vocabulary": len(tokenizer), "note": next(filter(None, notes), ""),
        }  # fmt: skip
        fitted = _FittedNetworks(sized, nets, reader, len(table.classes), info, curves)
        if self.committee:
            fitted.judge(table, [(own, v) for own, v in parts if v is not None], about)
        return fitted

    def _begin(
        self, tokenizer: Tokenizer, table: TextTable, texts: Sequence[str], about: FitAbout
    ) -> tuple[RecurrentTextClassifier, _Reader, dict[str, Any]]:
        """(itself in the size of the given vectors, reader, weights to begin with)."""
        if self.vectors:
            given = pretraining.given_vectors(tokenizer, self.vectors)
            sized = dataclasses.replace(self, embedding=given.shape[1])
            return sized, _Reader(tokenizer, sized), {"embedding.words.weight": given}
        reader = _Reader(tokenizer, self)
        if self.pretrain == "none":
            return self, reader, {}
        found = pretraining.svd_vectors(tokenizer, texts, self.embedding)
        if self.pretrain == "svd":
            return self, reader, {"embedding.words.weight": found}
        return self, reader, pretraining.neighbour_state(self, reader, table.texts, about.unlabelled, found, about)

    def _train(self, table: TextTable, reader: _Reader, about: FitAbout, start: dict[str, Any]) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional

        from forecastkit.text.batches import buckets
        from forecastkit.text.datamodule import TextDataModule
        from forecastkit.training.module import OptimizerOptions
        from forecastkit.training.networks import Lesson, fit_net

        weights = _class_weights(table, self.balance)

        def maker(part: TextTable) -> tuple[Any, np.ndarray]:
            rows = [reader.ids(t) for t in part.texts]

            def make(at: np.ndarray) -> Any:
                return reader.batch([rows[i] for i in at], part.labels[at], weights[part.labels[at]])

            return make, np.array([len(r) for r in rows])

        def objective(net: Any, batch: Any) -> tuple[Any, ...]:
            logits = net(batch.words, batch.grams, batch.offsets, batch.index, batch.seen).float()
            smoothing = self.smoothing if net.training else 0.0
            loss = functional.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=smoothing)
            sums = (loss * batch.weights).sum(), batch.weights.sum()
            right = logits.argmax(dim=-1) == batch.labels
            return sums if net.training else (*sums, right.sum(), torch.tensor(len(right)))

        def build() -> Any:
            net = self.net(len(reader.tokenizer), len(table.classes))
            known = net.state_dict()
            with torch.no_grad():
                for key, value in start.items():
                    known[key].copy_(torch.as_tensor(value))
            return net

        make, lengths = maker(table)
        valid_batches: list[Any] = []
        if about.valid is not None and about.n_steps is None:
            make_valid, valid_lengths = maker(about.valid)
            valid_batches = [make_valid(at) for at in buckets(valid_lengths, PREDICT_BATCH)]

        def data() -> TextDataModule:
            return TextDataModule(make, lengths, valid_batches, batch_size=self.batch_size, seed=about.seed)

        per_epoch = data().steps_per_epoch
        n_steps = max(1, about.n_steps) if about.n_steps is not None else max(self.epochs * per_epoch, SMALL_STEPS)
        patience = max(self.patience, -(-SMALL_PATIENCE // per_epoch))
        tuned = self.pretrain == "lm"
        options = OptimizerOptions(
            lr=self.lr, weight_decay=self.weight_decay, schedule="timed", max_steps=n_steps, average=self.average,
            unfreeze=per_epoch if tuned else 0, layer_decay=self.layer_decay if tuned else 1.0,
        )  # fmt: skip
        return fit_net(
            lambda _: Lesson(build(), data(), objective, options, patience, precision=self.precision),
            place=f"model {self.name}", seed=about.seed, progress=about.progress,
        )  # fmt: skip

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedNetworks:
        """See ``restore``."""
        from forecastkit.nn.weights import restore_networks

        model = cls(**meta["options"])
        reader = _Reader(Tokenizer.restore(meta["tokenizer"]), model)
        n_classes = int(meta["n_classes"])
        nets = restore_networks(lambda: model.net(len(reader.tokenizer), n_classes), arrays, int(meta["n_nets"])).nets
        wide = None
        if "wide" in meta:
            own = {key.removeprefix("wide."): v for key, v in arrays.items() if key.startswith("wide.")}
            wide = TfIdf.restore(own, meta["wide"])
        mix = (float(meta["mix"][0]), float(meta["mix"][1]))
        return _FittedNetworks(model, nets, reader, n_classes, {}, [], wide, mix)


def _class_weights(table: TextTable, balance: float) -> np.ndarray:
    """[K] float32, mean 1 over the texts: a class weighs n^-balance."""
    counts = np.bincount(table.labels, minlength=len(table.classes)).astype(np.float64)
    weights = np.maximum(counts, 1.0) ** -balance
    mean = float((weights * counts).sum() / max(counts.sum(), 1.0))
    return (weights / mean).astype(np.float32)


def _mixed(deep: np.ndarray, wide: np.ndarray, mix: tuple[float, float]) -> np.ndarray:
    """Weighted geometric mean of two tables of probabilities [N, K]."""
    from scipy.special import softmax

    z = mix[0] * np.log(np.clip(deep, 1e-9, 1)) + mix[1] * np.log(np.clip(wide, 1e-9, 1))
    out: np.ndarray = softmax(z, axis=1)
    return out


def _mixing(deep: np.ndarray, wide: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Weights, not negative, that make held-out labels most likely."""
    from scipy.optimize import minimize

    rows = np.arange(len(labels))

    def loss(mix: np.ndarray) -> float:
        q = _mixed(deep, wide, (float(mix[0]), float(mix[1])))[rows, labels]
        return float(-np.log(np.clip(q, 1e-12, 1)).mean())

    found = minimize(loss, np.array([0.5, 0.5]), method="L-BFGS-B", bounds=[(0.0, 5.0)] * 2).x
    return float(found[0]), float(found[1])


class _Reader:
    """Texts as ids of words and of their groups of characters; what is known of a word is kept."""

    def __init__(self, tokenizer: Tokenizer, model: RecurrentTextClassifier) -> None:
        self.tokenizer, self.model = tokenizer, model
        self.n_buckets = model.buckets if model.level == "word" else 0
        self._number: dict[str, int] = {}
        self._word: list[int] = []
        self._grams: list[np.ndarray] = []

    def ids(self, text: str) -> list[int]:
        """Numbers of the words of a text, of this reader's own counting; never empty."""
        tokens = self.tokenizer.split(text) or [""]
        n = self.model.max_length
        tokens = tokens[:n] if self.model.cut == "end" else tokens[-n:]
        number = self._number
        if len(number) > CACHE:
            # Numbers already given stay valid: new words of this text go on after them.
            number.clear()
        return [number[t] if t in number else self._learn(t) for t in tokens]

    def _learn(self, token: str) -> int:
        k = len(self._word)
        self._number[token] = k
        self._word.append(self.tokenizer.id_of(token) if token else UNK)
        self._grams.append(_grams_of(token, self.n_buckets))
        return k

    def batch(self, rows: Sequence[Sequence[int]], labels: np.ndarray, weights: np.ndarray) -> Any:
        """A ``TextBatch``."""
        import torch

        from forecastkit.text.batches import TextBatch

        lengths = np.array([len(r) for r in rows])
        flat = np.concatenate([np.asarray(r, np.int64) for r in rows])
        unique, inverse = np.unique(flat, return_inverse=True)
        seen = np.arange(lengths.max())[None] < lengths[:, None]
        index = np.zeros(seen.shape, np.int64)
        index[seen] = inverse
        words = np.array([self._word[u] for u in unique], np.int64)
        if self.n_buckets:
            parts = [self._grams[u] for u in unique]
            sizes = np.array([len(p) for p in parts])
            grams, offsets = np.concatenate(parts), np.r_[0, np.cumsum(sizes)[:-1]].astype(np.int64)
        else:
            grams, offsets = np.zeros(0, np.int64), np.zeros(0, np.int64)
        as_tensor = torch.from_numpy
        return TextBatch(
            as_tensor(words),
            as_tensor(grams),
            as_tensor(offsets),
            as_tensor(index),
            as_tensor(seen),
            as_tensor(np.asarray(labels, np.int64)),
            as_tensor(np.asarray(weights, np.float32)),
        )


def _grams_of(token: str, n_buckets: int) -> np.ndarray:
    """Buckets of groups of 3 to 5 characters of ``<token>``; digits are one sign, so that numbers look alike."""
    if not n_buckets:
        return np.zeros(0, np.int64)
    marked = "<" + "".join("0" if c.isdigit() else c for c in token) + ">"
    found = [marked] + [marked[k : k + n] for n in (3, 4, 5) for k in range(len(marked) - n + 1)]
    return np.array([zlib.crc32(g.encode("utf-8", "replace")) % n_buckets for g in found], np.int64)


@dataclass(eq=False)
class _FittedNetworks:
    model: RecurrentTextClassifier
    nets: list[Any]
    reader: _Reader
    n_classes: int
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)
    wide: Any = None
    mix: tuple[float, float] = (1.0, 0.0)
    held_out: tuple[np.ndarray, np.ndarray] | None = None
    """Of a committee: probabilities and labels of texts, each by the one network that did not learn from it."""

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """See ``FittedTextClassifier.predict``."""
        deep = self.predict_by(self.nets, texts)
        return deep if self.wide is None else _mixed(deep, self.wide.predict(self._tokens(texts)), self.mix)

    def judge(self, table: TextTable, parts: Sequence[tuple[TextTable, TextTable]], about: FitAbout) -> None:
        """Of a committee: what each member says of the texts that it kept aside; fit the wide part and its weight."""
        p = np.concatenate([self.predict_by([net], aside.texts) for net, (_, aside) in zip(self.nets, parts)])
        labels = np.concatenate([aside.labels for _, aside in parts])
        if self.model.wide:
            linear = TfIdf(words=3)
            others = [
                linear.fit(self.as_tokens(own), about).predict(self.as_tokens(aside).texts) for own, aside in parts
            ]
            self.mix = _mixing(p, np.concatenate(others), labels)
            self.wide = linear.fit(self.as_tokens(table), about)
            p = _mixed(p, np.concatenate(others), self.mix)
        self.held_out = p, labels

    def as_tokens(self, table: TextTable) -> TextTable:
        """The texts as the network reads them: its tokens with blanks between."""
        return dataclasses.replace(table, texts=tuple(self._tokens(table.texts)))

    def _tokens(self, texts: Sequence[str]) -> list[str]:
        return [" ".join(self.reader.tokenizer.split(t)) for t in texts]

    def predict_by(self, nets: Sequence[Any], texts: Sequence[str]) -> np.ndarray:
        """[N, K] mean probabilities of some of its networks."""
        import torch

        from forecastkit import runtime
        from forecastkit.text.batches import buckets

        out = np.zeros((len(texts), self.n_classes))
        rows = [self.reader.ids(t) for t in texts]
        with runtime.threads(1), torch.inference_mode():
            for at in buckets(np.array([len(r) for r in rows]), PREDICT_BATCH):
                none = np.zeros(len(at))
                b = self.reader.batch([rows[i] for i in at], none, none)
                for net in nets:
                    out[at] += torch.softmax(net(b.words, b.grams, b.offsets, b.index, b.seen), dim=-1).double().numpy()
        return out / len(nets)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedTextClassifier.state``."""
        from forecastkit.nn.weights import Networks

        arrays = Networks(self.nets).arrays()
        meta = {
            "options": dataclasses.asdict(self.model), "tokenizer": self.reader.tokenizer.state(), "n_nets": len(self.nets),
            "n_classes": self.n_classes, "mix": list(self.mix),
        }  # fmt: skip
        if self.wide is not None:
            own, meta["wide"] = self.wide.state()
            arrays |= {f"wide.{key}": v for key, v in own.items()}
        return arrays, meta
