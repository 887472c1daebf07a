"""A shop's sales by day: a trend, a weekly rhythm, noise."""

import argparse

import numpy as np
import pandas as pd

options = argparse.ArgumentParser()
options.add_argument("--days", type=int, default=430)
options.add_argument("--out", default="sales.csv")
asked = options.parse_args()

day = np.arange(asked.days)
noise = np.random.default_rng(7).normal(0, 6, 1000)[: asked.days]
units = 100 + 0.05 * day + 20 * np.sin(2 * np.pi * day / 7) + noise
dates = pd.date_range("2023-01-02", periods=asked.days)
pd.DataFrame({"date": dates, "units": units.round()}).to_csv(asked.out, index=False)
