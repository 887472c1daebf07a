"""The table of nasty files: each is read exactly so, or refused with exactly this."""

from __future__ import annotations

import ast
import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import forecastkit.reading
from forecastkit.errors import ForecastkitError
from forecastkit.reading import ReadOptions, read

from .cases import Bad, Case, Good, assert_read, assert_refused, bad, bad_name, bad_option

DAYS = [f"2024-01-0{k}" for k in range(1, 6)]
VALUES: list[float | None] = [10.5, 11.25, 9.0, 12.75, 13.5]
PLAIN = "date,y\n" + "".join(f"{d},{v}\n" for d, v in zip(DAYS, VALUES))
SAME = Good(VALUES, DAYS)
ROWS = [10.0, 11.0, 9.0, 12.0, 13.0]


def lines(times, values=None, sep=",", header="date,y"):
    values = values if values is not None else [10 + k for k in range(len(times))]
    return (header.replace(",", sep) + "\n" if header else "") + "".join(
        f"{t}{sep}{v}\n" for t, v in zip(times, values)
    )


def counted(n):
    return [float(10 + k) for k in range(n)]


def timed(cells, times, freq, header="date,y", **more):
    """Times in ``cells``, the values 10, 11, 12, ... beside them."""
    return lines(cells, header=header), Good(counted(len(cells)), times, freq, **more)


def dates(start, n, freq):
    return [str(t) for t in pd.date_range(start, periods=n, freq=freq)]


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, PLAIN)
    return out.getvalue()


def parquet(path: Path) -> None:
    pd.DataFrame({"date": pd.to_datetime(DAYS), "y": VALUES}).to_parquet(path)


def feather(path: Path) -> None:
    pd.DataFrame({"date": pd.to_datetime(DAYS), "y": VALUES}).to_feather(path)


def sheet(*rows, title="Sheet"):
    def write(path: Path) -> None:
        import openpyxl

        book = openpyxl.Workbook()
        book.active.title = title
        for row in rows:
            book.active.append(row)
        book.save(path)

    return write


EURO = lines(DAYS, ["10,5", "11,25", "9", "12,75", "13,5"], ";")
EURO_QUOTED = lines([f'"{d}"' for d in DAYS], ['"10,5"', '"11,25"', '"9"', '"12,75"', '"13,5"'])
BIG = ["1,210.50", "1,311.25", "900", "1,412.75", "12,513.5"]
BIG_VALUES: list[float | None] = [1210.5, 1311.25, 900.0, 1412.75, 12513.5]

