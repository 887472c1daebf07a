"""Ridge regression over lags: a line for each step ahead, one for all series."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.models.context import season_segments
from forecastkit.forecasting.models.features import by_step, shared
from forecastkit.forecasting.models.windowed import (
    FittedOnWindows,
    TaskRows,
    WindowTask,
    evenly,
    ranked_rules,
    training_windows,
)
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.scaling import loss_weights
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.windows import Batch, Windows, WindowSet
from forecastkit.nn.rules import rule_rows

if TYPE_CHECKING:
    from forecastkit.forecasting.datamodule import WindowSource

__all__ = ["Ridge", "line_over_lags"]

MOST_WINDOWS = 50_000
MOST_WITH_HOLES = 10_000
"""Fewer, where steps that were not observed make each step's own sums necessary."""
CHUNK = 2048
ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
"""Tried on the tail of the training rows where none is given."""
USUAL_ALPHA = 10.0
LATE = 0.15
"""Share of the training rows whose windows choose the penalty of a line that a network corrects."""


@dataclass(frozen=True, eq=False)
class FittedRidge(FittedOnWindows):
    """Coefficients, in scaled units of a window.

    Args:
        common: [H, S + 1] of what all steps read; the last one is the intercept.
        own: [H, F] of what a step reads for itself.
    """

    forecaster: Ridge
    task: WindowTask
    encoder: CovariateEncoder
    common: np.ndarray = field(repr=False)
    own: np.ndarray = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        task = self.task

        def read(batch: Batch, windows: Windows) -> np.ndarray:
            x, g, last = _read(batch, task, self.encoder)
            # Summed in one order whatever else is in the batch: a product of matrices is not.
            return last + np.einsum("bs,hs->bh", x, self.common) + np.einsum("bhf,hf->bh", g, self.own)

        return self.read_at(frame, cutoffs, read, CHUNK)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        return {"common": self.common, "own": self.own}, self.meta()


