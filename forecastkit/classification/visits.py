"""Tables as labelled sequences: long ones with a row a visit, or wide ones with a row a sequence.

What ``fit`` found (columns, levels, classes) is a plan of plain values; ``apply_plan`` reads new tables by it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.classification.schema import Sequences
from forecastkit.errors import DataError, UnknownNameError, near

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["apply_plan", "read_visits", "read_wide"]

MOST_LEVELS = 20
MOST_HISTORY = 200
MOST_CLASSES = 50
DAY = 86_400.0
SUMMARIES = ("last", "mean", "min", "max", "change", "seen")


def _load(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
    except (OSError, ValueError, EOFError, pd.errors.ParserError) as error:
        why = " ".join(str(error).split())[:100]
        raise DataError(place=str(path), value=why, rule="not a readable table") from None
    if not len(table):
        raise DataError(place=str(path), rule="the table has no rows")
    table.columns = [str(c) for c in table.columns]
    return table


def _need(table: pd.DataFrame, path: Path, option: str, name: str) -> None:
    if name not in table:
        raise UnknownNameError(
            place=f"{path}, {option}", value=repr(name), rule="no such column", remedy=near(name, table.columns)
        )


def _text(column: pd.Series) -> pd.Series:
    """Labels and names as text; 1.0 of a column with holes is 1."""
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("string")


def read_visits(
    path: Path, *, item: str | None, time: str | None, label: str, group: str | None = None, ahead: float | None = None
) -> tuple[Sequences, dict[str, Any], list[str]]:
    """(sequences, plan, notes) of a table; without ``item`` each row is a sequence.

    Args:
        ahead: the last days (rows, without ``time``) of each item that are not read, since they may tell the outcome.

    Raises:
        DataError: a time that cannot be read, an item without a name, a group that changes within an item.
        UnknownNameError: no such column.
    """
    if item is None:
        return read_wide(path, label=label, group=group)
    table = _load(path)
    for option, name in (("--item", item), ("--time", time), ("--label", label), ("--group", group)):
        if name is not None:
            _need(table, path, option, name)
    notes: list[str] = []
    roles = {item, label, *(c for c in (time, group) if c)}
    table, seconds = _sorted(table, path, item, time)
    code = _codes(table, item)
    plan: dict[str, Any] = {"kind": "long", "item": item, "time": time, "label": label, "group": group, "ahead": ahead}
    plan |= _roles(table, code, [c for c in table.columns if c not in roles], notes)
    labels = _text(table[label])
    per_row = _varies(labels, code)
    plan["per_row"] = per_row
    known = sorted(labels.dropna().unique().tolist(), key=_natural)
    counts = labels.value_counts()
    plan["classes"] = sorted(known, key=lambda c: -int(counts[c]))
    if len(known) > MOST_CLASSES:
        raise DataError(
            place=f"{path}, {label}",
            value=f"{len(known)} different labels",
            rule=f"at most {MOST_CLASSES} classes",
            remedy="Is it a class?",
        )
    if per_row:
        notes.append(f"{label} changes within an item: each labelled row is told from the rows up to it")
    _say_leaks(table, plan, labels, notes)
    data = _sequences(table, code, seconds, plan, labels, path, notes)
    return data, plan, notes


def _natural(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _sorted(table: pd.DataFrame, path: Path, item: str, time: str | None) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Rows by item and time; times as seconds (or steps, where they are numbers)."""
    import pandas as pd

    nameless = table[item].isna()
    if nameless.any():
        line = int(np.argmax(nameless.to_numpy())) + 2
        raise DataError(
            place=f"{path}, line {line}, {item}", rule="an item without a name", remedy="Name it, or remove the row."
        )
    names = _text(table[item])
    if time is None:
        table = table.iloc[np.argsort(names.to_numpy(dtype=object), kind="stable")].reset_index(drop=True)
        return table, None
    raw = table[time]
    if raw.dtype.kind in "iuf":
        stamps: np.ndarray = raw.to_numpy(np.float64) * DAY
        bad = ~np.isfinite(stamps)
    else:
        parsed = pd.to_datetime(raw, errors="coerce", format="ISO8601", utc=True)
        if parsed.isna().all():
            parsed = pd.to_datetime(raw, errors="coerce", format="mixed", utc=True)
        bad = parsed.isna().to_numpy()
        stamps = (parsed - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(np.float64)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            place=f"{path}, line {at + 2}, {time}",
            value=repr(raw.iloc[at])[:40],
            rule="not a time",
            remedy="Write it as 2024-01-31.",
        )
    order = np.lexsort((stamps, names.to_numpy(dtype=object).astype(str)))
    return table.iloc[order].reset_index(drop=True), stamps[order]


