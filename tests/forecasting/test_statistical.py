"""Models of one series against the libraries that they come from."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecastkit import registry
from forecastkit.errors import FitError
from forecastkit.forecasting.schema import SeriesFrame
from tests.conftest import build_panel

KEEP_START = ("auto_ets", "theta")


def library(name: str, season: int):
    from statsforecast.models import AutoARIMA, AutoETS, DynamicOptimizedTheta

    return {
        "auto_arima": lambda: AutoARIMA(season_length=season, approximation=season > 1),
        "auto_ets": lambda: AutoETS(season_length=season),
        "theta": lambda: DynamicOptimizedTheta(season_length=season),
    }[name]()


def since(frame: SeriesFrame, row: int) -> SeriesFrame:
    """The frame of one series without its first rows, its calendar too."""
    data = frame.data.iloc[row:].reset_index(drop=True)
    calendar = type(frame.calendar)(frame.calendar.freq, frame.calendar.instants[row:])
    return SeriesFrame(data, calendar, season_length=frame.season_length)


@pytest.mark.filterwarnings("ignore:possible convergence problem")
@pytest.mark.parametrize("season", [1, 7])
@pytest.mark.parametrize("name", ["auto_arima", *KEEP_START])
def test_after_its_own_rows_a_model_forecasts_as_the_library_does(name, season):
    frame = build_panel((200,), season=season, missing=0)
    points = registry.create_model(name).fit(frame, horizon=14).predict_at(frame, np.array([199]))[0, 0]
    np.testing.assert_allclose(points, library(name, season).fit(frame.store.series(0)).predict(14)["mean"], rtol=1e-9)


@pytest.mark.parametrize("name", KEEP_START)
class TestWhereHistoryBegins:
    """Rows 100 to 199 are fitted; level and season before row 100 are those of row 100 at every later cutoff."""

    @pytest.fixture
    @staticmethod
    def frame():
        return build_panel((330,), missing=0)

    def fitted(self, name, frame):
        return registry.create_model(name, max_history=100).fit(frame.upto(199), horizon=7)

    @pytest.mark.parametrize("days", [0, 1, 3, 7, 120])
    def test_later_cutoffs_go_on_from_the_first_row_of_the_training(self, name, frame, days):
        y, fitted = frame.store.series(0), self.fitted(name, frame)
        points = fitted.predict_at(frame, np.array([199 + days]))[0, 0]
        model = library(name, 7).fit(y[100:200])
        if name == "auto_ets":
            np.testing.assert_allclose(points, model.forward(y[100 : 200 + days], 7)["mean"], rtol=1e-9)
        # Row after row of trend and season as made, whose noise has a deviation of 1.
        assert np.abs(points - y[200 + days : 207 + days]).mean() < 2

    def test_the_same_after_it_was_saved_and_where_older_rows_are_known(self, name, frame):
        fitted, at = self.fitted(name, frame), np.array([250])
        points = fitted.predict_at(frame, at)
        arrays, meta = fitted.state()
        meta = json.loads(json.dumps(meta))
        again = registry.create_model(name, max_history=100).restore(arrays, meta)
        np.testing.assert_array_equal(again.predict_at(frame, at), points)
        np.testing.assert_array_equal(again.predict_at(since(frame, 60), at - 60), points)
        # Files of the first versions do not say when the rows began: the last rows stand for them.
        old = registry.create_model(name, max_history=100).restore(arrays, {k: meta[k] for k in meta if k != "since"})
        np.testing.assert_array_equal(old.predict_at(frame, at - 51), again.predict_at(frame, at - 51))

    def test_a_history_without_those_rows_is_refused_in_words(self, name, frame):
        with pytest.raises(FitError, match=r"fitted to its rows since 2022-04-13.*whole history"):
            self.fitted(name, frame).predict_at(since(frame, 150), np.array([100]))


def test_too_few_rows_to_take_a_season_out_of_are_forecast_by_the_last_one():
    frame = build_panel((200,), season=24, missing=0, freq="h")
    fitted = registry.create_model("auto_arima").fit(frame, horizon=3)
    assert "difference" in fitted.info["note"]
    points = fitted.predict_at(frame, np.array([47, 120]))[:, 0]
    assert points[0].tolist() == [frame.store.series(0)[47]] * 3
    assert np.abs(points[1] - frame.store.series(0)[121:124]).max() < 5


def test_how_a_season_was_taken_out_is_said_of_the_series_at_hand():
    """Three seasons are needed for differences; the second series has two."""
    frame = build_panel((100, 60), season=24, missing=0, freq="h")
    assert registry.create_model("auto_arima").fit(frame, horizon=3).info["note"] == (
        "season 24 taken out by difference or decomposition first"
    )
    short = registry.create_model("auto_arima").fit(frame.select(("item1",)), horizon=3)
    assert short.info["note"] == "season 24 taken out by decomposition first"
    assert registry.create_model("croston").fit(frame, horizon=3).info["note"] == ""
