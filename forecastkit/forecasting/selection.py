"""Which model to use: the recommendation, which sees select folds only and refuses those of another role.

Whether it is shown to be better is another question, answered on report folds: ``verdict``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.forecasting.scores import Losses, comparable, nan_mean, over_origins
from forecastkit.forecasting.splits import SelectFold, require_role

__all__ = ["NAIVES", "Choice", "ChoiceRule", "choose", "in_one_unit", "naive_reference"]

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
    """

    model: str
    reason: str
    table: pd.DataFrame = field(compare=False, repr=False)
    metric: str = "mase"


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
    rule of Breiman et al. (1984, section 3.4.3), cost half as much again as these defaults.

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
    for x in select_losses.values():
        require_role(x.folds, SelectFold)
    losses, partial = comparable({name: x for name, x in select_losses.items() if x.cells.any()})
    metric, cells = in_one_unit({name: x for name, x in losses.items() if name not in partial})
    if not cells:
        model = "seasonal_naive" if season_length > 1 else "naive"
        reason = "No select folds: no model could be chosen by test, so the plain rule is used."
        return Choice(model, reason, pd.DataFrame(columns=list(COLUMNS)), metric)
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
    for x in select_losses.values():
        require_role(x.folds, SelectFold)
    losses, partial = comparable({n: x for n, x in select_losses.items() if n in NAIVES and x.cells.any()})
    _, cells = in_one_unit({name: x for name, x in losses.items() if name not in partial})
    if not cells:
        return "seasonal_naive" if season_length > 1 else "naive"
    return min(cells, key=lambda name: (over_origins(cells[name]), NAIVES.index(name)))


def in_one_unit(losses: Mapping[str, Losses[Any]]) -> tuple[str, dict[str, np.ndarray]]:
    """(metric, model -> [F, I, H]): scaled errors, or plain ones where no scale is defined on any cell."""
    scaled = {name: x.scaled() for name, x in losses.items()}
    if any(np.isfinite(x).any() for x in scaled.values()):
        return next(iter(losses.values())).scales.metric, scaled
    return "mae", {name: x.ae for name, x in losses.items()}


def _choice_table(cells: Mapping[str, np.ndarray], complexity: Mapping[str, int], rule: ChoiceRule) -> pd.DataFrame:
    loss = {name: over_origins(x) for name, x in cells.items()}
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
