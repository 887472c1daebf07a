"""What all networks share: windows, covariates, training, forecasts. A network's own file says how it is built.

One global network over all series. It corrects a naive rule in units of the window's own spread, so that before training
it is that rule, and what it learns is what the rule misses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit.errors import ConfigError
from forecastkit.forecasting.backtest import in_its_share
from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.models.clock import reads_clock
from forecastkit.forecasting.models.context import default_context
from forecastkit.forecasting.models.fitted_network import FittedNetwork, NetTask
from forecastkit.forecasting.models.network_training import Training
from forecastkit.forecasting.models.ridge import line_over_lags
from forecastkit.forecasting.models.windowed import item_scales, item_spreads, ranked_rules, training_windows
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame

__all__ = ["FittedNetwork", "NetTask", "NetworkForecaster"]

LARGE = 256 * 128
"""Units times windows a step from which the matrix products are worth sharing among threads."""
MOST_REACH = 48
"""Rows before a step in which a known covariate still acts (half a season, at most)."""


@dataclass(frozen=True)
class NetworkForecaster:
    """Options that all networks have.

    Args:
        context_length: rows the network reads; None = by season, horizon and length of the history.
        residual: the naive rule that is corrected: ``auto`` (all that the context holds: last value, last season, for
            hours and less also last week; it starts as the best on training rows and learns to mix), ``last``,
            ``season``, or ``none``.
        ridge: a ridge regression over the context's lags is fitted first, held fixed, and corrected as the first of the
            rules, in networks that forecast all steps at once: what is linear need not be learned step by step.
        clock: hour, weekday and time of the year are features, where the calendar has dates and each cycle was seen
            twice; None = where a regression on training rows gains by them, and always where a network reads rows shorter than a
            day one by one (``clock.reads_clock``).
        identity: each series has learned numbers of its own, that the network reads as static features.
        head: ``point``, ``quantile`` (thirteen that do not cross), or a distribution: ``normal``, ``student_t``,
            ``mixture`` (of three normal ones) or ``negative_binomial`` (counts).
        loss: of a point: ``mae`` (forecasts the median), ``mse`` (the mean), ``huber``, or ``pinball`` (a quantile).
        level: which quantile ``pinball`` forecasts.
        scale_loss: errors of a series count in units of its own seasonal changes, as in MASE; False = in units of
            each window's spread; a squared error is divided by the square.
        average: decay of the running mean of the weights that is validated and kept (Polyak averaging); 0 = none.
        scaling: ``instance``: mean and standard deviation of each context; ``log``: the same in logarithms, where a
            context has values above 0 alone; ``item``: the mean of each context and the standard deviation of all training
            rows of its series, so that quiet stretches stay quiet; ``none``.
        paths: sample paths behind a forecast, where a distribution is fed back step by step.
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        lr: learning rate, the highest one where the schedule changes it.
        weight_decay: share of the weights that is taken off at each step, in units of the learning rate.
        schedule: of the learning rate: ``constant``, ``cosine`` to 0 or ``onecycle``, over ``max_steps``.
        clip: largest gradient norm; 0 = not clipped.
        lr_range: find the learning rate by a range test of 100 steps; ``lr`` is then what is taken where it finds none.
        batch_size: windows a step.
        sampling: ``uniform``: every window is drawn alike; ``balanced``: every series is, however long.
        recent: share of the history after which windows are drawn half as often; 0 = old ones as often as new ones.
        max_steps: most optimiser steps.
        relearn: once the best number of steps is known, train that many on all rows, those of the validation too; takes
            up to twice the time, and pays where the last months say most.
        val_every: steps between validations.
        patience: validations without improvement before stopping.
        device: where it trains; ``auto`` = a GPU where there is one.
        precision: of the matrix products in training: ``32``, ``bf16``, or ``auto``: bfloat16 where the machine has it
            and the network is large enough to gain; forecasts are always made in float32.

    Raises:
        ConfigError: a value breaks its rule.
    """

    context_length: int | None = None
    residual: Literal["auto", "last", "season", "none"] = "auto"
    ridge: bool = False
    clock: bool | None = None
    identity: bool = False
    head: Literal["point", "quantile", "normal", "student_t", "mixture", "negative_binomial"] = "point"
    loss: Literal["mae", "mse", "huber", "pinball"] = "mae"
    level: float = 0.5
    scale_loss: bool = True
    average: float = 0.99
    scaling: Literal["instance", "log", "item", "none"] = "instance"
    paths: int = 100
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 2e-3
    lr_range: bool = False
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine", "onecycle"] = "cosine"
    clip: float = 1.0
    batch_size: int = 128
    sampling: Literal["uniform", "balanced"] = "uniform"
    recent: float = 0.0
    max_steps: int = 2000
    relearn: bool = False
    val_every: int = 25
    patience: int = 8
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"

    family: ClassVar[str] = "network"
    complexity: ClassVar[int] = 100
    capabilities: ClassVar[Capabilities] = Capabilities(past=True, known=True, static=True, categorical=True)

    LOWS: ClassVar[dict[str, int]] = {
        "batch_size": 1,
        "max_steps": 1,
        "val_every": 1,
        "patience": 1,
        "context_length": 2,
        "paths": 2,
    }
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "level": (0.001, 0.999), "lr": (1e-9, 100.0), "weight_decay": (0.0, 1e3), "clip": (0.0, 1e9), "average": (0.0, 0.99999),
        "recent": (0.0, 100.0),
    }  # fmt: skip

    def __post_init__(self) -> None:
        for name, least in self.LOWS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise self._wrong(name, f"at least {least} is needed")
        for name, (low, high) in self.RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise self._wrong(name, f"a number from {low:g} to {high:g} is needed")
        if self.ridge and not self._at_once:
            raise self._wrong(
                "ridge", "only a network that forecasts all steps at once, at the context's end, corrects a regression"
            )
        if self.head == "negative_binomial" and self.scaling == "log":
            raise self._wrong("head", "counts have no logarithm at 0", "Use scaling=instance.")

    def _wrong(self, option: str, rule: str, remedy: str = "") -> ConfigError:
        value = repr(getattr(self, option))
        return ConfigError(place=f"model {self.label}, option {option}", value=value, rule=rule, remedy=remedy)

    @property
    def label(self) -> str:
        """Its name in messages."""
        return type(self).__name__.lower()

    @property
    def point(self) -> str:
        """What the point forecast is."""
        if self.head == "point" and self.loss == "pinball" and self.level != 0.5:
            return f"quantile {self.level:g}"
        return str(self.head_of().point_is)

    @property
    def is_large(self) -> bool:
        """Whether more than one thread pays."""
        return False

    @property
    def _at_once(self) -> bool:
        """Whether all steps are forecast at once, and trained at the context's end alone."""
        return True

    def head_of(self) -> Any:
        """The head of its networks."""
        from forecastkit.nn.heads import make_head

        return make_head(self.head, self.loss, QUANTILES, self.level)

    @property
    def draws_paths(self) -> bool:
        """Whether forecasts come from sample paths."""
        return False

    # What a network's own file says.

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        """(rows of the context, rows a segment)."""
        return self.context_length or default_context(frame, horizon), 1

    def _core(self, task: NetTask, n_params: int) -> Any:
        """The network: ``Inputs`` without categories -> [B, H, n_params]."""
        raise ConfigError(place=type(self).__name__, rule="not a model by itself")

    def _residual(self, core: Any, task: NetTask, n_params: int, *, hidden: int = 64, dropout: float = 0.0) -> Any:
        """A core with naive rules and what is known ahead added to it."""
        from forecastkit.nn.residual import Residual

        return Residual(
            core, task.horizon, bases=task.bases, n_params=n_params, n_known=task.n_known_features, n_time=task.n_time,
            hidden=hidden, reach=min(MOST_REACH, task.season_length // 2, task.context_length), dropout=dropout,
            n_lags=task.context_length if self.ridge else 0,
        )  # fmt: skip

    def _supervises_all(self, task: NetTask) -> bool:
        """Whether ``every_step`` is trained instead of ``forward``."""
        return False

    def _scale_rows(self, length: int, segment: int, horizon: int) -> int | None:
        return None

    def _corrects(self, task: NetTask) -> str:
        """What it begins as, in words."""
        words = ["ridge regression"] if self.ridge else []
        return ", ".join([*words, *("last value" if m == 1 else f"value {m} steps ago" for m in task.bases)]) or "none"

    def _rules(self, bases: tuple[int, ...]) -> tuple[int, ...]:
        """The naive rules that the network takes of those that fit."""
        return bases

    # What is common to all.

    def net_of(self, task: NetTask, line: np.ndarray | None = None) -> Any:
        """The whole network, with learned numbers for categories where there are any.

        Args:
            line: see ``line_over_lags``; None = none, or one that is still to be loaded.
        """
        from forecastkit.nn.inputs import WithCategories

        core = self._core(task, self.head_of().n_params)
        if line is not None:
            core.set_line(line)
        if task.past_tables or task.known_tables or task.static_tables:
            return WithCategories(core, task.past_tables, task.known_tables, task.static_tables)
        return core

    def fit(self, frame: SeriesFrame, *, horizon: int, context: FitContext | None = None) -> FittedNetwork:
        """See ``Forecaster.fit``.

        Raises:
            FitError: too few rows, or training diverged twice.
        """
        from forecastkit.forecasting.datamodule import WindowSource

        started = time.perf_counter()
        about = context or FitContext()
        length, segment = self._shape(frame, horizon)
        train, valid, note = training_windows(frame, horizon, length, about, label=self.label)
        clock = self.clock if self.clock is not None else reads_clock(frame, horizon, length, segment, about)
        encoder = CovariateEncoder.fit(frame, clock=clock, identity=self.identity)
        bases = ranked_rules(frame, train, horizon, length, residual=self.residual, scaling=self.scaling)
        task = NetTask(
            length, horizon, self._rules(bases), segment,
            self._scale_rows(length, segment, horizon), frame.season_length, not frame.store.is_full,
            encoder.n_past, len(encoder.time.names), encoder.n_known, encoder.n_static,
            *(tuple(c.table for c in group) for group in (encoder.past_cat, encoder.known_cat, encoder.static_cat)),
        )  # fmt: skip
        spreads = item_spreads(frame) if self.scaling == "item" else None
        source = WindowSource(
            frame.store, length, horizon, self.scaling, task.scale_rows, spreads,
            item_scales(frame) if self.scale_loss and self.scaling != "none" else None,
            None if encoder.is_empty else encoder.encode(frame, horizon), task.elapsed,
        )  # fmt: skip
        line = line_over_lags(source, train, task.bases) if self.ridge else None
        again = self.relearn and len(valid) > 0
        first = in_its_share(about, 2, self.family) if again else about
        training = Training(self, source, task, train, valid, first, line).paced()
        net, trained, said = training.run()
        net.eval()
        info = self._info(training, net, trained, (note, said), encoder.time.cycles, time.perf_counter() - started)
        own = {} if spreads is None else dict(zip(frame.items, spreads.tolist()))
        fitted = FittedNetwork(self, net, task, encoder, info, trained.curves, own)
        if again and trained.best_step:
            return self._on_all_rows(fitted, frame, about)
        return fitted

    def _info(
        self, training: Training, net: Any, trained: Any, said: tuple[str, str], cycles: tuple[str, ...], seconds: float
    ) -> dict[str, Any]:
        """See ``Fitted.info``; ``said``: what was done otherwise with the windows, and in training."""
        task, end = training.task, training.schedule_end
        half = str(training.dtype).endswith("bfloat16")
        notes = [
            *said,
            f"reads the clock ({', '.join(cycles)})" if self.clock is None and cycles else "",
            "trained in bfloat16" if half else "",
        ]
        if trained.best_step == 0 and task.bases:
            notes.append("training did not improve on the naive rule, which is kept")
        if trained.out_of_time:
            notes.append(f"stopped by its time limit at step {trained.n_steps}")
        elif end is not None and end < self.max_steps:
            notes.append(f"{end} steps fitted into its time limit")
        info = {
            "best_step": trained.best_step,
            "n_steps": trained.n_steps,
            "early_stopped": trained.early_stopped,
            "most_steps": end,
            "retried": "retried" in said[1] or "out of memory" in said[1],
            "n_parameters": sum(p.numel() for p in net.parameters()),
            "n_windows": len(training.train),
            "context_length": task.context_length,
            "segment": task.segment,
            "precision": "bf16" if half else "32",
            "corrects": self._corrects(task),
            "clock": " ".join(cycles),
            "seconds": seconds,
            "note": "; ".join(filter(None, notes)),
        }
        return info | ({"stopped_at": trained.n_steps} if trained.out_of_time else {})

    def _on_all_rows(self, fitted: FittedNetwork, frame: SeriesFrame, about: FitContext) -> FittedNetwork:
        """Trained again for the steps that were best, without rows set aside; the curve is that of the first time.

        Where the time does not suffice, what was trained first is kept.
        """
        steps = int(fitted.info["best_step"])
        again = self.fit(frame, horizon=fitted.horizon, context=replace(about, n_steps=steps))
        done = "stopped_at" not in again.info
        said = f"trained again on all rows for {steps} steps" if done else "no time to train again on all rows"
        note = "; ".join(filter(None, [str(fitted.info["note"]), said]))
        info = {**fitted.info, "note": note, "seconds": fitted.info["seconds"] + again.info["seconds"]}
        return replace(again if done else fitted, info=info, curves=fitted.curves)

    def last_objective(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Errors of the forecasts after the context's end."""
        return self._loss_of(lambda net, batch: net(batch.inputs))

    def _loss_of(self, forecast: Callable[[Any, Any], Any]) -> Callable[[Any, Any], tuple[Any, Any]]:
        """(network, batch) -> sums of losses and weights, where ``forecast`` gives [B, H, P] of them."""
        head = self.head_of()

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            # Matrix products may be in bfloat16, errors never are.
            losses = head.loss(forecast(net, batch).float(), batch.target, batch.units) * batch.target_observed
            if head.power:
                losses = losses * batch.weight**head.power
            return losses.sum(), batch.target_observed.sum()

        return objective

    def objective(self, task: NetTask) -> Callable[[Any, Any], tuple[Any, Any]]:
        """What is trained: (network, batch) -> sums of losses and weights."""
        if not self._supervises_all(task):
            return self.last_objective()
        head, length, step = self.head_of(), task.context_length, task.segment
        start = min(-(-(length // 2) // step) * step, length - step)

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            import torch

            x = batch.inputs
            raw = net.every_step(x, start).float()
            n = raw.shape[-2]
            y = torch.cat([x.past[:, :, 0], batch.target], dim=1)[:, : length + n]
            seen = torch.cat([x.observed[:, :, 0] * batch.target_observed.amax(1, True), batch.target_observed], dim=1)
            target = y[:, start + step :].unfold(1, n, step)
            weight = seen[:, start + step : length + n].unfold(1, n, step)
            units = type(batch.units)(*(v[:, None] for v in batch.units))
            losses = head.loss(raw, target, units) * weight
            # With step 1 errors stay in the window's own units: the defaults of networks that feed back were chosen so.
            if head.power and step > 1:
                losses = losses * batch.weight[:, None] ** head.power
            return losses.sum(), weight.sum()

        return objective

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedNetwork:
        """See ``Forecaster.restore``."""
        from forecastkit.nn.weights import with_weights

        task = NetTask.from_meta(meta)
        encoder = CovariateEncoder.from_dict(meta["covariates"]) if "covariates" in meta else CovariateEncoder()
        net = self.net_of(task)
        if arrays.keys() != net.state_dict().keys():
            arrays = _of_this_format(arrays, task)
        net = with_weights(net, arrays)
        spreads = {str(item): float("nan") if s is None else float(s) for item, s in meta.get("spreads", {}).items()}
        return FittedNetwork(self, net, task, encoder, dict(meta.get("info", {})), spreads=spreads)


def _of_this_format(arrays: dict[str, np.ndarray], task: NetTask) -> dict[str, np.ndarray]:
    """Weights of the first models, which had encoder and head in one; the head's last rows mixed the naive rules."""
    n_mixed = len(task.bases) - 1
    out = {}
    for name, value in arrays.items():
        out[f"core.{name}"] = value
        if n_mixed > 0 and name.startswith("head."):
            # One row between the two was never used.
            out[f"core.{name}"], out[name.replace("head.", "mix.", 1)] = value[: -n_mixed - 1], value[-n_mixed:]
    return out
