"""Digits strung together without a pause, by voices of make_digits.py, and what each one says.

python make_speech.py FOLDER --speakers 40 --times 6
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from make_digits import RATE, WORDS, say
from scipy.io import wavfile


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--speakers", type=int, default=40)
    options.add_argument("--times", type=int, default=6)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(asked.seed), []
    for speaker in range(asked.speakers):
        pitch, size, pace = rng.uniform(90, 240), rng.uniform(0.88, 1.14), rng.uniform(0.8, 1.25)
        for k in range(asked.times):
            words = rng.choice(list(WORDS), rng.integers(2, 4))
            sounds = " ".join(WORDS[word] for word in words).split()
            signal = say(sounds, pitch * rng.uniform(0.95, 1.05), size, pace, rng)
            quiet = [np.zeros(int(rng.uniform(0.02, 0.3) * RATE)) for _ in range(2)]
            signal = np.concatenate([quiet[0], signal / np.abs(signal).max(), quiet[1]])
            signal = signal + rng.normal(0, 0.05, len(signal))
            name = f"{speaker}_{k}.wav"
            wavfile.write(asked.folder / name, RATE, (signal / np.abs(signal).max() * 30000).astype(np.int16))
            rows.append([name, " ".join(words), f"speaker{speaker}"])
    with (asked.folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["file", "text", "speaker"], *rows])


if __name__ == "__main__":
    main()
