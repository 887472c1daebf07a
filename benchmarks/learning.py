"""What recurrent cells do, measured and drawn: the figures and tables of docs/learning.md.

    python benchmarks/learning.py cells         # RNN, GRU, LSTM: time, memory and error by context length
    python benchmarks/learning.py gradients     # a task with long lags: which gradients vanish or explode, what clipping does
    python benchmarks/learning.py gates         # gates and states of trained cells over a real series
    python benchmarks/learning.py strategies    # recursive against direct, step by step
    python benchmarks/learning.py alternatives  # recurrence against what is not, on the same folds
    python benchmarks/learning.py page          # draw all of it again from the rows, and fill the tables of the page

Rows are in benchmarks/results/learning_*.csv, pictures in docs/learning/. The data are those shipped with the package.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "learning.md"
PICTURES = PAGE.parent / "learning"
COLOURS = {
    "rnn": "#E69F00", "tanh": "#E69F00", "relu": "#CC79A7", "gru": "#0072B2", "lstm": "#009E73", "lstm, open": "#56B4E9",
    "direct": "#0072B2", "recursive": "#D55E00", "naive": "#888888",
}  # fmt: skip


def frame_of(name: str, item: str | None = None):
    from forecastkit import catalog

    frame = catalog.load_dataset(name)
    return frame.select((item or frame.items[0],))


# --- cells: time, memory, error by context length

LENGTHS = (24, 48, 96)
STEPS, HIDDEN, BATCH = 1500, 32, 64


def cells() -> None:
    frame = frame_of("sf_temperature")
    rows = []
    for length in LENGTHS:
        for cell in ("rnn", "gru", "lstm"):
            ms, mib = cost(cell, length)
            for seed in (1, 2):
                error = fitted_error(frame, cell, seed, context_length=length)
                rows.append({"cell": cell, "context": length, "seed": seed, "mase": error, "ms_a_step": ms, "mib": mib})
                print(rows[-1], flush=True)
    save("cells", rows)


def cost(cell: str, length: int) -> tuple[float, float]:
    """(milliseconds of processor time of a training step, MiB that the backward pass keeps) for a batch."""
    import torch
    from torch.autograd.graph import saved_tensors_hooks

    from forecastkit.nn.recurrent import RecurrentEncoder

    torch.manual_seed(0)
    encoder = RecurrentEncoder(cell, 2, HIDDEN)
    head = torch.nn.Linear(HIDDEN, 24)
    x, y = torch.randn(BATCH, length, 2), torch.randn(BATCH, 24)
    kept: dict[int, int] = {}

    def keep(t: Any) -> Any:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with saved_tensors_hooks(keep, lambda t: t):
        loss = (head(encoder.summary(x)) - y).square().mean()
    loss.backward()
    times = []
    for _ in range(15):
        started = time.thread_time()
        (head(encoder.summary(x)) - y).square().mean().backward()
        times.append(time.thread_time() - started)
    return 1000 * float(np.median(times)), sum(kept.values()) / 2**20


def fitted_error(frame, cell: str, seed: int, horizon: int = 24, **options: Any) -> float:
    """MASE over cutoffs a day apart in the last fifth, of a network trained on the rows before it."""
    from forecastkit import registry
    from forecastkit.forecasting.protocol import FitContext

    model = registry.create_model(
        cell, segment=1, hidden=HIDDEN, batch_size=BATCH, max_steps=STEPS, residual="last", **options
    )
    n = len(frame.calendar)
    end = n * 4 // 5
    fitted = model.fit(frame.upto(end), horizon=horizon, context=FitContext(seed=seed))
    at = np.arange(end, n - horizon - 1, 24)
    return mase(frame, fitted.predict_at(frame, at)[:, 0], at, end).mean()


def mase(frame, points: np.ndarray, at: np.ndarray, end: int) -> np.ndarray:
    """[H] absolute errors by step, in units of the mean seasonal change of the training rows."""
    y, m = frame.store.series(0), frame.season_length
    answers = np.stack([y[c + 1 : c + 1 + points.shape[1]] for c in at])
    return np.nanmean(np.abs(points - answers), axis=0) / np.nanmean(np.abs(y[m : end + 1] - y[: end + 1 - m]))


def draw_cells() -> None:
    rows = pd.read_csv(RESULTS / "learning_cells.csv")
    figure, axes = canvas(3, "context length (steps)")
    for axis, column, title in zip(
        axes, ("ms_a_step", "mib", "mase"), ("ms of a core a training step", "MiB kept for backward", "MASE")
    ):
        for cell, part in rows.groupby("cell"):
            by = part.groupby("context")[column]
            axis.plot(by.mean().index, by.mean(), "o-", ms=3, color=COLOURS[str(cell)], label=str(cell).upper())
            if column == "mase":
                axis.fill_between(by.mean().index, by.min(), by.max(), color=COLOURS[str(cell)], alpha=0.15, lw=0)
        axis.set_title(title)
        axis.set_xscale("log", base=2)
        axis.set_xticks(LENGTHS, [str(n) for n in LENGTHS])
    axes[0].legend(frameon=False)
    write(figure, "cells")
    table = rows.groupby(["context", "cell"])[["ms_a_step", "mib", "mase"]].mean().unstack("cell")
    out = pd.DataFrame({f"{cell.upper()} {word}": table[(c, cell)] for c, word in (("ms_a_step", "ms"), ("mib", "MiB"), ("mase", "MASE")) for cell in ("rnn", "gru", "lstm")})  # fmt: skip
    fill("cells", out.round(3).reset_index().rename(columns={"context": "context"}))


# --- gradients: the adding problem

KINDS = ("tanh", "relu", "gru", "lstm", "lstm, open")
ADDING = (20, 50)
TASK_STEPS = 1000


def adding(n: int, length: int, generator: Any) -> tuple[Any, Any]:
    """Two channels: numbers, and marks at two places, one in each half; the target is the sum of the marked numbers.

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, sec. 5.4; here with 0 to 1.
    """
    import torch

    values, marks = torch.rand(n, length, generator=generator), torch.zeros(n, length)
    first = torch.randint(0, length // 2, (n,), generator=generator)
    second = torch.randint(length // 2, length, (n,), generator=generator)
    marks[torch.arange(n), first] = marks[torch.arange(n), second] = 1.0
    return torch.stack([values, marks], dim=-1), (values * marks).sum(1)


def network(kind: str, hidden: int = 32) -> tuple[Any, Any]:
    """(encoder, head); ``lstm, open`` starts with its forget gate open (a bias of 1)."""
    import torch

    from forecastkit.nn.recurrent import RecurrentEncoder

    cell = kind.split(",")[0]
    plain = cell in ("tanh", "relu")
    encoder = RecurrentEncoder("rnn" if plain else cell, 2, hidden, activation=cell if plain else "tanh")
    if kind == "lstm, open":
        with torch.no_grad():
            encoder.core.bias_ih_l0[hidden : 2 * hidden] = 1.0
    return encoder, torch.nn.Linear(hidden, 1)


def gradients() -> None:
    import torch

    rows, flows = [], []
    for kind in KINDS:
        for length in ADDING:
            for clip in (1.0, 0.0):
                rows.append(train_adding(kind, length, clip, seed=1))
                print(rows[-1], flush=True)
    for kind in KINDS:
        torch.manual_seed(1)
        flows += [{"kind": kind, "step_back": k, "gradient": g} for k, g in enumerate(flow(kind, 100))]
    save("gradients", rows)
    save("flow", flows)


def train_adding(kind: str, length: int, clip: float, seed: int, lr: float = 3e-3) -> dict[str, Any]:
    import torch

    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    encoder, head = network(kind)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr)
    losses, norms = [], []
    for _ in range(TASK_STEPS):
        x, y = adding(64, length, generator)
        loss = (head(encoder.summary(x))[:, 0] - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, clip or float("inf"))))
        optimizer.step()
        losses.append(float(loss.detach()))
    end = float(np.mean(losses[-100:]))
    return {"kind": kind, "length": length, "clip": clip, "seed": seed, "mse": end, "largest_norm": max(norms)}


def flow(kind: str, length: int) -> np.ndarray:
    """[length] size of the loss's gradient in the state of each step back from the last one, before training."""
    import torch

    from forecastkit.nn.cells import unroll

    encoder, head = network(kind)
    core = encoder.core
    weights = (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0)
    cell = kind.split(",")[0]
    x, y = adding(64, length, torch.Generator().manual_seed(0))
    noise = torch.zeros(64, length, 2, requires_grad=True)
    states = unroll(
        "rnn" if cell in ("tanh", "relu") else cell, x + noise, weights, activation="relu" if cell == "relu" else "tanh"
    )
    (head(states[:, -1])[:, 0] - y).square().mean().backward()
    return noise.grad.norm(dim=2).mean(0).flip(0).numpy()


