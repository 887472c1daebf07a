"""The run folder: what a run leaves behind, where each file stands, and how it is read again.

Files: ``run.yaml profile.json leaderboard.csv scores.csv backtest.parquet forecast.csv learning_curves.csv
verdict.json report.html model/ parts/ log.txt``. Each is written aside and renamed; ``parts/`` holds every finished
model of an unfinished run and goes once the run is done.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecastkit import artifacts
from forecastkit.errors import ConfigError, DataError, ModelFileError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RUN_FORMAT", "RunFolder"]

RUN_FORMAT = 1
RUNS = Path("runs")
NEEDED = {
    "leaderboard.csv": ("model",),
    "forecast.csv": ("item_id", "cutoff", "timestamp", "step", "model", "point"),
    "backtest.parquet": ("item_id", "cutoff", "timestamp", "step", "model", "point", "actual"),
}
"""Columns without which a table is damaged; text runs have other forecasts."""


class RunFolder:
    """One run on disk.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, name: str, out: Path | None = None) -> RunFolder:
        """A new, empty folder: ``out``, or ``runs/<name>-<time>``.

        Raises:
            ConfigError: ``out`` exists with content.
            DataError: it cannot be made.
        """
        if out is not None:
            return cls(_make(out, must_be_empty=True))
        # Names come from file names: keep what is safe in a path on every system.
        stem = re.sub(r"[^\w.-]+", "_", name).strip("._")[:60] or "run"
        stamp = dt.datetime.now().strftime("%Y%m%d-%H%M%S")
        path = RUNS / f"{stem}-{stamp}"
        for k in range(2, 1000):
            try:
                path.mkdir(parents=True, exist_ok=False)
            except FileExistsError:
                path = RUNS / f"{stem}-{stamp}-{k}"
                continue
            except OSError as error:
                raise _unwritable(path, error) from None
            return cls(path)
        raise DataError(place=str(RUNS), rule="too many runs in one second")

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """An existing run.

        Raises:
            ModelFileError: no such run.
        """
        folder = cls(Path(path))
        if not folder.path.is_dir():
            here = _runs_here()
            remedy = f"Runs here: {', '.join(here)}." if here else "Make one with forecastkit fit."
            raise ModelFileError(place=str(path), rule="no such run folder", remedy=remedy)
        folder.facts()
        return folder

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def facts(self) -> dict[str, Any]:
        """``run.yaml``.

        Raises:
            ModelFileError: missing, damaged or of a newer format.
        """
        import yaml

        path = self / "run.yaml"
        try:
            facts = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelFileError(
                place=str(self.path),
                rule="not a run folder: it has no run.yaml",
                remedy="Give the folder that fit made; a run that ended before it began starts again with --out.",
            ) from None
        except (OSError, UnicodeDecodeError, ValueError, RecursionError, yaml.YAMLError) as error:
            why = " ".join(str(error).split())[:120]
            raise ModelFileError(place=str(path), value=why, rule="damaged", remedy="Run fit again.") from None
        version = facts.get("format_version") if isinstance(facts, dict) else None
        if not isinstance(version, int):
            raise ModelFileError(place=str(path), rule="not written by forecastkit")
        if version > RUN_FORMAT:
            raise ModelFileError(
                place=str(path),
                value=f"format {version}",
                rule=f"this forecastkit reads formats up to {RUN_FORMAT}",
                remedy="Install a newer forecastkit.",
            )
        return facts

    def forecast_facts(self) -> dict[str, Any]:
        """``run.yaml`` of a run of fit or backtest.

        Raises:
            ModelFileError: it is of another task.
        """
        facts = self.facts()
        task = facts.get("task", "forecasting")
        if task != "forecasting":
            raise ModelFileError(place=str(self.path), value=f"a {task} run", rule="a run of fit or backtest is needed")
        return facts

    def finished_facts(self) -> dict[str, Any]:
        """``run.yaml`` of a finished run of fit or backtest.

        Raises:
            ModelFileError: it is of another task, not finished, or its configuration is damaged.
        """
        facts = self.forecast_facts()
        if facts.get("status") != "done":
            raise ModelFileError(
                place=str(self.path),
                rule="this run is not finished",
                remedy=f"Go on with: forecastkit {facts.get('kind', 'fit')} --resume {self.path}",
            )
        if not isinstance(facts.get("config"), dict):
            raise ModelFileError(place=str(self / "run.yaml"), rule="damaged: it has no configuration")
        return facts

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write ``run.yaml``."""
        artifacts.write_yaml(self / "run.yaml", {"format_version": RUN_FORMAT, **facts})

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the run.

        Raises:
            ModelFileError: missing or damaged.
        """
        path = self / name
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise self._missing(name) from None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise ModelFileError(place=str(path), value=str(error)[:120], rule="damaged") from None

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run, CSV or Parquet by its ending; times are parsed.

        Raises:
            ModelFileError: missing or damaged.
        """
        import pandas as pd

        path = self / name
        try:
            if path.suffix == ".parquet":
                table = pd.read_parquet(path)
            else:
                # A converter sees the text before "NA" (Namibia) becomes a missing value.
                names = dict.fromkeys(("item_id", "target_name", "model"), artifacts.unquoted)
                table = pd.read_csv(path, dtype={"reason": str}, converters=names)
        except FileNotFoundError:
            raise self._missing(name) from None
        except pd.errors.EmptyDataError:
            table = pd.DataFrame()
        except (OSError, ValueError, UnicodeDecodeError) as error:
            raise ModelFileError(place=str(path), value=" ".join(str(error).split())[:120], rule="damaged") from None
        missing = [c for c in NEEDED.get(name, ()) if c not in table]
        if missing:
            raise ModelFileError(
                place=str(path), value=f"no column {missing[0]!r}", rule="damaged", remedy="Run fit again."
            )
        if path.suffix == ".parquet":
            return table
        for column in ("timestamp", "cutoff"):
            if column in table and not pd.api.types.is_numeric_dtype(table[column]):
                try:
                    table[column] = _times(table[column], self._zone)
                except (ValueError, OverflowError) as error:
                    why = " ".join(str(error).split())[:120]
                    raise ModelFileError(place=str(path), value=why, rule="damaged", remedy="Run fit again.") from None
        for column in ("reason", "note", "word", "label"):
            if column in table:
                table[column] = table[column].fillna("")
        return table

    @contextlib.contextmanager
    def damage_named(self, *more: type[Exception]) -> Iterator[None]:
        """Inside, what a changed or incomplete file of the run causes is an error that names the run.

        Args:
            more: errors that such a file causes, too.

        Raises:
            ModelFileError: instead of Python's own error.
        """
        damage: tuple[type[Exception], ...] = (KeyError, TypeError, ValueError, IndexError, AttributeError, *more)
        try:
            yield
        except damage as error:
            raise ModelFileError(
                place=str(self.path),
                value=f"{type(error).__name__}: {error}"[:120],
                rule="a file of this run is damaged",
            ) from None

    def _zone(self) -> str:
        """The time zone of the data; UTC where it is not known."""
        import pandas as pd

        with contextlib.suppress(ModelFileError, ValueError, KeyError, OSError):
            name = str(self.json("profile.json").get("tz") or "UTC")
            pd.DatetimeTZDtype(tz=name)  # no such zone shows here
            return name
        return "UTC"

    def _missing(self, name: str) -> ModelFileError:
        facts = self.facts()
        unfinished = facts.get("status") in ("running", "interrupted") and "task" not in facts
        again = f"It was not finished: forecastkit {facts.get('kind', 'fit')} --resume {self.path}"
        return ModelFileError(
            place=str(self.path), rule=f"this run has no {name}", remedy=again if unfinished else "Run fit again."
        )

    def log(self, line: str) -> None:
        """Append a line with the time to ``log.txt``."""
        stamp = dt.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        with (self / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{stamp}  {line}\n")

    def part(self, name: str, seed: int) -> Path:
        """Where a finished model of an unfinished run stands; ``name`` comes from the registry."""
        return self.path / "parts" / f"{name}-s{seed}"

    def trainings(self, name: str, seed: int) -> Path:
        """Where the unfinished trainings of a model of an unfinished run stand."""
        return self.path / "parts" / f"{name}-s{seed}.training"

    def drop_trainings(self, name: str, seed: int) -> None:
        """Remove them, once the model is finished."""
        shutil.rmtree(self.trainings(name, seed), ignore_errors=True)

    def drop_drafts(self) -> None:
        """Remove half-written files that a killed process left; call before anything is written."""
        for draft in self.path.rglob(".*.part"):
            with contextlib.suppress(OSError):
                draft.unlink()

    def drop_parts(self) -> None:
        """Remove what only an unfinished run needs."""
        shutil.rmtree(self.path / "parts", ignore_errors=True)


def _times(texts: pd.Series, zone: Callable[[], str]) -> pd.Series:
    """Times as they were written; those with an offset in the zone of the data, since offsets change in summer."""
    import pandas as pd

    if not texts.astype(str).str.contains(r"T.*(?:Z|[+-]\d\d:?\d\d)$").any():
        return pd.to_datetime(texts, format="ISO8601")
    times = pd.to_datetime(texts, format="ISO8601", utc=True)
    return times.dt.tz_convert(zone())


def _make(path: Path, *, must_be_empty: bool) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        # A run that was killed before its first file was whole leaves only that file's draft.
        for draft in path.glob(".run.yaml.*.part"):
            draft.unlink()
        if must_be_empty and any(path.iterdir()):
            raise ConfigError(
                place=f"--out {path}",
                rule="the folder is not empty",
                remedy=f"Choose another, or go on with an unfinished run: --resume {path}",
            )
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        place=str(path),
        value=error.strerror or type(error).__name__,
        rule="the run folder cannot be made there",
        remedy="Give a writable place with --out.",
    )


def _runs_here() -> list[str]:
    try:
        return sorted(str(p.parent) for p in RUNS.glob("*/run.yaml"))[-3:]
    except OSError:
        return []
