"""Judges that score: what they cannot tell, and contests by several of them."""
from lib.judging import judges

PROMPT = {"id": "p", "truth": None}
TRUTH = {"domain": "bees", "competencies": [{"name": "bee dances", "description": "Reads them."}]}


def written(profile, keys="ab"):
    return [{"id": key, "profile": profile} for key in keys]


def test_a_judge_that_cannot_tell_gives_no_winner():
    truth = judges.Truth([PROMPT])
    vote, = truth.votes([{"id": "p", "abstracts": "", "left": "a", "right": "b"}])
    assert vote["winner"] is None and vote["status"] == "invalid"
    rows = judges.contest(truth, written(None, "p"), written(None, "p"))
    assert judges.win_rate(rows)["n"] == 0


def test_contests_are_decided_by_each_judge():
    knowing = judges.Truth([{"id": key, "truth": TRUTH} for key in "ab"])
    ignorant = judges.Truth([])
    rates = judges.contests({"truth": knowing, "judge": ignorant}, written(TRUTH), written(None))
    assert rates["truth"]["rate"] == 1 and rates["truth"]["n"] == 2
    assert rates["judge"]["n"] == 0
    ties = judges.contests({"truth": knowing}, written(TRUTH), written(TRUTH))
    assert ties["truth"]["rate"] == 0.5
