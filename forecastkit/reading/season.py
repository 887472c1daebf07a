"""The season of a panel, by autocorrelation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from forecastkit.reading.aliases import conventional_season, split_alias, unit_us

if TYPE_CHECKING:
    from forecastkit.forecasting.calendar import Calendar
    from forecastkit.forecasting.schema import SeriesFrame, Store

__all__ = ["autocorrelation", "find_season", "season_of"]

LONGEST = 400
MOST_ITEMS = 50
MOST_ROWS = 20_000
_CANDIDATES = {"B": (5,), "D": (7, 365), "W": (52,), "M": (12,), "Q": (4,), "Y": ()}


def find_season(frame: SeriesFrame) -> tuple[int, str]:
    """(season length in steps, how it was found), as ``season_of``."""
    return season_of(frame.store, frame.calendar)


def season_of(store: Store, calendar: Calendar) -> tuple[int, str]:
    """(season length in steps, how it was found).

    Each series is differenced (which takes out trend and level) and its autocorrelation is read at the seasons
    that the frequency suggests; integer time is searched from 2 to a quarter of its length. A season needs at least
    three cycles, a correlation above 0.2 and above three standard errors (Bartlett: 1 / sqrt(n)), and to stand
    out from its neighbours; of several, the strongest, the shorter where they are within a tenth. Where none is found the season that people expect
    of the frequency is used for the baselines, and the text says so.
    """
    order = np.argsort(-store.lengths, kind="stable")[:MOST_ITEMS]
    series = [store.series(int(i))[-MOST_ROWS:] for i in order]
    n = int(store.lengths.max()) if len(store) else 0
    freq, sessions = calendar.freq, calendar.sessions
    candidates = _candidates(freq, sessions, n)
    long = [s for s in series if len(s) >= 0.5 * min(n, MOST_ROWS)]
    best = _best(_scores(long, n), candidates, calendar.is_integer)
    if not best and not calendar.is_integer:
        best = _slow_wave(long, candidates)
    if best:
        return best, f"season {best} (found)"
    per_day = _steps_a_day(sessions)
    usual = conventional_season(freq, n, per_day)
    if sessions and per_day == 1:
        usual = len(sessions) if n >= 2 * len(sessions) else 1
    return usual, f"season {usual} (conventional; none found)" if usual > 1 else "no season found"


def _steps_a_day(sessions: tuple[tuple[int, int], ...]) -> int:
    return int(np.bincount([d for d, _ in sessions]).max()) if sessions else 0


def _candidates(freq: str, sessions: tuple[tuple[int, int], ...], n: int) -> tuple[int, ...]:
    multiple, unit, _ = split_alias(freq)
    if sessions:
        per_day = _steps_a_day(sessions)
        out: tuple[int, ...] = (per_day, len(sessions)) if per_day > 1 else (len(sessions),)
    elif unit == "step":
        out = tuple(range(2, min(LONGEST, n // 4) + 1))
    elif unit_us(freq) and unit != "D":
        day, us = unit_us("D"), unit_us(freq)
        out = (day // us, 7 * day // us) if day % us == 0 else ()
        out += (60_000_000 // us,) if us < 60_000_000 and 60_000_000 % us == 0 else ()
        out += (3_600_000_000 // us,) if us < 3_600_000_000 and 3_600_000_000 % us == 0 else ()
    else:
        base = _CANDIDATES.get(unit if unit in ("B", "D", "W") else unit[0], ())
        out = tuple(c // multiple for c in base if c % multiple == 0)
    return tuple(sorted({c for c in out if 2 <= c <= LONGEST and 3 * c <= n}))


def autocorrelation(y: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """(autocorrelation at lags 0 to ``most`` of the differenced series, number of differences used).

    Missing values are left out pairwise: each lag is a mean over its pairs of observed differences, by FFT; 0 where there are
    fewer than eight.
    """
    d = np.diff(y)
    seen = np.isfinite(d)
    n = int(seen.sum())
    if n < 8:
        return np.zeros(most + 1), n
    lo, hi = np.quantile(d[seen], (0.01, 0.99)) if n > 200 else (d[seen].min(), d[seen].max())
    # A single split or spike must not decide; the tails are cut.
    d = np.where(seen, np.clip(d, lo, hi) - d[seen].mean(), 0.0)
    # Powers of two: one giant value must not overflow the squares.
    scale = np.abs(d).max()
    if scale == 0 or not np.isfinite(scale):
        return np.zeros(most + 1), n
    d = d / scale
    size = 1 << int(np.ceil(np.log2(len(d) + most + 1)))
    top = np.fft.irfft(np.abs(np.fft.rfft(d, size)) ** 2, size)[: most + 1]
    pairs = np.fft.irfft(np.abs(np.fft.rfft(seen.astype(float), size)) ** 2, size)[: most + 1]
    mean = top / np.maximum(pairs.round(), 1)
    out = np.where(pairs.round() >= 8, mean / mean[0], 0.0)
    return np.clip(out, -1, 1), n


def _scores(series: list[np.ndarray], n: int) -> np.ndarray:
    """[lags] mean autocorrelation in units of its threshold (1 = just significant)."""
    most = min(LONGEST + 2, max(2, n - 2))
    total, used = np.zeros(most + 1), 0
    for y in series:
        acf, length = autocorrelation(y, most)
        if length < 8 or not acf.any():
            continue
        total += acf / max(0.2, 3 / np.sqrt(length))
        used += 1
    return total / used if used else total


def _slow_wave(series: list[np.ndarray], candidates: tuple[int, ...]) -> int:
    """The shortest season that shows in means over blocks; differences of single rows drown a slow wave in noise."""
    for season in candidates:
        width = next((w for w in range(season // 8, 1, -1) if season % w == 0), 1)
        lag = season // width
        means = [_block_means(y, width) for y in series]
        n = max((len(m) for m in means), default=0)
        if width > 1 and n >= 3 * lag and _best(_scores(means, n), (lag,), False):
            return season
    return 0


def _block_means(y: np.ndarray, width: int) -> np.ndarray:
    """Means of successive rows; NaN where fewer than half are observed."""
    blocks = y[len(y) % width :].reshape(-1, width)
    seen = np.isfinite(blocks)
    count = seen.sum(1)
    return np.where(
        2 * count >= width, np.where(seen, blocks / width, 0.0).sum(1) * width / np.maximum(count, 1), np.nan
    )


def _best(scores: np.ndarray, candidates: tuple[int, ...], is_search: bool) -> int:
    good = []
    for lag in candidates:
        if lag + 1 >= len(scores) or scores[lag] < 1:
            continue
        before, after = scores[lag - 1] if lag > 1 else -1.0, scores[lag + 1]
        is_peak = scores[lag] >= before and scores[lag] >= after
        # A search over many lags asks for more than a look at one.
        if is_peak and (not is_search or (scores[lag] > 1.5 and scores[lag] > 1.3 * max(before, after, 0.0))):
            good.append(lag)
    if not good:
        return 0
    # A season shows at its multiples too; values that are held for an hour look like one until half a day is looked at.
    good = [lag for lag in good if (scores[lag : good[-1] : lag] > -1).all()]
    top = max(scores[lag] for lag in good)
    return next(lag for lag in good if scores[lag] >= 0.9 * top)
