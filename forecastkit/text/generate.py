"""From probabilities of the next token to a text: temperature, the likeliest k, the likeliest share p."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecastkit.errors import ConfigError, DataError
from forecastkit.text.clean import clean
from forecastkit.text.tokenizer import BOS, EOS, PAD, UNK

__all__ = ["choose", "complete", "generate", "prompt_ids", "sharpened"]

NEVER = (PAD, UNK, BOS, EOS)


def sharpened(p: np.ndarray, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> np.ndarray:
    """Probabilities [V] after temperature, then the ``top_k`` likeliest, then the likeliest that reach ``top_p`` together.

    Source of the last: Holtzman et al. (2020), arXiv:1904.09751.

    >>> sharpened(np.array([0.5, 0.3, 0.2]), top_k=2).round(3).tolist()
    [0.625, 0.375, 0.0]
    """
    if not temperature >= 0 or not np.isfinite(temperature):
        raise ConfigError(place="--temperature", value=str(temperature), rule="a number from 0")
    if top_k < 0:
        raise ConfigError(place="--top-k", value=str(top_k), rule="0 or more")
    if not 0 < top_p <= 1:
        raise ConfigError(place="--top-p", value=str(top_p), rule="above 0 and at most 1")
    p = np.asarray(p, np.float64)
    if temperature == 0:
        out = np.zeros_like(p)
        out[int(p.argmax())] = 1.0
        return out
    z = np.log(np.maximum(p, 1e-300)) / temperature
    p = np.exp(z - z.max())
    order = np.argsort(-p, kind="stable")
    keep = np.ones(len(p), bool)
    if top_k:
        keep[order[top_k:]] = False
    if top_p < 1:
        share = np.cumsum(p[order] * keep[order]) / (p * keep).sum()
        # The one that reaches the share belongs to them.
        keep[order[np.r_[False, share[:-1] >= top_p]]] = False
    p = p * keep
    scaled: np.ndarray = p / p.sum()
    return scaled


def choose(p: np.ndarray, rng: np.random.Generator, **how: Any) -> int:
    """A token drawn from ``sharpened`` probabilities."""
    q = sharpened(p, **how)
    return int(np.searchsorted(np.cumsum(q), rng.random() * (1 - 1e-12), side="right").clip(0, len(q) - 1))


def prompt_ids(tokenizer: Any, prompt: str) -> list[int]:
    """Ids of a prompt.

    Raises:
        DataError: it has words, and not one is known.
    """
    prompt = clean(prompt, lines=True)
    ids: list[int] = tokenizer.encode(prompt)
    if ids and all(i == UNK for i in ids):
        shown = prompt if len(prompt) <= 60 else prompt[:57] + "..."
        raise DataError(place="prompt", value=repr(shown), rule="none of its words was in the training text", remedy="Begin with other words.")  # fmt: skip
    return ids


def _without(p: np.ndarray, never: Sequence[int]) -> np.ndarray:
    q = p.copy()
    q[list(never)] = 0.0
    total = q.sum()
    return q / total if total > 0 else np.full(len(q), 1 / len(q))


def _from_line(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    """The ids with the end of a line before them: what is said begins a line, and a network has read no text without that."""
    line = tokenizer.id_of("\n")
    return [line, *ids] if line != UNK or not ids else list(ids)


def complete(model: Any, prompt: str, top: int = 5) -> list[tuple[str, float]]:
    """The likeliest next tokens and their probabilities."""
    ids = _from_line(model.tokenizer, prompt_ids(model.tokenizer, prompt))
    p = _without(model.next(np.array(ids, np.int64)), NEVER)
    order = [i for i in np.argsort(-p, kind="stable")[:top] if i not in NEVER]
    return [(model.tokenizer.tokens[i], float(p[i])) for i in order]


def generate(
    model: Any, prompt: str, *, n_tokens: int = 80, temperature: float = 0.8, top_k: int = 0, top_p: float = 1.0, seed: int = 1, n_lines: int = 0
) -> str:  # fmt: skip
    """The prompt and at most ``n_tokens`` more, or as many as end ``n_lines`` lines; the same seed gives the same text."""
    rng = np.random.default_rng(seed)
    ids = prompt_ids(model.tokenizer, prompt)
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    start, end = _from_line(model.tokenizer, ids), model.tokenizer.id_of("\n")

    def done() -> bool:
        return bool(n_lines) and ids[-1] == end and ids.count(end) >= n_lines

    if hasattr(model, "walker"):
        walk = model.walker()
        p = walk(np.array(start))
        for _ in range(n_tokens):
            ids.append(choose(_without(p, NEVER), rng, **how))
            if done():
                break
            p = walk(np.array(ids[-1:]))
    else:
        for _ in range(n_tokens):
            p = model.next(np.array(_from_line(model.tokenizer, ids), np.int64)[-12:])
            ids.append(choose(_without(p, NEVER), rng, **how))
            if done():
                break
    decoded: str = model.tokenizer.decode(ids)
    return decoded
