"""Texts of a file with their classes; dated texts as a series of sentiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecastkit.artifacts import write_csv
from forecastkit.errors import ConfigError, DataError, UnknownNameError, near

if TYPE_CHECKING:
    import pandas as pd

    from forecastkit.run.texts.classify import TextScorer

__all__ = ["predict_file", "score_series", "sentiment_weights"]

POSITIVE = ("positive", "positivo", "pos", "good", "bueno", "bullish", "1")
NEGATIVE = ("negative", "negativo", "neg", "bad", "malo", "bearish", "-1")


def _columns(data: str | Path, text: str | None) -> tuple[pd.DataFrame, str]:
    import pandas as pd

    from forecastkit.text.schema import TEXT_NAMES, column_of, read_columns

    names, rows, _ = read_columns(data)
    width = len(names)
    table = pd.DataFrame([(row + [""] * width)[:width] for row in rows], columns=names, dtype=object)
    return table, names[column_of(names, text, TEXT_NAMES, "text", str(data))]


def predict_file(
    scorer: TextScorer, data: str | Path, text: str | None = None, out: str | Path | None = None
) -> tuple[Path, int, int]:
    """Write the rows of ``data`` with ``predicted`` and probabilities beside; (file, rows, rows without text).

    Raises:
        DataError: the file cannot be read, has no rows or no column of texts.
    """
    table, column = _columns(data, text)
    if not len(table):
        raise DataError(place=str(data), rule="the file has no rows")
    said = scorer.table(list(table[column])).rename(columns={"label": "predicted"})
    clash = [c for c in table.columns if c in said.columns]
    result = table.drop(columns=clash).join(said)
    path = Path(out) if out is not None else Path(data).with_name(f"{Path(data).stem}-predicted.csv")
    write_csv(path, result)
    return path, len(result), int((said["predicted"] == "").sum())


def sentiment_weights(classes: tuple[str, ...]) -> np.ndarray:
    """[K] +1 for the positive class, -1 for the negative one, 0 for others; of two classes without such names the second counts.

    >>> sentiment_weights(("negative", "neutral", "positive")).tolist()
    [-1.0, 0.0, 1.0]
    """
    lowered = [c.casefold() for c in classes]
    weights = np.array([1.0 if c in POSITIVE else -1.0 if c in NEGATIVE else 0.0 for c in lowered])
    if (weights > 0).any() and (weights < 0).any():
        return weights
    if len(classes) == 2:
        return np.array([0.0, 1.0])
    raise DataError(
        place="classes", value=", ".join(classes)[:100], rule="no class is called positive and none negative",
        remedy="A series needs a run whose classes are negative, neutral and positive, or two classes.",
    )  # fmt: skip


def score_series(
    scorer: TextScorer,
    data: str | Path,
    *,
    time: str,
    freq: str,
    text: str | None = None,
    out: str | Path | None = None,
    each: bool = False,
) -> tuple[Path, int, int, list[str]]:
    """Write ``timestamp, sentiment, n_texts``; (file, texts, rows, notes).

    Each text counts for the first instant of ``freq`` at or after its own time, so that no row holds a text that came later.
    Sentiment is the mean of P(positive) - P(negative); an instant without texts is empty, not zero.

    Args:
        each: a row a text with its time as it was written, for ``fit --join`` with ``--close``; ``freq`` means nothing.

    Raises:
        DataError: unreadable file or times.
        ConfigError: an unknown frequency.
        UnknownNameError: no such column.
    """
    import pandas as pd

    table, column = _columns(data, text)
    if time not in table.columns:
        raise UnknownNameError(place=f"{data}, --time {time}", rule="no such column", remedy=near(time, table.columns))
    weights = sentiment_weights(scorer.classes)
    stamps, lost = _stamps(table[time], str(data))
    try:
        offset: Any = pd.tseries.frequencies.to_offset(freq)
    except ValueError:
        raise ConfigError(
            place="--freq", value=repr(freq), rule="no such frequency", remedy="Such as D, B, W-SUN, MS, h."
        ) from None
    p = scorer.predict(list(table[column]))
    value = p @ weights
    known = np.isfinite(value) & stamps.notna().to_numpy()
    if not known.any():
        raise DataError(place=str(data), rule="no row has both a time and a text")
    at = stamps[known]
    path = Path(out or "sentiment.csv")
    notes = []
    if lost:
        notes.append(f"{lost} rows without a readable time were left out.")
    empty = int((~np.isfinite(value)).sum())
    if empty:
        notes.append(f"{empty} rows without text were left out.")
    if each:
        rows = pd.DataFrame({time: table[time][known].to_numpy(), "sentiment": value[known]})
        write_csv(path, rows)
        return path, int(known.sum()), len(rows), notes
    # Days of a business calendar or of weeks have no clock: the texts of a whole day belong to it.
    if not isinstance(offset, pd.tseries.offsets.Tick) or pd.Timedelta(offset) >= pd.Timedelta(days=1):
        at = at.dt.normalize()
    places = pd.DatetimeIndex(
        [offset.rollforward(t) if not isinstance(offset, pd.tseries.offsets.Tick) else t.ceil(freq) for t in at]
    )
    frame = pd.DataFrame({"timestamp": places, "sentiment": value[known]})
    grouped = frame.groupby("timestamp")["sentiment"].agg(["mean", "size"])
    grid = pd.date_range(grouped.index.min(), grouped.index.max(), freq=offset)
    series = grouped.reindex(grid)
    result = pd.DataFrame(
        {
            "timestamp": grid,
            "sentiment": series["mean"].to_numpy(),
            "n_texts": series["size"].fillna(0).astype(int).to_numpy(),
        }
    )
    write_csv(path, result)
    return path, int(known.sum()), len(result), notes


def _stamps(column: pd.Series, place: str) -> tuple[pd.Series, int]:
    import pandas as pd

    stamps = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    lost = int(stamps.isna().sum())
    if lost > 0.5 * len(stamps):
        example = next((str(v) for v, t in zip(column, stamps) if pd.isna(t)), "")
        raise DataError(place=f"{place}, column {column.name}", value=repr(example)[:60], rule="times are written as 2024-01-31 or 2024-01-31 10:30")  # fmt: skip
    return stamps, lost
