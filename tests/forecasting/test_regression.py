"""Ridge, boosted trees and models of intermittent demand, against the libraries that have them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.models import ridge as ridge_module
from forecastkit.forecasting.models.ridge import _Sums
from forecastkit.forecasting.models.trees import Trees
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.schema import SeriesFrame
from tests.conftest import SMALL, build_panel


def frame_of(*series: np.ndarray, season: int = 7, **columns: np.ndarray) -> SeriesFrame:
    index = pd.date_range("2021-01-04", periods=len(series[0]), freq="D")
    parts = [
        pd.DataFrame({"item_id": f"s{k}", "timestamp": index, "target": y, **columns}) for k, y in enumerate(series)
    ]
    frame = SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", index), season_length=season)
    return replace(frame, known=tuple(columns))


class TestRidge:
    def sums(self, *, n_own: int, alike: bool):
        rng = np.random.default_rng(0)
        n, n_common, horizon = 60, 5, 3
        x = np.c_[rng.normal(size=(n, n_common)), np.ones(n)]
        g, y = rng.normal(size=(n, horizon, n_own)), rng.normal(size=(n, horizon))
        w = rng.uniform(0.5, 2, (n, 1)) * np.ones((1, horizon)) if alike else rng.integers(0, 2, (n, horizon)) * 1.0
        return x, g, y, w

    @pytest.mark.parametrize(("n_own", "alike"), [(0, True), (0, False), (2, True), (2, False)])
    def test_coefficients_are_those_of_scikit_learn(self, n_own, alike):
        from sklearn.linear_model import Ridge

        x, g, y, w = self.sums(n_own=n_own, alike=alike)
        halves = [_Sums.of(x[s], g[s], y[s], w[s], alike=alike) for s in (slice(0, 25), slice(25, 60))]
        rows = np.array([4, 0, 2])
        common, own = halves[0].plus(halves[1]).solved(3.0, rows)
        for h in range(3):
            both = np.c_[x[:, :5], g[:, h]]
            # Drawn towards 1 for one column: what is left after it, towards 0.
            theirs = Ridge(alpha=3.0).fit(both, y[:, h] - x[:, rows[h]], sample_weight=w[:, h])
            want = theirs.coef_.copy()
            want[rows[h]] += 1
            np.testing.assert_allclose(np.r_[common[h, :5], own[h]], want, atol=1e-6)
            assert common[h, 5] == pytest.approx(theirs.intercept_, abs=1e-6)

    def test_a_strong_penalty_gives_the_naive_rule(self):
        panel = build_panel(missing=0.0)
        fitted = registry.create_model("ridge", alpha=1e11).fit(panel, horizon=4)
        at = np.array([80, 110])
        rule = registry.create_model("seasonal_naive" if "7" in fitted.info["corrects"] else "naive").fit(
            panel, horizon=4
        )
        # The intercept is not penalised: a trend goes on.
        apart = fitted.predict_at(panel, at) - rule.predict_at(panel, at)
        assert np.abs(apart - apart.mean()).max() < 0.6

    def test_a_line_is_found_whatever_the_scale_of_each_series(self):
        rng = np.random.default_rng(0)
        y = np.zeros(200)
        for k in range(2, 200):
            y[k] = 1.5 * y[k - 1] - 0.9 * y[k - 2] + rng.normal()
        frame = frame_of(100 + y, 5e6 + 1e5 * y, season=1)
        fitted = registry.create_model("ridge", context_length=20, alpha=1e-3).fit(frame.upto(159), horizon=1)
        out = fitted.predict_at(frame, np.arange(160, 199))
        best = np.array([1.5 * y[c] - 0.9 * y[c - 1] for c in range(160, 199)])
        assert np.abs(out[:, 0, 0] - 100 - best).mean() < 0.5 < 0.5 * np.abs(np.diff(y[160:])).mean()
        np.testing.assert_allclose(out[:, 1, 0], 5e6 + 1e5 * out[:, 0, 0] - 1e7, rtol=1e-3)

    def test_what_is_known_ahead_is_used_bent_or_not(self):
        rng = np.random.default_rng(1)
        heat = rng.normal(0, 1, 300)
        frame = frame_of(50 + 3 * heat**2 + rng.normal(0, 0.1, 300), heat=heat)
        answer = frame.store.series(0)[260:264]
        blind = replace(frame, known=())
        errors = [
            np.abs(
                registry.create_model("ridge").fit(f.upto(259), horizon=4).predict_at(f, np.array([259]))[0, 0] - answer
            ).mean()
            for f in (frame, blind)
        ]
        assert errors[0] < 0.5 < errors[1]

    def test_holes_change_little(self):
        full = build_panel((200,), missing=0.0)
        rng = np.random.default_rng(3)
        data = full.data.copy()
        gone = rng.random(200) < 0.1
        gone[[0, -1]] = False
        data.loc[gone, "target"] = np.nan
        holes = replace(full, data=data)
        a, b = (
            registry.create_model("ridge", alpha=10).fit(f, horizon=5).predict_at(f, np.array([199]))
            for f in (full, holes)
        )
        assert np.abs(a - b).max() < 3.0

    def test_many_windows_are_thinned(self, monkeypatch):
        monkeypatch.setattr(ridge_module, "MOST_WINDOWS", 40)
        panel = build_panel(missing=0.0)
        assert np.isfinite(
            registry.create_model("ridge").fit(panel, horizon=3).predict_at(panel, np.array([119]))
        ).all()

    def test_wrong_options_are_explained(self):
        with pytest.raises(ConfigError, match=r"option alpha.*above 0"):
            registry.create_model("ridge", alpha=-1)
        with pytest.raises(ConfigError, match=r"option context_length.*at least 2"):
            registry.create_model("ridge", context_length=1)


class TestTrees:
    @pytest.fixture(scope="class")
    @staticmethod
    def trained():
        from sklearn.ensemble import HistGradientBoostingRegressor

        rng = np.random.default_rng(0)
        x = rng.normal(size=(500, 4))
        y = np.sin(2 * x[:, 0]) + x[:, 1] * (x[:, 2] > 0) + rng.normal(0, 0.1, 500)
        return HistGradientBoostingRegressor(max_iter=30, loss="absolute_error", random_state=0).fit(x, y)

    def test_they_forecast_as_scikit_learn(self, trained):
        x = np.random.default_rng(1).normal(size=(300, 4))
        trees = Trees.of(trained)
        np.testing.assert_allclose(trees.predict(x), trained.predict(x), rtol=1e-12)
        stages = list(trees.staged(x))
        for ours, theirs in zip(stages, trained.staged_predict(x)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        np.testing.assert_allclose(trees.first(7).predict(x), stages[6], rtol=1e-12)
        np.testing.assert_array_equal(trees.first(0).predict(x), 0.0)

    def test_stored_and_read_again(self, trained):
        x = np.random.default_rng(2).normal(size=(50, 4))
        trees = Trees.of(trained)
        again = Trees.from_arrays({k: v.copy() for k, v in trees.arrays().items()})
        np.testing.assert_array_equal(again.predict(x), trees.predict(x))
        np.testing.assert_array_equal(Trees.from_arrays(Trees.empty().arrays()).predict(x), 0.0)

    def test_a_bend_that_no_line_has_is_found(self):
        rng = np.random.default_rng(1)
        heat = rng.normal(0, 1, 400)
        frame = frame_of(50 + 6 * (heat > 0.5) + rng.normal(0, 0.1, 400), heat=heat)
        fitted = registry.create_model("boosting").fit(frame.upto(349), horizon=4)
        at = np.arange(350, 390, 4)
        answer = np.stack([frame.store.series(0)[c + 1 : c + 5] for c in at])
        mean = np.abs(answer - answer.mean()).mean()
        assert np.abs(fitted.predict_at(frame, at)[:, 0] - answer).mean() < 0.4 * mean
        assert fitted.info["best_step"] == min(fitted.curves, key=lambda r: r["valid_loss"])["step"]

    def heated(self, *, moving: bool):
        """Demand that hangs on the level of a temperature; a level of its own that moves or stays."""
        rng = np.random.default_rng(3)
        temperature = rng.normal(15, 8, 600)
        own = np.cumsum(rng.normal(2.0, 1.0, 600)) * 3 if moving else 0.0
        return frame_of(100 + 0.2 * temperature**2 + own, temperature=temperature)

    @pytest.mark.parametrize("moving", [False, True])
    def test_a_level_that_stays_is_learned_and_one_that_moves_is_followed(self, moving):
        frame = self.heated(moving=moving)
        chosen = registry.create_model("boosting", max_trees=40).fit(frame.upto(499), horizon=5)
        assert chosen.task.target == ("rule" if moving else "value")
        at = np.arange(499, 590, 5)
        answer = np.stack([frame.store.series(0)[c + 1 : c + 6] for c in at])
        errors = {}
        for target in ("rule", "value"):
            fitted = registry.create_model("boosting", max_trees=40, target=target).fit(frame.upto(499), horizon=5)
            errors[target] = np.abs(fitted.predict_at(frame, at)[:, 0] - answer).mean()
        assert errors[chosen.task.target] == min(errors.values())
        # The final fit, which is told the number of trees, forecasts what was tested.
        told = FitContext(n_steps=chosen.trees.n)
        final = registry.create_model("boosting", max_trees=40).fit(frame.upto(499), horizon=5, context=told)
        assert final.task.target == chosen.task.target

    def test_values_of_a_series_that_training_did_not_have_are_in_its_own_units(self):
        rng = np.random.default_rng(1)
        y = 50 + 5 * np.sin(np.arange(300) * 2 * np.pi / 7) + rng.normal(size=300)
        fitted = registry.create_model("boosting", target="value").fit(frame_of(y), horizon=3)
        same = fitted.predict_at(frame_of(y), np.array([250]))[0, 0]
        far = fitted.predict_at(frame_of(y, 1000 * y), np.array([250]))[0, 1]
        np.testing.assert_allclose(far / 1000, same, rtol=0.1)

    def test_trees_grown_again_see_the_last_rows(self):
        y = 50 + 5 * np.sin(np.arange(300) * 2 * np.pi / 7) + np.random.default_rng(0).normal(size=300)
        frame, at = frame_of(np.r_[y[:270], y[270:] + 15]), np.array([299])
        once, again = (
            registry.create_model("boosting", target="value", relearn=r).fit(frame, horizon=3) for r in (False, True)
        )
        assert once.trees.n == again.trees.n
        assert again.info["note"] == f"{again.trees.n} trees grown again on all rows"
        far = [np.abs(m.predict_at(frame, at) - (y[265:268] + 15)).mean() for m in (once, again)]
        assert far[1] < 0.5 * far[0]

    def test_covariates_over_the_rows_that_end_at_a_step(self):
        from forecastkit.forecasting.covariates import CovariateEncoder
        from forecastkit.forecasting.models.features import SHORTLY, trailing
        from forecastkit.forecasting.windows import Windows, gather

        frame = frame_of(np.arange(60.0), x=np.arange(60.0) ** 1.5)
        encoder = CovariateEncoder.fit(frame)
        encoded = encoder.encode(frame, 3)
        batch = gather(frame.store, Windows(np.array([0]), np.array([50])), 40, 3, covariates=encoded)
        parts = trailing(batch, encoder, 7, 3)
        x = encoded.known[:, 0].astype(np.float64)
        for h in (1, 2, 3):
            t = 50 + h
            want = [x[t - 6 : t + 1].mean(), x[t - 20 : t + 1].mean(), x[t - 6 : t + 1].max(), x[t - 6 : t + 1].min()]
            want += [x[t - k] for k in SHORTLY]
            np.testing.assert_allclose([p[0, h - 1, 0] for p in parts], want, atol=1e-5)

    def test_the_final_fit_takes_the_steps_it_is_told(self):
        panel = build_panel()
        model = registry.create_model("boosting", min_leaf=5)
        assert model.fit(panel, horizon=3, context=FitContext(n_steps=4)).trees.n == 4
        none = model.fit(panel, horizon=3, context=FitContext(n_steps=0))
        assert none.trees.n == 0
        assert np.isfinite(none.predict_at(panel, np.array([119]))).all()

    def test_noise_alone_keeps_the_rule(self):
        rng = np.random.default_rng(0)
        frame = frame_of(rng.normal(0, 1, 60).cumsum(), season=1)
        fitted = registry.create_model("boosting").fit(frame, horizon=3)
        assert fitted.info["best_step"] <= 30

    @pytest.mark.parametrize(("option", "value", "words"), [("lr", 0.0, "up to 1"), ("leaves", 1, "at least 2"), ("max_trees", 0, "at least 1")])  # fmt: skip
    def test_wrong_options_are_explained(self, option, value, words):
        with pytest.raises(ConfigError, match=rf"option {option}.*{words}"):
            registry.create_model("boosting", **{option: value})


class TestIntermittent:
    Y = np.array([0, 0, 4, 0, 0, 0, 2, 0, 3, 0, 0, 0], float)

    def test_croston_by_hand(self):
        """Sizes 4, 2, 3 and times 3, 4, 2 between demands, both smoothed by a tenth."""
        frame = frame_of(self.Y)
        size = 0.9 * (0.9 * 4 + 0.1 * 2) + 0.1 * 3
        gap = 0.9 * (0.9 * 3 + 0.1 * 4) + 0.1 * 2
        out = registry.create_model("croston").fit(frame, horizon=2).predict_at(frame, np.array([11]))
        np.testing.assert_allclose(out[0, 0], size / gap)
        sba = registry.create_model("croston", variant="sba").fit(frame, horizon=2).predict_at(frame, np.array([11]))
        np.testing.assert_allclose(sba, 0.95 * out)

    def test_tsb_by_hand(self):
        frame = frame_of(self.Y)
        model = registry.create_model("tsb", alpha_size=0.5, alpha_chance=0.2)
        size = 0.5 * (0.5 * 4 + 0.5 * 2) + 0.5 * 3
        chance = 0.0
        for k, y in enumerate(self.Y):
            chance = float(y > 0) if k == 0 else 0.2 * (y > 0) + 0.8 * chance
        out = model.fit(frame, horizon=3).predict_at(frame, np.array([11]))
        np.testing.assert_allclose(out[0, 0], size * chance, rtol=1e-6)

    def test_tsb_falls_while_nothing_is_sold_and_croston_does_not(self):
        y = np.r_[np.tile([0, 0, 3.0], 15), np.zeros(15)]
        frame = frame_of(y)
        at = np.array([44, 59])
        croston, tsb = (
            registry.create_model(n).fit(frame.upto(44), horizon=1).predict_at(frame, at) for n in ("croston", "tsb")
        )
        assert croston[1] == pytest.approx(croston[0])
        assert tsb[1] < 0.5 * tsb[0]

    def test_shares_are_chosen_on_training_rows(self):
        rng = np.random.default_rng(0)
        steady = np.where(rng.random(200) < 0.3, 5.0, 0.0)
        fitted = registry.create_model("tsb").fit(frame_of(steady), horizon=1)
        assert fitted.models["s0"].model.alpha_p == 0.05

    def test_rows_not_observed_are_no_zeros(self):
        holes = self.Y.copy()
        holes[[4, 10]] = np.nan
        frame, shorter = frame_of(holes), frame_of(np.delete(self.Y, [4, 10]))
        a = registry.create_model("croston").fit(frame, horizon=1).predict_at(frame, np.array([11]))
        b = registry.create_model("croston").fit(shorter, horizon=1).predict_at(shorter, np.array([9]))
        assert a[0, 0, 0] == pytest.approx(b[0, 0, 0])


class TestLineOfNetworks:
    def test_an_untrained_network_is_scikit_learns_ridge(self, monkeypatch):
        from sklearn.linear_model import Ridge

        monkeypatch.setattr(ridge_module, "ALPHAS", (3.0,))
        y = build_panel((150,), missing=0.0).store.series(0)
        frame = frame_of(y, season=1)
        model = registry.create_model("gru", ridge=True, context_length=10, scale_loss=False)
        fitted = model.fit(frame.upto(119), horizon=3, context=FitContext(n_steps=0))
        assert fitted.info["corrects"] == "ridge regression, last value"
        found = fitted.predict_at(frame, np.array([119, 140]))[:, 0]
        windows = np.lib.stride_tricks.sliding_window_view(y[:120], 13)
        spread, last = windows[:, :10].std(1, keepdims=True), windows[:, 9:10]
        scaled = (windows - last) / spread
        theirs = Ridge(alpha=3.0).fit(scaled[:, :10], scaled[:, 10:])
        for k, c in enumerate((119, 140)):
            past = y[c - 9 : c + 1]
            want = theirs.predict((past - past[-1])[None] / past.std())[0] * past.std() + past[-1]
            np.testing.assert_allclose(found[k], want, rtol=1e-4)

    def test_it_is_saved_with_the_network(self):
        panel = build_panel((120, 90))
        model = registry.create_model("segrnn", **SMALL, ridge=True)
        fitted = model.fit(panel.upto(100), horizon=3)
        at = np.array([100, 110])
        points = fitted.predict_at(panel, at)
        again = model.restore(*fitted.state())
        np.testing.assert_array_equal(again.predict_at(panel, at), points)

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("gru", {"strategy": "recursive"}),
            ("lstm", {"supervise": "all"}),
            ("deepar", {}),
            ("seq2seq", {}),
            ("esrnn", {}),
        ],
    )
    def test_where_it_has_no_place(self, name, options):
        with pytest.raises(ConfigError, match="ridge"):
            registry.create_model(name, ridge=True, **options)