def draw_gradients() -> None:
    rows, flows = pd.read_csv(RESULTS / "learning_gradients.csv"), pd.read_csv(RESULTS / "learning_flow.csv")
    figure, axes = canvas(3, "")
    for kind, part in flows.groupby("kind", sort=False):
        axes[0].semilogy(
            part["step_back"], part["gradient"].clip(lower=1e-12), color=COLOURS[str(kind)], label=str(kind)
        )
    axes[0].set_title("gradient of the loss, by steps back")
    axes[0].set_xlabel("steps back from the last one")
    axes[0].legend(frameon=False, fontsize=7)
    for axis, clip, title in zip(axes[1:], (1.0, 0.0), ("error, gradients clipped at 1", "error, not clipped")):
        for kind, part in rows[rows["clip"] == clip].groupby("kind", sort=False):
            by = part.groupby("length")["mse"].median()
            axis.loglog(by.index, by, "o-", ms=3, color=COLOURS[str(kind)])
        axis.axhline(1 / 6, color="#888888", lw=1, ls=":")
        axis.set_title(title)
        axis.set_xticks(ADDING, [str(n) for n in ADDING])
        axis.xaxis.minorticks_off()
        axis.set_xlabel("length of the sequence")
    write(figure, "gradients")
    rows["clip"] = rows["clip"].map({1.0: "clipped", 0.0: "not clipped"})
    table = rows.groupby(["kind", "clip"], sort=False).apply(
        lambda part: pd.Series(
            {**{f"MSE, {n} steps": f"{part.loc[part['length'] == n, 'mse'].median():.3f}" for n in ADDING},
             "largest norm": f"{part['largest_norm'].max():.0f}"}
        ), include_groups=False,
    )  # fmt: skip
    fill("gradients", table.reset_index())


