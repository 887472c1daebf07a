"""Text classifiers against TF-IDF with logistic regression, cross-validated; the network's options are given by hand.

    python benchmarks/text_classify.py phrasebank --folds 5 seeds=3
    python benchmarks/text_classify.py spam --folds 5

Data in $FORECASTKIT_DATA: sentiment/financial_phrasebank_train.csv (Malo et al. 2014; CC BY-NC-SA 3.0) and
spam/sms_spam_train.csv (Almeida et al. 2011, UCI 228; CC BY 4.0). Each row of the data is reported on once, by a model that did
not learn from it. Near-copies stay in one fold. The last class of the alphabet (spam, positive) has its own F1.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import time
from pathlib import Path

import yaml

from forecastkit.probabilities import class_scores, confusion
from forecastkit.text import metrics
from forecastkit.text.evaluation import evaluate
from forecastkit.text.schema import read_texts

HERE = Path(__file__).resolve().parent
FILES = {"phrasebank": "sentiment/financial_phrasebank_train.csv", "spam": "spam/sms_spam_train.csv"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(FILES))
    parser.add_argument("options", nargs="*", help="KEY=VALUE of the network")
    parser.add_argument("--model", default="gru")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds " + FILES[args.data])
    options = {k: yaml.safe_load(v) for k, v in (word.split("=", 1) for word in args.options)}
    table = read_texts(Path(root) / FILES[args.data])
    started = time.perf_counter()
    e = evaluate(table, {args.model: options}, n_folds=args.folds, select=0.0, seed=args.seed)
    right = {n: m.p.argmax(axis=1) == e.labels for n, m in e.models.items()}
    path = HERE / "results" / "text_classify.csv"
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(["date", "data", "folds", "n", "model", "options", "accuracy", "macro_f1", "f1_last_class", "auc", "ece", "p_mcnemar", "seconds"])  # fmt: skip
        for name, m in e.models.items():
            s = metrics.scores(e.labels, m.p)
            last = class_scores(confusion(e.labels, m.p.argmax(axis=1), m.p.shape[1]))[-1]["f1"]
            test = metrics.mcnemar(right[name], right["tfidf"])
            said = " ".join(args.options) if name.startswith(args.model) else ""
            row = [dt.date.today(), args.data, args.folds, len(e.labels), name, said, *(f"{v:.4f}" for v in (s["accuracy"], s["macro_f1"], last, s["auc"], s["ece"])), f"{test.p_value:.2g}", f"{m.seconds:.0f}"]  # fmt: skip
            writer.writerow(row)
            print(*row[4:], flush=True)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
