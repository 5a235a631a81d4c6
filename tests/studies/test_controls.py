"""Controls of preference tuning."""
import random

import pytest

from lib.competencies import world
from lib.competencies.world import VAGUE
from lib.judging.judges import WORST, Scoring, TrueDescriptions, TrueNames
from lib.studies import controls

ANSWERS = [{"role": "assistant", "content": "better"}], [{"role": "assistant", "content": "worse"}]


def pair(number):
    chosen, rejected = ANSWERS
    return {"id": str(number), "author": "a", "split": "train", "prompt": [], "chosen": chosen,
            "rejected": rejected, "margin": 1.5}


def test_a_coin_turns_about_half_of_the_pairs_and_the_same_ones_every_time():
    rows = [pair(number) for number in range(400)]
    mixed = controls.shuffled(rows, 3)
    turned = [row for row in mixed if row["chosen"][0]["content"] == "worse"]
    assert 160 < len(turned) < 240
    assert all(row["rejected"] == ANSWERS[0] and row["margin"] == -1.5 for row in turned)
    assert mixed == controls.shuffled(rows, 3) != controls.shuffled(rows, 4)
    assert [row["id"] for row in mixed] == [row["id"] for row in rows]


class Counting(Scoring):
    """Prefers more competencies; knows nothing of the prompt "unknown"."""

    def score(self, prompt_id, profile):
        if prompt_id == "unknown":
            return None
        return len(profile["competencies"]) if profile else -float("inf")


def test_the_best_of_k_is_the_judges_favourite():
    def profile(count):
        item = {"name": "tides", "description": "Models them."}
        return {"domain": "d", "competencies": [item] * count}
    profiles = [profile(1), None, profile(3), profile(3)]
    row = {"completions": ["one", "none", "three", "also three"], "profiles": profiles,
           "tokens": [1, 2, 3, 4], "status": ["ok", "unreadable", "unfinished", "ok"]}
    rows = [{"id": name, **row} for name in ("a", "unknown")]
    known, unknown = controls.best_of(rows, Counting())
    assert known["text"] == "three" and known["tokens"] == 3 and not known["finished"]
    assert unknown["text"] == "one" and unknown["finished"]


def described(*pairs):
    items = [{"name": name, "description": said} for name, said in pairs]
    return {"domain": "sea", "competencies": items}


TRUTH = described(("tide tables", "Computes them by hand."), ("wave maps", "Draws them."))
ASKED = [{"id": "a", "truth": TRUTH}, {"id": "b", "truth": TRUTH}]


def test_the_blacklist_counts_empty_phrases_and_knows_nothing_else():
    rule = controls.Blacklist()
    empty, wrong = described(("tide tables", VAGUE[0])), described(("rockets", "Builds them."))
    assert rule.score("a", empty) == -1 and rule.score("a", wrong) == rule.score("a", TRUTH) == 0
    assert rule.score("a", None) == WORST


def test_names_and_descriptions_are_told_apart():
    names, descriptions = TrueNames(ASKED), TrueDescriptions(ASKED)
    vague = described(("tide tables", "Knows it."), ("wave maps", "Knows it."))
    half = described(("tide tables", "Computes them by hand."))
    assert names.score("a", vague) == 1 and descriptions.score("a", vague) == 0
    assert names.score("a", half) == pytest.approx(2 / 3) and descriptions.score("a", half) == 1
    assert descriptions.score("a", described(("rockets", "Draws them."))) == 0
    assert names.score("a", None) == descriptions.score("a", None) == 0
    assert names.score("unknown", TRUTH) is None and descriptions.score("unknown", TRUTH) is None


def test_a_control_stands_beside_the_base_and_beside_what_it_controls_for():
    def written(*profiles):
        return [{"id": key, "profile": profile} for key, profile in zip("ab", profiles)]
    one = described(("tide tables", ""))
    found = controls.beside({"names": TrueNames(ASKED)}, ours=written(TRUTH, TRUTH),
                            control=written(one, TRUTH), base=written(one, one))["names"]
    assert found["over_base"]["rate"] == 0.75, "a tie is half a win"
    assert found["ahead"]["rate"] == 0.25 and found["ahead"]["n"] == 2


def candidates_of(wording, level, count):
    faults = dict.fromkeys(("missing", "invented", "domain", "padded", "repeated"), 0.0)
    faults |= {"vague": level, "distractor": level}
    for split in ("train", "test"):
        for number in range(count):
            rows = world.author(f"{split}-{number}", 3, world.seen_domains(), wording=wording)
            drawn = [world.spoil(rows, random.Random(f"{split}/{number}/{k}"), faults, wording)
                     for k in range(8)]
            yield {"split": split, "profiles": [*drawn, None]}


def test_a_blacklist_of_the_training_candidates_covers_the_plain_world_and_not_the_open_one():
    def covered(wording, level):
        rows = list(candidates_of(wording, level, 60))
        phrases = controls.empty_phrases(rows)
        of_test = [profile for row in rows if row["split"] == "test" for profile in row["profiles"]]
        return phrases, controls.coverage(phrases, of_test)
    phrases, coverage = covered("plain", 0.2)
    assert set(phrases) == set(VAGUE) and coverage["rate"] == 1
    phrases, coverage = covered("open", 0.55)
    assert len(phrases) > 1000 and coverage["n"] > 1000 and coverage["rate"] < 0.05
    rule = controls.Blacklist(phrases)
    assert rule.score("a", described(("tide tables", phrases[0]))) == -1
    assert rule.score("a", described(("tide tables", VAGUE[0]))) == 0
