"""What a verdict says: what to use, and what was shown, in sentences of two languages."""

from __future__ import annotations

import math
from dataclasses import dataclass

from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.significance import BETTER, BY_ORIGIN, BY_SERIES, TOO_FEW, WORSE
from forecastkit.reading.aliases import split_alias
from forecastkit.wording import decimal_comma, p_value

__all__ = ["Facts", "sentences", "span"]


@dataclass(frozen=True)
class Facts:
    """What the sentences are made of.

    Args:
        use, reference, tested, word, label, p_value, skill, metric, more_rows: as in ``Verdict``.
        freq, horizon: what one forecast reaches over.
        identical: whether both models made the same errors, to the last digit.
        n_folds, n_items: test forecasts, and the series in them.
        loss, base: of ``tested`` and ``reference``, in units of ``metric``.
    """

    use: str
    reference: str
    tested: str | None
    freq: str
    horizon: int
    word: str = TOO_FEW
    label: str = BY_ORIGIN
    identical: bool = False
    p_value: float | None = None
    n_folds: int = 0
    n_items: int = 0
    skill: float | None = None
    metric: str = "mase"
    loss: float = math.nan
    base: float = math.nan
    more_rows: int | None = None

    @property
    def gain(self) -> float:
        """Share by which the tested model's error is smaller; NaN where the reference has none."""
        return 1 - self.loss / self.base if self.base > 0 else math.nan


def sentences(facts: Facts, more_time: dict[str, str] | None) -> dict[str, tuple[str, str]]:
    """Language -> (what to use, what is shown).

    Args:
        more_time: language -> how long until there are enough folds; None = there are, or rows enough for them.
    """
    return {
        lang: (_use(facts, lang), _evidence(facts, lang, more_time[lang] if more_time else None))
        for lang in ("en", "es")
    }


def _use(facts: Facts, lang: str) -> str:
    name = facts.use
    if facts.word == TOO_FEW:
        return f"Use {name} for now." if lang == "en" else f"Usa {name} por ahora."
    if facts.word == WORSE and facts.tested == name:
        return f"Use {name} only with care." if lang == "en" else f"Usa {name} solo con cautela."
    return f"Use {name}." if lang == "en" else f"Usa {name}."


def _evidence(facts: Facts, lang: str, more: str | None) -> str:
    if facts.word == TOO_FEW:
        return _too_few(facts, lang, more)
    if facts.tested is None:
        en, es = "No other kind of model was put to the test.", "No se puso a prueba otro tipo de modelo."
        return en if lang == "en" else es
    against = "against" if lang == "en" else "frente a"
    fill = {
        "tested": facts.tested,
        "reference": facts.reference,
        "by": _by(facts, lang),
        "losses": f"{facts.metric.upper()} {_decimal(facts.loss, lang)} {against} {_decimal(facts.base, lang)}",
        "trials": _trials(facts, lang),
        "chance": _chance(facts.p_value, lang),
        "p": "p = ?" if facts.p_value is None else p_value(facts.p_value, lang),
    }
    return _SENTENCES[lang][_case(facts)].format_map(fill) + _disagreement(facts, lang)


def _disagreement(facts: Facts, lang: str) -> str:
    """Said where the mean over all errors and the geometric mean over series point to different sides."""
    if facts.skill is None or not facts.skill * facts.gain < 0:
        return ""
    share, worse = f"{100 * abs(facts.skill):.1f}", facts.skill < 0
    if lang == "en":
        return f" As a geometric mean over the series it is {share} % {'worse' if worse else 'better'}."
    return f" En media geométrica sobre las series es un {decimal_comma(share)} % {'peor' if worse else 'mejor'}."


def _case(facts: Facts) -> str:
    whose = "own" if facts.tested == facts.use else "other"
    if facts.identical:
        return f"{whose} identical"
    return f"{whose} {facts.word}" if facts.word in (BETTER, WORSE) else f"{whose} unclear"


