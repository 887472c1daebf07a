"""Parts of pages that come from the code: a line ``<!-- generated: NAME -->`` becomes what NAME gives.

Nothing is written to the source, so that no page can fall behind the code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import option_tables

HERE = Path(__file__).resolve().parent
PLACE = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^):\s]+)\)")
LINK = re.compile(r"\[([^\]]+)\]\(\.\./([^)#\s]+)\)")


def other_pages(docs: Path) -> str:
    """Pages that the index does not name, for its last list: a new page is on the site without an edit there."""
    index = (docs / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:.*<)?([\w/-]+)>?$", index, re.MULTILINE))
    rest = sorted(p.stem for p in docs.glob("*.md") if p.stem not in {*named, "index"})
    return "\n".join(["```{toctree}", ":caption: More", ":maxdepth: 1", "", *rest, "```"]) if rest else ""


def extras(docs: Path) -> str:
    """The optional parts of the package, from pyproject.toml."""
    facts = tomllib.loads((docs.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = [[f"`{name}`", ", ".join(needs)] for name, needs in facts["optional-dependencies"].items()]
    return option_tables.table(("extra", "brings"), rows)


PARTS: dict[str, Callable[[Path], str]] = {
    "run-settings": lambda docs: option_tables.run_settings(),
    "task-settings": lambda docs: option_tables.task_settings(),
    "model-options": lambda docs: option_tables.model_options(),
    "commands": lambda docs: option_tables.commands(),
    "extras": extras,
    "other-pages": other_pages,
}


def filled(text: str, docs: Path) -> str:
    """A page's text with its generated parts.

    Links out of docs/ lead somewhere in a checkout alone; here they say the path.
    """
    text = PLACE.sub(lambda found: PARTS[found[1]](docs), text)
    # A picture that a benchmark has still to draw is named, so that the site can be built meanwhile.
    text = PICTURE.sub(lambda found: found[0] if (docs / found[2]).exists() else f"*{found[1]}* (not drawn yet)", text)
    return LINK.sub(lambda found: f"`{found[2]}`" if found[1] in found[2] else f"{found[1]} (`{found[2]}`)", text)


def _fill(app: Any, name: str, source: list[str]) -> None:
    source[0] = filled(source[0], Path(app.srcdir))


def _plain_signs(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """``|y|`` in a docstring is an absolute value, not a substitution; a colon in that of a property starts no type."""
    if what in ("property", "attribute") and lines:
        lines[0] = lines[0].replace(": ", " – ")
    lines[:] = [line if "``" in line or line.lstrip().startswith(">>>") else line.replace("|", r"\|") for line in lines]


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _plain_signs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
