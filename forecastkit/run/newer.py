"""Newer rows for a saved model, read the way the run's own file was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import ReadOptions, read
from forecastkit.run.folder import RunFolder
from forecastkit.run.saved_model import SavedModel

__all__ = ["read_newer"]


def read_newer(folder: RunFolder, model: SavedModel, data: Any) -> SeriesFrame:
    """A short file is enough: columns and frequency come from the run.

    Raises:
        DataError: it lacks the columns of the run's file, or cannot be read.
    """
    settings = dict(folder.facts().get("config", {}).get("data", {}))
    settings.pop("path", None)
    options = ReadOptions(**settings)
    profile = folder.json("profile.json")
    calendar = model.frame.calendar
    options = replace(
        options,
        target=options.target or profile.get("target") or None,
        time=options.time or profile.get("time") or None,
        item=options.item or profile.get("item") or None,
        freq=options.freq or (None if calendar.sessions else calendar.freq),
        season_length=model.season_length,
        min_rows=1,
    )
    return read(data, options).frame
