"""A run: configuration -> data -> models -> scores -> verdict -> run folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import artifacts, registry, sources
from forecastkit.config import RunConfig
from forecastkit.errors import ConfigError, DataError, FitError, ModelFileError
from forecastkit.forecasting.backtest import ModelBacktest, backtest_model
from forecastkit.forecasting.cost import Cost, money
from forecastkit.forecasting.covariates import require_future
from forecastkit.forecasting.diagnostics import lag_check, one_step_forecasts
from forecastkit.forecasting.ensemble import NAME as ENSEMBLE
from forecastkit.forecasting.evaluation import Evaluation, evaluate
from forecastkit.forecasting.protocol import FitContext, Forecaster
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.selection import NAIVES
from forecastkit.forecasting.splits import EvalPlan, Folds, make_folds
from forecastkit.forecasting.time_features import check_country
from forecastkit.forecasting.trading import positive_prices
from forecastkit.reading import Profile, Reading, ReadOptions, read, with_future
from forecastkit.reading.ahead import steps_ahead
from forecastkit.run.ahead import FILL_IN, leak_notes
from forecastkit.run.folder import RunFolder
from forecastkit.run.joining import check_ensemble, training_steps, with_ensemble
from forecastkit.run.model_card import model_card, write_model_card
from forecastkit.run.page import diagnostics, write_page
from forecastkit.run.saved_model import SavedModel
from forecastkit.runtime import peak_mib

__all__ = ["Observer", "Outcome", "default_horizon", "execute"]

HORIZONS = {"min": 60, "h": 24, "D": 10, "B": 10, "W": 8, "M": 12, "MS": 12, "ME": 12, "Q": 4, "Y": 4, "step": 10}
"""Steps ahead where nobody asked: about what people plan by."""

MAX_LAG_ROWS = 500
FIT, BACKTEST = "fit", "backtest"


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


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished, or interrupted, run."""

    folder: RunFolder
    prepared: Prepared
    evaluation: Evaluation | None
    forecast: pd.DataFrame | None
    seconds: float
    interrupted: bool = False
    lag_checks: dict[str, Any] = field(default_factory=dict)


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


def read_options(config: RunConfig) -> ReadOptions:
    """How to read the data of a configuration."""
    return ReadOptions(**config.data.model_dump(exclude={"path", "future"}))


def execute(
    config: RunConfig,
    *,
    source: Any = None,
    future: Any = None,
    out: Path | None = None,
    resume: RunFolder | None = None,
    observer: Observer | None = None,
    final: bool = True,
    command: str = "",
    replay: Mapping[str, str] | None = None,
    prepared: Prepared | None = None,
) -> Outcome:
    """Carry out a run and leave its folder.

    Args:
        source: a frame instead of ``config.data.path``.
        future: a frame instead of ``config.data.future``.
        resume: an unfinished run to go on with; finished models are taken from it.
        final: fit the recommended model on all rows and forecast; False for a backtest alone.
        command: how the user called it, for run.yaml.
        replay: models that an earlier run left out, each with its reason: they are left out again, and no other model
            has a time limit, so that a slower hour changes nothing. None = limits as configured.
        prepared: what ``prepare`` made of the same arguments, where it was called already.

    Raises:
        ForecastkitError: the user can mend it; nothing half-written is left.
    """
    watch = observer or Observer()
    started = time.perf_counter()
    prepared = prepared or prepare(config, source=source, future=future, observer=watch, final=final)
    folder = resume or RunFolder.create(prepared.reading.profile.name, out)
    facts = {"kind": FIT if final else BACKTEST, **_facts(prepared, command)}
    if resume is not None:
        _check_same_data(resume, facts)
        facts = _continued(resume.facts(), facts)
        resume.drop_drafts()
    folder.write_facts({**facts, "status": "running"})
    artifacts.write_json(folder / "profile.json", prepared.reading.profile.to_dict())
    folder.log(f"{'resumed' if resume else 'started'}: {command or 'from Python'}")
    backtests: dict[str, list[ModelBacktest]] = {}
    lags: dict[str, Any] = {}
    interrupted = False
    with _threads(prepared):
        try:
            for name, one, lag in _backtests(prepared, folder, watch, replay):
                backtests.setdefault(name, []).append(one)
                if lag:
                    lags.setdefault(name, lag)
        except KeyboardInterrupt:
            interrupted = True
            folder.log("interrupted")
        outcome = _conclude(prepared, folder, backtests, lags, watch, final=final, interrupted=interrupted)
    seconds = time.perf_counter() - started
    outcome = replace(outcome, seconds=seconds)
    _finish(outcome, facts)
    return outcome


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
        from forecastkit.errors import near

        raise ConfigError(
            place="option final",
            value=repr(config.final),
            rule="'recommended' or one of the run's models is needed",
            remedy=near(config.final, finals),
        )
    if config.cost:
        Cost.parse(config.cost)
    check_country(config.data.holidays)
    reading = read(config.data.path if source is None else source, read_options(config))
    if config.name:
        reading = replace(reading, profile=replace(reading.profile, name=config.name))
    ahead = config.data.future if future is None else future
    if not (isinstance(ahead, str) and not ahead):
        frame = with_future(reading.frame, ahead, read_options(config), reading.profile)
        profile = replace(reading.profile, n_ahead=steps_ahead(frame))
        reading = replace(reading, frame=frame, profile=profile)
    watch.read(reading.profile)
    if config.fee is not None:
        positive_prices(reading.frame)
    folds, notes = _folds(config, reading.frame)
    notes += leak_notes(reading.frame, folds.plan.horizon)
    if final:
        require_future(reading.frame, folds.plan.horizon + folds.plan.gap, FILL_IN)
    prepared = Prepared(config, reading, folds, models, notes)
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
    every = {"transform": config.transform, "non_negative": config.non_negative, "whole": config.whole}
    models = {name: registry.create_model(name, **every | config.models.get(name, {})) for name in names}
    # Cheap ones first, so that an interrupted run has its naive rule.
    order = {"baseline": 0, "statistical": 1, "network": 2}
    return dict(sorted(models.items(), key=lambda pair: order.get(pair[1].family, 3)))


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


