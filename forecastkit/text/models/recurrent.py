"""RNN, GRU and LSTM text classifiers: words and their characters, packed recurrent layers, attention pooling."""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError, FitError, near
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import TextTable
from forecastkit.text.tokenizer import UNK, Tokenizer

__all__ = ["RecurrentTextClassifier"]

PREDICT_BATCH = 256
POOLINGS = ("attention", "last", "both")
CACHE = 200_000


@dataclass(frozen=True)
class RecurrentTextClassifier:
    """See ``forecastkit.nn.texts.TextNet``.

    Args:
        cell: ``rnn``, ``gru`` or ``lstm``.
        level: ``word``, ``char`` or ``subword``.
        vocabulary: tokens at most.
        min_count: a rarer token is unknown.
        max_length: tokens that are read; of a longer text the ``cut`` side goes: ``start`` or ``end``.
        buckets: hashed groups of 3 to 5 characters that help with rare words; 0 = none; words only.
        pooling: ``attention``, ``last`` state, or ``both`` attention and maximum.
        word_dropout: words taken out whole in training; input_dropout: one mask for all steps.
        balance: exponent of the class weights, 1 = classes count alike, 0 = not weighted.
        weight_drop: of recurrent weights in training.
        pretrain: ``none``, or ``svd``: vectors of words from their neighbours in all texts (labels are not looked at).
        vectors: pretrained ones, see ``forecastkit.text.vectors``; words only, and the embedding takes their size.
        batch_size: texts a step; ``epochs`` at most; ``patience`` in epochs.
        seeds: networks whose probabilities are averaged.
    """

    cell: str = "gru"
    level: str = "word"
    vocabulary: int = 20_000
    min_count: int = 2
    lower: bool = True
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
    vectors: str = ""
    lr: float = 3e-3
    weight_decay: float = 1e-2
    batch_size: int = 32
    epochs: int = 12
    patience: int = 4
    average: float = 0.98
    seeds: int = 1

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = f"models.{self.cell}"
        for name in ("hidden", "layers", "batch_size", "epochs", "seeds", "max_length", "embedding"):
            if not 1 <= getattr(self, name) <= 100_000:
                raise ConfigError(place=f"{place}.{name}", value=str(getattr(self, name)), rule="from 1 to 100000")
        for name in ("dropout", "input_dropout", "word_dropout", "weight_drop", "smoothing", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(place=f"{place}.{name}", value=str(getattr(self, name)), rule="from 0 to below 1")
        choices = {"pooling": POOLINGS, "cut": ("start", "end"), "pretrain": ("none", "svd")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    place=f"{place}.{name}", value=repr(getattr(self, name)), rule="no such choice", remedy=near(getattr(self, name), allowed)
                )  # fmt: skip
        if self.vectors and (self.level != "word" or self.pretrain != "none"):
            raise ConfigError(
                place=f"{place}.vectors", value=repr(self.vectors), rule="only with level=word and pretrain=none"
            )
        if not self.lr > 0 or self.buckets < 0:
            raise ConfigError(place=place, rule="lr is above 0 and buckets are not negative")

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

    def fit(self, table: TextTable, about: FitAbout) -> _FittedNetworks:
        """See ``TextClassifier.fit``. The vocabulary comes from ``table`` (and ``about.unlabelled``) alone.

        Raises:
            FitError: training diverged.
        """
        from forecastkit.training.module import DivergedError

        started = time.perf_counter()
        texts = [*table.texts, *about.unlabelled] if self.pretrain != "none" else list(table.texts)
        min_count = self.min_count if len(table) >= 200 else 1
        tokenizer = Tokenizer.learn(texts, self.level, size=self.vocabulary, min_count=min_count, lower=self.lower)
        reader = _Reader(tokenizer, self)
        start: np.ndarray | None = None
        if self.vectors:
            start = _given_vectors(tokenizer, self.vectors)
            if start.shape[1] != self.embedding:
                sized = dataclasses.replace(self, embedding=start.shape[1])
                return sized.fit(table, about)
        elif self.pretrain == "svd":
            start = _svd_vectors(reader, texts, self.embedding)
        nets, curves, best = [], [], []
        for k in range(self.seeds):
            try:
                net, trained = self._train(table, reader, about, about.seed + k, start)
            except DivergedError:
                raise FitError(
                    place=f"model {self.cell}", rule="training diverged", remedy=f"Lower models.{self.cell}.lr."
                ) from None
            nets.append(net)
            best.append(trained.best_step)
            curves += [{**row, "seed": about.seed + k} for row in trained.curves]
        info = {
            "best_step": int(np.median(best)),
            "n_parameters": sum(p.numel() for p in nets[0].parameters()),
            "vocabulary": len(tokenizer),
            "seconds": time.perf_counter() - started,
        }
        return _FittedNetworks(self, nets, reader, len(table.classes), info, curves)

    def _train(self, table: TextTable, reader: _Reader, about: FitAbout, seed: int, start: Any) -> tuple[Any, Any]:
        import torch
        from torch.nn import functional

        from forecastkit import runtime
        from forecastkit.text.datamodule import TextDataModule, buckets
        from forecastkit.training.module import OptimizerOptions, TrainingModule
        from forecastkit.training.trainer import train

        rows = [reader.ids(t) for t in table.texts]
        lengths = np.array([len(r) for r in rows])
        weights = _class_weights(table, self.balance)

        def make(at: np.ndarray) -> Any:
            return reader.batch([rows[i] for i in at], table.labels[at], weights[table.labels[at]])

        valid_batches: list[Any] = []
        fixed = about.n_steps is not None
        if about.valid is not None and not fixed:
            v = about.valid
            v_rows = [reader.ids(t) for t in v.texts]
            for at in buckets(np.array([len(r) for r in v_rows]), PREDICT_BATCH):
                valid_batches.append(
                    reader.batch([v_rows[i] for i in at], v.labels[at], weights[v.labels[at]].astype(np.float32))
                )

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            smoothing = self.smoothing if net.training else 0.0
            logits = net(batch.words, batch.grams, batch.offsets, batch.index, batch.seen)
            loss = functional.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=smoothing)
            if not net.training:
                right = (logits.argmax(dim=-1) == batch.labels).double()
                tally[0] += float(right.sum())
                tally[1] += len(right)
            return (loss * batch.weights).sum(), batch.weights.sum()

        tally = [0.0, 0.0]
        with runtime.threads(1), runtime.seeded(seed):
            net = self.net(len(reader.tokenizer), len(table.classes))
            if start is not None:
                with torch.no_grad():
                    net.embedding.words.weight[4:] = torch.from_numpy(start[4:])
            data = TextDataModule(make, lengths, valid_batches, batch_size=self.batch_size, seed=seed)
            per_epoch = data.steps_per_epoch
            n_steps = max(1, about.n_steps) if about.n_steps is not None else self.epochs * per_epoch
            options = OptimizerOptions(
                lr=self.lr, weight_decay=self.weight_decay, schedule="constant", max_steps=n_steps, average=self.average
            )
            module = TrainingModule(net, objective, objective, options)
            accuracies: list[float] = []
            take = module.take_valid_loss

            def take_both() -> float:
                accuracies.append(tally[0] / tally[1] if tally[1] else float("nan"))
                tally[:] = [0.0, 0.0]
                return take()

            module.take_valid_loss = take_both  # type: ignore[method-assign]
            trained = train(
                module, data, max_steps=n_steps, steps_per_epoch=per_epoch, patience=self.patience, progress=about.progress
            )  # fmt: skip
        for row, accuracy in zip(trained.curves, accuracies):
            row["valid_accuracy"] = accuracy
        net.eval()
        return net, trained

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedNetworks:
        """See ``restore``."""
        import torch

        model = cls(**meta["options"])
        reader = _Reader(Tokenizer.restore(meta["tokenizer"]), model)
        nets = []
        for k in range(int(meta["n_nets"])):
            net = model.net(len(reader.tokenizer), int(meta["n_classes"]))
            prefix = f"net{k}."
            net.load_state_dict(
                {key[len(prefix) :]: torch.from_numpy(v) for key, v in arrays.items() if key.startswith(prefix)}
            )
            net.eval()
            nets.append(net)
        return _FittedNetworks(model, nets, reader, int(meta["n_classes"]), {}, [])