FORMATS = [
    Case("plain", PLAIN, Good(VALUES, DAYS, facts={"dialect.separator": ",", "dialect.encoding": "utf-8"}, silent=True)),
    Case("semicolon", PLAIN.replace(",", ";"), Good(VALUES, DAYS, facts={"dialect.separator": ";"})),
    Case("tab", PLAIN.replace(",", "\t"), Good(VALUES, DAYS, facts={"dialect.separator": "tab"})),
    Case("pipe", PLAIN.replace(",", "|"), SAME),
    Case("ampersand", PLAIN.replace(",", "&"), SAME),
    Case("one-blank", PLAIN.replace(",", " "), Good(VALUES, DAYS, facts={"dialect.separator": "whitespace"})),
    Case("aligned-blanks", PLAIN.replace(",", "     "), SAME),
    Case("odd-separator-given", PLAIN.replace(",", "~"), SAME, {"sep": "~"}),
    Case("blanks-around-separator", PLAIN.replace(",", " , "), SAME),
    Case("decimal-comma", EURO, Good(VALUES, DAYS, facts={"dialect.decimal": ","}, silent=True)),
    Case("decimal-comma-quoted", EURO_QUOTED, Good(VALUES, DAYS, facts={"dialect.decimal": ","})),
    Case("decimal-comma-given", lines(DAYS, ["1,234", "5,678", "2,345", "1,111", "9,999"], ";"),
         Good([1.234, 5.678, 2.345, 1.111, 9.999], DAYS), {"decimal": ","}),
    Case("thousands-comma-given", lines(DAYS, ["1,234", "5,678", "2,345", "1,111", "9,999"], ";"),
         Good([1234.0, 5678.0, 2345.0, 1111.0, 9999.0], DAYS), {"decimal": "."}),
    Case("thousands-or-decimal", lines(DAYS, ["1,234", "5,678", "2,345", "1,111", "9,999"], ";"),
         bad("nasty.csv", "'y'", "1,234", "1234", "1.234", "--decimal")),
    Case("thousands-comma", lines(DAYS, [f'"{v}"' for v in BIG]), Good(BIG_VALUES, DAYS)),
    Case("thousands-dot", lines(DAYS, ["1.210,50", "1.311,25", "900", "1.412,75", "12.513,5"], ";"), Good(BIG_VALUES, DAYS)),
    Case("thousands-dots-only", lines(DAYS, ["1.234.567", "1.311.000", "2.000.000", "1.412.750", "9.999.999"], ";"),
         Good([1234567.0, 1311000.0, 2e6, 1412750.0, 9999999.0], DAYS)),
    Case("thousands-blank", lines(DAYS, [v.replace(",", " ") for v in BIG], ";"), Good(BIG_VALUES, DAYS)),
    Case("thousands-apostrophe", lines(DAYS, [v.replace(",", "'") for v in BIG]), Good(BIG_VALUES, DAYS)),
    Case("thousands-no-break-space", lines(DAYS, [v.replace(",", "\u00a0") for v in BIG]), Good(BIG_VALUES, DAYS)),
    Case("thousands-narrow-space", lines(DAYS, [v.replace(",", "\u202f").replace(".", ",") for v in BIG], ";"),
         Good(BIG_VALUES, DAYS)),
    Case("thousands-indian", lines(DAYS, [f'"{v}"' for v in ("12,34,567.5", "1,00,000", "5", "7", "9")]),
         Good([1234567.5, 100000.0, 5.0, 7.0, 9.0], DAYS)),
    Case("all-quoted", "".join(",".join(f'"{c}"' for c in row.split(",")) + "\n" for row in PLAIN.splitlines()), SAME),
    Case("separator-in-quotes", lines([f'"Madrid, Centro",{d}' for d in DAYS], VALUES, header="store,date,y"),
         Good({"series": VALUES}, DAYS)),
    Case("semicolons-with-commas-in-text", lines([f"a,b;{d}" for d in DAYS], VALUES, ";", header="store,date,y"), SAME),
    Case("line-end-in-quotes", 'date,y,remark\n' + "".join(f'{d},{v},"two\nlines"\n' for d, v in zip(DAYS, VALUES)), SAME),
    Case("name-with-line-end", '"date","net\nsales"\n' + "".join(f"{d},{v}\n" for d, v in zip(DAYS, VALUES)),
         Good(VALUES, DAYS, facts={"target": "net sales"})),
    Case("utf8-mark", b"\xef\xbb\xbf" + PLAIN.encode(), Good(VALUES, DAYS, facts={"time": "date"})),
    Case("utf16-little", b"\xff\xfe" + PLAIN.encode("utf-16-le"), Good(VALUES, DAYS, facts={"dialect.encoding": "utf-16"})),
    Case("utf16-big", b"\xfe\xff" + PLAIN.encode("utf-16-be"), SAME),
    Case("utf16-without-mark", PLAIN.encode("utf-16-le"), Good(VALUES, DAYS, facts={"dialect.encoding": "utf-16-le"})),
    Case("utf32", PLAIN.encode("utf-32"), SAME),
    Case("cp1252", lines([f"{d};{i}" for i in ("Peña", "Zürich") for d in DAYS], ROWS + ROWS, ";", "date;tienda;y").encode("cp1252"),
         Good({"Peña": ROWS, "Zürich": ROWS}, facts={"dialect.encoding": "cp1252"})),
    Case("encoding-given", lines([f"{d};{i}" for i in ("Łódź", "Kraków") for d in DAYS], ROWS + ROWS, ";", "date;city;y").encode("cp1250"),
         Good({"Łódź": ROWS, "Kraków": ROWS}), {"encoding": "cp1250"}),
    Case("crlf", PLAIN.replace("\n", "\r\n"), SAME),
    Case("cr-only", PLAIN.replace("\n", "\r"), SAME),
    Case("line-ends-mixed", PLAIN.replace("\n", "\r\n", 3), SAME),
    Case("no-last-line-end", PLAIN.rstrip("\n"), SAME),
    Case("blank-lines", PLAIN.replace("\n", "\n\n") + "\n\n\n", SAME),
    Case("comment-lines", "# made by a machine\n# v2\n" + PLAIN.replace("2024-01-03", "# broken here\n2024-01-03"), SAME),
    Case("commented-header", "# date,y\n" + PLAIN.split("\n", 1)[1], Good(VALUES, DAYS, facts={"target": "y"})),
    Case("preamble", "Sales report\nPrinted on Monday\n\n" + PLAIN, Good(VALUES, DAYS, facts={"dialect.lines_skipped": 3})),
    Case("preamble-with-commas", "Report, final\n" + PLAIN, SAME, {"skip_rows": 1}),
    Case("excel-sep-line", "sep=;\n" + PLAIN.replace(",", ";"), SAME),
    Case("no-header", PLAIN.split("\n", 1)[1], Good(VALUES, DAYS, facts={"columns": ("column_1", "column_2")})),
    Case("trailing-separators", PLAIN.replace("\n", ",\n"), SAME),
    Case("index-without-name", "".join(f"{'' if k == 0 else k - 1},{r}\n" for k, r in enumerate(PLAIN.splitlines())), SAME),
    Case("row-names-of-r", "date y\n" + "".join(f"{k + 1} {d} {v}\n" for k, (d, v) in enumerate(zip(DAYS, VALUES))), SAME),
    Case("two-columns-of-one-name", "date,y,y\n" + "".join(f"{d},{v},1\n" for d, v in zip(DAYS, VALUES)),
         Good(VALUES, DAYS, notes=("two columns are called 'y'",))),
    Case("short-last-row", PLAIN + "2024-01-06\n2024-01-07,14\n", Good([*VALUES, None, 14.0], [*DAYS, "2024-01-06", "2024-01-07"])),
    Case("blanks-around-quotes", '"date" , "y"\n' + "".join(f'"{d}" , "{v}"\n' for d, v in zip(DAYS, VALUES)), SAME),
    Case("stray-inch-mark", "date,y,size\n" + "".join(f'{d},{v},5" pipe\n' for d, v in zip(DAYS, VALUES)), SAME),
    Case("zero-bytes-behind", PLAIN.encode() + b"\x00\x00", SAME),
    Case("zero-byte-inside", PLAIN.replace("9.0", "9\x00.0").encode(), bad("nasty.csv, line 4", "zero byte")),
    Case("comment-like-rows", "name,date,y\n" + "".join(f"#{i},{d},{v}\n" for i in "12" for d, v in zip(DAYS, ROWS)), Good({"#1": ROWS, "#2": ROWS})),
    Case("commented-row", PLAIN.replace("2024-01-03", "#2024-01-03") + "".join(f"2024-01-{k:02d},1\n" for k in range(6, 20)),
         Good([10.5, 11.25, None, 12.75, 13.5] + [1.0] * 14, notes=("1 line that begins with # (or %, //) taken for comments (nasty.csv, line 4)",))),
    Case("gzip", gzip.compress(PLAIN.encode()), Good(VALUES, DAYS, facts={"dialect.compression": "gzip"}), name="x.csv.gz"),
    Case("gzip-called-csv", gzip.compress(PLAIN.encode()), SAME),
    Case("zip", zipped("a.csv"), Good(VALUES, DAYS, facts={"dialect.compression": "zip"}), name="x.zip"),
    Case("zstd", pa.compress(PLAIN.encode(), "zstd", asbytes=True), Good(VALUES, DAYS, facts={"dialect.compression": "zstd"}), name="x.csv.zst"),
    Case("bzip2", bz2.compress(PLAIN.encode()), SAME, name="x.bz2"),
    Case("xz", lzma.compress(PLAIN.encode()), SAME, name="x.xz"),
    Case("parquet", parquet, Good(VALUES, DAYS, facts={"dialect.format": "parquet"}), name="x.parquet"),
    Case("parquet-called-csv", parquet, SAME),
    Case("feather", feather, Good(VALUES, DAYS, facts={"dialect.format": "feather"}), name="x.feather"),
    Case("excel", sheet(["date", "y"], *[[pd.Timestamp(d).to_pydatetime(), v] for d, v in zip(DAYS, VALUES)]),
         Good(VALUES, DAYS, facts={"dialect.format": "excel"}), name="x.xlsx"),
    Case("excel-with-title", sheet(["Report of sales"], [], ["date", "y"], *[[d, v] for d, v in zip(DAYS, VALUES)]), SAME, name="x.xlsx"),
    Case("empty", b"", bad("nasty.csv", "empty")),
    Case("blank-only", "\n \n\n", bad("nasty.csv", "empty")),
    Case("header-only", "date,y\n", bad("nasty.csv", "header and no rows")),
    Case("comments-only", "# a\n# b\n", bad("nasty.csv", "only comments")),
    Case("image", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, bad("nasty.csv", "not a text file")),
    Case("gzip-cut", gzip.compress(PLAIN.encode() * 50)[:-12], bad("nasty.csv", "damaged")),
    Case("parquet-cut", b"PAR1" + b"\x00" * 40, bad("damaged")),
    Case("excel-cut", b"PK\x03\x04" + b"\x00" * 40, bad("Excel"), name="x.xlsx"),
    Case("zip-of-two", zipped("a.csv", "b.csv"), bad("2 files inside", "one file"), name="x.zip"),
    Case("unknown-encoding", PLAIN, bad("--encoding", "no such encoding"), {"encoding": "utf-9"}),
    Case("encoding-of-no-text", PLAIN, bad("--encoding base64", "no such encoding"), {"encoding": "base64"}),
    Case("encoding-with-a-zero", PLAIN, bad("--encoding", "no such encoding"), {"encoding": "utf\0"}),
    Case("wrong-encoding", "date,y\n2024-01-01,ñ\n".encode("latin-1"), bad("not text in utf-8", "--encoding"), {"encoding": "utf-8"}),
    Case("row-too-wide", PLAIN.replace("9.0", "9,0"), bad("nasty.csv, line 4", "3 cells", "2 columns", "--decimal")),
    Case("open-quote", PLAIN.replace("2024-01-03", '"2024-01-03'), bad("nasty.csv, line 4", "quote")),
    Case("no-numbers", "date,word\n2024-01-01,a\n2024-01-02,b\n2024-01-03,c\n", bad("nasty.csv", "no numeric column", "--target")),
    Case("html", "<!DOCTYPE html>\n<html><body><p>Not found</p></body></html>\n", bad("nasty.csv", "HTML")),
    Case("json", '[{"date": "2024-01-01", "y": 1}, {"date": "2024-01-02", "y": 2}]\n', bad("nasty.csv", "JSON")),
    Case("skip-too-many", PLAIN, bad("--skip-rows", "6 lines"), {"skip_rows": 60}),
    Case("no-such-target", PLAIN.replace(",y", ",sales"), bad_name("--target", "'slaes'", "Did you mean 'sales'?"), {"target": "slaes"}),
    Case("no-such-time", PLAIN, bad_name("--time", "'dat'", "Did you mean 'date'?"), {"time": "dat"}),
    Case("no-such-item", PLAIN, bad_name("--item", "Choose from: date, y."), {"item": "store"}),
    Case("total-line-below", PLAIN + "Total,57\n", bad("nasty.csv, line 7", "'Total'", "Correct or remove the line")),
]  # fmt: skip

