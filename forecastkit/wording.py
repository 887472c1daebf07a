"""How verdicts say things, for every task."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

__all__ = ["amount", "decimal_comma", "no_network", "none_fitted", "p_value", "share"]


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


def amount(x: float, lang: str = "en") -> str:
    """A sum in three digits.

    >>> amount(1234.5), amount(0.01234, "es")
    ('1,234', '0,0123')
    """
    if not math.isfinite(x):
        return "?"
    text = f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"
    return text.translate(str.maketrans(",.", ".,")) if lang == "es" else text


def share(x: float, lang: str = "en") -> str:
    """A share in per cent; a dash where it is not known.

    >>> share(0.0912), share(-0.005, "es"), share(math.nan)
    ('9.1 %', '-0,5 %', '–')
    """
    if not math.isfinite(x):
        return "–"
    text = f"{100 * x:.1f} %"
    return decimal_comma(text) if lang == "es" else text


def p_value(p: float, lang: str = "en") -> str:
    """A p-value.

    >>> p_value(0.314), p_value(0.0001, "es")
    ('p = 0.31', 'p < 0,001')
    """
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0095 else f"p = {p:.2f}"
    return decimal_comma(text) if lang == "es" else text


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
