"""Text classifiers against TF-IDF with logistic regression, cross-validated; the network's options are given by hand.

    python benchmarks/text_classify.py phrasebank --model wide_gru --unlabelled names=false pretrain=svd seeds=5
    python benchmarks/text_classify.py spam --model wide_lstm seeds=5

Data in $FORECASTKIT_DATA: sentiment/financial_phrasebank_train.csv (Malo et al. 2014; CC BY-NC-SA 3.0) and
spam/sms_spam_train.csv (Almeida et al. 2011, UCI 228; CC BY 4.0). Each row of the data is reported on once, by a model that did
not learn from it. Near-copies stay in one fold. The last class of the alphabet (spam, positive) has its own F1, printed with the texts missed, the false ones and an interval. Options were
chosen on folds inside the first fold's own training part: the row "part 1" is of its report part alone, which nothing saw.
--unlabelled adds the texts of the other English files, without their labels.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import os
import time
from pathlib import Path

import numpy as np
import yaml
from rows import append

from forecastkit.probabilities import class_scores, confusion
from forecastkit.text import metrics
from forecastkit.text.evaluation import evaluate
from forecastkit.text.schema import read_pairs, read_texts

HEADS = ["date", "data", "folds", "part", "n", "model", "options", "accuracy", "macro_f1", "f1_last_class", "auc", "ece", "p_mcnemar", "seconds"]  # fmt: skip
OTHERS = ("sentiment/amazon_review_snippets.csv", "sentiment/movie_review_snippets.csv", "spam/sms_spam_train.csv")
FILES = {"phrasebank": "sentiment/financial_phrasebank_train.csv", "spam": "spam/sms_spam_train.csv"}


def unlabelled(root: Path, own: str) -> list[str]:
    """English texts of the other files; neither the file itself nor any label."""
    out: list[str] = []
    for name in OTHERS:
        if name != own:
            out += read_texts(root / name, labelled=False).texts
    out += dict.fromkeys(read_pairs(root / "translation/eng_spa_train.tsv").source)
    for text in read_texts(root / "text_series/fomc_statements_djia_1994_2009.csv", labelled=False).texts:
        out += [part for part in text.split(". ") if part.strip()]
    return out


def f1_interval(was: np.ndarray, said: np.ndarray, n: int = 2000) -> tuple[float, float]:
    """95 % interval of F1 of one class, texts drawn anew with replacement."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(n):
        at = rng.integers(0, len(was), len(was))
        a, b = was[at], said[at]
        found.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(FILES))
    parser.add_argument("options", nargs="*", help="KEY=VALUE of the network")
    parser.add_argument("--model", default="gru")
    parser.add_argument("--also", default="", help="more models with their defaults, comma-separated")
    parser.add_argument("--unlabelled", action="store_true")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_intermixed_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds " + FILES[args.data])
    options = {k: yaml.safe_load(v) for k, v in (word.split("=", 1) for word in args.options)}
    table = read_texts(Path(root) / FILES[args.data])
    started = time.perf_counter()
    more = unlabelled(Path(root), FILES[args.data]) if args.unlabelled else []
    models = {args.model: options, **{name: {} for name in args.also.split(",") if name}}
    e = evaluate(table, models, n_folds=args.folds, select=0.0, seed=args.seed, unlabelled=more)
    first = np.arange(len(e.folds[0].report))
    parts = [("all", np.arange(len(e.labels))), ("part 1", first)]
    rows = []
    for (part, at), (name, m) in itertools.product(parts, e.models.items()):
        if m.reason:
            print(name, m.reason)
            continue
        y, p, reference = e.labels[at], m.p[at], e.models["tfidf"].p[at]
        s = metrics.scores(y, p)
        last = class_scores(confusion(y, p.argmax(axis=1), p.shape[1]))[-1]["f1"]
        test = metrics.mcnemar(p.argmax(axis=1) == y, reference.argmax(axis=1) == y)
        said = (
            " ".join([*args.options, *(["--unlabelled"] if args.unlabelled else [])])
            if name.startswith(args.model)
            else ""
        )
        rows.append([dt.date.today(), args.data, args.folds, part, len(y), name, said, *(f"{v:.4f}" for v in (s["accuracy"], s["macro_f1"], last, s["auc"], s["ece"])), f"{test.p_value:.2g}", f"{m.seconds:.0f}"])  # fmt: skip
        k = p.shape[1] - 1
        was, is_said = y == k, p.argmax(axis=1) == k
        low, high = f1_interval(was, is_said)
        print(
            *rows[-1][3:],
            f"missed {(was & ~is_said).sum()}, false {(is_said & ~was).sum()}, 95 % {low:.3f}-{high:.3f}",
            flush=True,
        )
    append("text_classify.csv", HEADS, rows)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
