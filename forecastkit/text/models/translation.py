"""Translation: copy and word-by-word dictionary as baselines, encoder and decoder with attention, beam search."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError, FitError, near
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import Pairs
from forecastkit.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, pad, split_words

__all__ = ["Copy", "Dictionary", "Seq2Seq", "beam_search"]

SMALL_STEPS, SMALL_PATIENCE = 800, 120
"""Steps at most, and without progress, where a pass over few pairs is few steps."""


@dataclass(frozen=True)
class Copy:
    """The source sentence as it is: names and numbers are right."""

    family: ClassVar[str] = "baseline"

    def fit(self, pairs: Pairs, about: FitAbout, valid: Pairs | None = None) -> _Copied:
        """Nothing is learnt."""
        return _Copied()

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Copied:
        """See ``restore``."""
        return _Copied()


@dataclass(eq=False)
class _Copied:
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sentences: Sequence[str], *, beam: int = 1) -> list[str]:
        return list(sentences)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"none": np.zeros(1)}, {}


@dataclass(frozen=True)
class Dictionary:
    """Each word by the word of the other side that it explains best, in the order of the source.

    Args:
        rounds: of expectation and maximisation.

    Source: model 1 of Brown et al. (1993), "The mathematics of statistical machine translation".
    """

    rounds: int = 5

    family: ClassVar[str] = "baseline"

    def fit(self, pairs: Pairs, about: FitAbout, valid: Pairs | None = None) -> _Words:
        """Count which words explain which."""
        started = time.perf_counter()
        # Signs stay what they are; with them, every article would be explained by the full stop.
        source, target = (
            [[w.lower() for w in split_words(s) if w[0].isalnum()] for s in side]
            for side in (pairs.source, pairs.target)
        )
        chance: dict[str, dict[str, float]] = defaultdict(dict)
        for a, b in zip(source, target):
            for x in set(a):
                for y in set(b):
                    chance[x][y] = 1.0
        for _ in range(max(1, self.rounds)):
            counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
            for a, b in zip(source, target):
                for y in b:
                    weights = [chance[x].get(y, 0.0) for x in a]
                    total = sum(weights)
                    if total > 0:
                        for x, w in zip(a, weights):
                            counts[x][y] += w / total
            chance = defaultdict(dict)
            for x, found in counts.items():
                whole = sum(found.values())
                chance[x] = {y: c / whole for y, c in found.items() if c > 1e-4 * whole}
        best = {x: max(found, key=lambda y: (found[y], y)) for x, found in chance.items() if found}
        return _Words(best, {"seconds": time.perf_counter() - started, "n_parameters": len(best)})

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Words:
        """See ``restore``."""
        return _Words({str(k): str(v) for k, v in meta["words"].items()}, {})


@dataclass(eq=False)
class _Words:
    words: dict[str, str]
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sentences: Sequence[str], *, beam: int = 1) -> list[str]:
        out = []
        tokenizer = Tokenizer("word", ("<pad>", "<unk>", "<s>", "</s>"))
        for sentence in sentences:
            words = [self.words.get(w.lower(), w) for w in split_words(sentence)]
            known = dataclasses.replace(tokenizer, tokens=(*tokenizer.tokens, *dict.fromkeys(words)))
            said = known.decode([known.id_of(w) for w in words])
            out.append(said[:1].upper() + said[1:])
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"none": np.zeros(1)}, {"words": self.words}


@dataclass(frozen=True)
class Seq2Seq:
    """See ``forecastkit.nn.attention.Seq2SeqNet``.

    Args:
        cell: ``gru`` or ``lstm``; attention: ``luong`` or ``bahdanau``.
        level, vocabulary, min_count: of both sides.
        epochs: passes at most; ``minutes`` of training at most, 0 = no limit.
        length_penalty: exponent of the length by which a beam's score is divided.
    """

    cell: str = "gru"
    attention: str = "luong"
    level: str = "word"
    vocabulary: int = 12_000
    min_count: int = 2
    embedding: int = 128
    hidden: int = 256
    dropout: float = 0.3
    smoothing: float = 0.1
    lr: float = 3e-3
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 15
    minutes: float = 0.0
    patience: int = 3
    average: float = 0.995
    max_length: int = 60
    length_penalty: float = 0.8

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        for name, allowed in {
            "cell": ("gru", "lstm"),
            "attention": ("luong", "bahdanau"),
            "level": ("word", "subword", "char"),
        }.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(
                    place=f"models.seq2seq.{name}", value=repr(getattr(self, name)), rule="no such choice", remedy=near(getattr(self, name), allowed)
                )  # fmt: skip
        for name in ("embedding", "hidden", "batch_size", "epochs", "max_length", "vocabulary"):
            if not 1 <= getattr(self, name) <= 1_000_000:
                raise ConfigError(
                    place=f"models.seq2seq.{name}", value=str(getattr(self, name)), rule="from 1 to 1000000"
                )
        if self.hidden % 2:
            raise ConfigError(place="models.seq2seq.hidden", value=str(self.hidden), rule="an even number")
        if not 0 <= self.dropout < 1 or not self.lr > 0:
            raise ConfigError(place="models.seq2seq", rule="dropout is from 0 to below 1 and lr above 0")

    def net(self, n_source: int, n_target: int) -> Any:
        """An untrained network."""
        from forecastkit.nn.attention import Seq2SeqNet

        return Seq2SeqNet(n_source, n_target, self.embedding, self.hidden, cell=self.cell, kind=self.attention, dropout=self.dropout)  # fmt: skip

    def fit(self, pairs: Pairs, about: FitAbout, valid: Pairs | None = None) -> _FittedSeq2Seq:
        """Learn; early stopping watches ``valid``.

        Raises:
            FitError: training diverged.
        """
        from torch.nn import functional

        from forecastkit import runtime
        from forecastkit.text.datamodule import TextDataModule, buckets
        from forecastkit.training.module import DivergedError, OptimizerOptions, TrainingModule
        from forecastkit.training.trainer import train

        started = time.perf_counter()
        min_count = self.min_count if len(pairs) >= 2000 else 1
        a, b = (
            Tokenizer.learn(side, self.level, size=self.vocabulary, min_count=min_count) for side in (pairs.source, pairs.target)
        )  # fmt: skip
        rows = _encoded(pairs, a, b, self.max_length)

        def make(at: np.ndarray, rows: Any = rows) -> Any:
            return _pair_batch([rows[i] for i in at])

        valid_batches = []
        if valid is not None and about.n_steps is None:
            own = _encoded(valid, a, b, self.max_length)
            valid_batches = [make(at, own) for at in buckets(np.array([len(r[1]) for r in own]), 256)]

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            source, lengths, target = batch
            logits = net(source, lengths, target[:, :-1])
            answer = target[:, 1:].reshape(-1)
            smoothing = self.smoothing if net.training else 0.0
            loss = functional.cross_entropy(
                logits.flatten(0, 1), answer, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
            )
            return loss, (answer != PAD).sum().to(loss.dtype)

        with runtime.threads(1), runtime.seeded(about.seed):
            net = self.net(len(a), len(b))
            data = TextDataModule(make, np.array([len(r[1]) for r in rows]), valid_batches, batch_size=self.batch_size, seed=about.seed)  # fmt: skip
            per_epoch = data.steps_per_epoch
            n_steps = max(1, about.n_steps) if about.n_steps is not None else max(self.epochs * per_epoch, SMALL_STEPS)
            patience = max(self.patience, -(-SMALL_PATIENCE // per_epoch))
            deadline = time.monotonic() + 60 * self.minutes if self.minutes > 0 else None
            options = OptimizerOptions(
                lr=self.lr, weight_decay=self.weight_decay, max_steps=n_steps, average=self.average
            )
            module = TrainingModule(net, objective, objective, options, deadline=deadline)
            try:
                trained = train(
                    module, data, max_steps=n_steps, steps_per_epoch=per_epoch, patience=patience, progress=about.progress
                )  # fmt: skip
            except DivergedError:
                raise FitError(
                    place="model seq2seq", rule="training diverged", remedy="Lower models.seq2seq.lr."
                ) from None
        net.eval()
        info = {
            "best_step": trained.best_step, "n_parameters": sum(p.numel() for p in net.parameters()),
            "vocabulary": [len(a), len(b)], "seconds": time.perf_counter() - started,
        }  # fmt: skip
        return _FittedSeq2Seq(self, a, b, net, info, [{**row, "seed": about.seed} for row in trained.curves])

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedSeq2Seq:
        """See ``restore``."""
        import torch

        model = cls(**meta["options"])
        a, b = (Tokenizer.restore(meta[side]) for side in ("source", "target"))
        net = model.net(len(a), len(b))
        net.load_state_dict({key: torch.from_numpy(v) for key, v in arrays.items()})
        net.eval()
        return _FittedSeq2Seq(model, a, b, net, {}, [])


def _encoded(pairs: Pairs, a: Tokenizer, b: Tokenizer, most: int) -> list[tuple[list[int], list[int]]]:
    return [([*a.encode(s)[:most], EOS], [BOS, *b.encode(t)[:most], EOS]) for s, t in zip(pairs.source, pairs.target)]


def _pair_batch(rows: Sequence[tuple[list[int], list[int]]]) -> Any:
    import torch

    source, lengths = pad([r[0] for r in rows])
    target, _ = pad([r[1] for r in rows])
    return torch.from_numpy(source), torch.from_numpy(lengths), torch.from_numpy(target)


@dataclass(eq=False)
class _FittedSeq2Seq:
    model: Seq2Seq
    source: Tokenizer
    target: Tokenizer
    net: Any
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sentences: Sequence[str], *, beam: int = 5) -> list[str]:
        """The likeliest sentences that a beam of this width finds; an unknown word is never written."""
        from forecastkit import runtime

        with runtime.threads(1):
            return [self._one(s, beam) for s in sentences]

    def _one(self, sentence: str, beam: int) -> str:
        ids = [*self.source.encode(sentence)[: self.model.max_length], EOS]
        found = beam_search(self.net, ids, beam=beam, most=2 * len(ids) + 8, penalty=self.model.length_penalty)
        return self.target.decode(found)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``restore``."""
        arrays = {key: v.detach().cpu().numpy().copy() for key, v in self.net.state_dict().items()}
        meta = {"options": dataclasses.asdict(self.model), "source": self.source.state(), "target": self.target.state()}
        return arrays, meta


