"""The command that runs a run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["run_rerun"]

SHORT = 12
"""Digits of a fingerprint that tell two apart at a glance."""


def run_rerun(run: Path, *, data: str | None, out: Path | None, quiet: bool, as_json: bool) -> int:
    """Run again and say what differs; returns 0 where nothing does, else 1."""
    from forecastkit.cli.options import command_line
    from forecastkit.cli.progress import observed
    from forecastkit.run.rerun import rerun

    with observed(quiet or as_json) as watch:
        found = rerun(run, data=data, out=out, observer=watch, command=command_line())
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for line in lines(found):
            print(line)
    return 0 if found["identical"] else 1


def lines(found: dict[str, Any]) -> list[str]:
    """What is said of a second run."""
    said = [f"{name}: {v['then']} then, {v['now']} now" for name, v in found["versions"].items()]
    versions = f"Versions differ: {'; '.join(said)}." if said else ""
    if found["data"]:
        then, now = (str(found["data"][k])[:SHORT] for k in ("then", "now"))
        out = [f"Different: the data have changed (fingerprint {then} then, {now} now). Nothing was run."]
    elif found["identical"]:
        names = ", ".join(row["name"] for row in found["files"])
        return [f"Identical: {names}.", *([versions] if versions else []), f"Run again in {found['folder']}"]
    else:
        out = ["Different:"]
        out += [f"  {row['name']}: {row['what'] or 'identical'}" for row in found["files"]]
        if not versions:
            out.append("Data and versions are the same: the machine or its number of threads may be another.")
    if versions:
        out.append(versions)
    return out + ([f"Run again in {found['folder']}"] if found["folder"] else [])
