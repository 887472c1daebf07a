"""Gradient boosted trees over lags and covariates, one for all series and all steps ahead."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.covariates import CovariateEncoder, Encoded
from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.features import by_step, shared
from forecastkit.forecasting.models.trees import Trees
from forecastkit.forecasting.models.windowed import evenly, forecasts, item_scales, ranked_rules, training_windows
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.windows import Batch, Windows, WindowSet, gather
from forecastkit.nn.rules import rule_rows

__all__ = ["Boosting"]

MOST_CELLS = 100_000
"""Pairs of window and step to learn from, and a quarter as many to stop by."""
RECENT = 6
"""Last rows that are read as they are."""
CHUNK = 512
MOST_WEIGHT = 20.0


@dataclass(frozen=True)
class _Task:
    """What was fitted, JSON-able."""

    context_length: int
    horizon: int
    rules: tuple[int, ...]
    season_length: int
    elapsed: bool
    scaling: str = "instance"


@dataclass(frozen=True, eq=False)
class FittedBoosting:
    """Trees that correct the best naive rule, in scaled units of a window."""

    forecaster: Boosting
    task: _Task
    encoder: CovariateEncoder
    trees: Trees = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.task.horizon

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        task = self.task

        def read(batch: Batch, windows: Windows) -> np.ndarray:
            x, base = _read(batch, task, self.encoder)
            return base + self.trees.predict(x.reshape(-1, x.shape[2])).reshape(base.shape)

        return forecasts(
            frame, cutoffs, self.encoder, read, (task.horizon,), context_length=task.context_length,
            horizon=task.horizon, scaling=task.scaling, elapsed=task.elapsed, chunk=CHUNK,
        )  # fmt: skip

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> None:
        """See ``Fitted.quantiles_at``."""
        return

    def update(self, frame: SeriesFrame) -> FittedBoosting:
        """See ``Fitted.update``."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        task = {**self.task.__dict__, "rules": list(self.task.rules)}
        return self.trees.arrays(), {"task": task, "covariates": self.encoder.to_dict(), "info": dict(self.info)}


def _read(batch: Batch, task: _Task, encoder: CovariateEncoder) -> tuple[np.ndarray, np.ndarray]:
    """(features [B, H, F], the rule that is corrected [B, H]); lags count from the last value, so that level is no feature."""
    y = batch.past_num[:, :, 0].astype(np.float64)
    n, length = y.shape
    horizon, season = task.horizon, task.season_length
    last = y[:, -1:]
    parts = [y[:, -min(RECENT + 1, length) : -1] - last]
    spans = [s for s in (season, 2 * season, 7 * season, length) if 1 < s <= length] or [length]
    parts += [y[:, -s:].mean(axis=1, keepdims=True) - last for s in dict.fromkeys(spans)]
    parts += [last, y[:, -spans[0] :].std(axis=1, keepdims=True), shared(batch, encoder, season)]
    fixed = np.concatenate(parts, axis=1)
    steps = np.arange(1, horizon + 1)
    own = [np.broadcast_to(steps[None, :, None], (n, horizon, 1)), by_step(batch, encoder, task.rules, horizon)]
    lags = dict.fromkeys([*task.rules, *(k * season for k in (2, 3, 14) if 1 < k * season <= length)])
    own += [(y[:, rule_rows(length, horizon, m)] - last)[:, :, None] for m in lags]
    wide = np.broadcast_to(fixed[:, None], (n, horizon, fixed.shape[1]))
    return np.concatenate([wide, *own], axis=2), y[:, rule_rows(length, horizon, task.rules[0])]


