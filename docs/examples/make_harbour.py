"""Water levels in an invented harbour: two tides of 12 and 13 hours over a slow swell, by the hour."""

from pathlib import Path

import numpy as np
import pandas as pd

hour = np.arange(24 * 60)
level = 300 + 120 * np.sin(2 * np.pi * hour / 12) + 40 * np.sin(2 * np.pi * hour / 13) + hour // 100
folder = Path("datasets")
folder.mkdir(exist_ok=True)
table = pd.DataFrame({"time": pd.date_range("2025-03-01", periods=len(hour), freq="h"), "level": level.round()})
table.astype({"level": int}).to_csv(folder / "harbour.csv", index=False, lineterminator="\n")
