"""Read the blocks of a page, and do what it says."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "datasets" / "README.md"])
PAGES = [p for p in PAGES if "_build" not in p.parts]
FENCE = re.compile(r"^```(?P<head>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind the fence, options as ``:caption: FILE``, and its lines."""

    head: str
    options: dict[str, str]
    body: str


def blocks(page: Path) -> list[Block]:
    """In the order of the page."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        head, body, options = match["head"].strip(), match["body"], {}
        if head.startswith("{"):
            while option := re.match(r":([\w-]+):[ ]*(.*)\n", body):
                options[option[1]] = option[2]
                body = body[option.end() :]
        found.append(Block(head, options, body.lstrip("\n") if options else body))
    return found


def commands(text: str) -> list[str]:
    """Lines of a shell block without comments; a backslash goes on in the next line."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def follow(page: Path, folder: Path) -> str:
    """Do what a page says in ``folder``: files with a caption are written, ``diff`` is applied, ``sh`` and ``python`` run.

    Returns:
        What the commands printed.
    """
    said = []
    for block in blocks(page):
        if block.head.startswith("{literalinclude}"):
            shutil.copy(page.parent / block.head.split()[1], folder)
        elif block.head == "{code-block} diff":
            _patch(folder / block.options["caption"], block.body)
        elif "caption" in block.options:
            path = folder / block.options["caption"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.body, encoding="utf-8")
        elif block.head == "sh":
            said += [_run(command, folder) for command in commands(block.body)]
        elif block.head == "python":
            (folder / "_block.py").write_text(block.body, encoding="utf-8")
            said.append(_run("python _block.py", folder))
    return "\n".join(said)


def _patch(path: Path, diff: str) -> None:
    """Lines with + come after the line before them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = -1
    for line in diff.splitlines():
        if line.startswith("+"):
            at += 1
            lines.insert(at, line[1:])
        else:
            at = lines.index(line[1:])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(command: str, folder: Path) -> str:
    words = shlex.split(command, comments=True)
    if words[0] == "forecastkit" and not (folder / "forecastkit").exists():
        return _in_this_process(words[1:], folder)
    place = {"forecastkit": [sys.executable, "-m", "forecastkit"], "python": [sys.executable]}
    words = [*place.get(words[0], [words[0]]), *words[1:]]
    # The folder's own copy of the package, where a page changes it, else the one under test.
    paths = [str(folder), str(ROOT)]
    found = subprocess.run(
        words, cwd=folder, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True, timeout=600
    )  # fmt: skip
    assert found.returncode == 0, f"{command}\n{found.stdout[-2000:]}\n{found.stderr[-2000:]}"
    return found.stdout


def _in_this_process(words: list[str], folder: Path) -> str:
    from forecastkit.cli import main

    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = main(words)
    assert status == 0, f"{words}\n{said.getvalue()[-4000:]}"
    return said.getvalue()