@dataclass(frozen=True)
class Boosting:
    """Options of ``boosting``: histogram gradient boosting of scikit-learn, direct over all steps.

    One model for all series and steps reads the step, lags at the same place of earlier seasons, the last rows, means,
    covariates and the calendar, and corrects the best naive rule in the window's own scale. It stops at the number of trees
    that was best on the tail of the training rows.

    Args:
        context_length: rows that lags and means come from; None = as networks read.
        loss: ``mae`` (forecasts the median) or ``mse`` (the mean).
        lr: share of each tree.
        max_trees: at most.
        leaves: of a tree, at most.
        min_leaf: cells in a leaf, at least.
        clock: hour, weekday and time of the year are read.

    Sources: Friedman (2001), doi:10.1214/aos/1013203451; Ke et al. (2017), LightGBM, NeurIPS 30.
    """

    context_length: int | None = None
    loss: Literal["mae", "mse"] = "mae"
    lr: float = 0.05
    max_trees: int = 300
    leaves: int = 31
    min_leaf: int = 40
    clock: bool = True

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
        from sklearn.ensemble import HistGradientBoostingRegressor

        started = time.perf_counter()
        about = context or FitContext()
        length, _ = season_segments(frame, horizon, context_length=self.context_length)
        train, valid, note = training_windows(frame, horizon, length, about, label="boosting")
        rules = ranked_rules(frame, train, horizon, length)
        encoder = CovariateEncoder.fit(frame, clock=self.clock)
        task = _Task(length, horizon, rules, frame.season_length, not frame.store.is_full)
        cells = _Cells(frame, task, encoder, 1 if self.loss == "mae" else 2)
        x, y, w = cells.some(train, MOST_CELLS, about.seed)
        n_trees = (
            about.n_steps if about.n_steps is not None else self.max_trees if len(valid) else min(self.max_trees, 50)
        )
        model = HistGradientBoostingRegressor(
            loss="absolute_error" if self.loss == "mae" else "squared_error", learning_rate=self.lr,
            max_iter=max(1, n_trees), max_leaf_nodes=self.leaves, min_samples_leaf=self.min_leaf, early_stopping=False,
            random_state=about.seed,
        )  # fmt: skip
        trees = Trees.empty()
        curves: list[dict[str, float]] = []
        if n_trees and w.sum() > 0:
            trees = Trees.of(model.fit(x, y, sample_weight=w))
            if len(valid):
                curves = self._curve(trees, *cells.some(valid, MOST_CELLS // 4, about.seed))
                trees = trees.first(int(min(curves, key=lambda row: row["valid_loss"])["step"]))
        info = {
            "best_step": trees.n,
            "n_windows": len(train),
            "context_length": length,
            "corrects": "last value" if rules[0] == 1 else f"value {rules[0]} steps ago",
            "seconds": time.perf_counter() - started,
            "note": note,
        }
        return FittedBoosting(self, task, encoder, trees, info, curves)

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
        task = _Task(**{**meta["task"], "rules": tuple(meta["task"]["rules"])})
        encoder = CovariateEncoder.from_dict(meta["covariates"])
        return FittedBoosting(self, task, encoder, Trees.from_arrays(arrays), dict(meta["info"]))


class _Cells:
    """Pairs of window and step of one frame, drawn at random."""

    def __init__(self, frame: SeriesFrame, task: _Task, encoder: CovariateEncoder, power: int) -> None:
        self.frame, self.task, self.encoder, self.power = frame, task, encoder, power
        self.encoded: Encoded | None = None if encoder.is_empty else encoder.encode(frame, task.horizon)
        self.scales = item_scales(frame)

    def some(self, windows: WindowSet, most: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(features [C, F], targets [C], weights [C]) of at most ``most`` observed cells."""
        horizon = self.task.horizon
        # Windows that lie side by side say nearly the same: of many, few steps each.
        chosen = evenly(windows, max(most // min(horizon, 8), 1))
        share = min(1.0, most / (len(chosen) * horizon))
        rng = np.random.default_rng(seed)
        parts = [
            self._part(chosen.take(np.arange(k, min(k + CHUNK, len(chosen)))), share, rng)
            for k in range(0, len(chosen), CHUNK)
        ]
        x, y, w = (np.concatenate(p) for p in zip(*parts))
        return x, y, w

    def _part(self, windows: Windows, share: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        task = self.task
        batch = gather(
            self.frame.store, windows, task.context_length, task.horizon, scaling=task.scaling,
            covariates=self.encoded, elapsed=task.elapsed,
        )  # fmt: skip
        x, base = _read(batch, task, self.encoder)
        keep = (rng.random(base.shape) < share) & (batch.target_observed[:, :, 0] > 0)
        own = np.clip(batch.scale.unit / self.scales[windows.item], 1 / MOST_WEIGHT, MOST_WEIGHT) ** self.power
        return x[keep], (batch.target[:, :, 0] - base)[keep], np.broadcast_to(own[:, None], base.shape)[keep]
