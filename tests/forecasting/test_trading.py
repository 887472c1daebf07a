"""The long or flat rule by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit.errors import ConfigError
from forecastkit.forecasting.cost import money
from forecastkit.forecasting.trading import HOLD, max_drawdown, trade
from tests.forecasting.test_cost import series

PRICES = [100.0, 110.0, 99.0, 120.0, 60.0, 90.0]


def backtest(prices, points, *, model="m", horizon=1, seed=1, item="a", stride=None):
    """Forecasts of the horizon's last step from cutoffs 0, horizon, ..."""
    days = pd.date_range("2024-01-01", periods=len(prices), freq="D")
    rows = []
    for k, point in enumerate(points):
        at = k * (stride or horizon)
        for h in range(1, horizon + 1):
            rows.append((item, days[at], days[at + h], h, model, point, prices[at + h], "report", seed))
    names = ["item_id", "cutoff", "timestamp", "step", "model", "point", "actual", "role", "seed"]
    return pd.DataFrame(rows, columns=names)


def test_by_hand_without_fee():
    # Long from 100 to 110, out, long from 99 to 120, out, long from 60 to 90.
    rows = backtest(PRICES, [101.0, 100.0, 100.0, 100.0, 61.0])
    found = trade(rows, series(PRICES), fee=0)
    table = found.table.set_index("model")
    assert table.loc["m", "total_return"] == pytest.approx(1.1 * (120 / 99) * 1.5 - 1)
    assert table.loc["m", "n_trades"] == 6
    assert table.loc["m", "invested"] == pytest.approx(3 / 5)
    assert table.loc["m", "max_drawdown"] == 0
    assert table.loc[HOLD, "total_return"] == pytest.approx(-0.1)
    assert table.loc[HOLD, "max_drawdown"] == pytest.approx(0.5)
    assert table.loc[HOLD, "n_trades"] == 2
    assert table.loc["naive", "total_return"] == 0
    assert found.equity["m"].tolist() == pytest.approx([1, 1.1, 1.1, 1.1 * 120 / 99, 4 / 3, 2.0])


def test_fees_are_paid_at_each_side_and_not_while_holding():
    rows = backtest(PRICES, [111.0, 111.0, 100.0, 100.0, 50.0])
    found = trade(rows, series(PRICES), fee=100)
    # In at 100, held at 110 (the forecast exceeds it by less than the fee: out), in at 99, out at 120.
    expected = 0.99 * 1.1 * 0.99 * (0.99 * 120 / 99 * 0.99)
    assert found.table.set_index("model").loc["m", "total_return"] == pytest.approx(expected - 1)
    rows = backtest(PRICES, [200.0] * 5)
    table = trade(rows, series(PRICES), fee=100).table.set_index("model")
    assert table.loc["m", "total_return"] == pytest.approx(0.99 * 0.9 * 0.99 - 1)
    assert table.loc["m", "n_trades"] == 2
    assert table.loc["m", "total_return"] == pytest.approx(table.loc[HOLD, "total_return"])


def test_a_fee_keeps_a_weak_forecast_out():
    rows = backtest(PRICES, [100.05] * 1)
    assert trade(rows, series(PRICES), fee=10).table.set_index("model").loc["m", "n_trades"] == 0
    assert trade(rows, series(PRICES), fee=1).table.set_index("model").loc["m", "n_trades"] == 2


def test_naive_never_trades_and_drift_follows_the_trend():
    prices = [100.0 * 1.01**k for k in range(40)]
    rows = pd.concat(
        [backtest(prices, prices[:-1], model="naive"), backtest(prices, [p * 1.01 for p in prices[:-1]], model="drift")]
    )
    table = trade(rows, series(prices), fee=10).table.set_index("model")
    assert table.loc["naive", "n_trades"] == 0
    assert table.loc["drift", "total_return"] == pytest.approx(table.loc[HOLD, "total_return"])
    assert table.loc["drift", "word"] == "indistinguishable"


