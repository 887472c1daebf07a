"""The cells written from their equations equal torch's, forwards and in their gradients."""

from __future__ import annotations

import pytest
import torch

from forecastkit.nn.cells import GATES, traced, unroll
from forecastkit.nn.forecasters import Direct, RecursiveNet
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.recurrent import CELLS, RecurrentEncoder
from forecastkit.nn.residual import Residual, naive_base


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_cells_equal_torch(cell, activation):
    torch.manual_seed(0)
    more = {"nonlinearity": activation} if cell == "rnn" else {}
    core = CELLS[cell](3, 5, batch_first=True, **more).double()
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    weights = (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0)
    ours, theirs = unroll(cell, x, weights, activation=activation), core(x)[0]
    torch.testing.assert_close(ours, theirs)
    grads = [torch.autograd.grad(y.square().sum(), [x, *weights], retain_graph=True) for y in (ours, theirs)]
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gates_explain_the_state(cell):
    torch.manual_seed(3)
    core = CELLS[cell](2, 4, batch_first=True)
    found = traced(cell, torch.randn(3, 6, 2), (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0))
    assert all(((found[gate] > 0) & (found[gate] < 1)).all() for gate in GATES[cell])
    if cell == "lstm":
        torch.testing.assert_close(found["output"] * torch.tanh(found["memory"]), found["state"])
    if cell == "gru":
        before, z = found["state"][:, :-1], found["update"][:, 1:]
        candidate = (found["state"][:, 1:] - z * before) / (1 - z)
        assert (candidate.abs() < 1).all()


def test_recursive_equals_stepping_by_hand():
    torch.manual_seed(1)
    encoder = RecurrentEncoder("lstm", 2, 6)
    net = RecursiveNet(encoder, 3, season_length=1)
    torch.nn.init.normal_(net.head.weight)
    past, seen = torch.randn(2, 8, 1), torch.ones(2, 8, 1)
    out = net(Inputs(past, seen))[..., 0]
    values = past
    for h in range(3):
        observed = torch.ones_like(values)
        step = net.head(encoder(torch.cat([values, observed], -1))[0][:, -1])[:, 0] + values[:, -1, 0]
        torch.testing.assert_close(out[:, h], step, rtol=1e-4, atol=1e-5)
        values = torch.cat([values, step[:, None, None]], dim=1)


def test_a_network_begins_as_the_rule_it_corrects():
    net = Residual(Direct(RecurrentEncoder("gru", 2, 4), 5), 5, bases=(3,))
    past = torch.randn(2, 9, 1)
    out = net(Inputs(past, torch.ones_like(past)))[..., 0]
    torch.testing.assert_close(out, past[:, [6, 7, 8, 6, 7], 0])


def test_naive_base_equals_a_loop():
    y = torch.arange(10.0)[None]
    for m in (1, 3, 4):
        base = naive_base(y, 7, m)
        for t in range(10):
            for h in range(1, 8):
                at = t + h - m * (-(-h // m))
                assert base[0, t, h - 1] == y[0, at if at >= 0 else t]
        torch.testing.assert_close(naive_base(y, 7, m, slice(1, None, 4)), base[:, 1::4])


def test_every_step_agrees_with_the_last_one():
    torch.manual_seed(2)
    net = Residual(Direct(RecurrentEncoder("lstm", 2, 4), 4), 4, bases=(1, 3))
    torch.nn.init.normal_(net.core.head.weight)
    torch.nn.init.normal_(net.mix.weight)
    past = torch.randn(3, 10, 1)
    x = Inputs(past, torch.ones_like(past))
    torch.testing.assert_close(net.every_step(x, 5)[:, -1], net(x))


def test_every_segment_says_what_its_end_alone_would():
    torch.manual_seed(3)
    net = Residual(Direct(RecurrentEncoder("gru", 8, 5), 6, segment=4), 6, bases=(4, 1))
    torch.nn.init.normal_(net.core.head.weight)
    torch.nn.init.normal_(net.mix.weight)
    past = torch.randn(3, 20, 1)
    found = net.every_step(Inputs(past, torch.ones_like(past)), 8)
    assert found.shape == (3, 3, 6, 1)
    for k, end in enumerate((12, 16, 20)):
        upto = past[:, :end]
        torch.testing.assert_close(found[:, k], net(Inputs(upto, torch.ones_like(upto))))
