"""Commands of ``forecastkit``. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastkit.cli.answers import INTERRUPTED
from forecastkit.cli.classifying import classify_app, ecg_app
from forecastkit.cli.options import (
    TYPED,
    ConfigOption,
    DebugOption,
    OutOption,
    OverridesArgument,
    QuietOption,
    RunArgument,
    VerdictOption,
    given,
)
from forecastkit.cli.shared_options import NOTHING, with_computing, with_reading, with_running
from forecastkit.cli.texting import text_app
from forecastkit.errors import ConfigError, ForecastkitError

__all__ = ["app", "main"]

app = typer.Typer(
    name="forecastkit",
    help="One command from a CSV to an honest forecast.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
datasets_app = typer.Typer(help="The data sets that come with forecastkit.", rich_markup_mode=None)
app.add_typer(datasets_app, name="datasets", invoke_without_command=True)
app.add_typer(text_app, name="text")
app.add_typer(classify_app, name="classify")
app.add_typer(ecg_app, name="ecg")

DATA_HELP = "CSV or Parquet file, dataset:NAME, yahoo:AAPL,MSFT or open-meteo:Madrid."
DataOption = Annotated[str, typer.Option("--data", help=DATA_HELP, show_default=False)]
FileOption = Annotated[str | None, typer.Option("--data", help=DATA_HELP)]
FutureOption = Annotated[
    str | None, typer.Option("--future", help="File with the known covariates of the time to come.")
]
ResumeOption = Annotated[Path | None, typer.Option("--resume", help="Go on with an interrupted run folder.")]
UpdateOption = Annotated[
    Path | None, typer.Option("--update", help="Run a finished run again with its configuration, on the newer --data.")
]


def _version(value: bool) -> None:
    if value:
        from forecastkit import __version__

        typer.echo(f"forecastkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One command from a CSV to an honest forecast."""


@app.command()
@with_computing
@with_running
@with_reading
def fit(
    overrides: OverridesArgument = None,
    data: FileOption = None,
    reading: Mapping[str, Any] = NOTHING,
    future: FutureOption = None,
    config: ConfigOption = None,
    running: Mapping[str, Any] = NOTHING,
    computing: Mapping[str, Any] = NOTHING,
    out: OutOption = None,
    resume: ResumeOption = None,
    update: UpdateOption = None,
    quiet: QuietOption = False,
    as_json: VerdictOption = False,
    debug: DebugOption = False,
) -> int:
    """Read, train, compare with baselines, forecast, and write a report."""
    from forecastkit.cli.fitting import check_update, run_fit, run_update

    values = {**running, **computing}
    values["data"] = {**reading, **given({"path": data, "future": future})}
    if update is not None:
        others = {**values, "data": dict(reading), "future": future, "config": config, "resume": resume}
        check_update(update, data, others, overrides or [])
        return run_update(update, str(data), out=out, quiet=quiet, as_json=as_json)
    return run_fit(config, values, overrides or [], out=out, resume=resume, quiet=quiet, as_json=as_json)


