"""The range of time that is read."""

from __future__ import annotations

import pandas as pd
import pytest

from forecastkit.errors import ConfigError, DataError
from forecastkit.reading import ReadOptions, read

DAYS = pd.DataFrame({"day": pd.date_range("2014-12-01", "2015-03-31"), "y": range(121)})
STEPS = pd.DataFrame({"step": range(10, 30), "y": range(20)})


def ends(table: pd.DataFrame, **options: str) -> tuple[str, str]:
    frame = read(table, ReadOptions(**options)).frame
    return str(frame.calendar.instants[0]), str(frame.calendar.instants[-1])


@pytest.mark.parametrize(
    ("options", "first", "last"),
    [
        ({"start": "2015"}, "2015-01-01 00:00:00", "2015-03-31 00:00:00"),
        ({"end": "2014"}, "2014-12-01 00:00:00", "2014-12-31 00:00:00"),
        ({"start": "2015/01/10", "end": "2015Q1"}, "2015-01-10 00:00:00", "2015-03-31 00:00:00"),
        ({"start": "2015-01", "end": "2015-02"}, "2015-01-01 00:00:00", "2015-02-28 00:00:00"),
        ({"start": "2015-01-10", "end": "2015-01-20"}, "2015-01-10 00:00:00", "2015-01-20 00:00:00"),
        ({}, "2014-12-01 00:00:00", "2015-03-31 00:00:00"),
    ],
)
def test_both_ends_belong_to_it(options, first, last):
    assert ends(DAYS, **options) == (first, last)


def test_the_last_day_belongs_to_it_with_all_its_hours_by_the_local_clock():
    hours = pd.DataFrame({"time": pd.date_range("2015-03-27", "2015-03-31", freq="h", tz="UTC"), "y": range(97)})
    found = read(hours, ReadOptions(end="2015-03-29", tz="Europe/Madrid")).frame
    assert str(found.calendar.instants[-1]) == "2015-03-29 23:00:00+02:00"
    assert ends(hours, start="2015-03-29 10:00")[0] == "2015-03-29 10:00:00+00:00"


def test_steps_are_counted():
    assert ends(STEPS, start="15", end="20") == ("15", "20")


def test_what_was_left_out_is_said():
    profile = read(DAYS, ReadOptions(start="2015", end="2015-02")).profile
    notes = profile.notes
    assert profile.n_rows == 59
    assert any(n.text == "62 rows before 2015 and after 2015-02 not read" for n in notes)


def test_known_covariates_after_the_end_are_not_read():
    table = DAYS.assign(heat=1.0)
    frame = read(table, ReadOptions(end="2015-02-28", known=("heat",))).frame
    assert frame.future is None


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        (DAYS, {"start": "spring"}, ConfigError, "--start: 'spring'; not a date"),
        (DAYS, {"end": "NaT"}, ConfigError, "--end: 'NaT'; not a date"),
        (DAYS, {"start": "01/02/2015"}, ConfigError, "--start: '01/02/2015'; not a date. Write it as 2015-01-31"),
        (DAYS, {"start": "2015-01-05T10:00+02:00"}, ConfigError, "not a date"),
        (STEPS, {"start": "2015-01-01"}, ConfigError, "not a step"),
        (DAYS, {"start": "2020"}, DataError, "no row lies there; the data go from 2014-12-01 .* to 2015-03-31"),
        (DAYS, {"start": "2015-02", "end": "2015-01"}, DataError, "no row lies there"),
    ],
)
def test_ranges_that_hold_nothing(table, options, error, message):
    with pytest.raises(error, match=message):
        read(table, ReadOptions(**options))
