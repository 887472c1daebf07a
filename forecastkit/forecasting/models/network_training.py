"""How a forecasting network is trained: its module, its batches, how long and at which rate."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts, runtime
from forecastkit.forecasting.models.fitted_network import NetTask
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.windows import WindowSet
from forecastkit.ranks import agreed, rank

if TYPE_CHECKING:
    from forecastkit.forecasting.models.network import NetworkForecaster

__all__ = ["Training"]

FEW_STEPS = 200
"""Steps where no rows are left to say when to stop."""


@dataclass(frozen=True, eq=False)
class Training:
    """One fit of a network.

    Args:
        source: a ``WindowSource``.
        train, valid: windows.
        about: with a deadline, the number of steps that fit before it is measured first, and then fixed.
        line: a regression that the network corrects, see ``line_over_lags``.
    """

    forecaster: NetworkForecaster
    source: Any
    task: NetTask
    train: WindowSet
    valid: WindowSet
    about: FitContext
    line: np.ndarray | None = None

    def paced(self) -> Training:
        """With a deadline: the same with the number of steps that fit before it; a training that is gone on with has its own."""
        about = self.about
        if about.deadline is None or about.n_steps is not None or self.schedule_end is not None:
            return self
        measured = self._kept_pace(about.deadline) if rank(about.machines) == 0 else 0
        return replace(self, about=replace(about, most_steps=(agreed(measured, about.machines),)))

    def _kept_pace(self, deadline: float) -> int:
        """Steps that fit before the deadline, as measured when the training began."""
        kept = self.about.kept
        if kept is None:
            return self._steps_in_time(deadline)
        file, key = kept.folder / "pace.safetensors", f"{kept.key}/{len(self.train)} windows/seed {self.about.seed}"
        found = artifacts.read_state(file)
        if found is not None and found[1].get("key") == key:
            return int(found[1]["steps"])
        steps = self._steps_in_time(deadline)
        artifacts.write_state(file, {}, {"key": key, "steps": steps})
        return steps

    def _steps_in_time(self, deadline: float) -> int:
        from forecastkit.training.pace import steps_in_time

        own = self.forecaster
        most = own.max_steps if len(self.valid) else min(own.max_steps, FEW_STEPS)
        every = min(own.val_every, most)
        with runtime.seeded(self.about.seed):
            module, data = self._module(own.net_of(self.task, self.line), own.lr, most), self._data(every, 5)
            left = deadline - time.monotonic()
            return steps_in_time(module, data, left, most=most, steps_per_epoch=every)

    @property
    def schedule_end(self) -> int | None:
        """Steps over which a time limit laid the schedule; None = there was none."""
        return self.about.most_steps[0] if self.about.most_steps else None

    @property
    def dtype(self) -> Any:
        """Of the matrix products in training: ``precision=auto`` is bfloat16 where that was checked and pays.

        The check, ``benchmarks/precision.py``, was on large recurrent networks with a point as their output.
        """
        own = self.forecaster
        choose = runtime.fast_dtype if own.is_large and own.head == "point" else runtime.dtype_of
        return choose(own.precision, runtime.device(own.device))

    def run(self) -> tuple[Any, Any, str]:
        """(network, how it went, what was done otherwise, in words).

        A training that diverges is tried once more at a tenth of its learning rate, one that is out of memory with
        smaller and smaller batches.

        Raises:
            FitError: it diverges again, or single windows are too much.
        """
        from forecastkit.training.retries import with_retries

        own, machines = self.forecaster, self.about.machines
        lr, rate = own.lr, []
        if own.lr_range:
            lr = agreed(self._measured_rate() if rank(machines) == 0 else own.lr, machines)
            rate = [f"learning rate {lr:.2g} by a range test"]
        # Several ranks cannot lower their batches one by one.
        done, said = with_retries(
            self._once, lr=lr, batch_size=own.batch_size, model=own.label, smaller="hidden or context_length",
            may_shrink=machines.count == 1,
        )  # fmt: skip
        return *done, "; ".join([*rate, *said])

    def _measured_rate(self) -> float:
        from forecastkit.training.lr_range import chosen_rate, range_test

        own = self.forecaster
        with runtime.seeded(self.about.seed):
            module, data = (
                self._module(own.net_of(self.task, self.line), own.lr, own.max_steps),
                self._data(own.val_every, 5),
            )
            return chosen_rate(range_test(module, data), own.lr)

    def _once(self, lr: float, batch_size: int) -> tuple[Any, Any]:
        from forecastkit.training.trainer import Trained
        from forecastkit.training.trainer import train as train_module

        own, about = self.forecaster, self.about
        where = runtime.device(own.device)
        most = min(own.max_steps, self.schedule_end or own.max_steps)
        short = most if len(self.valid) else min(most, FEW_STEPS)
        n_steps = about.n_steps if about.n_steps is not None else short
        with runtime.seeded(about.seed):
            net = own.net_of(self.task, self.line)
            if n_steps == 0:
                return net, Trained(0, 0, math.nan, early_stopped=False)
            every = min(own.val_every, n_steps)
            trained = train_module(
                self._module(net, lr, most),
                self._data(every, 1 if n_steps % 5 else 5, batch_size),
                max_steps=n_steps,
                steps_per_epoch=every,
                patience=own.patience,
                accelerator=where.type if where.type != "cuda" else "gpu",
                progress=about.progress,
                checkpoint=self._checkpoint(f"lr{lr:g}-batch{batch_size}-steps{n_steps}"),
                machines=about.machines,
            )
        return net.cpu(), trained

    def _module(self, net: Any, lr: float, most: int) -> Any:
        from forecastkit.training.module import OptimizerOptions, TrainingModule

        own, about = self.forecaster, self.about
        where = runtime.device(own.device)
        options = OptimizerOptions(own.optimizer, lr, own.weight_decay, own.schedule, own.clip, most, own.average)
        return TrainingModule(
            net.to(where), own.objective(self.task), own.last_objective(), options, deadline=about.deadline,
            stop_at=about.stop_at[0] if about.stop_at else None, dtype=self.dtype,
        )  # fmt: skip

    def _data(self, every: int, chunk: int, batch_size: int | None = None) -> Any:
        from forecastkit.forecasting.datamodule import ForecastDataModule

        return ForecastDataModule(
            self.source, self.train, self.valid, batch_size=batch_size or self.forecaster.batch_size,
            steps_per_epoch=every, chunk=chunk, seed=self.about.seed, chances=self._chances(),
            share=(rank(self.about.machines), self.about.machines.count),
        )  # fmt: skip

    def _checkpoint(self, name: str) -> Any:
        from forecastkit.training.checkpoint import Checkpoint

        about = self.about
        if about.kept is None:
            return None
        key = f"{about.kept.key}/{name}/{len(self.train)} windows/seed {about.seed}"
        return Checkpoint(about.kept.folder / f"{name}.safetensors", key, about.kept.seconds)

    def _chances(self) -> np.ndarray | None:
        """[W] how often each training window is drawn, beside the others; None = all alike."""
        own = self.forecaster
        if own.sampling == "uniform" and not own.recent:
            return None
        windows = self.train.take(np.arange(len(self.train)))
        chances = np.ones(len(windows))
        if own.recent:
            starts = self.source.store.starts[windows.item]
            at = (windows.row + starts).astype(np.float64)
            span = max(1.0, float(at.max() - at.min()))
            chances *= 0.5 ** ((at.max() - at) / (own.recent * span))
        if own.sampling == "balanced":
            total = np.bincount(windows.item, weights=chances)
            chances /= total[windows.item]
        return chances
