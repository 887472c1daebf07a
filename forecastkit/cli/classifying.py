"""Commands ``classify`` and ``ecg``: fit, predict and models."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forecastkit.cli.answers import INTERRUPTED, print_answer
from forecastkit.cli.lines import deliver, with_color
from forecastkit.cli.options import (
    ConfigOption,
    DebugOption,
    OutOption,
    OverridesArgument,
    QuietOption,
    RunArgument,
    TableOption,
    VerdictOption,
    command_line,
)
from forecastkit.cli.shared_options import NOTHING, with_comparing
from forecastkit.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from forecastkit.run.folder import RunFolder

__all__ = ["classify_app", "ecg_app"]

classify_app = typer.Typer(
    help="Sequences with a label: histories of visits, any long table.", rich_markup_mode=None, no_args_is_help=True
)
ecg_app = typer.Typer(
    help="Heartbeats and rhythms in ECG records. Research software, no medical device.", rich_markup_mode=None, no_args_is_help=True
)  # fmt: skip

ModelOption = Annotated[str | None, typer.Option("--model", help="A model of the run [default: the one to use].")]
Lead = Annotated[str | None, typer.Option("--lead", help="Lead by name, such as II [default: MLII or II].")]
Rate = Annotated[float | None, typer.Option("--fs", help="Samples a second, where the file does not say.")]


@ecg_app.command("fit")
@with_comparing
def ecg_fit(
    overrides: OverridesArgument = None,
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            help="Folder of WFDB or CSV records; one CSV file of ready windows or of leads; or physionet:mitdb/100,106.",
        ),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="beats, rhythm or anomaly [default: beats].")] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", help="Rhythm: table of records and rhythms [default: labels.csv there].")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="Its column; or that of ready windows.")] = None,
    lead: Lead = None,
    fs: Rate = None,
    classes: Annotated[
        str | None,
        typer.Option("--classes", help="Beats: aami (N S V F Q), v (or not), auto. Rhythm: names; all others are one."),
    ] = None,
    include_paced: Annotated[bool, typer.Option("--include-paced", help="Keep records with a pacemaker.")] = False,
    comparing: Mapping[str, Any] = NOTHING,
    config: ConfigOption = None,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: VerdictOption = False,
    debug: DebugOption = False,
) -> int:
    """Learn to tell heartbeats or rhythms, test on patients never seen, and write a report. No medical device."""
    from forecastkit.run.sequences.settings import ecg_settings
    from forecastkit.run.sequences.tasks import run_ecg

    values = {
        "records": records, "task": task, "labels": labels, "label": label, "lead": lead, "fs": fs, "classes": classes,
        "include_paced": include_paced or None, **comparing,
    }  # fmt: skip
    settings = ecg_settings(config, values, overrides or [])
    return _answered(run_ecg, settings, out, quiet=quiet, as_json=as_json)


@ecg_app.command("predict")
def ecg_predict(
    run: RunArgument,
    record: Annotated[
        str | None,
        typer.Option("--record", help="WFDB header, CSV signal, a file like the one of fit, or physionet:mitdb/100."),
    ] = None,
    lead: Lead = None,
    fs: Rate = None,
    model: ModelOption = None,
    annotated: Annotated[
        bool, typer.Option("--annotated", help="Take the record's own beat positions instead of finding them.")
    ] = False,
    out: TableOption = None,
    debug: DebugOption = False,
) -> None:
    """Tell each beat, or each ten seconds, of a record: one row each, and a summary. No medical device."""
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.sequences.tasks import predict_ecg

    if record is None:
        raise ConfigError(place="--record", rule="no record given", remedy="Give one: --record 100.hea.")
    table, summary = predict_ecg(RunFolder.open(run), record, lead=lead, fs=fs, model=model, given=annotated)
    _deliver(table, summary, out)


@classify_app.command("fit")
@with_comparing
def classify_fit(
    overrides: OverridesArgument = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="CSV or Parquet file, one row a visit; or a folder of WAV files with labels.csv."),
    ] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="Column that tells sequences apart; without it each row is one.")
    ] = None,
    time: Annotated[str | None, typer.Option("--time", help="Column of times [default: the order of rows].")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of the outcome.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Column that stays on one side of a split, such as hospital.")
    ] = None,
    ahead: Annotated[
        float | None,
        typer.Option("--ahead", help="Leave out this last stretch of each sequence: days, or rows without times."),
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="Column of the day of the outcome: rows from then on are not read.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="label or anomaly [default: label].")] = None,
    classes: Annotated[
        str | None, typer.Option("--classes", help="Tell these apart, comma-separated; all others are one.")
    ] = None,
    comparing: Mapping[str, Any] = NOTHING,
    config: ConfigOption = None,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: VerdictOption = False,
    debug: DebugOption = False,
) -> int:
    """Learn the label of sequences, test on groups never seen, and write a report."""
    from forecastkit.run.sequences.settings import table_settings
    from forecastkit.run.sequences.tasks import run_table

    values = {
        "data": data, "item": item, "time": time, "label": label, "group": group, "ahead": ahead, "event": event, "task": task,
        "classes": classes, **comparing,
    }  # fmt: skip
    settings = table_settings(config, values, overrides or [])
    return _answered(run_table, settings, out, quiet=quiet, as_json=as_json)


@classify_app.command("predict")
def classify_predict(
    run: RunArgument,
    data: Annotated[
        Path | None, typer.Option("--data", help="A table, or sounds, like those of fit; labels are not needed.")
    ] = None,
    model: ModelOption = None,
    out: TableOption = None,
    debug: DebugOption = False,
) -> None:
    """Tell the sequences of a table: one row each, with calibrated probabilities."""
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.sequences.tasks import predict_table

    if data is None:
        raise ConfigError(place="--data", rule="no table given", remedy="Give one: --data new.csv.")
    table, _ = predict_table(RunFolder.open(run), data, model=model)
    _deliver(table, None, out)


@ecg_app.command("models")
@classify_app.command("models")
def classifiers(as_json: Annotated[bool, typer.Option("--json", help="With all options, as JSON.")] = False) -> None:
    """List the classifiers and the detectors of anomalies, and their options."""
    from forecastkit.classification.anomaly import DETECTORS
    from forecastkit.classification.models import CLASSIFIERS
    from forecastkit.registry import describe

    kinds = {"classifiers": CLASSIFIERS, "anomalies": DETECTORS}
    if as_json:
        said = {kind: {name: describe(name, entries) for name in entries} for kind, entries in kinds.items()}
        print(json.dumps(said, indent=2, default=str))
        return
    for kind, entries in kinds.items():
        print(kind if kind == "classifiers" else "with --task anomaly")
        for name, entry in entries.items():
            print(f"  {name:<14}{entry.doc}")


def _answered(work: Any, settings: dict[str, Any], out: Path | None, *, quiet: bool, as_json: bool) -> int:
    """Do it, watch it, and print the answer; returns the exit status."""
    from forecastkit.cli.progress import watched

    with watched(quiet or as_json) as watch:
        run = work(settings, out=out, watch=watch, command=command_line())
    lang = str(settings.get("lang", "en"))
    verdict = run.json("verdict.json")
    if as_json:
        print(json.dumps(verdict, indent=2, ensure_ascii=False))
    else:
        _print_answer(run, verdict, lang, quiet=quiet)
    if verdict.get("interrupted"):
        print("forecastkit: interrupted. What was finished is in the report.", file=sys.stderr)
        return INTERRUPTED
    return 0 if verdict["use"] else 1


def _print_answer(run: RunFolder, verdict: dict[str, Any], lang: str, *, quiet: bool) -> None:
    from forecastkit.report.labels import board_lines

    board = board_lines(run.table("leaderboard.csv"), verdict, color=with_color(), lang=lang)
    device = verdict.get("no_device", {}).get(lang)
    seconds = float(run.facts().get("seconds", 0.0))
    more = [("", device)] if device else []
    print_answer(board, verdict["sentence"][lang], run.path, seconds, lang=lang, more=more, quiet=quiet)


def _deliver(table: pd.DataFrame, summary: dict[str, Any] | None, out: Path | None) -> None:
    """The table to a file or standard output, the summary to whichever stream is free."""
    deliver(table, out)
    if out is not None:
        print(f"{len(table)} rows in {out}", file=sys.stderr)
    if summary is not None:
        print(json.dumps(summary, indent=2, ensure_ascii=False), file=sys.stderr if out is None else sys.stdout)
