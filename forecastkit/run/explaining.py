"""explain.json: what the recommended model, or the best network, leans on in its test forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from forecastkit import artifacts
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.ensemble import NAME as ENSEMBLE
from forecastkit.forecasting.explain import Explanation, importance
from forecastkit.run.backtests import LOCAL, unseen_folds

if TYPE_CHECKING:
    from forecastkit.forecasting.evaluation import Evaluation
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.preparing import Prepared

__all__ = ["FILE", "explain_run", "explained_model"]

FILE = "explain.json"


def explained_model(prepared: Prepared, evaluation: Evaluation) -> str | None:
    """The recommended model where it reads windows; for an ensemble, or where covariates were given, the network of
    lowest error on select folds (on report folds where there are no others); else None.
    """
    use = evaluation.verdict.use
    families = {name: prepared.models[name].family for name in evaluation.seeds}
    networks = [name for name, family in families.items() if family not in (*LOCAL, ENSEMBLE)]
    if use in networks:
        return use
    frame = prepared.frame
    if not networks or (use != ENSEMBLE and not frame.covariates):
        return None
    board = evaluation.leaderboard.set_index("model")
    metric = evaluation.scales.metric
    ranked = board.loc[networks, f"select_{metric}" if f"select_{metric}" in board else metric]
    return str(ranked.fillna(float("inf")).idxmin())


def explain_run(
    prepared: Prepared, folder: RunFolder, evaluation: Evaluation, backtests: Mapping[str, Sequence[ModelBacktest]]
) -> None:
    """Write explain.json, where there is something to explain."""
    name = explained_model(prepared, evaluation)
    one = None if name is None else next((r for r in backtests[name] if r.fitted is not None), None)
    if name is None or one is None or one.fitted is None:
        return
    plan, unseen = prepared.plan, unseen_folds(prepared.folds, one)
    found = importance(
        name, one.fitted, prepared.frame, unseen, gap=plan.gap, season_length=plan.season_length,
        overlap=plan.overlap,
    )  # fmt: skip
    if found is not None:
        artifacts.write_json(folder / FILE, {**found.to_dict(), "sentence": sentences(found)})


def sentences(found: Explanation) -> dict[str, str]:
    """What the model leans on most, in words."""
    top = [r for r in found.rows if r.low > 0][:2] or list(found.rows[:1])
    said: dict[str, list[str]] = {"en": [], "es": []}
    for r in top:
        for lang, times in (("en", "times as large"), ("es", "veces mayor")):
            share = f"{100 * r.growth:.0f} %" if r.growth < 10 else f"{1 + r.growth:.0f} {times}"
            said[lang].append(f"{thing(r.name, lang)} ({share})")
    return {
        "en": f"{found.model} leans most on {' and '.join(said['en'])}: so much its error grows when these are taken from "
        "another test forecast.",
        "es": f"{found.model} se apoya sobre todo en {' y '.join(said['es'])}: tanto crece su error si se toman de otro "
        "pronóstico de prueba.",
    }


def thing(name: str, lang: str) -> str:
    """A block of lags in words; a covariate by its name.

    >>> thing("lags 1", "en"), thing("lags 2-24", "en"), thing("temperature", "en")
    ('the last row', 'rows 2 to 24 before', 'temperature')
    """
    if not name.startswith("lags "):
        return name
    first, _, last = name.removeprefix("lags ").partition("-")
    if not last:
        if first == "1":
            return "the last row" if lang == "en" else "la última fila"
        return f"row {first} before" if lang == "en" else f"la fila {first} anterior"
    return f"rows {first} to {last} before" if lang == "en" else f"las filas {first} a {last} anteriores"
