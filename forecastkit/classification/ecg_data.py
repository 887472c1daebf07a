"""Heartbeats for one's own network: a LightningDataModule that reads any ECG records, splits them by patient and scales them.

The scale comes from the training patients alone, and no patient is in two parts. Beats are cut out as for ``ecg fit``: see
``classification.ecg``. Not for diagnosis.

Shapes: B batch, T samples of a window at 250 Hz over two, C channels, F features.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, WeightedRandomSampler

from forecastkit.classification.beats import read_beats, read_new_beats
from forecastkit.classification.datamodule import SequenceBatch, sequence_batch
from forecastkit.classification.records import place_of
from forecastkit.classification.scaling import Scaler
from forecastkit.classification.schema import Sequences
from forecastkit.classification.splits import group_folds
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.classification.windows import is_windows, read_windows
from forecastkit.errors import ConfigError, DataError, near

__all__ = ["ECGData"]

PARTS = 5
"""The test part is a fifth of the patients, and validation a fifth of the rest, where nobody names them."""
FEWEST_PATIENTS = 3


class ECGData(pl.LightningDataModule):
    """Beats of a folder of records, ``physionet:mitdb/100,106,...``, or a file of ready windows.

    Args:
        records: folder of WFDB or CSV records, ``physionet:...``, or a CSV file with a row a beat.
        lead, fs: lead by name; samples a second where a file does not say.
        classes: aami (N S V F Q), v (ventricular or not), or auto.
        include_paced: keep records with a pacemaker.
        test, valid: patients of these parts; None = chosen so that classes are spread evenly.
        batch_size: beats a batch.
        balanced: training batches hold each class as often as any other.
        predict: a record whose beats ``predict_dataloader`` gives, or ready windows where ``records`` are such; None = the
            test part.
        seed: of the split and of the order.

    Raises (in ``setup``):
        ForecastkitError: a record cannot be used, or there are too few patients.
    """

    def __init__(
        self,
        records: str | Path,
        *,
        lead: str | None = None,
        fs: float | None = None,
        classes: str = "auto",
        include_paced: bool = False,
        test: Iterable[str] | None = None,
        valid: Iterable[str] | None = None,
        batch_size: int = 64,
        balanced: bool = False,
        predict: str | Path | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.records, self.lead, self.fs, self.wanted, self.include_paced = records, lead, fs, classes, include_paced
        self._test, self._valid = test, valid
        self.batch_size, self.balanced, self.predict, self.seed = batch_size, balanced, predict, seed
        self._is_ready = False

    def setup(self, stage: str | None = None) -> None:
        """Read, split and fit the scale; the second time nothing happens."""
        if self._is_ready:
            return
        self.task = self._read()
        self.task.data.require_classes(str(self.records))
        self.parts = self._parts(self.task.data)
        self.data = {name: self.task.data.take(rows) for name, rows in self.parts.items()}
        self.scaler = Scaler.of(self.data["train"])
        self._is_ready = True

    def _read(self) -> Labelled:
        path = Path(str(self.records))
        if path.is_file() and is_windows(path):
            return read_windows(path, label=None, beats=True)
        return read_beats(self.records, lead=self.lead, fs=self.fs, classes=self.wanted, paced=self.include_paced)

    def _parts(self, data: Sequences) -> dict[str, np.ndarray]:
        """Part -> positions; whole patients."""
        patients = sorted(set(data.groups.tolist()))
        if len(patients) < FEWEST_PATIENTS:
            raise DataError(
                place=str(self.records),
                value=f"{len(patients)} patients",
                rule=f"at least {FEWEST_PATIENTS} are needed, one for each part",
                remedy="Add records.",
            )
        everything = np.arange(len(data))
        test = self._named("test", self._test, patients, data)
        valid = self._named("valid", self._valid, patients, data)
        both = sorted(set(data.groups[test].tolist()) & set(data.groups[valid].tolist()))
        if both:
            raise ConfigError(place="test and valid", value=", ".join(both), rule="a patient is in one part only")
        if self._test is None:
            free = np.setdiff1d(everything, valid)
            test = free[group_folds(data.groups[free], data.labels[free], PARTS, seed=self.seed)[0].test]
        if self._valid is None:
            free = np.setdiff1d(everything, test)
            valid = free[group_folds(data.groups[free], data.labels[free], PARTS, seed=self.seed)[0].test]
        train = np.setdiff1d(everything, np.r_[test, valid])
        if not len(train):
            raise ConfigError(place="test and valid", rule="no patient is left to learn from", remedy="Name fewer.")
        return {"train": train, "valid": valid, "test": test}

    @staticmethod
    def _named(option: str, names: Iterable[str] | None, patients: list[str], data: Sequences) -> np.ndarray:
        wanted = [str(n) for n in names or ()]
        for name in wanted:
            if name not in patients:
                raise ConfigError(place=option, value=repr(name), rule="no such patient", remedy=near(name, patients))
        return np.flatnonzero(np.isin(data.groups.astype(str), wanted))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, in the order of their numbers."""
        return self.task.data.classes

    @property
    def patients(self) -> dict[str, tuple[str, ...]]:
        """Part -> whose beats it holds."""
        return {name: tuple(sorted(set(part.groups.tolist()))) for name, part in self.data.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """What a network must know: steps (T), n_inputs (C), n_features (F), n_classes."""
        data = self.task.data
        return {
            "steps": int(data.lengths.max()),
            "n_inputs": self.scaler.n_inputs,
            "n_features": data.features.shape[1],
            "n_classes": len(data.classes),
        }

    def _loader(self, data: Sequences, *, shuffle: bool = False) -> DataLoader[Any]:
        def collate(rows: list[int]) -> SequenceBatch:
            at = np.asarray(rows, dtype=np.int64)
            return sequence_batch(data, self.scaler, at, np.ones(len(at)))

        generator = torch.Generator().manual_seed(self.seed) if shuffle else None
        sampler = None
        if shuffle and self.balanced:
            counts = np.bincount(data.labels, minlength=len(data.classes))
            weights = 1.0 / np.maximum(counts[data.labels], 1)
            sampler = WeightedRandomSampler(weights.tolist(), len(data), generator=generator)
        return DataLoader(
            range(len(data)),  # type: ignore[arg-type]
            batch_size=self.batch_size,
            shuffle=shuffle and sampler is None,
            sampler=sampler,
            generator=generator,
            collate_fn=collate,
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Beats of the training patients, shuffled: ``SequenceBatch``."""
        return self._loader(self.data["train"], shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Beats of the validation patients, in order."""
        return self._loader(self.data["valid"])

    def test_dataloader(self) -> DataLoader[Any]:
        """Beats of the test patients, in order."""
        return self._loader(self.data["test"])

    def predict_dataloader(self) -> DataLoader[Any]:
        """Beats of the record ``predict``, found by the detector, in order; labels are -1. Else the test part."""
        return self.test_dataloader() if self.predict is None else self._loader(self.unlabelled().data)

    def unlabelled(self) -> Unlabelled:
        """The beats of the record ``predict``: sequences, and a table that says which is which.

        Raises:
            ForecastkitError: no record was named, or it cannot be used.
        """
        if self.predict is None:
            raise ConfigError(place="predict", rule="no record was named", remedy="Give ECGData(..., predict=RECORD).")
        place = place_of(self.predict)
        path = place.path / f"{place.names[0]}.hea" if place.names else place.path
        return read_new_beats(path, dict(self.task.plan), lead=self.lead, fs=self.fs)

    def inverse(self, values: Tensor | np.ndarray) -> np.ndarray:
        """Scaled values [B, T, C] in heights of the record's median QRS, float64; ready windows in units of the file."""
        z = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, np.float64)
        return z[..., : len(self.scaler.channel_mean)] * self.scaler.channel_scale + self.scaler.channel_mean