def test_overlapping_horizons_are_passed_over():
    prices = [100.0 + k for k in range(12)]
    rows = backtest(prices, [200.0] * 9, horizon=3, stride=1)
    table = trade(rows, series(prices), fee=0).table.set_index("model")
    assert table.loc["m", "n_periods"] == 3
    assert table.loc["m", "total_return"] == pytest.approx(109 / 100 - 1)


def test_panel_and_seeds_share_the_capital():
    up, down = [100.0, 110.0], [100.0, 80.0]
    frame = series(up, ("a",)).data
    other = frame.assign(item_id="b", target=down)
    both = series(up, ("a",))
    both = type(both)(pd.concat([frame, other], ignore_index=True), both.calendar)
    rows = pd.concat(
        [
            backtest(up, [200.0], item="a"),
            backtest(down, [200.0], item="b"),
            backtest(up, [1.0], item="a", seed=2),
            backtest(down, [1.0], item="b", seed=2),
        ]
    )
    table = trade(rows, both, fee=0).table.set_index("model")
    assert table.loc["m", "total_return"] == pytest.approx((0.1 - 0.2 + 0 + 0) / 4)
    assert table.loc["m", "n_seeds"] == 2
    assert table.loc[HOLD, "total_return"] == pytest.approx(-0.05)


@pytest.mark.parametrize("prices", [[1.0, 0.0, 2.0], [1.0, -1.0, 2.0]])
def test_prices_must_be_positive(prices):
    with pytest.raises(ConfigError, match="prices above 0"):
        trade(backtest(prices, [1.0, 1.0]), series(prices))


@pytest.mark.parametrize("fee", [-1, float("nan"), float("inf"), 10_000, "10"])
def test_wrong_fee(fee):
    with pytest.raises(ConfigError, match="--fee"):
        trade(backtest(PRICES, [1.0]), series(PRICES), fee=fee)


def test_unknown_model():
    with pytest.raises(ConfigError, match="no such model"):
        trade(backtest(PRICES, [1.0]), series(PRICES), use="x")


def test_short_histories_are_not_brought_to_a_year():
    assert np.isnan(trade(backtest(PRICES, [1.0]), series(PRICES)).table["annual_return"]).all()
    prices = [100.0 * 2 ** (k / 365.25) for k in range(732)]
    rows = backtest(prices, [1e9] * 731)
    assert trade(rows, series(prices)).table["annual_return"].max() == pytest.approx(1.0, abs=1e-6)


def test_money_carries_the_warning_and_is_json():
    prices = [100.0 + k for k in range(30)]
    found = money(backtest(prices, [1e3] * 29), None, 10, series(prices))["trading"]
    json.dumps(found, allow_nan=False)
    assert "survivorship" in found["warning"]["en"]
    assert "supervivencia" in found["warning"]["es"]
    assert "never trades" in found["sentence"]["en"]
    assert len(found["equity"]["timestamp"]) == len(found["equity"]["curves"][HOLD]) == 30


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1, 1e4), min_size=3, max_size=30), st.integers(0, 200), st.integers(0, 2**31))
def test_equity_stays_positive_and_fees_never_help(prices, fee, seed):
    rng = np.random.default_rng(seed)
    rows = backtest(prices, np.where(rng.random(len(prices) - 1) < 0.5, 1e9, 0.5))
    free, paid = (trade(rows, series(prices), fee=f).table.set_index("model") for f in (0, fee))
    assert (trade(rows, series(prices), fee=fee).equity.iloc[:, 1:] > 0).all().all()
    assert paid.loc["m", "total_return"] <= free.loc["m", "total_return"] + 1e-9
    assert 0 <= paid.loc["m", "max_drawdown"] < 1


def test_max_drawdown():
    assert max_drawdown(np.array([1.0, 2.0, 1.0, 1.5])) == 0.5
    assert max_drawdown(np.array([1.0, 1.0])) == 0
