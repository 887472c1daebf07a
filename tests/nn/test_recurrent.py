from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from forecastkit.nn.recurrent import RecurrentEncoder


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_dropping_no_recurrent_weight_is_the_plain_network(cell, bidirectional):
    torch.manual_seed(0)
    # A share so small that no weight of these few is ever dropped.
    encoder = RecurrentEncoder(cell, 3, 5, layers=2, bidirectional=bidirectional, weight_drop=1e-12)
    x = torch.randn(4, 6, 3)
    zero = torch.zeros(4 if bidirectional else 2, 4, 5)
    first = zero + torch.randn_like(zero)
    for state in (None, (first, zero) if cell == "lstm" else first):
        out, last = encoder.train()(x, state)
        plain, plain_last = encoder.eval()(x, state)
        torch.testing.assert_close(out, plain)
        torch.testing.assert_close(encoder.last_of(last), encoder.last_of(plain_last))


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_reading_to_the_length_is_what_packing_does(cell, bidirectional, layers):
    torch.manual_seed(0)
    encoder = RecurrentEncoder(cell, 3, 5, layers=layers, bidirectional=bidirectional)
    x, lengths = torch.randn(4, 6, 3), torch.tensor([3, 6, 1, 5])
    out, last = encoder.core(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    packed, _ = pad_packed_sequence(out, batch_first=True)
    states, lasts = encoder.read(x, lengths)
    torch.testing.assert_close(lasts, last[0] if cell == "lstm" else last)
    for k, n in enumerate(lengths):
        torch.testing.assert_close(states[k, :n], packed[k, :n])
    changed = torch.where(torch.arange(6)[None, :, None] < lengths[:, None, None], x, 99.0)
    other, other_lasts = encoder.read(changed, lengths)
    torch.testing.assert_close(other_lasts, lasts, rtol=0, atol=0)
    assert all(torch.equal(other[k, :n], states[k, :n]) for k, n in enumerate(lengths))


def test_dropped_weights_change_training_alone():
    torch.manual_seed(0)
    encoder = RecurrentEncoder("lstm", 3, 8, weight_drop=0.5)
    x = torch.randn(2, 5, 3)
    a, b = (encoder.train()(x)[0] for _ in range(2))
    assert not torch.equal(a, b)
    # The first step has no state before it: recurrent weights do not matter there.
    torch.testing.assert_close(a[:, 0], b[:, 0])
    encoder.eval()
    torch.testing.assert_close(encoder(x)[0], encoder.core(x)[0])
    encoder.train()(x)[0].sum().backward()
    assert encoder.core.weight_hh_l0.grad.abs().sum() > 0
