"""Records of PhysioNet: ``physionet:mitdb/100,106``, ``physionet:ludb/data/1,2`` or ``physionet:mitdb`` for all of them.

Each database has a list of checksums, ``SHA256SUMS.txt``, in its folder. Files come from there over https, are held
against it, and stay in the cache. Source: https://physionet.org/about/database/
"""

from __future__ import annotations

import re
from pathlib import Path

from forecastkit.cards import sha256_of
from forecastkit.download import cache_folder, fetch
from forecastkit.errors import ConfigError, DataError, SourceError, near
from forecastkit.sources import Records

__all__ = ["KNOWN", "records"]

FILES = "https://physionet.org/files"
KNOWN: dict[str, tuple[str, str]] = {
    "mitdb": ("1.0.0", "ODC-By 1.0; cite Moody and Mark (2001), IEEE Eng Med Biol 20(3):45, and Goldberger et al. (2000)"),
    "ludb": ("1.0.1", "ODC-By 1.0; cite Kalyakulina et al. (2020), IEEE Access 8:186181, and Goldberger et al. (2000)"),
}  # fmt: skip
"""Database -> version, and whose it is, where that is sure; others: see their page."""
USUAL_VERSION = "1.0.0"
SUMS, INDEX = "SHA256SUMS.txt", "RECORDS"
ANNOTATIONS = (".atr", ".qrs", ".ecg")
MOST_RECORDS = 1000
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}"


def records(argument: str) -> Records:
    """Header, signals and annotations of some records, in one folder of the cache.

    Args:
        argument: ``DATABASE[@VERSION][/FOLDER]/RECORD,RECORD``; without records all of them.

    Raises:
        ConfigError: not of this form.
        DataError: no such record.
        SourceError: no such database, not delivered, or other bytes than its list of checksums says.
    """
    database, version, folder, wanted = _parts(argument)
    base = f"{FILES}/{database}/{version}"
    own = f"physionet/{database}-{version}"
    offline = cache_folder() / own
    try:
        sums = _sums(_fetched(f"{base}/{SUMS}", None, f"{own}/{SUMS}"))
    except SourceError as error:
        raise _no_database(argument, database, version, error) from None
    if not wanted:
        wanted = _all(_fetched(f"{base}/{INDEX}", sums.get(INDEX), f"{own}/{INDEX}"))
    paths = [f"{folder}/{name}" if folder else name for name in wanted]
    if len({p.rpartition("/")[0] for p in paths}) > 1:
        raise ConfigError(
            place=f"physionet:{argument}"[:80],
            rule="its records lie in several folders",
            remedy=f"Name one, as in physionet:{database}/{paths[0]}.",
        )
    if len(paths) > MOST_RECORDS:
        raise ConfigError(place=f"physionet:{database}", value=f"{len(paths)} records", rule=f"at most {MOST_RECORDS}")
    for path in paths:
        if f"{path}.hea" not in sums:
            known = [n.removesuffix(".hea") for n in sums if n.endswith(".hea")]
            raise DataError(
                place=f"physionet:{database}", value=path, rule="no such record", remedy=near(path, known or [path])
            )
        for name in _files(path, base, own, sums):
            _fetched(f"{base}/{name}", sums[name], f"{own}/{name}")
    whose = KNOWN.get(database, ("", ""))[1] or f"see https://physionet.org/content/{database}/{version}/"
    note = f"PhysioNet {database} {version}, {whose}; kept at {offline}"
    return Records(offline / paths[0].rpartition("/")[0], tuple(p.rpartition("/")[2] for p in paths), (note,))


def _parts(argument: str) -> tuple[str, str, str, tuple[str, ...]]:
    """(database, version, folder, records)."""
    head, _, tail = argument.strip("/").partition("/")
    database, _, version = head.partition("@")
    folder, _, last = tail.rpartition("/")
    names = tuple(dict.fromkeys(n.strip() for n in last.split(",") if n.strip()))
    parts = [database, *([version] if version else []), *(p for p in folder.split("/") if p), *names]
    if not database or not all(re.fullmatch(NAME, part) for part in parts):
        raise ConfigError(
            place=f"physionet:{argument}"[:80],
            rule="a database, and records of it, are needed",
            remedy="Write for instance physionet:mitdb/100,106, or physionet:mitdb@1.0.0 for all.",
        )
    return database, version or KNOWN.get(database, (USUAL_VERSION, ""))[0], folder, names


def _fetched(url: str, sha256: str | None, file_name: str) -> Path:
    return fetch(url, sha256=sha256, file_name=file_name, allow_local_http=url.startswith("http://127.0.0.1:"))


def _no_database(argument: str, database: str, version: str, error: SourceError) -> SourceError:
    if "HTTP 404" not in error.value:
        folder = "keep going with a folder of your own: --records FOLDER"
        return SourceError(place=error.place, value=error.value, rule=error.rule, remedy=f"{error.remedy} Or {folder}.")
    return SourceError(
        place=f"physionet:{argument}"[:80],
        value=f"{database} {version}",
        rule="no such open database at PhysioNet",
        remedy=f"Look at https://physionet.org/content/{database}/ for its name and version, and give them with an @.",
    )


def _sums(path: Path) -> dict[str, str]:
    """File -> hex sha256."""
    found = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        hit = re.fullmatch(r"([0-9a-f]{64})\s+\*?(\S.*)", line.strip())
        if hit and re.fullmatch(rf"{NAME}(/{NAME})*", hit[2]):
            found[hit[2]] = hit[1]
    if not found:
        raise SourceError(place=str(path), value=sha256_of(path)[:12], rule="no list of checksums", remedy="Delete it.")
    return found


def _all(path: Path) -> tuple[str, ...]:
    names = path.read_text(encoding="utf-8", errors="replace").split()
    return tuple(n for n in names if re.fullmatch(rf"{NAME}(/{NAME})*", n))


def _files(path: str, base: str, own: str, sums: dict[str, str]) -> list[str]:
    """What belongs to a record: its header, the signal files that this names, and annotations."""
    header = _fetched(f"{base}/{path}.hea", sums[f"{path}.hea"], f"{own}/{path}.hea")
    folder = path.rpartition("/")[0]
    rows = [line.split() for line in header.read_text(encoding="latin-1").splitlines() if line and line[0] != "#"]
    names = dict.fromkeys(row[0] for row in rows[1:] if row)
    signals = [f"{folder}/{name}" if folder else name for name in names if name != "~"]
    for name in signals:
        if name not in sums:
            raise SourceError(
                place=f"{base}/{path}.hea",
                value=name[:80],
                rule="a signal file that the list of checksums does not have",
            )
    return [*signals, *(f"{path}{end}" for end in ANNOTATIONS if f"{path}{end}" in sums)]
