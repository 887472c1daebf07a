"""Write docs/figures.md from the newest rows in results/.

python benchmarks/page.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from page_accuracy import accuracy_sections
from page_labels import sections as labels_sections
from page_scale import scale_sections
from page_speed import speed_sections

HERE = Path(__file__).resolve().parent
RESULTS, OUT = HERE / "results", HERE.parent / "docs" / "figures.md"

HEAD = """# Figures

Written by `benchmarks/page.py` from the rows in `benchmarks/results/`; each section names the command that measured it. Seconds
depend on the machine (here two cores, no GPU, at times shared with other work): compare ratios, or run the command on yours.
"""


def table(rows: pd.DataFrame) -> str:
    heads = [str(c) for c in rows.columns]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += [
        "| " + " | ".join("" if pd.isna(v) else str(v) for v in row) + " |" for row in rows.itertuples(index=False)
    ]
    return "\n".join(lines)


def newest(name: str, keys: list[str]) -> pd.DataFrame | None:
    path = RESULTS / name
    if not path.exists():
        return None
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    return rows.drop_duplicates(keys, keep="last").reset_index(drop=True)


def texts() -> list[str]:
    """Sections of the text branch."""
    parts = []
    rows = newest("text_classify.csv", ["data", "part", "model", "options"])
    if rows is not None:
        parts.append(
            "\n## Texts: classes\n`python benchmarks/text_classify.py phrasebank` and `spam`, five folds; `part 1` is the part that no choice "
            "of options saw; p by McNemar against TF-IDF, whichever way. Published on the whole PhraseBank (Araci 2019): LSTM 0.71 / "
            "0.64, with ELMo 0.75 / 0.70, ULMFiT 0.83 / 0.79, FinBERT 0.86 / 0.84, the last three pretrained on far more text.\n"
        )
        keep = [
            "data",
            "part",
            "n",
            "model",
            "options",
            "accuracy",
            "macro_f1",
            "f1_last_class",
            "ece",
            "p_mcnemar",
            "seconds",
        ]
        parts.append(table(rows[keep]))
    rows = newest("text_language.csv", ["what", "model", "options"])
    if rows is not None:
        parts.append(
            "\n## Texts: language models\n`python benchmarks/text_language.py`: the last tenth of Don Quijote; `hoy`: Spanish sentences.\n"
        )
        parts.append(
            table(rows[["what", "model", "options", "bits_per_char", "perplexity", "fit_seconds", "fit_cpu_seconds"]])
        )
    rows = newest("text_translate.csv", ["model", "options", "beam"])
    if rows is not None:
        parts.append("\n## Texts: English to Spanish\n`python benchmarks/text_translate.py`; sacrebleu's defaults.\n")
        parts.append(table(rows[["model", "options", "beam", "bleu", "chrf", "fit_seconds", "fit_cpu_seconds"]]))
    rows = newest("text_speed.csv", ["what"])
    if rows is not None:
        parts.append("\n## Texts: speed\n`python benchmarks/text_speed.py`\n")
        parts.append(table(rows[["what", "value"]]))
    return parts


def fomc_section(newest: Any, table: Any) -> list[str]:
    """Whether the tone of statements helps to forecast an index."""
    rows = newest("fomc.csv", ["part", "days", "model", "against"])
    if rows is None:
        return []
    better = rows.loc[rows["verdict"] == "better", "model"].tolist()
    said = f"Shown to be better: {', '.join(better)}." if better else "No: nothing here is shown to be better."
    wanted = ["part", "days", "model", "against", "n", "mae", "mae_against", "p_value", "p_holm", "verdict"]
    return [
        "\n## Does the tone of the Federal Reserve help to forecast the Dow Jones?\n`python benchmarks/fomc.py`: 104 statements of "
        "1994-2009, their tone as a past covariate that counts from the close of its day on, the next day forecast; mean absolute "
        f"log return in per cent, p of the Diebold-Mariano test, Holm within each part. {said}\n",
        table(rows[wanted]),
    ]


def main() -> None:
    parts = [HEAD]
    rows = newest("commands.csv", ["command"])
    if rows is not None:
        parts.append("## Whole commands\n`python benchmarks/commands.py`\n")
        parts.append(table(rows[["command", "seconds", "peak_mib"]].rename(columns={"peak_mib": "peak MiB"})))
    rows = newest("install_size.csv", ["what"])
    if rows is not None:
        parts.append(
            "\n## Installed size\n`python benchmarks/install_size.py`, megabytes: a fresh environment with the CPU build of torch; *without "
            "torch* leaves out torch and what only torch asks for. Then the largest packages.\n"
        )
        parts.append(table(rows[["what", "mb"]].rename(columns={"mb": "MB"})))
    rows = newest("speed.csv", ["figure"])
    if rows is not None:
        parts.append(
            "\n## Against bare PyTorch loops\n`python benchmarks/speed.py all`; ratio = ours / bare, 1 is as fast.\n"
        )
        parts.append(table(rows[["figure", "ours", "bare", "ratio"]].replace("nan", "")))
    parts += speed_sections(newest, table)
    rows = newest("reading_speed.csv", ["file", "reader"])
    if rows is not None:
        parts.append(
            "\n## Reading\n`python benchmarks/reading_speed.py`; ten million rows (wide: 2,000 x 5,000 columns, one wanted); processor seconds of "
            "all threads.\n"
        )
        keep = [c for c in ("file", "reader", "rows", "cpu_seconds", "peak_mib") if c in rows]
        rows["cpu_seconds"] = pd.to_numeric(rows["cpu_seconds"]).map("{:.2f}".format).replace("nan", "")
        rows["peak_mib"] = rows["peak_mib"].astype(float).map("{:.0f}".format)
        parts.append(table(rows[keep]))
    rows = newest("serve.csv", ["asked_per_second", "processes"])
    if rows is not None:
        parts.append(
            "\n## Serving\n`python benchmarks/serve.py`: requests at a fixed rate for one series, each with thirty newer rows, every "
            "answer compared with `predict`; load = processes that wanted a core when it began, besides.\n"
        )
        keep = [
            "asked_per_second",
            "answered_per_second",
            "requests",
            "wrong",
            "refused",
            "median_ms",
            "p99_ms",
            "processes",
            "cores",
            "load",
        ]
        parts.append(table(rows[keep]))
    rows = newest("m4_hourly.csv", ["model", "options", "seed", "part"])
    if rows is not None:
        parts.append(
            "\n## M4 Hourly\n`python benchmarks/m4_hourly.py --folds 2 --test`: 414 series, 48 steps, the competition's metrics. The "
            "defaults of the networks, the same as for all data, were chosen on the folds inside the training part. For "
            "comparison, published: the winner ES-RNN 0.440, the best of 59 submissions 0.410 (Makridakis et al. 2020).\n"
        )
        parts.append(table(rows[["model", "part", "owa", "smape", "mase", "seconds"]]))
    parts += accuracy_sections(newest, table)
    parts += fomc_section(newest, table)
    parts += labels_sections(newest, table)
    parts += scale_sections(newest, table)
    parts += texts()
    parts.append(
        "\n## The test behind the verdict\n`python benchmarks/significance_simulation.py`; rows in "
        "`benchmarks/results/significance_simulation.csv`: false alarms at most nominal from selection to test, power by number "
        "of origins."
    )
    OUT.write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
