"""Models of other packages, found by their entry points in the group ``forecastkit.models``.

A package says ``mean_rule = "its.module:MeanRule"`` there. It is imported when its model is asked for or listed, not before;
what is wrong with it is an error that names the package, and the models of this package are never in its reach.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from forecastkit.errors import ConfigError

__all__ = ["GROUP", "Plugin", "find", "load"]

GROUP = "forecastkit.models"
FAMILIES = ("baseline", "statistical", "regression", "network")
NEEDED = ("point", "complexity", "family", "capabilities", "fit", "restore")


@dataclass(frozen=True)
class Plugin:
    """An entry point.

    Args:
        name: of the model.
        path: ``module:Class``.
        package: distribution that has it, with its version.
    """

    name: str
    path: str
    package: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"model {self.name} of {self.package}"


def find() -> list[Plugin]:
    """All entry points of installed packages, by name; imports none of them."""
    points = metadata.entry_points(group=GROUP)
    found = {
        (p.name, p.value): Plugin(p.name, p.value.strip(), f"{p.dist.name} {p.dist.version}" if p.dist else "a package")
        for p in points
    }
    return [found[key] for key in sorted(found)]


def load(plugin: Plugin) -> Any:
    """Its class, once it is known to be a forecaster.

    Raises:
        ConfigError: it cannot be imported, or is no forecaster.
    """
    if re.fullmatch(r"[\w.]+:\w+", plugin.path) is None:
        raise _wrong(plugin, plugin.path, "its entry point is not of the form module:Class")
    module, name = plugin.path.split(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except Exception as error:  # a foreign module may raise anything
        raise _wrong(plugin, f"{type(error).__name__}: {error}", "cannot be imported") from None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise _wrong(plugin, plugin.path, "not a dataclass whose fields are the options")
    missing = [attribute for attribute in NEEDED if not hasattr(kind, attribute)]
    if missing:
        raise _wrong(plugin, plugin.path, f"a forecaster needs {', '.join(missing)}")
    _check_family(plugin, kind)
    try:
        typing.get_type_hints(kind)
    except Exception as error:  # names that do not exist, or anything that an annotation does
        raise _wrong(plugin, f"{type(error).__name__}: {error}", "the types of its options cannot be read") from None
    if any(f.init and f.default is f.default_factory is dataclasses.MISSING for f in dataclasses.fields(kind)):
        raise _wrong(plugin, plugin.path, "each of its options needs a default")
    return kind


def _check_family(plugin: Plugin, kind: Any) -> None:
    if isinstance(kind.family, str) and kind.family not in FAMILIES:
        raise _wrong(plugin, f"family {kind.family!r}", f"one of {', '.join(FAMILIES)} is needed")
    if kind.family == "statistical" and not hasattr(kind, "fit_and_forecast"):
        raise _wrong(plugin, "family 'statistical'", "it needs fit_and_forecast, or the family 'baseline'")


def _wrong(plugin: Plugin, value: str, rule: str) -> ConfigError:
    return ConfigError(
        place=plugin.place, value=" ".join(value.split())[:160], rule=rule, remedy="Mend or uninstall that package."
    )
