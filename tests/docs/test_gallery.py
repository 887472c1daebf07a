"""The pages of the gallery, done as they stand; each with a check that what it shows is there."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from forecastkit.text.metrics import error_rates
from tests.docs.pages import DOCS, ROOT, follow

GALLERY = DOCS / "gallery"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with the repository's configurations, as in a checkout."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


def test_a_melody_keeps_time(folder):
    said = follow(GALLERY / "melody.md", folder)
    tune = re.search(r"^E2 .*\|\]$", said, re.MULTILINE)
    assert tune, "a tune that begins as asked and ends"
    shares = dict(re.findall(r"^(lstm_lm|kneser_ney) ([\d.]+)$", said, re.MULTILINE))
    assert float(shares["lstm_lm"]) > 0.8
    assert float(shares["lstm_lm"]) > float(shares["kneser_ney"])


def test_an_assistant_answers_or_says_that_it_does_not_know(folder):
    said = follow(GALLERY / "assistant.md", folder).splitlines()
    answers = [line.split("  ", 1)[1] for line in said if re.match(r"\d\.\d\d  ", line)]
    assert answers[:2] == ["The pool is behind the station.", "The library costs nothing."]
    assert answers[2:4] == ["I do not know."] * 2
    assert answers[4].startswith("The ")


@pytest.mark.slow
def test_digits_of_a_speaker_never_heard_are_told(folder):
    follow(GALLERY / "digits.md", folder)
    board = pd.read_csv(folder / "runs" / "digits" / "leaderboard.csv").set_index("model")
    assert board.loc["gru", "macro_f1"] > max(0.9, board.loc["logistic", "macro_f1"])
    said = pd.read_csv(folder / "said.csv")
    spoken = said["file"].str.split("_").str[0]
    assert len(said) == 10
    assert (said["class"] == spoken).mean() >= 0.8


@pytest.mark.slow
def test_strings_of_digits_of_voices_never_heard_are_written_down(folder):
    said = follow(GALLERY / "speech.md", folder)
    board = pd.read_csv(folder / "runs" / "speech" / "leaderboard.csv").set_index("model")
    assert board.loc["gru_ctc", "cer"] < 0.1 < board.loc["nearest", "cer"]
    heard = dict(re.findall(r"^(0_\d\.wav)  (.*)$", said, re.MULTILINE))
    known = pd.read_csv(folder / "new" / "labels.csv").set_index("file")["text"]
    assert error_rates([heard[name] for name in known.index], list(known))["cer"] < 0.15


@pytest.mark.slow
def test_a_picture_is_put_into_words(folder):
    follow(GALLERY / "captions.md", folder)
    board = pd.read_csv(folder / "runs" / "captions" / "leaderboard.csv").set_index("model")
    assert board.loc["seq2seq", "cer"] < 0.12
    said = pd.read_csv(folder / "said.csv")["text"]
    known = pd.read_csv(folder / "new" / "labels.csv")["text"]
    assert error_rates(list(said), list(known))["cer"] < 0.15
