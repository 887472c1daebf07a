"""A run: configuration -> data -> models -> scores -> verdict -> run folder."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from forecastkit import artifacts, parallel, ranks, registry, sources
from forecastkit.config import RunConfig
from forecastkit.errors import ConfigError, DataError, FitError
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.cost import Cost, money
from forecastkit.forecasting.covariates import require_future
from forecastkit.forecasting.ensemble import NAME as ENSEMBLE
from forecastkit.forecasting.evaluation import Evaluation, evaluate
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
from forecastkit.run.backtests import run_backtests
from forecastkit.run.budget import Budget, Replay
from forecastkit.run.explaining import explain_run
from forecastkit.run.final import fit_final
from forecastkit.run.folder import RunFolder
from forecastkit.run.following import announce_end, follow
from forecastkit.run.joining import check_ensemble, with_ensemble
from forecastkit.run.page import diagnostics, write_page
from forecastkit.run.tune import check_tuning, tune

__all__ = ["Observer", "Outcome", "Replay", "default_horizon", "execute"]

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
    budget: dict[str, Any] = field(default_factory=dict)


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
    replay: Replay | None = None,
    prepared: Prepared | None = None,
) -> Outcome:
    """Carry out a run and leave its folder.

    Args:
        source: a frame instead of ``config.data.path``.
        future: a frame instead of ``config.data.future``.
        resume: an unfinished run to go on with; finished models are taken from it.
        final: fit the recommended model on all rows and forecast; False for a backtest alone.
        command: how the user called it, for run.yaml.
        replay: how an earlier run used its time: the same models are left out and the same steps taken, and no time is
            measured, so that a slower hour changes nothing. None = limits as configured.
        prepared: what ``prepare`` made of the same arguments, where it was called already.

    Raises:
        ForecastkitError: the user can mend it; nothing half-written is left.
        SystemExit: the run has ended, and this process was one of those that train with rank 0.
    """
    watch = observer or Observer()
    started, begun = time.perf_counter(), time.monotonic()
    prepared = prepared or prepare(config, source=source, future=future, observer=watch, final=final)
    with ranks.together(config.machines, shlex.split(command)[1:]):
        if ranks.rank(config.machines) > 0:
            with _threads(prepared), contextlib.suppress(KeyboardInterrupt):
                follow(prepared)
            raise SystemExit(0)
        seconds = {"statistical": config.baseline_seconds, "network": config.network_seconds}
        budget = Budget(config.time_limit, seconds, final=final, replay=replay, started=begun)
        outcome, facts = _carry_out(prepared, out, resume, watch, budget, final=final, command=command)
        if not outcome.interrupted:
            announce_end(prepared)
    outcome = replace(outcome, seconds=time.perf_counter() - started)
    _finish(outcome, facts)
    return outcome


def _carry_out(
    prepared: Prepared,
    out: Path | None,
    resume: RunFolder | None,
    watch: Observer,
    budget: Budget,
    *,
    final: bool,
    command: str,
) -> tuple[Outcome, dict[str, Any]]:
    """The run itself, and what ``run.yaml`` says of it."""
    config = prepared.config
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
            if config.tune is not None:
                prepared = tune(prepared, folder, watch, budget)
                facts["tuned"] = {
                    name: registry.options_of(m) for name, m in prepared.models.items() if m.family == "network"
                }
            for name, one, lag in run_backtests(prepared, folder, watch, budget):
                backtests.setdefault(name, []).append(one)
                if lag:
                    lags.setdefault(name, lag)
        except KeyboardInterrupt:
            interrupted = True
            folder.log("interrupted")
        outcome = _conclude(prepared, folder, backtests, lags, watch, budget, final=final, interrupted=interrupted)
    return outcome, facts


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


def _conclude(
    prepared: Prepared,
    folder: RunFolder,
    backtests: dict[str, list[ModelBacktest]],
    lags: dict[str, Any],
    watch: Observer,
    budget: Budget,
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
    explain_run(prepared, folder, evaluation, backtests)
    forecast = None
    fitted: dict[str, Any] = {}
    if final and not interrupted:
        try:
            watch.phase("final fit")
            forecast, fitted = fit_final(prepared, folder, evaluation, budget)
        except KeyboardInterrupt:
            interrupted = True
            folder.log("interrupted")
    used = budget.used(backtests, fitted)
    return Outcome(folder, prepared, evaluation, forecast, 0.0, interrupted, lags, used)


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
    if outcome.budget:
        facts["budget"] = outcome.budget
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
