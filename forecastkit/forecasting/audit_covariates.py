"""Covariates that know the target's future: the target is shifted and held against each of them.

A covariate is regressed upon: target k rows later ~ the target's own last rows, with and without the covariate. An
exact fit that the target's own history does not give is a leak (a shifted copy, a centred average); a fit that is only
much better is a suspicion.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from forecastkit.forecasting.audit_rows import AuditRow
from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["check_covariates"]

OWN_ROWS = 12
"""Rows of the target's own history: a centred average of up to 25 rows is undone exactly."""

FEWEST_PAIRS = 60
MOST_ROWS = 5_000
MOST_ITEMS = 50
"""Series that are looked at, spread over the panel."""

MOST_SHIFTS = 20
MOST_GROUPS = 0.2
"""An encoding has fewer distinct values than this share of its rows."""

EQUAL_SHARE = 0.95
EXACT, SUSPECT = 0.999, 0.6
"""Shares explained of what the target's own history leaves open: a leak, a suspicion."""

OPEN_AT_LEAST = 1e-9
"""A series that its own history explains but for this share leaves nothing to explain."""


def check_covariates(frame: SeriesFrame, horizon: int) -> list[AuditRow]:
    """One row a past, known or static covariate.

    Args:
        frame: with its covariates named in ``past``, ``known`` and ``static``.
        horizon: the target is shifted by 1 to so many rows, 20 at most.
    """
    rows = []
    for name in (*frame.past, *frame.known, *frame.static):
        if not pd.api.types.is_numeric_dtype(frame.data[name]):
            rows.append(AuditRow("covariate", "", "skipped", f"{name} is text; only numbers can be held against it."))
            continue
        known = name in frame.known
        found = None if name in frame.static else _shifted(frame, name, horizon, known=known)
        rows.append(found or _encoded(frame, name) or _copies(frame, name, known=known) or _clean(frame, name, horizon))
    return rows


def _clean(frame: SeriesFrame, name: str, horizon: int) -> AuditRow:
    if name in frame.static:
        return AuditRow("covariate", "", "ok", f"{name}: no encoding of the target.")
    if not any(np.isfinite(_fits(y, x, 1)).all() for _, y, x in _series(frame, name)):
        said = (
            f"{name}: in no series {FEWEST_PAIRS} rows with all values, a moving target and {OWN_ROWS} rows before it."
        )
        return AuditRow("covariate", "", "skipped", said)
    which = "its own row and " if name in frame.known else ""
    said = (
        f"{name}: held against {which}the target 1 to {min(horizon, MOST_SHIFTS)} rows later, it says nothing unusual."
    )
    return AuditRow("covariate", "", "ok", said)


