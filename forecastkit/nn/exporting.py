"""Networks as files that other programs run: ONNX and ``torch.export``, each compared with torch before it is given out.

Recurrent layers over a free length go through the older ONNX exporter: the newer one writes down the length of the
sample that it was shown, without an error, and later lengths give an error or wrong numbers. Over a fixed length the newer
one is right.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit import runtime
from forecastkit.errors import ConfigError, FitError
from forecastkit.nn.heads import Head, PointHead, QuantileHead
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.texts import TextNet

__all__ = ["FED", "OPSET", "TOLERANCE", "ForecastGraph", "Graph", "SequenceGraph", "TextGraph", "to_onnx", "to_torch"]

FED = "fed"
"""Input of a network that feeds back what it draws."""
TOLERANCE = 1e-5
"""Largest difference between an exported network and torch, in the network's own units."""
OPSET = 18

Free = dict[int, str]
"""Axis -> its name."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A network with named tensors.

    Args:
        module: takes one tensor an input, in order, and gives one tensor an output.
        inputs: name -> axes of free length, the batch among them.
        outputs: the same.
        samples: inputs of different batch sizes, and of different lengths where a length is free. It is exported by the first one
            and compared on all.
    """

    module: nn.Module
    inputs: dict[str, Free]
    outputs: dict[str, Free]
    samples: tuple[tuple[Tensor, ...], ...]

    @property
    def has_free_length(self) -> bool:
        """Whether an axis beside the batch is free."""
        return any(len(axes) > 1 for axes in self.inputs.values())

    def said(self, sample: tuple[Tensor, ...]) -> list[np.ndarray]:
        """What torch gives."""
        with torch.inference_mode():
            return _arrays(self.module(*sample))


def _arrays(out: Tensor | tuple[Tensor, ...]) -> list[np.ndarray]:
    return [t.detach().numpy() for t in ((out,) if isinstance(out, Tensor) else out)]


