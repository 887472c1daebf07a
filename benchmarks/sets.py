"""The data sets that several benchmarks run over: those that come with forecastkit, and public ones in $FORECASTKIT_DATA."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

EMBEDDED = ("air_passengers", "co2", "demand", "ecg", "prices", "sf_temperature", "sunspots", "weather")
CLASSIC = {
    "classic/air_passengers": {"path": "classic/air_passengers.csv"},
    "classic/sunspots": {"path": "classic/monthly_sunspots.csv"},
    "classic/births": {"path": "classic/daily_female_births.csv"},
    "classic/car_sales": {"path": "classic/monthly_car_sales.csv"},
    "classic/champagne": {"path": "classic/champagne_sales.csv"},
    "classic/shampoo": {"path": "classic/shampoo_sales.csv"},
}
STOCKS = {
    "gafa_stock, 1 day": {"path": "stocks/gafa_stock.csv", "target": "Close", "horizon": 1, "n_report": 252},
    "gafa_stock, 10 days": {"path": "stocks/gafa_stock.csv", "target": "Close", "horizon": 10},
}
LARGE = {
    "Melbourne temperature": {"path": "weather/melbourne_daily_min_temp.csv"},
    "Beijing PM2.5": {"path": "weather/beijing_pm25_hourly.csv", "target": "pm2.5"},
    "ETTh1 OT": {"path": "benchmark/ETTh1.csv", "target": "OT"},
    "vic_elec": {"path": "demand/vic_elec.csv", "target": "Demand", "horizon": 48},
    "M4 Hourly": {"path": "benchmark/m4_hourly_train.csv", "season_length": 24, "horizon": 48},
}


def values_of(name: str) -> dict[str, Any]:
    """The run configuration of one set; the toolkit's defaults but for what the set itself demands."""
    if name in EMBEDDED:
        return {"data": {"path": f"dataset:{name}"}}
    about = dict((CLASSIC | STOCKS | LARGE)[name])
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit(
            "set FORECASTKIT_DATA to the folder that holds classic/, stocks/, weather/, demand/ and benchmark/"
        )
    values: dict[str, Any] = {"data": {"path": str(Path(root) / about.pop("path"))}}
    if "horizon" in about:
        values["horizon"] = about.pop("horizon")
    if "n_report" in about:
        values["evaluation"] = {"n_report": about.pop("n_report")}
    values["data"] |= about
    return values


def run_of(name: str) -> tuple[Any, float]:
    """(outcome of a default backtest of one set, seconds)."""
    from forecastkit.config import load_config
    from forecastkit.run.execute import execute

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = execute(load_config(None, values=values_of(name)), out=Path(folder) / "run", final=False)
    if outcome.evaluation is None:
        raise SystemExit(f"{name}: no evaluation")
    return outcome, time.perf_counter() - started