# Names of models come from the registry or the user's configuration; format_map never looks into them.
_SENTENCES = {
    "en": {
        "own better": "It beats {reference} by {by} ({losses}) in {trials}; a difference this large would come by "
        "chance {chance} ({p}).",
        "own unclear": "It is not shown to beat {reference}: it is {by} ({losses}) in {trials}, which chance alone "
        "would give {chance} ({p}).",
        "own worse": "It won where the choice was made, but in {trials} it was {by} than {reference} ({losses}), which "
        "chance would give {chance} ({p}); {reference} is the safer one.",
        "own identical": "Its forecasts were as good as those of {reference}, to the last digit, in {trials}.",
        "other better": "In {trials}, {tested} beat it by {by} ({losses}), which chance would give {chance} ({p}); but "
        "where the choice was made it was not clearly better. Worth a further trial.",
        "other unclear": "Nothing here is shown to beat it: the best of the others, {tested}, is {by} ({losses}) in "
        "{trials}, which chance alone would give {chance} ({p}).",
        "other worse": "Nothing here is shown to beat it: the best of the others, {tested}, is {by} ({losses}) in "
        "{trials}, which chance would give {chance} ({p}).",
        "other identical": "Nothing here beats it: the forecasts of {tested} were as good, to the last digit, in {trials}.",
    },
    "es": {
        "own better": "Mejora a {reference} en un {by} ({losses}) en {trials}; una diferencia así se daría por azar "
        "{chance} ({p}).",
        "own unclear": "No demuestra ser mejor que {reference}: es {by} ({losses}) en {trials}, algo que el puro azar "
        "daría {chance} ({p}).",
        "own worse": "Ganó donde se eligió, pero en {trials} fue {by} que {reference} ({losses}), algo que el azar daría "
        "{chance} ({p}); {reference} es la opción segura.",
        "own identical": "Sus predicciones fueron tan buenas como las de {reference}, hasta la última cifra, en {trials}.",
        "other better": "En {trials}, {tested} lo mejoró en un {by} ({losses}), algo que el azar daría {chance} ({p}); pero "
        "donde se eligió no era claramente mejor. Merece otra prueba.",
        "other unclear": "Ningún modelo demuestra ser mejor: el mejor de los demás, {tested}, es {by} ({losses}) en "
        "{trials}, algo que el puro azar daría {chance} ({p}).",
        "other worse": "Ningún modelo demuestra ser mejor: el mejor de los demás, {tested}, es {by} ({losses}) en "
        "{trials}, algo que el azar daría {chance} ({p}).",
        "other identical": "Ningún modelo lo mejora: las predicciones de {tested} fueron igual de buenas, hasta la última "
        "cifra, en {trials}.",
    },
}


def _too_few(facts: Facts, lang: str, more: str | None) -> str:
    few, en = _how_few(facts, lang), lang == "en"
    if more:
        return (
            f"{few}; after about {more} there will be enough." if en else f"{few}; con cerca de {more} habrá bastantes."
        )
    if facts.more_rows == 0:
        ask = "the history allows more: raise n_report" if en else "los datos permiten más: aumenta n_report"
        return f"{few}; {ask}."
    return f"{few}."


def _how_few(facts: Facts, lang: str) -> str:
    n, en = facts.n_folds, lang == "en"
    if facts.label == BY_SERIES and n == 1 and facts.n_items > 1:
        if en:
            return f"One test forecast of {facts.n_items} series is too few to tell models apart"
        return f"Una predicción de prueba de {facts.n_items} series es muy poco para distinguir modelos"
    if n == 0:
        if en:
            return "No test forecast could be compared, too few to tell models apart"
        return "Ninguna predicción de prueba se pudo comparar: no se pueden distinguir modelos"
    if n == 1:
        if en:
            return "There is 1 test forecast, too few to tell models apart"
        return "Hay 1 predicción de prueba, muy poco para distinguir modelos"
    if en:
        return f"There are {n} test forecasts, too few to tell models apart"
    return f"Hay {n} predicciones de prueba, muy pocas para distinguir modelos"


def _by(facts: Facts, lang: str) -> str:
    """``8 %`` where one model beats another, else ``1.2 % better`` or ``5 % worse``."""
    side = {"en": ("better", "worse"), "es": ("mejor", "peor")}[lang][0 if facts.loss <= facts.base else 1]
    if not math.isfinite(facts.gain):
        return side
    size = 100 * abs(facts.gain)
    digits = 0 if size >= 9.95 else 1 if size >= 0.095 else 2
    text = f"{size:.{digits}f}"
    text = f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"
    if lang == "es":
        text = decimal_comma(text)
    if facts.word == BETTER:
        return text
    return f"{text} {side}" if lang == "en" else f"un {text} {side}"


