"""What the costs of forecasts come to, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from forecastkit.forecasting import significance
from forecastkit.wording import amount, decimal_comma, p_value, share

if TYPE_CHECKING:
    from forecastkit.forecasting.cost import Cost

__all__ = ["notes", "sentence", "word_of"]


def notes(levels: Sequence[float], tau: float) -> dict[str, list[str]]:
    """Language -> that the quantile ``tau`` is none of those forecast, where it lies beyond ``levels``."""
    if levels[0] <= tau <= levels[-1]:
        return {"en": [], "es": []}
    held = levels[0] if tau < levels[0] else levels[-1]
    en = (
        f"The quantile {tau:.4g} lies beyond the forecast ones; {held:g} was used, and the real optimum is further out."
    )
    es = f"El cuantil {tau:.4g} queda fuera de los pronosticados; se usó {held:g}, y el óptimo real está más lejos."
    return {"en": [en], "es": [decimal_comma(es)]}


def sentence(
    rows: Mapping[str, dict[str, Any]], cost: Cost, model: str, reference: str, *, chosen_here: bool
) -> dict[str, str]:
    """Language -> what the decisions of ``model`` cost beside those of ``reference``.

    Args:
        rows: model -> its row of ``cost_table``.
        chosen_here: whether ``model`` was chosen on these very forecasts.
    """
    out = {}
    for lang in ("en", "es"):
        beside = "" if model == reference else _evidence(rows[model], lang, chosen_here)
        out[lang] = f"{_decision(rows[model], cost, lang)} {_costs(rows, model, reference, lang)}{beside}"
    return out


def _decision(row: dict[str, Any], cost: Cost, lang: str) -> str:
    tau = f"{100 * cost.tau:.3g} %"
    if row["rule"] == "quantile":
        en = (
            f"With a cost of {cost.over:g} for each unit too much and {cost.under:g} for each unit too little, the "
            f"cheapest decision is the {tau} quantile."
        )
        es = (
            f"Con un coste de {cost.over:g} por unidad de más y {cost.under:g} por unidad de menos, la decisión más "
            f"barata es el cuantil del {tau}."
        )
        return en if lang == "en" else decimal_comma(es)
    if lang == "en":
        return f"The cheapest decision would be the {tau} quantile, but {row['model']} gives points only, and its points decide."
    tau = decimal_comma(tau)
    return (
        f"La decisión más barata sería el cuantil del {tau}, pero {row['model']} solo da puntos, y con ellos se decide."
    )


def _costs(rows: Mapping[str, dict[str, Any]], model: str, reference: str, lang: str) -> str:
    row, base, en = rows[model], rows[reference], lang == "en"
    own = amount(row["cost"], lang)
    if model == reference:
        point = amount(row["cost_point"], lang)
        if en:
            return f"So decided, {model} costs {own} a forecast value; by its point forecast {point}."
        return f"Así, {model} cuesta {own} por valor pronosticado; con su pronóstico puntual, {point}."
    by_quantile = row["rule"] == "quantile"
    same = by_quantile and base["rule"] == "quantile"
    other = amount(base["cost"] if same else base["cost_point"], lang)
    rival = reference if same or not by_quantile else f"{reference} {'by its points' if en else 'con sus puntos'}"
    saving = float(row["saving"])
    size, less = share(abs(saving), lang), saving >= 0
    if en:
        side = f"{size} {'less' if less else 'more'}" if math.isfinite(saving) else "not comparable"
        return f"So decided, {model} costs {own} a forecast value, {rival} {other}: {side}"
    side = f"un {size} {'menos' if less else 'más'}" if math.isfinite(saving) else "no comparable"
    return f"Así, {model} cuesta {own} por valor pronosticado y {rival} {other}: {side}"


def _evidence(row: dict[str, Any], lang: str, chosen_here: bool) -> str:
    en = lang == "en"
    n, (word, column) = int(row["n_folds"]), word_of(row, chosen_here)
    band = ""
    if math.isfinite(row["saving_lo"]):
        low, high = share(row["saving_lo"], lang), share(row["saving_hi"], lang)
        band = f" (95 % interval {low} to {high})" if en else f" (intervalo del 95 %: de {low} a {high})"
    if word == significance.TOO_FEW:
        few = f"{n} test forecasts are too few to tell." if en else f"{n} pruebas son pocas para decir."
        return f"{band}; {few}"
    p = f" ({p_value(row[column], lang)})" if math.isfinite(row[column]) else ""
    shown = word in (significance.BETTER, significance.WORSE)
    if en:
        said = "which is more than chance" if shown else "which may be chance"
        return f"{band} in {n} test forecasts, {said}{p}."
    said = "más de lo que daría el azar" if shown else "algo que puede ser azar"
    return f"{band} en {n} pruebas, {said}{p}."


def word_of(row: dict[str, Any], chosen_here: bool) -> tuple[str, str]:
    """(word, p-value column) of a row; Holm's where the model was chosen on the same forecasts."""
    word = str(row["word"])
    if not chosen_here or not math.isfinite(row["p_holm"]):
        return word, "p_value"
    return (significance.INDISTINGUISHABLE if row["p_holm"] >= significance.ALPHA else word), "p_holm"
