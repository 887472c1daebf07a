"""The Spanish of what is remarked in English."""

from pathlib import Path
from string import Formatter

import pytest

import forecastkit
from forecastkit.report.remarks import FORECASTS, remark


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        (
            "theta (MASE 1.02) is the simplest of the models that are as good as the best on 3 select folds, gru (1.00). "
            "lstm (0.95) was not clearly better than a naive rule there.",
            "theta (MASE 1,02) es el más simple de los modelos tan buenos como el mejor en 3 cortes de elección, gru (1,00). "
            "lstm (0,95) no fue allí claramente mejor que una regla simple.",
        ),
        (
            "the mean of theta, lstm; time is that of its members",
            "la media de theta, lstm; su tiempo es el de sus miembros",
        ),
        ("theta 83 %, gru 17 %; time is that of its members", "theta 83 %, gru 17 %; su tiempo es el de sus miembros"),
        ("season 24 (found)", "estación 24 (hallada)"),
        ("season 7", "estación 7"),
        ("sessions of half-hours", "sesiones de medias horas"),
        ("every 2 weeks", "cada 2 semanas"),
        ("nobody ever said this. Nor that; at all.", "nobody ever said this. Nor that; at all."),
    ],
)
def test_remarks_on_forecasts(english, spanish):
    assert remark(english, "es") == spanish
    assert remark(english, "en") == english


def test_every_remark_is_one_that_is_made():
    """Whoever changes what is said where it arises finds the Spanish of it here."""
    folder = Path(forecastkit.__file__).parent
    rooms = ("forecasting", "forecasting/models", "reading", "run")
    source = "".join(p.read_text(encoding="utf-8") for room in rooms for p in (folder / room).glob("*.py"))
    source = source.replace('"\n', "").replace("{{", "{")
    for english in FORECASTS:
        words = [word for text, *_ in Formatter().parse(english) for word in text.split() if len(word) > 3]
        assert all(word.strip("(),.:;?") in source for word in words), english
        filled = english.format(**{name: "7" for _, name, *_ in Formatter().parse(english) if name})
        assert remark(filled, "es") != filled, english


def test_the_page(finished_run, tmp_path):
    from forecastkit.run.folder import RunFolder
    from forecastkit.run.page import write_page

    page = write_page(RunFolder.open(finished_run), tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
    assert "cortes de elección" in page
    assert "select folds" not in page
    assert "su tiempo es el de sus miembros" in page
