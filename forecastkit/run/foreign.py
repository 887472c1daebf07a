"""Forecasts made elsewhere, scored and tested beside the naive rules at the same cutoffs.

A table of forecasts has a row a forecast: ``item_id, cutoff, timestamp, step, model, point`` and quantiles named by their
level; or a column a model in place of ``model`` and ``point``. The answers come from the data, never from that table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from forecastkit import artifacts, registry
from forecastkit.errors import DataError, near
from forecastkit.forecasting import significance
from forecastkit.forecasting.backtest import forecast_frame
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.cost import Cost, chance, money, share
from forecastkit.forecasting.intervals import ConformalIntervals, recent_scale
from forecastkit.forecasting.schema import QUANTILES, SeriesFrame, quantile_name
from forecastkit.forecasting.scores import (
    Losses,
    QuantileLosses,
    answers,
    comparable,
    leaderboard,
    measure,
    nan_mean,
    scales,
    score_frame,
)
from forecastkit.forecasting.selection import NAIVES, Choice, Verdict, naive_reference, verdict
from forecastkit.forecasting.significance import ALPHA, BETTER, INDISTINGUISHABLE, TOO_FEW, WORSE
from forecastkit.forecasting.splits import EvalPlan, ReportFold, SelectFold
from forecastkit.reading import Reading, ReadOptions, read
from forecastkit.reading.clocks import parse_times
from forecastkit.reading.columns import plain
from forecastkit.reading.table import Table, open_table, text_of
from forecastkit.reading.times import Instants
from forecastkit.reading.values import parse_numbers

__all__ = ["ForeignEvaluation", "ForeignForecasts", "evaluate_forecasts", "read_forecasts"]

NAMES = {
    "item_id": ("item id", "unique id", "item", "series", "series id", "id", "ticker", "symbol", "store", "sku"),
    "cutoff": ("cutoff", "cut off", "origin", "forecast origin", "issued", "made at", "as of"),
    "timestamp": ("timestamp", "ds", "date", "datetime", "date time", "time", "target date", "valid time"),
    "step": ("step", "h", "steps ahead", "lead", "lead time", "horizon"),
    "model": ("model", "method", "forecaster", "model name", "model id"),
    "point": (
        "point",
        "forecast",
        "yhat",
        "y hat",
        "y pred",
        "prediction",
        "predicted",
        "pred",
        "mean",
        "value",
        "fcst",
    ),
}
ANSWERS = ("y", "actual", "actuals", "target", "observed", "y true")
EARLIER = 30
"""Cutoffs before the first forecast, on which the naive rule is chosen and its intervals learned."""

QUANTILE = re.compile(r"(?:q|p|quantile|percentile)?[\s_-]*(0?\.\d+|\d{1,2}(?:\.\d+)?)\s*%?", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class ForeignForecasts:
    """Forecasts of all models, placed in the calendar of the data.

    Args:
        frame: the data, of those series that are forecast.
        cutoffs: [F] calendar positions, ascending.
        points: model -> [F, I, H]; NaN where it has none.
        quantiles: model -> level -> [F, I, H].
        gap: instants between cutoff and step 1.
        notes: what was not scored, and why.
    """

    frame: SeriesFrame
    cutoffs: np.ndarray
    points: dict[str, np.ndarray]
    quantiles: dict[str, dict[float, np.ndarray]]
    gap: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ForeignEvaluation:
    """What the data say about forecasts made elsewhere.

    Args:
        leaderboard: a row a model, naive rules included; the columns of every leaderboard.
        notes: what was not scored, and why.
        money: see ``cost.money``; None = not asked for.
    """

    leaderboard: pd.DataFrame
    verdict: Verdict
    notes: tuple[str, ...]
    money: dict[str, Any] | None
    trial: _Trial

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The score frame: role, model, seed, item_id, cutoff, step, metric, value."""
        return self.trial.score_frame()

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """The forecast frame of all models with role, seed and actual."""
        return self.trial.forecast_frame()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values: the verdict, with notes, leaderboard and money."""
        rows = self.leaderboard.astype(object).where(self.leaderboard.notna(), None).to_dict("records")
        return {**self.verdict.to_dict(), "notes": list(self.notes), "leaderboard": rows, "money": self.money}

    def save(self, folder: str | Path) -> None:
        """Write ``leaderboard.csv``, ``scores.csv``, ``verdict.json`` and, where asked for, ``cost.json``.

        Raises:
            DataError: the folder cannot be made.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                place=str(path), value=error.strerror or "", rule="cannot be made", remedy="Give another --out."
            ) from None
        artifacts.write_csv(path / "leaderboard.csv", self.leaderboard)
        artifacts.write_csv(path / "scores.csv", self.scores)
        artifacts.write_json(path / "verdict.json", {**self.verdict.to_dict(), "notes": list(self.notes)})
        if self.money is not None:
            artifacts.write_json(path / "cost.json", self.money)


