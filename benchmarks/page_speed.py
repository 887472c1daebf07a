"""Sections of the figures page on speed beside other libraries, precision and processes."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

__all__ = ["speed_sections"]

Newest = Callable[[str, list[str]], pd.DataFrame | None]
Table = Callable[[pd.DataFrame], str]


def speed_sections(newest: Newest, table: Table) -> list[str]:
    return [*_peers(newest, table), *_accuracy(newest, table), *_precision(newest, table), *_parallel(newest, table)]


def _peers(newest: Newest, table: Table) -> list[str]:
    rows = newest("peers.csv", ["figure", "library"])
    if rows is None:
        return []
    return [
        "\n## Beside other libraries\n`python benchmarks/peers.py --peer-python peers/bin/python`: the same network and data, processor time "
        "of one thread, in turns; ratio = the library's time / ours with its lowest and highest, above 1 it is slower. neuralforecast's backtest begins "
        "with a fit of five steps, which it cannot leave out.\n",
        table(rows[["figure", "library", "value", "ratio", "low", "high"]]),
    ]


def _accuracy(newest: Newest, table: Table) -> list[str]:
    rows = newest("time_to_accuracy.csv", ["peer", "setting", "level"])
    if rows is None:
        return []
    most = ", ".join(f"{n} ({name})" for name, n in dict(zip(rows["peer"], rows["peer_most"])).items())
    shown = rows.drop(columns="peer_most").rename(columns={"peer": "neuralforecast", "setting": "forecastkit"})
    return [
        "\n## Time to an accuracy\n`python benchmarks/time_to_accuracy.py --peer-python peers/bin/python`: processor seconds of training, one "
        "thread, until an LSTM forecasts the last 48 hours *inside* the training part of M4 Hourly with a given error (mean MASE of 414 "
        "series, which neither side sees; the test is not read). Medians over seeds; ratio = neuralforecast's seconds / ours, with the "
        "lowest and highest. *default*: what each library does when nothing is set; *week*: its context is a week; *every*: each season "
        "of the context's second half is supervised too (`supervise=all segment=24`); *no rules*: without the naive rules that our "
        "network begins as (`residual=none`), which shows what they are worth. Empty: not reached in the steps that were run, "
        f"{most} of neuralforecast, whose default is 1,000, and 1,280 of ours. *Its lowest* is of those steps too. Supervising every season is no faster "
        "to 1.0 and slower below it, so it is not the default. The level of the seasonal naive rule is ours before the first step; 0 steps is the time to set up. Imports take 6 to 8 "
        "seconds on both sides and are not counted.\n",
        "![Error on hours kept aside against seconds of training, for each library and setting](figures/time_to_accuracy.svg)\n",
        table(shown),
    ]


def _precision(newest: Newest, table: Table) -> list[str]:
    rows = newest("precision.csv", ["data", "network", "seed", "precision"])
    if rows is None:
        return []
    for name in ("mase", "cpu_seconds"):
        rows[name] = rows[name].astype(float)
    wide = rows.pivot_table(index=["data", "network"], columns="precision", values=["mase", "cpu_seconds"], sort=False)
    above = wide["mase", "bf16"] / wide["mase", "32"] - 1
    shown = pd.DataFrame(
        {
            "seeds": rows.groupby(["data", "network"], sort=False)["seed"].nunique(),
            "error, float32": wide["mase", "32"].map("{:.4f}".format),
            "error, bfloat16": wide["mase", "bf16"].map("{:.4f}".format),
            "above": (100 * above).map("{:+.2f} %".format),
            "seconds, float32": wide["cpu_seconds", "32"].map("{:.1f}".format),
            "seconds, bfloat16": wide["cpu_seconds", "bf16"].map("{:.1f}".format),
        }
    ).reset_index()
    allowed = above.mean() <= 0.01 and above.max() <= 0.02
    said = (
        "so that `precision=auto` takes it where the processor multiplies it and a recurrent network with a point as its output is large "
        "(units x windows a step of 32,768 or more)."
        if allowed
        else "so that `precision=auto` stays with float32."
    )
    return [
        "\n## Trained in bfloat16\n`python benchmarks/precision.py`: the same trainings of 400 steps in float32 and in bfloat16, mean MASE on "
        "rows kept aside, processor seconds of a fit. Rule, written before the first run: at most 1 % above on the mean, and no "
        f"pair of data and network more than 2 %. The mean is {100 * above.mean():+.2f} %: {'allowed' if allowed else 'not allowed'}, "
        f"{said} Forecasts are made in float32.\n",
        table(shown),
    ]


def _parallel(newest: Newest, table: Table) -> list[str]:
    rows = newest("parallel_speed.csv", ["model", "series"])
    if rows is None:
        return []
    return [
        "\n## Baselines on two processes\n`python benchmarks/parallel_speed.py`: a backtest of ten folds with a refit at every fifth, one process "
        "against two; the first second is done in one, to learn whether more pay, and the start of the others counts. Short work "
        "stays in one.\n",
        table(rows[["model", "series", "folds", "seconds_one", "seconds", "ratio"]]),
    ]
