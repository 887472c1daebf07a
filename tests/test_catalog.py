"""Cards, the files they name, and data on demand, against a server on this machine."""

from __future__ import annotations

import csv
import hashlib
import http.server
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastkit import catalog, download
from forecastkit.cards import Card, read_card
from forecastkit.errors import DataError, ForecastkitError, SourceError, UnknownNameError

DATASETS = Path(__file__).resolve().parents[1] / "datasets"
NAMES = sorted(path.stem for path in (DATASETS / "cards").glob("*.yaml"))
SHIPPED = [name for name in NAMES if read_card(DATASETS / "cards" / f"{name}.yaml").file]
CONTENT = b"day,sales\n2024-01-01,1.5\n2024-01-02,2.5\n2024-01-03,2.0\n"


def tree(**changes: Any) -> dict[str, Any]:
    """The keys of a good card; a change to None takes the key away."""
    base = {
        "name": "shop", "title": "Sales", "file": "shop.csv", "source": "here", "licence": "CC0-1.0",
        "citation": "us", "description": "three days", "frequency": "D", "time": "day", "target": "sales", "horizon": 1,
        "units": "euro", "columns": {"day": "day", "sales": "sales"}, "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "n_rows": 3,
    }  # fmt: skip
    return {key: value for key, value in (base | changes).items() if value is not None}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a card (and its file) into ./datasets of an empty current folder; returns that folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FORECASTKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "datasets" / "cards").mkdir(parents=True)

    def write(content: bytes = CONTENT, **changes: Any) -> Path:
        folder = tmp_path / "datasets"
        keys = tree(**changes)
        (folder / "cards" / "shop.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
        if "file" in keys:
            (folder / "shop.csv").write_bytes(content)
        return folder

    return write


def test_the_issue_names_these_and_they_are_there() -> None:
    assert {"prices", "weather", "co2", "demand", "sf_temperature", "sunspots", "ecg"} <= set(SHIPPED)
    assert set(NAMES) <= set(catalog.list_datasets())
    assert catalog.list_datasets() == sorted(catalog.list_datasets())


@pytest.mark.parametrize("name", SHIPPED)
def test_card_tells_the_truth_about_its_file(name: str) -> None:
    path, card = catalog.resolve(name)
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == list(card.columns)
    assert {len(row) for row in rows} == {len(header)}
    assert len(rows) == card.n_rows
    target = [row[header.index(card.target)] for row in rows]
    assert all(float(value) == float(value) for value in target if value)
    assert sum(value == "" for value in target) == {"co2": 59}.get(name, 0)
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("name", SHIPPED)
def test_frequency_of_the_card_is_that_of_the_file(name: str) -> None:
    path, card = catalog.resolve(name)
    table = pd.read_csv(path)
    keys = [card.item] if card.item else []
    assert not table.duplicated([*keys, card.time]).any()
    for _, part in table.groupby(card.item) if card.item else [("", table)]:
        times = part[card.time].tolist()
        assert times == sorted(times)
        if card.frequency == "step":
            assert times == list(range(times[0], times[0] + len(times)))
            continue
        found = pd.DatetimeIndex(pd.to_datetime(part[card.time].astype("str")))
        full = pd.date_range(found[0], found[-1], freq=card.frequency)
        assert found.isin(full).all()
        n_absent = len(full) - len(found)
        # Holidays of the exchange; the hour that summer time takes; otherwise nothing is missing.
        assert 0 <= n_absent <= {"B": 0.05 * len(full), "h": 1}.get(card.frequency, 0)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "ecg"])
def test_season_fits_twice_into_every_data_set(name: str) -> None:
    card = catalog.card(name)
    assert card.season_length is not None
    assert 1 < card.season_length <= card.n_rows / 2


def test_prices_are_ragged_and_their_splits_are_adjusted() -> None:
    path, card = catalog.resolve("prices")
    table = pd.read_csv(path)
    starts = table.groupby("symbol")["date"].min().to_dict()
    assert starts == {"AAPL": "2000-03-01", "FB": "2012-05-18", "GOOG": "2004-08-19", "IBM": "2000-03-01", "MSFT": "2000-03-01"}  # fmt: skip
    apple = table[table["symbol"] == "AAPL"]
    ratio = {c: (apple[c] / apple[c].shift()).loc[apple["date"] == "2005-02-28"].item() for c in ("close", "adj_close")}
    assert ratio["close"] < 0.52 < 0.98 < ratio["adj_close"]
    assert card.item == "symbol"


def test_frames_come_out_as_the_cards_say() -> None:
    for name in ("prices", "co2"):
        card, frame = catalog.card(name), catalog.load_dataset(name)
        assert (frame.target_name, frame.calendar.freq) == (card.target, card.frequency)
        assert frame.season_length == card.season_length
        assert len(frame) == card.n_rows
    assert catalog.load_dataset("prices").items == ("AAPL", "FB", "GOOG", "IBM", "MSFT")


