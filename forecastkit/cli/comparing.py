"""``compare`` and ``leaderboard``: runs side by side, and the models of one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from forecastkit.cli.lines import check_file, check_lang, with_color
from forecastkit.errors import ConfigError

__all__ = ["run_compare", "run_leaderboard"]

BOTH_NEEDED = 2


def run_compare(runs: list[Path], *, as_json: bool, lang: str) -> None:
    """Print models, verdicts and what was different.

    Raises:
        ConfigError: not two runs, or no such language.
        ModelFileError: a folder is no run, or not finished.
    """
    if len(runs) != BOTH_NEEDED:
        raise ConfigError(place="compare", value=f"{len(runs)} runs", rule="two are needed")
    check_lang(lang)
    from forecastkit.report.tables import comparison_lines
    from forecastkit.run.comparison import compare

    found = compare(*runs)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
        return
    for line in comparison_lines(found, width=shutil.get_terminal_size().columns, color=with_color(), lang=lang):
        print(line)


def run_leaderboard(run: Path, *, form: str, out: Path | None, lang: str) -> None:
    """Print or write the leaderboard of a run of any task.

    Raises:
        ConfigError: no such format.
        ModelFileError: not a run, or not finished.
        DataError: ``out`` cannot be written.
    """
    from forecastkit import artifacts
    from forecastkit.report.leaderboards import leaderboard_table
    from forecastkit.run.folder import RunFolder

    folder = RunFolder.open(run)
    table = leaderboard_table(folder.table("leaderboard.csv"), folder.json("verdict.json"), form, lang=lang)
    if out is None:
        print(table, end="")
        return
    check_file(out)
    artifacts.write_text(out, table)
