"""Classifiers as graphs: any batch, any length, the same numbers as torch; and a graph that is wrong is not given out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from forecastkit.errors import FitError
from forecastkit.nn.recurrent import RecurrentEncoder
from forecastkit.nn.texts import Embedding, TextNet
from tests.nn.test_classifiers import SHAPES, make

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from forecastkit.nn.exporting import TOLERANCE, Graph, SequenceGraph, TextGraph, to_onnx, to_torch  # noqa: E402

BATCH = {0: "batch"}
ANY = {0: "batch", 1: "length"}
SIZES = ((3, 20), (1, 33), (7, 51), (2, 6))


def _scaler() -> dict[str, np.ndarray]:
    one = np.ones
    return {
        "channel_mean": 0.1 * one(1, np.float32), "channel_scale": 2 * one(1, np.float32), "holes": np.array([True]),
        "feature_mean": 0.1 * one(4, np.float32), "feature_scale": 3 * one(4, np.float32),
    }  # fmt: skip


def _sequences(n: int, t: int) -> tuple[torch.Tensor, ...]:
    values = torch.randn(n, t, 1)
    values[0, 1, 0] = float("nan")
    lengths = torch.randint(1, t + 1, (n,))
    lengths[0] = t
    return values, lengths, torch.randn(n, 4)


def _graph(cell: str, shape: dict, *, fixed: bool = False) -> Graph:
    nets = [make(cell, shape), make(cell, shape)]
    module = SequenceGraph(nets, _scaler(), 1.3, np.array([0.1, 0.0, -0.2])).eval()
    inputs = {"values": BATCH if fixed else ANY, "lengths": BATCH, "features": BATCH}
    samples = tuple(_sequences(n, 20 if fixed else t) for n, t in SIZES)
    return Graph(module, inputs, {"raw": BATCH, "probabilities": BATCH}, samples)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_classifiers_of_sequences(cell, shape):
    assert to_onnx(_graph(cell, shape))[1] <= TOLERANCE


@pytest.mark.parametrize("cell", [pytest.param("gru", marks=pytest.mark.slow), "lstm"])
def test_as_a_programme_of_torch_the_length_is_fixed(cell):
    assert to_torch(_graph(cell, SHAPES[0], fixed=True))[1] <= TOLERANCE


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("pooling", ["attention", "last", "both"])
@pytest.mark.parametrize("buckets", [0, 30])
def test_classifiers_of_texts(cell, pooling, buckets):
    torch.manual_seed(0)
    net = TextNet(
        Embedding(40, 6, n_buckets=buckets), RecurrentEncoder(cell, 6, 5, bidirectional=True), 3, pooling=pooling
    )
    for p in net.parameters():
        nn.init.normal_(p, std=0.3)

    def sample(n: int, t: int) -> tuple[torch.Tensor, ...]:
        lengths = torch.randint(1, t + 1, (n,))
        lengths[-1] = t
        grams = torch.randint(0, 30, (n, t, 5))
        grams[..., 3:][torch.rand(n, t, 2) < 0.5] = -1
        words = torch.randint(0, 40, (n, t))
        return (words, lengths, grams) if buckets else (words, lengths)

    inputs = {"words": ANY, "lengths": BATCH, **({"grams": {**ANY, 2: "groups"}} if buckets else {})}
    module = TextGraph([net.eval()], 1.2).eval()
    graph = Graph(module, inputs, {"raw": BATCH, "probabilities": BATCH}, tuple(sample(n, t) for n, t in SIZES))
    assert to_onnx(graph)[1] <= TOLERANCE


class _Forgets(nn.Module):
    """Writes the batch size of its sample down."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(len(x))


def test_a_graph_that_is_wrong_for_another_batch_is_refused():
    samples = tuple((torch.ones(n, 4),) for n in (3, 1))
    with pytest.raises(FitError, match="does not give what torch gives"):
        to_onnx(Graph(_Forgets(), {"x": ANY}, {"y": ANY}, samples))
