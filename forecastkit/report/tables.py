"""The leaderboard on a terminal: aligned columns, one colour, at most a screen."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd

from forecastkit.report.numbers import headline, number, p_text, percent, seconds
from forecastkit.report.words import words

__all__ = ["comparison_lines", "leaderboard_lines", "shown_word", "time_words"]

BOLD_GREEN, GREY, OFF = "\x1b[1;32m", "\x1b[2m", "\x1b[0m"
MOST = 8


def shown_word(row: pd.Series, verdict: dict[str, Any], lang: str = "en") -> str:
    """What the test says of one model, p in brackets: Holm's over all models but for the one test of the verdict."""
    if row["model"] == verdict["reference"]:
        return "reference" if lang == "en" else "referencia"
    said = {
        "better": ("yes", "sí"),
        "worse": ("worse", "peor"),
        "indistinguishable": ("no", "no"),
        "too few to tell": ("too few to tell", "pocas para decir"),
    }
    word = said.get(str(row.get("word", "")), ("", ""))[lang == "es"]
    p = p_text(row.get("p_value" if row["model"] == verdict.get("tested") else "p_holm"), lang)
    return f"{word} ({p})" if word and p else word


def leaderboard_lines(
    leaderboard: pd.DataFrame, verdict: dict[str, Any], *, width: int = 80, color: bool = False, lang: str = "en"
) -> list[str]:
    """The best models, all networks and the failed; the rest in one line.

    Args:
        leaderboard: as written to ``leaderboard.csv``.
        verdict: ``Verdict.to_dict()``.
        width: of the terminal.
        color: mark the recommended model.
    """
    reference, use = str(verdict["reference"]), str(verdict["use"])
    ok = leaderboard[leaderboard["status"].isin(["ok", "partial"])]
    metric = headline(ok)
    always = ok["model"].isin([use, reference]) | ok["family"].isin(["network", "ensemble"])
    room = MOST - int(always.sum())
    others = ok.index[~always][: max(room, 0)]
    shown = ok[always | ok.index.isin(others)]
    left = [str(m) for m in ok.loc[~ok.index.isin(shown.index), "model"]]
    against = ("vs " if lang == "en" else "frente a ") + reference
    heads = [
        "",
        metric.upper(),
        against,
        "shown?" if lang == "en" else "¿demostrado?",
        "time" if lang == "en" else "tiempo",
    ]
    rows = []
    for _, row in shown.iterrows():
        skill = "" if row["model"] == reference else percent(row.get("skill"), lang, sign=True)
        took = float(row.get("seconds_fit", 0.0)) + float(row.get("seconds_predict", 0.0))
        rows.append(
            [str(row["model"]), number(row[metric], lang), skill, shown_word(row, verdict, lang), seconds(took, lang)]
        )
    lines = _aligned([heads, *rows], "<>><>")
    if color:
        lines[0] = f"{GREY}{lines[0]}{OFF}"
        for k, cells in enumerate(rows, 1):
            if cells[0] == use:
                lines[k] = f"{BOLD_GREEN}{lines[k]}{OFF}"
    for _, row in leaderboard[~leaderboard["status"].isin(["ok", "partial"])].iterrows():
        said = words(lang).get(str(row["status"]), str(row["status"]))
        lines.append(_cut(f"{row['model']!s:<14}{said}: {' '.join(str(row['reason']).split())}", width))
    if left:
        more = "in the report" if lang == "en" else "en el informe"
        lines.append(_cut(", ".join(left), width - len(more) - 1) + f" {more}")
    return lines


def time_words(
    leaderboard: pd.DataFrame, budget: float | None, lang: str = "en", *, network_budget: float | None = None
) -> str:
    """What baselines and networks took, apart, and the time that each of them is given.

    Args:
        budget, network_budget: seconds of each statistical baseline, and of each network and seed; None = no limit.
    """
    took = leaderboard["seconds_fit"].fillna(0.0) + leaderboard["seconds_predict"].fillna(0.0)
    network = leaderboard["family"] == "network"
    es = lang == "es"
    parts = [f"{'referencias' if es else 'baselines'} {seconds(float(took[~network].sum()), lang)}"]
    if network.any():
        parts.append(f"{'redes' if es else 'networks'} {seconds(float(took[network].sum()), lang)}")
    limits = [
        f" ({'cada una' if es else 'each'} {'hasta' if es else 'at most'} {b:g} s)" if b else ""
        for b in (budget, network_budget)
    ]
    return ", ".join(f"{part}{limit}" for part, limit in zip(parts, limits))


def _aligned(rows: list[list[str]], sides: str) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    widths[0] = max(widths[0], 13)
    return ["   ".join(f"{cell:{side}{w}}" for cell, side, w in zip(row, sides, widths)).rstrip() for row in rows]


def _cut(text: str, width: int) -> str:
    width = max(width, 40)
    return text if len(text) <= width else text[: width - 1] + "…"


def comparison_lines(found: dict[str, Any], *, width: int = 80, color: bool = False, lang: str = "en") -> list[str]:
    """Two runs side by side, as ``run.comparison.compare`` found them."""
    es = lang == "es"
    metric = found["metric"]
    heads = ["", f"A {metric.upper()}", f"B {metric.upper()}", "B - A", "A MAE", "B MAE"]
    rows = []
    for row in found["models"]:
        a, b = row["first"] or {}, row["second"] or {}
        gap = ""
        if a.get(metric) is not None and b.get(metric) is not None and a[metric] > 0:
            gap = percent(b[metric] / a[metric] - 1, lang, sign=True)
        cells = [number(side.get(key), lang) for key in (metric, "mae") for side in (a, b)]
        rows.append([str(row["model"]), cells[0], cells[1], gap, cells[2], cells[3]])
    lines = [f"A  {found['runs'][0]}", f"B  {found['runs'][1]}", ""]
    table = _aligned([heads, *rows], "<>>>>>")
    lines += [f"{GREY}{table[0]}{OFF}" if color else table[0], *table[1:], ""]
    if not found["same_data"]:
        lines.append("Otros datos: los errores no se comparan." if es else "Other data: the errors cannot be compared.")
    elif not found["same_folds"]:
        said = "Other test folds: small differences may come from them alone."
        lines.append("Otros cortes de prueba: pequeñas diferencias pueden venir de ahí." if es else said)
    for d in found["differences"]:
        lines.append(_cut(f"{d['setting']}: {d['first']} -> {d['second']}", width))
    for letter, verdict in zip("AB", found["verdicts"]):
        lines.append("")
        text = " ".join(verdict["sentence"][lang])
        lines += textwrap.wrap(f"{letter}  {text}", max(min(width, 110), 40), subsequent_indent="   ")
    return lines
