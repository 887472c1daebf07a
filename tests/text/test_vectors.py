from __future__ import annotations

import gzip
import importlib.util
import sys
import zlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from forecastkit import artifacts
from forecastkit.cli import main
from forecastkit.errors import ForecastkitError
from forecastkit.text.vectors import word_vectors

ROWS = {"good": np.arange(12.0), "bad": -np.arange(12.0), "¿": np.ones(12)}


def write(path, head=""):
    lines = [f"{word} {' '.join(str(v) for v in row)}" for word, row in ROWS.items()]
    content = (head + "\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(("name", "head"), [("glove.txt", ""), ("cc.es.vec", "3 12\n"), ("w2v.vec.gz", "3 12\n")])
def test_text_forms(tmp_path, name, head):
    write(tmp_path / name, head)
    (tmp_path / "README.txt").write_text("What these are.\nTwo lines.\n")
    for source in (tmp_path, tmp_path / name):
        found, known = word_vectors(str(source), ["bad", "never", "¿"])
        assert known.tolist() == [True, False, True]
        np.testing.assert_array_equal(found[0], -np.arange(12.0))
        assert not found[1].any()


def test_a_package_of_pieces_is_read_and_never_imported(tmp_path, monkeypatch):
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder = tmp_path / "vectorpack"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit('imported')")
    vocabulary = {"[UNK]": 0, "lo": 1, "w": 2}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=""))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(folder / "tokenizer.json"))
    table = np.array([[9.0, 9.0], [1.0, 0.0], [0.0, 3.0]], np.float32)
    save_file({"embedding": table}, folder / "weights.safetensors")
    monkeypatch.syspath_prepend(str(tmp_path))
    found, known = word_vectors("package:vectorpack", ["low", "lo"])
    assert known.all()
    np.testing.assert_allclose(found, [[0.5, 1.5], [1.0, 0.0]])
    assert "vectorpack" not in sys.modules
    (folder / "weights.safetensors").write_bytes(b"123")
    with pytest.raises(ForecastkitError, match="damaged"):
        word_vectors("package:vectorpack", ["low"])


def test_the_installed_package_of_the_extra():
    if importlib.util.find_spec("wordllama") is None:
        pytest.skip("needs the extra [pretrained]")
    found, _ = word_vectors("package:wordllama", ["profit", "profits", "kettle"])
    near = found @ found.T / np.linalg.norm(found, axis=1) / np.linalg.norm(found, axis=1)[:, None]
    assert near[0, 1] > near[0, 2]


@pytest.mark.parametrize(("content", "said"), [
    (None, "Nothing is downloaded"), ("just a text\nof two lines", "no word vectors"),
    ("good " + "1 " * 11 + "1\nis " + "1 " * 11 + "1\nbad " + "1 " * 11 + "x\n", "line 3"), ("a " + "1 " * 11 + "1\nb " + "1 " * 11 + "1\n", "none of the words"),
    ("good " + "1 " * 11 + "1\nbad " + "1 " * 10 + "1\n", "line 2"), ("good " + "1 " * 11 + "nan\nbad " + "1 " * 11 + "1\n", "line 1"),
])  # fmt: skip
def test_bad_vectors_are_one_line(tmp_path, content, said):
    path = tmp_path / "v.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ForecastkitError, match=said) as error:
        word_vectors(str(path), ["good", "bad"])
    assert "\n" not in str(error.value)


def test_a_package_that_is_not_there_is_named():
    for name in ("package:no_such_pack", "package:../x", "package:"):
        with pytest.raises(ForecastkitError, match="no such package is installed"):
            word_vectors(name, ["good"])


def test_fit_and_predict_with_vectors(tmp_path, capsys):
    write(tmp_path / "v.txt")
    out = tmp_path / "run"
    words = [
        f"models.gru.vectors={tmp_path / 'v.txt'}",
        "models.gru.epochs=1",
        "models.gru.hidden=4",
        "models.gru.buckets=0",
    ]
    assert main(["text", "fit", "--data", "dataset:reviews", "--quiet", "--out", str(out), *words]) == 0
    _, meta = artifacts.load_model(out / "model" / "gru")
    assert meta["state"]["options"]["embedding"] == 12
    (tmp_path / "v.txt").unlink()
    assert main(["text", "predict", str(out), "good"]) == 0
    assert (
        main(
            [
                "text",
                "fit",
                "--data",
                "dataset:reviews",
                "--quiet",
                "--out",
                str(tmp_path / "b"),
                words[0],
                "models.gru.level=char",
            ]
        )
        == 2
    )
    assert "only with level=word" in capsys.readouterr().err


def test_a_damaged_archive_is_one_line(tmp_path):
    """A block that is none, far inside: gzip begins to read, and then zlib raises an error of its own."""
    rng = np.random.default_rng(0)
    lines = [f"w{k} {' '.join(f'{v:.6f}' for v in rng.normal(size=12))}" for k in range(2000)]
    packer = zlib.compressobj(wbits=31)
    whole = packer.compress("\n".join(lines).encode()) + packer.flush(zlib.Z_FULL_FLUSH)
    (tmp_path / "w.vec.gz").write_bytes(whole + b"\xff" * 100)
    with pytest.raises(ForecastkitError, match=r"w\.vec\.gz, line \d+: a word and 12 numbers are needed"):
        word_vectors(str(tmp_path / "w.vec.gz"), ["w0", "w1999"])
