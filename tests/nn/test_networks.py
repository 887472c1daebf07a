"""Each network against its equations, written once more in the slowest way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from forecastkit.nn.cells import gru_cell, lstm_cell
from forecastkit.nn.decoder import BlockDecoder, teacher_share
from forecastkit.nn.dilated import DilatedEncoder
from forecastkit.nn.encoders import LagEncoder, MeanOfPatches, PatchEncoder, TemporalConvEncoder
from forecastkit.nn.forecasters import Direct, RecursiveNet
from forecastkit.nn.hierarchy import HierarchicalNet, interpolated
from forecastkit.nn.inputs import Inputs
from forecastkit.nn.recurrent import RecurrentEncoder
from forecastkit.nn.residual import Residual
from forecastkit.nn.segments import SegmentNet
from forecastkit.nn.smoothing import SmoothedNet, smooth


def inputs(n: int, steps: int, channels: int = 1, *, seed: int = 0, **more: torch.Tensor) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    past = torch.randn(n, steps, channels, generator=generator)
    return Inputs(past, torch.ones(n, steps, 1), **more)


def stirred(net: nn.Module, seed: int = 1) -> nn.Module:
    """With heads that are not 0 any more."""
    torch.manual_seed(seed)
    for p in net.parameters():
        nn.init.normal_(p, std=0.3)
    return net.eval()


class TestLinear:
    def test_nlinear_is_the_last_value_and_a_map_of_what_differs_from_it(self):
        net = stirred(Residual(Direct(LagEncoder(8, 2), 3), 3, bases=(1,)))
        x = inputs(4, 8)
        y = x.past[:, :, 0]
        weight, bias = net.core.head.weight, net.core.head.bias
        by_hand = (y - y[:, -1:]) @ weight[:, :8].T + weight[:, 8] + bias + y[:, -1:]  # column 8: observed = 1
        torch.testing.assert_close(net(x)[..., 0], by_hand)

    def test_dlinear_maps_a_moving_mean_and_the_rest(self):
        encoder = LagEncoder(6, 1, window=3)
        y = torch.tensor([[1.0, 4.0, 2.0, 6.0, 3.0, 5.0]])
        trend, rest = encoder.summary(y[:, :, None])[0, :6], encoder.summary(y[:, :, None])[0, 6:]
        padded = [1.0, 1, 4, 2, 6, 3, 5, 5]
        means = torch.tensor([sum(padded[k : k + 3]) / 3 for k in range(6)]) - 5.0
        torch.testing.assert_close(trend, means)
        torch.testing.assert_close(trend + rest, y[0] - 5.0)


class TestConvolutions:
    def test_a_state_sees_all_before_it_and_nothing_after(self):
        encoder = stirred(TemporalConvEncoder(30, 2, 16))
        x = torch.randn(1, 30, 2, requires_grad=True)
        states, _ = encoder(x)
        (seen,) = torch.autograd.grad(states[0, 19].square().sum(), x)
        assert (seen[0, 20:] == 0).all()
        assert (seen[0, :20].abs().sum(-1) > 0).all()

    def test_one_block_equals_a_loop(self):
        encoder = stirred(TemporalConvEncoder(4, 1, 2))
        assert len(encoder.blocks) == 1
        block, x = encoder.blocks[0], torch.randn(1, 4, 1)

        def causal(values, conv):
            out = []
            for t in range(values.shape[0]):
                taps = [values[t - 2 + k] if t - 2 + k >= 0 else torch.zeros(values.shape[1]) for k in range(3)]
                out.append(sum(conv.weight[:, :, k] @ taps[k] for k in range(3)) + conv.bias)
            return torch.relu(torch.stack(out))

        skip = x[0] @ block.skip.weight[:, :, 0].T + block.skip.bias
        by_hand = torch.relu(causal(causal(x[0], block.first), block.second) + skip)
        torch.testing.assert_close(encoder(x)[0][0], by_hand)


class TestPatches:
    def test_patches_are_slices_and_the_last_row_fills_the_last_one(self):
        encoder = PatchEncoder(11, 1, 8, patch=4, stride=3)
        x = torch.arange(11.0)[None, :, None]
        found = encoder.patches(x)[0]
        assert found.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9], [9, 10, 10, 10]]
        assert encoder.n_outputs == 4 * 8
        summary = encoder.summary(x)
        torch.testing.assert_close(MeanOfPatches(8)(summary), summary.reshape(1, 4, 8).mean(1))

    def test_a_short_context_is_one_patch(self):
        encoder = PatchEncoder(5, 2, 8, patch=16, stride=8)
        assert encoder.n_patches == 1
        assert encoder.summary(torch.randn(3, 5, 2)).shape == (3, 8)


class TestSegments:
    def test_equals_reading_and_writing_one_by_one(self):
        net = stirred(SegmentNet("gru", 6, 5, 7, 3))
        x = inputs(2, 12)
        core = net.encoder.core
        weights = (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0)
        for b in range(2):
            y = x.past[b, :, 0] - x.past[b, -1, 0]
            h = torch.zeros(1, 5)
            for k in range(4):
                # Rows of (value, observed), one after the other.
                row = torch.stack([y[3 * k : 3 * k + 3], torch.ones(3)], dim=1).flatten()
                h = gru_cell(torch.relu(net.embed(row[None])), h, weights)
            written = [net.head(gru_cell(net.place[k][None], h, weights))[0] for k in range(3)]
            raw, state = net(x)
            torch.testing.assert_close(raw[b, :, 0], torch.cat(written)[:7])
            torch.testing.assert_close(state[b], h[0])

    def test_level_does_not_matter(self):
        net = stirred(SegmentNet("lstm", 6, 5, 7, 3))
        x = inputs(2, 12)
        torch.testing.assert_close(net(x)[0], net(x._replace(past=x.past + 10))[0], rtol=1e-3, atol=1e-4)


class TestHierarchy:
    def test_lines_through_knots(self):
        knots = torch.tensor([[1.0, 3.0, 2.0]])
        want = np.interp(np.linspace(0, 2, 9), [0, 1, 2], [1, 3, 2])
        np.testing.assert_allclose(interpolated(knots, 9)[0], want, rtol=1e-6)
        assert interpolated(torch.tensor([[5.0]]), 4).tolist() == [[5.0] * 4]

    def test_blocks_add_forecasts_and_hand_on_what_is_left(self):
        net = stirred(HierarchicalNet(8, 6, 1, 4, rates=(4, 1)))
        x = inputs(3, 8)
        rest = x.past[:, :, 0] - x.past[:, -1:, 0]
        total = torch.zeros(3, 6)
        for block, rate in zip(net.blocks, (4, 1)):
            pooled = torch.stack([rest[:, k : k + rate].amax(1) for k in range(0, 8, rate)], dim=1)
            hidden = block.read(pooled)
            total = total + torch.stack([interpolated(k[None], 6)[0] for k in block.ahead(hidden)])
            rest = rest - torch.stack([interpolated(k[None], 8)[0] for k in block.back(hidden)])
        torch.testing.assert_close(net(x)[0][..., 0], total)
        assert net.blocks[0].n_knots == 2
        assert net.blocks[1].n_knots == 6


class TestDecoder:
    @pytest.fixture
    def net(self) -> BlockDecoder:
        return stirred(BlockDecoder("gru", 4, 5, 5, 2, bases=(2, 1)))

    def test_equals_writing_block_by_block(self, net):
        x = inputs(1, 8)
        y = x.past[0, :, 0]
        states, state = net.encoder(torch.stack([y, torch.ones(8)], 1).reshape(1, 4, 4))
        season = torch.stack([y[6], y[7]]).repeat(3)
        before, out = y[-2:], []
        for k in range(3):
            top, state = net.decoder(before[None, None], state)
            score = (net.attention.key(states[0]) @ top[0, 0]).softmax(0)
            top = torch.tanh(net.mix(torch.cat([top[0, 0], score @ states[0]])))
            numbers = net.head(top)
            rule = season[2 * k : 2 * k + 2]
            before = numbers[:2] + rule + numbers[2] * (y[-1] - rule)
            out.append(before)
        torch.testing.assert_close(net(x)[0, :, 0], torch.cat(out)[:5])

    def test_truth_is_read_only_when_it_is_told(self, net):
        x, target, seen = inputs(3, 8), torch.randn(3, 5), torch.ones(3, 5)
        free = net(x)
        torch.testing.assert_close(net.taught(x, target, seen, 0.0), free)
        told = net.taught(x, target, seen, 1.0)
        torch.testing.assert_close(told[:, :2], free[:, :2])
        assert not torch.allclose(told[:, 2:], free[:, 2:])
        other = target.clone()
        other[:, 2:4] += 1.0  # read by the third block alone
        again = net.taught(x, other, seen, 1.0)
        torch.testing.assert_close(again[:, :4], told[:, :4])
        assert not torch.allclose(again[:, 4], told[:, 4])
        # What was not observed is replaced by the forecast.
        torch.testing.assert_close(net.taught(x, target, torch.zeros(3, 5), 1.0), free)

    def test_schedules(self):
        assert [teacher_share("sigmoid", s, 10) for s in (0, 5, 10)] == [1.0, 0.5, 0.0]
        assert teacher_share("always", 99, 10) == 1.0
        assert teacher_share("never", 0, 10) == 0.0


class TestSmoothing:
    def test_blocks_equal_a_loop(self):
        torch.manual_seed(0)
        y, alpha, gamma = torch.randn(3, 12), torch.tensor([0.1, 0.5, 0.9]), torch.tensor([0.3, 0.7, 0.05])
        season = torch.randn(3, 4)
        levels, seasons, after = smooth(y, alpha, gamma, season, 4)
        for b in range(3):
            level, s = float(y[b, :4].mean()), season[b].tolist()
            for t in range(12):
                assert float(seasons[b, t]) == pytest.approx(s[t], abs=1e-5)
                level = float(alpha[b]) * (float(y[b, t]) - s[t]) + (1 - float(alpha[b])) * level
                assert float(levels[b, t]) == pytest.approx(level, abs=1e-5)
                s.append(float(gamma[b]) * (float(y[b, t]) - level) + (1 - float(gamma[b])) * s[t])
            assert after[b].tolist() == pytest.approx(s[12:], abs=1e-5)

    def test_without_a_season_it_is_that_of_statsmodels(self):
        from statsmodels.tsa.holtwinters import SimpleExpSmoothing

        y = np.random.default_rng(0).normal(5, 1, 20)
        levels, _, _ = smooth(torch.tensor(y)[None], *torch.tensor([[0.3], [0.5]]).double(), None, 4)
        theirs = SimpleExpSmoothing(y, initialization_method="known", initial_level=y[:4].mean()).fit(
            smoothing_level=0.3, optimized=False
        )
        np.testing.assert_allclose(levels[0], theirs.level, rtol=1e-6)

    def test_before_training_it_is_the_smoothing(self):
        net = SmoothedNet("lstm", 8, 6, 7, 4, dilations=(1, 2), seasonal=True, n_items=3)
        x = inputs(2, 16, static_cat=torch.tensor([[1], [2]]))
        y = x.past[:, :, 0]
        alpha, gamma, share = net.shares(torch.tensor([1, 2]))
        levels, _, after = smooth(y, alpha, gamma, share[:, None] * (y[:, :4] - y[:, :4].mean(1, keepdim=True)), 4)
        raw, _ = net(x)
        torch.testing.assert_close(raw[..., 0], torch.cat([after, after[:, :3]], 1) + levels[:, -1:])

    def test_each_series_learns_its_own(self):
        net = SmoothedNet("lstm", 8, 6, 7, 4, dilations=(1,), seasonal=True, n_items=3)
        x = inputs(2, 16, static_cat=torch.tensor([[1], [1]]))
        net(x)[0].sum().backward()
        moved = net.own.weight.grad.abs().sum(1)
        assert moved[1] > 0
        assert moved[[0, 2]].tolist() == [0.0, 0.0]


def test_dilated_layers_equal_a_loop():
    encoder = stirred(DilatedEncoder("lstm", 2, 3, (1, 3)))
    x = torch.randn(2, 7, 2)
    read = x
    for k, (layer, dilation) in enumerate(zip(encoder.layers, (1, 3))):
        core = layer.core
        weights = (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0)
        states: list = []
        for t in range(7):
            zero = torch.zeros(2, 3)
            states.append(lstm_cell(read[:, t], states[t - dilation] if t >= dilation else (zero, zero), weights))
        out = torch.stack([h for h, _ in states], dim=1)
        read = out + read if k else out
    torch.testing.assert_close(encoder(x)[0], read)


class TestRecursion:
    def test_lags_are_the_same_in_the_context_and_beyond_it(self):
        net = stirred(RecursiveNet(RecurrentEncoder("gru", 4, 6), 4, season_length=2, lags=(3, 20)))
        x = inputs(2, 8)
        out = net(x)[..., 0]
        longer = torch.cat([x.past[:, :, 0], out[:, :3]], dim=1)[:, :, None]
        # Every step again from the values that were fed back.
        again = net.every_step(Inputs(longer, torch.ones_like(longer)), 7)[:, :, 0, 0]
        torch.testing.assert_close(again, out, rtol=1e-4, atol=1e-5)

    def test_paths_of_an_untrained_network_are_a_random_walk(self):
        net = RecursiveNet(RecurrentEncoder("gru", 2, 4), 9, season_length=1)
        x = inputs(1, 6)
        noise = torch.randn(5000, 9, generator=torch.Generator().manual_seed(0))
        _, paths = net.paths(x, lambda raw, step: raw[:, :, 0] + noise[:, step, None], 5000)
        walk = x.past[0, -1, 0] + noise.cumsum(1)
        torch.testing.assert_close(paths, walk, rtol=1e-4, atol=1e-4)

    def test_all_paths_read_their_own_window(self):
        net = stirred(RecursiveNet(RecurrentEncoder("lstm", 3, 4), 3, season_length=1, n_static=2))
        x = inputs(2, 6, 2, static=torch.randn(2, 2))
        net.encoder = RecurrentEncoder("lstm", 3, 4)
        _, paths = net.paths(x, lambda raw, step: raw[:, :, 0], 3)
        torch.testing.assert_close(paths.reshape(2, 3, 3)[:, 1], net(x)[..., 0])


def test_residual_mixes_rules_by_the_state():
    core = Direct(RecurrentEncoder("gru", 2, 3), 4)
    net = Residual(core, 4, bases=(1, 3))
    with torch.no_grad():
        net.mix.bias.fill_(0.25)
    x = inputs(2, 9)
    y = x.past[:, :, 0]
    season = y[:, [6, 7, 8, 6]]
    torch.testing.assert_close(net(x)[..., 0], 0.75 * y[:, -1:] + 0.25 * season)


def test_a_line_is_the_first_rule_and_the_state_mixes_the_others():
    core = Direct(RecurrentEncoder("gru", 2, 3), 2)
    net = Residual(core, 2, bases=(1, 3), n_lags=4)
    line = np.array([[0.5, 0.0, -1.0, 9.0, 0.25], [0.0, 2.0, 0.0, 9.0, -0.5]])
    net.set_line(line)
    x = Inputs(torch.tensor([[[1.0], [2.0], [4.0], [3.0]]]), torch.ones(1, 4, 1))
    # Lags minus the last value 3: -2, -1, 1, 0; then the intercept and the last value again.
    by_line = torch.tensor([-1.0 - 1.0 + 0.25 + 3, -2.0 - 0.5 + 3])
    torch.testing.assert_close(net(x)[0, :, 0], by_line)
    with torch.no_grad():
        net.mix.bias.copy_(torch.tensor([0.25, 0.5]))
    last, season = torch.tensor([3.0, 3.0]), torch.tensor([2.0, 4.0])
    torch.testing.assert_close(net(x)[0, :, 0], 0.25 * by_line + 0.25 * last + 0.5 * season)
    assert "line" in net.state_dict()
