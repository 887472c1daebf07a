"""Any file or frame of numbers with a time -> a checked ``SeriesFrame`` and a profile of what was found.

>>> import pandas as pd
>>> from forecastkit.reading import as_frame
>>> days = pd.date_range("2024-01-01", periods=4, freq="D")
>>> as_frame(pd.DataFrame({"day": days, "sales": [1.0, 2.0, 3.0, 4.0]})).calendar.freq
'D'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Profile": "forecastkit.reading.profile:Profile",
    "ReadOptions": "forecastkit.read_options:ReadOptions",
    "Reading": "forecastkit.reading.build:Reading",
    "as_frame": "forecastkit.reading.build:as_frame",
    "find_season": "forecastkit.reading.season:find_season",
    "read": "forecastkit.reading.build:read",
    "with_future": "forecastkit.reading.future:with_future",
    "with_join": "forecastkit.reading.join:with_join",
}

__all__ = ["Profile", "ReadOptions", "Reading", "as_frame", "find_season", "read", "with_future", "with_join"]

if TYPE_CHECKING:
    from forecastkit.read_options import ReadOptions
    from forecastkit.reading.build import Reading, as_frame, read
    from forecastkit.reading.future import with_future
    from forecastkit.reading.join import with_join
    from forecastkit.reading.profile import Profile
    from forecastkit.reading.season import find_season


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'forecastkit.reading' has no attribute {name!r}")
    module, attribute = _PUBLIC[name].split(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value
