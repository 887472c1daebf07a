"""Sections of docs/figures.md on ETTh1, covariates, short series, zeros, intervals, recommendations and presets."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

__all__ = ["accuracy_sections"]

Newest = Callable[[str, list[str]], "pd.DataFrame | None"]


def accuracy_sections(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    """Markdown, a section a file of rows."""
    sections = (_presets, _shares, _etth1, _covariates, _short, _zeros, _coverage, _recommendations)
    return [line for section in sections for line in section(newest, table)]


def _shares(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("m4_shares.csv", ["model", "other", "part"])
    if rows is None:
        return []
    keep = ["model", "other", "part", "series", "share_mase", "low", "high", "share_smape"]
    return [
        "\n## On how many series of M4 Hourly is a plain network better?\n`python benchmarks/m4_hourly.py --test --folds 0 --shares --models "
        "lstm,auto_ets,theta,seasonal_naive,auto_arima`: share of series on which *model* has the smaller MASE, with its 95 % interval (Wilson), and "
        "the smaller sMAPE. ETS, theta (dynamic, optimised) and ARIMA are statsforecast's, after the season was taken out (ARIMA: a seasonal difference).\n",
        table(rows[keep]),
    ]


def _etth1(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    keys = ["channels", "model", "options", "seed"]
    rows = newest("etth1.csv", [*keys, "part"])
    if rows is None:
        return []
    wide = rows.pivot(index=keys, columns="part", values="mse").reset_index()
    wide = wide.merge(rows[rows["part"] == "test"][[*keys, "mae", "seconds"]], on=keys)
    wide = wide.sort_values(["channels", "test"], ascending=[False, True]).fillna("")
    wide = wide.rename(columns={"test": "test MSE", "mae": "test MAE"})
    keep = ["channels", "model", "options", "seed", "inner", "validation", "test MSE", "test MAE", "seconds"]
    return [
        "\n## ETTh1, 96 steps\n`python benchmarks/etth1.py`: every test window, scaled by the training rows; *oil* is OT alone, *all* are "
        "seven channels as series of one global model. Options were chosen on *inner* and *validation*, MSE on two parts before the "
        "test (`--validate`); what had the lowest geometric mean of the two, of about 60 tries on OT and 25 on all channels, went to the "
        "test once; on all channels also the mean of four that was lowest on validation alone, and its members with it. Rows without "
        "options are the defaults. `lags` is a plain ridge regression over 336 lags. On OT its 0.0529 beats every single network of "
        "ours; the mean of GRUs with and without the regression inside is below it, and of that pair the one with the "
        "regression stopped at step 0, so that half of the mean is the regression itself. On all channels networks beat the regression; "
        "what was chosen by the geometric mean is no better there than the defaults. "
        "published: SegRNN 0.341, PatchTST 0.370, DLinear 0.375.\n",
        table(wide[keep]),
    ]


def _covariates(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("covariates.csv", ["data", "model", "covariates", "options", "seeds", "part"])
    if rows is None:
        return []
    rows = rows.sort_values(["data", "part"], kind="stable").replace("nan", "").fillna("")
    keep = [
        "data",
        "part",
        "model",
        "covariates",
        "options",
        "seeds",
        "mae",
        "rmse",
        "mape",
        "p",
        "p_trees",
        "p_harmonic",
        "days",
        "seconds",
    ]
    return [
        "\n## A day ahead with covariates\n`python benchmarks/covariates.py`: *demand* is the half-hourly demand of Victoria, 365 days of 2014 "
        "from midnight, fitted once on 2012 and 2013; *dust* is fine dust in Beijing by the hour, the days of 2014. *known*: the covariates of "
        "the day ahead are given as they were (perfect foresight, better than any weather forecast); *past*: up to midnight alone, holidays "
        "ahead; *none*: the series alone. Options were chosen on validation rows, which come before the test. A network is the mean of its "
        "seeds. `by_hand` is boosting with features thought of for this demand. p: Diebold-Mariano, against the better naive rule, against "
        "the better trees and against the harmonic regression with the same covariates.\n",
        table(rows[keep]),
    ]


def _short(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("short_series.csv", ["set", "model"])
    if rows is None:
        return []
    wide = rows.pivot(index="set", columns="model", values="mase")
    wide = wide[list(dict.fromkeys(rows["model"]))]
    seconds = rows[rows["model"] == "fallback"].set_index("set")[["seconds", "note"]]
    wide = wide.join(seconds.rename(columns={"seconds": "fallback, s", "note": "what it took"})).reset_index()
    return [
        "\n## Many short series\n`python benchmarks/short_series.py`: 12 rows of each of about 500 series, 3 ahead, MASE. `fallback` takes for "
        "each series the better of one global network, theta and the seasonal rule. It is never far from the best and seldom the best.\n",
        table(wide),
    ]


def _zeros(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("zeros.csv", ["set", "error"])
    if rows is None:
        return []
    keep = ["set", "zeros", "error", "use", "sum", "mae", "rmse", "network", "network_sum", "network_rmse"]
    return [
        "\n## Series that are 0 most of the time\n`python benchmarks/zeros.py`: simulated daily sales of 20 parts, 14 days ahead. *error*: which errors "
        "chose and were tested; *squared* is what a run takes here by itself. *sum*: what the recommended model forecasts on report folds over what "
        "came; 1 is right, 0 is a forecast of nothing. *network*: the better of lstm and gru.\n",
        table(rows[keep]),
    ]


def _coverage(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("coverage.csv", ["set", "model", "method"])
    if rows is None:
        return []
    for name in ("coverage_80", "coverage_95", "wql"):
        rows[name] = rows[name].astype(float)
    lines = []
    for name, own in rows.groupby("set", sort=False):
        now, split = own[own["method"] == "adaptive"], own[own["method"] == "split"]
        words = pd.concat([now["word_80"], now["word_95"]])
        lines.append({
            "set": name, "folds x series": f"{now['n_folds'].iloc[0]} x {now['n_items'].iloc[0]}", "models": len(now),
            "80 % held": f"{now['coverage_80'].mean():.3f}", "95 % held": f"{now['coverage_95'].mean():.3f}",
            "as named": (words == "as named").sum(), "too narrow": (words == "too narrow").sum(),
            "too wide": (words == "too wide").sum(), "too few": (words == "too few to tell").sum(),
            "split: 80 %": f"{split['coverage_80'].mean():.3f}", "95 %": f"{split['coverage_95'].mean():.3f}",
            "best WQL": now.loc[now["wql"].idxmin(), "model"] if now["wql"].notna().any() else "",
            "WQL": f"{now['wql'].min():.4g}",
        })  # fmt: skip
    return [
        "\n## Do intervals hold what they say?\n`python benchmarks/coverage.py`: means over all models of a set, on report folds; *as "
        "named* counts models and levels whose level lies in the 95 % interval of the share, which counts origins; *too few* are sets "
        "of under ten test forecasts. Adaptive intervals are the default, split ones learn from calibrate folds alone. Rows of every "
        "model are in `benchmarks/results/coverage.csv`.\n",
        table(pd.DataFrame(lines)),
    ]


def _recommendations(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("recommendations.csv", ["set"])
    if rows is None:
        return []
    wrong = rows["wrongly_better"].astype(int).sum()
    cost = rows["mase"].astype(float) / rows["best_mase"].astype(float) - 1
    dear = [f"{name} {100 * c:.0f} %" for name, c in sorted(zip(rows["set"], cost), key=lambda p: -p[1]) if c > 0.05]
    keep = ["set", "n_folds", "use", "mase", "word", "p_value", "best", "best_mase", "best_statistical", "statistical_mase", "best_network", "network_mase"]  # fmt: skip
    lines = [
        "\n## What a default run recommends\n`python benchmarks/recommendations.py`: *use* was chosen on select folds, *best* is what "
        "had the lowest MASE on report folds afterwards; *word* is that of the test against the best naive rule. Over all sets the "
        f"leaderboards call {rows['better'].astype(int).sum()} models better than the naive rule, {wrong} of them without p < 0.05. "
        f"Where the choice cost more than 5 % beside the best: {', '.join(dear)}.\n",
        table(rows[keep]),
    ]
    rules = newest("choice_rules.csv", ["worth", "clear", "as_good", "as_good_naive", "fewest_for_network"])
    if rules is not None:
        lines += [
            "\nWhat rules of choice cost (`--rules`): the mean over sets of log(MASE of the choice / MASE of the best). *worth*: share by "
            "which a model has to be better than the best naive rule with *clear* standard errors taken off; *as good*: standard errors from "
            "the lowest within which the simplest is taken, *naive*: where naive rules alone are left; *fewest for network*: select folds. The rule in use (0.02, 0.5, 0.25, 1, 3) was "
            "taken by these numbers and so that random walks (stocks) keep a naive rule; they flatter it a little.\n",
            table(rules.drop(columns="date")),
        ]
    return lines


def _presets(newest: Newest, table: Callable[[pd.DataFrame], str]) -> list[str]:
    rows = newest("m4_presets.csv", ["preset", "time_limit", "words", "seed", "model", "part"])
    if rows is None:
        return []
    keys = ["preset", "time_limit", "words", "model"]
    wide = rows.pivot(index=[*keys, "seconds", "networks", "baselines"], columns="part", values="owa").reset_index()
    won = rows[rows["part"] == "fold 1"][[*keys, "won"]]
    wide = wide.merge(won, on=keys, how="left").fillna("").sort_values(["preset", "words", "fold 1"], kind="stable")
    keep = [*keys, "fold 3", "fold 2", "fold 1", "test", "won", "seconds", "networks", "baselines"]
    return [
        "\n## M4 Hourly by the presets\n`python benchmarks/m4_presets.py --preset best --time-limit 13m --test`: OWA, and seconds of the whole "
        "run, on two cores that other work shared. Folds 3 and 2 inside the training part choose model and weights, fold 1 reports, and "
        "the test was read after the forecast was made, for the run's own choice alone (the first row of a run that has one). *won*: share "
        "of series on which that choice has the smaller error than the row's model (fold 1). *networks* and *baselines* are seconds of "
        "their backtests; baselines that had no time are not in the table, AutoARIMA among them. Published: the winner ES-RNN 0.440, the "
        "best of 59 submissions 0.410.\n",
        table(wide[keep]),
    ]
