"""What page 13 measures: its controls are what they say."""
import json

import pytest

from lib.core.records import DataError
from lib.core.settings import load
from lib.studies import reading, reading_trial

WANTED = load("smollm2")[1].reading


def trial(**changes):
    return WANTED.model_copy(update={"trial": WANTED.trial.model_copy(update=changes)})


def profile(*names, places=()):
    return {"domain": "d", "competencies": [
        {"name": name, "description": "x", "places": list(places)} for name in names]}


def test_papers_without_an_abstract_or_terms_are_named(tmp_path):
    text = [{"section": "s", "text": "We fit kernels to very long streams."}]
    rows = [{"id": "a", "sections": text, "abstract": "We fit.", "keyphrases": ["kernel"]},
            {"id": "b", "sections": text, "keyphrases": ["kernel"]},
            {"id": "c", "sections": text, "abstract": "We fit."}]
    path = tmp_path / "p.jsonl"
    path.write_text("{\n" + "".join(f"{json.dumps(row)}\n" for row in rows))
    found, rejected = reading_trial.papers(trial(papers_path=str(path)))
    assert [row["id"] for row in found] == ["a"] and [row["line"] for row in rejected] == [1, 3, 4]
    with pytest.raises(DataError, match=r"data/fulltext/README\.md"):
        reading_trial.papers(trial(papers_path="data/none.jsonl"))


def test_advertisements_are_taken_from_all_of_the_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("".join(json.dumps({
        "idx": i, "source": "x", "tokens": ["Java"], "tags_skill": ["B"],
        "tags_knowledge": ["O"]}) + "\n" for i in range(10)))
    found, _ = reading_trial.advertisements(
        trial(advertisements_path=str(path), advertisements=3))
    assert [row["id"] for row in found] == ["x 0", "x 3", "x 6"]


def test_sampling_again_is_merged_as_chunks_are():
    row = {"id": "a#0", "completions": ["1", "2", "3"], "tokens": [4, 5, 6],
           "profiles": [profile("x", "y"), None, profile("y", "z")],
           "status": ["ok", "unreadable", "unfinished"]}
    found, = reading_trial.resampled([{"id": "a"}], [row], reading.Merging(1.0))
    assert [item["name"] for item in found["profile"]["competencies"]] == ["y", "x"]
    assert found["tokens"] == 15 and found["finished"] and found["id"] == "a"


def test_the_floor_asks_for_the_terms_of_the_next_document():
    prompts = [{"id": name, "references": [name]} for name in "abc"]
    assert [row["references"] for row in reading_trial.another(prompts)] == [["b"], ["c"], ["a"]]


def test_terms_that_stand_in_what_was_read_are_counted_by_their_stems():
    documents = [{"id": "a", "references": ["kernel methods", "rings"]},
                 {"id": "b", "references": ["streams"]}]
    read = {"a": [{"place": "p", "text": "A kernel method."}], "b": [{"place": "p", "text": "x"}]}
    found = reading_trial.held(documents, read)
    assert (found["rate"], found["n"]) == (0.25, 2)


def test_pointers_are_means_over_competencies():
    documents = [{"id": "a"}, {"id": "b"}]
    read = {name: [{"place": "p", "text": "graphs"}, {"place": "q", "text": "rings"}]
            for name in "ab"}
    written = [{"id": "a", "profile": profile("graph", "ring", places=["p"])},
               {"id": "b", "profile": None}]
    found = reading_trial.pointers(documents, written, read)
    assert found["own"]["rate"] == 0.5 and found["other"]["rate"] == 0.5
    assert found["own"]["n"] == 2


def test_personal_data_are_counted_by_kind():
    found = reading_trial.personal_data([{"id": "a", "author": "", "title": "", "abstract": "",
                                          "parts": [{"place": "p", "text": "a@b.org, c@d.org"}]}])
    assert found["mail address"] == 2 and sum(found.values()) == 2
