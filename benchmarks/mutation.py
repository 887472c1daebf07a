"""Mutation testing of the code that scores, splits and tests: the share of small faults that the tests notice.

    python benchmarks/mutation.py                        # a sample of 60 faults a module; rows in results/mutation.csv
    python benchmarks/mutation.py --sample 0             # all of them
    python benchmarks/mutation.py --only splits --jobs 8
    python benchmarks/mutation.py --again                # only those that survived, after tests were added

One fault at a time in the syntax tree: a comparison, an operator, a constant, a condition or a statement is changed or
taken out. Each runs in a fork with its module's own tests; a fault that no test notices and that is not equivalent is a
missing test. Faults in docstrings, annotations and texts are not made. Survivors that change nothing are explained in
mutation_equivalent.csv; the others stand in results/mutation_survivors.csv without a reason.
"""

from __future__ import annotations

import argparse
import ast
import copy
import csv
import datetime as dt
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "mutation.csv"
SURVIVORS = HERE / "results" / "mutation_survivors.csv"
EQUIVALENT = HERE / "mutation_equivalent.csv"
TARGETS = {
    "metrics": ["test_metrics.py", "../trust/test_survivors.py"],
    "splits": ["../trust/test_split_lines.py", "test_splits.py", "../trust/test_survivors.py"],
    "significance": ["../trust/test_significance_lines.py", "test_significance.py"],
    "scaling": ["test_windows.py", "../trust/test_scaling.py"],
}
COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BINARY = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def _skipped(tree: ast.Module) -> set[int]:
    """Nodes that are no behaviour: annotations, decorators, __all__, errors and their texts."""
    out: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            a = node.args
            parts = [
                node.returns,
                *node.decorator_list,
                *(x.annotation for x in [*a.args, *a.kwonlyargs, *a.posonlyargs]),
            ]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list, *node.bases]
        elif isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        ):
            parts = [node]
        for part in parts:
            out |= {id(x) for x in ast.walk(part)} if part is not None else set()
    return out


def faults(source: str) -> list[tuple[int, str, str]]:
    """(line, what, mutated source) of every fault."""
    tree = ast.parse(source)
    skip = _skipped(tree)
    found: list[tuple[int, str, str]] = []

    def take(node: ast.AST, what: str, change) -> None:
        before = copy.copy(node.__dict__)
        change()
        found.append((node.lineno, what, ast.unparse(tree)))
        node.__dict__.clear()
        node.__dict__.update(before)

    for node in ast.walk(tree):
        if id(node) in skip:
            continue
        if isinstance(node, ast.Compare):
            for k, op in enumerate(node.ops):
                new = COMPARE[type(op)]
                ops = [*node.ops[:k], new(), *node.ops[k + 1 :]]
                take(node, f"{type(op).__name__} -> {new.__name__}", lambda n=node, o=ops: setattr(n, "ops", o))
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in BINARY:
            new = BINARY[type(node.op)]
            take(node, f"{type(node.op).__name__} -> {new.__name__}", lambda n=node, o=new: setattr(n, "op", o()))
        elif isinstance(node, ast.BoolOp):
            new = ast.Or if isinstance(node.op, ast.And) else ast.And
            take(node, f"{type(node.op).__name__} -> {new.__name__}", lambda n=node, o=new: setattr(n, "op", o()))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
            add = ast.UAdd() if isinstance(node.op, (ast.USub, ast.Invert)) else None
            if add is not None:
                take(node, f"{type(node.op).__name__} taken out", lambda n=node, o=add: setattr(n, "op", o))
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
            new_test = ast.UnaryOp(ast.Not(), node.test)
            take(node, "condition turned round", lambda n=node, t=new_test: setattr(n, "test", t))
        elif (
            isinstance(node, ast.Constant)
            and not isinstance(node.value, (str, bytes))
            and node.value not in (None, ...)
        ):
            new_value = (not node.value) if isinstance(node.value, bool) else node.value + 1
            take(node, f"{node.value!r} -> {new_value!r}", lambda n=node, v=new_value: setattr(n, "value", v))
        body = getattr(node, "body", None)
        for k, statement in enumerate(body if isinstance(body, list) else []):
            text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if (
                id(statement) in skip
                or text
                or not isinstance(statement, (ast.Assign, ast.AugAssign, ast.Expr, ast.Continue))
            ):
                continue
            if isinstance(node, ast.Module):
                continue
            new_body = [*body[:k], ast.copy_location(ast.Pass(), statement), *body[k + 1 :]]
            before = node.body
            node.body = new_body
            found.append((statement.lineno, "statement taken out", ast.unparse(tree)))
            node.body = before
    return found


class _Loader(importlib.abc.Loader):
    def __init__(self, source: str, path: str) -> None:
        self.source, self.path = source, path

    def exec_module(self, module) -> None:
        exec(compile(self.source, self.path, "exec"), module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name: str, source: str, path: str) -> None:
        self.name, self.loader = name, _Loader(source, path)

    def find_spec(self, name, path, target=None):
        return (
            importlib.util.spec_from_loader(name, self.loader, origin=self.loader.path) if name == self.name else None
        )