# --- gates over a real series


def gates() -> None:
    import torch

    from forecastkit import registry
    from forecastkit.forecasting.protocol import FitContext
    from forecastkit.forecasting.windows import Windows, gather
    from forecastkit.nn.cells import GATES, traced

    frame = frame_of("sf_temperature")
    end, length = len(frame.calendar) * 4 // 5, 120
    rows = []
    for cell in ("gru", "lstm"):
        model = registry.create_model(cell, segment=1, context_length=length, hidden=12, max_steps=600, residual="last")
        fitted = model.fit(frame.upto(end), horizon=24, context=FitContext(seed=1))
        window = Windows(np.array([0]), np.array([end + 400]))
        batch = gather(frame.store, window, length, 0, elapsed=fitted.task.elapsed)
        x = torch.from_numpy(np.concatenate([batch.past_num, batch.observed], axis=2))
        core = fitted.net.core.encoder.core
        with torch.no_grad():
            found = traced(cell, x, (core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0))
        torch.testing.assert_close(found["state"], core(x)[0])
        for name in ("state", *GATES[cell]):
            values = found[name][0].numpy().round(3)
            rows += [
                {"cell": cell, "what": name, "unit": u, **dict(enumerate(line))} for u, line in enumerate(values.T)
            ]
        y = batch.past_num[0, :, 0] * batch.scale.divisor[0] + batch.scale.centre[0]
        rows.append({"cell": cell, "what": "series", "unit": 0, **dict(enumerate(y.round(1)))})
    save("gates", rows)