def _codes(table: pd.DataFrame, item: str) -> np.ndarray:
    """[rows] number of the item; rows are sorted by it."""
    import pandas as pd

    return np.asarray(pd.factorize(_text(table[item]))[0], np.int64)


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
        levels = _text(column).dropna().unique().tolist()
        if len(levels) > MOST_LEVELS:
            notes.append(f"column {name} is text with {len(levels)} values and left out")
            continue
        out["static_levels" if steady else "levels"][name] = sorted(map(str, levels))
    return out


def _say_leaks(table: pd.DataFrame, plan: dict[str, Any], labels: pd.Series, notes: list[str]) -> None:
    """A column that tells the label without fail is said: it may have been written down after the outcome."""
    import pandas as pd

    for name in [*plan["numeric"], *plan["static"], *plan["levels"], *plan["static_levels"]]:
        pair = pd.DataFrame({"x": table[name].to_numpy(dtype=object), "y": labels.to_numpy(dtype=object)}).dropna()
        n_values = pair["x"].nunique()
        if len(pair) and 2 <= n_values <= MOST_LEVELS and (pair.groupby("x")["y"].nunique() == 1).all():
            notes.append(f"column {name} tells {plan['label']} without fail: was it known before the outcome?")


def apply_plan(path: Path, plan: dict[str, Any]) -> Sequences:
    """A new table read as the one of ``fit``; labels are not needed. Unknown values of text columns are no level.

    Raises:
        DataError, UnknownNameError: as ``read_visits``; also a column that fit had and this table lacks.
    """
    import pandas as pd

    if plan["kind"] == "wide":
        return read_wide(path, label=plan["label"], group=plan["group"], plan=plan)[0]
    table = _load(path)
    _need(table, path, "item", plan["item"])
    if plan["time"]:
        _need(table, path, "time", plan["time"])
    for name in [*plan["numeric"], *plan["static"], *plan["levels"], *plan["static_levels"]]:
        _need(table, path, "column", name)
    table, seconds = _sorted(table, path, plan["item"], plan["time"])
    for name in [*plan["numeric"], *plan["static"]]:
        if not pd.api.types.is_numeric_dtype(table[name]):
            numbers = pd.to_numeric(table[name], errors="coerce")
            bad = (numbers.isna() & table[name].notna()).to_numpy()
            if bad.any():
                value = table[name].iloc[int(np.argmax(bad))]
                raise DataError(place=f"{path}, {name}", value=repr(value)[:40], rule="not a number, as it was in fit")
            table[name] = numbers
    code = _codes(table, plan["item"])
    nothing = pd.Series(pd.array([None] * len(table), dtype="string"))
    # At prediction nothing is cut off: the last row is the present.
    return _sequences(table, code, seconds, {**plan, "ahead": None, "per_row": False, "group": None}, nothing, path, [])


