"""What a run does where nobody says otherwise: from quick to thorough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

__all__ = ["PRESETS", "seconds_in", "trials_or_seconds", "with_preset"]

PRESETS: dict[str, dict[str, Any]] = {
    # One network, briefly, and baselines that are over soon: a first look.
    "fast": {
        "models": {"gru": {"max_steps": 400, "patience": 4}},
        "baseline_seconds": 20.0,
    },
    "default": {},
    # Different kinds of network, since their errors cancel where those of seeds do not.
    "best": {
        "models": {
            "lstm": {},
            "gru": {},
            "gru_log": {"model": "gru", "scaling": "log"},
            "segrnn": {},
        },
    },
}

LEAST_SECONDS, MOST_SECONDS = 5.0, 1e8
MOST_TRIALS = 10_000
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def with_preset(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with those of their preset below them; models that are given take the place of the preset's.

    >>> with_preset({"preset": "fast", "models": {"rnn": {}}})["models"]
    {'rnn': {}}
    """
    chosen = tree.get("preset", "default")
    below = deepcopy(PRESETS.get(chosen, {})) if isinstance(chosen, str) else {}
    out = {**below, **tree}
    for key, value in below.items():
        given = tree.get(key)
        if key != "models" and isinstance(value, dict) and isinstance(given, Mapping):
            out[key] = {**value, **given}
    return out


def seconds_in(text: Any) -> float:
    """Seconds of ``90``, ``"90s"``, ``"10m"`` or ``"1h30m"``.

    Raises:
        ValueError: none of these, under five seconds, or over three years.

    >>> seconds_in("10m"), seconds_in("1h30m"), seconds_in(90)
    (600.0, 5400.0, 90.0)
    """
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        raise ValueError("a time limit is a number of seconds, or as 10m or 1h30m")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(text).strip().lower())
    whole = "".join(a + b for a, b in parts)
    if not parts or whole != re.sub(r"\s", "", str(text).lower()) or (len(parts) > 1 and not all(b for _, b in parts)):
        raise ValueError("a time limit is a number of seconds, or as 10m or 1h30m")
    seconds = sum(float(a) * UNITS[b or "s"] for a, b in parts)
    if seconds < LEAST_SECONDS:
        raise ValueError(f"a run needs {LEAST_SECONDS:g} seconds at least")
    if seconds > MOST_SECONDS:
        raise ValueError(f"a time limit has {MOST_SECONDS:,.0f} seconds at most")
    return seconds


def trials_or_seconds(value: Any) -> int | float:
    """A whole number of trials, or seconds as a float.

    Raises:
        ValueError: neither, or none.

    >>> trials_or_seconds("20"), trials_or_seconds("5m"), trials_or_seconds(300.0)
    (20, 300.0, 300.0)
    """
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_TRIALS:
            raise ValueError(f"a search has 1 to {MOST_TRIALS} trials")
        return value
    try:
        return seconds_in(value)
    except ValueError as error:
        raise ValueError(
            str(error).replace("a time limit is a number of seconds", "a search is a number of trials")
        ) from None
