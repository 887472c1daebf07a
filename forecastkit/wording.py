"""How verdicts say things, for every task."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

__all__ = ["decimal_comma", "no_network", "none_fitted", "share"]


def decimal_comma(text: str) -> str:
    """Numbers as Spanish writes them.

    >>> decimal_comma("F1 0.98, 12.5 %.")
    'F1 0,98, 12,5 %.'
    """
    return re.sub(r"(\d)\.(\d)", r"\1,\2", text)


def share(x: float) -> str:
    """A share as a sentence says it; a dash where it is not known.

    >>> share(0.125), share(float("nan"))
    ('12.5 %', '–')
    """
    return f"{100 * x:.1f} %" if math.isfinite(x) else "–"


def no_network(use: str) -> dict[str, list[str]]:
    """The sentences of a verdict where no network ran.

    >>> no_network("tfidf")["es"]
    ['Usa tfidf. No se comparó ninguna red.']
    """
    return {"en": [f"Use {use}. No network was compared."], "es": [f"Usa {use}. No se comparó ninguna red."]}


def none_fitted(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """The sentences of a verdict where every model failed, and why; one reason of several models is said once.

    >>> none_fitted({"pca": "too few rows.", "gru": "too few rows."})["en"]
    ['No model could be fitted.', 'pca, gru: too few rows.']
    """
    models: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        models.setdefault(reason, []).append(name)
    why = [f"{', '.join(names)}: {reason}" for reason, names in models.items()]
    return {"en": ["No model could be fitted.", *why], "es": ["Ningún modelo se pudo ajustar.", *why]}
