"""What people think: scores by their references, and who agrees with them."""
import pytest
from helpers.texts import Fake, profile, prompt

from lib.judging import judges
from lib.judging.humans import HumanReferences, agreement_with_humans, choices, votes_with_humans

PROMPTS = [prompt("p", "", references=["bees", "stars"]), prompt("q", "", references=["law"]),
           prompt("r", "")]


class Table(judges.Scoring):
    """A judge whose score of a profile is that of its first name."""

    def __init__(self, name, scores):
        self.name, self.scores = name, scores

    def score(self, prompt_id, found):
        return self.scores.get(found["competencies"][0]["name"])


def test_stem_exact_scores_against_the_references():
    humans = HumanReferences(PROMPTS)
    assert humans.score("p", profile("Star", "law")) == 0.5
    assert humans.score("p", profile("bee", "stars")) == 1
    assert humans.score("p", None) == humans.score("p", profile("law")) == 0
    assert humans.score("r", profile("law")) is None and humans.score("r", None) is None
    assert humans.family == "humans"


def test_soft_scores_are_by_an_encoder():
    near = HumanReferences(PROMPTS, Fake({"law": [1], "tax law": [3, 4]}))
    near.prepare([("q", profile("tax law")), ("q", None), ("r", profile("law"))])
    assert near.score("q", profile("tax law")) == pytest.approx(0.6)
    assert near.score("q", profile("law")) == pytest.approx(1)
    assert near.score("q", None) == 0 and near.score("r", profile("law")) is None


def test_pairs_are_ordered_by_the_references():
    one, half, none = profile("bees", "stars"), profile("bees", "law"), profile("wax")
    humans = HumanReferences(PROMPTS)
    shown = {"p": [half, None, one, none], "q": [none, none], "r": [one, none]}
    assert humans.ordered(shown, 0.02) == [("p", one, half), ("p", half, none), ("p", one, none)]
    assert humans.ordered(shown, 0.6) == [("p", one, none)]


def test_agreement_by_hand():
    one, half, none = profile("bees", "stars"), profile("stars", "wax"), profile("wax", "sun")
    shown = {"p": [one, half, none], "q": [profile("law", "law"), none]}
    agreeing = Table("agrees", {"bees": 3, "stars": 2, "wax": 1, "law": 2})
    mixed = Table("mixed", {"bees": 1, "stars": 1, "wax": 2, "law": 2})
    ignorant = Table("ignorant", {})
    found = agreement_with_humans([agreeing, mixed, ignorant], HumanReferences(PROMPTS), shown)
    assert found["agrees"]["rate"] == 1 and found["agrees"]["n"] == 4
    # One tie and two losses on the first prompt, a tie on the second.
    assert found["mixed"]["rate"] == (0.5 + 0 + 0 + 0.5) / 4
    assert found["mixed"]["low"] == pytest.approx(0.5 / 3) and found["mixed"]["high"] == 0.5
    assert found["ignorant"]["rate"] is None and found["ignorant"]["n"] == 0


class Voter:
    """Takes the profile that names bees, else the left one; of law it says nothing."""

    def votes(self, comparisons):
        self.asked = comparisons
        return [{"winner": None if "law" in c["left"] + c["right"] else
                 "right" if "- bees" in c["right"] and "- bees" not in c["left"] else "left"}
                for c in comparisons]


def test_what_a_judge_likes_best_is_worth_what_the_references_say():
    right, half, wrong = profile("bees", "stars"), profile("bees", "law"), profile("wax")
    candidates = {"p": [wrong, None, half, right], "q": [None], "r": [right]}
    bees = Table("bees", {"bees": 1.0})  # cannot tell of the rest; the first of equals counts
    wax = Table("wax", {"bees": 0.0, "wax": 2.0})
    found = choices([bees, wax], HumanReferences(PROMPTS), candidates)
    assert found["bees"]["rate"] == 0.5 and found["wax"]["rate"] == 0
    assert found["bees"]["n"] == 1, "texts without terms or without a profile do not count"


def test_a_judge_that_votes_is_asked_in_both_orders():
    one, half, none = profile("bees", "stars"), profile("stars", "wax"), profile("wax", "sun")
    shown = {"p": [one, half, none], "q": [profile("law"), none]}
    voter, humans = Voter(), HumanReferences(PROMPTS)
    found = votes_with_humans(voter, humans, shown, PROMPTS, 100)
    # On p two wins and a vote for the left one in both orders; on q nothing valid.
    assert found["rate"] == (1 + 1 + 0.5 + 0.5) / 4 and found["n"] == 4 and len(voter.asked) == 8
    assert {c["abstracts"] for c in voter.asked if c["id"] == "q"} == {"Abstract 1: \n"}
    assert votes_with_humans(voter, humans, shown, PROMPTS, 2)["n"] == 2
