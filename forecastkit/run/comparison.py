"""Two runs side by side: what they say, and whether they may be compared at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from forecastkit.run.folder import RunFolder

__all__ = ["compare"]

SILENT = ("name", "lang", "threads", "n_jobs", "engine", "address", "checkpoint_seconds", "store")
"""Settings that change no number."""


def compare(first: str | Path, second: str | Path) -> dict[str, Any]:
    """Scores of both runs by model, verdicts, and every setting in which they differ.

    Returns:
        JSON-able: runs (names), same_data, same_folds, differences (setting, first, second), models (model, and for
        each run the metric, mae, skill, p_value or None), metric (mase; msse where both runs count squared errors), verdicts.

    Raises:
        ModelFileError: a folder is no run, of another task, or not finished.
    """
    folders = [RunFolder.open(first), RunFolder.open(second)]
    facts = [f.forecast_facts() for f in folders]
    boards = [f.table("leaderboard.csv").set_index("model") for f in folders]
    names = list(dict.fromkeys([*boards[0].index, *boards[1].index]))
    metric = "msse" if all("msse" in board for board in boards) else "mase"
    models = []
    for name in names:
        row: dict[str, Any] = {"model": name}
        for side, board in zip(("first", "second"), boards):
            row[side] = None
            if name in board.index:
                own = board.loc[name]
                row[side] = {k: _number(own.get(k)) for k in (metric, "mae", "skill", "p_value")}
        models.append(row)
    known = [(row["first"] or {}).get(metric) for row in models]
    order = sorted(range(len(models)), key=lambda k: float("inf") if known[k] is None else float(known[k] or 0.0))
    verdicts = [f.json("verdict.json") for f in folders]
    return {
        "runs": [f.path.name for f in folders],
        "same_data": facts[0].get("fingerprint") == facts[1].get("fingerprint"),
        "same_folds": _folds_of(folders[0]) == _folds_of(folders[1]),
        "differences": [
            {"setting": key, "first": a, "second": b}
            for key, a, b in _differences(_settings(facts[0]), _settings(facts[1]))
        ],
        "metric": metric,
        "models": [models[k] for k in order],
        "verdicts": [
            {"use": v["use"], "reference": v["reference"], "shown": v["shown"], "sentence": v["sentence"]}
            for v in verdicts
        ],
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _folds_of(folder: RunFolder) -> list[Any]:
    """The report folds: scores on other folds are no comparison."""
    return [(f["cutoff"], f["end"]) for f in folder.json("diagnostics.json")["folds"] if f["role"] == "report"]


def _settings(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"config": facts.get("config", {}), "versions": facts.get("versions", {})}


def _differences(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in dict.fromkeys([*a, *b]):
            if key not in SILENT:
                yield from _differences(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
    elif a != b:
        yield path.removeprefix("config."), a, b
