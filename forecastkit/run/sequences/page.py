"""report.html of a run that classifies, from the files of its folder."""

from __future__ import annotations

from pathlib import Path

from forecastkit.errors import ModelFileError
from forecastkit.run.folder import RunFolder

__all__ = ["write_labels_page"]


def write_labels_page(run: RunFolder, out: Path | None = None, *, lang: str | None = None) -> Path:
    """Render ``report.html`` of a run that classifies or looks for anomalies.

    Raises:
        ModelFileError: unfinished or damaged.
    """
    from forecastkit.report.labels import LabelReport, write_label_report

    facts = run.facts()
    try:
        import pandas as pd

        curves = run.table("learning_curves.csv") if (run / "learning_curves.csv").exists() else pd.DataFrame()
        data = LabelReport(
            lang=lang or str(facts["config"].get("lang", "en")),
            title=run.path.name,
            facts=facts,
            verdict=run.json("verdict.json"),
            leaderboard=run.table("leaderboard.csv"),
            groups=run.table("groups.csv"),
            curves=curves,
            diagnostics=run.json("diagnostics.json"),
        )
        path = out or run / "report.html"
        write_label_report(data, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"[:120]
        raise ModelFileError(place=str(run.path), value=why, rule="a file of this run is damaged") from None
    return path
