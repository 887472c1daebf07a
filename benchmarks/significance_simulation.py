"""False alarms and power of the whole path: select folds choose, report folds test.

Three kinds of row, by column ``path``:

``test``       a fixed model against a reference: the Diebold-Mariano test alone.
``select+test``  of five candidates and a naive rule the select folds choose by ``choose``'s rule; what is tested is that
               choice, or the best other candidate where the choice is naive. Five select origins, then the report origins.
``interval``   the bootstrap interval of the skill, nominally 95 %: share that holds the true skill, share without an interval
               (too few origins), share that lies wholly above or below 0, mean width. Errors are absolute values of correlated
               noise; ``edge`` shrinks the model's by that share.

Losses are differences of absolute errors with Student t5 noise (a common part of each origin gives items their correlation;
horizon steps overlap as moving averages do). ``edge`` is the true gain in standard deviations of one cell's difference;
0 = no model is better, and every ``better`` or ``worse`` is a false alarm. ``pooled`` is what a t-test over pooled
items x origins would have said of the same differences.

Run: ``python benchmarks/significance_simulation.py [--reps 2000] [--out benchmarks/results/significance_simulation.csv]``
"""

from __future__ import annotations

import argparse
import datetime
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from scipy.special import stdtr

from forecastkit.forecasting.scores import Scales, measure
from forecastkit.forecasting.selection import choose
from forecastkit.forecasting.significance import block_bootstrap, diebold_mariano, holm
from forecastkit.forecasting.splits import SelectFold

N_ITEMS = 5
N_SELECT = 5
N_CANDIDATES = 5


def cells(rng: np.random.Generator, n: int, horizon: int, step: int, correlation: float) -> np.ndarray:
    """Loss differences [n, items, horizon] with mean 0 and variance 1; neighbouring origins share overlapping steps."""
    # Calendar-time shocks: the difference at origin k, step j sums the shocks from its cutoff to its target.
    length = (n - 1) * step + horizon
    common, own = rng.standard_t(5, (length, 1)), rng.standard_t(5, (length, N_ITEMS))
    shocks = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    shocks /= np.sqrt(5 / 3)  # unit variance: t5 has variance 5/3
    total = np.vstack([np.zeros(N_ITEMS), np.cumsum(shocks, axis=0)])
    start = np.arange(n) * step
    reach = np.arange(1, horizon + 1)
    sums = total[start[:, None] + reach] - total[start][:, None, :]
    return (sums / np.sqrt(reach)[None, :, None]).transpose(0, 2, 1)


def pooled_rejects(d: np.ndarray) -> bool:
    x = d.mean(axis=2).ravel()
    t = x.mean() / (x.std(ddof=1) / np.sqrt(len(x)))
    return bool(2 * stdtr(len(x) - 1, -abs(t)) < 0.05)


