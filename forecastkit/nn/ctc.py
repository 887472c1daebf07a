"""Frames into characters without being told where each one stands: connectionist temporal classification.

Shapes: B batch, T frames, S steps of the network, C numbers a frame, V tokens; token 0 is the blank: nothing new here.

Source: Graves, Fernández, Gomez and Schmidhuber (2006), doi:10.1145/1143844.1143891.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["BLANK", "CtcNet", "best_path", "ctc_loss", "prefix_beam", "steps_needed"]

BLANK = 0


class CtcNet(nn.Module):
    """A convolution that halves the frames, a bidirectional encoder, and at each step a token or the blank.

    Args:
        n_inputs: C.
        n_tokens: V, the blank among them.
        hidden: states of both directions together.
        noise: deviation of what is added to the frames in training.
        band_dropout: share of the numbers of a frame that are hidden in training, the same ones over a whole sequence.
    """

    def __init__(
        self, n_inputs: int, n_tokens: int, hidden: int, *, cell: str = "gru", layers: int = 1, dropout: float = 0.0,
        noise: float = 0.0, band_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.halve = nn.Conv1d(n_inputs, hidden, kernel_size=5, stride=2, padding=2)
        self.encoder = RecurrentEncoder(cell, hidden, hidden // 2, layers=layers, dropout=dropout, bidirectional=True)
        self.dropout, self.noise, self.band_dropout = nn.Dropout(dropout), noise, band_dropout
        self.head = nn.Linear(hidden, n_tokens)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(log-probabilities [B, S, V], steps [B]) of x [B, T, C], of which the first ``lengths`` [B] frames are real."""
        if self.training:
            x = x + self.noise * torch.randn_like(x)
            x = x * (torch.rand(x.shape[0], 1, x.shape[2], device=x.device) >= self.band_dropout)
        # What lies after the end is 0, as beyond the edge of a sequence without padding.
        real = torch.arange(x.shape[1], device=x.device)[None] < lengths[:, None]
        x = functional.relu(self.halve((x * real[..., None]).transpose(1, 2))).transpose(1, 2)
        steps = (lengths + 1) // 2
        states, _ = self.encoder.read(self.dropout(x), steps)
        return torch.log_softmax(self.head(self.dropout(states)).float(), dim=-1), steps


def steps_needed(tokens: Sequence[int]) -> int:
    """Steps that a sequence takes at least: one a token, and a blank between two alike.

    >>> steps_needed([5, 5, 6])
    4
    """
    return len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:]))


def ctc_loss(log_p: Tensor, steps: Tensor, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(sum over the batch of minus the log-probability of its tokens, however they lie in time; number of tokens).

    Args:
        log_p: [B, S, V].
        steps: [B] real ones.
        tokens: [B, L], of which the first ``lengths`` [B] are real.
    """
    loss = functional.ctc_loss(
        log_p.transpose(0, 1), tokens, steps, lengths, blank=BLANK, reduction="sum", zero_infinity=True
    )
    return loss, lengths.sum().to(loss.dtype)


def best_path(log_p: np.ndarray) -> list[int]:
    """Tokens of the likeliest token at each step of log_p [S, V]: repeats count once, blanks are left out.

    >>> best_path(np.log(np.eye(3)[[0, 1, 1, 0, 1, 2]] + 1e-9))
    [1, 1, 2]
    """
    said = log_p.argmax(axis=1)
    kept = said[np.r_[True, said[1:] != said[:-1]]]
    return [int(k) for k in kept if k != BLANK]


def prefix_beam(log_p: np.ndarray, beam: int) -> list[int]:
    """The likeliest tokens of log_p [S, V], each summed over all ways in which it may lie in time; ``beam`` beginnings are kept.

    Source: algorithm 1 of Hannun et al. (2014), arXiv:1408.2873, without a language model.
    """
    p = np.exp(log_p.astype(np.float64))
    # Probability with a blank at the end, and without.
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for row in p:
        found: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        usual = [int(k) for k in np.argsort(-row)[: max(beam, 2)] if k != BLANK]
        for prefix, (blank, other) in beams.items():
            found[prefix][0] += (blank + other) * row[BLANK]
            if prefix:
                found[prefix][1] += other * row[prefix[-1]]
            for token in usual:
                # The token at the end again is a new one only after a blank.
                from_here = blank if prefix and token == prefix[-1] else blank + other
                found[(*prefix, token)][1] += from_here * row[token]
        best = sorted(found.items(), key=lambda item: -sum(item[1]))[:beam]
        whole = sum(sum(parts) for _, parts in best) or 1.0
        beams = {prefix: (parts[0] / whole, parts[1] / whole) for prefix, parts in best}
    return list(max(beams.items(), key=lambda item: sum(item[1]))[0])
