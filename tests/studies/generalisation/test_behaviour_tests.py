"""Behaviour tests: what each changes, who passes, and when the gate opens."""
import re
from types import SimpleNamespace

import pytest

from lib.competencies import world
from lib.studies.generalisation import behaviour_tests

TESTS = behaviour_tests.build(100, 7, 0.5)
FRAMES = {frame: manner for manner, frames in world.SHOWN.items() for frame in frames}


def reader(rows, mentions=False):
    """The profile by a reader who knows every phrasing of the world, from the texts alone."""
    competencies, domain = [], ""
    for sentence in [sentence for row in rows for sentence in behaviour_tests.sentences(row)]:
        for frame in FRAMES:
            pattern = frame.format(name="(?P<name>.+)", object="(?P<object>.+)")
            if match := re.fullmatch(pattern, sentence):
                told = world.DESCRIPTIONS[FRAMES[frame]].format(object=match["object"])
                competencies.append({"name": match["name"], "description": told})
                break
        for frame in world.MENTIONED if mentions else ():
            if match := re.fullmatch(frame.format(name="(.+)"), sentence):
                competencies.append({"name": match[1], "description": ""})
        for frame in world.FIELD:
            if match := re.fullmatch(frame.format(domain="(.+)"), sentence):
                domain = match[1]
    return {"domain": domain, "competencies": competencies}


def both(test, read):
    """What a reader makes of both sides of a test."""
    return [read(test[side]) if test[side] else None for side in ("before", "after")]


def broken(test, read):
    return behaviour_tests.broken(test, *both(test, read))


def kind(name):
    return [test for test in TESTS if test["kind"] == name]


def test_a_hundred_tests_in_kinds_of_equal_size():
    sizes = {name: len(kind(name)) for name in behaviour_tests.KINDS}
    assert sum(sizes.values()) == 100 and set(sizes.values()) == {12, 13}
    assert len({test["id"] for test in TESTS}) == 100
    assert behaviour_tests.build(100, 7, 0.5) == TESTS != behaviour_tests.build(100, 8, 0.5)
    for test in TESTS:
        assert test["expectation"].endswith(".") and "{" not in test["expectation"]


def test_a_perfect_reader_passes_every_test():
    assert [(test["id"], wrong) for test in TESTS if (wrong := broken(test, reader))] == []


def test_who_lists_what_is_merely_mentioned_fails_the_distractors_alone():
    def careless(rows):
        return reader(rows, mentions=True)
    wrong = {name: [broken(test, careless) for test in kind(name)]
             for name in behaviour_tests.KINDS}
    assert all(wrong["distractor"])
    assert not any(wrong["add"] + wrong["reorder"] + wrong["paraphrase"] + wrong["domain"])


def test_a_tolerance_forgives_names_that_come_and_go_and_nothing_else():
    def forgetful(rows):  # overlooks what comes last
        profile = reader(rows)
        return {**profile, "competencies": profile["competencies"][:-1]}
    patient = behaviour_tests.build(100, 7, 0.5, tolerance=1)
    for test in patient:
        assert ("Up to 1 may go and come." in test["expectation"]) == ("keeps" in test["expected"])
    rows = [{**test, "profiles": both(test, forgetful), "broken": broken(test, forgetful)}
            for test in patient]
    same = [row for row in rows if row["kind"] in ("reorder", "paraphrase")]
    assert not [row["id"] for row in same if row["broken"]]
    found = behaviour_tests.outcome(rows)
    assert found["exactly"] == sum(not broken(test, forgetful) for test in TESTS) < found["passed"]
    assert any(row["broken"] for row in rows if row["kind"] == "add")


def test_who_never_changes_an_answer_fails_where_it_has_to_change():
    passed = {}
    for name in [name for name in behaviour_tests.KINDS if name != "unseen domain"]:
        answers = [(test, reader(test["before"])) for test in kind(name)]
        passed[name] = [not behaviour_tests.broken(test, answer, answer)
                        for test, answer in answers]
    assert not any(passed["add"] + passed["drop"] + passed["rename"] + passed["domain"])
    assert all(passed["reorder"] + passed["paraphrase"] + passed["distractor"])


