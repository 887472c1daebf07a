"""Sounds and pictures into text: reading, models, and the way from a folder to a run."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import wavfile

from forecastkit.cli import main
from forecastkit.errors import ForecastkitError
from forecastkit.reading.pictures import N_ROWS, read_picture
from forecastkit.run.texts.transcribe import TranscriptionRun, fit_transcriber
from forecastkit.text.frames import FramePairs, read_frames
from forecastkit.text.metrics import edits, error_rates
from forecastkit.text.models import TRANSCRIBERS, create, restore
from forecastkit.text.protocol import FitAbout

RATE = 8000
TONES = {"a": 400, "b": 900, "c": 1800, " ": 0}
SMALL = {"gru_ctc": {"hidden": 24, "steps": 150, "noise": 0.1, "lr": 0.02}, "lstm_ctc": {"hidden": 8, "steps": 2}, "seq2seq": {"hidden": 8, "steps": 2}}  # fmt: skip


def sound(text: str, high: float, rng: np.random.Generator) -> np.ndarray:
    """A tone a letter, a little higher or lower by the speaker."""
    at = np.arange(int(0.12 * RATE)) / RATE
    parts = [np.sin(2 * np.pi * TONES[c] * high * at) for c in text]
    return np.concatenate(parts) + rng.normal(0, 0.02, len(text) * len(at))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Words of tones by forty speakers."""
    where, rng = tmp_path_factory.mktemp("tones"), np.random.default_rng(1)
    rows = []
    for speaker in range(40):
        for k in range(2):
            text = "".join(rng.choice(["a", "b", "c"], rng.integers(2, 5)))
            name = f"{speaker}_{k}.wav"
            x = sound(text, 0.9 + 0.005 * speaker, rng)
            wavfile.write(where / name, RATE, (x * 20000).astype(np.int16))
            rows.append((name, text, f"s{speaker}"))
    pd.DataFrame(rows, columns=["file", "text", "who"]).to_csv(where / "labels.csv", index=False)
    return where


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "tones"
    options = [f"models.gru_ctc.{k}={v}" for k, v in SMALL["gru_ctc"].items()]
    words = ["text", "fit", "--task", "transcribe", "--data", str(folder), "--group", "who", "--out", str(out)]
    assert main([*words, "--quiet", *options]) == 0
    return out


def test_edits_against_a_slow_search_and_another_library():
    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    rng = np.random.default_rng(0)
    some = ["".join(rng.choice(list("ab "), rng.integers(0, 6))) for _ in range(30)]
    for a, b in zip(some, some[1:]):
        assert edits(a, b) == slow(a, b) == edits(b, a)
    theirs = pytest.importorskip("torchmetrics.functional.text")
    said, known = ["two too", "one", "eight"], ["two two", "one", "five nine"]
    ours = error_rates(said, known)
    assert ours["cer"] == pytest.approx(float(theirs.char_error_rate(said, known)))
    assert ours["wer"] == pytest.approx(float(theirs.word_error_rate(said, known)))
    assert ours["exact"] == pytest.approx(1 / 3)