OFFSETS = ["2024-03-31T00:00+01:00", "2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"]
FIRST = dates("2024-01-01", 14, "D")
MONTHS = dates("2024-01-01", 5, "MS")

TIMES = [
    Case("iso-t", *timed([f"{d}T00:00:00" for d in DAYS], DAYS, "D")),
    Case("iso-z", *timed([f"{d}T06:00:00Z" for d in DAYS], [f"{d} 06:00" for d in DAYS], "D", tz="UTC")),
    Case("iso-basic", *timed([d.replace("-", "") for d in DAYS], DAYS, "D")),
    Case("iso-basic-clock", *timed([f"2024010{k}T0600" for k in range(1, 6)], [f"{d} 06:00" for d in DAYS], "D")),
    Case("iso-slashes", *timed([d.replace("-", "/") for d in DAYS], DAYS, "D")),
    Case("digits-with-hour", *timed([f"20240101{k:02d}" for k in range(5)], dates("2024-01-01", 5, "h"), "h")),
    Case("day-first-proved", *timed([f"{k:02d}/01/2024" for k in range(1, 15)], FIRST, "D")),
    Case("day-first-proved-late", *timed(
        [t.strftime("%d/%m/%Y") for t in pd.date_range("2024-01-01", periods=20, freq="D")], dates("2024-01-01", 20, "D"), "D")),
    Case("month-first-proved", *timed([f"01/{k:02d}/2024" for k in range(1, 15)], FIRST, "D")),
    Case("day-first-two-digits", *timed([f"{k}/1/24" for k in range(1, 15)], FIRST, "D", notes=("two-digit years",))),
    Case("month-first-two-digits", *timed([f"1/{k}/24" for k in range(1, 15)], FIRST, "D")),
    Case("two-digits-last-century", *timed([f"{k}/1/69" for k in range(1, 15)], dates("1969-01-01", 14, "D"), "D")),
    Case("year-first-two-digits", *timed([f"24/01/{k}" for k in range(13, 27)], dates("2024-01-13", 14, "D"), "D", notes=("year first",))),
    Case("year-first-proved", *timed([f"99-12-{k}" for k in range(13, 27)], dates("1999-12-13", 14, "D"), "D")),
    Case("day-first-two-years", *timed([t.strftime("%d/%m/%y") for t in pd.date_range("2022-03-05", periods=700)],
         dates("2022-03-05", 700, "D"), "D", silent=True)),
    Case("month-first-two-years", *timed([t.strftime("%m/%d/%y") for t in pd.date_range("2022-03-05", periods=700)],
         dates("2022-03-05", 700, "D"), "D", silent=True)),
    Case("dots-day-first", *timed([f"0{k}.02.2024" for k in range(1, 6)], dates("2024-02-01", 5, "D"), "D", notes=("day first",))),
    Case("day-or-month", lines([f"0{k}/02/2024" for k in range(1, 6)]),
         bad("nasty.csv, line 2", "'date'", "ambiguous", "2024-02-01", "2024-01-02", "--date-format")),
    Case("day-or-month-and-clock", lines([f"0{k}/02/2024 9:30 pm" for k in range(1, 6)]),
         bad("ambiguous", "--date-format '%d/%m/%Y %I:%M %p' or '%m/%d/%Y %I:%M %p'")),
    Case("clock-then-day-or-month", lines([f"09:30 0{k}/02/2024" for k in range(1, 6)]), bad("--date-format '%H:%M %d/%m/%Y' or")),
    Case("format-says-the-hour-twice", PLAIN, bad_option("--date-format", "repeated directive %I"), {"date_format": "%Y-%m-%d %H:%I"}),
    Case("format-says-the-year-twice", PLAIN, bad_option("--date-format", "repeated directive %Y"), {"date_format": "%y-%m-%d %Y"}),
    Case("day-or-month-two-digits", lines([f"0{k}/02/03" for k in range(1, 6)]),
         bad("ambiguous", "2003-02-01", "2003-01-02", "--date-format")),
    Case("format-given", *timed([f"0{k}/02/2024" for k in range(1, 6)], dates("2024-02-01", 5, "D"), "D"), {"date_format": "%d/%m/%Y"}),
    Case("format-given-month-first", *timed([f"02/0{k}/2024" for k in range(1, 6)], dates("2024-02-01", 5, "D"), "D"),
         {"date_format": "MM/DD/YYYY"}),
    Case("english-month-day-year", *timed([f'"Jan {k}, 2024"' for k in range(1, 6)], DAYS, "D")),
    Case("english-unquoted", lines([f"Jan {k}, 2024" for k in range(1, 6)]), bad("nasty.csv, line 2", "hold the separator", "Quote")),
    Case("english-day-month-year", *timed([f"{k} January 2024" for k in range(1, 6)], DAYS, "D")),
    Case("ordinals", *timed(["1st Jan 2024", "2nd Jan 2024", "3rd Jan 2024", "4th Jan 2024"], DAYS[:4], "D")),
    Case("day-mon-two-digits", *timed([f"{k:02d}-Jan-24" for k in range(1, 6)], DAYS, "D")),
    Case("weekday-before", *timed([pd.Timestamp(d).strftime("%a, %d %b %Y") for d in DAYS], DAYS, "D")),
    Case("spanish", *timed([f"{k} de enero de 2024" for k in range(1, 6)], DAYS, "D")),
    Case("german", *timed([f"{k}. März 2024" for k in range(1, 6)], dates("2024-03-01", 5, "D"), "D")),
    Case("french", *timed([f"{k} févr. 2024" for k in range(1, 6)], dates("2024-02-01", 5, "D"), "D")),
    Case("month-year", *timed(["Jan-24", "Feb-24", "Mar-24", "Apr-24", "May-24"], MONTHS, "MS")),
    Case("month-year-long", *timed(["January 2024", "February 2024", "March 2024", "April 2024"], MONTHS[:4], "MS")),
    Case("year-month", *timed(["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"], MONTHS, "MS")),
    Case("yyyymm", *timed(["202401", "202402", "202403", "202404", "202405"], MONTHS, "MS")),
    Case("year-m-month", *timed(["2024M01", "2024M02", "2024M03", "2024M04"], MONTHS[:4], "MS")),
    Case("epoch-seconds", *timed([1704067200 + 3600 * k for k in range(5)], dates("2024-01-01", 5, "h"), "h", tz="UTC")),
    Case("epoch-milliseconds", *timed([1704067200000 + 60_000 * k for k in range(5)], dates("2024-01-01", 5, "min"), "min", tz="UTC")),
    Case("epoch-microseconds", *timed([1704067200000000 + 10**6 * k for k in range(5)], dates("2024-01-01", 5, "s"), "s", tz="UTC")),
    Case("epoch-nanoseconds", *timed([(1704067200 + k) * 10**9 for k in range(5)], dates("2024-01-01", 5, "s"), "s", tz="UTC")),
    Case("epoch-floats", *timed([f"{1704067200 + 60 * k}.0" for k in range(5)], dates("2024-01-01", 5, "min"), "min", tz="UTC")),
    Case("epoch-float-fractions", *timed([f"{1704067200 + k / 2:.1f}" for k in range(5)], dates("2024-01-01", 5, "500ms"), "500ms", tz="UTC")),
    Case("epoch-exponent", *timed(["1.7040672e9", "1.7040708e9", "1.7040744e9", "1.7040780e9"], dates("2024-01-01", 4, "h"), "h", tz="UTC")),
    Case("spreadsheet-serials", *timed([45292 + k for k in range(5)], DAYS, "D", notes=("1899-12-30",))),
    Case("spreadsheet-serials-with-clock", *timed([f"{45292 + k / 4}" for k in range(5)], dates("2024-01-01", 5, "6h"), "6h")),
    Case("iso-weeks", *timed(["2024-W01", "2024-W02", "2024-W03", "2024-W04"], dates("2024-01-01", 4, "7D"), "W-MON")),
    Case("iso-weeks-across-years", *timed(["2020-W52", "2020-W53", "2021-W01", "2021-W02"], dates("2020-12-21", 4, "7D"), "W-MON")),
    Case("iso-week-days", *timed(["2024-W01-1", "2024-W01-2", "2024-W01-3", "2024-W01-4"], DAYS[:4], "D")),
    Case("quarters", *timed(["1990Q1", "1990Q2", "1990Q3", "1990Q4", "1991Q1"], dates("1990-01-01", 5, "QS"), "QS")),
    Case("quarters-first", *timed(["Q1 1990", "Q2 1990", "Q3 1990", "Q4 1990"], dates("1990-01-01", 4, "QS"), "QS")),
    Case("quarters-dashed", *timed(["1990-Q1", "1990-Q2", "1990-Q3", "1990-Q4"], dates("1990-01-01", 4, "QS"), "QS")),
    Case("years", *timed([1990, 1991, 1992, 1993], dates("1990-01-01", 4, "YS"), "YS", "year,y")),
    Case("decimal-years", *timed([f"{1959 + k / 12:.3f}" for k in range(5)], dates("1959-01-01", 5, "MS"), "MS", "time,y")),
    Case("decimal-years-quarters", *timed([f"{1959 + k / 4:.2f}" for k in range(5)], dates("1959-01-01", 5, "QS"), "QS", "date,y")),
    Case("day-of-year", *timed(["2024-001", "2024-002", "2024-003", "2024-004"], DAYS[:4], "D")),
    Case("date-and-clock", *timed([f"2024-01-01,{k:02d}:00" for k in range(5)], dates("2024-01-01", 5, "h"), "h", "date,time,y")),
    Case("date-and-clock-pm", *timed([f"1/13/2024,{h}:00 {p}" for h, p in ((11, "AM"), (12, "PM"), (1, "PM"), (2, "PM"))],
         dates("2024-01-13 11:00", 4, "h"), "h", "date,time,y")),
    Case("four-columns", *timed([f"2024,1,1,{k}" for k in range(5)], dates("2024-01-01", 5, "h"), "h", "year,month,day,hour,y")),
    Case("three-columns", *timed([f"2024,1,{k}" for k in range(1, 6)], DAYS, "D", "year,month,day,y")),
    Case("two-columns", *timed([f"2024,{k}" for k in range(1, 6)], MONTHS, "MS", "year,month,y")),
    Case("columns-asked", *timed([f"1,2024,{k}" for k in range(1, 6)], MONTHS, "MS", "a,b,c,y"), {"time": "b,c"}),
    Case("am-pm", *timed(["01/13/2024 11:00 PM", "01/14/2024 12:00 AM", "01/14/2024 1:00 AM", "01/14/2024 2:00 AM"],
         dates("2024-01-13 23:00", 4, "h"), "h")),
    Case("midnight-24", *timed(["2024-01-01 22:00", "2024-01-01 23:00", "2024-01-01 24:00", "2024-01-02 01:00"],
         dates("2024-01-01 22:00", 4, "h"), "h")),
    Case("fractions", *timed([f"2024-01-01 00:00:00.{k}00" for k in range(5)], dates("2024-01-01", 5, "100ms"), "100ms")),
    Case("fractions-comma", lines([f"2024-01-01 00:00:00,{k}00" for k in range(5)], sep=";"),
         Good(counted(5), dates("2024-01-01", 5, "100ms"), "100ms")),
    Case("clock-first", *timed([f"0{k}:00 13/01/2024" for k in range(5)], dates("2024-01-13", 5, "h"), "h")),
    Case("ctime", *timed(["Mon Jan  1 00:00:00 2024", "Mon Jan  1 01:00:00 2024", "Mon Jan  1 02:00:00 2024"], dates("2024-01-01", 3, "h"), "h")),
    Case("fixed-offset", *timed([f"{d}T00:00:00+02:00" for d in DAYS], DAYS, "D", tz="UTC+02:00")),
    Case("mixed-offsets", *timed(OFFSETS, ["2024-03-30 23:00", "2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 02:00"], "h",
         tz="UTC", notes=("offsets differ",))),
    Case("mixed-offsets-zone", *timed(OFFSETS, OFFSETS, "h", tz="Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("mixed-offsets-daily", *timed(["2024-03-30T00:00+01:00", "2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00", "2024-04-02T00:00+02:00"],
         ["2024-03-30", "2024-03-31", "2024-04-01", "2024-04-02"], "D", tz="Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("named-zone", *timed([f"{d}T00:00+01:00[Europe/Madrid]" for d in DAYS], DAYS, "D", tz="Europe/Madrid")),
    Case("local-times-zone", *timed(["2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 03:00", "2024-03-31 04:00"], OFFSETS, "h",
         tz="Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("local-autumn-twice", *timed(["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"],
         ["2024-10-27T01:00+02:00", "2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00", "2024-10-27T03:00+01:00"], "h",
         tz="Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("year-1600", *timed(["1600-01-01", "1600-01-02", "1600-01-03", "1600-01-04"], None, "D", facts={"start": "1600-01-01"})),
    Case("year-2190", *timed(["2190-01-01", "2190-02-01", "2190-03-01", "2190-04-01"], None, "MS", facts={"end": "2190-04-01"})),
    Case("across-six-centuries", *timed([f"{y}-01-01" for y in range(1600, 2190, 59)], None, "59YS", facts={"start": "1600-01-01"})),
    Case("integers", *timed([1, 2, 3, 4], [1, 2, 3, 4], "step", "t,y")),
    Case("integers-by-ten", lines([0, 10, 20, 30, 50], header="step,y"),
         Good([10.0, 11.0, 12.0, 13.0, None, 14.0], [0, 10, 20, 30, 40, 50], "step")),
    Case("elapsed", *timed(["0.000", "0.003", "0.006", "0.008", "0.011"], [0, 1, 2, 3, 4], "step", "time,y", notes=("elapsed",))),
    Case("no-time", "y\n1\n2\n3\n4\n", Good([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3], "step", notes=("no time column",))),
    Case("descending", lines(DAYS[::-1], VALUES[::-1]), SAME),
    Case("shuffled", lines([DAYS[k] for k in (3, 0, 4, 1, 2)], [VALUES[k] for k in (3, 0, 4, 1, 2)]), SAME),
    Case("empty-time-cell", PLAIN + ",99\n", Good(VALUES, DAYS, notes=("1 row without a time left out (nasty.csv, line 7)",))),
    Case("no-such-day", lines(["2024-01-30", "2024-01-31", "2024-02-30", "2024-03-01"]), bad("nasty.csv, line 4", "'2024-02-30'", "'date'")),
    Case("no-such-month", lines(["2024-11-01", "2024-12-01", "2024-13-01"]), bad("nasty.csv, line 4", "'2024-13-01'")),
    Case("no-such-leap-day", lines(["28.02.2023", "29.02.2023", "01.03.2023"]), bad("nasty.csv, line 3", "'29.02.2023'")),
    Case("no-such-week", lines(["2021-W51", "2021-W52", "2021-W53"]), bad("nasty.csv, line 4", "'2021-W53'")),
    Case("no-such-hour", lines(["2024-01-01 23:00", "2024-01-01 25:00", "2024-01-02 01:00"]), bad("nasty.csv, line 3", "'2024-01-01 25:00'")),
    Case("two-formats", lines(["2024-01-01", "2024-01-02", "01/03/2024", "2024-01-04"]), bad("nasty.csv, line 4", "'01/03/2024'", "--date-format")),
    Case("word-among-times", lines(["2024-01-01", "2024-01-02", "soon", "2024-01-04"]), bad("nasty.csv, line 4", "'soon'")),
    Case("some-offsets", lines(["2024-01-01T00:00Z", "2024-01-02T00:00Z", "2024-01-03T00:00"]), bad("line 4", "2024-01-03T00:00", "offset")),
    Case("hour-that-never-was", lines(["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"]),
         bad("nasty.csv, line 3", "2024-03-31 02:00", "Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("hour-that-was-twice", lines(["2024-10-26 02:00", "2024-10-27 02:00", "2024-10-28 02:00"]),
         bad("nasty.csv, line 3", "2024-10-27 02:00", "Europe/Madrid"), {"tz": "Europe/Madrid"}),
    Case("unknown-zone", PLAIN, bad_option("--tz", "Did you mean 'Europe/Madrid'?"), {"tz": "Europe/Madird"}),
    Case("format-misfits", PLAIN, bad("nasty.csv, line 2", "'2024-01-01'", "%d/%m/%Y"), {"date_format": "%d/%m/%Y"}),
    Case("format-without-year", PLAIN, bad_option("--date-format", "a year is needed"), {"date_format": "%d/%m"}),
    Case("format-unknown", PLAIN, bad_option("--date-format", "%Q"), {"date_format": "%Y-%Q"}),
    Case("elapsed-uneven", lines(["0.0", "0.1", "0.25", "1.0", "1.7"], header="time,y"), bad("'time'", "without a regular step")),
    Case("integers-scattered", lines([1, 500, 90_000, 7_000_000, 7_000_003], header="t,y"), bad("no regular pace", "--time")),
]  # fmt: skip


def panel(sizes, start="2024-01-01", header="item,date,y"):
    rows = [f"{item},{d},{10 + k}" for item, n in sizes.items() for k, d in enumerate(dates(start, n, "D"))]
    return header + "\n" + "\n".join(d.replace(" 00:00:00", "") for d in rows) + "\n"


def without(times, *gone):
    return [t for t in times if t not in gone]


def holes(times, *gone):
    """Values of rows in ``times`` where those in ``gone`` have no row."""
    out, k = [], 0
    for t in times:
        out.append(None if t in gone else float(10 + k))
        k += t not in gone
    return out


def business(n):
    return [t[:10] for t in dates("2024-01-01", n, "B")]


def opened_hours(n_days, first=9, last=16):
    return [f"{d} {h:02d}:00:00" for d in business(n_days) for h in range(first, last + 1)]


def sine(times, freq, values=None, **more):
    return lines(times, values), Good(values or counted(len(times)), times, freq, **more)


HOLIDAYS = ("2024-01-15", "2024-02-19")
WORKING = without(business(60), *HOLIDAYS)
LONG_GAP = [d for d in business(80) if not "2024-02-01" <= d <= "2024-02-28"]
HOURS = dates("2024-01-01", 48, "h")
SUNDAYLESS = [t[:10] for t in dates("2024-01-01", 60, "D") if pd.Timestamp(t).weekday() != 6]

FREQUENCIES = [
    *[Case(f"every-{freq}", *timed(dates("2024-01-01", 12, freq), dates("2024-01-01", 12, freq), wanted)) for freq, wanted in
      (("s", "s"), ("min", "min"), ("5min", "5min"), ("15min", "15min"), ("30min", "30min"), ("h", "h"), ("6h", "6h"), ("2D", "2D"),
       ("W-FRI", "W-FRI"), ("14D", "2W-MON"), ("MS", "MS"), ("ME", "ME"), ("QS", "QS"), ("QE", "QE"), ("YS", "YS"), ("YE", "YE"), ("6MS", "6MS"))],
    Case("last-business-day", *timed(dates("2024-01-01", 12, "BME"), dates("2024-01-01", 12, "BME"), "BME")),
    Case("mid-month", *timed([f"2024-{m:02d}-15" for m in range(1, 7)], dates("2024-01-01", 6, "MS"), "MS", notes=("day 15",))),
    Case("financial-years", *timed([f"{y}-04-01" for y in range(2000, 2008)], [f"{y}-04-01" for y in range(2000, 2008)], "YS-APR")),
    Case("business-days", *timed(business(20), business(20), "B")),
    Case("business-days-holidays", *timed(WORKING, WORKING, "B", notes=("2 weekdays without any row are taken for holidays",))),
    Case("business-days-long-gap", lines(LONG_GAP), Good(
        [float(10 + LONG_GAP.index(d)) if d in LONG_GAP else None for d in business(80)], business(80), "B", facts={"n_gaps": 20})),
    Case("closed-on-sundays", *timed(SUNDAYLESS, SUNDAYLESS, "D", notes=("Sun never occur",))),
    Case("sessions", *timed(opened_hours(10), opened_hours(10), "h", notes=("closed hours",), facts={"freq_text": "sessions of hours"})),
    Case("sessions-gap", lines(without(opened_hours(10), "2024-01-04 12:00:00")), Good(
        holes(opened_hours(10), "2024-01-04 12:00:00"), opened_hours(10), "h", facts={"n_gaps": 1})),
    Case("hours-gap", lines(without(HOURS, *HOURS[10:14])), Good(holes(HOURS, *HOURS[10:14]), HOURS, "h", facts={
        "n_gaps": 4, "gaps": ({"item_id": "series", "start": "2024-01-01 10:00", "end": "2024-01-01 13:00", "n": 4},)})),
    Case("days-gap", lines(without(DAYS, DAYS[2])), Good([10.0, 11.0, None, 12.0, 13.0], DAYS, notes=("1 instant without a row, in 1 gap",))),
    Case("one-row-a-month-anyhow", *timed(["2024-01-03", "2024-02-07", "2024-03-01", "2024-04-11", "2024-05-02", "2024-06-20", "2024-07-09"],
         dates("2024-01-01", 7, "MS"), "MS", notes=("changing days",))),
    Case("daily-then-monthly", lines([*dates("2024-01-01", 31, "D"), *dates("2024-02-01", 12, "MS")]), bad("no regular frequency", "--freq", "--resample")),
    Case("daily-then-weekly", lines([*dates("2024-01-01", 61, "D"), *dates("2024-03-03", 12, "W")]), bad("two frequencies", "--freq", "--resample")),
    Case("daily-and-monthly-series", "item,date,y\n" + "".join(f"a,{d},1\n" for d in dates("2024-01-01", 400, "D"))
         + "".join(f"b,{d},2\n" for d in dates("2024-01-01", 12, "MS")), bad("'b'", "two frequencies", "--resample")),
    Case("no-pace", lines(["2024-01-01", "2024-01-09", "2024-03-30", "2024-04-02", "2025-07-19"]), bad("no regular frequency", "--freq", "--resample")),
    Case("no-pace-clock", lines(["2024-01-01 00:00:00", "2024-01-01 00:07:11", "2024-01-01 03:00:02", "2024-01-04 11:59:59"]),
         bad("no regular frequency", "--resample")),
    Case("no-pace-resampled", lines(["2024-01-01 00:00:00", "2024-01-01 00:07:11", "2024-01-01 03:00:02", "2024-01-02 11:59:59", "2024-01-03 01:00"]),
         Good([33.0, 13.0, 14.0], DAYS[:3]), {"freq": "D", "resample": "sum"}),
    Case("one-instant", "item,date,y\na,2024-01-01,1\nb,2024-01-01,2\nc,2024-01-01,3\n", bad("one instant", "--freq"), {"min_rows": 1}),
    Case("only-duplicates", "z,date,y\na,2024-01-01,1\nb,2024-01-01,2\nc,2024-01-01,3\n", bad("occurs twice", "--item")),
    Case("freq-given", lines(["2024-01-01", "2024-01-03", "2024-01-05"]), Good([10.0, None, 11.0, None, 12.0], DAYS), {"freq": "D"}),
    Case("freq-old-spelling", *timed(HOURS, HOURS, "h"), {"freq": "H"}),
    Case("freq-off-the-grid", lines(["2024-01-01 00:00", "2024-01-01 00:30", "2024-01-01 01:00"]), bad("--freq", "00:30", "--resample"), {"freq": "h"}),
    Case("freq-unknown", PLAIN, bad_option("--freq", "'fortnight'", "not a frequency"), {"freq": "fortnight"}),
    Case("freq-of-years-in-may", *timed([f"{y}-05-01" for y in range(2015, 2020)], [f"{y}-05-01" for y in range(2015, 2020)], "YS-MAY"), {"freq": "Y-MAY"}),
    *[Case(f"freq-{freq}", PLAIN, bad_option("--freq", repr(freq), "not a frequency"), {"freq": freq})
      for freq in ("2B", "D-MON", "B-FRI", "MS-MAY", "W-MAY", "Q-XXX", "YS-SUN", "9" * 20 + "D")],
    *[Case(f"resample-to-{freq}", PLAIN, bad_option("--freq", repr(freq), "cannot be resampled to"), {"freq": freq, "resample": "sum"})
      for freq in ("2W", "2MS", "2M", "BMS", "QS-FEB")],
    Case("freq-for-steps", "t,y\n1,1\n2,2\n3,3\n", bad("--freq", "integer steps"), {"freq": "D"}),
    Case("resample-without-freq", PLAIN, bad_option("--resample", "--freq"), {"resample": "mean"}),
    Case("resample-unknown", PLAIN, bad_option("--resample", "'average'"), {"resample": "average", "freq": "W"}),
    Case("resample-weeks", lines(dates("2024-01-01", 21, "D")), Good([13.0, 20.0, 27.0], ["2024-01-07", "2024-01-14", "2024-01-21"], "W-SUN"),
         {"freq": "W", "resample": "mean"}),
    Case("resample-months", lines(dates("2024-01-01", 91, "D"), [1] * 91), Good([31.0, 29.0, 31.0], dates("2024-01-01", 3, "MS"), "MS"),
         {"freq": "MS", "resample": "sum"}),
    Case("duplicate", PLAIN + "2024-01-03,8\n", bad("nasty.csv, line 7", "2024-01-03 occurs twice (first: line 4)", "--duplicates", "--item")),
    *[Case(f"duplicate-{how}", PLAIN + "2024-01-03,8\n", Good([10.5, 11.25, value, 12.75, 13.5], DAYS, notes=("1 duplicated",),
      facts={"duplicates": 1}), {"duplicates": how}) for how, value in (("first", 9.0), ("last", 8.0), ("mean", 8.5), ("sum", 17.0))],
    *[Case(f"fill-{how}", PLAIN.replace("9.0", ""), Good([10.5, 11.25, value, 12.75, 13.5], DAYS, facts={"n_missing": 1}), {"fill": how})
      for how, value in (("none", None), ("forward", 11.25), ("interpolate", 12.0), ("zero", 0.0))],
    Case("fill-unknown", PLAIN, bad_option("--fill", "Did you mean 'forward'?"), {"fill": "foward"}),
    Case("duplicates-unknown", PLAIN, bad_option("--duplicates", "Choose from: error, first"), {"duplicates": "x"}),
]  # fmt: skip

MISSING = [
    "",
    "NA",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "null",
    "NULL",
    "None",
    "#N/A",
    "-",
    "--",
    ".",
    "?",
    "<NA>",
    "#DIV/0!",
    "missing",
]
MANY_DAYS = [t[:10] for t in dates("2024-01-01", 40, "D")]
CALM = [float(20 + k % 7) for k in range(40)]


def column(*cells, sep=";"):
    return lines(DAYS[: len(cells)], cells, sep)


def numbers(*cells, values, notes=(), **options):
    return column(*cells), Good(values, DAYS[: len(cells)], notes=notes), options


VALUE_CASES = [
    *[Case(f"missing-{k}", column("1.5", cell, "2.5", "3.5"), Good([1.5, None, 2.5, 3.5], DAYS[:4])) for k, cell in enumerate(MISSING)],
    Case("percent", *numbers("12.5%", "13 %", "11%", values=[12.5, 13.0, 11.0], notes=("% dropped",))),
    Case("dollars", *numbers("$1,250.50", "$13", "-$11", values=[1250.5, 13.0, -11.0], notes=("$ dropped",))),
    Case("euros", *numbers("12,50 €", "13,25 €", "1.311,00 €", values=[12.5, 13.25, 1311.0], notes=("€ dropped",))),
    Case("currency-code", *numbers("USD 12.5", "USD 13", "USD 11", values=[12.5, 13.0, 11.0])),
    Case("brackets", *numbers("(12.5)", "13", "(11)", values=[-12.5, 13.0, -11.0])),
    Case("brackets-and-minus", column("1", "2", "(-5)", "4"), bad("nasty.csv, line 4", "'(-5)'", "not a number"), {"target": "y"}),
    Case("two-numbers-in-a-cell", column("1", "2", "1.5 200", "4"), bad("nasty.csv, line 4", "'1.5 200'", "not a number"), {"target": "y"}),
    Case("groups-behind-the-point", *numbers("1.500 200", "13", "1 200.500", values=[1.5002, 13.0, 1200.5])),
    Case("minus-sign", *numbers("\u221212.5", "+13", "11-", values=[-12.5, 13.0, -11.0])),
    Case("exponents", *numbers("1.5e3", "2E-2", "-3e+1", values=[1500.0, 0.02, -30.0])),
    Case("no-leading-zero", *numbers(".5", "-.25", "3.", values=[0.5, -0.25, 3.0])),
    Case("leading-zeros", *numbers("007", "010", "000", values=[7.0, 10.0, 0.0])),
    Case("booleans", *numbers("true", "False", "TRUE", values=[1.0, 0.0, 1.0])),
    Case("yes-no", *numbers("yes", "no", "no", values=[1.0, 0.0, 0.0], target="y")),
    Case("beyond-exact", *numbers("9007199254740993", "1", "2", values=[9007199254740992.0, 1.0, 2.0], notes=("1 integer beyond 2**53",))),
    Case("tiny", *numbers("1e-300", "1", "2", values=[0.0, 1.0, 2.0], notes=("1 value below 1e-150",))),
    Case("tinier", *numbers("1e-400", "1", "2", values=[0.0, 1.0, 2.0], notes=("1 value below 1e-150",))),
    Case("negative-zero", *numbers("-0.0", "1", "2", values=[0.0, 1.0, 2.0])),
    Case("infinity", column("1", "inf", "2", "3"), bad("nasty.csv, line 3", "'y'", "inf", "finite")),
    Case("minus-infinity", column("1", "-Infinity", "2", "3"), bad("nasty.csv, line 3", "-inf")),
    Case("overflow", column("1", "1e400", "2", "3"), bad("nasty.csv, line 3", "finite")),
    Case("huge", column("1", "1e300", "2", "3"), bad("nasty.csv, line 3", "1e+300", "1e150")),
    Case("word", column("1", "2", "3", "closed"), bad("nasty.csv, line 5", "column 'y'", "'closed'", "not a number", "--target"), {"target": "y"}),
    Case("unit", column("1", "2", "3 kg", "4"), bad("nasty.csv, line 4", "'3 kg'")),
    Case("hexadecimal", column("1", "2", "0x1F", "4"), bad("nasty.csv, line 4", "'0x1F'")),
    Case("underscore", column("1", "2", "1_000", "4"), bad("nasty.csv, line 4", "'1_000'")),
    Case("foreign-digits", *numbers("1", "2", "٣", "4", values=[1.0, 2.0, 3.0, 4.0])),
    Case("two-dots", column("1.5", "2.5", "1.2.3", "4"), bad("nasty.csv, line 4", "'1.2.3'")),
    Case("both-marks", column("1.5", "2,5", "1.25", "4"), bad("nasty.csv", "'y'", "'1.5' and '2,5'", "two decimal marks")),
    Case("stray-comma", lines(DAYS, ["1.5", "2.5", '"3,75"', "4", "5"]), bad("nasty.csv", "'1.5' and '3,75'", "two decimal marks")),
    Case("point-or-thousands", column("1.234", "950", "2.345", "870"), bad("nasty.csv", "1.234", "1234", "--decimal")),
    Case("formula", column("1", "2", "=SUM(A1:A2)", "4"), bad("nasty.csv, line 4", "'=SUM(A1:A2)'")),
    Case("two-currencies", column("$1", "€2", "$3", "$4"), bad("nasty.csv, line 3", "$ and €", "one unit")),
    Case("some-percent", column("1%", "2", "3%", "4%"), bad("nasty.csv", "%", "one unit")),
    Case("only-missing", column("", "NA", "-", "?"), bad("'y'", "missing", "--target"), {"target": "y"}),
    Case("text-target", "date,word,y\n2024-01-01,a,1\n2024-01-02,b,2\n2024-01-03,c,3\n", bad("line 2", "'word'", "'a'"), {"target": "word"}),
    Case("time-target", PLAIN, bad("'date'", "'2024-01-01'", "--target"), {"target": "date"}),
    Case("sentinel", lines(MANY_DAYS, [*CALM[:10], -999, *CALM[11:]]), Good([*CALM[:10], -999.0, *CALM[11:]], MANY_DAYS, notes=("-999 occurs once",))),
    Case("sentinel-9999", lines(MANY_DAYS, [*CALM[:10], 9999, *CALM[11:]]), Good([*CALM[:10], 9999.0, *CALM[11:]], MANY_DAYS, notes=("9999 occurs",))),
    Case("spike", lines(MANY_DAYS, [*CALM[:10], 5000, *CALM[11:]]), Good([*CALM[:10], 5000.0, *CALM[11:]], MANY_DAYS, notes=("1 spike (series, 2024-01-11)",))),
    Case("split", lines(MANY_DAYS, [100 + k % 3 for k in range(20)] + [50 + k % 2 for k in range(20)]), Good(
        [float(100 + k % 3) for k in range(20)] + [float(50 + k % 2) for k in range(20)], MANY_DAYS, notes=("split-like jump",))),
    Case("constant", lines(MANY_DAYS, [5] * 40), Good([5.0] * 40, MANY_DAYS, notes=("never change",))),
    Case("missing-at-the-ends", column("", "1", "2", "3", ""), Good([1.0, 2.0, 3.0], DAYS[1:4])),
]  # fmt: skip


def named(*ids, quoted=False):
    out = io.StringIO()
    frame = pd.DataFrame([(i, d, v) for i in ids for d, v in zip(DAYS, ROWS)], columns=["item", "date", "y"])
    frame.to_csv(out, index=False, quoting=1 if quoted else 0)
    return out.getvalue(), Good(dict.fromkeys(ids, ROWS), facts={"item": "item"})


WIDE = "date,a,b\n" + "".join(f"{d},{k},{10 * k}\n" for k, d in enumerate(DAYS))
WIDE_VALUES = {"a": [0.0, 1.0, 2.0, 3.0, 4.0], "b": [0.0, 10.0, 20.0, 30.0, 40.0]}
RAGGED = panel({"long": 5, "short": 3})

SERIES = [
    Case("ids-plain", *named("b", "a", "c")),
    Case("ids-with-blanks", *named("New York", "Los  Angeles")),
    Case("ids-with-accents", *named("Peña", "naïve", "東京", "🙂")),
    Case("ids-with-quotes", *named('say "hi"', "it's")),
    Case("ids-with-separators", *named("a,b", "c;d")),
    Case("ids-like-paths", *named("../../etc/passwd", "C:\\temp\\x", "a/b")),
    Case("ids-like-html", *named("<script>alert(1)</script>", "<b>&amp;</b>")),
    Case("ids-like-formulas", *named("=1+1", "@SUM(A1)", "+x", "-x")),
    Case("ids-long", *named("x" * 5000, "y" * 5000)),
    Case("ids-like-missing", *named("NA", "nan", "None"), {"item": "item"}),
    Case("ids-of-countries", *named("NA", "ES", "FR")),
    Case("ids-with-zeros", *named("007", "7", "07")),
    Case("ids-like-comments", *named("a#1", "a%2")),
    Case("ids-with-line-ends", *named("two\nlines", "one")),
    Case("ids-unicode-twins", *named("e\u0301", "\u00e9")),
    Case("ids-of-numbers", lines([f"{i},{d}" for i in (101, 102) for d in DAYS], ROWS * 2, header="store,date,y"),
         Good({"101": ROWS, "102": ROWS}, facts={"item": "store"})),
    Case("ids-in-two-columns", lines([f"{s},{p},{d}" for s in "ab" for p in "xy" for d in DAYS], ROWS * 4, header="store,product,date,y"),
         Good({f"{s}/{p}": ROWS for s in "ab" for p in "xy"})),
    Case("ids-asked", lines([f"{s},{p},{d}" for s in "ab" for p in "xy" for d in DAYS], ROWS * 4, header="p,q,date,y"),
         Good({f"{s}/{p}": ROWS for s in "ab" for p in "xy"}), {"item": "p,q"}),
    Case("ids-clash", lines([f"{s},{p},{d}" for s, p in (("a/b", "c"), ("a", "b/c")) for d in DAYS], ROWS * 2, header="p,q,date,y"),
         bad("'a/b/c'", "--item"), {"item": "p,q"}),
    Case("text-that-names-nothing", lines([f"{d},{w}" for d, w in zip(DAYS, ("sun", "rain", "sun", "sun", "rain"))], header="date,weather,y"),
         Good(counted(5), DAYS, facts={"item": ""})),
    Case("ids-missing", named("a", "b")[0] + ",2024-01-06,5\n", Good({"a": ROWS, "b": ROWS}, notes=("1 row without a name in item left out (nasty.csv, line 12)",))),
    Case("interleaved", lines([f"{i},{d}" for d in DAYS for i in "ba"], [v for v in ROWS for _ in "ba"], header="item,date,y"), Good({"a": ROWS, "b": ROWS})),
    Case("wide-asked", WIDE, Good(WIDE_VALUES), {"target": "*"}),
    Case("wide-named", WIDE, Good(WIDE_VALUES), {"target": "a,b"}),
    Case("wide-family", WIDE.replace("a,b", "s1,s2").replace("\n", ",5\n").replace("s1,s2,5", "s1,s2,s3"),
         Good({"s1": WIDE_VALUES["a"], "s2": WIDE_VALUES["b"], "s3": [5.0] * 5}, facts={"layout": "columns"})),
    Case("wide-not-asked", WIDE, Good(WIDE_VALUES["a"], DAYS, facts={"other_numeric": ("b",), "target": "a"})),
    Case("wide-ragged", "date,a,b\n" + "".join(f"{d},{k},{k if k < 3 else ''}\n" for k, d in enumerate(DAYS)),
         Good({"a": [0.0, 1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 2.0]}, facts={"ragged": {"starts": 0, "ends": 1}}), {"target": "*"}),
    Case("rows-of-series", "id,V1,V2,V3,V4\nM1,1,2,3,4\nM2,5,6,7,\n", Good({"M1": [1.0, 2.0, 3.0, 4.0], "M2": [5.0, 6.0, 7.0]}, freq="step")),
    Case("rows-of-series-with-years", "country,1990,1991,1992,1993\nSpain,1,2,3,4\nItaly,5,6,7,8\n",
         Good({"Spain": [1.0, 2.0, 3.0, 4.0], "Italy": [5.0, 6.0, 7.0, 8.0]}, {i: dates("1990-01-01", 4, "YS") for i in ("Spain", "Italy")}, "YS")),
    Case("rows-of-series-empty-one", "id,2020,2021,2022\na,,,\nb,1,2,3\nc,4,5,6\n",
         Good({"b": [1.0, 2.0, 3.0], "c": [4.0, 5.0, 6.0]}, freq="YS", facts={"set_aside": {"a": "0 observed rows"}})),
    Case("step-too-large", "t,y\n1,1\n2,2\n1e30,3\n", bad("nasty.csv, line 4", "'t'", "too large", "--time")),
    Case("ragged", RAGGED, Good({"long": [10.0, 11.0, 12.0, 13.0, 14.0], "short": [10.0, 11.0, 12.0]}, facts={"ragged": {"starts": 0, "ends": 1}})),
    Case("too-short-set-aside", panel({"long": 5, "tiny": 2}), Good({"long": [10.0, 11.0, 12.0, 13.0, 14.0]},
         notes=("1 series set aside",), facts={"set_aside": {"tiny": "2 observed rows"}})),
    Case("all-too-short", panel({"a": 2, "b": 2}), bad("at most 2 observed rows", "at least 3", "--item")),
    Case("file-too-short", "date,y\n2024-01-01,1\n2024-01-02,2\n", bad("2 observed rows", "at least 3")),
    Case("series-that-is-empty", named("a", "b")[0] + "c,2024-01-01,\nc,2024-01-02,\n", Good({"a": ROWS, "b": ROWS}, facts={"set_aside": {"c": "0 observed rows"}})),
    Case("item-forgotten", lines([f"{i},{d}" for i in (1, 2) for d in DAYS], ROWS * 2, header="z,date,y"), bad("occurs twice", "--item", "--duplicates")),
    Case("covariate-typo", PLAIN, bad_name("--known", "'temp'"), {"known": ("temp",)}),
    Case("covariate-in-other-letters", PLAIN.replace(",y", ",temp"), bad_name("--past", "'Temp'", "Did you mean 'temp'?"), {"past": ("Temp",)}),
    Case("covariate-called-target", lines(DAYS, [f"{v},{v}" for v in VALUES], header="date,y,target"),
         bad_option("nasty.csv, column 'target'", "a covariate is not called", "Rename"), {"past": ("target",), "target": "y"}),
    Case("covariate-is-target", PLAIN, bad_option("--known", "'y'", "target"), {"known": ("y",), "target": "y"}),
]  # fmt: skip

CASES = [*FORMATS, *TIMES, *FREQUENCIES, *VALUE_CASES, *SERIES]


@pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])
def test_nasty_file(case: Case, tmp_path: Path) -> None:
    path = case.write(tmp_path)
    if isinstance(case.outcome, Bad):
        with pytest.raises(ForecastkitError) as caught:
            read(path, ReadOptions(**case.options))
        assert_refused(caught.value, case.outcome)
    else:
        assert_read(read(path, ReadOptions(**case.options)), case.outcome)
        if case.name == "nasty.csv":
            assert path.read_bytes() == (case.content.encode() if isinstance(case.content, str) else path.read_bytes())


def test_the_profile_tells_all_in_few_lines(tmp_path: Path) -> None:
    path = tmp_path / "stores.csv"
    path.write_text(
        panel({"long": 30, "other": 28, "tiny": 2}).replace("2024-01-09,18", "2024-01-09,-999") + ",2024-01-03,1\n"
    )
    shown = read(path).profile.lines()
    assert shown[0] == "stores.csv    61 rows, 2 series (item), days, 2024-01-01 to 2024-01-30"
    assert shown[1].strip() == "target y, 0 missing, ragged ends, season 7 (conventional; none found)"
    assert [line.strip() for line in shown[2:]] == [
        "1 row without a name in item left out (stores.csv, line 62)",
        "1 series set aside: fewer than 3 observed rows (tiny)",
        "-999 occurs 2 times, far from all else: does it mean missing? Empty the cells then (long, 2024-01-09)",
    ]


def test_the_profile_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(PLAIN.replace("2024-01-03,9.0\n", ""))
    facts = json.loads(json.dumps(read(path).profile.to_dict()))
    assert facts["dialect"] == {
        "format": "csv",
        "encoding": "utf-8",
        "separator": ",",
        "decimal": ".",
        "header": True,
        "lines_skipped": 0,
    }
    assert facts["gaps"] == [{"item_id": "series", "start": "2024-01-03", "end": "2024-01-03", "n": 1}]


def test_no_message_lacks_a_remedy() -> None:
    folder = Path(forecastkit.reading.__file__).parent
    for source in folder.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error") and node.keywords:
                given = {keyword.arg for keyword in node.keywords}
                assert {"place", "rule", "remedy"} <= given, f"{source.name}, line {node.lineno}"


# Arrow reads 1e-400 as 0 without a word.
LARGE = [case for case in CASES if case.id != "tinier"]


@pytest.mark.parametrize("case", LARGE, ids=[c.id for c in LARGE])
def test_large_files_have_the_same_outcome(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Large plain files go through Arrow's parser; a threshold of 0 sends all there.
    monkeypatch.setattr("forecastkit.reading.table.FAST_BYTES", 0)
    test_nasty_file(case, tmp_path)


def test_the_table_is_long_enough() -> None:
    assert len(CASES) >= 200
    assert len({c.id for c in CASES}) == len(CASES)


def test_a_near_file_name_is_offered(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(PLAIN)
    with pytest.raises(ForecastkitError, match=r"Did you mean 'sales\.csv'\?"):
        read(tmp_path / "slaes.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForecastkitError, match="a folder"):
        read(tmp_path)


def test_every_value_is_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(2000) * 10.0 ** np.arange(-100, 100, 0.1)
    path = tmp_path / "x.csv"
    path.write_text("t,y\n" + "".join(f"{k},{v!r}\n" for k, v in enumerate(values.tolist())))
    assert np.array_equal(read(path).frame.data["target"], values)
