"""Imports point one way; the order is that of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import forecastkit

ROOT = Path(forecastkit.__file__).parent
BORDER = ("forecastkit.forecasting.schema", "forecastkit.forecasting.calendar", "forecastkit.forecasting.protocol")
ORDER = [
    {"errors"},
    {
        "plugins",
        "registry",
        "strict_yaml",
        "presets",
        "read_options",
        "config",
        "runtime",
        "parallel",
        "ranks",
        "artifacts",
        "cards",
        "download",
        "catalog",
        "probabilities",
        "wording",
    },
    {"sources"},
    {"reading"},
    {"nn"},
    {"training"},
    {"forecasting", "classification", "text"},
    {"report"},
    {"run"},
    {"api"},
    {"cli"},
]
LEVEL = {name: k for k, names in enumerate(ORDER) for name in names}


def _imports(path: Path):
    """(module, is at the top of the file)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and "TYPE_CHECKING" in ast.dump(test.test)
        for node in ast.walk(test)
    }
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top


def _room(module: str) -> str:
    return module.split(".")[1]


FILES = sorted(p for p in ROOT.rglob("*.py") if "_datasets" not in p.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    own = parts[0]
    if own in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"{own} has no place in the order: change docs/architecture.md first"
    for module, _ in _imports(path):
        if not module.startswith("forecastkit.") or module in BORDER:
            continue
        if own == "catalog" and module == "forecastkit.reading":
            continue  # load_dataset is the one step up, late
        assert LEVEL[_room(module)] <= LEVEL[own], f"{path.name} imports {module}"


@pytest.mark.parametrize(
    "path", [p for p in FILES if {"report", "models"} & set(p.relative_to(ROOT).parts)], ids=lambda p: p.stem
)
def test_torch_is_never_imported_at_the_top_of_a_model_or_report(path):
    assert not [m for m, is_top in _imports(path) if is_top and m.split(".")[0] in ("torch", "pytorch_lightning")]


def test_rows_after_a_cutoff_are_out_of_reach():
    """Stores up to a cutoff share arrays with the whole panel; only the store itself, and who makes it, may look into them."""
    looking = [p for p in FILES if re.search("shared_(values|observed)", p.read_text(encoding="utf-8"))]
    assert [p.relative_to(ROOT).as_posix() for p in looking] == ["forecasting/schema.py", "reading/mapped.py"]