def _series(frame: SeriesFrame, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(item, target, covariate) of the last rows of each item."""
    store, column = frame.store, frame.column(name).astype(np.float64)
    for i in np.unique(np.linspace(0, len(store) - 1, min(MOST_ITEMS, len(store))).astype(int)):
        item = store.items[i]
        y, x = store.series(i)[-MOST_ROWS:], column[store.offsets[i] : store.offsets[i + 1]][-MOST_ROWS:]
        yield item, y, x


def _shifted(frame: SeriesFrame, name: str, horizon: int, *, known: bool) -> AuditRow | None:
    """Equality with, then prediction of, the target ``shift`` rows later (0 for known covariates: the answer itself)."""
    worst: tuple[float, float, int, str] | None = None
    for item, y, x in _series(frame, name):
        for shift in range(0 if known else 1, min(horizon, MOST_SHIFTS) + 1):
            equal, n = _equal_share(y, x, shift)
            if equal >= EQUAL_SHARE and n >= FEWEST_PAIRS // 3:
                when = "of the same row, yet is declared known ahead" if shift == 0 else _later(shift)
                said = f"{name} of {item} equals the target {when}, in {100 * equal:.0f} % of {n} rows where it moves."
                return AuditRow("covariate", "", "leak", said)
            own, both = _fits(y, x, shift)
            if not np.isfinite(own) or 1 - own < OPEN_AT_LEAST:
                continue
            gain = 1 - (1 - both) / (1 - own)
            if worst is None or gain > worst[0]:
                worst = (gain, own, shift, item)
    return None if worst is None else _judged(name, *worst, known=known)


def _judged(name: str, gain: float, own: float, shift: int, item: str, *, known: bool) -> AuditRow | None:
    # A known covariate is there to explain the target; only the target itself explains all of it.
    if gain < (EXACT if known else SUSPECT):
        return None
    later = "of the same row" if shift == 0 else _later(shift)
    said = (
        f"{name} of {item} explains {_share(gain)} of what the target's own history leaves open of the target {later} "
        f"(which explains {_share(own)} of its change)."
    )
    return AuditRow("covariate", "", "leak" if gain >= EXACT else "suspicion", said)


def _later(shift: int) -> str:
    return f"{shift} row{'s' if shift > 1 else ''} later"


def _share(value: float) -> str:
    return f"{100 * max(value, 0.0):.1f} %"


def _moved(y: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Target ``shift`` rows later [n], and whether it differs there from today's (shift 0: from yesterday's)."""
    later = np.r_[y[shift:], np.full(shift, np.nan)] if shift else y
    before = y if shift else np.r_[np.nan, y[:-1]]
    return later, np.isfinite(later) & np.isfinite(before) & (later != before)


def _equal_share(y: np.ndarray, x: np.ndarray, shift: int) -> tuple[float, int]:
    """Share of rows where the covariate is the target ``shift`` rows later, among rows where the target moves."""
    later, moved = _moved(y, shift)
    use = moved & np.isfinite(x)
    n = int(use.sum())
    return (float(np.isclose(x[use], later[use], rtol=1e-9, atol=0).mean()) if n else 0.0), n


def _fits(y: np.ndarray, x: np.ndarray, shift: int) -> tuple[float, float]:
    """R2 of the change to the target ``shift`` rows later: from its own history, and with the covariate.

    Fitted on the first half, judged on the second, so that many columns do not win by chance. NaN = too few rows.
    """
    n = len(y)
    steps = min(OWN_ROWS, max(2, n // 20))
    ahead = shift if shift else 1
    # Shift 0 is tomorrow's covariate against tomorrow's target: what a forecast of one row would be given.
    moved = np.r_[x[1:], np.nan] if shift == 0 else x
    t = np.arange(steps, n - ahead)
    if len(t) < FEWEST_PAIRS:
        return np.nan, np.nan
    change = y[t + ahead] - y[t]
    own = np.column_stack([y[t], *(y[t] - y[t - k] for k in range(1, steps + 1))])
    both = np.column_stack([own, moved[t] - y[t], moved[t], moved[t] - moved[t - 1]])
    ok = np.isfinite(change) & np.isfinite(both).all(axis=1)
    if ok.sum() < FEWEST_PAIRS or np.ptp(change[ok]) == 0:
        return np.nan, np.nan
    return _r2(own[ok], change[ok]), _r2(both[ok], change[ok])


def _r2(x: np.ndarray, y: np.ndarray) -> float:
    half = len(y) // 2
    centre, spread = x[:half].mean(axis=0), x[:half].std(axis=0)
    z = np.column_stack([np.ones(len(y)), (x - centre) / np.where(spread > 0, spread, 1.0)])
    weights = np.linalg.lstsq(z[:half], y[:half], rcond=None)[0]
    rest, base = y[half:] - z[half:] @ weights, y[half:] - y[half:].mean()
    total = float(base @ base)
    return 1.0 - float(rest @ rest) / total if total > 0 else 1.0


def _encoded(frame: SeriesFrame, name: str) -> AuditRow | None:
    """Each distinct value is the mean of the target over the rows that hold it: encoded with all rows."""
    y, x = frame.data["target"].to_numpy(np.float64), frame.data[name].to_numpy(np.float64)
    ok = np.isfinite(x) & np.isfinite(y)
    if ok.sum() < FEWEST_PAIRS:
        return None
    values, code, count = np.unique(x[ok], return_inverse=True, return_counts=True)
    # One value is a constant, which is the mean by chance of nothing; the encoding of a category has two or more.
    if not 2 <= len(values) <= MOST_GROUPS * ok.sum():
        return None
    means = np.bincount(code.ravel(), weights=y[ok]) / count
    # Groups that are their own mean by being one target value are left to the check for copies.
    if not np.allclose(means, values, rtol=1e-4, atol=1e-4 * float(np.ptp(values))) or _constant_groups(y[ok], code):
        return None
    said = (
        f"{name} is the mean of the target over all rows for each of its {len(values)} values: encoded with later rows."
    )
    return AuditRow("covariate", "", "suspicion", said)


def _constant_groups(y: np.ndarray, code: np.ndarray) -> bool:
    order = np.argsort(code.ravel(), kind="stable")
    edges = np.flatnonzero(np.r_[True, np.diff(code.ravel()[order]) > 0])
    spread = np.maximum.reduceat(y[order], edges) - np.minimum.reduceat(y[order], edges)
    return bool((spread == 0).mean() > 0.5)


def _copies(frame: SeriesFrame, name: str, *, known: bool) -> AuditRow | None:
    """A covariate that repeats the target's present or past: no leak, and nothing new either."""
    if known:
        return None
    for item, y, x in _series(frame, name):
        for lag in range(6):
            was = np.r_[np.full(lag, np.nan), y[: len(y) - lag]] if lag else y
            moved = np.isfinite(was) & np.isfinite(x) & (np.r_[np.nan, was[:-1]] != was)
            if (
                moved.sum() < FEWEST_PAIRS // 3
                or np.isclose(x[moved], was[moved], rtol=1e-9, atol=0).mean() < EQUAL_SHARE
            ):
                continue
            which = "the target itself" if lag == 0 else f"the target {lag} row{'s' if lag > 1 else ''} before"
            return AuditRow("covariate", "", "remark", f"{name} of {item} is {which}, which the models have already.")
    return None
