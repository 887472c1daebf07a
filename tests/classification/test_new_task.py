"""A new task is one file: sounds told by their spectrum, from reading to report and prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit.classification.schema import Sequences
from forecastkit.classification.task import Labelled, Unlabelled
from forecastkit.run.folder import RunFolder
from forecastkit.run.sequences.execute import ClassifyOptions, Teller, fit

RATE, FRAME = 4000, 256

# ---- the whole of the new task ------------------------------------------------------------------------------------


def read_sounds(folder: Path) -> Labelled:
    """Sounds named WORD_SPEAKER_NUMBER.npy; a speaker is never on two sides."""
    paths = sorted(folder.glob("*.npy"))
    words, speakers = zip(*(p.stem.split("_")[:2] for p in paths))
    classes = tuple(sorted(set(words)))
    data = _sequences(paths, classes, [classes.index(w) for w in words], list(speakers))
    return Labelled(
        "sounds", "sounds", data, "speaker", plan={"classes": list(classes)}, said=(data.counts(),), medical=False
    )


def read_new_sounds(paths: list[Path], plan: dict) -> Unlabelled:
    """Sounds to be told."""
    data = _sequences(paths, tuple(plan["classes"]), [-1] * len(paths), ["?"] * len(paths))
    return Unlabelled(data, pd.DataFrame({"file": [p.name for p in paths]}))


def _sequences(paths: list[Path], classes: tuple[str, ...], labels: list[int], speakers: list[str]) -> Sequences:
    frames = [_spectrum(np.load(p)) for p in paths]
    features = np.stack([np.r_[f.mean(axis=0), f.std(axis=0)] for f in frames]).astype(np.float32)
    names = tuple(f"{what}_{k}" for what in ("mean", "spread") for k in range(frames[0].shape[1]))
    return Sequences(
        np.concatenate(frames), np.cumsum([0, *map(len, frames)]), features, names, tuple(f"band_{k}" for k in range(16)),
        np.array(labels), classes, np.array(speakers, dtype=object), np.array([p.stem for p in paths], dtype=object),
    )  # fmt: skip


def _spectrum(x: np.ndarray) -> np.ndarray:
    """[frames, 16] logarithm of the energy in sixteen bands."""
    whole = x[: len(x) // FRAME * FRAME].reshape(-1, FRAME) * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(whole, axis=1))[:, 1:] ** 2
    return np.log(power.reshape(len(whole), 16, -1).sum(axis=2) + 1e-6).astype(np.float32)


# ---- what follows from it -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two words that only their order tells: up is a rising tone, down a falling one; each speaker has a pitch of his own."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for speaker in range(12):
        pitch = rng.uniform(300, 700)
        for word in ("up", "down"):
            for k in range(4):
                n = int(rng.integers(8, 16)) * FRAME
                share = np.linspace(0, 1, n) if word == "up" else np.linspace(1, 0, n)
                tone = np.sin(2 * np.pi * np.cumsum(pitch * (1 + share)) / RATE)
                np.save(folder / f"{word}_s{speaker:02d}_{k}.npy", tone + rng.normal(0, 0.1, n))
    return folder


def test_a_new_task_has_everything(sounds, tmp_path):
    quick = {
        "convolutions": 0,
        "hidden": 12,
        "lr": 0.02,
        "max_steps": 75,
        "noise": 0.1,
        "shift": 0,
        "dropout": 0.1,
        "batch_size": 64,
    }
    options = ClassifyOptions(models={"gru": quick}, split="folds")
    run = fit(read_sounds(sounds), options, out=tmp_path / "run")
    board = run.table("leaderboard.csv").set_index("model")
    # Means over the sound do not know the order; a network that reads it does.
    assert board.loc["logistic", "f1"] < 0.8
    assert board.loc["gru", "f1"] > 0.95
    verdict = run.json("verdict.json")
    assert (verdict["use"], verdict["word"]) == ("gru", "better")
    assert "speakers never seen" in verdict["sentence"]["en"][0]
    assert verdict["no_device"] == {}
    groups = run.table("groups.csv")
    assert groups["group"].nunique() == 12
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Each speaker" in page
    assert "medical" not in page


def test_its_saved_run_tells_new_ones(sounds, tmp_path):
    run = fit(read_sounds(sounds), ClassifyOptions(models={"majority": {}}), out=tmp_path / "run")
    paths = sorted(sounds.glob("up_s00_*.npy"))
    teller = Teller(RunFolder.open(run.path), "sounds", "boosting")
    table, summary = teller.tell(lambda plan: read_new_sounds(paths, plan))
    assert table["file"].tolist() == [p.name for p in paths]
    np.testing.assert_allclose(table[["p_down", "p_up"]].sum(axis=1), 1, atol=1e-5)
    assert summary["model"] == "boosting"
    assert json.loads((run / "diagnostics.json").read_text())["plan"] == {"classes": ["down", "up"]}
