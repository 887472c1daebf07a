"""Series without a history, from the command line and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError
from forecastkit.forecasting.cold_start import ColdStart
from tests.conftest import SMALL

N, STEPS, SHOPS = 140, 7, 8
SIZE = {"big": 1000.0, "small": 10.0}
GRU = {k: str(v) for k, v in SMALL.items()}


def shops(n: int = N) -> pd.DataFrame:
    """Big shops sell most on Sundays, small ones on Wednesdays; what is sold grows with the area."""
    rng = np.random.default_rng(5)
    day = pd.date_range("2024-01-01", periods=n)
    parts = []
    for k in range(2 * SHOPS):
        kind, area = ("big", "small")[k % 2], 1 + 0.5 * rng.random()
        peak = day.dayofweek == (6 if kind == "big" else 2)
        sold = SIZE[kind] * area * (1 + 1.0 * peak) * (1 + 0.05 * rng.normal(size=n))
        parts.append(pd.DataFrame({"shop": f"s{k:02d}", "day": day, "sold": sold, "kind": kind, "area": area}))
    return pd.concat(parts, ignore_index=True)


NEW = pd.DataFrame(
    {"shop": ["new small", "new big", "odd"], "kind": ["small", "big", "huge"], "area": [1.2, 1.2, np.nan]}
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cold")
    shops().to_csv(folder / "shops.csv", index=False)
    words = ["--target", "sold", "--item", "shop", "--static", "kind,area", "--models", "gru", "--horizon", str(STEPS)]
    options = ["--quiet", "baselines=naive", "final=gru", *(f"models.gru.{k}={v}" for k, v in GRU.items())]
    status = main(["fit", "--data", str(folder / "shops.csv"), *words, *options, "--out", str(folder / "run")])
    assert status == 0
    return folder / "run"


def test_the_forecast_is_like_the_group_s(run, tmp_path, capsys):
    NEW.to_csv(tmp_path / "new.csv", index=False)
    assert main(["predict", str(run), "--new-items", str(tmp_path / "new.csv")]) == 0
    said = capsys.readouterr()
    assert "No history: series of the run, each forecast as if it were new, are off by" in said.err
    (tmp_path / "out.csv").write_text(said.out)
    found = pd.read_csv(tmp_path / "out.csv", parse_dates=["timestamp"])
    assert set(found["item_id"]) == set(NEW["shop"])
    assert (found["timestamp"].dt.normalize().min(), found["step"].max()) == (pd.Timestamp("2024-05-20"), STEPS)
    weekday = found["timestamp"].dt.dayofweek
    for kind, peak in (("big", 6), ("small", 2)):
        own = found[found["item_id"] == f"new {kind}"]
        usual, most = own.loc[weekday != peak, "point"], own.loc[weekday == peak, "point"].iloc[0]
        np.testing.assert_allclose(usual, SIZE[kind] * 1.2, rtol=0.25)
        assert most > 1.4 * usual.mean()
        assert (own["0.05"] < own["0.5"]).all()
        assert (own["0.5"] < own["0.95"]).all()
        assert own["0.05"].min() > 0.3 * SIZE[kind]
    # A kind that was never seen lies between, nobody knows where.
    assert found.loc[found["item_id"] == "odd", "0.5"].isna().all()
    odd = found.loc[found["item_id"] == "odd", "point"].mean()
    assert SIZE["small"] * 2 < odd < SIZE["big"]


def test_a_model_of_single_series_is_fitted_to_the_made_up_history(tmp_path):
    result = fk.fit(
        shops(), target="sold", item="shop", static="kind,area", horizon=STEPS, out=tmp_path / "r",
        models={"mine": {"model": "theta"}}, overrides=["baselines=naive", "final=mine"],
    )  # fmt: skip
    found = fk.predict(result.folder, new_items=NEW.iloc[:2]).groupby("item_id")["point"].mean()
    np.testing.assert_allclose(found[["new big", "new small"]], [1200 * 8 / 7, 12 * 8 / 7], rtol=0.2)


def test_what_the_new_ones_are_beside_changes_nothing(run):
    together = fk.predict(run, new_items=NEW).set_index(["item_id", "step"])["point"]
    alone = fk.predict(run, new_items=NEW.iloc[[1]], horizon=3).set_index(["item_id", "step"])["point"]
    np.testing.assert_allclose(alone, together.loc[["new big"]].iloc[:3], rtol=1e-6)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (NEW.drop(columns="kind"), "column 'kind'"),
        (NEW.assign(shop="s03"), "has a history in the run"),
        (NEW.assign(shop="x"), "one value in a series"),
        (NEW.assign(area="wide"), "the history has numbers there"),
    ],
)
def test_bad_files_are_named(run, items, words):
    with pytest.raises(DataError, match=words):
        fk.predict(run, new_items=items)


def test_a_run_without_static_covariates_says_what_to_do(tmp_path):
    fk.fit(
        shops(60), target="sold", item="shop", models={"gru": {**SMALL, "max_steps": 2}}, horizon=3, out=tmp_path / "r",
        overrides=["baselines=naive", "final=gru"],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"no static covariates.*--static"):
        fk.predict(tmp_path / "r", new_items=NEW)


def test_known_covariates_of_all_series_alike_need_no_file(tmp_path):
    data, rng = shops(80), np.random.default_rng(1)
    heat = pd.Series(rng.normal(20, 5, 90), index=pd.date_range("2024-01-01", periods=90))
    ahead = pd.DataFrame({"day": heat.index[80:], "heat": heat.to_numpy()[80:]})
    data["heat"] = heat.reindex(data["day"]).to_numpy()
    data["sold"] *= 1 + 0.04 * (data["heat"] - 20)
    result = fk.fit(
        data, target="sold", item="shop", static="kind,area", known="heat", future=ahead, horizon=3, out=tmp_path / "r",
        models={"ridge": {}}, overrides=["baselines=naive", "final=ridge"],
    )  # fmt: skip
    alike = fk.predict(result.folder, new_items=NEW)
    assert len(alike) == 9
    own = pd.concat([ahead.assign(shop=name, heat=40.0) for name in NEW["shop"]])
    given = fk.predict(result.folder, new_items=NEW, future=own)
    # Twenty degrees more are eight tenths more.
    assert given["point"].sum() > 1.4 * alike["point"].sum()
    some = own[own["shop"] != "odd"]
    with pytest.raises(DataError, match=r"heat.*missing.*--future"):
        fk.predict(result.folder, new_items=NEW, future=some.assign(heat=some["heat"].where(some["shop"] != "new big")))


def test_weights_are_those_of_a_ridge_regression():
    frame = fk.as_frame(shops(), target="sold", item="shop", static=("kind", "area"))
    about = ColdStart.at(frame, N - 1)
    new = NEW.set_index("shop")
    weights = about.weights(new)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    x, y = about.statics.known, np.log(about.level)
    from sklearn.linear_model import Ridge

    expected = [Ridge(alpha).fit(x, y).predict(about.statics.of(new)) for alpha in (1e-3, 1e-2, 0.1, 1.0, 10.0)]
    assert any(np.allclose(weights @ y, e) for e in expected)
    # Big ones are made of big ones.
    is_big = np.arange(2 * SHOPS) % 2 == 0
    assert weights[1, is_big].sum() > 0.95
    left_out = about.weights(about.table().iloc[[3]], without=3)
    assert left_out[0, 3] == 0


def test_levels_below_zero_are_summed_as_they_are():
    data = shops().assign(sold=lambda d: d["sold"] - 500)
    frame = fk.as_frame(data, target="sold", item="shop", static=("kind", "area"))
    about = ColdStart.at(frame, N - 1)
    new = NEW.set_index("shop").iloc[:2]
    y, level = about.history(new, about.weights(new))
    assert not about.is_positive
    assert level[0] == pytest.approx(-485, abs=80)
    assert y[0].min() < 0
    assert level[1] == pytest.approx(840, rel=0.2)


def test_rows_after_the_cutoff_do_not_decide_whether_a_history_may_be_negative():
    data = shops().assign(sold=lambda d: d["sold"].where(d["day"].dt.dayofweek >= 5, 0.0))
    later = data.assign(sold=lambda d: d["sold"].where(d["day"] < d["day"].max(), -1.0))
    new = NEW.set_index("shop").iloc[:2].assign(area=9.0)  # larger than any: the line goes on below nought
    found = []
    for table in (data, later):
        about = ColdStart.at(fk.as_frame(table, target="sold", item="shop", static=("kind", "area")), N - 2)
        found.append(about.history(new, about.weights(new))[0])
    assert found[0].min() == 0
    np.testing.assert_array_equal(*found)
