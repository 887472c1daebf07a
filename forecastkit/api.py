"""The Python front door: ``fit``, ``backtest``, ``predict``, ``load``, ``evaluate``, ``score``.

Everything is written to a run folder, and a ``Result`` reads it, so that a result from Python and one from the
command line are the same thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit.config import RunConfig, load_config
from forecastkit.errors import ConfigError, ForecastkitError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from forecastkit.forecasting.schema import SeriesFrame
    from forecastkit.forecasting.splits import EvalPlan
    from forecastkit.run.foreign.score import ForeignEvaluation
    from forecastkit.run.outcome import ForecastOutcome

__all__ = [
    "Result",
    "backtest",
    "evaluate",
    "fit",
    "future_frame",
    "join_scores",
    "load",
    "predict",
    "score",
    "update",
    "what_if",
]


class Result:
    """A run folder, read as frames and figures.

    Args:
        folder: made by ``fit`` or by the command line.

    Raises:
        ModelFileError: not a run folder, or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        from forecastkit.run.folder import RunFolder

        self._run = RunFolder.open(folder)
        self.folder = self._run.path

    def __repr__(self) -> str:
        try:
            said = " ".join(self.verdict["sentence"]["en"])
        except (KeyError, TypeError):
            said = "unfinished"
        except ForecastkitError as error:
            said = str(error)
        return f"<forecastkit run {self.folder}: {said}>"

    @cached_property
    def facts(self) -> dict[str, Any]:
        """run.yaml: configuration, plan, versions, fingerprint, timings."""
        return self._run.facts()

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """verdict.json: what to use, whether it is shown to be better, how surely."""
        return self._run.json("verdict.json")

    @cached_property
    def profile(self) -> dict[str, Any]:
        """profile.json: what was found in the data."""
        return self._run.json("profile.json")

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """One row a model, scores of report folds."""
        return self._run.table("leaderboard.csv")

    def leaderboard_table(self, form: str = "md", *, lang: str = "en") -> str:
        """The leaderboard as text for a page or a paper: ``md``, ``latex`` or ``csv``.

        Raises:
            ConfigError: another format.
        """
        from forecastkit.report.leaderboards import leaderboard_table

        return leaderboard_table(self.leaderboard, self.verdict, form, lang=lang)

    @cached_property
    def forecast(self) -> pd.DataFrame:
        """The forecast frame of the final model."""
        return self._run.table("forecast.csv")

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """The forecast frame of all folds, models and seeds, with role, seed and actual."""
        return self._run.table("backtest.parquet")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The score frame: role, model, seed, item_id, cutoff, step, metric, value."""
        return self._run.table("scores.csv")

    @cached_property
    def learning_curves(self) -> pd.DataFrame:
        """Loss and gradient norm by step."""
        return self._run.table("learning_curves.csv")

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    def predict(self, data: Any = None, *, horizon: int | None = None, future: Any = None) -> pd.DataFrame:
        """Forecast with the saved model, after newer rows where given. See ``predict``."""
        return predict(self.folder, data, horizon=horizon, future=future)

    def plot(self, item: str | None = None) -> Figure:
        """History and forecast of one series (default: the first), with 80 and 95 % bands."""
        from forecastkit.report import plots
        from forecastkit.run.page import report_data

        data = report_data(self._run)
        return plots.plot_forecast(data.history, self.forecast, item=item)

    def plot_leaderboard(self) -> Figure:
        """Error of each model with its interval."""
        from forecastkit.report import plots

        return plots.plot_leaderboard(self.leaderboard)

    def plot_learning_curves(self) -> Figure:
        """Training and validation loss by step."""
        from forecastkit.report import plots

        return plots.plot_learning_curves(self.learning_curves)

    def plot_error_by_step(self) -> Figure:
        """Error by step ahead."""
        from forecastkit.report import plots
        from forecastkit.run.page import report_data

        return plots.plot_error_by_step(report_data(self._run).error_by_step)

    def plot_folds(self) -> Figure:
        """Where the folds of each role lie in time."""
        from forecastkit.report import plots
        from forecastkit.run.page import report_data

        return plots.plot_folds(report_data(self._run).folds)


def _config(
    data: Any, config: str | Path | RunConfig | None, values: Mapping[str, Any], overrides: Iterable[str]
) -> tuple[RunConfig, Any]:
    """(configuration, frame or None)."""
    tree = dict(values)
    source = None
    if isinstance(data, (str, Path)):
        tree["data"] = {**tree.get("data", {}), "path": str(data)}
    elif data is not None:
        source = data
    if isinstance(config, RunConfig):
        below, config = config.to_dict(), None
        parts = {name: {**below[name], **tree.get(name, {})} for name in ("data", "evaluation")}
        tree = {**below, **tree, **parts}
    return load_config(config, values=tree, overrides=overrides), source


def _values(
    models: Iterable[str] | Mapping[str, Mapping[str, Any]] | str | None,
    reading: Mapping[str, Any],
    plain: Mapping[str, Any],
) -> dict[str, Any]:
    values = {key: value for key, value in plain.items() if value is not None}
    values["data"] = {key: value for key, value in reading.items() if value is not None}
    if models is not None:
        if isinstance(models, str):
            models = [models]
        values["models"] = dict(models) if isinstance(models, Mapping) else {name: {} for name in models}
    return values


def fit(
    data: Any = None,
    *,
    horizon: int | None = None,
    target: str | None = None,
    time: str | None = None,
    item: str | None = None,
    freq: str | None = None,
    season_length: int | None = None,
    known: Iterable[str] | str | None = None,
    past: Iterable[str] | str | None = None,
    static: Iterable[str] | str | None = None,
    holidays: str | None = None,
    start: str | None = None,
    end: str | None = None,
    future: Any = None,
    models: Iterable[str] | Mapping[str, Mapping[str, Any]] | str | None = None,
    config: str | Path | RunConfig | None = None,
    overrides: Iterable[str] = (),
    seed: int | None = None,
    seeds: int | None = None,
    out: str | Path | None = None,
) -> Result:
    """Read, train, compare with baselines, forecast, and write a report.

    Args:
        data: path, ``"dataset:NAME"``, ``"yahoo:AAPL,MSFT"`` or another source, or a frame of pandas, polars or Arrow; it
            is not changed.
        horizon: steps ahead; None = by frequency.
        target, time, item, freq, season_length: None = found.
        known, past, static: columns of covariates: known ahead, known up to the cutoff, the same all along.
        holidays: country whose public holidays matter, as ``"ES"`` or ``"AU-VIC"``.
        start, end: first and last time that is read, as ``"2015-01-31"``; sources are asked for them.
        future: known covariates of the time to come, a path or a frame, where the data do not go on with them.
        models: names, or name -> options; baselines are added. None = lstm and gru.
        config: YAML file or ``RunConfig``; the other arguments win over it.
        overrides: words such as ``"models.lstm.hidden=128"``.
        seed: of the networks.
        seeds: fits of each network, from ``seed`` on.
        out: run folder; None = ``runs/<name>-<time>``.

    Raises:
        ForecastkitError: says place, value, rule and remedy.
    """
    reading = {
        "target": target, "time": time, "item": item, "freq": freq, "season_length": season_length, "start": start, "end": end,
        **_covariates(known, past, static, holidays),
    }  # fmt: skip
    if isinstance(future, (str, Path)):
        reading["future"], future = str(future), None
    values = _values(models, reading, {"horizon": horizon, "seed": seed, "seeds": seeds})
    return _execute(data, config, values, overrides, out, final=True, future=future)


def update(run: str | Path, data: str | Path, *, out: str | Path | None = None) -> Result:
    """Run a finished run again with its configuration on longer data: new folds, new models, a folder of its own.

    Args:
        run: the run that is updated; it stays as it is.
        data: a path or source like the one of fit: the whole history, or the rows that came since.
        out: run folder; None = ``runs/<name>-<time>``.

    Returns:
        the new run; its ``update.json`` says how the verdict changed.

    Raises:
        ForecastkitError: no finished run, or nothing newer.
    """
    from forecastkit.run.updating import update as updated

    done = updated(run, str(data), out=None if out is None else Path(out))
    if done.outcome.interrupted:
        raise KeyboardInterrupt
    return Result(done.outcome.folder.path)


def _covariates(
    known: Iterable[str] | str | None,
    past: Iterable[str] | str | None,
    static: Iterable[str] | str | None,
    holidays: str | None,
) -> dict[str, Any]:
    """As keys of ``data``; a text is a comma-separated list."""
    names = {"known": known, "past": past, "static": static}
    return {
        **{k: v if v is None or isinstance(v, str) else tuple(v) for k, v in names.items()},
        "holidays": holidays,
    }


def backtest(
    data: Any,
    models: Iterable[str] | Mapping[str, Mapping[str, Any]] | str | None = None,
    plan: EvalPlan | None = None,
    *,
    target: str | None = None,
    time: str | None = None,
    item: str | None = None,
    freq: str | None = None,
    season_length: int | None = None,
    known: Iterable[str] | str | None = None,
    past: Iterable[str] | str | None = None,
    static: Iterable[str] | str | None = None,
    holidays: str | None = None,
    start: str | None = None,
    end: str | None = None,
    config: str | Path | RunConfig | None = None,
    overrides: Iterable[str] = (),
    out: str | Path | None = None,
) -> Result:
    """Evaluate models by a plan, without a final fit and forecast.

    Args:
        plan: None = by the length of the history.
        known, past, static, holidays, start, end: as ``fit``; known covariates need not go on after the data.

    Raises:
        ForecastkitError: as ``fit``.
    """
    reading = {
        "target": target, "time": time, "item": item, "freq": freq, "season_length": season_length, "start": start, "end": end,
        **_covariates(known, past, static, holidays),
    }  # fmt: skip
    values = _values(models, reading, {})
    if plan is not None:
        values |= _plan_values(plan)
        if plan.season_length is not None:
            values["data"]["season_length"] = plan.season_length
    return _execute(data, config, values, overrides, out, final=False)


def _plan_values(plan: EvalPlan) -> dict[str, Any]:
    """A plan as keys of the run configuration."""
    facts = plan.to_dict()
    seeds = [int(s) for s in facts.pop("seeds")]
    if seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise ConfigError(place="plan, seeds", value=str(seeds), rule="a run counts its seeds up from the first by one")
    del facts["season_length"]  # it is said of the data
    return {"horizon": facts.pop("horizon"), "seed": seeds[0], "seeds": len(seeds), "evaluation": facts}


def _execute(
    data: Any,
    config: str | Path | RunConfig | None,
    values: Mapping[str, Any],
    overrides: Iterable[str],
    out: str | Path | None,
    *,
    final: bool,
    future: Any = None,
) -> Result:
    from forecastkit.run.execute import execute

    settings, source = _config(data, config, values, overrides)
    outcome = execute(settings, source=source, future=future, out=None if out is None else Path(out), final=final)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Result(outcome.folder.path)


def predict(
    run: str | Path,
    data: Any = None,
    *,
    horizon: int | None = None,
    future: Any = None,
    join: str | Path | None = None,
    new_items: Any = None,
) -> pd.DataFrame:
    """Forecast with the model of a run; torch is imported for networks only, Lightning never.

    Args:
        run: run folder.
        data: newer rows, a path or a frame with the columns of the file that was fitted; older rows in it are
            allowed and win over the stored ones. None = forecast from the stored history.
        horizon: fewer steps than the run's.
        future: known covariates of the time to come, a path or a frame; rows of ``data`` without a target count too.
        join: newer scores for ``data``, a file like the one of fit; None = that file.
        new_items: series without any history, which alone are forecast: a path or a frame with their names and static
            covariates. A history is made for each from series that are like it (``forecasting.cold_start``).

    Returns:
        Forecast frame; its ``attrs["said"]`` are sentences about it: that nothing in ``data`` is newer, or how far off
        series without a history may be.

    Raises:
        ForecastkitError: a damaged run, or rows that do not fit to it.
    """
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.newer import nothing_newer, read_future, read_newer
    from forecastkit.run.saved_model import SavedModel

    folder = RunFolder.open(run)
    model = SavedModel.of_run(folder)
    said = []
    if data is not None:
        newer = read_newer(folder, model, data, None if join is None else str(join))
        longer = model.with_newer(newer)
        said.append(nothing_newer(model.frame, newer))
        model = longer
    if new_items is not None:
        from forecastkit.run.newcomers import forecast_newcomers

        found = forecast_newcomers(folder, model, new_items, horizon, future)
        said.append(f"No history: {found.said}.")
        forecast = found.forecast
    else:
        forecast = (model if future is None else read_future(folder, model, future)).forecast(horizon)
    forecast.attrs["said"] = [sentence for sentence in said if sentence]
    return forecast


def what_if(
    run: str | Path,
    changes: Mapping[str, Any] | None = None,
    /,
    *,
    data: Any = None,
    future: Any = None,
    item: str | None = None,
    **columns: Any,
) -> pd.DataFrame:
    """What a run's forecast would be if known covariates were otherwise: ``what_if(run, temperature=35)``.

    Args:
        run: run folder.
        changes: covariate -> value over the whole horizon; ``{"temperature+": 5}`` is five more than expected. For names
            that are no Python names, too.
        data, future: newer rows and later covariates, as for ``predict``.
        item: one series only.
        columns: further changes.

    Returns:
        Columns of a forecast frame up to ``model``, then ``point``, ``what_if`` and ``difference``.

    Raises:
        ForecastkitError: no such covariate, a value that never occurred, or a model that reads none.
    """
    from forecastkit.run.what_if import what_if as changed

    return changed(run, {**(changes or {}), **columns}, data=data, future=future, item=item)


def future_frame(source: Any, horizon: int | None = None, **reading: Any) -> pd.DataFrame:
    """The rows of the future that a forecast with known covariates needs, with empty cells to fill in.

    Args:
        source: run folder, or data as for ``fit`` with ``known=...`` among ``reading``.
        horizon: steps; None = those of the run, or by frequency.
        reading: how to read the data, where ``source`` is no run.

    Returns:
        Columns of series and time as in the data, then the known covariates; what is known already is filled in.

    Raises:
        ForecastkitError: says place, value, rule and remedy.
    """
    from forecastkit.run.ahead import rows_to_fill

    return rows_to_fill(source, horizon, reading)


def join_scores(
    data: Any,
    scores: Any,
    *,
    columns: Iterable[str] | str = (),
    close: str | None = None,
    tz: str | None = None,
    time: str | None = None,
    item: str | None = None,
    how: str = "mean",
    **reading: Any,
) -> SeriesFrame:
    """Series with dated scores as a past covariate, without looking ahead: ready for ``fit`` and ``backtest``.

    A score counts for the first row that ends after it came: with ``close`` those of a day before that clock count for
    the day itself, later ones for the next day of the calendar; without, those of a day count for the next one.

    Args:
        data: as for ``fit``.
        scores: path, source or frame with a column of times and columns of numbers.
        columns: those of ``scores``; empty = every numeric one.
        close: clock at which a day ends, as ``"16:00"``; None or ``"next-day"`` = the hour of a score is not used.
        tz: zone of the days of the series, and of scores whose times have none, as ``"America/New_York"``.
        time, item: columns of ``scores``; None = found.
        how: scores of one row are put together by mean, sum, last, min, max or count.
        reading: how to read ``data``: target, time, item, past, ...

    Returns:
        The checked series; rows without a score are empty.

    Raises:
        ForecastkitError: says place, value, rule and remedy.
    """
    from forecastkit.read_options import options_of
    from forecastkit.reading import read, with_join

    found = read(data, options_of(reading, "join_scores"))
    rule = {
        "join_columns": columns,
        "join_time": time,
        "join_item": item,
        "join_how": how,
        "join_tz": tz,
        "close": close,
    }
    options = options_of({"join": "given", **rule})
    return with_join(found.frame, scores, options, found.profile.item)[0]


def evaluate(
    forecasts: Any,
    data: Any,
    *,
    cost: str | Mapping[str, float] | None = None,
    fee: float | None = None,
    out: str | Path | None = None,
    **reading: Any,
) -> ForeignEvaluation:
    """Score and test forecasts made elsewhere, beside the naive rules at the same cutoffs.

    Args:
        forecasts: path or frame: item_id, cutoff or step, timestamp, point; also model and quantiles (``0.1``, ``p90``).
            Without point, a column a model.
        data: path, ``"dataset:NAME"`` or frame that holds the answers.
        cost: such as ``"over=1,under=4"``.
        fee: basis points a trade, for prices.
        out: folder for leaderboard.csv, scores.csv, verdict.json and cost.json.
        reading: how to read ``data``: target, time, item, freq, season_length, ...

    Returns:
        An object with ``leaderboard``, ``verdict``, ``scores``, ``forecasts``, ``money`` and ``notes``.

    Raises:
        ForecastkitError: says place, value, rule and remedy.
    """
    from forecastkit.read_options import options_of
    from forecastkit.run.foreign.score import evaluate_forecasts

    found = evaluate_forecasts(forecasts, data, options_of(reading, "evaluate"), cost=cost, fee=fee)
    if out is not None:
        found.save(out)
    return found


def score(run: str | Path, actuals: Any) -> ForecastOutcome:
    """How a run's forecast turned out, and whether the series has drifted.

    Args:
        run: run folder.
        actuals: rows that came since, a path or a frame like the one of fit; older rows are not counted.

    Returns:
        An object with ``overall`` and ``by_step`` (frames), ``drift``, ``sentence`` and ``rows``.

    Raises:
        ForecastkitError: a damaged run, or rows that do not fit to it.
    """
    from forecastkit.run.outcome import score_run

    return score_run(run, actuals)


def load(run: str | Path) -> Result:
    """A run from disk."""
    return Result(run)
