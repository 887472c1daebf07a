"""Commands that run something: fit, backtest, predict, report."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit.cli.answers import INTERRUPTED, print_answer
from forecastkit.cli.lines import check_lang, deliver, field, width, with_color
from forecastkit.config import RunConfig, load_config
from forecastkit.errors import ConfigError
from forecastkit.ranks import rank

if TYPE_CHECKING:
    from forecastkit.run.execute import Outcome

__all__ = ["check_update", "run_fit", "run_predict", "run_report", "run_update"]


def run_fit(
    config: Path | None,
    values: dict[str, Any],
    overrides: list[str],
    *,
    out: Path | None,
    resume: Path | None,
    quiet: bool,
    as_json: bool,
    final: bool = True,
    command: str = "fit",
) -> int:
    """Carry out ``fit`` or ``backtest`` and print the answer; returns the exit status."""
    settings, folder = _settings(config, values, overrides, resume, out)
    from forecastkit.cli.options import command_line
    from forecastkit.cli.progress import observed
    from forecastkit.run.execute import execute

    follows = rank(settings.machines) > 0
    with observed(quiet or as_json or follows) as watch:
        outcome = execute(settings, out=out, resume=folder, observer=watch, final=final, command=command_line())
    if outcome.interrupted:
        finished = "Finished models are in the report. " if outcome.evaluation is not None else ""
        print(
            f"forecastkit: interrupted. {finished}Go on with: forecastkit {command} --resume {outcome.folder.path}",
            file=sys.stderr,
        )
        return INTERRUPTED
    if as_json:
        print(json.dumps(outcome.folder.json("verdict.json"), indent=2, ensure_ascii=False))
        return 0
    _print_answer(outcome, quiet=quiet, lang=settings.lang)
    return 0


def check_update(run: Path, data: str | None, values: Mapping[str, Any], overrides: list[str]) -> None:
    """An update takes data alone; every setting is that of the run.

    Raises:
        ConfigError: no data, or a setting.
    """
    if data is None:
        raise ConfigError(
            place=f"--update {run}",
            rule="needs newer data",
            remedy=f"Use forecastkit fit --update {run} --data newer.csv.",
        )
    given = [key for key, value in values.items() if value not in (None, {}, ())] + overrides
    if given:
        raise ConfigError(
            place=f"--update {run}",
            value=", ".join(given),
            rule="the settings are those of the run",
            remedy="Leave them out, or fit anew.",
        )


def run_update(run: Path, data: str, *, out: Path | None, quiet: bool, as_json: bool) -> int:
    """Carry out ``fit --update`` and say what became of the verdict; returns the exit status."""
    from forecastkit.cli.options import command_line
    from forecastkit.cli.progress import observed
    from forecastkit.run.updating import update

    with observed(quiet or as_json) as watch:
        updated = update(run, data, out=out, observer=watch, command=command_line())
    outcome = updated.outcome
    if outcome.interrupted:
        resume = f"Go on with: forecastkit fit --resume {outcome.folder.path}"
        print(f"forecastkit: interrupted. {'Update it again.' if updated.appended else resume}", file=sys.stderr)
        return INTERRUPTED
    if as_json:
        print(json.dumps(updated.change, indent=2, ensure_ascii=False))
        return 0
    lang = outcome.prepared.config.lang
    _print_answer(outcome, quiet=quiet, lang=lang)
    print(field("Update" if lang == "en" else "Cambio", updated.change["sentence"][lang], width()))
    return 0


def _settings(
    config: Path | None, values: dict[str, Any], overrides: list[str], resume: Path | None, out: Path | None
) -> tuple[RunConfig, Any]:
    if resume is None:
        return load_config(config, values=values, overrides=overrides), None
    if out is not None:
        raise ConfigError(place="--out", rule="--resume goes on in its own folder", remedy="Leave out --out.")
    from forecastkit.run.folder import RunFolder

    folder = RunFolder.open(resume)
    facts = folder.facts()
    if facts.get("status") == "done":
        raise ConfigError(place=str(resume), rule="this run is finished", remedy="Start another without --resume.")
    # The horizon in the file is the resolved one; the rest is what the user gave.
    stored = dict(facts.get("config", {}))
    given = {**stored, **{k: v for k, v in values.items() if v}}
    given["data"] = {**dict(stored.get("data") or {}), **dict(values.get("data") or {})}
    wanted = load_config(config, values=given)
    changed = _changed(load_config(None, values=stored).to_dict(), wanted.to_dict()) + overrides
    if changed:
        raise ConfigError(
            place=f"--resume {resume}",
            value=", ".join(changed[:5]),
            rule="the settings are those of the run",
            remedy="Leave them out, or start anew without --resume.",
        )
    return wanted, folder


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Settings that differ, but for those that change no number: who computes, where the same data are now, the language."""
    free = {"engine", "address", "n_jobs", "lang", "name", "data"}
    moved = [f"data.{k}" for k in now["data"] if k != "path" and now["data"][k] != before["data"][k]]
    return [k for k in now if k not in free and now[k] != before[k]] + moved


def _print_answer(outcome: Outcome, *, quiet: bool, lang: str) -> None:
    from forecastkit.report import tables

    evaluation = outcome.evaluation
    if evaluation is None:
        return
    verdict = evaluation.verdict.to_dict()
    config = outcome.prepared.config
    took = tables.time_words(
        evaluation.leaderboard, config.baseline_seconds, lang, network_budget=config.network_seconds
    )
    board = tables.leaderboard_lines(
        evaluation.leaderboard, verdict, width=shutil.get_terminal_size().columns, color=with_color(), lang=lang
    )
    more = []
    if outcome.forecast is not None:
        more.append(("Forecast" if lang == "en" else "Pronóstico", str(outcome.folder / "forecast.csv")))
    lines = [*board, field("Time" if lang == "en" else "Tiempo", took)]
    print_answer(
        lines, verdict["sentence"][lang], outcome.folder.path, outcome.seconds, lang=lang, more=more, quiet=quiet
    )


def run_predict(
    run: Path,
    *,
    data: str | None,
    out: Path | None,
    horizon: int | None,
    future: str | None,
    join: str | None = None,
    new_items: str | None = None,
) -> None:
    """Forecast from a saved run to a file or to standard output."""
    from forecastkit.api import predict

    forecast = predict(run, data, horizon=horizon, future=future, join=join, new_items=new_items)
    for sentence in forecast.attrs["said"]:
        print(sentence, file=sys.stderr)
    deliver(forecast, out)
    if out is not None:
        print(f"{len(forecast)} rows ({forecast['item_id'].nunique()} series) in {out}")


def run_report(run: Path, *, out: Path | None, lang: str | None) -> None:
    """Render a run's report again."""
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.page import write_page

    check_lang(lang)
    folder = RunFolder.open(run)
    facts = folder.facts()
    task = facts.get("task", "forecasting")
    if facts.get("page") == "labels":
        from forecastkit.run.sequences.page import write_labels_page

        print(write_labels_page(folder, out, lang=lang))
        return
    if task != "forecasting":
        raise ConfigError(place=str(run), value=f"a {task} run", rule="its report.html is written by the fit only")
    print(write_page(folder, out, lang=lang))
