"""Networks that read a sequence and say its class: every shape of them, padding, the losses by hand."""

from __future__ import annotations

import math

import pytest
import torch

from forecastkit.nn.autoencoders import SequenceAutoencoder, reconstruction_errors
from forecastkit.nn.classifiers import AttentionPooling, SequenceClassifier, classification_loss
from forecastkit.nn.recurrent import RecurrentEncoder

SHAPES = [
    {"layers": 1, "bidirectional": True, "attention": True, "n_filters": (5, 5)},
    {"layers": 2, "bidirectional": True, "attention": True, "n_filters": ()},
    {"layers": 3, "bidirectional": False, "attention": False, "n_filters": (4,)},
    {"layers": 1, "bidirectional": True, "attention": False, "n_filters": ()},
    {"layers": 1, "bidirectional": False, "attention": True, "n_filters": (4, 4, 4)},
]


def make(cell: str, shape: dict) -> SequenceClassifier:
    torch.manual_seed(0)
    filters = shape["n_filters"]
    encoder = RecurrentEncoder(
        cell, filters[-1] if filters else 2, 6, layers=shape["layers"], bidirectional=shape["bidirectional"]
    )
    net = SequenceClassifier(encoder, 2, 3, n_features=4, n_filters=filters, attention=shape["attention"])
    for p in net.parameters():  # heads begin at zero
        torch.nn.init.normal_(p, std=0.3)
    return net.eval()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_lies_behind_the_end_changes_nothing(cell, shape):
    net = make(cell, shape)
    x, features = torch.randn(3, 17, 2), torch.randn(3, 4)
    lengths = torch.tensor([17, 9, 12])
    spoiled = x.clone()
    spoiled[1, 9:], spoiled[2, 12:] = 99.0, -99.0
    with torch.inference_mode():
        together = net(x, lengths, features)
        torch.testing.assert_close(net(spoiled, lengths, features), together)
        for k, n in enumerate(lengths.tolist()):
            alone = net(x[k : k + 1, :n], lengths[k : k + 1], features[k : k + 1])
            torch.testing.assert_close(alone[0], together[k], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_before_training_the_answer_is_that_of_the_linear_head(shape):
    encoder = RecurrentEncoder(
        "gru", (shape["n_filters"] or (2,))[-1], 6, layers=shape["layers"], bidirectional=shape["bidirectional"]
    )
    net = SequenceClassifier(
        encoder, 2, 3, n_features=4, n_filters=shape["n_filters"], attention=shape["attention"]
    ).eval()
    with torch.inference_mode():
        assert (net(torch.randn(2, 17, 2), torch.tensor([17, 9]), torch.randn(2, 4)) == 0).all()


def test_attention_is_a_mean_of_what_was_seen():
    pooling = AttentionPooling(3)
    states = torch.randn(2, 5, 3)
    seen = torch.tensor([[True] * 5, [True, True, False, False, False]])
    mean, weights = pooling(states, seen)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    assert (weights[1, 2:] == 0).all()
    torch.testing.assert_close(mean, torch.einsum("bt,btn->bn", weights, states))


def test_losses_by_hand():
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.4, 0.6]]))
    labels, weights = torch.tensor([0, 0]), torch.tensor([1.0, 3.0])
    total, weight = classification_loss(logits, labels, weights)
    assert float(weight) == 4
    assert float(total) == pytest.approx(-math.log(0.9) - 3 * math.log(0.4))
    torch.testing.assert_close(
        classification_loss(logits, labels, torch.ones(2))[0],
        torch.nn.functional.cross_entropy(logits, labels, reduction="sum"),
    )
    focal, _ = classification_loss(logits, labels, weights, focal=2.0)
    # An easy one (0.9) counts a hundredth, a hard one (0.4) a third.
    assert float(focal) == pytest.approx(-(0.1**2) * math.log(0.9) - 3 * 0.6**2 * math.log(0.4), rel=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("segment", [1, 5])
def test_an_autoencoder_learns_what_it_sees_often(cell, segment):
    torch.manual_seed(0)
    net = SequenceAutoencoder(cell, 2, 8, bottleneck=3, segment=segment)
    t = torch.linspace(0, 6, 20)
    usual = torch.stack([torch.sin(t), torch.cos(t)], dim=-1)[None] * torch.linspace(0.5, 1.5, 16)[:, None, None]
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    before = float(reconstruction_errors(net, usual).mean())
    for _ in range(150):
        loss = reconstruction_errors(net, usual).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        assert net(usual).shape == usual.shape
        after = float(reconstruction_errors(net, usual).mean())
        strange = float(reconstruction_errors(net, usual.flip(1)).mean())
    assert after < 0.3 * before
    assert strange > 2 * after


def test_an_autoencoder_begins_as_the_components_that_it_corrects():
    from sklearn.decomposition import PCA

    from forecastkit.classification.anomaly import principal

    x = torch.randn(200, 12, 2).double()
    flat = x.reshape(200, -1).numpy()
    mean, components = principal(flat, kept=0.6, most=5)
    theirs = PCA(len(components)).fit(flat)
    expected = torch.from_numpy(theirs.inverse_transform(theirs.transform(flat))).reshape(x.shape).float()
    net = SequenceAutoencoder("gru", 2, 4, segment=3, linear=(24, len(components)))
    net.mean.copy_(torch.from_numpy(mean))
    net.components.copy_(torch.from_numpy(components))
    with torch.inference_mode():
        torch.testing.assert_close(net(x.float()), expected, atol=1e-4, rtol=1e-4)
