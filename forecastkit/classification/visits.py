"""Histories of visits as labelled sequences: long tables with a row a visit.

What ``fit`` found (columns, levels, classes) is a plan of plain values; ``read_new_visits`` reads new tables by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.classification.schema import OTHER, Sequences
from forecastkit.classification.tables import classes_in, load, need, text
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.classification.windows import SHORT
from forecastkit.errors import ConfigError, DataError
from forecastkit.probabilities import roc_curve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_new_visits", "read_visits"]

MOST_LEVELS = 20
MOST_HISTORY = 200
FEWEST_TOLD, ALMOST = 10, 0.998
"""Sequences of a class, and area under the ROC curve, from which one column is said to tell it."""
DAY = 86_400.0
SUMMARIES = ("last", "mean", "min", "max", "change", "seen")


@dataclass(frozen=True, eq=False)
class _Visits:
    """Rows by item and time.

    Args:
        code: [R] number of the item.
        days: [R] time; the number of the row where there is none.
        events: [R] day of the item's event, NaN = none; None = not asked.
    """

    table: pd.DataFrame
    path: Path
    code: np.ndarray
    days: np.ndarray
    events: np.ndarray | None

    @property
    def first(self) -> np.ndarray:
        """[items + 1] where each begins, and the end."""
        return np.r_[np.flatnonzero(np.r_[True, np.diff(self.code) != 0]), len(self.code)]


def read_visits(
    path: Path,
    *,
    item: str,
    time: str | None,
    label: str | None,
    group: str | None = None,
    ahead: float | None = None,
    event: str | None = None,
) -> Labelled:
    """A long table to learn from.

    Args:
        label: its column; None = nothing is labelled.
        ahead: days (rows, without ``time``) before the end of an item, or before its event, that are not read, since the
            outcome may already show in them.
        event: column of the day of the outcome; rows from then on are never read. Empty = it has not happened.

    Raises:
        DataError: a time that cannot be read, an item without a name, a group or event that changes within an item.
        UnknownNameError: no such column.
    """
    if event is not None and time is None:
        raise ConfigError(place="--event", rule="needs the times of the visits", remedy="Name them with --time.")
    if ahead is not None and not ahead >= 0:
        raise ConfigError(place="--ahead", value=f"{ahead:g}", rule="0 or more")
    table = load(path)
    for option, name in (
        ("--item", item),
        ("--time", time),
        ("--label", label),
        ("--group", group),
        ("--event", event),
    ):
        if name is not None:
            need(table, path, option, name)
    notes: list[str] = []
    visits = _sorted(table, path, item, time, event)
    plan: dict[str, Any] = {"kind": "long", "item": item, "time": time, "label": label, "group": group}
    plan |= {"ahead": ahead, "event": event}
    taken = {item, label, time, group, event}
    plan |= _roles(visits.table, visits.code, [c for c in table.columns if c not in taken], notes)
    labels = text(visits.table[label]) if label is not None else None
    plan["classes"] = [OTHER] if labels is None else list(classes_in(labels, path, str(label)))
    plan["per_row"] = labels is not None and _varies(labels, visits.code)
    if plan["per_row"]:
        notes.append(f"{label} changes within an item: each labelled row is told from the rows up to it")
    data, _ = _sequences(visits, plan, labels, notes)
    if labels is not None:
        _say_leaks(data, visits.table, plan, labels, notes)
    config = {
        "data": str(path),
        "item": item,
        "time": time,
        "label": label,
        "group": group,
        "ahead": ahead,
        "event": event,
    }
    return Labelled(
        "sequences", path.name.split(".")[0], data, group or item, plan=plan, notes=tuple(notes), config=config, network=SHORT,
        said=(f"{path.name}: {len(data):,} sequences, {int(data.offsets[-1]):,} rows, {data.counts()}",), usual=0,
    )  # fmt: skip


def read_new_visits(path: Path, plan: dict[str, Any]) -> Unlabelled:
    """A new table read as the one of ``fit``; labels are not needed. Unknown values of text columns are no level.

    One sequence an item, or a row where the labels of ``fit`` changed within items. Nothing is cut off: the last row is
    the present.

    Raises:
        DataError, UnknownNameError: as ``read_visits``; also a column that fit had and this table lacks.
    """
    import pandas as pd

    table = load(path)
    need(table, path, "item", plan["item"])
    if plan["time"]:
        need(table, path, "time", plan["time"])
    for name in [*plan["numeric"], *plan["static"], *plan["levels"], *plan["static_levels"]]:
        need(table, path, "column", name)
    visits = _sorted(table, path, plan["item"], plan["time"], None)
    for name in [*plan["numeric"], *plan["static"]]:
        column = visits.table[name]
        if not pd.api.types.is_numeric_dtype(column):
            numbers = pd.to_numeric(column, errors="coerce")
            bad = (numbers.isna() & column.notna()).to_numpy()
            if bad.any():
                value = column.iloc[int(np.argmax(bad))]
                raise DataError(place=f"{path}, {name}", value=repr(value)[:40], rule="not a number, as it was in fit")
            visits.table[name] = numbers
    data, last = _sequences(visits, {**plan, "ahead": None, "group": None, "event": None}, None, [])
    which = {"item": text(visits.table[plan["item"]]).to_numpy(dtype=object)[last]}
    if plan["time"]:
        which["time"] = visits.table[plan["time"]].to_numpy()[last]
    return Unlabelled(data, pd.DataFrame(which))


def _sorted(table: pd.DataFrame, path: Path, item: str, time: str | None, event: str | None) -> _Visits:
    import pandas as pd

    nameless = table[item].isna()
    if nameless.any():
        line = int(np.argmax(nameless.to_numpy())) + 2
        raise DataError(
            place=f"{path}, line {line}, {item}", rule="an item without a name", remedy="Name it, or remove the row."
        )
    names = text(table[item]).to_numpy(dtype=object).astype(str)
    days = np.arange(len(table), dtype=np.float64) if time is None else _days(table[time], path, time)
    events = None if event is None else _days(table[event], path, event, some=True)
    order = np.lexsort((days, names))
    table = table.iloc[order].reset_index(drop=True)
    code = np.asarray(pd.factorize(names[order])[0], np.int64)
    if time is None:
        days = np.arange(len(table), dtype=np.float64)
        return _Visits(table, path, code, days, None)
    if events is not None:
        events = events[order]
        by_item = pd.Series(events).groupby(code)
        partly = by_item.transform("count") % by_item.transform("size") != 0
        changes = (by_item.transform("nunique") > 1) | partly
        if changes.any():
            at = int(np.argmax(changes.to_numpy()))
            raise DataError(
                place=f"{path}, {event}", value=f"item {table[item].iloc[at]}", rule="the day of the event changes within an item",
                remedy="Write one day, or none, in all rows of an item.",
            )  # fmt: skip
    return _Visits(table, path, code, days[order], events)


def _days(column: pd.Series, path: Path, name: str, *, some: bool = False) -> np.ndarray:
    """[rows] days; numbers are days already.

    Args:
        some: empty ones are NaN.
    """
    import pandas as pd

    if column.dtype.kind in "iuf":
        days = column.to_numpy(np.float64)
    else:
        parsed = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
        if parsed.isna().all():
            parsed = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
        days = ((parsed - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / DAY).to_numpy(np.float64)
    bad = ~np.isfinite(days) & ~(column.isna().to_numpy() & some)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            place=f"{path}, line {int(column.index[at]) + 2}, {name}",
            value=repr(column.iloc[at])[:40],
            rule="not a time",
            remedy="Write it as 2024-01-31.",
        )
    return np.asarray(days)


def _varies(column: pd.Series, code: np.ndarray) -> bool:
    """Whether a column has two values within an item."""
    import pandas as pd

    frame = pd.DataFrame({"code": code, "value": column.to_numpy(dtype=object)}).dropna()
    return bool((frame.groupby("code")["value"].nunique() > 1).any())


def _roles(table: pd.DataFrame, code: np.ndarray, columns: list[str], notes: list[str]) -> dict[str, Any]:
    """Columns that change or not within an item, numeric or not; text with too many values is left out."""
    import pandas as pd

    repeated = bool((np.bincount(code) > 1).any())
    out: dict[str, Any] = {"numeric": [], "static": [], "levels": {}, "static_levels": {}}
    for name in columns:
        column = table[name]
        if column.isna().all():
            notes.append(f"column {name} is empty and left out")
            continue
        steady = repeated and not _varies(column, code)
        if pd.api.types.is_numeric_dtype(column):
            out["static" if steady else "numeric"].append(name)
            continue
        levels = text(column).dropna().unique().tolist()
        if len(levels) > MOST_LEVELS:
            notes.append(f"column {name} is text with {len(levels)} values and left out")
            continue
        out["static_levels" if steady else "levels"][name] = sorted(map(str, levels))
    return out


def _say_leaks(data: Sequences, table: pd.DataFrame, plan: dict[str, Any], labels: pd.Series, notes: list[str]) -> None:
    """A column that tells a label all by itself is said: it may have been written down after the outcome.

    Text and few values: each value goes with one label. Numbers: their last or only value puts one class wholly above or
    below the others.
    """
    import pandas as pd

    told: dict[str, str] = {}
    for name in [*plan["numeric"], *plan["static"], *plan["levels"], *plan["static_levels"]]:
        pair = pd.DataFrame({"x": table[name].to_numpy(dtype=object), "y": labels.to_numpy(dtype=object)}).dropna()
        n_values = pair["x"].nunique()
        if len(pair) and 2 <= n_values <= MOST_LEVELS and (pair.groupby("x")["y"].nunique() == 1).all():
            told[name] = str(plan["label"])
    for name in [*plan["numeric"], *plan["static"]]:
        feature = f"{name}.last" if name in plan["numeric"] else name
        x = data.features[:, data.feature_names.index(feature)]
        seen = np.isfinite(x)
        for k, label in enumerate(data.classes):
            positive = data.labels[seen] == k
            if min(positive.sum(), (~positive).sum()) >= FEWEST_TOLD and name not in told:
                area = roc_curve(positive, x[seen])[2]
                if max(area, 1 - area) >= ALMOST:
                    told[name] = f"{plan['label']} {label}"
    notes += [
        f"column {name} tells {what} without fail: was it known before the outcome?" for name, what in told.items()
    ]


def _sequences(
    visits: _Visits, plan: dict[str, Any], labels: pd.Series | None, notes: list[str]
) -> tuple[Sequences, np.ndarray]:
    """(sequences, last row of each)."""
    where = {c: k for k, c in enumerate(plan["classes"])}
    marks = np.full(len(visits.table), -1, np.int64)
    if labels is not None:
        known = labels.to_numpy(dtype=object)
        marks = np.array([where.get(v, -1) if isinstance(v, str) else -1 for v in known], np.int64)
    starts, stops, classes = _pieces(visits, plan, marks, labels is not None, notes)
    lengths = stops - starts
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    values, channels = _channels(visits, plan)
    features, names = _features(visits.table, values, channels, plan, starts, stops)
    last = stops - 1
    items = text(visits.table[plan["item"]]).to_numpy(dtype=object)[last].astype(object)
    if plan["per_row"]:
        begin = visits.first[:-1][visits.code[last]]
        items = np.array([f"{n}:{k}" for n, k in zip(items, last - begin + 1)], dtype=object)
    owners = _groups(visits, plan)[last].astype(object)
    data = Sequences(values[rows], offsets, features, names, channels, classes, tuple(plan["classes"]), owners, items)
    return data, last


def _pieces(
    visits: _Visits, plan: dict[str, Any], marks: np.ndarray, labelled: bool, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first row, row after the last, class) of each sequence."""
    pieces: list[tuple[int, int, int]] = []
    unlabelled = short = long = 0
    ahead = float(plan["ahead"] or 0.0)
    for lo, hi in zip(visits.first[:-1].tolist(), visits.first[1:].tolist()):
        own = marks[lo:hi]
        if labelled and not (own >= 0).any():
            unlabelled += 1
            continue
        ends = [hi - 1]
        if plan["per_row"]:
            ends = (lo + np.flatnonzero(own >= 0)).tolist() if labelled else list(range(lo, hi))
        for end in ends:
            last = _last(visits, lo, end, ahead)
            if last <= lo:
                short += 1
                continue
            long += last - lo > MOST_HISTORY
            label = int(marks[end]) if plan["per_row"] else int(own.max())
            pieces.append((max(lo, last - MOST_HISTORY), last, label))
    if unlabelled == len(visits.first) - 1:
        raise DataError(place=f"{visits.path}, {plan['label']}", rule="every item is without a label")
    if unlabelled:
        notes.append(f"items without a label, left out: {unlabelled}")
    if short:
        notes.append(f"sequences without a row as early as {ahead:g} before their end, left out: {short}")
    if long:
        notes.append(f"sequences of which only the last {MOST_HISTORY} rows are read: {long}")
    if not pieces:
        raise DataError(place=str(visits.path), rule="no sequence is left", remedy="Lower --ahead.")
    starts, stops, classes = (np.array(v, np.int64) for v in zip(*pieces))
    return starts, stops, classes


