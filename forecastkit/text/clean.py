"""One text as models read it: composed Unicode, no invisible marks, no runs of blanks. What was done is counted.

1. NFC: a letter and its accent are one character. NFKC is not used: it would make "10²" into "102".
2. Control characters, lone surrogates, soft hyphens, zero-width spaces and marks of writing direction go; they show nothing
   and would make two words of one. The zero-width joiner stays where it joins emoji.
3. Any run of blanks is one space; with ``lines=True`` line ends stay.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["LONGEST", "clean", "is_empty"]

LONGEST = 20_000
"""Characters of a single text that are read; the rest is cut and counted."""

_MARKS = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BLANK = re.compile(r"\s+")
_BLANK_IN_LINE = re.compile(r"[^\S\n]+")
_JOINER = re.compile("(?<![\u2190-\u3299\ufe0f\U0001f000-\U0001faff])\u200d")


def clean(text: str, *, lines: bool = False) -> str:
    r"""The text as models read it.

    Args:
        lines: keep line ends.

    >>> clean("Cafe\u0301 \u202ebueno\x00!\n ")
    'Café bueno !'
    """
    text = _MARKS.sub("", text)
    text = _JOINER.sub("", _CONTROL.sub(" ", text))
    text = unicodedata.normalize("NFC", text)
    if lines:
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n").replace("\u2028", "\n")
        return _BLANK_IN_LINE.sub(" ", text)
    return _BLANK.sub(" ", text).strip()


def is_empty(text: str) -> bool:
    r"""Whether nothing is left to read.

    >>> is_empty(clean("\u200b \t")), is_empty("ok")
    (True, False)
    """
    return not text.strip()