def _decimal(x: float, lang: str) -> str:
    if not math.isfinite(x):
        return "?"
    size = abs(x)
    if x == 0 or 0.095 <= size < 99.5:
        text = f"{x:.2f}"
    elif 1e-4 <= size < 1e5:
        text = f"{x:.0f}" if size >= 99.5 else f"{x:.3g}"
    else:
        text = f"{x:.2e}"
    return decimal_comma(text) if lang == "es" else text


_COUNTS = {
    "en": ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "es": ("dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez"),
}


def _chance(p: float | None, lang: str) -> str:
    """A p-value as people say it.

    >>> _chance(0.31, "en"), _chance(0.004, "en"), _chance(0.31, "es")
    ('one time in three', 'less than once in 200 times', 'una de cada tres veces')
    """
    if p is None:
        return "?"
    if p > 0.6:
        return "most of the time" if lang == "en" else "la mayoría de las veces"
    if p >= 0.095:
        n = _COUNTS[lang][min(max(round(1 / p), 2), 10) - 2]
        return f"one time in {n}" if lang == "en" else f"una de cada {n} veces"
    below = max(n for n in (10, 20, 50, 100, 200, 500, 1000) if n <= max(10.0, 1 / max(p, 1e-9)))
    return f"less than once in {below} times" if lang == "en" else f"menos de una vez cada {below}"


_UNITS = {
    "s": ("second", "seconds", "segundo", "segundos"),
    "min": ("minute", "minutes", "minuto", "minutos"),
    "h": ("hour", "hours", "hora", "horas"),
    "D": ("day", "days", "día", "días"),
    "B": ("business day", "business days", "día hábil", "días hábiles"),
    "W": ("week", "weeks", "semana", "semanas"),
    "M": ("month", "months", "mes", "meses"),
    "Q": ("quarter", "quarters", "trimestre", "trimestres"),
    "Y": ("year", "years", "año", "años"),
}
_ALIASES = {"ME": "M", "MS": "M", "BME": "M", "BMS": "M", "QE": "Q", "QS": "Q", "BQE": "Q", "BQS": "Q"}
_ALIASES |= {"YE": "Y", "YS": "Y", "BYE": "Y", "BYS": "Y", "A": "Y", "H": "h", "T": "min", "S": "s", "C": "B"}


def _steps(freq: str, n: int, lang: str) -> str:
    """``n`` steps of a frequency in words.

    >>> _steps("MS", 12, "en"), _steps("30min", 4, "en"), _steps("step", 1, "es")
    ('12 months', '4 steps of 30 minutes', '1 paso')
    """
    multiple, alias, _ = split_alias(freq)
    unit = _UNITS.get(_ALIASES.get(alias, alias))
    steps = {"en": ("step", "steps"), "es": ("paso", "pasos")}[lang][n != 1]
    if unit is None:
        return f"{n} {steps}"
    names = unit[:2] if lang == "en" else unit[2:]
    if multiple == 1:
        return f"{n} {names[n != 1]}"
    return f"{n} {steps} {'of' if lang == 'en' else 'de'} {multiple} {names[1]}"


def _trials(facts: Facts, lang: str) -> str:
    steps, en = _steps(facts.freq, facts.horizon, lang), lang == "en"
    if facts.label == BY_SERIES:
        n = facts.n_items
        return f"one forecast of {steps} for {n} series" if en else f"una predicción de {steps} para {n} series"
    return f"{facts.n_folds} forecasts of {steps}" if en else f"{facts.n_folds} predicciones de {steps}"


def span(calendar: Calendar, rows: int, lang: str) -> str:
    """How long it takes until ``rows`` more rows have come, e.g. ``8 more months``."""
    instants = calendar.instants
    if calendar.is_integer or len(instants) < 2:
        return f"{rows} more row{'s' * (rows != 1)}" if lang == "en" else f"{rows} fila{'s' * (rows != 1)} más"
    seconds = float((instants[-1] - instants[0]).total_seconds()) / (len(instants) - 1) * rows
    sizes = {
        "Y": 365.25 * 86400,
        "M": 30.44 * 86400,
        "W": 7 * 86400.0,
        "D": 86400.0,
        "h": 3600.0,
        "min": 60.0,
        "s": 1.0,
    }
    key = next((k for k, size in sizes.items() if seconds >= 2 * size), "s")
    n = max(1, math.ceil(seconds / sizes[key] - 0.05))
    one, many, uno, muchos = _UNITS[key]
    if lang == "en":
        return f"{n} more {many if n != 1 else one}"
    return f"{n} {muchos if n != 1 else uno} más"
