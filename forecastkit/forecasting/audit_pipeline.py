"""The audit of anybody's code: call it with the true table and with altered futures, and compare every bit it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, UnknownNameError, near
from forecastkit.forecasting.audit_future import HOLE, alter_table, differences, hole_table
from forecastkit.forecasting.audit_rows import AuditReport, AuditRow
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["ALTERATIONS", "Pipeline", "audit_pipeline", "spread_cutoffs"]

Pipeline = Callable[[pd.DataFrame, Any], Any]
"""(whole table as the user's code sees it, cutoff) -> what was computed for that cutoff."""

ALTERATIONS = ("scrambled", "blank", "hole")
"""The rows after a cutoff scrambled; unobserved; scrambled where the last rows before the cutoff are unobserved too."""

MOST_NAMED = 3


def audit_pipeline(
    pipeline: Pipeline,
    table: pd.DataFrame | SeriesFrame,
    cutoffs: int | Iterable[Any] = 3,
    horizon: int = 10,
    *,
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    time: str = "timestamp",
    item: str = "item_id",
    target: str = "target",
    name: str = "pipeline",
    seed: int = 1,
) -> AuditReport:
    """Whether anything that a pipeline computes for a cutoff depends on rows after it.

    Args:
        pipeline: called with the whole table, as its own code would load it, and a cutoff. Returns what it computed for
            that cutoff: forecasts, and as much as it likes of scalers, features up to the cutoff, training rows, chosen
            columns; an array, or a dict of arrays. Nothing that may depend on the answers (scores) belongs in it.
        cutoffs: instants, the last that each forecast may know; or how many to choose.
        horizon: steps ahead; known covariates stay for so many instants after a cutoff.
        known: columns known ahead.
        static: columns that never change within an item; left as they are.
        time, item, target: names of columns; without a column ``item`` there is one series.
        name: shown in the report.
        seed: of the scrambled values.

    Returns:
        One row an alteration, see ``ALTERATIONS``.

    Raises:
        UnknownNameError: a column does not exist.
        DataError: no cutoff fits.
    """
    if isinstance(table, SeriesFrame):
        known, static, table = known or table.known, static or table.static, table.data
    for column in (time, target, *known, *static):
        if column not in table.columns:
            remedy = near(column, map(str, table.columns))
            raise UnknownNameError(place="audit", value=repr(column), rule="no such column", remedy=remedy)
    if horizon < 1:
        raise ConfigError(place="audit, horizon", value=str(horizon), rule="at least 1 is needed")
    instants = pd.Index(table[time]).unique().sort_values()
    columns = [str(c) for c in table.columns if c not in (time, item, *static)]
    probe = _Probe(pipeline, table, instants, time, target, columns, tuple(known), horizon, seed)
    at = _positions(instants, cutoffs, horizon)
    rows = [_row(probe, at, how, name) for how in ALTERATIONS]
    first, last = instants[at[0]], instants[at[-1]]
    done = f"{len(at)} cutoffs from {first} to {last}, horizon {horizon}; each alteration compared bit by bit."
    return AuditReport(tuple(rows), (done,))


def spread_cutoffs(n_rows: int, horizon: int, n_cutoffs: int) -> np.ndarray:
    """Positions [n] of cutoffs over the last 40 % of the rows, with a horizon after each.

    Raises:
        DataError: too few rows.

    >>> spread_cutoffs(100, 10, 3).tolist()
    [60, 74, 89]
    """
    last = n_rows - 1 - horizon
    if last < 2:
        raise DataError(
            place="audit",
            value=f"{n_rows} rows",
            rule=f"no cutoff has 3 rows before it and {horizon} after it",
            remedy="Shorten the horizon or give a longer history.",
        )
    first = min(max(2, int(0.6 * n_rows)), last)
    return np.unique(np.linspace(first, last, n_cutoffs).astype(np.int64))


def _positions(instants: pd.Index, cutoffs: int | Iterable[Any], horizon: int) -> np.ndarray:
    if isinstance(cutoffs, (int, np.integer)) and not isinstance(cutoffs, bool):
        if cutoffs < 1:
            raise ConfigError(place="audit, cutoffs", value=str(cutoffs), rule="at least 1 is needed")
        return spread_cutoffs(len(instants), horizon, int(cutoffs))
    assert not isinstance(cutoffs, int)
    at = np.unique([int(instants.searchsorted(c, side="right")) - 1 for c in cutoffs])
    if not len(at) or at[0] < 0 or at[-1] >= len(instants) - 1:
        raise DataError(
            place="audit, cutoffs",
            value=f"{instants[0]} to {instants[-1]}",
            rule="every cutoff needs a row at or before it and one after it",
            remedy="Give instants within the table.",
        )
    return at


@dataclass(frozen=True, eq=False)
class _Probe:
    """A pipeline, its table, and what may be altered."""

    pipeline: Pipeline
    table: pd.DataFrame
    instants: pd.Index
    time: str
    target: str
    columns: list[str]
    known: tuple[str, ...]
    horizon: int
    seed: int

    def tables(self, at: int, how: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(before, after) the alteration for one cutoff."""
        when = self.table[self.time]
        late = (when > self.instants[at]).to_numpy()
        table = self.table
        if how == "hole":
            first = self.instants[max(0, at - HOLE + 1)]
            table = hole_table(table, (when >= first).to_numpy() & ~late, self.target)
        last = self.instants[min(at + self.horizon, len(self.instants) - 1)]
        within = (when <= last).to_numpy()
        kind = "blank" if how == "blank" else "scrambled"
        keep = dict.fromkeys(self.known, within)
        return table, alter_table(table, late, self.columns, kind, self.seed + at, keep=keep)

    def call(self, table: pd.DataFrame, at: int) -> Any:
        """What the pipeline returns; it gets a copy, so that it may write into it."""
        return self.pipeline(table.copy(), self.instants[at])


def _row(probe: _Probe, at: np.ndarray, how: str, name: str) -> AuditRow:
    n_same = 0
    for position in at:
        cutoff = probe.instants[position]
        before, after = probe.tables(int(position), how)
        try:
            computed = probe.call(before, int(position))
        except Exception as error:  # any failure of the user's own code
            return AuditRow(how, name, "skipped", f"At {cutoff} it fails before any row is altered: {_short(error)}.")
        try:
            changed = differences(computed, probe.call(after, int(position)))
        except Exception as error:
            said = f"At {cutoff} it fails when later rows are {_word(how)}, so it reads them: {_short(error)}."
            return AuditRow(how, name, "suspicion", said)
        if not changed:
            n_same += 1
            continue
        if differences(computed, probe.call(before, int(position))):
            said = "Two calls with the same table differ: set its seeds, then audit again."
            return AuditRow(how, name, "skipped", said)
        named = "; ".join(str(d).removeprefix(": ") for d in changed[:MOST_NAMED])
        more = f"; and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        return AuditRow(how, name, "leak", f"Rows after {cutoff} {_word(how)}: {named}{more}.")
    return AuditRow(how, name, "ok", f"Rows after {n_same} cutoffs {_word(how)}: nothing changed by one bit.")


def _word(how: str) -> str:
    return "scrambled, with a gap up to the cutoff" if how == "hole" else how


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}".rstrip(".")
