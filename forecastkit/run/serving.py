"""A run behind HTTP: ``/health``, ``/model``, and ``/forecast`` or ``/classify``.

The model is loaded once and never changed, so that requests cannot see each other; an answer is that of ``predict``.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts
from forecastkit.errors import ConfigError, ForecastkitError, ModelFileError
from forecastkit.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ForecastService", "Limits", "TextService", "create_app", "from_environment", "open_service", "said"]

SETTINGS = "FORECASTKIT_SERVE"
"""Where a worker process finds what it serves."""
PLACES = {"--data": "history"}
"""What an option of the command line is called in a request, where it is not its own name."""


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Args:
        bytes: of a body.
        rows: of history and of the future, or texts.
        seconds: until the answer, waiting included.
        threads: requests that a process computes at once; several would wait for each other at every line of Python.
        hosts: names that a request may be addressed to; empty = any.
    """

    bytes: int = 1_000_000
    rows: int = 10_000
    seconds: float = 10.0
    threads: int = 1
    hosts: tuple[str, ...] = ()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]


class ForecastService:
    """The saved model of a forecasting run.

    Args:
        folder: of the run.
    """

    task = "forecast"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.newer import reading_of
        from forecastkit.run.saved_model import SavedModel

        self.folder = folder
        self.saved = SavedModel.load(folder / "model")
        self.name = self.saved.name
        self.options = reading_of(folder, self.saved)
        with contextlib.suppress(ForecastkitError):
            # What is imported by a first forecast is there for the first request.
            self.forecast([], [], None)

    def facts(self) -> dict[str, Any]:
        """For ``/model``."""
        frame, options = self.saved.frame, self.options
        card = self.folder / "model" / "card.md"
        return {
            "task": self.task, "model": self.name, "horizon": self.saved.horizon, "gap": self.saved.gap, "freq": frame.calendar.freq,
            "time": options.time, "target": options.target, "item": options.item, "known": list(frame.known), "past": list(frame.past),
            "static": list(frame.static), "n_items": len(frame.items), "last": _plain(frame.calendar.instants[-1]),
            "card": card.read_text(encoding="utf-8") if card.is_file() else "", "versions": artifacts.versions(),
        }  # fmt: skip

    def forecast(
        self, history: list[dict[str, Any]], future: list[dict[str, Any]], horizon: int | None
    ) -> list[dict[str, Any]]:
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
        return _rows(model.forecast(horizon))


class TextService:
    """The saved classifier of a run of texts."""

    task = "classify"

    def __init__(self, folder: RunFolder) -> None:
        from forecastkit.run.texts import TextScorer

        self.scorer = TextScorer(folder.path)
        self.name = self.scorer.name

    def facts(self) -> dict[str, Any]:
        """For ``/model``."""
        classes = list(self.scorer.classes)
        return {"task": self.task, "model": self.name, "classes": classes, "versions": artifacts.versions()}

    def classify(self, texts: list[str]) -> list[dict[str, Any]]:
        """Label and probabilities of each text, as ``text predict`` gives them; label empty where nothing stands in it."""
        return _rows(self.scorer.table(texts))


def open_service(run: str | Path) -> ForecastService | TextService:
    """What a run can answer.

    Raises:
        ModelFileError: no run, a damaged one, or one of a task that is not served.
    """
    folder = RunFolder.open(run)
    task = str(folder.facts().get("task") or "forecast")
    if task == "forecast":
        return ForecastService(folder)
    if task == "classify":
        return TextService(folder)
    raise ModelFileError(
        place=str(run), value=f"a run of {task}", rule="only forecasts and classes of texts are served",
        remedy="Use its own predict command.",
    )  # fmt: skip


def said(error: ForecastkitError) -> str:
    """An error in the words of a request."""
    return re.sub(r"--([a-z][a-z-]*)", lambda found: PLACES.get(found[0], found[1]), str(error))


def create_app(service: ForecastService | TextService, limits: Limits | None = None) -> Any:
    """The FastAPI application.

    Raises:
        ConfigError: FastAPI is not installed.
    """
    try:
        from forecastkit.run.serving_app import build
    except ImportError as error:
        raise ConfigError(
            place="serve", rule=f"the package {error.name} is not installed", remedy="pip install 'forecastkit[serve]'"
        ) from None
    return build(service, limits or Limits())


def to_environment(run: str | Path, limits: Limits) -> None:
    """Leave word for worker processes."""
    os.environ[SETTINGS] = json.dumps({"run": str(run), "limits": asdict(limits)})


def from_environment() -> Any:
    """The application of a worker process; matrix products on one thread, since workers share the cores."""
    import torch

    torch.set_num_threads(1)
    told = json.loads(os.environ[SETTINGS])
    limits = Limits(**{**told["limits"], "hosts": tuple(told["limits"]["hosts"])})
    return create_app(open_service(told["run"]), limits)
