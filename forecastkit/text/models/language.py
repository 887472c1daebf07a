"""Recurrent language models: the next token of running text, the state carried along."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from forecastkit.errors import ConfigError, FitError
from forecastkit.text.protocol import FitAbout
from forecastkit.text.tokenizer import Tokenizer

__all__ = ["RecurrentLanguageModel"]

SMALL_STEPS = 400
"""Steps at most on a text so small that some passes are few steps."""
WARM_UP = 150
"""Tokens that are read unscored before each piece of a text."""


@dataclass(frozen=True)
class RecurrentLanguageModel:
    """See ``forecastkit.nn.texts.LanguageNet``.

    Args:
        cell: ``gru`` or ``lstm``.
        hidden, embedding: 0 = by level and size of the text.
        weight_drop: of recurrent weights (AWD-LSTM).
        tie: the head is the embedding.
        window: steps that a gradient goes back.
        epochs: passes over the text at most; ``minutes`` of training at most, 0 = no limit.
        bidirectional: refused, with the reason.
        average: decay of the running mean of the weights.
        validate: steps between validations.
    """

    cell: str = "lstm"
    hidden: int = 0
    embedding: int = 0
    layers: int = 1
    dropout: float = 0.2
    weight_drop: float = 0.0
    tie: bool = True
    bidirectional: bool = False
    lr: float = 3e-3
    weight_decay: float = 0.0
    batch_size: int = 32
    window: int = 80
    epochs: int = 12
    minutes: float = 0.0
    patience: int = 4
    average: float = 0.99
    validate: int = 200

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        place = f"models.{self.cell}_lm"
        if self.bidirectional:
            raise ConfigError(
                place=f"{place}.bidirectional", value="true", rule="a language model may not read backwards: the next word would be its own input",
                remedy="Leave it out.",
            )  # fmt: skip
        for name in ("layers", "batch_size", "window", "epochs", "validate"):
            if not 1 <= getattr(self, name) <= 100_000:
                raise ConfigError(place=f"{place}.{name}", value=str(getattr(self, name)), rule="from 1 to 100000")
        for name in ("dropout", "weight_drop", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(place=f"{place}.{name}", value=str(getattr(self, name)), rule="from 0 to below 1")
        if not self.lr > 0 or self.hidden < 0 or self.embedding < 0:
            raise ConfigError(place=place, rule="lr is above 0, hidden and embedding are not negative")

    def net(self, n_tokens: int, hidden: int, embedding: int) -> Any:
        """An untrained network."""
        from forecastkit.nn.texts import LanguageNet

        return LanguageNet(
            n_tokens, embedding, self.cell, hidden, layers=self.layers, dropout=self.dropout, weight_drop=self.weight_drop, tie=self.tie
        )  # fmt: skip

    def sizes(self, n_ids: int, level: str) -> tuple[int, int]:
        """(hidden, embedding)."""
        hidden = self.hidden or (64 if n_ids < 20_000 else 128 if n_ids < 200_000 else 256)
        embedding = self.embedding or (64 if level == "char" else min(hidden, 128))
        return hidden, embedding

    def fit(
        self, ids: np.ndarray, tokenizer: Tokenizer, about: FitAbout, valid: np.ndarray | None = None
    ) -> _FittedLanguageModel:
        """Learn from ids [N]; early stopping watches ``valid``.

        Raises:
            FitError: training diverged.
        """
        from torch.nn import functional

        from forecastkit import runtime
        from forecastkit.text.datamodule import StreamDataModule
        from forecastkit.training.module import DivergedError, OptimizerOptions, TrainingModule
        from forecastkit.training.trainer import train

        started = time.perf_counter()
        hidden, embedding = self.sizes(len(ids), tokenizer.level)
        states: dict[bool, Any] = {}

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            before = None if batch.fresh else states.get(net.training)
            logits, state = net(batch.ids, before)
            # The gradient ends here; what was read does not.
            states[net.training] = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            loss = functional.cross_entropy(logits.flatten(0, 1), batch.following.flatten(), reduction="sum")
            return loss, logits.new_tensor(float(batch.following.numel()))

        with runtime.threads(1), runtime.seeded(about.seed):
            net = self.net(len(tokenizer), hidden, embedding)
            batch = max(1, min(self.batch_size, len(ids) // (4 * self.window)))
            a_pass = max(1, -(-len(ids) // (batch * self.window)))
            fixed = about.n_steps is not None or valid is None
            n_steps = max(1, about.n_steps) if about.n_steps is not None else max(self.epochs * a_pass, SMALL_STEPS)
            per_epoch = min(self.validate, max(a_pass, 25))
            data = StreamDataModule(
                ids, np.zeros(0, np.int64) if fixed or valid is None else valid, batch_size=batch, window=self.window,
                steps_per_epoch=per_epoch, seed=about.seed,
            )  # fmt: skip
            options = OptimizerOptions(lr=self.lr, weight_decay=self.weight_decay, clip=0.5, max_steps=n_steps, average=self.average)  # fmt: skip
            deadline = time.monotonic() + 60 * self.minutes if self.minutes > 0 else None
            module = TrainingModule(net, objective, objective, options, deadline=deadline)
            try:
                trained = train(
                    module, data, max_steps=n_steps, steps_per_epoch=per_epoch, patience=self.patience, progress=about.progress
                )  # fmt: skip
            except DivergedError:
                raise FitError(place=f"model {self.cell}_lm", rule="training diverged", remedy=f"Lower models.{self.cell}_lm.lr.") from None  # fmt: skip
        net.eval()
        info = {
            "best_step": trained.best_step, "n_parameters": sum(p.numel() for p in net.parameters()), "hidden": hidden,
            "embedding": embedding, "seconds": time.perf_counter() - started,
        }  # fmt: skip
        curves = [{**row, "seed": about.seed} for row in trained.curves]
        return _FittedLanguageModel(self, tokenizer, net, (hidden, embedding), info, curves)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedLanguageModel:
        """See ``restore``."""
        import torch

        model = cls(**meta["options"])
        tokenizer = Tokenizer.restore(meta["tokenizer"])
        sizes = (int(meta["hidden"]), int(meta["embedding"]))
        net = model.net(len(tokenizer), *sizes)
        net.load_state_dict({key: torch.from_numpy(v) for key, v in arrays.items()})
        net.eval()
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
        with runtime.threads(1), torch.inference_mode():
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
        arrays = {key: v.detach().cpu().numpy().copy() for key, v in self.net.state_dict().items()}
        meta = {"options": dataclasses.asdict(self.model), "tokenizer": self.tokenizer.state()}
        return arrays, {**meta, "hidden": self.sizes[0], "embedding": self.sizes[1]}
