"""Gradient boosted trees over lags and covariates, one for all series and all steps ahead."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.features import by_step, shared, trailing
from forecastkit.forecasting.models.trees import Trees
from forecastkit.forecasting.models.windowed import (
    FittedOnWindows,
    TaskRows,
    WindowTask,
    evenly,
    item_places,
    ranked_rules,
    training_windows,
)
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.scaling import loss_weights
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.windows import Batch, Windows, WindowSet
from forecastkit.nn.rules import rule_rows

__all__ = ["Boosting"]

MOST_CELLS = 100_000
"""Pairs of window and step to learn from, and a quarter as many to stop by."""
RECENT = 6
"""Last rows that are read as they are."""
CHUNK = 512
FEW_TREES = 50
"""Trees where no rows are left to say when to stop."""
PROBE_CELLS, PROBE_TREES, PROBE_LR = 25_000, 60, 0.2
"""What the choice of the target is made by."""


@dataclass(frozen=True, eq=False)
class FittedBoosting(FittedOnWindows):
    """Trees that correct the best naive rule in scaled units of a window, or give values in units of the series.

    Args:
        places: (level, spread) of each series in the training rows, where the target is the value.
    """

    forecaster: Boosting
    task: WindowTask
    encoder: CovariateEncoder
    trees: Trees = field(repr=False)
    places: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        task, unknown = self.task, (np.nan, np.nan)
        places = np.array([self.places.get(item, unknown) for item in frame.items]).reshape(-1, 2)

        def read(batch: Batch, windows: Windows) -> np.ndarray:
            seen = _Seen.of(batch, task, places[windows.item])
            x, base = _read(batch, seen, task, self.encoder)
            return seen.scaled(base + self.trees.predict(x.reshape(-1, x.shape[2])).reshape(base.shape), batch)

        return self.read_at(frame, cutoffs, read, CHUNK)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        return self.trees.arrays(), self.meta() | ({"places": self.places} if self.places else {})


@dataclass(frozen=True, eq=False)
class _Seen:
    """Targets of contexts in the units that trees read.

    Args:
        y: [B, T].
        level, spread: [B, 1] that a unit counts from and is worth; None = scaled units of the window.
    """

    y: np.ndarray
    level: np.ndarray | None = None
    spread: np.ndarray | None = None

    @classmethod
    def of(cls, batch: Batch, task: WindowTask, places: np.ndarray) -> _Seen:
        """In units of the series' places [B, 2], or of the window where they are not known."""
        y = batch.past_num[:, :, 0].astype(np.float64)
        if task.target == "rule":
            return cls(y)
        known = np.isfinite(places[:, 0]) & (places[:, 1] > 0)
        level = np.where(known, places[:, 0], batch.scale.centre)[:, None]
        spread = np.where(known, places[:, 1], batch.scale.divisor)[:, None]
        return cls((batch.scale.inverse(y) - level) / spread, level, spread)

    def scaled(self, values: np.ndarray, batch: Batch) -> np.ndarray:
        """Such values [B, H] in scaled units of the window."""
        if self.level is None or self.spread is None:
            return values
        return batch.scale.transform(values * self.spread + self.level)

    def units(self, values: np.ndarray, batch: Batch) -> np.ndarray:
        """Scaled values [B, H] of the window in these units."""
        if self.level is None or self.spread is None:
            return values
        return (batch.scale.inverse(values) - self.level) / self.spread


def _read(batch: Batch, seen: _Seen, task: WindowTask, encoder: CovariateEncoder) -> tuple[np.ndarray, np.ndarray]:
    """(features [B, H, F], what is corrected [B, H]).

    Where a rule is corrected, lags count from the last value, so that level is no feature.
    """
    y = seen.y
    n, length = y.shape
    horizon, season = task.horizon, task.season_length
    last = y[:, -1:]
    start = last if seen.level is None else np.zeros_like(last)
    parts = [y[:, -min(RECENT + 1, length) : -1] - start]
    spans = [s for s in (season, 2 * season, 7 * season, length) if 1 < s <= length] or [length]
    parts += [y[:, -s:].mean(axis=1, keepdims=True) - start for s in dict.fromkeys(spans)]
    parts += [last, y[:, -spans[0] :].std(axis=1, keepdims=True), shared(batch, encoder, season)]
    fixed = np.concatenate(parts, axis=1)
    steps = np.arange(1, horizon + 1)
    own = [np.broadcast_to(steps[None, :, None], (n, horizon, 1)), by_step(batch, encoder, task.rules, horizon)]
    own += trailing(batch, encoder, season, horizon)
    lags = dict.fromkeys([*task.rules, *(k * season for k in (2, 3, 14) if 1 < k * season <= length)])
    own += [(y[:, rule_rows(length, horizon, m)] - start)[:, :, None] for m in lags]
    wide = np.broadcast_to(fixed[:, None], (n, horizon, fixed.shape[1]))
    base = y[:, rule_rows(length, horizon, task.rules[0])] if seen.level is None else np.zeros((n, horizon))
    return np.concatenate([wide, *own], axis=2), base


