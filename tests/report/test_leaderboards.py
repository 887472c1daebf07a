"""Leaderboards for pages and papers."""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from forecastkit import api
from forecastkit.cli import main
from forecastkit.errors import ConfigError
from forecastkit.report.leaderboards import leaderboard_table

BOARD = pd.DataFrame({
    "model": ["gru_log", "naive", "odd|name$"], "family": ["network", "baseline", "network"],
    "status": ["ok", "ok", "failed"], "reason": ["", "", "a_b & c"], "mase": [0.51234, 1.0, np.nan], "mae": [1234.5, 2000.0, np.nan],
    "skill": [-0.0123, 0.0, np.nan], "p_holm": [0.0004, np.nan, np.nan],
})  # fmt: skip
VERDICT = {
    "use": "gru_log",
    "reference": "naive",
    "sentence": {"en": ["Use gru_log.", "It is 5 % better."], "es": ["Usa gru_log."]},
}


def test_markdown_by_hand():
    assert leaderboard_table(BOARD, VERDICT, "md") == (
        "| model | MASE | MAE | better than naive | p (Holm) |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| **gru\\_log** | 0.512 | 1,234 | −1.2 % | \\< 0.001 |\n"
        "| naive | 1.00 | 2,000 |  |  |\n"
        "| odd\\|name$ (failed) | – | – | – | – |\n"
        "\nUse gru\\_log. It is 5 % better.\n"
    )


def test_latex_by_hand():
    assert leaderboard_table(BOARD, VERDICT, "latex") == (
        "% \\usepackage{booktabs}\n\\begin{tabular}{lrrrr}\n\\toprule\n"
        "model & MASE & MAE & better than naive & p (Holm) \\\\\n\\midrule\n"
        "\\textbf{gru\\_log} & 0.512 & 1,234 & $-$1.2 \\% & \\textless{} 0.001 \\\\\n"
        "naive & 1.00 & 2,000 &  &  \\\\\n"
        "odd\\textbar{}name\\$ (failed) & -- & -- & -- & -- \\\\\n"
        "\\bottomrule\n\\end{tabular}\nUse gru\\_log. It is 5 \\% better.\n"
    )


def test_spanish_has_its_own_commas():
    table = leaderboard_table(BOARD, VERDICT, "md", lang="es")
    assert "| **gru\\_log** | 0,512 | 1.234 | −1,2 % | \\< 0,001 |" in table


def test_of_a_text_run_only_what_is_there():
    board = pd.DataFrame(
        {"model": ["gru_lm", "kn"], "status": ["ok", "ok"], "bits_per_char": [1.5, 2.0], "perplexity": [9.0, 12.0]}
    )
    table = leaderboard_table(board, {"use": "gru_lm", "reference": "kn"}, "md")
    assert table.splitlines()[0] == "| model | bits a character | perplexity |"


def test_of_a_run(finished_run, tmp_path, capsys):
    assert main(["leaderboard", str(finished_run)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("| model | MASE | MAE |")
    result = api.load(finished_run)
    assert result.leaderboard_table("md") == said
    assert main(["leaderboard", str(finished_run), "--format", "latex", "--out", str(tmp_path / "t.tex")]) == 0
    assert (tmp_path / "t.tex").read_text(encoding="utf-8") == result.leaderboard_table("latex")
    assert main(["leaderboard", str(finished_run), "--format", "csv"]) == 0
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(capsys.readouterr().out)), pd.read_csv(finished_run / "leaderboard.csv")
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path):
    table = leaderboard_table(BOARD, VERDICT, "latex")
    page = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}" + table + "\\end{document}"
    (tmp_path / "t.tex").write_text(page, encoding="utf-8")
    words = ["pdflatex", "-halt-on-error", "-interaction=batchmode", "t.tex"]
    assert subprocess.run(words, cwd=tmp_path, timeout=60, stdout=subprocess.DEVNULL).returncode == 0


def test_bad_words_are_refused(finished_run, tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"--format: 'latx'; no such format\. Did you mean 'latex'"):
        leaderboard_table(BOARD, VERDICT, "latx")
    assert main(["leaderboard", str(finished_run), "--lang", "fr"]) == 2
    assert main(["leaderboard", str(finished_run), "--out", str(tmp_path)]) == 2
    assert main(["leaderboard", str(tmp_path)]) == 2
    assert "not a run folder" in capsys.readouterr().err