def evaluate_forecasts(
    forecasts: Any,
    data: Any,
    options: ReadOptions | None = None,
    *,
    cost: Cost | str | Mapping[str, Any] | None = None,
    fee: float | None = None,
    n_boot: int = 2000,
) -> ForeignEvaluation:
    """Score and test forecasts made elsewhere, beside the naive rules.

    The naive rule of the test is the best of four on cutoffs before the first forecast; where there is no room for
    any, the best on the forecasts' own cutoffs, which favours the rule.

    Args:
        forecasts: path or frame, see ``read_forecasts``.
        data: path, ``"dataset:NAME"`` or frame with the series.
        options: how to read ``data``.
        cost: such as ``"over=1,under=4"``.
        fee: basis points a trade, for prices.
        n_boot: resamples behind intervals.

    Raises:
        DataError: a table that cannot be read or does not fit to the data; names the line.
        ConfigError: a wrong option.
    """
    options = options or ReadOptions()
    parsed = None if cost is None else Cost.parse(cost)
    reading = read(data, options)
    foreign = read_forecasts(forecasts, reading, options)
    trial = _Trial.of(foreign)
    board = leaderboard(
        trial.losses,
        reference=trial.reference,
        families={**dict.fromkeys(NAIVES, "baseline"), **dict.fromkeys(foreign.points, "external")},
        n_boot=n_boot,
    )
    outcome = _verdict(trial, board, list(foreign.points))
    found = ForeignEvaluation(board, outcome, (*foreign.notes, *trial.notes), None, trial)
    if parsed is None and fee is None:
        return found
    best = outcome.tested or next(iter(foreign.points))
    several = len(foreign.points) > 1
    worth = money(found.forecasts, parsed, fee, foreign.frame, use=best, reference=trial.reference, chosen_here=several)
    return replace(found, money=worth)


def read_forecasts(source: Any, reading: Reading, options: ReadOptions | None = None) -> ForeignForecasts:
    """A table of forecasts, placed in the calendar of the data.

    Columns (spelled freely: ``ds``, ``unique_id``, ``yhat``...): ``timestamp`` with ``cutoff`` (the last instant that
    the forecaster knew) or ``step`` (from 1), or ``cutoff`` with ``step``; ``point``; where the data have several
    series ``item_id``; optionally ``model`` and quantiles (``0.1``, ``q10``, ``p90``). Without ``point``, every other
    numeric column is a model.

    Args:
        source: path or frame.
        reading: the data.
        options: ``date_format`` and ``tz`` of the times.

    Raises:
        DataError: a column is missing, a row does not fit to the data (its line is named), a forecast is given twice,
            or nothing can be scored.
    """
    options = options or ReadOptions()
    table = open_table(source, ReadOptions(date_format=options.date_format))
    columns = _Columns.of(table, reading)
    rows = _Rows.of(table, columns, reading, options)
    return _placed(rows, columns, reading.frame, _stem(source))


def _stem(source: Any) -> str:
    return Path(source).stem.split(".")[0] or "given" if isinstance(source, (str, Path)) else "given"


