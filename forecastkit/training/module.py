"""The only LightningModule: any network, any objective."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

__all__ = ["DivergedError", "OptimizerOptions", "TrainingModule"]

WARM_UP = 100
"""Steps in which a ``timed`` learning rate rises, of a training long enough: a tenth of it at most."""

Objective = Callable[[nn.Module, Any], tuple[Tensor, ...]]
"""(network, batch) -> (sum of losses, sum of weights); in validation also (right answers, answers), where they are counted."""


class DivergedError(Exception):
    """The loss is not a finite number any more."""


@dataclass(frozen=True)
class OptimizerOptions:
    """How weights move.

    Args:
        name: ``adam``, ``adamw`` or ``sgd`` (momentum 0.9).
        lr: learning rate, the highest one where a schedule changes it.
        schedule: ``constant``, ``cosine`` to 0 or ``onecycle``, over ``max_steps``; ``timed`` = warm up, then cosine over
            the steps or the time to the deadline, whichever ends first.
        clip: largest gradient norm; 0 = not clipped.
        unfreeze: steps after which the next depth of the network begins to move, from the head down; 0 = all at once. Only
            with ``timed`` and a network that has ``depths()``. Source: Howard and Ruder (2018), arXiv:1801.06146.
        layer_decay: factor of the learning rate from depth to depth (same source).
        average: decay of the running mean of the weights that is validated and kept; 0 = none. Source: Polyak and
            Juditsky (1992), doi:10.1137/0330046.
    """

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "constant"
    clip: float = 1.0
    max_steps: int = 1000
    average: float = 0.0
    unfreeze: int = 0
    layer_decay: float = 1.0

    def build(self, net: nn.Module) -> tuple[torch.optim.Optimizer, Any]:
        """(optimiser, schedule or None)."""
        kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "adam": torch.optim.Adam,
            "adamw": torch.optim.AdamW,
            "sgd": lambda p, lr, weight_decay: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=weight_decay),
        }
        parameters: Any = net.parameters()
        if self.unfreeze or self.layer_decay != 1:
            depths: list[list[nn.Parameter]] = net.depths()  # type: ignore[operator]
            parameters = [
                {"params": own, "share": self.layer_decay**k, "from_step": k * self.unfreeze} for k, own in enumerate(depths)
            ]  # fmt: skip
        optimizer = kinds[self.name](parameters, lr=self.lr, weight_decay=self.weight_decay)
        if self.schedule == "cosine":
            return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.max_steps)
        if self.schedule == "onecycle":
            total = max(2, self.max_steps)
            return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, self.lr, total_steps=total)
        return optimizer, None


class TrainingModule(pl.LightningModule):
    """Several optimiser steps a Lightning batch: at small networks its own bookkeeping costs more than a step.

    Args:
        objective: for training, called once a step.
        valid_objective: for validation.
        deadline: ``time.monotonic()`` after which training ends.
        stop_at: steps after which it ends as if the deadline had come, so that a run under a limit can be replayed.
        dtype: of matrix products; bfloat16 through autocast.
    """

    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        valid_objective: Objective,
        options: OptimizerOptions,
        *,
        deadline: float | None = None,
        stop_at: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self.objective, self.valid_objective, self.options = net, objective, valid_objective, options
        self.deadline, self.stop_at, self.compute_dtype = deadline, stop_at, dtype
        self.n_steps, self.n_ranks = 0, 1
        self.stop_requested = False
        self.out_of_time = False
        self.train_losses: list[float] = []
        self.grad_norms: list[float] = []
        self._valid: list[tuple[Tensor, Tensor]] = []
        self._right: list[tuple[Tensor, ...]] = []
        self.schedule: Any = None
        self._begun = 0.0
        self.mean: list[Tensor] = []
        self._own: list[Tensor] = []
        self.optimizer: torch.optim.Optimizer | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """See Lightning."""
        self.optimizer, self.schedule = self.options.build(self.net)
        self._begun = time.monotonic()
        return self.optimizer

    def on_fit_start(self) -> None:
        """See Lightning."""
        self.n_ranks = self.trainer.world_size

    def loss_of(self, objective: Objective, batch: Any) -> tuple[Tensor, ...]:
        """What an objective gives for a batch, matrix products in the module's own precision."""
        if self.compute_dtype == torch.float32:
            return objective(self.net, batch)
        with torch.autocast(self.device.type, dtype=self.compute_dtype):
            return objective(self.net, batch)

    def training_step(self, batches: Sequence[Any], _: int) -> None:
        """One optimiser step for each of ``batches``."""
        optimizer = self.optimizer
        if optimizer is None:  # configure_optimizers runs first
            return
        parameters = list(self.net.parameters())
        for batch in batches:
            if self.options.schedule == "timed":
                self._set_timed_lr(optimizer)
            total, weight = self.loss_of(self.objective, batch)[:2]
            optimizer.zero_grad(set_to_none=True)
            if self.n_ranks > 1:
                loss, shown = self._shared_loss(total, weight)
                self.manual_backward(loss)
            else:
                loss = shown = total / weight.clamp_min(1.0)
                loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.options.clip or math.inf, foreach=True)
            value = float(shown.detach())
            if not math.isfinite(value):
                raise DivergedError
            optimizer.step()
            if self.schedule is not None and self.n_steps < self.options.max_steps - 1:
                self.schedule.step()
            self.n_steps += 1
            self._follow(parameters)
            self.train_losses.append(value)
            self.grad_norms.append(float(norm))
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.out_of_time = True
            if self._is_replayed:
                self.out_of_time = True
            enough = self.n_steps >= self.options.max_steps
            # Several ranks stop together, at the end of an epoch.
            if (self.n_ranks == 1 and (self.stop_requested or self.out_of_time)) or self._is_replayed or enough:
                self.trainer.should_stop = True
                return

    @property
    def _is_replayed(self) -> bool:
        return self.stop_at is not None and self.n_steps >= self.stop_at

    def _shared_loss(self, total: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(what this rank goes back from, the loss of the joint batch): the mean of the ranks' gradients is the joint one's."""
        sums = torch.stack([total.detach(), weight.detach()]).double()
        torch.distributed.all_reduce(sums)
        joint = sums[1].clamp_min(1.0)
        return total * (self.n_ranks / joint).to(total.dtype), sums[0] / joint

    def _set_timed_lr(self, optimizer: torch.optim.Optimizer) -> None:
        done = self.n_steps / max(self.options.max_steps, 1)
        if self.deadline is not None:
            now = time.monotonic()
            done = max(done, (now - self._begun) / max(self.deadline - self._begun, 1e-9))
        share = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        warm = min(1.0, (self.n_steps + 1) / min(WARM_UP, 1 + self.options.max_steps // 10))
        for group in optimizer.param_groups:
            awake = group.get("from_step", 0) <= self.n_steps
            group["lr"] = self.options.lr * warm * max(share, 0.01) * group.get("share", 1.0) * awake

    def _follow(self, parameters: list[nn.Parameter]) -> None:
        """Move the mean of the weights; early steps count more, so that the start is forgotten."""
        if not self.options.average:
            return
        values = [p.data for p in parameters]
        if not self.mean:
            self.mean = [v.clone() for v in values]
            return
        share = 1 - min(self.options.average, self.n_steps / (self.n_steps + 10))
        torch._foreach_lerp_(self.mean, values, share)

    def use_mean(self) -> None:
        """Put the mean of the weights in their place."""
        if self.mean and not self._own:
            values = [p.data for p in self.net.parameters()]
            self._own = [v.clone() for v in values]
            torch._foreach_copy_(values, self.mean)

    def use_own(self) -> None:
        """Put the weights themselves back."""
        if self._own:
            torch._foreach_copy_([p.data for p in self.net.parameters()], self._own)
            self._own = []

    def on_validation_start(self) -> None:
        """See Lightning."""
        self.use_mean()

    def validation_step(self, batch: Any, _: int) -> None:
        """Collect sums; their ratio is the same whatever the batches."""
        total, weight, *right = self.loss_of(self.valid_objective, batch)
        self._valid.append((total.double(), weight.double()))
        if right:
            self._right.append(tuple(right))

    def take_valid_loss(self) -> float:
        """The validation loss since the last call; NaN without a batch."""
        if not self._valid:
            return math.nan
        total = sum(float(t) for t, _ in self._valid)
        weight = sum(float(w) for _, w in self._valid)
        self._valid.clear()
        return total / weight if weight > 0 else math.nan

    def take_valid_accuracy(self) -> dict[str, float]:
        """``valid_accuracy`` since the last call; nothing where answers are not counted."""
        if not self._right:
            return {}
        right, n = (sum(float(pair[k]) for pair in self._right) for k in range(2))
        self._right.clear()
        return {"valid_accuracy": right / n if n > 0 else math.nan}

    @property
    def lr(self) -> float:
        """The present learning rate."""
        return float(self.optimizer.param_groups[0]["lr"]) if self.optimizer is not None else self.options.lr
