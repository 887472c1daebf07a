"""Commands ``classify`` and ``ecg``: fit and predict."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastkit.errors import ConfigError

__all__ = ["classify_app", "ecg_app"]

classify_app = typer.Typer(
    help="Sequences with a label: histories of visits, any long table.", rich_markup_mode=None, no_args_is_help=True
)
ecg_app = typer.Typer(
    help="Heartbeats in ECG records. Research software, no medical device.", rich_markup_mode=None, no_args_is_help=True
)

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as models.gru.hidden=64.")
]
Models = Annotated[str, typer.Option("--models", help="Comma-separated: gru, lstm, rnn, nearest; baselines are added.")]
SplitOption = Annotated[
    str, typer.Option("--split", help="auto, leave-one-out, folds; intra mixes groups and flatters.")
]
Train = Annotated[str | None, typer.Option("--train", help="Groups to learn from, comma-separated; with --test.")]
Test = Annotated[str | None, typer.Option("--test", help="Groups to test on, comma-separated; with --train.")]
Sensitivity = Annotated[
    float | None, typer.Option("--sensitivity", help="Choose the threshold that finds this share of the rare class.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.")]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder [default: runs/<name>-<time>].")]
Lang = Annotated[str, typer.Option("--lang", help="Language of the report: en or es.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the answer only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print verdict.json on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
RunArgument = Annotated[Path, typer.Argument(help="Run folder.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="A model of the run [default: the one to use].")]
Lead = Annotated[str | None, typer.Option("--lead", help="Lead by name, such as II [default: MLII or II].")]
Rate = Annotated[float | None, typer.Option("--fs", help="Samples a second, where the file does not say.")]


@ecg_app.command("fit")
def ecg_fit(
    overrides: Overrides = None,
    records: Annotated[
        Path | None, typer.Option("--records", help="Folder of WFDB records, or CSV signals with tables of beats.")
    ] = None,
    lead: Lead = None,
    fs: Rate = None,
    classes: Annotated[
        str, typer.Option("--classes", help="aami: N S V F Q; v: ventricular or not; auto: what all records tell.")
    ] = "auto",
    include_paced: Annotated[bool, typer.Option("--include-paced", help="Keep records with a pacemaker.")] = False,
    models: Models = "gru",
    split: SplitOption = "auto",
    train: Train = None,
    test: Test = None,
    sensitivity: Sensitivity = None,
    seed: Seed = 1,
    out: Out = None,
    lang: Lang = "en",
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Learn to class heartbeats, test on patients never seen, and write a report. No medical device."""
    from forecastkit.run.classify import fit_ecg

    if records is None:
        raise ConfigError(place="--records", rule="no folder given", remedy="Give one: --records mitbih.")
    options = _options(models, overrides, split, train, test, sensitivity, seed, lang)
    run = fit_ecg(
        records,
        options,
        out=out,
        lead=lead,
        fs=fs,
        classes=classes,
        paced=include_paced,
        tell=_teller(quiet or as_json),
    )
    return _answer(run, lang, quiet=quiet, as_json=as_json)


@ecg_app.command("predict")
def ecg_predict(
    run: RunArgument,
    record: Annotated[Path | None, typer.Option("--record", help="WFDB header or CSV signal.")] = None,
    lead: Lead = None,
    fs: Rate = None,
    model: ModelOption = None,
    annotated: Annotated[
        bool, typer.Option("--annotated", help="Take the record's own beat positions instead of finding them.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write [default: standard output].")] = None,
    debug: Debug = False,
) -> None:
    """Class each beat of a record: one row a beat, and a summary of the rhythm. No medical device."""
    from forecastkit.run.classify import predict_ecg
    from forecastkit.run.folder import RunFolder

    if record is None:
        raise ConfigError(place="--record", rule="no record given", remedy="Give one: --record 100.hea.")
    table, summary = predict_ecg(RunFolder.open(run), record, lead=lead, fs=fs, model=model, given=annotated)
    _deliver(table, out)
    print(json.dumps(summary, indent=2, ensure_ascii=False), file=sys.stderr if out is None else sys.stdout)


