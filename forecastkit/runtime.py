"""Seed, threads, device, precision, and what libraries may say: set here and nowhere else, and put back afterwards."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forecastkit.errors import ConfigError, near

if TYPE_CHECKING:
    import torch

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "device",
    "dtype_of",
    "fast_dtype",
    "hushed",
    "is_out_of_memory",
    "one_blas_thread",
    "peak_mib",
    "seeded",
    "threads",
]

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32", "bf16")


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Torch computes with ``n`` threads inside; None leaves torch's own choice."""
    if n is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Linear algebra on one thread inside: matrices of a few rows take many times longer shared out, and other bits."""
    with _blas().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _blas() -> Any:
    import scipy.linalg  # noqa: F401 - its own library must be there to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def hushed(*loggers: str) -> Iterator[None]:
    """Warnings are not shown inside, nor what these loggers say below an error: hints that are not for our users."""
    own = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in own]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in own:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(own, levels):
                logger.setLevel(level)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch draws from ``seed`` inside; its state outside is as if nothing had happened."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def device(name: str = "auto") -> torch.device:
    """The device of a name; ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: unknown, or not on this machine.
    """
    import torch

    if name not in DEVICES:
        raise ConfigError(place="option device", value=repr(name), rule="no such device", remedy=near(name, DEVICES))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    missing = (name == "cuda" and not torch.cuda.is_available()) or (
        name == "mps" and not torch.backends.mps.is_available()
    )
    if missing:
        raise ConfigError(
            place="option device", value=repr(name), rule="not on this machine", remedy="Use device=auto."
        )
    return torch.device(name)


def dtype_of(precision: str, where: torch.device) -> torch.dtype:
    """float32, or bfloat16 for the matrix products; ``auto`` takes bfloat16 on a GPU that has it."""
    import torch

    if precision == "bf16" or (precision == "auto" and where.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float32


def fast_dtype(precision: str, where: torch.device) -> torch.dtype:
    """Like ``dtype_of``, for networks of large matrix products: ``auto`` also takes bfloat16 on a CPU that multiplies it.

    Measured on such cores, large recurrent networks train about twice as fast, to the same error
    (``benchmarks/precision.py``).
    """
    import torch

    has = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    if precision == "auto" and where.type == "cpu" and has():
        return torch.bfloat16
    return dtype_of(precision, where)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory did not suffice, here or on a GPU.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUDA out of memory. Tried ..."))
    (True, True)
    >>> is_out_of_memory(RuntimeError("size mismatch"))
    False
    """
    if isinstance(error, MemoryError):
        return True
    said = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in said)


def peak_mib() -> int | None:
    """Most memory that this process has held so far, in MiB; None where the system does not say (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1024))
