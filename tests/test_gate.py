"""The gate of generalisation and the steps that pass it: what each test changes, who passes, and what the steps learn from."""
import re
from types import SimpleNamespace

import pytest

from lib.competencies import world
from lib.competencies.profiles import parse, render
from lib.studies.generalisation import behaviour_tests, training_steps

TESTS = behaviour_tests.build(100, 7, 0.5)
FRAMES = {frame: manner for manner, frames in world.SHOWN.items() for frame in frames}


def reader(rows, mentions=False):
    """A reader who knows every phrasing of the world: its profile of some abstracts, by their texts alone."""
    competencies, domain = [], ""
    for sentence in [sentence for row in rows for sentence in behaviour_tests.sentences(row)]:
        for frame in FRAMES:
            if match := re.fullmatch(frame.format(name="(?P<name>.+)", object="(?P<object>.+)"), sentence):
                competencies.append({"name": match["name"], "description": world.DESCRIPTIONS[FRAMES[frame]].format(object=match["object"])})
                break
        for frame in world.MENTIONED if mentions else ():
            if match := re.fullmatch(frame.format(name="(.+)"), sentence):
                competencies.append({"name": match[1], "description": ""})
        for frame in world.FIELD:
            if match := re.fullmatch(frame.format(domain="(.+)"), sentence):
                domain = match[1]
    return {"domain": domain, "competencies": competencies}


def broken(test, read):
    return behaviour_tests.broken(test, *(read(test[side]) if test[side] else None for side in ("before", "after")))


def kind(name):
    return [test for test in TESTS if test["kind"] == name]


def test_a_hundred_tests_in_kinds_of_equal_size():
    sizes = {name: len(kind(name)) for name in behaviour_tests.KINDS}
    assert sum(sizes.values()) == 100 and set(sizes.values()) == {12, 13}
    assert len({test["id"] for test in TESTS}) == 100 and behaviour_tests.build(100, 7, 0.5) == TESTS != behaviour_tests.build(100, 8, 0.5)
    assert all(test["expectation"].endswith(".") and "{" not in test["expectation"] for test in TESTS)


def test_a_perfect_reader_passes_every_test():
    assert [(test["id"], wrong) for test in TESTS if (wrong := broken(test, reader))] == []


def test_who_lists_what_is_merely_mentioned_fails_the_distractors_alone():
    wrong = {name: [broken(test, lambda rows: reader(rows, mentions=True)) for test in kind(name)] for name in behaviour_tests.KINDS}
    assert all(wrong["distractor"]) and not any(wrong["add"] + wrong["reorder"] + wrong["paraphrase"] + wrong["domain"])


def test_a_tolerance_forgives_names_that_come_and_go_and_nothing_else():
    def forgetful(rows):  # overlooks what comes last
        profile = reader(rows)
        return {**profile, "competencies": profile["competencies"][:-1]}
    patient = behaviour_tests.build(100, 7, 0.5, tolerance=1)
    assert all(("Up to 1 may go and come." in test["expectation"]) == ("keeps" in test["expected"]) for test in patient)
    rows = [{**test, "profiles": (sides := [forgetful(test[side]) if test[side] else None for side in ("before", "after")]),
             "broken": behaviour_tests.broken(test, *sides)} for test in patient]
    assert not [row["id"] for row in rows if row["kind"] in ("reorder", "paraphrase") and row["broken"]]
    found = behaviour_tests.outcome(rows)
    assert found["exactly"] == sum(not broken(test, forgetful) for test in TESTS) < found["passed"]
    assert any(row["broken"] for row in rows if row["kind"] == "add")


def test_who_never_changes_an_answer_fails_where_it_has_to_change():
    passed = {name: [not behaviour_tests.broken(test, reader(test["before"]), reader(test["before"])) for test in kind(name)]
              for name in behaviour_tests.KINDS if name != "unseen domain"}
    assert not any(passed["add"] + passed["drop"] + passed["rename"] + passed["domain"])
    assert all(passed["reorder"] + passed["paraphrase"] + passed["distractor"])


def test_the_changes_are_what_they_say():
    for test in TESTS:
        before, after = ([behaviour_tests.sentences(row) for row in test[side]] if test[side] else None for side in ("before", "after"))
        if test["kind"] == "reorder":
            assert before != after and sorted(before) == sorted(after)
        if test["kind"] in ("paraphrase", "rename"):
            pairs = [(a, b) for one, other in zip(before, after, strict=True) for a, b in zip(one, other, strict=True) if a != b]
            assert len(pairs) == 1
        if test["kind"] == "paraphrase":
            (one,), (other,) = ([c["description"] for c in reader([{"text": text}])["competencies"]] for text in pairs[0])
            assert one == other, "another manner"
        if test["kind"] == "drop":
            assert sum(map(len, before)) == sum(map(len, after)) + 1 and all(after)
        if test["kind"] in ("add", "distractor"):
            assert sum(map(len, before)) == sum(map(len, after)) - 1
            assert [one[0] for one in before] == [other[0] for other in after]
        if test["kind"] == "domain":
            assert reader(test["after"])["domain"] != reader(test["before"])["domain"] and len(before) == len(after)
        if test["kind"] == "unseen domain":
            assert before is None and test["after"][0]["domain"] in world.lexicon()[1]


