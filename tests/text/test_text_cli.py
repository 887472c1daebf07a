from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from forecastkit.cli import main
from forecastkit.text.examples import EXAMPLES, example

FILES = ("leaderboard.csv", "verdict.json", "learning_curves.csv", "run.yaml", "report.html")


def one_line_error(capsys, words):
    assert main(words) == 2
    err = capsys.readouterr().err.strip()
    assert err.startswith("forecastkit: ")
    assert "\n" not in err
    return err


def test_a_run_leaves_its_files(reviews_run):
    for name in FILES:
        assert (reviews_run / name).stat().st_size > 0
    board = pd.read_csv(reviews_run / "leaderboard.csv")
    assert set(board["model"]) == {"majority", "tfidf", "gru", "gru+tfidf"}
    assert {"accuracy", "macro_f1", "auc", "ece", "p_value"} <= set(board.columns)
    curves = pd.read_csv(reviews_run / "learning_curves.csv")
    assert {"train_loss", "valid_loss", "valid_accuracy"} <= set(curves.columns)
    verdict = json.loads((reviews_run / "verdict.json").read_text())
    assert verdict["tested"] == "gru"
    assert verdict["reference"] == "tfidf"
    assert not list(reviews_run.rglob("*.pkl"))


def test_predict_says_class_and_probabilities(reviews_run, capsys):
    assert main(["text", "predict", str(reviews_run), "It is terrible, I want my money back"]) == 0
    out = capsys.readouterr().out
    assert "negative" in out.split()[0]


