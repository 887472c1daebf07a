"""What an audit found: one row a check and model, and the whole as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

__all__ = ["STATUSES", "AuditReport", "AuditRow"]

STATUSES = ("leak", "suspicion", "remark", "skipped", "ok")
"""Worst first. *leak*: shown. *suspicion*: can only be suspected from the data. *remark*: no leak, but worth knowing."""


@dataclass(frozen=True)
class AuditRow:
    """One check.

    Args:
        check: short name, such as ``future`` or ``covariate``.
        model: model or pipeline; empty = the data.
        status: one of ``STATUSES``.
        seen: what was seen, with number and place, as a sentence.
    """

    check: str
    model: str
    status: str
    seen: str


@dataclass(frozen=True)
class AuditReport:
    """All rows of an audit, in the order of the checks.

    Args:
        rows: one a check and model.
        done: what was done, a sentence each: cutoffs, alterations, what was shortened.
    """

    rows: tuple[AuditRow, ...]
    done: tuple[str, ...] = ()

    @property
    def leaks(self) -> tuple[AuditRow, ...]:
        """Rows with a leak."""
        return tuple(r for r in self.rows if r.status == "leak")

    @property
    def status(self) -> str:
        """The worst status of all rows."""
        return next((s for s in STATUSES if any(r.status == s for r in self.rows)), "ok")

    @property
    def exit_status(self) -> int:
        """0 without a leak, 1 with one."""
        return 1 if self.leaks else 0

    def sentence(self) -> str:
        """The answer in a line."""
        counts = {s: sum(r.status == s for r in self.rows) for s in STATUSES}
        if not counts["leak"]:
            more = ", ".join(_count(counts[s], s) for s in ("suspicion", "remark", "skipped") if counts[s])
            return f"No leak found{f' ({more})' if more else ''}."
        return f"{_count(counts['leak'], 'leak')} found in {len(self.rows)} checks."

    def to_frame(self) -> pd.DataFrame:
        """A row a check."""
        return pd.DataFrame([asdict(r) for r in self.rows], columns=["check", "model", "status", "seen"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "status": self.status,
            "exit_status": self.exit_status,
            "sentence": self.sentence(),
            "rows": [asdict(r) for r in self.rows],
            "done": list(self.done),
        }


def _count(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 or word == "skipped" else f"{n} {word}s"
