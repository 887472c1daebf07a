"""A finished run once more on longer data: new folds, new models, a folder of its own, and what became of the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forecastkit import artifacts
from forecastkit.config import RunConfig, load_config
from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.report.numbers import headline, moment, number
from forecastkit.run.execute import Outcome, execute
from forecastkit.run.folder import RunFolder
from forecastkit.run.newer import read_newer
from forecastkit.run.preparing import Observer, Prepared, prepare
from forecastkit.run.saved_model import SavedModel

__all__ = ["UPDATE", "Updated", "update"]

UPDATE = "update.json"
KEPT = ("name", "columns", "target", "time", "item", "layout", "units", "tz", "time_format", "freq_text", "season_text")
"""What a profile says of the user's files, and not of their rows."""


@dataclass(frozen=True)
class Updated:
    """A run that updates another.

    Args:
        outcome: of the new run.
        change: what ``update.json`` holds: run, before, after (model, reference, shown, metric, error, last time), changed, sentence.
        appended: the data came after the history of the first run, which the new one does not keep: it cannot be resumed.
    """

    outcome: Outcome
    change: dict[str, Any]
    appended: bool


def update(
    run: str | Path, data: str, *, out: Path | None = None, observer: Observer | None = None, command: str = ""
) -> Updated:
    """Run again with the configuration of ``run`` on data that go on after its own.

    Args:
        data: a file like the one of fit: the whole history, or rows that came since, which are put after the history that
            the run keeps.
        out: folder of the new run; None = ``runs/<name>-<time>``.

    Raises:
        ForecastkitError: no finished run, or data without newer rows.
    """
    first = RunFolder.open(run)
    config = _settings(first.finished_facts(), data)
    joined = _joined(first, config, data)
    prepared = prepare(config, source=joined, observer=observer, final=True)
    if joined is not None:
        prepared = _read_as(first, prepared, data)
    _check_longer(first, prepared.reading.profile.end, data)
    outcome = execute(config, source=joined, out=out, observer=observer, final=True, command=command, prepared=prepared)
    if outcome.interrupted or outcome.evaluation is None:
        return Updated(outcome, {}, joined is not None)
    folder = outcome.folder
    change = _change(first, folder)
    artifacts.write_json(folder / UPDATE, change)
    now = folder.facts()
    now.pop("format_version")
    folder.write_facts({**now, "updates": {"run": str(first.path), "data": data, "appended": joined is not None}})
    folder.log(f"updates {first.path}: {change['sentence']['en']}")
    return Updated(outcome, change, joined is not None)


def _settings(facts: Mapping[str, Any], data: str) -> RunConfig:
    stored = dict(facts["config"])
    # A source is asked for what is newest; known covariates of the future have come true, or stand in the new file.
    return load_config(None, values={**stored, "data": {**stored["data"], "path": data, "end": "", "future": ""}})


def _joined(folder: RunFolder, config: RunConfig, data: str) -> SeriesFrame | None:
    """The run's history with newer rows after it; None where the file holds the whole history itself."""
    if not (folder / "model").is_dir():
        return None  # a backtest keeps no history
    model = SavedModel.load(folder / "model")
    newer = read_newer(folder, model, data)
    if _begins_first(newer.calendar.instants[0], model.frame.calendar.instants[0]):
        return None
    if config.data.join:
        raise ConfigError(
            place=f"--data {data}",
            value=f"begins {moment(newer.calendar.instants[0])}",
            rule="a run with joined scores is updated with its whole history",
            remedy="Give the whole history in one file.",
        )
    return model.with_newer(newer).frame


def _read_as(first: RunFolder, prepared: Prepared, data: str) -> Prepared:
    """With the columns of the user's files in its profile, so that later rows are read like these."""
    before = first.json("profile.json")
    kept = {key: before[key] for key in KEPT if key in before}
    kept["columns"] = tuple(kept.get("columns", ()))
    profile = replace(prepared.reading.profile, source=data, **kept)
    return replace(prepared, reading=replace(prepared.reading, profile=profile))


def _begins_first(newer: Any, old: Any) -> bool:
    """Whether the new file begins at or before the old one."""
    try:
        return bool(newer <= old)
    except TypeError:
        return True  # times of another kind: reading them says what is wrong


def _check_longer(folder: RunFolder, now: str, data: str) -> None:
    before = str(folder.json("profile.json").get("end", ""))
    counted = before.lstrip("-").isdigit() and now.lstrip("-").isdigit()
    if int(now) <= int(before) if counted else now <= before:
        raise DataError(
            place=f"--data {data}",
            value=f"ends {now}",
            rule=f"the run ends {before}, and there is nothing newer to update it with",
            remedy="Give rows that came since.",
        )


def _change(first: RunFolder, second: RunFolder) -> dict[str, Any]:
    before, after = _said(first), _said(second)
    changed = before["use"] != after["use"] or before["shown"] != after["shown"]
    return {
        "run": str(first.path),
        "before": before,
        "after": after,
        "changed": changed,
        "sentence": {lang: _sentence(before, after, lang) for lang in ("en", "es")},
    }


def _said(folder: RunFolder) -> dict[str, Any]:
    verdict = folder.json("verdict.json")
    board = folder.table("leaderboard.csv").set_index("model")
    metric = headline(board)
    error = board[metric].get(verdict["use"]) if metric in board else None
    return {
        "use": str(verdict["use"]),
        "reference": str(verdict["reference"]),
        "shown": bool(verdict["shown"]),
        "metric": metric,
        "error": None if error is None or error != error else float(error),
        "n_report_folds": verdict.get("n_report_folds"),
        "end": str(folder.json("profile.json").get("end", "")),
    }


def _sentence(before: Mapping[str, Any], after: Mapping[str, Any], lang: str) -> str:
    """What became of the verdict; the errors of two runs are of other folds and not one against the other."""
    es = lang == "es"

    def said(side: Mapping[str, Any]) -> str:
        error = "" if side["error"] is None else f", {side['metric'].upper()} {number(side['error'], lang)}"
        naive, shown = side["use"] == side["reference"], side["shown"]
        if es:
            word = "ninguno demuestra ser mejor" if naive else "demostrado" if shown else "sin demostrar"
            against = "" if naive else f" frente a {side['reference']}"
            return f"{side['use']} hasta {side['end']} ({word}{against}{error})"
        word = "nothing is shown to beat it" if naive else "shown to beat" if shown else "not shown to beat"
        against = "" if naive else f" {side['reference']}"
        return f"{side['use']} up to {side['end']} ({word}{against}{error})"

    same = before["use"] == after["use"] and before["shown"] == after["shown"]
    if es:
        head = "El veredicto es el mismo" if same else "El veredicto ha cambiado"
        return f"{head}: antes {said(before)}, ahora {said(after)}. Los cortes de prueba son otros."
    head = "The verdict is the same" if same else "The verdict has changed"
    return f"{head}: {said(before)} before, {said(after)} now. The test folds are others."
