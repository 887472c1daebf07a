from __future__ import annotations

from pathlib import Path

import pytest

from forecastkit.cli import main
from forecastkit.text.examples import example

SMALL = ["models.gru.epochs=3", "models.gru.hidden=12", "models.gru.embedding=16", "models.gru.buckets=500"]


@pytest.fixture(scope="session")
def reviews_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of classes; tests that change it copy it first."""
    out = tmp_path_factory.mktemp("texts") / "reviews"
    words = ["text", "fit", "--task", "classify", "--data", str(example("reviews")), "--quiet", "--out", str(out)]
    assert main([*words, *SMALL]) == 0
    return out


@pytest.fixture(scope="session")
def language_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished word-level language model."""
    out = tmp_path_factory.mktemp("texts") / "tales"
    words = ["text", "fit", "--task", "language-model", "--data", "dataset:tales", "--quiet", "--out", str(out)]
    assert main([*words, "models.lstm_lm.hidden=16", "models.lstm_lm.minutes=0.1"]) == 0
    return out
