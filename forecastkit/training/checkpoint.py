"""Where a training stands, kept in one file, so that one that was killed goes on and ends with the same bits.

A training is kept at ends of epochs alone, where no batch is half read: weights, their mean, the best so far, the
optimiser, the schedule, the order of the windows, the random numbers and the learning curve.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forecastkit import artifacts

__all__ = ["Checkpoint", "State", "has_ended", "restore", "restore_end"]

State = tuple[dict[str, np.ndarray], dict[str, Any]]
"""(arrays, JSON-able facts)."""
EVERY_MEMORY = 1.0
"""Seconds between two states that are held for the case of Ctrl-C."""


@dataclass(eq=False)
class Checkpoint:
    """One training's file.

    Args:
        path: of the file; it need not exist.
        key: what the training depends on; a file with another key is not used.
        seconds: between two writes; 0 = at every epoch.
    """

    path: Path
    key: str
    seconds: float = 10.0
    _held: State | None = field(default=None, repr=False)
    _written: float = field(default_factory=time.monotonic, repr=False)
    _taken: float = field(default=0.0, repr=False)

    def load(self) -> State | None:
        """(arrays, facts) of the last state; None where there is none, or it is of another training."""
        found = artifacts.read_state(self.path)
        return found if found is not None and found[1].get("key") == self.key else None

    def keep(self, watch: Any, module: Any, data: Any, *, done: bool = False) -> None:
        """Take the state of this end of an epoch, and write it where it is time."""
        now = time.monotonic()
        due = done or now - self._written >= self.seconds
        if not due and now - self._taken < EVERY_MEMORY:
            return
        arrays, facts = state_of(watch, module, data)
        self._held, self._taken = (arrays, {**facts, "key": self.key, "done": done}), now
        if due:
            self.write()

    def write(self) -> None:
        """Write the state that is held, if it is not written yet."""
        if self._held is None:
            return
        artifacts.write_state(self.path, *self._held)
        self._held, self._written = None, time.monotonic()


def state_of(watch: Any, module: Any, data: Any) -> State:
    """What a training is made of, as arrays and JSON-able facts."""
    optimizer = module.optimizer.state_dict()
    tensors: dict[str, torch.Tensor] = {f"net.{k}": v for k, v in module.net.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in watch.best.items()}
    tensors |= {f"mean.{k}": v for k, v in enumerate(module.mean)}
    tensors |= {
        f"optimizer.{k}.{name}": value
        for k, own in optimizer["state"].items()
        for name, value in own.items()
        if isinstance(value, torch.Tensor)
    }
    tensors["random"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random_cuda"] = torch.cuda.get_rng_state()
    arrays = {name: value.detach().cpu().numpy().copy() for name, value in tensors.items()}
    facts = {
        "n_steps": module.n_steps,
        "out_of_time": module.out_of_time,
        "n_mean": len(module.mean),
        "groups": optimizer["param_groups"],
        "schedule": None if module.schedule is None else module.schedule.state_dict(),
        "watch": watch.facts(),
        "data": data.state_dict(),
    }
    return arrays, facts


def has_ended(facts: dict[str, Any]) -> bool:
    """Whether nothing is left to train."""
    return bool(facts["done"] or facts["watch"]["early_stopped"])


def _tensors(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): torch.from_numpy(v) for k, v in arrays.items() if k.startswith(prefix)}


def restore_end(arrays: dict[str, np.ndarray], facts: dict[str, Any], watch: Any, module: Any) -> None:
    """What a training that has ended leaves behind."""
    module.net.load_state_dict(_tensors(arrays, "net."))
    watch.restore(facts["watch"], _tensors(arrays, "best."))
    where = next(module.net.parameters()).device
    module.mean = [torch.from_numpy(arrays[f"mean.{k}"]).to(where) for k in range(facts["n_mean"])]
    module.n_steps, module.out_of_time = facts["n_steps"], facts["out_of_time"]


def restore(arrays: dict[str, np.ndarray], facts: dict[str, Any], watch: Any, module: Any, data: Any) -> None:
    """The inverse of ``state_of``; the optimiser must have been made."""
    restore_end(arrays, facts, watch, module)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _tensors(arrays, "optimizer.").items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    module.optimizer.load_state_dict({"state": state, "param_groups": facts["groups"]})
    if module.schedule is not None:
        module.schedule.load_state_dict(facts["schedule"])
    data.load_state_dict(facts["data"])
    torch.set_rng_state(torch.from_numpy(arrays["random"]))
    if "random_cuda" in arrays and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random_cuda"]))
