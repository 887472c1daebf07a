"""Covariates as numbers: fitted on training rows, kept with the model, applied to any later frame.

Shapes: N rows of the store, M rows with those beyond its ends, P positions of the calendar, I items.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import DataError
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.time_features import TimeFeatures
from forecastkit.reading.profile import moment_text

__all__ = ["Category", "CovariateEncoder", "Encoded", "Numeric", "missing_future", "require_future"]

MOST_LEARNED = 16
BLOCKS = 10
MOVING_SHARE = 0.5
"""A past covariate is scaled window by window where more of its variance lies between series and tenths of their rows."""


@dataclass(frozen=True)
class Numeric:
    """How a numeric column is scaled.

    Args:
        centre, spread: mean and standard deviation over the training rows, float64.
        gaps: values were missing in training, so that a second column says where.
        local: scaled again by each window's own context.
    """

    name: str
    centre: float
    spread: float
    gaps: bool = False
    local: bool = False


@dataclass(frozen=True)
class Category:
    """The values that a text column had in the training rows; any other, and a missing one, is code 0."""

    name: str
    values: tuple[str, ...]

    @property
    def n_codes(self) -> int:
        """Codes, with that of the unknown."""
        return len(self.values) + 1

    @property
    def table(self) -> tuple[int, int]:
        """(codes, numbers that a network learns for each)."""
        return self.n_codes, min(MOST_LEARNED, (self.n_codes + 1) // 2)


@dataclass(frozen=True, eq=False)
class Encoded:
    """Covariates of one frame, ready to be gathered.

    Args:
        time: [P + horizon, Ft] float32, by calendar position.
        past: [N, Fp] float64, forward-filled within each item; the columns ``local`` wait for their window's scale.
        past_cat: [N, Cp] int64.
        known: [M, Fk] float32.
        known_cat: [M, Ck] int64.
        known_offsets: [I + 1] first row of each item in ``known``, and the end.
        static: [I, S] float32.
        static_cat: [I, Cs] int64.
        local: [Fp] bool.
    """

    time: np.ndarray
    past: np.ndarray
    past_cat: np.ndarray
    known: np.ndarray
    known_cat: np.ndarray
    known_offsets: np.ndarray
    static: np.ndarray
    static_cat: np.ndarray
    local: np.ndarray


@dataclass(frozen=True)
class CovariateEncoder:
    """Time features, scales and categories of one fitted model.

    Args:
        known, past, static: numeric columns; text columns are in ``*_cat``.
    """

    time: TimeFeatures = field(default_factory=TimeFeatures)
    known: tuple[Numeric, ...] = ()
    past: tuple[Numeric, ...] = ()
    static: tuple[Numeric, ...] = ()
    known_cat: tuple[Category, ...] = ()
    past_cat: tuple[Category, ...] = ()
    static_cat: tuple[Category, ...] = ()

    @classmethod
    def fit(cls, frame: SeriesFrame, *, clock: bool = False, identity: bool = False) -> CovariateEncoder:
        """Learn scales and categories from all rows of ``frame``, which end at the cutoff.

        Args:
            clock: hour, weekday and time of the year are features.
            identity: which series it is becomes the last static category.
        """
        parts: dict[str, list[Any]] = {}
        first = frame.store.offsets[:-1]
        for role in ("known", "past", "static"):
            numbers: list[Numeric] = []
            texts: list[Category] = []
            for name in getattr(frame, role):
                column = frame.column(name)
                if pd.api.types.is_numeric_dtype(column):
                    values = column[first] if role == "static" else column
                    numbers.append(_numeric(name, values.astype(np.float64), frame, role))
                else:
                    seen = {str(v) for v in pd.unique(column) if not _missing(v)}
                    texts.append(Category(name, tuple(sorted(seen))))
            parts[role], parts[f"{role}_cat"] = numbers, texts
        if identity:
            parts["static_cat"].append(Category("item_id", frame.items))
        time = TimeFeatures.choose(frame.calendar, clock=clock, country=frame.country)
        return cls(time, **{key: tuple(values) for key, values in parts.items()})

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to encode."""
        return self == CovariateEncoder()

    @property
    def n_past(self) -> int:
        """Columns of ``Encoded.past``."""
        return len(self.past) + sum(c.gaps for c in self.past)

    @property
    def n_known(self) -> int:
        """Columns of ``Encoded.known``."""
        return len(self.known) + sum(c.gaps for c in self.known)

    @property
    def n_static(self) -> int:
        """Columns of ``Encoded.static``."""
        return len(self.static) + sum(c.gaps for c in self.static)

    def encode(self, frame: SeriesFrame, horizon: int) -> Encoded:
        """The covariates of a frame; rows after a cutoff are read by whoever gathers them, known ones alone."""
        store, first = frame.store, frame.store.offsets[:-1]
        instants = frame.calendar.instants
        if self.time.names:
            instants = instants.append(frame.calendar.future(horizon))
        past = _columns(frame, (*self.past, *self.past_cat))
        filled = {c.name: _filled(past[c.name], store.offsets) for c in self.past}
        known, known_offsets = self._known_rows(frame)
        static = {k: v[first] for k, v in _columns(frame, (*self.static, *self.static_cat)).items()}
        static["item_id"] = np.array(store.items, dtype=object)
        return Encoded(
            time=self.time.values(instants) if self.time.names else np.zeros((len(instants) + horizon, 0), np.float32),
            past=_scaled(self.past, past, len(frame), filled),
            past_cat=_codes(self.past_cat, past, len(frame)),
            known=_scaled(self.known, known, int(known_offsets[-1])).astype(np.float32),
            known_cat=_codes(self.known_cat, known, int(known_offsets[-1])),
            known_offsets=known_offsets,
            static=_scaled(self.static, static, len(store)).astype(np.float32),
            static_cat=_codes(self.static_cat, static, len(store)),
            local=np.array([c.local for c in self.past] + [False] * sum(c.gaps for c in self.past), dtype=bool),
        )

    def _known_rows(self, frame: SeriesFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Known columns of all rows, those beyond each item's end included, and the items' bounds."""
        store, ahead = frame.store, frame.future
        own = _columns(frame, (*self.known, *self.known_cat))
        if not own or ahead is None or not len(ahead):
            return own, store.offsets
        codes = pd.Categorical(ahead["item_id"], categories=list(store.items)).codes
        there = codes >= 0
        order = np.argsort(np.r_[np.repeat(np.arange(len(store)), store.lengths), codes[there]], kind="stable")
        rows = {name: np.concatenate([x, ahead[name].to_numpy()[there]])[order] for name, x in own.items()}
        return rows, np.r_[0, np.cumsum(store.lengths + np.bincount(codes[there], minlength=len(store)))]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; floats keep every digit."""
        return {**asdict(self), "time": self.time.to_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CovariateEncoder:
        """The inverse of ``to_dict``."""

        def numbers(key: str) -> tuple[Numeric, ...]:
            return tuple(Numeric(**c) for c in values[key])

        def texts(key: str) -> tuple[Category, ...]:
            return tuple(Category(str(c["name"]), tuple(c["values"])) for c in values[key])

        return cls(
            TimeFeatures.from_dict(values["time"]), numbers("known"), numbers("past"), numbers("static"),
            texts("known_cat"), texts("past_cat"), texts("static_cat"),
        )  # fmt: skip


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA or str(value).strip() == ""


def _numeric(name: str, values: np.ndarray, frame: SeriesFrame, role: str) -> Numeric:
    seen = np.isfinite(values)
    if not seen.any():
        return Numeric(name, 0.0, 1.0, gaps=True)
    first = values[seen][0]
    apart = values[seen] - first
    centre, spread = float(first + apart.mean()), float(apart.std())
    if spread <= 1e-12 * max(1.0, abs(centre)):
        spread = 1.0
    local = role == "past" and _moving_share(values, frame) > MOVING_SHARE
    return Numeric(name, centre, spread, gaps=bool((~seen).any()), local=local)


def _moving_share(values: np.ndarray, frame: SeriesFrame) -> float:
    """Share of the variance that lies between series and tenths of their rows."""
    store = frame.store
    within = np.arange(len(values)) - np.repeat(store.offsets[:-1], store.lengths)
    block = np.repeat(np.arange(len(store)), store.lengths) * BLOCKS + within * BLOCKS // np.repeat(
        store.lengths, store.lengths
    )
    seen = np.isfinite(values)
    y = values[seen] - values[seen].mean()
    count = np.bincount(block[seen], minlength=len(store) * BLOCKS)
    total = np.bincount(block[seen], weights=y, minlength=len(store) * BLOCKS)
    between = float((total**2 / np.maximum(count, 1)).sum())
    all_of_it = float((y**2).sum())
    return between / all_of_it if all_of_it > 0 else 0.0


def _columns(frame: SeriesFrame, columns: Iterable[Numeric | Category]) -> dict[str, np.ndarray]:
    """Name -> [N] of the frame's covariates; which series it is has no column."""
    return {c.name: frame.column(c.name) for c in columns if c.name != "item_id"}


def _filled(column: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Each missing value is the last one before it in its item; NaN before the first."""
    values = column.astype(np.float64)
    seen = np.isfinite(values)
    if seen.all():
        return values
    row = np.where(seen, np.arange(len(values)), -1)
    start = np.repeat(offsets[:-1], np.diff(offsets))
    last = np.maximum.accumulate(row)
    return np.where(last >= start, values[np.maximum(last, 0)], np.nan)


def _scaled(
    columns: tuple[Numeric, ...], rows: dict[str, np.ndarray], n: int, filled: dict[str, np.ndarray] | None = None
) -> np.ndarray:
    """[n, F] scaled values, missing ones at their mean, then one column of 0 and 1 for each that had gaps.

    Args:
        rows: column -> [n].
        filled: the same without the gaps that were filled; None = none was.
    """
    if not columns:
        return np.zeros((n, 0))
    raw = {c.name: rows[c.name].astype(np.float64) for c in columns}
    values = raw if filled is None else filled
    out = [(values[c.name] - c.centre) / c.spread for c in columns]
    out = [np.where(np.isfinite(x), x, 0.0) for x in out]
    out += [(~np.isfinite(raw[c.name])).astype(float) for c in columns if c.gaps]
    return np.stack(out, axis=1)


def _codes(columns: tuple[Category, ...], rows: dict[str, np.ndarray], n: int) -> np.ndarray:
    """[n, C] int64; 0 = unknown or missing."""
    if not columns:
        return np.zeros((n, 0), np.int64)
    out = []
    for c in columns:
        code_of = {value: k for k, value in enumerate(c.values, start=1)}
        codes, distinct = pd.factorize(rows[c.name])
        own = [0 if _missing(v) else code_of.get(str(v), 0) for v in distinct]
        out.append(np.array([*own, 0], dtype=np.int64)[codes])
    return np.stack(out, axis=1)


def missing_future(frame: SeriesFrame, horizon: int) -> pd.DataFrame:
    """Cells of known covariates that a forecast from each item's own end needs and the frame has not.

    Returns:
        item_id, timestamp, column; one row a cell, ascending.
    """
    ends = frame.store.ends
    gone = np.ones((len(ends), len(frame.known), horizon), dtype=bool)
    instants = frame.calendar.instants.append(frame.calendar.future(horizon))
    if frame.future is not None and len(frame.future):
        item = pd.Categorical(frame.future["item_id"], categories=list(frame.items)).codes.astype(np.int64)
        step = instants.get_indexer(pd.Index(frame.future["timestamp"])) - ends[item] - 1
        due = np.flatnonzero((item >= 0) & (step >= 0) & (step < horizon))
        for k, name in enumerate(frame.known):
            codes, distinct = pd.factorize(frame.future[name])
            empty = np.array([*(_missing(v) for v in distinct), True])[codes]
            gone[item[due], k, step[due]] = empty[due]
    who, which, ahead = np.nonzero(gone)
    items, names = (np.array(values, dtype=object) for values in (frame.items, frame.known))
    return pd.DataFrame({"item_id": items[who], "timestamp": instants[ends[who] + 1 + ahead], "column": names[which]})


def require_future(frame: SeriesFrame, horizon: int, remedy: str) -> None:
    """Whether every known covariate reaches over the horizon of every series.

    Raises:
        DataError: names the covariates and the first and last instants that are missing.
    """
    gone = missing_future(frame, horizon)
    if not len(gone):
        return
    names = ", ".join(dict.fromkeys(gone["column"]))
    instants = gone["timestamp"].drop_duplicates()
    first, last = moment_text(instants.min()), moment_text(instants.max())
    n = len(instants)
    item = str(gone["item_id"].iloc[0])
    whose = f" of series {item!r}" if len(frame.items) > 1 else ""
    raise DataError(
        place=f"known covariates {names}",
        value=f"missing{whose} at {first if n == 1 else f'{first} to {last}'} ({n} instant{'s' * (n != 1)})",
        rule="a covariate that is known ahead needs a value for every step of the forecast",
        remedy=remedy,
    )
