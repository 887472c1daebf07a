"""Which model to use, and whether it is shown to be better: two questions, answered on different folds.

The recommendation sees select folds only, the evidence report folds only; ``choose`` and ``verdict`` refuse folds of
another role.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting import significance
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import Losses, comparable, nan_mean
from forecastkit.forecasting.significance import BETTER, INDISTINGUISHABLE, TOO_FEW, WORSE
from forecastkit.forecasting.splits import EvalPlan, ReportFold, SelectFold, history_rows, require_role, rows_for_report

__all__ = ["NAIVES", "Choice", "ChoiceRule", "Verdict", "choose", "naive_reference", "verdict"]

NAIVES = ("naive", "drift", "seasonal_naive", "window_average")
"""The naive rules that others are measured against."""


@dataclass(frozen=True)
class Choice:
    """The recommended model.

    Args:
        model: its name.
        reason: why, in a sentence.
        table: a row a model, best first: ``model, loss, difference, standard_error, within, complexity``; loss is
            the MASE or MSSE on select folds (MAE where no scale is defined); difference and its error are against the best of
            those that may be chosen, and ``within`` are as good as that one.
        metric: ``"mase"``, ``"msse"`` or ``"mae"``.
        by_test: False where no select fold existed and a naive rule is recommended untested.
    """

    model: str
    reason: str
    table: pd.DataFrame = field(compare=False, repr=False)
    metric: str = "mase"
    by_test: bool = True


NETWORK = 100
"""Complexity from which a model counts as a network."""

MANY_SERIES = 20
"""So many series tell models apart on one or two folds as well."""
FEWEST_FOR_SPREAD = 3
"""Origins from which the spread is taken over them, and not over many series."""


@dataclass(frozen=True)
class ChoiceRule:
    """What a model has to show on select folds.

    ``benchmarks/recommendations.py --rules`` says what a rule costs in the test that follows. One whole standard error, the
    rule of Breiman et al. (1984, section 3.4.3), cost two thirds more than these defaults.

    Args:
        worth: share of the error by which it has to be better than the best naive rule.
        clear: standard errors of the difference that are taken off before, for luck.
        as_good: standard errors from the lowest error within which the simplest model is taken.
        as_good_naive: the same where naive rules alone are left.
        fewest_for_network: on fewer folds of few series a flexible model wins by luck too often.
    """

    worth: float = 0.02
    clear: float = 0.5
    as_good: float = 0.25
    as_good_naive: float = 1.0
    fewest_for_network: int = 3


RULE = ChoiceRule()

COLUMNS = ("model", "loss", "difference", "standard_error", "within", "complexity")


def choose(
    select_losses: Mapping[str, Losses[SelectFold]],
    complexity: Mapping[str, int],
    *,
    season_length: int = 1,
    rule: ChoiceRule = RULE,
) -> Choice:
    """The model of lowest error on select folds and, within a quarter of a standard error of it, the simplest; of naive rules,
    where no other may be chosen, the simplest within a whole one.

    Beside naive rules those may be chosen that are 2 % better than the best of them with half a standard error taken off. The
    standard error is that of the mean paired difference to the best model, one difference per origin, so that
    origins that are hard for everybody do not widen it. With a single origin, or two of many series, it is taken over
    series or, for one series, over steps, and is then too small. Models that could not forecast nearly all rows do not take
    part.

    Args:
        select_losses: model -> losses on select folds.
        complexity: model -> order; a model that is not named counts as the most complex.
        season_length: without select folds, seasonal naive is recommended where there is a season, else naive.

    Raises:
        TypeError: a fold is not a select fold.
    """
    _check_roles(select_losses, SelectFold)
    losses, partial = comparable({name: x for name, x in select_losses.items() if x.cells.any()})
    metric, cells = _in_one_unit({name: x for name, x in losses.items() if name not in partial})
    if not cells:
        model = "seasonal_naive" if season_length > 1 else "naive"
        reason = "No select folds: no model could be chosen by test, so the plain rule is used."
        return Choice(model, reason, pd.DataFrame(columns=list(COLUMNS)), metric, by_test=False)
    n = next(iter(cells.values())).shape[0]
    simple = {name: x for name, x in cells.items() if complexity.get(name, NETWORK) < NETWORK}
    n_series = int(np.isfinite(next(iter(cells.values()))).any(axis=(0, 2)).sum())
    too_few = n < rule.fewest_for_network and n_series < MANY_SERIES and 0 < len(simple) < len(cells)
    table = _choice_table(simple if too_few else cells, complexity, rule)
    within = table[table["within"]]
    best = within.iloc[0]
    model = str(within.sort_values(["complexity", "loss"], kind="stable").iloc[0]["model"])
    on = f"{n} select fold{'s' if n > 1 else ''}"
    if model == best["model"]:
        reason = f"{model} has the lowest {metric.upper()} on {on}, {best['loss']:.3g}."
    else:
        own = float(within.loc[within["model"] == model, "loss"].iloc[0])
        reason = (
            f"{model} ({metric.upper()} {own:.3g}) is the simplest of the models that are as good as the best on {on}, "
            f"{best['model']} ({best['loss']:.3g})."
        )
    lowest = table.iloc[0]
    if lowest["model"] != best["model"]:
        reason += f" {lowest['model']} ({lowest['loss']:.3g}) was not clearly better than a naive rule there."
    if too_few:
        reason += f" Networks are not chosen on fewer than {rule.fewest_for_network} select folds."
    return Choice(model, reason, table, metric)


def naive_reference(select_losses: Mapping[str, Losses[SelectFold]], *, season_length: int = 1) -> str:
    """The naive rule of lowest error on select folds; without any, seasonal naive where there is a season, else naive.

    Raises:
        TypeError: a fold is not a select fold.
    """
    _check_roles(select_losses, SelectFold)
    losses, partial = comparable({n: x for n, x in select_losses.items() if n in NAIVES and x.cells.any()})
    _, cells = _in_one_unit({name: x for name, x in losses.items() if name not in partial})
    if not cells:
        return "seasonal_naive" if season_length > 1 else "naive"
    return min(cells, key=lambda name: (_overall(cells[name]), NAIVES.index(name)))


def _check_roles(losses: Mapping[str, Losses[Any]], role: type) -> None:
    for x in losses.values():
        require_role(x.folds, role)


def _in_one_unit(losses: Mapping[str, Losses[Any]]) -> tuple[str, dict[str, np.ndarray]]:
    """(metric, model -> [F, I, H]): scaled errors, or plain ones where no scale is defined on any cell."""
    scaled = {name: x.scaled() for name, x in losses.items()}
    if any(np.isfinite(x).any() for x in scaled.values()):
        return next(iter(losses.values())).scales.metric, scaled
    return "mae", {name: x.ae for name, x in losses.items()}


def _overall(cells: np.ndarray) -> float:
    return float(nan_mean(nan_mean(cells, (1, 2))))


def _choice_table(cells: Mapping[str, np.ndarray], complexity: Mapping[str, int], rule: ChoiceRule) -> pd.DataFrame:
    loss = {name: _overall(x) for name, x in cells.items()}
    most = max([*complexity.values(), 0]) + 1
    order = {name: complexity.get(name, most) for name in cells}
    ranked = sorted(cells, key=lambda n: (loss[n], order[n], n))
    fit = _clearly_better(cells, ranked, loss, rule)
    best = next(name for name in ranked if name in fit)
    as_good = rule.as_good_naive if fit <= set(NAIVES) else rule.as_good
    rows = []
    for name in ranked:
        difference, error = _paired(cells[name] - cells[best])
        within = name in fit and bool(difference <= as_good * error + 1e-12 * loss[best])
        rows.append((name, loss[name], difference, error, within, order[name]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _clearly_better(
    cells: Mapping[str, np.ndarray], ranked: list[str], loss: Mapping[str, float], rule: ChoiceRule
) -> set[str]:
    """Naive rules, and what is clearly better than the best of them; everything where there is none."""
    naive = next((name for name in ranked if name in NAIVES), None)
    if naive is None:
        return set(ranked)
    fit = {name for name in ranked if name in NAIVES}
    for name in ranked:
        difference, error = _paired(cells[name] - cells[naive])
        if -difference - rule.clear * error > rule.worth * loss[naive]:
            fit.add(name)
    return fit


def _paired(difference: np.ndarray) -> tuple[float, float]:
    """Mean of differences [F, I, H] over origins, and its standard error."""
    units, by_item = nan_mean(difference, (1, 2)), nan_mean(difference, (0, 2))
    mean = float(nan_mean(units))
    n, n_items = int(np.isfinite(units).sum()), int(np.isfinite(by_item).sum())
    if n < FEWEST_FOR_SPREAD and n_items >= MANY_SERIES:
        units = by_item
    elif n < 2:
        units = by_item if n_items > 1 else nan_mean(difference, (0, 1))
    units = units[np.isfinite(units)]
    return mean, float(units.std(ddof=1) / math.sqrt(len(units))) if len(units) > 1 else 0.0


@dataclass(frozen=True)
class Verdict:
    """What to use and what is shown; ``to_dict`` is verdict.json.

    Args:
        use: the recommended model.
        reference: the naive rule of the test.
        tested: the model tested against it: the recommended one or, where that is naive, the best of the others on
            select folds; None = there was none.
        shown: whether ``use`` is shown to beat ``reference``.
        word: ``better``, ``indistinguishable``, ``worse`` or ``too few to tell``, of ``tested`` against ``reference``.
        label: ``across origins`` or ``across series``.
        sentence: language -> (what to use, what is shown).
        reason: why ``use`` was chosen.
        skill: of ``tested``: 1 - geometric mean over items of its error ratio to ``reference``.
        skill_interval: 95 %; None below ``significance.fewest_origins``.
        p_value: two-sided; None = not tested.
        n_report_folds: test forecasts.
        metric: of the next two, as in ``Choice``.
        loss_tested, loss_reference: on report folds, on common cells.
        more_rows: further rows until there are enough folds; None = there are. 0 = enough rows, ask for more folds.
        more_time: language -> the same in words.
        calibrated: whether intervals were set on calibrate folds.
    """

    use: str
    reference: str
    tested: str | None
    shown: bool
    word: str
    label: str
    sentence: dict[str, tuple[str, str]]
    reason: str
    skill: float | None
    skill_interval: tuple[float, float] | None
    p_value: float | None
    n_report_folds: int
    metric: str
    loss_tested: float | None
    loss_reference: float | None
    more_rows: int | None = None
    more_time: dict[str, str] | None = None
    calibrated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values; undefined numbers are None."""
        out = asdict(self)
        out["sentence"] = {lang: list(lines) for lang, lines in self.sentence.items()}
        out["skill_interval"] = None if self.skill_interval is None else list(self.skill_interval)
        return out


