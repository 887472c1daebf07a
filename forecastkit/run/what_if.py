"""What a run's forecast would be if a known covariate were otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import registry
from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.run.folder import RunFolder
from forecastkit.run.newer import read_future, read_newer
from forecastkit.run.saved_model import SavedModel

__all__ = ["changes_in", "what_if"]

KEYS = ["item_id", "target_name", "cutoff", "timestamp", "step", "model"]
SIGNS = ("+", "-", "*")


def changes_in(words: list[str]) -> dict[str, str]:
    """``temperature=35`` as a mapping; ``temperature+=5`` keeps its sign with the name.

    Raises:
        ConfigError: not NAME=VALUE, or a name twice.

    >>> changes_in(["temperature=-5", "price*=1.1", "holiday=yes"])
    {'temperature': '-5', 'price*': '1.1', 'holiday': 'yes'}
    """
    out: dict[str, str] = {}
    for word in words:
        name, equals, value = (part.strip() for part in word.partition("="))
        if not equals or not name or not value:
            raise ConfigError(place="--set", value=repr(word), rule="NAME=VALUE is needed, such as temperature=35")
        if name in out:
            raise ConfigError(place="--set", value=name, rule="given twice")
        out[name] = value
    return out


def what_if(
    run: str | Path, changes: Mapping[str, Any], *, data: Any = None, future: Any = None, item: str | None = None
) -> pd.DataFrame:
    """The forecast as it is, and as it would be.

    Args:
        changes: known covariate -> its value over the whole horizon, a number or a word; a name that ends in ``+``, ``-`` or
            ``*`` changes what is expected of it by so much, as in ``{"temperature+": 5}``.
        data, future: newer rows and later covariates, as for ``predict``.
        item: one series only.

    Returns:
        Columns of a forecast frame up to ``model``, then ``point``, ``what_if`` and ``difference``.

    Raises:
        ForecastkitError: no such covariate, a value that never occurred, or a model that reads none.
    """
    folder = RunFolder.open(run)
    model = SavedModel.of_run(folder)
    if data is not None:
        model = model.with_newer(read_newer(folder, model, data))
    if future is not None:
        model = read_future(folder, model, future)
    _check(model, changes)
    if item is not None:
        if item not in model.frame.items:
            raise DataError(
                place="--item", value=repr(item), rule="no such series", remedy=near(item, model.frame.items)
            )
        model = replace(model, frame=model.frame.select((item,)))
    before = model.forecast()
    after = replace(model, frame=_changed(model.frame, changes)).forecast()
    out = before[[*KEYS, "point"]].copy()
    out["what_if"] = after["point"].to_numpy()
    out["difference"] = out["what_if"] - out["point"]
    return out


def _named(frame: SeriesFrame, key: str) -> tuple[str, str]:
    """(column, sign) of a key; a column whose own name ends in a sign is that column."""
    if key in frame.covariates or not key.endswith(SIGNS):
        return key, ""
    return key[:-1].strip(), key[-1]


def _check(model: SavedModel, changes: Mapping[str, Any]) -> None:
    if not changes:
        raise ConfigError(place="--set", rule="nothing to change", remedy="Give for instance --set temperature=35.")
    frame = model.frame
    for key in changes:
        name, _ = _named(frame, key)
        if name in frame.known:
            continue
        if name in frame.covariates:
            rule = "only covariates that are known ahead can be set for the time to come"
            raise ConfigError(place="--set", value=repr(name), rule=rule)
        remedy = near(name, frame.known) if frame.known else "Fit again with --known COLUMN."
        raise ConfigError(place="--set", value=repr(name), rule="no such known covariate in this run", remedy=remedy)
    if not _reads_known(model):
        raise ConfigError(
            place=f"model {model.name}",
            rule="it reads no covariates, so that no value of theirs would change its forecast",
            remedy="Fit again with a model that does, such as final=lstm.",
        )


def _reads_known(model: SavedModel) -> bool:
    """Whether the saved model, or a member of the ensemble, reads what is known ahead."""
    parts = model.options.get("members") or [{"name": model.kind or model.name, "kind": "", "options": model.options}]
    return any(registry.create_model(p["kind"] or p["name"], **p["options"]).capabilities.known for p in parts)


def _changed(frame: SeriesFrame, changes: Mapping[str, Any]) -> SeriesFrame:
    """The frame with other values after each series' last row; history stays as it was."""
    if frame.future is None or not len(frame.future):
        raise DataError(
            place="known covariates", rule="nothing is known of the time to come", remedy="Give it with --future FILE."
        )
    future = frame.future.copy()
    for key, value in changes.items():
        name, sign = _named(frame, key)
        future[name] = _values(frame, future[name], name, sign, value)
    return replace(frame, future=future)


def _values(frame: SeriesFrame, now: pd.Series, name: str, sign: str, value: Any) -> np.ndarray:
    history = frame.column(name)
    if history.dtype == object:
        seen = sorted({str(v) for v in history if v is not None and v == v})
        if sign or str(value) not in seen:
            raise ConfigError(
                place=f"--set {name}{sign}",
                value=repr(str(value)),
                rule="a word that never occurred" if not sign else "words cannot be changed by a number",
                remedy=near(str(value), seen),
            )
        return np.full(len(now), str(value), dtype=object)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(place=f"--set {name}{sign}", value=repr(str(value)), rule="a number is needed")
    expected = now.to_numpy(np.float64)
    if sign:
        return {"+": expected + number, "-": expected - number, "*": expected * number}[sign]
    return np.full(len(now), number)
