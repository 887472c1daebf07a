"""What a run looks like on the terminal: bars where somebody watches, plain lines where not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from forecastkit.cli.lines import LABEL, field, width
from forecastkit.run.preparing import Observer, Prepared
from forecastkit.run.sequences.watch import Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from forecastkit.classification.evaluation import Tested
    from forecastkit.forecasting.backtest import ModelBacktest
    from forecastkit.reading import Profile

__all__ = ["FitsTerminal", "Terminal", "observed", "watched"]


@contextmanager
def observed(silent: bool) -> Iterator[Observer]:
    """Whom a run tells how far it is: the terminal, whose bar goes with the run, or nobody."""
    if silent:
        yield Observer()
        return
    terminal = Terminal()
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def watched(silent: bool) -> Iterator[Watch]:
    """The same of a run that classifies."""
    if silent:
        yield Watch()
        return
    terminal = FitsTerminal()
    try:
        yield terminal
    finally:
        terminal.close()


class _Screen:
    """Lasting lines, and a bar that goes.

    Args:
        stream: where to; bars are drawn only where it is a terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self._bar = _Bar(self.stream)

    def _print(self, line: str) -> None:
        print(line.rstrip(), file=self.stream, flush=True)

    def close(self) -> None:
        """Remove the bar, after an error as well."""
        self._bar.stop()


class Terminal(_Screen, Observer):
    """Prints what was found and how far each model is."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._many_seeds = False
        self._metric = "MASE"

    def read(self, profile: Profile) -> None:
        """The lines of the profile."""
        for line in profile.lines():
            self._print(line)

    def plan(self, prepared: Prepared) -> None:
        """Folds and what is fitted how often."""
        plan, folds = prepared.plan, prepared.folds
        self._many_seeds = prepared.config.seeds > 1
        self._metric = "MSSE" if plan.error == "squared" else "MASE"
        counts = [
            f"{len(getattr(folds, role))} {role}" for role in ("report", "select", "calibrate") if getattr(folds, role)
        ]
        refit = {"never": "fitted once, then updated", "every": "refitted at every fold"}.get(
            str(plan.refit), f"refitted every {plan.refit} folds"
        )
        words = f"horizon {plan.horizon}, season {plan.season_length}, {', '.join(counts)} folds; {refit}"
        self._print(field("Plan", words))
        for note in (*prepared.notes, *folds.notes):
            self._print(field("", note))

    def start(self, model: str, seed: int, total: int) -> None:
        """Draw the model's bar."""
        self._bar.start(f"{model} ({seed})" if self._many_seeds else model, total)

    def advance(self, done: int, total: int, note: str) -> None:
        """Move the bar; ``total`` may change from training steps to folds."""
        self._bar.move(done, total, note)

    def tuned(self, model: str, n_trials: int, best: float | None, first: float | None) -> None:
        """One lasting line a search."""
        self.close()
        words = "" if best is None else f"best {self._metric} {best:.3g} on select folds"
        if best is not None and first is not None:
            words += f", {first:.3g} with the options as given" if best < first else ": the options as given"
        self._print(f"{model:<{LABEL}}{n_trials} trial{'s' * (n_trials != 1)}   {words}")

    def finish(self, backtest: ModelBacktest) -> None:
        """One lasting line a model."""
        self.close()
        seconds = backtest.seconds_fit + backtest.seconds_predict
        name = f"{backtest.model} ({backtest.seed})" if self._many_seeds else backtest.model
        n = len(backtest.points)
        said = f"failed: {backtest.error}" if backtest.error else self._note(backtest)
        self._print(f"{name:<{LABEL}}{n:>4}/{n} folds {seconds:>7.1f} s   {said}")

    @staticmethod
    def _note(backtest: ModelBacktest) -> str:
        info = backtest.info
        words = []
        if info.get("early_stopped") and info.get("best_step"):
            words.append(f"early stop, best at step {info['best_step']}")
        elif info.get("best_step"):
            words.append(f"best at step {info['best_step']}")
        if info.get("note"):
            words.append(str(info["note"]))
        return "; ".join(words)

    def phase(self, text: str) -> None:
        """Short phases leave no line."""


class FitsTerminal(_Screen, Watch):
    """The same of a run that classifies: one lasting line a model."""

    def say(self, label: str, line: str) -> None:
        """See ``Watch``."""
        self.close()
        self._print(field(label, line, width()))

    def step(self, tested: Tested, done: int, total: int) -> None:
        """See ``Watch``."""
        if done == 0:
            self._bar.start(tested.name, total)
        self._bar.move(done, total, "fits")
        if done < total:
            return
        self.close()
        said = tested.reason if tested.status == "ok" else f"{tested.status}: {tested.reason}"
        spent = tested.seconds_fit + tested.seconds_predict
        self._print(f"{tested.name:<{LABEL}}{total:>4}/{total} fits {spent:>7.1f} s   {said}")

    def phase(self, line: str) -> None:
        """See ``Watch``."""
        self.close()
        self._bar.start(line, 1)


class _Bar:
    """A bar where somebody watches, nothing where not."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def start(self, name: str, total: int) -> None:
        """Draw it."""
        if not self.stream.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description:<13}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>5.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(file=self.stream, highlight=False),
            transient=True,
            refresh_per_second=8,
        )
        self._task = self._bar.add_task(name, total=total, note="")
        self._bar.start()

    def move(self, done: int, total: int, note: str) -> None:
        """Move it; ``total`` may change."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, note=note[:50])

    def stop(self) -> None:
        """Remove it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