def verdict(
    choice: Choice,
    reference: str,
    report_losses: Mapping[str, Losses[ReportFold]],
    *,
    frame: SeriesFrame,
    plan: EvalPlan,
    calibrated: bool = False,
) -> Verdict:
    """Hold the choice against the naive reference on report folds and say it in words.

    Where the choice is itself a naive rule, it is the reference, and the best of the other models on select folds is
    tested against it: no model enters this test for what it did on report folds.

    Args:
        reference: from ``naive_reference``.
        plan: the plan the folds were made by, ``Folds.plan``.

    Raises:
        TypeError: a fold is not a report fold.
    """
    _check_roles(report_losses, ReportFold)
    if choice.model in NAIVES:
        reference = choice.model
    tested = choice.model if choice.model not in NAIVES else _challenger(choice, report_losses)
    few = significance.fewest_origins(plan.overlap)
    n_folds = max((len(x.folds) for x in report_losses.values()), default=0)
    facts = _Facts(choice, reference, tested, plan, frame)
    if tested is None:
        facts.n_folds = n_folds
    elif tested in report_losses and reference in report_losses:
        facts.measure(report_losses[tested], report_losses[reference])
    # A longer history helps where folds are few, not where a model failed on them.
    if facts.word == TOO_FEW and n_folds < few:
        facts.ask_for_more(few)
    return facts.verdict(calibrated)


