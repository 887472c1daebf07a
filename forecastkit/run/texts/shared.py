"""What text runs of every task share: fitting one model after the other, the run folder, words of verdicts."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts
from forecastkit.errors import ConfigError, FitError, ModelFileError
from forecastkit.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

    from forecastkit.report.texts import Section

__all__ = [
    "Progress", "Say", "TextOutcome", "board_of", "damaged", "facts_about", "fit_each", "footer", "last_sections", "noted", "part_rows",
    "resolved", "run_of_task", "saved_model", "saved_name", "word_of", "write_run",
]  # fmt: skip

ALPHA = 0.05
Progress = Callable[[str, int, int], None]
Say = Callable[[str, str], None]
"""(label, what was found) as soon as it is known."""


@dataclass(frozen=True, eq=False)
class TextOutcome:
    """What a text run came to."""

    folder: RunFolder
    leaderboard: pd.DataFrame
    verdict: dict[str, Any]
    seconds: float


_PARTS = {
    "train": "aprendizaje", "calibrate": "calibración", "valid": "parada", "select": "elección", "report": "informe",
}  # fmt: skip


def part_rows(parts: Mapping[str, int], said: str, lang: str) -> list[list[Any]]:
    """How many rows each part has, for a table of a report.

    Args:
        said: such as ``pairs: {part}``.
    """
    return [[said.format(part=_PARTS.get(role, role) if lang == "es" else role), n] for role, n in parts.items()]


def longer(name: str, fitted: Any) -> dict[str, str]:
    """What to say of a network that ran out of its time; nothing where it did not."""
    if not fitted.info.get("out_of_time"):
        return {}
    word = f"models.{name}.minutes=30"
    return {
        "en": f"{name} was still learning when its {fitted.model.minutes:g} minutes ended: {word} trains longer.",
        "es": f"{name} aún aprendía al acabar sus {fitted.model.minutes:g} minutos: {word} entrena más tiempo.",
    }


def fit_each(
    made: Mapping[str, Any], fit: Callable[[Any], Any], progress: Progress
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(fitted model of each name that could be fitted, {reasons, seconds, cpu: seconds of all cores} by name)."""
    fitted: dict[str, Any] = {}
    about: dict[str, dict[str, Any]] = {"reasons": {}, "seconds": {}, "cpu": {}}
    for name, model in made.items():
        progress(name, 0, 1)
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            fitted[name] = fit(model)
        except FitError as error:
            about["reasons"][name] = str(error)
        finally:
            about["seconds"][name], about["cpu"][name] = time.perf_counter() - begun, time.process_time() - cpu
    return fitted, about


def saved_name(folder: RunFolder, model: str | None, *, blends: bool = False) -> str:
    """The model asked for, or the recommended one.

    Args:
        blends: ``a+b`` is the two of them.

    Raises:
        ConfigError: it is not saved in the run.
    """
    name = model or str(folder.json("verdict.json").get("use", ""))
    saved = sorted(p.name for p in (folder / "model").glob("*") if p.is_dir())
    if not set(name.split("+") if blends else [name]) <= set(saved):
        raise ConfigError(
            place=f"--model {name}", rule="not saved in this run", remedy=f"Choose from: {', '.join(saved)}."
        )
    return name


def saved_model(folder: RunFolder, task: str, name: str) -> tuple[Any, dict[str, Any]]:
    """(a model of the run, what is kept beside it).

    Raises:
        ModelFileError: damaged.
    """
    from forecastkit.text.models import restore

    arrays, meta = artifacts.load_model(folder / "model" / name)
    if not isinstance(meta.get("state"), dict):
        raise damaged(folder, name)
    return restore(task, name, arrays, meta["state"]), meta


def damaged(folder: RunFolder, name: str) -> ModelFileError:
    """The error of a model whose file lacks something."""
    return ModelFileError(place=str(folder / "model" / name), rule="damaged", remedy="Run fit again.")


