"""The one trainer factory: quiet, best weights kept in memory, stops early, stops on Ctrl-C after the step."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
import torch

from forecastkit import runtime
from forecastkit.ranks import ALONE, Machines, agreed, rank
from forecastkit.training.checkpoint import Checkpoint, State, has_ended, restore, restore_end
from forecastkit.training.module import DivergedError, TrainingModule

__all__ = ["Trained", "train"]

LIGHTNING = ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")
"""Its loggers."""


@dataclass(frozen=True)
class Trained:
    """How a training went; the network holds the best weights.

    Args:
        curves: rows with step, epoch, train_loss, valid_loss, grad_norm, grad_norm_max, lr, and valid_accuracy where
            right answers are counted.
        best_step: step of the kept weights; 0 = those before training.
        out_of_time: the deadline ended it.
        note: what was done otherwise than asked, in words.
    """

    n_steps: int
    best_step: int
    best_loss: float
    early_stopped: bool
    curves: list[dict[str, float]] = field(default_factory=list)
    out_of_time: bool = False
    note: str = ""


class _Watch(pl.Callback):
    """Learning curve, best weights, early stopping; keeps the training where there is a checkpoint."""

    def __init__(
        self,
        patience: int,
        max_steps: int,
        progress: Callable[[int, int, str], None],
        checkpoint: Checkpoint | None = None,
        machines: Machines = ALONE,
    ) -> None:
        self.patience, self.max_steps, self.progress = patience, max_steps, progress
        self.checkpoint = checkpoint
        saved = checkpoint.load() if checkpoint is not None and rank(machines) == 0 else None
        self.saved: State | None = agreed(saved, machines)
        self.epochs = 0
        self.curves: list[dict[str, float]] = []
        self.best_loss, self.best_step, self.since = float("inf"), 0, 0
        self.best: dict[str, torch.Tensor] = {}
        self.early_stopped = False

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """The weights before the first step are a candidate: a forecaster's are the naive rule that it corrects."""
        if self.saved is not None:
            restore(*self.saved, self, module, trainer.datamodule)  # type: ignore[attr-defined]
            return
        loader = trainer.datamodule.val_dataloader()  # type: ignore[attr-defined]
        if not loader:
            return
        module.eval()
        with torch.no_grad():
            for batch in loader:
                module.validation_step(trainer.strategy.batch_to_device(batch), 0)
        module.train()
        loss, accuracy = module.take_valid_loss(), module.take_valid_accuracy()
        if not math.isfinite(loss):
            return
        unknown = float("nan")
        self.curves.append(
            {"step": 0, "epoch": 0, "train_loss": unknown, "valid_loss": loss, "grad_norm": unknown, "grad_norm_max": unknown, "lr": module.lr, **accuracy}
        )  # fmt: skip
        self._keep(loss, module)

    def _keep(self, loss: float, module: Any) -> None:
        self.best_loss, self.best_step, self.since = loss, module.n_steps, 0
        self.best = {k: v.detach().clone() for k, v in module.net.state_dict().items()}

    def facts(self) -> dict[str, Any]:
        """Its state but for the best weights, JSON-able."""
        names = ("curves", "best_loss", "best_step", "since", "early_stopped", "epochs")
        return {name: getattr(self, name) for name in names}

    def restore(self, facts: dict[str, Any], best: dict[str, torch.Tensor]) -> None:
        """The inverse of ``facts``."""
        for name, value in facts.items():
            setattr(self, name, value)
        self.best = best

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        if module.n_steps >= self.max_steps:
            trainer.should_stop = True
        self.progress(module.n_steps, self.max_steps, "steps")

    def close_epoch(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        """One row of the curve; whether to go on."""
        self.epochs += 1
        if not module.train_losses:
            return
        loss = trainer.strategy.broadcast(module.take_valid_loss())
        norms = torch.tensor(module.grad_norms)
        self.curves.append(
            {
                "step": module.n_steps,
                "epoch": self.epochs,
                "train_loss": sum(module.train_losses) / len(module.train_losses),
                "valid_loss": loss,
                "grad_norm": float(norms.mean()),
                "grad_norm_max": float(norms.max()),
                "lr": module.lr,
                **module.take_valid_accuracy(),
            }
        )
        module.train_losses.clear()
        module.grad_norms.clear()
        if loss < self.best_loss:
            self._keep(loss, module)
            return
        self.since += 1
        if self.patience and self.best and self.since >= self.patience:
            self.early_stopped = True
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        # Lightning validates within the training epoch, so both losses are there.
        self.close_epoch(trainer, module)
        module.use_own()
        if module.n_ranks > 1:
            told = trainer.strategy.broadcast([module.stop_requested, module.out_of_time])
            module.stop_requested, module.out_of_time = told
            trainer.should_stop = trainer.should_stop or any(told)
        # An epoch that was cut short would not be read on from where it ended.
        if self.checkpoint is not None and not (module.stop_requested or module.out_of_time):
            self.checkpoint.keep(self, module, trainer.datamodule)  # type: ignore[attr-defined]


@contextlib.contextmanager
def _stop_after_the_step(module: TrainingModule) -> Iterator[list[bool]]:
    """The first Ctrl-C ends the step, a second one ends at once. Only the main thread hears signals."""
    pressed: list[bool] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: Any) -> None:
        pressed.append(True)
        module.stop_requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, hear)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    module: TrainingModule,
    data: pl.LightningDataModule,
    *,
    max_steps: int,
    steps_per_epoch: int,
    patience: int,
    accelerator: str = "cpu",
    progress: Callable[[int, int, str], None] = lambda done, total, note: None,
    checkpoint: Checkpoint | None = None,
    machines: Machines = ALONE,
) -> Trained:
    """Train until the validation loss has not improved for ``patience`` epochs, or for ``max_steps``.

    Without validation data it takes exactly ``max_steps`` and keeps the last weights.

    Args:
        checkpoint: where the training is kept, and gone on with; ``data`` then has ``state_dict`` and
            ``load_state_dict`` for the order of its batches.
        machines: where it runs; every rank calls this with the same arguments, and ``data`` gives it its share.

    Raises:
        DivergedError: a loss that is not finite.
        KeyboardInterrupt: after the step in which Ctrl-C came.
    """
    watch = _Watch(patience, max_steps, progress, checkpoint, machines)
    begun, done = 0, 0
    if watch.saved is not None:
        begun, done = int(watch.saved[1]["n_steps"]), int(watch.saved[1]["watch"]["epochs"])
    epochs = -(-max_steps // steps_per_epoch) - done
    if watch.saved is not None and (has_ended(watch.saved[1]) or epochs <= 0 or begun >= max_steps):
        restore_end(*watch.saved, watch, module)
    else:
        _fit(watch, module, data, epochs, accelerator, machines)
        if checkpoint is not None:
            checkpoint.keep(watch, module, data, done=True)
    if watch.best:
        module.net.load_state_dict(watch.best)
    else:
        module.use_mean()
        if any(not torch.isfinite(p).all() for p in module.net.parameters()):
            raise DivergedError
    best = watch.best_step if watch.best else module.n_steps
    stopped = module.out_of_time and module.n_steps < max_steps
    return Trained(module.n_steps, best, watch.best_loss, watch.early_stopped, watch.curves, stopped)


def _fit(
    watch: _Watch,
    module: TrainingModule,
    data: pl.LightningDataModule,
    epochs: int,
    accelerator: str,
    machines: Machines,
) -> None:
    checkpoint = watch.checkpoint
    several: dict[str, Any] = {"devices": machines.devices, "num_nodes": machines.nodes}
    if machines.count > 1:
        several["strategy"] = "ddp" if machines.strategy == "auto" else machines.strategy
        several["use_distributed_sampler"] = False
    with runtime.hushed(*LIGHTNING), _stop_after_the_step(module) as pressed:
        trainer = pl.Trainer(
            accelerator=accelerator,
            max_epochs=epochs,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            callbacks=[watch],
            **several,
        )
        try:
            trainer.fit(module, datamodule=data)
            if pressed or module.stop_requested:
                raise KeyboardInterrupt
        except BaseException:
            if checkpoint is not None:
                checkpoint.write()
            raise
