"""The audit of a file: how it was read, then its data and the models."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.forecasting.audit import Models, audit
from forecastkit.forecasting.audit_rows import AuditReport, AuditRow
from forecastkit.reading import ReadOptions, find_season, read

if TYPE_CHECKING:
    from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["audit_source"]

EARLY = 0.6
"""Share of the rows before the first cutoff."""


def audit_source(source: Any, models: Models, options: ReadOptions | None = None, **audit_options: Any) -> AuditReport:
    """Read a source and audit it, reading included.

    Args:
        source: as ``reading.read``.
        models: as ``audit``.
        options: how to read; covariates are named in it.
        audit_options: horizon, n_cutoffs, seed, full, progress of ``audit``.

    Raises:
        ForecastkitError: as ``read`` and ``audit``.
    """
    given = options or ReadOptions()
    reading = read(source, given)
    frame = reading.frame
    rows = [row for row in (_filled(source, given, frame), _season(given, frame, reading.profile.season_text)) if row]
    report = audit(frame, models, **audit_options)
    return replace(report, rows=(*rows, *report.rows))


def _filled(source: Any, options: ReadOptions, frame: SeriesFrame) -> AuditRow | None:
    """Rows that were filled from later ones on the way in."""
    if options.fill != "interpolate":
        return None
    before = read(source, replace(options, fill="none")).frame
    n = int(np.isnan(before.data["target"].to_numpy()).sum() - np.isnan(frame.data["target"].to_numpy()).sum())
    if not n:
        return AuditRow("reading", "", "ok", "--fill interpolate had nothing to fill.")
    said = f"--fill interpolate filled {n:,} rows from the next observed one, which lies later: use --fill forward or none."
    return AuditRow("reading", "", "leak", said)


def _season(options: ReadOptions, frame: SeriesFrame, how: str) -> AuditRow | None:
    """Whether the rows before the first cutoff give the same season as all rows."""
    if options.season_length is not None or "found" not in how:
        return None
    first = int(EARLY * len(frame.calendar))
    if (frame.store.starts > first).all() or first < 3:
        return None
    early = find_season(frame.upto(first))[0]
    if early == frame.season_length:
        said = f"The season of {early} rows, found on all rows, is found on those before the first cutoff too."
        return AuditRow("reading", "", "ok", said)
    said = f"The season of {frame.season_length} was found on all rows; those before the first cutoff give {early}: set --season."
    return AuditRow("reading", "", "suspicion", said)
