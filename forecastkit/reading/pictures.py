"""Pictures: PNG files to columns of ink."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forecastkit.errors import DataError

__all__ = ["MOST_COLUMNS", "N_ROWS", "read_picture"]

N_ROWS = 24
"""Numbers of a column, whatever the size of the picture."""
MOST_COLUMNS = 240
MOST_PIXELS = 50_000_000


def read_picture(path: Path) -> np.ndarray:
    """[columns, N_ROWS] float32, from left to right and from top to bottom: how far a spot is from the background, in
    deviations over the picture.

    Colours count by their brightness; what is transparent is white. A picture is made N_ROWS high, and as wide as that makes it.

    Raises:
        DataError: missing, no picture, too large, or of one colour.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(
                    place=str(path), value=f"{picture.width} x {picture.height}", rule=f"at most {MOST_PIXELS:,} pixels are read",
                    remedy="Make it smaller.",
                )  # fmt: skip
            white = Image.new("RGBA", picture.size, "white")
            grey = Image.alpha_composite(white, picture.convert("RGBA")).convert("L")
            width = round(grey.width * N_ROWS / grey.height)
            if not 1 <= width <= MOST_COLUMNS:
                raise DataError(
                    place=str(path), value=f"{picture.width} x {picture.height}", rule=f"at most {MOST_COLUMNS // N_ROWS} times as wide as high",
                    remedy="Cut it.",
                )  # fmt: skip
            small = np.asarray(grey.resize((width, N_ROWS), Image.Resampling.BOX), np.float32)
            background = float(np.median(np.asarray(grey)))
    except FileNotFoundError:
        raise DataError(place=str(path), rule="no such file", remedy="Check the path.") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        why = " ".join(str(error).split())[:100]
        raise DataError(place=str(path), value=why, rule="not a picture that can be read", remedy="Save it as PNG.") from None  # fmt: skip
    ink = np.abs(small - background)
    if not ink.max() > 1:
        raise DataError(place=str(path), rule="there is nothing in the picture", remedy="Leave it out.")
    out: np.ndarray = (ink / ink.std()).T
    return out