def test_unknown_name_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownNameError, match=r"dataset:price: no such data set\. Did you mean 'prices'\?"):
        catalog.card("price")
    for name in ("../cards/prices", "/etc/passwd", "", "cards/prices", "prices.yaml"):
        with pytest.raises(UnknownNameError):
            catalog.resolve(name)


def test_import_is_cheap() -> None:
    code = "import sys, forecastkit.catalog as c; c.list_datasets(); print({'pandas', 'numpy', 'pydantic', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_card_in_the_current_folder_is_found(project: Callable[..., Path]) -> None:
    folder = project()
    assert "shop" in catalog.list_datasets()
    assert catalog.resolve("shop")[0] == folder / "shop.csv"
    assert "prices" in catalog.list_datasets()


def test_shipped_name_cannot_be_replaced_from_the_current_folder(project: Callable[..., Path]) -> None:
    folder = project()
    (folder / "cards" / "prices.yaml").write_text(yaml.safe_dump(tree(name="prices")), encoding="utf-8")
    assert catalog.card("prices").target == "adj_close"


def test_wheel_carries_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = tmp_path / "site-packages" / "forecastkit" / "_datasets"
    (shipped / "cards").mkdir(parents=True)
    (shipped / "cards" / "shop.yaml").write_text(yaml.safe_dump(tree()), encoding="utf-8")
    (shipped / "shop.csv").write_bytes(CONTENT)
    monkeypatch.setattr(catalog, "__file__", str(shipped.parent / "catalog.py"))
    assert catalog.list_datasets() == ["shop"]
    assert catalog.resolve("shop")[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content", [CONTENT[:-3], CONTENT.replace(b"2.5", b"2.6"), CONTENT.replace(b"\n", b"\r\n"), b""]
)
def test_edited_or_truncated_file_is_refused(project: Callable[..., Path], content: bytes) -> None:
    project(content)
    with pytest.raises(DataError, match=r"shop\.csv: sha256 .* edited or cut short"):
        catalog.resolve("shop")


