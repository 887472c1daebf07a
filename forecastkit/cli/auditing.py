"""The command ``audit``: leaks in models and data, as a table."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecastkit.cli.lines import width, with_color
from forecastkit.errors import ConfigError
from forecastkit.registry import names_in

if TYPE_CHECKING:
    from forecastkit.forecasting.audit_rows import AuditReport

__all__ = ["audit_lines", "run_audit"]

RED_BOLD, YELLOW, GREY, OFF = "\x1b[1;31m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


def run_audit(
    data: str | None,
    models: str | None,
    reading: Mapping[str, Any],
    *,
    horizon: int | None,
    n_cutoffs: int,
    seed: int,
    full: bool,
    as_json: bool,
) -> int:
    """Audit, print, and return the exit status: 0 clean, 1 a leak.

    Raises:
        ForecastkitError: bad input, exit status 2.
    """
    if not data:
        raise ConfigError(
            place="--data", rule="no data given", remedy="Give a file: --data prices.csv, or dataset:prices."
        )
    names = names_in(models) if models is not None else ("naive", "lstm")
    if not names:
        raise ConfigError(place="--models", rule="no model named", remedy="Give names: --models lstm,theta.")
    from forecastkit import registry
    from forecastkit.reading import ReadOptions

    for name in names:
        registry.create_model(name)  # an unknown name is said before anything is read
    options = ReadOptions(**reading)
    watched = sys.stderr.isatty() and not as_json
    report = _audited(data, names, options, horizon, n_cutoffs, seed, full, watched)
    if as_json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    else:
        for line in audit_lines(report, width=width(), color=with_color()):
            print(line)
    return report.exit_status


def _audited(
    data: str, names: tuple[str, ...], options: Any, horizon: int | None, n_cutoffs: int, seed: int, full: bool, watched: bool
) -> AuditReport:  # fmt: skip
    from forecastkit.forecasting.audit_source import audit_source

    def tell(part: str) -> None:
        if watched:
            print(f"\r\x1b[Kaudit: {part}", end="", file=sys.stderr, flush=True)

    try:
        return audit_source(
            data, names, options, horizon=horizon, n_cutoffs=n_cutoffs, seed=seed, full=full, progress=tell
        )
    finally:
        if watched:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def audit_lines(report: AuditReport, *, width: int = 80, color: bool = False) -> list[str]:
    """The table of an audit, what was done, and the answer.

    Args:
        width: of the terminal; long sentences go on under themselves.
        color: mark leaks and suspicions.
    """
    heads = ("check", "model", "status", "")
    cells = [(r.check, r.model or "data", r.status, r.seen) for r in report.rows]
    sizes = [max(len(row[k]) for row in (heads, *cells)) for k in range(3)]
    indent = sum(sizes) + 9
    shade = {"leak": RED_BOLD, "suspicion": YELLOW}
    lines = [_row(heads, sizes, indent, width, GREY if color else "")]
    lines += [_row(c, sizes, indent, width, shade.get(c[2], "") if color else "") for c in cells]
    done = [line for said in report.done for line in textwrap.wrap(said, max(width, 40))]
    return [*lines, "", *done, "", report.sentence()]


def _row(cells: tuple[str, ...], sizes: list[int], indent: int, width: int, shade: str) -> str:
    head = "   ".join(f"{cell:<{size}}" for cell, size in zip(cells, sizes))
    room = max(width - indent, 30)
    seen = f"\n{' ' * indent}".join(textwrap.wrap(cells[3], room, break_on_hyphens=False))
    text = f"{head}   {seen}".rstrip()
    return f"{shade}{text}{OFF}" if shade else text
