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
        parts.append(
            "\n## Memory of a panel\n`python benchmarks/store_memory.py --rows 10000000`, MiB above the libraries; *anonymous* is what the "
            "system cannot take back while a network trains, batches included.\n"
        )
        parts.append(
            table(rows[["order", "store", "rows", "raw_float32_mib", "read_mib", "anonymous_mib", "mapped_mib"]])
        )
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