def _challenger(choice: Choice, report_losses: Mapping[str, Losses[ReportFold]]) -> str | None:
    for name in choice.table["model"]:
        if name not in NAIVES and name in report_losses:
            return str(name)
    # Without select folds nothing ranks the others; a single one needs no ranking.
    others = [name for name in report_losses if name not in NAIVES]
    return others[0] if len(others) == 1 else None


class _Facts:
    """What the sentences are made of; filled step by step by ``verdict``."""

    def __init__(self, choice: Choice, reference: str, tested: str | None, plan: EvalPlan, frame: SeriesFrame) -> None:
        self.choice, self.reference, self.tested, self.plan, self.frame = choice, reference, tested, plan, frame
        self.word, self.label, self.identical = TOO_FEW, significance.BY_ORIGIN, False
        self.p_value: float | None = None
        self.n_folds = self.n_items = 0
        self.skill: float | None = None
        self.interval: tuple[float, float] | None = None
        self.metric, self.loss, self.base = "mase", math.nan, math.nan
        self.more_rows: int | None = None

    def measure(self, model: Losses[ReportFold], reference: Losses[ReportFold]) -> None:
        both = model.cells & reference.cells
        model, reference = model.only(both), reference.only(both)
        test = significance.compare(model.counted, reference.counted, model.scales.unit, overlap=self.plan.overlap)
        skill = significance.block_bootstrap(model.item_sums(), reference.item_sums(), block=self.plan.overlap)
        self.word, self.label, self.p_value, self.identical = test.verdict, test.label, test.p_value, test.identical
        self.n_folds, self.n_items = int(both.any(axis=(1, 2)).sum()), int(both.any(axis=(0, 2)).sum())
        self.skill = skill.skill if math.isfinite(skill.skill) else None
        self.interval = None if skill.low is None or skill.high is None else (skill.low, skill.high)
        self.metric, cells = _in_one_unit({"model": model, "reference": reference})
        self.loss, self.base = _overall(cells["model"]), _overall(cells["reference"])

    def ask_for_more(self, few: int) -> None:
        season = self.plan.season_length or self.frame.season_length
        have = history_rows(self.frame, self.plan.align)
        self.more_rows = rows_for_report(self.plan, have, season, few) - have

    @property
    def gain(self) -> float:
        """Share by which the tested model's error is smaller; NaN where the reference has none."""
        return 1 - self.loss / self.base if self.base > 0 else math.nan

    def verdict(self, calibrated: bool) -> Verdict:
        more = None if not self.more_rows else {lang: _span(self.frame, self.more_rows, lang) for lang in ("en", "es")}
        if self.tested is None and self.n_folds >= significance.FEWEST_ORIGINS:
            self.word = INDISTINGUISHABLE
        sentences = {
            lang: (_use(self, lang), _evidence(self, lang, more[lang] if more else None)) for lang in ("en", "es")
        }
        return Verdict(
            use=self.choice.model,
            reference=self.reference,
            tested=self.tested,
            shown=self.word == BETTER and self.tested == self.choice.model,
            word=self.word,
            label=self.label,
            sentence=sentences,
            reason=self.choice.reason,
            skill=self.skill,
            skill_interval=self.interval,
            p_value=self.p_value,
            n_report_folds=self.n_folds,
            metric=self.metric,
            loss_tested=self.loss if math.isfinite(self.loss) else None,
            loss_reference=self.base if math.isfinite(self.base) else None,
            more_rows=self.more_rows,
            more_time=more,
            calibrated=calibrated,
        )


