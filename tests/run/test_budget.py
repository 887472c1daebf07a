"""Presets, time limits and how a later run repeats what time decided."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import yaml

from forecastkit import registry
from forecastkit.cli import main
from forecastkit.config import load_config
from forecastkit.errors import ForecastkitError
from forecastkit.forecasting.backtest import ModelBacktest
from forecastkit.forecasting.ensemble import Member
from forecastkit.forecasting.protocol import FitContext
from forecastkit.presets import PRESETS
from forecastkit.run import budget as room
from forecastkit.run.budget import Budget, Replay, affordable
from tests.conftest import SMALL, build_panel


class TestPresets:
    @pytest.mark.parametrize("name", PRESETS)
    def test_every_preset_loads_and_its_models_exist(self, name):
        config = load_config(None, values={"preset": name})
        assert config.preset == name
        for model, options in config.models.items():
            rest = {k: v for k, v in options.items() if k != "model"}
            registry.create_model(options.get("model", model), **rest)

    def test_what_is_given_wins(self):
        config = load_config(None, values={"preset": "fast", "models": {"rnn": {}}}, overrides=["baseline_seconds=7"])
        assert (config.models, config.baseline_seconds) == ({"rnn": {}}, 7.0)
        assert load_config(None, values={"preset": "fast"}).baseline_seconds == PRESETS["fast"]["baseline_seconds"]

    def test_a_stored_configuration_is_itself_again(self):
        config = load_config(None, values={"preset": "best", "time_limit": "10m"})
        assert load_config(None, values=config.to_dict()) == config

    @pytest.mark.parametrize(("word", "said"), [
        ("preset=quick", "preset"), ("time_limit=soon", "10m"), ("time_limit=1", "5 seconds"), ("time_limit=-3", "10m"),
        ("time_limit=10m5", "10m"), ("time_limit=[1]", "10m"), ("time_limit=true", "10m"), ("preset=[1]", "preset"),
    ])  # fmt: skip
    def test_mistakes_are_named(self, word, said):
        with pytest.raises(ForecastkitError) as error:
            load_config(None, overrides=[word])
        assert said in str(error.value)


SECONDS = {"statistical": 120.0, "network": None}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [1000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    return now


def _run(name: str, seed: int = 1, fit: float = 10.0, **info) -> ModelBacktest:
    return ModelBacktest(name, seed, np.zeros((1, 1, 1)), seconds_fit=fit, seconds_predict=1.0, info=info)


class TestBudget:
    def test_without_a_limit_only_baselines_have_one(self, clock):
        plain = Budget(None, SECONDS, final=True)
        assert plain.deadline(["statistical"]) == 1120
        assert plain.deadline(["network"]) is None
        assert plain.next_seed({"lstm": 1.0}, {"lstm": [_run("lstm")]}) is None

    def test_shares_by_hand(self, clock):
        """100 s: 5 for the end, 35 for the final fit, 60 for backtests, of those 18 for baselines."""
        own = Budget(100.0, SECONDS, final=True)
        families = ["baseline", "statistical", "statistical", "network", "network"]
        assert own.deadline(families) is None
        assert own.deadline(families[1:]) == pytest.approx(1009)
        clock[0] = 1009
        assert own.deadline(families[2:]) == pytest.approx(1018)
        clock[0] = 1010  # the second baseline was quick
        assert own.deadline(families[3:]) == pytest.approx(1010 + 25)
        clock[0] = 1020
        assert own.deadline(families[4:]) == pytest.approx(1060)
        assert Budget(100.0, SECONDS, final=False).deadline(["network"]) == pytest.approx(1020 + 95)

    def test_late_baselines_still_get_a_second(self, clock):
        own = Budget(100.0, SECONDS, final=True)
        clock[0] = 1090
        assert own.deadline(["statistical"]) == 1091

    def test_time_that_is_left_trains_seeds_of_the_best(self, clock):
        own = Budget(200.0, SECONDS, final=True)  # backtests until 1120, final fits of 70 s
        tested = {name: [_run(name)] for name in ("lstm", "gru", "rnn", "tcn")}
        losses = {"lstm": 1.0, "gru": 0.9, "rnn": 1.1, "tcn": 5.0}
        assert own.next_seed(losses, tested) == ("gru", 2)
        tested["gru"].append(_run("gru", 2))
        assert own.next_seed(losses, tested) == ("lstm", 2)
        tested["lstm"].append(_run("lstm", 2))
        # Six fits of 10 s again would take 66 with slack; a seventh has no time.
        assert own.next_seed(losses, tested) is None or sum(map(len, tested.values())) < 6
        clock[0] = 1110
        assert own.next_seed(losses, {name: [_run(name)] for name in losses}) is None

    def test_a_replay_measures_nothing(self, clock):
        used = {"fits": {"lstm-s1": {"most_steps": [50, 60], "stop_at": [20, None]}}, "seeds": {"lstm": [1, 2]}}
        own = Budget(100.0, SECONDS, final=True, replay=Replay({"theta": "time budget: gone"}, used))
        assert own.deadline(["statistical"]) is None
        assert own.deadline(["network"]) is None
        assert own.reason("theta") == "time budget: gone"
        assert own.steps("lstm", 1) == {"most_steps": (50, 60), "stop_at": (20, None)}
        assert own.steps("gru", 1) == {}
        assert (own.seeds("lstm", [1]), own.seeds("gru", [1])) == ([1, 2], [1])
        assert own.next_seed({"lstm": 1.0}, {"lstm": [_run("lstm")]}) is None


class TestAffordable:
    def _members(self):
        return (
            Member("lstm", {}, (0.6,), (1, 2)),
            Member("arima", {}, (0.3,), (1,)),
            Member("naive", {}, (0.1,), (1,)),
        )

    def _tested(self):
        return {
            "lstm": [_run("lstm", 1), _run("lstm", 2)],
            "arima": [_run("arima", fit=100.0)],
            "naive": [_run("naive", fit=0.0)],
        }

    def test_enough_time_keeps_all(self):
        assert affordable(self._members(), self._tested(), 200.0) == self._members()

    def test_seeds_go_first_then_the_least_weight_a_second(self):
        kept = affordable(self._members(), self._tested(), 50.0)
        assert [(m.name, m.seeds) for m in kept] == [("lstm", (1,)), ("naive", (1,))]

    def test_one_is_always_left(self):
        assert len(affordable(self._members()[:2], self._tested(), 0.0)) == 1

    def test_what_costs_nothing_is_kept_when_the_time_is_over(self):
        # The weights before training were best: nothing is trained for the final model.
        tested = {name: [_run(name, n_steps=1000, best_step=0, n_fits=1)] for name in ("lstm", "gru")}
        members = (Member("lstm", {}, (0.5,), (1,)), Member("gru", {}, (0.5,), (1,)))
        assert affordable(members, tested, -1.0) == members

    def test_the_final_fit_takes_the_steps_that_were_best(self):
        tested = {
            "lstm": [_run("lstm", 1, fit=100.0, n_steps=1000, best_step=100, n_fits=1)],
            "gru": [_run("gru", fit=5.0)],
        }
        members = (Member("lstm", {}, (0.5,), (1,)), Member("gru", {}, (0.5,), (1,)))
        assert affordable(members, tested, 18.0) == members


class TestTraining:
    def test_steps_that_fit_are_fixed_and_can_be_trained_again(self):
        panel, at = build_panel((300, 250)), np.array([299])
        model = registry.create_model("gru", **(SMALL | {"max_steps": 100_000, "patience": 100_000}))
        model.fit(panel, horizon=4, context=FitContext(n_steps=1))  # imports
        started = time.monotonic()
        first = model.fit(panel, horizon=4, context=FitContext(deadline=started + 1.0))
        assert time.monotonic() - started < 20
        info = first.info
        assert 10 <= info["most_steps"] < 100_000
        steps = FitContext(most_steps=(info["most_steps"],), stop_at=(info.get("stopped_at"),))
        again = model.fit(panel, horizon=4, context=steps)
        np.testing.assert_array_equal(first.predict_at(panel, at), again.predict_at(panel, at))

    def test_a_replay_ends_where_time_did(self):
        panel = build_panel((200, 150))
        model = registry.create_model("gru", **(SMALL | {"max_steps": 60, "patience": 100}))
        fitted = model.fit(panel, horizon=4, context=FitContext(most_steps=(60,), stop_at=(37,)))
        assert (fitted.info["n_steps"], fitted.info["stopped_at"]) == (37, 37)
        assert "stopped by its time limit at step 37" in fitted.info["note"]


class TestRun:
    def test_a_limited_run_is_repeated_to_the_last_digit(self, small_csv, fresh_folder, capsys):
        words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "gru", "--quiet", "--out", "run"]
        words += ["--time-limit", "9s", "final=ensemble", *(f"models.gru.{k}={v}" for k, v in SMALL.items())]
        assert main([*words, "models.gru.max_steps=4000", "models.gru.patience=4000"]) == 0
        facts = yaml.safe_load((fresh_folder / "run/run.yaml").read_text())
        fits = facts["budget"]["fits"]
        assert set(fits) >= {"gru-s1"}
        assert fits["gru-s1"]["most_steps"][0] < 4000
        assert main(["rerun", "run", "--out", "again", "--quiet"]) == 0, capsys.readouterr()

    def test_a_model_under_a_name_of_its_own(self, small_csv, fresh_folder):
        words = ["fit", "--data", str(small_csv), "--horizon", "5", "--quiet", "--out", "run", "final=mine"]
        words += ["models.mine.model=gru", *(f"models.mine.{k}={v}" for k, v in SMALL.items())]
        assert main(words) == 0
        assert "mine" in set(pd.read_csv("run/leaderboard.csv")["model"])
        assert main(["predict", "run", "--out", "again.csv"]) == 0
        pd.testing.assert_frame_equal(pd.read_csv("again.csv"), pd.read_csv("run/forecast.csv"))

    @pytest.mark.parametrize(("words", "said"), [
        (["models.lstm.model=gru"], "may not be that of another model"),
        (["models.a/b.model=gru"], "letters, digits"),
        (["models.mine.model=nothing"], "no such model"),
        (["models.mine.model=ensemble"], "one ensemble"),
        (["--time-limit", "fast"], "10m"),
        (["--preset", "bets"], "preset"),
    ])  # fmt: skip
    def test_bad_input(self, words, said, small_csv, fresh_folder, capsys):
        assert main(["fit", "--data", str(small_csv), *words]) == 2
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1


class TestBaselines:
    def test_a_baseline_that_cannot_be_done_in_time_ends_early(self, monkeypatch):
        """A second a series, 400 of them, 100 s: after ten it is clear."""
        from forecastkit.forecasting.models import statistical

        now = [0.0]
        monkeypatch.setattr(statistical.time, "time", lambda: now[0])
        pace = statistical._Pace(100.0, 400)
        said = []
        for done in range(1, 40):
            now[0] += 30.0 if done == 1 else 1.0  # the first one loads its library
            said.append(pace.is_hopeless(done))
        assert said.index(True) + 1 == 2 * statistical.FEWEST_TIMED - 1
        assert not any(statistical._Pace(None, 400).is_hopeless(k) for k in range(50))

    def test_one_that_is_nearly_in_time_goes_on(self, monkeypatch):
        from forecastkit.forecasting.models import statistical

        now = [0.0]
        monkeypatch.setattr(statistical.time, "time", lambda: now[0])
        pace = statistical._Pace(100.0, 101)
        for done in range(1, 90):
            now[0] += 1.0
            assert not pace.is_hopeless(done)
