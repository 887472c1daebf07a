"""Ensembles: combined by hand, weights that never see what they are scored on, saved whole."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.errors import FitError
from forecastkit.forecasting.ensemble import METHODS, Member, _greedy, combine, learn, of_run
from forecastkit.forecasting.protocol import FitContext
from tests.conftest import SMALL, build_panel


class TestCombine:
    def test_by_hand(self):
        points = np.array([[10.0, 20.0], [20.0, 40.0]])
        np.testing.assert_allclose(combine(points, np.array([[0.5, 0.25], [0.5, 0.75]])), [15.0, 35.0])

    def test_a_member_without_a_forecast_leaves_its_share(self):
        points = np.array([[[1.0, np.nan]], [[3.0, 5.0]], [[np.nan, np.nan]]])
        np.testing.assert_allclose(combine(points, np.full((3, 2), 1 / 3)), [[2.0, 5.0]])
        assert np.isnan(combine(points[2:], np.ones((1, 2)))).all()

    @given(st.floats(-1e12, 1e12), st.integers(2, 7))
    def test_equal_forecasts_stay_what_they_are(self, value, n):
        points = np.full((n, 3), value)
        weights = np.full((n, 3), 1 / n)
        assert (combine(points, weights) == value).all()
        assert (combine(points, weights, median=True) == value).all()

    def test_median_of_those_that_take_part(self):
        points = np.array([[1.0], [100.0], [3.0], [4.0]])
        weights = np.array([[0.3], [0.0], [0.3], [0.4]])
        assert combine(points, weights, median=True) == 3.0
        assert combine(points, np.ones((4, 1)), median=True) == 3.5


def test_greedy_search_against_a_slow_loop():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(4, 30))
    counts, picks = [0] * 4, []
    for _ in range(25):
        losses = []
        for m in range(4):
            trial = counts.copy()
            trial[m] += 1
            mean = sum(c * e for c, e in zip(trial, errors)) / sum(trial)
            losses.append(float(np.abs(mean).mean()))
        counts[int(np.argmin(losses))] += 1
        picks.append((min(losses), counts.copy()))
    expected = min(picks, key=lambda pair: pair[0])[1]
    np.testing.assert_allclose(_greedy(errors), np.array(expected) / sum(expected))


def _made(seed: int, n_folds: int = 6, n_items: int = 2, horizon: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n_folds, n_items, horizon)).cumsum(axis=0)
    points = np.stack([y + rng.normal(0, s, y.shape) for s in (1.0, 1.1, 1.2, 6.0)])
    return points, y, np.ones((n_folds, n_items))


class TestLearn:
    @pytest.mark.parametrize("method", METHODS)
    def test_the_forecast_of_a_fold_does_not_know_its_answers(self, method):
        points, y, scale = _made(1)
        _, outside, _ = learn(points, y, scale, method)
        other = y.copy()
        other[2] += np.random.default_rng(2).normal(0, 50, other[2].shape)
        mix, changed, _ = learn(points, other, scale, method)
        np.testing.assert_array_equal(outside[2], changed[2])
        assert np.isfinite(mix.weights).all()
        np.testing.assert_allclose(mix.weights.sum(axis=0), 1)

    def test_with_two_folds_of_many_series_other_series_decide(self):
        points, y, scale = _made(3, n_folds=2, n_items=40)
        _, outside, _ = learn(points, y, scale, "greedy")
        other = y.copy()
        other[:, 5::5] += 30  # the first group but for series 0
        _, changed, _ = learn(points, other, scale, "greedy")
        np.testing.assert_array_equal(outside[:, ::5], changed[:, ::5])

    def test_errors_that_cancel_are_found(self):
        """Two members that miss to either side beat the better of them."""
        rng = np.random.default_rng(4)
        y = rng.normal(size=(8, 3, 4))
        wave = rng.normal(size=y.shape)
        points = np.stack([y + wave, y - wave, y + 3 * rng.normal(size=y.shape)])
        mix, outside, losses = learn(points, y, np.ones((8, 3)), "auto")
        assert np.abs(outside - y).mean() < 0.2 * np.abs(wave).mean()
        assert losses[mix.method] == min(losses.values())

    def test_an_undefined_scale_leaves_the_series_out(self):
        points, y, scale = _made(5)
        scale[:, 1] = np.nan
        wild = points.copy()
        wild[:, :, 1] = 1e9
        np.testing.assert_array_equal(
            learn(points, y, scale, "greedy")[0].weights, learn(wild, y, scale, "greedy")[0].weights
        )


class TestOfRun:
    def _points(self, seed: int = 6) -> tuple[dict[str, list[np.ndarray]], np.ndarray, np.ndarray]:
        points, y, scale = _made(seed, n_folds=12)
        names = ("theta", "lstm", "auto_ets", "naive")
        return {name: [p] for name, p in zip(names, points)}, y, scale

    def test_report_answers_change_nothing(self):
        points, y, scale = self._points()
        mix, names, forecasts, _ = of_run(points, slice(0, 6), y, scale, "auto")
        other = y.copy()
        other[6:] = np.random.default_rng(7).normal(0, 99, other[6:].shape)
        again = of_run(points, slice(0, 6), other, scale, "auto")
        assert names == again[1]
        np.testing.assert_array_equal(mix.weights, again[0].weights)
        np.testing.assert_array_equal(forecasts, again[2])

    def test_seeds_of_a_network_are_one_member(self):
        points, y, scale = self._points()
        both = points | {"lstm": [points["lstm"][0] - 1, points["lstm"][0] + 1]}
        one, two = (of_run(p, slice(0, 6), y, scale, "best") for p in (points, both))
        assert one[1] == two[1]
        np.testing.assert_allclose(one[2], two[2])

    def test_worse_than_the_naive_rule_takes_no_part(self):
        points, y, scale = self._points()
        points["naive"], points["drift"] = points["theta"], [y + 7]
        _, names, _, _ = of_run(points, slice(0, 6), y, scale, "median")
        assert "drift" not in names

    def test_nothing_to_join(self):
        points, y, scale = self._points()
        assert of_run(points, slice(0, 0), y, scale, "auto") is None
        assert of_run({"theta": points["theta"]}, slice(0, 6), y, scale, "auto") is None
        broken = {name: [np.full_like(runs[0], np.nan)] for name, runs in points.items()}
        assert of_run(broken, slice(0, 6), y, scale, "auto") is None


class TestForecaster:
    def _model(self):
        members = [
            {"name": "theta", "weights": [0.5]},
            {"name": "gru", "options": SMALL, "weights": [0.25, 0.25, 0.5, 0.5], "seeds": [1, 2], "n_steps": 10},
            {"name": "naive", "weights": [0.25, 0.25, 0.0, 0.0]},
        ]
        return registry.create_model("ensemble", members=members, method="steps")

    def test_members_seeds_and_weights(self):
        panel = build_panel()
        model = self._model()
        assert model.members[1] == Member("gru", SMALL, (0.25, 0.25, 0.5, 0.5), (1, 2), 10)
        at = np.array([100, 119])
        fitted = model.fit(panel, horizon=4, context=FitContext(seed=9))
        theta, naive = (
            registry.create_model(n).fit(panel, horizon=4).predict_at(panel, at) for n in ("theta", "naive")
        )
        gru = [
            registry.create_model("gru", **SMALL)
            .fit(panel, horizon=4, context=FitContext(seed=s, n_steps=10))
            .predict_at(panel, at)
            for s in (1, 2)
        ]
        late = np.array([0.0, 0.0, 1.0, 1.0])
        expected = 0.5 * theta + (0.25 + 0.25 * late) * (gru[0] + gru[1]) / 2 + 0.25 * (1 - late) * naive
        np.testing.assert_allclose(fitted.predict_at(panel, at), expected)
        arrays, meta = fitted.state()
        again = model.restore(arrays, json.loads(json.dumps(meta)))
        np.testing.assert_array_equal(again.predict_at(panel, at), fitted.predict_at(panel, at))

    def test_a_gap_moves_the_weights_to_the_last_steps(self):
        panel = build_panel()
        fitted = self._model().fit(panel, horizon=6, context=FitContext())
        assert np.isfinite(fitted.predict_at(panel, np.array([119]))).all()

    def test_a_member_that_fails_leaves_its_share_and_all_that_fail_are_an_error(self):
        short = build_panel((5,), missing=0.0)
        fitted = registry.create_model("ensemble", members=[{"name": "theta"}, {"name": "naive"}]).fit(short, horizon=2)
        assert fitted.predict_at(short, np.array([4]))[0, 0, 0] == short.store.series(0)[4]
        with pytest.raises(FitError, match="no member could be fitted"):
            registry.create_model("ensemble", members=[{"name": "theta"}]).fit(short, horizon=2)


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_an_ensemble_lies_between_its_members(seed):
    points, y, scale = _made(seed)
    _, outside, _ = learn(points, y, scale, "auto")
    assert (outside <= points.max(axis=0) + 1e-9).all()
    assert (outside >= points.min(axis=0) - 1e-9).all()


class TestRun:
    def test_a_row_a_model_and_a_forecast(self, small_csv, fresh_folder):
        words = [
            "fit",
            "--data",
            str(small_csv),
            "--horizon",
            "5",
            "--models",
            "gru",
            "--seeds",
            "2",
            "--quiet",
            "--out",
            "run",
        ]
        words += ["--whole", "final=ensemble", "ensemble=median", *(f"models.gru.{k}={v}" for k, v in SMALL.items())]
        assert main(words) == 0
        board = pd.read_csv("run/leaderboard.csv")
        row = board.set_index("model").loc["ensemble"]
        assert (row["family"], row["status"]) == ("ensemble", "ok")
        assert row["note"].startswith("the median of ")
        assert (board["model"] == "gru").sum() == 1
        forecast = pd.read_csv("run/forecast.csv")
        assert set(forecast["model"]) == {"ensemble"}
        assert (forecast["point"] == forecast["point"].round()).all()
        assert main(["predict", "run", "--out", "again.csv"]) == 0
        pd.testing.assert_frame_equal(pd.read_csv("again.csv"), forecast)
        assert main(["rerun", "run", "--quiet"]) == 0

    def test_switched_off(self, small_csv, fresh_folder):
        words = ["backtest", "--data", str(small_csv), "--horizon", "5", "--quiet", "--out", "run", "models=[]"]
        assert main([*words, "ensemble=none"]) == 0
        assert "ensemble" not in set(pd.read_csv("run/leaderboard.csv")["model"])

    @pytest.mark.parametrize(
        ("word", "said"),
        [
            ("models.ensemble.method=median", "no options of its own"),
            ("ensemble=vote", "ensemble"),
            ("final=ensembel", "ensemble"),
        ],
    )
    def test_bad_input(self, word, said, small_csv, fresh_folder, capsys):
        assert main(["fit", "--data", str(small_csv), word]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1

    def test_nothing_to_join_is_said(self, small_csv, fresh_folder, capsys):
        words = [
            "fit",
            "--data",
            str(small_csv),
            "--horizon",
            "5",
            "models=[]",
            "final=ensemble",
            "evaluation.n_select=0",
        ]
        assert main(words) == 2
        assert "there are no two models with select folds and a weight to join" in capsys.readouterr().err
