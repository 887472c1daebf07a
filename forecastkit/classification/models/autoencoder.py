"""Recurrent autoencoders of usual sequences."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from forecastkit.classification.protocol import FitAbout
from forecastkit.classification.scaling import Scaler
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
        warm_start: sequences of one length: begin as the principal components, which the network then corrects.
    """

    cell: str = "gru"
    hidden: int = 32
    bottleneck: int = 8
    lr: float = 3e-3
    batch_size: int = 128
    max_steps: int = 400
    warm_start: bool = True

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
        from forecastkit.training.networks import Lesson, train_networks

        about = about or FitAbout()
        scaler = Scaler.of(usual)
        segment = _segment(usual)
        even = len(np.unique(usual.lengths)) == 1
        start = self._components(usual, scaler, segment) if self.warm_start and even else None
        linear = None if start is None else (start[1].shape[1], start[1].shape[0])
        options = OptimizerOptions(lr=self.lr, schedule="cosine", max_steps=self.max_steps, average=0.98)

        def prepare(raw: np.ndarray) -> np.ndarray:
            return _whole_segments(scaler.values(raw), segment)

        def objective(net: Any, x: Any) -> tuple[Any, Any]:
            errors = reconstruction_errors(net, x)
            return errors.sum(), errors.new_tensor(float(len(errors)))

        def blocks(seed: int) -> BlockDataModule:
            return BlockDataModule(usual, prepare, self.batch_size, STEPS_PER_EPOCH, chunk=CHUNK, seed=seed)

        def build() -> Any:
            net = self._net(scaler, segment, linear)
            if start is not None:
                import torch

                net.mean.copy_(torch.from_numpy(start[0]))
                net.components.copy_(torch.from_numpy(start[1]))
            return net

        def lesson(seed: int) -> Lesson:
            return Lesson(build(), blocks(seed), objective, options, 0)

        networks = train_networks(lesson, place=f"model {self.cell}", seed=about.seed, progress=about.progress)
        return _FittedAutoencoder(self, networks, scaler, segment, linear)

    def _components(self, usual: Sequences, scaler: Scaler, segment: int) -> tuple[np.ndarray, np.ndarray]:
        """(mean [T * C], components [K, T * C]) of what the network reads."""
        from forecastkit.classification.anomaly import principal

        x = _whole_segments(scaler.values(usual.padded(np.arange(len(usual)))[0]), segment)
        mean, components = principal(x.reshape(len(x), -1).astype(np.float64))
        return mean.astype(np.float32), components.astype(np.float32)

    def _net(self, scaler: Scaler, segment: int, linear: tuple[int, int] | None) -> Any:
        from forecastkit.nn.autoencoders import SequenceAutoencoder

        return SequenceAutoencoder(
            self.cell, scaler.n_inputs, self.hidden, bottleneck=self.bottleneck, segment=segment, linear=linear
        )

    @classmethod
    def restore(cls, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> _FittedAutoencoder:
        """See ``restore_normal``."""
        from forecastkit.nn.weights import restore_networks

        model, scaler, segment = cls(**meta["options"]), Scaler.restore(arrays), int(meta["segment"])
        linear = tuple(int(n) for n in meta["linear"]) if meta["linear"] else None
        if linear is not None and (len(linear) != 2 or linear != arrays["net0.components"].shape[::-1]):
            raise ValueError("components of another shape")
        networks = restore_networks(lambda: model._net(scaler, segment, linear), arrays, 1)
        return _FittedAutoencoder(model, networks, scaler, segment, linear)


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
    linear: tuple[int, int] | None

    def fits(self, data: Sequences) -> np.ndarray:
        """See ``FittedDetector.fits``."""
        if self.linear is None:
            return np.ones(len(data), bool)
        whole = -(-data.lengths // self.segment) * self.segment
        return np.asarray(whole * self.scaler.n_inputs == self.linear[0])

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
        meta["linear"] = list(self.linear) if self.linear else None
        return {**self.scaler.arrays(), **self.networks.arrays()}, meta


def _whole_segments(x: np.ndarray, segment: int) -> np.ndarray:
    """[B, T, C] with its last row repeated until ``segment`` divides T."""
    rest = -x.shape[1] % segment
    return np.concatenate([x, np.repeat(x[:, -1:], rest, axis=1)], axis=1) if rest else x
