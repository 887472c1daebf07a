"""ARIMA with covariates that are known ahead, beside statsforecast and statsmodels called by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.forecasting.models.arima import Arima, AutoArima
from forecastkit.forecasting.models.regressors import Design, Regressors
from forecastkit.forecasting.schema import SeriesFrame

N, AHEAD = 160, 6


def table(n: int = N, seed: int = 0, shops: tuple[str, ...] = ("a",)) -> pd.DataFrame:
    """Sales that follow the heat and a promotion, on errors that remember."""
    parts = []
    for k, shop in enumerate(shops):
        rng = np.random.default_rng(seed + k)
        heat, promo = rng.normal(20, 5, n), rng.choice(["none", "flyer", "radio"], n)
        noise = np.zeros(n)
        for t in range(1, n):
            noise[t] = 0.6 * noise[t - 1] + rng.normal()
        effect = pd.Series(promo).map({"none": 0.0, "flyer": 15.0, "radio": -8.0}).to_numpy()
        parts.append(pd.DataFrame({
            "shop": shop, "day": pd.date_range("2024-01-01", periods=n), "sold": 100 + 3 * heat + effect + noise,
            "heat": heat, "promo": promo,
        }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def frame(data: pd.DataFrame, **options: object) -> SeriesFrame:
    return fk.as_frame(data, target="sold", time="day", item="shop", **({"known": ("heat", "promo")} | options))


def columns(data: pd.DataFrame, n_train: int) -> np.ndarray:
    """By hand: heat and two of the three promotions, scaled by the training rows."""
    promo = data["promo"].to_numpy()
    x = np.stack([data["heat"], promo == "flyer", promo == "none"], axis=1).astype(float)
    return (x - x[:n_train].mean(axis=0)) / x[:n_train].std(axis=0)


def at(whole: SeriesFrame, n_known: int) -> np.ndarray:
    return np.array([n_known - 1])


def test_auto_arima_is_the_library_s_regression():
    from statsforecast.models import ARIMA, AutoARIMA

    data = table(N + AHEAD)
    whole, y, x = frame(data, season_length=1), data["sold"].to_numpy(), columns(data, N)
    fitted = AutoArima().fit(whole.upto(N - 1), horizon=AHEAD)
    rough = np.linalg.lstsq(np.diff(x[:N], axis=0), np.diff(y[:N]), rcond=None)[0]
    chosen = AutoARIMA(season_length=1).fit(y[:N] - x[:N] @ rough).model_
    p, q, *_, d, _ = chosen["arma"]
    model = ARIMA(order=(p, d, q), include_mean="intercept" in chosen["coef"], include_drift="drift" in chosen["coef"])
    expected = model.fit(y[:N], x[:N]).predict(AHEAD, x[N:])["mean"]
    found = fitted.predict_at(whole, at(whole, N))[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    # The regression knows what the series alone cannot.
    alone = AutoArima(covariates=False).fit(whole.upto(N - 1), horizon=AHEAD).predict_at(whole, at(whole, N))[0, 0]
    assert np.abs(found - y[N:]).mean() < 0.3 * np.abs(alone - y[N:]).mean()


def test_later_cutoffs_go_on_with_the_same_coefficients():
    data = table(N + 3 * AHEAD)
    whole, y, x = frame(data, season_length=1), data["sold"].to_numpy(), columns(data, N)
    fitted = AutoArima().fit(whole.upto(N - 1), horizon=AHEAD)
    later = N + AHEAD
    model = fitted.models["a"].model
    expected = model.forward(y[:later], AHEAD, x[:later], x[later : later + AHEAD])["mean"]
    np.testing.assert_allclose(fitted.predict_at(whole, at(whole, later))[0, 0], expected, rtol=1e-4)
    # What comes after the horizon, and the answers, change nothing.
    data.loc[later:, "sold"] = 1e6
    data.loc[later + AHEAD :, ["heat", "promo"]] = [99.0, "radio"]
    np.testing.assert_array_equal(
        fitted.predict_at(frame(data, season_length=1), at(whole, later)), fitted.predict_at(whole, at(whole, later))
    )


def test_arima_is_that_of_statsmodels():
    from statsmodels.tsa.arima.model import ARIMA

    data = table(N + 3 * AHEAD)
    whole, y, x = frame(data), data["sold"].to_numpy(), columns(data, N)
    fitted = Arima(order=(1, 0, 0)).fit(whole.upto(N - 1), horizon=AHEAD)
    centre, spread = y[:N].mean(), y[:N].std()
    result = ARIMA((y[:N] - centre) / spread, exog=x[:N], order=(1, 0, 0)).fit(method_kwargs={"maxiter": 50})
    for n in (N, N + AHEAD):
        longer = result.apply((y[:n] - centre) / spread, exog=x[:n])
        expected = longer.forecast(AHEAD, exog=x[n : n + AHEAD]) * spread + centre
        np.testing.assert_allclose(fitted.predict_at(whole, at(whole, n))[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("season", [48, 90])
def test_a_long_season_is_taken_out_of_the_columns_too(season):
    n = 8 * season
    rng = np.random.default_rng(2)
    hour = np.arange(n) % season
    heat = 10 * np.sin(2 * np.pi * hour / season) + rng.normal(0, 3, n)
    data = pd.DataFrame({
        "shop": "a", "day": pd.date_range("2024-01-01", periods=n, freq="30min"), "heat": heat,
        "sold": 50 + hour + 2 * heat + rng.normal(0, 0.1, n),
    })  # fmt: skip
    whole = frame(data, known=("heat",), season_length=season)
    known = n - season
    point = AutoArima().fit(whole.upto(known - 1), horizon=season).predict_at(whole, at(whole, known))[0, 0]
    assert np.abs(point - data["sold"].to_numpy()[known:]).mean() < 1.5  # the heat alone moves it by 6


def test_restored_it_forecasts_the_same():
    data = table(N + AHEAD, shops=("a", "b"))
    whole = frame(data)
    for model in (AutoArima(), Arima()):
        fitted = model.fit(whole.upto(N - 1), horizon=AHEAD)
        again = model.restore(*fitted.state())
        np.testing.assert_array_equal(again.predict_at(whole, at(whole, N)), fitted.predict_at(whole, at(whole, N)))


def test_a_category_never_seen_and_a_gap():
    data = table(N + AHEAD)
    whole = frame(data)
    regressors = Regressors.fit(whole.upto(N - 1))
    assert regressors is not None
    data.loc[N, "promo"], data.loc[N + 1, "promo"], data.loc[N + 1, "heat"] = "television", None, np.nan
    rows = regressors.columns(frame(data), 0)[0]
    assert np.isnan(rows[N, 1:]).all()
    assert rows[N + 1, 0] == 0
    known = Design.fit(regressors.columns(whole, 0)[0])
    assert known is not None
    np.testing.assert_array_equal(known.of(rows[[N]])[0, 1:], 0)  # the mean
    assert np.isfinite(AutoArima().fit(whole.upto(N - 1), horizon=AHEAD).predict_at(frame(data), at(whole, N))).all()


def test_columns_that_say_nothing_new_are_left_out():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 100))
    x = np.stack([np.full(100, 3.0), one, 2 * one - 5, two, one + two, np.arange(100.0)], axis=1)
    found = Design.fit(x)
    assert found is not None
    assert found.keep.tolist() == [1, 3]
    np.testing.assert_allclose(found.of(x).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.of(x).std(axis=0), 1)
    # A column for every ten rows.
    many = Design.fit(rng.normal(size=(30, 20)))
    assert many is not None
    assert many.keep.tolist() == [0, 1, 2]
    assert Design.fit(np.zeros((50, 2))) is None


def test_series_without_a_use_for_them_are_counted():
    data = table(N, shops=("a", "b"))
    data.loc[data["shop"] == "b", ["heat", "promo"]] = [20.0, "none"]
    fitted = AutoArima().fit(frame(data), horizon=AHEAD)
    assert "no known covariate of use in 1 of 2 series" in fitted.info["note"]


def test_holidays_of_a_country_are_columns():
    n = 365 * 2
    days = pd.date_range("2022-01-01", periods=n)
    free = days.isin(fk.forecasting.time_features.holiday_days("ES", range(2022, 2024)))
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"shop": "a", "day": days, "sold": 100 - 40.0 * free + rng.normal(size=n)})
    whole = fk.as_frame(data, target="sold", time="day", item="shop", holidays="ES", season_length=7)
    cutoff = int(np.flatnonzero(days == "2023-12-22")[0])  # Christmas is the third step
    point = AutoArima().fit(whole.upto(cutoff), horizon=4).predict_at(whole, np.array([cutoff]))[0, 0]
    assert point[2] < 70 < 90 < min(point[0], point[3])


def test_without_known_covariates_nothing_changes():
    data = table(N + AHEAD)
    bare = frame(data, known=())
    assert Regressors.fit(bare) is None
    found = AutoArima().fit(bare.upto(N - 1), horizon=AHEAD).predict_at(bare, at(bare, N))
    off = replace(AutoArima(), covariates=False).fit(frame(data).upto(N - 1), horizon=AHEAD)
    np.testing.assert_array_equal(found, off.predict_at(bare, at(bare, N)))
    assert not AutoArima(covariates=False).capabilities.known
