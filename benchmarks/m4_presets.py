"""M4 Hourly by the presets: one command's machinery from the training file to 48 steps, scored as the competition does.

    python benchmarks/m4_presets.py --preset default --time-limit 5m
    python benchmarks/m4_presets.py --preset best --time-limit 20m --test

Two folds before the last one inside the training part choose model and weights (select), the last 48 hours there report; the
competition's test is read by --test alone, after the forecast was made. Seconds are those of the whole run, reading and report included;
``networks`` and ``baselines`` are what their backtests took.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from m4_hourly import HORIZON, SEASON, scored, series
from rows import append

HERE = Path(__file__).resolve().parent
TRAIN = "m4_hourly_train.csv"
COLUMNS = [
    "date", "preset", "time_limit", "words", "seed", "model", "part", "owa", "smape", "mase", "won", "seconds", "networks", "baselines",
    "members",
]  # fmt: skip


def in_order(points: np.ndarray, items: tuple[str, ...]) -> np.ndarray:
    """[414, 48] by the competition's numbers."""
    out = np.empty_like(points)
    out[[int(item.removeprefix("H")) - 1 for item in items]] = points
    return out


def parts_of(train: list[np.ndarray], test: list[np.ndarray] | None, n_folds: int):
    """(name, past, answers, row of the backtest or None for the test)."""
    for k in range(n_folds):
        back = (n_folds - k) * HORIZON
        past = [y[: len(y) - back] for y in train]
        yield f"fold {n_folds - k}", past, [y[len(y) - back :][:HORIZON] for y in train], k
    if test is not None:
        yield "test", train, test, None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="default")
    parser.add_argument("--time-limit", default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="score the competition's test as well")
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("words", nargs="*", help="further settings, as models.gru.hidden=128")
    args = parser.parse_args()
    from forecastkit.config import load_config
    from forecastkit.run.execute import execute

    path = Path(os.environ["FORECASTKIT_DATA"]) / "benchmark" / TRAIN
    values = {
        "data": {"path": str(path), "season_length": SEASON},
        "horizon": HORIZON,
        "preset": args.preset,
        "time_limit": args.time_limit,
        "seed": args.seed,
        "evaluation": {"n_select": 2, "n_calibrate": 0, "n_report": 1},
    }
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = execute(load_config(None, values=values, overrides=args.words), out=Path(folder) / "run")
        seconds = time.perf_counter() - started
        evaluation, forecast = outcome.evaluation, outcome.forecast
        if evaluation is None or forecast is None:
            raise SystemExit("no forecast")
        final = str(forecast["model"].iloc[0])
        table = forecast.pivot(index="item_id", columns="step", values="point")
        items = evaluation.frame.items
        made = in_order(table.loc[list(items)].to_numpy(), items)
        members = outcome.folder.json("model/model.json")["meta"]["state"].get("members") or []
    board = evaluation.leaderboard.set_index("model")
    took = (board["seconds_fit"] + board["seconds_predict"]).groupby(board["family"]).sum()
    networks, baselines = took.get("network", 0.0), took.get("baseline", 0.0) + took.get("statistical", 0.0)
    said = ", ".join(f"{m['name']} {np.mean(m['weights']):.2f} x{len(m['seeds'])}" for m in members)
    print(
        f"{args.preset}: {final} ({said}) {seconds:.0f} s; networks {networks:.0f} s, baselines {baselines:.0f} s",
        flush=True,
    )
    train, test = series(TRAIN), series("m4_hourly_test.csv") if args.test else None
    everyone = {name: np.mean([s.backtest.points for s in seeds], axis=0) for name, seeds in evaluation.seeds.items()}
    rows = []
    for part, past, answer, k in parts_of(train, test, len(evaluation.folds.all)):
        for name, points in everyone.items():
            if k is None and name != final:
                continue
            own = made if k is None else in_order(points[k], items)
            if not np.isfinite(own).all():
                continue
            found = scored(own, past, answer)
            rows.append([
                dt.date.today().isoformat(), args.preset, args.time_limit or "", " ".join(args.words), args.seed, name, part,
                *(f"{found[m]:.4f}" for m in ("owa", "smape", "mase")), *[""] * 1, f"{seconds:.0f}", f"{networks:.0f}",
                f"{baselines:.0f}", said if name == final else "",
            ])  # fmt: skip
            mark = "*" if name == final else " "
            print(
                f"{mark} {part:<7}{name:<16} OWA {found['owa']:.4f}  sMAPE {found['smape']:.3f}  MASE {found['mase']:.3f}",
                flush=True,
            )
    won = share_won(evaluation, final)
    for name, share in won.items():
        print(f"  {final} has the smaller error on {share:.0%} of the series against {name} (report fold)")
        for row in rows:
            if row[5] == name and row[6] == "fold 1":
                row[10] = f"{share:.3f}"
    if args.no_write:
        return
    append("m4_presets.csv", COLUMNS, rows)


def share_won(evaluation, final: str) -> dict[str, float]:
    """Other model -> share of series on which ``final`` has the smaller error in the report fold."""
    report = evaluation.losses["report"]
    own = report[final].by_item(scaled=False)
    return {name: float(np.mean(own < x.by_item(scaled=False))) for name, x in report.items() if name != final}


if __name__ == "__main__":
    main()
