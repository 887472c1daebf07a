"""Which column of a table of forecasts is what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecastkit.errors import DataError, near
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.reading import Reading
from forecastkit.reading.columns import plain
from forecastkit.reading.table import Table
from forecastkit.reading.values import parse_numbers

__all__ = ["Columns", "reading_notes"]

NAMES = {
    "item_id": ("item id", "unique id", "item", "series", "series id", "id", "ticker", "symbol", "store", "sku"),
    "cutoff": ("cutoff", "cut off", "origin", "forecast origin", "issued", "made at", "as of"),
    "timestamp": ("timestamp", "ds", "date", "datetime", "date time", "time", "target date", "valid time"),
    "step": ("step", "h", "steps ahead", "lead", "lead time", "horizon"),
    "model": ("model", "method", "forecaster", "model name", "model id"),
    "point": (
        "point", "forecast", "yhat", "y hat", "y pred", "prediction", "predicted", "pred", "mean", "value", "fcst",
    ),
}  # fmt: skip
ANSWERS = ("y", "actual", "actuals", "target", "observed", "y true")
QUANTILE = re.compile(r"(?:q|p|quantile|percentile)?[\s_-]*(0?\.\d+|\d{1,2}(?:\.\d+)?)\s*%?", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """Which column is what; None = not there."""

    items: tuple[str, ...]
    cutoff: str | None
    timestamp: str | None
    step: str | None
    model: str | None
    points: tuple[str, ...]
    quantiles: dict[float, str]

    @classmethod
    def of(cls, table: Table, reading: Reading) -> Columns:
        """The roles of a table's columns, by their names; DataError where one is missing."""
        names = {plain(n): n for n in reversed(table.names)}

        def find(role: str, *own: str) -> str | None:
            return next((names[n] for n in (*NAMES[role], *own) if n in names), None)

        own_time = plain(reading.profile.time)
        cutoff, step, model = find("cutoff"), find("step"), find("model")
        timestamp = find("timestamp", own_time) if own_time else find("timestamp")
        own = [plain(part) for part in reading.profile.item.split(",") if part]
        items: tuple[str, ...] = ()
        if own and all(part in names for part in own):
            items = tuple(names[part] for part in own)
        elif (one := find("item_id")) is not None:
            items = (one,)
        quantiles = _quantiles(table.names)
        taken = {cutoff, step, model, timestamp, *items, *quantiles.values()}
        point = find("point")
        points = (point,) if point is not None and point not in taken else _model_columns(table, taken)
        cls._check(table, timestamp, cutoff, step, points, reading.frame, items)
        return cls(items, cutoff, timestamp, step, model, points, quantiles)

    @staticmethod
    def _check(
        table: Table,
        timestamp: str | None,
        cutoff: str | None,
        step: str | None,
        points: tuple[str, ...],
        frame: SeriesFrame,
        items: tuple[str, ...],
    ) -> None:
        if sum(x is not None for x in (timestamp, cutoff, step)) < 2:
            have = {"timestamp": timestamp, "cutoff": cutoff, "step": step}
            missing = [role for role, name in have.items() if name is None]
            raise DataError(
                place=table.name,
                rule=f"two of timestamp, cutoff and step are needed; there is no {' and no '.join(missing)}",
                remedy=_near(missing[0], table.names, cutoff, timestamp, step),
            )
        if not points:
            raise DataError(place=table.name, rule="no column of point forecasts", remedy=_near("point", table.names))
        if not items and len(frame.items) > 1:
            raise DataError(
                place=table.name,
                rule=f"the data have {len(frame.items)} series, and no column says which one a forecast is for",
                remedy=_near("item_id", table.names),
            )


def _near(role: str, names: Sequence[str], *taken: str | None) -> str:
    said = near(role, [n for n in names if n not in taken])
    return f"Add a column {role}. {said}" if said.startswith("Did") else f"Add a column {role}."


def _quantiles(names: Sequence[str]) -> dict[float, str]:
    """Level -> column: ``0.1``, ``q0.1``, ``q10``, ``p90``, ``90 %``; a bare whole number is no level."""
    out = {}
    for name in names:
        found = QUANTILE.fullmatch(name.strip())
        if not found or name.strip().isdigit():
            continue
        level = float(found[1])
        level = level / 100 if level >= 1 else level
        if 0 < level < 1:
            out[round(level, 6)] = name
    return dict(sorted(out.items()))


def _model_columns(table: Table, taken: set[str | None]) -> tuple[str, ...]:
    """Numeric columns with no other role: a model each. Bounds such as ``ARIMA-lo-80`` are none."""
    out = []
    for name, cells in table.head().items():
        if (
            name in taken
            or plain(name) in ANSWERS
            or re.search(r"[-_ ](lo|hi)[-_ ]?\d", name)
            or name.startswith("Unnamed")
        ):
            continue
        try:
            values = parse_numbers(cells, name, table.where, decimal=table.decimal or ".", sure=table.sure).values
        except DataError:
            continue
        if np.isfinite(values).any():
            out.append(name)
    return tuple(out)


def reading_notes(columns: Columns) -> list[str]:
    """What was taken for what, where the name alone does not say it."""
    if len(columns.points) == 1 and plain(columns.points[0]) not in NAMES["point"]:
        return [f"Column {columns.points[0]!r} is taken for the forecasts."]
    return []