@dataclass(frozen=True)
class Boosting:
    """Options of ``boosting``: histogram gradient boosting of scikit-learn, direct over all steps.

    One model for all series and steps reads the step, lags at the same place of earlier seasons, the last rows, means,
    covariates (what they did in the seasons before, too) and the calendar. It stops at the number of trees that was best on
    the tail of the training rows.

    Args:
        context_length: rows that lags and means come from; None = as networks read.
        loss: ``mae`` (forecasts the median) or ``mse`` (the mean).
        target: ``rule``: the best naive rule is corrected in the window's own scale, which follows a level that moves;
            ``value``: the value itself, in units of the series, which knows a level that stays; ``auto``: the one that is
            better on the tail, by a few trees.
        lr: share of each tree.
        max_trees: at most.
        leaves: of a tree, at most.
        min_leaf: cells in a leaf, at least.
        clock: hour, weekday and time of the year are read.
        relearn: once the number of trees is known, grow as many on all rows, those of the tail too.

    Sources: Friedman (2001), doi:10.1214/aos/1013203451; Ke et al. (2017), LightGBM, NeurIPS 30.
    """

    context_length: int | None = None
    loss: Literal["mae", "mse"] = "mae"
    target: Literal["auto", "rule", "value"] = "auto"
    lr: float = 0.05
    max_trees: int = 300
    leaves: int = 31
    min_leaf: int = 40
    clock: bool = True
    relearn: bool = False

    family: ClassVar[str] = "regression"
    complexity: ClassVar[int] = 40
    capabilities: ClassVar[Capabilities] = Capabilities(past=True, known=True, static=True, categorical=True)
    LOWS: ClassVar[dict[str, int]] = {"context_length": 2, "max_trees": 1, "leaves": 2, "min_leaf": 1}

    def __post_init__(self) -> None:
        for name, least in self.LOWS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(
                    place=f"model boosting, option {name}", value=str(value), rule=f"at least {least} is needed"
                )
        if not 0 < self.lr <= 1:
            raise ConfigError(
                place="model boosting, option lr", value=str(self.lr), rule="a number above 0 and up to 1 is needed"
            )

    @property
    def point(self) -> str:
        """What the point forecast is."""
        return "mean" if self.loss == "mse" else "median"

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedBoosting:
        """See ``Forecaster.fit``; ``n_steps`` is the number of trees.

        Raises:
            FitError: no window fits.
        """
        started = time.perf_counter()
        about = context or FitContext()
        length, _ = season_segments(frame, horizon, context_length=self.context_length)
        train, valid, note = training_windows(frame, horizon, length, about, label="boosting")
        rules = ranked_rules(frame, train, horizon, length)
        encoder = CovariateEncoder.fit(frame, clock=self.clock)
        task = WindowTask(length, horizon, rules, frame.season_length, not frame.store.is_full)
        cells = _Cells(frame, task, encoder, 1 if self.loss == "mae" else 2)
        target = self._target(cells, about)
        some = cells.some(train, MOST_CELLS, about.seed, target)
        most = (
            about.n_steps
            if about.n_steps is not None
            else self.max_trees
            if len(valid)
            else min(self.max_trees, FEW_TREES)
        )
        trees = self._grown(some, most, about.seed)
        curves: list[dict[str, float]] = []
        if trees.n and len(valid):
            curves = self._curve(trees, *cells.some(valid, MOST_CELLS // 4, about.seed, target))
            trees = trees.first(int(min(curves, key=lambda row: row["valid_loss"])["step"]))
            if self.relearn and trees.n:
                everything, _, _ = training_windows(
                    frame, horizon, length, replace(about, n_steps=trees.n), label="boosting"
                )
                trees = self._grown(cells.some(everything, MOST_CELLS, about.seed, target), trees.n, about.seed)
                note = "; ".join(filter(None, [note, f"{trees.n} trees grown again on all rows"]))
        rule = "last value" if rules[0] == 1 else f"value {rules[0]} steps ago"
        info = {
            "best_step": trees.n,
            "n_windows": len(train),
            "context_length": length,
            "corrects": rule if target == "rule" else "nothing: it gives values in units of the series",
            "seconds": time.perf_counter() - started,
            "note": note,
        }
        places = {} if target == "rule" else {i: (float(m), float(s)) for i, (m, s) in zip(frame.items, cells.places)}
        return FittedBoosting(self, replace(task, target=target), encoder, trees, places, info, curves)

    def _target(self, cells: _Cells, about: FitContext) -> str:
        """``rule`` or ``value``; without a tail to compare on, what follows any level.

        A fit whose number of trees is given chooses as those did that found the number: on the tail.
        """
        if self.target != "auto":
            return self.target
        frame, task, seed = cells.frame, cells.task, about.seed
        train, valid, _ = training_windows(
            frame, task.horizon, task.context_length, replace(about, n_steps=None), label="boosting"
        )
        if not len(valid):
            return "rule"
        errors = {}
        for name in ("rule", "value"):
            some = cells.some(train, PROBE_CELLS, seed, name)
            trees = self._grown(some, min(self.max_trees, PROBE_TREES), seed, lr=PROBE_LR)
            curve = self._curve(trees, *cells.some(valid, PROBE_CELLS // 4, seed, name))
            errors[name] = min(row["valid_loss"] for row in curve)
        return min(errors, key=lambda name: errors[name])

    def _grown(
        self, cells: tuple[np.ndarray, np.ndarray, np.ndarray], n: int, seed: int, *, lr: float | None = None
    ) -> Trees:
        """At most ``n`` trees; none where nothing is to learn."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        x, y, w = cells
        if n < 1 or w.sum() <= 0:
            return Trees.empty()
        model = HistGradientBoostingRegressor(
            loss="absolute_error" if self.loss == "mae" else "squared_error", learning_rate=lr or self.lr, max_iter=n,
            max_leaf_nodes=self.leaves, min_samples_leaf=self.min_leaf, early_stopping=False, random_state=seed,
        )  # fmt: skip
        return Trees.of(model.fit(x, y, sample_weight=w))

    def _curve(self, trees: Trees, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> list[dict[str, float]]:
        """Validation loss after each tree; the rule alone is step 0."""
        rows = []
        apart = y.copy()
        for k, part in enumerate(trees.staged(x)):
            loss = np.abs(apart) if self.loss == "mae" else apart**2
            rows.append(
                {
                    "step": k,
                    "epoch": k,
                    "train_loss": np.nan,
                    "valid_loss": float((w * loss).sum() / max(w.sum(), 1e-12)),
                }
            )
            apart = y - part
        return rows

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedBoosting:
        """See ``Forecaster.restore``."""
        task = WindowTask.from_meta(meta["task"])
        encoder = CovariateEncoder.from_dict(meta["covariates"])
        places = {str(item): (float(m), float(s)) for item, (m, s) in meta.get("places", {}).items()}
        return FittedBoosting(self, task, encoder, Trees.from_arrays(arrays), places, dict(meta["info"]))


@dataclass(frozen=True, eq=False)
class _Cells(TaskRows):
    """Pairs of window and step of one frame, drawn at random.

    Args:
        power: of the target's unit in the loss.
    """

    power: int

    @cached_property
    def places(self) -> np.ndarray:
        """[I, 2] level and spread of each series."""
        return item_places(self.frame)

    def some(self, windows: WindowSet, most: int, seed: int, target: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(features [C, F], targets [C], weights [C]) of at most ``most`` observed cells, for trees that give ``target``."""
        horizon = self.task.horizon
        # Windows that lie side by side say nearly the same: of many, few steps each.
        chosen = evenly(windows, max(most // min(horizon, 8), 1))
        share = min(1.0, most / (len(chosen) * horizon))
        rng = np.random.default_rng(seed)
        parts = [
            self._part(chosen.take(np.arange(k, min(k + CHUNK, len(chosen)))), share, rng, target)
            for k in range(0, len(chosen), CHUNK)
        ]
        x, y, w = (np.concatenate(p) for p in zip(*parts))
        return x, y, w

    def _part(self, windows: Windows, share: float, rng: np.random.Generator, target: str) -> tuple[np.ndarray, ...]:
        task, batch = replace(self.task, target=target), self.batch(windows)
        seen = _Seen.of(batch, task, self.places[windows.item])
        x, base = _read(batch, seen, task, self.encoder)
        keep = (rng.random(base.shape) < share) & (batch.target_observed[:, :, 0] > 0)
        unit = batch.scale.unit if seen.spread is None else seen.spread[:, 0]
        own = loss_weights(unit, self.scales[windows.item]) ** self.power
        answers = seen.units(batch.target[:, :, 0].astype(np.float64), batch) - base
        return x[keep], answers[keep], np.broadcast_to(own[:, None], base.shape)[keep]