def test_predict_a_file(reviews_run, tmp_path, capsys):
    path = tmp_path / "new.csv"
    pd.DataFrame({"id": [1, 2, 3], "text": ["fue genial", "", "=1+1"]}).to_csv(path, index=False)
    out = tmp_path / "scored.csv"
    assert main(["text", "predict", str(reviews_run), "--data", str(path), "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert len(table) == 3
    assert list(table.columns) == ["id", "text", "predicted", "p_negative", "p_neutral", "p_positive"]
    assert pd.isna(table["predicted"][1])
    assert table["p_positive"].isna().tolist() == [False, True, False]
    assert table["text"][2] == "'=1+1"
    np.testing.assert_allclose(table.iloc[[0, 2], 3:].sum(axis=1), 1, atol=1e-6)


def test_each_saved_model_can_be_asked(reviews_run, capsys):
    for name in ("gru", "tfidf", "gru+tfidf"):
        assert main(["text", "predict", str(reviews_run), "bien", "--model", name]) == 0
    assert "Choose from" in one_line_error(capsys, ["text", "predict", str(reviews_run), "bien", "--model", "lstm"])


def test_a_damaged_model_is_said(reviews_run, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(reviews_run, run)
    for path in run.glob("model/*/weights.safetensors"):
        path.write_bytes(path.read_bytes()[:-5] + b"12345")
    assert "damaged" in one_line_error(capsys, ["text", "predict", str(run), "bien"])


def test_the_report_escapes_texts_and_asks_for_nothing(tmp_path):
    rows = pd.read_csv(example("reviews"))
    rows["text"] = rows["text"] + " <script>alert(1)</script> \u202e"
    rows["label"] = np.random.default_rng(0).permutation(rows["label"].to_numpy())
    path = tmp_path / "odd.csv"
    rows.to_csv(path, index=False)
    assert (
        main(
            ["text", "fit", "--data", str(path), "--quiet", "--lang", "es", "--out", str(tmp_path / "run"), "models={}"]
        )
        == 0
    )
    html = (tmp_path / "run" / "report.html").read_text()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "Lo que falló" in html


def test_language_run(language_run, capsys):
    for name in FILES:
        assert (language_run / name).stat().st_size > 0
    assert main(["text", "complete", str(language_run), "Hoy hace buen", "--top", "3"]) == 0
    assert "tiempo" in capsys.readouterr().out.splitlines()[0]
    # Nothing said: what a line begins with.
    assert main(["text", "complete", str(language_run), "", "--top", "5"]) == 0
    assert any(line.split()[-1].istitle() for line in capsys.readouterr().out.splitlines())
    words = [
        "text",
        "generate",
        str(language_run),
        "Hoy hace",
        "--tokens",
        "12",
        "--top-k",
        "5",
        "--top-p",
        "0.9",
        "--seed",
        "4",
    ]
    assert main(words) == 0
    first = capsys.readouterr().out
    assert first.startswith("Hoy hace")
    assert main(words) == 0
    assert capsys.readouterr().out == first
    assert "none of its words" in one_line_error(capsys, ["text", "complete", str(language_run), "xyzzy qwrty"])
    assert "temperature" in one_line_error(
        capsys, ["text", "generate", str(language_run), "Hoy", "--temperature", "-1"]
    )


def test_runs_of_another_task_are_refused(language_run, reviews_run, capsys):
    assert "a run of language-model" in one_line_error(capsys, ["text", "predict", str(language_run), "hola"])
    assert "a run of classify" in one_line_error(capsys, ["text", "generate", str(reviews_run), "hola"])


def test_score_makes_a_series_without_later_texts(reviews_run, tmp_path):
    path = tmp_path / "news.csv"
    good, bad = "It is great, I would buy it again", "It is terrible, I want my money back"
    # Friday, Saturday and the Thursday after: Saturday's text counts on Monday, never before.
    rows = pd.DataFrame({"date": ["2024-03-01", "2024-03-02", "2024-03-07", "soon"], "text": [good, bad, good, good]})
    rows.to_csv(path, index=False)
    out = tmp_path / "sentiment.csv"
    words = ["text", "score", str(reviews_run), "--data", str(path), "--time", "date", "--freq", "B", "--out", str(out)]
    assert main(words) == 0
    series = pd.read_csv(out)
    assert series["timestamp"].tolist() == ["2024-03-01", "2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"]
    assert series["n_texts"].tolist() == [1, 1, 0, 0, 1]
    assert series["sentiment"][0] > 0 > series["sentiment"][1]
    assert series["sentiment"][2:4].isna().all()


def test_score_of_each_text_keeps_its_time_as_it_was_written(reviews_run, tmp_path):
    path, out = tmp_path / "news.csv", tmp_path / "each.csv"
    times = ["2024-03-01T14:15:00-05:00", "2024-03-01 18:00", "soon"]
    rows = pd.DataFrame({"published": times, "text": ["It is great, I would buy it again"] * 3})
    rows.to_csv(path, index=False)
    words = ["text", "score", str(reviews_run), "--data", str(path), "--time", "published", "--each", "--out", str(out)]
    assert main(words) == 0
    series = pd.read_csv(out)
    assert series["published"].tolist() == times[:2]
    assert (series["sentiment"] > 0).all()


def write(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def rows_of(label, n, word):
    return [f'"{word} {chr(97 + k)} sentence",{label}' for k in range(n)]


BAD = {
    "one class": (rows_of("a", 10, "one"), "only 'a'"),
    "spelt four ways": (
        [*rows_of("Positive", 6, "w"), *rows_of("positive", 6, "x"), *rows_of("POSITIVE", 6, "y"), *rows_of("positive ", 2, "q"), *rows_of("negative", 9, "z")],
        "'POSITIVE' (6 rows), 'Positive' (6 rows), 'positive' (8 rows)",
    ),
    "no text": ([",a", '"  ",b'], "no text is left"),
    "no labels": (rows_of("", 9, "one"), "no text is left"),
    "a rare class": ([*rows_of("a", 9, "one"), *rows_of("b", 2, "two")], "'b' (2 rows)"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
def test_bad_labelled_files_are_one_line(name, tmp_path, capsys):
    rows, said = BAD[name]
    assert said in one_line_error(capsys, ["text", "fit", "--data", write(tmp_path / "bad.csv", rows)])


def test_missing_labels_and_odd_texts_are_counted_and_never_a_class(tmp_path):
    rows = [
        *rows_of("good", 14, "nice"),
        *rows_of("bad", 14, "awful"),
        '"nothing said",',
        '"not known",NaN',
        '"not known either",nan',
        '"",good',
    ]
    rows += [
        '"' + "long words " * 30_000 + '",good',
        '"\u202eevil \x07 bell \u200f",bad',
        '"👍🏽👩\u200d🚀 🎉",good',
        '"¿?!…",bad',
    ]
    path = write(tmp_path / "odd.csv", rows)
    out = tmp_path / "run"
    assert main(["text", "fit", "--data", path, "--quiet", "--out", str(out), "models={}"]) == 0
    import yaml

    facts = yaml.safe_load((out / "run.yaml").read_text())
    assert facts["data"]["skipped"] == {"without a label": 3, "empty text": 1, "cut to 20,000 characters": 1}
    assert set(facts["data"]["classes"]) == {"good", "bad"}
    assert facts["data"]["rows"] == 32
    assert main(["text", "predict", str(out), "👍", "\u202e", "x" * 300_000]) == 0


@pytest.mark.parametrize(("words", "said"), [
    (["--task", "clasify", "--data", "x.csv"], "classify"), (["--data", "nowhere.csv"], "nowhere.csv"), ([], "--data"),
    (["--data", "dataset:review"], "reviews"), (["--data", "dataset:reviews", "--label", "labl"], "label"),
    (["--data", "dataset:reviews", "--models", "lstmm"], "lstm"), (["--data", "dataset:reviews", "models.gru.hiddn=3"], "hidden"),
    (["--data", "dataset:reviews", "--folds", "9"], "folds"), (["--data", "dataset:reviews", "--level", "word"], "level"),
    (["--task", "language-model", "--data", "dataset:tales", "--level", "letter"], "level"),
])  # fmt: skip
def test_wrong_words_are_one_line(words, said, capsys, fresh_folder):
    assert said in one_line_error(capsys, ["text", "fit", *words])


def test_the_terminal_shows_data_leaderboard_and_answer(tmp_path, capsys):
    rows = [*rows_of("good", 14, "nice"), *rows_of("bad", 14, "awful"), '"not known",NaN']
    path = write(tmp_path / "odd.csv", rows)
    assert main(["text", "fit", "--data", path, "--out", str(tmp_path / "run"), "--lang", "es", "models={}"]) == 0
    out = capsys.readouterr().out
    assert "28 texts: 14 bad, 14 good; without a label: 1" in out
    assert "exactitud" in out
    assert any(line.startswith("tfidf") for line in out.splitlines())
    assert "Informe" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Give a file of running text"),
        (" \n\n\u200b", "the text is empty"),
        ("three short words", "tokens to learn from"),
    ],
)
def test_an_empty_book_is_one_line(content, said, tmp_path, capsys):
    path = tmp_path / "book.txt"
    path.write_text(content, encoding="utf-8")
    assert said in one_line_error(capsys, ["text", "fit", "--task", "language-model", "--data", str(path)])


def test_a_book_of_one_long_line_and_few_words(tmp_path, capsys):
    path = tmp_path / "line.txt"
    path.write_text("uno dos \u202e\u200f\x07" * 30_000, encoding="utf-8")
    out = str(tmp_path / "run")
    words = ["text", "fit", "--task", "language-model", "--data", str(path), "--quiet", "--out", out, "models={}"]
    assert main(words) == 0
    capsys.readouterr()
    # More asked for than there are words: what is only a mark of the vocabulary is never said.
    assert main(["text", "complete", out, "uno", "--top", "9"]) == 0
    said = capsys.readouterr().out
    assert said.split()[1] == "dos"
    assert "<" not in said
    assert main(["text", "generate", out, "\u202edos", "--tokens", "3", "--temperature", "0"]) == 0
    assert capsys.readouterr().out == "dos uno dos uno\n"


def test_examples_are_there():
    assert all(example(name).stat().st_size > 1000 for name in EXAMPLES)
