"""Text runs: classify. From a file of labelled texts to a run folder; from a run folder to classes of new texts."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit import artifacts
from forecastkit.run.folder import RunFolder
from forecastkit.run.texts.shared import (
    Progress,
    Say,
    TextOutcome,
    damaged,
    facts_about,
    footer,
    last_sections,
    noted,
    part_rows,
    resolved,
    run_of_task,
    saved_model,
    saved_name,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TextScorer", "fit_classifier"]

DEFAULT_MODELS: dict[str, dict[str, Any]] = {"gru": {}}
MOST_MISTAKES = 40


def fit_classifier(
    source: Any,
    *,
    text: str | None = None,
    label: str | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    n_folds: int = 1,
    seed: int = 1,
    unlabelled: str | Path | None = None,
    out: str | Path | None = None,
    lang: str = "en",
    progress: Progress = lambda name, done, total: None,
    say: Say = lambda label, text: None,
) -> TextOutcome:
    """Read, compare with the baselines, fit on all rows what is recommended, write the run folder.

    Args:
        source: CSV or TSV file, ``dataset:reviews``, or a frame.
        models: name -> options; the baselines are always there.
        unlabelled: file of running text for models with ``pretrain``.

    Raises:
        ForecastkitError: bad input or options.
    """
    from forecastkit.text import evaluation
    from forecastkit.text.models import create
    from forecastkit.text.schema import read_book, read_texts

    started = time.perf_counter()
    wanted = {name: dict(options) for name, options in (DEFAULT_MODELS if models is None else models).items()}
    for name, options in wanted.items():
        create("classify", name, **options)  # said before anything is read
    table = read_texts(resolved(source), text=text, label=label)
    more = tuple(line for line in read_book(unlabelled).split("\n") if line.strip()) if unlabelled else ()
    say(Path(table.name).name, table.said())
    folder = RunFolder.create(table.name, Path(out) if out is not None else None)
    e = evaluation.evaluate(table, wanted, n_folds=n_folds, seed=seed, unlabelled=more, progress=progress)
    verdict = evaluation.verdict_of(e)
    import pandas as pd

    board = pd.DataFrame(evaluation.leaderboard(e, verdict))
    parts = _final(e, verdict, wanted, seed, more, progress)
    for name, fitted in parts.items():
        arrays, meta = fitted.state()
        known = e.models[name]
        facts = {"task": "classify", "model": name, "classes": list(table.classes), "state": meta}
        temperature = float(np.exp(np.mean(np.log(known.temperatures))))
        artifacts.save_model(folder / "model" / name, arrays, {**facts, "temperature": temperature})
    curves = pd.DataFrame([{"model": n, **row} for n, m in e.models.items() for row in m.curves])
    made = {n: create("classify", n, **o) for n, o in {**{k: {} for k in evaluation.ALWAYS}, **wanted}.items()}
    facts = {
        "task": "classify", "data": {"source": str(source) if isinstance(source, (str, Path)) else "frame", "text": text, "label": label,
        "rows": len(table), "classes": table.counts(), "skipped": table.skipped},
        **facts_about(made, seed, lang, started), "folds": n_folds,
        "parts": {role: sum(len(getattr(f, role)) for f in e.folds) for role in ("train", "calibrate", "select", "report")},
        "final": {n: int(e.models[n].info.get("best_step", 0)) for n in parts},
    }  # fmt: skip
    as_dict = {**asdict(verdict), "task": "classify"}
    artifacts.write_csv(folder / "leaderboard.csv", board)
    artifacts.write_json(folder / "verdict.json", as_dict)
    artifacts.write_csv(folder / "learning_curves.csv", curves)
    artifacts.write_csv(folder / "predictions.csv", _predictions(e, verdict))
    folder.write_facts(facts)
    _page(e, verdict, board, curves, facts, folder, lang)
    return TextOutcome(folder, board, as_dict, time.perf_counter() - started)


def _final(
    e: Any, verdict: Any, wanted: dict[str, Any], seed: int, unlabelled: tuple[str, ...], progress: Progress
) -> dict[str, Any]:
    """What is kept, fitted on all rows: what is recommended, the network that was tested, and the reference."""
    from forecastkit.text.models import create
    from forecastkit.text.protocol import FitAbout

    names = dict.fromkeys([*verdict.use.split("+"), verdict.tested, verdict.reference])
    out = {}
    for name in [n for n in names if n]:
        progress(f"{name}, all rows", 0, 1)
        steps = e.models[name].info.get("best_step", 0) or None
        model = create("classify", name, **wanted.get(name, {}))
        out[name] = model.fit(e.table, FitAbout(seed=seed, n_steps=steps, unlabelled=unlabelled))
    return out


def _predictions(e: Any, verdict: Any) -> pd.DataFrame:
    """What was said of each text of the report parts."""
    import pandas as pd

    p = e.models[verdict.use].p
    names = np.array(e.table.classes, dtype=object)
    said = {f"p_{name}": p[:, k] for k, name in enumerate(e.table.classes)}
    return pd.DataFrame(
        {
            "row": e.table.rows[e.report],
            "text": [e.table.texts[i] for i in e.report],
            "label": names[e.labels],
            "predicted": names[p.argmax(axis=1)],
            **said,
        }
    )


def _page(e: Any, v: Any, board: pd.DataFrame, curves: pd.DataFrame, facts: dict[str, Any], folder: RunFolder, lang: str) -> None:  # fmt: skip
    from forecastkit.probabilities import calibration, class_scores, confusion
    from forecastkit.report.numbers import number, p_text, percent, seconds
    from forecastkit.report.texts import (
        Block,
        Section,
        TextPage,
        confusion_block,
        reliability_block,
        shown,
        write_page,
    )
    from forecastkit.text import metrics

    w = _WORDS[lang]
    p, labels, classes = e.models[v.use].p, e.labels, e.table.classes
    matrix = confusion(labels, p.argmax(axis=1), len(classes))
    rows, chosen = [], -1
    for k, r in enumerate(board.to_dict("records")):
        if r["status"] != "ok":
            rows.append([r["model"], *["–"] * 4, r["reason"], ""])
            continue
        cells = [
            percent(r["accuracy"], lang),
            number(r["macro_f1"], lang),
            number(r["auc"], lang),
            number(r["ece"], lang),
        ]
        rows.append([r["model"], *cells, p_text(r["p_value"], lang), seconds(r["seconds"], lang)])
        chosen = k if r["model"] == v.use else chosen
    of_class = [
        [shown(name, 60), int(r["n"]), number(r["ppv"], lang), number(r["sensitivity"], lang), number(r["f1"], lang)]
        for name, r in zip(classes, class_scores(matrix))
    ]
    scores = metrics.scores(labels, p)
    sections = [
        Section(w["models"], [Block(said=w["models_said"].format(reference=v.reference) + noted(board), heads=w["models_heads"], rows=rows, chosen=chosen)]),
        Section(w["confusion"].format(model=v.use), [confusion_block(matrix, classes, lang=lang), Block(heads=w["class_heads"], rows=of_class)]),
        Section(w["reliability"], [reliability_block(calibration(p.argmax(axis=1) == labels, p.max(axis=1))["bins"], lang=lang)]),
        _mistakes(e, v, w, lang),
    ]  # fmt: skip
    about = [[w["rows"], len(e.table)], *([shown(k, 60), n] for k, n in e.table.counts().items())]
    about += [[w["skipped"].format(reason=k), n] for k, n in e.table.skipped.items()]
    about += part_rows(facts["parts"], w["part"], lang)
    about += [[w["final"], ", ".join(f"{n}: {s} {w['steps']}" if s else n for n, s in facts["final"].items())]]
    sections += last_sections(curves, about, facts, w, lang)
    page = TextPage(
        title=f"{e.table.name}: {v.use}", sentence=v.sentence[lang], lang=lang, sections=sections,
        facts=[
            (percent(scores["accuracy"], lang), w["accuracy"], v.use),
            (number(scores["macro_f1"], lang), "macro F1", w["macro_said"]),
            (number(scores["ece"], lang), w["ece"], w["ece_said"]),
            (str(v.n_report), w["tested"], ""),
        ],
        footer=footer(facts),
    )  # fmt: skip
    write_page(page, folder / "report.html")


def _mistakes(e: Any, v: Any, w: dict[str, Any], lang: str) -> Any:
    """The surest mistakes first: they say most about the data and the model."""
    from forecastkit.report.numbers import percent
    from forecastkit.report.texts import Block, Section, shown

    p, labels, classes = e.models[v.use].p, e.labels, e.table.classes
    said = p.argmax(axis=1)
    wrong = np.flatnonzero(said != labels)
    wrong = wrong[np.argsort(-p[wrong, said[wrong]], kind="stable")][:MOST_MISTAKES]
    rows = [
        [shown(e.table.texts[e.report[i]]), shown(classes[labels[i]], 40), shown(classes[said[i]], 40), percent(float(p[i, said[i]]), lang)]
        for i in wrong
    ]  # fmt: skip
    if not rows:
        return Section(w["mistakes"], [Block(said=w["no_mistakes"])])
    blocks = [Block(heads=w["mistake_heads"], rows=rows[:10], text_columns=(0, 1, 2))]
    if len(rows) > 10:
        blocks.append(Block(heads=w["mistake_heads"], rows=rows[10:], text_columns=(0, 1, 2), folded=w["more"]))
    return Section(w["mistakes"], blocks)


_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "models": "The models compared", "models_said": "On texts that none of them learnt from. p: McNemar's test against {reference}.",
        "models_heads": ["model", "accuracy", "macro F1", "AUC", "calibration error", "p", "time"],
        "confusion": "What {model} takes for what", "class_heads": ["class", "n", "precision", "recall", "F1"],
        "reliability": "Can its probabilities be believed?", "mistakes": "What went wrong", "no_mistakes": "Nothing, on these texts.",
        "mistake_heads": ["text", "it was", "it said", "how sure"], "more": "More of them", "data": "Data and run",
        "data_said": "Texts that differ in case, digits or signs alone are always in the same part.", "rows": "texts",
        "skipped": "left out or changed: {reason}", "part": "part: {part}", "final": "fitted on all rows", "steps": "steps", "settings": "All settings",
        "accuracy": "right", "macro_said": "mean over the classes", "ece": "calibration error", "ece_said": "0 is best", "tested": "texts tested",
    },
    "es": {
        "models": "Los modelos comparados", "models_said": "Con textos de los que ninguno aprendió. p: prueba de McNemar frente a {reference}.",
        "models_heads": ["modelo", "exactitud", "F1 macro", "AUC", "error de calibración", "p", "tiempo"],
        "confusion": "Qué confunde {model} con qué", "class_heads": ["clase", "n", "precisión", "exhaustividad", "F1"],
        "reliability": "¿Se puede creer en sus probabilidades?", "mistakes": "Lo que falló", "no_mistakes": "Nada, en estos textos.",
        "mistake_heads": ["texto", "era", "dijo", "seguridad"], "more": "Más", "data": "Datos y ejecución",
        "data_said": "Los textos que solo difieren en mayúsculas, cifras o signos están siempre en la misma parte.", "rows": "textos",
        "skipped": "omitidos o cambiados: {reason}", "part": "parte: {part}", "final": "ajustado con todas las filas", "steps": "pasos",
        "settings": "Todos los ajustes", "accuracy": "aciertos", "macro_said": "media de las clases", "ece": "error de calibración",
        "ece_said": "0 es lo mejor", "tested": "textos de prueba",
    },
}  # fmt: skip


class TextScorer:
    """The saved model of a run, ready for new texts; loads once.

    Args:
        run: run folder of ``text fit --task classify``.
        model: name of a saved model; None = the recommended one.
    """

    def __init__(self, run: str | Path, model: str | None = None) -> None:
        self.folder, self.facts = run_of_task(run, "classify")
        self.name = saved_name(self.folder, model, blends=True)
        self.parts: list[tuple[Any, float]] = []
        self.classes: tuple[str, ...] = ()
        for part in self.name.split("+"):
            fitted, meta = saved_model(self.folder, "classify", part)
            try:
                self.classes = tuple(str(c) for c in meta["classes"])
                self.parts.append((fitted, float(meta["temperature"])))
            except (KeyError, TypeError, ValueError):
                raise damaged(self.folder, part) from None

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """[N, K] probabilities, columns in the order of ``classes``; NaN for a text in which nothing stands."""
        from forecastkit.probabilities import temper
        from forecastkit.text.clean import is_empty
        from forecastkit.text.evaluation import blend
        from forecastkit.text.schema import bounded

        cleaned = [bounded(t)[0] for t in texts]
        known = np.array([not is_empty(t) for t in cleaned], bool)
        out = np.full((len(texts), len(self.classes)), math.nan)
        kept = [t for t, k in zip(cleaned, known) if k]
        if kept:
            tables = [temper(fitted.predict(kept), t) for fitted, t in self.parts]
            out[known] = tables[0] if len(tables) == 1 else blend(tables[0], tables[1])
        return out

    def table(self, texts: Sequence[str]) -> pd.DataFrame:
        """Label and probabilities of each text; label empty where nothing stands in it."""
        import pandas as pd

        p = self.predict(texts)
        known = np.isfinite(p).all(axis=1)
        best = np.where(known, np.nan_to_num(p).argmax(axis=1), 0)
        label = [self.classes[k] if ok else "" for k, ok in zip(best, known)]
        return pd.DataFrame({"label": label, **{f"p_{c}": p[:, k] for k, c in enumerate(self.classes)}})
