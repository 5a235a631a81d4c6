"""The reward model: a known rule is found again, and what it cannot learn from."""
import random

import pytest
from helpers.texts import profile, prompt

from lib.core.records import DataError
from lib.judging import judges
from lib.judging.humans import HumanReferences
from lib.judging.reward import RewardModel

WORDS = ["bees", "stars", "law", "tax", "sun", "moon", "ants", "wax"]
PROMPTS = [prompt(str(i), " ".join(WORDS), references=["bees"]) for i in range(20)]


class Reader(judges.Scoring):
    """A judge whose parts are a name's count in a list, and noise."""

    name = "reader:"

    def parts(self, prompt_id, found):
        names = [item["name"] for item in found["competencies"]]
        rng = random.Random(" ".join(names))
        return {"good": names.count("bees") + rng.random() / 9, "bad": names.count("law"),
                "constant": 1.0}


class Rule(HumanReferences):
    """People who want bees and no law."""

    def score(self, prompt_id, found):
        parts = Reader().parts(prompt_id, found)
        return round(parts["good"]) - 2 * parts["bad"] if prompt_id in self.references else None


@pytest.fixture
def candidates():
    rng = random.Random(1)
    return {one["id"]: [profile(*rng.choices(WORDS, k=5)) for _ in range(6)] for one in PROMPTS}


def test_a_linear_rule_is_recovered(candidates):
    rule = Rule(PROMPTS)
    model = RewardModel("reward", [Reader()], PROMPTS).fit(rule, candidates)
    good, bad = (model.weights[f"reader: {name}"] for name in ("good", "bad"))
    assert good > 0 and -3 < bad / good < -1 and model.weights["reader: constant"] == 0
    shown = random.Random(2)
    fresh = {"0": [profile(*shown.choices(WORDS, k=5)) for _ in range(20)]}
    assert judges.agreement(model, rule.ordered(fresh, 0.5))["rate"] > 0.9
    again = RewardModel("reward", [Reader()], PROMPTS).fit(rule, candidates)
    assert again.weights == model.weights


def test_features_are_simple_counts():
    model = RewardModel("reward", [], [prompt("p", "Dancing bees see stars.")])
    found = model.features("p", profile("Dancing bees", "law", "law", described="Of two words."))
    assert found == pytest.approx({
        "competencies": 3, "outside 3 to 8": False, "words a name": 4 / 3,
        "words a description": 3, "repeated names": 1 / 3, "repeated descriptions": 2 / 3,
        "names in the text": 1 / 3})
    assert model.features("p", profile("bee"))["names in the text"] == 1, "a stem counts"
    assert model.features("p", profile("tar"))["names in the text"] == 0, "a part does not"


def test_the_unreadable_is_worst_and_nothing_is_learned_from_nothing(candidates):
    model = RewardModel("reward", [Reader()], PROMPTS)
    with pytest.raises(DataError, match="learns from training texts"):
        model.fit(Rule([]), candidates)
    model.fit(Rule(PROMPTS), {key: [None, *found] for key, found in candidates.items()})
    assert judges.compare(model, "0", profile("law", "law"), None) == 1
    assert model.score("unknown", profile("bees")) is None