@contextlib.contextmanager
def _threads(prepared: Prepared) -> Iterator[None]:
    """Torch threads as configured; torch is not imported where no network runs.

    Small networks take one: their matrix products are too short to share, and threads that wait for each other are
    many times slower where the machine has other work.
    """
    if not any(m.family == "network" for m in prepared.models.values()):
        yield
        return
    from forecastkit import runtime

    n = prepared.config.threads
    if n is None and not any(getattr(m, "is_large", False) for m in prepared.models.values()):
        n = 1
    with runtime.threads(n):
        yield


def _backtests(
    prepared: Prepared, folder: RunFolder, watch: Observer, replay: Mapping[str, str] | None = None
) -> Iterator[tuple[str, ModelBacktest, dict[str, Any]]]:
    for name in prepared.models:
        for seed in prepared.seeds(name):
            key = _signature(prepared, name, seed)
            stored = _load_part(folder, name, seed, key)
            if stored is None:
                one = _one_backtest(prepared, name, seed, watch, replay)
                lag = _lag(prepared, one)
                _save_part(folder, one, lag, key)
            else:
                one, lag = stored
            watch.finish(one)
            took = f"{one.seconds_fit + one.seconds_predict:.1f} s"
            folder.log(f"{name} seed {seed}: {one.error or 'done'} ({took}{', kept' if stored else ''})")
            yield name, one, lag


def _one_backtest(
    prepared: Prepared, name: str, seed: int, watch: Observer, replay: Mapping[str, str] | None
) -> ModelBacktest:
    model, folds = prepared.models[name], prepared.folds.all
    if replay and name in replay:
        shape = (len(folds), len(prepared.frame.items), prepared.plan.horizon)
        return ModelBacktest(name, seed, np.full(shape, np.nan), error=replay[name])
    deadline = None
    if model.family == "statistical" and replay is None:
        deadline = time.monotonic() + prepared.config.baseline_seconds
    context = FitContext(seed=seed, deadline=deadline, progress=watch.advance, n_jobs=prepared.config.n_jobs)
    watch.start(name, seed, len(folds))
    one = backtest_model(name, model, prepared.frame, folds, prepared.plan, context=context, on_fold=watch.advance)
    return replace(one, info={**one.info, "peak_mib": peak_mib()})


def _lag(prepared: Prepared, one: ModelBacktest) -> dict[str, Any]:
    """The lag check of a network, over the time of the report folds, one step ahead, without a refit."""
    if one.fitted is None or prepared.models[one.model].family != "network":
        return {}
    frame, report = prepared.frame, prepared.folds.report
    n = min(MAX_LAG_ROWS, len(frame.calendar) - 1 - report[0].position)
    forecasts, when = one_step_forecasts(one.fitted, frame, n)
    return lag_check(one.model, frame, forecasts, when)


