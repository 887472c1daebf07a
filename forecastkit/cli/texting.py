"""Commands of ``forecastkit text``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastkit.errors import ConfigError, UnknownNameError, near

__all__ = ["text_app"]

text_app = typer.Typer(
    help="Texts: sentiment, spam, language models, translation.", no_args_is_help=True, rich_markup_mode=None
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of text fit.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
TASKS = ("classify", "language-model", "translate")


@text_app.command()
def fit(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings, such as models.gru.hidden=128.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="classify, language-model or translate.")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="CSV, running text, or pairs with a tab; or dataset:reviews, :tales, :phrases."),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Column of texts; found if not given.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Column of labels; found if not given.")] = None,
    models: Annotated[str | None, typer.Option("--models", help="Comma-separated; baselines are added.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="Language model: word, char or subword.")] = None,
    folds: Annotated[
        int | None, typer.Option("--folds", help="Classify: 1 to 5 parts report in turn [default: 1].")
    ] = None,
    unlabelled: Annotated[str | None, typer.Option("--unlabelled", help="Running text for pretrain=svd.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="YAML file with settings.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed [default: 1].")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder [default: runs/<name>-<time>].")] = None,
    lang: Annotated[str | None, typer.Option("--lang", help="Language of the report: en or es.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the answer only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print verdict.json on standard output.")] = False,
    debug: DebugOption = False,
) -> None:
    """Learn from texts, compare with baselines, and write a report."""
    from forecastkit.run.texts_config import load_text_config

    values: dict[str, Any] = {
        "task": task, "data": data, "text": text, "label": label, "level": level, "folds": folds, "unlabelled": unlabelled,
        "seed": seed, "lang": lang,
    }  # fmt: skip
    if models is not None:
        values["models"] = {name.strip(): {} for name in models.split(",") if name.strip()}
    settings = load_text_config(config, values=values, overrides=overrides or [])
    outcome = _fitted(settings, out, quiet or as_json)
    if as_json:
        print((outcome.folder / "verdict.json").read_text(encoding="utf-8"), end="")
        return
    _print_answer(outcome, settings.get("lang", "en"), quiet=quiet)


_COLUMNS: dict[str, list[tuple[str, dict[str, str], str]]] = {
    "classify": [
        ("accuracy", {"en": "accuracy", "es": "exactitud"}, ".3f"), ("macro_f1", {"en": "macro F1", "es": "F1 macro"}, ".3f"),
        ("ece", {"en": "calib. error", "es": "error calib."}, ".3f"), ("p_value", {"en": "p", "es": "p"}, ".2g"),
    ],
    "language-model": [
        ("perplexity", {"en": "perplexity", "es": "perplejidad"}, ".1f"), ("bits_per_char", {"en": "bits/char", "es": "bits/letra"}, ".3f"),
        ("top1", {"en": "first", "es": "primera"}, ".3f"), ("top5", {"en": "in five", "es": "entre 5"}, ".3f"),
    ],
    "translate": [("bleu", {"en": "BLEU", "es": "BLEU"}, ".1f"), ("chrf", {"en": "chrF", "es": "chrF"}, ".1f")],
}  # fmt: skip
"""Of the leaderboard: column, its heading, format."""


def board_lines(board: Any, verdict: dict[str, Any], lang: str = "en") -> list[str]:
    """The leaderboard in plain columns; a failed model says why."""
    columns = _COLUMNS[verdict["task"]]
    wide = max([14, *(len(str(name)) + 2 for name in board["model"])])
    lines = [" " * wide + "".join(f"{heads[lang]:>13}" for _, heads, _ in columns) + f"{'':>11}"]
    for r in board.to_dict("records"):
        if r["status"] != "ok":
            lines.append(f"{r['model']:<{wide}}{r['reason']}")
            continue
        cells = "".join(f"{'–' if r[key] != r[key] else format(r[key], how):>13}" for key, _, how in columns)
        mark = {"en": "  <- use", "es": "  <- usa"}[lang] if r["model"] == verdict["use"] else ""
        lines.append(f"{r['model']:<{wide}}{cells}{r['seconds']:>9.1f} s{mark}")
    return lines


def _print_answer(outcome: Any, lang: str, *, quiet: bool) -> None:
    from forecastkit.cli.progress import field

    width = min(shutil.get_terminal_size().columns, 120)
    if not quiet:
        print()
        for line in board_lines(outcome.leaderboard, outcome.verdict, lang):
            print(line.rstrip())
        print()
    for k, line in enumerate(outcome.verdict["sentence"][lang]):
        print(field({"en": "Answer", "es": "Respuesta"}[lang] if not k else "", line, width))
    hint = outcome.verdict.get("longer", {}).get(lang)
    if hint:
        print(field({"en": "Longer", "es": "Más"}[lang], hint, width))
    report = {"en": "Report", "es": "Informe"}[lang]
    print(field(report, f"{outcome.folder / 'report.html'}   {outcome.seconds:.0f} s"))


def _fitted(settings: dict[str, Any], out: Path | None, quiet: bool) -> Any:
    task = settings.get("task", "classify")
    if task not in TASKS:
        raise UnknownNameError(place="--task", value=repr(task), rule="no such task", remedy=near(task, TASKS))
    if not settings.get("data"):
        raise ConfigError(place="--data", rule="no data given", remedy="Give a file: --data reviews.csv, or dataset:reviews.")  # fmt: skip
    lang = settings.get("lang", "en")
    if lang not in ("en", "es"):
        raise ConfigError(place="--lang", value=repr(lang), rule="no such language", remedy=near(lang, ("en", "es")))
    for key in ("level",) if task != "language-model" else ("text", "label", "folds", "unlabelled"):
        if key in settings:
            raise ConfigError(place=f"--{key}", rule=f"means nothing for the task {task}", remedy="Leave it out.")

    from forecastkit.cli.progress import field

    def tell(name: str, done: int, total: int) -> None:
        if not quiet:
            part = f" {done + 1}/{total}" if total > 1 else ""
            print(field("fitting", f"{name}{part}"), flush=True)

    def say(label: str, text: str) -> None:
        if not quiet:
            print(field(label[:13], text, min(shutil.get_terminal_size().columns, 120)), flush=True)

    common = {
        "models": settings.get("models"),
        "seed": settings.get("seed", 1),
        "out": out,
        "lang": lang,
        "progress": tell,
        "say": say,
    }
    if task == "classify":
        from forecastkit.run.texts import fit_classifier

        return fit_classifier(
            settings["data"], text=settings.get("text"), label=settings.get("label"), n_folds=settings.get("folds", 1),
            unlabelled=settings.get("unlabelled"), **common,
        )  # fmt: skip
    if task == "language-model":
        from forecastkit.run.texts_language import fit_language_model

        return fit_language_model(settings["data"], level=settings.get("level", "word"), **common)
    from forecastkit.run.texts_translate import fit_translator

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
    from forecastkit.run.texts import TextScorer

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
    from forecastkit.run.texts_scoring import predict_file

    path, n, empty = predict_file(scorer, data, text, out)  # type: ignore[arg-type]
    print(f"Predicted     {n} texts" + (f", {empty} of them empty and left without a class" if empty else ""))
    print(f"Written       {path}")


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
    from forecastkit.run.texts_language import LanguageRun

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
    seed: Annotated[int, typer.Option("--seed", help="The same seed writes the same text.")] = 1,
    debug: DebugOption = False,
) -> None:
    """Write on from a beginning."""
    from forecastkit.run.texts_language import LanguageRun

    said = LanguageRun(run).generate(
        prompt, n_tokens=tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed
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
    from forecastkit.run.texts_translate import TranslationRun

    for line in TranslationRun(run).translate(sentences, beam=beam):
        print(line)


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
    from forecastkit.run.texts import TextScorer
    from forecastkit.run.texts_scoring import score_series

    path, n_texts, n_rows, notes = score_series(
        TextScorer(run), data, time=time, freq=freq, text=text, out=out, each=each
    )
    for note in notes:
        print(f"forecastkit: {note}", file=sys.stderr)
    print(f"Scored        {n_texts} texts in {n_rows} rows")
    print(f"Written       {path}")
