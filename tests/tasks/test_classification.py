"""Classifying by instruction: prompts, readings of answers, baselines."""
import pytest
import torch

from lib.core.records import Journal
from lib.tasks import classification, sentiment


def test_prompts_are_those_of_the_recipe():
    row = {"instruction": classification.instruction("Is {it} so?", ("yes", "no")),
           "text": "Costs {rose} 5 %.\nTwice"}
    assert classification.prompt(row, "plain") == (
        "Instruction: Is {it} so? Please choose an answer from {yes/no}.\n"
        "Input: Costs {rose} 5 %.\nTwice\nAnswer: ")
    ending = "### Input:\nCosts {rose} 5 %.\nTwice\n\n### Response:\n"
    assert classification.prompt(row, "alpaca").endswith(ending)
    turn = {"role": "user", "content": row["instruction"] + "\n\nCosts {rose} 5 %.\nTwice"}
    assert classification.prompt(row, "chat") == [turn]


@pytest.mark.parametrize(("answer", "strict", "loose"), [
    ("positive", "positive", "positive"), (" Negative. ", "negative", "negative"),
    ("neutral", "neutral", "neutral"),
    ("It is positive", None, "positive"), ("negative, not positive", None, "positive"),
    ("", None, "neutral"), ("ve ve", None, "neutral")])
def test_answers_are_read_strictly_or_as_fingpt_reads_them(answer, strict, loose):
    assert classification.strict(answer, sentiment.LABELS) == strict
    assert classification.loose(answer, sentiment.ORDER, sentiment.DEFAULT) == loose


def test_baselines_see_only_what_they_may():
    train = [{"text": "x" * n, "label": "short" if n < 50 else "long"} for n in range(1, 121)]
    test = [{"text": "x" * n} for n in (5, 110, 500)]
    found = classification.baselines(train, test)
    assert found["majority"] == ["long"] * 3 and found["length"] == ["short", "long", "long"]
    words = [{"text": f"{word} {i}", "label": label}
             for i in range(20) for word, label in (("rose", "up"), ("fell", "down"))]
    learnt = classification.baselines(words, [{"text": "rose 99"}, {"text": "fell 99"}])
    assert learnt["words"] == ["up", "down"]
    # a tie goes by the alphabet
    assert classification.baselines(words, [{"text": "99"}])["majority"] == ["down"]
    one = classification.baselines(train[:10], test)
    assert one["words"] == one["majority"] == one["length"] == ["short"] * 3


def test_kinds_are_measured_against_the_truth():
    rows = [{"kind": "a", "label": "x", "truth": "y"}, {"kind": "a", "label": "x", "truth": "x"},
            {"kind": "b", "label": "x"}]
    found = classification.by_kind(rows, ["y", None, "x"])
    assert {kind: (item["rate"], item["n"]) for kind, item in found.items()} == {
        "a": (0.5, 2), "b": (1.0, 1)}


def test_a_model_is_asked_in_the_order_of_the_rows(tiny):
    model, tokenizer = tiny
    rows = [{"instruction": "Is it so?", "text": "coral " * n} for n in (9, 1, 5)]
    for template in classification.TEMPLATES:
        together = classification.ask(model, tokenizer, rows, template, 2, 3)
        assert together == [classification.ask(model, tokenizer, [row], template, 1, 3)[0]
                            for row in rows]


def test_choices_have_the_probability_of_their_tokens(tiny, tmp_path, monkeypatch):
    model, tokenizer = tiny
    rows = [{"instruction": "Is it so?", "text": "coral " * n} for n in (9, 1, 5)]
    labels = ("yes", "perhaps", "no")
    items = list(zip("abc", classification.encode(tokenizer, rows, "plain")))
    journal = Journal(tmp_path / "journal")
    found = classification.choose(model, tokenizer, items, labels, 2, journal)
    for key, ids in items:
        for label, chance in zip(labels, found[key], strict=True):
            answer = tokenizer(label, add_special_tokens=False)["input_ids"]
            logps = model(torch.tensor([ids + answer])).logits[0].log_softmax(-1)
            whole = sum(logps[len(ids) + i - 1, token] for i, token in enumerate(answer))
            assert chance == pytest.approx(whole.exp().item(), rel=1e-4)
    monkeypatch.setattr(classification, "log_likelihood", None)  # all is known: nothing is asked
    assert classification.choose(model, tokenizer, items, labels, 2, journal) == found
