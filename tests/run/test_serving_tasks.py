"""Runs of the sister tasks behind HTTP: answers are those of their own commands, refusals one line, OpenAPI what they do."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from forecastkit.classification.wfdb_files import write_record
from forecastkit.cli import main
from forecastkit.run.serving import server, services
from tests.classification.conftest import make_ecg, make_visits
from tests.run.openapi import check_openapi

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient

RATE = 8000


def open_client(run: Path) -> TestClient:
    return TestClient(server.create_app(services.open_service(run), server.Limits(seconds=300)))


def done(*words: object) -> None:
    assert main([*map(str, words), "--quiet"]) == 0


def tone(hertz: float, kind: str) -> bytes:
    at = np.arange(RATE) / RATE
    glide = hertz * (1 + (at if kind == "up" else 1 - at))
    out = io.BytesIO()
    wavfile.write(out, RATE, (20000 * np.sin(2 * np.pi * np.cumsum(glide) / RATE)).astype(np.int16))
    return out.getvalue()


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Glides up and down by twelve speakers: with a label, and with a text."""
    folder, rows = tmp_path_factory.mktemp("sounds"), []
    for speaker in range(12):
        for kind in ("up", "down"):
            name = f"{speaker}_{kind}.wav"
            (folder / name).write_bytes(tone(300 + 20 * speaker, kind))
            rows.append((name, kind, f"it goes {kind}", f"s{speaker}"))
    pd.DataFrame(rows, columns=["file", "way", "text", "who"]).to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory, sounds) -> dict[str, Path]:
    """A small run of each task."""
    base = tmp_path_factory.mktemp("runs")
    make_visits(40).to_csv(base / "visits.csv", index=False)
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(0, 1, (60, 12)).round(3), columns=[f"t{k}" for k in range(12)])
    wide["kind"] = np.where(wide["t3"] > 0, "a", "b")
    wide.to_csv(base / "wide.csv", index=False)
    records = base / "records"
    records.mkdir()
    for k in range(5):
        x, samples, marks = make_ecg(k, seconds=40)
        write_record(records, f"p{k}", x[:, None], 250, ["II"], fmt="16", samples=samples, symbols=marks)
    few = ("--models", "majority", "models.boosting.n_trees=4")
    lm = ("models.lstm_lm.hidden=8", "models.lstm_lm.steps=5", "models.lstm_lm.embedding=8")
    s2s = ("models.seq2seq.hidden=8", "models.seq2seq.embedding=8", "models.seq2seq.steps=5")
    commands = {
        "texts": ("text", "fit", "--data", "dataset:reviews", "--models", "nbsvm"),
        "language": ("text", "fit", "--task", "language-model", "--data", "dataset:tales", *lm),
        "translation": ("text", "fit", "--task", "translate", "--data", "dataset:phrases", *s2s),
        "transcription": ("text", "fit", "--task", "transcribe", "--data", sounds, "--models", "gru_ctc", "models.gru_ctc.hidden=8", "models.gru_ctc.steps=3"),
        "visits": ("classify", "fit", "--data", base / "visits.csv", "--item", "patient", "--time", "date", "--label", "outcome", "--group", "hospital", *few),
        "wide": ("classify", "fit", "--data", base / "wide.csv", "--label", "kind", *few),
        "strange": ("classify", "fit", "--task", "anomaly", "--data", base / "wide.csv", "--label", "kind"),
        "sounds": ("classify", "fit", "--data", sounds, "--label", "way", "--group", "who", *few),
        "ecg": ("ecg", "fit", "--records", records, *few),
    }  # fmt: skip
    for name, words in commands.items():
        done(*words, "--out", base / name)
    return {name: base / name for name in commands} | {"data": base}


def predicted(run: Path, *words: object) -> pd.DataFrame:
    out = run.parent / "said.csv"
    assert main([*map(str, words), "--out", str(out)]) == 0
    return pd.read_csv(out)


def same(rows: list[dict], table: pd.DataFrame) -> None:
    found = pd.DataFrame(rows)
    assert [str(c) for c in found.columns] == list(table.columns)
    for name in table.columns:
        if table[name].dtype.kind == "f":
            np.testing.assert_array_equal(found[name].to_numpy(float), table[name].to_numpy())
        else:
            assert list(found[name].astype(str)) == list(table[name].astype(str))


def test_a_table_of_visits_and_of_sequences(runs):
    for name, source in (("visits", "visits.csv"), ("wide", "wide.csv"), ("strange", "wide.csv")):
        table = pd.read_csv(runs["data"] / source).head(30)
        head = runs["data"] / "head.csv"
        table.to_csv(head, index=False)
        rows = json.loads(table.to_json(orient="records", double_precision=15))
        with open_client(runs[name]) as client:
            answer = client.post("/classify", json={"rows": rows})
            assert answer.status_code == 200, answer.text
            same(answer.json()["rows"], predicted(runs[name], "classify", "predict", runs[name], "--data", head))
            told = client.get("/model").json()
            assert set(told["columns"]) <= set(table.columns)
            assert told["reads"] == "table"


def test_an_ecg_and_sounds(runs, sounds):
    x = np.round(make_ecg(9, seconds=20)[0], 4)
    pd.DataFrame({"mV": x}).to_csv(runs["data"] / "x.csv", index=False)
    with open_client(runs["ecg"]) as client:
        answer = client.post("/classify", json={"signal": list(x), "fs": 250})
        same(answer.json()["rows"], predicted(runs["ecg"], "ecg", "predict", runs["ecg"], "--record", runs["data"] / "x.csv", "--fs", 250))  # fmt: skip
        assert "no medical device" in client.get("/model").json()["no_device"]
    with open_client(runs["sounds"]) as client:
        path = sounds / "3_up.wav"
        answer = client.post("/classify", json={"files": [base64.b64encode(path.read_bytes()).decode()]}).json()["rows"]
        said = predicted(runs["sounds"], "classify", "predict", runs["sounds"], "--data", path)
        same(answer, said.assign(file="file 1.wav"))


