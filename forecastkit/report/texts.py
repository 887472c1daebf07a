"""report.html of a text run: sections of words, tables and pictures, whatever the task; every text of the data is escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from forecastkit.report.charts import learning_chart
from forecastkit.report.numbers import number, percent
from forecastkit.report.rendering import both, environment
from forecastkit.report.svg import Plot

__all__ = ["Block", "Section", "TextPage", "confusion_block", "curves_section", "reliability_block", "render", "shown", "write_page"]  # fmt: skip

MOST_SHOWN = 300


@dataclass(frozen=True)
class Block:
    """One of: a paragraph, a table, a picture, folded or not.

    Args:
        shades: [rows][columns] 0 to 1 of cells; empty = none.
        chosen: number of the row that stands out; -1 = none.
        folded: behind this summary; empty = open.
        text_columns: columns of words, which may break over lines.
    """

    said: str = ""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    shades: Sequence[Sequence[float]] = ()
    chosen: int = -1
    chart: Markup | str = ""
    folded: str = ""
    text_columns: Sequence[int] = (0,)
    code: str = ""


@dataclass(frozen=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class TextPage:
    """All that the page says.

    Args:
        facts: (number, what it is, detail).
    """

    title: str
    sentence: Sequence[str]
    facts: Sequence[tuple[str, str, str]]
    sections: Sequence[Section]
    lang: str = "en"
    footer: str = ""


def render(page: TextPage) -> str:
    """The page as HTML."""
    return environment().get_template("text.html.j2").render(page=page, skip={"en": "Skip to the results", "es": "Ir a los resultados"}[page.lang])  # fmt: skip


def write_page(page: TextPage, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        DataError: the file cannot be written.
    """
    from forecastkit.artifacts import write_text

    write_text(path, render(page))


def shown(text: str, most: int = MOST_SHOWN) -> str:
    r"""A text for a cell: marks that would turn the page's writing direction are taken out, a long one is cut.

    >>> shown("a\u202eb", 5), shown("abcdef", 4)
    ('ab', 'abc…')
    """
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs", "Cf") or c in "\n\u200d")
    return text if len(text) <= most else text[: most - 1] + "…"


def confusion_block(matrix: np.ndarray, classes: Sequence[str], *, lang: str = "en") -> Block:
    """Rows are what it was, columns what was said; shades are shares of the row."""
    total = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    share = matrix / total
    said = {
        "en": "Rows: what it was. Columns: what the model said.",
        "es": "Filas: lo que era. Columnas: lo que dijo el modelo.",
    }[lang]
    rows = [[shown(name, 40), *(int(v) for v in row)] for name, row in zip(classes, matrix)]
    shades = [[0.0, *(float(v) for v in row)] for row in share]
    return Block(said=said, heads=["", *(shown(c, 40) for c in classes)], rows=rows, shades=shades)


def reliability_block(bins: Sequence[dict[str, float]], *, lang: str = "en") -> Block:
    """How sure the model was against how often it was right."""
    x = np.array([b["said"] for b in bins])
    y = np.array([b["seen"] for b in bins])
    text = {
        "en": "On the line, a model that says 80 % is right 8 times of 10.",
        "es": "Sobre la línea, un modelo que dice 80 % acierta 8 de cada 10 veces.",
    }[lang]
    axis = {"en": ("right", "said"), "es": ("aciertos", "dicho")}[lang]

    def draw(width: int) -> str:
        said = "; ".join(f"{percent(float(a), lang)}: {percent(float(b), lang)}" for a, b in zip(x, y))
        plot = Plot(width, 240, (0.0, 1.0), (0.0, 1.0), said, lang=lang, y_title=axis[0], x_title=axis[1], right=84)
        plot.line([0, 1], [0, 1], "reference")
        plot.line(x, y, "chosen")
        for a, b, row in zip(x, y, bins):
            plot.dot(float(a), float(b), "chosen", 2.5 + 3.5 * float(row["n"] / max(r["n"] for r in bins)) ** 0.5)
        return str(plot)

    return Block(said=text, chart=both(draw))


def curves_section(curves: pd.DataFrame, *, lang: str = "en") -> Section | None:
    """Loss and, where it was followed, accuracy by step; of the first fold of each model."""
    if not len(curves):
        return None
    blocks = []
    for name, rows in curves.groupby("model", sort=False):
        first = rows[(rows["fold"] == rows["fold"].min()) & (rows["seed"] == rows["seed"].min())]
        if len(first) < 2:
            continue
        own = first.assign(stopped=first["valid_loss"] == first["valid_loss"].min())
        blocks.append(Block(chart=both(partial(learning_chart, own, lang=lang, name=str(name)))))
        if "valid_accuracy" in own and own["valid_accuracy"].notna().sum() > 1:
            blocks.append(Block(chart=both(partial(_accuracy, own, str(name), lang=lang))))
    title = {"en": "Learning curves", "es": "Curvas de aprendizaje"}[lang]
    return Section(title, blocks) if blocks else None


def _accuracy(rows: pd.DataFrame, name: str, *, width: int, lang: str) -> str:
    x, y = rows["step"].to_numpy(float), rows["valid_accuracy"].to_numpy(float)
    word = {"en": "accuracy", "es": "exactitud"}[lang]
    known = y[np.isfinite(y)]
    said = f"{name}: {word} {number(float(known[0]), lang)} – {number(float(known[-1]), lang)}"
    plot = Plot(width, 140, (float(x.min()), float(x.max())), (0.0, 1.0), said, lang=lang, y_title=f"{name}: {word}", right=104)  # fmt: skip
    plot.line(x, y, "chosen")
    plot.label(float(known[-1]), percent(float(known[-1]), lang), "chosen")
    return str(plot)
