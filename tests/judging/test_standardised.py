"""Several judges as one."""
import pytest
from helpers.texts import profile

from lib.judging import judges
from lib.judging.standardised import Standardised

NAMES = ["bees", "stars", "law"]
CANDIDATES = {"p": [None, *map(profile, NAMES)], "q": [profile("bees"), profile("law")]}


class Table(judges.Scoring):
    """A judge whose score is that of a profile's first name, per prompt."""

    def __init__(self, name, family, scores):
        self.name, self.family, self.scores = name, family, scores

    def score(self, prompt_id, found):
        if prompt_id not in self.scores:
            return None
        if found is None:
            return judges.WORST
        return self.scores[prompt_id][NAMES.index(found["competencies"][0]["name"])]


ONE = Table("one", "lexical", {"p": [1, 2, 3], "q": [5, 5, 5]})
OTHER = Table("other", "humans", {"p": [100, 0, -100]})


def test_scores_are_standardised_over_the_candidates_of_a_prompt():
    panel = Standardised("both", [ONE, OTHER], {"one": 3.0, "other": 1.0}, CANDIDATES)
    step = 1.5 ** 0.5  # of three evenly spaced scores, in standard deviations
    found = [panel.score("p", profile(name)) for name in NAMES]
    assert found == pytest.approx([-step / 2, 0, step / 2])
    assert panel.family == "lexical, humans"


def test_a_judge_that_cannot_tell_or_tells_nothing_apart_is_no_weight():
    panel = Standardised("both", [ONE, OTHER], {"one": 3.0, "other": 1.0}, CANDIDATES)
    assert panel.score("q", profile("bees")) == panel.score("q", profile("law")) == 0
    assert panel.score("unknown", profile("law")) is None
    alone = Standardised("alone", [OTHER], {"other": 1.0}, CANDIDATES)
    assert alone.score("q", profile("law")) is None


def test_the_unreadable_is_worst():
    panel = Standardised("both", [ONE, OTHER], {"one": 1.0, "other": 1.0}, CANDIDATES)
    panel.prepare([("p", None)])
    assert judges.compare(panel, "p", profile("law"), None) == 1
    assert judges.compare(panel, "p", None, None) == 0
