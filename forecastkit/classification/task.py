"""What a task is: one function that reads what to learn from, and one that reads what is to be told.

A new task is one file with these two. Splits, models, scores, calibration, verdict, run folder, report and prediction
follow from what they return.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import Split

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_NEAREST", "Hide", "Labelled", "Pictures", "Unlabelled"]

MOST_NEAREST = 20_000
"""Sequences up to which the nearest neighbour is a baseline too."""

Pictures = Callable[[np.ndarray, np.ndarray], list[dict[str, Any]]]
"""(positions of mistakes, the surest first; [N] name of the class that was said) -> strips that the report draws."""


Hide = Callable[[np.ndarray, int], list[Sequences]]
"""(positions, number of parts) -> for each part, these sequences as if it had been usual, measured anew."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """What a task learns from.

    Args:
        task: its name; runs remember it.
        name: of the run folder.
        data: labels are known, unless nothing but anomalies is asked for.
        what: whose a group of sequences is, as people say it: patient, hospital, speaker.
        plan: plain values by which ``Unlabelled`` ones are read alike.
        said: lines about the data for the terminal.
        notes: remarks for the report.
        config: what the user asked for.
        facts: plain values for the report.
        baselines: classifiers that always run.
        network: options that suit these sequences; the user's own come first.
        halves: a published split, used where the user asks for none.
        usual: class whose sequences are the usual ones; what these cannot express is an anomaly. None = not looked for.
        strange_in: channels in which anomalies are looked for; empty = all.
        pictures: draws sequences for the report.
        hide: see ``Hide``; None = the values are hidden, and what was measured on the whole sequence stays.
        medical: whether the page says that this is no medical device.
    """

    task: str
    name: str
    data: Sequences
    what: str = "group"
    plan: dict[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    baselines: tuple[str, ...] = ("majority", "logistic", "boosting")
    network: dict[str, Any] = field(default_factory=dict)
    halves: Split | None = None
    usual: int | None = None
    strange_in: tuple[str, ...] = ()
    pictures: Pictures | None = None
    hide: Hide | None = None
    medical: bool = True


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """What is to be told.

    Args:
        data: [N] sequences like those that were learned from.
        table: [N] rows, in the same order: which is which.
        summary: (name of the class of each sequence) -> plain values about all of them together.
    """

    data: Sequences
    table: pd.DataFrame
    summary: Callable[[np.ndarray], dict[str, Any]] = field(default=lambda said: {})
