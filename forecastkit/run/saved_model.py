"""The model of a run on disk: parameters, the history it forecasts from, and how wide its intervals are.

``model/`` holds ``weights.safetensors``, ``model.json`` and ``history.parquet``; loading them runs no code.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit import artifacts, registry
from forecastkit.errors import ConfigError, DataError, ForecastkitError, ModelFileError, near
from forecastkit.forecasting.backtest import forecast_frame, forecast_from_ends
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.covariates import require_future
from forecastkit.forecasting.intervals import ConformalIntervals, recent_scale
from forecastkit.forecasting.protocol import Fitted
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.time_features import with_closed_days
from forecastkit.run.ahead import FILL_IN
from forecastkit.run.folder import RunFolder

__all__ = ["SavedModel", "same_kind"]


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A fitted model with everything that a later forecast needs.

    Args:
        name: what the run calls it.
        options: of the registry.
        frame: the history.
        horizon: steps that are forecast, after ``gap`` steps that are not.
        intervals: None = quantiles are the model's own, or NaN.
        facts: for run.yaml and the model card.
    """

    name: str
    options: dict[str, Any]
    fitted: Fitted
    frame: SeriesFrame
    horizon: int
    gap: int
    intervals: ConformalIntervals | None
    season_length: int
    facts: dict[str, Any] = field(default_factory=dict)
    kind: str = ""

    def forecast(self, horizon: int | None = None) -> pd.DataFrame:
        """The forecast frame from each series' own last row.

        Raises:
            ConfigError: more steps than the model was fitted for.
        """
        steps = self.steps(horizon)
        require_future(self.frame, steps + self.gap, FILL_IN)
        points, own, ends = forecast_from_ends(self.fitted, self.frame, self.horizon + self.gap)
        points, at = points[None, :, self.gap : self.gap + steps], ends[None, :]
        quantiles = own = None if own is None else own[None, :, self.gap : self.gap + steps]
        if self.intervals is not None:
            quantiles = self.intervals.quantiles(points, recent_scale(self.frame, at, self.season_length), own)
            if self.options.get("non_negative"):
                quantiles = np.maximum(quantiles, 0.0)
        return forecast_frame(self.frame, points, at, model=self.name, quantiles=quantiles, gap=self.gap)

    def steps(self, horizon: int | None) -> int:
        """Steps that are forecast; None = all.

        Raises:
            ConfigError: more than the model was fitted for.
        """
        steps = self.horizon if horizon is None else horizon
        if not 1 <= steps <= self.horizon:
            raise ConfigError(
                place="--horizon",
                value=str(steps),
                rule=f"this model forecasts 1 to {self.horizon} steps",
                remedy=f"Fit again with --horizon {steps}." if steps > self.horizon else "",
            )
        return steps

    def save(self, folder: Path) -> None:
        """Write the three files."""
        arrays, state = self.fitted.state()
        calendar = self.frame.calendar
        whole = calendar.instants.append(calendar.ahead) if len(calendar.ahead) else calendar.instants
        stamps, instants_of = _pack(whole)
        meta = {
            "name": self.name,
            "kind": self.kind or self.name,
            "options": self.options,
            "state": state,
            "horizon": self.horizon,
            "gap": self.gap,
            "season_length": self.season_length,
            "intervals": None if self.intervals is None else self.intervals.to_dict(),
            "frame": {
                "target_name": self.frame.target_name,
                "season_length": self.frame.season_length,
                "name": self.frame.name,
                "freq": calendar.freq,
                "sessions": [list(s) for s in calendar.sessions],
                "instants": instants_of,
                "known": list(self.frame.known),
                "past": list(self.frame.past),
                "static": list(self.frame.static),
                "country": self.frame.country,
                "n_ahead": len(calendar.ahead),
                "closed": list(calendar.closed),
            },
            "facts": self.facts,
        }
        history = self.frame.data[["item_id", "timestamp", "target", *self.frame.covariates]]
        meta["history_sha256"] = artifacts.write_parquet(folder / "history.parquet", history)
        if self.frame.future is not None:
            meta["future_sha256"] = artifacts.write_parquet(folder / "future.parquet", self.frame.future)
        packed = {f"state.{key}": value for key, value in arrays.items()}
        artifacts.save_model(folder, {**packed, "calendar": stamps}, meta)

    @classmethod
    def load(cls, folder: Path) -> SavedModel:
        """The inverse of ``save``.

        Raises:
            ModelFileError: missing, damaged or of another format.
        """
        arrays, meta = artifacts.load_model(folder)
        try:
            frame = _frame(folder, arrays["calendar"], meta)
            if not registry.is_name(meta["name"]):
                raise ValueError("no name of a model")
            kind = str(meta.get("kind", meta["name"]))
            model = registry.create_model(kind, **meta["options"])
            state = {k.removeprefix("state."): v for k, v in arrays.items() if k.startswith("state.")}
            fitted = model.restore(state, meta["state"])
            intervals = meta["intervals"] and ConformalIntervals.from_dict(meta["intervals"])
            return cls(
                meta["name"],
                meta["options"],
                fitted,
                frame,
                int(meta["horizon"]),
                int(meta["gap"]),
                intervals,
                int(meta["season_length"]),
                meta["facts"],
                kind=kind,
            )
        except ForecastkitError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
            raise ModelFileError(
                place=str(folder),
                value=" ".join(f"{type(error).__name__}: {error}".split())[:120],
                rule="damaged",
                remedy="Run fit again.",
            ) from None

    @classmethod
    def of_run(cls, run: RunFolder) -> SavedModel:
        """The model that a run of fit keeps.

        Raises:
            ModelFileError: the run is of another task, or a backtest; or as ``load``.
        """
        if run.forecast_facts().get("kind") == "backtest":
            raise ModelFileError(
                place=str(run.path), value="a backtest", rule="it keeps no model and makes no forecast",
                remedy="Use forecastkit fit.",
            )  # fmt: skip
        return cls.load(run / "model")

    def with_newer(self, newer: SeriesFrame) -> SavedModel:
        """The model with longer history; where both have a value, the newer file's counts.

        Raises:
            DataError: another frequency, or a series that the model cannot forecast.
        """
        from forecastkit.reading import ReadOptions, read

        old = self.frame
        same_kind(old, newer, "--data")
        unknown = sorted(set(newer.items) - set(old.items))
        if unknown and registry.create_model(self.kind or self.name, **self.options).family == "statistical":
            raise DataError(
                place="--data",
                value=f"series {unknown[0]!r}",
                rule=f"{self.name} was fitted to each series and does not know this one",
                remedy=near(unknown[0], old.items),
            )
        columns = ["item_id", "timestamp", "target", *old.covariates]
        # Rows of the future have no target; a row that was observed since then counts instead.
        tables = [f for f in (old.future, newer.future, old.data[columns], newer.data[columns]) if f is not None]
        rows = pd.concat(tables, ignore_index=True)
        # A row that a short file lacks has no value in its frame, and takes none away from the history.
        by_value = rows.sort_values("target", key=pd.Series.notna, kind="stable")
        rows = by_value.drop_duplicates(["item_id", "timestamp"], keep="last").sort_index()
        options = ReadOptions(
            target="target",
            time="timestamp",
            item="item_id",
            freq=None if old.calendar.sessions else old.calendar.freq,
            season_length=old.season_length,
            min_rows=1,
            known=old.known,
            past=old.past,
            static=old.static,
            holidays=old.country,
        )
        merged = read(rows, options).frame
        merged = with_closed_days(replace(merged, target_name=old.target_name, name=old.name))
        return replace(self, frame=merged, fitted=self.fitted.update(merged))


