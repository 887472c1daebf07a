"""WFDB files: written and read again, against the reference reader, and hostile headers."""

from __future__ import annotations

import numpy as np
import pytest

from forecastkit.classification.wfdb_files import read_annotations, read_header, read_signals, write_record
from forecastkit.errors import DataError


@pytest.mark.parametrize("fmt", ["16", "212"])
@pytest.mark.parametrize("n", [1000, 1001])
def test_what_is_written_is_read(tmp_path, fmt, n):
    signals = np.random.default_rng(0).normal(0, 1, (n, 1 if n % 2 else 2))
    signals[3, 0] = np.nan
    samples, symbols = np.array([10, 500, 90_000, 5_000_000]), ["N", "V", "A", "/"]
    path = write_record(
        tmp_path, "r1", signals, 360, ["MLII", "V5"][: signals.shape[1]], fmt=fmt, samples=samples, symbols=symbols
    )
    header = read_header(path)
    assert (header.fs, header.n_samples, header.signals[0].lead) == (360, n, "MLII")
    np.testing.assert_allclose(read_signals(header), signals, atol=0.0026)
    at, kinds = read_annotations(tmp_path / "r1.atr")
    assert at.tolist() == samples.tolist()
    assert kinds == symbols


@pytest.mark.parametrize("fmt", ["16", "212"])
def test_the_reference_reader_agrees(tmp_path, fmt):
    wfdb = pytest.importorskip("wfdb")
    signals = np.random.default_rng(0).normal(0, 1, (1000, 2))
    path = write_record(
        tmp_path, "r1", signals, 250, ["I", "II"], fmt=fmt, samples=np.array([5, 2000]), symbols=["N", "V"]
    )
    theirs = wfdb.rdrecord(str(tmp_path / "r1"))
    np.testing.assert_allclose(theirs.p_signal, read_signals(read_header(path)), atol=1e-9)
    notes = wfdb.rdann(str(tmp_path / "r1"), "atr")
    assert (notes.sample.tolist(), notes.symbol) == ([5, 2000], ["N", "V"])


def test_record_100_as_the_reference_reader_reads_it(shared_data):
    wfdb = pytest.importorskip("wfdb")
    path = shared_data("ecg/mitbih/100.hea")
    theirs = wfdb.rdrecord(str(path.with_suffix("")))
    np.testing.assert_allclose(read_signals(read_header(path)), theirs.p_signal, atol=1e-9)
    notes = wfdb.rdann(str(path.with_suffix("")), "atr")
    at, kinds = read_annotations(path.with_suffix(".atr"))
    assert at.tolist() == notes.sample.tolist()
    assert kinds == notes.symbol


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("r 1 360 100000000000\nr.dat 212 200\n", "promises more than r.dat holds"),
        ("r 1 360 101\nr.dat 212 200\n", "promises more than r.dat holds"),
        ("r 1 360 100\n../r.dat 212 200\n", "lies beside its header"),
        ("r 1 360 100\n/etc/passwd 212 200\n", "lies beside its header"),
        ("r 1 360 100\n..\\r.dat 212 200\n", "lies beside its header"),
        ("r 1 360 100\nlink.dat 212 200\n", "lies beside its header"),
        ("r 1\nr.dat 212 200\n", "no usable sampling rate"),
        ("r 1 0 100\nr.dat 212 200\n", "no usable sampling rate"),
        ("r 1 1e99 100\nr.dat 212 200\n", "no usable sampling rate"),
        ("r 1 360 100\nr.dat 311 200\n", "formats 16, 80, 212 are read"),
        ("r 1 360 100\ngone.dat 16 200\n", "cannot be read"),
        ("r 2 360 100\nr.dat 212 200\n", "promises 2"),
        ("r/3 2 360 100\n", "several segments"),
        ("r 1 360 -5\nr.dat 212 200\n", "not a whole number"),
        ("", "not a WFDB header"),
    ],
)
def test_a_hostile_header_is_one_line(tmp_path, header, said):
    folder = tmp_path / "records"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1000))
    (folder / "link.dat").symlink_to(tmp_path / "secret")
    (folder / "r.dat").write_bytes(bytes(150))
    (folder / "r.hea").write_text(header)
    with pytest.raises(DataError, match=said) as caught:
        read_signals(read_header(folder / "r.hea"))
    assert "\n" not in str(caught.value)


def test_a_cut_annotation_file_is_said(tmp_path):
    write_record(tmp_path, "r", np.zeros((10, 1)), 360, ["II"], samples=np.array([1]), symbols=["N"])
    path = tmp_path / "r.atr"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match="cut short"):
        read_annotations(path)