def _sequences(
    table: pd.DataFrame, code: np.ndarray, seconds: np.ndarray | None, plan: dict[str, Any], labels: pd.Series, path: Path, notes: list[str]
) -> Sequences:  # fmt: skip
    values, channels = _channels(table, code, seconds, plan)
    steps = seconds / DAY if seconds is not None else np.arange(len(table), dtype=np.float64)
    bounds = np.r_[np.flatnonzero(np.r_[True, np.diff(code) != 0]), len(code)]
    names = _text(table[plan["item"]]).to_numpy(dtype=object)
    owners = _groups(table, code, plan, path)
    where = {c: k for k, c in enumerate(plan["classes"])}
    label_codes = np.array(
        [where.get(str(v), -1) if isinstance(v, str) else -1 for v in labels.to_numpy(dtype=object)], np.int64
    )
    pieces: list[tuple[int, int, int]] = []
    unlabelled = short = 0
    fitting = bool((label_codes >= 0).any())
    for lo, hi in zip(bounds[:-1].tolist(), bounds[1:].tolist()):
        own = label_codes[lo:hi]
        ends = (lo + np.flatnonzero(own >= 0)).tolist() if plan["per_row"] else [hi - 1]
        if not plan["per_row"] and fitting and not (own >= 0).any():
            unlabelled += 1
            continue
        for end in ends:
            last = end + 1
            if plan["ahead"]:
                cut = steps[end] - float(plan["ahead"])
                last = lo + int(np.searchsorted(steps[lo : end + 1], cut, side="right"))
            if last <= lo:
                short += 1
                continue
            label = int(label_codes[end]) if plan["per_row"] else int(own.max())
            pieces.append((max(lo, last - MOST_HISTORY), last, label))
    if unlabelled:
        notes.append(f"{unlabelled} items without a label are left out")
    if short:
        notes.append(f"{short} sequences have no row as early as {plan['ahead']:g} before their end and are left out")
    if not pieces:
        raise DataError(place=str(path), rule="no sequence is left", remedy="Lower --ahead.")
    starts, stops, marks = (np.array(v, np.int64) for v in zip(*pieces))
    lengths = stops - starts
    offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
    rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    features, feature_names = _features(table, values, channels, plan, starts, stops)
    items = names[stops - 1].astype(object)
    if plan["per_row"]:
        items = np.array([f"{n}:{s - b}" for n, s, b in zip(items, stops, starts)], dtype=object)
    return Sequences(
        values[rows], offsets, features, feature_names, channels, marks, tuple(plan["classes"]), owners[stops - 1].astype(object), items
    )  # fmt: skip


def _groups(table: pd.DataFrame, code: np.ndarray, plan: dict[str, Any], path: Path) -> np.ndarray:
    column = plan["group"] or plan["item"]
    if plan["group"] and _varies(_text(table[column]), code):
        raise DataError(
            place=f"{path}, {column}", rule="the group changes within an item", remedy="Give each item one group."
        )
    if table[column].isna().any():
        line = int(np.argmax(table[column].isna().to_numpy())) + 2
        raise DataError(place=f"{path}, row {line}, {column}", rule="a row without a group")
    return np.asarray(_text(table[column]).to_numpy(dtype=object))


