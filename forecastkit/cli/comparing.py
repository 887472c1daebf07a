"""``compare``: two runs side by side."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from forecastkit.errors import ConfigError

__all__ = ["run_compare"]

BOTH_NEEDED = 2


def run_compare(runs: list[Path], *, as_json: bool, lang: str) -> None:
    """Print models, verdicts and what was different.

    Raises:
        ConfigError: not two runs.
        ModelFileError: a folder is no run, or not finished.
    """
    if len(runs) != BOTH_NEEDED:
        raise ConfigError(place="compare", value=f"{len(runs)} runs", rule="two are needed")
    from forecastkit.report.tables import comparison_lines
    from forecastkit.run.comparison import compare

    found = compare(*runs)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
        return
    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for line in comparison_lines(found, width=shutil.get_terminal_size().columns, color=color, lang=lang):
        print(line)