def _use(facts: _Facts, lang: str) -> str:
    name = facts.choice.model
    if facts.word == TOO_FEW:
        return f"Use {name} for now." if lang == "en" else f"Usa {name} por ahora."
    if facts.word == WORSE and facts.tested == name:
        return f"Use {name} only with care." if lang == "en" else f"Usa {name} solo con cautela."
    return f"Use {name}." if lang == "en" else f"Usa {name}."


def _evidence(facts: _Facts, lang: str, more: str | None) -> str:
    if facts.word == TOO_FEW:
        return _too_few(facts, lang, more)
    if facts.tested is None:
        return {"en": "No other kind of model was put to the test.", "es": "No se puso a prueba otro tipo de modelo."}[
            lang
        ]
    fill = {
        "tested": facts.tested,
        "reference": facts.reference,
        "by": _by(facts, lang),
        "losses": f"{facts.metric.upper()} {_decimal(facts.loss, lang)} {_AGAINST[lang]} {_decimal(facts.base, lang)}",
        "trials": _trials(facts, lang),
        "chance": _chance(facts.p_value, lang),
        "p": f"p {_p(facts.p_value, lang)}",
    }
    return _SENTENCES[lang][_case(facts)].format_map(fill) + _disagreement(facts, lang)


def _disagreement(facts: _Facts, lang: str) -> str:
    """Said where the mean over all errors and the geometric mean over series point to different sides."""
    if facts.skill is None or not facts.skill * facts.gain < 0:
        return ""
    share = f"{100 * abs(facts.skill):.1f}".replace(".", "," if lang == "es" else ".")
    worse = facts.skill < 0
    if lang == "en":
        return f" As a geometric mean over the series it is {share} % {'worse' if worse else 'better'}."
    return f" En media geométrica sobre las series es un {share} % {'peor' if worse else 'mejor'}."


