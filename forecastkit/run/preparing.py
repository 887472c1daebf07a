"""What is known before the first fit: data, folds and models; every mistake of the user shows here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from forecastkit import parallel, registry, sources
from forecastkit.config import RunConfig
from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.cost import Cost
from forecastkit.forecasting.covariates import require_future
from forecastkit.forecasting.ensemble import NAME as ENSEMBLE
from forecastkit.forecasting.protocol import Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import NAIVES
from forecastkit.forecasting.splits import EvalPlan, Folds, make_folds
from forecastkit.forecasting.time_features import check_country, with_closed_days
from forecastkit.forecasting.trading import positive_prices
from forecastkit.forecasting.transforms import transform_notes
from forecastkit.reading import Profile, Reading, read, with_future
from forecastkit.reading.ahead import steps_ahead
from forecastkit.run.ahead import FILL_IN, leak_notes
from forecastkit.run.joining import check_ensemble
from forecastkit.run.tune import check_tuning

if TYPE_CHECKING:
    from forecastkit.forecasting.backtest import ModelBacktest

__all__ = ["Observer", "Prepared", "default_horizon", "prepare"]

HORIZONS = {"min": 60, "h": 24, "D": 10, "B": 10, "W": 8, "M": 12, "MS": 12, "ME": 12, "Q": 4, "Y": 4, "step": 10}
"""Steps ahead where nobody asked: about what people plan by."""


class Observer:
    """What a run tells while it goes; this one is silent."""

    def read(self, profile: Profile) -> None:
        """The data were read."""

    def plan(self, prepared: Prepared) -> None:
        """Folds and models are known."""

    def start(self, model: str, seed: int, total: int) -> None:
        """A model begins ``total`` folds."""

    def advance(self, done: int, total: int, note: str) -> None:
        """``done`` of ``total`` folds, or of training steps where ``note`` says so."""

    def tuned(self, model: str, n_trials: int, best: float | None, first: float | None) -> None:
        """A search for options has ended: its lowest error on select folds, and that of the options as given."""

    def finish(self, backtest: ModelBacktest) -> None:
        """A model has ended, well or not."""

    def phase(self, text: str) -> None:
        """Something else that takes a while."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that is known before the first fit."""

    config: RunConfig
    reading: Reading
    folds: Folds
    models: dict[str, Forecaster]
    notes: tuple[str, ...]

    @property
    def frame(self) -> SeriesFrame:
        """The checked series."""
        return self.reading.frame

    @property
    def plan(self) -> EvalPlan:
        """The plan with every automatic value resolved."""
        return self.folds.plan

    def seeds(self, name: str) -> list[int]:
        """Seeds of a model: only networks draw."""
        n = self.config.seeds if self.models[name].family == "network" else 1
        return [self.config.seed + k for k in range(n)]


def default_horizon(freq: str) -> int:
    """Steps ahead for a frequency.

    >>> default_horizon("B"), default_horizon("W-SUN"), default_horizon("30min")
    (10, 8, 48)
    """
    unit = freq.split("-")[0].lstrip("0123456789")
    multiple = int(freq[: len(freq.split("-")[0]) - len(unit)] or 1)
    if unit == "min":
        return 48 if multiple >= 10 else 60
    return HORIZONS.get(unit, HORIZONS.get(unit.removesuffix("S").removesuffix("E"), 10))


def prepare(
    config: RunConfig,
    *,
    source: Any = None,
    future: Any = None,
    observer: Observer | None = None,
    final: bool = True,
) -> Prepared:
    """Read the data, make models and folds; every mistake of the user shows here, before anything is trained.

    Args:
        final: the time after the data will be forecast, so that known covariates must reach over the horizon.
    """
    watch = observer or Observer()
    if source is None:
        config = _dated(config)
    if source is None and not config.data.path:
        raise ConfigError(
            place="--data",
            rule="no data given",
            remedy="Give a file: --data prices.csv, dataset:prices, or yahoo:AAPL.",
        )
    models = _models(config)
    finals = ["recommended", *models, *([] if config.ensemble == "none" else [ENSEMBLE])]
    if config.final not in finals:
        raise ConfigError(
            place="option final",
            value=repr(config.final),
            rule="'recommended' or one of the run's models is needed",
            remedy=near(config.final, finals),
        )
    if config.cost:
        Cost.parse(config.cost)
    parallel.ready(config.workers)
    check_country(config.data.holidays)
    reading = read(config.data.path if source is None else source, config.data.reading)
    reading = replace(reading, frame=with_closed_days(reading.frame))
    if config.name:
        reading = replace(reading, profile=replace(reading.profile, name=config.name))
    ahead = config.data.future if future is None else future
    if not (isinstance(ahead, str) and not ahead):
        frame = with_future(reading.frame, ahead, config.data.reading, reading.profile)
        profile = replace(reading.profile, n_ahead=steps_ahead(frame))
        reading = replace(reading, frame=frame, profile=profile)
    watch.read(reading.profile)
    if config.fee is not None:
        positive_prices(reading.frame)
    folds, notes = _folds(config, reading.frame)
    if folds.plan.error == "squared":
        models = _for_means(config, models)
    notes += leak_notes(reading.frame, folds.plan.horizon)
    notes += transform_notes(config.transform, reading.frame, folds.all[0].positions(len(reading.frame.items)))
    if final:
        require_future(reading.frame, folds.plan.horizon + folds.plan.gap, FILL_IN)
    prepared = Prepared(config, reading, folds, models, notes)
    if config.tune is not None:
        check_tuning(prepared)
    watch.plan(prepared)
    return prepared


