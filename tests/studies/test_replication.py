"""Conditions trained anew: what they train on, and what is made of their outcomes."""
import pytest

from lib.core.records import DataError
from lib.core.settings import load
from lib.models import loading
from lib.studies import replication, synthesis
from lib.studies.controls import noisy, shuffled

_, SETTINGS = load("smoke")
PROMPT = [{"role": "user", "content": "text"}]


def pair(number, split="train"):
    chosen, rejected = ([{"role": "assistant", "content": f"{side} {number}"}]
                        for side in ("good", "bad"))
    return {"id": f"p{number}", "author": f"a{number}", "split": split, "prompt": PROMPT,
            "chosen": chosen, "rejected": rejected, "margin": 1.0}


def test_a_coin_turns_the_share_of_labels_that_it_should():
    pairs = [pair(number) for number in range(2000)]
    for share in (0.0, 0.1, 0.3, 0.5):
        turned = noisy(pairs, share, seed=4)
        changed = sum(one["chosen"] != other["chosen"] for one, other in zip(pairs, turned))
        assert changed / len(pairs) == pytest.approx(share, abs=0.03)
        assert all(one["margin"] == -1.0 for one, other in zip(turned, pairs)
                   if one["chosen"] != other["chosen"])
    assert noisy(pairs, 0.5, 4) == shuffled(pairs, 4) != noisy(pairs, 0.5, 5)


def test_conditions_differ_in_one_thing_each():
    truth = {"domain": "x", "competencies": [{"name": "a", "description": "b"}]}
    prompts = [{"id": "p0", "split": "train", "messages": PROMPT, "truth": truth},
               {"id": "p1", "split": "test", "messages": PROMPT, "truth": truth}]
    pairs = [pair(0), pair(1), pair(2, "validation")]
    found = replication.conditions(SETTINGS, prompts, pairs, {2: pairs[:1], 4: pairs})
    assert list(found) == ["base", "dpo", "sft_chosen", "sft_truth", "shuffled", "noise_0.3",
                           "beta_1.0", "k_2", "k_4"]
    assert found["dpo"] == ("dpo", pairs, 0.0, {})
    assert found["shuffled"] == ("dpo", pairs, 0.5, {})
    assert found["beta_1.0"] == ("dpo", pairs, 0.0, {"beta": 1.0})
    assert [answer for _, answer in found["sft_chosen"].rows] == ["good 0", "good 1"]
    assert len(found["sft_truth"].rows) == 1  # of training authors only


def test_the_first_candidates_are_as_if_no_more_had_been_drawn():
    row = {"id": "p", "completions": ["a", "b", "c"], "profiles": [None, {}, None],
           "tokens": [1, 2, 3], "status": ["ok", "ok", "duplicate"], "model": "m"}
    cut, = replication.first_of([row], 2)
    assert cut == {"id": "p", "completions": ["a", "b"], "profiles": [None, {}],
                   "tokens": [1, 2], "status": ["ok", "ok"], "model": "m"}
    assert len(row["completions"]) == 3


def test_each_interval_resamples_what_its_name_says():
    runs = [[1, 1, 0, 0.5, None], [1, 0, 0, 0.5, None]]
    found = replication.summary(runs, ["x", "x", "y", "y", "z"])
    assert found["rate"] == pytest.approx(0.5) and found["n"] == 4
    assert found["each"] == [0.625, 0.375] and found["seeds"]["rate"] == 0.5
    # Two whole domains: 0.75 and 0.25, of which a resample takes two.
    assert (found["domains"]["low"], found["domains"]["high"]) == (0.25, 0.75)
    with pytest.raises(DataError, match="no test prompt can be judged"):
        replication.summary([[None]], ["x"])


def test_what_one_condition_has_over_another_is_paired():
    ours, theirs = [[1.0] * 12, [1.0] * 12], [[0.0] * 12, [0.5] * 12]
    found = replication.ahead(ours, theirs, ["x", "y"] * 6)
    assert found["rate"] == 0.75 and found["each"] == [1.0, 0.5] and found["p"] < 0.002
    same = replication.ahead(ours, ours, ["x", "y"] * 6)
    assert same["rate"] == 0 and same["p"] == 1 and same["low"] < 0 < same["high"]


def test_fresh_hundreds_hang_on_the_recipe():
    gate = SETTINGS.generalisation.gate
    one, again, other = (replication.hundreds(gate, recipe, 2) for recipe in ("a", "a", "b"))
    assert one == again and len(one) == 2 and all(len(part) == gate.tests for part in one)
    texts = [test["after"] for part in (*one, *other) for test in part]
    assert all(texts.count(text) == 1 for text in texts)
    assert len({test["id"] for part in one for test in part}) == 2 * gate.tests


def test_a_gate_is_counted_strictly_and_with_tolerance():
    gate = SETTINGS.generalisation.gate
    tests = [test for part in replication.hundreds(gate, "a", 2) for test in part]
    taken = [{**test, "profiles": [None, None], "broken": [] if number else ["all"]}
             for number, test in enumerate(tests)]
    found = replication.gate_of(taken, gate.tests)
    size = gate.tests
    assert [one["tolerant"] for one in found["hundreds"]] == [size - 1, size]
    assert found["tolerant"]["n"] == 2 * size and found["opened"]["tolerant"] == 1
    assert found["strict"]["rate"] == 0 == found["opened"]["strict"]  # nothing was written


@pytest.fixture(scope="module")
def prompts():
    groups = synthesis.synthetic_groups(SETTINGS.data)
    tokenizer = loading.load_tokenizer(SETTINGS.models.base)
    return synthesis.build_prompts(groups[:3], tokenizer, SETTINGS.models)[0]


def test_a_condition_is_trained_by_its_seed_and_nothing_else(prompts, tmp_path):
    """A step of DPO on a few pairs, twice, and with turned labels; references are read once."""
    pairs = [{**pair(number, split), "prompt": prompts[number % 3]["messages"]}
             for split in ("train", "validation") for number in range(8)]
    short = SETTINGS.models.model_copy(update={"max_new_tokens": 24})
    settings = SETTINGS.model_copy(update={
        "models": short,
        "dpo": SETTINGS.dpo.model_copy(update={
            "learning_rate": 0.02, "warmup_ratio": 0.0, "epochs": 3})})
    references = tmp_path / "references.jsonl"
    dpo = replication.Condition("dpo", pairs)
    one = replication.trained(settings, dpo, 0, prompts, references)
    kept = references.read_bytes()
    assert one == replication.trained(settings, dpo, 0, prompts, references)
    assert references.read_bytes() == kept
    base = replication.trained(settings, replication.Condition("base"), 0, prompts, references)
    assert [row["id"] for row in one] == [row["id"] for row in base]
    flipped = replication.Condition("dpo", pairs, 1.0)
    assert one != replication.trained(settings, flipped, 0, prompts, references)