def noticed(module: str, source: str | None, seconds: float) -> tuple[bool, float]:
    """Whether the module's tests fail, or do not end, with this source; None = as it is."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        import pytest

        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        if source is not None:
            path = str(ROOT / "forecastkit" / "forecasting" / f"{module}.py")
            sys.meta_path.insert(0, _Finder(f"forecastkit.forecasting.{module}", source, path))
        files = [str(ROOT / "tests" / "forecasting" / name) for name in TARGETS[module]]
        files = [name for name in files if Path(name).exists()]
        try:
            import doctest

            broken = doctest.testmod(importlib.import_module(f"forecastkit.forecasting.{module}")).failed
            status = broken or pytest.main(
                ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "-W", "ignore", *files]
            )
        except BaseException:
            status = 1
        os._exit(int(status != 0))
    while time.monotonic() - began < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0, time.monotonic() - began
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True, time.monotonic() - began


def _preload() -> None:
    """What no fault touches is imported once, before the forks."""
    import hypothesis.extra.numpy
    import hypothesis.extra.pandas
    import pytest  # noqa: F401
    import utilsforecast.losses  # noqa: F401

    hypothesis.settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("fixed")
    os.environ["OMP_NUM_THREADS"] = "1"


def _read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, table: list[dict]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0] if table else ["module"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _key(fault: dict) -> tuple[str, str, str]:
    """Lines move; their text does not."""
    return fault["module"], fault["what"], fault["code"]


def record(rows: list[dict], left: list[dict]) -> None:
    """Bring both tables up to date for the modules of ``rows``; survivors get their reason, and are counted."""
    why = {_key(f): f["why"] for f in _read(EQUIVALENT)}
    left = [{**f, "why": why.get(_key(f), "")} for f in left]
    for row in rows:
        row["explained"] = sum(bool(f["why"]) for f in left if f["module"] == row["module"])
    done = {row["module"] for row in rows}
    order = list(TARGETS)
    every = [r for r in _read(RESULTS) if r["module"] not in done] + rows
    others = [f for f in _read(SURVIVORS) if f["module"] not in done] + left
    _write(RESULTS, sorted(every, key=lambda r: order.index(r["module"])))
    _write(SURVIVORS, sorted(others, key=lambda f: (order.index(f["module"]), int(f["line"]))))


def again(only: str) -> None:
    """Try every survivor of the last run with the tests of today, and bring both tables up to date."""
    rows = [r for r in _read(RESULTS) if only in ("", r["module"])]
    still = []
    for survivor in [f for f in _read(SURVIVORS) if only in ("", f["module"])]:
        module = survivor["module"]
        source = (ROOT / "forecastkit" / "forecasting" / f"{module}.py").read_text()
        code = source.splitlines()
        same = [f for f in faults(source) if code[f[0] - 1].strip() == survivor["code"] and f[1] == survivor["what"]]
        if all(noticed(module, f[2], 300)[0] for f in same):
            total = next(r for r in rows if r["module"] == module)
            total["killed"] = int(total["killed"]) + 1
            total["share"] = round(int(total["killed"]) / int(total["tried"]), 3)
        else:
            still.append({**survivor, "line": same[0][0]})
            print(f"{module}.py:{survivor['line']}  {survivor['what']}  |  {survivor['code']}", flush=True)
    record(rows, still)
    for row in rows:
        print(*row.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help=f"one of {', '.join(TARGETS)}")
    parser.add_argument("--sample", type=int, default=60, help="faults a module, drawn at random; 0 = all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="most minutes a module; 0 = no limit")
    parser.add_argument("--again", action="store_true", help="try the survivors of the last run once more")
    options = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    _preload()
    if options.again:
        again(options.only)
        return
    rows, left = [], []
    for module in TARGETS:
        if options.only not in ("", module):
            continue
        source = (ROOT / "forecastkit" / "forecasting" / f"{module}.py").read_text()
        everything = faults(source)
        chosen = list(everything)
        random.Random(options.seed).shuffle(chosen)
        chosen = chosen[: options.sample or None]
        failed, took = noticed(module, None, 600)
        if failed:
            raise SystemExit(f"the tests of {module} fail without a fault")
        end = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")

        def one(fault, module=module, took=took, end=end):
            return noticed(module, fault[2], 5 * took + 20)[0] if time.monotonic() < end else None

        with ThreadPoolExecutor(options.jobs) as pool:
            found = list(pool.map(one, chosen))
        done = [(f, k) for f, k in zip(chosen, found) if k is not None]
        killed = sum(k for _, k in done)
        rows.append(
            {
                "date": dt.date.today().isoformat(),
                "module": module,
                "faults": len(everything),
                "tried": len(done),
                "killed": killed,
                "share": round(killed / max(1, len(done)), 3),
                "seed": options.seed,
            }
        )
        print(*rows[-1].values(), flush=True)
        for (line, what, _), k in done:
            if not k:
                left.append(
                    {"module": module, "line": line, "what": what, "code": source.splitlines()[line - 1].strip()}
                )
                print(f"  {module}.py:{line}  {what}  |  {left[-1]['code']}", flush=True)
    record(rows, left)


if __name__ == "__main__":
    main()
