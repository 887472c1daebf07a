"""Tables with a row a sequence, all of one length: ready windows of beats, or any short series with a label."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.classification.record import AAMI, AAMI_CLASSES, BINARY_CLASSES, DS1, DS2, PACED_MITBIH
from forecastkit.classification.schema import OTHER, Sequences
from forecastkit.classification.tables import classes_in, header_of, load, need, text
from forecastkit.classification.task import MOST_NEAREST, Labelled, Unlabelled
from forecastkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_windows", "read_new_windows", "read_windows", "step_columns"]

FEWEST_STEPS = 3
MOST_THINNED = 24
LONG = 40
"""Steps from which a sequence is a signal that convolutions shorten."""
SIGNAL = {"noise": 0.1, "dropout": 0.3}
SHORT = {"convolutions": 0, "shift": 0, "noise": 0.1, "scale": 0.0, "dropout": 0.2}
"""Options of networks for signals and for short sequences."""


def step_columns(columns: Iterable[str], without: tuple[str | None, ...] = ()) -> list[str]:
    """Columns such as t000, t001, ...: those of the commonest name before the number."""
    found: dict[str, list[str]] = {}
    for name in columns:
        hit = re.fullmatch(r"([A-Za-z_]*)\d+", name)
        if hit and name not in without:
            found.setdefault(hit[1], []).append(name)
    return max(found.values(), key=len) if found else []


def is_windows(path: Path) -> bool:
    """Whether a file looks like one window a row, by its header alone."""
    return len(step_columns(header_of(path))) >= LONG // 2


def read_windows(path: Path, *, label: str | None, group: str | None = None, beats: bool = False) -> Labelled:
    """A table with a row a sequence; steps are columns such as t000, t001, ...

    Args:
        label: its column; None = nothing is labelled.
        group: column of the patient; None = each row counts as one of its own, which is said.
        beats: rows are heartbeats: ``label`` may be left out (``pvc``, ``symbol``, ``label``), and so may ``group``
            (``patient``, ``record``).

    Raises:
        DataError: no such columns, sequences of unequal length, too many classes.
        UnknownNameError: no such column.
    """
    table = load(path)
    if beats:
        label = label or next((c for c in ("symbol", "pvc", "label", "class") if c in table), None)
        group = group or next((c for c in ("patient", "record") if c in table), None)
        if label is None:
            raise DataError(place=str(path), rule="no column pvc, symbol or label", remedy="Name it with --label.")
    for option, name in (("--label", label), ("--group", group)):
        if name is not None:
            need(table, path, option, name)
    steps = step_columns(table.columns, (label, group))
    if len(steps) < FEWEST_STEPS:
        raise DataError(
            place=str(path),
            value=f"{len(steps)} numbered columns",
            rule="a row a sequence needs columns such as t000, t001, ...",
            remedy="For one row a visit, name the column of items with --item.",
        )
    notes = []
    if group is None:
        notes.append("no --group: each row counts as a patient of its own, which flatters where it is not")
    values = text(table[label]) if label is not None else None
    if values is not None and values.isna().any():
        notes.append(f"rows without a label, left out: {int(values.isna().sum())}")
        table, values = table[values.notna()], values.dropna()
        if not len(table):
            raise DataError(place=f"{path}, {label}", rule="no row has a label")
    if beats and group is not None:
        paced = _paced(text(table[group]))
        if paced.any():
            notes.append(f"left out, paced: {', '.join(sorted(set(text(table[group])[paced])))}")
            if paced.all():
                raise DataError(place=f"{path}, {group}", rule="every row is of a record with a pacemaker")
            table = table[~paced]
            values = text(table[label])
    kinds, classes, rare = _classes(values, path, str(label), beats)
    plan = {"kind": "wide", "label": label, "group": group, "steps": steps, "classes": list(classes)}
    data = _sequences(table, path, plan, kinds, rare)
    length = int(data.lengths[0])
    baselines = ("majority", "logistic", "boosting") + (("nearest",) if len(data) <= MOST_NEAREST else ())
    return Labelled(
        "ecg" if beats else "sequences", path.name.split(".")[0], data, ("patient" if beats else group) if group else "row", plan=plan, notes=tuple(notes),
        said=(f"{path.name}: {len(data):,} sequences of {length} steps, {data.counts()}",), baselines=baselines,
        config={"data": str(path), "label": label, "group": group}, network=SIGNAL if length >= LONG else SHORT, usual=0,
    )  # fmt: skip


def _paced(records: pd.Series) -> np.ndarray:
    """[rows] windows of MIT-BIH's paced records, where all records bear names of that database."""
    if not set(records.dropna()) <= {*DS1, *DS2, *PACED_MITBIH}:
        return np.zeros(len(records), bool)
    return np.asarray(records.isin(PACED_MITBIH).fillna(False), bool)


