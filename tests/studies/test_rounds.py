"""Rounds of DPO: when they stop, what they start from, and what stays on disk."""
import json

import pytest
import torch
from helpers.tunings import logprob, pairs, save_tiny, small_settings, with_models

from lib.models import loading, lora
from lib.studies import rounds


def share(rate):
    return {"rate": rate, "low": 0.0, "high": 1.0, "n": 50}


@pytest.mark.parametrize(("rate", "best", "goes_on"), [
    (0.51, 3, True), (0.5, 2, False), (0.42, 2, False), (None, 2, False)])
def test_the_rounds_stop_when_the_new_model_does_not_win(rate, best, goes_on):
    after = rounds.decide({"round": 2, "ran": True, "best": 2, "goes_on": True}, 3, share(rate))
    assert after["round"] == 3 and after["ran"]
    assert (after["best"], after["goes_on"]) == (best, goes_on)


def test_a_round_after_the_stop_is_not_begun_and_keeps_the_best(tmp_path):
    before = rounds.decide(rounds.state(tmp_path, 1), 2, share(0.4))
    after = rounds.stopped(before, 3)
    assert before["best"] == after["best"] == 1 and not after["ran"] and not after["goes_on"]
    place = rounds.clear(tmp_path, 3)
    (place / "round.json").write_text(json.dumps(after))
    assert rounds.state(tmp_path, 3) == after
    assert rounds.clear(tmp_path, 3) == place
    assert not list(place.iterdir()), "what an earlier run made is gone"


def test_what_the_first_round_made_lies_where_the_stages_before_left_it(tmp_path):
    assert rounds.adapter_of(tmp_path, 1) == tmp_path / "adapter"
    assert rounds.preferences_of(tmp_path, 1) == tmp_path / "preferences.jsonl"
    assert rounds.adapter_of(tmp_path, 3) == tmp_path / "rounds/3/adapter"
    assert rounds.preferences_of(tmp_path, 3) == tmp_path / "rounds/3/preferences.jsonl"


def test_an_answer_that_was_chosen_twice_is_one_example():
    rows = pairs(3)
    twice = {**rows[0], "rejected": []}
    other = {**rows[1], "split": "validation", "id": "9"}
    assert rounds.chosen_once([*rows, twice, other]) == [twice, *rows[1:]]


@pytest.mark.parametrize("trainer", ["tree", "trl"])
def test_a_later_round_starts_from_the_adapter_which_is_also_its_reference(tmp_path, trainer):
    tokenizer = save_tiny(tmp_path / "base")
    settings = with_models(small_settings(trainer=trainer, epochs=2), base=str(tmp_path / "base"))
    validation = [{**row, "split": "validation"} for row in pairs(4, 90)]
    rows = [*pairs(8), *validation]

    def tune(start, name):
        tuned, history = rounds.tune_on(settings, start, rows, {"learning_rate": 1e-2},
                                        tmp_path / f"work-{name}", tmp_path / "references.jsonl")
        lora.save_adapter(tuned, tmp_path / name, "base", "card")
        return tuned.eval(), history["validation"]

    def chosen(model, row=rows[-1]):
        with torch.no_grad():
            return logprob(model, tokenizer, row, "chosen")

    first, before = tune(None, "one")
    tuned, after = tune(tmp_path / "one", "two")
    start = after[0]
    assert start["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert start["margin"] == pytest.approx(0, abs=1e-4)
    mean = sum(chosen(first, row) for row in validation) / len(validation)
    assert start["chosen_logp"] == pytest.approx(mean, rel=1e-4)
    assert chosen(tuned) != pytest.approx(chosen(first), rel=1e-3)
    assert before[-1]["loss"] > after[-1]["loss"] - 0.1
    left = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert left == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    on_base, _ = loading.load(str(tmp_path / "base"), device="cpu", adapter=tmp_path / "two")
    assert chosen(on_base) == pytest.approx(chosen(tuned), rel=1e-5)


@pytest.mark.parametrize(("low", "high", "side"), [
    (0.51, 0.7, 1), (0.3, 0.49, -1), (0.4, 0.6, 0), (0.5, 0.8, 0)])
def test_a_share_is_beyond_chance_where_its_interval_leaves_out_one_half(low, high, side):
    found = {"rate": (low + high) / 2, "low": low, "high": high, "n": 9}
    assert rounds.beyond_chance(found) == side
    assert rounds.beyond_chance({**found, "rate": None}) is rounds.beyond_chance(None) is None
