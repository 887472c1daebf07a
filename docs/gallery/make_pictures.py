"""Pictures of series as PNG files, and in words what is to be seen in each.

python make_pictures.py FOLDER --n 2500
"""

import argparse
import csv
import random
from math import pi, sin
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

HEIGHT, ROWS = 64, 25
WHERE = {"early": 4, "in the middle": 12, "late": 20}


def draw(series, low, high, rng):
    """The line from left to right, as a chart has it, without its axes; no two charts have one size, margin or pen."""
    width, left, right, top, bottom = rng.randint(100, 150), *(rng.randint(2, 14) for _ in range(4))
    picture = Image.new("L", (width, HEIGHT), "white")
    across, down = (width - left - right) / (len(series) - 1), HEIGHT - top - bottom
    points = [(left + t * across, top + down * (high - y) / (high - low)) for t, y in enumerate(series)]
    ImageDraw.Draw(picture).line(points, fill="black", width=rng.randint(1, 3))
    return picture if rng.random() < 0.5 else ImageOps.invert(picture)


def one(rng):
    """(picture, caption)."""
    trend, swings, jump = rng.choice([-1, 0, 1]), rng.choice([0, 2, 4]), rng.choice([None, *WHERE])
    up, phase = rng.choice([-1, 1]), rng.uniform(0, 2 * pi)
    at = WHERE.get(jump, 0) + rng.randint(-2, 2)
    series = []
    for t in range(ROWS):
        y = 3 * trend * t / ROWS + (0.7 * sin(2 * pi * swings * t / ROWS + phase) if swings else 0)
        series.append(y + rng.gauss(0, 0.1) + (2.5 * up if jump and t == at else 0))
    low, high = min(series), max(series)
    if trend == 0 and not swings and not jump:
        low, high = -2, 2  # a level line is not blown up to noise
    said = {-1: "It falls", 0: "It stays level", 1: "It rises"}[trend]
    said += f" and swings {'twice' if swings == 2 else 'four times'}" if swings else ""
    said += f", with a {'peak' if up > 0 else 'dip'} {jump}" if jump else ""
    return draw(series, low, high, rng), f"{said}."


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--n", type=int, default=2500)
    options.add_argument("--seed", type=int, default=3)
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng, rows = random.Random(asked.seed), []
    for k in range(asked.n):
        picture, said = one(rng)
        picture.save(asked.folder / f"{k:03}.png")
        rows.append([f"{k:03}.png", said])
    with (asked.folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["file", "text"], *rows])


if __name__ == "__main__":
    main()
