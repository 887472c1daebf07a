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

from forecastkit import artifacts, ranks, registry
from forecastkit.config import RunConfig
from forecastkit.errors import ConfigError, DataError, FitError
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.cost import money
from forecastkit.forecasting.evaluation import Evaluation, evaluate
from forecastkit.run.backtests import run_backtests
from forecastkit.run.budget import Budget, Replay
from forecastkit.run.explaining import explain_run
from forecastkit.run.final import fit_final
from forecastkit.run.folder import RunFolder
from forecastkit.run.following import announce_end, follow
from forecastkit.run.joining import with_ensemble
from forecastkit.run.page import diagnostics, write_page
from forecastkit.run.preparing import Observer, Prepared, prepare
from forecastkit.run.tune import tune

__all__ = ["Outcome", "execute"]

FIT, BACKTEST = "fit", "backtest"


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
        facts = _continued(resume, facts)
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
    config = prepared.config.to_dict()
    config["horizon"] = prepared.plan.horizon
    return {
        "command": command,
        "versions": artifacts.versions(),
        "fingerprint": prepared.reading.profile.fingerprint,
        "seed": prepared.config.seed,
        "config": config,
        "plan": prepared.plan.to_dict(),
        "notes": [*prepared.notes, *prepared.folds.notes],
    }


def _continued(folder: RunFolder, facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a resumed run: its own command, and what its first start had to say.

    Raises:
        DataError: the data are others.
        ConfigError: a backtest is continued as a fit, or the other way round.
    """
    before = folder.facts()
    if before.get("fingerprint") != facts["fingerprint"]:
        raise DataError(
            place=str(folder.path),
            rule="the data are no longer those that this run began with",
            remedy="Start a new run without --resume.",
        )
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


def _finish(outcome: Outcome, facts: dict[str, Any]) -> None:
    """Report and status; parts go only when nothing is left to resume."""
    folder, evaluation = outcome.folder, outcome.evaluation
    status = "interrupted" if outcome.interrupted else "done"
    facts = {**facts, "status": status, "timings": _timings(outcome), "final": _final(outcome)}
    if outcome.budget:
        facts["budget"] = outcome.budget
    if evaluation is not None:
        facts["notes"] = [*facts["notes"], *evaluation.notes]
        artifacts.write_json(folder / "diagnostics.json", diagnostics(evaluation, outcome.lag_checks))
        # The status comes last: a run that is killed while its page is drawn can go on.
        folder.write_facts({**facts, "status": "running"})
        write_page(folder)
    folder.write_facts(facts)
    folder.log(status)
    if not outcome.interrupted:
        folder.drop_parts()


def _timings(outcome: Outcome) -> dict[str, Any]:
    timings: dict[str, Any] = {"seconds": round(outcome.seconds, 2)}
    if outcome.evaluation is not None:
        seeds, board = outcome.evaluation.seeds, outcome.evaluation.leaderboard
        timings["peak_mib"] = {name: runs[0].backtest.info.get("peak_mib") for name, runs in seeds.items() if runs}
        total = board["seconds_fit"] + board["seconds_predict"]
        timings["models"] = {m: round(float(s), 2) for m, s in zip(board["model"], total)}
    return timings


def _final(outcome: Outcome) -> dict[str, Any] | None:
    """What ``run.yaml`` says of the final model; None = there is none."""
    if outcome.forecast is None or not len(outcome.forecast):
        return None
    facts = artifacts.load_meta(outcome.folder / "model").get("facts")
    return {"model": str(outcome.forecast["model"].iloc[0]), **(facts or {})}