def test_the_changes_are_what_they_say():
    for test in TESTS:
        before, after = both(test, lambda rows: [behaviour_tests.sentences(row) for row in rows])
        if test["kind"] == "reorder":
            assert before != after and sorted(before) == sorted(after)
        if test["kind"] in ("paraphrase", "rename"):
            pairs = [pair for one, other in zip(before, after, strict=True)
                     for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
            assert len(pairs) == 1
        if test["kind"] == "paraphrase":
            (one,), (other,) = (reader([{"text": text}])["competencies"] for text in pairs[0])
            assert one["description"] == other["description"], "another manner"
        if test["kind"] == "drop":
            assert sum(map(len, before)) == sum(map(len, after)) + 1 and all(after)
        if test["kind"] in ("add", "distractor"):
            assert sum(map(len, before)) == sum(map(len, after)) - 1
            assert [one[0] for one in before] == [other[0] for other in after]
        if test["kind"] == "domain":
            assert reader(test["after"])["domain"] != reader(test["before"])["domain"]
            assert len(before) == len(after)
        if test["kind"] == "unseen domain":
            assert before is None and test["after"][0]["domain"] in world.lexicon()[1]


TWO = {"competencies": [{"name": "a"}, {"name": "b"}]}


@pytest.mark.parametrize(("expected", "before", "after", "wrong"), [
    ({"names": ["b"]}, "a", "a b", []),
    ({"names": ["b"], "lacks": ["a"]}, "a", "a", ["does not name b", "names a"]),
    ({"keeps": []}, "a b c", "C A b", []),
    ({"keeps": ["c"]}, "a b c", "a d", ["lost b", "gained d"]),
    ({"keeps": [], "tolerance": 1}, "a b c", "a b d", []),
    ({"keeps": [], "tolerance": 1}, "a b c", "a", ["lost b", "lost c"]),
    ({"lacks": ["b"], "keeps": ["b"], "tolerance": 1}, "a", "a b", ["names b"]),
    ({"domain": "y"}, "a", "a", ["its domain is x"]),
    ({"f1": TWO, "floor": 0.5}, "a", "a c", []),
    ({"f1": TWO, "floor": 0.5}, "a", "a c d", ["its F1 is 0.40"]),
    ({"keeps": []}, None, "a", ["no readable profile"]),
    ({"names": ["a"]}, "a", None, ["no readable profile"]),
    ({"names": ["a"]}, None, "a", []),
])
def test_what_breaks_an_expectation(expected, before, after, wrong):
    def profile(names):
        listed = [{"name": name, "description": ""} for name in (names or "").split()]
        return names and {"domain": "x", "competencies": listed}
    assert behaviour_tests.broken({"expected": expected}, profile(before), profile(after)) == wrong


def test_the_gate_opens_at_ninety_of_a_hundred_and_says_how_sure_that_is():
    rows = [{"kind": "add" if number < 50 else "drop", "broken": ["x"] * (number < 10),
             "expected": {}, "profiles": [None, None]} for number in range(100)]
    found = behaviour_tests.outcome(rows)
    assert (found["passed"], found["n"], found["open"]) == (90, 100, True)
    assert (found["low"], found["high"]) == pytest.approx((0.826, 0.945), abs=5e-4)
    assert found["kinds"]["add"]["rate"] == 0.8 and found["kinds"]["drop"]["rate"] == 1.0
    rows[10]["broken"] = ["x"]
    assert not behaviour_tests.outcome(rows)["open"]


def test_a_model_that_writes_nothing_readable_passes_nothing(tiny):
    settings = SimpleNamespace(prompt="brief", batch_size=8, max_new_tokens=4)
    rows = behaviour_tests.take(TESTS[:8], "tiny", *tiny, settings)
    assert [row["id"] for row in rows] == [test["id"] for test in TESTS[:8]]
    assert all(row["broken"] == ["no readable profile"] for row in rows)


def test_steps_are_compared_on_the_same_tests():
    def taken(*met):
        return [{"broken": [] if one else ["lost it"]} for one in met]

    steps = {"base": taken(True, False, False), "sft": taken(False, True, True)}
    assert behaviour_tests.won_and_lost(steps, [("base", "sft"), ("sft", "sft")]) == [
        {"from": "base", "to": "sft", "newly met": 2, "no longer met": 1},
        {"from": "sft", "to": "sft", "newly met": 0, "no longer met": 0}]
