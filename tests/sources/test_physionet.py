"""Records from a directory on this machine that looks as PhysioNet's do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from forecastkit import sources
from forecastkit.classification.records import place_of, read_records
from forecastkit.classification.wfdb_files import write_record
from forecastkit.cli import main
from forecastkit.errors import ConfigError, DataError, SourceError
from forecastkit.sources import physionet
from tests.classification.conftest import make_ecg
from tests.sources.conftest import Service

NAMES = ("100", "106", "119")
BASE = "/files/mitdb/1.0.0"


def publish(service: Service, folder: Path, base: str, inside: str = "") -> None:
    """A folder with its list of checksums."""
    sums = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        service.says[f"{base}/{inside}{path.name}"] = (200, content)
        sums.append(f"{hashlib.sha256(content).hexdigest()} {inside}{path.name}")
    service.says[f"{base}/SHA256SUMS.txt"] = (200, ("\n".join(sums) + "\n").encode())


@pytest.fixture
def mitdb(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for k, name in enumerate(NAMES):
        x, samples, symbols = make_ecg(k, seconds=60)
        signals = np.stack([x, 0.5 * x], axis=1)
        write_record(folder, name, signals, 250, ["MLII", "V5"], samples=samples, symbols=symbols)
    (folder / "RECORDS").write_text("\n".join(NAMES) + "\n")
    publish(service, folder, BASE)
    monkeypatch.setattr(physionet, "FILES", f"{service.address}/files")
    return service


def test_records_come_with_signals_and_annotations(mitdb: Service, cache: Path):
    found = sources.records("physionet:mitdb/106,100")
    assert found.folder == cache / "physionet" / "mitdb-1.0.0"
    assert found.names == ("106", "100")
    assert "ODC-By 1.0" in found.notes[0]
    place = place_of("physionet:mitdb/100,106")
    records = read_records(place.path, names=place.names)
    assert [r.name for r in records] == ["100", "106"]
    assert all(r.samples is not None and len(r.samples) > 40 for r in records)
    assert not (found.folder / "119.dat").exists()


def test_files_are_asked_for_once_and_damaged_ones_again(mitdb: Service, cache: Path):
    sources.records("physionet:mitdb/100")
    n = len(mitdb.asked)
    sources.records("physionet:mitdb/100")
    assert len(mitdb.asked) == n
    dat = cache / "physionet" / "mitdb-1.0.0" / "100.dat"
    whole = dat.read_bytes()
    dat.write_bytes(whole[:1000])
    sources.records("physionet:mitdb/100")
    assert dat.read_bytes() == whole
    assert mitdb.asked[n:] == [(f"{BASE}/100.dat", {})]


def test_all_records_where_none_is_named(mitdb: Service):
    assert sources.records("physionet:mitdb@1.0.0").names == NAMES


def test_records_of_a_folder_inside(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "data"
    folder.mkdir()
    x, _, _ = make_ecg(1, seconds=10)
    write_record(folder, "1", x[:, None], 500, ["ii"], fmt="16")
    publish(service, folder, "/files/ludb/1.0.1", "data/")
    monkeypatch.setattr(physionet, "FILES", f"{service.address}/files")
    found = sources.records("physionet:ludb/data/1")
    assert found.names == ("1",)
    assert (found.folder / "1.dat").exists()
    assert found.folder.name == "data"


def test_half_a_download_is_refused_and_leaves_nothing(mitdb: Service, cache: Path):
    status, content = mitdb.says[f"{BASE}/106.dat"]  # type: ignore[misc]
    mitdb.says[f"{BASE}/106.dat"] = (status, content[: len(content) // 2])
    with pytest.raises(SourceError, match=r"106\.dat: sha256 .*cut short"):
        sources.records("physionet:mitdb/106")
    left = [p.name for p in (cache / "physionet" / "mitdb-1.0.0").iterdir()]
    assert "106.dat" not in left
    assert not [name for name in left if name.startswith(".part-")]


def test_a_list_of_checksums_that_changed_is_said(mitdb: Service, cache: Path):
    sources.records("physionet:mitdb/100")
    sums = cache / "physionet" / "mitdb-1.0.0" / "SHA256SUMS.txt"
    sums.unlink()
    mitdb.says[f"{BASE}/SHA256SUMS.txt"] = (200, b"0" * 64 + b" 100.hea\n")
    with pytest.raises(SourceError, match=r"the first download had .*where the source has changed for good, delete"):
        sources.records("physionet:mitdb/100")


@pytest.mark.parametrize(
    ("argument", "kind", "message"),
    [
        (
            "mitdb/999",
            DataError,
            r"physionet:mitdb: 999; no such record\. Did you mean '1.*'\?|Choose from: 100, 106, 119",
        ),
        ("nosuchdb/1", SourceError, "nosuchdb 1.0.0; no such open database at PhysioNet"),
        ("", ConfigError, "a database, and records of it, are needed"),
        ("mitdb/../../etc/passwd", ConfigError, "a database, and records of it, are needed"),
        ("mitdb/100;rm", ConfigError, "a database, and records of it, are needed"),
    ],
)
def test_what_is_not_there(mitdb: Service, argument: str, kind: type[Exception], message: str):
    with pytest.raises(kind, match=message):
        sources.records(f"physionet:{argument}")


def test_a_header_that_names_a_file_outside_is_refused(mitdb: Service):
    header = b"100 1 250 1000\n../secret.dat 16 200 12 0 0 0 0 II\n"
    mitdb.says[f"{BASE}/100.hea"] = (200, header)
    mitdb.says[f"{BASE}/SHA256SUMS.txt"] = (200, f"{hashlib.sha256(header).hexdigest()} 100.hea\n".encode())
    with pytest.raises(SourceError, match="a signal file that the list of checksums does not have"):
        sources.records("physionet:mitdb/100")


def test_no_network_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(physionet, "FILES", "http://127.0.0.1:9/files")
    assert main(["ecg", "fit", "--records", "physionet:mitdb/100,106"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Check the network connection" in said
    assert "--records FOLDER" in said


def test_from_the_command_line_to_predictions(mitdb: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    quick = ["models.gru.max_steps=5", "models.gru.hidden=4", "models.gru.filters=4", "models.boosting.n_trees=4"]
    words = [
        "ecg",
        "fit",
        "--records",
        "physionet:mitdb/100,106,119",
        "--quiet",
        "--out",
        str(tmp_path / "run"),
        *quick,
    ]
    assert main(words) == 0
    facts = (tmp_path / "run" / "run.yaml").read_text()
    assert "physionet:mitdb/100,106,119" in facts
    assert "ODC-By 1.0" in facts
    capsys.readouterr()
    assert (
        main(
            [
                "ecg",
                "predict",
                str(tmp_path / "run"),
                "--record",
                "physionet:mitdb/119",
                "--out",
                str(tmp_path / "b.csv"),
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["record"] == "119"
    assert main(["ecg", "predict", str(tmp_path / "run"), "--record", "physionet:mitdb/100,119"]) == 2
    assert "one at a time" in capsys.readouterr().err


def test_rhythms_are_looked_for_in_them(mitdb: Service):
    from forecastkit.classification.rhythm import read_rhythms

    with pytest.raises(DataError, match="physionet:mitdb/100,106: nothing says what the rhythms are"):
        read_rhythms("physionet:mitdb/100,106")


def test_the_kinds_of_sources_are_told_apart(capsys: pytest.CaptureFixture[str]):
    assert main(["fit", "--data", "physionet:mitdb/100"]) == 2
    assert "this source has no series. It is for ecg fit --records" in capsys.readouterr().err
    assert main(["ecg", "fit", "--records", "yahoo:AAPL"]) == 2
    assert "no records of heartbeats. It is for --data yahoo:" in capsys.readouterr().err
