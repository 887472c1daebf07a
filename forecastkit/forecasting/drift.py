"""Has the series drifted? Errors on new rows beside those of the backtest, one number an origin.

Steps and series of one origin err together, so that they count once. If nothing has changed, origins are
exchangeable, and the rank of the new ones among all gives a p-value that holds for any error distribution.

Source: Mann and Whitney (1947), doi:10.1214/aoms/1177730491; the +1 of a sampled permutation test: Phipson and Smyth
(2010), doi:10.2202/1544-6115.1585.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forecastkit.forecasting.scores import nan_mean

__all__ = ["DRIFTED", "FEWEST_ROWS", "NO_SIGN", "TOO_FEW_ROWS", "Drift", "drift", "rank_test"]

ALPHA = 0.05
FEWEST_ROWS = 8
"""Below so many new rows nothing is said."""

DRIFTED, NO_SIGN, TOO_FEW_ROWS = "drifted", "no sign of drift", "too few to tell"
N_PERMUTATIONS = 9999
MOST_COMBINATIONS = 20_000


@dataclass(frozen=True)
class Drift:
    """The comparison and its sentence.

    Args:
        word: ``drifted``, ``no sign of drift`` or ``too few to tell``.
        ratio: mean scaled error of the new rows over that of the backtest at the same steps; None = undefined.
        level: mean signed error of the new rows (forecast minus actual) over their mean absolute error, from -1 (all
            too low) to 1 (all too high); None = undefined.
        p_value: one-sided, of larger errors; None = not tested.
        n_rows: new rows.
        n_origins, n_reference: new and old origins that were compared.
    """

    word: str
    ratio: float | None
    level: float | None
    p_value: float | None
    n_rows: int
    n_origins: int
    n_reference: int
    sentence: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return asdict(self)


def rank_test(new: np.ndarray, old: np.ndarray, *, seed: int = 0) -> float:
    """One-sided permutation p-value of the rank sum: are ``new`` values larger than ``old`` ones?

    Exact where there are at most 20,000 ways to choose the new ones, else from 9,999 draws.

    Args:
        new, old: [m], [n] without NaN.

    >>> rank_test(np.array([9.0]), np.arange(1.0, 5.0))
    0.2
    """
    from itertools import combinations

    from scipy.stats import rankdata

    ranks = rankdata(np.r_[new, old])
    m, n = len(new), len(ranks)
    observed = ranks[:m].sum() - 1e-9
    if math.comb(n, m) <= MOST_COMBINATIONS:
        sums = np.array([ranks[list(which)].sum() for which in combinations(range(n), m)])
        return float((sums >= observed).mean())
    rng = np.random.default_rng(seed)
    hits = sum(rng.permutation(ranks)[:m].sum() >= observed for _ in range(N_PERMUTATIONS))
    return (hits + 1) / (N_PERMUTATIONS + 1)


def drift(new: np.ndarray, old: np.ndarray, *, alpha: float = ALPHA) -> Drift:
    """Compare scaled errors of new origins with those of the backtest.

    Each error is divided by the backtest's mean error at its step. An origin of which only near steps have come yet is
    left out where there is a fuller one, else the backtest is read at the same steps.

    Args:
        new: [M, I, H] forecast minus actual over the series' scale; NaN where nothing has come yet.
        old: [F, I, H] of the backtest, same model and items; horizons must not overlap.

    Returns:
        Drift; ``too few to tell`` below 8 new rows, or where even the largest errors could not reach ``alpha``.
    """
    n_rows = int(np.isfinite(new).sum())
    usual = nan_mean(np.abs(old), (0, 1))
    usual = np.where(usual > 0, usual, np.nan)
    new, old = _alike(new, old)
    fresh, past = (nan_mean(np.abs(x) / usual[: x.shape[2]], (1, 2)) for x in (new, old))
    fresh, past = fresh[np.isfinite(fresh)], past[np.isfinite(past)]
    ratio = float(fresh.mean() / past.mean()) if len(fresh) and len(past) and past.mean() > 0 else None
    size = float(nan_mean(np.abs(new)))
    level = float(nan_mean(new)) / size if size > 0 else None
    ways = math.comb(len(fresh) + len(past), len(fresh)) if len(fresh) else 1
    testable = n_rows >= FEWEST_ROWS and ways * alpha > 1
    p = rank_test(fresh, past) if testable else None
    word = TOO_FEW_ROWS if p is None else DRIFTED if p < alpha else NO_SIGN
    out = Drift(word, ratio, level, p, n_rows, len(fresh), len(past), {})
    return Drift(**{**asdict(out), "sentence": {lang: _sentence(out, alpha, lang) for lang in ("en", "es")}})


def _alike(new: np.ndarray, old: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New origins that are about complete, and old ones on the same cells: a mean of few cells scatters more."""
    n_cells = np.isfinite(new).sum(axis=(1, 2))
    if not n_cells.any():
        return new, old
    kept = new[n_cells >= 0.9 * n_cells.max()]
    return kept, np.where(np.isfinite(kept).any(axis=0)[None], old, np.nan)