def draw_gates() -> None:
    import matplotlib.pyplot as plt

    rows = pd.read_csv(RESULTS / "learning_gates.csv")
    for cell, words in (("gru", ("update", "reset")), ("lstm", ("forget", "input", "output"))):
        part = rows[rows["cell"] == cell]
        figure, axes = plt.subplots(
            2 + len(words), 1, figsize=(8, 1.5 * (2 + len(words))), sharex=True, layout="constrained"
        )
        series = part[part["what"] == "series"].iloc[0, 3:]
        axes[0].plot(np.arange(len(series)), series.to_numpy(float), color="#222222", lw=1)
        axes[0].set_title("temperature in San Francisco, hour by hour", fontsize=9)
        for axis, name in zip(axes[1:], ("state", *words)):
            grid = part[part["what"] == name].iloc[:, 3:]
            # Units in the order of their mean, so that fast and slow ones stand together.
            grid = grid.loc[grid.mean(axis=1).sort_values().index]
            low, colours = (-1, "RdBu_r") if name == "state" else (0, "viridis")
            picture = axis.imshow(grid, aspect="auto", vmin=low, vmax=1, cmap=colours, interpolation="nearest")
            axis.set_title(f"{name} gate" if name != "state" else "hidden state", fontsize=9)
            axis.set_ylabel("unit", fontsize=8)
            axis.set_yticks([])
            figure.colorbar(picture, ax=axis, pad=0.01)
        axes[-1].set_xlabel("hours")
        write(figure, f"gates_{cell}", dpi=80)


# --- recursive against direct

SETS = {"air_passengers": 12, "co2": 12}


