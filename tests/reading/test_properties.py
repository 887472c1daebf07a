"""Round trips in random dialects, and noise: the values come back exactly, and nothing but our errors gets out."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forecastkit.errors import DataError, ForecastkitError
from forecastkit.reading import ReadOptions, read

QUICK = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

# Letters of an id that no encoding, separator or trimming can change.
NAMES = st.text("abcXYZñé ü'\"<>&=/\\;,|0123456789", min_size=1, max_size=8).map(lambda s: f"i{s}x")
FREQS = st.sampled_from(["min", "15min", "h", "D", "W-WED", "MS", "QS", "YS"])
NUMBERS = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 3)),
    st.floats(-1e100, 1e100, allow_nan=False),
    st.integers(-(10**6), 10**6).map(float),
)
FORMATS = [
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d %b %Y %H:%M",
    "%Y%m%d %H:%M",
    "%A, %d %B %Y %H:%M",
]


@st.composite
def panels(draw) -> pd.DataFrame:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    n = draw(st.integers(6, 20))
    freq = draw(FREQS)
    times = pd.date_range(draw(st.sampled_from(["1988-02-29", "2024-01-01", "2031-12-30"])), periods=n, freq=freq)
    parts = []
    for name in names:
        values = [v if abs(v) > 1e-100 else 0.0 for v in draw(st.lists(NUMBERS, min_size=n, max_size=n))]
        gone = draw(st.sets(st.integers(1, n - 2), max_size=2))
        parts.append(
            pd.DataFrame({"item": name, "time": times, "y": [None if k in gone else v for k, v in enumerate(values)]})
        )
    return pd.concat(parts, ignore_index=True)


def number(v: float | None, decimal: str, missing: str) -> str:
    if v is None or np.isnan(v):
        return missing
    # At least one cell with other than three decimals: the mark is proved.
    return repr(float(v)).replace(".", decimal)


@QUICK
@given(
    panels(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["", "NA", "nan", "-", "null"]),
    st.sampled_from(FORMATS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["plain", "gzip", "zstd"]),
    st.sampled_from(["", "# a comment\n", "Report\n\n"]),
    st.randoms(use_true_random=False),
)
def test_a_panel_comes_back_from_any_dialect(
    frame, sep, decimal, missing, time_format, encoding, ending, quoting, packed, before, random
) -> None:
    rows = [
        [name, time.strftime(time_format), number(value, decimal, missing)]
        for name, time, value in frame.itertuples(index=False)
    ]
    random.shuffle(rows)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, quoting=quoting, lineterminator=ending)
    writer.writerows([["item", "time", "y"], *rows])
    raw = (before.replace("\n", ending) + out.getvalue()).encode(encoding)
    raw = (
        gzip.compress(raw, 1)
        if packed == "gzip"
        else pa.compress(raw, "zstd", asbytes=True)
        if packed == "zstd"
        else raw
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(raw)
        found = read(path, ReadOptions(item="item")).frame
    wanted = dict(list(frame.groupby("item")))
    assert list(found.items) == sorted(name.strip() for name in wanted)
    for name, part in wanted.items():
        rows = found.data[found.data["item_id"] == name]
        np.testing.assert_array_equal(rows["target"], part["y"].to_numpy(float) + 0.0)
        assert (pd.DatetimeIndex(rows["timestamp"]) == pd.DatetimeIndex(part["time"])).all()


def read_bytes(raw: bytes, name: str = "x.csv", **options) -> None:
    """Whatever comes: a frame or an error of ours, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        error = refusal(path, **options)
    line = str(error or "")
    assert "\n" not in line
    assert error is None or error.remedy or not isinstance(error, DataError), line


def refusal(path: Path, **options) -> ForecastkitError | None:
    try:
        read(path, ReadOptions(**options))
    except ForecastkitError as error:
        return error
    return None


@QUICK
@given(st.binary(max_size=400))
@example(b"PAR1")
@example(b"ARROW1\x00\x00")
@example(b"\x1f\x8b")
@example(b"\x28\xb5\x2f\xfd\x00")
@example(b"BZh9")
@example(b"PK\x03\x04")
@example(b"\xff\xfe\x00")
@example(b"\xd0\xcf\x11\xe0")
@example(b"\x00")
@example(b'"')
def test_random_bytes_never_crash(raw: bytes) -> None:
    read_bytes(raw)


CELLS = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "-1.5",
            "1,5",
            "1.234",
            "1e999",
            "inf",
            "nan",
            "2024-01-01",
            "01/02/2024",
            "2024W05",
            "Q1 2024",
            "12:30",
            '"',
            "#",
            "=1+1",
            "true",
            "a",
            "99999999999999999999",
            "2024-13-45",
            "0000-00-00",
            "9999-12-31",
            "1704067200",
            "24/01/15",
            "5%",
            "$5",
            "\u0663",
            "\x0c",
            "2024-01-01T00:00+01:00[X/Y]",
            "1-01",
            "2024-366",
            "1969",
            "1e-320",
            "-0",
        ]
    ),
    st.text(max_size=6),
)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=12)
HEADS = st.sampled_from(
    ["", "date,y", "time,item,y", "year,month,day,y", "date,time,y", "id,2020,2021,2022", "ds,unique_id,y,x"]
)


@QUICK
@given(
    HEADS,
    ROWS,
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from([None, "Europe/Madrid"]),
    st.sampled_from([None, "D", "h", "MS", "step"]),
)
def test_random_tables_never_crash(
    head: str, rows: list[list[str]], sep: str, tz: str | None, freq: str | None
) -> None:
    text = "\n".join([head.replace(",", sep), *(sep.join(row) for row in rows)])
    read_bytes(text.encode("utf-8", "replace"), tz=tz, freq=freq, min_rows=1)


@QUICK
@given(
    HEADS.filter(bool),
    st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=3, max_size=8),
    st.sampled_from(["mean", "sum", "last", None]),
)
def test_random_columns_never_crash(head: str, rows: list[tuple[str, ...]], resample: str | None) -> None:
    names = head.split(",")
    out = io.StringIO()
    csv.writer(out).writerows([names, *(row[: len(names)] for row in rows)])
    read_bytes(
        out.getvalue().encode("utf-8", "replace"),
        resample=resample,
        freq="D" if resample else None,
        duplicates="last",
        fill="forward",
    )


@settings(QUICK, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["gz", "parquet", "feather", "xlsx"]))
def test_damaged_files_never_crash(seed: int, kind: str) -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=20), "y": np.arange(20.0)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{kind}"
        if kind == "gz":
            path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
        else:
            getattr(frame, {"parquet": "to_parquet", "feather": "to_feather", "xlsx": "to_excel"}[kind])(path)
        raw = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(raw), 5):
        raw[at] = rng.integers(0, 256)
    read_bytes(bytes(raw[: rng.integers(len(raw) // 2, len(raw) + 1)]), f"x.{kind}")