def _sentence(d: Drift, alpha: float, lang: str) -> str:
    en = lang == "en"
    times = "" if d.ratio is None else f"{d.ratio:.2g}"
    p = "" if d.p_value is None else "p < 0.001" if d.p_value < 0.001 else f"p = {d.p_value:.2g}"
    if not en:
        times, p = times.replace(".", ","), p.replace(".", ",")
    if d.word == TOO_FEW_ROWS:
        if d.n_rows < FEWEST_ROWS:
            return (
                f"{_rows(d.n_rows, lang)}: too few to tell whether the series has drifted; {FEWEST_ROWS} are needed."
                if en
                else f"{_rows(d.n_rows, lang)}: pocas para decir si la serie ha derivado; hacen falta {FEWEST_ROWS}."
            )
        more = next((m for m in range(d.n_origins, 50) if math.comb(m + d.n_reference, m) * alpha > 1), None)
        wait = "" if more is None else f" {more} forecasts are needed." if en else f" Hacen falta {more} pronósticos."
        return (
            f"{_origins(d.n_origins, lang)} beside {d.n_reference} of the backtest: too few to tell whether the series has "
            f"drifted.{wait}"
            if en
            else f"{_origins(d.n_origins, lang)} junto a {d.n_reference} de la prueba: pocos para decir si la serie ha "
            f"derivado.{wait}"
        )
    side = ""
    if d.word == DRIFTED and d.level is not None and abs(d.level) > 0.8:
        side = {
            ("en", True): ", nearly all too high",
            ("en", False): ", nearly all too low",
            ("es", True): ", casi todos demasiado altos",
            ("es", False): ", casi todos demasiado bajos",
        }[lang, d.level > 0]
    if en:
        said = "The series has drifted" if d.word == DRIFTED else "No sign of drift"
        advice = " Fit again on newer rows." if d.word == DRIFTED else ""
        return f"{said}: errors are {times} times those of the backtest{side} ({p}).{advice}"
    said = "La serie ha derivado" if d.word == DRIFTED else "Sin señales de deriva"
    advice = " Ajusta de nuevo con filas recientes." if d.word == DRIFTED else ""
    return f"{said}: los errores son {times} veces los de la prueba{side} ({p}).{advice}"


def _rows(n: int, lang: str) -> str:
    if lang == "en":
        return f"{n} new row{'s' * (n != 1)}"
    return f"{n} fila{'s' * (n != 1)} nueva{'s' * (n != 1)}"


def _origins(n: int, lang: str) -> str:
    if lang == "en":
        return f"{n} new forecast{'s' * (n != 1)}"
    return f"{n} pronóstico{'s' * (n != 1)} nuevo{'s' * (n != 1)}"