def strategies() -> None:
    from forecastkit import registry
    from forecastkit.forecasting.protocol import FitContext

    rows = []
    for name, horizon in SETS.items():
        frame = frame_of(name)
        n = len(frame.calendar)
        end = n * 4 // 5
        at = np.arange(end, n - horizon - 1, max(1, horizon // 2))
        tries = {"direct": {}, "recursive": {"strategy": "recursive"}}
        for strategy, options in tries.items():
            for seed in (1,):
                model = (
                    registry.create_model("gru", segment=1, **options)
                    if strategy == "direct"
                    else registry.create_model("gru", **options)
                )
                started = time.perf_counter()
                fitted = model.fit(frame.upto(end), horizon=horizon, context=FitContext(seed=seed))
                seconds = time.perf_counter() - started
                by_step = mase(frame, fitted.predict_at(frame, at)[:, 0], at, end)
                rows += [
                    {
                        "set": name,
                        "strategy": strategy,
                        "seed": seed,
                        "step": h + 1,
                        "mase": round(float(e), 4),
                        "seconds": round(seconds, 1),
                    }
                    for h, e in enumerate(by_step)
                ]
                print(name, strategy, seed, round(float(by_step.mean()), 3), round(seconds, 1), flush=True)
        rule = registry.create_model("naive").fit(frame.upto(end), horizon=horizon)
        by_step = mase(frame, rule.predict_at(frame, at)[:, 0], at, end)
        rows += [
            {"set": name, "strategy": "naive", "seed": 0, "step": h + 1, "mase": round(float(e), 4), "seconds": 0.0}
            for h, e in enumerate(by_step)
        ]
    save("strategies", rows)


def draw_strategies() -> None:
    rows = pd.read_csv(RESULTS / "learning_strategies.csv")
    figure, axes = canvas(len(SETS), "step ahead")
    for axis, name in zip(axes, SETS):
        for strategy, part in rows[rows["set"] == name].groupby("strategy"):
            by = part.groupby("step")["mase"].mean()
            axis.plot(by.index, by, color=COLOURS[str(strategy)], label=str(strategy))
        axis.set_title(name)
    axes[0].set_ylabel("MASE")
    axes[0].legend(frameon=False, fontsize=7)
    write(figure, "strategies")
    table = (
        rows.groupby(["set", "strategy"], sort=False)
        .agg(MASE=("mase", "mean"), seconds=("seconds", "mean"))
        .unstack("strategy")
    )
    out = pd.DataFrame({
        "set": table.index, "naive": table[("MASE", "naive")].round(3), "direct": table[("MASE", "direct")].round(3),
        "recursive": table[("MASE", "recursive")].round(3), "direct, s": table[("seconds", "direct")].round(1),
        "recursive, s": table[("seconds", "recursive")].round(1),
    })  # fmt: skip
    fill("strategies", out)


# --- recurrence against what is not, on the same folds

FAMILY = (
    "rnn", "gru", "lstm", "segrnn", "seq2seq", "deepar", "esrnn", "nlinear", "dlinear", "tcn", "nhits", "patchtst", "ridge", "boosting",
)  # fmt: skip
BOARD_SETS = ("co2",)


def alternatives() -> None:
    import forecastkit as fk
    from forecastkit import catalog

    rows = []
    for name in BOARD_SETS:
        frame = catalog.load_dataset(name)
        horizon = catalog.card(name).horizon or 12
        result = fk.backtest(frame, list(FAMILY), fk.EvalPlan(horizon=horizon))
        board = result.leaderboard
        for row in board.itertuples():
            rows.append(
                {
                    "set": name,
                    "model": row.model,
                    "mase": round(row.mase, 4),
                    "seconds": round(row.seconds_fit + row.seconds_predict, 1),
                }
            )
        print(board[["model", "mase", "seconds_fit"]].to_string(), flush=True)
        save("alternatives", rows)


def draw_alternatives() -> None:
    rows = pd.read_csv(RESULTS / "learning_alternatives.csv")
    wide = rows.pivot(index="model", columns="set", values="mase")
    seconds = rows.groupby("model")["seconds"].sum()
    order = [m for m in (*FAMILY, *(m for m in wide.index if m not in FAMILY)) if m in wide.index]
    best = wide.min()
    out = pd.DataFrame({"model": order})
    for name in [s for s in BOARD_SETS if s in wide]:
        out[name] = [
            ("**{:.3f}**" if wide.loc[m, name] == best[name] else "{:.3f}").format(wide.loc[m, name]) for m in order
        ]
    out["seconds, all"] = [f"{seconds[m]:.0f}" for m in order]
    fill("alternatives", out)


# --- files


def canvas(n: int, x: str) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, n, figsize=(9, 2.8), layout="constrained")
    for axis in axes:
        axis.set_xlabel(x)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, axes


def write(figure: Any, name: str, dpi: int = 100) -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "forecastkit"
    PICTURES.mkdir(exist_ok=True)
    figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None}, dpi=dpi)
    plt.close(figure)


def save(name: str, rows: list[dict[str, Any]]) -> None:
    pd.DataFrame(rows).to_csv(RESULTS / f"learning_{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def fill(name: str, table: pd.DataFrame) -> None:
    """Put a table between its two marks in the page."""
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(str(v) for v in row) + " |" for row in table.itertuples(index=False)]
    text = PAGE.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
    if not marks.search(text):
        raise SystemExit(f"docs/learning.md has no place for {name}")
    PAGE.write_text(marks.sub(lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text), encoding="utf-8")


MEASURES = {
    "cells": cells,
    "gradients": gradients,
    "gates": gates,
    "strategies": strategies,
    "alternatives": alternatives,
}
DRAWINGS = {
    "cells": draw_cells, "gradients": draw_gradients, "gates": draw_gates, "strategies": draw_strategies,
    "alternatives": draw_alternatives,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=[*MEASURES, "page"])
    args = parser.parse_args()
    from forecastkit import runtime

    with runtime.threads(1):
        for part in args.parts:
            if part != "page":
                MEASURES[part]()
    for part, draw in DRAWINGS.items():
        if (part in args.parts or "page" in args.parts) and (RESULTS / f"learning_{part}.csv").exists():
            draw()


if __name__ == "__main__":
    main()