def test_a_run_hears_speakers_that_it_never_met(run, folder, capsys):
    board = pd.read_csv(run / "leaderboard.csv").set_index("model")
    assert set(board.index) == {"usual", "nearest", "gru_ctc"}
    assert board.loc["gru_ctc", "cer"] < 0.1 < board.loc["nearest", "cer"]
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    assert (verdict["use"], verdict["word"], verdict["n_groups"]) == ("gru_ctc", "better", 10)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "who" in page
    assert "·" in page
    said = pd.read_csv(run / "predictions.csv")
    assert said["group"].nunique() == 10
    again = error_rates(list(said["said"].fillna("")), list(said["text"]))
    assert again["cer"] == pytest.approx(board.loc["gru_ctc", "cer"])
    files = [str(folder / name) for name in said["file"][:3]]
    capsys.readouterr()
    assert main(["text", "transcribe", str(run), *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == list(said["said"][:3])


def test_a_folder_is_written_to_a_table(run, folder, tmp_path):
    out = tmp_path / "said.csv"
    assert (
        main(["text", "transcribe", str(run), str(folder), "--beam", "1", "--model", "nearest", "--out", str(out)]) == 0
    )
    said = pd.read_csv(out)
    assert list(said.columns) == ["file", "text"]
    assert len(said) == 80
    known = pd.read_csv(folder / "labels.csv").set_index("file")["text"]
    assert (said["text"] == known[said["file"]].to_numpy()).mean() > 0.5  # those it learned are its own neighbours


def test_a_beam_of_one_is_the_best_path(run, folder):
    reader = TranscriptionRun(run, "gru_ctc")
    path = folder / "0_0.wav"
    frames = read_frames(folder).source[0]
    steps = reader.model.steps(frames)
    assert reader.transcribe([path], beam=1) == ["".join(k for k, _ in itertools.groupby(steps) if k != "·")]


def pairs_of(kind: str = "sounds") -> FramePairs:
    rng = np.random.default_rng(2)
    source = tuple(rng.normal(0, 1, (rng.integers(12, 20), 5)).astype(np.float32) for _ in range(24))
    return FramePairs(source, tuple("abba" if k % 2 else "ab" for k in range(24)), ("s",) * 24, ("f",) * 24, kind)


@pytest.mark.parametrize("name", sorted(TRANSCRIBERS))
def test_what_is_kept_says_the_same(name):
    pairs = pairs_of()
    options = SMALL.get(name, {})
    options = {**options, "steps": 2} if options else {}
    model = create("transcribe", name, **options).fit(pairs, FitAbout(), pairs)
    arrays, meta = model.state()
    kept = restore("transcribe", name, arrays, json.loads(json.dumps(meta)))
    said = model.translate(pairs.source[:5], beam=3)
    assert len(said) == 5
    assert kept.translate(pairs.source[:5], beam=3) == said


def test_the_usual_text_is_the_most_frequent_or_the_one_nearest_to_all():
    pairs = pairs_of()
    often = FramePairs(pairs.source[:5], ("x", "x", "x", "yy", "zz"), ("s",) * 5, ("f",) * 5, "sounds")
    assert create("transcribe", "usual").fit(often, FitAbout()).translate([None, None]) == ["x", "x"]
    once = FramePairs(pairs.source[:3], ("aaaa", "aabb", "bbbb"), ("s",) * 3, ("f",) * 3, "sounds")
    assert create("transcribe", "usual").fit(once, FitAbout()).translate([None]) == ["aabb"]


def test_the_same_seed_gives_the_same_network():
    pairs = pairs_of()
    a, b = (create("transcribe", "gru_ctc", hidden=8, steps=5).fit(pairs, FitAbout(seed=3)) for _ in range(2))
    for key, value in a.state()[0].items():
        np.testing.assert_array_equal(value, b.state()[0][key])


def test_texts_without_room_are_said(folder, tmp_path):
    pairs = pairs_of()
    long = FramePairs(pairs.source, ("abcdefghijklmnop",) * 24, pairs.groups, pairs.files, "sounds")
    with pytest.raises(ForecastkitError, match="characters than half the frames") as error:
        create("transcribe", "gru_ctc", steps=1).fit(long, FitAbout())
    assert "\n" not in str(error.value)


# --- pictures


def picture(path, rise: bool, *, width: int = 60, ink="black", paper="white", mode="RGB") -> None:
    image = Image.new(mode, (width, 30), paper)
    for x in range(width):
        y = 28 - x * 26 // width if rise else 2 + x * 26 // width
        image.putpixel(
            (x, y), {"black": 0, "white": 255}[ink] if mode == "L" else (0, 0, 0) if ink == "black" else (255, 255, 255)
        )
    image.save(path)


def test_a_picture_is_read_from_left_to_right_and_from_top_to_bottom(tmp_path):
    picture(tmp_path / "a.png", rise=True)
    x = read_picture(tmp_path / "a.png")
    assert x.shape == (48, N_ROWS)
    assert x.dtype == np.float32
    rows = x.argmax(axis=1)
    assert rows[0] > 20
    assert rows[-1] < 3
    assert (np.diff(rows) <= 0).all()
    assert x.min() == 0
    assert x.std() == pytest.approx(1, abs=1e-5)


def test_white_on_black_and_without_a_background_are_the_same_picture(tmp_path):
    picture(tmp_path / "a.png", rise=True, mode="L")
    picture(tmp_path / "b.png", rise=True, mode="L", ink="white", paper="black")
    grey = Image.open(tmp_path / "a.png")
    clear = Image.merge("LA", [Image.new("L", grey.size, 0), grey.point(lambda v: 255 - v)])
    clear.save(tmp_path / "c.png")
    a, b, c = (read_picture(tmp_path / f"{k}.png") for k in "abc")
    np.testing.assert_allclose(a, b, atol=0.05)
    np.testing.assert_allclose(a, c, atol=0.05)


def test_a_folder_of_pictures_goes_the_same_way(tmp_path, capsys):
    for k in range(40):
        picture(tmp_path / f"{k}.png", rise=k % 2 == 0, width=50 + k % 5)
    table = pd.DataFrame({"file": [f"{k}.png" for k in range(40)], "text": ["It rises.", "It falls."] * 20})
    table.to_csv(tmp_path / "labels.csv", index=False)
    options = {
        "seq2seq": {
            "hidden": 16,
            "embedding": 8,
            "steps": 80,
            "lr": 0.02,
            "dropout": 0.0,
            "smoothing": 0.0,
            "average": 0.8,
        }
    }
    done = fit_transcriber(tmp_path, models=options, out=tmp_path / "run", lang="es")
    board = done.leaderboard.set_index("model")
    assert board.loc["seq2seq", "cer"] < 0.05
    assert done.verdict["sentence"]["es"][0].startswith("Usa ")
    reader = TranscriptionRun(done.folder.path, "seq2seq")
    assert reader.transcribe([tmp_path / "0.png", tmp_path / "1.png"]) == ["It rises.", "It falls."]
    capsys.readouterr()
    assert main(["text", "transcribe", str(tmp_path / "run"), str(tmp_path / "labels.csv")]) == 2
    assert "neither a WAV nor a PNG" in capsys.readouterr().err


# --- what is wrong


def _table(folder, text: str) -> None:
    (folder / "labels.csv").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(("break_it", "said"), [
    (lambda f: (f / "labels.csv").unlink(), "no labels.csv"),
    (lambda f: (f / "0.png").unlink(), "no such file"),
    (lambda f: (f / "0.png").write_bytes(b"no picture"), "not a picture"),
    (lambda f: (f / "0.png").write_bytes((f / "0.png").read_bytes()[:60]), "not a picture"),
    (lambda f: Image.new("L", (60, 30), 255).save(f / "0.png"), "nothing in the picture"),
    (lambda f: Image.new("L", (3000, 30), 255).save(f / "0.png"), "times as wide as high"),
    (lambda f: _table(f, "file,text\n0.png,a\n"), "1 files with a text"),
    (lambda f: _table(f, "name,text\n0.png,a\n"), "file"),
    (lambda f: _table(f, "file,said\n0.png,a\n"), "--text"),
    (lambda f: _table(f, "file,text\n../0.png,a\n"), "outside"),
    (lambda f: _table(f, "file,text\n" + "0.png,a\n" * 25 + "0.wav,b\n"), "not both"),
    (lambda f: _table(f, "file,text\n" + "0.gif,a\n" * 25), "neither a WAV nor a PNG"),
    (lambda f: _table(f, "file,text\n" + "0.png,\n" * 25), "0 files with a text"),
])  # fmt: skip
def test_a_bad_folder_is_one_line(tmp_path, break_it, said):
    for k in range(22):
        picture(tmp_path / f"{k}.png", rise=k % 2 == 0)
    _table(tmp_path, "file,text\n" + "".join(f"{k}.png,a\n" for k in range(22)))
    break_it(tmp_path)
    with pytest.raises(ForecastkitError, match=said) as error:
        read_frames(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("words", "said"), [
    (["--data", "/nowhere"], "no such folder"),
    (["--data", "{folder}", "--group", "voice"], "no such column"),
    (["--data", "{folder}", "--text", "wrds"], "no such column"),
    (["--data", "{folder}", "--level", "char"], "means nothing"),
    (["--data", "{folder}", "--models", "gru"], "no such model"),
    (["--data", "{folder}", "--models", "gru_ctc", "models.gru_ctc.hidden=7"], "even"),
    (["--data", "{folder}", "--models", "gru_ctc", "models.gru_ctc.level=word2"], "no such choice"),
    (["--data", "{folder}", "--models", "lstm_ctc", "models.lstm_ctc.lr=0"], "above 0"),
])  # fmt: skip
def test_bad_words_are_one_line(folder, capsys, words, said):
    asked = [w.format(folder=folder) for w in words]
    assert main(["text", "fit", "--task", "transcribe", *asked]) == 2
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


def test_few_speakers_are_not_split_and_other_files_are_refused(folder, run, tmp_path, capsys):
    table = pd.read_csv(folder / "labels.csv")
    for name in table["file"]:
        shutil.copy(folder / name, tmp_path)
    assert main(["text", "transcribe", str(run), str(tmp_path / "none.png")]) == 2
    assert "the model reads sounds" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["text", "transcribe", str(run), str(tmp_path / "empty")]) == 2
    assert "ends in .wav" in capsys.readouterr().err
    assert main(["text", "transcribe", str(run), str(tmp_path / "none.wav"), "--model", "other"]) == 2
    assert "not saved in this run" in capsys.readouterr().err
    assert main(["text", "translate", str(run), "a b"]) == 2
    assert "a run of translate is needed" in capsys.readouterr().err
    table.assign(who=["s0", "s1"] * 40).to_csv(tmp_path / "labels.csv", index=False)
    assert main(["text", "fit", "--task", "transcribe", "--data", str(tmp_path), "--group", "who"]) == 2
    assert "too few to learn from some" in capsys.readouterr().err
