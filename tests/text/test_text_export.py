"""The exported text classifier says what ``predict`` says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from forecastkit.cli import main
from forecastkit.run.texts.classify import TextScorer
from forecastkit.text.models.recurrent import _grams_of

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TEXTS = ["What a good film!", "bad", "I did not like it at all, but the 2nd half was fine ... really fine."]


def test_onnx_by_the_words_of_the_page(reviews_run, tmp_path, capsys):
    assert main(["export", str(reviews_run), "--model", "gru", "--out", str(tmp_path)]) == 0
    about = json.loads((tmp_path / "export.json").read_text())
    scorer = TextScorer(reviews_run, "gru")
    tokenizer = scorer.parts[0][0].reader.tokenizer
    tokens = [tokenizer.split(t) for t in TEXTS]
    grams = [[_grams_of(t, about["buckets"]) for t in row] for row in tokens]
    n, most = max(map(len, tokens)), max(len(g) for row in grams for g in row)
    given = {
        "words": np.zeros((3, n), np.int64), "lengths": np.array([len(t) for t in tokens]), "grams": np.full((3, n, most), -1),
    }  # fmt: skip
    known = {token: k for k, token in enumerate(about["tokenizer"]["tokens"])}
    for i, row in enumerate(tokens):
        for j, token in enumerate(row):
            given["words"][i, j] = known.get(token, 1)
            given["grams"][i, j, : len(grams[i][j])] = grams[i][j]
    session = onnxruntime.InferenceSession((tmp_path / "model.onnx").read_bytes())
    p = session.run(["probabilities"], {i["name"]: given[i["name"]] for i in about["inputs"]})[0]
    np.testing.assert_allclose(p, scorer.predict(TEXTS), atol=1e-5)
