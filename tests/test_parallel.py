"""Whoever does the work, the results are those of a plain loop; a worker that dies loses nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest

from forecastkit import parallel
from forecastkit.errors import ConfigError
from forecastkit.forecasting.backtest import backtest_model
from forecastkit.forecasting.models import statistical
from forecastkit.forecasting.protocol import FitContext
from forecastkit.forecasting.splits import EvalPlan, make_folds
from forecastkit.parallel import Workers
from forecastkit.registry import create_model
from tests.conftest import build_panel


def _slow_square(x: int, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    return x * x


def _fails(x: int) -> int:
    raise ModuleNotFoundError(f"No module named 'forecastkit{x}'")


def test_a_plain_loop_here():
    assert parallel.map(_slow_square, range(5)) == [0, 1, 4, 9, 16]
    assert parallel.map(_slow_square, [], Workers(2)) == []


def test_processes_keep_the_order():
    assert parallel.map(_slow_square, range(20), Workers(2)) == [x * x for x in range(20)]
    assert Workers(None).count >= 1
    assert Workers(3).count == 3


def test_items_are_taken_as_they_are_needed():
    taken = []

    def items():
        for x in range(1000):
            taken.append(x)
            yield x

    stream = parallel.stream(_slow_square, items(), Workers(2))
    assert next(stream) == 0
    assert len(taken) < 1000
    stream.close()


def test_who_stops_early_is_told_nothing(recwarn, capfd):
    stream = parallel.stream(partial(_slow_square, seconds=0.02), range(200), Workers(2))
    assert next(stream) == 0
    stream.close()
    time.sleep(0.2)  # threads of the pool end after it
    assert not recwarn.list
    assert "Traceback" not in capfd.readouterr().err


def test_workers_without_this_package_are_told_in_one_line():
    with pytest.raises(ConfigError, match="engine local: No module named 'forecastkit1'; its workers lack a package"):
        parallel.map(_fails, [1, 1], Workers(2))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"engine": "dsk"}, "Did you mean 'dask'"),
        ({"address": "tcp://x:1"}, "the local engine has none"),
    ],
)
def test_workers_are_checked(given, says):
    with pytest.raises(ConfigError, match=says):
        Workers(**given)


def test_an_engine_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(parallel.ENGINES, "ray", "no_such_module_at_all.inside")
    with pytest.raises(ConfigError, match=r"--engine ray: the package .* is not installed\. pip install ray"):
        parallel.ready(Workers(engine="ray"))


# --- backtests


@pytest.fixture
def at_once(monkeypatch):
    """Nothing is done here first, and nothing is too short to be shared out."""
    monkeypatch.setattr(statistical, "PILOT", 0.0)
    monkeypatch.setattr(statistical, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr(statistical, "CHUNK_SECONDS", 0.0)


def _backtest(name: str, workers: Workers, **plan):
    frame = build_panel((90, 70, 90, 12))
    resolved = make_folds(frame, EvalPlan(horizon=4, **plan))
    seen = []
    context = FitContext(workers=workers, progress=lambda done, total, note: seen.append((done, total)))
    done = backtest_model(name, create_model(name), frame, resolved.all, resolved.plan, context=context)
    assert done.error is None
    assert seen[-1][0] == seen[-1][1]
    return done


@pytest.mark.parametrize(
    ("name", "plan"), [("theta", {"refit": 2, "n_report": 4}), ("auto_ets", {}), ("arima", {}), ("auto_arima", {})]
)
def test_processes_change_no_bit(at_once, name, plan):
    here, there = (_backtest(name, workers, **plan) for workers in (Workers(1), Workers(2)))
    assert here.points.tobytes() == there.points.tobytes()
    assert here.info == there.info
    arrays = [one.fitted.state()[0] for one in (here, there)]
    assert all(arrays[0][k].tobytes() == arrays[1][k].tobytes() for k in arrays[0])


def test_the_number_of_processes_changes_no_byte_of_a_run(at_once, small_csv, tmp_path):
    from forecastkit.cli import main
    from tests.trust.runs import NETWORKS, differences

    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "gru", "--quiet"]
    words += [w for w in NETWORKS if w.startswith("models.gru")]
    for n in (1, 2):
        assert main([*words, f"n_jobs={n}", "--out", str(tmp_path / str(n))]) == 0
    assert differences(tmp_path / "1", tmp_path / "2") == []


@pytest.mark.parametrize("workers", [Workers(1), Workers(2)])
def test_the_time_budget_holds_for_processes_too(at_once, workers):
    frame = build_panel((90, 70, 90))
    folds = make_folds(frame, EvalPlan(horizon=4))
    context = FitContext(workers=workers, deadline=time.monotonic() - 1)
    done = backtest_model("theta", create_model("theta"), frame, folds.all, folds.plan, context=context)
    assert done.error.startswith("time budget: used up, or too little to go on, after 0 of 3 series")
    assert np.isnan(done.points).all()


def test_a_short_time_budget_ends_within_the_series(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(statistical.time, "time", lambda: float(next(clock)))
    units = [statistical._Unit(None, np.arange(9.0), np.array([9]))] * 5
    done = statistical._work(create_model("theta"), 1, 2, 2.5, units)
    assert len(done) == 3
    assert np.isnan(done[0].points).all()


# --- a cluster


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("dask.distributed")
    quiet = {"dashboard_address": None, "silence_logs": 50}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **quiet) as cluster:
        yield cluster
        parallel._dask_client(cluster.scheduler_address).close()


def _pids(client) -> list[int]:
    return sorted(client.run(os.getpid).values())


def test_a_worker_that_dies_in_the_middle_loses_nothing(cluster):
    workers = Workers(engine="dask", address=cluster.scheduler_address)
    parallel.ready(workers)
    client = parallel._dask_client(cluster.scheduler_address)
    before = _pids(client)
    assert len(before) == 2
    assert os.getpid() not in before
    killer = threading.Timer(0.6, os.kill, (before[0], signal.SIGKILL))
    killer.start()
    assert parallel.map(partial(_slow_square, seconds=0.05), range(60), workers) == [x * x for x in range(60)]
    killer.join()
    assert before[0] not in _pids(client)
    # And the command line reaches the same cluster, with the bits of a run here.
    here = _backtest("theta", Workers(1), refit=2, n_report=4)
    there = _backtest("theta", workers, refit=2, n_report=4)
    assert here.points.tobytes() == there.points.tobytes()


def test_a_backtest_on_a_cluster_from_the_command_line(cluster, small_csv, tmp_path):
    from forecastkit.cli import main

    words = ["backtest", "--data", str(small_csv), "--horizon", "5", "--models", "naive", "--quiet"]
    address = cluster.scheduler_address
    assert main([*words, "--out", str(tmp_path / "here")]) == 0
    assert main([*words, "--out", str(tmp_path / "there"), "--engine", "dask", "--address", address]) == 0
    for name in ("scores.csv", "backtest.parquet", "verdict.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
    # Once more, on this machine: the cluster need not be there.
    assert main(["rerun", str(tmp_path / "there"), "--out", str(tmp_path / "again"), "--quiet"]) == 0


def test_a_cluster_that_does_not_answer(monkeypatch):
    pytest.importorskip("dask.distributed")
    monkeypatch.setattr(parallel, "SECONDS_TO_ANSWER", 0.3)
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        parallel.ready(Workers(engine="dask", address="tcp://127.0.0.1:9"))
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        parallel.ready(Workers(engine="dask", address="nonsense://x"))


def test_a_frame_travels_with_its_own_rows_alone():
    import pickle

    frame = build_panel((4000, 4000), missing=0.0)
    assert len(pickle.dumps(frame.upto(20))) < len(pickle.dumps(frame)) / 20
    back = pickle.loads(pickle.dumps(frame.upto(20)))
    pd.testing.assert_frame_equal(back.data, frame.upto(20).data)


@pytest.mark.parametrize("kind", ["log1p", "difference", "standard"])
@pytest.mark.parametrize("align", ["calendar", "end"])
def test_what_is_done_around_a_model_is_done_around_each_fit(kind, align):
    """A backtest is what fitting and asking one cutoff after the other gives."""
    frame = build_panel((90, 70, 90), missing=0.0)
    if align == "end":
        ends = frame.store.ends - np.array([0, 6, 3])
        frame = frame.between(ends)
    folds = make_folds(frame, EvalPlan(horizon=4, n_report=4, n_select=0, n_calibrate=0, refit=2, align=align))
    model = create_model("theta", transform=kind)
    done = backtest_model("theta", model, frame, folds.all, folds.plan, context=FitContext())
    for f, fold in enumerate(folds.all):
        at = fold.positions(3)
        fitted = model.fit(frame.between(folds.all[f - f % 2].positions(3)), horizon=4)
        for i in range(3):
            want = fitted.predict_at(frame, at[[i]])[0, i]
            np.testing.assert_allclose(done.points[f, i], want, rtol=1e-12)
