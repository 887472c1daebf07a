"""One lead of one patient, and what its annotations mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forecastkit.classification.schema import OTHER
from forecastkit.errors import DataError, near

__all__ = [
    "AAMI", "AAMI_CLASSES", "BINARY_CLASSES", "DS1", "DS2", "PACED_MITBIH", "TWINS", "Record", "choose_lead", "is_mitbih", "known_paced",
]  # fmt: skip

AAMI = {
    **dict.fromkeys("NLRBej", "N"), **dict.fromkeys("AaJSn", "S"), **dict.fromkeys("VEr", "V"), "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}  # fmt: skip
"""Annotation symbol -> class of ANSI/AAMI EC57."""
AAMI_CLASSES = ("N", "S", "V", "F", "Q")
BINARY_CLASSES = (OTHER, "V")

TWINS = {"202": "201"}
"""Records of MIT-BIH that are of one patient, as its directory says."""
PACED_MITBIH = frozenset({"102", "104", "107", "217"})
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""Records of MIT-BIH to learn from and to test on. Source: de Chazal et al. (2004), doi:10.1109/TBME.2004.827359."""


@dataclass(frozen=True, eq=False)
class Record:
    """One lead of one patient.

    Args:
        name: of the record.
        fs: samples a second.
        signal: [R] millivolt, float64, finite.
        samples: [B] int64 positions of annotated beats; None = not annotated.
        symbols: [B] one annotation symbol a beat, or ``V`` and ``o`` (any other) where only that is known.
        paced: a pacemaker drives the heart.
        notes: what was done to the signal.
        patient: whose it is; the record's name where nothing else is known.
        rhythms: (first sample, name) of stretches of one rhythm, where the annotations tell them.
        comments: of the header.
    """

    name: str
    fs: float
    signal: np.ndarray
    lead: str = ""
    samples: np.ndarray | None = None
    symbols: tuple[str, ...] = ()
    paced: bool = False
    notes: tuple[str, ...] = ()
    patient: str = ""
    rhythms: tuple[tuple[int, str], ...] = ()
    comments: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The patient."""
        return self.patient or self.name

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.signal) / self.fs

    @property
    def binary(self) -> bool:
        """Whether beats are only known as ventricular or not."""
        return "o" in self.symbols


def choose_lead(leads: tuple[str, ...], wanted: str | None, path: Path) -> tuple[int, str]:
    """(column, name) of the wanted lead; without a wish MLII or II, else the first.

    Raises:
        DataError: no such lead; suggests one.
    """
    lower = [name.lower() for name in leads]
    if wanted is not None:
        if wanted.lower() not in lower:
            raise DataError(
                place=str(path),
                value=f"lead {wanted!r}",
                rule="no such lead in this record",
                remedy=near(wanted, leads),
            )
        k = lower.index(wanted.lower())
        return k, leads[k]
    for usual in ("mlii", "ii"):
        if usual in lower:
            return lower.index(usual), leads[lower.index(usual)]
    return 0, leads[0]


def is_mitbih(record: Record) -> bool:
    """Whether it has the rate and length of the records of MIT-BIH."""
    return record.fs == 360 and len(record.signal) == 650_000


def known_paced(record: Record) -> bool:
    """CSV copies of MIT-BIH lose the mark of paced beats; the database's own list has four such records."""
    return record.name in PACED_MITBIH and is_mitbih(record)
