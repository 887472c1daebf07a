"""Files that are either whole or not there, and models that load without running code.

Every file is written beside its name and renamed. A model is ``weights.safetensors`` (arrays, nothing executable)
and ``model.json`` (format version, checksum of the weights, facts).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from forecastkit.errors import DataError, ModelFileError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MODEL_FORMAT",
    "json_rows",
    "load_meta",
    "load_model",
    "read_state",
    "save_model",
    "to_csv_text",
    "unquoted",
    "versions",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_parquet",
    "write_state",
    "write_text",
    "write_yaml",
]

MODEL_FORMAT = 1
WEIGHTS, META = "weights.safetensors", "model.json"
LIBRARIES = ("numpy", "pandas", "torch", "pytorch-lightning", "statsforecast", "statsmodels", "scikit-learn")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that begins so would be run by a spreadsheet; it is written with an apostrophe before it."""


def _write(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Fill a file aside, flush it to disk, and rename it.

    Raises:
        DataError: full disk, no permission, a folder of that name.
    """
    temporary = None
    try:
        if path.is_symlink():
            path = path.resolve()  # the file changes, and not the link to it
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            # A device or a pipe is written to; a file renamed over it would take its place.
            with path.open("wb") as file:
                fill(file)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only the owner reads; a result is an ordinary file.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
        temporary = None
        _keep_name(path.parent)
    except OSError as error:
        raise DataError(
            place=str(path),
            value=error.strerror or type(error).__name__,
            rule="the file cannot be written",
            remedy="Free some space, or give another place with --out.",
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _keep_name(folder: Path) -> None:
    """After a power cut the new name is there too; only POSIX can flush a folder, and some file systems refuse."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    _write(path, lambda file: file.write(content))


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    write_bytes(path, content.encode("utf-8", errors="replace"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON; NaN and infinity are null, since JSON has neither."""
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows by column name as JSON has them: undefined numbers are None, times are text."""
    return [
        {str(key): value.isoformat() if hasattr(value, "isoformat") else _plain(value) for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write YAML of plain values."""
    import yaml

    write_text(path, yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True, width=100))


def _plain(value: Any) -> Any:
    """Values of numpy, paths and tuples as what JSON and YAML have."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV: ISO times, shortest digits that read back to the same float.

    Text that a spreadsheet would take for a formula (it begins with ``= + - @``, tab or CR) gets an apostrophe
    before it; numbers are untouched.
    """
    write_text(path, to_csv_text(table))


def to_csv_text(table: pd.DataFrame) -> str:
    """The text of ``write_csv``."""
    import pandas as pd

    safe = {}
    for name in table.columns:
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
            column = column.map(_harmless)
        elif isinstance(column.dtype, (np.dtype, pd.DatetimeTZDtype)) and column.dtype.kind == "M":
            column = _iso(column)
        safe[name] = column
    buffer = io.StringIO()
    out = pd.DataFrame(safe, columns=table.columns)
    out.columns = [_harmless(c) for c in table.columns]
    out.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()


def _harmless(value: Any) -> Any:
    # Apostrophes that were there before get one more, so that reading can take one away.
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA) else value


def unquoted(value: Any) -> Any:
    """The text that ``write_csv`` was given.

    >>> unquoted("'=1+1"), unquoted("it's"), unquoted("'quoted'")
    ('=1+1', "it's", "'quoted'")
    """
    quoted = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA)
    return value[1:] if quoted else value


def _iso(column: pd.Series) -> pd.Series:
    import pandas as pd

    index = pd.DatetimeIndex(column)
    midnight = index.tz is None and bool((index.isna() | (index == index.normalize())).all())
    unique, codes = np.unique(index.asi8, return_inverse=True)
    stamps = pd.DatetimeIndex(unique.astype(f"datetime64[{index.unit}]"))
    if index.tz is not None:
        stamps = stamps.tz_localize("UTC").tz_convert(index.tz)
    written = (lambda t: t.strftime("%Y-%m-%d")) if midnight else pd.Timestamp.isoformat
    texts = np.array([None if t is pd.NaT else written(t) for t in stamps], dtype=object)
    return pd.Series(texts[codes] if len(texts) else np.array([], dtype=object), index=column.index)


def write_parquet(path: Path, table: pd.DataFrame) -> str:
    """Write a table as Parquet (zstd); returns the SHA-256 of the file."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    content = buffer.getvalue()
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def save_model(folder: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and facts; floats and int64 keep every bit.

    Args:
        arrays: numeric arrays; text belongs into ``meta``.
        meta: JSON-able.

    Raises:
        DataError: cannot be written.
    """
    from safetensors.numpy import save

    weights = save({name: np.ascontiguousarray(value) for name, value in arrays.items()})
    facts = {
        "format_version": MODEL_FORMAT,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "versions": versions(),
        "meta": _plain(meta),
    }
    facts["meta_sha256"] = _digest(facts["meta"])
    write_bytes(folder / WEIGHTS, weights)
    write_json(folder / META, facts)


def write_state(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Arrays and facts in one file, whole or not at all; for what only the same run reads again.

    Args:
        meta: JSON-able; floats and NaN keep every bit.
    """
    from safetensors.numpy import save

    # ascontiguousarray would give a single number an axis.
    solid = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    write_bytes(path, save(solid, metadata={"meta": json.dumps(meta)}))


def read_state(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """(arrays, meta) of ``write_state``; None where there is no such file or it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            meta = json.loads((file.metadata() or {})["meta"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return (arrays, meta) if isinstance(meta, dict) else None


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that numbers come from, as far as installed."""
    import platform
    from importlib import metadata

    from forecastkit import __version__

    found = {"forecastkit": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _digest(meta: Any) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def load_model(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, meta) of ``save_model``; runs no code from the files.

    Raises:
        ModelFileError: missing, truncated, edited, swapped, or of a newer format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    facts = _facts(folder)
    path = folder / WEIGHTS
    content = _bytes(path)
    if hashlib.sha256(content).hexdigest() != facts.get("sha256"):
        raise _damaged(path, "its checksum is not the one in model.json")
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, str(error)) from None
    return dict(arrays), facts["meta"]


def load_meta(folder: Path) -> dict[str, Any]:
    """The facts of a saved model without its arrays.

    Raises:
        ModelFileError: as ``load_model``.
    """
    return dict(_facts(folder)["meta"])


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / META
    try:
        facts = json.loads(_bytes(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(facts, dict) or not isinstance(facts.get("format_version"), int):
        raise _damaged(path, "not a model of forecastkit")
    if facts["format_version"] > MODEL_FORMAT:
        raise ModelFileError(
            place=str(path),
            value=f"format {facts['format_version']}",
            rule=f"this forecastkit reads formats up to {MODEL_FORMAT}",
            remedy="Install a newer forecastkit.",
        )
    if not isinstance(facts.get("meta"), dict) or _digest(facts["meta"]) != facts.get("meta_sha256"):
        raise _damaged(path, "its content was changed")
    return facts


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(place=str(path), rule="missing", remedy="Run fit again.") from None
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from None


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(place=str(path), value=" ".join(why.split())[:120], rule="damaged", remedy="Run fit again.")
