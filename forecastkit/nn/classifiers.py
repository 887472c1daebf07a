"""Many steps, one answer: a recurrent network that reads a sequence and says its class.

Shapes: B batch, T steps, C channels, F features of the whole sequence, K classes, N states of the encoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["AttentionPooling", "SequenceClassifier", "classification_loss"]


class AttentionPooling(nn.Module):
    """A weighted mean of states; the weights say which steps mattered.

    Source: Yang et al. (2016), doi:10.18653/v1/N16-1174, equation 5 to 7.
    """

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.key = nn.Linear(n_inputs, n_inputs)
        self.query = nn.Linear(n_inputs, 1, bias=False)

    def forward(self, states: Tensor, seen: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(mean [B, N], weights [B, T]) of states [B, T, N]; steps where ``seen`` [B, T] is False weigh nothing."""
        score = self.query(torch.tanh(self.key(states)))[..., 0]
        if seen is not None:
            score = score.masked_fill(~seen, float("-inf"))
        weights = torch.softmax(score, dim=1)
        return (weights[..., None] * states).sum(dim=1), weights


def is_exported() -> bool:
    """Whether a graph is being written down, which has no branches by value and no packed sequences."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()


def _within(lengths: Tensor, x: Tensor) -> Tensor | None:
    """[B, T] whether a step of x [B, T, C] is real; None where all are, outside a graph that is being exported."""
    if not is_exported() and not bool((lengths != x.shape[1]).any()):
        return None
    return torch.arange(x.shape[1], device=x.device)[None] < lengths[:, None]


class SequenceClassifier(nn.Module):
    """Convolutions that shorten the sequence, a recurrent encoder, attention, and a head beside a linear one.

    The linear head reads the features alone; before training the answer is the same for all.

    Args:
        encoder: reads what the convolutions give: [B, T', n_filters], or [B, T, C] without them.
        n_inputs: C.
        n_features: F; 0 = none.
        n_filters: of each convolution of width 5 and stride 2; empty = none.
        attention: pool by attention; otherwise the last state.
    """

    def __init__(
        self,
        encoder: RecurrentEncoder,
        n_inputs: int,
        n_classes: int,
        *,
        n_features: int = 0,
        n_filters: tuple[int, ...] = (),
        attention: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        sizes = [n_inputs, *n_filters]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(a, b, kernel_size=5, stride=2, padding=2) for a, b in zip(sizes[:-1], sizes[1:])
        )
        self.encoder = encoder
        self.pooling = AttentionPooling(encoder.n_outputs) if attention else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.n_outputs, n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.linear = nn.Linear(n_features, n_classes, bias=False) if n_features else None
        if self.linear is not None:
            nn.init.zeros_(self.linear.weight)

    def forward(self, x: Tensor, lengths: Tensor, features: Tensor) -> Tensor:
        """Logits [B, K] of x [B, T, C], of which the first ``lengths`` [B] steps are real, and features [B, F]."""
        steps, seen = lengths, _within(lengths, x)
        for convolution in self.convolutions:
            # What lies after the end is 0 for every layer, as beyond the edge of a sequence without padding.
            x = x if seen is None else x * seen[..., None]
            x = functional.relu(convolution(x.transpose(1, 2))).transpose(1, 2)
            steps = (steps + 1) // 2
            seen = _within(steps, x)
        pooled = self._pooled(x, steps, seen)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits if self.linear is None else logits + self.linear(features)

    def _pooled(self, x: Tensor, steps: Tensor, seen: Tensor | None) -> Tensor:
        if seen is None:
            if self.pooling is None:
                return self.encoder.summary(x)
            states, _ = self.encoder(x)
            return self.pooling(states)[0]
        if is_exported():
            states, last = self.encoder.read(x, steps)
            return self.encoder.last_of(last) if self.pooling is None else self.pooling(states, seen)[0]
        # Packed, so that the backward direction does not begin with padding.
        packed = pack_padded_sequence(x, steps.cpu(), batch_first=True, enforce_sorted=False)
        out, last = self.encoder(packed)
        if self.pooling is not None:
            states, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
            return self.pooling(states, seen)[0]
        return self.encoder.last_of(last)


def classification_loss(
    logits: Tensor, labels: Tensor, weights: Tensor, *, focal: float = 0.0
) -> tuple[Tensor, Tensor]:
    """(sum of weighted losses, sum of weights): cross-entropy, or focal loss where ``focal`` > 0.

    Args:
        logits: [B, K].
        labels: [B] int64.
        weights: [B].

    Source of the focal loss: Lin et al. (2017), arXiv:1708.02002.
    """
    log_p = torch.log_softmax(logits.float(), dim=-1).gather(1, labels[:, None])[:, 0]
    loss = -log_p
    if focal > 0:
        loss = loss * (1 - log_p.exp()).clamp_min(1e-6) ** focal
    return (loss * weights).sum(), weights.sum()
