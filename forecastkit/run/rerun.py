"""A run once more from its ``run.yaml``, and whether the same numbers come out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts
from forecastkit.config import RunConfig, load_config
from forecastkit.errors import ConfigError, ModelFileError
from forecastkit.run.budget import Replay
from forecastkit.run.execute import execute
from forecastkit.run.folder import RunFolder
from forecastkit.run.preparing import Observer, prepare

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TIMINGS", "compare_files", "rerun"]

TIMINGS = ("seconds_fit", "seconds_predict")
"""Columns of the leaderboard that are another number every time."""
TABLES = ("forecast.csv", "leaderboard.csv", "scores.csv", "backtest.parquet")
BUDGET = "time budget:"
FORECASTS = {"fit": True, "backtest": False}


def rerun(
    run: str | Path,
    *,
    data: str | None = None,
    out: Path | None = None,
    observer: Observer | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Carry out a run again with its data, configuration and seeds, and compare the tables.

    Models that ran out of their time budget then are left out now; a time limit is not measured again, but its numbers of
    steps, seeds and members are taken. A search for options is not made again either; what it found is taken.

    Args:
        data: where the data are now; None = where they were.
        out: folder of the second run; None = ``runs/<name>-<time>``.

    Returns:
        JSON-able: identical, folder (None where nothing was run), data (None, or the two fingerprints), versions
        (name -> then and now, where they differ) and files (name, same, what).

    Raises:
        ForecastkitError: no finished run, or its data are not to be found.
    """
    first = RunFolder.open(run)
    facts = first.finished_facts()
    config, final = _settings(first, facts, data)
    found: dict[str, Any] = {
        "identical": False,
        "folder": None,
        "data": None,
        "versions": _versions(facts),
        "files": [],
    }
    prepared = prepare(config, observer=observer, final=final)
    now = prepared.reading.profile.fingerprint
    if now != facts.get("fingerprint"):
        # Other data give other numbers: there is nothing to compare.
        return {**found, "data": {"then": facts.get("fingerprint"), "now": now}}
    outcome = execute(
        config, out=out, observer=observer, final=final, command=command, prepared=prepared,
        replay=Replay(_left_out(first), facts.get("budget") or {}, facts.get("tuned") or {}),
    )  # fmt: skip
    if outcome.interrupted:
        raise KeyboardInterrupt
    files = compare_files(first, outcome.folder)
    same = all(row["same"] for row in files)
    return {**found, "identical": same, "folder": str(outcome.folder.path), "files": files}


def _settings(folder: RunFolder, facts: Mapping[str, Any], data: str | None) -> tuple[RunConfig, bool]:
    place = str(folder.path)
    kind = facts.get("kind", "fit" if (folder / "forecast.csv").exists() else "backtest")
    if kind not in FORECASTS:
        raise ModelFileError(place=place, value=str(kind)[:40], rule="only runs of fit and backtest are run again")
    # Who computed then changes no number, and a cluster may be gone.
    config = load_config(None, values={**facts["config"], "engine": "local", "address": None})
    if data is not None:
        config = load_config(None, values={**config.to_dict(), "data": {**config.data.model_dump(), "path": data}})
    if not config.data.path:
        raise ConfigError(
            place=place,
            rule="this run was made from a frame in Python, which is not stored",
            remedy="Write the frame to a file and give it with --data.",
        )
    return config, FORECASTS[kind]


def _versions(facts: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    then = facts.get("versions")
    then = then if isinstance(then, dict) else {}
    now = artifacts.versions()
    apart = [name for name in dict.fromkeys([*then, *now]) if str(then.get(name)) != str(now.get(name))]
    return {name: {"then": str(then.get(name)), "now": str(now.get(name))} for name in apart}


def _left_out(folder: RunFolder) -> dict[str, str]:
    """Models that a time budget stopped, with the reason that the leaderboard gives."""
    board = folder.table("leaderboard.csv")
    reasons = zip(board["model"].astype(str), board["reason"].astype(str)) if "reason" in board else ()
    return {name: reason for name, reason in reasons if reason.startswith(BUDGET)}


def compare_files(first: RunFolder, second: RunFolder) -> list[dict[str, Any]]:
    """A row a table: name, same, and what is not.

    Raises:
        ModelFileError: a table is damaged.
    """
    rows = []
    for name in TABLES:
        there = [(folder / name).exists() for folder in (first, second)]
        if not any(there):
            continue
        if not all(there):
            rows.append({"name": name, "same": False, "what": "only in one of the two runs"})
            continue
        what = "" if _bytes(first / name) == _bytes(second / name) else _apart(first.table(name), second.table(name))
        rows.append({"name": name, "same": not what, "what": what})
    return rows


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(place=str(path), value=str(error.strerror), rule="cannot be read") from None


def _apart(a: pd.DataFrame, b: pd.DataFrame) -> str:
    """What differs, in words; empty = nothing."""
    a, b = (t.drop(columns=[c for c in TIMINGS if c in t]) for t in (a, b))
    if list(a.columns) != list(b.columns):
        odd = sorted(set(a.columns) ^ set(b.columns))
        return f"columns differ: {', '.join(map(str, odd[:5]))}" if odd else "columns stand in another order"
    if len(a) != len(b):
        return f"{len(a)} rows then, {len(b)} now"
    changed = np.zeros(len(a), dtype=bool)
    largest, names = 0.0, []
    for column in a.columns:
        x, y = a[column], b[column]
        apart = ~((x == y) | (x.isna() & y.isna())).to_numpy(dtype=bool)
        if not apart.any():
            continue
        changed |= apart
        names.append(str(column))
        if x.dtype.kind == "f" and y.dtype.kind == "f":
            largest = max(largest, _relative(x.to_numpy()[apart], y.to_numpy()[apart]))
    if not names:
        return ""
    said = f"{int(changed.sum())} of {len(a)} rows differ in {', '.join(names[:4])}"
    said += f" and {len(names) - 4} more" if len(names) > 4 else ""
    return said + (f", by {largest:.2g} of the value at most" if largest else "")


def _relative(x: np.ndarray, y: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        found = np.abs(x - y) / np.maximum(np.abs(x), np.abs(y))
    return float(np.max(found[np.isfinite(found)], initial=0.0))
