"""Covariates from the command line to predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import forecastkit as fk
from forecastkit.cli import main
from tests.conftest import SMALL

N, AHEAD = 150, 8


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A history, its future, and newer rows."""
    rng = np.random.default_rng(1)
    index = pd.date_range("2024-01-01", periods=N + 20, freq="D")
    heat = rng.normal(20, 5, N + 20)
    parts = [
        pd.DataFrame({
            "shop": shop, "day": index, "sold": 50 + 10 * k + 2 * heat + rng.normal(0, 0.5, N + 20), "heat": heat,
            "visits": rng.poisson(30, N + 20), "kind": kind,
        })
        for k, (shop, kind) in enumerate((("a", "big"), ("b", "small")))
    ]  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    folder = tmp_path_factory.mktemp("files")
    cuts = {"history": index < index[N], "newer": index < index[N + 6]}
    for name, keep in cuts.items():
        table[np.tile(keep, 2)].to_csv(folder / f"{name}.csv", index=False)
    ahead = (index >= index[N]) & (index < index[N + 12])
    table[np.tile(ahead, 2)][["shop", "day", "heat"]].to_csv(folder / "future.csv", index=False)
    return {p.stem: p for p in folder.iterdir()}


WORDS = [
    "--target",
    "sold",
    "--item",
    "shop",
    "--known",
    "heat",
    "--past",
    "visits",
    "--static",
    "kind",
    "--models",
    "gru",
]
WORDS += [
    "--horizon",
    "5",
    "--quiet",
    "baselines=naive",
    "final=gru",
    *(f"models.gru.{k}={v}" for k, v in SMALL.items()),
]


@pytest.fixture(scope="module")
def run(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert (
        main(["fit", "--data", str(files["history"]), "--future", str(files["future"]), *WORDS, "--out", str(out)]) == 0
    )
    return out


def test_the_forecast_hangs_on_the_future(run, files):
    result = fk.load(run)
    first = result.forecast.set_index(["item_id", "timestamp"])["point"]
    future = pd.read_csv(files["future"])
    hotter = future.assign(heat=future["heat"] + 10)
    same = fk.predict(run, future=future).set_index(["item_id", "timestamp"])["point"]
    np.testing.assert_allclose(same.to_numpy(), first.to_numpy(), rtol=1e-9)
    assert not np.allclose(fk.predict(run, future=hotter)["point"], first.to_numpy())
    board = result.leaderboard.set_index("model")
    assert board.loc["naive", "note"] == "without covariates"
    assert not str(board.loc["gru", "note"]).startswith("without")


def test_a_future_that_is_too_short_names_the_instants(files, tmp_path, capsys):
    short = pd.read_csv(files["future"]).groupby("shop").head(3)
    short.to_csv(tmp_path / "short.csv", index=False)
    status = main(
        [
            "fit",
            "--data",
            str(files["history"]),
            "--future",
            str(tmp_path / "short.csv"),
            *WORDS,
            "--out",
            str(tmp_path / "r"),
        ]
    )
    said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert "heat" in said
    assert "2024-06-02" in said  # the first instant without a value: three days after the end of May
    assert "fk.future_frame" in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.assign(heat=f["heat"].where(f["day"] != "2024-06-01")), ["heat", "missing", "2024-06-01", "fk.future_frame"]),
        (lambda f: f.assign(day=f["day"] + " 00:00:00+02:00"), ["future", "times with a zone", "--tz"]),
        (lambda f: f.assign(heat="hot"), ["column 'heat'", "text", "numbers"]),
    ],
)  # fmt: skip
def test_a_future_that_does_not_fit_is_one_line(files, tmp_path, capsys, change, words):
    change(pd.read_csv(files["future"])).to_csv(tmp_path / "future.csv", index=False)
    options = ["--future", str(tmp_path / "future.csv"), *WORDS, "--out", str(tmp_path / "r")]
    assert main(["fit", "--data", str(files["history"]), *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in words:
        assert word in said


def test_predict_after_newer_rows_needs_their_future(run, files, capsys):
    assert main(["predict", str(run), "--data", str(files["newer"])]) == 0
    newer = capsys.readouterr().out.splitlines()
    assert newer[1].split(",")[2] == "2024-06-04"
    assert main(["predict", str(run), "--data", str(files["newer"]), "--future", str(files["future"])]) == 0
    assert capsys.readouterr().out.splitlines() == newer


def test_future_frame_has_the_rows_to_fill(run, files):
    rows = fk.future_frame(run)
    assert rows.columns.tolist() == ["shop", "day", "heat"]
    assert len(rows) == 10
    assert rows["heat"].notna().all()
    with pytest.raises(fk.ForecastkitError, match="at least 1"):
        fk.future_frame(run, 0)
    empty = fk.future_frame(files["history"], 3, target="sold", item="shop", known="heat")
    assert empty["heat"].isna().all()
    assert empty["day"].min() == pd.Timestamp("2024-05-30")


def test_a_backtest_needs_no_future(files, tmp_path):
    words = [w for w in WORDS if w != "final=gru"]
    assert main(["backtest", "--data", str(files["history"]), *words, "--out", str(tmp_path / "b")]) == 0


def test_a_column_that_does_not_exist_is_named(files, tmp_path, capsys):
    assert main(["fit", "--data", str(files["history"]), "--known", "heet", "--out", str(tmp_path / "x")]) == 2
    assert "Did you mean 'heat'?" in capsys.readouterr().err


def test_a_covariate_that_copies_the_next_target_is_remarked(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(0, 1, 300).cumsum()
    table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=300), "y": y, "tomorrow": np.r_[y[1:], y[-1]]})
    result = fk.backtest(
        table, {"gru": SMALL}, past="tomorrow", target="y", out=tmp_path / "r", overrides=["baselines=naive"]
    )
    assert any("Leak?" in note and "tomorrow" in note for note in result.facts["notes"])


def test_an_unknown_country_is_named(files, tmp_path, capsys):
    pytest.importorskip("holidays")
    assert main(["fit", "--data", str(files["history"]), "--holidays", "SP", *WORDS, "--out", str(tmp_path / "x")]) == 2
    assert "--holidays" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "said"), [
    (["--known", "sales"], "covariates sales; no numeric column is left to forecast. The target is no covariate of itself"),
    (["--target", "sales", "--past", "sales"], "--past: 'sales'; is the target. Keep one of the two."),
    (["--known", "date"], "column 'date': the only column of times is given as a covariate. Leave it out"),
    (["--known", "promo", "--past", "promo", "--target", "sales"], "--known: 'promo'; is given with --past as well."),
    (["--static", "promo", "--target", "sales"], "column 'promo', series 'series': 1.0 and 0.0; a static covariate has one value"),
])  # fmt: skip
def test_a_column_has_one_part(words, said, fresh_folder, capsys):
    rows = "".join(
        f"{d.date()},{50 + k % 7},{int(k % 3 == 0)}\n" for k, d in enumerate(pd.date_range("2024", periods=80))
    )
    Path("d.csv").write_text("date,sales,promo\n" + rows)
    if words == ["--known", "sales"]:
        Path("d.csv").write_text("date,sales\n" + "".join(r.rsplit(",", 1)[0] + "\n" for r in rows.splitlines()))
    assert main(["fit", "--data", "d.csv", "--horizon", "3", "--models", "naive", *words, "--out", "run"]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