@app.command()
@with_computing
@with_running
@with_reading
def backtest(
    overrides: OverridesArgument = None,
    data: FileOption = None,
    reading: Mapping[str, Any] = NOTHING,
    n_folds: Annotated[int | None, typer.Option("--n-folds", help="Test forecasts [default: up to 30].")] = None,
    step: Annotated[int | None, typer.Option("--step", help="Rows between cutoffs [default: the horizon].")] = None,
    gap: Annotated[int | None, typer.Option("--gap", help="Rows between a cutoff and the first scored step.")] = None,
    window: Annotated[
        int | None, typer.Option("--window", help="Learn from so many last rows only [default: from all].")
    ] = None,
    refit: Annotated[
        str | None, typer.Option("--refit", help="never, every, or every n-th fold [default: never].")
    ] = None,
    metrics: Annotated[str | None, typer.Option("--metrics", help="Further columns, such as mape,owa.")] = None,
    config: ConfigOption = None,
    running: Mapping[str, Any] = NOTHING,
    computing: Mapping[str, Any] = NOTHING,
    out: OutOption = None,
    resume: ResumeOption = None,
    quiet: QuietOption = False,
    as_json: VerdictOption = False,
    debug: DebugOption = False,
) -> int:
    """Compare models on past cutoffs, without a forecast of the future."""
    from forecastkit.cli.fitting import run_fit

    plan: dict[str, Any] = {"n_report": n_folds, "step": step, "gap": gap, "window_length": window}
    if window is not None:
        plan["window"] = "sliding"
    if refit is not None:
        plan["refit"] = int(refit) if refit.isdigit() else refit
    if metrics is not None:
        plan["metrics"] = [name.strip() for name in metrics.split(",") if name.strip()]
    values = {**running, **computing, "data": {**reading, **given({"path": data})}, "evaluation": given(plan)}
    return run_fit(
        config, values, overrides or [], out=out, resume=resume, quiet=quiet, as_json=as_json, final=False, command="backtest"
    )  # fmt: skip


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[str | None, typer.Option("--data", help="Newer rows: a file like the one of fit.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write [default: standard output].")] = None,
    horizon: Annotated[int | None, typer.Option("--horizon", help="Fewer steps than the run's horizon.")] = None,
    future: FutureOption = None,
    join: Annotated[
        str | None, typer.Option("--join", help="Newer scores: a file like the one of fit [default: that file].")
    ] = None,
    new_items: Annotated[
        str | None,
        typer.Option("--new-items", help="Forecast series without a history: a file of names and static covariates."),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Forecast from a saved run, on newer rows too."""
    from forecastkit.cli.fitting import run_predict

    run_predict(run, data=data, out=out, horizon=horizon, future=future, join=join, new_items=new_items)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of any task.")],
    kind: Annotated[str, typer.Option("--format", help="onnx or torch.")] = "onnx",
    out: Annotated[Path | None, typer.Option("--out", help="Folder [default: RUN/export].")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A model of a run that keeps several [default: the one to use].")
    ] = None,
    length: Annotated[
        int | None, typer.Option("--length", help="Steps of a classifier with --format torch [default: 256].")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write the network of a run as ONNX or torch.export, compared with torch, with a description and an example."""
    from forecastkit.cli.shipping import run_export

    run_export(run, kind=kind, out=out, model=model, length=length)


@app.command()
def serve(
    run: Annotated[Path, typer.Argument(help="Run folder, of any task.")],
    host: Annotated[
        str, typer.Option("--host", help="Address; others than this machine's own are open to all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 = any that is free.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option("--workers", help="Processes.", min=1, max=64)] = 1,
    most_bytes: Annotated[int, typer.Option("--max-bytes", help="Of a request.", min=1)] = 1_000_000,
    most_rows: Annotated[
        int, typer.Option("--max-rows", help="Of a request: history, future, a table, texts, files.", min=1)
    ] = 10_000,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to an answer.", min=0.01)] = 10.0,
    debug: DebugOption = False,
) -> None:
    """Answer over HTTP what predict answers, until Ctrl-C."""
    from forecastkit.cli.shipping import run_serve

    limits = {"bytes": most_bytes, "rows": most_rows, "seconds": timeout}
    run_serve(run, host=host, port=port, workers=workers, limits=limits)


@app.command()
@with_reading
def profile(
    file: Annotated[str, typer.Argument(help=DATA_HELP)],
    reading: Mapping[str, Any] = NOTHING,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole profile as JSON.")] = False,
    debug: DebugOption = False,
) -> None:
    """Say what is in a file and what is wrong with it."""
    from forecastkit.cli.inspecting import run_profile

    run_profile(
        file,
        reading,
        as_json=as_json,
    )  # fmt: skip


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path | None, typer.Option("--out", help="HTML file [default: RUN/report.html].")] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="en or es; default: as in the run.")] = None,
    debug: DebugOption = False,
) -> None:
    """Render the report of a run again."""
    from forecastkit.cli.fitting import run_report

    run_report(run, out=out, lang=lang)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A known covariate over the horizon: NAME=35, or NAME+=5, NAME*=1.1. May be repeated."
        ),
    ] = None,
    item: Annotated[str | None, typer.Option("--item", help="One series only.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="Newer rows: a file like the one of fit.")] = None,
    future: FutureOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write [default: standard output].")] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or es.")] = "en",
    debug: DebugOption = False,
) -> None:
    """Say what the model of a run leans on; with --set, what its forecast would be if."""
    from forecastkit.cli.explaining import run_explain

    run_explain(run, changes or [], item=item, data=data, future=future, out=out, lang=lang)


