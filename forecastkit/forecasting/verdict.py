"""Whether the recommended model is shown to be better than the naive rule: the evidence, on report folds only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from forecastkit.forecasting import significance
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import Losses, over_origins
from forecastkit.forecasting.selection import NAIVES, Choice, in_one_unit
from forecastkit.forecasting.significance import BETTER, INDISTINGUISHABLE, TOO_FEW
from forecastkit.forecasting.splits import EvalPlan, ReportFold, history_rows, require_role, rows_for_report
from forecastkit.forecasting.verdict_words import Facts, sentences, span

__all__ = ["Verdict", "verdict"]


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
    for x in report_losses.values():
        require_role(x.folds, ReportFold)
    if choice.model in NAIVES:
        reference = choice.model
    tested = choice.model if choice.model not in NAIVES else _challenger(choice, report_losses)
    facts = Facts(choice.model, reference, tested, frame.calendar.freq, plan.horizon)
    interval: tuple[float, float] | None = None
    n_folds = max((len(x.folds) for x in report_losses.values()), default=0)
    if tested is None:
        facts = replace(facts, n_folds=n_folds)
    elif tested in report_losses and reference in report_losses:
        facts, interval = _tested(facts, report_losses[tested], report_losses[reference], plan.overlap)
    few = significance.fewest_origins(plan.overlap)
    # A longer history helps where folds are few, not where a model failed on them.
    if facts.word == TOO_FEW and n_folds < few:
        have = history_rows(frame, plan.align)
        wanted = rows_for_report(plan, have, plan.season_length or frame.season_length, few)
        facts = replace(facts, more_rows=wanted - have)
    if tested is None and n_folds >= significance.FEWEST_ORIGINS:
        facts = replace(facts, word=INDISTINGUISHABLE)
    more = {lang: span(frame.calendar, facts.more_rows, lang) for lang in ("en", "es")} if facts.more_rows else None
    return Verdict(
        use=choice.model,
        reference=reference,
        tested=tested,
        shown=facts.word == BETTER and tested == choice.model,
        word=facts.word,
        label=facts.label,
        sentence=sentences(facts, more),
        reason=choice.reason,
        skill=facts.skill,
        skill_interval=interval,
        p_value=facts.p_value,
        n_report_folds=facts.n_folds,
        metric=facts.metric,
        loss_tested=facts.loss if math.isfinite(facts.loss) else None,
        loss_reference=facts.base if math.isfinite(facts.base) else None,
        more_rows=facts.more_rows,
        more_time=more,
        calibrated=calibrated,
    )


def _tested(
    facts: Facts, model: Losses[ReportFold], reference: Losses[ReportFold], overlap: int
) -> tuple[Facts, tuple[float, float] | None]:
    """The facts with what the test found, and the interval of the skill."""
    both = model.cells & reference.cells
    model, reference = model.only(both), reference.only(both)
    test = significance.compare(model.counted, reference.counted, model.scales.unit, overlap=overlap)
    skill = significance.block_bootstrap(model.item_sums(), reference.item_sums(), block=overlap)
    metric, cells = in_one_unit({"model": model, "reference": reference})
    found = replace(
        facts,
        word=test.verdict,
        label=test.label,
        identical=test.identical,
        p_value=test.p_value,
        n_folds=int(both.any(axis=(1, 2)).sum()),
        n_items=int(both.any(axis=(0, 2)).sum()),
        skill=skill.skill if math.isfinite(skill.skill) else None,
        metric=metric,
        loss=over_origins(cells["model"]),
        base=over_origins(cells["reference"]),
    )
    return found, None if skill.low is None or skill.high is None else (skill.low, skill.high)


def _challenger(choice: Choice, report_losses: Mapping[str, Losses[ReportFold]]) -> str | None:
    for name in choice.table["model"]:
        if name not in NAIVES and name in report_losses:
            return str(name)
    # Without select folds nothing ranks the others; a single one needs no ranking.
    others = [name for name in report_losses if name not in NAIVES]
    return others[0] if len(others) == 1 else None
