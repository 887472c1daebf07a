"""Make the saved models of ``fixtures`` that the present format still lacks; one that is there is never made again.

    python -m tests.trust.make_fixtures

To be run before ``MODEL_FORMAT`` of forecastkit/artifacts.py is raised: then no folder is missing, and the code of the
next format has all families of this one to read. Everything in them is generated here.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import wavfile

from forecastkit import artifacts
from forecastkit.classification.wfdb_files import write_record
from forecastkit.cli import main
from tests.classification.conftest import make_ecg, make_visits
from tests.classification.test_rhythm import lead
from tests.text.test_transcription import RATE, sound
from tests.trust.saved_models import FIXTURES, said_by

NETWORK = {"hidden": 4, "max_steps": 20, "val_every": 10, "context_length": 14}
SISTER = ["models.gru.max_steps=20", "models.gru.hidden=4", "models.boosting.n_trees=4"]
KEPT = ("run.yaml", "verdict.json", "model")
"""What predictions need of the run of a sister task, and the plan in its diagnostics.json."""


def _small(*names: str) -> list[str]:
    return [f"models.{name}.{key}={value}" for name in names for key, value in NETWORK.items()]


def _sales() -> None:
    """Two shops, a column known ahead with its values over the horizon, one known up to now and one that never changes."""
    t = np.arange(126)
    rng = np.random.default_rng(4)
    parts = []
    for k, shop in enumerate(("north", "south")):
        promotion = (rng.random(126) < 0.2).astype(int)
        sales = 40 + 9 * k + 6 * np.sin(2 * np.pi * t / 7) + 8 * promotion + rng.normal(0, 1, 126)
        table = pd.DataFrame({
            "shop": shop, "date": pd.date_range("2023-01-02", periods=126).strftime("%Y-%m-%d"), "sales": np.round(sales, 1),
            "promotion": promotion, "visits": np.round(sales * 3 + rng.normal(0, 2, 126)), "kind": "big" if k else "small",
        })  # fmt: skip
        table.loc[122:, ["sales", "visits"]] = np.nan
        parts.append(table)
    pd.concat(parts).to_csv("sales.csv", index=False)
    pd.concat(p.iloc[:122] for p in parts).to_csv("plain.csv", index=False)


def _forecast(model: str, *words: str, data: str = "plain.csv") -> str:
    _sales()
    _run("fit", "--data", data, "--target", "sales", "--horizon", "4", "--season", "7", f"final={model}", *words)
    return "run/model"


COVARIATES = ("--known", "promotion", "--past", "visits", "--static", "kind", "--holidays", "ES")


def _visits() -> str:
    table = make_visits(40)
    table.to_csv("visits.csv", index=False)
    table[table["patient"] < "p006"].drop(columns="outcome").to_csv("input.csv", index=False)
    _run(
        "classify", "fit", "--data", "visits.csv", "--item", "patient", "--time", "date", "--label", "outcome", *SISTER
    )
    return "run"


def _table_of_shapes() -> None:
    """Equal and short sequences, a row each; what is nearest is asked too."""
    rng, t = np.random.default_rng(0), np.arange(20)
    rows = [np.sin(t / (2 + k % 2) + rng.uniform(0, 6)) + rng.normal(0, 0.1, 20) for k in range(72)]
    table = pd.DataFrame(np.round(rows, 2), columns=[f"t{k:03d}" for k in t])
    table.drop(index=range(5, 72)).to_csv("input.csv", index=False)
    table.assign(label=["slow" if k % 2 else "fast" for k in range(72)]).to_csv("shapes.csv", index=False)


def _shapes() -> str:
    _table_of_shapes()
    _run("classify", "fit", "--data", "shapes.csv", "--label", "label", "--models", "gru", *SISTER)
    return "run"


def _strange() -> str:
    _table_of_shapes()
    words = ["--task", "anomaly", "--models", "gru", *SISTER[:2]]
    _run("classify", "fit", "--data", "shapes.csv", "--label", "label", *words)
    return "run"


def _beats() -> str:
    for k in range(4):
        x, samples, symbols = make_ecg(k, seconds=40)
        write_record(Path("records"), f"p{k}", x[:, None], 250, ["II"], fmt="212", samples=samples, symbols=symbols)
    x, _, _ = make_ecg(9, seconds=8, share=0.3)
    write_record(Path(), "input", x[:, None], 250, ["II"], fmt="212")
    _run("ecg", "fit", "--records", "records", "models.gru.filters=4", *SISTER)
    shutil.rmtree("run/model/nearest")  # it keeps every beat; that of the shapes is small
    return "run"


def _rhythm() -> str:
    for k in range(24):
        x = lead(k, fibrillates=k % 3 == 0).signal
        write_record(Path("records"), f"p{k}", x[::4, None], 125, ["II"], fmt="212")
    rows = [{"record": f"p{k}", "rhythm": "other" if k % 3 else "AF"} for k in range(24)]
    pd.DataFrame(rows).to_csv("records/labels.csv", index=False)
    write_record(Path(), "input", lead(60, fibrillates=True).signal[::4, None], 125, ["II"], fmt="212")
    _run("ecg", "fit", "--task", "rhythm", "--records", "records", "models.gru.filters=4", *SISTER)
    return "run"


def _reviews(model: str) -> str:
    things, rng = ["bag", "lamp", "tea", "ride", "pen", "book"], np.random.default_rng(2)
    good, bad = ["is lovely and works", "is a joy", "was great"], ["is awful and broke", "is a pain", "was poor"]
    rows = [
        {
            "text": f"The {rng.choice(things)} {rng.choice([bad, good][k % 2])} after {k} days",
            "label": ["no", "yes"][k % 2],
        }
        for k in range(90)
    ]
    pd.DataFrame(rows).to_csv("reviews.csv", index=False)
    _lines("The lamp is awful", "The tea was great after 7 days", "Nothing of this was there", "")
    options = {"epochs": 2, "hidden": 4, "embedding": 4, "buckets": 100}
    words = [f"models.{model}.{key}={value}" for key, value in options.items()]
    _run("text", "fit", "--task", "classify", "--data", "reviews.csv", "--models", model, *words)
    if model != "gru":
        shutil.rmtree("run/model/tfidf")
    return "run"


def _tales(level: str) -> str:
    rng = np.random.default_rng(3)
    who, what, where = ["The fox", "A boy", "The king", "One owl"], ["sleeps", "sings", "waits"], ["here", "by the sea"]
    lines = [f"{rng.choice(who)} {rng.choice(what)} {rng.choice(where)}." for _ in range(160)]
    Path("tales.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _lines("The fox", "A boy sings by")
    words = ["models.gru_lm.hidden=4", "models.gru_lm.embedding=4", "models.gru_lm.epochs=2", "models.gru_lm.minutes=0"]
    _run(
        "text", "fit", "--task", "language-model", "--data", "tales.txt", "--level", level, "--models", "gru_lm", *words
    )
    return "run"


def _phrases() -> str:
    who = {"dog": "perro", "cat": "gato", "horse": "caballo", "king": "rey", "boy": "chico"}
    what = {"sleeps": "duerme", "sings": "canta", "waits": "espera", "runs": "corre"}
    when = {"": "", " today": " hoy", " now": " ahora"}
    rows = [
        f"The {a}{c} {b}.\tEl {who[a]}{when[c]} {what[b]}." for a in who for b in what for c in when
    ]  # fmt: skip
    Path("phrases.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    _lines("The dog sings.", "The king now waits.")
    words = ["models.seq2seq.hidden=6", "models.seq2seq.embedding=6", "models.seq2seq.epochs=4"]
    _run("text", "fit", "--task", "translate", "--data", "phrases.tsv", "--models", "seq2seq", *words)
    return "run"


def _tones() -> str:
    """Words of tones; two of them are asked about."""
    rng = np.random.default_rng(1)
    Path("tones").mkdir()
    rows = []
    for k in range(60):
        text = "".join(rng.choice(["a", "b", "c"], 1 + k % 3))
        x = (sound(text, 0.9 + 0.005 * (k % 20), rng) * 20000).astype(np.int16)
        wavfile.write(f"tones/{k}.wav", RATE, x)
        rows.append((f"{k}.wav", text))
    for k in (0, 1):
        shutil.copy(f"tones/{k}.wav", f"input{k}.wav")
    pd.DataFrame(rows, columns=["file", "text"]).to_csv("tones/labels.csv", index=False)
    words = ["models.gru_ctc.hidden=8", "models.gru_ctc.epochs=30", "models.gru_ctc.minutes=0.2"]
    _run("text", "fit", "--task", "transcribe", "--data", "tones", "--models", "gru_ctc", *words)
    shutil.rmtree("run/model/nearest", ignore_errors=True)  # it keeps every sound
    return "run"


def _lines(*lines: str) -> None:
    Path("input.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _run(*words: str) -> None:
    if main([*words, "--quiet", "--out", "run"]):
        raise SystemExit(f"did not end well: {' '.join(words)}")


MAKERS: dict[str, Callable[[], str]] = {
    "lstm": lambda: _forecast("lstm", "--models", "lstm", *_small("lstm")),
    "seasonal_naive": lambda: _forecast("seasonal_naive", "--models", "naive"),
    "theta": lambda: _forecast("theta", "--models", "naive"),
    "auto_arima_covariates": lambda: _forecast("auto_arima", "--models", "naive", *COVARIATES, data="sales.csv"),
    "ensemble": lambda: _forecast("ensemble", "--models", "gru", "ensemble=greedy", "--seeds", "2", *_small("gru")),
    "ensemble_median": lambda: _forecast("ensemble", "--models", "naive", "ensemble=median"),
    "gru_covariates": lambda: _forecast("gru", "--models", "gru", *COVARIATES, *_small("gru"), data="sales.csv"),
    "gru_conformal": lambda: _forecast("gru", "--models", "gru", "--transform", "log", *_small("gru")),
    "ridge_covariates": lambda: _forecast("ridge", "--models", "ridge", *COVARIATES, data="sales.csv"),
    "boosting": lambda: _forecast("boosting", "--models", "boosting", "models.boosting.max_trees=5"),
    "visits": _visits,
    "shapes": _shapes,
    "anomalies": _strange,
    "beats": _beats,
    "rhythm": _rhythm,
    "text_gru": lambda: _reviews("gru"),
    "text_wide": lambda: _reviews("wide_gru"),
    "language_words": lambda: _tales("word"),
    "language_chars": lambda: _tales("char"),
    "translation": _phrases,
    "transcription": _tones,
}


def make(name: str, to: Path) -> None:
    """One fixture, from a run in a scratch folder, so that no path of this machine is in it."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            made = Path(MAKERS[name]())
            draft = Path("draft")
            if (made / "model.json").exists():
                shutil.copytree(made, draft)
            else:
                draft.mkdir()
                for part in (*(made / k for k in KEPT), *Path().glob("input*")):
                    copy = shutil.copytree if part.is_dir() else shutil.copy
                    copy(part, draft / part.name)
                if (made / "diagnostics.json").exists():
                    plan = json.loads((made / "diagnostics.json").read_text(encoding="utf-8")).get("plan")
                    artifacts.write_json(draft / "diagnostics.json", {"plan": plan})
            artifacts.write_csv(draft / "expected.csv", said_by(draft))
            shutil.copytree(draft, to)
        finally:
            os.chdir(home)


def make_missing() -> None:
    """All that the present format lacks."""
    for name in MAKERS:
        to = FIXTURES / f"format_{artifacts.MODEL_FORMAT}_{name}"
        if not to.exists():
            make(name, to)
            print(to.name, sum(p.stat().st_size for p in to.rglob("*") if p.is_file()), "bytes", flush=True)


if __name__ == "__main__":
    make_missing()
