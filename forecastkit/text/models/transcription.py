"""Sounds and pictures into text: what is usual and what is alike as baselines, a recurrent network with a CTC loss."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError, FitError
from forecastkit.text.frames import FramePairs, pad_frames
from forecastkit.text.models.options import check_options
from forecastkit.text.models.training import train_one
from forecastkit.text.protocol import FitAbout
from forecastkit.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer, pad

__all__ = ["Ctc", "Nearest", "Usual"]

PARTS = 6
"""Parts of a sound or picture whose means say how alike two of them are."""
MOST_COMPARED = 80
SMALL_STEPS, SMALL_PATIENCE = 600, 150
"""Steps at most, and without progress, where a pass over few sounds is few steps."""


@dataclass(frozen=True)
class Usual:
    """The one text that is nearest to all others, whatever is heard: the most frequent one where texts come again."""

    family: ClassVar[str] = "baseline"

    def fit(self, pairs: FramePairs, about: FitAbout, valid: FramePairs | None = None) -> _Known:
        """Choose it among ``MOST_COMPARED`` texts by its edits to as many."""
        from forecastkit.text.metrics import edits

        counts = Counter(pairs.target).most_common()
        order = [text for text, _ in counts]
        some = [order[k] for k in np.unique(np.linspace(0, len(order) - 1, MOST_COMPARED).astype(int))]
        best = order[0]
        if counts[0][1] < 2 * len(pairs) / len(order):  # no text is more usual than others
            best = min(some, key=lambda text: sum(edits(text, other) for other in some))
        return _Known(np.zeros((1, 1)), (best,), np.zeros(1), np.ones(1))

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Known:
        """See ``restore``."""
        return _Known.restore(arrays, meta)


@dataclass(frozen=True)
class Nearest:
    """The text of the sound or picture that is most alike: by the means of its parts and its length."""

    family: ClassVar[str] = "baseline"

    def fit(self, pairs: FramePairs, about: FitAbout, valid: FramePairs | None = None) -> _Known:
        """Keep them."""
        rows = np.stack([_summary(x) for x in pairs.source])
        centre, spread = rows.mean(axis=0), rows.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        return _Known((rows - centre) / spread, pairs.target, centre, spread)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Known:
        """See ``restore``."""
        return _Known.restore(arrays, meta)


def _summary(x: np.ndarray) -> np.ndarray:
    from forecastkit.reading.sounds import part_means

    return np.r_[part_means(x, PARTS), len(x)].astype(np.float64)


@dataclass(eq=False)
class _Known:
    """Texts with what they looked like; one text is said always."""

    rows: np.ndarray
    texts: tuple[str, ...]
    centre: np.ndarray
    spread: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sources: Sequence[np.ndarray], *, beam: int = 1) -> list[str]:
        if len(self.texts) == 1:
            return [self.texts[0]] * len(sources)
        asked = ((_summary(x) - self.centre) / self.spread for x in sources)
        return [self.texts[int(((self.rows - row) ** 2).sum(axis=1).argmin())] for row in asked]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return {"rows": self.rows, "centre": self.centre, "spread": self.spread}, {"texts": list(self.texts)}

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _Known:
        texts = tuple(str(t) for t in meta["texts"])
        if len(texts) != len(arrays["rows"]):
            raise ValueError("texts and rows differ in number")
        return cls(arrays["rows"], texts, arrays["centre"], arrays["spread"])


@dataclass(frozen=True)
class Ctc:
    """See ``forecastkit.nn.ctc.CtcNet``: characters come out in the order of the frames, at half as many steps.

    The padding of the tokenizer, 0, is the blank.

    Args:
        cell: ``rnn``, ``gru`` or ``lstm``.
        level: ``char`` or ``word``.
        hidden: states of both directions together.
        noise: added to the frames in training; band_dropout: share of the bands that are hidden there.
        epochs: passes at most; minutes: of training at most, 0 = no limit.
        steps: exactly so many, whatever the clock says; 0 = by epochs and minutes.
        patience: epochs without progress after which it stops.
    """

    cell: str = "gru"
    level: str = "char"
    hidden: int = 96
    layers: int = 1
    dropout: float = 0.2
    noise: float = 0.3
    band_dropout: float = 0.1
    lr: float = 5e-3
    weight_decay: float = 0.0
    batch_size: int = 16
    epochs: int = 60
    minutes: float = 3.0
    steps: int = 0
    patience: int = 10
    average: float = 0.99
    threads: int = 0

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = f"models.{self.cell}_ctc"
        check_options(
            self, place, choices={"cell": ("rnn", "gru", "lstm"), "level": ("char", "word")},
            counts=("hidden", "layers", "batch_size", "epochs", "patience"), shares=("dropout", "band_dropout", "average"),
            not_negative=("minutes", "steps", "threads", "noise"),
        )  # fmt: skip
        if self.hidden % 2:
            raise ConfigError(place=f"{place}.hidden", value=str(self.hidden), rule="an even number")

    def net(self, n_inputs: int, n_tokens: int) -> Any:
        """An untrained network."""
        from forecastkit.nn.ctc import CtcNet

        return CtcNet(
            n_inputs, n_tokens, self.hidden, cell=self.cell, layers=self.layers, dropout=self.dropout, noise=self.noise,
            band_dropout=self.band_dropout,
        )  # fmt: skip

    def fit(self, pairs: FramePairs, about: FitAbout, valid: FramePairs | None = None) -> _FittedCtc:
        """Learn; early stopping watches ``valid``.

        Raises:
            FitError: training diverged, or the texts are longer than what is read.
        """
        from forecastkit.nn.ctc import ctc_loss
        from forecastkit.text.batches import buckets
        from forecastkit.text.datamodule import TextDataModule

        tokenizer = Tokenizer.learn(pairs.target, self.level)
        rows, too_long = _that_fit(pairs, tokenizer)
        if 2 * len(rows) < len(pairs):
            raise FitError(
                place=f"model {self.cell}_ctc", value=f"{too_long} of {len(pairs)} texts",
                rule="have more characters than half the frames of their file", remedy="Choose seq2seq, or level=word.",
            )  # fmt: skip
        exact = about.n_steps or self.steps
        valid_batches = []
        if valid is not None and not exact:
            own, _ = _that_fit(valid, tokenizer)
            valid_batches = [_batch([own[i] for i in at]) for at in buckets(np.array([len(r[0]) for r in own]), 64)]

        def objective(net: Any, batch: Any) -> tuple[Any, ...]:
            x, lengths, tokens, n_tokens = batch
            log_p, steps = net(x, lengths)
            return ctc_loss(log_p, steps, tokens, n_tokens)

        sizes = np.array([len(r[0]) for r in rows])

        def data() -> TextDataModule:
            def make(at: np.ndarray) -> Any:
                return _batch([rows[i] for i in at])

            return TextDataModule(make, sizes, valid_batches, batch_size=self.batch_size, seed=about.seed)

        per_epoch = data().steps_per_epoch
        n_inputs = pairs.source[0].shape[1]
        net, info, curves = train_one(
            self, f"model {self.cell}_ctc", lambda: self.net(n_inputs, len(tokenizer)), data, objective, about,
            n_steps=exact or max(self.epochs * per_epoch, SMALL_STEPS),
            patience=max(self.patience, -(-SMALL_PATIENCE // per_epoch)), fixed=bool(exact),
        )  # fmt: skip
        return _FittedCtc(self, tokenizer, n_inputs, net, {**info, "too_long": too_long}, curves)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedCtc:
        """See ``restore``."""
        from forecastkit.nn.weights import with_weights

        model, tokenizer = cls(**meta["options"]), Tokenizer.restore(meta["tokenizer"])
        net = with_weights(model.net(int(meta["n_inputs"]), len(tokenizer)), arrays)
        return _FittedCtc(model, tokenizer, int(meta["n_inputs"]), net, {}, [])


def _that_fit(pairs: FramePairs, tokenizer: Tokenizer) -> tuple[list[tuple[np.ndarray, list[int]]], int]:
    """(rows whose text has room in the steps of the network, how many have not)."""
    from forecastkit.nn.ctc import steps_needed

    rows = [(x, tokenizer.encode(t)) for x, t in zip(pairs.source, pairs.target)]
    kept = [(x, ids) for x, ids in rows if steps_needed(ids) <= (len(x) + 1) // 2]
    return kept, len(rows) - len(kept)


def _batch(rows: Sequence[tuple[np.ndarray, list[int]]]) -> Any:
    import torch

    x, lengths = pad_frames([r[0] for r in rows])
    tokens, n_tokens = pad([r[1] for r in rows])
    return tuple(torch.from_numpy(a) for a in (x, lengths, tokens, n_tokens))


@dataclass(eq=False)
class _FittedCtc:
    model: Ctc
    tokenizer: Tokenizer
    n_inputs: int
    net: Any
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def translate(self, sources: Sequence[np.ndarray], *, beam: int = 8) -> list[str]:
        """Texts; a beam of 1 takes the likeliest character at each step."""
        from forecastkit.nn.ctc import best_path, prefix_beam

        said = []
        for log_p in self.log_probabilities(sources):
            log_p[:, [UNK, BOS, EOS]] = -np.inf
            said.append(self.tokenizer.decode(best_path(log_p) if beam == 1 else prefix_beam(log_p, beam)))
        return said

    def log_probabilities(self, sources: Sequence[np.ndarray]) -> list[np.ndarray]:
        """[S, V] of each: how likely each token, or the blank, is at each step."""
        import torch

        from forecastkit import runtime

        out = []
        with runtime.threads(1), torch.inference_mode():
            for x in sources:
                log_p, _ = self.net(torch.from_numpy(x)[None], torch.tensor([len(x)]))
                out.append(log_p[0].numpy().copy())
        return out

    def steps(self, source: np.ndarray) -> str:
        """The likeliest token at each step, ``·`` for the blank: where in time each one was found."""
        (log_p,) = self.log_probabilities([source])
        return "".join("·" if k == PAD else self.tokenizer.tokens[k] for k in log_p.argmax(axis=1))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``restore``."""
        from forecastkit.nn.weights import weights_of

        meta = {
            "options": dataclasses.asdict(self.model),
            "tokenizer": self.tokenizer.state(),
            "n_inputs": self.n_inputs,
        }
        return weights_of(self.net), meta
