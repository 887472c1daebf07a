"""The pages that say how to add something, done word for word."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from tests.docs.pages import DOCS, ROOT, follow


@pytest.mark.slow
def test_a_model_is_added_as_the_page_says(tmp_path):
    for name in ("forecastkit", "tests", "datasets", "docs/examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    said = follow(DOCS / "add-a-model.md", tmp_path)
    assert "seasonal_median  baseline     the median of the same place" in said
    assert "passed" in said
    assert "no leak" in said.lower()
    board = pd.read_csv(tmp_path / "runs" / "median" / "leaderboard.csv")
    assert (board.set_index("model").loc["seasonal_median", "status"]) == "ok"


def test_a_data_set_is_added_as_the_page_says(tmp_path):
    said = follow(DOCS / "add-a-data-set.md", tmp_path)
    assert "title: Water levels in an invented harbour" in said
    assert (tmp_path / "runs" / "harbour" / "verdict.json").exists()
