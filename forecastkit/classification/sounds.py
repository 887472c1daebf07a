"""Sounds with a label: a folder of WAV files and a table that says what each one is and who made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from forecastkit.classification.schema import Sequences
from forecastkit.classification.tables import classes_in, load, need, text
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.errors import DataError
from forecastkit.reading.sounds import N_BANDS, STEP, log_mel, part_means, read_wav

__all__ = ["LABELS", "read_new_sounds", "read_sounds"]

LABELS = "labels.csv"
PARTS = 3
"""Parts of a sound of which baselines read the mean spectrum."""
NETWORK = {"convolutions": 0, "shift": 0, "noise": 0.1, "scale": 0.0, "dropout": 0.2}


def read_sounds(folder: Path, *, label: str | None, group: str | None = None) -> Labelled:
    """The WAV files of ``folder/labels.csv``: columns ``file``, the label, and who made the sound.

    Args:
        label: column of the class.
        group: column of the speaker, who is never on two sides of a split; None = each file counts as one of its own.

    Raises:
        DataError: no table, no such file, not a sound, too many classes.
        UnknownNameError: no such column.
    """
    path = folder / LABELS
    if not path.exists():
        raise DataError(
            place=str(folder),
            rule=f"no {LABELS} in it",
            remedy="It names each WAV file in a column file, and its label.",
        )
    table = load(path)
    need(table, path, "column", "file")
    for option, name in (("--label", label), ("--group", group)):
        if name is not None:
            need(table, path, option, name)
    if label is None:
        raise DataError(place=str(path), rule="no label named", remedy="Name its column with --label.")
    words, files = text(table[label]), text(table["file"])
    known = words.notna() & files.notna()
    notes = [f"rows without a file or a label, left out: {int((~known).sum())}"] if not known.all() else []
    if not known.any():
        raise DataError(place=f"{path}, {label}", rule="no row has a label")
    words, files = words[known], files[known]
    classes = classes_in(words, path, label)
    owners = text(table[group])[known].fillna("?") if group is not None else files
    if group is None:
        notes.append("no --group: each file counts as made by somebody else, which flatters where it is not")
    where = {c: k for k, c in enumerate(classes)}
    data = _sequences([_inside(folder, name) for name in files], classes, [where[w] for w in words], list(owners))
    seconds = len(data.values) * STEP
    return Labelled(
        "sounds", folder.resolve().name, data, group or "file", plan={"kind": "sounds", "classes": list(classes)}, notes=tuple(notes),
        said=(f"{folder.name}: {len(data):,} sounds, {seconds:.0f} s, {data.counts()}",), network=NETWORK, medical=False,
        config={"data": str(folder), "label": label, "group": group},
    )  # fmt: skip


def read_new_sounds(path: Path, plan: dict[str, Any]) -> Unlabelled:
    """A WAV file, or all of a folder, to be told.

    Raises:
        DataError: no sound there, or one that cannot be read.
    """
    import pandas as pd

    paths = sorted(path.glob("*.wav")) if path.is_dir() else [path]
    if not paths:
        raise DataError(place=str(path), rule="no file that ends in .wav")
    data = _sequences(paths, tuple(plan["classes"]), [-1] * len(paths), ["?"] * len(paths))
    return Unlabelled(data, pd.DataFrame({"file": [p.name for p in paths]}))


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(place=f"{folder / LABELS}, file", value=name[:80], rule="the file lies outside the folder")
    return path


def _sequences(paths: list[Path], classes: tuple[str, ...], labels: list[int], owners: list[str]) -> Sequences:
    frames = [log_mel(*read_wav(path)) for path in paths]
    features = np.stack([_features(x) for x in frames])
    names = (*(f"part_{k + 1}_band_{b}" for k in range(PARTS) for b in range(N_BANDS)), "seconds")
    return Sequences(
        np.concatenate(frames), np.cumsum([0, *map(len, frames)]).astype(np.int64), features, names,
        tuple(f"band_{b}" for b in range(N_BANDS)), np.array(labels, np.int64), classes,
        np.array(owners, dtype=object), np.array([p.name for p in paths], dtype=object),
    )  # fmt: skip


def _features(frames: np.ndarray) -> np.ndarray:
    """[PARTS * bands + 1] mean spectrum of each part, and how long it is."""
    return np.r_[part_means(frames, PARTS), len(frames) * STEP].astype(np.float32)
