"""Processes that train one network together: rank 0 carries the run, the others join it for every training.

On one machine rank 0 starts the others; on several, ``torchrun`` starts them all.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from forecastkit.errors import ConfigError, FitError

__all__ = ["ALONE", "Machines", "Strategy", "agreed", "rank", "together", "was_launched"]

Strategy = Literal["auto", "ddp", "ddp_find_unused_parameters_true"]
GRACE = 10.0
"""Seconds in which the others end once rank 0 has."""
PATIENCE = dt.timedelta(days=7)
"""How long the others wait while rank 0 fits its baselines."""


@dataclass(frozen=True)
class Machines:
    """Where a training runs.

    Args:
        devices: processes (and GPUs, where there are some) of each machine.
        nodes: machines.
        strategy: Lightning's name for how they work together; ``auto`` = ``ddp`` where there are several. Each process
            holds the whole network.
    """

    devices: int = 1
    nodes: int = 1
    strategy: Strategy = "auto"

    @property
    def count(self) -> int:
        """Processes in all."""
        return self.devices * self.nodes


ALONE = Machines()
_waiting: list[Any] = []  # the group of ``agreed``, while processes are together


def was_launched() -> bool:
    """Whether this process is one of several that were started together."""
    # WORLD_SIZE is taken away by Lightning after its first training.
    return {"RANK", "LOCAL_RANK"} <= os.environ.keys()


def rank(machines: Machines) -> int:
    """The number of this process; 0 carries the run."""
    return int(os.environ["RANK"]) if machines.count > 1 and was_launched() else 0


def agreed(value: Any, machines: Machines) -> Any:
    """Rank 0's value, on every rank."""
    if machines.count == 1:
        return value
    import torch.distributed as torch_dist

    box = [value]
    torch_dist.broadcast_object_list(box, src=0, group=_waiting[0])
    return box[0]


@contextlib.contextmanager
def together(machines: Machines, words: Sequence[str]) -> Iterator[None]:
    """Meet the other processes; nothing to do for one alone.

    Args:
        words: of the command line that starts the others on this machine, where nobody has yet; empty = none.

    Raises:
        ConfigError: nobody can start the others, or another number of them was started.
        FitError: another process ended before its time.
    """
    if machines.count == 1:
        yield
        return
    if was_launched():
        _check_number(machines)
        with _met():
            yield
        return
    if machines.nodes > 1 or not words:
        raise ConfigError(
            place="devices, nodes",
            value=f"{machines.devices} x {machines.nodes}",
            rule="so many processes must be started together",
            remedy="On each machine: torchrun --nnodes NODES --nproc-per-node DEVICES --rdzv-backend c10d "
            "--rdzv-endpoint HOST:29500 -m forecastkit fit ...",
        )
    _check_devices(machines)
    with tempfile.TemporaryFile() as said, _started(machines, words, said) as others:
        try:
            with _met():
                yield
        except (RuntimeError, MemoryError) as error:
            lost, place = _first_lost(others), f"--devices {machines.devices}"
            if lost is None:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise FitError(place=place, value=reason, rule="the processes could not go on together") from error
            raise FitError(place=place, value=_last_line(said), rule=f"process {lost} of them has ended") from None


def _check_devices(machines: Machines) -> None:
    import torch

    n_gpus = torch.cuda.device_count()
    most = n_gpus or max(2, os.cpu_count() or 1)
    if machines.devices > most:
        there = f"{n_gpus} GPUs" if n_gpus else f"{most} processors"
        raise ConfigError(
            place="--devices", value=str(machines.devices), rule=f"this machine has {there}", remedy=f"Give {most} at most."
        )  # fmt: skip


def _check_number(machines: Machines) -> None:
    if os.environ.get("WORLD_SIZE") != str(machines.count):
        raise ConfigError(
            place="devices, nodes",
            value=f"{machines.devices} x {machines.nodes}",
            rule=f"{os.environ.get('WORLD_SIZE', 'other')} processes were started",
            remedy="Give --devices and --nodes as they were given to torchrun.",
        )


@contextlib.contextmanager
def _met() -> Iterator[None]:
    import torch
    import torch.distributed as torch_dist

    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch_dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    _waiting.append(torch_dist.new_group(backend="gloo", timeout=PATIENCE))
    try:
        yield
    finally:
        _waiting.clear()
        torch_dist.destroy_process_group()


@contextlib.contextmanager
def _started(machines: Machines, words: Sequence[str], said: IO[bytes]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Make this process rank 0, and start the others beside it with the same command."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(machines.devices)}
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0"}
    others: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, machines.devices):
            process = subprocess.Popen(
                [sys.executable, "-m", "forecastkit", *words],
                env={**os.environ, "RANK": str(number), "LOCAL_RANK": str(number)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,  # Ctrl-C is heard by rank 0, which tells the others
            )
            others.append(process)
        yield others
        for process in others:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
    finally:
        for process in others:
            if process.poll() is None:
                process.kill()
                process.wait()
        os.environ.clear()
        os.environ.update(before)


def _first_lost(others: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """The number of a process that has failed."""
    for number, process in enumerate(others, start=1):
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Its connection is gone a moment before itself.
            if process.wait(GRACE) != 0:
                return number
    return None


def _last_line(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "killed")
