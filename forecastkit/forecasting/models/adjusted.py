"""What any model may be asked for beside its own options: a transform of the target, forecasts that are not negative or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from forecastkit.forecasting.models.statistical import LocalFit
from forecastkit.forecasting.protocol import Capabilities, FitContext, Fitted, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.transforms import Transform, choose_transform

__all__ = ["Adjusted", "FittedAdjusted"]


@dataclass(frozen=True)
class Adjusted:
    """A model whose target is transformed before it and whose forecasts are brought into shape after it.

    Args:
        inner: the model itself.
        transform: of the target before the model: ``standard``, ``robust`` (median and quartiles), ``min_max``, ``log``, ``log1p``,
            ``box_cox``, ``difference``, ``seasonal_difference``, ``log_return``, ``none``, or ``auto``: the one that a look at
            the rows speaks for.
        non_negative: a forecast below 0 is 0, and no band reaches below it.
        whole: forecasts are rounded to whole numbers.
    """

    inner: Forecaster
    transform: Literal[
        "auto", "none", "standard", "robust", "min_max", "log", "log1p", "box_cox", "difference", "seasonal_difference",
        "log_return",
    ] = "none"  # fmt: skip
    non_negative: bool = False
    whole: bool = False

    @property
    def point(self) -> str:
        """The median where a transform may bend the inner model's mean."""
        return "median" if self.inner.point == "mean" and self.transform != "none" else self.inner.point

    @property
    def complexity(self) -> int:
        """The inner model's."""
        return self.inner.complexity

    @property
    def family(self) -> str:
        """The inner model's."""
        return self.inner.family

    @property
    def capabilities(self) -> Capabilities:
        """The inner model's."""
        return self.inner.capabilities

    @property
    def is_large(self) -> bool:
        """The inner model's, where it has one."""
        return bool(getattr(self.inner, "is_large", False))

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedAdjusted:
        """See ``Forecaster.fit``.

        Raises:
            FitError: also where a value is outside what the transform takes.
        """
        transform = self._transform_of(frame)
        return FittedAdjusted(
            self, self.inner.fit(transform.apply(frame), horizon=horizon, context=context or FitContext()), transform
        )

    def _transform_of(self, frame: SeriesFrame) -> Transform:
        return Transform.fit(choose_transform(frame) if self.transform == "auto" else self.transform, frame)

    def fit_and_forecast(
        self, fits: Sequence[LocalFit], *, horizon: int, context: FitContext
    ) -> Iterator[tuple[FittedAdjusted, np.ndarray, float, float]]:
        """See ``models.statistical``; for per-series models alone."""
        inner: Any = self.inner
        transforms = [self._transform_of(one.train) for one in fits]
        around = [LocalFit(t.apply(one.train), t.apply(one.frame), one.at) for t, one in zip(transforms, fits)]
        done = inner.fit_and_forecast(around, horizon=horizon, context=context)
        for transform, one, (fitted, points, fitting, predicting) in zip(transforms, fits, done):
            adjusted = FittedAdjusted(self, fitted, transform)
            yield adjusted, adjusted.shaped(_undone(transform, points, one.frame, one.at)), fitting, predicting

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedAdjusted:
        """See ``Forecaster.restore``."""
        return FittedAdjusted(self, self.inner.restore(arrays, meta["inner"]), Transform.from_dict(meta["transform"]))


def _undone(transform: Transform, points: np.ndarray, frame: SeriesFrame, at: np.ndarray) -> np.ndarray:
    """[F, I, H] in the target's units, after cutoffs ``at`` [F, I]."""
    if (at == at[:, :1]).all():
        return transform.undo(points, frame, at[:, 0])
    items = range(at.shape[1])
    return np.concatenate([transform.undo(points[:, [i]], frame.take(np.array([i])), at[:, i]) for i in items], axis=1)


@dataclass(frozen=True, eq=False)
class FittedAdjusted:
    """A fitted model and its transform."""

    forecaster: Adjusted
    inner: Fitted
    transform: Transform

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.inner.horizon

    @property
    def info(self) -> Mapping[str, Any]:
        """The inner model's, and what was done around it."""
        kind = self.transform.kind
        said = [str(self.inner.info.get("note", ""))]
        if self.forecaster.transform != "none":
            chosen = " (chosen)" if self.forecaster.transform == "auto" else ""
            middle = ": points are medians" if self.transform.bends and self.forecaster.inner.point == "mean" else ""
            said.append(f"transform {kind}{chosen}{middle}")
        return {**self.inner.info, "transform": kind, "note": "; ".join(filter(None, said))}

    @property
    def curves(self) -> list[dict[str, float]]:
        """The inner model's."""
        return self.inner.curves

    def shaped(self, forecasts: np.ndarray) -> np.ndarray:
        """Not below zero, and whole, where that was asked for."""
        out = np.maximum(forecasts, 0.0) if self.forecaster.non_negative else forecasts
        return np.rint(out) + 0.0 if self.forecaster.whole else out

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``."""
        points = self.inner.predict_at(self.transform.apply(frame), cutoffs)
        return self.shaped(self.transform.undo(points, frame, cutoffs))

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray | None:
        """See ``Fitted.quantiles_at``; a sum of differences has none, since its steps hang together."""
        if self.transform.lag:
            return None
        quantiles = self.inner.quantiles_at(self.transform.apply(frame), cutoffs)
        return None if quantiles is None else self.shaped(self.transform.undo(quantiles, frame, cutoffs))

    def samples_at(self, frame: SeriesFrame, cutoffs: np.ndarray, n: int, *, seed: int = 1) -> np.ndarray | None:
        """See ``FittedNetwork.samples_at``; None where the inner model has no sample paths."""
        draw = getattr(self.inner, "samples_at", None)
        paths = None if draw is None else draw(self.transform.apply(frame), cutoffs, n, seed=seed)
        if paths is None:
            return None
        # One path at a time is [n_cutoffs, n_items, horizon], as points are.
        undone = [self.shaped(self.transform.undo(paths[:, :, k], frame, cutoffs)) for k in range(n)]
        return np.stack(undone, axis=2)

    def update(self, frame: SeriesFrame) -> FittedAdjusted:
        """See ``Fitted.update``."""
        return replace(self, inner=self.inner.update(self.transform.apply(frame)))

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        arrays, meta = self.inner.state()
        return arrays, {"inner": meta, "transform": self.transform.to_dict()}
