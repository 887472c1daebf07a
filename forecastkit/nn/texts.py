"""Networks that read tokens. Padding never changes a result, at whichever side it stands.

Shapes: B batch, T steps, E embedding, N states of the encoder, K classes, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forecastkit.nn.classifiers import AttentionPooling
from forecastkit.nn.recurrent import RecurrentEncoder, State

__all__ = ["Embedding", "LanguageNet", "NeighbourNet", "TextNet", "locked_dropout", "to_front"]


def locked_dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Dropout with one mask for all steps of a sequence [B, T, N] (Gal and Ghahramani 2016, arXiv:1512.05287)."""
    if not training or p <= 0:
        return x
    mask = x.new_empty(x.shape[0], 1, x.shape[2]).bernoulli_(1 - p).div_(1 - p)
    return x * mask


def to_front(index: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """(index [B, T] with what is seen at the front and in order, lengths [B]), wherever the padding stood."""
    order = torch.argsort((~seen).to(torch.int8), dim=1, stable=True)
    return index.gather(1, order), seen.sum(dim=1)


class Embedding(nn.Module):
    """Words as vectors: their own, plus the mean of those of their groups of characters.

    Args:
        n_buckets: of groups of characters, by hash; 0 = words alone.
        dropout: words taken out whole in training.

    Source: Bojanowski et al. (2017), doi:10.1162/tacl_a_00051.
    """

    def __init__(self, n_tokens: int, size: int, *, n_buckets: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.words = nn.Embedding(n_tokens, size, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.1)
        self.grams = nn.EmbeddingBag(n_buckets, size, mode="mean") if n_buckets else None
        if self.grams is not None:
            nn.init.normal_(self.grams.weight, std=0.1)
        self.dropout = dropout

    def forward(self, words: Tensor, grams: Tensor, offsets: Tensor, index: Tensor) -> Tensor:
        """[B, T, E] of U different words.

        Args:
            words: [U] ids.
            grams: [S] groups of characters of all words, one word after another.
            offsets: [U] where each word's begin.
            index: [B, T] position among the U words.
        """
        vectors: Tensor = self.words(words)
        if self.grams is not None:
            vectors = vectors + self.grams(grams, offsets)
        out = vectors[index]
        if self.training and self.dropout > 0:
            out = out * (torch.rand(index.shape, device=out.device) >= self.dropout)[..., None]
        return out


class TextNet(nn.Module):
    """Embedding, recurrent encoder, pooling, a linear head that begins at zero.

    Args:
        pooling: ``attention``, ``last`` state, or ``both`` attention and maximum over steps.
    """

    def __init__(
        self,
        embedding: Embedding,
        encoder: RecurrentEncoder,
        n_classes: int,
        *,
        pooling: str = "both",
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding, self.encoder, self.pooling = embedding, encoder, pooling
        self.attention = AttentionPooling(encoder.n_outputs) if pooling != "last" else None
        self.dropout, self.input_dropout = nn.Dropout(dropout), input_dropout
        self.head = nn.Linear(encoder.n_outputs * (2 if pooling == "both" else 1), n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def read(
        self, words: Tensor, grams: Tensor, offsets: Tensor, index: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(states [B, T, N], last states, index [B, T] and lengths [B] with what is seen at the front)."""
        index, lengths = to_front(index, seen)
        # A text without a token is one step of what stands at its first place: the unknown word.
        lengths = lengths.clamp_min(1)
        index = index[:, : int(lengths.max())]
        x = locked_dropout(self.embedding(words, grams, offsets, index), self.input_dropout, self.training)
        states, last = self.encoder.read(x, lengths)
        return states, last, index, lengths

    def forward(self, words: Tensor, grams: Tensor, offsets: Tensor, index: Tensor, seen: Tensor) -> Tensor:
        """Logits [B, K]; see ``Embedding.forward``. ``seen`` [B, T] is False on padding, at either side."""
        states, last, _, lengths = self.read(words, grams, offsets, index, seen)
        return self.answer(states, last, lengths)

    def answer(self, states: Tensor, last: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, K] of what the encoder made of texts of ``lengths`` [B] steps."""
        if self.attention is None:
            pooled = self.encoder.last_of(last)
        else:
            real = _real(lengths, states.shape[1])
            pooled = self.attention(states, real)[0]
            if self.pooling == "both":
                most = states.masked_fill(~real[..., None], float("-inf")).amax(dim=1)
                pooled = torch.cat([pooled, most], dim=-1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    def depths(self) -> list[list[nn.Parameter]]:
        """Parameters from the head down to the embedding: for learning rates and unfreezing by depth."""
        pool = [] if self.attention is None else list(self.attention.parameters())
        return [[*self.head.parameters(), *pool], list(self.encoder.parameters()), list(self.embedding.parameters())]


def _real(lengths: Tensor, n_steps: int) -> Tensor:
    return torch.arange(n_steps, device=lengths.device)[None] < lengths[:, None]


class NeighbourNet(nn.Module):
    """For pretraining: each forward state names the word after it, each backward state the one before; no label is needed.

    The encoder has one layer, or one direction: two bidirectional layers would be shown what they should name.

    Source: the pretraining of ULMFiT (Howard and Ruder 2018, arXiv:1801.06146), in both directions at once.
    """

    def __init__(self, net: TextNet, dropout: float = 0.3) -> None:
        super().__init__()
        self.net = net
        weights = net.embedding.words.weight
        self.project = nn.ModuleList(
            nn.Linear(net.encoder.core.hidden_size, weights.shape[1]) for _ in range(2 if net.encoder.bidirectional else 1)
        )  # fmt: skip
        self.bias = nn.Parameter(torch.zeros(len(weights)))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, words: Tensor, grams: Tensor, offsets: Tensor, index: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(logits [M, V], words [M] that stand there) of all neighbours in the batch."""
        states, _, index, lengths = self.net.read(words, grams, offsets, index, seen)
        ids, n = words[index], self.net.encoder.core.hidden_size
        pair = _real(lengths, states.shape[1])[:, 1:]
        said, answers = [self.project[0](self.dropout(states[:, :-1, :n][pair]))], [ids[:, 1:][pair]]
        if self.net.encoder.bidirectional:
            said.append(self.project[1](self.dropout(states[:, 1:, n:][pair])))
            answers.append(ids[:, :-1][pair])
        return functional.linear(torch.cat(said), self.net.embedding.words.weight, self.bias), torch.cat(answers)


class LanguageNet(nn.Module):
    """The next token at every step: embedding, recurrent layers, a head that may share the embedding's weights.

    It carries its state from batch to batch of one running text.

    Args:
        tie: the head is the embedding (Press and Wolf 2017, doi:10.18653/v1/E17-2025).
        dropout, input_dropout: one mask for all steps, after the last layer and before the first one.
        weight_drop: see ``RecurrentEncoder``.
    """

    def __init__(
        self, n_tokens: int, size: int, cell: str, hidden: int, *, layers: int = 1, dropout: float = 0.0,
        input_dropout: float = 0.0, weight_drop: float = 0.0, tie: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.words = nn.Embedding(n_tokens, size)
        nn.init.normal_(self.words.weight, std=0.1)
        self.encoder = RecurrentEncoder(cell, size, hidden, layers=layers, dropout=dropout, weight_drop=weight_drop)
        self.encoder.start_for_text()
        self.dropout, self.input_dropout = dropout, input_dropout
        self.project = nn.Linear(hidden, size) if tie and hidden != size else None
        self.head = nn.Linear(size if tie else hidden, n_tokens)
        nn.init.zeros_(self.head.bias)
        if tie:
            self.head.weight = self.words.weight

    def read(self, ids: Tensor, state: State = None) -> tuple[Tensor, State]:
        """(what the head reads, [B, T, N] or [B, T, E], after each of ids [B, T], state after the last one)."""
        x = locked_dropout(self.words(ids), self.input_dropout, self.training)
        out, state = self.encoder(x, state)
        out = locked_dropout(out, self.dropout, self.training)
        return (out if self.project is None else self.project(out)), state

    def forward(self, ids: Tensor, state: State = None) -> tuple[Tensor, State]:
        """(logits [B, T, V] of the token after each of ids [B, T], state after the last one)."""
        out, state = self.read(ids, state)
        return self.head(out), state
