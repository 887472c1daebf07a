"""Remarks of reading, folds and models in the language of the page: said in English where they arise, turned here.

A run keeps what was said, so that an old run is shown in Spanish too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter

from forecastkit.wording import decimal_comma

__all__ = ["FORECASTS", "found_in", "remark"]

FORECASTS = {
    # Why a model was chosen.
    "No select folds: no model could be chosen by test, so the plain rule is used.": "Sin cortes de elección: ningún modelo pudo elegirse con una prueba, y se usa la regla simple.",
    "{model} has the lowest {metric} on {n} select folds, {loss}.": "{model} tiene el {metric} más bajo en {n} cortes de elección, {loss}.",
    "{model} has the lowest {metric} on 1 select fold, {loss}.": "{model} tiene el {metric} más bajo en un corte de elección, {loss}.",
    "{model} ({metric} {own}) is the simplest of the models that are as good as the best on {n} select folds, {best} ({loss}).": "{model} ({metric} {own}) es el más simple de los modelos tan buenos como el mejor en {n} cortes de elección, {best} ({loss}).",
    "{model} ({metric} {own}) is the simplest of the models that are as good as the best on 1 select fold, {best} ({loss}).": "{model} ({metric} {own}) es el más simple de los modelos tan buenos como el mejor en un corte de elección, {best} ({loss}).",
    "{model} ({loss}) was not clearly better than a naive rule there.": "{model} ({loss}) no fue allí claramente mejor que una regla simple.",
    "Networks are not chosen on fewer than {n} select folds.": "Con menos de {n} cortes de elección no se elige una red.",
    # Folds.
    "Horizon {n}: the history is too short for more.": "Horizonte {n}: la historia es corta para más.",
    "No select folds (as asked): no model can be chosen by test, a naive rule is recommended.": "Sin cortes de elección (así se pidió): ningún modelo puede elegirse con una prueba, se recomienda una regla simple.",
    "No select folds (the history is too short for them): no model can be chosen by test, a naive rule is recommended.": "Sin cortes de elección (la historia es corta): ningún modelo puede elegirse con una prueba, se recomienda una regla simple.",
    "No calibrate folds (as asked): intervals are uncalibrated.": "Sin cortes de calibración (así se pidió): los intervalos no están calibrados.",
    "No calibrate folds (the history is too short for them): intervals are uncalibrated.": "Sin cortes de calibración (la historia es corta): los intervalos no están calibrados.",
    "The first fold learns from {n} rows, fewer than the {advised} that are advised.": "El primer corte aprende de {n} filas, menos de las {advised} que se aconsejan.",
    "{n} series are left out of {some} of {folds} folds: {late} times not yet begun, {over} times already ended.": "{n} series quedan fuera de {some} de {folds} cortes: {late} veces sin empezar, {over} veces ya terminadas.",
    "Cutoffs are counted from each series' own end; one step is not one instant for all series.": "Los cortes se cuentan desde el final de cada serie; un paso no es el mismo instante para todas.",
    "{share} % of the values are 0, and a forecast of 0 would have the lowest absolute error: squared errors decide (MSSE), which ask for the mean.": "El {share} % de los valores son 0, y pronosticar 0 tendría el menor error absoluto: deciden los errores cuadráticos (MSSE), que piden la media.",
    "Transform {kind} chosen for the first fit, and by the same rule for each later one: {why}.": "Transformación {kind}, elegida para el primer ajuste y con la misma regla para los siguientes: {why}.",
    "Not transformed; --transform auto would take {kind}: {why}.": "Sin transformar; --transform auto tomaría {kind}: {why}.",
    # Models.
    "the mean of {names}": "la media de {names}",
    "the median of {names}": "la mediana de {names}",
    "time is that of its members": "su tiempo es el de sus miembros",
    "season {n} taken out by {how} first": "estación {n} quitada antes ({how})",
    "{n} of {all} series constant when fitted: their last value is the forecast": "{n} de {all} series constantes al ajustar: se pronostica su último valor",
    "no known covariate of use in {n} of {all} series": "ninguna covariable conocida útil en {n} de {all} series",
    "without covariates": "sin covariables",
    "history too short for early stopping: fixed number of steps": "historia corta para parar a tiempo: número fijo de pasos",
    "history too short for a tail: early stopping on a fifth of the series": "historia corta para validar con su final: se valida con una quinta parte de las series",
    "stopped by its time limit at step {n}": "detenido por su límite de tiempo en el paso {n}",
    "{n} steps fitted into its time limit": "{n} pasos cabían en su límite de tiempo",
    # Reading.
    "season {n}": "estación {n}",
    "season {n} (found)": "estación {n} (hallada)",
    "season {n} (conventional; none found)": "estación {n} (la usual; no se halló ninguna)",
    "no season found": "no se halló estación",
    "the first of {n} numeric columns; --target chooses another": "la primera de {n} columnas numéricas; --target elige otra",
    "{days} never occur and are taken for closed days": "{days} no aparecen nunca y se toman por días cerrados",
    "{n} series never change": "{n} series no cambian nunca",
    "{n} instants without a row, in {gaps} gaps": "{n} instantes sin fila, en {gaps} huecos",
    "{n} instants without a row, in 1 gap": "{n} instantes sin fila, en un hueco",
    "1 instant without a row, in 1 gap": "un instante sin fila, en un hueco",
    "{n} spikes": "{n} picos",
    "1 spike": "un pico",
    "{n} split-like jumps, the first by a factor of {factor}": "{n} saltos como de un desdoblamiento, el primero por un factor de {factor}",
    "1 split-like jump, the first by a factor of {factor}": "un salto como de un desdoblamiento, por un factor de {factor}",
    "{code} occurs {n} times, far from all else: does it mean missing? Empty the cells then": "{code} aparece {n} veces, lejos de todo lo demás: ¿significa que falta? Entonces vacía las celdas",
    "{code} occurs once, far from all else: does it mean missing? Empty the cells then": "{code} aparece una vez, lejos de todo lo demás: ¿significa que falta? Entonces vacía las celdas",
    "{n} series set aside: fewer than {least} observed rows": "{n} series apartadas: menos de {least} filas observadas",
    "{n} unobserved rows filled: {how}": "{n} filas no observadas, rellenadas: {how}",
    "{n} duplicated instants: kept by --duplicates {how}": "{n} instantes repetidos: --duplicates {how}",
    "no time column was found: rows are taken in their order as steps": "no se halló columna de tiempo: las filas se toman por su orden como pasos",
    # Frequencies.
    "sessions of {unit}": "sesiones de {unit}",
    "every {n} {unit}": "cada {n} {unit}",
    "seconds": "segundos", "minutes": "minutos", "quarter-hours": "cuartos de hora", "half-hours": "medias horas", "hours": "horas",
    "days": "días", "business days": "días hábiles", "weeks": "semanas", "weeks ({day})": "semanas ({day})", "months": "meses",
    "months (last day)": "meses (último día)", "quarters": "trimestres", "quarters (last day)": "trimestres (último día)",
    "years": "años", "years (last day)": "años (último día)", "steps": "pasos", "Mondays": "lunes", "Tuesdays": "martes",
    "Wednesdays": "miércoles", "Thursdays": "jueves", "Fridays": "viernes", "Saturdays": "sábados", "Sundays": "domingos",
    "Mon": "lunes", "Tue": "martes", "Wed": "miércoles", "Thu": "jueves", "Fri": "viernes", "Sat": "sábado", "Sun": "domingo",
}  # fmt: skip
"""English -> Spanish of forecasting; a test holds both sides together."""


def remark(said: str, lang: str) -> str:
    """A remark on forecasts in the language of the page; what is not known stays as it was said.

    >>> remark("theta has the lowest MASE on 5 select folds, 0.611.", "es")
    'theta tiene el MASE más bajo en 5 cortes de elección, 0,611.'
    >>> remark("sessions of days", "es"), remark("every 2 hours", "es"), remark("weeks (Fridays)", "es")
    ('sesiones de días', 'cada 2 horas', 'semanas (viernes)')
    """
    if lang == "en":
        return said
    found = found_in(FORECASTS, said)
    if found is not None:
        spanish, parts = found
        turned = {
            name: ", ".join(remark(word, lang) for word in text.split(", "))
            if name in ("unit", "day", "days")
            else text
            for name, text in parts.items()
        }
        return decimal_comma(spanish.format(**turned))
    for mark, end in ((". ", "."), ("; ", "")):
        if mark in said:
            sentences = said.split(mark)
            return mark.join(
                [remark(s + end, lang).removesuffix(end) for s in sentences[:-1]] + [remark(sentences[-1], lang)]
            )
    return said


def found_in(known: Mapping[str, str], said: str) -> tuple[str, dict[str, str]] | None:
    """(the Spanish of a remark, with places for its parts; the parts), or None where it is not among those known."""
    for pattern, spanish in _patterns(tuple(known.items())):
        found = pattern.fullmatch(said)
        if found:
            return spanish, found.groupdict()
    return None


@lru_cache(maxsize=4)
def _patterns(known: tuple[tuple[str, str], ...]) -> list[tuple[re.Pattern[str], str]]:
    """Those that say most first; no part reaches over the end of a sentence."""

    def pattern(english: str) -> str:
        pieces = Formatter().parse(english)
        return "".join(
            re.escape(text) + (f"(?P<{name}>(?:(?![.;] ).)+?)" if name else "") for text, name, _, _ in pieces
        )

    def said(english: str) -> int:
        return sum(len(text) for text, *_ in Formatter().parse(english))

    ordered = sorted(known, key=lambda pair: -said(pair[0]))
    return [(re.compile(pattern(english), re.DOTALL), spanish) for english, spanish in ordered]
