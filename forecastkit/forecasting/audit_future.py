"""Altered futures, and the comparison of what was computed with and without them, bit by bit.

Nothing that is computed for a cutoff may change when the rows after it do. Two alterations: *scrambled* (noise far
outside the data) and *blank* (unobserved). In a third pair the last rows up to the cutoff are blank as well, since an
interpolation across the cutoff shows only where a gap reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["HOLE", "Difference", "alter_frame", "alter_table", "differences", "hole_table", "leaves"]

HOLE = 2
"""Rows up to the cutoff that are blank in the third pair."""

NOISE = 30.0
"""Scrambled values spread so many standard deviations of the data."""


def alter_table(
    table: pd.DataFrame,
    late: np.ndarray,
    columns: Sequence[str],
    how: str,
    seed: int,
    *,
    keep: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """A copy of a table with other values in some rows.

    Args:
        late: [N] bool, rows to alter.
        columns: columns to alter.
        how: ``"scrambled"`` or ``"blank"``.
        keep: column -> [N] bool, rows of it that stay (a known covariate within the horizon).
    """
    out = table.copy()
    rng = np.random.default_rng(seed)
    for name in columns:
        rows = late & ~keep[name] if name in keep else late
        if rows.any():
            out[name] = _altered(table[name], rows, how, rng)
    return out


def _altered(column: pd.Series, rows: np.ndarray, how: str, rng: np.random.Generator) -> pd.Series:
    n = int(rows.sum())
    if not pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(object).copy()
        values[rows] = None if how == "blank" else rng.choice(column.to_numpy(object), n)
        return pd.Series(values, index=column.index)
    values = column.to_numpy(np.float64, na_value=np.nan).copy()
    seen = values[np.isfinite(values)]
    centre, spread = (float(seen.mean()), float(seen.std())) if len(seen) else (0.0, 1.0)
    values[rows] = np.nan if how == "blank" else centre + NOISE * (spread or 1.0) * rng.standard_normal(n)
    return pd.Series(values, index=column.index)


def hole_table(table: pd.DataFrame, rows: np.ndarray, column: str) -> pd.DataFrame:
    """A copy with one column blank in some rows [N] bool."""
    out = table.copy()
    out[column] = np.where(rows, np.nan, table[column].to_numpy(np.float64, na_value=np.nan))
    return out


def alter_frame(
    frame: SeriesFrame,
    after: int,
    how: str,
    *,
    horizon: int,
    known: Sequence[str] = (),
    seed: int = 1,
    hole: bool = False,
) -> SeriesFrame:
    """The frame with other rows after calendar position ``after``; static covariates stay, known ones within the horizon.

    Args:
        how: ``"as it is"``, ``"scrambled"`` or ``"blank"``.
        hole: the target of the last rows up to ``after`` is blank too.
    """
    late = frame.positions > after
    data = frame.data
    if hole:
        data = hole_table(data, (frame.positions > after - HOLE) & ~late, "target")
    if how != "as it is":
        columns = [c for c in data.columns if c not in ("item_id", "timestamp", *frame.static)]
        within = frame.positions <= after + horizon
        data = alter_table(data, late, columns, how, seed, keep=dict.fromkeys(known, within))
    return replace(frame, data=data)


@dataclass(frozen=True)
class Difference:
    """One thing that changed with the future.

    Args:
        name: what it is, such as ``forecast`` or ``state net.weight``.
        n: numbers that changed, of ``total``.
        where: index of the first one.
        before, after: its two values, as text.
    """

    name: str
    n: int
    total: int
    where: tuple[int, ...]
    before: str
    after: str

    def __str__(self) -> str:
        if self.total <= 1:
            return f"{self.name}: {self.before} became {self.after}"
        at = ", ".join(map(str, self.where))
        return f"{self.name}: {self.n} of {self.total} values, the first at [{at}]: {self.before} became {self.after}"


def leaves(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of everything in a value: arrays, numbers, texts, frames, tensors, in mappings and sequences."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from leaves(f"{name} {key}".strip(), part)
    elif isinstance(value, pd.DataFrame):
        for key in value.columns:
            yield from leaves(f"{name} {key}".strip(), value[key].to_numpy())
    elif isinstance(value, (list, tuple)) and not _is_plain(value):
        for k, part in enumerate(value):
            yield from leaves(f"{name} {k}".strip(), part)
    else:
        detach = getattr(value, "detach", None)
        yield name, np.asarray(detach().cpu().numpy() if detach is not None else value)


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether a sequence is one array of numbers or texts."""
    return all(isinstance(v, (bool, int, float, str, np.generic)) for v in values)


def differences(before: Any, after: Any, name: str = "") -> list[Difference]:
    """What differs by a bit; two NaN are the same."""
    old, new = dict(leaves(name, before)), dict(leaves(name, after))
    out = [_one(key, value, new.get(key)) for key, value in old.items()]
    out += [Difference(key, 1, 1, (), "absent", "present") for key in new if key not in old]
    return [d for d in out if d is not None]


def _one(name: str, a: np.ndarray, b: np.ndarray | None) -> Difference | None:
    if b is None:
        return Difference(name, 1, 1, (), "present", "absent")
    if a.shape != b.shape:
        return Difference(name, 1, 1, (), f"shape {list(a.shape)}", f"shape {list(b.shape)}")
    other = np.asarray(_bits(a) != _bits(b))
    if not other.any():
        return None
    where = tuple(int(k) for k in np.argwhere(other)[0])
    return Difference(name, int(other.sum()), int(a.size), where, _text(a[where]), _text(b[where]))


def _bits(a: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        same_nan = np.where(np.isnan(a), np.nan, a).astype(np.float64)
        return np.ascontiguousarray(same_nan).view(np.int64).reshape(a.shape)
    if a.dtype.kind in "biu":
        return a.astype(np.int64)
    return np.frompyfunc(repr, 1, 1)(a.astype(object)) if a.ndim else np.asarray(repr(a.item()))


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)[:40]
