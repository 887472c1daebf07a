"""Commands of ``forecastkit text``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastkit.cli.answers import print_answer
from forecastkit.cli.lines import field, width, with_color
from forecastkit.cli.options import (
    ConfigOption,
    DebugOption,
    LangOption,
    OutOption,
    OverridesArgument,
    QuietOption,
    RunArgument,
    SeedOption,
    VerdictOption,
    model_names,
)
from forecastkit.errors import ConfigError

__all__ = ["text_app"]

text_app = typer.Typer(
    help="Texts: sentiment, spam, language models, translation, speech.", no_args_is_help=True, rich_markup_mode=None
)


@text_app.command()
def fit(
    overrides: OverridesArgument = None,
    task: Annotated[
        str | None, typer.Option("--task", help="classify, language-model, translate or transcribe.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="CSV, running text, pairs with a tab, or a folder of WAV or PNG files; or dataset:reviews, :tales, :phrases, :melodies, :questions.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Column of texts; found if not given.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of labels; found if not given.")] = None,
    models: Annotated[str | None, typer.Option("--models", help="Comma-separated; baselines are added.")] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="Language model: word, char, subword, or symbol (between blanks).")
    ] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Classify: 1 to 5 parts report in turn [default: 1].")
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", help="Transcribe: column of the speaker, who stays on one side of a split.")
    ] = None,
    unlabelled: Annotated[str | None, typer.Option("--unlabelled", help="Running text for pretrain=svd or lm.")] = None,
    config: ConfigOption = None,
    seed: SeedOption = None,
    out: OutOption = None,
    lang: LangOption = None,
    quiet: QuietOption = False,
    as_json: VerdictOption = False,
    debug: DebugOption = False,
) -> None:
    """Learn from texts, compare with baselines, and write a report."""
    from forecastkit.run.texts.settings import text_settings

    values: dict[str, Any] = {
        "task": task, "data": data, "text": text, "label": label, "level": level, "folds": folds, "group": group, "unlabelled": unlabelled,
        "models": model_names(models), "seed": seed, "lang": lang,
    }  # fmt: skip
    settings = text_settings(config, values, overrides or [])
    outcome = _fitted(settings, out, quiet or as_json)
    if as_json:
        print((outcome.folder / "verdict.json").read_text(encoding="utf-8"), end="")
        return
    _print_answer(outcome, settings.get("lang", "en"), quiet=quiet)


_COLUMNS: dict[str, list[tuple[str, dict[str, str], int]]] = {
    "classify": [
        ("accuracy", {"en": "accuracy", "es": "exactitud"}, 3), ("macro_f1", {"en": "macro F1", "es": "F1 macro"}, 3),
        ("ece", {"en": "calib. error", "es": "error calib."}, 2), ("p_value", {"en": "p", "es": "p"}, 2),
    ],
    "language-model": [
        ("perplexity", {"en": "perplexity", "es": "perplejidad"}, 3), ("bits_per_char", {"en": "bits/char", "es": "bits/letra"}, 4),
        ("top1", {"en": "first", "es": "primera"}, 3), ("top5", {"en": "in five", "es": "entre 5"}, 3),
    ],
    "translate": [("bleu", {"en": "BLEU", "es": "BLEU"}, 3), ("chrf", {"en": "chrF", "es": "chrF"}, 3)],
    "transcribe": [
        ("cer", {"en": "CER", "es": "CER"}, 3), ("wer", {"en": "WER", "es": "WER"}, 3), ("exact", {"en": "all right", "es": "todo bien"}, 3),
    ],
}  # fmt: skip
"""Of the leaderboard: column, its heading, significant digits."""


def board_lines(board: Any, verdict: dict[str, Any], lang: str = "en", *, color: bool = False) -> list[str]:
    """The leaderboard in plain columns; a failed model says why."""
    from forecastkit.report.numbers import number, seconds

    columns = _COLUMNS[verdict["task"]]
    wide = max([14, *(len(str(name)) + 2 for name in board["model"])])
    time = {"en": "time", "es": "tiempo"}[lang]
    lines = [" " * wide + "".join(f"{heads[lang]:>13}" for _, heads, _ in columns) + f"{time:>11}"]
    for r in board.to_dict("records"):
        if r["status"] != "ok":
            lines.append(f"{r['model']:<{wide}}{r['reason']}")
            continue
        cells = "".join(f"{number(r[key], lang, digits):>13}" for key, _, digits in columns)
        line = f"{r['model']:<{wide}}{cells}{seconds(r['seconds'], lang):>11}"
        chosen = r["model"] == verdict["use"]
        lines.append(f"\x1b[36m{line}\x1b[0m" if chosen and color else f"{line}  <-" if chosen else line)
        if r["reason"]:
            lines.append(f"{'':<{wide}}{r['reason']}")
    return lines


def _print_answer(outcome: Any, lang: str, *, quiet: bool) -> None:
    board = board_lines(outcome.leaderboard, outcome.verdict, lang, color=with_color())
    hint = outcome.verdict.get("longer", {}).get(lang)
    more = [({"en": "Longer", "es": "Más"}[lang], hint)] if hint else []
    sentence = outcome.verdict["sentence"][lang]
    print_answer(board, sentence, outcome.folder.path, outcome.seconds, lang=lang, more=more, quiet=quiet)


def _fitted(settings: dict[str, Any], out: Path | None, quiet: bool) -> Any:
    def tell(name: str, done: int, total: int) -> None:
        if not quiet:
            part = f" {done + 1}/{total}" if total > 1 else ""
            print(field("fitting", f"{name}{part}"), flush=True)

    def say(label: str, text: str) -> None:
        if not quiet:
            print(field(label[:13], text, width()), flush=True)

    task = settings["task"]
    common = {
        "models": settings.get("models"), "seed": settings.get("seed", 1), "out": out, "lang": settings.get("lang", "en"), "progress": tell, "say": say,
    }  # fmt: skip
    if task == "classify":
        from forecastkit.run.texts.classify import fit_classifier

        return fit_classifier(
            settings["data"], text=settings.get("text"), label=settings.get("label"), n_folds=settings.get("folds", 1),
            unlabelled=settings.get("unlabelled"), **common,
        )  # fmt: skip
    if task == "language-model":
        from forecastkit.run.texts.language import fit_language_model

        return fit_language_model(settings["data"], level=settings.get("level", "word"), **common)
    if task == "transcribe":
        from forecastkit.run.texts.transcribe import fit_transcriber

        return fit_transcriber(settings["data"], text=settings.get("text"), group=settings.get("group"), **common)
    from forecastkit.run.texts.translate import fit_translator

    return fit_translator(settings["data"], **common)


@text_app.command()
def predict(
    run: RunArgument,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts to classify.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="CSV file with a column of texts.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="Column of texts; found if not given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="A saved model other than the recommended one.")] = None,
    debug: DebugOption = False,
) -> None:
    """Say the class of texts, and how sure."""
    from forecastkit.run.texts.classify import TextScorer

    if bool(texts) == (data is not None):
        raise ConfigError(place="text predict", rule="give texts, or a file with --data", remedy='Such as: text predict RUN "Great product".')  # fmt: skip
    scorer = TextScorer(run, model)
    if texts:
        table = scorer.table(texts)
        for said, row in zip(texts, table.to_dict("records")):
            chances = (
                "  ".join(f"{name} {row['p_' + name]:.3f}" for name in scorer.classes)
                if row["label"]
                else "nothing to read"
            )
            print(f"{row['label'] or '-':<12}  {chances}   {_one_line(said)}")
        if out is not None:
            from forecastkit.artifacts import write_csv

            write_csv(out, table.assign(text=texts))
        return
    from forecastkit.run.texts.scoring import predict_file

    path, n, empty = predict_file(scorer, data, text, out)  # type: ignore[arg-type]
    print(field("Predicted", f"{n} texts" + (f", {empty} of them empty and left without a class" if empty else "")))
    print(field("Written", str(path)))


def _one_line(text: str, most: int = 60) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= most else text[: most - 1] + "…"


@text_app.command()
def complete(
    run: RunArgument,
    prompt: Annotated[str, typer.Argument(help="Beginning of a sentence.")],
    top: Annotated[int, typer.Option("--top", help="How many next words.", min=1, max=100)] = 5,
    debug: DebugOption = False,
) -> None:
    """Say the likeliest next words."""
    from forecastkit.run.texts.language import LanguageRun

    for token, p in LanguageRun(run).complete(prompt, top):
        print(f"{p:.3f}  {token!r}" if token.isspace() else f"{p:.3f}  {token}")


@text_app.command()
def generate(
    run: RunArgument,
    prompt: Annotated[str, typer.Argument(help="Beginning of the text.")] = "",
    tokens: Annotated[int, typer.Option("--tokens", help="Tokens to write.", min=1, max=100_000)] = 80,
    temperature: Annotated[float, typer.Option("--temperature", help="0 = always the likeliest.")] = 0.8,
    top_k: Annotated[int, typer.Option("--top-k", help="Choose among so many; 0 = all.")] = 0,
    top_p: Annotated[float, typer.Option("--top-p", help="Choose among the likeliest that reach this share.")] = 1.0,
    lines: Annotated[int, typer.Option("--lines", help="Stop after so many lines; 0 = by tokens alone.", min=0)] = 0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed writes the same text.")] = 1,
    debug: DebugOption = False,
) -> None:
    """Write on from a beginning."""
    from forecastkit.run.texts.language import LanguageRun

    said = LanguageRun(run).generate(
        prompt, n_tokens=tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, n_lines=lines
    )
    print(said)


@text_app.command()
def translate(
    run: RunArgument,
    sentences: Annotated[list[str], typer.Argument(metavar="SENTENCE...", help="Sentences to translate.")],
    beam: Annotated[int, typer.Option("--beam", help="Width of the beam search.", min=1, max=100)] = 5,
    debug: DebugOption = False,
) -> None:
    """Translate sentences."""
    from forecastkit.run.texts.translate import TranslationRun

    for line in TranslationRun(run).translate(sentences, beam=beam):
        print(line)


@text_app.command()
def transcribe(
    run: RunArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="WAV or PNG files, or folders of them.")],
    beam: Annotated[
        int, typer.Option("--beam", help="Width of the beam search; 1 = the likeliest at each step.", min=1, max=100)
    ] = 8,
    model: Annotated[str | None, typer.Option("--model", help="A saved model other than the recommended one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write.")] = None,
    debug: DebugOption = False,
) -> None:
    """Write down what is said in sounds, or what is to be seen in pictures."""
    from forecastkit import artifacts
    from forecastkit.run.texts.transcribe import TranscriptionRun

    reader = TranscriptionRun(run, model)
    paths = [p for f in files for p in (reader.inside(f) if f.is_dir() else [f])]
    said = reader.transcribe(paths, beam=beam)
    if out is None:
        wide = max(len(p.name) for p in paths)
        for path, text in zip(paths, said):
            print(f"{path.name:<{wide}}  {text}")
        return
    import pandas as pd

    artifacts.write_csv(out, pd.DataFrame({"file": [p.name for p in paths], "text": said}))
    print(field("Written", str(out)))


@text_app.command()
def answer(
    run: RunArgument,
    questions: Annotated[list[str], typer.Argument(metavar="QUESTION...", help="Questions to answer.")],
    beam: Annotated[int, typer.Option("--beam", help="Width of the beam search.", min=1, max=100)] = 5,
    sure: Annotated[
        float | None,
        typer.Option("--sure", help="Answer from this sureness, 0 to 1 [default: as right answers had it]."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="A saved model other than the recommended one.")] = None,
    debug: DebugOption = False,
) -> None:
    """Answer questions with a model fitted on pairs of question and answer, or say that it does not know."""
    from forecastkit.run.texts.translate import TranslationRun

    assistant = TranslationRun(run, model)
    silent = {"en": "I do not know.", "es": "No lo sé."}[assistant.facts.get("lang", "en")]
    for said, how_sure in assistant.answer(questions, beam=beam, least=sure):
        print(f"{how_sure:.2f}  {said or silent}")


@text_app.command()
def score(
    run: RunArgument,
    data: Annotated[Path, typer.Option("--data", help="CSV file with texts and their times.")],
    time: Annotated[str, typer.Option("--time", help="Column of times.")],
    freq: Annotated[str, typer.Option("--freq", help="Frequency of the series, such as B, D, W-SUN.")] = "D",
    text: Annotated[str | None, typer.Option("--text", help="Column of texts; found if not given.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write [default: sentiment.csv].")] = None,
    each: Annotated[bool, typer.Option("--each", help="A row a text, with its own time, for fit --join.")] = False,
    debug: DebugOption = False,
) -> None:
    """Turn dated texts into a series of sentiment, ready as a covariate."""
    from forecastkit.run.texts.classify import TextScorer
    from forecastkit.run.texts.scoring import score_series

    path, n_texts, n_rows, notes = score_series(
        TextScorer(run), data, time=time, freq=freq, text=text, out=out, each=each
    )
    for note in notes:
        print(f"forecastkit: {note}", file=sys.stderr)
    print(field("Scored", f"{n_texts} texts in {n_rows} rows"))
    print(field("Written", str(path)))
