"""Behaviour tests in open wording: a reader who knows all that can be said passes, others fail."""
import re
from itertools import product

import pytest

from lib.competencies import open_wording, world
from lib.studies.generalisation import behaviour_tests
from lib.studies.generalisation.editing import sentences

TESTS = behaviour_tests.build(48, 7, 0.5, wording="open")
SAID = open_wording.spoken()


def pattern(frame):
    parts = {"name": "(?P<name>.+)", "object": "(?P<object>.+)", "method": "(?P<method>.+)",
             "modifier": "(?P<modifier>.+)", "domain": "(?P<domain>.+)"}
    found = re.escape(frame)
    for part, group in parts.items():
        found = found.replace(re.escape(f"{{{part}}}"), group)
    return re.compile(found)


SHOWN = [pattern(frame) for manner in SAID["shown"].values() for same in manner.values()
         for frame in same]
SHOWN += [pattern(frame) for same in SAID["unnamed"].values() for frame in same]
OBJECTS = {obj for words in world.lexicon()[0].values() for obj in words["objects"]}
MENTIONED, FIELD = list(map(pattern, SAID["mentioned"])), list(map(pattern, SAID["field"]))


def reader(rows, mentions=False):
    """The profile by a reader who knows every phrasing, from the texts alone."""
    names, domain = [], ""
    for sentence in [sentence for row in rows for sentence in sentences(row)]:
        found = [match for one in SHOWN if (match := one.fullmatch(sentence))
                 and match["object"] in OBJECTS]
        if found:
            parts = found[0].groupdict()
            names.append(parts.get("name") or f"{parts['modifier']} {parts['method']}")
        for one in MENTIONED if mentions else ():
            names += [match["name"] for match in [one.fullmatch(sentence)] if match]
        domain = next((match["domain"] for one in FIELD if (match := one.fullmatch(sentence))),
                      domain)
    return {"domain": domain, "competencies": [{"name": name, "description": ""} for name in names]}


def wrong(test, read):
    sides = [read(test[side]) if test[side] else None for side in ("before", "after")]
    return behaviour_tests.broken(test, *sides)


def test_as_many_of_each_kind_and_the_same_ones_again():
    assert {test["kind"] for test in TESTS} == set(behaviour_tests.KINDS)
    assert behaviour_tests.build(48, 7, 0.5, wording="open") == TESTS
    assert all("{" not in test["expectation"] for test in TESTS)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test["id"])
def test_a_perfect_reader_passes(test):
    assert wrong(test, reader) == []


def test_who_lists_what_is_mentioned_fails_the_distractors():
    careless = {test["kind"] for test in TESTS
                if wrong(test, lambda rows: reader(rows, mentions=True))}
    assert "distractor" in careless and "reorder" not in careless


def test_an_alias_is_taken_for_the_name_and_junk_is_not():
    for test, side in product([one for one in TESTS if one["kind"] == "reorder"], (0, 1)):
        profiles = [reader(test["before"]), reader(test["after"])]
        own = profiles[side]["competencies"][0]["name"].casefold()
        known = test["expected"]["aliases"]
        other = next(alias for alias, name in known.items()
                     if name == known.get(own, own) and alias != own)
        profiles[side]["competencies"][0]["name"] = other.upper()
        assert behaviour_tests.broken(test, *profiles) == []
        profiles[side]["competencies"][0]["name"] = "junk"
        assert behaviour_tests.broken(test, *profiles)
