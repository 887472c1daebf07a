"""Recurrent autoencoders of usual sequences."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from forecastkit.classification.models.recurrent import Scaler
from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.schema import Sequences
from forecastkit.errors import ConfigError

__all__ = ["RecurrentAutoencoder"]

STEPS_PER_EPOCH = 50
CHUNK = 25
BATCH = 1024
SEGMENTS = 20
"""Steps that a long sequence is read as."""


@dataclass(frozen=True)
class RecurrentAutoencoder:
    """See ``forecastkit.nn.autoencoders.SequenceAutoencoder``; sequences of different lengths go by length.

    Args:
        bottleneck: numbers that a sequence is squeezed into.
    """

    cell: str = "gru"
    hidden: int = 32
    bottleneck: int = 8
    lr: float = 3e-3
    batch_size: int = 128
    max_steps: int = 400

    family: ClassVar[str] = "network"

    def __post_init__(self) -> None:
        for name in ("hidden", "bottleneck", "batch_size", "max_steps"):
            if not 1 <= getattr(self, name) <= 100_000:
                place = f"model {self.cell}, option {name}"
                raise ConfigError(place=place, value=str(getattr(self, name)), rule="from 1 to 100000")
        if not self.lr > 0:
            raise ConfigError(place=f"model {self.cell}, option lr", value=str(self.lr), rule="above 0")

    def fit(self, usual: Sequences, about: FitAbout | None = None) -> _FittedAutoencoder:
        """Learn from usual sequences, for ``max_steps``.

        Raises:
            FitError: training diverged.
        """
        from forecastkit.classification.datamodule import BlockDataModule
        from forecastkit.nn.autoencoders import reconstruction_errors
        from forecastkit.training.module import OptimizerOptions
        from forecastkit.training.networks import Plan, train_networks

        about = about or FitAbout()
        scaler = Scaler.of(usual)
        segment = _segment(usual)
        options = OptimizerOptions(lr=self.lr, schedule="cosine", max_steps=self.max_steps, average=0.98)

        def prepare(raw: np.ndarray) -> np.ndarray:
            return _whole_segments(scaler.values(raw), segment)

        def objective(net: Any, x: Any) -> tuple[Any, Any]:
            errors = reconstruction_errors(net, x)
            return errors.sum(), errors.new_tensor(float(len(errors)))

        def blocks(seed: int) -> BlockDataModule:
            return BlockDataModule(usual, prepare, self.batch_size, STEPS_PER_EPOCH, chunk=CHUNK, seed=seed)

        plan = Plan(self.cell, options, STEPS_PER_EPOCH, 0)
        networks = train_networks(
            lambda: self._net(scaler, segment), blocks, objective, plan, seed=about.seed, progress=about.progress
        )
        return _FittedAutoencoder(self, networks, scaler, segment)

    def _net(self, scaler: Scaler, segment: int) -> Any:
        from forecastkit.nn.autoencoders import SequenceAutoencoder

        return SequenceAutoencoder(self.cell, scaler.n_inputs, self.hidden, bottleneck=self.bottleneck, segment=segment)

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedAutoencoder:
        """See ``restore_normal``."""
        from forecastkit.training.networks import restore_networks

        model, scaler, segment = cls(**meta["options"]), Scaler.restore(arrays), int(meta["segment"])
        return _FittedAutoencoder(
            model, restore_networks(lambda: model._net(scaler, segment), arrays, 1), scaler, segment
        )


def _segment(data: Sequences) -> int:
    """Rows a step: about ``SEGMENTS`` steps where all sequences have one length that it divides."""
    lengths = np.unique(data.lengths)
    if len(lengths) > 1 or lengths[0] < 2 * SEGMENTS:
        return 1
    whole = [k for k in range(1, int(lengths[0]) // SEGMENTS + 1) if lengths[0] % k == 0]
    return max(whole)


@dataclass(eq=False)
class _FittedAutoencoder:
    model: RecurrentAutoencoder
    networks: Any
    scaler: Scaler
    segment: int

    def error(self, data: Sequences) -> np.ndarray:
        """See ``FittedDetector.error``."""
        import torch

        from forecastkit import runtime
        from forecastkit.nn.autoencoders import reconstruction_errors

        out = np.zeros(len(data))
        with runtime.threads(1), torch.inference_mode():
            for length in np.unique(data.lengths).tolist():
                same = np.flatnonzero(data.lengths == length)
                for start in range(0, len(same), BATCH):
                    rows = same[start : start + BATCH]
                    x = torch.from_numpy(_whole_segments(self.scaler.values(data.padded(rows)[0]), self.segment))
                    out[rows] = torch.sqrt(reconstruction_errors(self.networks.nets[0], x)).double().numpy()
        return out

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """See ``FittedDetector.state``."""
        meta = {"detector": self.model.cell, "options": dataclasses.asdict(self.model), "segment": self.segment}
        return {**self.scaler.arrays(), **self.networks.arrays()}, meta


def _whole_segments(x: np.ndarray, segment: int) -> np.ndarray:
    """[B, T, C] with its last row repeated until ``segment`` divides T."""
    rest = -x.shape[1] % segment
    return np.concatenate([x, np.repeat(x[:, -1:], rest, axis=1)], axis=1) if rest else x