def test_texts_go_on_and_change_their_language(runs, sounds, capsys):
    with open_client(runs["language"]) as client:
        rows = client.post("/complete", json={"prompt": "hace", "top": 3}).json()["rows"]
        capsys.readouterr()
        assert main(["text", "complete", str(runs["language"]), "hace", "--top", "3"]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [[f"{r['p']:.3f}", r["token"]] for r in rows] == lines
        told = client.post("/generate", json={"prompt": "hace", "tokens": 12, "seed": 4}).json()["rows"][0]["text"]
        assert main(["text", "generate", str(runs["language"]), "hace", "--tokens", "12", "--seed", "4"]) == 0
        assert capsys.readouterr().out.rstrip("\n") == told
    with open_client(runs["translation"]) as client:
        told = [
            r["text"] for r in client.post("/translate", json={"sentences": ["The dog.", "The cat."]}).json()["rows"]
        ]
        assert main(["text", "translate", str(runs["translation"]), "The dog.", "The cat."]) == 0
        assert capsys.readouterr().out.splitlines() == told
    with open_client(runs["transcription"]) as client:
        files = [sounds / "0_up.wav", sounds / "1_down.wav"]
        sent = [base64.b64encode(f.read_bytes()).decode() for f in files]
        told = [r["text"] for r in client.post("/transcribe", json={"files": sent}).json()["rows"]]
        assert main(["text", "transcribe", str(runs["transcription"]), *map(str, files)]) == 0
        assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()] == told
    with open_client(runs["texts"]) as client:
        rows = client.post("/classify", json={"texts": ["A good book.", ""]}).json()["rows"]
        from forecastkit.run.texts.classify import TextScorer

        table = TextScorer(runs["texts"]).table(["A good book.", ""])
        assert rows[0] == dict(table.iloc[0].items())
        assert rows[1]["label"] == ""


def test_answers_where_it_can_say_how_sure_it_is(runs):
    service = services.open_service(runs["translation"])
    assert isinstance(service, services.TranslationService)
    from forecastkit.run.texts.translate import TranslationRun

    service.run = TranslationRun(runs["translation"], "seq2seq")
    with TestClient(server.create_app(service, server.Limits(seconds=300))) as client:
        rows = client.post("/answer", json={"questions": ["The dog."], "sure": 0}).json()["rows"]
        (told,) = service.run.answer(["The dog."], least=0)
        assert (rows[0]["text"], rows[0]["sure"]) == told


@pytest.mark.parametrize(("name", "path", "body", "said"), [
    ("visits", "/classify", {"rows": [{"patient": "a"}]}, "no such column"),
    ("visits", "/classify", {"rows": []}, "rows"),
    ("visits", "/classify", {"rows": [{"patient": "a", "date": "soon", "creatinine": 1, "mood": "good", "age": 3, "sex": "F", "hospital": "h1"}]}, "soon"),
    ("wide", "/classify", {"rows": [{f"t{k}": "x" for k in range(12)}]}, "not a number"),
    ("ecg", "/classify", {"signal": [0.0] * 40, "fs": 250}, ""),
    ("ecg", "/classify", {"signal": [0.0], "fs": 0}, "fs"),
    ("sounds", "/classify", {"files": ["AAAA"]}, "not a WAV"),
    ("sounds", "/classify", {"files": ["AAAAA"]}, "not base64"),
    ("transcription", "/transcribe", {"files": ["AAAA"]}, "file 1.wav"),
    ("transcription", "/transcribe", {"files": ["AAAA"], "beam": 0}, "beam"),
    ("language", "/complete", {"prompt": "xqzxqz"}, "none of its words"),
    ("language", "/generate", {"tokens": 1001}, "tokens"),
    ("language", "/generate", {"top_p": 0}, "top_p"),
    ("translation", "/translate", {"sentences": [" "]}, "nothing to translate"),
    ("texts", "/classify", {"texts": "good"}, "texts"),
])  # fmt: skip
def test_bad_questions_are_one_line(runs, name, path, body, said):
    with open_client(runs[name]) as client:
        answer = client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert list(answer.json()) == ["error"]
    line = answer.json()["error"]
    assert said in line
    assert "\n" not in line
    assert not re.search(r"--[a-z]|/tmp|forecastkit-", line)


@pytest.mark.parametrize(
    "name", ["texts", "language", "translation", "transcription", "visits", "wide", "strange", "sounds", "ecg"]
)
def test_openapi_is_what_it_does(runs, name):
    app = server.create_app(services.open_service(runs[name]), server.Limits(seconds=300))
    assert "/health" in check_openapi(app, 8)


def test_workers_and_the_command_open_any_run(runs, monkeypatch, capsys):
    server.to_environment(runs["wide"], server.Limits())
    with TestClient(server.from_environment()) as client:
        assert client.get("/health").json()["task"] == "classify"
    uvicorn = pytest.importorskip("uvicorn")
    monkeypatch.setattr(uvicorn, "run", lambda *a, **k: None)
    assert main(["serve", str(runs["language"]), "--port", "0"]) == 0
    said = capsys.readouterr().out
    assert "/complete" in said
    assert "/generate" in said
