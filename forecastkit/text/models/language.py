"""Recurrent language models: the next token of running text, the state carried along."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.runtime import PRECISIONS
from forecastkit.text.models.options import check_options
from forecastkit.text.models.training import train_one
from forecastkit.text.protocol import FitAbout
from forecastkit.text.tokenizer import Tokenizer

__all__ = ["RecurrentLanguageModel"]

SMALL_STEPS = 400
"""Steps at most on a text so small that some passes are few steps."""
WARM_UP = 150
"""Tokens that are read unscored before each piece of a text."""
LONG = 10
"""Minutes of training from which a large network pays."""
MANY = 1000
"""Tokens from which a vocabulary is one of words."""
WORDS = {"batch_size": 32, "window": 64, "dropout": 0.5, "input_dropout": 0.4, "weight_drop": 0.3}
"""Usual options for words and their pieces: of each there are few examples, so that much is dropped."""
SIGNS = {"batch_size": 64, "window": 120, "dropout": 0.3, "input_dropout": 0.1, "weight_drop": 0.2}
"""Usual options for characters and symbols."""


@dataclass(frozen=True)
class RecurrentLanguageModel:
    """See ``forecastkit.nn.texts.LanguageNet``.

    Args:
        cell: ``gru`` or ``lstm``.
        hidden, embedding: 0 = by level, size of the text and minutes.
        dropout, input_dropout: one mask for all steps, after the last layer and before the first.
        weight_drop: of recurrent weights (AWD-LSTM); all three: -1 = by the vocabulary, more of it for words than for characters.
        tie: the head is the embedding; words and pieces alone.
        window: steps that a gradient goes back; batch_size: pieces of the text side by side; 0 = by the vocabulary.
        epochs: passes over the text at most; minutes: of training at most, 0 = no limit.
        steps: exactly so many, whatever the clock says; 0 = by epochs and minutes.
        drawn: tokens that a step of training draws, beside its answers, in place of a vocabulary larger than that; 0 = none.
            Scores are always of the whole vocabulary.
        bidirectional: refused, with the reason.
        average: decay of the running mean of the weights.
        validate: steps between validations.
        threads: 0 = all cores; precision: ``auto``, ``32`` or ``bf16``.

    Source: Merity, Keskar and Socher (2018), arXiv:1708.02182 (AWD-LSTM).
    """

    cell: str = "lstm"
    hidden: int = 0
    embedding: int = 0
    layers: int = 1
    dropout: float = -1.0
    input_dropout: float = -1.0
    weight_drop: float = -1.0
    tie: bool = True
    bidirectional: bool = False
    lr: float = 4e-3
    weight_decay: float = 0.0
    batch_size: int = 0
    window: int = 0
    epochs: int = 40
    minutes: float = 1.5
    steps: int = 0
    drawn: int = 4096
    patience: int = 6
    average: float = 0.99
    validate: int = 200
    threads: int = 0
    precision: str = "auto"

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = f"models.{self.cell}_lm"
        if self.bidirectional:
            raise ConfigError(
                place=f"{place}.bidirectional", value="true", rule="a language model may not read backwards: the next word would be its own input",
                remedy="Leave it out.",
            )  # fmt: skip
        # 0 and -1 are left to ``sized``.
        by_size = [
            name for name, value in WORDS.items() if getattr(self, name) == (0 if isinstance(value, int) else -1)
        ]
        check_options(
            self, place, choices={"precision": PRECISIONS},
            counts=[n for n in ("layers", "batch_size", "window", "epochs", "validate") if n not in by_size],
            shares=[n for n in ("dropout", "input_dropout", "weight_drop", "average") if n not in by_size],
            not_negative=("hidden", "embedding", "minutes", "steps", "drawn", "threads"),
        )  # fmt: skip

    def net(self, n_tokens: int, hidden: int, embedding: int, level: str) -> Any:
        """An untrained network."""
        from forecastkit.nn.texts import LanguageNet

        # Of a hundred characters the head is small: it keeps its own weights.
        return LanguageNet(
            n_tokens, embedding, self.cell, hidden, layers=self.layers, dropout=self.dropout, input_dropout=self.input_dropout,
            weight_drop=self.weight_drop, tie=self.tie and level != "char",
        )  # fmt: skip

    def sizes(self, n_ids: int, level: str) -> tuple[int, int]:
        """(hidden, embedding)."""
        patient = self.minutes == 0 or self.minutes >= LONG or self.steps > 0
        # Recurrent weights of 512 units fit the cache of a core in bfloat16; with 768 a step takes 2.5 times as long.
        large = 512 if patient else 256
        hidden = self.hidden or (64 if n_ids < 20_000 else 128 if n_ids < 200_000 else large)
        embedding = self.embedding or (64 if level == "char" else min(hidden, 256))
        return hidden, embedding

    def sized(self, n_tokens: int) -> RecurrentLanguageModel:
        """Itself, with the usual options of such a vocabulary where none was chosen."""
        usual = WORDS if n_tokens > MANY else SIGNS
        left = {name: v for name, v in usual.items() if getattr(self, name) == (0 if isinstance(v, int) else -1)}
        return dataclasses.replace(self, **left)  # type: ignore[arg-type]

    def fit(
        self, ids: np.ndarray, tokenizer: Tokenizer, about: FitAbout, valid: np.ndarray | None = None
    ) -> _FittedLanguageModel:
        """Learn from ids [N]; early stopping watches ``valid``.

        Raises:
            FitError: training diverged.
        """
        return self.sized(len(tokenizer))._learn(ids, tokenizer, about, valid)

    def _learn(
        self, ids: np.ndarray, tokenizer: Tokenizer, about: FitAbout, valid: np.ndarray | None
    ) -> _FittedLanguageModel:
        import torch

        from forecastkit.nn.losses import sampled_softmax
        from forecastkit.text.datamodule import StreamDataModule

        hidden, embedding = self.sizes(len(ids), tokenizer.level)
        # A token that never comes is drawn as well: the network must learn that it does not.
        share = torch.from_numpy(np.bincount(ids, minlength=len(tokenizer)) + 1.0)
        share /= share.sum()
        drawn = self.drawn if len(tokenizer) > self.drawn else 0
        states: dict[bool, Any] = {}

        def objective(net: Any, batch: Any) -> tuple[Any, ...]:
            out, state = net.read(batch.ids, None if batch.fresh else states.get(net.training))
            # The gradient ends here; what was read does not.
            states[net.training] = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            out, answer = out.flatten(0, 1), batch.following.flatten()
            n = share.new_tensor(float(len(answer))).float()
            if net.training and drawn:
                return sampled_softmax(out, net.head, answer, share, drawn), n
            logits = net.head(out).float()
            loss = torch.nn.functional.cross_entropy(logits, answer, reduction="sum")
            return (loss, n) if net.training else (loss, n, (logits.argmax(dim=-1) == answer).sum(), n)

        batch = max(1, min(self.batch_size, len(ids) // (4 * self.window)))
        a_pass = max(1, -(-len(ids) // (batch * self.window)))
        exact = about.n_steps or self.steps
        fixed = bool(exact) or valid is None
        n_steps = exact or max(self.epochs * a_pass, SMALL_STEPS)
        per_epoch = min(self.validate, max(a_pass, 25))

        def data() -> StreamDataModule:
            return StreamDataModule(
                ids, np.zeros(0, np.int64) if fixed or valid is None else valid, batch_size=batch, window=self.window,
                steps_per_epoch=per_epoch, seed=about.seed,
            )  # fmt: skip

        net, info, curves = train_one(
            self, f"model {self.cell}_lm", lambda: self.net(len(tokenizer), hidden, embedding, tokenizer.level), data, objective, about,
            n_steps=n_steps, patience=self.patience, fixed=fixed, work=hidden * batch,
        )  # fmt: skip
        info |= {"hidden": hidden, "embedding": embedding}
        return _FittedLanguageModel(self, tokenizer, net, (hidden, embedding), info, curves)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLanguageModel:
        """See ``restore``."""
        from forecastkit.nn.weights import with_weights

        model = cls(**meta["options"])
        tokenizer = Tokenizer.restore(meta["tokenizer"])
        sizes = (int(meta["hidden"]), int(meta["embedding"]))
        net = with_weights(model.net(len(tokenizer), *sizes, tokenizer.level), arrays)
        return _FittedLanguageModel(model, tokenizer, net, sizes, {}, [])


@dataclass(eq=False)
class _FittedLanguageModel:
    model: RecurrentLanguageModel
    tokenizer: Tokenizer
    net: Any
    sizes: tuple[int, int]
    info: dict[str, Any]
    curves: list[dict[str, float]] = field(default_factory=list)

    def nll(self, context: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """[N] nats of each of ``ids``, given what stands before it.

        Long texts are read as pieces side by side, each after ``WARM_UP`` tokens of what stands before it.
        """
        import torch

        from forecastkit import runtime

        context, ids = np.asarray(context, np.int64), np.asarray(ids, np.int64)
        whole = np.r_[context, ids]
        n_pieces = int(np.clip(len(ids) // 2000, 1, 32))
        size = -(-len(ids) // n_pieces)
        starts = len(context) + np.arange(0, len(ids), size)
        warm = min(WARM_UP, int(starts.min()))
        if warm == 0:  # nothing stands before: the first token is a guess
            whole, starts, warm = np.r_[self.tokenizer.id_of("\n"), whole], starts + 1, 1
        at = np.minimum(starts[:, None] - warm + np.arange(size + warm), len(whole) - 1)
        rows = torch.from_numpy(whole[at])
        out = np.zeros((len(starts), size))
        state: Any = None
        with runtime.threads(self.model.threads or None), torch.inference_mode():
            for k in range(0, size + warm - 1, 128):
                x = rows[:, k : k + 128]
                logits, state = self.net(x, state)
                y = rows[:, k + 1 : k + 129]
                loss = torch.log_softmax(logits[:, : y.shape[1]], dim=-1).gather(2, y[..., None])[..., 0]
                columns = np.arange(k + 1, k + 1 + y.shape[1]) - warm
                real = columns >= 0
                out[:, columns[real]] = -loss.double().numpy()[:, real]
        flat: np.ndarray = out.reshape(-1)[: len(ids)]
        return flat

    def next(self, context: np.ndarray) -> np.ndarray:
        """[V] probabilities of the token after ``context``."""
        walk = self.walker()
        tail = np.asarray(context, np.int64)[-1000:]
        return walk(tail if len(tail) else np.array([self.tokenizer.id_of("\n")]))

    def walker(self) -> Any:
        """A function that reads more ids and says the probabilities [V] of the next; it remembers."""
        import torch

        from forecastkit import runtime

        memory: list[Any] = [None]

        def walk(ids: np.ndarray) -> np.ndarray:
            with runtime.threads(1), torch.inference_mode():
                logits, memory[0] = self.net(torch.from_numpy(np.asarray(ids, np.int64))[None], memory[0])
                p: np.ndarray = torch.softmax(logits[0, -1], dim=-1).double().numpy()
            return p

        return walk

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``restore``."""
        from forecastkit.nn.weights import weights_of

        meta = {"options": dataclasses.asdict(self.model), "tokenizer": self.tokenizer.state()}
        return weights_of(self.net), {**meta, "hidden": self.sizes[0], "embedding": self.sizes[1]}
