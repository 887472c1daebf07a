"""Does the tone of the Federal Reserve's statements help to forecast the Dow Jones of the next day? Walk forward, with a test.

Data in $FORECASTKIT_DATA: text_series/fomc_statements_djia_1994_2009.csv (104 statements, public domain) with
djia_1994_2009_daily_close.csv (R stevedata), and sentiment/financial_phrasebank_train.csv (Malo et al. 2014; CC BY-NC-SA 3.0),
from which the tone is learned: its sentences are of companies, labelled by people and not by prices, but partly younger than the
statements. A statement comes at about 14:15 New York, so that it is known at that day's close, and the next day is forecast.

    python benchmarks/fomc.py

"events": one forecast a statement, from the 31st on, each by a ridge regression (alpha 1, chosen beforehand) on earlier
statements alone; against no change. "daily": a GRU over all days with the tone as a joined past covariate and without it,
trained to the end of 2003; errors on the days after a statement and on all days. Errors are absolute log returns in per cent.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import forecastkit as fk
from forecastkit.forecasting.significance import diebold_mariano, holm

HERE = Path(__file__).resolve().parent
FIRST, ALPHA = 30, 1.0
TRAINED_TO = "2003-12-31"
SEEDS = (1, 2, 3)
HEAD = [
    "date",
    "part",
    "days",
    "model",
    "against",
    "n",
    "mae",
    "mae_against",
    "skill",
    "p_value",
    "p_holm",
    "verdict",
    "seconds",
]


def data() -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    root = os.environ.get("FORECASTKIT_DATA")
    if not root:
        raise SystemExit("set FORECASTKIT_DATA to the folder that holds text_series/ and sentiment/")
    folder = Path(root) / "text_series"
    statements = pd.read_csv(folder / "fomc_statements_djia_1994_2009.csv", keep_default_na=False)
    prices = pd.read_csv(folder / "djia_1994_2009_daily_close.csv")
    return statements, prices, Path(root) / "sentiment" / "financial_phrasebank_train.csv"


def tone(texts: list[str], phrasebank: Path) -> np.ndarray:
    """P(positive) - P(negative), the mean over a statement's sentences; names of those who voted are left out."""
    from forecastkit.run.texts.scoring import sentiment_weights

    with tempfile.TemporaryDirectory() as folder:
        run = fk.fit_text_classifier(phrasebank, models={}, out=Path(folder) / "tone")
        print("tone:", " ".join(run.verdict["sentence"]["en"]), flush=True)
        scorer = fk.TextScorer(run.folder.path)
        weights = sentiment_weights(scorer.classes)
        sentences = [
            [s for s in re.split(r"(?<=[.;])\s+", text.split("Voting for")[0]) if len(s.split()) > 3] for text in texts
        ]
        said = scorer.predict([s for group in sentences for s in group]) @ weights
    ends = np.cumsum([len(group) for group in sentences])
    return np.array([np.nanmean(part) for part in np.split(said, ends[:-1])])