def fixed_model(
    rng: np.random.Generator, n: int, horizon: int, step: int, correlation: float, edge: float
) -> tuple[str, bool]:
    d = cells(rng, n, horizon, step, correlation) - edge
    return diebold_mariano(d.mean(axis=(1, 2)), -(-horizon // step)).verdict, pooled_rejects(d)


def whole_path(
    rng: np.random.Generator, n: int, horizon: int, step: int, correlation: float, edge: float
) -> tuple[str, bool, bool, str]:
    """(verdict, pooled, whether the better candidate was tested, verdict after Holm over all candidates)."""
    purge = -(-horizon // step) - 1
    names = ["naive", *(f"model{k}" for k in range(N_CANDIDATES))]
    relative = [np.zeros((N_SELECT + purge + n, N_ITEMS, horizon))]
    for k in range(N_CANDIDATES):
        relative.append(cells(rng, N_SELECT + purge + n, horizon, step, correlation) - (edge if k == 0 else 0.0))
    # Absolute errors around a level far from zero, so that differences stay what was drawn.
    folds = tuple(SelectFold(k * step, k * step, horizon, k) for k in range(N_SELECT))
    ones = np.ones((N_SELECT, N_ITEMS))
    scale = Scales(ones, ones, ones.astype(int), tuple(map(str, range(N_ITEMS))), 1)
    zero = np.zeros((N_SELECT, N_ITEMS, horizon))
    select = {name: measure(100.0 + x[:N_SELECT], zero, scale, folds) for name, x in zip(names, relative, strict=True)}
    choice = choose(select, {name: k and 10 for k, name in enumerate(names)})
    tested = choice.model if choice.model != "naive" else next(m for m in choice.table["model"] if m != "naive")
    report = [x[N_SELECT + purge :] for x in relative]
    h = -(-horizon // step)
    results = [diebold_mariano(x.mean(axis=(1, 2)), h) for x in report[1:]]
    k = names.index(tested) - 1
    adjusted = holm([np.nan if r.p_value is None else r.p_value for r in results])
    after = "better" if np.any((adjusted < 0.05) & (np.array([r.mean for r in results]) < 0)) else "none"
    return results[k].verdict, pooled_rejects(report[k + 1]), tested == "model0", after


def error_sums(
    rng: np.random.Generator, n: int, horizon: int, step: int, correlation: float, edge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over steps of absolute errors [n, items] of a model and of a reference that errs half alike."""
    shared, own = (cells(rng, n, horizon, step, correlation) for _ in range(2))
    other = cells(rng, n, horizon, step, correlation)
    model, reference = (np.sqrt(0.5) * shared + np.sqrt(0.5) * x for x in (own, other))
    return (1 - edge) * np.abs(model).sum(axis=2), np.abs(reference).sum(axis=2)


def intervals(
    rng: np.random.Generator, n: int, horizon: int, step: int, correlation: float, edge: float, reps: int
) -> dict[str, float]:
    # Both errors have one distribution before the edge, so that the true ratio of their sums is 1 - edge for every item.
    block = -(-horizon // step)
    drawn = [
        block_bootstrap(*error_sums(rng, n, horizon, step, correlation, edge), block=block, n_boot=1000)
        for _ in range(reps)
    ]
    ends = np.array([(s.low, s.high) for s in drawn if s.low is not None and s.high is not None])
    out = {"too_few": round(1 - len(ends) / reps, 4)}
    if len(ends):
        low, high = ends.T
        out["covered"] = round(float(((low <= edge) & (edge <= high)).mean()), 4)
        out["better"], out["worse"] = (round(float(x.mean()), 4) for x in (low > 0, high < 0))
        out["rejected"] = round(out["better"] + out["worse"], 4)
        out["width"] = round(float((high - low).mean()), 4)
    return out


def settings() -> list[tuple[int, int, int, float, float]]:
    out = []
    for n in (5, 10, 30, 100):
        for horizon, step in ((1, 1), (10, 10), (10, 5), (10, 1)):
            for correlation in (0.0, 0.6):
                out += [(n, horizon, step, correlation, edge) for edge in (0.0, 0.3)]
    return out


def simulate(reps: int, seed: int) -> pd.DataFrame:
    rows = []
    for n, horizon, step, correlation, edge in settings():
        rng = np.random.default_rng([seed, n, horizon, step, int(10 * correlation), int(10 * edge)])
        base = {"n_origins": n, "horizon": horizon, "step": step, "correlation": correlation, "edge": edge}
        alone = [fixed_model(rng, n, horizon, step, correlation, edge) for _ in range(reps)]
        rows.append({"path": "test", **base, "reps": reps, **_rates([v for v, _ in alone], [p for _, p in alone])})
        few = max(50, reps // 5)
        whole = [whole_path(rng, n, horizon, step, correlation, edge) for _ in range(few)]
        row = {"path": "select+test", **base, "reps": few, **_rates([w[0] for w in whole], [w[1] for w in whole])}
        row["chose_best"] = round(float(np.mean([w[2] for w in whole])), 4) if edge else np.nan
        row["holm_any_better"] = round(float(np.mean([w[3] == "better" for w in whole])), 4)
        rows.append(row)
        rng = np.random.default_rng([seed, 1, n, horizon, step, int(10 * correlation), int(10 * edge)])
        share = edge / 3  # 10 % smaller errors
        boot = intervals(rng, n, horizon, step, correlation, share, few)
        rows.append({"path": "interval", **base, "edge": round(share, 2), "reps": few, **boot})
    return pd.DataFrame(rows)


def _rates(verdicts: list[str], pooled: list[bool]) -> dict[str, float]:
    v = np.array(verdicts)
    return {
        "better": round(float((v == "better").mean()), 4),
        "worse": round(float((v == "worse").mean()), 4),
        "rejected": round(float(np.isin(v, ["better", "worse"]).mean()), 4),
        "too_few": round(float((v == "too few to tell").mean()), 4),
        "pooled_rejected": round(float(np.mean(pooled)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "significance_simulation.csv")
    args = parser.parse_args()
    started = time.perf_counter()
    table = simulate(args.reps, args.seed)
    table["seed"] = args.seed
    table["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    table["python"], table["numpy"] = platform.python_version(), np.__version__
    table["scipy"], table["pandas"] = scipy.__version__, pd.__version__
    args.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.out, index=False)
    print(table.drop(columns=["date", "python", "numpy", "scipy", "pandas", "seed"]).to_string(index=False))
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
