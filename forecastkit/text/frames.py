"""Sounds and pictures with their texts: rows of numbers that a network reads, and what is said or seen in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from forecastkit.errors import DataError, UnknownNameError, near
from forecastkit.text.clean import is_empty
from forecastkit.text.schema import TEXT_NAMES, bounded, column_of, read_columns

__all__ = ["KINDS", "LABELS", "FramePairs", "frames_of", "kind_of", "pad_frames", "read_frames"]

LABELS = "labels.csv"
KINDS = {".wav": "sounds", ".png": "pictures"}
FEWEST = 20


@dataclass(frozen=True, eq=False)
class FramePairs:
    """N sounds or pictures and the text of each.

    Args:
        source: [T, C] float32 of each: frames of a spectrum, or columns of pixels; C is the same for all.
        target: texts, cleaned, none empty.
        groups: [N] who made each; never on two sides of a split.
        files: names.
        kind: ``sounds`` or ``pictures``.
        skipped: reason -> rows left out.
        name: of the folder.
    """

    source: tuple[np.ndarray, ...]
    target: tuple[str, ...]
    groups: tuple[str, ...]
    files: tuple[str, ...]
    kind: str
    skipped: dict[str, int] = field(default_factory=dict)
    name: str = "frames"

    def __len__(self) -> int:
        return len(self.source)

    def take(self, index: np.ndarray) -> FramePairs:
        """The pairs at ``index``, in that order."""
        index = np.arange(len(self))[index]
        return replace(
            self,
            source=tuple(self.source[i] for i in index),
            target=tuple(self.target[i] for i in index),
            groups=tuple(self.groups[i] for i in index),
            files=tuple(self.files[i] for i in index),
        )


def kind_of(name: str, place: str) -> str:
    """``sounds`` or ``pictures``, by the end of a file's name.

    Raises:
        DataError: neither.
    """
    ending = Path(name).suffix.lower()
    if ending not in KINDS:
        raise DataError(place=place, value=name[:80], rule="neither a WAV nor a PNG file", remedy="Convert it.")
    return KINDS[ending]


def frames_of(path: Path, kind: str) -> np.ndarray:
    """[T, C] float32 of one file.

    Raises:
        DataError: of another kind, or it cannot be read.
    """
    if kind_of(path.name, str(path)) != kind:
        raise DataError(place=str(path), rule=f"the model reads {kind}", remedy=f"Give {kind}.")
    if kind == "pictures":
        from forecastkit.reading.pictures import read_picture

        return read_picture(path)
    from forecastkit.reading.sounds import log_mel, read_wav

    return log_mel(*read_wav(path))


def read_frames(folder: str | Path, *, text: str | None = None, group: str | None = None) -> FramePairs:
    """The files of ``folder/labels.csv``: a column ``file``, one of texts, and perhaps one of who made each.

    Args:
        text: column of texts; None = found by its name.
        group: column of the speaker or maker; None = each file counts as one of its own.

    Raises:
        DataError: no folder, no table, a file that cannot be read, or lies outside, or too few of them.
        UnknownNameError: no such column.
    """
    folder = Path(folder)
    path = folder / LABELS
    if not folder.is_dir() or not path.is_file():
        what = (
            "no such folder" if not folder.exists() else "not a folder" if not folder.is_dir() else f"no {LABELS} in it"
        )
        raise DataError(place=str(folder), rule=what, remedy=f"Give a folder of WAV or PNG files and {LABELS}, which names each file and its text.")  # fmt: skip
    names, rows, lines = read_columns(path)
    place = str(path)
    if "file" not in names:
        raise UnknownNameError(
            place=f"{place}, column", value="'file'", rule="no such column", remedy=near("file", names)
        )
    at = [names.index("file"), column_of(names, text, TEXT_NAMES, "text", place)]
    at += [column_of(names, group, (), "group", place)] if group is not None else []
    kept: list[tuple[str, str, str]] = []
    skipped: Counter[str] = Counter()
    for row, line in zip(rows, lines):
        cells = [row[k].strip() if k < len(row) else "" for k in at]
        said = bounded(cells[1])[0]
        if not cells[0] or is_empty(said):
            skipped["without a file or a text"] += 1
            continue
        if not (folder / cells[0]).resolve().is_relative_to(folder.resolve()):
            raise DataError(
                place=f"{path}, line {line}",
                value=cells[0][:80],
                rule="the file lies outside the folder",
                remedy="Copy it there.",
            )
        kept.append((cells[0], said, (cells[2] or "?") if group is not None else cells[0]))
    if len(kept) < FEWEST:
        raise DataError(place=place, value=f"{len(kept)} files with a text", rule=f"at least {FEWEST} are needed", remedy="Add some.")  # fmt: skip
    files, texts, groups = zip(*kept)
    kinds = Counter(kind_of(name, place) for name in files)
    if len(kinds) > 1:
        found = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        raise DataError(place=place, value=found, rule="sounds or pictures, not both", remedy="Make a folder of each.")
    kind = next(iter(kinds))
    source = tuple(frames_of(folder / name, kind) for name in files)
    return FramePairs(source, texts, groups, files, kind, dict(skipped), folder.resolve().name)


def pad_frames(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """([B, T, C] float32 with zeros after the end, lengths [B]) of sequences [T, C]."""
    lengths = np.array([len(s) for s in sequences], np.int64)
    out = np.zeros((len(sequences), int(lengths.max()), sequences[0].shape[1]), np.float32)
    for row, sequence in enumerate(sequences):
        out[row, : len(sequence)] = sequence
    return out, lengths
