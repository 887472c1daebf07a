"""Draw docs/layers.svg, the rooms of the package in the order of their imports.

python docs/_ext/layers.py

The order is read from tests/test_architecture.py, which also checks it against the code.
"""

from __future__ import annotations

import ast
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "layers.svg"
WIDTH, LEFT, GAP, HIGH = 780, 60, 8, 34
SMALL = 4
"""A layer of more rooms than this is drawn in smaller boxes."""
SAID = {
    "errors": "place, value, rule, remedy",
    "reading": "any file or frame becomes checked series",
    "nn": "layers, heads, losses: no data, no trainer",
    "training": "one LightningModule, one trainer",
    "report": "frames in, one HTML page out",
    "run": "configuration to folder: who calls whom, and in what order",
    "api": "the Python front door",
    "cli": "arguments and progress",
}


def order() -> list[list[str]]:
    """Layers from the lowest up, as the test has them."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    found = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "ORDER"
    )
    return [sorted(names) for names in ast.literal_eval(found)]


def box(x: float, y: float, width: float, name: str, size: int) -> str:
    """One room with its name, and a line of what it is where there is space for it."""
    words = SAID.get(name, "") if width > WIDTH / 2 else ""
    said = f'<tspan fill="#555" font-weight="400">  {escape(words)}</tspan>' if words else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HIGH}" rx="5" fill="#eef4fb" stroke="#0072b2"/>'
        f'<text x="{x + width / 2:.1f}" y="{y + HIGH / 2 + size / 3:.1f}" font-size="{size}" font-weight="600" '
        f'text-anchor="middle">{escape(name)}{said}</text>'
    )


def rows() -> list[list[str]]:
    """Layers from the top down; a layer with many rooms takes several rows."""
    out = []
    for names in reversed(order()):
        n_rows = -(-len(names) // 6)
        size = -(-len(names) // n_rows)
        out += [names[k : k + size] for k in range(0, len(names), size)]
    return out


def draw() -> str:
    """The picture as SVG."""
    lines = rows()
    height = 2 * GAP + len(lines) * (HIGH + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif">',
        "<title>Rooms of forecastkit: each imports from its own row and the rows below, never from above</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<path d="M24 {2 * GAP}V{height - 3 * GAP}m-6 -9l6 9l6 -9" fill="none" stroke="#555" stroke-width="2"/>',
        f'<text transform="translate(46 {height / 2}) rotate(90)" font-size="12" fill="#555" text-anchor="middle">'
        "imports point down</text>",
    ]
    for k, names in enumerate(lines):
        width = (WIDTH - LEFT - GAP * len(names)) / len(names)
        y = 1.5 * GAP + k * (HIGH + GAP)
        for j, name in enumerate(names):
            parts.append(box(LEFT + j * (width + GAP), y, width, name, 13 if len(names) > SMALL else 15))
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    OUT.write_text(draw(), encoding="utf-8")
