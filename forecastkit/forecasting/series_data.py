"""Series for one's own network: LightningDataModules that read, split by time, normalise and window any file of their kind.

What is learned from the data (the transform of the target, scales and categories of covariates) is learned from the rows of
the training part alone. A window belongs to the part in which its targets lie; its context may reach back into an earlier
part, which was known by then.

Shapes: B batch, T context_length, H horizon, C channels, F known features, S static ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from forecastkit.errors import ConfigError, DataError, near
from forecastkit.forecasting.covariates import CovariateEncoder, require_future
from forecastkit.forecasting.datamodule import WindowSource
from forecastkit.forecasting.models.context import default_context
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.transforms import DIFFERENCES, TRANSFORMS, Transform
from forecastkit.forecasting.windows import WindowRanges, Windows, gather, window_ends
from forecastkit.read_options import options_of
from forecastkit.reading import Reading, read
from forecastkit.reading.columns import INDEX_NAMES, plain

__all__ = ["DemandData", "SeriesBatch", "SeriesData", "StocksData", "WeatherData"]

SHARES = (0.7, 0.15)
LONGEST_SEASON = 100
VOLUMES = ("volume", "vol", "traded volume")
KINDS = tuple(t for t in TRANSFORMS if t not in DIFFERENCES)
"""Transforms that a window alone can undo."""


class SeriesBatch(NamedTuple):
    """Windows, scaled; slots that a file has nothing for are None.

    Args:
        past: [B, T, C] float32: the target, an unobserved row holding the last observed value; then past covariates.
        observed: [B, T, 1] float32, 1 where the target was observed.
        known: [B, T + H, F] float32 over context and horizon: time features, then known covariates.
        static: [B, S] float32.
        past_cat, known_cat, static_cat: codes [B, T, ...], [B, T + H, ...], [B, ...] int64; 0 = unknown.
        target: [B, H] float32, scaled; 0 where unobserved, as all are after the last row.
        target_observed: [B, H] float32: multiply errors by it.
        item: [B] int64, position in ``SeriesData.items``.
        row: [B] int64, row of the item that the context ends with.
    """

    past: Tensor
    observed: Tensor
    known: Tensor | None
    static: Tensor | None
    past_cat: Tensor | None
    known_cat: Tensor | None
    static_cat: Tensor | None
    target: Tensor
    target_observed: Tensor
    item: Tensor
    row: Tensor


class SeriesData(pl.LightningDataModule):
    """Windows of the series of a file, in a training, a validation and a test part.

    Args:
        source: path, ``"dataset:NAME"``, ``"yahoo:AAPL,MSFT"`` or another source, a frame, or a checked ``SeriesFrame``.
        horizon: steps ahead; None = ``usual_horizon``, else one season, or 10 where there is none of up to 100 steps.
        context_length: rows that a window looks back; None = two seasons or three horizons, as the history allows.
        past, known, static: columns of covariates; ``past=None`` = those that are usual for this kind of data.
        holidays: country whose public holidays are known ahead, as ``"ES"``.
        transform: of the target, fitted on the training part: standard, robust, min_max, log, log1p, box_cox or none;
            None = ``usual_transform``.
        scale_windows: scale each window by the mean and deviation of its own context, after the transform; None =
            ``usual_scale_windows``.
        split: shares of the time that training and validation get, or the last days of both, as
            ``("2017-12-31", "2018-06-30")``; the rest is for the test.
        batch_size: windows a batch.
        reading: further options of reading: target, time, item, freq, start, end, join, close, ...
        seed: of the order of training windows.

    Raises (in ``setup``):
        ConfigError: an option that does not exist or does not fit.
        DataError: the data cannot be read, or a part is too short for a window.
    """

    usual_horizon: ClassVar[int | None] = None
    usual_transform: ClassVar[str] = "standard"
    usual_scale_windows: ClassVar[bool] = False

    def __init__(
        self,
        source: Any,
        *,
        horizon: int | None = None,
        context_length: int | None = None,
        past: Iterable[str] | str | None = None,
        known: Iterable[str] | str = (),
        static: Iterable[str] | str = (),
        holidays: str = "",
        transform: str | None = None,
        scale_windows: bool | None = None,
        split: tuple[float, float] | tuple[str, str] = SHARES,
        batch_size: int = 64,
        reading: Mapping[str, Any] | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.source, self.split, self.batch_size, self.seed = source, split, batch_size, seed
        self.horizon, self.context_length = self.usual_horizon if horizon is None else horizon, context_length
        self.transform_name = self.usual_transform if transform is None else transform
        self.scale_windows = self.usual_scale_windows if scale_windows is None else scale_windows
        self._past, self._known, self._static, self._holidays = past, known, static, holidays
        self._reading = dict(reading or {})
        self._is_ready = False

    # ---- what was found

    def setup(self, stage: str | None = None) -> None:
        """Read, split and fit; the second time nothing happens."""
        if self._is_ready:
            return
        self._check()
        self.reading = self._read()
        self.frame: SeriesFrame = self.reading.frame
        frame = self.frame
        if self.horizon is None:
            self.horizon = frame.season_length if 1 < frame.season_length <= LONGEST_SEASON else 10
        self.ends = self._ends()
        train = frame.upto(self.ends[0])
        self.context_length = self.context_length or default_context(train, self.horizon)
        self.transform = Transform.fit(self.transform_name, train)
        self.encoder = CovariateEncoder.fit(train, clock=True)
        self._source = WindowSource(
            store=self.transform.apply(frame).store,
            context_length=self.context_length,
            horizon=self.horizon,
            scaling="instance" if self.scale_windows else "none",
            covariates=None if self.encoder.is_empty else self.encoder.encode(frame, self.horizon),
        )
        self.windows = {name: self._windows(name) for name in ("train", "valid", "test")}
        self._is_ready = True

    def _check(self) -> None:
        """Refuse numbers and names that no data make sense of."""
        counts = {"horizon": self.horizon, "context_length": self.context_length, "batch_size": self.batch_size}
        for name, value in counts.items():
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if value is not None and not (whole and value >= 1):
                raise ConfigError(place=name, value=repr(value), rule="a whole number of at least 1 is needed")
        if self.transform_name not in KINDS:
            raise ConfigError(
                place="transform",
                value=repr(self.transform_name),
                rule="no such transform of windows",
                remedy=near(self.transform_name, KINDS),
            )

    def _read(self) -> Reading:
        lists = {"past": self._past, "known": self._known, "static": self._static, "holidays": self._holidays}
        given = {k: v for k, v in lists.items() if v or (k == "past" and v is not None)}
        if isinstance(self.source, SeriesFrame) and given:
            raise ConfigError(
                place=", ".join(given),
                rule="a checked frame has its covariates already",
                remedy="Give them to as_frame, or give the table itself.",
            )
        found = self._read_with(given)
        if self._past is not None or isinstance(self.source, SeriesFrame):
            return found
        usual = self.usual_past(found)
        return self._read_with({**given, "past": usual}) if usual else found

    def _read_with(self, given: Mapping[str, Any]) -> Reading:
        return read(self.source, options_of({**self._reading, **given}, type(self).__name__))

    def usual_past(self, reading: Reading) -> tuple[str, ...]:
        """Columns that are read as past covariates where none is named; none for series of any kind."""
        return ()

    def _ends(self) -> tuple[int, int, int]:
        """Calendar positions of the last row of each part."""
        calendar = self.frame.calendar
        last = len(calendar) - 1
        if not isinstance(self.split, (tuple, list)) or len(self.split) != 2:
            raise ConfigError(
                place="split", value=repr(self.split), rule="two shares of the time or two last days are needed"
            )
        first, second = self.split
        if isinstance(first, str) or isinstance(second, str):
            ends = [self._position(str(first)), self._position(str(second))]
        else:
            if not (0 < first < 1 and 0 <= second < 1 and first + second < 1):
                raise ConfigError(
                    place="split",
                    value=str(self.split),
                    rule="two shares of the time that leave some for the test",
                    remedy="Such as (0.7, 0.15), or two last days.",
                )
            ends = [round(first * (last + 1)) - 1, round((first + second) * (last + 1)) - 1]
        if not 0 <= ends[0] <= ends[1] < last:
            raise ConfigError(
                place="split",
                value=str(self.split),
                rule=f"two days in this order, within {calendar.instants[0]} to {calendar.instants[-1]}",
            )
        return ends[0], ends[1], last

    def _position(self, day: str) -> int:
        instants = self.frame.calendar.instants
        try:
            if not isinstance(instants, pd.DatetimeIndex):
                return self.frame.calendar.at_or_before(int(day))
            end = pd.Period(day).end_time
            return self.frame.calendar.at_or_before(end.tz_localize(instants.tz) if instants.tz is not None else end)
        except (ValueError, AttributeError):
            raise ConfigError(place="split", value=repr(day), rule="not a date", remedy="Such as 2018-12-31.") from None

    def _windows(self, part: str) -> WindowRanges:
        """Windows whose targets lie in a part."""
        assert self.horizon is not None
        first, last = {
            "train": (0, self.ends[0]),
            "valid": (self.ends[0] + 1, self.ends[1]),
            "test": (self.ends[1] + 1, self.ends[2]),
        }[part]
        found = window_ends(self._source.store, self.horizon, first, last)
        if not len(found) and (part == "train" or last - first + 1 > 0):
            raise DataError(
                place=f"{part} part",
                value=f"{last - first + 1} steps",
                rule=f"no window with {self.horizon} observed steps ahead fits into it",
                remedy="Change split, or give a shorter horizon.",
            )
        return found

    @property
    def items(self) -> tuple[str, ...]:
        """Names of the series."""
        return self.frame.items

    @property
    def sizes(self) -> dict[str, int]:
        """What a network must know: context_length (T), horizon (H), n_past (C), n_known (F), n_static (S)."""
        e = self.encoder
        return {
            "context_length": int(self.context_length or 0),
            "horizon": int(self.horizon or 0),
            "n_past": 1 + e.n_past,
            "n_known": len(e.time.names) + e.n_known,
            "n_static": e.n_static,
        }

    @property
    def categories(self) -> dict[str, tuple[int, ...]]:
        """How many codes each column of ``past_cat``, ``known_cat`` and ``static_cat`` has, that of the unknown included."""
        e = self.encoder
        parts = {"past": e.past_cat, "known": e.known_cat, "static": e.static_cat}
        return {name: tuple(c.n_codes for c in columns) for name, columns in parts.items()}

    # ---- loaders

    def _loader(self, windows: Windows | WindowRanges, *, shuffle: bool = False) -> DataLoader[Any]:
        def collate(rows: list[int]) -> SeriesBatch:
            chosen = windows.take(np.asarray(rows, dtype=np.int64))
            batch = self._source.batch(chosen)
            return SeriesBatch(
                *batch.inputs,
                batch.target,
                batch.target_observed,
                torch.from_numpy(np.asarray(chosen.item, np.int64)),
                torch.from_numpy(np.asarray(chosen.row, np.int64)),
            )

        generator = torch.Generator().manual_seed(self.seed) if shuffle else None
        return DataLoader(
            range(len(windows)),  # type: ignore[arg-type]
            batch_size=self.batch_size,
            shuffle=shuffle,
            generator=generator,
            collate_fn=collate,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Windows of the training part, shuffled."""
        return self._loader(self.windows["train"], shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Windows of the validation part, in order."""
        return self._loader(self.windows["valid"])

    def test_dataloader(self) -> DataLoader[Any]:
        """Windows of the test part, in order."""
        return self._loader(self.windows["test"])

    def predict_dataloader(self) -> DataLoader[Any]:
        """One window a series, which ends with its last row: what comes next.

        Raises:
            DataError: a known covariate does not reach over the horizon.
        """
        assert self.horizon is not None
        require_future(self.frame, self.horizon, "Add rows without a target, or leave it out of known.")
        lengths = self.frame.store.lengths
        return self._loader(Windows(np.arange(len(lengths)), lengths - 1))

    # ---- back to units

    def inverse(self, values: Tensor | np.ndarray, batch: SeriesBatch) -> np.ndarray:
        """Scaled values of a batch's windows, in the units of the file.

        Args:
            values: [B, H] or [B, H, ...], such as what a network says or ``batch.target``.

        Returns:
            float64, of the same shape. After ``log``, ``log1p`` or ``box_cox`` a mean comes back as a median.
        """
        z = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
        windows = _windows_of(batch)
        if self.scale_windows:
            assert self.context_length is not None
            z = gather(self._source.store, windows, self.context_length, 1, scaling="instance").scale.inverse(z)
        return self.transform.undo_windows(z, windows.item, self._source.store)

    def forecasts(self, values: Tensor | np.ndarray, batch: SeriesBatch) -> pd.DataFrame:
        """What a network says of a batch, as rows that ``forecastkit.evaluate`` takes.

        Args:
            values: [B, H] scaled.

        Returns:
            item_id, cutoff, timestamp, step, point; one row a window and step.
        """
        points = self.inverse(values, batch)
        windows, calendar = _windows_of(batch), self.frame.calendar
        n, steps = points.shape
        at = windows.row + self.frame.store.starts[windows.item]
        every = calendar.instants.append(calendar.future(steps))
        place = at[:, None] + np.arange(1, steps + 1)
        names = np.array(self.items, dtype=object)
        return pd.DataFrame(
            {
                "item_id": np.repeat(names[windows.item], steps),
                "cutoff": every[np.repeat(at, steps)],
                "timestamp": every[place.ravel()],
                "step": np.tile(np.arange(1, steps + 1), n),
                "point": points.ravel(),
            }
        )


def _windows_of(batch: SeriesBatch) -> Windows:
    return Windows(batch.item.cpu().numpy(), batch.row.cpu().numpy())


class StocksData(SeriesData):
    """Prices: adjusted ones where there are some, as logarithms, with the volume as a past covariate.

    Prices wander, so that a scale of the training years does not fit later ones: each window is scaled by its own context.
    Arguments as ``SeriesData``.
    """

    usual_horizon = 10
    usual_transform = "log"
    usual_scale_windows = True

    def usual_past(self, reading: Reading) -> tuple[str, ...]:
        """The volume."""
        return tuple(n for n in reading.profile.other_numeric if plain(n) in VOLUMES)


class WeatherData(SeriesData):
    """Weather: the other measurements of the file are past covariates. Arguments as ``SeriesData``."""

    def usual_past(self, reading: Reading) -> tuple[str, ...]:
        """Every other column of numbers that is no count of the rows."""
        if reading.profile.layout != "long":
            return ()
        return tuple(n for n in reading.profile.other_numeric if plain(n) not in INDEX_NAMES)


class DemandData(SeriesData):
    """Demand: what is known ahead is named with ``known`` and ``holidays``. Arguments as ``SeriesData``."""
