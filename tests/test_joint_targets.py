"""Several targets at once, each learning from the others' past."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit import registry
from forecastkit.errors import ConfigError
from forecastkit.reading import ReadOptions, read
from tests.conftest import SMALL


def leader_and_follower(n: int = 300) -> pd.DataFrame:
    """The follower is what the leader was two days before."""
    lead = np.random.default_rng(0).normal(0, 1, n + 2)
    return pd.DataFrame({"day": pd.date_range("2023-01-01", periods=n), "lead": lead[2:], "follow": lead[:-2]})


OPTIONS = ReadOptions(target="lead,follow", joint=True)


def test_each_target_is_a_past_covariate_of_the_others():
    table = leader_and_follower(20)
    frame = read(table, OPTIONS).frame
    assert frame.items == ("follow", "lead")
    assert frame.past == ("lead", "follow")
    assert frame.static == ("channel",)
    follow = frame.data[frame.data["item_id"] == "follow"]
    np.testing.assert_array_equal(follow["lead"], table["lead"])
    assert set(follow["channel"]) == {"follow"}


def test_the_follower_is_forecast_from_the_leader():
    errors = {}
    table = leader_and_follower(600)
    at = np.arange(500, 590)
    for joint in (False, True):
        frame = read(table, ReadOptions(target="lead,follow", joint=joint)).frame
        fitted = registry.create_model("gru", max_steps=600, context_length=20, segment=1).fit(
            frame.upto(499), horizon=2
        )
        points = fitted.predict_at(frame, at)[:, 0]
        answer = np.stack([table["follow"].to_numpy()[c + 1 : c + 3] for c in at])
        errors[joint] = np.abs(points - answer).mean()
    assert errors[True] < 0.5 * errors[False]


def test_from_python_to_predict(tmp_path):
    table = leader_and_follower(150)
    words = {
        "config": None,
        "horizon": 2,
        "models": {"gru": SMALL},
        "overrides": ["baselines=naive", "final=gru", "data.joint=true"],
    }
    run = fk.fit(table.iloc[:140], target="lead,follow", out=tmp_path / "r", **words)
    assert not [n for n in run.facts["notes"] if "Leak? follow of follow" in n or "Leak? lead of lead" in n]
    forecast = fk.predict(tmp_path / "r", table)
    assert set(forecast["item_id"]) == {"lead", "follow"}
    assert (forecast["cutoff"] == table["day"].max()).all()


def test_one_target_is_refused():
    with pytest.raises(ConfigError, match=r"--joint: several targets are needed.*--target Open,Close"):
        read(leader_and_follower(20), ReadOptions(target="lead", joint=True))
