"""Series that a saved model has never seen, forecast from their static covariates alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import registry
from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.backtest import forecast_frame
from forecastkit.forecasting.cold_start import MOST_LEFT_OUT, ColdStart
from forecastkit.forecasting.covariates import require_future
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading.columns import Roles
from forecastkit.reading.instants import Instants
from forecastkit.reading.profile import item_columns
from forecastkit.reading.rows import covariate_column, items_of
from forecastkit.reading.table import open_table
from forecastkit.run.folder import RunFolder
from forecastkit.run.newer import read_future, reading_of
from forecastkit.run.saved_model import SavedModel

__all__ = ["Newcomers", "forecast_newcomers"]

MOST_FITTED = 20
"""Series that are left out where each costs a fit."""


@dataclass(frozen=True, eq=False)
class Newcomers:
    """What is said of series without a history.

    Args:
        forecast: forecast frame; quantiles are NaN where there are too few known series to tell how far off it may be, and
            for a series with a static covariate that is missing or was never seen.
        said: how far off known series are, each forecast as if it were new.
    """

    forecast: pd.DataFrame
    said: str


def forecast_newcomers(
    folder: RunFolder, model: SavedModel, items: Any, horizon: int | None = None, future: Any = None
) -> Newcomers:
    """Forecast new series after the last instant of the history.

    Args:
        items: path or frame with the column (or columns) of series and the static covariates, a row a series.
        future: known covariates of the time to come; not needed where they are the same for all series.

    Raises:
        ConfigError: the run has no static covariates.
        DataError: a column is missing, a series is known already, or a known covariate lacks values.
    """
    steps = model.steps(horizon)
    frame = model.frame
    if not frame.static:
        raise ConfigError(
            place="--new-items",
            rule="the run has no static covariates, from which alone a series without a history can be told from another",
            remedy="Fit again with --static COLUMN.",
        )
    new = _read(folder, model, items)
    about = ColdStart.at(frame, int(frame.store.ends.max()))
    weights = about.weights(new)
    made, level = about.frame_of(new, weights)
    made = _with_known_ahead(folder, model, made, future)
    reach = steps + model.gap
    require_future(made, reach, "Give their rows with --future.")
    whole = model.horizon + model.gap
    forecast, most = _forecaster(model, whole)
    at = made.store.ends[None, :]
    points = forecast(made, int(at[0, 0]))[None, :, :reach]
    if not np.isfinite(points).any():
        raise DataError(
            place="--new-items",
            value=model.name,
            rule="has no forecast of a series that it was not fitted to",
            remedy="Fit again with final=gru or another network.",
        )
    errors = ColdStart.errors(forecast, frame, whole, most)[:, model.gap : reach]
    points = points[:, :, model.gap :]
    order = np.argsort(new.index.to_numpy(object), kind="stable")
    unit = about.unit(level, weights[order])
    quantiles = ColdStart.quantiles(points[0], unit, errors)
    if quantiles is not None and (frame.store.values >= 0).all():
        quantiles = np.maximum(quantiles, 0.0)
    if quantiles is not None:
        # The series that were left out say nothing of one unlike all of them.
        quantiles[~about.statics.likes(new)[order]] = np.nan
    found = forecast_frame(
        made, points, at, model=model.name, quantiles=None if quantiles is None else quantiles[None], gap=model.gap
    )
    return Newcomers(found, _said(errors, about.is_positive, quantiles is not None))


def _forecaster(model: SavedModel, horizon: int) -> tuple[Callable[[SeriesFrame, int], np.ndarray], int]:
    """((frame, calendar position) -> [I, horizon], how many series it is worth leaving out).

    A model of single series is fitted to the histories that were made.
    """
    own = registry.create_model(model.kind or model.name, **model.options)
    if own.family != "statistical":
        return (lambda frame, at: model.fitted.predict_at(frame, np.array([at]))[0]), MOST_LEFT_OUT

    def fresh(frame: SeriesFrame, at: int) -> np.ndarray:
        fitted = own.fit(frame.upto(at), horizon=horizon, context=FitContext())
        return fitted.predict_at(frame, np.array([at]))[0]

    return fresh, MOST_FITTED


def _said(errors: np.ndarray, is_positive: bool, enough: bool) -> str:
    if not enough:
        return "too few series in the run to say how far off this may be"
    miss = float(np.nanmedian(np.abs(errors)))
    size = f"{100 * miss:.0f} % of the level" if is_positive else f"{miss:.1f} standard deviations"
    return (
        f"series of the run, each forecast as if it were new, are off by {size} that they were taken to have (median)"
    )


def _read(folder: RunFolder, model: SavedModel, source: Any) -> pd.DataFrame:
    """Index: names of the new series; columns: static covariates."""
    frame, profile = model.frame, folder.json("profile.json")
    where = Path(source).name if isinstance(source, (str, Path)) else "the frame of new items"
    columns = item_columns(str(profile.get("item", "")), str(profile.get("layout", "")))
    if not columns or profile.get("layout") == "columns":
        raise ConfigError(
            place="--new-items", rule="the run has no column that names its series, or several targets",
            remedy="Fit to one target with --item COLUMN.",
        )  # fmt: skip
    table = open_table(source, replace(reading_of(folder, model), min_rows=1))
    for name in (*columns, *frame.static):
        if name not in table.names:
            raise DataError(place=where, value=f"column {name!r}", rule="missing", remedy=near(name, table.names))
    loaded = table.load(dict.fromkeys([*columns, *frame.static], "text"))
    n = len(loaded[columns[0]])
    none = Instants(np.zeros(n, np.int64), np.zeros(n, bool))
    named = items_of(table, Roles("long", (), "", columns, True, ()), loaded, none, n)
    statics = {}
    for name in frame.static:
        column = covariate_column(loaded[name], name, table)
        texts = frame.column(name).dtype == object
        if texts:
            column = np.array([None if _empty(v) else _text(v) for v in column], dtype=object)
        elif column.dtype == object:
            raise DataError(
                place=f"{where}, column {name!r}", value="text", rule="the history has numbers there",
                remedy="Write it the same way in both files.",
            )  # fmt: skip
        statics[name] = column
    rows = pd.DataFrame(statics)[named.codes >= 0]
    rows.index = pd.Index([named.items[c] for c in named.codes[named.codes >= 0]], dtype=object)
    known = sorted(set(rows.index) & set(frame.items))
    if known:
        raise DataError(
            place=where, value=f"series {known[0]!r}", rule="has a history in the run", remedy="Leave it out, or name it otherwise."
        )  # fmt: skip
    rows = rows[~(rows.reset_index().duplicated().to_numpy())]
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()][0]
        raise DataError(
            place=where, value=f"series {twice!r}", rule="a static covariate has one value in a series", remedy="Keep one row."
        )  # fmt: skip
    return rows


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _with_known_ahead(folder: RunFolder, model: SavedModel, made: SeriesFrame, future: Any) -> SeriesFrame:
    """The new series with what is known ahead: their own rows of a file, else what is the same for every known series."""
    old = model.frame
    if not made.known:
        return made
    columns = ["item_id", "timestamp", "target", *old.covariates]
    data = pd.concat([old.data[columns], made.data[columns]], ignore_index=True)
    data = data.sort_values("item_id", kind="stable", ignore_index=True)
    both = SeriesFrame(
        data, old.calendar, season_length=old.season_length, target_name=old.target_name, past=old.past, known=old.known,
        static=old.static, future=old.future, country=old.country, name=old.name,
    )  # fmt: skip
    if future is not None:
        both = read_future(folder, replace(model, frame=both), future).frame
    if both.future is None:
        return made
    ahead, last = both.future, old.calendar.instants[-1]
    own = ahead[ahead["item_id"].isin(made.items)]
    others = ahead[~ahead["item_id"].isin(made.items) & (ahead["timestamp"] > last)]
    parts = [own]
    alike = others.groupby("timestamp", sort=True)[list(made.known)]
    if len(others) and (alike.nunique(dropna=False) == 1).all(axis=None):
        shared = alike.first().reset_index()
        parts += [shared.assign(item_id=item) for item in made.items if item not in set(own["item_id"])]
    rows = pd.concat(parts, ignore_index=True)[["item_id", "timestamp", *made.known]]
    rows = rows.sort_values(["item_id", "timestamp"], kind="stable", ignore_index=True)
    return replace(made, calendar=both.calendar, future=rows if len(rows) else None)
