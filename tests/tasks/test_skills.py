"""Advertisements with marked skills: spans, and lines that are none."""
import json

import pytest

from lib.core.records import DataError
from lib.tasks import skills


def line(idx, words, skill="", knowledge=""):
    tokens = words.split()
    tags = [list(given) or ["O"] * len(tokens) for given in (skill, knowledge)]
    return json.dumps({"idx": idx, "source": "tech", "tokens": tokens, "tags_skill": tags[0],
                       "tags_knowledge": tags[1]})


def test_sentences_of_one_advertisement_stand_together_with_their_spans(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("\n".join([
        line(1, "You lead teams at <ORGANIZATION> .", "OBIOOO"), line(1, "You know Java , SQL .",
                                                                    "", "OOBOBI"),
        line(2, "Lead teams", "BI")]))
    (one, two), rejected = skills.read(path)
    assert one["references"] == ["lead teams", "Java", "SQL"]
    assert two["references"] == ["Lead teams"]
    assert one["parts"][0]["text"].startswith("You lead teams at (organization) .\n")
    assert not rejected


@pytest.mark.parametrize(("row", "reason"), [
    ("{", "not JSON"), ("[]", "no object"), ('{"idx": "1"}', "no object with a whole number"),
    (line(1, "a b", "B"), "differ in length"), (line(1, "a", "X"), "tags other than"),
    ('{"idx": 1, "tokens": "a"}', "'tokens' is no list of words")])
def test_what_is_no_sentence_is_said_with_its_line(row, reason, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(f"{line(1, 'Lead teams', 'BI')}\n{row}\n")
    found, (refused,) = skills.read(path)
    assert len(found) == 1 and refused["line"] == 2 and reason in refused["reason"]
    path.write_text(row)
    with pytest.raises(DataError, match="no advertisement"):
        skills.read(path)


def test_adjacent_spans_stay_apart():
    assert skills.spans(["Java", "SQL", "x", "Git"], ["B", "B", "O", "I"]) == ["Java", "SQL", "Git"]
