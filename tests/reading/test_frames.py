"""Frames in memory and typed files: never changed, read like the text they would be written as."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecastkit.errors import ConfigError, DataError
from forecastkit.reading import ReadOptions, as_frame, read
from forecastkit.reading.table import open_table


def panel(n: int = 30) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=n, freq="D")
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "store": np.repeat(["b", "a", "ñ"], n),
            "day": np.tile(days, 3),
            "sales": rng.normal(100, 10, 3 * n).round(3),
            "price": np.tile(np.arange(n) % 7 + 0.5, 3),
        }
    )


def fingerprint(source, **options) -> str:
    return read(source, ReadOptions(**{"target": "sales", "item": "store", **options})).profile.fingerprint


WRITERS = {
    "csv": lambda f, p: f.to_csv(p, index=False),
    "csv.gz": lambda f, p: f.to_csv(p, index=False, compression="gzip"),
    "csv.zip": lambda f, p: f.to_csv(p, index=False, compression="zip"),
    "csv.zst": lambda f, p: f.to_csv(p, index=False, compression="zstd"),
    "tsv": lambda f, p: f.to_csv(p, index=False, sep="\t", encoding="utf-16"),
    "de.csv": lambda f, p: f.to_csv(p, index=False, sep=";", decimal=",", encoding="cp1252"),
    "parquet": lambda f, p: f.to_parquet(p),
    "feather": lambda f, p: f.to_feather(p),
    "xlsx": lambda f, p: f.to_excel(p, index=False),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    frame = panel()
    path = tmp_path / f"x.{kind}"
    WRITERS[kind](frame, path)
    assert fingerprint(path) == fingerprint(frame)


FRAMES = {
    "pandas": lambda f: f,
    "pandas-indexed": lambda f: f.set_index("day"),
    "pandas-two-levels": lambda f: f.set_index(["store", "day"]),
    "pandas-strings": lambda f: f.assign(day=f["day"].dt.strftime("%Y-%m-%d")),
    "pandas-category": lambda f: f.assign(store=f["store"].astype("category")),
    "pandas-arrow-types": lambda f: f.convert_dtypes(dtype_backend="pyarrow"),
    "pandas-dates": lambda f: f.assign(day=f["day"].dt.date),
    "pandas-decimals": lambda f: f.assign(sales=[Decimal(repr(v)) for v in f["sales"]]),
    "pandas-objects": lambda f: f.assign(sales=f["sales"].astype(object)),
    "polars": lambda f: pl.from_pandas(f),
    "polars-lazy": lambda f: pl.from_pandas(f).lazy(),
    "arrow": lambda f: pa.Table.from_pandas(f, preserve_index=False),
    "arrow-batch": lambda f: pa.RecordBatch.from_pandas(f, preserve_index=False),
    "dict": lambda f: f.to_dict("list"),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_every_frame_gives_the_same_bytes(kind: str) -> None:
    frame = panel()
    assert fingerprint(FRAMES[kind](frame)) == fingerprint(frame)


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    frame = panel()
    sorted_one = fingerprint(frame)
    for seed in range(3):
        mixed = frame.sample(frac=1, random_state=seed)
        assert fingerprint(mixed) == sorted_one
        mixed.to_csv(tmp_path / "x.csv", index=False)
        assert fingerprint(tmp_path / "x.csv") == sorted_one
    assert fingerprint(frame[::-1]) == sorted_one
    assert fingerprint(frame.assign(sales=frame["sales"] + 1e-9)) != sorted_one


def test_the_callers_frames_are_unchanged() -> None:
    frame = panel().sample(frac=1, random_state=0)
    before = frame.copy(deep=True)
    read(frame, ReadOptions(target="sales", item="store", fill="forward"))
    pd.testing.assert_frame_equal(frame, before)
    polars = pl.from_pandas(before)
    read(polars, ReadOptions(target="sales", item="store"))
    assert polars.equals(pl.from_pandas(before))


def test_a_series_and_periods() -> None:
    series = pd.Series([1.0, 2.0, 3.0, 4.0], index=pd.period_range("2024-01", periods=4, freq="M"), name="sales")
    read_back = as_frame(series)
    assert read_back.calendar.freq == "MS"
    assert read_back.target_name == "sales"
    assert read_back.data["target"].tolist() == [1, 2, 3, 4]


def test_zoned_frames_keep_their_zone() -> None:
    hours = pd.date_range("2024-03-30 12:00", periods=48, freq="h", tz="Europe/Madrid")
    reading = read(pd.DataFrame({"t": hours, "y": np.arange(48.0)}))
    assert reading.profile.tz == "Europe/Madrid"
    assert reading.profile.freq == "h"
    assert reading.profile.n_gaps == 0
    assert (pd.DatetimeIndex(reading.frame.data["timestamp"]) == hours).all()


def test_integers_beyond_exact_are_noted() -> None:
    frame = pd.DataFrame({"t": [1, 2, 3], "y": [2**53 + 1, 5, 6]})
    assert any("beyond 2**53" in n.text for n in read(frame).profile.notes)


def test_large_csv_integers_beyond_exact_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,y\n" + "".join(f"{k},{k}\n" for k in range(20_000)) + "20000,9007199254740993\n")
    assert any("1 integer beyond 2**53" in n.text for n in read(path).profile.notes)


def test_missing_kinds_of_pandas() -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=5), "y": pd.array([1, None, 3, 4, 5], "Int64")})
    reading = read(frame)
    assert np.isnan(reading.frame.data["target"][1])
    assert reading.profile.n_missing == 1


BAD_FRAMES = {
    "empty": (pd.DataFrame({"t": [], "y": []}), "no rows"),
    "no-columns": (pd.DataFrame(index=range(3)), "no"),
    "complex": (pd.DataFrame({"t": [1, 2, 3], "y": [1j, 2, 3]}), "complex"),
    "twins": (pd.DataFrame([[1, 2, 3]] * 4, columns=["t", "y", "y"]), "two columns 'y'"),
    "words": (pd.DataFrame({"t": [1, 2, 3], "y": ["a", "b", "c"]}), "no numeric column"),
    "infinite": (pd.DataFrame({"t": [1, 2, 3], "y": [1.0, np.inf, 2.0]}), "finite"),
    "lists": (pd.DataFrame({"t": [1, 2, 3], "y": [[1], [2], [3]]}), "no numeric column"),
    "uneven": (
        {"t": [1, 2], "y": [1]},
        "ValueError: All arrays must be of the same length; no frame can be made of it",
    ),
    "unlazy": (pl.LazyFrame({"t": [1], "y": [1]}).select("z"), "ColumnNotFoundError"),
    "number": (5, "not a path or a frame"),
    "none": (None, "not a path or a frame"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_are_refused(name: str) -> None:
    source, words = BAD_FRAMES[name]
    with pytest.raises(DataError) as caught:
        read(source)
    assert words in str(caught.value)
    assert caught.value.remedy


def excel(path: Path, *rows, more=()) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(list(row))
    for name, cells in more:
        book.create_sheet(name).append(cells)
    book.save(path)
    return path


def test_excel_cells_of_many_kinds(tmp_path: Path) -> None:
    days = [dt.datetime(2024, 1, k) for k in range(1, 6)]
    cells = [1, 2.5, None, "n/a", "3.25"]
    path = excel(tmp_path / "x.xlsx", ["Sales of the shop"], [], ["day", "sales", "open"],
                 *[[d, c, True] for d, c in zip(days, cells)])  # fmt: skip
    reading = read(path)
    np.testing.assert_array_equal(reading.frame.data["target"], [1.0, 2.5, np.nan, np.nan, 3.25])
    assert reading.profile.dialect["sheet"] == "Sheet"
    assert reading.profile.dialect["lines_skipped"] == 2


def test_excel_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = excel(tmp_path / "x.xlsx", ["t", "y", "y", "y_2"], *[[k, k + 1, k + 2, k + 3] for k in range(8)])
    reading = read(path, ReadOptions(target="y"))
    assert reading.profile.columns == ("t", "y", "y_2", "y_2_2")
    assert any("two columns are called 'y'; the second is y_2" in note.text for note in reading.profile.notes)


def test_excel_errors_name_sheet_and_row(tmp_path: Path) -> None:
    path = excel(tmp_path / "x.xlsx", ["t", "y"], *[[k, "closed" if k == 3 else k] for k in range(8)])
    with pytest.raises(DataError, match=r"x\.xlsx \[Sheet\], row 5, column 'y': 'closed'"):
        read(path, ReadOptions(target="y"))


def test_excel_without_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sheet has rows"):
        read(excel(tmp_path / "x.xlsx"))


def test_text_numbers_of_frames_need_a_proof() -> None:
    frame = pd.DataFrame({"t": [1, 2, 3, 4], "y": ["1,234", "5,678", "9,012", "3,456"]})
    with pytest.raises(DataError, match=r"ambiguous: 1234 \(thousands\) or 1.234 \(decimal comma\)"):
        read(frame)
    assert as_frame(frame, decimal=",").data["target"].tolist() == [1.234, 5.678, 9.012, 3.456]
    assert as_frame(frame, decimal=".").data["target"].tolist() == [1234, 5678, 9012, 3456]


def test_parquet_reads_only_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    original = pq.read_table
    monkeypatch.setattr(
        pq, "read_table", lambda path, columns: asked.append(columns) or original(path, columns=columns)
    )
    frame = pd.DataFrame({"t": range(50), "y": np.arange(50.0), **{f"c{k} x": 1.0 for k in range(500)}})
    frame.to_parquet(tmp_path / "x.parquet")
    read(tmp_path / "x.parquet", ReadOptions(target="y"))
    assert asked == [["y", "t"]]


def test_csv_of_many_columns_loads_only_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pd.DataFrame({"t": range(50), "y": np.arange(50.0), **{f"c{k} x": 1.0 for k in range(5000)}}).to_csv(
        path, index=False
    )
    table = open_table(path, ReadOptions())
    assert set(table.load({"y": "number", "t": "time"})) == {"y", "t"}
    assert as_frame(path, target="y").data["target"].tolist() == list(range(50))


def test_covariates_pass_the_border(tmp_path: Path) -> None:
    frame = panel()
    reading = read(frame, ReadOptions(target="sales", item="store", known=("price",)))
    assert reading.frame.known == ("price",)
    assert reading.frame.data["price"].tolist() == frame.sort_values(["store", "day"])["price"].tolist()


def test_a_checked_frame_passes_again() -> None:
    reading = read(panel(), ReadOptions(target="sales", item="store"))
    again = read(reading.frame)
    assert again.frame is reading.frame
    assert again.profile.fingerprint == reading.profile.fingerprint
    assert as_frame(reading.frame) is reading.frame


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_large_files_like_small_ones(ending: str, mark: bytes, tmp_path: Path) -> None:
    n = 5000
    hours = pd.date_range("2024-01-01", periods=n, freq="h").strftime("%Y-%m-%d %H:%M")
    text = f"t,y{ending}" + ending.join(f"{h},{k}" for k, h in enumerate(hours)) + ending
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(mark + text.encode()))
    reading = read(tmp_path / "x.csv.gz")
    assert reading.profile.freq == "h"
    assert reading.frame.data["target"].tolist() == list(range(n))


def test_late_trouble_is_named_with_its_line(tmp_path: Path) -> None:
    lines = [f"{k},{k}" for k in range(30_000)]
    for at, cell, words in ((25_000, "x", "'x'"), (29_999, "1e300", "1e150"), (20_000, "3;4", "'3;4'")):
        changed = [*lines[:at], f"{at},{cell}", *lines[at + 1 :]]
        (tmp_path / "x.csv").write_text("t,y\n" + "\n".join(changed) + "\n")
        with pytest.raises(DataError) as caught:
            read(tmp_path / "x.csv")
        assert f"x.csv, line {at + 2}, column 'y'" in str(caught.value)
        assert words in str(caught.value)


def test_late_wide_row_is_named_with_its_line(tmp_path: Path) -> None:
    lines = [f"{k},{k}" for k in range(30_000)]
    lines[27_000] += ",5"
    (tmp_path / "x.csv").write_text("t,y\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"x\.csv, line 27002: 3 cells; there are 2 columns"):
        read(tmp_path / "x.csv")


def test_late_thousands_need_a_proof(tmp_path: Path) -> None:
    lines = [f"{k};{k % 900}" for k in range(30_000)]
    lines[27_000] = "27000;1,234"
    (tmp_path / "x.csv").write_text("t;y\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"line 27002, column 'y': '1,234'; ambiguous"):
        read(tmp_path / "x.csv")


@pytest.mark.parametrize("word", ['"ok"', "ok"])
def test_late_open_quote_is_named(word: str, tmp_path: Path) -> None:
    # Two stray quotes hide the rows between them from every lenient parser.
    lines = [f"{k},{k},{word}" for k in range(60_000)]
    lines[27_000] = '27000,27000,"not ok'
    (tmp_path / "x.csv").write_text("t,y,remark\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"x\.csv, line 270\d\d: .*quote"):
        read(tmp_path / "x.csv")
    lines[28_000] = '28000,28000,not ok"'
    (tmp_path / "x.csv").write_text("t,y,remark\n" + "\n".join(lines))
    with pytest.raises(DataError, match=r"x\.csv, line 270\d\d: .*quote"):
        read(tmp_path / "x.csv")


def test_polars_feather_files(tmp_path: Path) -> None:
    pl.from_pandas(panel()).write_ipc(tmp_path / "x.arrow")
    assert fingerprint(tmp_path / "x.arrow") == fingerprint(panel())


@pytest.mark.parametrize(
    ("how", "y", "heat", "word"), [("first", 1, 5, "a"), ("last", 2, 6, "b"), ("mean", 1.5, 5.5, "a")]
)
def test_covariates_come_from_the_row_that_is_kept(how: str, y: float, heat: float, word: str) -> None:
    days = pd.date_range("2024-01-01", periods=9)
    one, two = (pd.DataFrame({"t": days, "y": k, "heat": k + 4, "word": w}) for k, w in ((1, "a"), (2, "b")))
    frame = as_frame(pd.concat([one, two]), target="y", duplicates=how, past=["heat", "word"])
    assert frame.data.iloc[0][["target", "heat", "word"]].tolist() == [y, heat, word]


def test_a_covariate_is_no_second_target() -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=9), "y": 1.0, "target": 2.0})
    with pytest.raises(ConfigError, match="column 'target': a covariate is not called item_id, timestamp or target"):
        read(frame, ReadOptions(target="y", past=("target",)))
    with pytest.raises(ConfigError, match="column 'target'"):
        read(frame, ReadOptions(target="y,target", joint=True))
    assert as_frame(frame, target="y,target").items == ("target", "y")


def test_a_nan_among_the_times_does_not_change_the_others() -> None:
    years = [1959 + k / 12 for k in range(24)]
    whole = pa.table({"year": years, "y": [float(k) for k in range(24)]})
    holed = pa.table({"year": [*years, np.nan], "y": [float(k) for k in range(25)]})
    assert as_frame(holed).data.equals(as_frame(whole).data)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,y\n1,2\n")

    def refused(self: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DataError, match=r"Permission denied; cannot be read\. Check its permissions"):
        read(path)


@pytest.mark.parametrize("frame", [{"\ud800": ["a"] * 4}, {"name": ["\ud800"] * 4}, {"name": ["\ud800", 1, 2, 3]}])
def test_text_that_no_file_can_hold_is_one_line(frame: dict) -> None:
    with pytest.raises(DataError, match="not text that can be written"):
        read(pd.DataFrame({"t": range(4), "y": 1.0} | frame))


@pytest.mark.parametrize(
    ("name", "value"), [("target", 5), ("sep", 7), ("freq", 7), ("known", 7), ("item", ["a"]), ("season_length", 2.5)]
)
def test_arguments_of_another_type_are_one_line(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"reading, {name}: .*; Input should be a valid .*ReadOptions"):
        as_frame(pd.DataFrame({"t": range(4), "y": 1.0}), **{name: value})


def test_a_column_given_twice_is_one_covariate() -> None:
    frame = as_frame(pd.DataFrame({"t": range(4), "y": 1.0, "heat": 2.0}), target="y", known=["heat", "heat"])
    assert frame.known == ("heat",)


@pytest.mark.parametrize(
    "cells",
    [[1.0, np.inf, 2.0, 3.0], [1.5, 1e200, 2.0, 3.0], ["1,234", "2,345", "1,111", "3,333"], ["1", "inf", "2", "3"]],
)
def test_numbers_that_cannot_be_read_do_not_become_words(cells: list) -> None:
    frame = pd.DataFrame({"t": range(4), "y": 1.0, "heat": cells})
    with pytest.raises(DataError, match=r"column 'heat': .*(finite|ambiguous)"):
        as_frame(frame, target="y", past="heat")
    assert as_frame(frame.assign(heat=["a", "1,234", "b", "inf"]), target="y", past="heat").data["heat"][0] == "a"


def test_polars_categories_may_be_times() -> None:
    frame = pl.DataFrame({"t": ["2024-01-01", "2024-01-02", "2024-01-03"], "y": [1, 2, 3]})
    assert as_frame(frame.with_columns(pl.col("t").cast(pl.Categorical))).calendar.freq == "D"


@pytest.mark.parametrize(("zone", "first"), [("UTC-03:30", "-03:30"), ("+02:00", "+02:00"), ("UTC+05:30", "+05:30")])
def test_fixed_offsets_are_shown_as_they_are(zone: str, first: str) -> None:
    frame = as_frame(pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "y": 1.0}), tz=zone)
    assert frame.calendar.instants[0].isoformat() == f"2024-01-01T00:00:00{first}"
    with pytest.raises(ConfigError, match=r"--tz: 'UTC-0330'; no such time zone.*or UTC\+05:30"):
        as_frame(pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4), "y": 1.0}), tz="UTC-0330")


@pytest.mark.parametrize("zone", ["+05:30", "+0530"])
def test_offsets_of_arrow_are_shown_as_they_are(zone: str) -> None:
    days = pa.array(pd.date_range("2024-01-01", periods=4).asi8 // 1000, pa.timestamp("us", zone))
    assert (
        as_frame(pa.table({"t": days, "y": [1, 2, 3, 4]})).calendar.instants[0].isoformat()
        == "2024-01-01T05:30:00+05:30"
    )


def test_columns_named_twice_in_an_option_count_once() -> None:
    frame = pd.DataFrame({"s": ["a", "b"] * 4, "t": np.repeat(range(4), 2), "y": 1.0})
    assert as_frame(frame, time="t,t", item="s,s", target="y,y").items == ("a", "b")
    with pytest.raises(ConfigError, match="--item: 'y'; is the target"):
        as_frame(frame, item="y", target="y")
