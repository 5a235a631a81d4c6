"""Forgetting: what is learnt from and measured on, the loss on language, and what single-task tuning changes beside its task."""
import math

import pytest
import torch

from lib.competencies import profiles, prompts, world
from lib.core.settings import load
from lib.studies.generalisation import forgetting
from lib.tasks import job_ads, sentiment_synthetic

ROWS = [{"id": f"{split}-{i}", "author": f"{split}-{i}", "split": split, "messages": prompts.messages(author, "brief"), "truth": world.truth(author)}
        for split, place in (("train", world.seen_domains()), ("test", world.seen_domains()), ("held_out", list(world.lexicon()[1])))
        for i in range(6) for author in [world.author(f"{split}-{i}", 3, place)]]
ANSWERS = [(row["messages"], profiles.render(row["truth"])) for row in ROWS if row["split"] == "train"]


def small(**changes):
    """Settings of the smoke preset, with the committed base, a few rows and other changes to the study."""
    _, settings = load("smoke")
    study = settings.generalisation.forgetting.model_copy(update={"train": 12, "test": 8, "profiles": 3, **changes})
    return settings.model_copy(update={"generalisation": settings.generalisation.model_copy(update={"forgetting": study})})


def test_tasks_are_learnt_from_and_measured_on_different_rows():
    study = small().generalisation.forgetting
    given = forgetting.tasks(study, ROWS, ANSWERS)
    assert set(given) == set(forgetting.TASKS) and [len(given[task]["train"]) for task in forgetting.LEARNT] == [6, 12, 12]
    assert not given["language"]["train"] and len(given["language"]["test"]) == 3
    for task, labels in (("sentiment", sentiment_synthetic.LABELS), ("job_bias", job_ads.LABELS)):
        assert {answer for _, answer in given[task]["train"]} <= set(labels)
        learnt = {prompt for prompt, _ in given[task]["train"]}
        assert not learnt & {forgetting.asked(row)[0] for row in given[task]["test"]}
    assert [row["split"] for row in given["profiles"]["test"]] == ["test"] * 3
    held_out = {str(row["messages"]) for row in ROWS if row["split"] == "held_out"}
    assert all(str(prompt) in held_out and text.startswith("Domain: ") for prompt, text in given["language"]["test"])


def test_a_hub_models_language_is_the_abstracts_themselves():
    study = small(language="abstracts").generalisation.forgetting
    texts = forgetting.tasks(study, ROWS, ANSWERS)["language"]["test"]
    assert texts == [("", row["messages"][-1]["content"]) for row in ROWS if row["split"] == "test"][:3]


def test_language_loss_is_the_mean_over_texts_of_nats_per_token(tiny):
    model, tokenizer = tiny
    pairs = [(ROWS[0]["messages"], ANSWERS[0][1]), ("", "coral mapping and tall towers"), (ROWS[1]["messages"], ANSWERS[1][1])]
    expected = []
    for prompt, text in pairs:
        if prompt:
            start = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
            start = tokenizer(start, add_special_tokens=False)["input_ids"]
        else:
            start = tokenizer("")["input_ids"]
        ids = start + tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        cut = max(1, len(start))
        with torch.no_grad():
            logits = model.double()(torch.tensor([ids])).logits[0].log_softmax(-1)
        expected.append(-sum(logits[i - 1, ids[i]].item() for i in range(cut, len(ids))) / (len(ids) - cut))
    model.float()
    found = forgetting.text_loss(model, tokenizer, pairs, batch_size=2)
    assert found["rate"] == pytest.approx(math.fsum(expected) / 3, rel=1e-5) and found["n"] == 3
    assert forgetting.text_loss(model, tokenizer, [], 2)["rate"] is None


def test_single_task_tuning_learns_its_task_and_costs_language():
    """The committed base writes profiles; tuned hard on bias alone, it names labels, and its own language suffers."""
    usual = small().generalisation.forgetting.methods["full"]
    settings = small(train=40, methods={"full": usual.model_copy(update={"learning_rate": 1e-3, "epochs": 8})})
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

    def train(model, tokenizer, examples, tuning, work, cpu):
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
    tests = {task: part["test"] for task, part in forgetting.tasks(settings.generalisation.forgetting, ROWS, ANSWERS).items()}
    found = forgetting.measure(*base, {**tests, "language": []}, settings.models)
    assert found["language"]["rate"] is None and 0 <= found["profiles"]["low"] <= found["profiles"]["rate"] <= found["profiles"]["high"] <= 1
