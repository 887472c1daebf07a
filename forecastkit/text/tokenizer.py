"""From text to numbers and back: words, characters, or pieces of words learnt from the training text alone.

Ids 0 to 3 are padding, unknown, start and end. A vocabulary is built from training rows; a word that comes less often
than ``min_count`` there is unknown, in training too, so that the network learns what to do with unknown words.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecastkit.errors import ConfigError, near

__all__ = ["BOS", "EOS", "LEVELS", "PAD", "UNK", "Tokenizer", "pad", "split_words"]

PAD, UNK, BOS, EOS = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
LEVELS = ("word", "char", "subword")
END = "\u2581"
"""Begins each word of the subword level, as a blank would."""

_WORD = re.compile(r"\n|\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|_+|[^\w\s]", re.UNICODE)


def split_words(text: str) -> list[str]:
    """Words, numbers and single signs; a line end is a token.

    >>> split_words("¿Qué tal? It's 3,5 % up!")
    ['¿', 'Qué', 'tal', '?', "It's", '3,5', '%', 'up', '!']
    """
    return _WORD.findall(text)


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """A vocabulary of one level.

    Args:
        level: ``word``, ``char`` or ``subword``.
        tokens: token of each id; the first four are special.
        lower: texts are read in lower case.
        merges: of the subword level, in the order learnt.
    """

    level: str
    tokens: tuple[str, ...]
    lower: bool = False
    merges: tuple[tuple[str, str], ...] = ()
    _ids: dict[str, int] = field(default_factory=dict, repr=False)
    _ranks: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)
    _pieces: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._ids.update({token: k for k, token in enumerate(self.tokens)})
        self._ranks.update({pair: k for k, pair in enumerate(self.merges)})

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def learn(
        cls, texts: Iterable[str], level: str = "word", *, size: int = 20_000, min_count: int = 1, lower: bool = False
    ) -> Tokenizer:
        """A vocabulary of at most ``size`` tokens, the frequent ones first.

        Raises:
            ConfigError: no such level, or a size with no room for a token.

        Source of the subword level: Sennrich, Haddow and Birch (2016), doi:10.18653/v1/P16-1162.
        """
        if level not in LEVELS:
            raise ConfigError(place="--level", value=repr(level), rule="no such level", remedy=near(level, LEVELS))
        if size <= len(SPECIAL):
            raise ConfigError(place="vocabulary size", value=str(size), rule=f"more than {len(SPECIAL)} is needed")
        texts = [t.lower() if lower else t for t in texts]
        if level == "subword":
            return cls(level, *_learn_pieces(texts, size, lower))
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split_words(text) if level == "word" else text)
        kept = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
        return cls(level, (*SPECIAL, *kept[: size - len(SPECIAL)]), lower)

    def split(self, text: str) -> list[str]:
        """Tokens of a text, known or not."""
        text = text.lower() if self.lower else text
        if self.level == "char":
            return list(text)
        words = split_words(text)
        if self.level == "word":
            return words
        return [piece for word in _marked(text) for piece in self._piece(word)]

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without start and end."""
        ids = self._ids
        return [ids.get(token, UNK) for token in self.split(text)]

    def id_of(self, token: str) -> int:
        """Id of a token; ``UNK`` where it is not known."""
        return self._ids.get(token, UNK)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; special ones are left out, but unknown is shown."""
        tokens = [self.tokens[i] for i in ids if i not in (PAD, BOS, EOS)]
        if self.level == "char":
            return "".join(tokens)
        if self.level == "subword":
            return "".join(tokens).replace(END, " ").strip()
        return _joined(tokens)

    def _piece(self, word: str) -> list[str]:
        if word not in self._pieces:
            parts = list(word)
            while len(parts) > 1:
                ranked = [(self._ranks.get(pair, 1 << 30), k) for k, pair in enumerate(zip(parts, parts[1:]))]
                best, at = min(ranked)
                if best == 1 << 30:
                    break
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            self._pieces[word] = parts
        return self._pieces[word]

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "level": self.level,
            "tokens": list(self.tokens),
            "lower": self.lower,
            "merges": [list(m) for m in self.merges],
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Tokenizer:
        """The tokenizer of ``state()``."""
        return cls(
            state["level"], tuple(state["tokens"]), bool(state["lower"]), tuple((a, b) for a, b in state["merges"])
        )


def _marked(text: str) -> list[str]:
    """Words that begin with a mark where a blank stood before them."""
    out, end = [], -1
    for found in _WORD.finditer(text):
        out.append(END + found.group() if found.start() != end else found.group())
        end = found.end()
    return out


def _learn_pieces(
    texts: list[str], size: int, lower: bool
) -> tuple[tuple[str, ...], bool, tuple[tuple[str, str], ...]]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_marked(text))
    words = [list(w) for w in counts]
    weight = list(counts.values())
    letters = Counter[str]()
    pairs: Counter[tuple[str, str]] = Counter()
    where: dict[tuple[str, str], set[int]] = defaultdict(set)
    for k, word in enumerate(words):
        for letter in word:
            letters[letter] += weight[k]
        for pair in zip(word, word[1:]):
            pairs[pair] += weight[k]
            where[pair].add(k)
    vocabulary = sorted(letters, key=lambda t: (-letters[t], t))[: size - len(SPECIAL)]
    merges = []
    while len(vocabulary) + len(SPECIAL) < size and pairs:
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] < 2:
            break
        merges.append(best)
        vocabulary.append(best[0] + best[1])
        for k in where.pop(best):
            word, n = words[k], weight[k]
            for pair in zip(word, word[1:]):
                pairs[pair] -= n
                if pairs[pair] <= 0:
                    del pairs[pair]
            joined: list[str] = []
            i = 0
            while i < len(word):
                if i + 1 < len(word) and (word[i], word[i + 1]) == best:
                    joined.append(best[0] + best[1])
                    i += 2
                else:
                    joined.append(word[i])
                    i += 1
            words[k] = joined
            for pair in zip(joined, joined[1:]):
                pairs[pair] += n
                where[pair].add(k)
    return (*SPECIAL, *dict.fromkeys(vocabulary)), lower, tuple(merges)


_NO_BLANK_BEFORE = frozenset(".,;:!?%)]}»”…\n")
_NO_BLANK_AFTER = frozenset("¿¡([{«“\n")


def _joined(tokens: Sequence[str]) -> str:
    """Words as a sentence: signs stand where they are printed."""
    out = ""
    for token in tokens:
        glued = not out or token in _NO_BLANK_BEFORE or out[-1] in _NO_BLANK_AFTER
        out += token if glued else f" {token}"
    return out


def pad(
    sequences: Sequence[Sequence[int]], *, length: int | None = None, side: str = "end", cut: str = "end"
) -> tuple[np.ndarray, np.ndarray]:
    """(ids [B, T] int64 with ``PAD``, lengths [B]) of sequences.

    Args:
        length: T; None = the longest one. Longer ones lose their ``cut``: ``start`` or ``end``.
        side: where the padding stands, ``start`` or ``end``.

    >>> pad([[5, 6, 7], [8]], length=2, side="start", cut="start")[0].tolist()
    [[6, 7], [0, 8]]
    """
    longest = max((len(s) for s in sequences), default=0)
    length = longest if length is None else length
    out = np.full((len(sequences), max(length, 1)), PAD, dtype=np.int64)
    lengths = np.zeros(len(sequences), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        kept = list(sequence[:length]) if cut == "end" else list(sequence[max(len(sequence) - length, 0) :])
        lengths[row] = len(kept)
        if side == "end":
            out[row, : len(kept)] = kept
        else:
            out[row, out.shape[1] - len(kept) :] = kept
    return out, lengths
