"""Covariates: what is read, from which rows, and that it helps where the target hangs on it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.covariates import CovariateEncoder, missing_future
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.forecasting.time_features import TimeFeatures, with_closed_days
from forecastkit.forecasting.windows import Windows, gather
from forecastkit.reading import as_frame
from tests.conftest import SMALL, build_panel, small


def with_covariates(frame: SeriesFrame, seed: int = 0) -> SeriesFrame:
    """Of every kind: numbers and words; past, known and static; with a hole."""
    rng = np.random.default_rng(seed)
    n = len(frame)
    data = frame.data.assign(
        heat=rng.normal(20, 5, n),
        sky=rng.choice(["sun", "rain", "fog"], n),
        volume=np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(3, 1, n)),
        mood=rng.choice(["good", "bad"], n),
        size=frame.data["item_id"].map({"item0": 10.0, "item1": 30.0}).to_numpy(),
        town=frame.data["item_id"].map({"item0": "a", "item1": "b"}).to_numpy(),
    )
    return replace(frame, data=data, known=("heat", "sky"), past=("volume", "mood"), static=("size", "town"))


NETWORKS = [name for name in registry.list_models() if registry.describe(name)["family"] == "network"]


@pytest.mark.parametrize("name", registry.list_models())
def test_only_what_may_be_known_changes_a_forecast(name):
    frame = with_covariates(build_panel())
    horizon, cutoff = 4, 90
    model = registry.create_model(name, **small(name))
    fitted = model.fit(frame.upto(cutoff), horizon=horizon, context=FitContext(seed=1))
    at = np.array([70, cutoff])
    before = fitted.predict_at(frame, at)
    rng = np.random.default_rng(5)
    late, beyond = frame.positions > cutoff, frame.positions > cutoff + horizon
    other = frame.data.copy()
    other.loc[late, "target"] = 1e5
    for name_, rows in (("volume", late), ("heat", beyond)):
        other.loc[rows, name_] = rng.normal(0, 1e4, int(rows.sum()))
    for name_, rows in (("mood", late), ("sky", beyond)):
        other.loc[rows, name_] = "never seen"
    np.testing.assert_array_equal(fitted.predict_at(replace(frame, data=other), at), before)
    if name in NETWORKS:
        known = frame.data.copy()
        known.loc[late & ~beyond, "heat"] += 30.0
        assert not np.array_equal(fitted.predict_at(replace(frame, data=known), at)[1], before[1])


@pytest.mark.parametrize(
    "options", [{}, {"strategy": "recursive"}, {"supervise": "all"}, {"head": "quantile"}, {"clock": True}]
)
def test_saved_with_covariates_is_restored(options):
    frame = with_covariates(build_panel())
    model = registry.create_model("gru", **(SMALL | options))
    fitted = model.fit(frame, horizon=3, context=FitContext())
    arrays, meta = fitted.state()
    again = model.restore(arrays, json.loads(json.dumps(meta)))
    at = np.array([80, 100])
    np.testing.assert_array_equal(again.predict_at(frame, at), fitted.predict_at(frame, at))
    assert again.encoder == fitted.encoder


def test_a_target_that_is_its_known_covariate_is_found():
    rng = np.random.default_rng(3)
    n = 400
    index = pd.date_range("2023-01-01", periods=n, freq="D")
    heat = rng.normal(0, 1, n)
    data = pd.DataFrame({"item_id": "a", "timestamp": index, "target": 50 + 5 * heat, "heat": heat})
    frame = SeriesFrame(data, Calendar("D", index), known=("heat",))
    at = np.arange(350, 390)
    answer = np.stack([data["target"].to_numpy()[c + 1 : c + 6] for c in at])
    errors = {}
    for known in ((), ("heat",)):
        seen = replace(frame, known=known)
        fitted = registry.create_model("gru", max_steps=400).fit(seen.upto(349), horizon=5)
        errors[known] = np.abs(fitted.predict_at(seen, at)[:, 0] - answer).mean()
    assert errors[("heat",)] < 0.35 * errors[()]


class TestEncoder:
    def test_scales_come_from_training_rows(self):
        frame = with_covariates(build_panel())
        encoder = CovariateEncoder.fit(frame.upto(60), clock=False)
        rows = frame.data[frame.positions <= 60]
        heat = next(c for c in encoder.known if c.name == "heat")
        assert heat.centre == pytest.approx(rows["heat"].mean())
        assert heat.spread == pytest.approx(rows["heat"].std(ddof=0))
        assert encoder.past[0].gaps
        assert [c.values for c in encoder.known_cat] == [("fog", "rain", "sun")]

    def test_an_unseen_category_and_a_missing_one_are_code_0(self):
        frame = with_covariates(build_panel())
        encoder = CovariateEncoder.fit(frame, clock=False)
        data = frame.data.copy()
        data.loc[:2, "sky"] = ["snow", None, "sun"]
        codes = encoder.encode(replace(frame, data=data), 3).known_cat
        assert codes[:3, 0].tolist() == [0, 0, 3]

    def test_a_moving_level_is_scaled_by_the_window(self):
        frame = build_panel((200,), missing=0.0)
        rising = frame.data.assign(trend=np.arange(200.0), noise=np.random.default_rng(0).normal(0, 1, 200))
        encoder = CovariateEncoder.fit(replace(frame, data=rising, past=("trend", "noise")), clock=False)
        assert [c.local for c in encoder.past] == [True, False]

    def test_missing_values_are_the_last_one_and_marked(self):
        frame = build_panel((20,), missing=0.0)
        values = np.arange(20.0)
        values[[0, 7, 8]] = np.nan
        frame = replace(frame, data=frame.data.assign(x=values), past=("x",))
        encoder = CovariateEncoder.fit(frame, clock=False)
        past = encoder.encode(frame, 2).past
        column = encoder.past[0]
        back = past[:, 0] * column.spread + column.centre
        assert back[[7, 8]] == pytest.approx([6.0, 6.0])
        assert back[0] == pytest.approx(column.centre)
        assert past[:, 1].tolist() == [1.0] + [0.0] * 6 + [1.0, 1.0] + [0.0] * 11

    def test_the_future_table_follows_each_item(self):
        frame = build_panel((30, 20), missing=0.0)
        frame = replace(frame, data=frame.data.assign(heat=np.arange(50.0)), known=("heat",))
        due = frame.calendar.future(3)
        ahead = pd.DataFrame(
            {"item_id": ["item0"] * 3 + ["item1"] * 3, "timestamp": [*due, *due], "heat": np.arange(100.0, 106.0)}
        )
        frame = replace(frame, future=ahead)
        assert not len(missing_future(frame, 3))
        assert len(missing_future(frame, 4)) == 2
        hole = replace(frame, future=ahead.assign(heat=ahead["heat"].where(ahead["heat"] != 104)).iloc[:-1])
        gone = missing_future(hole, 3)
        assert gone.to_numpy().tolist() == [["item1", due[1], "heat"], ["item1", due[2], "heat"]]
        assert len(missing_future(replace(frame, future=None), 3)) == 6
        encoder = CovariateEncoder.fit(frame, clock=False)
        batch = gather(
            frame.store,
            Windows(np.array([0, 1]), np.array([29, 19])),
            2,
            0,
            covariates=encoder.encode(frame, 3),
            ahead=3,
        )
        heat = batch.known_num[:, :, 0] * encoder.known[0].spread + encoder.known[0].centre
        np.testing.assert_allclose(heat, [[28, 29, 100, 101, 102], [48, 49, 103, 104, 105]], rtol=1e-5)

    def test_static_columns_are_one_value_an_item(self):
        frame = with_covariates(build_panel())
        encoder = CovariateEncoder.fit(frame, clock=False)
        encoded = encoder.encode(frame, 2)
        assert encoded.static.shape == (2, 1)
        assert encoded.static_cat[:, 0].tolist() == [1, 2]


class TestTimeFeatures:
    def test_by_frequency_and_only_cycles_that_were_seen_twice(self):
        def cycles(freq, periods):
            calendar = Calendar(freq, pd.date_range("2020-01-01", periods=periods, freq=freq))
            return TimeFeatures.choose(calendar, clock=True).cycles

        assert cycles("h", 24 * 20) == ("day", "week")
        assert cycles("h", 24) == ()
        assert cycles("B", 600) == ("week", "year")
        assert cycles("D", 400) == ("week",)
        assert cycles("MS", 36) == ("year",)
        assert cycles("YS", 30) == ()
        days = Calendar("D", pd.date_range("2020-01-01", periods=400))
        assert TimeFeatures.choose(days, clock=False).cycles == ()
        assert TimeFeatures.choose(
            Calendar("30min", pd.date_range("2020-01-01", periods=400, freq="30min")), clock=True
        ).cycles == ("day",)
        assert TimeFeatures.choose(Calendar("step", pd.Index(np.arange(50))), clock=True).cycles == ()

    def test_midnight_and_noon_by_the_wall_clock(self):
        index = pd.DatetimeIndex(["2024-07-01 00:00", "2024-07-01 12:00"]).tz_localize("Europe/Madrid")
        values = TimeFeatures(("day",)).values(index)
        np.testing.assert_allclose(values[:, :2], [[0, 1], [0, -1]], atol=1e-6)

    def test_holidays_of_a_country(self):
        pytest.importorskip("holidays")
        index = pd.date_range("2024-12-23", periods=4, freq="D")
        features = TimeFeatures(country="ES")
        assert features.names == ("holiday", "holiday_eve")
        assert features.values(index).tolist() == [[0, 0], [0, 1], [1, 0], [0, 0]]

    def test_there_and_back(self):
        features = TimeFeatures(("day", "week"), "ES")
        assert TimeFeatures.from_dict(json.loads(json.dumps(features.to_dict()))) == features


@pytest.mark.parametrize("head", ["quantile", "normal", "student_t"])
def test_quantiles_of_a_network_do_not_cross_and_cover(head):
    rng = np.random.default_rng(0)
    n = 600
    index = pd.date_range("2022-01-01", periods=n, freq="D")
    y = 10 + np.sin(np.arange(n) * 2 * np.pi / 7) + rng.normal(0, 0.5, n)
    frame = SeriesFrame(
        pd.DataFrame({"item_id": "a", "timestamp": index, "target": y}), Calendar("D", index), season_length=7
    )
    fitted = registry.create_model("gru", head=head, max_steps=300).fit(frame.upto(449), horizon=3)
    at = np.arange(450, 590)
    quantiles = fitted.quantiles_at(frame, at)[:, 0]
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    answer = np.stack([y[c + 1 : c + 4] for c in at])
    covered = ((answer >= quantiles[..., 2]) & (answer <= quantiles[..., 10])).mean()
    assert 0.65 < covered < 0.95
    assert fitted.predict_at(frame, at).shape == (140, 1, 3)


def test_holidays_without_rows_have_none_ahead():
    """A market is open on some public holidays; those on which it never was stay closed."""
    days = pd.bdate_range("2022-01-03", "2023-12-22")
    open_too = ["Columbus Day", "Veterans Day"]
    import holidays

    closed = [
        d for d, n in holidays.country_holidays("US", years=[2022, 2023]).items() if not any(o in n for o in open_too)
    ]
    days = days[~days.isin(pd.DatetimeIndex(closed))]
    table = pd.DataFrame({"date": days, "close": np.arange(len(days)) % 7 + 50.0})
    frame = with_closed_days(as_frame(table, target="close", holidays="US"))
    ahead = frame.calendar.future(8)
    assert [str(d.date()) for d in ahead[:2]] == ["2023-12-26", "2023-12-27"]
    assert pd.Timestamp("2024-01-01") not in ahead
    assert "2024-10-14" not in frame.calendar.closed  # Columbus Day
    assert "2024-11-28" in frame.calendar.closed
    with_every_day = as_frame(
        pd.DataFrame({"date": pd.bdate_range("2022-01-03", "2023-12-22"), "y": 1.0}), holidays="US"
    )
    assert with_closed_days(with_every_day).calendar.closed == ()


def test_sessions_stay_closed_too():
    start = pd.Timestamp("2022-12-01 07:00")
    days = [d for d in range(380) if (start + pd.Timedelta(days=d)).strftime("%m-%d") not in ("12-25", "01-01")]
    times = pd.DatetimeIndex([start + pd.Timedelta(days=d, minutes=5 * k) for d in days for k in range(169)])
    frame = with_closed_days(as_frame(pd.DataFrame({"time": times, "y": np.arange(len(times)) % 169.0}), holidays="GB"))
    ahead = pd.DatetimeIndex(frame.calendar.future(169 * 20))
    assert (ahead[0], len(set(ahead))) == (pd.Timestamp("2023-12-16 07:00"), 169 * 20)
    off = {str(d.date()) for d in pd.date_range("2023-12-16", ahead[-1])} - {str(d.date()) for d in ahead}
    assert off == {"2023-12-25", "2024-01-01"}
