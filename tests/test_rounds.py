"""Rounds of DPO: when they stop, what they start from, and what stays on disk."""
import json
from types import SimpleNamespace

import pytest
import torch
from test_dpo import logprob, pairs, small_settings

from lib.core.settings import ROOT
from lib.embedded import induction
from lib.models import loading, lora
from lib.studies import rounds


def share(rate):
    return {"rate": rate, "low": 0.0, "high": 1.0, "n": 50}


@pytest.mark.parametrize(("rate", "best", "goes_on"), [(0.51, 3, True), (0.5, 2, False), (0.42, 2, False), (None, 2, False)])
def test_the_rounds_stop_when_the_new_model_does_not_win(rate, best, goes_on):
    after = rounds.decide({"round": 2, "ran": True, "best": 2, "goes_on": True}, 3, share(rate))
    assert (after["round"], after["best"], after["goes_on"], after["ran"]) == (3, best, goes_on, True)


def test_a_round_after_the_stop_is_not_begun_and_keeps_the_best(tmp_path):
    before = rounds.decide(rounds.state(tmp_path, 1), 2, share(0.4))
    after = rounds.stopped(before, 3)
    assert before["best"] == after["best"] == 1 and not after["ran"] and not after["goes_on"]
    place = rounds.clear(tmp_path, 3)
    (place / "round.json").write_text(json.dumps(after))
    assert rounds.state(tmp_path, 3) == after
    assert rounds.clear(tmp_path, 3) == place and not list(place.iterdir()), "what an earlier run made is gone"


def test_an_answer_that_was_chosen_twice_is_one_example():
    rows = pairs(3)
    assert rounds.chosen_once([*rows, {**rows[0], "rejected": []}, {**rows[1], "split": "validation", "id": "9"}]) == [
        {**rows[0], "rejected": []}, *rows[1:]]


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_a_later_round_starts_from_the_adapter_which_is_also_its_reference(tmp_path, trainer):
    tokenizer = loading.load_tokenizer(str(ROOT / "data/models/embedded/base"))
    model = induction.new_model(tokenizer, SimpleNamespace(hidden=32, layers=2, heads=2, matched=1, seed=0))
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    settings = small_settings(trainer=trainer, epochs=2, learning_rate=1e-2)
    settings = settings.model_copy(update={"models": settings.models.model_copy(update={"base": str(tmp_path / "base")})})
    rows = pairs(8) + [{**row, "split": "validation"} for row in pairs(4, 90)]

    def tune(start, name):
        tuned, history = rounds.tune_on(settings, start, rows, {"learning_rate": 1e-2}, tmp_path / f"work-{name}", tmp_path / "references.jsonl")
        lora.save_adapter(tuned, tmp_path / name, "base", "card")
        return tuned, history

    first, first_history = tune(None, "one")
    tuned, history = tune(tmp_path / "one", "two")
    assert history["validation"][0]["loss"] == pytest.approx(0.693147, abs=1e-4) and history["validation"][0]["margin"] == pytest.approx(0, abs=1e-4)
    with torch.no_grad():
        reference = logprob(first.eval(), tokenizer, rows[-1], "chosen")
        assert history["validation"][0]["chosen_logp"] == pytest.approx(
            sum(logprob(first, tokenizer, row, "chosen") for row in rows[8:]) / 4, rel=1e-4)
        assert logprob(tuned, tokenizer, rows[-1], "chosen") != pytest.approx(reference, rel=1e-3)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    on_base, _ = loading.load(str(tmp_path / "base"), device="cpu", adapter=tmp_path / "two")
    with torch.no_grad():
        assert logprob(on_base, tokenizer, rows[-1], "chosen") == pytest.approx(logprob(tuned, tokenizer, rows[-1], "chosen"), rel=1e-5)
    assert first_history["validation"][-1]["loss"] > history["validation"][-1]["loss"] - 0.1
