"""Calendars found from instants: the alias, the grid, its gaps, and what continues it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecastkit.errors import ConfigError, DataError
from forecastkit.reading import ReadOptions, as_frame, read
from forecastkit.reading.aliases import alias_of, conventional_season, normal_alias, words

EVERY = ["s", "10s", "min", "5min", "30min", "h", "3h", "D", "2D", "3D", "B", "W-SUN", "W-THU", "2W-SUN", "MS", "ME", "BMS", "BME", "2MS",
         "QS", "QE", "QS-FEB", "QE-NOV", "6MS", "YS", "YE", "YS-JUL", "YE-MAR", "2YS"]  # fmt: skip


def series(times, values=None) -> pd.DataFrame:
    times = pd.DatetimeIndex(times)
    return pd.DataFrame({"t": times, "y": np.arange(len(times)) % 7 + 1.0 if values is None else values})


@pytest.mark.parametrize("freq", EVERY)
@pytest.mark.parametrize("start", ["2021-01-01", "1999-12-28"])
def test_a_full_grid_is_found_and_continued(freq: str, start: str) -> None:
    times = pd.date_range(start, periods=70, freq=freq)
    calendar = as_frame(series(times[:60])).calendar
    assert len(calendar) == 60
    assert (calendar.instants == times[:60]).all()
    assert (calendar.future(10) == times[60:]).all()


@pytest.mark.parametrize("freq", [f for f in EVERY if f != "B"])
def test_gaps_are_counted_and_listed(freq: str) -> None:
    times = pd.date_range("2021-01-01", periods=60, freq=freq)
    kept = times.delete([10, 11, 12, 40])
    reading = read(series(kept))
    assert (reading.frame.calendar.instants == times).all()
    assert reading.profile.n_gaps == 4
    assert [g["n"] for g in reading.profile.gaps] == [3, 1]
    assert np.isnan(reading.frame.data["target"].to_numpy()[[10, 11, 12, 40]]).all()


@pytest.mark.parametrize("freq", ["min", "h", "D", "W-SUN", "MS", "QS", "YS"])
def test_a_given_frequency_agrees_with_the_found_one(freq: str) -> None:
    frame = series(pd.date_range("2021-01-03", periods=40, freq=freq))
    assert as_frame(frame, freq=freq).calendar.instants.equals(as_frame(frame).calendar.instants)


def test_business_days_know_holidays_from_gaps() -> None:
    days = pd.bdate_range("2023-01-02", "2023-12-29")
    holidays = pd.DatetimeIndex(["2023-02-20", "2023-04-07", "2023-12-25"])
    shut = days[(days >= "2023-06-05") & (days <= "2023-06-23")]
    reading = read(series(days.difference(holidays).difference(shut)))
    assert reading.profile.freq == "B"
    assert not reading.frame.calendar.instants.isin(holidays).any()
    assert reading.profile.n_gaps == len(shut)
    assert reading.frame.calendar.future(1)[0] == pd.Timestamp("2024-01-01")


def test_sessions_with_closed_nights_and_weekends() -> None:
    times = [t for t in pd.date_range("2024-01-01", periods=24 * 60, freq="h") if t.weekday() < 5 and 9 <= t.hour < 17]
    reading = read(series(times[:200]))
    assert reading.profile.n_gaps == 0
    assert len(reading.frame.calendar.sessions) == 5 * 8
    assert list(reading.frame.calendar.future(30)) == times[200:230]


@pytest.mark.parametrize("start", ["07:00", "18:00"])
def test_a_bank_s_169_slots_a_day_may_end_after_midnight(start: str) -> None:
    days = pd.date_range("2024-01-01", periods=14) + pd.Timedelta(f"{start}:00")
    times = [day + pd.Timedelta(minutes=5 * k) for day in days for k in range(169)]
    y = 100 + 50 * np.sin(2 * np.pi * (np.arange(len(times)) % 169) / 169)
    reading = read(series(times[: 169 * 12]).assign(y=y[: 169 * 12]))
    assert reading.profile.n_gaps == 0
    assert reading.profile.season_length == 169
    assert list(reading.frame.calendar.future(2 * 169)) == times[169 * 12 :]


def test_sessions_that_differ_on_saturday() -> None:
    times = [t for t in pd.date_range("2024-01-01", periods=24 * 90, freq="h")
             if (t.weekday() < 5 and 9 <= t.hour < 17) or (t.weekday() == 5 and 10 <= t.hour < 14)]  # fmt: skip
    frame = as_frame(series(times[:400]))
    assert (frame.calendar.instants == pd.DatetimeIndex(times[:400])).all()
    assert list(frame.calendar.future(60)) == times[400:460]


def test_closed_sundays() -> None:
    times = [t for t in pd.date_range("2024-01-01", periods=100, freq="D") if t.weekday() != 6]
    reading = read(series(times[:70]))
    assert reading.profile.n_gaps == 0
    assert list(reading.frame.calendar.future(10)) == times[70:80]


@pytest.mark.parametrize(
    ("zone", "freq"),
    [
        *((zone, freq) for zone in ("Europe/Madrid", "America/New_York", "Asia/Kolkata", "UTC") for freq in ("h", "D")),
        ("Australia/Adelaide", "30min"),  # half an hour off, and an hour of daylight saving
        ("Australia/Lord_Howe", "30min"),  # daylight saving of half an hour
    ],
)
def test_zones_across_daylight_saving(zone: str, freq: str) -> None:
    times = pd.date_range("2024-03-01", periods=300 if freq != "30min" else 48 * 45, freq=freq, tz=zone)
    reading = read(series(times))
    assert reading.profile.freq == freq
    assert reading.profile.n_gaps == 0
    assert (reading.frame.calendar.instants == times).all()


def test_two_series_share_one_calendar() -> None:
    a, b = series(pd.date_range("2024-01-01", periods=30)), series(pd.date_range("2024-01-11", periods=40))
    frame = as_frame(pd.concat([a.assign(item="a"), b.assign(item="b")]))
    assert len(frame.calendar) == 50
    assert frame.store.starts.tolist() == [0, 10]
    assert frame.store.lengths.tolist() == [30, 40]


@pytest.mark.parametrize(
    ("times", "remedy"),
    [
        (
            [*pd.date_range("2024-01-01", periods=60, freq="h"), *pd.date_range("2024-01-04", periods=30, freq="D")],
            "--resample",
        ),
        (
            [*pd.date_range("2020-01-01", periods=60, freq="D"), *pd.date_range("2020-03-01", periods=30, freq="W")],
            "--resample",
        ),
        (pd.to_datetime(np.cumsum(np.random.default_rng(0).integers(1, 10**6, 40)), unit="s"), "--freq"),
    ],
)
def test_no_single_frequency_is_refused(times, remedy: str) -> None:
    with pytest.raises(DataError) as caught:
        read(series(times))
    assert remedy in str(caught.value)


@pytest.mark.parametrize("how", ["sum", "mean", "median", "first", "last", "min", "max", "count"])
def test_resampling_agrees_with_pandas(how: str) -> None:
    rng = np.random.default_rng(2)
    times = pd.to_datetime("2024-01-01") + pd.to_timedelta(
        np.sort(rng.choice(86_400 * 30, 400, replace=False)), unit="s"
    )
    frame = series(times, rng.normal(size=400))
    ours = as_frame(frame, freq="D", resample=how).data.set_index("timestamp")["target"]
    theirs = getattr(frame.set_index("t")["y"].resample("D"), how)()
    np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-12)
    assert (ours.index == theirs.index).all()


@pytest.mark.parametrize("freq", ["W-SUN", "W-FRI", "MS", "ME", "QS", "YS", "h", "2h"])
def test_resampling_to_other_frequencies(freq: str) -> None:
    frame = series(pd.date_range("2023-01-01", periods=24 * 1200, freq="h"))
    ours = as_frame(frame, freq=freq, resample="sum").data.set_index("timestamp")["target"]
    theirs = frame.set_index("t")["y"].resample(freq).sum()
    assert (ours.index == theirs.index).all()
    assert ours.tolist() == theirs.tolist()


def test_hours_are_those_of_a_zone_half_an_hour_off() -> None:
    times = pd.date_range("2024-01-01 00:10", periods=12, freq="15min", tz="Asia/Kolkata")
    ours = as_frame(series(times, range(12)), freq="h", resample="sum").data
    assert [t.isoformat() for t in ours["timestamp"]] == [f"2024-01-01T0{k}:00:00+05:30" for k in range(3)]
    assert ours["target"].tolist() == [0 + 1 + 2 + 3, 4 + 5 + 6 + 7, 8 + 9 + 10 + 11]


@pytest.mark.parametrize("fill", ["none", "forward", "interpolate", "zero"])
def test_filling_stays_inside_its_series(fill: str) -> None:
    days = pd.date_range("2024-01-01", periods=6)
    a = pd.DataFrame({"item": "a", "t": days, "y": [1, np.nan, 3, np.nan, np.nan, 6]})
    b = pd.DataFrame({"item": "b", "t": days, "y": [np.nan, 20, np.nan, 40, 50, np.nan]})
    data = as_frame(pd.concat([a, b]), fill=fill).data
    nan = np.nan
    want = {
        "none": ([1, nan, 3, nan, nan, 6], [20, nan, 40, 50]),
        "forward": ([1, 1, 3, 3, 3, 6], [20, 20, 40, 50]),
        "interpolate": ([1, 2, 3, 4, 5, 6], [20, 30, 40, 50]),
        "zero": ([1, 0, 3, 0, 0, 6], [20, 0, 40, 50]),
    }[fill]
    for item, values in zip("ab", want):
        np.testing.assert_array_equal(data.loc[data["item_id"] == item, "target"], values)


def test_filling_is_said() -> None:
    frame = series(pd.date_range("2024-01-01", periods=9).delete([3, 4]))
    notes = read(frame, ReadOptions(fill="forward")).profile.notes
    assert any("2 unobserved rows filled: forward" in n.text and n.level == "warning" for n in notes)


def test_aliases() -> None:
    spellings = {"H": "h", "T": "min", "15T": "15min", "daily": "D", "W": "W-SUN", "AS": "YS", "quarterly": "Q"}
    assert {a: normal_alias(a) for a in spellings} == spellings
    assert alias_of(7 * 86_400_000_000) == "7D"
    assert words("W-FRI") == "weeks (Fridays)"
    assert conventional_season("h", 1000) == 24
    assert conventional_season("D", 10) == 1
    for wrong in ("", "0D", "fortnight", "W-XXX", "D D"):
        with pytest.raises(ConfigError, match="--freq"):
            normal_alias(wrong)
