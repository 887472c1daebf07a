"""Pretrained word vectors from a local file or folder, or from files inside an installed package; nothing is downloaded, and no
code of the package runs.

Known forms: text, one word a line and its numbers (GloVe; word2vec and fastText with a first line of counts), also gzipped; or
a safetensors matrix of pieces of words with the JSON of its tokenizer beside it (the package wordllama).
"""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.errors import ConfigError, DataError

__all__ = ["word_vectors"]

PACKAGE = "package:"
TEXT_ENDS = (".vec", ".txt", ".vec.gz", ".txt.gz")
FEWEST_NUMBERS = 10
"""Numbers after a word that make a file one of vectors."""
_UNREADABLE = (OSError, ValueError, EOFError, zlib.error)


def word_vectors(source: str, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """([V, D] float32 vectors of ``words``, [V] whether each was found); rows not found are 0.

    Args:
        source: file, folder, or ``package:NAME`` of an installed package.

    Raises:
        ConfigError: no such file or package, or no vectors in it.
        DataError: a damaged file.
    """
    root, place = _root(source)
    matrix = _pieces_in(root)
    if matrix is not None:
        return _from_pieces(*matrix, words)
    texts = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.name.endswith(TEXT_ENDS))
    texts = [p for p in texts if _looks_like_vectors(p)]
    if not texts:
        raise ConfigError(
            place=place, rule="no word vectors in it",
            remedy="Give a file of GloVe, word2vec or fastText as text, or package:wordllama.",
        )  # fmt: skip
    return _from_text(texts[0], words)


def _root(source: str) -> tuple[Path, str]:
    if not source.startswith(PACKAGE):
        root = Path(source).expanduser()
        if not root.exists():
            raise ConfigError(place=f"vectors {source}", rule="no such file or folder", remedy="Nothing is downloaded: put the file there, or name an installed package with package:NAME.")  # fmt: skip
        return root, f"vectors {source}"
    name = source.removeprefix(PACKAGE)
    # The package is found, not imported: none of its code runs.
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(place=f"vectors {source}", rule="no such package is installed", remedy='Install one: pip install "forecastkit[pretrained]" for package:wordllama.')  # fmt: skip
    return Path(next(iter(spec.submodule_search_locations))), f"vectors {source}"


def _pieces_in(root: Path) -> tuple[Path, Path] | None:
    if root.is_file():
        return None
    weights = sorted(root.rglob("*.safetensors"))
    tokenizers = sorted(p for p in root.rglob("*.json") if "tokenizer" in p.name)
    return (weights[0], tokenizers[0]) if weights and tokenizers else None


def _from_pieces(weights: Path, tokenizer: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """A word is the mean of its pieces."""
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        tables = [t for t in load_file(weights).values() if t.ndim == 2]
        backend: Any = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # tokenizers raises it bare
        raise DataError(
            place=str(weights.parent), value=str(error)[:100], rule="vectors or tokenizer are damaged"
        ) from None
    if not tables:
        raise DataError(place=str(weights), rule="no matrix of vectors in it")
    backend.no_truncation()
    backend.no_padding()
    table = max(tables, key=len).astype(np.float32)
    out = np.zeros((len(words), table.shape[1]), np.float32)
    found = np.zeros(len(words), bool)
    for k, one in enumerate(backend.encode_batch(list(words), add_special_tokens=False)):
        ids = [i for i in one.ids if i < len(table)]
        if ids:
            out[k], found[k] = table[ids].mean(axis=0), True
    return out, found


def _lines(path: Path) -> Iterator[str]:
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        yield from file


def _looks_like_vectors(path: Path) -> bool:
    try:
        first = [line for _, line in zip(range(2), _lines(path))]
        return bool(first) and len(_numbers(first[-1])) >= FEWEST_NUMBERS
    except _UNREADABLE:
        return False


def _numbers(line: str) -> np.ndarray:
    return np.array(line.rstrip().split(" ")[1:], np.float32)


def _from_text(path: Path, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    wanted = {word: k for k, word in enumerate(words)}
    rows: dict[int, np.ndarray] = {}
    size = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            at = wanted.get(line[: max(line.find(" "), 0)])
            if at is None or at in rows or (number == 1 and len(line.split()) == 2):
                continue
            rows[at] = _numbers(line)
            size = size or len(rows[at])
            if len(rows[at]) != size or not np.isfinite(rows[at]).all():
                raise ValueError
    except _UNREADABLE:
        raise DataError(place=f"{path}, line {number}", rule=f"a word and {size or 'its'} numbers are needed") from None
    if not rows:
        raise DataError(place=str(path), rule="none of the words of the training texts is in it", remedy="Take vectors of the same language.")  # fmt: skip
    out = np.zeros((len(words), size), np.float32)
    found = np.zeros(len(words), bool)
    for at, row in rows.items():
        out[at], found[at] = row, True
    return out, found