def test_missing_file_and_link_out_of_the_folder_are_refused(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project()
    (folder / "shop.csv").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        catalog.resolve("shop")
    outside = tmp_path / "outside.csv"
    outside.write_bytes(CONTENT)
    (folder / "shop.csv").symlink_to(outside)
    with pytest.raises(DataError, match="outside its folder"):
        catalog.resolve("shop")


BROKEN = [
    ({"licens": "MIT"}, "no such key. Did you mean 'licence'"),
    ({"licence": None}, "licence: Field required"),
    ({"horizon": 0}, "horizon: 0"),
    ({"n_rows": "three"}, "n_rows"),
    ({"sha256": "abc"}, "sha256"),
    ({"file": "../shop.csv"}, "without .."),
    ({"file": "/etc/passwd"}, "relative path"),
    ({"file": "C:\\shop.csv"}, "relative path"),
    ({"url": "https://example.org/a.csv"}, "exactly one of file, url and package"),
    ({"file": None}, "exactly one of file, url and package"),
    ({"file": None, "url": "http://example.org/a.csv"}, "https"),
    ({"file": None, "url": "file:///etc/passwd"}, "https"),
    ({"file": None, "package": "os.path", "member": "a.csv"}, "package"),
    ({"file": None, "package": "json"}, "package and member go together"),
    ({"requirement": "json"}, "requirement goes with package"),
    ({"target": "sale"}, "not described under columns. Did you mean 'sales'"),
    ({"known": ["sales"]}, "two roles"),
    ({"name": "store"}, "a card's name is that of its file"),
    ({"name": "Shop!"}, "name"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=lambda value: str(value)[:40])
def test_broken_card_names_the_key_and_the_rule(
    project: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    folder = project()
    (folder / "cards" / "shop.yaml").write_text(yaml.safe_dump(tree(**changes)), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        catalog.card("shop")
    assert message in str(caught.value)
    assert "shop.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump(tree()) + "name: shop\n", "line 18: key 'name' twice"),
        (yaml.safe_dump(tree()) + "? [a]\n: b\n", "line 18: .*unhashable key"),
        ("- a list\n", "a mapping"),
        ("", "a mapping"),
        ("a: [", "line"),
        ("a: !!python/object/apply:os.system [true]\n", "not a valid card"),
        ("a: &a [*a]\n", "shop.yaml"),
        ("[" * 50_000, "nested too deeply"),
        ("a: " + "x" * 200_000, "at most"),
        ("when: 2024-99-99\n", "not a valid card"),
    ],
    ids=lambda value: value[:25],
)
def test_card_that_is_not_one(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_card(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda s: s.encode("utf-8", "replace"))))
def test_any_bytes_as_a_card_give_our_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shop.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_card(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(sorted(Card.model_fields)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_any_value_is_taken_whole_or_refused(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(tree() | {key: value}), encoding="utf-8")
    try:
        card = read_card(path)
    except DataError:
        return
    # What came through survives the way back to YAML.
    path.write_text(yaml.safe_dump(card.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    assert read_card(path) == card


def make_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make", DATASETS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_script_makes_every_shipped_file_and_pins_its_sources() -> None:
    make = make_script()
    assert sorted(make.TABLES) == SHIPPED
    pins = make._pins()
    for name in SHIPPED:
        package = catalog.card(name).source.split(" ")[0]
        assert f"{package} {pins[package]} (PyPI)" in catalog.card(name).source


def test_script_renews_the_two_measured_lines_of_a_card_only() -> None:
    make = make_script()
    old = (DATASETS / "cards" / "co2.yaml").read_text(encoding="utf-8")
    content, n_rows = make.as_csv((["a", "b"], [["1", "x, y"], ["", "z"]]))
    assert (content, n_rows) == (b'a,b\n1,"x, y"\n,z\n', 2)
    was, now = yaml.safe_load(old), yaml.safe_load(make.with_facts(old, "1" * 64, n_rows))
    assert now == was | {"sha256": "1" * 64, "n_rows": 2}


# ---- on demand


class Answers(http.server.BaseHTTPRequestHandler):
    """Delivers by path, and counts."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/gone.csv":
            self.send_error(404)
            return
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) + (7 if self.path == "/short.csv" else 0)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Counting", (Answers,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", asked
        running.shutdown()
        thread.join()


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_download_happens_once_and_a_damaged_copy_is_renewed(
    project: Callable[..., Path], server: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = server
    project(file=None, url=f"{address}/shop.tar.csv?x=1")
    path, card = catalog.resolve("shop", allow_local_http=True)
    assert path.read_bytes() == CONTENT
    assert card.file is None
    assert left_in(tmp_path / "cache") == [f"shop-{card.sha256[:12]}.tar.csv"]
    catalog.resolve("shop", allow_local_http=True)
    assert len(asked) == 1
    path.write_bytes(CONTENT[:9])
    assert catalog.resolve("shop", allow_local_http=True)[0].read_bytes() == CONTENT
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/gone.csv", "HTTP 404"),
        ("/short.csv", "cut short|could not be delivered"),
        ("/to/http://example.org/x.csv", "only https"),
        ("/to/file:///etc/passwd", "HTTP 302"),
        ("/to/ftp://127.0.0.1/x", "only https"),
    ],
)
def test_failed_download_leaves_nothing(
    project: Callable[..., Path], server: tuple[str, list[str]], tmp_path: Path, path: str, message: str
) -> None:
    sha256 = hashlib.sha256(CONTENT + b"rest").hexdigest() if path == "/short.csv" else None
    project(file=None, url=server[0] + path, **({"sha256": sha256} if sha256 else {}))
    with pytest.raises(SourceError, match=message):
        catalog.resolve("shop", allow_local_http=True)
    assert left_in(tmp_path / "cache") == []


def test_other_bytes_than_the_card_says(
    project: Callable[..., Path], server: tuple[str, list[str]], tmp_path: Path
) -> None:
    project(file=None, url=f"{server[0]}/a.csv", sha256="0" * 64)
    with pytest.raises(SourceError, match="the card expects 000000000000"):
        catalog.resolve("shop", allow_local_http=True)
    assert left_in(tmp_path / "cache") == []


def test_without_a_published_sha256_the_first_download_is_what_counts(
    project: Callable[..., Path], server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(file=None, url=f"{server[0]}/shop.csv", sha256=None)
    path, card = catalog.resolve("shop", allow_local_http=True)
    assert card.sha256 is None
    assert left_in(tmp_path / "cache") == ["shop.csv", "shop.csv.sha256"]
    assert download.recorded("shop.csv") == hashlib.sha256(CONTENT).hexdigest()
    catalog.resolve("shop", allow_local_http=True)
    assert len(server[1]) == 1
    # A damaged copy is renewed; other bytes than those of the first time are not taken.
    path.write_bytes(CONTENT[:9])
    assert catalog.resolve("shop", allow_local_http=True)[0].read_bytes() == CONTENT
    path.write_bytes(CONTENT[:9])
    monkeypatch.setattr(sys.modules[__name__], "CONTENT", CONTENT + b"2024-01-04,9\n")
    with pytest.raises(SourceError, match=r"the first download had .*delete .*shop\.csv\.sha256"):
        catalog.resolve("shop", allow_local_http=True)


def test_without_a_published_sha256_a_file_put_there_by_hand_counts(project: Callable[..., Path]) -> None:
    project(file=None, url="http://127.0.0.1:9/shop.csv", sha256=None)
    with pytest.raises(SourceError, match="put the file at") as caught:
        catalog.resolve("shop", allow_local_http=True)
    place = Path(caught.value.remedy.split(" at ")[1].removesuffix(" by hand."))
    place.write_bytes(CONTENT)
    assert catalog.resolve("shop", allow_local_http=True)[0] == place
    place.write_bytes(CONTENT[:9])
    with pytest.raises(SourceError, match="could not be delivered"):
        catalog.resolve("shop", allow_local_http=True)


def test_a_note_says_that_nobody_published_a_sha256(project: Callable[..., Path], tmp_path: Path) -> None:
    from forecastkit.reading import read

    project(file=None, url="https://example.org/shop.csv", sha256=None)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "shop.csv").write_bytes(CONTENT)
    profile = read("dataset:shop").profile
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert any(f"sha256 {digest[:12]}... is that of the first download" in n.text for n in profile.notes)
    assert profile.units == "euro"


@pytest.mark.parametrize(
    ("name", "file", "n_rows", "n_items", "season"),
    [
        ("etth1", "benchmark/ETTh1.csv", 17_420, 1, 24),
        ("m4_hourly", "benchmark/m4_hourly_train.csv", 353_500, 414, 24),
        ("vic_elec", "demand/vic_elec.csv", 52_608, 1, 48),
    ],
)
def test_cards_of_benchmarks_read_their_files(
    shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, file: str, n_rows: int, n_items: int, season: int,
) -> None:  # fmt: skip
    from forecastkit.reading import read

    source, card = shared_data(file), catalog.card(name)
    cached = f"{name}-{card.sha256[:12]}.csv" if card.sha256 else f"{name}.csv"
    (tmp_path / cached).write_bytes(source.read_bytes())
    monkeypatch.setenv("FORECASTKIT_CACHE", str(tmp_path))
    profile = read(f"dataset:{name}").profile
    assert (profile.n_rows, profile.n_items, profile.season_length) == (n_rows, n_items, season)
    assert profile.name == name
    with source.open() as stream:
        assert sum(1 for _ in stream) - 1 == card.n_rows


def test_size_is_bounded(project: Callable[..., Path], server: tuple[str, list[str]], tmp_path: Path) -> None:
    project()
    ours = hashlib.sha256(CONTENT).hexdigest()
    limit = len(CONTENT)

    def get(max_bytes: int) -> Path:
        return download.fetch(
            f"{server[0]}/a.csv", sha256=ours, file_name="a.csv", allow_local_http=True, max_bytes=max_bytes
        )

    with pytest.raises(SourceError, match="limit of a download"):
        get(limit - 1)
    assert left_in(tmp_path / "cache") == []
    assert get(limit).read_bytes() == CONTENT


def test_plain_http_is_refused_unless_asked_for(project: Callable[..., Path], server: tuple[str, list[str]]) -> None:
    project(file=None, url=f"{server[0]}/shop.csv")
    with pytest.raises(SourceError, match="only https"):
        catalog.resolve("shop")
    assert server[1] == []


def test_no_network_says_what_to_do(project: Callable[..., Path]) -> None:
    # Port 9 (discard) of this machine: nobody listens.
    project(file=None, url="http://127.0.0.1:9/shop.csv")
    with pytest.raises(SourceError, match="Check the network connection, or put the file at") as caught:
        catalog.resolve("shop", allow_local_http=True)
    # The remedy works.
    place = Path(caught.value.remedy.split(" at ")[1].removesuffix(" by hand."))
    place.write_bytes(CONTENT)
    assert catalog.resolve("shop", allow_local_http=True)[0] == place


def test_cache_that_cannot_be_made(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(file=None, url="http://127.0.0.1:9/shop.csv")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FORECASTKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ForecastkitError, match="Set FORECASTKIT_CACHE"):
        catalog.resolve("shop", allow_local_http=True)


def test_package_is_located_without_being_imported(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site" / "bikeshop_data"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    project(file=None, package="bikeshop_data", member="data/shop.csv", requirement="bikeshop-data==1.0")
    with pytest.raises(SourceError, match=r"not installed\. Install it: pip install bikeshop-data==1\.0"):
        catalog.resolve("shop")
    monkeypatch.syspath_prepend(str(folder.parent))
    with pytest.raises(SourceError, match="perhaps another version"):
        catalog.resolve("shop")
    (folder / "data" / "shop.csv").write_bytes(CONTENT[:-3])
    with pytest.raises(SourceError, match="perhaps another version"):
        catalog.resolve("shop")
    (folder / "data" / "shop.csv").write_bytes(CONTENT)
    assert catalog.resolve("shop")[0] == folder / "data" / "shop.csv"
