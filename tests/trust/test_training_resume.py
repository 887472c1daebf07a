"""A training that was cut off goes on, and ends with the bits of one that was not."""

from __future__ import annotations

import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from forecastkit.errors import FitError
from forecastkit.forecasting.backtest import backtest_model
from forecastkit.forecasting.models.recurrent import RecurrentForecaster
from forecastkit.forecasting.protocol import FitContext, Kept
from forecastkit.forecasting.splits import EvalPlan, make_folds
from tests.conftest import build_panel
from tests.trust import runs

SMALL = {"hidden": 6, "max_steps": 60, "val_every": 10, "context_length": 14, "batch_size": 16}


class Cut(BaseException):
    """As sudden as a kill, but the test goes on."""


def cut_at(step):
    """A progress that ends the training at a step."""

    def progress(done, total, note):
        if note == "steps" and done >= step:
            raise Cut

    return progress


def same(a, b):
    first, second = a.state()[0], b.state()[0]
    return first.keys() == second.keys() and all(first[k].tobytes() == second[k].tobytes() for k in first)


def rows(fitted):
    """Curves without the NaN of what is unknown before the first step."""
    return [{k: v for k, v in row.items() if v == v} for row in fitted.curves]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "sgd", "lr": 0.05, "schedule": "onecycle"},
        {"optimizer": "adam", "schedule": "constant", "average": 0.0, "layers": 2, "dropout": 0.3},
    ],
    ids=["adamw", "sgd", "dropout"],
)
@pytest.mark.parametrize("step", [3, 10, 35, 60])
def test_a_training_that_is_cut_ends_with_the_same_bits(tmp_path, options, step):
    frame, model = build_panel((120, 90)), RecurrentForecaster(**{**SMALL, **options})
    whole = model.fit(frame, horizon=3)
    kept = Kept(tmp_path / "training", "run", seconds=0)
    with pytest.raises(Cut):
        model.fit(frame, horizon=3, context=FitContext(kept=kept, progress=cut_at(step)))
    files = list(tmp_path.rglob("*.safetensors"))
    assert len(files) == (step > 10)
    steps = []
    context = FitContext(kept=kept, progress=lambda done, total, note: steps.append(done))
    again = model.fit(frame, horizon=3, context=context)
    assert same(again, whole)
    assert rows(again) == rows(whole)
    assert {k: again.info[k] for k in ("best_step", "n_steps")} == {k: whole.info[k] for k in ("best_step", "n_steps")}
    if step > 10:
        assert min(steps) > 10, "it began again"


def test_a_training_that_has_ended_is_not_done_again(tmp_path):
    frame, model = build_panel((120, 90)), RecurrentForecaster(**SMALL)
    kept = Kept(tmp_path, "run")
    first = model.fit(frame, horizon=3, context=FitContext(kept=kept))
    second = model.fit(frame, horizon=3, context=FitContext(kept=kept, progress=cut_at(0)))
    assert same(first, second)
    assert rows(first) == rows(second)


@pytest.mark.parametrize("change", ["key", "data", "damaged", "empty"])
def test_the_state_of_another_training_or_a_damaged_one_is_not_used(tmp_path, change):
    frame, model = build_panel((120, 90)), RecurrentForecaster(**SMALL)
    kept = Kept(tmp_path, "run", seconds=0)
    with pytest.raises(Cut):
        model.fit(frame, horizon=3, context=FitContext(kept=kept, progress=cut_at(40)))
    (file,) = tmp_path.rglob("*.safetensors")
    if change == "key":
        kept = replace(kept, key="another run")
    elif change == "data":
        frame = build_panel((110, 90))
    else:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] if change == "damaged" else b"")
    steps = []
    context = FitContext(kept=kept, progress=lambda done, total, note: steps.append(done))
    again = model.fit(frame, horizon=3, context=context)
    assert min(steps) <= 10
    assert same(again, model.fit(frame, horizon=3))


