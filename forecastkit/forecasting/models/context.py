"""How far back a network reads, and how many rows it reads as one step."""

from __future__ import annotations

from forecastkit.forecasting.schema import SeriesFrame

__all__ = ["default_context", "most_context", "season_segments"]

LONGEST_READ = 100
"""Seasons up to this length are read at least twice by the context."""
FEWEST_SEGMENT = 4
"""A shorter season is not worth a segment."""
MOST_SEGMENTS = 14
"""Two weeks of days, where a season is a day."""
MOST_ROWS = 400


def most_context(frame: SeriesFrame, horizon: int) -> int:
    """The longest context that leaves more than half of the longest series to learn from."""
    longest = int(frame.store.lengths.max()) if len(frame.store) else 2
    return max(2, min(2 * longest // 5, longest - 2 * horizon))


def default_context(frame: SeriesFrame, horizon: int) -> int:
    """Rows to read: two seasons, or three horizons, as far as the history leaves enough windows to learn from."""
    season = frame.season_length
    # A season that is too long to be read twice is not worth the steps: shorter contexts learn more from the rows.
    seasons = 2 * season if season <= LONGEST_READ else 0
    return int(max(2, min(max(seasons, 3 * horizon, 60), most_context(frame, horizon), MOST_ROWS)))


def season_segments(
    frame: SeriesFrame, horizon: int, *, context_length: int | None, segment: int | None = None, least: int = 1
) -> tuple[int, int]:
    """(rows of the context, rows read as one step): up to fourteen seasons, each of them one step.

    Args:
        context_length, segment: as the user wants them; None = found. The context is a multiple of the segment.
        least: rows of a segment where there is no season to read as one.
    """
    season, most = frame.season_length, most_context(frame, horizon)
    if segment is None:
        room = context_length or most
        fits = FEWEST_SEGMENT <= season <= LONGEST_READ and room >= 2 * season
        segment = season if fits else min(least, max(1, room // 2))
    if context_length is not None:
        return max(segment, context_length - context_length % segment), segment
    if segment > 1 and segment == season:
        return segment * max(2, min(MOST_SEGMENTS, most // segment)), segment
    return segment * -(-default_context(frame, horizon) // segment), segment
