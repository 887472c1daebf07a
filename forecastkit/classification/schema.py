"""Labelled sequences: the one form that every classifier reads. A new task is one file that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecastkit.errors import ConfigError, DataError, near

__all__ = ["OTHER", "Sequences", "concatenate"]

OTHER = "other"
FEWEST_RARE = 10


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of different lengths, each with one label, what is known of it as a whole, and whose it is.

    Args:
        values: [R, C] float32, all steps of all sequences one after another; NaN = not observed.
        offsets: [N + 1] int64; sequence i is ``values[offsets[i]:offsets[i + 1]]``.
        features: [N, F] float32 of the whole sequence; NaN = not known. Baselines read these alone.
        feature_names: F of them.
        channels: C names.
        labels: [N] int64 position in ``classes``; -1 = not known.
        classes: names, the usual ones first.
        groups: [N] text: patient, hospital; a group is never on two sides of a split.
        items: [N] text: what the sequence is called in results.
        rare: class that matters most; its recall comes first.
    """

    values: np.ndarray
    offsets: np.ndarray
    features: np.ndarray
    feature_names: tuple[str, ...]
    channels: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    items: np.ndarray
    rare: str = ""

    def __post_init__(self) -> None:
        n = len(self.offsets) - 1
        sizes = {len(self.features), len(self.labels), len(self.groups), len(self.items)}
        if sizes != {n} or (n and self.offsets[-1] != len(self.values)):
            raise ValueError("arrays of different lengths")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """[N] steps of each."""
        return np.diff(self.offsets)

    def counts(self) -> str:
        """How many of each class, in words."""
        n = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return ", ".join(f"{c} {k:,}" for c, k in zip(self.classes, n.tolist()) if k) or "no labels"

    def take(self, index: np.ndarray) -> Sequences:
        """The sequences at ``index`` (positions or a mask), in that order."""
        index = np.arange(len(self))[index]
        lengths = self.lengths[index]
        offsets = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        rows = np.repeat(self.offsets[index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(
            self,
            values=self.values[rows],
            offsets=offsets,
            features=self.features[index],
            labels=self.labels[index],
            groups=self.groups[index],
            items=self.items[index],
        )

    def of_channels(self, names: Sequence[str]) -> Sequences:
        """With these channels alone; all where none is named."""
        if not names:
            return self
        at = [self.channels.index(name) for name in names]
        return replace(self, values=self.values[:, at], channels=tuple(names))

    def padded(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(values [B, T, C] float32 with 0 after the end, lengths [B] int64)."""
        lengths = self.lengths[index]
        longest = int(lengths.max()) if len(lengths) else 0
        steps = np.arange(longest)
        inside = steps[None] < lengths[:, None]
        rows = np.where(inside, self.offsets[index][:, None] + steps, 0)
        out = self.values[rows]
        if not inside.all():
            out[~inside] = 0.0
        return out, lengths.astype(np.int64)

    def require_classes(self, place: str) -> None:
        """Raises DataError where there is nothing to tell apart, or a label is missing."""
        if len(self) == 0:
            raise DataError(place=place, rule="no labelled sequence")
        if (self.labels < 0).any():
            raise DataError(place=place, value=f"{int((self.labels < 0).sum())} sequences", rule="without a label")
        present = [name for k, name in enumerate(self.classes) if (self.labels == k).any()]
        if len(present) < 2:
            raise DataError(
                place=place,
                value=f"only class {present[0]!r}",
                rule="at least two classes are needed to tell apart",
                remedy="Add sequences of another class.",
            )

    def only(self, wanted: Sequence[str]) -> Sequences:
        """The ``wanted`` classes, and ``other`` for all the rest; the first of them matters most.

        Raises:
            ConfigError: no such class.
        """
        for name in wanted:
            if name not in self.classes:
                raise ConfigError(
                    place="--classes", value=repr(name), rule="no such class", remedy=near(name, self.classes)
                )
        named = tuple(w for w in wanted if w != OTHER)
        if not named:
            raise ConfigError(place="--classes", rule="no class named", remedy=near("", self.classes))
        names = ((OTHER,) if set(self.classes) - set(named) else ()) + named
        code = np.array([names.index(c) if c in names else 0 for c in self.classes] + [-1], np.int64)
        return replace(self, labels=code[self.labels], classes=names, rare=named[0])

    def about(self, rare: str) -> Sequences:
        """The same, with another class that matters most.

        Raises:
            ConfigError: no such class, or no sequence of it.
        """
        if rare not in self.classes:
            raise ConfigError(place="--rare", value=repr(rare), rule="no such class", remedy=near(rare, self.classes))
        if not (self.labels == self.classes.index(rare)).any():
            raise ConfigError(
                place="--rare",
                value=repr(rare),
                rule="no sequence of this class",
                remedy=f"There are: {self.counts()}.",
            )
        return replace(self, rare=rare)

    def settled(self) -> Sequences:
        """With the class that matters most by name: the declared one where it occurs, else the rarest that can be tested.

        A part of the data may hold none of it, and must not choose another.
        """
        k = self.rare_class()
        return replace(self, rare=self.classes[k if (self.labels == k).any() else self._rarest()])

    def rare_class(self) -> int:
        """Position of the class that matters most: the declared one, else the rarest that can be tested."""
        return self.classes.index(self.rare) if self.rare in self.classes else self._rarest()

    def _rarest(self) -> int:
        """Under ``FEWEST_RARE`` sequences of a class say nothing; the rarest of all only where every class has so few."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        enough = counts >= FEWEST_RARE if (counts >= FEWEST_RARE).any() else counts > 0
        return int(np.argmin(np.where(enough, counts, counts.max() + 1)))


def concatenate(parts: Sequence[Sequences]) -> Sequences:
    """Sequences one after another; channels, features and classes are those of the first."""
    first = parts[0]
    lengths = np.concatenate([p.lengths for p in parts])
    return replace(
        first,
        values=np.concatenate([p.values for p in parts]),
        offsets=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        features=np.concatenate([p.features for p in parts]),
        labels=np.concatenate([p.labels for p in parts]),
        groups=np.concatenate([p.groups for p in parts]),
        items=np.concatenate([p.items for p in parts]),
    )
