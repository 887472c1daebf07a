"""Encoder and decoder with attention: a sentence read as a whole, another one written word by word.

Shapes: B batch, S source steps, T target steps, E embedding, N states, V vocabulary. A source is ids [B, S], or frames
[B, S, n_source].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forecastkit.nn.recurrent import RecurrentEncoder

__all__ = ["Attention", "Seq2SeqNet"]


class Attention(nn.Module):
    """Which states of the source matter for each state of the target.

    Args:
        kind: ``luong`` (general: a bilinear form) or ``bahdanau`` (additive).

    Sources: Luong, Pham and Manning (2015), doi:10.18653/v1/D15-1166; Bahdanau, Cho and Bengio (2015), arXiv:1409.0473.
    """

    def __init__(self, kind: str, n_target: int, n_source: int) -> None:
        super().__init__()
        self.kind = kind
        self.key = nn.Linear(n_source, n_target, bias=False)
        self.query = nn.Linear(n_target, n_target, bias=False) if kind == "bahdanau" else None
        self.value = nn.Linear(n_target, 1, bias=False) if kind == "bahdanau" else None

    def weights(self, target: Tensor, keys: Tensor, seen: Tensor) -> Tensor:
        """[B, T, S] how much each source state counts for target [B, T, N]; ``keys`` = ``self.key(source)``, seen [B, S]."""
        if self.query is None or self.value is None:
            score = target @ keys.transpose(1, 2)
        else:
            score = self.value(torch.tanh(self.query(target)[:, :, None] + keys[:, None]))[..., 0]
        return torch.softmax(score.masked_fill(~seen[:, None], float("-inf")), dim=-1)

    def forward(self, target: Tensor, keys: Tensor, source: Tensor, seen: Tensor) -> Tensor:
        """Mixed source states [B, T, n_source]; see ``weights``."""
        return self.weights(target, keys, seen).to(source.dtype) @ source


class Seq2SeqNet(nn.Module):
    """A bidirectional encoder; a decoder whose states ask the source before they name a word.

    The attention comes after the recurrent layers (Luong), so that training runs over all steps at once.

    Args:
        n_source: words of the source, or numbers of each of its steps where it is ``frames``.
        frames: the source is no words but rows of numbers.
    """

    def __init__(
        self, n_source: int, n_target: int, size: int, hidden: int, *, cell: str = "gru", kind: str = "luong", layers: int = 1,
        dropout: float = 0.0, weight_drop: float = 0.0, word_dropout: float = 0.0, frames: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.source_words = nn.Linear(n_source, size) if frames else nn.Embedding(n_source, size, padding_idx=0)
        self.target_words = nn.Embedding(n_target, size, padding_idx=0)
        for words in (self.source_words, self.target_words):
            if isinstance(words, nn.Embedding):
                nn.init.normal_(words.weight, std=0.1)
        self.encoder = RecurrentEncoder(
            cell, size, hidden // 2, layers=layers, dropout=dropout, bidirectional=True, weight_drop=weight_drop
        )
        self.decoder = RecurrentEncoder(cell, size, hidden, layers=layers, dropout=dropout, weight_drop=weight_drop)
        self.attention = Attention(kind, hidden, hidden)
        self.mix = nn.Linear(2 * hidden, size)
        self.dropout, self.word_dropout = nn.Dropout(dropout), word_dropout
        self.head = nn.Linear(size, n_target)
        # The words that are written are those that are read back.
        self.head.weight = self.target_words.weight
        nn.init.zeros_(self.head.bias)
        self.bridge = nn.Linear(hidden, hidden)
        self.cell = cell

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(states [B, S, N], keys [B, S, N], seen [B, S], first state of each layer of the decoder [L, B, N])."""
        x = self.dropout(self.source_words(source))
        if self.training and self.word_dropout > 0:
            x = x * (torch.rand(x.shape[:2], device=x.device) >= self.word_dropout)[..., None]
        states, last = self.encoder.read(x, lengths)
        first = torch.tanh(self.bridge(torch.cat([last[::2], last[1::2]], dim=-1)))
        seen = torch.arange(x.shape[1], device=x.device)[None] < lengths[:, None]
        return states, self.attention.key(states), seen, first

    def start(self, first: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """The decoder's first state."""
        return (first, torch.zeros_like(first)) if self.cell == "lstm" else first

    def decode(
        self, target: Tensor, state: Tensor | tuple[Tensor, Tensor], states: Tensor, keys: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor | tuple[Tensor, Tensor]]:
        """(logits [B, T, V] of what follows each of target [B, T], state after the last)."""
        out, state = self.decoder(self.dropout(self.target_words(target)), state)
        mixed = torch.cat([out, self.attention(out, keys, states, seen)], dim=-1)
        logits: Tensor = self.head(self.dropout(torch.tanh(self.mix(mixed))))
        return logits, state

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Logits [B, T, V] of what follows each of target [B, T]."""
        states, keys, seen, first = self.encode(source, lengths)
        return self.decode(target, self.start(first), states, keys, seen)[0]
