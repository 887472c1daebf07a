"""How verdicts say things, for every task."""

from __future__ import annotations

import re

__all__ = ["decimal_comma", "no_network"]


def decimal_comma(text: str) -> str:
    """Numbers as Spanish writes them.

    >>> decimal_comma("F1 0.98, 12.5 %.")
    'F1 0,98, 12,5 %.'
    """
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text)


def no_network(use: str) -> dict[str, list[str]]:
    """The sentences of a verdict where no network ran.

    >>> no_network("tfidf")["es"]
    ['Usa tfidf. No se comparó ninguna red.']
    """
    return {"en": [f"Use {use}. No network was compared."], "es": [f"Usa {use}. No se comparó ninguna red."]}
