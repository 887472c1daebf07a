"""What people look at: the page, the terminal's leaderboard and figures. Nothing is computed here, only shown.

``data.ReportData`` is the whole input of the page; ``forecastkit.run.page`` fills it from a run folder.
"""
