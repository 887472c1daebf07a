"""Sounds: WAV files to numbers, and numbers to frames of a spectrum."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from forecastkit.errors import DataError

__all__ = ["N_BANDS", "STEP", "log_mel", "part_means", "read_wav"]

N_BANDS = 20
WINDOW, STEP = 0.032, 0.016
"""Seconds of a frame, and from one to the next."""
LOWEST, HIGHEST = 100.0, 4000.0
"""Hertz. Above lies little of a voice, and telephones do not carry it."""
MOST_SECONDS = 600.0
FLOOR = 1e-10


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """(signal [n] float64 in -1 to 1, samples a second) of a WAV file; several channels are averaged.

    Raises:
        DataError: not a WAV file of numbers, empty, longer than ten minutes, or under 8,000 samples a second.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # blocks of metadata that nobody needs
            rate, values = wavfile.read(path)
    except FileNotFoundError:
        raise DataError(place=str(path), rule="no such file", remedy="Check the path.") from None
    except (ValueError, OSError, EOFError, IndexError, OverflowError, MemoryError, KeyError, TypeError) as error:
        why = " ".join(str(error).split())[:100]
        raise DataError(
            place=str(path), value=why, rule="not a WAV file that can be read", remedy="Save it as PCM, 16 bits."
        ) from None
    except Exception as error:
        if type(error).__module__ != "struct":  # a header that ends too early
            raise
        raise DataError(place=str(path), rule="cut short", remedy="Save it again as WAV.") from None
    if rate < 2 * HIGHEST:
        raise DataError(
            place=str(path), value=f"{rate} samples a second", rule=f"at least {2 * HIGHEST:.0f} are needed",
            remedy="Record it again, or leave it out.",
        )  # fmt: skip
    if not len(values) or len(values) < WINDOW * rate:
        raise DataError(
            place=str(path), value=f"{len(values)} samples", rule="too short for one frame of a spectrum",
            remedy="Leave it out.",
        )  # fmt: skip
    if len(values) > MOST_SECONDS * rate:
        raise DataError(
            place=str(path), value=f"{len(values) / rate:.0f} s", rule=f"at most {MOST_SECONDS:.0f} s",
            remedy="Cut it into shorter files.",
        )  # fmt: skip
    signal = values.astype(np.float64)
    if values.dtype == np.uint8:
        signal = (signal - 128) / 128
    elif values.dtype.kind == "i":
        signal = signal / float(np.iinfo(values.dtype).max + 1)
    if signal.ndim == 2:
        signal = signal.mean(axis=1)
    if not np.isfinite(signal).all():
        raise DataError(place=str(path), rule="it holds values that are no numbers", remedy="Save it again as WAV.")
    return signal, int(rate)


def log_mel(signal: np.ndarray, rate: int, *, n_bands: int = N_BANDS) -> np.ndarray:
    """[frames, n_bands] float32: logarithm of the energy in bands that lie as the ear hears, minus each band's mean.

    Without the mean, how loud and through what microphone it was said does not count.

    Args:
        signal: [n].
        rate: samples a second.

    Source: Davis and Mermelstein (1980), doi:10.1109/TASSP.1980.1163420; mel as 2595 log10(1 + f / 700).
    """
    size, step = round(WINDOW * rate), round(STEP * rate)
    n = 1 + (len(signal) - size) // step
    frames = np.lib.stride_tricks.sliding_window_view(signal, size)[::step][:n] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    energy = np.log(power @ _bands(size, rate, n_bands).T + FLOOR)
    return (energy - energy.mean(axis=0)).astype(np.float32)


def part_means(frames: np.ndarray, n_parts: int) -> np.ndarray:
    """[n_parts * C] the mean of each of ``n_parts`` equal parts of frames [T, C], one after the other."""
    edges = np.linspace(0, len(frames), n_parts + 1).astype(int)
    return np.concatenate([frames[a : max(b, a + 1)].mean(axis=0) for a, b in zip(edges, edges[1:])])


def _bands(size: int, rate: int, n_bands: int) -> np.ndarray:
    """[n_bands, frequencies] triangles; each begins at the middle of the one before and ends at that of the one after."""
    lowest, highest = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, n_bands + 2) / 2595) - 1)
    at = np.fft.rfftfreq(size, 1 / rate)[None]
    left, middle, right = (corners[k : k + n_bands, None] for k in range(3))
    triangles: np.ndarray = np.clip(np.minimum((at - left) / (middle - left), (right - at) / (right - middle)), 0, None)
    return triangles