def _last(visits: _Visits, lo: int, end: int, ahead: float) -> int:
    """The row after the last that may be read: ``ahead`` before row ``end``, and before the event where there is one."""
    days = visits.days[lo : end + 1]
    event = visits.events[lo] if visits.events is not None else np.nan
    if np.isfinite(event):
        # What stands on the day of the event may be the event itself.
        before = int(np.searchsorted(days, event, side="left"))
        return lo + min(before, int(np.searchsorted(days, event - ahead, side="right")))
    return lo + int(np.searchsorted(days, days[-1] - ahead, side="right")) if ahead else end + 1


def _groups(visits: _Visits, plan: dict[str, Any]) -> np.ndarray:
    column = plan["group"] or plan["item"]
    owners = text(visits.table[column])
    if plan["group"] and _varies(owners, visits.code):
        raise DataError(
            place=f"{visits.path}, {column}",
            rule="the group changes within an item",
            remedy="Give each item one group.",
        )
    if owners.isna().any():
        item = visits.table[plan["item"]].iloc[int(np.argmax(owners.isna().to_numpy()))]
        raise DataError(place=f"{visits.path}, {column}", value=f"item {item}", rule="a row without a group")
    return np.asarray(owners.to_numpy(dtype=object))


def _channels(visits: _Visits, plan: dict[str, Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """[rows, C] float32: numbers, one column a level of text, and the time since the row before."""
    table = visits.table
    parts = [table[name].to_numpy(np.float64) for name in plan["numeric"]]
    names = list(plan["numeric"])
    for name, levels in plan["levels"].items():
        own = text(table[name]).to_numpy(dtype=object)
        parts += [_is(own, level) for level in levels]
        names += [f"{name}={level}" for level in levels]
    if plan["time"]:
        gap = np.r_[0.0, np.diff(visits.days)]
        gap[visits.first[:-1]] = 0.0
        parts.append(np.log1p(np.maximum(gap, 0)))
        names.append("days_since_before")
    if not parts:
        parts, names = [np.ones(len(table))], ["row"]
    values = np.stack(parts, axis=1)
    values[~np.isfinite(values)] = np.nan
    return values.astype(np.float32), tuple(names)


def _is(values: np.ndarray, level: str) -> np.ndarray:
    return np.array([np.nan if not isinstance(v, str) else float(v == level) for v in values])


def _features(
    table: pd.DataFrame,
    values: np.ndarray,
    channels: tuple[str, ...],
    plan: dict[str, Any],
    starts: np.ndarray,
    stops: np.ndarray,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """[N, F]: of each channel the last seen value, mean, smallest, largest, change and share seen; then what never changes."""
    lengths = stops - starts
    offsets = np.r_[0, np.cumsum(lengths)[:-1]]
    rows = np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
    x = values[rows].astype(np.float64)
    known = ~np.isnan(x)
    n = np.add.reduceat(known, offsets, axis=0)
    place = np.arange(len(x))[:, None]
    last = np.maximum.reduceat(np.where(known, place, -1), offsets, axis=0)
    first = np.minimum.reduceat(np.where(known, place, len(x)), offsets, axis=0)
    column = np.arange(x.shape[1])[None]
    ends = x[np.clip(last, 0, None), column], x[np.clip(first, 0, len(x) - 1), column]
    mean = np.add.reduceat(np.where(known, x, 0), offsets, axis=0) / np.maximum(n, 1)
    low = np.minimum.reduceat(np.where(known, x, np.inf), offsets, axis=0)
    high = np.maximum.reduceat(np.where(known, x, -np.inf), offsets, axis=0)
    stack = np.stack([ends[0], mean, low, high, ends[0] - ends[1], n / lengths[:, None]], axis=2)
    stack[:, :, :5][n == 0] = np.nan
    names = [f"{c}.{s}" for c in channels for s in SUMMARIES]
    more = [np.log1p(lengths.astype(np.float64))]
    names.append("rows")
    for name in plan["static"]:
        more.append(table[name].to_numpy(np.float64)[stops - 1])
        names.append(name)
    for name, levels in plan["static_levels"].items():
        own = text(table[name]).to_numpy(dtype=object)[stops - 1]
        more += [_is(own, level) for level in levels]
        names += [f"{name}={level}" for level in levels]
    extra = np.stack(more, axis=1)
    extra[~np.isfinite(extra)] = np.nan
    return np.hstack([stack.reshape(len(stack), -1), extra]).astype(np.float32), tuple(names)