def beam_search(net: Any, source: Sequence[int], *, beam: int, most: int, penalty: float = 0.8) -> list[int]:
    """Ids of the best sentence without start and end.

    Sentences are compared by log-probability over length to the power of ``penalty``.
    """
    import torch

    with torch.inference_mode():
        states, keys, seen, first = net.encode(torch.tensor([list(source)]), torch.tensor([len(source)]))
        state = net.start(first)
        tokens = torch.full((1, 1), BOS)
        scores = torch.zeros(1)
        done: list[tuple[float, list[int]]] = []
        for step in range(1, most + 1):
            n = len(tokens)
            logits, state = net.decode(
                tokens[:, -1:], state, states.expand(n, -1, -1), keys.expand(n, -1, -1), seen.expand(n, -1)
            )
            log_p = torch.log_softmax(logits[:, -1], dim=-1)
            log_p[:, [PAD, UNK, BOS]] = float("-inf")
            total = (scores[:, None] + log_p).flatten()
            best, at = total.topk(min(2 * beam, len(total)))
            row, token = at // log_p.shape[1], at % log_p.shape[1]
            ended = token == EOS
            for value, r in zip(best[ended].tolist(), row[ended].tolist()):
                done.append((value / step**penalty, tokens[r, 1:].tolist()))
            keep = torch.nonzero(~ended)[:beam, 0]
            if not len(keep):
                break
            row, scores = row[keep], best[keep]
            # A sentence that goes on can at best keep its score: longer ones are divided by more.
            if len(done) >= beam and max(done)[0] >= float(scores[0]) / most**penalty:
                break
            tokens = torch.cat([tokens[row], token[keep][:, None]], dim=1)
            state = tuple(s[:, row] for s in state) if isinstance(state, tuple) else state[:, row]
        if not done:
            done = [(float(s), t[1:].tolist()) for s, t in zip(scores, tokens)]
    return max(done)[1]