def test_each_refit_of_a_backtest_is_kept_by_itself(tmp_path):
    frame = build_panel((150,))
    folds = make_folds(frame, EvalPlan(horizon=3, n_report=6, n_select=0, n_calibrate=0, refit=2))
    model = RecurrentForecaster(**SMALL)
    whole = backtest_model("lstm", model, frame, folds.all, folds.plan, context=FitContext())
    kept, begun = Kept(tmp_path, "run", seconds=0), []

    def cut_in_the_second(done, total, note):
        begun.append(done)
        if begun.count(5) == 2 and done > 30:
            raise Cut

    with pytest.raises(Cut):
        backtest_model(
            "lstm", model, frame, folds.all, folds.plan, context=FitContext(kept=kept, progress=cut_in_the_second)
        )
    assert {f.parent.name for f in tmp_path.rglob("*.safetensors")} == {"fit0", "fit1"}
    again = backtest_model("lstm", model, frame, folds.all, folds.plan, context=FitContext(kept=kept))
    assert again.points.tobytes() == whole.points.tobytes()


# --- time limits


def test_a_time_limit_is_recorded_and_can_be_replayed():
    frame, model = build_panel((120, 90)), RecurrentForecaster(**{**SMALL, "max_steps": 100_000, "patience": 10_000})
    limited = model.fit(frame, horizon=3, context=FitContext(deadline=time.monotonic() + 0.7))
    assert 0 < limited.info["n_steps"] < 100_000
    assert "its time limit" in limited.info["note"]
    steps = FitContext(most_steps=(limited.info["most_steps"],), stop_at=(limited.info.get("stopped_at"),))
    again = model.fit(frame, horizon=3, context=steps)
    assert same(again, limited)
    assert again.info["note"] == limited.info["note"]
    assert rows(again) == rows(limited)


def test_a_limited_training_that_is_cut_goes_on_with_the_steps_that_were_measured_first(tmp_path, monkeypatch):
    from forecastkit.training import pace

    frame, model = build_panel((120, 90)), RecurrentForecaster(**{**SMALL, "max_steps": 1000, "patience": 1000})
    measured = iter([80, 500])
    monkeypatch.setattr(pace, "steps_in_time", lambda *_, **__: next(measured))
    context = FitContext(kept=Kept(tmp_path / "training", "run", seconds=0), deadline=time.monotonic() + 1000)
    with pytest.raises(Cut):
        model.fit(frame, horizon=3, context=replace(context, progress=cut_at(30)))
    steps = []
    again = model.fit(frame, horizon=3, context=replace(context, progress=lambda done, *_: steps.append(done)))
    assert min(steps) > 30 - SMALL["val_every"], "it began again"
    assert again.info["most_steps"] == 80, "the second measure counted"
    assert same(again, model.fit(frame, horizon=3, context=FitContext(most_steps=(80,))))


def test_a_run_under_a_limit_is_rerun_to_the_same_bytes(small_csv, tmp_path, capsys):
    from forecastkit.cli import main

    words = ["backtest", "--data", str(small_csv), "--horizon", "3", "--models", "gru", "--quiet", "baselines=naive"]
    settings = {"hidden": 4, "max_steps": 100_000, "patience": 100_000, "context_length": 14}
    words += [f"models.gru.{k}={v}" for k, v in settings.items()]
    run = tmp_path / "run"
    assert main([*words, "--refit", "10", "network_seconds=1", "--out", str(run)]) == 0
    from forecastkit.run.folder import RunFolder

    fits = RunFolder(run).facts()["budget"]["fits"]["gru-s1"]
    assert all(step < 100_000 for step in fits["most_steps"])
    assert "its time limit" in (run / "leaderboard.csv").read_text()
    capsys.readouterr()
    assert main(["rerun", str(run), "--out", str(tmp_path / "again"), "--quiet"]) == 0, capsys.readouterr()