def _channels(
    table: pd.DataFrame, code: np.ndarray, seconds: np.ndarray | None, plan: dict[str, Any]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """[rows, C] float32: numbers, one column a level of text, and the time since the row before."""
    parts = [table[name].to_numpy(np.float64) for name in plan["numeric"]]
    names = list(plan["numeric"])
    for name, levels in plan["levels"].items():
        own = _text(table[name]).to_numpy(dtype=object)
        for level in levels:
            parts.append(np.array([np.nan if not isinstance(v, str) else float(v == level) for v in own]))
            names.append(f"{name}={level}")
    if seconds is not None:
        gap = np.r_[0.0, np.diff(seconds)] / DAY
        gap[np.r_[True, np.diff(code) != 0]] = 0.0
        parts.append(np.log1p(np.maximum(gap, 0)))
        names.append("days_since_before")
    if not parts:
        parts, names = [np.ones(len(table))], ["row"]
    values = np.stack(parts, axis=1)
    values[~np.isfinite(values)] = np.nan
    return values.astype(np.float32), tuple(names)


def _features(
    table: pd.DataFrame,
    values: np.ndarray,
    channels: tuple[str, ...],
    plan: dict[str, Any],
    starts: np.ndarray,
    stops: np.ndarray,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """[N, F]: of each channel the last seen value, mean, smallest, largest, change and share seen; then what never changes."""
    n = len(starts)
    out = np.full((n, len(channels) * len(SUMMARIES)), np.nan, np.float32)
    for i, (lo, hi) in enumerate(zip(starts.tolist(), stops.tolist())):
        part = values[lo:hi]
        for c in range(part.shape[1]):
            seen = part[:, c]
            seen = seen[~np.isnan(seen)]
            k = c * len(SUMMARIES)
            if len(seen):
                out[i, k : k + 5] = seen[-1], seen.mean(), seen.min(), seen.max(), seen[-1] - seen[0]
            out[i, k + 5] = len(seen) / (hi - lo)
    names = [f"{c}.{s}" for c in channels for s in SUMMARIES]
    last = stops - 1
    more = [np.log1p((stops - starts).astype(np.float64))]
    names.append("rows")
    for name in plan["static"]:
        more.append(table[name].to_numpy(np.float64)[last])
        names.append(name)
    for name, levels in plan["static_levels"].items():
        own = _text(table[name]).to_numpy(dtype=object)[last]
        for level in levels:
            more.append(np.array([np.nan if not isinstance(v, str) else float(v == level) for v in own]))
            names.append(f"{name}={level}")
    extra = np.stack(more, axis=1)
    extra[~np.isfinite(extra)] = np.nan
    return np.hstack([out, extra.astype(np.float32)]), tuple(names)


def read_wide(
    path: Path, *, label: str, group: str | None = None, plan: dict[str, Any] | None = None
) -> tuple[Sequences, dict[str, Any], list[str]]:
    """(sequences, plan, notes) of a table with a row a sequence; steps are columns such as t000, t001, ...

    Raises:
        DataError: no such columns, or sequences of unequal length.
    """
    table = _load(path)
    fitting = plan is None
    if fitting:
        _need(table, path, "--label", label)
        if group is not None:
            _need(table, path, "--group", group)
    numbered = [c for c in table.columns if re.fullmatch(r"[A-Za-z_]*\d+", c) and c not in (label, group)]
    steps = numbered if plan is None else list(plan["steps"])
    if len(steps) < 3:
        raise DataError(
            place=str(path),
            value=f"{len(steps)} numbered columns",
            rule="a row a sequence needs columns such as t000, t001, ...",
            remedy="For one row a visit, name the column of items with --item.",
        )
    for name in steps:
        _need(table, path, "column", name)
    block = table[steps]
    odd = [c for c in steps if block[c].dtype.kind not in "iufb"]
    if odd:
        raise DataError(place=f"{path}, {odd[0]}", rule="not a number in every row")
    values = block.to_numpy(np.float32)
    short = ~np.isfinite(values).all(axis=1)
    if short.any():
        at = int(np.argmax(short))
        n = int(np.isfinite(values[at]).sum())
        raise DataError(
            place=f"{path}, line {at + 2}",
            value=f"{n} of {len(steps)} steps",
            rule="sequences are of unequal length",
            remedy="Bring them to one length, or write one row a step and name the item with --item.",
        )
    n, length = values.shape
    classes: tuple[str, ...]
    if plan is None:
        text = _text(table[label])
        counts = text.value_counts()
        classes = tuple(sorted(text.dropna().unique().tolist(), key=lambda c: -int(counts[c])))
        if len(classes) > MOST_CLASSES:
            raise DataError(
                place=f"{path}, {label}",
                value=f"{len(classes)} different labels",
                rule=f"at most {MOST_CLASSES} classes",
            )
    else:
        text, classes = None, tuple(plan["classes"])
    where = {c: k for k, c in enumerate(classes)}
    labels = np.full(n, -1, np.int64) if text is None else np.array([where.get(str(v), -1) for v in text], np.int64)
    owners = _text(table[group]) if group and group in table else None
    notes = (
        []
        if owners is not None
        else ["no --group: each row counts as a patient of its own, which flatters where it is not"]
    )
    names = np.array([f"row {k + 1}" for k in range(n)], dtype=object)
    thin = np.linspace(0, length - 1, min(length, 24)).astype(np.int64)
    spread = np.stack(
        [values.mean(1), values.std(1), values.min(1), values.max(1), values.argmax(1), values.argmin(1)], axis=1
    )
    features = np.hstack([spread, values[:, thin]]).astype(np.float32)
    feature_names = ("mean", "deviation", "min", "max", "where_max", "where_min", *(f"step_{k}" for k in thin))
    data = Sequences(
        values.reshape(-1, 1), np.arange(n + 1, dtype=np.int64) * length, features, feature_names, ("value",), labels, classes,
        names if owners is None else np.asarray(owners.to_numpy(dtype=object)), names,
    )  # fmt: skip
    made = plan or {"kind": "wide", "label": label, "group": group, "steps": steps, "classes": list(classes)}
    return data, made, notes