def ridge(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> float:
    """Standardised on the rows before; the intercept is free."""
    mean, spread = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    z = (x - mean) / spread
    w = np.linalg.solve(z.T @ z + ALPHA * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return float(y.mean() + ((new - mean) / spread) @ w)


def words_model(texts: list[str], y: np.ndarray, new: str) -> float:
    """Ridge on the words of earlier statements."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    vectors = TfidfVectorizer(sublinear_tf=True, min_df=2)
    model = Ridge(alpha=ALPHA).fit(vectors.fit_transform(texts), y)
    return float(model.predict(vectors.transform([new]))[0])


def row(part: str, days: str, model: str, against: str, own: np.ndarray, other: np.ndarray, seconds: float) -> dict:
    found = diebold_mariano(own - other)
    return {
        "part": part, "days": days, "model": model, "against": against, "n": len(own), "mae": own.mean(), "mae_against": other.mean(),
        "skill": 1 - own.mean() / other.mean(), "p_value": found.p_value, "verdict": found.verdict, "seconds": seconds,
    }  # fmt: skip


def events(statements: pd.DataFrame, score: np.ndarray) -> list[dict]:
    day0 = 100 * np.log(statements["close_day0"] / statements["close_prev"]).to_numpy()
    day1 = 100 * np.log(statements["close_day1"] / statements["close_day0"]).to_numpy()
    change = np.r_[0, np.diff(score)]
    kinds = {
        "mean of earlier days": None,
        "tone": np.c_[score],
        "tone and its change": np.c_[score, change],
        "tone, change, return of the day": np.c_[score, change, day0],
        "return of the day alone": np.c_[day0],
        "words of the statement": "words",
    }
    texts = statements["text"].tolist()
    rows = []
    at = range(FIRST, len(day1))
    for name, x in kinds.items():
        started = time.perf_counter()
        if x is None:
            said = [day1[:i].mean() for i in at]
        elif isinstance(x, str):
            said = [words_model(texts[:i], day1[:i], texts[i]) for i in at]
        else:
            said = [ridge(x[:i], day1[:i], x[i]) for i in at]
        own = np.abs(day1[FIRST:] - np.array(said))
        rows.append(
            row("events", "statements", name, "no change", own, np.abs(day1[FIRST:]), time.perf_counter() - started)
        )
    return rows


def daily(prices: pd.DataFrame, statements: pd.DataFrame, score: np.ndarray) -> list[dict]:
    from forecastkit import registry, runtime
    from forecastkit.forecasting.protocol import FitContext

    scores = pd.DataFrame({"published": statements["date"] + " 14:15", "tone": score})
    plain = fk.as_frame(prices, target="Close", time="Date", freq="B")
    joined = fk.join_scores(plain, scores, close="16:00", tz="America/New_York")
    calendar = plain.calendar
    end = calendar.at_or_before(pd.Timestamp(TRAINED_TO))
    observed = np.flatnonzero(np.isfinite(plain.store.series(0)))
    # Holidays have no price: the step that is forecast is the next day with one.
    cutoffs = np.array([c for c in observed[:-1] if c >= end and c + 1 in set(observed)])
    y = np.log(plain.store.series(0))
    answer = y[cutoffs + 1]
    after = np.isin(calendar.instants[cutoffs], pd.to_datetime(statements["date"]))
    naive = 100 * np.abs(answer - y[cutoffs])
    errors, seconds = {}, {}
    for name, frame in (("gru with tone", joined), ("gru without", plain)):
        started, parts = time.perf_counter(), []
        for seed in SEEDS:
            model = registry.create_model("gru")
            with runtime.threads(1):
                fitted = model.fit(frame.upto(end), horizon=1, context=FitContext(seed=seed))
                points = fitted.predict_at(frame, cutoffs)[:, 0, 0]
            parts.append(100 * np.abs(answer - np.log(points)))
        errors[name], seconds[name] = np.mean(parts, axis=0), time.perf_counter() - started
    rows = []
    for days, keep in (("after a statement", after), ("all days", np.ones(len(cutoffs), bool))):
        for name, own in errors.items():
            rows.append(row("daily", days, name, "no change", own[keep], naive[keep], seconds[name]))
        rows.append(
            row(
                "daily",
                days,
                "gru with tone",
                "gru without",
                errors["gru with tone"][keep],
                errors["gru without"][keep],
                0.0,
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--part", choices=("events", "daily"), help="one part only")
    args = parser.parse_args()
    statements, prices, phrasebank = data()
    started = time.perf_counter()
    score = tone(statements["text"].tolist(), phrasebank)
    print(
        f"tone of {len(score)} statements: {score.mean():.3f} on average, spread {score.std():.3f}, {time.perf_counter() - started:.0f} s"
    )
    rows = [] if args.part == "daily" else events(statements, score)
    rows += [] if args.part == "events" else daily(prices, statements, score)
    for part in ("events", "daily"):
        own = [r for r in rows if r["part"] == part]
        for r, p in zip(own, holm([r["p_value"] if r["p_value"] is not None else 1.0 for r in own])):
            r["p_holm"] = p
    for r in rows:
        for key in ("mae", "mae_against", "skill", "p_value", "p_holm"):
            r[key] = f"{r[key]:.4f}" if r[key] is not None else ""
        r["seconds"] = f"{r['seconds']:.1f}"
        r["date"] = dt.date.today().isoformat()
        print("  ".join(f"{r[k]}" for k in HEAD[1:]), flush=True)
    if args.no_write:
        return
    out = HERE / "results" / "fomc.csv"
    fresh = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, HEAD, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