def _dated(config: RunConfig) -> RunConfig:
    """With the days that a source outside this machine is asked for, so that a later run asks for the same."""
    start, end = sources.period(config.data.path, config.data.start, config.data.end, config.data.freq or "")
    return config.model_copy(update={"data": config.data.model_copy(update={"start": start, "end": end})})


def _models(config: RunConfig) -> dict[str, Forecaster]:
    always = registry.ALWAYS if config.baselines == "all" else NAIVES
    check_ensemble(config)
    names = [n for n in dict.fromkeys([*always, *config.models]) if n != ENSEMBLE]
    models = {name: _model(config, name) for name in names}
    # Cheap ones first, so that an interrupted run has its naive rule.
    order = {"baseline": 0, "statistical": 1, "network": 2}
    return dict(sorted(models.items(), key=lambda pair: order.get(pair[1].family, 3)))


def _for_means(config: RunConfig, models: Mapping[str, Forecaster]) -> dict[str, Forecaster]:
    """The models where squared errors count: they learn the mean; where zeros prevail, also the models for such series."""
    options = {
        name: {**({"loss": "mse"} if "loss" in registry.options_of(model) else {}), **config.models.get(name, {})}
        for name, model in models.items()
    }
    changes: dict[str, Any] = {"models": options}
    if config.evaluation.error is None:  # found, not asked for: zeros prevail, and nothing is below them
        changes["non_negative"] = True
        if config.baselines == "all":
            options |= {name: {} for name in registry.INTERMITTENT if name not in options}
    return _models(config.model_copy(update=changes))


def _model(config: RunConfig, name: str) -> Forecaster:
    """A model by its name, or by the kind that its options name: ``{gru_log: {model: gru, scaling: log}}``."""
    options = dict(config.models.get(name, {}))
    kind = str(options.pop("model", name))
    if kind != name and (name in registry.MODELS or not registry.is_name(name)):
        raise ConfigError(
            place=f"models.{name}",
            value=f"model: {kind}"[:60],
            rule="a name of its own needs letters, digits, _ or -, and may not be that of another model",
            remedy=f"Call it for instance {kind}_2.",
        )
    if kind == ENSEMBLE and name != ENSEMBLE:
        raise ConfigError(place=f"models.{name}", value=kind, rule="a run has one ensemble, made from its other models")
    every = {"transform": config.transform, "non_negative": config.non_negative, "whole": config.whole}
    return registry.create_model(kind, **every | options)


def _folds(config: RunConfig, frame: SeriesFrame) -> tuple[Folds, tuple[str, ...]]:
    e = config.evaluation
    horizon = config.horizon or _card_horizon(config) or _usual_horizon(frame)
    notes: tuple[str, ...] = ()
    while True:
        plan = EvalPlan(
            horizon=horizon,
            step=e.step,
            gap=e.gap,
            n_select=e.n_select,
            n_calibrate=e.n_calibrate,
            n_report=e.n_report,
            window=e.window,
            window_length=e.window_length,
            refit=e.refit,
            align=e.align,
            min_train=e.min_train,
            seeds=tuple(config.seed + k for k in range(config.seeds)),
            metrics=e.metrics,
            error=e.error,
        )
        try:
            return make_folds(frame, plan), notes
        except DataError:
            # A horizon that nobody asked for gives way to a short history; one that was asked for does not.
            if config.horizon is not None or horizon == 1:
                raise
            horizon = max(1, horizon // 2)
            notes = (f"Horizon {horizon}: the history is too short for more.",)


def _usual_horizon(frame: SeriesFrame) -> int:
    """By frequency, but not beyond what is known ahead of every series."""
    usual = default_horizon(frame.calendar.freq)
    return min(usual, steps_ahead(frame) or usual)


def _card_horizon(config: RunConfig) -> int | None:
    if not config.data.path.startswith("dataset:"):
        return None
    from forecastkit import catalog

    return catalog.card(config.data.path.removeprefix("dataset:")).horizon
