"""Remarks on a Spanish page are Spanish: what readers and runs remark is in the list of the report."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd

import forecastkit
from forecastkit.classification.beats import read_beats
from forecastkit.classification.rhythm import read_rhythms
from forecastkit.classification.visits import read_visits
from forecastkit.classification.wfdb_files import write_record
from forecastkit.classification.windows import read_windows
from forecastkit.cli import main
from forecastkit.report.labels_words import _REMARKS, remark
from tests.classification.conftest import make_ecg, make_visits
from tests.classification.test_rhythm import lead


def spanish(notes: tuple[str, ...]) -> list[str]:
    said = [remark(note, "es") for note in notes]
    assert not [note for note, told in zip(notes, said) if note == told]
    return said


def test_of_beats(tmp_path):
    for k, name in enumerate(("201", "202", "102")):
        x, samples, symbols = make_ecg(k, kinds="NV", seconds=120)
        x[600:610] = np.nan
        if k == 0:
            x[8000:10600] = x[8000]
        write_record(
            tmp_path,
            name,
            x[:, None],
            250,
            ["II"],
            samples=samples,
            symbols=["/"] * len(symbols) if k == 2 else symbols,
        )
    write_record(tmp_path, "r4", make_ecg(4, seconds=60)[0][:, None], 250, ["II"])
    said = spanish(read_beats(tmp_path, halves=True).notes)
    assert "excluidos por marcapasos: 102" in said
    assert "201: 10 muestras que faltaban, rellenadas" in said
    assert "201: derivación suelta durante 10 s" in said
    assert "excluidos, sin latidos anotados: r4" in said
    assert any("un mismo paciente" in line for line in said)


def test_of_rhythms(tmp_path):
    signals = {f"p{k}": lead(k, fibrillates=k % 2 == 0).signal for k in range(14)}
    signals["p9"] = np.where(np.arange(5000) % 2500 == 1000, 1.0, 1e-3 * np.sin(np.arange(5000.0)))
    pd.DataFrame(signals).to_csv(tmp_path / "leads_500hz.csv", index=False)
    rhythms = ["AF", "SR"] * 5 + ["Flutter", "Block"]
    labels = pd.DataFrame({"patient": list(signals)[:12], "rhythm": rhythms})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    said = spanish(read_rhythms(tmp_path).notes)
    assert "leads_500hz.csv: 2 columnas sin etiqueta, excluidas" in said
    assert any(line.startswith("muy pocos latidos") and "p9" in line for line in said)
    assert any(line.startswith("ritmos de menos de 5 pacientes") for line in said)


def test_of_tables(tmp_path):
    table = make_visits(30)
    table["nothing"], table["words"] = np.nan, [f"w{k}" for k in range(len(table))]
    table["told"] = table["outcome"]
    table.loc[table["patient"] == table["patient"].iloc[0], ["outcome", "told"]] = None
    path = tmp_path / "visits.csv"
    pd.concat(
        [table, pd.DataFrame({"patient": "long", "date": np.arange(250), "outcome": table["outcome"].iloc[-1]})]
    ).assign(date=lambda t: np.arange(len(t))).to_csv(path, index=False)
    said = spanish(read_visits(path, item="patient", time="date", label="outcome", ahead=4.0).notes)
    for part in (
        "está vacía",
        "es texto con",
        "sin fallo",
        "casos sin etiqueta",
        "antes de su final",
        "últimas 200 filas",
    ):
        assert any(part in line for line in said), (part, said)
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 5)), columns=[f"t{k}" for k in range(5)])
    rows.assign(y=["a", "b", None] * 10).to_csv(tmp_path / "rows.csv", index=False)
    assert len(spanish(read_windows(tmp_path / "rows.csv", label="y").notes)) == 2


def test_the_whole_page(records, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["ecg", "fit", "--records", str(records), "--out", str(out), "--split", "intra", "--lang", "es", "--quiet"]
    assert main([*words, "--models", "majority", "models.boosting.n_trees=5"]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "los mismos pacientes están en ambos lados, porque se pidió" in page
    assert "secuencias sueltas al azar" in page
    assert ">0,5<" in page
    assert remark("Cite: somebody (2001).", "es") == "Cite: somebody (2001)."


def test_every_remark_is_one_that_is_made():
    """Whoever changes what a reader says finds the Spanish of it here."""
    folder = Path(forecastkit.__file__).parent
    source = "".join(
        p.read_text(encoding="utf-8")
        for room in ("classification", "run/sequences")
        for p in (folder / room).glob("*.py")
    )
    for english in _REMARKS:
        pieces = [text.strip(": ") for text, *_ in Formatter().parse(english)]
        assert all(piece in source for piece in pieces), english
        assert remark(english, "es") != english
