"""A training once more: at a lower learning rate where it diverged, with smaller batches where memory did not suffice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from forecastkit import runtime
from forecastkit.errors import FitError
from forecastkit.training.module import DivergedError

__all__ = ["LOWER", "with_retries"]

LOWER = 10
"""The learning rate is divided by it, once."""

T = TypeVar("T")


def with_retries(
    attempt: Callable[[float, int], T],
    *,
    lr: float,
    batch_size: int,
    model: str,
    smaller: str = "hidden",
    may_shrink: bool = True,
) -> tuple[T, list[str]]:
    """(what ``attempt(lr, batch_size)`` gives, what was done otherwise, in words).

    Args:
        attempt: trains from the beginning.
        model: of the error, and of the options that its remedy names.
        smaller: options that need less memory where single rows are too much.
        may_shrink: whether batches may be halved.

    Raises:
        FitError: it diverges again, or batches of one are too much.
    """
    first, diverged, shrunk = batch_size, "", ""
    while True:
        try:
            done = attempt(lr, batch_size)
            return done, [said for said in (diverged, shrunk) if said]
        except DivergedError:
            if diverged:
                raise FitError(
                    place=f"model {model}",
                    rule=f"training diverged, also at a learning rate of {lr:g}",
                    remedy=f"Lower models.{model}.lr.",
                ) from None
            lr /= LOWER
            diverged = f"diverged at first, retried at learning rate {lr:g}"
        except (MemoryError, RuntimeError) as error:
            if not runtime.is_out_of_memory(error) or not may_shrink:
                raise
            if batch_size == 1:
                raise FitError(
                    place=f"model {model}",
                    rule="out of memory, also with batches of one",
                    remedy=f"Lower models.{model}.{smaller}.",
                ) from None
            # What the failed trial held is free once its error is.
            batch_size //= 2
            shrunk = f"out of memory with batches of {first}, trained with {batch_size}"
