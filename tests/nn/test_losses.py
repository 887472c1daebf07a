"""The loss of a sampled vocabulary against the loss of the whole one."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from forecastkit.nn.losses import sampled_softmax

V, E, M = 40, 6, 12


def setting() -> tuple[torch.Tensor, nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    head = nn.Linear(E, V)
    share = torch.arange(1.0, V + 1).double()
    return torch.randn(M, E), head, torch.randint(0, V, (M,)), share / share.sum()


def test_with_every_token_drawn_it_is_the_whole_softmax():
    states, head, answers, share = setting()
    whole = functional.cross_entropy(head(states), answers, reduction="sum")
    sampled = sampled_softmax(states, head, answers, share, 200_000)
    torch.testing.assert_close(sampled, whole, rtol=1e-5, atol=1e-5)
    ours, theirs = (torch.autograd.grad(loss, head.weight)[0] for loss in (sampled, whole))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_sum_of_the_softmax_is_right_on_average():
    # Answers drawn as often as they come, one text: exp(loss + logit of the answer) is the sum that was estimated.
    states, head, _, share = setting()
    states = states[:1]
    found = []
    with torch.no_grad():
        whole = float(torch.logsumexp(head(states), dim=1).exp())
        for _ in range(4000):
            answers = torch.multinomial(share, 1)
            loss = sampled_softmax(states, head, answers, share, 15)
            found.append(float((loss + head(states)[0, answers]).exp()))
    assert abs(np.mean(found) - whole) < 4 * np.std(found) / np.sqrt(len(found))
    assert np.std(found) > 0.05 * whole  # it was estimated, not computed
