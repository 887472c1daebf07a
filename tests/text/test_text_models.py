from __future__ import annotations

import numpy as np
import pytest
import torch

from forecastkit.errors import ForecastkitError
from forecastkit.nn.texts import LanguageNet, NeighbourNet, to_front
from forecastkit.text.examples import example
from forecastkit.text.models import CLASSIFIERS, create, restore
from forecastkit.text.models.recurrent import _mixing
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import read_texts
from forecastkit.text.tokenizer import Tokenizer
from forecastkit.training.module import OptimizerOptions, TrainingModule

SMALL = {"epochs": 3, "hidden": 8, "embedding": 12, "buckets": 300}


@pytest.fixture(scope="module")
def table():
    return read_texts(example("reviews"))


def small(name, **more):
    options = {**SMALL, **more} if "tfidf nbsvm majority".find(name) < 0 else more
    return create("classify", name, **options)


@pytest.fixture(scope="module")
def fitted(table):
    return small("gru").fit(table.take(np.arange(300)), FitAbout(valid=table.take(np.arange(300, 420))))


def test_padding_never_changes_a_result(fitted, table):
    net, reader = fitted.nets[0], fitted.reader
    rows = [reader.ids(t) for t in table.texts[:6]]
    none = np.zeros(6)
    b = reader.batch(rows, none, none)
    with torch.inference_mode():
        plain = net(b.words, b.grams, b.offsets, b.index, b.seen)
        for before, after in ((0, 9), (9, 0), (4, 5)):
            wide = torch.nn.functional.pad(b.index, (before, after))
            seen = torch.nn.functional.pad(b.seen, (before, after))
            torch.testing.assert_close(net(b.words, b.grams, b.offsets, wide, seen), plain)
        for k, row in enumerate(rows):
            one = reader.batch([row], none[:1], none[:1])
            alone = net(one.words, one.grams, one.offsets, one.index, one.seen)
            torch.testing.assert_close(alone[0], plain[k], rtol=1e-4, atol=1e-5)


def test_what_is_seen_moves_to_the_front():
    index = torch.tensor([[0, 5, 6], [7, 0, 0]])
    moved, lengths = to_front(index, torch.tensor([[False, True, True], [True, False, False]]))
    assert moved[0, :2].tolist() == [5, 6]
    assert lengths.tolist() == [2, 1]