def board_of(
    made: Mapping[str, Any], fitted: Mapping[str, Any], about: Mapping[str, Mapping[str, Any]], scores: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:  # fmt: skip
    """A row a model with its scores; ``reason`` says why one failed, or what its training did otherwise than asked. ``about`` as of
    ``fit_each``.
    """
    import pandas as pd

    rows = [
        {
            "model": name, "family": model.family, "status": "failed" if name in about["reasons"] else "ok",
            "reason": about["reasons"][name] if name in about["reasons"] else str(fitted[name].info.get("note", "")),
            **scores.get(name, {}), "seconds": about["seconds"][name],
            "n_parameters": fitted[name].info.get("n_parameters") if name in fitted else None,
        }
        for name, model in made.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def noted(board: pd.DataFrame) -> str:
    """What trainings did otherwise than asked, as sentences to follow others; empty = nothing."""
    done = board[board["status"] == "ok"]
    return "".join(f" {name}: {said}." for name, said in zip(done["model"], done["reason"]) if said)


def facts_about(made: Mapping[str, Any], seed: int, lang: str, started: float) -> dict[str, Any]:
    """What ``run.yaml`` says of every run."""
    return {
        "models": {n: asdict(m) for n, m in made.items()}, "seed": seed, "versions": artifacts.versions(), "lang": lang,
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def write_run(
    folder: RunFolder, fitted: Mapping[str, Any], board: pd.DataFrame, verdict: dict[str, Any], facts: dict[str, Any],
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Leaderboard, verdict, learning curves, facts, and the models that the verdict names; returns the curves.

    Args:
        more: name -> what else is kept beside a model.
    """
    import pandas as pd

    if verdict["tested"]:
        verdict["longer"] = longer(verdict["tested"], fitted[verdict["tested"]])
    for name in dict.fromkeys(n for n in (verdict["use"], verdict["tested"], verdict["reference"]) if n):
        arrays, meta = fitted[name].state()
        own = {"task": facts["task"], "model": name, "state": meta, **(more or {}).get(name, {})}
        artifacts.save_model(folder / "model" / name, arrays, own)
    curves = pd.DataFrame([{"model": n, "fold": 0, **row} for n, f in fitted.items() for row in f.curves])
    artifacts.write_csv(folder / "leaderboard.csv", board)
    artifacts.write_json(folder / "verdict.json", verdict)
    artifacts.write_csv(folder / "learning_curves.csv", curves)
    folder.write_facts(facts)
    return curves


def word_of(found: Mapping[str, float], *, more_is_better: bool) -> str:
    """``better``, ``worse`` or ``indistinguishable``, by what ``paired_bootstrap`` found.

    >>> word_of({"p_value": 0.01, "difference": -0.2}, more_is_better=False)
    'better'
    """
    if found["p_value"] >= ALPHA:
        return "indistinguishable"
    return "better" if (found["difference"] > 0) == more_is_better else "worse"


def footer(facts: Mapping[str, Any]) -> str:
    """The last line of a page."""
    return f"forecastkit {facts['versions']['forecastkit']}, {platform.system()} {platform.machine()}"


def resolved(source: Any) -> Any:
    """The file of ``dataset:NAME``; anything else as it is."""
    if isinstance(source, str) and source.startswith("dataset:"):
        from forecastkit.text.examples import example

        return example(source.removeprefix("dataset:"))
    return source


def last_sections(
    curves: pd.DataFrame, about: list[list[Any]], facts: Mapping[str, Any], w: Mapping[str, str], lang: str
) -> list[Section]:
    """How every page ends: learning curves where there are some, the data, all settings."""
    import yaml

    from forecastkit.report.texts import Block, Section, curves_section

    settings = yaml.safe_dump(artifacts._plain(facts), sort_keys=False, allow_unicode=True, width=100)
    data = Section(
        w["data"], [Block(rows=about, said=w.get("data_said", "")), Block(code=settings, folded=w["settings"])]
    )
    learning = curves_section(curves, lang=lang)
    return [learning, data] if learning else [data]


def run_of_task(path: str | Path, task: str) -> tuple[RunFolder, dict[str, Any]]:
    """(folder, facts) of a finished run of this task.

    Raises:
        ModelFileError: no run, or a run of another task.
    """
    folder = RunFolder.open(path)
    facts = folder.facts()
    found = facts.get("task", "forecasting")
    if found != task:
        raise ModelFileError(
            place=str(path), value=f"a run of {found}", rule=f"a run of {task} is needed",
            remedy=f"Make one: forecastkit text fit --task {task}.",
        )  # fmt: skip
    return folder, facts
