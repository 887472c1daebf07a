"""Text runs: translation. From pairs of sentences to a run folder; from a run folder to translations."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.errors import ConfigError, DataError
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

__all__ = ["TranslationRun", "compare_translators", "fit_translator"]

ALWAYS = ("copy", "dictionary")
DEFAULT_MODELS: dict[str, dict[str, Any]] = {"seq2seq": {}}
MOST_REPORTED = 1500
ALL_RIGHT = 99.9
"""chrF of a translation in which nothing is wrong."""


def _references(pairs: Any, index: np.ndarray) -> tuple[list[str], list[list[str]]]:
    """Each source sentence once, with all its translations."""
    found: dict[str, list[str]] = defaultdict(list)
    for i in index:
        found[pairs.source[i]].append(pairs.target[i])
    return list(found), list(found.values())


def compare_translators(
    pairs: Any, models: Mapping[str, Mapping[str, Any]], *, seed: int = 1, beam: int = 5, progress: Progress = lambda name, done, total: None
) -> dict[str, Any]:  # fmt: skip
    """Fit and score the baselines and ``models``; parts share no source sentence.

    Returns: fitted, reasons, seconds, cpu (seconds of all cores), said, scores, chosen, sources, references, parts.
    """
    from forecastkit.text import metrics
    from forecastkit.text.models import create
    from forecastkit.text.protocol import FitAbout
    from forecastkit.text.splits import key_of, parts_by_key

    made = {name: create("translate", name, **o) for name, o in {**{n: {} for n in ALWAYS}, **models}.items()}
    train, valid, select, report = parts_by_key([key_of(s) for s in pairs.source], (0.82, 0.04, 0.04, 0.10), seed)
    # Files of pairs are often sorted by length: those that are scored are drawn from all.
    select, report = (np.random.default_rng(seed).permutation(part) for part in (select, report))
    sources, references = _references(pairs, report)
    sources, references = sources[:MOST_REPORTED], references[:MOST_REPORTED]
    if not sources:
        raise DataError(
            place=pairs.name,
            rule="too few different source sentences to keep some aside",
            remedy="Add pairs; those that differ in case, digits or signs alone count as one.",
        )
    select_sources, select_references = _references(pairs, select)
    select_sources, select_references = select_sources[:300], select_references[:300]
    fitted, about = fit_each(
        made, lambda model: model.fit(pairs.take(train), FitAbout(seed=seed), pairs.take(valid)), progress
    )
    out: dict[str, Any] = {k: {} for k in ("said", "scores", "chosen", "unit", "least")}
    for name, model in fitted.items():
        said = out["said"][name] = model.translate(sources, beam=beam)
        out["scores"][name] = metrics.translation_scores(said, references)
        chosen = model.translate(select_sources, beam=beam)
        out["chosen"][name] = metrics.translation_scores(chosen, select_references)["chrf"] if chosen else 0.0
        if chosen and hasattr(model, "sureness"):
            out["least"][name] = least_sure(model.sureness(select_sources, chosen), chosen, select_references)
        out["unit"][name] = metrics.sentence_chrf(said, references)
    parts = {"train": len(train), "valid": len(valid), "select": len(select), "report": len(report)}
    return {
        **out,
        **about,
        "fitted": fitted,
        "made": made,
        "sources": sources,
        "references": references,
        "parts": parts,
    }


def least_sure(sureness: np.ndarray, said: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """How sure an answer must be to be given: as sure as all right answers but a twentieth; 1 where none was right.

    >>> round(least_sure(np.array([0.9, 0.8, 0.1]), ["a", "b", "x"], [["a"], ["B"], ["c"]]), 3)
    0.805
    """
    right = [s.lower() in {r.lower() for r in known} for s, known in zip(said, references)]
    return float(np.quantile(sureness[right], 0.05)) if any(right) else 1.0


def fit_translator(
    source: str | Path,
    *,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 1,
    out: str | Path | None = None,
    lang: str = "en",
    progress: Progress = lambda name, done, total: None,
    say: Say = lambda label, text: None,
) -> TextOutcome:
    """Compare an encoder and decoder with copy and dictionary, and write the run folder.

    Raises:
        ForecastkitError: bad input or options.
    """
    from forecastkit.text.models import create
    from forecastkit.text.schema import read_pairs

    started = time.perf_counter()
    wanted = {name: dict(o) for name, o in (DEFAULT_MODELS if models is None else models).items()}
    for name, options in wanted.items():
        create("translate", name, **options)
    pairs = read_pairs(resolved(source))
    left_out = "".join(f"; {reason}: {n:,}" for reason, n in pairs.skipped.items())
    say(f"{pairs.name}", f"{len(pairs):,} pairs of {len(set(pairs.source)):,} different sentences{left_out}")
    folder = RunFolder.create(pairs.name, Path(out) if out is not None else None)
    c = compare_translators(pairs, wanted, seed=seed, progress=progress)
    scores = {name: {**own, "select_chrf": c["chosen"][name]} for name, own in c["scores"].items()}
    board = board_of(c["made"], c["fitted"], c, scores).sort_values("bleu", ascending=False, ignore_index=True)
    verdict = _verdict(c)
    facts = {
        "task": "translate", "data": {"source": str(source), "pairs": len(pairs), "skipped": pairs.skipped}, "parts": c["parts"],
        **facts_about(c["made"], seed, lang, started),
    }  # fmt: skip
    more = {name: {"least_sure": c["least"].get(name)} for name in c["fitted"]}
    curves = write_run(folder, c["fitted"], board, verdict, facts, more)
    _page(c, board, verdict, curves, facts, folder, lang)
    return TextOutcome(folder, board, verdict, time.perf_counter() - started)


def _verdict(c: dict[str, Any]) -> dict[str, Any]:
    from forecastkit.text.metrics import paired_bootstrap

    chosen = c["chosen"]
    use = max(chosen, key=lambda n: chosen[n])
    base = max((n for n in chosen if n in ALWAYS), key=lambda n: chosen[n])
    networks = [n for n in chosen if c["made"][n].family == "network"]
    out: dict[str, Any] = {
        "task": "translate",
        "use": use,
        "reference": base,
        "tested": "",
        "word": "indistinguishable",
        "p_value": None,
    }
    if not networks:
        return {**out, "sentence": no_network(use)}
    tested = max(networks, key=lambda n: chosen[n])
    found = paired_bootstrap(c["unit"][tested], c["unit"][base])
    word = word_of(found, more_is_better=True)
    numbers = f"BLEU {c['scores'][tested]['bleu']:.1f} / {c['scores'][base]['bleu']:.1f}"
    n, p = len(c["sources"]), f"p = {found['p_value']:.2g}"
    en = {
        "better": "translates better than",
        "worse": "translates worse than",
        "indistinguishable": "is not shown to translate better or worse than",
    }[word]
    es = {
        "better": "traduce mejor que",
        "worse": "traduce peor que",
        "indistinguishable": "no se demuestra que traduzca mejor ni peor que",
    }[word]
    said = {
        "en": [
            f"Use {use}.",
            f"{tested} {en} {base}: {numbers} on {n} sentences kept aside ({p}, bootstrap of chrF by sentence).",
        ],
        "es": [
            f"Usa {use}.",
            f"{tested} {es} {base}: {decimal_comma(numbers)} en {n} frases apartadas ({decimal_comma(p)}, bootstrap de chrF por frase).",
        ],
    }
    return {**out, "tested": tested, "word": word, **found, "sentence": said}


def _page(
    c: dict[str, Any],
    board: Any,
    verdict: dict[str, Any],
    curves: Any,
    facts: dict[str, Any],
    folder: RunFolder,
    lang: str,
) -> None:
    from forecastkit.report.numbers import number, p_text, seconds
    from forecastkit.report.texts import Block, Section, TextPage, shown, write_page

    w = _WORDS[lang]
    rows, chosen = [], -1
    for k, r in enumerate(board.to_dict("records")):
        good = r["status"] == "ok"
        rows.append(
            [
                r["model"],
                number(r.get("bleu"), lang),
                number(r.get("chrf"), lang),
                seconds(r["seconds"], lang),
                r["reason"] if not good else "",
            ]
        )
        chosen = k if r["model"] == verdict["use"] else chosen
    use = verdict["use"]
    worst = np.argsort(c["unit"][use], kind="stable")
    some = np.unique(np.linspace(0, len(worst) - 1, 12).astype(int))
    triples = {
        name: [
            [shown(c["sources"][i]), shown(c["said"][use][i]), shown(" / ".join(c["references"][i][:3]))] for i in at
        ]
        for name, at in (("worst", [i for i in worst[:12] if c["unit"][use][i] < ALL_RIGHT]), ("some", some))
    }
    sections = [
        Section(w["models"], [Block(said=w["models_said"] + noted(board), heads=w["heads"], rows=rows, chosen=chosen)]),
        Section(w["some"], [Block(heads=w["triple"], rows=triples["some"], text_columns=(0, 1, 2))]),
        Section(w["worst"], [Block(heads=w["triple"], rows=triples["worst"], text_columns=(0, 1, 2))])
        if triples["worst"]
        else Section(w["worst"], [Block(said=w["no_mistakes"])]),
    ]
    sections += last_sections(curves, part_rows(facts["parts"], w["part"], lang), facts, w, lang)
    best = c["scores"][use]
    page = TextPage(
        title=f"{folder.path.name}: {use}",
        sentence=verdict["sentence"][lang],
        lang=lang,
        sections=sections,
        facts=[
            (number(best["bleu"], lang), "BLEU", use),
            (number(best["chrf"], lang), "chrF", use),
            (str(len(c["sources"])), w["tested"], ""),
            (p_text(verdict["p_value"], lang) or "–", w["test"], verdict["reference"]),
        ],
        footer=footer(facts),
    )
    write_page(page, folder / "report.html")


_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "models": "The models compared", "models_said": "On sentences that none of them learnt from, against all known translations.",
        "heads": ["model", "BLEU", "chrF", "time", ""], "some": "Some translations", "worst": "What went wrong", "no_mistakes": "Nothing, on these sentences.",
        "triple": ["sentence", "it said", "people say"], "part": "pairs: {part}", "data": "Data and run",
        "data_said": "No source sentence is in two parts.", "settings": "All settings", "tested": "sentences tested", "test": "bootstrap against",
    },
    "es": {
        "models": "Los modelos comparados", "models_said": "Con frases de las que ninguno aprendió, frente a todas sus traducciones conocidas.",
        "heads": ["modelo", "BLEU", "chrF", "tiempo", ""], "some": "Algunas traducciones", "worst": "Lo que falló", "no_mistakes": "Nada, en estas frases.",
        "triple": ["frase", "dijo", "se dice"], "part": "pares: {part}", "data": "Datos y ejecución",
        "data_said": "Ninguna frase de origen está en dos partes.", "settings": "Todos los ajustes", "tested": "frases de prueba", "test": "bootstrap frente a",
    },
}  # fmt: skip


class TranslationRun:
    """The saved translator of a run; loads once."""

    def __init__(self, run: str | Path, model: str | None = None) -> None:
        self.folder, self.facts = run_of_task(run, "translate")
        self.model, meta = saved_model(self.folder, "translate", saved_name(self.folder, model))
        self.least_sure: float | None = meta.get("least_sure")

    def answer(self, questions: Sequence[str], *, beam: int = 5, least: float | None = None) -> list[tuple[str, float]]:
        """(answer, how sure in 0 to 1) of each question; no answer where it is less sure than ``least``.

        Args:
            least: None = as sure as right answers were on sentences kept aside, all but a twentieth of them.

        Raises:
            ConfigError: a model that cannot say how sure it is, or ``least`` out of its range.
            DataError: an empty question.
        """
        if not hasattr(self.model, "sureness"):
            raise ConfigError(
                place="answer",
                rule="the model of this run cannot say how sure it is",
                remedy="Choose it: --model seq2seq.",
            )
        if least is not None and not 0 <= least <= 1:
            raise ConfigError(place="--sure", value=f"{least:g}", rule="from 0 to 1")
        bar = least if least is not None else 1.0 if self.least_sure is None else self.least_sure
        cleaned = _cleaned(questions)
        said = self.model.translate(cleaned, beam=beam)
        sureness = self.model.sureness(cleaned, said)
        return [(text if sure >= bar else "", float(sure)) for text, sure in zip(said, sureness)]

    def translate(self, sentences: Sequence[str], *, beam: int = 5) -> list[str]:
        """A translation of each sentence.

        Raises:
            DataError: an empty sentence.
        """
        done: list[str] = self.model.translate(_cleaned(sentences), beam=beam)
        return done

    def attention(self, sentence: str) -> pd.DataFrame:
        """How much each token of the sentence (columns) counted for each token written (rows).

        Raises:
            ConfigError: a model without attention.
            DataError: an empty sentence.
        """
        import pandas as pd

        if not hasattr(self.model, "attention"):
            raise ConfigError(place="attention", rule="only seq2seq has it", remedy='Load it: model="seq2seq".')
        source, written, weights = self.model.attention(*_cleaned([sentence]))
        return pd.DataFrame(weights, index=written, columns=source)


def _cleaned(sentences: Sequence[str]) -> list[str]:
    """Sentences as those of the fit were read.

    Raises:
        DataError: an empty one.
    """
    from forecastkit.text.clean import is_empty
    from forecastkit.text.schema import bounded

    cleaned = [bounded(s)[0] for s in sentences]
    if any(is_empty(s) for s in cleaned):
        raise DataError(place="sentence", rule="there is nothing to translate in it")
    return cleaned
