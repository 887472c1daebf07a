"""Options of text models: what is refused, said in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forecastkit.errors import ConfigError, near

__all__ = ["check_options"]

MOST = 1_000_000


def check_options(
    model: Any,
    place: str,
    *,
    choices: Mapping[str, Sequence[str]],
    counts: Sequence[str],
    shares: Sequence[str],
    not_negative: Sequence[str] = (),
) -> None:
    """Refuse what a model cannot be.

    Args:
        model: has the named options as attributes.
        place: of the errors, such as ``models.gru``.
        choices: option -> what is allowed.
        counts: from 1 on; shares: from 0 to below 1; not_negative: from 0 on. The learning rate ``lr`` is above 0.

    Raises:
        ConfigError: the first that is wrong.
    """
    for name, allowed in choices.items():
        value = getattr(model, name)
        if value not in allowed:
            raise ConfigError(place=f"{place}.{name}", value=repr(value), rule="no such choice", remedy=near(value, allowed))  # fmt: skip
    numbers = [(name, f"from 1 to {MOST}", lambda v: 1 <= v <= MOST) for name in counts]
    numbers += [(name, "from 0 to below 1", lambda v: 0 <= v < 1) for name in shares]
    numbers += [(name, "not negative", lambda v: v >= 0) for name in not_negative]
    for name, rule, fits in [*numbers, ("lr", "above 0", lambda v: v > 0)]:
        if not fits(getattr(model, name)):
            raise ConfigError(place=f"{place}.{name}", value=str(getattr(model, name)), rule=rule)