def _case(facts: _Facts) -> str:
    whose = "own" if facts.tested == facts.choice.model else "other"
    if facts.identical:
        return f"{whose} identical"
    if facts.word in (BETTER, WORSE):
        return f"{whose} {facts.word}"
    return f"{whose} unclear"


_AGAINST = {"en": "against", "es": "frente a"}

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


def _too_few(facts: _Facts, lang: str, more: str | None) -> str:
    n = facts.n_folds
    if facts.label == significance.BY_SERIES and n == 1 and facts.n_items > 1:
        few = {
            "en": f"One test forecast of {facts.n_items} series is too few to tell models apart",
            "es": f"Una predicción de prueba de {facts.n_items} series es muy poco para distinguir modelos",
        }[lang]
    elif n == 0:
        few = {
            "en": "No test forecast could be compared, too few to tell models apart",
            "es": "Ninguna predicción de prueba se pudo comparar: no se pueden distinguir modelos",
        }[lang]
    elif lang == "en":
        few = f"There {'is' if n == 1 else 'are'} {n} test forecast{'s' * (n != 1)}, too few to tell models apart"
    else:
        few = f"Hay {n} predicci{'ón' if n == 1 else 'ones'} de prueba, muy pocas para distinguir modelos"
        few = few.replace("muy pocas", "muy poco") if n == 1 else few
    if more:
        return (
            f"{few}; after about {more} there will be enough."
            if lang == "en"
            else f"{few}; con cerca de {more} habrá bastantes."
        )
    if facts.more_rows == 0:
        ask = {"en": "the history allows more: raise n_report", "es": "los datos permiten más: aumenta n_report"}[lang]
        return f"{few}; {ask}."
    return f"{few}."


def _by(facts: _Facts, lang: str) -> str:
    """``8 %`` where one model beats another, else ``1.2 % better`` or ``5 % worse``."""
    side = {"en": ("better", "worse"), "es": ("mejor", "peor")}[lang][0 if facts.loss <= facts.base else 1]
    if not math.isfinite(facts.gain):
        return side
    share = 100 * abs(facts.gain)
    digits = 0 if share >= 9.95 else 1 if share >= 0.095 else 2
    text = f"{share:.{digits}f}"
    text = (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", "," if lang == "es" else ".")
    text = f"{text} %"
    if facts.word == BETTER:
        return text
    return f"{text} {side}" if lang == "en" else f"un {text} {side}"


def _decimal(x: float, lang: str) -> str:
    if not math.isfinite(x):
        return "?"
    size = abs(x)
    text = f"{x:.2f}" if 0.095 <= size < 99.5 or x == 0 else f"{x:.3g}" if size < 1e5 and size >= 1e-4 else f"{x:.2e}"
    if 99.5 <= size < 1e5:
        text = f"{x:.0f}"
    return text.replace(".", ",") if lang == "es" else text


def _p(p: float | None, lang: str) -> str:
    if p is None:
        return "= ?"
    text = "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.0095 else f"= {p:.2f}"
    return text.replace(".", ",") if lang == "es" else text


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
    match = re.fullmatch(r"(\d*)([A-Za-z]+)(-.*)?", freq)
    multiple, alias = (int(match[1] or 1), match[2]) if match else (1, "")
    unit = _UNITS.get(_ALIASES.get(alias, alias))
    steps = {"en": ("step", "steps"), "es": ("paso", "pasos")}[lang][n != 1]
    if unit is None:
        return f"{n} {steps}"
    names = unit[:2] if lang == "en" else unit[2:]
    if multiple == 1:
        return f"{n} {names[n != 1]}"
    return f"{n} {steps} {'of' if lang == 'en' else 'de'} {multiple} {names[1]}"


def _trials(facts: _Facts, lang: str) -> str:
    steps = _steps(facts.frame.calendar.freq, facts.plan.horizon, lang)
    if facts.label == significance.BY_SERIES:
        series = facts.n_items
        return (
            f"one forecast of {steps} for {series} series"
            if lang == "en"
            else f"una predicción de {steps} para {series} series"
        )
    return f"{facts.n_folds} forecasts of {steps}" if lang == "en" else f"{facts.n_folds} predicciones de {steps}"


def _span(frame: SeriesFrame, rows: int, lang: str) -> str:
    """How long it takes until ``rows`` more rows have come, e.g. ``8 more months``."""
    instants = frame.calendar.instants
    if frame.calendar.is_integer or len(instants) < 2:
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
