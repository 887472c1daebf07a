"""One small pipeline, clean and with each of ten leaks planted; the audit must tell them apart.

Ridge regression of the next rows on the last ``CONTEXT`` rows. ``forecast(table, cutoff)`` sees the whole table, as a
user's notebook does, and must use rows up to the cutoff alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

CONTEXT, HORIZON = 6, 4


def make_table(n: int = 140, seed: int = 0) -> pd.DataFrame:
    """One series with a covariate, a category, noise columns and a gap."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    y = 20 + 3 * np.sin(2 * np.pi * t / 7) + np.cumsum(rng.normal(0, 0.4, n))
    table = pd.DataFrame({"timestamp": pd.date_range("2023-01-01", periods=n, freq="D"), "target": y})
    table["promo"] = (rng.random(n) < 0.3).astype(float)
    table["city"] = rng.choice(["north", "south", "west"], n)
    for k in range(5):
        table[f"noise{k}"] = rng.normal(size=n)
    table.loc[[20, 21, 50], "target"] = np.nan
    return table


def rows_upto(table: pd.DataFrame, cutoff: object) -> int:
    """How many rows are known at the cutoff."""
    return int((table["timestamp"] <= cutoff).sum())


def forward_filled(y: np.ndarray) -> np.ndarray:
    return pd.Series(y).ffill().bfill().to_numpy()


def windows(y: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Contexts [n, CONTEXT] that end with rows ``ends`` and answers [n, HORIZON]."""
    past = y[ends[:, None] + np.arange(1 - CONTEXT, 1)]
    ahead = y[np.minimum(ends[:, None] + np.arange(1, HORIZON + 1), len(y) - 1)]
    return past, ahead


def ridge(x: np.ndarray, y: np.ndarray, penalty: float = 1.0) -> np.ndarray:
    x = np.column_stack([np.ones(len(x)), x])
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def apply(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.r_[1.0, x] @ weights


def fitted_forecast(y: np.ndarray, n: int, ends: np.ndarray | None = None) -> np.ndarray:
    """Learn from windows within the first n values, forecast what follows them."""
    if ends is None:
        ends = np.arange(CONTEXT - 1, n - HORIZON)
    return apply(ridge(*windows(y, ends)), y[n - CONTEXT : n])


def clean(table: pd.DataFrame, cutoff: object) -> dict[str, np.ndarray]:
    n = rows_upto(table, cutoff)
    y = forward_filled(table["target"].to_numpy()[:n])
    mean, sd = y.mean(), y.std()
    scaled = (y - mean) / sd
    return {"scaler": np.array([mean, sd]), "forecast": fitted_forecast(scaled, n) * sd + mean}


def global_scaler(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    whole = table["target"]
    mean, sd = whole.mean(), whole.std()
    y = forward_filled(((whole - mean) / sd).to_numpy()[:n])
    return fitted_forecast(y, n) * sd + mean


def interpolated_across(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    y = table["target"].interpolate(limit_direction="both").to_numpy()[:n]
    return fitted_forecast(y, n)


def centred_average(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    y = table["target"].rolling(5, center=True, min_periods=1).mean()
    return fitted_forecast(forward_filled(y.to_numpy()[:n]), n)


def target_encoding(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    code = table.groupby("city")["target"].transform("mean").to_numpy()[:n]
    y = forward_filled(table["target"].to_numpy()[:n])
    ends = np.arange(CONTEXT - 1, n - HORIZON)
    past, ahead = windows(y, ends)
    weights = ridge(np.column_stack([past, code[ends]]), ahead)
    return apply(weights, np.r_[y[n - CONTEXT : n], code[n - 1]])


def future_covariate(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    """``promo`` of tomorrow is used, though it is known up to the cutoff only."""
    n = rows_upto(table, cutoff)
    promo = table["promo"].shift(-1).fillna(0.0).to_numpy()
    y = forward_filled(table["target"].to_numpy()[:n])
    ends = np.arange(CONTEXT - 1, n - HORIZON)
    past, ahead = windows(y, ends)
    weights = ridge(np.column_stack([past, promo[ends]]), ahead)
    return apply(weights, np.r_[y[n - CONTEXT : n], promo[n - 1]])


def shuffled_split(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    y = forward_filled(table["target"].to_numpy())
    ends = np.random.default_rng(3).permutation(np.arange(CONTEXT - 1, len(y) - HORIZON))
    return fitted_forecast(y, n, ends[: int(0.8 * len(ends))])


def overlapping_windows(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    """Contexts end before the cutoff; the answers of the last ones lie after it."""
    n = rows_upto(table, cutoff)
    y = forward_filled(table["target"].to_numpy())
    return fitted_forecast(y, n, np.arange(CONTEXT - 1, n))


def stopped_on_test_rows(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    """Gradient descent; the step with the least error on the rows to be forecast is kept."""
    n = rows_upto(table, cutoff)
    y = forward_filled(table["target"].to_numpy())
    mean, sd = y[:n].mean(), y[:n].std()
    scaled = (y - mean) / sd
    past, ahead = windows(scaled, np.arange(CONTEXT - 1, n - HORIZON))
    answer, context = scaled[n : n + HORIZON], scaled[n - CONTEXT : n]
    weights, best, least = np.zeros((CONTEXT, HORIZON)), np.zeros(HORIZON), np.inf
    for _ in range(60):
        weights = weights - 0.02 * past.T @ (past @ weights - ahead) / len(past)
        forecast = context @ weights
        error = np.abs(forecast - answer).mean()
        if error < least:
            best, least = forecast, error
    return best * sd + mean


def features_chosen_on_all_rows(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    noise = [c for c in table.columns if c.startswith("noise")]
    chosen = table[noise].corrwith(table["target"].shift(-1)).abs().fillna(0.0).nlargest(2).index
    extra = table[chosen].to_numpy()
    y = forward_filled(table["target"].to_numpy()[:n])
    ends = np.arange(CONTEXT - 1, n - HORIZON)
    past, ahead = windows(y, ends)
    weights = ridge(np.column_stack([past, extra[ends]]), ahead)
    return apply(weights, np.r_[y[n - CONTEXT : n], extra[n - 1]])


def imputed_by_global_mean(table: pd.DataFrame, cutoff: object) -> np.ndarray:
    n = rows_upto(table, cutoff)
    y = table["target"].fillna(table["target"].mean()).to_numpy()[:n]
    return fitted_forecast(y, n)


LEAKS: dict[str, Callable[[pd.DataFrame, object], np.ndarray]] = {
    "global scaler": global_scaler,
    "interpolation across the cutoff": interpolated_across,
    "centred moving average": centred_average,
    "target encoding with future rows": target_encoding,
    "future covariate passed as past": future_covariate,
    "shuffled split": shuffled_split,
    "overlapping windows across the split": overlapping_windows,
    "early stopping on test rows": stopped_on_test_rows,
    "feature selection on all rows": features_chosen_on_all_rows,
    "imputation by global mean": imputed_by_global_mean,
}