@dataclass(frozen=True)
class _Columns:
    """Which column is what; None = not there."""

    items: tuple[str, ...]
    cutoff: str | None
    timestamp: str | None
    step: str | None
    model: str | None
    points: tuple[str, ...]
    quantiles: dict[float, str]

    @classmethod
    def of(cls, table: Table, reading: Reading) -> _Columns:
        names = {plain(n): n for n in reversed(table.names)}
        facts = reading.profile.to_dict()

        def find(role: str, *own: str) -> str | None:
            return next((names[n] for n in (*NAMES[role], *own) if n in names), None)

        own_time = plain(str(facts.get("time") or ""))
        cutoff, step, model = find("cutoff"), find("step"), find("model")
        timestamp = find("timestamp", own_time) if own_time else find("timestamp")
        own = [plain(part) for part in str(facts.get("item") or "").split(",") if part]
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


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of the table, one a forecast.

    Args:
        item: [N] position among the items of the data.
        cutoff, when: [N] calendar positions; ``when`` -1 = not an instant of the data, -2 = after their end.
        key: [N] what tells two times apart, also of those that the data do not have.
        step: [N] as given, or 0.
        row: [N] row of the table.
    """

    table: Table
    item: np.ndarray
    cutoff: np.ndarray
    when: np.ndarray
    key: np.ndarray
    step: np.ndarray
    model: np.ndarray
    points: dict[str, np.ndarray]
    quantiles: dict[float, np.ndarray]

    @classmethod
    def of(cls, table: Table, columns: _Columns, reading: Reading, options: ReadOptions) -> _Rows:
        frame, calendar = reading.frame, reading.frame.calendar
        texts = [*columns.items, *([columns.model] if columns.model else [])]
        times = [c for c in (columns.timestamp, columns.cutoff) if c]
        numbers = [*columns.points, *columns.quantiles.values(), *([columns.step] if columns.step else [])]
        loaded = table.load({**dict.fromkeys([*texts, *times], "text"), **dict.fromkeys(numbers, "number")})
        n = len(loaded[columns.points[0]])

        def number(name: str) -> np.ndarray:
            return _number(loaded[name], name, table)

        step = (
            np.zeros(n, np.int64) if columns.step is None else _whole_steps(number(columns.step), columns.step, table)
        )
        item = _items(loaded, columns, frame, table, n)
        cutoff = when = key = None
        if columns.cutoff:
            at = _instants(loaded[columns.cutoff], columns.cutoff, table, frame, options)
            cutoff = np.asarray(calendar.instants.searchsorted(at, side="right"), np.int64) - 1
            _refuse(cutoff < 0, table, at, columns.cutoff, "before the first row of the data", "Correct the cutoff.")
        if columns.timestamp:
            at = _instants(loaded[columns.timestamp], columns.timestamp, table, frame, options)
            when = calendar.instants.get_indexer(at).astype(np.int64)
            when = np.where((when < 0) & np.asarray(at > calendar.instants[-1]), -2, when)
            key = at.asi8 if isinstance(at, pd.DatetimeIndex) else at.to_numpy(np.int64)
        if when is None:
            assert cutoff is not None
            when = cutoff + step
            key = when
            when = np.where(when >= len(calendar), -2, when)
        if cutoff is None:
            cutoff = np.where(when >= 0, when - step, 0)
            _refuse(cutoff < 0, table, step, columns.step or "", "its cutoff lies before the data", "Correct the step.")
        model = _texts(loaded[columns.model]) if columns.model else np.full(n, "", dtype=object)
        points = {name: number(name) for name in columns.points}
        quantiles = {q: number(name) for q, name in columns.quantiles.items()}
        assert key is not None
        return cls(table, item, cutoff, when, key, step, model, points, quantiles)


def _refuse(bad: np.ndarray, table: Table, shown: Any, column: str, rule: str, remedy: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(place=f"{table.where(row)}, column {column!r}", value=str(shown[row]), rule=rule, remedy=remedy)


def _number(column: Any, name: str, table: Table) -> np.ndarray:
    try:
        return parse_numbers(column, name, table.where, decimal=table.decimal or ".", sure=table.sure).values
    except DataError as error:
        # The reader's remedy speaks of options that a table of forecasts does not have.
        raise DataError(
            place=error.place, value=error.value, rule=error.rule, remedy="Correct the cell or leave it empty."
        ) from None


def _moments(column: Any, name: str, table: Table, date_format: str | None, tz: str | None) -> Instants:
    try:
        times = parse_times(column, name, table.where, date_format=date_format, tz=tz)
        # Numbers whose meaning the column's name did not tell.
        return parse_times(column, "date", table.where, date_format=date_format, tz=tz) if times.steps else times
    except DataError as error:
        raise DataError(
            place=error.place,
            value=error.value,
            rule=error.rule,
            remedy="Write times as in the data, or as 2024-01-31.",
        ) from None


def _texts(column: Any) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    return np.array([t or "" for t in text_of(column).to_pylist()], dtype=object)


def _whole_steps(values: np.ndarray, name: str, table: Table) -> np.ndarray:
    bad = ~(values >= 1) | (values != np.floor(values)) | (values > 10**6)
    _refuse(
        bad, table, values, name, "a whole number from 1 is needed", "Step 1 is the first instant after the cutoff."
    )
    return values.astype(np.int64)


def _items(loaded: Mapping[str, Any], columns: _Columns, frame: SeriesFrame, table: Table, n: int) -> np.ndarray:
    if not columns.items:
        return np.zeros(n, np.int64)
    parts = [_texts(loaded[name]) for name in columns.items]
    names = parts[0] if len(parts) == 1 else np.array(["/".join(p) for p in zip(*parts)], dtype=object)
    codes, unique = pd.factorize(names)
    if len(frame.items) == 1 and len(unique) == 1:
        return np.zeros(n, np.int64)
    at = {name: k for k, name in enumerate(frame.items)}
    found = np.array([at.get(str(u), -1) for u in unique], np.int64)[codes]
    if (found < 0).any():
        row = int(np.flatnonzero(found < 0)[0])
        raise DataError(
            place=f"{table.where(row)}, column {', '.join(columns.items)}",
            value=repr(str(names[row])[:60]),
            rule="the data have no such series",
            remedy=near(str(names[row]), frame.items),
        )
    return found


def _instants(column: Any, name: str, table: Table, frame: SeriesFrame, options: ReadOptions) -> pd.Index:
    """A column of times as instants of the data's kind.

    Raises:
        DataError: empty cells, or times of another kind.
    """
    calendar = frame.calendar
    if calendar.is_integer:
        values = _number(column, name, table)
        bad = ~np.isfinite(values) | (values != np.floor(values))
        _refuse(bad, table, values, name, "the data count steps: a whole number is needed", "Correct the line.")
        return pd.Index(values.astype(np.int64))
    zone = getattr(calendar.instants, "tz", None)
    times = _moments(column, name, table, options.date_format, None if zone is None else str(zone))
    if times.steps or (zone is None) != (not times.tz):
        kinds = "counted steps" if times.steps else "times with a zone" if times.tz else "times without a zone"
        raise DataError(
            place=f"{table.name}, column {name!r}",
            value=kinds,
            rule=f"the data have {'times without a zone' if zone is None else f'times in {zone}'}",
            remedy="Write both in the same way.",
        )
    _refuse(~times.valid, table, np.full(len(times.valid), ""), name, "no time", "Fill in or remove the line.")
    index = pd.DatetimeIndex(times.values.astype("datetime64[us]"))
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    return _by_period(index.as_unit(pd.DatetimeIndex(calendar.instants).unit), calendar)


def _by_period(index: pd.DatetimeIndex, calendar: Calendar) -> pd.DatetimeIndex:
    """Months, quarters and years may be written by another of their days: the last for the first."""
    unit = re.sub(r"^\d+|-.*$", "", calendar.freq).removeprefix("B")[:1]
    instants = pd.DatetimeIndex(calendar.instants)
    if unit not in ("M", "Q", "Y") or "min" in calendar.freq or len(index.intersection(instants)):
        return index
    naive = instants.tz_localize(None)
    known = {period: k for k, period in enumerate(naive.to_period(unit))}
    if len(known) < len(instants):
        return index
    at = np.array([known.get(period, -1) for period in index.tz_localize(None).to_period(unit)], np.int64)
    return index.where(at < 0, instants.take(np.maximum(at, 0)))


def _placed(rows: _Rows, columns: _Columns, frame: SeriesFrame, stem: str) -> ForeignForecasts:
    keys = pd.DataFrame({"model": rows.model, "item": rows.item, "cutoff": rows.cutoff, "key": rows.key})
    if columns.cutoff is None:
        keys["cutoff"] = rows.step
    twice = keys.duplicated().to_numpy()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        first = int(np.flatnonzero((keys == keys.iloc[row]).all(axis=1))[0])
        raise DataError(
            place=rows.table.where(row),
            rule=f"a second forecast of the same series, cutoff and time; the first is in {rows.table.where(first)}",
            remedy="Remove one, or tell them apart by a column model.",
        )
    inside = rows.when >= 0
    lead = rows.when - rows.cutoff
    _refuse(
        inside & (lead <= 0), rows.table, lead, columns.cutoff or "cutoff",
        "the forecast is for a time at or before its cutoff", "The cutoff is the last instant that was known.",
    )  # fmt: skip
    notes = [*_reading_notes(columns), *_left_out(rows, inside)]
    if not inside.any():
        raise DataError(
            place=rows.table.name,
            rule=f"no forecast is for a time of the data, {frame.calendar.instants[0]} to {frame.calendar.instants[-1]}",
            remedy="Give data that reach over the forecast times.",
        )
    step, gap = _steps(rows, lead, inside, columns)
    cutoffs, fold = np.unique(rows.cutoff[inside], return_inverse=True)
    used, item = np.unique(rows.item[inside], return_inverse=True)
    if len(used) < len(frame.items):
        notes.append(f"{len(used)} of {len(frame.items)} series of the data are forecast; the others are left out.")
        frame = frame.select(tuple(frame.items[i] for i in used))
    shape = (len(cutoffs), len(used), int(step[inside].max()))
    names = dict.fromkeys(str(m) for m in rows.model[inside])
    points: dict[str, np.ndarray] = {}
    quantiles: dict[str, dict[float, np.ndarray]] = {}
    n_missing = 0
    for name in names:
        own = (rows.model[inside] == name) if columns.model else np.ones(int(inside.sum()), bool)
        where = (fold[own], item[own], step[inside][own] - 1)
        for column, values in rows.points.items():
            label = _label(name, column if len(rows.points) > 1 else "", stem)
            cube = np.full(shape, np.nan)
            cube[where] = values[inside][own]
            n_missing += int((~np.isfinite(values[inside][own])).sum())
            points[label] = cube
            quantiles[label] = {}
            for q, level in rows.quantiles.items() if len(rows.points) == 1 else ():
                cube = np.full(shape, np.nan)
                cube[where] = level[inside][own]
                if np.isfinite(cube).any():
                    quantiles[label][q] = cube
    if n_missing:
        notes.append(f"{n_missing} forecasts are empty.")
    if rows.quantiles and len(rows.points) > 1:
        notes.append("Quantiles are left out: with a column a model, nobody knows whose they are.")
    return ForeignForecasts(frame, cutoffs, points, quantiles, gap, tuple(notes))


def _label(model: str, column: str, stem: str) -> str:
    name = " ".join(part for part in (model, column) if part) or stem
    return f"{name} (given)" if name in NAIVES else name


def _reading_notes(columns: _Columns) -> list[str]:
    if len(columns.points) == 1 and plain(columns.points[0]) not in NAMES["point"]:
        return [f"Column {columns.points[0]!r} is taken for the forecasts."]
    return []


def _left_out(rows: _Rows, inside: np.ndarray) -> list[str]:
    out = []
    for code, words in ((-2, "after the last row of the data"), (-1, "at times that the data do not have")):
        hit = np.flatnonzero(rows.when == code)
        if len(hit):
            n = len(hit)
            out.append(
                f"{n} forecast{'s' * (n != 1)} {words} {'are' if n != 1 else 'is'} not scored, the first in "
                f"{rows.table.where(int(hit[0]))}."
            )
    return out


def _steps(rows: _Rows, lead: np.ndarray, inside: np.ndarray, columns: _Columns) -> tuple[np.ndarray, int]:
    """Steps [N] from 1, and the gap."""
    if columns.step is None or columns.cutoff is None or columns.timestamp is None:
        if columns.step is not None:
            return rows.step, 0
        gap = int(lead[inside].min()) - 1
        return lead - gap, gap
    extra = lead - rows.step
    values, counts = np.unique(extra[inside], return_counts=True)
    gap = int(values[np.argmax(counts)])
    bad = inside & (extra != gap)
    if gap < 0:
        bad = inside & (extra < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            place=f"{rows.table.where(row)}, column {columns.step!r}",
            value=str(rows.step[row]),
            rule=f"its time lies {lead[row]} instants of the data after its cutoff",
            remedy="Correct the step, the cutoff or the time, or leave out the column of steps.",
        )
    return rows.step, gap


@dataclass(frozen=True, eq=False)
class _Trial:
    """Losses of the foreign models and the naive rules on the same cells, and the naive rule of the test."""

    frame: SeriesFrame
    folds: tuple[ReportFold, ...]
    plan: EvalPlan
    points: dict[str, np.ndarray]
    quantiles: dict[str, dict[float, np.ndarray]]
    losses: dict[str, Losses[ReportFold]]
    reference: str
    n_earlier: int
    notes: tuple[str, ...]

    @classmethod
    def of(cls, foreign: ForeignForecasts) -> _Trial:
        frame = foreign.frame
        horizon = next(iter(foreign.points.values())).shape[2]
        at, gap = foreign.cutoffs, foreign.gap
        folds = tuple(ReportFold(int(p), frame.calendar.instants[p], horizon, k, gap) for k, p in enumerate(at))
        stride = max(1, int(np.diff(at).min())) if len(at) > 1 else horizon
        plan = EvalPlan(
            horizon=horizon, step=stride, gap=gap, n_select=0, n_calibrate=0, n_report=len(at), align="calendar",
            season_length=frame.season_length,
        )  # fmt: skip
        y, known = answers(frame, at, horizon, gap), scales(frame, at)
        anyone = np.logical_or.reduce([np.isfinite(p) for p in foreign.points.values()])
        if not (anyone & np.isfinite(y)).any():
            raise DataError(
                place="--forecasts", rule="the data have no value at any time of a forecast", remedy="Check --target."
            )
        notes = list(known.notes)
        unseen = int((anyone & ~np.isfinite(y)).sum())
        if unseen:
            notes.append(f"{unseen} forecasts are for times at which the data have no value.")
        rules = {name: registry.create_model(name).fit(frame, horizon=horizon + gap) for name in NAIVES}
        chosen, intervals, n_earlier = _before(frame, rules, at, horizon, gap)
        points = dict(foreign.points)
        quantiles = {name: dict(levels) for name, levels in foreign.quantiles.items()}
        size = recent_scale(frame, np.repeat(at[:, None], len(frame.items), axis=1), frame.season_length)
        for name, rule in rules.items():
            points[name] = np.where(anyone, rule.predict_at(frame, at)[:, :, gap:], np.nan)
            bands = intervals.get(name)
            if bands is not None:
                cube = bands.quantiles(points[name], size)
                quantiles[name] = {q: cube[..., k] for k, q in enumerate(QUANTILES)}
        losses = {
            name: _with_quantiles(measure(p, y, known, folds), quantiles.get(name, {})) for name, p in points.items()
        }
        if chosen is None:
            same = comparable({name: losses[name] for name in NAIVES})[0]
            chosen = min(same, key=lambda name: _mean_loss(same[name]))
            notes.append(
                f"There is no history before the first cutoff to choose a naive rule on: {chosen}, the best on these very "
                "forecasts, is the reference."
            )
        return cls(frame, folds, plan, points, quantiles, losses, chosen, n_earlier, tuple(notes))

    def score_frame(self) -> pd.DataFrame:
        """The score frame of all models."""
        y = next(iter(self.losses.values())).answers
        parts = [score_frame("report", n, 1, self.folds, p, y, self.frame) for n, p in self.points.items()]
        return pd.concat(parts, ignore_index=True).astype({"model": str, "role": str, "item_id": str, "metric": str})

    def forecast_frame(self) -> pd.DataFrame:
        """The forecast frame of all models with role, seed and actual."""
        y = next(iter(self.losses.values())).answers
        at = np.repeat(np.array([[f.position] for f in self.folds]), len(self.frame.items), axis=1)
        parts = []
        for name, points in self.points.items():
            part = forecast_frame(self.frame, points, at, model=name, gap=self.plan.gap)
            seen = np.isfinite(points)
            for q, cube in self.quantiles.get(name, {}).items():
                part[quantile_name(q)] = cube[seen]
            part["role"], part["seed"], part["actual"] = "report", 1, y[seen]
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def _mean_loss(x: Losses[Any]) -> float:
    scaled = float(nan_mean(x.by_origin()))
    return scaled if math.isfinite(scaled) else float(nan_mean(x.ae))


def _before(
    frame: SeriesFrame, rules: Mapping[str, Any], at: np.ndarray, horizon: int, gap: int
) -> tuple[str | None, dict[str, ConformalIntervals | None], int]:
    """(the best naive rule, intervals of each) on cutoffs before the first forecast, and their number."""
    ahead = horizon + gap
    least = int(frame.store.starts.min()) + max(2 * frame.season_length, 3)
    early = np.array([p for k in range(EARLIER, 0, -1) if (p := int(at[0]) - k * ahead) >= least], dtype=np.int64)
    if not len(early):
        return None, {}, 0
    folds = [SelectFold(int(p), frame.calendar.instants[p], horizon, k, gap) for k, p in enumerate(early)]
    y, known = answers(frame, early, horizon, gap), scales(frame, early)
    size = recent_scale(frame, np.repeat(early[:, None], len(frame.items), axis=1), frame.season_length)
    points = {name: rule.predict_at(frame, early)[:, :, gap:] for name, rule in rules.items()}
    losses = {name: measure(p, y, known, folds) for name, p in points.items()}
    if not any(x.cells.any() for x in losses.values()):
        return None, {}, 0
    bands = {name: ConformalIntervals.fit(p, y, size, source="select") for name, p in points.items()}
    return naive_reference(losses, season_length=frame.season_length), bands, len(early)


def _with_quantiles(losses: Losses[ReportFold], levels: Mapping[float, np.ndarray]) -> Losses[ReportFold]:
    """Losses of the given quantiles; what needs a level that is missing stays undefined."""
    if not levels:
        return losses
    y = losses.answers
    seen = losses.cells
    nothing = np.full(y.shape, np.nan)

    def band(low: float, high: float) -> tuple[np.ndarray, np.ndarray] | None:
        return (levels[low], levels[high]) if low in levels and high in levels else None

    parts = {"pinball": nothing, "winkler_95": nothing}
    for level, bounds in ((80, band(0.1, 0.9)), (95, band(0.025, 0.975))):
        parts[f"inside_{level}"] = parts[f"width_{level}"] = nothing
        if bounds is None:
            continue
        lo, hi = bounds
        ok = seen & np.isfinite(lo) & np.isfinite(hi)
        parts[f"inside_{level}"] = np.where(ok, (y >= lo) & (y <= hi), np.nan)
        parts[f"width_{level}"] = np.where(ok, hi - lo, np.nan)
        if level == 95:
            outside = np.maximum(lo - y, 0.0) + np.maximum(y - hi, 0.0)
            parts["winkler_95"] = np.where(ok, hi - lo + 40.0 * outside, np.nan)
    if all(q in levels for q in QUANTILES):
        loss = [2.0 * np.maximum(q * (y - levels[q]), (q - 1.0) * (y - levels[q])) for q in QUANTILES]
        parts["pinball"] = np.where(seen, np.mean(loss, axis=0), np.nan)
    return replace(losses, quantile=QuantileLosses(**parts))


def _verdict(trial: _Trial, board: pd.DataFrame, given: list[str]) -> Verdict:
    """The evidence on the best of the given models; with several, Holm's correction decides."""
    reference = trial.reference
    own = board[board["model"].isin(given)]
    ranked = own[own["status"] == "ok"]
    best = str((ranked if len(ranked) else own)["model"].iloc[0])
    pair = {name: trial.losses[name] for name in (best, reference)}
    empty = pd.DataFrame({"model": [best]})

    def said(model: str) -> Verdict:
        return verdict(Choice(model, "", empty, by_test=False), reference, pair, frame=trial.frame, plan=trial.plan)

    v = said(best)
    adjusted = significance.holm(own["p_value"].to_numpy(np.float64))[list(own["model"]).index(best)]
    word, use = v.word, best
    sentence = {lang: list(lines) for lang, lines in v.sentence.items()}
    few = significance.fewest_origins(trial.plan.overlap)
    for lang in ("en", "es"):
        en = lang == "en"
        wait = (
            f"Use {reference} until {best} shows more." if en else f"Usa {reference} mientras {best} no demuestre más."
        )
        if v.word == TOO_FEW:
            need = f"; at least {few} cutoffs are needed." if en else f"; hacen falta al menos {few} cortes."
            sentence[lang] = [wait, sentence[lang][1].split(";")[0].rstrip(".") + need]
        elif v.word == INDISTINGUISHABLE:
            sentence[lang][0] = wait
        elif len(given) > 1 and adjusted >= ALPHA:
            word = INDISTINGUISHABLE
            sentence[lang] = [wait, _not_beyond(v, best, reference, len(given), float(adjusted), lang)]
        elif v.word == WORSE:
            sentence[lang] = list(said(reference).sentence[lang])
        elif len(given) > 1:
            p = chance(float(adjusted), lang)
            sentence[lang][1] += (
                f" Counted for {len(given)} models, {p} (Holm)."
                if en
                else f" Contando {len(given)} modelos, {p} (Holm)."
            )
    if word != BETTER:
        use = reference
    how = f"the best of four naive rules on {trial.n_earlier} earlier forecasts" if trial.n_earlier else "a naive rule"
    return replace(
        v, use=use, word=word, shown=word == BETTER, more_rows=None, more_time=None,
        sentence={lang: (lines[0], lines[1]) for lang, lines in sentence.items()},
        reason=f"Forecasts made elsewhere, tested against {reference}, {how}.",
    )  # fmt: skip


def _not_beyond(v: Verdict, best: str, reference: str, n: int, adjusted: float, lang: str) -> str:
    gain = abs(1 - (v.loss_tested or 0.0) / v.loss_reference) if v.loss_reference else math.nan
    p, holm = chance(v.p_value or 0.0, lang), chance(adjusted, lang)
    better = v.word == BETTER
    if lang == "en":
        return (
            f"Of {n} models none is shown to beat {reference}: the best, {best}, is {share(gain)} "
            f"{'better' if better else 'worse'} ({p}), but among {n} tests that is not beyond chance ({holm}, Holm)."
        )
    return (
        f"De {n} modelos ninguno demuestra ser mejor que {reference}: el mejor, {best}, es un {share(gain, lang)} "
        f"{'mejor' if better else 'peor'} ({p}), pero entre {n} pruebas no pasa del azar ({holm}, Holm)."
    )
