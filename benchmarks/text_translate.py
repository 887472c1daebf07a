"""English to Spanish: encoder and decoder with attention against copy and dictionary; BLEU by sacrebleu's default tokeniser.

    python benchmarks/text_translate.py minutes=15

Data in $FORECASTKIT_DATA: translation/eng_spa_train.tsv (Tatoeba, CC BY 2.0 FR). A tenth of the English sentences is kept aside
with all their translations; 1,500 of them, drawn at random, are scored.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
from pathlib import Path

import yaml
from rows import append

from forecastkit.run.texts.translate import compare_translators
from forecastkit.text.schema import read_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("options", nargs="*", help="KEY=VALUE of the network")
    parser.add_argument("--beam", type=int, default=5)
    args = parser.parse_intermixed_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds translation/eng_spa_train.tsv")
    options = {k: yaml.safe_load(v) for k, v in (word.split("=", 1) for word in args.options)}
    c = compare_translators(
        read_pairs(Path(root) / "translation" / "eng_spa_train.tsv"), {"seq2seq": options}, beam=args.beam
    )
    columns = (
        "date", "model", "options", "beam", "train", "report_sentences", "bleu", "chrf", "fit_seconds", "fit_cpu_seconds",
    )  # fmt: skip
    for name, s in c["scores"].items():
        said = " ".join(args.options) if name == "seq2seq" else ""
        row = [dt.date.today(), name, said, args.beam, c["parts"]["train"], len(c["sources"]), f"{s['bleu']:.2f}", f"{s['chrf']:.2f}", f"{c['seconds'][name]:.0f}", f"{c['cpu'][name]:.0f}"]  # fmt: skip
        append("text_translate.csv", columns, [row])
        print(*row, flush=True)
    for a, b in list(zip(c["sources"], c["said"]["seq2seq"]))[:15]:
        print(f"{a}  ->  {b}")


if __name__ == "__main__":
    main()
