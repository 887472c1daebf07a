"""R peaks, windows and features on generated patients; five classes from the symbols."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forecastkit.classification.beats import AAMI_CLASSES, BINARY_CLASSES, beat_sequences, class_names
from forecastkit.classification.ecg import FEATURES, segment
from forecastkit.classification.record import AAMI, Record
from forecastkit.classification.records import read_record, read_records
from forecastkit.classification.rpeaks import detect_r_peaks, match_peaks
from forecastkit.classification.wfdb_files import BEATS, write_record
from forecastkit.errors import ConfigError, DataError
from tests.classification.conftest import make_ecg, wave


@pytest.mark.parametrize("fs", [128.0, 250.0, 360.0, 500.0])
@pytest.mark.parametrize("flip", [1, -1])
def test_r_peaks_are_found_at_any_rate_and_polarity(fs, flip):
    x, samples, _ = make_ecg(3, fs=fs, share=0.1)
    hit, missed, invented = match_peaks(detect_r_peaks(flip * x, fs), samples, fs)
    assert missed <= 1
    assert invented <= 1
    assert hit > 80


@pytest.mark.parametrize("seed", range(6))
def test_r_peaks_in_noise(seed):
    x, samples, _ = make_ecg(seed, noise=0.08)
    _, missed, invented = match_peaks(detect_r_peaks(x, 250), samples, 250)
    assert missed + invented <= 3


def test_an_artefact_spoils_only_its_place():
    x, samples, _ = make_ecg(2)
    x[10_000:10_020] += 40.0
    found = detect_r_peaks(x, 250)
    far = np.abs(samples - 10_010) > 500
    assert match_peaks(found[np.abs(found - 10_010) > 500], samples[far], 250)[1] <= 1


def test_matches_are_one_to_one():
    assert match_peaks(np.array([100, 102, 500]), np.array([101, 900]), 250) == (1, 1, 2)


def test_features_do_not_depend_on_gain_offset_or_rate():
    x, samples, _ = make_ecg(1)
    plain = segment(Record("a", 250.0, x), samples)
    louder = segment(Record("a", 250.0, 3.7 * x + 5), samples)
    np.testing.assert_allclose(louder.features, plain.features, atol=1e-3)
    np.testing.assert_allclose(louder.windows, plain.windows, atol=1e-3)
    assert plain.features.shape == (len(samples), len(FEATURES))
    assert np.isfinite(plain.features).all()


def test_an_early_wide_beat_stands_out():
    x, samples, symbols = make_ecg(1)
    f = segment(Record("a", 250.0, x), samples).features
    v = np.array(symbols) == "V"
    before, match, width = (f[:, FEATURES.index(n)] for n in ("rr_before", "match", "width"))
    assert before[v].max() < 0.85 < np.median(before[~v])
    assert match[v].max() < np.quantile(match[~v], 0.05)
    assert np.median(width[v]) > 1.5


@pytest.mark.parametrize("n_run", [1, 2])
def test_the_median_beat_is_a_normal_one_in_bigeminy(n_run):
    """One or two ventricular beats after each normal one: still the ventricular ones look unlike the median beat."""
    rng = np.random.default_rng(0)
    t = np.arange(90 * 250) / 250
    x, now, samples, ventricular = rng.normal(0, 0.02, len(t)), 0.6, [], []
    while now < 89:
        v = len(samples) % (n_run + 1) > 0
        x += (
            wave(t, now, 0.035, 1.2) + wave(t, now + 0.28, 0.06, -0.4)
            if v
            else wave(t, now, 0.011, 1.0) + wave(t, now + 0.27, 0.045, 0.25)
        )
        samples.append(round(now * 250))
        ventricular.append(v)
        now += (0.5 if len(samples) % (n_run + 1) > 0 else 1.1) + rng.normal(0, 0.01)
    match = segment(Record("b", 250.0, x), np.array(samples)).features[:, FEATURES.index("match")]
    v = np.array(ventricular)
    assert match[v].max() < 0.5
    assert match[~v].min() > 0.8


def test_a_moving_electrode_is_no_wave():
    x, samples, _ = make_ecg(1)
    x[5000:6000] += 3.0 * np.sin(np.pi * np.arange(1000) / 1000) ** 2
    beats = segment(Record("a", 250.0, x), samples)
    assert not beats.readable[(samples > 5300) & (samples < 5700)].any()
    assert beats.readable[(samples < 4800) | (samples > 6200)].all()


def test_a_lost_lead_is_no_wave():
    x, samples, _ = make_ecg(1)
    x[5000:7000] *= 0.01
    beats = segment(Record("a", 250.0, x), samples)
    lost = (samples > 5100) & (samples < 6900)
    assert not beats.readable[lost].any()
    assert np.isnan(beats.features[lost][:, FEATURES.index("match")]).all()
    assert np.isfinite(beats.windows).all()


def test_too_few_beats_are_said():
    x, samples, _ = make_ecg(1, seconds=10)
    with pytest.raises(DataError, match="at least 5"):
        segment(Record("a", 250.0, x), samples[:3])


def test_classes_of_aami():
    assert set(AAMI) == BEATS
    assert [AAMI[s] for s in "NLRej"] == ["N"] * 5
    assert [AAMI[s] for s in "AaJS"] == ["S"] * 4
    assert [AAMI[s] for s in "VE"] == ["V"] * 2
    assert [AAMI[s] for s in "F/fQ"] == ["F", "Q", "Q", "Q"]


def test_five_classes_from_wfdb_records(tmp_path):
    for k in range(4):
        x, samples, symbols = make_ecg(k, kinds="NVAF", share=0.3, seconds=60)
        write_record(tmp_path, f"r{k}", x[:, None], 250, ["MLII"], samples=samples, symbols=symbols)
    records = read_records(tmp_path)
    assert class_names(records) == AAMI_CLASSES
    data = beat_sequences(records, AAMI_CLASSES)
    assert set(np.unique(data.labels)) == {0, 1, 2, 3}
    assert class_names(records, "v") == BINARY_CLASSES
    assert data.classes[data.rare_class()] == "V"


def test_paced_records_are_marked(tmp_path):
    x, samples, symbols = make_ecg(0, seconds=30)
    write_record(tmp_path, "r", x[:, None], 250, ["II"], samples=samples, symbols=["/"] * len(symbols))
    assert read_record(tmp_path / "r.hea").paced
    long = Record("102", 360.0, np.zeros(650_000))
    from forecastkit.classification.record import known_paced

    assert known_paced(long)
    assert not known_paced(replace(long, name="100"))
    assert not known_paced(replace(long, fs=250.0))


def test_leads_by_name(tmp_path):
    x, samples, symbols = make_ecg(0, seconds=30)
    write_record(tmp_path, "r", np.stack([x, 2 * x], axis=1), 250, ["V1", "II"], samples=samples, symbols=symbols)
    assert read_record(tmp_path / "r.hea").lead == "II"
    other = read_record(tmp_path / "r.hea", lead="v1")
    assert other.lead == "V1"
    np.testing.assert_allclose(other.signal, x, atol=0.01)


def test_a_mixed_folder_tells_ventricular_or_not(records):
    assert class_names(read_records(records)) == BINARY_CLASSES
    with pytest.raises(ConfigError, match="p5"):
        class_names(read_records(records), "aami")


@pytest.mark.parametrize("name", ["100", "106", "114"])
def test_r_peaks_of_mitbih(shared_data, name):
    record = read_record(shared_data(f"ecg/mitbih/{name}_signal_adc200.csv.gz"), fs=360.0)
    hit, missed, invented = match_peaks(detect_r_peaks(record.signal, 360.0), record.samples, 360.0)
    assert hit / (hit + missed) >= 0.995
    assert hit / (hit + invented) >= 0.995
