"""Forgetting: the tasks, the loss on language, and what tuning changes beside its own task."""
import math

import pytest
import torch
from helpers.forgetting import ANSWERS, ROWS, small

from lib.core.settings import load
from lib.studies.generalisation import forgetting
from lib.tasks import job_ads, sentiment_synthetic


def test_tasks_are_learnt_from_and_measured_on_different_rows():
    study = small().generalisation.forgetting
    given = forgetting.tasks(study, ROWS, ANSWERS)
    assert set(given) == set(forgetting.TASKS)
    assert [len(given[task]["train"]) for task in forgetting.LEARNT] == [6, 12, 12]
    assert not given["language"]["train"] and len(given["language"]["test"]) == 3
    for task, labels in (("sentiment", sentiment_synthetic.LABELS), ("job_bias", job_ads.LABELS)):
        assert {answer for _, answer in given[task]["train"]} <= set(labels)
        learnt = {prompt for prompt, _ in given[task]["train"]}
        assert not learnt & {forgetting.asked(row)[0] for row in given[task]["test"]}
    assert [row["split"] for row in given["profiles"]["test"]] == ["test"] * 3
    held_out = {str(row["messages"]) for row in ROWS if row["split"] == "held_out"}
    for prompt, text in given["language"]["test"]:
        assert str(prompt) in held_out and text.startswith("Domain: ")


def test_a_hub_models_language_is_the_abstracts_themselves():
    study = small(language="abstracts").generalisation.forgetting
    texts = forgetting.tasks(study, ROWS, ANSWERS)["language"]["test"]
    asked = [row["messages"][-1]["content"] for row in ROWS if row["split"] == "test"]
    assert texts == [("", text) for text in asked[:3]]


def test_language_loss_is_the_mean_over_texts_of_nats_per_token(tiny):
    model, tokenizer = tiny
    pairs = [ANSWERS[0], ("", "coral mapping and tall towers"), ANSWERS[1]]
    expected = []
    for prompt, text in pairs:
        start = tokenizer("")["input_ids"]
        if prompt:
            text_of = tokenizer.apply_chat_template
            asked = text_of(prompt, add_generation_prompt=True, tokenize=False)
            start = tokenizer(asked, add_special_tokens=False)["input_ids"]
        answer = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = [*start, *answer, tokenizer.eos_token_id]
        cut = max(1, len(start))
        with torch.no_grad():
            logits = model.double()(torch.tensor([ids])).logits[0].log_softmax(-1)
        each = [logits[i - 1, ids[i]].item() for i in range(cut, len(ids))]
        expected.append(-sum(each) / len(each))
    model.float()
    found = forgetting.text_loss(model, tokenizer, pairs, batch_size=2)
    assert found["rate"] == pytest.approx(math.fsum(expected) / 3, rel=1e-5) and found["n"] == 3
    assert forgetting.text_loss(model, tokenizer, [], 2)["rate"] is None


def test_single_task_tuning_learns_its_task_and_costs_language():
    """The committed base writes profiles; tuned hard on bias alone, it names labels instead."""
    usual = small().generalisation.forgetting.methods["full"]
    hard = usual.model_copy(update={"learning_rate": 1e-3, "epochs": 8})
    settings = small(train=40, methods={"full": hard})
    given = forgetting.tasks(settings.generalisation.forgetting, ROWS, ANSWERS)
    before = forgetting.trial(settings, "before", given)
    after = forgetting.trial(settings, "full", given)
    assert set(before) == set(after) == set(forgetting.TASKS)
    assert before["profiles"]["rate"] > 0.3 and before["job_bias"]["rate"] == 0
    assert after["job_bias"]["rate"] > 0.3, after
    assert after["language"]["rate"] > before["language"]["rate"] + 0.1
    assert forgetting.trial(settings, "before", given) == before  # measuring changes nothing


def test_only_multi_task_tuning_sees_the_other_tasks(monkeypatch):
    seen = {}
    monkeypatch.setattr(forgetting, "measure", lambda *_: {})

    def train(model, tokenizer, examples, tuning, work):
        seen[tuning.method, len(examples)] = True
        return model, []
    monkeypatch.setattr(forgetting.sft, "train", train)
    settings = small()
    given = forgetting.tasks(settings.generalisation.forgetting, ROWS, ANSWERS)
    for method in ("before", "full", "lora", "multi_task"):
        forgetting.trial(settings, method, given)
    assert set(seen) == {("full", 12), ("lora", 12), ("full", 30)}


def test_measuring_copes_with_a_task_without_rows(base):
    settings = small()
    given = forgetting.tasks(settings.generalisation.forgetting, ROWS, ANSWERS)
    tests = {task: part["test"] for task, part in given.items()}
    found = forgetting.measure(*base, {**tests, "language": []}, settings.models)
    known = found["profiles"]
    assert found["language"]["rate"] is None
    assert 0 <= known["low"] <= known["rate"] <= known["high"] <= 1


def test_a_method_of_null_takes_no_part():
    study = load("paper")[1].generalisation.forgetting
    assert "full" in study.methods and forgetting.methods(study) == ["lora", "multi_task"]


def test_a_change_is_after_less_before_and_unknown_where_nothing_was_measured():
    before = {task: {"rate": 0.5} for task in forgetting.TASKS}
    after = {**before, "profiles": {"rate": 0.25}, "language": {"rate": None}}
    assert forgetting.changes(before, after) == {
        "profiles": -0.25, "sentiment": 0, "job_bias": 0, "language": None}
