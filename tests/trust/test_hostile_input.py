"""Whatever bytes come in, only a ``ForecastkitError`` comes out, soon and in bounded memory."""

from __future__ import annotations

import ast
import bz2
import gzip
import html.parser
import json
import lzma
import re
import shutil
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forecastkit
from forecastkit.cli import main
from forecastkit.config import RunConfig, load_config
from forecastkit.errors import DataError, ForecastkitError
from forecastkit.reading import ReadOptions, read
from forecastkit.strict_yaml import load_yaml
from tests.trust.seeds import CONFIGS, TABLES, mutate

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _said(call: Callable[..., object], *args: object, **more: object) -> str:
    """What our own error says; any other error fails the test."""
    try:
        call(*args, **more)
    except ForecastkitError as error:
        return str(error)
    return ""


def _read(path: Path) -> None:
    assert "\n" not in _said(read, path, ReadOptions())


@FEW
@given(st.binary(max_size=400))
def test_any_bytes(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    _read(tmp_path / "x.csv")


@FEW
@given(st.sampled_from(TABLES), st.integers(0, 2**32 - 1))
def test_damaged_tables(tmp_path, table, seed):
    (tmp_path / "x.csv").write_bytes(mutate(table, np.random.default_rng(seed)))
    _read(tmp_path / "x.csv")


@FEW
@given(
    st.sampled_from(TABLES), st.integers(0, 2**32 - 1), st.sampled_from(["gz", "bz2", "xz", "zip", "parquet", "xlsx"])
)
def test_damaged_containers(tmp_path, table, seed, ending):
    path = tmp_path / f"x.{ending}"
    rng = np.random.default_rng(seed)
    packed = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    if ending in packed:
        content = packed[ending](table)
    elif ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../x.csv", table)
        content = path.read_bytes()
    elif ending == "parquet":
        pd.DataFrame({"date": pd.date_range("2024", periods=30), "y": np.arange(30.0)}).to_parquet(path)
        content = path.read_bytes()
    else:
        content = b"PK\x03\x04" + table
    path.write_bytes(mutate(content, rng))
    _read(path)


LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
TREE = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*RunConfig.model_fields, "path", "lstm", "hidden", "x"]), inner, max_size=4),
    ),
    max_leaves=10,
)


def _config(path: Path) -> None:
    assert "\n" not in _said(load_config, path)


@FEW
@given(TREE)
def test_any_tree_as_configuration(tmp_path, tree):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(tree))
    _config(tmp_path / "c.yaml")


@FEW
@given(st.sampled_from(CONFIGS), st.integers(0, 2**32 - 1))
def test_damaged_configurations(tmp_path, text, seed):
    (tmp_path / "c.yaml").write_bytes(mutate(text, np.random.default_rng(seed)))
    _config(tmp_path / "c.yaml")


@FEW
@given(st.text(max_size=30))
def test_any_override(word):
    assert "\n" not in _said(load_config, overrides=[word])


