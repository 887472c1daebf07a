from __future__ import annotations

from pathlib import Path

import pytest

from forecastkit.config import load_config, load_settings
from forecastkit.errors import ForecastkitError
from forecastkit.read_options import ReadOptions


def test_later_wins(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("horizon: 5\nmodels:\n  lstm:\n    hidden: 16\n")
    config = load_config(path, values={"seed": 3}, overrides=["models.lstm.hidden=32", "evaluation.n_report=7"])
    assert (config.horizon, config.seed, config.models["lstm"]["hidden"], config.evaluation.n_report) == (5, 3, 32, 7)


def test_what_the_caller_gave_stays_as_it_is():
    given = {"models": {"gru": {"hidden": 4}}}
    assert load_config(values=given, overrides=["models.gru.hidden=8"]).models["gru"] == {"hidden": 8}
    assert load_settings({"models": dict}, values=given, overrides=["models.gru.hidden=8"]) != given
    assert given == {"models": {"gru": {"hidden": 4}}}


def test_data_are_read_as_options_say():
    words = [
        "data.known='heat, rain'",
        "data.close=16:00",
        "data.join=s.csv",
        "data.start=2015-01-01",
        "data.min_rows=9",
    ]
    config = load_config(overrides=[*words, "data.path=x.csv"])
    assert config.data.reading == ReadOptions(
        known=("heat", "rain"), close="16:00", join="s.csv", start="2015-01-01", min_rows=9
    )
    assert next(iter(config.to_dict()["data"])) == "path"
    assert load_config(values=config.to_dict()) == config


@pytest.mark.parametrize(("text", "said"), [
    ("horizn: 5", "horizon"), ("horizon: -1", "horizon"), ("horizon: [1]", "horizon"), ("- a", "mapping"),
    ("a: b: c", "line 1"), ("horizon: 1\nhorizon: 2", "twice"), ("!!python/object:os.system {}", ""),
    ("evaluation:\n  n_reprt: 3", "n_report"), ("data:\n  pth: x", "path"), ("version: 7", "version"),
])  # fmt: skip
def test_mistakes_are_named(tmp_path, text, said):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ForecastkitError) as error:
        load_config(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("word", ["horizon", "=3", "horizon=many", "nothing.here=1", "evaluation.n_report=none"])
def test_wrong_overrides_are_named(word):
    with pytest.raises(ForecastkitError):
        load_config(None, overrides=[word])


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_config_loads_and_runs_small(path, tmp_path, fresh_folder):
    from forecastkit.run.execute import execute

    config = load_config(path)
    small = ["evaluation.n_report=2", "evaluation.n_select=1", "evaluation.n_calibrate=0", "baselines=naive"]
    small += [f"models.{name}.{key}" for name in config.models for key in ("max_steps=4", "val_every=2", "hidden=4")]
    outcome = execute(load_config(path, overrides=small), out=tmp_path / "run")
    assert outcome.evaluation is not None
    assert set(config.models) <= set(outcome.evaluation.leaderboard["model"])
    assert (outcome.evaluation.leaderboard["status"] == "ok").all()
    assert outcome.folder.table("forecast.csv")["point"].notna().all()
