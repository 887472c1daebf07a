"""From text to numbers and back: words, characters, pieces of words learnt from the training text alone, or symbols.

Ids 0 to 3 are padding, unknown, start and end. A vocabulary is built from training rows; a word that comes less often
than ``min_count`` there is unknown, in training too, so that the network learns what to do with unknown words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecastkit.errors import ConfigError, near

__all__ = ["BOS", "EOS", "LEVELS", "PAD", "UNK", "Tokenizer", "pad", "split_symbols", "split_words"]

PAD, UNK, BOS, EOS = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
LEVELS = ("word", "char", "subword", "symbol")
_DIGIT = re.compile(r"\d")
_SYMBOL = re.compile(r"\n|\S+")
_WORD = re.compile(r"\n|\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|_+|[^\w\s]", re.UNICODE)


def split_words(text: str) -> list[str]:
    """Words, numbers and single signs; a line end is a token.

    >>> split_words("¿Qué tal? It's 3,5 % up!")
    ['¿', 'Qué', 'tal', '?', "It's", '3,5', '%', 'up', '!']
    """
    return _WORD.findall(text)


def split_symbols(text: str) -> list[str]:
    r"""What stands between blanks, as it is: notes, codes, moves. A line end is a token.

    >>> split_symbols("E2 ^F/2 | G4 |]\nC2")
    ['E2', '^F/2', '|', 'G4', '|]', '\n', 'C2']
    """
    return _SYMBOL.findall(text)


NAME = "¤"
"""Stands for words with a capital letter inside a sentence."""


def without_names(words: Sequence[str]) -> list[str]:
    """Words with a capital letter inside a sentence as one ``NAME``, several in a row as well.

    >>> without_names(["Sales", "of", "Nokia", "Oyj", "rose", "again", "."])
    ['Sales', 'of', '¤', 'rose', 'again', '.']
    """
    alphabetic = [w for w in words if w[0].isalpha()]
    if 2 * sum(w[0].isupper() for w in alphabetic) > len(alphabetic):
        return list(words)
    out: list[str] = []
    begins = True
    for word in words:
        if not begins and word[0].isupper() and len(word) > 1:
            if out[-1] != NAME:
                out.append(NAME)
        else:
            out.append(word)
        begins = word in ".!?"
    return out


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """A vocabulary of one level.

    Args:
        level: ``word``, ``char``, ``subword`` or ``symbol`` (what stands between blanks).
        tokens: token of each id; the first four are special.
        lower: texts are read in lower case.
        digits: False = every digit is read as 0, so that numbers are known by their form.
        names: False = words of the word level with a capital letter inside a sentence are read as one, and so are several in
            a row: who is spoken of then says nothing. Texts in which most words have one stay as they are.
        pieces: of the subword level, what the package ``tokenizers`` writes of itself (JSON).
    """

    level: str
    tokens: tuple[str, ...]
    lower: bool = False
    digits: bool = True
    names: bool = True
    pieces: str = ""
    _ids: dict[str, int] = field(default_factory=dict, repr=False)
    _backend: list[Any] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._ids.update({token: k for k, token in enumerate(self.tokens)})
        if self.level == "subword":
            from tokenizers import Tokenizer as Backend

            backend = Backend.from_str(self.pieces)
            # "<s>" in somebody's text is four characters, not a command.
            backend.encode_special_tokens = True
            self._backend.append(backend)

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def learn(
        cls, texts: Iterable[str], level: str = "word", *, size: int = 20_000, min_count: int = 1, lower: bool = False,
        digits: bool = True, names: bool = True,
    ) -> Tokenizer:  # fmt: skip
        """A vocabulary of at most ``size`` tokens, the frequent ones first.

        Raises:
            ConfigError: no such level, or a size with no room for a token.

        Source of the subword level: Sennrich, Haddow and Birch (2016), doi:10.18653/v1/P16-1162.
        """
        if level not in LEVELS:
            raise ConfigError(place="--level", value=repr(level), rule="no such level", remedy=near(level, LEVELS))
        if size <= len(SPECIAL):
            raise ConfigError(place="vocabulary size", value=str(size), rule=f"more than {len(SPECIAL)} is needed")
        if level == "subword":
            backend = _pieces([_plain(t, lower, digits) for t in texts], size)
            known = backend.get_vocab()
            return cls(level, tuple(sorted(known, key=lambda t: known[t])), lower, digits, names, backend.to_str())
        counts: Counter[str] = Counter()
        reader = cls(level, SPECIAL, lower, digits, names)
        for text in texts:
            counts.update(reader.split(text))
        kept = sorted((t for t, n in counts.items() if n >= min_count), key=lambda t: (-counts[t], t))
        return cls(level, (*SPECIAL, *kept[: size - len(SPECIAL)]), lower, digits, names)

    def split(self, text: str) -> list[str]:
        """Tokens of a text, known or not."""
        if self.level == "word":
            words = split_words(text) if self.names else without_names(split_words(text))
            return [_plain(word, self.lower, self.digits) for word in words]
        text = _plain(text, self.lower, self.digits)
        if self.level == "char":
            return list(text)
        if self.level == "symbol":
            return split_symbols(text)
        return list(self._backend[0].encode(text, add_special_tokens=False).tokens)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without start and end."""
        if self.level == "subword":
            text = _plain(text, self.lower, self.digits)
            return list(self._backend[0].encode(text, add_special_tokens=False).ids)
        ids = self._ids
        return [ids.get(token, UNK) for token in self.split(text)]

    def id_of(self, token: str) -> int:
        """Id of a token; ``UNK`` where it is not known."""
        return self._ids.get(token, UNK)

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; special ones are left out, but unknown is shown."""
        known = [i for i in ids if i not in (PAD, BOS, EOS)]
        if self.level == "subword":
            return str(self._backend[0].decode(known, skip_special_tokens=False))
        tokens = [self.tokens[i] for i in known]
        if self.level == "symbol":
            return " ".join(tokens).replace(" \n ", "\n").replace(" \n", "\n")
        return "".join(tokens) if self.level == "char" else _joined(tokens)

    def state(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "level": self.level,
            "tokens": list(self.tokens),
            "lower": self.lower,
            "digits": self.digits,
            "names": self.names,
            "pieces": self.pieces,
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Tokenizer:
        """The tokenizer of ``state()``."""
        return cls(
            state["level"],
            tuple(state["tokens"]),
            bool(state["lower"]),
            bool(state["digits"]),
            bool(state["names"]),
            str(state["pieces"]),
        )


def _plain(text: str, lower: bool, digits: bool) -> str:
    text = text.lower() if lower else text
    return text if digits else _DIGIT.sub("0", text)


def _pieces(texts: list[str], size: int) -> Any:
    """A tokenizer of pieces: words begin with a mark where a blank stood, signs and line ends stand alone."""
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend

    backend = Backend(models.BPE(unk_token=SPECIAL[UNK]))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            pre_tokenizers.Punctuation("isolated"),
        ]
    )
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=list(SPECIAL), show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return backend


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
