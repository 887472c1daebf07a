"""What the data modules of the sister tasks give to Lightning: batches that stand ready, and batches that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["Batches", "Drawn"]


class Batches:
    """Batches in order, as one loader: Lightning takes a list for several loaders."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches = list(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class Drawn:
    """One epoch of drawn batches: lists of ``chunk`` optimiser steps each.

    Args:
        draw: the next batch.
        n_steps: of the epoch.
    """

    def __init__(self, draw: Callable[[], Any], n_steps: int, chunk: int) -> None:
        full, rest = divmod(n_steps, chunk)
        self.draw, self.sizes = draw, [chunk] * full + ([rest] if rest else [])

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[Any]]:
        for n in self.sizes:
            yield [self.draw() for _ in range(n)]
