"""The page: whole, self-contained, escaped, and it says what the verdict says."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html import unescape

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main
from forecastkit.report.charts import forecast_chart
from forecastkit.report.numbers import ticks, time_ticks
from forecastkit.report.page import render
from forecastkit.report.svg import Plot
from forecastkit.report.tables import leaderboard_lines, time_words
from forecastkit.report.words import _WORDS, words
from forecastkit.run.folder import RunFolder
from forecastkit.run.page import report_data, write_page


@pytest.fixture(scope="module")
def page(finished_run):
    return (finished_run / "report.html").read_text()


def test_nothing_is_asked_of_the_network(page):
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", page)
    assert "<link" not in page


def test_verdict_comes_first_and_whole(page, finished_run):
    verdict = RunFolder.open(finished_run).json("verdict.json")
    text = re.sub(r"<[^>]+>", "", page)
    use, evidence = verdict["sentence"]["en"]
    assert text.index(use) < text.index("What comes next") < text.index("All models compared")
    assert evidence in unescape(text)


def test_every_svg_is_well_formed_and_says_something(page):
    found = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(found) > 10
    for svg in found:
        root = ET.fromstring(svg)
        assert root.get("aria-label")
        for element in root.iter():
            for key, value in element.attrib.items():
                assert "nan" not in value.lower().split() or key == "aria-label"


def test_spanish_page(finished_run, tmp_path):
    text = write_page(RunFolder.open(finished_run), tmp_path / "es.html", lang="es").read_text()
    assert '<html lang="es">' in text
    assert "Qué viene" in text
    assert "All models" not in text


def test_words_have_both_languages():
    assert all(len(pair) == 2 and all(pair) for pair in _WORDS.values())
    for key, (en, es) in _WORDS.items():
        assert set(re.findall(r"{\w+}", en)) == set(re.findall(r"{\w+}", es)), key
    assert words("en").keys() == words("es").keys()


def test_hostile_names_are_text(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    evil = "<script>alert(1)</script>\"'&"
    for name in ("forecast.csv", "backtest.parquet", "model/history.parquet"):
        table = RunFolder.open(run).table(name)
        table["item_id"] = table["item_id"].replace("item1", evil)
        table.to_parquet(run / name) if name.endswith("parquet") else table.to_csv(run / name, index=False)
    text = write_page(RunFolder.open(run)).read_text()
    assert "<script>alert" not in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ET.fromstring(svg)


def test_page_of_every_kind_of_history(tmp_path):
    """Integer time, one step, missing quantiles, a constant series."""
    for times in (pd.Index(range(40)), pd.date_range("2024-01-01", periods=40, freq="30min", tz="Europe/Madrid")):
        history = pd.DataFrame({"timestamp": times[:39], "target": [5.0] * 20 + [np.nan] + [5.0] * 18})
        forecast = pd.DataFrame({"timestamp": times[39:], "point": [5.0], "0.1": [np.nan], "0.9": [np.nan]})
        ET.fromstring(forecast_chart(history, forecast, width=360))


def test_label_collisions_are_moved_apart():
    plot = Plot(400, 200, (0, 1), (0, 1), "x")
    for k in range(5):
        plot.label(0.5 + k / 1000, f"m{k}", "a")
    ys = sorted(float(t.get("y")) for t in ET.fromstring(str(plot)).iter("text") if t.get("class") == "a")
    assert min(np.diff(ys)) >= 13.9


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 17), (0.001, 0.0013), (1e6, 3e6), (5, 5)])
def test_ticks_are_round_and_inside(low, high):
    out = ticks(low, high)
    assert 1 <= len(out) <= 8
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in out)


@pytest.mark.parametrize("days", [0.01, 0.2, 1, 5, 20, 90, 400, 2000, 20000, 90000])
def test_time_ticks_for_every_span(days):
    low = pd.Timestamp("1850-03-05 07:00")
    out = time_ticks(low, low + pd.Timedelta(days=days))
    assert 1 <= len(out) <= 8


def test_leaderboard_lines(finished_run):
    folder = RunFolder.open(finished_run)
    lines = leaderboard_lines(folder.table("leaderboard.csv"), folder.json("verdict.json"), width=80)
    assert all(len(line) <= 80 for line in lines)
    assert len({line.index("   ", 14) for line in lines[1:2]}) == 1
    colored = leaderboard_lines(folder.table("leaderboard.csv"), folder.json("verdict.json"), width=80, color=True)
    assert sum("\x1b[1;32m" in line for line in colored) == 1


def test_report_data_from_an_old_folder(finished_run):
    data = report_data(RunFolder.open(finished_run))
    assert set(data.history["item_id"]) == {"item0", "item1"}
    assert (data.folds["role"] == "report").any()


FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--virtual-time-budget=3000",
    "--dump-dom",
]
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")


def in_browser(page: str, script: str, tmp_path, width=900, height=700) -> str:
    """What ``script`` leaves in ``document.title`` of a page in a frame of the given size."""
    # The page's own policy would not let the script of the test run.
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    catch = "<script>window.errors=[];onerror=function(m){errors.push(m)}</script>"
    page = page.replace("<head>", "<head>" + catch).replace("</body>", f"<script>{script}</script></body>")
    return from_outside(page, "return d.title", tmp_path, width, height)


def from_outside(page: str, script: str, tmp_path, width=900, height=700) -> str:
    """What ``script`` returns of the page's document ``d``, which stands in a frame as it is."""
    inner, frame = tmp_path / "inner.html", tmp_path / "frame.html"
    inner.write_text(page)
    frame.write_text(
        f'<iframe id=f src="inner.html" style="width:{width}px;height:{height}px;border:0"></iframe><script>'
        f"function look(d){{{script}}}"
        "onload=()=>{document.body.dataset.done=look(document.getElementById('f').contentDocument)}</script>"
    )
    done = subprocess.run(
        ["chromium", *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"file://{frame}"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'data-done="([^"]*)"', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-500:]
    return found[1]


@needs_chromium
@pytest.mark.parametrize("width", [900, 360])
def test_a_browser_shows_it_without_sideways_scrolling(page, tmp_path, width):
    script = (
        "document.title=document.documentElement.scrollWidth+' '+innerWidth+' '+document.querySelectorAll('svg').length"
    )
    wide, inner, pictures = map(int, in_browser(page, script, tmp_path, width).split())
    assert wide <= inner
    assert pictures > 10


@needs_chromium
def test_sorting_and_choosing_a_series(page, tmp_path):
    script = """
    var first=function(){return document.querySelector('#board tbody tr').dataset.name};
    var before=first(); var b=document.querySelector('#board button[data-key=time]'); b.click(); var quick=first();
    b.click(); var slow=first();
    var s=document.querySelector('select.series'); s.selectedIndex=1; s.dispatchEvent(new Event('change'));
    var shown=[].slice.call(document.querySelectorAll('figure.series')).filter(function(f){return !f.hidden})
      .map(function(f){return f.dataset.series}).join(',');
    document.title=[before,quick,slow,shown,errors.length].join('|')"""
    before, quick, slow, shown, errors = in_browser(page, script, tmp_path).split("|")
    assert slow != quick
    assert before
    assert shown == "1,1"
    assert errors == "0"


@needs_chromium
def test_hostile_names_do_nothing_in_a_browser(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    evil = '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>'
    for name in ("forecast.csv", "backtest.parquet", "model/history.parquet"):
        table = RunFolder.open(run).table(name)
        table["item_id"] = table["item_id"].replace("item1", evil)
        table.to_parquet(run / name) if name.endswith("parquet") else table.to_csv(run / name, index=False)
    text = write_page(RunFolder.open(run)).read_text()
    title = in_browser(text, "document.title=document.title+'|'+errors.length", tmp_path)
    assert title.startswith("sales")
    assert title.endswith("|0")


@needs_chromium
def test_the_policy_of_the_page_lets_its_own_script_run_and_no_other(page, tmp_path):
    """Even if a name were not escaped."""
    let_in = (
        """<script>document.title="owned"</script><img src=x onerror="document.title='owned'"><base href="http://x/">"""
    )
    script = """
    d.querySelector("#board button[data-key=time]").click();
    return [d.title, d.querySelector("#board th[aria-sort]").getAttribute("aria-sort"), d.baseURI.slice(0, 5)].join("|")"""
    look = [from_outside(text, script, tmp_path) for text in (page, page.replace("</main>", let_in + "</main>"))]
    assert look[0].endswith("|ascending|file:")
    assert look[1] == look[0]
    # The same without a policy: the test can fail.
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert from_outside(open_page.replace("</main>", let_in + "</main>"), script, tmp_path).startswith("owned|")


def test_a_page_of_500_series_stays_small(finished_run):
    data = report_data(RunFolder.open(finished_run))

    def many(table):
        one = table[table["item_id"] == "item0"]
        return pd.concat([one.assign(item_id=f"series {k:03d}") for k in range(500)], ignore_index=True)

    parts = {name: many(getattr(data, name)) for name in ("history", "forecast", "backtest", "error_by_item")}
    text = render(dataclasses.replace(data, **parts))
    assert len(text.encode()) < 5_000_000


def test_baselines_and_networks_have_their_time_apart():
    board = pd.DataFrame(
        {
            "family": ["baseline", "statistical", "network", "statistical"],
            "seconds_fit": [0.0, 10.0, 30.0, np.nan],
            "seconds_predict": [0.1, 2.0, 1.5, np.nan],
        }
    )
    assert time_words(board, 120.0) == "baselines 12.1 s (each at most 120 s), networks 31.5 s"
    assert time_words(board, 60.0, "es") == "referencias 12,1 s (cada una hasta 60 s), redes 31,5 s"
    assert time_words(board[:2], None) == "baselines 12.1 s"
    limited = time_words(board, 60.0, network_budget=90.0)
    assert limited == "baselines 12.1 s (each at most 60 s), networks 31.5 s (each at most 90 s)"


@pytest.mark.parametrize(("file", "key"), [("verdict.json", "sentence"), ("verdict.json", "n_report_folds"),
                                           ("verdict.json", "use"), ("diagnostics.json", "by_step")])  # fmt: skip
def test_a_file_that_lacks_something_is_one_line(finished_run, tmp_path, capsys, file, key):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    found = json.loads((run / file).read_text())
    found.pop(key)
    (run / file).write_text(json.dumps(found))
    assert main(["report", str(run)]) == 2
    assert f"KeyError: '{key}'; a file of this run is damaged" in capsys.readouterr().err


def test_a_name_in_a_foreign_run_is_no_markup(finished_run):
    data = report_data(RunFolder.open(finished_run))
    odd = data.leaderboard.assign(model='"><img src=x>')
    assert "<img" not in render(dataclasses.replace(data, leaderboard=odd))


def test_counts_are_written_as_the_language_does(finished_run):
    data = report_data(RunFolder.open(finished_run), lang="es")
    profile = {**data.profile, "n_rows": 12345, "n_missing": 6789}
    page = render(dataclasses.replace(data, profile=profile))
    assert "12.345" in page
    assert "6.789" in page
    assert "12,345" not in page


def test_a_failed_model_is_named_in_the_language(finished_run):
    folder = RunFolder.open(finished_run)
    board, verdict = folder.table("leaderboard.csv"), folder.json("verdict.json")
    board.loc[len(board) - 1, ["status", "reason"]] = ["failed", "no reason"]
    assert any("falló: no reason" in line for line in leaderboard_lines(board, verdict, lang="es"))
    assert any("failed: no reason" in line for line in leaderboard_lines(board, verdict))
