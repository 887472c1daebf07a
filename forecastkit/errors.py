"""One family of errors. Each says where, what was found, which rule it breaks and what to do about it.

The command line prints ``str(error)`` on one line of stderr and exits with ``exit_status``; only
``--debug`` shows a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "ConfigError",
    "DataError",
    "FitError",
    "ForecastkitError",
    "ModelFileError",
    "SourceError",
    "UnknownNameError",
    "near",
    "rule_of",
]


class ForecastkitError(Exception):
    """A problem that the user can solve; never a bug.

    Args:
        place: where it is: file, line, column, item or option.
        value: what was found there, as short text.
        rule: what was expected.
        remedy: what to do, as an imperative sentence.
    """

    exit_status = 2

    def __init__(self, *, place: str, value: str = "", rule: str, remedy: str = "") -> None:
        self.place, self.value, self.rule, self.remedy = place, value, rule, remedy
        super().__init__(place, value, rule, remedy)

    def __str__(self) -> str:
        found = f" {self.value}" if self.value else ""
        rule = self.rule if self.rule.endswith((".", "?", "!")) else f"{self.rule}."
        line = f"{self.place}:{found}{';' if found else ''} {rule} {self.remedy}".strip()
        # One line on the terminal, whatever came out of the file.
        return " ".join(line.split())

    def __reduce__(self) -> tuple[object, tuple[()], dict[str, str]]:
        # Keyword-only arguments: workers of joblib send errors back by pickling them.
        return (_blank, (type(self),), dict(self.__dict__))  # type: ignore[return-value]


def _blank(kind: type[ForecastkitError]) -> ForecastkitError:
    return kind.__new__(kind)


class DataError(ForecastkitError):
    """The data cannot be read or cannot be used as asked."""


class ConfigError(ForecastkitError):
    """An option or a configuration key is wrong."""


class UnknownNameError(ConfigError):
    """A model, metric, data set or column that does not exist."""


class ModelFileError(ForecastkitError):
    """A saved run or model is damaged, foreign or of an unknown version."""


class SourceError(ForecastkitError):
    """A source outside this machine did not deliver."""


class FitError(ForecastkitError):
    """One model failed; the leaderboard shows its reason and the others go on."""


def near(name: str, choices: Iterable[str]) -> str:
    """A did-you-mean sentence for ``name``, or the list of choices where none is near.

    >>> near("clsoe", ["open", "close"])
    "Did you mean 'close'?"
    >>> near("zzz", ["open", "close"])
    'Choose from: open, close.'
    """
    names = [str(c) for c in choices]
    by_lower = {n.lower(): n for n in reversed(names)}
    hit = difflib.get_close_matches(str(name).lower(), list(by_lower), n=1, cutoff=0.6)
    if hit:
        return f"Did you mean {by_lower[hit[0]]!r}?"
    shown = ", ".join(n if len(n) <= 40 else n[:37] + "..." for n in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"Choose from: {shown}{more}."


def rule_of(found: Mapping[str, Any]) -> str:
    """The rule in one of pydantic's errors.

    >>> rule_of({"msg": "Value error, a search has 1 to 10000 trials."})
    'a search has 1 to 10000 trials'
    """
    return str(found["msg"]).removeprefix("Value error, ").rstrip(".")
