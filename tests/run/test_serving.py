"""The server: answers are those of ``predict``, limits hold, errors are one line, and its OpenAPI is what it does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecastkit import api
from forecastkit.cli import main
from forecastkit.run.serving import server, services
from tests.run.openapi import check_openapi

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from fastapi.testclient import TestClient


@pytest.fixture(scope="module")
def served(small_csv, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "lstm"
    words = ["fit", "--data", str(small_csv), "--horizon", "5", "--models", "lstm", "--quiet", "--out", str(out)]
    assert main([*words, "final=lstm", "models.lstm.hidden=8", "models.lstm.max_steps=30"]) == 0
    return out


@pytest.fixture(scope="module")
def service(served) -> services.ForecastService:
    found = services.open_service(served)
    assert isinstance(found, services.ForecastService)
    return found


@pytest.fixture
def client(service):
    # A busy machine is no fault.
    with TestClient(server.create_app(service, server.Limits(seconds=300))) as one:
        yield one


def _newer(k: int) -> list[dict]:
    """Two rows after the history of both stores; other values for each k."""
    return [
        {"store": f"item{i}", "date": f"2022-06-1{d}", "sales": round(60 + i + k / 7 + d, 3)}
        for i in range(2)
        for d in (2, 3)
    ]


def _same(answer: dict, frame: pd.DataFrame) -> None:
    rows = pd.DataFrame(answer["rows"])
    assert list(rows.columns) == [str(c) for c in frame.columns]
    assert list(rows["item_id"]) == list(frame["item_id"])
    assert list(rows["timestamp"]) == [t.isoformat() for t in frame["timestamp"]]
    numbers = [c for c in frame.columns if frame[c].dtype.kind == "f"]
    np.testing.assert_array_equal(rows[numbers].to_numpy(float), frame[numbers].to_numpy())


def test_health_and_card(client, served):
    assert client.get("/health").json() == {"status": "ok", "task": "forecast", "model": "lstm"}
    told = client.get("/model").json()
    assert (told["time"], told["target"], told["item"], told["horizon"]) == ("date", "sales", "store", 5)
    assert told["card"] == (served / "model" / "card.md").read_text(encoding="utf-8")


def test_the_stored_history_and_newer_rows(client, served):
    _same(client.post("/forecast", json={}).json(), api.predict(served))
    answer = client.post("/forecast", json={"history": _newer(3), "horizon": 2}).json()
    _same(answer, api.predict(served, pd.DataFrame(_newer(3)), horizon=2))


def test_many_at_once_do_not_mix(client, served):
    wanted = {k: api.predict(served, pd.DataFrame(_newer(k))) for k in range(3)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: client.post("/forecast", json={"history": _newer(k % 3)}).json(), range(9)))
    for k, answer in enumerate(answers):
        _same(answer, wanted[k % 3])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"history": [{"a": 1}]}, 422, "there is no such column"),
        ({"history": [{"store": "item0", "date": "soon", "sales": 1}]}, 422, "'soon'"),
        ({"history": [{"store": "item0", "date": "2022-06-12", "sales": "much"}]}, 422, "'much'"),
        ({"history": [{"store": {"a": 1}}]}, 422, "history.0.store"),
        ({"horizon": 6}, 422, "horizon"),
        ({"horizon": 0}, 422, "horizon"),
        ({"horizon": "3"}, 422, "horizon"),
        ({"future": _newer(0)}, 422, "no known covariates"),
        ({"histroy": []}, 422, "histroy"),
        ([], 422, "body"),
    ],
)
def test_bad_questions(client, body, status, said):
    answer = client.post("/forecast", json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert "--" not in answer.json()["error"]


def test_what_is_no_question(client):
    broken = client.post("/forecast", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, list(broken.json())) == (422, ["error"])
    for method, path, status in (("GET", "/forecast", 405), ("GET", "/none", 404), ("POST", "/classify", 404)):
        answer = client.request(method, path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_limits(service):
    limits = server.Limits(bytes=500, rows=3, seconds=300, hosts=("localhost",))
    with TestClient(server.create_app(service, limits), base_url="http://localhost") as client:
        assert client.post("/forecast", json={}).status_code == 200
        assert client.post("/forecast", json={"history": _newer(0)}).status_code == 422
        assert client.post("/forecast", content=b" " * 501).status_code == 413
        # Without its length in the header too.
        parts = iter([b"{" + b" " * 300, b" " * 300 + b"}"])
        assert client.post("/forecast", content=parts).status_code == 413
        stranger = client.get("/health", headers={"host": "evil.example"})
        assert (stranger.status_code, list(stranger.json())) == (421, ["error"])


def test_an_answer_that_takes_too_long(service, monkeypatch):
    import time

    monkeypatch.setattr(services.ForecastService, "forecast", lambda *_: time.sleep(0.5))
    with TestClient(server.create_app(service, server.Limits(seconds=0.05))) as client:
        answer = client.post("/forecast", json={})
        assert (answer.status_code, list(answer.json())) == (503, ["error"])


def test_a_fault_says_nothing_of_the_inside(service, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr(services.ForecastService, "forecast", fail)
    with TestClient(server.create_app(service), raise_server_exceptions=False) as client:
        answer = client.post("/forecast", json={})
        assert answer.status_code == 500
        assert "secret" not in answer.text


def test_openapi_is_what_it_does(service):
    app = server.create_app(service, server.Limits(seconds=300))
    assert check_openapi(app, 15) == ["/forecast", "/health", "/model"]


def test_texts(tmp_path):
    class Scorer:
        name, classes = "gru", ("bad", "good")

        def table(self, texts):
            return pd.DataFrame({"label": ["", "good"], "p_bad": [np.nan, 0.1], "p_good": [np.nan, 0.9]})

    service = object.__new__(services.TextService)
    service.scorer, service.name = Scorer(), "gru"
    with TestClient(server.create_app(service)) as client:
        rows = client.post("/classify", json={"texts": ["", "fine"]}).json()["rows"]
        assert rows == [
            {"label": "", "p_bad": None, "p_good": None},
            {"label": "good", "p_bad": 0.1, "p_good": 0.9},
        ]
        assert client.post("/classify", json={"texts": []}).status_code == 422
        assert client.post("/classify", json={"texts": [1]}).status_code == 422
        assert client.post("/forecast", json={}).status_code == 404


def test_a_port_that_is_taken_and_a_folder_that_is_none_are_one_line(served, tmp_path, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", str(served), "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be listened to" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "none")]) == 2
    assert "no such run folder" in capsys.readouterr().err


def test_worker_processes_are_told_by_the_environment(served, monkeypatch):
    monkeypatch.setenv(server.SETTINGS, json.dumps({}))
    server.to_environment(served, server.Limits(rows=3, hosts=("localhost",)))
    with TestClient(server.from_environment(), base_url="http://localhost") as client:
        assert client.get("/health").status_code == 200
