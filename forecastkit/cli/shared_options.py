"""Options that several commands share: how to read a file, what to run, and who computes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import typer

from forecastkit.cli.options import LANG_HELP, SEED_HELP, model_names
from forecastkit.registry import names_in

__all__ = ["NOTHING", "with_comparing", "with_computing", "with_reading", "with_running"]

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What a group is before its decorator fills it."""


Text = str | None
_OPTIONS: dict[str, tuple[str, Any, str]] = {
    "target": ("--target", Text, "Column to forecast; found if not given."),
    "time": ("--time", Text, "Column of times; found if not given."),
    "item": ("--item", Text, "Column that tells series apart; found if not given."),
    "freq": ("--freq", Text, "Frequency, such as B, D, h, 30min, W-SUN, MS."),
    "season_length": ("--season", int | None, "Steps in one season; found if not given."),
    "known": ("--known", Text, "Covariates known ahead, comma-separated, such as temperature,promotion."),
    "past": ("--past", Text, "Covariates known up to the cutoff, comma-separated."),
    "static": ("--static", Text, "Covariates that never change within a series, comma-separated."),
    "joint": ("--joint", bool | None, "Several targets, as in --target Open,Close, learn from each other's past."),
    "holidays": ("--holidays", Text, "Country whose public holidays matter, such as ES or AU-VIC."),
    "start": ("--start", Text, "First time that is read, such as 2015 or 2015-01-31; a source is asked for it."),
    "end": ("--end", Text, "Last time that is read; the whole day, month or year belongs to it."),
    "join": ("--join", Text, "File of dated scores that become past covariates; see docs/sources.md."),
    "join_columns": ("--join-columns", Text, "Its columns, comma-separated [default: every numeric one]."),
    "join_time": ("--join-time", Text, "Its column of times; found if not given."),
    "join_item": ("--join-item", Text, "Its column of series [default: that of the data, where it is there]."),
    "join_how": ("--join-how", Text, "Scores of one row: mean, sum, last, min, max, count [default: mean]."),
    "join_tz": ("--join-tz", Text, "Zone of the days of the series, and of scores whose times have none."),
    "close": ("--close", Text, "Clock at which a day ends, such as 16:00, or next-day [default: next-day]."),
    "sep": ("--sep", Text, "Column separator; found if not given."),
    "decimal": ("--decimal", Text, "Decimal sign, '.' or ','; found if not given."),
    "encoding": ("--encoding", Text, "Text encoding; found if not given."),
    "skip_rows": ("--skip-rows", int | None, "Lines before the header; found if not given."),
    "date_format": ("--date-format", Text, "Such as %d/%m/%Y; found if not given."),
    "tz": ("--tz", Text, "Time zone of times without one, such as Europe/Madrid."),
    "duplicates": ("--duplicates", Text, "Two rows at one time: error, first, last, mean, sum [default: error]."),
    "fill": ("--fill", Text, "Missing values: none, forward, interpolate, zero [default: none]."),
    "resample": ("--resample", Text, "With --freq: bring the data to it by sum, mean, last, ..."),
}
_LISTS = ("known", "past", "static", "join_columns")
_RUNNING: dict[str, tuple[str, Any, str]] = {
    "horizon": ("--horizon", int | None, "Steps ahead; by frequency if not given."),
    "models": ("--models", Text, "Comma-separated; baselines are added. Default: lstm,gru."),
    "seed": ("--seed", int | None, SEED_HELP),
    "seeds": ("--seeds", int | None, "Fit each network with so many seeds [default: 1]."),
    "preset": ("--preset", Text, "Settings that are not given: fast, default or best."),
    "time_limit": ("--time-limit", Text, "Of the whole run, shared out over the models, such as 10m."),
    "tune": ("--tune", Text, "Search the networks' options: number of trials, or time such as 5m."),
    "lang": ("--lang", Text, LANG_HELP),
    "cost": ("--cost", Text, "What an error costs, such as over=1,under=4."),
    "fee": ("--fee", float | None, "Prices: try a long/flat rule at so many basis points."),
    "transform": ("--transform", Text, "Of the target: auto, log, log1p, box_cox, difference, ... [default: none]."),
    "non_negative": ("--non-negative", bool | None, "No forecast is below 0."),
    "whole": ("--whole", bool | None, "Forecasts are whole numbers."),
}
_COMPARING: dict[str, tuple[str, Any, str]] = {
    "rare": ("--rare", Text, "The class that matters most [default: the rarest]."),
    "models": ("--models", Text, "Comma-separated; baselines are added [default: gru; anomalies: none]. See: models."),
    "split": ("--split", Text, "auto, leave-one-out, folds, ds1-ds2; intra mixes groups and flatters."),
    "train": ("--train", Text, "Groups to learn from, comma-separated; with --test."),
    "test": ("--test", Text, "Groups to test on, comma-separated; with --train."),
    "sensitivity": ("--sensitivity", float | None, "Choose the threshold that finds this share of the rare class."),
    "false_alarms": (
        "--false-alarms",
        float | None,
        "Anomalies: share of usual ones that may be strange [default: 0.01].",
    ),
    "seed": ("--seed", int | None, SEED_HELP),
    "lang": ("--lang", Text, LANG_HELP),
}
_COMPUTING: dict[str, tuple[str, Any, str]] = {
    "n_jobs": ("--jobs", int | None, "Processes for the baselines [default: one a core, where it pays]."),
    "engine": ("--engine", Text, "Who fits the baselines: local, dask, ray, spark [default: local]."),
    "address": ("--address", Text, "Of the cluster, such as tcp://10.0.0.1:8786; one is started here if not given."),
    "devices": ("--devices", int | None, "Train networks on so many processes or GPUs of a machine [default: 1]."),
    "nodes": ("--nodes", int | None, "Train networks on so many machines, started by torchrun [default: 1]."),
    "strategy": ("--strategy", Text, "Lightning's strategy for several devices [default: ddp]."),
}


def with_reading(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the options above; its parameter ``reading`` gets those that were given, as for ``ReadOptions``."""

    def split(given: dict[str, Any]) -> dict[str, Any]:
        return {name: names_in(value) if name in _LISTS else value for name, value in given.items()}

    return _with_group(command, "reading", _OPTIONS, split)


def with_running(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with the settings of a run; its parameter ``running`` gets those that were given, as configuration values."""
    return _with_group(command, "running", _RUNNING, _named)


def with_comparing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a run that classifies; its parameter is ``comparing``."""
    return _with_group(command, "comparing", _COMPARING, _named)


def _named(given: dict[str, Any]) -> dict[str, Any]:
    return {name: model_names(value) if name == "models" else value for name, value in given.items()}


def with_computing(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with options on who computes; its parameter ``computing`` gets those that were given."""
    return _with_group(command, "computing", _COMPUTING, lambda given: given)


def _with_group(
    command: Callable[..., Any],
    group: str,
    options: Mapping[str, tuple[str, Any, str]],
    finish: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[..., Any]:
    own = inspect.signature(command, eval_str=True)
    kept = list(own.parameters.values())
    at = next(k for k, p in enumerate(kept) if p.name == group)
    more = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[kind, typer.Option(flag, help=words)],
        )
        for name, (flag, kind, words) in options.items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        mine = {name: value for name in options if (value := given.pop(name)) is not None}
        return command(**given, **{group: finish(mine)})

    parameters = [*kept[:at], *more, *kept[at + 1 :]]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": own.return_annotation}
    return run
