"""Line coverage of the package by its tests: a row a room in results/line_coverage.csv.

    python benchmarks/line_coverage.py                  # the whole suite, twenty minutes and more
    python benchmarks/line_coverage.py --missing        # and the lines that no test runs
    python benchmarks/line_coverage.py tests/reading    # some tests only; no rows
    python benchmarks/line_coverage.py --data FILE      # rows from what `coverage combine` made of parts of the suite

Tests that fail are run once more; if one fails again there are no rows. Only what runs in the test process itself is
counted: commands that tests start as processes of their own are not.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "line_coverage.csv"


def measured(tests: list[str], folder: Path) -> dict[str, dict]:
    """File of the package -> covered and missing lines."""
    environment = {**os.environ, "COVERAGE_FILE": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    tool = [sys.executable, "-m", "coverage"]
    pytest = ["-m", "pytest", "-q", "-o", f"cache_dir={folder / 'cache'}"]
    done = subprocess.run([*tool, "run", *pytest, *tests], cwd=ROOT, env=environment, check=False)
    if done.returncode:
        # On a busy machine a test that waits for a process may wait too long.
        print("once more, what failed", flush=True)
        again = [*tool, "run", "--append", *pytest, "--last-failed", *tests]
        if subprocess.run(again, cwd=ROOT, env=environment, check=False).returncode:
            raise SystemExit("the tests fail; their coverage says nothing")
    return read(folder / "data", folder)


def read(data: Path, folder: Path) -> dict[str, dict]:
    """The same of what was measured before."""
    report = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(folder / "report.json")]
    environment = {**os.environ, "COVERAGE_FILE": str(data.resolve())}
    subprocess.run(report, cwd=ROOT, env=environment, check=True)
    return dict(json.loads((folder / "report.json").read_text())["files"])


def room(path: str) -> str:
    parts = Path(path).parts
    return parts[1] if len(parts) > 2 else "top level"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--data", type=Path, help="measured before, in parts that were combined")
    parser.add_argument(
        "--without", default="", help="with --data: tests that are not in it, so that more lines are run"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = read(options.data, place) if options.data else measured(options.tests, place)
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, facts in sorted(files.items()):
        total, covered = facts["summary"]["num_statements"], facts["summary"]["covered_lines"]
        for name in (room(path), "all"):
            lines[name][0] += total
            lines[name][1] += covered
        if options.missing and facts["missing_lines"]:
            print(f"{path} {covered}/{total}: {_spans(facts['missing_lines'])}")
    today = dt.date.today().isoformat()
    rows = [
        {
            "date": today,
            "room": name,
            "lines": total,
            "covered": covered,
            "share": f"{covered / total:.3f}",
            "without": options.without,
        }
        for name, (total, covered) in sorted(lines.items(), key=lambda pair: pair[0] == "all")
        if total
    ]
    for row in rows:
        print(*row.values())
    if not options.tests:
        with RESULTS.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _spans(lines: list[int]) -> str:
    out: list[list[int]] = []
    for line in lines:
        if out and line <= out[-1][1] + 1:
            out[-1][1] = line
        else:
            out.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


if __name__ == "__main__":
    main()
