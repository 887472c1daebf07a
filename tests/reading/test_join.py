"""Scores join the series without looking ahead: hand-checkable days, a slow loop, and scrambled later scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError
from forecastkit.reading import ReadOptions, read
from tests.conftest import SMALL

# Monday 2024-01-08 to Friday 2024-01-26; Monday the 15th is a holiday.
SESSIONS = pd.bdate_range("2024-01-08", "2024-01-26").drop(pd.Timestamp("2024-01-15"))
PRICES = pd.DataFrame({"date": SESSIONS, "close": np.arange(100.0, 100 + len(SESSIONS))})


def scores(*rows: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["published", "score"])


def joined(table: pd.DataFrame, data: pd.DataFrame = PRICES, **options) -> dict[str, float]:
    """Day -> score, where there is one."""
    frame = fk.join_scores(data, table, **options)
    assert frame.past[-1:] == ("score",)
    found = frame.data.set_index("timestamp")["score"].dropna()
    return {str(t)[:10]: float(v) for t, v in found.items()}


@pytest.mark.parametrize(
    ("published", "day"),
    [
        ("2024-01-09 14:15", "2024-01-09"),  # while it trades
        ("2024-01-09 15:59:59", "2024-01-09"),
        ("2024-01-09 16:00", "2024-01-10"),  # at the close: who knows which second
        ("2024-01-09 18:00", "2024-01-10"),
        ("2024-01-12 17:00", "2024-01-16"),  # Friday evening: Tuesday, over the weekend and the holiday
        ("2024-01-13 12:00", "2024-01-16"),  # Saturday
        ("2024-01-15 09:00", "2024-01-16"),  # the holiday itself
    ],
)
def test_after_the_close_is_the_next_session(published: str, day: str):
    assert joined(scores((published, 0.5)), close="16:00") == {day: 0.5}


@pytest.mark.parametrize(("published", "day"), [("2024-01-09", "2024-01-10"), ("2024-01-12", "2024-01-16")])
def test_a_date_without_a_clock_counts_for_the_next_session(published: str, day: str):
    assert joined(scores((published, 1.0))) == {day: 1.0}
    assert joined(scores((published, 1.0)), close="next-day") == {day: 1.0}


def test_unasked_the_hour_is_not_used():
    assert joined(scores(("2024-01-09 09:00", 1.0))) == {"2024-01-10": 1.0}


def test_a_close_needs_hours():
    with pytest.raises(ConfigError, match=r"has days without a clock.*or give --close next-day"):
        joined(scores(("2024-01-09", 1.0)), close="16:00")


def test_times_with_a_zone_are_brought_to_the_zone_of_the_days():
    # 20:30 and 21:30 in UTC are 15:30 and 16:30 in New York.
    table = scores(("2024-01-09T20:30:00Z", 1.0), ("2024-01-09T21:30:00Z", 3.0))
    assert joined(table, close="16:00", tz="America/New_York") == {"2024-01-09": 1.0, "2024-01-10": 3.0}
    # Tokyo's Tuesday is New York's Monday evening.
    assert joined(scores(("2024-01-09T08:00:00+09:00", 1.0)), tz="America/New_York") == {"2024-01-09": 1.0}


def test_a_zone_that_does_not_fit_is_an_error_with_its_remedy():
    zoned = scores(("2024-01-09T20:30:00Z", 1.0))
    with pytest.raises(DataError, match=r"has times with a zone \(UTC\); the series has days without one.*--join-tz"):
        joined(zoned)
    with pytest.raises(ConfigError, match=r"--join-tz: 'America/NewYork'; no such time zone. Did you mean"):
        joined(zoned, tz="America/NewYork")
    hours = pd.DataFrame({"time": pd.date_range("2024-01-09", periods=48, freq="h", tz="UTC"), "y": range(48)})
    plain = scores(("2024-01-09 10:30", 1.0))
    with pytest.raises(DataError, match=r"has times without a zone; the series has times of UTC.*--join-tz"):
        joined(plain, hours)
    local = hours.assign(time=hours["time"].dt.tz_localize(None))
    with pytest.raises(DataError, match="has times with a zone; the series has times without a zone"):
        joined(zoned, local)
    days = pd.DataFrame({"time": pd.date_range("2024-01-09", periods=9, freq="D", tz="Europe/Madrid"), "y": range(9)})
    with pytest.raises(DataError, match="has times without a zone; the series has days of Europe/Madrid"):
        joined(plain, days)
    assert joined(plain, days, tz="Europe/Madrid") == {"2024-01-10": 1.0}


def test_hours_take_what_came_up_to_their_stamp():
    hours = pd.DataFrame({"time": pd.date_range("2024-01-09", periods=72, freq="h"), "y": range(72)})

    def found(published: str, **options: str) -> str:
        frame = fk.join_scores(hours, scores((published, 1.0)), **options)
        return str(frame.data.set_index("timestamp")["score"].dropna().index[0])

    assert found("2024-01-09 10:00") == "2024-01-09 10:00:00"
    assert found("2024-01-09 10:01") == "2024-01-09 11:00:00"
    # A date without a clock is known when the day is over.
    assert found("2024-01-09") == "2024-01-10 00:00:00"
    assert found("2024-01-09 10:00", close="next-day") == "2024-01-10 00:00:00"
    with pytest.raises(ConfigError, match="means something for days"):
        found("2024-01-09 10:00", close="16:00")
    zoned = hours.assign(time=hours["time"].dt.tz_localize("UTC"))
    frame = fk.join_scores(zoned, scores(("2024-01-09 10:30", 1.0)), tz="Europe/Madrid")
    assert str(frame.data.set_index("timestamp")["score"].dropna().index[0]) == "2024-01-09 10:00:00+00:00"
    dated = fk.join_scores(zoned, scores(("2024-01-09", 1.0)), tz="Europe/Madrid")
    assert str(dated.data.set_index("timestamp")["score"].dropna().index[0]) == "2024-01-09 23:00:00+00:00"


def test_months_and_weeks_wait_for_their_stamp():
    months = pd.DataFrame({"month": pd.date_range("2024-01-01", periods=6, freq="MS"), "y": range(6)})
    assert joined(scores(("2024-02-10", 1.0), ("2024-02-20", 3.0)), months) == {"2024-03-01": 2.0}
    weeks = pd.DataFrame({"week": pd.date_range("2024-01-07", periods=6, freq="W-SUN"), "y": range(6)})
    assert joined(scores(("2024-01-10", 1.0)), weeks) == {"2024-01-14": 1.0}


@pytest.mark.parametrize(
    ("how", "value"), [("mean", 2.0), ("sum", 6.0), ("last", 3.0), ("min", 1.0), ("max", 3.0), ("count", 3.0)]
)
def test_scores_of_one_row_are_put_together(how: str, value: float):
    table = scores(("2024-01-09 12:00", 2.0), ("2024-01-09 13:00", 3.0), ("2024-01-09 11:00", 1.0))
    frame = fk.join_scores(PRICES, table, close="16:00", how=how)
    column = frame.data.set_index("timestamp")["score"]
    assert column["2024-01-09"] == value
    rest = column.drop(pd.Timestamp("2024-01-09"))
    assert (rest == 0).all() if how == "count" else rest.isna().all()


def test_scores_of_several_series_belong_to_their_own():
    data = pd.concat([PRICES.assign(ticker="A"), PRICES.assign(ticker="B")])
    table = scores(("2024-01-09", 1.0), ("2024-01-09", 5.0)).assign(ticker=["A", "B"])
    frame = fk.join_scores(data, table)
    found = frame.data.dropna(subset="score")[["item_id", "score"]].to_numpy().tolist()
    assert found == [["A", 1.0], ["B", 5.0]]
    # Without a column of series every series gets the mean of all.
    both = fk.join_scores(data, table.drop(columns="ticker")).data.dropna(subset="score")
    assert both["score"].tolist() == [3.0, 3.0]
    with pytest.raises(DataError, match=r"series 'C'; not in the data\. Choose from: A, B"):
        fk.join_scores(data, table.assign(ticker="C"))


def test_scores_outside_the_series_are_left_out_and_said(tmp_path: Path):
    table = scores(("2023-01-09", 1.0), ("2024-01-06", 2.0), ("2024-01-26 17:00", 3.0), ("2024-01-09", 4.0))
    PRICES.to_csv(tmp_path / "prices.csv", index=False)
    table.to_csv(tmp_path / "scores.csv", index=False)
    options = ReadOptions(join=str(tmp_path / "scores.csv"))
    found = read(str(tmp_path / "prices.csv"), options)
    column = found.frame.data.set_index("timestamp")["score"].dropna()
    # Saturday's comes with the first row: nothing lies between.
    assert column.to_dict() == {pd.Timestamp("2024-01-08"): 2.0, pd.Timestamp("2024-01-10"): 4.0}
    notes = [n.text for n in found.profile.notes]
    assert any("2 scores joined to 2 rows, each counts for the day after its own" in n for n in notes)
    assert any("2 scores before or after the series left out" in n for n in notes)
    assert found.profile.covariates == {"past": ("score",)}
    assert found.profile.fingerprint != read(str(tmp_path / "prices.csv")).profile.fingerprint


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        (scores(("1999-01-09", 1.0)), {}, DataError, "no score falls into the time of the series"),
        (scores(("2024-01-09", 1.0)), {"columns": "scor"}, ConfigError, "--join-columns: 'scor'.*Did you mean 'score'"),
        (scores(("2024-01-09", 1.0)), {"item": "tick"}, ConfigError, "--join-item: 'tick'"),
        (scores(("2024-01-09", 1.0)), {"time": "when"}, ConfigError, "'when'; there is no such column"),
        (scores(("2024-01-09", 1.0)), {"close": "4pm"}, ConfigError, "--close: '4pm'; a clock such as 16:00"),
        (scores(("2024-01-09", 1.0)), {"close": "24:00"}, ConfigError, "a clock such as 16:00"),
        (scores(("2024-01-09", 1.0)), {"how": "median"}, ConfigError, "--join-how"),
        (pd.DataFrame({"day": ["2024-01-09"], "tone": ["good"]}), {"columns": "tone"}, DataError, "scores are numbers"),
        (pd.DataFrame({"k": [1, 2, 3], "score": [1.0, 2.0, 3.0]}), {}, DataError, "no column of times"),
        (scores(("2024-01-09", 1.0)).rename(columns={"score": "target"}), {}, ConfigError, "the data have a column of"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined(table, options, error, message):
    with pytest.raises(error, match=message) as caught:
        fk.join_scores(PRICES, table, **options)
    assert "\n" not in str(caught.value)


def test_steps_cannot_be_joined_by_date():
    with pytest.raises(ConfigError, match="the data count steps"):
        fk.join_scores(pd.DataFrame({"y": np.arange(9.0)}), scores(("2024-01-09", 1.0)))


def test_options_of_a_join_need_one():
    with pytest.raises(ConfigError, match="--close: means something with --join alone"):
        read(PRICES, ReadOptions(close="16:00"))


moments = st.datetimes(pd.Timestamp("2024-01-06"), pd.Timestamp("2024-01-26 15:00")).map(
    lambda t: t.replace(microsecond=0)
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(moments, st.floats(-1, 1)), min_size=1, max_size=12),
    close=st.sampled_from(["next-day", "09:30", "16:00", "23:59"]),
)
def test_as_a_slow_loop_says(rows, close):
    def known_at_the_end_of(day: pd.Timestamp, t: pd.Timestamp) -> bool:
        if close == "next-day":
            return t.normalize() < day
        hour, minute = map(int, close.split(":"))
        return t < day + pd.Timedelta(hours=hour, minutes=minute)

    # One score with a clock, so that the rule applies to all.
    rows = [*rows, (pd.Timestamp("2024-01-09 12:34:56").to_pydatetime(), 0.25)]
    table = pd.DataFrame({"published": [str(t) for t, _ in rows], "score": [v for _, v in rows]})
    found = fk.join_scores(PRICES, table, close=close).data["score"].to_numpy()
    wanted: list[list[float]] = [[] for _ in SESSIONS]
    for t, v in rows:
        first = next((k for k, day in enumerate(SESSIONS) if known_at_the_end_of(day, pd.Timestamp(t))), None)
        # What could have counted for the Friday before the first Monday is not of these rows.
        if first is not None and not known_at_the_end_of(pd.Timestamp("2024-01-05"), pd.Timestamp(t)):
            wanted[first].append(v)
    for k, values in enumerate(wanted):
        if values:
            assert found[k] == pytest.approx(np.mean(values))
        else:
            assert np.isnan(found[k])


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, len(SESSIONS) - 2), seed=st.integers(0, 99))
def test_scores_after_a_close_change_nothing_up_to_it(cut: int, seed: int):
    rng = np.random.default_rng(seed)
    stamps = pd.date_range("2024-01-08", "2024-01-26", freq="97min")
    table = pd.DataFrame({"published": stamps, "score": rng.normal(size=len(stamps))})
    closed = SESSIONS[cut] + pd.Timedelta(hours=16)
    late = stamps >= closed
    other = table.assign(score=np.where(late, rng.normal(size=len(stamps)), table["score"]))
    a, b = (fk.join_scores(PRICES, t, close="16:00").data["score"].to_numpy() for t in (table, other))
    np.testing.assert_array_equal(a[: cut + 1], b[: cut + 1])
    assert not np.array_equal(a, b, equal_nan=True)


def test_from_the_command_line_to_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rng = np.random.default_rng(0)
    days = pd.bdate_range("2023-01-02", periods=220)
    mood = rng.normal(size=220)
    data = pd.DataFrame({"date": days, "close": 100 + np.r_[0, np.cumsum(mood[:-1])]})
    table = pd.DataFrame({"when": days + pd.Timedelta(hours=15), "mood": mood, "note": "x"})
    data[:200].to_csv(tmp_path / "djia.csv", index=False)
    data[150:].to_csv(tmp_path / "newer.csv", index=False)
    table[:200].to_csv(tmp_path / "mood.csv", index=False)
    table[140:].to_csv(tmp_path / "newer_mood.csv", index=False)
    words = [
        "fit",
        "--data",
        str(tmp_path / "djia.csv"),
        "--join",
        str(tmp_path / "mood.csv"),
        "--join-columns",
        "mood",
    ]
    words += [
        "--close",
        "16:00",
        "--join-tz",
        "America/New_York",
        "--models",
        "gru",
        "--horizon",
        "1",
        "final=gru",
        "--quiet",
    ]
    words += ["baselines=naive", *(f"models.gru.{k}={v}" for k, v in SMALL.items()), "--out", str(tmp_path / "run")]
    assert main(words) == 0
    run = fk.load(tmp_path / "run")
    assert run.profile["covariates"] == {"past": ["mood"]}
    assert run.facts["config"]["data"]["close"] == "16:00"
    capsys.readouterr()
    newer = ["predict", str(tmp_path / "run"), "--data", str(tmp_path / "newer.csv"), "--join"]
    assert main([*newer, str(tmp_path / "newer_mood.csv")]) == 0
    first = capsys.readouterr().out
    assert "2023-11-06" in first
    changed = table[140:].copy()
    changed.iloc[-1, 1] += 5
    changed.to_csv(tmp_path / "changed.csv", index=False)
    assert main([*newer, str(tmp_path / "changed.csv")]) == 0
    assert capsys.readouterr().out != first
    (tmp_path / "run.yaml").write_text(
        f"data:\n  path: {tmp_path / 'djia.csv'}\n  join: {tmp_path / 'mood.csv'}\n  close: 16:00\n"
    )
    assert main(["fit", "--config", str(tmp_path / "run.yaml"), "--models", "gru", "--quiet", "baselines=naive",
                 *(f"models.gru.{k}={v}" for k, v in SMALL.items()), "--out", str(tmp_path / "b")]) == 0  # fmt: skip
    assert fk.load(tmp_path / "b").facts["config"]["data"]["close"] == "16:00"


def test_a_join_for_a_run_without_one(finished_run: Path, small_csv: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["predict", str(finished_run), "--data", str(small_csv), "--join", str(small_csv)]) == 2
    assert "this run has no joined scores" in capsys.readouterr().err