@pytest.mark.parametrize("text", [
    "? [a]\n: 1", "? {a: 1}\n: 1", "a: &a [*a]", "!!python/object/apply:os.system [id]", "a: !!binary x", "2001-99-99: 1",
    "a: 1\na: 2", "<<: [1]", "- " * 3000, "a: !!timestamp x", "a: !!float x", "a: !!int ''", "=: 1",
    "a: &x [1,1,1,1,1,1,1,1,1]\nb: &y [*x,*x,*x,*x,*x,*x]\nc: &z [*y,*y,*y,*y,*y]\nmodels: *z", "<<: &a {<<: *a}",
])  # fmt: skip
def test_yaml_that_is_hard_to_swallow(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    _config(tmp_path / "c.yaml")
    try:
        tree = load_yaml(text)
    except (yaml.YAMLError, RecursionError):
        return
    assert "python" not in text, tree


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_decompression_bombs_are_refused_in_bounded_memory(tmp_path, pack):
    path = tmp_path / "bomb.csv"
    block = pack(b"0,1\n" * (8 << 18))
    path.write_bytes(block * 12)
    tracemalloc.start()
    with pytest.raises(DataError, match="MiB of text"):
        read(path, ReadOptions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 << 20


def test_a_line_without_end_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"date,y\n" + b"1" * (40 << 20))
    with pytest.raises(DataError, match="a line of more than"):
        read(tmp_path / "x.csv", ReadOptions())


NASTY = "</script><script>alert(1)</script>"


class _Scripts(html.parser.HTMLParser):
    """Elements that run or load something."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.inline, self.handlers, self._in, self.data, self.loads = [], [], None, [], []

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self._in = dict(attrs).get("type") or "javascript"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.loads += [
            v
            for name, v in attrs
            if name in ("src", "href", "data", "action") and v and not v.startswith(("#", "data:"))
        ]

    def handle_endtag(self, tag):
        if tag == "script":
            self._in = None

    def handle_data(self, data):
        if self._in:
            (self.data if "json" in self._in else self.inline).append(data)


@pytest.fixture(scope="module")
def nasty_report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasty")
    index = pd.date_range("2024-01-01", periods=60)
    target = f"sales{NASTY}"
    names = [f"shop{NASTY}", 'x" onload="alert(2)', "<img src=x onerror=alert(3)>", "<!--", "]]>", "{{7*7}}", "${7*7}"]
    rows = [pd.DataFrame({"store": n, "date": index, target: np.arange(60.0) % 7 + k}) for k, n in enumerate(names)]
    pd.concat(rows).to_csv(folder / "d.csv", index=False)
    words = [
        "fit",
        "--data",
        str(folder / "d.csv"),
        "--target",
        target,
        "--horizon",
        "3",
        "--models",
        "naive",
        "baselines=naive",
    ]
    assert main([*words, "--quiet", "--out", str(folder / "run"), f"name={NASTY}"]) == 0
    return folder / "run" / "report.html"


def test_names_cannot_break_out_of_the_report(nasty_report):
    text = nasty_report.read_text()
    assert NASTY not in text
    found = _Scripts()
    found.feed(text)
    assert found.handlers == []
    assert not [t for t in found.inline if "alert(" in t]
    assert not [v for v in found.loads if not v.startswith("forecast.csv")], found.loads
    assert "<img src=x" not in text
    assert ">49<" not in text
    assert "Content-Security-Policy" in text
    for block in found.data:
        json.loads(block)


def test_no_script_of_the_data_runs_in_a_browser(nasty_report):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    text = nasty_report.read_text()
    probe = nasty_report.with_name("probe.html")
    # alert() of a hostile name would mark the page; the policy of the page stays as it is.
    probe.write_text(text)
    words = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={nasty_report.parent / 'profile'}",
    ]
    done = subprocess.run(
        [*words, "--virtual-time-budget=3000", "--enable-logging=stderr", "--v=0", "--dump-dom", probe.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("Chromium does not start here")
    found = _Scripts()
    found.feed(done.stdout)
    assert found.handlers == []
    assert not [t for t in found.inline if "alert(" in t]
    assert "shop" in done.stdout
    assert "Uncaught" not in done.stderr


def _peak_of_reading(path: Path, **options) -> int:
    tracemalloc.start()
    frame = read(path, ReadOptions(**options)).frame
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(frame.items)
    return peak


def test_five_thousand_columns_need_memory_in_proportion(tmp_path):
    peaks = []
    for n in (1250, 5000):
        table = pd.DataFrame(np.ones((30, n)), columns=[f"c{k}" for k in range(n)])
        table.insert(0, "date", pd.date_range("2024-01-01", periods=30))
        table.insert(1, "y", np.arange(30.0))
        table.to_csv(tmp_path / f"{n}.csv", index=False)
        peaks.append(_peak_of_reading(tmp_path / f"{n}.csv", target="y"))
    assert peaks[1] < 64 << 20
    assert peaks[1] < 6 * peaks[0]


def test_many_short_series_need_memory_in_proportion(tmp_path):
    peaks = []
    for n in (500, 2_000):
        rows = "".join(f"s{i},{k},{i % 7 + k}\n" for i in range(n) for k in range(20))
        (tmp_path / f"{n}.csv").write_text("item,t,y\n" + rows)
        peaks.append(_peak_of_reading(tmp_path / f"{n}.csv", item="item", time="t", target="y"))
    assert peaks[1] < 6 * peaks[0]


def test_tables_are_written_in_one_place_that_takes_formulas_away():
    """``artifacts.to_csv_text`` alone makes CSV of what comes from data, and nothing makes spreadsheets."""
    package = Path(forecastkit.__file__).parent
    writers = {"to_csv", "to_excel", "to_html", "to_markdown", "to_clipboard", "writer", "DictWriter"}
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in writers:
                found.add((path.relative_to(package).as_posix(), node.func.attr))
    # Of Open-Meteo's numbers, under names that are a fixed list; and what a server reads again and removes.
    others = {("sources/open_meteo.py", "writer"), ("run/serving/services.py", "DictWriter")}
    assert found == {("artifacts.py", "to_csv")} | others


@pytest.mark.parametrize("form", ["csv", "md", "latex"])
def test_names_like_formulas_are_harmless_in_every_leaderboard(form, fresh_folder, nasty_report, capsys):
    board = nasty_report.parent / "leaderboard.csv"
    kept = board.read_text()
    board.write_text(kept.replace("naive,baseline", "'=1+1|x&y_z,baseline", 1))
    try:
        assert main(["leaderboard", str(board.parent), "--format", form]) == 0
    finally:
        board.write_text(kept)
    said = capsys.readouterr().out
    assert "\n=1" not in said
    if form == "latex":
        assert "x\\&y\\_z" in said
    if form == "md":
        assert "x\\|" in said or "1\\|x" in said


HOSTILE_NAMES = [f"a{NASTY}", "../../escaped", "=cmd|' /C calc'!A0", "{{7*7}}", "%s{0}"]


def test_names_and_classes_of_sequences_are_text_and_no_paths(fresh_folder):
    rng, t = np.random.default_rng(0), np.arange(12)
    rows = [np.sin(t / (2 + k % 2)) + rng.normal(0, 0.1, 12) for k in range(40)]
    table = pd.DataFrame(rows, columns=[f"t{k:02d}" for k in t])
    table["label"] = [HOSTILE_NAMES[k % 2] for k in range(40)]
    table[f"group{NASTY}"] = [HOSTILE_NAMES[k % 5] for k in range(40)]
    table.to_csv("d.csv", index=False)
    words = [
        "classify",
        "fit",
        "--data",
        "d.csv",
        "--label",
        "label",
        "--group",
        f"group{NASTY}",
        "--models",
        "majority",
    ]
    assert main([*words, "models.boosting.n_trees=2", "--quiet", "--out", "run"]) == 0
    assert main(["classify", "predict", "run", "--data", "d.csv", "--out", "told.csv"]) in (0, None)
    assert not list(fresh_folder.parent.glob("escaped*"))
    assert not [p for p in fresh_folder.rglob("*") if "escaped" in p.name or "calc" in p.name]
    for path in (fresh_folder / "told.csv", *Path("run").glob("*.csv")):
        assert not re.search(r"(^|\n|,)=cmd", path.read_text()), path
    page = Path("run/report.html").read_text()
    found = _Scripts()
    found.feed(page)
    assert NASTY not in page
    assert found.inline == []
    assert found.handlers == []
    assert "49" not in re.findall(r">(\d+)<", page) or "{{7*7}}" in page
    assert "default-src 'none'" in page
    assert "script-src" not in page


def test_a_name_too_long_for_a_file_is_one_line(capsys):
    assert main(["profile", "a" * 5000]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "Check its permissions, or give another file." in said


@pytest.mark.parametrize("address", ["http://example.org/x.csv", "s3://b/x.csv"])
def test_an_address_is_no_file(address, capsys):
    assert main(["profile", address]) == 2
    assert "an address, not a file. Download it" in capsys.readouterr().err
