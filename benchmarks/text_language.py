"""Language models against interpolated Kneser-Ney: bits per character, perplexity, and "Hoy hace buen".

    python benchmarks/text_language.py quijote-char hidden=320 tie=false minutes=22
    python benchmarks/text_language.py quijote-word minutes=10
    python benchmarks/text_language.py hoy                            # counts alone unless minutes are given

Data in $FORECASTKIT_DATA: language_model/quijote_es.txt (Project Gutenberg 2000, public domain) and the Spanish side of
translation/eng_spa_train.tsv (Tatoeba, CC BY 2.0 FR). Of the Quijote the last tenth reports, 5 % before it stop the training.
Words: the 20,000 most frequent that come at least twice in the training part; both models have the same unknown word.
--keep FOLDER keeps the trained network there; one that is there already is scored and not trained again.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rows import append

from forecastkit import artifacts
from forecastkit.run.texts.language import unwrapped
from forecastkit.text.generate import complete
from forecastkit.text.metrics import paired_bootstrap
from forecastkit.text.models import create, restore
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import read_book, read_pairs
from forecastkit.text.tokenizer import Tokenizer

HEADS = ["date", "what", "model", "options", "vocabulary", "report_tokens", "bits_per_char", "perplexity", "fit_seconds", "fit_cpu_seconds"]  # fmt: skip


def timed(
    name: str, own: dict[str, Any], ids: np.ndarray, tokenizer: Tokenizer, valid: np.ndarray | None
) -> tuple[Any, float, float]:
    """(fitted, seconds, processor seconds)."""
    started, cpu = time.perf_counter(), time.process_time()
    model = create("language-model", name, **own)
    fitted = model.fit(ids, tokenizer, FitAbout(), *([] if valid is None else [valid]))
    return fitted, time.perf_counter() - started, time.process_time() - cpu


def kept(
    folder: Path | None, own: dict[str, Any], ids: np.ndarray, tokenizer: Tokenizer, valid: np.ndarray
) -> tuple[Any, float, float]:
    """As ``timed``, of the network in ``folder`` where there is one of these options."""
    if folder is not None and folder.exists():
        arrays, meta = artifacts.load_model(folder)
        if meta["own"] != own or meta["state"]["tokenizer"] != tokenizer.state():
            raise SystemExit(f"{folder}: a network of other options or another text: {meta['own']}")
        return restore("language-model", "lstm_lm", arrays, meta["state"]), meta["seconds"], meta["cpu"]
    fitted, seconds, cpu = timed("lstm_lm", own, ids, tokenizer, valid)
    if folder is not None:
        arrays, state = fitted.state()
        artifacts.save_model(folder, arrays, {"own": own, "state": state, "seconds": seconds, "cpu": cpu})
    return fitted, seconds, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quijote-char", "quijote-word", "hoy"])
    parser.add_argument("options", nargs="*", help="KEY=VALUE of the network")
    parser.add_argument("--keep", type=Path, help="folder of the trained network")
    args = parser.parse_intermixed_args()
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA")
    options = {k: yaml.safe_load(v) for k, v in (word.split("=", 1) for word in args.options)}
    if args.what == "hoy":
        lines = list(dict.fromkeys(read_pairs(Path(root) / "translation/eng_spa_train.tsv").target))
        np.random.default_rng(1).shuffle(lines)
        book = "\n".join(lines)
    else:
        book = read_book(Path(root) / "language_model/quijote_es.txt")
    level = "char" if args.what == "quijote-char" else "word"
    if level == "word":
        book = unwrapped(book)
    b = len(book) - round(0.1 * len(book))
    a = b - round(0.05 * len(book))
    tokenizer = Tokenizer.learn([book[:a]], level, min_count=1 if level == "char" else 2)
    train, valid, report = (np.array(tokenizer.encode(t)) for t in (book[:a], book[a:b], book[b:]))
    before = np.r_[train, valid]
    models = {"kneser_ney": {}} | ({"lstm_lm": options} if args.what != "hoy" or options else {})
    losses, rows = {}, []
    for name, own in models.items():
        if name == "kneser_ney":
            fitted, seconds, cpu = timed(name, {}, before, tokenizer, None)
        else:
            fitted, seconds, cpu = kept(args.keep, own, train, tokenizer, valid)
        nats = losses[name] = fitted.nll(before[-1000:], report)
        said = " ".join(args.options) if own else f"order {fitted.info['order']}"
        bits = nats.sum() / math.log(2) / (len(book) - b)
        rows.append([dt.date.today(), args.what, name, said, len(tokenizer), len(report), f"{bits:.4f}", f"{math.exp(nats.mean()):.2f}", f"{seconds:.0f}", f"{cpu:.0f}"])  # fmt: skip
        print(*rows[-1], flush=True)
        if args.what == "hoy":
            print(name, [f"{t} {p:.3f}" for t, p in complete(fitted, "Hoy hace buen", 5)], flush=True)
    if len(losses) == 2:
        blocks = [np.array([x.mean() for x in np.array_split(v, len(report) // 200)]) for v in losses.values()]
        print(paired_bootstrap(blocks[1], blocks[0]))
    append("text_language.csv", HEADS, rows)


if __name__ == "__main__":
    main()
