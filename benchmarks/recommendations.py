"""What a default run recommends, beside what was best in the test, and whether anything is called better without proof.

    python benchmarks/recommendations.py                # the sets that come with forecastkit, the classics, stocks
    python benchmarks/recommendations.py prices "gafa_stock, 10 days"
    python benchmarks/recommendations.py --coverage     # and the rows of coverage.py from the same runs
    python benchmarks/recommendations.py --rules        # and what other rules of choice would have cost

``use`` was chosen on select folds, ``best`` has the lowest MASE on report folds, which nobody knew when the choice was made. ``better``
counts models that the leaderboard calls better than the naive rule (p below 0.05 after Holm, or in the one test that was chosen
beforehand). What a rule of choice costs is the mean over sets of the logarithm of the MASE of its choice over that of the best of all
models that could be chosen; the rule in use was chosen by these numbers, so they flatter it a little: hence the halves.
"""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import asdict, replace
from typing import Any

import coverage
import numpy as np
from rows import append
from sets import CLASSIC, EMBEDDED, LARGE, STOCKS, run_of

OUT = "recommendations.csv"
COLUMNS = [
    "date", "set", "n_folds", "n_select", "use", "family", "mase", "word", "p_value", "reference", "best", "best_mase",
    "best_statistical", "statistical_mase", "best_network", "network_mase", "better", "wrongly_better", "seconds",
]  # fmt: skip
RULES_OUT = "choice_rules.csv"
RULE_COLUMNS = [
    "date",
    "worth",
    "clear",
    "as_good",
    "as_good_naive",
    "fewest_for_network",
    "n_sets",
    "cost",
    "cost_embedded",
    "cost_others",
    "worst",
]
KINDS = {"statistical": ("baseline", "statistical"), "network": ("network",)}


def row_of(name: str, outcome: Any, seconds: float) -> list[object]:
    """Of one run; printed."""
    evaluation = outcome.evaluation
    v, board = evaluation.verdict, evaluation.leaderboard
    ok = board[board["status"] == "ok"].set_index("model")
    best = str(ok["mase"].idxmin())
    cells: list[object] = [dt.date.today().isoformat(), name, v.n_report_folds, len(evaluation.folds.select), v.use]
    cells += [
        ok.loc[v.use, "family"],
        f"{ok.loc[v.use, 'mase']:.4f}",
        v.word,
        "" if v.p_value is None else f"{v.p_value:.4f}",
    ]
    cells += [v.reference, best, f"{ok.loc[best, 'mase']:.4f}"]
    for families in KINDS.values():
        own = ok[ok["family"].isin(families)]["mase"]
        cells += [str(own.idxmin()), f"{own.min():.4f}"] if len(own) else ["", ""]
    better = ok[ok["word"] == "better"]
    p = np.where(better.index == v.tested, better["p_value"], better["p_holm"])
    cells += [len(better), int((~(p < 0.05)).sum()), f"{seconds:.1f}"]
    said = dict(zip(COLUMNS, cells))
    print(
        f"{name:<22} use {said['use']:<15} {said['mase']:>8}  {said['word']:<18} best {said['best']:<15} {said['best_mase']:>8}  "
        f"statistical {said['best_statistical']} {said['statistical_mase']}, network {said['best_network']} "
        f"{said['network_mase']}; better {said['better']}, wrongly {said['wrongly_better']}; {said['seconds']} s",
        flush=True,
    )
    return cells


def rule_rows(outcomes: dict[str, Any]) -> list[list[object]]:
    """What rules of choice cost; printed."""
    from forecastkit import registry
    from forecastkit.forecasting.selection import ChoiceRule, choose

    def cost(evaluation: Any, rule: ChoiceRule) -> float:
        select = evaluation.losses["select"]
        order = dict(zip(evaluation.choice.table["model"], evaluation.choice.table["complexity"]))
        order = {
            name: order.get(name, 200 if name == "ensemble" else registry.create_model(name).complexity)
            for name in select
        }
        choice = choose(select, order, season_length=evaluation.frame.season_length, rule=rule)
        mase = evaluation.leaderboard.set_index("model")["mase"]
        return float(np.log(mase[choice.model] / mase[list(select)].min()))

    rows = []
    one = ChoiceRule(worth=0.0, clear=0.0, as_good=1.0)
    tried = [one, *(replace(one, as_good=k) for k in (0.0, 0.25, 0.5))]
    tried += [ChoiceRule(as_good=k, clear=c) for k in (0.25, 0.5) for c in (0.5, 1.0)]
    tried += [
        ChoiceRule(worth=0.0),
        ChoiceRule(worth=0.05),
        ChoiceRule(as_good_naive=0.25),
        ChoiceRule(fewest_for_network=6),
    ]
    for rule in tried:
        costs = {name: cost(outcome.evaluation, rule) for name, outcome in outcomes.items()}
        halves = [[c for name, c in costs.items() if (name in EMBEDDED) is embedded] for embedded in (True, False)]
        means = [f"{np.mean(part):.4f}" if part else "" for part in (list(costs.values()), *halves)]
        worst = max(costs, key=costs.__getitem__)
        rows.append(
            [dt.date.today().isoformat(), *asdict(rule).values(), len(costs), *means, f"{worst} {costs[worst]:.3f}"]
        )
        print(dict(zip(RULE_COLUMNS[1:], rows[-1][1:])), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--coverage", action="store_true", help="the rows of coverage.py too, from the same runs")
    parser.add_argument("--rules", action="store_true", help="what other rules of choice would have cost")
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    chosen: dict[str, Any] = {}
    for name in args.sets or [*EMBEDDED, *CLASSIC, *STOCKS, *LARGE]:
        outcome, seconds = run_of(name)
        row = row_of(name, outcome, seconds)
        if outcome.evaluation.folds.select:
            chosen[name] = outcome
        if args.coverage:
            coverage_rows = coverage.rows_of(name, outcome)
        if args.no_write:
            continue
        append(OUT, COLUMNS, [row])
        if args.coverage:
            append(coverage.OUT, coverage.COLUMNS, coverage_rows)
    if args.rules:
        rows = rule_rows(chosen)
        if not args.no_write:
            append(RULES_OUT, RULE_COLUMNS, rows)


if __name__ == "__main__":
    main()
