"""Awkward numbers go through reading, training, evaluation and forecast without NaN, infinity or clipping."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main
from forecastkit.forecasting.calendar import Calendar
from forecastkit.forecasting.models.arima import Arima
from forecastkit.forecasting.models.exponential import AutoEts, Theta
from forecastkit.forecasting.schema import SeriesFrame
from forecastkit.run.folder import RunFolder

N = 120
TINY = ["models.lstm.hidden=4", "models.lstm.max_steps=20", "models.lstm.val_every=10", "models.lstm.context_length=14"]


def _base(seed: int = 3) -> np.ndarray:
    t = np.arange(N)
    return 50 + 0.1 * t + 5 * np.sin(2 * np.pi * t / 7) + np.random.default_rng(seed).normal(0, 1, N)


def _after(y: np.ndarray, change) -> np.ndarray:
    """Changed in the last quarter, where the report folds lie."""
    out = y.copy()
    out[3 * N // 4 :] = change(out[3 * N // 4 :])
    return out


def _spike(y: np.ndarray) -> np.ndarray:
    out = y.copy()
    out[70] = 1e9
    return out


CASES = {
    "level shift": _after(_base(), lambda y: y + 1000),
    "fivefold price": _after(_base(), lambda y: 5 * y),
    "spike": _spike(_base()),
    "tiny": _base() * 1e-300,
    "smallest": np.where(np.arange(N) % 3 == 0, 5e-324, 0.0),
    "huge": _base() * 1e98,
    "two values": np.where(np.random.default_rng(1).random(N) < 0.4, 1.0, 2.0),
    "intermittent": np.where(np.random.default_rng(2).random(N) < 0.15, 30.0, 0.0),
    "zeros": np.zeros(N),
    "constant, then not": np.r_[np.full(100, 3.0), _base()[:20]],
    "beyond 2**53": 2.0**53 + 2 * np.round(_base()),
    "negative and large": -1e9 + _base(),
}


@pytest.mark.parametrize("name", CASES)
def test_no_nan_and_no_infinity_reach_a_forecast(name, tmp_path):
    y = CASES[name]
    days = pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d")
    rows = "".join(f"{d},{v!r}\n" for d, v in zip(days, y.tolist()))
    (tmp_path / "d.csv").write_text("date,y\n" + rows)
    words = [
        "fit",
        "--data",
        str(tmp_path / "d.csv"),
        "--horizon",
        "4",
        "--models",
        "lstm",
        "baselines=naive",
        "--quiet",
    ]
    for final in ("recommended", "lstm"):
        out = tmp_path / final
        assert main([*words, "--out", str(out), *TINY, f"final={final}", "--season", "7"]) == 0
        forecast = pd.read_csv(out / "forecast.csv")
        assert len(forecast) == 4
        points = forecast["point"].to_numpy()
        assert np.isfinite(points).all()
        levels = [c for c in forecast.columns if c[0].isdigit()]
        quantiles = forecast[levels].to_numpy()
        assert np.isfinite(quantiles).all() or np.isnan(quantiles).all(), "no quantile may be infinite"
        board = pd.read_csv(out / "leaderboard.csv")
        assert (board["status"] == "ok").all(), board[["model", "reason"]]
        assert np.isfinite(board["mae"]).all()
        text = (out / "report.html").read_text()
        assert ">nan<" not in text
        assert ">inf<" not in text


def test_values_too_large_are_refused_with_the_rule(tmp_path, capsys):
    rows = "".join(f"{d.date()},{1e300 if k == 50 else k}\n" for k, d in enumerate(pd.date_range("2024", periods=80)))
    (tmp_path / "d.csv").write_text("date,y\n" + rows)
    assert main(["fit", "--data", str(tmp_path / "d.csv"), "--out", str(tmp_path / "run"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "1e+300" in said or "1e300" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("model", [Theta(), AutoEts(), Arima()])
def test_a_series_that_starts_to_move_is_forecast_by_its_last_value(model):
    index = pd.date_range("2024-01-01", periods=60)
    flat = np.r_[np.full(40, 3.0), 3.0 + np.arange(20)]
    parts = [
        pd.DataFrame({"item_id": name, "timestamp": index, "target": y})
        for name, y in (("flat", flat), ("moves", _base()[:60]))
    ]
    frame = SeriesFrame(pd.concat(parts, ignore_index=True), Calendar("D", index), season_length=7)
    early = SeriesFrame(
        pd.concat([p.iloc[:35] for p in parts], ignore_index=True), Calendar("D", index[:35]), season_length=7
    )
    fitted = model.fit(early, horizon=3)
    cutoffs = np.array([34, 49, 59])
    points = fitted.predict_at(frame, cutoffs)
    flat_at = list(frame.items).index("flat")
    assert points[:, flat_at, :].tolist() == [[3.0] * 3, [12.0] * 3, [22.0] * 3]
    assert np.isfinite(points).all()
    assert "1 of 2 series constant when fitted" in fitted.info["note"]
    arrays, meta = fitted.state()
    assert model.restore(arrays, meta).info == fitted.info


def test_a_forecast_over_the_change_to_summer_time_keeps_its_zone(tmp_path):
    days = pd.date_range("2024-01-01", periods=90).strftime("%Y-%m-%d")
    (tmp_path / "d.csv").write_text("date,y\n" + "".join(f"{d},{50 + k % 7}\n" for k, d in enumerate(days)))
    run = tmp_path / "run"
    words = [
        "fit",
        "--data",
        str(tmp_path / "d.csv"),
        "--horizon",
        "3",
        "--models",
        "naive",
        "baselines=naive",
        "--quiet",
    ]
    assert main([*words, "--freq", "D", "--tz", "Europe/Madrid", "--out", str(run)]) == 0
    text = (run / "forecast.csv").read_text()
    assert "2024-03-31T00:00:00+01:00" in text
    assert "2024-04-01T00:00:00+02:00" in text
    times = RunFolder(run).table("forecast.csv")["timestamp"]
    expected = pd.date_range("2024-03-31", periods=3, tz="Europe/Madrid")
    assert times.tolist() == expected.tolist()
    assert str(times.dt.tz) == "Europe/Madrid"
    assert "2024-04-02</td>" in (run / "report.html").read_text()


@pytest.mark.parametrize("zone", ["Mars/X", "../../etc/passwd", 7, None])
def test_a_zone_that_is_none_is_read_as_utc(tmp_path, zone):
    (tmp_path / "profile.json").write_text(json.dumps({"tz": zone}))
    (tmp_path / "forecast.csv").write_text(
        "item_id,cutoff,timestamp,step,model,point\na,2024-03-30T00:00:00+01:00,2024-04-01T00:00:00+02:00,1,naive,3.0\n"
    )
    times = RunFolder(tmp_path).table("forecast.csv")["timestamp"]
    assert times.tolist() == [pd.Timestamp("2024-03-31T22:00", tz="UTC")]