@pytest.mark.parametrize(("expected", "before", "after", "wrong"), [
    ({"names": ["b"]}, "a", "a b", []),
    ({"names": ["b"], "lacks": ["a"]}, "a", "a", ["does not name b", "names a"]),
    ({"keeps": []}, "a b c", "C A b", []),
    ({"keeps": ["c"]}, "a b c", "a d", ["lost b", "gained d"]),
    ({"keeps": [], "tolerance": 1}, "a b c", "a b d", []),
    ({"keeps": [], "tolerance": 1}, "a b c", "a", ["lost b", "lost c"]),
    ({"lacks": ["b"], "keeps": ["b"], "tolerance": 1}, "a", "a b", ["names b"]),
    ({"domain": "y"}, "a", "a", ["its domain is x"]),
    ({"f1": {"competencies": [{"name": "a"}, {"name": "b"}]}, "floor": 0.5}, "a", "a c", []),
    ({"f1": {"competencies": [{"name": "a"}, {"name": "b"}]}, "floor": 0.5}, "a", "a c d", ["its F1 is 0.40"]),
    ({"keeps": []}, None, "a", ["no readable profile"]),
    ({"names": ["a"]}, "a", None, ["no readable profile"]),
    ({"names": ["a"]}, None, "a", []),
])
def test_what_breaks_an_expectation(expected, before, after, wrong):
    def profile(names):
        return names and {"domain": "x", "competencies": [{"name": name, "description": ""} for name in names.split()]}
    assert behaviour_tests.broken({"expected": expected}, profile(before), profile(after)) == wrong


def test_the_gate_opens_at_ninety_of_a_hundred_and_says_how_sure_that_is():
    rows = [{"kind": "add" if number < 50 else "drop", "broken": ["x"] * (number < 10), "expected": {}, "profiles": [None, None]}
            for number in range(100)]
    found = behaviour_tests.outcome(rows)
    assert (found["passed"], found["n"], found["open"]) == (90, 100, True)
    assert (found["low"], found["high"]) == pytest.approx((0.826, 0.945), abs=5e-4)
    assert found["kinds"]["add"]["rate"] == 0.8 and found["kinds"]["drop"]["rate"] == 1.0
    assert not behaviour_tests.outcome([*rows[:10], {**rows[10], "broken": ["x"]}, *rows[11:]])["open"]


def test_a_model_that_writes_nothing_readable_passes_nothing(tiny):
    settings = SimpleNamespace(prompt="brief", batch_size=8, max_new_tokens=4)
    rows = behaviour_tests.take(TESTS[:8], "tiny", *tiny, settings)
    assert [row["id"] for row in rows] == [test["id"] for test in TESTS[:8]] and all(row["broken"] == ["no readable profile"] for row in rows)


def preference(author, margin, text, split="train"):
    return {"id": author, "author": author, "split": split, "margin": margin, "prompt": [{"role": "user", "content": author}],
            "chosen": [{"role": "assistant", "content": text}], "rejected": [{"role": "assistant", "content": "- kelp mapping: x"}]}


def test_the_best_answer_is_the_one_with_the_largest_margin():
    rows = [preference("a", 1.0, "low"), preference("a", 3.0, "high"), preference("b", 0.5, "only"), preference("c", 9.0, "no", "validation")]
    assert [text for _, text in training_steps.best(rows)] == ["high", "only"]


def test_an_explanation_quotes_the_sentence_that_decides():
    profile = {"domain": "x", "competencies": [{"name": "Kelp mapping", "description": ""}, {"name": "made up", "description": ""}]}
    text = "Abstract 1: On kelp\nWe design kelp mapping from scratch. It remains open whether coral census would help."
    assert training_steps.explain(text, profile, ["coral census", "Kelp mapping", "nowhere"]).splitlines() == [
        "Kelp mapping is shown: We design kelp mapping from scratch.",
        "coral census is not shown: It remains open whether coral census would help."]


def test_what_the_steps_learn_from():
    truth = {"domain": "d", "competencies": [{"name": "coral census", "description": "Develops it."}]}
    rows = [{"id": name, "split": split, "truth": known, "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": text}]}
            for name, split, known, text in (("a", "train", truth, "We like coral census. Not kelp mapping."), ("t", "test", truth, "test"),
                                             ("b", "train", None, "We do kelp mapping."), ("c", "train", None, "nobody judged this"))]
    preferences = [{**preference(name, 1.0, "- kelp mapping: y"), "prompt": next(row["messages"] for row in rows if row["id"] == name)}
                   for name in "ab"]
    found = training_steps.lessons(SimpleNamespace(authors=6, invented=0.5, seed=1), rows, preferences, "brief")
    assert len(found["sft"]) == 2 and len(found["explained"]) == len(found["unexplained"]) == 8  # a, b, and six fresh authors
    answers = {messages[-1]["content"]: answer for messages, answer in found["unexplained"]}
    assert parse(answers["We like coral census. Not kelp mapping."]) == truth and "test" not in answers
    assert parse(answers["We do kelp mapping."])["competencies"][0]["name"] == "kelp mapping"
    for number, ((with_reasons, one), (plain, other)) in enumerate(zip(found["explained"], found["unexplained"], strict=True)):
        assert one == other and with_reasons[1:] == plain[1:]
        assert (with_reasons != plain) == (number % 2 == 0) or not training_steps.explain(plain[-1]["content"], parse(other), [])
    texts = [messages[0]["content"] for messages, _ in training_steps.lessons(SimpleNamespace(authors=0, invented=0, seed=1), rows[:1], preferences, "brief")["explained"]]
    assert texts == ["S\ncoral census is shown: We like coral census.\nkelp mapping is not shown: Not kelp mapping."]
    assert render(truth) == answers["We like coral census. Not kelp mapping."]
