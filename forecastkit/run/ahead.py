"""Known covariates of the time to come: whether they are there, and the rows to fill in where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError
from forecastkit.forecasting.audit_covariates import check_covariates
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.time_features import with_closed_days
from forecastkit.read_options import options_of
from forecastkit.reading import read
from forecastkit.reading.profile import item_columns

__all__ = ["FILL_IN", "leak_notes", "rows_to_fill"]

FILL_IN = (
    "Add the rows without a target, or give them with --future FILE; fk.future_frame(DATA, known=...) makes the rows to "
    "fill in. A backtest needs none."
)
"""What to do where known covariates end with the target."""


def leak_notes(frame: SeriesFrame, horizon: int) -> tuple[str, ...]:
    """What the audit of covariates finds suspicious, each in a sentence."""
    if not frame.covariates:
        return ()
    return tuple(f"Leak? {row.seen}" for row in check_covariates(frame, horizon) if row.status in ("leak", "suspicion"))


def rows_to_fill(source: Any, horizon: int | None, reading: Mapping[str, Any]) -> pd.DataFrame:
    """See ``forecastkit.future_frame``."""
    if horizon is not None and horizon < 1:
        raise ConfigError(
            place="future_frame, horizon", value=str(horizon), rule="a whole number of at least 1 is needed"
        )
    from forecastkit.run.preparing import default_horizon

    if isinstance(source, (str, Path)) and (Path(source) / "run.yaml").exists():
        from forecastkit.run.folder import RunFolder
        from forecastkit.run.saved_model import SavedModel

        folder = RunFolder.open(source)
        model = SavedModel.of_run(folder)
        frame, profile, steps = model.frame, folder.json("profile.json"), horizon or model.horizon + model.gap
    else:
        found = read(source, options_of(reading, "future_frame"))
        frame, profile = with_closed_days(found.frame), found.profile.to_dict()
        steps = horizon or default_horizon(frame.calendar.freq)
    if not frame.known:
        raise ConfigError(
            place="future_frame",
            rule="no covariate is known ahead",
            remedy="Name some, as known='temperature,holiday'.",
        )
    return _rows(frame, profile, steps)


def _rows(frame: SeriesFrame, profile: Mapping[str, Any], steps: int) -> pd.DataFrame:
    parts = []
    item_column = ",".join(item_columns(str(profile.get("item", "")), str(profile.get("layout", "long"))))
    time_column = str(profile.get("time") or "")
    if "," in time_column or not time_column:
        time_column = "timestamp"
    for item, end in zip(frame.items, frame.store.ends):
        due = frame.calendar.future(steps, after=int(end))
        part = pd.DataFrame({time_column: due})
        own = None
        if frame.future is not None:
            own = frame.future[frame.future["item_id"] == item].set_index("timestamp")
        for name in frame.known:
            part[name] = np.nan if own is None else own[name].reindex(due).to_numpy()
        if item_column and "," not in item_column:
            part.insert(0, item_column, item)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
