"""What every forecaster is, ARIMA or LSTM: frame in, forecasts out.

A model never sees answers: ``fit`` gets rows up to a cutoff, ``predict_at`` may read, for each cutoff,
rows at or before it alone. ``tests/forecasting/test_leakage.py`` scrambles everything after each cutoff
on every registered model and requires the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.parallel import HERE, Workers
from forecastkit.ranks import ALONE, Machines

__all__ = ["Capabilities", "FitContext", "Fitted", "Forecaster", "Kept"]


@dataclass(frozen=True)
class Capabilities:
    """What a model can use. A covariate that it cannot use is named in the leaderboard."""

    past: bool = False
    known: bool = False
    static: bool = False
    categorical: bool = False


def _silent(done: int, total: int, note: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Kept:
    """Where trainings are kept, so that one that was killed goes on.

    Args:
        folder: of the files, one a training; it need not exist.
        key: what decides their numbers; files with another key are not used.
        seconds: between two writes.
    """

    folder: Path
    key: str
    seconds: float = 10.0

    def part(self, name: str) -> Kept:
        """The place of one of several trainings."""
        return Kept(self.folder / name, f"{self.key}/{name}", self.seconds)


@dataclass(frozen=True)
class FitContext:
    """Everything around a fit that is not the model itself.

    Args:
        seed: for weights and the order of batches.
        deadline: ``time.monotonic()`` after which a model stops with what it has, or raises ``FitError``; None = no limit.
        progress: called with (done, total, note); cheap, may be called often.
        n_steps: train exactly so many optimiser steps without early stopping (the final fit).
        workers: who fits independent series.
        machines: where a network is trained.
        kept: where trainings are kept; None = nowhere.
        stop_at: for each fit in turn, the step at which a time limit ended it in an earlier run, to be replayed; None = it
            did not.
        most_steps: for each fit in turn, where the schedule of its training ends, where its own is longer; with a deadline and
            without this, it is measured how many steps fit.
    """

    seed: int = 1
    deadline: float | None = None
    progress: Callable[[int, int, str], None] = _silent
    n_steps: int | None = None
    workers: Workers = HERE
    machines: Machines = ALONE
    kept: Kept | None = None
    stop_at: tuple[int | None, ...] = ()
    most_steps: tuple[int | None, ...] = ()

    def fit(self, number: int) -> FitContext:
        """The context of one of several fits, counted from 0."""
        kept = None if self.kept is None else self.kept.part(f"fit{number}")
        one = slice(number, number + 1)
        return replace(self, kept=kept, stop_at=self.stop_at[one], most_steps=self.most_steps[one])


@runtime_checkable
class Fitted(Protocol):
    """A fitted model. Immutable: ``update`` returns another.

    Attributes:
        horizon: steps it was fitted for; it can be asked for fewer.
        info: JSON-able facts for the report, e.g. ``{"best_step": 640, "n_parameters": 17450, "note": "..."}``.
        curves: rows of the learning curve: dicts with step, epoch, train_loss, valid_loss, grad_norm, ...; may be empty.
    """

    horizon: int
    info: Mapping[str, Any]
    curves: list[dict[str, float]]

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """Point forecasts [n_cutoffs, n_items, horizon] in target units, after calendar positions ``cutoffs``.

        Parameters stay as fitted; each forecast uses the frame's rows at or before its cutoff, and known covariates
        within the horizon. NaN rows for items without any observation at or before a cutoff.
        """
        ...

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray | None:
        """The model's own quantiles [n_cutoffs, n_items, horizon, len(QUANTILES)]; None where it has a point alone."""
        ...

    def update(self, frame: SeriesFrame) -> Fitted:
        """The same model with longer history, parameters unchanged."""
        ...

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, JSON-able meta) from which ``Forecaster.restore`` rebuilds it without running code."""
        ...


class Forecaster(Protocol):
    """A model with its options, not yet fitted. Frozen dataclass; fields are the options of the YAML.

    Attributes:
        point: what the point forecast is, ``"mean"`` or ``"median"``.
        complexity: order for "the simplest of those as good as the best": naive 0, ... networks 100 and above.
        family: ``"baseline"``, ``"statistical"`` or ``"network"``.
        capabilities: what it can use.
    """

    point: str
    complexity: int
    family: str
    capabilities: Capabilities

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext = ...) -> Fitted:
        """Learn from every row of ``frame`` and nothing else.

        Raises:
            FitError: it cannot be fitted to these data, or not in time; says why.
        """
        ...

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> Fitted:
        """A fitted model from what ``Fitted.state`` gave."""
        ...
