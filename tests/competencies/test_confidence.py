"""Confidence in a name: which tokens write it, and what their probabilities come to."""
import math

import pytest

from lib.competencies.confidence import (
    confidence,
    name_spans,
    token_spans,
    with_confidence,
)
from lib.competencies.profiles import parse

PIECES = ["Domain: ", "bees", "\n\nCompetencies:\n", "-", " wag", "gle dan", "ce:", " It maps",
          " the swarm.", "\n- ", "swarm", ": None"]


def decode(ids):
    return "".join(PIECES[i] for i in ids)


def test_a_name_is_as_sure_as_the_geometric_mean_of_its_tokens():
    ids = list(range(len(PIECES)))
    chances = [0.1] * len(ids)
    chances[4:7], chances[10] = [0.9, 0.5, 0.6], 0.8
    completion = {"text": decode(ids), "ids": ids, "logps": [math.log(p) for p in chances]}
    profile = parse(decode(ids))
    found = with_confidence(profile, completion, decode)
    assert [(one["name"], one["confidence"]) for one in found["competencies"]] == [
        ("waggle dance", round((0.9 * 0.5 * 0.6) ** (1 / 3), 4)), ("swarm", 0.8)]
    assert "confidence" not in profile["competencies"][0] and found["domain"] == "bees"


def test_a_name_without_a_place_has_no_confidence():
    assert confidence(None, [(0, 1)], [-1.0]) is None
    assert confidence((4, 5), [(0, 4)], [-1.0]) is None
    assert confidence((0, 4), [(0, 4), (4, 5)], [0.0, -9.0]) == 1


@pytest.mark.parametrize(("text", "names", "found"), [
    ("- swarm: not the dance\n- dance: a", ["swarm", "dance"], ["swarm", "dance"]),
    ("Domain: dance\n1. **dance**: x\n2) “C++” – y", ["dance", "C++"], ["dance", "C++"]),
    ("* a  neural:\n  net: x", ["a neural net"], ["a  neural:\n  net"]),
    ('{"domain": "", "competencies": [{"name": "bees", "description": "a"}]}', ["bees"], ["bees"]),
    ("- bees: x\n- bees: y", ["bees", "bees"], ["bees", "bees"]),
    ("- beeswax: x", ["bees"], [None]), ("- a.b: x", ["acb", "a.b"], [None, "a.b"])])
def test_names_are_found_where_they_begin_an_item(text, names, found):
    spans = name_spans(text, names)
    assert [span and text[slice(*span)] for span in spans] == found
    starts = [span[0] for span in spans if span]
    assert starts == sorted(set(starts))


def test_the_second_of_two_places_is_not_that_in_a_description():
    text = "- bees: dance\nfor dance\n- dance: x"
    assert name_spans(text, ["bees", "dance"])[1] == (text.rindex("dance"), len(text) - 3)


def test_tokens_that_are_parts_of_a_character_share_it():
    """As byte-level vocabularies write what they do not know."""
    parts = [b"- ", b"na", "ï".encode()[:1], "ï".encode()[1:], b"ve", b": x"]

    def read(ids):
        return b"".join(parts[i] for i in ids).decode("utf-8", "replace")
    ids = [0, 1, 2, 3, 4, 5]
    assert token_spans(ids, read) == [(0, 2), (2, 4), (4, 5), (4, 5), (5, 7), (7, 10)]
    completion = {"ids": ids, "logps": [-9, -1, -2, -3, -4, -9]}
    profile = {"domain": "", "competencies": [{"name": "naïve", "description": "x"}]}
    sure = with_confidence(profile, completion, read)["competencies"][0]["confidence"]
    assert sure == round(math.exp(-2.5), 4)


def test_a_real_tokenizer_writes_the_name_that_was_read(base):
    _, tokenizer = base
    text = "Domain: ecology\n\nCompetencies:\n- coral reef genomics: Sequences DNA of Ökosysteme."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    completion = {"ids": ids, "logps": [-1.0] * len(ids)}
    found = with_confidence(parse(text), completion, tokenizer.decode)
    assert found["competencies"][0]["confidence"] == round(math.exp(-1), 4)