def same_kind(old: SeriesFrame, newer: SeriesFrame, place: str) -> None:
    """Whether newer rows can follow the history of a run.

    Raises:
        DataError: one counts steps and the other has times, or only one has a zone.
    """
    then, now = (_kind(frame) for frame in (old, newer))
    if then != now:
        raise DataError(
            place=place, value=f"has {now}", rule=f"the run has {then}",
            remedy="Give rows of the same kind as the file of fit.",
        )  # fmt: skip


def _kind(frame: SeriesFrame) -> str:
    if frame.calendar.is_integer:
        return "counted steps"
    has_zone = getattr(frame.calendar.instants, "tz", None) is not None
    return "times with a zone" if has_zone else "times without a zone"


def _pack(instants: pd.Index) -> tuple[np.ndarray, dict[str, Any]]:
    if isinstance(instants, pd.DatetimeIndex):
        return instants.asi8.copy(), {"unit": instants.unit, "tz": None if instants.tz is None else str(instants.tz)}
    return instants.to_numpy(np.int64), {}


def _frame(folder: Path, stamps: np.ndarray, meta: dict[str, Any]) -> SeriesFrame:
    facts = meta["frame"]
    how = facts["instants"]
    instants: pd.Index
    if how:
        instants = pd.DatetimeIndex(stamps.astype(f"datetime64[{how['unit']}]"))
        if how["tz"] is not None:
            instants = instants.tz_localize("UTC").tz_convert(how["tz"])
    else:
        instants = pd.Index(stamps, dtype="int64")
    n = len(instants) - int(facts.get("n_ahead", 0))
    sessions = tuple((int(a), int(b)) for a, b in facts["sessions"])
    closed = tuple(map(str, facts.get("closed", ())))
    calendar = Calendar(str(facts["freq"]), instants[:n], sessions, instants[n:], closed)
    calendar.future(1)  # a frequency that is none shows here, not in the first forecast
    future = meta.get("future_sha256")
    return SeriesFrame(
        # Models of the first days have no checksum of their history.
        _table(folder / "history.parquet", meta.get("history_sha256")),
        calendar,
        season_length=int(facts["season_length"]),
        target_name=str(facts["target_name"]),
        known=tuple(facts.get("known", ())),
        past=tuple(facts.get("past", ())),
        static=tuple(facts.get("static", ())),
        future=None if future is None else _table(folder / "future.parquet", future),
        country=str(facts.get("country", "")),
        name=str(facts["name"]),
    )


def _table(path: Path, digest: str | None) -> pd.DataFrame:
    try:
        content = path.read_bytes()
        if digest is not None and hashlib.sha256(content).hexdigest() != digest:
            raise ValueError("its checksum is not the one in model.json")
        return pd.read_parquet(io.BytesIO(content))
    except FileNotFoundError:
        raise ModelFileError(place=str(path), rule="missing", remedy="Run fit again.") from None
    except (OSError, ValueError, NotImplementedError, MemoryError) as error:
        raise ModelFileError(place=str(path), value=str(error)[:120], rule="damaged", remedy="Run fit again.") from None