@app.command()
@with_reading
def audit(
    data: FileOption = None,
    reading: Mapping[str, Any] = NOTHING,
    models: Annotated[str | None, typer.Option("--models", help="Comma-separated. Default: naive,lstm.")] = None,
    horizon: Annotated[int | None, typer.Option("--horizon", help="Steps ahead [default: up to 10].")] = None,
    n_cutoffs: Annotated[int, typer.Option("--n-cutoffs", help="Cutoffs to look at.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the networks and of the scrambled values.")] = 1,
    full: Annotated[bool, typer.Option("--full", help="Train as in a real run, not for a few steps.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    debug: DebugOption = False,
) -> int:
    """Look for leaks of the future in models and data; exit status 1 where there is one."""
    from forecastkit.cli.auditing import run_audit

    return run_audit(
        data, models, reading, horizon=horizon, n_cutoffs=n_cutoffs, seed=seed, full=full,
        as_json=as_json,
    )  # fmt: skip


@app.command()
@with_reading
def evaluate(
    forecasts: Annotated[
        str,
        typer.Option(
            "--forecasts",
            help="CSV or Parquet file with item_id, cutoff or step, timestamp, point; also model and quantiles.",
            show_default=False,
        ),
    ],
    data: DataOption,
    reading: Mapping[str, Any] = NOTHING,
    cost: Annotated[str | None, typer.Option("--cost", help="Cost of a unit, such as over=1,under=4.")] = None,
    fee: Annotated[float | None, typer.Option("--fee", help="For prices: basis points a trade, such as 10.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for leaderboard, scores and verdict.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="Language of the words: en or es.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict and leaderboard as JSON.")] = False,
    debug: DebugOption = False,
) -> None:
    """Score and test forecasts made elsewhere, beside the naive rules."""
    from forecastkit.cli.scoring import run_evaluate

    run_evaluate(
        forecasts,
        reading,
        data=data, cost=cost, fee=fee, out=out, lang=lang, as_json=as_json,
    )  # fmt: skip


@app.command()
def score(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    actuals: Annotated[
        str, typer.Option("--actuals", help="Rows that came since: a file like the one of fit.", show_default=False)
    ],
    lang: Annotated[str, typer.Option("--lang", help="Language of the words: en or es.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    debug: DebugOption = False,
) -> None:
    """Say how a run's forecast turned out, and whether the series has drifted."""
    from forecastkit.cli.scoring import run_score

    run_score(run, actuals=actuals, lang=lang, as_json=as_json)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Two run folders.", metavar="RUN1 RUN2")],
    lang: Annotated[str, typer.Option("--lang", help="en or es.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
    debug: DebugOption = False,
) -> None:
    """Show two runs side by side, and what was different."""
    from forecastkit.cli.comparing import run_compare

    run_compare(runs, as_json=as_json, lang=lang)


@app.command()
def leaderboard(
    run: RunArgument,
    form: Annotated[str, typer.Option("--format", help="md, latex or csv.")] = "md",
    out: Annotated[Path | None, typer.Option("--out", help="File to write [default: standard output].")] = None,
    lang: Annotated[str, typer.Option("--lang", help="en or es.")] = "en",
    debug: DebugOption = False,
) -> None:
    """Print the leaderboard of a run as a table for a page or a paper."""
    from forecastkit.cli.comparing import run_leaderboard

    run_leaderboard(run, form=form, out=out, lang=lang)


@app.command()
def rerun(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[str | None, typer.Option("--data", help="Where the data are now [default: as in the run].")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="New run folder [default: runs/<name>-<time>].")] = None,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    debug: DebugOption = False,
) -> int:
    """Run a run again and compare: exit status 0 where the numbers are identical, else 1."""
    from forecastkit.cli.rerunning import run_rerun

    return run_rerun(run, data=data, out=out, quiet=quiet, as_json=as_json)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="One model: its options and what they mean.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With all options, as JSON.")] = False,
) -> None:
    """List the models, or the options of one."""
    from forecastkit.cli.inspecting import list_models, show_model

    if name is None:
        list_models(as_json=as_json)
    else:
        show_model(name, as_json=as_json)


@datasets_app.callback()
def _datasets(context: typer.Context) -> None:
    """The data sets that come with forecastkit."""
    if context.invoked_subcommand is None:
        from forecastkit.cli.inspecting import list_datasets

        list_datasets()


@datasets_app.command("show")
def datasets_show(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Show the card of a data set: source, licence, columns."""
    from forecastkit.cli.inspecting import show_dataset

    show_dataset(name)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; errors are one line on stderr.

    0 done, 1 a check found something, 2 the user can mend it, 130 interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    TYPED.set(tuple(words))
    try:
        status = app(args=words, standalone_mode=False)
    except ForecastkitError as error:
        if "--debug" in words:
            raise
        print(f"forecastkit: {error}", file=sys.stderr)
        status = error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        print("forecastkit: interrupted.", file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:
        # `forecastkit models | head`: the reader has gone, and nothing is wrong.
        sys.stderr.close()
        status = 0
    except Exception as error:
        # typer's own usage errors; every other exception is a bug and keeps its traceback.
        if not hasattr(error, "format_message"):
            raise
        text = str(error.format_message())
        message = " ".join(text.split())
        status = getattr(error, "exit_code", ConfigError.exit_status)
        # Where a command came without arguments the message is its help, or typer has shown that itself.
        if message.startswith("Usage:"):
            print(text, file=sys.stderr)
        elif message:
            print(f"forecastkit: {_with_value(message, words)} See forecastkit --help.", file=sys.stderr)
    return status if isinstance(status, int) else 0


def _with_value(message: str, words: Sequence[str]) -> str:
    """A usage error with the value that it is about, which typer leaves out, and with a full stop.

    >>> _with_value("Invalid value for '--horizon': no integer", ["fit", "--horizon", "x"])
    "--horizon: 'x'; no integer."
    """
    found = re.match(r"Invalid value for '(--[\w-]+)[^']*': (.*)", message)
    message = message if message.endswith((".", "?", "!")) else f"{message}."
    if found is None:
        return message
    option, rule = found[1], found[2]
    given = [b for a, b in zip(words, words[1:]) if a == option]
    given += [w.removeprefix(f"{option}=") for w in words if w.startswith(f"{option}=")]
    # Typer says the value itself where it checks a choice or a range.
    if not given or given[-1] in rule:
        return message
    return f"{option}: {given[-1]!r}; {rule.rstrip('.')}."
