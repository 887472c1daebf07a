from __future__ import annotations

import itertools

import pytest
import torch

from forecastkit.cli import main
from forecastkit.nn.attention import Seq2SeqNet
from forecastkit.run.texts.translate import TranslationRun
from forecastkit.text.examples import example
from forecastkit.text.models import create, restore
from forecastkit.text.models.translation import beam_search
from forecastkit.text.protocol import FitAbout
from forecastkit.text.schema import read_pairs
from forecastkit.text.tokenizer import BOS, EOS, PAD, UNK

SMALL = {"hidden": 16, "embedding": 16, "batch_size": 16}


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(example("phrases"))


def test_the_dictionary_knows_nouns(pairs):
    model = create("translate", "dictionary").fit(pairs, FitAbout())
    assert model.words["dog"] == "perro"
    assert model.translate(["Is the house white?"])[0].endswith("?")
    assert create("translate", "copy").fit(pairs, FitAbout()).translate(["Is it?"]) == ["Is it?"]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("kind", ["luong", "bahdanau"])
def test_padding_never_changes_a_translation(cell, kind):
    torch.manual_seed(0)
    net = Seq2SeqNet(20, 22, 8, 12, cell=cell, kind=kind).eval()
    source, target = torch.tensor([[5, 6, 7, EOS]]), torch.tensor([[BOS, 9, 8]])
    plain = net(source, torch.tensor([4]), target)
    wide = torch.cat([source, torch.zeros(1, 3, dtype=torch.long)], dim=1)
    both = net(torch.cat([wide, torch.randint(4, 20, (1, 7))]), torch.tensor([4, 7]), target.repeat(2, 1))
    torch.testing.assert_close(both[:1], plain)


def test_a_wide_beam_finds_the_best_of_all_sentences():
    torch.manual_seed(3)
    net = Seq2SeqNet(10, 8, 6, 8).eval()
    with torch.no_grad():
        net.head.weight.mul_(15)
    source = [5, 6, EOS]

    def score(ids):
        target = torch.tensor([[BOS, *ids, EOS]])
        with torch.no_grad():
            log_p = torch.log_softmax(net(torch.tensor([source]), torch.tensor([3]), target[:, :-1]), dim=-1)[0]
        total = float(log_p.gather(1, target[0, 1:, None]).sum())
        return total / (len(ids) + 1) ** 0.8

    every = [list(ids) for n in range(4) for ids in itertools.product(range(4, 8), repeat=n)]
    found = beam_search(net, source, beam=100, most=4, penalty=0.8)
    assert score(found) == pytest.approx(max(score(ids) for ids in every))
    assert not {PAD, UNK, BOS, EOS} & set(found)


@pytest.mark.parametrize("name", ["copy", "dictionary", "seq2seq"])
def test_translators_are_saved_and_come_back(name, pairs):
    options = {**SMALL, "epochs": 1} if name == "seq2seq" else {}
    model = create("translate", name, **options).fit(pairs, FitAbout(n_steps=10))
    arrays, meta = model.state()
    texts = ["The house is small.", "zzz"]
    assert restore("translate", name, arrays, meta).translate(texts) == model.translate(texts)


def test_translate_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["text", "fit", "--task", "translate", "--data", "dataset:phrases", "--quiet", "--out", str(out)]
    assert main([*words, *(f"models.seq2seq.{k}={v}" for k, v in SMALL.items()), "models.seq2seq.minutes=0.1"]) == 0
    for name in ("leaderboard.csv", "verdict.json", "learning_curves.csv", "run.yaml", "report.html"):
        assert (out / name).stat().st_size > 0
    capsys.readouterr()
    assert main(["text", "translate", str(out), "The house is small.", "The dog.", "--beam", "3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["text", "translate", str(out), " "]) == 2
    assert "nothing to translate" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "said"), [
    ("one column\n" * 30, "two columns"), ("", "empty"), ("a\tb\n" * 3, "at least 20 pairs"), ("\n\n", "no lines"),
])  # fmt: skip
def test_bad_pairs_are_one_line(content, said, tmp_path, capsys):
    path = tmp_path / "pairs.tsv"
    path.write_text(content, encoding="utf-8")
    assert main(["text", "fit", "--task", "translate", "--data", str(path)]) == 2
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


def test_half_empty_pairs_are_counted(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"word {k}\tpalabra {k}\n" for k in range(30)) + "only\t\n\tsolo\n", encoding="utf-8")
    found = read_pairs(path)
    assert len(found) == 30
    assert found.skipped == {"one side empty": 2}


def test_questions_are_read_as_those_of_the_fit(tmp_path):
    """A soft hyphen inside a word makes no other word of it: the answer and how sure it is are the same."""
    out = tmp_path / "run"
    words = ["text", "fit", "--task", "translate", "--data", "dataset:phrases", "--quiet", "--out", str(out)]
    assert main([*words, *(f"models.seq2seq.{k}={v}" for k, v in {**SMALL, "steps": 10}.items())]) == 0
    run = TranslationRun(out, "seq2seq")
    plain, hyphened = (run.answer([q], least=0.0) for q in ("The dog.", "The\u200b do\u00adg."))
    assert plain == hyphened
    assert list(run.attention("The do\u00adg.").columns) == ["The", "dog", ".", "</s>"]


def test_sureness_is_the_mean_probability_of_what_was_said(pairs):
    model = create("translate", "seq2seq", epochs=1, steps=20, **SMALL).fit(pairs, FitAbout())
    said = model.translate(["The dog.", "The zebra."], beam=2)
    sure = model.sureness(["The dog.", "The zebra."], said)
    ids, written = [*model.source.encode("The dog."), EOS], [BOS, *model.target.encode(said[0]), EOS]
    p = 1.0
    for k in range(1, len(written)):  # token by token
        with torch.inference_mode():
            logits = model.net(torch.tensor([ids]), torch.tensor([len(ids)]), torch.tensor([written[:k]]))[0, -1]
        p *= float(torch.softmax(logits, dim=-1)[written[k]])
    assert sure[0] == pytest.approx(p ** (1 / (len(written) - 1)), rel=1e-4)
    assert model.source.encode("The zebra.").count(UNK) == 1
    assert 0 < sure[1] <= 2 / 3


@pytest.mark.parametrize(("model", "sure", "said"), [(None, "0.5", "how sure"), ("seq2seq", "1.5", "from 0 to 1")])
def test_an_answer_that_cannot_be_given_is_one_line(tmp_path, capsys, model, sure, said):
    out = tmp_path / "run"
    words = ["text", "fit", "--task", "translate", "--data", "dataset:phrases", "--quiet", "--out", str(out)]
    assert main([*words, *(f"models.seq2seq.{k}={v}" for k, v in {**SMALL, "steps": 10}.items())]) == 0
    more = ["--model", model] if model else []
    assert main(["text", "answer", str(out), "The dog.", "--sure", sure, *more]) == 2
    assert said in capsys.readouterr().err
