"""How a nasty file is described: bytes, options, and the one outcome that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecastkit.errors import ConfigError, DataError, ForecastkitError, UnknownNameError
from forecastkit.reading import Reading

Content = bytes | str | Callable[[Path], None]


@dataclass(frozen=True)
class Good:
    """What must be read.

    Args:
        values: the target, or item -> target; None = missing.
        times: instants as text, or steps; of the only series, or item -> instants.
        notes: fragments, each of which a note must hold.
        silent: no warning may be given.
        facts: attributes of the profile; ``dialect.X`` looks into the dialect.
    """

    values: list[float | None] | dict[str, list[float | None]]
    times: list[str] | list[int] | dict[str, list[str]] | None = None
    freq: str = "D"
    tz: str = ""
    notes: tuple[str, ...] = ()
    silent: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """What must be refused.

    Args:
        says: fragments of the message.
        kind: class of the error, exactly.
    """

    says: tuple[str, ...]
    kind: type[ForecastkitError] = DataError


@dataclass(frozen=True)
class Case:
    """One file. ``name`` is the file's; ``options`` are those of ``ReadOptions``."""

    id: str
    content: Content
    outcome: Good | Bad
    options: dict[str, Any] = field(default_factory=dict)
    name: str = "nasty.csv"

    def write(self, folder: Path) -> Path:
        """The file on disk."""
        path = folder / self.name
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)
        return path


def bad(*says: str) -> Bad:
    """A ``DataError`` that says all this."""
    return Bad(says)


def bad_option(*says: str) -> Bad:
    """A ``ConfigError`` that says all this."""
    return Bad(says, ConfigError)


def bad_name(*says: str) -> Bad:
    """An ``UnknownNameError`` that says all this."""
    return Bad(says, UnknownNameError)


def assert_read(reading: Reading, want: Good) -> None:
    """Values, instants, frequency, items and notes are exactly those wanted."""
    data, profile = reading.frame.data, reading.profile
    shown = [f"{n.text} ({n.where})" for n in profile.notes]
    values = want.values if isinstance(want.values, dict) else {reading.frame.items[0]: want.values}
    assert list(reading.frame.items) == sorted(values)
    for item, expected in values.items():
        rows = data[data["item_id"] == item]
        found = rows["target"].to_numpy()
        np.testing.assert_array_equal(found, np.array(expected, dtype=float), err_msg=item)
        times = want.times[item] if isinstance(want.times, dict) else want.times
        if times is not None:
            assert_times(rows["timestamp"], times, want.tz)
    assert profile.freq == want.freq
    assert profile.tz == want.tz
    for fragment in want.notes:
        assert any(fragment in text for text in shown), (fragment, shown)
    if want.silent:
        assert [n for n in profile.notes if n.level == "warning"] == []
    for key, value in want.facts.items():
        found = (
            profile.dialect.get(key.removeprefix("dialect.")) if key.startswith("dialect.") else getattr(profile, key)
        )
        assert found == value, key


def assert_times(found: pd.Series, expected: list[str] | list[int], tz: str) -> None:
    """Instants (written in the shown zone, or with an offset) or steps."""
    if isinstance(expected[0], int):
        assert found.tolist() == expected
        return
    if found.dt.tz is not None:
        moments = [pd.Timestamp(t) for t in expected]
        index = pd.DatetimeIndex([(t if t.tzinfo else t.tz_localize(found.dt.tz)).tz_convert("UTC") for t in moments])
        assert (pd.DatetimeIndex(found).tz_convert("UTC") == index).all()
        return
    assert tz == ""
    np.testing.assert_array_equal(found.to_numpy().astype("datetime64[us]"), np.array(expected, "datetime64[us]"))


def assert_refused(error: ForecastkitError, want: Bad) -> None:
    """One line, with a place and a remedy, of the right class, that says what is wanted."""
    line = str(error)
    assert type(error) is want.kind, line
    assert "\n" not in line
    assert "\r" not in line
    assert len(line) < 600
    assert error.place, line
    assert error.rule, line
    assert error.remedy, line
    for fragment in want.says:
        assert fragment in line, (fragment, line)
