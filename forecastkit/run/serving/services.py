"""What a run can answer, one class a task.

A model is loaded once and never changed, so that requests cannot see each other; an answer is that of ``predict``.
"""

from __future__ import annotations

import contextlib
import csv
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts
from forecastkit.artifacts import json_rows
from forecastkit.errors import ForecastkitError
from forecastkit.run.folder import RunFolder
from forecastkit.run.model_card import CARD

if TYPE_CHECKING:
    pass

__all__ = [
    "ForecastService", "LanguageService", "RecordService", "Service", "SoundService", "TableService", "TextService",
    "TranscriptionService", "TranslationService", "open_service",
]  # fmt: skip

Rows = list[dict[str, Any]]


class _Service(ABC):
    """What every run can say of itself; ``name`` is that of its model."""

    task: str
    name: str

    def facts(self) -> dict[str, Any]:
        """For ``/model``."""
        return {"task": self.task, "model": self.name, **self._about(), "versions": artifacts.versions()}

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """What is not the same for every task."""


class ForecastService(_Service):
    """The saved model of a forecasting run.

    Args:
        folder: of the run.
    """

    task = "forecast"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.newer import reading_of
        from forecastkit.run.saved_model import SavedModel

        self.folder = folder
        self.saved = SavedModel.of_run(folder)
        self.name = self.saved.name
        self.options = reading_of(folder, self.saved)
        with contextlib.suppress(ForecastkitError):
            # What is imported by a first forecast is there for the first request.
            self.forecast([], [], None)

    def _about(self) -> dict[str, Any]:
        frame, options = self.saved.frame, self.options
        last = frame.calendar.instants[-1]
        card = self.folder / "model" / CARD
        return {
            "horizon": self.saved.horizon, "gap": self.saved.gap, "freq": frame.calendar.freq,
            "time": options.time, "target": options.target, "item": options.item, "known": list(frame.known), "past": list(frame.past),
            "static": list(frame.static), "n_items": len(frame.items), "last": int(last) if frame.calendar.is_integer else last.isoformat(),
            "card": card.read_text(encoding="utf-8") if card.is_file() else "",
        }  # fmt: skip

    def forecast(self, history: list[dict[str, Any]], future: list[dict[str, Any]], horizon: int | None) -> Rows:
        """Rows of the forecast frame, as ``predict`` gives it.

        Args:
            history: newer rows with the columns of the file that was fitted; empty = from the stored history.
            future: known covariates of the time to come.

        Raises:
            ForecastkitError: as ``predict``.
        """
        import pandas as pd

        from forecastkit.run.newer import read_future, read_newer

        model = self.saved
        if history:
            model = model.with_newer(read_newer(self.folder, model, pd.DataFrame(history), options=self.options))
        if future:
            model = read_future(self.folder, model, pd.DataFrame(future), self.options)
        return json_rows(model.forecast(horizon))


class TextService(_Service):
    """The saved classifier of a run of texts."""

    task = "classify"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.texts.classify import TextScorer

        self.scorer = TextScorer(folder.path)
        self.name = self.scorer.name

    def _about(self) -> dict[str, Any]:
        return {"classes": list(self.scorer.classes)}

    def classify(self, texts: list[str]) -> Rows:
        """Label and probabilities of each text, as ``text predict`` gives them; label empty where nothing stands in it."""
        return json_rows(self.scorer.table(texts))


class LanguageService(_Service):
    """The saved language model of a run."""

    task = "language-model"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.texts.language import LanguageRun

        self.run = LanguageRun(folder.path)
        self.name = str(folder.json("verdict.json")["use"])
        self.complete("", 1)  # what a first request needs is there

    def _about(self) -> dict[str, Any]:
        tokenizer = self.run.model.tokenizer
        return {"level": tokenizer.level, "n_tokens": len(tokenizer)}

    def complete(self, prompt: str, top: int) -> Rows:
        """The likeliest next tokens, as ``text complete`` gives them."""
        return [{"token": token, "p": p} for token, p in self.run.complete(prompt, top)]

    def generate(self, prompt: str, **how: Any) -> Rows:
        """One text, as ``text generate`` writes it."""
        return [{"text": self.run.generate(prompt, **how)}]


class TranslationService(_Service):
    """The saved translator of a run."""

    task = "translate"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.texts.translate import TranslationRun

        self.run = TranslationRun(folder.path)
        self.name = str(folder.json("verdict.json")["use"])

    @property
    def answers(self) -> bool:
        """Whether it can say how sure it is."""
        return hasattr(self.run.model, "sureness")

    def _about(self) -> dict[str, Any]:
        return {"least_sure": self.run.least_sure}

    def translate(self, sentences: list[str], beam: int) -> Rows:
        """A translation of each sentence, as ``text translate`` gives it."""
        return [{"text": text} for text in self.run.translate(sentences, beam=beam)]

    def answer(self, questions: list[str], beam: int, least: float | None) -> Rows:
        """Answer and sureness of each question, as ``text answer`` gives them; empty where it does not know."""
        return [{"text": text, "sure": sure} for text, sure in self.run.answer(questions, beam=beam, least=least)]


