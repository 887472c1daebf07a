"""Networks read the clock where it says more than the context does, and only there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.forecasting.calendar import STEP, Calendar
from forecastkit.forecasting.models.clock import clock_gain, reads_clock
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame

ABOUT = FitContext(seed=1)


def frame_of(y, freq, season=1):
    index = pd.RangeIndex(len(y)) if freq == STEP else pd.date_range("2020-01-01", periods=len(y), freq=freq)
    data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": y})
    return SeriesFrame(data, Calendar(freq, index), season_length=season)


def rng():
    return np.random.default_rng(5)


def yearly(n=1400):
    return 10 * np.sin(2 * np.pi * np.arange(n) / 365.25) + rng().normal(0, 2, n)


def test_a_year_that_the_context_does_not_hold_is_read():
    frame = frame_of(yearly(), "D")
    # What the regression saves: over 30 days the sine moves by up to 5, and 2 of noise stay.
    assert clock_gain(frame, 30, 60, ABOUT) > 0.1
    assert reads_clock(frame, 30, 60, 7, ABOUT)


@pytest.mark.parametrize("freq", ["h", "D", "B"])
def test_a_walk_has_no_clock(freq):
    frame = frame_of(rng().normal(0, 1, 1400).cumsum(), freq)
    assert not reads_clock(frame, 10, 60, 7, ABOUT)


def test_hours_that_are_read_one_by_one_come_with_the_clock():
    walk = rng().normal(0, 1, 1400).cumsum()
    assert reads_clock(frame_of(walk, "h"), 10, 60, 1, ABOUT)
    assert reads_clock(frame_of(walk, "15min"), 10, 60, 1, ABOUT)
    assert not reads_clock(frame_of(walk, "D"), 10, 60, 1, ABOUT)
    assert not reads_clock(frame_of(walk, STEP), 10, 60, 1, ABOUT)


def test_weekends_that_a_short_context_cannot_see():
    days = pd.date_range("2020-01-01", periods=24 * 140, freq="h")
    y = 5.0 * (days.dayofweek < 5) + np.sin(2 * np.pi * days.hour / 24) + rng().normal(0, 0.3, len(days))
    frame = frame_of(y, "h", season=24)
    assert reads_clock(frame, 24, 72, 24, ABOUT)
    # Two weeks of context hold the same day of last week.
    assert clock_gain(frame, 24, 336, ABOUT) < clock_gain(frame, 24, 72, ABOUT)


def test_the_season_that_is_read_needs_no_clock():
    months = 10 * np.sin(2 * np.pi * np.arange(240) / 12) + rng().normal(0, 1, 240)
    assert clock_gain(frame_of(months, "MS", season=12), 12, 36, ABOUT) == 0.0
    weeks = 10 * np.sin(2 * np.pi * np.arange(700) / 52.18) + rng().normal(0, 1, 700)
    assert clock_gain(frame_of(weeks, "W-SUN", season=52), 13, 260, ABOUT) == 0.0


@pytest.mark.parametrize(
    "frame",
    [frame_of(yearly(), STEP), frame_of(yearly(40), "D"), frame_of(np.full(1400, 3.0), "D")],
    ids=["steps", "too short", "constant"],
)
def test_without_dates_rows_or_change_there_is_no_gain(frame):
    assert clock_gain(frame, 12, 30, ABOUT) == 0.0


def test_missing_rows_do_not_count():
    y = yearly()
    y[rng().random(len(y)) < 0.3] = np.nan
    assert clock_gain(frame_of(y, "D"), 30, 60, ABOUT) > 0.1


def test_the_choice_is_the_same_where_the_number_of_steps_is_given():
    frame = frame_of(yearly(), "D")
    assert clock_gain(frame, 30, 60, replace(ABOUT, n_steps=5)) == clock_gain(frame, 30, 60, ABOUT)


def test_a_network_follows_it_unless_told():
    frame = frame_of(yearly(600), "D", season=7)
    about = FitContext(seed=1, n_steps=1)

    def cycles(**options):
        return (
            registry.create_model("gru", hidden=2, context_length=28, **options)
            .fit(frame, horizon=14, context=about)
            .info["clock"]
        )

    def note(**options):
        return (
            registry.create_model("gru", hidden=2, context_length=28, **options)
            .fit(frame, horizon=14, context=about)
            .info["note"]
        )

    gains = reads_clock(frame, 14, 28, 7, about)
    assert cycles() == ("week" if gains else "")
    assert ("reads the clock (week)" in note()) is gains
    assert "clock" not in note(clock=True)
    assert cycles(clock=True) == "week"
    assert cycles(clock=False) == ""
