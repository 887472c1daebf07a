"""How sentences of verdicts write numbers, for every task."""

from __future__ import annotations

import re

__all__ = ["decimal_comma"]


def decimal_comma(text: str) -> str:
    """Numbers as Spanish writes them.

    >>> decimal_comma("F1 0.98, 12.5 %.")
    'F1 0,98, 12,5 %.'
    """
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text)