@pytest.mark.parametrize("name", list(CLASSIFIERS))
def test_every_model_learns_is_saved_and_comes_back(name, table):
    part = table.take(np.arange(240))
    model = small(name).fit(part, FitAbout(valid=table.take(np.arange(240, 300)), seed=3))
    texts = [*table.texts[300:320], "zzzz", "👍👍", "…", "x " * 5000]
    p = model.predict(texts)
    assert p.shape == (24, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    arrays, meta = model.state()
    again = restore("classify", name, arrays, __import__("json").loads(__import__("json").dumps(meta)))
    np.testing.assert_allclose(again.predict(texts), p, atol=1e-6)


@pytest.mark.parametrize("pooling", ["attention", "last", "both"])
@pytest.mark.parametrize("level", ["word", "char", "subword"])
def test_levels_and_poolings(pooling, level, table):
    model = small(
        "lstm", pooling=pooling, level=level, vocabulary=400, epochs=1, max_length=40, bidirectional=pooling != "last"
    )
    p = model.fit(table.take(np.arange(100)), FitAbout(n_steps=3)).predict(["muy bien", "bad"])
    assert np.isfinite(p).all()


def test_the_same_seed_gives_the_same_model(table):
    part = table.take(np.arange(120))
    a, b = (small("gru", epochs=1).fit(part, FitAbout(n_steps=5, seed=7)).predict(part.texts[:5]) for _ in range(2))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_pretraining_names_neighbours_that_it_is_not_shown(bidirectional, table):
    torch.manual_seed(0)
    model = small("gru", bidirectional=bidirectional)
    reader = small("gru", epochs=1).fit(table.take(np.arange(60)), FitAbout(n_steps=1)).reader
    row = reader.ids("the kettle was better than I had hoped")
    other = [*row[:3], reader.ids("mochila")[0], *row[4:]]
    net = NeighbourNet(model.net(len(reader.tokenizer), 2)).eval()
    none = np.zeros(2)
    b = reader.batch([row, other], none, none)
    logits, answers = net(b.words, b.grams, b.offsets, b.index, b.seen)
    n = len(row) - 1
    assert len(answers) == (4 if bidirectional else 2) * n
    forward = logits[: 2 * n].reshape(2, n, -1)
    # Step 3 differs: what the steps before it say of it is the same.
    torch.testing.assert_close(forward[0, :3], forward[1, :3])
    assert not torch.allclose(forward[0, 3], forward[1, 3])
    if bidirectional:
        backward = logits[2 * n :].reshape(2, n, -1)
        torch.testing.assert_close(backward[0, 3:], backward[1, 3:])
        assert not torch.allclose(backward[0, 2], backward[1, 2])


def test_pretraining_by_a_language_model(table):
    own = table.take(np.arange(150))
    about = FitAbout(n_steps=3, unlabelled=("una cosa que nadie ha dicho", "y otra más que tampoco"))
    model = small("gru", pretrain="lm", pretrain_epochs=1)
    fitted = model.fit(own, about)
    assert fitted.reader.tokenizer.id_of("tampoco") > 3
    assert np.isfinite(fitted.predict(["bien"])).all()
    with pytest.raises(ForecastkitError, match="would be shown"):
        small("gru", pretrain="lm", layers=2)


def test_depths_unfreeze_one_by_one(table):
    net = small("gru").net(50, 3)
    assert sum(len(depth) for depth in net.depths()) == len(list(net.parameters()))
    options = OptimizerOptions(schedule="timed", max_steps=100, unfreeze=2, layer_decay=0.5, lr=1.0)
    module = TrainingModule(net, None, None, options)
    optimizer = module.configure_optimizers()
    module.n_steps = 3
    module._set_timed_lr(optimizer)
    first, second, third = (group["lr"] for group in optimizer.param_groups)
    assert second == pytest.approx(first / 2)
    assert third == 0


def test_a_committee_learns_from_every_text_and_judges_each_by_another(table):
    fitted = small("gru", committee=True, seeds=3, epochs=2).fit(table, FitAbout())
    p, labels = fitted.held_out
    assert len(fitted.nets) == 3
    assert len(p) == len(labels) == len(table)
    assert sorted(labels) == sorted(table.labels)
    with pytest.raises(ForecastkitError, match="2 to 20"):
        small("gru", committee=True, seeds=21)


def test_names_and_digits_are_read_by_their_form_where_asked(table):
    fitted = small("wide_gru", names=False, seeds=2).fit(table, FitAbout())
    a, b = fitted.predict(["The kettle of Anna broke in 12 days", "The kettle of Zxqw broke in 99 days"])
    np.testing.assert_array_equal(a, b)
    other = small("gru", digits=True).fit(table.take(np.arange(150)), FitAbout(n_steps=2))
    assert other.reader.tokenizer.split("12") == ["12"]


def test_the_wide_part_counts_as_much_as_it_helps():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    sharp = np.full((600, 3), 0.1)
    sharp[np.arange(600), labels] = 0.8
    noise = rng.dirichlet([1, 1, 1], 600)
    a, b = _mixing(noise, sharp, labels)
    assert b > 10 * a
    assert _mixing(sharp, noise, labels)[0] == pytest.approx(b, rel=0.05)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_machine_and_its_chances_in_two_steps(n_classes, table):
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    part = table.take(np.flatnonzero(table.labels < n_classes))
    model = create("classify", "svm", parts=3)
    fitted = model.fit(part, FitAbout(seed=4))
    kinds = model.kinds()
    x = np.hstack([kind.fit_transform(part.texts).toarray() for kind in kinds])
    machine = LinearSVC(C=1.0, random_state=0).fit(x, part.labels)
    chances = LogisticRegression(C=100.0, max_iter=1000).fit(model._held_out(part, 4), part.labels)
    new = table.texts[-30:]
    decisions = machine.decision_function(np.hstack([kind.transform(new).toarray() for kind in kinds]))
    by_hand = chances.predict_proba(decisions.reshape(30, -1))
    np.testing.assert_allclose(fitted.predict(new)[:, :n_classes], by_hand, atol=1e-3)
    # Chances of texts that no machine learnt from: right on average.
    p, labels = fitted.held_out
    np.testing.assert_allclose(p.mean(axis=0)[:n_classes], np.bincount(labels)[:n_classes] / len(labels), atol=0.01)


def test_a_machine_knows_a_number_by_its_length():
    words, characters = create("classify", "svm").kinds()
    assert words.build_analyzer()("Call 98765") == ["Call", "N5", "Call N5"]
    assert characters.build_analyzer()("x 98765") == characters.build_analyzer()("x 01234")


def test_vectors_from_neighbours(table):
    model = small("gru", pretrain="svd", epochs=1)
    assert np.isfinite(model.fit(table.take(np.arange(200)), FitAbout(n_steps=2)).predict(["bien"])).all()


@pytest.mark.parametrize(("name", "options", "said"), [
    ("gru", {"hiden": 3}, "hidden"), ("gru", {"hidden": "many"}, "int"), ("gru", {"pooling": "mean"}, "pooling"), ("gro", {}, "gru"),
    ("gru", {"dropout": 1.5}, "dropout"), ("tfidf", {"c": -1.0}, "above 0"), ("svm", {"parts": 1}, "parts 2 to 20"),
])  # fmt: skip
def test_wrong_options_are_named(name, options, said):
    with pytest.raises(ForecastkitError, match=said):
        create("classify", name, **options)


def test_a_bidirectional_language_model_is_refused_with_the_reason():
    with pytest.raises(ForecastkitError, match="its own input"):
        create("language-model", "lstm_lm", bidirectional=True)


def brute_kneser_ney(ids, order, base, context, token):
    """By the definition, with Counters."""
    from collections import Counter

    grams = {order: Counter(tuple(ids[k : k + order]) for k in range(len(ids) - order + 1))}
    for n in range(order - 1, 0, -1):
        kinds = {tuple(ids[k : k + n + 1]) for k in range(len(ids) - n)}
        grams[n] = Counter(g[1:] for g in kinds)
    p = 1 / base
    for n in range(1, order + 1):
        once, twice = (sum(c == k for c in grams[n].values()) for k in (1, 2))
        d = once / (once + 2 * twice) if once and twice else 0.5
        own = tuple(context[len(context) - n + 1 :]) if n > 1 else ()
        rows = {g: c for g, c in grams[n].items() if g[:-1] == own}
        total = sum(rows.values())
        if total:
            p = max(rows.get((*own, token), 0) - d, 0) / total + d * len(rows) / total * p
    return p


def test_kneser_ney_is_its_definition_and_sums_to_one():
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(list("abcd"), 300, p=[0.5, 0.3, 0.15, 0.05]))
    tokenizer = Tokenizer.learn([text], "char")
    ids = tokenizer.encode(text)
    model = create("language-model", "kneser_ney", order=3).fit(np.array(ids), tokenizer, FitAbout())
    for context in ([4, 5], [7, 7], [6, 4]):
        p = model.next(np.array(context))
        assert p.sum() == pytest.approx(1)
        for token in (4, 7, 1):
            assert p[token] == pytest.approx(brute_kneser_ney(ids, 3, len(tokenizer), context, token))
    nats = model.nll(np.array(ids[:5]), np.array(ids[5:40]))
    by_hand = [-np.log(model.next(np.array(ids[:k]))[ids[k]]) for k in range(5, 40)]
    np.testing.assert_allclose(nats, by_hand)
    arrays, meta = model.state()
    np.testing.assert_allclose(
        restore("language-model", "kneser_ney", arrays, meta).next(np.array([4, 5])), model.next(np.array([4, 5]))
    )


