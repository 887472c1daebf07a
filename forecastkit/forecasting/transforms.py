"""Invertible transforms of the target, fitted on training rows: scales, logarithms, powers, differences.

A model that is fitted to transformed rows forecasts in them; its points and quantiles are brought back. After a transform
that bends (``log``, ``log1p``, ``box_cox``, ``log_return``) a mean comes back as a median, and is said to be one.

Shapes: F cutoffs, I items, H steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecastkit.errors import FitError
from forecastkit.forecasting.schema import Rows, SeriesFrame, Store

__all__ = ["TRANSFORMS", "Transform", "choose_transform", "reasoned_transform", "transform_notes"]

TRANSFORMS = (
    "none", "standard", "robust", "min_max", "log", "log1p", "box_cox", "difference", "seasonal_difference", "log_return",
)  # fmt: skip

BENDING = ("log", "log1p", "box_cox", "log_return")
DIFFERENCES = ("difference", "seasonal_difference", "log_return")

FEWEST_BLOCKS = 6
LEVEL_RATIO = 2.0
"""Levels must move by this factor within a series before their spread can be held against them."""
MOST_LOOKED = 200
"""Series in which it is looked for a transform that was not asked for."""
LOG_SLOPE = 0.5
"""Spread that grows with more than the square root of the level is taken as proportional to it."""


def choose_transform(frame: SeriesFrame) -> str:
    """``log`` or ``log1p`` where spread grows with level, else ``none``."""
    return reasoned_transform(frame)[0]


def reasoned_transform(frame: SeriesFrame) -> tuple[str, str]:
    """The choice of ``choose_transform`` and why, in words.

    Each series is cut into blocks of one season (of 12 rows where there is none). Where the block levels of a series move
    by a factor of 2, the slope of log spread on log level is taken; the median of these slopes decides, above 0.5 for a
    logarithm. Values of 0 ask for ``log1p``, negative ones for nothing.

    Source of the idea, that a power of the level steadies the spread: Bartlett (1947), doi:10.2307/3001536.
    """
    store = frame.store
    least = float(store.values[store.observed].min()) if store.observed.any() else -1.0
    if least < 0:
        return "none", "values below 0"
    size = frame.season_length if frame.season_length >= 4 else 12
    slopes = [s for i in range(len(store)) if (s := _slope(store.series(i), size)) is not None]
    if not slopes:
        return "none", "no level moves enough to tell whether the spread goes with it"
    power = float(np.median(slopes))
    seen = f"in blocks of {size} rows the spread goes with the level to the power {power:.1f}"
    if power <= LOG_SLOPE:
        return "none", f"{seen}, not more than {LOG_SLOPE:g}"
    return ("log" if least > 0 else "log1p"), f"{seen}, more than {LOG_SLOPE:g}"


def transform_notes(asked: str, frame: SeriesFrame, at: np.ndarray) -> tuple[str, ...]:
    """For a run: what the rule chooses on rows up to ``at`` [I], where that was asked or something is not done."""
    if asked not in ("auto", "none"):
        return ()
    if asked == "none" and len(at) > MOST_LOOKED:  # a hint is not worth reading millions of rows for
        some = np.unique(np.linspace(0, len(at) - 1, MOST_LOOKED).astype(np.int64))
        frame, at = frame.take(some), at[some]
    kind, why = reasoned_transform(frame.between(at))
    if asked == "auto":
        return (f"Transform {kind} chosen for the first fit, and by the same rule for each later one: {why}.",)
    return () if kind == "none" else (f"Not transformed; --transform auto would take {kind}: {why}.",)


def _slope(y: np.ndarray, size: int) -> float | None:
    """Slope of log spread on log level over blocks; None where the level hardly moves."""
    blocks = y[len(y) % size :].reshape(-1, size)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]
    if len(blocks) < FEWEST_BLOCKS:
        return None
    level, spread = blocks.mean(axis=1), blocks.std(axis=1)
    usable = (level > 0) & (spread > 0)
    level, spread = level[usable], spread[usable]
    if len(level) < FEWEST_BLOCKS or level.max() < LEVEL_RATIO * level.min():
        return None
    return float(np.polyfit(np.log(level), np.log(spread), 1)[0])


@dataclass(frozen=True)
class Transform:
    """A transform with what it learned from training rows.

    Args:
        kind: one of ``TRANSFORMS``.
        season_length: of ``seasonal_difference``.
        items: item -> (centre, divisor) of scales, (power,) of ``box_cox``; empty for the others.
        pooled: the same for an item that was not there in training: the median over the others.
    """

    kind: str
    season_length: int = 1
    items: tuple[tuple[str, tuple[float, ...]], ...] = ()
    pooled: tuple[float, ...] = ()

    @classmethod
    def fit(cls, kind: str, frame: SeriesFrame) -> Transform:
        """Learn from all rows of ``frame``.

        Raises:
            FitError: a value is outside what the transform takes; names series and value.
        """
        store = frame.store
        _in_domain(kind, store)
        learn: Callable[[np.ndarray], tuple[float, ...]] | None = _LEARNED.get(kind)
        if learn is None:
            return cls(kind, frame.season_length)
        own = []
        for i, item in enumerate(store.items):
            y = store.series(i)
            seen = y[np.isfinite(y)]
            if len(seen):  # of a series with nothing within a sliding window the others tell
                own.append((item, learn(seen)))
        if not own:
            raise FitError(
                place=f"transform {kind}", rule="no row of any series is observed", remedy="Use transform=none."
            )
        pooled = tuple(float(v) for v in np.median([v for _, v in own], axis=0))
        return cls(kind, frame.season_length, tuple(own), pooled)

    @property
    def lag(self) -> int:
        """Rows between the two values of a difference; 0 = none is taken."""
        return 0 if self.kind not in DIFFERENCES else self.season_length if self.kind == "seasonal_difference" else 1

    @property
    def bends(self) -> bool:
        """Whether a mean comes back as something else."""
        return self.kind in BENDING

    def apply(self, frame: SeriesFrame) -> SeriesFrame:
        """The frame with a transformed target. A difference needs both of its rows.

        Raises:
            FitError: a later value is outside what the transform takes.
        """
        if self.kind == "none":
            return frame
        store = frame.store
        _in_domain(self.kind, store)
        item = np.repeat(np.arange(len(store)), store.lengths)
        values, seen = store.values, store.observed.copy()
        z = self._bent(values, item, store)
        if self.lag:
            row = np.arange(len(values)) - np.repeat(store.offsets[:-1], store.lengths)
            before = np.maximum(np.arange(len(values)) - self.lag, 0)
            seen &= (row >= self.lag) & store.observed[before]
            with np.errstate(invalid="ignore"):  # of unobserved rows, whose logarithm is infinite
                z = z - z[before]
        z = np.where(seen, z, 0.0)
        shared = Store(z, seen, store.offsets[:-1].copy(), store.lengths, store.starts, store.items)
        rows = Rows(shared, {name: frame.column(name) for name in frame.rows.covariates})
        return replace(frame, data=rows)  # type: ignore[arg-type]

    def _parameters(self, store: Store) -> np.ndarray:
        """[I, n] of a store's items."""
        known = dict(self.items)
        return np.array([known.get(item, self.pooled) for item in store.items], dtype=np.float64)

    def _bent(self, values: np.ndarray, item: np.ndarray, store: Store) -> np.ndarray:
        """Element by element; unobserved rows hold 0 and may come out as anything."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.kind in ("log", "log_return"):
                return np.log(values)
            if self.kind == "log1p":
                return np.log1p(values)
            if self.kind == "box_cox":
                from scipy.special import boxcox

                out: np.ndarray = boxcox(values, self._parameters(store)[item, 0])
                return out
        if self.items:
            p = self._parameters(store)[item]
            return (values - p[:, 0]) / p[:, 1]
        return values

    def undo(self, forecasts: np.ndarray, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """Forecasts in the target's units.

        Args:
            forecasts: [F, I, H] or, not for differences, [F, I, H, Q].
            frame: as it was before ``apply``.
            cutoffs: [F] calendar positions.
        """
        if self.lag:
            forecasts = self._summed(forecasts, frame, cutoffs)
        item = np.arange(len(frame.items)).reshape(-1, *[1] * (forecasts.ndim - 2))
        return self._straight(forecasts, item, frame.store)

    def undo_windows(self, values: np.ndarray, item: np.ndarray, store: Store) -> np.ndarray:
        """Values of single windows in the target's units; not for differences, which need what came before.

        Args:
            values: [B, ...] transformed.
            item: [B] positions in ``store``.
        """
        if self.lag:
            raise ValueError("a difference is undone by the rows before it")
        return self._straight(values, item.reshape(-1, *[1] * (values.ndim - 1)), store)

    def _straight(self, z: np.ndarray, item: np.ndarray, store: Store) -> np.ndarray:
        """The inverse of ``_bent``; ``item`` broadcasts to ``z``."""
        with np.errstate(over="ignore"):
            if self.kind in ("log", "log_return"):
                return np.exp(z)
            if self.kind == "log1p":
                return np.expm1(z)
        if not self.items:
            return z
        p = self._parameters(store)[item]
        return _inverse_box_cox(z, p[..., 0]) if self.kind == "box_cox" else z * p[..., 1] + p[..., 0]

    def _summed(self, changes: np.ndarray, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """Changes [F, I, H] added to the values that they start from, the last ones observed at each cutoff."""
        store, m = frame.store, self.lag
        out = np.full(changes.shape, np.nan)
        for i in range(len(store)):
            y = store.series(i)
            z = np.log(y) if self.kind == "log_return" else y
            for f, cutoff in enumerate(np.asarray(cutoffs)):
                n = int(np.clip(cutoff - store.starts[i] + 1, 0, len(z)))
                past = _held(z[:n], m, int(cutoff - store.starts[i] + 1))
                if past is None:
                    continue
                for h in range(changes.shape[2]):
                    past = np.r_[past, past[-m] + changes[f, i, h]]
                out[f, i] = past[m:]
        return out

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; floats keep every digit."""
        return {
            "kind": self.kind,
            "season_length": self.season_length,
            "items": [[item, list(values)] for item, values in self.items],
            "pooled": list(self.pooled),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Transform:
        """The inverse of ``to_dict``."""
        items = tuple((str(item), tuple(map(float, p))) for item, p in values["items"])
        return cls(str(values["kind"]), int(values["season_length"]), items, tuple(map(float, values["pooled"])))


def _held(z: np.ndarray, m: int, n: int) -> np.ndarray | None:
    """The last ``m`` of ``n`` rows, an unobserved one being the value a season before it; None where nothing is seen."""
    z = np.r_[z, np.full(max(0, n - len(z)), np.nan)]
    seen = np.flatnonzero(np.isfinite(z))
    if not len(seen):
        return None
    out = np.full(m, np.nan)
    for k in range(m):
        same = seen[(n - 1 - seen) % m == (m - 1 - k)]
        out[k] = z[same[-1]] if len(same) else z[seen[-1]]
    return out


def _in_domain(kind: str, store: Store) -> None:
    least = {"log": 0.0, "log_return": 0.0, "box_cox": 0.0, "log1p": -1.0}.get(kind)
    if least is None:
        return
    values = store.values
    bad = store.observed & (values <= least)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        item = store.items[int(np.searchsorted(store.offsets, row, side="right")) - 1]
        raise FitError(
            place=f"transform {kind}, series {item!r}",
            value=f"{values[row]:g}",
            rule=f"values above {least:g} are needed",
            remedy="Use transform=none, or log1p for counts.",
        )


def _standard(y: np.ndarray) -> tuple[float, float]:
    apart = y - y[0]
    return float(y[0] + apart.mean()), float(apart.std()) or 1.0


def _robust(y: np.ndarray) -> tuple[float, float]:
    low, middle, high = np.quantile(y, (0.25, 0.5, 0.75))
    return float(middle), float(high - low) or 1.0


def _min_max(y: np.ndarray) -> tuple[float, float]:
    return float(y.min()), float(y.max() - y.min()) or 1.0


def _power(y: np.ndarray) -> tuple[float]:
    """The power of greatest likelihood within [0, 2]. Source: Box and Cox (1964), doi:10.1111/j.2517-6161.1964.tb00553.x."""
    from scipy.optimize import minimize_scalar
    from scipy.stats import boxcox_llf

    if np.ptp(y) == 0:
        return (1.0,)
    scaled = y / np.exp(np.log(y).mean())
    found = minimize_scalar(lambda power: -boxcox_llf(power, scaled), bounds=(0.0, 2.0), method="bounded")
    return (float(found.x),)


_LEARNED: dict[str, Callable[[np.ndarray], tuple[float, ...]]] = {
    "standard": _standard,
    "robust": _robust,
    "min_max": _min_max,
    "box_cox": _power,
}


def _inverse_box_cox(z: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Below the range of the transform, which a power above 0 has, comes back its end, 0."""
    from scipy.special import inv_boxcox

    power = np.broadcast_to(power, z.shape)
    beyond = (power > 0) & (power * z + 1 <= 0)
    with np.errstate(all="ignore"):
        return np.where(beyond, 0.0, inv_boxcox(np.where(beyond, 0.0, z), power))
