"""The season: found where there is one, not found in noise, and said either way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecastkit.reading import ReadOptions, as_frame, find_season, read
from forecastkit.reading.season import autocorrelation


def wave(n: int, season: int, noise: float = 0.3, trend: float = 0.0, seed: int = 0) -> np.ndarray:
    t = np.arange(n)
    return 10 + trend * t + np.sin(2 * np.pi * t / season) + noise * np.random.default_rng(seed).normal(size=n)


def frame(y: np.ndarray, freq: str) -> pd.DataFrame:
    return pd.DataFrame({"t": pd.date_range("2001-01-01", periods=len(y), freq=freq), "y": y})


@pytest.mark.parametrize(
    ("freq", "season", "n"),
    [("h", 24, 24 * 30), ("D", 7, 300), ("MS", 12, 120), ("QS", 4, 60), ("B", 5, 300), ("30min", 48, 48 * 21)],
)
@pytest.mark.parametrize("trend", [0.0, 0.05])
def test_the_season_of_each_frequency_is_found(freq: str, season: int, n: int, trend: float) -> None:
    profile = read(frame(wave(n, season, trend=trend), freq)).profile
    assert profile.season_length == season
    assert profile.season_text == f"season {season} (found)"


@pytest.mark.parametrize("seed", range(10))
def test_noise_has_no_season(seed: int) -> None:
    y = np.random.default_rng(seed).normal(size=400)
    for freq in ("D", "h", "MS"):
        assert "found)" not in read(frame(y, freq)).profile.season_text.replace("none found)", "")
    assert "no season" in read(pd.DataFrame({"t": np.arange(400), "y": y})).profile.season_text


def test_a_walk_has_no_season() -> None:
    y = 100 + np.cumsum(np.random.default_rng(3).normal(size=600))
    assert "none found" in read(frame(y, "B")).profile.season_text


@pytest.mark.parametrize("season", [5, 7, 11])
def test_the_season_of_plain_steps_is_searched(season: int) -> None:
    y = wave(1200, season, noise=0.2)
    reading = read(pd.DataFrame({"t": np.arange(1200), "y": np.sign(y - 10) + y}))
    assert reading.frame.season_length == season


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_missing_values_do_not_hide_it(share: float) -> None:
    y = wave(600, 12)
    y[np.random.default_rng(1).random(600) < share] = np.nan
    y[[0, -1]] = 10.0
    assert read(frame(y, "MS")).profile.season_length == 12


def test_weeks_with_missing_values_like_co2() -> None:
    # A strong yearly wave on a trend, sampled weekly with holes, as at Mauna Loa.
    y = 330 + 0.03 * np.arange(52 * 25) + 3 * np.sin(2 * np.pi * np.arange(52 * 25) / 52.18)
    y += 0.3 * np.random.default_rng(0).normal(size=len(y))
    y[np.random.default_rng(5).random(len(y)) < 0.03] = np.nan
    assert read(frame(y, "W-SAT")).profile.season_length == 52


def test_a_panel_shares_one_season() -> None:
    parts = [frame(wave(200, 7, seed=k), "D").assign(item=f"s{k}") for k in range(5)]
    assert as_frame(pd.concat(parts)).season_length == 7


def test_the_users_word_wins() -> None:
    profile = read(frame(wave(300, 7), "D"), ReadOptions(season_length=30)).profile
    assert (profile.season_length, profile.season_text) == (30, "season 30")


def test_giants_and_constants_do_not_break_it() -> None:
    y = wave(300, 7)
    y[150] = 1e149
    assert as_frame(frame(y, "D")).season_length == 7
    assert as_frame(frame(np.full(100, 3.0), "D")).season_length >= 1


def test_autocorrelation_agrees_with_its_definition() -> None:
    y = np.random.default_rng(0).normal(size=120)
    found, n = autocorrelation(y, 10)
    d = np.diff(y) - np.diff(y).mean()
    wanted = [np.mean(d[k:] * d[: len(d) - k]) / np.mean(d * d) for k in range(11)]
    assert n == 119
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_find_season_is_public() -> None:
    assert find_season(as_frame(frame(wave(300, 7), "D"))) == (7, "season 7 (found)")


def test_gaps_do_not_hide_how_the_season_was_found() -> None:
    table = frame(wave(300, 7), "D").drop(index=[50, 51])
    found = read(table, ReadOptions()).profile
    assert found.season_text == "season 7 (found)"
    assert found.n_gaps == 2


def test_hourly_values_on_half_hours_have_the_season_of_a_day():
    index = pd.date_range("2024-03-20", periods=48 * 30, freq="30min")
    y = 100 + 20 * np.sin(2 * np.pi * index.hour / 24) + np.random.default_rng(0).normal(0, 1, len(index))
    frame = as_frame(pd.DataFrame({"time": index, "y": y}))
    assert frame.season_length == 48