@pytest.mark.parametrize("name", ["gru_lm", "lstm_lm"])
def test_language_networks_learn_score_and_come_back(name):
    text = "abcd" * 400
    tokenizer = Tokenizer.learn([text], "char")
    ids = np.array(tokenizer.encode(text))
    model = create(
        "language-model", name, hidden=12, embedding=8, validate=20, lr=0.02, weight_drop=0.1, window=20
    ).fit(ids[:1400], tokenizer, FitAbout(), ids[1400:])
    assert model.nll(ids[:100], ids[100:160]).mean() < 0.3
    p = model.next(ids[:50])
    assert p.sum() == pytest.approx(1, abs=1e-5)
    # Scored in a batch of pieces or token by token: the same numbers.
    nats = model.nll(ids[:30], ids[30:50])
    by_hand = [-np.log(model.next(ids[:k])[ids[k]]) for k in range(30, 50)]
    np.testing.assert_allclose(nats, by_hand, rtol=1e-3, atol=1e-5)
    arrays, meta = model.state()
    np.testing.assert_allclose(restore("language-model", name, arrays, meta).next(ids[:50]), p, atol=1e-6)


def test_a_language_network_drops_more_of_many_words_and_draws_among_them():
    model = create("language-model", "lstm_lm", weight_drop=0.0, window=30)
    words, signs = model.sized(5000), model.sized(100)
    assert words.dropout > signs.dropout > 0
    assert (words.weight_drop, signs.window) == (0.0, 30)
    text = " ".join(np.random.default_rng(0).permutation([a + b for a in "abcdef" for b in "ghijklmnop"] * 20))
    tokenizer = Tokenizer.learn([text], "word")
    ids = np.array(tokenizer.encode(text))
    about, own = FitAbout(n_steps=150), {"hidden": 8, "embedding": 8, "threads": 1, "lr": 0.01, "dropout": 0.0}
    whole, drawn = (create("language-model", "lstm_lm", drawn=n, **own).fit(ids, tokenizer, about) for n in (0, 20))
    a, b = (fitted.nll(ids[:100], ids[100:400]).mean() for fitted in (whole, drawn))
    # Words at random: nothing can be learnt but that there are sixty of them, and no padding among them.
    assert a == pytest.approx(np.log(60), abs=0.15)
    assert b == pytest.approx(a, abs=0.1)


def test_a_language_network_never_sees_what_comes():
    torch.manual_seed(0)
    net = LanguageNet(20, 8, "lstm", 12).eval()
    x = torch.randint(4, 20, (2, 10))
    y = x.clone()
    y[:, 6:] = 4
    torch.testing.assert_close(net(x)[0][:, :6], net(y)[0][:, :6])
