"""Text runs: language models. From a book to a run folder; from a run folder to next words and texts."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.run.folder import RunFolder
from forecastkit.run.texts.shared import (
    Progress,
    Say,
    TextOutcome,
    board_of,
    facts_about,
    fit_each,
    footer,
    last_sections,
    noted,
    part_rows,
    resolved,
    run_of_task,
    saved_model,
    saved_name,
    word_of,
    write_run,
)
from forecastkit.wording import decimal_comma, no_network

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LanguageRun", "fit_language_model", "unwrapped"]

ALWAYS = ("unigram", "kneser_ney")
DEFAULT_MODELS: dict[str, dict[str, Any]] = {"lstm_lm": {}}
FEWEST_TOKENS = 500
BLOCK = 200
"""Tokens of a unit of the bootstrap: neighbours are not independent."""
MOST_RANKED = 1000
CONTEXT = 1000

_END = re.compile(r"[.!?…:;»”\"')\]—-]$")


def unwrapped(text: str) -> str:
    r"""Lines of a hard-wrapped text joined; where most lines end a sentence, nothing changes.

    >>> unwrapped("un dos\ntres cuatro\ncinco\n\nseis")
    'un dos tres cuatro cinco\n\nseis'
    """
    lines = text.split("\n")
    pairs = [(a, b) for a, b in zip(lines, lines[1:]) if a.strip() and b.strip()]
    open_ended = sum(not _END.search(a.strip()) for a, _ in pairs)
    if not pairs or open_ended <= 0.6 * len(pairs):
        return text
    return re.sub(r"(?<=\S)[ ]*\n(?=[ ]*\S)", " ", text)


def fit_language_model(
    source: str | Path,
    *,
    level: str = "word",
    models: Mapping[str, Mapping[str, Any]] | None = None,
    vocabulary: int = 0,
    seed: int = 1,
    out: str | Path | None = None,
    lang: str = "en",
    progress: Progress = lambda name, done, total: None,
    say: Say = lambda label, text: None,
) -> TextOutcome:
    """Compare a network with counted n-grams on the last tenth of a text, and write the run folder.

    Args:
        level: ``word``, ``char``, ``subword`` or ``symbol``.
        vocabulary: tokens at most; 0 = 20,000 words, 4,000 pieces, all characters.

    Raises:
        ForecastkitError: bad input or options.
    """
    from forecastkit.text.models import create
    from forecastkit.text.protocol import FitAbout
    from forecastkit.text.schema import read_book
    from forecastkit.text.tokenizer import LEVELS, UNK, Tokenizer

    started = time.perf_counter()
    if level not in LEVELS:
        raise ConfigError(place="--level", value=repr(level), rule="no such level", remedy=near(level, LEVELS))
    wanted = {name: dict(o) for name, o in (DEFAULT_MODELS if models is None else models).items()}
    made = {name: create("language-model", name, **o) for name, o in {**{n: {} for n in ALWAYS}, **wanted}.items()}
    path = resolved(source)
    book = read_book(path)
    if level in ("word", "subword"):
        book = unwrapped(book)
    parts = _parts(book)
    size = vocabulary or {"word": 20_000, "subword": 4_000}.get(level, 100_000)
    tokenizer = Tokenizer.learn([parts["train"]], level, size=size, min_count=2 if len(parts["train"]) > 200_000 and level == "word" else 1)  # fmt: skip
    ids = {name: np.array(tokenizer.encode(part), np.int64) for name, part in parts.items()}
    if len(ids["train"]) < FEWEST_TOKENS or min(len(v) for v in ids.values()) < 20:
        raise DataError(place=str(source), value=f"{len(ids['train'])} tokens to learn from", rule=f"at least {FEWEST_TOKENS} are needed")  # fmt: skip
    unknown = float((ids["report"] == UNK).mean())
    say(
        Path(path).name,
        f"{len(book):,} characters; tokens ({level}): {', '.join(f'{len(v):,} {k}' for k, v in ids.items())}",
    )
    say("", f"vocabulary {len(tokenizer):,}, of the last tenth {100 * unknown:.1f} % unknown")
    folder = RunFolder.create(Path(path).stem, Path(out) if out is not None else None)
    about = FitAbout(seed=seed)

    def fit(model: Any) -> Any:
        if model.family == "network":
            return model.fit(ids["train"], tokenizer, about, ids["valid"])
        # Counts need no early stopping and lose no rows to it.
        return model.fit(np.r_[ids["train"], ids["valid"]], tokenizer, about)

    fitted, how = fit_each(made, fit, progress)
    before = np.r_[ids["train"], ids["valid"], ids["select"]]
    losses = {n: f.nll(before[-CONTEXT:], ids["report"]) for n, f in fitted.items()}
    chosen = {n: float(f.nll(before[-len(ids["select"]) - CONTEXT : -len(ids["select"])], ids["select"]).mean()) for n, f in fitted.items()}  # fmt: skip
    n_chars = len(parts["report"])
    scores = {}
    for name, nats in losses.items():
        top1, top5 = _top(fitted[name], np.r_[before[-CONTEXT:], ids["report"]], len(ids["report"]))
        scores[name] = {
            "perplexity": math.exp(float(nats.mean())), "bits_per_char": float(nats.sum()) / math.log(2) / n_chars,
            "top1": top1, "top5": top5, "select_nll": chosen[name],
        }  # fmt: skip
    board = board_of(made, fitted, how, scores).sort_values("bits_per_char", ignore_index=True)
    verdict = _verdict(losses, chosen, made, n_chars)
    facts = {
        "task": "language-model", "data": {"source": str(source), "characters": len(book)}, "level": level,
        "vocabulary": len(tokenizer), "unknown_in_report": unknown, "tokens": {k: len(v) for k, v in ids.items()},
        **facts_about(made, seed, lang, started),
    }  # fmt: skip
    curves = write_run(folder, fitted, board, verdict, facts)
    _page(board, verdict, curves, facts, fitted[verdict["use"]], parts["report"], folder, lang)
    return TextOutcome(folder, board, verdict, time.perf_counter() - started)


def _parts(book: str) -> dict[str, str]:
    """The text in order: 80 % train, 5 % valid (early stopping), 5 % select, the last tenth reports."""
    n = len(book)
    edges = [0, round(0.80 * n), round(0.85 * n), round(0.90 * n), n]
    return {name: book[a:b] for name, a, b in zip(("train", "valid", "select", "report"), edges, edges[1:])}


def _top(model: Any, whole: np.ndarray, n: int) -> tuple[float, float]:
    """How often the next token is the first, or among the first five, on a sample of places."""
    at = np.unique(np.linspace(len(whole) - n, len(whole) - 1, min(n, MOST_RANKED)).astype(int))
    ranks = []
    if hasattr(model, "walker"):
        walk, end = model.walker(), 0
        for t in at:
            p = walk(whole[end:t])
            end = t
            ranks.append(int((p > p[whole[t]]).sum()))
    else:
        for t in at:
            p = model.next(whole[max(t - 12, 0) : t])
            ranks.append(int((p > p[whole[t]]).sum()))
    found = np.array(ranks)
    return float((found < 1).mean()), float((found < 5).mean())


def _verdict(
    losses: dict[str, np.ndarray], chosen: dict[str, float], made: dict[str, Any], n_chars: int
) -> dict[str, Any]:
    from forecastkit.text.metrics import paired_bootstrap

    use = min(chosen, key=lambda n: chosen[n])
    reference = "kneser_ney"
    networks = [n for n in chosen if made[n].family == "network"]
    out: dict[str, Any] = {"task": "language-model", "use": use, "reference": reference, "tested": "", "word": "indistinguishable", "p_value": None}  # fmt: skip
    if not networks:
        return {**out, "sentence": no_network(use)}
    tested = min(networks, key=lambda n: chosen[n])
    blocks = {n: _blocks(losses[n]) for n in (tested, reference)}
    found = paired_bootstrap(blocks[tested], blocks[reference])
    word = word_of(found, more_is_better=False)
    bpc = {n: float(losses[n].sum()) / math.log(2) / n_chars for n in (tested, reference)}
    p = f"p = {found['p_value']:.2g}"
    numbers = f"{bpc[tested]:.3f} / {bpc[reference]:.3f}"
    en = {"better": "predicts better than", "worse": "predicts worse than", "indistinguishable": "is not shown to predict better or worse than"}[word]  # fmt: skip
    es = {"better": "predice mejor que", "worse": "predice peor que", "indistinguishable": "no se demuestra que prediga mejor ni peor que"}[word]  # fmt: skip
    said = {
        "en": [f"Use {use}.", f"{tested} {en} {reference}: {numbers} bits per character on the last tenth ({p}, bootstrap over blocks of {BLOCK})."],
        "es": [f"Usa {use}.", f"{tested} {es} {reference}: {decimal_comma(numbers)} bits por carácter en la última décima parte ({decimal_comma(p)}, bootstrap por bloques de {BLOCK})."],
    }  # fmt: skip
    return {**out, "tested": tested, "word": word, **found, "bits_per_char": bpc, "sentence": said}


def _blocks(nats: np.ndarray) -> np.ndarray:
    n = max(1, len(nats) // BLOCK)
    return np.array([part.mean() for part in np.array_split(nats, n)])


def _page(
    board: pd.DataFrame, verdict: dict[str, Any], curves: pd.DataFrame, facts: dict[str, Any], model: Any, report: str, folder: RunFolder, lang: str
) -> None:  # fmt: skip
    from forecastkit.report.numbers import number, p_text, percent, seconds
    from forecastkit.report.texts import Block, Section, TextPage, shown, write_page
    from forecastkit.text.generate import generate

    w = _WORDS[lang]
    rows, chosen = [], -1
    for k, r in enumerate(board.to_dict("records")):
        if r["status"] != "ok":
            rows.append([r["model"], "–", "–", "–", "–", r["reason"]])
            continue
        rows.append([r["model"], number(r["perplexity"], lang), number(r["bits_per_char"], lang, 4), percent(r["top1"], lang), percent(r["top5"], lang), seconds(r["seconds"], lang)])  # fmt: skip
        chosen = k if r["model"] == verdict["use"] else chosen
    best = board[board["model"] == verdict["use"]].iloc[0]
    start = " ".join(report.split()[:3])
    samples = []
    for temperature in (0.5, 0.8, 1.0):
        try:
            samples.append([number(temperature, lang, 2), shown(generate(model, start, n_tokens=60 if facts["level"] != "char" else 240, temperature=temperature), 1200)])  # fmt: skip
        except DataError:
            break
    sections = [
        Section(w["models"], [Block(said=w["models_said"] + noted(board), heads=w["heads"], rows=rows, chosen=chosen)]),
        Section(w["samples"], [Block(said=w["samples_said"].format(start=shown(start, 80)), heads=w["sample_heads"], rows=samples, text_columns=(0, 1))]),
    ]  # fmt: skip
    about = part_rows(facts["tokens"], w["part"], lang)
    about += [[w["vocabulary"], facts["vocabulary"]], [w["unknown"], percent(facts["unknown_in_report"], lang)]]
    sections += last_sections(curves, about, facts, w, lang)
    key = [
        (
            number(float(best["perplexity"]), lang),
            w["perplexity"],
            w["level"].format(level=w["levels"][facts["level"]]),
        ),
        (number(float(best["bits_per_char"]), lang, 4), w["bpc"], ""),
        (percent(float(best["top5"]), lang), w["top5"], w["sampled"]),
        (p_text(verdict["p_value"], lang) or "–", w["test"], verdict["reference"]),
    ]
    page = TextPage(
        title=f"{folder.path.name}: {verdict['use']}", sentence=verdict["sentence"][lang], facts=key, sections=sections, lang=lang,
        footer=footer(facts),
    )  # fmt: skip
    write_page(page, folder / "report.html")


_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "models": "The models compared", "models_said": "On the last tenth of the text, from which none of them learnt.",
        "heads": ["model", "perplexity", "bits per character", "next token first", "among five", "time"],
        "samples": "What it writes", "samples_said": "After “{start}”, by temperature.", "sample_heads": ["temperature", "text"],
        "part": "tokens: {part}", "vocabulary": "vocabulary", "unknown": "unknown in the last tenth", "data": "Data and run",
        "settings": "All settings", "perplexity": "perplexity", "level": "a {level}", "levels": {"word": "word", "char": "character", "subword": "piece of a word", "symbol": "symbol"}, "bpc": "bits per character",
        "top5": "next token among five", "sampled": "on a sample of places", "test": "bootstrap against",
    },
    "es": {
        "models": "Los modelos comparados", "models_said": "Con la última décima parte del texto, de la que ninguno aprendió.",
        "heads": ["modelo", "perplejidad", "bits por carácter", "acierta el siguiente", "entre cinco", "tiempo"],
        "samples": "Lo que escribe", "samples_said": "Tras «{start}», por temperatura.", "sample_heads": ["temperatura", "texto"],
        "part": "unidades: {part}", "vocabulary": "vocabulario", "unknown": "desconocidas en la última décima parte",
        "data": "Datos y ejecución", "settings": "Todos los ajustes", "perplexity": "perplejidad", "level": "por {level}", "levels": {"word": "palabra", "char": "carácter", "subword": "trozo de palabra", "symbol": "símbolo"},
        "bpc": "bits por carácter", "top5": "la siguiente entre cinco", "sampled": "en una muestra de lugares", "test": "bootstrap frente a",
    },
}  # fmt: skip


class LanguageRun:
    """The saved language model of a run; loads once.

    Args:
        model: name of a saved model; None = the recommended one.
    """

    def __init__(self, run: str | Path, model: str | None = None) -> None:
        self.folder, self.facts = run_of_task(run, "language-model")
        self.model, _ = saved_model(self.folder, "language-model", saved_name(self.folder, model))

    def complete(self, prompt: str, top: int = 5) -> list[tuple[str, float]]:
        """The likeliest next tokens."""
        from forecastkit.text.generate import complete

        return complete(self.model, prompt, top)

    def generate(self, prompt: str, **how: Any) -> str:
        """See ``forecastkit.text.generate.generate``."""
        from forecastkit.text.generate import generate

        return generate(self.model, prompt, **how)
