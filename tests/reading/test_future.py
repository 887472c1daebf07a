"""Known covariates of the time to come: in the file itself, in a second file, or missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecastkit.errors import DataError
from forecastkit.reading import ReadOptions, read, with_future


def shop(n: int = 30, ahead: int = 5, stores: tuple[str, ...] = ("a", "b"), tz: str | None = None) -> pd.DataFrame:
    """Rows of every store; the last ``ahead`` have no target."""
    index = pd.date_range("2024-01-01", periods=n + ahead, freq="D", tz=tz)
    parts = []
    for k, store in enumerate(stores):
        sales = np.where(np.arange(n + ahead) < n, 10.0 * k + np.arange(n + ahead) % 7, np.nan)
        parts.append(
            pd.DataFrame(
                {"store": store, "date": index, "sales": sales, "heat": np.arange(n + ahead) + 100.0 * k, "sky": "sun"}
            )
        )
    return pd.concat(parts, ignore_index=True)


OPTIONS = ReadOptions(target="sales", item="store", known=("heat", "sky"))


def test_rows_without_a_target_at_the_end_are_the_future():
    frame = read(shop(), OPTIONS).frame
    assert len(frame) == 60
    assert len(frame.calendar) == 30
    assert frame.future["heat"].tolist() == [30, 31, 32, 33, 34, 130, 131, 132, 133, 134]
    assert frame.calendar.future(6)[-1] == pd.Timestamp("2024-02-05")


def test_without_known_covariates_they_are_cut_off_as_ever():
    frame = read(shop(), ReadOptions(target="sales", item="store", past=("heat",))).frame
    assert frame.future is None
    assert len(frame) == 60


def test_ragged_ends_have_each_their_own_future():
    table = shop()
    table.loc[(table["store"] == "b") & (table["date"] > "2024-01-28"), "sales"] = np.nan
    frame = read(table, OPTIONS).frame
    n = frame.future["item_id"].value_counts()
    assert (n["a"], n["b"]) == (5, 7)
    assert frame.future.groupby("item_id")["timestamp"].min().tolist() == [
        pd.Timestamp("2024-01-31"),
        pd.Timestamp("2024-01-29"),
    ]


def test_a_second_file_gives_the_same_frame():
    whole = read(shop(), OPTIONS)
    first = shop()[lambda t: t["sales"].notna()]
    later = shop()[lambda t: t["sales"].isna()].drop(columns="sales")
    reading = read(first, OPTIONS)
    frame = with_future(reading.frame, later, OPTIONS, reading.profile)
    pd.testing.assert_frame_equal(frame.future, whole.frame.future)
    assert list(frame.calendar.ahead) == list(whole.frame.calendar.ahead)


def test_a_file_without_the_series_column_is_for_all_series():
    first = shop(ahead=0)[["store", "date", "sales"]].pivot(index="date", columns="store", values="sales").reset_index()
    first["heat"] = 1.0
    options = ReadOptions(target="a,b", known=("heat",))
    reading = read(first, options)
    later = pd.DataFrame({"date": pd.date_range("2024-01-31", periods=3), "heat": [5.0, 6.0, 7.0]})
    frame = with_future(reading.frame, later, options, reading.profile)
    assert frame.future["heat"].tolist() == [5, 6, 7, 5, 6, 7]


def test_a_holiday_that_the_future_leaves_out_does_not_exist():
    days = pd.bdate_range("2024-01-01", periods=60)
    table = pd.DataFrame({"date": days, "close": np.arange(60.0), "fed": 0.0})
    options = ReadOptions(target="close", known=("fed",))
    reading = read(table, options)
    after = pd.bdate_range(days[-1] + pd.Timedelta(days=1), periods=6).delete(2)
    frame = with_future(reading.frame, pd.DataFrame({"date": after, "fed": 1.0}), options, reading.profile)
    assert list(frame.calendar.future(5)) == list(after)


class TestRefused:
    """Each is one line with place and remedy."""

    def refuse(self, change, match: str, tz: str | None = None):
        first = shop(tz=tz)[lambda t: t["sales"].notna()]
        later = change(shop()[lambda t: t["sales"].isna()].drop(columns="sales"))
        options = ReadOptions(target="sales", item="store", known=("heat", "sky"))
        reading = read(first, options)
        with pytest.raises(DataError, match=match) as error:
            with_future(reading.frame, later, options, reading.profile)
        assert "\n" not in str(error.value)

    def test_missing_column(self):
        self.refuse(lambda t: t.drop(columns="heat"), r"'heat'.*missing")

    def test_unknown_series(self):
        self.refuse(lambda t: t.assign(store=t["store"] + "x"), r"'ax'.*not in the history.*Did you mean 'a'")

    def test_old_rows_only(self):
        self.refuse(
            lambda t: t.assign(date=t["date"] - pd.Timedelta(days=20)), r"ends at 2024-01-15.*rows after it are needed"
        )

    def test_a_time_off_the_calendar(self):
        self.refuse(
            lambda t: t.assign(date=t["date"] + pd.Timedelta(hours=3)), r"03:00.*not an instant of this calendar"
        )

    def test_a_clock_without_zone_beside_one_with(self):
        self.refuse(lambda t: t, r"times without a zone.*--tz", tz="Europe/Madrid")

    def test_numbers_that_became_words(self):
        self.refuse(lambda t: t.assign(heat="hot"), r"'heat'.*text.*numbers")

    def test_two_rows_at_one_instant(self):
        self.refuse(lambda t: pd.concat([t, t.iloc[:1]]), r"occurs twice")


def test_a_static_column_that_changes_is_refused():
    table = shop(ahead=0).assign(size=np.r_[np.full(30, 1.0), np.full(29, 2.0), 3.0])
    with pytest.raises(DataError, match=r"'size', series 'b'.*one value.*--past size"):
        read(table, ReadOptions(target="sales", item="store", static=("size",)))


def test_a_static_column_is_filled_within_its_series():
    table = shop(ahead=0).assign(size=np.r_[np.nan, np.full(29, 1.0), np.full(30, np.nan)])
    frame = read(table, ReadOptions(target="sales", item="store", static=("size",))).frame
    assert frame.data["size"].tolist()[:30] == [1.0] * 30
    assert frame.data["size"].isna().sum() == 30


def test_the_profile_names_covariates():
    profile = read(shop(), OPTIONS).profile
    assert profile.covariates == {"known": ("heat", "sky")}
    assert any("known heat, sky (5 instants ahead)" in line for line in profile.lines())
