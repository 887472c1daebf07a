"""Saved models of every format version, and what each of them says.

``fixtures/format_<version>_<name>`` is either the ``model`` folder of a forecast or a whole run of a sister task (without its
report and tables) with the ``input.*`` that it is asked about; ``expected.csv`` is what it said when it was made.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from forecastkit.run.folder import RunFolder
from forecastkit.run.saved_model import SavedModel
from forecastkit.run.sequences.tasks import predict_ecg, predict_table
from forecastkit.run.texts.classify import TextScorer
from forecastkit.run.texts.language import LanguageRun
from forecastkit.run.texts.transcribe import TranscriptionRun
from forecastkit.run.texts.translate import TranslationRun

__all__ = ["FIXTURES", "said_by"]

FIXTURES = Path(__file__).parent / "fixtures"


def said_by(folder: Path) -> pd.DataFrame:
    """What the model of a fixture says today; of a run of a sister task, all its models."""
    if (folder / "model.json").exists():
        return SavedModel.load(folder).forecast()
    names = sorted(p.parent.name for p in folder.glob("model/*/model.json") if p.parent.name != "normal")
    assert names
    return pd.concat([_said(folder, n).assign(model=n) for n in names], ignore_index=True)


def _said(folder: Path, name: str) -> pd.DataFrame:
    """What one model of a run says of the fixture's own input."""
    run = RunFolder.open(folder)
    task = run.facts()["task"]
    if (folder / "input.txt").exists():
        lines = (folder / "input.txt").read_text(encoding="utf-8").splitlines()
        return TEXTS[task](folder, name, lines)
    sounds = sorted(folder.glob("input*.wav"))
    if sounds:
        said = TranscriptionRun(folder, name).transcribe(sounds)
        return pd.DataFrame({"file": [p.name for p in sounds], "said": said})
    (file,) = [p for p in folder.glob("input.*") if p.suffix in (".csv", ".hea")]
    ask = predict_ecg if file.suffix == ".hea" else predict_table
    return ask(run, file, model=name)[0]


def _classes(folder: Path, name: str, lines: list[str]) -> pd.DataFrame:
    return TextScorer(folder, name).table(lines)


def _next(folder: Path, name: str, lines: list[str]) -> pd.DataFrame:
    run = LanguageRun(folder, name)
    rows = [(line, token, p) for line in lines for token, p in run.complete(line, 3)]
    return pd.DataFrame(rows, columns=["line", "token", "p"])


def _translated(folder: Path, name: str, lines: list[str]) -> pd.DataFrame:
    run = TranslationRun(folder, name)
    table = pd.DataFrame({"line": lines, "said": run.translate(lines)})
    if hasattr(run.model, "sureness"):
        table["sure"] = run.model.sureness(lines, table["said"].tolist())
    return table


TEXTS = {"classify": _classes, "language-model": _next, "translate": _translated}
