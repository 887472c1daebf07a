from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastkit.errors import ForecastkitError
from forecastkit.text.batches import buckets, streams
from forecastkit.text.clean import clean
from forecastkit.text.splits import folds_of, key_of
from forecastkit.text.tokenizer import UNK, Tokenizer, pad

TEXTS = ["El perro come pan.", "¿El gato come? No, 3,5 veces.", "The dog isn't here!", "pan y pan y pan"]


@pytest.mark.parametrize("level", ["word", "char", "subword"])
def test_text_goes_to_numbers_and_back(level):
    tokenizer = Tokenizer.learn(TEXTS, level, size=500)
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    again = Tokenizer.restore(tokenizer.state())
    assert [again.encode(t) for t in TEXTS] == [tokenizer.encode(t) for t in TEXTS]


def test_symbols_are_what_stands_between_blanks():
    tunes = "E2 ^F/2 | G4 |]\nC8 |]\n"
    tokenizer = Tokenizer.learn([tunes], "symbol")
    assert set(tokenizer.tokens[4:]) == {"E2", "^F/2", "|", "G4", "|]", "\n", "C8"}
    assert tokenizer.decode(tokenizer.encode(tunes)) == tunes
    again = Tokenizer.restore(tokenizer.state())
    assert again.encode("C8 D8") == [tokenizer.id_of("C8"), UNK]


def test_rare_and_new_words_are_unknown():
    tokenizer = Tokenizer.learn(TEXTS, "word", min_count=2)
    assert tokenizer.encode("pan perro zebra")[1:] == [UNK, UNK]
    assert tokenizer.id_of("pan") != UNK


def test_the_vocabulary_keeps_the_frequent():
    assert Tokenizer.learn(TEXTS, "word", size=5).tokens[4] == "pan"


def test_pieces_of_words_are_learnt_from_the_pairs_that_come_most():
    tokenizer = Tokenizer.learn(["low lower lowest low low"], "subword", size=15)
    assert "▁low" in tokenizer.tokens
    assert UNK not in tokenizer.encode("low")


def test_padding_and_cutting_at_both_sides():
    ids, lengths = pad([[5, 6, 7], [8]], side="end")
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert lengths.tolist() == [3, 1]
    assert pad([[5, 6, 7]], length=2, cut="end")[0].tolist() == [[5, 6]]
    assert pad([[5, 6, 7]], length=2, cut="start")[0].tolist() == [[6, 7]]
    assert pad([[5]], length=3, side="start")[0].tolist() == [[0, 0, 5]]


def test_buckets_hold_every_text_once_and_alike_lengths():
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    parts = buckets(lengths, 32, np.random.default_rng(1))
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    padded = sum(len(p) * lengths[p].max() for p in parts)
    assert padded < 1.35 * lengths.sum()


def test_streams_follow_one_another():
    parts = streams(np.arange(101), 4, 10)
    first = np.concatenate([b.ids[0].numpy() for b in parts])
    assert first.tolist() == list(range(25))
    assert all((b.following == b.ids + 1).all() for b in parts)
    assert [b.fresh for b in parts] == [True, False, False]


@pytest.mark.parametrize(("text", "cleaned"), [
    ("Cafe\u0301", "Café"), ("a\x00b\x07c", "a b c"), ("\u202eabc\u202c", "abc"), ("\ufeffhola\u200b", "hola"), ("a\n\n b", "a b"),
    ("👩\u200d🚀 ok", "👩\u200d🚀 ok"), ("10²", "10²"), ("\ud800x", "x"),
])  # fmt: skip
def test_what_does_not_show_is_taken_out(text, cleaned):
    assert clean(text) == cleaned


def test_near_copies_are_never_on_two_sides():
    texts = [f"win {n} euros {'abcdefgh'[n % 8]}" for n in range(50)] + [
        f"hello friend number {chr(97 + n % 26)}{n // 26}" for n in range(200)
    ]
    labels = np.array([1] * 50 + [0] * 200)
    for fold in folds_of(texts, labels, n_folds=5):
        parts = [fold.train, fold.calibrate, fold.select, fold.report]
        assert sorted(np.concatenate(parts).tolist()) == list(range(250))
        keys = [{key_of(texts[i]) for i in part} for part in parts]
        assert not any(a & b for k, a in enumerate(keys) for b in keys[k + 1 :])


def test_folds_keep_the_shares_of_classes_and_report_once():
    labels = np.array([0] * 300 + [1] * 100)
    texts = [f"{chr(97 + k % 26)}{chr(97 + k // 26)} text" for k in range(400)]
    folds = folds_of(texts, labels, n_folds=5, select=0)
    assert sorted(np.concatenate([f.report for f in folds]).tolist()) == list(range(400))
    for fold in folds:
        assert len(fold.select) == 0
        for part in (fold.train, fold.calibrate, fold.report):
            assert abs(labels[part].mean() - 0.25) < 0.06


def test_a_class_of_near_copies_is_refused():
    with pytest.raises(ForecastkitError, match="2 different texts"):
        folds_of(
            [f"win {n} euros" for n in range(20)] + [f"see you {chr(97 + n)}" for n in range(20)], np.arange(40) // 20
        )


def test_more_folds_than_parts_are_refused():
    with pytest.raises(ForecastkitError, match="folds"):
        folds_of(["a", "b"], np.array([0, 1]), n_folds=6)


def test_pieces_are_learnt_alike_each_time_and_read_marks_as_text():
    a, b = (Tokenizer.learn(TEXTS * 5, "subword", size=60) for _ in range(2))
    assert a.state() == b.state()
    ids = a.encode("<s> pan </s> <pad>")
    assert min(ids) >= UNK
    assert UNK not in a.encode("pan")


@given(st.lists(st.text(alphabet="abcdé ¿?.,\n12", max_size=30), min_size=1, max_size=5))
def test_pieces_give_back_any_text_of_known_letters(texts):
    texts = [clean(t, lines=True).strip(" ") for t in texts]
    tokenizer = Tokenizer.learn(texts, "subword", size=40)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text
