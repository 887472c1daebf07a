"""Processes that train one network together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit import ranks
from forecastkit.cli import main
from forecastkit.errors import ConfigError
from forecastkit.ranks import ALONE, Machines

QUICK = [
    "--horizon=3", "--models=gru", "baselines=naive", "ensemble=none", "evaluation.n_report=4", "models.gru.hidden=6",
    "models.gru.max_steps=30", "models.gru.val_every=10", "models.gru.batch_size=16", "final=gru", "--quiet",
]  # fmt: skip


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "forecastkit", *words]


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    rng = np.random.default_rng(3)
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    week = np.sin(np.arange(90) * 2 * np.pi / 7)
    tables = [pd.DataFrame({"id": k, "day": days, "y": 20 + k + week + rng.normal(0, 0.3, 90)}) for k in (1, 2)]
    path = tmp_path_factory.mktemp("ranks") / "panel.csv"
    pd.concat(tables).assign(y=lambda t: t["y"].round(3)).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def by_two(panel):
    out = panel.parent / "two"
    done = subprocess.run(
        command("fit", "--data", str(panel), *QUICK, "--devices=2", "--out", str(out)),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_two_processes_learn_what_one_learns_from_the_joint_batch(panel, by_two, tmp_path):
    assert main(["fit", "--data", str(panel), *QUICK, "--out", str(tmp_path / "one")]) == 0
    one, two = (pd.read_csv(folder / "learning_curves.csv") for folder in (tmp_path / "one", by_two))
    assert len(one) == 4
    for column in ("step", "train_loss", "valid_loss", "grad_norm", "lr"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-5, err_msg=column)
    one, two = (pd.read_csv(folder / "forecast.csv") for folder in (tmp_path / "one", by_two))
    np.testing.assert_allclose(two["point"], one["point"], rtol=1e-5)
    assert not list(by_two.parent.glob("runs*")), "only rank 0 has a run folder"


@pytest.mark.slow
def test_two_processes_run_again_give_the_same_bits(by_two, tmp_path):
    done = subprocess.run(
        command("rerun", str(by_two), "--quiet", "--out", str(tmp_path / "again")),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Identical: forecast.csv")


def children(pid: int) -> list[int]:
    """Processes that this one started; Linux alone tells."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in found.read_text().split()] if found.exists() else []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's list of children")
def test_a_lost_process_is_one_line(panel, tmp_path):
    words = [
        "fit",
        "--data",
        str(panel),
        *QUICK,
        "models.gru.max_steps=100000",
        "models.gru.patience=9999",
        "--devices=2",
    ]
    run = subprocess.Popen(command(*words, "--out", str(tmp_path / "run")), stderr=subprocess.PIPE, text=True)
    try:
        log = tmp_path / "run" / "log.txt"
        training = tmp_path / "run" / "parts" / "gru-s1.training"
        end = time.monotonic() + 600
        while run.poll() is None and time.monotonic() < end and not list(training.rglob("*.safetensors")):
            time.sleep(0.2)
        assert "gru seed 1: begun" in log.read_text(encoding="utf-8")
        [other] = children(run.pid)
        os.kill(other, 9)
        _, said = run.communicate(timeout=600)
    finally:
        run.kill()
    assert run.returncode == 2
    assert said == "forecastkit: --devices 2: killed; process 1 of them has ended.\n", said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--devices=2", "--nodes=2"],
            "so many processes must be started together. On each machine: torchrun --nnodes",
        ),
        (["--devices=0"], "devices"),
        (["--devices=999"], "--devices: 999; this machine has"),
        (["--devices=2", "--strategy=fsdp"], "strategy"),
    ],
)
def test_devices_that_cannot_be_had_are_one_line(panel, tmp_path, capsys, words, said):
    assert main(["fit", "--data", str(panel), *QUICK, *words, "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_python_alone_starts_no_processes():
    with pytest.raises(ConfigError, match="torchrun"), ranks.together(Machines(devices=2), ()):
        pass


def test_the_number_that_was_started_must_fit(monkeypatch):
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="4 processes were started"), ranks.together(Machines(2, 1), ()):
        pass
    assert ranks.rank(ALONE) == 0, "the environment of others is nothing to a process alone"


def test_who_was_started_ends_where_the_next_cannot_be(monkeypatch):
    started, before = [], dict(os.environ)

    class Started:
        def __init__(self, *_, **__):
            if started:
                raise OSError(12, "Cannot allocate memory")
            started.append(self)
            self.killed = False

        def poll(self):
            return None

        def kill(self):
            self.killed = True

        def wait(self, *_):
            return 0

    monkeypatch.setattr(ranks.subprocess, "Popen", Started)
    monkeypatch.setattr(ranks, "_check_devices", lambda _: None)
    with pytest.raises(OSError, match="allocate"), ranks.together(Machines(3), ["fit"]):
        pass
    assert started[0].killed
    assert dict(os.environ) == before


def test_nothing_is_started_for_one(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    with ranks.together(ALONE, ("fit",)):
        assert ranks.agreed("as it is", ALONE) == "as it is"


def test_options_reach_the_trainer(monkeypatch):
    import pytorch_lightning as pl
    import torch

    from forecastkit.training import trainer
    from forecastkit.training.module import OptimizerOptions, TrainingModule

    class Seen(Exception):
        pass

    def seen(**options):
        raise Seen(options)

    monkeypatch.setattr(pl, "Trainer", seen)
    monkeypatch.setattr(trainer, "agreed", lambda value, machines: value)
    module = TrainingModule(torch.nn.Linear(1, 1), None, None, OptimizerOptions())
    for machines, expected in [
        (ALONE, {"devices": 1, "num_nodes": 1}),
        (Machines(2), {"devices": 2, "num_nodes": 1, "strategy": "ddp"}),
        (Machines(4, 3, "ddp_find_unused_parameters_true"), {"devices": 4, "num_nodes": 3, "strategy": "ddp_find_unused_parameters_true"}),
    ]:  # fmt: skip
        with pytest.raises(Seen) as found:
            trainer.train(module, None, max_steps=2, steps_per_epoch=1, patience=0, machines=machines)
        options = found.value.args[0]
        assert {k: options[k] for k in ("devices", "num_nodes", "strategy") if k in options} == expected


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shares_make_up_the_joint_batch(n):
    from forecastkit.forecasting.datamodule import _Sampled

    rng = np.random.default_rng(0)
    loaders = [_Sampled(None, [], n, [1], rng, share=(k, 3)) for k in range(3)]
    chosen = np.arange(n) + 10
    parts = [loader._mine(chosen) for loader in loaders]
    if n < 3:
        # Each rank takes the same few, and the mean of three equals is what one alone has.
        assert all((part == chosen).all() for part in parts)
    else:
        assert sorted(np.concatenate(parts)) == list(chosen)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("torchrun") is None, reason="needs torchrun on the path")
def test_torchrun_starts_them_as_well(panel, by_two, tmp_path):
    torchrun = ["torchrun", "--standalone", "--nproc-per-node=2", "-m", "forecastkit", "fit", "--data", str(panel)]
    words = [*QUICK, "--devices=2", "--out", str(tmp_path / "run")]
    done = subprocess.run([*torchrun, *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "forecast.csv").read_bytes() == (by_two / "forecast.csv").read_bytes()
    assert done.stdout.count("Forecast") == 1, "one process answers"