def _classes(
    values: pd.Series | None, path: Path, label: str, beats: bool
) -> tuple[pd.Series | None, tuple[str, ...], str]:
    """(class of each row, classes, the one that matters most); beats are named as AAMI names them."""
    if values is None:
        return None, (OTHER,), ""
    known = values.dropna()
    if beats and label == "pvc":
        odd = sorted(set(known) - {"0", "1"})
        if odd:
            raise DataError(place=f"{path}, pvc", value=", ".join(odd)[:60], rule="only 0 and 1 are known")
        return values.map(dict(zip("01", BINARY_CLASSES))), BINARY_CLASSES, "V"
    if beats and label == "symbol":
        odd = sorted(set(known) - set(AAMI))
        if odd:
            raise DataError(
                place=f"{path}, symbol", value=", ".join(odd)[:60], rule="not an annotation symbol of a beat"
            )
        return values.map(AAMI), AAMI_CLASSES, "V"
    return values, classes_in(values, path, label), ""


def read_new_windows(path: Path, plan: dict[str, Any]) -> Unlabelled:
    """A new table read as the one of ``fit``; labels are not needed.

    Raises:
        DataError, UnknownNameError: as ``read_windows``.
    """
    import pandas as pd

    table = load(path)
    for name in plan["steps"]:
        need(table, path, "column", name)
    data = _sequences(table, path, {**plan, "group": None}, None, "")
    kept = {c: table[c] for c in (plan["group"], "sample") if c and c in table}
    return Unlabelled(data, pd.DataFrame({"item": data.items, **kept}))


def _sequences(table: pd.DataFrame, path: Path, plan: dict[str, Any], kinds: pd.Series | None, rare: str) -> Sequences:
    """The rows of ``table``, whose index counts the lines of the file."""
    block = table[plan["steps"]]
    odd = [c for c in plan["steps"] if block[c].dtype.kind not in "iufb"]
    if odd:
        raise DataError(place=f"{path}, {odd[0]}", rule="not a number in every row")
    values = block.to_numpy(np.float32)
    known = np.isfinite(values)
    if not known.all():
        at = int(np.argmax(~known.all(axis=1)))
        raise DataError(
            place=f"{path}, line {table.index[at] + 2}",
            value=f"{int(known[at].sum())} of {len(plan['steps'])} steps",
            rule="sequences are of unequal length",
            remedy="Bring them to one length, or write one row a step and name the item with --item.",
        )
    n, length = values.shape
    where = {c: k for k, c in enumerate(plan["classes"])}
    labels = np.full(n, -1, np.int64)
    if kinds is not None:
        labels = np.array([where[k] for k in kinds.to_numpy(dtype=object)], np.int64)
    items = np.array([f"row {k + 1}" for k in range(n)], dtype=object)
    groups = items
    if plan["group"]:
        owners = text(table[plan["group"]])
        if owners.isna().any():
            at = int(np.argmax(owners.isna().to_numpy()))
            raise DataError(place=f"{path}, line {table.index[at] + 2}, {plan['group']}", rule="a row without a group")
        groups = owners.to_numpy(dtype=object)
    thin = np.unique(np.linspace(0, length - 1, min(length, MOST_THINNED)).astype(np.int64))
    spread = [values.mean(1), values.std(1), values.min(1), values.max(1), values.argmax(1), values.argmin(1)]
    features = np.hstack([np.stack(spread, axis=1), values[:, thin]]).astype(np.float32)
    names = ("mean", "deviation", "min", "max", "where_max", "where_min", *(f"step_{k}" for k in thin))
    return Sequences(
        values.reshape(-1, 1), np.arange(n + 1, dtype=np.int64) * length, features, names, ("value",), labels,
        tuple(plan["classes"]), groups, items, rare,
    )  # fmt: skip