class TranscriptionService(_Service):
    """The saved reader of sounds or pictures of a run."""

    task = "transcribe"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.texts.transcribe import TranscriptionRun

        self.run = TranscriptionRun(folder.path)
        self.name = self.run.name

    def _about(self) -> dict[str, Any]:
        return {"reads": self.run.kind}

    def transcribe(self, files: Sequence[bytes], beam: int) -> Rows:
        """The text of each file, as ``text transcribe`` writes it."""
        ending = {"sounds": "wav", "pictures": "png"}[self.run.kind]
        with _as_files({f"file {k + 1}.{ending}": content for k, content in enumerate(files)}) as paths:
            return [{"text": text} for text in self.run.transcribe(paths, beam=beam)]


class _SequenceService(_Service):
    """The saved classifier, or detector of anomalies, of a run of ``classify`` or ``ecg``."""

    task = "classify"

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor
        self.name = predictor.teller.name
        self.plan: dict[str, Any] = predictor.run.json("diagnostics.json").get("plan") or {}

    def _about(self) -> dict[str, Any]:
        from forecastkit.run.sequences.execute import NO_DEVICE

        facts = self.predictor.run.facts()
        out = {"task": facts.get("task"), "reads": self.predictor.reads, "classes": facts.get("classes", [])}
        return out | ({"no_device": NO_DEVICE["en"]} if facts.get("medical", True) else {})


class TableService(_SequenceService):
    """One that reads a table: a row a visit, or a row a sequence."""

    def _about(self) -> dict[str, Any]:
        # Also the columns that a request has.
        names = ("item", "time", "steps", "numeric", "static", "levels", "static_levels")
        found = [self.plan.get(name) or [] for name in names]
        columns = [c for part in found for c in ([part] if isinstance(part, str) else part)]
        return super()._about() | {"columns": columns}

    def classify(self, rows: Rows) -> Rows:
        """A row a sequence, as ``classify predict`` gives it for a file with these rows."""
        names = list(dict.fromkeys(key for row in rows for key in row))
        with _as_files({"rows": b""}) as (path,):
            with path.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, names)
                writer.writeheader()
                writer.writerows(rows)
            return json_rows(self.predictor.table(path)[0])


class SoundService(_SequenceService):
    """One that reads sounds."""

    def classify(self, files: Sequence[bytes]) -> Rows:
        """A row a sound, as ``classify predict`` gives it."""
        with _as_files({f"file {k + 1}.wav": content for k, content in enumerate(files)}) as paths:
            return [row for path in paths for row in json_rows(self.predictor.table(path)[0])]


class RecordService(_SequenceService):
    """One that reads a lead of an ECG."""

    def classify(self, signal: Sequence[float], fs: float) -> Rows:
        """A row a beat, or ten seconds, as ``ecg predict`` gives it for a CSV file of this signal."""
        lines = "\n".join(["mV", *(repr(float(v)) for v in signal), ""])
        with _as_files({"signal.csv": lines.encode()}) as (path,):
            return json_rows(self.predictor.record(path, fs=fs)[0])


@contextlib.contextmanager
def _as_files(contents: dict[str, bytes]) -> Iterator[list[Path]]:
    """Files that are there for the time of one answer: what reads a user's file reads a request. Errors name no folder."""
    with tempfile.TemporaryDirectory(prefix="forecastkit-") as folder:
        paths = [Path(folder) / name for name in contents]
        for path, content in zip(paths, contents.values()):
            path.write_bytes(content)
        try:
            yield paths
        except ForecastkitError as error:
            for part in ("place", "value", "rule", "remedy"):
                setattr(error, part, getattr(error, part).replace(f"{folder}/", ""))
            raise


Service = (
    ForecastService | TextService | LanguageService | TranslationService | TranscriptionService | TableService | SoundService | RecordService
)  # fmt: skip
TEXTS: dict[str, Callable[[RunFolder], Service]] = {
    "classify": TextService, "language-model": LanguageService, "translate": TranslationService, "transcribe": TranscriptionService,
}  # fmt: skip
SEQUENCES: dict[str, Callable[[Any], Service]] = {
    "record": RecordService,
    "table": TableService,
    "sounds": SoundService,
}


def open_service(run: str | Path) -> Service:
    """What a run can answer.

    Raises:
        ModelFileError: no run, or a damaged one.
    """
    folder = RunFolder.open(run)
    task = str(folder.facts().get("task") or "forecast")
    if task == "forecast":
        return ForecastService(folder)
    if task in TEXTS:
        return TEXTS[task](folder)
    from forecastkit.run.sequences.tasks import ECG_KINDS, TABLE_KINDS, predictor

    found = predictor(folder, (*ECG_KINDS, *TABLE_KINDS))
    return SEQUENCES[found.reads](found)
