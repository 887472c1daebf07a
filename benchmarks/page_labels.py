"""Sections of docs/figures.md about sequences with a label; called by page.py."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts of all records together, and their F1, best first."""
    counts = ["n", "n_rare", "found", "missed", "false_alarms"]
    sums = rows.astype(dict.fromkeys(counts, int)).groupby("model")[counts].sum().reset_index()
    sums["f1"] = 2 * sums["found"] / (2 * sums["found"] + sums["missed"] + sums["false_alarms"])
    return sums.sort_values("f1", ascending=False).assign(f1=lambda t: t["f1"].map("{:.4f}".format))


def sections(
    newest: Callable[[str, list[str]], pd.DataFrame | None], table: Callable[[pd.DataFrame], str]
) -> list[str]:
    """Markdown of each; ``newest`` and ``table`` are those of page.py."""
    parts: list[str] = []
    rows = newest("ecg_mitbih.csv", ["model", "seed", "options"])
    if rows is not None:
        parts.append(
            "\n## Ventricular beats, five patients of MIT-BIH, each left out in turn\n`python benchmarks/ecg_mitbih.py beats --models "
            "gru,lstm --seeds 3`. F1 of V, pooled; its interval when patients are drawn anew; the F1 inside the training parts that "
            "chooses. All five patients had been looked at while filter, features and defaults were chosen. The networks begin as the "
            "logistic regression and correct it; five patients are too few to tell them apart, and the verdict says so.\n"
        )
        rows = rows.rename(columns={"f1_low": "low", "f1_high": "high", "f1_select": "F1 that chose"})
        same = rows[~rows["model"].isin(["gru", "lstm", "rnn"])].drop_duplicates("model")
        networks = rows[rows["model"].isin(["gru", "lstm", "rnn"])].sort_values(["options", "model", "seed"])
        shown = pd.concat([networks, same])
        parts.append(
            table(
                shown[
                    [
                        "model",
                        "options",
                        "seed",
                        "f1",
                        "low",
                        "high",
                        "F1 that chose",
                        "sensitivity",
                        "ppv",
                        "ece",
                        "seconds_fit",
                    ]
                ]
            )
        )
    rows = newest("ecg_mitbih_groups.csv", ["model", "group", "seed", "options"])
    if rows is not None:
        kept = rows[(rows["seed"] == "1") & (rows["options"] == "")]
        parts.append(
            "\n## Ventricular beats, five patients of MIT-BIH, each told by what was learned from the others\n"
            "`python benchmarks/ecg_mitbih.py beats --models gru --test 116`, and 100, 106, 108, 114; all beats of the five added up, seed 1. "
            "The five had been looked at while filter, features and defaults were chosen, and are too few to tell models apart.\n"
        )
        parts.append(table(pooled(kept)))
        parts.append("\nEach record (F1 where there are at least ten V):\n")
        each = kept[kept["model"].isin(["gru", "logistic", "logistic_rr", "boosting"])]
        parts.append(table(each[["model", "group", "n", "n_rare", "found", "missed", "false_alarms", "f1"]]))
    rows = newest("ecg_patients.csv", ["patients", "model"])
    if rows is not None:
        parts.append(
            "\n`python benchmarks/ecg_mitbih.py patients`: pooled F1 of V over all choices of two, three and four patients to learn "
            "from, tested on the others. What the shape of a wave tells needs more patients than what RR intervals tell.\n"
        )
        parts.append(table(rows.pivot(index="patients", columns="model", values="f1").reset_index()))
    rows = newest("ecg_r_peaks.csv", ["detector", "record"])
    if rows is not None:
        parts.append(
            "\n## R peaks within 75 ms\n`python benchmarks/ecg_mitbih.py peaks`. In record 116 the electrode is off twice: 14 of the 15 "
            "beats that our detector does not find in the signal cannot be seen in this lead. `forecastkit` also assumes beats there "
            "from the rhythm around, and marks them; that was added after looking at this record.\n"
        )
        parts.append(
            table(rows[["detector", "record", "beats", "missed", "invented", "sensitivity", "ppv", "seconds"]])
        )
    rows = newest("ecg_anomalies.csv", ["model", "seed"])
    if rows is not None:
        parts.append(
            "\n## Anomalies without labels\n`python benchmarks/ecg_mitbih.py anomalies --models gru,lstm`: usual beats of other patients "
            "are learned; V is what should be found, and 1 % of usual beats may be called strange.\n"
        )
        parts.append(table(rows[["model", "seed", "found", "false_alarms", "roc_auc", "seconds"]]))
    rows = newest("ecg_ludb_rhythm.csv", ["model", "seed"])
    if rows is not None:
        parts.append(
            "\n## Atrial fibrillation in ten seconds, 148 patients of LUDB\n`python benchmarks/ecg_ludb_rhythm.py`: five folds of whole "
            "patients, dealt by three seeds. Nine patients with fibrillation are too few for a verdict, and it says so. `logistic_rr` "
            "reads RR intervals alone.\n"
        )
        shown = rows.rename(columns={"f1_select": "F1 that chose"})
        parts.append(
            table(
                shown[["model", "seed", "found", "of", "false_alarms", "specificity", "f1", "F1 that chose", "roc_auc"]]
            )
        )
    rows = newest("visits_pbc.csv", ["model", "seed"])
    if rows is not None:
        parts.append(
            "\n## Histories of visits: primary biliary cirrhosis\n`python benchmarks/visits_pbc.py pbc2.csv --models gru,lstm --seeds 3`: "
            "death, told a year ahead from irregular visits with holes; five folds of whole patients.\n"
        )
        parts.append(
            table(rows[["model", "seed", "f1", "f1_low", "f1_high", "sensitivity", "ppv", "roc_auc", "use", "word"]])
        )
    return parts
