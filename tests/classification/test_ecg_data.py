"""Beats for anyone's network: patients in one part only, the scale from the training part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import forecastkit as fk
from forecastkit.classification.scaling import Scaler
from forecastkit.errors import ConfigError, DataError


class Tiny(pl.LightningModule):
    """Somebody's own network."""

    def __init__(self, steps: int, n_inputs: int, n_classes: int) -> None:
        super().__init__()
        self.net = nn.Linear(steps * n_inputs, n_classes)

    def forward(self, batch):
        return self.net(batch.values.flatten(1))

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch), batch.labels)

    def validation_step(self, batch, _):
        self.log("valid", self.training_step(batch, 0))

    def predict_step(self, batch, _):
        return self(batch).argmax(1)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


@pytest.fixture(scope="module")
def data(records: Path) -> fk.ECGData:
    found = fk.ECGData(records, balanced=True, predict=records / "p1.hea")
    found.setup()
    return found


def test_anyones_module_and_trainer_tell_beats(data: fk.ECGData):
    sizes = data.sizes
    net = Tiny(sizes["steps"], sizes["n_inputs"], sizes["n_classes"])
    trainer = pl.Trainer(
        max_epochs=8, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(net, data)
    with torch.no_grad():
        right = [float((net(b).argmax(1) == b.labels).float().mean()) for b in data.test_dataloader()]
    assert np.mean(right) > 0.9
    said = torch.cat(trainer.predict(net, datamodule=data)).numpy()
    table = data.unlabelled().table
    assert len(said) == len(table)
    assert {data.classes[k] for k in said} == {"other", "V"}


def test_no_patient_is_in_two_parts(data: fk.ECGData):
    parts = data.patients
    everyone = [p for names in parts.values() for p in names]
    assert sorted(everyone) == [f"p{k}" for k in range(6)]
    assert all(parts.values())


def test_patients_can_be_named(records: Path):
    found = fk.ECGData(records, test=["p0", "p5"], valid=["p3"])
    found.setup()
    assert found.patients == {"train": ("p1", "p2", "p4"), "valid": ("p3",), "test": ("p0", "p5")}


def test_the_scale_is_of_the_training_patients(data: fk.ECGData):
    own = Scaler.of(data.task.data.take(data.parts["train"]))
    np.testing.assert_array_equal(data.scaler.channel_mean, own.channel_mean)
    everything = Scaler.of(data.task.data)
    assert not np.array_equal(own.channel_mean, everything.channel_mean)
    values = np.concatenate([b.values.numpy() for b in data._loader(data.data["train"])])
    np.testing.assert_allclose(values.mean(axis=(0, 1)), 0, atol=1e-3)


def test_classes_come_as_often_as_each_other(data: fk.ECGData):
    labels = torch.cat([b.labels for b in data.train_dataloader()])
    assert 0.35 < float((labels == 1).float().mean()) < 0.65
    plain = replace_balanced(data)
    assert float((torch.cat([b.labels for b in plain.train_dataloader()]) == 1).float().mean()) < 0.25


def replace_balanced(data: fk.ECGData) -> fk.ECGData:
    other = fk.ECGData(data.records)
    other.__dict__.update({**data.__dict__, "balanced": False})
    return other


def test_there_and_back(data: fk.ECGData):
    batch = next(iter(data.test_dataloader()))
    first = data.data["test"]
    wanted, _ = first.padded(np.arange(len(batch.labels)))
    np.testing.assert_allclose(data.inverse(batch.values), wanted, atol=1e-5)


def test_ready_windows_are_read_too(tmp_path: Path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(120, 40)), columns=[f"t{k:03d}" for k in range(40)])
    rows.insert(0, "pvc", np.tile([0, 0, 1], 40))
    rows.insert(0, "record", np.repeat(["a", "b", "c", "d"], 30))
    rows.to_csv(tmp_path / "beats.csv", index=False)
    found = fk.ECGData(tmp_path / "beats.csv")
    found.setup()
    assert found.sizes == {"steps": 40, "n_inputs": 1, "n_features": 30, "n_classes": 2}
    assert next(iter(found.val_dataloader())).values.shape[1:] == (40, 1)
    new = fk.ECGData(tmp_path / "beats.csv", predict=tmp_path / "beats.csv")
    new.setup()
    assert len(new.unlabelled().table) == 120
    assert next(iter(new.predict_dataloader())).values.shape[1:] == (40, 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"test": ["p9"]}, ConfigError, "'p9'; no such patient"),
        ({"test": ["p1"], "valid": ["p1"]}, ConfigError, "a patient is in one part only"),
        ({"test": ["p0", "p1", "p2"], "valid": ["p3", "p4", "p5"]}, ConfigError, "no patient is left"),
        ({"records": "nowhere"}, DataError, "no such folder of records"),
    ],
)
def test_what_cannot_be(records: Path, options, error, message):
    with pytest.raises(error, match=message):
        fk.ECGData(**{"records": records, **options}).setup()


def test_two_patients_are_too_few(records: Path, tmp_path: Path):
    for name in ("p0", "p1"):
        for end in (".hea", ".dat", ".atr"):
            (tmp_path / f"{name}{end}").write_bytes((records / f"{name}{end}").read_bytes())
    with pytest.raises(DataError, match="2 patients; at least 3"):
        fk.ECGData(tmp_path).setup()
    with pytest.raises(ConfigError, match="no record was named"):
        fk.ECGData(tmp_path).unlabelled()
