"""Trainings that diverge or find too little memory are tried again, say so, and at last are a row that says why."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main
from forecastkit.errors import FitError
from forecastkit.forecasting.models.recurrent import RecurrentForecaster
from forecastkit.text.examples import example
from forecastkit.training.module import DivergedError, TrainingModule
from forecastkit.training.retries import with_retries
from tests.conftest import build_panel

SMALL = {"hidden": 6, "max_steps": 40, "val_every": 10, "context_length": 14, "batch_size": 16}


def attempts(*outcomes):
    """An attempt that raises what is an error, and what it was called with."""
    left, seen = list(outcomes), []

    def attempt(lr, batch_size):
        seen.append((lr, batch_size))
        outcome = left.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return attempt, seen


def tried(*outcomes, **more):
    attempt, seen = attempts(*outcomes)
    return with_retries(attempt, lr=0.5, batch_size=6, model="gru", **more), seen


def test_what_goes_well_is_done_once():
    assert tried("done") == (("done", []), [(0.5, 6)])


def test_a_lower_rate_once_and_smaller_batches_as_often_as_it_takes():
    (done, said), seen = tried(MemoryError(), DivergedError(), RuntimeError("CUDA out of memory."), "done")
    assert done == "done"
    assert seen == [(0.5, 6), (0.5, 3), (0.05, 3), (0.05, 1)]
    assert said == [
        "diverged at first, retried at learning rate 0.05",
        "out of memory with batches of 6, trained with 1",
    ]


@pytest.mark.parametrize(("outcomes", "said"), [
    ([DivergedError(), DivergedError()], r"model gru: training diverged, also at a learning rate of 0\.05\. Lower models\.gru\.lr\."),
    ([MemoryError()] * 3, r"model gru: out of memory, also with batches of one\. Lower models\.gru\.hidden\."),
])  # fmt: skip
def test_in_the_end_it_is_one_line(outcomes, said):
    with pytest.raises(FitError, match=said) as error:
        tried(*outcomes)
    assert "\n" not in str(error.value)


def test_other_errors_and_batches_of_several_machines_stay_what_they_are():
    with pytest.raises(RuntimeError, match="size mismatch"):
        tried(RuntimeError("size mismatch"))
    with pytest.raises(MemoryError):
        tried(MemoryError(), may_shrink=False)


@pytest.fixture
def shaky(monkeypatch):
    """Losses that are no number above a learning rate, and memory for so many rows at once."""

    def make(most_lr=1.0, most_rows=10**9):
        real = TrainingModule.loss_of
        seen = []

        def loss(self, objective, batch):
            total, *rest = real(self, objective, batch)
            if self.training:
                rows = len(getattr(batch, "labels", batch[0]))
                seen.append((self.options.lr, rows))
                if rows > most_rows:
                    raise MemoryError
                if self.options.lr > most_lr:
                    total = total * float("nan")
            return (total, *rest)

        monkeypatch.setattr(TrainingModule, "loss_of", loss)
        return seen

    return make


def test_a_forecaster_at_a_tenth_of_its_rate_is_the_one_that_was_asked_for_that_rate(shaky, monkeypatch):
    frame = build_panel((120, 90))
    shaky(most_lr=0.02)
    fitted = RecurrentForecaster(**SMALL, lr=0.1).fit(frame, horizon=3)
    assert "diverged at first, retried at learning rate 0.01" in fitted.info["note"]
    monkeypatch.undo()
    asked = RecurrentForecaster(**SMALL, lr=0.01).fit(frame, horizon=3)
    assert asked.info["note"] == ""
    at = np.array([119])
    np.testing.assert_array_equal(fitted.predict_at(frame, at), asked.predict_at(frame, at))


def test_a_network_that_diverges_twice_is_a_row_and_the_others_answer(small_csv, tmp_path, capsys, shaky):
    words = ["fit", "--data", str(small_csv), "--horizon", "3", "--models", "gru", "baselines=naive", "--out", "run"]
    words[-1] = str(tmp_path / "run")
    shaky(most_lr=1e-9)
    assert (
        main(
            [
                *words,
                "models.gru.lr=0.5",
                "models.gru.hidden=4",
                "models.gru.max_steps=20",
                "models.gru.context_length=14",
            ]
        )
        == 0
    )
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv").set_index("model")
    assert board.loc["gru", "status"] == "failed"
    assert "training diverged, also at a learning rate of 0.05. Lower models.gru.lr." in board.loc["gru", "reason"]
    assert board.loc["naive", "status"] == "ok"
    assert "diverged" in capsys.readouterr().out
    assert "diverged" in (tmp_path / "run" / "report.html").read_text()
    assert np.isfinite(pd.read_csv(tmp_path / "run" / "forecast.csv")["point"]).all()


def shapes(path):
    rng, t = np.random.default_rng(0), np.arange(12)
    rows = [np.sin(t / (2 + k % 2)) + rng.normal(0, 0.1, 12) for k in range(30)]
    table = pd.DataFrame(rows, columns=[f"t{k:02d}" for k in t]).assign(
        label=["a", "b"] * 15, place=[f"p{k % 5}" for k in range(30)]
    )
    table.to_csv(path, index=False)
    return ["classify", "fit", "--data", str(path), "--label", "label", "--models", "gru", "models.gru.hidden=4",
            "models.gru.max_steps=20", "models.boosting.n_trees=2", "--group", "place", "--train", "p0,p1,p2", "--test", "p3,p4"]  # fmt: skip


def reviews(path):
    words = [f"models.gru.{k}={v}" for k, v in {"hidden": 4, "embedding": 4, "buckets": 50, "epochs": 1}.items()]
    return ["text", "fit", "--task", "classify", "--data", str(example("reviews")), "--models", "gru", *words]


def tales(path):
    words = [f"models.gru_lm.{k}={v}" for k, v in {"hidden": 4, "embedding": 4, "epochs": 1, "minutes": 0.0}.items()]
    return ["text", "fit", "--task", "language-model", "--data", str(example("tales")), "--models", "gru_lm", *words]


def phrases(path):
    words = [f"models.seq2seq.{k}={v}" for k, v in {"hidden": 4, "embedding": 4, "epochs": 1}.items()]
    return ["text", "fit", "--task", "translate", "--data", str(example("phrases")), "--models", "seq2seq", *words]


SISTERS = [("gru", shapes, 5), ("gru", reviews, 12), ("gru_lm", tales, 2), ("seq2seq", phrases, 12)]
"""A network, the command that trains it, and how many rows at once are too much."""


@pytest.fixture
def short(monkeypatch):
    """Few steps where a model would take more, whatever its epochs."""
    for name in ("recurrent", "language", "translation"):
        monkeypatch.setattr(f"forecastkit.text.models.{name}.SMALL_STEPS", 8)


@pytest.mark.parametrize(("name", "command", "most_rows"), SISTERS)
def test_networks_of_the_sister_tasks_are_tried_again_and_say_so(
    name, command, most_rows, shaky, short, tmp_path, capsys
):
    words = [*command(tmp_path / "d.csv"), "--out", str(tmp_path / "run")]
    seen = shaky(most_lr=0.1, most_rows=most_rows)
    assert main([*words, f"models.{name}.lr=0.9"]) == 0
    said = capsys.readouterr().out
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv").set_index("model")
    row = board.loc[name]
    assert row["status"] == "ok"
    for shown in (row["reason"], said, (tmp_path / "run" / "report.html").read_text()):
        assert "diverged at first, retried at learning rate 0.09" in shown
        assert "out of memory with batches of" in shown
    assert {rate for rate, _ in seen} == {0.9, 0.09}
    assert min(rows for _, rows in seen) <= most_rows


@pytest.mark.parametrize(("name", "command"), [case[:2] for case in SISTERS])
def test_networks_of_the_sister_tasks_that_diverge_twice_are_rows(name, command, shaky, tmp_path):
    words = [*command(tmp_path / "d.csv"), "--quiet", "--out", str(tmp_path / "run")]
    shaky(most_lr=1e-9)
    assert main(words) == 0
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv").set_index("model")
    assert board.loc[name, "status"] == "failed"
    assert "training diverged, also at a learning rate of" in board.loc[name, "reason"]
    assert json.loads((tmp_path / "run" / "verdict.json").read_text())["use"] != name
