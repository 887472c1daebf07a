"""Digits spoken by a small synthesiser: harmonics of a voice, louder near the formants of each sound, and noise for s, f, t.

python make_digits.py FOLDER --speakers 8 --times 2
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.io import wavfile

RATE = 8000
VOWELS = {  # the first three formants, in hertz
    "i": (300, 2250, 2900), "I": (400, 1950, 2550), "e": (530, 1850, 2480), "a": (720, 1150, 2500), "V": (640, 1190, 2390),
    "o": (500, 880, 2540), "u": (320, 850, 2250), "r": (420, 1300, 1600), "n": (280, 1000, 2200), "v": (300, 1100, 2100),
    "w": (310, 700, 2200), "z": (280, 1700, 2500),
}  # fmt: skip
NOISES = {
    "s": (2800, 0.5),
    "f": (1800, 0.2),
    "t": (2300, 0.5),
    "k": (1500, 0.5),
    "th": (2000, 0.15),
    "z": (2800, 0.25),
    "v": (1800, 0.1),
}
WORDS = {
    "zero": "z I r o o", "one": "w V V n", "two": "t u u", "three": "th r i i", "four": "f o o r", "five": "f a I v",
    "six": "s I k s", "seven": "s e v V n", "eight": "e I t", "nine": "n a I n",
}  # fmt: skip


def say(sounds, pitch, size, pace, rng):
    """[n] signal: sounds glide into each other; ``size`` scales the formants, ``pitch`` is in hertz."""
    lengths = [0.09 * pace * rng.uniform(0.85, 1.15) for _ in sounds]
    at = np.arange(int(sum(lengths) * RATE)) / RATE
    middle = np.cumsum(lengths) - np.array(lengths) / 2
    voiced = np.interp(at, middle, [float(s in VOWELS) for s in sounds])
    shapes = np.array([VOWELS.get(s, VOWELS["V"]) for s in sounds]) * size
    formants = np.stack([np.interp(at, middle, shape) for shape in shapes.T])
    f0 = pitch * (1.1 - 0.25 * at / at[-1]) * (1 + 0.01 * np.sin(2 * np.pi * 5 * at))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    out = np.zeros(len(at))
    for k in range(1, int(3600 / pitch)):
        gain = sum(g / (1 + ((k * f0 - f) / 90) ** 2) for f, g in zip(formants, (1.0, 0.6, 0.3)))
        out += voiced * gain * np.sin(k * phase)
    spectrum, frequency = np.fft.rfft(rng.normal(0, 1, len(at))), np.fft.rfftfreq(len(at), 1 / RATE)
    for middle_at, sound in zip(middle, sounds):
        if sound in NOISES:
            centre, loud = NOISES[sound]
            hiss = np.fft.irfft(spectrum / (1 + ((frequency - centre) / 500) ** 2), len(at))
            out += 3 * loud * hiss * np.exp(-(((at - middle_at) / 0.035) ** 2))
    return out


def main():
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--speakers", type=int, default=8)
    options.add_argument("--times", type=int, default=2)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    rng, rows = np.random.default_rng(asked.seed), []
    for speaker in range(asked.speakers):
        pitch, size, pace = rng.uniform(90, 240), rng.uniform(0.88, 1.14), rng.uniform(0.8, 1.25)
        for word, sounds in WORDS.items():
            for k in range(asked.times):
                signal = say(sounds.split(), pitch * rng.uniform(0.95, 1.05), size, pace, rng)
                quiet = [np.zeros(int(rng.uniform(0.02, 0.3) * RATE)) for _ in range(2)]  # nobody speaks at once
                signal = np.concatenate([quiet[0], signal / np.abs(signal).max(), quiet[1]])
                signal = signal + rng.normal(0, 0.05, len(signal))
                name = f"{word}_{speaker}_{k}.wav"
                wavfile.write(asked.folder / name, RATE, (signal / np.abs(signal).max() * 30000).astype(np.int16))
                rows.append([name, word, f"speaker{speaker}"])
    with (asked.folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["file", "word", "speaker"], *rows])


if __name__ == "__main__":
    main()
