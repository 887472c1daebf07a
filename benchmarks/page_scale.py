"""Sections of the figures page on scale and trust."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

__all__ = ["scale_sections"]

Newest = Callable[[str, list[str]], pd.DataFrame | None]


def scale_sections(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    parts = []
    rows = newest("scale.csv", ["what"])
    if rows is not None:
        parts.append(
            "\n## What one row, series and step cost\n`python benchmarks/scale.py`, processor time of one thread.\n"
        )
        parts.append(table(rows[["what", "cpu_microseconds"]]))
    rows = newest("store_memory.csv", ["order", "store", "rows"])
    if rows is not None:
        parts += _memory(rows, table)
    rows = newest("fuzz.csv", ["kind"])
    if rows is not None:
        parts.append(
            "\n## Damaged input\n`python benchmarks/fuzz.py`: *other errors* are those that are no `ForecastkitError`.\n"
        )
        parts.append(table(rows[["kind", "inputs", "refused", "other_errors", "slowest_s", "peak_mib"]]))
    rows = newest("kill_and_resume.csv", ["command", "killed_after_s"])
    if rows is not None:
        same = int((rows["same"] == "True").sum())
        parts.append(
            f"\n## Killed and resumed\n`python benchmarks/kill_and_resume.py`: {same} of {len(rows)} to the same bytes."
        )
    rows = newest("mutation.csv", ["module"])
    if rows is not None:
        parts.append(
            "\n## Faults that the tests notice\n`python benchmarks/mutation.py --sample 0`; those that change nothing are explained in "
            "`benchmarks/results/mutation_survivors.csv`.\n"
        )
        parts.append(table(rows[["module", "tried", "killed", "share", "explained"]]))
    return parts


def _memory(rows: pd.DataFrame, table: Callable[[pd.DataFrame], str]) -> list[str]:
    sizes = rows[["raw_float32_mib", "anonymous_mib"]].astype(float).join(rows[["order", "store"]])
    slopes = []
    for (order, store), own in sizes.sort_values("raw_float32_mib").groupby(["order", "store"], sort=False):
        if len(own) > 1:
            first, last = own.iloc[0], own.iloc[-1]
            slope = (last["anonymous_mib"] - first["anonymous_mib"]) / (
                last["raw_float32_mib"] - first["raw_float32_mib"]
            )
            slopes.append(f"{slope:.2f} (`{store}`, by {order})")
    return [
        "\n## Memory of a panel\n`python benchmarks/store_memory.py --rows 10000000 50000000 --steps 50`, MiB above the libraries; "
        "*anonymous* is what the system cannot take back while a network trains, batches included. From the smallest panel to the largest, "
        f"it grows by so many times the raw float32 bytes: {', '.join(slopes)}. Values are held in float64.\n",
        table(rows[["order", "store", "rows", "raw_float32_mib", "read_mib", "anonymous_mib", "mapped_mib"]]),
    ]
