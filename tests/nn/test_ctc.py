"""CTC: the loss and the search against a sum over all ways in which tokens may lie in time."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.nn.ctc import BLANK, CtcNet, best_path, ctc_loss, prefix_beam, steps_needed


def all_ways(log_p: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability of every sequence of tokens, by brute force."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        said = tuple(k for k, _ in itertools.groupby(path) if k != BLANK)
        found[said] += float(np.exp(sum(log_p[t, k] for t, k in enumerate(path))))
    return found


def some(seed: int, steps: int, n_tokens: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(0, 1.5, (steps, n_tokens))
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


@given(st.integers(0, 500), st.integers(1, 5), st.integers(2, 4))
@settings(max_examples=40, deadline=None)
def test_a_wide_beam_finds_the_likeliest_tokens_of_all(seed, steps, n_tokens):
    log_p = some(seed, steps, n_tokens)
    ways = all_ways(log_p)
    assert sum(ways.values()) == pytest.approx(1)
    found = tuple(prefix_beam(log_p, 400))
    assert ways[found] == pytest.approx(max(ways.values()))


def test_the_beam_finds_what_the_best_path_misses():
    # At both steps the blank is the likeliest, and yet a single 1 somewhere is likelier than nothing.
    log_p = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert best_path(log_p) == []
    assert prefix_beam(log_p, 4) == [1]


def test_the_loss_is_the_sum_over_all_ways():
    log_p = some(3, 5, 3)
    ways = all_ways(log_p)
    tokens = [(1, 2), (2, 2), (1,)]
    padded = torch.tensor([[1, 2], [2, 2], [1, 0]])
    loss, n = ctc_loss(torch.tensor(log_p).expand(3, -1, -1), torch.tensor([5, 5, 5]), padded, torch.tensor([2, 2, 1]))
    assert float(loss) == pytest.approx(-sum(np.log(ways[t]) for t in tokens))
    assert float(n) == 5


@pytest.mark.parametrize(("tokens", "needed"), [((), 0), ((1,), 1), ((1, 2), 2), ((1, 1), 3), ((1, 1, 1, 2), 6)])
def test_steps_that_tokens_need(tokens, needed):
    assert steps_needed(tokens) == needed
    ways = all_ways(some(1, max(needed, 1), 3)) if needed < 6 else {}
    if 0 < needed < 6:
        assert tokens in ways
        assert tokens not in all_ways(some(1, needed - 1, 3)) if needed > 1 else True


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_padding_changes_nothing(cell):
    torch.manual_seed(0)
    net = CtcNet(4, 6, 8, cell=cell, noise=0.5, band_dropout=0.5).eval()
    x = torch.randn(1, 9, 4)
    alone, steps = net(x, torch.tensor([9]))
    longer = torch.cat([torch.cat([x, torch.full((1, 5, 4), 7.0)], dim=1), torch.randn(1, 14, 4)])
    both, steps_both = net(longer, torch.tensor([9, 14]))
    assert (int(steps[0]), steps_both.tolist()) == (5, [5, 7])
    torch.testing.assert_close(both[:1, :5], alone)