class ForecastGraph(nn.Module):
    """A forecasting network with what its head makes of its numbers, everything in scaled units.

    Args:
        slots: names of ``Inputs`` that are given, in order; and ``FED`` after them, where a distribution is fed back: [B, H] the values
            that are read after each step, NaN = where the distribution lies.

    Gives ``raw`` [B, H, P]; then ``point`` [B, H] where it is one of the numbers, and ``quantiles`` [B, H, Q] where the network
    forecasts them one by one.
    """

    def __init__(self, net: nn.Module, head: Head, slots: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.head, self.slots = net, head, slots

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what it gives."""
        if isinstance(self.head, QuantileHead):
            return "raw", "point", "quantiles"
        return ("raw", "point") if isinstance(self.head, PointHead) else ("raw",)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        given = dict(zip(self.slots, tensors))
        fed = given.pop(FED, None)
        raw = self.net(Inputs(**given)) if fed is None else self._along(Inputs(**given), fed)
        out = [raw]
        if isinstance(self.head, (PointHead, QuantileHead)):
            out.append(raw[..., 0])
        if isinstance(self.head, QuantileHead):
            out.append(self.head.values(raw))
        return tuple(out)

    def _along(self, x: Inputs, fed: Tensor) -> Tensor:
        """Raw numbers [B, H, P] of each step after the values of ``fed`` [B, H] before it."""

        def draw(raw: Tensor, step: int) -> Tensor:
            told = fed[:, step : step + 1]
            return torch.where(torch.isnan(told), raw[:, :, 0], told)

        out: tuple[Tensor, Tensor] = self.net.paths(x, draw, 1)  # type: ignore[operator]
        return out[0]


def _tempered(p: Tensor, temperature: float, shift: Tensor) -> Tensor:
    """See ``probabilities.temper``."""
    return torch.softmax(p.clamp(1e-9, 1.0).log() / temperature + shift, dim=-1)


class SequenceGraph(nn.Module):
    """Classifiers of sequences with the scaling before them and the calibration after them.

    Args:
        nets: of ``nn.classifiers``; their probabilities are averaged.
        scaler: channel_mean, channel_scale, holes [C]; feature_mean, feature_scale [F].
        shift: [K], see ``probabilities.temper``.

    From values [B, T, C] with NaN where missing, lengths [B] and, where the networks read them, features [B, F] it gives
    ``raw`` [B, K], by which a class is chosen, and calibrated ``probabilities`` [B, K].
    """

    outputs = ("raw", "probabilities")
    channel_mean: Tensor
    channel_scale: Tensor
    feature_mean: Tensor
    feature_scale: Tensor
    shift: Tensor

    def __init__(
        self, nets: Sequence[nn.Module], scaler: Mapping[str, np.ndarray], temperature: float, shift: np.ndarray
    ) -> None:
        super().__init__()
        self.nets, self.temperature = nn.ModuleList(nets), temperature
        self.holes = np.flatnonzero(scaler["holes"]).tolist()
        for name in ("channel_mean", "channel_scale", "feature_mean", "feature_scale"):
            self.register_buffer(name, torch.from_numpy(np.asarray(scaler[name])))
        self.register_buffer("shift", torch.from_numpy(np.asarray(shift, np.float32)))

    def forward(self, values: Tensor, lengths: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = (values - self.channel_mean) / self.channel_scale
        lost = torch.isnan(x)
        x = torch.where(lost, torch.zeros_like(x), x)
        if self.holes:
            x = torch.cat([x, (~lost[..., self.holes]).to(x.dtype)], dim=-1)
        if features is not None:
            scaled = (features - self.feature_mean) / self.feature_scale
            features = torch.where(torch.isnan(scaled), torch.zeros_like(scaled), scaled).clamp(-6, 6)
        parts = [torch.softmax(net(x, lengths, features), dim=-1) for net in self.nets]
        raw = torch.stack(parts).mean(dim=0)
        return raw, _tempered(raw, self.temperature, self.shift)


class TextGraph(nn.Module):
    """Classifiers of texts with the calibration after them.

    From words [B, T], the ids of a text's tokens, and lengths [B]; where words are helped by groups of characters also grams
    [B, T, G] (-1 after a word's last one). It gives ``raw`` [B, K] and calibrated ``probabilities`` [B, K].
    """

    outputs = ("raw", "probabilities")

    def __init__(self, nets: Sequence[TextNet], temperature: float) -> None:
        super().__init__()
        self.nets, self.temperature = nn.ModuleList(nets), temperature

    def forward(self, words: Tensor, lengths: Tensor, grams: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See the class."""
        parts = []
        net: Any
        for net in self.nets:
            x = net.embedding.words(words)
            if grams is not None and net.embedding.grams is not None:
                there = (grams >= 0).to(x.dtype)[..., None]
                rows = functional.embedding(grams.clamp_min(0), net.embedding.grams.weight)
                x = x + (rows * there).sum(dim=2) / there.sum(dim=2).clamp_min(1)
            states, last = net.encoder.read(x, lengths)
            parts.append(torch.softmax(net.answer(states, last, lengths), dim=-1))
        raw = torch.stack(parts).mean(dim=0)
        return raw, _tempered(raw, self.temperature, raw.new_zeros(raw.shape[1:]))


def to_onnx(graph: Graph) -> tuple[bytes, float]:
    """(the ONNX file, largest difference from torch with onnxruntime over all samples).

    Raises:
        ConfigError: the packages are not there.
        FitError: it differs by more than ``TOLERANCE``.
    """
    try:
        import onnx  # noqa: F401 - the exporter needs it
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            place="--format onnx", rule=f"the package {error.name} is not installed", remedy="pip install 'forecastkit[export]'"
        ) from None  # fmt: skip
    with _quiet(), torch.no_grad():
        content = _traced(graph) if graph.has_free_length else _exported(graph)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    used = {i.name for i in session.get_inputs()}

    def run(sample: tuple[Tensor, ...]) -> list[np.ndarray]:
        fed = {name: t.numpy() for name, t in zip(graph.inputs, sample) if name in used}
        return [np.asarray(v) for v in session.run(list(graph.outputs), fed)]

    return content, _compared(graph, run, "onnxruntime")


def _exported(graph: Graph) -> bytes:
    program = torch.onnx.export(
        graph.module, graph.samples[0], dynamo=True, input_names=list(graph.inputs), output_names=list(graph.outputs),
        dynamic_shapes=_dims(graph), opset_version=OPSET, verbose=False,
    )  # fmt: skip
    content: bytes = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    return content


def _traced(graph: Graph) -> bytes:
    file = io.BytesIO()
    torch.onnx.export(
        graph.module, graph.samples[0], file, dynamo=False, input_names=list(graph.inputs), output_names=list(graph.outputs),  # type: ignore[arg-type]  # stubs lack file objects
        dynamic_axes={**graph.inputs, **graph.outputs}, opset_version=OPSET, verbose=False,
    )  # fmt: skip
    return file.getvalue()


def to_torch(graph: Graph) -> tuple[bytes, float]:
    """(a ``torch.export`` programme as a ``.pt2`` file, largest difference from torch after it was loaded again).

    Raises:
        FitError: it differs by more than ``TOLERANCE``.
    """
    file = io.BytesIO()
    with _quiet(), torch.no_grad():
        torch.export.save(torch.export.export(graph.module, graph.samples[0], dynamic_shapes=_dims(graph)), file)
        file.seek(0)
        loaded = torch.export.load(file).module()
        worst = _compared(graph, lambda sample: _arrays(loaded(*sample)), "torch.export")
    return file.getvalue(), worst


def _dims(graph: Graph) -> tuple[Any, ...]:
    free = torch.export.Dim.DYNAMIC
    shapes = tuple(dict.fromkeys(axes, free) for axes in graph.inputs.values())
    # All inputs of a forecaster are one *args argument.
    return (shapes,) if isinstance(graph.module, ForecastGraph) else shapes


def _compared(graph: Graph, run: Callable[[tuple[Tensor, ...]], list[np.ndarray]], by: str) -> float:
    worst = 0.0
    for sample in graph.samples:
        for name, own, other in zip(graph.outputs, graph.said(sample), run(sample)):
            apart = float(np.abs(own - other).max()) if own.shape == other.shape else float("nan")
            if not apart <= TOLERANCE:
                raise FitError(
                    place="export", value=f"{name} differs by {apart:.2g} for {len(sample[0])} sequences",
                    rule=f"{by} does not give what torch gives, and nothing was written",
                )  # fmt: skip
            worst = max(worst, apart)
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the exporters tell their own authors."""
    with (
        runtime.hushed("torch.onnx", "onnxscript", "onnx_ir", "torch.export"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        yield
