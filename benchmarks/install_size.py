"""What an installation takes on disk, with and without torch.

    python benchmarks/install_size.py

Makes a fresh environment in a temporary folder, installs this checkout with constraints.txt, and counts the bytes of every
package. "without torch" leaves out torch and the packages that only torch asks for (sympy, networkx; nvidia-* of a CUDA build).
Rows are appended to results/install_size.csv: the totals and the largest packages.
"""

from __future__ import annotations

import datetime as dt
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from rows import append

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 12
PIP = ("pip", "setuptools", "wheel")

COUNT = """
import importlib.metadata as m, json, pathlib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
sizes, needs = {}, {}
for d in m.distributions():
    name = canonicalize_name(d.metadata["Name"])
    paths = {pathlib.Path(str(d.locate_file(f))) for f in d.files or ()}
    sizes[name] = sum(p.stat().st_size for p in paths if p.is_file())
    asked = map(Requirement, d.requires or ())
    needs[name] = [canonicalize_name(r.name) for r in asked if not r.marker or r.marker.evaluate({"extra": ""})]
print(json.dumps([sizes, needs]))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = next(p for p in (Path(folder, "bin/python"), Path(folder, "Scripts/python.exe")) if p.exists())
        install = ["-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT)]
        subprocess.run([str(python), *install], check=True)
        # Only a package that can be used counts.
        subprocess.run([str(python), "-m", "forecastkit", "--version"], check=True, cwd=folder)
        said = subprocess.run([str(python), "-c", COUNT], capture_output=True, text=True, check=True, cwd=folder)
    sizes, needs = json.loads(said.stdout)
    write({name: size for name, size in sizes.items() if name not in PIP}, needs)


def reached(needs: dict[str, list[str]], without: str) -> set[str]:
    """Packages that forecastkit needs where one is not there, with those that they need in turn."""
    found, ahead = set(), ["forecastkit"]
    while ahead:
        name = ahead.pop()
        if name not in found and name != without:
            found.add(name)
            ahead += needs.get(name, [])
    return found


def write(sizes: dict[str, int], needs: dict[str, list[str]]) -> None:
    kept = reached(needs, "torch")
    rows = {"all": sum(sizes.values()), "without torch": sum(size for name, size in sizes.items() if name in kept)}
    rows |= dict(sorted(sizes.items(), key=lambda pair: -pair[1])[:LARGEST])
    rows |= {"forecastkit": sizes["forecastkit"]}
    facts = [platform.python_version(), platform.machine()]
    out = [[dt.date.today(), what, f"{size / 1e6:.1f}", *facts] for what, size in rows.items()]
    append("install_size.csv", ("date", "what", "mb", "python", "machine"), out)
    for row in out:
        print(*row)


if __name__ == "__main__":
    main()