def _class_weights(table: TextTable, balance: float) -> np.ndarray:
    """[K] float32, mean 1 over the texts: a class weighs n^-balance."""
    counts = np.bincount(table.labels, minlength=len(table.classes)).astype(np.float64)
    weights = np.maximum(counts, 1.0) ** -balance
    mean = float((weights * counts).sum() / max(counts.sum(), 1.0))
    return (weights / mean).astype(np.float32)


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

        from forecastkit.text.datamodule import TextBatch

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


def _given_vectors(tokenizer: Tokenizer, source: str) -> np.ndarray:
    """[V, D] float32 of the usual size of weights; what is not found is drawn at random."""
    from forecastkit.text.vectors import word_vectors

    found, known = word_vectors(source, tokenizer.tokens)
    scale = float(found[known].std()) or 1.0
    out = np.random.default_rng(0).normal(0.0, 0.1, found.shape).astype(np.float32)
    out[known] = found[known] * (0.1 / scale)
    return out


def _svd_vectors(reader: _Reader, texts: Sequence[str], size: int, *, window: int = 4) -> np.ndarray:
    """[V, size] float32: the leading factors of the positive pointwise mutual information of words and neighbours.

    Source: Levy and Goldberg (2014), "Neural word embedding as implicit matrix factorization".
    """
    from scipy import sparse
    from scipy.sparse.linalg import svds

    n = len(reader.tokenizer)
    rows, columns = [], []
    for text in texts:
        ids = np.asarray(reader.tokenizer.encode(text), np.int64)
        for gap in range(1, window + 1):
            rows += [ids[:-gap], ids[gap:]]
            columns += [ids[gap:], ids[:-gap]]
    at = (np.concatenate(rows), np.concatenate(columns))
    counts = sparse.coo_matrix((np.ones(len(at[0])), at), shape=(n, n)).tocsr()
    total, by_word = counts.sum(), np.asarray(counts.sum(axis=1)).ravel()
    context = by_word**0.75
    found = counts.tocoo()
    value = (
        np.log(found.data * context.sum() / (by_word[found.row] * context[found.col]) + 1e-12) if total else found.data
    )
    keep = value > 0
    ppmi = sparse.csr_matrix((value[keep], (found.row[keep], found.col[keep])), shape=(n, n))
    k = min(size, n - 2)
    u, s, _ = svds(ppmi, k=k, random_state=0)
    out = np.zeros((n, size), np.float32)
    out[:, :k] = u * np.sqrt(s)
    scale = float(out.std()) or 1.0
    return (out * (0.1 / scale)).astype(np.float32)


