"""Newer rows for a saved model, read the way the run's own file was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from forecastkit.errors import ConfigError
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import Profile, ReadOptions, read, with_future
from forecastkit.reading.profile import item_columns
from forecastkit.run.folder import RunFolder
from forecastkit.run.saved_model import SavedModel

__all__ = ["read_future", "read_newer", "reading_of"]


def read_newer(folder: RunFolder, model: SavedModel, data: Any, options: ReadOptions | None = None) -> SeriesFrame:
    """A short file is enough: columns and frequency come from the run.

    Args:
        options: of ``reading_of``, where they are at hand.

    Raises:
        DataError: it lacks the columns of the run's file, or cannot be read.
    """
    return read(data, options or reading_of(folder, model)).frame


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


def reading_of(folder: RunFolder, model: SavedModel) -> ReadOptions:
    """How the run's own file was read, every choice that was found written out."""
    settings = dict(folder.facts().get("config", {}).get("data", {}))
    for key in ("path", "future"):
        settings.pop(key, None)
    for key in ("known", "past", "static"):
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
