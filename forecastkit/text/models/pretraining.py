"""Where a classifier's weights begin: given vectors, vectors from neighbours, or a language model of the unlabelled texts."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.text.protocol import FitAbout
from forecastkit.text.tokenizer import PAD, Tokenizer

if TYPE_CHECKING:
    from forecastkit.text.models.recurrent import RecurrentTextClassifier

__all__ = ["given_vectors", "neighbour_state", "svd_vectors"]

BATCH = 64
LONGEST = 100
"""Tokens of a text that pretraining reads."""


def given_vectors(tokenizer: Tokenizer, source: str) -> np.ndarray:
    """[V, D] float32 of the usual size of weights; what is not found is drawn at random."""
    from forecastkit.text.vectors import word_vectors

    found, known = word_vectors(source, tokenizer.tokens)
    scale = float(found[known].std()) or 1.0
    out = np.random.default_rng(0).normal(0.0, 0.1, found.shape).astype(np.float32)
    out[known] = found[known] * (0.1 / scale)
    out[PAD] = 0.0
    return out


def svd_vectors(tokenizer: Tokenizer, texts: Sequence[str], size: int, *, window: int = 4) -> np.ndarray:
    """[V, size] float32: the leading factors of the positive pointwise mutual information of words and neighbours.

    Source: Levy and Goldberg (2014), "Neural word embedding as implicit matrix factorization".
    """
    from scipy import sparse
    from scipy.sparse.linalg import svds

    n = len(tokenizer)
    rows, columns = [], []
    for text in texts:
        ids = np.asarray(tokenizer.encode(text), np.int64)
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


def neighbour_state(
    model: RecurrentTextClassifier,
    reader: Any,
    own: Sequence[str],
    more: Sequence[str],
    start: np.ndarray,
    about: FitAbout,
) -> dict[str, Any]:
    """Weights of embedding and encoder after naming the neighbours of words: in ``more`` texts first, then in its ``own``.

    Source: Howard and Ruder (2018), arXiv:1801.06146 (ULMFiT): a general language model, then one of the texts at hand.
    """
    import torch

    from forecastkit import runtime
    from forecastkit.nn.texts import NeighbourNet

    def build() -> Any:
        with runtime.seeded(about.seed):
            net = model.net(len(reader.tokenizer), 2)
            with torch.no_grad():
                net.embedding.words.weight.copy_(torch.from_numpy(start))
            return NeighbourNet(net)

    stages = [(list(more), model.pretrain_epochs)] if more else []
    stages.append((list(own), model.pretrain_epochs))
    net: Any = None
    for texts, epochs in stages:
        net = _stage(model, reader, texts, epochs, net or build(), about)
    kept = net.net.state_dict()
    return {key: v for key, v in kept.items() if key.startswith(("embedding.", "encoder."))}


def _stage(
    model: RecurrentTextClassifier, reader: Any, texts: Sequence[str], epochs: int, net: Any, about: FitAbout
) -> Any:  # fmt: skip
    from torch.nn import functional

    from forecastkit.text.datamodule import TextDataModule
    from forecastkit.training.module import OptimizerOptions
    from forecastkit.training.networks import Lesson, fit_net

    rows = [r[:LONGEST] for r in (reader.ids(t) for t in texts) if len(r) > 1]
    if not rows:
        return net

    def make(at: np.ndarray) -> Any:
        none = np.zeros(len(at))
        return reader.batch([rows[i] for i in at], none, none)

    def objective(net: Any, batch: Any) -> tuple[Any, Any]:
        logits, answers = net(batch.words, batch.grams, batch.offsets, batch.index, batch.seen)
        loss = functional.cross_entropy(logits.float(), answers, reduction="sum")
        return loss, logits.new_tensor(float(len(answers))).float()

    def data() -> TextDataModule:
        return TextDataModule(make, np.array([len(r) for r in rows]), [], batch_size=BATCH, seed=about.seed)

    per_epoch = data().steps_per_epoch
    options = OptimizerOptions("adam", lr=model.lr, schedule="timed", max_steps=max(1, epochs * per_epoch))

    def lesson(_: int) -> Lesson:
        # A training that is tried again begins with the same weights.
        return Lesson(copy.deepcopy(net), data(), objective, options, 0, precision=model.precision)

    return fit_net(lesson, place=f"model {model.name}", seed=about.seed, progress=about.progress)[0]