def _read(batch: Batch, task: WindowTask, encoder: CovariateEncoder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(what all steps read, lags first [B, S + 1], what each reads for itself [B, H, F], the last value [B, 1])."""
    y = batch.past_num[:, :, 0].astype(np.float64)
    last = y[:, -1:]
    x = np.concatenate([y - last, shared(batch, encoder, task.season_length), np.ones((len(y), 1))], axis=1)
    return x, by_step(batch, encoder, task.rules, task.horizon), last


@dataclass(frozen=True)
class Ridge:
    """Options of ``ridge``: what a network has to beat.

    A line for each step over the lags of a window in its own scale, drawn towards a naive rule; covariates act
    through their values at the step, the squares, and how they differ from the rows that the rules repeat.

    Args:
        context_length: lags; None = as networks read.
        alpha: penalty, as scikit-learn counts it; None = the best of six on the tail of the training rows, as is the rule
            that the penalty draws towards.
        clock: hour, weekday and time of the year are read.

    Source: Hoerl and Kennard (1970), doi:10.1080/00401706.1970.10488634; direct multi-step: Ben Taieb et al. (2012),
    doi:10.1016/j.eswa.2012.01.039.
    """

    context_length: int | None = None
    alpha: float | None = None
    clock: bool = False

    family: ClassVar[str] = "regression"
    point: ClassVar[str] = "mean"
    complexity: ClassVar[int] = 30
    capabilities: ClassVar[Capabilities] = Capabilities(past=True, known=True, static=True, categorical=True)

    def __post_init__(self) -> None:
        if self.context_length is not None and self.context_length < 2:
            raise ConfigError(
                place="model ridge, option context_length", value=str(self.context_length), rule="at least 2 is needed"
            )
        if self.alpha is not None and not 0 < self.alpha < 1e12:
            raise ConfigError(
                place="model ridge, option alpha",
                value=str(self.alpha),
                rule="a number above 0 and below 1e12 is needed",
            )

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedRidge:
        """See ``Forecaster.fit``.

        Raises:
            FitError: no window fits.
        """
        started = time.perf_counter()
        about = context or FitContext()
        length, _ = season_segments(frame, horizon, context_length=self.context_length)
        train, valid, _ = training_windows(frame, horizon, length, about, label="ridge")
        train = _full(train.take(np.arange(len(train))), length)
        rules = ranked_rules(frame, train, horizon, length)
        encoder = CovariateEncoder.fit(frame, clock=self.clock)
        task = WindowTask(length, horizon, rules, frame.season_length, not frame.store.is_full)
        data = _Data(frame, task, encoder)
        sums = data.sums(train)
        alphas = (self.alpha,) if self.alpha is not None else ALPHAS if len(valid) else (USUAL_ALPHA,)
        tried = [(a, m) for m in rules for a in alphas]
        alpha, rule = tried[0]
        if len(valid):
            parts = list(data.parts(valid))
            losses = [_loss(parts, *sums.solved(a, rule_rows(length, horizon, m))) for a, m in tried]
            alpha, rule = tried[int(np.argmin(losses))]
            sums = data.sums(_full(_joined(train, valid), length))
        common, own = sums.solved(alpha, rule_rows(length, horizon, rule))
        info = {
            "alpha": alpha,
            "corrects": "last value" if rule == 1 else f"value {rule} steps ago",
            "context_length": length,
            "n_windows": len(train) + len(valid),
            "seconds": time.perf_counter() - started,
            "note": "",
        }
        return FittedRidge(self, task, encoder, common, own, info)

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedRidge:
        """See ``Forecaster.restore``."""
        task, encoder = WindowTask.from_meta(meta["task"]), CovariateEncoder.from_dict(meta["covariates"])
        return FittedRidge(self, task, encoder, arrays["common"], arrays["own"], dict(meta["info"]))


class _Data(TaskRows):
    """Windows of one frame as sums."""

    def parts(self, windows: Windows) -> Iterator[tuple[np.ndarray, ...]]:
        """(x [B, S + 1], g [B, H, F], y [B, H], weights [B, H]) of some windows at a time."""
        for start in range(0, len(windows), CHUNK):
            part = windows.take(np.arange(start, min(start + CHUNK, len(windows))))
            batch = self.batch(part)
            x, g, last = _read(batch, self.task, self.encoder)
            # Squared errors count in units of each series' seasonal changes, as RMSSE counts them.
            own = loss_weights(batch.scale.unit, self.scales[part.item]) ** 2
            yield x, g, batch.target[:, :, 0] - last, batch.target_observed[:, :, 0] * own[:, None]

    def sums(self, windows: Windows) -> _Sums:
        """Of products, over windows evenly chosen."""
        full = self.frame.store.is_full
        parts = self.parts(evenly(windows, MOST_WINDOWS if full else MOST_WITH_HOLES))
        return reduce(_Sums.plus, (_Sums.of(*part, alike=full) for part in parts))


def _loss(parts: list[tuple[np.ndarray, ...]], common: np.ndarray, own: np.ndarray) -> float:
    """Mean squared error in the units of the fit."""
    loss = weight = 0.0
    for x, g, y, w in parts:
        apart = y - x @ common.T - np.einsum("bhf,hf->bh", g, own)
        loss, weight = loss + float((w * apart**2).sum()), weight + float(w.sum())
    return loss / max(weight, 1e-12)


def line_over_lags(source: WindowSource, train: WindowSet, rules: tuple[int, ...]) -> np.ndarray:
    """[H, T + 1] coefficients of a window's scaled lags minus the last one, and an intercept: what a network may correct.

    The penalty, and the rule that it draws towards, are the best on the later windows of the training ones; then all are used.
    """
    length, horizon = source.context_length, source.horizon
    windows = _full(evenly(train, MOST_WINDOWS if source.store.is_full else MOST_WITH_HOLES), length)
    at = windows.row + source.store.starts[windows.item]
    late = at > at.max() - max(1, int(LATE * (at.max() - at.min())))
    early = at <= at.max() - int(LATE * (at.max() - at.min())) - horizon

    def parts(some: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        places = np.flatnonzero(some)
        for start in range(0, len(places), CHUNK):
            batch = source.batch(windows.take(places[start : start + CHUNK]))
            y = batch.inputs.past[:, :, 0].numpy().astype(np.float64)
            x = np.concatenate([y - y[:, -1:], np.ones((len(y), 1))], axis=1)
            weight = batch.target_observed.numpy() * batch.weight.numpy() ** 2
            yield x, np.zeros((len(y), horizon, 0)), batch.target.numpy() - y[:, -1:], weight

    def sums(some: np.ndarray) -> _Sums:
        return reduce(_Sums.plus, (_Sums.of(*part, alike=source.store.is_full) for part in parts(some)))

    tried = [(a, rule_rows(length, horizon, m)) for m in rules or (1,) for a in ALPHAS]
    best = (USUAL_ALPHA, tried[0][1])
    if early.any():
        first, later = sums(early), list(parts(late))
        best = tried[int(np.argmin([_loss(later, *first.solved(*t)) for t in tried]))]
    return sums(np.ones(len(windows), bool)).solved(*best)[0]


class _Sums(NamedTuple):
    """Weighted sums of products of x, g and y; where all steps weigh alike, one [1, S, S] serves them all.

    Args:
        xx: [1 or H, S, S].
        xg: [H, S, F].
        gg: [H, F, F].
        xy: [H, S].
        gy: [H, F].
    """

    xx: np.ndarray
    xg: np.ndarray
    gg: np.ndarray
    xy: np.ndarray
    gy: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, g: np.ndarray, y: np.ndarray, w: np.ndarray, *, alike: bool) -> _Sums:
        """Of x [B, S], g [B, H, F], y [B, H], weights [B, H]."""
        steps = [0] if alike else range(w.shape[1])
        xx = np.stack([(x * w[:, h, None]).T @ x for h in steps])
        wg, wy = (g * w[:, :, None]).transpose(1, 2, 0), w * y
        g_by_step = g.transpose(1, 0, 2)
        return cls(xx, (wg @ x).transpose(0, 2, 1), wg @ g_by_step, wy.T @ x, np.einsum("bhf,bh->hf", g, wy))

    def plus(self, other: _Sums) -> _Sums:
        """Of both."""
        return _Sums(*(a + b for a, b in zip(self, other)))

    def solved(self, alpha: float, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients ([H, S], [H, F]) under a penalty on what differs from a naive rule, the intercept left out.

        Args:
            rows: [H] which lag the rule repeats at each step; the last lag is 0 in x, and so is a coefficient of it.
        """
        from scipy.linalg import cho_factor, cho_solve

        n_steps, n_common, n_own = self.xg.shape
        penalty = np.full(n_common + n_own, alpha)
        # Where every window is constant nothing weighs, and the intercept is 0.
        penalty[n_common - 1] = 1e-9
        out = np.zeros((n_steps, n_common + n_own))
        one = n_own == 0 and len(self.xx) == 1
        for h in range(1 if one else n_steps):
            xx = self.xx[h if len(self.xx) > 1 else 0]
            plain = np.block([[xx, self.xg[h]], [self.xg[h].T, self.gg[h]]])
            whole = cho_factor(plain + np.diag(penalty))
            if one:
                out[:] = cho_solve(whole, self.xy.T - plain[:, rows]).T
            else:
                out[h] = cho_solve(whole, np.r_[self.xy[h], self.gy[h]] - plain[:, rows[h]])
        out[np.arange(n_steps), rows] += 1
        return out[:, :n_common], out[:, n_common:]


def _full(windows: Windows, length: int) -> Windows:
    """Those whose context lies within the history, where they are most of them."""
    full = windows.row >= length - 1
    return windows.take(np.flatnonzero(full)) if 2 * full.sum() > len(windows) else windows


def _joined(a: Windows, b: Windows) -> Windows:
    return Windows(np.r_[a.item, b.item], np.r_[a.row, b.row])
