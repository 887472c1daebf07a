"""What people look at: the page, the terminal's leaderboard and figures. Nothing is computed here, only shown.

``ReportData`` is the whole input of the page; ``forecastkit.run.page`` fills it from a run folder.
"""

from __future__ import annotations

from forecastkit.report.data import ReportData
from forecastkit.report.page import render

__all__ = ["ReportData", "render"]