@classify_app.command("fit")
def classify_fit(
    overrides: Overrides = None,
    data: Annotated[Path | None, typer.Option("--data", help="CSV or Parquet file, one row a visit.")] = None,
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
    models: Models = "gru",
    split: SplitOption = "auto",
    train: Train = None,
    test: Test = None,
    sensitivity: Sensitivity = None,
    seed: Seed = 1,
    out: Out = None,
    lang: Lang = "en",
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Learn the label of sequences, test on groups never seen, and write a report."""
    from forecastkit.run.classify import fit_visits

    given = {"--data": data, "--label": label}
    for option, value in given.items():
        if value is None:
            raise ConfigError(place=option, rule="not given", remedy="See forecastkit classify fit --help.")
    options = _options(models, overrides, split, train, test, sensitivity, seed, lang)
    run = fit_visits(
        Path(str(data)), options, item=item, time_column=time, label=str(label), group=group, ahead=ahead, out=out,
        tell=_teller(quiet or as_json),
    )  # fmt: skip
    return _answer(run, lang, quiet=quiet, as_json=as_json)


@classify_app.command("predict")
def classify_predict(
    run: RunArgument,
    data: Annotated[
        Path | None, typer.Option("--data", help="A table like the one of fit; labels are not needed.")
    ] = None,
    model: ModelOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write [default: standard output].")] = None,
    debug: Debug = False,
) -> None:
    """Class the sequences of a table: one row each, with calibrated probabilities."""
    from forecastkit.run.classify import predict_visits
    from forecastkit.run.folder import RunFolder

    if data is None:
        raise ConfigError(place="--data", rule="no table given", remedy="Give one: --data new.csv.")
    _deliver(predict_visits(RunFolder.open(run), data, model=model), out)


def _options(
    models: str, overrides: list[str] | None, split: str, train: str | None, test: str | None, sensitivity: float | None, seed: int, lang: str
) -> Any:  # fmt: skip
    from forecastkit.run.classify import ClassifyOptions

    wanted = {name: dict[str, Any]() for name in _names(models)}
    for text in overrides or []:
        key, sign, value = text.partition("=")
        parts = key.split(".")
        if not sign or len(parts) != 3 or parts[0] != "models" or not parts[2]:
            raise ConfigError(place="setting", value=text[:60], rule="not of the form models.NAME.OPTION=VALUE")
        wanted.setdefault(parts[1], {})[parts[2]] = _value(value)
    return ClassifyOptions(
        models=wanted,
        split=split,
        train=_names(train),
        test=_names(test),
        sensitivity=sensitivity,
        seed=seed,
        lang=lang,
        command=shlex.join(["forecastkit", *sys.argv[1:]]) if sys.argv[1:] else "",
    )


def _value(text: str) -> Any:
    from forecastkit.strict_yaml import load_yaml

    try:
        return load_yaml(text)
    except ValueError:
        return text


def _names(words: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(w.strip() for w in (words or "").split(",") if w.strip()))


def _teller(quiet: bool) -> Any:
    def tell(line: str) -> None:
        if not quiet:
            print(line, flush=True)

    return tell


def _answer(run: Any, lang: str, *, quiet: bool, as_json: bool) -> int:
    verdict = run.json("verdict.json")
    if as_json:
        print(json.dumps(verdict, indent=2, ensure_ascii=False))
        return 0
    if not quiet:
        print()
        for line in board_lines(run.table("leaderboard.csv"), verdict):
            print(line)
        print()
    for sentence in verdict["sentence"][lang]:
        print(sentence)
    device = verdict.get("no_device", {}).get(lang)
    if device:
        print(device)
    print(f"Report        {run / 'report.html'}")
    return 0 if verdict["use"] else 1


def board_lines(board: Any, verdict: dict[str, Any]) -> list[str]:
    """The leaderboard in plain columns, recall of the rare class first."""
    lines = [f"{'':14}{'found':>9}{'right':>9}{'F1':>8}{'macro F1':>10}{'time':>9}    {verdict['rare']}"]
    for _, r in board.iterrows():
        name = str(r["model"])
        if r["status"] != "ok":
            lines.append(f"{name:14}  failed: {r['reason']}")
            continue
        found, right = (f"{100 * r[c]:.1f} %" if r[c] == r[c] else "–" for c in ("sensitivity", "ppv"))
        spent = r["seconds_fit"] + r["seconds_predict"]
        mark = "  <- use" if name == verdict["use"] else ""
        lines.append(f"{name:14}{found:>9}{right:>9}{r['f1']:>8.3f}{r['macro_f1']:>10.3f}{spent:>7.1f} s{mark}")
    return lines


def _deliver(table: Any, out: Path | None) -> None:
    from forecastkit import artifacts

    if out is None:
        print(artifacts.to_csv_text(table), end="")
    else:
        artifacts.write_csv(out, table)