@dataclass(eq=False)
class _FittedNetworks:
    model: RecurrentTextClassifier
    nets: list[Any]
    reader: _Reader
    n_classes: int
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """See ``FittedTextClassifier.predict``."""
        import torch

        from forecastkit import runtime
        from forecastkit.text.datamodule import buckets

        out = np.zeros((len(texts), self.n_classes))
        rows = [self.reader.ids(t) for t in texts]
        with runtime.threads(1), torch.inference_mode():
            for at in buckets(np.array([len(r) for r in rows]), PREDICT_BATCH):
                none = np.zeros(len(at))
                b = self.reader.batch([rows[i] for i in at], none, none)
                for net in self.nets:
                    out[at] += torch.softmax(net(b.words, b.grams, b.offsets, b.index, b.seen), dim=-1).double().numpy()
        return out / len(self.nets)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedTextClassifier.state``."""
        arrays: dict[str, np.ndarray] = {}
        for k, net in enumerate(self.nets):
            arrays |= {f"net{k}.{key}": v.detach().cpu().numpy() for key, v in net.state_dict().items()}
        return arrays, {
            "options": dataclasses.asdict(self.model),
            "tokenizer": self.reader.tokenizer.state(),
            "n_nets": len(self.nets),
            "n_classes": self.n_classes,
        }
