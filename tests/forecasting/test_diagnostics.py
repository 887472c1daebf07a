"""Whether a forecast that repeats the last value is called that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.diagnostics import lag_check
from forecastkit.forecasting.schema import SeriesFrame

N = 120


@pytest.fixture(scope="module")
def walks() -> SeriesFrame:
    """Two random walks of different size, the second one later and with a hole."""
    days = pd.date_range("2024-01-01", periods=N)
    rng = np.random.default_rng(3)
    parts = []
    for k, size in enumerate((1.0, 1e4)):
        y = size * (50 + rng.standard_normal(N).cumsum())
        y[60:63] = np.nan if k else y[60:63]
        parts.append(pd.DataFrame({"item_id": f"s{k}", "timestamp": days, "target": y})[10 * k :])
    return SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", days))


def values(frame: SeriesFrame, when: np.ndarray) -> np.ndarray:
    out = np.full((len(when), len(frame.items)), np.nan)
    for i, start in enumerate(frame.store.starts.tolist()):
        out[:, i] = frame.store.series(i)[when - start]
    return out


WHEN = np.arange(N - 60, N)


def test_yesterday_with_a_little_noise_is_a_copy(walks):
    rng = np.random.default_rng(0)
    before = values(walks, WHEN - 1)
    size = np.nanmean(np.abs(values(walks, WHEN) - before), axis=0)
    found = lag_check("lstm", walks, before + 0.05 * size * rng.standard_normal(before.shape), WHEN)
    assert (found["copies"], found["best_lag"]) == (True, 1)
    assert found["share"] < 0.1
    assert found["sentence"]["en"].startswith("lstm mostly repeats the last value: its predicted changes are ")
    assert f"correlación de {found['direction']:.2f}".replace(".", ",") in found["sentence"]["es"]


def test_what_knows_the_next_value_is_no_copy(walks):
    before, now = values(walks, WHEN - 1), values(walks, WHEN)
    found = lag_check("oracle", walks, before + 0.8 * (now - before), WHEN)
    assert (found["copies"], found["best_lag"]) == (False, 0)
    assert found["share"] == pytest.approx(0.8)
    assert found["direction"] == pytest.approx(1.0)
    # The distance to each lag, by hand.
    y = values(walks, WHEN - 2)
    size = np.nanmean(np.abs(now - before), axis=0)
    two = np.nanmean(np.abs(before + 0.8 * (now - before) - y), axis=0) / size
    assert found["error_by_lag"][2] == pytest.approx(two.mean())


def test_nothing_is_said_of_a_few_rows_or_of_constants(walks):
    few = WHEN[-4:]
    assert lag_check("m", walks, values(walks, few), few) == {}
    days = walks.calendar.instants
    flat = SeriesFrame(pd.DataFrame({"item_id": "a", "timestamp": days, "target": 5.0}), Calendar("D", days))
    assert lag_check("m", flat, np.full((60, 1), 5.0), WHEN) == {}
