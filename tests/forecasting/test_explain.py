"""Permutation importance against models whose parts are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.explain import _interval, importance, lag_blocks
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.scores import answers, nan_mean, positions, scales
from forecastkit.forecasting.splits import EvalPlan, make_folds

HORIZON = 4


@dataclass
class Known:
    """The last value, the value seven rows before it, heat, what was sold and the kind of shop, by known shares."""

    horizon: int = HORIZON
    last: float = 1.0
    week: float = 0.0
    heat: float = 0.0
    sold: float = 0.0
    kind: float = 0.0
    info: dict = field(default_factory=lambda: {"context_length": 14})
    curves: list = field(default_factory=list)

    def predict_at(self, frame, cutoffs):
        store = frame.store
        out = np.full((len(cutoffs), len(store), self.horizon), np.nan)
        for k, at in enumerate(cutoffs):
            for i in range(len(store)):
                row = int(at - store.starts[i])
                y = store.series(i)
                own = slice(int(store.offsets[i]), int(store.offsets[i]) + int(store.lengths[i]))
                out[k, i] = self.last * y[row] + self.week * (y[row - 7] if row >= 7 else 0.0)
                if self.heat:
                    out[k, i] += self.heat * frame.column("heat")[own][row + 1 : row + 1 + self.horizon]
                if self.sold:
                    out[k, i] += self.sold * frame.column("sold")[own][row]
                if self.kind:
                    out[k, i] += self.kind * (frame.column("kind")[own][row] == "big")
        return out


def panel(n: int = 160, *, lengths=(160, 160), freq: str = "D") -> SeriesFrame:
    rng = np.random.default_rng(0)
    index = pd.date_range("2023-01-02", periods=n, freq=freq)
    parts = []
    for i, length in enumerate(lengths):
        heat = rng.normal(size=length)
        sold = rng.normal(size=length)
        y = 100 + np.cumsum(rng.normal(0, 0.3, length)) + 3 * heat + 2 * np.r_[0, sold[:-1]] + 5 * i
        kind = "big" if i else "small"
        stamps = index[n - length :]
        parts.append(pd.DataFrame({"item_id": f"s{i}", "timestamp": stamps, "target": y, "heat": heat, "sold": sold, "kind": kind}))  # fmt: skip
    data = pd.concat(parts, ignore_index=True)
    return SeriesFrame(data, Calendar(freq, index), season_length=7, known=("heat",), past=("sold",), static=("kind",))


@pytest.fixture(scope="module")
def frame() -> SeriesFrame:
    return panel()


@pytest.fixture(scope="module")
def folds(frame):
    return make_folds(frame, EvalPlan(horizon=HORIZON, n_report=12, n_select=2, n_calibrate=0))


def rows_of(model, frame, folds):
    found = importance("known", model, frame, folds.report)
    return found, {r.name: r for r in found.rows}


class TestImportance:
    def test_what_is_not_read_has_none_at_all(self, frame, folds):
        _, rows = rows_of(Known(), frame, folds)
        assert {r.growth for name, r in rows.items() if name != "lags 1"} == {0.0}
        assert rows["lags 1"].growth > 0

    def test_each_thing_that_is_read_shows(self, frame, folds):
        _, rows = rows_of(Known(last=0.9, week=0.1, heat=3.0, sold=2.0), frame, folds)
        assert rows["heat"].growth > 0.3
        assert rows["heat"].low > 0
        assert rows["lags 8-14"].growth != 0
        assert rows["lags 2"].growth == 0
        assert rows["sold"].growth != 0
        assert rows["kind"].growth == 0
        _, rows = rows_of(Known(kind=5.0), frame, folds)
        assert rows["kind"].growth != 0

    def test_the_error_that_grows_is_that_of_the_test(self, frame, folds):
        model = Known(last=0.8, heat=2.0)
        found, _ = rows_of(model, frame, folds)
        at = positions(folds.report, 2)
        y = answers(frame, at, HORIZON)
        points = model.predict_at(frame, at[:, 0])
        expected = nan_mean(np.abs(points - y) / scales(frame, at).mase[:, :, None])
        assert found.loss == pytest.approx(float(expected))
        assert (found.n_folds, found.n_items) == (12, 2)

    def test_a_level_is_not_exchanged(self, frame, folds):
        """Only deviations are: a copy of the last value is not made ten times worse by a series that rose in between."""
        high = frame.data.copy()
        high["target"] += np.linspace(0, 1e4, len(high))
        risen = replace(frame, data=high)
        _, rows = rows_of(Known(), risen, make_folds(risen, folds.plan))
        assert rows["lags 1"].growth < 1

    def test_the_same_seed_gives_the_same_and_another_nearly(self, frame, folds):
        model = Known(heat=3.0)
        one, two = (importance("m", model, frame, folds.report, seed=s) for s in (0, 0))
        assert one == two
        other = {r.name: r for r in importance("m", model, frame, folds.report, seed=5).rows}
        heat = next(r for r in one.rows if r.name == "heat")
        assert other["heat"].growth == pytest.approx(heat.growth, rel=0.5)

    def test_folds_of_another_role_are_refused(self, frame, folds):
        with pytest.raises(TypeError):
            importance("m", Known(), frame, folds.select)

    def test_one_fold_says_nothing(self, frame, folds):
        assert importance("m", Known(), frame, folds.report[:1]) is None

    def test_ragged_and_short_series(self):
        ragged = panel(lengths=(160, 60))
        found = importance(
            "m", Known(heat=3.0), ragged, make_folds(ragged, EvalPlan(horizon=HORIZON, n_report=6)).report
        )
        assert math.isfinite(found.loss)
        data = ragged.data[(ragged.data["item_id"] != "s1") | (ragged.positions < 150)].reset_index(drop=True)
        ended = replace(ragged, data=data)
        plan = EvalPlan(horizon=HORIZON, n_report=6, align="end")
        assert math.isfinite(importance("m", Known(heat=3.0), ended, make_folds(ended, plan).report).loss)

    def test_a_gap(self, frame):
        folds = make_folds(frame, EvalPlan(horizon=HORIZON - 1, gap=1, n_report=8))
        model = Known(heat=3.0)
        found = importance("m", model, frame, folds.report, gap=1)
        at = positions(folds.report, 2)
        points = model.predict_at(frame, at[:, 0])[:, :, 1:]
        expected = nan_mean(np.abs(points - answers(frame, at, HORIZON - 1, 1)) / scales(frame, at).mase[:, :, None])
        assert found.loss == pytest.approx(float(expected))


@given(st.integers(1, 1000), st.integers(1, 400))
def test_blocks_hold_every_lag_once(length, season):
    blocks = lag_blocks(length, season)
    assert [lag for a, b in blocks for lag in range(a, b + 1)] == list(range(1, length + 1))


def test_interval_by_hand():
    from scipy.stats import t

    growth = np.array([0.1, 0.4, 0.2, 0.5, 0.3, 0.6])
    half = t.ppf(0.975, 5) * growth.std(ddof=1) / math.sqrt(6)
    assert _interval(growth, 1) == pytest.approx((growth.mean() - half, growth.mean() + half))
    pairs = growth.reshape(3, 2).mean(axis=1)
    half = t.ppf(0.975, 2) * pairs.std(ddof=1) / math.sqrt(3)
    assert _interval(growth, 2) == pytest.approx((growth.mean() - half, growth.mean() + half))
    assert math.isnan(_interval(growth[:2], 1)[0])