def _signature(prepared: Prepared, name: str, seed: int) -> str:
    """What decides the numbers of one model: a part with another signature is not used."""
    from forecastkit import __version__

    facts = {
        "version": __version__,
        "data": prepared.reading.profile.fingerprint,
        "plan": {k: v for k, v in prepared.plan.to_dict().items() if k != "seeds"},
        "model": repr(prepared.models[name]),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _save_part(folder: RunFolder, one: ModelBacktest, lag: dict[str, Any], key: str) -> None:
    meta = {
        "signature": key,
        "seconds_fit": one.seconds_fit,
        "seconds_predict": one.seconds_predict,
        "info": dict(one.info),
        "curves": one.curves,
        "error": one.error,
        "lag": lag,
    }
    arrays = {"points": one.points} | ({} if one.quantiles is None else {"quantiles": one.quantiles})
    artifacts.save_model(folder.part(one.model, one.seed), arrays, meta)


def _load_part(folder: RunFolder, name: str, seed: int, key: str) -> tuple[ModelBacktest, dict[str, Any]] | None:
    path = folder.part(name, seed)
    if not path.exists():
        return None
    try:
        arrays, meta = artifacts.load_model(path)
    except ModelFileError:
        # Killed while it was written: do it again.
        return None
    if meta.get("signature") != key:
        return None
    one = ModelBacktest(
        name,
        seed,
        arrays["points"],
        arrays.get("quantiles"),
        seconds_fit=meta["seconds_fit"],
        seconds_predict=meta["seconds_predict"],
        info=meta["info"],
        curves=meta["curves"],
        error=meta["error"],
    )
    return one, meta["lag"]


def _conclude(
    prepared: Prepared,
    folder: RunFolder,
    backtests: dict[str, list[ModelBacktest]],
    lags: dict[str, Any],
    watch: Observer,
    *,
    final: bool,
    interrupted: bool,
) -> Outcome:
    """Score what is there, write it, and fit the final model."""
    alive = [n for n, runs in backtests.items() if any(r.error is None for r in runs)]
    if not alive:
        if interrupted:
            return Outcome(folder, prepared, None, None, 0.0, interrupted=True)
        first = next(iter(backtests.items()))
        raise FitError(place="all models", value=str(first[1][0].error), rule="no model could forecast these data")
    watch.phase("comparing")
    skipped = {name: "interrupted before its turn" for name in prepared.models if name not in backtests}
    prepared, backtests = with_ensemble(prepared, backtests)
    evaluation = evaluate(
        prepared.frame, prepared.folds, backtests, prepared.models, metrics=prepared.plan.metrics, skipped=skipped,
        intervals=prepared.config.evaluation.intervals,
    )  # fmt: skip
    _write_scores(folder, evaluation, backtests)
    artifacts.write_json(folder / "verdict.json", evaluation.verdict.to_dict())
    _write_worth(prepared, folder, evaluation)
    forecast = None
    if final and not interrupted:
        try:
            watch.phase("final fit")
            forecast = _final(prepared, folder, evaluation)
        except KeyboardInterrupt:
            interrupted = True
            folder.log("interrupted")
    return Outcome(folder, prepared, evaluation, forecast, 0.0, interrupted, lags)


def _write_scores(folder: RunFolder, evaluation: Evaluation, backtests: Mapping[str, list[ModelBacktest]]) -> None:
    artifacts.write_csv(folder / "leaderboard.csv", evaluation.leaderboard)
    artifacts.write_csv(folder / "scores.csv", evaluation.score_frame())
    artifacts.write_parquet(folder / "backtest.parquet", evaluation.forecast_frame())
    artifacts.write_csv(folder / "learning_curves.csv", curves_table(backtests))


def _write_worth(prepared: Prepared, folder: RunFolder, evaluation: Evaluation) -> None:
    """cost.json: the forecasts in the user's money, where asked for."""
    config, verdict = prepared.config, evaluation.verdict
    if not config.cost and config.fee is None:
        return
    worth = money(
        evaluation.forecast_frame(),
        config.cost or None,
        config.fee,
        prepared.frame,
        use=verdict.use,
        reference=verdict.reference,
        align=str(prepared.plan.align or "calendar"),
    )
    artifacts.write_json(folder / "cost.json", worth)


def curves_table(backtests: Mapping[str, list[ModelBacktest]]) -> pd.DataFrame:
    """Learning curves of all networks: model, seed, fit, step, epoch, train_loss, valid_loss, grad_norm, ..., stopped."""
    rows = []
    for name, runs in backtests.items():
        for run in runs:
            best = run.info.get("best_step")
            rows += [{"model": name, "seed": run.seed, **row, "stopped": row.get("step") == best} for row in run.curves]
    columns = ["model", "seed", "fit", "step", "epoch", "train_loss", "valid_loss", "grad_norm", "lr", "stopped"]
    table = pd.DataFrame(rows)
    return table.reindex(columns=[*columns, *[c for c in table.columns if c not in columns]])


def _final(prepared: Prepared, folder: RunFolder, evaluation: Evaluation) -> pd.DataFrame:
    """Fit the chosen model on all rows and forecast from each series' own last row."""
    wanted = prepared.config.final
    name = evaluation.verdict.use if wanted == "recommended" else wanted
    if name not in evaluation.seeds and name == ENSEMBLE:
        raise FitError(place=f"model {name}", rule="there are no two models with select folds to join")
    if name not in evaluation.seeds:
        reason = evaluation.leaderboard.set_index("model").loc[name, "reason"]
        raise FitError(
            place=f"model {name}", value=str(reason), rule="it failed in the backtest and cannot be the final model"
        )
    scored, model = evaluation.seeds[name], prepared.models[name]
    seed = prepared.config.seed
    n_steps = training_steps([s.backtest for s in scored])
    gap, horizon = prepared.plan.gap, prepared.plan.horizon
    fitted = model.fit(
        prepared.frame,
        horizon=horizon + gap,
        context=FitContext(seed=seed, n_steps=n_steps, n_jobs=prepared.config.n_jobs),
    )
    intervals = scored[0].intervals
    saved = SavedModel(
        name=name,
        options=registry.options_of(model),
        fitted=fitted,
        frame=prepared.frame,
        horizon=horizon,
        gap=gap,
        intervals=intervals,
        season_length=prepared.plan.season_length or prepared.frame.season_length,
        facts={"seed": seed, "n_steps": n_steps, "fingerprint": prepared.reading.profile.fingerprint},
    )
    saved.save(folder / "model")
    card = model_card(saved, prepared.reading.profile, prepared.folds, evaluation, notes=prepared.notes)
    write_model_card(folder / "model", card)
    forecast = saved.forecast()
    artifacts.write_csv(folder / "forecast.csv", forecast)
    folder.log(f"final model {name}, seed {seed}, {'no' if n_steps is None else n_steps} training steps, on all rows")
    return forecast


def _facts(prepared: Prepared, command: str) -> dict[str, Any]:
    import platform
    from importlib import metadata

    from forecastkit import __version__

    libraries = ("numpy", "pandas", "torch", "pytorch-lightning", "statsforecast", "statsmodels", "scikit-learn")
    config = prepared.config.to_dict()
    config["horizon"] = prepared.plan.horizon
    return {
        "command": command,
        "versions": {
            "forecastkit": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in libraries},
        },
        "fingerprint": prepared.reading.profile.fingerprint,
        "seed": prepared.config.seed,
        "config": config,
        "plan": prepared.plan.to_dict(),
        "notes": [*prepared.notes, *prepared.folds.notes],
    }


