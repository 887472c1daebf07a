"""Newer rows for a saved model, read the way the run's own file was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from forecastkit.errors import ConfigError
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import Profile, ReadOptions, read, with_future
from forecastkit.reading.profile import item_columns
from forecastkit.report.numbers import moment
from forecastkit.run.folder import RunFolder
from forecastkit.run.saved_model import SavedModel

__all__ = ["nothing_newer", "read_future", "read_newer", "reading_of"]


def read_newer(
    folder: RunFolder, model: SavedModel, data: Any, join: str | None = None, *, options: ReadOptions | None = None
) -> SeriesFrame:
    """A short file is enough: columns and frequency come from the run.

    Args:
        join: where the scores of the run are now; None = where they were.
        options: of ``reading_of``, where they are at hand.

    Raises:
        DataError: it lacks the columns of the run's file, or cannot be read.
        ConfigError: scores for a run that has none.
    """
    options = options or reading_of(folder, model)
    if join is not None:
        if not options.join:
            raise ConfigError(
                place="--join", rule="this run has no joined scores", remedy="Fit again with --join scores.csv."
            )
        options = replace(options, join=join)
    return read(data, options).frame


def read_future(folder: RunFolder, model: SavedModel, future: Any, options: ReadOptions | None = None) -> SavedModel:
    """The model with known covariates of the time to come.

    Args:
        options: as for ``read_newer``.

    Raises:
        DataError: it lacks the columns of the run's file, or its times do not follow the history.
    """
    if not model.frame.known:
        raise ConfigError(
            place="--future", rule="this run has no known covariates", remedy="Fit again with --known COLUMN."
        )
    profile = Profile(**{**folder.json("profile.json"), "notes": ()})
    frame = with_future(model.frame, future, options or reading_of(folder, model), profile)
    return replace(model, frame=frame)


def nothing_newer(old: SeriesFrame, newer: SeriesFrame) -> str:
    """A sentence where no series has a value after its history; else empty."""
    then, now = (
        frame.data[frame.data["target"].notna()].groupby("item_id", observed=True)["timestamp"].max().to_dict()
        for frame in (old, newer)
    )
    if any(item not in then or when > then[item] for item, when in now.items()):
        return ""
    ends = f"its rows end {moment(max(now.values()))}" if now else "it has no values"
    return f"Nothing in the data is newer: the history of the run ends {moment(max(then.values()))}, and {ends}."


def reading_of(folder: RunFolder, model: SavedModel) -> ReadOptions:
    """How the run's own file was read, every choice that was found written out."""
    settings = dict(folder.facts().get("config", {}).get("data", {}))
    # What is newer lies after the range that was fitted.
    for key in ("path", "future", "start", "end"):
        settings.pop(key, None)
    for key in ("known", "past", "static", "join_columns"):
        settings[key] = tuple(settings.get(key, ()))
    options = ReadOptions(**settings)
    profile = folder.json("profile.json")
    calendar = model.frame.calendar
    return replace(
        options,
        target=options.target or profile.get("target") or None,
        time=options.time or profile.get("time") or None,
        item=options.item
        or ",".join(item_columns(str(profile.get("item", "")), str(profile.get("layout", ""))))
        or None,
        freq=options.freq or (None if calendar.sessions else calendar.freq),
        season_length=model.season_length,
        min_rows=1,
    )
