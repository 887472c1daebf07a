"""The data sets that come with forecastkit, and those that a project adds: one YAML card each.

Cards are found in the wheel (``forecastkit/_datasets``) or, in a checkout, in ``datasets/``; then in ``datasets/cards/`` of
the current folder. A shipped name wins over the same name in the current folder, so that ``dataset:prices`` means the
same data everywhere. Bytes are checked against the card's sha256 at every use.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forecastkit.errors import DataError, SourceError, UnknownNameError, near

if TYPE_CHECKING:
    from forecastkit.cards import Card
    from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["card", "list_datasets", "load_dataset", "resolve"]


def list_datasets() -> list[str]:
    """Names of all data sets in alphabetical order; cards are not read.

    >>> "prices" in list_datasets()
    True
    """
    return sorted(_card_files())


def card(name: str) -> Card:
    """What is known about a data set.

    Raises:
        UnknownNameError: no such data set.
        DataError: its card breaks a rule.

    >>> card("prices").target
    'adj_close'
    """
    from forecastkit.cards import read_card

    return read_card(_card_file(name))


def resolve(name: str, *, allow_local_http: bool = False) -> tuple[Path, Card]:
    """The file of a data set, with the bytes that its card names, and the card.

    Args:
        name: as in ``list_datasets()``.
        allow_local_http: lets a card point at http://127.0.0.1, for tests.

    Raises:
        UnknownNameError: no such data set.
        DataError: the card breaks a rule; or the file is missing, edited or cut short.
        SourceError: data on demand were not delivered.
    """
    found = card(name)
    if found.url is not None:
        from forecastkit.download import fetch

        known = f"-{found.sha256[:12]}" if found.sha256 else ""
        file_name = f"{found.name}{known}{_suffixes(found.url)}"
        path = fetch(found.url, sha256=found.sha256, file_name=file_name, allow_local_http=allow_local_http)
        return path, found
    if found.package is not None:
        return _in_package(found), found
    return _beside(found, _card_file(name)), found


def load_dataset(name: str) -> SeriesFrame:
    """A data set as a checked frame, read as its card says.

    Raises:
        UnknownNameError, DataError, SourceError: as ``resolve``.
    """
    from forecastkit.reading import read

    return read(f"dataset:{name}").frame


def _roots() -> list[Path]:
    """Folders that hold ``cards/`` and the data, the first wins."""
    package = Path(__file__).resolve().parent
    shipped = package / "_datasets"
    roots = [shipped if shipped.is_dir() else package.parent / "datasets"]
    try:
        here = Path.cwd() / "datasets"
    except OSError:  # the current folder was deleted
        return roots
    return [*roots, here]


def _card_files() -> dict[str, Path]:
    files: dict[str, Path] = {}
    for root in _roots():
        for path in sorted((root / "cards").glob("*.yaml")):
            files.setdefault(path.stem, path)
    return files


def _card_file(name: str) -> Path:
    files = _card_files()
    if name not in files:
        remedy = near(name, sorted(files)) if files else "No card was found; reinstall forecastkit."
        raise UnknownNameError(place=f"dataset:{name}", rule="no such data set", remedy=remedy)
    return files[name]


def _beside(found: Card, card_file: Path) -> Path:
    from forecastkit.cards import sha256_of

    root = card_file.resolve().parent.parent
    path = (root / str(found.file)).resolve()
    if not path.is_relative_to(root):  # a link out of the folder
        raise DataError(place=str(card_file), value=str(found.file), rule="the file lies outside its folder")
    remedy = f"Restore it; where the change is meant, write the new sha256 and n_rows into {card_file}."
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise DataError(
            place=str(path), value=error.strerror or str(error), rule="the file cannot be read", remedy="Restore it."
        ) from None
    if digest != found.sha256:
        raise DataError(
            place=str(path),
            value=f"sha256 {digest[:12]}...",
            rule=f"edited or cut short: its card says {str(found.sha256)[:12]}...",
            remedy=remedy,
        )
    return path


def _in_package(found: Card) -> Path:
    """The data file of an installed package; the package is located, not imported."""
    from importlib.util import find_spec

    from forecastkit.cards import sha256_of

    remedy = f"Install it: pip install {found.requirement or found.package}"
    try:
        spec = find_spec(str(found.package))
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise SourceError(
            place=f"dataset:{found.name}", rule=f"its data are in package {found.package}, not installed", remedy=remedy
        )
    for folder in spec.submodule_search_locations or ():
        path = Path(folder) / str(found.member)
        if path.is_file() and sha256_of(path) == found.sha256:
            return path
    raise SourceError(
        place=f"dataset:{found.name}",
        value=f"package {found.package}",
        rule=f"holds no {found.member} with the bytes that the card expects; perhaps another version",
        remedy=remedy,
    )


def _suffixes(url: str) -> str:
    """``.csv``, ``.csv.gz``, ... of an address; only plain letters and digits."""
    from urllib.parse import urlsplit

    kept = Path(urlsplit(url).path).suffixes[-2:]
    return "".join(s for s in kept if s[1:].isascii() and s[1:].isalnum() and len(s) <= 9)
