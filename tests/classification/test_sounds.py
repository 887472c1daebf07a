"""WAV files to frames, and a folder of them to a task."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from forecastkit.classification.sounds import read_new_sounds, read_sounds
from forecastkit.cli import main
from forecastkit.errors import DataError, ForecastkitError
from forecastkit.reading.sounds import N_BANDS, log_mel, read_wav

RATE = 8000
SECOND = np.arange(RATE) / RATE


def tone(hertz: float, loud: float = 0.5) -> np.ndarray:
    return loud * np.sin(2 * np.pi * hertz * SECOND)


@pytest.fixture
def folder(tmp_path):
    """A tone that rises or falls, by three speakers."""
    rows = []
    for speaker in range(3):
        for word in ("up", "down"):
            for k in range(3):
                path = np.linspace(0, 1, RATE) if word == "up" else np.linspace(1, 0, RATE)
                x = 0.5 * np.sin(2 * np.pi * np.cumsum((300 + 100 * speaker) * (1 + path)) / RATE)
                name = f"{word}_{speaker}_{k}.wav"
                wavfile.write(tmp_path / name, RATE, (x * 30000).astype(np.int16))
                rows.append((name, word, f"s{speaker}"))
    pd.DataFrame(rows, columns=["file", "word", "who"]).to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(("kind", "scale", "shift"), [
    (np.int16, 32768, 0), (np.int32, 2**31, 0), (np.uint8, 128, 128), (np.float32, 1, 0),
])  # fmt: skip
def test_any_width_of_samples_is_the_same_sound(tmp_path, kind, scale, shift):
    x = tone(440)
    wavfile.write(tmp_path / "a.wav", RATE, (x * scale + shift).astype(kind))
    signal, rate = read_wav(tmp_path / "a.wav")
    assert rate == RATE
    np.testing.assert_allclose(signal, x, atol=0.01)


def test_two_channels_are_averaged(tmp_path):
    wavfile.write(tmp_path / "a.wav", RATE, np.stack([tone(440), 0 * SECOND], axis=1).astype(np.float32))
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav")[0], tone(440) / 2, atol=1e-6)


def test_frames_find_the_band_of_a_tone_and_ignore_loudness():
    both = np.r_[tone(300), tone(2500)] + np.random.default_rng(0).normal(0, 0.01, 2 * RATE)
    frames = log_mel(both, RATE)
    assert frames.shape[1] == N_BANDS
    half = len(frames) // 2
    low, high = frames[: half - 2].mean(axis=0).argmax(), frames[half + 2 :].mean(axis=0).argmax()
    assert low < N_BANDS / 3 < high
    np.testing.assert_allclose(log_mel(0.1 * both, RATE), frames, atol=1e-3)


def test_a_slow_sum_gives_the_same_energy():
    x = np.random.default_rng(1).normal(0, 1, 600)
    frames = log_mel(x, RATE)
    mel = np.linspace(*(2595 * np.log10(1 + np.array([100.0, 4000.0]) / 700)), N_BANDS + 2)
    corners = 700 * (10 ** (mel / 2595) - 1)
    slow = np.zeros((2, N_BANDS))
    for f in range(2):
        part = x[f * 128 : f * 128 + 256] * np.hanning(256)
        for k in range(129):
            hertz = k * RATE / 256
            power = abs(sum(part[j] * np.exp(-2j * np.pi * k * j / 256) for j in range(256))) ** 2
            for b in range(N_BANDS):
                left, middle, right = corners[b : b + 3]
                rise, fall = (hertz - left) / (middle - left), (right - hertz) / (right - middle)
                slow[f, b] += max(0.0, min(rise, fall)) * power
    expected = np.log(slow + 1e-10)
    np.testing.assert_allclose(frames[:2] - frames[:2].mean(axis=0), expected - expected.mean(axis=0), atol=1e-3)


def test_a_folder_becomes_a_task_and_its_run_tells_new_sounds(folder, tmp_path, capsys):
    out = tmp_path / "run"
    words = [
        "classify",
        "fit",
        "--data",
        str(folder),
        "--label",
        "word",
        "--group",
        "who",
        "--out",
        str(out),
        "--quiet",
    ]
    assert main([*words, "--models", "majority", "models.boosting.n_trees=8"]) == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "medical" not in page
    assert main(["classify", "predict", str(out), "--data", str(folder / "up_0_0.wav"), "--model", "logistic"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("up_0_0.wav,up,")


def test_a_speaker_is_a_group(folder):
    task = read_sounds(folder, label="word", group="who")
    assert sorted(set(task.data.groups)) == ["s0", "s1", "s2"]
    assert task.what == "who"
    assert set(task.data.classes) == {"up", "down"}
    new = read_new_sounds(folder, task.plan)
    np.testing.assert_array_equal(np.sort(new.data.features, axis=0), np.sort(task.data.features, axis=0))


@pytest.mark.parametrize(("break_it", "said"), [
    (lambda f: (f / "labels.csv").unlink(), "no labels.csv"),
    (lambda f: (f / "up_0_0.wav").unlink(), "no such file"),
    (lambda f: (f / "up_0_0.wav").write_bytes(b"RIFF0000WAVE"), "up_0_0.wav"),
    (lambda f: (f / "up_0_0.wav").write_bytes(b"not a sound"), "not a WAV"),
    (lambda f: (f / "up_0_0.wav").write_bytes((f / "up_0_0.wav").read_bytes()[:20]), "up_0_0.wav"),
    (lambda f: wavfile.write(f / "up_0_0.wav", 4000, np.zeros(4000, np.int16)), "4000 samples a second"),
    (lambda f: wavfile.write(f / "up_0_0.wav", RATE, np.zeros(9, np.int16)), "too short"),
    (lambda f: wavfile.write(f / "up_0_0.wav", RATE, np.full(RATE, np.nan, np.float32)), "no numbers"),
    (lambda f: (f / "labels.csv").write_text("file,word,who\n../x.wav,up,s0\na.wav,down,s1\n"), "outside"),
    (lambda f: (f / "labels.csv").write_text("name,word,who\nx.wav,up,s0\n"), "file"),
    (lambda f: (f / "labels.csv").write_text("file,word,who\nx.wav,,s0\n"), "label"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(folder, break_it, said):
    break_it(folder)
    with pytest.raises(ForecastkitError, match=said) as error:
        read_sounds(folder, label="word", group="who")
    assert "\n" not in str(error.value)


def test_an_empty_folder_holds_nothing_to_tell(tmp_path):
    with pytest.raises(DataError, match="wav"):
        read_new_sounds(tmp_path, {"classes": ["a"]})
