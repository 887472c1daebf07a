"""Translation: copy and word-by-word dictionary as baselines, encoder and decoder with attention, beam search."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.runtime import PRECISIONS
from forecastkit.text.frames import FramePairs, pad_frames
from forecastkit.text.models.options import check_options
from forecastkit.text.models.training import train_one
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import Pairs
from forecastkit.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, pad, split_words

Source = Pairs | FramePairs

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
        return _Words(best, {"n_parameters": len(best)})

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
        level, vocabulary, min_count: of both sides; min_count is of words.
        layers: of the encoder and of the decoder.
        weight_drop: of recurrent weights; word_dropout: source words taken out whole in training.
        epochs: passes at most; minutes: of training at most, 0 = no limit.
        steps: exactly so many, whatever the clock says; 0 = by epochs and minutes.
        length_penalty: exponent of the length by which a beam's score is divided (Wu et al. 2016, arXiv:1609.08144).
        threads: 0 = all cores; precision: ``auto``, ``32`` or ``bf16``.
    """

    cell: str = "gru"
    attention: str = "luong"
    level: str = "word"
    vocabulary: int = 12_000
    min_count: int = 2
    embedding: int = 128
    hidden: int = 256
    layers: int = 1
    dropout: float = 0.3
    weight_drop: float = 0.0
    word_dropout: float = 0.0
    smoothing: float = 0.1
    lr: float = 3e-3
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 40
    minutes: float = 1.5
    steps: int = 0
    patience: int = 5
    average: float = 0.995
    max_length: int = 60
    length_penalty: float = 0.8
    threads: int = 0
    precision: str = "auto"

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = "models.seq2seq"
        check_options(
            self, place,
            choices={"cell": ("gru", "lstm"), "attention": ("luong", "bahdanau"), "level": ("word", "subword", "char"), "precision": PRECISIONS},
            counts=("embedding", "hidden", "layers", "batch_size", "epochs", "max_length", "vocabulary"),
            shares=("dropout", "weight_drop", "word_dropout", "smoothing", "average"), not_negative=("minutes", "steps", "threads"),
        )  # fmt: skip
        if self.hidden % 2:
            raise ConfigError(place=f"{place}.hidden", value=str(self.hidden), rule="an even number")

    def net(self, n_source: int, n_target: int, *, frames: bool = False) -> Any:
        """An untrained network."""
        from forecastkit.nn.attention import Seq2SeqNet

        return Seq2SeqNet(
            n_source, n_target, self.embedding, self.hidden, cell=self.cell, kind=self.attention, layers=self.layers,
            dropout=self.dropout, weight_drop=self.weight_drop, word_dropout=self.word_dropout, frames=frames,
        )  # fmt: skip

    def fit(self, pairs: Source, about: FitAbout, valid: Source | None = None) -> _FittedSeq2Seq:
        """Learn; early stopping watches ``valid``. Sounds and pictures are read frame by frame.

        Raises:
            FitError: training diverged.
        """
        from torch.nn import functional

        from forecastkit.text.batches import buckets
        from forecastkit.text.datamodule import TextDataModule

        min_count = self.min_count if len(pairs) >= 2000 else 1
        b = Tokenizer.learn(pairs.target, self.level, size=self.vocabulary, min_count=min_count)
        if isinstance(pairs, Pairs):
            a: Tokenizer | None = Tokenizer.learn(pairs.source, self.level, size=self.vocabulary, min_count=min_count)
            n_source = len(a or ())
        else:
            a, n_source = None, pairs.source[0].shape[1]
        rows = _encoded(pairs, a, b, self.max_length)

        def make(at: np.ndarray, rows: Any = rows) -> Any:
            return _pair_batch([rows[i] for i in at])

        exact = about.n_steps or self.steps
        valid_batches = []
        if valid is not None and not exact:
            own = _encoded(valid, a, b, self.max_length)
            valid_batches = [make(at, own) for at in buckets(np.array([len(r[1]) for r in own]), 256)]

        def objective(net: Any, batch: Any) -> tuple[Any, ...]:
            source, lengths, target = batch
            logits = net(source, lengths, target[:, :-1]).float().flatten(0, 1)
            answer = target[:, 1:].reshape(-1)
            smoothing = self.smoothing if net.training else 0.0
            loss = functional.cross_entropy(
                logits, answer, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
            )
            real = answer != PAD
            n = real.sum().to(loss.dtype)
            return (loss, n) if net.training else (loss, n, ((logits.argmax(dim=-1) == answer) & real).sum(), n)

        def data() -> TextDataModule:
            lengths = np.array([len(r[1]) for r in rows])
            return TextDataModule(make, lengths, valid_batches, batch_size=self.batch_size, seed=about.seed)

        per_epoch = data().steps_per_epoch
        net, info, curves = train_one(
            self, "model seq2seq", lambda: self.net(n_source, len(b), frames=a is None), data, objective, about,
            n_steps=exact or max(self.epochs * per_epoch, SMALL_STEPS),
            patience=max(self.patience, -(-SMALL_PATIENCE // per_epoch)), fixed=bool(exact), work=self.hidden * self.batch_size,
        )  # fmt: skip
        return _FittedSeq2Seq(self, a, b, net, {**info, "vocabulary": [n_source, len(b)]}, curves)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedSeq2Seq:
        """See ``restore``."""
        from forecastkit.nn.weights import with_weights

        model = cls(**meta["options"])
        a = Tokenizer.restore(meta["source"]) if isinstance(meta["source"], dict) else None
        b = Tokenizer.restore(meta["target"])
        net = model.net(int(meta["source"]) if a is None else len(a), len(b), frames=a is None)
        net = with_weights(net, arrays)
        return _FittedSeq2Seq(model, a, b, net, {}, [])


def _ids(source: Any, a: Tokenizer | None, most: int) -> Any:
    """Ids of a sentence; frames as they are."""
    return source if a is None else [*a.encode(source)[:most], EOS]


def _encoded(pairs: Source, a: Tokenizer | None, b: Tokenizer, most: int) -> list[tuple[Any, list[int]]]:
    return [(_ids(s, a, most), [BOS, *b.encode(t)[:most], EOS]) for s, t in zip(pairs.source, pairs.target)]


def _pair_batch(rows: Sequence[tuple[Any, list[int]]]) -> Any:
    import torch

    sources = [r[0] for r in rows]
    source, lengths = pad(sources) if isinstance(sources[0], list) else pad_frames(sources)
    target, _ = pad([r[1] for r in rows])
    return torch.from_numpy(source), torch.from_numpy(lengths), torch.from_numpy(target)


@dataclass(eq=False)
class _FittedSeq2Seq:
    model: Seq2Seq
    source: Tokenizer | None
    target: Tokenizer
    net: Any
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sentences: Sequence[Any], *, beam: int = 5) -> list[str]:
        """The likeliest sentences that a beam of this width finds; an unknown word is never written."""
        from forecastkit import runtime

        with runtime.threads(1):
            return [self._one(s, beam) for s in sentences]

    def _one(self, sentence: Any, beam: int) -> str:
        ids = _ids(sentence, self.source, self.model.max_length)
        most = self.model.max_length if self.source is None else 2 * len(ids) + 8
        found = beam_search(self.net, ids, beam=beam, most=most, penalty=self.model.length_penalty)
        return self.target.decode(found)

    def sureness(self, sentences: Sequence[str], said: Sequence[str]) -> np.ndarray:
        """[N] in 0 to 1, how sure the network is of what it said: the geometric mean of its probabilities of the tokens, times
        the share of the sentence's tokens that it knows.
        """
        import torch

        pairs = Pairs(tuple(sentences), tuple(said))
        rows = _encoded(pairs, self.source, self.target, max(self.model.max_length, *(len(t) + 1 for t in said)))
        out = np.zeros(len(rows))
        with torch.inference_mode():
            for k, row in enumerate(rows):
                source, lengths, target = _pair_batch([row])
                log_p = torch.log_softmax(self.net(source, lengths, target[:, :-1]).float(), dim=-1)
                mean = log_p.gather(2, target[:, 1:, None]).mean()
                out[k] = float(mean.exp()) * self._known(row[0])
        return out

    def _known(self, source: Any) -> float:
        """Share of the tokens of a sentence that are known; of frames there is nothing to know."""
        if self.source is None:
            return 1.0
        return float(np.mean([i != UNK for i in source[:-1]])) if len(source) > 1 else 0.0

    def attention(self, sentence: Any, beam: int = 5) -> tuple[list[str], list[str], np.ndarray]:
        """(source tokens, written tokens, [written, source] how much each source token counted for each written one)."""
        import torch

        source = _ids(sentence, self.source, self.model.max_length)
        written = [BOS, *self.target.encode(self._one(sentence, beam)), EOS]
        with torch.inference_mode():
            _, keys, seen, first = self.net.encode(
                torch.as_tensor(np.asarray(source))[None], torch.tensor([len(source)])
            )
            out, _ = self.net.decoder(self.net.target_words(torch.tensor([written[:-1]])), self.net.start(first))
            weights = self.net.attention.weights(out, keys, seen)[0].numpy()
        names = [str(k + 1) if self.source is None else self.source.tokens[i] for k, i in enumerate(source)]
        return names, [self.target.tokens[i] for i in written[1:]], weights

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``restore``."""
        from forecastkit.nn.weights import weights_of

        source = self.net.source_words.in_features if self.source is None else self.source.state()
        meta = {"options": dataclasses.asdict(self.model), "source": source, "target": self.target.state()}
        return weights_of(self.net), meta


def beam_search(
    net: Any, source: Sequence[int] | np.ndarray, *, beam: int, most: int, penalty: float = 0.8
) -> list[int]:
    """Ids of the best sentence without start and end.

    Sentences are compared by log-probability over length to the power of ``penalty``.
    """
    import torch

    with torch.inference_mode():
        states, keys, seen, first = net.encode(torch.as_tensor(np.asarray(source))[None], torch.tensor([len(source)]))
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
