"""The page of a run that classifies, from made-up results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forecastkit.report.labels import LabelReport, ecg_strip, render_labels

NASTY = "<script>alert(1)</script>"


def example(lang: str = "en") -> LabelReport:
    board = pd.DataFrame(
        [
            {"model": "logistic", "family": "baseline", "status": "ok", "reason": "", "f1": 0.9, "sensitivity": 0.95},
            {"model": "gru", "family": "network", "status": "failed", "reason": NASTY},
        ]
    )
    for column in ("ppv", "macro_f1", "roc_auc", "pr_auc", "ece", "seconds_fit", "seconds_predict"):
        board[column] = 0.9
    scores = {"n": 10, "sensitivity": 0.9, "ppv": None, "specificity": 0.9, "f1": 0.9}
    model = {
        "confusion": [[90, 1], [2, 7]], "by_class": [scores, scores], "roc": [[0, 0], [1, 1]], "pr": [[0.5, 1], [1, 0.5]],
        "calibration": {"ece": 0.1, "brier": 0.1, "bins": [{"said": 0.1, "seen": 0.2, "n": 3}]}, "calibrated": False,
    }  # fmt: skip
    strip = {
        "record": NASTY, "lead": "II", "start": 61.0, "rate": 125, "mv": np.sin(np.arange(750) / 9).tolist(), "true": "V", "said": "N",
        "marks": [{"t": 1.0, "true": "V", "said": NASTY, "here": True}, {"t": 2.0, "true": "N", "said": "N", "here": False}],
    }  # fmt: skip
    sentence = {"en": ["Use logistic."], "es": ["Usa logistic."]}
    return LabelReport(
        lang=lang,
        title=NASTY,
        facts={
            "what": "patient", "classes": ["N", NASTY], "n": 100, "counts": "N 91", "split": "by group", "notes": [NASTY], "command": NASTY,
            "versions": {"numpy": "2"}, "seed": 1, "fingerprint": "ab" * 32,
        },
        verdict={"use": "logistic", "tested": "gru", "reference": "logistic", "rare": "V", "sentence": sentence,
                 "no_device": {"en": "no medical device", "es": "no un producto sanitario"}},
        leaderboard=board,
        groups=pd.DataFrame([{"model": "logistic", "group": NASTY, "n": 9, "n_rare": 2, "found": 1, "missed": 1, "false_alarms": 0, "f1": np.nan}]),
        curves=pd.DataFrame(),
        diagnostics={"models": {"logistic": model}, "strips": [strip], "r_peaks": []},
    )  # fmt: skip


@pytest.mark.parametrize(("lang", "said"), [("en", "no medical device"), ("es", "no un producto sanitario")])
def test_the_page_answers_and_warns(lang, said):
    page = render_labels(example(lang))
    assert said in page
    assert page.index("logistic") < page.index("<table>")
    assert 'class="ecg"' in page


def test_nothing_from_the_data_becomes_markup():
    page = render_labels(example())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_every_picture_has_words():
    page = render_labels(example())
    assert page.count("<svg") == page.count('role="img"') == page.count("aria-label=")


def test_ecg_paper_is_to_scale():
    """25 mm a second and 10 mm a millivolt in the same unit: one second is as wide as 2.5 mV is high."""
    strip = {"rate": 100, "marks": [], "mv": [0.0] * 200 + [1.0] + [0.0] * 199}
    svg = ecg_strip(strip, "x")
    width = float(svg.split('viewBox="-6 -4 ')[1].split()[0]) - 12
    assert width == 4 * 25 * 4
    trace = svg.split('ecg-trace" d="M')[1].split('"')[0].split("L")
    heights = [float(p.split()[1]) for p in trace]
    assert max(heights) - min(heights) == pytest.approx(10 * 4)


def test_a_signal_with_holes_is_drawn():
    assert "nan" not in ecg_strip({"rate": 100, "marks": [], "mv": [None] * 10 + [0.5] * 10}, "x")
