"""Commands that judge forecasts: ``evaluate`` those made elsewhere, ``score`` those of a run once the rows have come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forecastkit.cli.lines import check_lang, field, width, with_color

__all__ = ["run_evaluate", "run_score"]


def _say(label: str, text: str) -> None:
    print(field(label, text, width()))


def run_evaluate(
    forecasts: str,
    reading: Mapping[str, Any],
    *,
    data: str,
    cost: str | None,
    fee: float | None,
    out: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """Print leaderboard and verdict of forecasts made elsewhere."""
    from forecastkit.reading import ReadOptions
    from forecastkit.report import tables
    from forecastkit.run.foreign.score import evaluate_forecasts

    check_lang(lang)
    found = evaluate_forecasts(forecasts, data, ReadOptions(**reading), cost=cost, fee=fee)
    if out is not None:
        found.save(out)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False, default=str))
        return
    for note in found.notes:
        _say("Note" if lang == "en" else "Nota", note)
    verdict = found.verdict.to_dict()
    columns = shutil.get_terminal_size().columns
    print()
    for line in tables.leaderboard_lines(found.leaderboard, verdict, width=columns, color=with_color(), lang=lang):
        print(line)
    print()
    _say("Verdict" if lang == "en" else "Veredicto", " ".join(verdict["sentence"][lang]))
    _print_money(found.money, lang)
    if out is not None:
        _say("Written" if lang == "en" else "Escrito", str(out))


def _print_money(money: dict[str, Any] | None, lang: str) -> None:
    if money is None:
        return
    if money["cost"] is not None:
        _say("Cost" if lang == "en" else "Coste", money["cost"]["sentence"][lang])
        for note in money["cost"]["notes"][lang]:
            _say("", note)
    if money["trading"] is not None:
        _say("Trading" if lang == "en" else "Bolsa", money["trading"]["sentence"][lang])
        _say("", money["trading"]["warning"][lang])


def run_score(run: Path, *, actuals: str, lang: str, as_json: bool) -> None:
    """Print how a run's forecast turned out."""
    from forecastkit.run.outcome import score_run

    check_lang(lang)
    found = score_run(run, actuals)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    for line in _outcome_lines(found, lang):
        print(line)
    print()
    _say("Outcome" if lang == "en" else "Resultado", found.sentence[lang])
    _say("Drift" if lang == "en" else "Deriva", found.drift.sentence[lang])
    for note in found.notes:
        _say("Note" if lang == "en" else "Nota", note)


MOST_STEPS = 14


def _outcome_lines(found: Any, lang: str) -> list[str]:
    """A row a step and one over all, beside the backtest's numbers."""
    from forecastkit.report.numbers import number, percent

    en = lang == "en"
    heads = ["step", "n", "MAE", "MASE", "80 %", "95 %", "MAE promised", f"MAE {found.naive}"]
    if not en:
        heads[0], heads[6] = "paso", "MAE prometido"
    rows = [r for r in found.by_step.to_dict("records") if r["n"]]
    left = len(rows) - MOST_STEPS
    table = [heads]
    for r in rows[:MOST_STEPS] if left > 1 else rows:
        bands = [percent(r["coverage_80"], lang), percent(r["coverage_95"], lang)]
        table.append([str(r["step"]), str(r["n"]), number(r["mae"], lang), number(r["mase"], lang), *bands,
                      number(r["promised_mae"], lang), number(r["naive_mae"], lang)])  # fmt: skip
    overall = {r["who"]: r for r in found.overall.to_dict("records")}
    own, promised, naive = overall["forecast"], overall["promised"], overall[found.naive]
    bands = [percent(own["coverage_80"], lang), percent(own["coverage_95"], lang)]
    table.append(["all" if en else "todos", str(own["n"]), number(own["mae"], lang), number(own["mase"], lang), *bands,
                  number(promised["mae"], lang), number(naive["mae"], lang)])  # fmt: skip
    bands = [percent(promised["coverage_80"], lang), percent(promised["coverage_95"], lang)]
    table.append(["promised" if en else "promesa", str(promised["n"]), number(promised["mae"], lang),
                  number(promised["mase"], lang), *bands, "", ""])  # fmt: skip
    widths = [max(len(row[k]) for row in table) for k in range(len(heads))]
    lines = ["   ".join(f"{c:>{w}}" if k else f"{c:<{w}}" for k, (c, w) in enumerate(zip(row, widths))).rstrip()
             for row in table]  # fmt: skip
    if left > 1:
        lines.insert(MOST_STEPS + 1, f"… {left} more steps" if en else f"… {left} pasos más")
    return lines
