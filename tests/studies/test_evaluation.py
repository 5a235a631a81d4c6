"""What one model writes, measured; and what judges say of two."""
from lib.studies import evaluation

PROFILE = {"domain": "d", "competencies": [{"name": name, "description": "Does it well."}
                                           for name in ("kelp mapping", "coral census", "tides")]}


def written(name, profile, **changes):
    return {"id": name, "text": "", "tokens": 5, "finished": True, "profile": profile} | changes


def test_measures_without_truth_are_none():
    rows = evaluation.measure([{"id": "p", "truth": None}], [written("p", None)])
    assert rows[0]["f1"] is None and rows[0]["similarity"] is None and not rows[0]["compliant"]
    assert evaluation.means(rows)["f1"]["rate"] is None


def test_measures_of_a_right_profile_and_of_one_that_was_cut_off():
    prompts = [{"id": name, "truth": PROFILE} for name in "ab"]
    whole, cut = evaluation.measure(prompts, [written("a", PROFILE),
                                              written("b", PROFILE, finished=False)])
    assert whole["f1"] == whole["precision"] == whole["recall"] == 1 and whole["compliant"]
    assert not whole["strict"], "its text is not in the grammar"
    assert cut["f1"] == 1 and not cut["compliant"] and cut["competencies"] == 3
    found = evaluation.quality(prompts[:1], [written("b", None), written("a", PROFILE)])
    assert found["f1"]["rate"] == 1 and found["compliant"]["n"] == 1
    assert evaluation.columns(found, "f1") == {"f1": found["f1"], "competencies": 3, "tokens": 5}


def test_what_was_decided_names_the_better_profile_first():
    ours, theirs = ([written(name, f"{side} {name}") for name in "abc"]
                    for side in ("our", "their"))
    contest = [{"id": "a", "outcome": 1}, {"id": "b", "outcome": 0.5}, {"id": "c", "outcome": 0}]
    assert evaluation.decided(contest, ours, theirs) == [
        ("a", "our a", "their a"), ("c", "their c", "our c")]
