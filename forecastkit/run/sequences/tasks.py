"""The tasks behind ``ecg`` and ``classify``: settings -> what is read -> run folder, and predictions from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit.classification.records import place_of
from forecastkit.classification.task import Labelled
from forecastkit.classification.windows import is_windows, read_new_windows, read_windows
from forecastkit.errors import ConfigError, DataError, ModelFileError
from forecastkit.registry import names_in
from forecastkit.run.folder import RunFolder
from forecastkit.run.sequences.anomalies import SUFFIX, StrangeTeller, fit_anomalies
from forecastkit.run.sequences.execute import ClassifyOptions, Teller, fit, task_of
from forecastkit.run.sequences.settings import options_of
from forecastkit.run.sequences.watch import Watch

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ECG_KINDS", "TABLE_KINDS", "Predictor", "predict_ecg", "predict_table", "predictor", "run_ecg", "run_table"]

BEAT_CLASSES = ("auto", "aami", "v")
ECG_KINDS = ("rhythm", "ecg")
TABLE_KINDS = ("sounds", "sequences")
"""Tasks of ``ecg`` and of ``classify``; the last is what a run of neither is told that it should be."""


def run_ecg(
    settings: Mapping[str, Any], *, out: Path | None = None, watch: Watch | None = None, command: str = ""
) -> RunFolder:
    """``ecg fit``.

    Raises:
        ForecastkitError: a setting, a record or the split cannot be used.
    """
    source = Path(settings["records"])
    classes = () if settings["task"] != "rhythm" and not _ready(source) else names_in(settings.get("classes"))
    options = options_of(settings, classes=classes, command=command)
    return _fitted(_read_ecg(settings, source), options, out, watch)


def _ready(source: Path) -> bool:
    return source.is_file() and is_windows(source)


def _read_ecg(settings: Mapping[str, Any], source: Path) -> Labelled:
    lead, fs = settings.get("lead"), settings.get("fs")
    label = settings.get("label")
    if settings["task"] == "rhythm":
        from forecastkit.classification.rhythm import read_rhythms

        table = settings.get("labels")
        return read_rhythms(settings["records"], labels=Path(table) if table else None, label=label, lead=lead, fs=fs)
    if _ready(source):
        _refuse(settings, ("lead", "fs", "labels", "include_paced"), "ready windows")
        return read_windows(source, label=label, beats=True)
    _refuse(settings, ("labels", "label"), "records with annotated beats")
    if source.is_file():
        raise DataError(
            place=str(source),
            rule="one record cannot be tested on another",
            remedy="Give the folder of several records.",
        )
    from forecastkit.classification.beats import read_beats

    wanted = settings.get("classes", "auto")
    if wanted not in BEAT_CLASSES:
        raise ConfigError(place="--classes", value=repr(wanted), rule="auto, aami or v")
    return read_beats(
        settings["records"],
        lead=lead,
        fs=fs,
        classes=wanted,
        paced=bool(settings.get("include_paced")),
        halves=settings.get("split") == "ds1-ds2",
        unlabelled=settings["task"] == "anomaly",
    )


def _refuse(settings: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    for key in keys:
        if settings.get(key):
            raise ConfigError(
                place=f"--{key.replace('_', '-')}", rule=f"means nothing for {what}", remedy="Leave it out."
            )


def run_table(
    settings: Mapping[str, Any], *, out: Path | None = None, watch: Watch | None = None, command: str = ""
) -> RunFolder:
    """``classify fit``.

    Raises:
        ForecastkitError: a setting, the table or the split cannot be used.
    """
    options = options_of(settings, classes=names_in(settings.get("classes")), command=command)
    path, label, group = Path(settings["data"]), settings.get("label"), settings.get("group")
    if path.is_dir():
        from forecastkit.classification.sounds import read_sounds

        _refuse(settings, ("item", "time", "ahead", "event"), "a folder of sounds")
        return _fitted(read_sounds(path, label=label, group=group), options, out, watch)
    if settings.get("item") is None:
        _refuse(settings, ("time", "ahead", "event"), "a table with a row a sequence; name the item with --item")
        return _fitted(read_windows(path, label=label, group=group), options, out, watch)
    from forecastkit.classification.visits import read_visits

    task = read_visits(
        path,
        item=settings["item"],
        time=settings.get("time"),
        label=label,
        group=group,
        ahead=settings.get("ahead"),
        event=settings.get("event"),
    )
    return _fitted(task, options, out, watch)


def _fitted(task: Labelled, options: ClassifyOptions, out: Path | None, watch: Watch | None) -> RunFolder:
    work = fit_anomalies if options.anomaly else fit
    return work(task, options, out=out, watch=watch)


@dataclass(frozen=True, eq=False)
class Predictor:
    """The model of a run that classifies, or finds anomalies, ready for new files; loads once.

    Args:
        reads: ``record`` (an ECG), ``table`` or ``sounds``.
    """

    run: RunFolder
    teller: Teller | StrangeTeller
    reads: str

    def record(
        self, path: Path, *, lead: str | None = None, fs: float | None = None, given: bool = False
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """(one row a beat, or ten seconds; a summary) of an ECG; see ``predict_ecg``."""
        if task_of(self.run) == "rhythm":
            from forecastkit.classification.rhythm import read_new_rhythms

            return self.teller.tell(lambda plan: read_new_rhythms(path, plan, lead=lead, fs=fs))
        from forecastkit.classification.beats import read_new_beats

        return self.teller.tell(lambda plan: read_new_beats(path, plan, lead=lead, fs=fs, given=given))

    def table(self, path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
        """(one row a sequence, a summary) of a table, or of sounds."""

        def read(plan: dict[str, Any]) -> Any:
            if plan.get("kind") == "wide":
                return read_new_windows(path, plan)
            if plan.get("kind") == "sounds":
                from forecastkit.classification.sounds import read_new_sounds

                return read_new_sounds(path, plan)
            if plan.get("kind") != "long":
                raise ModelFileError(
                    place=str(self.run.path), rule="this run has no plan for tables", remedy="Run fit again."
                )
            from forecastkit.classification.visits import read_new_visits

            return read_new_visits(path, plan)

        return self.teller.tell(read)


def predictor(run: RunFolder, kinds: tuple[str, ...], model: str | None = None) -> Predictor:
    """The model of a run.

    Args:
        kinds: of the tasks that will do: ``ecg``, ``rhythm``, ``sounds``, ``sequences``.

    Raises:
        ModelFileError: a run of another task, no such model, damaged.
    """
    task = task_of(run)
    kind = next((k for k in kinds if task in (k, k + SUFFIX)), kinds[-1])
    teller = StrangeTeller(run, kind, model) if task == kind + SUFFIX else Teller(run, kind, model)
    plan = run.json("diagnostics.json").get("plan")
    wide = isinstance(plan, dict) and plan.get("kind") == "wide"
    reads = {"sounds": "sounds", "sequences": "table"}.get(kind, "table" if wide else "record")
    return Predictor(run, teller, reads)


def predict_ecg(
    run: RunFolder,
    record: str | Path,
    *,
    lead: str | None = None,
    fs: float | None = None,
    model: str | None = None,
    given: bool = False,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(one row a beat, or ten seconds; a summary) of a record, by the task of the run.

    Args:
        record: file, or ``physionet:mitdb/100``.
        given: take the annotated positions of the beats instead of finding them.

    Raises:
        ForecastkitError: the run or the record cannot be used.
    """
    path = _one_record(record)
    return predictor(run, ECG_KINDS, model).record(path, lead=lead, fs=fs, given=given)


def predict_table(run: RunFolder, path: Path, *, model: str | None = None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(one row a sequence, a summary) of a table, or of sounds.

    Raises:
        ForecastkitError: the run or the table cannot be used.
    """
    return predictor(run, TABLE_KINDS, model).table(path)


def _one_record(record: str | Path) -> Path:
    place = place_of(record)
    if not place.names:
        return place.path
    if len(place.names) > 1:
        raise ConfigError(
            place="--record",
            value=f"{len(place.names)} records",
            rule="one at a time is told",
            remedy="Name one, as in physionet:mitdb/100.",
        )
    return place.path / f"{place.names[0]}.hea"
