"""A leaderboard as a table for a paper or a page: Markdown, LaTeX or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import pandas as pd

from forecastkit import artifacts
from forecastkit.errors import ConfigError, near
from forecastkit.report.numbers import MINUS, number, percent

__all__ = ["Format", "leaderboard_table"]

Format = Literal["md", "latex", "csv"]

NUMBERS = {
    "msse": "MSSE", "mase": "MASE", "mae": "MAE", "rmse": "RMSE", "wql": "WQL",
    "f1": "F1", "sensitivity": "sensitivity", "ppv": "PPV", "macro_f1": "macro F1", "accuracy": "accuracy",
    "roc_auc": "ROC AUC", "pr_auc": "PR AUC", "brier": "Brier", "ece": "ECE",
    "bits_per_char": "bits a character", "perplexity": "perplexity", "bleu": "BLEU", "chrf": "chrF",
}  # fmt: skip
"""Columns of a leaderboard that are shown where they are there, in this order; whichever task they belong to."""
WORDS = {
    "en": {"model": "model", "skill": "better than", "p": "p (Holm)", "p_one": "p", "failed": "failed"},
    "es": {"model": "modelo", "skill": "mejor que", "p": "p (Holm)", "p_one": "p", "failed": "falló"},
}
MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\|*_`[]<>#"})
LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    MINUS: "$-$", "–": "--",
})  # fmt: skip


def leaderboard_table(
    leaderboard: pd.DataFrame, verdict: Mapping[str, Any], form: str = "md", *, lang: str = "en"
) -> str:
    """The leaderboard of any task as text.

    Args:
        leaderboard: as in ``leaderboard.csv``; failed models keep their row.
        verdict: as in ``verdict.json``; the model to use is bold, and what is said of it stands below.
        form: ``md``: a table of GitHub's Markdown; ``latex``: a tabular for booktabs; ``csv``: every column, unrounded.
        lang: en or es.

    Raises:
        ConfigError: another format or language.
    """
    if form not in get_args(Format):
        raise ConfigError(
            place="--format", value=repr(form), rule="no such format", remedy=near(form, get_args(Format))
        )
    if lang not in WORDS:
        raise ConfigError(place="--lang", value=repr(lang), rule="en or es")
    if form == "csv":
        return artifacts.to_csv_text(leaderboard)
    heads, rows = _cells(leaderboard, verdict, lang)
    use = str(verdict.get("use") or "")
    said = " ".join((verdict.get("sentence") or {}).get(lang, []))
    if form == "md":
        return _markdown(heads, rows, use, said)
    return _latex(heads, rows, use, said)


def _cells(board: pd.DataFrame, verdict: Mapping[str, Any], lang: str) -> tuple[list[str], list[list[str]]]:
    words, reference = WORDS[lang], str(verdict.get("reference") or "")
    shown = [c for c in NUMBERS if c in board and board[c].notna().any()]
    columns = {c: NUMBERS[c] for c in shown}
    if "skill" in board and reference:
        columns["skill"] = f"{words['skill']} {reference}"
    p = next((c for c in ("p_holm", "p_value") if c in board and board[c].notna().any()), None)
    if p:
        columns[p] = words["p" if p == "p_holm" else "p_one"]
    failed = ~board["status"].isin(["ok", "partial"]) if "status" in board else pd.Series(False, index=board.index)
    rows = []
    for (_, row), is_failed in zip(board.iterrows(), failed):
        cells = [str(row["model"])]
        for column in columns:
            cells.append("–" if is_failed else _cell(column, row, reference, lang))
        rows.append(cells)
        if is_failed:
            # The reason itself is in the CSV and in the report.
            rows[-1][0] += f" ({words['failed']})"
    return [words["model"], *columns.values()], rows


def _cell(column: str, row: pd.Series, reference: str, lang: str) -> str:
    value = row[column]
    if column not in ("skill", "p_holm", "p_value"):
        return number(value, lang)
    if row["model"] == reference or not isinstance(value, float) or value != value:
        return ""
    if column == "skill":
        return percent(value, lang, sign=True)
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return text.replace(".", ",") if lang == "es" else text


def _markdown(heads: list[str], rows: list[list[str]], use: str, said: str) -> str:
    body = [[cell.translate(MARKDOWN) for cell in row] for row in rows]
    for row, plain in zip(body, rows):
        if plain[0] == use:
            row[0] = f"**{row[0]}**"
    lines = [[h.translate(MARKDOWN) for h in heads], ["---", *["---:"] * (len(heads) - 1)], *body]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + (f"\n{said.translate(MARKDOWN)}\n" if said else "")


def _latex(heads: list[str], rows: list[list[str]], use: str, said: str) -> str:
    body = [[cell.translate(LATEX) for cell in row] for row in rows]
    for row, plain in zip(body, rows):
        if plain[0] == use:
            row[0] = rf"\textbf{{{row[0]}}}"
    lines = [
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
        r"\toprule",
        " & ".join(h.translate(LATEX) for h in heads) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in body),
        r"\bottomrule",
        r"\end{tabular}",
        *([said.translate(LATEX)] if said else []),
    ]
    return "\n".join(lines) + "\n"
