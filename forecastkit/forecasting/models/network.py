"""What all networks share: windows, covariates, training, forecasts. A network's own file says how it is built.

One global network over all series. It corrects a naive rule in units of the window's own spread, so that before training
it is that rule, and what it learns is what the rule misses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np

from forecastkit.errors import ConfigError, FitError
from forecastkit.forecasting.covariates import CovariateEncoder
from forecastkit.forecasting.protocol import Capabilities, FitContext
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame, Store
from forecastkit.forecasting.windows import Windows, gather, window_ends

__all__ = ["FittedNetwork", "NetTask", "NetworkForecaster", "default_context"]

VALID_SHARE = 0.15
MOST_VALID = 1024
"""Validation windows; more change the stopping step little and cost as much as training."""
PREDICT_CHUNK = 4096
FEWEST_TRAIN = 8
LARGE = 256 * 128
"""Units times windows a step from which the matrix products are worth sharing among threads."""
LONGEST_READ = 100
"""Seasons up to this length are read at least twice by the context."""
FEWEST_SEGMENT = 4
MOST_ROWS = 400


@dataclass(frozen=True)
class NetTask:
    """What a network is built for; JSON-able, kept with the weights.

    Args:
        bases: seasons of the naive rules that it corrects, 1 = the last value.
        segment: rows read as one step.
        scale_rows: last rows of the context that level and spread come from; None = all.
        elapsed: the steps since the target was observed are a channel.
        n_past, n_known, n_static: numeric columns of covariates; n_known without the ``n_time`` time features.
        past_tables, known_tables, static_tables: (codes, numbers) of each category.
    """

    context_length: int
    horizon: int
    bases: tuple[int, ...] = ()
    segment: int = 1
    scale_rows: int | None = None
    season_length: int = 1
    elapsed: bool = False
    n_past: int = 0
    n_time: int = 0
    n_known: int = 0
    n_static: int = 0
    past_tables: tuple[tuple[int, int], ...] = ()
    known_tables: tuple[tuple[int, int], ...] = ()
    static_tables: tuple[tuple[int, int], ...] = ()

    @property
    def n_channels(self) -> int:
        """C of ``Inputs.past`` as the core network reads it."""
        return 1 + self.elapsed + self.n_past + sum(size for _, size in self.past_tables)

    @property
    def n_known_features(self) -> int:
        """F of ``Inputs.known``."""
        return self.n_time + self.n_known + sum(size for _, size in self.known_tables)

    @property
    def n_static_features(self) -> int:
        """S of ``Inputs.static``."""
        return self.n_static + sum(size for _, size in self.static_tables)

    @classmethod
    def from_meta(cls, meta: dict[str, Any]) -> NetTask:
        """From what ``state`` wrote; files of the first format have the first few alone."""
        values = {f.name: meta[f.name] for f in fields(cls) if f.name in meta}
        for name in ("bases", "past_tables", "known_tables", "static_tables"):
            values[name] = tuple(tuple(v) if isinstance(v, list) else int(v) for v in values.get(name, ()))
        return cls(**values)


def default_context(frame: SeriesFrame, horizon: int) -> int:
    """Rows to read: two seasons, or three horizons, as far as the history leaves enough windows to learn from."""
    season = frame.season_length
    # A season that is too long to be read twice is not worth the steps: shorter contexts learn more from the rows.
    seasons = 2 * season if season <= LONGEST_READ else 0
    return int(max(2, min(max(seasons, 3 * horizon, 60), most_context(frame, horizon), MOST_ROWS)))


def most_context(frame: SeriesFrame, horizon: int) -> int:
    """The longest context that leaves more than half of the longest series to learn from."""
    longest = int(frame.store.lengths.max()) if len(frame.store) else 2
    return max(2, min(2 * longest // 5, longest - 2 * horizon))


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Weights and what they were trained with."""

    forecaster: NetworkForecaster
    net: Any = field(repr=False)
    task: NetTask
    encoder: CovariateEncoder
    info: dict[str, Any] = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)

    @property
    def horizon(self) -> int:
        """Steps it was fitted for."""
        return self.task.horizon

    def predict_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray:
        """See ``Fitted.predict_at``; one batched pass over all cutoffs and series, in chunks."""
        head = self.forecaster.head_of()
        return self._passes(frame, cutoffs, head.point, ())

    def quantiles_at(self, frame: SeriesFrame, cutoffs: np.ndarray) -> np.ndarray | None:
        """See ``Fitted.quantiles_at``."""
        if self.forecaster.head == "point":
            return None
        import torch

        head, levels = self.forecaster.head_of(), torch.tensor(QUANTILES)
        return self._passes(frame, cutoffs, lambda raw: head.quantiles(raw, levels), (len(QUANTILES),))

    def _passes(
        self, frame: SeriesFrame, cutoffs: np.ndarray, read: Callable[[Any], Any], more: tuple[int, ...]
    ) -> np.ndarray:
        """[n_cutoffs, n_items, horizon, *more] in target units; ``read`` makes scaled values of the network's output."""
        store = frame.store
        at = np.asarray(cutoffs, dtype=np.int64)
        item = np.tile(np.arange(len(store)), len(at))
        row = (at[:, None] - store.starts[None, :]).ravel()
        out = np.full((len(item), self.horizon, *more), np.nan)
        some = np.flatnonzero(row >= store.begins[item])
        encoded = None if self.encoder.is_empty else self.encoder.encode(frame, self.horizon)
        for start in range(0, len(some), PREDICT_CHUNK):
            part = some[start : start + PREDICT_CHUNK]
            out[part] = self._forward(store, Windows(item[part], row[part]), encoded, read)
        return out.reshape(len(at), len(store), self.horizon, *more)

    def _forward(self, store: Store, windows: Windows, encoded: Any, read: Callable[[Any], Any]) -> np.ndarray:
        import torch

        from forecastkit.nn.inputs import as_inputs

        where = next(self.net.parameters()).device
        batch = gather(
            store, windows, self.task.context_length, 0, scaling=self.forecaster.scaling, scale_rows=self.task.scale_rows,
            covariates=encoded, ahead=self.horizon, elapsed=self.task.elapsed,
        )  # fmt: skip
        with torch.inference_mode():
            scaled = read(self.net(as_inputs(batch.slots, where)).float()).cpu().numpy().astype(np.float64)
        out = batch.scale.inverse(scaled)
        gone = ~batch.observed.any(axis=(1, 2))
        for w in np.flatnonzero(gone):
            # Nothing observed within the context: the last value there was.
            y = store.series(int(windows.item[w]))[: int(windows.row[w]) + 1]
            out[w] = y[np.flatnonzero(np.isfinite(y))[-1]]
        return out

    def update(self, frame: SeriesFrame) -> FittedNetwork:
        """See ``Fitted.update``."""
        return self

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``Fitted.state``."""
        arrays = {name: value.detach().cpu().numpy() for name, value in self.net.state_dict().items()}
        return arrays, {**asdict(self.task), "covariates": self.encoder.to_dict(), "info": dict(self.info)}


@dataclass(frozen=True)
class NetworkForecaster:
    """Options that all networks have.

    Args:
        context_length: rows the network reads; None = by season, horizon and length of the history.
        residual: the naive rule that is corrected: ``auto`` (all that the context holds: last value, last season, for
            hours and less also last week; it starts as the best on training rows and learns to mix), ``last``,
            ``season``, or ``none``.
        clock: hour, weekday and time of the year are features, where the calendar has dates and each cycle was seen twice.
        head: ``point``, ``quantile`` (thirteen that do not cross), ``normal`` or ``student_t``.
        loss: of a point: ``mae`` (forecasts the median), ``mse`` (the mean) or ``huber``, in scaled units.
        scale_loss: errors of a series count in units of its own seasonal changes, as in MASE; False = in units of
            each window's spread.
        average: decay of the running mean of the weights that is validated and kept (Polyak averaging); 0 = none.
        scaling: ``instance``: mean and standard deviation of each context; ``none``.
        optimizer: ``adamw``, ``adam`` or ``sgd``.
        lr, weight_decay, schedule, clip: see ``OptimizerOptions``.
        batch_size: windows a step.
        max_steps: most optimiser steps.
        val_every: steps between validations.
        patience: validations without improvement before stopping.
        device, precision: see ``runtime``.

    Raises:
        ConfigError: a value breaks its rule.
    """

    context_length: int | None = None
    residual: Literal["auto", "last", "season", "none"] = "auto"
    clock: bool = False
    head: Literal["point", "quantile", "normal", "student_t"] = "point"
    loss: Literal["mae", "mse", "huber"] = "mae"
    scale_loss: bool = True
    average: float = 0.99
    scaling: Literal["instance", "none"] = "instance"
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 2e-3
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine", "onecycle"] = "cosine"
    clip: float = 1.0
    batch_size: int = 128
    max_steps: int = 2000
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
    }
    RANGES: ClassVar[dict[str, tuple[float, float]]] = {
        "lr": (1e-9, 100.0), "weight_decay": (0.0, 1e3), "clip": (0.0, 1e9), "average": (0.0, 0.99999),
    }  # fmt: skip

    def __post_init__(self) -> None:
        for name, least in self.LOWS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise self._wrong(name, f"at least {least} is needed")
        for name, (low, high) in self.RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise self._wrong(name, f"a number from {low:g} to {high:g} is needed")

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
        if self.head == "normal" or (self.head == "point" and self.loss == "mse"):
            return "mean"
        return "median"

    @property
    def is_large(self) -> bool:
        """Whether more than one thread pays."""
        return False

    def head_of(self) -> Any:
        """The head of its networks."""
        from forecastkit.nn.heads import make_head

        return make_head(self.head, self.loss, QUANTILES)

    # What a network's own file says.

    def _shape(self, frame: SeriesFrame, horizon: int) -> tuple[int, int]:
        """(rows of the context, rows a segment)."""
        return self.context_length or default_context(frame, horizon), 1

    def _core(self, task: NetTask, n_params: int) -> Any:
        """The network: ``Inputs`` without categories -> [B, H, n_params]."""
        raise ConfigError(place=type(self).__name__, rule="not a model by itself")

    def _supervises_all(self, task: NetTask) -> bool:
        """Whether ``every_step`` is trained instead of ``forward``."""
        return False

    def _scale_rows(self, length: int, segment: int, horizon: int) -> int | None:
        return None

    def _rules(self, bases: tuple[int, ...]) -> tuple[int, ...]:
        """The naive rules that the network takes of those that fit."""
        return bases

    # What is common to all.

    def net_of(self, task: NetTask) -> Any:
        """The whole network, with learned numbers for categories where there are any."""
        from forecastkit.nn.inputs import WithCategories

        core = self._core(task, self.head_of().n_params)
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
        train, valid, note = self._windows(frame, horizon, length, about)
        encoder = CovariateEncoder.fit(frame, clock=self.clock)
        task = NetTask(
            length, horizon, self._rules(self._bases(frame, train, horizon, length)), segment,
            self._scale_rows(length, segment, horizon), frame.season_length, not frame.store.is_full,
            encoder.n_past, len(encoder.time.names), encoder.n_known, encoder.n_static,
            *(tuple(c.table for c in group) for group in (encoder.past_cat, encoder.known_cat, encoder.static_cat)),
        )  # fmt: skip
        source = WindowSource(
            frame.store, length, horizon, self.scaling, task.scale_rows,
            _item_scales(frame) if self.scale_loss and self.scaling == "instance" else None,
            None if encoder.is_empty else encoder.encode(frame, horizon), task.elapsed,
        )  # fmt: skip
        net, trained, retried_at = self._train_twice(source, task, train, valid, about)
        if retried_at:
            note = "; ".join([*([note] if note else []), f"diverged at first, retried at learning rate {retried_at:g}"])
        bases = task.bases
        info = {
            "best_step": trained.best_step,
            "n_steps": trained.n_steps,
            "early_stopped": trained.early_stopped,
            "retried": bool(retried_at),
            "n_parameters": sum(p.numel() for p in net.parameters()),
            "n_windows": len(train),
            "context_length": length,
            "segment": segment,
            "corrects": ", ".join("last value" if m == 1 else f"value {m} steps ago" for m in bases) or "none",
            "seconds": time.perf_counter() - started,
            "note": note,
        }
        if trained.best_step == 0 and bases:
            kept = "training did not improve on the naive rule, which is kept"
            info["note"] = "; ".join(filter(None, [note, kept]))
        net.eval()
        return FittedNetwork(self, net, task, encoder, info, trained.curves)

    def _train_twice(
        self, source: Any, task: NetTask, train: Windows, valid: Windows, about: FitContext
    ) -> tuple[Any, Any, float]:
        """(network, how it went, learning rate of the second trial or 0)."""
        from forecastkit.training.module import DivergedError

        try:
            return *self._train(source, task, train, valid, about, self.lr), 0.0
        except DivergedError:
            lr = self.lr / 10
        try:
            return *self._train(source, task, train, valid, about, lr), lr
        except DivergedError:
            raise FitError(
                place=f"model {self.label}",
                rule=f"training diverged, also at a learning rate of {lr:g}",
                remedy=f"Lower models.{self.label}.lr.",
            ) from None

    def _windows(
        self, frame: SeriesFrame, horizon: int, length: int, about: FitContext
    ) -> tuple[Windows, Windows, str]:
        """Training windows, validation windows from the tail of the same rows, and what was done otherwise."""
        store = frame.store
        last = len(frame.calendar) - 1
        least = max(2, min(length // 2, 10))
        none = Windows(np.zeros(0, np.int64), np.zeros(0, np.int64))
        if about.n_steps is None:
            first = int(store.starts.min()) if len(store) else 0
            tail = max(horizon, math.ceil(VALID_SHARE * (last - first + 1)))
            train = window_ends(store, horizon, 0, last - tail, least=least)
            valid = window_ends(store, horizon, last - tail + 1, last, least=least)
            if len(train) >= FEWEST_TRAIN and len(valid):
                some = np.linspace(0, len(valid) - 1, min(MOST_VALID, len(valid))).astype(np.int64)
                return train, valid.take(some), ""
        train = window_ends(store, horizon, 0, last, least=least)
        if not len(train):
            rows = int(store.lengths.max()) if len(store) else 0
            raise FitError(
                place=f"model {self.label}",
                value=f"{rows} rows",
                rule=f"no window of {least} rows and {horizon} steps fits",
                remedy="Shorten the horizon.",
            )
        note = "" if about.n_steps is not None else "history too short for early stopping: fixed number of steps"
        return train, none, note

    def _bases(self, frame: SeriesFrame, train: Windows, horizon: int, length: int) -> tuple[int, ...]:
        """Seasons of the rules that are corrected, the best on training windows first; 1 = the last value."""
        season = frame.season_length
        if self.residual == "none":
            return ()
        if self.residual == "last" or season == 1 or season > length:
            return (1,)
        if self.residual == "season":
            return (season,)
        week = 7 * season
        options = [1, season, *([week] if season > FEWEST_SEGMENT * 2 and week <= length and season % 7 else [])]
        errors = self._rule_errors(frame, train, horizon, length, options)
        best = sorted(range(len(options)), key=lambda k: errors[k])
        return tuple(options[k] for k in best)

    def _rule_errors(
        self, frame: SeriesFrame, train: Windows, horizon: int, length: int, seasons: list[int]
    ) -> list[float]:
        import torch

        from forecastkit.nn.forecasters import last_base

        some = np.linspace(0, len(train) - 1, min(MOST_VALID, len(train))).astype(np.int64)
        batch = gather(frame.store, train.take(some), length, horizon, scaling=self.scaling)
        past = torch.from_numpy(batch.past_num[:, :, 0])
        errors = []
        for m in seasons:
            apart = np.abs(last_base(past, horizon, m).numpy() - batch.target[:, :, 0])
            errors.append(float((apart * batch.target_observed[:, :, 0]).sum()))
        return errors

    def _train(
        self, source: Any, task: NetTask, train: Windows, valid: Windows, about: FitContext, lr: float
    ) -> tuple[Any, Any]:
        from forecastkit import runtime
        from forecastkit.forecasting.datamodule import ForecastDataModule
        from forecastkit.training.module import OptimizerOptions, TrainingModule
        from forecastkit.training.trainer import Trained
        from forecastkit.training.trainer import train as run

        where = runtime.device(self.device)
        short = self.max_steps if len(valid) else min(self.max_steps, 200)
        n_steps = about.n_steps if about.n_steps is not None else short
        options = OptimizerOptions(
            self.optimizer, lr, self.weight_decay, self.schedule, self.clip, self.max_steps, self.average
        )
        with runtime.seeded(about.seed):
            net = self.net_of(task)
            if n_steps == 0:
                return net, Trained(0, 0, math.nan, early_stopped=False)
            module = TrainingModule(
                net,
                self._objective(task),
                self._last_objective(),
                options,
                deadline=about.deadline,
                dtype=runtime.dtype_of(self.precision, where),
            )
            every = min(self.val_every, n_steps)
            data = ForecastDataModule(
                source,
                train,
                valid,
                batch_size=self.batch_size,
                steps_per_epoch=every,
                chunk=1 if n_steps % 5 else 5,
                seed=about.seed,
            )
            trained = run(
                module,
                data,
                max_steps=n_steps,
                steps_per_epoch=every,
                patience=self.patience,
                accelerator=where.type if where.type != "cuda" else "gpu",
                progress=about.progress,
            )
        return net.cpu(), trained

    def _last_objective(self) -> Callable[[Any, Any], tuple[Any, Any]]:
        """Errors of the forecasts after the context's end."""
        head = self.head_of()

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            losses = head.loss(net(batch.inputs), batch.target) * batch.target_observed
            if head.in_units:
                losses = losses * batch.weight
            return losses.sum(), batch.target_observed.sum()

        return objective

    def _objective(self, task: NetTask) -> Callable[[Any, Any], tuple[Any, Any]]:
        if not self._supervises_all(task):
            return self._last_objective()
        head, length = self.head_of(), task.context_length
        start = length // 2

        def objective(net: Any, batch: Any) -> tuple[Any, Any]:
            import torch

            x = batch.inputs
            raw = net.every_step(x, start)
            n = raw.shape[-2]
            y = torch.cat([x.past[:, :, 0], batch.target], dim=1)[:, : length + n]
            seen = torch.cat([x.observed[:, :, 0] * batch.target_observed.amax(1, True), batch.target_observed], dim=1)
            target = y[:, start + 1 :].unfold(1, n, 1)
            weight = seen[:, start + 1 : length + n].unfold(1, n, 1)
            return (head.loss(raw, target) * weight).sum(), weight.sum()

        return objective

    def restore(self, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> FittedNetwork:
        """See ``Forecaster.restore``."""
        import torch

        task = NetTask.from_meta(meta)
        encoder = CovariateEncoder.from_dict(meta["covariates"]) if "covariates" in meta else CovariateEncoder()
        net = self.net_of(task)
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
        net.eval()
        return FittedNetwork(self, net, task, encoder, dict(meta.get("info", {})))


def _item_scales(frame: SeriesFrame) -> np.ndarray:
    """[I] mean absolute seasonal change of each series; the median of the others where it has none."""
    from forecastkit.forecasting.scores import scales

    last = np.array([len(frame.calendar) - 1])
    own = scales(frame, last).mase[0]
    known = own[np.isfinite(own)]
    return np.where(np.isfinite(own), own, np.median(known) if len(known) else 1.0)
