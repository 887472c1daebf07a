"""Text runs: transcription. From a folder of sounds or pictures with their texts to a run folder; from a run folder to texts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts
from forecastkit.errors import ConfigError, DataError
from forecastkit.run.folder import RunFolder
from forecastkit.run.texts.shared import (
    Progress,
    Say,
    TextOutcome,
    board_of,
    damaged,
    facts_about,
    fit_each,
    footer,
    last_sections,
    noted,
    part_rows,
    run_of_task,
    saved_model,
    saved_name,
    word_of,
    write_run,
)
from forecastkit.wording import decimal_comma

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TranscriptionRun", "compare_transcribers", "fit_transcriber"]

ALWAYS = ("usual", "nearest")
DEFAULT_MODELS: dict[str, dict[str, dict[str, Any]]] = {"sounds": {"gru_ctc": {}}, "pictures": {"seq2seq": {}}}
SHARES = {"train": 0.55, "valid": 0.1, "select": 0.1, "report": 0.25}
FEWEST_GROUPS = 10
"""Speakers under which nothing is called shown: with fewer, one of them decides."""
MOST_GROUPS_SHOWN = 30


def compare_transcribers(
    pairs: Any, models: Mapping[str, Mapping[str, Any]], *, seed: int = 1, beam: int = 8, progress: Progress = lambda name, done, total: None
) -> dict[str, Any]:  # fmt: skip
    """Fit and score the baselines and ``models``; parts share no speaker.

    Returns: fitted, reasons, seconds, cpu (seconds of all cores), said, scores, chosen, made, report (``FramePairs``), groups, rates
        (of each model: [groups] share of characters that are wrong), parts, new (share of the report texts that nobody learned).

    Raises:
        DataError: too few speakers for four parts.
    """
    from forecastkit.text import metrics
    from forecastkit.text.models import create
    from forecastkit.text.protocol import FitAbout
    from forecastkit.text.splits import parts_by_key

    made = {name: create("transcribe", name, **o) for name, o in {**{n: {} for n in ALWAYS}, **models}.items()}
    index = dict(zip(SHARES, parts_by_key(pairs.groups, tuple(SHARES.values()), seed)))
    if not all(map(len, index.values())):
        n = len(set(pairs.groups))
        raise DataError(
            place=f"{pairs.name}, --group", value=f"{n} of them", rule="too few to learn from some and be tested on others",
            remedy="Add files of others, or leave --group out.",
        )  # fmt: skip
    train, valid, select, report = (pairs.take(at) for at in index.values())
    fitted, about = fit_each(made, lambda model: model.fit(train, FitAbout(seed=seed), valid), progress)
    groups = _groups(report)
    out: dict[str, Any] = {"said": {}, "scores": {}, "chosen": {}, "rates": {}, "rates_select": {}}
    for name, model in fitted.items():
        said = out["said"][name] = model.translate(report.source, beam=beam)
        out["scores"][name] = metrics.error_rates(said, report.target)
        out["rates"][name] = _rates(said, report)
        said = model.translate(select.source, beam=beam)
        out["chosen"][name], out["rates_select"][name] = (
            metrics.error_rates(said, select.target)["cer"],
            _rates(said, select),
        )
    known = set(train.target)
    new = float(np.mean([text not in known for text in report.target]))
    parts = {name: len(at) for name, at in index.items()}
    return {
        **out,
        **about,
        "fitted": fitted,
        "made": made,
        "report": report,
        "groups": groups,
        "parts": parts,
        "new": new,
    }


def _rates(said: Sequence[str], pairs: Any) -> np.ndarray:
    """[groups] share of the characters that are wrong, in the order of ``_groups``."""
    from forecastkit.text.metrics import error_rates

    where: dict[str, list[int]] = {group: [] for group in _groups(pairs)}
    for i, group in enumerate(pairs.groups):
        where[group].append(i)
    return np.array([error_rates([said[i] for i in at], [pairs.target[i] for i in at])["cer"] for at in where.values()])


def _groups(pairs: Any) -> list[str]:
    return sorted(set(pairs.groups), key=lambda name: (len(name), name))


def choose(chosen: Mapping[str, float], rates: Mapping[str, np.ndarray], order: Sequence[str]) -> str:
    """The fewest errors on the select part, or the first of ``order`` within one standard error of it.

    >>> choose({"a": 0.2, "b": 0.1}, {"a": np.array([0.2, 0.2]), "b": np.array([0.0, 0.2])}, ["a", "b"])
    'a'
    """
    best = min(chosen, key=lambda name: chosen[name])
    own = rates[best]
    error = float(own.std(ddof=1) / len(own) ** 0.5) if len(own) > 1 else 0.0
    return next(name for name in order if name in chosen and chosen[name] <= chosen[best] + error)


def fit_transcriber(
    source: str | Path,
    *,
    text: str | None = None,
    group: str | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 1,
    out: str | Path | None = None,
    lang: str = "en",
    progress: Progress = lambda name, done, total: None,
    say: Say = lambda label, text: None,
) -> TextOutcome:
    """Compare networks that read sounds or pictures with baselines, and write the run folder.

    Args:
        source: folder of WAV or PNG files and ``labels.csv``, which names each file, its text and perhaps who made it.
        text: column of texts.
        group: column of the speaker, who is never on two sides of a split.

    Raises:
        ForecastkitError: bad input or options.
    """
    from forecastkit.text.frames import read_frames
    from forecastkit.text.models import create

    started = time.perf_counter()
    for name, options in (models or {}).items():
        create("transcribe", name, **options)  # said before anything is read
    pairs = read_frames(source, text=text, group=group)
    wanted = {name: dict(o) for name, o in (DEFAULT_MODELS[pairs.kind] if models is None else models).items()}
    left_out = "".join(f"; {reason}: {n:,}" for reason, n in pairs.skipped.items())
    of = f" of {len(set(pairs.groups))} ({group})" if group else ""
    say(pairs.name, f"{len(pairs):,} {pairs.kind}{of}, {len(set(pairs.target)):,} different texts{left_out}")
    folder = RunFolder.create(pairs.name, Path(out) if out is not None else None)
    c = compare_transcribers(pairs, wanted, seed=seed, progress=progress)
    scores = {name: {**own, "select_cer": c["chosen"][name]} for name, own in c["scores"].items()}
    board = board_of(c["made"], c["fitted"], c, scores).sort_values("cer", ignore_index=True)
    verdict = _verdict(c, group or "file")
    facts = {
        "task": "transcribe", "data": {"source": str(source), "text": text, "group": group, "kind": pairs.kind, "files": len(pairs),
        "groups": len(set(pairs.groups)), "skipped": pairs.skipped}, "parts": c["parts"],
        **facts_about(c["made"], seed, lang, started),
    }  # fmt: skip
    more = {name: {"kind": pairs.kind} for name in c["fitted"]}
    curves = write_run(folder, c["fitted"], board, verdict, facts, more)
    artifacts.write_csv(folder / "predictions.csv", _predictions(c, verdict["use"]))
    _page(c, board, verdict, curves, facts, folder, lang)
    return TextOutcome(folder, board, verdict, time.perf_counter() - started)


def _predictions(c: dict[str, Any], name: str) -> Any:
    import pandas as pd

    report = c["report"]
    return pd.DataFrame({"file": report.files, "group": report.groups, "text": report.target, "said": c["said"][name]})


def _verdict(c: dict[str, Any], what: str) -> dict[str, Any]:
    """Chosen by the select part; shown or not by the report part, whole speakers drawn anew."""
    from forecastkit.text.metrics import paired_bootstrap

    chosen, scores = c["chosen"], c["scores"]
    use = choose(chosen, c["rates_select"], list(c["made"]))
    base = min((n for n in chosen if n in ALWAYS), key=lambda n: chosen[n])
    networks = [n for n in chosen if c["made"][n].family == "network"]
    n, n_groups = len(c["report"]), len(c["groups"])
    plural = "archivos" if what == "file" else f"grupos ({what})"
    share = f"{100 * scores[use]['cer']:.1f} %"
    en = [f"Use {use}. It gets {share} of the characters wrong, on {n_groups} {what}s that it never met."]
    es = [f"Usa {use}. Se equivoca en el {share} de los caracteres, en {n_groups} {plural} que nunca encontró."]
    out: dict[str, Any] = {
        "task": "transcribe", "use": use, "reference": base, "tested": "", "word": "indistinguishable", "p_value": None,
        "n_report": n, "n_groups": n_groups,
    }  # fmt: skip
    if not networks:
        return {**out, "sentence": {"en": [*en, "No network was compared."], "es": [*es, "No se comparó ninguna red."]}}
    tested = min(networks, key=lambda n: chosen[n])
    found = paired_bootstrap(c["rates"][tested], c["rates"][base])
    word = "too few to tell" if n_groups < FEWEST_GROUPS else word_of(found, more_is_better=False)
    said = {
        "better": (f"{tested} makes fewer mistakes than {base}", f"{tested} comete menos errores que {base}"),
        "worse": (f"{tested} makes more mistakes than {base}", f"{tested} comete más errores que {base}"),
        "indistinguishable": (
            f"{tested} is not shown to make fewer or more mistakes than {base}",
            f"no se demuestra que {tested} cometa menos ni más errores que {base}",
        ),
        "too few to tell": (
            f"Whether {tested} makes fewer mistakes than {base} cannot be said: {n_groups} {what}s are too few",
            f"No se puede decir si {tested} comete menos errores que {base}: {n_groups} {plural} son pocos",
        ),
    }[word]
    numbers = " / ".join(f"{100 * scores[m]['cer']:.1f} %" for m in (tested, base))
    p = f"p = {found['p_value']:.2g}"
    en.append(f"{said[0]}: {numbers} of the characters wrong in {n} texts ({p}, bootstrap of whole {what}s).")
    es.append(f"{said[1]}: {numbers} de los caracteres en {n} textos ({p}, bootstrap por {plural} enteros).")
    return {**out, "tested": tested, "word": word, **found, "sentence": {"en": en, "es": [decimal_comma(x) for x in es]}}  # fmt: skip


def _page(
    c: dict[str, Any], board: Any, verdict: dict[str, Any], curves: Any, facts: dict[str, Any], folder: RunFolder, lang: str
) -> None:  # fmt: skip
    from forecastkit.report.numbers import p_text, percent, seconds
    from forecastkit.report.texts import Block, Section, TextPage, shown, write_page
    from forecastkit.text.metrics import edits

    w, use, report = _WORDS[lang], verdict["use"], c["report"]
    rows = []
    for r in board.to_dict("records"):
        good = r["status"] == "ok"
        scores = [percent(r[key], lang) if good else "–" for key in ("cer", "wer", "exact")]
        rows.append([r["model"], *scores, seconds(r["seconds"], lang), "" if good else r["reason"]])
    chosen = [r[0] for r in rows].index(use)
    wrong = np.array([edits(s, t) / len(t) for s, t in zip(c["said"][use], report.target)])
    order = np.argsort(-wrong, kind="stable")
    some = np.unique(np.linspace(0, len(order) - 1, 12).astype(int))

    def table(at: Iterable[int]) -> list[list[str]]:
        return [[shown(report.files[i], 60), shown(c["said"][use][i]), shown(report.target[i])] for i in at]

    worst = table(i for i in order[:12] if wrong[i] > 0)
    by_group = [
        [shown(g, 40), *(percent(float(c["rates"][m][k]), lang) for m in dict.fromkeys((use, verdict["reference"])))]
        for k, g in enumerate(c["groups"])
    ]
    sections = [
        Section(w["models"], [Block(said=w["models_said"].format(new=percent(c["new"], lang)) + noted(board), heads=w["heads"], rows=rows, chosen=chosen)]),
        Section(w["some"], [Block(heads=w["triple"], rows=table(some), text_columns=(0, 1, 2)), *_steps(c, use, w)]),
        Section(w["worst"], [Block(heads=w["triple"], rows=worst, text_columns=(0, 1, 2)) if worst else Block(said=w["no_mistakes"])]),
    ]  # fmt: skip
    if facts["data"]["group"] and len(by_group) <= MOST_GROUPS_SHOWN:
        heads = [facts["data"]["group"], *dict.fromkeys((use, verdict["reference"]))]
        sections.insert(1, Section(w["groups"], [Block(said=w["groups_said"], heads=heads, rows=by_group)]))
    sections += last_sections(curves, part_rows(facts["parts"], w["part"], lang), facts, w, lang)
    best = c["scores"][use]
    page = TextPage(
        title=f"{folder.path.name}: {use}", sentence=verdict["sentence"][lang], lang=lang, sections=sections,
        facts=[
            (percent(best["cer"], lang), w["cer"], use),
            (percent(best["exact"], lang), w["exact"], use),
            (str(len(report)), w["tested"], ""),
            (p_text(verdict["p_value"], lang) or "–", w["test"], verdict["reference"]),
        ],
        footer=footer(facts),
    )  # fmt: skip
    write_page(page, folder / "report.html")


def _steps(c: dict[str, Any], use: str, w: dict[str, Any]) -> list[Any]:
    """Where in time a network with a CTC loss found each character, of a few files."""
    from forecastkit.report.texts import Block

    model, report = c["fitted"][use], c["report"]
    if not hasattr(model, "steps"):
        return []
    lines = [f"{report.files[i]}\n{model.steps(report.source[i])}" for i in range(min(5, len(report)))]
    return [Block(said=w["steps_said"], code="\n".join(lines))]


_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "models": "The models compared", "models_said": "On files that none of them learnt from; {new} of their texts were never met in training.",
        "heads": ["model", "characters wrong", "words wrong", "all right", "time", ""], "some": "Some of them", "worst": "What went wrong",
        "no_mistakes": "Nothing, in these files.", "triple": ["file", "it said", "it was"], "part": "files: {part}", "data": "Data and run",
        "data_said": "Who made a file is in one part only.", "settings": "All settings", "cer": "of the characters wrong", "exact": "of the texts all right",
        "tested": "texts tested", "test": "bootstrap against", "groups": "One by one", "groups_said": "Share of the characters that are wrong.",
        "steps_said": "Where in time it found each character. A dot is nothing new; the same character again is the same one.",
    },
    "es": {
        "models": "Los modelos comparados", "models_said": "Con archivos de los que ninguno aprendió; el {new} de sus textos no salió en el aprendizaje.",
        "heads": ["modelo", "caracteres mal", "palabras mal", "todo bien", "tiempo", ""], "some": "Algunos", "worst": "Lo que falló",
        "no_mistakes": "Nada, en estos archivos.", "triple": ["archivo", "dijo", "era"], "part": "archivos: {part}", "data": "Datos y ejecución",
        "data_said": "Quien hizo un archivo está en una sola parte.", "settings": "Todos los ajustes", "cer": "de los caracteres mal",
        "exact": "de los textos, todo bien", "tested": "textos de prueba", "test": "bootstrap frente a", "groups": "Uno por uno",
        "groups_said": "Parte de los caracteres que está mal.",
        "steps_said": "Dónde halló cada carácter en el tiempo. Un punto es nada nuevo; el mismo carácter repetido es uno solo.",
    },
}  # fmt: skip


class TranscriptionRun:
    """The saved model of a run, ready for new sounds or pictures; loads once.

    Args:
        run: run folder of ``text fit --task transcribe``.
        model: name of a saved model; None = the recommended one.
    """

    def __init__(self, run: str | Path, model: str | None = None) -> None:
        self.folder, self.facts = run_of_task(run, "transcribe")
        self.name = saved_name(self.folder, model)
        self.model, meta = saved_model(self.folder, "transcribe", self.name)
        if "kind" not in meta:
            raise damaged(self.folder, self.name)
        self.kind = str(meta["kind"])

    def transcribe(self, files: Sequence[str | Path], *, beam: int = 8) -> list[str]:
        """The text of each WAV or PNG file.

        Args:
            beam: beginnings that are followed; 1 = the likeliest character at each step.

        Raises:
            DataError: a file that cannot be read, or of another kind.
        """
        from forecastkit.text.frames import frames_of

        said: list[str] = self.model.translate([frames_of(Path(f), self.kind) for f in files], beam=beam)
        return said

    def attention(self, file: str | Path) -> pd.DataFrame:
        """How much each frame or column of pixels (columns, from 1) counted for each token written (rows).

        Raises:
            ConfigError: a model without attention.
        """
        import pandas as pd

        from forecastkit.text.frames import frames_of

        if not hasattr(self.model, "attention"):
            raise ConfigError(place="attention", rule="only seq2seq has it", remedy='Load it: model="seq2seq".')
        source, written, weights = self.model.attention(frames_of(Path(file), self.kind))
        return pd.DataFrame(weights, index=written, columns=source)

    def inside(self, folder: Path) -> list[Path]:
        """The files of a folder that it reads.

        Raises:
            DataError: there is none.
        """
        from forecastkit.text.frames import KINDS

        endings = [end for end, kind in KINDS.items() if kind == self.kind]
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in endings)
        if not found:
            raise DataError(place=str(folder), rule=f"no file that ends in {endings[0]}", remedy=f"The model reads {self.kind}.")  # fmt: skip
        return found
