"""Figures for notebooks; each returns a Matplotlib ``Figure`` and leaves pyplot's state alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from forecastkit.errors import UnknownNameError, near
from forecastkit.report.numbers import headline, percent

__all__ = ["plot_error_by_step", "plot_folds", "plot_forecast", "plot_leaderboard", "plot_learning_curves"]

ACCENT, GREY = "#0072b2", "#8a9099"


def _figure(height: float = 3.6, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = [figure.add_subplot(rows, 1, k + 1) for k in range(rows)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def plot_forecast(history: pd.DataFrame, forecast: pd.DataFrame, *, item: str | None = None) -> Figure:
    """History and forecast of one series with 80 and 95 % bands.

    Args:
        history: item_id, timestamp, target.
        forecast: forecast frame.
        item: None = the first.

    Raises:
        UnknownNameError: no such series.
    """
    names = list(dict.fromkeys(forecast["item_id"]))
    chosen = names[0] if item is None else str(item)
    if chosen not in names:
        raise UnknownNameError(place="plot", value=repr(item), rule="no such series", remedy=near(chosen, names))
    past, ahead = history[history["item_id"] == chosen], forecast[forecast["item_id"] == chosen]
    figure, (ax,) = _figure()
    for low, high, alpha in (("0.025", "0.975", 0.15), ("0.1", "0.9", 0.3)):
        if low in ahead and ahead[low].notna().any():
            ax.fill_between(ahead["timestamp"], ahead[low], ahead[high], color=ACCENT, alpha=alpha, linewidth=0)
    ax.plot(past["timestamp"], past["target"], color="black", linewidth=1.2)
    ax.plot(ahead["timestamp"], ahead["point"], color=ACCENT, linewidth=2)
    ax.set_title(f"{chosen}: {ahead['model'].iloc[0]}", loc="left")
    ax.set_ylabel(str(ahead["target_name"].iloc[0]))
    return figure


def plot_leaderboard(leaderboard: pd.DataFrame) -> Figure:
    """Skill against the reference with its 95 % interval, best on top."""
    rows = leaderboard[leaderboard["status"].isin(["ok", "partial"])].iloc[::-1]
    figure, (ax,) = _figure(0.35 * len(rows) + 1.2)
    y = np.arange(len(rows))
    ax.axvline(0, color=GREY)
    for k, (_, row) in enumerate(rows.iterrows()):
        if np.isfinite([row["skill_lo"], row["skill_hi"]]).all():
            ax.plot([row["skill_lo"], row["skill_hi"]], [k, k], color="black", linewidth=2)
        ax.plot(row["skill"], k, "o", color="black" if row["skill"] else GREY)
    ax.set_yticks(y, rows["model"])
    ax.xaxis.set_major_formatter(lambda v, _: percent(float(v), sign=True))
    ax.set_xlabel("error below the reference's")
    return figure


def plot_learning_curves(curves: pd.DataFrame) -> Figure:
    """Training and validation loss by step, one panel a network; the kept weights are marked."""
    names = list(dict.fromkeys(curves["model"])) if len(curves) else []
    figure, axes = _figure(2.6 * max(len(names), 1), max(len(names), 1))
    for ax, name in zip(axes, names):
        for (_, _), rows in curves[curves["model"] == name].groupby(["seed", "fit"], sort=False):
            ax.plot(rows["step"], rows["train_loss"], color=GREY)
            ax.plot(rows["step"], rows["valid_loss"], color=ACCENT)
            kept = rows[rows["stopped"].astype(bool)]
            ax.plot(kept["step"], kept["valid_loss"], "o", color=ACCENT)
        ax.set_title(f"{name}: loss on training rows (grey) and on validation rows", loc="left")
        ax.set_xlabel("training step")
    return figure


def plot_error_by_step(table: pd.DataFrame) -> Figure:
    """Error of every model by step ahead."""
    metric = headline(table)
    figure, (ax,) = _figure()
    for name, rows in table.groupby("model", sort=False):
        ax.plot(rows["step"], rows[metric], label=str(name))
    ax.set_xlabel("step ahead")
    ax.set_ylabel(metric.upper())
    ax.legend(frameon=False, fontsize="small", ncols=2)
    return figure


def plot_folds(folds: pd.DataFrame) -> Figure:
    """Where the folds of each role lie in time."""
    roles = list(dict.fromkeys(folds["role"]))
    figure, (ax,) = _figure(0.5 * len(roles) + 1.0)
    for k, role in enumerate(roles):
        rows = folds[folds["role"] == role]
        ax.hlines(
            np.full(len(rows), k), rows["start"], rows["end"], linewidth=6, color=[GREY, ACCENT, "#d55e00"][k % 3]
        )
    ax.set_yticks(range(len(roles)), roles)
    ax.set_ylim(-0.5, len(roles) - 0.5)
    return figure