def _continued(before: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a resumed run: its own command, and what its first start had to say.

    Raises:
        ConfigError: a backtest is continued as a fit, or the other way round.
    """
    kind = before.get("kind", facts["kind"])
    if kind != facts["kind"]:
        raise ConfigError(
            place="--resume",
            value=f"this run is a {kind}",
            rule=f"{facts['kind']} cannot go on with it",
            remedy=f"Use forecastkit {kind} --resume.",
        )
    # run.yaml holds the horizon that was found, so that only the first start knows that it had to give way.
    shortened = [n for n in before.get("notes", []) if n.startswith("Horizon ")]
    return {**facts, "command": before.get("command") or facts["command"], "notes": [*shortened, *facts["notes"]]}


def _check_same_data(folder: RunFolder, facts: dict[str, Any]) -> None:
    before = folder.facts().get("fingerprint")
    if before != facts["fingerprint"]:
        raise DataError(
            place=str(folder.path),
            rule="the data are no longer those that this run began with",
            remedy="Start a new run without --resume.",
        )


def _finish(outcome: Outcome, facts: dict[str, Any]) -> None:
    """Report and status; parts go only when nothing is left to resume."""
    folder, evaluation = outcome.folder, outcome.evaluation
    status = "interrupted" if outcome.interrupted else "done"
    timings: dict[str, Any] = {"seconds": round(outcome.seconds, 2)}
    if evaluation is not None:
        board = evaluation.leaderboard
        total = board["seconds_fit"] + board["seconds_predict"]
        timings["peak_mib"] = {
            name: runs[0].backtest.info.get("peak_mib") for name, runs in evaluation.seeds.items() if runs
        }
        timings["models"] = {m: round(float(s), 2) for m, s in zip(board["model"], total)}
    final = None
    if outcome.forecast is not None and len(outcome.forecast):
        final = artifacts.load_meta(folder / "model").get("facts")
        final = {"model": str(outcome.forecast["model"].iloc[0]), **(final or {})}
    facts = {**facts, "status": status, "timings": timings, "final": final}
    if evaluation is not None:
        facts["notes"] = [*facts["notes"], *evaluation.notes]
        artifacts.write_json(folder / "diagnostics.json", diagnostics(evaluation, outcome.lag_checks))
    if evaluation is not None:
        # The status comes last: a run that is killed while its page is drawn can go on.
        folder.write_facts({**facts, "status": "running"})
        write_page(folder)
    folder.write_facts(facts)
    folder.log(status)
    if not outcome.interrupted:
        folder.drop_parts()