# --- memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["python", "torch"],
)
def test_out_of_memory_lowers_the_batch_and_says_so(monkeypatch, error):
    from forecastkit.training.module import TrainingModule

    real, tried = TrainingModule.loss_of, []

    def scarce(self, objective, batch):
        if self.training:
            tried.append(len(batch.target))
            if len(batch.target) > 5:
                raise error
        return real(self, objective, batch)

    monkeypatch.setattr(TrainingModule, "loss_of", scarce)
    frame = build_panel((120, 90))
    fitted = RecurrentForecaster(**SMALL).fit(frame, horizon=3)
    assert list(dict.fromkeys(tried)) == [16, 8, 4]
    assert "out of memory with batches of 16, trained with 4" in fitted.info["note"]
    assert np.isfinite(fitted.predict_at(frame, np.array([119]))).all()
    # The numbers are those of a training with that batch.
    monkeypatch.undo()
    assert same(fitted, RecurrentForecaster(**{**SMALL, "batch_size": 4}).fit(frame, horizon=3))


def test_single_windows_that_are_too_much_are_a_row_that_says_why(monkeypatch):
    from forecastkit.training.module import TrainingModule

    def never(self, objective, batch):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(TrainingModule, "loss_of", never)
    with pytest.raises(FitError, match=r"out of memory, also with batches of one\. Lower models\.lstm\.hidden"):
        RecurrentForecaster(**SMALL).fit(build_panel((120, 90)), horizon=3)
    monkeypatch.setattr(TrainingModule, "loss_of", lambda *_: (_ for _ in ()).throw(RuntimeError("size mismatch")))
    with pytest.raises(RuntimeError, match="size mismatch"):
        RecurrentForecaster(**SMALL).fit(build_panel((120, 90)), horizon=3)


def test_forecasts_out_of_memory_are_made_of_fewer_windows_at_once(monkeypatch):
    from forecastkit.forecasting.models import windowed

    frame = build_panel((120, 90))
    fitted = RecurrentForecaster(**SMALL).fit(frame, horizon=3)
    cutoffs = np.arange(60, 119)
    whole, real = fitted.predict_at(frame, cutoffs), windowed.gather

    def scarce(store, windows, *args, **more):
        if len(windows) > 20:
            raise MemoryError
        return real(store, windows, *args, **more)

    monkeypatch.setattr(windowed, "gather", scarce)
    np.testing.assert_allclose(fitted.predict_at(frame, cutoffs), whole, rtol=1e-5)


# --- from the command line


LONG = [
    "--data", "d.csv", "--horizon", "3", "--models", "gru", "--quiet", "baselines=naive", "final=gru",
    "models.gru.hidden=8", "models.gru.max_steps=600", "models.gru.patience=600", "models.gru.val_every=10",
    "models.gru.context_length=14",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    runs.write_small(folder / "d.csv")
    runs.finish(["fit", *LONG, "--out", "whole"], folder)
    return folder


def _when_kept(process, run, most=900):
    """As soon as a training's state was written."""
    end = time.monotonic() + most
    while process.poll() is None and time.monotonic() < end:
        if list(run.glob("parts/*.training/**/*.safetensors")):
            return True
        time.sleep(0.005)
    return False


def test_a_killed_training_goes_on_from_its_step(place):
    run = place / "killed"
    process = runs.start(["fit", *LONG, "checkpoint_seconds=0", "--out", "killed"], place)
    assert _when_kept(process, run), process.communicate()
    assert runs.kill_after(process, 0.2)
    assert not (run / "scores.csv").exists()
    runs.finish(["fit", "--resume", "killed", "--quiet"], place)
    assert "gru seed 1: goes on with its training" in (run / "log.txt").read_text()
    assert runs.differences(place / "whole", run) == []
    assert not (run / "parts").exists()


def test_ctrl_c_keeps_the_training_and_says_how_to_go_on(place):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("this process was started in the background, where Ctrl-C is not heard")
    run = place / "stopped"
    process = runs.start(["fit", *LONG, "checkpoint_seconds=1000", "--out", "stopped"], place)
    end = time.monotonic() + 900
    log = run / "log.txt"
    while "gru seed 1: begun" not in (log.read_text() if log.exists() else "") and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 130, said
    assert b"Go on with: forecastkit fit --resume stopped" in said
    runs.finish(["fit", "--resume", "stopped", "--quiet"], place)
    assert runs.differences(place / "whole", run) == []
